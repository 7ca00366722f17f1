/* cache.c - where the user's cache folder is. */
#include "base/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

bp_status bp__cache_folder(char **out)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *out = NULL;
    /* A relative path is to be ignored, says the XDG Base Directory Specification. */
    if (cache && *cache == '/') return bp__append(out, "%s/backprop", cache);
    if (home && *home == '/') return bp__append(out, "%s/.cache/backprop", home);
    return BP_OK;
}

bp_status bp__make_folders(char *path)
{
    for (char *end = path; end;) {
        end = strchr(end + 1, '/');
        if (end) *end = '\0';
        const bool there = mkdir(path, 0700) == 0 || errno == EEXIST;
        /* What stands above may be there and yet not be ours to make. */
        if (!there && (!end || access(path, F_OK) != 0))
            return bp__fail(BP_ERROR_IO, "%s: cannot be made: %s", path, strerror(errno));
        if (end) *end = '/';
    }
    return BP_OK;
}
