/* facts.c - what must be the same for a training to go on where it was broken off, in words. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"
#include "model/model.h"
#include "train/trainer.h"

#define SCHEDULE "schedule"

typedef enum fact_kind { FACT_COUNT, FACT_CODE, FACT_REAL, FACT_DOUBLE, FACT_SEED } fact_kind;

typedef struct option_fact {
    const char *name;
    size_t offset, size;
    fact_kind kind;
    const char *(*code_name)(int32_t code); /* NULL: codes are shown as numbers */
} option_fact;

#define OPTION(field, kind, code_name)                                                             \
    {                                                                                              \
#field, offsetof(bp_train_options, field), sizeof(((bp_train_options *)0)->field), kind,   \
            code_name                                                                              \
    }

/* Every option that the result depends on. */
static const option_fact option_facts[] = {
    OPTION(batch, FACT_COUNT, NULL),
    OPTION(optimizer, FACT_CODE, bp_optimizer_name),
    OPTION(shuffle, FACT_CODE, bp_shuffle_name),
    OPTION(gemm, FACT_CODE, bp_gemm_name),
    OPTION(learning_rate, FACT_REAL, NULL),
    OPTION(momentum, FACT_REAL, NULL),
    OPTION(beta1, FACT_REAL, NULL),
    OPTION(beta2, FACT_REAL, NULL),
    OPTION(epsilon, FACT_REAL, NULL),
    OPTION(seed, FACT_SEED, NULL),
    OPTION(freeze_bias, FACT_CODE, NULL),
    OPTION(window, FACT_COUNT, NULL),
    OPTION(monitor, FACT_CODE, bp_monitor_name),
    OPTION(keep_best, FACT_CODE, NULL),
    OPTION(patience, FACT_COUNT, NULL),
    OPTION(min_delta, FACT_DOUBLE, NULL),
    OPTION(schedule, FACT_CODE, bp_schedule_name),
    OPTION(warmup, FACT_DOUBLE, NULL),
    OPTION(decay, FACT_DOUBLE, NULL),
    OPTION(decay_every, FACT_COUNT, NULL),
    OPTION(final_rate, FACT_DOUBLE, NULL),
    OPTION(steps_per_epoch, FACT_COUNT, NULL),
    OPTION(label_smoothing, FACT_REAL, NULL),
    OPTION(freeze_layers, FACT_COUNT, NULL),
    OPTION(weight_decay, FACT_REAL, NULL),
    OPTION(l1, FACT_REAL, NULL),
    OPTION(clip_norm, FACT_REAL, NULL),
    OPTION(clip_value, FACT_REAL, NULL),
    OPTION(max_norm, FACT_REAL, NULL),
    OPTION(ema, FACT_DOUBLE, NULL),
    OPTION(accumulate, FACT_COUNT, NULL),
};

/* And those that it does not depend on. epochs: a training may be made longer; a schedule that goes
 * by its length has that in its own fact. */
static const option_fact free_options[] = {
    OPTION(size, FACT_COUNT, NULL),
    OPTION(epochs, FACT_COUNT, NULL),
    OPTION(progress, FACT_COUNT, NULL),
    OPTION(user, FACT_COUNT, NULL),
    OPTION(profile, FACT_COUNT, NULL),
    OPTION(checkpoint, FACT_COUNT, NULL),
    OPTION(checkpoint_epochs, FACT_COUNT, NULL),
    OPTION(checkpoint_steps, FACT_COUNT, NULL),
    OPTION(checkpoint_seconds, FACT_DOUBLE, NULL),
    OPTION(resume, FACT_COUNT, NULL),
    OPTION(stream, FACT_CODE, NULL),
};

/* The table that the byte of bp_train_options is in: 1, 2, or 0 for none. For the test that no
 * option is forgotten. */
int bp__option_is_fact(size_t byte)
{
    for (size_t i = 0; i < sizeof option_facts / sizeof *option_facts; ++i)
        if (byte - option_facts[i].offset < option_facts[i].size) return 1;
    for (size_t i = 0; i < sizeof free_options / sizeof *free_options; ++i)
        if (byte - free_options[i].offset < free_options[i].size) return 2;
    return 0;
}

static bp_status set_fact(json_t *facts, const char *name, const char *text)
{
    if (json_object_set_new(facts, name, json_string(text)) == 0) return BP_OK;
    return bp__fail_memory(strlen(text));
}

static void show_option(char *text, size_t size, const option_fact *fact,
                        const bp_train_options *options)
{
    const char *place = (const char *)options + fact->offset;
    int64_t count = 0;
    uint64_t seed = 0;
    int32_t code = 0;
    float real = 0;
    double wide = 0;
    switch (fact->kind) {
    case FACT_COUNT:
        memcpy(&count, place, sizeof count);
        snprintf(text, size, "%" PRId64, count);
        break;
    case FACT_SEED:
        memcpy(&seed, place, sizeof seed);
        snprintf(text, size, "%" PRIu64, seed);
        break;
    case FACT_REAL:
        memcpy(&real, place, sizeof real);
        snprintf(text, size, "%.6g", (double)real); /* as it was meant, where that is enough */
        if (strtof(text, NULL) != real) snprintf(text, size, "%.9g", (double)real);
        break;
    case FACT_DOUBLE:
        memcpy(&wide, place, sizeof wide);
        snprintf(text, size, "%.15g", wide);
        if (strtod(text, NULL) != wide) snprintf(text, size, "%.17g", wide);
        break;
    case FACT_CODE: {
        memcpy(&code, place, sizeof code);
        const char *name = fact->code_name ? fact->code_name(code) : NULL;
        if (name)
            snprintf(text, size, "%s", name);
        else
            snprintf(text, size, "%" PRId32, code);
    }
    }
}

static bp_status set_network(json_t *facts, const bp__network *network)
{
    char *text = NULL;
    bp_status status = bp__append(&text, "%zu", network->layers[0].inputs);
    for (size_t l = 0; l < network->layer_count && status == BP_OK; ++l) {
        const bp_layer *layer = &network->layers[l];
        status = bp__append(&text, " -> %zu %s%s", layer->outputs,
                            bp_activation_name(layer->activation), layer->bias ? "" : " (no bias)");
        if (status == BP_OK && layer->dropout > 0)
            status = bp__append(&text, " dropout %.6g", (double)layer->dropout);
        if (status == BP_OK && layer->residual) status = bp__append(&text, " residual");
        if (status == BP_OK && layer->norm != BP_NORM_NONE)
            status = bp__append(&text, " %s", bp_norm_name(layer->norm));
    }
    if (status == BP_OK) status = bp__append(&text, ", %s", bp_loss_name(network->loss));
    if (status == BP_OK && bp__loss_of(network->loss)->parameter > 0)
        status = bp__append(&text, " %.6g", (double)network->loss_parameter);
    if (status == BP_OK) status = set_fact(facts, "network", text);
    free(text);
    return status;
}

/* The schedule's name, and how long the training is where its rates go by that. */
static bp_status set_schedule(json_t *facts, const bp_train_options *options)
{
    char text[96];
    if (!bp__schedule_goes_by_epochs(options)) return BP_OK;
    snprintf(text, sizeof text, "%s over %" PRId64 " epochs", bp_schedule_name(options->schedule),
             options->epochs);
    return set_fact(facts, SCHEDULE, text);
}

bp_status bp__fingerprint_data(char hash[BP__FINGERPRINT_TEXT], char weights[BP__FINGERPRINT_TEXT],
                               const bp_data *data)
{
    const float *of_rows = bp_data_weights(data);
    weights[0] = '\0';
    if (of_rows)
        bp__fingerprint_bytes(weights, of_rows, bp_data_get_info(data).rows * sizeof *of_rows);
    return bp_data_fingerprint(data, hash);
}

static void data_text(char text[BP__DATA_FACT], size_t rows, const char *hash)
{
    snprintf(text, BP__DATA_FACT, "%zu rows of XXH128 %s", rows, hash);
}

/* The options as they were meant: what a default stands for, and the order of the rows as it is,
 * which is the same whether they are streamed or not. */
static bp_train_options meant_options(const bp_trainer *trainer)
{
    bp_train_options options = trainer->options;
    options.learning_rate = bp__learning_rate(&options);
    options.keep_best = bp__keeps_best(&options);
    if (trainer->pass) options.shuffle = trainer->shuffle.shuffle;
    options.window = options.shuffle == BP_SHUFFLE_BLOCKS ? (int64_t)trainer->shuffle.window : 0;
    return options;
}

static bp_status fill_trainer_facts(json_t *facts, const bp_trainer *trainer)
{
    char text[BP__DATA_FACT] = "none";
    const bp_train_options options = meant_options(trainer);
    BP_TRY(set_network(facts, trainer->network));
    for (size_t i = 0; i < sizeof option_facts / sizeof *option_facts; ++i) {
        char value[64];
        show_option(value, sizeof value, &option_facts[i], &options);
        BP_TRY(set_fact(facts, option_facts[i].name, value));
    }
    BP_TRY(set_schedule(facts, &options));
    BP_TRY(set_fact(facts, "precision", bp_precision_name(trainer->precision)));
    if (trainer->pass) data_text(text, trainer->pass->rows, trainer->data_hash);
    BP_TRY(set_fact(facts, "training data", text));
    return set_fact(facts, "weights of the training data",
                    trainer->weights_hash[0] ? trainer->weights_hash : "none");
}

bp_status bp__trainer_facts(json_t **out, const bp_trainer *trainer)
{
    *out = json_object();
    if (!*out) return bp__fail_memory(sizeof *out);
    bp_status status = fill_trainer_facts(*out, trainer);
    if (status == BP_OK) return BP_OK;
    json_decref(*out);
    *out = NULL;
    return status;
}

/* ---- What only bp_train knows ---- */

static bp_status set_validation(json_t *facts, const bp_data *validation)
{
    char text[BP__DATA_FACT] = "none", hash[BP__FINGERPRINT_TEXT] = "",
         weights[BP__FINGERPRINT_TEXT] = "";
    if (validation) {
        BP_TRY(bp__fingerprint_data(hash, weights, validation));
        data_text(text, bp_data_get_info(validation).rows, hash);
    }
    BP_TRY(set_fact(facts, "validation data", text));
    return set_fact(facts, "weights of the validation data", weights[0] ? weights : "none");
}

static bp_status fill_training_facts(json_t *facts, const bp_model *start,
                                     const bp_data *validation)
{
    char hash[BP__FINGERPRINT_TEXT] = "none";
    BP_TRY(set_validation(facts, validation));
    if (bp_model_get_schema(start)) {
        char *schema;
        BP_TRY(bp_schema_to_json(&schema, bp_model_get_schema(start)));
        bp__fingerprint_bytes(hash, schema, strlen(schema));
        free(schema);
    }
    BP_TRY(set_fact(facts, "scaling and names of columns and classes", hash));
    size_t count;
    const float *parameters = bp__model_parameters(start, &count);
    bp__fingerprint_bytes(hash, parameters, count * sizeof(float));
    return set_fact(facts, BP__START, hash);
}

bp_status bp__training_facts(json_t **out, const bp_model *start, const bp_data *validation)
{
    *out = json_object();
    if (!*out) return bp__fail_memory(sizeof *out);
    bp_status status = fill_training_facts(*out, start, validation);
    if (status == BP_OK) return BP_OK;
    json_decref(*out);
    *out = NULL;
    return status;
}

/* ---- Whether they are the same ---- */

/* A fingerprint tells nobody how things differ, only that they do. */
static bool is_hash(const char *text)
{
    return strlen(text) == BP__FINGERPRINT_LETTERS &&
           strspn(text, "0123456789abcdef") == BP__FINGERPRINT_LETTERS;
}

static bp_status note_difference(char **text, const char *name, const json_t *here,
                                 const json_t *there)
{
    const char *ours = json_string_value(here), *theirs = json_string_value(there);
    const char *mark = *text ? "; " : "";
    if (ours && theirs && strcmp(ours, theirs) == 0) return BP_OK;
    if (ours && theirs && (is_hash(ours) || is_hash(theirs)))
        return bp__append(text, "%sthe %s differ", mark, name);
    return bp__append(text, "%s%s is %s, in the checkpoint %s", mark, name, ours ? ours : "unknown",
                      theirs ? theirs : "unknown");
}

/* Where a schedule that nobody has asked for is what differs, only the defaults explain it. */
static bp_status explain_schedule(char **text, const bp_trainer *trainer, const json_t *about)
{
    const bool ours = trainer->schedule_by_itself,
               theirs = json_is_true(json_object_get(about, BP__SCHEDULE_BY_ITSELF));
    const long long epochs = (long long)json_integer_value(json_object_get(about, "epochs"));
    if (ours == theirs) return BP_OK;
    if (ours)
        return bp__append(text,
                          " (%s is the default where neither epochs, patience nor a schedule is "
                          "given: to go on, give them as then, epochs %lld or more)",
                          bp_schedule_name(trainer->options.schedule), epochs);
    return bp__append(
        text,
        " (the checkpoint's schedule is the default where neither epochs, patience nor a "
        "schedule is given, and ends after %lld epochs: to go on, leave them away "
        "again; a training of another length has to begin anew)",
        epochs);
}

bp_status bp__compare_facts(const bp_trainer *trainer, const json_t *here, const json_t *there,
                            const bp__checkpoint *from)
{
    char *text = NULL;
    const char *name;
    json_t *fact;
    bp_status status = BP_OK;
    json_object_foreach((json_t *)(uintptr_t)here, name, fact)
    {
        if (status == BP_OK)
            status = note_difference(&text, name, fact, json_object_get(there, name));
    }
    json_object_foreach((json_t *)(uintptr_t)there, name, fact)
    {
        if (status == BP_OK && !json_object_get(here, name))
            status = note_difference(&text, name, NULL, fact);
    }
    if (status == BP_OK &&
        !json_equal(json_object_get(here, SCHEDULE), json_object_get(there, SCHEDULE)))
        status = explain_schedule(&text, trainer, from->about);
    if (status == BP_OK && text)
        status = bp__fail(BP_ERROR_MODEL, "%s: another training: %s", from->path, text);
    free(text);
    return status;
}
