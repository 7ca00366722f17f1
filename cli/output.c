/* output.c - messages, exit codes and JSON. */
#include "output.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "wording.h"

void cli_print_text(FILE *to, const char *text)
{
    for (; *text; ++text) {
        unsigned char c = (unsigned char)*text;
        bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        fputc(control ? '?' : c, to);
    }
}

static void print_message(const char *kind, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    fprintf(stderr, "backprop: %s: ", kind);
    if (text) {
        vsnprintf(text, (size_t)length + 1, format, values);
        cli_print_text(stderr, text);
    } else {
        fputs("out of memory", stderr);
    }
    fputc('\n', stderr);
    free(text);
}

int cli_error(int code, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_message("error", format, values);
    va_end(values);
    return code;
}

void cli_note(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_message("note", format, values);
    va_end(values);
}

static int exit_code(bp_status status)
{
    switch (status) {
    case BP_OK: return CLI_OK;
    case BP_ERROR_ARGUMENT: return CLI_USAGE;
    case BP_ERROR_DATA:
    case BP_ERROR_MODEL: return CLI_INPUT;
    /* A device that cannot build the kernels or hold the network is as unusable as none. */
    case BP_ERROR_NO_DEVICE:
    case BP_ERROR_BUILD:
    case BP_ERROR_DEVICE_MEMORY: return CLI_DEVICE;
    case BP_ERROR_DIVERGED: return CLI_DIVERGED;
    case BP_ERROR_MEMORY:
    case BP_ERROR_IO:
    case BP_ERROR_STORAGE:
    case BP_ERROR_OPENCL:
    case BP_ERROR_CANCELLED:
    case BP_ERROR_UNSUPPORTED:
    case BP_ERROR_INTERNAL: return CLI_FAILURE;
    }
    return CLI_FAILURE;
}

int cli_fail(bp_status status, const char *remedy)
{
    const char *text = bp_last_error();
    if (!*text) text = bp_status_text(status);
    if (!remedy && status == BP_ERROR_DEVICE_MEMORY)
        remedy = "try a smaller network or batch, or --device reference";
    char *worded = cli_wording(text, true);
    if (worded) text = worded;
    const int code = remedy ? cli_error(exit_code(status), "%s (%s)", text, remedy)
                            : cli_error(exit_code(status), "%s", text);
    free(worded);
    return code;
}

int cli_fail_input(bp_status status)
{
    int code = cli_fail(status, NULL);
    return status == BP_ERROR_IO || status == BP_ERROR_ARGUMENT ? CLI_INPUT : code;
}

static void warn_lines(const char *text)
{
    while (text && *text) {
        size_t length = strcspn(text, "\n");
        if (length > 0) {
            fputs("backprop: warning: ", stderr);
            for (size_t i = 0; i < length; ++i) {
                char one[2] = {text[i], '\0'};
                cli_print_text(stderr, one);
            }
            fputc('\n', stderr);
        }
        text += length + (text[length] == '\n');
    }
}

void cli_warn(const char *text)
{
    char *worded = text ? cli_wording(text, false) : NULL;
    warn_lines(worded ? worded : text);
    free(worded);
}

/* The first line of text without its digits; the caller's, NULL without memory. */
static char *kind_of(const char *text)
{
    const size_t length = strcspn(text, "\n");
    char *kind = malloc(length + 1);
    size_t used = 0;
    for (size_t i = 0; kind && i < length; ++i)
        if (text[i] < '0' || text[i] > '9') kind[used++] = text[i];
    if (kind) kind[used] = '\0';
    return kind;
}

void cli_warn_once(cli_told *told, const char *text)
{
    while (*text) {
        const size_t length = strcspn(text, "\n");
        char *kind = kind_of(text);
        bool known = !kind || told->count == sizeof told->kinds / sizeof *told->kinds;
        for (size_t i = 0; i < told->count && !known; ++i)
            known = strcmp(told->kinds[i], kind) == 0;
        char *line = known ? NULL : strndup(text, length);
        if (line) {
            cli_warn(line);
            told->kinds[told->count++] = kind;
            kind = NULL;
        }
        free(line);
        free(kind);
        text += length + (text[length] == '\n');
    }
}

void cli_told_free(cli_told *told)
{
    for (size_t i = 0; i < told->count; ++i) free(told->kinds[i]);
    told->count = 0;
}

void cli_print_version(void)
{
    printf("backprop %d.%d.%d", BP_VERSION_MAJOR, BP_VERSION_MINOR, BP_VERSION_PATCH);
    char own[CLI_NUMBER];
    snprintf(own, sizeof own, "%d.%d.%d", BP_VERSION_MAJOR, BP_VERSION_MINOR, BP_VERSION_PATCH);
    if (strcmp(own, bp_version()) != 0) printf(" (library %s)", bp_version());
    putchar('\n');
}

void cli_print_field(FILE *to, const char *text, bool on_terminal)
{
    const bool quoted = strpbrk(text, ",;\"\r\n\t") != NULL;
    if (quoted) fputc('"', to);
    for (; *text; ++text) {
        const char one[2] = {*text, '\0'};
        if (*text == '"') fputc('"', to);
        if (on_terminal)
            cli_print_text(to, one);
        else
            fputc(*text, to);
    }
    if (quoted) fputc('"', to);
}

const char *cli_s(size_t count)
{
    return count == 1 ? "" : "s";
}

json_t *cli_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *cli_json_float(float value)
{
    char text[32];
    double number = (double)value;
    for (int digits = 6; digits <= 9 && isfinite(value); ++digits) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        number = strtod(text, NULL);
        if ((float)number == value) break;
    }
    return cli_json_number(number);
}

json_t *cli_json_count(uint64_t count)
{
    return json_integer((json_int_t)count);
}

json_t *cli_json_text(const char *text)
{
    if (!text) return json_null();
    json_t *json = json_string(text);
    if (json) return json;
    size_t length = strlen(text);
    char *copy = malloc(length + 1);
    if (!copy) return NULL;
    for (size_t i = 0; i <= length; ++i) copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    json = json_string(copy);
    free(copy);
    return json;
}

int cli_print_json(FILE *to, json_t *json)
{
    /* 9 digits give every float32 back; 12 leave no doubt about sums of them. */
    char *text = json ? json_dumps(json, JSON_REAL_PRECISION(12) | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (!text) return cli_error(CLI_FAILURE, "out of memory");
    fputs(text, to);
    fputc('\n', to);
    free(text);
    return CLI_OK;
}

const char *cli_human(char text[CLI_NUMBER], double value)
{
    if (!isfinite(value))
        snprintf(text, CLI_NUMBER, "?");
    else if (value >= 1e9)
        snprintf(text, CLI_NUMBER, "%.3gG", value / 1e9);
    else if (value >= 1e6)
        snprintf(text, CLI_NUMBER, "%.3gM", value / 1e6);
    else if (value >= 1e3)
        snprintf(text, CLI_NUMBER, "%.3gk", value / 1e3);
    else
        snprintf(text, CLI_NUMBER, "%.3g", value);
    return text;
}

const char *cli_duration(char text[CLI_NUMBER], double seconds)
{
    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(text, CLI_NUMBER, "?");
        return text;
    }
    long whole = lround(seconds);
    if (seconds < 0.0995)
        snprintf(text, CLI_NUMBER, "%.0f ms", 1000 * seconds);
    else if (seconds < 9.95)
        snprintf(text, CLI_NUMBER, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(text, CLI_NUMBER, "%ld s", whole);
    else if (whole < 3600)
        snprintf(text, CLI_NUMBER, "%ld:%02ld", whole / 60, whole % 60);
    else
        snprintf(text, CLI_NUMBER, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return text;
}

void cli_print_layer(FILE *out, const bp_layer *layer)
{
    fprintf(out, "%zu %s", layer->outputs, bp_activation_name(layer->activation));
    if (layer->dropout > 0) fprintf(out, " dropout %.6g", (double)layer->dropout);
    if (layer->norm != BP_NORM_NONE) fprintf(out, " %s", bp_norm_name(layer->norm));
    if (layer->residual) fputs(" residual", out);
    if (!layer->bias) fputs(" (no bias)", out);
}
