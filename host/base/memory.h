/* memory.h - checked arithmetic on sizes, and allocation that cannot overflow. */
#ifndef BP_BASE_MEMORY_H
#define BP_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* *out = a op b; false on overflow, *out is then unspecified. */
bool bp__add_size(size_t *out, size_t a, size_t b);
bool bp__mul_size(size_t *out, size_t a, size_t b);

/* Smallest multiple of quantum that is >= value; quantum >= 1. */
size_t bp__round_up(size_t value, size_t quantum);

/* *out = count * size bytes, zeroed; never NULL on success, also for 0 bytes. free() releases it.
 */
bp_status bp__new_array(void *out, size_t count, size_t size);

/* Grows *array, which holds *capacity elements, so that it can hold `needed`; doubles. */
bp_status bp__grow(void *array, size_t *capacity, size_t needed, size_t size);

/* A copy of text, and of its first `length` bytes; a NULL text copies as NULL. */
bp_status bp__copy_text(char **out, const char *text);
bp_status bp__copy_bytes(char **out, const char *text, size_t length);

/* A text that grows: append formatted, release with free(). NULL is the empty text. */
bp_status bp__append(char **text, const char *format, ...) BP__PRINTF(2, 3);

#endif
