/* checkpoint.c - reads a checkpoint, or the one before it. */
#include "model/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/model.h"

static bp_status read_about(bp__checkpoint *out)
{
    const char *path = out->file.path, *text = bp__safetensors_metadata(&out->file, BP__CHECKPOINT);
    if (!text)
        return bp__fail(BP_ERROR_MODEL, "%s: is no checkpoint: it holds no state of a training",
                        path);
    /* What was damaged might be the key. */
    if (!bp__safetensors_metadata(&out->file, BP__CHECKSUM))
        return bp__fail(BP_ERROR_MODEL, "%s: damaged: it has no checksum", path);
    json_error_t error;
    bp_status status = bp__json_parse(&out->about, &error, text, strlen(text));
    if (status == BP_ERROR_MODEL || (status == BP_OK && !json_is_object(out->about)))
        return bp__fail(BP_ERROR_MODEL, "%s: \"" BP__CHECKPOINT "\" is not a JSON object", path);
    return status;
}

bp_status bp__checkpoint_read(bp__checkpoint *out, const char *path)
{
    *out = (bp__checkpoint){.model = NULL};
    bp_status status;
    BP_TRY_GOTO(bp__copy_text(&out->path, path));
    BP_TRY_GOTO(bp__safetensors_read(&out->file, out->path));
    BP_TRY_GOTO(read_about(out));
    BP_TRY_GOTO(bp__model_from(&out->model, &out->file, BP_ACTIVATION_RELU));
    return BP_OK;
fail:
    bp__checkpoint_release(out);
    return status;
}

bp_status bp__checkpoint_read_either(bp__checkpoint *out, const char *path)
{
    char *damage = NULL, *previous = NULL;
    bp_status status = bp__checkpoint_read(out, path), first = status;
    if (status != BP_ERROR_MODEL && status != BP_ERROR_IO) return status;
    BP_TRY_GOTO(bp__copy_text(&damage, bp_last_error()));
    BP_TRY_GOTO(bp__previous_path(&previous, path));
    status = bp__checkpoint_read(out, previous);
    if (status == BP_OK) {
        out->damage = damage;
        damage = NULL;
    } else if (status != BP_ERROR_MEMORY) { /* the first is what was asked for */
        status = bp__fail(first, "%s (and there is no sound %s)", damage, previous);
    }
fail:
    free(damage);
    free(previous);
    return status;
}

void bp__checkpoint_release(bp__checkpoint *checkpoint)
{
    json_decref(checkpoint->about);
    bp_model_free(checkpoint->model);
    bp__safetensors_release(&checkpoint->file);
    free(checkpoint->path);
    free(checkpoint->damage);
    *checkpoint = (bp__checkpoint){.model = NULL};
}
