/* table_match.c - a table read as a schema knows it: by name where the file has a header, by
 * position where it has none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/columns.h"
#include "data/schema.h"
#include "data/table.h"

typedef struct match {
    const bp__sheet *sheet;
    const bp_schema *schema;
    size_t *column; /* [features + targets], of the file, BP__NO_COLUMN where it is not there */
    size_t features, targets;
    size_t weights; /* the column of weights, or BP__NO_COLUMN */
    bool *taken;    /* [columns of the file] */
    size_t ignored;
    char *warnings;
} match;

/* What the schema calls column k: features first, then targets. */
static const char *known_name(const match *m, size_t k)
{
    return k < m->features ? m->schema->columns[k].name : m->schema->targets[k - m->features].name;
}

static size_t known_position(const match *m, size_t k)
{
    return k < m->features ? m->schema->columns[k].position
                           : m->schema->targets[k - m->features].position;
}

/* "a", "b" and, for those that were probably mistyped, what the file has instead. */
static bp_status fail_missing(const match *m, size_t begin, size_t end, const char *what)
{
    char *list = NULL, *names = NULL, shown[64], shown_near[64];
    const char **pointers = NULL;
    size_t count = 0;
    bp_status status = bp__words_pointers(&pointers, &m->sheet->names);
    if (status == BP_OK) status = bp__sheet_list_names(&names, m->sheet);
    for (size_t k = begin; k < end && status == BP_OK; ++k) {
        if (m->column[k] != BP__NO_COLUMN || ++count > 10) continue;
        const char *near = bp_nearest(known_name(m, k), pointers, m->sheet->columns);
        status =
            bp__append(&list, "%s\"%s\"", list ? ", " : "", bp__shown(shown, known_name(m, k)));
        if (near && status == BP_OK)
            status = bp__append(&list, " (did you mean \"%s\"?)", bp__shown(shown_near, near));
    }
    /* Arrays have no names, and their targets are in another file. */
    bool labels = !m->sheet->header && !m->sheet->delimited;
    if (status == BP_OK)
        status = bp__fail(BP_ERROR_DATA, "%s: the model's %s %s%s not there; the columns are: %s%s",
                          m->sheet->source, what, list ? list : "", count > 1 ? " … are" : " is",
                          names, labels ? " (targets may be in a file of labels)" : "");
    free(pointers);
    free(names);
    free(list);
    return status;
}

/* Whether the schema's names are those that files without a header get. */
static bool has_automatic_names(const match *m)
{
    for (size_t k = 0; k < m->features; ++k)
        if (strncmp(known_name(m, k), "column_", 7) != 0) return false;
    return true;
}

/* Columns that options.target names take the place of the schema's targets. */
static bp_status match_named_targets(match *m, const char *target)
{
    size_t *columns, count;
    BP_TRY(bp__sheet_resolve(&columns, &count, m->sheet, target));
    bp_status status = BP_OK;
    if (count != m->targets)
        status = bp__fail(BP_ERROR_DATA, "%s: %zu target columns are named, the model has %zu",
                          m->sheet->source, count, m->targets);
    for (size_t i = 0; i < count && status == BP_OK; ++i) {
        m->column[m->features + i] = columns[i];
        m->taken[columns[i]] = true;
    }
    free(columns);
    return status;
}

static bp_status match_by_name(match *m, const bp_load_options *options)
{
    size_t end = m->features + (options->target ? 0 : m->targets), missing = 0;
    for (size_t k = 0; k < end; ++k) {
        uint32_t found = bp__words_find(&m->sheet->names, known_name(m, k));
        if (found == BP__NO_WORD) {
            missing += k < m->features;
            continue;
        }
        if (m->taken[found])
            return bp__fail(BP_ERROR_DATA,
                            "%s: column \"%s\" is a feature of the model, it cannot "
                            "be the target",
                            m->sheet->source, bp__words_get(&m->sheet->names, found));
        m->column[k] = found;
        m->taken[found] = true;
    }
    return missing ? fail_missing(m, 0, m->features, "columns") : BP_OK;
}

/* Hands out the file's free columns in order to the schema's columns begin to end, ordered by where
 * they stood in the file that the schema was learned from. */
static bp_status match_by_position(match *m, size_t count)
{
    size_t *order, next = 0;
    BP_TRY(bp__new_array(&order, count, sizeof *order));
    for (size_t k = 0; k < count; ++k) {
        size_t at = k;
        /* Insertion from the end: features are in order already, so this is linear. */
        for (; at > 0 && known_position(m, order[at - 1]) > known_position(m, k); --at)
            order[at] = order[at - 1];
        order[at] = k;
    }
    for (size_t i = 0; i < count; ++i) {
        while (m->taken[next]) ++next;
        m->column[order[i]] = next;
        m->taken[next] = true;
    }
    free(order);
    return BP_OK;
}

/* Where the schema's columns were not all of their file's, what is before and between them is told
 * by nothing but the place: the file has to be laid out as that one was. */
static bool has_gaps(const match *m)
{
    const size_t all = m->features + m->targets;
    for (size_t k = 0; k < all; ++k)
        if (known_position(m, k) >= all) return true;
    return false;
}

static bp_status match_by_place(match *m, const bp_load_options *options)
{
    for (size_t k = 0; k < m->features + (options->target ? 0 : m->targets); ++k) {
        const size_t at = known_position(m, k);
        if (at >= m->sheet->columns && k >= m->features) continue;
        if (at >= m->sheet->columns)
            return bp__fail(BP_ERROR_DATA,
                            "%s: %zu columns found; the model was made from a file where column "
                            "%zu, too, is a feature (without a header columns are matched by "
                            "position)",
                            m->sheet->source, m->sheet->columns, at + 1);
        m->column[k] = at;
        m->taken[at] = true;
    }
    return BP_OK;
}

static bp_status match_without_names(match *m, const bp_load_options *options)
{
    size_t columns = m->sheet->columns - m->ignored, all = m->features + m->targets;
    if (m->ignored == 0 && has_gaps(m)) return match_by_place(m, options);
    if (options->target) {
        if (columns == all) return match_by_position(m, m->features);
    } else if (columns == all || columns == m->features) {
        return match_by_position(m, columns);
    }
    return bp__fail(BP_ERROR_DATA,
                    "%s: %zu columns found; the model has %zu features and %zu "
                    "target%s (without a header columns are matched by position)",
                    m->sheet->source, columns, m->features, m->targets, m->targets == 1 ? "" : "s");
}

/* Columns that are left out; need_all: they must be there. */
static bp_status take_ignored(match *m, const char *ignore, bool need_all)
{
    size_t *columns, count;
    BP_TRY(need_all ? bp__sheet_resolve(&columns, &count, m->sheet, ignore)
                    : bp__sheet_find(&columns, &count, m->sheet, ignore));
    for (size_t i = 0; i < count; ++i) {
        m->ignored += !m->taken[columns[i]];
        m->taken[columns[i]] = true;
    }
    free(columns);
    return BP_OK;
}

/* Files that tell features from targets themselves: features in their order, targets likewise. A
 * sparse file's last columns may be missing, which are zeros then. */
static bp_status match_own(match *m, const bp_load_options *options)
{
    const bp__sheet *sheet = m->sheet;
    size_t found = sheet->columns - sheet->targets;
    if (found != m->features && !sheet->sparse)
        return bp__fail(BP_ERROR_DATA, "%s: %zu features found, the model has %zu", sheet->source,
                        found, m->features);
    for (size_t k = 0; k < m->features && k < found; ++k) m->taken[m->column[k] = k] = true;
    for (size_t k = found; k < sheet->columns; ++k) m->taken[k] = true;
    if (sheet->targets == m->targets)
        for (size_t k = 0; k < m->targets; ++k) m->column[m->features + k] = found + k;
    else if (options->need_target)
        return bp__fail(BP_ERROR_DATA, "%s: %zu target%s found, the model has %zu", sheet->source,
                        sheet->targets, sheet->targets == 1 ? "" : "s", m->targets);
    return BP_OK;
}

static bp_status warn_extra(match *m)
{
    bp__name_list extra = {0};
    bp_status status = BP_OK;
    for (size_t k = 0; k < m->sheet->columns && status == BP_OK; ++k)
        if (!m->taken[k]) status = bp__name_list_add(&extra, bp__words_get(&m->sheet->names, k));
    bp_status warned = bp__name_list_warn(&extra, &m->warnings, m->sheet->source,
                                          "is not known to the model and is ignored",
                                          "are not known to the model and are ignored");
    return status != BP_OK ? status : warned;
}

/* Columns that the caller passes through are no surprise. */
static bp_status take_kept(match *m, const char *kept)
{
    size_t *columns, count;
    BP_TRY(bp__sheet_resolve(&columns, &count, m->sheet, kept));
    for (size_t i = 0; i < count; ++i) m->taken[columns[i]] = true;
    free(columns);
    return BP_OK;
}

static bp_status match_columns(match *m, const bp_load_options *options)
{
    if (m->sheet->own_targets) return match_own(m, options);
    if (options->target) BP_TRY(match_named_targets(m, options->target));
    bool by_name = m->sheet->header;
    if (by_name && has_automatic_names(m) &&
        bp__words_find(&m->sheet->names, known_name(m, 0)) == BP__NO_WORD)
        by_name = false;
    if (options->ignore && !by_name) BP_TRY(take_ignored(m, options->ignore, true));
    BP_TRY(by_name ? match_by_name(m, options) : match_without_names(m, options));
    /* What the model does not know is left out anyway; it is only no surprise any more. */
    if (options->ignore && by_name) BP_TRY(take_ignored(m, options->ignore, false));
    if (options->need_target)
        for (size_t k = m->features; k < m->features + m->targets; ++k)
            if (m->column[k] == BP__NO_COLUMN)
                return fail_missing(m, m->features, m->features + m->targets, "target");
    return BP_OK;
}

static bp_status find_columns(match *m, const bp_load_options *options)
{
    BP_TRY(match_columns(m, options));
    if (options->keep) BP_TRY(take_kept(m, options->keep));
    return warn_extra(m);
}

/* Targets are taken whole or not at all. */
static bool has_targets(const match *m)
{
    for (size_t k = m->features; k < m->features + m->targets; ++k)
        if (m->column[k] == BP__NO_COLUMN) return false;
    return true;
}

static bp__want wanted(const match *m, size_t k)
{
    if (k < m->features)
        return m->schema->columns[k].kind == BP__COLUMN_TEXT ? BP__WANT_TEXT : BP__WANT_NUMBER;
    bool text = m->schema->task == BP_TASK_CLASSIFY && !m->schema->class_values;
    return text ? BP__WANT_TEXT : BP__WANT_NUMBER;
}

static void drop_targets(bp_data *data)
{
    for (size_t k = 0; k < data->target_count; ++k)
        bp__column_clear(&data->columns[data->column_count + k]);
    data->target_count = 0;
    data->task = BP_TASK_AUTO;
}

/* Rows whose target the schema cannot encode. */
static size_t count_unusable(const bp_schema *schema, const bp__column *target, size_t rows)
{
    size_t bad = 0;
    for (size_t r = 0; r < rows; ++r) {
        bool missing = target->number ? isnan(target->number[r]) : target->text[r] == BP__NO_WORD;
        if (!missing && schema->task == BP_TASK_CLASSIFY)
            missing = target->number
                          ? bp__schema_class_of_number(schema, target->number[r]) < 0
                          : bp__schema_class_of_text(
                                schema, bp__words_get(&target->words, target->text[r])) < 0;
        bad += missing;
    }
    return bad;
}

/* For predictions targets are a bonus: where they are not all usable they are left out. */
static bp_status keep_usable_targets(bp_data *data, const bp_schema *schema)
{
    for (size_t k = 0; k < data->target_count; ++k) {
        const bp__column *target = bp__data_target(data, k);
        size_t bad = count_unusable(schema, target, data->rows);
        if (bad == 0) continue;
        char shown[64];
        bp_status status = BP_OK;
        if (bad < data->rows)
            status = bp__append(&data->warnings,
                                "%s: column %s is missing or unknown in %zu of %zu "
                                "rows and is ignored\n",
                                data->source, bp__shown(shown, target->name), bad, data->rows);
        drop_targets(data);
        return status;
    }
    return BP_OK;
}

static bp_status make_picks(bp__pick **out, const match *m, size_t count,
                            const bp_load_options *options)
{
    const bool weights = m->weights != BP__NO_COLUMN;
    bp__pick *picks;
    BP_TRY(bp__new_array(&picks, count, sizeof *picks));
    if (weights)
        picks[m->features] = (bp__pick){.column = m->weights,
                                        .position = m->weights,
                                        .want = BP__WANT_NUMBER,
                                        .name = bp__words_get(&m->sheet->names, m->weights),
                                        .weights = true};
    for (size_t k = 0; k + weights < count; ++k)
        picks[k + (weights && k >= m->features)] =
            (bp__pick){.column = m->column[k],
                       .position = known_position(m, k),
                       .want = wanted(m, k),
                       .name = known_name(m, k),
                       .quiet = k >= m->features && !options->need_target};
    *out = picks;
    return BP_OK;
}

bp_status bp__table_match(bp__pick **picks, size_t *count, size_t *target_count, char **warnings,
                          const bp__sheet *sheet, const bp_load_options *options)
{
    const bp_schema *schema = options->schema;
    match m = {.sheet = sheet,
               .schema = schema,
               .features = schema->column_count,
               .targets = schema->target_count};
    *picks = NULL;
    bp_status status = bp__new_array(&m.column, m.features + m.targets, sizeof *m.column);
    if (status == BP_OK) status = bp__new_array(&m.taken, sheet->columns, sizeof *m.taken);
    if (status == BP_OK) status = bp__sheet_weights(&m.weights, sheet, options);
    if (status == BP_OK && m.weights != BP__NO_COLUMN) m.taken[m.weights] = true;
    if (status == BP_OK) {
        for (size_t k = 0; k < m.features + m.targets; ++k) m.column[k] = BP__NO_COLUMN;
        status = find_columns(&m, options);
    }
    if (status == BP_OK) {
        *target_count = has_targets(&m) ? m.targets : 0;
        *count = m.features + (m.weights != BP__NO_COLUMN) + *target_count;
        status = make_picks(picks, &m, *count, options);
    }
    if (status == BP_OK && m.warnings) status = bp__append(warnings, "%s", m.warnings);
    free(m.column);
    free(m.taken);
    free(m.warnings);
    return status;
}

bp_status bp__table_known(bp_data *data, const bp__sheet *sheet, const bp_load_options *options)
{
    const bp_schema *schema = options->schema;
    size_t count = 0, targets = 0;
    bp__pick *picks;
    char *warnings = NULL;
    bp_status status = bp__table_match(&picks, &count, &targets, &warnings, sheet, options);
    if (status == BP_OK) status = bp__table_read(data, sheet, picks, count, targets);
    if (status == BP_OK) {
        data->task = targets ? schema->task : BP_TASK_AUTO;
        status = options->need_target ? bp__check_targets(data) : keep_usable_targets(data, schema);
    }
    if (status == BP_OK && warnings) status = bp__append(&data->warnings, "%s", warnings);
    free(picks);
    free(warnings);
    return status;
}
