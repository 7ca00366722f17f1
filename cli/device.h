/* device.h - opens the device that --device names. */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

#include <jansson.h>

#include "backprop.h"

/* -1 when it is open; otherwise the exit code, and the error has been written. */
int cli_open_device(bp_device **out, const char *spec);

/* A note where what was tuned for the device does not count. */
void cli_note_tuning(const bp_device *device);

/* What the device is used with, as JSON: source and summary; *about is the same. */
json_t *cli_tuning_json(bp_tuning_info *about, const bp_device_info *device);

#endif
