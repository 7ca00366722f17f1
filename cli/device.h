/* device.h - opens the device that --device names. */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

#include <jansson.h>
#include <stdbool.h>

#include "backprop_measure.h"

/* -1 when it is open; otherwise the exit code, and the error has been written. */
int cli_open_device(bp_device **out, const char *spec);

/* --precision: has the device multiply in it. Where spec and the environment leave the device to us
 * and this one cannot, the first that can takes its place. Returns as above. */
int cli_take_precision(bp_device **device, const char *spec, int32_t precision);

/* "fp32", of the reference "fp64". */
const char *cli_precision_name(const bp_device *device);

/* The same, but the device with this name (NULL: any) where spec and the environment leave it to us and
 * it is there. */
int cli_open_device_again(bp_device **out, const char *spec, const char *name);

/* Where spec and the environment leave it to us, and there are several OpenCL devices, replaces
 * *device by the one that trains the model fastest on so many rows, and says so unless quiet. *why is
 * what was measured, empty where nothing was, for bp_device_choice_free. Returns as above. */
int cli_choose_device(bp_device **device, bp_device_choice *why, const char *spec,
                      const bp_model *model, size_t rows, const bp_train_options *how, bool quiet);

/* What was measured as JSON: an array, empty where nothing was. */
json_t *cli_choice_json(const bp_device_choice *choice);

/* A note where what was tuned for the device does not count. */
void cli_note_tuning(const bp_device *device);

/* What the device is used with, as JSON: source and summary; *about is the same. */
json_t *cli_tuning_json(bp_tuning_info *about, const bp_device_info *device);

#endif
