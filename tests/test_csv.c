/* test_csv.c - the CSV reader: what good files mean, and how they come in. */
#include "data_support.h"

#include <math.h>

/* ---- good files ---- */

/* The same table in every dress. */
Test(csv, spellings_of_one_table)
{
    const char *const lines[] = {"a,b,t", "1,x,0.5", "2,,1.5", "-3e2,y z,2.5"};
    for (int variant = 0; variant < 3 * 3 * 2 * 2 * 2 * 2; ++variant) {
        int v = variant;
        const char delimiter = ",;\t"[v % 3];
        const char *newline = ((const char *const[]){"\n", "\r\n", "\r"})[(v /= 3) % 3];
        bool mark = (v /= 3) % 2, last = (v /= 2) % 2, blank = (v /= 2) % 2, quoted = v / 2 % 2;
        char text[256] = "";
        if (mark) strcat(text, "\xEF\xBB\xBF");
        for (int i = 0; i < 4; ++i) {
            for (const char *c = lines[i]; *c; ++c) {
                char cell[2] = {*c == ',' ? delimiter : *c, 0};
                if (quoted && (c == lines[i] || c[-1] == ',')) strcat(text, "\"");
                if (quoted && *c == ',') strcat(text, "\"");
                strcat(text, cell);
            }
            if (quoted) strcat(text, "\"");
            if (i < 3 || last) strcat(text, newline);
        }
        if (blank) strcat(text, newline), strcat(text, newline);
        bp_data *data = must_load(text, NULL);
        bp_data_info info = bp_data_get_info(data);
        cr_assert_eq(info.rows, 3, "variant %d: %zu rows", variant, info.rows);
        cr_assert_eq(info.columns, 2);
        cr_assert_eq(info.missing, 1);
        cr_assert_eq(info.task, BP_TASK_REGRESS);
        cr_assert_eq(info.encoded, 0);
        cr_assert_str_eq(data->columns[0].name, "a", "variant %d", variant);
        expect_number(data, 0, 2, -300);
        expect_text(data, 1, 0, "x");
        expect_text(data, 1, 1, NULL);
        expect_text(data, 1, 2, "y z");
        expect_number(data, 2, 1, 1.5);
        cr_assert_eq(data->line[2], 4);
        bp_data_free(data);
    }
}

Test(csv, quotes)
{
    bp_data *data = must_load("name,t\n\"a,b\",1.5\n\"say \"\"hi\"\"\",2\n\"two\nlines\",3\n"
                              " \"pad\" ,4\n5\" x 6\",5\n\"\",6\n\"a,b\",7\n",
                              NULL);
    expect_text(data, 0, 0, "a,b");
    expect_text(data, 0, 1, "say \"hi\"");
    expect_text(data, 0, 2, "two\nlines");
    expect_text(data, 0, 3, "pad");
    expect_text(data, 0, 4, "5\" x 6\"");
    expect_text(data, 0, 5, NULL);
    cr_assert_eq(data->columns[0].text[0], data->columns[0].text[6]);
    cr_assert_eq(data->line[2], 4);
    cr_assert_eq(data->line[3], 6, "a quoted newline counts as a line");
    bp_data_free(data);
}

Test(csv, missing_cells)
{
    bp_data *data = must_load("a,b,t\n1,x,0.5\n?,NA,1.5\nNaN,null,2.5\n,,3.5\nnull,?,4.25\n", NULL);
    for (size_t r = 1; r < 5; ++r) {
        expect_number(data, 0, r, NAN);
        expect_text(data, 1, r, NULL);
    }
    cr_assert_eq(bp_data_get_info(data).missing, 8);
    expect_contains(bp_data_warnings(data), "8 missing cells in a, b");
    bp_data_free(data);
}

Test(csv, header_is_found)
{
    const struct {
        const char *text;
        int header;
        size_t rows;
    } cases[] = {
        {"a,b\n1,2\n3,4\n", 1, 2},
        {"1,2\n3,4\n", 0, 2},
        {"a,b\nx,2\ny,4\n", 1, 2},
        {"x,2\ny,4\n", 0, 2},
        {",b\n0,2\n1,4\n", 1, 2},
        {"?,b\n0,2\n1,4\n", 0, 3},
        {"c,l\nred,yes\nblue,no\n", 1, 2},
        {"red,yes\nblue,no\nred,no\n", 0, 3},
        {"2019,2020\n1,2\n", 0, 2},
        {"a,\n1,2\n", 1, 1},
        {"x,y\n?,2\n", 1, 1},
        {"inf,a\n1,2\n", 0, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp_load_options options = bp_load_options_default();
        bp_data *data;
        bp_status status = load_text(&data, cases[i].text, &options);
        if (status != BP_OK) {
            expect_contains(bp_last_error(), i == 11 ? "finite" : "missing");
            continue;
        }
        cr_assert_eq(data->rows, cases[i].rows, "case %zu: %zu rows", i, data->rows);
        cr_assert_eq(strcmp(data->columns[1].name, "column_2") != 0,
                     cases[i].header && strncmp(cases[i].text, "a,\n", 3) != 0, "case %zu", i);
        bp_data_free(data);
    }
    bp_data *data = must_load("c,l\nred,yes\nblue,no\n", NULL);
    expect_contains(bp_data_warnings(data), "line 1 was taken as the header");
    bp_data_free(data);
    bp_load_options options = bp_load_options_default();
    options.header = 0;
    data = must_load("c,l\nred,yes\nblue,no\n", &options);
    cr_assert_eq(data->rows, 3);
    bp_data_free(data);
    options.header = 1;
    data = must_load("2019,2020\n1,2\n", &options);
    cr_assert_str_eq(data->columns[0].name, "2019");
    cr_assert_eq(data->rows, 1);
    bp_data_free(data);
}

Test(csv, delimiter_is_found)
{
    bp_data *data = must_load("a;b\n\"1,x\";x\n2,z;y,z\n", NULL);
    expect_text(data, 0, 1, "2,z");
    bp_data_free(data);
    /* Every row has one comma and one semicolon more often than columns: decimal commas. */
    expect_bad_csv("a;b;t\n1,5;2,5;1,25\n2,5;3,5;2,25\n", NULL, "line 2|\"a\"|1,5|decimal comma");
    expect_bad_csv("1,5;2,5;1,25\n2,5;3,5;2,25\n", NULL, "line 1|decimal comma");
    data = must_load("text;more,t\nx;y,1\nz,2\n", NULL); /* the comma is regular, ; is not */
    cr_assert_eq(data->column_count, 1);
    expect_text(data, 0, 0, "x;y");
    bp_data_free(data);
    bp_load_options options = bp_load_options_default();
    options.delimiter = ';';
    data = must_load("a,b;t\n1,x;2\n2,x;4\n", &options);
    cr_assert_str_eq(data->columns[0].name, "a,b");
    bp_data_free(data);
    data = must_load("\"a;x\",t\n\"b;y\",1.5\n\"c;z\",2.5\n", NULL);
    expect_text(data, 0, 1, "c;z");
    bp_data_free(data);
}

Test(csv, names_are_made_different)
{
    bp_data *data = must_load("a,,a,column_2,column_5,t\n1,2,3,4,5,6.5\n1,3,4,5,6,7.5\n", NULL);
    const char *const names[] = {"a", "column_2", "column_3", "column_4", "column_5", "t"};
    for (size_t k = 0; k < 6; ++k) cr_assert_str_eq(data->columns[k].name, names[k]);
    expect_contains(bp_data_warnings(data), "column 3 has the name \"a\"");
    bp_data_free(data);
    data = must_load("column_2,column_2,column_2_,t\n1,2,3,4.5\n2,3,4,5.5\n", NULL);
    cr_assert_str_eq(data->columns[1].name, "column_2_");
    cr_assert_str_eq(data->columns[2].name, "column_3");
    bp_data_free(data);
}

Test(csv, warnings_of_constant_and_empty_columns)
{
    bp_data *data = must_load("a,b,c,d,t\n1,?,x,1,1.5\n1,,x,2,2.5\n1,NA,,3,3.5\n", NULL);
    expect_contains(bp_data_warnings(data), "2 columns have the same value in every row and tell "
                                            "nothing: a, c\n");
    expect_contains(bp_data_warnings(data), "column b has no values");
    bp_data_free(data);
    char path[256];
    snprintf(path, sizeof path, "%s/data/digits.csv", BACKPROP_SOURCE_DIR);
    cr_assert_eq(bp_data_load(&data, path, NULL), BP_OK, "%s", bp_last_error());
    bp_data_info info = bp_data_get_info(data);
    cr_assert_eq(info.rows, 1797);
    cr_assert_eq(info.columns, 64);
    cr_assert_eq(info.task, BP_TASK_CLASSIFY);
    const char *warnings = bp_data_warnings(data), *first = strchr(warnings, '\n');
    cr_assert_not_null(first);
    cr_assert_str_eq(first, "\n", "more than one line: %s", warnings);
    bp_data_free(data);
    snprintf(path, sizeof path, "%s/data/iris.csv", BACKPROP_SOURCE_DIR);
    cr_assert_eq(bp_data_load(&data, path, NULL), BP_OK, "%s", bp_last_error());
    info = bp_data_get_info(data);
    cr_assert_eq(info.rows, 150);
    cr_assert_eq(info.columns, 4);
    cr_assert_eq(data->columns[4].words.count, 3);
    cr_assert_str_empty(bp_data_warnings(data));
    expect_number(data, 0, 149, 5.9);
    bp_data_free(data);
}

/* ---- types ---- */

/* numbers cells "7" and then texts cells "x", with a header and a target. */
static bp_status load_mixed(bp_data **data, int numbers, int texts)
{
    char text[4096] = "a,t\n";
    for (int i = 0; i < numbers; ++i) strcat(text, i % 2 ? "7,0.5\n" : "8,1.5\n");
    for (int i = 0; i < texts; ++i) strcat(text, i % 2 ? "x,0.25\n" : "y,1.25\n");
    return load_text(data, text, NULL);
}

Test(types, a_stray_text_is_an_error_in_a_column_of_numbers)
{
    bp_data *data;
    expect_error(load_mixed(&data, 9, 1), BP_ERROR_DATA,
                 "line 11|column \"a\"|\"y\" is not a number|9 of the column's 10|empty or ?");
    expect_error(load_mixed(&data, 90, 10), BP_ERROR_DATA, "line 92");
    cr_assert_eq(load_mixed(&data, 89, 11), BP_OK);
    cr_assert_eq(data->columns[0].kind, BP__COLUMN_TEXT);
    expect_text(data, 0, 0, "8");
    bp_data_free(data);
    cr_assert_eq(load_mixed(&data, 8, 1), BP_OK, "nine cells are too few to be sure");
    cr_assert_eq(data->columns[0].kind, BP__COLUMN_TEXT);
    bp_data_free(data);
    cr_assert_eq(load_mixed(&data, 20, 0), BP_OK);
    cr_assert_eq(data->columns[0].kind, BP__COLUMN_NUMBER);
    bp_data_free(data);
}

Test(types, infinite_numbers)
{
    expect_bad_csv("a,t\n1,2\ninf,3\n", NULL, "line 3|column \"a\"|inf|finite");
    expect_bad_csv("a,t\n1,2\n2,1e999\n", NULL, "line 3|column \"t\"|1e999");
    expect_bad_csv("a,t\n-Infinity,2\n2,1\n", NULL, "line 2");
    bp_data *data = must_load("a,t\ninf,2\nzip,1\n", NULL); /* words */
    expect_text(data, 0, 0, "inf");
    bp_data_free(data);
}

/* ---- targets and tasks ---- */

static void expect_targets(const char *target, const char *names)
{
    bp_load_options options = bp_load_options_default();
    options.target = target;
    bp_data *data = must_load("a,b,\"c,d\",e\n1,2.5,3.5,4\n2,3.5,4.5,5\n", &options);
    char found[128] = "";
    for (size_t k = 0; k < data->target_count; ++k) {
        if (k) strcat(found, "|");
        strcat(found, bp__data_target(data, k)->name);
    }
    cr_assert_str_eq(found, names, "%s: %s", target ? target : "NULL", found);
    cr_assert_eq(data->column_count + data->target_count, 4);
    bp_data_free(data);
}

Test(targets, are_found)
{
    expect_targets(NULL, "e");
    expect_targets("a", "a");
    expect_targets("1", "a");
    expect_targets("-1", "e");
    expect_targets("-4", "a");
    expect_targets("c,d", "c,d");
    expect_targets("a,b", "a|b");
    expect_targets("b, a ,-1", "b|a|e");
    bp_load_options options = bp_load_options_default();
    options.target = "2";
    bp_data *data = must_load("2,x\n1,5.5\n0,6.5\n", &options);
    cr_assert_eq(data->columns[0].position, 0); /* no header: the second column */
    cr_assert_eq(bp__data_target(data, 0)->position, 1);
    bp_data_free(data);
    options.header = 1;
    data = must_load("2,x\n1,5.5\n0,6.5\n", &options);
    cr_assert_eq(bp__data_target(data, 0)->position, 0, "a name goes before a number");
    bp_data_free(data);
}

Test(targets, errors)
{
    const char *text = "length,width,species\n1,2,a\n3,4,b\n";
    bp_load_options options = bp_load_options_default();
    const struct {
        const char *target, *words;
    } cases[] = {
        {"specis", "no column \"specis\"|did you mean \"species\"|length, width, species"},
        {"zzz", "no column \"zzz\"|length, width, species"},
        {"4", "no column 4|1 to 3"},
        {"0", "no column 0"},
        {"-4", "no column -4"},
        {"99999999999999999999", "no column"},
        {"length,length", "\"length\" is named twice"},
        {"1,-3", "\"length\" is named twice"},
        {"length,", "no column \"\""},
        {"1,2,3", "all columns are targets"},
        {"1,2,3,1,2,3", "6 columns are named"},
        {"1,3", "\"species\"|holds texts|several targets"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        options.target = cases[i].target;
        expect_bad_csv(text, &options, cases[i].words);
    }
    expect_bad_csv("a\n1\n2\n", NULL, "only one column");
    options.target = NULL;
    options.task = BP_TASK_REGRESS;
    expect_bad_csv(text, &options, "\"species\"|holds texts|regression");
    options.task = BP_TASK_CLASSIFY;
    options.target = "1,2";
    expect_bad_csv(text, &options, "one target column, 2 are named");
    expect_bad_csv("a,t\n1,x\n2,?\n3,y\n", NULL, "line 3|target (column \"t\") is missing");
    expect_bad_csv("a,t\n1,0.5\n2,2\n3,NaN\n", NULL, "line 4|target (column \"t\") is missing");
}

static int32_t task_of(int rows, int distinct, double step, int32_t task)
{
    char text[8192] = "a,t\n", line[64];
    for (int i = 0; i < rows; ++i) {
        snprintf(line, sizeof line, "%d,%g\n", i, i % distinct * step);
        strcat(text, line);
    }
    bp_load_options options = bp_load_options_default();
    options.task = task;
    bp_data *data = must_load(text, &options);
    int32_t found = data->task;
    bp_data_free(data);
    return found;
}

Test(targets, task_is_found)
{
    cr_assert_eq(task_of(4, 2, 1, BP_TASK_AUTO), BP_TASK_CLASSIFY);
    cr_assert_eq(task_of(14, 3, 1, BP_TASK_AUTO), BP_TASK_REGRESS);
    cr_assert_eq(task_of(15, 3, 1, BP_TASK_AUTO), BP_TASK_CLASSIFY);
    cr_assert_eq(task_of(100, 20, 1, BP_TASK_AUTO), BP_TASK_CLASSIFY);
    cr_assert_eq(task_of(105, 21, 1, BP_TASK_AUTO), BP_TASK_REGRESS);
    cr_assert_eq(task_of(100, 3, 0.5, BP_TASK_AUTO), BP_TASK_REGRESS);
    cr_assert_eq(task_of(100, 3, 10, BP_TASK_AUTO), BP_TASK_CLASSIFY);
    cr_assert_eq(task_of(100, 3, 0.5, BP_TASK_CLASSIFY), BP_TASK_CLASSIFY);
    cr_assert_eq(task_of(100, 3, 1, BP_TASK_REGRESS), BP_TASK_REGRESS);
    bp_data *data = must_load("a,t\n1,x\n2,y\n", NULL);
    cr_assert_eq(data->task, BP_TASK_CLASSIFY);
    bp_data_free(data);
}

/* ---- other ways in ---- */

Test(csv, gzip)
{
    const char text[] = "a,t\n1,x\n2,y\n";
    bp_data *data;
    write_gzip(in_folder("t.csv.gz"), text, sizeof text - 1);
    cr_assert_eq(bp_data_load(&data, in_folder("t.csv.gz"), NULL), BP_OK, "%s", bp_last_error());
    expect_number(data, 0, 1, 2);
    bp_data_free(data);
    /* Two members, as gzip a >> f leaves them. */
    size_t size;
    char *bytes = read_bytes(in_folder("t.csv.gz"), &size), *twice = malloc(2 * size + 4);
    memcpy(twice, bytes, size);
    write_gzip(in_folder("more.gz"), "3,x\n", 4);
    size_t more_size;
    char *more = read_bytes(in_folder("more.gz"), &more_size);
    memcpy(twice + size, more, more_size);
    write_bytes(in_folder("two.gz"), twice, size + more_size);
    cr_assert_eq(bp_data_load(&data, in_folder("two.gz"), NULL), BP_OK, "%s", bp_last_error());
    cr_assert_eq(data->rows, 3);
    bp_data_free(data);
    memcpy(twice + size, "junk", 4);
    write_bytes(in_folder("two.gz"), twice, size + 4);
    expect_error(bp_data_load(&data, in_folder("two.gz"), NULL), BP_ERROR_DATA, "follows the gzip");
    write_bytes(in_folder("two.gz"), twice, size - 3);
    expect_error(bp_data_load(&data, in_folder("two.gz"), NULL), BP_ERROR_DATA, "cut off");
    free(bytes);
    free(more);
    free(twice);
}

/* 300 MB of commas in 300 kB: refused at the bound, well before the memory is full. */
Test(csv, gzip_that_explodes)
{
    const size_t size = (size_t)300 << 20;
    char *bytes = malloc(size);
    memset(bytes, ',', size);
    write_gzip(in_folder("bomb.gz"), bytes, size);
    free(bytes);
    limit_memory();
    bp_data *data;
    expect_error(bp_data_load(&data, in_folder("bomb.gz"), NULL), BP_ERROR_DATA, "expands to more");
}

Test(csv, standard_input)
{
    write_bytes(in_folder("in"), "a,t\n1,x\n2,y\n3,", 15);
    cr_assert_not_null(freopen(in_folder("in"), "rb", stdin));
    bp_data *data;
    expect_error(bp_data_load(&data, "-", NULL), BP_ERROR_DATA, "standard input, line 4");
}

Test(csv, wide_and_long)
{
    const size_t columns = 5000;
    char *text = malloc(columns * 2 * 10 + 1), *s = text;
    for (int r = 0; r < 10; ++r)
        for (size_t k = 0; k < columns; ++k) {
            *s++ = (char)('0' + (k + (size_t)r) % 10);
            *s++ = k + 1 < columns ? ',' : '\n';
        }
    *s = '\0';
    bp_data *data = must_load(text, NULL);
    cr_assert_eq(data->rows, 10);
    for (size_t k = 0; k < columns; ++k) expect_number(data, k, 3, (double)((k + 3) % 10));
    bp_data_free(data);
    free(text);
    /* A transposed file. */
    const size_t many = ((size_t)1 << 18) + 2;
    text = malloc(2 * many + 1);
    for (size_t k = 0; k < many; ++k) memcpy(text + 2 * k, "1,", 2);
    text[2 * many] = '\0';
    expect_bad_csv(text, NULL, "columns, at most|transposed");
    free(text);
}

/* Hundreds of words that begin alike, in an order in which one seldom follows itself: none is taken
 * for another that was just met. */
Test(csv, words_that_begin_alike)
{
    enum { WORDS = 317, ROWS = 4000 };
    char *text = malloc(ROWS * 32 + 16), *end = text + sprintf(text, "name,t\n"), word[32];
    for (int r = 0; r < ROWS; ++r) end += sprintf(end, "category%d,%d.5\n", r * r % WORDS, r);
    bp_data *data = must_load(text, NULL);
    for (int r = 0; r < ROWS; ++r) {
        sprintf(word, "category%d", r * r % WORDS);
        expect_text(data, 0, (size_t)r, word);
    }
    bp_data_free(data);
    free(text);
}
