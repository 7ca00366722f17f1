/* memory.c - checked arithmetic on sizes, and allocation that cannot overflow. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bp__add_size(size_t *out, size_t a, size_t b)
{
    *out = a + b;
    return *out >= a;
}

bool bp__mul_size(size_t *out, size_t a, size_t b)
{
    *out = a * b;
    return a == 0 || *out / a == b;
}

size_t bp__round_up(size_t value, size_t quantum)
{
    return (value + quantum - 1) / quantum * quantum;
}

bp_status bp__new_array(void *out, size_t count, size_t size)
{
    void **pointer = out;
    *pointer = NULL;
    size_t bytes;
    if (!bp__mul_size(&bytes, count, size)) return bp__fail_memory(SIZE_MAX);
    *pointer = calloc(bytes ? bytes : 1, 1);
    return *pointer ? BP_OK : bp__fail_memory(bytes);
}

bp_status bp__grow(void *array, size_t *capacity, size_t needed, size_t size)
{
    void **pointer = array;
    if (needed <= *capacity) return BP_OK;
    size_t wanted = *capacity > SIZE_MAX / 2 ? needed : *capacity * 2;
    if (wanted < needed) wanted = needed;
    if (wanted < 16) wanted = 16;
    size_t bytes;
    if (!bp__mul_size(&bytes, wanted, size)) return bp__fail_memory(SIZE_MAX);
    void *grown = realloc(*pointer, bytes);
    if (!grown) return bp__fail_memory(bytes);
    *pointer = grown;
    *capacity = wanted;
    return BP_OK;
}

bp_status bp__copy_bytes(char **out, const char *text, size_t length)
{
    *out = malloc(length + 1);
    if (!*out) return bp__fail_memory(length + 1);
    memcpy(*out, text, length);
    (*out)[length] = '\0';
    return BP_OK;
}

bp_status bp__copy_text(char **out, const char *text)
{
    *out = NULL;
    return text ? bp__copy_bytes(out, text, strlen(text)) : BP_OK;
}

bp_status bp__append(char **text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (added < 0) return bp__fail(BP_ERROR_INTERNAL, "cannot format \"%s\"", format);
    size_t length = *text ? strlen(*text) : 0;
    char *grown = realloc(*text, length + (size_t)added + 1);
    if (!grown) return bp__fail_memory(length + (size_t)added + 1);
    va_start(arguments, format);
    vsnprintf(grown + length, (size_t)added + 1, format, arguments);
    va_end(arguments);
    *text = grown;
    return BP_OK;
}
