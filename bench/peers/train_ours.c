/* train_ours.c - libbackprop, through its public header.
 *
 *     train_ours PROBLEM [--seconds S] [--serve] [DEVICE [GEMM]] */
#include <stdio.h>

#include <backprop.h>

#include "peer.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != BP_OK) peer_fail("%s: %s", #call, bp_last_error());                          \
    } while (0)

typedef struct ours {
    bp_trainer *trainer;
    size_t rows;
} ours;

/* Whole epochs only: that is how the library trains on resident data. */
static double run(void *self, size_t first, size_t steps)
{
    ours *o = self;
    (void)first;
    (void)steps;
    double loss;
    OK(bp_trainer_epoch(o->trainer, &loss));
    return loss * (double)o->rows;
}

static bp_model *make_model(const peer_problem *problem)
{
    bp_layer layers[PEER_MAX_LAYERS];
    const int32_t hidden =
        problem->head == PEER_SOFTMAX ? BP_ACTIVATION_RELU : BP_ACTIVATION_SIGMOID;
    const int32_t output = problem->head == PEER_SOFTMAX   ? BP_ACTIVATION_SOFTMAX
                           : problem->head == PEER_SIGMOID ? BP_ACTIVATION_SIGMOID
                                                           : BP_ACTIVATION_LINEAR;
    for (size_t l = 0; l < problem->layers; ++l)
        layers[l] = (bp_layer){problem->widths[l], problem->widths[l + 1],
                               l + 1 < problem->layers ? hidden : output, 1};
    bp_model_options options = bp_model_options_default();
    options.loss = problem->head == PEER_SOFTMAX ? BP_LOSS_CROSS_ENTROPY : BP_LOSS_HALF_SQUARED;
    bp_model *model;
    OK(bp_model_create_layers(&model, layers, problem->layers, &options));
    for (size_t l = 0; l < problem->layers; ++l) {
        float *weights = bp_model_weights(model, l), *biases = bp_model_biases(model, l);
        const size_t inputs = problem->widths[l], outputs = problem->widths[l + 1];
        for (size_t i = 0; i < inputs * outputs; ++i) weights[i] = problem->weights[l][i];
        for (size_t i = 0; i < outputs; ++i) biases[i] = problem->biases[l][i];
    }
    return model;
}

static void open(peer *out, peer_problem *problem, int argc, char **argv)
{
    bp_device *device;
    bp_data *data;
    bp_trainer *trainer;
    const size_t outputs = problem->widths[problem->layers];
    const char *gemm = argc > 2 ? argv[2] : "auto";
    OK(bp_device_open(&device, argc > 1 ? argv[1] : NULL));
    bp_model *model = make_model(problem);
    bp_train_options options = bp_train_options_default();
    options.batch = (int64_t)problem->batch;
    options.optimizer = BP_OPTIMIZER_SGD;
    options.learning_rate = problem->rate;
    options.shuffle = 0;
    options.gemm = bp_gemm_from_name(gemm);
    if (problem->labels)
        OK(bp_data_from_labels(&data, problem->x, problem->rows, problem->widths[0],
                               problem->labels, outputs));
    else
        OK(bp_data_from_arrays(&data, problem->x, problem->rows, problem->widths[0],
                               problem->targets, outputs));
    OK(bp_trainer_create(&trainer, model, device, &options));
    OK(bp_trainer_set_data(trainer, data));
    bp_data_free(data);
    bp_model_free(model);
    snprintf(out->name, sizeof out->name, "backprop %s%s%s", bp_version(),
             options.gemm == BP_GEMM_AUTO ? "" : " ", options.gemm == BP_GEMM_AUTO ? "" : gemm);
    out->granule = problem->rows / problem->batch;
    ours *o = peer_memory(sizeof *o);
    *o = (ours){trainer, problem->rows};
    out->self = o;
    out->run = run;
}

int main(int argc, char **argv)
{
    return peer_main(argc, argv, open);
}
