/* The C half of the dlopen hook; called by the stub in preload_dlopen.c and nobody else. */
#ifndef ACTSCOPE_PROFILER_PRELOAD_DLOPEN_H
#define ACTSCOPE_PROFILER_PRELOAD_DLOPEN_H

/* Notes what is about to be opened; returns the address of the real dlopen. */
void *preload_before_dlopen(const char *file, int flags) __attribute__((visibility("hidden")));

#endif
