/* answers_show.c - `backprop predict --show`: pictures in the terminal, with what the model says of
 * them.
 */
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "output.h"
#include "picture.h"

bool cli_has_pictures(const bp_data *data)
{
    const bp_data_info info = bp_data_get_info(data);
    return info.image_height > 0 && info.image_width > 0 &&
           info.image_height * info.image_width == info.features;
}

static void describe(cli_picture *p, const cli_answers *a, const float *y, const int32_t *label)
{
    char number[CLI_NUMBER];
    const size_t said = cli_answer(a, y);
    if (!a->classes)
        snprintf(p->said, sizeof p->said, "predicted: %.4g", cli_answer_value(a, y, 0));
    else if (said == CLI_NO_CLASS)
        snprintf(p->said, sizeof p->said, "predicted: none");
    else if (bp_model_get_info(a->model).loss == BP_LOSS_CROSS_ENTROPY)
        snprintf(p->said, sizeof p->said, "predicted: %.60s (%.0f %%)",
                 cli_class_name(a, said, number), 100 * (double)y[said]);
    else
        snprintf(p->said, sizeof p->said, "predicted: %.60s", cli_class_name(a, said, number));
    if (!a->classes || !label) return;
    const size_t truth = (size_t)*label;
    snprintf(p->truth, sizeof p->truth, "true: %.60s", cli_class_name(a, truth, number));
    p->wrong = truth != said;
}

int cli_answers_show(const cli_answers *a, const bp_data *data, const float *y, size_t most)
{
    const bp_data_info info = bp_data_get_info(data);
    const size_t count = most < info.rows ? most : info.rows;
    const int32_t *labels = bp_data_labels(data);
    cli_picture *pictures = calloc(count, sizeof *pictures);
    if (!pictures) return cli_error(CLI_FAILURE, "out of memory");
    for (size_t i = 0; i < count; ++i) {
        pictures[i].pixels = bp_data_features(data) + i * info.features;
        describe(&pictures[i], a, y + i * a->outputs, labels ? &labels[i] : NULL);
    }
    const cli_terminal terminal = cli_terminal_of(stdout);
    cli_draw_pictures(stdout, &terminal, pictures, count, info.image_height, info.image_width);
    free(pictures);
    return -1;
}
