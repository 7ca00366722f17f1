/* peer.c - problem files, clock, and the conversation with compare.py. */
#include "peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void peer_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

double peer_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void *peer_memory(size_t bytes)
{
    const size_t size = (bytes + 64) / 64 * 64;
    void *memory = aligned_alloc(64, size);
    if (!memory) peer_fail("no memory for %zu bytes", bytes);
    memset(memory, 0, size);
    return memory;
}

/* SplitMix64 (Steele, Lea, Flood 2014) of the position. */
float peer_random(uint64_t stream, uint64_t element)
{
    uint64_t z = (stream << 40) + (element + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)(z >> 40) * 0x1p-23f - 1;
}

const char *peer_head_name(peer_head head)
{
    static const char *const names[PEER_HEADS] = {"sigmoid", "linear", "softmax"};
    return head < PEER_HEADS ? names[head] : NULL;
}

/* ---- Problem files (written by make_problem.c, read by problem.py as well) ------------------- */

static void *read_array(FILE *file, size_t count, const char *path)
{
    void *out = peer_memory(count * 4);
    if (fread(out, 4, count, file) != count) peer_fail("%s: too short", path);
    return out;
}

static void load(peer_problem *problem, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) peer_fail("%s: cannot be opened", path);
    char magic[8];
    int32_t head[4], widths[PEER_MAX_LAYERS + 1];
    if (fread(magic, 1, 8, file) != 8 || memcmp(magic, "BPPEER1\n", 8) != 0 ||
        fread(head, 4, 4, file) != 4 || fread(&problem->rate, 4, 1, file) != 1 || head[0] < 2 ||
        head[0] > PEER_MAX_LAYERS + 1 || head[1] < 1 || head[2] < 0 || head[2] >= PEER_HEADS ||
        head[3] < head[1] || fread(widths, 4, (size_t)head[0], file) != (size_t)head[0])
        peer_fail("%s: not a problem file", path);
    problem->layers = (size_t)head[0] - 1;
    problem->batch = (size_t)head[1];
    problem->head = (peer_head)head[2];
    problem->rows = (size_t)head[3];
    for (int l = 0; l < head[0]; ++l) problem->widths[l] = (size_t)widths[l];
    problem->x = read_array(file, problem->rows * problem->widths[0], path);
    if (problem->head == PEER_SOFTMAX)
        problem->labels = read_array(file, problem->rows, path);
    else
        problem->targets = read_array(file, problem->rows * problem->widths[problem->layers], path);
    for (size_t l = 0; l < problem->layers; ++l) {
        problem->weights[l] = read_array(file, problem->widths[l] * problem->widths[l + 1], path);
        problem->biases[l] = read_array(file, problem->widths[l + 1], path);
    }
    fclose(file);
}

/* ---- Measuring ------------------------------------------------------------------------------- */

/* Goes on from batch *position; times doubles until the clock is looked at seldom. */
static double step_seconds(const peer *p, size_t epoch, size_t *position, double budget)
{
    size_t done = 0, times = p->granule;
    const double start = peer_seconds();
    for (;;) {
        size_t steps = times < epoch - *position ? times : epoch - *position;
        p->run(p->self, *position, steps);
        *position = (*position + steps) % epoch;
        done += steps;
        const double elapsed = peer_seconds() - start;
        if (elapsed >= budget) return elapsed / (double)done;
        if (elapsed < budget / 32) times *= 2;
    }
}

static void print_line(const peer *p, const peer_problem *problem, double seconds,
                       const double losses[2])
{
    printf("{\"peer\": \"%s\", \"layers\": \"", p->name);
    for (size_t l = 0; l <= problem->layers; ++l) printf("%s%zu", l ? "-" : "", problem->widths[l]);
    printf("\", \"batch\": %zu, \"head\": \"%s\"", problem->batch, peer_head_name(problem->head));
    if (seconds > 0)
        printf(", \"step_us\": %.6g, \"samples_per_second\": %.6g", seconds * 1e6,
               (double)problem->batch / seconds);
    printf(", \"first_loss\": %.8g, \"loss\": %.8g}\n", losses[0], losses[1]);
    fflush(stdout);
}

int peer_main(int argc, char **argv, peer_open open)
{
    int serve = 0, left = 1;
    double budget = 0.5;
    const char *path = NULL;
    char *rest[16] = {argv[0]};
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--serve") == 0)
            serve = 1;
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            budget = strtod(argv[++i], NULL);
        else if (!path)
            path = argv[i];
        else if (left < 15)
            rest[left++] = argv[i];
    }
    if (!path) peer_fail("usage: %s PROBLEM [--seconds S] [--serve] (see peer.h)", argv[0]);
    static peer_problem problem;
    peer p = {.granule = 1};
    load(&problem, path);
    open(&p, &problem, left, rest);
    const size_t epoch = problem.rows / problem.batch;
    double losses[2];
    for (int e = 0; e < 2; ++e)
        losses[e] = p.run(p.self, 0, epoch) / (double)(epoch * problem.batch);
    size_t position = 0;
    print_line(&p, &problem, serve ? 0 : step_seconds(&p, epoch, &position, budget), losses);
    char line[64];
    while (serve && fgets(line, sizeof line, stdin))
        print_line(&p, &problem, step_seconds(&p, epoch, &position, budget), losses);
    return 0;
}
