/* options.h - option structs of the public API, whatever version of the header they come from. */
#ifndef BP_BASE_OPTIONS_H
#define BP_BASE_OPTIONS_H

#include <stddef.h>

#include "base/status.h"

/* out points to a struct of out_size bytes that holds the defaults, given to the caller's (NULL:
 * keep the defaults); both begin with `size_t size`. A program that was compiled with an older
 * header gives a smaller struct: the fields that it knows are taken. A larger one may ask for what
 * this library does not know, and is refused. name ("bp_train_options") is for the message:
 * BP_ERROR_ARGUMENT. */
bp_status bp__read_options(void *out, size_t out_size, const void *given, const char *name);

#endif
