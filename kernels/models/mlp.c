/* A perceptron: `layers` hidden layers of `width`, each linear, activation, dropout; then a linear head. */
#include "kernels/models/net.h"

static struct value *mlp_loss(struct net *net, struct value **logits) {
  const struct model_options *o = net->options;
  struct value *x = net_input(net, (const size_t[]){net->batch->size, o->inputs}, 2);
  for (size_t i = 0; i < o->layers; i++) {
    tape_enter(net->tape, "layers.%zu", i);
    x = net_replace(net, x, net_linear(net, "fc", x, o->width, true, init_torch(i ? o->width : o->inputs)));
    x = net_replace(net, x, net_activation(net, "act", x, NULL));
    x = net_dropout(net, "drop", x);
    tape_leave(net->tape);
  }
  x = net_replace(net, x, net_linear(net, "head", x, o->classes, true, init_torch(o->layers ? o->width : o->inputs)));
  return net_loss(net, x, logits);
}

static int mlp_check(struct model_options *o, struct error *err) {
  if (o->classes < 1 || o->inputs < 1) {
    return error_set(err, ERROR_USAGE, "%s: an mlp needs inputs and classes of at least 1", o->name);
  }
  return 0;
}

const struct family family_mlp = {
    .name = "mlp",
    .input = FAMILY_FEATURES,
    .defaults = {.activation = "gelu", .layers = 4, .width = 256, .inputs = 64, .classes = 10, .batch = 64},
    .check = mlp_check,
    .loss = mlp_loss,
};
