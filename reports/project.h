/* Views of projections alone, for the command `project`; the report uses the same table. */
#ifndef ACTSCOPE_REPORTS_PROJECT_H
#define ACTSCOPE_REPORTS_PROJECT_H

#include "analyzers/facts.h"
#include "reports/sink.h"

#include <jansson.h>

void project_text_emit(struct sink *sink, const struct facts *facts, const char *functions);
/* functions: the list that was asked for, "" = every pointwise nonlinearity. Schema "actscope.project/1". */
void project_json_emit(struct sink *sink, const struct facts *facts, const char *functions);

/* The table of peaks by bits, for the page as well as for the command. */
void project_table_print(struct sink *sink, const struct facts *facts);
json_t *report_json_peak(const struct facts_peak *peak);
json_t *report_json_categories(const uint64_t *bytes); /* by enum category */
json_t *report_json_projections(const struct facts_projection *projections, size_t count);

#endif
