/* gemm_openblas.c - OpenBLAS's sgemm. */
#include <cblas.h>
#include <stdio.h>

#include "gemm_table.h"

static void prepare(const gemm_case *of)
{
    (void)of;
}

static void run(const gemm_case *c, size_t times)
{
    const int depth = (int)(c->product == GEMM_GRADIENT ? c->left_rows : c->left_columns);
    for (size_t t = 0; t < times; ++t)
        cblas_sgemm(CblasRowMajor, c->product == GEMM_GRADIENT ? CblasTrans : CblasNoTrans,
                    c->product == GEMM_FORWARD ? CblasTrans : CblasNoTrans, (int)c->out_rows,
                    (int)c->out_columns, depth, 1, c->left, (int)c->left_columns, c->right,
                    (int)c->right_columns, 0, c->out, (int)c->out_columns);
}

static void open(gemm_peer *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    char version[16] = "";
    sscanf(openblas_get_config(), "OpenBLAS %15s", version);
    snprintf(out->name, sizeof out->name, "OpenBLAS %s", version);
    out->prepare = prepare;
    out->run = run;
}

int main(int argc, char **argv)
{
    return gemm_main(argc, argv, open);
}
