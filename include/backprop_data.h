/* backprop_data.h - part 3 of the manual, backprop.h, which includes it: data sets. */
#ifndef BACKPROP_DATA_H
#define BACKPROP_DATA_H

#include "backprop_base.h"

#ifdef __cplusplus
extern "C" {
#endif

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
 * BP_ERROR_STORAGE (the stream's file), BP_ERROR_MEMORY, BP_ERROR_ARGUMENT (options that do not go
 * together). */
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
 * sets with the same one and the same weights train alike. Errors: BP_ERROR_ARGUMENT (raw data), BP_ERROR_MEMORY;
 * of rows in a file, which are read for it, BP_ERROR_STORAGE. */
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
 * are not there, labels or targets that the data does not have), BP_ERROR_STORAGE. */
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
 * One CSV file, plain or gzip, or standard input that is not packed, read with a schema, is read block
 * by block, in some megabytes of memory. Everything else (other formats, several files, no schema) is
 * read as a whole when it is opened, and then handed out in the same blocks. */
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

#ifdef __cplusplus
}
#endif
#endif
