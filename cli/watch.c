/* watch.c - a watched training, in words, with what could be tried. */
#include "watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "output.h"

enum { ROWS = 256, TEXT = CLI_WATCH_TEXT };

int cli_watch_begin(cli_watch *watch, const bp_model *model, const bp_data *data, bool silent)
{
    *watch = (cli_watch){.model = model, .silent = silent};
    watch->told = calloc(bp_model_get_info(model).layers, sizeof *watch->told);
    if (!watch->told) return cli_error(CLI_FAILURE, "out of memory");
    bp_status status = bp_watch_create(&watch->watch, model, data, ROWS);
    return status == BP_OK ? -1 : cli_fail(status, "while preparing --watch-gradients");
}

void cli_watch_end(cli_watch *watch)
{
    bp_watch_free(watch->watch);
    free(watch->told);
    *watch = (cli_watch){0};
}

/* ---- findings ----------------------------------------------------------------------------------
 */

/* A finding's name in the log, and what it says with the number that it is about. */
typedef struct finding {
    int32_t code;
    const char *name;
    void (*say)(char text[TEXT], const bp_watch_layer *layer, double rate, double ratio);
} finding;

static void say_vanishing(char text[TEXT], const bp_watch_layer *layer, double rate, double ratio)
{
    (void)layer;
    (void)rate;
    snprintf(text, TEXT,
             "its gradient is %.1g of the largest: it vanishes on the way back; try --activation "
             "relu, fewer layers, or larger initial weights (--init)",
             ratio);
}

static void say_exploding(char text[TEXT], const bp_watch_layer *layer, double rate, double ratio)
{
    (void)rate;
    (void)ratio;
    snprintf(text, TEXT,
             "its deltas, %.3g on average, are more than a thousand times those of the last layer: "
             "they explode on the way back; try smaller initial weights (--init) or fewer layers",
             layer->delta);
}

static void say_fast(char text[TEXT], const bp_watch_layer *layer, double rate, double ratio)
{
    (void)ratio;
    snprintf(text, TEXT,
             "a step moves its weights by %.0f %% of their length; try a lower --lr, it is %g",
             100 * layer->update / layer->weights, rate);
}

static void say_saturated(char text[TEXT], const bp_watch_layer *layer, double rate, double ratio)
{
    (void)rate;
    (void)ratio;
    snprintf(
        text, TEXT,
        "%zu of %zu units are saturated: their slope is next to 0, and they hardly learn; try a "
        "lower --lr, smaller initial weights, or relu",
        layer->saturated, layer->units);
}

static void say_dead(char text[TEXT], const bp_watch_layer *layer, double rate, double ratio)
{
    (void)rate;
    (void)ratio;
    snprintf(text, TEXT,
             "%zu of %zu units are dead: their slope is 0 for all %d samples looked at, and they "
             "learn nothing; try a lower --lr or --activation tanh",
             layer->dead, layer->units, (int)ROWS);
}

static const finding findings[] = {
    {BP_FINDING_VANISHING, "vanishing", say_vanishing},
    {BP_FINDING_EXPLODING, "exploding", say_exploding},
    {BP_FINDING_FAST, "fast", say_fast},
    {BP_FINDING_SATURATED, "saturated", say_saturated},
    {BP_FINDING_DEAD, "dead", say_dead},
};
enum { FINDINGS = sizeof findings / sizeof *findings };

/* The root mean square of a layer's gradient over the largest of all layers. */
static double share_of_largest(const cli_watch *watch, size_t layer)
{
    double largest = 0, own = 0;
    for (size_t l = 0; l < bp_model_get_info(watch->model).layers; ++l) {
        const bp_layer about = bp_model_get_layer(watch->model, l);
        const double parameters =
            (double)about.outputs * (double)(about.inputs + (size_t)about.bias);
        const double size = bp_watch_get(watch->watch, l).gradient / sqrt(parameters);
        largest = fmax(largest, size);
        if (l == layer) own = size;
    }
    return own / largest;
}

/* Each of a layer's findings is told once. */
static void tell(cli_watch *watch, size_t l, const bp_watch_layer *layer, double rate)
{
    for (size_t i = 0; i < FINDINGS; ++i) {
        char words[TEXT], text[TEXT + 64];
        if (!(layer->findings & findings[i].code) || (watch->told[l] & findings[i].code)) continue;
        watch->told[l] |= findings[i].code;
        findings[i].say(words, layer, rate, share_of_largest(watch, l));
        snprintf(text, sizeof text, "layer %zu: %s", l + 1, words);
        if (!watch->silent) cli_warn(text);
    }
}

static json_t *layer_json(size_t l, const bp_watch_layer *layer)
{
    json_t *json = json_object(), *names = json_array();
    for (size_t i = 0; i < FINDINGS; ++i)
        if (layer->findings & findings[i].code)
            json_array_append_new(names, cli_json_text(findings[i].name));
    json_object_set_new(json, "layer", cli_json_count(l));
    json_object_set_new(json, "weights", cli_json_number(layer->weights));
    json_object_set_new(json, "gradient", cli_json_number(layer->gradient));
    json_object_set_new(json, "update", cli_json_number(layer->update));
    json_object_set_new(json, "delta", cli_json_number(layer->delta));
    json_object_set_new(json, "dead", cli_json_count(layer->dead));
    json_object_set_new(json, "saturated", cli_json_count(layer->saturated));
    json_object_set_new(json, "findings", names);
    return json;
}

/* ---- divergence --------------------------------------------------------------------------------
 */

static void describe(char text[TEXT], const bp_trace *t)
{
    const size_t layer = t->layer + 1, row = t->row + 1, column = t->column + 1;
    int used =
        snprintf(text, TEXT, "in step %" PRId64 " of epoch %" PRId64 ", ", t->step, t->epoch);
    char *rest = text + used;
    const size_t size = TEXT - (size_t)used;
    switch (t->what) {
    case BP_TRACE_INPUT:
        snprintf(rest, size, "input %zu of sample %zu of the batch is %g", column, row, t->value);
        break;
    case BP_TRACE_ACTIVATION:
        snprintf(rest, size, "the activation of unit %zu of layer %zu is %g", column, layer,
                 t->value);
        break;
    case BP_TRACE_ERROR:
        snprintf(rest, size,
                 "the error of sample %zu of the batch is %g, while all activations are "
                 "finite",
                 row, t->value);
        break;
    case BP_TRACE_DELTA:
        snprintf(rest, size, "the delta of unit %zu of layer %zu is %g", column, layer, t->value);
        break;
    case BP_TRACE_GRADIENT:
        snprintf(rest, size, "the gradient of a weight of unit %zu of layer %zu is %g", row, layer,
                 t->value);
        break;
    case BP_TRACE_LOSS:
        snprintf(rest, size, "the sum of the batch's errors is %g, while each is finite", t->value);
        break;
    default:
        snprintf(rest, size, "the update makes a weight of unit %zu of layer %zu %g", row, layer,
                 t->value);
        break;
    }
}

static void trace(cli_watch *watch, const bp_progress *now)
{
    bp_trace found;
    const bp_status status = bp_watch_trace(watch->watch, now->trainer, &found);
    if (status != BP_OK) {
        cli_note("where the training began to diverge could not be found: %s",
                 status == BP_ERROR_UNSUPPORTED
                     ? "the data is streamed, its steps cannot be taken again one by one"
                     : bp_last_error());
        return;
    }
    if (found.what == BP_TRACE_NOTHING)
        snprintf(watch->began, TEXT,
                 "it did not happen again step by step: it depends on the last digits");
    else
        describe(watch->began, &found);
    if (!watch->silent) cli_note("the first number that is not finite: %s", watch->began);
}

/* ---- epochs ------------------------------------------------------------------------------------
 */

static void print_layer(size_t l, const bp_watch_layer *layer)
{
    fprintf(stderr, "  layer %-3zu weights %-9.4g gradient %-9.3g step %.3g", l + 1, layer->weights,
            layer->gradient, layer->update);
    if (layer->dead > 0) fprintf(stderr, "  %zu of %zu dead", layer->dead, layer->units);
    if (layer->saturated > 0)
        fprintf(stderr, "  %zu of %zu saturated", layer->saturated, layer->units);
    fputc('\n', stderr);
}

void cli_watch_update(cli_watch *watch, const bp_progress *now, json_t *log)
{
    if (!watch->watch || !now->trainer) return;
    if (now->diverged) {
        trace(watch, now);
        return;
    }
    if (bp_watch_look(watch->watch, now->trainer) != BP_OK) {
        cli_note("the gradients are no longer watched: %s", bp_last_error());
        bp_watch_free(watch->watch);
        watch->watch = NULL;
        return;
    }
    json_t *list = json_array();
    for (size_t l = 0; l < bp_model_get_info(watch->model).layers; ++l) {
        const bp_watch_layer layer = bp_watch_get(watch->watch, l);
        if (!watch->silent) print_layer(l, &layer);
        json_array_append_new(list, layer_json(l, &layer));
    }
    for (size_t l = 0; l < bp_model_get_info(watch->model).layers; ++l) {
        const bp_watch_layer layer = bp_watch_get(watch->watch, l);
        tell(watch, l, &layer, now->learning_rate);
    }
    if (log) json_object_set(log, "gradients", list);
    json_decref(list);
}
