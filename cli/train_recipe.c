/* train_recipe.c - the options of `backprop train` that say what is learned and how: the network, its
 * loss and initial weights, the optimizer and what it does to gradients. */
#include <math.h>
#include <string.h>

#include "output.h"
#include "train.h"

size_t cli_recipe_network(train_settings *s, cli_option rows[CLI_NETWORK_OPTIONS])
{
    const cli_option all[CLI_NETWORK_OPTIONS] = {
        {.name = "hidden", .kind = CLI_TEXT, .to.text = &s->model.hidden, .value = "LIST",
         .may_be_empty = true,
         .help = "widths of hidden layers, each with what it is to have: \"128,64\", "
                 "\"128:relu,64:batchnorm:dropout=0.2,64:layernorm:residual\"; \"none\" for a single "
                 "layer"},
        {.name = "activation", .kind = CLI_CHOICE, .to.code = &s->model.activation, .value = "NAME",
         .choice = cli_hidden_activation_name, .help = "of hidden layers"},
        {.name = "dropout", .kind = CLI_REAL, .to.real = &s->model.dropout, .value = "P", .min = 0,
         .max = 1, .below = true,
         .help = "of hidden layers that name none: the share of a layer's outputs that each training "
                 "step leaves out"},
        {.name = "output-activation", .kind = CLI_CHOICE, .to.code = &s->model.output_activation,
         .value = "NAME", .choice = bp_activation_name, .first = BP_ACTIVATION_AUTO,
         .help = "auto: by task and loss"},
        {.name = "loss", .kind = CLI_CHOICE, .to.code = &s->model.loss, .value = "NAME",
         .choice = bp_loss_name, .first = BP_LOSS_AUTO,
         .help = "auto: cross_entropy for classes, else half_squared"},
        {.name = "loss-parameter", .kind = CLI_REAL, .to.real = &s->model.loss_parameter,
         .value = "F", .min = 0, .max = HUGE_VAL, .above = true,
         .help = "of huber, where its square becomes a line; of quantile, the share of targets below",
         .fallback = "1, 0.5"},
        {.name = "no-bias", .kind = CLI_FLAG, .to.code = &s->model.bias, .set = 0,
         .help = "layers without biases"},
        {.name = "init", .kind = CLI_CHOICE, .to.code = &s->model.init, .value = "NAME",
         .choice = bp_init_name, .first = BP_INIT_AUTO,
         .help = "how weights are drawn; auto: lecun_normal for selu, else glorot_uniform"},
        {.name = "init-range", .kind = CLI_REAL, .to.real = &s->model.init_range, .value = "F",
         .min = 0, .max = HUGE_VAL, .above = true, .help = "of uniform: -F to F"},
        {.name = "init-from", .kind = CLI_TEXT, .to.text = &s->init_from, .value = "MODEL",
         .help = "start from this model's layers; the output layer is new where the targets are "
                 "others"},
        {.name = "freeze", .kind = CLI_COUNT, .to.count = &s->how.freeze_layers, .value = "N",
         .min = 0, .max = 1000, .help = "the first N layers keep what they have"},
    };
    memcpy(rows, all, sizeof all);
    return CLI_NETWORK_OPTIONS;
}

/* "sgd 0.1, adam 0.001": every optimizer has a learning rate of its own. */
static void list_rates(char *text, size_t size)
{
    const char *name;
    size_t used = 0;
    for (int32_t code = 0; (name = bp_optimizer_name(code)) != NULL && used < size; ++code)
        used += (size_t)snprintf(text + used, size - used, "%s%s %g", code ? ", " : "", name,
                                 (double)bp_optimizer_default_learning_rate(code));
}

size_t cli_recipe_updates(train_settings *s, cli_option rows[CLI_UPDATE_OPTIONS])
{
    static char rates[320];
    list_rates(rates, sizeof rates);
    const cli_option all[CLI_UPDATE_OPTIONS] = {
        {.name = "optimizer", .kind = CLI_CHOICE, .to.code = &s->how.optimizer, .value = "NAME",
         .choice = bp_optimizer_name, .help = "how weights move"},
        {.name = "lr", .kind = CLI_REAL, .to.real = &s->how.learning_rate, .value = "F", .min = 0,
         .max = HUGE_VAL, .above = true, .help = "learning rate",
         .fallback = rates},
        {.name = "momentum", .kind = CLI_REAL, .to.real = &s->how.momentum, .value = "F", .min = 0,
         .max = 1, .below = true, .help = "of momentum and nesterov"},
        {.name = "beta1", .kind = CLI_REAL, .to.real = &s->how.beta1, .value = "F", .min = 0,
         .max = 1, .below = true, .help = "of adam, adamw and lion", .fallback = "0.9"},
        {.name = "beta2", .kind = CLI_REAL, .to.real = &s->how.beta2, .value = "F", .min = 0,
         .max = 1, .below = true, .help = "of adam, adamw, lion and rmsprop",
         .fallback = "0.999, lion and rmsprop 0.99"},
        {.name = "epsilon", .kind = CLI_REAL, .to.real = &s->how.epsilon, .value = "F", .min = 0,
         .max = HUGE_VAL, .above = true, .help = "of adam, adamw, rmsprop and adagrad",
         .fallback = "1e-8, adagrad 1e-10"},
        {.name = "weight-decay", .kind = CLI_REAL, .to.real = &s->how.weight_decay, .value = "F",
         .min = 0, .max = HUGE_VAL,
         .help = "share of a parameter that is added to its gradient, or, of adamw and lion, taken "
                 "from it in each step, times the learning rate",
         .fallback = "0, adamw 0.01"},
        {.name = "l1", .kind = CLI_REAL, .to.real = &s->how.l1, .value = "F", .min = 0,
         .max = HUGE_VAL, .help = "added to a gradient, with the sign of the parameter"},
        {.name = "clip-norm", .kind = CLI_REAL, .to.real = &s->how.clip_norm, .value = "F", .min = 0,
         .max = HUGE_VAL, .help = "largest length of all gradients together", .fallback = "0, any"},
        {.name = "clip-value", .kind = CLI_REAL, .to.real = &s->how.clip_value, .value = "F",
         .min = 0, .max = HUGE_VAL, .help = "largest size of each gradient", .fallback = "0, any"},
        {.name = "max-norm", .kind = CLI_REAL, .to.real = &s->how.max_norm, .value = "C", .min = 0,
         .max = HUGE_VAL,
         .help = "largest length of each unit's incoming weights, its bias left out: longer ones are "
                 "scaled down after each step",
         .fallback = "0, any"},
        {.name = "ema", .kind = CLI_DOUBLE, .to.wide = &s->how.ema, .value = "DECAY", .min = 0,
         .max = 1, .below = true,
         .help = "the model gets a moving average of the weights, of which each step keeps this share, "
                 "less in the first: \"0.999\"",
         .fallback = "0, none"},
        {.name = "label-smoothing", .kind = CLI_REAL, .to.real = &s->how.label_smoothing,
         .value = "F", .min = 0, .max = 1, .below = true,
         .help = "of cross_entropy and bce: share of each target that goes to all answers"},
    };
    memcpy(rows, all, sizeof all);
    return CLI_UPDATE_OPTIONS;
}

/* A file that names its activations keeps them. One that cannot be read is an error later. */
static void warn_of_activation(const train_settings *s)
{
    bp_model *model;
    char text[512];
    if (bp_model_load(&model, s->init_from, s->model.activation) != BP_OK) return;
    const size_t hidden = bp_model_get_info(model).layers - 1;
    bool taken = hidden == 0;
    for (size_t l = 0; l < hidden; ++l)
        taken = taken || bp_model_get_layer(model, l).activation == s->model.activation;
    bp_model_free(model);
    if (taken) return;
    snprintf(text, sizeof text, "--activation has no effect: %.400s names those of its layers",
             s->init_from);
    cli_warn(text);
}

void cli_recipe_warn(const cli_command *command, const train_settings *s)
{
    const int32_t o = s->how.optimizer;
    const bool adam = o == BP_OPTIMIZER_ADAM || o == BP_OPTIMIZER_ADAMW;
    const bool lion = o == BP_OPTIMIZER_LION;
    const bool rmsprop = o == BP_OPTIMIZER_RMSPROP, adagrad = o == BP_OPTIMIZER_ADAGRAD;
    const cli_effect effects[] = {
        {"momentum", o == BP_OPTIMIZER_MOMENTUM || o == BP_OPTIMIZER_NESTEROV,
         "--optimizer momentum or nesterov"},
        {"beta1", adam || lion, "--optimizer adam, adamw or lion"},
        {"beta2", adam || lion || rmsprop, "--optimizer adam, adamw, lion or rmsprop"},
        {"epsilon", adam || rmsprop || adagrad, "--optimizer adam, adamw, rmsprop or adagrad"},
        {"init-range", s->model.init == BP_INIT_UNIFORM, "--init uniform"},
    };
    cli_warn_without_effect(command, effects, sizeof effects / sizeof *effects);
    if (s->init_from && cli_given(command, "activation")) warn_of_activation(s);
}

int cli_recipe_model(bp_model **out, const train_settings *s, const bp_data *train)
{
    bp_model_options options = s->model;
    bp_model *source = NULL;
    bp_status status = BP_OK;
    options.seed = s->seed;
    *out = NULL;
    if (s->init_from) {
        status = bp_model_load(&source, s->init_from, options.activation);
        if (status != BP_OK) return cli_fail_input(status);
    }
    options.init_from = source;
    if (status == BP_OK) status = bp_model_create(out, train, &options);
    bp_model_free(source);
    return status == BP_OK ? -1 : cli_fail(status, NULL);
}
