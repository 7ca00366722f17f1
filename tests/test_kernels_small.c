/* test_kernels_small.c - every kernel in every variant at ragged sizes small enough for a
 * simulator.
 *
 * Runs on all devices like other tests, and under oclgrind (tests/oclgrind/run.cmake), which sees
 * what results do not show: races, reads of what nobody wrote, accesses outside of a buffer.
 * BACKPROP_OCLGRIND then names the folder that takes one log a test. */
#include "network_support.h"
#include "opencl/embedded.h"
#include "ops/dense_epilogue.h"
#include "ops/gemm.h"

/* ---- oclgrind -------------------------------------------------------------------------------- */

/* oclgrind 21.10 forgets what a buffer held when the host writes to a part of it, and reports the
 * rest as uninitialised. So each write by the host is followed by one of the whole buffer, but only
 * where the library has filled the buffer before: leaving that out is a bug that oclgrind shall
 * see. */
enum { BUFFERS = 4096 };
static struct tracked {
    cl_mem memory;
    size_t size;
    bool filled;
} tracked[BUFFERS];

static bp__cl_api real;

static struct tracked *find(cl_mem memory)
{
    size_t i = 0;
    while (i < BUFFERS && tracked[i].memory != memory) ++i;
    cr_assert(i < BUFFERS, "more than %d buffers at once", BUFFERS);
    return &tracked[i];
}

static void write_whole(cl_command_queue queue, cl_mem memory)
{
    const struct tracked *buffer = find(memory);
    if (!buffer->filled) return;
    void *copy = malloc(buffer->size);
    real.clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, buffer->size, copy, 0, NULL, NULL);
    real.clEnqueueWriteBuffer(queue, memory, CL_TRUE, 0, buffer->size, copy, 0, NULL, NULL);
    free(copy);
}

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                        void *host, cl_int *code)
{
    cl_mem memory = real.clCreateBuffer(context, flags, size, host, code);
    if (memory) *find(NULL) = (struct tracked){memory, size, false};
    return memory;
}

static cl_int CL_API_CALL release_buffer(cl_mem memory)
{
    *find(memory) = (struct tracked){0};
    return real.clReleaseMemObject(memory);
}

static cl_int CL_API_CALL fill_buffer(cl_command_queue queue, cl_mem memory, const void *pattern,
                                      size_t pattern_size, size_t offset, size_t size,
                                      cl_uint waits, const cl_event *wait, cl_event *event)
{
    const cl_int code = real.clEnqueueFillBuffer(queue, memory, pattern, pattern_size, offset, size,
                                                 waits, wait, event);
    struct tracked *buffer = find(memory);
    buffer->filled = buffer->filled || (offset == 0 && size == buffer->size);
    write_whole(queue, memory);
    return code;
}

static cl_int CL_API_CALL write_buffer(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                                       size_t offset, size_t size, const void *host, cl_uint waits,
                                       const cl_event *wait, cl_event *event)
{
    const cl_int code =
        real.clEnqueueWriteBuffer(queue, memory, blocking, offset, size, host, waits, wait, event);
    write_whole(queue, memory);
    return code;
}

static cl_int CL_API_CALL write_rect(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                                     const size_t *origin, const size_t *host_origin,
                                     const size_t *region, size_t row, size_t slice,
                                     size_t host_row, size_t host_slice, const void *host,
                                     cl_uint waits, const cl_event *wait, cl_event *event)
{
    const cl_int code =
        real.clEnqueueWriteBufferRect(queue, memory, blocking, origin, host_origin, region, row,
                                      slice, host_row, host_slice, host, waits, wait, event);
    write_whole(queue, memory);
    return code;
}

/* The names of the kernels that were made, for every_kernel_is_here. */
static char made[4096];

static cl_kernel CL_API_CALL create_kernel(cl_program program, const char *name, cl_int *code)
{
    char entry[80];
    snprintf(entry, sizeof entry, " %s ", name);
    if (!strstr(made, entry)) strncat(made, entry, sizeof made - strlen(made) - 1);
    return real.clCreateKernel(program, name, code);
}

static bool simulated(void)
{
    return getenv("BACKPROP_OCLGRIND") != NULL;
}

/* Before anything is opened: the log of this test, and the calls that are watched. oclgrind 21.10
 * takes vectors that are shuffled into a vector of another width for uninitialised (it compares the
 * index with the width of the result), so tests whose names start with "shuffle" go without. */
static void watch(const char *test)
{
    if (simulated()) {
        if (strncmp(test, "shuffle", 7) == 0) unsetenv("OCLGRIND_UNINITIALIZED");
        char log[4096];
        snprintf(log, sizeof log, "%s/%s.log", getenv("BACKPROP_OCLGRIND"), test);
        setenv("OCLGRIND_LOG", log, 1);
    }
    if (bp__cl_load() != BP_OK || real.clFinish) return;
    real = bp__cl;
    bp__cl.clCreateKernel = create_kernel;
    if (!simulated()) return;
    bp__cl.clCreateBuffer = create_buffer;
    bp__cl.clReleaseMemObject = release_buffer;
    bp__cl.clEnqueueFillBuffer = fill_buffer;
    bp__cl.clEnqueueWriteBuffer = write_buffer;
    bp__cl.clEnqueueWriteBufferRect = write_rect;
}

/* ---- Engines of every kind ------------------------------------------------------------------- */

static bp__device_engine *device_engine(rig *r)
{
    return (bp__device_engine *)r->engine[DEVICE];
}

/* Gives an engine CPU kernels of another width than the device has. */
static void set_width(rig *r, unsigned width)
{
    device_engine(r)->vector_width = width;
    r->engine[DEVICE]->quantum = width;
    snprintf(r->name + strlen(r->name), sizeof r->name - strlen(r->name), ", width %u", width);
}

static const int32_t naive[] = {BP_GEMM_NAIVE, -1};
static const int32_t gpu[] = {BP_GEMM_GPU, -1}, cpu[] = {BP_GEMM_CPU, -1};

/* ---- Products -------------------------------------------------------------------------------- */

typedef bp_status (*gemm_launcher)(bp__device_engine *, bp__recorder *, const bp__gemm *);

/* m, n, k. */
static const size_t shapes[][3] = {{3, 5, 2},   {1, 1, 1},    {5, 17, 9},
                                   {16, 7, 33}, {19, 34, 18}, {2, 3, 520}};

/* The layouts with the epilogues that they have. */
static const struct {
    bp__gemm_layout layout;
    bp__epilogue epilogue;
} products[] = {{BP__GEMM_NT, BP__EPILOGUE_NONE},  {BP__GEMM_NT, BP__EPILOGUE_ACTIVATION},
                {BP__GEMM_NT, BP__EPILOGUE_BIAS},  {BP__GEMM_NN, BP__EPILOGUE_NONE},
                {BP__GEMM_NN, BP__EPILOGUE_SLOPE}, {BP__GEMM_TN, BP__EPILOGUE_NONE}};

static double finished(const bp__gemm *gemm, double sum, const float *e, size_t i, size_t j)
{
    const size_t n = gemm->c.columns;
    switch (gemm->epilogue) {
    case BP__EPILOGUE_NONE:
    case BP__EPILOGUE_BIAS_GRADIENT: break;
    case BP__EPILOGUE_ACTIVATION: return bp__reference_activate(gemm->activation, sum);
    case BP__EPILOGUE_BIAS: return bp__reference_activate(gemm->activation, sum + (double)e[j]);
    case BP__EPILOGUE_SLOPE:
        return sum * bp__reference_slope(gemm->activation, (double)e[i * n + j]);
    }
    return sum;
}

static void check_product(rig *r, gemm_launcher launch, const size_t shape[3], bp__gemm gemm)
{
    const size_t m = shape[0], n = shape[1], k = shape[2];
    const bool tn = gemm.layout == BP__GEMM_TN, nt = gemm.layout == BP__GEMM_NT;
    const bool bias = gemm.epilogue == BP__EPILOGUE_BIAS;
    float *a = random_floats(m * k, 1, 1), *b = random_floats(n * k, 1, 2);
    float *e = random_floats(m * n, 0.9, 3);
    pair pa = pair_of(r, BP__NUMBER, tn ? k : m, tn ? m : k, a);
    pair pb = pair_of(r, BP__NUMBER, nt ? n : k, nt ? k : n, b);
    pair pe = pair_of(r, BP__NUMBER, bias ? 1 : m, n, e), pc = pair_of(r, BP__NUMBER, m, n, NULL);
    gemm.a = pa.on[DEVICE];
    gemm.b = pb.on[DEVICE];
    gemm.c = pc.on[DEVICE];
    if (bias || gemm.epilogue == BP__EPILOGUE_SLOPE) gemm.e = pe.on[DEVICE];
    bp__recorder recorder = {.device = device_engine(r)->device};
    OK(launch(device_engine(r), &recorder, &gemm));
    OK(bp__recorder_enqueue(&recorder, 1));
    float *c = read_side(r, &pc, DEVICE);
    for (size_t i = 0; i < m; ++i)
        for (size_t j = 0; j < n; ++j) {
            double sum = 0;
            for (size_t s = 0; s < k; ++s)
                sum +=
                    (double)a[tn ? s * m + i : i * k + s] * (double)b[nt ? j * k + s : s * n + j];
            const double want = finished(&gemm, sum, e, i, j);
            cr_assert(
                fabs((double)c[i * n + j] - want) <= 1e-5 * (1 + fabs(want)),
                "%s: layout %d, epilogue %d, activation %d, %zux%zux%zu at %zu, %zu: %g not %g",
                r->name, (int)gemm.layout, (int)gemm.epilogue, (int)gemm.activation, m, n, k, i, j,
                (double)c[i * n + j], want);
        }
    check_guards(r, &pc, "product");
    bp__recorder_clear(&recorder);
    pair *const all[] = {&pa, &pb, &pc, &pe};
    for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
    float *const values[] = {a, b, c, e};
    for (int i = 0; i < 4; ++i) free(values[i]);
}

enum { NT = 1 << BP__GEMM_NT, NN_TN = 1 << BP__GEMM_NN | 1 << BP__GEMM_TN };

/* Shapes [from, to); every activation at the first of all, one at the others. */
static void check_products(rig *r, gemm_launcher launch, unsigned layouts, size_t from, size_t to)
{
    for (size_t s = from; s < to; ++s)
        for (size_t p = 0; p < BP_COUNT(products); ++p) {
            if (!(layouts & 1u << products[p].layout)) continue;
            const bool plain = products[p].epilogue == BP__EPILOGUE_NONE;
            for (int32_t f = BP_ACTIVATION_LINEAR; f <= BP_ACTIVATION_RELU; ++f)
                if (plain ? f == BP_ACTIVATION_LINEAR : s == 0 || f == BP_ACTIVATION_SIGMOID)
                    check_product(r, launch, shapes[s],
                                  (bp__gemm){.layout = products[p].layout,
                                             .epilogue = products[p].epilogue,
                                             .activation = f});
        }
}

static void check_naive(rig *r, void *context)
{
    (void)context;
    check_products(r, bp__gemm_naive, NT | NN_TN, 0, BP_COUNT(shapes));
}

/* With ever less local memory the launcher takes every tile it has. In a simulator the large ones
 * take minutes at all shapes. */
static void check_gpu(rig *r, void *context)
{
    (void)context;
    bp_device *device = device_engine(r)->device;
    const cl_ulong real_bytes = device->local_bytes;
    if (device->local_bytes > 16384) device->local_bytes = 16384;
    for (; bp__gemm_gpu_fits(device); device->local_bytes /= 2) {
        const bool large = device->local_bytes > 4096;
        if (simulated())
            check_products(r, bp__gemm_gpu, NT | NN_TN, large ? 4 : 0, 5);
        else
            check_products(r, bp__gemm_gpu, NT | NN_TN, 0, BP_COUNT(shapes));
    }
    device->local_bytes = real_bytes;
}

typedef struct cpu_case {
    unsigned width, layouts;
} cpu_case;

static void check_cpu(rig *r, void *context)
{
    const cpu_case *c = context;
    set_width(r, c->width);
    check_products(r, bp__gemm_cpu, c->layouts, 0, BP_COUNT(shapes));
    check_products(r, bp__gemm_packed, c->layouts, 0, BP_COUNT(shapes));
}

static void products_cpu(unsigned width, unsigned layouts)
{
    cpu_case c = {width, layouts};
    each_device(cpu, check_cpu, &c);
}

/* The epilogues as kernels of their own: C = the product on entry. */
static void check_epilogues(rig *r, void *context)
{
    (void)context;
    const size_t m = 5, n = 7;
    for (size_t p = 0; p < BP_COUNT(products); ++p)
        for (int32_t f = BP_ACTIVATION_LINEAR; f <= BP_ACTIVATION_RELU; ++f) {
            bp__gemm gemm = {
                .layout = products[p].layout, .epilogue = products[p].epilogue, .activation = f};
            const bool bias = gemm.epilogue == BP__EPILOGUE_BIAS;
            float *before = random_floats(m * n, 2, 4), *e = random_floats(m * n, 0.9, 5);
            pair pc = pair_of(r, BP__NUMBER, m, n, before);
            pair pe = pair_of(r, BP__NUMBER, bias ? 1 : m, n, e);
            gemm.c = pc.on[DEVICE];
            if (bias || gemm.epilogue == BP__EPILOGUE_SLOPE) gemm.e = pe.on[DEVICE];
            bp__recorder recorder = {.device = device_engine(r)->device};
            OK(bp__launch_dense_epilogue(&recorder, &gemm));
            OK(bp__recorder_enqueue(&recorder, 1));
            float *c = read_side(r, &pc, DEVICE);
            for (size_t i = 0; i < m * n; ++i) {
                const double want = finished(&gemm, (double)before[i], e, i / n, i % n);
                cr_assert(fabs((double)c[i] - want) <= 1e-5,
                          "%s: epilogue %d, activation %d: %g not %g", r->name, (int)gemm.epilogue,
                          (int)f, (double)c[i], want);
            }
            check_guards(r, &pc, "epilogue");
            bp__recorder_clear(&recorder);
            pair_free(r, &pc);
            pair_free(r, &pe);
            free(before);
            free(e);
            free(c);
        }
}

/* ---- The other operations -------------------------------------------------------------------- */

/* Compares a result of both sides. */
static void check_same(rig *r, const pair *result, const char *what)
{
    float *got = read_side(r, result, DEVICE), *want = read_side(r, result, REFERENCE);
    for (size_t i = 0; i < result->on[DEVICE].rows * result->on[DEVICE].columns; ++i)
        cr_assert(fabs((double)got[i] - (double)want[i]) <= 1e-5 * (1 + fabs((double)want[i])),
                  "%s: %s, element %zu: %g not %g", r->name, what, i, (double)got[i],
                  (double)want[i]);
    check_guards(r, result, what);
    free(got);
    free(want);
}

/* The bias gradient, which comes with the product of the weights' gradient. */
static void check_bias_gradient(rig *r)
{
    for (size_t s = 0; s < BP_COUNT(shapes) - 1; ++s) {
        const size_t B = shapes[s][0], m = shapes[s][2], n = shapes[s][1];
        float *x = random_floats(B * m, 1, 6), *d = random_floats(B * n, 1, 7);
        pair in = pair_of(r, BP__NUMBER, B, m, x), delta = pair_of(r, BP__NUMBER, B, n, d);
        pair weights = pair_of(r, BP__NUMBER, n, m, NULL),
             bias = pair_of(r, BP__NUMBER, 1, n, NULL);
        for (int side = 0; side < SIDES; ++side) {
            const bp__op op = {.kind = BP__OP_DENSE_GRADIENT,
                               .as.dense_gradient = {weights.on[side], bias.on[side],
                                                     delta.on[side], in.on[side]}};
            run_op(r, side, &op);
        }
        check_same(r, &weights, "gradient");
        check_same(r, &bias, "bias gradient");
        pair *const all[] = {&in, &delta, &weights, &bias};
        for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
        free(x);
        free(d);
    }
}

static void check_gather(rig *r)
{
    enum { ROWS = 9, B = 4 };
    const size_t widths[] = {1, 3, 16, 17};
    int32_t order[ROWS], tags[ROWS];
    for (int i = 0; i < ROWS; ++i) {
        order[i] = (i * 4 + 1) % ROWS;
        tags[i] = 100 + i;
    }
    for (size_t k = 0; k < BP_COUNT(widths); ++k)
        for (int32_t now = 0; now < 2; ++now) {
            float *x = random_floats(ROWS * widths[k], 1, 8);
            pair in = pair_of(r, BP__NUMBER, ROWS, widths[k], x);
            pair out = pair_of(r, BP__NUMBER, B, widths[k], NULL);
            pair in_tags = pair_of(r, BP__INTEGER, ROWS, 1, tags);
            pair out_tags = pair_of(r, BP__INTEGER, B, 1, order);
            pair permutation = pair_of(r, BP__INTEGER, 1, ROWS, order);
            pair step = pair_of(r, BP__INTEGER, 1, 1, &now);
            for (int side = 0; side < SIDES; ++side) {
                bp__op op = {.kind = BP__OP_GATHER,
                             .as.gather = {out.on[side], in.on[side], permutation.on[side],
                                           step.on[side], B}};
                run_op(r, side, &op);
                op.as.gather.out = out_tags.on[side];
                op.as.gather.in = in_tags.on[side];
                run_op(r, side, &op);
            }
            check_same(r, &out, "gather");
            int32_t picked[B];
            OK(bp__view_read(r->engine[DEVICE], &out_tags.on[DEVICE], picked));
            for (int i = 0; i < B; ++i) cr_assert_eq(picked[i], tags[order[now * B + i]]);
            pair *const all[] = {&in, &out, &in_tags, &out_tags, &permutation, &step};
            for (int i = 0; i < 6; ++i) pair_free(r, all[i]);
            free(x);
        }
}

static void check_loss(rig *r, size_t B, size_t n, int32_t loss, int32_t activation, bool labels,
                       bool with_delta)
{
    float *o = random_floats(B * n, 1, 9), *t = random_floats(B * n, 1, 10);
    int32_t *l = malloc(B * sizeof *l);
    for (size_t i = 0; i < B; ++i) l[i] = (int32_t)(i * 5 % n);
    for (size_t i = 0; i < B * n; ++i) t[i] = fabsf(t[i]);
    pair output = pair_of(r, BP__NUMBER, B, n, o), delta = pair_of(r, BP__NUMBER, B, n, NULL);
    pair target = labels ? pair_of(r, BP__INTEGER, B, 1, l) : pair_of(r, BP__NUMBER, B, n, t);
    pair row_loss = pair_of(r, BP__NUMBER, 1, B, NULL), hits = pair_of(r, BP__NUMBER, 1, B, NULL);
    for (int side = 0; side < SIDES; ++side) {
        bp__op op = {.kind = BP__OP_LOSS,
                     .as.loss = {.row_loss = row_loss.on[side],
                                 .row_hits = hits.on[side],
                                 .output = output.on[side],
                                 .loss = loss,
                                 .activation = activation,
                                 .scale = 0.25f}};
        if (with_delta) op.as.loss.delta = delta.on[side];
        *(labels ? &op.as.loss.labels : &op.as.loss.targets) = target.on[side];
        run_op(r, side, &op);
    }
    check_same(r, &row_loss, "loss");
    check_same(r, &hits, "hits");
    if (with_delta) check_same(r, &delta, "delta");
    pair *const all[] = {&output, &delta, &target, &row_loss, &hits};
    for (int i = 0; i < 5; ++i) pair_free(r, all[i]);
    free(o);
    free(t);
    free(l);
}

static void check_losses(rig *r)
{
    const size_t sizes[][2] = {{1, 1}, {5, 3}, {3, 17}};
    for (size_t s = 0; s < BP_COUNT(sizes); ++s)
        for (int options = 0; options < 4; ++options) {
            check_loss(r, sizes[s][0], sizes[s][1], BP_LOSS_CROSS_ENTROPY, BP_ACTIVATION_SOFTMAX,
                       options & 1, options & 2);
            for (int32_t f = BP_ACTIVATION_LINEAR; f <= BP_ACTIVATION_RELU; ++f)
                check_loss(r, sizes[s][0], sizes[s][1], BP_LOSS_HALF_SQUARED, f, options & 1,
                           options & 2);
        }
}

static void check_softmax(rig *r)
{
    const size_t sizes[][2] = {{1, 1}, {5, 3}, {3, 17}};
    for (size_t s = 0; s < BP_COUNT(sizes); ++s)
        for (int in_place = 0; in_place < 2; ++in_place) {
            float *z = random_floats(sizes[s][0] * sizes[s][1], 4, 11);
            pair in = pair_of(r, BP__NUMBER, sizes[s][0], sizes[s][1], z);
            pair out = pair_of(r, BP__NUMBER, sizes[s][0], sizes[s][1], NULL);
            pair *result = in_place ? &in : &out;
            for (int side = 0; side < SIDES; ++side) {
                const bp__op op = {.kind = BP__OP_SOFTMAX,
                                   .as.softmax = {result->on[side], in.on[side]}};
                run_op(r, side, &op);
            }
            check_same(r, result, "softmax");
            pair_free(r, &in);
            pair_free(r, &out);
            free(z);
        }
}

static void check_reduce(rig *r)
{
    const size_t sizes[] = {1, 7, 129, 300};
    for (size_t s = 0; s < BP_COUNT(sizes); ++s) {
        float *e = random_floats(sizes[s], 1, 12), *h = random_integers(sizes[s], 1, 13);
        const int32_t start = 1;
        pair row_loss = pair_of(r, BP__NUMBER, 1, sizes[s], e);
        pair row_hits = pair_of(r, BP__NUMBER, 1, sizes[s], h);
        pair losses = pair_of(r, BP__NUMBER, 1, 3, NULL), hits = pair_of(r, BP__NUMBER, 1, 3, NULL);
        pair step = pair_of(r, BP__INTEGER, 1, 1, &start);
        for (int side = 0; side < SIDES; ++side) {
            const bp__op op = {.kind = BP__OP_REDUCE_LOSS,
                               .as.reduce_loss = {losses.on[side], hits.on[side], row_loss.on[side],
                                                  row_hits.on[side], step.on[side]}};
            run_op(r, side, &op);
        }
        check_same(r, &losses, "sum of losses");
        check_same(r, &hits, "sum of hits");
        pair *const all[] = {&row_loss, &row_hits, &losses, &hits, &step};
        for (int i = 0; i < 5; ++i) pair_free(r, all[i]);
        free(e);
        free(h);
    }
}

static void check_optimizer(rig *r)
{
    enum { N = 64 };
    float *w = random_floats(N, 1, 14), *g = random_floats(N, 1, 15), zeros[N] = {0};
    const float hyper[2 * BP__HYPER_COUNT] = {9, 9, 9, 9, 0.5f, 10, 1000, 0};
    for (int32_t kind = BP_OPTIMIZER_SGD; kind <= BP_OPTIMIZER_ADAM; ++kind) {
        const int32_t now = 2;
        pair parameters = pair_of(r, BP__NUMBER, 1, N, w),
             gradients = pair_of(r, BP__NUMBER, 1, N, g);
        pair moment1 = pair_of(r, BP__NUMBER, 1, N, zeros),
             moment2 = pair_of(r, BP__NUMBER, 1, N, zeros);
        pair table = pair_of(r, BP__NUMBER, 1, 2 * BP__HYPER_COUNT, hyper);
        pair step = pair_of(r, BP__INTEGER, 1, 1, &now);
        for (int side = 0; side < SIDES; ++side) {
            bp__op op = {.kind = BP__OP_OPTIMIZER,
                         .as.optimizer = {.parameters = parameters.on[side],
                                          .gradients = gradients.on[side],
                                          .hyper = table.on[side],
                                          .step = step.on[side],
                                          .optimizer = kind,
                                          .momentum = 0.9f,
                                          .beta1 = 0.9f,
                                          .beta2 = 0.999f,
                                          .epsilon = 1e-8f}};
            op.as.optimizer.hyper.rows = 2;
            op.as.optimizer.hyper.columns = op.as.optimizer.hyper.stride = BP__HYPER_COUNT;
            if (kind != BP_OPTIMIZER_SGD) op.as.optimizer.moment1 = moment1.on[side];
            if (kind == BP_OPTIMIZER_ADAM) op.as.optimizer.moment2 = moment2.on[side];
            run_op(r, side, &op);
        }
        check_same(r, &parameters, bp_optimizer_name(kind));
        check_same(r, &moment1, bp_optimizer_name(kind));
        check_same(r, &moment2, bp_optimizer_name(kind));
        pair *const all[] = {&parameters, &gradients, &moment1, &moment2, &table, &step};
        for (int i = 0; i < 6; ++i) pair_free(r, all[i]);
    }
    free(w);
    free(g);
}

/* The kernels that measure a device: out = x + a y, and chains whose results only have to be
 * finite. */
static void check_peak(rig *r)
{
    enum { VECTORS = 7 };
    bp__device_engine *engine = device_engine(r);
    const size_t width = engine->vector_width, floats = VECTORS * width;
    float *x = random_floats(floats, 1, 16), *y = random_floats(floats, 1, 17);
    pair px = pair_of(r, BP__NUMBER, 1, floats, x), py = pair_of(r, BP__NUMBER, 1, floats, y);
    pair out = pair_of(r, BP__NUMBER, 1, floats, NULL);
    for (int blocks = 0; blocks < 2; ++blocks) {
        /* These kernels start at a buffer's first word, and the guards are multiples of a vector.
         */
        const cl_mem memory[] = {bp__buffer_memory(out.on[DEVICE].buffer),
                                 bp__buffer_memory(px.on[DEVICE].buffer),
                                 bp__buffer_memory(py.on[DEVICE].buffer)};
        const cl_float a = 0.5f, b = 0.25f;
        const cl_uint repeat = 1;
        const cl_ulong count = VECTORS + GUARD / width;
        char options[64];
        snprintf(options, sizeof options, "-DBP_VW=%zu -DBLOCKS=%d", width, blocks);
        const bp__grid grid = {1, {3, 1, 1}, {0}};
        const bp__arg triad[] = {BP_ARG(memory[0]), BP_ARG(memory[1]), BP_ARG(memory[2]), BP_ARG(a),
                                 BP_ARG(count)};
        bp__recorder recorder = {.device = engine->device};
        OK(bp__record_launch(&recorder, "peak.cl", options, "peak_triad", triad, BP_COUNT(triad),
                             &grid));
        OK(bp__recorder_enqueue(&recorder, 1));
        float *got = read_side(r, &out, DEVICE);
        for (size_t i = 0; i < floats; ++i)
            cr_assert_float_eq(got[i], x[i] + 0.5f * y[i], 1e-6, "%s: %g", r->name, (double)got[i]);
        free(got);
        bp__recorder_clear(&recorder);
        const bp__arg fma[] = {BP_ARG(memory[0]), BP_ARG(repeat), BP_ARG(a), BP_ARG(b)};
        OK(bp__record_launch(&recorder, "peak.cl", options, "peak_fma", fma, BP_COUNT(fma), &grid));
        OK(bp__recorder_enqueue(&recorder, 1));
        OK(bp__engine_finish(r->engine[DEVICE]));
        bp__recorder_clear(&recorder);
    }
    pair *const all[] = {&px, &py, &out};
    for (int i = 0; i < 3; ++i) pair_free(r, all[i]);
    free(x);
    free(y);
}

/* Parameters after an epoch of three steps, the last one partial, on one side; free() them. */
static float *stepped(rig *r, int side, const bp_model *start, const bp_data *data,
                      int32_t optimizer, size_t *count)
{
    bp__engine *engine = r->engine[side];
    const bp__plan_optimizer how = {optimizer, 0.9f, 0.9f, 0.999f, 1e-8f, false};
    const bool labels = bp_data_labels(data) != NULL;
    float hyper[3 * BP__HYPER_COUNT];
    for (int s = 0; s < 3; ++s) {
        const double t = s + 1;
        float *row = hyper + s * BP__HYPER_COUNT;
        row[BP__HYPER_RATE] = 0.1f;
        row[BP__HYPER_CORRECTION1] = (float)(1 / (1 - pow(0.9, t)));
        row[BP__HYPER_CORRECTION2] = (float)(1 / (1 - pow(0.999, t)));
        row[3] = 0;
    }
    bp__network *network;
    bp__pass *pass;
    bp__plan *full, *last;
    OK(bp__network_create(&network, engine, start, true, optimizer));
    OK(bp__network_upload(network, start));
    OK(bp__pass_create(&pass, engine, data, 4, true));
    OK(bp__view_write(engine, &pass->views.hyper, hyper));
    OK(bp__pass_seek(pass, 0));
    OK(bp__plan_create(&full, network, 4, labels, true));
    OK(bp__plan_make_train(full, &pass->views, &how));
    OK(bp__plan_create(&last, network, 3, labels, true));
    OK(bp__plan_make_train(last, &pass->views, &how));
    OK(bp__sequence_run(engine, full->train, 2));
    OK(bp__sequence_run(engine, last->train, 1));
    bp_model *model;
    const bp_layer layers[] = {bp_model_get_layer(start, 0), bp_model_get_layer(start, 1)};
    OK(bp_model_create_layers(&model, layers, 2, NULL));
    OK(bp__network_download(network, model));
    float *all = flatten(model, count);
    bp_model_free(model);
    bp__plan_free(full);
    bp__plan_free(last);
    bp__pass_free(pass);
    bp__network_free(network);
    return all;
}

/* Whole training steps, as the plan writes them down. */
static void check_training(rig *r)
{
    const size_t sizes[] = {3, 6, 2};
    for (int labels = 0; labels < 2; ++labels)
        for (int32_t optimizer = BP_OPTIMIZER_SGD; optimizer <= BP_OPTIMIZER_ADAM; ++optimizer) {
            bp_model *model =
                labels ? model_of(sizes, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_SOFTMAX,
                                  BP_LOSS_CROSS_ENTROPY, 1, 3)
                       : model_of(sizes, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID,
                                  BP_LOSS_HALF_SQUARED, optimizer != BP_OPTIMIZER_SGD, 3);
            bp_data *data = data_of(11, 3, 2, labels);
            size_t count;
            float *got = stepped(r, DEVICE, model, data, optimizer, &count);
            float *want = stepped(r, REFERENCE, model, data, optimizer, &count);
            float *before = flatten(model, &count);
            cr_assert(relative_l2(got, want, count) <= 1e-5, "%s: %s, %s: relative error %g",
                      r->name, bp_optimizer_name(optimizer), labels ? "labels" : "targets",
                      relative_l2(got, want, count));
            cr_assert(relative_l2(got, before, count) > 1e-3, "nothing was learned");
            free(got);
            free(want);
            free(before);
            bp_data_free(data);
            bp_model_free(model);
        }
}

/* The same by the kernel that takes whole steps. */
static void check_small_steps(rig *r)
{
    if (!device_engine(r)->cpu_kernels) return;
    device_engine(r)->gemm = BP_GEMM_AUTO;
    device_engine(r)->small_steps = BP__ALWAYS;
    check_training(r);
}

typedef struct width_case {
    void (*check)(rig *);
    unsigned from, to;
} width_case;

/* As work-items of a GPU (width 1), or with the vectors of each width. */
static void check_widths(rig *r, void *context)
{
    const width_case *c = context;
    if (!device_engine(r)->cpu_kernels) {
        if (c->from == 1) c->check(r);
        return;
    }
    const size_t name = strlen(r->name);
    for (unsigned width = c->from < 4 ? 4 : c->from; width <= c->to; width *= 2) {
        r->name[name] = '\0';
        set_width(r, width);
        c->check(r);
    }
}

static void each_width(void (*check)(rig *), unsigned from, unsigned to)
{
    width_case c = {check, from, to};
    each_device((const int32_t[]){BP_GEMM_GPU, BP_GEMM_CPU, -1}, check_widths, &c);
}

/* ---- The tests ------------------------------------------------------------------------------- */

#define SMALL_TESTS(X)                                                                             \
    X(products_naive, each_device(naive, check_naive, NULL))                                       \
    X(products_gpu, each_device(gpu, check_gpu, NULL))                                             \
    X(products_cpu_4, products_cpu(4, NT | NN_TN))                                                 \
    X(products_cpu_8, products_cpu(8, NN_TN))                                                      \
    X(products_cpu_16, products_cpu(16, NN_TN))                                                    \
    X(shuffled_products_cpu_8, products_cpu(8, NT))                                                \
    X(shuffled_products_cpu_16, products_cpu(16, NT))                                              \
    X(epilogues, each_device(naive, check_epilogues, NULL))                                        \
    X(bias_gradient, each_width(check_bias_gradient, 1, 16))                                       \
    X(gather, each_width(check_gather, 1, 16))                                                     \
    X(loss, each_width(check_losses, 1, 16))                                                       \
    X(softmax, each_width(check_softmax, 1, 16))                                                   \
    X(reduce, each_width(check_reduce, 1, 16))                                                     \
    X(optimizer, each_width(check_optimizer, 1, 16))                                               \
    X(peak, each_width(check_peak, 1, 16))                                                         \
    X(training, each_width(check_training, 1, 4))                                                  \
    X(shuffled_training, each_width(check_training, 8, 16))                                        \
    X(small_steps, each_width(check_small_steps, 4, 4))                                            \
    X(shuffled_small_steps, each_width(check_small_steps, 8, 16))

TestSuite(kernels_small, .timeout = 900);

#define SMALL_TEST(name, call)                                                                     \
    Test(kernels_small, name)                                                                      \
    {                                                                                              \
        watch(#name);                                                                              \
        call;                                                                                      \
    }
SMALL_TESTS(SMALL_TEST)

/* Whether each `__kernel` of each file below kernels/ was among those that ran. */
Test(kernels_small, every_kernel_is_here)
{
    if (simulated()) return; /* one run of everything is enough there */
    watch("every_kernel_is_here");
#define SMALL_CALL(name, call) call;
    SMALL_TESTS(SMALL_CALL)
    int kernels = 0;
    for (const bp__embedded *file = bp__embedded_kernels; file->name; ++file)
        for (const char *at = file->source; (at = strstr(at, "\n__kernel")); ++at) {
            const char *name = strstr(at, "void");
            cr_assert(name);
            name += strcspn(name, " \n");
            name += strspn(name, " \n");
            char entry[80];
            snprintf(entry, sizeof entry, " %.*s ", (int)strcspn(name, "("), name);
            cr_assert(strstr(made, entry), "kernel%sof %s is not run by any test here", entry,
                      file->name);
            ++kernels;
        }
    cr_assert_gt(kernels, 5);
}
