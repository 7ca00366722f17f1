/* tune_report.c - what bp_tune has to tell: rows and the texts that they point to. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bench/tune.h"

bp_status bp__report_text(bp__tune_report *report, const char **out, const char *format, ...)
{
    va_list values, again;
    char *text = NULL;
    *out = NULL;
    BP_TRY(bp__grow(&report->texts, &report->text_capacity, report->text_count + 1,
                    sizeof *report->texts));
    va_start(values, format);
    va_copy(again, values);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    bp_status status = bp__new_array(&text, (size_t)(length < 0 ? 0 : length) + 1, 1);
    if (status == BP_OK) {
        vsnprintf(text, (size_t)(length < 0 ? 0 : length) + 1, format, values);
        report->texts[report->text_count++] = text;
        *out = text;
    }
    va_end(values);
    return status;
}

bp_status bp__report_layers(bp__tune_report *report, const char **out,
                            const bp__tune_network *network)
{
    BP_TRY(bp__report_text(report, out, "%zu", network->widths[0]));
    for (size_t i = 1; i < BP__TUNE_WIDTHS && network->widths[i]; ++i)
        BP_TRY(bp__report_text(report, out, "%s,%zu", *out, network->widths[i]));
    return BP_OK;
}

bp_status bp__report_add(bp__tune_report *report, const bp_tune_candidate *candidate)
{
    const size_t count = report->result.candidate_count;
    BP_TRY(bp__grow(&report->candidates, &report->candidate_capacity, count + 1,
                    sizeof *report->candidates));
    report->candidates[count] = *candidate;
    report->result.candidates = report->candidates;
    ++report->result.candidate_count;
    return BP_OK;
}

bp_status bp__report_gain(bp__tune_report *report, const bp_tune_gain *gain)
{
    const size_t count = report->result.gain_count;
    BP_TRY(bp__grow(&report->gains, &report->gain_capacity, count + 1, sizeof *report->gains));
    report->gains[count] = *gain;
    report->result.gains = report->gains;
    ++report->result.gain_count;
    return BP_OK;
}

void bp_tune_result_free(bp_tune_result *result)
{
    if (!result) return;
    bp__tune_report *report = (bp__tune_report *)result;
    for (size_t i = 0; i < report->text_count; ++i) free(report->texts[i]);
    free(report->texts);
    free(report->candidates);
    free(report->gains);
    free(report);
}
