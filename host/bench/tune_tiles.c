/* tune_tiles.c - the register tiles of a CPU. */
#include <stddef.h>
#include <stdio.h>

#include "bench/tune.h"

/* Candidates, the most promising first, for vectors that come with 32 registers and with 16. */
static const bp__tile many_registers[] = {{8, 3}, {4, 4}, {8, 2}, {6, 4}, {12, 2}, {4, 3}, {0, 0}};
static const bp__tile few_registers[] = {{4, 3}, {6, 2}, {4, 2}, {12, 1}, {8, 1}, {8, 3}, {0, 0}};

/* Large enough that products are most of it, small enough for the caches of any machine. */
static const bp__tune_network network = {{784, 512, 512, 10}, 256};

/* The tiles of a tuning, each with the shares of the time until which candidates are built and then
 * timed. */
typedef struct tile_kind {
    const char *subject;
    size_t offset; /* in bp__tuning */
    bool powers;   /* rows are a power of two within the vector's width */
    double built, timed;
} tile_kind;

static const tile_kind kinds[] = {
    {"tile of products", offsetof(bp__tuning, product), false, 0.32, 0.38},
    {"tile of gradients", offsetof(bp__tuning, gradient), true, 0.54, 0.60},
};

static bp__tile *tile_of(bp__tuning *tuning, const tile_kind *kind)
{
    return (bp__tile *)(void *)((char *)tuning + kind->offset);
}

static bool possible(const tile_kind *kind, const bp__tile *tile, unsigned vector_width)
{
    return !kind->powers || ((tile->rows & (tile->rows - 1)) == 0 && tile->rows <= vector_width);
}

static bp_status add(bp__contest *contest, const tile_kind *kind, bp__tile tile)
{
    bp__tune_way way = bp__tune_way_of(contest->tuner);
    *tile_of(&way.tuning, kind) = tile;
    snprintf(way.name, sizeof way.name, "%u x %u", tile.rows, tile.vectors);
    return bp__contest_add(contest, &way, true);
}

static bp_status hold(bp__contest *contest, const tile_kind *kind)
{
    bp__tuner *tuner = contest->tuner;
    const bp__tile usual = *tile_of(&tuner->best, kind);
    const bp__tile *next = tuner->vector_width == 8 ? few_registers : many_registers;
    size_t chosen;
    BP_TRY(add(contest, kind, usual));
    for (; next->rows && !bp__tuner_past(tuner, kind->built); ++next)
        if ((next->rows != usual.rows || next->vectors != usual.vectors) &&
            possible(kind, next, tuner->vector_width))
            BP_TRY(add(contest, kind, *next));
    BP_TRY(bp__contest_run(contest, kind->timed));
    BP_TRY(bp__contest_decide(&chosen, contest, &network));
    *tile_of(&tuner->best, kind) = *tile_of(&contest->trials[chosen].way.tuning, kind);
    return bp__contest_report(contest, chosen);
}

bp_status bp__tune_tiles(bp__tuner *tuner)
{
    for (size_t k = 0; k < BP_COUNT(kinds); ++k) {
        bp__contest contest;
        bp_status status = bp__contest_begin(&contest, tuner, kinds[k].subject, &network);
        if (status == BP_OK) status = hold(&contest, &kinds[k]);
        bp__contest_end(&contest);
        BP_TRY(status);
    }
    return BP_OK;
}
