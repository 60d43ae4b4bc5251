/* One function over two arrays that somebody else made. */
#include "kernels/replay/replay_pass.h"
#include "kernels/replay/verify_rows.h"

#include <stdlib.h>

static int check(const struct verify_arrays *options, struct error *err) {
  if (options->bits_count < 1 || options->bits_count > QUANTIZER_BITS_MAX) {
    return error_set(err, ERROR_USAGE, "verify: give 1 to %d widths", QUANTIZER_BITS_MAX);
  }
  if (!npy_same_shape(options->x, options->dy)) {
    return error_set(err, ERROR_INPUT, "X and DY differ in shape or in the order of their elements");
  }
  if (options->x->type != options->dy->type) {
    return error_set(err, ERROR_INPUT, "X and DY differ in type: save both as float32 or both as float16");
  }
  return options->x->count ? 0 : error_set(err, ERROR_INPUT, "X and DY hold no elements");
}

static int run_pass(const struct replay_pass *pass, const struct verify_arrays *options,
                    struct gradient_figures *figures, struct error *err) {
  const size_t n = options->x->count, bytes = n * run_type_size(pass->type);
  void *y = malloc(bytes + 1), *dx = malloc(bytes + 1), *codes = malloc(replay_pass_held_bytes(pass, n) + 1);
  struct gradient_error error = {0};
  const bool complete = y && dx && codes;
  if (complete) {
    replay_pass_forward(pass, options->x->data, y, codes, n);
    replay_pass_backward(pass, codes, options->dy->data, dx, n);
    gradient_error_add_function(&error, &pass->function, pass->type, options->x->data, options->dy->data, dx, n);
    *figures = gradient_error_figures(&error);
  }
  free(y);
  free(dx);
  free(codes);
  if (!complete) {
    return error_set(err, ERROR_MEMORY, "verify: out of memory");
  }
  return error.exact == 0 && error.other == 0
             ? error_set(err, ERROR_INPUT,
                         "the gradient is zero at every element, exact and few-bit, so there is nothing to compare")
             : 0;
}

static int verify_one(struct verify_width *width, const struct verify_arrays *options, const struct function *function,
                      struct error *err) {
  const fewbit_options fit = {
      .function = options->function, .bits = width->bits, .method = (enum fewbit_method)options->method};
  struct gradient_figures figures;
  fewbit_quantizer *quantizer = NULL;
  fewbit_error why;
  if (fewbit_quantizer_fit(&fit, &quantizer, &why) != FEWBIT_OK) {
    return error_set(err, ERROR_USAGE, "%s", why.message);
  }
  const struct replay_pass pass = {*function, options->x->type, width->bits, quantizer};
  const int code = run_pass(&pass, options, &figures, err);
  if (code == 0) {
    verify_rows_add(&width->start, options->function, &figures);
    verify_rows_finish(&width->start, &figures);
  }
  fewbit_quantizer_free(quantizer);
  return code;
}

int verify_arrays(struct verify_result *result, const struct verify_arrays *options, struct error *err) {
  struct function function;
  *result = (struct verify_result){0};
  int code = check(options, err);
  if (code == 0) {
    code = function_find(&function, options->function, err);
  }
  for (size_t i = 0; code == 0 && i < options->bits_count; i++) {
    struct verify_width *width = &result->widths[result->widths_count++];
    width->bits = options->bits[i];
    code = verify_rows_init(&width->start, 1, err);
    if (code == 0) {
      code = verify_one(width, options, &function, err);
    }
  }
  verify_judge(result, &options->limits);
  return code;
}
