/* test_cli_record.c - what train keeps of a training beside the model, while it runs and when it
 * goes wrong: event files, logs, pictures; and the bar. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_record, .init = make_folder, .fini = remove_folder, .timeout = 120);

static char *text_of(const char *name)
{
    result r = shell("cat '%s'", path_of(name));
    cr_assert_eq(r.code, 0, "%s", r.err);
    free(r.err);
    return r.out;
}

/* ---- event files ------------------------------------------------------------------------------
 */

/* CRC-32C by its definition: the remainder of the reflected polynomial. */
static uint32_t masked_crc(const uint8_t *bytes, size_t size)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t c = i;
        for (int k = 0; k < 8; ++k) c = c & 1 ? 0x82f63b78u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; ++i) crc = table[(crc ^ bytes[i]) & 255] ^ crc >> 8;
    crc ^= 0xffffffffu;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static uint64_t little_endian(const uint8_t *p, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i) value = value << 8 | p[i];
    return value;
}

/* The records of the only event file in folder/part; returns how many, and adds the floats of
 * `tag`.
 */
static size_t read_events(const char *part, const char *tag, float *values, size_t *count)
{
    static uint8_t bytes[1 << 16];
    result r = shell("cat %s/%s/events.out.tfevents.* > %s", folder, part, path_of("events"));
    assert_code(r, 0);
    free_result(&r);
    FILE *file = fopen(path_of("events"), "rb");
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    size_t records = 0;
    *count = 0;
    for (size_t at = 0; at < size; ++records) {
        const uint64_t length = little_endian(bytes + at, 8);
        cr_assert(at + 16 + length <= size, "record %zu is cut", records);
        cr_assert_eq(little_endian(bytes + at + 8, 4), masked_crc(bytes + at, 8));
        const uint8_t *event = bytes + at + 12;
        cr_assert_eq(little_endian(event + length, 4), masked_crc(event, (size_t)length));
        for (size_t i = 0; i + strlen(tag) + 5 <= length; ++i)
            if (event[i] == strlen(tag) && memcmp(event + i + 1, tag, strlen(tag)) == 0)
                memcpy(&values[(*count)++], event + i + 1 + strlen(tag) + 1, 4);
        at += 16 + (size_t)length;
    }
    return records;
}

Test(cli_record, event_files_hold_the_log)
{
    /* The check of the check: the value that the polynomial's definition gives "123456789". */
    const uint32_t known = 0xe3069283u;
    cr_assert_eq(masked_crc((const uint8_t *)"123456789", 9),
                 (known >> 15 | known << 17) + 0xa282ead8u);
    write_flowers("d.csv", 60, 1, true);
    result r =
        shell("cd %s && exec " CLI " train d.csv --device reference --epochs 200 -q --log log "
              "--tensorboard runs/a --validation-split 0.2",
              folder);
    assert_code(r, 0);
    free_result(&r);
    float train[256], validation[256];
    size_t count, records = read_events("runs/a/train", "loss", train, &count);
    cr_assert_eq(count, 200);
    cr_assert_eq(records, 1 + 3 * 200);
    records = read_events("runs/a/validation", "loss", validation, &count);
    cr_assert_eq(count, 200);
    cr_assert_eq(records, 1 + 2 * 200);
    char *log = text_of("log");
    const char *line = log;
    for (int e = 0; e < 200; ++e, line = strchr(line, '\n') + 1) {
        json_t *json = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        cr_assert_float_eq((double)train[e], want_number(json, "train_loss"), 1e-6);
        cr_assert_float_eq((double)validation[e], want_number(json, "validation_loss"), 1e-6);
        json_decref(json);
    }
    free(log);
    /* Another training in the same folder is a second file there, and a note. */
    r = shell("cd %s && exec " CLI
              " train d.csv --device reference --epochs 1 --tensorboard runs/a",
              folder);
    assert_code(r, 0);
    assert_has(r.err, "holds event files already");
    free_result(&r);
}

/* ---- what goes wrong while training -----------------------------------------------------------
 */

Test(cli_record, records_never_cost_the_model)
{
    write_flowers("d.csv", 90, 1, true);
    result r =
        shell("cd %s && (ulimit -f 8; exec " CLI " train d.csv --device reference --epochs 60 "
              "--hidden 2 -q --log log --tensorboard t --plot p.svg -o m)",
              folder);
    assert_code(r, 1);
    assert_has(r.err, "log: the log could not be written");
    assert_has(r.err, "t: the event files could not be written");
    assert_has(r.err, "p.svg");
    cr_assert(exists("m") && !exists("p.svg"));
    free_result(&r);
    r = shell("cd %s && exec " CLI " train d.csv --device reference --epochs 9 --optimizer sgd "
              "--lr 1e30 -q --log log --plot p.svg",
              folder);
    assert_code(r, 5);
    free_result(&r);
    char *log = text_of("log"), *svg = text_of("p.svg");
    assert_has(log, "\"train_loss\": null");
    assert_has(log, "\"diverged\": true");
    assert_has(svg, "diverged in epoch ");
    free(log);
    free(svg);
}

/* ---- the bar ----------------------------------------------------------------------------------
 */

/* Columns of a frame, without the sequences that set colours. */
static int columns_of(const char *frame, size_t length)
{
    int columns = 0;
    for (size_t i = 0; i < length; ++i) {
        if (frame[i] == '\033') {
            while (i < length && frame[i] != 'm') ++i;
            continue;
        }
        columns += ((unsigned char)frame[i] & 0xc0) != 0x80;
    }
    return columns;
}

Test(cli_record, the_bar_follows_the_window)
{
    write_flowers("d.csv", 3000, 1, true);
    char line[1024];
    snprintf(line, sizeof line,
             "exec env -u NO_COLOR TERM=xterm LC_ALL=C.UTF-8 " CLI
             " train %s --device reference --hidden 256,256 --batch 16 --epochs 8",
             path_of("d.csv"));
    process p = start_line(line, true);
    read_until(&p, "left");
    const struct winsize narrow = {.ws_row = 24, .ws_col = 46};
    cr_assert_eq(ioctl(p.err, TIOCSWINSZ, &narrow), 0);
    const size_t before = p.err_size;
    result r = finish(&p);
    assert_code(r, 0);
    /* One frame may have been under way. */
    const char *at = strchr(r.err + before, '\r');
    cr_assert_not_null(at);
    at = strchr(at + 1, '\r');
    int frames = 0;
    while (at && at[1]) {
        const size_t length = strcspn(at + 1, "\r\n");
        /* A line of results may be longer; what is redrawn may not. */
        if (at[1 + length] == '\r' && at[2 + length] != '\n') {
            cr_assert_lt(columns_of(at + 1, length), 46, "\"%.*s\"", (int)length, at + 1);
            /* What does not fit is left out, not cut. */
            char frame[256];
            snprintf(frame, sizeof frame, "%.*s", (int)length, at + 1);
            if (strstr(frame, "loss")) assert_has(frame, "s left");
            frames += length > 0;
        }
        at = strchr(at + 1, '\r');
    }
    cr_assert_gt(frames, 2, "%s", r.err);
    free_result(&r);
}
