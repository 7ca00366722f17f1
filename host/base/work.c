/* work.c - the operands of each operation, and what follows from them. */
#include "base/work.h"

#include <string.h>

#include "base/memory.h"

/* What an operation reads and writes; NULL ends a list, and a view without a buffer is absent. */
typedef struct operands {
    const bp__view *in[BP__MOST_OPERANDS + 1], *out[BP__MOST_OPERANDS + 1];
    const bp__view *product; /* every element of it takes part in a multiply-add for each row of
                                in[0], the batch; NULL where nothing is multiplied */
} operands;

static operands operands_of(const bp__op *op)
{
    switch (op->kind) {
    case BP__OP_GATHER: {
        const bp__gather *g = &op->as.gather; /* of `in` it reads as many rows as it writes */
        return (operands){{&g->out}, {&g->out}, NULL};
    }
    case BP__OP_DENSE_FORWARD: {
        const bp__dense_forward *f = &op->as.dense_forward;
        return (operands){
            {&f->in, &f->weights, &f->bias, &f->skip}, {&f->out, &f->net}, &f->weights};
    }
    case BP__OP_SOFTMAX: return (operands){{&op->as.softmax.in}, {&op->as.softmax.out}, NULL};
    case BP__OP_LOSS: {
        const bp__loss *l = &op->as.loss;
        return (operands){{&l->output, &l->labels, &l->targets, &l->weights},
                          {&l->delta, &l->row_loss, &l->row_hits},
                          NULL};
    }
    case BP__OP_REDUCE_LOSS: {
        const bp__reduce_loss *r = &op->as.reduce_loss;
        return (operands){{&r->row_loss, &r->row_hits}, {NULL}, NULL};
    }
    case BP__OP_DENSE_EFFECT: {
        const bp__dense_effect *e = &op->as.dense_effect;
        return (operands){
            {&e->delta, &e->weights, &e->in, &e->skip}, {&e->delta_in, &e->effect}, &e->weights};
    }
    case BP__OP_DENSE_GRADIENT: {
        const bp__dense_gradient *g = &op->as.dense_gradient;
        return (operands){
            {&g->delta, &g->in}, {&g->weights_gradient, &g->bias_gradient}, &g->weights_gradient};
    }
    case BP__OP_SQUARES: return (operands){{&op->as.squares.in}, {&op->as.squares.out}, NULL};
    case BP__OP_CLIP: return (operands){{&op->as.clip.squares}, {&op->as.clip.factor}, NULL};
    case BP__OP_MAX_NORM: {
        const bp__view *weights = &op->as.max_norm.weights;
        return (operands){{weights}, {weights}, NULL};
    }
    case BP__OP_AVERAGE: {
        const bp__average *a = &op->as.average;
        return (operands){{&a->averages, &a->parameters}, {&a->averages}, NULL};
    }
    case BP__OP_ACCUMULATE: {
        const bp__accumulate *a = &op->as.accumulate;
        return (operands){
            {&a->sums, &a->gradients}, {&a->sums, a->ends ? &a->gradients : NULL}, NULL};
    }
    case BP__OP_NORMALIZE: {
        const bp__normalize *n = &op->as.normalize;
        const bp__view *const known[] = {&n->known_mean, &n->known_variance};
        const bool moves = n->moments.norm == BP_NORM_BATCH && !n->moments.known;
        return (operands){{&n->moments.in, &n->gain, &n->shift, &n->skip, known[0], known[1]},
                          {&n->moments.mean, &n->moments.scale, &n->out, &n->net,
                           moves ? known[0] : NULL, moves ? known[1] : NULL},
                          NULL};
    }
    case BP__OP_NORM_GRADIENT: {
        const bp__norm_gradient *n = &op->as.norm_gradient;
        return (operands){{&n->delta, &n->moments.in, &n->moments.mean, &n->moments.scale},
                          {&n->gain_gradient, &n->shift_gradient},
                          NULL};
    }
    case BP__OP_NORM_EFFECT: {
        const bp__norm_effect *n = &op->as.norm_effect;
        return (operands){{&n->delta, &n->moments.in, &n->moments.mean, &n->moments.scale, &n->gain,
                           &n->gain_gradient, &n->shift_gradient},
                          {&n->delta},
                          NULL};
    }
    case BP__OP_OPTIMIZER: {
        const bp__optimizer *o = &op->as.optimizer;
        return (operands){{&o->gradients, &o->parameters, &o->moment1, &o->moment2},
                          {&o->parameters, &o->moment1, &o->moment2},
                          NULL};
    }
    }
    return (operands){{NULL}, {NULL}, NULL};
}

const char *bp__op_name(bp__op_kind kind)
{
    switch (kind) {
    case BP__OP_GATHER: return "gather";
    case BP__OP_DENSE_FORWARD: return "dense_forward";
    case BP__OP_SOFTMAX: return "softmax";
    case BP__OP_SQUARES: return "squares";
    case BP__OP_CLIP: return "clip";
    case BP__OP_MAX_NORM: return "max_norm";
    case BP__OP_AVERAGE: return "average";
    case BP__OP_ACCUMULATE: return "accumulate";
    case BP__OP_NORMALIZE: return "normalize";
    case BP__OP_NORM_GRADIENT: return "norm_gradient";
    case BP__OP_NORM_EFFECT: return "norm_effect";
    case BP__OP_LOSS: return "loss";
    case BP__OP_REDUCE_LOSS: return "reduce_loss";
    case BP__OP_DENSE_EFFECT: return "dense_effect";
    case BP__OP_DENSE_GRADIENT: return "dense_gradient";
    case BP__OP_OPTIMIZER: return "optimizer";
    }
    return "unknown";
}

size_t bp__op_operands(const bp__op *op, bool written, const bp__view *out[BP__MOST_OPERANDS])
{
    const operands o = operands_of(op);
    size_t count = 0;
    for (const bp__view *const *view = written ? o.out : o.in; *view; ++view)
        if ((*view)->buffer) out[count++] = *view;
    return count;
}

/* ---- Work ----------------------------------------------------------------------------------- */

static double elements_of(const bp__view *view)
{
    return view->buffer ? (double)view->rows * (double)view->columns : 0;
}

/* Elements of the views of a list that are there; each counts as `instead` where that is above 0.
 */
static double sum_elements(const bp__view *const *list, double instead)
{
    double sum = 0;
    for (; *list; ++list) sum += (*list)->buffer && instead > 0 ? instead : elements_of(*list);
    return sum;
}

/* Parameters whose gradients ops[count] make, without the padding of their arenas. */
static double parameters_of(const bp__op *ops, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i)
        if (ops[i].kind == BP__OP_DENSE_GRADIENT) sum += sum_elements(operands_of(&ops[i]).out, 0);
    return sum;
}

bp__work bp__work_of(const bp__op *ops, size_t first, size_t count)
{
    bp__work work = {0, 0};
    for (size_t i = first; i < first + count; ++i) {
        const operands o = operands_of(&ops[i]);
        const double each = ops[i].kind == BP__OP_OPTIMIZER ? parameters_of(ops, i) : 0;
        work.bytes += sizeof(float) * (sum_elements(o.in, each) + sum_elements(o.out, each));
        if (o.product) work.flops += 2 * (double)o.in[0]->rows * elements_of(o.product);
    }
    return work;
}

/* ---- Texts ---------------------------------------------------------------------------------- */

static bp_status append_name(char **out, const bp__op *op)
{
    BP_TRY(bp__append(out, "%s", bp__op_name(op->kind)));
    return op->layer ? bp__append(out, " %zu", op->layer) : BP_OK;
}

bp_status bp__ops_label(char **out, const bp__op *ops, size_t count)
{
    enum { SPELLED_OUT = 2 };
    for (size_t i = 0; i < count && count <= SPELLED_OUT; ++i) {
        if (i) BP_TRY(bp__append(out, " + "));
        BP_TRY(append_name(out, &ops[i]));
    }
    if (count <= SPELLED_OUT) return BP_OK;
    BP_TRY(append_name(out, &ops[0]));
    BP_TRY(bp__append(out, " .. "));
    BP_TRY(append_name(out, &ops[count - 1]));
    return bp__append(out, " (%zu)", count);
}

bp_status bp__ops_names(char **out, const bp__op *ops, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        if (i) BP_TRY(bp__append(out, ", "));
        BP_TRY(append_name(out, &ops[i]));
    }
    return BP_OK;
}

static bp_status append_shapes(char **out, const bp__view *const *list)
{
    for (; *list; ++list)
        if ((*list)->buffer)
            BP_TRY(bp__append(out, "[%zu][%zu] ", (*list)->rows, (*list)->columns));
    return BP_OK;
}

bp_status bp__ops_shapes(char **out, const bp__op *ops, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        const operands o = operands_of(&ops[i]);
        if (i) BP_TRY(bp__append(out, ", "));
        BP_TRY(append_shapes(out, o.in));
        BP_TRY(bp__append(out, "->"));
        for (const bp__view *const *view = o.out; *view; ++view)
            if ((*view)->buffer)
                BP_TRY(bp__append(out, " [%zu][%zu]", (*view)->rows, (*view)->columns));
    }
    return BP_OK;
}
