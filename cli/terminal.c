/* terminal.c - asks the environment and the terminal driver; no terminfo needed. */
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

/* The locale by its name, in the order in which it is decided. The name is asked rather than the C
 * library, because a locale that is not installed here still tells what the terminal is. */
static bool says_utf8(void)
{
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        const char *value = variable(names[i]);
        if (!*value) continue;
        for (; *value; ++value)
            if (strncasecmp(value, "utf-8", 5) == 0 || strncasecmp(value, "utf8", 4) == 0)
                return true;
        return false;
    }
    return false;
}

int cli_terminal_columns(FILE *stream)
{
    struct winsize size = {0};
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    int columns = atoi(variable("COLUMNS"));
    return columns >= 20 && columns <= 1000 ? columns : 80;
}

cli_terminal cli_terminal_of(FILE *stream)
{
    cli_terminal terminal = {.utf8 = says_utf8(), .columns = cli_terminal_columns(stream)};
    bool dumb = !*variable("TERM") || strcmp(variable("TERM"), "dumb") == 0;
    terminal.live = isatty(fileno(stream)) && !dumb;
    if (terminal.live && !*variable("NO_COLOR")) {
        const char *depth = variable("COLORTERM");
        bool full = strcmp(depth, "truecolor") == 0 || strcmp(depth, "24bit") == 0;
        terminal.colour = full ? CLI_COLOUR_TRUE : CLI_COLOUR_256;
    }
    return terminal;
}
