/* describe.c - what raw data looks like, column by column, before anything is learned from it. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/columns.h"
#include "data/data.h"
#include "data/number.h"
#include "data/schema.h"

enum { ROWS_THAT_TELL = 20 }; /* fewer values may differ by chance */

static size_t column_count(const bp_data *data)
{
    if (data->pixel_count) return data->labels ? 2 : 1;
    return data->column_count + data->target_count;
}

/* ---- one column ---- */

/* Mean, deviation and skewness of the values that are there, by a few passes. */
static void measure(bp_column_info *out, const double *values, size_t count)
{
    size_t used;
    double cubes = 0;
    double mean, deviation;
    if (!bp__moments(values, count, &used, &mean, &deviation) || used == 0) return;
    out->mean = mean;
    out->deviation = deviation;
    out->min = INFINITY;
    out->max = -INFINITY;
    for (size_t i = 0; i < count; ++i) {
        if (isnan(values[i])) continue;
        out->min = fmin(out->min, values[i]);
        out->max = fmax(out->max, values[i]);
        double d = out->deviation > 0 ? (values[i] - out->mean) / out->deviation : 0;
        cubes += d * d * d;
    }
    out->skewness = cubes / (double)used;
}

static bool are_whole(const double *values, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        if (!isnan(values[i]) && values[i] != floor(values[i])) return false;
    return true;
}

/* "id", "Index", "customer_id". */
static bool names_rows(const char *name)
{
    static const char *const words[] = {"id", "index", "row", "key"};
    const char *last = strrchr(name, '_');
    char lower[8];
    size_t length = 0;
    for (const char *s = last ? last + 1 : name; *s && length < sizeof lower - 1; ++s)
        lower[length++] = (char)tolower((unsigned char)*s);
    lower[length] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i)
        if (strcmp(lower, words[i]) == 0 && (!last || i == 0)) return true;
    return false;
}

/* Whether the values tell the rows apart rather than say anything of them: all different texts, or
 * whole numbers one after the other, or all different ones that are called so. */
static bool is_id(const bp_column_info *info, const bp__column *column, size_t rows)
{
    if (info->distinct < ROWS_THAT_TELL || info->distinct + info->missing != rows) return false;
    if (info->text) return true;
    if (!are_whole(column->number, rows)) return false;
    return info->max - info->min + 1 == (double)info->distinct || names_rows(info->name);
}

/* A part that was split off knows words that only the other part has. */
static bp_status count_words(size_t *distinct, const bp__column *column, size_t rows)
{
    char *seen;
    *distinct = 0;
    BP_TRY(bp__new_array(&seen, column->words.count, 1));
    for (size_t r = 0; r < rows; ++r) {
        if (column->text[r] == BP__NO_WORD || seen[column->text[r]]) continue;
        seen[column->text[r]] = 1;
        ++*distinct;
    }
    free(seen);
    return BP_OK;
}

static bp_status describe_column(bp_column_info *out, const bp_data *data, size_t k)
{
    const bp__column *column = &data->columns[k];
    *out = (bp_column_info){.name = column->name,
                            .position = column->position,
                            .text = column->kind == BP__COLUMN_TEXT,
                            .is_target = k >= data->column_count,
                            .missing = bp__column_missing(column, data->rows),
                            .min = NAN,
                            .max = NAN,
                            .mean = NAN,
                            .deviation = NAN,
                            .skewness = NAN};
    if (out->text) {
        BP_TRY(count_words(&out->distinct, column, data->rows));
    } else {
        double *values;
        BP_TRY(
            bp__distinct_numbers(&values, &out->distinct, column->number, data->rows, data->rows));
        free(values);
        measure(out, column->number, data->rows);
    }
    bool classes = out->is_target && data->task == BP_TASK_CLASSIFY;
    out->kind = out->distinct == 0               ? BP_COLUMN_EMPTY
                : out->distinct == 1             ? BP_COLUMN_CONSTANT
                : classes                        ? BP_COLUMN_CATEGORY
                : is_id(out, column, data->rows) ? BP_COLUMN_ID
                : out->text                      ? BP_COLUMN_CATEGORY
                                                 : BP_COLUMN_NUMBER;
    return BP_OK;
}

/* ---- pictures ---- */

/* All pixels together. Sums of bytes and of float32 values cannot overflow doubles. */
static void describe_pixels(bp_column_info *out, const bp_data *data)
{
    const size_t count = data->rows * data->pixel_count;
    size_t seen[256] = {0};
    double sum = 0, squares = 0, cubes = 0;
    *out = (bp_column_info){.name = "pixel", .min = INFINITY, .max = -INFINITY};
    for (size_t i = 0; i < count; ++i) {
        double value = data->pixels ? data->pixels[i] : (double)data->values[i];
        if (data->pixels) ++seen[data->pixels[i]];
        sum += value;
        out->min = fmin(out->min, value);
        out->max = fmax(out->max, value);
    }
    out->mean = sum / (double)count;
    for (size_t i = 0; i < count; ++i) {
        double d = (data->pixels ? data->pixels[i] : (double)data->values[i]) - out->mean;
        squares += d * d;
        cubes += d * d * d;
    }
    for (int v = 0; v < 256; ++v) out->distinct += seen[v] > 0;
    out->deviation = sqrt(squares / (double)count);
    out->skewness = out->deviation > 0 ? cubes / (double)count / pow(out->deviation, 3) : 0;
    out->kind = out->min == out->max ? BP_COLUMN_CONSTANT : BP_COLUMN_NUMBER;
}

static void describe_labels(bp_column_info *out, const size_t *counts, size_t classes)
{
    *out = (bp_column_info){.name = "label",
                            .kind = BP_COLUMN_CATEGORY,
                            .is_target = 1,
                            .min = NAN,
                            .max = NAN,
                            .mean = NAN,
                            .deviation = NAN,
                            .skewness = NAN};
    for (size_t c = 0; c < classes; ++c) out->distinct += counts[c] > 0;
    if (out->distinct == 1) out->kind = BP_COLUMN_CONSTANT;
}

/* counts[0…] of each label; the caller's. */
static bp_status count_labels(size_t **counts, size_t *classes, const bp_data *data)
{
    *classes = 0;
    for (size_t r = 0; r < data->rows; ++r)
        if ((size_t)data->labels[r] >= *classes) *classes = (size_t)data->labels[r] + 1;
    BP_TRY(bp__new_array(counts, *classes, sizeof **counts));
    for (size_t r = 0; r < data->rows; ++r) ++(*counts)[data->labels[r]];
    return BP_OK;
}

static bp_status describe_pictures(bp_column_info *out, const bp_data *data)
{
    size_t *counts, classes;
    describe_pixels(&out[0], data);
    if (!data->labels) return BP_OK;
    BP_TRY(count_labels(&counts, &classes, data));
    describe_labels(&out[1], counts, classes);
    free(counts);
    return BP_OK;
}

/* ---- all columns ---- */

bp_status bp_data_describe(bp_column_info **out, size_t *count, const bp_data *data)
{
    BP_TRY(bp__need_rows(data, "bp_data_describe"));
    if (!out || !count)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_describe: there is no place for the result");
    *out = NULL;
    *count = 0;
    if (!data || data->encoded)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_describe: raw data is needed");
    bp_column_info *infos;
    const size_t columns = column_count(data);
    BP_TRY(bp__new_array(&infos, columns, sizeof *infos));
    bp_status status = BP_OK;
    if (data->pixel_count) status = describe_pictures(infos, data);
    for (size_t k = 0; !data->pixel_count && k < columns && status == BP_OK; ++k)
        status = describe_column(&infos[k], data, k);
    if (status != BP_OK) {
        free(infos);
        return status;
    }
    *out = infos;
    *count = columns;
    return BP_OK;
}

/* ---- values and how often they occur ---- */

/* counts[i] of values[i], as texts of one block; entries of count 0 are left out. */
static bp_status pack_counts(bp_value_count **out, size_t *count, const bp__words *words,
                             const size_t *counts)
{
    size_t bytes, kept = 0, text = 0;
    for (size_t i = 0; i < words->count; ++i) {
        if (counts[i] == 0) continue;
        ++kept;
        text += strlen(bp__words_get(words, i)) + 1;
    }
    if (!bp__mul_size(&bytes, kept, sizeof **out) || !bp__add_size(&bytes, bytes, text))
        return bp__fail_memory(SIZE_MAX);
    BP_TRY(bp__new_array(out, bytes, 1));
    char *to = (char *)(*out + kept);
    for (size_t i = 0; i < words->count; ++i) {
        if (counts[i] == 0) continue;
        const char *word = bp__words_get(words, i);
        (*out)[*count] = (bp_value_count){.value = to, .count = counts[i]};
        ++*count;
        memcpy(to, word, strlen(word) + 1);
        to += strlen(word) + 1;
    }
    return BP_OK;
}

/* Distinct values in the order of classes, and how often each occurs. */
static bp_status count_texts(bp__words *words, size_t **counts, const bp__column *column,
                             size_t rows)
{
    uint32_t *order, index, *rank;
    const size_t distinct = column->words.count;
    BP_TRY(bp__new_array(counts, distinct, sizeof **counts));
    BP_TRY(bp__words_sorted(&order, &column->words));
    bp_status status = bp__new_array(&rank, distinct, sizeof *rank);
    for (size_t i = 0; i < distinct && status == BP_OK; ++i) {
        rank[order[i]] = (uint32_t)i;
        status = bp__words_add(words, bp__words_get(&column->words, order[i]), &index);
    }
    for (size_t r = 0; r < rows && status == BP_OK; ++r)
        if (column->text[r] != BP__NO_WORD) ++(*counts)[rank[column->text[r]]];
    free(rank);
    free(order);
    return status;
}

static bp_status count_numbers(bp__words *words, size_t **counts, const double *number, size_t rows)
{
    double *values;
    size_t distinct;
    uint32_t index;
    char text[32];
    BP_TRY(bp__distinct_numbers(&values, &distinct, number, rows, rows));
    bp_status status = bp__new_array(counts, distinct, sizeof **counts);
    for (size_t i = 0; i < distinct && status == BP_OK; ++i)
        status = bp__words_add(words, bp__number_text(text, values[i]), &index);
    for (size_t r = 0; r < rows && status == BP_OK; ++r)
        if (!isnan(number[r])) ++(*counts)[bp__find_number(values, distinct, number[r])];
    free(values);
    return status;
}

static bp_status count_label_values(bp__words *words, size_t **counts, const bp_data *data)
{
    size_t classes;
    uint32_t index;
    char text[32];
    BP_TRY(count_labels(counts, &classes, data));
    for (size_t c = 0; c < classes; ++c)
        BP_TRY(bp__words_add(words, bp__number_text(text, (double)c), &index));
    return BP_OK;
}

bp_status bp_data_count_values(bp_value_count **out, size_t *count, const bp_data *data, size_t k)
{
    BP_TRY(bp__need_rows(data, "bp_data_count_values"));
    if (!out || !count)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_data_count_values: there is no place for the result");
    *out = NULL;
    *count = 0;
    if (!data || data->encoded || k >= column_count(data) || (data->pixel_count && k == 0))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_data_count_values: a column of raw data is needed, pixels are none");
    bp__words words = {0};
    size_t *counts = NULL;
    bp_status status;
    if (data->pixel_count)
        status = count_label_values(&words, &counts, data);
    else if (data->columns[k].kind == BP__COLUMN_TEXT)
        status = count_texts(&words, &counts, &data->columns[k], data->rows);
    else
        status = count_numbers(&words, &counts, data->columns[k].number, data->rows);
    if (status == BP_OK) status = pack_counts(out, count, &words, counts);
    bp__words_free(&words);
    free(counts);
    return status;
}
