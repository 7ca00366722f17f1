/* npy_support.h - NPY files and NPZ archives under construction, good ones and others. */
#ifndef BP_TESTS_NPY_SUPPORT_H
#define BP_TESTS_NPY_SUPPORT_H

#include "data_support.h"

typedef struct block {
    unsigned char bytes[1 << 14];
    size_t size;
} block;

UNUSED static void put(block *b, const void *bytes, size_t size)
{
    cr_assert_leq(b->size + size, sizeof b->bytes);
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

UNUSED static void put_little(block *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; ++i) put(b, &(unsigned char){(unsigned char)(value >> 8 * i)}, 1);
}

UNUSED static void put_big(block *b, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; --i)
        put(b, &(unsigned char){(unsigned char)(value >> 8 * i)}, 1);
}

/* Magic, version, length and this header; version 1 to 3. */
UNUSED static block npy_raw(int version, const char *header)
{
    block b = {.size = 0};
    put(&b, "\x93NUMPY", 6);
    put(&b, (unsigned char[]){(unsigned char)version, 0}, 2);
    put_little(&b, strlen(header), version == 1 ? 2 : 4);
    put(&b, header, strlen(header));
    return b;
}

/* As numpy.save writes it, without values. */
UNUSED static block npy_header(const char *type, bool fortran, const char *shape)
{
    char header[256];
    int used =
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", type,
                 fortran ? "True" : "False", shape);
    while ((10 + used + 1) % 64) header[used++] = ' ';
    header[used++] = '\n';
    header[used] = '\0';
    return npy_raw(1, header);
}

UNUSED static uint64_t bits_of(double value, char kind, int size)
{
    uint64_t bits = (uint64_t)(int64_t)value;
    if (kind == 'f' && size == 8) memcpy(&bits, &value, 8);
    if (kind == 'f' && size == 4) {
        float single = (float)value;
        uint32_t word;
        memcpy(&word, &single, 4);
        bits = word;
    }
    return bits;
}

/* A matrix of little-endian values of type "f4", "i8"…, rows first. */
UNUSED static block npy_matrix(const char *type, size_t rows, size_t columns, const double *values)
{
    char descr[8], shape[48];
    snprintf(descr, sizeof descr, "%c%.6s", type[1] == '1' ? '|' : '<', type);
    snprintf(shape, sizeof shape, columns ? "(%zu, %zu)" : "(%zu,)", rows, columns);
    block b = npy_header(descr, false, shape);
    for (size_t i = 0; i < rows * (columns ? columns : 1); ++i)
        put_little(&b, bits_of(values[i], type[0], type[1] - '0'), type[1] - '0');
    return b;
}

/* ---- zip ---- */

typedef struct member {
    const char *name;
    block content;
    int method; /* 0 stored, 8 deflated, others as stored */
    int flags;
    bool zip64;       /* the local header as numpy.savez writes it, sizes in an extra field */
    bool zip64_entry; /* the directory's sizes likewise */
} member;

UNUSED static member stored(const char *name, block content)
{
    return (member){.name = name, .content = content};
}

UNUSED static member deflated(const char *name, block content)
{
    return (member){.name = name, .content = content, .method = 8};
}

static block deflate_block(const block *content)
{
    block b;
    z_stream z = {0};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)content->bytes;
    z.avail_in = (uInt)content->size;
    z.next_out = b.bytes;
    z.avail_out = sizeof b.bytes;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    b.size = z.total_out;
    deflateEnd(&z);
    return b;
}

static void put_extra_64(block *b, size_t size, size_t packed)
{
    put_little(b, 1, 2);
    put_little(b, 16, 2);
    put_little(b, size, 8);
    put_little(b, packed, 8);
}

/* From "version needed" to the length of the extra field, which both headers share. */
static void put_common(block *b, const member *m, size_t packed, bool zip64)
{
    const size_t size = m->content.size;
    put_little(b, 45, 2);
    put_little(b, (uint64_t)m->flags, 2);
    put_little(b, (uint64_t)m->method, 2);
    put_little(b, 0, 4);
    put_little(b, crc32(0, m->content.bytes, (uInt)size), 4);
    put_little(b, zip64 ? UINT32_MAX : packed, 4);
    put_little(b, zip64 ? UINT32_MAX : size, 4);
    put_little(b, strlen(m->name), 2);
    put_little(b, zip64 ? 20 : 0, 2);
}

UNUSED static block zip_of(const member *members, size_t count)
{
    block b = {.size = 0}, directory = {.size = 0};
    for (size_t i = 0; i < count; ++i) {
        const member *m = &members[i];
        block packed = m->method == 8 ? deflate_block(&m->content) : m->content;
        size_t at = b.size;
        put_little(&b, 0x04034b50, 4);
        put_common(&b, m, packed.size, m->zip64);
        put(&b, m->name, strlen(m->name));
        if (m->zip64) put_extra_64(&b, m->content.size, packed.size);
        put(&b, packed.bytes, packed.size);
        put_little(&directory, 0x02014b50, 4);
        put_little(&directory, 45, 2);
        put_common(&directory, m, packed.size, m->zip64_entry);
        put_little(&directory, 0, 8); /* comment, disk, attributes */
        put_little(&directory, 0, 2);
        put_little(&directory, at, 4);
        put(&directory, m->name, strlen(m->name));
        if (m->zip64_entry) put_extra_64(&directory, m->content.size, packed.size);
    }
    size_t at = b.size;
    put(&b, directory.bytes, directory.size);
    put_little(&b, 0x06054b50, 4);
    put_little(&b, 0, 4);
    put_little(&b, count, 2);
    put_little(&b, count, 2);
    put_little(&b, directory.size, 4);
    put_little(&b, at, 4);
    put_little(&b, 0, 2);
    return b;
}
#define ZIP_OF(...)                                                                                \
    zip_of((const member[]){__VA_ARGS__}, sizeof((const member[]){__VA_ARGS__}) / sizeof(member))

/* ---- loading ---- */

UNUSED static const char *store_block(const char *name, block b)
{
    const char *path = in_folder(name);
    size_t length = strlen(name);
    if (length > 3 && strcmp(name + length - 3, ".gz") == 0)
        write_gzip(path, b.bytes, b.size);
    else
        write_bytes(path, b.bytes, b.size);
    return path;
}

UNUSED static bp_data *must_load_block(block b, const bp_load_options *options)
{
    bp_data *data;
    cr_assert_eq(load_bytes(&data, b.bytes, b.size, options), BP_OK, "%s", bp_last_error());
    return data;
}

UNUSED static void check_bad_block(block b, const bp_load_options *options, const char *words,
                                   int line)
{
    bp_data *data = (bp_data *)&line;
    check_error(load_bytes(&data, b.bytes, b.size, options), BP_ERROR_DATA, words, line);
    cr_assert_null(data, "line %d: something half-built was left", line);
}
#define expect_bad_block(b, words) check_bad_block(b, NULL, words, __LINE__)

#endif
