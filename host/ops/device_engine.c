/* device_engine.c - the engine on an OpenCL device: buffers, transfers, and sequences of launches
 * on one in-order queue. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "ops/fusions.h"
#include "ops/launchers.h"
#include "tuning/store.h"

struct bp__sequence {
    bp__recorder recorder;
    size_t bytes; /* of its own buffers */
};

static bp__device_engine *of(bp__engine *engine)
{
    return (bp__device_engine *)engine;
}

cl_mem bp__buffer_memory(const bp__buffer *buffer)
{
    return buffer->memory;
}

bp__matrix_args bp__matrix(const bp__view *view)
{
    return (bp__matrix_args){
        .memory = view->buffer->memory, .offset = view->offset, .stride = (cl_uint)view->stride};
}

static void device_buffer_free(bp__engine *engine, bp__buffer *buffer)
{
    bp__shared_release(of(engine), buffer);
    if (buffer->memory) {
        bp__cl.clReleaseMemObject(buffer->memory);
        engine->bytes -= buffer->bytes;
    }
    free(buffer);
}

bp_status bp__buffer_need(bp__device_engine *engine, bp__buffer *buffer)
{
    if (buffer->memory) return BP_OK;
    bp_device *device = engine->device;
    const size_t bytes = buffer->bytes;
    cl_int code;
    cl_mem memory = bp__cl.clCreateBuffer(device->context, CL_MEM_READ_WRITE | buffer->flags, bytes,
                                          NULL, &code);
    if (code != CL_SUCCESS) {
        bp_status status = bp__cl_fail(code, "clCreateBuffer", __FILE__, __LINE__);
        return bp__fail_context(status, "%s: a buffer of %.1f MB", device->info.name,
                                (double)bytes / 1e6);
    }
    buffer->memory = memory;
    engine->base.bytes += bytes;
    const cl_uint zero = 0;
    BP_CL(clEnqueueFillBuffer(device->queue, memory, &zero, sizeof zero, 0, bytes, 0, NULL,
                              bp__event_slot(engine->log)));
    return bp__event_add(engine->log, BP__ITEM_FILL, 0, (double)bytes);
}

static bp_status create_buffer(bp__engine *engine, bp__buffer **out, cl_mem_flags flags,
                               size_t count, bool later)
{
    /* Numbers and integers are both 32-bit words, and zero is zero bits in both. */
    *out = NULL;
    bp_device *device = of(engine)->device;
    size_t bytes;
    if (count == 0) count = 1;
    if (!bp__mul_size(&bytes, count, sizeof(cl_float))) return bp__fail_memory(SIZE_MAX);
    const size_t most = engine->buffer_limit;
    if (bytes > most)
        return bp__fail(BP_ERROR_DEVICE_MEMORY,
                        "%s: a buffer of %.1f MB is needed, the device allows %.1f MB at once",
                        device->info.name, (double)bytes / 1e6, (double)most / 1e6);
    bp__buffer *buffer = NULL;
    BP_TRY(bp__new_array(&buffer, 1, sizeof *buffer));
    buffer->bytes = bytes;
    buffer->flags = flags;
    bp_status status = later ? BP_OK : bp__buffer_need(of(engine), buffer);
    if (status != BP_OK) {
        device_buffer_free(engine, buffer);
        return status;
    }
    *out = buffer;
    return BP_OK;
}

static bp_status device_buffer_create(bp__engine *engine, bp__buffer **out, bp__type type,
                                      size_t count, bool later)
{
    (void)type;
    return create_buffer(engine, out, 0, count, later);
}

static bp_status device_shared_create(bp__engine *engine, bp__buffer **out, bp__type type,
                                      size_t count)
{
    (void)type;
    BP_TRY(create_buffer(engine, out, of(engine)->in_host_memory ? CL_MEM_ALLOC_HOST_PTR : 0, count,
                         false));
    bp_status status = bp__shared_prepare(of(engine), *out);
    if (status == BP_OK) return BP_OK;
    device_buffer_free(engine, *out);
    *out = NULL;
    return status;
}

static bp_status device_map(bp__engine *engine, bp__buffer *buffer, void **host)
{
    return bp__shared_map(of(engine), buffer, host);
}

static bp_status device_unmap(bp__engine *engine, bp__buffer *buffer)
{
    return bp__shared_unmap(of(engine), buffer);
}

bp_status bp__engine_scratch(bp__device_engine *engine, size_t count, cl_mem *out)
{
    bp__buffer **scratch = &engine->scratch;
    if (!*scratch || engine->scratch_size < count) {
        bp__buffer *larger;
        BP_TRY(bp__grow(&engine->outgrown, &engine->outgrown_capacity, engine->outgrown_count + 1,
                        sizeof(bp__buffer *)));
        BP_TRY(device_buffer_create(&engine->base, &larger, BP__NUMBER, count, false));
        if (*scratch) engine->outgrown[engine->outgrown_count++] = *scratch;
        *scratch = larger;
        engine->scratch_size = count;
    }
    *out = (*scratch)->memory;
    return BP_OK;
}

/* A view with gaps between its rows, as the Rect calls describe it. */
typedef struct rectangle {
    size_t origin[3], host_origin[3], region[3], pitch;
} rectangle;

static bool contiguous(const bp__view *view)
{
    return view->rows == 1 || view->columns == view->stride;
}

static rectangle rectangle_of(const bp__view *view)
{
    const size_t word = sizeof(cl_float);
    return (rectangle){
        .origin = {view->offset % view->stride * word, view->offset / view->stride, 0},
        .host_origin = {0, 0, 0},
        .region = {view->columns * word, view->rows, 1},
        .pitch = view->stride * word};
}

static double bytes_of(const bp__view *view)
{
    return sizeof(cl_float) * (double)view->rows * (double)view->columns;
}

/* Between host [rows][columns] and a view in panels, of which panels[0] is the first word: piece by
 * piece of a row of a panel. */
static void copy_panels(const bp__view *view, float *panels, float *in, const float *out)
{
    const size_t rows = view->transposed ? view->columns : view->rows;
    const size_t columns = view->transposed ? view->rows : view->columns;
    /* Between neighbours on the host, in a stored row and in a stored column. */
    const size_t step = view->transposed ? view->columns : 1;
    const size_t row_step = view->transposed ? 1 : view->columns;
    for (size_t first = 0; first < columns; first += view->stride, panels += view->panel_step) {
        const size_t count = columns - first < view->stride ? columns - first : view->stride;
        for (size_t r = 0; r < rows; ++r) {
            float *const piece = panels + r * view->stride;
            const size_t at = r * row_step + first * step;
            for (size_t c = 0; c < count; ++c) {
                if (in)
                    in[at + c * step] = piece[c];
                else
                    piece[c] = out[at + c * step];
            }
        }
    }
}

/* The host of a device with panels is the device: its memory is mapped, not copied. */
static bp_status copy_mapped(bp__engine *engine, const bp__view *view, float *in, const float *out)
{
    cl_command_queue queue = of(engine)->device->queue;
    bp__event_log *log = of(engine)->log;
    cl_mem memory = view->buffer->memory;
    cl_int code;
    float *mapped = bp__cl.clEnqueueMapBuffer(
        queue, memory, CL_TRUE, in ? CL_MAP_READ : CL_MAP_WRITE, view->offset * sizeof(cl_float),
        bp__view_extent(view) * sizeof(cl_float), 0, NULL, NULL, &code);
    if (code != CL_SUCCESS) return bp__cl_fail(code, "clEnqueueMapBuffer", __FILE__, __LINE__);
    copy_panels(view, mapped, in, out);
    BP_CL(clEnqueueUnmapMemObject(queue, memory, mapped, 0, NULL, bp__event_slot(log)));
    return bp__event_add(log, in ? BP__ITEM_READ : BP__ITEM_WRITE, 0, bytes_of(view));
}

static bp_status device_write(bp__engine *engine, const bp__view *view, const void *host)
{
    BP_TRY(bp__buffer_need(of(engine), view->buffer));
    if (view->panel_step) return copy_mapped(engine, view, NULL, host);
    cl_command_queue queue = of(engine)->device->queue;
    bp__event_log *log = of(engine)->log;
    cl_mem memory = view->buffer->memory;
    const size_t word = sizeof(cl_float);
    if (contiguous(view)) {
        BP_CL(clEnqueueWriteBuffer(queue, memory, CL_TRUE, view->offset * word,
                                   view->rows * view->columns * word, host, 0, NULL,
                                   bp__event_slot(log)));
    } else {
        rectangle r = rectangle_of(view);
        BP_CL(clEnqueueWriteBufferRect(queue, memory, CL_TRUE, r.origin, r.host_origin, r.region,
                                       r.pitch, 0, view->columns * word, 0, host, 0, NULL,
                                       bp__event_slot(log)));
    }
    return bp__event_add(log, BP__ITEM_WRITE, 0, bytes_of(view));
}

static bp_status device_read(bp__engine *engine, const bp__view *view, void *host)
{
    BP_TRY(bp__buffer_need(of(engine), view->buffer));
    if (view->panel_step) return copy_mapped(engine, view, host, NULL);
    cl_command_queue queue = of(engine)->device->queue;
    bp__event_log *log = of(engine)->log;
    cl_mem memory = view->buffer->memory;
    const size_t word = sizeof(cl_float);
    if (contiguous(view)) {
        BP_CL(clEnqueueReadBuffer(queue, memory, CL_TRUE, view->offset * word,
                                  view->rows * view->columns * word, host, 0, NULL,
                                  bp__event_slot(log)));
    } else {
        rectangle r = rectangle_of(view);
        BP_CL(clEnqueueReadBufferRect(queue, memory, CL_TRUE, r.origin, r.host_origin, r.region,
                                      r.pitch, 0, view->columns * word, 0, host, 0, NULL,
                                      bp__event_slot(log)));
    }
    return bp__event_add(log, BP__ITEM_READ, 0, bytes_of(view));
}

/* Waits for the event of the last read_behind, if there is one, and forgets it. */
static bp_status wait_behind(bp__device_engine *engine)
{
    if (!engine->behind) return BP_OK;
    cl_event event = engine->behind;
    engine->behind = NULL;
    cl_int code = bp__cl.clWaitForEvents(1, &event);
    bp__cl.clReleaseEvent(event);
    if (code != CL_SUCCESS) return bp__cl_fail(code, "clWaitForEvents", __FILE__, __LINE__);
    return BP_OK;
}

/* The log has the event as well. */
static bp_status share(bp__event_log *log, cl_event *slot, cl_event event, double bytes)
{
    if (!log) return BP_OK;
    BP_CL(clRetainEvent(event));
    *slot = event;
    return bp__event_add(log, BP__ITEM_READ, 0, bytes);
}

static bp_status device_read_behind(bp__engine *base, const bp__view *view, void *host)
{
    bp__device_engine *engine = of(base);
    cl_event event = NULL, *slot = bp__event_slot(engine->log);
    BP_CL(clEnqueueReadBuffer(engine->device->queue, view->buffer->memory, CL_FALSE,
                              view->offset * sizeof(cl_float), view->columns * sizeof(cl_float),
                              host, 0, NULL, &event));
    bp_status status = wait_behind(engine);
    engine->behind = event;
    BP_TRY(status);
    BP_TRY(share(engine->log, slot, event, bytes_of(view)));
    BP_CL(clFlush(engine->device->queue));
    return BP_OK;
}

static const bp__fusion fusions[] = {bp__fuse_small_steps, bp__fuse_cpu_plan, bp__fuse_gpu_steps,
                                     bp__fuse_gathers};

static bp_status launch(bp__device_engine *engine, bp__recorder *recorder, const bp__op *op)
{
    switch (op->kind) {
    case BP__OP_GATHER: return bp__launch_gather(engine, recorder, &op->as.gather);
    case BP__OP_DENSE_FORWARD:
        return bp__launch_dense_forward(engine, recorder, &op->as.dense_forward);
    case BP__OP_SOFTMAX: return bp__launch_softmax(engine, recorder, &op->as.softmax);
    case BP__OP_LOSS: return bp__launch_loss(engine, recorder, &op->as.loss);
    case BP__OP_REDUCE_LOSS: return bp__launch_reduce_loss(engine, recorder, &op->as.reduce_loss);
    case BP__OP_DENSE_EFFECT:
        return bp__launch_dense_effect(engine, recorder, &op->as.dense_effect);
    case BP__OP_DENSE_GRADIENT:
        BP_TRY(bp__buffer_need(engine, op->as.dense_gradient.weights_gradient.buffer));
        return bp__launch_dense_gradient(engine, recorder, &op->as.dense_gradient);
    case BP__OP_SQUARES: return bp__launch_squares(engine, recorder, &op->as.squares);
    case BP__OP_CLIP: return bp__launch_clip(engine, recorder, &op->as.clip);
    case BP__OP_MAX_NORM: return bp__launch_max_norm(engine, recorder, &op->as.max_norm);
    case BP__OP_AVERAGE: return bp__launch_average(engine, recorder, &op->as.average);
    case BP__OP_ACCUMULATE:
        BP_TRY(bp__buffer_need(engine, op->as.accumulate.gradients.buffer));
        return bp__launch_accumulate(engine, recorder, &op->as.accumulate);
    case BP__OP_NORMALIZE: return bp__launch_normalize(engine, recorder, &op->as.normalize);
    case BP__OP_NORM_GRADIENT:
        BP_TRY(bp__buffer_need(engine, op->as.norm_gradient.gain_gradient.buffer));
        return bp__launch_norm_gradient(engine, recorder, &op->as.norm_gradient);
    case BP__OP_NORM_EFFECT: return bp__launch_norm_effect(engine, recorder, &op->as.norm_effect);
    case BP__OP_OPTIMIZER:
        BP_TRY(bp__buffer_need(engine, op->as.optimizer.gradients.buffer));
        return bp__launch_optimizer(engine, recorder, &op->as.optimizer);
    }
    return bp__fail(BP_ERROR_INTERNAL, "unknown operation %d", (int)op->kind);
}

/* The commands from `from` on do ops[first … first + count), and are timed as such. */
static bp_status name_commands(bp__device_engine *engine, bp__recorder *recorder, size_t from,
                               const bp__op *ops, size_t first, size_t count)
{
    if (!engine->log || from == recorder->count) return BP_OK;
    size_t working = recorder->count - 1;
    for (size_t c = from; c < recorder->count; ++c)
        if (recorder->commands[c].multiplies) working = c;
    const bp__work work = bp__work_of(ops, first, count), none = {0, 0};
    for (size_t c = from; c < recorder->count; ++c)
        BP_TRY(bp__profile_item(engine->base.profile, &recorder->commands[c].item, ops, first,
                                count, recorder->commands[c].name, c == working ? work : none));
    return BP_OK;
}

static void device_sequence_free(bp__engine *engine, bp__sequence *sequence)
{
    engine->bytes -= sequence->bytes;
    bp__recorder_clear(&sequence->recorder);
    free(sequence);
}

static bp_status device_sequence_create(bp__engine *engine, bp__sequence **out, const bp__op *ops,
                                        size_t count)
{
    *out = NULL;
    bp__sequence *sequence = NULL;
    BP_TRY(bp__new_array(&sequence, 1, sizeof *sequence));
    sequence->recorder.device = of(engine)->device;
    sequence->recorder.log = of(engine)->log;
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && status == BP_OK;) {
        size_t consumed = 0;
        const size_t recorded = sequence->recorder.count;
        for (size_t f = 0; f < BP_COUNT(fusions) && consumed == 0 && status == BP_OK; ++f)
            status = fusions[f](of(engine), &sequence->recorder, ops + i, count - i, &consumed);
        if (consumed == 0 && status == BP_OK) {
            status = launch(of(engine), &sequence->recorder, &ops[i]);
            consumed = 1;
        }
        if (status == BP_OK)
            status = name_commands(of(engine), &sequence->recorder, recorded, ops, i, consumed);
        i += consumed;
    }
    engine->bytes += sequence->bytes = sequence->recorder.bytes;
    if (status == BP_OK)
        *out = sequence;
    else
        device_sequence_free(engine, sequence);
    return status;
}

static bp_status device_sequence_run(bp__engine *engine, bp__sequence *sequence, size_t times)
{
    (void)engine;
    return bp__recorder_enqueue(&sequence->recorder, times);
}

static bp_status device_finish(bp__engine *engine)
{
    bp_status status = wait_behind(of(engine));
    BP_CL(clFinish(of(engine)->device->queue));
    const bp_status collected = bp__event_collect(of(engine)->log);
    return status != BP_OK ? status : collected;
}

static bp_status device_profile(bp__engine *engine, bp_profile *profile)
{
    bp_device *device = of(engine)->device;
    BP_TRY(bp__profile_device(profile, device->info.name));
    BP_TRY(bp__event_log_create(&of(engine)->log, device, profile));
    engine->profile = profile;
    return BP_OK;
}

static void device_free(bp__engine *engine)
{
    (void)wait_behind(of(engine));
    bp__cl.clFinish(of(engine)->device->queue);
    bp__event_log_free(of(engine)->log);
    bp__buffer_free(engine, of(engine)->scratch);
    for (size_t i = 0; i < of(engine)->outgrown_count; ++i)
        bp__buffer_free(engine, of(engine)->outgrown[i]);
    free(of(engine)->outgrown);
    if (of(engine)->transfers) bp__cl.clReleaseCommandQueue(of(engine)->transfers);
    free(engine);
}

static const bp__engine_api device_api = {
    .free = device_free,
    .buffer_create = device_buffer_create,
    .buffer_free = device_buffer_free,
    .write = device_write,
    .read = device_read,
    .read_behind = device_read_behind,
    .sequence_create = device_sequence_create,
    .sequence_free = device_sequence_free,
    .sequence_run = device_sequence_run,
    .finish = device_finish,
    .profile = device_profile,
    .shared_create = device_shared_create,
    .map = device_map,
    .unmap = device_unmap,
};

/* The register width that the CPU kernels are written for: 4, 8 or 16 floats. */
static unsigned cpu_vector_width(const bp_device *device)
{
    return device->vector_width >= 16 ? 16 : device->vector_width >= 8 ? 8 : 4;
}

void bp__device_engine_tune(bp__device_engine *engine, const bp__tuning *tuning)
{
    engine->tuning = *tuning;
    engine->base.tile_rows = tuning->product.rows;
}

bp_status bp__device_engine_create(bp__engine **out, bp_device *device, int32_t gemm)
{
    *out = NULL;
    bp__device_engine *engine = NULL;
    BP_TRY(bp__new_array(&engine, 1, sizeof *engine));
    engine->base.api = &device_api;
    engine->device = device;
    engine->gemm = gemm;
    engine->precision = device->precision;
    engine->gpu_steps = device->gpu_steps;
    engine->cpu_kernels = gemm == BP_GEMM_CPU || (device->info.kind == BP_KIND_CPU &&
                                                  (gemm == BP_GEMM_AUTO || gemm == BP_GEMM_NATIVE));
    engine->vector_width = engine->cpu_kernels ? cpu_vector_width(device) : 1;
    /* GPUs read rows fastest from 16-byte boundaries. */
    engine->base.quantum = engine->cpu_kernels ? engine->vector_width : 4;
    engine->base.panels = engine->cpu_kernels;
    const bp__tuning tuning = bp__tuning_of(device, engine->vector_width);
    bp__device_engine_tune(engine, &tuning);
    engine->base.memory = device->info.global_memory_bytes;
    engine->base.buffer_limit = device->max_buffer_bytes < device->info.global_memory_bytes
                                    ? device->max_buffer_bytes
                                    : device->info.global_memory_bytes;
    engine->in_host_memory = device->unified;
    *out = &engine->base;
    return BP_OK;
}
