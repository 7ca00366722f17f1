/* answers.h - how `backprop predict` writes what a model says of rows: as lines, CSV, JSON lines or
 * NPY, block by block. */
#ifndef CLI_ANSWERS_H
#define CLI_ANSWERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "backprop.h"

typedef enum cli_answer_form {
    CLI_ANSWERS_AUTO,
    CLI_ANSWERS_LINES,
    CLI_ANSWERS_CSV,
    CLI_ANSWERS_JSONL,
    CLI_ANSWERS_NPY
} cli_answer_form;
const char *cli_answer_form_name(int32_t code);

#define CLI_NO_CLASS SIZE_MAX

typedef struct cli_answers {
    const bp_model *model;
    const bp_rows *source; /* of the columns that are kept */
    FILE *to;
    int32_t form;             /* cli_answer_form, not auto */
    bool on_terminal;         /* names out of a file must not steer it */
    bool classes;             /* the largest output is the answer, not the outputs' values */
    bool probabilities;       /* all of them; of lines and CSV instead of the answer */
    size_t outputs, top;      /* top: that many of the likeliest classes, 0: none */
    double threshold;         /* NAN: none */
    const char *const *names; /* [outputs], instead of the schema's; or NULL */
    size_t rows;              /* written so far */
    size_t *order;            /* [outputs] */
    char **written;           /* [outputs], names as this form writes them */
} cli_answers;

/* Makes what the rows need, once form and names are known; false without memory. */
bool cli_answers_prepare(cli_answers *a);
void cli_answers_free(cli_answers *a);

/* The name of class k: of names, else the schema's, else its number, in `number`. */
const char *cli_class_name(const cli_answers *a, size_t k, char number[32]);

/* The class that y[outputs] means. With a threshold: of two classes the second where its output
 * reaches it, else the first; of more the likeliest, or CLI_NO_CLASS where that does not reach it.
 */
size_t cli_answer(const cli_answers *a, const float *y);

/* Output k in the target's own units; with a threshold the target's upper or lower end. */
double cli_answer_value(const cli_answers *a, const float *y, size_t k);

/* What stands before the first row, the rows, a row without an answer and why, and what stands
 * after the last. Failures are left to ferror(to); end returns false where it could not go back. */
void cli_answers_begin(cli_answers *a);
void cli_answers_rows(cli_answers *a, const float *y, size_t rows);
void cli_answers_blank(cli_answers *a, const char *why);
bool cli_answers_end(cli_answers *a);

/* For --show: whether rows are pictures; draws the first of them, at most `most`, with what is said of
 * each, on standard output. Reports; an exit code or -1. */
bool cli_has_pictures(const bp_data *data);
int cli_answers_show(const cli_answers *a, const bp_data *data, const float *y, size_t most);

/* For --json: the row's answer, its probabilities, its likeliest classes. */
json_t *cli_answer_json(const cli_answers *a, const float *y);
json_t *cli_probabilities_json(const cli_answers *a, const float *y);
json_t *cli_top_json(const cli_answers *a, const float *y);

#endif
