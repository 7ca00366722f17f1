/* test_cli_tables.c - what comes of tables as people have them, with every option at its default:
 * texts, missing values, columns that tell nothing, scales that have nothing to do with each other,
 * rare classes, prices in the hundred thousands. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_tables, .init = make_folder, .fini = remove_folder, .timeout = 120);

static const char *const districts[] = {"Old Town", "Harbour", "Hill, upper", "Station", "Mill"};
static const char *const states[] = {"new", "good", "worn"};

/* A cell, missing in one row of twenty. */
static void put(FILE *file, unsigned *seed, const char *format, double value)
{
    if (noise(seed) > 0.45)
        fputs(noise(seed) > 0 ? "NA" : "", file);
    else
        fprintf(file, format, value);
    fputc(',', file);
}

/* What rows of a made-up table are asked for. */
typedef enum kind { PRICE, SOLD_LATE } kind;

/* Houses: their price, 100,000 to 900,000, from area, age, district and state, or whether they were
 * sold late, which is one in twenty. A number drawn for each and a column that is the same
 * everywhere tell nothing. noise_share of the price is chance. */
static void write_houses(const char *name, int rows, unsigned seed, kind asked, double noise_share)
{
    FILE *file = fopen(path_of(name), "w");
    cr_assert_not_null(file);
    fprintf(file, "file,district,area,year,distance,state,country,%s\n",
            asked == PRICE ? "price" : "late");
    for (int i = 0; i < rows; ++i) {
        const int district = (int)((noise(&seed) + 0.5) * 4.999),
                  state = (int)((noise(&seed) + 0.5) * 2.999);
        const double area = 110 + 150 * noise(&seed), year = 1970 + 90 * noise(&seed),
                     distance = 5000 + 9900 * noise(&seed);
        double price = (1500 + 400 * district) * area * (1 - 0.15 * state);
        price += 900 * (year - 1925) - 9 * distance;
        const double late = distance / 5000 + state + 0.3 * noise(&seed);
        fprintf(file, "%.0f,\"%s\",", 55000 + 89998 * noise(&seed), districts[district]);
        put(file, &seed, "%.1f", area);
        put(file, &seed, "%.0f", year);
        put(file, &seed, "%.0f", distance);
        fprintf(file, "%s,NL,", states[state]);
        if (asked == PRICE)
            fprintf(file, "%.0f\n", price * (1 + noise_share * noise(&seed)));
        else
            fprintf(file, "%s\n", late > 3.55 ? "yes" : "no");
    }
    fclose(file);
}

/* Trains on one table with the defaults and measures on another. */
static json_t *trained_and_measured(uint64_t seed)
{
    result r = shell("exec " CLI " train %s --device reference -q --seed %d -o %s",
                     path_of("train.csv"), (int)seed, path_of("m"));
    assert_code(r, 0);
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference -q --json", path_of("m"),
              path_of("test.csv"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    free_result(&r);
    return json;
}

Test(cli_tables, prices_in_the_hundred_thousands)
{
    write_houses("train.csv", 1500, 1, PRICE, 0.1);
    write_houses("test.csv", 400, 2, PRICE, 0.1);
    for (uint64_t seed = 1; seed <= 2; ++seed) {
        json_t *json = trained_and_measured(seed);
        /* Where a number is missing, nothing can know it: that costs what is lacking to 1. */
        cr_assert_gt(want_number(json, "r2"), 0.85, "%g", want_number(json, "r2"));
        cr_assert_gt(want_number(json, "rmse"), 5000);
        cr_assert_lt(want_number(json, "rmse"), 60000, "%g", want_number(json, "rmse"));
        json_decref(json);
    }
}

Test(cli_tables, a_rare_class)
{
    write_houses("train.csv", 3000, 3, SOLD_LATE, 0);
    write_houses("test.csv", 1000, 4, SOLD_LATE, 0);
    json_t *json = trained_and_measured(1);
    const json_t *classes = want_key(json, "classes", "a"), *rare = json_array_get(classes, 1);
    cr_assert_str_eq(json_string_value(want_key(rare, "name", "s")), "yes");
    const double support = want_number(rare, "support");
    cr_assert(support > 20 && support < 100, "%g", support);
    cr_assert_gt(want_number(json, "auc"), 0.95, "%g", want_number(json, "auc"));
    /* "no" for everyone would be right as often as that, and of no use. */
    cr_assert_gt(want_number(json, "accuracy"), 1 - support / 1000);
    cr_assert_gt(want_number(rare, "f1"), 0.6, "%g", want_number(rare, "f1"));
    json_decref(json);
}

/* Few rows: nothing diverges, and chance is not mistaken for knowledge. */
Test(cli_tables, few_rows)
{
    write_houses("train.csv", 40, 5, PRICE, 0.1);
    write_houses("test.csv", 400, 6, PRICE, 0.1);
    json_t *json = trained_and_measured(1);
    cr_assert_gt(want_number(json, "r2"), 0.3, "%g", want_number(json, "r2"));
    json_decref(json);
}
