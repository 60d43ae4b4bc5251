/* Marks: how a training program tells actscope what it keeps for backward, where no framework does it.
 *
 *     #include <actscope/mark.h>
 *
 *     actscope_mark_parameter(w, bytes, "fc1.weight");        // once: never counts as saved
 *     for (each step) {
 *       actscope_mark_step();                                 // optional: a step begins
 *       actscope_mark_phase(ACTSCOPE_FORWARD);
 *       actscope_mark_push("fc1");                            // optional: whose saves follow, on this thread
 *       forward(x, w, y);
 *       actscope_mark_save(x, n, ACTSCOPE_FLOAT32, "addmm");  // backward will need x: n floats
 *       actscope_mark_pop();
 *       ...
 *       actscope_mark_phase(ACTSCOPE_BACKWARD);
 *       backward(x, ...);
 *       actscope_mark_release(x, "addmm");                    // it needs x no more; then free(x)
 *       ...
 *       actscope_mark_phase(ACTSCOPE_UPDATE);
 *     }
 *
 * and, where activations are pieces of one block (an arena) instead of blocks of their own, once for each piece:
 *
 *       actscope_mark_region(arena + offset, bytes, "fc1.input", "addmm");
 *
 * Header only, nothing to link: under `actscope record` the preload library has the functions, elsewhere there are none
 * and a mark costs a load and a branch; with -DACTSCOPE_NO_MARKS it is not even that. Any thread; errno is preserved;
 * nothing is dereferenced but names.
 *
 * Memory must come from malloc and its kin (also in the middle of a block); what lies elsewhere is not seen, and the report
 * says so. A block counts as saved from its first mark to its last release, or until it is freed. Ops are named as PyTorch's autograd names them where there is such an op ("gelu",
 * "addmm", "native_layer_norm"): for pointwise nonlinearities of that name actscope then projects what few-bit codes would
 * save. docs/marks.md is a guide. */
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

/* What a training loop is at; outside: evaluation, logging, what is not training. */
enum actscope_phase {
  ACTSCOPE_OUTSIDE = 0,
  ACTSCOPE_FORWARD = 1,
  ACTSCOPE_BACKWARD = 2,
  ACTSCOPE_UPDATE = 3,
};

#ifndef ACTSCOPE_NO_MARKS

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

#else /* the arguments are used, and nothing comes of it */
#define ACTSCOPE_MARK(hook, parameters, arguments)                                                                     \
  do {                                                                                                                 \
    void(*const never) parameters = (void(*) parameters)0;                                                             \
    if (never) {                                                                                                       \
      never arguments;                                                                                                 \
    }                                                                                                                  \
  } while (0)
#endif

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

/* `op` keeps `elements` of a type, from data on, for backward. Several ops may keep the same data: each releases it. In a
 * region, NULL is the region's own op. Elements are not bytes; those beyond the block's or region's end do not count. A piece
 * keeps the whole block (mark regions where it does not); blocks below the recording's --min-size are not seen. Mark it where the op runs, which is taken to have returned at this thread's next
 * event from elsewhere. */
static inline void actscope_mark_save(const void *data, size_t elements, enum actscope_type type, const char *op) {
  ACTSCOPE_MARK(actscope_mark_hook_save, (const void *, uint64_t, uint32_t, const char *),
                (data, elements, (uint32_t)type, op));
}

/* The op of this name (as in the save, also if that was NULL), which saved data, lets go of it. */
static inline void actscope_mark_release(const void *data, const char *op) {
  ACTSCOPE_MARK(actscope_mark_hook_release, (const void *, const char *), (data, op));
}

/* The block or region at data is a parameter, or a buffer that lives as long: saving it costs nothing. name may be NULL. */
static inline void actscope_mark_parameter(const void *data, size_t bytes, const char *name) {
  ACTSCOPE_MARK(actscope_mark_hook_parameter, (const void *, uint64_t, const char *), (data, bytes, name));
}

/* ---- pieces of an arena ------------------------------------------------------------------------------------------ */

/* These bytes of a heap block are a block of their own from now on, until the region's end, that of the block, or another
 * region over some of them. Marking it does not save it: a save of data within it saves the region and not the arena. Once
 * carved, a region may be saved and released in every step; releases may be left out: where it is filled again, the save by the
 * same op says so (after an evaluation's forward pass, too). Carved anew at the same place, with the same size and names,
 * it goes on. name ("fc1.input") and op (what keeps it for backward) may be NULL; a scope in which it is marked counts as
 * its layer where its saves are in none. */
static inline void actscope_mark_region(const void *data, size_t bytes, const char *name, const char *op) {
  ACTSCOPE_MARK(actscope_mark_hook_region, (const void *, uint64_t, const char *, const char *),
                (data, bytes, name, op));
}

/* The region that begins at data is no more. Not needed where the arena is freed, or carved anew. */
static inline void actscope_mark_region_end(const void *data) {
  ACTSCOPE_MARK(actscope_mark_hook_region_end, (const void *), (data));
}

/* ---- where the program is ---------------------------------------------------------------------------------------- */

/* A step begins; the one before it ends. Without such marks, a step is one cycle of saves and a backward pass. For loops in
 * which it is not: several backward passes a step (gradient accumulation), or none that is marked. From one thread only. */
static inline void actscope_mark_step(void) {
  ACTSCOPE_MARK(actscope_mark_hook_step, (void), ());
}

/* This thread's phase from now on. ACTSCOPE_OUTSIDE behind a backward pass or an update ends the step, too. */
static inline void actscope_mark_phase(enum actscope_phase phase) {
  ACTSCOPE_MARK(actscope_mark_hook_phase, (int), ((int)phase));
}

/* Backward begins (1) or ends (0), on this thread: for programs that tell of no other phase. */
static inline void actscope_mark_backward(int begins) {
  ACTSCOPE_MARK(actscope_mark_hook_backward, (int), (begins));
}

/* A scope: what this thread saves until the pop belongs to the layer "outer.name", or "name" in no other scope. */
static inline void actscope_mark_push(const char *name) {
  ACTSCOPE_MARK(actscope_mark_hook_push, (const char *), (name));
}

static inline void actscope_mark_pop(void) {
  ACTSCOPE_MARK(actscope_mark_hook_pop, (void), ());
}

/* The whole name at once ("blocks.3.mlp.act"), in place of all scopes of this thread; NULL: none. */
static inline void actscope_mark_layer(const char *name) {
  ACTSCOPE_MARK(actscope_mark_hook_layer, (const char *), (name));
}

#ifdef __cplusplus
}
#endif

#endif
