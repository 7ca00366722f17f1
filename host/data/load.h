/* load.h - files that have been read, on their way to a data set. Tests and fuzzers start here. */
#ifndef BP_DATA_LOAD_H
#define BP_DATA_LOAD_H

#include "data/data.h"
#include "data/formats.h"

typedef struct bp__input {
    char *path, *labels; /* as messages name it; the file of labels that belongs to it, or NULL */
    char *bytes;         /* the content, followed by a '\0' */
    size_t size;
    bp__file_kind kind;
} bp__input;

/* The options given, or the defaults where given is NULL; refused where they make no sense. */
bp_status bp__read_load_options(bp_load_options *out, const bp_load_options *given);

/* Makes a data set of the inputs, which are of one kind. Bytes may be changed and taken over. */
bp_status bp__load_inputs(bp_data **out, bp__input *inputs, size_t count,
                          const bp_load_options *options);
/* Releases what the inputs own, and the array. */
void bp__inputs_free(bp__input *inputs, size_t count);

#endif
