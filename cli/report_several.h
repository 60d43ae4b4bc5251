/* `report` with several runs: each process and the whole. */
#ifndef ACTSCOPE_CLI_REPORT_SEVERAL_H
#define ACTSCOPE_CLI_REPORT_SEVERAL_H

#include "cli/output.h"
#include "cli/subject.h"
#include "reports/ranks_view.h"

#include <stdbool.h>

/* The exit status. backend: of the format that was asked for; top_given: report->top is not its default. */
int report_several(const struct subject *runs, const struct ranks_backend *backend, const struct output *output,
                   const struct report_options *report, bool top_given);

/* Says to standard error how to see the processes that were recorded with run, if there are any. */
void report_hint_at_others(const char *run);

#endif
