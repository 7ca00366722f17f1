/* run.h - runs the built command as its users do: another process, its outputs caught, a time
 * limit. Nothing here opens OpenCL, so that forking is safe. Also makes the small data files of the
 * tests.
 *
 * Included by the tests of the command alone; the functions are static, and unused ones are no
 * mistake. */
#ifndef TESTS_CLI_RUN_H
#define TESTS_CLI_RUN_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLI "'" BACKPROP_COMMAND "'"
#define UNUSED __attribute__((unused))

enum {
    TEXT = 1 << 20,
    TIME_LIMIT = 240
}; /* seconds of a command; its kernels may have to be built first */

/* ---- processes --------------------------------------------------------------------------------
 */

typedef struct process {
    pid_t pid;
    int out, err; /* read ends */
    char *out_text, *err_text;
    size_t out_size, err_size;
    double started;
} process;

typedef struct result {
    int code;   /* exit code, or -1 */
    int signal; /* that killed it, or 0 */
    char *out, *err;
    double seconds;
} result;

UNUSED static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A pseudo-terminal of 100 columns; returns the side that reads, *slave the side that is written.
 * Skips the test where there are none, as in a bare chroot. */
UNUSED static int open_terminal(int *slave)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0) cr_skip_test("no pseudo-terminals here: %s", strerror(errno));
    cr_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    *slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    cr_assert_geq(*slave, 0);
    struct winsize size = {.ws_row = 24, .ws_col = 100};
    ioctl(*slave, TIOCSWINSZ, &size);
    return master;
}

/* Starts `sh -c` with the line; terminal: standard output and error are one. */
UNUSED static process start_line(const char *line, bool terminal)
{
    process p = {.started = now_seconds()};
    int out[2], err[2];
    if (terminal) {
        err[0] = open_terminal(&err[1]);
        out[0] = open("/dev/null", O_RDONLY);
        out[1] = dup(err[1]);
    } else {
        cr_assert(pipe(out) == 0 && pipe(err) == 0);
    }
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    fcntl(err[0], F_SETFD, FD_CLOEXEC);
    p.pid = fork();
    cr_assert_geq(p.pid, 0);
    if (p.pid == 0) {
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        close(out[1]);
        close(err[1]);
        setenv("ASAN_OPTIONS", "detect_leaks=1", 0);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    p.out = out[0];
    p.err = err[0];
    p.out_text = calloc(TEXT, 1);
    p.err_text = calloc(TEXT, 1);
    return p;
}

UNUSED static bool read_some(int *fd, char *text, size_t *size)
{
    ssize_t got = read(*fd, text + *size, TEXT - 1 - *size);
    if (got > 0) *size += (size_t)got;
    if (got > 0) return true;
    close(*fd); /* end, or EIO of a terminal whose other side is closed */
    *fd = -1;
    return false;
}

/* Reads until both ends are closed, or until stderr holds `wanted`. */
UNUSED static void read_until(process *p, const char *wanted)
{
    while (p->out >= 0 || p->err >= 0) {
        if (wanted && strstr(p->err_text, wanted)) return;
        struct pollfd fds[] = {{.fd = p->out, .events = POLLIN}, {.fd = p->err, .events = POLLIN}};
        if (now_seconds() - p->started > TIME_LIMIT) {
            kill(p->pid, SIGKILL);
            cr_assert_fail("time limit; stderr: %s", p->err_text);
        }
        poll(fds, 2, 1000);
        if (p->out >= 0 && fds[0].revents) read_some(&p->out, p->out_text, &p->out_size);
        if (p->err >= 0 && fds[1].revents) read_some(&p->err, p->err_text, &p->err_size);
    }
}

UNUSED static result finish(process *p)
{
    read_until(p, NULL);
    int status;
    cr_assert_eq(waitpid(p->pid, &status, 0), p->pid);
    return (result){.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                    .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                    .out = p->out_text,
                    .err = p->err_text,
                    .seconds = now_seconds() - p->started};
}

UNUSED static void free_result(result *r)
{
    free(r->out);
    free(r->err);
}

/* A shell line; "exec " CLI " …" makes the command itself the child. */
UNUSED static result shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
UNUSED static result shell(const char *format, ...)
{
    char line[8192];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    process p = start_line(line, false);
    return finish(&p);
}

UNUSED static process start(const char *format, ...) __attribute__((format(printf, 1, 2)));
UNUSED static process start(const char *format, ...)
{
    char line[8192];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    return start_line(line, false);
}

UNUSED static result on_terminal(const char *format, ...) __attribute__((format(printf, 1, 2)));
UNUSED static result on_terminal(const char *format, ...)
{
    char line[8192];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    process p = start_line(line, true);
    return finish(&p);
}

#define assert_code(r, wanted)                                                                     \
    cr_assert_eq((r).code, (wanted),                                                               \
                 "exit code %d (signal %d), wanted %d\nstdout: %s\nstderr: %s", (r).code,          \
                 (r).signal, (wanted), (r).out, (r).err)
#define assert_has(text, wanted)                                                                   \
    cr_assert(strstr((text), (wanted)) != NULL, "\"%s\" is not in: %s", (wanted), (text))
#define assert_has_not(text, unwanted)                                                             \
    cr_assert(strstr((text), (unwanted)) == NULL, "\"%s\" is in: %s", (unwanted), (text))

/* ---- JSON -------------------------------------------------------------------------------------
 */

/* stdout as JSON: one line and nothing else. */
UNUSED static json_t *json_of(const result *r)
{
    json_error_t error;
    json_t *json = json_loads(r->out, 0, &error);
    cr_assert_not_null(json, "not JSON (%s): %s\nstderr: %s", error.text, r->out, r->err);
    const char *end = strchr(r->out, '\n');
    cr_assert(end && !end[1], "not one line: %s", r->out);
    return json;
}

/* type: i integer, n number, s string, a array, o object, 0 null; several mean any of them. */
UNUSED static const json_t *want_key(const json_t *json, const char *key, const char *type)
{
    const json_t *value = json_object_get(json, key);
    cr_assert_not_null(value, "key %s is missing", key);
    bool fits = (strchr(type, 'i') && json_is_integer(value)) ||
                (strchr(type, 'n') && json_is_number(value)) ||
                (strchr(type, 's') && json_is_string(value)) ||
                (strchr(type, 'a') && json_is_array(value)) ||
                (strchr(type, 'o') && json_is_object(value)) ||
                (strchr(type, '0') && json_is_null(value));
    cr_assert(fits, "key %s is not of the type %s", key, type);
    return value;
}

UNUSED static double want_number(const json_t *json, const char *key)
{
    return json_number_value(want_key(json, key, "n"));
}

/* ---- files ------------------------------------------------------------------------------------
 */

static char folder[64]; /* of this test, without blanks in its name */

UNUSED static void make_folder(void)
{
    strcpy(folder, "/tmp/backprop-cli-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

UNUSED static void remove_folder(void)
{
    result r = shell("rm -rf '%s'", folder);
    free_result(&r);
}

UNUSED static char *path_of(const char *name)
{
    static char paths[8][256]; /* so that several can be used in one call */
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

UNUSED static void write_bytes(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(path_of(name), "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

UNUSED static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

UNUSED static bool exists(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

/* How many files the folder holds: a temporary that was left behind shows. */
UNUSED static int files_in_folder(void)
{
    result r = shell("ls -A '%s' | wc -l", folder);
    int count = atoi(r.out);
    free_result(&r);
    return count;
}

/* A few digits of noise, the same every time. */
UNUSED static double noise(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (double)(*state >> 8) / (double)(1u << 24) - 0.5;
}

/* Three kinds of flower that a line can tell apart; two numbers, a colour, the kind. */
UNUSED static void write_flowers(const char *name, int rows, unsigned seed, bool target)
{
    static const char *const kinds[] = {"rose", "tulip", "daisy"}, *const colours[] = {"red",
                                                                                       "white"};
    FILE *file = fopen(path_of(name), "w");
    cr_assert_not_null(file);
    fprintf(file, "length,width,colour%s\n", target ? ",kind" : "");
    for (int i = 0; i < rows; ++i) {
        int k = i % 3;
        fprintf(file, "%.3f,%.3f,%s", 2.0 * k + noise(&seed), 5.0 - 3.0 * k + noise(&seed),
                colours[i % 2]);
        fprintf(file, target ? ",%s\n" : "\n", kinds[k]);
    }
    fclose(file);
}

/* price = 3 area - 2 age + 100. */
UNUSED static void write_prices(const char *name, int rows, unsigned seed)
{
    FILE *file = fopen(path_of(name), "w");
    cr_assert_not_null(file);
    fputs("area,age,price\n", file);
    for (int i = 0; i < rows; ++i) {
        double area = 50 + 60 * noise(&seed), age = 20 + 30 * noise(&seed);
        fprintf(file, "%.4f,%.4f,%.6f\n", area, age, 3 * area - 2 * age + 100);
    }
    fclose(file);
}

UNUSED static void put_u32(FILE *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(value >> shift & 255), file);
}

/* Pictures of 8 x 8 whose upper (class 0) or lower (class 1) half is bright. */
UNUSED static void write_pictures(const char *images, const char *labels, int rows, unsigned seed)
{
    FILE *x = fopen(path_of(images), "wb"), *y = fopen(path_of(labels), "wb");
    cr_assert(x && y);
    put_u32(x, 0x803);
    put_u32(x, (uint32_t)rows);
    put_u32(x, 8);
    put_u32(x, 8);
    put_u32(y, 0x801);
    put_u32(y, (uint32_t)rows);
    for (int i = 0; i < rows; ++i) {
        for (int p = 0; p < 64; ++p) {
            bool bright = (p < 32) == (i % 2 == 0);
            fputc((int)((bright ? 220 : 30) + 40 * noise(&seed)), x);
        }
        fputc(i % 2, y);
    }
    fclose(x);
    fclose(y);
}

UNUSED static void write_picture_folder(const char *name)
{
    char path[4][96];
    mkdir(path_of(name), 0777);
    const char *const files[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                 "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    for (int i = 0; i < 4; ++i) snprintf(path[i], sizeof path[i], "%.60s/%s", name, files[i]);
    write_pictures(path[0], path[1], 80, 1);
    write_pictures(path[2], path[3], 20, 2);
}

/* What a state_dict of Linear(2, 2) looks like: y = [x0 + 10, 2 x1]. */
UNUSED static void write_state_dict(const char *name)
{
    const char header[] =
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]}}";
    const float values[] = {1, 0, 0, 2, 10, 0};
    char text[256];
    memset(text, ' ', sizeof text);
    memcpy(text, header, sizeof header - 1);
    uint64_t length = (sizeof header - 1 + 7) / 8 * 8;
    FILE *file = fopen(path_of(name), "wb");
    cr_assert_not_null(file);
    for (int i = 0; i < 8; ++i) fputc((int)(length >> (8 * i) & 255), file);
    fwrite(text, 1, (size_t)length, file);
    fwrite(values, 1, sizeof values, file);
    fclose(file);
}

/* A model of write_flowers' data under the name. */
UNUSED static void train_flowers(const char *model)
{
    write_flowers("flowers.csv", 90, 1, true);
    result r =
        shell("exec " CLI
              " train %s -q --device reference --hidden 8 --batch 9 --lr 0.02 --epochs 20 -o %s",
              path_of("flowers.csv"), path_of(model));
    assert_code(r, 0);
    free_result(&r);
}

/* Whether there is a device beside the reference. */
UNUSED static bool has_device(void)
{
    result r = shell("exec " CLI " devices --json");
    json_t *json = json_of(&r);
    const bool has = json_array_size(json) > 1;
    json_decref(json);
    free_result(&r);
    return has;
}

#endif
