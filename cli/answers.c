/* answers.c - the forms of answers. Rows are written one by one from the outputs, nothing is kept.
 */
#include "answers.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

const char *cli_answer_form_name(int32_t code)
{
    static const char *const names[] = {"auto", "lines", "csv", "jsonl", "npy"};
    return code >= 0 && code <= CLI_ANSWERS_NPY ? names[code] : NULL;
}

const char *cli_class_name(const cli_answers *a, size_t k, char number[CLI_NUMBER])
{
    if (a->names) return a->names[k];
    const bp_schema *schema = bp_model_get_schema(a->model);
    const char *name = schema ? bp_schema_output_name(schema, k) : NULL;
    if (name) return name;
    snprintf(number, CLI_NUMBER, "%zu", k);
    return number;
}

size_t cli_answer(const cli_answers *a, const float *y)
{
    size_t best = 0;
    for (size_t k = 1; k < a->outputs; ++k)
        if (y[k] > y[best]) best = k;
    if (isnan(a->threshold)) return best;
    if (a->outputs == 2) return (double)y[1] >= a->threshold;
    return (double)y[best] >= a->threshold ? best : CLI_NO_CLASS;
}

double cli_answer_value(const cli_answers *a, const float *y, size_t k)
{
    double offset = 0, scale = 1;
    const bp_schema *schema = bp_model_get_schema(a->model);
    if (schema) bp_schema_target_scale(schema, k, &offset, &scale);
    double value = (double)y[k];
    if (!isnan(a->threshold) && !isnan(value)) value = value >= a->threshold;
    return value * scale + offset;
}

/* The `top` likeliest classes, the likeliest first: of equal ones the first. */
static void rank(const cli_answers *a, const float *y)
{
    size_t used = 0;
    for (size_t k = 0; k < a->outputs; ++k) {
        size_t at = used < a->top ? used++ : a->top - 1;
        if (at == a->top - 1 && used == a->top && k >= a->top && !(y[k] > y[a->order[at]]))
            continue;
        for (; at > 0 && y[k] > y[a->order[at - 1]]; --at) a->order[at] = a->order[at - 1];
        a->order[at] = k;
    }
}

/* A name as the form writes it; NULL without memory. */
static char *written_name(const cli_answers *a, const char *name)
{
    char *text = NULL;
    size_t size;
    if (a->form == CLI_ANSWERS_JSONL) {
        json_t *json = cli_json_text(name);
        text = json_dumps(json, JSON_ENCODE_ANY);
        json_decref(json);
        return text;
    }
    FILE *memory = open_memstream(&text, &size);
    if (!memory) return NULL;
    cli_print_field(memory, name, a->on_terminal);
    if (fclose(memory) == 0) return text;
    free(text);
    return NULL;
}

bool cli_answers_prepare(cli_answers *a)
{
    char number[CLI_NUMBER];
    a->order = malloc(a->outputs * sizeof *a->order);
    a->written = calloc(a->outputs, sizeof *a->written);
    if (!a->order || !a->written) return false;
    for (size_t k = 0; k < a->outputs; ++k)
        if (!(a->written[k] = written_name(a, cli_class_name(a, k, number)))) return false;
    return true;
}

void cli_answers_free(cli_answers *a)
{
    for (size_t k = 0; a->written && k < a->outputs; ++k) free(a->written[k]);
    free(a->written);
    free(a->order);
    a->written = NULL;
    a->order = NULL;
}

/* ---- lines and CSV ----------------------------------------------------------------------------
 */

static void print_kept(const cli_answers *a, size_t row)
{
    for (size_t k = 0; k < bp_rows_kept_count(a->source); ++k) {
        const char *text = bp_rows_kept(a->source, row, k);
        cli_print_field(a->to, text ? text : "", a->on_terminal);
        fputc(',', a->to);
    }
}

static void print_top(const cli_answers *a, const float *y)
{
    rank(a, y);
    for (size_t i = 0; i < a->top; ++i)
        fprintf(a->to, "%s%s,%.9g", i ? "," : "", a->written[a->order[i]], (double)y[a->order[i]]);
}

static void print_row(const cli_answers *a, const float *y)
{
    if (a->top) {
        print_top(a, y);
    } else if (a->classes && !a->probabilities) {
        const size_t k = cli_answer(a, y);
        if (k != CLI_NO_CLASS) fputs(a->written[k], a->to);
    } else {
        for (size_t k = 0; k < a->outputs; ++k)
            fprintf(a->to, "%s%.9g", k ? "," : "",
                    a->classes ? (double)y[k] : cli_answer_value(a, y, k));
    }
}

/* How many fields print_row prints. */
static size_t field_count(const cli_answers *a)
{
    return a->top ? 2 * a->top : a->classes && !a->probabilities ? 1 : a->outputs;
}

static void print_header(const cli_answers *a)
{
    for (size_t k = 0; k < bp_rows_kept_count(a->source); ++k) {
        cli_print_field(a->to, bp_rows_kept_name(a->source, k), a->on_terminal);
        fputc(',', a->to);
    }
    if (a->classes && !a->probabilities && !a->top) fputs("prediction", a->to);
    for (size_t i = 1; i <= a->top; ++i)
        fprintf(a->to, "%sclass_%zu,probability_%zu", i > 1 ? "," : "", i, i);
    for (size_t k = 0; k < a->outputs && !a->top && (!a->classes || a->probabilities); ++k) {
        if (k) fputc(',', a->to);
        const bool named = a->classes || bp_model_get_schema(a->model);
        if (!named && a->outputs == 1)
            fputs("prediction", a->to);
        else
            fputs(a->written[k], a->to);
    }
    fputc('\n', a->to);
}

/* ---- JSON lines -------------------------------------------------------------------------------
 */

static void print_json_number(FILE *to, double value)
{
    if (isfinite(value))
        fprintf(to, "%.9g", value);
    else
        fputs("null", to);
}

static void print_json_kept(const cli_answers *a, size_t row)
{
    for (size_t k = 0; k < bp_rows_kept_count(a->source); ++k) {
        json_t *name = cli_json_text(bp_rows_kept_name(a->source, k));
        json_t *text = cli_json_text(bp_rows_kept(a->source, row, k));
        if (name) json_dumpf(name, a->to, JSON_ENCODE_ANY);
        fputs(": ", a->to);
        if (text) json_dumpf(text, a->to, JSON_ENCODE_ANY);
        fputs(", ", a->to);
        json_decref(name);
        json_decref(text);
    }
}

static void print_json_class(const cli_answers *a, const float *y)
{
    const size_t k = cli_answer(a, y);
    fputs(k == CLI_NO_CLASS ? "null" : a->written[k], a->to);
    fputs(", \"probability\": ", a->to);
    float most = y[0];
    for (size_t i = 1; i < a->outputs; ++i)
        if (y[i] > most) most = y[i];
    print_json_number(a->to, (double)(k == CLI_NO_CLASS ? most : y[k]));
    if (a->probabilities) fputs(", \"probabilities\": {", a->to);
    for (size_t i = 0; i < a->outputs && a->probabilities; ++i) {
        fprintf(a->to, "%s%s: ", i ? ", " : "", a->written[i]);
        print_json_number(a->to, (double)y[i]);
    }
    if (a->probabilities) fputc('}', a->to);
    if (!a->top) return;
    rank(a, y);
    for (size_t i = 0; i < a->top; ++i) {
        fprintf(a->to, "%s{\"class\": %s, \"probability\": ", i ? ", " : ", \"top\": [",
                a->written[a->order[i]]);
        print_json_number(a->to, (double)y[a->order[i]]);
        fputc('}', a->to);
    }
    fputc(']', a->to);
}

static void print_json_row(const cli_answers *a, const float *y, size_t row)
{
    fputc('{', a->to);
    print_json_kept(a, row);
    fputs("\"prediction\": ", a->to);
    if (a->classes) {
        print_json_class(a, y);
    } else {
        if (a->outputs > 1) fputc('[', a->to);
        for (size_t k = 0; k < a->outputs; ++k) {
            if (k) fputs(", ", a->to);
            print_json_number(a->to, cli_answer_value(a, y, k));
        }
        if (a->outputs > 1) fputc(']', a->to);
    }
    fputs("}\n", a->to);
}

/* ---- NPY --------------------------------------------------------------------------------------
 */

enum {
    NPY_HEADER = 128
}; /* with space for any number of rows, and a multiple of 64 as NumPy wants */

/* Classes as int64, probabilities as float32 [rows][classes], values as float64. */
static void print_npy_header(const cli_answers *a)
{
    char header[NPY_HEADER + 1], shape[64];
    const bool numbers = a->classes && !a->probabilities;
    if (numbers || (!a->classes && a->outputs == 1))
        snprintf(shape, sizeof shape, "(%zu,)", a->rows);
    else
        snprintf(shape, sizeof shape, "(%zu, %zu)", a->rows, a->outputs);
    const int used = snprintf(header, sizeof header,
                              "%c%s%c%c%c%c{'descr': '<%s', 'fortran_order': False, 'shape': %s, }",
                              '\x93', "NUMPY", 1, 1, NPY_HEADER - 10, 1,
                              numbers      ? "i8"
                              : a->classes ? "f4"
                                           : "f8",
                              shape);
    memset(header + used, ' ', (size_t)(NPY_HEADER - used));
    header[NPY_HEADER - 1] = '\n';
    header[7] = header[9] = 0; /* of version 1.0, and of the length's upper byte */
    fwrite(header, 1, NPY_HEADER, a->to);
}

static void put_little(FILE *to, uint64_t bits, int bytes)
{
    uint8_t little[8];
    for (int i = 0; i < bytes; ++i) little[i] = (uint8_t)(bits >> 8 * i);
    fwrite(little, 1, (size_t)bytes, to);
}

/* y NULL: a row without an answer. */
static void print_npy_row(const cli_answers *a, const float *y)
{
    if (a->classes && !a->probabilities) {
        const size_t k = y ? cli_answer(a, y) : CLI_NO_CLASS;
        put_little(a->to, k == CLI_NO_CLASS ? UINT64_MAX : k, 8); /* -1 */
        return;
    }
    for (size_t k = 0; k < a->outputs; ++k) {
        const float narrow = y ? y[k] : NAN;
        const double wide = y ? cli_answer_value(a, y, k) : NAN;
        uint32_t narrow_bits;
        uint64_t wide_bits;
        memcpy(&narrow_bits, &narrow, sizeof narrow);
        memcpy(&wide_bits, &wide, sizeof wide);
        put_little(a->to, a->classes ? narrow_bits : wide_bits, a->classes ? 4 : 8);
    }
}

/* ---- any form ---------------------------------------------------------------------------------
 */

void cli_answers_begin(cli_answers *a)
{
    if (a->form == CLI_ANSWERS_CSV) print_header(a);
    if (a->form == CLI_ANSWERS_NPY) print_npy_header(a);
}

void cli_answers_rows(cli_answers *a, const float *y, size_t rows)
{
    for (size_t row = 0; row < rows && !ferror(a->to); ++row, y += a->outputs) {
        switch (a->form) {
        case CLI_ANSWERS_JSONL: print_json_row(a, y, row); break;
        case CLI_ANSWERS_NPY: print_npy_row(a, y); break;
        default:
            print_kept(a, row);
            print_row(a, y);
            fputc('\n', a->to);
        }
    }
    a->rows += rows;
}

void cli_answers_blank(cli_answers *a, const char *why)
{
    if (a->form == CLI_ANSWERS_NPY) {
        print_npy_row(a, NULL);
    } else if (a->form == CLI_ANSWERS_JSONL) {
        json_t *text = cli_json_text(why);
        fputs("{\"prediction\": null, \"error\": ", a->to);
        if (text) json_dumpf(text, a->to, JSON_ENCODE_ANY);
        fputs("}\n", a->to);
        json_decref(text);
    } else {
        const size_t fields = bp_rows_kept_count(a->source) + field_count(a);
        for (size_t k = 1; k < fields; ++k) fputc(',', a->to);
        fputc('\n', a->to);
    }
    ++a->rows;
}

bool cli_answers_end(cli_answers *a)
{
    if (a->form != CLI_ANSWERS_NPY) return true;
    if (fseek(a->to, 0, SEEK_SET) != 0) return false;
    print_npy_header(a);
    return true;
}

json_t *cli_answer_json(const cli_answers *a, const float *y)
{
    char number[CLI_NUMBER];
    if (a->classes) {
        const size_t k = cli_answer(a, y);
        return cli_json_text(k == CLI_NO_CLASS ? NULL : cli_class_name(a, k, number));
    }
    if (a->outputs == 1) return cli_json_number(cli_answer_value(a, y, 0));
    json_t *list = json_array();
    for (size_t k = 0; k < a->outputs; ++k)
        json_array_append_new(list, cli_json_number(cli_answer_value(a, y, k)));
    return list;
}

json_t *cli_probabilities_json(const cli_answers *a, const float *y)
{
    json_t *list = json_array();
    for (size_t k = 0; k < a->outputs; ++k)
        json_array_append_new(list, cli_json_number((double)y[k]));
    return list;
}

json_t *cli_top_json(const cli_answers *a, const float *y)
{
    char number[CLI_NUMBER];
    json_t *list = json_array();
    rank(a, y);
    for (size_t i = 0; i < a->top; ++i) {
        json_t *one = json_object();
        json_object_set_new(one, "class", cli_json_text(cli_class_name(a, a->order[i], number)));
        json_object_set_new(one, "probability", cli_json_number((double)y[a->order[i]]));
        json_array_append_new(list, one);
    }
    return list;
}
