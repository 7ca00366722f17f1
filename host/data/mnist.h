/* mnist.h - how the files of MNIST and its relatives are called: four files in a folder, and the
 * file of labels beside a file of pictures. */
#ifndef BP_DATA_MNIST_H
#define BP_DATA_MNIST_H

#include <stdbool.h>

#include "base/status.h"

/* The pictures and the labels of one part of a folder; both the caller's. */
bp_status bp__mnist_folder(char **images, char **labels, const char *folder, bool test_part);

/* Whether a folder holds all four files. */
bool bp__mnist_has_parts(const char *folder);

/* The file of labels that belongs to a file of pictures by its name, or *labels = NULL where the
 * name is another one or there is no such file. */
bp_status bp__mnist_labels(char **labels, const char *images);

bool bp__is_directory(const char *path);

#endif
