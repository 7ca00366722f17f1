/* load.c - bp_data_load: what a path is, told by its content, and which reader gets it. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "data/columns.h"
#include "data/csv.h"
#include "data/gunzip.h"
#include "data/idx.h"
#include "data/mnist.h"
#include "data/schema.h"

bp_load_options bp_load_options_default(void)
{
    return (bp_load_options){.size = sizeof(bp_load_options), .header = -1};
}

static bp_status check_options(const char *path, const bp_load_options *o)
{
    if (!path) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: path is NULL");
    if (o->task < BP_TASK_AUTO || o->task > BP_TASK_REGRESS)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: task %d is unknown", (int)o->task);
    if (o->format < BP_FORMAT_AUTO || o->format > BP_FORMAT_IDX)
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

/* ---- IDX ---- */

static bool has_unknown_label(const bp_data *data, const bp_schema *schema)
{
    for (size_t r = 0; r < data->rows; ++r)
        if ((size_t)data->labels[r] >= schema->classes.count) return true;
    return false;
}

/* What a schema for pictures asks of the file. */
static bp_status match_pictures(bp_data *data, const bp_load_options *o)
{
    const bp_schema *schema = o->schema;
    if (schema->pixel_count != data->pixel_count)
        return bp__fail(BP_ERROR_DATA, "%s: %zu values in each row, the model expects %zu%s",
                        data->source, data->pixel_count,
                        schema->pixel_count ? schema->pixel_count : schema->column_count,
                        schema->pixel_count ? "" : " columns of a table (CSV)");
    if (o->need_target && !data->labels)
        return bp__fail(BP_ERROR_DATA, "%s: there are no labels; name the file that holds them",
                        data->source);
    if (!o->need_target && data->labels && has_unknown_label(data, schema)) {
        free(data->labels);
        data->labels = NULL;
        data->task = BP_TASK_AUTO;
        return bp__append(&data->warnings,
                          "%s: has labels that the model does not know, labels are "
                          "ignored\n",
                          data->source);
    }
    return BP_OK;
}

static bp_status add_labels(bp_data *data, const char *path)
{
    bp__idx labels;
    BP_TRY(bp__idx_read(&labels, path));
    bp_status status = bp__idx_labels(data, &labels);
    bp__idx_free(&labels);
    return status;
}

static bp_status load_idx(bp_data *data, char **bytes, size_t size, const char *labels,
                          const bp_load_options *o)
{
    bp__idx images;
    char *sibling = NULL;
    if (o->task == BP_TASK_REGRESS)
        return bp__fail(BP_ERROR_DATA, "%s: IDX labels are classes, regression is not possible",
                        data->source);
    if (o->target)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s: is IDX, which has no columns; a target (%s) cannot be "
                        "chosen, labels are a file",
                        data->source, o->target);
    BP_TRY(bp__idx_parse(&images, bytes, size, data->source));
    bp_status status = bp__idx_images(data, &images);
    bp__idx_free(&images);
    if (status == BP_OK && !labels) status = bp__mnist_labels(&sibling, data->source);
    if (status == BP_OK && (labels || sibling))
        status = add_labels(data, labels ? labels : sibling);
    if (status == BP_OK && o->schema) status = match_pictures(data, o);
    free(sibling);
    return status;
}

/* ---- CSV ---- */

static bp_status load_table(bp_data *data, bp__csv *csv, const bp_load_options *o)
{
    BP_TRY(bp__csv_header(csv, o->header, o->schema));
    BP_TRY(o->schema ? bp__csv_known_table(data, csv, o) : bp__csv_free_table(data, csv, o));
    BP_TRY(bp__report_missing(data));
    return csv->warnings ? bp__append(&data->warnings, "%s", csv->warnings) : BP_OK;
}

static bp_status load_csv(bp_data *data, char **bytes, size_t size, const bp_load_options *o)
{
    bp__csv csv;
    if (o->labels)
        return bp__fail(
            o->format == BP_FORMAT_CSV ? BP_ERROR_ARGUMENT : BP_ERROR_DATA,
            "%s: is not IDX, which starts with 00 00; a file of labels belongs to IDX, in "
            "CSV they are a column",
            data->source);
    if (o->schema && o->schema->pixel_count)
        return bp__fail(BP_ERROR_DATA, "%s: is CSV, the model expects pictures (IDX)",
                        data->source);
    if (bp__is_gzip(*bytes, size)) {
        char *content;
        BP_TRY(bp__gunzip(&content, &size, *bytes, size, BP__CSV_LIMIT, data->source));
        free(*bytes);
        *bytes = content;
    }
    BP_TRY(bp__csv_cut(&csv, *bytes, size, data->source, o->delimiter));
    bp_status status = load_table(data, &csv, o);
    bp__csv_free(&csv);
    return status;
}

/* ---- which of the two ---- */

/* Files that people try and that start in a way of their own. */
static const struct {
    const char *start;
    size_t length;
    const char *what;
} others[] = {
    {"PK\3\4", 4, "a zip archive or a spreadsheet; unpack it, or save the sheet as CSV"},
    {"\x93NUMPY", 6, "a NumPy file; save it as CSV (numpy.savetxt)"},
    {"PAR1", 4, "a Parquet file; save it as CSV"},
    {"\x89HDF", 4, "an HDF5 file; save it as CSV"},
    {"\x89PNG", 4, "a PNG picture; pictures are read from IDX files"},
};

/* Told by the first bytes of the content; text cannot start with a NUL byte, IDX must. */
static bp_status find_format(int32_t *format, const char *bytes, size_t size, const char *source)
{
    char start[8];
    size_t got = size < sizeof start ? size : sizeof start;
    memcpy(start, bytes, got);
    if (bp__is_gzip(bytes, size)) BP_TRY(bp__gunzip_start(start, sizeof start, &got, bytes, size));
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i)
        if (got >= others[i].length && memcmp(start, others[i].start, others[i].length) == 0)
            return bp__fail(BP_ERROR_DATA, "%s: is %s", source, others[i].what);
    *format = got >= 2 && start[0] == 0 && start[1] == 0 ? BP_FORMAT_IDX : BP_FORMAT_CSV;
    return BP_OK;
}

static bp_status load_file(bp_data *data, const char *path, const char *labels,
                           const bp_load_options *o)
{
    char *bytes;
    size_t size;
    int32_t format = o->format;
    BP_TRY(bp__file_read(&bytes, &size, path,
                         format == BP_FORMAT_CSV ? BP__CSV_LIMIT : BP__IDX_LIMIT));
    bp_status status = BP_OK;
    if (format == BP_FORMAT_AUTO) status = find_format(&format, bytes, size, data->source);
    if (status == BP_OK)
        status = format == BP_FORMAT_IDX ? load_idx(data, &bytes, size, labels, o)
                                         : load_csv(data, &bytes, size, o);
    free(bytes);
    return status;
}

/* Finds the file of pictures and, for a folder, its labels; both the caller's. */
static bp_status find_files(char **file, char **labels, const char *path, const bp_load_options *o)
{
    *file = NULL;
    *labels = NULL;
    if (strcmp(path, "-") != 0 && bp__is_directory(path)) {
        if (o->labels)
            return bp__fail(BP_ERROR_ARGUMENT,
                            "%s: is a folder, which has its own labels; %s was given", path,
                            o->labels);
        return bp__mnist_folder(file, labels, path, o->test_part != 0);
    }
    if (o->test_part)
        return bp__fail(BP_ERROR_ARGUMENT, "%s: only a folder of four IDX files has a test part",
                        path);
    BP_TRY(bp__copy_text(file, path));
    bp_status status = bp__copy_text(labels, o->labels);
    if (status != BP_OK) {
        free(*file);
        *file = NULL;
    }
    return status;
}

bp_status bp_data_load(bp_data **out, const char *path, const bp_load_options *options)
{
    bp_load_options o;
    char *file, *labels;
    bp_data *data = NULL;
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_load: out is NULL");
    *out = NULL;
    o = bp_load_options_default();
    BP_TRY(bp__read_options(&o, sizeof o, options, "bp_load_options"));
    BP_TRY(check_options(path, &o));
    BP_TRY(find_files(&file, &labels, path, &o));
    bp_status status = bp__data_new(&data, strcmp(file, "-") == 0 ? "standard input" : file);
    if (status == BP_OK) status = load_file(data, file, labels, &o);
    free(file);
    free(labels);
    if (status == BP_OK)
        *out = data;
    else
        bp_data_free(data);
    return status;
}
