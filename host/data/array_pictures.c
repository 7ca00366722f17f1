/* array_pictures.c - arrays as pictures: x as pixels, y as labels. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/array.h"
#include "data/schema.h"

/* ---- pixels ---- */

/* Three dimensions, or four of which one, the channels, is 1. */
static void find_shape(bp_data *data, const bp__array *x)
{
    size_t sides[BP__ARRAY_DIMENSIONS], count = 0;
    for (unsigned d = 1; d < x->dimensions; ++d)
        if (x->dimensions == 3 || x->size[d] > 1) sides[count++] = x->size[d];
    if (count != 2) return;
    data->image_height = sides[0];
    data->image_width = sides[1];
}

/* "pictures of 28 x 28" or "rows of 784 values". */
static const char *shape_text(char text[80], const bp__array *x)
{
    bp_data shape = {0};
    find_shape(&shape, x);
    if (shape.image_height)
        snprintf(text, 80, "pictures of %zu x %zu", shape.image_height, shape.image_width);
    else
        snprintf(text, 80, "rows of %zu values", bp__array_columns(x));
    return text;
}

static bp_status check_part(const bp__arrays *first, const bp__arrays *part)
{
    const bp__array *x = &part->x, *other = &first->x;
    char shape[80], other_shape[80];
    if (strcmp(shape_text(shape, x), shape_text(other_shape, other)) != 0)
        return bp__fail(BP_ERROR_DATA,
                        "%s: %s, but %s in %s; files of one data set have the same shape",
                        x->source, shape, other_shape, other->source);
    if ((x->type == BP__U8) != (other->type == BP__U8))
        return bp__fail(BP_ERROR_DATA,
                        "%s holds bytes, %s another type; files of one data set have the same",
                        x->type == BP__U8 ? x->source : other->source,
                        x->type == BP__U8 ? other->source : x->source);
    if ((part->y.count > 0) != (first->y.count > 0))
        return bp__fail(BP_ERROR_DATA, "%s has labels, %s has none",
                        part->y.count ? x->source : other->source,
                        part->y.count ? other->source : x->source);
    return BP_OK;
}

static bp_status add_values(bp_data *data, const bp__array *x, size_t start, double *row)
{
    size_t columns = data->pixel_count, rows = bp__array_rows(x);
    for (size_t r = 0; r < rows; ++r) {
        bp__array_get_row(row, x, r);
        for (size_t k = 0; k < columns; ++k) {
            size_t at = (start + r) * columns + k;
            if (data->pixels) {
                data->pixels[at] = (uint8_t)row[k];
                continue;
            }
            data->values[at] = (float)row[k];
            if (!isfinite(data->values[at]))
                return bp__fail(BP_ERROR_DATA,
                                "%s, byte %zu: row %zu, value %zu (from 0) is %g; a finite float32 "
                                "was expected",
                                x->source, bp__array_offset(x, r, k), r, k, row[k]);
        }
    }
    return BP_OK;
}

static bp_status copy_pixels(bp_data *data, const bp__arrays *parts, size_t count)
{
    size_t total, start = 0;
    double *row;
    if (!bp__mul_size(&total, data->rows, data->pixel_count)) return bp__fail_memory(SIZE_MAX);
    if (parts->x.type == BP__U8)
        BP_TRY(bp__new_array(&data->pixels, total, sizeof *data->pixels));
    else
        BP_TRY(bp__new_array(&data->values, total, sizeof *data->values));
    BP_TRY(bp__new_array(&row, data->pixel_count, sizeof *row));
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && status == BP_OK; ++i) {
        status = add_values(data, &parts[i].x, start, row);
        start += bp__array_rows(&parts[i].x);
    }
    free(row);
    return status;
}

/* Bytes in the right order stay where they are: data sets of pictures are large. */
static void take_over(bp_data *data, bp__array *x)
{
    memmove(x->bytes, x->bytes + x->start, x->count);
    data->pixels = (uint8_t *)x->bytes;
    x->bytes = NULL;
}

static bp_status add_pixels(bp_data *data, bp__arrays *parts, size_t count)
{
    bp__array *x = &parts->x;
    data->pixel_count = bp__array_columns(x);
    find_shape(data, x);
    for (size_t i = 0; i < count; ++i) {
        BP_TRY(check_part(parts, &parts[i]));
        data->rows += bp__array_rows(&parts[i].x);
    }
    if (data->rows > UINT32_MAX)
        return bp__fail(BP_ERROR_DATA, "%s: %zu rows, at most %u", x->source, data->rows,
                        UINT32_MAX);
    if (count > 1 || x->type != BP__U8 || x->columns_first) return copy_pixels(data, parts, count);
    take_over(data, x);
    return BP_OK;
}

/* ---- labels ---- */

static bp_status fail_label(const bp__array *y, size_t row, double value)
{
    return bp__fail(BP_ERROR_DATA,
                    "%s, byte %zu: label %zu (from 0) is %.15g; a whole number from 0 to %zu was "
                    "expected",
                    y->source, bp__array_offset(y, row, 0), row, value, BP__CLASSES_LIMIT - 1);
}

static bp_status read_labels(int32_t *out, const bp__array *y)
{
    if (bp__array_columns(y) > 1)
        return bp__fail(BP_ERROR_DATA,
                        "%s: has %zu columns; one label for each picture was expected, or classes "
                        "as a 1 among zeros",
                        y->source, bp__array_columns(y));
    for (size_t r = 0; r < bp__array_rows(y); ++r) {
        double value;
        bp__array_get_column(&value, y, 0, r, 1);
        if (!(value >= 0 && value < (double)BP__CLASSES_LIMIT && value == floor(value)))
            return fail_label(y, r, value);
        out[r] = (int32_t)value;
    }
    return BP_OK;
}

static bp_status add_labels(bp_data *data, const bp__arrays *parts, size_t count)
{
    double *classes = NULL;
    size_t start = 0;
    bool same_columns = true;
    if (parts->y.count == 0) return BP_OK;
    for (size_t i = 1; i < count; ++i)
        same_columns =
            same_columns && bp__array_columns(&parts[i].y) == bp__array_columns(&parts->y);
    BP_TRY(bp__new_array(&data->labels, data->rows, sizeof *data->labels));
    if (same_columns && bp__array_columns(&parts->y) > 1)
        BP_TRY(bp__arrays_one_hot(&classes, parts, count));
    for (size_t r = 0; classes && r < data->rows; ++r) data->labels[r] = (int32_t)classes[r];
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && !classes && status == BP_OK; ++i) {
        status = read_labels(data->labels + start, &parts[i].y);
        start += bp__array_rows(&parts[i].x);
    }
    free(classes);
    data->task = BP_TASK_CLASSIFY;
    return status;
}

/* ---- what is asked of them ---- */

static bool has_unknown_label(const bp_data *data, const bp_schema *schema)
{
    for (size_t r = 0; r < data->rows; ++r)
        if ((size_t)data->labels[r] >= schema->classes.count) return true;
    return false;
}

static bp_status match_schema(bp_data *data, const bp_load_options *o)
{
    const bp_schema *schema = o->schema;
    if (schema->pixel_count != data->pixel_count)
        return bp__fail(BP_ERROR_DATA, "%s: %zu values in each row, the model expects %zu",
                        data->source, data->pixel_count, schema->pixel_count);
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

bp_status bp__arrays_pictures(bp_data *data, bp__arrays *parts, size_t count,
                              const bp_load_options *options)
{
    size_t start = 0;
    if (options->task == BP_TASK_REGRESS)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the labels of pictures are classes, regression is not possible",
                        parts->x.source);
    if (options->target)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s: holds pictures, which have no columns; a target (%s) cannot be "
                        "chosen, labels are a file",
                        parts->x.source, options->target);
    if (options->ignore)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s: holds pictures, which have no columns; none (%s) can be left out",
                        parts->x.source, options->ignore);
    if (parts->x.dimensions < 2)
        return bp__fail(BP_ERROR_DATA,
                        "%s: has one dimension, as files of labels have; pictures were "
                        "expected here (are the two files swapped?)",
                        parts->x.source);
    BP_TRY(add_pixels(data, parts, count));
    for (size_t i = 0; i < count; ++i) {
        size_t rows = bp__array_rows(&parts[i].x);
        BP_TRY(bp__data_note_rows(data, parts[i].x.source, NULL, start, start + rows));
        start += rows;
    }
    BP_TRY(add_labels(data, parts, count));
    return options->schema ? match_schema(data, options) : BP_OK;
}
