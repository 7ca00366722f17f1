/* test_safetensors.c - model files: what is written is read back bit for bit, and what torch writes
 * is understood. */
#include "safetensors_support.h"

TestSuite(safetensors, .init = open_folder, .fini = close_folder, .timeout = 60);

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
