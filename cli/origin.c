/* origin.c - where a model comes from, as its records say it. */
#include "origin.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop_measure.h"
#include "device.h"

/* ---- texts that grow --------------------------------------------------------------------------
 */

__attribute__((format(printf, 3, 4))) static void append(cli_origin *origin, char **text,
                                                         const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const int more = vsnprintf(NULL, 0, format, values);
    va_end(values);
    const size_t used = *text ? strlen(*text) : 0;
    char *longer = more < 0 ? NULL : realloc(*text, used + (size_t)more + 1);
    if (!longer) {
        origin->failed = true;
        return;
    }
    va_start(values, format);
    vsnprintf(longer + used, (size_t)more + 1, format, values);
    va_end(values);
    *text = longer;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static bool has_control(const char *word)
{
    for (; *word; ++word)
        if ((unsigned char)*word < ' ' || *word == 127) return true;
    return false;
}

static bool is_utf8(const char *word)
{
    json_t *text = json_string(word);
    json_decref(text);
    return text != NULL;
}

/* Bytes that a record cannot hold or a terminal should not see: printf makes them again. Command
 * substitution drops line breaks at the end, so that these stand outside. */
static void append_by_printf(cli_origin *origin, const char *word)
{
    size_t length = strlen(word), end = length;
    while (end > 0 && word[end - 1] == '\n') --end;
    append(origin, &origin->command, "\"$(printf '");
    for (size_t i = 0; i < end; ++i) {
        const unsigned char byte = (unsigned char)word[i];
        const bool plain = byte > ' ' && byte < 127 && !strchr("'\\%", byte);
        append(origin, &origin->command, plain ? "%c" : "\\%03o", byte);
    }
    append(origin, &origin->command, "')\"");
    if (end < length) append(origin, &origin->command, "'%s'", word + end);
}

static void append_word(cli_origin *origin, const char *word)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789_-+=.,:/@%";
    if (has_control(word) || !is_utf8(word)) {
        append_by_printf(origin, word);
        return;
    }
    if (*word && word[strspn(word, harmless)] == '\0') {
        append(origin, &origin->command, "%s", word);
        return;
    }
    append(origin, &origin->command, "'");
    for (; *word; ++word)
        if (*word == '\'')
            append(origin, &origin->command, "'\\''");
        else
            append(origin, &origin->command, "%c", *word);
    append(origin, &origin->command, "'");
}

/* Words that begin here and do not change the model: 0, 1 or 2 of them. */
static int words_to_leave_out(const char *word)
{
    static const char *const options[] = {"--checkpoint", "--checkpoint-every", "--resume"};
    for (size_t i = 0; i < sizeof options / sizeof *options; ++i) {
        const size_t length = strlen(options[i]);
        if (strncmp(word, options[i], length) != 0) continue;
        if (word[length] == '=') return 1;
        if (word[length] == '\0') return 2;
    }
    return 0;
}

void cli_origin_command(cli_origin *origin, int argc, char **argv)
{
    bool options = true;
    append(origin, &origin->command, "backprop");
    for (int i = 0; i < argc; ++i) {
        options = options && strcmp(argv[i], "--") != 0;
        const int left_out = options ? words_to_leave_out(argv[i]) : 0;
        if (left_out > 0) {
            i += left_out - 1;
            continue;
        }
        append(origin, &origin->command, " ");
        append_word(origin, argv[i]);
    }
}

void cli_origin_option(cli_origin *origin, const char *option)
{
    char *command = origin->command;
    const char *rest = command ? strchr(command, ' ') : NULL; /* behind "backprop train" */
    rest = rest ? strchr(rest + 1, ' ') : NULL;
    if (!rest) return;
    origin->command = NULL;
    append(origin, &origin->command, "%.*s %s%s", (int)(rest - command), command, option, rest);
    free(command);
}

/* ---- the data ---------------------------------------------------------------------------------
 */

void cli_origin_data(cli_origin *origin, const char *const *paths, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        append(origin, &origin->data, "%s%s", i ? ", " : "", paths[i]);
}

void cli_origin_files(cli_origin *origin, const bp_data *raw)
{
    size_t count;
    const bp_source *sources = bp_data_sources(raw, &count);
    for (size_t i = 0; i < count; ++i) {
        char *line = NULL;
        append(origin, &line, "%s  %s\n", sources[i].fingerprint, sources[i].path);
        /* An archive is read for its training part and for its test part. */
        if (line && (!origin->files || !strstr(origin->files, line)))
            append(origin, &origin->files, "%s", line);
        free(line);
        if (strcmp(sources[i].path, "standard input") == 0)
            cli_origin_reason(origin, "data came from standard input");
    }
}

void cli_origin_reason(cli_origin *origin, const char *reason)
{
    if (origin->unrepeatable && strstr(origin->unrepeatable, reason)) return;
    append(origin, &origin->unrepeatable, "%s%s", origin->unrepeatable ? "; " : "", reason);
}

void cli_origin_free(cli_origin *origin)
{
    free(origin->command);
    free(origin->data);
    free(origin->files);
    free(origin->unrepeatable);
    *origin = (cli_origin){.command = NULL};
}

/* ---- the records ------------------------------------------------------------------------------
 */

/* What the environment has chosen is part of the command. */
static void name_environment(cli_origin *origin, bool device_given)
{
    static const char *const names[] = {"BACKPROP_DEVICE", "BACKPROP_TUNING",
                                        "BP_MATRIX_STAND_IN"};
    char *command = origin->command;
    origin->command = NULL;
    for (size_t i = device_given; i < sizeof names / sizeof *names; ++i) {
        const char *value = getenv(names[i]);
        if (!value || !*value) continue;
        append(origin, &origin->command, "%s=", names[i]);
        append_word(origin, value);
        append(origin, &origin->command, " ");
    }
    append(origin, &origin->command, "%s", command);
    free(command);
}

bp_status cli_origin_record(cli_origin *origin, bp_model *model, const bp_device *device,
                            bool device_given, uint64_t seed)
{
    const bp_device_info *info = bp_device_get_info(device);
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, seed);
    bp_tuning_info tuning;
    bp_status status = bp_tuning_get_info(&tuning, info);
    if (status != BP_OK) return status;
    name_environment(origin, device_given);
    if (getenv("BP_KERNEL_DIR"))
        cli_origin_reason(origin, "kernels came from the folder BP_KERNEL_DIR");
    if (origin->failed) return BP_ERROR_MEMORY;
    size_t length = origin->files ? strlen(origin->files) : 0;
    if (length > 0 && origin->files[length - 1] == '\n') origin->files[length - 1] = '\0';
    const struct {
        const char *key, *value;
    } texts[] = {
        {CLI_RECORD_COMMAND, origin->command},
        {"data", origin->data},
        {CLI_RECORD_FILES, origin->files},
        {"seed", text},
        {"device", info->name},
        {"driver", info->driver},
        {"precision", cli_precision_name(device)},
        {CLI_RECORD_TUNING, tuning.summary},
        {"version", bp_version()},
        {CLI_RECORD_UNREPEATABLE, origin->unrepeatable},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
        if (!texts[i].value || !*texts[i].value) continue;
        status = bp_model_set_record(model, texts[i].key, texts[i].value);
        if (status != BP_OK) return status;
    }
    return BP_OK;
}
