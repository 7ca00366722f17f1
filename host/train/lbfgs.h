/* lbfgs.h - limited-memory BFGS: the direction from the last steps and changes of the gradient, and
 * a line search along it. Everything is in double precision on the host; where losses and gradients
 * come from, the caller knows (full_batch.c). */
#ifndef BP_TRAIN_LBFGS_H
#define BP_TRAIN_LBFGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { BP__LBFGS_HISTORY = 10 };

/* What is minimised. */
typedef struct bp__objective {
    /* *value and gradient [n] at x [n], which is first rounded to what can be computed with. A
     * value that is not finite is an answer, too: the point is too far away. */
    bp_status (*at)(double *x, double *value, double *gradient, void *user);
    void *user;
    double noise; /* relative error of values: differences below it say nothing */
} bp__objective;

typedef struct bp__lbfgs {
    size_t count;                 /* n */
    double *x, *gradient;         /* [n], where it is; x is the caller's to set before a step */
    double value;                 /* at x */
    double *steps, *changes;      /* [BP__LBFGS_HISTORY][n], of x and of the gradient, in a ring */
    double *direction, *trial;    /* [n] */
    double *trial_gradient;       /* [n] */
    int64_t known, pairs, newest; /* whether value and gradient are; how many pairs there are */
    int64_t evaluations;          /* of the last step */
} bp__lbfgs;

bp_status bp__lbfgs_create(bp__lbfgs *lbfgs, size_t count);
void bp__lbfgs_free(bp__lbfgs *lbfgs);
/* Forgets all but x. */
void bp__lbfgs_forget(bp__lbfgs *lbfgs);

/* One step from x: a direction and a search along it, whose first try is first_step (1 is
 * Newton's). *moved is false where no point that is better could be told apart from x: it is a
 * minimum as far as the objective's precision goes. value is not finite only where it is not at the
 * start. */
bp_status bp__lbfgs_step(bp__lbfgs *lbfgs, const bp__objective *objective, double first_step,
                         bool *moved);

#endif
