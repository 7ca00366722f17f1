/* backprop.h - libbackprop: train feed-forward neural networks on any OpenCL device, from C.
 *
 * This header is the manual. It has five parts, simple before advanced:
 *
 *   1. Status and errors      what every call returns, and where the details are
 *   2. Devices                which machines can compute, and how to open one
 *   3. Data sets              arrays in memory, files, splits, scaling
 *   4. Models                 architecture, parameters, saving and loading
 *   5. Training and using     train, evaluate, predict; then step by step
 *
 * backprop_explain.h has the parts for looking inside: a training step number by number;
 * backprop_evaluate.h what is measured of a model beyond loss and accuracy; backprop_measure.h how fast
 * and how right a device is.
 *
 * The intended use, in ten lines (examples/xor.c is this program with its error checks):
 *
 *     const float x[] = {0,0, 0,1, 1,0, 1,1}, t[] = {0, 1, 1, 0};
 *     bp_device *device; bp_data *data; bp_model *model; float y[4];
 *     bp_device_open(&device, "auto");
 *     bp_data_from_arrays(&data, x, 4, 2, t, 1);
 *     bp_model_options shape = bp_model_options_default();
 *     shape.hidden = "8:tanh"; shape.loss = BP_LOSS_HALF_SQUARED;
 *     bp_model_create(&model, data, &shape);
 *     bp_train_options how = bp_train_options_default();
 *     how.epochs = 500; how.batch = 4; how.learning_rate = 0.05f;
 *     bp_train(model, device, data, NULL, &how, NULL);
 *     bp_predict(model, device, x, 4, y);
 *
 * Conventions that hold everywhere:
 *   - Functions that can fail return bp_status. An object that a call makes is its first argument;
 *     it is set to NULL on failure. Every bp_noun_free accepts NULL.
 *   - Matrices are float32, row-major, one sample a row, without gaps: x is [rows][features].
 *   - Arguments are borrowed for the duration of the call and copied where they are needed longer,
 *     unless a declaration says otherwise. Returned `const char *` texts belong to the library.
 *   - Option structs come from bp_x_options_default(), which also fills in their `size`, so that
 *     fields can be added without breaking programs that were compiled earlier.
 *   - The library never prints, never exits and installs no signal handlers.
 *   - Objects may be used by one thread at a time; different objects by different threads at once.
 *     The OpenCL device behind a bp_device may be shared: open it twice.
 *
 * Notation in comments: B rows of a batch, n_l units of layer l, A_l its activations [B][n_l],
 * W_l its weights [n_l][n_{l-1}] (one row per output unit, PyTorch's order), b_l its biases.
 */
#ifndef BACKPROP_H
#define BACKPROP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BP_API __attribute__((visibility("default")))
#else
#define BP_API
#endif

#define BP_VERSION_MAJOR 0
#define BP_VERSION_MINOR 1
#define BP_VERSION_PATCH 0

/* Version of the library at run time, "major.minor.patch". */
BP_API const char *bp_version(void);

/* ---- 1. Status and errors --------------------------------------------------------------------
 *
 * Codes are pinned: their values never change. BP_STATUSES(X) calls X(name, value, text) for each. */
#define BP_STATUSES(X)                                                         \
    X(BP_OK, 0, "no error")                                                    \
    X(BP_ERROR_ARGUMENT, 1, "an argument is not valid")                        \
    X(BP_ERROR_MEMORY, 2, "out of memory")                                     \
    X(BP_ERROR_IO, 3, "a file could not be read or written")                   \
    X(BP_ERROR_DATA, 4, "the data is not valid")                               \
    X(BP_ERROR_MODEL, 5, "the model is not valid or does not fit the data")    \
    X(BP_ERROR_NO_DEVICE, 6, "no such device")                                 \
    X(BP_ERROR_OPENCL, 7, "an OpenCL call failed")                             \
    X(BP_ERROR_BUILD, 8, "a kernel did not build on this device")              \
    X(BP_ERROR_DEVICE_MEMORY, 9, "the device has too little memory")           \
    X(BP_ERROR_DIVERGED, 10, "training diverged: a loss that is not finite")   \
    X(BP_ERROR_CANCELLED, 11, "stopped by the progress callback")              \
    X(BP_ERROR_UNSUPPORTED, 12, "not supported on this device or in this build") \
    X(BP_ERROR_INTERNAL, 13, "internal error: please report it")

typedef enum bp_status {
#define BP_STATUS_ENUM(name, value, text) name = value,
    BP_STATUSES(BP_STATUS_ENUM)
#undef BP_STATUS_ENUM
} bp_status;

/* Name of a code ("BP_ERROR_DATA") and its one-line meaning; never NULL. */
BP_API const char *bp_status_name(bp_status status);
BP_API const char *bp_status_text(bp_status status);

/* What the last failed call of this thread had to say: the call, the OpenCL code by name, the file
 * and line of a bad input, the build log where there is one. Empty before the first failure. Valid
 * until the thread's next failure. A successful call does not clear it. */
BP_API const char *bp_last_error(void);

/* The name among names[count] that is nearest to given (edit distance, case ignored), for "did you
 * mean"; NULL where none is near. */
BP_API const char *bp_nearest(const char *given, const char *const *names, size_t count);

/* ---- 2. Devices ------------------------------------------------------------------------------ */

/* A device that has been opened: an OpenCL context and queue, or the plain C reference. */
typedef struct bp_device bp_device;

/* Kinds of device, in the order in which "auto" prefers them. */
#define BP_KIND_GPU 0
#define BP_KIND_ACCELERATOR 1
#define BP_KIND_CPU 2
#define BP_KIND_REFERENCE 3

typedef struct bp_device_info {
    char spec[24];                /* "P:D" or "reference": what bp_device_open accepts */
    char name[256];
    char vendor[256];
    char driver[256];
    char opencl[256];             /* the device's OpenCL version text; empty for the reference */
    int32_t kind;                 /* BP_KIND_* */
    uint32_t compute_units;
    uint64_t global_memory_bytes; /* 0 for the reference: as much as the process may have */
    char platform[256];           /* the platform's version text; empty for the reference */
} bp_device_info;

/* All devices of all OpenCL platforms, then the reference, which is always there, so *count >= 1.
 * The array is the caller's: bp_device_list_free. A machine without OpenCL is no error; *note (may
 * be NULL) then says why there are no OpenCL devices, and is empty otherwise. */
BP_API bp_status bp_device_list(bp_device_info **out, size_t *count, const char **note);
BP_API void bp_device_list_free(bp_device_info *list);
BP_API const char *bp_kind_name(int32_t kind);

/* Opens a device. spec: "auto" (a GPU, else an accelerator, else a CPU, else the reference), "gpu",
 * "cpu", "accelerator", "reference", "P:D" (platform and device number), or part of a device's name
 * in any case. NULL means the environment's BACKPROP_DEVICE, or "auto" where that is not set.
 * Errors: BP_ERROR_NO_DEVICE (the text lists what exists), BP_ERROR_OPENCL, BP_ERROR_MEMORY.
 * The device must outlive every object made with it. */
BP_API bp_status bp_device_open(bp_device **out, const char *spec);
BP_API void bp_device_free(bp_device *device);
BP_API const bp_device_info *bp_device_get_info(const bp_device *device);

/* ---- 3. Data sets ----------------------------------------------------------------------------
 *
 * A data set is either raw (as a file holds it: text, missing values, unscaled numbers) or encoded
 * (float32 features and targets). Training and evaluation take encoded data. A schema turns raw
 * into encoded; it is learned on the training part alone and stored in the model:
 *
 *     bp_data_load(&all, "iris.csv", NULL);            raw
 *     bp_data_split(&part, &rest, all, 0.2, seed);     raw, stratified by class
 *     bp_schema_learn(&schema, part);                  categories, means, scales, class names
 *     bp_schema_apply(&train, schema, part);           encoded
 *     bp_schema_apply(&valid, schema, rest);           encoded
 *
 * Arrays given by bp_data_from_arrays and bp_data_from_labels are encoded already. */
typedef struct bp_data bp_data;
typedef struct bp_schema bp_schema;

#define BP_TASK_AUTO 0
#define BP_TASK_CLASSIFY 1
#define BP_TASK_REGRESS 2

#define BP_FORMAT_AUTO 0
#define BP_FORMAT_CSV 1
#define BP_FORMAT_IDX 2
#define BP_FORMAT_NPY 3    /* NumPy's arrays: NPY files and NPZ archives */
#define BP_FORMAT_FANN 4   /* training data of FANN */
#define BP_FORMAT_LIBSVM 5 /* sparse text of LIBSVM and SVMlight */

/* "csv"; NULL for an unknown code, -2 for an unknown name. */
BP_API const char *bp_format_name(int32_t format);
BP_API int32_t bp_format_from_name(const char *name);

/* Regression: x [rows][features], targets [rows][outputs]; both copied. Errors: BP_ERROR_ARGUMENT,
 * BP_ERROR_MEMORY, BP_ERROR_DATA (a value that is not finite; the text names row and column). */
BP_API bp_status bp_data_from_arrays(bp_data **out, const float *x, size_t rows, size_t features,
                                     const float *targets, size_t outputs);

/* Classification: labels[rows] in 0..classes-1; copied. Errors as above. */
BP_API bp_status bp_data_from_labels(bp_data **out, const float *x, size_t rows, size_t features,
                                     const int32_t *labels, size_t classes);

typedef struct bp_load_options {
    size_t size;
    const char *labels;  /* of IDX and NPY: the file of labels; NULL: none, or known by its name */
    const char *target;  /* of tables: target column by name or by number from 1 (negative from the
                            end); several joined by commas for regression; NULL: the last column, or
                            what the format says */
    int32_t task;        /* BP_TASK_*; auto: text or few-valued integers mean classification */
    int32_t format;      /* BP_FORMAT_*; auto: told by content */
    int32_t header;      /* CSV: -1 find out, 0 none, 1 the first line */
    char delimiter;      /* CSV: 0 find out, or one of , ; tab */
    int32_t test_part;   /* of what has two parts (bp_data_has_test_part): 1 the test part */
    const bp_schema *schema; /* read columns as this schema knows them (eval, predict); NULL: free */
    int32_t need_target; /* with schema: 1 the target must be there (eval), 0 it may be (predict) */
    int32_t allow_missing_target; /* 1: rows without a target are no error, to look at the data */
    const char *keep;    /* bp_rows: columns of CSV that the model does not need but the caller
                            does, by name or number, joined by commas; see bp_rows_kept */
    int32_t stream;      /* 1: the rows are parsed into a temporary file in place of memory, which
                            then needs no more room than a few windows of rows (see BP_SHUFFLE_BLOCKS),
                            whatever the number of rows; CSV, IDX, NPY, plain or gzip. What is made
                            of such data by bp_data_split and bp_schema_apply is streamed as well,
                            and the same bit for bit as it is without. bp_data_describe and its
                            like do not take it (BP_ERROR_UNSUPPORTED) */
    const char *stream_folder; /* where that file is; it has no name, so that nothing is left behind,
                            however the process ends. NULL: $TMPDIR, or /var/tmp */
    const char *weights; /* of tables: a column of weights of the samples, by name or number: it is
                            no feature; NULL: none */
    const char *ignore;  /* of tables: columns that are no features, such as the rows' names, as target
                            names them; joined by commas. With schema needed only where there is no
                            header and the columns are not those of the file that was learned from */
} bp_load_options;

BP_API bp_load_options bp_load_options_default(void);

/* Reads a file of any of the formats, plain or gzip, or a folder that holds the four MNIST-style
 * files. docs/formats.md says what each of them means. path "-" reads standard input. options may
 * be NULL. Errors: BP_ERROR_IO, BP_ERROR_DATA (the text names the file and the line or byte),
 * BP_ERROR_MEMORY, BP_ERROR_ARGUMENT (options that do not go together). */
BP_API bp_status bp_data_load(bp_data **out, const char *path, const bp_load_options *options);

/* Reads paths[count] as one data set, the rows of the first file first: all of one format, with the
 * same columns; what is a number or a category is decided over all of them. labels (may be NULL):
 * labels[i], where it is not NULL, is the file of labels of paths[i]; options->labels is then NULL.
 * Errors as above, BP_ERROR_DATA also where the files do not go together. */
BP_API bp_status bp_data_load_files(bp_data **out, const char *const *paths,
                                    const char *const *labels, size_t count,
                                    const bp_load_options *options);

/* 1 if path holds a training and a test part: a folder with the four MNIST-style files, or an NPZ
 * archive with the arrays x_test and y_test. */
BP_API int bp_data_has_test_part(const char *path);

BP_API void bp_data_free(bp_data *data);

typedef struct bp_data_info {
    size_t rows;
    size_t columns;         /* of the file, the target not counted; for encoded data = features */
    size_t features;        /* network inputs once encoded; 0 while raw */
    size_t outputs;         /* network outputs once encoded (classes or targets); 0 while raw */
    int32_t task;           /* BP_TASK_*; BP_TASK_AUTO where there is no target */
    int32_t encoded;
    size_t missing;         /* cells that were missing in the file */
    int32_t format;         /* BP_FORMAT_* of the file; BP_FORMAT_AUTO for arrays */
    size_t image_height, image_width; /* 0 where the rows are not pictures */
    int32_t streamed;       /* 1: the rows lie in a file (bp_load_options.stream), not in memory */
} bp_data_info;

BP_API bp_data_info bp_data_get_info(const bp_data *data);

/* A file that raw data was read from. */
typedef struct bp_source {
    const char *path;     /* "standard input" for "-"; belongs to the data set */
    uint64_t bytes;       /* as they are in the file, compressed or not */
    char fingerprint[33]; /* of these bytes: XXH128 in 32 letters, as xxh128sum prints it */
} bp_source;

/* The files of raw data in the order in which they were read, and how many they are; NULL and 0 for
 * parts, encoded data and arrays. They live as long as the data set. */
BP_API const bp_source *bp_data_sources(const bp_data *data, size_t *count);

/* What encoded data is, in 32 letters: XXH128 of its shape, its features and its targets. Two data
 * sets with the same one train alike. Errors: BP_ERROR_ARGUMENT (raw data), BP_ERROR_MEMORY;
 * of rows in a file, which are read for it, BP_ERROR_IO. */
BP_API bp_status bp_data_fingerprint(const bp_data *data, char out[33]);

/* Encoded data of which the rows lie in memory; NULL otherwise. x [rows][features]; labels[rows] for
 * classification; targets [rows][outputs], scaled, for regression. They live as long as the data
 * set. */
BP_API const float *bp_data_features(const bp_data *data);
BP_API const int32_t *bp_data_labels(const bp_data *data);
BP_API const float *bp_data_targets(const bp_data *data);

/* Copies rows first to first + count - 1 of encoded data, wherever they lie: x [count][features], and
 * labels [count] or targets [count][outputs], whichever the data has. Any of the three may be NULL.
 * Several threads may read the same data set at once. Errors: BP_ERROR_ARGUMENT (raw data, rows that
 * are not there, labels or targets that the data does not have), BP_ERROR_IO. */
BP_API bp_status bp_data_read(const bp_data *data, size_t first, size_t count, float *x,
                              int32_t *labels, float *targets);

/* Streaming: what was read, and what lies in the file, so far. All zero for data in memory. */
typedef struct bp_stream_info {
    uint64_t bytes_read;   /* of the data files, as they are on disk */
    uint64_t bytes_kept;   /* in temporary files, parsed and encoded rows together */
    double parse_seconds;  /* reading and parsing, and writing what was parsed */
    double learn_seconds;  /* passes that bp_schema_learn and those after it needed */
    double encode_seconds; /* bp_schema_apply */
} bp_stream_info;
BP_API bp_stream_info bp_data_get_stream(const bp_data *data);
/* How much each row counts, in training and where a loss is measured: its error and its gradient are
 * multiplied by weights[rows] (copied), finite and not negative, after they have been scaled to the
 * mean 1 over the data set, so that the loss is the weighted mean. NULL: all alike, as from the start.
 * Splits and encoding keep them. Accuracies and the metrics of regression do not know of them.
 * bp_data_weights: as they were set, or NULL; of streamed data once it is encoded. Errors:
 * BP_ERROR_ARGUMENT, BP_ERROR_DATA (also: all are 0), BP_ERROR_MEMORY, BP_ERROR_UNSUPPORTED (streamed
 * and not encoded). */
BP_API bp_status bp_data_set_weights(bp_data *data, const float *weights);
BP_API const float *bp_data_weights(const bp_data *data);

/* Multiplies the weight of each row by that of its class, weights[classes]; NULL: by what makes all
 * classes count alike, rows / (classes * rows of the class). Encoded data with classes. Errors as
 * above. */
BP_API bp_status bp_data_weigh_classes(bp_data *data, const float *weights);

/* Warnings that loading or learning gave (constant column, all-missing column, imputed cells…),
 * one a line; empty where there are none. Belongs to the object. */
BP_API const char *bp_data_warnings(const bp_data *data);
BP_API const char *bp_schema_warnings(const bp_schema *schema);

/* What a raw column holds. */
#define BP_COLUMN_NUMBER 0
#define BP_COLUMN_CATEGORY 1 /* texts, or the classes of the target */
#define BP_COLUMN_CONSTANT 2 /* the same value in all rows that have one */
#define BP_COLUMN_EMPTY 3    /* no value in any row */
#define BP_COLUMN_ID 4       /* tells rows apart: all texts different, or whole numbers one after
                                the other, or all different and called "id" or alike; from 20 rows */
BP_API const char *bp_column_kind_name(int32_t kind);
BP_API int32_t bp_column_kind_from_name(const char *name);

typedef struct bp_column_info {
    const char *name;    /* belongs to the data set; "pixel" and "label" for pictures */
    size_t position;     /* in the file, from 0 */
    int32_t kind;        /* BP_COLUMN_* */
    int32_t text;        /* 1: texts, 0: numbers */
    int32_t is_target;
    size_t missing;      /* rows without a value */
    size_t distinct;     /* different values; 0: not counted (pixels that are no bytes) */
    double min, max, mean, deviation, skewness; /* of numbers, NAN where there are none; deviation
                            and skewness of the population, sum((x - mean)^3) / (n deviation^3) */
} bp_column_info;

/* *out = count columns, features first, then targets; for pictures all pixels together, then the
 * labels where they are known. The array is the caller's: free(). It takes time: the values of each
 * column are sorted. Errors: BP_ERROR_ARGUMENT (encoded data), BP_ERROR_MEMORY. */
BP_API bp_status bp_data_describe(bp_column_info **out, size_t *count, const bp_data *data);

typedef struct bp_value_count {
    const char *value; /* lives as long as the array that it is in */
    size_t count;
} bp_value_count;

/* The different values of column k of bp_data_describe as texts, in the order of classes (numbers
 * by size, texts by strcmp), and in how many rows each is. The array is the caller's: free(). Errors:
 * BP_ERROR_ARGUMENT (no such column, or pixels), BP_ERROR_MEMORY. */
BP_API bp_status bp_data_count_values(bp_value_count **out, size_t *count, const bp_data *data,
                                      size_t k);

/* What is likely to spoil a training beyond bp_data_warnings: columns that tell rows apart, extreme
 * skew, rows without a target, rare classes; one a line, empty where there is nothing. The text is
 * the caller's: free(). Errors as for bp_data_describe. */
BP_API bp_status bp_data_review(char **out, const bp_data *data);

/* Splits off round(fraction * rows) rows, stratified by class for classification, drawn by seed.
 * The same seed gives the same split on every machine. Both parts are the caller's. A class with
 * too few rows stays in the first part. Errors: BP_ERROR_ARGUMENT (fraction not in (0, 1), or a
 * part would be empty), BP_ERROR_MEMORY. */
BP_API bp_status bp_data_split(bp_data **first, bp_data **second, const bp_data *data,
                               double fraction, uint64_t seed);

/* Part `fold` (from 0) of `folds`, at least 2, for cross-validation: held has about rows / folds rows,
 * each class in proportion, training all others; the parts of all folds together are the data. Drawn
 * by seed, the same on every machine. A class of a single row is never held out. Errors:
 * BP_ERROR_ARGUMENT (no such fold, fewer rows than folds, nothing to hold out), BP_ERROR_UNSUPPORTED
 * (streamed data that is a part already), BP_ERROR_MEMORY. */
BP_API bp_status bp_data_fold(bp_data **training, bp_data **held, const bp_data *data, size_t folds,
                              size_t fold, uint64_t seed);

/* How numbers become features, (value - offset) / scale, and regression targets likewise. A missing
 * number counts as the mean. */
#define BP_SCALING_AUTO 0     /* bytes for pictures of bytes, else standard */
#define BP_SCALING_STANDARD 1 /* offset mean, scale standard deviation: mean 0, deviation 1 */
#define BP_SCALING_MINMAX 2   /* offset minimum, scale maximum - minimum: 0 to 1 */
#define BP_SCALING_NONE 3     /* as they stand */
#define BP_SCALING_BYTES 4    /* pictures of bytes: 1/255, 0 to 1 */
BP_API const char *bp_scaling_name(int32_t scaling);
BP_API int32_t bp_scaling_from_name(const char *name);

/* Learns how to turn raw data into features: one-hot categories, means for missing values, class
 * names, and the scaling BP_SCALING_AUTO of numeric columns, pixels and regression targets. Errors:
 * BP_ERROR_DATA (no target, one class only, nothing to learn from), BP_ERROR_MEMORY. */
BP_API bp_status bp_schema_learn(bp_schema **out, const bp_data *training_part);

/* Another scaling, learned from the same training part that the schema was learned from. Errors:
 * BP_ERROR_ARGUMENT (BP_SCALING_BYTES without pictures of bytes), BP_ERROR_DATA (other data; values
 * too large). */
BP_API bp_status bp_schema_set_scaling(bp_schema *schema, const bp_data *training_part,
                                       int32_t scaling);

/* Regression with an output activation that does not reach every number: scales the targets again,
 * so that those of the training part (the same that the schema was learned from) fill what
 * activation reaches: 0 to 1 for sigmoid, softmax and relu, -1 to 1 for tanh. Nothing changes for
 * linear outputs and for classification. Errors: BP_ERROR_ARGUMENT, BP_ERROR_DATA (other targets). */
BP_API bp_status bp_schema_scale_targets(bp_schema *schema, const bp_data *training_part,
                                         int32_t activation);
BP_API bp_status bp_schema_copy(bp_schema **out, const bp_schema *schema);
BP_API void bp_schema_free(bp_schema *schema);

/* Encodes raw data. Errors: BP_ERROR_DATA (columns that differ, a label never seen; the text names
 * them), BP_ERROR_MEMORY. A category never seen encodes as all zeros and is counted in a warning. */
BP_API bp_status bp_schema_apply(bp_data **out, const bp_schema *schema, const bp_data *raw);

/* Encodes raw data for a network that has no schema: numbers as they stand, pixels of a byte as
 * 1/255 of their value. A table's columns are taken in the file's order; where they are `inputs` in
 * number only with the target columns among them, there is no target. task: BP_TASK_CLASSIFY takes
 * one target column (or IDX labels) as classes 0..outputs-1, BP_TASK_REGRESS `outputs` target
 * columns as values, BP_TASK_AUTO what fits the number of columns. Errors: BP_ERROR_DATA (text,
 * missing values, columns or classes that do not fit; the text names them), BP_ERROR_MEMORY. */
BP_API bp_status bp_data_encode_plain(bp_data **out, const bp_data *raw, size_t inputs,
                                      size_t outputs, int32_t task);

/* Rows as they arrive: of a CSV file that is larger than the memory, or of a pipe that stays open,
 * whose rows are handed out as soon as they are there.
 *
 *     bp_rows *rows; const bp_data *block;
 *     bp_load_options how = bp_load_options_default();
 *     how.schema = bp_model_get_schema(model);
 *     const char *path = "-";
 *     bp_rows_open(&rows, &path, NULL, 1, &how, 0, 0);
 *     while (bp_rows_next(&block, rows, 4096) == BP_OK && block) …bp_predictor_run…
 *     bp_rows_free(rows);
 *
 * One CSV file that is not packed, read with a schema, is read block by block, in some megabytes of
 * memory. Everything else (other formats, gzip, several files, no schema) is read as a whole when it is
 * opened, and then handed out in the same blocks. */
typedef struct bp_rows bp_rows;

/* paths, labels, count and options as for bp_data_load_files. options->schema says how rows are encoded;
 * where it is NULL, they are encoded as by bp_data_encode_plain for `inputs`, `outputs` and
 * options->task. Waits for the first row. The schema must outlive rows. Errors: as bp_data_load_files
 * and bp_schema_apply. */
BP_API bp_status bp_rows_open(bp_rows **out, const char *const *paths, const char *const *labels,
                              size_t count, const bp_load_options *options, size_t inputs,
                              size_t outputs);
BP_API void bp_rows_free(bp_rows *rows);

/* *block = the next rows, encoded, at least 1 and at most `most`: those that are there, or, where there
 * are none yet, the first that come. NULL after the last. It belongs to rows and lives until the next
 * call. BP_ERROR_DATA where a row cannot be read (the text names line and column), after the rows
 * before it have been handed out; the next call goes on behind that row. Other errors: BP_ERROR_IO,
 * BP_ERROR_MEMORY. */
BP_API bp_status bp_rows_next(const bp_data **block, bp_rows *rows, size_t most);

/* The columns of options->keep: how many, what they are called, and what row `row` of the block has in
 * column k, as the file has it. NULL out of range; the texts live as long as the block. */
BP_API size_t bp_rows_kept_count(const bp_rows *rows);
BP_API const char *bp_rows_kept_name(const bp_rows *rows, size_t k);
BP_API const char *bp_rows_kept(const bp_rows *rows, size_t row, size_t k);

typedef struct bp_schema_info {
    size_t columns, features, outputs;
    int32_t task;
    size_t image_height, image_width;
    int32_t scaling; /* BP_SCALING_*, never auto */
} bp_schema_info;

BP_API bp_schema_info bp_schema_get_info(const bp_schema *schema);
/* Name of class k, or of target k for regression; NULL out of range. */
BP_API const char *bp_schema_output_name(const bp_schema *schema, size_t k);
/* Name of raw column k; NULL out of range, and for pictures, whose columns have no names. */
BP_API const char *bp_schema_column_name(const bp_schema *schema, size_t k);
/* Regression: raw target = scaled * scale + offset. For classification offset 0, scale 1. Either
 * pointer may be NULL. */
BP_API void bp_schema_target_scale(const bp_schema *schema, size_t k, double *offset,
                                   double *scale);
/* The schema as JSON, as it is stored in a model, and back. The text is the caller's: free().
 * Errors: BP_ERROR_MODEL (not a schema; the text says where), BP_ERROR_MEMORY. */
BP_API bp_status bp_schema_to_json(char **out, const bp_schema *schema);
BP_API bp_status bp_schema_from_json(bp_schema **out, const char *json);

/* ---- 4. Models -------------------------------------------------------------------------------- */

/* A network's architecture and its parameters in host memory, with the schema that feeds it. */
typedef struct bp_model bp_model;

#define BP_ACTIVATION_LINEAR 0
#define BP_ACTIVATION_SIGMOID 1
#define BP_ACTIVATION_TANH 2
#define BP_ACTIVATION_RELU 3
#define BP_ACTIVATION_SOFTMAX 4    /* output layer only, with cross-entropy */
#define BP_ACTIVATION_LEAKY_RELU 5 /* z, below 0 z / 100 */
#define BP_ACTIVATION_ELU 6        /* z, below 0 e^z - 1 */
#define BP_ACTIVATION_SELU 7       /* s z, below 0 s alpha (e^z - 1): Klambauer et al. 2017 */
#define BP_ACTIVATION_GELU 8       /* z Phi(z), Phi of the normal distribution, exact */
#define BP_ACTIVATION_SILU 9       /* z sigmoid(z), also called swish */
#define BP_ACTIVATION_SOFTPLUS 10  /* ln(1 + e^z) */
#define BP_ACTIVATION_SOFTSIGN 11  /* z / (1 + |z|) */
#define BP_ACTIVATION_SINE 12      /* sin(z) */
#define BP_ACTIVATION_AUTO (-1)

/* Per sample, a = output activations, t = targets, n outputs; the loss of a batch or data set is the
 * mean over its samples. Cross-entropy and bce are taken from the net inputs. */
#define BP_LOSS_HALF_SQUARED 0  /* E = 1/2 sum_k (t_k - a_k)^2 */
#define BP_LOSS_CROSS_ENTROPY 1 /* E = -sum_k t_k log softmax(z)_k; output activation softmax */
#define BP_LOSS_MSE 2           /* E = 1/n sum_k (t_k - a_k)^2 */
#define BP_LOSS_MAE 3           /* E = 1/n sum_k |t_k - a_k| */
#define BP_LOSS_HUBER 4         /* E = 1/n sum_k h(t_k - a_k), h(d) = d^2/2 where |d| <= p, else
                                   p (|d| - p/2) */
#define BP_LOSS_QUANTILE 5      /* E = 1/n sum_k max(p d, (p - 1) d), d = t_k - a_k: towards the value
                                   that a share p of the targets lie below */
#define BP_LOSS_BCE 6           /* E = -sum_k t_k ln a_k + (1 - t_k) ln(1 - a_k); output activation
                                   sigmoid: several classes at once, or none */
#define BP_LOSS_AUTO (-1)

#define BP_NORM_NONE 0
#define BP_NORM_LAYER 1 /* over the units of each sample: Ba et al. 2016 */
#define BP_NORM_BATCH 2 /* over the samples of a batch of at least two, for each unit: Ioffe & Szegedy 2015;
                           in evaluation and prediction with the mean and variance that a training has
                           found, moving a tenth of the way to those of each batch. A single row that
                           is left over in an epoch goes with the batch before it */

#define BP_OPTIMIZER_SGD 0      /* w -= r g */
#define BP_OPTIMIZER_MOMENTUM 1 /* v = m v + g; w -= r v */
#define BP_OPTIMIZER_ADAM 2     /* Kingma & Ba 2015, algorithm 1, with bias correction */
#define BP_OPTIMIZER_NESTEROV 3 /* v = m v + g; w -= r (g + m v) */
#define BP_OPTIMIZER_ADAGRAD 4  /* Duchi et al. 2011 */
#define BP_OPTIMIZER_RMSPROP 5  /* Tieleman & Hinton 2012; beta2 is its decay */
#define BP_OPTIMIZER_ADAMW 6    /* Loshchilov & Hutter 2019: Adam with decoupled weight decay */
#define BP_OPTIMIZER_LION 7     /* Chen et al. 2023 */
#define BP_OPTIMIZER_RPROP 8    /* iRPROP-, Igel & Huesken 2003: for batches that are all of the data */
#define BP_OPTIMIZER_LBFGS 9    /* L-BFGS with a line search, for all of the data as one batch, small and
                                   resident: an epoch is one iteration, a step one evaluation of loss
                                   and gradient, learning_rate the first length that is tried. No
                                   bp_trainer_step, L1, clipping or schedule */

#define BP_INIT_AUTO (-1)       /* lecun_normal for selu, glorot_uniform otherwise */
#define BP_INIT_GLOROT_UNIFORM 0 /* U(+-sqrt(6 / (n_in + n_out))), Glorot & Bengio 2010 */
#define BP_INIT_HE_UNIFORM 1    /* U(+-sqrt(6 / n_in)), He et al. 2015 */
#define BP_INIT_UNIFORM 2       /* U(+-init_range) */
#define BP_INIT_GLOROT_NORMAL 3 /* N(0, 2 / (n_in + n_out)); the normal ones and orthogonal are the same
                                   on every machine but for the rounding of its logarithm and cosine */
#define BP_INIT_HE_NORMAL 4     /* N(0, 2 / n_in) */
#define BP_INIT_LECUN_UNIFORM 5 /* U(+-sqrt(3 / n_in)), LeCun et al. 1998 */
#define BP_INIT_LECUN_NORMAL 6  /* N(0, 1 / n_in) */
#define BP_INIT_ORTHOGONAL 7    /* orthonormal rows, or columns where there are fewer, Saxe et al. 2014 */

/* Names as the command line spells them; NULL for an unknown code, -2 for an unknown name. */
BP_API const char *bp_activation_name(int32_t activation);
BP_API int32_t bp_activation_from_name(const char *name);
BP_API const char *bp_loss_name(int32_t loss);
BP_API int32_t bp_loss_from_name(const char *name);
/* The output activation that a loss is taken together with; AUTO where it goes with any. */
BP_API int32_t bp_loss_output_activation(int32_t loss);
/* "none", "layernorm", "batchnorm" */
BP_API const char *bp_norm_name(int32_t norm);
BP_API int32_t bp_norm_from_name(const char *name);
BP_API const char *bp_optimizer_name(int32_t optimizer);
BP_API int32_t bp_optimizer_from_name(const char *name);
BP_API const char *bp_init_name(int32_t init);
BP_API int32_t bp_init_from_name(const char *name);

/* One dense layer: A_out = f(A_in W^T + b), W [outputs][inputs], b [outputs] where bias is 1. Members
 * from dropout on are for hidden layers; an initializer that does not name them leaves them out. */
typedef struct bp_layer {
    size_t inputs, outputs;
    int32_t activation; /* BP_ACTIVATION_* */
    int32_t bias;       /* 1 or 0 */
    float dropout;      /* p: in each step of a training each output is 0 with probability p, and
                           divided by 1 - p else; 0 <= p < 1, rounded to 1/65536. Never in evaluation and
                           prediction. The same units on every device: drawn by the training's seed,
                           the layer, the step, the row's place in the batch and the unit */
    int32_t residual;   /* 1: A_out = f(…) + A_in, of as many outputs as inputs; 0 */
    int32_t norm;       /* BP_NORM_*: A_out = f(gain z^ + shift), z^ what A_in W^T + b is normalised to,
                           gain and shift [outputs] learned, with no weight decay on them */
} bp_layer;

typedef struct bp_model_options {
    size_t size;
    const char *hidden;         /* "128,64" or "128:relu,64:batchnorm:dropout=0.2"; residual adds
                                   inputs to outputs; layernorm, batchnorm: BP_NORM_*; "" or
                                   NULL: a single layer */
    int32_t activation;         /* of hidden layers that name none */
    int32_t output_activation;  /* BP_ACTIVATION_AUTO: softmax, sigmoid or linear by task and loss */
    int32_t loss;               /* BP_LOSS_AUTO: what goes with the output activation if that is
                                   named, else cross-entropy for classes, else half squared */
    int32_t bias;               /* 1: every layer has biases */
    int32_t init;               /* BP_INIT_*; biases start at 0 */
    float init_range;           /* for BP_INIT_UNIFORM */
    uint64_t seed;
    const struct bp_model *init_from; /* a model whose hidden layers this one has instead of those that
                                   hidden asks for, with its parameters; the output layer's, too,
                                   where it has as many outputs and nothing else is asked for, else
                                   that one is new. The data must have its inputs. NULL: none */
    float loss_parameter;       /* p of huber, above 0, and of quantile, in (0, 1); 0: 1 and 0.5 */
    float dropout;              /* of hidden layers that say nothing of it */
} bp_model_options;

BP_API bp_model_options bp_model_options_default(void);

/* Makes a model for encoded data: inputs and outputs are the data's. Parameters are drawn from
 * Philox 4x32-10 with the seed: the same on every machine. If the data came through a schema, the
 * model keeps a copy of it. Errors: BP_ERROR_ARGUMENT, BP_ERROR_DATA, BP_ERROR_MEMORY. */
BP_API bp_status bp_model_create(bp_model **out, const bp_data *data, const bp_model_options *options);

/* Makes a model layer by layer; init as in the options (which may be NULL; hidden, activation and
 * bias in them are not used). layers[l].inputs must equal layers[l-1].outputs. */
BP_API bp_status bp_model_create_layers(bp_model **out, const bp_layer *layers, size_t count,
                                        const bp_model_options *options);

/* Loads a safetensors file: ours, or a PyTorch state_dict of Linear layers (names "0.weight",
 * "0.bias", "2.weight"…). A state_dict has no activations; activation is then what its hidden
 * layers get (BP_ACTIVATION_AUTO: relu), the output layer is linear with half squared error.
 * Errors: BP_ERROR_IO, BP_ERROR_MODEL (what is wrong, and at which byte or tensor), BP_ERROR_MEMORY. */
BP_API bp_status bp_model_load(bp_model **out, const char *path, int32_t activation);

/* Writes atomically: a temporary beside path, fsync, rename. On failure the old file is intact.
 * Errors: BP_ERROR_IO (disk full, not writable), BP_ERROR_MODEL (a parameter is not finite: such a
 * file could not be loaded), BP_ERROR_MEMORY. */
BP_API bp_status bp_model_save(const bp_model *model, const char *path);
BP_API void bp_model_free(bp_model *model);

typedef struct bp_model_info {
    size_t layers, inputs, outputs;
    size_t parameters; /* weights, biases, gains and shifts */
    int32_t loss;      /* BP_LOSS_* */
    float loss_parameter; /* p of huber and quantile; 0 where there is none */
} bp_model_info;

BP_API bp_model_info bp_model_get_info(const bp_model *model);
BP_API bp_layer bp_model_get_layer(const bp_model *model, size_t layer);

/* The parameters themselves: W_l [outputs][inputs] and b_l [outputs] (NULL without bias). They may
 * be written between trainings; they live as long as the model. NULL where layer is out of range. */
BP_API float *bp_model_weights(bp_model *model, size_t layer);
BP_API float *bp_model_biases(bp_model *model, size_t layer);

/* Of a layer with a norm, each [outputs], as above: gain and shift, which begin at 1 and 0; of batch
 * normalisation what a training has found, which is no parameter and begins at mean 0 and variance 1.
 * NULL where the layer has none. */
BP_API float *bp_model_gains(bp_model *model, size_t layer);
BP_API float *bp_model_shifts(bp_model *model, size_t layer);
BP_API float *bp_model_means(bp_model *model, size_t layer);
BP_API float *bp_model_variances(bp_model *model, size_t layer);

/* The schema, or NULL: the model takes encoded data only. Belongs to the model. set copies; the
 * schema's features and outputs must be the model's (BP_ERROR_MODEL). */
BP_API const bp_schema *bp_model_get_schema(const bp_model *model);
BP_API bp_status bp_model_set_schema(bp_model *model, const bp_schema *schema);

/* 1 if the file's content is that of a model rather than of data; it may be damaged for all that. */
BP_API int bp_is_model(const char *path);

/* Free-form records that are saved with the model ("command", "seed", "device"…). get returns NULL
 * where there is no such key; keys enumerates (NULL past the end). */
BP_API bp_status bp_model_set_record(bp_model *model, const char *key, const char *value);
BP_API const char *bp_model_get_record(const bp_model *model, const char *key);
BP_API const char *bp_model_record_key(const bp_model *model, size_t index);

/* ---- 5. Training and using -------------------------------------------------------------------- */

/* How the learning rate r goes from step to step; `epochs` and `warmup` are in epochs. */
#define BP_SCHEDULE_AUTO (-1)     /* of bp_train cosine where epochs are 0 and there is no patience;
                                     else constant */
#define BP_SCHEDULE_CONSTANT 0    /* r */
#define BP_SCHEDULE_STEP 1        /* times decay after every decay_every epochs */
#define BP_SCHEDULE_EXPONENTIAL 2 /* times decay in every epoch, a little in every step */
#define BP_SCHEDULE_COSINE 3      /* down to final_rate along half a wave; Loshchilov & Hutter 2017 */
#define BP_SCHEDULE_ONECYCLE 4    /* up from r / 25 during warmup, then down to final_rate, both along
                                     half a wave; Smith & Topin 2018 */
#define BP_SCHEDULE_PLATEAU 5     /* times decay where the monitor has not improved for more than
                                     decay_every epochs */
BP_API const char *bp_schedule_name(int32_t schedule);
BP_API int32_t bp_schedule_from_name(const char *name);

/* What tells which epoch was the best: for patience, for the parameters that are kept, and for
 * plateaus. All but the first two are measured on validation data, as bp_report has them. */
#define BP_MONITOR_AUTO (-1) /* validation_loss, without validation data train_loss */
#define BP_MONITOR_TRAIN_LOSS 0
#define BP_MONITOR_VALIDATION_LOSS 1
#define BP_MONITOR_ACCURACY 2 /* of classes, and of labels: of whole samples */
#define BP_MONITOR_BALANCED_ACCURACY 3
#define BP_MONITOR_F1 4       /* mean over the classes, or labels */
#define BP_MONITOR_AUC 5
#define BP_MONITOR_LOG_LOSS 6
#define BP_MONITOR_RMSE 7
#define BP_MONITOR_MAE 8
#define BP_MONITOR_R2 9
BP_API const char *bp_monitor_name(int32_t monitor);
BP_API int32_t bp_monitor_from_name(const char *name);

#define BP_GEMM_AUTO 0    /* by kind of device */
#define BP_GEMM_NATIVE 1  /* this library's own kernels, the variant by kind of device */
#define BP_GEMM_CLBLAST 2 /* CLBlast, loaded only when chosen */
#define BP_GEMM_NAIVE 3   /* the one-line kernel: for understanding and for tests */
#define BP_GEMM_GPU 4     /* native, GPU variant whatever the device */
#define BP_GEMM_CPU 5     /* native, CPU variant whatever the device */
BP_API const char *bp_gemm_name(int32_t gemm);
BP_API int32_t bp_gemm_from_name(const char *name);

/* The order in which an epoch takes the rows; all are functions of seed, epoch, rows and the two
 * sizes below, and the same whether the data is resident or streamed.
 * BP_SHUFFLE_ALL: one permutation of all rows, drawn anew each epoch. Resident data only.
 * BP_SHUFFLE_BLOCKS: rows are cut into blocks of neighbours (as many as take 128 KiB as float32), the
 * epoch takes the blocks in a random order, and within each window of bp_train_options.window rows,
 * the next ones in that order, the rows in a random order. With the sizes that are the default a
 * window is more than a hundred blocks from anywhere in the data, so that a batch is nearly as
 * mixed as with BP_SHUFFLE_ALL, also where the rows are sorted. */
#define BP_SHUFFLE_NONE 0   /* the order of the data */
#define BP_SHUFFLE_AUTO 1   /* ALL for resident, BLOCKS for streamed data */
#define BP_SHUFFLE_BLOCKS 2
#define BP_SHUFFLE_ALL 3
BP_API const char *bp_shuffle_name(int32_t shuffle); /* "none"; NULL for an unknown code */
BP_API int32_t bp_shuffle_from_name(const char *name); /* -2 for an unknown name */

/* Whether rows are streamed to the device through a few buffers that a thread fills while it trains:
 * AUTO: where they lie in a file, or are more than the device can hold. */
#define BP_STREAM_AUTO 0
#define BP_STREAM_YES 1
#define BP_STREAM_NO 2
BP_API const char *bp_stream_name(int32_t stream);
BP_API int32_t bp_stream_from_name(const char *name);

typedef struct bp_progress {
    int64_t epoch, epochs;     /* current, from 1; and in all */
    int64_t step, steps;       /* finished in this epoch, and in all in an epoch */
    int32_t epoch_done;        /* 1: the epoch is complete, its losses below are final */
    double train_loss;         /* mean over the samples of the epoch so far */
    double validation_loss;    /* NAN until an epoch is done, or without validation data */
    double validation_accuracy; /* classification; NAN otherwise */
    double learning_rate;
    double seconds;            /* spent in training so far, evaluation not counted */
    double samples_per_second;
    struct bp_trainer *trainer; /* the training itself, to be looked at (bp_watch_look); NULL while
                                   an epoch is under way */
    int32_t diverged;          /* 1: the training ends here with BP_ERROR_DIVERGED; trainer is as the
                                  epoch left it */
    const char *checkpoint_error; /* why the last checkpoint could not be written; the training goes
                                     on and tries again. NULL: it could, or there is none */
    double monitored;          /* value of the monitor; NAN until an epoch is done */
    int64_t best_epoch;        /* so far; 0: none */
} bp_progress;

/* Called about ten times a second, at the end of each epoch, and where training diverges. A value other than 0 stops the
 * training at this step boundary with BP_ERROR_CANCELLED; the model then holds what was trained. */
typedef int (*bp_progress_fn)(const bp_progress *progress, void *user);

/* Collects what ran when; see part 6. */
typedef struct bp_profile bp_profile;

typedef struct bp_train_options {
    size_t size;
    int64_t epochs;       /* 0: by the number of rows, so many that 240,000 samples are seen, at least
                             15 and at most 120; ten times as many with patience */
    int64_t batch;        /* rows a step; the last batch of an epoch may be smaller. 0: the optimizer's
                             own (bp_optimizer_default_batch) */
    int32_t optimizer;    /* BP_OPTIMIZER_* */
    int32_t shuffle;      /* BP_SHUFFLE_* */
    int32_t gemm;         /* BP_GEMM_* */
    float learning_rate;  /* 0: the optimizer's default (sgd .1, momentum .02, adam .001…) */
    float momentum;       /* m of momentum and nesterov */
    float beta1, beta2, epsilon; /* of adam, adamw, lion, rmsprop and adagrad, as far as they have
                              them; negative: the optimizer's own */
    uint64_t seed;
    bp_progress_fn progress; /* may be NULL */
    void *user;
    bp_profile *profile; /* receives what the device does; must outlive the training. NULL: nothing
                            is measured, and nothing is paid for it */
    int32_t freeze_bias;  /* 1: biases take part, but keep the values that they have */
    const char *checkpoint; /* bp_train: the file that gets the state of the training (below); NULL:
                               none. Written after every */
    int64_t checkpoint_epochs; /* so many epochs, */
    int64_t checkpoint_steps;  /* so many steps, */
    double checkpoint_seconds; /* so many seconds (0: not for that reason), when the training has
                                  come to its end, and when the callback stops it */
    const char *resume;     /* bp_train: the checkpoint to go on from; NULL: from the start */
    int32_t stream;       /* BP_STREAM_* */
    int64_t window;       /* rows of a window of BP_SHUFFLE_BLOCKS and of a buffer of a stream, rounded
                             down to whole batches; 0: as many as take 16 MiB as float32. A stream
                             needs three windows of device memory, and as much pinned host memory
                             where the device has memory of its own */
    int32_t monitor;      /* BP_MONITOR_* */
    int32_t keep_best;    /* 1: the model ends as it was after its best epoch; 0: after the last;
                             -1: 1 where there is patience */
    int64_t patience;     /* training ends after this many epochs without an improvement; 0: never */
    double min_delta;     /* what the monitor must improve by, or more, to count as an improvement */
    int32_t schedule;     /* BP_SCHEDULE_* */
    double warmup;        /* epochs (parts count) in which the rate rises from 0 in a line, before the
                             schedule begins; of onecycle its rise, 0: 3/10 of all */
    double decay;         /* of step (0: 0.1), exponential (0: what makes it 1/100 in the end) and
                             plateau (0: 0.5) */
    int64_t decay_every;  /* epochs, of step (0: a third of all) and plateau (0: 5) */
    double final_rate;    /* share of the learning rate: where cosine and onecycle end, and what the
                             others do not go below */
    int64_t steps_per_epoch; /* of a training by bp_trainer_step, to which a schedule needs it; 0: what
                                the data of bp_trainer_set_data has */
    int64_t freeze_layers; /* the first so many layers keep their parameters, and no gradients are
                              computed for them; fewer than the model has */
    float weight_decay;   /* of all parameters: part of the update of adamw and lion, else added to the
                             gradient, times the parameter; negative: the optimizer's own (adamw
                             0.01, others 0) */
    float l1;             /* added to the gradient, times the parameter's sign */
    float clip_norm;      /* the gradients of a step are scaled down together where their norm is
                             above this; 0: not */
    float clip_value;     /* each gradient is cut off at plus and minus this; 0: not. After the norm */
    float label_smoothing; /* of cross_entropy and bce while training: the share of a target that is
                              spread over all classes, or over both answers; 0 <= it < 1 */
} bp_train_options;

BP_API bp_train_options bp_train_options_default(void);
BP_API float bp_optimizer_default_learning_rate(int32_t optimizer);
/* 32, or of lbfgs 2147483647: all rows that there are. */
BP_API int64_t bp_optimizer_default_batch(int32_t optimizer);

/* Of the whole training: what was done before it was resumed counts. */
typedef struct bp_train_result {
    int64_t epochs, steps;   /* finished */
    double train_loss;       /* of the last epoch, or of the best (best_kept) */
    double validation_loss, validation_accuracy; /* likewise; NAN where there is none */
    double seconds;          /* training only: no set-up, no validation */
    double setup_seconds;    /* upload and kernel build */
    double samples_per_second;
    size_t device_bytes;     /* of the device's memory, as bp_trainer_device_bytes, and for validation */
    bp_status checkpoint;    /* BP_OK, or why the last checkpoint could not be written */
    int32_t streamed;        /* 1: the training data was streamed */
    int32_t shuffle;         /* BP_SHUFFLE_* as it was done: never AUTO */
    double wait_seconds;     /* of a stream: part of seconds in which no rows were ready to go */
    int64_t best_epoch;      /* by the monitor, from 1; 0: no epoch was complete */
    double best_value;       /* of the monitor in that epoch; NAN where there is none */
    int32_t monitor;         /* BP_MONITOR_*, never auto */
    int32_t stopped_early;   /* 1: patience came to its end before the epochs */
    int64_t planned_epochs;  /* how many there would have been */
    int32_t best_kept;       /* 1: the model is that of best_epoch, and so are the losses above; 0: of
                                the last epoch */
} bp_train_result;

/* Trains model on encoded data. Targets that the output activation cannot reach are BP_ERROR_DATA
 * (bp_schema_scale_targets is the remedy). validation may be NULL; result may be NULL and is filled in on every
 * return. On BP_ERROR_CANCELLED the model holds the state at the step where it stopped; on
 * BP_ERROR_DIVERGED the state after the last epoch whose loss was finite; on both that after the best
 * epoch, where it is kept and there was one. Other errors leave the model as it was. Errors: also BP_ERROR_MODEL (the model does not fit the data),
 * BP_ERROR_DEVICE_MEMORY (says how much is needed), BP_ERROR_OPENCL, BP_ERROR_BUILD. */
BP_API bp_status bp_train(bp_model *model, bp_device *device, const bp_data *data,
                          const bp_data *validation, const bp_train_options *options,
                          bp_train_result *result);

/* Checkpoints. A checkpoint is a model file (bp_model_load reads it) that also holds all that a
 * training has to remember between two steps, and a checksum of its whole content. It is written
 * as a model is, beside its place, and the one before it stays as "<path>.previous": whenever the
 * process is killed or the disk is full, one of the two is sound.
 *
 *     how.checkpoint = "run.ckpt";
 *     if (access("run.ckpt", R_OK) == 0) how.resume = "run.ckpt";
 *     bp_train(model, device, data, NULL, &how, NULL);
 *
 * bp_train with resume wants model, data, validation data and options as they were at the start of
 * the training (model may also have been loaded from the checkpoint), and goes on at the step where
 * the checkpoint was written. On the same device, the result is the same as without the break, bit
 * for bit. epochs may be another number unless the schedule goes by it (cosine, onecycle, and step and
 * exponential by default), and so may checkpoint… and the callback; data may be streamed that was
 * resident, and the other way round, where shuffle is BP_SHUFFLE_BLOCKS or NONE. For whatever else
 * differs, BP_ERROR_MODEL names it. Another device or version of the library goes on as well, with its
 * own rounding: bp_checkpoint_get_info tells. Where the file is damaged or missing, the previous one is
 * taken instead; BP_ERROR_MODEL or BP_ERROR_IO where there is none either. */
typedef struct bp_checkpoint_info {
    int64_t epoch, epochs;  /* finished, and in all as the training was asked for */
    int64_t step, steps;    /* finished in the epoch under way (0: it has not begun), and in an epoch */
    int64_t total_steps;    /* finished in all */
    int32_t ended;          /* 1: the epochs are all done, or patience came to its end before */
    char device[256], driver[256], version[32]; /* of the library */
    char fingerprint[33];   /* bp_data_fingerprint of the training data; empty without data */
    int32_t shuffle;        /* BP_SHUFFLE_* as it was done: what BP_SHUFFLE_AUTO must mean again */
    int32_t previous;       /* 1: this is the previous one, because */
    char damage[512];       /* this is wrong with the file */
} bp_checkpoint_info;

/* Errors: BP_ERROR_IO, BP_ERROR_MODEL (damaged, or not a checkpoint), BP_ERROR_MEMORY. */
BP_API bp_status bp_checkpoint_get_info(bp_checkpoint_info *out, const char *path);

typedef struct bp_metrics {
    size_t samples;
    double loss;         /* mean over samples, in scaled units for regression */
    double accuracy;     /* of classes; of labels (bp_label_report) of whole samples; NAN otherwise */
    double rmse, mae, r2; /* regression, in the targets' own units; NAN otherwise */
    double seconds;
} bp_metrics;

/* Evaluates on encoded data. Errors as bp_train. */
BP_API bp_status bp_evaluate(bp_metrics *out, const bp_model *model, bp_device *device,
                             const bp_data *data);

/* Output activations y [rows][outputs] for encoded features x [rows][inputs]. For softmax they are
 * probabilities; for regression they are in the schema's scaled units (bp_schema_target_scale). */
BP_API bp_status bp_predict(const bp_model *model, bp_device *device, const float *x, size_t rows,
                            float *y);

/* The same again and again: a predictor keeps the parameters and compiled kernels on the device. A
 * row's answer is the same, bit for bit, whichever rows are beside it. model is copied; device must
 * outlive the predictor. Errors as bp_predict. */
typedef struct bp_predictor bp_predictor;
BP_API bp_status bp_predictor_create(bp_predictor **out, const bp_model *model, bp_device *device);
BP_API void bp_predictor_free(bp_predictor *predictor);
BP_API bp_status bp_predictor_run(bp_predictor *predictor, const float *x, size_t rows, float *y);

/* Step by step: a trainer keeps parameters, optimizer state and compiled kernels on the device. */
typedef struct bp_trainer bp_trainer;

/* model gives the start values; device must outlive the trainer. batch in the options is the largest
 * number of rows a step may have. */
BP_API bp_status bp_trainer_create(bp_trainer **out, const bp_model *model, bp_device *device,
                                   const bp_train_options *options);
BP_API void bp_trainer_free(bp_trainer *trainer);

/* Makes data (encoded) the set that bp_trainer_epoch draws its batches from: copied to the device, or,
 * where it is streamed (bp_train_options.stream), read while it trains and to outlive that. The
 * first checkpoint that is saved or loaded reads streamed data through once, for its fingerprint. */
BP_API bp_status bp_trainer_set_data(bp_trainer *trainer, const bp_data *data);

/* Runs one epoch; *loss (may be NULL) is the mean over its samples. BP_ERROR_DIVERGED where it is
 * not finite. */
BP_API bp_status bp_trainer_epoch(bp_trainer *trainer, double *loss);

/* One step on the caller's own arrays: x [rows][inputs], all finite (they are not looked through:
 * a NaN ends up in the parameters), and either targets [rows][outputs] or
 * labels[rows] (the other NULL); 1 <= rows <= batch. *loss (may be NULL; reading it waits for the
 * device) is the mean over the rows, before the step. */
BP_API bp_status bp_trainer_step(bp_trainer *trainer, const float *x, const float *targets,
                                 const int32_t *labels, size_t rows, double *loss);

/* The device's memory that the training holds, in bytes: parameters, optimizer state, resident data
 * with its permutation, and one batch's activations and deltas; gradients where they are stored, which
 * a CPU need not do for batches of up to 1024 rows except in bp_trainer_step. Vectors that are padded
 * come on top, for networks of some hundred thousand parameters about a percent. 0 for NULL. */
BP_API size_t bp_trainer_device_bytes(const bp_trainer *trainer);

/* Tells the schedule plateau what an epoch was measured to be, larger_is_better 1 or 0; the steps
 * that follow have the rate that comes of it. bp_train does it by itself. */
BP_API bp_status bp_trainer_observe(bp_trainer *trainer, double value, int32_t larger_is_better);

/* The learning rate of the step that comes next. */
BP_API double bp_trainer_get_rate(const bp_trainer *trainer);

/* Copies the parameters from the device into model, which must have the same layers. */
BP_API bp_status bp_trainer_get_model(bp_trainer *trainer, bp_model *model);

/* Writes a checkpoint between two steps or epochs. model, which must have the same layers, receives
 * the parameters and gives its schema and records. Errors: as bp_trainer_get_model and
 * bp_model_save. */
BP_API bp_status bp_trainer_save(bp_trainer *trainer, bp_model *model, const char *path);

/* Puts a trainer that was made with the same layers and options, and that has been given the same
 * data, where bp_trainer_save (or a checkpoint of bp_train) was: the next step or epoch gives the
 * same bits. An epoch that was under way is carried to its end by the next bp_trainer_epoch, whose
 * loss is that of the whole epoch. Errors: as for resume above; the trainer is then as it was, except after
 * BP_ERROR_OPENCL and BP_ERROR_MEMORY. */
BP_API bp_status bp_trainer_load(bp_trainer *trainer, const char *path);

/* The gradients of the last bp_trainer_step, in the layout of the parameters: weights
 * [outputs][inputs] and biases [outputs] (either may be NULL). They are of the mean loss over the
 * step's rows. The steps of an epoch use theirs up. Errors: BP_ERROR_ARGUMENT (no such layer, no
 * biases, no step yet or an epoch since). */
BP_API bp_status bp_trainer_get_gradients(bp_trainer *trainer, size_t layer, float *weights,
                                          float *biases);
/* The same of a layer's gains and shifts, each [outputs]. */
BP_API bp_status bp_trainer_get_norm_gradients(bp_trainer *trainer, size_t layer, float *gains,
                                               float *shifts);

#ifdef __cplusplus
}
#endif
#endif
