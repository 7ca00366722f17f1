/* numbers.c - reads lists of numbers, from the command line or from a file, and lists of widths. */
#include "numbers.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

enum { LARGEST_WIDTH = 1 << 24, LARGEST_FILE = 1 << 30 };

/* ---- widths ------------------------------------------------------------------------------------
 */

int cli_read_widths(cli_widths *out, const cli_command *command, const char *text)
{
    const char *next = text;
    for (out->count = 0;; ++next) {
        long long width = 0;
        const size_t digits = strspn(next, "0123456789");
        if (digits > 0 && digits < 10) width = strtoll(next, NULL, 10);
        if (width < 1 || width > LARGEST_WIDTH || (next[digits] && next[digits] != ','))
            return cli_usage(
                command,
                "--layers %s: number %zu is not a width from 1 to %d; widths are joined "
                "by commas, inputs first: 784,128,10",
                text, out->count + 1, (int)LARGEST_WIDTH);
        if (out->count == CLI_WIDTHS)
            return cli_usage(command, "--layers: more than %d widths", (int)CLI_WIDTHS);
        out->widths[out->count++] = (size_t)width;
        next += digits;
        if (!*next) break;
    }
    if (out->count < 2)
        return cli_usage(command, "--layers %s: inputs and outputs at least are needed: 784,10",
                         text);
    return -1;
}

const char *cli_widths_text(char text[CLI_WIDTHS_TEXT], const cli_widths *widths)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < widths->count && used < CLI_WIDTHS_TEXT; ++i)
        used += (size_t)snprintf(text + used, CLI_WIDTHS_TEXT - used, "%s%zu", i ? "," : "",
                                 widths->widths[i]);
    return text;
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

/* What is read, and where the reader stands in it. */
typedef struct reader {
    const cli_command *command;
    const char *option, *path; /* path NULL: a list on the command line */
    const char *at;
    size_t line, column, number; /* from 1; number: of the list */
} reader;

/* Reports what is wrong at the reader's place; a file is bad input, a list wrong usage. */
static int fail_at(const reader *r, const char *found, const char *why)
{
    if (r->path)
        return cli_error(CLI_INPUT, "%s:%zu:%zu: '%.40s' %s", r->path, r->line, r->column, found,
                         why);
    return cli_usage(r->command, "--%s: number %zu, '%.40s', %s", r->option, r->number, found, why);
}

static void advance(reader *r, size_t count)
{
    for (; count > 0; --count, ++r->at) {
        ++r->column;
        if (*r->at != '\n') continue;
        ++r->line;
        r->column = 1;
    }
}

/* Passes blanks, comments of files and at most one comma or semicolon. */
static void pass_separator(reader *r, bool comma_allowed)
{
    for (;;) {
        const size_t blanks = strspn(r->at, " \t\r\n");
        advance(r, blanks);
        if (r->path && *r->at == '#') {
            advance(r, strcspn(r->at, "\n"));
        } else if (comma_allowed && (*r->at == ',' || *r->at == ';')) {
            advance(r, 1);
            comma_allowed = false;
        } else if (blanks == 0) {
            return;
        }
    }
}

/* One number at the reader's place. */
static int read_number(reader *r, double *value)
{
    char word[64], *end;
    const size_t length = strcspn(r->at, ",; \t\r\n#");
    snprintf(word, sizeof word, "%.*s", (int)(length < 60 ? length : 60), r->at);
    if (length == 0) return fail_at(r, word, "is empty");
    *value = strtod(word, &end);
    if (*end || length >= 60) return fail_at(r, word, "is not a number");
    if (!isfinite(*value)) return fail_at(r, word, "is not a finite number");
    advance(r, length);
    return -1;
}

static int read_all(double **out, reader *r, size_t wanted, const char *what)
{
    size_t count = 0;
    double *values = calloc(wanted ? wanted : 1, sizeof *values), value = 0;
    if (!values) return cli_error(CLI_FAILURE, "out of memory");
    int code = -1;
    pass_separator(r, false);
    while (*r->at && code < 0) {
        r->number = count + 1;
        code = read_number(r, &value);
        if (code >= 0) break;
        if (count < wanted) values[count] = value;
        ++count;
        const char *before = r->at;
        pass_separator(r, true);
        /* A comma at the very end promises a number that is not there. */
        r->number = count + 1;
        if (!*r->at && r->at > before && (strchr(before, ',') || strchr(before, ';')))
            code = fail_at(r, "", "is empty");
    }
    if (code < 0 && count != wanted) {
        if (r->path)
            code = cli_error(CLI_INPUT, "%s: %zu number%s for %zu %s", r->path, count, cli_s(count),
                             wanted, what);
        else
            code = cli_usage(r->command, "--%s: %zu number%s for %zu %s", r->option, count,
                             cli_s(count), wanted, what);
    }
    if (code >= 0) {
        free(values);
        return code;
    }
    *out = values;
    return -1;
}

/* The whole file; free() it. Reports; NULL. */
static char *read_text(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (!file) {
        cli_error(CLI_INPUT, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t size = 0, capacity = 0;
    bool failed = false;
    while (!failed) {
        if (size + 1 >= capacity) {
            capacity = capacity ? 2 * capacity : 4096;
            char *larger = capacity <= LARGEST_FILE ? realloc(text, capacity) : NULL;
            failed = larger == NULL;
            if (failed) break;
            text = larger;
        }
        const size_t got = fread(text + size, 1, capacity - 1 - size, file);
        if (got == 0) break;
        size += got;
    }
    if (failed)
        cli_error(CLI_INPUT, "%s: too large for a list of numbers", path);
    else if (ferror(file))
        failed = cli_error(CLI_INPUT, "%s: %s", path, strerror(errno)) != CLI_OK;
    else if (memchr(text, '\0', size))
        failed = cli_error(CLI_INPUT, "%s: not a text file", path) != CLI_OK;
    else
        text[size] = '\0';
    if (file != stdin) fclose(file);
    if (!failed) return text;
    free(text);
    return NULL;
}

/* A list holds nothing but what numbers are made of. */
static bool is_list(const char *text)
{
    const size_t numeric = strspn(text, "+-.0123456789eE,; \t");
    return text[numeric] == '\0' && strpbrk(text, "0123456789") != NULL;
}

int cli_read_numbers(double **out, const cli_command *command, const char *option, const char *text,
                     size_t wanted, const char *what)
{
    *out = NULL;
    reader r = {.command = command, .option = option, .line = 1, .column = 1, .number = 1};
    /* A word with commas that is no file is meant as a list, whatever else is in it. */
    if (is_list(text) || (strchr(text, ',') && access(text, F_OK) != 0)) {
        r.at = text;
        return read_all(out, &r, wanted, what);
    }
    char *file = read_text(text);
    if (!file) return CLI_INPUT;
    r.path = text;
    r.at = file;
    int code = read_all(out, &r, wanted, what);
    free(file);
    return code;
}
