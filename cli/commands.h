/* commands.h - the commands: each parses its own arguments (argv[0] is the command's name), prints
 * its result and returns the process's exit code. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int cli_train(int argc, char **argv);
int cli_eval(int argc, char **argv);
int cli_predict(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_devices(int argc, char **argv);
int cli_plot(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_gradcheck(int argc, char **argv);
int cli_tune(int argc, char **argv);
int cli_selftest(int argc, char **argv);

#endif
