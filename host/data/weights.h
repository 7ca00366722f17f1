/* weights.h - the column of a table that holds weights of samples. */
#ifndef BP_DATA_WEIGHTS_H
#define BP_DATA_WEIGHTS_H

#include "data/data.h"

/* Makes the last feature column of a table the weights of its rows. Errors: BP_ERROR_DATA (a weight
 * that is missing, negative or a text; the text says where), BP_ERROR_MEMORY. */
bp_status bp__data_take_weights(bp_data *data);

/* BP_ERROR_DATA where no row counts. */
bp_status bp__check_weights(const bp_data *data);

#endif
