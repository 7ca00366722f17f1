/* test_number.c - cells of text files as numbers: exactly rounded, and the same in every locale. */
#include "data_support.h"

#include <inttypes.h>

#include "data/number.h"

static void expect_cell(const char *text, bp__cell kind)
{
    double value;
    cr_assert_eq(bp__cell_read(text, &value), kind, "\"%s\" is %d", text,
                 (int)bp__cell_read(text, &value));
    cr_assert(kind == BP__CELL_NUMBER || isnan(value));
}

Test(numbers, kinds_of_cells)
{
    const char *const missing[] = {"",    "?",    "NA",   "na",   "NaN", "nan",
                                   "NAN", "-nan", "null", "NULL", "Null"};
    const char *const infinite[] = {"inf",       "-inf",  "+Inf",   "Infinity",
                                    "-INFINITY", "1e999", "-1e309", "1e99999999999999999999"};
    const char *const texts[] = {"a",   "1a",   "0x10", "1e",    "1e+", ".",     "-",
                                 "+",   "--1",  "1..2", "1.2.3", "1 2", "1,5",   "??",
                                 "N/A", "nana", "infi", "e5",    ".e5", "1e5.5", "١"};
    const char *const numbers[] = {"1",   "-1",    "+1",  "1.",     ".5",   "-.5e-3",
                                   "1e5", "1E+05", "007", "1e-999", "0e999"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; ++i)
        expect_cell(missing[i], BP__CELL_MISSING);
    for (size_t i = 0; i < sizeof infinite / sizeof *infinite; ++i)
        expect_cell(infinite[i], BP__CELL_INFINITE);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) expect_cell(texts[i], BP__CELL_TEXT);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i)
        expect_cell(numbers[i], BP__CELL_NUMBER);
}

/* Alone in its buffer, and in one that goes on, where several bytes are read at once. */
static void expect_same_as_strtod(const char *text)
{
    static const char after[] = "\0"
                                "9999999999",
                      *const none = after;
    const size_t length = strlen(text);
    char *longer = malloc(length + sizeof after);
    memcpy(longer, text, length);
    memcpy(longer + length, none, sizeof after);
    double value, within, expected = strtod(text, NULL);
    cr_assert_eq(bp__cell_read(text, &value), BP__CELL_NUMBER, "%s", text);
    cr_assert_eq(memcmp(&value, &expected, sizeof value), 0, "%s: %a, not %a", text, value,
                 expected);
    cr_assert_eq(bp__cell_read_within(longer, longer + length + sizeof after, &within),
                 BP__CELL_NUMBER, "%s", text);
    cr_assert_eq(memcmp(&within, &expected, sizeof value), 0, "%s: %a, not %a", text, within,
                 expected);
    free(longer);
}

/* Bit for bit what a correctly rounding strtod gives, in every notation. */
Test(numbers, exactly_rounded)
{
    const char *const hard[] = {"0",
                                "-0",
                                "-0.0",
                                "0.1",
                                "0.30000000000000004",
                                "123456789",
                                "1234567890",
                                "9007199254740993",
                                "9007199254740992.5",
                                "1e22",
                                "1e23",
                                "1.7976931348623157e308",
                                "2.2250738585072014e-308",
                                "4.9e-324",
                                "2.4703282292062328e-324",
                                "8.5e-1",
                                "0.000000000000000000000000000001",
                                "100000000000000000000000000000000",
                                "1.00000000000000011102230246251565",
                                "9223372036854775808",
                                "18446744073709551615",
                                "18446744073709551616",
                                "6.9294956446009195e15",
                                "3.141592653589793238462643383279502884197169399375105820974944"};
    for (size_t i = 0; i < sizeof hard / sizeof *hard; ++i) expect_same_as_strtod(hard[i]);
    uint64_t state = 1;
    for (int i = 0; i < 200000; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double value;
        memcpy(&value, &state, sizeof value);
        if (!isfinite(value)) continue;
        char text[64];
        static const char *const formats[] = {"%.17g", "%.15g", "%.5e", "%.9g"};
        snprintf(text, sizeof text, formats[i % 4], value);
        expect_same_as_strtod(text);
        snprintf(text, sizeof text, "%.*f", i % 12, (double)(int64_t)(state >> 20) / 65536.0);
        expect_same_as_strtod(text);
    }
    /* Longer than any buffer. */
    char *text = malloc(100002);
    memset(text, '0', 100001);
    text[0] = '1';
    text[1] = '.';
    text[100000] = '1';
    text[100001] = '\0';
    expect_same_as_strtod(text);
    free(text);
}

/* Up to 19 digits and small exponents are computed by integers: halves between two doubles, their
 * neighbours, and what is random. */
Test(numbers, exactly_rounded_by_integers)
{
    char text[64];
    for (int e = 53; e <= 63; ++e)
        for (uint64_t odd = 1; odd < 64; odd += 2)
            for (int near = -1; near <= 1; ++near) {
                uint64_t half = (UINT64_C(1) << e) + (odd << (e - 53)) + (uint64_t)(int64_t)near;
                snprintf(text, sizeof text, "%" PRIu64, half);
                expect_same_as_strtod(text);
                snprintf(text, sizeof text, "-%" PRIu64 "e-3", half);
                expect_same_as_strtod(text);
            }
    /* Halves with a point: of units of 1, 1/2 and 1/4 in the last place. */
    static const char *const fractions[3][3] = {
        {"499", "5", "501"}, {"249", "25", "251"}, {"124", "125", "126"}};
    for (int bits = 0; bits < 3; ++bits)
        for (uint64_t k = 0; k < 100; ++k)
            for (int near = 0; near < 3; ++near) {
                snprintf(text, sizeof text, "%" PRIu64 ".%s", (UINT64_C(1) << (52 - bits)) + k,
                         fractions[bits][near]);
                expect_same_as_strtod(text);
            }
    uint64_t state = 7;
    for (int i = 0; i < 400000; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t mantissa = state >> (state >> 58);
        snprintf(text, sizeof text, "%" PRIu64 "e%d", mantissa, i % 61 - 30);
        expect_same_as_strtod(text);
    }
}

/* Every length, and every byte that is no digit at every place. */
Test(numbers, read_eight_bytes_at_once)
{
    for (int length = 1; length <= 12; ++length) {
        char buffer[32];
        memset(buffer, '7', sizeof buffer);
        buffer[length] = '\0';
        double within, alone;
        cr_assert_eq(bp__cell_read_within(buffer, buffer + sizeof buffer, &within),
                     BP__CELL_NUMBER);
        cr_assert_eq(within, strtod(buffer, NULL));
        for (int at = 0; at < length; ++at)
            for (int byte = 1; byte < 256; ++byte) {
                buffer[at] = (char)byte;
                bp__cell kind = bp__cell_read_within(buffer, buffer + sizeof buffer, &within);
                cr_assert_eq(kind, bp__cell_read(buffer, &alone), "%s", buffer);
                cr_assert(within == alone || (isnan(within) && isnan(alone)), "%s", buffer);
                buffer[at] = '7';
            }
    }
    for (int number = 0; number < 100000; number += 7) {
        char text[16];
        snprintf(text, sizeof text, "%d", number);
        expect_same_as_strtod(text);
    }
}

Test(numbers, shortest_text)
{
    char text[32];
    cr_assert_str_eq(bp__number_text(text, 3), "3");
    cr_assert_str_eq(bp__number_text(text, -0.0), "0");
    cr_assert_str_eq(bp__number_text(text, -12), "-12");
    cr_assert_str_eq(bp__number_text(text, 0.1), "0.1");
    cr_assert_str_eq(bp__number_text(text, 1.0 / 3), "0.3333333333333333");
    cr_assert_str_eq(bp__number_text(text, 1e300), "1e+300");
}

Test(numbers, do_not_follow_the_locale)
{
    if (!use_comma_locale()) cr_skip_test("no locale with a decimal comma could be set");
    cr_assert_float_eq(strtod("1,5", NULL), 1.5, 0);
    bp_data *data = must_load("a,b,t\n1.5,0.12345678901234567890123,1e-30\n2.5,2,0.25\n", NULL);
    expect_number(data, 0, 0, 1.5);
    expect_number(data, 1, 0, 0x1.f9add3746f65fp-4);
    cr_assert_float_eq(data->columns[2].number[0], 1e-30, 1e-45);
    bp_schema *schema, *again;
    char *json, *twice;
    cr_assert_eq(bp_schema_learn(&schema, data), BP_OK);
    cr_assert_eq(bp_schema_to_json(&json, schema), BP_OK);
    cr_assert_eq(bp_schema_from_json(&again, json), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_schema_to_json(&twice, again), BP_OK);
    cr_assert_str_eq(json, twice);
    expect_contains(json, "\"offset\":2.0");
    cr_assert_float_eq(strtod("1,5", NULL), 1.5, 0, "the thread's locale was changed");
    char text[32];
    cr_assert_str_eq(bp__number_text(text, 1.5), "1.5");
    free(json);
    free(twice);
    bp_schema_free(schema);
    bp_schema_free(again);
    bp_data_free(data);
}
