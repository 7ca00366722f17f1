/* test_faults_devices.c - kernels that do not build, devices with too little of everything, several
 * trainings at once. */
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults/calls.h"
#include "opencl/embedded.h"

/* Programs are built from cold caches in places. */
TestSuite(faults_devices, .timeout = 600);

/* ---- Kernels that do not build ----------------------------------------------------------------
 */

/* Writes the library's kernels below `folder`, with a line that is no C at the end of `broken`. */
static void write_kernels(const char *folder, const char *broken)
{
    for (const bp__embedded *file = bp__embedded_kernels; file->name; ++file) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, file->name);
        char *slash = strrchr(path, '/');
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
        FILE *out = fopen(path, "w");
        cr_assert(out, "%s", path);
        fwrite(file->source, 1, file->size, out);
        if (strcmp(file->name, broken) == 0) fputs("\nthis_is_not_c x;\n", out);
        fclose(out);
    }
}

Test(faults_devices, kernels_that_do_not_build)
{
    const long nothing[HANDLES] = {0};
    wrap_table();
    int seen = 0;
    char folder[] = "/tmp/backprop-kernels-XXXXXX", command[64];
    cr_assert(mkdtemp(folder));
    setenv("BP_KERNEL_DIR", folder, 1);
    for (const bp__embedded *file = bp__embedded_kernels; file->name; ++file) {
        write_kernels(folder, file->name);
        const int32_t gemms[] = {BP_GEMM_AUTO, BP_GEMM_CPU, BP_GEMM_NAIVE};
        for (int g = 0; g < 3; ++g) {
            bp_device *device = open_first();
            job_result result;
            const bp_status status = train_job(device, gemms[g], &result);
            cr_assert(status == BP_OK || status == BP_ERROR_BUILD, "%s: %s", file->name,
                      bp_last_error());
            if (status == BP_ERROR_BUILD) {
                const char *text = bp_last_error();
                cr_assert(strstr(text, "this_is_not_c"), "no build log: %s", text);
                cr_assert(strstr(text, "kernels/") && strstr(text, "-cl-std"), "%s", text);
                ++seen;
            }
            bp_device_free(device);
            check_balance(nothing, file->name);
        }
    }
    cr_assert_gt(seen, 10);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
    bp_device *device = open_first();
    job_result result;
    cr_assert_eq(train_job(device, BP_GEMM_AUTO, &result), BP_ERROR_IO);
    cr_assert(strstr(bp_last_error(), folder), "%s", bp_last_error());
    bp_device_free(device);
}

/* ---- Poor devices -----------------------------------------------------------------------------
 */

Test(faults_devices, too_little_memory)
{
    wrap_table();
    enum { ROWS = 1000, INPUTS = 250 };
    float *x = calloc(ROWS * INPUTS, sizeof *x);
    int32_t *labels = calloc(ROWS, sizeof *labels);
    for (int i = 0; i < ROWS; ++i) labels[i] = i % 2;
    bp_data *data;
    cr_assert_eq(bp_data_from_labels(&data, x, ROWS, INPUTS, labels, 2), BP_OK);
    const bp_layer layer = {INPUTS, 2, BP_ACTIVATION_SOFTMAX, 1};
    for (int global = 0; global < 2; ++global) {
        claims = (device_claims){0};
        *(global ? &claims.global_memory : &claims.max_buffer) = 200000;
        bp_device *device = open_first();
        bp_model *model;
        cr_assert_eq(bp_model_create_layers(&model, &layer, 1, NULL), BP_OK);
        float before[2 * INPUTS], y[2];
        memcpy(before, bp_model_weights(model, 0), sizeof before);
        cr_assert_eq(bp_train(model, device, data, NULL, NULL, NULL), BP_ERROR_DEVICE_MEMORY);
        /* 1000 rows of 250 floats, padded to 256. */
        cr_assert(strstr(bp_last_error(), "1.0 MB") && strstr(bp_last_error(), "0.2 MB"), "%s",
                  bp_last_error());
        cr_assert_arr_eq(before, bp_model_weights(model, 0), sizeof before);
        bp_metrics metrics;
        cr_assert_eq(bp_evaluate(&metrics, model, device, data), BP_ERROR_DEVICE_MEMORY);
        cr_assert_eq(bp_predict(model, device, x, 1, y), BP_OK, "%s", bp_last_error());
        bp_model_free(model);
        bp_device_free(device);
    }
    bp_data_free(data);
    free(x);
    free(labels);
}

/* Work-groups of one, no local memory, and both: training goes on with the kernels that can do
 * without, to the same result. */
Test(faults_devices, poor_devices)
{
    wrap_table();
    bp_device *device;
    job_result want, got;
    cr_assert_eq(bp_device_open(&device, "reference"), BP_OK);
    cr_assert_eq(train_job(device, BP_GEMM_AUTO, &want), BP_OK);
    bp_device_free(device);
    for (int poverty = 0; poverty < 8; ++poverty) {
        claims = (device_claims){
            .one_work_item = poverty & 1, .no_local_memory = poverty & 2, .is_gpu = poverty & 4};
        device = open_first();
        cr_assert_eq(train_job(device, BP_GEMM_AUTO, &got), BP_OK, "%d: %s", poverty,
                     bp_last_error());
        for (int i = 0; i < FAULT_PARAMETERS; ++i)
            cr_assert_float_eq(got.trained[i], want.trained[i], 1e-5, "%d: parameter %d: %g not %g",
                               poverty, i, (double)got.trained[i], (double)want.trained[i]);
        for (int i = 0; i < FAULT_ROWS * FAULT_CLASSES; ++i)
            cr_assert_float_eq(got.predicted[i], want.predicted[i], 1e-5);
        if (poverty & 3) {
            cr_assert_eq(train_job(device, BP_GEMM_GPU, &got), BP_ERROR_UNSUPPORTED);
            cr_assert(strstr(bp_last_error(), "naive"), "%s", bp_last_error());
        }
        bp_device_free(device);
    }
}

Test(faults_devices, no_opencl_at_all)
{
    setenv("BACKPROP_OPENCL_LIBRARY", "/nonexistent/libOpenCL.so", 1);
    bp_device *device;
    cr_assert_eq(bp_device_open(&device, "gpu"), BP_ERROR_NO_DEVICE);
    cr_assert(strstr(bp_last_error(), "/nonexistent/libOpenCL.so"), "%s", bp_last_error());
    cr_assert_null(device);
    cr_assert_eq(bp_device_open(&device, "auto"), BP_OK);
    cr_assert_eq(bp_device_get_info(device)->kind, BP_KIND_REFERENCE);
    bp_device_free(device);
}

/* ---- Several at once --------------------------------------------------------------------------
 */

enum { THREADS = 4, ROUNDS = 5 };

typedef struct worker {
    pthread_t thread;
    int32_t gemm;
    job_fn job;
    const job_result *want;
    char problem[256];
} worker;

static void *work(void *argument)
{
    worker *w = argument;
    for (int round = 0; round < ROUNDS && !w->problem[0]; ++round) {
        bp_device *device;
        job_result got;
        bp_status status = bp_device_open(&device, "0:0");
        if (status == BP_OK) status = w->job(device, w->gemm, &got);
        if (status != BP_OK)
            snprintf(w->problem, sizeof w->problem, "%.250s", bp_last_error());
        else if (memcmp(&got, w->want, sizeof got) != 0)
            snprintf(w->problem, sizeof w->problem, "other bits in round %d", round);
        bp_device_free(device);
    }
    return NULL;
}

Test(faults_devices, threads_do_not_disturb_each_other)
{
    const int32_t gemms[THREADS] = {BP_GEMM_AUTO, BP_GEMM_CPU, BP_GEMM_CPU, BP_GEMM_NAIVE};
    job_result want[THREADS];
    worker workers[THREADS];
    memset(workers, 0, sizeof workers);
    bp_device *device = open_first();
    for (int i = 0; i < THREADS; ++i) {
        workers[i].gemm = gemms[i];
        workers[i].job = i == 2 ? step_job : train_job;
        workers[i].want = &want[i];
        cr_assert_eq(workers[i].job(device, gemms[i], &want[i]), BP_OK, "%s", bp_last_error());
    }
    bp_device_free(device);
    for (int i = 0; i < THREADS; ++i)
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < THREADS; ++i) pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; ++i)
        cr_assert(!workers[i].problem[0], "thread %d: %s", i, workers[i].problem);
}

/* Two processes that start with no compiled kernels, and build them at once. */
Test(faults_devices, processes_do_not_disturb_each_other)
{
    char folder[] = "/tmp/backprop-processes-XXXXXX", command[4096];
    cr_assert(mkdtemp(folder));
    snprintf(command, sizeof command,
             "cd %s && export POCL_CACHE_DIR=%s/cache && mkdir cache && "
             "{ '%s' train '%s/data/iris.csv' --epochs 3 --seed 5 -o 0 >0.log 2>&1 & one=$!; "
             "'%s' train '%s/data/iris.csv' --epochs 3 --seed 5 -o 1 >1.log 2>&1 & two=$!; "
             "wait $one && wait $two; } || { cat 0.log 1.log; exit 1; }",
             folder, folder, BACKPROP_COMMAND, BACKPROP_SOURCE_DIR, BACKPROP_COMMAND,
             BACKPROP_SOURCE_DIR);
    cr_assert_eq(system(command), 0);
    bp_model *models[2];
    for (int i = 0; i < 2; ++i) {
        snprintf(command, sizeof command, "%s/%d", folder, i);
        cr_assert_eq(bp_model_load(&models[i], command, BP_ACTIVATION_AUTO), BP_OK, "%s",
                     bp_last_error());
    }
    for (size_t l = 0; l < bp_model_get_info(models[0]).layers; ++l) {
        const bp_layer layer = bp_model_get_layer(models[0], l);
        cr_assert_arr_eq(bp_model_weights(models[0], l), bp_model_weights(models[1], l),
                         layer.inputs * layer.outputs * sizeof(float));
    }
    for (int i = 0; i < 2; ++i) bp_model_free(models[i]);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}
