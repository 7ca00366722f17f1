/* guise.h - what texts would have been better written as: dates are categories to a network, each
 * a feature of its own, and so are numbers with a sign of a currency beside them. */
#ifndef BP_DATA_GUISE_H
#define BP_DATA_GUISE_H

#include "data/words.h"

typedef enum bp__guise { BP__GUISE_NONE, BP__GUISE_DATES, BP__GUISE_NUMBERS } bp__guise;

enum { BP__GUISE_BESIDE = 16 };

/* What all of these words are, if there are enough of them to tell: dates, with or without a time,
 * in any order of day, month and year; or numbers that all have the same letters or signs beside
 * them, which beside receives. */
bp__guise bp__find_guise(char beside[BP__GUISE_BESIDE], const bp__words *words);

#endif
