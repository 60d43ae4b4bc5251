/* Marks its own tensors as a program without a framework would: three steps, what is saved known by hand. One layer's x
 * is kept by two ops; a gelu's x by itself; two threads mark at the same time. With an argument it prints what a mark costs. */
#include "actscope/mark.h"
#include "tests/programs/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N = 16384, STEPS = 3 };

struct kept {
  float *input, *hidden, *shared;
};

static float *array(size_t n) {
  float *made = malloc(n * sizeof *made);
  CHECK(made);
  memset(made, 0, n * sizeof *made);
  return made;
}

static void *forward(void *context) {
  struct kept *kept = context;
  errno = 4711;
  kept->input = array(2 * N);
  actscope_mark_layer("fc1");
  actscope_mark_save(kept->input + N, N, ACTSCOPE_FLOAT32, "addmm"); /* the middle of a block: the block is kept */
  kept->hidden = array(N);
  actscope_mark_layer("act");
  actscope_mark_save(kept->hidden, N, ACTSCOPE_FLOAT32, "gelu");
  kept->shared = array(N);
  actscope_mark_layer("fc2");
  actscope_mark_save(kept->shared, N, ACTSCOPE_FLOAT32, "addmm");
  actscope_mark_save(kept->shared, N, ACTSCOPE_FLOAT32, "gelu");
  actscope_mark_layer(NULL);
  free(array(N)); /* whatever comes next: the ops have returned */
  CHECK(errno == 4711);
  return NULL;
}

static void backward(struct kept *kept) {
  actscope_mark_release(kept->shared, "gelu");
  actscope_mark_release(kept->shared, "addmm");
  free(kept->shared);
  actscope_mark_release(kept->hidden, "gelu");
  free(kept->hidden);
  actscope_mark_release(kept->input + N, "addmm");
  free(kept->input);
}

static void print_cost(void) {
  enum { ROUNDS = 10000000 };
  struct timespec begin, end;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  for (int i = 0; i < ROUNDS; i++) {
    actscope_mark_save(&begin, 1, ACTSCOPE_FLOAT32, "addmm");
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  print("%.2f ns a mark\n",
        ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / ROUNDS);
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 1) {
    print_cost();
    return 0;
  }
  float *weight = array(N);
  actscope_mark_parameter(weight, N * sizeof *weight, "fc1.weight");
  for (int step = 0; step < STEPS; step++) {
    struct kept here, there;
    pthread_t thread;
    actscope_mark_save(weight, N, ACTSCOPE_FLOAT32, "addmm"); /* a parameter: not counted */
    CHECK(pthread_create(&thread, NULL, forward, &there) == 0);
    forward(&here);
    CHECK(pthread_join(thread, NULL) == 0);
    actscope_mark_backward(1);
    backward(&here);
    backward(&there);
    actscope_mark_release(weight, "addmm");
    actscope_mark_backward(0);
  }
  free(weight);
  return 0;
}
