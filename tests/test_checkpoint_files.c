/* test_checkpoint_files.c - checkpoint files that are damaged or cut are refused, and leave the one
 * before them; what a full disk costs. */
#define _XOPEN_SOURCE 700
#include "checkpoint_support.h"

TestSuite(checkpoint_files, .init = open_all, .fini = close_all, .timeout = 300);

/* ---- files that are not sound ------------------------------------------------------------------
 */

static void want_refused(const char *what, size_t at)
{
    bp__checkpoint from;
    const bp_status status = bp__checkpoint_read(&from, path);
    cr_assert_eq(status, BP_ERROR_MODEL, "%s at %zu is taken", what, at);
    cr_assert(strstr(bp_last_error(), path), "%s", bp_last_error());
}

Test(checkpoint_files, every_truncation_and_every_bit_flip_is_refused)
{
    size_t size;
    train_some(2, 1);
    char *bytes = read_file(previous, &size);
    cr_assert_lt(size, 20000);
    unlink(previous);
    write_file(path, bytes, size);
    const int fd = open(path, O_WRONLY);
    cr_assert_geq(fd, 0);
    for (size_t bit = 0; bit < 8 * size; ++bit) {
        const char flipped = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        cr_assert_eq(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
        want_refused("a flipped bit", bit);
        cr_assert_eq(pwrite(fd, &bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    for (size_t cut = size; cut-- > 0;) {
        cr_assert_eq(ftruncate(fd, (off_t)cut), 0);
        want_refused("a cut", cut);
    }
    close(fd);
    write_file(path, bytes, size);
    bp__checkpoint from;
    cr_assert_eq(bp__checkpoint_read(&from, path), BP_OK, "%s", bp_last_error());
    bp__checkpoint_release(&from);
    free(bytes);
}

Test(checkpoint_files, a_damaged_one_leaves_the_one_before_it)
{
    bp_train_options how = options_for(BP_OPTIMIZER_ADAM);
    const outcome whole = train(&how, NULL);
    train_some(2, 1);
    size_t size;
    char *bytes = read_file(path, &size);
    how.resume = how.checkpoint = path;
    how.checkpoint_steps = 5;
    for (int round = 0; round < 3; ++round) {
        train_some(2, 1);
        bytes[size / 2] = (char)(bytes[size / 2] ^ 4);
        if (round == 2)
            unlink(path);
        else
            write_file(path, bytes, round ? size : size / 3);
        bytes[size / 2] = (char)(bytes[size / 2] ^ 4);
        bp_checkpoint_info info;
        cr_assert_eq(bp_checkpoint_get_info(&info, path), BP_OK);
        cr_assert_eq(info.previous, 1);
        cr_assert_eq(info.total_steps, 2 * STEPS - 1);
        cr_assert(strstr(info.damage, path), "%s", info.damage);
        const outcome rest = train(&how, NULL);
        want_same(&rest, &whole, "from the previous one");
    }
    /* The damaged one never takes the place of the sound one. */
    train_some(2, 1);
    write_file(path, bytes, size / 2);
    how.checkpoint_steps = 0; /* one checkpoint, at the end */
    (void)train(&how, NULL);
    cr_assert_eq(bp_checkpoint_get_info(&(bp_checkpoint_info){0}, path), BP_OK);
    bp_checkpoint_info before;
    cr_assert_eq(bp_checkpoint_get_info(&before, previous), BP_OK);
    cr_assert_eq(before.total_steps, 2 * STEPS - 1);
    free(bytes);
    /* Neither: the error is the newer one's. */
    write_file(path, "x", 1);
    write_file(previous, "yy", 2);
    how.resume = path;
    outcome none = train(&how, NULL);
    cr_assert_eq(none.status, BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "1 byte,"), "%s", bp_last_error());
    unlink(path);
    unlink(previous);
    none = train(&how, NULL);
    cr_assert_eq(none.status, BP_ERROR_IO);
}

Test(checkpoint_files, a_checkpoint_is_a_model_and_a_model_is_none)
{
    train_some(1, 1);
    bp_model *model;
    float y[ROWS * CLASSES];
    cr_assert_eq(bp_model_load(&model, path, BP_ACTIVATION_AUTO), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_predict(model, device, bp_data_features(data), ROWS, y), BP_OK);
    cr_assert_eq(bp_model_save(model, path), BP_OK);
    bp_model_free(model);
    bp__checkpoint from;
    cr_assert_eq(bp__checkpoint_read(&from, path), BP_ERROR_MODEL);
    cr_assert(strstr(bp_last_error(), "is no checkpoint"), "%s", bp_last_error());
}

/* ---- a disk that is full -----------------------------------------------------------------------
 */

static int count_errors(const bp_progress *now, void *user)
{
    if (now->checkpoint_error) ++*(int *)user;
    return 0;
}

Test(checkpoint_files, a_full_disk_costs_no_more_than_the_checkpoint)
{
    bp_train_options how = options_for(BP_OPTIMIZER_ADAM);
    const outcome whole = train(&how, NULL);
    train_some(2, 1);
    size_t size, again_size;
    char *bytes = read_file(path, &size);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {1000, RLIM_INFINITY};
    int errors = 0;
    how.checkpoint = how.resume = path;
    how.checkpoint_steps = 2;
    how.progress = count_errors;
    how.user = &errors;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    outcome full = train(&how, NULL);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    want_same(&full, &whole, "on a full disk");
    cr_assert_eq(full.result.checkpoint, BP_ERROR_IO);
    cr_assert_gt(errors, 0);
    char *again = read_file(path, &again_size);
    cr_assert(size == again_size && memcmp(bytes, again, size) == 0, "the old one has changed");
    cr_assert(exists(previous));
    char temporary[112];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    cr_assert(!exists(temporary), "a temporary was left behind");
    free(bytes);
    free(again);
    full = train(&how, NULL);
    want_same(&full, &whole, "with room again");
    cr_assert_eq(full.result.checkpoint, BP_OK);
}
