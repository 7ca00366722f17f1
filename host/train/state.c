/* state.c - the rows of a training's state, as tensors of a checkpoint and back. */
#include "train/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/engine.h"

bp_status bp__state_add(bp__state *state, const bp__state_row *rows, size_t count)
{
    BP_TRY(bp__grow(&state->rows, &state->capacity, state->count + count, sizeof *state->rows));
    for (size_t i = 0; i < count; ++i)
        if (rows[i].kind != BP__STATE_ARENA || rows[i].arena) state->rows[state->count++] = rows[i];
    return BP_OK;
}

void bp__state_free(bp__state *state)
{
    free(state->rows);
    *state = (bp__state){.rows = NULL};
}

static bp__dtype dtype_of(bp__state_kind kind)
{
    return kind == BP__STATE_COUNTS    ? BP__DTYPE_I64
           : kind == BP__STATE_NUMBERS ? BP__DTYPE_F64
                                       : BP__DTYPE_F32;
}

/* A part of a layer in an arena; its buffer is NULL where the layer has none, or the arena. */
static bp__view part_of(const bp__network *network, bp__buffer *arena, size_t layer, bp__part part)
{
    bp__view view = *bp__layer_part(&network->values[layer], part);
    const bool whole = arena == network->parameters ||
                       (network->averaged && arena == network->averaged->parameters);
    if (view.buffer) view.buffer = whole || part < BP__LEARNED_PARTS ? arena : NULL;
    return view;
}

enum { NAME = sizeof(((bp__tensor_out *)0)->name) };

static void name_row(char name[NAME], const bp__state_row *row)
{
    snprintf(name, NAME, BP__STATE_PREFIX "%s", row->name);
}

static void name_part(char name[NAME], const bp__state_row *row, size_t layer, bp__part part)
{
    snprintf(name, NAME, BP__STATE_PREFIX "%s.%zu.%s", row->name, layer, bp__part_name(part));
}

/* ---- Out ---- */

typedef struct gathered {
    bp__tensor_out *tensors;
    size_t count, capacity;
} gathered;

static bp_status add_tensor(gathered *out, bp__tensor_out **tensor)
{
    BP_TRY(bp__grow(&out->tensors, &out->capacity, out->count + 1, sizeof *out->tensors));
    *tensor = &out->tensors[out->count++];
    **tensor = (bp__tensor_out){.values = NULL};
    return BP_OK;
}

/* The numbers of a view as the engine has them: doubles, or floats, in *values. */
static bp_status read_exactly(void **values, bp__engine *engine, const bp__view *view)
{
    if (bp__has_doubles(engine)) return bp__read_doubles((double **)values, engine, view);
    BP_TRY(bp__new_array((float **)values, view->rows * view->columns, sizeof(float)));
    return bp__view_read(engine, view, *values);
}

static bp_status gather_arena(gathered *out, const bp__state *state, const bp__state_row *row)
{
    bp__engine *engine = state->network->engine;
    if (row->in_model && !bp__has_doubles(engine)) return BP_OK;
    for (size_t l = 0; l < state->network->layer_count; ++l)
        for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
            const bp__view view = part_of(state->network, row->arena, l, part);
            bp__tensor_out *tensor;
            if (!view.buffer) continue;
            BP_TRY(add_tensor(out, &tensor));
            name_part(tensor->name, row, l, part);
            tensor->dtype = bp__has_doubles(engine) ? BP__DTYPE_F64 : BP__DTYPE_F32;
            tensor->rows = part ? view.columns : view.rows;
            tensor->columns = part ? 0 : view.columns;
            void *values = NULL;
            const bp_status status = read_exactly(&values, engine, &view);
            tensor->values = values;
            BP_TRY(status);
        }
    return BP_OK;
}

static bp_status gather_host(gathered *out, const bp__state_row *row)
{
    const size_t bytes =
        row->count * (row->kind == BP__STATE_FLOATS ? sizeof(float) : sizeof(double));
    bp__tensor_out *tensor;
    void *values = NULL;
    BP_TRY(add_tensor(out, &tensor));
    name_row(tensor->name, row);
    tensor->dtype = dtype_of(row->kind);
    tensor->rows = row->count;
    BP_TRY(bp__new_array(&values, bytes, 1));
    memcpy(values, row->host, bytes);
    tensor->values = values;
    return BP_OK;
}

bp_status bp__state_save(const bp__state *state, const bp_model *model, const char *path,
                         const char *about, bool keep)
{
    gathered all = {.tensors = NULL};
    bp_status status = BP_OK;
    for (size_t i = 0; i < state->count && status == BP_OK; ++i)
        status = state->rows[i].kind == BP__STATE_ARENA ? gather_arena(&all, state, &state->rows[i])
                                                        : gather_host(&all, &state->rows[i]);
    const bp__extra extra = {
        .about = about, .tensors = all.tensors, .count = all.count, .keep = keep};
    if (status == BP_OK) status = bp__checkpoint_write(model, path, &extra);
    for (size_t i = 0; i < all.count; ++i) free((void *)(uintptr_t)all.tensors[i].values);
    free(all.tensors);
    return status;
}

/* ---- In ---- */

/* *out = the tensor, NULL where the model has it instead. */
static bp_status find(const bp__tensor **out, const bp__checkpoint *from, const bp__state_row *row,
                      const char *name, size_t elements)
{
    *out = bp__safetensors_find(&from->file, name);
    if (!*out && row->in_model) return BP_OK;
    if (!*out) return bp__fail(BP_ERROR_MODEL, "%s: tensor \"%s\" is missing", from->path, name);
    if ((*out)->elements == elements) return BP_OK;
    return bp__fail(BP_ERROR_MODEL, "%s: tensor \"%s\" has %zu elements, %zu were expected",
                    from->path, name, (*out)->elements, elements);
}

static bp_status put_host(const bp__state_row *row, const bp__checkpoint *from, bool look_only,
                          size_t *used)
{
    const bp__tensor *tensor;
    char name[NAME];
    name_row(name, row);
    BP_TRY(find(&tensor, from, row, name, row->count));
    if (!tensor) return BP_OK;
    ++*used;
    if (look_only) return BP_OK;
    return bp__tensor_copy(row->host, &from->file, tensor, dtype_of(row->kind), row->count);
}

/* *out = the tensor's numbers, whether floats or doubles: a checkpoint may come from another kind
 * of engine. */
static bp_status numbers_of(double **out, const bp__checkpoint *from, const bp__tensor *tensor)
{
    const size_t count = tensor->elements;
    float *floats = NULL;
    BP_TRY(bp__new_array(out, count, sizeof **out));
    if (tensor->dtype != BP__DTYPE_F32)
        return bp__tensor_copy(*out, &from->file, tensor, BP__DTYPE_F64, count);
    BP_TRY(bp__new_array(&floats, count, sizeof *floats));
    bp_status status = bp__tensor_copy(floats, &from->file, tensor, BP__DTYPE_F32, count);
    for (size_t i = 0; i < count; ++i) (*out)[i] = (double)floats[i];
    free(floats);
    return status;
}

static bp_status put_view(bp__engine *engine, const bp__view *view, const bp__checkpoint *from,
                          const bp__tensor *tensor)
{
    double *values = NULL;
    bp_status status = numbers_of(&values, from, tensor);
    if (status == BP_OK) status = bp__write_doubles(engine, view, values);
    free(values);
    return status;
}

static bp_status put_arena(const bp__state *state, const bp__state_row *row,
                           const bp__checkpoint *from, bool look_only, size_t *used)
{
    for (size_t l = 0; l < state->network->layer_count; ++l)
        for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
            const bp__view view = part_of(state->network, row->arena, l, part);
            const bp__tensor *tensor;
            char name[NAME];
            if (!view.buffer) continue;
            name_part(name, row, l, part);
            BP_TRY(find(&tensor, from, row, name, view.rows * view.columns));
            if (!tensor) continue;
            ++*used;
            if (!look_only) BP_TRY(put_view(state->network->engine, &view, from, tensor));
        }
    return BP_OK;
}

static bp_status put_all(const bp__state *state, const bp__checkpoint *from, bool look_only,
                         size_t *used)
{
    *used = 0;
    for (size_t i = 0; i < state->count; ++i) {
        const bp__state_row *row = &state->rows[i];
        BP_TRY(row->kind == BP__STATE_ARENA ? put_arena(state, row, from, look_only, used)
                                            : put_host(row, from, look_only, used));
    }
    return BP_OK;
}

/* Tensors that are state, and that it is not known to be right to leave out. */
static size_t count_state(const bp__checkpoint *from, const char *ignored)
{
    const size_t prefix = sizeof BP__STATE_PREFIX - 1;
    size_t count = 0;
    for (size_t t = 0; t < from->file.count; ++t) {
        const char *name = from->file.tensors[t].name;
        if (strncmp(name, BP__STATE_PREFIX, prefix) != 0) continue;
        name += prefix;
        if (!ignored || strncmp(name, ignored, strlen(ignored)) != 0) ++count;
    }
    return count;
}

bp_status bp__state_check(const bp__state *state, const bp__checkpoint *from, const char *ignored)
{
    size_t used;
    BP_TRY(put_all(state, from, true, &used));
    if (used == count_state(from, ignored)) return BP_OK;
    return bp__fail(BP_ERROR_MODEL,
                    "%s: holds %zu tensors of state, of which this training has only %zu",
                    from->path, count_state(from, ignored), used);
}

bp_status bp__state_load(const bp__state *state, const bp__checkpoint *from)
{
    size_t used;
    return put_all(state, from, false, &used);
}
