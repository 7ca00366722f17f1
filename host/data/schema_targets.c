/* schema_targets.c - regression targets scaled into the range of an output activation. */
#include <math.h>

#include "base/memory.h"
#include "data/columns.h"
#include "data/schema.h"

/* What the activation reaches, as far as scaling goes: relu has no upper end, and 1 is as good as
 * any. false where it reaches everything. */
static bool range_of(int32_t activation, double *low, double *high)
{
    *low = activation == BP_ACTIVATION_TANH ? -1 : 0;
    *high = 1;
    return activation != BP_ACTIVATION_LINEAR && activation != BP_ACTIVATION_AUTO;
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
    for (size_t k = 0; k < schema->target_count; ++k) {
        const double *values = bp__data_target(training_part, k)->number;
        double least = INFINITY, most = -INFINITY;
        for (size_t i = 0; i < training_part->rows; ++i) {
            least = fmin(least, values[i]);
            most = fmax(most, values[i]);
        }
        bp__schema_target *target = &schema->targets[k];
        target->scale = most > least ? (most - least) / (high - low) : 1;
        target->mean = least - low * target->scale;
    }
    return BP_OK;
}
