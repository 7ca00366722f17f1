/* mnist.c - how the files of MNIST and its relatives are called. */
#include "data/mnist.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

/* As distributed, as some unpack them, and both once more compressed. */
static const char *const spellings[] = {"-idx", ".idx"};
static const char *const endings[] = {"", ".gz"};
enum {
    SPELLINGS = sizeof spellings / sizeof *spellings,
    ENDINGS = sizeof endings / sizeof *endings
};

bool bp__is_directory(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static bool is_file(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

/* The first of "<start><spelling><end><ending>" that exists, or NULL. */
static bp_status find(char **out, const char *start, const char *end)
{
    *out = NULL;
    for (int s = 0; s < SPELLINGS; ++s)
        for (int e = 0; e < ENDINGS; ++e) {
            char *path = NULL;
            BP_TRY(bp__append(&path, "%s%s%s%s", start, spellings[s], end, endings[e]));
            if (is_file(path)) {
                *out = path;
                return BP_OK;
            }
            free(path);
        }
    return BP_OK;
}

/* "<folder>/train-labels-idx1-ubyte" in any spelling. */
static bp_status find_in_folder(char **out, const char *folder, const char *part, const char *what,
                                const char *end)
{
    char *start = NULL;
    *out = NULL;
    BP_TRY(bp__append(&start, "%s/%s-%s", folder, part, what));
    bp_status status = find(out, start, end);
    if (status == BP_OK && !*out)
        status = bp__fail(BP_ERROR_IO,
                          "%s: there is no %s-%s-idx%s (or .gz) in this folder; other files "
                          "are named one by one",
                          folder, part, what, end);
    free(start);
    return status;
}

bp_status bp__mnist_folder(char **images, char **labels, const char *folder, bool test_part)
{
    const char *part = test_part ? "t10k" : "train";
    *labels = NULL;
    BP_TRY(find_in_folder(images, folder, part, "images", "3-ubyte"));
    bp_status status = find_in_folder(labels, folder, part, "labels", "1-ubyte");
    if (status != BP_OK) {
        free(*images);
        *images = NULL;
    }
    return status;
}

bool bp__mnist_has_parts(const char *folder)
{
    for (int test_part = 0; test_part < 2; ++test_part) {
        char *images, *labels;
        if (bp__mnist_folder(&images, &labels, folder, test_part) != BP_OK) return false;
        free(images);
        free(labels);
    }
    return true;
}

bp_status bp__mnist_labels(char **labels, const char *images)
{
    *labels = NULL;
    const char *slash = strrchr(images, '/'), *name = slash ? slash + 1 : images;
    const char *found = strstr(name, "-images-idx3-ubyte");
    if (!found) found = strstr(name, "-images.idx3-ubyte");
    if (!found) return BP_OK;
    char *start = NULL;
    BP_TRY(bp__append(&start, "%.*s-labels", (int)(found - images), images));
    bp_status status = find(labels, start, "1-ubyte");
    free(start);
    return status;
}
