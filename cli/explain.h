/* explain.h - what the files of `backprop explain` share: explain.c has the options and the order
 * of things, explain_text.c, explain_text_layers.c and explain_words.c the
 * text, explain_json.c the numbers as JSON, explain_page.c the page.
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

/* The parameters of the glass, layer by layer, weights, biases, gains, shifts, as far as there are:
 * to an array of as many as the model has, or back from it. */
void explain_copy_parameters(const explain_view *view, double *all, bool back);

/* Nine digits; as a factor in brackets where a sign would run into an operator. */
enum { EXPLAIN_NUMBER = 32 };
const char *explain_number(char text[EXPLAIN_NUMBER], double value);
const char *explain_factor(char text[EXPLAIN_NUMBER], double value);

/* What the letters of a rule's formula stand for: net input, activation, target, number of outputs,
 * sum, parameter of the loss. */
typedef struct explain_letters {
    const char *z, *a, *t, *n, *s, *p;
} explain_letters;

/* As they are called where no number stands for them; of a layer with a norm, whose function takes
 * y. */
extern const explain_letters explain_symbols, explain_symbols_of_y;

/* The formula with its letters replaced; those without a meaning stay, as e and the functions do.
 */
enum { EXPLAIN_FORMULA = 512 };
const char *explain_put_in(char *text, size_t size, const char *formula,
                           const explain_letters *letters);

/* The section "Why". */
void explain_print_why(FILE *to, const explain_view *view);

/* The chain of one parameter: what stands before its last factor, that factor, the product, the
 * central difference, the step. values: of the parameter, its gradient, its central difference, and
 * after the step. */
void explain_print_chain(FILE *to, const explain_view *view, const char *name, const char *front,
                         double last, const double values[4], char symbol, bool frozen);

/* Text of a layer with a norm, or of a residual one (explain_text_layers.c): what stands above its
 * units on the way forward and back; the delta of unit k in factors; lines of unit k, and the
 * chains of its gain and its shift. */
enum { EXPLAIN_FRONT = 6 * EXPLAIN_NUMBER };
void explain_print_norm_head(FILE *to, const bp_explained_layer *layer);
void explain_print_norm_back_head(FILE *to, const bp_explained_layer *layer);
const char *explain_norm_front(char text[EXPLAIN_FRONT], const bp_explained_layer *layer, size_t k);
void explain_print_norm_forward(FILE *to, const bp_explained_layer *layer, const char *unit,
                                size_t k);
void explain_print_output(FILE *to, const bp_explained_layer *layer, const char *unit, size_t k);
void explain_print_norm_backward(FILE *to, const bp_explained_layer *layer, const char *unit,
                                 size_t k);
void explain_print_norm_chains(FILE *to, const explain_view *view, const bp_explained_layer *layer,
                               const char *unit, size_t k);

/* Of a large network: its layers in figures, and how far gradients and central differences are
 * apart. */
void explain_print_layers(FILE *to, const explain_view *view);
void explain_print_agreement(FILE *to, const explain_view *view);

/* The last look: `error`, `error_after`, `layers`, `weights`, `biases`… */
json_t *explain_frame_json(const explain_view *view, const explain_pick *pick);

/* What holds for all looks: architecture, names, rules of the functions. */
json_t *explain_about_json(const explain_view *view);

/* All of it, as --json prints it. Takes the steps, and so changes the glass. */
json_t *explain_json(const explain_view *view);

void explain_print(FILE *to, const explain_view *view);

/* Writes the page. start: the parameters before the first step (explain_copy_parameters).
 * Goes through the steps again, so the glass has looked elsewhere afterwards. Reports; an exit
 * code. */
int explain_write_page(const char *path, const explain_view *view, const double *start);

#endif
