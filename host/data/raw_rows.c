/* raw_rows.c - raw rows in a file, block after block. A block holds its columns one after the
 * other, the weights of its rows, if there are any, then their lines; pictures their pixels, then the labels, then the lines. */
#include "data/raw_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/spool.h"

typedef struct block_place {
    uint64_t offset;
    size_t rows;
    uint32_t file;
} block_place;

struct bp__raw_rows {
    int references;
    bp__spool *spool;
    char *folder;
    block_place *blocks;
    size_t count, capacity;
    bp__words files; /* names */
    bool bytes, labels, weights, lines_are_rows;
};

bp_status bp__raw_rows_create(bp__raw_rows **out, const char *folder)
{
    *out = NULL;
    bp__raw_rows *rows = NULL;
    BP_TRY(bp__new_array(&rows, 1, sizeof *rows));
    rows->references = 1;
    bp_status status = bp__copy_text(&rows->folder, folder);
    if (status == BP_OK) status = bp__spool_create(&rows->spool, folder);
    if (status == BP_OK)
        *out = rows;
    else
        bp__raw_rows_release(rows);
    return status;
}

bp_status bp__raw_rows_clear(bp__raw_rows *rows)
{
    bp__spool *spool;
    BP_TRY(bp__spool_create(&spool, rows->folder));
    bp__spool_free(rows->spool);
    rows->spool = spool;
    rows->count = 0;
    return BP_OK;
}

bp__raw_rows *bp__raw_rows_share(bp__raw_rows *rows)
{
    ++rows->references;
    return rows;
}

void bp__raw_rows_release(bp__raw_rows *rows)
{
    if (!rows || --rows->references > 0) return;
    bp__spool_free(rows->spool);
    bp__words_free(&rows->files);
    free(rows->blocks);
    free(rows->folder);
    free(rows);
}

bool bp__raw_rows_are_bytes(const bp__raw_rows *rows)
{
    return rows->bytes;
}

bool bp__raw_rows_have_labels(const bp__raw_rows *rows)
{
    return rows->labels;
}

bool bp__raw_rows_have_weights(const bp__raw_rows *rows)
{
    return rows->weights;
}

const char *bp__raw_rows_folder(const bp__raw_rows *rows)
{
    return rows->folder;
}

uint64_t bp__raw_rows_bytes(const bp__raw_rows *rows)
{
    return bp__spool_size(rows->spool);
}

static bp_status append_table(bp__raw_rows *rows, const bp_data *block)
{
    bp__spool *to = rows->spool;
    rows->weights = block->weights != NULL;
    for (size_t k = 0; k < block->column_count + block->target_count; ++k) {
        const bp__column *column = &block->columns[k];
        BP_TRY(column->number
                   ? bp__spool_append(to, column->number, block->rows * sizeof *column->number)
                   : bp__spool_append(to, column->text, block->rows * sizeof *column->text));
    }
    if (!block->weights) return BP_OK;
    return bp__spool_append(to, block->weights, block->rows * sizeof *block->weights);
}

static size_t pixel_bytes(const bp_data *data, bool bytes)
{
    return data->pixel_count * (bytes ? 1 : sizeof(float));
}

static bp_status append_pictures(bp__raw_rows *rows, const bp_data *block)
{
    rows->bytes = block->pixels != NULL;
    rows->labels = block->labels != NULL;
    BP_TRY(bp__spool_append(rows->spool,
                            block->pixels ? (const void *)block->pixels : block->values,
                            block->rows * pixel_bytes(block, rows->bytes)));
    if (!block->labels) return BP_OK;
    return bp__spool_append(rows->spool, block->labels, block->rows * sizeof *block->labels);
}

bp_status bp__raw_rows_append(bp__raw_rows *rows, const bp_data *block)
{
    block_place place = {.offset = bp__spool_size(rows->spool), .rows = block->rows};
    BP_TRY(bp__words_add(&rows->files, bp__data_source(block), &place.file));
    BP_TRY(bp__grow(&rows->blocks, &rows->capacity, rows->count + 1, sizeof *rows->blocks));
    BP_TRY(block->pixel_count ? append_pictures(rows, block) : append_table(rows, block));
    BP_TRY(bp__spool_append(rows->spool, block->line, block->rows * sizeof *block->line));
    rows->lines_are_rows = block->lines_are_rows;
    rows->blocks[rows->count++] = place;
    return BP_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* *out = the next count values of `size` bytes. */
static bp_status read_array(void *out, const bp__raw_rows *rows, uint64_t *offset, size_t count,
                            size_t size)
{
    BP_TRY(bp__new_array(out, count, size));
    BP_TRY(bp__spool_read(rows->spool, *(void **)out, *offset, count * size));
    *offset += (uint64_t)count * size;
    return BP_OK;
}

static bp_status read_table(bp_data *block, const bp_data *data, uint64_t *offset)
{
    const size_t count = data->column_count + data->target_count;
    BP_TRY(bp__new_array(&block->columns, count, sizeof *block->columns));
    block->column_count = data->column_count;
    block->target_count = data->target_count;
    for (size_t k = 0; k < count; ++k) {
        const bp__column *from = &data->columns[k];
        bp__column *to = &block->columns[k];
        to->name = from->name; /* borrowed, as the words are */
        to->words = from->words;
        to->kind = from->kind;
        to->position = from->position;
        to->reported = from->reported;
        BP_TRY(
            from->kind == BP__COLUMN_TEXT
                ? read_array(&to->text, data->raw_rows, offset, block->rows, sizeof *to->text)
                : read_array(&to->number, data->raw_rows, offset, block->rows, sizeof *to->number));
    }
    if (!data->raw_rows->weights) return BP_OK;
    return read_array(&block->weights, data->raw_rows, offset, block->rows,
                      sizeof *block->weights);
}

static bp_status read_pictures(bp_data *block, const bp_data *data, uint64_t *offset, bool pixels)
{
    const bp__raw_rows *rows = data->raw_rows;
    const size_t bytes = block->rows * pixel_bytes(data, rows->bytes);
    block->pixel_count = data->pixel_count;
    block->image_height = data->image_height;
    block->image_width = data->image_width;
    if (!pixels)
        *offset += bytes;
    else
        BP_TRY(rows->bytes ? read_array(&block->pixels, rows, offset, bytes, 1)
                           : read_array(&block->values, rows, offset, bytes / sizeof(float),
                                        sizeof(float)));
    if (!rows->labels) return BP_OK;
    return read_array(&block->labels, rows, offset, block->rows, sizeof *block->labels);
}

/* What a block has borrowed is not its to release. */
static void free_block(bp_data *block)
{
    if (!block) return;
    for (size_t k = 0; block->columns && k < block->column_count + block->target_count; ++k) {
        block->columns[k].name = NULL;
        block->columns[k].words = (bp__words){0};
    }
    bp_data_free(block);
}

static bp_status read_block(bp_data **out, const bp_data *data, size_t number, bool pixels)
{
    const bp__raw_rows *rows = data->raw_rows;
    const block_place *place = &rows->blocks[number];
    uint64_t offset = place->offset;
    BP_TRY(bp__data_new(out, bp__words_get(&rows->files, place->file)));
    bp_data *block = *out;
    block->rows = place->rows;
    block->task = data->task;
    block->format = data->format;
    bp_status status = data->pixel_count ? read_pictures(block, data, &offset, pixels)
                                         : read_table(block, data, &offset);
    block->lines_are_rows = rows->lines_are_rows;
    if (status == BP_OK)
        status = read_array(&block->line, rows, &offset, block->rows, sizeof *block->line);
    if (status == BP_OK) return BP_OK;
    free_block(block);
    *out = NULL;
    return status;
}

/* ---- the cursor ------------------------------------------------------------------------------ */

/* A share of a block is a copy, which owns what it has. */
static void drop_block(bp__cursor *cursor)
{
    if (cursor->taken)
        bp_data_free(cursor->block);
    else
        free_block(cursor->block);
    cursor->block = NULL;
    cursor->taken = false;
}

bp_status bp__cursor_begin(bp__cursor *cursor, const bp_data *data, bool pixels)
{
    *cursor = (bp__cursor){.data = data, .pixels = pixels};
    return data->share ? bp__draw_begin(&cursor->draw, data->share) : BP_OK;
}

/* A copy of the rows of the block at hand that are the part's. */
static bp_status take_share(bp__cursor *cursor, bp_data **out)
{
    const bp__share *share = cursor->data->share;
    const bp_data *block = cursor->block;
    char *part;
    size_t count = 0;
    BP_TRY(bp__new_array(&part, block->rows, 1));
    for (size_t r = 0; r < block->rows; ++r) {
        part[r] = bp__draw_next(&cursor->draw, bp__share_class(share, block, r)) == share->second;
        count += (size_t)part[r];
    }
    const bp_status status = bp__data_take(out, block, part, 1, count);
    free(part);
    return status;
}

bp_status bp__cursor_next(bp__cursor *cursor, const bp_data **block)
{
    const bp_data *data = cursor->data;
    *block = NULL;
    if (!data->raw_rows) { /* all of it at once */
        if (cursor->next++ == 0) *block = data;
        return BP_OK;
    }
    drop_block(cursor);
    if (cursor->next == data->raw_rows->count) return BP_OK;
    BP_TRY(read_block(&cursor->block, data, cursor->next++, cursor->pixels));
    if (data->share) {
        bp_data *part;
        BP_TRY(take_share(cursor, &part));
        drop_block(cursor);
        cursor->block = part;
        cursor->taken = true;
    }
    *block = cursor->block;
    return BP_OK;
}

void bp__cursor_end(bp__cursor *cursor)
{
    drop_block(cursor);
    bp__draw_end(&cursor->draw);
    *cursor = (bp__cursor){.data = NULL};
}
