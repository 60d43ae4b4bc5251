/* Keeps the trace's module map up to date with what the dynamic loader has mapped.
 *
 * The loader's own lock is never taken but in modules_start: a program may hold it (inside dl_iterate_phdr) and wait for us.
 * A module that is loaded later is found when the first stack has a frame in it. All with the recorder's lock held. */
#ifndef ACTSCOPE_PROFILER_MODULES_H
#define ACTSCOPE_PROFILER_MODULES_H

#include <stddef.h>
#include <stdint.h>

/* Writes what is mapped now into a new trace: at start. */
void modules_start(void);
/* The same in a child after fork, from what the parent knew. */
void modules_restart(void);

/* Writes the modules that these code addresses lie in, unless they are in the trace already. */
void modules_note(const uint64_t *frames, size_t count, uint64_t time_ns);

/* After dlclose: writes which modules are gone, and begins a new epoch of code addresses (stack_key.h) if any is. */
void modules_sweep(void);

#endif
