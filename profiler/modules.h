/* Keeps the trace's module map up to date with what the dynamic loader has mapped. */
#ifndef ACTSCOPE_PROFILER_MODULES_H
#define ACTSCOPE_PROFILER_MODULES_H

#include "profiler/run_file.h"

#include <stdbool.h>

/* Forgets what is known: a new trace begins. */
void modules_init(struct run_file *file);

/* Have modules been loaded since the last refresh? One load, no lock. */
bool modules_stale(void);

/* Writes what has been loaded or unmapped since the last time. True if code was unmapped: an address may mean other code
 * from now on. With the recorder's lock held; takes the loader's lock for a moment. */
bool modules_refresh(void);

/* A module is about to be unmapped: modules_stale looks at nothing until the next refresh. */
void modules_unloading(void);

#endif
