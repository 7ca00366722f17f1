/* records.c - free-form texts that travel with a model. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

/* Length of the UTF-8 sequence at text, as RFC 3629 has it; 0 where it is not one. The text's '\0'
 * ends a sequence that is cut off: it continues none. */
static size_t utf8_length(const unsigned char *text)
{
    const unsigned char lead = text[0];
    if (lead < 0x80) return 1;
    size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                    : lead >= 0xe0 && lead <= 0xef ? 3
                    : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                   : 0;
    for (size_t i = 1; i < length; ++i)
        if ((text[i] & 0xc0) != 0x80) return 0;
    /* Longer than needed, surrogates, beyond U+10FFFF. */
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) ||
        (lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

/* A copy of text in which each byte that is not UTF-8 has become U+FFFD. A model file can hold
 * nothing else, and a file name in Latin-1 among the records must not cost the training. */
static bp_status copy_as_utf8(char **out, const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *copy = NULL;
    *out = NULL;
    BP_TRY(bp__new_array(&copy, strlen(text) + 1, sizeof replacement - 1));
    char *next = copy;
    while (*text) {
        const size_t valid = utf8_length((const unsigned char *)text);
        const size_t put = valid ? valid : sizeof replacement - 1;
        memcpy(next, valid ? text : replacement, put);
        next += put;
        text += valid ? valid : 1;
    }
    *out = copy;
    return BP_OK;
}

static bp__record *find(const bp_model *model, const char *key)
{
    for (size_t i = 0; i < model->record_count; ++i)
        if (strcmp(model->records[i].key, key) == 0) return &model->records[i];
    return NULL;
}

bp_status bp__model_add_record(bp_model *model, const char *key, const char *value)
{
    bp__record record = {NULL, NULL};
    bp_status status;
    BP_TRY_GOTO(copy_as_utf8(&record.key, key));
    BP_TRY_GOTO(copy_as_utf8(&record.value, value));
    BP_TRY_GOTO(bp__grow(&model->records, &model->record_capacity, model->record_count + 1,
                         sizeof *model->records));
    model->records[model->record_count++] = record;
    return BP_OK;
fail:
    free(record.key);
    free(record.value);
    return status;
}

bp_status bp_model_set_record(bp_model *model, const char *key, const char *value)
{
    if (!model || !key || !*key || !value)
        return bp__fail(
            BP_ERROR_ARGUMENT,
            "bp_model_set_record: a model, a key that is not empty and a value are needed");
    char *clean_key = NULL, *clean_value = NULL;
    BP_TRY(copy_as_utf8(&clean_key, key));
    bp__record *record = find(model, clean_key);
    bp_status status;
    if (record) {
        status = copy_as_utf8(&clean_value, value);
        if (status == BP_OK) {
            free(record->value);
            record->value = clean_value;
        }
    } else {
        status = bp__model_add_record(model, clean_key, value);
    }
    free(clean_key);
    return status;
}

const char *bp_model_get_record(const bp_model *model, const char *key)
{
    const bp__record *record = model && key ? find(model, key) : NULL;
    return record ? record->value : NULL;
}

const char *bp_model_record_key(const bp_model *model, size_t index)
{
    return model && index < model->record_count ? model->records[index].key : NULL;
}
