/* make_csv.c - a large CSV file, the same from run to run, to stream.
 *
 *   make_csv ROWS [COLUMNS [SEED]] > rows.csv
 *
 * COLUMNS (20) numbers of six digits, each the sum of four uniform ones, and a class, "yes" or
 * "no", by the sign of a random weighted sum of them with some noise. About 8.5 bytes a number: ten
 * million rows of 20 are 1.7 GB. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

enum { MOST_COLUMNS = 1000, SUMMANDS = 4 };

/* A stream of its own for each row: rows could be written in any order. */
static double draw(uint64_t seed, uint32_t row, uint32_t column)
{
    uint32_t words[4];
    const uint32_t counter[4] = {column, row, 0, BP__PURPOSE_BENCH};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    double sum = 0;
    bp__philox(words, counter, key);
    for (int i = 0; i < SUMMANDS; ++i) sum += (double)words[i] * 0x1p-32 - 0.5;
    return sum * sqrt(12.0 / SUMMANDS);
}

/* value with five digits after the point; printf takes ten times as long. */
static char *put(char *to, double value)
{
    uint32_t units = (uint32_t)(fabs(value) * 1e5 + 0.5), whole = units / 100000;
    if (value < 0) *to++ = '-';
    char digits[12];
    int count = 0;
    do digits[count++] = (char)('0' + whole % 10);
    while ((whole /= 10) > 0);
    while (count > 0) *to++ = digits[--count];
    *to++ = '.';
    units %= 100000;
    for (uint32_t unit = 10000; unit > 0; unit /= 10) *to++ = (char)('0' + units / unit % 10);
    return to;
}

int main(int argc, char **argv)
{
    const long rows = argc > 1 ? atol(argv[1]) : 0, columns = argc > 2 ? atol(argv[2]) : 20;
    const uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    static char line[MOST_COLUMNS * 16 + 16];
    if (rows < 1 || rows > UINT32_MAX || columns < 1 || columns > MOST_COLUMNS) {
        fprintf(stderr, "make_csv ROWS [COLUMNS (1 to %d) [SEED]] > rows.csv\n", MOST_COLUMNS);
        return 2;
    }
    for (long k = 0; k < columns; ++k) printf("x%ld,", k);
    puts("kind");
    for (long r = 0; r < rows; ++r) {
        char *to = line;
        double sum = 0;
        for (long k = 0; k < columns; ++k) {
            const double value = draw(seed, (uint32_t)r, (uint32_t)k + 1);
            sum += value * draw(seed, UINT32_MAX, (uint32_t)k + 1);
            to = put(to, value);
            *to++ = ',';
        }
        sum += draw(seed, (uint32_t)r, 0);
        *to++ = sum > 0 ? 'y' : 'n';
        *to++ = sum > 0 ? 'e' : 'o';
        if (sum > 0) *to++ = 's';
        *to++ = '\n';
        fwrite(line, 1, (size_t)(to - line), stdout);
    }
    return ferror(stdout) || fflush(stdout) != 0;
}
