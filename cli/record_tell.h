/* What `record`, and `apply --record`, say when the command has ended. */
#ifndef ACTSCOPE_CLI_RECORD_TELL_H
#define ACTSCOPE_CLI_RECORD_TELL_H

#include "profiler/launch.h"

/* To stderr. The command has been run; result may hold no trace. */
void record_tell(const struct launch_options *launch, const struct launch_result *result);

#endif
