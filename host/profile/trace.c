/* trace.c - writes a profile in Chrome's trace format ("Trace Event Format", the JSON object with
 * traceEvents): a process with three tracks, of phases, launches and transfers. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "profile/profile.h"

enum { PROCESS = 1, PHASES = 1, LAUNCHES, TRANSFERS, STREAM };

/* A trace being written. */
typedef struct trace {
    const bp_profile *profile;
    const bp_device_peak *peak;
    bp__atomic_file *file;
    bool begun; /* there is an event, so that a comma is due */
} trace;

static bp_status put(trace *t, const char *text)
{
    return bp__atomic_write(t->file, text, strlen(text));
}

/* Writes json, which is released, with text before it. */
static bp_status put_json(trace *t, const char *before, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(json);
    if (!text) return bp__fail_memory(0);
    bp_status status = put(t, before);
    if (status == BP_OK) status = put(t, text);
    free(text);
    return status;
}

static bp_status put_event(trace *t, json_t *event)
{
    const char *before = t->begun ? ",\n" : "\n";
    t->begun = true;
    return put_json(t, before, event);
}

/* A text that may not be UTF-8, such as a driver's. */
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    if (json) return json;
    char *copy = NULL;
    if (bp__copy_text(&copy, text) != BP_OK) return NULL;
    for (char *c = copy; *c; ++c)
        if ((unsigned char)*c >= 0x80) *c = '?';
    json = json_string(copy);
    free(copy);
    return json;
}

static bp_status put_name(trace *t, const char *what, int track, const char *name)
{
    return put_event(t, json_pack("{s:s, s:s, s:i, s:i, s:{s:o}}", "ph", "M", "name", what, "pid",
                                  PROCESS, "tid", track, "args", "name", text_json(name)));
}

static bp_status put_names(trace *t)
{
    static const char *const tracks[] = {[PHASES] = "phases",
                                         [LAUNCHES] = "launches",
                                         [TRANSFERS] = "transfers",
                                         [STREAM] = "stream"};
    const char *device = t->profile->device;
    BP_TRY(put_name(t, "process_name", 0, device ? device : "no device"));
    for (int track = PHASES; track <= STREAM; ++track) {
        BP_TRY(put_name(t, "thread_name", track, tracks[track]));
        BP_TRY(put_event(t, json_pack("{s:s, s:s, s:i, s:i, s:{s:i}}", "ph", "M", "name",
                                      "thread_sort_index", "pid", PROCESS, "tid", track, "args",
                                      "sort_index", track)));
    }
    return BP_OK;
}

/* Microseconds, to the nanosecond. */
static double microseconds(double seconds)
{
    return (double)(long long)(1e9 * seconds + (seconds < 0 ? -0.5 : 0.5)) / 1e3;
}

static bp_status put_complete(trace *t, const char *name, int track, const char *category,
                              double start, double end, json_t *arguments)
{
    return put_event(t, json_pack("{s:s, s:s, s:s, s:i, s:i, s:f, s:f, s:o}", "ph", "X", "name",
                                  name, "cat", category, "pid", PROCESS, "tid", track, "ts",
                                  microseconds(start - t->profile->created), "dur",
                                  microseconds(end - start), "args", arguments));
}

static void set_real(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key, json_real(value));
}

static bp_status put_span(trace *t, const bp__span *span)
{
    const bp__item *item = &t->profile->items[span->item];
    const bool transfer = span->item < BP__ITEM_TRANSFERS;
    const int track = span->item == BP__ITEM_STREAM ? STREAM : transfer ? TRANSFERS : LAUNCHES;
    const double seconds = span->end - span->start;
    json_t *arguments = json_object();
    json_object_set_new(arguments, "op", json_string(item->names));
    if (!transfer) {
        json_object_set_new(arguments, "kernel", json_string(item->kernel));
        json_object_set_new(arguments, "shape", json_string(item->shapes));
        json_object_set_new(arguments, "steps", json_integer(span->steps));
    }
    set_real(arguments, "flops", span->flops);
    set_real(arguments, "bytes", span->bytes);
    if (seconds > 0) {
        set_real(arguments, "gflops", 1e-9 * span->flops / seconds);
        set_real(arguments, "gbytes_per_second", 1e-9 * span->bytes / seconds);
    }
    if (seconds > 0 && t->peak) {
        set_real(arguments, "fraction_of_peak", 1e-9 * span->flops / seconds / t->peak->gflops);
        set_real(arguments, "fraction_of_bandwidth",
                 1e-9 * span->bytes / seconds / t->peak->gbytes_per_second);
    }
    set_real(arguments, "queued_us", microseconds(span->start - span->queued));
    set_real(arguments, "submitted_us", microseconds(span->start - span->submitted));
    set_real(arguments, "idle_before_us", microseconds(span->idle));
    return put_complete(t, item->label, track, bp_phase_name(span->phase), span->start, span->end,
                        arguments);
}

static json_t *phase_json(const bp_profile *profile, int32_t phase)
{
    const bp_profile_phase p = bp_profile_get_phase(profile, phase);
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "seconds", p.seconds,
                     "kernels", p.kernels, "transfers", p.transfers, "launching", p.launching,
                     "waiting", p.waiting, "streaming", p.streaming, "overlapped", p.overlapped,
                     "launches", (json_int_t)p.launches, "transfer_count",
                     (json_int_t)p.transfer_count, "kept", (json_int_t)p.kept);
}

/* What holds for the whole: Chrome shows it as the trace's metadata. */
static json_t *about_json(const trace *t)
{
    json_t *about = json_object();
    if (t->profile->device) json_object_set_new(about, "device", text_json(t->profile->device));
    json_object_set_new(about, "version", json_string(bp_version()));
    if (t->peak) {
        set_real(about, "peak_gflops", t->peak->gflops);
        set_real(about, "peak_gbytes_per_second", t->peak->gbytes_per_second);
    }
    for (int32_t phase = 0; phase < BP_PHASES; ++phase)
        json_object_set_new(about, bp_phase_name(phase), phase_json(t->profile, phase));
    return about;
}

static bp_status put_all(trace *t)
{
    const bp_profile *profile = t->profile;
    BP_TRY(put(t, "{\"displayTimeUnit\":\"ns\",\n\"traceEvents\":["));
    BP_TRY(put_names(t));
    for (size_t i = 0; i < profile->stretch_count; ++i) {
        const bp__stretch *s = &profile->stretches[i];
        BP_TRY(put_complete(t, bp_phase_name(s->phase), PHASES, "phase", s->start, s->end,
                            json_object()));
    }
    for (size_t i = 0; i < profile->span_count; ++i) BP_TRY(put_span(t, &profile->spans[i]));
    BP_TRY(put_json(t, "\n],\n\"otherData\":", about_json(t)));
    return put(t, "}\n");
}

bp_status bp_profile_write(const bp_profile *profile, const char *path, const bp_device_peak *peak)
{
    if (!profile || !path)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_profile_write: profile and path are needed");
    if (peak && !(peak->gflops > 0 && peak->gbytes_per_second > 0))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_profile_write: the peak is %g GFLOP/s, %g GB/s: "
                        "give what bp_device_measure found, or NULL",
                        peak->gflops, peak->gbytes_per_second);
    trace t = {.profile = profile, .peak = peak};
    BP_TRY(bp__atomic_open(&t.file, path));
    const bp_status status = put_all(&t);
    if (status == BP_OK) return bp__atomic_commit(t.file);
    bp__atomic_abort(t.file);
    return status;
}
