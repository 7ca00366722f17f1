/* options.c - the parser of the tables of options.h. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop.h"
#include "output.h"

enum { NAMES = 80 };

int cli_usage(const cli_command *command, const char *format, ...)
{
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return cli_error(CLI_USAGE, "%s (see backprop %s --help)", text, command->name);
}

/* Calls for each group of the command, then the common one, until title is NULL. */
static const cli_group *group_at(const cli_command *command, const cli_group *common, size_t index)
{
    size_t own = 0;
    while (own < CLI_GROUPS && command->groups[own].title) ++own;
    return index < own ? &command->groups[index] : index == own ? common : NULL;
}

static cli_option *find_option(const cli_command *command, const cli_group *common,
                               const char *name, size_t length, char letter)
{
    const cli_group *group;
    for (size_t g = 0; (group = group_at(command, common, g)) != NULL; ++g)
        for (size_t i = 0; i < group->count; ++i) {
            cli_option *option = &group->options[i];
            if (letter ? option->letter == letter
                       : strlen(option->name) == length &&
                             strncmp(option->name, name, length) == 0)
                return option;
        }
    return NULL;
}

bool cli_given(const cli_command *command, const char *name)
{
    const cli_group none = {NULL, NULL, 0};
    const cli_option *option = find_option(command, &none, name, strlen(name), 0);
    return option && option->given;
}

void cli_warn_without_effect(const cli_command *command, const cli_effect *effects, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        if (effects[i].has_effect || !cli_given(command, effects[i].option)) continue;
        char text[128];
        snprintf(text, sizeof text, "--%s has no effect without %s", effects[i].option,
                 effects[i].needs);
        cli_warn(text);
    }
}

static int unknown_option(const cli_command *command, const cli_group *common, const char *given)
{
    const char *names[NAMES];
    size_t count = 0;
    const cli_group *group;
    for (size_t g = 0; (group = group_at(command, common, g)) != NULL; ++g)
        for (size_t i = 0; i < group->count && count < NAMES; ++i)
            names[count++] = group->options[i].name;
    char name[128];
    const char *bare = given + strspn(given, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(bare, "="), bare);
    const char *near = strlen(name) < 2 ? NULL : bp_nearest(name, names, count);
    if (near) return cli_usage(command, "unknown option '%s': did you mean '--%s'?", given, near);
    return cli_usage(command, "unknown option '%s'", given);
}

static int out_of_range(const cli_command *command, const cli_option *option, const char *value,
                        const char *why)
{
    char low[64] = "", high[64] = "";
    snprintf(low, sizeof low, option->above ? "more than %g" : "at least %g", option->min);
    if (option->max < HUGE_VAL)
        snprintf(high, sizeof high, option->below ? " and less than %.15g" : " and at most %.15g",
                 option->max);
    else
        snprintf(high, sizeof high, " and at most %.3g",
                 option->kind == CLI_REAL ? 3.4e38 : 1.79e308);
    return cli_usage(command, "--%s: '%s' %s: it must be %s%s", option->name, value, why, low,
                     high);
}

static bool in_range(const cli_option *option, double value)
{
    if (option->min == 0 && option->max == 0) return true;
    bool low = option->above ? value > option->min : value >= option->min;
    bool high = option->below ? value < option->max : value <= option->max;
    return low && high;
}

/* So many choices are listed: which of them was meant is easier seen than guessed. */
enum { FEW = 4 };

static int set_choice(const cli_command *command, cli_option *option, const char *value)
{
    const char *names[NAMES], *name;
    size_t count = 0;
    for (int32_t code = option->first; (name = option->choice(code)) != NULL; ++code) {
        if (!*name) continue;
        if (strcmp(name, value) == 0) {
            *option->to.code = code;
            return -1;
        }
        if (count < NAMES) names[count++] = name;
    }
    const char *near = count > FEW ? bp_nearest(value, names, count) : NULL;
    if (near)
        return cli_usage(command, "--%s: unknown value '%s': did you mean '%s'?", option->name,
                         value, near);
    char list[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof list; ++i)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    return cli_usage(command, "--%s: unknown value '%s': it must be one of %s", option->name, value,
                     list);
}

static int set_number(const cli_command *command, cli_option *option, const char *value)
{
    /* The strto… functions skip white space and strtoull wraps negative numbers: neither is a
     * number that someone meant. */
    char *end = NULL;
    bool plain = *value && !strchr(" \t\n\v\f\r", *value);
    errno = 0;
    switch (option->kind) {
    case CLI_REAL:
    case CLI_DOUBLE: {
        double given = strtod(value, &end);
        double number = option->kind == CLI_REAL ? (double)(float)given : given;
        if (!plain || *end || isnan(number))
            return cli_usage(command, "--%s: '%s' is not a number", option->name, value);
        if (!isfinite(number) || !in_range(option, number)) {
            /* A number that is in range as it was written may not be as it is stored. */
            char why[64] = "is out of range";
            if (isfinite(number) && (in_range(option, given) || errno == ERANGE))
                snprintf(why, sizeof why, "rounds to %g as a float32", number);
            return out_of_range(command, option, value, why);
        }
        if (option->kind == CLI_REAL)
            *option->to.real = (float)number;
        else
            *option->to.wide = number;
        return -1;
    }
    case CLI_COUNT: {
        long long number = strtoll(value, &end, 10);
        if (!plain || *end)
            return cli_usage(command, "--%s: '%s' is not a whole number", option->name, value);
        if (errno == ERANGE || !in_range(option, (double)number))
            return out_of_range(command, option, value, "is out of range");
        *option->to.count = number;
        return -1;
    }
    default: {
        unsigned long long number = strtoull(value, &end, 10);
        if (!plain || *end || *value == '-')
            return cli_usage(command, "--%s: '%s' is not a whole number from 0", option->name,
                             value);
        if (errno == ERANGE)
            return cli_usage(command, "--%s: '%s' is out of range: it must be at most %llu",
                             option->name, value, (unsigned long long)UINT64_MAX);
        *option->to.seed = number;
        return -1;
    }
    }
}

static int set_option(const cli_command *command, cli_option *option, const char *value)
{
    option->given = true;
    switch (option->kind) {
    case CLI_FLAG: *option->to.code = option->set; return -1;
    case CLI_TEXT:
        if (!*value && !option->may_be_empty)
            return cli_usage(command, "--%s: the value is empty: --%s %s", option->name,
                             option->name, option->value);
        *option->to.text = value;
        return -1;
    case CLI_LIST:
        if (!*value)
            return cli_usage(command, "--%s: the value is empty: --%s %s", option->name,
                             option->name, option->value);
        if (option->to.list->count == CLI_LIST_MOST)
            return cli_usage(command, "--%s: given more than %d times", option->name,
                             CLI_LIST_MOST);
        option->to.list->items[option->to.list->count++] = value;
        return -1;
    case CLI_CHOICE: return set_choice(command, option, value);
    default: return set_number(command, option, value);
    }
}

/* Where the parser stands. word is what the next option starts with; rest is what is left of a
 * bundle of short options. */
typedef struct walk {
    int argc, at;
    char **argv;
    const char *rest;
    bool words_only;
} walk;

/* What the walk found. */
typedef struct found {
    cli_option *option;
    const char *text;  /* the value, the word, or the option that is unknown */
    enum { FOUND_END, FOUND_OPTION, FOUND_WORD, FOUND_UNKNOWN, FOUND_NO_VALUE, FOUND_EXTRA } what;
} found;

static found next(walk *w, const cli_command *command, const cli_group *common)
{
    found f = {NULL, NULL, FOUND_END};
    if (!w->rest) {
        if (w->at >= w->argc) return f;
        const char *word = w->argv[w->at++];
        f.text = word;
        if (!w->words_only && strcmp(word, "--") == 0) {
            w->words_only = true;
            return next(w, command, common);
        }
        if (w->words_only || word[0] != '-' || !word[1]) {
            f.what = FOUND_WORD;
            return f;
        }
        if (word[1] != '-') {
            w->rest = word + 1;
            return next(w, command, common);
        }
        size_t length = strcspn(word + 2, "=");
        const char *value = word[2 + length] ? word + 2 + length + 1 : NULL;
        f.option = find_option(command, common, word + 2, length, 0);
        f.what = f.option ? FOUND_OPTION : FOUND_UNKNOWN;
        if (!f.option) return f;
        if (f.option->kind == CLI_FLAG) {
            if (value) f.what = FOUND_EXTRA;
            return f;
        }
        if (!value && w->at < w->argc) value = w->argv[w->at++];
        f.text = value;
        if (!value) f.what = FOUND_NO_VALUE;
        return f;
    }
    f.text = w->argv[w->at - 1];
    f.option = find_option(command, common, NULL, 0, *w->rest++);
    f.what = f.option ? FOUND_OPTION : FOUND_UNKNOWN;
    if (!f.option || !*w->rest || f.option->kind != CLI_FLAG) {
        const char *value = *w->rest ? w->rest : NULL;
        w->rest = NULL;
        if (!f.option || f.option->kind == CLI_FLAG) return f;
        if (!value && w->at < w->argc) value = w->argv[w->at++];
        f.text = value;
        if (!value) f.what = FOUND_NO_VALUE;
    }
    return f;
}

/* what: "missing" or "empty". usage starts with the names of the arguments. */
static int no_argument(const cli_command *command, size_t index, const char *what)
{
    const char *name = command->usage;
    while (index-- > 0) name += strcspn(name, " ") + 1;
    return cli_usage(command, "%.*s is %s: backprop %s %s", (int)strcspn(name, " ."), name, what,
                     command->name, command->usage);
}

int cli_parse(cli_command *command, int argc, char **argv, const char *arguments[CLI_ARGUMENTS])
{
    int32_t help = 0, version = 0;
    cli_option rows[] = {
        {.name = "json", .kind = CLI_FLAG, .to.code = &command->json, .set = 1,
         .help = "print the result as one line of JSON"},
        {.name = "quiet", .letter = 'q', .kind = CLI_FLAG, .to.code = &command->quiet, .set = 1,
         .help = "no progress, notes or warnings"},
        {.name = "help", .letter = 'h', .kind = CLI_FLAG, .to.code = &help, .set = 1,
         .help = "this help"},
        {.name = "version", .kind = CLI_FLAG, .to.code = &version, .set = 1,
         .help = "the version"},
    };
    const cli_group common = {"Common", rows, sizeof rows / sizeof *rows};

    /* Help is asked for by those who do not know how to use the command: it comes before any error
     * and before a value on the command line changes the defaults that it shows. */
    walk w = {.argc = argc, .at = 1, .argv = argv};
    for (found f = next(&w, command, &common); f.what != FOUND_END;
         f = next(&w, command, &common)) {
        if (f.what != FOUND_OPTION || f.option->kind != CLI_FLAG) continue;
        if (f.option->to.code == &help) {
            cli_print_help(command, &common);
            return CLI_OK;
        }
        if (f.option->to.code == &version) {
            cli_print_version();
            return CLI_OK;
        }
    }

    size_t count = 0;
    for (size_t i = 0; i < CLI_ARGUMENTS; ++i) arguments[i] = NULL;
    w = (walk){.argc = argc, .at = 1, .argv = argv};
    for (;;) {
        found f = next(&w, command, &common);
        int code = -1;
        switch (f.what) {
        case FOUND_END:
            command->words = (const char *const *)(argv + 1);
            command->word_count = count;
            return count + command->optional < command->arguments
                       ? no_argument(command, count, "missing")
                       : -1;
        case FOUND_WORD:
            if (count >= command->arguments && !command->several)
                return cli_usage(command, "'%s' is one argument too many: backprop %s %s", f.text,
                                 command->name, command->usage);
            if (!*f.text)
                return no_argument(
                    command, count < command->arguments ? count : command->arguments - 1, "empty");
            if (count < command->arguments) arguments[count] = f.text;
            /* No further than what has been read already. */
            argv[1 + count++] = w.argv[w.at - 1];
            break;
        case FOUND_OPTION: code = set_option(command, f.option, f.text); break;
        case FOUND_UNKNOWN: return unknown_option(command, &common, f.text);
        case FOUND_NO_VALUE:
            return cli_usage(command, "--%s needs a value: --%s %s", f.option->name, f.option->name,
                             f.option->value);
        case FOUND_EXTRA:
            return cli_usage(command, "--%s takes no value ('%s')", f.option->name, f.text);
        }
        if (code >= 0) return code;
    }
}
