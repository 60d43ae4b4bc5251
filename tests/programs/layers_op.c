/* One op of kernels/layers/ops.h, forward and backward, on arrays from files.
 *
 *     layers_op OP FOLDER ARRAY... KEY=VALUE...
 *
 * ARRAY: NAME:2,3,4 is read from FOLDER/NAME.raw, float32, or int32 for index and target; inputs of the op in its order.
 * Backward starts from FOLDER/dy.raw, but for a scalar result. Writes y.raw and for each input dNAME.raw (and running.raw
 * anew); prints the result's shape and what the op held for backward. KEY: what the op takes beside arrays, training=0,
 * and bits=3 for codes. */
#include "kernels/layers/fewbit_set.h"
#include "kernels/layers/ops.h"
#include "tests/programs/layers_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAYS = 8, SETTINGS = 16 };

struct array {
  char name[32];
  struct value value;
};

struct program {
  const char *folder;
  struct memory memory;
  struct tape tape;
  struct array arrays[ARRAYS];
  size_t arrays_count;
  const char *settings[SETTINGS];
  size_t settings_count;
};

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static const char *setting(const struct program *p, const char *key) {
  const size_t length = strlen(key);
  for (size_t i = 0; i < p->settings_count; i++) {
    if (strncmp(p->settings[i], key, length) == 0 && p->settings[i][length] == '=') {
      return p->settings[i] + length + 1;
    }
  }
  return NULL;
}

static size_t size_setting(const struct program *p, const char *key, size_t otherwise) {
  const char *text = setting(p, key);
  return text ? strtoull(text, NULL, 10) : otherwise;
}

static float float_setting(const struct program *p, const char *key, float otherwise) {
  const char *text = setting(p, key);
  return text ? strtof(text, NULL) : otherwise;
}

/* An input by name, or NULL: many ops do without a bias. */
static struct value *input(struct program *p, const char *name) {
  for (size_t i = 0; i < p->arrays_count; i++) {
    if (strcmp(p->arrays[i].name, name) == 0) {
      return &p->arrays[i].value;
    }
  }
  return NULL;
}

static struct value *needed(struct program *p, const char *name) {
  struct value *value = input(p, name);
  if (!value) {
    layers_fail("an array %s is needed", name);
  }
  return value;
}

static bool one_of(const char *name, const char *const *names) {
  while (*names && strcmp(*names, name) != 0) {
    names++;
  }
  return *names != NULL;
}

static enum memory_kind kind_of(const char *name) {
  static const char *const parameters[] = {"w", "b", "weight", "bias", "table", "row", "running", NULL};
  static const char *const inputs[] = {"index", "target", NULL};
  return one_of(name, parameters) ? MEMORY_PARAMETER : one_of(name, inputs) ? MEMORY_INPUT : MEMORY_ACTIVATION;
}

static void add_array(struct program *p, const char *text) {
  const char *colon = strchr(text, ':'), *at = colon;
  struct array *array = &p->arrays[p->arrays_count];
  if (p->arrays_count++ == ARRAYS || (size_t)(colon - text) >= sizeof array->name) {
    layers_fail("%s: too many arrays, or a name too long", text);
  }
  *array = (struct array){0};
  memcpy(array->name, text, (size_t)(colon - text));
  struct value *value = &array->value;
  while (*at && at[1]) {
    char *end;
    if (value->dims == TAPE_DIMS) {
      layers_fail("%s: too many dimensions", text);
    }
    value->shape[value->dims++] = strtoull(at + 1, &end, 10);
    at = end;
  }
  const enum memory_kind kind = kind_of(array->name);
  value->needs_gradient = kind != MEMORY_INPUT && strcmp(array->name, "running") != 0;
  value->parameter = kind == MEMORY_PARAMETER;
  value->tensor = tensor_new(&p->memory, kind, value_count(value) * sizeof(float));
  layers_read(p->folder, array->name, value->tensor->data, value->tensor->bytes);
}

/* ---- ops --------------------------------------------------------------------------------------------------------- */

static struct value *run_linear(struct program *p) {
  return op_linear(&p->tape, input(p, "x"), input(p, "w"), input(p, "b"));
}

static struct value *run_embedding(struct program *p) {
  struct tensor *index = needed(p, "index")->tensor;
  return op_embedding(&p->tape, index, index->bytes / sizeof(int32_t), input(p, "table"));
}

static struct value *run_add(struct program *p) {
  return op_add(&p->tape, input(p, "x"), input(p, "z"));
}

static struct value *run_mul(struct program *p) {
  return op_mul(&p->tape, input(p, "x"), input(p, "z"));
}

static struct value *run_layernorm(struct program *p) {
  return op_layernorm(&p->tape, input(p, "x"), input(p, "weight"), input(p, "bias"),
                      float_setting(p, "epsilon", 1e-5F));
}

static struct value *run_rmsnorm(struct program *p) {
  return op_rmsnorm(&p->tape, input(p, "x"), input(p, "weight"), float_setting(p, "epsilon", 1e-5F));
}

static struct value *run_attention(struct program *p) {
  const size_t heads = size_setting(p, "heads", 1);
  const struct attention_options options = {.heads = heads,
                                            .key_heads = size_setting(p, "key_heads", heads),
                                            .causal = size_setting(p, "causal", 0) != 0,
                                            .rope = size_setting(p, "rope", 0) != 0};
  return op_attention(&p->tape, input(p, "x"), &options);
}

static struct value *run_dropout(struct program *p) {
  return op_dropout(&p->tape, input(p, "x"), float_setting(p, "p", 0.5F));
}

static struct value *run_activation(struct program *p) {
  return op_activation(&p->tape, input(p, "x"), setting(p, "function"));
}

static struct value *run_conv2d(struct program *p) {
  return op_conv2d(&p->tape, input(p, "x"), input(p, "w"), input(p, "b"), size_setting(p, "stride", 1),
                   size_setting(p, "padding", 0));
}

static struct value *run_batchnorm2d(struct program *p) {
  return op_batchnorm2d(&p->tape, input(p, "x"), input(p, "weight"), input(p, "bias"), needed(p, "running")->tensor,
                        float_setting(p, "epsilon", 1e-5F));
}

static struct value *run_maxpool2d(struct program *p) {
  return op_maxpool2d(&p->tape, input(p, "x"), size_setting(p, "kernel", 2), size_setting(p, "stride", 2),
                      size_setting(p, "padding", 0));
}

static struct value *run_avgpool2d(struct program *p) {
  return op_avgpool2d(&p->tape, input(p, "x"), size_setting(p, "kernel", 2), size_setting(p, "stride", 2));
}

static struct value *run_global_avgpool(struct program *p) {
  return op_global_avgpool(&p->tape, input(p, "x"));
}

/* The last two dimensions as one. */
static struct value *run_reshape(struct program *p) {
  struct value *x = needed(p, "x");
  size_t shape[TAPE_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[x->dims - 2] *= x->shape[x->dims - 1];
  return op_reshape(&p->tape, x, shape, x->dims - 1);
}

static struct value *run_patches_to_tokens(struct program *p) {
  return op_patches_to_tokens(&p->tape, input(p, "x"));
}

static struct value *run_prepend(struct program *p) {
  return op_prepend(&p->tape, input(p, "x"), input(p, "row"));
}

static struct value *run_take_row(struct program *p) {
  return op_take_row(&p->tape, input(p, "x"), size_setting(p, "t", 0));
}

static struct value *run_cross_entropy(struct program *p) {
  return op_cross_entropy(&p->tape, input(p, "x"), needed(p, "target")->tensor);
}

static const struct {
  const char *name;
  struct value *(*run)(struct program *p);
} ops[] = {
    {"linear", run_linear},
    {"embedding", run_embedding},
    {"add", run_add},
    {"mul", run_mul},
    {"layernorm", run_layernorm},
    {"rmsnorm", run_rmsnorm},
    {"attention", run_attention},
    {"dropout", run_dropout},
    {"activation", run_activation},
    {"conv2d", run_conv2d},
    {"batchnorm2d", run_batchnorm2d},
    {"maxpool2d", run_maxpool2d},
    {"avgpool2d", run_avgpool2d},
    {"global_avgpool", run_global_avgpool},
    {"reshape", run_reshape},
    {"patches_to_tokens", run_patches_to_tokens},
    {"prepend", run_prepend},
    {"take_row", run_take_row},
    {"cross_entropy", run_cross_entropy},
};

static struct value *run(struct program *p, const char *op) {
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    if (strcmp(ops[i].name, op) == 0) {
      return ops[i].run(p);
    }
  }
  layers_fail("no op %s", op);
}

/* ---- forward and backward ---------------------------------------------------------------------------------------- */

/* The sum of y dy, a product of matrices: its gradient by y is dy itself. */
static struct value *loss_of(struct program *p, struct value *y) {
  const size_t count = value_count(y), row[] = {1, count};
  if (count == 1) {
    return y;
  }
  struct tensor *dy = tensor_new(&p->memory, MEMORY_INPUT, count * sizeof(float));
  layers_read(p->folder, "dy", dy->data, dy->bytes);
  struct value *weights = tape_input(&p->tape, dy, row, 2);
  tensor_drop(dy);
  return op_linear(&p->tape, op_reshape(&p->tape, y, row, 2), weights, NULL);
}

static void describe(const struct program *p, const struct value *y, size_t saved) {
  printf("shape");
  for (unsigned i = 0; i < y->dims; i++) {
    printf(" %zu", y->shape[i]);
  }
  printf("\nsaved %zu\n", saved);
  layers_write(p->folder, "y", y->tensor->data, y->tensor->bytes);
}

static void write_gradients(struct program *p) {
  for (size_t i = 0; i < p->arrays_count; i++) {
    struct array *array = &p->arrays[i];
    char name[40];
    snprintf(name, sizeof name, "d%s", array->name);
    if (array->value.gradient) {
      layers_write(p->folder, name, array->value.gradient->data, array->value.gradient->bytes);
    } else if (strcmp(array->name, "running") == 0) {
      layers_write(p->folder, "running", array->value.tensor->data, array->value.tensor->bytes);
    }
  }
}

static void check(const struct program *p) {
  if (p->tape.status < 0) {
    layers_fail("%s", p->tape.error.message);
  }
}

static void drop_arrays(struct program *p) {
  for (size_t i = 0; i < p->arrays_count; i++) {
    tensor_drop(p->arrays[i].value.tensor);
    tensor_drop(p->arrays[i].value.gradient);
  }
}

int main(int argc, char **argv) {
  struct program p = {0};
  struct fewbit_set *set = NULL;
  struct error err;
  if (argc < 3 || argc > 3 + SETTINGS) {
    layers_fail("usage: layers_op OP FOLDER NAME:SHAPE... KEY=VALUE...");
  }
  p.folder = argv[2];
  memory_init(&p.memory, false);
  for (int i = 3; i < argc; i++) {
    if (strchr(argv[i], '=')) {
      p.settings[p.settings_count++] = argv[i];
    } else if (strchr(argv[i], ':')) {
      add_array(&p, argv[i]);
    } else {
      layers_fail("%s: neither NAME:SHAPE nor KEY=VALUE", argv[i]);
    }
  }
  tape_init(&p.tape, &p.memory);
  p.tape.training = size_setting(&p, "training", 1) != 0;
  p.tape.seed = size_setting(&p, "seed", 1);
  if (fewbit_set_new(&set, (unsigned)size_setting(&p, "bits", 0), FEWBIT_VALUE, NULL, &err) < 0) {
    layers_fail("%s", err.message);
  }
  p.tape.fewbit = fewbit_set_choice(set);

  struct value *y = run(&p, argv[1]);
  check(&p);
  describe(&p, y, p.memory.saved);
  tape_backward(&p.tape, loss_of(&p, y));
  check(&p);
  write_gradients(&p);

  tape_fini(&p.tape);
  drop_arrays(&p);
  fewbit_set_free(set);
  if (p.memory.live || p.memory.saved) {
    layers_fail("%zu bytes are left, %zu of them saved", p.memory.live, p.memory.saved);
  }
  return 0;
}
