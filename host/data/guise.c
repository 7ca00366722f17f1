/* guise.c - finds dates and numbers among texts. */
#include "data/guise.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_THAT_TELL = 8 }; /* fewer may be categories that happen to be called so */

/* The digits at *at, which is moved behind them; how many there are. */
static size_t pass_digits(const char **at)
{
    const size_t count = strspn(*at, "0123456789");
    *at += count;
    return count;
}

/* "2024-01-31", "31.1.2024", "1/31/24", a time behind it or not. */
static bool is_date(const char *at)
{
    size_t digits[3];
    char mark = '\0';
    for (size_t i = 0; i < 3; ++i) {
        digits[i] = pass_digits(&at);
        if (digits[i] == 0 || digits[i] > (i == 1 ? 2 : 4) || digits[i] == 3) return false;
        if (i == 2) break;
        if (!strchr("-./", *at) || !*at || (mark && *at != mark)) return false;
        mark = *at++;
    }
    if (mark == '/' ? digits[0] == 4 && digits[2] == 4 : (digits[0] == 4) == (digits[2] == 4))
        return false; /* without a year it may be a version */
    return !*at || ((*at == ' ' || *at == 'T') && isdigit((unsigned char)at[1]));
}

static bool is_parted(char c)
{
    return c == '.' || c == ',';
}

/* A number in which points and commas may set thousands apart: *at is moved behind it. */
static bool pass_number(const char **at)
{
    if (pass_digits(at) == 0) return false;
    while (is_parted(**at)) {
        ++*at;
        const size_t digits = pass_digits(at);
        if (digits != 3 && is_parted(**at)) return false; /* 192.168.1.1 */
    }
    return true;
}

/* What stands in front of the number that the text is, and behind it; false where it is none, or
 * has letters in front of it, as the number of a part may have. */
static bool find_beside(char beside[BP__GUISE_BESIDE], const char *text)
{
    const char *number = text + strcspn(text, "0123456789"), *end = number;
    const size_t before = (size_t)(number - text) - (number > text && strchr("+-", number[-1]));
    if (isalpha((unsigned char)*text) || !pass_number(&end)) return false;
    if (end[strcspn(end, "0123456789")] || before + strlen(end) >= BP__GUISE_BESIDE) return false;
    sprintf(beside, "%.*s%s", (int)before, text, end);
    return true;
}

bp__guise bp__find_guise(char beside[BP__GUISE_BESIDE], const bp__words *words)
{
    bool dates = words->count >= WORDS_THAT_TELL, numbers = dates;
    for (size_t i = 0; i < words->count && (dates || numbers); ++i) {
        const char *word = bp__words_get(words, i);
        char left[BP__GUISE_BESIDE];
        dates = dates && is_date(word);
        numbers = numbers && find_beside(i ? left : beside, word) &&
                  (i == 0 || strcmp(left, beside) == 0);
    }
    return dates ? BP__GUISE_DATES : numbers ? BP__GUISE_NUMBERS : BP__GUISE_NONE;
}
