/* gemm_ours.c - libbackprop's products, as the operations of a dense layer: without bias, linear.
 *
 *     gemm_ours PRODUCT ROWS INPUTS UNITS [DEVICE [GEMM]]      GEMM: auto, clblast, naive, cpu...
 */
#include <stdio.h>
#include <string.h>

#include "gemm_table.h"
#include "ops/engine.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != BP_OK) peer_fail("%s: %s", #call, bp_last_error());                          \
    } while (0)

static bp__engine *engine;
static bp__sequence *sequence;
static bp__view left, right, result;

/* As the engine lays out a matrix of its role in a training step. */
static bp__view make_view(bp__role role, size_t rows, size_t columns, const float *values)
{
    bp__view view;
    size_t elements = 0;
    if (!bp__view_place(&view, &elements, engine, role, rows, columns))
        peer_fail("a matrix of %zux%zu does not fit in memory", rows, columns);
    OK(bp__buffer_create(engine, &view.buffer, BP__NUMBER, elements));
    if (values) OK(bp__view_write(engine, &view, values));
    return view;
}

static void prepare(const gemm_case *c)
{
    const bool gradient = c->product == GEMM_GRADIENT;
    left = make_view(BP__BATCH, c->left_rows, c->left_columns, c->left);
    right =
        make_view(gradient ? BP__BATCH : BP__WEIGHTS, c->right_rows, c->right_columns, c->right);
    result = make_view(gradient ? BP__WEIGHTS : BP__BATCH, c->out_rows, c->out_columns, NULL);
    bp__op op = {.kind = BP__OP_DENSE_FORWARD};
    if (c->product == GEMM_FORWARD) {
        op.as.dense_forward = (bp__dense_forward){
            .out = result, .in = left, .weights = right, .activation = BP_ACTIVATION_LINEAR};
    } else if (c->product == GEMM_EFFECT) {
        op.kind = BP__OP_DENSE_EFFECT;
        op.as.dense_effect = (bp__dense_effect){.delta_in = result,
                                                .delta = left,
                                                .weights = right,
                                                .activation = BP_ACTIVATION_LINEAR};
    } else {
        op.kind = BP__OP_DENSE_GRADIENT;
        op.as.dense_gradient =
            (bp__dense_gradient){.weights_gradient = result, .delta = left, .in = right};
    }
    OK(bp__sequence_create(engine, &sequence, &op, 1));
}

static void run(const gemm_case *c, size_t times)
{
    (void)c;
    OK(bp__sequence_run(engine, sequence, times));
    OK(bp__engine_finish(engine));
}

static void fetch(const gemm_case *c)
{
    OK(bp__view_read(engine, &result, c->out));
}

static void release(void)
{
    bp__sequence_free(engine, sequence);
    bp__buffer_free(engine, left.buffer);
    bp__buffer_free(engine, right.buffer);
    bp__buffer_free(engine, result.buffer);
}

static void open(gemm_peer *out, int argc, char **argv)
{
    bp_device *device;
    const char *gemm = argc > 2 ? argv[2] : "auto";
    OK(bp_device_open(&device, argc > 1 ? argv[1] : NULL));
    OK(bp__engine_create(&engine, device, bp_gemm_from_name(gemm)));
    if (strcmp(gemm, "auto") == 0)
        snprintf(out->name, sizeof out->name, "backprop %s", bp_version());
    else
        snprintf(out->name, sizeof out->name, "backprop %s %s", bp_version(), gemm);
    out->prepare = prepare;
    out->run = run;
    out->fetch = fetch;
    out->release = release;
}

int main(int argc, char **argv)
{
    return gemm_main(argc, argv, open);
}
