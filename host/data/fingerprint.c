/* fingerprint.c - what data is: of its files, and of what they became. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fingerprint.h"
#include "base/memory.h"
#include "data/data.h"

bp_status bp__data_note_source(bp_data *data, const char *path, uint64_t bytes,
                               const char *fingerprint)
{
    char *copy = NULL;
    BP_TRY(bp__grow(&data->sources, &data->source_capacity, data->source_count + 1,
                    sizeof *data->sources));
    BP_TRY(bp__copy_text(&copy, path));
    bp_source *source = &data->sources[data->source_count++];
    *source = (bp_source){.path = copy, .bytes = bytes};
    snprintf(source->fingerprint, sizeof source->fingerprint, "%s", fingerprint);
    return BP_OK;
}

const bp_source *bp_data_sources(const bp_data *data, size_t *count)
{
    if (count) *count = data ? data->source_count : 0;
    return data && data->source_count ? data->sources : NULL;
}

/* 32-bit words as they are on a little-endian machine, so that every machine has the same. */
static void add_words(bp__fingerprint *hash, const void *words, size_t count)
{
    const uint16_t one = 1;
    if (*(const unsigned char *)&one == 1) {
        bp__fingerprint_add(hash, words, count * sizeof(uint32_t));
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        uint32_t word;
        memcpy(&word, (const char *)words + i * sizeof word, sizeof word);
        const unsigned char bytes[] = {(unsigned char)word, (unsigned char)(word >> 8),
                                       (unsigned char)(word >> 16), (unsigned char)(word >> 24)};
        bp__fingerprint_add(hash, bytes, sizeof bytes);
    }
}

bp_status bp_data_fingerprint(const bp_data *data, char out[33])
{
    if (!data || !out || !data->x)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_fingerprint: encoded data and out are needed");
    bp__fingerprint *hash;
    char shape[160];
    snprintf(shape, sizeof shape, "%zu rows, %zu features, %zu outputs, %s", data->rows,
             data->features, data->outputs,
             data->labels ? "labels"
             : data->t    ? "targets"
                          : "neither");
    BP_TRY(bp__fingerprint_create(&hash));
    bp__fingerprint_add(hash, shape, strlen(shape));
    add_words(hash, data->x, data->rows * data->features);
    if (data->labels)
        add_words(hash, data->labels, data->rows);
    else if (data->t)
        add_words(hash, data->t, data->rows * data->outputs);
    bp__fingerprint_text(out, hash);
    bp__fingerprint_free(hash);
    return BP_OK;
}
