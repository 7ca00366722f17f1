/* schema_scale.c - offsets and scales of a schema's numbers, learned from the training part: by one
 * of the scalings, and for targets by the range of an output activation. */
#include <math.h>
#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"
#include "data/columns.h"
#include "data/notes.h"
#include "data/raw_rows.h"
#include "data/schema.h"

/* ---- scalings ---- */

static bp_status fail_too_large(const bp_data *data, const char *name)
{
    char shown[64];
    return bp__fail(BP_ERROR_DATA,
                    "%s, column \"%s\": the values are too large or too close together "
                    "to be scaled",
                    bp__data_source(data), bp__shown(shown, name));
}

/* What a column's values say of themselves; all 0 where it has none. */
typedef struct spread {
    double mean, deviation, least, most;
} spread;

static bool measure(spread *out, const bp__column *column, size_t count)
{
    bp__moment_sums own;
    const bp__moment_sums *m = column->notes ? &column->notes->sums : &own;
    *out = (spread){.mean = 0};
    if (column->notes) {
        if (!column->notes->measurable) return false;
    } else {
        bp__moments_begin(&own);
        bp__moments_first(&own, column->number, count);
        if (!bp__moments_middle(&own)) return false;
        bp__moments_second(&own, column->number, count);
    }
    if (!bp__moments_end(m, &out->mean, &out->deviation)) return false;
    if (m->used == 0) return true;
    out->least = m->low;
    out->most = m->high;
    return true;
}

/* Constant columns have nothing to divide by; they become 0, or the difference from it. */
static double positive(double scale)
{
    return scale > 0 ? scale : 1;
}

/* false where the scale cannot be divided by. */
static bool choose(double *offset, double *scale, int32_t scaling, const spread *s)
{
    *offset = scaling == BP_SCALING_STANDARD ? s->mean
              : scaling == BP_SCALING_MINMAX ? s->least
                                             : 0;
    *scale = scaling == BP_SCALING_STANDARD ? positive(s->deviation)
             : scaling == BP_SCALING_MINMAX ? positive(s->most - s->least)
             : scaling == BP_SCALING_BYTES  ? 255
                                            : 1;
    return isfinite(*scale) && isfinite(1 / *scale);
}

static bp_status scale_columns(bp_schema *schema, const bp_data *data, int32_t scaling)
{
    spread s;
    for (size_t k = 0; k < schema->column_count; ++k) {
        bp__schema_column *column = &schema->columns[k];
        const bp__column *from = &data->columns[k];
        if (column->kind == BP__COLUMN_TEXT) continue;
        if (from->kind == BP__COLUMN_TEXT || !measure(&s, from, data->rows) ||
            !choose(&column->offset, &column->scale, scaling, &s))
            return fail_too_large(data, column->name);
        column->missing = s.mean;
    }
    for (size_t k = 0; k < schema->target_count && schema->task == BP_TASK_REGRESS; ++k) {
        bp__schema_target *target = &schema->targets[k];
        if (!measure(&s, bp__data_target(data, k), data->rows) ||
            !choose(&target->offset, &target->scale, scaling, &s))
            return fail_too_large(data, target->name);
    }
    return BP_OK;
}

/* What all pixels together come to, in two passes. */
typedef struct pixel_sums {
    bool second;
    double sum, squares;
} pixel_sums;

static void add_pixels(spread *s, pixel_sums *sums, const bp_data *block)
{
    const size_t count = block->rows * block->pixel_count;
    for (size_t i = 0; i < count; ++i) {
        const double value = block->pixels ? block->pixels[i] : (double)block->values[i];
        if (sums->second) {
            sums->squares += (value - s->mean) * (value - s->mean);
            continue;
        }
        sums->sum += value;
        s->least = fmin(s->least, value);
        s->most = fmax(s->most, value);
    }
}

static bp_status pass_pixels(spread *s, pixel_sums *sums, const bp_data *data)
{
    bp__cursor cursor;
    const bp_data *block = NULL;
    bp_status status = bp__cursor_begin(&cursor, data, true);
    if (status == BP_OK) status = bp__cursor_next(&cursor, &block);
    while (status == BP_OK && block) {
        add_pixels(s, sums, block);
        status = bp__cursor_next(&cursor, &block);
    }
    bp__cursor_end(&cursor);
    return status;
}

/* One offset and one scale for all pixels. Bytes and float32 values: their squares fit into
 * doubles. */
static bp_status scale_pixels(bp_schema *schema, const bp_data *data, int32_t scaling)
{
    const double count = (double)data->rows * (double)data->pixel_count;
    spread s = {.least = INFINITY, .most = -INFINITY};
    pixel_sums sums = {.second = false};
    if (scaling != BP_SCALING_BYTES) BP_TRY(pass_pixels(&s, &sums, data));
    s.mean = s.least == s.most ? s.least : sums.sum / count;
    sums.second = true;
    if (scaling == BP_SCALING_STANDARD) BP_TRY(pass_pixels(&s, &sums, data));
    s.deviation = s.least == s.most ? 0 : sqrt(sums.squares / count);
    (void)choose(&schema->pixel_offset, &schema->pixel_scale, scaling, &s); /* finite float32 */
    return BP_OK;
}

static bool same_columns(const bp_schema *schema, const bp_data *data)
{
    return schema->pixel_count == data->pixel_count && schema->column_count == data->column_count &&
           schema->target_count == data->target_count;
}

bp_status bp_schema_set_scaling(bp_schema *schema, const bp_data *training_part, int32_t scaling)
{
    if (!schema || !training_part || training_part->encoded || !bp_scaling_name(scaling))
        return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_set_scaling: schema, raw data and a known "
                                           "scaling are needed");
    if (!same_columns(schema, training_part))
        return bp__fail(BP_ERROR_DATA, "%s: is not the data that the schema was learned from",
                        bp__data_source(training_part));
    const bool bytes = bp__has_pixel_bytes(training_part);
    BP_TRY(bp__notes_complete(training_part));
    if (scaling == BP_SCALING_AUTO) scaling = bytes ? BP_SCALING_BYTES : BP_SCALING_STANDARD;
    if (scaling == BP_SCALING_BYTES && !bytes)
        return bp__fail(BP_ERROR_ARGUMENT, "%s: the scaling bytes is for pictures of bytes",
                        bp__data_source(training_part));
    schema->scaling = scaling;
    return schema->pixel_count ? scale_pixels(schema, training_part, scaling)
                               : scale_columns(schema, training_part, scaling);
}

/* ---- the range of an output ---- */

/* What the activation reaches, as far as scaling goes: where it has no upper end, 1 is as good as
 * any. false where it reaches everything. */
static bool range_of(int32_t activation, double *low, double *high)
{
    if (activation == BP_ACTIVATION_AUTO) return false;
    const bp__activation_traits *traits = bp__activation(activation);
    *low = traits->low;
    *high = isfinite(traits->high) ? traits->high : 1;
    return isfinite(traits->low);
}

bp_status bp_schema_scale_targets(bp_schema *schema, const bp_data *training_part,
                                  int32_t activation)
{
    if (!schema || !training_part || !bp_activation_name(activation))
        return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_scale_targets: schema, data and a known "
                                           "activation are needed");
    double low, high;
    if (schema->task != BP_TASK_REGRESS || !range_of(activation, &low, &high)) return BP_OK;
    if (training_part->target_count != schema->target_count)
        return bp__fail(BP_ERROR_DATA, "%s: has %zu targets, the schema %zu",
                        bp__data_source(training_part), training_part->target_count,
                        schema->target_count);
    BP_TRY(bp__notes_complete(training_part));
    for (size_t k = 0; k < schema->target_count; ++k) {
        const bp__column *from = bp__data_target(training_part, k);
        const double *values = from->number;
        double least = INFINITY, most = -INFINITY;
        for (size_t i = 0; values && i < training_part->rows; ++i) {
            least = fmin(least, values[i]);
            most = fmax(most, values[i]);
        }
        if (from->notes) {
            least = from->notes->sums.low;
            most = from->notes->sums.high;
        }
        bp__schema_target *target = &schema->targets[k];
        target->scale = most > least ? (most - least) / (high - low) : 1;
        target->offset = least - low * target->scale;
    }
    return BP_OK;
}
