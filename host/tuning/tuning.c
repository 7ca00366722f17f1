/* tuning.c - the struct of what is tuned: defaults, limits, and its form as JSON. */
#include "tuning/tuning.h"

#include <stdio.h>
#include <string.h>

static const char *const cost_keys[] = {
#define BP_COST_KEY(NAME, key, value) key,
    BP_COSTS(BP_COST_KEY)
#undef BP_COST_KEY
};

static const char *const shape_keys[] = {
#define BP_SHAPE_KEY(NAME, key, text) key,
    BP_SHAPES(BP_SHAPE_KEY)
#undef BP_SHAPE_KEY
};

enum { NARROW_SIDE = 32, SMALL_RESULTS = 256 * 256, MEDIUM_RESULTS = 1024 * 1024 };

bp__shape bp__shape_of(size_t rows, size_t columns)
{
    if (rows <= NARROW_SIDE || columns <= NARROW_SIDE) return BP__SHAPE_NARROW;
    if (rows <= SMALL_RESULTS / columns) return BP__SHAPE_SMALL;
    return rows <= MEDIUM_RESULTS / columns ? BP__SHAPE_MEDIUM : BP__SHAPE_LARGE;
}

const char *bp__shape_name(bp__shape shape)
{
    return shape_keys[shape];
}

bp__tuning bp__tuning_default(unsigned vector_width)
{
    /* Vectors of 16 floats come with 32 registers, as do those of 4 (NEON); those of 8 with 16. A
     * tile needs its sums, a row of vectors and one broadcast. */
    const unsigned rows = vector_width == 8 ? 4 : 8;
    return (bp__tuning){.product = {rows, 3},
                        .gradient = {rows, 3},
                        .cost = {
#define BP_COST_VALUE(NAME, key, value) value,
                            BP_COSTS(BP_COST_VALUE)
#undef BP_COST_VALUE
                        }};
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static bp_status check_tile(const char *name, const bp__tile *tile)
{
    if (tile->rows >= BP__TILE_LEAST_ROWS && tile->rows <= BP__TILE_MOST_ROWS &&
        tile->vectors >= 1 && tile->vectors <= BP__TILE_MOST_VECTORS &&
        tile->rows * tile->vectors <= BP__TILE_MOST_SUMS)
        return BP_OK;
    return bp__fail(
        BP_ERROR_DATA,
        "%s: a tile of %u x %u; rows from %d to %d, vectors from 1 to %d and at most %d "
        "sums are possible",
        name, tile->rows, tile->vectors, (int)BP__TILE_LEAST_ROWS, (int)BP__TILE_MOST_ROWS,
        (int)BP__TILE_MOST_VECTORS, (int)BP__TILE_MOST_SUMS);
}

bp_status bp__tuning_check(const bp__tuning *tuning)
{
    BP_TRY(check_tile("product", &tuning->product));
    BP_TRY(check_tile("gradient", &tuning->gradient));
    if (tuning->gradient.rows & (tuning->gradient.rows - 1))
        return bp__fail(BP_ERROR_DATA, "gradient: %u rows, a power of two is possible",
                        tuning->gradient.rows);
    for (size_t c = 0; c < BP__COSTS; ++c)
        if (!(tuning->cost[c] >= bp__least_cost && tuning->cost[c] <= bp__most_cost))
            return bp__fail(BP_ERROR_DATA, "cost %s: %g nanoseconds, %g to %g is possible",
                            cost_keys[c], tuning->cost[c], bp__least_cost, bp__most_cost);
    for (size_t s = 0; s < BP__SHAPES; ++s) {
        const unsigned tile = tuning->gemm[s].tile;
        if (tuning->gemm[s].clblast && tuning->gemm[s].matrix)
            return bp__fail(BP_ERROR_DATA, "gemm %s: CLBlast and matrix units", shape_keys[s]);
        if (tile != 0 && tile != 16 && tile != 32 && tile != 64 && tile != 128)
            return bp__fail(BP_ERROR_DATA,
                            "gemm %s: a tile of %u, 0, 16, 32, 64 or 128 is possible",
                            shape_keys[s], tile);
    }
    return BP_OK;
}

bool bp__tuning_same(const bp__tuning *a, const bp__tuning *b)
{
    bool same = a->product.rows == b->product.rows && a->product.vectors == b->product.vectors &&
                a->gradient.rows == b->gradient.rows && a->gradient.vectors == b->gradient.vectors;
    for (size_t c = 0; c < BP__COSTS; ++c)
        same = same && !(a->cost[c] < b->cost[c]) && !(a->cost[c] > b->cost[c]);
    for (size_t s = 0; s < BP__SHAPES; ++s)
        same = same && a->gemm[s].tile == b->gemm[s].tile &&
               a->gemm[s].clblast == b->gemm[s].clblast && a->gemm[s].matrix == b->gemm[s].matrix;
    return same;
}

/* ---- In words -------------------------------------------------------------------------------- */

static void describe_cpu(char *out, size_t size, const bp__tuning *tuning)
{
    const bp__tuning usual = bp__tuning_default(1); /* of any width: their costs are the same */
    const bool fitted = memcmp(tuning->cost, usual.cost, sizeof usual.cost) != 0;
    snprintf(out, size, "tiles %u x %u and %u x %u, %s costs%s", tuning->product.rows,
             tuning->product.vectors, tuning->gradient.rows, tuning->gradient.vectors,
             fitted ? "fitted" : "default",
             tuning->cost[BP__COST_WAITING] < bp__most_cost ? "" : ", one thread");
}

static void describe_gpu(char *out, size_t size, const bp__tuning *tuning)
{
    size_t used = (size_t)snprintf(out, size, "products: ");
    for (size_t s = 0; s < BP__SHAPES && used < size; ++s) {
        const bp__gemm_choice *choice = &tuning->gemm[s];
        char way[48] = "default";
        if (choice->tile) snprintf(way, sizeof way, "%u x %u", choice->tile, choice->tile);
        if (choice->matrix) strcat(way, " on matrix units");
        used += (size_t)snprintf(out + used, size - used, "%s%s %s", s ? ", " : "", shape_keys[s],
                                 choice->clblast ? "CLBlast" : way);
    }
}

void bp__tuning_describe(char *out, size_t size, const bp__tuning *tuning, bool cpu)
{
    (cpu ? describe_cpu : describe_gpu)(out, size, tuning);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* jansson's *_new functions accept NULL values and then fail, so one check at the end is enough. */
static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static bool set_tile(json_t *object, const char *key, const bp__tile *tile)
{
    return set(object, key, json_pack("{s:i, s:i}", "rows", tile->rows, "vectors", tile->vectors));
}

bp_status bp__tuning_to_json(json_t **out, const bp__tuning *tuning)
{
    json_t *object = json_object(), *costs = json_object(), *gemm = json_object();
    bool ok = set_tile(object, "product", &tuning->product) &&
              set_tile(object, "gradient", &tuning->gradient);
    /* The object owns both from here on, also where the rest fails. */
    ok = set(object, "costs", costs) && ok;
    ok = set(object, "gemm", gemm) && ok;
    for (size_t c = 0; ok && c < BP__COSTS; ++c)
        ok = set(costs, cost_keys[c], json_real(tuning->cost[c]));
    for (size_t s = 0; ok && s < BP__SHAPES; ++s)
        ok = set(gemm, shape_keys[s],
                 json_pack("{s:i, s:b, s:b}", "tile", tuning->gemm[s].tile, "clblast",
                           (int)tuning->gemm[s].clblast, "matrix", (int)tuning->gemm[s].matrix));
    *out = ok ? object : NULL;
    if (ok) return BP_OK;
    json_decref(object);
    return bp__fail(BP_ERROR_MEMORY, "no memory for a tuning as JSON");
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bp_status fail_member(const char *key, const char *expected)
{
    return bp__fail(BP_ERROR_DATA, "\"%s\" is not there or is not %s", key, expected);
}

/* The object at `key`, which has this many members. */
static bp_status get_object(const json_t **out, const json_t *parent, const char *key,
                            size_t members)
{
    *out = json_object_get(parent, key);
    if (json_is_object(*out) && json_object_size(*out) == members) return BP_OK;
    return bp__fail(BP_ERROR_DATA, "\"%s\" is not there or does not have %zu members", key,
                    members);
}

static bp_status get_number(unsigned *out, const json_t *parent, const char *key)
{
    const json_t *value = json_object_get(parent, key);
    const json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > 1024)
        return fail_member(key, "a whole number from 0 to 1024");
    *out = (unsigned)number;
    return BP_OK;
}

static bp_status get_tile(bp__tile *out, const json_t *parent, const char *key)
{
    const json_t *tile;
    BP_TRY(get_object(&tile, parent, key, 2));
    BP_TRY(get_number(&out->rows, tile, "rows"));
    return get_number(&out->vectors, tile, "vectors");
}

static bp_status get_flag(bool *out, const json_t *parent, const char *key)
{
    const json_t *flag = json_object_get(parent, key);
    if (!json_is_boolean(flag)) return fail_member(key, "true or false");
    *out = json_is_true(flag);
    return BP_OK;
}

static bp_status get_choice(bp__gemm_choice *out, const json_t *gemm, const char *key)
{
    const json_t *choice;
    BP_TRY(get_object(&choice, gemm, key, 3));
    BP_TRY(get_number(&out->tile, choice, "tile"));
    BP_TRY(get_flag(&out->clblast, choice, "clblast"));
    return get_flag(&out->matrix, choice, "matrix");
}

bp_status bp__tuning_from_json(bp__tuning *out, const json_t *json)
{
    enum { MEMBERS = 4 };
    const json_t *costs, *gemm;
    memset(out, 0, sizeof *out);
    if (!json_is_object(json) || json_object_size(json) != MEMBERS)
        return bp__fail(BP_ERROR_DATA, "not an object with %d members", (int)MEMBERS);
    BP_TRY(get_tile(&out->product, json, "product"));
    BP_TRY(get_tile(&out->gradient, json, "gradient"));
    BP_TRY(get_object(&costs, json, "costs", BP__COSTS));
    for (size_t c = 0; c < BP__COSTS; ++c) {
        const json_t *cost = json_object_get(costs, cost_keys[c]);
        if (!json_is_number(cost)) return fail_member(cost_keys[c], "a number");
        out->cost[c] = json_number_value(cost);
    }
    BP_TRY(get_object(&gemm, json, "gemm", BP__SHAPES));
    for (size_t s = 0; s < BP__SHAPES; ++s) BP_TRY(get_choice(&out->gemm[s], gemm, shape_keys[s]));
    return bp__tuning_check(out);
}
