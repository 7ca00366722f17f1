/* status.h - how functions inside the library report errors.
 *
 * bp__fail records a text for bp_last_error() and returns the status, so that an error is one line:
 *     return bp__fail(BP_ERROR_DATA, "%s, line %zu: ...", path, line);
 * BP_TRY forwards the status of a call that has already recorded its text. BP_TRY_GOTO does the
 * same where there is something to release: it stores the status in `status` and goes to `fail`. */
#ifndef BP_BASE_STATUS_H
#define BP_BASE_STATUS_H

#include <stdbool.h>

#include "backprop.h"

#if defined(__GNUC__)
#define BP__PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define BP__PRINTF(text, first)
#endif

bp_status bp__fail(bp_status status, const char *format, ...) BP__PRINTF(2, 3);

/* Puts "text: " before the recorded error: the caller adds what it was doing. Returns status. */
bp_status bp__fail_context(bp_status status, const char *format, ...) BP__PRINTF(2, 3);

bp_status bp__fail_memory(size_t bytes);

/* Between hold true and hold false the recorded text stays as it is: cleaning up after an error may
 * fail as well, and the caller wants to read of the first. */
void bp__hold_error(bool hold);

#define BP_TRY(expression)                                                                         \
    do {                                                                                           \
        bp_status bp__status = (expression);                                                       \
        if (bp__status != BP_OK) return bp__status;                                                \
    } while (0)

#define BP_TRY_GOTO(expression)                                                                    \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (status != BP_OK) goto fail;                                                            \
    } while (0)

#endif
