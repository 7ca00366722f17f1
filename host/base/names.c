/* names.c - the tables of names behind bp_x_name and bp_x_from_name. */
#include "base/names.h"

#include <string.h>

#include "backprop_measure.h"
#include "base/families.h"

const char *bp__name_of(const bp__name *table, int32_t code)
{
    for (; table->name; ++table)
        if (table->code == code) return table->name;
    return NULL;
}

int32_t bp__code_of(const bp__name *table, const char *name)
{
    for (; name && table->name; ++table)
        if (strcmp(table->name, name) == 0) return table->code;
    return -2;
}

#define BP__FAMILY(family, ...)                                                                    \
    static const bp__name family##_names[] = {__VA_ARGS__, {NULL, 0}};                             \
    const char *bp_##family##_name(int32_t code)                                                   \
    {                                                                                              \
        return bp__name_of(family##_names, code);                                                  \
    }                                                                                              \
    int32_t bp_##family##_from_name(const char *name)                                              \
    {                                                                                              \
        return bp__code_of(family##_names, name);                                                  \
    }

/* clang-format off */
BP__FAMILY(format,
    {"auto", BP_FORMAT_AUTO},
    {"csv", BP_FORMAT_CSV},
    {"idx", BP_FORMAT_IDX},
    {"npy", BP_FORMAT_NPY},
    {"fann", BP_FORMAT_FANN},
    {"libsvm", BP_FORMAT_LIBSVM})

BP__FAMILY(column_kind,
    {"number", BP_COLUMN_NUMBER},
    {"category", BP_COLUMN_CATEGORY},
    {"constant", BP_COLUMN_CONSTANT},
    {"empty", BP_COLUMN_EMPTY},
    {"id", BP_COLUMN_ID})

BP__FAMILY(scaling,
    {"auto", BP_SCALING_AUTO},
    {"standard", BP_SCALING_STANDARD},
    {"minmax", BP_SCALING_MINMAX},
    {"none", BP_SCALING_NONE},
    {"bytes", BP_SCALING_BYTES})

#define ACTIVATION_NAME(code, name, module, low, high, of_net) {name, BP_ACTIVATION_##code},
#define LOSS_NAME(code, name, mean, parameter, output) {name, BP_LOSS_##code},
BP__FAMILY(norm,
    {"none", BP_NORM_NONE},
    {"layernorm", BP_NORM_LAYER},
    {"batchnorm", BP_NORM_BATCH})
BP__FAMILY(activation, BP__ACTIVATIONS(ACTIVATION_NAME) {"auto", BP_ACTIVATION_AUTO})
BP__FAMILY(loss, BP__LOSSES(LOSS_NAME) {"auto", BP_LOSS_AUTO})

#define OPTIMIZER_NAME(code, name, ...) {name, BP_OPTIMIZER_##code},
static const bp__name optimizer_names[] = {BP__OPTIMIZERS(OPTIMIZER_NAME) {NULL, 0}};
const char *bp_optimizer_name(int32_t code) { return bp__name_of(optimizer_names, code); }
int32_t bp_optimizer_from_name(const char *name) { return bp__code_of(optimizer_names, name); }

BP__FAMILY(init,
    {"auto", BP_INIT_AUTO},
    {"glorot_uniform", BP_INIT_GLOROT_UNIFORM},
    {"he_uniform", BP_INIT_HE_UNIFORM},
    {"uniform", BP_INIT_UNIFORM},
    {"glorot_normal", BP_INIT_GLOROT_NORMAL},
    {"he_normal", BP_INIT_HE_NORMAL},
    {"lecun_uniform", BP_INIT_LECUN_UNIFORM},
    {"lecun_normal", BP_INIT_LECUN_NORMAL},
    {"orthogonal", BP_INIT_ORTHOGONAL})

BP__FAMILY(schedule,
    {"auto", BP_SCHEDULE_AUTO},
    {"constant", BP_SCHEDULE_CONSTANT},
    {"step", BP_SCHEDULE_STEP},
    {"exponential", BP_SCHEDULE_EXPONENTIAL},
    {"cosine", BP_SCHEDULE_COSINE},
    {"onecycle", BP_SCHEDULE_ONECYCLE},
    {"plateau", BP_SCHEDULE_PLATEAU})

BP__FAMILY(monitor,
    {"auto", BP_MONITOR_AUTO},
    {"train_loss", BP_MONITOR_TRAIN_LOSS},
    {"validation_loss", BP_MONITOR_VALIDATION_LOSS},
    {"accuracy", BP_MONITOR_ACCURACY},
    {"balanced_accuracy", BP_MONITOR_BALANCED_ACCURACY},
    {"f1", BP_MONITOR_F1},
    {"auc", BP_MONITOR_AUC},
    {"log_loss", BP_MONITOR_LOG_LOSS},
    {"rmse", BP_MONITOR_RMSE},
    {"mae", BP_MONITOR_MAE},
    {"r2", BP_MONITOR_R2})

BP__FAMILY(gemm,
    {"auto", BP_GEMM_AUTO},
    {"native", BP_GEMM_NATIVE},
    {"clblast", BP_GEMM_CLBLAST},
    {"naive", BP_GEMM_NAIVE},
    {"gpu", BP_GEMM_GPU},
    {"cpu", BP_GEMM_CPU},
    {"matrix", BP_GEMM_MATRIX})

BP__FAMILY(precision,
    {"fp32", BP_PRECISION_FP32},
    {"tf32", BP_PRECISION_TF32},
    {"bf16", BP_PRECISION_BF16})

BP__FAMILY(shuffle,
    {"none", BP_SHUFFLE_NONE},
    {"auto", BP_SHUFFLE_AUTO},
    {"blocks", BP_SHUFFLE_BLOCKS},
    {"all", BP_SHUFFLE_ALL})

BP__FAMILY(stream,
    {"auto", BP_STREAM_AUTO},
    {"yes", BP_STREAM_YES},
    {"no", BP_STREAM_NO})

BP__FAMILY(phase,
    {"setup", BP_PHASE_SETUP},
    {"training", BP_PHASE_TRAINING},
    {"validation", BP_PHASE_VALIDATION},
    {"other", BP_PHASE_OTHER})

BP__FAMILY(tuning_source,
    {"defaults", BP_TUNING_DEFAULTS},
    {"shipped", BP_TUNING_SHIPPED},
    {"file", BP_TUNING_FILE})
/* clang-format on */
