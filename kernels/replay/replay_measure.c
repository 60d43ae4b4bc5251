/* One activation: its error once, its times as the shortest of interleaved repetitions, so that what else the machine
 * does falls on all widths alike. */
#include "kernels/replay/normal.h"
#include "kernels/replay/replay_work.h"

#include <stdlib.h>
#include <time.h>

enum { TURNS_MIN = 5, TURNS_MAX = 50 };
static const uint64_t enough_ns = 100 * 1000 * 1000; /* for one activation, once there are TURNS_MIN turns */

struct arrays {
  size_t n;
  void *x, *y, *dy, *dx, *kept; /* kept: codes; exact passes keep x or y themselves */
};

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void arrays_fini(struct arrays *arrays) {
  free(arrays->x);
  free(arrays->y);
  free(arrays->dy);
  free(arrays->dx);
  free(arrays->kept);
}

/* One byte for no elements, too: NULL means no memory. */
static void *take(size_t bytes) {
  void *memory = NULL;
  return posix_memalign(&memory, 64, bytes + 1) == 0 ? memory : NULL;
}

static int arrays_init(struct arrays *arrays, enum run_type type, size_t n, const struct replay_options *options,
                       size_t group, struct error *err) {
  const size_t bytes = n * run_type_size(type);
  *arrays = (struct arrays){n, take(bytes), take(bytes), take(bytes), take(bytes), take(n)};
  if (!arrays->x || !arrays->y || !arrays->dy || !arrays->dx || !arrays->kept) {
    return error_set(err, ERROR_MEMORY, "replay: out of memory for arrays of %zu elements", n);
  }
  normal_fill(arrays->x, type, n, options->seed, 2 * group);
  normal_fill(arrays->dy, type, n, options->seed, 2 * group + 1);
  return 0;
}

static const void *kept_of(const struct replay_pass *pass, const struct arrays *arrays) {
  if (pass->bits) {
    return arrays->kept;
  }
  return replay_pass_keeps_result(pass) ? arrays->y : arrays->x;
}

static void forward(const struct replay_pass *pass, const struct arrays *arrays) {
  replay_pass_forward(pass, arrays->x, arrays->y, arrays->kept, arrays->n);
}

static void backward(const struct replay_pass *pass, const struct arrays *arrays) {
  replay_pass_backward(pass, kept_of(pass, arrays), arrays->dy, arrays->dx, arrays->n);
}

static void measure_error(struct replay_work *work, struct replay_group *group, size_t width,
                          const struct replay_pass *pass, const struct arrays *arrays) {
  struct gradient_error error = {0};
  forward(pass, arrays);
  backward(pass, arrays);
  gradient_error_add_function(&error, &pass->function, pass->type, arrays->x, arrays->dy, arrays->dx, arrays->n);
  group->widths[width].gradient = gradient_error_figures(&error);
  gradient_error_merge(&work->errors[width], &error, (double)group->count);
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

struct times {
  uint64_t forward, backward; /* the shortest so far */
};

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static void turn(const struct replay_pass *pass, const struct arrays *arrays, struct times *times) {
  const uint64_t begin = now_ns();
  forward(pass, arrays);
  const uint64_t middle = now_ns();
  backward(pass, arrays);
  times->forward = least(times->forward, middle - begin);
  times->backward = least(times->backward, now_ns() - middle);
}

static void measure_times(const struct replay_pass *passes, size_t widths, const struct arrays *arrays,
                          struct replay_group *group) {
  struct times times[REPLAY_WIDTHS];
  const uint64_t begin = now_ns();
  for (size_t width = 0; width < widths; width++) {
    times[width] = (struct times){UINT64_MAX, UINT64_MAX};
  }
  for (int turns = 0; turns < TURNS_MIN || (turns < TURNS_MAX && now_ns() - begin < enough_ns); turns++) {
    for (size_t width = 0; width < widths; width++) {
      turn(&passes[width], arrays, &times[width]);
    }
  }
  for (size_t width = 0; width < widths; width++) {
    const double elements = arrays->n ? (double)arrays->n : 1;
    group->widths[width].forward_ns = (double)times[width].forward / elements;
    group->widths[width].backward_ns = (double)times[width].backward / elements;
  }
}

int replay_measure(struct replay_work *work, size_t index, struct error *err) {
  struct replay_group *group = &work->result->groups[index];
  const size_t widths = work->result->widths_count;
  struct replay_pass passes[REPLAY_WIDTHS] = {0};
  struct arrays arrays = {0};
  int code = 0;
  for (size_t width = 0; code == 0 && width < widths; width++) {
    code = replay_work_pass(work, group, width, &passes[width], err);
  }
  if (code == 0) {
    code = arrays_init(&arrays, passes[0].type, (size_t)group->elements, work->options, index, err);
  }
  for (size_t width = 0; code == 0 && width < widths; width++) {
    measure_error(work, group, width, &passes[width], &arrays);
  }
  if (code == 0 && !work->options->untimed) {
    measure_times(passes, widths, &arrays, group);
  }
  arrays_fini(&arrays);
  return code;
}
