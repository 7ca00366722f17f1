/* profile.c - sums of what ran, by operation, kernel and phase. */
#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/options.h"

bp_profile_options bp_profile_options_default(void)
{
    return (bp_profile_options){.size = sizeof(bp_profile_options), .details = 10000};
}

static bp_status new_item(bp_profile *profile, bp__item **out)
{
    BP_TRY(bp__grow(&profile->items, &profile->item_capacity, profile->item_count + 1,
                    sizeof *profile->items));
    *out = &profile->items[profile->item_count];
    memset(*out, 0, sizeof **out);
    return BP_OK;
}

static void free_item(bp__item *item)
{
    free(item->label);
    free(item->names);
    free(item->shapes);
    free(item->kernel);
}

static bp_status add_transfers(bp_profile *profile)
{
    static const char *const names[BP__ITEM_TRANSFERS] = {[BP__ITEM_WRITE] = "write",
                                                          [BP__ITEM_READ] = "read",
                                                          [BP__ITEM_FILL] = "fill",
                                                          [BP__ITEM_STREAM] = "stream"};
    for (int i = 0; i < BP__ITEM_TRANSFERS; ++i) {
        bp__item *item;
        BP_TRY(new_item(profile, &item));
        ++profile->item_count;
        BP_TRY(bp__copy_text(&item->label, names[i]));
        BP_TRY(bp__copy_text(&item->names, names[i]));
        BP_TRY(bp__copy_text(&item->shapes, ""));
        BP_TRY(bp__copy_text(&item->kernel, ""));
    }
    return BP_OK;
}

bp_status bp_profile_create(bp_profile **out, const bp_profile_options *options)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_profile_create: out is NULL");
    *out = NULL;
    bp_profile_options read = bp_profile_options_default();
    BP_TRY(bp__read_options(&read, sizeof read, options, "bp_profile_options"));
    if (read.details < 0)
        return bp__fail(BP_ERROR_ARGUMENT, "details is %lld, 0 or more is needed",
                        (long long)read.details);
    bp_profile *profile = NULL;
    BP_TRY(bp__new_array(&profile, 1, sizeof *profile));
    profile->details = read.details;
    profile->phase = BP__PHASE_NONE;
    profile->created = bp__seconds();
    bp_status status = add_transfers(profile);
    if (status == BP_OK)
        *out = profile;
    else
        bp_profile_free(profile);
    return status;
}

void bp_profile_free(bp_profile *profile)
{
    if (!profile) return;
    for (size_t i = 0; i < profile->item_count; ++i) free_item(&profile->items[i]);
    free(profile->items);
    free(profile->spans);
    free(profile->stretches);
    free(profile->kernels.times);
    free(profile->beside.times);
    free(profile->device);
    free(profile);
}

bp_status bp__profile_device(bp_profile *profile, const char *name)
{
    free(profile->device);
    return bp__copy_text(&profile->device, name);
}

/* ---- Items ---------------------------------------------------------------------------------- */

static bool same(const bp__item *a, const bp__item *b)
{
    return strcmp(a->names, b->names) == 0 && strcmp(a->shapes, b->shapes) == 0 &&
           strcmp(a->kernel, b->kernel) == 0 && a->work.flops == b->work.flops &&
           a->work.bytes == b->work.bytes;
}

bp_status bp__profile_item(bp_profile *profile, size_t *out, const bp__op *ops, size_t first,
                           size_t count, const char *kernel, bp__work work)
{
    bp__item *item;
    bp_status status;
    BP_TRY(new_item(profile, &item));
    item->work = work;
    BP_TRY_GOTO(bp__ops_label(&item->label, ops + first, count));
    BP_TRY_GOTO(bp__ops_names(&item->names, ops + first, count));
    BP_TRY_GOTO(bp__ops_shapes(&item->shapes, ops + first, count));
    BP_TRY_GOTO(bp__copy_text(&item->kernel, kernel));
    for (*out = BP__ITEM_TRANSFERS; *out < profile->item_count; ++*out)
        if (same(&profile->items[*out], item)) {
            free_item(item);
            return BP_OK;
        }
    ++profile->item_count;
    return BP_OK;
fail:
    free_item(item);
    return status;
}

/* ---- Spans and phases ----------------------------------------------------------------------- */

static double positive(double value)
{
    return value > 0 ? value : 0;
}

static bool is_transfer(const bp__span *span)
{
    return span->item < BP__ITEM_TRANSFERS;
}

static bp_status remember(bp__recent *recent, const bp__span *span)
{
    if (!recent->times) BP_TRY(bp__new_array(&recent->times, BP__RECENT, sizeof *recent->times));
    double *at = recent->times[recent->count++ % BP__RECENT];
    at[0] = span->start;
    at[1] = span->end;
    return BP_OK;
}

/* Seconds of the span in which one of the recent ran, which ran one after the other. */
static double shared_with(const bp__recent *recent, const bp__span *span)
{
    double seconds = 0;
    for (size_t i = 0; i < recent->count && i < BP__RECENT; ++i) {
        const double *at = recent->times[(recent->count - 1 - i) % BP__RECENT];
        if (at[1] <= span->start) break;
        seconds += positive((at[1] < span->end ? at[1] : span->end) -
                            (at[0] > span->start ? at[0] : span->start));
    }
    return seconds;
}

/* What ran beside kernels, and for how long of it one ran: whichever of the two is read later finds
 * the other. */
static bp_status account_beside(bp_profile *profile, bp__span *span)
{
    bp_profile_phase *phase = &profile->phases[span->phase];
    ++phase->transfer_count;
    phase->streaming += span->end - span->start;
    phase->overlapped += shared_with(&profile->kernels, span);
    return remember(&profile->beside, span);
}

/* The idle time before a span, and how much of it the driver had something to do. What comes first
 * in a stretch is measured from where it was queued; before that nobody but the host was busy. */
static bp_status account(bp_profile *profile, bp__span *span)
{
    bp_profile_phase *phase = &profile->phases[span->phase];
    const double before = profile->begun ? profile->last_end : span->queued;
    const double ready = before > span->queued ? before : span->queued;
    span->idle = positive(span->start - before);
    phase->launching += positive(span->start - ready);
    const double busy = positive(span->end - (before > span->start ? before : span->start));
    if (is_transfer(span)) {
        phase->transfers += busy;
        ++phase->transfer_count;
    } else {
        phase->kernels += busy;
        ++phase->launches;
    }
    profile->begun = true;
    profile->last_end = span->end > before ? span->end : before;
    if (is_transfer(span)) return BP_OK;
    phase->overlapped += shared_with(&profile->beside, span);
    return remember(&profile->kernels, span);
}

static bp_status keep(bp_profile *profile, const bp__span *span)
{
    bp_profile_phase *phase = &profile->phases[span->phase];
    if (phase->kept >= profile->details) return BP_OK;
    BP_TRY(bp__grow(&profile->spans, &profile->span_capacity, profile->span_count + 1,
                    sizeof *profile->spans));
    profile->spans[profile->span_count++] = *span;
    ++phase->kept;
    return BP_OK;
}

bp_status bp__profile_add(bp_profile *profile, const bp__span *given)
{
    if (profile->phase == BP__PHASE_NONE) return BP_OK;
    bp__span span = *given;
    span.phase = profile->phase;
    bp__item *item = &profile->items[span.item];
    if (!is_transfer(&span)) {
        span.flops = item->work.flops * (double)span.steps;
        span.bytes = item->work.bytes * (double)span.steps;
    }
    BP_TRY((span.item == BP__ITEM_STREAM ? account_beside : account)(profile, &span));
    bp__sum *sum = &item->sum[span.phase];
    sum->launches += 1;
    sum->steps += span.steps;
    sum->seconds += span.end - span.start;
    sum->flops += span.flops;
    sum->bytes += span.bytes;
    return keep(profile, &span);
}

/* The stretch that ends now, kept if there is room. */
static bp_status end_stretch(bp_profile *profile, double now)
{
    const int32_t phase = profile->phase;
    if (phase == BP__PHASE_NONE) return BP_OK;
    profile->phases[phase].seconds += now - profile->phase_start;
    if (profile->stretches_of[phase] >= profile->details) return BP_OK;
    BP_TRY(bp__grow(&profile->stretches, &profile->stretch_capacity, profile->stretch_count + 1,
                    sizeof *profile->stretches));
    profile->stretches[profile->stretch_count++] =
        (bp__stretch){.phase = phase, .start = profile->phase_start, .end = now};
    ++profile->stretches_of[phase];
    return BP_OK;
}

bp_status bp__engine_phase(bp__engine *engine, int32_t phase)
{
    bp_profile *profile = engine->profile;
    if (!profile || profile->phase == phase) return BP_OK;
    const bp_status status = bp__engine_finish(engine);
    const double now = bp__seconds();
    const bp_status kept = end_stretch(profile, now);
    profile->phase = phase;
    profile->phase_start = now;
    profile->begun = false;
    ++profile->stretch;
    return status != BP_OK ? status : kept;
}

/* ---- What became of it ---------------------------------------------------------------------- */

bp_profile_phase bp_profile_get_phase(const bp_profile *profile, int32_t phase)
{
    if (!profile || phase < 0 || phase >= BP_PHASES) return (bp_profile_phase){0};
    bp_profile_phase p = profile->phases[phase];
    if (phase == profile->phase) p.seconds += bp__seconds() - profile->phase_start;
    p.waiting = positive(p.seconds - p.kernels - p.transfers - p.launching);
    return p;
}

/* The row that an item of a phase belongs to: items of other shapes may have the same names. */
static bp_profile_row *row_of(bp_profile_row *rows, size_t *count, const bp__item *item,
                              int32_t phase)
{
    for (size_t r = 0; r < *count; ++r)
        if (rows[r].phase == phase && strcmp(rows[r].operations, item->names) == 0 &&
            strcmp(rows[r].kernel, item->kernel) == 0)
            return &rows[r];
    rows[*count] = (bp_profile_row){.phase = phase,
                                    .operation = item->label,
                                    .operations = item->names,
                                    .kernel = item->kernel};
    return &rows[(*count)++];
}

/* By phase, then the longest first; names decide between equals, so that the order is certain. */
static int by_phase_and_time(const void *a, const void *b)
{
    const bp_profile_row *x = a, *y = b;
    if (x->phase != y->phase) return x->phase < y->phase ? -1 : 1;
    if (x->seconds != y->seconds) return x->seconds > y->seconds ? -1 : 1;
    const int names = strcmp(x->operations, y->operations);
    return names ? names : strcmp(x->kernel, y->kernel);
}

bp_status bp_profile_rows(bp_profile_row **out, size_t *count, const bp_profile *profile)
{
    if (!out || !count || !profile)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_profile_rows: out, count and profile are needed");
    *out = NULL;
    *count = 0;
    bp_profile_row *rows = NULL;
    BP_TRY(bp__new_array(&rows, profile->item_count * BP_PHASES, sizeof *rows));
    for (size_t i = 0; i < profile->item_count; ++i)
        for (int32_t phase = 0; phase < BP_PHASES; ++phase) {
            const bp__sum *sum = &profile->items[i].sum[phase];
            if (sum->launches == 0) continue;
            bp_profile_row *row = row_of(rows, count, &profile->items[i], phase);
            row->launches += sum->launches;
            row->steps += sum->steps;
            row->seconds += sum->seconds;
            row->flops += sum->flops;
            row->bytes += sum->bytes;
        }
    qsort(rows, *count, sizeof *rows, by_phase_and_time);
    *out = rows;
    return BP_OK;
}
