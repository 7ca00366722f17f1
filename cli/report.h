/* report.h - a bp_report as text and as JSON. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "backprop_evaluate.h"
#include "output.h"

/* The keys of `eval --json` but for the device. schema (may be NULL) has the names. */
json_t *cli_report_json(const bp_report *report, const bp_schema *schema);

void cli_report_print(const bp_report *report, const bp_schema *schema);

#endif
