/* model.h - what a model is made of. Outside host/model/ use the public accessors, and
 * bp__model_parameters for a model that is const. */
#ifndef BP_MODEL_MODEL_H
#define BP_MODEL_MODEL_H

#include "base/families.h"
#include "base/status.h"

/* Widest layer that a text or a list of layers may ask for: more is a typing error, not a network.
 */
enum { BP__LARGEST_WIDTH = 1 << 24 };

typedef struct bp__record {
    char *key, *value;
} bp__record;

/* Parameters are one arena, layer by layer: W_0, b_0, W_1, b_1…, then gains and shifts of layers
 * that have them, then what trainings have found of batches; offsets are in floats. Whatever
 * touches all of them is then one loop over one array. */
typedef struct bp__layer_view {
    size_t part[BP__PART_COUNT];
} bp__layer_view;

struct bp_model {
    bp_layer *layers;
    bp__layer_view *views;
    size_t layer_count;
    float *parameters;
    size_t parameter_count; /* what has been found included */
    size_t learned_count;
    int32_t loss;
    float loss_parameter; /* 0 where the loss has none */
    bp_schema *schema;    /* or NULL */
    bp__record *records;  /* in the order in which their keys were first set */
    size_t record_count, record_capacity;
};

/* The whole arena; *count is its size. */
const float *bp__model_parameters(const bp_model *model, size_t *count);

/* A layer's tensor and its size; NULL and 0 where it has none. */
float *bp__model_part(bp_model *model, size_t layer, bp__part part);
size_t bp__layer_part_size(const bp_layer *layer, bp__part part);

/* A model with all parameters 0. The layers must have passed bp__layers_check. */
bp_status bp__model_new(bp_model **out, const bp_layer *layers, size_t count, int32_t loss);

/* Copies the parameters of all layers that have the same widths in both. */
void bp__model_take(bp_model *model, const bp_model *from);

/* Draws the weights; biases stay. init is one of BP_INIT_*, AUTO included. */
bp_status bp__model_init(bp_model *model, int32_t init, float init_range, uint64_t seed);

/* *out = the parameter given, checked, or the loss's default where it is 0. Failures are reported
 * as `status`. */
bp_status bp__loss_parameter(float *out, bp_status status, int32_t loss, double given);

/* Reads hidden ("128,64:tanh:dropout=0.2", or NULL) into layers[].outputs and what follows it; what
 * a layer does not say is as in `like`. *count is the number of hidden layers, and the array has
 * room for one more. It is the caller's. */
bp_status bp__hidden_read(bp_layer **out, size_t *count, const char *hidden, const bp_layer *like);

/* Widths that chain, activations and loss that go together. Failures are reported as `status`. */
bp_status bp__layers_check(bp_status status, const bp_layer *layers, size_t count, int32_t loss);

/* Index of layer's linear module in nn.Sequential, where each activation but linear is a module of
 * its own, without tensors, and so are dropout and norms: layers relu, softmax have the indices
 * 0, 2. */
size_t bp__layer_torch_index(const bp_layer *layers, size_t layer);

/* "2.weight", a norm's "3.weight" and "3.running_mean"; what is in a residual layer is in a module
 * of its own: "2.0.weight". */
enum { BP__TENSOR_NAME = 48 };
void bp__layer_tensor_name(char name[BP__TENSOR_NAME], const bp_layer *layers, size_t layer,
                           bp__part part);

/* The model in a safetensors file that has been read; activation is for hidden layers where the
 * file names none. */
struct bp__safetensors;
bp_status bp__model_from(bp_model **out, const struct bp__safetensors *file, int32_t activation);

/* bp_model_set_record for a key that the model is known not to have yet. */
bp_status bp__model_add_record(bp_model *model, const char *key, const char *value);

#endif
