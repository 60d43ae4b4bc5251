/* Finishes a trace when its process has ended: packs the chunks (zstd with checksums), sets the CRCs and the exit status.
 */
#ifndef ACTSCOPE_TRACE_FINISH_H
#define ACTSCOPE_TRACE_FINISH_H

#include "common/error.h"

#include <stdbool.h>

/* May a trace take this name? Yes, if nothing is there, or a trace, or an empty file; else ERROR_USAGE. */
int trace_check_target(const char *target, struct error *err);

struct trace_finish_options {
  bool compress;
  int exit_status;                               /* as a shell gives it, -1 = unknown */
  void (*progress)(void *context, double share); /* may be NULL */
  void *context;
};

/* Rewrites the trace at source as target (a new file beside it, renamed into place when whole, so that nothing is lost
 * on a full disk; source is removed then, if it is another name). */
int trace_finish(const char *source, const char *target, const struct trace_finish_options *options, struct error *err);

#endif
