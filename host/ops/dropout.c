/* dropout.c - what kernels are told of dropout, which has no launch of its own: the products'
 * epilogues drop. Formulas in operation.h, kernel in dropout.cl. */
#include <string.h>

#include "ops/launchers.h"

bp__dropout_numbers bp__dropout_numbers_of(const bp__dropout *dropout)
{
    bp__dropout_numbers numbers = {0};
    if (!(dropout->rate > 0)) return numbers;
    if (dropout->hyper.buffer) {
        numbers.hyper = bp__matrix(&dropout->hyper);
        numbers.step = bp__matrix(&dropout->step);
    }
    numbers.key[0] = (cl_uint)dropout->seed;
    numbers.key[1] = (cl_uint)(dropout->seed >> 32);
    numbers.layer = dropout->layer;
    numbers.unit = dropout->unit;
    numbers.limit = bp__dropout_limit(dropout->rate);
    numbers.keep = (cl_float)bp__dropout_keep(dropout->rate);
    numbers.scale = (cl_float)(1 / bp__dropout_keep(dropout->rate));
    return numbers;
}

int bp__dropout_option(const bp__dropout *dropout, bool slope)
{
    return !(dropout->rate > 0) ? 0 : slope ? 2 : 1;
}

size_t bp__dropout_arguments(bp__arg *args, bp__dropout_numbers *numbers,
                             const bp__dropout *dropout, bool slope)
{
    *numbers = bp__dropout_numbers_of(dropout);
    const bp__arg forward[BP__DROPOUT_ARGUMENTS] = {
        BP_VECTOR(numbers->hyper), BP_VECTOR(numbers->step), BP_ARG(numbers->key[0]),
        BP_ARG(numbers->key[1]),   BP_ARG(numbers->layer),   BP_ARG(numbers->unit),
        BP_ARG(numbers->limit),    BP_ARG(numbers->scale)};
    const bp__arg back[] = {BP_ARG(numbers->keep), BP_ARG(numbers->scale)};
    switch (bp__dropout_option(dropout, slope)) {
    case 1: memcpy(args, forward, sizeof forward); return BP_COUNT(forward);
    case 2: memcpy(args, back, sizeof back); return BP_COUNT(back);
    default: return 0;
    }
}
