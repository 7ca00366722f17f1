/* npy.c - NumPy's NPY format: its header. What is in it is data, so nothing is evaluated: a small
 * reader of the one dictionary that NumPy writes, in any order and spacing. */
#include "data/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
    MAGIC = 6,
    /* As numpy.lib.format has it since 1.24: no honest header is longer. */
    HEADER_LIMIT = 10000
};

bool bp__is_npy(const char *bytes, size_t size)
{
    return size >= MAGIC && memcmp(bytes, "\x93NUMPY", MAGIC) == 0;
}

/* The dictionary being read. */
typedef struct reader {
    bp__array *out;
    const char *start; /* of the file */
    const char *next, *end;
    size_t shape_at; /* byte offset of the shape, 0 before it was found */
    bool has_type, has_order;
} reader;

static size_t offset(const reader *in)
{
    return (size_t)(in->next - in->start);
}

static bp_status fail_here(const reader *in, const char *expected)
{
    char found[24] = "the header's end";
    if (in->next < in->end) {
        unsigned char c = (unsigned char)*in->next;
        snprintf(found, sizeof found, c >= 32 && c < 127 ? "'%c'" : "byte %02x", c);
    }
    return bp__fail(BP_ERROR_DATA, "%s, byte %zu: %s found in the header where %s was expected",
                    in->out->source, offset(in), found, expected);
}

static void skip_space(reader *in)
{
    while (in->next < in->end && strchr(" \t\r\n", *in->next) && *in->next) ++in->next;
}

/* Past c, after white space, where it is next. */
static bool take(reader *in, char c)
{
    skip_space(in);
    if (in->next == in->end || *in->next != c) return false;
    ++in->next;
    return true;
}

/* A text in either kind of quotes; what NumPy writes has no escapes. */
static bp_status read_text(reader *in, const char **text, size_t *length, const char *expected)
{
    *text = NULL;
    *length = 0;
    skip_space(in);
    if (in->next == in->end || (*in->next != '\'' && *in->next != '"'))
        return fail_here(in, expected);
    char quote = *in->next++;
    *text = in->next;
    while (in->next < in->end && *in->next != quote && *in->next != '\\') ++in->next;
    if (in->next == in->end || *in->next == '\\') return fail_here(in, "a closing quote");
    *length = (size_t)(in->next++ - *text);
    return BP_OK;
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* ---- descr ---- */

static const struct {
    const char *name;
    bp__type type;
} types[] = {{"b1", BP__BOOL}, {"u1", BP__U8},  {"i1", BP__I8},  {"u2", BP__U16},
             {"i2", BP__I16},  {"u4", BP__U32}, {"i4", BP__I32}, {"u8", BP__U64},
             {"i8", BP__I64},  {"f2", BP__F16}, {"f4", BP__F32}, {"f8", BP__F64}};

/* What a type is called by its first letter, and what to do about it. */
static const struct {
    char letter;
    const char *what, *remedy;
} others[] = {
    {'O', "Python objects", "save it with astype('float32')"},
    {'c', "complex numbers", "save real and imaginary parts as columns"},
    {'U', "texts", "save them as numbers, or the table as CSV"},
    {'S', "texts of bytes", "save them as numbers, or the table as CSV"},
    {'M', "dates", "save them as numbers with astype('float64')"},
    {'m', "spans of time", "save them as numbers with astype('float64')"},
    {'V', "raw bytes", "save it with astype('float32')"},
    {'f', "floating-point numbers of another size", "save it with astype('float64')"},
};

static bp_status fail_type(const reader *in, size_t at, const char *text, size_t length)
{
    char shown[64], copy[32];
    const char *what = NULL, *remedy = NULL;
    snprintf(copy, sizeof copy, "%.*s", length < 31 ? (int)length : 31, text);
    const char *letter = copy + strspn(copy, "<>|=");
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i)
        if (others[i].letter == *letter) {
            what = others[i].what;
            remedy = others[i].remedy;
        }
    if (what)
        return bp__fail(BP_ERROR_DATA, "%s, byte %zu: type '%s', %s, is not supported; %s",
                        in->out->source, at, bp__shown(shown, copy), what, remedy);
    return bp__fail(BP_ERROR_DATA,
                    "%s, byte %zu: type '%s' is not known; f2, f4, f8, i1 to i8, u1 to u8 and b1 "
                    "are read",
                    in->out->source, at, bp__shown(shown, copy));
}

/* "<f8": the order of bytes, the kind, the number of bytes. */
static bp_status read_type(reader *in)
{
    const char *text;
    size_t length, at;
    skip_space(in);
    at = offset(in);
    if (in->next < in->end && *in->next == '[')
        return bp__fail(BP_ERROR_DATA,
                        "%s, byte %zu: a structured type (several fields in a value) is not "
                        "supported; save each field as a column, or the table as CSV",
                        in->out->source, at);
    BP_TRY(read_text(in, &text, &length, "a type in quotes"));
    in->has_type = true;
    if (length < 2) return fail_type(in, at, text, length);
    for (size_t i = 0; i < sizeof types / sizeof *types; ++i) {
        if (!is_word(text + 1, length - 1, types[i].name)) continue;
        in->out->type = types[i].type;
        in->out->big_endian = *text == '>';
        /* A single byte has no order; more of them must say theirs. */
        if (*text == '<' || *text == '>' || (*text == '|' && types[i].name[1] == '1')) return BP_OK;
        return bp__fail(BP_ERROR_DATA,
                        "%s, byte %zu: the type's byte order is '%c'; < or > was "
                        "expected",
                        in->out->source, at, *text);
    }
    return fail_type(in, at, text, length);
}

/* ---- fortran_order and shape ---- */

static bp_status read_order(reader *in)
{
    static const char *const words[] = {"False", "True"};
    skip_space(in);
    in->has_order = true;
    for (int i = 0; i < 2; ++i) {
        size_t length = strlen(words[i]);
        if ((size_t)(in->end - in->next) < length || memcmp(in->next, words[i], length) != 0)
            continue;
        in->next += length;
        in->out->columns_first = i == 1;
        return BP_OK;
    }
    return fail_here(in, "True or False");
}

static bp_status read_size(reader *in, size_t *size)
{
    skip_space(in);
    *size = 0;
    if (in->next == in->end || *in->next < '0' || *in->next > '9')
        return fail_here(in, "a whole number from 0 on");
    for (; in->next < in->end && *in->next >= '0' && *in->next <= '9'; ++in->next)
        if (!bp__mul_size(size, *size, 10) || !bp__add_size(size, *size, (size_t)(*in->next - '0')))
            return bp__fail(BP_ERROR_DATA, "%s, byte %zu: a size beyond 64 bits", in->out->source,
                            offset(in));
    if (in->next < in->end && *in->next == 'L') ++in->next; /* Python 2 */
    return BP_OK;
}

/* (2, 3), or (2,), or (): a lone number in brackets is none to Python. */
static bp_status read_shape(reader *in)
{
    bp__array *out = in->out;
    skip_space(in);
    in->shape_at = offset(in);
    if (!take(in, '(')) return fail_here(in, "a shape in brackets");
    bool comma = true;
    while (!take(in, ')')) {
        if (!comma) return fail_here(in, "a comma");
        if (out->dimensions == BP__ARRAY_DIMENSIONS)
            return bp__fail(BP_ERROR_DATA, "%s, byte %zu: more than %d dimensions", out->source,
                            in->shape_at, BP__ARRAY_DIMENSIONS);
        BP_TRY(read_size(in, &out->size[out->dimensions++]));
        comma = take(in, ',');
    }
    if (out->dimensions == 1 && !comma) return fail_here(in, "a comma before the bracket");
    if (out->dimensions > 0) return BP_OK;
    return bp__fail(BP_ERROR_DATA,
                    "%s, byte %zu: the shape is (), a single number; rows were expected",
                    out->source, in->shape_at);
}

/* ---- the dictionary ---- */

static bp_status read_entry(reader *in)
{
    const char *key;
    size_t length, at;
    char shown[64], copy[48];
    skip_space(in);
    at = offset(in);
    BP_TRY(read_text(in, &key, &length, "a key in quotes"));
    if (!take(in, ':')) return fail_here(in, "a colon");
    if (is_word(key, length, "descr") && !in->has_type) return read_type(in);
    if (is_word(key, length, "fortran_order") && !in->has_order) return read_order(in);
    if (is_word(key, length, "shape") && !in->shape_at) return read_shape(in);
    snprintf(copy, sizeof copy, "%.*s", length < 47 ? (int)length : 47, key);
    return bp__fail(
        BP_ERROR_DATA,
        "%s, byte %zu: the key '%s' is unknown or comes twice; descr, fortran_order and "
        "shape were expected",
        in->out->source, at, bp__shown(shown, copy));
}

static bp_status read_dictionary(reader *in)
{
    if (!take(in, '{')) return fail_here(in, "a dictionary");
    bool comma = true;
    while (!take(in, '}')) {
        if (!comma) return fail_here(in, "a comma");
        BP_TRY(read_entry(in));
        comma = take(in, ',');
    }
    skip_space(in);
    if (in->next < in->end) return fail_here(in, "the header's end");
    if (in->has_type && in->has_order && in->shape_at) return BP_OK;
    return bp__fail(BP_ERROR_DATA, "%s, byte %zu: the header has no %s", in->out->source,
                    offset(in),
                    !in->has_type    ? "descr"
                    : !in->has_order ? "fortran_order"
                                     : "shape");
}

/* Where the header starts and how long it is, by the file's version. */
static bp_status find_header(size_t *start, size_t *length, const char *source, const char *bytes,
                             size_t size)
{
    const unsigned char *b = (const unsigned char *)bytes;
    *start = *length = 0;
    if (size >= MAGIC + 2 && (b[6] < 1 || b[6] > 3 || b[7] != 0))
        return bp__fail(BP_ERROR_DATA, "%s, byte 6: version %u.%u; 1.0, 2.0 and 3.0 are known",
                        source, b[6], b[7]);
    *start = size < MAGIC + 2 || b[6] == 1 ? 10 : 12;
    if (size < *start)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the file ends after %zu bytes, inside the first %zu of NPY", source,
                        size, *start);
    *length = b[8] | (size_t)b[9] << 8;
    if (*start == 12) *length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (*length > HEADER_LIMIT)
        return bp__fail(BP_ERROR_DATA, "%s, byte 8: a header of %zu bytes; %d at most are read",
                        source, *length, HEADER_LIMIT);
    if (*length > size - *start)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the file ends after %zu bytes, inside its header, which ends at %zu",
                        source, size, *start + *length);
    return BP_OK;
}

/* All but the values, from the first `size` bytes of the file. */
static bp_status parse_header(bp__array *out, size_t *expected, const char *bytes, size_t size)
{
    size_t start, length;
    if (!bp__is_npy(bytes, size))
        return bp__fail(BP_ERROR_DATA, "%s, byte 0: an NPY file starts with 93 and NUMPY",
                        out->source);
    BP_TRY(find_header(&start, &length, out->source, bytes, size));
    reader in = {.out = out, .start = bytes, .next = bytes + start, .end = bytes + start + length};
    BP_TRY(read_dictionary(&in));
    out->start = start + length;
    return bp__array_count(out, expected, in.shape_at, 0);
}

static bp_status parse(bp__array *out, size_t size)
{
    size_t expected;
    BP_TRY(parse_header(out, &expected, out->bytes, size));
    return bp__array_check_size(out, expected, size);
}

bp_status bp__npy_header(bp__array *out, size_t *expected, const char *start, size_t got,
                         const char *source)
{
    memset(out, 0, sizeof *out);
    bp_status status = bp__copy_text(&out->source, source);
    if (status == BP_OK) status = parse_header(out, expected, start, got);
    if (status != BP_OK) bp__array_free(out);
    return status;
}

bp_status bp__npy_parse(bp__array *out, char **bytes, size_t size, const char *source)
{
    memset(out, 0, sizeof *out);
    out->bytes = *bytes;
    *bytes = NULL;
    bp_status status = bp__copy_text(&out->source, source);
    if (status == BP_OK) status = parse(out, size);
    if (status != BP_OK) bp__array_free(out);
    return status;
}
