/* test_understanding.c - docs/understanding.md says what is true: its commands print what stands
 * below them, every number in its text is one that they print, every link and every name leads
 * somewhere. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

#include <ctype.h>
#include <limits.h>

TestSuite(understanding, .timeout = 120);

#define PAGE "docs/understanding.md"

static char *file_text(const char *path)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", BACKPROP_SOURCE_DIR, path);
    FILE *file = fopen(whole, "rb");
    if (!file) return NULL;
    char *text = calloc(TEXT, 1);
    cr_assert_lt(fread(text, 1, TEXT - 1, file), TEXT - 1);
    fclose(file);
    return text;
}

/* The line at `from` without its end, and where the next one starts. */
static const char *next_line(char *line, size_t size, const char *from)
{
    const size_t length = strcspn(from, "\n");
    snprintf(line, size, "%.*s", (int)length, from);
    return from + length + (from[length] == '\n');
}

/* ---- Commands ----------------------------------------------------------------------------------
 */

/* What all commands of the page printed, for the numbers of the text. */
typedef struct printed {
    char *text;
    size_t commands;
    int wrong; /* lines that were not printed */
} printed;

/* The block's lines, each of which must come in the output after the one before; directly after it,
 * unless a line "…" stands between. */
static const char *compare_block(printed *p, const char *at, const char *output)
{
    char line[2048], got[2048];
    const char *rest = output;
    bool anywhere = false;
    for (at = next_line(line, sizeof line, at); strcmp(line, "```") != 0;
         at = next_line(line, sizeof line, at)) {
        cr_assert(*at, "a block that does not end");
        if (strcmp(line, "…") == 0) {
            anywhere = true;
            continue;
        }
        bool found = false;
        do {
            if (!*rest) break;
            rest = next_line(got, sizeof got, rest);
            found = strcmp(got, line) == 0;
        } while (!found && anywhere);
        if (!found) {
            ++p->wrong;
            return at;
        }
        anywhere = false;
    }
    if (!anywhere && *rest) ++p->wrong;
    return at;
}

static printed run_page(const char *page)
{
    printed p = {.text = calloc(TEXT, 1)};
    const char *at = page, *start;
    while ((start = strstr(at, "```console\n$ backprop ")) != NULL) {
        char command[2048];
        at = next_line(command, sizeof command, start + strlen("```console\n"));
        result r = shell("exec " CLI " %s", command + strlen("$ backprop "));
        assert_code(r, 0);
        strncat(p.text, command, TEXT - 1 - strlen(p.text));
        strncat(p.text, "\n", TEXT - 1 - strlen(p.text));
        strncat(p.text, r.out, TEXT - 1 - strlen(p.text));
        at = compare_block(&p, at, r.out);
        free_result(&r);
        ++p.commands;
    }
    return p;
}

/* ---- Numbers -----------------------------------------------------------------------------------
 */

/* Reads a decimal number ("0.25", ".5", "3.51e-05"), not a part of a word; NULL where there is
 * none. */
static const char *decimal(const char *text, const char *at, double *value, int *places)
{
    if (at > text && (isalnum((unsigned char)at[-1]) || at[-1] == '.' || at[-1] == '_'))
        return NULL;
    const char *c = at + strspn(at, "0123456789");
    if (*c != '.') return NULL;
    const size_t digits = strspn(c + 1, "0123456789");
    if (digits == 0) return NULL;
    char *end;
    *value = strtod(at, &end);
    /* The place of the last digit that is written, as a power of ten. */
    *places = -(int)digits;
    const char *power = c + 1 + digits;
    if (end > power) *places += atoi(power + 1);
    return isalpha((unsigned char)*end) || *end == '_' ? NULL : end;
}

/* Whether rounding one of the numbers in `text` to so many places gives value, its sign aside: the
 * page writes a minus sign of its own. */
static bool is_printed(const char *text, double value, int places)
{
    const double unit = pow(10, places);
    for (const char *c = text; *c; ++c) {
        if (!isdigit((unsigned char)*c) && *c != '.') continue;
        char *end;
        const double other = strtod(c, &end);
        if (end == c) continue;
        if (fabs(other - value) <= 0.5000001 * unit) return true;
        c = end - 1;
    }
    return false;
}

/* The first number in the text between blocks that no command prints; "" where there is none. */
static void unknown_number(char found[64], const char *page, const char *output, size_t *numbers)
{
    bool block = false;
    char line[4096];
    *numbers = 0;
    found[0] = '\0';
    for (const char *at = page; *at;) {
        at = next_line(line, sizeof line, at);
        if (strncmp(line, "```", 3) == 0) block = !block;
        for (const char *c = line; !block && *c; ++c) {
            double value;
            int places;
            const char *end = decimal(line, c, &value, &places);
            if (!end) continue;
            ++*numbers;
            if (!is_printed(output, value, places) && !*found)
                snprintf(found, 64, "%.*s", (int)(end - c < 60 ? end - c : 60), c);
            c = end - 1;
        }
    }
}

Test(understanding, every_number_is_printed_by_a_command)
{
    char *page = file_text(PAGE), unknown[64];
    cr_assert_not_null(page);
    printed p = run_page(page);
    size_t numbers;
    cr_assert_eq(p.wrong, 0, "%d blocks differ from what their commands print", p.wrong);
    cr_assert_geq(p.commands, 5);
    unknown_number(unknown, page, p.text, &numbers);
    cr_assert_str_empty(unknown, "the text says %s, which no command prints", unknown);
    cr_assert_geq(numbers, 40, "only %zu numbers were looked at", numbers);

    /* The checks of the checks: a digit changed in a block, and in the text. */
    char *block = strstr(page, "= 0.146280254   central"), *text = strstr(page, "| 0.235003712 |");
    cr_assert(block && text);
    block[strlen("= 0.14628")] = '9';
    printed changed = run_page(page);
    cr_assert_eq(changed.wrong, 1, "a number changed in a block went unnoticed");
    text[strlen("| 0.23500")] = '4';
    unknown_number(unknown, page, p.text, &numbers);
    cr_assert_str_eq(unknown, "0.235004712", "a number changed in the text went unnoticed");
    free(changed.text);
    free(p.text);
    free(page);
}

/* ---- Links and names ---------------------------------------------------------------------------
 */

/* Whether the identifier in backquotes occurs in a file to which the same line has a link. */
static bool is_in_a_linked_file(const char *line, const char *name)
{
    bool linked = false, found = false;
    for (const char *link = strstr(line, "]("); link; link = strstr(link + 2, "](")) {
        char path[256];
        snprintf(path, sizeof path, "docs/%.*s", (int)strcspn(link + 2, ")#"), link + 2);
        char *text = file_text(path);
        linked = linked || text;
        found = found || (text && strstr(text, name));
        free(text);
    }
    return !linked || found;
}

static size_t check_names(const char *line)
{
    size_t names = 0;
    for (const char *c = strchr(line, '`'); c; c = strchr(c, '`')) {
        const size_t length = strcspn(++c, "`");
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)(length < 120 ? length : 120), c);
        const bool identifier =
            strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == length && strchr(name, '_');
        if (identifier) {
            cr_assert(is_in_a_linked_file(line, name), "no file linked beside it has %s", name);
            ++names;
        }
        c += length + (c[length] == '`');
    }
    return names;
}

/* The anchor that a heading gets: lower case, blanks to dashes, signs left out. */
static bool has_heading(const char *page, const char *anchor)
{
    char line[4096], made[256];
    for (const char *at = page; *at;) {
        at = next_line(line, sizeof line, at);
        if (strncmp(line, "## ", 3) != 0) continue;
        size_t used = 0;
        for (const char *c = line + 3; *c && used + 1 < sizeof made; ++c)
            if (isalnum((unsigned char)*c) || *c == '_' || *c == '-')
                made[used++] = (char)tolower((unsigned char)*c);
            else if (*c == ' ')
                made[used++] = '-';
        made[used] = '\0';
        if (strcmp(made, anchor) == 0) return true;
    }
    return false;
}

Test(understanding, links_and_names_lead_somewhere)
{
    char *page = file_text(PAGE), line[4096];
    size_t links = 0, names = 0;
    cr_assert_not_null(page);
    for (const char *at = page; *at;) {
        at = next_line(line, sizeof line, at);
        names += check_names(line);
        for (const char *link = strstr(line, "]("); link; link = strstr(link + 2, "](")) {
            char path[256];
            snprintf(path, sizeof path, "docs/%.*s", (int)strcspn(link + 2, ")#"), link + 2);
            if (link[2] == '#') {
                char anchor[128];
                snprintf(anchor, sizeof anchor, "%.*s", (int)strcspn(link + 3, ")"), link + 3);
                cr_assert(has_heading(page, anchor), "no heading for #%s", anchor);
            } else {
                char *text = file_text(path);
                cr_assert_not_null(text, "%s is not there", path);
                free(text);
            }
            ++links;
        }
    }
    cr_assert_geq(links, 30);
    cr_assert_geq(names, 15);
    cr_assert_not(is_in_a_linked_file("[x](../host/net/plan.c)", "no_such_function"));
    free(page);
}
