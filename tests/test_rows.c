/* test_rows.c - rows as they arrive: whatever the pieces in which a pipe brings them, they are what
 * the file as a whole is; what cannot be read is named, and the rows around it come all the same.
 * And the predictor: a row's answer does not depend on its neighbours. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "backprop.h"

TestSuite(rows, .timeout = 120);

/* A schema of two numbers, a colour and a class, whose numbers no row below spoils. */
static bp_schema *make_schema(bp_data **raw)
{
    char path[] = "/tmp/backprop-rows-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    fputs("a,b,colour,kind\n", file);
    for (int i = 0; i < 30; ++i)
        fprintf(file, "%d,%g,%s,%s\n", i, 0.5 * i * i, i % 2 ? "red" : "\"dark, blue\"",
                i % 3 ? "x" : "y");
    fclose(file);
    bp_schema *schema;
    cr_assert_eq(bp_data_load(raw, path, NULL), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_schema_learn(&schema, *raw), BP_OK);
    unlink(path);
    return schema;
}

/* Standard input brings the text in pieces of `piece` bytes. */
static pid_t feed(const char *text, size_t size, size_t piece)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        for (size_t at = 0; at < size; at += piece) {
            const size_t rest = size - at < piece ? size - at : piece;
            if (write(ends[1], text + at, rest) < 0) _exit(0);
            if (size < 400)
                nanosleep(&(struct timespec){.tv_nsec = 200000},
                          NULL); /* so that they do come one by one */
        }
        _exit(0);
    }
    dup2(ends[0], 0);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

typedef struct outcome {
    float x[4000];
    int32_t labels[1000];
    size_t rows, errors, blocks;
    bp_status opened;
    bool broken;     /* nothing more can be read */
    char text[2000]; /* all error texts */
} outcome;

static outcome read_all(bp_schema *schema, const char *path, size_t most, const char *keep)
{
    static outcome o;
    memset(&o, 0, sizeof o);
    bp_load_options how = bp_load_options_default();
    how.schema = schema;
    how.keep = keep;
    bp_rows *rows;
    o.opened = bp_rows_open(&rows, &path, NULL, 1, &how, 0, 0);
    if (o.opened != BP_OK) {
        cr_assert_null(rows);
        strncat(o.text, bp_last_error(), 500);
        return o;
    }
    for (;;) {
        const bp_data *block;
        const bp_status status = bp_rows_next(&block, rows, most);
        if (status == BP_OK && !block) break;
        if (status != BP_OK) {
            cr_assert(status == BP_ERROR_DATA || status == BP_ERROR_IO);
            cr_assert_null(block);
            o.broken = status == BP_ERROR_IO;
            cr_assert_lt(++o.errors, 100, "it goes on for ever: %s", bp_last_error());
            strncat(o.text, bp_last_error(), 300);
            strcat(o.text, "\n");
            if (o.broken) break;
            continue;
        }
        const bp_data_info info = bp_data_get_info(block);
        cr_assert(info.rows > 0 && info.rows <= most);
        memcpy(o.x + o.rows * info.features, bp_data_features(block),
               info.rows * info.features * sizeof(float));
        if (bp_data_labels(block))
            memcpy(o.labels + o.rows, bp_data_labels(block), info.rows * sizeof(int32_t));
        for (size_t i = 0; keep && i < info.rows; ++i)
            cr_assert_eq(atoi(bp_rows_kept(rows, i, 0)), (int)(o.rows + i) + 1, "kept %s",
                         bp_rows_kept(rows, i, 0));
        cr_assert(!keep ||
                  (bp_rows_kept(rows, info.rows, 0) == NULL && bp_rows_kept(rows, 0, 1) == NULL));
        o.rows += info.rows;
        ++o.blocks;
    }
    bp_rows_free(rows);
    return o;
}

static const char *const good[] = {
    "a,b,colour,kind\n1,2,red,x\n3,4,\"dark, blue\",y\n5,6,red,x\n",
    "a,b,colour,kind\r\n1,2,red,x\r\n3,4,\"dark, blue\",y\r\n",
    "a;b;colour;kind\n1;2;red;x\n3;;\"dark, blue\";y\n\n\n",
    "kind\tcolour\tb\ta\nx\tred\t2\t1\ny\tdark, blue\t4\t3",
    "\xEF\xBB\xBF"
    "a,b,colour\n1,2,red\n3,?,none\n",
    "1,2,red,x\n3,4,\"dark, blue\",y\n5,6,red,x",
    "1,2,red\n3,4,red\n",
    "\"a\",\"b\",\"colour\"\n\"1\",\"2\",\"a \"\"quoted\"\"\nline\"\n3,4,red\n",
    "a,b,colour\r1,2,red\r3,4,red\r",
    "  a , b , colour \n 1 , 2 , red \n",
};

Test(rows, pieces_do_not_matter)
{
    bp_data *raw;
    bp_schema *schema = make_schema(&raw);
    for (size_t i = 0; i < sizeof good / sizeof *good; ++i) {
        char path[] = "/tmp/backprop-rows-XXXXXX";
        const int fd = mkstemp(path);
        cr_assert_eq(write(fd, good[i], strlen(good[i])), (ssize_t)strlen(good[i]));
        close(fd);
        bp_load_options how = bp_load_options_default();
        how.schema = schema;
        bp_data *loaded, *wanted;
        cr_assert_eq(bp_data_load(&loaded, path, &how), BP_OK, "%zu: %s", i, bp_last_error());
        cr_assert_eq(bp_schema_apply(&wanted, schema, loaded), BP_OK);
        const bp_data_info info = bp_data_get_info(wanted);
        for (size_t piece = 1; piece < 40; piece += piece < 4 ? 1 : 9)
            for (size_t most = 1; most < 1000; most *= 31) {
                const pid_t pid = feed(good[i], strlen(good[i]), piece);
                const outcome o = read_all(schema, "-", most, NULL);
                waitpid(pid, NULL, 0);
                cr_assert_eq(o.opened, BP_OK, "%zu, %zu: %s", i, piece, o.text);
                cr_assert(o.errors == 0 && o.rows == info.rows, "%zu, pieces of %zu: %zu rows, %s",
                          i, piece, o.rows, o.text);
                cr_assert_arr_eq(o.x, bp_data_features(wanted),
                                 info.rows * info.features * sizeof(float), "%zu, %zu", i, piece);
                if (bp_data_labels(wanted))
                    cr_assert_arr_eq(o.labels, bp_data_labels(wanted), info.rows * sizeof(int32_t));
            }
        const outcome o = read_all(schema, path, 1000, NULL);
        cr_assert(o.rows == info.rows && o.errors == 0 && o.blocks == 1);
        unlink(path);
        bp_data_free(loaded);
        bp_data_free(wanted);
    }
    bp_schema_free(schema);
    bp_data_free(raw);
}

Test(rows, what_cannot_be_read_is_passed_over)
{
    bp_data *raw;
    bp_schema *schema = make_schema(&raw);
    const struct {
        const char *text, *says[3];
        size_t rows, errors;
    } cases[] = {
        {"a,b,colour\n1,2,red\n1,x,red\n3,4,red\n", {"line 3, column \"b\": \"x\" is not a"}, 2, 1},
        {"1,2,red\n1,2\n3,4,red,5,6\n\n5,6,red\n",
         {"line 2: 2 cells found, 3 expected as on line 1", "line 3: 5 cells", "line 4: a blank"},
         2,
         3},
        {"a,b,colour\n1,2,red\n1,1e999,red\n1,2,\"a\"b\n3,4,red\n",
         {"line 3, column \"b\": \"1e999\"", "line 4: \"b\" after a closing quote"},
         2,
         2},
        {"a,b,colour\n1,2,red\n3,4,\"red\n5,6,red\n", {"line 3: a quote opens here"}, 1, 1},
        {"a,b,colour\n1,2,\xff\n3,4,red\n", {"line 2, column \"colour\": \""}, 1, 1},
        {"a,b,colour\nx,2,red\n", {"line 2, column \"a\""}, 0, 1},
        {"a,b,colour\n", {"only a header on line 1"}, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        for (size_t piece = 3; piece < 1000; piece *= 15) {
            const pid_t pid = feed(cases[i].text, strlen(cases[i].text), piece);
            const outcome o = read_all(schema, "-", 1000, NULL);
            waitpid(pid, NULL, 0);
            cr_assert_eq(o.opened, BP_OK, "%zu: %s", i, o.text);
            cr_assert(o.rows == cases[i].rows && o.errors == cases[i].errors,
                      "%zu, pieces of %zu: %zu rows, %zu errors: %s", i, piece, o.rows, o.errors,
                      o.text);
            for (int k = 0; k < 3 && cases[i].says[k]; ++k)
                cr_assert(strstr(o.text, cases[i].says[k]), "%zu: \"%s\" is not in %s", i,
                          cases[i].says[k], o.text);
        }
    /* What is wrong with every row is wrong at the opening. */
    const struct {
        const char *text, *says;
    } hopeless[] = {
        {"", "is empty"},
        {"\n\n", "is empty"},
        {"a,c,colour\n1,2,red\n", "the model's columns \"b\""},
        {"1,2\n3,4\n", "2 columns found; the model has 3 features"},
        {"a,b,colour\n1,2,red\n", NULL},
    };
    for (size_t i = 0; i < sizeof hopeless / sizeof *hopeless; ++i) {
        const pid_t pid = feed(hopeless[i].text, strlen(hopeless[i].text), 5);
        const outcome o = read_all(schema, "-", 10, NULL);
        waitpid(pid, NULL, 0);
        cr_assert_eq(o.opened == BP_OK, hopeless[i].says == NULL);
        if (hopeless[i].says) cr_assert(strstr(o.text, hopeless[i].says), "%s", o.text);
    }
    const outcome folder = read_all(schema, "/tmp", 10, NULL);
    cr_assert_neq(folder.opened, BP_OK);
    cr_assert_eq(read_all(schema, "/nowhere", 10, NULL).opened, BP_ERROR_IO);
    bp_schema_free(schema);
    bp_data_free(raw);
}

/* A row is bad in the middle of many: the others come, all of them, and what is kept beside them.
 */
Test(rows, columns_are_kept)
{
    bp_data *raw;
    bp_schema *schema = make_schema(&raw);
    char text[32000] = "a,id,b,colour\n";
    size_t rows = 0;
    for (int i = 1; i <= 900; ++i) {
        char line[64];
        snprintf(line, sizeof line, i % 100 == 50 ? "%d,bad,x,red\n" : "%d,%d,7,red\n", i,
                 (int)rows + 1);
        rows += i % 100 != 50;
        strcat(text, line);
    }
    for (size_t most = 7; most < 1000; most *= 12) {
        const pid_t pid = feed(text, strlen(text), 611);
        const outcome o = read_all(schema, "-", most, "id");
        waitpid(pid, NULL, 0);
        cr_assert(o.rows == rows && o.errors == 9, "%zu rows, %zu errors: %s", o.rows, o.errors,
                  o.text);
    }
    const pid_t pid = feed(text, strlen(text), 611);
    const outcome o = read_all(schema, "-", 10, "nothing");
    waitpid(pid, NULL, 0);
    cr_assert_eq(o.opened, BP_ERROR_DATA);
    cr_assert(strstr(o.text, "no column \"nothing\""), "%s", o.text);
    bp_schema_free(schema);
    bp_data_free(raw);
}

/* A row that is longer than what is read at once, and a pipe that is packed, which is read as a
 * whole. */
Test(rows, longer_than_a_block)
{
    enum { LONG = 3 << 20 };
    bp_data *raw;
    bp_schema *schema = make_schema(&raw);
    char *text = malloc(LONG + 100);
    const int begin = sprintf(text, "a,b,colour\n1,2,red\n3,4,\"");
    memset(text + begin, 'x', LONG);
    strcpy(text + begin + LONG, "\"\n5,6,red\n");
    pid_t pid = feed(text, strlen(text), 60000);
    outcome o = read_all(schema, "-", 1000, NULL);
    waitpid(pid, NULL, 0);
    cr_assert(o.rows == 3 && o.errors == 0, "%zu rows, %s", o.rows, o.text);
    char path[] = "/tmp/backprop-rows-XXXXXX";
    close(mkstemp(path));
    gzFile packed = gzopen(path, "wb1");
    gzwrite(packed, "a,b,colour\n", 11);
    unsigned seed = 1;
    for (int i = 0; i < 1000; ++i) {
        char junk[3000];
        for (size_t k = 0; k < sizeof junk; ++k)
            junk[k] = (char)('a' + ((seed = seed * 1664525u + 1013904223u) >> 24) % 26);
        gzprintf(packed, "%d,%d,%.2990s\n", i, i, junk);
    }
    gzclose(packed);
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(LONG);
    const size_t size = fread(bytes, 1, LONG, file);
    fclose(file);
    unlink(path);
    cr_assert_gt(size, 1 << 20);
    pid = feed(bytes, size, 60000);
    o = read_all(schema, "-", 1000, NULL);
    waitpid(pid, NULL, 0);
    cr_assert(o.rows == 1000 && o.errors == 0, "%zu rows, %s", o.rows, o.text);
    free(bytes);
    free(text);
    bp_schema_free(schema);
    bp_data_free(raw);
}

static void write_packed(const char *path, const char *text, size_t size, const char *mode)
{
    gzFile packed = gzopen(path, mode);
    cr_assert_eq(gzwrite(packed, text, (unsigned)size), (int)size);
    gzclose(packed);
}

/* A gzip file is unpacked as it is read, and gives what the file in it gives. */
Test(rows, packed_files)
{
    bp_data *raw;
    bp_schema *schema = make_schema(&raw);
    char path[] = "/tmp/backprop-rows-XXXXXX";
    close(mkstemp(path));
    for (size_t i = 0; i < sizeof good / sizeof *good; ++i) {
        write_packed(path, good[i], strlen(good[i]), "wbT"); /* as it stands */
        const outcome plain = read_all(schema, path, 2, NULL);
        write_packed(path, good[i], strlen(good[i]), "wb");
        const outcome packed = read_all(schema, path, 2, NULL);
        cr_assert_eq(memcmp(&packed, &plain, sizeof packed), 0, "%zu: %s", i, packed.text);
    }
    /* Several fillings of the buffer; then the same without its end. */
    enum { ROWS = 900, ROW = 4000 };
    char *text = malloc(ROWS * ROW), *end = text + sprintf(text, "a,b,colour,id\n");
    for (int r = 0; r < ROWS; ++r) end += sprintf(end, "%d,2,%0*d,%d\n", r, ROW - 40, r, r + 1);
    write_packed(path, text, (size_t)(end - text), "wb1");
    outcome o = read_all(schema, path, 1000, "id");
    cr_assert(o.rows == ROWS && o.errors == 0 && o.blocks > 1, "%zu rows, %s", o.rows, o.text);
    struct stat about;
    cr_assert(stat(path, &about) == 0 && truncate(path, about.st_size / 2) == 0);
    o = read_all(schema, path, 1000, "id");
    cr_assert(o.rows > ROWS / 3 && o.rows < ROWS && o.broken, "%zu rows, %s", o.rows, o.text);
    cr_assert(strstr(o.text, "the gzip data ends too early"), "%s", o.text);
    unlink(path);
    free(text);
    bp_schema_free(schema);
    bp_data_free(raw);
}

/* Every truncation and some bit flips of a small file: an end in reasonable time, nothing else. */
Test(rows, damaged_files_end)
{
    bp_data *raw;
    bp_schema *schema = make_schema(&raw);
    const char *text = good[1];
    char path[] = "/tmp/backprop-rows-XXXXXX", damaged[256];
    close(mkstemp(path));
    for (size_t i = 0; i < strlen(text) * 9; ++i) {
        const size_t at = i / 9, size = i % 9 == 8 ? at : strlen(text);
        memcpy(damaged, text, strlen(text));
        if (i % 9 < 8) damaged[at] = (char)(damaged[at] ^ 1 << i % 9);
        FILE *file = fopen(path, "wb");
        fwrite(damaged, 1, size, file);
        fclose(file);
        const outcome o = read_all(schema, path, 1000, NULL);
        cr_assert(o.opened != BP_OK ? *o.text != '\0' : o.rows + o.errors > 0);
    }
    unlink(path);
    bp_schema_free(schema);
    bp_data_free(raw);
}

static void check_predictor(const char *spec)
{
    const bp_layer layers[] = {{37, 65, BP_ACTIVATION_RELU, 1},
                               {65, 19, BP_ACTIVATION_TANH, 1},
                               {19, 5, BP_ACTIVATION_SOFTMAX, 1}};
    enum { ROWS = 2500 };
    static float x[ROWS * 37], all[ROWS * 5], y[ROWS * 5];
    bp_model_options how = bp_model_options_default();
    how.loss = BP_LOSS_CROSS_ENTROPY;
    bp_model *model;
    bp_device *device;
    bp_predictor *predictor;
    cr_assert_eq(bp_model_create_layers(&model, layers, 3, &how), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_device_open(&device, spec), BP_OK);
    for (size_t i = 0; i < sizeof x / sizeof *x; ++i) x[i] = (float)sin((double)i);
    cr_assert_eq(bp_predictor_create(&predictor, model, device), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_predict(model, device, x, ROWS, all), BP_OK);
    const size_t sizes[] = {1, 2, 3, 7, 64, 65, 1023, 1024, 1025, 2500, 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        const size_t rows = sizes[i], from = ROWS - rows;
        memset(y, 0, sizeof y);
        cr_assert_eq(bp_predictor_run(predictor, x + from * 37, rows, y), BP_OK);
        cr_assert_arr_eq(y, all + from * 5, rows * 5 * sizeof *y, "%s, %zu rows", spec, rows);
        cr_assert(rows == ROWS || y[rows * 5] == 0, "written beyond its end");
    }
    cr_assert_eq(bp_predictor_run(predictor, x, 0, y), BP_OK);
    bp_predictor_free(predictor);
    bp_device_free(device);
    bp_model_free(model);
}

Test(rows, neighbours_do_not_matter)
{
    check_predictor("reference");
    check_predictor("auto");
}

Test(rows, wrong_arguments)
{
    bp_rows *rows;
    bp_predictor *predictor;
    const bp_data *block;
    const char *none = NULL;
    float y[1];
    cr_assert_eq(bp_rows_open(NULL, NULL, NULL, 0, NULL, 0, 0), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_rows_open(&rows, &none, NULL, 1, NULL, 0, 0), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_rows_next(&block, NULL, 1), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_predictor_create(&predictor, NULL, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_predictor_run(NULL, y, 1, y), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_rows_kept_count(NULL), 0);
    bp_rows_free(NULL);
    bp_predictor_free(NULL);
}
