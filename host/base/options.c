/* options.c - option structs of the public API, whatever version of the header they come from. */
#include "base/options.h"

#include <string.h>

bp_status bp__read_options(void *out, size_t out_size, const void *given, const char *name)
{
    if (!given) return BP_OK;
    size_t size;
    memcpy(&size, given, sizeof size);
    if (size < 2 * sizeof size) /* not even one field */
        return bp__fail(BP_ERROR_ARGUMENT, "%s: size is %zu; start from %s_default()", name, size,
                        name);
    if (size > out_size)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s: size is %zu, this library (%s) knows %zu: it is older than the header",
                        name, size, bp_version(), out_size);
    memcpy(out, given, size);
    memcpy(out, &out_size, sizeof out_size);
    return BP_OK;
}
