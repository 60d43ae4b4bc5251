/* GPT-2: learned positions, pre-norm blocks, GELU, and a head that is the token table itself (tied). A. Radford, J. Wu,
 * R. Child, D. Luan, D. Amodei, I. Sutskever, Language models are unsupervised multitask learners, 2019. */
#include "kernels/models/net.h"

#include <math.h>

static const float epsilon = 1e-5F;

/* Projections back to the residual stream start smaller, by the number of them (GPT-2). */
static struct init init_residual(const struct model_options *o) {
  return init_normal(0.02F / sqrtf(2 * (float)o->layers));
}

static struct value *attention(struct net *net, struct value *x) {
  const struct model_options *o = net->options;
  const size_t key_width = o->width / o->heads * o->key_heads;
  tape_enter(net->tape, "attn");
  struct value *h = net_linear(net, "qkv", x, o->width + 2 * key_width, true, init_normal(0.02F));
  h = net_replace(net, h, net_attention(net, h, true, false));
  h = net_replace(net, h, net_linear(net, "proj", h, o->width, true, init_residual(o)));
  h = net_dropout(net, "drop", h);
  tape_leave(net->tape);
  return h;
}

static struct value *mlp(struct net *net, struct value *x) {
  tape_enter(net->tape, "mlp");
  struct value *h = net_mlp(net, x, init_normal(0.02F), init_residual(net->options));
  tape_leave(net->tape);
  return h;
}

static struct value *block(struct net *net, struct value *x) {
  struct value *h = net_layernorm(net, "norm1", x, epsilon);
  h = net_replace(net, h, attention(net, h));
  x = net_sum(net, x, h);
  h = net_layernorm(net, "norm2", x, epsilon);
  h = net_replace(net, h, mlp(net, h));
  return net_sum(net, x, h);
}

static struct value *gpt_loss(struct net *net, struct value **logits) {
  const struct model_options *o = net->options;
  const size_t tokens = net->batch->size * o->sequence;
  struct value *table = NULL;
  struct value *x = net_embedding(net, "wte", net->batch->x, tokens, o->sequence, o->vocabulary, &table);
  struct tensor *positions = net_buffer(net, BUFFER_COUNTING, o->sequence);
  x = net_sum(net, x, net_embedding(net, "wpe", positions, o->sequence, 0, o->positions, NULL));
  x = net_dropout(net, "drop", x);
  for (size_t i = 0; i < o->layers; i++) {
    tape_enter(net->tape, "blocks.%zu", i);
    x = block(net, x);
    tape_leave(net->tape);
  }
  x = net_replace(net, x, net_layernorm(net, "norm", x, epsilon));
  tape_enter(net->tape, "head");
  x = net_replace(net, x, op_linear(net->tape, x, table, NULL));
  tape_leave(net->tape);
  return net_loss(net, x, logits);
}

static int gpt_check(struct model_options *o, struct error *err) {
  int code = check_transformer(o, err);
  return code < 0 ? code : check_text(o, err);
}

const struct family family_gpt = {
    .name = "gpt",
    .input = FAMILY_TEXT,
    .defaults =
        {.activation = "gelu", .layers = 4, .width = 128, .heads = 4, .vocabulary = 128, .sequence = 128, .batch = 8},
    .check = gpt_check,
    .loss = gpt_loss,
};
