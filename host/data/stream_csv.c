/* stream_csv.c - CSV files, block after block of whole lines, into a file of raw rows.
 *
 * A column is numbers or texts for all of its cells, which is known when the last one has been
 * read. So the first block's cells are what is believed of all; where a text comes up later in a
 * column of numbers and belongs there, everything is read once more. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/csv.h"
#include "data/notes.h"
#include "data/number.h"
#include "data/raw_rows.h"
#include "data/stream.h"

/* What a column's cells have turned out to be so far, and where the first that is odd stands. */
typedef struct tally {
    size_t numbers, infinite, texts, commas;
    uint32_t file, line; /* of the first text, or, before any, of the first infinite number */
    char shown[64];
} tally;

typedef struct reader {
    bp_data *data;
    const bp_load_options *options;
    const bp__stream_input *inputs;
    size_t count;
    bp__csv
        csv; /* part 0 is the first file's first block, for its header; part 1 the block at hand */
    char *first_bytes;
    bp__pick *picks;
    size_t pick_count, target_count;
    tally *tallies;
    bool *text; /* columns that are read as texts */

    /* The file at hand. */
    bp__source *source;
    uint32_t file;
    bp__csv_place place;
    char delimiter; /* of the file; 0: to be found out */
    char *bytes;    /* [capacity], a block and what has been read of the next */
    size_t capacity, filled;
    bool ended;
} reader;

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Where the last record that is complete ends, or 0: line ends inside quotes do not count. */
static size_t last_record_end(const reader *in)
{
    const char *bytes = in->bytes, delimiter = in->csv.part_count ? in->csv.parts->delimiter : 0;
    const size_t size = in->filled;
    if (!memchr(bytes, '"', size)) {
        size_t end = size;
        while (end > 0 && bytes[end - 1] != '\n') --end;
        if (end > 0) return end;
        /* Lines that end with CR alone; one at the very end may be half of CRLF. */
        for (end = size; end > 1 && bytes[end - 2] != '\r';) --end;
        return end > 1 ? end - 1 : 0;
    }
    size_t end = 0;
    bool quoted = false, at_start = true; /* of a cell: quotes elsewhere mean inches */
    for (size_t i = 0; i < size; ++i) {
        const char byte = bytes[i];
        if (byte == '"' && (quoted || at_start)) quoted = !quoted;
        if (quoted) continue;
        if (byte == '\n' || (byte == '\r' && i + 1 < size && bytes[i + 1] != '\n')) end = i + 1;
        at_start = byte == ' ' || byte == '\n' || byte == '\r' || byte == '"' ||
                   (delimiter ? byte == delimiter : byte == ',' || byte == ';' || byte == '\t');
    }
    return end;
}

/* Reads on until a block of whole records is there: *size bytes, 0 at the end of the file. */
static bp_status read_block(reader *in, size_t *size)
{
    *size = 0;
    for (;;) {
        if (!in->ended && in->filled < in->capacity) {
            size_t got;
            const size_t room = in->capacity - in->filled;
            BP_TRY(bp__source_read(in->source, in->bytes + in->filled, room, &got));
            in->filled += got;
            in->ended = got < room;
        }
        *size = in->ended ? in->filled : last_record_end(in);
        if (*size > 0 || in->ended) return BP_OK;
        if (in->capacity > BP__CSV_LIMIT / 2)
            return bp__fail(BP_ERROR_DATA, "%s, line %u: the record is longer than %zu bytes",
                            bp__source_name(in->source), in->place.line, in->capacity);
        /* Room for a '\0' behind. */
        size_t capacity = in->capacity + 1;
        BP_TRY(bp__grow(&in->bytes, &capacity, 2 * in->capacity + 1, 1));
        in->capacity = capacity - 1;
    }
}

/* ---- cells ----------------------------------------------------------------------------------- */

static void note_odd(reader *in, tally *t, const bp__csv_part *part, size_t record,
                     const char *text)
{
    t->file = in->file;
    t->line = part->line[record];
    bp__shown(t->shown, text);
}

/* The record's cell in a picked column; what the file does not have is missing. */
static const char *cell_of(const reader *in, const bp__csv_part *part, size_t record, size_t k)
{
    return bp__csv_cell(&in->csv, part, record, in->picks[k].column);
}

/* Records [begin, end) of a column: tallied, and number[] of them, from begin on. */
static void read_numbers(reader *in, const bp__csv_part *part, size_t k, size_t begin, size_t end,
                         double *number)
{
    tally *t = &in->tallies[k];
    const char *file_end = part->bytes + part->size + 1;
    for (size_t r = begin; r < end; ++r) {
        const char *text = cell_of(in, part, r, k);
        double *value = &number[r - begin];
        switch (bp__cell_read_within(text, file_end, value)) {
        case BP__CELL_NUMBER: ++t->numbers; break;
        case BP__CELL_MISSING: break;
        case BP__CELL_INFINITE:
            if (t->infinite++ == 0 && t->texts == 0) note_odd(in, t, part, r, text);
            *value = (double)NAN;
            break;
        case BP__CELL_TEXT:
            if (t->texts++ == 0) note_odd(in, t, part, r, text);
            t->commas += part->delimiter != ',' && bp__is_comma_number(text);
            *value = (double)NAN;
            break;
        }
    }
}

static bp_status read_texts(reader *in, const bp__csv_part *part, size_t k, size_t begin,
                            bp__column *column, size_t rows)
{
    char shown[64], name[64];
    bp__words *words = &in->data->columns[k].words;
    for (size_t r = 0; r < rows; ++r) {
        const char *text = cell_of(in, part, begin + r, k);
        column->text[r] = BP__NO_WORD;
        if (bp__is_missing(text)) continue;
        const size_t before = words->count;
        BP_TRY(bp__words_add(words, text, &column->text[r]));
        if (words->count > before && !bp__is_utf8(text))
            return bp__fail(BP_ERROR_DATA,
                            "%s, line %u, column \"%s\": \"%s\" is not UTF-8; convert the file "
                            "(iconv -f latin1 -t utf-8)",
                            part->source, part->line[begin + r], bp__shown(name, in->picks[k].name),
                            bp__shown(shown, text));
    }
    return BP_OK;
}

/* A few rows at a time, so that the text is still in the cache for the next column. */
static void read_all_numbers(reader *in, const bp__csv_part *part, bp_data *block, double *unused)
{
    enum { CELLS = 8192 };
    const size_t first = part->header, rows = block->rows, step = CELLS / in->pick_count + 1;
    for (size_t begin = 0; begin < rows; begin += step) {
        const size_t end = rows - begin < step ? rows : begin + step;
        for (size_t k = 0; k < in->pick_count; ++k) {
            double *number = block->columns[k].number;
            read_numbers(in, part, k, first + begin, first + end, number ? number + begin : unused);
        }
    }
}

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

static bp_status read_cells(reader *in, const bp__csv_part *part, bp_data *block)
{
    enum { MOST = 8193 };
    bp__point point;
    double *unused;
    BP_TRY(bp__new_array(&unused, MOST, sizeof *unused));
    bp_status status = bp__point_begin(&point);
    if (status == BP_OK) {
        read_all_numbers(in, part, block, unused);
        bp__point_end(&point);
    }
    free(unused);
    for (size_t k = 0; k < in->pick_count && status == BP_OK; ++k)
        if (in->text[k])
            status = read_texts(in, part, k, part->header, &block->columns[k], block->rows);
    return status;
}

/* The cells noted, the target checked, the block kept. */
static bp_status keep_block(reader *in, bp_data *block)
{
    bp_data *data = in->data;
    /* Numbers that have turned out not to be are told of at the end. */
    bool odd = false;
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
    data->rows += block->rows;
    return bp__raw_rows_append(data->raw_rows, block);
}

static bp_status read_part(reader *in, const bp__csv_part *part)
{
    bp_data *block = NULL;
    if (part->records == part->header) return BP_OK;
    bp_status status = new_block(&block, in, part);
    if (status == BP_OK) status = read_cells(in, part, block);
    if (status == BP_OK) status = keep_block(in, block);
    bp_data_free(block);
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* The bytes at hand as a part of csv, and read, if there is anything to read with. */
static bp_status take_block(reader *in, size_t size, bool begins)
{
    bp__csv *csv = &in->csv;
    const char behind = in->bytes[size];
    if (begins) in->delimiter = in->file > 0 ? in->options->delimiter : csv->parts->delimiter;
    in->bytes[size] = '\0';
    bp_status status = bp__csv_add_block(csv, in->bytes, size, bp__source_name(in->source),
                                         in->delimiter, &in->place);
    if (status == BP_OK) in->delimiter = csv->parts[1].delimiter;
    if (status == BP_OK && begins && in->file > 0 && in->options->header != 0)
        status = bp__csv_later_header(csv, &csv->parts[1], in->options->header > 0);
    if (status == BP_OK && begins && in->file == 0) csv->parts[1].header = csv->parts[0].header;
    if (status == BP_OK) status = read_part(in, &csv->parts[1]);
    if (csv->part_count > 1) bp__csv_drop(csv);
    in->bytes[size] = behind;
    memmove(in->bytes, in->bytes + size, in->filled - size);
    in->filled -= size;
    return status;
}

static bp_status open_source(reader *in, uint32_t file)
{
    in->file = file;
    in->place = (bp__csv_place){.line = 1};
    in->filled = 0;
    in->ended = false;
    return bp__source_open(&in->source, in->inputs[file].path);
}

static bp_status read_file(reader *in)
{
    bool begins = true;
    for (;;) {
        size_t size;
        BP_TRY(read_block(in, &size));
        if (size == 0) break;
        BP_TRY(take_block(in, size, begins));
        begins = false;
    }
    if (begins)
        return bp__fail(BP_ERROR_DATA, "%s: is empty, a table was expected",
                        bp__source_name(in->source));
    return bp__stream_finish(in->data, in->source);
}

/* ---- the table ------------------------------------------------------------------------------- */

static bp_status choose_columns(reader *in)
{
    const bp__sheet *sheet = &in->csv.sheet;
    if (in->options->schema)
        return bp__table_match(&in->picks, &in->pick_count, &in->target_count, &in->data->warnings,
                               sheet, in->options);
    in->pick_count = sheet->columns;
    return bp__table_pick(&in->picks, &in->target_count, sheet, in->options->target);
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
    const bp__csv_part *part = in->csv.parts;
    bp__point point;
    double *unused;
    BP_TRY(bp__new_array(&unused, part->records, sizeof *unused));
    bp_status status = bp__point_begin(&point);
    for (size_t k = 0; k < in->pick_count && status == BP_OK; ++k) {
        read_numbers(in, part, k, part->header, part->records, unused);
        in->text[k] = in->picks[k].want == BP__WANT_TEXT ||
                      (in->picks[k].want == BP__WANT_ANY && in->tallies[k].texts > 0);
        in->tallies[k] = (tally){0};
    }
    if (status == BP_OK) bp__point_end(&point);
    free(unused);
    return status;
}

/* The header, and all that follows from it and from the first rows. */
static bp_status begin_table(reader *in)
{
    size_t size;
    bp__csv_place place = {.line = 1};
    BP_TRY(read_block(in, &size));
    BP_TRY(bp__copy_bytes(&in->first_bytes, in->bytes, size));
    BP_TRY(bp__csv_add_block(&in->csv, in->first_bytes, size, bp__source_name(in->source),
                             in->options->delimiter, &place));
    BP_TRY(bp__csv_header(&in->csv, in->options->header, in->options->schema));
    BP_TRY(choose_columns(in));
    BP_TRY(bp__new_array(&in->tallies, in->pick_count, sizeof *in->tallies));
    BP_TRY(bp__new_array(&in->text, in->pick_count, sizeof *in->text));
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
    for (size_t k = 0; k < in->pick_count; ++k) {
        bp__column *column = &data->columns[k];
        bp__words_free(&column->words);
        column->words = (bp__words){0};
        bp__notes_free(column->notes);
        column->notes = NULL;
        BP_TRY(bp__notes_new(&column->notes, k >= data->column_count));
        in->tallies[k] = (tally){0};
    }
    return BP_OK;
}

static bp_status fail_cell(const reader *in, size_t k, const char *why)
{
    const tally *t = &in->tallies[k];
    const char *path = in->inputs[t->file].path;
    char name[64];
    return bp__fail(BP_ERROR_DATA, "%s, line %u, column \"%s\": \"%s\" %s",
                    strcmp(path, "-") == 0 ? "standard input" : path, t->line,
                    bp__shown(name, in->picks[k].name), t->shown, why);
}

/* What the columns are after all. *again: one is not what it was read as. */
static bp_status decide_kinds(reader *in, bool *again)
{
    char text[160];
    *again = false;
    for (size_t k = 0; k < in->pick_count; ++k) {
        const tally *t = &in->tallies[k];
        if (in->picks[k].want == BP__WANT_TEXT) continue;
        if (t->texts > 0) {
            const char *why = bp__csv_refuse_texts(text, in->picks[k].want,
                                                   t->numbers + t->infinite, t->texts, t->commas);
            if (why) return fail_cell(in, k, why);
            *again = *again || !in->text[k];
            in->text[k] = true;
        } else if (t->infinite > 0) {
            return fail_cell(in, k, "is not a finite number");
        }
    }
    for (size_t k = 0; k < in->pick_count; ++k)
        in->data->columns[k].kind = in->text[k] ? BP__COLUMN_TEXT : BP__COLUMN_NUMBER;
    return BP_OK;
}

static bp_status read_files(reader *in)
{
    for (uint32_t i = 0; i < in->count; ++i) {
        if (!in->source) BP_TRY(open_source(in, i));
        BP_TRY(read_file(in));
        bp__source_close(in->source);
        in->source = NULL;
    }
    return BP_OK;
}

static bp_status read_table(reader *in)
{
    bool again = false;
    in->capacity = bp__stream_block;
    BP_TRY(bp__new_array(&in->bytes, in->capacity + 1, 1));
    BP_TRY(open_source(in, 0));
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
    if (status == BP_OK && in.csv.sheet.warnings)
        status = bp__append(&data->warnings, "%s", in.csv.sheet.warnings);
    bp__source_close(in.source);
    bp__csv_free(&in.csv);
    free(in.first_bytes);
    free(in.bytes);
    free(in.picks);
    free(in.tallies);
    free(in.text);
    return status;
}
