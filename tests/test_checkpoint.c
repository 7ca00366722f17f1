/* test_checkpoint.c - checkpoints in the library: a training that goes on from one ends with the
 * bits of one that was never broken off, wherever that was; another training is refused by what
 * differs. On the reference, so that it needs no OpenCL. */
#define _XOPEN_SOURCE 700
#include "base/families.h"
#include "checkpoint_support.h"

TestSuite(checkpoint, .init = open_all, .fini = close_all, .timeout = 300);

/* ---- the same bits -----------------------------------------------------------------------------
 */

typedef struct breaker {
    bp_trainer *trainer;
    int64_t at;
} breaker;

static int stop_at(size_t done, double sum, size_t rows, void *user)
{
    (void)done, (void)sum, (void)rows;
    const breaker *b = user;
    return (int64_t)b->trainer->enqueued + b->trainer->step >= b->at;
}

/* At every step of the training: saved there, in a trainer of its own loaded from it and trained to
 * the end. */
static void go_on_from_everywhere(bp_train_options how, const char *name)
{
    const outcome whole = train(&how, NULL);
    for (int64_t at = 1; at < EPOCHS * STEPS; ++at) {
        bp_trainer *trainer, *second;
        bp_model *model = new_model(1);
        char what[64];
        snprintf(what, sizeof what, "%s, step %d", name, (int)at);
        cr_assert_eq(bp_trainer_create(&trainer, model, device, &how), BP_OK);
        cr_assert_eq(bp_trainer_set_data(trainer, data), BP_OK);
        breaker b = {trainer, at};
        while (trainer->step + trainer->place < at) {
            trainer->pause_at = (size_t)(at - trainer->step);
            const bp_status status = bp__trainer_run_epoch(trainer, NULL, stop_at, &b);
            cr_assert(status == BP_OK || status == BP_ERROR_CANCELLED);
        }
        cr_assert_eq(trainer->step + trainer->place, at);
        cr_assert_eq(bp_trainer_save(trainer, model, path), BP_OK, "%s", bp_last_error());
        bp_trainer_free(trainer);

        bp_model *other = new_model(2);
        cr_assert_eq(bp_trainer_create(&second, other, device, &how), BP_OK);
        cr_assert_eq(bp_trainer_set_data(second, data), BP_OK);
        cr_assert_eq(bp_trainer_load(second, path), BP_OK, "%s: %s", what, bp_last_error());
        double loss = NAN;
        while (second->epoch < EPOCHS) cr_assert_eq(bp_trainer_epoch(second, &loss), BP_OK);
        cr_assert_eq(bp_trainer_get_model(second, other), BP_OK);
        outcome end = {.status = BP_OK};
        take(&end, other);
        cr_assert_arr_eq(end.parameters, whole.parameters, sizeof end.parameters, "%s", what);
        cr_assert_eq(loss, whole.result.train_loss, "%s: %.17g, %.17g", what, loss,
                     whole.result.train_loss);
        bp_trainer_free(second);
        bp_model_free(model);
        bp_model_free(other);
    }
}

Test(checkpoint, every_step_can_be_gone_on_from)
{
    for (int32_t optimizer = 0; bp__optimizer_updates(optimizer); ++optimizer)
        go_on_from_everywhere(options_for(optimizer), bp_optimizer_name(optimizer));
    bp_train_options how = options_for(BP_OPTIMIZER_ADAM);
    how.ema = 0.8;
    how.max_norm = 0.9f;
    go_on_from_everywhere(how, "averages");
    how.accumulate = 4; /* 4 and 2 batches an epoch */
    go_on_from_everywhere(how, "groups of batches");
}

static int stop_in_epoch(const bp_progress *now, void *user)
{
    const int64_t *wanted = user;
    return now->epoch_done && now->epoch == *wanted;
}

Test(checkpoint, bp_train_goes_on_with_the_same_results)
{
    bp_train_options how = options_for(BP_OPTIMIZER_ADAM);
    const outcome whole = train(&how, NULL);
    how.checkpoint = path;
    how.progress = stop_in_epoch;
    int64_t wanted = 2;
    how.user = &wanted;
    outcome part = train(&how, NULL);
    cr_assert_eq(part.status, BP_ERROR_CANCELLED);
    bp_checkpoint_info info;
    cr_assert_eq(bp_checkpoint_get_info(&info, path), BP_OK);
    cr_assert_eq(info.epoch, 2);
    cr_assert_eq(info.epochs, EPOCHS);
    cr_assert_eq(info.step, 0);
    cr_assert_eq(info.steps, STEPS);
    cr_assert_eq(info.total_steps, 2 * STEPS);
    cr_assert_eq(info.previous, 0);
    how.progress = NULL;
    how.resume = path;
    outcome rest = train(&how, NULL);
    want_same(&rest, &whole, "two and three epochs");
    rest = train(&how, NULL);
    want_same(&rest, &whole, "nothing left to do");
    /* Longer, and from the model in the checkpoint. */
    bp_model *model;
    cr_assert_eq(bp_model_load(&model, path, BP_ACTIVATION_AUTO), BP_OK);
    how.epochs = EPOCHS + 3;
    rest = train(&how, model);
    how.resume = how.checkpoint = NULL;
    const outcome longer = train(&how, NULL);
    want_same(&rest, &longer, "three epochs more");
}

/* How it is cut into checkpoints changes nothing. */
Test(checkpoint, checkpoints_leave_the_training_as_it_is)
{
    bp_train_options how = options_for(BP_OPTIMIZER_MOMENTUM);
    const outcome whole = train(&how, NULL);
    how.checkpoint = path;
    for (int64_t every = 1; every < 2 * STEPS; ++every) {
        how.checkpoint_steps = every;
        const outcome kept = train(&how, NULL);
        want_same(&kept, &whole, "with checkpoints");
        bp_checkpoint_info info;
        cr_assert_eq(bp_checkpoint_get_info(&info, previous), BP_OK);
        const int64_t last = EPOCHS * STEPS / every * every;
        cr_assert_eq(info.total_steps, last == EPOCHS * STEPS ? last - every : last, "every %d: %d",
                     (int)every, (int)info.total_steps);
    }
    how.checkpoint_steps = 0;
    how.checkpoint_epochs = 2;
    (void)train(&how, NULL);
    bp_checkpoint_info info;
    cr_assert_eq(bp_checkpoint_get_info(&info, previous), BP_OK);
    cr_assert_eq(info.epoch, 4);
}

Test(checkpoint, bp_train_goes_on_in_the_middle_of_an_epoch)
{
    bp_train_options how = options_for(BP_OPTIMIZER_ADAM);
    const outcome whole = train(&how, NULL);
    for (int64_t at = STEPS + 1; at < 2 * STEPS; ++at) {
        train_some(2, at);
        bp_checkpoint_info info;
        cr_assert_eq(bp_checkpoint_get_info(&info, previous), BP_OK);
        cr_assert_eq(info.step, at - STEPS);
        how.resume = previous;
        const outcome rest = train(&how, NULL);
        want_same(&rest, &whole, "from the middle");
    }
}

/* What bp_train falls back to when it diverges is remembered within an epoch, too. */
Test(checkpoint, divergence_after_going_on_falls_back_as_before)
{
    float x[ROWS * INPUTS], targets[ROWS];
    for (int i = 0; i < ROWS * INPUTS; ++i) x[i] = sinf((float)(i * i)) * 3;
    for (int i = 0; i < ROWS; ++i) targets[i] = x[i * INPUTS] * 7;
    bp_data *numbers;
    cr_assert_eq(bp_data_from_arrays(&numbers, x, ROWS, INPUTS, targets, 1), BP_OK);
    const bp_layer layers[] = {{INPUTS, 1, BP_ACTIVATION_LINEAR, 1}};
    bp_train_options how = options_for(BP_OPTIMIZER_SGD);
    how.epochs = 1000;
    how.learning_rate = 1.3f;
    how.checkpoint = path;
    how.checkpoint_steps = 1;
    float ends[2][INPUTS + 1];
    int64_t epochs[2];
    for (int round = 0; round < 2; ++round) {
        bp_model *model;
        bp_train_result result;
        cr_assert_eq(bp_model_create_layers(&model, layers, 1, NULL), BP_OK);
        how.resume = round ? path : NULL;
        cr_assert_eq(bp_train(model, device, numbers, NULL, &how, &result), BP_ERROR_DIVERGED);
        memcpy(ends[round], bp_model_weights(model, 0), sizeof ends[round]);
        epochs[round] = result.epochs;
        bp_model_free(model);
    }
    bp_checkpoint_info info;
    cr_assert_eq(bp_checkpoint_get_info(&info, path), BP_OK);
    cr_assert(info.step > 0, "the test wants a checkpoint within the epoch that diverged");
    cr_assert_gt(epochs[0], 1);
    cr_assert_eq(epochs[0], epochs[1]);
    cr_assert_arr_eq(ends[0], ends[1], sizeof ends[0]);
    bp_data_free(numbers);
}

/* ---- another training --------------------------------------------------------------------------
 */

/* As a model a checkpoint holds the averages, which also bp_train goes on to. */
Test(checkpoint, averages_are_the_model_in_it)
{
    bp_train_options how = options_for(BP_OPTIMIZER_ADAM);
    how.ema = 0.9;
    const outcome whole = train(&how, NULL);
    how.checkpoint = path;
    for (int64_t every = 1; every < STEPS; ++every) {
        how.checkpoint_steps = every;
        how.resume = NULL;
        outcome kept = train(&how, NULL);
        want_same(&kept, &whole, "with checkpoints");
        bp_model *model;
        cr_assert_eq(bp_model_load(&model, path, BP_ACTIVATION_AUTO), BP_OK);
        take(&kept, model);
        bp_model_free(model);
        want_same(&kept, &whole, "the last of them");
        how.resume = previous;
        kept = train(&how, NULL);
        want_same(&kept, &whole, "gone on with");
    }
}

Test(checkpoint, what_differs_is_named)
{
    train_some(1, 1);
    const bp_train_options same = options_for(BP_OPTIMIZER_ADAM);
    const struct {
        size_t offset;
        double value;
        const char *says;
    } cases[] = {
        {offsetof(bp_train_options, learning_rate), 0.5,
         "learning_rate is 0.5, in the checkpoint 0.001"},
        {offsetof(bp_train_options, beta1), 0.5, "beta1 is 0.5, in the checkpoint 0.9"},
        {offsetof(bp_train_options, epsilon), 0.5, "epsilon is 0.5"},
        {offsetof(bp_train_options, max_norm), 3, "max_norm is 3, in the checkpoint 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp_train_options how = same;
        const float value = (float)cases[i].value;
        memcpy((char *)&how + cases[i].offset, &value, sizeof value);
        how.resume = path;
        const outcome none = train(&how, NULL);
        cr_assert_eq(none.status, BP_ERROR_MODEL);
        cr_assert(strstr(bp_last_error(), cases[i].says), "%s", bp_last_error());
    }
    bp_train_options how = same;
    how.resume = path;
    how.seed = 9;
    how.batch = 5;
    how.optimizer = BP_OPTIMIZER_SGD;
    how.shuffle = 0;
    how.ema = 0.5;
    how.accumulate = 7;
    outcome none = train(&how, new_model(9));
    cr_assert_eq(none.status, BP_ERROR_MODEL);
    const char *const all[] = {"seed is 9, in the checkpoint 1",
                               "batch is 5, in the checkpoint 4",
                               "optimizer is sgd, in the checkpoint adam",
                               "shuffle is none, in the checkpoint all",
                               "ema is 0.5, in the checkpoint 0",
                               "accumulate is 7, in the checkpoint 1",
                               "the start values differ"};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        cr_assert(strstr(bp_last_error(), all[i]), "not \"%s\": %s", all[i], bp_last_error());
    how = same;
    how.resume = path;
    how.epochs = 1;
    none = train(&how, NULL);
    cr_assert_eq(none.status, BP_OK, "%s", bp_last_error());
    train_some(2, 1);
    none = train(&how, NULL);
    cr_assert_eq(none.status, BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "is in epoch 2 already, epochs is 1"), "%s", bp_last_error());
    how.resume = previous; /* whose second epoch has begun, but not ended */
    none = train(&how, NULL);
    cr_assert_eq(none.status, BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "is in epoch 2 already, epochs is 1"), "%s", bp_last_error());
}

Test(checkpoint, other_data_and_networks_are_named)
{
    train_some(1, 1);
    bp_train_options how = options_for(BP_OPTIMIZER_ADAM);
    how.resume = path;
    bp_model *model = new_model(1);
    cr_assert_eq(bp_train(model, device, validation, data, &how, NULL), BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "training data is 11 rows"), "%s", bp_last_error());
    cr_assert(strstr(bp_last_error(), "validation data is 23 rows"), "%s", bp_last_error());
    cr_assert_eq(bp_train(model, device, data, NULL, &how, NULL), BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "validation data is none"), "%s", bp_last_error());
    bp_model_free(model);
    const bp_layer layers[] = {{INPUTS, CLASSES, BP_ACTIVATION_SOFTMAX, 0}};
    cr_assert_eq(bp_model_create_layers(&model, layers, 1, NULL), BP_OK);
    cr_assert_eq(bp_train(model, device, data, validation, &how, NULL), BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "network is 3 -> 2 softmax (no bias), cross_entropy, in the "
                                      "checkpoint 3 -> 4 tanh -> 2 softmax"),
              "%s", bp_last_error());
    bp_model_free(model);
    /* bp_trainer_save's and bp_train's. */
    bp_trainer *trainer;
    model = new_model(1);
    how.resume = NULL;
    cr_assert_eq(bp_trainer_create(&trainer, model, device, &how), BP_OK);
    cr_assert_eq(bp_trainer_load(trainer, path), BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "training data is none"), "%s", bp_last_error());
    cr_assert_eq(bp_trainer_set_data(trainer, data), BP_OK);
    cr_assert_eq(bp_trainer_load(trainer, path), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_trainer_save(trainer, model, path), BP_OK);
    bp_trainer_free(trainer);
    bp_model_free(model);
    how.resume = path;
    const outcome none = train(&how, NULL);
    cr_assert_eq(none.status, BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "bp_trainer_load"), "%s", bp_last_error());
}

/* An option that is in neither table would be changed without a word. */
Test(checkpoint, every_option_is_a_fact_or_free)
{
    bp_train_options a, b;
    memset(&a, 0, sizeof a);
    memset(&b, 0xff, sizeof b);
    const bp_train_options defaults = bp_train_options_default();
    size_t facts = 0, gap = 0, size = sizeof defaults;
    for (size_t byte = 0; byte < size; ++byte) {
        const int table = bp__option_is_fact(byte);
        gap = table ? 0 : gap + 1;
        facts += table == 1;
        /* Padding is never as long as the widest alignment. */
        cr_assert_lt(gap, _Alignof(int64_t),
                     "byte %zu of bp_train_options is in no table of facts.c", byte);
        cr_assert(table || byte % _Alignof(int64_t) >= sizeof(int32_t),
                  "byte %zu of bp_train_options is in no table of facts.c", byte);
    }
    cr_assert_gt(facts, 40);
}

/* ---- fingerprints ------------------------------------------------------------------------------
 */

Test(checkpoint, fingerprints_are_xxh128_and_tell_data_apart)
{
    char name[112], hash[33], other[33];
    snprintf(name, sizeof name, "%s/d.csv", folder);
    write_file(name, "a,b\n1,2\n2,5\n3,4.5\n", 18);
    bp_data *raw;
    cr_assert_eq(bp_data_load(&raw, name, NULL), BP_OK, "%s", bp_last_error());
    size_t count;
    const bp_source *sources = bp_data_sources(raw, &count);
    cr_assert_eq(count, 1);
    cr_assert_str_eq(sources[0].path, name);
    cr_assert_eq(sources[0].bytes, 18);
    cr_assert_str_eq(sources[0].fingerprint, "10fbe4959e5865d5f8abdddeeb6f9dcd");
    cr_assert_eq(bp_data_fingerprint(raw, hash), BP_ERROR_ARGUMENT);
    bp_data_free(raw);
    cr_assert_eq(bp_data_fingerprint(data, hash), BP_OK);
    cr_assert_eq(bp_data_fingerprint(data, other), BP_OK);
    cr_assert_str_eq(hash, other);
    cr_assert_eq(bp_data_fingerprint(validation, other), BP_OK);
    cr_assert_neq(strcmp(hash, other), 0);
}
