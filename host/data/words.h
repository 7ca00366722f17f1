/* words.h - distinct texts, each stored once and known by its number: the categories of a column,
 * the names of columns and classes. One block of bytes holds them all, so that a column with a
 * million different texts is a few allocations and not a million. */
#ifndef BP_DATA_WORDS_H
#define BP_DATA_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define BP__NO_WORD UINT32_MAX

/* All zero is the empty list. */
typedef struct bp__words {
    char *bytes;
    size_t used, bytes_capacity;
    size_t *start; /* offset of word i in bytes */
    size_t count, capacity;
    uint32_t *slot; /* hash table: word + 1, 0 where free */
    size_t slot_count;
} bp__words;

/* *index = the number of text, which is added where it is new. */
bp_status bp__words_add(bp__words *words, const char *text, uint32_t *index);
/* The number of text, or BP__NO_WORD. */
uint32_t bp__words_find(const bp__words *words, const char *text);
const char *bp__words_get(const bp__words *words, size_t index);
/* Adds the words of a part to those of all, in their order, and changes the part's numbers in
 * text[count] to those of all. */
bp_status bp__words_merge(bp__words *all, const bp__words *part, uint32_t *text, size_t count);
bp_status bp__words_copy(bp__words *out, const bp__words *words);
void bp__words_free(bp__words *words);

/* order[i] = the i-th word by strcmp; the caller's. */
bp_status bp__words_sorted(uint32_t **order, const bp__words *words);

/* All words as an array of pointers (for bp_nearest); the array is the caller's, the texts not. */
bp_status bp__words_pointers(const char ***out, const bp__words *words);

/* Whether text is UTF-8: model files hold names as JSON, which knows nothing else. */
bool bp__is_utf8(const char *text);

#endif
