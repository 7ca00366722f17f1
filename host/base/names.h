/* names.h - one table for every family of names: what the command line spells and what a model file
 * stores, beside the code. A new member is one row here, and its formula in the kernel and in the
 * reference. */
#ifndef BP_BASE_NAMES_H
#define BP_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

typedef struct bp__name {
    const char *name;
    int32_t code;
} bp__name;

/* Name of code in table (ended by a NULL name), or NULL. */
const char *bp__name_of(const bp__name *table, int32_t code);
/* Code of name, or -2: -1 is AUTO in several families. */
int32_t bp__code_of(const bp__name *table, const char *name);

#endif
