/* Is there memory for what is to be replayed? Asked before, because Linux gives out more than it has and kills later. */
#ifndef ACTSCOPE_KERNELS_REPLAY_AVAILABLE_H
#define ACTSCOPE_KERNELS_REPLAY_AVAILABLE_H

#include "common/error.h"

#include <stddef.h>

/* Bytes that this process may still take, as far as the system and the control group tell; SIZE_MAX if they do not. */
size_t available_bytes(void);

/* ERROR_MEMORY, with both figures, if `bytes` are more than that; `what`: "the replay of run.act". */
int available_check(size_t bytes, const char *what, struct error *err);

#endif
