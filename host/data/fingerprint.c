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

void bp__data_forget_sources(bp_data *data)
{
    for (size_t i = 0; i < data->source_count; ++i) free((char *)(uintptr_t)data->sources[i].path);
    data->source_count = 0;
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

/* What a row's targets are: as the description of the shape has it. */
static const char *kind_of_targets(const bp_data *data)
{
    if (data->labels || (data->encoded_rows && data->task == BP_TASK_CLASSIFY)) return "labels";
    if (data->t || (data->encoded_rows && data->task == BP_TASK_REGRESS)) return "targets";
    return "neither";
}

typedef enum part { FEATURES, LABELS, TARGETS } part;

/* One part of all rows that lie in a file, some of them at a time. */
static bp_status add_rows(bp__fingerprint *hash, const bp_data *data, part which, size_t columns)
{
    enum { WORDS = 1 << 18 };
    size_t step = columns < WORDS ? WORDS / columns : 1;
    if (step > data->rows) step = data->rows;
    void *words;
    bp_status status = BP_OK;
    BP_TRY(bp__new_array(&words, step * columns, sizeof(uint32_t)));
    for (size_t first = 0; first < data->rows && status == BP_OK; first += step) {
        const size_t count = data->rows - first < step ? data->rows - first : step;
        status = bp_data_read(data, first, count, which == FEATURES ? words : NULL,
                              which == LABELS ? words : NULL, which == TARGETS ? words : NULL);
        if (status == BP_OK) add_words(hash, words, count * columns);
    }
    free(words);
    return status;
}

static bp_status add_data(bp__fingerprint *hash, const bp_data *data)
{
    const char *kind = kind_of_targets(data);
    char shape[160];
    snprintf(shape, sizeof shape, "%zu rows, %zu features, %zu outputs, %s", data->rows,
             data->features, data->outputs, kind);
    bp__fingerprint_add(hash, shape, strlen(shape));
    BP_TRY(add_rows(hash, data, FEATURES, data->features));
    if (strcmp(kind, "labels") == 0) BP_TRY(add_rows(hash, data, LABELS, 1));
    if (strcmp(kind, "targets") == 0) BP_TRY(add_rows(hash, data, TARGETS, data->outputs));
    return BP_OK;
}

bp_status bp_data_fingerprint(const bp_data *data, char out[33])
{
    if (!data || !out || !data->encoded)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_fingerprint: encoded data and out are needed");
    bp__fingerprint *hash;
    BP_TRY(bp__fingerprint_create(&hash));
    const bp_status status = add_data(hash, data);
    if (status == BP_OK) bp__fingerprint_text(out, hash);
    bp__fingerprint_free(hash);
    return status;
}
