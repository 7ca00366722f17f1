/* status.c - status names and texts, and the per-thread text of the last error. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Build logs can be long; what does not fit is cut at the end, where it matters least. */
enum { ERROR_TEXT_BYTES = 8192 };

static _Thread_local char last_error[ERROR_TEXT_BYTES];
static _Thread_local int holds;

#define BP__TEXT(x) #x
#define BP__VERSION_TEXT(a, b, c) BP__TEXT(a) "." BP__TEXT(b) "." BP__TEXT(c)

const char *bp_version(void)
{
    return BP__VERSION_TEXT(BP_VERSION_MAJOR, BP_VERSION_MINOR, BP_VERSION_PATCH);
}

const char *bp_status_name(bp_status status)
{
    switch (status) {
#define BP_STATUS_NAME(name, value, text)                                                          \
    case name: return #name;
        BP_STATUSES(BP_STATUS_NAME)
#undef BP_STATUS_NAME
    }
    return "BP_ERROR_UNKNOWN";
}

const char *bp_status_text(bp_status status)
{
    switch (status) {
#define BP_STATUS_TEXT(name, value, text)                                                          \
    case name: return text;
        BP_STATUSES(BP_STATUS_TEXT)
#undef BP_STATUS_TEXT
    }
    return "unknown status";
}

const char *bp_last_error(void)
{
    return last_error;
}

void bp__hold_error(bool hold)
{
    holds += hold ? 1 : -1;
}

bp_status bp__fail(bp_status status, const char *format, ...)
{
    if (holds > 0) return status;
    /* Formatted aside first: an argument may be bp_last_error() itself. */
    char text[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(last_error, text, strlen(text) + 1);
    return status;
}

bp_status bp__fail_context(bp_status status, const char *format, ...)
{
    if (holds > 0) return status;
    char text[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (used < 0) used = 0;
    if ((size_t)used > sizeof text - 3) used = (int)sizeof text - 3;
    memcpy(text + used, ": ", 3);
    strncat(text, last_error, sizeof text - strlen(text) - 1);
    memcpy(last_error, text, strlen(text) + 1);
    return status;
}

bp_status bp__fail_memory(size_t bytes)
{
    return bp__fail(BP_ERROR_MEMORY, "out of memory: %zu bytes were asked for", bytes);
}
