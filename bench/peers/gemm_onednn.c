/* gemm_onednn.c - oneDNN's matmul primitive; with the argument "sgemm" its dnnl_sgemm. */
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <string.h>

#include "gemm_table.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != dnnl_success) peer_fail("%s failed", #call);                                 \
    } while (0)

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t primitive;
static dnnl_memory_t memories[3];
static dnnl_exec_arg_t arguments[3];

/* A matrix as the product takes it: a transposed one is told by its strides. */
typedef struct shape {
    dnnl_dims_t dims, strides;
    float *data;
} shape;

static shape shape_of(size_t rows, size_t columns, int transposed, float *data)
{
    shape s = {.data = data};
    s.dims[0] = (dnnl_dim_t)(transposed ? columns : rows);
    s.dims[1] = (dnnl_dim_t)(transposed ? rows : columns);
    s.strides[0] = transposed ? 1 : (dnnl_dim_t)columns;
    s.strides[1] = transposed ? (dnnl_dim_t)columns : 1;
    return s;
}

static void prepare(const gemm_case *c)
{
    const shape shapes[3] = {
        shape_of(c->left_rows, c->left_columns, c->product == GEMM_GRADIENT, c->left),
        shape_of(c->right_rows, c->right_columns, c->product == GEMM_FORWARD, c->right),
        shape_of(c->out_rows, c->out_columns, 0, c->out)};
    static const int roles[3] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    dnnl_primitive_desc_t description;
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_t kinds[3];
    for (int i = 0; i < 3; ++i) {
        OK(dnnl_memory_desc_create_with_strides(&kinds[i], 2, shapes[i].dims, dnnl_f32,
                                                shapes[i].strides));
        OK(dnnl_memory_create(&memories[i], kinds[i], engine, shapes[i].data));
    }
    OK(dnnl_matmul_primitive_desc_create(&description, engine, kinds[0], kinds[1], NULL, kinds[2],
                                         NULL));
    for (int i = 0; i < 3; ++i) dnnl_memory_desc_destroy(kinds[i]);
#else
    dnnl_memory_desc_t kinds[3];
    dnnl_matmul_desc_t wanted;
    for (int i = 0; i < 3; ++i) {
        OK(dnnl_memory_desc_init_by_strides(&kinds[i], 2, shapes[i].dims, dnnl_f32,
                                            shapes[i].strides));
        OK(dnnl_memory_create(&memories[i], &kinds[i], engine, shapes[i].data));
    }
    OK(dnnl_matmul_desc_init(&wanted, &kinds[0], &kinds[1], NULL, &kinds[2]));
    OK(dnnl_primitive_desc_create(&description, &wanted, NULL, engine, NULL));
#endif
    OK(dnnl_primitive_create(&primitive, description));
    dnnl_primitive_desc_destroy(description);
    for (int i = 0; i < 3; ++i) arguments[i] = (dnnl_exec_arg_t){roles[i], memories[i]};
}

static void run(const gemm_case *c, size_t times)
{
    (void)c;
    for (size_t t = 0; t < times; ++t) OK(dnnl_primitive_execute(primitive, stream, 3, arguments));
    OK(dnnl_stream_wait(stream));
}

static void release(void)
{
    dnnl_primitive_destroy(primitive);
    for (int i = 0; i < 3; ++i) dnnl_memory_destroy(memories[i]);
}

static void prepare_sgemm(const gemm_case *c)
{
    (void)c;
}

static void run_sgemm(const gemm_case *c, size_t times)
{
    const dnnl_dim_t depth =
        (dnnl_dim_t)(c->product == GEMM_GRADIENT ? c->left_rows : c->left_columns);
    for (size_t t = 0; t < times; ++t)
        OK(dnnl_sgemm(c->product == GEMM_GRADIENT ? 'T' : 'N',
                      c->product == GEMM_FORWARD ? 'T' : 'N', (dnnl_dim_t)c->out_rows,
                      (dnnl_dim_t)c->out_columns, depth, 1, c->left, (dnnl_dim_t)c->left_columns,
                      c->right, (dnnl_dim_t)c->right_columns, 0, c->out,
                      (dnnl_dim_t)c->out_columns));
}

static void open(gemm_peer *out, int argc, char **argv)
{
    const int sgemm = argc > 1 && strcmp(argv[1], "sgemm") == 0;
    const dnnl_version_t *version = dnnl_version();
    snprintf(out->name, sizeof out->name, "oneDNN %d.%d.%d %s", version->major, version->minor,
             version->patch, sgemm ? "sgemm" : "matmul");
    out->prepare = sgemm ? prepare_sgemm : prepare;
    out->run = sgemm ? run_sgemm : run;
    out->release = sgemm ? NULL : release;
    OK(dnnl_engine_create(&engine, dnnl_cpu, 0));
    OK(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
}

int main(int argc, char **argv)
{
    return gemm_main(argc, argv, open);
}
