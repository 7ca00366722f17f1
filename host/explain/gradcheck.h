/* gradcheck.h - the check of a glass's gradients, for bp_gradcheck and for the tests that break
 * something first. */
#ifndef BP_EXPLAIN_GRADCHECK_H
#define BP_EXPLAIN_GRADCHECK_H

#include "backprop_explain.h"
#include "explain/glass.h"

/* Runs the glass's operations on the batch that is loaded and compares the gradients that they
 * leave with central differences. The result is released with bp_gradcheck_free, also after an
 * error. */
bp_status bp__gradcheck_glass(bp_gradcheck_result *out, bp__glass *glass,
                              const bp_gradcheck_options *options);

/* Compares gradients [arena] of a device with those of the glass, which has been checked before. */
bp_status bp__gradcheck_device(bp_gradcheck_result *out, bp__glass *glass, const double *gradients,
                               const bp_gradcheck_options *options);

#endif
