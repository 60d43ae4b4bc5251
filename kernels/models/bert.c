/* BERT and RoBERTa: learned positions and token types, post-norm layers; classes > 0: a pooler and a classifier on the
 * first token, else a masked-word head tied to the word table. J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT:
 * pre-training of deep bidirectional transformers, NAACL 2019; Y. Liu et al., RoBERTa, arXiv 1907.11692. */
#include "kernels/models/net.h"

static const float epsilon = 1e-12F;
static const struct init weights = {INIT_NORMAL, 0.02F};

/* dense, dropout, and the norm of the sum with x, which goes. h goes. */
static struct value *output(struct net *net, struct value *x, struct value *h) {
  tape_enter(net->tape, "output");
  h = net_replace(net, h, net_linear(net, "dense", h, net->options->width, true, weights));
  h = net_dropout(net, "dropout", h);
  h = net_sum(net, x, h);
  h = net_replace(net, h, net_layernorm(net, "LayerNorm", h, epsilon));
  tape_leave(net->tape);
  return h;
}

static struct value *layer(struct net *net, struct value *x) {
  const struct model_options *o = net->options;
  const size_t key_width = o->width / o->heads * o->key_heads;
  tape_enter(net->tape, "attention");
  struct value *h = net_linear(net, "qkv", x, o->width + 2 * key_width, true, weights);
  h = net_replace(net, h, net_attention(net, h, false, false));
  x = output(net, x, h);
  tape_leave(net->tape);
  tape_enter(net->tape, "intermediate");
  h = net_linear(net, "dense", x, o->hidden, true, weights);
  h = net_replace(net, h, net_activation(net, "act", h, NULL));
  tape_leave(net->tape);
  return output(net, x, h);
}

static struct value *embeddings(struct net *net, struct value **table) {
  const struct model_options *o = net->options;
  const size_t tokens = net->batch->size * o->sequence;
  tape_enter(net->tape, "embeddings");
  struct value *x = net_embedding(net, "word_embeddings", net->batch->x, tokens, o->sequence, o->vocabulary, table);
  struct tensor *positions = net_buffer(net, BUFFER_COUNTING, o->sequence);
  struct tensor *types = net_buffer(net, BUFFER_ZEROS, o->sequence); /* all of the first type */
  x = net_sum(net, x, net_embedding(net, "token_type_embeddings", types, o->sequence, 0, o->types, NULL));
  x = net_sum(net, x, net_embedding(net, "position_embeddings", positions, o->sequence, 0, o->positions, NULL));
  x = net_replace(net, x, net_layernorm(net, "LayerNorm", x, epsilon));
  x = net_dropout(net, "dropout", x);
  tape_leave(net->tape);
  return x;
}

static struct value *classifier(struct net *net, struct value *x) {
  const struct model_options *o = net->options;
  x = net_replace(net, x, op_take_row(net->tape, x, 0));
  tape_enter(net->tape, "pooler");
  x = net_replace(net, x, net_linear(net, "dense", x, o->width, true, weights));
  x = net_replace(net, x, net_activation(net, "activation", x, "tanh"));
  tape_leave(net->tape);
  x = net_dropout(net, "dropout", x);
  return net_replace(net, x, net_linear(net, "classifier", x, o->classes, true, weights));
}

static struct value *masked_words(struct net *net, struct value *x, struct value *table) {
  const struct model_options *o = net->options;
  tape_enter(net->tape, "predictions");
  tape_enter(net->tape, "transform");
  x = net_replace(net, x, net_linear(net, "dense", x, o->width, true, weights));
  x = net_replace(net, x, net_activation(net, "act", x, NULL));
  x = net_replace(net, x, net_layernorm(net, "LayerNorm", x, epsilon));
  tape_leave(net->tape);
  struct value *bias = net_parameter(net, "bias", &o->vocabulary, 1, init_constant(0));
  tape_enter(net->tape, "decoder");
  x = net_replace(net, x, op_linear(net->tape, x, table, bias));
  tape_leave(net->tape);
  tape_leave(net->tape);
  return x;
}

static struct value *bert_loss(struct net *net, struct value **logits) {
  const struct model_options *o = net->options;
  struct value *table = NULL;
  struct value *x = embeddings(net, &table);
  for (size_t i = 0; i < o->layers; i++) {
    tape_enter(net->tape, "encoder.layer.%zu", i);
    x = layer(net, x);
    tape_leave(net->tape);
  }
  x = o->classes ? classifier(net, x) : masked_words(net, x, table);
  return net_loss(net, x, logits);
}

static int bert_check(struct model_options *o, struct error *err) {
  int code = check_transformer(o, err);
  if (code == 0 && !o->types) {
    code = error_set(err, ERROR_USAGE, "%s: types must be at least 1", o->name);
  }
  return code < 0 ? code : check_text(o, err);
}

const struct family family_bert = {
    .name = "bert",
    .input = FAMILY_TEXT,
    .classifies = true,
    .defaults = {.activation = "gelu",
                 .layers = 4,
                 .width = 128,
                 .heads = 4,
                 .vocabulary = 128,
                 .sequence = 128,
                 .types = 2,
                 .batch = 8},
    .function = "tanh",
    .check = bert_check,
    .loss = bert_loss,
};
