/* A model's options: keys and values, and whether the sizes fit. */
#include "kernels/function.h"
#include "kernels/models/net.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum key_kind { KEY_SIZE, KEY_FRACTION, KEY_SWITCH, KEY_BLOCKS, KEY_FUNCTION, KEY_FAMILY, KEY_NAME };

struct key {
  const char *name;
  enum key_kind kind;
  size_t offset;
  size_t least, most;   /* of a size */
  const char *families; /* that have it, with blanks between; NULL: all */
};

#define KEY(kind, field, least, most, families)                                                                        \
  { #field, kind, offsetof(struct model_options, field), least, most, families }
#define TEXT "gpt bert llama"
#define BLOCKS "gpt bert vit llama"
#define IMAGES "vit resnet"
#define CLASSES "mlp vit resnet bert"
#define NOT_RESNET "mlp gpt bert vit llama"

/* clang-format off */
static const struct key keys[] = {
    KEY(KEY_FAMILY,   family,     0, 0,       NULL),
    KEY(KEY_NAME,     name,       0, 0,       NULL),
    KEY(KEY_FUNCTION, activation, 0, 0,       NULL),
    KEY(KEY_SIZE,     layers,     0, 4096,    NOT_RESNET),
    KEY(KEY_SIZE,     width,      1, 1 << 20, NULL),
    KEY(KEY_SIZE,     heads,      1, 1 << 16, BLOCKS),
    KEY(KEY_SIZE,     key_heads,  0, 1 << 16, BLOCKS),
    KEY(KEY_SIZE,     hidden,     0, 1 << 22, BLOCKS),
    KEY(KEY_SIZE,     vocabulary, 1, 1 << 24, TEXT),
    KEY(KEY_SIZE,     sequence,   1, 1 << 24, TEXT),
    KEY(KEY_SIZE,     positions,  0, 1 << 24, "gpt bert"),
    KEY(KEY_SIZE,     types,      1, 1 << 16, "bert"),
    KEY(KEY_SIZE,     image,      1, 1 << 14, IMAGES),
    KEY(KEY_SIZE,     channels,   1, 1 << 14, IMAGES),
    KEY(KEY_SIZE,     patch,      1, 1 << 14, "vit"),
    KEY(KEY_SIZE,     classes,    0, 1 << 24, CLASSES),
    KEY(KEY_BLOCKS,   blocks,     0, 1024,    "resnet"),
    KEY(KEY_SWITCH,   bottleneck, 0, 0,       "resnet"),
    KEY(KEY_SIZE,     inputs,     1, 1 << 24, "mlp"),
    KEY(KEY_FRACTION, dropout,    0, 0,       NOT_RESNET),
    KEY(KEY_SIZE,     batch,      1, 1 << 24, NULL),
};
/* clang-format on */

enum { KEYS = sizeof keys / sizeof *keys, STAGES = sizeof((struct model_options *)0)->blocks / sizeof(size_t) };

/* ---- values of keys -------------------------------------------------------------------------------------------- */

/* A number at *text up to one of the characters in `ends` or the end. */
static bool read_size(const char **text, const char *ends, size_t *number) {
  char *end;
  if (!isdigit((unsigned char)**text)) {
    return false;
  }
  errno = 0;
  unsigned long long value = strtoull(*text, &end, 10);
  if (errno || (*end && !strchr(ends, *end))) {
    return false;
  }
  *text = *end ? end + 1 : end;
  *number = (size_t)value;
  return true;
}

static int set_size(size_t *field, const struct key *key, const char *value, struct error *err) {
  const char *at = value;
  size_t number;
  if (!read_size(&at, "", &number) || number < key->least || number > key->most) {
    return error_set(err, ERROR_USAGE, "%s = %.40s: a whole number from %zu to %zu is needed", key->name, value,
                     key->least, key->most);
  }
  *field = number;
  return 0;
}

static int set_blocks(size_t *blocks, const struct key *key, const char *value, struct error *err) {
  size_t parsed[STAGES] = {0}, count = 0;
  const char *at = value;
  do {
    if (count == STAGES || !read_size(&at, ",", &parsed[count]) || parsed[count] > key->most) {
      return error_set(err, ERROR_USAGE, "%s = %.40s: up to %d numbers are needed, as in 3,4,6,3", key->name, value,
                       STAGES);
    }
    count++;
  } while (at[-1] == ',');
  memcpy(blocks, parsed, sizeof parsed);
  return 0;
}

static int set_switch(bool *field, const struct key *key, const char *value, struct error *err) {
  static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (strcmp(words[i], value) == 0) {
      *field = i % 2;
      return 0;
    }
  }
  return error_set(err, ERROR_USAGE, "%s = %.40s: yes or no is needed", key->name, value);
}

static int set_fraction(float *field, const struct key *key, const char *value, struct error *err) {
  char *end;
  const double number = strtod(value, &end);
  if (end == value || *end || !(number >= 0 && number < 1)) {
    return error_set(err, ERROR_USAGE, "%s = %.40s: a number from 0 to below 1 is needed", key->name, value);
  }
  *field = (float)number;
  return 0;
}

static int set_text(char *field, const struct key *key, const char *value, struct error *err) {
  if (!*value || strlen(value) >= MODEL_NAME_SIZE) {
    return error_set(err, ERROR_USAGE, "%s = %.60s: 1 to %d characters are needed", key->name, value,
                     MODEL_NAME_SIZE - 1);
  }
  memset(field, 0, MODEL_NAME_SIZE);
  memcpy(field, value, strlen(value));
  return 0;
}

static int set_family(char *field, const struct key *key, const char *value, struct error *err) {
  char names[128] = "";
  size_t length = 0;
  if (family_find(value)) {
    return set_text(field, key, value, err);
  }
  for (size_t i = 0; family_at(i) && length < sizeof names; i++) {
    length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "", family_at(i)->name);
  }
  return error_set(err, ERROR_USAGE, "no family of models is named '%.40s': there are %s", value, names);
}

static int set_function(char *field, const struct key *key, const char *value, struct error *err) {
  struct function function;
  int code = function_find(&function, value, err);
  return code < 0 ? code : set_text(field, key, function_name(&function), err);
}

static int unknown_key(const char *name, struct error *err) {
  char names[400] = "";
  size_t length = 0;
  for (size_t i = 0; i < KEYS && length < sizeof names; i++) {
    length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "", keys[i].name);
  }
  return error_set(err, ERROR_USAGE, "a model has no key '%.40s': there are %s", name, names);
}

const char *model_options_key(size_t index) {
  return index < KEYS ? keys[index].name : NULL;
}

/* Would the family's models look at the key? Until there is a family, anything is taken. */
static int check_family(const struct key *key, const struct model_options *options, struct error *err) {
  const size_t length = strlen(options->family);
  const char *at = key->families ? strstr(key->families, options->family) : options->family;
  if (!length || (at && (!key->families || !at[length] || at[length] == ' '))) {
    return 0;
  }
  return error_set(err, ERROR_USAGE, "%s: a model of the family %s has no %s; those that have it: %s", key->name,
                   options->family, key->name, key->families);
}

int model_options_set(struct model_options *options, const char *name, const char *value, struct error *err) {
  const struct key *key = keys;
  while (key < keys + KEYS && strcmp(key->name, name) != 0) {
    key++;
  }
  if (key == keys + KEYS) {
    return unknown_key(name, err);
  }
  int code = check_family(key, options, err);
  if (code < 0) {
    return code;
  }
  void *field = (char *)options + key->offset;
  switch (key->kind) {
  case KEY_SIZE:
    return set_size(field, key, value, err);
  case KEY_BLOCKS:
    return set_blocks(field, key, value, err);
  case KEY_SWITCH:
    return set_switch(field, key, value, err);
  case KEY_FRACTION:
    return set_fraction(field, key, value, err);
  case KEY_FUNCTION:
    return set_function(field, key, value, err);
  case KEY_FAMILY:
    return set_family(field, key, value, err);
  default:
    return set_text(field, key, value, err);
  }
}

/* ---- do they fit? ---------------------------------------------------------------------------------------------- */

int check_transformer(struct model_options *o, struct error *err) {
  if (!o->width || !o->heads || o->width % o->heads) {
    return error_set(err, ERROR_USAGE, "%s: a width of %zu cannot be split among %zu heads; heads must divide width",
                     o->name, o->width, o->heads);
  }
  o->key_heads = o->key_heads ? o->key_heads : o->heads;
  o->hidden = o->hidden ? o->hidden : 4 * o->width;
  if (o->heads % o->key_heads) {
    return error_set(err, ERROR_USAGE, "%s: %zu heads cannot share %zu key heads; key_heads must divide heads", o->name,
                     o->heads, o->key_heads);
  }
  return 0;
}

int check_text(struct model_options *o, struct error *err) {
  if (!o->vocabulary || !o->sequence) {
    return error_set(err, ERROR_USAGE, "%s: vocabulary and sequence must be at least 1", o->name);
  }
  o->positions = o->positions ? o->positions : o->sequence;
  if (o->positions < o->sequence) {
    return error_set(err, ERROR_USAGE, "%s: a sequence of %zu has no more than %zu positions; set positions too",
                     o->name, o->sequence, o->positions);
  }
  return 0;
}

int check_images(struct model_options *o, struct error *err) {
  if (!o->image || !o->channels || !o->classes) {
    return error_set(err, ERROR_USAGE, "%s: image, channels and classes must be at least 1", o->name);
  }
  return 0;
}

/* No tensor of the model comes near this many elements if no product of these does. */
static int check_total(const struct model_options *o, struct error *err) {
  const double most = 0x1p52, rows = (double)o->batch * (double)(o->sequence ? o->sequence : 1);
  const double points = (double)o->batch * (double)o->image * (double)o->image;
  const double columns = 4 * (double)o->width + (double)o->hidden + (double)o->vocabulary + (double)o->classes;
  const double patches = o->patch ? (double)o->image / (double)o->patch : 0;
  const double scores = (double)o->heads * ((double)o->sequence * rows + patches * patches * points);
  const double channels = 64 * (double)o->width + (double)o->channels;
  if (rows * columns > most || scores > most || points * channels > most || (double)o->batch * o->inputs > most ||
      (double)o->width * o->inputs > most || columns * columns > most) {
    return error_set(err, ERROR_USAGE, "%s: these sizes together are beyond any machine; is one of them a slip?",
                     o->name);
  }
  return 0;
}

int model_options_resolve(struct model_options *options, struct error *err) {
  const struct family *family = family_find(options->family);
  struct function function;
  int code;
  if (!family) {
    return error_set(err, ERROR_USAGE, "no family of models is named '%.40s'", options->family);
  }
  if (!options->batch || !options->width) {
    return error_set(err, ERROR_USAGE, "%s: batch and width must be at least 1", options->name);
  }
  if (!(options->dropout >= 0 && options->dropout < 1)) {
    return error_set(err, ERROR_USAGE, "%s: dropout must be from 0 to below 1", options->name);
  }
  if ((code = function_find(&function, options->activation, err)) < 0 || (code = family->check(options, err)) < 0) {
    return code;
  }
  return check_total(options, err);
}

int model_options_check(const struct model_options *options, struct error *err) {
  struct model_options copy = *options;
  return model_options_resolve(&copy, err);
}

void model_functions(const struct model_options *options, const char *names[MODEL_FUNCTIONS + 1]) {
  const struct family *family = family_find(options->family);
  size_t count = 0;
  names[count++] = options->activation;
  if (family && family->function && options->classes) { /* bert's pooler */
    names[count++] = family->function;
  }
  names[count] = NULL;
}
