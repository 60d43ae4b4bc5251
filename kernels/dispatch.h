/* Which kernels run here: the best that the CPU has, or the one that ACTSCOPE_FEWBIT_ISA names. */
#ifndef ACTSCOPE_KERNELS_DISPATCH_H
#define ACTSCOPE_KERNELS_DISPATCH_H

#include "common/error.h"
#include "kernels/kernels.h"

#define DISPATCH_VARIABLE "ACTSCOPE_FEWBIT_ISA"

/* Those that this library was built with, best first, NULL after the last ("ref"); whether or not this CPU has them. */
const struct kernels *const *dispatch_built(void);
bool dispatch_supported(const struct kernels *kernels);

/* By name; ERROR_USAGE for a name that there is none of, for one that this library was not built with, and for one that
 * this CPU lacks. */
int dispatch_find(const struct kernels **kernels, const char *name, struct error *err);

/* By the environment variable if it is set and not empty, else the best. Keeps no state: ask once and remember. */
int dispatch_choose(const struct kernels **kernels, struct error *err);

#endif
