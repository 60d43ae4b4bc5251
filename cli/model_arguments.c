/* Models by name and by settings. */
#include "cli/model_arguments.h"

#include "cli/choice.h"
#include "cli/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_BATCH = 0x400, KEY_SEQUENCE, KEY_SET, KEY_OPTIMIZER };
enum { KEY_STEPS = 0x500, KEY_SEED, KEY_RATE, KEY_DATA, KEY_DATA_FILE };

/* ---- the model --------------------------------------------------------------------------------------------------- */

static void add_setting(struct model_arguments *arguments, const char *key, const char *value,
                        struct argp_state *state) {
  char *setting = NULL;
  if (arguments->settings_count == MODEL_SETTINGS_MAX) {
    argp_error(state, "more than %d settings", MODEL_SETTINGS_MAX);
  } else if (asprintf(&setting, "%s%s%s", key, *key ? "=" : "", value) < 0) {
    argp_failure(state, 3, 0, "out of memory");
  } else {
    arguments->settings[arguments->settings_count++] = setting;
  }
}

static const char *const optimizers[] = {[OPTIMIZER_SGD] = "sgd", [OPTIMIZER_ADAMW] = "adamw"};
CHOICE_NAMES(optimizer_at, optimizers)
const struct choice choice_optimizer = {"optimizer", optimizer_at};

static void parse_optimizer(struct model_arguments *arguments, const char *name, struct argp_state *state) {
  const size_t kind = choice_parse(&choice_optimizer, "--optimizer", name, state);
  arguments->optimizer = optimizer_defaults((enum optimizer_kind)kind);
  arguments->optimizer_given = name;
}

static error_t parse_model(int key, char *text, struct argp_state *state) {
  struct model_arguments *arguments = state->input;
  switch (key) {
  case KEY_BATCH:
    add_setting(arguments, "batch", text, state);
    return 0;
  case KEY_SEQUENCE:
    add_setting(arguments, "sequence", text, state);
    return 0;
  case KEY_SET:
    if (!strchr(text, '=') || *text == '=') {
      argp_error(state, "--set: '%s' is not KEY=VALUE, as in width=256", text);
    }
    add_setting(arguments, "", text, state);
    return 0;
  case KEY_OPTIMIZER:
    parse_optimizer(arguments, text, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option model_options_list[] = {
    {NULL, 0, NULL, 0, "The model:", 4},
    {"batch", KEY_BATCH, "N", 0, "Examples in a batch", 4},
    {"sequence", KEY_SEQUENCE, "N", 0, "Words in an example", 4},
    {"set", KEY_SET, "KEY=VALUE", 0, "Any size of the model, e.g. width=256, activation=silu; may be repeated", 4},
    {"optimizer", KEY_OPTIMIZER, "NAME", 0, "adamw (default) or sgd (with momentum)", 4},
    {0}};
const struct argp model_argp = {.options = model_options_list, .parser = parse_model};

static bool ends_with(const char *text, const char *ending) {
  const size_t length = strlen(text), size = strlen(ending);
  return length > size && strcmp(text + length - size, ending) == 0;
}

bool model_arguments_is_model(const char *name) {
  for (const struct preset *preset = model_presets(); preset->name; preset++) {
    if (strcmp(preset->name, name) == 0) {
      return true;
    }
  }
  return ends_with(name, ".model");
}

static int find_by_name(struct model_options *options, const char *name, struct error *err) {
  const int code = model_options_find(options, name, err);
  return code == ERROR_USAGE ? nearest_suggest(err, code, name, choice_model.names) : code;
}

static int apply(struct model_options *options, const char *setting, struct error *err) {
  const char *equals = strchr(setting, '=');
  char key[MODEL_NAME_SIZE];
  snprintf(key, sizeof key, "%.*s", (int)(equals - setting), setting);
  const int code = model_options_set(options, key, equals + 1, err);
  return code < 0 ? nearest_suggest(err, code, key, model_options_key) : code;
}

int model_arguments_find(const struct model_arguments *arguments, const char *name, struct model_options *options,
                         struct error *err) {
  int code = find_by_name(options, name, err);
  for (size_t i = 0; code == 0 && i < arguments->settings_count; i++) {
    code = apply(options, arguments->settings[i], err);
  }
  return code < 0 ? code : model_options_check(options, err);
}

const char *model_arguments_file(const char *name) {
  return strchr(name, '/') || ends_with(name, ".model") ? name : NULL;
}

/* A bare word that no file has for its name is a model's name mistyped, rather than a run that is missing. */
static int check_name(const char *run, struct error *err) {
  struct model_options options;
  struct error why;
  if (strpbrk(run, "/.") || access(run, F_OK) == 0) {
    return 0;
  }
  int code = find_by_name(&options, run, &why);
  return code < 0 ? error_set(err, code, "%.100s: no such file, and %.700s", run, why.message) : 0;
}

int model_arguments_refuse(const struct model_arguments *arguments, const struct training_arguments *training,
                           const char *what, const char *run, struct error *err) {
  const char *const given = arguments->optimizer_given ? "--optimizer"
                            : training->steps_given    ? "--steps"
                            : training->rate > 0       ? "--rate"
                            : training->data           ? "--data"
                            : training->data_file      ? "--data-file"
                                                       : NULL;
  int code = run ? check_name(run, err) : 0;
  if (code == 0 && (arguments->settings_count || given)) {
    code = error_set(err, ERROR_USAGE, "%s is no model, and %s has no %s; `actscope models' lists the models", what,
                     run ? "a run" : "it", arguments->settings_count ? arguments->settings[0] : given);
  }
  return code;
}

void model_arguments_fini(struct model_arguments *arguments) {
  for (size_t i = 0; i < arguments->settings_count; i++) {
    free(arguments->settings[i]);
  }
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static uint64_t parse_count(const char *name, const char *text, uint64_t most, struct argp_state *state) {
  char *end;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || errno || value > most) {
    argp_error(state, "--%s: '%s' is not a whole number up to %llu", name, text, (unsigned long long)most);
  }
  return value;
}

static double parse_rate(const char *text, struct argp_state *state) {
  char *end;
  const double rate = strtod(text, &end);
  if (end == text || *end || !(rate > 0 && rate < 1e6)) {
    argp_error(state, "--rate: '%s' is not a learning rate, as 0.001", text);
  }
  return rate;
}

static const char *const kinds_of_data[] = {"text", "digits", "random"};
CHOICE_NAMES(data_at, kinds_of_data)
const struct choice choice_data = {"kind", data_at};

static error_t parse_training(int key, char *text, struct argp_state *state) {
  struct training_arguments *arguments = state->input;
  switch (key) {
  case KEY_STEPS:
    arguments->steps = parse_count("steps", text, 1000000, state);
    arguments->steps_given = true;
    return 0;
  case KEY_SEED:
    arguments->seed = parse_count("seed", text, INT64_MAX, state);
    return 0;
  case KEY_RATE:
    arguments->rate = parse_rate(text, state);
    return 0;
  case KEY_DATA:
    arguments->data = kinds_of_data[choice_parse(&choice_data, "--data", text, state)];
    return 0;
  case KEY_DATA_FILE:
    arguments->data_file = text;
    return 0;
  case ARGP_KEY_END:
    if (arguments->data_file && arguments->data && strcmp(arguments->data, "random") == 0) {
      argp_error(state, "--data-file names what to learn from, --data random learns from nothing; use one");
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option training_options_list[] = {
    {NULL, 0, NULL, 0, "Training:", 5},
    {"steps", KEY_STEPS, "N", 0, "Steps to train", 5},
    {"seed", KEY_SEED, "N", 0, "Of weights, batches, dropout, and of numbers drawn (default 1)", 5},
    {"rate", KEY_RATE, "X", 0, "Learning rate (default: the optimizer's own)", 5},
    {"data", KEY_DATA, "KIND", 0,
     "text (characters of a licence), digits (handwritten ones, of python3-sklearn), or random", 5},
    {"data-file", KEY_DATA_FILE, "FILE", 0, "The text, or the digits.csv.gz, to use instead of the usual one", 5},
    {0}};
const struct argp training_argp = {.options = training_options_list, .parser = parse_training};

int training_arguments_data(const struct training_arguments *arguments, const char *by_default,
                            struct model_options *options, struct data **data, struct error *err) {
  const char *wanted = arguments->data ? arguments->data : arguments->data_file ? "real" : by_default;
  const enum data_kind kind = data_kind_of(options);
  *data = NULL;
  if (strcmp(wanted, "random") == 0) {
    return 0;
  }
  if (strcmp(wanted, "real") != 0 && strcmp(wanted, data_kind_name(kind)) != 0) {
    return error_set(err, ERROR_USAGE, "%s cannot learn from %s; give --data %s or random", options->name, wanted,
                     data_kind_name(kind));
  }
  int code = data_open(data, kind, arguments->data_file, err);
  if (code == 0) {
    code = data_fit(*data, options, err);
  }
  return code < 0 ? code : model_options_check(options, err);
}
