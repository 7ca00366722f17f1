/* operation.c - calls through an engine's table. */
#include "base/operation.h"

bp_status bp__buffer_create(bp__engine *engine, bp__buffer **out, bp__type type, size_t count)
{
    return engine->api->buffer_create(engine, out, type, count);
}

void bp__buffer_free(bp__engine *engine, bp__buffer *buffer)
{
    if (buffer) engine->api->buffer_free(engine, buffer);
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

void bp__engine_free(bp__engine *engine)
{
    if (engine) engine->api->free(engine);
}

bp__view bp__view_rows(const bp__view *view, size_t first, size_t count)
{
    bp__view part = *view;
    part.offset += first * view->stride;
    part.rows = count;
    return part;
}
