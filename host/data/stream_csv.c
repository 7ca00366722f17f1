/* stream_csv.c - CSV files, block after block of whole records, into a file of raw rows. Blocks are
 * read and kept one after the other, and parsed by several threads at once.
 *
 * A column is numbers or texts for all of its cells, which is known when the last one has been
 * read. So the first block's cells are what is believed of all; where a text comes up later in a
 * column of numbers and belongs there, everything is read once more. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "data/csv_cells.h"
#include "data/notes.h"
#include "data/number.h"
#include "data/raw_rows.h"
#include "data/stream.h"
#include "data/weights.h"

/* A block on its way. */
typedef struct slot {
    char *bytes; /* [capacity + 1] */
    size_t size, capacity;
    bp__csv_place place;
    bool begins; /* a file */
    uint32_t file;
    bp__csv_part part;
    bp_data *block;         /* its cells */
    bp__csv_tally *tallies; /* [pick_count] */
} slot;

typedef struct reader {
    bp_data *data;
    const bp_load_options *options;
    const bp__stream_input *inputs;
    size_t count;
    bp__csv csv; /* the first file's first block, for its header */
    char *first_bytes;
    bp__pick *picks;
    size_t pick_count, target_count;
    bp__csv_tally *tallies; /* [pick_count] */
    bool *text;             /* [pick_count], columns that are read as texts */
    size_t records;         /* kept of the file that blocks are kept of */
    slot *slots;            /* [slot_count] */
    size_t slot_count;

    /* The file that blocks are taken from. */
    bp__source *source;
    uint32_t file;
    bool begins; /* nothing has been taken from it */
    bp__csv_place place;
    char delimiter;
    char *rest; /* [rest_size], what has been read of its next block */
    size_t rest_size, rest_capacity;
    bool ended; /* nothing more can be read */
} reader;

/* What messages call a file, also when it is closed. */
static const char *name_of(const reader *in, uint32_t file)
{
    const char *path = in->inputs[file].path;
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* ---- blocks: one after the other ------------------------------------------------------------- */

/* Room for size bytes and a '\0'. */
static bp_status make_room(slot *s, size_t size)
{
    size_t capacity = s->bytes ? s->capacity + 1 : 0;
    BP_TRY(bp__grow(&s->bytes, &capacity, size + 1, 1));
    s->capacity = capacity - 1;
    return BP_OK;
}

/* Reads on until `wanted` bytes are there, or the file ends. */
static bp_status read_up_to(reader *in, slot *s, size_t wanted)
{
    size_t got;
    BP_TRY(make_room(s, wanted));
    if (in->ended || s->size >= wanted) return BP_OK;
    BP_TRY(bp__source_read(in->source, s->bytes + s->size, wanted - s->size, &got));
    s->size += got;
    in->ended = s->size < wanted;
    return BP_OK;
}

/* How many of the bytes are whole records; reads on where a record is longer. */
static bp_status find_records(reader *in, slot *s, size_t wanted, size_t *whole)
{
    BP_TRY(read_up_to(in, s, wanted));
    if (in->begins && s->size > 0) {
        BP_TRY(bp__csv_check_start(s->bytes, s->size, name_of(in, in->file)));
        in->delimiter = in->options->delimiter ? in->options->delimiter
                                               : bp__csv_find_delimiter(s->bytes, s->size);
    }
    for (;;) {
        *whole = in->ended ? s->size
                           : bp__csv_whole_records(&in->place, s->bytes, s->size, in->delimiter);
        if (*whole > 0 || in->ended) return BP_OK;
        if (wanted > BP__CSV_LIMIT / 2)
            return bp__fail(BP_ERROR_DATA, "%s, line %u: the record is longer than %zu bytes",
                            name_of(in, in->file), in->place.line, wanted);
        wanted *= 2;
        BP_TRY(read_up_to(in, s, wanted));
    }
}

static bp_status fail_empty(const reader *in, uint32_t file)
{
    return bp__fail(BP_ERROR_DATA, "%s: is empty, a table was expected", name_of(in, file));
}

/* Begins with what the block before has left, and leaves what is not whole. */
static bp_status read_block(reader *in, slot *s, size_t wanted)
{
    size_t whole;
    BP_TRY(make_room(s, in->rest_size));
    if (in->rest_size > 0) memcpy(s->bytes, in->rest, in->rest_size);
    s->size = in->rest_size;
    in->rest_size = 0;
    BP_TRY(find_records(in, s, wanted, &whole));
    const size_t left = s->size - whole;
    BP_TRY(bp__grow(&in->rest, &in->rest_capacity, left + 1, 1));
    memcpy(in->rest, s->bytes + whole, left);
    in->rest_size = left;
    s->size = whole;
    s->bytes[whole] = '\0';
    return BP_OK;
}

static bp_status open_source(reader *in, uint32_t file)
{
    in->file = file;
    in->place = (bp__csv_place){.line = 1};
    in->rest_size = 0;
    in->ended = false;
    in->begins = true;
    return bp__source_open(&in->source, in->inputs[file].path);
}

/* What has been read of the file is all of it. */
static bp_status close_source(reader *in)
{
    const bp_status status =
        in->begins ? fail_empty(in, in->file) : bp__stream_finish(in->data, in->source);
    bp__source_close(in->source);
    in->source = NULL;
    return status;
}

static bp_status take_block(void *context, size_t number, bool *there)
{
    reader *in = context;
    slot *s = &in->slots[number];
    for (*there = false; !*there; ++in->file) {
        if (!in->source && in->file == in->count) return BP_OK;
        if (!in->source) BP_TRY(open_source(in, in->file));
        BP_TRY(read_block(in, s, bp__stream_block));
        *there = s->size > 0;
        if (*there) break;
        BP_TRY(close_source(in));
    }
    s->place = in->place;
    s->begins = in->begins;
    s->file = in->file;
    s->part.source = name_of(in, in->file);
    s->part.delimiter = in->delimiter;
    s->part.bytes = s->bytes;
    s->part.size = s->size;
    bp__csv_place_past(&in->place, s->bytes, s->size, in->delimiter);
    in->begins = false;
    return BP_OK;
}

/* ---- cells: several blocks at once ----------------------------------------------------------- */

/* Space for the block's cells. */
static bp_status new_block(bp_data **out, const reader *in, const bp__csv_part *part)
{
    BP_TRY(bp__data_new(out, part->source));
    bp_data *block = *out;
    block->rows = part->records - part->header;
    BP_TRY(bp__new_array(&block->columns, in->pick_count, sizeof *block->columns));
    block->column_count = in->pick_count - in->target_count;
    block->target_count = in->target_count;
    for (size_t k = 0; k < in->pick_count; ++k) {
        bp__column *column = &block->columns[k];
        BP_TRY(bp__copy_text(&column->name, in->picks[k].name));
        column->kind = in->text[k] ? BP__COLUMN_TEXT : BP__COLUMN_NUMBER;
        BP_TRY(in->text[k] ? bp__new_array(&column->text, block->rows, sizeof *column->text)
                           : bp__new_array(&column->number, block->rows, sizeof *column->number));
    }
    return bp__data_note_rows(block, part->source, part->line + part->header, 0, block->rows);
}

static bp_status read_numbers(const reader *in, const bp__csv_part *part, double *const *number,
                              bp__csv_tally *tallies)
{
    bp__point point;
    BP_TRY(bp__point_begin(&point));
    bp__csv_read_numbers(part, in->picks, in->pick_count, number, tallies);
    bp__point_end(&point);
    return BP_OK;
}

static bp_status read_words(const reader *in, slot *s)
{
    uint32_t **text = NULL;
    bp__words *words = NULL;
    bp_status status = bp__new_array(&text, in->pick_count, sizeof *text);
    if (status == BP_OK) status = bp__new_array(&words, in->pick_count, sizeof *words);
    for (size_t k = 0; k < in->pick_count && status == BP_OK; ++k)
        text[k] = s->block->columns[k].text;
    if (status == BP_OK)
        status = bp__csv_read_words(&s->part, in->picks, in->pick_count, text, words);
    for (size_t k = 0; words && k < in->pick_count; ++k) s->block->columns[k].words = words[k];
    free(text);
    free(words);
    return status;
}

static bp_status read_cells(const reader *in, slot *s)
{
    double **number;
    BP_TRY(new_block(&s->block, in, &s->part));
    BP_TRY(bp__new_array(&number, in->pick_count, sizeof *number));
    for (size_t k = 0; k < in->pick_count; ++k) number[k] = s->block->columns[k].number;
    memset(s->tallies, 0, in->pick_count * sizeof *s->tallies);
    const bp_status status = read_numbers(in, &s->part, number, s->tallies);
    free(number);
    return status == BP_OK ? read_words(in, s) : status;
}

static bp_status parse_block(void *context, size_t number)
{
    const reader *in = context;
    slot *s = &in->slots[number];
    const bp__csv_part *first = in->csv.parts;
    /* A file's first record stands on its first line: blank lines before it are refused. */
    const bp__csv_rules rules = {.columns = first->columns,
                                 .columns_line = s->file == 0 || !s->begins,
                                 .as_file = first->source};
    s->part.header = false;
    BP_TRY(bp__csv_cut(&s->part, &s->place, &rules));
    if (s->begins && s->part.records > 0 && s->file == 0) s->part.header = first->header;
    if (s->begins && s->part.records > 0 && s->file > 0 && in->options->header != 0)
        BP_TRY(bp__csv_later_header(&in->csv, &s->part, 1, in->options->header > 0));
    return s->part.records > s->part.header ? read_cells(in, s) : BP_OK;
}

/* ---- the rows: one block after the other ----------------------------------------------------- */

/* The words of a block among those of all. */
static bp_status merge_words(reader *in, bp_data *block)
{
    for (size_t k = 0; k < in->pick_count; ++k) {
        bp__column *column = &block->columns[k];
        if (in->text[k])
            BP_TRY(bp__words_merge(&in->data->columns[k].words, &column->words, column->text,
                                   block->rows));
    }
    return BP_OK;
}

static bool picks_weights(const reader *in)
{
    return bp__picks_weights(in->picks, in->pick_count, in->target_count);
}

/* The cells noted, the target checked, the weights taken, the block kept. */
static bp_status keep_rows(reader *in, bp_data *block)
{
    bp_data *data = in->data;
    /* Numbers that have turned out not to be are told of at the end. */
    bool odd = false;
    BP_TRY(merge_words(in, block));
    for (size_t k = 0; k < in->pick_count; ++k) {
        odd = odd || in->tallies[k].infinite || (in->tallies[k].texts && !in->text[k]);
        bp__column *column = &block->columns[k];
        const bp__words own = column->words;
        column->words = data->columns[k].words;
        const bp_status status = bp__notes_add(data->columns[k].notes, column, block->rows);
        column->words = own;
        BP_TRY(status);
    }
    if (!odd) BP_TRY(bp__check_targets(block));
    if (!odd && picks_weights(in)) BP_TRY(bp__data_take_weights(block));
    data->rows += block->rows;
    return bp__raw_rows_append(data->raw_rows, block);
}

static bp_status keep_block(void *context, size_t number)
{
    reader *in = context;
    slot *s = &in->slots[number];
    if (s->begins && s->file > 0 && in->records == 0) return fail_empty(in, s->file - 1);
    if (s->begins) in->records = 0;
    in->records += s->part.records;
    if (!s->block) return BP_OK;
    for (size_t k = 0; k < in->pick_count; ++k) bp__csv_tally_add(&in->tallies[k], &s->tallies[k]);
    const bp_status status = keep_rows(in, s->block);
    bp_data_free(s->block);
    s->block = NULL;
    return status;
}

static bp_status read_files(reader *in)
{
    const bp__pipeline pipeline = {in->slot_count, take_block, parse_block, keep_block};
    BP_TRY(bp__pipeline_run(&pipeline, in));
    return in->records > 0 ? BP_OK : fail_empty(in, (uint32_t)in->count - 1);
}

/* ---- the table ------------------------------------------------------------------------------- */

static bp_status choose_columns(reader *in)
{
    const bp__sheet *sheet = &in->csv.sheet;
    if (in->options->schema)
        return bp__table_match(&in->picks, &in->pick_count, &in->target_count, &in->data->warnings,
                               sheet, in->options);
    return bp__table_pick(&in->picks, &in->pick_count, &in->target_count, sheet, in->options);
}

static bp_status new_columns(reader *in)
{
    bp_data *data = in->data;
    BP_TRY(bp__new_array(&data->columns, in->pick_count, sizeof *data->columns));
    data->column_count = in->pick_count - in->target_count;
    data->target_count = in->target_count;
    for (size_t k = 0; k < in->pick_count; ++k) {
        data->columns[k].position = in->picks[k].position;
        BP_TRY(bp__copy_text(&data->columns[k].name, in->picks[k].name));
        BP_TRY(bp__notes_new(&data->columns[k].notes, k >= data->column_count));
    }
    return BP_OK;
}

/* A tally of the first block says which columns seem to hold texts. */
static bp_status guess_kinds(reader *in)
{
    double **unused;
    BP_TRY(bp__new_array(&unused, in->pick_count, sizeof *unused));
    bp_status status = BP_OK;
    for (size_t i = 0; i < in->csv.part_count && status == BP_OK; ++i)
        status = read_numbers(in, &in->csv.parts[i], unused, in->tallies);
    free(unused);
    for (size_t k = 0; k < in->pick_count; ++k) {
        in->text[k] = in->picks[k].want == BP__WANT_TEXT ||
                      (in->picks[k].want == BP__WANT_ANY && in->tallies[k].texts > 0);
        in->tallies[k] = (bp__csv_tally){0};
    }
    return status;
}

/* The first file's first block as a table of its own; its bytes stay to be taken again. */
static bp_status read_first(reader *in, size_t wanted)
{
    slot *s = &in->slots[0];
    BP_TRY(read_block(in, s, wanted));
    free(in->first_bytes);
    BP_TRY(bp__copy_bytes(&in->first_bytes, s->bytes, s->size));
    const size_t left = in->rest_size;
    BP_TRY(bp__grow(&in->rest, &in->rest_capacity, s->size + left + 1, 1));
    memmove(in->rest + s->size, in->rest, left);
    memcpy(in->rest, s->bytes, s->size);
    in->rest_size = s->size + left;
    return bp__csv_add(&in->csv, in->first_bytes, s->size, name_of(in, 0), in->delimiter);
}

/* So much of it that there is more than a header. */
static bp_status read_header(reader *in)
{
    size_t wanted = bp__stream_block;
    BP_TRY(open_source(in, 0));
    BP_TRY(read_first(in, wanted));
    while (!in->ended && in->csv.part_count == 1 && in->csv.parts->records == 1) {
        bp__csv_free(&in->csv);
        BP_TRY(read_first(in, wanted *= 2));
    }
    return BP_OK;
}

/* The header, and all that follows from it and from the first rows. */
static bp_status begin_table(reader *in)
{
    BP_TRY(read_header(in));
    BP_TRY(bp__csv_header(&in->csv, in->options->header, in->options->schema));
    BP_TRY(choose_columns(in));
    BP_TRY(bp__new_array(&in->tallies, in->pick_count, sizeof *in->tallies));
    BP_TRY(bp__new_array(&in->text, in->pick_count, sizeof *in->text));
    for (size_t i = 0; i < in->slot_count; ++i)
        BP_TRY(bp__new_array(&in->slots[i].tallies, in->pick_count, sizeof *in->tallies));
    BP_TRY(new_columns(in));
    return guess_kinds(in);
}

/* Everything again, now that more columns are texts. */
static bp_status begin_again(reader *in)
{
    bp_data *data = in->data;
    BP_TRY(bp__raw_rows_clear(data->raw_rows));
    data->rows = 0;
    data->stream.bytes_read = 0;
    bp__data_forget_sources(data);
    in->file = 0;
    for (size_t k = 0; k < in->pick_count; ++k) {
        bp__column *column = &data->columns[k];
        bp__words_free(&column->words);
        column->words = (bp__words){0};
        bp__notes_free(column->notes);
        column->notes = NULL;
        BP_TRY(bp__notes_new(&column->notes, k >= data->column_count));
        in->tallies[k] = (bp__csv_tally){0};
    }
    return BP_OK;
}

/* What the columns are after all. *again: one is not what it was read as. */
static bp_status decide_kinds(reader *in, bool *again)
{
    *again = false;
    for (size_t k = 0; k < in->pick_count; ++k) {
        bool text;
        BP_TRY(bp__csv_decide(&text, &in->tallies[k], &in->picks[k]));
        *again = *again || (text && !in->text[k]);
        in->text[k] = in->text[k] || text;
    }
    for (size_t k = 0; k < in->pick_count; ++k)
        in->data->columns[k].kind = in->text[k] ? BP__COLUMN_TEXT : BP__COLUMN_NUMBER;
    return BP_OK;
}

/* The column of weights: its blocks have been taken. */
static void drop_weights(bp_data *data)
{
    bp__column *column = &data->columns[--data->column_count];
    bp__column_clear(column);
    memmove(column, column + 1, data->target_count * sizeof *column);
}

static bp_status read_table(reader *in)
{
    bool again = false;
    in->slot_count = bp__pipeline_slots();
    BP_TRY(bp__new_array(&in->slots, in->slot_count, sizeof *in->slots));
    BP_TRY(begin_table(in));
    BP_TRY(read_files(in));
    BP_TRY(decide_kinds(in, &again));
    if (!again) return BP_OK;
    if (strcmp(in->inputs->path, "-") == 0)
        return bp__fail(BP_ERROR_IO,
                        "standard input: a column of numbers holds texts further down, "
                        "and a pipe cannot be read twice; save it in a file");
    BP_TRY(begin_again(in));
    BP_TRY(read_files(in));
    return decide_kinds(in, &again);
}

static void free_reader(reader *in)
{
    for (size_t i = 0; in->slots && i < in->slot_count; ++i) {
        slot *s = &in->slots[i];
        bp_data_free(s->block);
        bp__csv_part_clear(&s->part);
        free(s->tallies);
        free(s->bytes);
    }
    free(in->slots);
    bp__source_close(in->source);
    bp__csv_free(&in->csv);
    free(in->first_bytes);
    free(in->rest);
    free(in->picks);
    free(in->tallies);
    free(in->text);
}

bp_status bp__stream_csv(bp_data *data, const bp__stream_input *inputs, size_t count,
                         const bp_load_options *options)
{
    reader in = {.data = data, .options = options, .inputs = inputs, .count = count};
    for (size_t i = 0; i < count; ++i)
        if (inputs[i].labels)
            return bp__fail(BP_ERROR_DATA,
                            "%s: is CSV; a file of labels belongs to IDX and NPY, here they are a "
                            "column",
                            inputs[i].path);
    bp_status status = read_table(&in);
    if (status == BP_OK && picks_weights(&in)) drop_weights(data);
    if (status == BP_OK && in.csv.sheet.warnings)
        status = bp__append(&data->warnings, "%s", in.csv.sheet.warnings);
    free_reader(&in);
    return status;
}
