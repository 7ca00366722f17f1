/* peer.h - what the training peers share: the problem that all of them train on, read from a file,
 * and the conversation with compare.py.
 *
 * Everyone starts from the same parameters and takes the same batches in the same order, so the
 * losses of the second epoch have to agree; who trains something else is found out. */
#ifndef PEER_H
#define PEER_H

#include <stddef.h>
#include <stdint.h>

enum { PEER_MAX_LAYERS = 8 };

/* Hidden units, output units and loss of a network; half squared means 1/2 sum (t - a)^2. */
typedef enum peer_head {
    PEER_SIGMOID, /* sigmoid, sigmoid, half squared */
    PEER_LINEAR,  /* sigmoid, linear, half squared */
    PEER_SOFTMAX, /* relu, softmax, cross-entropy */
    PEER_HEADS
} peer_head;

typedef struct peer_problem {
    size_t layers; /* of weights; widths[layers + 1] */
    size_t widths[PEER_MAX_LAYERS + 1];
    size_t batch, rows; /* batch divides rows */
    peer_head head;
    float rate;                      /* plain gradient descent, gradients of the mean loss */
    float *x;                        /* [rows][widths[0]] */
    float *targets;                  /* [rows][outputs], or NULL */
    int32_t *labels;                 /* [rows], or NULL: softmax has these */
    float *weights[PEER_MAX_LAYERS]; /* [outputs][inputs] */
    float *biases[PEER_MAX_LAYERS];  /* [outputs] */
} peer_problem;

const char *peer_head_name(peer_head head);

typedef struct peer {
    char name[96];
    size_t granule; /* steps that can be run at once are multiples of this */
    void *self;
    /* Trains on the batches [first, first + steps), first + steps <= rows / batch; returns the sum
     * of the losses over their rows, each before its step. */
    double (*run)(void *self, size_t first, size_t steps);
} peer;

/* Fills in *out for a problem; argv[1..argc-1] is what was left over by peer_main. */
typedef void (*peer_open)(peer *out, peer_problem *problem, int argc, char **argv);

/* The whole program:  NAME PROBLEM [--seconds S] [--serve] [what open understands]
 * Trains two epochs, then measures for S seconds (0.5) and prints one JSON line. With --serve it
 * prints a line when it is ready and then a measurement for each line of standard input. */
int peer_main(int argc, char **argv, peer_open open);

/* Ends the program with a message. */
_Noreturn void peer_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
double peer_seconds(void);
/* 64-byte aligned, zero; ends the program where there is no memory. */
void *peer_memory(size_t bytes);
/* Uniform in [-1, 1), by number. */
float peer_random(uint64_t stream, uint64_t element);

#endif
