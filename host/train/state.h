/* state.h - what a training knows beyond its model, as a table: a checkpoint writes its rows and
 * reads them back, whatever they are. Something new to be remembered is one row more, in
 * bp__trainer_state or in bp_train's own table. */
#ifndef BP_TRAIN_STATE_H
#define BP_TRAIN_STATE_H

#include "model/checkpoint.h"
#include "net/network.h"

typedef enum bp__state_kind {
    BP__STATE_COUNTS,  /* int64_t [count] */
    BP__STATE_NUMBERS, /* double [count] */
    BP__STATE_FLOATS,  /* float [count] */
    BP__STATE_ARENA    /* numbers on the engine, laid out as the network's parameters */
} bp__state_kind;

typedef struct bp__state_row {
    char name[48]; /* "state.<name>" in the file; an arena's tensors have the layer and "weight" or
                      "bias" behind it */
    bp__state_kind kind;
    void *host;
    size_t count;
    bp__buffer *arena; /* NULL: there is none, and nothing to remember */
    bool in_model;     /* the model holds it as floats: it is written where it is doubles */
} bp__state_row;

/* The rows of one training. */
typedef struct bp__state {
    const bp__network *network;
    bp__state_row *rows;
    size_t count, capacity;
} bp__state;

bp_status bp__state_add(bp__state *state, const bp__state_row *rows, size_t count);
void bp__state_free(bp__state *state);

/* Writes a checkpoint of model and state. about is what else there is to say. */
bp_status bp__state_save(const bp__state *state, const bp_model *model, const char *path,
                         const char *about, bool keep);

/* Whether the file holds every row, and no state but that and what begins with `ignored` (NULL:
 * nothing does). */
bp_status bp__state_check(const bp__state *state, const bp__checkpoint *from, const char *ignored);
/* Reads every row of a file that has passed. */
bp_status bp__state_load(const bp__state *state, const bp__checkpoint *from);

#endif
