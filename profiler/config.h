/* What the launcher tells the preload library, through the environment, and what it defaults to. */
#ifndef ACTSCOPE_PROFILER_CONFIG_H
#define ACTSCOPE_PROFILER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_ENV_TRACE "ACTSCOPE_TRACE"       /* absolute path; the process appends .<pid> */
#define CONFIG_ENV_MIN_SIZE "ACTSCOPE_MIN_SIZE" /* bytes */
#define CONFIG_ENV_STACK_DEPTH "ACTSCOPE_STACK_DEPTH"
#define CONFIG_ENV_FOLLOW "ACTSCOPE_FOLLOW" /* 0: children are not recorded */
#define CONFIG_ENV_PROBE "ACTSCOPE_PROBE"   /* auto, symbols, hooks, none */
#define CONFIG_ENV_ROOT "ACTSCOPE_ROOT_PID" /* the launched process, the only one recorded without follow */
#define CONFIG_ENV_LAYERS "ACTSCOPE_LAYERS" /* 1: the start-up file tells names of layers */
#define CONFIG_ENV_PYTHON_STACKS "ACTSCOPE_PYTHON_STACKS" /* 1: stacks have the lines of Python in them */
#define CONFIG_ENV_STARTUP "ACTSCOPE_STARTUP"             /* folder that record and apply put in front of PYTHONPATH */

/* What `actscope apply` tells the Python start-up file; the preload library has no part in it. */
#define CONFIG_ENV_APPLY_BITS "ACTSCOPE_APPLY_BITS"           /* not there: nothing is to be replaced */
#define CONFIG_ENV_APPLY_FUNCTIONS "ACTSCOPE_APPLY_FUNCTIONS" /* these three only if they were given */
#define CONFIG_ENV_APPLY_METHOD "ACTSCOPE_APPLY_METHOD"
#define CONFIG_ENV_APPLY_WEIGHT "ACTSCOPE_APPLY_WEIGHT"
#define CONFIG_ENV_APPLY_PACKAGE "ACTSCOPE_APPLY_PACKAGE" /* folder of the Python package */
#define CONFIG_ENV_APPLY_REPORT "ACTSCOPE_APPLY_REPORT"   /* folder where processes tell what they replaced */

#define CONFIG_PATH_MAX 4000
#define CONFIG_STACK_DEPTH_MAX 512
#define CONFIG_STACK_DEPTH_DEFAULT 128
#define CONFIG_MIN_SIZE_DEFAULT 4096

enum config_probe { CONFIG_PROBE_AUTO, CONFIG_PROBE_SYMBOLS, CONFIG_PROBE_HOOKS, CONFIG_PROBE_NONE };

struct config {
  char trace_path[CONFIG_PATH_MAX];
  uint64_t min_size;
  uint32_t stack_depth;
  uint32_t root_pid;
  bool follow;
  bool python_stacks;
  enum config_probe probe;
};

/* Reads the environment; false when there is no trace path, so nothing is to be recorded. Never allocates. */
bool config_read(struct config *config);

/* The name of a probe mode and back; -1 for a name that is none. */
int config_probe_parse(const char *name);
extern const char *const config_probe_names[4];

#endif
