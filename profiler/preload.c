/* The shim: defines the intercepted functions, calls the real ones, tells the recorder. No logic of its own.
 *
 * A free is told before it happens and an allocation after, so that the trace's order of events on an address is true
 * across threads. Slots begin as functions that resolve everything first, so that no call pays for a check. */
#include "profiler/early.h"
#include "profiler/hooks.h"
#include "profiler/probe.h"
#include "profiler/recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)

#define DECLARE_SLOT(name, type, parameters) type(*name) parameters;
struct slots {
  HOOKS(DECLARE_SLOT)
};

/* ---- before the real functions are known ------------------------------------------------------------------------------ */

static void *early_malloc(size_t size) {
  return early_alloc(16, size);
}

static void *early_calloc(size_t count, size_t size) {
  size_t bytes;
  return __builtin_mul_overflow(count, size, &bytes) ? NULL : early_alloc(16, bytes);
}

static void *early_realloc(void *block, size_t size) {
  void *moved = early_alloc(16, size);
  if (moved && block) {
    size_t old = early_size(block);
    memcpy(moved, block, old < size ? old : size);
  }
  return moved;
}

static void early_free(void *block) {
  (void)block;
}

static void *early_memalign(size_t alignment, size_t size) {
  return early_alloc(alignment, size);
}

static int early_posix_memalign(void **block, size_t alignment, size_t size) {
  *block = early_alloc(alignment, size);
  return *block ? 0 : ENOMEM;
}

static void *early_valloc(size_t size) {
  return early_alloc(4096, size);
}

static size_t early_usable_size(void *block) {
  return block ? early_size(block) : 0;
}

static const struct slots early = {
    .malloc = early_malloc,
    .calloc = early_calloc,
    .realloc = early_realloc,
    .free = early_free,
    .posix_memalign = early_posix_memalign,
    .aligned_alloc = early_memalign,
    .memalign = early_memalign,
    .valloc = early_valloc,
    .pvalloc = early_valloc,
    .malloc_usable_size = early_usable_size,
};

static struct slots real;
static bool resolving;

static void resolve(void);

static void *first_malloc(size_t size) {
  resolve();
  return real.malloc(size);
}

static void *first_calloc(size_t count, size_t size) {
  resolve();
  return real.calloc(count, size);
}

static void *first_realloc(void *block, size_t size) {
  resolve();
  return real.realloc(block, size);
}

static void first_free(void *block) {
  resolve();
  real.free(block);
}

static int first_posix_memalign(void **block, size_t alignment, size_t size) {
  resolve();
  return real.posix_memalign(block, alignment, size);
}

static void *first_aligned_alloc(size_t alignment, size_t size) {
  resolve();
  return real.aligned_alloc(alignment, size);
}

static void *first_memalign(size_t alignment, size_t size) {
  resolve();
  return real.memalign(alignment, size);
}

static void *first_valloc(size_t size) {
  resolve();
  return real.valloc(size);
}

static void *first_pvalloc(size_t size) {
  resolve();
  return real.pvalloc(size);
}

static size_t first_usable_size(void *block) {
  resolve();
  return real.malloc_usable_size(block);
}

static struct slots real = {
    .malloc = first_malloc,
    .calloc = first_calloc,
    .realloc = first_realloc,
    .free = first_free,
    .posix_memalign = first_posix_memalign,
    .aligned_alloc = first_aligned_alloc,
    .memalign = first_memalign,
    .valloc = first_valloc,
    .pvalloc = first_pvalloc,
    .malloc_usable_size = first_usable_size,
};

static void resolve(void) {
  if (resolving) {
    return;
  }
  resolving = true;
  struct slots found = {0};
  real = early; /* for what dlsym itself asks for */
#define RESOLVE(name, type, parameters) *(void **)&found.name = dlsym(RTLD_NEXT, #name);
  HOOKS(RESOLVE)
  real = found;
  recorder_init();
}

__attribute__((constructor(101))) static void start(void) {
  resolve();
}

__attribute__((destructor)) static void finish(void) {
  recorder_note_exit();
}

/* ---- the heap ------------------------------------------------------------------------------------------------------ */

static inline void *tell_alloc(void *block, size_t size, const void *caller) {
  struct thread_state *state;
  if (block && !early_owns(block) && (state = recorder_current())) {
    size_t usable = real.malloc_usable_size(block);
    if (usable < recorder_min_size) {
      recorder_small_alloc(state, usable);
    } else {
      recorder_alloc(state, block, size, caller);
      probe_note_block(block, size);
    }
  }
  return block;
}

EXPORT void *malloc(size_t size) {
  return tell_alloc(real.malloc(size), size, CALLER);
}

EXPORT void *calloc(size_t count, size_t size) {
  return tell_alloc(real.calloc(count, size), count * size, CALLER);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
  return tell_alloc(real.aligned_alloc(alignment, size), size, CALLER);
}

EXPORT void *memalign(size_t alignment, size_t size) {
  return tell_alloc(real.memalign(alignment, size), size, CALLER);
}

EXPORT void *valloc(size_t size) {
  return tell_alloc(real.valloc(size), size, CALLER);
}

EXPORT void *pvalloc(size_t size) {
  return tell_alloc(real.pvalloc(size), size, CALLER);
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size) {
  int failed = real.posix_memalign(block, alignment, size);
  if (!failed) {
    tell_alloc(*block, size, CALLER);
  }
  return failed;
}

EXPORT void free(void *block) {
  struct thread_state *state;
  if (early_owns(block)) {
    return;
  }
  if (block && (state = recorder_current())) {
    size_t usable = real.malloc_usable_size(block);
    if (usable < recorder_min_size) {
      recorder_small_free(state, usable);
    } else {
      recorder_free(state, block, CALLER);
    }
  }
  real.free(block);
}

EXPORT size_t malloc_usable_size(void *block) {
  return early_owns(block) ? early_size(block) : real.malloc_usable_size(block);
}

static void *realloc_early(void *block, size_t size) {
  void *moved = real.malloc(size);
  if (moved) {
    size_t old = early_size(block);
    memcpy(moved, block, old < size ? old : size);
  }
  return moved;
}

static void *realloc_told(void *block, size_t size, const void *caller) {
  struct thread_state *state = recorder_current();
  if (early_owns(block)) {
    return tell_alloc(realloc_early(block, size), size, caller);
  }
  if (!block || !state) {
    return tell_alloc(real.realloc(block, size), size, caller);
  }
  size_t before = real.malloc_usable_size(block);
  uint32_t stack = 0;
  if (before < recorder_min_size) {
    recorder_small_free(state, before);
  } else {
    stack = recorder_realloc_free(state, block, caller);
  }
  void *moved = real.realloc(block, size);
  bool kept = !moved && size != 0; /* it failed: the old block is still there, with the size that is known of it */
  void *now = kept ? block : moved;
  if (now) {
    size_t usable = real.malloc_usable_size(now);
    if (usable < recorder_min_size) {
      recorder_small_alloc(state, usable);
    } else {
      recorder_realloc_alloc(state, now, kept ? before : size, stack, caller);
      probe_note_block(now, size);
    }
  }
  return moved;
}

EXPORT void *realloc(void *block, size_t size) {
  return realloc_told(block, size, CALLER);
}

EXPORT void *reallocarray(void *block, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return NULL;
  }
  return realloc_told(block, bytes, CALLER);
}

/* ---- mappings ------------------------------------------------------------------------------------------------------ */

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
  if (!real.mmap) {
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset); // NOLINT(performance-no-int-to-ptr)
  }
  void *mapped = real.mmap(address, size, protection, flags, fd, offset);
  if (mapped != MAP_FAILED) {
    recorder_map(mapped, size, false, CALLER);
  }
  return mapped;
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset) {
  if (!real.mmap64) {
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset); // NOLINT(performance-no-int-to-ptr)
  }
  void *mapped = real.mmap64(address, size, protection, flags, fd, offset);
  if (mapped != MAP_FAILED) {
    recorder_map(mapped, size, false, CALLER);
  }
  return mapped;
}

EXPORT int munmap(void *address, size_t size) {
  if (!real.munmap) {
    return (int)syscall(SYS_munmap, address, size);
  }
  recorder_map(address, size, true, CALLER);
  return real.munmap(address, size);
}

EXPORT void *mremap(void *old, size_t old_size, size_t size, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  void *wanted = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
  va_end(rest);
  if (!real.mremap) {
    return (void *)syscall(SYS_mremap, old, old_size, size, flags, wanted); // NOLINT(performance-no-int-to-ptr)
  }
  void *mapped = real.mremap(old, old_size, size, flags, wanted);
  if (mapped != MAP_FAILED) {
    recorder_map(old, old_size, true, CALLER);
    recorder_map(mapped, size, false, CALLER);
  }
  return mapped;
}

/* ---- processes and modules ------------------------------------------------------------------------------------------ */

EXPORT pid_t fork(void) {
  resolve();
  recorder_before_fork();
  pid_t child = real.fork();
  recorder_after_fork();
  return child;
}

EXPORT int dlclose(void *handle) {
  resolve();
  recorder_modules_unloading();
  int failed = real.dlclose(handle);
  recorder_modules_changed();
  return failed;
}

static void allow_locks(const int *unused) {
  (void)unused;
  recorder_allow_locks();
}

EXPORT int dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *context) {
  resolve();
  if (!real.dl_iterate_phdr) {
    return 0;
  }
  recorder_forbid_locks();
  int scope __attribute__((cleanup(allow_locks))) = 0; /* also when the callback throws */
  return real.dl_iterate_phdr(callback, context);
}

EXPORT void _exit(int status) {
  recorder_note_exit();
  syscall(SYS_exit_group, status);
  __builtin_unreachable();
}

EXPORT void _Exit(int status) {
  _exit(status);
}

EXPORT void quick_exit(int status) {
  resolve();
  recorder_note_exit();
  real.quick_exit(status);
  __builtin_unreachable();
}
