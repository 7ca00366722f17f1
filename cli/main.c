/* main.c - the command `backprop`: finds the command that was asked for and runs it. The commands
 * see the public headers alone; whatever they can do, a program that links the library can do. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backprop.h"
#include "commands.h"
#include "output.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"train", cli_train, "train a network on a data file and save it"},
    {"eval", cli_eval, "measure a model's loss and accuracy on a data file"},
    {"predict", cli_predict, "print a model's answer for every row of a data file"},
    {"info", cli_info, "show what a model file or a data set holds"},
    {"devices", cli_devices, "list the devices that can compute"},
    {"plot", cli_plot, "draw learning curves from logs of trainings"},
    {"explain", cli_explain, "show every number of a training step, and why it is so"},
    {"gradcheck", cli_gradcheck, "compare gradients with differences of the error"},
    {"bench", cli_bench, "time training steps, and what the device could do"},
    {"tune", cli_tune, "find out what a device computes fastest with"},
    {"selftest", cli_selftest, "test whether a device computes what it should"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *to)
{
    fputs("Usage: backprop COMMAND [ARGUMENTS] [OPTIONS]\n"
          "\n"
          "Trains feed-forward neural networks on any OpenCL device.\n"
          "\n"
          "Examples:\n"
          "  backprop train iris.csv -o iris.safetensors\n"
          "  backprop eval iris.safetensors more.csv\n"
          "  backprop predict iris.safetensors new.csv\n"
          "\n"
          "Commands:\n",
          to);
    for (size_t i = 0; i < COMMANDS; ++i)
        fprintf(to, "  %-10s%s\n", commands[i].name, commands[i].summary);
    fputs("\n"
          "Options:\n"
          "  -h, --help     this help; backprop COMMAND --help for a command's own\n"
          "      --version  the version of the command and of the library\n"
          "\n"
          "Results go to standard output, everything else to standard error.\n"
          "Exit codes: 0 done, 1 failure, 2 wrong usage, 3 bad data or model, 4 no usable device,\n"
          "5 training diverged, 130 and 143 after SIGINT and SIGTERM.\n",
          to);
}

static int run_command(int argc, char **argv)
{
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; ++i) {
        if (strcmp(argv[0], commands[i].name) == 0) return commands[i].run(argc, argv);
        names[i] = commands[i].name;
    }
    const char *near = bp_nearest(argv[0], names, COMMANDS);
    if (argv[0][0] == '-')
        return cli_error(CLI_USAGE, "unknown option '%s' before the command (see backprop --help)",
                         argv[0]);
    if (near)
        return cli_error(CLI_USAGE, "unknown command '%s': did you mean '%s'?", argv[0], near);
    return cli_error(CLI_USAGE, "unknown command '%s' (see backprop --help)", argv[0]);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        cli_print_version();
        return CLI_OK;
    }
    bool help_word = strcmp(argv[1], "help") == 0;
    if (help_word && argc > 2) {
        char option[] = "--help";
        char *words[] = {argv[2], option, NULL};
        return run_command(2, words);
    }
    if (help_word || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    return run_command(argc - 1, argv + 1);
}

/* Where the caller has closed standard input, output or error, the next file that is opened would
 * get its number, and with it what is printed. So each has something: an end that cannot be
 * written, since a result that goes nowhere is a failure, and one that swallows messages. */
static void occupy_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    occupy_standard_streams();
    int code = dispatch(argc, argv);
    /* A result that did not reach its reader is a failure, even though all went well up to here. */
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno == EPIPE) { /* end as every program at the head of a closed pipe does */
            signal(SIGPIPE, SIG_DFL);
            raise(SIGPIPE);
        }
        int failure = cli_error(CLI_FAILURE, "standard output cannot be written%s%s",
                                errno ? ": " : "", errno ? strerror(errno) : "");
        if (code == CLI_OK) code = failure;
    }
    return code;
}
