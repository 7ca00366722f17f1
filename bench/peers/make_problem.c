/* make_problem.c - writes what the peers train on: data and start values, by number and not by
 * chance.
 *
 *     make_problem FILE LAYERS BATCH HEAD ROWS RATE        make_problem p 784,128,10 32 softmax
 * 8192 0.1
 *
 * One output: the exclusive or of the first two features. Several: the class is the largest of as
 * many random linear functions of the features. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

enum { STREAM_X, STREAM_TEACHER, STREAM_WEIGHTS };

static void put(FILE *file, const void *words, size_t count)
{
    if (fwrite(words, 4, count, file) != count) peer_fail("cannot write");
}

static int32_t label_of(const float *x, size_t features, size_t outputs)
{
    if (outputs == 1) return features > 1 && (x[0] > 0) != (x[1] > 0);
    int32_t best = 0;
    float most = -INFINITY;
    /* A few features tell as much as all of them, and keep this quick. */
    const size_t used = features < 16 ? features : 16;
    for (size_t k = 0; k < outputs; ++k) {
        float sum = 0;
        for (size_t j = 0; j < used; ++j) sum += x[j] * peer_random(STREAM_TEACHER, k * used + j);
        if (sum > most) {
            most = sum;
            best = (int32_t)k;
        }
    }
    return best;
}

int main(int argc, char **argv)
{
    if (argc != 7) peer_fail("usage: make_problem FILE LAYERS BATCH HEAD ROWS RATE");
    int32_t widths[PEER_MAX_LAYERS + 1], count = 0, head = 0;
    for (char *next = argv[2]; *next && count <= PEER_MAX_LAYERS; next += *next == ',') {
        widths[count++] = (int32_t)strtol(next, &next, 10);
        if (widths[count - 1] < 1) peer_fail("LAYERS: %s", argv[2]);
    }
    if (count < 2) peer_fail("LAYERS: %s", argv[2]);
    while (head < PEER_HEADS && strcmp(argv[4], peer_head_name((peer_head)head)) != 0) ++head;
    if (head == PEER_HEADS) peer_fail("HEAD: sigmoid, linear or softmax");
    const int32_t batch = (int32_t)strtol(argv[3], NULL, 10);
    const int32_t rows = (int32_t)strtol(argv[5], NULL, 10);
    if (batch < 1 || rows < batch || rows % batch != 0) peer_fail("BATCH must divide ROWS");
    const float rate = strtof(argv[6], NULL);
    const size_t features = (size_t)widths[0], outputs = (size_t)widths[count - 1];

    FILE *file = fopen(argv[1], "wb");
    if (!file) peer_fail("%s: cannot be written", argv[1]);
    put(file, "BPPEER1\n", 2);
    put(file, (int32_t[]){count, batch, head, rows}, 4);
    put(file, &rate, 1);
    put(file, widths, (size_t)count);
    int32_t *labels = peer_memory((size_t)rows * sizeof *labels);
    float *x = peer_memory(features * sizeof *x);
    for (size_t i = 0; i < (size_t)rows; ++i) {
        for (size_t j = 0; j < features; ++j) x[j] = peer_random(STREAM_X, i * features + j);
        labels[i] = label_of(x, features, outputs);
        put(file, x, features);
    }
    float *row = peer_memory(outputs * sizeof *row);
    if (head == PEER_SOFTMAX) put(file, labels, (size_t)rows);
    for (size_t i = 0; head != PEER_SOFTMAX && i < (size_t)rows; ++i) {
        memset(row, 0, outputs * sizeof *row);
        if (outputs == 1)
            row[0] = (float)labels[i];
        else
            row[labels[i]] = 1;
        put(file, row, outputs);
    }
    /* Glorot & Bengio 2010 (for relu He et al. 2015); biases start at zero. */
    for (size_t l = 0, element = 0; l + 1 < (size_t)count; ++l) {
        const size_t inputs = (size_t)widths[l], units = (size_t)widths[l + 1];
        const float range = sqrtf(6 / (float)(head == PEER_SOFTMAX ? inputs : inputs + units));
        float *weights = peer_memory(inputs * sizeof *weights);
        for (size_t k = 0; k < units; ++k) {
            for (size_t j = 0; j < inputs; ++j)
                weights[j] = range * peer_random(STREAM_WEIGHTS, element++);
            put(file, weights, inputs);
        }
        float *zeros = peer_memory(units * sizeof *zeros);
        put(file, zeros, units);
        free(weights);
        free(zeros);
    }
    free(labels);
    free(x);
    free(row);
    return fclose(file) == 0 ? 0 : 1;
}
