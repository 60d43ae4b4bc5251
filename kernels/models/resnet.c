/* Residual networks: basic (3-3) or bottleneck (1-3-1) blocks in up to four stages. K. He, X. Zhang, S. Ren, J. Sun, Deep
 * residual learning for image recognition, CVPR 2016. Names as in torchvision; the stem of images below 64 points is a
 * 3 x 3 convolution without pooling, as the paper has it for CIFAR-10. */
#include "kernels/models/net.h"

#include <math.h>

enum { SMALL_IMAGE = 64, EXPANSION = 4 }; /* of a bottleneck's channels */

/* Convolution and norm: convN, bnN. Weights as torchvision draws them: kaiming normal by fan out. */
static struct value *conv_norm(struct net *net, const char *conv_name, const char *norm_name, struct value *x,
                               struct net_conv conv) {
  conv.init = init_normal(sqrtf(2 / (float)(conv.out * conv.kernel * conv.kernel)));
  conv.padding = (conv.kernel - 1) / 2;
  struct value *y = net_conv(net, conv_name, x, &conv);
  return net_replace(net, y, net_batchnorm(net, norm_name, y));
}

static struct value *activated(struct net *net, const char *name, struct value *x) {
  return net_replace(net, x, net_activation(net, name, x, NULL));
}

/* What is added at the end of a block: x itself, or x brought to its size. */
static struct value *shortcut(struct net *net, struct value *x, size_t out, size_t stride) {
  if (!x || (x->shape[1] == out && stride == 1)) {
    return x;
  }
  tape_enter(net->tape, "downsample");
  struct value *y = conv_norm(net, "0", "1", x, (struct net_conv){.out = out, .kernel = 1, .stride = stride});
  tape_leave(net->tape);
  return net_replace(net, x, y);
}

static struct value *basic(struct net *net, struct value *x, size_t width, size_t stride) {
  struct value *h = conv_norm(net, "conv1", "bn1", x, (struct net_conv){.out = width, .kernel = 3, .stride = stride});
  h = activated(net, "act1", h);
  h = net_replace(net, h, conv_norm(net, "conv2", "bn2", h, (struct net_conv){.out = width, .kernel = 3, .stride = 1}));
  h = net_sum(net, h, shortcut(net, x, width, stride));
  return activated(net, "act2", h);
}

static struct value *bottleneck(struct net *net, struct value *x, size_t width, size_t stride) {
  const size_t out = EXPANSION * width;
  struct value *h = conv_norm(net, "conv1", "bn1", x, (struct net_conv){.out = width, .kernel = 1, .stride = 1});
  h = activated(net, "act1", h);
  h = net_replace(net, h,
                  conv_norm(net, "conv2", "bn2", h, (struct net_conv){.out = width, .kernel = 3, .stride = stride}));
  h = activated(net, "act2", h);
  h = net_replace(net, h, conv_norm(net, "conv3", "bn3", h, (struct net_conv){.out = out, .kernel = 1, .stride = 1}));
  h = net_sum(net, h, shortcut(net, x, out, stride));
  return activated(net, "act3", h);
}

static struct value *stem(struct net *net) {
  const struct model_options *o = net->options;
  const bool small = o->image < SMALL_IMAGE;
  const size_t shape[] = {net->batch->size, o->channels, o->image, o->image};
  const struct net_conv conv = {.out = o->width, .kernel = small ? 3 : 7, .stride = small ? 1 : 2};
  struct value *x = net_input(net, shape, 4);
  x = net_replace(net, x, conv_norm(net, "conv1", "bn1", x, conv));
  x = activated(net, "act1", x);
  if (small) {
    return x;
  }
  tape_enter(net->tape, "maxpool");
  x = net_replace(net, x, op_maxpool2d(net->tape, x, 3, 2, 1));
  tape_leave(net->tape);
  return x;
}

static struct value *resnet_loss(struct net *net, struct value **logits) {
  const struct model_options *o = net->options;
  size_t width = o->width;
  struct value *x = stem(net);
  for (size_t stage = 0; stage < 4 && o->blocks[stage]; stage++, width *= 2) {
    for (size_t i = 0; i < o->blocks[stage]; i++) {
      const size_t stride = stage > 0 && i == 0 ? 2 : 1;
      tape_enter(net->tape, "layer%zu.%zu", stage + 1, i);
      x = o->bottleneck ? bottleneck(net, x, width, stride) : basic(net, x, width, stride);
      tape_leave(net->tape);
    }
  }
  tape_enter(net->tape, "avgpool");
  x = net_replace(net, x, op_global_avgpool(net->tape, x));
  tape_leave(net->tape);
  const size_t features = x ? x->shape[1] : 0;
  x = net_replace(net, x, net_linear(net, "fc", x, o->classes, true, init_torch(features)));
  return net_loss(net, x, logits);
}

static int resnet_check(struct model_options *o, struct error *err) {
  size_t stages = 0;
  while (stages < 4 && o->blocks[stages]) {
    stages++;
  }
  for (size_t i = stages; i < 4; i++) {
    if (o->blocks[i]) {
      return error_set(err, ERROR_USAGE, "%s: blocks: a stage without blocks before one that has some", o->name);
    }
  }
  if (!stages) {
    return error_set(err, ERROR_USAGE, "%s: blocks: at least one stage is needed, as in blocks = 2,2,2,2", o->name);
  }
  if (!o->width) {
    return error_set(err, ERROR_USAGE, "%s: width must be at least 1", o->name);
  }
  return check_images(o, err);
}

const struct family family_resnet = {
    .name = "resnet",
    .input = FAMILY_IMAGES,
    .defaults = {.activation = "relu",
                 .width = 16,
                 .blocks = {2, 2, 2},
                 .image = 32,
                 .channels = 3,
                 .classes = 10,
                 .batch = 16},
    .check = resnet_check,
    .loss = resnet_loss,
};
