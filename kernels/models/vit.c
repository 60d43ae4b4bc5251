/* The vision transformer: patches by a convolution, a class token, learned positions, pre-norm blocks, a head on the class
 * token. A. Dosovitskiy et al., An image is worth 16x16 words, ICLR 2021. Names as in timm. */
#include "kernels/models/net.h"

static const float epsilon = 1e-6F;
static const struct init weights = {INIT_NORMAL, 0.02F};

static struct value *attention(struct net *net, struct value *x) {
  const struct model_options *o = net->options;
  const size_t key_width = o->width / o->heads * o->key_heads;
  tape_enter(net->tape, "attn");
  struct value *h = net_linear(net, "qkv", x, o->width + 2 * key_width, true, weights);
  h = net_replace(net, h, net_attention(net, h, false, false));
  h = net_replace(net, h, net_linear(net, "proj", h, o->width, true, weights));
  h = net_dropout(net, "proj_drop", h);
  tape_leave(net->tape);
  return h;
}

static struct value *block(struct net *net, struct value *x) {
  struct value *h = net_layernorm(net, "norm1", x, epsilon);
  h = net_replace(net, h, attention(net, h));
  x = net_sum(net, x, h);
  h = net_layernorm(net, "norm2", x, epsilon);
  tape_enter(net->tape, "mlp");
  h = net_replace(net, h, net_mlp(net, h, weights, weights));
  tape_leave(net->tape);
  return net_sum(net, x, h);
}

static struct value *tokens(struct net *net) {
  const struct model_options *o = net->options;
  const size_t shape[] = {net->batch->size, o->channels, o->image, o->image}, side = o->image / o->patch;
  const struct net_conv patches = {
      .out = o->width, .kernel = o->patch, .stride = o->patch, .bias = true, .init = weights};
  struct value *x = net_input(net, shape, 4);
  tape_enter(net->tape, "patch_embed");
  x = net_replace(net, x, net_conv(net, "proj", x, &patches));
  x = net_replace(net, x, op_patches_to_tokens(net->tape, x));
  tape_leave(net->tape);
  x = net_replace(net, x, op_prepend(net->tape, x, net_parameter(net, "cls_token", &o->width, 1, weights)));
  struct value *positions = net_parameter(net, "pos_embed", (const size_t[]){side * side + 1, o->width}, 2, weights);
  x = net_replace(net, x, op_add(net->tape, x, positions));
  return net_dropout(net, "pos_drop", x);
}

static struct value *vit_loss(struct net *net, struct value **logits) {
  const struct model_options *o = net->options;
  struct value *x = tokens(net);
  for (size_t i = 0; i < o->layers; i++) {
    tape_enter(net->tape, "blocks.%zu", i);
    x = block(net, x);
    tape_leave(net->tape);
  }
  x = net_replace(net, x, net_layernorm(net, "norm", x, epsilon));
  x = net_replace(net, x, op_take_row(net->tape, x, 0));
  x = net_replace(net, x, net_linear(net, "head", x, o->classes, true, weights));
  return net_loss(net, x, logits);
}

static int vit_check(struct model_options *o, struct error *err) {
  int code = check_transformer(o, err);
  if (code < 0 || (code = check_images(o, err)) < 0) {
    return code;
  }
  if (!o->patch || o->image % o->patch) {
    return error_set(err, ERROR_USAGE, "%s: patches of %zu do not fill an image of %zu; patch must divide image",
                     o->name, o->patch, o->image);
  }
  return 0;
}

const struct family family_vit = {
    .name = "vit",
    .input = FAMILY_IMAGES,
    .defaults = {.activation = "gelu",
                 .layers = 4,
                 .width = 128,
                 .heads = 4,
                 .image = 32,
                 .channels = 3,
                 .patch = 4,
                 .classes = 10,
                 .batch = 16},
    .check = vit_check,
    .loss = vit_loss,
};
