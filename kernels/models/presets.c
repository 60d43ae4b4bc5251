/* The models that have a name: the families' small defaults and published configurations, and those in files. */
#include "kernels/models/net.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 512 };

/* Sizes from the papers and the programs that came with them; batches are such as one device trains with. */
static const struct preset presets[] = {
    {"mlp", "perceptron: 4 hidden layers of 256, 10 classes, batch 64", "mlp", ""},
    {"gpt", "small GPT: 4 layers, width 128, sequence 128, batch 8", "gpt", ""},
    {"bert", "small BERT: 4 layers, width 128, sequence 128, batch 8", "bert", ""},
    {"vit", "small ViT: 4 layers, width 128, 32 x 32 images, batch 16", "vit", ""},
    {"resnet", "small ResNet: 3 stages of 2 blocks, 32 x 32 images, batch 16", "resnet", ""},
    {"llama", "small LLaMA: 4 layers, width 128, SwiGLU, sequence 128, batch 8", "llama", ""},
    {"gpt2", "GPT-2, 124 million parameters, sequence 1024, batch 4", "gpt",
     "layers=12 width=768 heads=12 vocabulary=50257 sequence=1024 positions=1024 activation=gelu_tanh dropout=0.1 "
     "batch=4"},
    {"gpt2-medium", "GPT-2, 355 million parameters, batch 4", "gpt2", "layers=24 width=1024 heads=16"},
    {"gpt2-large", "GPT-2, 774 million parameters, batch 4", "gpt2", "layers=36 width=1280 heads=20"},
    {"gpt2-xl", "GPT-2, 1558 million parameters, batch 4", "gpt2", "layers=48 width=1600 heads=25"},
    {"bert-base", "BERT base, two classes, sequence 128, batch 32", "bert",
     "layers=12 width=768 heads=12 vocabulary=30522 sequence=128 positions=512 classes=2 dropout=0.1 batch=32"},
    {"roberta-base", "RoBERTa base, two classes, sequence 128, batch 128", "bert-base",
     "vocabulary=50265 positions=514 types=1 batch=128"},
    {"llama-7b", "LLaMA, 6.7 billion parameters, sequence 2048, batch 1", "llama",
     "layers=32 width=4096 heads=32 hidden=11008 vocabulary=32000 sequence=2048 batch=1"},
    {"vit-b", "ViT-B/16, 224 x 224 images, 1000 classes, batch 64", "vit",
     "layers=12 width=768 heads=12 image=224 patch=16 classes=1000 batch=64"},
    {"vit-l", "ViT-L/16, 224 x 224 images, 1000 classes, batch 64", "vit-b", "layers=24 width=1024 heads=16"},
    {"resnet-18", "ResNet-18, 224 x 224 images, 1000 classes, batch 64", "resnet",
     "width=64 blocks=2,2,2,2 image=224 classes=1000 batch=64"},
    {"resnet-34", "ResNet-34, 224 x 224 images, 1000 classes, batch 64", "resnet-18", "blocks=3,4,6,3"},
    {"resnet-50", "ResNet-50, bottleneck blocks, batch 64", "resnet-34", "bottleneck=yes"},
    {"resnet-101", "ResNet-101, bottleneck blocks, batch 64", "resnet-50", "blocks=3,4,23,3"},
    {NULL, NULL, NULL, NULL},
};

const struct preset *model_presets(void) {
  return presets;
}

static const struct preset *preset_find(const char *name) {
  const struct preset *preset = presets;
  while (preset->name && strcmp(preset->name, name) != 0) {
    preset++;
  }
  return preset->name ? preset : NULL;
}

static int unknown_preset(const char *name, struct error *err) {
  char names[400] = "";
  size_t length = 0;
  for (const struct preset *preset = presets; preset->name && length < sizeof names; preset++) {
    length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", length ? ", " : "", preset->name);
  }
  return error_set(err, ERROR_USAGE, "no model is named '%.40s': there are %s; or name a file that ends in .model",
                   name, names);
}

/* ---- presets --------------------------------------------------------------------------------------------------- */

/* "key=value key=value" */
static int apply(struct model_options *options, const char *settings, struct error *err) {
  char setting[LINE_SIZE];
  while (*settings) {
    const size_t length = strcspn(settings, " ");
    memcpy(setting, settings, length); /* a preset's own: short */
    setting[length] = '\0';
    char *value = strchr(setting, '=');
    *value++ = '\0';
    int code = model_options_set(options, setting, value, err);
    if (code < 0) {
      return code;
    }
    settings += length + strspn(settings + length, " ");
  }
  return 0;
}

static int preset_apply(struct model_options *options, const struct preset *preset, struct error *err) {
  int code = 0;
  if (strcmp(preset->base, preset->name) == 0) {
    const struct family *family = family_find(preset->base);
    *options = family->defaults;
    code = model_options_set(options, "family", family->name, err);
  } else {
    code = preset_apply(options, preset_find(preset->base), err);
  }
  if (code == 0) {
    code = apply(options, preset->settings, err);
  }
  return code < 0 ? code : model_options_set(options, "name", preset->name, err);
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static char *trim(char *text) {
  text += strspn(text, " \t\r\n");
  for (size_t length = strlen(text); length && isspace((unsigned char)text[length - 1]); length--) {
    text[length - 1] = '\0';
  }
  return text;
}

/* The file's name without folders and ".model". */
static void name_of_file(struct model_options *options, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  char copy[MODEL_NAME_SIZE];
  snprintf(copy, sizeof copy, "%.*s", MODEL_NAME_SIZE - 1, name);
  char *dot = strrchr(copy, '.');
  if (dot && dot > copy && strcmp(dot, ".model") == 0) {
    *dot = '\0';
  }
  memcpy(options->name, copy, sizeof copy);
}

/* The first setting says where to start from. The model is then called by its file, unless a line says otherwise. */
static int start(struct model_options *options, const char *path, const char *key, const char *value,
                 struct error *err) {
  const struct preset *preset = preset_find(value);
  if (strcmp(key, "base") != 0 && strcmp(key, "family") != 0) {
    return error_set(err, ERROR_INPUT, "the first line must be base = NAME, as in base = gpt");
  }
  const int code = preset ? preset_apply(options, preset, err) : unknown_preset(value, err);
  name_of_file(options, path);
  return code;
}

/* `key = value`, or nothing but a comment. */
static int read_line(struct model_options *options, const char *path, char *line, bool *started, struct error *err) {
  char *comment = strchr(line, '#'), *equals, *key;
  if (comment) {
    *comment = '\0';
  }
  key = trim(line);
  if (!*key) {
    return 0;
  }
  equals = strchr(key, '=');
  if (!equals) {
    return error_set(err, ERROR_INPUT, "'%.40s': key = value was expected", key);
  }
  *equals = '\0';
  key = trim(key);
  const char *value = trim(equals + 1);
  if (*started && strcmp(key, "base") != 0) {
    return model_options_set(options, key, value, err);
  }
  if (*started) {
    return error_set(err, ERROR_INPUT, "base must come first, once");
  }
  *started = true;
  return start(options, path, key, value, err);
}

static int read_file(struct model_options *options, FILE *file, const char *path, struct error *err) {
  char line[LINE_SIZE];
  bool started = false;
  for (size_t number = 1; fgets(line, sizeof line, file); number++) {
    struct error reason;
    int code = strlen(line) + 1 == sizeof line ? error_set(&reason, ERROR_INPUT, "the line is too long")
                                               : read_line(options, path, line, &started, &reason);
    if (code < 0) {
      return error_set(err, ERROR_INPUT, "%.100s: line %zu: %.500s", path, number, reason.message);
    }
  }
  if (ferror(file)) {
    return error_set(err, ERROR_IO, "%.400s: cannot read: %s", path, strerror(errno));
  }
  if (!started) {
    return error_set(err, ERROR_INPUT, "%.400s: empty; a model file begins with base = NAME, as in base = gpt", path);
  }
  return 0;
}

static int file_apply(struct model_options *options, const char *path, struct error *err) {
  FILE *file = fopen(path, "re");
  if (!file) {
    return error_set(err, ERROR_IO, "%.400s: cannot open: %s", path, strerror(errno));
  }
  int code = read_file(options, file, path, err);
  (void)fclose(file);
  if (code == 0) {
    struct error reason;
    code = model_options_check(options, &reason);
    if (code < 0) {
      return error_set(err, ERROR_INPUT, "%.100s: %.500s", path, reason.message);
    }
  }
  return code;
}

static bool is_file(const char *name) {
  const size_t length = strlen(name), tail = strlen(".model");
  return strchr(name, '/') || (length > tail && strcmp(name + length - tail, ".model") == 0);
}

int model_options_find(struct model_options *options, const char *name, struct error *err) {
  const struct preset *preset = preset_find(name);
  *options = (struct model_options){0};
  if (is_file(name)) {
    return file_apply(options, name, err);
  }
  return preset ? preset_apply(options, preset, err) : unknown_preset(name, err);
}
