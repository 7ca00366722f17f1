/* test_tuned.c - what engines do with a tuning: every tile computes the same bits, files are taken
 * where they are, products of GPUs go where they are told. */
#define _XOPEN_SOURCE 700
#include "ops/gemm.h"
#include "ops/gemm_clblast.h"
#include "tuning_support.h"

TestSuite(tuned, .init = make_folder, .fini = remove_folder, .timeout = 300);

static bp__device_engine *engine_of(bp_trainer *trainer)
{
    return (bp__device_engine *)trainer->engine;
}

/* The same steps of a network with remainders everywhere, by another tuning; free() the parameters.
 */
static float *stepped(bp_device *device, const bp__tuning *tuning, size_t threads, size_t *count)
{
    const size_t widths[] = {150, 83, 70, 5};
    bp_model *model =
        model_of(widths, 3, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 3);
    bp_data *data = data_of(6 * 32 + 7, 150, 5, true);
    bp_train_options options = bp_train_options_default();
    bp_trainer *trainer;
    double loss;
    options.batch = 32; /* tiles of 5, 6, 7 or 12 rows run over it */
    OK(bp__tuning_set(device, tuning));
    OK(bp_trainer_create(&trainer, model, device, &options));
    engine_of(trainer)->threads = threads;
    engine_of(trainer)->small_steps = BP__NEVER;
    cr_assert(bp__tuning_same(&engine_of(trainer)->tuning, tuning));
    OK(bp_trainer_set_data(trainer, data));
    OK(bp_trainer_epoch(trainer, &loss));
    OK(bp_trainer_get_model(trainer, model));
    float *all = flatten(model, count);
    bp_trainer_free(trainer);
    bp_data_free(data);
    bp_model_free(model);
    return all;
}

/* Each result is one chain of multiply-adds, whatever tile it is in and whoever computes it. */
Test(tuned, tiles_and_threads_change_no_bit)
{
    static const bp__tile products[] = {{8, 3}, {6, 4}, {12, 2}, {2, 1}, {16, 2}, {7, 4}, {5, 3}},
                          gradients[] = {{8, 3}, {4, 4}, {2, 2}, {8, 1}, {4, 3}, {16, 2}, {8, 4}};
    bp_device *device = cpu();
    bp__tuning tuning = bp__tuning_default(16);
    size_t count;
    float *want = stepped(device, &tuning, 0, &count);
    cr_assert(mostly_nonzero(want, count));
    for (size_t i = 0; i < BP_COUNT(products); ++i) {
        tuning.product = products[i];
        tuning.gradient = gradients[i];
        OK(bp__tuning_check(&tuning));
        float *got = stepped(device, &tuning, 1 + i % 3, &count);
        cr_assert_eq(memcmp(got, want, count * sizeof *got), 0,
                     "%u x %u, %u x %u: other bits; relative difference %g", products[i].rows,
                     products[i].vectors, gradients[i].rows, gradients[i].vectors,
                     relative_l2(got, want, count));
        free(got);
    }
    free(want);
    bp_device_free(device);
}

/* ---- What is found is used ------------------------------------------------------------------- */

Test(tuned, engines_take_the_file_once_for_each_handle)
{
    bp_device *device = cpu(), *later;
    bp__tuning tuning = bp__tuning_default(16);
    tuning.product = (bp__tile){6, 4};
    tuning.cost[BP__COST_WAITING] = 12345;
    char *path;
    bp__engine *engine;
    OK(bp__engine_create(&engine, device, BP_GEMM_AUTO)); /* there is no file yet */
    cr_assert_eq(((bp__device_engine *)engine)->tuning.product.rows,
                 bp__tuning_default(((bp__device_engine *)engine)->vector_width).product.rows);
    bp__engine_free(engine);
    OK(bp__tuning_place(&path, &device->info));
    OK(bp__tuning_save(&tuning, &device->info, path));
    OK(bp__engine_create(&engine, device, BP_GEMM_AUTO));
    cr_assert_not(bp__tuning_same(&((bp__device_engine *)engine)->tuning, &tuning));
    bp__engine_free(engine);
    later = cpu();
    OK(bp__engine_create(&engine, later, BP_GEMM_AUTO));
    cr_assert(bp__tuning_same(&((bp__device_engine *)engine)->tuning, &tuning));
    cr_assert_eq(engine->tile_rows, 6);
    bp__engine_free(engine);
    /* Without any place for files all goes on. */
    setenv("XDG_CACHE_HOME", "", 1);
    unsetenv("HOME");
    bp_device_free(later);
    later = cpu();
    OK(bp__engine_create(&engine, later, BP_GEMM_AUTO));
    bp__engine_free(engine);
    free(path);
    bp_device_free(later);
    bp_device_free(device);
}

static bp__gemm product_of(bp__engine *engine, bp__buffer **memory, size_t rows, size_t columns,
                           size_t depth)
{
    bp__gemm gemm = {.layout = BP__GEMM_NN};
    size_t used = 0;
    cr_assert(bp__view_place(&gemm.c, &used, engine, BP__TABLE, rows, columns) &&
              bp__view_place(&gemm.a, &used, engine, BP__TABLE, rows, depth) &&
              bp__view_place(&gemm.b, &used, engine, BP__TABLE, depth, columns));
    OK(bp__buffer_create(engine, memory, BP__NUMBER, used));
    gemm.c.buffer = gemm.a.buffer = gemm.b.buffer = *memory;
    return gemm;
}

/* A GPU's products take the tile or the library of their class, where it is possible. */
Test(tuned, gpu_products_go_where_the_tuning_says)
{
    bp_device *device = cpu();
    bp__engine *base;
    OK(bp__engine_create(&base, device, BP_GEMM_GPU));
    bp__device_engine *engine = (bp__device_engine *)base;
    const size_t sides[BP__SHAPES][2] = {{100, 10}, {100, 100}, {100, 3000}, {1100, 1100}};
    const unsigned tiles[] = {128, 64, 32, 16};
    for (size_t s = 0; s < BP__SHAPES; ++s) {
        bp__buffer *memory;
        const bp__gemm gemm = product_of(base, &memory, sides[s][0], sides[s][1], 20);
        cr_assert_eq(bp__shape_of(sides[s][0], sides[s][1]), s);
        for (size_t t = 0; t < BP_COUNT(tiles); ++t) {
            bp__tuning tuning = bp__tuning_default(1);
            bp__recorder recorder = {.device = device};
            tuning.gemm[s].tile = tiles[t];
            bp__device_engine_tune(engine, &tuning);
            OK(bp__launch_gemm(engine, &recorder, &gemm));
            cr_assert_eq(recorder.count, 1);
            const bp__grid *grid = &recorder.commands[0].grid;
            cr_assert_eq(grid->global[0] / grid->local[0], (sides[s][1] + tiles[t] - 1) / tiles[t]);
            cr_assert_eq(grid->global[1] / grid->local[1], (sides[s][0] + tiles[t] - 1) / tiles[t]);
            bp__recorder_clear(&recorder);
            /* Where the tile does not fit, one that does. */
            const cl_ulong local = device->local_bytes;
            device->local_bytes = 16 * (16 + 16 + 8) * sizeof(float);
            OK(bp__launch_gemm(engine, &recorder, &gemm));
            grid = &recorder.commands[0].grid;
            cr_assert_eq(grid->global[0] / grid->local[0], (sides[s][1] + 15) / 16);
            device->local_bytes = local;
            bp__recorder_clear(&recorder);
        }
        if (bp__clblast_is_there()) {
            const int32_t wishes[] = {BP_GEMM_AUTO, BP_GEMM_NATIVE, BP_GEMM_GPU};
            bp__tuning tuning = bp__tuning_default(1);
            tuning.gemm[s].clblast = true;
            bp__device_engine_tune(engine, &tuning);
            for (size_t w = 0; w < BP_COUNT(wishes); ++w) {
                bp__recorder recorder = {.device = device};
                engine->gemm = wishes[w];
                OK(bp__launch_gemm(engine, &recorder, &gemm));
                cr_assert_eq(strcmp(recorder.commands[0].name, "clblast_sgemm") == 0,
                             wishes[w] == BP_GEMM_AUTO);
                bp__recorder_clear(&recorder);
            }
            engine->gemm = BP_GEMM_GPU;
        }
        bp__buffer_free(base, memory);
    }
    bp__engine_free(base);
    bp_device_free(device);
}
