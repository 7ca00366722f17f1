/* notes.c - what is remembered of the columns of streamed data. */
#include "data/notes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "data/columns.h"
#include "data/raw_rows.h"

/* The new elements are 0. */
static bp_status grow_counts(size_t **counts, size_t *capacity, size_t needed)
{
    const size_t before = *capacity;
    if (needed <= before) return BP_OK;
    BP_TRY(bp__grow(counts, capacity, needed, sizeof **counts));
    memset(*counts + before, 0, (*capacity - before) * sizeof **counts);
    return BP_OK;
}

bp_status bp__notes_new(bp__notes **out, bool target)
{
    BP_TRY(bp__new_array(out, 1, sizeof **out));
    (*out)->constant = (*out)->whole = true;
    (*out)->tallies = target;
    bp__moments_begin(&(*out)->sums);
    return BP_OK;
}

void bp__notes_free(bp__notes *notes)
{
    if (!notes) return;
    free(notes->words);
    free(notes->values);
    free(notes);
}

/* ---- the different numbers of a target ---- */

static size_t slot_of(const bp__notes *n, double value)
{
    uint64_t bits;
    if (value == 0) value = 0; /* both zeros are one */
    memcpy(&bits, &value, sizeof bits);
    bits *= 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(bits >> 32) & (n->slots - 1);
    while (n->values[at].count > 0 && n->values[at].value != value) at = (at + 1) & (n->slots - 1);
    return at;
}

static bp_status grow_values(bp__notes *n)
{
    enum { FIRST_SLOTS = 64 };
    bp__notes larger = {.slots = n->slots ? 2 * n->slots : FIRST_SLOTS};
    BP_TRY(bp__new_array(&larger.values, larger.slots, sizeof *larger.values));
    for (size_t i = 0; i < n->slots; ++i)
        if (n->values[i].count > 0)
            larger.values[slot_of(&larger, n->values[i].value)] = n->values[i];
    free(n->values);
    n->values = larger.values;
    n->slots = larger.slots;
    return BP_OK;
}

static bp_status tally(bp__notes *n, double value)
{
    if (2 * n->value_count >= n->slots) BP_TRY(grow_values(n));
    bp__tallied *at = &n->values[slot_of(n, value)];
    if (at->count++ > 0) return BP_OK;
    at->value = value == 0 ? 0 : value;
    if (++n->value_count <= BP__CLASSES_LIMIT) return BP_OK;
    free(n->values);
    n->values = NULL;
    n->slots = 0;
    n->too_many = true;
    return BP_OK;
}

static int compare_tallied(const void *a, const void *b)
{
    const double x = ((const bp__tallied *)a)->value, y = ((const bp__tallied *)b)->value;
    return (x > y) - (x < y);
}

void bp__notes_sort(bp__notes *notes)
{
    if (notes->sorted) return;
    notes->sorted = true;
    size_t used = 0;
    for (size_t i = 0; i < notes->slots; ++i)
        if (notes->values[i].count > 0) notes->values[used++] = notes->values[i];
    if (used > 0) qsort(notes->values, used, sizeof *notes->values, compare_tallied);
}

/* ---- the cells ---- */

static bp_status add_numbers(bp__notes *n, const double *number, size_t rows)
{
    bp__moments_first(&n->sums, number, rows);
    for (size_t r = 0; r < rows; ++r) {
        const double value = number[r];
        if (isnan(value)) {
            ++n->missing;
            continue;
        }
        if (n->rows + r == n->missing) n->first = value;
        n->constant = n->constant && value == n->first;
        n->whole = n->whole && value == floor(value);
        if (n->tallies && !n->too_many) BP_TRY(tally(n, value));
    }
    return BP_OK;
}

static bp_status add_texts(bp__notes *n, const uint32_t *text, size_t rows, size_t words)
{
    BP_TRY(grow_counts(&n->words, &n->word_capacity, words));
    for (size_t r = 0; r < rows; ++r) {
        if (text[r] == BP__NO_WORD) {
            ++n->missing;
            continue;
        }
        if (n->rows + r == n->missing) n->first_word = text[r];
        n->constant = n->constant && text[r] == n->first_word;
        ++n->words[text[r]];
    }
    return BP_OK;
}

bp_status bp__notes_add(bp__notes *notes, const bp__column *cells, size_t rows)
{
    BP_TRY(cells->number ? add_numbers(notes, cells->number, rows)
                         : add_texts(notes, cells->text, rows, cells->words.count));
    notes->rows += rows;
    return BP_OK;
}

/* ---- all columns ---- */

static bp_status note_block(const bp_data *data, const bp_data *block, bool second)
{
    for (size_t k = 0; k < data->column_count + data->target_count; ++k) {
        const bp__column *cells = &block->columns[k];
        bp__notes *n = data->columns[k].notes;
        if (!second)
            BP_TRY(bp__notes_add(n, cells, block->rows));
        else if (cells->number && n->measurable)
            bp__moments_second(&n->sums, cells->number, block->rows);
    }
    return BP_OK;
}

static bp_status pass_over(const bp_data *data, bool second)
{
    bp__cursor cursor;
    const bp_data *block = NULL;
    bp_status status = bp__cursor_begin(&cursor, data, true);
    if (status == BP_OK) status = bp__cursor_next(&cursor, &block);
    while (status == BP_OK && block) {
        status = note_block(data, block, second);
        if (status == BP_OK) status = bp__cursor_next(&cursor, &block);
    }
    bp__cursor_end(&cursor);
    return status;
}

bp_status bp__notes_complete(const bp_data *data)
{
    const size_t count = data->column_count + data->target_count;
    if (!data->raw_rows || !data->columns || data->columns->notes->measured) return BP_OK;
    const double start = bp__seconds();
    if (data->columns->notes->rows == 0) BP_TRY(pass_over(data, false));
    for (size_t k = 0; k < count; ++k) {
        bp__notes *n = data->columns[k].notes;
        bp__notes_sort(n);
        n->measurable = bp__moments_middle(&n->sums);
        n->measured = true;
    }
    BP_TRY(pass_over(data, true));
    ((bp_data *)data)->stream.learn_seconds += bp__seconds() - start;
    return BP_OK;
}

/* ---- classes ---- */

static bp_status take_words(bp__share *share, const bp__column *target)
{
    const bp__notes *n = target->notes;
    uint32_t *order;
    share->classes = share->rank_count = target->words.count;
    BP_TRY(bp__new_array(&share->sizes, share->classes, sizeof *share->sizes));
    BP_TRY(bp__new_array(&share->ranks, share->classes, sizeof *share->ranks));
    BP_TRY(bp__words_sorted(&order, &target->words));
    for (size_t i = 0; i < share->classes; ++i) {
        share->ranks[order[i]] = (uint32_t)i;
        share->sizes[i] = n->words[order[i]];
    }
    free(order);
    return BP_OK;
}

static bp_status take_values(bp__share *share, const bp_data *data, const bp__notes *n)
{
    if (n->too_many)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the target has more than %zu classes; is it a measurement, and the "
                        "task regression?",
                        bp__data_source(data), BP__CLASSES_LIMIT);
    share->classes = n->value_count;
    BP_TRY(bp__new_array(&share->sizes, share->classes, sizeof *share->sizes));
    BP_TRY(bp__new_array(&share->values, share->classes, sizeof *share->values));
    for (size_t i = 0; i < share->classes; ++i) {
        share->values[i] = n->values[i].value;
        share->sizes[i] = n->values[i].count;
    }
    return BP_OK;
}

static bp_status count_labels(bp__share *share, const bp_data *block, size_t *capacity)
{
    for (size_t r = 0; r < block->rows; ++r) {
        const size_t label = (size_t)block->labels[r];
        BP_TRY(grow_counts(&share->sizes, capacity, label + 1));
        if (label >= share->classes) share->classes = label + 1;
        ++share->sizes[label];
    }
    return BP_OK;
}

static bp_status take_labels(bp__share *share, const bp_data *data)
{
    bp__cursor cursor;
    size_t capacity = 0;
    const bp_data *block = NULL;
    bp_status status = bp__cursor_begin(&cursor, data, false);
    if (status == BP_OK) status = bp__cursor_next(&cursor, &block);
    while (status == BP_OK && block) {
        status = count_labels(share, block, &capacity);
        if (status == BP_OK) status = bp__cursor_next(&cursor, &block);
    }
    bp__cursor_end(&cursor);
    return status;
}

bp_status bp__notes_classes(bp__share *share, const bp_data *data)
{
    if (bp__has_picture_labels(data)) return take_labels(share, data);
    if (data->task == BP_TASK_CLASSIFY && data->target_count == 1) {
        const bp__column *target = bp__data_target(data, 0);
        if (target->kind == BP__COLUMN_TEXT) return take_words(share, target);
        bp__notes_sort(target->notes);
        return take_values(share, data, target->notes);
    }
    share->classes = 1;
    BP_TRY(bp__new_array(&share->sizes, 1, sizeof *share->sizes));
    share->sizes[0] = data->rows;
    return BP_OK;
}
