/* test_cli_kills.c - a training that is killed at random moments: after each kill its checkpoint is
 * gone on from to the end, which must be the file of the training that nobody disturbed. The number
 * of kills is BACKPROP_KILLS. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_kills, .init = make_folder, .fini = remove_folder, .timeout = 900);

static const char *const devices[] = {"reference", "auto"};

/* Often, so that many of the kills come while one is being written. */
#define CHECKPOINTS "--checkpoint c --checkpoint-every 7steps"

static int kills_wanted(void)
{
    const char *text = getenv("BACKPROP_KILLS");
    return text ? atoi(text) : 6;
}

static void line_of(char *line, size_t size, const char *device, const char *more)
{
    /* Long enough that most of the time is training, with a checkpoint every few milliseconds. */
    snprintf(line, size,
             "train d.csv --hidden 32,32 --batch 10 --epochs %d --validation-split 0.2 -q -o m "
             "--device %s %s",
             strcmp(device, "reference") == 0 ? 25 : 50, device, more);
}

static double seconds_of(const char *line)
{
    result r = shell("cd %s; exec " CLI " %s", folder, line);
    assert_code(r, 0);
    const double seconds = r.seconds;
    free_result(&r);
    return seconds;
}

/* Ends it by the signal after a random part of `longest` seconds; whether it had ended before. */
static bool killed(const char *line, int number, double longest, unsigned *state)
{
    process p = start("cd %s; exec " CLI " %s", folder, line);
    const double wait = (noise(state) + 0.5) * longest;
    struct timespec moment = {.tv_sec = (time_t)wait,
                              .tv_nsec = (long)(1e9 * (wait - (double)(time_t)wait))};
    nanosleep(&moment, NULL);
    kill(p.pid, number);
    result r = finish(&p);
    const bool done = r.code == 0;
    /* Before the training began, SIGTERM ends the process as it always does. */
    cr_assert(done || r.signal == number || r.code == 128 + number, "%s: code %d, signal %d: %s",
              line, r.code, r.signal, r.err);
    free_result(&r);
    return done;
}

static const char *resume_option(void)
{
    return exists("c") || exists("c.previous") ? "--resume c" : "";
}

/* The copy is gone on from, so that what is killed next is still what the kill left. */
static void want_end(const char *device, int number, int kill_count)
{
    char line[512], more[128];
    snprintf(more, sizeof more, "--checkpoint copy/c --checkpoint-every 1epoch %s",
             *resume_option() ? "--resume copy/c" : "");
    line_of(line, sizeof line, device, more);
    result r = shell("cd %s; rm -rf copy m; mkdir copy; cp -p c c.previous copy 2>/dev/null; "
                     "exec " CLI " %s",
                     folder, line);
    cr_assert_eq(r.code, 0, "signal %d, kill %d: %s", number, kill_count, r.err);
    cr_assert_null(strstr(r.err, "damaged"), "kill %d: %s", kill_count, r.err);
    free_result(&r);
    r = shell("cd %s; cmp m whole", folder);
    cr_assert_eq(r.code, 0, "signal %d, kill %d: %s", number, kill_count, r.out);
    free_result(&r);
}

static void kill_many(int number)
{
    unsigned state = (unsigned)number;
    write_flowers("d.csv", 300, 1, true);
    for (int d = 0; d < 2; ++d) {
        char line[512], more[128];
        int attempts = 0;
        line_of(line, sizeof line, devices[d], CHECKPOINTS);
        result r = shell("cd %s; rm -f c c.*", folder);
        free_result(&r);
        const double seconds = seconds_of(line);
        r = shell("cd %s; mv m whole; rm -f c c.*", folder);
        free_result(&r);
        const int half = (kills_wanted() + 1) / 2;
        for (int k = 0; k < half;) {
            cr_assert_lt(attempts++, 4 * half + 20, "too few of the kills hit a training");
            snprintf(more, sizeof more, CHECKPOINTS " %s", resume_option());
            line_of(line, sizeof line, devices[d], more);
            if (killed(line, number, seconds, &state)) {
                r = shell("cd %s; cmp m whole && rm -f c c.*", folder);
                assert_code(r, 0);
                free_result(&r);
                continue;
            }
            want_end(devices[d], number, k);
            k += *resume_option() != '\0'; /* one that came before any checkpoint does not count */
            /* d.csv, whole, m, copy, c, c.previous; of what is written, one temporary each at
             * most: c.tmp, c.previous.tmp, and the model's, whose name is of its own, so that
             * another kill may leave another one. */
            const int files = files_in_folder();
            r = shell("cd %s; ls -A; rm -f m.tmp-*", folder);
            cr_assert_leq(files, 9, "kill %d left\n%s", k, r.out);
            free_result(&r);
        }
    }
}

Test(cli_kills, kill_nine_at_random_moments)
{
    kill_many(SIGKILL);
}

Test(cli_kills, terminate_at_random_moments)
{
    kill_many(SIGTERM);
}
