/* Modules over the ops: scopes, parameters in order, and the model's local variables going out of scope. */
#include "kernels/models/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPE_ROW = 1, SHAPE_MATRIX = 2, SHAPE_IMAGES = 4 };

static const float norm_epsilon = 1e-5F; /* torch.nn.BatchNorm2d's, and llama's */

/* ---- what the model is made of --------------------------------------------------------------------------------- */

/* Room for one more of `size` bytes each. */
static void *grown(struct tape *tape, void *array, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity) {
    return array;
  }
  size_t wanted = *capacity ? 2 * *capacity : 64;
  void *more = realloc(array, wanted * size);
  if (!more) {
    tape_fail(tape, ERROR_MEMORY, "model: out of memory");
    return NULL;
  }
  *capacity = wanted;
  return more;
}

static void name_join(struct tape *tape, char *joined, const char *name) {
  int length = snprintf(joined, TAPE_NAME_SIZE, "%s%s%s", tape->scope, tape->scope[0] ? "." : "", name);
  if (length >= TAPE_NAME_SIZE) {
    tape_fail(tape, ERROR_USAGE, "model: the name %s... is too long", joined);
  }
}

static struct value *parameter_listed(struct net *net, const char *name, const size_t *shape, unsigned dims,
                                      struct init init) {
  struct net_list *list = net->list;
  struct net_parameter_spec *more =
      grown(net->tape, list->parameters, list->parameters_count, &list->parameters_capacity, sizeof *list->parameters);
  if (!more) {
    return NULL;
  }
  list->parameters = more;
  struct net_parameter_spec *spec = &more[list->parameters_count++];
  *spec = (struct net_parameter_spec){.dims = dims, .init = init};
  memcpy(spec->shape, shape, dims * sizeof *shape);
  name_join(net->tape, spec->name, name);
  return tape_value(net->tape, NULL, shape, dims); /* stands for it in the dry run */
}

struct value *net_parameter(struct net *net, const char *name, const size_t *shape, unsigned dims, struct init init) {
  if (net->tape->status < 0) {
    return NULL;
  }
  return net->list ? parameter_listed(net, name, shape, dims, init)
                   : &net->model->parameters[net->parameters_next++].value;
}

static struct value *parameter_row(struct net *net, const char *name, size_t count, struct init init) {
  return net_parameter(net, name, &count, SHAPE_ROW, init);
}

static struct value *parameter_matrix(struct net *net, const char *name, size_t rows, size_t columns,
                                      struct init init) {
  return net_parameter(net, name, (const size_t[]){rows, columns}, SHAPE_MATRIX, init);
}

static struct tensor *buffer_listed(struct net *net, enum buffer_kind kind, size_t count) {
  struct net_list *list = net->list;
  struct net_buffer_spec *more =
      grown(net->tape, list->buffers, list->buffers_count, &list->buffers_capacity, sizeof *list->buffers);
  if (!more) {
    return NULL;
  }
  list->buffers = more;
  more[list->buffers_count++] = (struct net_buffer_spec){kind, count};
  /* Lives as long as the tape, as the value's that takes it over. */
  struct value *value = tape_value(net->tape, NULL, (const size_t[]){net_buffer_bytes(kind, count) / 4}, SHAPE_ROW);
  return value ? value->tensor : NULL;
}

size_t net_buffer_bytes(enum buffer_kind kind, size_t count) {
  return kind == BUFFER_RUNNING ? 2 * count * sizeof(float) : count * sizeof(int32_t);
}

struct tensor *net_buffer(struct net *net, enum buffer_kind kind, size_t count) {
  if (net->tape->status < 0) {
    return NULL;
  }
  return net->list ? buffer_listed(net, kind, count) : net->model->buffers[net->buffers_next++];
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

struct value *net_input(struct net *net, const size_t *shape, unsigned dims) {
  return tape_input(net->tape, net->batch->x, shape, dims);
}

struct value *net_replace(struct net *net, struct value *old, struct value *made) {
  if (old && made) {
    tape_forget(net->tape, old);
  }
  return made;
}

struct value *net_sum(struct net *net, struct value *x, struct value *y) {
  struct value *sum = op_add(net->tape, x, y);
  net_replace(net, y, sum);
  return net_replace(net, x, sum);
}

static size_t last_dim(const struct value *x) {
  return x ? x->shape[x->dims - 1] : 0;
}

/* ---- modules --------------------------------------------------------------------------------------------------- */

struct value *net_linear(struct net *net, const char *name, struct value *x, size_t out, bool bias, struct init init) {
  struct value *w, *b = NULL;
  tape_enter(net->tape, "%s", name);
  w = parameter_matrix(net, "weight", out, last_dim(x), init);
  if (bias) {
    b = parameter_row(net, "bias", out, init.kind == INIT_UNIFORM ? init : init_constant(0));
  }
  struct value *y = op_linear(net->tape, x, w, b);
  tape_leave(net->tape);
  return y;
}

struct value *net_layernorm(struct net *net, const char *name, struct value *x, float epsilon) {
  tape_enter(net->tape, "%s", name);
  struct value *weight = parameter_row(net, "weight", last_dim(x), init_constant(1));
  struct value *bias = parameter_row(net, "bias", last_dim(x), init_constant(0));
  struct value *y = op_layernorm(net->tape, x, weight, bias, epsilon);
  tape_leave(net->tape);
  return y;
}

struct value *net_rmsnorm(struct net *net, const char *name, struct value *x) {
  tape_enter(net->tape, "%s", name);
  struct value *y = op_rmsnorm(net->tape, x, parameter_row(net, "weight", last_dim(x), init_constant(1)), norm_epsilon);
  tape_leave(net->tape);
  return y;
}

struct value *net_conv(struct net *net, const char *name, struct value *x, const struct net_conv *conv) {
  const size_t in = x ? x->shape[1] : 0, shape[] = {conv->out, in, conv->kernel, conv->kernel};
  struct value *w, *b = NULL;
  tape_enter(net->tape, "%s", name);
  w = net_parameter(net, "weight", shape, SHAPE_IMAGES, conv->init);
  if (conv->bias) {
    b = parameter_row(net, "bias", conv->out, init_constant(0));
  }
  struct value *y = op_conv2d(net->tape, x, w, b, conv->stride, conv->padding);
  tape_leave(net->tape);
  return y;
}

struct value *net_batchnorm(struct net *net, const char *name, struct value *x) {
  const size_t channels = x ? x->shape[1] : 0;
  tape_enter(net->tape, "%s", name);
  struct value *weight = parameter_row(net, "weight", channels, init_constant(1));
  struct value *bias = parameter_row(net, "bias", channels, init_constant(0));
  struct tensor *running = net_buffer(net, BUFFER_RUNNING, channels);
  struct value *y = op_batchnorm2d(net->tape, x, weight, bias, running, norm_epsilon);
  tape_leave(net->tape);
  return y;
}

struct value *net_activation(struct net *net, const char *name, struct value *x, const char *function) {
  tape_enter(net->tape, "%s", name);
  struct value *y = op_activation(net->tape, x, function ? function : net->options->activation);
  tape_leave(net->tape);
  return y;
}

struct value *net_dropout(struct net *net, const char *name, struct value *x) {
  if (net->options->dropout <= 0) {
    return x;
  }
  tape_enter(net->tape, "%s", name);
  struct value *y = op_dropout(net->tape, x, net->options->dropout);
  tape_leave(net->tape);
  return y == x ? x : net_replace(net, x, y);
}

struct value *net_attention(struct net *net, struct value *qkv, bool causal, bool rope) {
  const struct model_options *o = net->options;
  const struct attention_options options = {
      .heads = o->heads, .key_heads = o->key_heads, .causal = causal, .rope = rope, .dropout = o->dropout};
  return op_attention(net->tape, qkv, &options);
}

struct value *net_embedding(struct net *net, const char *name, struct tensor *index, size_t count, size_t per,
                            size_t rows, struct value **table) {
  const size_t width = net->options->width, shape[] = {per ? count / per : 0, per, width};
  tape_enter(net->tape, "%s", name);
  struct value *weight = parameter_matrix(net, "weight", rows, width, init_normal(0.02F));
  struct value *y = op_embedding(net->tape, index, count, weight);
  if (per) {
    y = net_replace(net, y, op_reshape(net->tape, y, shape, 3));
  }
  tape_leave(net->tape);
  if (table) {
    *table = weight;
  }
  return y;
}

struct value *net_mlp(struct net *net, struct value *x, struct init in, struct init out) {
  struct value *h = net_linear(net, "fc1", x, net->options->hidden, true, in);
  h = net_replace(net, h, net_activation(net, "act", h, NULL));
  h = net_replace(net, h, net_linear(net, "fc2", h, last_dim(x), true, out));
  return net_dropout(net, "drop", h);
}

struct value *net_loss(struct net *net, struct value *logits, struct value **wanted) {
  struct value *loss = op_cross_entropy(net->tape, logits, net->batch->target);
  if (wanted) {
    *wanted = logits;
    return loss;
  }
  return net_replace(net, logits, loss);
}
