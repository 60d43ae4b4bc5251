/* Other recordings to the same RUN: none may be going on, and what they left is replaced or kept. Private to the launcher. */
#ifndef ACTSCOPE_PROFILER_LAUNCH_EARLIER_H
#define ACTSCOPE_PROFILER_LAUNCH_EARLIER_H

#include "common/error.h"
#include "profiler/config.h"
#include "profiler/launch.h"
#include "profiler/launch_name.h"

/* RUN.actscope-lock, locked from before the command starts until its traces are finished; the system unlocks it if the
 * launcher is killed. fd -1: none, as where a file cannot be locked. */
struct launch_lock {
  int fd;
  char path[CONFIG_PATH_MAX + 32];
};

/* ERROR_USAGE if another launcher has it. launch_lock_drop also where it failed, or on {.fd = -1}. */
int launch_lock_take(struct launch_lock *lock, const char *output, struct error *err);
void launch_lock_drop(struct launch_lock *lock);

/* Removes the finished traces of an earlier recording's processes that this launcher would take for its own, and names in
 * result->interrupted those which one that did not come to its end has left. ERROR_USAGE, with nothing removed, if a process
 * is still recorded to the name. */
int launch_clear_earlier(const struct launch_name *name, struct launch_result *result, struct error *err);

#endif
