/* Trains a network of tanh layers on sums of its inputs, without any framework and without a function whose name would tell what
 * it is at.
 *
 *   trainer layers|once [STEPS]
 *
 * layers: each layer's output is a block of its own, made on the way up and freed on the way down, and so are the gradients;
 * once: all of them are allocated before the first step and used in each. Prints the bytes that a step keeps for its way down. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 5, WIDTH = 48, ROWS = 160, VALUES = ROWS * WIDTH };

struct net {
  float weight[LAYERS][WIDTH * WIDTH];
  float *kept[LAYERS + 1]; /* input of each layer, and the last one's output */
  float *slope[2];
};

static int once;

static float *make(float *lasting) {
  float *values = once ? lasting : malloc(VALUES * sizeof *values);
  if (!values) {
    exit(1);
  }
  return values;
}

static void drop(float *values) {
  if (!once) {
    free(values);
  }
}

static float next_random(void) {
  static unsigned state = 12345;
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) / (float)(1 << 24) - 0.5f;
}

/* y = tanh(x W) */
static void up(const float *weight, const float *x, float *y) {
  for (int r = 0; r < ROWS; r++) {
    for (int o = 0; o < WIDTH; o++) {
      float sum = 0;
      for (int i = 0; i < WIDTH; i++) {
        sum += x[r * WIDTH + i] * weight[i * WIDTH + o];
      }
      y[r * WIDTH + o] = tanhf(sum);
    }
  }
}

/* dy becomes dx; W moves against its gradient. */
static void down(float *weight, const float *x, const float *y, float *dy, float *dx) {
  memset(dx, 0, VALUES * sizeof *dx);
  for (int r = 0; r < ROWS; r++) {
    for (int o = 0; o < WIDTH; o++) {
      const float slope = dy[r * WIDTH + o] * (1 - y[r * WIDTH + o] * y[r * WIDTH + o]);
      for (int i = 0; i < WIDTH; i++) {
        dx[r * WIDTH + i] += slope * weight[i * WIDTH + o];
        weight[i * WIDTH + o] -= 2e-3f * slope * x[r * WIDTH + i];
      }
    }
  }
}

static float one_step(struct net *net) {
  float loss = 0, *lasting[LAYERS + 1];
  memcpy(lasting, net->kept, sizeof lasting);
  net->kept[0] = make(lasting[0]);
  for (int i = 0; i < VALUES; i++) {
    net->kept[0][i] = next_random();
  }
  for (int i = 0; i < LAYERS; i++) {
    net->kept[i + 1] = make(lasting[i + 1]);
    up(net->weight[i], net->kept[i], net->kept[i + 1]);
  }
  float *slope = make(net->slope[LAYERS % 2]);
  for (int i = 0; i < VALUES; i++) {
    slope[i] = net->kept[LAYERS][i] - 0.5f * net->kept[0][i];
    loss += slope[i] * slope[i];
  }
  for (int i = LAYERS - 1; i >= 0; i--) {
    float *next = make(net->slope[i % 2]);
    down(net->weight[i], net->kept[i], net->kept[i + 1], slope, next);
    drop(net->kept[i + 1]);
    drop(slope);
    slope = next;
  }
  drop(slope);
  drop(net->kept[0]);
  return loss / VALUES;
}

int main(int argc, char **argv) {
  const long steps = argc > 2 ? strtol(argv[2], NULL, 10) : 12;
  struct net *net = calloc(1, sizeof *net);
  once = argc > 1 && strcmp(argv[1], "once") == 0;
  if (!net || argc < 2) {
    return 2;
  }
  for (int i = 0; i < LAYERS * WIDTH * WIDTH; i++) {
    net->weight[i / (WIDTH * WIDTH)][i % (WIDTH * WIDTH)] = 0.3f * next_random();
  }
  for (int i = 0; once && i <= LAYERS + 2; i++) {
    float *values = malloc(VALUES * sizeof *values);
    *(i <= LAYERS ? &net->kept[i] : &net->slope[i - LAYERS - 1]) = values;
  }
  float first = 0, last = 0;
  for (long i = 0; i < steps; i++) {
    last = one_step(net);
    first = i ? first : last;
  }
  printf("%zu bytes a step; loss %.4f to %.4f\n", (LAYERS + 1) * VALUES * sizeof(float), (double)first, (double)last);
  return last < first ? 0 : 1;
}
