/* origin.h - where a model comes from, as its records say it: the command, the content of the files
 * that it read, the device; and what stands in the way of doing it again. */
#ifndef CLI_ORIGIN_H
#define CLI_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "backprop.h"
#include "options.h"

typedef struct cli_origin {
    char *command; /* as a shell takes it again; without what only says where checkpoints are */
    char *data;    /* names of the training data */
    char *files;   /* a line "XXH128  name" for each file read, as xxh128sum --check takes it */
    char *unrepeatable; /* why the command will not make the same model; NULL: it will */
    bool failed;        /* out of memory */
} cli_origin;

/* The records' keys that others look for. */
#define CLI_RECORD_COMMAND "command"
#define CLI_RECORD_FILES "files"
#define CLI_RECORD_TUNING "tuning"
#define CLI_RECORD_UNREPEATABLE "unrepeatable"

/* Takes the command down, before the parser puts the arguments in order. */
void cli_origin_command(cli_origin *origin, int argc, char **argv);
/* Adds an option that was not given, where a default has meant something that another time or place
 * may mean otherwise. */
void cli_origin_option(cli_origin *origin, const char *option);
void cli_origin_data(cli_origin *origin, const char *const *paths, size_t count);
void cli_origin_files(cli_origin *origin, const bp_data *raw);
void cli_origin_reason(cli_origin *origin, const char *reason);
void cli_origin_free(cli_origin *origin);

/* Writes what is known before the training into the model's records. device_given: it was named on
 * the command line, not by the environment. No time and no date: the same command on the same
 * device gives the same file, byte for byte. */
bp_status cli_origin_record(cli_origin *origin, bp_model *model, const bp_device *device,
                            bool device_given, uint64_t seed);

#endif
