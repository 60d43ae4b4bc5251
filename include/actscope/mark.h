/* Marks: how a training program tells actscope what it keeps for backward, where no framework does it.
 *
 *     #include <actscope/mark.h>
 *
 *     actscope_mark_parameter(w, bytes, "fc1.weight");      // once: never counts as saved
 *     for (each step) {
 *       actscope_mark_layer("fc1");                         // optional: whose saves follow, on this thread
 *       forward(x, w, y);
 *       actscope_mark_save(x, n, ACTSCOPE_FLOAT32, "addmm");  // backward will need x: n floats
 *       ...
 *       actscope_mark_backward(1);
 *       backward(x, ...);
 *       actscope_mark_release(x, "addmm");                  // it needs x no more; then free(x)
 *       ...
 *       actscope_mark_backward(0);
 *     }
 *
 * Header only, nothing to link: under `actscope record` the preload library has the functions, elsewhere there are none
 * and a mark costs a load and a branch. Any thread; errno is preserved; nothing is dereferenced.
 *
 * A step, to actscope, is one cycle of saves and a backward pass. Memory must come from malloc and its kin (also in the
 * middle of a block); the block counts as saved from its first mark to its last release, or until it is freed. Ops are
 * named as PyTorch's autograd names them where there is such an op ("gelu", "addmm", "native_layer_norm"): for pointwise
 * nonlinearities of that name actscope then projects what few-bit codes would save. */
#ifndef ACTSCOPE_MARK_H
#define ACTSCOPE_MARK_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types of elements, numbered as PyTorch's. */
enum actscope_type {
  ACTSCOPE_UINT8 = 0,
  ACTSCOPE_INT32 = 3,
  ACTSCOPE_INT64 = 4,
  ACTSCOPE_FLOAT16 = 5,
  ACTSCOPE_FLOAT32 = 6,
  ACTSCOPE_FLOAT64 = 7,
  ACTSCOPE_BFLOAT16 = 15,
};

/* Where the preload library has its side of a mark: found once by each function below, NULL without a recording. A weak
 * reference to it would do, but for programs at a fixed address, where the linker makes it NULL for good; dlsym itself is
 * weak for the sake of static ones, which cannot be recorded. */
#pragma weak dlsym
static inline void *actscope_mark_find(void **known, const char *name) {
  void *found = __atomic_load_n(known, __ATOMIC_RELAXED);
  if (!found) {
    found = dlsym ? dlsym((void *)0 /* RTLD_DEFAULT */, name) : (void *)0;
    found = found ? found : (void *)known; /* known not to be there */
    __atomic_store_n(known, found, __ATOMIC_RELAXED);
  }
  return found == (void *)known ? (void *)0 : found;
}

#define ACTSCOPE_MARK(hook, parameters, arguments)                                                                     \
  do {                                                                                                                 \
    static void *known;                                                                                                \
    void *const found = actscope_mark_find(&known, #hook);                                                             \
    if (found) {                                                                                                       \
      ((void(*) parameters)(uintptr_t)found) arguments;                                                                \
    }                                                                                                                  \
  } while (0)

/* `op` keeps `elements` of a type, from data on, for backward. Several ops may keep the same data: each releases it. */
static inline void actscope_mark_save(const void *data, size_t elements, enum actscope_type type, const char *op) {
  ACTSCOPE_MARK(actscope_mark_hook_save, (const void *, uint64_t, uint32_t, const char *),
                (data, elements, (uint32_t)type, op));
}

/* The op of this name, which saved data, lets go of it. */
static inline void actscope_mark_release(const void *data, const char *op) {
  ACTSCOPE_MARK(actscope_mark_hook_release, (const void *, const char *), (data, op));
}

/* The block at data is a parameter, or a buffer that lives as long: saving it costs nothing. name may be NULL. */
static inline void actscope_mark_parameter(const void *data, size_t bytes, const char *name) {
  ACTSCOPE_MARK(actscope_mark_hook_parameter, (const void *, uint64_t, const char *), (data, bytes, name));
}

/* Backward begins (1) or ends (0), on this thread. */
static inline void actscope_mark_backward(int begins) {
  ACTSCOPE_MARK(actscope_mark_hook_backward, (int), (begins));
}

/* What this thread saves from now on belongs to this layer ("blocks.3.mlp.act"); NULL: to none. */
static inline void actscope_mark_layer(const char *name) {
  ACTSCOPE_MARK(actscope_mark_hook_layer, (const char *), (name));
}

#ifdef __cplusplus
}
#endif

#endif
