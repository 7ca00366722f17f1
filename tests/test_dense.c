/* test_dense.c - activations in units in the last place, epilogues, bias gradient. */
#include "base/families.h"
#include "support.h"

/* Every activation that works unit by unit. */
static int32_t activations[32];
static int ACTIVATIONS;

__attribute__((constructor)) static void list_activations(void)
{
    for (int32_t code = 0; bp_activation_name(code); ++code)
        if (code != BP_ACTIVATION_SOFTMAX) activations[ACTIVATIONS++] = code;
}

static const int32_t all_gemms[] = {BP_GEMM_AUTO, BP_GEMM_NAIVE,  BP_GEMM_GPU,
                                    BP_GEMM_CPU,  BP_GEMM_MATRIX, -1};

/* A number in two parts is rounded to 2^-24 of itself; infinite ones make NaN, and of the smallest
 * the second part is denormal, which may be flushed to zero. */
static bool in_parts(const rig *r)
{
    return ((const bp__device_engine *)r->engine[DEVICE])->gemm == BP_GEMM_MATRIX;
}

/* exp is allowed 3 ulp and a division 2.5 by OpenCL 1.2, tanh 5, erfc 16. In the tail of the normal
 * distribution, e^(-z^2/2), each rounding of the argument makes z^2/2 ulp of the result. */
static double allowed_ulps(int32_t activation, double z)
{
    return activation == BP_ACTIVATION_GELU && isfinite(z) ? 20 + 2 * z * z : 8;
}

/* What it makes of a function that its argument is off by 2^-22 of itself. */
static double ulps_of_argument(int32_t activation, double z)
{
    const double expected = bp__reference_activate(activation, z);
    double most = 0;
    for (int sign = -1; sign <= 1; sign += 2)
        most = fmax(most, ulps((float)bp__reference_activate(activation, z * (1 + sign * 0x1p-22)),
                               expected));
    return most;
}

/* Net inputs from denormals to infinity, both signs, and NaN. */
static float *sweep(size_t *count)
{
    static const float special[] = {0.0f,    -0.0f,  1e-45f,  -1e-45f, 1e-38f, -1e-38f,  1e-30f,
                                    -1e-30f, 100.0f, -100.0f, 1e30f,   -1e30f, INFINITY, -INFINITY,
                                    NAN,     88.8f,  -88.8f,  104.0f,  -104.0f};
    const size_t specials = sizeof special / sizeof *special, steps = 4001;
    float *values = malloc((specials + steps) * sizeof *values);
    memcpy(values, special, sizeof special);
    for (size_t i = 0; i < steps; ++i) values[specials + i] = -20.0f + 0.01f * (float)i;
    *count = specials + steps;
    return values;
}

/* With one input and the weight 1 the layer's output is f(x). */
static void check_functions(rig *r, void *context)
{
    (void)context;
    size_t count;
    float *x = sweep(&count);
    const float one = 1;
    for (int k = 0; k < ACTIVATIONS; ++k) {
        pair in = pair_of(r, BP__BATCH, count, 1, x), weights = pair_of(r, BP__WEIGHTS, 1, 1, &one);
        pair out = pair_of(r, BP__BATCH, count, 1, NULL);
        const bp__op op = {.kind = BP__OP_DENSE_FORWARD,
                           .as.dense_forward = {.out = out.on[DEVICE],
                                                .in = in.on[DEVICE],
                                                .weights = weights.on[DEVICE],
                                                .activation = activations[k]}};
        run_op(r, DEVICE, &op);
        float *y = read_side(r, &out, DEVICE);
        for (size_t i = 0; i < count; ++i) {
            const double expected = bp__reference_activate(activations[k], (double)x[i]);
            if (in_parts(r) && (isinf(x[i]) || (x[i] != 0 && fabsf(x[i]) < 0x1p-100f))) continue;
            /* Denormal numbers may be flushed to zero. */
            if (fabs(expected) < 0x1p-126 && fabsf(y[i]) < 0x1p-125f) continue;
            const double slack = in_parts(r) ? ulps_of_argument(activations[k], (double)x[i]) : 0;
            cr_assert(ulps(y[i], expected) <= allowed_ulps(activations[k], (double)x[i]) + slack,
                      "%s: %s(%g) = %.9g, not %.9g: %g ulp", r->name,
                      bp_activation_name(activations[k]), (double)x[i], (double)y[i], expected,
                      ulps(y[i], expected));
        }
        free(y);
        pair_free(r, &in);
        pair_free(r, &weights);
        pair_free(r, &out);
    }
    free(x);
}

Test(dense, activation_sweep)
{
    each_device(all_gemms, check_functions, NULL);
}

/* With one output, the weight 1 and delta 1 the effect times the slope is f'(a). */
static void check_slopes(rig *r, void *context)
{
    (void)context;
    enum { COUNT = 801 };
    float a[COUNT], delta[COUNT];
    const float one = 1;
    for (int i = 0; i < COUNT; ++i) {
        a[i] = -1.0f + (float)i / 400.0f;
        delta[i] = 1;
    }
    for (int k = 0; k < ACTIVATIONS; ++k) {
        pair in = pair_of(r, BP__BATCH, COUNT, 1, a), d = pair_of(r, BP__BATCH, COUNT, 1, delta);
        pair weights = pair_of(r, BP__WEIGHTS, 1, 1, &one),
             out = pair_of(r, BP__BATCH, COUNT, 1, NULL);
        const bp__op op = {.kind = BP__OP_DENSE_EFFECT,
                           .as.dense_effect = {.delta_in = out.on[DEVICE],
                                               .delta = d.on[DEVICE],
                                               .weights = weights.on[DEVICE],
                                               .in = in.on[DEVICE],
                                               .activation = activations[k]}};
        run_op(r, DEVICE, &op);
        float *got = read_side(r, &out, DEVICE);
        for (int i = 0; i < COUNT; ++i) {
            const double want = bp__reference_slope(activations[k], (double)a[i]);
            cr_assert(fabs((double)got[i] - want) <= 4 * 0x1p-24,
                      "%s: slope of %s at a = %g: %g not %g", r->name,
                      bp_activation_name(activations[k]), (double)a[i], (double)got[i], want);
        }
        free(got);
        pair *const all[] = {&in, &d, &weights, &out};
        for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
    }
}

Test(dense, slope_sweep)
{
    each_device(all_gemms, check_slopes, NULL);
}

/* A whole layer forward and back at ragged sizes, with and without bias, against the reference. */
static void check_layer(rig *r, size_t B, size_t m, size_t n, int32_t activation, bool with_bias)
{
    float *x = random_floats(B * m, 1, 1), *w = random_floats(n * m, 1 / sqrt((double)m), 2);
    float *b = random_floats(n, 0.5, 3), *d = random_floats(B * n, 1, 4);
    for (size_t i = 0; i < B * m; ++i) /* of the layer before: outputs, unless nets are wanted */
        if (!bp__activation(activation)->of_net)
            x[i] = (float)bp__reference_activate(activation, (double)x[i]);
    pair in = pair_of(r, BP__BATCH, B, m, x), weights = pair_of(r, BP__WEIGHTS, n, m, w);
    pair bias = pair_of(r, BP__TABLE, 1, n, b), delta = pair_of(r, BP__BATCH, B, n, d);
    pair out = pair_of(r, BP__BATCH, B, n, NULL), back = pair_of(r, BP__BATCH, B, m, NULL);
    pair net = pair_of(r, BP__BATCH, B, n, NULL);
    const bool keeps_net = bp__activation(activation)->of_net;
    pair grad = pair_of(r, BP__WEIGHTS, n, m, NULL), bgrad = pair_of(r, BP__TABLE, 1, n, NULL);
    for (int side = 0; side < SIDES; ++side) {
        bp__op forward = {.kind = BP__OP_DENSE_FORWARD,
                          .as.dense_forward = {.out = out.on[side],
                                               .in = in.on[side],
                                               .weights = weights.on[side],
                                               .activation = activation}};
        bp__op effect = {.kind = BP__OP_DENSE_EFFECT,
                         .as.dense_effect = {back.on[side], delta.on[side], weights.on[side],
                                             in.on[side], activation}};
        bp__op gradient = {.kind = BP__OP_DENSE_GRADIENT,
                           .as.dense_gradient = {.weights_gradient = grad.on[side],
                                                 .delta = delta.on[side],
                                                 .in = in.on[side]}};
        if (keeps_net) forward.as.dense_forward.net = net.on[side];
        if (with_bias) {
            forward.as.dense_forward.bias = bias.on[side];
            gradient.as.dense_gradient.bias_gradient = bgrad.on[side];
        }
        run_op(r, side, &forward);
        run_op(r, side, &effect);
        run_op(r, side, &gradient);
    }
    pair *const results[] = {&out, &back, &grad, &bgrad, &net};
    const char *const names[] = {"forward", "effect", "gradient", "bias gradient", "net inputs"};
    for (int i = 0; i < 5; ++i) {
        if ((i == 3 && !with_bias) || (i == 4 && !keeps_net)) continue;
        float *got = read_side(r, results[i], DEVICE), *want = read_side(r, results[i], REFERENCE);
        const size_t count = results[i]->on[DEVICE].rows * results[i]->on[DEVICE].columns;
        const double error = relative_l2(got, want, count);
        cr_assert(error <= 1e-6, "%s: %s of %zux%zux%zu %s: relative error %g", r->name, names[i],
                  B, m, n, bp_activation_name(activation), error);
        check_guards(r, results[i], names[i]);
        free(got);
        free(want);
    }
    pair *const all[] = {&in, &weights, &bias, &delta, &out, &back, &grad, &bgrad, &net};
    for (int i = 0; i < 9; ++i) pair_free(r, all[i]);
    free(x);
    free(w);
    free(b);
    free(d);
}

static void check_layers(rig *r, void *context)
{
    (void)context;
    const size_t shapes[][3] = {{1, 1, 1}, {5, 3, 7}, {33, 17, 10}, {64, 50, 31}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s)
        for (int k = 0; k < ACTIVATIONS; ++k)
            for (int bias = 0; bias < 2; ++bias)
                check_layer(r, shapes[s][0], shapes[s][1], shapes[s][2], activations[k], bias);
}

Test(dense, layers_with_and_without_bias)
{
    each_device(all_gemms, check_layers, NULL);
}

Test(dense, layers_of_every_cpu_shape)
{
    each_cpu_shape(check_layers, NULL);
}
