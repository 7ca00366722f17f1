/* test_csv_wrong.c - CSV files that are wrong or damaged: each error names its place. */
#include "data_support.h"

#include <math.h>

/* ---- bad files ---- */

Test(bad, shapes)
{
    expect_bad_csv("", NULL, "is empty");
    expect_bad_csv("\n\n\r\n", NULL, "is empty");
    expect_bad_csv("\xEF\xBB\xBF", NULL, "is empty");
    expect_bad_csv("a,b\n", NULL, "no rows|line 1");
    expect_bad_csv("a,b\n1,2\n3,4,5\n", NULL, "line 3|3 cells found, 2 expected");
    expect_bad_csv("a,b\n1,2\n3\n5,6\n", NULL, "line 3|1 cells found, 2 expected");
    expect_bad_csv("a,b\n\"x\ny\",2\n3\n5,6\n", NULL, "line 4|1 cells found");
    expect_bad_csv("a,b\n1,2\n\n3,4\n", NULL, "line 3|blank line");
    expect_bad_csv("a,b\n1,2\n3,\"x\n4,5\n", NULL, "line 3|quote opens|never closed");
    expect_bad_csv("a,b\n1,2\n3,\"x\"y\n4,5\n", NULL, "line 3|after a closing quote");
    expect_bad_csv("a,b\n1,M\xFCller\n3,x\n", NULL, "line 2|\"b\"|UTF-8");
    expect_bad_csv("a,M\xFC\n1,2\n3,4\n", NULL, "line 1|column 2|UTF-8");
    expect_bad_csv("\xFF\xFE"
                   "a,b\n",
                   NULL, "UTF-16");
    expect_bad_csv("PK\3\4abcdefgh", NULL, "zip");
    expect_bad_csv("\x93NUMPY\1", NULL, "NPY");
}

Test(bad, nul_bytes_are_found_where_they_are)
{
    const char text[] = "a,b\n1,2\n3,\0\n4,5\n", quoted[] = "a,b\n1,2\n\"3\0\",4\n";
    bp_data *data;
    write_bytes(in_folder("nul"), text, sizeof text - 1);
    expect_error(bp_data_load(&data, in_folder("nul"), NULL), BP_ERROR_DATA,
                 "line 3|NUL byte at byte offset 10");
    write_bytes(in_folder("nul"), quoted, sizeof quoted - 1);
    expect_error(bp_data_load(&data, in_folder("nul"), NULL), BP_ERROR_DATA,
                 "line 3|NUL byte at byte offset 10");
    write_bytes(in_folder("nul"), "a,b\n1,2\n\"3\"\0", 12);
    expect_error(bp_data_load(&data, in_folder("nul"), NULL), BP_ERROR_DATA,
                 "NUL byte at byte offset 11");
}

Test(bad, paths)
{
    bp_data *data;
    expect_error(bp_data_load(&data, in_folder("none.csv"), NULL), BP_ERROR_IO, "none.csv");
    expect_error(bp_data_load(&data, "/dev/zero", NULL), BP_ERROR_IO, "not a regular file");
    expect_error(bp_data_load(&data, in_folder("."), NULL), BP_ERROR_IO, "train-images");
    expect_error(bp_data_load(&data, NULL, NULL), BP_ERROR_ARGUMENT, "path");
    expect_error(bp_data_load(NULL, "x", NULL), BP_ERROR_ARGUMENT, "out");
    mkfifo(in_folder("fifo"), 0600);
    expect_error(bp_data_load(&data, in_folder("fifo"), NULL), BP_ERROR_IO, "not a regular file");
}

Test(bad, options)
{
    bp_data *data;
    const char *path = in_folder("t.csv");
    write_bytes(path, "a,b\n1,2.5\n", 10);
    bp_load_options o = bp_load_options_default();
    cr_assert_eq(o.size, sizeof o);
    cr_assert_eq(o.header, -1);
    o.delimiter = '|';
    expect_error(bp_data_load(&data, path, &o), BP_ERROR_ARGUMENT, "delimiter");
    o = bp_load_options_default();
    o.task = 7;
    expect_error(bp_data_load(&data, path, &o), BP_ERROR_ARGUMENT, "task");
    o = bp_load_options_default();
    o.format = -1;
    expect_error(bp_data_load(&data, path, &o), BP_ERROR_ARGUMENT, "format");
    o = bp_load_options_default();
    o.header = 2;
    expect_error(bp_data_load(&data, path, &o), BP_ERROR_ARGUMENT, "header");
    o = bp_load_options_default();
    o.test_part = 1;
    expect_error(bp_data_load(&data, path, &o), BP_ERROR_ARGUMENT, "test part");
    o = bp_load_options_default();
    o.labels = "x";
    expect_error(bp_data_load(&data, path, &o), BP_ERROR_DATA, "is CSV|labels");
    o.format = BP_FORMAT_CSV;
    expect_error(bp_data_load(&data, path, &o), BP_ERROR_ARGUMENT, "labels");
    o = bp_load_options_default();
    o.size = 0;
    expect_error(bp_data_load(&data, path, &o), BP_ERROR_ARGUMENT, "size is 0");
    o = bp_load_options_default();
    o.format = BP_FORMAT_IDX;
    expect_error(bp_data_load(&data, path, &o), BP_ERROR_DATA, "byte 0|61 2c");
}

/* ---- damage ---- */

Test(damage, every_truncation_and_bit_flip)
{
    const char good[] =
        "size,colour,\"a \"\"b\"\"\",kind\r\n1.5,red,\"x,\ny\",one\r\n-2e3,?,z,two\r\n"
        "nan,\"blue\",é,one\r\n3,red,z,two\r\n4,red,z,one";
    size_t counts[16];
    limit_memory();
    mutate(use_bytes, good, sizeof good - 1, counts);
    cr_assert_gt(counts[BP_OK], 100);
    cr_assert_gt(counts[BP_ERROR_DATA], 100);
    const char numbers[] = "1,2,3\n4,5,6\n7,8,9\n";
    mutate(use_bytes, numbers, sizeof numbers - 1, counts);
    cr_assert_gt(counts[BP_ERROR_DATA], 10);
}

Test(damage, every_truncation_and_bit_flip_of_gzip)
{
    const char text[] = "a,t\n1,x\n2,y\n3,x\n";
    size_t size, counts[16];
    write_gzip(in_folder("good.gz"), text, sizeof text - 1);
    char *bytes = read_bytes(in_folder("good.gz"), &size);
    limit_memory();
    mutate(use_bytes, bytes, size, counts);
    /* Flips in the header's time, flags and system go unseen; all that is compressed is checked. */
    cr_assert_leq(counts[BP_OK], 8 * 7 + 1, "%zu", counts[BP_OK]);
    free(bytes);
}
