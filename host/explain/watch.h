/* watch.h - what a watch knows, for its two files: watch.c looks between epochs, trace.c goes
 * through an epoch that has diverged. */
#ifndef BP_EXPLAIN_WATCH_H
#define BP_EXPLAIN_WATCH_H

#include "backprop_explain.h"
#include "train/trainer.h"

/* Arenas of a trainer's network on the host, exactly as they are there; NULL where it has none. */
typedef struct bp__arenas {
    double *parameters, *moment1, *moment2;
} bp__arenas;

struct bp_watch {
    bp_model *model; /* as the training started */
    bp_model *now;   /* as it was at the last look */
    bp_data *rows;   /* that are looked at */
    size_t layer_count;
    bp_watch_layer *layers;
    bool looked;
    bp__arenas kept;     /* of the last look */
    int64_t epoch, step, updates; /* of the trainer then */
};

/* Reads a network's arenas; free them with bp__arenas_free. */
bp_status bp__arenas_read(bp__arenas *out, const bp__network *network);
void bp__arenas_free(bp__arenas *arenas);

#endif
