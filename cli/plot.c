/* plot.c - `backprop plot`: trainings compared, from their logs. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "curves.h"
#include "files.h"
#include "output.h"

enum { MOST_RUNS = 32 };

typedef struct settings {
    const char *output;
    cli_curve_options curves;
} settings;

/* A run is called as its file is, with as much of the path as tells it from the others. */
static const char *short_name(const char *const *paths, size_t count, size_t index)
{
    const char *path = paths[index], *name = path + strlen(path);
    for (bool told = false; !told && name > path;) {
        --name;
        while (name > path && name[-1] != '/') --name;
        told = true;
        for (size_t i = 0; i < count && told; ++i) {
            const size_t length = strlen(paths[i]), wanted = strlen(name);
            if (i == index || length < wanted || strcmp(paths[i] + length - wanted, name) != 0)
                continue;
            told = length > wanted && paths[i][length - wanted - 1] != '/';
        }
    }
    return name;
}

static int check(const cli_command *command, const settings *s)
{
    if (!s->output) return cli_usage(command, "name the picture with -o FILE.svg or FILE.png");
    if (command->word_count > MOST_RUNS)
        return cli_usage(command, "%zu logs; one picture shows at most %d", command->word_count,
                         MOST_RUNS);
    size_t streams = 0;
    for (size_t i = 0; i < command->word_count; ++i) {
        streams += strcmp(command->words[i], "-") == 0;
        if (cli_same_file(command->words[i], s->output))
            return cli_usage(command, "-o %s would overwrite what is read", s->output);
    }
    if (streams > 1) return cli_usage(command, "standard input can be read once only");
    return cli_picture_check(command, "o", s->output);
}

static json_t *run_json(const cli_history *run, const char *path)
{
    json_t *json = json_object();
    const size_t best = cli_history_best(run);
    const cli_epoch *e = best < run->count ? &run->epochs[best] : NULL;
    json_object_set_new(json, "log", cli_json_text(path));
    json_object_set_new(json, "epochs", cli_json_count(run->count));
    json_object_set_new(json, "best_epoch", e ? cli_json_count((uint64_t)e->epoch) : json_null());
    json_object_set_new(json, "train_loss", e ? cli_json_number(e->train_loss) : json_null());
    json_object_set_new(json, "validation_loss",
                        e ? cli_json_number(e->validation_loss) : json_null());
    json_object_set_new(json, "validation_accuracy",
                        e ? cli_json_number(e->validation_accuracy) : json_null());
    json_object_set_new(json, "diverged", json_boolean(run->epochs[run->count - 1].diverged));
    return json;
}

static int print_json(const cli_history *runs, const cli_command *command, const settings *s)
{
    json_t *json = json_object(), *list = json_array();
    for (size_t i = 0; i < command->word_count; ++i)
        json_array_append_new(list, run_json(&runs[i], command->words[i]));
    json_object_set_new(json, "output", cli_json_text(s->output));
    json_object_set_new(json, "runs", list);
    return cli_print_json(stdout, json);
}

static int run(const cli_command *command, settings *s)
{
    cli_history runs[MOST_RUNS] = {{NULL, NULL, 0, 0}};
    const size_t count = command->word_count;
    int code = check(command, s);
    for (size_t i = 0; i < count && code < 0; ++i) {
        code = cli_history_read(&runs[i], command->words[i], command->quiet);
        if (strcmp(command->words[i], "-") != 0)
            runs[i].name = short_name(command->words, count, i);
    }
    if (code < 0) {
        if (!s->curves.title && count == 1) s->curves.title = runs[0].name;
        code = cli_curves_draw(s->output, runs, count, &s->curves);
        if (code == CLI_OK && command->json) code = print_json(runs, command, s);
    }
    for (size_t i = 0; i < count && i < MOST_RUNS; ++i) cli_history_free(&runs[i]);
    return code;
}

int cli_plot(int argc, char **argv)
{
    settings s = {.output = NULL};
    cli_option picture[] = {
        {.name = "output",
         .letter = 'o',
         .kind = CLI_TEXT,
         .to.text = &s.output,
         .value = "FILE.svg|png",
         .help = "where to draw"},
        {.name = "title",
         .kind = CLI_TEXT,
         .to.text = &s.curves.title,
         .value = "TEXT",
         .help = "above the picture",
         .fallback = "the log's name"},
        {.name = "x",
         .kind = CLI_CHOICE,
         .to.code = &s.curves.x,
         .value = "NAME",
         .choice = cli_curve_x_name,
         .help = "what the horizontal axis counts"},
        {.name = "scale",
         .kind = CLI_CHOICE,
         .to.code = &s.curves.scale,
         .value = "NAME",
         .choice = cli_scale_name,
         .help = "of the losses; auto: log where the largest is more than 50 times the least"},
        cli_theme_option("theme", &s.curves.theme),
    };
    cli_command command = {
        .name = "plot",
        .usage = "LOG... -o FILE.svg|png [OPTIONS]",
        .summary = "Draws the learning curves of trainings from the logs that train --log wrote: "
                   "losses, accuracies and learning rates by epoch, several trainings in one "
                   "picture, the best epoch of each marked. - reads standard input.",
        .examples = "  backprop plot run.jsonl -o run.svg\n"
                    "  backprop plot small.jsonl large.jsonl --x seconds -o compared.png\n",
        .arguments = 1,
        .several = true,
        .groups = {{"Picture", picture, sizeof picture / sizeof *picture}},
    };
    const char *arguments[CLI_ARGUMENTS];
    const int code = cli_parse(&command, argc, argv, arguments);
    return code >= 0 ? code : run(&command, &s);
}
