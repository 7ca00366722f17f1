/* test_ignore.c - columns that name the rows: they are noticed, in memory as in a stream, and can
 * be left out, after which files with and without them can be read for the model. */
#define _XOPEN_SOURCE 700
#include <unistd.h>

#include "data/data.h"
#include "data/stream.h"
#include "support.h"

enum { ROWS = 60 };

static char path[] = "/tmp/backprop-ignore-XXXXXX";

static void make_file(void)
{
    const int handle = mkstemp(path);
    cr_assert_geq(handle, 0);
    close(handle);
}

static void remove_file(void)
{
    remove(path);
}

TestSuite(ignore, .init = make_file, .fini = remove_file, .timeout = 60);

/* What of a row the file has, a letter each: i its number, n a name, a and b features, y the class.
 * The numbers do not ascend. */
static void write_rows(const char *cells, bool header)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    for (const char *c = cells; header && *c; ++c) fprintf(file, "%s%c", c > cells ? "," : "", *c);
    if (header) fputc('\n', file);
    for (int r = 0; r < ROWS; ++r) {
        for (const char *c = cells; *c; ++c) {
            if (c > cells) fputc(',', file);
            if (*c == 'i') fprintf(file, "%d", 100 + r * 7 % ROWS);
            if (*c == 'n') fprintf(file, "name %d", r);
            if (*c == 'a') fprintf(file, "%.6g", sin(r));
            if (*c == 'b') fprintf(file, "%.6g", cos(3 * r));
            if (*c == 'y') fputs(sin(r) > 0 ? "up" : "down", file);
        }
        fputc('\n', file);
    }
    fclose(file);
}

static bp_load_options options_for(const char *ignore, int32_t stream, bool header)
{
    bp_load_options options = bp_load_options_default();
    options.ignore = ignore;
    options.stream = stream;
    options.header = header;
    return options;
}

Test(ignore, row_numbers_are_noticed)
{
    for (int32_t stream = 0; stream < 2; ++stream) {
        const bp_load_options options = options_for(NULL, stream, true);
        bp_data *data;
        write_rows("iaby", true);
        OK(bp_data_load(&data, path, &options));
        cr_assert(strstr(bp_data_warnings(data), "column i numbers the rows"), "%s",
                  bp_data_warnings(data));
        cr_assert(strstr(bp_data_warnings(data), "the option ignore"));
        bp_data_free(data);
        write_rows("aby", true);
        OK(bp_data_load(&data, path, &options));
        cr_assert_str_empty(bp_data_warnings(data));
        bp_data_free(data);
    }
}

/* Numbers that come twice, that leave one out, or that have a fraction, say something. */
Test(ignore, other_numbers_are_not)
{
    const struct {
        const char *format;
        int step, fault; /* the row that breaks it, which is the one before plus half or itself */
    } cases[] = {{"%g,%g,%s\n", 1, 30}, {"%g,%g,%s\n", 2, -1}, {"%g.5,%g,%s\n", 1, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        for (int32_t stream = 0; stream < 2; ++stream) {
            const bp_load_options options = options_for(NULL, stream, false);
            FILE *file = fopen(path, "w");
            for (int r = 0; r < ROWS; ++r)
                fprintf(file, cases[i].format,
                        (double)(cases[i].step * (r == cases[i].fault ? r - 1 : r)), sin(r),
                        r % 3 ? "x" : "y");
            fclose(file);
            bp_data *data;
            OK(bp_data_load(&data, path, &options));
            cr_assert_null(strstr(bp_data_warnings(data), "numbers the rows"), "case %d: %s",
                           (int)i, bp_data_warnings(data));
            bp_data_free(data);
        }
}

/* In pairs that cancel each other the sum is that of row numbers, and the cells are not. */
Test(ignore, cells_decide_where_they_are)
{
    FILE *file = fopen(path, "w");
    for (int r = 0; r < ROWS; ++r)
        fprintf(file, "%d,%g,%s\n", r == 10 ? 11 : r == 40 ? 39 : r, sin(r), r % 3 ? "x" : "y");
    fclose(file);
    const bp_load_options options = options_for(NULL, 0, false);
    bp_data *data;
    OK(bp_data_load(&data, path, &options));
    cr_assert_str_empty(bp_data_warnings(data));
    bp_data_free(data);
}

static bp_schema *learned(const char *cells, const char *ignore, int32_t stream, bool header)
{
    const bp_load_options options = options_for(ignore, stream, header);
    bp_data *data;
    bp_schema *schema;
    write_rows(cells, header);
    OK(bp_data_load(&data, path, &options));
    cr_assert_str_empty(bp_data_warnings(data));
    cr_assert_eq(bp_data_get_info(data).columns, 2);
    OK(bp_schema_learn(&schema, data));
    cr_assert_str_empty(bp_schema_warnings(schema));
    bp_data_free(data);
    return schema;
}

/* The fingerprint of what the schema makes of a file; empty where it is refused. */
static void encoded(char hash[33], const bp_schema *schema, const char *cells, bp_load_options how)
{
    bp_data *raw, *data;
    write_rows(cells, how.header);
    how.schema = schema;
    how.need_target = strchr(cells, 'y') != NULL;
    hash[0] = '\0';
    if (bp_data_load(&raw, path, &how) != BP_OK) return;
    OK(bp_schema_apply(&data, schema, raw));
    OK(bp_data_fingerprint(data, hash));
    bp_data_free(raw);
    bp_data_free(data);
}

Test(ignore, files_with_and_without_the_columns)
{
    const struct {
        const char *cells, *ignore;
        bool header, fits;
    } files[] = {
        {"inaby", NULL, true, true},   {"ybani", NULL, true, true}, {"aby", NULL, true, true},
        {"aby", "i,n", true, true},   /* by name, they need not be there */
        {"inaby", NULL, false, true}, /* by place, where the columns were */
        {"inaby", "1,2", false, true}, {"aby", NULL, false, false},
    };
    for (int32_t stream = 0; stream < 2; ++stream)
        for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
            char hash[33], wanted[33];
            bp_schema *schema =
                learned("inaby", files[i].header ? "i, n" : "1,2", stream, files[i].header);
            encoded(wanted, schema, "inaby", options_for(NULL, stream, files[i].header));
            cr_assert_str_not_empty(wanted);
            encoded(hash, schema, files[i].cells,
                    options_for(files[i].ignore, stream, files[i].header));
            cr_assert_str_eq(hash, files[i].fits ? wanted : "", "file %d: %s", (int)i,
                             bp_last_error());
            bp_schema_free(schema);
        }
}

/* Without a header and a target, a file as wide as features and target together is not mistaken. */
Test(ignore, the_place_counts_without_a_target)
{
    bp_schema *schema = learned("iaby", "1", 0, false);
    char with[33], without[33];
    encoded(with, schema, "iab", options_for(NULL, 0, false));
    encoded(without, schema, "iab", options_for("1", 0, false));
    cr_assert_str_not_empty(with);
    cr_assert_str_eq(with, without);
    bp_schema_free(schema);
}

Test(ignore, refusals)
{
    const struct {
        const char *ignore, *says;
    } cases[] = {{"y", "column \"y\" is the target"}, {"q", "there is no column \"q\""},
                 {"a,1", "is named twice"},           {"a,b", "targets or left out"},
                 {"9", "numbered from 1 to 3"},       {"a,b,a,b,y", "5 columns are named"}};
    write_rows("aby", true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        for (int32_t stream = 0; stream < 2; ++stream) {
            const bp_load_options options = options_for(cases[i].ignore, stream, true);
            bp_data *data;
            cr_assert_eq(bp_data_load(&data, path, &options), BP_ERROR_DATA);
            cr_assert(strstr(bp_last_error(), cases[i].says), "%s", bp_last_error());
        }
}
