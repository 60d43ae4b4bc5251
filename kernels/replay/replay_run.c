/* From the list to groups, through them, and to the totals. */
#include "kernels/replay/replay_run.h"

#include "kernels/code.h"
#include "kernels/models/choice.h"
#include "kernels/replay/available.h"
#include "kernels/replay/replay_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* RUN_FLOAT32 and so on by their name; -1 for a type that libfewbit has not. */
static int type_of(const char *dtype) {
  static const char *const names[] = {
      [RUN_FLOAT32] = "float32", [RUN_BFLOAT16] = "bfloat16", [RUN_FLOAT16] = "float16"};
  for (int i = 0; i <= RUN_FLOAT16; i++) {
    if (strcmp(dtype, names[i]) == 0) {
      return i;
    }
  }
  return -1;
}

static const char *reason_to_skip(const struct replay_activation *activation) {
  struct function function;
  if (function_find(&function, activation->function, NULL) < 0 || function.id == FUNCTION_STEPWISE) {
    return "no such function is built in";
  }
  if (type_of(activation->dtype) < 0) {
    return "libfewbit has float32, bfloat16 and float16";
  }
  return activation->elements > SIZE_MAX / 16 ? "more elements than an array can have" : NULL;
}

static bool belongs(const struct replay_group *group, const struct replay_activation *activation) {
  return group->elements == activation->elements && strcmp(group->function, activation->function) == 0 &&
         strcmp(group->dtype, activation->dtype) == 0;
}

static void begin_group(struct replay_group *group, const struct replay_activation *activation) {
  snprintf(group->function, sizeof group->function, "%s", activation->function);
  snprintf(group->dtype, sizeof group->dtype, "%s", activation->dtype);
  snprintf(group->layer, sizeof group->layer, "%s", activation->layer);
  group->elements = activation->elements;
  group->recorded = activation->bytes;
  group->skipped = reason_to_skip(activation);
}

static void add_to_groups(struct replay_work *work, const struct replay_activation *activation, size_t number) {
  struct replay_result *result = work->result;
  size_t at = work->options->apart ? result->groups_count : 0;
  while (at < result->groups_count && !belongs(&result->groups[at], activation)) {
    at++;
  }
  struct replay_group *group = &result->groups[at];
  if (at == result->groups_count) {
    begin_group(group, activation);
    result->groups_count++;
  }
  group->count++;
  work->group_of[number] = group->skipped ? SIZE_MAX : at;
  result->replayed += !group->skipped;
}

static void set_widths(struct replay_width *widths, const struct replay_options *options) {
  for (size_t i = 0; i < options->bits_count; i++) {
    widths[1 + i].bits = options->bits[i];
  }
}

static int make_groups(struct replay_work *work, const struct replay_activation *list, struct error *err) {
  struct replay_result *result = work->result;
  result->groups = calloc(work->count + 1, sizeof *result->groups);
  work->group_of = calloc(work->count + 1, sizeof *work->group_of);
  if (!result->groups || !work->group_of) {
    return error_set(err, ERROR_MEMORY, "replay: out of memory");
  }
  for (size_t i = 0; i < work->count; i++) {
    add_to_groups(work, &list[i], i);
  }
  for (size_t i = 0; i < result->groups_count; i++) {
    set_widths(result->groups[i].widths, work->options);
  }
  set_widths(result->total, work->options);
  return 0;
}

/* ---- quantizers -------------------------------------------------------------------------------------------------- */

static bool known(const char *const *names, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], name) == 0) {
      return true;
    }
  }
  return false;
}

static int open_choices(struct replay_work *work, struct error *err) {
  const char *names[FUNCTION_COUNT + 1] = {NULL};
  size_t count = 0;
  int code = 0;
  for (size_t i = 0; i < work->result->groups_count; i++) {
    const struct replay_group *group = &work->result->groups[i];
    if (!group->skipped && count < FUNCTION_COUNT && !known(names, count, group->function)) {
      names[count++] = group->function;
    }
  }
  for (size_t i = 0; code == 0 && i < work->options->bits_count; i++) {
    code = choice_open(&work->choices[1 + i], work->options->bits[i], (int)work->options->method, names, err);
  }
  return code;
}

int replay_work_pass(const struct replay_work *work, const struct replay_group *group, size_t width,
                     struct replay_pass *pass, struct error *err) {
  const struct fewbit_choice *choice = &work->choices[width ? width : 1];
  *pass = (struct replay_pass){.type = (enum run_type)type_of(group->dtype), .bits = width ? choice->bits : 0};
  int code = function_find(&pass->function, group->function, err);
  if (code == 0) {
    pass->quantizer = choice->quantizer(choice->context, group->function);
    code = pass->quantizer ? 0 : error_set(err, ERROR_USAGE, "%s: there is no quantizer for it", group->function);
  }
  return code;
}

/* ---- work -------------------------------------------------------------------------------------------------------- */

static void project(struct replay_group *group, size_t widths) {
  const size_t size = run_type_size((enum run_type)type_of(group->dtype));
  for (size_t width = 0; width < widths; width++) {
    const unsigned bits = group->widths[width].bits;
    group->widths[width].projected = group->count * (bits ? code_size(group->elements, bits) : group->elements * size);
  }
}

static void add_up(struct replay_work *work) {
  struct replay_result *result = work->result;
  for (size_t width = 0; width < result->widths_count; width++) {
    struct replay_width *total = &result->total[width];
    for (size_t i = 0; i < result->groups_count; i++) {
      const struct replay_group *group = &result->groups[i];
      const double elements = (double)group->count * (double)group->elements;
      total->projected += group->widths[width].projected;
      total->forward_ns += group->widths[width].forward_ns * elements;
      total->backward_ns += group->widths[width].backward_ns * elements;
    }
    total->gradient = gradient_error_figures(&work->errors[width]);
  }
}

/* Measuring one activation takes arrays of its own, outside the meter: x, y, dy, dx and a byte an element. */
static size_t needed_to_measure(const struct replay_result *result) {
  size_t most = 0;
  for (size_t i = 0; i < result->groups_count; i++) {
    const struct replay_group *group = &result->groups[i];
    const size_t bytes = group->skipped ? 0 : (size_t)group->elements * (4 * sizeof(float) + 1);
    most = bytes > most ? bytes : most;
  }
  return most;
}

static int check_memory(struct replay_work *work, struct error *err) {
  size_t needed = needed_to_measure(work->result), peak = 0;
  int code = 0;
  for (size_t width = 0; code == 0 && width < work->result->widths_count; width++) {
    code = replay_hold(work, width, true, &peak, err);
    work->result->total[width].projected_peak = peak;
    needed = peak > needed ? peak : needed;
  }
  return code < 0 ? code : available_check(needed, "replaying these activations", err);
}

static void tell_progress(const struct replay_work *work, size_t done) {
  if (work->options->progress) {
    work->options->progress(work->options->context,
                            (double)done / (double)(work->result->groups_count + work->result->widths_count));
  }
}

static int measure(struct replay_work *work, struct error *err) {
  struct replay_result *result = work->result;
  int code = 0;
  for (size_t i = 0; code == 0 && i < result->groups_count; i++) {
    tell_progress(work, i);
    if (!result->groups[i].skipped) {
      project(&result->groups[i], result->widths_count);
      code = replay_measure(work, i, err);
    }
  }
  for (size_t width = 0; code == 0 && width < result->widths_count; width++) {
    size_t peak;
    tell_progress(work, result->groups_count + width);
    code = replay_hold(work, width, false, &peak, err);
  }
  return code;
}

static int check_options(const struct replay_options *options, struct error *err) {
  return options->bits_count >= 1 && options->bits_count <= QUANTIZER_BITS_MAX
             ? 0
             : error_set(err, ERROR_USAGE, "replay: give 1 to %d widths", QUANTIZER_BITS_MAX);
}

int replay_run(const struct replay_activation *list, size_t count, const struct replay_options *options,
               struct replay_result *result, struct error *err) {
  struct gradient_error errors[REPLAY_WIDTHS] = {0};
  struct replay_work work = {.options = options, .result = result, .count = count, .errors = errors};
  *result = (struct replay_result){.activations = count, .widths_count = 1 + options->bits_count};
  int code = check_options(options, err);
  if (code == 0) {
    code = make_groups(&work, list, err);
  }
  if (code == 0) {
    code = open_choices(&work, err);
  }
  if (code == 0) {
    code = check_memory(&work, err);
  }
  if (code == 0) {
    code = measure(&work, err);
  }
  if (code == 0) {
    add_up(&work);
  }
  for (size_t i = 1; i < REPLAY_WIDTHS; i++) {
    choice_close(&work.choices[i]);
  }
  free(work.group_of);
  return code;
}

void replay_result_fini(struct replay_result *result) {
  free(result->groups);
  *result = (struct replay_result){0};
}
