/* cache.h - the user's folder for what can be made again: tunings, compiled programs. */
#ifndef BP_BASE_CACHE_H
#define BP_BASE_CACHE_H

#include "base/status.h"

/* *out = "$XDG_CACHE_HOME/backprop", or that in ~/.cache; the caller's. NULL where neither variable
 * names a folder. */
bp_status bp__cache_folder(char **out);

/* Makes an absolute path's folders, those that are missing, for this user alone: as the XDG Base
 * Directory Specification asks for. */
bp_status bp__make_folders(char *path);

#endif
