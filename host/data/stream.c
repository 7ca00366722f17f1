/* stream.c - a data set made of the blocks of files. */
#include "data/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "data/columns.h"
#include "data/notes.h"
#include "data/raw_rows.h"
#include "data/table.h"

size_t bp__stream_block = (size_t)1 << 20;

bp_status bp__stream_finish(bp_data *data, bp__source *source)
{
    uint64_t bytes;
    char fingerprint[BP__FINGERPRINT_TEXT];
    BP_TRY(bp__source_finish(source, &bytes, fingerprint));
    data->stream.bytes_read += bytes;
    return bp__data_note_source(data, bp__source_name(source), bytes, fingerprint);
}

static bp_status find_kind(bp__file_kind *kind, const bp__stream_input *input,
                           const bp_load_options *o)
{
    enum { ENOUGH = 1 << 16 };
    bp__source *source;
    char *start;
    size_t got = 0;
    if (strcmp(input->path, "-") == 0) { /* whose bytes come once; they are text */
        *kind = BP__FILE_CSV;
        return BP_OK;
    }
    BP_TRY(bp__source_open(&source, input->path));
    bp_status status = bp__new_array(&start, ENOUGH, 1);
    if (status == BP_OK) status = bp__source_read(source, start, ENOUGH, &got);
    if (status == BP_OK) status = bp__find_kind(kind, o->format, start, got, input->path);
    free(start);
    bp__source_close(source);
    return status;
}

/* BP_ERROR_UNSUPPORTED for formats that are not read from front to end. */
static bp_status check_kinds(bp__file_kind *kind, const bp__stream_input *inputs, size_t count,
                             const bp_load_options *o)
{
    for (size_t i = 0; i < count; ++i) {
        bp__file_kind found;
        BP_TRY(find_kind(&found, &inputs[i], o));
        if (found != BP__FILE_CSV && found != BP__FILE_IDX && found != BP__FILE_NPY)
            return bp__fail(BP_ERROR_UNSUPPORTED,
                            "%s: is %s; CSV, IDX and NPY files can be streamed", inputs[i].path,
                            bp__kind_name(found));
        if (i > 0 && found != *kind)
            return bp__fail(BP_ERROR_DATA,
                            "%s: is %s, but %s is %s; files of one data set have the same format",
                            inputs[i].path, bp__kind_name(found), inputs->path,
                            bp__kind_name(*kind));
        *kind = found;
    }
    return BP_OK;
}

/* What a table is, once all of its rows have been seen. */
static bp_status finish_table(bp_data *data, const bp_load_options *o)
{
    for (size_t k = 0; k < data->column_count; ++k)
        data->missing += data->columns[k].notes->missing;
    for (size_t k = 0; k < data->target_count; ++k) bp__notes_sort(bp__data_target(data, k)->notes);
    if (o->schema) {
        data->task = data->target_count ? o->schema->task : BP_TASK_AUTO;
    } else {
        if (data->target_count > 0) BP_TRY(bp__table_task(data, o->task));
        BP_TRY(bp__report_constant(data));
        BP_TRY(bp__report_row_numbers(data));
    }
    return bp__report_missing(data);
}

static bp_status load(bp_data *data, const bp__stream_input *inputs, size_t count,
                      const bp_load_options *o)
{
    bp__file_kind kind = BP__FILE_CSV;
    const double start = bp__seconds();
    BP_TRY(check_kinds(&kind, inputs, count, o));
    data->format = bp__kind_format(kind);
    BP_TRY(bp__raw_rows_create(&data->raw_rows, o->stream_folder));
    BP_TRY(kind == BP__FILE_CSV ? bp__stream_csv(data, inputs, count, o)
                                : bp__stream_arrays(data, inputs, count, o, kind));
    if (data->rows > UINT32_MAX)
        return bp__fail(BP_ERROR_DATA, "%s: %zu rows, at most %u", inputs->path, data->rows,
                        UINT32_MAX);
    if (!data->pixel_count) BP_TRY(finish_table(data, o));
    data->stream.bytes_kept = bp__raw_rows_bytes(data->raw_rows);
    data->stream.parse_seconds = bp__seconds() - start;
    return BP_OK;
}

bp_status bp__stream_load(bp_data **out, const bp__stream_input *inputs, size_t count,
                          const bp_load_options *options)
{
    bp_data *data;
    *out = NULL;
    BP_TRY(bp__data_new(&data, strcmp(inputs->path, "-") == 0 ? "standard input" : inputs->path));
    const bp_status status = load(data, inputs, count, options);
    if (status == BP_OK)
        *out = data;
    else
        bp_data_free(data);
    return status;
}
