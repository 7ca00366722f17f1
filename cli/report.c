/* report.c - a bp_report as text and as JSON. */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* More classes than that are no table that anyone reads: those that went worst are shown, and which
 * were taken for which most often. */
enum { TABLE_MOST = 30, MATRIX_MOST = 20, WORST = 10, NAME = 16, COLUMN = 7 };

/* The name of class or target k, or its number, into text. */
static const char *name_of(char text[32], const bp_schema *schema, size_t k)
{
    const char *name = schema ? bp_schema_output_name(schema, k) : NULL;
    snprintf(text, 32, "%zu", k);
    return name ? name : text;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void add_scores(json_t *json, const bp_class_scores *scores)
{
    json_object_set_new(json, "precision", cli_json_number(scores->precision));
    json_object_set_new(json, "recall", cli_json_number(scores->recall));
    json_object_set_new(json, "f1", cli_json_number(scores->f1));
}

static json_t *scores_json(const bp_class_scores *scores)
{
    json_t *json = json_object();
    add_scores(json, scores);
    return json;
}

static json_t *micro_json(const bp_report *r)
{
    json_t *json = scores_json(&r->micro);
    json_object_set_new(json, "auc", cli_json_number(r->micro_auc));
    return json;
}

static json_t *confusion_json(const bp_report *r)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->classes; ++i) {
        json_t *row = json_array();
        for (size_t k = 0; k < r->classes; ++k)
            json_array_append_new(row, cli_json_count(r->confusion[i * r->classes + k]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *classes_json(const bp_report *r, const bp_schema *schema)
{
    char text[32];
    json_t *list = json_array();
    for (size_t k = 0; k < r->classes; ++k) {
        const bp_class_report *c = &r->by_class[k];
        json_t *json = json_object();
        json_object_set_new(json, "name", cli_json_text(name_of(text, schema, k)));
        json_object_set_new(json, "support", cli_json_count(c->support));
        json_object_set_new(json, "predicted", cli_json_count(c->predicted));
        add_scores(json, &c->scores);
        json_object_set_new(json, "auc", cli_json_number(c->auc));
        json_array_append_new(list, json);
    }
    return list;
}

static json_t *targets_json(const bp_report *r, const bp_schema *schema)
{
    char text[32];
    json_t *list = json_array();
    for (size_t k = 0; k < r->targets; ++k) {
        const bp_target_report *t = &r->by_target[k];
        json_t *json = json_object();
        json_object_set_new(json, "name", cli_json_text(name_of(text, schema, k)));
        json_object_set_new(json, "rmse", cli_json_number(t->rmse));
        json_object_set_new(json, "mae", cli_json_number(t->mae));
        json_object_set_new(json, "r2", cli_json_number(t->r2));
        json_array_append_new(list, json);
    }
    return list;
}

static json_t *labels_json(const bp_report *r, const bp_schema *schema)
{
    char text[32];
    json_t *list = json_array();
    for (size_t k = 0; k < r->labels; ++k) {
        const bp_label_report *l = &r->by_label[k];
        json_t *json = json_object();
        json_object_set_new(json, "name", cli_json_text(name_of(text, schema, k)));
        json_object_set_new(json, "support", cli_json_count(l->support));
        json_object_set_new(json, "predicted", cli_json_count(l->predicted));
        json_object_set_new(json, "true_positives", cli_json_count(l->true_positives));
        json_object_set_new(json, "accuracy", cli_json_number(l->accuracy));
        add_scores(json, &l->scores);
        json_object_set_new(json, "auc", cli_json_number(l->auc));
        json_array_append_new(list, json);
    }
    return list;
}

json_t *cli_report_json(const bp_report *r, const bp_schema *schema)
{
    const bp_metrics *m = &r->overall;
    const bool classes = r->classes > 0, labels = r->labels > 0;
    json_t *json = json_object();
    json_object_set_new(json, "samples", cli_json_count(m->samples));
    json_object_set_new(json, "loss", cli_json_number(m->loss));
    json_object_set_new(json, "accuracy", cli_json_number(m->accuracy));
    json_object_set_new(json, "rmse", cli_json_number(m->rmse));
    json_object_set_new(json, "mae", cli_json_number(m->mae));
    json_object_set_new(json, "r2", cli_json_number(m->r2));
    json_object_set_new(json, "top_k", classes ? cli_json_count(r->top_k) : json_null());
    json_object_set_new(json, "top_k_accuracy", cli_json_number(r->top_k_accuracy));
    json_object_set_new(json, "balanced_accuracy", cli_json_number(r->balanced_accuracy));
    json_object_set_new(json, "auc", cli_json_number(r->auc));
    json_object_set_new(json, "log_loss", cli_json_number(r->log_loss));
    json_object_set_new(json, "hamming_loss", cli_json_number(r->hamming_loss));
    json_object_set_new(json, "threshold", cli_json_number(r->threshold));
    json_object_set_new(json, "micro", labels ? micro_json(r) : json_null());
    json_object_set_new(json, "macro", classes || labels ? scores_json(&r->macro) : json_null());
    json_object_set_new(json, "weighted",
                        classes || labels ? scores_json(&r->weighted) : json_null());
    json_object_set_new(json, "classes", classes ? classes_json(r, schema) : json_null());
    json_object_set_new(json, "confusion", classes ? confusion_json(r) : json_null());
    json_object_set_new(json, "labels", labels ? labels_json(r, schema) : json_null());
    json_object_set_new(json, "targets", classes ? json_null() : targets_json(r, schema));
    json_object_set_new(json, "seconds", cli_json_number(m->seconds));
    return json;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* A name in a column: cut to `width` characters, on the left (width < 0) or right side of it. */
static void print_name(const char *name, int width)
{
    const int columns = abs(width);
    char cut[4 * NAME + 1];
    size_t used = 0;
    int shown = 0;
    for (; name[used] && used + 4 < sizeof cut; ++used) {
        const bool begins = ((unsigned char)name[used] & 0xc0) != 0x80;
        if (begins && shown == columns) break;
        shown += begins;
        cut[used] = name[used];
    }
    cut[used] = '\0';
    for (int i = shown; width > 0 && i < columns; ++i) fputc(' ', stdout);
    cli_print_text(stdout, cut);
    for (int i = shown; width < 0 && i < columns; ++i) fputc(' ', stdout);
}

static void print_share(const char *title, double value)
{
    if (isfinite(value)) printf("%-10s%.2f %%\n", title, 100 * value);
}

static void print_cell(double value)
{
    if (isfinite(value))
        printf("  %9.4f", value);
    else
        printf("  %9s", "-");
}

static void print_scores(const bp_class_scores *scores)
{
    print_cell(scores->precision);
    print_cell(scores->recall);
    print_cell(scores->f1);
}

static void print_class(const bp_report *r, const bp_schema *schema, size_t k)
{
    char text[32];
    print_name(name_of(text, schema, k), -NAME);
    printf("  %8zu", r->by_class[k].support);
    print_scores(&r->by_class[k].scores);
    print_cell(r->by_class[k].auc);
    fputc('\n', stdout);
}

static void print_label(const bp_report *r, const bp_schema *schema, size_t k)
{
    char text[32];
    print_name(name_of(text, schema, k), -NAME);
    printf("  %7zu", r->by_label[k].support);
    print_cell(r->by_label[k].accuracy);
    print_scores(&r->by_label[k].scores);
    print_cell(r->by_label[k].auc);
    fputc('\n', stdout);
}

/* One of the classes or labels: its F1, or NAN where it neither occurs nor is predicted. */
static double f1_of(const bp_report *r, size_t k)
{
    const size_t occurs = r->classes ? r->by_class[k].support + r->by_class[k].predicted
                                     : r->by_label[k].support + r->by_label[k].predicted;
    if (occurs == 0) return (double)NAN;
    return r->classes ? r->by_class[k].scores.f1 : r->by_label[k].scores.f1;
}

/* Of `count`, the one with the lowest F1 among those that are not yet marked; marks it. */
static size_t next_worst(const bp_report *r, size_t count, char *marked)
{
    size_t worst = count;
    for (size_t k = 0; k < count; ++k)
        if (!marked[k] && !isnan(f1_of(r, k)) && (worst == count || f1_of(r, k) < f1_of(r, worst)))
            worst = k;
    if (worst < count) marked[worst] = 1;
    return worst;
}

/* The rows of a table of classes or labels: all, or of many those that went worst. */
static void print_rows(const bp_report *r, const bp_schema *schema)
{
    const size_t count = r->classes ? r->classes : r->labels;
    void (*const print)(const bp_report *, const bp_schema *, size_t) =
        r->classes ? print_class : print_label;
    for (size_t k = 0; k < count && count <= TABLE_MOST; ++k) print(r, schema, k);
    if (count <= TABLE_MOST) return;
    char *marked = calloc(count, 1);
    if (!marked) return;
    for (size_t i = 0, k; i < WORST && (k = next_worst(r, count, marked)) < count; ++i)
        print(r, schema, k);
    free(marked);
    printf("(the %d of %zu %s with the lowest f1; --json has all)\n", WORST, count,
           r->classes ? "classes" : "labels");
}

static void print_classes(const bp_report *r, const bp_schema *schema)
{
    printf("\n%-*s  %8s  %9s  %9s  %9s  %9s\n", NAME, "class", "samples", "precision", "recall",
           "f1", "auc");
    print_rows(r, schema);
    const struct {
        const char *name;
        const bp_class_scores *scores;
    } means[] = {{"mean", &r->macro}, {"weighted mean", &r->weighted}};
    for (size_t i = 0; i < 2; ++i) {
        printf("%-*s  %8zu", NAME, means[i].name, r->overall.samples);
        print_scores(means[i].scores);
        if (i == 0 && r->classes > 2) print_cell(r->auc);
        fputc('\n', stdout);
    }
}

/* 80 columns wide. */
static void print_labels(const bp_report *r, const bp_schema *schema)
{
    const struct {
        const char *name;
        const bp_class_scores *scores;
        double accuracy, auc;
    } means[] = {{"micro mean", &r->micro, 1 - r->hamming_loss, r->micro_auc},
                 {"macro mean", &r->macro, (double)NAN, r->auc},
                 {"weighted mean", &r->weighted, (double)NAN, (double)NAN}};
    size_t support = 0;
    for (size_t k = 0; k < r->labels; ++k) support += r->by_label[k].support;
    printf("\n%-*s  %7s  %9s  %9s  %9s  %9s  %9s\n", NAME, "label", "support", "accuracy",
           "precision", "recall", "f1", "auc");
    print_rows(r, schema);
    for (size_t i = 0; i < sizeof means / sizeof *means; ++i) {
        printf("%-*s  %7zu", NAME, means[i].name, support);
        print_cell(means[i].accuracy);
        print_scores(means[i].scores);
        print_cell(means[i].auc);
        fputc('\n', stdout);
    }
}

static void print_matrix(const bp_report *r, const bp_schema *schema)
{
    char text[32];
    printf("\n%-*s", NAME, "true \\ predicted");
    for (size_t k = 0; k < r->classes; ++k) {
        fputc(' ', stdout);
        print_name(name_of(text, schema, k), COLUMN);
    }
    fputc('\n', stdout);
    for (size_t i = 0; i < r->classes; ++i) {
        print_name(name_of(text, schema, i), -NAME);
        for (size_t k = 0; k < r->classes; ++k)
            printf(" %*zu", COLUMN, r->confusion[i * r->classes + k]);
        fputc('\n', stdout);
    }
}

/* What was mistaken for what most often. */
static void print_mistakes(const bp_report *r, const bp_schema *schema)
{
    const size_t n = r->classes;
    char text[32];
    size_t bound = SIZE_MAX, shown = 0;
    printf("\nmost frequent mistakes\n");
    while (shown < WORST) {
        size_t most = 0; /* the largest count below bound */
        for (size_t i = 0; i < n * n; ++i)
            if (i / n != i % n && r->confusion[i] < bound && r->confusion[i] > most)
                most = r->confusion[i];
        if (most == 0) break;
        for (size_t i = 0; i < n * n && shown < WORST; ++i) {
            if (i / n == i % n || r->confusion[i] != most) continue;
            printf("%8zu  ", most);
            print_name(name_of(text, schema, i / n), -NAME);
            printf(" taken for ");
            print_name(name_of(text, schema, i % n), -NAME);
            fputc('\n', stdout);
            ++shown;
        }
        bound = most;
    }
    if (shown == 0) printf("none\n");
}

static void print_targets(const bp_report *r, const bp_schema *schema)
{
    char text[32];
    printf("\n%-*s  %11s  %11s  %9s\n", NAME, "target", "rmse", "mae", "r2");
    for (size_t k = 0; k < r->targets; ++k) {
        const bp_target_report *t = &r->by_target[k];
        print_name(name_of(text, schema, k), -NAME);
        printf("  %11.6g  %11.6g", t->rmse, t->mae);
        print_cell(t->r2);
        fputc('\n', stdout);
    }
}

void cli_report_print(const bp_report *r, const bp_schema *schema)
{
    const bp_metrics *m = &r->overall;
    printf("samples   %zu\n", m->samples);
    if (isfinite(m->loss)) printf("loss      %.6g\n", m->loss);
    print_share(r->labels ? "exact" : "accuracy", m->accuracy);
    if (r->labels) printf("hamming   %.4f\nthreshold %g\n", r->hamming_loss, r->threshold);
    if (r->classes > 2) {
        char title[32];
        snprintf(title, sizeof title, "top %zu", r->top_k);
        print_share(title, r->top_k_accuracy);
    }
    if (isfinite(r->log_loss)) printf("log loss  %.6g\n", r->log_loss);
    if (isfinite(r->auc)) printf("auc       %.4f\n", r->auc);
    if (isfinite(m->rmse) && !r->labels) printf("rmse      %.6g\n", m->rmse);
    if (isfinite(m->mae) && !r->labels) printf("mae       %.6g\n", m->mae);
    if (isfinite(m->r2) && !r->labels) printf("r2        %.4f\n", m->r2);
    if (r->classes > 0) {
        print_classes(r, schema);
        if (r->classes <= MATRIX_MOST)
            print_matrix(r, schema);
        else
            print_mistakes(r, schema);
    }
    if (r->labels > 0)
        print_labels(r, schema);
    else if (r->targets > 1)
        print_targets(r, schema);
}
