/* train_course.c - `backprop train`: when to stop, which epoch to keep, how the learning rate goes. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "output.h"
#include "train.h"

size_t cli_course_options(train_settings *s, cli_option rows[CLI_COURSE_OPTIONS])
{
    bp_train_options *how = &s->how;
    const cli_option table[] = {
        {.name = "patience", .kind = CLI_COUNT, .to.count = &how->patience, .value = "N", .min = 1,
         .max = 1000000000, .fallback = "none",
         .help = "ends the training after N epochs without an improvement, and keeps the best one"},
        {.name = "monitor", .kind = CLI_CHOICE, .to.code = &how->monitor, .value = "NAME",
         .choice = bp_monitor_name, .first = BP_MONITOR_AUTO,
         .help = "what improves; auto: validation_loss, without validation data train_loss"},
        {.name = "min-delta", .kind = CLI_DOUBLE, .to.wide = &how->min_delta, .value = "F",
         .min = 0, .max = HUGE_VAL,
         .help = "an improvement is one by more than F"},
        {.name = "keep-best", .kind = CLI_FLAG, .to.code = &how->keep_best, .set = 1,
         .help = "keeps the weights of the best epoch in place of the last one's"},
        {.name = "keep-last", .kind = CLI_FLAG, .to.code = &how->keep_best, .set = 0,
         .help = "keeps the last ones, with --patience, too"},
        {.name = "schedule", .kind = CLI_CHOICE, .to.code = &how->schedule, .value = "NAME",
         .choice = bp_schedule_name, .first = BP_SCHEDULE_AUTO,
         .help = "how the learning rate changes; auto: cosine where neither --epochs nor --patience "
                 "is given, else constant"},
        {.name = "warmup", .kind = CLI_DOUBLE, .to.wide = &how->warmup, .value = "EPOCHS",
         .min = 0, .max = 1000000000, .fallback = "0; of onecycle 3/10 of all",
         .help = "the learning rate first rises from 0 for so long"},
        {.name = "decay", .kind = CLI_DOUBLE, .to.wide = &how->decay, .value = "F", .min = 0,
         .max = 1, .above = true,
         .fallback = "step 0.1, exponential what ends at 1/100, plateau 0.5",
         .help = "factor of the learning rate of --schedule step, exponential (an epoch) and "
                 "plateau"},
        {.name = "decay-every", .kind = CLI_COUNT, .to.count = &how->decay_every, .value = "N",
         .min = 1, .max = 1000000000, .fallback = "step: a third of all; plateau: 5",
         .help = "epochs between the stages of step; that plateau bears without an improvement"},
        {.name = "final-lr", .kind = CLI_DOUBLE, .to.wide = &how->final_rate, .value = "SHARE",
         .min = 0, .max = 1,
         .help = "share of the learning rate at which cosine and onecycle end, below which no "
                 "other goes"},
        {.name = "find-lr", .kind = CLI_FLAG, .to.code = &s->find_rate, .set = 1,
         .help = "trains nothing: tries learning rates from low to high, shows what they do to the "
                 "loss, and suggests one"},
    };
    const size_t count = sizeof table / sizeof *table;
    memcpy(rows, table, sizeof table);
    return count;
}

/* The option of a checkpoint that was given, or NULL. */
static const char *checkpoints(const train_settings *s)
{
    return s->checkpoint->path ? "--checkpoint" : s->checkpoint->resume ? "--resume" : NULL;
}

/* The option of a record of epochs that was given, or NULL. */
static const char *records(const train_settings *s)
{
    const cli_record_options *r = &s->record;
    return r->log ? "--log" : r->tensorboard ? "--tensorboard" : r->plot ? "--plot" : NULL;
}

static int check_find(const cli_command *command, const train_settings *s)
{
    if (!s->find_rate) return -1;
    if (s->folds) return cli_usage(command, "--find-lr and --folds exclude each other");
    if (s->output)
        return cli_usage(command, "--find-lr trains nothing to be kept: leave -o away");
    if (checkpoints(s))
        return cli_usage(command, "--find-lr trains nothing to go on with: leave %s away",
                         checkpoints(s));
    if (records(s) || s->profile.path)
        return cli_usage(command, "--find-lr has no epochs: leave %s away",
                         records(s) ? records(s) : "--profile");
    return -1;
}

static int check_folds(const cli_command *command, const train_settings *s)
{
    if (!s->folds) return -1;
    const struct {
        const char *option;
        bool given;
    } without[] = {{"-o", s->output != NULL},         {checkpoints(s), checkpoints(s) != NULL},
                   {records(s), records(s) != NULL},
                   {"--profile", s->profile.path},    {"--validation", s->validation != NULL},
                   {"--test", s->test != NULL},       {"--watch-gradients", s->watch_gradients}};
    for (size_t i = 0; i < sizeof without / sizeof *without; ++i)
        if (without[i].given)
            return cli_usage(command,
                             "--folds measures models and keeps none: leave %s away, and train "
                             "once more without --folds for a model",
                             without[i].option);
    return -1;
}

static void warn_without_effect(const cli_command *command, const bp_train_options *how)
{
    const bool plateau = how->schedule == BP_SCHEDULE_PLATEAU;
    const bool stages = plateau || how->schedule == BP_SCHEDULE_STEP;
    const cli_effect effects[] = {
        {"min-delta", how->patience > 0 || plateau, "--patience or --schedule plateau"},
        {"decay", stages || how->schedule == BP_SCHEDULE_EXPONENTIAL,
         "--schedule step, exponential or plateau"},
        {"decay-every", stages, "--schedule step or plateau"},
        {"final-lr", how->schedule != BP_SCHEDULE_CONSTANT &&
                         (how->schedule != BP_SCHEDULE_AUTO || (!how->epochs && !how->patience)),
         "a --schedule"},
    };
    cli_warn_without_effect(command, effects, sizeof effects / sizeof *effects);
}

int cli_course_check(const cli_command *command, const train_settings *s)
{
    const bool validation = s->validation || s->split > 0;
    const int32_t monitor = s->how.monitor;
    int code = check_find(command, s);
    if (code < 0) code = check_folds(command, s);
    if (code >= 0) return code;
    if (!validation && monitor != BP_MONITOR_AUTO && monitor != BP_MONITOR_TRAIN_LOSS)
        return cli_usage(command,
                         "--monitor %s is measured on validation data: give --validation-split 0.2, "
                         "or --validation FILE",
                         bp_monitor_name(monitor));
    if (s->how.epochs > 0 && s->how.warmup > (double)s->how.epochs)
        return cli_usage(command, "--warmup %g is longer than the training, which has %" PRId64
                         " epochs", s->how.warmup, s->how.epochs);
    if (command->quiet) return -1;
    warn_without_effect(command, &s->how);
    if (!validation && s->how.patience > 0)
        cli_note("patience goes by the training loss, which sinks while a network overfits: "
                 "--validation-split 0.2 tells more");
    return -1;
}

void cli_course_print(const bp_train_result *r, int32_t optimizer)
{
    printf("epochs      %" PRId64, r->epochs);
    if (optimizer == BP_OPTIMIZER_LBFGS)
        printf(", %" PRId64 " evaluations of loss and gradient", r->steps);
    if (r->stopped_early)
        printf(" of %" PRId64 ", stopped for want of improvement", r->planned_epochs);
    putchar('\n');
    if (r->best_kept)
        printf("kept        epoch %" PRId64 ", the best by %s (%.6g)\n", r->best_epoch,
               bp_monitor_name(r->monitor), r->best_value);
}

void cli_course_json(json_t *json, const bp_train_result *r)
{
    json_object_set_new(json, "monitor", cli_json_text(bp_monitor_name(r->monitor)));
    json_object_set_new(json, "best_epoch",
                        r->best_epoch > 0 ? json_integer(r->best_epoch) : json_null());
    json_object_set_new(json, "best_value", cli_json_number(r->best_value));
    json_object_set_new(json, "best_kept", json_boolean(r->best_kept));
    json_object_set_new(json, "stopped_early", json_boolean(r->stopped_early));
}
