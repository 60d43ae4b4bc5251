/* Views of replays: of a recorded run's activations, of a built-in model's training. */
#ifndef ACTSCOPE_REPORTS_REPLAY_VIEW_H
#define ACTSCOPE_REPORTS_REPLAY_VIEW_H

#include "kernels/replay/replay_model.h"
#include "kernels/replay/replay_run.h"
#include "reports/sink.h"

/* Where a replayed list comes from. */
struct replay_source {
  const char *run; /* the file */
  int step;        /* the representative step; -1: none */
};

void replay_text_emit(struct sink *sink, const struct replay_source *source, const struct replay_options *options,
                      const struct replay_result *result);
/* Schema "actscope.replay/1", kind "run". */
void replay_json_emit(struct sink *sink, const struct replay_source *source, const struct replay_options *options,
                      const struct replay_result *result);

void replay_model_text_emit(struct sink *sink, const struct replay_model_options *options,
                            const struct replay_model *replay);
/* The same schema, kind "model". */
void replay_model_json_emit(struct sink *sink, const struct replay_model_options *options,
                            const struct replay_model *replay);

#endif
