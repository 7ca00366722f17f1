/* train_openblas.c - what one gets by composing a training step of OpenBLAS's sgemm and plain
 * loops. The update is in the gradient's product (beta = 1), so nothing is written twice. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>

#include "peer.h"

typedef struct composed {
    peer_problem *problem;
    float *output[PEER_MAX_LAYERS + 1]; /* [batch][units] */
    float *delta[PEER_MAX_LAYERS + 1];
} composed;

static void forward(const composed *c, const float *x)
{
    const peer_problem *problem = c->problem;
    const size_t batch = problem->batch;
    const float *in = x;
    for (size_t l = 0; l < problem->layers; ++l) {
        const size_t inputs = problem->widths[l], units = problem->widths[l + 1];
        float *restrict out = c->output[l + 1];
        const float *restrict bias = problem->biases[l];
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)batch, (int)units, (int)inputs, 1,
                    in, (int)inputs, problem->weights[l], (int)inputs, 0, out, (int)units);
        const int last = l + 1 == problem->layers;
        for (size_t i = 0; i < batch; ++i, out += units) {
            if (last && problem->head != PEER_SIGMOID)
                for (size_t k = 0; k < units; ++k) out[k] += bias[k];
            else if (problem->head == PEER_SOFTMAX)
                for (size_t k = 0; k < units; ++k) out[k] = fmaxf(out[k] + bias[k], 0);
            else
                for (size_t k = 0; k < units; ++k) out[k] = 1 / (1 + expf(-out[k] - bias[k]));
        }
        in = c->output[l + 1];
    }
}

static double compare(const composed *c, size_t first)
{
    const peer_problem *problem = c->problem;
    const size_t units = problem->widths[problem->layers];
    const float *restrict out = c->output[problem->layers];
    float *restrict delta = c->delta[problem->layers];
    double loss = 0;
    for (size_t i = 0; i < problem->batch; ++i, out += units, delta += units) {
        if (problem->head == PEER_SOFTMAX) {
            const size_t label = (size_t)problem->labels[first + i];
            float most = out[0], sum = 0;
            for (size_t k = 1; k < units; ++k) most = out[k] > most ? out[k] : most;
            for (size_t k = 0; k < units; ++k) sum += delta[k] = expf(out[k] - most);
            for (size_t k = 0; k < units; ++k) delta[k] /= sum;
            delta[label] -= 1;
            loss += (double)(most - out[label] + logf(sum));
            continue;
        }
        const float *target = problem->targets + (first + i) * units;
        float sum = 0;
        for (size_t k = 0; k < units; ++k) {
            const float error = out[k] - target[k];
            sum += error * error / 2;
            delta[k] = problem->head == PEER_LINEAR ? error : error * out[k] * (1 - out[k]);
        }
        loss += (double)sum;
    }
    return loss;
}

static void backward(const composed *c, const float *x)
{
    peer_problem *problem = c->problem;
    const size_t batch = problem->batch;
    const float rate = problem->rate / (float)batch;
    for (size_t l = problem->layers; l-- > 0;) {
        const size_t inputs = problem->widths[l], units = problem->widths[l + 1];
        const float *from = c->delta[l + 1], *in = l ? c->output[l] : x;
        if (l) {
            float *restrict to = c->delta[l];
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)batch, (int)inputs,
                        (int)units, 1, from, (int)units, problem->weights[l], (int)inputs, 0, to,
                        (int)inputs);
            if (problem->head == PEER_SOFTMAX)
                for (size_t i = 0; i < batch * inputs; ++i) to[i] = in[i] > 0 ? to[i] : 0;
            else
                for (size_t i = 0; i < batch * inputs; ++i) to[i] *= in[i] * (1 - in[i]);
        }
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)units, (int)inputs, (int)batch,
                    -rate, from, (int)units, in, (int)inputs, 1, problem->weights[l], (int)inputs);
        float *restrict bias = problem->biases[l];
        for (size_t i = 0; i < batch; ++i, from += units)
            for (size_t k = 0; k < units; ++k) bias[k] -= rate * from[k];
    }
}

static double run(void *self, size_t first, size_t steps)
{
    const composed *c = self;
    const peer_problem *problem = c->problem;
    double loss = 0;
    for (size_t s = first; s < first + steps; ++s) {
        const float *x = problem->x + s * problem->batch * problem->widths[0];
        forward(c, x);
        loss += compare(c, s * problem->batch);
        backward(c, x);
    }
    return loss;
}

static void open(peer *out, peer_problem *problem, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    composed *c = peer_memory(sizeof *c);
    c->problem = problem;
    for (size_t l = 1; l <= problem->layers; ++l) {
        c->output[l] = peer_memory(problem->batch * problem->widths[l] * sizeof(float));
        c->delta[l] = peer_memory(problem->batch * problem->widths[l] * sizeof(float));
    }
    char version[16] = "";
    sscanf(openblas_get_config(), "OpenBLAS %15s", version);
    snprintf(out->name, sizeof out->name, "OpenBLAS %s", version);
    out->self = c;
    out->run = run;
}

int main(int argc, char **argv)
{
    return peer_main(argc, argv, open);
}
