/* test_view.c - where the elements of a matrix lie: every role on every kind of engine, round trips
 * through a device, sizes that overflow. */
#include <stdint.h>

#include "support.h"

static const bp__role roles[] = {BP__DATA, BP__TABLE, BP__BATCH, BP__WEIGHTS};

/* rows, columns: ones, panels' neighbours, the slack of a batch's rows, primes. */
static const size_t shapes[][2] = {{0, 3},  {3, 0},   {1, 1},   {1, 17},  {17, 1},  {3, 4},
                                   {4, 3},  {15, 16}, {16, 15}, {16, 16}, {17, 33}, {31, 8},
                                   {33, 7}, {64, 48}, {5, 101}, {101, 5}};

/* Elements have places of their own within the extent, which is what placing takes; rows of what a
 * kernel reads as a vector are contiguous and aligned. */
static void check_places(const bp__engine *engine, bp__role role, size_t rows, size_t columns)
{
    const size_t before = 3 * engine->quantum;
    size_t elements = before;
    bp__view view;
    cr_assert(bp__view_place(&view, &elements, engine, role, rows, columns));
    cr_assert_null(view.buffer);
    cr_assert_eq(view.offset, before);
    cr_assert_eq(view.rows, rows);
    cr_assert_eq(view.columns, columns);
    const bool panels = engine->panels && (role == BP__BATCH || role == BP__WEIGHTS);
    const bool tight = role == BP__DATA;
    cr_assert_eq(view.panel_step > 0, panels);
    cr_assert_eq(view.transposed, panels && role == BP__WEIGHTS);
    if (tight) { /* a vector may be read from the last element of the last row on */
        cr_assert_eq(view.stride, columns);
        cr_assert_eq(elements - before, bp__view_extent(&view) + engine->quantum);
    } else {
        cr_assert_eq(view.stride % engine->quantum, 0);
        cr_assert_eq(elements - before, bp__view_extent(&view));
        cr_assert_eq((elements - before) % engine->quantum, 0, "what follows is not aligned");
    }
    char *taken = calloc(elements + 1, 1);
    for (size_t r = 0; r < rows; ++r)
        for (size_t c = 0; c < columns; ++c) {
            const size_t at = bp__view_index(&view, r, c), width = engine->quantum;
            cr_assert(at >= before && at < elements, "(%zu, %zu) lies outside", r, c);
            cr_assert(!taken[at]++, "(%zu, %zu) has another's place", r, c);
            if (!panels)
                cr_assert_eq(at, before + r * view.stride + c);
            else if (role == BP__BATCH)
                cr_assert_eq(at % width, c % width);
            else
                cr_assert_eq(at % width, r % width);
        }
    free(taken);
}

Test(view, places)
{
    for (size_t quantum = 1; quantum <= 16; quantum *= 2)
        for (int panels = 0; panels < 2; ++panels) {
            const bp__engine engine = {.quantum = quantum, .panels = panels};
            for (size_t k = 0; k < BP_COUNT(roles); ++k)
                for (size_t s = 0; s < BP_COUNT(shapes); ++s)
                    check_places(&engine, roles[k], shapes[s][0], shapes[s][1]);
        }
}

/* By hand: panels of 4 columns. 3x6 as a batch: 16 rows' room made odd, two panels; as weights: the
 * transpose is stored, 6 rows made odd, one panel. */
Test(view, places_by_hand)
{
    const bp__engine engine = {.quantum = 4, .panels = true};
    size_t elements = 0;
    bp__view batch, weights, table;
    cr_assert(bp__view_place(&batch, &elements, &engine, BP__BATCH, 3, 6));
    cr_assert_eq(elements, 2 * 17 * 4);
    cr_assert_eq(bp__view_index(&batch, 2, 3), 2 * 4 + 3);
    cr_assert_eq(bp__view_index(&batch, 2, 5), 17 * 4 + 2 * 4 + 1);
    cr_assert(bp__view_place(&weights, &elements, &engine, BP__WEIGHTS, 3, 6));
    cr_assert_eq(elements, 2 * 17 * 4 + 7 * 4);
    cr_assert_eq(bp__view_index(&weights, 2, 5), 2 * 17 * 4 + 5 * 4 + 2);
    cr_assert(bp__view_place(&table, &elements, &engine, BP__TABLE, 3, 6));
    cr_assert_eq(elements, 2 * 17 * 4 + 7 * 4 + 3 * 8);
    cr_assert_eq(bp__view_index(&table, 2, 5), 2 * 17 * 4 + 7 * 4 + 2 * 8 + 5);
}

Test(view, sizes_that_overflow)
{
    const size_t huge[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 14, SIZE_MAX / 2 + 1, SIZE_MAX / 3};
    bp__view view;
    for (int panels = 0; panels < 2; ++panels)
        for (size_t quantum = 4; quantum <= 16; quantum *= 2) {
            const bp__engine engine = {.quantum = quantum, .panels = panels};
            for (size_t k = 0; k < BP_COUNT(roles); ++k)
                for (size_t h = 0; h < BP_COUNT(huge); ++h) {
                    const size_t sizes[][2] = {{huge[h], 5}, {5, huge[h]}, {huge[h], huge[h]}};
                    for (size_t s = 0; s < BP_COUNT(sizes); ++s) {
                        size_t elements = 0;
                        cr_assert_not(bp__view_place(&view, &elements, &engine, roles[k],
                                                     sizes[s][0], sizes[s][1]),
                                      "role %d, %zux%zu, quantum %zu, panels %d", (int)roles[k],
                                      sizes[s][0], sizes[s][1], quantum, panels);
                    }
                }
            /* What fits, but not behind what is there already. */
            for (size_t k = 0; k < BP_COUNT(roles); ++k) {
                size_t elements = SIZE_MAX - 100;
                cr_assert_not(bp__view_place(&view, &elements, &engine, roles[k], 30, 30));
            }
        }
}

/* ---- On devices -------------------------------------------------------------------------------
 */

/* Two matrices of each role behind each other in one buffer, written and read back on both sides;
 * what is written to one does not show in the other, nor in padding. */
static void check_round_trip(rig *r, void *context)
{
    (void)context;
    for (size_t s = 0; s < BP_COUNT(shapes); ++s)
        for (size_t k = 0; k < BP_COUNT(roles); ++k)
            for (int side = 0; side < SIDES; ++side) {
                bp__engine *engine = r->engine[side];
                const size_t rows = shapes[s][0], columns = shapes[s][1], count = rows * columns;
                size_t elements = 0;
                bp__view views[2];
                bp__buffer *buffer;
                for (int v = 0; v < 2; ++v)
                    cr_assert(
                        bp__view_place(&views[v], &elements, engine, roles[k], rows, columns));
                OK(bp__buffer_create(engine, &buffer, BP__NUMBER, elements));
                float *values[2], *got = malloc((count + 1) * sizeof *got);
                for (int v = 0; v < 2; ++v) {
                    values[v] = random_floats(count, 5, (uint32_t)(v + 1));
                    views[v].buffer = buffer;
                    OK(bp__view_write(engine, &views[v], values[v]));
                }
                for (int v = 0; v < 2; ++v) {
                    OK(bp__view_read(engine, &views[v], got));
                    cr_assert(memcmp(got, values[v], count * sizeof *got) == 0,
                              "%s, side %d: %zux%zu, role %d", r->name, side, rows, columns,
                              (int)roles[k]);
                }
                /* All else is zero, and each element is where bp__view_index says. */
                const bp__view whole = {
                    .buffer = buffer, .rows = 1, .columns = elements, .stride = elements};
                float *all = malloc((elements + 1) * sizeof *all);
                OK(bp__view_read(engine, &whole, all));
                for (int v = 0; v < 2; ++v)
                    for (size_t i = 0; i < count; ++i) {
                        float *at = &all[bp__view_index(&views[v], i / columns, i % columns)];
                        cr_assert(*at == values[v][i], "%s, side %d", r->name, side);
                        *at = 0;
                    }
                for (size_t i = 0; i < elements; ++i)
                    cr_assert(all[i] == 0, "%s, side %d: padding at %zu", r->name, side, i);
                free(all);
                free(got);
                for (int v = 0; v < 2; ++v) free(values[v]);
                bp__buffer_free(engine, buffer);
            }
}

Test(view, round_trips)
{
    each_device((const int32_t[]){BP_GEMM_AUTO, BP_GEMM_GPU, -1}, check_round_trip, NULL);
    each_cpu_shape(check_round_trip, NULL);
}
