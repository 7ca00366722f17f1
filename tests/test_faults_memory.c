/* test_faults_memory.c - the n-th allocation fails, for every n of a small training on the
 * reference device: out of memory is said, nothing leaks, the model stays as it was. */
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "allocations.h"
#include "backprop_explain.h"
#include "faults.h"

TestSuite(faults_memory, .timeout = 120);

/* Whether the job has allocations that it can do without, such as the name of a folder to be
 * synced.
 */
static bool some_are_no_matter;

static void fail_every_allocation(bp_status (*job)(bp_device *, int32_t, job_result *))
{
    bp_device *device;
    job_result want, got;
    cr_assert_eq(bp_device_open(&device, "reference"), BP_OK);
    cr_assert_eq(job(device, BP_GEMM_AUTO, &want), BP_OK, "%s", bp_last_error());
    long n = 0, failed = 0;
    do {
        const long live_before = live;
        has_failed = 0;
        until_failure = n;
        const bp_status status = job(device, BP_GEMM_AUTO, &got);
        until_failure = -1;
        cr_assert_eq(live, live_before, "allocation %ld: %ld blocks leaked", n, live - live_before);
        cr_assert(status == (has_failed ? BP_ERROR_MEMORY : BP_OK) ||
                      (status == BP_OK && some_are_no_matter),
                  "allocation %ld: %s: %s", n, bp_status_name(status), bp_last_error());
        if (status == BP_OK) cr_assert_arr_eq(&got, &want, sizeof got, "allocation %ld", n);
        if (status != BP_OK) cr_assert(strstr(bp_last_error(), "memory"), "%s", bp_last_error());
        failed += status != BP_OK;
        ++n;
    } while (has_failed);
    cr_assert_gt(failed, 30, "only %ld failures were seen", failed);
    cr_assert_arr_eq(&got, &want, sizeof got, "the last run, without a fault, differs");
    bp_device_free(device);
}

Test(faults_memory, every_allocation_of_a_training)
{
    fail_every_allocation(train_job);
}

Test(faults_memory, every_allocation_of_steps)
{
    fail_every_allocation(step_job);
}

/* A network under glass: looked at, stepped, checked. */
static bp_status glass_job(bp_device *device, int32_t gemm, job_result *result)
{
    (void)gemm;
    memset(result, 0, sizeof *result);
    const bp_layer layers[] = {{FAULT_INPUTS, FAULT_HIDDEN, BP_ACTIVATION_TANH, 1},
                               {FAULT_HIDDEN, FAULT_CLASSES, BP_ACTIVATION_SOFTMAX, 1}};
    const double x[FAULT_INPUTS] = {1, -0.5, 0.25}, t[FAULT_CLASSES] = {0, 1};
    bp_model *model = NULL;
    bp_explain *glass = NULL;
    bp_status status = bp_model_create_layers(&model, layers, 2, NULL);
    if (status == BP_OK) status = bp_explain_create(&glass, model, NULL);
    if (status == BP_OK) status = bp_explain_sample(glass, x, t);
    if (status == BP_OK) status = bp_explain_look(glass);
    if (status == BP_OK) result->step_loss = bp_explain_get(glass).error_after;
    if (status == BP_OK) status = bp_explain_steps(glass, 5, NULL);
    if (status == BP_OK) status = bp_explain_error(glass, &result->loss);
    bp_gradcheck_result check = {0};
    if (status == BP_OK) status = bp_gradcheck(&check, model, device, NULL, NULL);
    if (status == BP_OK) result->accuracy = check.relative_l2;
    bp_gradcheck_free(&check);
    const float xf[FAULT_INPUTS] = {1, -0.5f, 0.25f};
    const int32_t label = 1;
    bp_data *data = NULL;
    bp_survey survey = {0};
    if (status == BP_OK)
        status = bp_data_from_labels(&data, xf, 1, FAULT_INPUTS, &label, FAULT_CLASSES);
    if (status == BP_OK) status = bp_survey_data(&survey, model, data, 1);
    if (status == BP_OK) result->epoch_loss = survey.error;
    bp_survey_free(&survey);
    bp_data_free(data);
    bp_explain_free(glass);
    bp_model_free(model);
    return status;
}

Test(faults_memory, every_allocation_of_an_explanation)
{
    fail_every_allocation(glass_job);
}

/* A training that is watched: a look that fails is told of, and the training goes on. */
typedef struct watching {
    bp_watch *watch;
    bp_status status;
} watching;

static int watch_epoch(const bp_progress *now, void *user)
{
    watching *w = user;
    if (now->epoch_done && w->status == BP_OK) w->status = bp_watch_look(w->watch, now->trainer);
    return 0;
}

static bp_status watch_job(bp_device *device, int32_t gemm, job_result *result)
{
    float x[FAULT_ROWS * FAULT_INPUTS];
    int32_t labels[FAULT_ROWS];
    for (int i = 0; i < FAULT_ROWS * FAULT_INPUTS; ++i) x[i] = sinf((float)(i * i));
    for (int i = 0; i < FAULT_ROWS; ++i) labels[i] = x[i * FAULT_INPUTS] > 0;
    memset(result, 0, sizeof *result);
    const bp_layer layers[] = {{FAULT_INPUTS, FAULT_HIDDEN, BP_ACTIVATION_TANH, 1},
                               {FAULT_HIDDEN, FAULT_CLASSES, BP_ACTIVATION_SOFTMAX, 1}};
    bp_data *data = NULL;
    bp_model *model = NULL;
    watching w = {.status = BP_OK};
    bp_train_options options = bp_train_options_default();
    options.epochs = 2;
    options.gemm = gemm;
    options.progress = watch_epoch;
    options.user = &w;
    bp_status status =
        bp_data_from_labels(&data, x, FAULT_ROWS, FAULT_INPUTS, labels, FAULT_CLASSES);
    if (status == BP_OK) status = bp_model_create_layers(&model, layers, 2, NULL);
    if (status == BP_OK) status = bp_watch_create(&w.watch, model, data, 8);
    if (status == BP_OK) status = bp_train(model, device, data, NULL, &options, NULL);
    if (status == BP_OK) status = w.status;
    if (status == BP_OK) {
        fault_parameters(model, result->trained);
        result->loss = bp_watch_get(w.watch, 0).gradient;
    }
    bp_watch_free(w.watch);
    bp_model_free(model);
    bp_data_free(data);
    return status;
}

Test(faults_memory, every_allocation_of_a_watched_training)
{
    fail_every_allocation(watch_job);
}

/* A training that writes checkpoints, and one that goes on from the last. A checkpoint that fails
 * is no matter where a later one does not. */
static char checkpoint_path[64];

static bp_status checkpoint_job(bp_device *device, int32_t gemm, job_result *result)
{
    float x[FAULT_ROWS * FAULT_INPUTS];
    int32_t labels[FAULT_ROWS];
    for (int i = 0; i < FAULT_ROWS * FAULT_INPUTS; ++i) x[i] = sinf((float)(i * i));
    for (int i = 0; i < FAULT_ROWS; ++i) labels[i] = x[i * FAULT_INPUTS] > 0;
    memset(result, 0, sizeof *result);
    const bp_layer layers[] = {{FAULT_INPUTS, FAULT_HIDDEN, BP_ACTIVATION_TANH, 1},
                               {FAULT_HIDDEN, FAULT_CLASSES, BP_ACTIVATION_SOFTMAX, 1}};
    bp_data *data = NULL;
    bp_model *model = NULL, *second = NULL;
    bp_train_options options = bp_train_options_default();
    bp_train_result trained;
    bp_checkpoint_info info;
    options.epochs = 1;
    options.batch = 4;
    options.gemm = gemm;
    options.checkpoint = checkpoint_path;
    options.checkpoint_steps = 2;
    options.ema = 0.5;
    options.accumulate = 2;
    bp_status status =
        bp_data_from_labels(&data, x, FAULT_ROWS, FAULT_INPUTS, labels, FAULT_CLASSES);
    if (status == BP_OK) status = bp_model_create_layers(&model, layers, 2, NULL);
    if (status == BP_OK) status = bp_train(model, device, data, data, &options, &trained);
    if (status == BP_OK) status = trained.checkpoint;
    if (status == BP_OK) status = bp_checkpoint_get_info(&info, checkpoint_path);
    options.resume = checkpoint_path;
    options.epochs = 2;
    if (status == BP_OK) status = bp_model_create_layers(&second, layers, 2, NULL);
    if (status == BP_OK) status = bp_train(second, device, data, data, &options, &trained);
    if (status == BP_OK) status = trained.checkpoint;
    if (status == BP_OK) {
        fault_parameters(model, result->trained);
        fault_parameters(second, result->start);
    }
    bp_model_free(second);
    bp_model_free(model);
    bp_data_free(data);
    return status;
}

/* Not those inside jansson 2.14, whose lexer loses characters without a word when its buffer cannot
 * grow, and ends the process where that was the letter of an escape. */
static void *spared_malloc(size_t size)
{
    void *made = __libc_malloc(size);
    live += made != NULL;
    return made;
}

Test(faults_memory, every_allocation_of_checkpoints)
{
    char folder[32], command[64];
    json_set_alloc_funcs(spared_malloc, free);
    /* Thousands of files: memory needs no syncing. */
    snprintf(folder, sizeof folder, "%s/backprop-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(checkpoint_path, sizeof checkpoint_path, "%s/c", folder);
    some_are_no_matter = true;
    fail_every_allocation(checkpoint_job);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

Test(faults_memory, every_allocation_of_opening)
{
    long n = 0;
    do {
        const long live_before = live;
        bp_device *device;
        has_failed = 0;
        until_failure = n++;
        const bp_status status = bp_device_open(&device, "reference");
        until_failure = -1;
        cr_assert_eq(status, has_failed ? BP_ERROR_MEMORY : BP_OK);
        cr_assert_eq(status == BP_OK, device != NULL);
        bp_device_free(device);
        cr_assert_eq(live, live_before, "%ld blocks leaked", live - live_before);
    } while (has_failed);
    cr_assert_gt(n, 1);
}
