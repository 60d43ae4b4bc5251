/* What the families' forward passes are written with: modules as PyTorch has them, each a call that enters its layer,
 * takes its parameters and applies its op. A forward pass is the one definition of a model: on its first, dry run the
 * parameters that it asks for are listed, and the model is made of the list; later runs take them in the same order. */
#ifndef ACTSCOPE_KERNELS_MODELS_NET_H
#define ACTSCOPE_KERNELS_MODELS_NET_H

#include "kernels/layers/ops.h"
#include "kernels/models/model.h"

enum init_kind { INIT_CONSTANT, INIT_NORMAL, INIT_UNIFORM }; /* scale: the value; deviation; half the range */

struct init {
  enum init_kind kind;
  float scale;
};

struct net_parameter_spec {
  char name[TAPE_NAME_SIZE];
  size_t shape[TAPE_DIMS];
  unsigned dims;
  struct init init;
};

enum buffer_kind { BUFFER_RUNNING, BUFFER_COUNTING, BUFFER_ZEROS }; /* means 0, variances 1; int32 0, 1, ...; int32 0 */

struct net_buffer_spec {
  enum buffer_kind kind;
  size_t count; /* channels; integers */
};

struct net_list {
  struct net_parameter_spec *parameters;
  size_t parameters_count, parameters_capacity;
  struct net_buffer_spec *buffers;
  size_t buffers_count, buffers_capacity;
};

struct net {
  const struct model_options *options;
  struct tape *tape;
  struct model *model;   /* NULL: list */
  struct net_list *list; /* or NULL */
  const struct batch *batch;
  size_t parameters_next, buffers_next;
};

/* ---- values ---- */

/* The batch's floats as a value. */
struct value *net_input(struct net *net, const size_t *shape, unsigned dims);
/* `old` is replaced by `made` in the model's variable: x = f(x). Returns made. */
struct value *net_replace(struct net *net, struct value *old, struct value *made);
/* x + y, both gone. */
struct value *net_sum(struct net *net, struct value *x, struct value *y);

/* ---- modules: `name` is the layer's, with the parameters `weight` and `bias` ---- */

struct value *net_parameter(struct net *net, const char *name, const size_t *shape, unsigned dims, struct init init);
struct tensor *net_buffer(struct net *net, enum buffer_kind kind, size_t count);
size_t net_buffer_bytes(enum buffer_kind kind, size_t count);

struct value *net_linear(struct net *net, const char *name, struct value *x, size_t out, bool bias, struct init init);
struct value *net_layernorm(struct net *net, const char *name, struct value *x, float epsilon);
struct value *net_rmsnorm(struct net *net, const char *name, struct value *x);
struct net_conv {
  size_t out, kernel, stride, padding;
  bool bias;
  struct init init;
};
struct value *net_conv(struct net *net, const char *name, struct value *x, const struct net_conv *conv);
struct value *net_batchnorm(struct net *net, const char *name, struct value *x);
/* function NULL: the model's activation. Dropout at the model's rate. */
struct value *net_activation(struct net *net, const char *name, struct value *x, const char *function);
struct value *net_dropout(struct net *net, const char *name, struct value *x);
struct value *net_attention(struct net *net, struct value *qkv, bool causal, bool rope);
/* The rows of a table (rows, width) that the integers name, as (count / per, per, width), or (count, width) if per is 0.
 * *table (may be NULL) gets the table, for a tied head. */
struct value *net_embedding(struct net *net, const char *name, struct tensor *index, size_t count, size_t per,
                            size_t rows, struct value **table);

/* Linear to hidden, activation, linear back, dropout: fc1, act, fc2, drop. */
struct value *net_mlp(struct net *net, struct value *x, struct init in, struct init out);
/* Mean cross entropy of logits against the batch's targets; logits go unless asked for. */
struct value *net_loss(struct net *net, struct value *logits, struct value **wanted);

/* ---- initial weights ---- */

struct init init_normal(float deviation);
struct init init_torch(size_t fan_in); /* of torch.nn.Linear and Conv2d: U(-1, 1) / sqrt(fan_in), bias too */
struct init init_constant(float value);
/* count floats; element i depends on seed, name and i alone. */
void init_fill(float *data, size_t count, struct init init, const char *name, uint64_t seed);

/* ---- families ---- */

enum family_input { FAMILY_TEXT, FAMILY_IMAGES, FAMILY_FEATURES };

struct family {
  const char *name;
  enum family_input input;
  bool classifies; /* text: with classes > 0 there is one target for a sequence */
  struct model_options defaults;
  const char *function; /* that it uses beside the activation, or NULL */
  /* Fills in what follows from other sizes, and looks whether they fit. */
  int (*check)(struct model_options *options, struct error *err);
  struct value *(*loss)(struct net *net, struct value **logits);
};
extern const struct family family_mlp, family_gpt, family_bert, family_vit, family_resnet, family_llama;
const struct family *family_find(const char *name); /* NULL if there is none */
const struct family *family_at(size_t index);       /* NULL past the last */

/* For the families' checks: width and heads, hidden and key_heads; vocabulary, sequence and positions; images. */
int check_transformer(struct model_options *options, struct error *err);
int check_text(struct model_options *options, struct error *err);
int check_images(struct model_options *options, struct error *err);

/* The check of *options with what follows filled in: model_options_check does it on a copy. */
int model_options_resolve(struct model_options *options, struct error *err);

/* Of an example: elements of x, and targets. */
size_t batch_inputs(const struct model_options *options);
size_t batch_targets(const struct model_options *options);
/* Does the model fill in masked words (its targets are mostly negative)? */
bool batch_masked(const struct model_options *options);
/* A batch of the right sizes in any meter, zeroed; data of a dry one is NULL. */
int batch_new(struct batch *batch, const struct model_options *options, size_t size, struct memory *memory,
              struct error *err);

#endif
