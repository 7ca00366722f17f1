/* explain.h - what the files of `backprop explain` share: explain.c has the options and the order
 * of things, explain_text.c the text, explain_json.c the numbers as JSON, explain_page.c the page.
 */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "backprop.h"
#include "backprop_explain.h"

/* What is being explained. The glass has looked at the first step. */
typedef struct explain_view {
    const bp_model *model;
    const bp_data *data; /* encoded, or NULL */
    const char *source;  /* its name */
    size_t row;          /* of data, from 0 */
    bp_explain *glass;
    size_t layers;
    double learning_rate;
    bool frozen;
    size_t steps;
    double *errors; /* [steps + 1]: before each step, and after the last */
} explain_view;

/* Whether there are too many parameters to write each of them down. */
bool explain_is_large(const explain_view *view);

/* Places count from 0, the inputs; place l + 1 is layer l. */
size_t explain_units(const explain_view *view, size_t place);

/* "x2", "h1" or with several hidden layers "h2.1", "o1"; from the units' numbers. */
enum { EXPLAIN_NAME = 48 };
const char *explain_unit(char name[EXPLAIN_NAME], const explain_view *view, size_t place,
                         size_t unit);

/* What the data calls an input or an output; NULL where it has no name for it. */
const char *explain_given_name(const explain_view *view, size_t place, size_t unit);

/* Whether the explanation of step s, from 0, is kept where not all can be: 1, 2, 5, 10, 20, 50… and
 * the last. */
bool explain_is_kept(size_t s, size_t steps);

/* Units of each place, so that a picture of a large network has room; all where it is NULL. */
typedef struct explain_pick {
    size_t *units[66]; /* by place, ascending */
    size_t counts[66];
} explain_pick;

/* The last look: `error`, `error_after`, `layers`, `weights`, `biases`… */
json_t *explain_frame_json(const explain_view *view, const explain_pick *pick);

/* What holds for all looks: architecture, names, rules of the functions. */
json_t *explain_about_json(const explain_view *view);

/* All of it, as --json prints it. Takes the steps, and so changes the glass. */
json_t *explain_json(const explain_view *view);

void explain_print(FILE *to, const explain_view *view);

/* Writes the page. start: the parameters before the first step, layer by layer, weights and biases.
 * Goes through the steps again, so the glass has looked elsewhere afterwards. Reports; an exit
 * code. */
int explain_write_page(const char *path, const explain_view *view, const double *start);

#endif
