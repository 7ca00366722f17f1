/* fuzz_data.c - a reader of data files for libFuzzer: bytes in, and whatever they are, no crash, no
 * leak, no memory beyond what their number explains, and the same data or error however the text is
 * cut; what was read goes all the way to features.
 *
 * FUZZ_KIND, the reader, comes from the build. Under -fsanitize=fuzzer this is the fuzzer; with
 * replay.c it runs stored inputs as an ordinary test. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backprop.h"
#include "base/threads.h"
#include "data/data.h"
#include "data/load.h"
#include "data/table.h"

#if !defined(FUZZ_KIND)
#error "FUZZ_KIND is the bp__file_kind that is to be read"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Aborts where something is wrong that no sanitizer sees. */
static void require(int condition)
{
    if (!condition) abort();
}

static void check_encoded(const bp_data *data)
{
    const bp_data_info info = bp_data_get_info(data);
    const float *x = bp_data_features(data);
    for (size_t i = 0; i < info.rows * info.features; ++i) require(x[i] - x[i] == 0); /* finite */
}

static void use(const bp_data *data)
{
    bp_schema *schema = NULL, *again = NULL;
    bp_data *encoded = NULL;
    char *json = NULL, *review = NULL;
    require(bp_data_review(&review, data) == BP_OK);
    if (bp_schema_learn(&schema, data) == BP_OK) {
        if (bp_schema_apply(&encoded, schema, data) == BP_OK) check_encoded(encoded);
        require(bp_schema_to_json(&json, schema) == BP_OK);
        require(bp_schema_from_json(&again, json) == BP_OK);
    }
    free(json);
    free(review);
    bp_data_free(encoded);
    bp_schema_free(schema);
    bp_schema_free(again);
}

static int same_cells(const bp_data *a, const bp_data *b)
{
    const size_t count = a->columns ? a->column_count + a->target_count : 0;
    if (a->rows != b->rows || a->column_count != b->column_count) return 0;
    for (size_t k = 0; k < count; ++k) {
        const bp__column *x = &a->columns[k], *y = &b->columns[k];
        if (!x->number != !y->number) return 0;
        if (x->number ? memcmp(x->number, y->number, a->rows * sizeof *x->number)
                      : memcmp(x->text, y->text, a->rows * sizeof *x->text))
            return 0;
    }
    return !a->line || memcmp(a->line, b->line, a->rows * sizeof *a->line) == 0;
}

static bp_data *load(const uint8_t *bytes, size_t size, size_t piece, size_t threads)
{
    const bp_load_options options = bp_load_options_default();
    bp__input *input = calloc(1, sizeof *input);
    bp_data *data = NULL;
    require(input != NULL);
    input->path = strdup("fuzz");
    input->bytes = malloc(size + 1);
    require(input->path && input->bytes);
    if (size > 0) memcpy(input->bytes, bytes, size);
    input->bytes[size] = '\0';
    input->size = size;
    input->kind = FUZZ_KIND;
    bp__piece_size = piece;
    bp__thread_count = threads;
    bp_status status = bp__load_inputs(&data, input, 1, &options);
    require((status == BP_OK) == (data != NULL));
    require(status == BP_OK || status == BP_ERROR_DATA);
    require(status == BP_OK || *bp_last_error());
    bp__inputs_free(input, 1);
    return data;
}

/* What was read, or the error, as a text. */
static char *outcome(const bp_data *data)
{
    char *text = NULL;
    if (data)
        require(bp_data_review(&text, data) == BP_OK);
    else
        require((text = strdup(bp_last_error())) != NULL);
    return text;
}

/* The bytes as a whole, and cut into small pieces for several threads. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    bp_data *whole = load(bytes, size, (size_t)1 << 40, 1);
    char *expected = outcome(whole);
    for (size_t piece = 1; piece <= 64; piece *= 8) {
        bp_data *data = load(bytes, size, piece, piece == 8 ? 3 : 1);
        char *text = outcome(data);
        require(strcmp(text, expected) == 0);
        require(!data || same_cells(data, whole));
        free(text);
        bp_data_free(data);
    }
    free(expected);
    if (whole) use(whole);
    bp_data_free(whole);
    return 0;
}
