/* operation.c - calls through an engine's table. */
#include "base/operation.h"

#include <math.h>

#include "base/memory.h"

bp_status bp__buffer_create(bp__engine *engine, bp__buffer **out, bp__type type, size_t count)
{
    return engine->api->buffer_create(engine, out, type, count, false);
}

bp_status bp__buffer_create_later(bp__engine *engine, bp__buffer **out, bp__type type, size_t count)
{
    return engine->api->buffer_create(engine, out, type, count, true);
}

void bp__buffer_free(bp__engine *engine, bp__buffer *buffer)
{
    if (buffer) engine->api->buffer_free(engine, buffer);
}

bp_status bp__buffer_create_shared(bp__engine *engine, bp__buffer **out, bp__type type,
                                   size_t count)
{
    return engine->api->shared_create(engine, out, type, count);
}

bp_status bp__buffer_map(bp__engine *engine, bp__buffer *buffer, void **host)
{
    return engine->api->map(engine, buffer, host);
}

bp_status bp__buffer_unmap(bp__engine *engine, bp__buffer *buffer)
{
    return engine->api->unmap(engine, buffer);
}

bp_status bp__view_write(bp__engine *engine, const bp__view *view, const void *host)
{
    return view->rows && view->columns ? engine->api->write(engine, view, host) : BP_OK;
}

bp_status bp__view_read(bp__engine *engine, const bp__view *view, void *host)
{
    return view->rows && view->columns ? engine->api->read(engine, view, host) : BP_OK;
}

bp_status bp__view_read_behind(bp__engine *engine, const bp__view *view, void *host)
{
    return engine->api->read_behind(engine, view, host);
}

bp_status bp__sequence_create(bp__engine *engine, bp__sequence **out, const bp__op *ops,
                              size_t count)
{
    return engine->api->sequence_create(engine, out, ops, count);
}

void bp__sequence_free(bp__engine *engine, bp__sequence *sequence)
{
    if (sequence) engine->api->sequence_free(engine, sequence);
}

bp_status bp__sequence_run(bp__engine *engine, bp__sequence *sequence, size_t times)
{
    return engine->api->sequence_run(engine, sequence, times);
}

bp_status bp__engine_finish(bp__engine *engine)
{
    return engine->api->finish(engine);
}

bp_status bp__engine_profile(bp__engine *engine, bp_profile *profile)
{
    return engine->api->profile(engine, profile);
}

void bp__engine_free(bp__engine *engine)
{
    if (engine) engine->api->free(engine);
}

/* *out = value, and up to a multiple of quantum; false on overflow. */
static bool round_up_size(size_t *out, size_t value, size_t quantum)
{
    if (!bp__add_size(out, value, quantum - 1)) return false;
    *out -= *out % quantum;
    return true;
}

/* Rows of a batch in panels that there is room for: vectors of samples may run over the last one,
 * and so may tiles. False on overflow. */
static bool rows_with_slack(size_t *room, const bp__engine *engine, size_t rows)
{
    enum { WIDEST_VECTOR = 16 };
    size_t tiles;
    if (!round_up_size(room, rows, WIDEST_VECTOR) ||
        !round_up_size(&tiles, rows, engine->tile_rows ? engine->tile_rows : 1))
        return false;
    if (tiles > *room) *room = tiles;
    return true;
}

bool bp__view_place(bp__view *view, size_t *elements, const bp__engine *engine, bp__role role,
                    size_t rows, size_t columns)
{
    *view = (bp__view){.offset = *elements, .rows = rows, .columns = columns};
    size_t size;
    if (engine->panels && (role == BP__BATCH || role == BP__WEIGHTS)) {
        view->transposed = role == BP__WEIGHTS;
        const size_t stored_rows = view->transposed ? columns : rows;
        const size_t stored_columns = view->transposed ? rows : columns;
        /* An odd number of vectors: panels begin in different sets of the caches. */
        size_t room = stored_rows, width;
        view->stride = engine->quantum;
        return (role != BP__BATCH || rows_with_slack(&room, engine, stored_rows)) &&
               bp__mul_size(&view->panel_step, room | 1, view->stride) &&
               round_up_size(&width, stored_columns, view->stride) &&
               bp__mul_size(&size, width / view->stride, view->panel_step) &&
               bp__add_size(elements, *elements, size);
    }
    if (role == BP__DATA) {
        /* What a CPU reads of a row is whole vectors: of the last row too. */
        view->stride = columns;
        return bp__mul_size(&size, rows, columns) && bp__add_size(&size, size, engine->quantum) &&
               bp__add_size(elements, *elements, size);
    }
    return round_up_size(&view->stride, columns, engine->quantum) &&
           bp__mul_size(&size, rows, view->stride) && bp__add_size(elements, *elements, size);
}

size_t bp__view_index(const bp__view *view, size_t row, size_t column)
{
    const size_t r = view->transposed ? column : row, c = view->transposed ? row : column;
    if (!view->panel_step) return view->offset + r * view->stride + c;
    return view->offset + c / view->stride * view->panel_step + r * view->stride + c % view->stride;
}

size_t bp__view_extent(const bp__view *view)
{
    if (!view->panel_step) return view->rows * view->stride;
    const size_t columns = view->transposed ? view->rows : view->columns;
    return bp__round_up(columns, view->stride) / view->stride * view->panel_step;
}

bp__view bp__view_rows(const bp__view *view, size_t first, size_t count)
{
    bp__view part = *view;
    part.offset += first * view->stride;
    part.rows = count;
    return part;
}

bool bp__update_is_shaped(const bp__optimizer *op)
{
    return op->factor.buffer || op->clip > 0 || op->l1 > 0 || op->l2 > 0;
}

uint32_t bp__dropout_limit(double rate)
{
    const double limit = floor(rate * 0x1p16 + 0.5);
    return limit < 1 ? 1 : limit > 0xffff ? 0xffff : (uint32_t)limit;
}

double bp__dropout_keep(double rate)
{
    return rate > 0 ? 1 - bp__dropout_limit(rate) * 0x1p-16 : 1;
}
