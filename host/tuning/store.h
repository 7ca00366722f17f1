/* store.h - where a device's tuning comes from: a file in the user's cache folder, or the table of
 * those that are shipped. */
#ifndef BP_TUNING_STORE_H
#define BP_TUNING_STORE_H

#include "backprop_measure.h"
#include "opencl/device.h"
#include "tuning/tuning.h"

/* What was measured for a device and fits the library as it is: *out is it and true is returned, or
 * *out is left. about (may be NULL) receives where it comes from. Whatever is wrong with a file is
 * a note there and no error. */
bool bp__tuning_find(bp__tuning *out, bp_tuning_info *about, const bp_device_info *device);

/* Without files: of the shipped ones, or the defaults for the vector width. */
bp__tuning bp__tuning_start(const bp_device_info *device, unsigned vector_width);

/* What an engine on the device is to use; looked for at the first call. */
bp__tuning bp__tuning_of(bp_device *device, unsigned vector_width);

/* Makes it what engines on the device use from now on. */
bp_status bp__tuning_set(bp_device *device, const bp__tuning *tuning);

/* The file's path, a copy; its folders are made where they are missing. BP_ERROR_IO where there is
 * no place for it. */
bp_status bp__tuning_place(char **path, const bp_device_info *device);

/* Writes the file, as a whole or not at all. */
bp_status bp__tuning_save(const bp__tuning *tuning, const bp_device_info *device, const char *path);

/* A tuning for devices whose name has this in it. */
typedef struct bp__shipped {
    const char *name; /* NULL ends a table */
    bp__tuning tuning;
} bp__shipped;

/* What the library ships: what bp_tune found where it differs from the defaults. */
extern const bp__shipped bp__shipped_tunings[];

/* The first of a table that is for this device, or NULL. */
const bp__tuning *bp__tuning_shipped(const bp__shipped *table, const char *device_name);

#endif
