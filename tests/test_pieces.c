/* test_pieces.c - texts that several threads read piece by piece: the same data, the same words in
 * the same order, the same error, wherever the text is cut and however many threads there are. */
#include <stdatomic.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "data/csv.h"
#include "data_support.h"

TestSuite(pieces, .timeout = 300);

/* ---- the pipeline ---------------------------------------------------------------------------- */

enum { MOST_SLOTS = 9 };

/* Where something goes wrong: at item number fail_*. */
typedef struct line {
    size_t items, fail_take, fail_work, fail_keep;
    size_t taken, kept, held[MOST_SLOTS];
    atomic_size_t worked[1000], at_once, most;
} line;

static bp_status take(void *context, size_t slot, bool *there)
{
    line *l = context;
    *there = l->taken < l->items;
    if (l->taken == l->fail_take) return bp__fail(BP_ERROR_IO, "take %zu", l->taken);
    l->held[slot] = l->taken++;
    return BP_OK;
}

static bp_status work(void *context, size_t slot)
{
    line *l = context;
    const size_t item = l->held[slot], others = atomic_fetch_add(&l->at_once, 1);
    if (others > l->most) l->most = others;
    /* Neighbours take unlike times. */
    for (volatile size_t i = 0; i < item % 7 * 3000; ++i) {
    }
    ++l->worked[item];
    --l->at_once;
    return item >= l->fail_work ? bp__fail(BP_ERROR_DATA, "work %zu", item) : BP_OK;
}

static bp_status keep(void *context, size_t slot)
{
    line *l = context;
    cr_assert_eq(l->held[slot], l->kept, "item %zu came as number %zu", l->held[slot], l->kept);
    cr_assert_eq(l->worked[l->kept], 1);
    if (l->kept == l->fail_keep) return bp__fail(BP_ERROR_MEMORY, "keep %zu", l->kept);
    ++l->kept;
    return BP_OK;
}

static bp_status run(line *l, size_t threads, size_t slots)
{
    const bp__pipeline pipeline = {slots, take, work, keep};
    bp__thread_count = threads;
    return bp__pipeline_run(&pipeline, l);
}

static line *new_line(size_t items)
{
    line *l = calloc(1, sizeof *l);
    l->items = items;
    l->fail_take = l->fail_work = l->fail_keep = SIZE_MAX;
    return l;
}

Test(pieces, pipeline_keeps_the_order_and_loses_nothing)
{
    const size_t counts[] = {0, 1, 2, 3, 500};
    size_t most = 0;
    for (size_t threads = 1; threads <= 8; ++threads)
        for (size_t slots = 1; slots <= MOST_SLOTS; ++slots)
            for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
                line *l = new_line(counts[i]);
                cr_assert_eq(run(l, threads, slots), BP_OK);
                cr_assert_eq(l->kept, counts[i]);
                cr_assert(threads > 1 || l->most == 0, "one thread works on one item at a time");
                if (l->most > most) most = l->most;
                free(l);
            }
    cr_assert_gt(most, 0, "nothing was ever worked on beside something else");
}

/* The first in the order of the items, whichever thread came upon one first. */
Test(pieces, pipeline_reports_the_first_error)
{
    for (size_t threads = 1; threads <= 5; ++threads)
        for (size_t at = 0; at < 40; ++at) {
            const char *const words[] = {"take", "work", "keep"};
            for (int stage = 0; stage < 3; ++stage) {
                char expected[32];
                line *l = new_line(60);
                *(stage == 0 ? &l->fail_take : stage == 1 ? &l->fail_work : &l->fail_keep) = at;
                if (stage == 0) l->fail_work = at + 5;
                if (stage == 1) l->fail_keep = at + 1;
                if (stage == 2) l->fail_work = at + 1;
                const bp_status status = run(l, threads, threads + 1);
                snprintf(expected, sizeof expected, "%s %zu", words[stage], at);
                cr_assert_neq(status, BP_OK);
                cr_assert_str_eq(bp_last_error(), expected);
                cr_assert_eq(l->kept, at);
                free(l);
            }
        }
}

/* ---- the same, however it is cut ------------------------------------------------------------- */

static char *describe(const bp_data *data)
{
    char *text = NULL;
    const size_t count = data->column_count + data->target_count;
    bp__append(&text, "%zu rows, %zu missing, task %d\n%s", data->rows, data->missing,
               (int)data->task, bp_data_warnings(data));
    for (size_t k = 0; k < count; ++k) {
        const bp__column *c = &data->columns[k];
        bp__append(&text, "\n%s:", c->name);
        for (size_t i = 0; i < c->words.count; ++i)
            bp__append(&text, " [%s]", bp__words_get(&c->words, i));
    }
    for (size_t r = 0; r < data->rows; ++r) {
        bp__append(&text, "\n%s %u:", data->files[data->file ? data->file[r] : 0], data->line[r]);
        for (size_t k = 0; k < count; ++k) {
            const bp__column *c = &data->columns[k];
            if (c->number)
                bp__append(&text, " %a", c->number[r]);
            else
                bp__append(&text, " %u", c->text[r]);
        }
    }
    return text;
}

/* The data, or the error, as a text. */
static char *outcome(const char *bytes, size_t size, size_t piece, size_t threads)
{
    bp_data *data;
    char *text = NULL;
    bp__piece_size = piece;
    bp__thread_count = threads;
    const bp_status status = load_bytes(&data, bytes, size, NULL);
    if (status == BP_OK)
        text = describe(data);
    else
        bp__append(&text, "%s: %s", bp_status_name(status), bp_last_error());
    bp_data_free(data);
    return text;
}

/* As a whole and in pieces; 0 where it cannot be read, else BP_OK. */
static bp_status check_pieces(const char *bytes, size_t size)
{
    static const struct {
        size_t piece, threads;
    } ways[] = {{1, 1}, {16, 1}, {1, 4}, {13, 3}, {64, 2}, {200, 5}, {1 << 16, 2}};
    char *whole = outcome(bytes, size, (size_t)1 << 40, 1);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; ++i) {
        char *pieces = outcome(bytes, size, ways[i].piece, ways[i].threads);
        cr_assert_str_eq(pieces, whole, "pieces of %zu, %zu threads: %.300s\n\nwhole: %.300s\n\n%s",
                         ways[i].piece, ways[i].threads, pieces, whole, bytes);
        free(pieces);
    }
    const bp_status status = strncmp(whole, "BP_ERROR", 8) == 0 ? BP_ERROR_DATA : BP_OK;
    free(whole);
    return status;
}

static void put(char **text, const char *bytes)
{
    cr_assert_eq(bp__append(text, "%s", bytes), BP_OK);
}

typedef struct draws {
    uint32_t seed, count;
} draws;

static size_t below(draws *d, size_t limit)
{
    return bp__random_bits(d->seed, BP__PURPOSE_BENCH, 0, 0, d->count++) % limit;
}

/* Rows of cells of all kinds; wrong: now and then one that is not right. */
static char *write_rows(uint32_t seed, size_t rows, bool wrong)
{
    static const char *const cells[] = {"1",    "-2.5",     "1e3",
                                        "red",  "\"a, b\"", "\"two\nlines\"",
                                        "\"\"", " x ",      "\"say \"\"hi\"\"\"",
                                        ""};
    static const char *const others[] = {
        "",    "1,2", "\"a\" b,2,3,4",  "\"open,1\n", "1,2,3,4,5",
        "   ", "\n",  "3\" pipe,1,2,3", "?,,,",       "é,\xE9,3,1"};
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    const char *end = ends[seed % 3];
    char *text = NULL, number[32];
    draws d = {.seed = seed};
    put(&text, seed % 2 ? "\xEF\xBB\xBF" : "");
    put(&text, seed % 5 ? "\"length, in\nmetres\",width,kind,price" : "1,2,red,4");
    put(&text, end);
    for (size_t r = 0; r < rows; ++r) {
        if (wrong && below(&d, 30) == 0)
            put(&text, others[below(&d, sizeof others / sizeof *others)]);
        else
            for (int k = 0; k < 4; ++k) {
                snprintf(number, sizeof number, "%.6g", (double)below(&d, 1000) / 7);
                const size_t kind = below(&d, 20);
                put(&text, k ? "," : "");
                put(&text, k == 2 ? cells[kind % 10] : k == 1 && kind == 0 ? "?" : number);
            }
        put(&text, r + 1 < rows || seed % 4 ? end : "");
    }
    return text;
}

Test(pieces, tables_are_the_same_however_they_are_cut)
{
    size_t good = 0, bad = 0;
    for (uint32_t seed = 0; seed < 400; ++seed) {
        char *text = write_rows(seed, seed % 90, seed % 3 == 0);
        ++*(check_pieces(text, strlen(text)) == BP_OK ? &good : &bad);
        free(text);
    }
    cr_assert_gt(good, 200);
    cr_assert_gt(bad, 50);
}

Test(pieces, every_truncation_and_bit_flip_is_the_same)
{
    size_t counts[16];
    const char csv[] = "\xEF\xBB\xBF"
                       "a,b,kind\r\n1,\"x \"\"y\"\"\n\",p\r\n-2.5,\"z\",q\n\n\n";
    mutate(check_pieces, csv, sizeof csv - 1, counts);
    cr_assert_gt(counts[BP_OK], 100);
    cr_assert_gt(counts[BP_ERROR_DATA], 100);
}

Test(pieces, sparse_rows_are_the_same_however_they_are_cut)
{
    static const char *const others[] = {"# a comment", "", "1 3:x", "? 1:2", "1 3:1 2:1", "1,2"};
    size_t counts[16], good = 0, bad = 0;
    for (uint32_t seed = 0; seed < 200; ++seed) {
        draws d = {.seed = seed};
        char *text = NULL;
        put(&text, seed % 2 ? "\xEF\xBB\xBF" : "");
        for (size_t r = 0; r < seed % 50 + 1; ++r) {
            if (r > 2 && below(&d, 20) == 0) put(&text, others[below(&d, seed % 3 ? 2 : 6)]);
            const char *end = seed % 3 ? "\n" : "\r\n";
            bp__append(&text, "%d 1:%g %zu:-2.5e-3%s", r % 3 == 1, (double)r / 7, 2 + below(&d, 9),
                       below(&d, 9) ? end : " # more\n");
        }
        ++*(check_pieces(text, strlen(text)) == BP_OK ? &good : &bad);
        free(text);
    }
    cr_assert_gt(good, 100);
    cr_assert_gt(bad, 10);
    const char rows[] = "1 1:0.5 3:2 # first\n\n0 qid:3 2:1e3\r\n1 3:-7\n";
    mutate(check_pieces, rows, sizeof rows - 1, counts);
    cr_assert_gt(counts[BP_OK], 30);
    cr_assert_gt(counts[BP_ERROR_DATA], 30);
}

/* Where a record that is not complete begins, no piece ends behind it. */
Test(pieces, whole_records)
{
    static const struct {
        const char *text;
        size_t whole;
    } cases[] = {{"1,2\n3,4", 4},
                 {"1,2\n3,4\n", 8},
                 {"1,2", 0},
                 {"a\n\"b\nc", 2},
                 {"a\n\"b\"\nc", 6},
                 {"a\n\"b\"\"\nc", 2},
                 {"a\n\"b\"", 2},
                 {"a\n5\" x\nb", 7},
                 {"a\n 5,\t\"b\nc", 2},
                 {"a\rb\rc", 4},
                 {"a\rb\r", 2},
                 {"a\r\nb\r\nc", 6},
                 {"a,\"\n\"\n,\"\n\"", 6},
                 {"\xEF\xBB\xBF\"a\nb\"\nc", 9}};
    const bp__csv_place begin = {.line = 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        cr_assert_eq(bp__csv_whole_records(&begin, cases[i].text, strlen(cases[i].text), ','),
                     cases[i].whole, "\"%s\": %zu", cases[i].text,
                     bp__csv_whole_records(&begin, cases[i].text, strlen(cases[i].text), ','));
}
