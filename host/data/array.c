/* array.c - arrays of numbers: their sizes, and their values as doubles. */
#include "data/array.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void bp__array_free(bp__array *array)
{
    free(array->bytes);
    free(array->source);
    memset(array, 0, sizeof *array);
}

void bp__arrays_free(bp__arrays *parts, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        bp__array_free(&parts[i].x);
        bp__array_free(&parts[i].y);
        free(parts[i].line);
        parts[i].line = NULL;
    }
}

size_t bp__type_size(bp__type type)
{
    switch (type) {
    case BP__BOOL:
    case BP__U8:
    case BP__I8: return 1;
    case BP__U16:
    case BP__I16:
    case BP__F16: return 2;
    case BP__U32:
    case BP__I32:
    case BP__F32: return 4;
    case BP__U64:
    case BP__I64:
    case BP__F64: return 8;
    }
    return 0;
}

bp_status bp__array_count(bp__array *array, size_t *expected, size_t at, size_t bytes)
{
    bool fits = true;
    array->count = 1;
    for (unsigned d = 0; d < array->dimensions; ++d) {
        if (array->size[d] == 0)
            return bp__fail(BP_ERROR_DATA,
                            "%s, byte %zu: dimension %u has size 0, there is no data",
                            array->source, at + d * bytes, d + 1);
        fits = fits && bp__mul_size(&array->count, array->count, array->size[d]);
    }
    if (fits && bp__mul_size(expected, array->count, bp__type_size(array->type)) &&
        bp__add_size(expected, *expected, array->start))
        return BP_OK;
    return bp__fail(BP_ERROR_DATA,
                    "%s, byte %zu: the sizes in the header multiply to more than a file can hold",
                    array->source, at);
}

bp_status bp__array_check_size(const bp__array *array, size_t expected, size_t found)
{
    if (found == expected) return BP_OK;
    return bp__fail(BP_ERROR_DATA, "%s: %zu bytes found%s, the header promises %zu: the file is %s",
                    array->source, found, found > expected ? " or more" : "", expected,
                    found > expected ? "too long" : "cut off");
}

size_t bp__array_rows(const bp__array *array)
{
    return array->size[0];
}

size_t bp__array_columns(const bp__array *array)
{
    return array->count / array->size[0];
}

/* ---- where a value is ---- */

/* Index of the column's value in row 0; each further row is row_step on. */
static size_t column_start(const bp__array *array, size_t column)
{
    if (!array->columns_first) return column;
    /* The column counts its indices with the last one fastest, the file with the first one. */
    size_t index = 0, step = array->count;
    for (unsigned d = array->dimensions; d-- > 1;) {
        step /= array->size[d];
        index += column % array->size[d] * step;
        column /= array->size[d];
    }
    return index;
}

static size_t row_step(const bp__array *array)
{
    return array->columns_first ? 1 : bp__array_columns(array);
}

size_t bp__array_offset(const bp__array *array, size_t row, size_t column)
{
    return array->start +
           (column_start(array, column) + row * row_step(array)) * bp__type_size(array->type);
}

/* ---- values ---- */

static bool host_is_big_endian(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 0;
}

static inline uint16_t load_16(const char *bytes, bool swap)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return swap ? (uint16_t)((unsigned)value << 8 | (unsigned)value >> 8) : value;
}

static inline uint32_t swapped_32(uint32_t value)
{
    return value << 24 | (value & 0xFF00u) << 8 | (value >> 8 & 0xFF00u) | value >> 24;
}

static inline uint32_t load_32(const char *bytes, bool swap)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return swap ? swapped_32(value) : value;
}

static inline uint64_t load_64(const char *bytes, bool swap)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return swap ? (uint64_t)swapped_32((uint32_t)value) << 32 | swapped_32((uint32_t)(value >> 32))
                : value;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
static double half_of(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent == 31  ? (fraction ? NAN : INFINITY)
                   : exponent == 0 ? ldexp(fraction, -24)
                                   : ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 ? -value : value;
}

/* The values at index, index + step, … as doubles, which hold all of them but integers beyond 2^53
 * exactly. */
static void get(double *out, const bp__array *array, size_t index, size_t step, size_t count)
{
    const size_t size = bp__type_size(array->type), stride = step * size;
    const bool swap = array->big_endian != host_is_big_endian();
    const char *b = array->bytes + array->start + index * size;
#define EACH(value)                                                                                \
    for (size_t i = 0; i < count; ++i, b += stride) out[i] = (double)(value);                      \
    return
    switch (array->type) {
    case BP__BOOL: EACH(*b != 0);
    case BP__U8: EACH((unsigned char)*b);
    case BP__I8: EACH((signed char)*b);
    case BP__U16: EACH(load_16(b, swap));
    case BP__I16: EACH((int16_t)load_16(b, swap));
    case BP__U32: EACH(load_32(b, swap));
    case BP__I32: EACH((int32_t)load_32(b, swap));
    case BP__U64: EACH(load_64(b, swap));
    case BP__I64: EACH((int64_t)load_64(b, swap));
    case BP__F16: EACH(half_of(load_16(b, swap)));
    case BP__F32: EACH(float_of(load_32(b, swap)));
    case BP__F64: EACH(double_of(load_64(b, swap)));
    }
#undef EACH
}

void bp__array_get_column(double *out, const bp__array *array, size_t column, size_t begin,
                          size_t count)
{
    size_t step = row_step(array);
    get(out, array, column_start(array, column) + begin * step, step, count);
}

void bp__array_get_row(double *out, const bp__array *array, size_t row)
{
    size_t columns = bp__array_columns(array);
    if (!array->columns_first) {
        get(out, array, row * columns, 1, columns);
        return;
    }
    for (size_t k = 0; k < columns; ++k) get(out + k, array, column_start(array, k) + row, 1, 1);
}
