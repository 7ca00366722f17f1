/* npz.c - NumPy's NPZ archives: which of the arrays are features and targets, told by their names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/npy.h"
#include "data/zip.h"

/* What data sets call their arrays. numpy.savez names arrays that were given none arr_0, arr_1…:
 * these count only where no other name fits. */
static const char *const x_names[] = {"x", "X", "data", "features", NULL};
static const char *const y_names[] = {"y", "Y", "target", "targets", "labels", NULL};
static const char *const x_train_names[] = {"x_train", "X_train", NULL};
static const char *const y_train_names[] = {"y_train", "Y_train", NULL};
static const char *const x_test_names[] = {"x_test", "X_test", NULL};
static const char *const y_test_names[] = {"y_test", "Y_test", NULL};
static const char *const x_unnamed[] = {"arr_0", NULL};
static const char *const y_unnamed[] = {"arr_1", NULL};

static bool ends_with(const bp__zip_member *m, const char *end)
{
    size_t length = strlen(end);
    return m->name_length > length && memcmp(m->name + m->name_length - length, end, length) == 0;
}

static bool is_array(const bp__zip_member *m)
{
    return ends_with(m, ".npy");
}

static bool is_called(const bp__zip_member *m, const char *name)
{
    return is_array(m) && m->name_length == strlen(name) + 4 &&
           memcmp(m->name, name, m->name_length - 4) == 0;
}

/* "X, y, names": the members' names, arrays without their ending; the caller's. */
static bp_status list_members(char **out, const bp__zip *zip)
{
    enum { MOST = 20 };
    bp_status status = BP_OK;
    *out = NULL;
    for (size_t i = 0; i < zip->count && i < MOST && status == BP_OK; ++i) {
        const bp__zip_member *m = &zip->members[i];
        char name[64], shown[64];
        size_t length = m->name_length - (is_array(m) ? 4 : 0);
        snprintf(name, sizeof name, "%.*s", length < 63 ? (int)length : 63, m->name);
        status = bp__append(out, "%s%s", i ? ", " : "", bp__shown(shown, name));
    }
    if (status == BP_OK && zip->count > MOST)
        status = bp__append(out, " and %zu more", zip->count - MOST);
    if (status == BP_OK && zip->count == 0) status = bp__append(out, "nothing");
    if (status == BP_OK) return status;
    free(*out);
    *out = NULL;
    return status;
}

/* *found = the one member with a name of the list, or NULL; BP_ERROR_DATA where there are two. */
static bp_status find(const bp__zip_member **found, const bp__zip *zip, const char *const *names)
{
    const char *first = NULL;
    *found = NULL;
    for (; *names; ++names)
        for (size_t i = 0; i < zip->count; ++i) {
            if (!is_called(&zip->members[i], *names)) continue;
            if (*found)
                return bp__fail(BP_ERROR_DATA,
                                "%s: the arrays %s and %s: which of them is meant is not clear",
                                zip->source, first, *names);
            *found = &zip->members[i];
            first = *names;
        }
    return BP_OK;
}

static bp_status fail_no_array(const bp__zip *zip, bool test_part)
{
    char *list;
    bool any = false, torch = false;
    for (size_t i = 0; i < zip->count; ++i) {
        any = any || is_array(&zip->members[i]);
        torch = torch || ends_with(&zip->members[i], "/data.pkl");
    }
    BP_TRY(list_members(&list, zip));
    bp_status status;
    if (torch)
        status =
            bp__fail(BP_ERROR_DATA,
                     "%s: is a zip archive as torch.save writes; save data with numpy.savez, a "
                     "model with safetensors.torch.save_file",
                     zip->source);
    else if (!any)
        status = bp__fail(BP_ERROR_DATA,
                          "%s: is a zip archive or a spreadsheet without NumPy arrays; unpack it, "
                          "or save the sheet as CSV (it holds: %s)",
                          zip->source, list);
    else if (test_part)
        status = bp__fail(BP_ERROR_DATA,
                          "%s: has no test part, which would be called x_test or X_test; the "
                          "arrays are: %s",
                          zip->source, list);
    else
        status = bp__fail(BP_ERROR_DATA,
                          "%s: no array is called x, X, data, features or x_train; the arrays are: "
                          "%s",
                          zip->source, list);
    free(list);
    return status;
}

/* The members for x and, or NULL, for y. */
static bp_status find_pair(const bp__zip_member **x, const bp__zip_member **y, const bp__zip *zip,
                           bool test_part)
{
    const char *const *const lists[][2] = {
        {x_names, y_names}, {x_train_names, y_train_names}, {x_unnamed, y_unnamed}};
    *x = *y = NULL;
    if (test_part) {
        BP_TRY(find(x, zip, x_test_names));
        BP_TRY(find(y, zip, y_test_names));
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists && !*x && !test_part; ++i) {
        BP_TRY(find(x, zip, lists[i][0]));
        BP_TRY(find(y, zip, lists[i][1]));
    }
    return *x ? BP_OK : fail_no_array(zip, test_part);
}

static bp_status read_array(bp__array *out, const bp__zip *zip, const bp__zip_member *m)
{
    char *bytes, *source = NULL;
    size_t size;
    BP_TRY(bp__zip_unpack(&bytes, &size, zip, m));
    bp_status status =
        bp__append(&source, "%s, array %.*s", zip->source, (int)(m->name_length - 4), m->name);
    if (status == BP_OK) status = bp__npy_parse(out, &bytes, size, source);
    free(bytes);
    free(source);
    return status;
}

/* Where y may be meant by an array with a name of its own, the last column of x is no guess. */
static bp_status warn_no_target(char **warnings, const bp__zip *zip)
{
    char *list;
    BP_TRY(list_members(&list, zip));
    bp_status status =
        bp__append(warnings,
                   "%s: no array is called y, Y, target, targets or labels: there is "
                   "no target (the arrays are: %s)\n",
                   zip->source, list);
    free(list);
    return status;
}

bp_status bp__npz_parse(bp__arrays *out, char **warnings, const char *bytes, size_t size,
                        const char *source, bool test_part)
{
    bp__zip zip;
    const bp__zip_member *x, *y;
    memset(out, 0, sizeof *out);
    BP_TRY(bp__zip_open(&zip, bytes, size, source));
    bp_status status = find_pair(&x, &y, &zip, test_part);
    if (status == BP_OK) status = read_array(&out->x, &zip, x);
    if (status == BP_OK && y) status = read_array(&out->y, &zip, y);
    out->last_is_target = zip.count == 1;
    if (status == BP_OK && !y && zip.count > 1) status = warn_no_target(warnings, &zip);
    bp__zip_close(&zip);
    if (status != BP_OK) bp__arrays_free(out, 1);
    return status;
}

bool bp__npz_has_test_part(const char *bytes, size_t size)
{
    bp__zip zip;
    const bp__zip_member *x = NULL, *y = NULL;
    if (bp__zip_open(&zip, bytes, size, "") != BP_OK) return false;
    bool found = find(&x, &zip, x_test_names) == BP_OK && find(&y, &zip, y_test_names) == BP_OK;
    bp__zip_close(&zip);
    return found && x && y;
}
