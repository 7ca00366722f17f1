/* train_plain.c - backpropagation as one writes it down in plain C: sample by sample, one thread,
 * no library. With a batch of one the parameters change after each sample; else the gradients are
 * summed first. Compiled for this CPU with -O3 and -ffast-math, so the loops are vectorized. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "peer.h"

typedef struct plain {
    peer_problem *problem;
    float *output[PEER_MAX_LAYERS + 1]; /* [0] is not used: the sample itself */
    float *delta[PEER_MAX_LAYERS + 1];
    float *weight_sum[PEER_MAX_LAYERS], *bias_sum[PEER_MAX_LAYERS];
} plain;

static float sigmoid(float z)
{
    return 1 / (1 + expf(-z));
}

static void forward(const plain *p, const float *sample)
{
    const peer_problem *problem = p->problem;
    const float *in = sample;
    for (size_t l = 0; l < problem->layers; ++l) {
        const size_t inputs = problem->widths[l], units = problem->widths[l + 1];
        float *restrict out = p->output[l + 1];
        const float *w = problem->weights[l];
        for (size_t k = 0; k < units; ++k, w += inputs) {
            float sum = problem->biases[l][k];
            for (size_t j = 0; j < inputs; ++j) sum += w[j] * in[j];
            out[k] = sum;
        }
        const int last = l + 1 == problem->layers;
        if (problem->head == PEER_SOFTMAX && !last)
            for (size_t k = 0; k < units; ++k) out[k] = out[k] > 0 ? out[k] : 0;
        else if (problem->head != PEER_SOFTMAX && !(last && problem->head == PEER_LINEAR))
            for (size_t k = 0; k < units; ++k) out[k] = sigmoid(out[k]);
        in = out;
    }
}

/* The output layer's delta; returns the sample's loss. */
static double compare(const plain *p, size_t row)
{
    const peer_problem *problem = p->problem;
    const size_t units = problem->widths[problem->layers];
    float *out = p->output[problem->layers], *delta = p->delta[problem->layers];
    float loss = 0;
    if (problem->head == PEER_SOFTMAX) {
        const size_t label = (size_t)problem->labels[row];
        float most = out[0], sum = 0;
        for (size_t k = 1; k < units; ++k) most = out[k] > most ? out[k] : most;
        loss = most - out[label];
        for (size_t k = 0; k < units; ++k) sum += delta[k] = expf(out[k] - most);
        for (size_t k = 0; k < units; ++k) delta[k] /= sum;
        delta[label] -= 1;
        return (double)(loss + logf(sum));
    }
    const float *target = problem->targets + row * units;
    for (size_t k = 0; k < units; ++k) {
        const float error = out[k] - target[k];
        loss += error * error / 2;
        delta[k] = problem->head == PEER_LINEAR ? error : error * out[k] * (1 - out[k]);
    }
    return (double)loss;
}

static void backward(const plain *p)
{
    const peer_problem *problem = p->problem;
    for (size_t l = problem->layers; l-- > 1;) {
        const size_t inputs = problem->widths[l], units = problem->widths[l + 1];
        float *restrict to = p->delta[l];
        const float *from = p->delta[l + 1], *out = p->output[l], *w = problem->weights[l];
        memset(to, 0, inputs * sizeof *to);
        for (size_t k = 0; k < units; ++k, w += inputs)
            for (size_t j = 0; j < inputs; ++j) to[j] += from[k] * w[j];
        if (problem->head == PEER_SOFTMAX)
            for (size_t j = 0; j < inputs; ++j) to[j] = out[j] > 0 ? to[j] : 0;
        else
            for (size_t j = 0; j < inputs; ++j) to[j] *= out[j] * (1 - out[j]);
    }
}

/* weights += scale * delta x input, for all layers. */
static void add(const plain *p, const float *sample, float *const *weights, float *const *biases,
                float scale)
{
    const peer_problem *problem = p->problem;
    for (size_t l = 0; l < problem->layers; ++l) {
        const size_t inputs = problem->widths[l], units = problem->widths[l + 1];
        const float *in = l ? p->output[l] : sample;
        float *restrict w = weights[l];
        for (size_t k = 0; k < units; ++k, w += inputs) {
            const float step = scale * p->delta[l + 1][k];
            for (size_t j = 0; j < inputs; ++j) w[j] += step * in[j];
            biases[l][k] += step;
        }
    }
}

static void apply(const plain *p)
{
    const peer_problem *problem = p->problem;
    const float rate = problem->rate / (float)problem->batch;
    for (size_t l = 0; l < problem->layers; ++l) {
        const size_t units = problem->widths[l + 1], count = problem->widths[l] * units;
        float *restrict w = problem->weights[l], *restrict sum = p->weight_sum[l];
        for (size_t i = 0; i < count; ++i) w[i] -= rate * sum[i];
        for (size_t k = 0; k < units; ++k) problem->biases[l][k] -= rate * p->bias_sum[l][k];
        memset(sum, 0, count * sizeof *sum);
        memset(p->bias_sum[l], 0, units * sizeof *p->bias_sum[l]);
    }
}

static double run(void *self, size_t first, size_t steps)
{
    const plain *p = self;
    peer_problem *problem = p->problem;
    double loss = 0;
    for (size_t s = first; s < first + steps; ++s) {
        for (size_t row = s * problem->batch; row < (s + 1) * problem->batch; ++row) {
            const float *sample = problem->x + row * problem->widths[0];
            forward(p, sample);
            loss += compare(p, row);
            backward(p);
            if (problem->batch == 1)
                add(p, sample, problem->weights, problem->biases, -problem->rate);
            else
                add(p, sample, p->weight_sum, p->bias_sum, 1);
        }
        if (problem->batch > 1) apply(p);
    }
    return loss;
}

static void open(peer *out, peer_problem *problem, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    plain *p = peer_memory(sizeof *p);
    p->problem = problem;
    for (size_t l = 0; l < problem->layers; ++l) {
        const size_t units = problem->widths[l + 1];
        p->output[l + 1] = peer_memory(units * sizeof(float));
        p->delta[l + 1] = peer_memory(units * sizeof(float));
        p->weight_sum[l] = peer_memory(units * problem->widths[l] * sizeof(float));
        p->bias_sum[l] = peer_memory(units * sizeof(float));
    }
    snprintf(out->name, sizeof out->name, "plain C");
    out->self = p;
    out->run = run;
}

int main(int argc, char **argv)
{
    return peer_main(argc, argv, open);
}
