/* profile.h - what --profile prints: where the time went, as a table and as JSON. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include "backprop_measure.h"
#include "options.h"
#include "output.h"

/* Of --profile FILE. */
typedef struct cli_profile {
    const char *path; /* NULL: no profile is wanted, and the calls below do nothing */
    bp_profile *profile;
    bp_device_peak peak;
} cli_profile;

cli_option cli_profile_option(const char **path);

/* Whether the file (NULL: none) can be written: a usage error or a failure, reported, or -1. */
int cli_profile_check(const cli_command *command, const char *path);

/* Makes the profile, to be given to the library's options. known (NULL: it is measured, which takes
 * a second) is what the fractions are taken of. Reports; an exit code or -1. */
int cli_profile_begin(cli_profile *p, bp_device *device, const bp_device_peak *known);
/* Writes the trace. Reports; an exit code. */
int cli_profile_write(const cli_profile *p);
void cli_profile_end(cli_profile *p);

/* Tables on standard output; the same as JSON, null without a profile. */
int cli_profile_print(const cli_profile *p);
json_t *cli_profile_json(const cli_profile *p);

#endif
