#include "tests/replay/small_models.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const settings[SMALL_MODELS][12] = {
    {"mlp", "layers=2", "width=12", "inputs=7", "batch=5", NULL},
    {"gpt", "layers=2", "width=16", "heads=2", "vocabulary=11", "sequence=9", "batch=3", "dropout=0.1", NULL},
    {"bert", "layers=2", "width=16", "heads=2", "vocabulary=13", "sequence=8", "batch=3", NULL},
    {"vit", "layers=2", "width=16", "heads=2", "image=8", "patch=4", "batch=3", NULL},
    {"resnet", "width=4", "image=12", "batch=3", NULL},
    {"llama", "layers=2", "width=16", "heads=2", "vocabulary=11", "sequence=9", "batch=3", NULL}};

static void set(struct model_options *options, const char *setting) {
  char key[64];
  const char *equals = strchr(setting, '=');
  struct error err;
  snprintf(key, sizeof key, "%.*s", (int)(equals - setting), setting);
  cr_assert_eq(model_options_set(options, key, equals + 1, &err), 0, "%s: %s", setting, err.message);
}

struct model_options small_model(size_t at, const char *activation) {
  struct model_options options;
  struct error err;
  cr_assert_eq(model_options_find(&options, settings[at][0], &err), 0, "%s", err.message);
  for (size_t i = 1; settings[at][i]; i++) {
    set(&options, settings[at][i]);
  }
  if (activation) {
    cr_assert_eq(model_options_set(&options, "activation", activation, &err), 0, "%s", err.message);
  }
  cr_assert_eq(model_options_check(&options, &err), 0, "%s", err.message);
  return options;
}
