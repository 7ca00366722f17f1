/* load.c - bp_data_load: from paths to files, and which reader gets them. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/options.h"
#include "data/csv.h"
#include "data/fann.h"
#include "data/formats.h"
#include "data/gunzip.h"
#include "data/idx.h"
#include "data/libsvm.h"
#include "data/load.h"
#include "data/mnist.h"
#include "data/npy.h"
#include "data/schema.h"
#include "data/stream.h"
#include "data/zip.h"

#define FILE_LIMIT ((size_t)1 << 36)

bp_load_options bp_load_options_default(void)
{
    return (bp_load_options){.size = sizeof(bp_load_options), .header = -1};
}

static bp_status check_options(const bp_load_options *o)
{
    if (o->task < BP_TASK_AUTO || o->task > BP_TASK_REGRESS)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: task %d is unknown", (int)o->task);
    if (!bp_format_name(o->format))
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: format %d is unknown", (int)o->format);
    if (o->header < -1 || o->header > 1)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: header is %d; -1, 0 or 1 was expected",
                        (int)o->header);
    if (o->delimiter && !strchr(",;\t", o->delimiter))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_data_load: the delimiter is 0x%02x; comma, semicolon "
                        "or tab was expected",
                        (unsigned char)o->delimiter);
    return BP_OK;
}

bp_status bp__read_load_options(bp_load_options *out, const bp_load_options *given)
{
    *out = bp_load_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_load_options"));
    return check_options(out);
}

void bp__inputs_free(bp__input *inputs, size_t count)
{
    for (size_t i = 0; inputs && i < count; ++i) {
        free(inputs[i].path);
        free(inputs[i].labels);
        free(inputs[i].bytes);
    }
    free(inputs);
}

/* ---- arrays: IDX, NPY, NPZ, FANN ---- */

static bp_status read_file(char **bytes, size_t *size, const char *path)
{
    return bp__file_read(bytes, size, path, FILE_LIMIT);
}

/* gzip around anything but IDX, whose reader looks inside first. */
static bp_status unpack(bp__input *in, size_t limit)
{
    char *content;
    size_t size;
    if (in->kind == BP__FILE_IDX || !bp__is_gzip(in->bytes, in->size)) return BP_OK;
    BP_TRY(bp__gunzip(&content, &size, in->bytes, in->size, limit, in->path));
    free(in->bytes);
    in->bytes = content;
    in->size = size;
    return BP_OK;
}

static bp_status note_source(bp_data *data, const bp__input *in)
{
    char fingerprint[BP__FINGERPRINT_TEXT];
    bp__fingerprint_bytes(fingerprint, in->bytes, in->size);
    return bp__data_note_source(data, in->path, in->size, fingerprint);
}

/* A file of labels: one array. */
static bp_status read_labels(bp__array *out, bp_data *data, const char *path)
{
    bp__input in = {.path = NULL};
    BP_TRY(read_file(&in.bytes, &in.size, path));
    bp_status status = bp__copy_text(&in.path, path);
    if (status == BP_OK) status = note_source(data, &in);
    if (status == BP_OK) status = bp__find_kind(&in.kind, BP_FORMAT_AUTO, in.bytes, in.size, path);
    if (status == BP_OK && in.kind != BP__FILE_IDX && in.kind != BP__FILE_NPY)
        status = bp__fail(BP_ERROR_DATA, "%s: is %s; labels are read from IDX and NPY files", path,
                          bp__kind_name(in.kind));
    if (status == BP_OK) status = unpack(&in, FILE_LIMIT);
    if (status == BP_OK)
        status = in.kind == BP__FILE_IDX ? bp__idx_parse(out, &in.bytes, in.size, path)
                                         : bp__npy_parse(out, &in.bytes, in.size, path);
    free(in.path);
    free(in.bytes);
    return status;
}

static bp_status read_idx(bp__arrays *out, bp__input *in)
{
    BP_TRY(bp__idx_parse(&out->x, &in->bytes, in->size, in->path));
    out->own_targets = out->pictures = true;
    return in->labels ? BP_OK : bp__mnist_labels(&in->labels, in->path);
}

static bp_status read_arrays(bp__arrays *out, bp_data *data, bp__input *in,
                             const bp_load_options *o)
{
    switch (in->kind) {
    case BP__FILE_IDX: BP_TRY(read_idx(out, in)); break;
    case BP__FILE_NPY:
        BP_TRY(bp__npy_parse(&out->x, &in->bytes, in->size, in->path));
        out->last_is_target = !in->labels;
        break;
    case BP__FILE_NPZ:
        BP_TRY(
            bp__npz_parse(out, &data->warnings, in->bytes, in->size, in->path, o->test_part != 0));
        break;
    default: BP_TRY(bp__fann_parse(out, in->bytes, in->size, in->path));
    }
    if (in->kind != BP__FILE_IDX) out->pictures = out->x.dimensions > 2;
    if (!in->labels) return BP_OK;
    if (in->kind == BP__FILE_NPZ || in->kind == BP__FILE_FANN)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s: is %s, which holds its targets itself; %s was given", in->path,
                        bp__kind_name(in->kind), in->labels);
    return read_labels(&out->y, data, in->labels);
}

static bp_status load_arrays(bp_data *data, bp__input *inputs, size_t count,
                             const bp_load_options *o)
{
    bp__arrays *parts;
    size_t done = 0;
    BP_TRY(bp__new_array(&parts, count, sizeof *parts));
    bp_status status = BP_OK;
    while (done < count && status == BP_OK) {
        status = read_arrays(&parts[done], data, &inputs[done], o);
        ++done;
    }
    if (status == BP_OK) status = bp__arrays_load(data, parts, count, o);
    bp__arrays_free(parts, done);
    free(parts);
    return status;
}

/* ---- texts: CSV, libsvm ---- */

/* Their targets are in the file. */
static bp_status check_text(const bp__input *in, const bp_load_options *o)
{
    if (in->labels)
        return bp__fail(
            o->format ? BP_ERROR_ARGUMENT : BP_ERROR_DATA,
            "%s: is %s; a file of labels belongs to IDX and NPY, here they are a column", in->path,
            bp__kind_name(in->kind));
    if (o->schema && o->schema->pixel_count)
        return bp__fail(BP_ERROR_DATA, "%s: is %s, the model expects pictures (IDX, NPY)", in->path,
                        bp__kind_name(in->kind));
    return BP_OK;
}

static bp_status load_csv(bp_data *data, bp__input *inputs, size_t count, const bp_load_options *o)
{
    bp__csv csv = {.parts = NULL};
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && status == BP_OK; ++i) {
        bp__input *in = &inputs[i];
        status = check_text(in, o);
        if (status == BP_OK)
            status = bp__csv_add(&csv, in->bytes, in->size, in->path, o->delimiter);
    }
    if (status == BP_OK) status = bp__csv_header(&csv, o->header, o->schema);
    if (status == BP_OK) status = bp__table_load(data, &csv.sheet, o);
    bp__csv_free(&csv);
    return status;
}

static bp_status load_libsvm(bp_data *data, bp__input *inputs, size_t count,
                             const bp_load_options *o)
{
    bp__libsvm libsvm = {.parts = NULL};
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && status == BP_OK; ++i) {
        bp__input *in = &inputs[i];
        status = check_text(in, o);
        if (status == BP_OK) status = bp__libsvm_add(&libsvm, in->bytes, in->size, in->path);
    }
    if (status == BP_OK) status = bp__libsvm_finish(&libsvm);
    if (status == BP_OK) status = bp__table_load(data, &libsvm.sheet, o);
    bp__libsvm_free(&libsvm);
    return status;
}

bp_status bp__load_inputs(bp_data **out, bp__input *inputs, size_t count, const bp_load_options *o)
{
    bp_data *data;
    const bp__file_kind kind = inputs->kind;
    *out = NULL;
    BP_TRY(bp__data_new(&data, inputs->path));
    bp_status status = BP_OK;
    data->format = bp__kind_format(kind);
    for (size_t i = 0; i < count && status == BP_OK; ++i) {
        status = note_source(data, &inputs[i]);
        if (status == BP_OK) status = unpack(&inputs[i], FILE_LIMIT);
    }
    if (status == BP_OK)
        status = kind == BP__FILE_CSV      ? load_csv(data, inputs, count, o)
                 : kind == BP__FILE_LIBSVM ? load_libsvm(data, inputs, count, o)
                                           : load_arrays(data, inputs, count, o);
    if (status == BP_OK)
        *out = data;
    else
        bp_data_free(data);
    return status;
}

/* ---- from paths to files ---- */

/* The file and its labels, where a folder or the caller names them. */
static bp_status find_files(bp__input *in, const char *path, const char *labels,
                            const bp_load_options *o)
{
    if (strcmp(path, "-") == 0 || !bp__is_directory(path)) {
        BP_TRY(bp__copy_text(&in->labels, labels));
        return bp__copy_text(&in->path, path);
    }
    if (labels)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s: is a folder, which has its own labels; %s was given", path, labels);
    return bp__mnist_folder(&in->path, &in->labels, path, o->test_part != 0);
}

static bp_status read_input(bp__input *in, const char *path, const char *labels,
                            const bp_load_options *o)
{
    BP_TRY(find_files(in, path, labels, o));
    BP_TRY(read_file(&in->bytes, &in->size, in->path));
    if (strcmp(in->path, "-") == 0) {
        free(in->path);
        BP_TRY(bp__copy_text(&in->path, "standard input"));
    }
    BP_TRY(bp__find_kind(&in->kind, o->format, in->bytes, in->size, in->path));
    if (!o->test_part || in->kind == BP__FILE_NPZ || bp__is_directory(path)) return BP_OK;
    return bp__fail(BP_ERROR_ARGUMENT,
                    "%s: only a folder of four IDX files, or an NPZ archive, has a test part",
                    path);
}

static bp_status read_inputs(bp__input *inputs, const char *const *paths, const char *const *labels,
                             size_t count, const bp_load_options *o)
{
    for (size_t i = 0; i < count; ++i) {
        if (!paths[i]) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: path is NULL");
        if (count > 1 && bp__is_directory(paths[i]))
            return bp__fail(BP_ERROR_ARGUMENT,
                            "%s: is a folder, which is a whole data set: load it alone", paths[i]);
        BP_TRY(read_input(&inputs[i], paths[i], labels ? labels[i] : NULL, o));
        if (inputs[i].kind != inputs->kind)
            return bp__fail(BP_ERROR_DATA,
                            "%s: is %s, but %s is %s; files of one data set have the same format",
                            paths[i], bp__kind_name(inputs[i].kind), paths[0],
                            bp__kind_name(inputs->kind));
    }
    return BP_OK;
}

/* Weights that are named must have been found. */
static bp_status check_weights(bp_data **data, const bp_load_options *o)
{
    if (!o->weights || bp__has_weights(*data)) return BP_OK;
    const bp_status status = bp__fail(BP_ERROR_DATA,
                                      "%s: pictures have no column of weights: set them with "
                                      "bp_data_set_weights",
                                      bp__data_source(*data));
    bp_data_free(*data);
    *data = NULL;
    return status;
}

/* The same where the rows are to be streamed: the files are found, and not read here. */
static bp_status stream_files(bp_data **out, const char *const *paths, const char *const *labels,
                              size_t count, const bp_load_options *o)
{
    bp__input *found;
    bp__stream_input *inputs = NULL;
    BP_TRY(bp__new_array(&found, count, sizeof *found));
    bp_status status = bp__new_array(&inputs, count, sizeof *inputs);
    if (status == BP_OK && o->schema && !o->need_target)
        status =
            bp__fail(BP_ERROR_UNSUPPORTED,
                     "%s: rows without targets cannot be streamed: load them in pieces", paths[0]);
    for (size_t i = 0; i < count && status == BP_OK; ++i) {
        if (!paths[i]) status = bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: path is NULL");
        if (status == BP_OK) status = find_files(&found[i], paths[i], labels ? labels[i] : NULL, o);
        inputs[i] = (bp__stream_input){found[i].path, found[i].labels};
    }
    if (status == BP_OK) status = bp__stream_load(out, inputs, count, o);
    if (status == BP_OK) status = check_weights(out, o);
    free(inputs);
    bp__inputs_free(found, count);
    return status;
}

bp_status bp_data_load_files(bp_data **out, const char *const *paths, const char *const *labels,
                             size_t count, const bp_load_options *options)
{
    bp_load_options o;
    bp__input *inputs;
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: out is NULL");
    *out = NULL;
    if (!paths || count == 0) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: there is no path");
    BP_TRY(bp__read_load_options(&o, options));
    if (o.labels && labels)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_data_load_files: labels are given twice, as an argument and as an "
                        "option");
    if (o.labels && count > 1)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load_files: one file of labels for %zu files",
                        count);
    if (o.stream) return stream_files(out, paths, o.labels ? &o.labels : labels, count, &o);
    BP_TRY(bp__new_array(&inputs, count, sizeof *inputs));
    bp_status status = read_inputs(inputs, paths, o.labels ? &o.labels : labels, count, &o);
    if (status == BP_OK) status = bp__load_inputs(out, inputs, count, &o);
    if (status == BP_OK) status = check_weights(out, &o);
    bp__inputs_free(inputs, count);
    return status;
}

bp_status bp_data_load(bp_data **out, const char *path, const bp_load_options *options)
{
    return bp_data_load_files(out, &path, NULL, 1, options);
}

int bp_data_has_test_part(const char *path)
{
    char start[4], *bytes;
    size_t size;
    if (!path || strcmp(path, "-") == 0) return 0;
    if (bp__is_directory(path)) return bp__mnist_has_parts(path);
    if (bp__file_start(start, sizeof start, &size, path) != BP_OK || !bp__is_zip(start, size))
        return 0;
    if (read_file(&bytes, &size, path) != BP_OK) return 0;
    bool found = bp__npz_has_test_part(bytes, size);
    free(bytes);
    return found;
}
