/* loss_row.cl - the loss of one row, for the middle of a function. This is text, not a function, since
 * rows lie in different memories and orders; loss.cl says what is computed.
 *
 * Before it stand LOSS, HAS_LABELS, HAS_DELTA and these:
 *   N             outputs
 *   OUTPUT(k)     what the loss is given of output k: net inputs where LOSS is 1
 *   VALUE(k)      the activation itself
 *   SLOPE(k, a)   its slope, a = VALUE(k)
 *   TARGET(k)     and, with HAS_LABELS, label, a uint
 *   DELTA(k)      to be assigned to, with HAS_DELTA; SLOPE(k, a) is not asked for again after it
 *   scale, weight, share, parameter
 * After it, error is the row's error and hit 0 or 1. */
float error = 0.0f, largest = VALUE(0);
uint first_largest = 0;
for (uint k = 1; k < (N); ++k) {
    const float a = VALUE(k);
    first_largest = a > largest ? k : first_largest;
    largest = a > largest ? a : largest;
}
#if LOSS == 1
float sum = 0.0f, target_sum = 0.0f;
for (uint k = 0; k < (N); ++k) {
    sum += exp(OUTPUT(k) - largest);
    target_sum += TARGET(k);
}
const float log_sum = log(sum);
for (uint k = 0; k < (N); ++k) {
    const float t = TARGET(k), z = OUTPUT(k) - largest;
    if (t != 0.0f) error += t * (log_sum - z);
#if HAS_DELTA
    DELTA(k) = scale * weight * (exp(z) / sum * target_sum - t);
#endif
}
/* A net input that is NaN or infinite leaves no error above, if it is not the target's. */
if (!isfinite(sum)) error = NAN;
#else
for (uint k = 0; k < (N); ++k) {
    const float a = VALUE(k), t = TARGET(k);
    error += BP_ERROR(LOSS, s)(a, t, parameter);
#if HAS_DELTA
    DELTA(k) = scale * weight * BP_EFFECT(LOSS, s)(a, t, parameter) * SLOPE(k, a);
#endif
}
error *= share;
#endif
error *= weight;
#if HAS_LABELS
const float hit = first_largest == label ? 1.0f : 0.0f;
#else
const float hit = 0.0f;
#endif
