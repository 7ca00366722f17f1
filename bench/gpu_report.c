/* gpu_report.c - what scripts/gpu-check has gathered in a folder, as one JSON file in that folder
 * and as Markdown on standard output.
 *
 *     gpu_report FOLDER
 *
 * NAME.json may hold one JSON text or one on each line; what is missing or broken is left out, and
 * parts.txt says why. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

enum { PATH = 4096, LINE = 1 << 16 };

static const char *folder;

static FILE *open_part(const char *name, const char *ending)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    return fopen(path, "r");
}

/* All JSON texts of a part, in an array; NULL where there are none. */
static json_t *read_part(const char *name)
{
    FILE *file = open_part(name, "json");
    if (!file) return NULL;
    json_t *all = json_array();
    for (json_t *one; (one = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL));)
        json_array_append_new(all, one);
    fclose(file);
    if (json_array_size(all) > 0) return all;
    json_decref(all);
    return NULL;
}

static json_t *read_lines(const char *name)
{
    FILE *file = open_part(name, "txt");
    json_t *all = json_array();
    static char line[LINE];
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        json_array_append_new(all, json_string(line));
    }
    if (file) fclose(file);
    return all;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* A cell of a table: of several lines the first, without what would end it. */
static void print_cell(const char *words)
{
    for (const char *at = words; *at && *at != '\n' && at - words < 160; ++at)
        putchar(*at == '|' ? '/' : *at);
}

/* "2048,2048" of a list of widths. */
static void print_widths(const json_t *widths)
{
    size_t i;
    json_t *width;
    json_array_foreach(widths, i, width)
        printf("%s%lld", i ? "," : "", (long long)json_integer_value(width));
}

/* ---- Sections -------------------------------------------------------------------------------- */

static void print_parts(const json_t *parts)
{
    size_t i;
    json_t *line;
    puts("\n| part | outcome | seconds |\n| --- | --- | --- |");
    json_array_foreach(parts, i, line)
    {
        char name[64] = "";
        int code = 0, seconds = 0;
        sscanf(json_string_value(line), "%63s %d %d", name, &code, &seconds);
        if (code == 0)
            printf("| %s | done | %d |\n", name, seconds);
        else if (code == 124 || code == 137)
            printf("| %s | stopped: it took too long | %d |\n", name, seconds);
        else
            printf("| %s | FAILED (%d): logs/%s.txt | %d |\n", name, code, name, seconds);
    }
}

static void print_words(const char *title, const json_t *object)
{
    const char *key;
    json_t *value;
    printf("\n| %s | |\n| --- | --- |\n", title);
    json_object_foreach((json_t *)object, key, value)
    {
        printf("| %s | ", key);
        if (json_is_string(value))
            print_cell(json_string_value(value));
        else if (json_is_real(value))
            printf("%.5g", json_real_value(value));
        else if (json_is_integer(value))
            printf("%lld", (long long)json_integer_value(value));
        else
            printf("%s", json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "");
        puts(" |");
    }
}

static void print_probe(const json_t *part)
{
    const json_t *probe = json_array_get(part, 0);
    if (!probe) return;
    puts("\n## What it is and what it can");
    print_words("attribute", json_object_get(probe, "attributes"));
    print_words("instruction", json_object_get(probe, "abilities"));
    print_words("local memory of a work-group", json_object_get(probe, "local_memory"));
    print_words("cost", json_object_get(probe, "costs"));
    printf("\nMeasured peaks: %.4g GFLOP/s, %.4g GB/s.\n", number(probe, "peak_gflops"),
           number(probe, "peak_gbytes_per_second"));
}

static void print_selftest(const json_t *part)
{
    const json_t *report = json_array_get(json_array_get(part, 0), 0), *checks;
    size_t i, failed = 0;
    json_t *check;
    puts("\n## Self-test\n");
    if (!report) {
        puts("There is no report: it did not come to its end.");
        return;
    }
    checks = json_object_get(report, "checks");
    json_array_foreach(checks, i, check) failed += json_is_false(json_object_get(check, "passed"));
    printf("%zu of %zu checks passed, in %.1f s.\n", json_array_size(checks) - failed,
           json_array_size(checks), number(report, "seconds"));
    if (failed)
        puts("\n| check | kernels | error | allowed | problem |\n| --- | --- | --- | --- | --- |");
    json_array_foreach(checks, i, check)
    {
        if (json_is_true(json_object_get(check, "passed"))) continue;
        printf("| %s | %s | %.3g | %.3g | ", text(check, "name"), text(check, "kernels"),
               number(check, "max_error"), number(check, "bound"));
        print_cell(text(check, "problem"));
        puts(" |");
    }
}

static void print_tests(const json_t *part)
{
    size_t i;
    json_t *test;
    if (!part) return;
    puts("\n## Tests\n\n| test | outcome | seconds |\n| --- | --- | --- |");
    json_array_foreach(part, i, test)
    {
        const int code = (int)number(test, "code");
        printf("| %s | %s | %.0f |\n", text(test, "name"),
               code == 0     ? "passed"
               : code == 124 ? "stopped: it took too long"
                             : "FAILED",
               number(test, "seconds"));
    }
}

static void print_bench(const char *title, const json_t *part)
{
    size_t i;
    json_t *row;
    if (!part) return;
    printf("\n## %s\n\n| layers | batch | step us | GFLOP/s | of peak |\n| --- | --- | --- | --- | "
           "--- "
           "|\n",
           title);
    json_array_foreach(json_array_get(part, 0), i, row)
    {
        fputs("| ", stdout);
        print_widths(json_object_get(row, "layers"));
        printf(" | %.0f | %.4g | %.4g | %.0f %% |\n", number(row, "batch"), number(row, "step_us"),
               number(row, "gflops"), 100 * number(row, "fraction_of_peak"));
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of step_us over the lines of a peer and a case; *loss is of the last of them. */
static double median_of(const json_t *part, const json_t *like, const char *peer, double *loss)
{
    double values[64];
    size_t count = 0, i;
    json_t *line;
    json_array_foreach(part, i, line) if (strncmp(text(line, "peer"), peer, strlen(peer)) == 0 &&
                                          strcmp(text(line, "layers"), text(like, "layers")) == 0 &&
                                          number(line, "batch") == number(like, "batch") &&
                                          count < 64)
    {
        values[count++] = number(line, "step_us");
        *loss = number(line, "loss");
    }
    qsort(values, count, sizeof *values, by_value);
    return count ? values[count / 2] : NAN;
}

static void print_pytorch(const json_t *part)
{
    size_t i;
    json_t *line;
    const char *last = "";
    if (!part) return;
    puts("\n## Beside PyTorch\n\nWhole training steps, plain SGD, float32; medians of turns. A "
         "ratio "
         "above 1: backprop is faster. The losses of the second epoch must agree.\n\n"
         "| layers | batch | backprop us | PyTorch us | ratio | losses |\n"
         "| --- | --- | --- | --- | --- | --- |");
    json_array_foreach(part, i, line)
    {
        double our_loss = NAN, their_loss = NAN;
        if (strcmp(last, text(line, "layers")) == 0 && i > 0 &&
            number(line, "batch") == number(json_array_get(part, i - 1), "batch"))
            continue;
        last = text(line, "layers");
        const double ours = median_of(part, line, "backprop", &our_loss);
        const double theirs = median_of(part, line, "PyTorch", &their_loss);
        printf("| %s | %.0f | %.4g | %.4g | %.2f | %.6g, %.6g%s |\n", last, number(line, "batch"),
               ours, theirs, theirs / ours, our_loss, their_loss,
               fabs(our_loss - their_loss) <= 2e-3 * fabs(their_loss) ? "" : " DIFFERENT");
    }
}

/* ---- The order of things --------------------------------------------------------------------- */

static json_t *gather(void)
{
    static const char *const names[] = {"devices",    "probe",         "selftest",   "tests",
                                        "bench",      "bench_clblast", "bench_fp32", "bench_tf32",
                                        "bench_bf16", "tune",          "pytorch"};
    json_t *json = json_object();
    char date[32], system[512] = "";
    const time_t now = time(NULL);
    struct utsname about;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    if (uname(&about) == 0)
        snprintf(system, sizeof system, "%.100s %.200s %.100s", about.sysname, about.release,
                 about.machine);
    json_object_set_new(json, "date", json_string(date));
    json_object_set_new(json, "system", json_string(system));
    json_object_set_new(json, "drivers", read_lines("drivers"));
    json_object_set_new(json, "parts", read_lines("parts"));
    FILE *file = fopen("REVISION", "r");
    char revision[64] = "unknown";
    if (file && fscanf(file, "%63s", revision) == 1) (void)0;
    if (file) fclose(file);
    json_object_set_new(json, "revision", json_string(revision));
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        json_t *part = read_part(names[i]);
        if (part) json_object_set_new(json, names[i], part);
    }
    return json;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: gpu_report FOLDER\n", stderr);
        return 2;
    }
    folder = argv[1];
    json_t *json = gather();
    char path[PATH];
    snprintf(path, sizeof path, "%s/report.json", folder);
    if (json_dump_file(json, path, JSON_INDENT(1)) != 0) {
        fprintf(stderr, "gpu_report: %s cannot be written\n", path);
        return 1;
    }
    const json_t *report = json_array_get(json_array_get(json_object_get(json, "selftest"), 0), 0);
    const json_t *probe = json_array_get(json_object_get(json, "probe"), 0);
    printf("# %s\n\n%s, %s; revision %.12s. Driver %s, %s.\n",
           report  ? text(report, "device")
           : probe ? text(probe, "device")
                   : "No device",
           text(json, "date"), text(json, "system"), text(json, "revision"),
           report ? text(report, "driver") : "unknown",
           report ? text(report, "opencl") : "unknown");
    print_parts(json_object_get(json, "parts"));
    print_selftest(json_object_get(json, "selftest"));
    print_tests(json_object_get(json, "tests"));
    print_probe(json_object_get(json, "probe"));
    print_bench("Training steps", json_object_get(json, "bench"));
    print_bench("Training steps with CLBlast's products", json_object_get(json, "bench_clblast"));
    print_bench("On matrix units, fp32", json_object_get(json, "bench_fp32"));
    print_bench("On matrix units, tf32", json_object_get(json, "bench_tf32"));
    print_bench("On matrix units, bf16", json_object_get(json, "bench_bf16"));
    print_pytorch(json_object_get(json, "pytorch"));
    json_decref(json);
    return fflush(stdout) != 0;
}
