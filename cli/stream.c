/* stream.c - whether data is held in memory or streamed from disk. */
#include "stream.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "output.h"

size_t cli_stream_options(cli_stream *stream, cli_option rows[CLI_STREAM_OPTIONS])
{
    const cli_option table[CLI_STREAM_OPTIONS] = {
        {.name = "stream",
         .kind = CLI_CHOICE,
         .to.code = &stream->mode,
         .value = "NAME",
         .choice = bp_stream_name,
         .help = "leave the rows of DATA on disk and read them while they are used: yes, no, or "
                 "auto: where they may not fit into memory"},
        {.name = "memory",
         .kind = CLI_TEXT,
         .to.text = &stream->memory,
         .value = "SIZE",
         .help = "what --stream auto may use for data: \"8G\", \"500M\"",
         .fallback = "most of what is free"},
        {.name = "stream-folder",
         .kind = CLI_TEXT,
         .to.text = &stream->folder,
         .value = "DIR",
         .help = "where streamed rows are kept meanwhile, in a file without a name",
         .fallback = "$TMPDIR, else /var/tmp"},
    };
    memcpy(rows, table, sizeof table);
    return CLI_STREAM_OPTIONS;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* "8G" and the like in bytes; NAN where it is none. */
static double parse_size(const char *text)
{
    static const char units[] = "KMGT";
    char *rest;
    double value = strtod(text, &rest), unit = 1;
    const char *at = *rest ? strchr(units, *rest & ~32) : NULL;
    for (const char *u = units; at && u <= at; ++u) unit *= 1024;
    if (at) ++rest;
    if (*rest && strcmp(rest, "B") != 0 && strcmp(rest, "iB") != 0) return NAN;
    return rest != text && value > 0 && isfinite(value) ? value * unit : NAN;
}

/* The number behind a name in a file of the kernel's, in units of `unit`; INFINITY without one. */
static double kernel_number(const char *path, const char *name, double unit)
{
    char line[256];
    double value = INFINITY;
    FILE *file = fopen(path, "r");
    if (!file) return value;
    while (fgets(line, sizeof line, file)) {
        char *rest;
        const size_t length = strlen(name);
        if (strncmp(line, name, length) != 0) continue;
        const double found = strtod(line + length, &rest);
        if (rest != line + length) value = found * unit;
        break;
    }
    fclose(file);
    return value;
}

/* Bytes that the process may still take: of the system, of its control group, of its limits. */
static double free_memory(void)
{
    double bytes = kernel_number("/proc/meminfo", "MemAvailable:", 1024);
    const double group = kernel_number("/sys/fs/cgroup/memory.max", "", 1) -
                         kernel_number("/sys/fs/cgroup/memory.current", "", 1);
    if (group > 0 && group < bytes) bytes = group;
    const int limits[] = {RLIMIT_AS, RLIMIT_DATA};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; ++i) {
        struct rlimit limit;
        if (getrlimit(limits[i], &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
            (double)limit.rlim_cur < bytes)
            bytes = (double)limit.rlim_cur;
    }
    return bytes;
}

/* Bytes of a file, gzip as if it were unpacked, or of the files of a folder. */
static double size_of(const char *path)
{
    enum { DEFLATED = 4 }; /* what tables are packed to, about */
    struct stat about;
    if (!path || strcmp(path, "-") == 0 || stat(path, &about) != 0) return 0;
    if (!S_ISDIR(about.st_mode)) {
        unsigned char start[2] = {0, 0};
        FILE *file = fopen(path, "rb");
        const bool packed =
            file && fread(start, 1, 2, file) == 2 && start[0] == 0x1F && start[1] == 0x8B;
        if (file) fclose(file);
        return (double)about.st_size * (packed ? DEFLATED : 1);
    }
    double sum = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (stat(name, &about) == 0 && S_ISREG(about.st_mode)) sum += size_of(name);
    }
    if (folder) closedir(folder);
    return sum;
}

/* ---- the choice ------------------------------------------------------------------------------ */

/* Loading holds the file, its cells as doubles, a copy of them split in two and float32 features:
 * five to seven times a table of a few digits a number, and of pictures of bytes. */
static const double memory_per_byte = 6;

int cli_stream_choose(cli_stream *stream, const cli_command *command, const char *const *paths,
                      size_t count)
{
    const double given = stream->memory ? parse_size(stream->memory) : NAN;
    if (stream->memory && isnan(given))
        return cli_usage(command, "--memory: '%s' is no size: 8G, 500M or the like is",
                         stream->memory);
    stream->chosen = stream->mode == BP_STREAM_YES;
    if (stream->mode != BP_STREAM_AUTO) return -1;
    double bytes = 0;
    for (size_t i = 0; i < count; ++i) bytes += size_of(paths[i]);
    const double allowed = isnan(given) ? 0.8 * free_memory() : given;
    const double needed = memory_per_byte * bytes;
    stream->chosen = needed > allowed;
    if (!stream->chosen || command->quiet) return -1;
    char need[CLI_NUMBER], have[CLI_NUMBER], size[CLI_NUMBER];
    cli_note("the data is streamed from disk: %sB of files would take about %sB of memory, %sB are "
             "%s (--stream no holds it in memory)",
             cli_human(size, bytes), cli_human(need, needed), cli_human(have, allowed),
             stream->memory ? "allowed" : "to be had");
    return -1;
}

void cli_stream_set(const cli_stream *stream, bp_load_options *options)
{
    options->stream = stream->chosen;
    options->stream_folder = stream->folder;
}

/* ---- what it took ---------------------------------------------------------------------------- */

void cli_stream_tell(const bp_data *data)
{
    const bp_stream_info info = bp_data_get_stream(data);
    char read[CLI_NUMBER], kept[CLI_NUMBER], times[3][CLI_NUMBER];
    if (info.parse_seconds <= 0) return;
    cli_note("%sB read in %s (%.0f MB/s), learned from in %s, encoded in %s; %sB on disk meanwhile",
             cli_human(read, (double)info.bytes_read), cli_duration(times[0], info.parse_seconds),
             (double)info.bytes_read / 1e6 / info.parse_seconds,
             cli_duration(times[1], info.learn_seconds),
             cli_duration(times[2], info.encode_seconds), cli_human(kept, (double)info.bytes_kept));
}

json_t *cli_stream_json(const bp_data *data, double wait_seconds)
{
    const bp_stream_info info = bp_data_get_stream(data);
    if (info.parse_seconds <= 0) return json_null();
    json_t *json = json_object();
    json_object_set_new(json, "bytes_read", cli_json_count(info.bytes_read));
    json_object_set_new(json, "bytes_kept", cli_json_count(info.bytes_kept));
    json_object_set_new(json, "parse_seconds", cli_json_number(info.parse_seconds));
    json_object_set_new(json, "learn_seconds", cli_json_number(info.learn_seconds));
    json_object_set_new(json, "encode_seconds", cli_json_number(info.encode_seconds));
    json_object_set_new(json, "wait_seconds", cli_json_number(wait_seconds));
    return json;
}
