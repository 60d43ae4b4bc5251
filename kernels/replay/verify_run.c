/* A replay of every activation on its own, judged. */
#include "kernels/replay/verify_rows.h"

#include <stdio.h>
#include <stdlib.h>

/* "blocks.3.act" if the layer is known, else "gelu 4": the number among all. */
static void make_name(char out[static REPLAY_NAME_SIZE], const struct replay_group *group, size_t number) {
  if (group->layer[0]) {
    snprintf(out, REPLAY_NAME_SIZE, "%s", group->layer);
  } else {
    snprintf(out, REPLAY_NAME_SIZE, "%.40s %zu", group->function, number);
  }
}

static int take_width(struct verify_width *width, const struct replay_result *replay, size_t at, struct error *err) {
  const struct replay_width *total = &replay->total[at];
  int code = verify_rows_init(&width->start, replay->groups_count, err);
  if (code < 0) {
    return code;
  }
  width->bits = total->bits;
  for (size_t i = 0; i < replay->groups_count; i++) {
    const struct replay_group *group = &replay->groups[i];
    char name[REPLAY_NAME_SIZE];
    make_name(name, group, i + 1);
    if (!group->skipped) {
      verify_rows_add(&width->start, name, &group->widths[at].gradient);
    }
  }
  verify_rows_finish(&width->start, &total->gradient);
  width->measured = (struct verify_memory){total->peak, total->held};
  width->projected = (struct verify_memory){total->projected_peak, total->projected};
  return 0;
}

int verify_run(struct verify_result *result, const struct replay_activation *list, size_t count,
               const struct replay_options *options, const struct verify_limits *limits, struct error *err) {
  struct replay_options each = *options;
  struct replay_result replay;
  each.untimed = true;
  each.apart = true;
  *result = (struct verify_result){.metered = true};
  int code = replay_run(list, count, &each, &replay, err);
  for (size_t i = 1; code == 0 && i < replay.widths_count; i++) {
    code = take_width(&result->widths[result->widths_count++], &replay, i, err);
  }
  if (code == 0) {
    result->exact = (struct verify_memory){replay.total[0].peak, replay.total[0].held};
    result->skipped = replay.activations - replay.replayed;
  }
  verify_judge(result, limits);
  replay_result_fini(&replay);
  return code;
}
