/* csv_table.c - a table's picked columns read from its parts, which threads share. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "data/csv_cells.h"
#include "data/number.h"

/* A part on its way. */
typedef struct slot {
    const bp__csv_part *part;
    size_t begin;           /* its first row of the table */
    double **number;        /* [count], where its cells belong */
    uint32_t **text;        /* [count], NULL for columns of numbers */
    bp__csv_tally *tallies; /* [count], its own */
    bp__words *words;       /* [count], its own */
} slot;

typedef struct reader {
    bp_data *data;
    const bp__csv *csv;
    const bp__pick *picks;
    size_t count;
    bp__csv_tally *tallies;        /* [count] */
    bool texts;                    /* columns of texts are read now, before that all as numbers */
    slot *slots;                   /* [slot_count] */
    size_t slot_count, next, rows; /* the part that is taken next, and its first row */
} reader;

static size_t rows_of(const bp__csv_part *part)
{
    return part->records - part->header;
}

static bp_status take_part(void *context, size_t number, bool *there)
{
    reader *in = context;
    slot *s = &in->slots[number];
    *there = in->next < in->csv->part_count;
    if (!*there) return BP_OK;
    s->part = &in->csv->parts[in->next++];
    s->begin = in->rows;
    in->rows += rows_of(s->part);
    for (size_t k = 0; k < in->count; ++k) {
        const bp__column *column = &in->data->columns[k];
        s->number[k] = column->number ? column->number + s->begin : NULL;
        s->text[k] = column->text ? column->text + s->begin : NULL;
        s->tallies[k] = (bp__csv_tally){0};
    }
    return BP_OK;
}

static bp_status read_part(void *context, size_t number)
{
    const reader *in = context;
    const slot *s = &in->slots[number];
    bp__point point;
    if (in->texts) return bp__csv_read_words(s->part, in->picks, in->count, s->text, s->words);
    BP_TRY(bp__point_begin(&point));
    bp__csv_read_numbers(s->part, in->picks, in->count, s->number, s->tallies);
    bp__point_end(&point);
    return BP_OK;
}

static bp_status keep_part(void *context, size_t number)
{
    reader *in = context;
    slot *s = &in->slots[number];
    for (size_t k = 0; k < in->count; ++k) {
        if (!in->texts) bp__csv_tally_add(&in->tallies[k], &s->tallies[k]);
        if (!in->texts || !s->text[k]) continue;
        BP_TRY(bp__words_merge(&in->data->columns[k].words, &s->words[k], s->text[k],
                               rows_of(s->part)));
        bp__words_free(&s->words[k]);
    }
    return BP_OK;
}

static bp_status read_parts(reader *in, bool texts)
{
    const bp__pipeline pipeline = {in->slot_count, take_part, read_part, keep_part};
    in->texts = texts;
    in->next = in->rows = 0;
    return bp__pipeline_run(&pipeline, in);
}

/* Turns the columns that are not numbers after all into texts. */
static bp_status decide_kinds(reader *in, bool *any)
{
    *any = false;
    for (size_t k = 0; k < in->count; ++k) {
        bp__column *column = &in->data->columns[k];
        bool text;
        BP_TRY(bp__csv_decide(&text, &in->tallies[k], &in->picks[k]));
        if (!text) continue;
        *any = true;
        free(column->number);
        column->number = NULL;
        column->kind = BP__COLUMN_TEXT;
        BP_TRY(bp__new_array(&column->text, in->data->rows, sizeof *column->text));
    }
    return BP_OK;
}

/* Where each row came from. */
static bp_status note_places(bp_data *data, const bp__csv *csv)
{
    size_t begin = 0;
    for (size_t i = 0; i < csv->part_count; ++i) {
        const bp__csv_part *part = &csv->parts[i];
        const size_t end = begin + rows_of(part);
        BP_TRY(bp__data_note_rows(data, part->source, part->line + part->header, begin, end));
        begin = end;
    }
    return BP_OK;
}

static bp_status new_slots(reader *in)
{
    in->slot_count = bp__pipeline_slots();
    BP_TRY(bp__new_array(&in->slots, in->slot_count, sizeof *in->slots));
    for (size_t i = 0; i < in->slot_count; ++i) {
        slot *s = &in->slots[i];
        BP_TRY(bp__new_array(&s->number, in->count, sizeof *s->number));
        BP_TRY(bp__new_array(&s->text, in->count, sizeof *s->text));
        BP_TRY(bp__new_array(&s->tallies, in->count, sizeof *s->tallies));
        BP_TRY(bp__new_array(&s->words, in->count, sizeof *s->words));
    }
    return BP_OK;
}

static void free_slots(reader *in)
{
    for (size_t i = 0; in->slots && i < in->slot_count; ++i) {
        slot *s = &in->slots[i];
        for (size_t k = 0; s->words && k < in->count; ++k) bp__words_free(&s->words[k]);
        free(s->number);
        free(s->text);
        free(s->tallies);
        free(s->words);
    }
    free(in->slots);
}

static bp_status read_columns(reader *in)
{
    bool texts;
    BP_TRY(note_places(in->data, in->csv));
    BP_TRY(bp__new_array(&in->tallies, in->count, sizeof *in->tallies));
    BP_TRY(new_slots(in));
    BP_TRY(read_parts(in, false));
    BP_TRY(decide_kinds(in, &texts));
    return texts ? read_parts(in, true) : BP_OK;
}

bp_status bp__csv_read(bp_data *data, const bp__sheet *sheet, const bp__pick *picks, size_t count)
{
    reader in = {.data = data, .csv = (const bp__csv *)sheet, .picks = picks, .count = count};
    const bp_status status = read_columns(&in);
    free_slots(&in);
    free(in.tallies);
    return status;
}
