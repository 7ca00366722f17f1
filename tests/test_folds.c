/* test_folds.c - parts for cross-validation: every row once, classes in proportion, by seed. */
#include <stdlib.h>

#include "data/data.h"
#include "support.h"

/* rows raw rows whose only number is the row's own; class c of sizes[c] rows. */
static bp_data *rows_of(const size_t *sizes, size_t classes, size_t *rows)
{
    char path[] = "/tmp/backprop-folds-XXXXXX";
    const int handle = mkstemp(path);
    cr_assert_geq(handle, 0);
    FILE *file = fdopen(handle, "w");
    *rows = 0;
    fputs("x,kind\n", file);
    for (size_t c = 0; c < classes; ++c)
        for (size_t i = 0; i < sizes[c]; ++i) fprintf(file, "%zu.5,kind %zu\n", (*rows)++, c);
    fclose(file);
    bp_data *data;
    OK(bp_data_load(&data, path, NULL));
    remove(path);
    return data;
}

static size_t number_of(const bp_data *data, size_t row)
{
    return (size_t)data->columns[0].number[row];
}

/* Which rows a part has, as marks; how many of the rows [from, to) of a class. */
static size_t mark(char *marks, const bp_data *part, size_t from, size_t to)
{
    size_t count = 0;
    for (size_t r = 0; r < part->rows; ++r) {
        const size_t n = number_of(part, r);
        ++marks[n];
        count += n >= from && n < to;
    }
    return count;
}

Test(folds, every_row_once)
{
    const size_t sizes[] = {23, 7, 50, 2}, folds[] = {2, 3, 5, 10};
    for (size_t f = 0; f < 4; ++f) {
        size_t rows, least = SIZE_MAX, most = 0;
        bp_data *data = rows_of(sizes, 4, &rows), *training, *held;
        char *seen = calloc(rows, 1), *trained = calloc(rows, 1);
        for (size_t k = 0; k < folds[f]; ++k) {
            OK(bp_data_fold(&training, &held, data, folds[f], k, 7));
            cr_assert_eq(training->rows + held->rows, rows);
            const size_t third = mark(seen, held, 30, 80); /* of 50 rows */
            cr_assert(third == 50 / folds[f] || third == 50 / folds[f] + 1, "%zu", third);
            mark(trained, training, 0, 0);
            least = held->rows < least ? held->rows : least;
            most = held->rows > most ? held->rows : most;
            bp_data_free(training);
            bp_data_free(held);
        }
        cr_assert_leq(most - least, 1);
        for (size_t r = 0; r < rows; ++r) {
            cr_assert_eq(seen[r], 1);
            cr_assert_eq(trained[r], folds[f] - 1);
        }
        free(seen);
        free(trained);
        bp_data_free(data);
    }
}

Test(folds, seeds)
{
    const size_t sizes[] = {40, 40};
    size_t rows;
    bp_data *data = rows_of(sizes, 2, &rows), *training, *held[3];
    for (uint64_t i = 0; i < 3; ++i) {
        OK(bp_data_fold(&training, &held[i], data, 4, 1, i / 2));
        bp_data_free(training);
    }
    bool same = true, other = true;
    for (size_t r = 0; r < held[0]->rows; ++r) {
        same &= number_of(held[0], r) == number_of(held[1], r);
        other &= number_of(held[0], r) == number_of(held[2], r);
    }
    cr_assert(same && !other);
    for (int i = 0; i < 3; ++i) bp_data_free(held[i]);
    bp_data_free(data);
}

/* A class of one row is trained on always: nothing can be said of it that was not seen. */
Test(folds, a_single_row_stays)
{
    const size_t sizes[] = {1, 9};
    size_t rows;
    bp_data *data = rows_of(sizes, 2, &rows), *training, *held;
    for (size_t k = 0; k < 3; ++k) {
        OK(bp_data_fold(&training, &held, data, 3, k, 7));
        cr_assert_eq(held->rows, 3);
        cr_assert_eq(number_of(training, 0), 0);
        bp_data_free(training);
        bp_data_free(held);
    }
    bp_data_free(data);
    const size_t lonely[] = {1, 1, 1};
    data = rows_of(lonely, 3, &rows);
    cr_assert_eq(bp_data_fold(&training, &held, data, 2, 0, 7), BP_ERROR_ARGUMENT);
    cr_assert_null(training);
    cr_assert_null(held);
    cr_assert_eq(bp_data_fold(&training, &held, data, 1, 0, 7), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_data_fold(&training, &held, data, 2, 2, 7), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_data_fold(&training, &held, data, 4, 0, 7), BP_ERROR_ARGUMENT);
    bp_data_free(data);
}
