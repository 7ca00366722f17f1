/* formats.h - which format a file has, told by its content. */
#ifndef BP_DATA_FORMATS_H
#define BP_DATA_FORMATS_H

#include <stdbool.h>

#include "base/status.h"

typedef enum bp__file_kind {
    BP__FILE_CSV,
    BP__FILE_IDX,
    BP__FILE_NPY,
    BP__FILE_NPZ,
    BP__FILE_FANN,
    BP__FILE_LIBSVM,
    BP__FILE_KINDS
} bp__file_kind;

/* "CSV" for messages. */
const char *bp__kind_name(bp__file_kind kind);
/* BP_FORMAT_*: NPY and NPZ are one. */
int32_t bp__kind_format(bp__file_kind kind);

/* The kind of a file's bytes, plain or gzip, as format (BP_FORMAT_*) says or, for auto, as they
 * look like. BP_ERROR_DATA for files that are known not to be data. */
bp_status bp__find_kind(bp__file_kind *kind, int32_t format, const char *bytes, size_t size,
                        const char *source);

#endif
