/* safetensors_support.h - a folder for one model file, files put together by hand, and what is
 * asked of a file that is read. */
#ifndef BP_TESTS_SAFETENSORS_SUPPORT_H
#define BP_TESTS_SAFETENSORS_SUPPORT_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backprop.h"
#include "base/file.h"

static char folder[] = "/tmp/backprop-test-XXXXXX";
static char path[64]; /* a file in folder */

static inline void open_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.safetensors", folder);
}

/* Fails if anything but the one file has been left behind. */
static inline void close_folder(void)
{
    unlink(path);
    cr_assert_eq(rmdir(folder), 0, "a temporary was left behind");
}

static inline void put_file(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

/* Length, header and data; the length is the header's own. */
static inline void put_parts(const void *header, size_t header_size, const void *data,
                             size_t data_size)
{
    unsigned char *bytes = malloc(8 + header_size + data_size);
    cr_assert_not_null(bytes);
    for (int i = 0; i < 8; ++i) bytes[i] = (unsigned char)((uint64_t)header_size >> 8 * i);
    memcpy(bytes + 8, header, header_size);
    if (data_size) memcpy(bytes + 8 + header_size, data, data_size);
    put_file(bytes, 8 + header_size + data_size);
    free(bytes);
}

static inline void expect_refused(const char *what, const char *reason)
{
    bp_model *model = (bp_model *)1;
    cr_assert_eq(bp_model_load(&model, path, BP_ACTIVATION_AUTO), BP_ERROR_MODEL, "accepted: %s",
                 what);
    cr_assert_null(model);
    cr_assert(strstr(bp_last_error(), path), "%s: no path in \"%s\"", what, bp_last_error());
    cr_assert(strstr(bp_last_error(), reason), "%s: \"%s\" is not in \"%s\"", what, reason,
              bp_last_error());
}

static inline bp_model *loaded(void)
{
    bp_model *model;
    cr_assert_eq(bp_model_load(&model, path, BP_ACTIVATION_AUTO), BP_OK, "%s", bp_last_error());
    return model;
}

/* 2 tanh 3 (no bias) linear 2 softmax 2, with a few records. */
static inline bp_model *small_model(void)
{
    const bp_layer layers[] = {{2, 3, BP_ACTIVATION_TANH, 1},
                               {3, 2, BP_ACTIVATION_LINEAR, 0},
                               {2, 2, BP_ACTIVATION_SOFTMAX, 1}};
    bp_model *model;
    cr_assert_eq(bp_model_create_layers(&model, layers, 3, NULL), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_model_set_record(model, "seed", "1"), BP_OK);
    cr_assert_eq(bp_model_set_record(model, "command", "a \"b\" \xc3\xbc\n\x01"), BP_OK);
    return model;
}

static inline void expect_same_shape(const bp_model *a, const bp_model *b)
{
    const bp_model_info x = bp_model_get_info(a), y = bp_model_get_info(b);
    cr_assert_eq(x.layers, y.layers);
    cr_assert_eq(x.parameters, y.parameters);
    cr_assert_eq(x.loss, y.loss);
    for (size_t l = 0; l < x.layers; ++l) {
        const bp_layer p = bp_model_get_layer(a, l), q = bp_model_get_layer(b, l);
        cr_assert(p.inputs == q.inputs && p.outputs == q.outputs && p.activation == q.activation &&
                  p.bias == q.bias);
    }
}

/* The parameters are one array. */
static inline void expect_same_bits(bp_model *a, bp_model *b)
{
    expect_same_shape(a, b);
    cr_assert_arr_eq(bp_model_weights(a, 0), bp_model_weights(b, 0),
                     bp_model_get_info(a).parameters * sizeof(float));
}

static char *file_bytes(size_t *size)
{
    char *bytes;
    cr_assert_eq(bp__file_read(&bytes, size, path, 1u << 20), BP_OK, "%s", bp_last_error());
    return bytes;
}

/* Written by safetensors 0.8 from torch 1.13: the state_dict of nn.Sequential(nn.Linear(2, 3),
 * nn.ReLU(), nn.Linear(3, 1)), parameters 0.25, 0.5, 0.75… in torch's order: weight before bias. */
__attribute__((unused)) static const char torch_header[] =
    "{\"0.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
    "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[12,36]},"
    "\"2.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[36,40]},"
    "\"2.weight\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":[40,52]}}";
__attribute__((unused)) static const unsigned char torch_data[] = {
    0x00, 0x00, 0xe0, 0x3f, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x10, 0x40, 0x00,
    0x00, 0x80, 0x3e, 0x00, 0x00, 0x00, 0x3f, 0x00, 0x00, 0x40, 0x3f, 0x00, 0x00,
    0x80, 0x3f, 0x00, 0x00, 0xa0, 0x3f, 0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x50,
    0x40, 0x00, 0x00, 0x20, 0x40, 0x00, 0x00, 0x30, 0x40, 0x00, 0x00, 0x40, 0x40,
};

#endif
