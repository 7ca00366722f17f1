/* device.h - opens the device that --device names. */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

#include "backprop.h"

/* -1 when it is open; otherwise the exit code, and the error has been written. */
int cli_open_device(bp_device **out, const char *spec);

#endif
