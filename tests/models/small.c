#include "tests/models/small.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

const struct small_case small_cases[] = {
    {"mlp", "layers=2 width=24 inputs=7 classes=5 batch=6"},
    {"mlp", "layers=0 inputs=7 classes=5 batch=3"},
    {"gpt", "layers=2 width=24 heads=3 vocabulary=19 sequence=10 batch=3 dropout=0.2"},
    {"gpt", "layers=1 width=16 heads=4 key_heads=2 vocabulary=11 sequence=5 positions=9 batch=2 activation=silu"},
    {"bert", "layers=2 width=16 heads=2 vocabulary=23 sequence=12 batch=4 dropout=0.1"},
    {"bert", "layers=1 width=16 heads=2 vocabulary=23 sequence=12 batch=4 classes=3"},
    {"vit", "layers=2 width=16 heads=2 image=8 patch=4 channels=2 classes=4 batch=3"},
    {"resnet", "width=4 blocks=1,1 image=9 channels=2 classes=4 batch=3 activation=silu"},
    {"resnet", "width=4 blocks=1,2 image=64 channels=1 classes=4 batch=2 bottleneck=yes"},
    {"llama", "layers=2 width=16 heads=4 key_heads=2 hidden=20 vocabulary=13 sequence=7 batch=3"},
    {NULL, NULL},
};

struct model_options small_options(const char *preset, const char *settings) {
  struct model_options options;
  struct error err = {""};
  char copy[256], *rest = NULL;
  cr_assert_eq(model_options_find(&options, preset, &err), 0, "%s", err.message);
  snprintf(copy, sizeof copy, "%s", settings);
  for (char *key = strtok_r(copy, " ", &rest); key; key = strtok_r(NULL, " ", &rest)) {
    char *value = strchr(key, '=');
    *value++ = '\0';
    cr_assert_eq(model_options_set(&options, key, value, &err), 0, "%s", err.message);
  }
  return options;
}

struct model *small_model(const struct model_options *options, struct memory *memory, uint64_t seed) {
  struct model *model;
  struct error err = {""};
  cr_assert_eq(model_new(&model, options, memory, seed, &err), 0, "%s", err.message);
  return model;
}

float small_step(struct model *model, unsigned bits, uint64_t seed) {
  struct error err = {""};
  struct batch batch;
  struct tape tape;
  struct fewbit_choice choice;
  cr_assert_eq(choice_open_model(&choice, bits, FEWBIT_VALUE, &model->options, &err), 0, "%s", err.message);
  cr_assert_eq(batch_random(&batch, model, seed, &err), 0, "%s", err.message);
  model_drop_gradients(model);
  tape_init(&tape, model->memory);
  tape.training = true;
  tape.seed = seed;
  tape.fewbit = choice;
  struct value *loss = model_loss(model, &tape, &batch, NULL);
  cr_assert(loss, "%s", tape.error.message);
  const float result = loss->tensor->data ? *tensor_floats(loss->tensor) : 0;
  cr_assert_eq(tape_backward(&tape, loss), 0, "%s", tape.error.message);
  tape_fini(&tape);
  batch_fini(&batch);
  choice_close(&choice);
  return result;
}

struct model_parameter *small_parameter(struct model *model, const char *name) {
  for (size_t i = 0; i < model->parameters_count; i++) {
    if (strcmp(model->parameters[i].name, name) == 0) {
      return &model->parameters[i];
    }
  }
  cr_assert_fail("%s has no parameter %s", model->options.name, name);
  return NULL;
}
