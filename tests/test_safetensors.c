/* test_safetensors.c - model files: what is written is read back bit for bit, what torch writes is
 * understood, and whatever is wrong with a file is refused by name and place. */
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

static void open_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.safetensors", folder);
}

/* Fails if anything but the one file has been left behind. */
static void close_folder(void)
{
    unlink(path);
    cr_assert_eq(rmdir(folder), 0, "a temporary was left behind");
}

TestSuite(safetensors, .init = open_folder, .fini = close_folder, .timeout = 60);

static void put_file(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

/* Length, header and data; the length is the header's own. */
static void put_parts(const void *header, size_t header_size, const void *data, size_t data_size)
{
    unsigned char *bytes = malloc(8 + header_size + data_size);
    cr_assert_not_null(bytes);
    for (int i = 0; i < 8; ++i) bytes[i] = (unsigned char)((uint64_t)header_size >> 8 * i);
    memcpy(bytes + 8, header, header_size);
    if (data_size) memcpy(bytes + 8 + header_size, data, data_size);
    put_file(bytes, 8 + header_size + data_size);
    free(bytes);
}

static void expect_refused(const char *what, const char *reason)
{
    bp_model *model = (bp_model *)1;
    cr_assert_eq(bp_model_load(&model, path, BP_ACTIVATION_AUTO), BP_ERROR_MODEL, "accepted: %s",
                 what);
    cr_assert_null(model);
    cr_assert(strstr(bp_last_error(), path), "%s: no path in \"%s\"", what, bp_last_error());
    cr_assert(strstr(bp_last_error(), reason), "%s: \"%s\" is not in \"%s\"", what, reason,
              bp_last_error());
}

static bp_model *loaded(void)
{
    bp_model *model;
    cr_assert_eq(bp_model_load(&model, path, BP_ACTIVATION_AUTO), BP_OK, "%s", bp_last_error());
    return model;
}

/* 2 tanh 3 (no bias) linear 2 softmax 2, with a few records. */
static bp_model *small_model(void)
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

static void expect_same_shape(const bp_model *a, const bp_model *b)
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
static void expect_same_bits(bp_model *a, bp_model *b)
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

/* ---- What we write ---- */

Test(safetensors, round_trip_is_bit_for_bit)
{
    bp_model *model = small_model();
    const float odd[] = {-0.0f, FLT_MAX, -FLT_MAX, FLT_TRUE_MIN, FLT_MIN, 1e-42f, 0x1.fffffep-1f};
    memcpy(bp_model_weights(model, 0), odd, sizeof odd);
    cr_assert_eq(bp_model_save(model, path), BP_OK, "%s", bp_last_error());
    size_t size, again_size;
    char *bytes = file_bytes(&size);
    bp_model *copy = loaded();
    expect_same_bits(model, copy);
    cr_assert_str_eq(bp_model_record_key(copy, 0), "seed");
    cr_assert_str_eq(bp_model_get_record(copy, "command"), "a \"b\" \xc3\xbc\n\x01");
    cr_assert_null(bp_model_record_key(copy, 2));
    cr_assert_null(bp_model_get_schema(copy));
    cr_assert_eq(bp_model_save(copy, path), BP_OK);
    char *again = file_bytes(&again_size);
    cr_assert_eq(size, again_size);
    cr_assert_arr_eq(bytes, again, size, "the same model gave other bytes");
    free(again);
    free(bytes);
    bp_model_free(copy);
    bp_model_free(model);
}

Test(safetensors, layout_is_what_torch_expects)
{
    bp_model *model = small_model();
    cr_assert_eq(bp_model_save(model, path), BP_OK);
    size_t size;
    char *bytes = file_bytes(&size);
    uint64_t header = 0;
    for (int i = 7; i >= 0; --i) header = header << 8 | (unsigned char)bytes[i];
    cr_assert_eq(header % 8, 0, "the data is not aligned");
    cr_assert_eq(8 + header + 4 * bp_model_get_info(model).parameters, size);
    const char *const parts[] = {
        "{\"__metadata__\":{\"format\":\"pt\",\"backprop.version\":\"",
        "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}",
        "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[24,36]}",
        "\"2.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[36,60]}",
        "\"3.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[60,76]}",
        "\"3.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[76,84]}",
        ("\"nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2, bias=False), "
         "nn.Linear(2, 2), nn.Softmax(dim=-1))\""),
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i)
        cr_assert(strstr(bytes + 8, parts[i]), "%s", parts[i]);
    float first;
    memcpy(&first, bytes + 8 + header, sizeof first); /* tests run on little-endian machines */
    cr_assert_eq(first, bp_model_weights(model, 0)[0]);
    struct stat about;
    mode_t mask = umask(0);
    umask(mask);
    cr_assert_eq(stat(path, &about), 0);
    cr_assert_eq(about.st_mode & 0777, 0666 & ~mask);
    free(bytes);
    bp_model_free(model);
}

Test(safetensors, schema_travels_with_the_model)
{
    const char csv[] = "length,colour,kind\n1,red,x\n2,blue,y\n3,red,x\n4,blue,y\n";
    put_file(csv, sizeof csv - 1);
    bp_data *raw, *data;
    bp_schema *schema;
    bp_model *model;
    char *before, *after;
    cr_assert_eq(bp_data_load(&raw, path, NULL), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_schema_learn(&schema, raw), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_schema_apply(&data, schema, raw), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_model_create(&model, data, NULL), BP_OK, "%s", bp_last_error());
    cr_assert_not_null(bp_model_get_schema(model));
    cr_assert_neq(bp_model_get_schema(model), schema, "not a copy");
    cr_assert_eq(bp_model_save(model, path), BP_OK, "%s", bp_last_error());
    bp_model *copy = loaded();
    cr_assert_eq(bp_schema_to_json(&before, schema), BP_OK);
    cr_assert_eq(bp_schema_to_json(&after, bp_model_get_schema(copy)), BP_OK);
    cr_assert_str_eq(before, after);

    const bp_layer other = {9, 9, BP_ACTIVATION_TANH, 1};
    bp_model *misfit;
    cr_assert_eq(bp_model_create_layers(&misfit, &other, 1, NULL), BP_OK);
    cr_assert_eq(bp_model_set_schema(misfit, schema), BP_ERROR_MODEL);
    cr_assert_null(bp_model_get_schema(misfit));
    cr_assert_eq(bp_model_set_schema(copy, bp_model_get_schema(copy)), BP_OK);
    free(before);
    free(after);
    bp_model_free(misfit);
    bp_model_free(copy);
    bp_model_free(model);
    bp_data_free(data);
    bp_schema_free(schema);
    bp_data_free(raw);
}

/* Whatever the length of the texts, the header is padded with spaces to a multiple of 8. */
Test(safetensors, data_is_aligned)
{
    bp_model *model = small_model();
    for (size_t length = 0; length < 8; ++length) {
        const char text[] = "0123456";
        cr_assert_eq(bp_model_set_record(model, "seed", text + 7 - length), BP_OK);
        cr_assert_eq(bp_model_save(model, path), BP_OK);
        size_t size;
        char *bytes = file_bytes(&size);
        const size_t header = size - 8 - 4 * bp_model_get_info(model).parameters;
        cr_assert_eq(header % 8, 0);
        cr_assert_eq((unsigned char)bytes[0] | (size_t)(unsigned char)bytes[1] << 8, header);
        free(bytes);
        bp_model *copy = loaded();
        expect_same_bits(model, copy);
        bp_model_free(copy);
    }
    bp_model_free(model);
}

/* ---- What goes wrong while writing ---- */

Test(safetensors, save_that_fails_keeps_the_old_file)
{
    bp_model *model = small_model();
    cr_assert_eq(bp_model_save(model, path), BP_OK);
    size_t size, now_size;
    char *before = file_bytes(&size);

    /* A "disk" that is full after 64 KiB of a model of 160 KB. */
    const bp_layer wide = {200, 200, BP_ACTIVATION_TANH, 1};
    bp_model *large;
    cr_assert_eq(bp_model_create_layers(&large, &wide, 1, NULL), BP_OK);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit, full;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    full = limit;
    full.rlim_cur = 65536;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
    const bp_status status = bp_model_save(large, path);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(status, BP_ERROR_IO);
    cr_assert(strstr(bp_last_error(), path), "%s", bp_last_error());

    /* A model that could not be loaded again. */
    bp_model_weights(model, 1)[4] = NAN;
    cr_assert_eq(bp_model_save(model, path), BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "element 4 of \"2.weight\""), "%s", bp_last_error());

    char *now = file_bytes(&now_size);
    cr_assert_eq(size, now_size);
    cr_assert_arr_eq(before, now, size);
    free(now);
    free(before);
    bp_model_free(large);
    bp_model_free(model);
}

Test(safetensors, save_to_nowhere)
{
    bp_model *model = small_model();
    cr_assert_eq(bp_model_save(model, "/nonexistent/m.safetensors"), BP_ERROR_IO);
    cr_assert_eq(bp_model_save(model, folder), BP_ERROR_IO);
    cr_assert_eq(bp_model_save(model, ""), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_model_save(model, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_model_save(NULL, path), BP_ERROR_ARGUMENT);
    bp_model_free(model);
}

/* ---- What torch writes ---- */

/* Written by safetensors 0.8 from torch 1.13: the state_dict of nn.Sequential(nn.Linear(2, 3),
 * nn.ReLU(), nn.Linear(3, 1)), parameters 0.25, 0.5, 0.75… in torch's order: weight before bias. */
static const char torch_header[] =
    "{\"0.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
    "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[12,36]},"
    "\"2.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[36,40]},"
    "\"2.weight\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":[40,52]}}";
static const unsigned char torch_data[] = {
    0x00, 0x00, 0xe0, 0x3f, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x10, 0x40, 0x00,
    0x00, 0x80, 0x3e, 0x00, 0x00, 0x00, 0x3f, 0x00, 0x00, 0x40, 0x3f, 0x00, 0x00,
    0x80, 0x3f, 0x00, 0x00, 0xa0, 0x3f, 0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x50,
    0x40, 0x00, 0x00, 0x20, 0x40, 0x00, 0x00, 0x30, 0x40, 0x00, 0x00, 0x40, 0x40,
};

Test(safetensors, state_dict_of_torch)
{
    put_parts(torch_header, strlen(torch_header), torch_data, sizeof torch_data);
    const int32_t given[] = {BP_ACTIVATION_AUTO, BP_ACTIVATION_SIGMOID};
    const int32_t hidden[] = {BP_ACTIVATION_RELU, BP_ACTIVATION_SIGMOID};
    for (int i = 0; i < 2; ++i) {
        bp_model *model;
        cr_assert_eq(bp_model_load(&model, path, given[i]), BP_OK, "%s", bp_last_error());
        const bp_model_info info = bp_model_get_info(model);
        cr_assert(info.layers == 2 && info.inputs == 2 && info.outputs == 1);
        cr_assert_eq(info.parameters, 13);
        cr_assert_eq(info.loss, BP_LOSS_HALF_SQUARED);
        cr_assert_eq(bp_model_get_layer(model, 0).activation, hidden[i]);
        cr_assert_eq(bp_model_get_layer(model, 1).activation, BP_ACTIVATION_LINEAR);
        const float *arena = bp_model_weights(model, 0);
        for (int p = 0; p < 13; ++p) cr_assert_eq(arena[p], 0.25f * (float)(p + 1));
        bp_model_free(model);
    }
    bp_model *model;
    cr_assert_eq(bp_model_load(&model, path, BP_ACTIVATION_SOFTMAX), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_model_load(&model, path, 77), BP_ERROR_ARGUMENT);
}

Test(safetensors, state_dicts_of_other_shapes)
{
    const float zeros[64] = {0};
    const struct {
        const char *header;
        size_t bytes, layers;
    } cases[] = {
        /* no biases; a prefix; metadata that is not ours; keys we do not know */
        {"{\"net.7.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}", 8, 1},
        {"{\"__metadata__\":{\"format\":\"pt\",\"x\":\"y\"},\"a.b.10.weight\":{\"dtype\":\"F32\","
         "\"shape\":[1,2],\"data_offsets\":[8,16],\"strides\":[2,1]},\"a.b.9.weight\":"
         "{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}}      ",
         16, 2},
        {"{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\"1.weight\":"
         "{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[8,16]},\"1.bias\":{\"dtype\":"
         "\"F32\","
         "\"shape\":[2],\"data_offsets\":[16,24]}}",
         24, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        put_parts(cases[i].header, strlen(cases[i].header), zeros, cases[i].bytes);
        bp_model *model = loaded();
        cr_assert_eq(bp_model_get_info(model).layers, cases[i].layers, "case %zu", i);
        bp_model_free(model);
    }
}

Test(safetensors, other_floating_point_types)
{
    const struct {
        const char *dtype;
        size_t bytes;
        uint64_t bits;
        float value; /* NAN: refused */
    } cases[] = {
        {"F16", 2, 0x3c00, 1.0f},
        {"F16", 2, 0xc100, -2.5f},
        {"F16", 2, 0x0001, 0x1p-24f},
        {"F16", 2, 0x03ff, 0x1.ff8p-15f},
        {"F16", 2, 0x0400, 0x1p-14f},
        {"F16", 2, 0xfbff, -65504.0f},
        {"F16", 2, 0x7c00, NAN},
        {"F16", 2, 0x7e00, NAN},
        {"BF16", 2, 0x3f80, 1.0f},
        {"BF16", 2, 0xc040, -3.0f},
        {"BF16", 2, 0x7f80, NAN},
        {"F32", 4, 0x40490fdb, 0x1.921fb6p+1f},
        {"F32", 4, 0x7fc00000, NAN},
        {"F32", 4, 0xff800000, NAN},
        {"F64", 8, 0x3fb999999999999a, 0.1f},
        {"F64", 8, 0x0000000000000001, 0.0f},
        {"F64", 8, 0x47efffffe0000000, FLT_MAX},
        {"F64", 8, 0x47efffffefffffff, FLT_MAX},
        {"F64", 8, 0x47effffff0000000, NAN},
        {"F64", 8, 0x7fe0000000000000, NAN},
        {"F64", 8, 0xfff0000000000000, NAN},
        {"F64", 8, 0x7ff8000000000000, NAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char header[128], data[8];
        snprintf(header, sizeof header,
                 "{\"0.weight\":{\"dtype\":\"%s\",\"shape\":[1,1],\"data_offsets\":[0,%zu]}}",
                 cases[i].dtype, cases[i].bytes);
        for (size_t b = 0; b < 8; ++b) data[b] = (char)(cases[i].bits >> 8 * b);
        put_parts(header, strlen(header), data, cases[i].bytes);
        if (isnan(cases[i].value)) {
            expect_refused(cases[i].dtype,
                           "tensor \"0.weight\": element 0 is not a finite float32");
            continue;
        }
        bp_model *model = loaded();
        cr_assert_eq(bp_model_weights(model, 0)[0], cases[i].value, "case %zu: %a", i,
                     bp_model_weights(model, 0)[0]);
        bp_model_free(model);
    }
}

Test(safetensors, the_element_that_is_not_finite_is_named)
{
    const float values[] = {1, 2, INFINITY, 4};
    const char header[] =
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}";
    put_parts(header, sizeof header - 1, values, sizeof values);
    char place[32];
    snprintf(place, sizeof place, "byte %zu:", 8 + sizeof header - 1 + 8);
    expect_refused("infinity", place);
    expect_refused("infinity", "element 2 is not a finite");
}

/* ---- What nobody should write ---- */

Test(safetensors, lengths_and_headers_that_are_wrong)
{
    const struct {
        const char *bytes;
        size_t size;
        const char *reason;
    } cases[] = {
        {"", 0, "0 bytes"},
        {"\2\0\0\0\0\0\0", 7, "7 bytes"},
        {"\0\0\0\0\0\0\0\0{}", 10, "byte 0: not a safetensors file: a header of 0 bytes"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "a header of 18446744073709551615 bytes"},
        {"\xf8\xff\xff\xff\xff\xff\xff\xff{}", 10, "a header of 18446744073709551608 bytes"},
        {"\x01\xe1\xf5\x05\0\0\0\0{}", 10, "a header of 100000001 bytes, 1 to 100000000"},
        {"\x00\xe1\xf5\x05\0\0\0\0{}", 10, "a header of 100000000 bytes, but only 2 follow"},
        {"\3\0\0\0\0\0\0\0{}", 10, "a header of 3 bytes, but only 2 follow"},
        {"\2\0\0\0\0\0\0\0[]", 10, "byte 8: the header starts with byte 0x5b"},
        {"\3\0\0\0\0\0\0\0 {}", 11, "byte 8: the header starts with byte 0x20"},
        {"\1\0\0\0\0\0\0\0{", 9, "byte 9: the header is not sound JSON"},
        {"\2\0\0\0\0\0\0\0{}", 10, "holds no tensors"},
        {"\2\0\0\0\0\0\0\0{}x", 11, "byte 10: 1 bytes that belong to no tensor"},
        {"\7\0\0\0\0\0\0\0{}trail", 15, "the header is not sound JSON"},
        {"\7\0\0\0\0\0\0\0{\"\xff\":1}", 15, "the header is not sound JSON"},
        {"\x08\0\0\0\0\0\0\0{\"\xc0\x80\":1}", 16, "the header is not sound JSON"},
        {"\x07\0\0\0\0\0\0\0{\"\0\":1}", 15, "the header is not sound JSON"},
        {"\x0c\0\0\0\0\0\0\0{\"\\u0000\":1}", 20, "the header is not sound JSON"},
        {"\x0c\0\0\0\0\0\0\0{\"\\ud800\":1}", 20, "the header is not sound JSON"},
        {"\x10\0\0\0\0\0\0\0{\"a\":{},\"a\":{}} ", 24, "the header is not sound JSON: duplicate"},
        {"\x14\0\0\0\0\0\0\0{\"a\":{},\"\\u0061\":{}}", 28, "duplicate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        put_file(cases[i].bytes, cases[i].size);
        expect_refused(cases[i].reason, cases[i].reason);
    }
}

Test(safetensors, nesting_cannot_exhaust_the_stack)
{
    enum { DEPTH = 100000 };
    static char header[2 * DEPTH + 16];
    for (int object = 0; object < 2; ++object) {
        size_t n = 0;
        n += (size_t)snprintf(header, sizeof header, "{\"a\":");
        for (int i = 0; i < DEPTH / (object ? 5 : 1); ++i) {
            memcpy(header + n, object ? "{\"a\":" : "[", object ? 5 : 1);
            n += object ? 5 : 1;
        }
        put_parts(header, n, NULL, 0);
        expect_refused("nesting", "maximum parsing depth");
    }
}

/* One tensor entry after the other; the name is 0.weight, the data 16 bytes. */
Test(safetensors, tensor_entries_that_are_wrong)
{
    const float data[4] = {0};
    const struct {
        const char *entry, *reason;
    } cases[] = {
        {"1", "is not a JSON object"},
        {"[]", "is not a JSON object"},
        {"{}", "\"dtype\" is not a string"},
        {"{'dtype':4,'shape':[2,2],'data_offsets':[0,16]}", "\"dtype\" is not a string"},
        {"{'dtype':'F31','shape':[2,2],'data_offsets':[0,16]}", "unknown dtype \"F31\""},
        {"{'dtype':'f32','shape':[2,2],'data_offsets':[0,16]}", "unknown dtype \"f32\""},
        {"{'dtype':'F4','shape':[2,2],'data_offsets':[0,2]}", "unknown dtype \"F4\""},
        {"{'dtype':'F32','dtype':'F32','shape':[2,2],'data_offsets':[0,16]}", "duplicate"},
        {"{'dtype':'F32','data_offsets':[0,16]}", "\"shape\" is not an array"},
        {"{'dtype':'F32','shape':4,'data_offsets':[0,16]}", "\"shape\" is not an array"},
        {"{'dtype':'F32','shape':[-2,-2],'data_offsets':[0,16]}", "integers >= 0"},
        {"{'dtype':'F32','shape':[2.0,2],'data_offsets':[0,16]}", "integers >= 0"},
        {"{'dtype':'F32','shape':['2',2],'data_offsets':[0,16]}", "integers >= 0"},
        {"{'dtype':'F32','shape':[18446744073709551616,2],'data_offsets':[0,16]}",
         "not sound JSON"},
        {"{'dtype':'F32','shape':[4294967296,4294967296],'data_offsets':[0,0]}", "product"},
        {"{'dtype':'F32','shape':[4611686018427387905,4],'data_offsets':[0,16]}", "product"},
        {"{'dtype':'F32','shape':[4611686018427387904,1],'data_offsets':[0,0]}", "product"},
        {"{'dtype':'F32','shape':[4611686018427387905,1],'data_offsets':[0,4]}", "product"},
        {"{'dtype':'F64','shape':[2305843009213693952],'data_offsets':[0,0]}", "product"},
        {"{'dtype':'F32','shape':[2,2]}", "\"data_offsets\" is not an array of two"},
        {"{'dtype':'F32','shape':[2,2],'data_offsets':16}", "\"data_offsets\" is not an array"},
        {"{'dtype':'F32','shape':[2,2],'data_offsets':[16]}", "\"data_offsets\" is not an array"},
        {"{'dtype':'F32','shape':[2,2],'data_offsets':[0,16,16]}", "\"data_offsets\" is not an"},
        {"{'dtype':'F32','shape':[2,2],'data_offsets':[-16,0]}", "two integers >= 0"},
        {"{'dtype':'F32','shape':[2,2],'data_offsets':[0,16.0]}", "two integers >= 0"},
        {"{'dtype':'F32','shape':[2,2],'data_offsets':[0,18446744073709551616]}", "not sound JSON"},
        {"{'dtype':'F32','shape':[2,2],'data_offsets':[9223372036854775807,9223372036854775807]}",
         "\"data_offsets\" span 0 bytes, but F32 of [2, 2] takes 16"},
        {"{'dtype':'F32','shape':[0,2],'data_offsets':[9223372036854775807,9223372036854775807]}",
         "leaving a hole"},
        {"{'dtype':'F32','shape':[2,2],'data_offsets':[16,0]}", "begin at 16 and end before"},
        {"{'dtype':'F32','shape':[2,2],'data_offsets':[0,12]}", "span 12 bytes"},
        {"{'dtype':'F64','shape':[2,2],'data_offsets':[0,16]}", "takes 32"},
        {"{'dtype':'F32','shape':[1,3],'data_offsets':[4,16]}",
         "leaving a hole after 0, where the"},
        {"{'dtype':'F32','shape':[1,3],'data_offsets':[0,12]}", "4 bytes that belong to no tensor"},
        {"{'dtype':'F32','shape':[1,5],'data_offsets':[0,20]}", "ends at 20 of the data, but the "
                                                                "file holds only 16"},
        {"{'dtype':'F32','shape':[65536,16777216],'data_offsets':[0,4398046511104]}", "holds only"},
        {"{'dtype':'F32','shape':[4],'data_offsets':[0,16]}",
         "is [4]: the weight of a Linear layer "
         "has two dimensions"},
        {"{'dtype':'F32','shape':[1,1,4],'data_offsets':[0,16]}", "is [1, 1, ...]: the weight"},
        {"{'dtype':'I32','shape':[2,2],'data_offsets':[0,16]}", "is I32: F32, F64, F16 and BF16"},
        {"{'dtype':'F8_E4M3','shape':[4,4],'data_offsets':[0,16]}", "is F8_E4M3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char header[256];
        snprintf(header, sizeof header, "{\"0.weight\":%s}", cases[i].entry);
        for (char *c = header; *c; ++c)
            if (*c == '\'') *c = '"';
        put_parts(header, strlen(header), data, sizeof data);
        expect_refused(cases[i].entry, cases[i].reason);
    }
}

/* Several tensors, and what is beside them. Each F32 tensor is written N:rows,columns@begin. */
Test(safetensors, headers_that_are_wrong)
{
    const float data[16] = {0};
#define TENSOR(name, shape, begin, end)                                                            \
    "'" name "':{'dtype':'F32','shape':[" shape "],'data_offsets':[" begin "," end "]}"
    const struct {
        const char *header;
        size_t bytes;
        const char *reason;
    } cases[] = {
        {"{" TENSOR("0.weight", "2,2", "0", "16") "," TENSOR("0.bias", "2", "12", "20") "}", 20,
         "tensor \"0.bias\" begins at 12 of the data, overlapping 16, where \"0.weight\" ends"},
        {"{" TENSOR("0.weight", "2,2", "0", "16") "," TENSOR("0.bias", "2", "20", "28") "}", 28,
         "tensor \"0.bias\" begins at 20 of the data, leaving a hole after 16"},
        {"{" TENSOR("0.weight", "2,2", "0", "16") "," TENSOR("1.weight", "2,2", "0", "16") "}", 16,
         "overlapping"},
        {"{" TENSOR("0.bias", "2", "0", "8") "}", 8, "\"0.bias\" has no weight beside it"},
        {"{" TENSOR("0.weight", "2,2", "0", "16") "," TENSOR("1.bias", "2", "16", "24") "}", 24,
         "\"1.bias\" has no weight beside it"},
        {"{" TENSOR("0.weight", "2,2", "0", "16") "," TENSOR("0.bias", "3", "16", "28") "}", 28,
         "\"0.bias\" has 3 elements, but \"0.weight\" gives 2"},
        {"{" TENSOR("0.weight", "2,2", "0", "16") "," TENSOR("0.bias", "2,1", "16", "24") "}", 24,
         "\"0.bias\" is [2, 1]: the bias of a Linear layer has one dimension"},
        {"{" TENSOR("0.weight", "2,2", "0", "16") "," TENSOR("2.weight", "1,3", "16", "28") "}", 28,
         "\"2.weight\" takes 3 inputs, but \"0.weight\" before it gives 2"},
        {"{" TENSOR("0.weight", "2,0", "0", "0") "}", 0, "layer 0 has 0 inputs"},
        {"{" TENSOR("0.weight", "0,2", "0", "0") "}", 0, "0 outputs"},
        {"{" TENSOR("fc1.weight", "2,2", "0", "16") "}", 16,
         "tensor \"fc1.weight\": only the Linear"},
        {"{" TENSOR("weight", "2,2", "0", "16") "}", 16, "tensor \"weight\": only the Linear"},
        {"{" TENSOR(".weight", "2,2", "0", "16") "}", 16, "tensor \".weight\": only the Linear"},
        {"{" TENSOR("00.weight", "2,2", "0", "16") "}", 16,
         "tensor \"00.weight\": only the Linear"},
        {"{" TENSOR("9999999999.weight", "2,2", "0", "16") "}", 16, "only the Linear"},
        {"{" TENSOR("0.weights", "2,2", "0", "16") "}", 16,
         "tensor \"0.weights\": only the Linear"},
        {"{" TENSOR("0.running_mean", "4", "0", "16") "}", 16, "tensor \"0.running_mean\""},
        {"{" TENSOR("", "2,2", "0", "16") "}", 16, "tensor \"\": only the Linear"},
        {"{" TENSOR("a.0.weight", "2,2", "0", "16") "," TENSOR("b.1.weight", "2,2", "16", "32") "}",
         32, "different modules"},
        {"{'__metadata__':[]," TENSOR("0.weight", "2,2", "0", "16") "}", 16,
         "\"__metadata__\" is not a JSON object"},
        {"{'__metadata__':{'a':1}," TENSOR("0.weight", "2,2", "0", "16") "}", 16,
         "the value of \"a\" is not a string"},
        {"{'__metadata__':{'a':'','a':''}," TENSOR("0.weight", "2,2", "0", "16") "}", 16,
         "duplicate"},
        {"{'__metadata__':{'backprop.version':'1'}," TENSOR("0.weight", "2,2", "0", "16") "}", 16,
         "\"backprop.architecture\" is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char header[256];
        snprintf(header, sizeof header, "%s", cases[i].header);
        for (char *c = header; *c; ++c)
            if (*c == '\'') *c = '"';
        put_parts(header, strlen(header), data, cases[i].bytes);
        expect_refused(cases[i].header, cases[i].reason);
    }
}

/* Our own architecture text, beside the tensors 0.weight [2, 2] and 0.bias [2]. */
Test(safetensors, architectures_that_are_wrong)
{
    const float data[6] = {0};
#define LAYER(inputs, outputs, activation, bias)                                                   \
    "{'inputs':" inputs ",'outputs':" outputs ",'activation':" activation ",'bias':" bias "}"
#define NETWORK(layers, loss) "{'layers':[" layers "],'loss':" loss "}"
    const struct {
        const char *text, *reason; /* reason NULL: sound */
    } cases[] = {
        {NETWORK(LAYER("2", "2", "'tanh'", "true"), "'half_squared'"), NULL},
        {"", "not sound JSON"},
        {"{", "byte 1: not sound JSON"},
        {"[]", "\"layers\" is not a list"},
        {"{'layers':[],'loss':'half_squared'}", "\"layers\" is not a list"},
        {NETWORK("1", "'half_squared'"), "a layer is not an object"},
        {NETWORK(LAYER("2", "2", "'tanh'", "true"), "'hinge'"), "unknown loss \"hinge\""},
        {NETWORK(LAYER("2", "2", "'tanh'", "true"), "'auto'"), "unknown loss \"auto\""},
        {NETWORK(LAYER("2", "2", "'tanh'", "true"), "1"), "unknown loss \"\""},
        {NETWORK(LAYER("0", "2", "'tanh'", "true"), "'half_squared'"), "\"inputs\" is not an"},
        {NETWORK(LAYER("2", "2.0", "'tanh'", "true"), "'half_squared'"), "\"outputs\" is not an"},
        {NETWORK(LAYER("2", "99999999", "'tanh'", "true"), "'half_squared'"), "\"outputs\" is not"},
        {NETWORK(LAYER("2", "2", "'gelo'", "true"), "'half_squared'"), "activation \"gelo\""},
        {NETWORK(LAYER("2", "2", "'auto'", "true"), "'half_squared'"), "activation \"auto\""},
        {NETWORK(LAYER("2", "2", "7", "true"), "'half_squared'"), "unknown activation \"\""},
        {NETWORK(LAYER("2", "2", "'tanh'", "1"), "'half_squared'"),
         "\"bias\" is not true or false"},
        {NETWORK(LAYER("2", "2", "'tanh'", "true"), "'cross_entropy'"), "choose softmax"},
        {NETWORK(LAYER("2", "2", "'softmax'", "true"), "'half_squared'"), "choose cross_entropy"},
        {NETWORK(LAYER("2", "3", "'tanh'", "true") "," LAYER("4", "2", "'tanh'", "true"),
                 "'half_squared'"),
         "layer 1 has 4 inputs, but layer 0 has 3"},
        {NETWORK(LAYER("2", "2", "'tanh'", "true") "," LAYER("2", "2", "'tanh'", "true"),
                 "'half_squared'"),
         "tensor \"2.weight\" is missing"},
        {NETWORK(LAYER("3", "2", "'tanh'", "true"), "'half_squared'"),
         "tensor \"0.weight\" is [2, 2], but \"backprop.architecture\" asks for [2, 3]"},
        {NETWORK(LAYER("2", "2", "'tanh'", "false"), "'half_squared'"),
         "tensor \"0.bias\" has no place"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char text[512] = "", header[1024];
        size_t n = 0;
        for (const char *c = cases[i].text; *c; ++c) {
            if (*c == '\'') text[n++] = '\\';
            text[n++] = *c == '\'' ? '"' : *c;
        }
        text[n] = '\0';
        snprintf(header, sizeof header,
                 "{\"__metadata__\":{\"backprop.architecture\":\"%s\"},"
                 "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                 "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]}}",
                 text);
        put_parts(header, strlen(header), data, sizeof data);
        if (cases[i].reason)
            expect_refused(cases[i].text, cases[i].reason);
        else
            bp_model_free(loaded());
    }
}

Test(safetensors, a_schema_that_is_wrong_is_refused)
{
    const float data[6] = {0};
    const char header[] =
        "{\"__metadata__\":{\"backprop.architecture\":\"{\\\"layers\\\":[{\\\"inputs\\\":2,"
        "\\\"outputs\\\":2,\\\"activation\\\":\\\"tanh\\\",\\\"bias\\\":true}],"
        "\\\"loss\\\":\\\"half_squared\\\"}\",\"backprop.schema\":\"{}\"},"
        "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]}}";
    put_parts(header, sizeof header - 1, data, sizeof data);
    expect_refused("schema", "\"backprop.schema\": ");
}

Test(safetensors, paths_that_are_no_files)
{
    bp_model *model;
    cr_assert_eq(bp_model_load(&model, "/nonexistent", -1), BP_ERROR_IO);
    cr_assert_null(model);
    cr_assert_eq(bp_model_load(&model, folder, -1), BP_ERROR_IO);
    cr_assert_eq(bp_model_load(&model, "/dev/zero", -1), BP_ERROR_IO);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(bp_model_load(&model, path, -1), BP_ERROR_IO);
    cr_assert_eq(bp_model_save(model = small_model(), path), BP_ERROR_IO);
    bp_model_free(model);
    cr_assert_eq(bp_model_load(NULL, path, -1), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_model_load(&model, NULL, -1), BP_ERROR_ARGUMENT);
}

/* ---- Damage ---- */

/* Every truncation is refused: the data must fill the file exactly. */
Test(safetensors, every_truncation_is_refused)
{
    bp_model *model = small_model();
    cr_assert_eq(bp_model_save(model, path), BP_OK);
    size_t size;
    char *bytes = file_bytes(&size);
    for (size_t kept = 0; kept < size; ++kept) {
        put_file(bytes, kept);
        expect_refused("truncation", "");
    }
    free(bytes);
    bp_model_free(model);
}

/* A flipped bit is refused, or is in a value or a free text: then the network is the same. */
static void flip_every_bit(const char *bytes, size_t size, const bp_model *model)
{
    char *damaged = malloc(size);
    cr_assert_not_null(damaged);
    size_t refused = 0;
    for (size_t bit = 0; bit < 8 * size; ++bit) {
        memcpy(damaged, bytes, size);
        damaged[bit / 8] = (char)(damaged[bit / 8] ^ 1 << bit % 8);
        put_file(damaged, size);
        bp_model *other;
        const bp_status status = bp_model_load(&other, path, BP_ACTIVATION_AUTO);
        if (status == BP_OK) {
            expect_same_shape(model, other);
            bp_model_free(other);
        } else {
            cr_assert_eq(status, BP_ERROR_MODEL, "bit %zu", bit);
            cr_assert_null(other);
            ++refused;
        }
    }
    free(damaged);
    cr_assert_gt(refused, size, "a flip hardly ever mattered");
}

Test(safetensors, every_bit_flip_of_ours)
{
    bp_model *model = small_model();
    cr_assert_eq(bp_model_save(model, path), BP_OK);
    size_t size;
    char *bytes = file_bytes(&size);
    flip_every_bit(bytes, size, model);
    free(bytes);
    bp_model_free(model);
}

Test(safetensors, every_bit_flip_of_torchs)
{
    put_parts(torch_header, strlen(torch_header), torch_data, sizeof torch_data);
    size_t size;
    char *bytes = file_bytes(&size);
    bp_model *model = loaded();
    flip_every_bit(bytes, size, model);
    free(bytes);
    bp_model_free(model);
}
