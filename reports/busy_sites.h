/* What sites did over the whole run, stacks of one site summed up: for the pages and for programs. */
#ifndef ACTSCOPE_REPORTS_BUSY_SITES_H
#define ACTSCOPE_REPORTS_BUSY_SITES_H

#include "analyzers/facts.h"
#include "reports/report.h"
#include "reports/sink.h"

#include <jansson.h>
#include <stddef.h>

enum busy_order { BUSY_BY_ALLOCATIONS, BUSY_BY_END_BYTES };

/* Sums of facts->busy_sites, whose texts stay the facts' and whose stack is one of theirs; in order, to be freed. 0, or
 * ERROR_MEMORY. */
int busy_sites_group(const struct facts *facts, enum busy_order order, struct facts_busy_site **sites, size_t *count);

/* For the text page: who allocated most often, and what was left at the end. */
void busy_sites_print(struct sink *sink, const struct facts *facts, const struct report_options *options);

/* "traffic" of the JSON. */
json_t *busy_sites_json(struct sink *sink, const struct facts *facts, size_t top);

#endif
