/* plan.cl - a list of operations, as often as asked, in one launch: what a CPU trains, evaluates and
 * predicts with.
 *
 * A launch costs a CPU microseconds, and its threads tens of microseconds to wake; a step of a common
 * network takes less. Here the groups of one launch, one for each thread, go through the operations
 * together, step after step. An operation is cut into tasks; operations that do not depend on each
 * other form a phase; no group begins a phase before all tasks of the one before are done.
 *
 * OpenCL does not promise that two groups ever run at the same time, so no group waits for another
 * that may not have begun. A group takes a task by changing its claim word from the number of the
 * step to the next. First it takes the tasks of its own share, always the same, so that their data
 * stay in its core's cache; then those of other shares that nobody has taken. Only then it waits, and
 * only for tasks that groups at work have taken: if it were alone, it would have done them all. A
 * group that has waited much longer than the phase should take leaves the launch to the others: the
 * system has given its thread and theirs one core, and they need it.
 *
 * Claims decide who computes a task, never what it computes: the result is the same bits whatever
 * the threads do. */
#include "cpu/dense.cl"
#include "cpu/gather.cl"
#include "cpu/loss.cl"
#if BP_NORM
#include "cpu/normalize.cl"
#endif

/* Between a counter and the memory that it speaks for. POCL 3.1 takes mem_fence for nothing: not even
 * its compiler keeps to it. Where a processor is compiled for, clang's own fence is one; on x86 it
 * costs nothing. */
#if defined(__x86_64__) || defined(__aarch64__)
#define FENCE() __atomic_thread_fence(__ATOMIC_ACQ_REL)
#else
#define FENCE() mem_fence(CLK_GLOBAL_MEM_FENCE)
#endif

/* Reads of the counter before a group looks for tasks that others have not begun. */
#define LOOKS 64

/* As many as BP__CPU_BUFFERS of host/ops/cpu_writing.h. */
#define FOR_BUFFERS(X)                                                                             \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)    \
    X(17)

/* A view of `op` as a matrix. Not a function: what is returned in memory, LLVM marks with an intrinsic
 * that oclgrind 21.10 does not know. */
#define FIND(number)                                                                               \
    ((matrix){.at = buffers[op->view[number].buffer] + op->view[number].offset,                    \
              .step = op->view[number].panel_step,                                                 \
              .rows = op->view[number].rows,                                                       \
              .columns = op->view[number].columns,                                                 \
              .stride = op->view[number].stride})

inline void find_arenas(arenas *to, __global const plan_op *op, __global float **buffers)
{
    *to = (arenas){.parameters = FIND(UPDATE_PARAMETERS).at,
                   .moment1 = FIND(UPDATE_MOMENT1).at,
                   .moment2 = FIND(UPDATE_MOMENT2).at,
                   .numbers = {.momentum = op->momentum,
                               .beta1 = op->beta1,
                               .beta2 = op->beta2,
                               .epsilon = op->epsilon,
                               .decay = op->decay,
                               .l2 = op->l2,
                               .l1 = op->l1,
                               .clip = op->clip,
                               .factor = 1.0f}};
    if (op->optimizer) {
        const int step = *(__global const int *)FIND(UPDATE_STEP).at;
        update_set_hyper(&to->numbers, HYPER_ROW(FIND(UPDATE_HYPER).at, step - 1));
        if (op->view[UPDATE_FACTOR].rows) to->numbers.factor = *FIND(UPDATE_FACTOR).at;
    }
}

/* A share of the arena. */
inline void optimizer(__global const plan_op *op, const arenas *to, matrix gradients,
                      uint row_block)
{
    const uint vectors = vectors_of(gradients.columns);
    const uint end = cut(vectors, row_block + 1, op->split_rows);
    const uint begin = cut(vectors, row_block, op->split_rows);
#define OPTIMIZER_CASE(N)                                                                          \
    case N + 1:                                                                                    \
        if (BP_HAS_OPTIMIZER(N)) for (uint i = begin; i < end; ++i)                                                         \
            BP_UPDATE_AT(N)((size_t)i * BP_VW, to->parameters, to->moment1, to->moment2,           \
                            VLOAD(i, gradients.at), &to->numbers);                                 \
        break;
    switch (op->optimizer) { BP_FOR_OPTIMIZERS(OPTIMIZER_CASE) }
#undef OPTIMIZER_CASE
}

/* The sums of the squares of chunks row0 to row1 of a row, lane by lane, then over the lanes. */
inline void squares(__global const plan_op *op, matrix out, matrix in, uint row_block)
{
    const uint last = cut(out.columns, row_block + 1, op->split_rows);
    for (uint c = cut(out.columns, row_block, op->split_rows); c < last; ++c) {
        const uint begin = c * op->period, end = min(begin + op->period, in.columns);
        vec sums = (vec)(0.0f);
        uint i = begin;
        for (; i + BP_VW <= end; i += BP_VW) sums += VLOAD(0, in.at + i) * VLOAD(0, in.at + i);
        float lanes[BP_VW], sum = 0.0f;
        VSTORE(sums, 0, lanes);
        for (uint t = 0; t < BP_VW; ++t) sum += lanes[t];
        for (; i < end; ++i) sum += in.at[i] * in.at[i];
        out.at[c] = sum;
    }
}

/* limit / (norm + 1e-6) where that is below 1, else 1. */
inline void clip(__global const plan_op *op, matrix factor, matrix sums)
{
    const float f = op->clip / (sqrt(sum_all(sums.at, sums.columns)) + 1e-6f);
    *factor.at = f < 1.0f ? f : 1.0f;
}

/* The weights of units, a panel of them at a time, each unit's times limit / its norm where that is
 * above limit. norm - norm is 0, and NaN where the squares overflow. */
inline void max_norm(__global const plan_op *op, matrix weights, uint row_block)
{
    const uint panels = vectors_of(weights.columns);
    const uint last = cut(panels, row_block + 1, op->split_rows);
    for (uint p = cut(panels, row_block, op->split_rows); p < last; ++p) {
        __global float *at = weights.at + p * weights.step;
        vec squares = (vec)(0.0f);
        for (uint r = 0; r < weights.rows; ++r) squares += VLOAD(r, at) * VLOAD(r, at);
        const vec norm = sqrt(squares);
        if (!any(norm > op->clip)) continue;
        const vec f = norm > op->clip ? op->clip / norm + (norm - norm) : (vec)(1.0f);
        for (uint r = 0; r < weights.rows; ++r) VSTORE(VLOAD(r, at) * f, r, at);
    }
}

/* A share of the arenas: averages move towards parameters. */
inline void average(__global const plan_op *op, matrix averages, matrix parameters, matrix hyper,
                    matrix step, uint row_block)
{
    const float share = HYPER_ROW(hyper.at, *(__global const int *)step.at - 1)[HYPER_AVERAGE];
    const uint vectors = vectors_of(averages.columns);
    const uint end = cut(vectors, row_block + 1, op->split_rows);
    for (uint i = cut(vectors, row_block, op->split_rows); i < end; ++i) {
        const vec a = VLOAD(i, averages.at), w = VLOAD(i, parameters.at);
        VSTORE(a + share * (w - a), i, averages.at);
    }
}

/* A share of the arenas: gradients are added up, and with the last batch of a group those of all its
 * rows. */
inline void accumulate(__global const plan_op *op, matrix sums, matrix gradients, matrix hyper,
                       matrix step, uint row_block)
{
    const float share = HYPER_ROW(hyper.at, *(__global const int *)step.at - 1)[HYPER_SHARE];
    const uint vectors = vectors_of(sums.columns);
    const uint end = cut(vectors, row_block + 1, op->split_rows);
    for (uint i = cut(vectors, row_block, op->split_rows); i < end; ++i) {
        const vec sum = VLOAD(i, sums.at) + VLOAD(i, gradients.at);
        if (op->ends) VSTORE(share * sum, i, gradients.at);
        VSTORE(op->ends ? (vec)(0.0f) : sum, i, sums.at);
    }
}

inline void run_task(__global const plan_op *op, __global float **buffers, __global float *scratch,
                     uint task)
{
    const uint row_block = task / op->split_columns;
    const uint column_block = task - row_block * op->split_columns;
    switch (op->kind) {
    case PLAN_GATHER:
        gather(op, FIND(GATHER_OUT), FIND(GATHER_IN), FIND(GATHER_ORDER), FIND(GATHER_STEP),
               row_block);
        break;
    case PLAN_DENSE_FORWARD:
        dense_forward(op, FIND(DENSE_C), FIND(DENSE_A), FIND(DENSE_B), FIND(DENSE_E),
                      FIND(DENSE_NET), FIND(DENSE_SKIP), FIND(UPDATE_HYPER), FIND(UPDATE_STEP),
                      row_block, column_block);
        break;
    case PLAN_SOFTMAX: softmax(op, FIND(SOFTMAX_OUT), FIND(SOFTMAX_IN), row_block); break;
    case PLAN_LOSS:
        loss(op, FIND(LOSS_OUTPUT), FIND(LOSS_DELTA), FIND(LOSS_LABELS), FIND(LOSS_TARGETS),
             FIND(LOSS_WEIGHTS), FIND(LOSS_ROW_LOSS), FIND(LOSS_ROW_HITS), row_block);
        break;
    case PLAN_REDUCE_LOSS:
        reduce_loss(FIND(REDUCE_LOSSES), FIND(REDUCE_HITS), FIND(REDUCE_ROW_LOSS),
                    FIND(REDUCE_ROW_HITS), FIND(REDUCE_STEP));
        break;
    case PLAN_DENSE_EFFECT:
        dense_effect(op, FIND(DENSE_C), FIND(DENSE_A), FIND(DENSE_B), FIND(DENSE_E),
                     FIND(DENSE_EFFECT), FIND(DENSE_SKIP), scratch, row_block, column_block);
        break;
    case PLAN_DENSE_GRADIENT: {
        arenas to;
        find_arenas(&to, op, buffers);
        dense_gradient(op, &to, FIND(DENSE_C), FIND(DENSE_A), FIND(DENSE_B), FIND(DENSE_E),
                       FIND(DENSE_WEIGHTS), FIND(DENSE_BIAS), row_block, column_block);
        break;
    }
    case PLAN_SQUARES: squares(op, FIND(NORM_OUT), FIND(NORM_IN), row_block); break;
    case PLAN_MAX_NORM: max_norm(op, FIND(NORM_OUT), row_block); break;
    case PLAN_ACCUMULATE:
        accumulate(op, FIND(NORM_OUT), FIND(NORM_IN), FIND(UPDATE_HYPER), FIND(UPDATE_STEP),
                   row_block);
        break;
    case PLAN_AVERAGE:
        average(op, FIND(NORM_OUT), FIND(NORM_IN), FIND(UPDATE_HYPER), FIND(UPDATE_STEP), row_block);
        break;
    case PLAN_CLIP: clip(op, FIND(NORM_OUT), FIND(NORM_IN)); break;
#if BP_NORM
    case PLAN_NORMALIZE:
        norm_forward(op, FIND(NORMALIZE_OUT), FIND(NORMALIZE_IN), FIND(NORMALIZE_GAIN),
                  FIND(NORMALIZE_SHIFT), FIND(NORMALIZE_MEAN), FIND(NORMALIZE_SCALE),
                  FIND(NORMALIZE_NET), FIND(NORMALIZE_SKIP), FIND(NORMALIZE_KNOWN_MEAN),
                  FIND(NORMALIZE_KNOWN_VARIANCE), FIND(UPDATE_HYPER), FIND(UPDATE_STEP), row_block);
        break;
    case PLAN_NORM_GRADIENT:
        norm_gradient(op, FIND(NORMALIZE_GAIN_GRADIENT), FIND(NORMALIZE_SHIFT_GRADIENT),
                      FIND(NORMALIZE_OUT), FIND(NORMALIZE_IN), FIND(NORMALIZE_MEAN),
                      FIND(NORMALIZE_SCALE), row_block);
        break;
    case PLAN_NORM_EFFECT:
        norm_effect(op, FIND(NORMALIZE_OUT), FIND(NORMALIZE_IN), FIND(NORMALIZE_MEAN),
                    FIND(NORMALIZE_SCALE), FIND(NORMALIZE_GAIN), FIND(NORMALIZE_GAIN_GRADIENT),
                    FIND(NORMALIZE_SHIFT_GRADIENT), row_block);
        break;
#endif
    case PLAN_OPTIMIZER: {
        arenas to;
        find_arenas(&to, op, buffers);
        optimizer(op, &to, FIND(UPDATE_GRADIENTS), row_block);
        break;
    }
    }
}

/* Takes and does the tasks of `share` in operations [first, end); their number. */
inline uint work_through(__global const plan_op *ops, uint first, uint end, __global float **buffers,
                         __global float *scratch, volatile __global uint *control, uint share,
                         uint shares, uint now)
{
    uint done = 0;
    for (uint o = first; o < end; ++o) {
        __global const plan_op *op = ops + o;
        const uint tasks = op->split_rows * op->split_columns;
        const uint begin = cut(tasks, share, shares), last = cut(tasks, share + 1, shares);
        volatile __global uint *claim = control + op->claims + share * op->claims_step;
        for (uint task = begin; task < last; ++task, ++claim)
            if (*claim == now && atomic_cmpxchg(claim, now, now + 1) == now) {
                run_task(op, buffers, scratch, task);
                ++done;
            }
    }
    return done;
}

inline void announce(volatile __global uint *control, uint done)
{
    FENCE();
    if (done) atomic_add(control + CONTROL_DONE, done);
}

/* Operations [0, op_count) `count` times. scratch holds scratch_floats for each group. */
__kernel ONE_WORK_ITEM void
run_plan(const uint count, __global const plan_op *ops, const uint op_count,
         volatile __global uint *control, __global float *all_scratch, const ulong scratch_floats
#define BUFFER_ARGUMENT(N) , __global float *buffer_##N
             FOR_BUFFERS(BUFFER_ARGUMENT))
{
    const uint group = get_group_id(0);
    const uint groups = get_num_groups(0);
#define BUFFER_NAME(N) buffer_##N,
    __global float *buffers[] = {FOR_BUFFERS(BUFFER_NAME)};
    __global float *scratch = all_scratch + group * scratch_floats;
    const uint first_step = control[CONTROL_STEP];
    const uint tasks = ops[op_count - 1].tasks_until_end;

    for (uint step = 0; step < count; ++step)
        for (uint o = 0, end; o < op_count; o = end) {
            end = ops[o].phase_end;
            if (groups == 1) {
                for (; o < end; ++o)
                    for (uint t = 0; t < ops[o].split_rows * ops[o].split_columns; ++t)
                        run_task(ops + o, buffers, scratch, t);
                continue;
            }
            const uint target = step * tasks + ops[o].tasks_until_end;
            const uint now = first_step + step;
            volatile __global uint *done = control + CONTROL_DONE;
            if (*done >= target) { /* this group has come late */
                FENCE();
                continue;
            }
            announce(control, work_through(ops, o, end, buffers, scratch, control, group, groups,
                                           now));
            for (uint look = 0; look < LOOKS && *done < target; ++look) {
            }
            for (uint other = 1; other < groups && *done < target; ++other) {
                const uint share = group + other < groups ? group + other : group + other - groups;
                announce(control, work_through(ops, o, end, buffers, scratch, control, share, groups,
                                               now));
            }
            uint patience = ops[o].patience;
            while (*done < target && patience > 0) --patience;
            if (*done < target) {
                step = count - 1; /* leave */
                end = op_count;
            }
            FENCE();
        }
    if (groups == 1) return;
    if (atomic_inc(control + CONTROL_EXITS) == groups - 1) {
        control[CONTROL_STEP] = first_step + count;
        control[CONTROL_DONE] = 0;
        control[CONTROL_EXITS] = 0;
    }
}
