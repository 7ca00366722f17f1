/* stop.c - signals that ask a command to stop. */
#include "stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stop_signal;

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { STOP_SIGNALS = sizeof stop_signals / sizeof *stop_signals };

/* The first signal asks for an end at the next step; whoever sends a second one wants it now. */
static void on_signal(int number)
{
    stop_signal = number;
    for (int i = 0; i < STOP_SIGNALS; ++i) signal(stop_signals[i], SIG_DFL);
}

void cli_stop_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < STOP_SIGNALS; ++i) {
        /* nohup wants the process to outlive its terminal. */
        if (stop_signals[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 &&
            old.sa_handler == SIG_IGN)
            continue;
        sigaction(stop_signals[i], &action, NULL);
    }
    /* A reader of the progress that goes away must not cost the result. A file-size limit is an
     * error that can be reported. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

int cli_stop_signal(void)
{
    return stop_signal;
}
