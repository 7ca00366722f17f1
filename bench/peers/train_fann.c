/* train_fann.c - FANN with floats: fann_train for a batch of one, else an epoch of its batch
 * algorithm over each batch. Its sigmoid is 1 / (1 + exp(-2 s z)), the logistic one at its default
 * steepness s = 1/2; it clips slopes at 0.01 (1 - 0.01), so its losses differ a little. */
#include <floatfann.h>
#include <stdio.h>
#include <string.h>

#include "peer.h"

typedef struct with_fann {
    peer_problem *problem;
    struct fann *network;
    struct fann_train_data **batches;
} with_fann;

/* FANN stores the inputs of a unit together, the bias after them. */
static void set_parameters(struct fann *network, const peer_problem *problem)
{
    fann_type *to = network->weights;
    for (size_t l = 0; l < problem->layers; ++l) {
        const size_t inputs = problem->widths[l], units = problem->widths[l + 1];
        for (size_t k = 0; k < units; ++k) {
            memcpy(to, problem->weights[l] + k * inputs, inputs * sizeof *to);
            to[inputs] = problem->biases[l][k];
            to += inputs + 1;
        }
    }
    if ((size_t)(to - network->weights) != fann_get_total_connections(network))
        peer_fail("FANN lays its weights out in another way");
}

static struct fann_train_data *make_batch(const peer_problem *problem, size_t first)
{
    const size_t inputs = problem->widths[0], outputs = problem->widths[problem->layers];
    struct fann_train_data *data =
        fann_create_train((unsigned)problem->batch, (unsigned)inputs, (unsigned)outputs);
    if (!data) peer_fail("FANN: no memory");
    for (size_t i = 0; i < problem->batch; ++i) {
        memcpy(data->input[i], problem->x + (first + i) * inputs, inputs * sizeof(fann_type));
        memcpy(data->output[i], problem->targets + (first + i) * outputs,
               outputs * sizeof(fann_type));
    }
    return data;
}

static double run(void *self, size_t first, size_t steps)
{
    const with_fann *f = self;
    const peer_problem *problem = f->problem;
    const size_t inputs = problem->widths[0], outputs = problem->widths[problem->layers];
    double squares = 0;
    if (problem->batch > 1) {
        for (size_t s = first; s < first + steps; ++s)
            squares += (double)fann_train_epoch(f->network, f->batches[s]) *
                       (double)(problem->batch * outputs);
        return squares / 2;
    }
    fann_reset_MSE(f->network);
    for (size_t s = first; s < first + steps; ++s)
        fann_train(f->network, problem->x + s * inputs, problem->targets + s * outputs);
    return (double)fann_get_MSE(f->network) * (double)(steps * outputs) / 2;
}

static void open(peer *out, peer_problem *problem, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (problem->head == PEER_SOFTMAX) peer_fail("FANN has no softmax");
    unsigned widths[PEER_MAX_LAYERS + 1];
    for (size_t l = 0; l <= problem->layers; ++l) widths[l] = (unsigned)problem->widths[l];
    with_fann *f = peer_memory(sizeof *f);
    f->problem = problem;
    f->network = fann_create_standard_array((unsigned)problem->layers + 1, widths);
    if (!f->network) peer_fail("FANN: no memory");
    fann_set_activation_function_hidden(f->network, FANN_SIGMOID);
    fann_set_activation_function_output(f->network,
                                        problem->head == PEER_LINEAR ? FANN_LINEAR : FANN_SIGMOID);
    /* Of the linear function FANN takes the steepness as a factor as well. */
    if (problem->head == PEER_LINEAR) fann_set_activation_steepness_output(f->network, 1);
    fann_set_train_error_function(f->network, FANN_ERRORFUNC_LINEAR);
    fann_set_training_algorithm(f->network,
                                problem->batch == 1 ? FANN_TRAIN_INCREMENTAL : FANN_TRAIN_BATCH);
    fann_set_learning_rate(f->network, problem->rate);
    fann_set_learning_momentum(f->network, 0);
    set_parameters(f->network, problem);
    const size_t steps = problem->rows / problem->batch;
    f->batches = peer_memory(steps * sizeof *f->batches);
    for (size_t s = 0; problem->batch > 1 && s < steps; ++s)
        f->batches[s] = make_batch(problem, s * problem->batch);
    snprintf(out->name, sizeof out->name, "FANN %s", FANN_VERSION_TEXT);
    out->self = f;
    out->run = run;
}

int main(int argc, char **argv)
{
    return peer_main(argc, argv, open);
}
