#include "kernels/layers/conv2d.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/matmul.h"
#include "kernels/layers/op.h"
#include "kernels/layers/reduce.h"
#include "kernels/layers/window.h"

#include <string.h>

enum {
  TILE_FLOATS = 1 << 20, /* of columns: 4 MiB, near the caches; one row of the result at least */
  PART_ROWS = 64,        /* of a product: what a thread takes at once */
  PART_COLUMNS = 1024,
};

static size_t minimum(size_t a, size_t b) {
  return a < b ? a : b;
}

static size_t parts(size_t size, size_t part) {
  return (size + part - 1) / part;
}

int conv2d_init(struct conv2d *conv) {
  conv->out_height = window_places(conv->height, conv->kernel, conv->stride, conv->padding);
  conv->out_width = window_places(conv->width, conv->kernel, conv->stride, conv->padding);
  return conv->batch && conv->channels && conv->out && conv->out_height && conv->out_width ? 0 : -1;
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* x is its own columns. */
static bool is_pointwise(const struct conv2d *c) {
  return c->kernel == 1 && c->stride == 1 && c->padding == 0;
}

/* Rows of columns: what one number of the result is a sum of. */
static size_t depth(const struct conv2d *c) {
  return c->channels * c->kernel * c->kernel;
}

static size_t image_size(const struct conv2d *c) {
  return c->channels * c->height * c->width;
}

static size_t plane_size(const struct conv2d *c) {
  return c->out_height * c->out_width;
}

/* Whole images, or some rows of the result of one. Its columns: a row for each of depth(), and in it the places of the
 * first image, then of the next. */
struct tile {
  size_t image, images;
  size_t row, rows;
  size_t places; /* of one image */
  float *columns;
  size_t stride;       /* floats from a row of columns to the next */
  size_t image_stride; /* and from an image's to the next's */
};

static size_t rows_per_tile(const struct conv2d *c) {
  const size_t rows = TILE_FLOATS / (depth(c) * c->out_width);
  return minimum(rows ? rows : 1, c->out_height);
}

static size_t images_per_tile(const struct conv2d *c) {
  if (rows_per_tile(c) < c->out_height) {
    return 1;
  }
  return minimum(TILE_FLOATS / (depth(c) * plane_size(c)), c->batch);
}

static size_t tile_size(const struct conv2d *c) {
  return images_per_tile(c) * depth(c) * rows_per_tile(c) * c->out_width;
}

/* The tile after this one, the first after one of no images; false after the last. */
static bool next_tile(const struct conv2d *c, struct tile *tile) {
  tile->row += tile->rows;
  if (tile->row == c->out_height || tile->images == 0) {
    tile->image += tile->images;
    tile->row = 0;
  }
  if (tile->image == c->batch) {
    return false;
  }
  tile->images = minimum(images_per_tile(c), c->batch - tile->image);
  tile->rows = minimum(rows_per_tile(c), c->out_height - tile->row);
  tile->places = tile->rows * c->out_width;
  tile->image_stride = tile->places;
  tile->stride = tile->images * tile->places;
  return true;
}

/* The places of the result, from first to last excluded, at which one place of the kernel sees x and not the padding.
 * */
struct range {
  size_t first, last;
};

static struct range seen(const struct conv2d *c, size_t offset, size_t size, size_t out_size) {
  const size_t before = c->padding > offset ? c->padding - offset : 0;
  const size_t first = (before + c->stride - 1) / c->stride;
  const size_t end = size + c->padding; /* place p sees p stride + offset - padding */
  const size_t last = end > offset ? minimum((end - offset - 1) / c->stride + 1, out_size) : 0;
  return (struct range){minimum(first, last), last};
}

/* One row of the columns of one image: x is the channel's plane. */
static void gather(const struct conv2d *c, const struct tile *t, const float *x, size_t ky, size_t kx, float *to) {
  const struct range ys = seen(c, ky, c->height, c->out_height), xs = seen(c, kx, c->width, c->out_width);
  for (size_t oy = t->row; oy < t->row + t->rows; oy++, to += c->out_width) {
    if (oy < ys.first || oy >= ys.last || xs.first == xs.last) {
      memset(to, 0, c->out_width * sizeof *to);
      continue;
    }
    const float *from = x + (oy * c->stride + ky - c->padding) * c->width + xs.first * c->stride + kx - c->padding;
    memset(to, 0, xs.first * sizeof *to);
    if (c->stride == 1) {
      memcpy(to + xs.first, from, (xs.last - xs.first) * sizeof *to);
    } else {
      for (size_t ox = xs.first; ox < xs.last; ox++) {
        to[ox] = from[(ox - xs.first) * c->stride];
      }
    }
    memset(to + xs.last, 0, (c->out_width - xs.last) * sizeof *to);
  }
}

/* The way back: adds what gather's result got to where it came from. */
static void scatter(const struct conv2d *c, const struct tile *t, const float *from, size_t ky, size_t kx, float *dx) {
  const struct range ys = seen(c, ky, c->height, c->out_height), xs = seen(c, kx, c->width, c->out_width);
  for (size_t oy = t->row; oy < t->row + t->rows; oy++, from += c->out_width) {
    if (oy < ys.first || oy >= ys.last || xs.first == xs.last) {
      continue;
    }
    float *to = dx + (oy * c->stride + ky - c->padding) * c->width + xs.first * c->stride + kx - c->padding;
    for (size_t ox = xs.first; ox < xs.last; ox++) {
      to[(ox - xs.first) * c->stride] += from[ox];
    }
  }
}

/* im2col: a thread takes all the rows of one channel of one image. */
static void columns_fill(const struct conv2d *c, const struct tile *t, const float *x) {
#pragma omp parallel for schedule(static) if (t->images * t->places * depth(c) > PARALLEL_ELEMENTS)
  for (size_t task = 0; task < t->images * c->channels; task++) {
    const size_t image = task / c->channels, channel = task % c->channels;
    const float *plane = x + (t->image + image) * image_size(c) + channel * c->height * c->width;
    float *to = t->columns + image * t->image_stride + channel * c->kernel * c->kernel * t->stride;
    for (size_t k = 0; k < c->kernel * c->kernel; k++) {
      gather(c, t, plane, k / c->kernel, k % c->kernel, to + k * t->stride);
    }
  }
}

/* col2im. A channel of an image is one thread's: sums are in one order always. */
static void columns_spread(const struct conv2d *c, const struct tile *t, float *dx) {
#pragma omp parallel for schedule(static) if (t->images * t->places * depth(c) > PARALLEL_ELEMENTS)
  for (size_t task = 0; task < t->images * c->channels; task++) {
    const size_t image = task / c->channels, channel = task % c->channels;
    float *plane = dx + (t->image + image) * image_size(c) + channel * c->height * c->width;
    const float *from = t->columns + image * t->image_stride + channel * c->kernel * c->kernel * t->stride;
    for (size_t k = 0; k < c->kernel * c->kernel; k++) {
      scatter(c, t, from + k * t->stride, k / c->kernel, k % c->kernel, plane);
    }
  }
}

/* A tile of a pointwise convolution: all there is, columns are x or dx itself. */
static struct tile whole(const struct conv2d *c, float *x) {
  return (struct tile){.images = c->batch,
                       .rows = c->out_height,
                       .places = plane_size(c),
                       .columns = x,
                       .stride = plane_size(c),
                       .image_stride = image_size(c)};
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* Where the tile's part of an image begins in y, (batch, out, places) as a whole. */
static size_t tile_offset(const struct conv2d *c, const struct tile *t, size_t image) {
  return (t->image + image) * c->out * plane_size(c) + t->row * c->out_width;
}

/* The same product `count` times, B and C moving on by a step: all their parts side by side. B is not transposed. */
static void multiply(const struct matmul *p, size_t count, size_t b_step, size_t c_step) {
  const size_t down = parts(p->m, PART_ROWS), across = parts(p->n, PART_COLUMNS);
#pragma omp parallel for schedule(dynamic) if (count * p->m * p->n * p->k > PARALLEL_PRODUCTS)
  for (size_t task = 0; task < count * down * across; task++) {
    const size_t step = task / (down * across), row = task / across % down * PART_ROWS;
    const size_t column = task % across * PART_COLUMNS;
    struct matmul part = *p;
    part.m = minimum(PART_ROWS, p->m - row);
    part.n = minimum(PART_COLUMNS, p->n - column);
    part.a += p->transpose_a ? row : row * p->a_stride;
    part.b += step * b_step + column;
    part.c += step * c_step + row * p->c_stride + column;
    matmul_small(&part);
  }
}

/* y = w columns, plus what is there if beta is 1. */
static void multiply_forward(const struct conv2d *c, const struct tile *t, const float *w, float *y, float beta) {
  const struct matmul product = {.m = c->out,
                                 .n = t->places,
                                 .k = depth(c),
                                 .a = w,
                                 .a_stride = depth(c),
                                 .b = t->columns,
                                 .b_stride = t->stride,
                                 .c = y + tile_offset(c, t, 0),
                                 .c_stride = plane_size(c),
                                 .alpha = 1,
                                 .beta = beta};
  multiply(&product, t->images, t->image_stride, c->out * plane_size(c));
}

/* columns = w^T dy, plus what is there if beta is 1. */
static void multiply_back(const struct conv2d *c, const struct tile *t, const float *w, const float *dy, float beta) {
  const struct matmul product = {.m = depth(c),
                                 .n = t->places,
                                 .k = c->out,
                                 .transpose_a = true,
                                 .a = w,
                                 .a_stride = depth(c),
                                 .b = dy + tile_offset(c, t, 0),
                                 .b_stride = plane_size(c),
                                 .c = t->columns,
                                 .c_stride = t->stride,
                                 .alpha = 1,
                                 .beta = beta};
  multiply(&product, t->images, c->out * plane_size(c), t->image_stride);
}

/* dw += dy columns^T. A part of dw is one thread's, over all images in their order. */
static void add_weight_gradient(const struct conv2d *c, const struct tile *t, const float *dy, float *dw) {
  const size_t down = parts(c->out, PART_ROWS), across = parts(depth(c), PART_ROWS);
#pragma omp parallel for schedule(dynamic) if (t->images * t->places * c->out * depth(c) > PARALLEL_PRODUCTS)
  for (size_t task = 0; task < down * across; task++) {
    const size_t row = task / across * PART_ROWS, column = task % across * PART_ROWS;
    for (size_t image = 0; image < t->images; image++) {
      matmul_small(&(struct matmul){.m = minimum(PART_ROWS, c->out - row),
                                    .n = minimum(PART_ROWS, depth(c) - column),
                                    .k = t->places,
                                    .transpose_b = true,
                                    .a = dy + tile_offset(c, t, image) + row * plane_size(c),
                                    .a_stride = plane_size(c),
                                    .b = t->columns + image * t->image_stride + column * t->stride,
                                    .b_stride = t->stride,
                                    .c = dw + row * depth(c) + column,
                                    .c_stride = depth(c),
                                    .alpha = 1,
                                    .beta = 1});
    }
  }
}

static void add_bias_gradient(const struct conv2d *c, const float *dy, float *dbias) {
  const size_t plane = plane_size(c);
#pragma omp parallel for schedule(static) if (c->batch * c->out * plane > PARALLEL_ELEMENTS)
  for (size_t channel = 0; channel < c->out; channel++) {
    double sum = 0;
    for (size_t image = 0; image < c->batch; image++) {
      sum += reduce_sum(dy + (image * c->out + channel) * plane, plane);
    }
    dbias[channel] += (float)sum;
  }
}

/* ---- forward and backward ---------------------------------------------------------------------------------------- */

size_t conv2d_scratch(const struct conv2d *conv) {
  return is_pointwise(conv) ? 0 : tile_size(conv);
}

static void fill_bias(const struct conv2d *c, const float *bias, float *y) {
  const size_t plane = plane_size(c);
#pragma omp parallel for schedule(static) if (c->batch * c->out * plane > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < c->batch * c->out; i++) {
    for (size_t j = 0; j < plane; j++) {
      y[i * plane + j] = bias[i % c->out];
    }
  }
}

void conv2d_forward(const struct conv2d *conv, const float *x, const float *w, const float *bias, float *y,
                    float *scratch) {
  const float beta = bias ? 1 : 0;
  if (bias) {
    fill_bias(conv, bias, y);
  }
  if (is_pointwise(conv)) {
    const struct tile all = whole(conv, (float *)x); /* only read */
    multiply_forward(conv, &all, w, y, beta);
    return;
  }
  for (struct tile tile = {.columns = scratch}; next_tile(conv, &tile);) {
    columns_fill(conv, &tile, x);
    multiply_forward(conv, &tile, w, y, beta);
  }
}

static void backward_pointwise(const struct conv2d *c, const float *x, const float *w, const float *dy,
                               const struct conv2d_gradients *to) {
  if (to->w) {
    const struct tile all = whole(c, (float *)x); /* only read */
    add_weight_gradient(c, &all, dy, to->w);
  }
  if (to->x) {
    const struct tile all = whole(c, to->x);
    multiply_back(c, &all, w, dy, 1);
  }
}

static void backward_by_tiles(const struct conv2d *c, const float *x, const float *w, const float *dy,
                              const struct conv2d_gradients *to, float *scratch) {
  for (struct tile tile = {.columns = scratch}; next_tile(c, &tile);) {
    if (to->w) {
      columns_fill(c, &tile, x);
      add_weight_gradient(c, &tile, dy, to->w);
    }
    if (to->x) {
      multiply_back(c, &tile, w, dy, 0);
      columns_spread(c, &tile, to->x);
    }
  }
}

void conv2d_backward(const struct conv2d *conv, const float *x, const float *w, const float *dy,
                     const struct conv2d_gradients *to, float *scratch) {
  if (to->bias) {
    add_bias_gradient(conv, dy, to->bias);
  }
  if (is_pointwise(conv)) {
    backward_pointwise(conv, x, w, dy, to);
  } else if (to->x || to->w) {
    backward_by_tiles(conv, x, w, dy, to, scratch);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct conv2d_saved {
  struct tensor *x; /* if w needs a gradient */
  struct tensor *w; /* if x does */
  struct conv2d conv;
};
_Static_assert(sizeof(struct conv2d_saved) <= TAPE_SAVED_SIZE, "a node has room for it");

static void release(void *saved) {
  struct conv2d_saved *s = saved;
  tensor_release(s->x);
  tensor_release(s->w);
}

static void backward(struct tape *tape, struct node *node) {
  const struct conv2d_saved *s = (const void *)node->saved;
  const size_t scratch_size = conv2d_scratch(&s->conv);
  const struct conv2d_gradients to = {tape_gradient(tape, node->inputs[0]), tape_gradient(tape, node->inputs[1]),
                                      tape_gradient(tape, node->inputs[2])};
  float *scratch = tape_scratch_take(tape, scratch_size);
  if (tape->status == 0 && !tape->memory->dry) {
    conv2d_backward(&s->conv, s->x ? tensor_floats(s->x) : NULL, s->w ? tensor_floats(s->w) : NULL,
                    tensor_floats(node->output->gradient), &to, scratch);
  }
  tape_scratch_free(tape, scratch, scratch_size);
}

static const struct node_ops ops = {"convolution", backward, release};

static bool fits(const struct value *x, const struct value *w, const struct value *b) {
  return x->dims == 4 && w->dims == 4 && w->shape[1] == x->shape[1] && w->shape[2] == w->shape[3] &&
         (!b || value_count(b) == w->shape[0]);
}

static void compute(struct tape *tape, const struct conv2d *conv, const struct value *x, const struct value *w,
                    const struct value *b, struct value *y) {
  float *scratch = tape_scratch_take(tape, conv2d_scratch(conv));
  if (tape->status == 0 && !tape->memory->dry) {
    conv2d_forward(conv, tensor_floats(x->tensor), tensor_floats(w->tensor), b ? tensor_floats(b->tensor) : NULL,
                   tensor_floats(y->tensor), scratch);
  }
  tape_scratch_free(tape, scratch, conv2d_scratch(conv));
}

struct value *op_conv2d(struct tape *tape, struct value *x, struct value *w, struct value *b, size_t stride,
                        size_t padding) {
  if (!op_has(tape, ops.op, x) || !op_has(tape, ops.op, w) || (b && !op_has(tape, ops.op, b))) {
    return NULL;
  }
  if (!fits(x, w, b)) {
    return op_misfit(tape, ops.op, x, w);
  }
  struct conv2d_saved saved = {.conv = {.batch = x->shape[0],
                                        .channels = x->shape[1],
                                        .height = x->shape[2],
                                        .width = x->shape[3],
                                        .out = w->shape[0],
                                        .kernel = w->shape[2],
                                        .stride = stride,
                                        .padding = padding}};
  if (conv2d_init(&saved.conv) < 0) {
    return op_misfit(tape, ops.op, x, w);
  }
  const size_t shape[] = {saved.conv.batch, saved.conv.out, saved.conv.out_height, saved.conv.out_width};
  struct value *y = tape_result(tape, shape, 4);
  if (y) {
    compute(tape, &saved.conv, x, w, b, y);
  }
  saved.x = w->needs_gradient ? tensor_hold(x->tensor) : NULL;
  saved.w = x->needs_gradient ? tensor_hold(w->tensor) : NULL;
  return tape_node(tape, &ops, y, (struct value *[]){x, w, b}, 3, &saved, sizeof saved);
}
