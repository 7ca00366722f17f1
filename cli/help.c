/* help.c - --help, printed from the same table that the parser reads. */
#include <stdio.h>
#include <string.h>

#include "options.h"

enum { COLUMN = 27, WIDTH = 80 };

static void default_text(char *out, size_t size, const cli_option *option)
{
    out[0] = '\0';
    if (option->fallback) {
        snprintf(out, size, "%s", option->fallback);
        return;
    }
    switch (option->kind) {
    case CLI_FLAG: break;
    case CLI_LIST: break;
    case CLI_TEXT:
        if (*option->to.text) snprintf(out, size, "%s", *option->to.text);
        break;
    case CLI_REAL: snprintf(out, size, "%g", (double)*option->to.real); break;
    case CLI_DOUBLE: snprintf(out, size, "%g", *option->to.wide); break;
    case CLI_COUNT: snprintf(out, size, "%lld", (long long)*option->to.count); break;
    case CLI_SEED: snprintf(out, size, "%llu", (unsigned long long)*option->to.seed); break;
    case CLI_CHOICE: {
        const char *name = option->choice(*option->to.code);
        if (name) snprintf(out, size, "%s", name);
        break;
    }
    }
}

/* The option's text with its choices and its default. */
static void describe(char *out, size_t size, const cli_option *option)
{
    size_t used = (size_t)snprintf(out, size, "%s", option->help);
    if (option->kind == CLI_CHOICE) {
        const char *name, *before = " {";
        for (int32_t code = option->first; (name = option->choice(code)) != NULL; ++code) {
            if (!*name || used >= size) continue;
            used += (size_t)snprintf(out + used, size - used, "%s%s", before, name);
            before = ", ";
        }
        if (used < size) used += (size_t)snprintf(out + used, size - used, "}");
    }
    char text[128];
    default_text(text, sizeof text, option);
    if (*text && used < size) snprintf(out + used, size - used, " (default: %s)", text);
}

/* Prints text broken into lines between column `start` and WIDTH; the cursor is at `start`. */
static void print_wrapped(const char *text, int start)
{
    int at = start;
    bool first = true;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (!first && at + 1 + length > WIDTH) {
            printf("\n%*s", start, "");
            at = start;
        } else if (!first) {
            putchar(' ');
            ++at;
        }
        printf("%.*s", length, text);
        at += length;
        text += length;
        text += strspn(text, " ");
        first = false;
    }
    putchar('\n');
}

static void print_group(const cli_group *group)
{
    printf("\n%s:\n", group->title);
    for (size_t i = 0; i < group->count; ++i) {
        const cli_option *option = &group->options[i];
        int used = option->letter ? printf("  -%c, --%s", option->letter, option->name)
                                  : printf("      --%s", option->name);
        if (option->kind != CLI_FLAG) used += printf(" %s", option->value);
        if (used >= COLUMN - 1) {
            putchar('\n');
            used = 0;
        }
        printf("%*s", COLUMN - used, "");
        char text[1024];
        describe(text, sizeof text, option);
        print_wrapped(text, COLUMN);
    }
}

void cli_print_help(const cli_command *command, const cli_group *common)
{
    printf("Usage: backprop %s %s\n\n", command->name, command->usage);
    print_wrapped(command->summary, 0);
    printf("\nExamples:\n%s", command->examples);
    for (size_t g = 0; g < CLI_GROUPS && command->groups[g].title; ++g)
        print_group(&command->groups[g]);
    print_group(common);
}
