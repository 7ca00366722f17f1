/* random.h - counter-based random numbers: Philox 4x32-10.
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A number is a
 * pure function of (seed, purpose, a, b, element): nothing to store in a checkpoint, nothing that
 * depends on the order of drawing, and the same integers on the host and on every device. */
#ifndef BP_BASE_RANDOM_H
#define BP_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef enum bp__purpose {
    BP__PURPOSE_INIT = 1,    /* a = layer, b = 0 */
    BP__PURPOSE_SHUFFLE = 2, /* a = epoch, b = 0 */
    BP__PURPOSE_SPLIT = 3,   /* a = class, b = 0 */
    BP__PURPOSE_BENCH = 4,   /* a = array, b = 0 */
    BP__PURPOSE_BLOCKS = 16, /* a = epoch, b = 0 */
    BP__PURPOSE_WINDOW = 17, /* a = epoch, b = window */
    BP__PURPOSE_FOLD = 18,   /* a = class, b = 0 */
    BP__PURPOSE_DROPOUT = 32 /* a = layer, b = step: bp__random_drop */
} bp__purpose;

/* The bijection itself: out = Philox 4x32-10 of counter under key. */
void bp__philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* 32 random bits number `element` of the stream (seed, purpose, a, b). The key is the seed; the
 * counter is (element / 4, b, a, purpose); word element % 4 is taken. */
uint32_t bp__random_bits(uint64_t seed, bp__purpose purpose, uint32_t a, uint32_t b,
                         uint64_t element);

/* Uniform in [0, 1): the upper 24 bits, exact in float32 as well. */
double bp__random_unit(uint64_t seed, bp__purpose purpose, uint32_t a, uint32_t b,
                       uint64_t element);

/* 16 random bits for the dropout of a unit in row `row` of a batch, as kernels/dropout.cl has them:
 * a block of the stream (seed, DROPOUT, layer, step) serves a unit in eight rows. */
uint32_t bp__random_drop(uint64_t seed, uint32_t layer, uint32_t step, size_t row, size_t unit);

/* permutation[i] for i < count: Fisher-Yates over the stream (seed, purpose, a, 0). */
void bp__random_permutation(uint32_t *permutation, size_t count, uint64_t seed, bp__purpose purpose,
                            uint32_t a);
/* The same over the stream (seed, purpose, a, b). */
void bp__random_permutation_of(uint32_t *permutation, size_t count, uint64_t seed,
                               bp__purpose purpose, uint32_t a, uint32_t b);

#endif
