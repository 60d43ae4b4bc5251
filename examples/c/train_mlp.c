/* Trains a multi-layer perceptron with GELU to tell two interleaved spirals apart: plain C, backward written by hand.
 *
 *   train_mlp [--steps N] [--layers N] [--width N] [--batch N] [--seed N]
 *
 * The forward pass allocates what each layer keeps for the backward pass, and the backward pass frees it again in the
 * opposite order, as a framework does. Output is a function of the options alone. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
  int steps, layers, width, batch; /* layers: hidden ones */
  uint64_t seed;
};

/* One linear layer, y = x W^T + b. W is out x in, row by row; m and v are Adam's moments of W and b together. */
struct layer {
  int in, out;
  float *weight, *bias;
  float *weight_grad, *bias_grad;
  float *moment1, *moment2;
};

/* What the forward pass leaves of one hidden layer: rows x width each. */
struct saved {
  float *input;      /* of the linear layer; the hidden layer's output is the next one's input */
  float *activation; /* the linear layer's result, which GELU's derivative needs */
};

struct model {
  struct layer *layers; /* count hidden ones and one to the two classes */
  struct saved *saved;
  int count;
};

/* ---- random numbers -------------------------------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t random_next(void) { /* xorshift64*, Vigna 2016 */
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return random_state * 0x2545f4914f6cdd1dULL;
}

static float random_uniform(void) {
  return (float)(random_next() >> 40) / (float)(1 << 24);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static float *floats_new(size_t count) {
  float *floats = malloc(count * sizeof *floats);
  if (!floats) {
    fprintf(stderr, "train_mlp: out of memory for %zu numbers; try a smaller --batch or --width\n", count);
    exit(1);
  }
  return floats;
}

static float *floats_new_zero(size_t count) {
  return memset(floats_new(count), 0, count * sizeof(float));
}

/* ---- layers ---------------------------------------------------------------------------------------------------- */

static void layer_init(struct layer *layer, int in, int out) {
  size_t weights = (size_t)in * (size_t)out;
  *layer = (struct layer){.in = in, .out = out};
  layer->weight = floats_new(weights);
  layer->bias = floats_new_zero((size_t)out);
  layer->weight_grad = floats_new_zero(weights);
  layer->bias_grad = floats_new_zero((size_t)out);
  layer->moment1 = floats_new_zero(weights + (size_t)out);
  layer->moment2 = floats_new_zero(weights + (size_t)out);
  float bound = sqrtf(6.0f / (float)in);
  for (size_t i = 0; i < weights; i++)
    layer->weight[i] = bound * (2 * random_uniform() - 1);
}

static void layer_fini(struct layer *layer) {
  free(layer->weight);
  free(layer->bias);
  free(layer->weight_grad);
  free(layer->bias_grad);
  free(layer->moment1);
  free(layer->moment2);
}

/* y[rows][out] = x[rows][in] W^T + b */
static void linear_forward(const struct layer *layer, float *y, const float *x, int rows) {
  for (int r = 0; r < rows; r++) {
    const float *x_row = x + (size_t)r * (size_t)layer->in;
    float *y_row = y + (size_t)r * (size_t)layer->out;
    for (int o = 0; o < layer->out; o++) {
      const float *w = layer->weight + (size_t)o * (size_t)layer->in;
      float sum[8] = {0}; /* eight sums side by side, so that the compiler may use vectors without reordering */
      int i = 0;
      for (; i + 8 <= layer->in; i += 8)
        for (int k = 0; k < 8; k++)
          sum[k] += w[i + k] * x_row[i + k];
      for (; i < layer->in; i++)
        sum[0] += w[i] * x_row[i];
      y_row[o] = layer->bias[o] + ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    }
  }
}

/* dW += dy^T x, db += sum of dy, and dx = dy W (not asked for if dx is NULL) */
static void linear_backward(struct layer *layer, float *dx, const float *dy, const float *x, int rows) {
  for (int r = 0; r < rows; r++) {
    const float *x_row = x + (size_t)r * (size_t)layer->in;
    const float *dy_row = dy + (size_t)r * (size_t)layer->out;
    float *dx_row = dx ? memset(dx + (size_t)r * (size_t)layer->in, 0, (size_t)layer->in * sizeof *dx) : NULL;
    for (int o = 0; o < layer->out; o++) {
      const float *w = layer->weight + (size_t)o * (size_t)layer->in;
      float *dw = layer->weight_grad + (size_t)o * (size_t)layer->in;
      for (int i = 0; i < layer->in; i++)
        dw[i] += dy_row[o] * x_row[i];
      layer->bias_grad[o] += dy_row[o];
      if (!dx_row)
        continue;
      for (int i = 0; i < layer->in; i++)
        dx_row[i] += dy_row[o] * w[i];
    }
  }
}

/* ---- activation: GELU(x) = x Phi(x) ---------------------------------------------------------------------------- */

static void gelu_forward(float *y, const float *x, size_t count) {
  for (size_t i = 0; i < count; i++)
    y[i] = 0.5f * x[i] * (1 + erff(x[i] * (float)M_SQRT1_2));
}

/* dy becomes dx: GELU'(x) = Phi(x) + x phi(x) */
static void gelu_backward(float *dy, const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    float cdf = 0.5f * (1 + erff(x[i] * (float)M_SQRT1_2));
    float pdf = 0.3989422804f * expf(-0.5f * x[i] * x[i]);
    dy[i] *= cdf + x[i] * pdf;
  }
}

/* ---- loss: cross entropy of two classes ------------------------------------------------------------------------ */

/* Returns the mean loss; logits[rows][2] become their gradient. *right counts the rows told right. */
static float loss_and_gradient(float *logits, const int *labels, int rows, int *right) {
  double total = 0;
  *right = 0;
  for (int r = 0; r < rows; r++) {
    float *z = logits + 2 * r;
    float top = fmaxf(z[0], z[1]);
    float e[2] = {expf(z[0] - top), expf(z[1] - top)};
    total -= log((double)(e[labels[r]] / (e[0] + e[1])));
    *right += (z[1] > z[0]) == labels[r];
    for (int c = 0; c < 2; c++)
      z[c] = (e[c] / (e[0] + e[1]) - (float)(c == labels[r])) / (float)rows;
  }
  return (float)(total / rows);
}

/* ---- model ----------------------------------------------------------------------------------------------------- */

static void model_init(struct model *model, const struct options *options) {
  model->count = options->layers;
  model->layers = calloc((size_t)options->layers + 1, sizeof *model->layers);
  model->saved = calloc((size_t)options->layers, sizeof *model->saved);
  if (!model->layers || !model->saved)
    exit(1);
  for (int i = 0; i < options->layers; i++)
    layer_init(&model->layers[i], i ? options->width : 2, options->width);
  layer_init(&model->layers[options->layers], options->width, 2);
}

static void model_fini(struct model *model) {
  for (int i = 0; i <= model->count; i++)
    layer_fini(&model->layers[i]);
  free(model->layers);
  free(model->saved);
}

/* Takes the input over, keeps it and each hidden layer's tensors in model->saved; returns the last hidden output. */
static float *model_forward(struct model *model, float *input, int rows) {
  float *x = input;
  for (int i = 0; i < model->count; i++) {
    const struct layer *layer = &model->layers[i];
    size_t count = (size_t)rows * (size_t)layer->out;
    float *activation = floats_new(count);
    linear_forward(layer, activation, x, rows);
    float *output = floats_new(count);
    gelu_forward(output, activation, count);
    model->saved[i] = (struct saved){.input = x, .activation = activation};
    x = output;
  }
  return x;
}

/* Takes the gradient of the last hidden output over; frees everything that forward has kept, last layer first. */
static void model_backward(struct model *model, float *dy, int rows) {
  for (int i = model->count - 1; i >= 0; i--) {
    struct layer *layer = &model->layers[i];
    struct saved *saved = &model->saved[i];
    gelu_backward(dy, saved->activation, (size_t)rows * (size_t)layer->out);
    free(saved->activation);
    float *dx = i ? floats_new((size_t)rows * (size_t)layer->in) : NULL;
    linear_backward(layer, dx, dy, saved->input, rows);
    free(saved->input);
    free(dy);
    dy = dx;
  }
}

static void adam_update(float *value, float *grad, float *moment1, float *moment2, size_t count, int step) {
  const float rate = 3e-3f, beta1 = 0.9f, beta2 = 0.999f;
  float correction1 = 1 - powf(beta1, (float)step), correction2 = 1 - powf(beta2, (float)step);
  for (size_t i = 0; i < count; i++) {
    moment1[i] = beta1 * moment1[i] + (1 - beta1) * grad[i];
    moment2[i] = beta2 * moment2[i] + (1 - beta2) * grad[i] * grad[i];
    value[i] -= rate * (moment1[i] / correction1) / (sqrtf(moment2[i] / correction2) + 1e-8f);
    grad[i] = 0;
  }
}

static void model_update(struct model *model, int step) {
  for (int i = 0; i <= model->count; i++) {
    struct layer *layer = &model->layers[i];
    size_t weights = (size_t)layer->in * (size_t)layer->out;
    adam_update(layer->weight, layer->weight_grad, layer->moment1, layer->moment2, weights, step);
    adam_update(layer->bias, layer->bias_grad, layer->moment1 + weights, layer->moment2 + weights, (size_t)layer->out,
                step);
  }
}

/* ---- data: points on one of two spirals ------------------------------------------------------------------------ */

static void spirals_sample(float *points, int *labels, int rows) {
  for (int r = 0; r < rows; r++) {
    labels[r] = (int)(random_next() >> 63);
    float radius = sqrtf(random_uniform());
    float angle = radius * 3 * (float)M_PI + (float)labels[r] * (float)M_PI;
    points[2 * r] = radius * cosf(angle) + 0.02f * (random_uniform() - 0.5f);
    points[2 * r + 1] = radius * sinf(angle) + 0.02f * (random_uniform() - 0.5f);
  }
}

/* ---- training -------------------------------------------------------------------------------------------------- */

static float train_step(struct model *model, int *labels, int rows, int step, int *right) {
  float *input = floats_new(2 * (size_t)rows);
  spirals_sample(input, labels, rows);

  struct layer *head = &model->layers[model->count];
  float *hidden = model_forward(model, input, rows);
  float *logits = floats_new(2 * (size_t)rows);
  linear_forward(head, logits, hidden, rows);

  float loss = loss_and_gradient(logits, labels, rows, right);
  float *dx = floats_new((size_t)rows * (size_t)head->in);
  linear_backward(head, dx, logits, hidden, rows);
  free(logits);
  free(hidden);
  model_backward(model, dx, rows);
  model_update(model, step);
  return loss;
}

static int parse_number(const char *name, const char *text) {
  char *end;
  long number = text ? strtol(text, &end, 10) : 0;
  if (!text || *end || number < 1 || number > 1000000) {
    fprintf(stderr, "train_mlp: %s needs a number from 1 to 1000000\n", name);
    exit(2);
  }
  return (int)number;
}

static struct options parse_options(char **argv) {
  struct options options = {.steps = 100, .layers = 4, .width = 128, .batch = 2048, .seed = 1};
  for (argv++; *argv; argv += 2) {
    int *field = !strcmp(*argv, "--steps")    ? &options.steps
                 : !strcmp(*argv, "--layers") ? &options.layers
                 : !strcmp(*argv, "--width")  ? &options.width
                 : !strcmp(*argv, "--batch")  ? &options.batch
                                              : NULL;
    if (field) {
      *field = parse_number(argv[0], argv[1]);
    } else if (!strcmp(*argv, "--seed")) {
      options.seed = (uint64_t)parse_number(argv[0], argv[1]);
    } else {
      int help = !strcmp(*argv, "--help");
      fputs("Usage: train_mlp [--steps N] [--layers N] [--width N] [--batch N] [--seed N]\n", help ? stdout : stderr);
      exit(help ? 0 : 2);
    }
  }
  return options;
}

int main(int argc, char **argv) {
  (void)argc;
  struct options options = parse_options(argv);
  random_state = options.seed * 0x9e3779b97f4a7c15ULL;

  struct model model;
  model_init(&model, &options);
  int *labels = malloc((size_t)options.batch * sizeof *labels);
  if (!labels)
    exit(1);

  int report_every = options.steps < 20 ? 1 : options.steps / 20;
  for (int step = 1; step <= options.steps; step++) {
    int right;
    float loss = train_step(&model, labels, options.batch, step, &right);
    if (step % report_every == 0 || step == options.steps) {
      printf("step %4d  loss %.4f  right %5.1f %%\n", step, (double)loss, 100.0 * right / options.batch);
      fflush(stdout);
    }
  }
  free(labels);
  model_fini(&model);
  return 0;
}
