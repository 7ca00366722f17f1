/* nearest.c - "did you mean": the nearest name by edit distance. */
#include <ctype.h>
#include <string.h>

#include "backprop.h"

enum { LONGEST = 64 };

/* Optimal string alignment distance (Damerau-Levenshtein without repeated transpositions), letters'
 * case ignored. Names longer than LONGEST never match: they are not what someone mistypes. */
static size_t distance(const char *a, const char *b)
{
    size_t m = strlen(a), n = strlen(b);
    if (m > LONGEST || n > LONGEST) return LONGEST;
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= n; ++j) rows[0][j] = j;
    for (size_t i = 1; i <= m; ++i) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= n; ++j) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            size_t best = before[j - 1] + (x != y);
            if (before[j] + 1 < best) best = before[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                tolower((unsigned char)a[i - 2]) == y && two_before[j - 2] + 1 < best)
                best = two_before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[m % 3][n];
}

const char *bp_nearest(const char *given, const char *const *names, size_t count)
{
    const char *best = NULL;
    if (!given || !names) return NULL;
    /* A third of the letters may be wrong: more, and short names are near to everything. */
    size_t length = strlen(given), limit = length < 6 ? 1 : length < 9 ? 2 : 3;
    size_t best_distance = limit + 1;
    for (size_t i = 0; i < count; ++i) {
        size_t d = distance(given, names[i]);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}
