/* Whole models: that they are what their options say, that their gradients are gradients, and that what they keep for
 * backward is what can be counted by hand. */
#include "tests/models/small.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

static bool same_bytes(const void *a, const void *b, size_t size) {
  return memcmp(a, b, size) == 0;
}

/* ---- weights --------------------------------------------------------------------------------------------------- */

Test(model, names_are_those_of_modules) {
  static const struct {
    const char *preset, *settings, *name;
    size_t rows, columns;
  } cases[] = {{"mlp", "width=8 inputs=3", "layers.0.fc.weight", 8, 3},
               {"gpt", "width=16 heads=2", "blocks.3.attn.qkv.weight", 48, 16},
               {"gpt", "width=16 heads=2 key_heads=1", "blocks.3.attn.qkv.weight", 32, 16},
               {"gpt", "width=16", "blocks.0.mlp.fc1.weight", 64, 16},
               {"gpt", "width=16 sequence=4 positions=6", "wpe.weight", 6, 16},
               {"bert", "width=16", "encoder.layer.0.attention.output.dense.weight", 16, 16},
               {"bert", "width=16 classes=3", "classifier.weight", 3, 16},
               {"vit", "width=16 image=8", "pos_embed", 5, 16},
               {"llama", "width=24 heads=2", "layers.1.mlp.gate_proj.weight", 256, 24},
               {"resnet", "width=4 classes=3", "fc.weight", 3, 16}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct model_options options = small_options(cases[i].preset, cases[i].settings);
    struct memory memory;
    memory_init(&memory, true);
    struct model *model = small_model(&options, &memory, 1);
    const struct value *value = &small_parameter(model, cases[i].name)->value;
    cr_expect(value->dims == 2 && value->shape[0] == cases[i].rows && value->shape[1] == cases[i].columns,
              "%s %s: %zu x %zu", cases[i].settings, cases[i].name, value->shape[0], value->shape[1]);
    model_free(model);
  }
}

Test(model, no_name_twice) {
  for (const struct small_case *c = small_cases; c->preset; c++) {
    struct model_options options = small_options(c->preset, c->settings);
    struct memory memory;
    memory_init(&memory, true);
    struct model *model = small_model(&options, &memory, 1);
    for (size_t i = 0; i < model->parameters_count; i++) {
      cr_expect_eq(small_parameter(model, model->parameters[i].name), &model->parameters[i], "%s",
                   model->parameters[i].name);
      cr_expect_eq(model->parameters[i].decay, model->parameters[i].value.dims > 1);
    }
    model_free(model);
  }
}

static struct model *gpt(struct memory *memory, const char *settings, uint64_t seed) {
  struct model_options options = small_options("gpt", settings);
  memory_init(memory, false);
  return small_model(&options, memory, seed);
}

Test(model, weights_depend_on_name_shape_and_seed_alone) {
  static const char name[] = "blocks.0.mlp.fc1.weight";
  struct memory memories[3];
  struct model *models[] = {gpt(&memories[0], "layers=1 width=32", 5),
                            gpt(&memories[1], "layers=3 width=32 vocabulary=7", 5),
                            gpt(&memories[2], "layers=1 width=32", 6)};
  const struct tensor *weights[3];
  for (size_t i = 0; i < 3; i++) {
    weights[i] = small_parameter(models[i], name)->value.tensor;
  }
  cr_expect_eq(memcmp(weights[0]->data, weights[1]->data, weights[0]->bytes), 0);
  cr_expect_neq(memcmp(weights[0]->data, weights[2]->data, weights[0]->bytes), 0);
  for (size_t i = 0; i < 3; i++) {
    model_free(models[i]);
    cr_expect_eq(memories[i].live, 0);
  }
}

/* 65536 normal numbers: their mean and deviation lie within five standard errors, 1 / 256 and 1 / 362 of sigma. */
Test(model, weights_are_drawn_as_they_should_be) {
  struct memory memory;
  struct model *model = gpt(&memory, "layers=2 width=128 heads=4 hidden=512", 1);
  const struct value *value = &small_parameter(model, "blocks.0.mlp.fc1.weight")->value;
  const float *w = tensor_floats(value->tensor);
  const size_t count = value_count(value);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) {
    sum += (double)w[i];
    squares += (double)w[i] * (double)w[i];
  }
  cr_expect_eq(count, 65536);
  cr_expect_float_eq(sum / 65536, 0, 0.02 * 5 / 256);
  cr_expect_float_eq(sqrt(squares / 65536), 0.02, 0.02 * 5 / 362);
  const float *bias = tensor_floats(small_parameter(model, "blocks.0.mlp.fc1.bias")->value.tensor);
  const float *norm = tensor_floats(small_parameter(model, "blocks.1.norm2.weight")->value.tensor);
  cr_expect(bias[3] == 0 && norm[3] == 1);
  model_free(model);
}

/* ---- passes ---------------------------------------------------------------------------------------------------- */

Test(model, the_first_loss_is_that_of_guessing) {
  static const struct {
    const char *preset, *settings;
    double classes;
  } cases[] = {{"gpt", "layers=2 width=32 vocabulary=40 sequence=16 batch=2", 40},
               {"bert", "layers=2 width=32 vocabulary=40 sequence=16 batch=2", 40},
               {"llama", "layers=2 width=32 vocabulary=40 sequence=16 batch=2", 40},
               {"vit", "layers=2 width=32 classes=6 batch=4", 6},
               {"mlp", "layers=2 width=32 classes=6 batch=4", 6}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct model_options options = small_options(cases[i].preset, cases[i].settings);
    struct memory memory;
    memory_init(&memory, false);
    struct model *model = small_model(&options, &memory, 1);
    cr_expect_float_eq(small_step(model, 0, 1), log(cases[i].classes), 0.1, "%s", cases[i].preset);
    model_free(model);
  }
}

/* The loss of the model at the weights as they are, for finite differences: no dropout in these cases. */
static double loss_at(struct model *model, uint64_t seed) {
  return (double)small_step(model, 0, seed);
}

/* One direction a parameter: the gradient itself, so that the derivative along it is its norm, far above float32's noise
 * in the loss (1e-7 of 3). h moves the loss by 0.01 or so: the difference is good to 1e-4, curvature cancels in the
 * central difference to second order; 2 % of the norm is left for the third. */
static void check_parameter(struct model *model, size_t index) {
  struct value *value = &model->parameters[index].value;
  const size_t count = value_count(value);
  float *w = tensor_floats(value->tensor);
  loss_at(model, 3);
  cr_assert(value->gradient, "%s has no gradient", model->parameters[index].name);
  float *gradient = malloc(count * sizeof *gradient), *before = malloc(count * sizeof *before);
  memcpy(gradient, tensor_floats(value->gradient), count * sizeof *gradient);
  memcpy(before, w, count * sizeof *before);
  double norm = 0, losses[2];
  for (size_t i = 0; i < count; i++) {
    norm += (double)gradient[i] * (double)gradient[i];
  }
  norm = sqrt(norm);
  const double h = fmin(0.01 / fmax(norm, 1e-3), 0.02);
  for (int side = 0; side < 2 && norm > 1e-3; side++) {
    for (size_t i = 0; i < count; i++) {
      w[i] = (float)((double)before[i] + (side ? h : -h) * (double)gradient[i] / norm);
    }
    losses[side] = loss_at(model, 3);
    memcpy(w, before, count * sizeof *before);
  }
  if (norm > 1e-3) {
    const double numerical = (losses[1] - losses[0]) / (2 * h);
    cr_expect_float_eq(numerical, norm, 0.02 * norm + 2e-4, "%s: %g, but %g along it", model->parameters[index].name,
                       norm, numerical);
  }
  free(gradient);
  free(before);
}

Test(model, gradients_of_whole_models) {
  static const struct small_case cases[] = {
      {"mlp", "layers=2 width=8 inputs=5 classes=4 batch=5"},
      {"gpt", "layers=1 width=16 heads=2 vocabulary=11 sequence=6 batch=3"},
      {"bert", "layers=1 width=16 heads=2 vocabulary=11 sequence=8 batch=4"},
      {"bert", "layers=1 width=16 heads=2 vocabulary=11 sequence=6 batch=3 classes=3"},
      {"vit", "layers=1 width=16 heads=2 image=8 patch=4 channels=2 classes=4 batch=3"},
      {"resnet", "width=4 blocks=1,1 image=8 channels=2 classes=4 batch=4 activation=silu"},
      {"resnet", "width=2 blocks=1 image=8 channels=2 classes=4 batch=4 bottleneck=yes activation=gelu"},
      {"llama", "layers=1 width=16 heads=4 key_heads=2 hidden=12 vocabulary=11 sequence=6 batch=3"}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    struct model_options options = small_options(cases[k].preset, cases[k].settings);
    struct memory memory;
    memory_init(&memory, false);
    struct model *model = small_model(&options, &memory, 2);
    for (size_t i = 0; i < model->parameters_count; i++) {
      check_parameter(model, i);
    }
    model_free(model);
    cr_expect_eq(memory.live, 0);
  }
}

Test(model, few_bits_change_gradients_and_not_the_loss) {
  struct model_options options = small_options("gpt", "layers=2 width=32 heads=2 vocabulary=11 sequence=16 batch=4");
  struct memory memory;
  memory_init(&memory, false);
  struct model *model = small_model(&options, &memory, 1);
  const struct model_parameter *parameter = small_parameter(model, "blocks.0.mlp.fc1.weight");
  const size_t count = value_count(&parameter->value);
  float *exact = malloc(count * sizeof *exact);
  const float loss = small_step(model, 0, 1);
  memcpy(exact, tensor_floats(parameter->value.gradient), count * sizeof *exact);
  double last = 0;
  for (unsigned bits = 1; bits <= 8; bits *= 2) {
    cr_expect_float_eq(small_step(model, bits, 1), loss, 1e-6);
    const float *few = tensor_floats(parameter->value.gradient);
    double dot = 0, a = 0, b = 0;
    for (size_t i = 0; i < count; i++) {
      dot += (double)exact[i] * (double)few[i];
      a += (double)exact[i] * (double)exact[i];
      b += (double)few[i] * (double)few[i];
    }
    const double cosine = dot / sqrt(a * b);
    cr_expect(cosine > last && cosine < 1 - 1e-12, "%u bits: %.8f", bits, cosine);
    last = cosine;
  }
  cr_expect_gt(last, 0.99999);
  free(exact);
  model_free(model);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static struct memory step_meter(const struct small_case *c, unsigned bits, bool dry) {
  struct model_options options = small_options(c->preset, c->settings);
  struct memory memory;
  memory_init(&memory, dry);
  struct model *model = small_model(&options, &memory, 1);
  const float loss = small_step(model, bits, 1);
  cr_expect(dry ? loss == 0 : isfinite(loss) && loss > 0, "%s: loss %g", c->settings, (double)loss);
  const struct memory result = memory;
  model_free(model);
  cr_expect_eq(memory.live, 0, "%s %s: %zu bytes are left", c->preset, c->settings, memory.live);
  return result;
}

Test(model, a_dry_meter_counts_what_a_real_one_does) {
  for (const struct small_case *c = small_cases; c->preset; c++) {
    for (unsigned bits = 0; bits <= 3; bits += 3) {
      const struct memory real = step_meter(c, bits, false), dry = step_meter(c, bits, true);
      cr_expect_eq(real.peak, dry.peak, "%s %s, %u bits: %zu, dry %zu", c->preset, c->settings, bits, real.peak,
                   dry.peak);
      cr_expect_eq(real.saved_peak, dry.saved_peak, "%s %s, %u bits", c->preset, c->settings, bits);
      cr_expect_eq(memcmp(real.at_peak, dry.at_peak, sizeof real.at_peak), 0, "%s %s", c->preset, c->settings);
      cr_expect_eq(real.saved, 0);
    }
  }
}

static size_t code_bytes(size_t elements, unsigned bits) {
  return bits ? (elements * bits + 7) / 8 : 4 * elements;
}

/* addmm keeps its input (the batch is not counted), gelu its input or codes, log_softmax its result. */
Test(model, what_an_mlp_keeps_counted_by_hand) {
  const struct small_case c = {"mlp", "layers=3 width=21 inputs=7 classes=5 batch=6"};
  for (unsigned bits = 0; bits <= 4; bits++) {
    const size_t layer = code_bytes(6 * 21, bits) + 4 * 6 * 21; /* act, the next linear */
    cr_expect_eq(step_meter(&c, bits, true).saved_peak, 3 * layer + 4 * 6 * 5, "%u bits", bits);
  }
}

/* In elements of B T C: the norms' inputs and results, qkv, what attention gives; with mean and rstd of a row for a norm,
 * the probabilities, and both sides of the activation. At the end a norm, the head's input, and log softmax. */
Test(model, what_a_gpt_keeps_counted_by_hand) {
  const struct small_case c = {"gpt", "layers=3 width=24 heads=3 hidden=40 vocabulary=19 sequence=10 batch=2"};
  const size_t rows = 2 * 10, width = 24;
  for (unsigned bits = 0; bits <= 4; bits++) {
    const size_t floats = rows * width * (1 + 1 + 3 + 1 + 1 + 1) + 2 * 2 * rows + 2 * 3 * 10 * 10 + rows * 40;
    const size_t layer = 4 * floats + code_bytes(rows * 40, bits);
    const size_t head = 4 * (rows * width * 2 + 2 * rows + rows * 19);
    cr_expect_eq(step_meter(&c, bits, true).saved_peak, 3 * layer + head, "%u bits: %zu, not %zu", bits,
                 step_meter(&c, bits, true).saved_peak, 3 * layer + head);
  }
}

/* A forward pass that keeps nothing holds no more than the values in use: the model lets go of the rest. */
Test(model, inference_holds_little) {
  for (size_t layers = 2; layers <= 8; layers *= 4) {
    char settings[96];
    snprintf(settings, sizeof settings, "layers=%zu width=24 heads=3 vocabulary=19 sequence=10 batch=2", layers);
    struct model_options options = small_options("gpt", settings);
    struct memory memory;
    struct batch batch;
    struct tape tape;
    struct error err;
    memory_init(&memory, true);
    struct model *model = small_model(&options, &memory, 1);
    cr_assert_eq(batch_random(&batch, model, 1, &err), 0);
    const size_t before = memory.live;
    memory_restart_peaks(&memory);
    tape_init(&tape, &memory);
    tape.inference = true;
    cr_assert(model_loss(model, &tape, &batch, NULL));
    /* At most: x, the norm's result, qkv and what attention gives with its probabilities and scratch; or x, the norm's
     * result, and both sides of the activation. */
    cr_expect_leq(memory.peak - before, 4 * 20 * 24 * (1 + 1 + 4 + 4) + 4 * 4 * 2 * 3 * 10 * 10, "%zu layers: %zu",
                  layers, memory.peak - before);
    tape_fini(&tape);
    batch_fini(&batch);
    model_free(model);
  }
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

static void set_threads(int threads) {
#ifdef _OPENMP
  omp_set_num_threads(threads);
#else
  (void)threads;
#endif
}

static size_t gradient_count(const struct model *model) {
  size_t count = 0;
  for (size_t i = 0; i < model->parameters_count; i++) {
    cr_assert(model->parameters[i].value.gradient);
    count += value_count(&model->parameters[i].value);
  }
  return count;
}

/* All gradients of a step, and the loss, one after the other. */
static float *step_numbers(const struct small_case *c, int threads, size_t *count) {
  struct model_options options = small_options(c->preset, c->settings);
  struct memory memory;
  set_threads(threads);
  memory_init(&memory, false);
  struct model *model = small_model(&options, &memory, 1);
  const float loss = small_step(model, 3, 1);
  float *numbers = malloc((gradient_count(model) + 1) * sizeof *numbers);
  cr_assert(numbers);
  *count = 0;
  numbers[(*count)++] = loss;
  for (size_t i = 0; i < model->parameters_count; i++) {
    const struct tensor *gradient = model->parameters[i].value.gradient;
    memcpy(numbers + *count, gradient->data, gradient->bytes);
    *count += gradient->bytes / sizeof *numbers;
  }
  model_free(model);
  return numbers;
}

/* Large enough that ops do share their work. */
Test(model, results_do_not_depend_on_threads) {
  static const struct small_case cases[] = {{"gpt", "layers=1 width=96 heads=3 sequence=64 batch=4 dropout=0.1"},
                                            {"resnet", "width=16 blocks=1,1 image=32 batch=4 activation=silu"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t count, count_again;
    float *one = step_numbers(&cases[i], 1, &count), *three = step_numbers(&cases[i], 3, &count_again);
    cr_assert_eq(count, count_again);
    cr_expect(same_bytes(one, three, count * sizeof *one), "%s", cases[i].preset);
    free(one);
    free(three);
  }
}

/* ---- batches --------------------------------------------------------------------------------------------------- */

Test(model, random_batches) {
  for (const struct small_case *c = small_cases; c->preset; c++) {
    struct model_options options = small_options(c->preset, c->settings);
    struct memory memory;
    struct batch one, same, other;
    struct error err;
    memory_init(&memory, false);
    struct model *model = small_model(&options, &memory, 1);
    cr_assert(batch_random(&one, model, 4, &err) == 0 && batch_random(&same, model, 4, &err) == 0 &&
              batch_random(&other, model, 5, &err) == 0);
    cr_expect_eq(one.size, options.batch);
    cr_expect_eq(memory.live_of[MEMORY_INPUT], 3 * (one.x->bytes + one.target->bytes));
    cr_expect_eq(memcmp(one.x->data, same.x->data, one.x->bytes), 0);
    cr_expect_neq(memcmp(one.x->data, other.x->data, one.x->bytes), 0);
    batch_fini(&one);
    batch_fini(&same);
    batch_fini(&other);
    model_free(model);
    cr_expect_eq(memory.live, 0);
  }
}
