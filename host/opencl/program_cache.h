/* program_cache.h - compiled programs as files, for drivers that keep none themselves. Whatever
 * goes wrong here costs a build, nothing else: no function fails. */
#ifndef BP_OPENCL_PROGRAM_CACHE_H
#define BP_OPENCL_PROGRAM_CACHE_H

#include "opencl/device.h"

/* Where the program of this source and these options has its file for this device. The caller's;
 * NULL where none is to be kept: no folder, BACKPROP_PROGRAMS=none, a processor that cannot be told
 * from another. */
char *bp__program_place(const bp_device *device, const char *source, const char *options);

/* The program, built, of the file at path; NULL where there is none, or the driver refuses it. */
cl_program bp__program_load(bp_device *device, const char *path, const char *options);

/* To be called when a program was built from source. A driver that took long the second time keeps
 * no programs itself: then this one is kept. */
void bp__program_built(cl_program program, const char *path, double seconds);

#endif
