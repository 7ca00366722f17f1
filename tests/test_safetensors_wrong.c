/* test_safetensors_wrong.c - whatever is wrong with a model file is refused by name and place:
 * lengths, headers, entries, architectures, and every truncation and flipped bit of files that are
 * right. */
#include "safetensors_support.h"

TestSuite(safetensors_wrong, .init = open_folder, .fini = close_folder, .timeout = 60);

/* ---- What nobody should write ---- */

Test(safetensors_wrong, lengths_and_headers_that_are_wrong)
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

Test(safetensors_wrong, nesting_cannot_exhaust_the_stack)
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
Test(safetensors_wrong, tensor_entries_that_are_wrong)
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
Test(safetensors_wrong, headers_that_are_wrong)
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
Test(safetensors_wrong, architectures_that_are_wrong)
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

Test(safetensors_wrong, a_schema_that_is_wrong_is_refused)
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

Test(safetensors_wrong, paths_that_are_no_files)
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
Test(safetensors_wrong, every_truncation_is_refused)
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

Test(safetensors_wrong, every_bit_flip_of_ours)
{
    bp_model *model = small_model();
    cr_assert_eq(bp_model_save(model, path), BP_OK);
    size_t size;
    char *bytes = file_bytes(&size);
    flip_every_bit(bytes, size, model);
    free(bytes);
    bp_model_free(model);
}

Test(safetensors_wrong, every_bit_flip_of_torchs)
{
    put_parts(torch_header, strlen(torch_header), torch_data, sizeof torch_data);
    size_t size;
    char *bytes = file_bytes(&size);
    bp_model *model = loaded();
    flip_every_bit(bytes, size, model);
    free(bytes);
    bp_model_free(model);
}
