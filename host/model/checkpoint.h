/* checkpoint.h - a model file with the state of the training that it comes from: more tensors,
 * named "state.…", a text about them, and a checksum over everything. What the state is, only the
 * trainer knows. */
#ifndef BP_MODEL_CHECKPOINT_H
#define BP_MODEL_CHECKPOINT_H

#include "model/safetensors.h"

/* The metadata's key of the text, and what every tensor's name begins with. */
#define BP__CHECKPOINT "backprop.checkpoint"
#define BP__STATE_PREFIX "state."

typedef struct bp__extra {
    const char *about; /* JSON */
    const bp__tensor_out *tensors;
    size_t count;
    bool keep; /* the file that is replaced stays as "<path>.previous" */
} bp__extra;

/* Writes atomically, as bp_model_save, and fails as it does. */
bp_status bp__checkpoint_write(const bp_model *model, const char *path, const bp__extra *extra);

typedef struct bp__checkpoint {
    bp__safetensors file;
    bp_model *model;
    json_t *about;
    char *path;   /* of the file that was read */
    char *damage; /* why it is the previous one; NULL: it is not */
} bp__checkpoint;

/* BP_ERROR_MODEL where the file is damaged, or no checkpoint. */
bp_status bp__checkpoint_read(bp__checkpoint *out, const char *path);
/* The same; where that file is damaged or missing, the one that it replaced. */
bp_status bp__checkpoint_read_either(bp__checkpoint *out, const char *path);
void bp__checkpoint_release(bp__checkpoint *checkpoint);

#endif
