/* The shim: defines the intercepted functions, calls the real ones, tells the recorder. No logic of its own.
 *
 * A free is told before it happens and an allocation after, so that the trace's order of events on an address is true
 * across threads. Slots begin as functions that resolve everything first, so that no call pays for a check. */
#include "profiler/early.h"
#include "profiler/hooks.h"
#include "profiler/probe.h"
#include "profiler/python_guard.h"
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
#define FRAME __builtin_frame_address(0)

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

/* Bytes of a block, by which an allocation and its free agree whether it is small. */
static size_t (*usable_size)(void *block) = early_usable_size;

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

/* ---- whose malloc it is ------------------------------------------------------------------------------------------------- */

/* The module that defines the real malloc, unless that is libc: what it maps for itself is not the program's mapping. */
static uintptr_t allocator_begin, allocator_size;

/* Where usable sizes are not known, everything counts as a small block of no bytes, unless everything is recorded. */
static size_t no_usable_size(void *block) {
  (void)block;
  return 0;
}

static bool find_module(const void *address, struct dl_find_object *module) {
  return address && _dl_find_object((void *)(uintptr_t)address, module) == 0;
}

static const char *module_name(const struct dl_find_object *module) {
  const char *name = module->dlfo_link_map->l_name;
  return name && *name ? name : program_invocation_name;
}

static void *address_of(const char *name, void *handle) {
  return dlsym(handle, name);
}

/* An allocator of the program's own, beneath us: see what it lacks. */
static void inspect_allocator(void) {
  struct dl_find_object libc, heap, sizes, cxx;
  if (!find_module(address_of("getpid", RTLD_NEXT), &libc) || !find_module(address_of("malloc", RTLD_NEXT), &heap) ||
      heap.dlfo_link_map == libc.dlfo_link_map) {
    return;
  }
  allocator_begin = (uintptr_t)heap.dlfo_map_start;
  allocator_size = (uintptr_t)heap.dlfo_map_end - allocator_begin;
  recorder_meta("allocator", module_name(&heap));
  if (!find_module(address_of("malloc_usable_size", RTLD_NEXT), &sizes) || sizes.dlfo_link_map != heap.dlfo_link_map) {
    usable_size = no_usable_size;
    recorder_meta("no_usable_size", module_name(&heap));
  }
  if (find_module(address_of("_Znwm", RTLD_NEXT), &cxx) && cxx.dlfo_link_map == heap.dlfo_link_map) {
    recorder_meta("own_operator_new", module_name(&heap)); /* it does not go by malloc */
  }
}

/* Is the function defined there? A program at a fixed address that takes malloc's address has a stub for it, which is then
 * what everybody finds under that name, and which jumps to us. */
static bool is_defined_at(const void *address) {
  Dl_info info;
  const ElfW(Sym) *symbol = NULL;
  return dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol && symbol->st_shndx != SHN_UNDEF;
}

static bool bypassed; /* malloc and its kin are somebody else's in this process */

/* What a call of the allocator comes to: by the first of its functions that no program's stub stands for. */
static const void *find_allocator(void) {
  static const char *const names[] = {"malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const void *found = address_of(names[i], RTLD_DEFAULT);
    if (found && is_defined_at(found)) {
      return found;
    }
  }
  return NULL;
}

/* A program that defines malloc itself never comes here, nor one with an allocator that is preloaded before us. */
static void inspect_bypass(void) {
  struct dl_find_object ours, first;
  bypassed = find_module((const void *)(uintptr_t)&inspect_bypass, &ours) && find_module(find_allocator(), &first) &&
             first.dlfo_link_map != ours.dlfo_link_map;
  if (bypassed && recorder_config()) {
    recorder_meta("own_malloc", module_name(&first));
  }
}

static void resolve(void) {
  static bool resolving;
  if (resolving) {
    return;
  }
  resolving = true;
  struct slots found = {0};
  real = early; /* for what dlsym itself asks for */
#define RESOLVE(name, type, parameters) *(void **)&found.name = dlsym(RTLD_NEXT, #name);
  HOOKS(RESOLVE)
  real = found;
  usable_size = found.malloc_usable_size;
  recorder_init();
  inspect_bypass();
  if (recorder_config()) {
    inspect_allocator();
  }
}

__attribute__((constructor(101))) static void start(void) {
  resolve();
}

__attribute__((destructor)) static void finish(void) {
  recorder_note_exit();
}

/* ---- the heap ------------------------------------------------------------------------------------------------------ */

static inline void *tell_alloc(void *block, size_t size, const void *frame) {
  struct thread_state *state;
  if (block && !early_owns(block) && (state = recorder_current())) {
    size_t usable = usable_size(block);
    if (usable < recorder_min_size) {
      recorder_small_alloc(state, usable);
    } else {
      recorder_alloc(state, block, size, frame);
      probe_note_block(block, size);
    }
  }
  return block;
}

EXPORT void *malloc(size_t size) {
  return tell_alloc(real.malloc(size), size, FRAME);
}

EXPORT void *calloc(size_t count, size_t size) {
  return tell_alloc(real.calloc(count, size), count * size, FRAME);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
  return tell_alloc(real.aligned_alloc(alignment, size), size, FRAME);
}

EXPORT void *memalign(size_t alignment, size_t size) {
  return tell_alloc(real.memalign(alignment, size), size, FRAME);
}

EXPORT void *valloc(size_t size) {
  return tell_alloc(real.valloc(size), size, FRAME);
}

EXPORT void *pvalloc(size_t size) {
  return tell_alloc(real.pvalloc(size), size, FRAME);
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size) {
  int failed = real.posix_memalign(block, alignment, size);
  if (!failed) {
    tell_alloc(*block, size, FRAME);
  }
  return failed;
}

/* glibc gives a large block a mapping of its own, says so in the word before it, and unmaps it behind our back. */
static inline bool is_mapping(const void *block, size_t usable) {
  enum { LEAST = 128 << 10, IS_MAPPING = 2 };
  return __builtin_expect(python_stacks_on, 0) && usable >= LEAST && !allocator_size &&
         ((const size_t *)block)[-1] & IS_MAPPING;
}

EXPORT void free(void *block) {
  struct thread_state *state;
  if (early_owns(block)) {
    return;
  }
  if (block && (state = recorder_current())) {
    size_t usable = usable_size(block);
    if (usable < recorder_min_size) {
      recorder_small_free(state, usable);
    } else {
      recorder_free(state, block, FRAME);
      if (is_mapping(block, usable)) {
        real.free(block);
        python_guard_note_unmap();
        return;
      }
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

static void *realloc_told(void *block, size_t size, const void *frame) {
  struct thread_state *state = recorder_current();
  if (early_owns(block)) {
    return tell_alloc(realloc_early(block, size), size, frame);
  }
  if (!block || !state) {
    return tell_alloc(real.realloc(block, size), size, frame);
  }
  size_t before = usable_size(block);
  uint32_t stack = 0;
  if (before < recorder_min_size) {
    recorder_small_free(state, before);
  } else {
    stack = recorder_realloc_free(state, block, frame);
  }
  bool unmaps = is_mapping(block, before);
  void *moved = real.realloc(block, size);
  if (unmaps) {
    python_guard_note_unmap();
  }
  bool kept = !moved && size != 0; /* it failed: the old block is still there, with the size that is known of it */
  void *now = kept ? block : moved;
  if (now) {
    size_t usable = usable_size(now);
    if (usable < recorder_min_size) {
      recorder_small_alloc(state, usable);
    } else {
      recorder_realloc_alloc(state, now, kept ? before : size, stack, frame);
      probe_note_block(now, size);
    }
  }
  return moved;
}

EXPORT void *realloc(void *block, size_t size) {
  return realloc_told(block, size, FRAME);
}

EXPORT void *reallocarray(void *block, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return NULL;
  }
  /* An allocator that comes before us may lack this function, and yet is given the block back. */
  return bypassed ? realloc(block, bytes) : realloc_told(block, bytes, FRAME);
}

/* ---- mappings ------------------------------------------------------------------------------------------------------ */

/* What an allocator maps is its own business; its lock may be held, too. */
static inline bool is_allocators(const void *frame) {
  uintptr_t caller = ((const uintptr_t *)frame)[1];
  return caller - allocator_begin < allocator_size;
}

static inline void tell_map(const void *address, size_t size, bool unmap, const void *frame) {
  if (!is_allocators(frame)) {
    recorder_map(address, size, unmap, frame);
  }
}

static inline void *tell_mapped(void *mapped, size_t size, int flags, const void *frame) {
  if (flags & MAP_FIXED) {
    python_guard_note_unmap(); /* what was there is gone */
  }
  if (mapped != MAP_FAILED) {
    tell_map(mapped, size, false, frame);
  }
  return mapped;
}

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
  if (!real.mmap) {
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset); // NOLINT(performance-no-int-to-ptr)
  }
  return tell_mapped(real.mmap(address, size, protection, flags, fd, offset), size, flags, FRAME);
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset) {
  if (!real.mmap64) {
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset); // NOLINT(performance-no-int-to-ptr)
  }
  return tell_mapped(real.mmap64(address, size, protection, flags, fd, offset), size, flags, FRAME);
}

/* The kernel refuses other addresses. */
static bool is_page(const void *address) {
  return ((uintptr_t)address & 4095) == 0;
}

EXPORT int munmap(void *address, size_t size) {
  if (!real.munmap) {
    return (int)syscall(SYS_munmap, address, size);
  }
  if (size && is_page(address)) {
    tell_map(address, size, true, FRAME);
  }
  int failed = real.munmap(address, size);
  python_guard_note_unmap();
  return failed;
}

/* Like realloc: the old range ends before the call, since another thread may get it at once; it is back if that failed. */
EXPORT void *mremap(void *old, size_t old_size, size_t size, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  void *wanted = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
  va_end(rest);
  if (!real.mremap) {
    return (void *)syscall(SYS_mremap, old, old_size, size, flags, wanted); // NOLINT(performance-no-int-to-ptr)
  }
  bool moves = old_size && !(flags & MREMAP_DONTUNMAP) && is_page(old);
  if (moves) {
    tell_map(old, old_size, true, FRAME);
  }
  void *mapped = real.mremap(old, old_size, size, flags, wanted);
  python_guard_note_unmap();
  if (mapped != MAP_FAILED) {
    tell_map(mapped, size, false, FRAME);
  } else if (moves) {
    tell_map(old, old_size, false, FRAME);
  }
  return mapped;
}

/* ---- processes and modules ------------------------------------------------------------------------------------------ */

/* The fork that may be called in signal handlers, and so runs no pthread_atfork handlers. */
EXPORT pid_t _Fork(void) {
  resolve();
  recorder_before_fork();
  pid_t child = real._Fork();
  if (child == 0) {
    recorder_after_fork_in_child();
  } else {
    recorder_after_fork();
  }
  return child;
}

EXPORT int dlclose(void *handle) {
  resolve();
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
  int scope __attribute__((cleanup(allow_locks), unused)) = 0; /* also when the callback throws */
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
