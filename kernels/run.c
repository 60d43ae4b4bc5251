#include "kernels/run.h"

#include "kernels/code.h"
#include "kernels/stochastic.h"

static size_t minimum(size_t a, size_t b) {
  return a < b ? a : b;
}

static const void *at(const void *array, size_t i, enum run_type type) {
  return (const char *)array + i * run_type_size(type);
}

static void *at_writable(void *array, size_t i, enum run_type type) {
  return (char *)array + i * run_type_size(type);
}

static void widen(const struct kernels *kernels, enum run_type type, const void *from, float *to, size_t n) {
  (type == RUN_BFLOAT16 ? kernels->bf16_widen : kernels->fp16_widen)(from, to, n);
}

static void narrow(const struct kernels *kernels, enum run_type type, const float *from, void *to, size_t n) {
  (type == RUN_BFLOAT16 ? kernels->bf16_narrow : kernels->fp16_narrow)(from, to, n);
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static void encode(const struct run_forward *run, const float *x, size_t first, size_t n) {
  if (!run->codes) {
    return;
  }
  uint8_t *codes = run->codes + code_size(first, run->codec->bits);
  if (run->stochastic) {
    stochastic_encode(run->stochastic, &run->function->function, x, codes, n, run->random.first + first,
                      run->random.seed);
  } else {
    run->kernels->encode(run->codec, x, codes, n);
  }
}

static void activate(const struct run_forward *run, const float *x, float *y, size_t n, enum store_hint hint) {
  activate_kernel *kernel = run->kernels->activate[run->function->function.id];
  if (kernel) {
    kernel(x, y, n, run->function->params, hint);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    y[i] = (float)function_value(&run->function->function, (double)x[i]);
  }
}

/* Codes first: y may be x. */
static void forward_block(const struct run_forward *run, size_t first, size_t n, enum store_hint hint) {
  float wide[RUN_BLOCK];
  const float *x = at(run->x, first, run->type);
  if (run->type != RUN_FLOAT32) {
    widen(run->kernels, run->type, x, wide, n);
    x = wide;
  }
  encode(run, x, first, n);
  if (!run->y) {
    return;
  }
  void *y = at_writable(run->y, first, run->type);
  if (run->type == RUN_FLOAT32) {
    activate(run, x, y, n, hint);
  } else {
    activate(run, wide, wide, n, STORE_CACHED);
    narrow(run->kernels, run->type, wide, y, n);
  }
}

static enum store_hint hint_for(const void *from, const void *to, size_t n) {
  return to != from && n >= RUN_STREAM_BYTES / sizeof(float) ? STORE_STREAM : STORE_CACHED;
}

static void fence(const struct kernels *kernels, enum store_hint hint) {
  if (hint == STORE_STREAM && kernels->fence) {
    kernels->fence();
  }
}

static void forward_chunk(const struct run_forward *run, size_t first, size_t end, enum store_hint hint) {
  for (; first < end; first += RUN_BLOCK) {
    forward_block(run, first, minimum(RUN_BLOCK, end - first), hint);
  }
  fence(run->kernels, hint);
}

void run_forward(const struct run_forward *run) {
  const enum store_hint hint = hint_for(run->x, run->y, run->n);
  if (run->n <= RUN_CHUNK) { /* no parallel region: it costs more than a short array does */
    forward_chunk(run, 0, run->n, hint);
    return;
  }
#ifdef _OPENMP
#pragma omp parallel for schedule(static)
#endif
  for (size_t first = 0; first < run->n; first += RUN_CHUNK) {
    forward_chunk(run, first, first + minimum(RUN_CHUNK, run->n - first), hint);
  }
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

static void backward_chunk(const struct run_backward *run, size_t first, size_t n, enum store_hint hint) {
  const uint8_t *codes = run->codes + code_size(first, run->codec->bits);
  const void *dy = at(run->dy, first, run->type);
  void *dx = at_writable(run->dx, first, run->type);
  if (run->type == RUN_FLOAT32) {
    run->kernels->decode(run->codec, codes, dy, dx, n, hint);
    fence(run->kernels, hint);
    return;
  }
  for (size_t i = 0; i < n; i += RUN_BLOCK) {
    float wide[RUN_BLOCK];
    const size_t count = minimum(RUN_BLOCK, n - i);
    widen(run->kernels, run->type, at(dy, i, run->type), wide, count);
    run->kernels->decode(run->codec, codes + code_size(i, run->codec->bits), wide, wide, count, STORE_CACHED);
    narrow(run->kernels, run->type, wide, at_writable(dx, i, run->type), count);
  }
}

void run_backward(const struct run_backward *run) {
  const enum store_hint hint = hint_for(run->dy, run->dx, run->n);
  if (run->n <= RUN_CHUNK) {
    backward_chunk(run, 0, run->n, hint);
    return;
  }
#ifdef _OPENMP
#pragma omp parallel for schedule(static)
#endif
  for (size_t first = 0; first < run->n; first += RUN_CHUNK) {
    backward_chunk(run, first, minimum(RUN_CHUNK, run->n - first), hint);
  }
}
