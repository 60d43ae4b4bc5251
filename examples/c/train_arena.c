/* Trains a small GPT on a text, character by character, in the manner of llm.c: plain C, every activation a piece of one
 * block, and the parameters of another.
 *
 *   train_arena [--steps N] [--layers N] [--width N] [--heads N] [--batch N] [--sequence N] [--bits B] [--sizes] [TEXT]
 *
 * To a profiler of the heap such a program is four large blocks. The lines with actscope_mark in them, a dozen, tell it what
 * lies in the arena; they do nothing unless the program is recorded (docs/marks.md):
 *
 *   actscope record -o arena.act -- train_arena --steps 20 && actscope report arena.act
 *
 * --bits 0 (the default) keeps what GELU's backward needs as floats; --bits 1 to 8 keeps codes of so many bits instead, by
 * libfewbit, and the arena is carved smaller. --sizes prints every tensor that is saved. TEXT is a file; without one, the
 * licence that every Debian machine has. Output is a function of the options alone. */
#include "gpt_ops.h"

#include <actscope/fewbit.h>
#include <actscope/mark.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* C: width, T: sequence, H: heads, V: characters; rows are batch times sequence. */
struct config {
  size_t steps, layers, C, H, batch, T, bits, V, rows;
  int sizes;
  const char *text;
};

static void fail(const char *what, const char *why) {
  fprintf(stderr, "train_arena: %s: %s\n", what, why);
  exit(1);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static void *block_new(size_t bytes) {
  void *block = calloc(1, bytes);
  if (!block) {
    fail("out of memory", "try a smaller --batch, --sequence or --width");
  }
  return block;
}

/* A tensor in an arena, and the op whose backward needs it: floats, or codes. */
struct tensor {
  const char *name, *op;
  float *data;
  size_t bytes;
  int is_codes;
};

/* Carved in two rounds: without a block to count the bytes, then with one. Pieces begin at cache lines. */
struct arena {
  void *block;
  size_t used;
};

static void *carve(struct arena *arena, size_t bytes) {
  void *piece = arena->block ? (char *)arena->block + arena->used : NULL;
  arena->used += (bytes + 63) / 64 * 64;
  return piece;
}

/* ---- parameters ------------------------------------------------------------------------------------------------ */

struct layer_parameters {
  float *norm1, *qkv, *out, *norm2, *fc,
      *projection; /* norms: gains, then biases; linear ones: in x out, then biases */
};

struct parameters {
  struct arena arena;
  float *token, *position, *norm, *head;
  struct layer_parameters *layers;
};

static float *carve_linear(struct arena *arena, size_t in, size_t out) {
  return carve(arena, (in + 1) * out * sizeof(float));
}

static void carve_parameters(struct parameters *p, const struct config *c) {
  const size_t C = c->C;
  p->arena.used = 0;
  p->token = carve(&p->arena, c->V * C * sizeof(float));
  p->position = carve(&p->arena, c->T * C * sizeof(float));
  for (size_t l = 0; l < c->layers; l++) {
    p->layers[l].norm1 = carve(&p->arena, 2 * C * sizeof(float));
    p->layers[l].qkv = carve_linear(&p->arena, C, 3 * C);
    p->layers[l].out = carve_linear(&p->arena, C, C);
    p->layers[l].norm2 = carve(&p->arena, 2 * C * sizeof(float));
    p->layers[l].fc = carve_linear(&p->arena, C, 4 * C);
    p->layers[l].projection = carve_linear(&p->arena, 4 * C, C);
  }
  p->norm = carve(&p->arena, 2 * C * sizeof(float));
  p->head = carve_linear(&p->arena, C, c->V);
}

/* Parameters, or their gradients: the same pieces. */
static struct parameters parameters_new(const struct config *c) {
  struct parameters p = {.layers = block_new(c->layers * sizeof *p.layers)};
  carve_parameters(&p, c);
  p.arena.block = block_new(p.arena.used);
  carve_parameters(&p, c);
  return p;
}

static void parameters_free(struct parameters *p) {
  free(p->arena.block);
  free(p->layers);
}

/* ---- activations ----------------------------------------------------------------------------------------------- */

/* Of a layer; mean and reciprocal deviation of each row are a norm's stats. */
enum { RESIDUAL, STATS1, NORM1, QKV, WEIGHTS, MIXED, MIDDLE, STATS2, NORM2, SUM, ACTIVATED, TENSORS };
/* Behind the last layer. */
enum { LAST, LAST_STATS, LAST_NORM, PROBABILITIES, LAST_TENSORS };

struct activations {
  struct arena arena;
  struct tensor (*layers)[TENSORS], last[LAST_TENSORS];
  float *scratch; /* with codes: the sums of whichever layer is being computed */
};

static void tensor_carve(struct tensor *tensor, struct arena *arena, const char *name, const char *op, size_t bytes) {
  *tensor = (struct tensor){name, op, carve(arena, bytes), bytes, strcmp(name, "codes") == 0};
  if (tensor->data) {
    actscope_mark_region(tensor->data, bytes, name, op);
  }
}

static void carve_layer(struct tensor *at, struct arena *arena, const struct config *c) {
  const size_t row = c->rows * sizeof(float), C = c->C, sums = 4 * C * c->rows;
  tensor_carve(&at[RESIDUAL], arena, "residual", "native_layer_norm", C * row);
  tensor_carve(&at[STATS1], arena, "stats1", "native_layer_norm", 2 * row);
  tensor_carve(&at[NORM1], arena, "norm1", "addmm", C * row);
  tensor_carve(&at[QKV], arena, "qkv", "scaled_dot_product_attention", 3 * C * row);
  tensor_carve(&at[WEIGHTS], arena, "weights", "scaled_dot_product_attention", c->H * c->T * row);
  tensor_carve(&at[MIXED], arena, "mixed", "addmm", C * row);
  tensor_carve(&at[MIDDLE], arena, "middle", "native_layer_norm", C * row);
  tensor_carve(&at[STATS2], arena, "stats2", "native_layer_norm", 2 * row);
  tensor_carve(&at[NORM2], arena, "norm2", "addmm", C * row);
  tensor_carve(&at[SUM], arena, c->bits ? "codes" : "sum", "gelu",
               c->bits ? (sums * c->bits + 7) / 8 : sums * sizeof(float));
  tensor_carve(&at[ACTIVATED], arena, "activated", "addmm", 4 * C * row);
}

static void carve_activations(struct activations *a, const struct config *c) {
  const size_t row = c->rows * sizeof(float);
  char name[32];
  a->arena.used = 0;
  for (size_t l = 0; l < c->layers; l++) {
    snprintf(name, sizeof name, "layers.%zu", l);
    actscope_mark_push(name);
    carve_layer(a->layers[l], &a->arena, c);
    actscope_mark_pop();
  }
  tensor_carve(&a->last[LAST], &a->arena, "last.residual", "native_layer_norm", c->C * row);
  tensor_carve(&a->last[LAST_STATS], &a->arena, "last.stats", "native_layer_norm", 2 * row);
  tensor_carve(&a->last[LAST_NORM], &a->arena, "last.norm", "addmm", c->C * row);
  tensor_carve(&a->last[PROBABILITIES], &a->arena, "last.probabilities", "log_softmax", c->V * row);
  a->scratch = c->bits ? carve(&a->arena, 4 * c->C * row) : NULL;
}

static struct activations activations_new(const struct config *c) {
  struct activations a = {.layers = block_new(c->layers * sizeof *a.layers)};
  carve_activations(&a, c);
  a.arena.block = block_new(a.arena.used);
  carve_activations(&a, c);
  return a;
}

/* What a layer's forward pass leaves for backward, and what its backward pass has no more need of. */
static void keep(const struct tensor *tensors, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const size_t element = tensors[i].is_codes ? 1 : sizeof(float);
    actscope_mark_save(tensors[i].data, tensors[i].bytes / element, element == 1 ? ACTSCOPE_UINT8 : ACTSCOPE_FLOAT32,
                       NULL);
  }
}

static void drop(const struct tensor *tensors, size_t count) {
  for (size_t i = 0; i < count; i++) {
    actscope_mark_release(tensors[i].data, NULL);
  }
}

static void print_tensors(const struct tensor *tensors, size_t count) {
  for (size_t i = 0; i < count; i++) {
    printf("tensor %s %s %zu\n", tensors[i].name, tensors[i].op, tensors[i].bytes);
  }
}

/* ---- the model -------------------------------------------------------------------------------------------------- */

struct model {
  struct config config;
  struct parameters parameters, gradients;
  struct activations activations;
  float *moments;             /* Adam's two, each as large as the parameters */
  float *stream, *wide, *row; /* of the backward pass: one layer's gradients, in a block of their own */
  fewbit_quantizer *quantizer;
  int *x, *y; /* the batch: what is read, what comes next */
};

static void check_fewbit(int status) {
  if (status != FEWBIT_OK) {
    fail("libfewbit", fewbit_status_message(status));
  }
}

static void layer_forward(struct model *m, size_t l, float *next) {
  const struct config *c = &m->config;
  const struct layer_parameters *p = &m->parameters.layers[l];
  struct tensor *a = m->activations.layers[l];
  const struct attention_shape shape = {c->T, c->C, c->H};
  const size_t rows = c->rows, T = c->T, C = c->C;
  float *sum = c->bits ? m->activations.scratch : a[SUM].data;
  norm(a[NORM1].data, a[STATS1].data, a[RESIDUAL].data, p->norm1, rows, C);
  linear(a[QKV].data, a[NORM1].data, p->qkv, NULL, rows, C, 3 * C);
  for (size_t b = 0; b < c->batch; b++) {
    attend(a[MIXED].data + b * T * C, a[WEIGHTS].data + b * c->H * T * T, a[QKV].data + 3 * b * T * C, &shape);
  }
  linear(a[MIDDLE].data, a[MIXED].data, p->out, a[RESIDUAL].data, rows, C, C);
  norm(a[NORM2].data, a[STATS2].data, a[MIDDLE].data, p->norm2, rows, C);
  linear(sum, a[NORM2].data, p->fc, NULL, rows, C, 4 * C);
  if (c->bits) {
    check_fewbit(fewbit_forward(m->quantizer, FEWBIT_FLOAT32, sum, a[ACTIVATED].data, a[SUM].data, 4 * C * rows));
  } else {
    gelu(a[ACTIVATED].data, sum, 4 * C * rows);
  }
  linear(next, a[ACTIVATED].data, p->projection, a[MIDDLE].data, rows, 4 * C, C);
  keep(a, TENSORS);
}

/* m->stream: the gradient of what the layer returns becomes that of what it was given. m->wide: 4 C, then 3 C, then C. */
static void layer_backward(struct model *m, size_t l) {
  const struct config *c = &m->config;
  const struct layer_parameters *p = &m->parameters.layers[l], *d = &m->gradients.layers[l];
  struct tensor *a = m->activations.layers[l];
  const struct attention_shape shape = {c->T, c->C, c->H};
  const size_t rows = c->rows, T = c->T, C = c->C;
  float *dqkv = m->wide, *dsmall = m->wide + 4 * C * rows;
  linear_backward(m->wide, d->projection, m->stream, a[ACTIVATED].data, p->projection, rows, 4 * C, C);
  if (c->bits) {
    check_fewbit(fewbit_backward(m->quantizer, FEWBIT_FLOAT32, a[SUM].data, m->wide, m->wide, 4 * C * rows));
  } else {
    gelu_backward(m->wide, a[SUM].data, 4 * C * rows);
  }
  linear_backward(dsmall, d->fc, m->wide, a[NORM2].data, p->fc, rows, C, 4 * C);
  norm_backward(m->stream, d->norm2, dsmall, a[MIDDLE].data, a[STATS2].data, p->norm2, rows, C);
  linear_backward(dsmall, d->out, m->stream, a[MIXED].data, p->out, rows, C, C);
  for (size_t b = 0; b < c->batch; b++) {
    attend_backward(dqkv + 3 * b * T * C, dsmall + b * T * C, a[WEIGHTS].data + b * c->H * T * T,
                    a[QKV].data + 3 * b * T * C, m->row, &shape);
  }
  linear_backward(dsmall, d->qkv, dqkv, a[NORM1].data, p->qkv, rows, C, 3 * C);
  norm_backward(m->stream, d->norm1, dsmall, a[RESIDUAL].data, a[STATS1].data, p->norm1, rows, C);
  drop(a, TENSORS);
}

/* The mean loss of m->x and m->y. */
static float forward(struct model *m) {
  const struct config *c = &m->config;
  struct activations *a = &m->activations;
  double loss = 0;
  actscope_mark_phase(ACTSCOPE_FORWARD);
  float *first = a->layers[0][RESIDUAL].data; /* embeddings */
  for (size_t r = 0; r < c->rows; r++) {
    memcpy(first + r * c->C, m->parameters.token + (size_t)m->x[r] * c->C, c->C * sizeof *first);
    add_scaled(first + r * c->C, 1, m->parameters.position + r % c->T * c->C, c->C);
  }
  for (size_t l = 0; l < c->layers; l++) {
    layer_forward(m, l, l + 1 < c->layers ? a->layers[l + 1][RESIDUAL].data : a->last[LAST].data);
  }
  norm(a->last[LAST_NORM].data, a->last[LAST_STATS].data, a->last[LAST].data, m->parameters.norm, c->rows, c->C);
  linear(a->last[PROBABILITIES].data, a->last[LAST_NORM].data, m->parameters.head, NULL, c->rows, c->C, c->V);
  for (size_t r = 0; r < c->rows; r++) {
    float *probabilities = a->last[PROBABILITIES].data + r * c->V;
    softmax(probabilities, c->V);
    loss -= log((double)probabilities[m->y[r]] + 1e-30);
  }
  keep(a->last, LAST_TENSORS);
  return (float)(loss / (double)c->rows);
}

/* Gradients are as optimizers find them: zero, then those of this batch. */
static void backward(struct model *m) {
  const struct config *c = &m->config;
  struct activations *a = &m->activations;
  float *dlogits = a->last[PROBABILITIES].data, *dsmall = m->wide;
  actscope_mark_phase(ACTSCOPE_BACKWARD);
  for (size_t r = 0; r < c->rows; r++) {
    dlogits[r * c->V + (size_t)m->y[r]] -= 1;
  }
  for (size_t i = 0; i < c->rows * c->V; i++) {
    dlogits[i] /= (float)c->rows;
  }
  linear_backward(dsmall, m->gradients.head, dlogits, a->last[LAST_NORM].data, m->parameters.head, c->rows, c->C, c->V);
  memset(m->stream, 0, c->rows * c->C * sizeof *m->stream);
  norm_backward(m->stream, m->gradients.norm, dsmall, a->last[LAST].data, a->last[LAST_STATS].data, m->parameters.norm,
                c->rows, c->C);
  drop(a->last, LAST_TENSORS);
  for (size_t l = c->layers; l-- > 0;) {
    layer_backward(m, l);
  }
  for (size_t r = 0; r < c->rows; r++) {
    add_scaled(m->gradients.token + (size_t)m->x[r] * c->C, 1, m->stream + r * c->C, c->C);
    add_scaled(m->gradients.position + r % c->T * c->C, 1, m->stream + r * c->C, c->C);
  }
}

static void update(struct model *m, size_t step) {
  const size_t count = m->parameters.arena.used / sizeof(float);
  const float rate = 1e-3F, beta1 = 0.9F, beta2 = 0.99F;
  const float correction1 = 1 - powf(beta1, (float)step), correction2 = 1 - powf(beta2, (float)step);
  float *value = m->parameters.arena.block, *gradient = m->gradients.arena.block;
  float *first = m->moments, *second = m->moments + count;
  actscope_mark_phase(ACTSCOPE_UPDATE);
  for (size_t i = 0; i < count; i++) {
    first[i] = beta1 * first[i] + (1 - beta1) * gradient[i];
    second[i] = beta2 * second[i] + (1 - beta2) * gradient[i] * gradient[i];
    value[i] -= rate * (first[i] / correction1) / (sqrtf(second[i] / correction2) + 1e-8F);
    gradient[i] = 0;
  }
}

/* ---- numbers and text -------------------------------------------------------------------------------------------- */

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_next(void) { /* xorshift64*, Vigna 2016 */
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return random_state * 0x2545f4914f6cdd1d;
}

/* Characters by number; the last tenth is for the test. */
struct text {
  unsigned char *number;
  size_t count, train, different;
};

static struct text text_read(const char *path) {
  enum { MOST = 1 << 20 };
  struct text text = {.number = block_new(MOST)};
  int numbers[256] = {0};
  FILE *file = fopen(path, "rb");
  if (!file) {
    fail(path, strerror(errno));
  }
  text.count = fread(text.number, 1, MOST, file);
  fclose(file);
  for (size_t i = 0; i < text.count; i++) {
    int *number = &numbers[text.number[i]];
    if (*number == 0) {
      *number = (int)++text.different;
    }
    text.number[i] = (unsigned char)(*number - 1);
  }
  text.train = text.count / 10 * 9;
  return text;
}

/* Sequences from random places in [from, to). */
static void draw(struct model *m, const struct text *text, size_t from, size_t to) {
  const size_t T = m->config.T;
  for (size_t b = 0; b < m->config.batch; b++) {
    const unsigned char *at = text->number + from + random_next() % (to - from - T);
    for (size_t t = 0; t < T; t++) {
      m->x[b * T + t] = at[t];
      m->y[b * T + t] = at[t + 1];
    }
  }
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static void parameters_start(struct parameters *p, const struct config *c) {
  float *value = p->arena.block;
  for (size_t i = 0; i < p->arena.used / sizeof *value; i++) {
    value[i] = ((float)(random_next() >> 40) / (float)(1 << 24) - 0.5F) * 0.12F;
  }
  for (size_t l = 0; l <= c->layers; l++) {
    float *gains[] = {l < c->layers ? p->layers[l].norm1 : p->norm, l < c->layers ? p->layers[l].norm2 : p->norm};
    for (size_t i = 0; i < c->C; i++) {
      gains[0][i] = gains[1][i] = 1;
    }
  }
}

/* Everything there is, before the first step. */
static struct model model_new(const struct config *c) {
  struct model m = {.config = *c, .parameters = parameters_new(c)};
  fewbit_error error;
  parameters_start(&m.parameters, c);
  actscope_mark_parameter(m.parameters.arena.block, m.parameters.arena.used, "parameters");
  m.activations = activations_new(c);
  m.gradients = parameters_new(c);
  m.stream = block_new((6 * c->C * c->rows + c->T) * sizeof *m.stream);
  m.wide = m.stream + c->C * c->rows;
  m.row = m.wide + 5 * c->C * c->rows;
  m.moments = block_new(2 * m.parameters.arena.used);
  m.x = block_new(2 * c->rows * sizeof *m.x);
  m.y = m.x + c->rows;
  if (c->bits && fewbit_quantizer_builtin("gelu", (unsigned)c->bits, &m.quantizer, &error) != FEWBIT_OK) {
    fail("libfewbit", error.message);
  }
  return m;
}

static void model_free(struct model *m) {
  fewbit_quantizer_free(m->quantizer);
  parameters_free(&m->parameters);
  parameters_free(&m->gradients);
  free(m->activations.arena.block);
  free(m->activations.layers);
  free(m->stream);
  free(m->moments);
  free(m->x);
}

static void train(struct model *m, const struct text *text) {
  const size_t every = m->config.steps < 20 ? 1 : m->config.steps / 20;
  for (size_t step = 1; step <= m->config.steps; step++) {
    draw(m, text, 0, text->train);
    actscope_mark_step();
    const float loss = forward(m);
    backward(m);
    update(m, step);
    actscope_mark_phase(ACTSCOPE_OUTSIDE);
    if (step % every == 0 || step == m->config.steps) {
      printf("step %zu  loss %.4f\n", step, (double)loss);
    }
  }
  draw(m, text, text->train, text->count);
  printf("test loss %.4f\n", (double)forward(m));
}

static void print_sizes(const struct model *m) {
  const struct activations *a = &m->activations;
  printf("parameters %zu bytes\nactivations %zu bytes\n", m->parameters.arena.used, a->arena.used);
  for (size_t l = 0; m->config.sizes && l < m->config.layers; l++) {
    printf("layer layers.%zu\n", l);
    print_tensors(a->layers[l], TENSORS);
  }
  if (m->config.sizes) {
    print_tensors(a->last, LAST_TENSORS);
  }
}

static size_t parse_number(const char *name, const char *text, size_t least, size_t most) {
  char *end = NULL;
  const unsigned long long number = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
  if (!end || *end || number < least || number > most) {
    fprintf(stderr, "train_arena: %s: a number from %zu to %zu is needed\n", name, least, most);
    exit(2);
  }
  return (size_t)number;
}

static struct config parse(char **argv) {
  struct config c = {.steps = 100, .layers = 4, .C = 64, .H = 4, .batch = 8, .T = 64};
  const struct {
    const char *name;
    size_t *field, least, most;
  } numbers[] = {{"--steps", &c.steps, 1, 1000000}, {"--layers", &c.layers, 1, 1000}, {"--width", &c.C, 1, 65536},
                 {"--heads", &c.H, 1, 1024},        {"--batch", &c.batch, 1, 65536},  {"--sequence", &c.T, 1, 65536},
                 {"--bits", &c.bits, 0, 8}};
  c.text = "/usr/share/common-licenses/GPL-3";
  for (argv++; *argv; argv++) {
    size_t i = 0;
    while (i < sizeof numbers / sizeof *numbers && strcmp(*argv, numbers[i].name) != 0) {
      i++;
    }
    if (i < sizeof numbers / sizeof *numbers) {
      *numbers[i].field = parse_number(argv[0], argv[1], numbers[i].least, numbers[i].most);
      argv++;
    } else if (strcmp(*argv, "--sizes") == 0) {
      c.sizes = 1;
    } else if (**argv != '-') {
      c.text = *argv;
    } else {
      const int help = strcmp(*argv, "--help") == 0;
      fputs(
          "Usage: train_arena [--steps N] [--layers N] [--width N] [--heads N] [--batch N] [--sequence N] [--bits B]\n"
          "                   [--sizes] [TEXT]\n",
          help ? stdout : stderr);
      exit(help ? 0 : 2);
    }
  }
  c.rows = c.batch * c.T;
  return c;
}

int main(int argc, char **argv) {
  (void)argc;
  struct config config = parse(argv);
  if (config.C % config.H) {
    fail("--heads", "they must divide --width");
  }
  struct text text = text_read(config.text);
  config.V = text.different;
  if (text.count / 10 < config.T + 2) {
    fail(config.text, "too short a text; give a longer one or a smaller --sequence");
  }
  struct model model = model_new(&config);
  print_sizes(&model);
  train(&model, &text);
  model_free(&model);
  free(text.number);
  return 0;
}
