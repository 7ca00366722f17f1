/* split.c - bp_data_split: two parts of a data set, each class in both in the same proportion. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "data/columns.h"
#include "data/schema.h"

/* ---- which rows ---- */

/* A class's claim to one more row. */
typedef struct claim {
    uint64_t remainder;
    uint32_t class;
} claim;

static int compare_claims(const void *a, const void *b)
{
    const claim *x = a, *y = b;
    if (x->remainder != y->remainder) return x->remainder < y->remainder ? 1 : -1;
    return (x->class > y->class) - (x->class < y->class);
}

/* quota[c] of the sizes[c] rows of class c go to the second part, `wanted` in all: the method of
 * the largest remainder, in integers. A class keeps at least one row in the first part, so that
 * what the second part asks for has been seen; then fewer than wanted may go. */
static bp_status share_out(size_t *quota, const size_t *sizes, size_t classes, size_t rows,
                           size_t wanted)
{
    claim *claims;
    size_t given = 0;
    BP_TRY(bp__new_array(&claims, classes, sizeof *claims));
    for (size_t c = 0; c < classes; ++c) {
        uint64_t product = (uint64_t)wanted * sizes[c]; /* both below 2^32 */
        quota[c] = (size_t)(product / rows);
        claims[c] = (claim){product % rows, (uint32_t)c};
        if (quota[c] >= sizes[c]) quota[c] = sizes[c] ? sizes[c] - 1 : 0;
        given += quota[c];
    }
    qsort(claims, classes, sizeof *claims, compare_claims);
    for (bool any = true; any && given < wanted;) {
        any = false;
        for (size_t i = 0; i < classes && given < wanted; ++i) {
            size_t c = claims[i].class;
            if (quota[c] + 1 >= sizes[c]) continue;
            ++quota[c];
            ++given;
            any = true;
        }
    }
    free(claims);
    return BP_OK;
}

/* Scratch space of a split. */
typedef struct draw {
    uint32_t *class_of;            /* [rows] */
    size_t *sizes, *quota, *start; /* [classes] */
    uint32_t *member;              /* [rows], the rows of class 0, then of class 1… */
    uint32_t *order;               /* [rows of the largest class] */
    size_t classes;
} draw;

static void draw_free(draw *d)
{
    free(d->class_of);
    free(d->sizes);
    free(d->quota);
    free(d->start);
    free(d->member);
    free(d->order);
}

static bp_status draw_classes(draw *d, const bp_data *data)
{
    BP_TRY(bp__data_classes(&d->class_of, &d->classes, data));
    BP_TRY(bp__new_array(&d->sizes, d->classes, sizeof *d->sizes));
    BP_TRY(bp__new_array(&d->quota, d->classes, sizeof *d->quota));
    BP_TRY(bp__new_array(&d->start, d->classes + 1, sizeof *d->start));
    BP_TRY(bp__new_array(&d->member, data->rows, sizeof *d->member));
    BP_TRY(bp__new_array(&d->order, data->rows, sizeof *d->order));
    for (size_t r = 0; r < data->rows; ++r) ++d->sizes[d->class_of[r]];
    for (size_t c = 0; c < d->classes; ++c) d->start[c + 1] = d->start[c] + d->sizes[c];
    for (size_t r = 0; r < data->rows; ++r) d->member[d->start[d->class_of[r]]++] = (uint32_t)r;
    for (size_t c = 0; c < d->classes; ++c) d->start[c] -= d->sizes[c];
    return BP_OK;
}

/* second[r] = 1 for the rows that go to the second part, *count of them. */
static bp_status draw_rows(char *second, size_t *count, draw *d, const bp_data *data, size_t wanted,
                           uint64_t seed)
{
    BP_TRY(draw_classes(d, data));
    BP_TRY(share_out(d->quota, d->sizes, d->classes, data->rows, wanted));
    *count = 0;
    for (size_t c = 0; c < d->classes; ++c) {
        if (d->quota[c] == 0) continue;
        bp__random_permutation(d->order, d->sizes[c], seed, BP__PURPOSE_SPLIT, (uint32_t)c);
        for (size_t i = 0; i < d->quota[c]; ++i) second[d->member[d->start[c] + d->order[i]]] = 1;
        *count += d->quota[c];
    }
    return BP_OK;
}

/* ---- copies of rows ---- */

/* The rows of `from` (row_bytes each) with part[r] == side; a NULL copies as NULL. */
static bp_status take(void *out, const void *from, size_t row_bytes, const char *part, char side,
                      size_t rows, size_t count)
{
    if (!from) return BP_OK;
    BP_TRY(bp__new_array(out, count, row_bytes));
    char *to = *(char **)out;
    for (size_t r = 0; r < rows; ++r) {
        if (part[r] != side) continue;
        memcpy(to, (const char *)from + r * row_bytes, row_bytes);
        to += row_bytes;
    }
    return BP_OK;
}

static bp_status take_columns(bp_data *to, const bp_data *from, const char *part, char side)
{
    size_t count = from->column_count + from->target_count;
    if (!from->columns) return BP_OK;
    BP_TRY(bp__new_array(&to->columns, count, sizeof *to->columns));
    to->column_count = from->column_count;
    to->target_count = from->target_count;
    for (size_t k = 0; k < count; ++k) {
        const bp__column *source = &from->columns[k];
        bp__column *column = &to->columns[k];
        column->kind = source->kind;
        column->position = source->position;
        column->reported = source->reported;
        BP_TRY(bp__copy_text(&column->name, source->name));
        BP_TRY(bp__words_copy(&column->words, &source->words));
        BP_TRY(take(&column->number, source->number, sizeof *source->number, part, side, from->rows,
                    to->rows));
        BP_TRY(take(&column->text, source->text, sizeof *source->text, part, side, from->rows,
                    to->rows));
        if (k < from->column_count) to->missing += bp__column_missing(column, to->rows);
    }
    return BP_OK;
}

static bp_status take_places(bp_data *to, const bp_data *from, const char *part, char side)
{
    BP_TRY(bp__new_array(&to->files, from->file_count, sizeof *to->files));
    for (; to->file_count < from->file_count; ++to->file_count)
        BP_TRY(bp__copy_text(&to->files[to->file_count], from->files[to->file_count]));
    to->lines_are_rows = from->lines_are_rows;
    BP_TRY(take(&to->file, from->file, sizeof *from->file, part, side, from->rows, to->rows));
    return take(&to->line, from->line, sizeof *from->line, part, side, from->rows, to->rows);
}

static bp_status take_part(bp_data *to, const bp_data *from, const char *part, char side)
{
    size_t rows = from->rows, count = to->rows;
    to->task = from->task;
    to->format = from->format;
    to->encoded = from->encoded;
    to->pixel_count = from->pixel_count;
    to->image_height = from->image_height;
    to->image_width = from->image_width;
    to->features = from->features;
    to->outputs = from->outputs;
    BP_TRY(take_columns(to, from, part, side));
    BP_TRY(take_places(to, from, part, side));
    BP_TRY(take(&to->pixels, from->pixels, from->pixel_count, part, side, rows, count));
    BP_TRY(take(&to->values, from->values, from->pixel_count * sizeof(float), part, side, rows,
                count));
    BP_TRY(take(&to->x, from->x, from->features * sizeof(float), part, side, rows, count));
    BP_TRY(take(&to->t, from->t, from->outputs * sizeof(float), part, side, rows, count));
    BP_TRY(take(&to->labels, from->labels, sizeof *from->labels, part, side, rows, count));
    return from->schema ? bp_schema_copy(&to->schema, from->schema) : BP_OK;
}

static bp_status new_part(bp_data **out, const bp_data *from, const char *part, char side,
                          size_t count)
{
    BP_TRY(bp__data_new(out, from->source));
    (*out)->rows = count;
    bp_status status = take_part(*out, from, part, side);
    if (status != BP_OK) {
        bp_data_free(*out);
        *out = NULL;
    }
    return status;
}

static bp_status check_arguments(size_t *wanted, const bp_data *data, double fraction)
{
    if (!data) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_split: data is NULL");
    if (!(fraction > 0 && fraction < 1))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_data_split: the fraction is %g; more than 0 and less than "
                        "1 was expected",
                        fraction);
    if (data->rows > UINT32_MAX)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_split: %zu rows, at most %u", data->rows,
                        UINT32_MAX);
    *wanted = (size_t)round(fraction * (double)data->rows);
    return BP_OK;
}

bp_status bp_data_split(bp_data **first, bp_data **second, const bp_data *data, double fraction,
                        uint64_t seed)
{
    size_t wanted = 0, count = 0;
    char *part;
    draw d = {0};
    if (!first || !second)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_split: there is no place for a part");
    *first = *second = NULL;
    BP_TRY(check_arguments(&wanted, data, fraction));
    BP_TRY(bp__new_array(&part, data->rows, 1));
    bp_status status = draw_rows(part, &count, &d, data, wanted, seed);
    draw_free(&d);
    if (status == BP_OK && (wanted == 0 || wanted == data->rows || count == 0))
        status = bp__fail(BP_ERROR_ARGUMENT,
                          "bp_data_split: a fraction of %g of %zu rows leaves one "
                          "part empty",
                          fraction, data->rows);
    if (status == BP_OK) status = new_part(first, data, part, 0, data->rows - count);
    if (status == BP_OK) status = new_part(second, data, part, 1, count);
    if (status != BP_OK) {
        bp_data_free(*first);
        *first = NULL;
    }
    free(part);
    return status;
}
