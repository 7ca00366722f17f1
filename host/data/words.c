/* words.c - distinct texts by number: a hash table with open addressing over one block of bytes. */
#include "data/words.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"

/* With a start value that differs from table to table and, as addresses are random, from run to
 * run: a file cannot be made so that all of its texts collide. */
static uint64_t hash(const bp__words *words, const char *text, size_t length)
{
    return XXH3_64bits_withSeed(text, length, (uint64_t)(uintptr_t)words->slot);
}

static size_t length_of(const bp__words *words, size_t index)
{
    const size_t end = index + 1 < words->count ? words->start[index + 1] : words->used;
    return end - words->start[index] - 1;
}

/* The slot that holds text, or the free one where it belongs. */
static size_t find_slot(const bp__words *words, const char *text, size_t length)
{
    const size_t mask = words->slot_count - 1;
    size_t at = (size_t)hash(words, text, length) & mask;
    for (; words->slot[at]; at = (at + 1) & mask) {
        const size_t index = words->slot[at] - 1;
        if (length_of(words, index) == length &&
            memcmp(words->bytes + words->start[index], text, length) == 0)
            break;
    }
    return at;
}

/* Keeps the table at most half full. */
static bp_status make_room(bp__words *words)
{
    if (words->count < words->slot_count / 2) return BP_OK;
    size_t wanted = words->slot_count ? words->slot_count * 2 : 16;
    uint32_t *fresh;
    BP_TRY(bp__new_array(&fresh, wanted, sizeof *fresh));
    free(words->slot);
    words->slot = fresh;
    words->slot_count = wanted;
    for (size_t i = 0; i < words->count; ++i)
        words->slot[find_slot(words, bp__words_get(words, i), length_of(words, i))] =
            (uint32_t)i + 1;
    return BP_OK;
}

bp_status bp__words_add(bp__words *words, const char *text, uint32_t *index)
{
    BP_TRY(make_room(words));
    const size_t length = strlen(text), at = find_slot(words, text, length);
    if (words->slot[at]) {
        *index = words->slot[at] - 1;
        return BP_OK;
    }
    if (words->count >= BP__NO_WORD - 1)
        return bp__fail(BP_ERROR_DATA, "more than %u different texts", BP__NO_WORD - 1);
    BP_TRY(bp__grow(&words->bytes, &words->bytes_capacity, words->used + length + 1, 1));
    BP_TRY(bp__grow(&words->start, &words->capacity, words->count + 1, sizeof *words->start));
    memcpy(words->bytes + words->used, text, length + 1);
    words->start[words->count] = words->used;
    words->used += length + 1;
    *index = (uint32_t)words->count++;
    words->slot[at] = (uint32_t)words->count;
    return BP_OK;
}

uint32_t bp__words_find(const bp__words *words, const char *text)
{
    if (words->count == 0) return BP__NO_WORD;
    uint32_t found = words->slot[find_slot(words, text, strlen(text))];
    return found ? found - 1 : BP__NO_WORD;
}

const char *bp__words_get(const bp__words *words, size_t index)
{
    return words->bytes + words->start[index];
}

bp_status bp__words_merge(bp__words *all, const bp__words *part, uint32_t *text, size_t count)
{
    uint32_t *number;
    bool other = false;
    BP_TRY(bp__new_array(&number, part->count, sizeof *number));
    bp_status status = BP_OK;
    for (size_t i = 0; i < part->count && status == BP_OK; ++i) {
        status = bp__words_add(all, bp__words_get(part, i), &number[i]);
        other = other || number[i] != i;
    }
    for (size_t r = 0; r < count && status == BP_OK && other; ++r)
        if (text[r] != BP__NO_WORD) text[r] = number[text[r]];
    free(number);
    return status;
}

bp_status bp__words_copy(bp__words *out, const bp__words *words)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < words->count; ++i) {
        uint32_t index;
        bp_status status = bp__words_add(out, bp__words_get(words, i), &index);
        if (status != BP_OK) {
            bp__words_free(out);
            return status;
        }
    }
    return BP_OK;
}

void bp__words_free(bp__words *words)
{
    free(words->bytes);
    free(words->start);
    free(words->slot);
    memset(words, 0, sizeof *words);
}

static int compare_pointers(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bp_status bp__words_pointers(const char ***out, const bp__words *words)
{
    BP_TRY(bp__new_array(out, words->count, sizeof **out));
    for (size_t i = 0; i < words->count; ++i) (*out)[i] = bp__words_get(words, i);
    return BP_OK;
}

bp_status bp__words_sorted(uint32_t **order, const bp__words *words)
{
    *order = NULL;
    const char **texts;
    BP_TRY(bp__words_pointers(&texts, words));
    bp_status status = bp__new_array(order, words->count, sizeof **order);
    if (status == BP_OK) {
        qsort(texts, words->count, sizeof *texts, compare_pointers);
        for (size_t i = 0; i < words->count; ++i) (*order)[i] = bp__words_find(words, texts[i]);
    }
    free(texts);
    return status;
}

bool bp__is_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        if (*s < 0x80) {
            ++s;
            continue;
        }
        int more = *s >= 0xF0 ? 3 : *s >= 0xE0 ? 2 : 1;
        if (*s < 0xC2 || *s > 0xF4) return false;
        uint32_t code = *s & (0x3Fu >> more);
        for (int i = 1; i <= more; ++i) {
            if ((s[i] & 0xC0) != 0x80) return false;
            code = code << 6 | (s[i] & 0x3Fu);
        }
        /* Overlong forms and surrogates are not UTF-8 either. */
        if (more == 2 && (code < 0x800 || (code >= 0xD800 && code <= 0xDFFF))) return false;
        if (more == 3 && (code < 0x10000 || code > 0x10FFFF)) return false;
        s += more + 1;
    }
    return true;
}
