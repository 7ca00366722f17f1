/* profile_support.h - trainings that are watched, and what must hold for every profile. */
#ifndef BP_TESTS_PROFILE_SUPPORT_H
#define BP_TESTS_PROFILE_SUPPORT_H

#include <jansson.h>
#include <unistd.h>

#include "network_support.h"
#include "opencl/device.h"
#include "profile/profile.h"

/* 13-20-9-4, 70 rows in batches of 32: the last one has 6. */
enum { ROWS = 70, BATCH = 32, STEPS = 3, EPOCHS = 4, CHECKED_ROWS = 11 };
static const size_t widths[] = {13, 20, 9, 4};

/* Multiply-adds of a row: forward and gradient of every layer, effect of all but the first. */
static const double forward_row = 13 * 20 + 20 * 9 + 9 * 4;
static const double train_row = 2 * (13 * 20 + 20 * 9 + 9 * 4) + 20 * 9 + 9 * 4;

static inline bp_profile *profile_with(int64_t details)
{
    bp_profile *profile;
    bp_profile_options options = bp_profile_options_default();
    options.details = details;
    OK(bp_profile_create(&profile, &options));
    return profile;
}

/* Trains on `rows` rows with validation; the parameters afterwards, free() them. */
static inline float *train_rows(bp_device *device, int32_t gemm, size_t rows, int64_t batch,
                                int64_t epochs, bp_profile *profile, size_t *count)
{
    bp_model *model =
        model_of(widths, 3, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 5);
    bp_data *data = data_of(rows, 13, 4, true), *checked = data_of(CHECKED_ROWS, 13, 4, true);
    bp_train_options options = bp_train_options_default();
    options.batch = batch;
    options.epochs = epochs;
    options.gemm = gemm;
    options.profile = profile;
    OK(bp_train(model, device, data, checked, &options, NULL));
    float *all = flatten(model, count);
    bp_data_free(data);
    bp_data_free(checked);
    bp_model_free(model);
    return all;
}

static inline float *train(bp_device *device, int32_t gemm, int64_t epochs, bp_profile *profile,
                           size_t *count)
{
    return train_rows(device, gemm, ROWS, BATCH, epochs, profile, count);
}

/* Whether name is one of the operations of a row. */
static inline bool has_operation(const bp_profile_row *row, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = row->operations; (at = strstr(at, name)) != NULL; at += length)
        if ((at == row->operations || at[-1] == ' ') && (at[length] == ',' || !at[length]))
            return true;
    return false;
}

/* Steps that operation `name` has been done in. An operation of several kernels is in as many rows,
 * with the same steps in each. */
static inline int64_t steps_of(const bp_profile_row *rows, size_t count, int32_t phase,
                               const char *name)
{
    int64_t most = 0, sum = 0;
    const char *operations = NULL;
    for (size_t i = 0; i < count; ++i) {
        if (rows[i].phase != phase || !has_operation(&rows[i], name)) continue;
        if (!operations || strcmp(operations, rows[i].operations) != 0) sum += rows[i].steps;
        if (rows[i].steps > most) most = rows[i].steps;
        operations = rows[i].operations;
    }
    return sum > most ? most : sum;
}

static inline double flops_of(const bp_profile_row *rows, size_t count, int32_t phase)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i)
        if (rows[i].phase == phase) sum += rows[i].flops;
    return sum;
}

static inline void check_rows(const bp_profile_row *rows, size_t count, const char *where)
{
    for (size_t i = 0; i < count; ++i) {
        const bp_profile_row *row = &rows[i];
        const bool transfer = !*row->kernel;
        cr_assert(row->launches > 0 && row->seconds >= 0, "%s: %s, %s", where, row->operation,
                  row->kernel);
        if (!transfer) cr_assert_gt(row->seconds, 0, "%s: %s", where, row->operation);
        cr_assert(transfer ? row->steps == 0 && row->flops == 0 && row->bytes > 0
                           : row->steps >= row->launches);
        if (row->flops > 0) cr_assert(row->bytes > 0);
        if (i > 0)
            cr_assert(row[-1].phase < row->phase ||
                      (row[-1].phase == row->phase && row[-1].seconds >= row->seconds));
    }
}

static inline void check_phases(const bp_profile *profile, const bp_profile_row *rows, size_t count,
                                const char *where)
{
    for (int32_t phase = 0; phase < BP_PHASES; ++phase) {
        const bp_profile_phase p = bp_profile_get_phase(profile, phase);
        int64_t launches = 0, transfers = 0;
        double kernel_seconds = 0;
        for (size_t i = 0; i < count; ++i) {
            if (rows[i].phase != phase) continue;
            *(*rows[i].kernel ? &launches : &transfers) += rows[i].launches;
            if (*rows[i].kernel) kernel_seconds += rows[i].seconds;
        }
        cr_assert_eq(p.launches, launches, "%s, %s", where, bp_phase_name(phase));
        cr_assert_eq(p.transfer_count, transfers);
        cr_assert(p.transfers >= 0 && p.waiting >= 0 && p.launching >= 0);
        /* One queue, in order: nothing overlaps. */
        cr_assert_float_eq(p.kernels, kernel_seconds, 1e-6 * kernel_seconds + 1e-9);
        const double sum = p.kernels + p.transfers + p.launching + p.waiting;
        cr_assert_float_eq(sum, p.seconds, 1e-3 * p.seconds + 1e-5, "%s, %s: %g s of %g", where,
                           bp_phase_name(phase), sum, p.seconds);
    }
}

static inline json_t *trace_of(const bp_profile *profile, const bp_device_peak *peak)
{
    char path[] = "/tmp/backprop-trace-XXXXXX";
    json_error_t error;
    const int file = mkstemp(path);
    cr_assert_geq(file, 0);
    close(file);
    OK(bp_profile_write(profile, path, peak));
    json_t *json = json_load_file(path, 0, &error);
    cr_assert_not_null(json, "%s, line %d", error.text, error.line);
    unlink(path);
    return json;
}

#endif
