/* wording.c - the library speaks of fields of its structs and counts layers from 0; who uses the
 * command has given options, and a list of layers of which the first is the first. */
#include "wording.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fields and options. Those that are ordinary words as well are meant where a value follows ("batch
 * is 4") or where it is said to leave them out. */
static const struct {
    const char *field, *option;
} names[] = {
    {"accumulate", "accumulate"},
    {"batch", "batch"},
    {"beta1", "beta1"},
    {"beta2", "beta2"},
    {"checkpoint_epochs", "checkpoint-every"},
    {"clip_norm", "clip-norm"},
    {"clip_value", "clip-value"},
    {"decay", "decay"},
    {"decay_every", "decay-every"},
    {"ema", "ema"},
    {"epochs", "epochs"},
    {"epsilon", "epsilon"},
    {"final_rate", "final-lr"},
    {"freeze_bias", "freeze-bias"},
    {"freeze_layers", "freeze"},
    {"gemm", "gemm"},
    {"ignore", "ignore"},
    {"init_range", "init-range"},
    {"keep_best", "keep-best"},
    {"l1", "l1"},
    {"label_smoothing", "label-smoothing"},
    {"learning_rate", "lr"},
    {"loss_parameter", "loss-parameter"},
    {"max_norm", "max-norm"},
    {"min_delta", "min-delta"},
    {"momentum", "momentum"},
    {"monitor", "monitor"},
    {"optimizer", "optimizer"},
    {"patience", "patience"},
    {"schedule", "schedule"},
    {"seed", "seed"},
    {"shuffle", "shuffle"},
    {"stream", "stream"},
    {"stream_folder", "stream-folder"},
    {"top_k", "top-k"},
    {"warmup", "warmup"},
    {"weight_decay", "weight-decay"},
    {"window", "window"},
};

static const char *option_of(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (strlen(names[i].field) == length && strncmp(names[i].field, word, length) == 0)
            return names[i].option;
    return NULL;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *at, const char *with)
{
    const size_t length = strlen(with);
    return (size_t)(at - text) >= length && strncmp(at - length, with, length) == 0;
}

/* Whether a word that stands by itself is a field's name here. */
static bool is_field(const char *text, const char *word, size_t length)
{
    const char *after = word + length;
    if (memchr(word, '_', length)) return true;
    if (ends(text, word, "leave ") && begins(after, " out")) return true;
    const bool first = word == text || ends(text, word, ": ") || ends(text, word, "; ");
    return first && (begins(after, " is ") || begins(after, " and "));
}

/* A word of the text: what stands for it. */
static void write_word(FILE *to, const char *text, const char *word, size_t length, bool layers)
{
    const char *option = option_of(word, length);
    if (option && is_field(text, word, length)) {
        fprintf(to, "--%s", option);
    } else if (layers && ends(text, word, "layer ") && isdigit((unsigned char)*word)) {
        fprintf(to, "%lu", strtoul(word, NULL, 10) + 1);
    } else {
        fwrite(word, 1, length, to);
    }
}

/* Whether a word may end before this. Names of files and columns go on, or stand in quotes. */
static bool is_end(const char *at)
{
    return strchr(" ,;:)", *at) || (*at == '.' && (at[1] == '\0' || at[1] == ' '));
}

/* What has no field of its own, and the options that it comes from. */
static const struct {
    const char *words, *options;
} origins[] = {
    {"the weights of the training data", " (--class-weight, --sample-weight)"},
    {"the weights of the validation data", " (--sample-weight)"},
};

/* Writes such words, if they begin here; returns how many letters they are. */
static size_t write_origin(FILE *to, const char *at)
{
    for (size_t i = 0; i < sizeof origins / sizeof *origins; ++i)
        if (begins(at, origins[i].words)) {
            fprintf(to, "%s%s", origins[i].words, origins[i].options);
            return strlen(origins[i].words);
        }
    return 0;
}

char *cli_wording(const char *text, bool layers)
{
    static const char option[] = "the option ";
    char *made = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&made, &size);
    if (!to) return NULL;
    for (const char *at = text; *at;) {
        const bool alone = at == text || at[-1] == ' ' || at[-1] == '(';
        if (alone && begins(at, option)) {
            const char *word = at + strlen(option);
            const size_t length = strcspn(word, " ,;:)");
            if (option_of(word, length)) {
                fprintf(to, "--%s", option_of(word, length));
                at = word + length;
                continue;
            }
        }
        const size_t origin = alone ? write_origin(to, at) : 0;
        if (origin > 0) {
            at += origin;
            continue;
        }
        const size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789");
        if (alone && length > 0 && (at[length] == '\0' || is_end(at + length))) {
            write_word(to, text, at, length, layers);
            at += length;
        } else {
            fputc(*at++, to);
        }
    }
    if (fclose(to) == 0) return made;
    free(made);
    return NULL;
}
