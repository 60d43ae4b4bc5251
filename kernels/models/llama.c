/* LLaMA: RMSNorm, rotated queries and keys, grouped keys, SwiGLU (activation(gate) * up), no biases, a head of its own.
 * H. Touvron et al., LLaMA: open and efficient foundation language models, arXiv 2302.13971. */
#include "kernels/models/net.h"

static const struct init weights = {INIT_NORMAL, 0.02F};

static struct value *attention(struct net *net, struct value *x) {
  const struct model_options *o = net->options;
  const size_t key_width = o->width / o->heads * o->key_heads;
  tape_enter(net->tape, "self_attn");
  struct value *h = net_linear(net, "qkv_proj", x, o->width + 2 * key_width, false, weights);
  h = net_replace(net, h, net_attention(net, h, true, true));
  h = net_replace(net, h, net_linear(net, "o_proj", h, o->width, false, weights));
  tape_leave(net->tape);
  return net_dropout(net, "attn_drop", h);
}

static struct value *swiglu(struct net *net, struct value *x) {
  const struct model_options *o = net->options;
  tape_enter(net->tape, "mlp");
  struct value *gate = net_linear(net, "gate_proj", x, o->hidden, false, weights);
  gate = net_replace(net, gate, net_activation(net, "act_fn", gate, NULL));
  struct value *up = net_linear(net, "up_proj", x, o->hidden, false, weights);
  struct value *h = op_mul(net->tape, gate, up);
  net_replace(net, gate, h);
  net_replace(net, up, h);
  h = net_replace(net, h, net_linear(net, "down_proj", h, o->width, false, weights));
  tape_leave(net->tape);
  return net_dropout(net, "mlp_drop", h);
}

static struct value *layer(struct net *net, struct value *x) {
  struct value *h = net_rmsnorm(net, "input_layernorm", x);
  h = net_replace(net, h, attention(net, h));
  x = net_sum(net, x, h);
  h = net_rmsnorm(net, "post_attention_layernorm", x);
  h = net_replace(net, h, swiglu(net, h));
  return net_sum(net, x, h);
}

static struct value *llama_loss(struct net *net, struct value **logits) {
  const struct model_options *o = net->options;
  const size_t tokens = net->batch->size * o->sequence;
  struct value *x = net_embedding(net, "embed_tokens", net->batch->x, tokens, o->sequence, o->vocabulary, NULL);
  for (size_t i = 0; i < o->layers; i++) {
    tape_enter(net->tape, "layers.%zu", i);
    x = layer(net, x);
    tape_leave(net->tape);
  }
  x = net_replace(net, x, net_rmsnorm(net, "norm", x));
  x = net_replace(net, x, net_linear(net, "lm_head", x, o->vocabulary, false, weights));
  return net_loss(net, x, logits);
}

static int llama_check(struct model_options *o, struct error *err) {
  if (!o->hidden) {
    o->hidden = (8 * o->width / 3 + 255) / 256 * 256; /* as LLaMA's own program rounds it */
  }
  int code = check_transformer(o, err);
  if (code < 0 || (code = check_text(o, err)) < 0) {
    return code;
  }
  if (o->width / o->heads % 2) {
    return error_set(err, ERROR_USAGE, "%s: width / heads is %zu; to rotate pairs it must be even", o->name,
                     o->width / o->heads);
  }
  return 0;
}

const struct family family_llama = {
    .name = "llama",
    .input = FAMILY_TEXT,
    .defaults =
        {.activation = "silu", .layers = 4, .width = 128, .heads = 4, .vocabulary = 128, .sequence = 128, .batch = 8},
    .check = llama_check,
    .loss = llama_loss,
};
