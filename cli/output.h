/* output.h - what the commands print, and the exit codes: the one place where a bp_status becomes
 * an exit code, an error a line, a value JSON. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "backprop.h"

enum {
    CLI_OK = 0,
    CLI_FAILURE = 1,
    CLI_USAGE = 2,
    CLI_INPUT = 3, /* bad data or model, missing input file, target that does not exist */
    CLI_DEVICE = 4,
    CLI_DIVERGED = 5,
    CLI_SIGNAL = 128 /* plus the signal's number */
};

#define CLI_PRINTF(a, b) __attribute__((format(printf, a, b)))

/* Prints "backprop: error: …" and returns code. Control characters, which may come out of a file,
 * are not passed on to the terminal. */
int cli_error(int code, const char *format, ...) CLI_PRINTF(2, 3);

/* Reports the library's last error and returns the exit code of status. remedy (NULL: one that
 * suits the status, if any) is appended in brackets. */
int cli_fail(bp_status status, const char *remedy);

/* The same while input is read: a file that cannot be read is bad input, not a failure. */
int cli_fail_input(bp_status status);

/* "backprop: warning: …", one for each line of text. NULL and "" print nothing. */
void cli_warn(const char *text);

/* The same for texts that come again and again: each kind of warning once, its numbers aside, and
 * no more than 16 kinds. All zeros to start with. */
typedef struct cli_told {
    char *kinds[16];
    size_t count;
} cli_told;
void cli_warn_once(cli_told *told, const char *text);
void cli_told_free(cli_told *told);

void cli_note(const char *format, ...) CLI_PRINTF(1, 2);

void cli_print_version(void);

/* Prints text with control characters shown as '?'. */
void cli_print_text(FILE *to, const char *text);

/* A field as RFC 4180 wants it: quoted where it must be. on_terminal: control characters, which may
 * come out of a file, are shown as '?'. */
void cli_print_field(FILE *to, const char *text, bool on_terminal);

/* "" for one of a kind, else "s". */
const char *cli_s(size_t count);

/* JSON null where value is not finite or text is NULL; bytes that are not UTF-8 become '?'. */
json_t *cli_json_number(double value);
/* A float as the shortest decimal number of which it is the rounding: 0.1, not 0.10000000149. */
json_t *cli_json_float(float value);
json_t *cli_json_text(const char *text);
json_t *cli_json_count(uint64_t count);

/* Prints json on one line of to and releases it. */
int cli_print_json(FILE *to, json_t *json);

/* "1.23M" and "3:05", into buffers of this size. */
enum { CLI_NUMBER = 32 };
const char *cli_human(char text[CLI_NUMBER], double value);
const char *cli_duration(char text[CLI_NUMBER], double seconds);

/* "128 relu dropout 0.2 (no bias)" */
void cli_print_layer(FILE *out, const bp_layer *layer);

#endif
