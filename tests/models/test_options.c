/* Keys, presets and model files; sizes of the published models. */
#include "kernels/replay/plan.h"
#include "tests/models/small.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static bool same_bytes(const void *a, const void *b, size_t size) {
  return memcmp(a, b, size) == 0;
}

static void expect_refused_by(const char *preset, const char *key, const char *value, const char *reason) {
  struct model_options options = small_options(preset, ""), before = options;
  struct error err = {""};
  cr_expect_eq(model_options_set(&options, key, value, &err), ERROR_USAGE, "%s = %s was taken", key, value);
  cr_expect(strstr(err.message, reason), "%s = %s: %s", key, value, err.message);
  cr_expect(same_bytes(&options, &before, sizeof options), "%s = %s changed something", key, value);
}

static void expect_refused(const char *key, const char *value, const char *reason) {
  expect_refused_by("gpt", key, value, reason);
}

Test(options, keys_are_set) {
  struct model_options o = small_options("resnet", "width=12 blocks=3,4,6,3 bottleneck=yes activation=relu6 image=7 "
                                                   "channels=2 classes=6 batch=5 name=mine");
  cr_expect_eq(o.width, 12);
  cr_expect(o.blocks[0] == 3 && o.blocks[1] == 4 && o.blocks[2] == 6 && o.blocks[3] == 3);
  cr_expect(o.bottleneck);
  cr_expect_str_eq(o.activation, "relu6");
  cr_expect(o.image == 7 && o.channels == 2 && o.classes == 6 && o.batch == 5);
  cr_expect_str_eq(o.name, "mine");
  o = small_options("mlp", "dropout=0.25");
  cr_expect_eq(o.dropout, 0.25F);
  o = small_options("resnet", "blocks=2,1");
  cr_expect(o.blocks[0] == 2 && o.blocks[1] == 1 && o.blocks[2] == 0 && o.blocks[3] == 0, "what is not named is none");
}

Test(options, bad_values_are_refused) {
  expect_refused("width", "", "whole number");
  expect_refused("width", "-3", "whole number");
  expect_refused("width", "12x", "whole number");
  expect_refused("width", "0", "from 1");
  expect_refused("layers", "99999999999999999999999", "whole number");
  expect_refused_by("resnet", "blocks", "1,2,3,4,5", "3,4,6,3");
  expect_refused_by("resnet", "blocks", "1,,2", "3,4,6,3");
  expect_refused_by("resnet", "blocks", "1,2,", "3,4,6,3");
  expect_refused_by("resnet", "bottleneck", "maybe", "yes or no");
  expect_refused("dropout", "1", "below 1");
  expect_refused("dropout", "nan", "below 1");
  expect_refused("activation", "glue", "gelu");
  expect_refused("family", "cnn", "resnet");
  expect_refused("name", "", "characters");
  expect_refused("size", "3", "width");
}

/* A key that a family does not look at is refused; one that is taken changes the model: nothing is ignored in silence. */
static const char *changed(const char *key) {
  static const char *const others[][2] = {
      {"layers", "3"}, {"width", "64"},    {"heads", "2"},        {"key_heads", "2"},        {"hidden", "72"},
      {"image", "16"}, {"patch", "8"},     {"channels", "5"},     {"vocabulary", "77"},      {"sequence", "32"},
      {"types", "3"},  {"inputs", "9"},    {"classes", "7"},      {"positions", "777"},      {"blocks", "1,2"},
      {"batch", "3"},  {"dropout", "0.5"}, {"bottleneck", "yes"}, {"activation", "softplus"}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (strcmp(others[i][0], key) == 0) {
      return others[i][1];
    }
  }
  return NULL; /* family, name */
}

static struct plan plan_of(const struct model_options *options) {
  const struct plan_options plan_options = {
      .model = *options, .optimizer = optimizer_defaults(OPTIMIZER_SGD), .bits = {1}, .bits_count = 1};
  struct plan plan = {0};
  struct error err = {""};
  cr_assert_eq(plan_make(&plan, &plan_options, &err), 0, "%s", err.message);
  return plan;
}

static void expect_a_use(const char *family, const char *key, const char *value) {
  struct model_options options = small_options(family, "");
  struct plan before = plan_of(&options);
  struct error err = {""};
  const int code = model_options_set(&options, key, value, &err);
  if (code < 0) {
    cr_expect(strstr(err.message, "has no"), "%s: %s", family, err.message);
  } else {
    struct plan after = plan_of(&options);
    cr_expect(after.runs[0].parameters != before.runs[0].parameters ||
                  after.runs[0].train.meter.peak != before.runs[0].train.meter.peak || strcmp(key, "activation") == 0,
              "%s: %s=%s changes nothing", family, key, value);
    plan_fini(&after);
  }
  plan_fini(&before);
}

Test(options, no_key_is_ignored) {
  static const char *const families[] = {"mlp", "gpt", "bert", "vit", "resnet", "llama"};
  const char *key;
  for (size_t i = 0; (key = model_options_key(i)); i++) {
    for (size_t k = 0; changed(key) && k < sizeof families / sizeof *families; k++) {
      expect_a_use(families[k], key, changed(key));
    }
  }
  expect_refused("patch", "4", "a model of the family gpt has no patch; those that have it: vit");
  expect_refused_by("mlp", "sequence", "4", "those that have it: gpt bert llama");
}

/* One case a rule. */
Test(options, sizes_that_do_not_fit) {
  static const struct {
    const char *preset, *settings, *reason;
  } cases[] = {{"gpt", "width=10 heads=3", "heads must divide width"},
               {"gpt", "heads=4 key_heads=3", "key_heads must divide heads"},
               {"gpt", "sequence=8 positions=7", "positions"},
               {"llama", "width=12 heads=4", "even"},
               {"vit", "image=9 patch=4", "patch must divide image"},
               {"vit", "classes=0", "classes"},
               {"mlp", "classes=0", "classes"},
               {"resnet", "blocks=0,1", "blocks"},
               {"resnet", "blocks=0", "blocks"},
               {"gpt", "batch=16777216 sequence=16777216 vocabulary=16777216", "slip"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct model_options options = small_options(cases[i].preset, cases[i].settings);
    struct error err = {""};
    cr_expect_eq(model_options_check(&options, &err), ERROR_USAGE, "%s %s", cases[i].preset, cases[i].settings);
    cr_expect(strstr(err.message, cases[i].reason), "%s %s: %s", cases[i].preset, cases[i].settings, err.message);
    struct memory memory;
    struct model *model;
    memory_init(&memory, true);
    cr_expect_eq(model_new(&model, &options, &memory, 1, &err), ERROR_USAGE);
    cr_expect_null(model);
    cr_expect_eq(memory.live, 0);
  }
}

/* Trainable parameters, as the authors' own programs count them (GPT-2, LLaMA), transformers (bert, roberta with a
 * classifier of two), timm (vit) and torchvision (resnet). */
Test(options, published_sizes) {
  static const struct {
    const char *name;
    size_t parameters;
  } cases[] = {{"gpt2", 124439808},      {"gpt2-medium", 354823168}, {"gpt2-large", 774030080},
               {"gpt2-xl", 1557611200},  {"bert-base", 109483778},   {"roberta-base", 124647170},
               {"llama-7b", 6738415616}, {"vit-b", 86567656},        {"vit-l", 304326632},
               {"resnet-18", 11689512},  {"resnet-34", 21797672},    {"resnet-50", 25557032},
               {"resnet-101", 44549160}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct model_options options = small_options(cases[i].name, "");
    struct memory memory;
    memory_init(&memory, true);
    struct model *model = small_model(&options, &memory, 1);
    size_t count = 0;
    for (size_t k = 0; k < model->parameters_count; k++) {
      count += value_count(&model->parameters[k].value);
    }
    cr_expect_eq(count, cases[i].parameters, "%s: %zu", cases[i].name, count);
    model_free(model);
    cr_expect_eq(memory.live, 0);
  }
}

Test(options, every_preset_fits) {
  size_t count = 0;
  for (const struct preset *preset = model_presets(); preset->name; preset++, count++) {
    struct model_options options = small_options(preset->name, "");
    struct error err = {""};
    cr_expect_eq(model_options_check(&options, &err), 0, "%s", err.message);
    cr_expect_str_eq(options.name, preset->name);
  }
  cr_expect_geq(count, 16);
}

Test(options, unknown_model) {
  struct model_options options;
  struct error err = {""};
  cr_expect_eq(model_options_find(&options, "gtp2", &err), ERROR_USAGE);
  cr_expect(strstr(err.message, "gpt2-xl") && strstr(err.message, ".model"), "%s", err.message);
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static int find_file(struct model_options *options, const char *text, struct error *err) {
  char *folder = folder_make();
  struct path path = path_join(folder, "mine.model");
  file_write(path.text, text, strlen(text));
  int code = model_options_find(options, path.text, err);
  folder_remove(folder);
  return code;
}

Test(options, a_file) {
  struct model_options o;
  struct error err = {""};
  cr_assert_eq(find_file(&o, "# wide\n\n  base=gpt2 # from here\nwidth = 96\r\n heads\t=  8\nactivation = mish", &err),
               0, "%s", err.message);
  cr_expect_str_eq(o.family, "gpt");
  cr_expect_str_eq(o.name, "mine");
  cr_expect_str_eq(o.activation, "mish");
  cr_expect(o.width == 96 && o.heads == 8 && o.layers == 12 && o.positions == 1024);
  cr_expect_eq(find_file(&o, "family = vit\nlayers = 3", &err), 0, "%s", err.message);
  cr_expect(o.layers == 3 && o.patch == 4);
  cr_expect_eq(find_file(&o, "base = gpt\nname = thine\nlayers = 1", &err), 0, "%s", err.message);
  cr_expect_str_eq(o.name, "thine");
}

Test(options, bad_files_name_the_line) {
  static const struct {
    const char *text, *reason;
  } cases[] = {{"", "base ="},
               {"# nothing\n", "base ="},
               {"width = 3\n", "line 1: the first line"},
               {"base = gpt\n\nwidth 3\n", "line 3: 'width 3'"},
               {"base = gpt\nwidth = 3x\n", "line 2: width = 3x"},
               {"base = gpt\nbase = vit\n", "line 2: base"},
               {"base = nothing\n", "line 1: no model"},
               {"base = gpt\nwidth = 10\nheads = 3\n", "heads must divide"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct model_options o;
    struct error err = {""};
    cr_expect_eq(find_file(&o, cases[i].text, &err), ERROR_INPUT, "%s", cases[i].text);
    cr_expect(strstr(err.message, cases[i].reason) && strstr(err.message, "mine.model"), "%s", err.message);
  }
  struct model_options o;
  struct error err = {""};
  cr_expect_eq(model_options_find(&o, "/nowhere/x.model", &err), ERROR_IO);
  cr_expect_eq(model_options_find(&o, "x.model", &err), ERROR_IO);
}
