/* stream.h - data files read once from front to end, a block at a time, whatever their size. */
#ifndef BP_DATA_STREAM_H
#define BP_DATA_STREAM_H

#include "data/data.h"
#include "data/formats.h"
#include "data/source.h"

/* Bytes of text and values that are parsed at once: 1 MiB. Tests have smaller blocks. */
extern size_t bp__stream_block;

/* The files of one data set, of one kind, and what they begin with. */
typedef struct bp__stream_input {
    char *path, *labels; /* labels: the file of labels that belongs to it, or NULL */
} bp__stream_input;

/* A file has been read to its end: notes it among the data's sources. */
bp_status bp__stream_finish(bp_data *data, bp__source *source);

/* Parses the files into data->raw_rows, in blocks, with notes on each column. */
bp_status bp__stream_csv(bp_data *data, const bp__stream_input *inputs, size_t count,
                         const bp_load_options *options);
bp_status bp__stream_arrays(bp_data *data, const bp__stream_input *inputs, size_t count,
                            const bp_load_options *options, bp__file_kind kind);

/* bp_data_load_files with options->stream. */
bp_status bp__stream_load(bp_data **out, const bp__stream_input *inputs, size_t count,
                          const bp_load_options *options);

#endif
