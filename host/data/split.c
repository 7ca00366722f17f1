/* split.c - bp_data_split and bp_data_fold: two parts of a data set, each class in both in the same
 * proportion. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "data/columns.h"
#include "data/notes.h"
#include "data/raw_rows.h"
#include "data/schema.h"
#include "data/split.h"

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

bool bp__draw_next(bp__draw *draw, size_t class)
{
    const size_t at = draw->share->start[class] + draw->seen[class]++;
    return draw->share->chosen[at / 8] >> at % 8 & 1;
}

static void clear_share(bp__share *share)
{
    free(share->sizes);
    free(share->quota);
    free(share->start);
    free(share->chosen);
    free(share->values);
    free(share->ranks);
}

void bp__share_free(bp__share *share)
{
    if (!share) return;
    clear_share(share);
    free(share);
}

bp_status bp__draw_begin(bp__draw *draw, const bp__share *share)
{
    *draw = (bp__draw){.share = share};
    return bp__new_array(&draw->seen, share->classes, sizeof *draw->seen);
}

void bp__draw_end(bp__draw *draw)
{
    free(draw->seen);
    *draw = (bp__draw){0};
}

size_t bp__share_class(const bp__share *share, const bp_data *block, size_t row)
{
    size_t class = 0;
    if (block->labels) {
        class = (size_t)block->labels[row];
    } else if (share->ranks) {
        const uint32_t word = bp__data_target(block, 0)->text[row];
        class = word < share->rank_count ? share->ranks[word] : 0;
    } else if (share->values) {
        class =
            bp__find_number(share->values, share->classes, bp__data_target(block, 0)->number[row]);
    }
    return class < share->classes ? class : 0;
}

/* How a data set is cut in two: a share of the rows, or one of several folds. */
typedef struct cut {
    uint64_t seed;
    size_t wanted;      /* rows of the second part, where folds is 0 */
    size_t folds, fold; /* the second part is this one of so many */
} cut;

static void choose(bp__share *share, size_t class, uint32_t row)
{
    const size_t at = share->start[class] + row;
    share->chosen[at / 8] = (uint8_t)(share->chosen[at / 8] | 1 << at % 8);
}

/* The first rows of a random order of each class. */
static bp_status draw_split(bp__share *share, uint32_t *order, size_t rows, const cut *how)
{
    BP_TRY(share_out(share->quota, share->sizes, share->classes, rows, how->wanted));
    for (size_t c = 0; c < share->classes; ++c) {
        if (share->quota[c] == 0) continue;
        bp__random_permutation(order, share->sizes[c], how->seed, BP__PURPOSE_SPLIT, (uint32_t)c);
        for (size_t i = 0; i < share->quota[c]; ++i) choose(share, c, order[i]);
    }
    return BP_OK;
}

/* The rows of each class, in random order, are dealt out to the folds in turn, one class beginning
 * where the one before it ended. */
static void draw_fold(bp__share *share, uint32_t *order, const cut *how)
{
    size_t next = 0;
    for (size_t c = 0; c < share->classes; ++c) {
        if (share->sizes[c] < 2) continue;
        bp__random_permutation(order, share->sizes[c], how->seed, BP__PURPOSE_FOLD, (uint32_t)c);
        for (size_t i = 0; i < share->sizes[c]; ++i, ++next) {
            if (next % how->folds != how->fold) continue;
            choose(share, c, order[i]);
            ++share->quota[c];
        }
    }
}

/* All that follows from the sizes of the classes; the second part gets *count rows. */
static bp_status draw_share(bp__share *share, size_t rows, const cut *how, size_t *count)
{
    uint32_t *order;
    size_t largest = 0, start = 0;
    BP_TRY(bp__new_array(&share->quota, share->classes, sizeof *share->quota));
    BP_TRY(bp__new_array(&share->start, share->classes, sizeof *share->start));
    BP_TRY(bp__new_array(&share->chosen, rows / 8 + 1, 1));
    for (size_t c = 0; c < share->classes; start += share->sizes[c++]) {
        share->start[c] = start;
        if (share->sizes[c] > largest) largest = share->sizes[c];
    }
    BP_TRY(bp__new_array(&order, largest, sizeof *order));
    bp_status status = BP_OK;
    if (how->folds > 0)
        draw_fold(share, order, how);
    else
        status = draw_split(share, order, rows, how);
    free(order);
    *count = 0;
    for (size_t c = 0; c < share->classes; ++c) *count += share->quota[c];
    return status;
}

/* second[r] = 1 for the rows that go to the second part, *count of them. */
static bp_status draw_rows(char *second, size_t *count, const bp_data *data, const cut *how)
{
    bp__share share = {.second = false};
    bp__draw draw = {0};
    uint32_t *class_of = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__data_classes(&class_of, &share.classes, data));
    BP_TRY_GOTO(bp__new_array(&share.sizes, share.classes, sizeof *share.sizes));
    for (size_t r = 0; r < data->rows; ++r) ++share.sizes[class_of[r]];
    BP_TRY_GOTO(draw_share(&share, data->rows, how, count));
    BP_TRY_GOTO(bp__draw_begin(&draw, &share));
    for (size_t r = 0; r < data->rows; ++r) second[r] = bp__draw_next(&draw, class_of[r]);
fail:
    free(class_of);
    clear_share(&share);
    bp__draw_end(&draw);
    return status;
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

/* The same columns, without values. */
static bp_status copy_columns(bp_data *to, const bp_data *from)
{
    const size_t count = from->column_count + from->target_count;
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
    }
    return BP_OK;
}

static bp_status take_columns(bp_data *to, const bp_data *from, const char *part, char side)
{
    BP_TRY(copy_columns(to, from));
    for (size_t k = 0; k < to->column_count + to->target_count; ++k) {
        const bp__column *source = &from->columns[k];
        bp__column *column = &to->columns[k];
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
    bp__data_copy_shape(to, from);
    BP_TRY(take_columns(to, from, part, side));
    BP_TRY(take_places(to, from, part, side));
    BP_TRY(take(&to->pixels, from->pixels, from->pixel_count, part, side, rows, count));
    BP_TRY(take(&to->values, from->values, from->pixel_count * sizeof(float), part, side, rows,
                count));
    BP_TRY(take(&to->x, from->x, from->features * sizeof(float), part, side, rows, count));
    BP_TRY(take(&to->t, from->t, from->outputs * sizeof(float), part, side, rows, count));
    BP_TRY(take(&to->labels, from->labels, sizeof *from->labels, part, side, rows, count));
    BP_TRY(take(&to->weights, from->weights, sizeof *from->weights, part, side, rows, count));
    return from->schema ? bp_schema_copy(&to->schema, from->schema) : BP_OK;
}

bp_status bp__data_take(bp_data **out, const bp_data *from, const char *part, char side,
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

static bp_status split_resident(bp_data **first, bp_data **second, const bp_data *data,
                                const cut *how, size_t *count)
{
    char *part;
    BP_TRY(bp__new_array(&part, data->rows, 1));
    bp_status status = draw_rows(part, count, data, how);
    if (status == BP_OK) status = bp__data_take(first, data, part, 0, data->rows - *count);
    if (status == BP_OK) status = bp__data_take(second, data, part, 1, *count);
    free(part);
    return status;
}

/* ---- streamed data: what a part is, is written down, and its rows stay where they are ---- */

static bp_status describe_part(bp_data *to, const bp_data *from)
{
    bp__data_copy_shape(to, from);
    to->stream = from->stream;
    to->raw_rows = bp__raw_rows_share(from->raw_rows);
    BP_TRY(copy_columns(to, from));
    for (size_t k = 0; k < to->column_count + to->target_count; ++k)
        BP_TRY(bp__notes_new(&to->columns[k].notes, k >= to->column_count));
    return BP_OK;
}

static bp_status share_part(bp_data **out, const bp_data *from, const cut *how, bool second,
                            size_t *count)
{
    BP_TRY(bp__data_new(out, from->source));
    bp_data *to = *out;
    BP_TRY(describe_part(to, from));
    BP_TRY(bp__new_array(&to->share, 1, sizeof *to->share));
    to->share->second = second;
    BP_TRY(bp__notes_classes(to->share, from));
    BP_TRY(draw_share(to->share, from->rows, how, count));
    to->rows = second ? *count : from->rows - *count;
    return BP_OK;
}

static bp_status split_streamed(bp_data **first, bp_data **second, const bp_data *data,
                                const cut *how, size_t *count)
{
    if (data->share || data->encoded)
        return bp__fail(BP_ERROR_UNSUPPORTED, "streamed data is split once, before it is encoded");
    BP_TRY(share_part(first, data, how, false, count));
    return share_part(second, data, how, true, count);
}

/* ---- both ---- */

/* empty: what is said where a part would have no rows. */
static bp_status split(bp_data **first, bp_data **second, const bp_data *data, const cut *how,
                       const char *empty)
{
    size_t count = 0;
    const bool streamed = data->raw_rows || data->encoded_rows;
    bp_status status = streamed ? split_streamed(first, second, data, how, &count)
                                : split_resident(first, second, data, how, &count);
    if (status == BP_OK && (count == 0 || count == data->rows))
        status = bp__fail(BP_ERROR_ARGUMENT, "%s", empty);
    if (status == BP_OK) return BP_OK;
    bp_data_free(*first);
    bp_data_free(*second);
    *first = *second = NULL;
    return status;
}

bp_status bp_data_split(bp_data **first, bp_data **second, const bp_data *data, double fraction,
                        uint64_t seed)
{
    cut how = {.seed = seed};
    char empty[128];
    if (!first || !second)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_split: there is no place for a part");
    *first = *second = NULL;
    BP_TRY(check_arguments(&how.wanted, data, fraction));
    snprintf(empty, sizeof empty,
             "bp_data_split: a fraction of %g of %zu rows leaves one part empty", fraction,
             data->rows);
    if (how.wanted == 0 || how.wanted == data->rows)
        return bp__fail(BP_ERROR_ARGUMENT, "%s", empty);
    return split(first, second, data, &how, empty);
}

bp_status bp_data_fold(bp_data **training, bp_data **held, const bp_data *data, size_t folds,
                       size_t fold, uint64_t seed)
{
    const cut how = {.seed = seed, .folds = folds, .fold = fold};
    char empty[160];
    if (!training || !held || !data)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_fold: training, held and data are needed");
    *training = *held = NULL;
    if (folds < 2 || fold >= folds || folds > data->rows || data->rows > UINT32_MAX)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_data_fold: fold %zu of %zu of %zu rows; 2 folds or more, at most as "
                        "many as rows, are possible",
                        fold, folds, data->rows);
    snprintf(empty, sizeof empty,
             "bp_data_fold: fold %zu of %zu is empty: only classes with two rows or more are held "
             "out",
             fold, folds);
    return split(training, held, data, &how, empty);
}
