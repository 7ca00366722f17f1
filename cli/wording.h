/* wording.h - texts of the library in the words of the command. */
#ifndef CLI_WORDING_H
#define CLI_WORDING_H

#include <stdbool.h>

/* The text with options named as the command names them ("--lr" for learning_rate) and, where layers
 * is true, layers counted from 1. The caller's; NULL without memory. */
char *cli_wording(const char *text, bool layers);

#endif
