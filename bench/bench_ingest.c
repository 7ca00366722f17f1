/* bench_ingest.c - how fast data files are read: a file of each format, the same from run to run,
 * is written and then loaded several times.
 *
 *   bench_ingest [MEGABYTES] [RUNS] [FOLDER]
 *
 * One JSON object a line: file, format, bytes, rows, columns, seconds of bp_data_load (the best and
 * the median of RUNS), MB/s of the median, the sum of all numbers, and the same up to float32
 * features (a schema learned and applied). The files stay in FOLDER where one is given, for others
 * to read (peers/ingest.py). They are read from the page cache: it is the reading that is timed,
 * not the disk. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "backprop.h"
#include "base/clock.h"
#include "data/data.h"

enum { MOST_RUNS = 100, COLUMNS = 20, PIXELS = 784 };

static uint64_t state = 88172645463325252u; /* xorshift64: Marsaglia 2003 */

static double uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

/* ---- writers: rows until the file has its size ---- */

static void put_label(FILE *file, char end)
{
    fprintf(file, "%d%c", uniform() < 0.5, end);
}

static void write_csv_numbers(FILE *file, long size)
{
    for (int k = 0; k < COLUMNS; ++k) fprintf(file, "x%d,", k);
    fputs("kind\n", file);
    while (ftell(file) < size) {
        for (int k = 0; k < COLUMNS; ++k) fprintf(file, "%.6g,", 20 * uniform() - 10);
        put_label(file, '\n');
    }
}

/* All 17 digits: what a program writes that wants its doubles back. */
static void write_csv_digits(FILE *file, long size)
{
    while (ftell(file) < size) {
        for (int k = 0; k < COLUMNS; ++k) fprintf(file, "%.17g,", 20 * uniform() - 10);
        put_label(file, '\n');
    }
}

static void write_csv_pixels(FILE *file, long size)
{
    while (ftell(file) < size) {
        for (int k = 0; k < PIXELS; ++k)
            fprintf(file, "%d,", uniform() < 0.5 ? 0 : (int)(256 * uniform()));
        put_label(file, '\n');
    }
}

static void write_csv_texts(FILE *file, long size)
{
    static const char *const words[] = {"red", "green", "dark blue", "?", "\"black, white\""};
    fputs("a,b,c,d,e,f,g,h,x,kind\n", file);
    while (ftell(file) < size) {
        for (int k = 0; k < 8; ++k) fprintf(file, "%s,", words[(int)(5 * uniform())]);
        fprintf(file, "%.4g,", 100 * uniform());
        put_label(file, '\n');
    }
}

static void write_libsvm(FILE *file, long size)
{
    while (ftell(file) < size) {
        put_label(file, ' ');
        for (int k = 1; k <= 300; ++k)
            if (uniform() < 0.1) fprintf(file, "%d:%.6g ", k, uniform());
        fputc('\n', file);
    }
}

static void write_fann(FILE *file, long size)
{
    const int rows = (int)(size / (10 * COLUMNS));
    fprintf(file, "%d %d 1\n", rows, COLUMNS);
    for (int r = 0; r < rows; ++r) {
        for (int k = 0; k < COLUMNS; ++k) fprintf(file, "%f ", uniform());
        fputc('\n', file);
        put_label(file, '\n');
    }
}

static void write_npy_header(FILE *file, const char *type, int rows, int columns)
{
    char header[119];
    int used = snprintf(header, sizeof header,
                        "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }", type, rows,
                        columns);
    memset(header + used, ' ', sizeof header - (size_t)used);
    header[117] = '\n';
    fwrite("\x93NUMPY\1\0\x76\0", 1, 10, file);
    fwrite(header, 1, 118, file);
}

/* The last column is the target. */
static void write_npy(FILE *file, long size)
{
    const int rows = (int)(size / (4 * (COLUMNS + 1)));
    write_npy_header(file, "<f4", rows, COLUMNS + 1);
    for (int r = 0; r < rows; ++r)
        for (int k = 0; k <= COLUMNS; ++k) {
            float value = k < COLUMNS ? (float)uniform() : (float)(uniform() < 0.5);
            fwrite(&value, sizeof value, 1, file);
        }
}

static void write_npy_doubles(FILE *file, long size)
{
    const int rows = (int)(size / (8 * (COLUMNS + 1)));
    write_npy_header(file, "<f8", rows, COLUMNS + 1);
    for (int r = 0; r < rows; ++r)
        for (int k = 0; k <= COLUMNS; ++k) {
            double value = k < COLUMNS ? uniform() : uniform() < 0.5;
            fwrite(&value, sizeof value, 1, file);
        }
}

static void put_big(FILE *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(value >> shift & 255), file);
}

static void write_idx(FILE *file, long size)
{
    const uint32_t rows = (uint32_t)(size / PIXELS);
    const uint32_t header[] = {0x803, rows, 28, 28};
    for (int i = 0; i < 4; ++i) put_big(file, header[i]);
    for (uint32_t i = 0; i < rows * PIXELS; ++i)
        fputc(uniform() < 0.5 ? 0 : (int)(256 * uniform()), file);
}

/* As the files of MNIST are distributed. */
static int pack(const char *from, const char *to)
{
    char buffer[1 << 16];
    FILE *in = fopen(from, "rb");
    gzFile out = gzopen(to, "wb6");
    size_t got = 0;
    while (in && out && (got = fread(buffer, 1, sizeof buffer, in)) > 0)
        if (gzwrite(out, buffer, (unsigned)got) != (int)got) return 0;
    if (in) fclose(in);
    return out && gzclose(out) == Z_OK && in;
}

static const struct {
    const char *name;
    void (*write)(FILE *file, long size);
    const char *packed; /* of this file */
} files[] = {
    {"numbers.csv", write_csv_numbers, NULL}, {"digits.csv", write_csv_digits, NULL},
    {"pixels.csv", write_csv_pixels, NULL},   {"texts.csv", write_csv_texts, NULL},
    {"rows.libsvm", write_libsvm, NULL},      {"rows.fann", write_fann, NULL},
    {"floats.npy", write_npy, NULL},          {"doubles.npy", write_npy_doubles, NULL},
    {"pictures.idx", write_idx, NULL},        {"pictures.idx.gz", NULL, "pictures.idx"},
};

static int make(char path[4096], size_t i, const char *folder, long size)
{
    snprintf(path, 4096, "%s/%s", folder, files[i].name);
    if (files[i].packed) {
        char from[4096];
        snprintf(from, sizeof from, "%s/%s", folder, files[i].packed);
        return pack(from, path);
    }
    FILE *file = fopen(path, "wb");
    if (!file) return 0;
    files[i].write(file, size);
    return fclose(file) == 0;
}

/* ---- timing ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of all numbers and pixels, targets included: others must read the same. */
static double sum_of(const bp_data *data)
{
    double sum = 0;
    for (size_t k = 0; data->columns && k < data->column_count + data->target_count; ++k)
        for (size_t r = 0; data->columns[k].number && r < data->rows; ++r) {
            const double value = data->columns[k].number[r];
            if (!isnan(value)) sum += value;
        }
    for (size_t i = 0; data->pixels && i < data->rows * data->pixel_count; ++i)
        sum += data->pixels[i];
    return sum;
}

/* Pictures have no labels here, so nothing is learned from them. */
static bp_status encode(const bp_data *data)
{
    bp_schema *schema;
    bp_data *encoded;
    if (bp_data_get_info(data).task == BP_TASK_AUTO) return BP_OK;
    bp_status status = bp_schema_learn(&schema, data);
    if (status != BP_OK) return status;
    status = bp_schema_apply(&encoded, schema, data);
    bp_schema_free(schema);
    bp_data_free(encoded);
    return status;
}

static int measure(const char *path, int runs)
{
    double load[MOST_RUNS], all[MOST_RUNS];
    bp_data_info info = {0};
    struct stat about;
    double sum = 0;
    for (int i = 0; i < runs; ++i) {
        bp_data *data;
        double start = bp__seconds();
        bp_status status = bp_data_load(&data, path, NULL);
        load[i] = bp__seconds() - start;
        if (status == BP_OK) status = encode(data);
        all[i] = bp__seconds() - start;
        if (status != BP_OK) {
            fprintf(stderr, "bench_ingest: %s\n", bp_last_error());
            return 0;
        }
        info = bp_data_get_info(data);
        if (i == 0) sum = sum_of(data);
        bp_data_free(data);
    }
    qsort(load, (size_t)runs, sizeof *load, compare);
    qsort(all, (size_t)runs, sizeof *all, compare);
    if (stat(path, &about) != 0) return 0;
    const double megabytes = 1e-6 * (double)about.st_size;
    printf("{\"file\": \"%s\", \"format\": \"%s\", \"bytes\": %lld, \"rows\": %zu, "
           "\"columns\": %zu, \"seconds\": %.6f, \"seconds_best\": %.6f, \"mb_per_second\": %.1f, "
           "\"seconds_to_features\": %.6f, \"sum\": %.17g}\n",
           strrchr(path, '/') + 1, bp_format_name(info.format), (long long)about.st_size, info.rows,
           info.columns, load[runs / 2], load[0], megabytes / load[runs / 2], all[runs / 2], sum);
    fflush(stdout);
    return 1;
}

int main(int argc, char **argv)
{
    const long megabytes = argc > 1 ? atol(argv[1]) : 32;
    const int runs = argc > 2 ? atoi(argv[2]) : 5;
    char temporary[] = "/tmp/bench-ingest-XXXXXX", path[4096];
    const char *folder = argc > 3 ? argv[3] : mkdtemp(temporary);
    if (megabytes < 1 || runs < 1 || runs > MOST_RUNS || !folder || argc > 4) {
        fprintf(stderr, "usage: bench_ingest [MEGABYTES] [RUNS] [FOLDER]\n");
        return 2;
    }
    int good = 1;
    for (size_t i = 0; i < sizeof files / sizeof *files && good; ++i) {
        good = make(path, i, folder, megabytes * 1000000);
        if (!good) fprintf(stderr, "bench_ingest: %s cannot be written\n", path);
        good = good && measure(path, runs);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files && argc < 4; ++i) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        unlink(path);
    }
    if (argc < 4) rmdir(folder);
    return !good;
}
