/* Views of plans, and the list of models. */
#ifndef ACTSCOPE_REPORTS_PLAN_VIEW_H
#define ACTSCOPE_REPORTS_PLAN_VIEW_H

#include "kernels/replay/plan.h"
#include "reports/sink.h"

void plan_text_emit(struct sink *sink, const struct plan *plan);
void plan_json_emit(struct sink *sink, const struct plan *plan); /* schema "actscope.plan/1" */

void models_text_emit(struct sink *sink, const struct preset *presets); /* name NULL after the last */
void models_json_emit(struct sink *sink, const struct preset *presets); /* schema "actscope.models/1" */

#endif
