/* explain_page.c - `backprop explain --html`: one file that shows the steps, made of the files in
 * cli/page/ and of the numbers as JSON. Of a large network it has the units that matter most, and
 * histograms of all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "embedded.h"
#include "explain.h"
#include "files.h"
#include "output.h"

/* Units of a layer for which a drawing has room, samples of a survey, examples of each end. */
enum { ROOM = 12, SURVEYED = 512, EXAMPLES = 4, LARGEST_PICTURE = 64 * 64, MOST_ERRORS = 500 };

/* ---- what is drawn -----------------------------------------------------------------------------
 */

/* How much a unit has to do with the sample's error. */
static double weight_of_unit(const explain_view *view, size_t place, size_t unit)
{
    const bp_explained seen = bp_explain_get(view->glass);
    if (place == view->layers) return fabs(seen.output[unit]) + 2 * fabs(seen.target[unit]);
    const bp_explained_layer next = bp_explain_layer(view->glass, place);
    double effect = 0;
    for (size_t k = 0; k < next.outputs; ++k)
        effect += next.delta[k] * next.weights[k * next.inputs + unit];
    if (next.residual) effect += next.effect[unit];
    return fabs(effect * next.input[unit]);
}

typedef struct ranked {
    size_t unit;
    double weight;
} ranked;

static int by_weight(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->weight != y->weight) return x->weight < y->weight ? 1 : -1;
    return x->unit < y->unit ? -1 : 1;
}

static int by_number(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void pick_free(explain_pick *pick, size_t places)
{
    for (size_t place = 0; pick && place < places; ++place) free(pick->units[place]);
    free(pick);
}

/* The units to be drawn; NULL without memory. */
static explain_pick *pick_units(const explain_view *view)
{
    explain_pick *pick = calloc(1, sizeof *pick);
    for (size_t place = 0; pick && place <= view->layers; ++place) {
        const size_t all = explain_units(view, place), count = all < ROOM ? all : ROOM;
        ranked *list = calloc(all, sizeof *list);
        pick->units[place] = calloc(count, sizeof *pick->units[place]);
        if (!list || !pick->units[place]) {
            free(list);
            pick_free(pick, place + 1);
            return NULL;
        }
        for (size_t k = 0; k < all; ++k) list[k] = (ranked){k, weight_of_unit(view, place, k)};
        qsort(list, all, sizeof *list, by_weight);
        for (size_t k = 0; k < count; ++k) pick->units[place][k] = list[k].unit;
        qsort(pick->units[place], count, sizeof *pick->units[place], by_number);
        pick->counts[place] = count;
        free(list);
    }
    return pick;
}

static json_t *shown_json(const explain_view *view, const explain_pick *pick)
{
    json_t *places = json_array();
    for (size_t place = 0; place <= view->layers; ++place) {
        json_t *units = json_array();
        for (size_t k = 0; k < pick->counts[place]; ++k)
            json_array_append_new(units, cli_json_count(pick->units[place][k]));
        json_array_append_new(places, units);
    }
    return places;
}

/* ---- steps -------------------------------------------------------------------------------------
 */

/* Looks again at the steps that are kept, from the start; the parameters end up as they were. */
static bp_status frames_json(json_t *frames, const explain_view *view, const explain_pick *pick,
                             const double *start)
{
    size_t at = 0;
    explain_copy_parameters(view, (double *)(uintptr_t)start, true);
    for (size_t s = 0; s < view->steps; ++s) {
        if (!explain_is_kept(s, view->steps)) continue;
        bp_status status = bp_explain_steps(view->glass, s - at, NULL);
        at = s;
        if (status == BP_OK) status = bp_explain_look(view->glass);
        if (status != BP_OK) return status;
        json_t *frame = explain_frame_json(view, pick);
        json_object_set_new(frame, "step", cli_json_count(s + 1));
        json_array_append_new(frames, frame);
    }
    return bp_explain_steps(view->glass, view->steps - at, NULL);
}

/* [step, error], thinned out evenly on a logarithmic scale. */
static json_t *errors_json(const explain_view *view)
{
    json_t *list = json_array();
    double next = 0;
    for (size_t s = 0; s <= view->steps; ++s) {
        if ((double)s < next && s < view->steps) continue;
        next = fmax((double)s + 1, (double)s * (1 + 10.0 / MOST_ERRORS));
        json_array_append_new(
            list, json_pack("[o, o]", cli_json_count(s), cli_json_number(view->errors[s])));
    }
    return list;
}

/* ---- samples -----------------------------------------------------------------------------------
 */

/* Pixels to three digits: more cannot be seen. */
static json_t *picture_json(const explain_view *view, const float *x)
{
    const bp_data_info info = bp_data_get_info(view->data);
    if (info.image_height == 0 || info.image_height * info.image_width != info.features ||
        info.features > LARGEST_PICTURE)
        return json_null();
    json_t *json = json_object(), *pixels = json_array();
    for (size_t i = 0; i < info.features; ++i)
        json_array_append_new(pixels, json_real(round((double)x[i] * 1e3) / 1e3));
    json_object_set_new(json, "height", cli_json_count(info.image_height));
    json_object_set_new(json, "width", cli_json_count(info.image_width));
    json_object_set_new(json, "pixels", pixels);
    return json;
}

static json_t *histogram_json(const bp_histogram *h)
{
    json_t *json = json_object(), *bins = json_array();
    for (size_t i = 0; i < BP_HISTOGRAM_BINS; ++i)
        json_array_append_new(bins, cli_json_count(h->bins[i]));
    json_object_set_new(json, "reach", cli_json_number(h->reach));
    json_object_set_new(json, "bins", bins);
    json_object_set_new(json, "count", cli_json_count(h->count));
    json_object_set_new(json, "zeros", cli_json_count(h->zeros));
    json_object_set_new(json, "not_finite", cli_json_count(h->not_finite));
    json_object_set_new(json, "min", cli_json_number(h->min));
    json_object_set_new(json, "max", cli_json_number(h->max));
    json_object_set_new(json, "mean", cli_json_number(h->mean));
    json_object_set_new(json, "rms", cli_json_number(h->rms));
    return json;
}

/* "shirt", or "3" where classes have no names; of values in their own units, "3.5, 1". */
static void answer_text(char *text, size_t size, const explain_view *view, const float *y,
                        bool classes)
{
    const size_t outputs = explain_units(view, view->layers);
    const bp_schema *schema = bp_model_get_schema(view->model);
    size_t best = 0, used = 0;
    for (size_t k = 1; k < outputs; ++k)
        if (y[k] > y[best]) best = k;
    const char *name = schema ? bp_schema_output_name(schema, best) : NULL;
    text[0] = '\0';
    if (classes && name) {
        snprintf(text, size, "%s", name);
        return;
    }
    if (classes) {
        snprintf(text, size, "%zu", best);
        return;
    }
    for (size_t k = 0; k < outputs && used < size; ++k) {
        double mean = 0, scale = 1;
        if (schema) bp_schema_target_scale(schema, k, &mean, &scale);
        used += (size_t)snprintf(text + used, size - used, "%s%.5g", k ? ", " : "",
                                 (double)y[k] * scale + mean);
    }
}

static json_t *example_json(const explain_view *view, bp_device *reference, float *y, size_t row,
                            double error)
{
    const bp_data_info info = bp_data_get_info(view->data);
    const float *x = bp_data_features(view->data) + row * info.features;
    const int32_t *labels = bp_data_labels(view->data);
    const bool classes = labels != NULL;
    char said[128], truth[128];
    if (bp_predict(view->model, reference, x, 1, y) != BP_OK) return json_null();
    answer_text(said, sizeof said, view, y, classes);
    for (size_t k = 0; k < info.outputs; ++k)
        y[k] =
            labels ? (size_t)labels[row] == k : bp_data_targets(view->data)[row * info.outputs + k];
    answer_text(truth, sizeof truth, view, y, classes);
    json_t *json = json_object();
    json_object_set_new(json, "row", cli_json_count(row + 1));
    json_object_set_new(json, "error", cli_json_number(error));
    json_object_set_new(json, "said", cli_json_text(said));
    json_object_set_new(json, "truth", cli_json_text(truth));
    json_object_set_new(json, "right",
                        classes ? json_boolean(strcmp(said, truth) == 0) : json_null());
    json_object_set_new(json, "picture", picture_json(view, x));
    return json;
}

/* The samples with the largest and with the smallest errors. */
static void set_examples(json_t *json, const explain_view *view, const bp_survey *survey)
{
    const size_t each = survey->rows / 2 < EXAMPLES ? survey->rows / 2 : EXAMPLES;
    ranked *list = calloc(survey->rows, sizeof *list);
    float *y = calloc(explain_units(view, view->layers), sizeof *y);
    bp_device *reference = NULL;
    json_t *worst = json_array(), *best = json_array();
    if (list && y && each > 0 && bp_device_open(&reference, "reference") == BP_OK) {
        for (size_t i = 0; i < survey->rows; ++i) list[i] = (ranked){i, survey->errors[i]};
        qsort(list, survey->rows, sizeof *list, by_weight);
        for (size_t i = 0; i < each; ++i) {
            const ranked *high = &list[i], *low = &list[survey->rows - 1 - i];
            json_array_append_new(worst,
                                  example_json(view, reference, y, high->unit, high->weight));
            json_array_append_new(best, example_json(view, reference, y, low->unit, low->weight));
        }
    }
    json_object_set_new(json, "worst", worst);
    json_object_set_new(json, "best", best);
    bp_device_free(reference);
    free(list);
    free(y);
}

/* The sample alone, where there are no other data. */
static bp_status sample_data(bp_data **out, const explain_view *view)
{
    const bp_explained seen = bp_explain_get(view->glass);
    float *all = calloc(seen.inputs + seen.outputs, sizeof *all);
    if (!all) return BP_ERROR_MEMORY;
    for (size_t i = 0; i < seen.inputs; ++i) all[i] = (float)seen.input[i];
    for (size_t k = 0; k < seen.outputs; ++k) all[seen.inputs + k] = (float)seen.target[k];
    bp_status status =
        bp_data_from_arrays(out, all, 1, seen.inputs, all + seen.inputs, seen.outputs);
    free(all);
    return status;
}

static bp_status survey_json(json_t **out, const explain_view *view)
{
    bp_data *own = NULL;
    bp_survey survey = {0};
    bp_status status = view->data ? BP_OK : sample_data(&own, view);
    if (status == BP_OK)
        status = bp_survey_data(&survey, view->model, view->data ? view->data : own, SURVEYED);
    if (status == BP_OK) {
        json_t *json = json_object(), *layers = json_array();
        for (size_t l = 0; l < survey.layer_count; ++l) {
            const bp_survey_layer *layer = &survey.layers[l];
            json_t *one = json_object();
            json_object_set_new(one, "units", cli_json_count(layer->units));
            json_object_set_new(one, "dead", cli_json_count(layer->dead));
            json_object_set_new(one, "saturated", cli_json_count(layer->saturated));
            json_object_set_new(one, "weights", histogram_json(&layer->weights));
            json_object_set_new(one, "activations", histogram_json(&layer->activations));
            json_object_set_new(one, "deltas", histogram_json(&layer->deltas));
            json_object_set_new(one, "gradient_norms", histogram_json(&layer->gradient_norms));
            json_array_append_new(layers, one);
        }
        json_object_set_new(json, "rows", cli_json_count(survey.rows));
        json_object_set_new(json, "error", cli_json_number(survey.error));
        json_object_set_new(json, "layers", layers);
        if (view->data) set_examples(json, view, &survey);
        *out = json;
    }
    bp_survey_free(&survey);
    bp_data_free(own);
    return status;
}

/* ---- the page ----------------------------------------------------------------------------------
 */

static void set_titles(json_t *json, const explain_view *view)
{
    const bp_explained seen = bp_explain_get(view->glass);
    char shape[512] = "", text[1024];
    size_t used = 0;
    for (size_t place = 0; place <= view->layers && used < sizeof shape; ++place)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%zu", place ? "–" : "",
                                 explain_units(view, place));
    snprintf(text, sizeof text, "%s, %zu parameter%s, %s, learning rate %g%s", shape,
             seen.parameters, cli_s(seen.parameters), bp_loss_name(seen.loss), view->learning_rate,
             view->frozen ? ", biases frozen" : "");
    json_object_set_new(json, "title", cli_json_text(shape));
    json_object_set_new(json, "subtitle", cli_json_text(text));
}

static bp_status page_json(json_t **out, const explain_view *view, const double *start)
{
    explain_pick *pick = pick_units(view);
    if (!pick) return BP_ERROR_MEMORY;
    json_t *json = explain_about_json(view), *frames = json_array(), *survey = json_null();
    const float *x = view->data ? bp_data_features(view->data) : NULL;
    set_titles(json, view);
    bp_status status = frames_json(frames, view, pick, start);
    const bool large = explain_is_large(view);
    if (status == BP_OK && (large || view->data)) status = survey_json(&survey, view);
    json_object_set_new(json, "shown", shown_json(view, pick));
    json_object_set_new(json, "steps", cli_json_count(view->steps));
    json_object_set_new(json, "frames", frames);
    json_object_set_new(json, "errors", errors_json(view));
    json_object_set_new(
        json, "picture",
        x ? picture_json(view, x + view->row * bp_data_get_info(view->data).features)
          : json_null());
    json_object_set_new(json, "survey", survey);
    pick_free(pick, view->layers + 1);
    *out = json;
    return status;
}

/* As it may stand in a script element: nothing in it can end the element. */
static void write_json(FILE *to, const json_t *json)
{
    char *text = json_dumps(json, JSON_REAL_PRECISION(12) | JSON_COMPACT);
    for (const char *c = text; c && *c; ++c)
        if (*c == '<' || *c == '>' || *c == '&')
            fprintf(to, "\\u%04x", (unsigned)*c);
        else
            fputc(*c, to);
    free(text);
}

static const cli_embedded *page_file(const char *name, size_t length)
{
    const cli_embedded *file = cli_embedded_page;
    while (file->name && (strlen(file->name) != length || strncmp(file->name, name, length) != 0))
        ++file;
    return file->name ? file : NULL;
}

/* page.html with a file, or the data, in place of each of its lines <!--insert NAME-->. */
static void write_page(FILE *to, const json_t *json)
{
    static const char mark[] = "<!--insert ";
    const char *at = page_file("page.html", strlen("page.html"))->text, *insert;
    while ((insert = strstr(at, mark)) != NULL) {
        const char *name = insert + strlen(mark);
        const size_t length = strcspn(name, "-");
        const cli_embedded *file = page_file(name, length);
        fwrite(at, 1, (size_t)(insert - at), to);
        if (file)
            fwrite(file->text, 1, file->size, to);
        else
            write_json(to, json);
        at = name + length + strlen("-->");
    }
    fputs(at, to);
}

int explain_write_page(const char *path, const explain_view *view, const double *start)
{
    json_t *json = NULL;
    char *text = NULL;
    size_t size = 0;
    bp_status status = page_json(&json, view, start);
    if (status != BP_OK) {
        json_decref(json);
        return cli_fail(status, NULL);
    }
    FILE *memory = open_memstream(&text, &size);
    bool complete = memory != NULL;
    if (memory) {
        write_page(memory, json);
        complete = !ferror(memory);
        complete = fclose(memory) == 0 && complete;
    }
    json_decref(json);
    int code =
        complete ? cli_write_file(path, text, size) : cli_error(CLI_FAILURE, "out of memory");
    free(text);
    return code;
}
