/* review.c - what in raw data is likely to spoil a training, in words. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/columns.h"
#include "data/data.h"

enum { EXTREME_SKEW = 10 }; /* an exponential distribution has 2, lognormal of deviation 1 has 6 */

/* A class of a smaller share hardly shows in an accuracy. */
static const double RARE = 0.01;

static bool is_skewed(const bp_column_info *c)
{
    /* Of two values the rarer one is the point, and no logarithm brings them closer. */
    return c->kind == BP_COLUMN_NUMBER && c->distinct > 2 && fabs(c->skewness) > EXTREME_SKEW;
}

static bool is_id(const bp_column_info *c)
{
    return c->kind == BP_COLUMN_ID;
}

/* One line about the columns that fit. */
static bp_status list_columns(char **out, const bp_data *data, const bp_column_info *infos,
                              size_t count, bool (*fits)(const bp_column_info *c), const char *one,
                              const char *several)
{
    bp__name_list list = {0};
    bp_status status = BP_OK;
    for (size_t k = 0; k < count && status == BP_OK; ++k)
        if (fits(&infos[k])) status = bp__name_list_add(&list, infos[k].name);
    bp_status warned = bp__name_list_warn(&list, out, bp__data_source(data), one, several);
    return status != BP_OK ? status : warned;
}

static bp_status review_missing_target(char **out, const bp_data *data,
                                       const bp_column_info *target)
{
    char shown[64];
    if (target->missing == 0) return BP_OK;
    return bp__append(out,
                      "%s: the target %s is missing in %zu of %zu rows, from which nothing can be "
                      "learned; remove them\n",
                      bp__data_source(data), bp__shown(shown, target->name), target->missing,
                      data->rows);
}

/* Classes so rare that they may as well not be there. */
static bp_status review_classes(char **out, const bp_data *data, size_t target)
{
    bp_value_count *values;
    size_t count, rare = 0;
    char shown[64];
    BP_TRY(bp_data_count_values(&values, &count, data, target));
    const bp_value_count *least = values;
    for (size_t i = 0; i < count; ++i) {
        rare += (double)values[i].count < RARE * (double)data->rows;
        if (values[i].count < least->count) least = &values[i];
    }
    bp_status status = BP_OK;
    if (rare > 0)
        status = bp__append(out,
                            "%s: %zu of %zu classes %s less than 1 %% of the rows, %s only %zu of "
                            "%zu: an accuracy says little about such classes\n",
                            bp__data_source(data), rare, count, rare == 1 ? "has" : "have",
                            bp__shown(shown, least->value), least->count, data->rows);
    free(values);
    return status;
}

static bp_status review(char **out, const bp_data *data, const bp_column_info *infos, size_t count)
{
    BP_TRY(
        list_columns(out, data, infos, count, is_id,
                     "tells rows apart and says nothing of them; the option ignore leaves it out",
                     "tell rows apart and say nothing of them; the option ignore leaves them out"));
    BP_TRY(list_columns(out, data, infos, count, is_skewed,
                        "is extremely skewed, a few values lie far from all others; is that meant, "
                        "or would its logarithm say the same?",
                        "are extremely skewed, a few values lie far from all others; is that "
                        "meant, or would logarithms say the same?"));
    for (size_t k = 0; k < count; ++k) {
        if (!infos[k].is_target) continue;
        BP_TRY(review_missing_target(out, data, &infos[k]));
        if (infos[k].kind == BP_COLUMN_CATEGORY) BP_TRY(review_classes(out, data, k));
    }
    return BP_OK;
}

bp_status bp_data_review(char **out, const bp_data *data)
{
    bp_column_info *infos;
    size_t count;
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_review: out is NULL");
    *out = NULL;
    BP_TRY(bp_data_describe(&infos, &count, data));
    bp_status status = bp__append(out, "%s", "");
    if (status == BP_OK) status = review(out, data, infos, count);
    free(infos);
    if (status == BP_OK) return status;
    free(*out);
    *out = NULL;
    return status;
}
