/* Private to the text report: its sections, one function each; they print nothing where there is nothing to say.
 * options->top is SIZE_MAX here where there is no limit. */
#ifndef ACTSCOPE_REPORTS_REPORT_TEXT_H
#define ACTSCOPE_REPORTS_REPORT_TEXT_H

#include "reports/report.h"

#include <stdbool.h>

/* report_text.c */
bool report_text_has_evidence(const struct facts *facts); /* was any save seen */
/* "and 12 more ops, 3.1 MiB; ...": what --top hides is never hidden silently. */
void report_text_rest(struct sink *sink, const char *what, size_t count, uint64_t bytes);
void report_text_selection(struct sink *sink, const struct facts *facts, const struct report_options *options);
#define REPORT_TEXT_CATEGORY_SIZE 32
void report_text_category(char out[static REPORT_TEXT_CATEGORY_SIZE], enum category category); /* "saved activation" */

/* report_text_tables.c */
void report_text_run(struct sink *sink, const struct facts *facts);
void report_text_categories(struct sink *sink, const struct facts *facts);
void report_text_by_op(struct sink *sink, const struct facts *facts, const struct report_options *options);
void report_text_by_layer(struct sink *sink, const struct facts *facts,
                          const struct report_options *options); /* report_text_layers.c */
void report_text_projection(struct sink *sink, const struct facts *facts);
void report_text_gradients(struct sink *sink, const struct report_options *options);
void report_text_reasons(struct sink *sink, const struct facts *facts);
void report_text_steps(struct sink *sink, const struct facts *facts);

/* report_text_advice.c */
void report_text_advice(struct sink *sink, const struct facts *facts);

/* report_text_blocks.c */
/* What stands below an entry, at its column, cut to one line; nothing for NULL or "". */
void report_text_below(struct sink *sink, int column, const char *text);
void report_text_blocks(struct sink *sink, const struct facts *facts, const struct report_options *options);
void report_text_sites(struct sink *sink, const struct facts *facts, const struct report_options *options);

#endif
