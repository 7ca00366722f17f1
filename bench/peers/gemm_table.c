/* gemm_table.c - measures and checks one matrix product at a time. */
#include "gemm_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[GEMM_PRODUCTS] = {"forward", "effect", "gradient"};

static void fill(float *values, size_t count, uint64_t stream)
{
    for (size_t i = 0; i < count; ++i) values[i] = peer_random(stream, i);
}

static gemm_case make_case(gemm_product product, size_t rows, size_t inputs, size_t units)
{
    gemm_case c = {.product = product, .rows = rows, .inputs = inputs, .units = units};
    c.left_rows = rows;
    c.left_columns = product == GEMM_FORWARD ? inputs : units;
    c.right_rows = product == GEMM_GRADIENT ? rows : units;
    c.right_columns = inputs;
    c.out_rows = product == GEMM_GRADIENT ? units : rows;
    c.out_columns = product == GEMM_FORWARD ? units : inputs;
    c.left = peer_memory(c.left_rows * c.left_columns * sizeof(float));
    c.right = peer_memory(c.right_rows * c.right_columns * sizeof(float));
    c.out = peer_memory(c.out_rows * c.out_columns * sizeof(float));
    fill(c.left, c.left_rows * c.left_columns, 1);
    fill(c.right, c.right_rows * c.right_columns, 2);
    return c;
}

static void free_case(gemm_case *c)
{
    free(c->left);
    free(c->right);
    free(c->out);
    memset(c, 0, sizeof *c);
}

static double exact(const gemm_case *c, size_t i, size_t j)
{
    double sum = 0;
    const size_t depth = c->product == GEMM_FORWARD  ? c->inputs
                         : c->product == GEMM_EFFECT ? c->units
                                                     : c->rows;
    for (size_t k = 0; k < depth; ++k) {
        const size_t left =
            c->product == GEMM_GRADIENT ? k * c->left_columns + i : i * c->left_columns + k;
        const size_t right =
            c->product == GEMM_FORWARD ? j * c->right_columns + k : k * c->right_columns + j;
        sum += (double)c->left[left] * (double)c->right[right];
    }
    return sum / sqrt((double)depth);
}

/* The largest of some errors, where the products are of the order 1. */
static double error_of(const gemm_case *c)
{
    const size_t depth = c->product == GEMM_FORWARD  ? c->inputs
                         : c->product == GEMM_EFFECT ? c->units
                                                     : c->rows;
    double worst = 0;
    for (size_t s = 0; s < 200; ++s) {
        const size_t i = s * 7919 % c->out_rows, j = s * 104729 % c->out_columns;
        const double got = (double)c->out[i * c->out_columns + j] / sqrt((double)depth);
        const double error = fabs(got - exact(c, i, j));
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

static double measure(const gemm_peer *p, const gemm_case *c, double budget)
{
    size_t done = 0, times = 1;
    const double start = peer_seconds();
    for (;;) {
        p->run(c, times);
        done += times;
        const double elapsed = peer_seconds() - start;
        if (elapsed >= budget) return elapsed / (double)done;
        if (elapsed < budget / 8) times *= 2;
    }
}

static void answer(const gemm_peer *p, const char *line)
{
    static gemm_case current;
    static double error;
    char product[16];
    size_t rows, inputs, units;
    double budget = 0.2;
    if (sscanf(line, "%15s %zu %zu %zu %lf", product, &rows, &inputs, &units, &budget) < 4)
        peer_fail("PRODUCT ROWS INPUTS UNITS [SECONDS] expected");
    int which = 0;
    while (which < GEMM_PRODUCTS && strcmp(product, names[which]) != 0) ++which;
    if (which == GEMM_PRODUCTS) peer_fail("forward, effect or gradient expected");
    if (!current.left || current.product != (gemm_product)which || current.rows != rows ||
        current.inputs != inputs || current.units != units) {
        if (current.left && p->release) p->release();
        free_case(&current);
        current = make_case((gemm_product)which, rows, inputs, units);
        p->prepare(&current);
        p->run(&current, 1);
        if (p->fetch) p->fetch(&current);
        error = error_of(&current);
        measure(p, &current, budget / 4);
    }
    const double seconds = measure(p, &current, budget);
    printf("{\"peer\": \"%s\", \"product\": \"%s\", \"rows\": %zu, \"inputs\": %zu, "
           "\"units\": %zu, \"us\": %.6g, \"gflops\": %.6g, \"error\": %.3g}\n",
           p->name, product, rows, inputs, units, seconds * 1e6,
           2e-9 * (double)rows * (double)inputs * (double)units / seconds, error);
    fflush(stdout);
}

int gemm_main(int argc, char **argv, void (*open)(gemm_peer *out, int argc, char **argv))
{
    gemm_peer p = {.name = ""};
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        argv[1] = argv[0];
        open(&p, argc - 1, argv + 1);
        char line[128];
        printf("{\"peer\": \"%s\"}\n", p.name);
        fflush(stdout);
        while (fgets(line, sizeof line, stdin)) answer(&p, line);
        return 0;
    }
    if (argc < 5)
        peer_fail("usage: %s PRODUCT ROWS INPUTS UNITS, or %s --serve [...]", argv[0], argv[0]);
    char line[128];
    snprintf(line, sizeof line, "%.15s %.12s %.12s %.12s", argv[1], argv[2], argv[3], argv[4]);
    argv[4] = argv[0];
    open(&p, argc - 4, argv + 4);
    answer(&p, line);
    return 0;
}
