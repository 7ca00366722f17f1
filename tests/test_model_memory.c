/* test_model_memory.c - the n-th allocation fails, for every n: making, saving and loading a model
 * then end with BP_ERROR_MEMORY, leak nothing, and leave the old file as it was. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocations.h"
#include "backprop.h"
#include "base/file.h"

static char path[] = "/tmp/backprop-test-XXXXXX";

static bp_status make_and_save(void)
{
    const bp_layer layers[] = {{3, 4, BP_ACTIVATION_RELU, 1}, {4, 2, BP_ACTIVATION_SOFTMAX, 1}};
    bp_model *model;
    bp_status status = bp_model_create_layers(&model, layers, 2, NULL);
    if (status == BP_OK) status = bp_model_set_record(model, "command", "backprop train");
    if (status == BP_OK) status = bp_model_set_record(model, "command", "backprop train again");
    if (status == BP_OK) status = bp_model_save(model, path);
    bp_model_free(model);
    return status;
}

static bp_status load(void)
{
    bp_model *model;
    bp_status status = bp_model_load(&model, path, BP_ACTIVATION_AUTO);
    cr_assert_eq(status == BP_OK, model != NULL);
    /* What was loaded after all must be whole. */
    if (model && strcmp(bp_model_get_record(model, "command"), "backprop train again") != 0)
        status = BP_ERROR_INTERNAL;
    bp_model_free(model);
    return status;
}

static void fail_every_allocation(bp_status (*job)(void))
{
    char *before, *after;
    size_t before_size, after_size;
    cr_assert_eq(make_and_save(), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp__file_read(&before, &before_size, path, 1u << 20), BP_OK);
    long failed = 0;
    for (long n = 0;; ++n) {
        const long live_before = live;
        has_failed = 0;
        until_failure = n;
        const bp_status status = job();
        until_failure = -1;
        cr_assert_eq(live, live_before, "allocation %ld: %ld blocks leaked", n, live - live_before);
        /* Some can be done without: the folder that is not synced, the reader's own buffers. */
        cr_assert(status == BP_OK || (has_failed && status == BP_ERROR_MEMORY),
                  "allocation %ld: %s: %s", n, bp_status_name(status), bp_last_error());
        failed += status != BP_OK;
        cr_assert_eq(bp__file_read(&after, &after_size, path, 1u << 20), BP_OK);
        cr_assert_eq(before_size, after_size, "allocation %ld", n);
        cr_assert_arr_eq(before, after, before_size, "allocation %ld", n);
        free(after);
        if (!has_failed) break;
    }
    cr_assert_gt(failed, 50, "only %ld failures were seen", failed);
    free(before);
    unlink(path);
}

static void make_path(void)
{
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

TestSuite(model_memory, .init = make_path, .timeout = 60);

Test(model_memory, every_allocation_of_saving)
{
    fail_every_allocation(make_and_save);
}

Test(model_memory, every_allocation_of_loading)
{
    fail_every_allocation(load);
}
