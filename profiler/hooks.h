/* The one list of intercepted functions, as X(name, return type, (parameters)): slots, their resolution and the test that
 * every one of them is exported expand from it.
 *
 * Not here: fork (pthread_atfork, which also sees libc's own forks), vfork and clone (a child that shares memory is the same
 * heap, and one that does not is noticed by the guard page, see recorder.c), reallocarray (is realloc with an overflow
 * check), dlopen (must see its caller's return address: preload_dlopen.c). */
#ifndef ACTSCOPE_PROFILER_HOOKS_H
#define ACTSCOPE_PROFILER_HOOKS_H

#include <link.h>
#include <stddef.h>
#include <sys/types.h>

#define HOOKS_ALLOCATION(X)                                                                                            \
  X(malloc, void *, (size_t))                                                                                          \
  X(calloc, void *, (size_t, size_t))                                                                                  \
  X(realloc, void *, (void *, size_t))                                                                                 \
  X(free, void, (void *))                                                                                              \
  X(posix_memalign, int, (void **, size_t, size_t))                                                                    \
  X(aligned_alloc, void *, (size_t, size_t))                                                                           \
  X(memalign, void *, (size_t, size_t))                                                                                \
  X(valloc, void *, (size_t))                                                                                          \
  X(pvalloc, void *, (size_t))                                                                                         \
  X(malloc_usable_size, size_t, (void *))

#define HOOKS_SYSTEM(X)                                                                                                \
  X(mmap, void *, (void *, size_t, int, int, int, off_t))                                                              \
  X(mmap64, void *, (void *, size_t, int, int, int, off64_t))                                                          \
  X(munmap, int, (void *, size_t))                                                                                     \
  X(mremap, void *, (void *, size_t, size_t, int, ...))                                                                \
  X(_Fork, pid_t, (void))                                                                                              \
  X(dlclose, int, (void *))                                                                                            \
  X(dl_iterate_phdr, int, (int (*)(struct dl_phdr_info *, size_t, void *), void *))                                    \
  X(_exit, void, (int))                                                                                                \
  X(_Exit, void, (int))                                                                                                \
  X(quick_exit, void, (int))

#define HOOKS(X) HOOKS_ALLOCATION(X) HOOKS_SYSTEM(X)

#endif
