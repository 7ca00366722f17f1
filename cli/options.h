/* options.h - one table describes a command's options; the parser, the error messages and --help
 * all come from it, so that they cannot disagree. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cli_kind {
    CLI_FLAG,   /* takes no value; puts `set` into *to.code */
    CLI_TEXT,   /* *to.text */
    CLI_LIST,   /* *to.list: given once for each of several files */
    CLI_REAL,   /* *to.real, float */
    CLI_DOUBLE, /* *to.wide, double */
    CLI_COUNT,  /* *to.count, int64_t */
    CLI_SEED,   /* *to.seed, uint64_t */
    CLI_CHOICE  /* *to.code, one of the names that `choice` gives */
} cli_kind;

enum { CLI_LIST_MOST = 256 };

typedef struct cli_list {
    const char *items[CLI_LIST_MOST];
    size_t count;
} cli_list;

typedef struct cli_option {
    const char *name;    /* without the dashes */
    char letter;         /* short form, or 0 */
    cli_kind kind;
    union {
        int32_t *code;
        const char **text;
        cli_list *list;
        float *real;
        double *wide;
        int64_t *count;
        uint64_t *seed;
    } to;                /* holds the default before parsing: --help shows it */
    const char *value;   /* what --help calls the value */
    const char *help;
    const char *fallback; /* shown instead of the default that *to holds; "" shows none */
    int32_t set;
    double min, max;     /* both 0: unbounded */
    bool above, below;   /* the bounds themselves are excluded */
    bool may_be_empty;   /* CLI_TEXT: "" is a value */
    const char *(*choice)(int32_t code); /* NULL ends the list, "" is skipped */
    int32_t first;       /* the first code to ask for */
    bool given;          /* set by the parser */
} cli_option;

typedef struct cli_group {
    const char *title;
    cli_option *options;
    size_t count;
} cli_group;

enum { CLI_GROUPS = 10, CLI_ARGUMENTS = 2 };

typedef struct cli_command {
    const char *name;
    const char *usage;    /* what follows the name, e.g. "DATA [OPTIONS]" */
    const char *summary;  /* a sentence or two, without line breaks */
    const char *examples; /* lines */
    size_t arguments;     /* how many words that are no options are wanted */
    size_t optional;      /* how many of them, from the last on, may be missing: they are NULL */
    bool several;         /* and whether the last of them may be several */
    const char *const *words; /* set by the parser: all of them, word_count */
    size_t word_count;
    cli_group groups[CLI_GROUPS]; /* title NULL ends */
    int32_t quiet, json;  /* -q and --json, which every command takes */
} cli_command;

/* Parses argv[1…]. Returns -1 to go on, else the exit code: after --help or --version, or an error
 * that has been reported. Options and arguments may be mixed; "--" ends the options. No argument
 * is empty; every array element is set. Reorders argv: command->words are in it. */
int cli_parse(cli_command *command, int argc, char **argv,
              const char *arguments[CLI_ARGUMENTS]);

/* Whether the option was on the command line. */
bool cli_given(const cli_command *command, const char *name);

/* Options that only work beside others: each that was given without them is warned of. */
typedef struct cli_effect {
    const char *option; /* without dashes */
    bool has_effect;
    const char *needs; /* what it goes with */
} cli_effect;
void cli_warn_without_effect(const cli_command *command, const cli_effect *effects, size_t count);

/* Reports wrong usage of a command and returns CLI_USAGE. */
int cli_usage(const cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the command's help, from help.c. */
void cli_print_help(const cli_command *command, const cli_group *common);

#endif
