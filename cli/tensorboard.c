/* tensorboard.c - event files by hand: records of TFRecord, which are protocol buffers of a handful
 * of fields (tensorflow/core/util/event.proto, framework/summary.proto). A record is
 *
 *     length u64 | masked CRC-32C of the length u32 | bytes | masked CRC-32C of the bytes u32
 *
 * all little-endian; mask(c) = rotate_right(c, 15) + 0xa282ead8. */
#include "tensorboard.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef enum part { TRAIN, VALIDATION, PARTS } part;
static const char *const part_names[PARTS] = {"train", "validation"};

struct cli_tensorboard {
    char *folder;
    FILE *files[PARTS];
};

/* ---- records ----------------------------------------------------------------------------------
 */

/* Castagnoli's polynomial, reflected, bit by bit: a record is some fifty bytes. */
static uint32_t crc32c(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

enum { MESSAGE = 256 };

typedef struct message {
    uint8_t bytes[MESSAGE];
    size_t size;
} message;

static void put_bytes(message *m, const void *bytes, size_t size)
{
    if (size > MESSAGE - m->size) size = MESSAGE - m->size; /* the tags below are short */
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void put_little(message *m, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; ++i) {
        const uint8_t byte = (uint8_t)(value >> 8 * i);
        put_bytes(m, &byte, 1);
    }
}

static void put_crc(message *m, const uint8_t *bytes, size_t size)
{
    const uint32_t crc = crc32c(bytes, size);
    put_little(m, (uint32_t)((crc >> 15 | crc << 17) + 0xa282ead8u), 4);
}

static bool write_record(FILE *file, const message *event)
{
    message frame = {.size = 0};
    put_little(&frame, event->size, 8);
    put_crc(&frame, frame.bytes, 8);
    put_bytes(&frame, event->bytes, event->size);
    put_crc(&frame, event->bytes, event->size);
    return fwrite(frame.bytes, 1, frame.size, file) == frame.size;
}

/* ---- protocol buffers -------------------------------------------------------------------------
 */

/* How a field is stored, the lower bits of its key. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void put_varint(message *m, uint64_t value)
{
    for (; value > 127; value >>= 7) put_little(m, (value & 127) | 128, 1);
    put_little(m, value, 1);
}

static void put_key(message *m, unsigned field, unsigned kind)
{
    put_varint(m, field << 3 | kind);
}

static void put_field(message *m, unsigned field, const void *bytes, size_t size)
{
    put_key(m, field, BYTES);
    put_varint(m, size);
    put_bytes(m, bytes, size);
}

/* Event { double wall_time = 1; int64 step = 2; … } */
static message begin_event(double step)
{
    message m = {.size = 0};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    uint64_t bits;
    memcpy(&bits, &seconds, sizeof bits);
    put_key(&m, 1, FIXED64);
    put_little(&m, bits, 8);
    put_key(&m, 2, VARINT);
    put_varint(&m, (uint64_t)step);
    return m;
}

/* Event.summary = 5, Summary.value = 1, Value { string tag = 1; float simple_value = 2; } */
static bool write_scalar(FILE *file, double step, const char *tag, double number)
{
    if (!isfinite(number)) return true;
    const float narrow = (float)number;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    message value = {.size = 0}, summary = {.size = 0}, event = begin_event(step);
    put_field(&value, 1, tag, strlen(tag));
    put_key(&value, 2, FIXED32);
    put_little(&value, bits, 4);
    put_field(&summary, 1, value.bytes, value.size);
    put_field(&event, 5, summary.bytes, summary.size);
    return write_record(file, &event);
}

/* ---- files ------------------------------------------------------------------------------------
 */

/* folder and every folder above it. */
static bool make_folders(char *folder)
{
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const bool made = mkdir(folder, 0777) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made) return false;
    }
    return mkdir(folder, 0777) == 0 || errno == EEXIST;
}

static bool has_events(const char *folder)
{
    DIR *d = opendir(folder);
    bool found = false;
    for (struct dirent *entry; d && !found && (entry = readdir(d)) != NULL;)
        found = strstr(entry->d_name, "tfevents") != NULL;
    if (d) closedir(d);
    return found;
}

static char *path_text(const char *format, const char *a, const char *b)
{
    char *text = NULL;
    const int length = snprintf(NULL, 0, format, a, b);
    if (length >= 0) text = malloc((size_t)length + 1);
    if (text) snprintf(text, (size_t)length + 1, format, a, b);
    return text;
}

/* folder/part/events.out.tfevents.SECONDS.HOST.PROCESS: the name that TensorBoard looks for, and
 * one that no other process makes. */
static FILE *create_events(const char *folder, part which, bool *others)
{
    char host[64] = "localhost", name[160];
    char *inside = path_text("%s/%s", folder, part_names[which]), *path = NULL;
    FILE *file = NULL;
    if (gethostname(host, sizeof host - 1) != 0 || !*host) strcpy(host, "localhost");
    snprintf(name, sizeof name, "events.out.tfevents.%lld.%s.%ld", (long long)time(NULL), host,
             (long)getpid());
    if (inside && make_folders(inside)) {
        *others = has_events(inside);
        path = path_text("%s/%s", inside, name);
        if (path) file = fopen(path, "wb");
    }
    const int reason = errno;
    free(inside);
    free(path);
    errno = reason;
    if (!file) return NULL;
    message first = begin_event(0);
    static const char version[] = "brain.Event:2";
    put_field(&first, 3, version, sizeof version - 1); /* Event.file_version */
    if (write_record(file, &first) && fflush(file) == 0) return file;
    fclose(file);
    return NULL;
}

cli_tensorboard *cli_tensorboard_open(const char *folder, bool *others)
{
    cli_tensorboard *board = calloc(1, sizeof *board);
    if (board) board->folder = path_text("%s%s", folder, "");
    if (board && board->folder) board->files[TRAIN] = create_events(folder, TRAIN, others);
    if (board && board->files[TRAIN]) return board;
    const int reason = errno;
    if (board) free(board->folder);
    free(board);
    errno = reason;
    return NULL;
}

bool cli_tensorboard_add(cli_tensorboard *board, const cli_epoch *e, double rate)
{
    const struct {
        part to;
        const char *tag;
        double number;
    } scalars[] = {
        {TRAIN, "loss", e->train_loss},
        {TRAIN, "learning_rate", e->lr},
        {TRAIN, "samples_per_second", rate},
        {VALIDATION, "loss", e->validation_loss},
        {VALIDATION, "accuracy", e->validation_accuracy},
    };
    bool done = true, others;
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars && done; ++i) {
        FILE **file = &board->files[scalars[i].to];
        if (!isfinite(scalars[i].number)) continue;
        if (!*file) *file = create_events(board->folder, scalars[i].to, &others);
        done = *file && write_scalar(*file, e->epoch, scalars[i].tag, scalars[i].number);
    }
    for (int p = 0; p < PARTS; ++p)
        done = (!board->files[p] || fflush(board->files[p]) == 0) && done;
    return done;
}

bool cli_tensorboard_close(cli_tensorboard *board)
{
    bool done = true;
    for (int p = 0; p < PARTS; ++p)
        done = (!board->files[p] || fclose(board->files[p]) == 0) && done;
    free(board->folder);
    free(board);
    return done;
}
