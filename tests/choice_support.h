/* choice_support.h - a choice of the fastest of several devices, checked. */
#ifndef BP_TESTS_CHOICE_SUPPORT_H
#define BP_TESTS_CHOICE_SUPPORT_H

#include "backprop_measure.h"
#include "network_support.h"

/* All `devices` are measured, and the fastest is opened. */
static inline void check_choice(size_t devices)
{
    const size_t widths[] = {64, 128, 10};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, 1, 3);
    bp_train_options how = bp_train_options_default();
    bp_device *device;
    bp_device_choice why;
    how.epochs = 1000000; /* worth looking for */
    OK(bp_device_choose(&device, &why, model, 60000, &how));
    cr_assert_eq(why.count, devices);
    for (size_t i = 0; i < why.count; ++i) {
        cr_assert(why.times[i].step_seconds > 0 && why.times[i].measure_seconds > 0, "%s: %s",
                  why.times[i].device.name, why.times[i].problem);
        cr_assert_geq(why.times[i].step_seconds, why.times[why.chosen].step_seconds, "%s",
                      why.times[i].device.name);
    }
    cr_assert_str_eq(bp_device_get_info(device)->spec, why.times[why.chosen].device.spec);
    bp_device_free(device);
    bp_device_choice_free(&why);
    bp_model_free(model);
}

#endif
