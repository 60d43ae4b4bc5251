/* The step that was recorded, as far as its eligible activations go: forward in their order, each keeping what it needs,
 * then backward in reverse. Gradients and activations of other ops are not there, so the peak is that of the list alone. */
#include "kernels/replay/normal.h"
#include "kernels/replay/replay_work.h"

#include <stdlib.h>
#include <string.h>

/* Bytes do not depend on values, so the arrays are filled from one draw, over and over. */
enum { POOL_BYTES = 1 << 16 };

struct hold {
  struct replay_work *work;
  size_t width;
  struct memory memory;
  struct tensor **kept;                  /* by activation */
  unsigned char *pools[RUN_FLOAT16 + 1]; /* by type; NULL in a dry run */
};

static void fill(void *array, size_t bytes, const unsigned char *pool) {
  for (size_t done = 0; array && done < bytes; done += POOL_BYTES) {
    memcpy((unsigned char *)array + done, pool, bytes - done < POOL_BYTES ? bytes - done : POOL_BYTES);
  }
}

static struct tensor *filled(struct hold *hold, enum run_type type, size_t bytes) {
  struct tensor *tensor = tensor_new_raw(&hold->memory, MEMORY_ACTIVATION, bytes);
  if (tensor) {
    fill(tensor->data, bytes, hold->pools[type]);
  }
  return tensor;
}

/* The tensor that stays for backward gets a holder; x and y go. */
static struct tensor *keep(struct hold *hold, const struct replay_pass *pass, struct replay_group *group,
                           struct tensor *x, struct tensor *y, struct tensor *codes) {
  const size_t before = hold->memory.saved;
  struct tensor *kept = tensor_hold(pass->bits ? codes : replay_pass_keeps_result(pass) ? y : x);
  group->widths[hold->width].held += hold->memory.saved - before;
  return kept;
}

static int forward(struct hold *hold, size_t activation, struct error *err) {
  struct replay_group *group = &hold->work->result->groups[hold->work->group_of[activation]];
  struct replay_pass pass;
  int code = replay_work_pass(hold->work, group, hold->width, &pass, err);
  if (code < 0) {
    return code;
  }
  const size_t n = (size_t)group->elements, bytes = n * run_type_size(pass.type);
  struct tensor *x = filled(hold, pass.type, bytes), *y = tensor_new_raw(&hold->memory, MEMORY_ACTIVATION, bytes);
  struct tensor *codes =
      pass.bits ? tensor_new_raw(&hold->memory, MEMORY_ACTIVATION, replay_pass_held_bytes(&pass, n)) : NULL;
  if (!x || !y || (pass.bits && !codes)) {
    code = error_set(err, ERROR_MEMORY, "replay: out of memory with %zu bytes held", hold->memory.live);
  } else {
    if (!hold->memory.dry) {
      replay_pass_forward(&pass, x->data, y->data, codes ? codes->data : NULL, n);
    }
    hold->kept[activation] = keep(hold, &pass, group, x, y, codes);
  }
  tensor_drop(x);
  tensor_drop(y);
  tensor_drop(codes);
  return code;
}

static int backward(struct hold *hold, size_t activation, struct error *err) {
  struct replay_group *group = &hold->work->result->groups[hold->work->group_of[activation]];
  struct replay_pass pass;
  int code = replay_work_pass(hold->work, group, hold->width, &pass, err);
  if (code < 0) {
    return code;
  }
  const size_t n = (size_t)group->elements, bytes = n * run_type_size(pass.type);
  struct tensor *dy = filled(hold, pass.type, bytes), *dx = tensor_new_raw(&hold->memory, MEMORY_ACTIVATION, bytes);
  if (!dy || !dx) {
    code = error_set(err, ERROR_MEMORY, "replay: out of memory with %zu bytes held", hold->memory.live);
  } else if (!hold->memory.dry) {
    replay_pass_backward(&pass, hold->kept[activation]->data, dy->data, dx->data, n);
  }
  tensor_release(hold->kept[activation]);
  hold->kept[activation] = NULL;
  tensor_drop(dy);
  tensor_drop(dx);
  return code;
}

static int hold_init(struct hold *hold, struct replay_work *work, size_t width, bool dry, struct error *err) {
  *hold = (struct hold){.work = work, .width = width, .kept = calloc(work->count + 1, sizeof(struct tensor *))};
  bool complete = hold->kept != NULL;
  memory_init(&hold->memory, dry);
  for (unsigned type = 0; !dry && complete && type <= RUN_FLOAT16; type++) {
    hold->pools[type] = malloc(POOL_BYTES);
    complete = hold->pools[type] != NULL;
    if (complete) {
      normal_fill(hold->pools[type], (enum run_type)type, POOL_BYTES / run_type_size((enum run_type)type),
                  work->options->seed, type);
    }
  }
  return complete ? 0 : error_set(err, ERROR_MEMORY, "replay: out of memory");
}

static void hold_fini(struct hold *hold) {
  for (size_t i = 0; hold->kept && i < hold->work->count; i++) {
    tensor_release(hold->kept[i]); /* NULL but after a failure */
  }
  for (unsigned type = 0; type <= RUN_FLOAT16; type++) {
    free(hold->pools[type]);
  }
  free(hold->kept);
}

static bool is_replayed(const struct replay_work *work, size_t activation) {
  return work->group_of[activation] != SIZE_MAX;
}

int replay_hold(struct replay_work *work, size_t width, bool dry, size_t *peak, struct error *err) {
  struct hold hold;
  int code = hold_init(&hold, work, width, dry, err);
  for (size_t i = 0; i < work->result->groups_count; i++) {
    work->result->groups[i].widths[width].held = 0;
  }
  for (size_t i = 0; code == 0 && i < work->count; i++) {
    code = is_replayed(work, i) ? forward(&hold, i, err) : 0;
  }
  for (size_t i = work->count; code == 0 && i-- > 0;) {
    code = is_replayed(work, i) ? backward(&hold, i, err) : 0;
  }
  work->result->total[width].held = hold.memory.saved_peak;
  *peak = work->result->total[width].peak = hold.memory.peak;
  hold_fini(&hold);
  return code;
}
