/* test_cli_gradcheck.c - `backprop gradcheck` as its users run it; a kernel that is broken on
 * purpose is found, and its layer named. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_gradcheck, .init = make_folder, .fini = remove_folder, .timeout = 300);

static json_t *checked(int code, const char *before, const char *arguments)
{
    result r = shell("%s " CLI " gradcheck --json %s", before, arguments);
    assert_code(r, code);
    json_t *json = json_loads(r.out, 0, NULL);
    cr_assert_not_null(json, "%s", r.out);
    free_result(&r);
    return json;
}

Test(cli_gradcheck, what_is_right_passes)
{
    static const char *const lines[] = {
        "--layers 3,5,2 --device reference",
        "--layers 3,5,2",
        "--layers 4,6,6,3 --activation tanh --loss cross_entropy",
        "--layers 4,6,6,3 --activation relu --output-activation linear --no-bias --rows 5 --gemm "
        "naive",
        "--layers 4,6:layernorm,6:gelu:residual,5:tanh:batchnorm,3 --loss cross_entropy",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        json_t *json = checked(0, "exec", lines[i]);
        cr_assert(json_is_true(json_object_get(json, "passed")));
        cr_assert_leq(want_number(json, "max_relative_error"), 1e-6);
        cr_assert_leq(want_number(json, "relative_l2"), 1e-7);
        cr_assert_leq(want_number(json, "device_error"), 1e-5);
        cr_assert_eq(want_number(json, "checked"), want_number(json, "parameters"));
        cr_assert(json_is_null(json_object_get(json, "wrong_layer")));
        cr_assert_geq(json_array_size(json_object_get(json, "layers")), 2);
        json_decref(json);
    }
}

/* Among so many units the corner of one sample lies within a difference, and turns the slope by
 * less than a thousandth: no gradient is wrong for that. */
Test(cli_gradcheck, a_slight_corner_is_no_wrong_gradient)
{
    json_t *json = checked(0, "exec",
                           "--layers 784,128,10 --activation relu --loss cross_entropy --device "
                           "reference");
    cr_assert_leq(want_number(json, "max_relative_error"), 1e-6);
    json_decref(json);
}

Test(cli_gradcheck, a_model_on_data)
{
    train_flowers("f.safetensors");
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "%s %s --device reference --rows 20",
             path_of("f.safetensors"), path_of("flowers.csv"));
    json_t *json = checked(0, "exec", arguments);
    cr_assert_eq(want_number(json, "rows"), 20);
    json_decref(json);
    result r = shell("exec " CLI " gradcheck %s", arguments);
    assert_code(r, 0);
    assert_has(r.out, "all gradients agree");
    assert_has(r.out, "softmax");
    free_result(&r);
    /* Without data, on random samples. */
    snprintf(arguments, sizeof arguments, "%s --device reference", path_of("f.safetensors"));
    json_decref(checked(0, "exec", arguments));
}

/* The kernels, with the line of one slope changed, take the place of those in the library. */
Test(cli_gradcheck, a_broken_kernel_is_found)
{
    result r = shell("cp -r '" BACKPROP_SOURCE_DIR "/kernels' %s && cd %s/kernels && "
                     "sed -i 's/return 1.0f - a \\* a;/return 1.0f - a;/' activation.cl && "
                     "! cmp -s activation.cl '" BACKPROP_SOURCE_DIR "/kernels/activation.cl'",
                     folder, folder);
    assert_code(r, 0);
    free_result(&r);
    char before[256];
    snprintf(before, sizeof before, "BP_KERNEL_DIR='%s/kernels' exec", folder);
    static const char *const gemms[] = {"auto", "naive", "gpu"};
    for (size_t g = 0; g < 3; ++g) {
        char arguments[128];
        /* tanh in the hidden layers: the last of them is where it goes wrong. */
        snprintf(arguments, sizeof arguments,
                 "--layers 5,8,7,3 --activation tanh --loss cross_entropy --gemm %s", gemms[g]);
        json_t *json = checked(1, before, arguments);
        cr_assert(json_is_false(json_object_get(json, "passed")));
        cr_assert(json_is_null(json_object_get(json, "wrong_layer")), "the reference is right");
        cr_assert_eq(want_number(json, "device_wrong_layer"), 1);
        json_decref(json);
        r = shell("%s " CLI " gradcheck %s", before, arguments);
        assert_code(r, 1);
        assert_has(r.err, "the gradient of layer 2 is wrong on ");
        assert_has(r.out, "WRONG on the device");
        assert_has_not(r.out, "all gradients agree");
        free_result(&r);
        /* Nobody uses tanh: nothing is wrong. */
        snprintf(arguments, sizeof arguments,
                 "--layers 5,8,7,3 --activation sigmoid --loss cross_entropy --gemm %s", gemms[g]);
        json_decref(checked(0, before, arguments));
    }
}

Test(cli_gradcheck, wrong_usage_names_the_remedy)
{
    const struct {
        const char *line, *says;
        int code;
    } cases[] = {
        {"", "a model or --layers is needed", 2},
        {"--layers 3", "inputs and outputs at least", 2},
        {"--layers 3,2 --tolerance 0", "--tolerance", 2},
        {"--layers 3,2 --rows 0", "--rows", 2},
        {"--layers 3,2 --activation softmax", "unknown value 'softmax'", 2},
        {"--layers 3,2 --device nowhere", "nowhere", 4},
        {"m.safetensors --layers 3,2", "--layers is for a network without a model", 2},
        {"nowhere.safetensors", "nowhere.safetensors", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd '%s' && exec " CLI " gradcheck %s", folder, cases[i].line);
        cr_assert_eq(r.code, cases[i].code, "gradcheck %s: exit code %d: %s", cases[i].line, r.code,
                     r.err);
        cr_assert(strstr(r.err, cases[i].says), "gradcheck %s: %s", cases[i].line, r.err);
        free_result(&r);
    }
}
