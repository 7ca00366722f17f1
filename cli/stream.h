/* stream.h - whether data is held in memory or streamed from disk, which several commands choose.
 */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

#include <jansson.h>

#include "backprop.h"
#include "files.h"
#include "options.h"

typedef struct cli_stream {
    int32_t mode; /* BP_STREAM_* as asked for */
    const char *memory, *folder;
    bool chosen; /* the data is streamed */
} cli_stream;

enum { CLI_STREAM_OPTIONS = 3 };

/* Fills rows with --stream, --memory and --stream-folder; returns how many. */
size_t cli_stream_options(cli_stream *stream, cli_option rows[CLI_STREAM_OPTIONS]);

/* Sets stream->chosen by what was asked for, or by the size of the files and the memory that is
 * free, and says so. paths[count] are all files that will be read; NULL ones are left out. Reports;
 * an exit code or -1. */
int cli_stream_choose(cli_stream *stream, const cli_command *command, const char *const *paths,
                      size_t count);

/* Has the data loaded as chosen. */
void cli_stream_set(const cli_stream *stream, bp_load_options *options);

/* Says what reading took, where it was streamed. */
void cli_stream_tell(const bp_data *data);
/* The same as an object; NULL where it was not. wait_seconds: of the training, NAN for none. */
json_t *cli_stream_json(const bp_data *data, double wait_seconds);

#endif
