/* tuning.h - what is chosen for a device by measurement, in one struct: register tiles, what things
 * cost, ways to multiply. Whoever needs such a number takes it from the engine's tuning. */
#ifndef BP_TUNING_TUNING_H
#define BP_TUNING_TUNING_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"

/* A block of results that stays in registers: rows x vectors. */
typedef struct bp__tile {
    unsigned rows, vectors;
} bp__tile;

enum {
    BP__TILE_LEAST_ROWS = 2,
    BP__TILE_MOST_ROWS = 16,
    BP__TILE_MOST_VECTORS = 4, /* FOR_WIDTHS in kernels/cpu/panel.cl */
    BP__TILE_MOST_SUMS = 32    /* rows * vectors: no CPU has more registers */
};

/* X(NAME, key, default): nanoseconds on a CPU. Those of a plan (host/ops/cpu_split.c): an operation
 * beside its work, a vector of multiply-adds, a byte that is copied or updated, waiting for one
 * thread at the end of an operation. Those of many steps in one launch (host/ops/small_steps.c): a
 * weight and a unit for a batch of one, the same for a vector of samples, the update of a
 * parameter. The defaults are fitted to steps of 0.6 to 100 microseconds on a 2-core AVX-512 CPU
 * through POCL 3.1. */
#define BP_COSTS(X)                                                                                \
    X(OPERATION, "operation", 65)                                                                  \
    X(MULTIPLY_ADD, "multiply_add", 16.0 / 75)                                                     \
    X(BYTE, "byte", 0.01)                                                                          \
    X(WAITING, "waiting", 90)                                                                      \
    X(SINGLE_WEIGHT, "single_weight", 0.4)                                                         \
    X(SINGLE_UNIT, "single_unit", 8)                                                               \
    X(WEIGHT, "weight", 2)                                                                         \
    X(UNIT, "unit", 12)                                                                            \
    X(PARAMETER, "parameter", 0.1)

typedef enum bp__cost {
#define BP_COST_ENUM(NAME, key, value) BP__COST_##NAME,
    BP_COSTS(BP_COST_ENUM)
#undef BP_COST_ENUM
        BP__COSTS
} bp__cost;

/* Bounds of a cost: below, a step would take no time; above, nobody would wait for one. */
static const double bp__least_cost = 1e-4, bp__most_cost = 1e6;

/* X(NAME, key, text): classes of matrix products on a GPU, by the size of their results. */
#define BP_SHAPES(X)                                                                               \
    X(NARROW, "narrow", "a side of at most 32")                                                    \
    X(SMALL, "small", "up to 256 x 256")                                                           \
    X(MEDIUM, "medium", "up to 1024 x 1024")                                                       \
    X(LARGE, "large", "more")

typedef enum bp__shape {
#define BP_SHAPE_ENUM(NAME, key, text) BP__SHAPE_##NAME,
    BP_SHAPES(BP_SHAPE_ENUM)
#undef BP_SHAPE_ENUM
        BP__SHAPES
} bp__shape;

/* The class of a product with rows x columns results, and what a class is called. */
bp__shape bp__shape_of(size_t rows, size_t columns);
const char *bp__shape_name(bp__shape shape);

/* How products of a class are computed on a GPU. */
typedef struct bp__gemm_choice {
    unsigned tile; /* side of the tile: 16 to 128; 0: the largest that keeps the device busy */
    bool clblast;  /* where the caller leaves the choice to us: by CLBlast instead */
    bool matrix;   /* by matrix units instead, with a tile of this side; as accurate */
} bp__gemm_choice;

typedef struct bp__tuning {
    bp__tile product;       /* of forward and effect: rows of the batch */
    bp__tile gradient;      /* rows are inputs: a power of two, cut to the vector's width */
    double cost[BP__COSTS]; /* nanoseconds */
    bp__gemm_choice gemm[BP__SHAPES];
} bp__tuning;

/* What is good without measurement, for a device whose vectors have this many floats. */
bp__tuning bp__tuning_default(unsigned vector_width);

/* Whether every number is one that the kernels and estimates can work with: BP_ERROR_DATA names the
 * first that is not. */
bp_status bp__tuning_check(const bp__tuning *tuning);

bool bp__tuning_same(const bp__tuning *a, const bp__tuning *b);

/* What it says, in words, for a device with kernels for CPUs or for others. */
void bp__tuning_describe(char *out, size_t size, const bp__tuning *tuning, bool cpu);

/* As JSON: {"product": {"rows": 8, "vectors": 3}, "gradient": …, "costs": {…}, "gemm": {…}}; the
 * object is the caller's. Read back with every member there, none unknown, and checked:
 * BP_ERROR_DATA. */
bp_status bp__tuning_to_json(json_t **out, const bp__tuning *tuning);
bp_status bp__tuning_from_json(bp__tuning *out, const json_t *json);

#endif
