/* devices.c - `backprop devices`: what --device accepts on this machine. */
#include "commands.h"
#include "device.h"
#include "options.h"
#include "output.h"

static json_t *tuning_json(const bp_device_info *info)
{
    bp_tuning_info tuning;
    json_t *json = cli_tuning_json(&tuning, info);
    json_object_set_new(json, "file",
                        tuning.source == BP_TUNING_FILE ? cli_json_text(tuning.path) : json_null());
    json_object_set_new(json, "note", *tuning.note ? cli_json_text(tuning.note) : json_null());
    return json;
}

static void print_tuning(const bp_device_info *info)
{
    bp_tuning_info tuning = {0};
    bp_tuning_get_info(&tuning, info);
    if (tuning.source != BP_TUNING_DEFAULTS) {
        printf("           tuned: %s; ", tuning.summary);
        cli_print_text(stdout, tuning.source == BP_TUNING_FILE ? tuning.path : "shipped");
        putchar('\n');
    }
    if (*tuning.note) {
        fputs(tuning.source == BP_TUNING_DEFAULTS ? "           not tuned: " : "           note: ",
              stdout);
        cli_print_text(stdout, tuning.note);
        putchar('\n');
    }
}

static json_t *device_json(const bp_device_info *info)
{
    json_t *json = json_object();
    json_object_set_new(json, "spec", cli_json_text(info->spec));
    json_object_set_new(json, "name", cli_json_text(info->name));
    json_object_set_new(json, "kind", cli_json_text(bp_kind_name(info->kind)));
    json_object_set_new(json, "vendor", cli_json_text(info->vendor));
    json_object_set_new(json, "driver", cli_json_text(info->driver));
    json_object_set_new(json, "compute_units", cli_json_count(info->compute_units));
    json_object_set_new(json, "global_memory_bytes", cli_json_count(info->global_memory_bytes));
    json_object_set_new(json, "opencl", cli_json_text(info->opencl));
    json_object_set_new(json, "platform", cli_json_text(info->platform));
    json_object_set_new(json, "tuning", tuning_json(info));
    return json;
}

static void print_device(const bp_device_info *info)
{
    printf("%-11s", info->spec);
    cli_print_text(stdout, info->name);
    printf("\n           %s", bp_kind_name(info->kind));
    if (*info->vendor) {
        fputs(", ", stdout);
        cli_print_text(stdout, info->vendor);
    }
    if (*info->driver) {
        fputs(", driver ", stdout);
        cli_print_text(stdout, info->driver);
    }
    printf("\n           %u compute unit%s", info->compute_units,
           info->compute_units == 1 ? "" : "s");
    if (info->global_memory_bytes > 0)
        printf(", %.1f GiB", (double)info->global_memory_bytes / (1024.0 * 1024 * 1024));
    if (*info->opencl) {
        fputs(", ", stdout);
        cli_print_text(stdout, info->opencl);
    }
    putchar('\n');
    print_tuning(info);
}

int cli_devices(int argc, char **argv)
{
    cli_command command = {
        .name = "devices",
        .usage = "[OPTIONS]",
        .summary = "Lists the devices that can compute. The first word of each is what --device "
                   "accepts; the reference, plain C without OpenCL, is always there.",
        .examples = "  backprop devices\n"
                    "  backprop train iris.csv --device 0:0\n",
    };
    const char *arguments[CLI_ARGUMENTS];
    int code = cli_parse(&command, argc, argv, arguments);
    if (code >= 0) return code;

    bp_device_info *list;
    size_t count;
    const char *note = NULL;
    bp_status status = bp_device_list(&list, &count, &note);
    if (status != BP_OK) return cli_fail(status, NULL);
    if (note && *note && !command.quiet) cli_note("%s; the reference works without OpenCL", note);
    json_t *json = command.json ? json_array() : NULL;
    for (size_t i = 0; i < count; ++i) {
        if (command.json)
            json_array_append_new(json, device_json(&list[i]));
        else
            print_device(&list[i]);
    }
    bp_device_list_free(list);
    return command.json ? cli_print_json(stdout, json) : CLI_OK;
}
