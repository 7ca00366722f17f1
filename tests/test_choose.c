/* test_choose.c - the device that trains a model fastest: with POCL's two devices on one machine,
 * one with a thread and one with all of them. */
#include <stdlib.h>

#include "choice_support.h"

/* Before OpenCL is loaded: a device with one thread, which comes first, and one with all. */
static void two_devices(void)
{
    setenv("POCL_DEVICES", "pthread basic", 1);
}

static bool are_two(void)
{
    bp_device_info *list;
    size_t count;
    OK(bp_device_list(&list, &count, NULL));
    bp_device_list_free(list);
    return count == 3;
}

TestSuite(choose, .timeout = 300);

Test(choose, measures_and_opens_the_fastest, .init = two_devices)
{
    if (!are_two()) cr_skip_test("POCL is not here, or alone");
    check_choice(2);
}

/* A training of one step is over before another device has been looked at. */
Test(choose, measures_no_longer_than_it_is_worth, .init = two_devices)
{
    if (!are_two()) cr_skip_test("POCL is not here, or alone");
    const size_t widths[] = {2, 2, 1};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, 1, 3);
    bp_train_options how = bp_train_options_default();
    bp_device *device;
    bp_device_choice why;
    how.epochs = 1;
    OK(bp_device_choose(&device, &why, model, 4, &how));
    cr_assert_eq(why.chosen, 0);
    cr_assert(isnan(why.times[1].step_seconds) && why.times[1].measure_seconds == 0);
    bp_device_free(device);
    cr_assert_eq(bp_device_choose(NULL, NULL, model, 4, &how), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_device_choose(&device, NULL, model, 0, &how), BP_ERROR_ARGUMENT);
    bp_device_choice_free(&why);
    bp_model_free(model);
}
