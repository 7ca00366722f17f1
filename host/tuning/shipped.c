/* shipped.c - the tunings that the library ships. A row is added where bp_tune, on a quiet machine
 * and more than once, finds something better than the defaults, and says by how much. None was
 * found so far: on AVX-512 CPUs (Zen 5) the defaults are the best. */
#include <string.h>

#include "tuning/store.h"

const bp__shipped bp__shipped_tunings[] = {
    {.name = NULL},
};

const bp__tuning *bp__tuning_shipped(const bp__shipped *table, const char *device_name)
{
    for (; table->name; ++table)
        if (strstr(device_name, table->name)) return &table->tuning;
    return NULL;
}
