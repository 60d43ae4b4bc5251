/* libfewbit where it has the operation; the exact backward from the layers, through float32 for the narrow types. */
#include "kernels/replay/replay_pass.h"

#include "kernels/dispatch.h"
#include "kernels/layers/activation.h"

bool replay_pass_keeps_result(const struct replay_pass *pass) {
  return activation_keeps_result(pass->function.id);
}

size_t replay_pass_held_bytes(const struct replay_pass *pass, size_t n) {
  return pass->bits ? fewbit_code_size(pass->quantizer, n) : n * run_type_size(pass->type);
}

/* Neither can fail: the quantizer exists, so the CPU has its kernels; arrays are aligned and apart. */
void replay_pass_forward(const struct replay_pass *pass, const void *x, void *y, void *codes, size_t n) {
  const enum fewbit_type type = (enum fewbit_type)pass->type;
  if (pass->bits) {
    fewbit_forward(pass->quantizer, type, x, y, codes, n);
  } else {
    fewbit_activate(pass->quantizer, type, x, y, n);
  }
}

typedef void widen(const uint16_t *from, float *to, size_t n);
typedef void narrow(const float *from, uint16_t *to, size_t n);

struct narrow_arrays {
  const struct function *function;
  const uint16_t *kept, *dy;
  uint16_t *dx;
  widen *widen;
  narrow *narrow;
};

static void backward_block(const struct narrow_arrays *arrays, size_t first, size_t n) {
  float kept[RUN_BLOCK], dy[RUN_BLOCK];
  arrays->widen(arrays->kept + first, kept, n);
  arrays->widen(arrays->dy + first, dy, n);
  activation_backward(arrays->function, kept, dy, dy, 0, n);
  arrays->narrow(dy, arrays->dx + first, n);
}

static void backward_narrow(const struct replay_pass *pass, const void *kept, const void *dy, void *dx, size_t n) {
  const struct kernels *kernels = &kernels_ref;
  dispatch_choose(&kernels, NULL);
  const bool bf16 = pass->type == RUN_BFLOAT16;
  const struct narrow_arrays arrays = {&pass->function,
                                       kept,
                                       dy,
                                       dx,
                                       bf16 ? kernels->bf16_widen : kernels->fp16_widen,
                                       bf16 ? kernels->bf16_narrow : kernels->fp16_narrow};
#ifdef _OPENMP
#pragma omp parallel for schedule(static) if (n > RUN_CHUNK)
#endif
  for (size_t first = 0; first < n; first += RUN_BLOCK) {
    backward_block(&arrays, first, n - first < RUN_BLOCK ? n - first : RUN_BLOCK);
  }
}

void replay_pass_backward(const struct replay_pass *pass, const void *kept, const void *dy, void *dx, size_t n) {
  if (pass->bits) {
    fewbit_backward(pass->quantizer, (enum fewbit_type)pass->type, kept, dy, dx, n);
  } else if (pass->type == RUN_FLOAT32) {
    activation_backward(&pass->function, kept, dy, dx, 0, n);
  } else {
    backward_narrow(pass, kept, dy, dx, n);
  }
}
