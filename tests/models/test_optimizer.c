/* Optimizers against PyTorch's own figures. */
#include "kernels/models/optimizer.h"
#include "tests/models/small.h"

#include <criterion/criterion.h>
#include <string.h>

/* An mlp's head of 2 x 2 stands for any matrix. */
static const char settings[] = "layers=0 inputs=2 classes=2";
static const float start[] = {1, -2, 0.5F, 3};

static void set_gradients(struct model *model, float k) {
  const float gradient[] = {0.5F * k, -0.25F, 2 - k, 0};
  struct value *value = &model->parameters[0].value;
  if (!value->gradient) {
    value->gradient = tensor_new(model->memory, MEMORY_GRADIENT, sizeof gradient);
  }
  memcpy(value->gradient->data, gradient, sizeof gradient);
}

/* torch 1.13: three steps from `start` with the gradients above. Tolerance: a few units in the last place. */
static void expect_three_steps(const struct optimizer_options *options, const float *expected, size_t state_bytes) {
  struct model_options o = small_options("mlp", settings);
  struct memory memory;
  struct optimizer optimizer;
  struct error err;
  memory_init(&memory, false);
  struct model *model = small_model(&o, &memory, 1);
  float *weight = tensor_floats(model->parameters[0].value.tensor);
  float *bias = tensor_floats(model->parameters[1].value.tensor), before = bias[0];
  memcpy(weight, start, sizeof start);
  cr_assert_eq(optimizer_init(&optimizer, options, model, &err), 0);
  cr_expect_eq(memory.live_of[MEMORY_OPTIMIZER], state_bytes);
  for (int k = 1; k <= 3; k++) {
    set_gradients(model, (float)k);
    optimizer_step(&optimizer, 1);
  }
  for (size_t i = 0; i < 4; i++) {
    cr_expect_float_eq(weight[i], expected[i], 5e-7, "%zu: %.9g, torch has %.9g", i, (double)weight[i],
                       (double)expected[i]);
  }
  cr_expect_eq(bias[0], before, "what has no gradient stays");
  optimizer_fini(&optimizer);
  cr_expect_eq(memory.live_of[MEMORY_OPTIMIZER], 0);
  model_free(model);
}

Test(optimizer, sgd_with_momentum_and_decay) {
  struct optimizer_options options = optimizer_defaults(OPTIMIZER_SGD);
  options.rate = 0.1F;
  options.decay = 0.1F;
  expect_three_steps(&options, (const float[]){0.471774012F, -1.74970555F, 0.304979503F, 2.83313704F},
                     (4 + 2) * sizeof(float));
}

Test(optimizer, plain_sgd_has_no_state) {
  struct optimizer_options options = optimizer_defaults(OPTIMIZER_SGD);
  options.rate = 0.5F;
  options.momentum = 0;
  expect_three_steps(&options, (const float[]){-0.5F, -1.625F, 0.5F, 3}, 0);
}

Test(optimizer, adamw) {
  struct optimizer_options options = optimizer_defaults(OPTIMIZER_ADAMW);
  options.rate = 0.01F;
  options.decay = 0.1F;
  expect_three_steps(&options, (const float[]){0.967800856F, -1.96403611F, 0.482686311F, 2.991009F},
                     2 * (4 + 2) * sizeof(float));
}

Test(optimizer, decay_is_for_matrices) {
  struct optimizer_options options = optimizer_defaults(OPTIMIZER_ADAMW);
  struct model_options o = small_options("mlp", settings);
  struct memory memory;
  struct optimizer optimizer;
  struct error err;
  options.decay = 0.5F;
  memory_init(&memory, false);
  struct model *model = small_model(&o, &memory, 1);
  float before[2];
  cr_assert_eq(optimizer_init(&optimizer, &options, model, &err), 0);
  for (size_t i = 0; i < 2; i++) {
    struct value *value = &model->parameters[i].value;
    value->gradient = tensor_new(&memory, MEMORY_GRADIENT, value->tensor->bytes);
    before[i] = *tensor_floats(value->tensor);
  }
  optimizer_step(&optimizer, 0.5F);
  cr_expect_float_eq(*tensor_floats(model->parameters[0].value.tensor), before[0] * (1 - 0.5F * 1e-3F * 0.5F), 1e-7);
  cr_expect_eq(*tensor_floats(model->parameters[1].value.tensor), before[1]);
  optimizer_fini(&optimizer);
  model_free(model);
}

Test(optimizer, names) {
  enum optimizer_kind kind;
  struct error err;
  cr_expect_eq(optimizer_find(&kind, "sgd", &err), 0);
  cr_expect_eq(kind, OPTIMIZER_SGD);
  cr_expect_eq(optimizer_find(&kind, "adamw", &err), 0);
  cr_expect_eq(kind, OPTIMIZER_ADAMW);
  cr_expect_eq(optimizer_find(&kind, "adam", &err), ERROR_USAGE);
  cr_expect(strstr(err.message, "adamw"));
}
