/* hidden.c - reads what someone writes for hidden layers: "128:relu:dropout=0.2,64". */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"
#include "model/model.h"

/* One piece of the hidden text, between commas, without the blanks around it. */
typedef struct piece {
    const char *text;
    size_t length, number; /* number: which one, from 1 */
} piece;

static bp_status piece_fail(const char *hidden, const piece *at, const char *reason)
{
    return bp__fail(BP_ERROR_ARGUMENT,
                    "hidden layers \"%s\": piece %zu, \"%.*s\", %s; widths are joined by commas, "
                    "each with what it is to have: \"128,64\", \"128:relu,64:tanh:dropout=0.2\"",
                    hidden, at->number, (int)(at->length < 64 ? at->length : 64), at->text, reason);
}

static bp_status piece_activation(int32_t *out, const char *hidden, const piece *at,
                                  const char *text, size_t length)
{
    static const char *const possible[] = {
#define NAME(code, name, module, low, high, of_net) name,
        BP__ACTIVATIONS(NAME)
#undef NAME
    };
    char *name = NULL, *reason = NULL;
    BP_TRY(bp__copy_bytes(&name, text, length));
    *out = bp_activation_from_name(name);
    bp_status status = BP_OK;
    if (*out == BP_ACTIVATION_SOFTMAX) {
        status = piece_fail(hidden, at, "asks for softmax, which is for the output layer only");
    } else if (*out < 0) {
        const size_t count = sizeof possible / sizeof *possible;
        const char *near = bp_nearest(name, possible, count), *comma = "";
        status = bp__append(&reason, "has an unknown activation (possible: ");
        for (size_t i = 0; i < count && status == BP_OK; ++i) {
            if (bp_activation_from_name(possible[i]) == BP_ACTIVATION_SOFTMAX) continue;
            status = bp__append(&reason, "%s%s", comma, possible[i]);
            comma = ", ";
        }
        if (status == BP_OK)
            status = bp__append(&reason, "%s%s%s); or dropout=P, residual, layernorm, batchnorm",
                                near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        if (status == BP_OK) status = piece_fail(hidden, at, reason);
    }
    free(reason);
    free(name);
    return status;
}

/* What a word of a piece says beside the width and the activation. */
static bp_status piece_dropout(bp_layer *layer, const char *hidden, const piece *at,
                               const char *text, size_t length)
{
    char *number = NULL, *end;
    BP_TRY(bp__copy_bytes(&number, text, length));
    const double rate = strtod(number, &end);
    const bool sound = end != number && !*end && rate >= 0 && rate < 1;
    free(number);
    if (!sound)
        return piece_fail(hidden, at, "has a dropout that is not a number from 0 to below 1");
    layer->dropout = (float)rate;
    return BP_OK;
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && strncmp(text, word, length) == 0;
}

/* One of the words behind a width: "relu", "layernorm", "dropout=0.2". */
static bp_status piece_word(bp_layer *layer, bool *named, const char *hidden, const piece *at,
                            const char *text, size_t length)
{
    static const char dropout[] = "dropout=";
    const size_t prefix = sizeof dropout - 1;
    if (length >= prefix && strncmp(text, dropout, prefix) == 0)
        return piece_dropout(layer, hidden, at, text + prefix, length - prefix);
    if (is_word(text, length, "residual")) {
        layer->residual = 1;
        return BP_OK;
    }
    for (int32_t norm = BP_NORM_LAYER; bp_norm_name(norm); ++norm) {
        if (!is_word(text, length, bp_norm_name(norm))) continue;
        if (layer->norm != BP_NORM_NONE) return piece_fail(hidden, at, "has two norms");
        layer->norm = norm;
        return BP_OK;
    }
    if (*named) return piece_fail(hidden, at, "has two activations, or something unknown");
    *named = true;
    return piece_activation(&layer->activation, hidden, at, text, length);
}

static bp_status piece_read(bp_layer *layer, const char *hidden, const piece *at,
                            const bp_layer *like)
{
    size_t width = 0, i = 0;
    for (; i < at->length && isdigit((unsigned char)at->text[i]); ++i)
        if (width <= BP__LARGEST_WIDTH) width = width * 10 + (size_t)(at->text[i] - '0');
    if (at->length == 0) return piece_fail(hidden, at, "is empty");
    if (i == 0) return piece_fail(hidden, at, "does not start with a width");
    if (width == 0 || width > BP__LARGEST_WIDTH) {
        char reason[48];
        snprintf(reason, sizeof reason, "has a width outside 1 to %d", (int)BP__LARGEST_WIDTH);
        return piece_fail(hidden, at, reason);
    }
    *layer = *like;
    layer->outputs = width;
    if (i < at->length && at->text[i] != ':')
        return piece_fail(hidden, at, "has a width that is not a whole number");
    for (bool named = false; i < at->length;) {
        const size_t first = ++i;
        while (i < at->length && at->text[i] != ':') ++i;
        BP_TRY(piece_word(layer, &named, hidden, at, at->text + first, i - first));
    }
    return BP_OK;
}

bp_status bp__hidden_read(bp_layer **out, size_t *count, const char *hidden, const bp_layer *like)
{
    *out = NULL;
    *count = 0;
    size_t pieces = 0;
    if (hidden && hidden[strspn(hidden, " \t")]) {
        pieces = 1;
        for (const char *c = hidden; *c; ++c) pieces += *c == ',';
    }
    bp_layer *layers = NULL;
    BP_TRY(bp__new_array(&layers, pieces + 1, sizeof *layers));
    const char *next = hidden;
    for (size_t p = 0; p < pieces; ++p) {
        piece at = {next + strspn(next, " \t"), 0, p + 1};
        const char *end = next + strcspn(next, ",");
        next = end + 1;
        while (end > at.text && (end[-1] == ' ' || end[-1] == '\t')) --end;
        at.length = end > at.text ? (size_t)(end - at.text) : 0;
        bp_status status = piece_read(&layers[p], hidden, &at, like);
        if (status != BP_OK) {
            free(layers);
            return status;
        }
    }
    *out = layers;
    *count = pieces;
    return BP_OK;
}
