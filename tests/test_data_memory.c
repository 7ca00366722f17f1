/* test_data_memory.c - the n-th allocation fails, for every n of the way from a file of each format
 * to encoded data: out of memory is said, and nothing leaks. */
#include "allocations.h"
#include "npy_support.h"

#include <jansson.h>

/* Everything once: load, review, split, learn, apply, copy, to JSON and back. */
static bp_status whole_way(const char *path, const char *labels)
{
    bp_data *data = NULL, *first = NULL, *second = NULL, *encoded = NULL;
    bp_schema *schema = NULL, *copy = NULL;
    char *json = NULL, *review = NULL;
    bp_load_options options = bp_load_options_default();
    options.labels = labels;
    bp_status status = bp_data_load(&data, path, &options);
    if (status == BP_OK) status = bp_data_review(&review, data); /* which describes, and counts */
    if (status == BP_OK) status = bp_data_split(&first, &second, data, 0.4, 1);
    if (status == BP_OK) status = bp_schema_learn(&schema, first);
    if (status == BP_OK) status = bp_schema_apply(&encoded, schema, second);
    if (status == BP_OK) status = bp_schema_to_json(&json, schema);
    if (status == BP_OK) status = bp_schema_from_json(&copy, json);
    bp_data_free(data);
    if (status == BP_OK) {
        data = NULL;
        options.schema = copy;
        status = bp_data_load(&data, path, &options);
        bp_data_free(data);
    }
    bp_data_free(first);
    bp_data_free(second);
    bp_data_free(encoded);
    bp_schema_free(schema);
    bp_schema_free(copy);
    free(json);
    free(review);
    return status;
}

static void check_every_allocation(const char *path, const char *labels)
{
    cr_assert_eq(whole_way(path, labels), BP_OK, "%s", bp_last_error());
    long n = 0;
    do {
        const long live_before = live;
        has_failed = 0;
        until_failure = n++;
        bp_status status = whole_way(path, labels);
        until_failure = -1;
        cr_assert_eq(status, has_failed ? BP_ERROR_MEMORY : BP_OK, "%s, allocation %ld: %s: %s",
                     path, n, bp_status_name(status), bp_last_error());
        cr_assert_eq(live, live_before, "%s, allocation %ld: %ld blocks are left", path, n,
                     live - live_before);
        cr_assert_lt(n, 100000);
    } while (has_failed);
    cr_assert_gt(n, 50, "only %ld allocations", n);
}

Test(memory, every_allocation_may_fail)
{
    /* Not those inside jansson 2.14: its lexer loses characters without a word when its buffer
     * cannot grow, which nobody outside can see. */
    json_set_alloc_funcs(__libc_malloc, __libc_free);
    const char text[] =
        "a,b,,b,c,t\n1,x,1,7,9,u\n2,?,2,7,9,v\n3,y,5,7,9,u\n4,q,6,7,9,v\n9,q,?,7,9,u\n";
    write_bytes(in_folder("a.csv"), text, sizeof text - 1);
    check_every_allocation(in_folder("a.csv"), NULL);
    write_gzip(in_folder("a.csv.gz"), text, sizeof text - 1);
    check_every_allocation(in_folder("a.csv.gz"), NULL);
    const char regression[] = "a;b;t\n1;x;1.5\n2;y;2.5\n3;x;3.5\n4;z;4.5\n";
    write_bytes(in_folder("r.csv"), regression, sizeof regression - 1);
    check_every_allocation(in_folder("r.csv"), NULL);
    write_bytes(in_folder("i"), "\0\0\x0B\2\0\0\0\4\0\0\0\1\0\1\0\2\0\3\0\4", 20);
    write_gzip(in_folder("l.gz"), "\0\0\x08\1\0\0\0\4\0\1\0\1", 12);
    check_every_allocation(in_folder("i"), in_folder("l.gz"));
    const double x[] = {1, 2, 3, 4, 5, 6, 7, 8}, y[] = {0, 1, 1, 0};
    const double one_hot[] = {0, 1, 1, 0, 1, 0, 0, 1};
    store_block("x.npy.gz", npy_matrix("f4", 4, 2, x));
    store_block("y.npy", npy_matrix("i8", 4, 2, one_hot));
    check_every_allocation(in_folder("x.npy.gz"), in_folder("y.npy"));
    store_block("a.npz", ZIP_OF(deflated("X.npy", npy_matrix("f4", 4, 2, x)),
                                stored("y.npy", npy_matrix("i8", 4, 0, y))));
    check_every_allocation(in_folder("a.npz"), NULL);
    const char fann[] = "4 1 2\n0\n1 0\n1\n0 1\n2\n1 0\n3\n0 1\n";
    write_bytes(in_folder("f.data"), fann, sizeof fann - 1);
    check_every_allocation(in_folder("f.data"), NULL);
    const char sparse[] = "1 1:2 3:1\n-1 2:1\n1\n-1 3:1\n";
    write_bytes(in_folder("s.txt"), sparse, sizeof sparse - 1);
    check_every_allocation(in_folder("s.txt"), NULL);
}
