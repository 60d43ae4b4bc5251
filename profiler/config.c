/* Reads the profiler's settings from the environment: see the header. */
#include "profiler/config.h"

#include <stdlib.h>
#include <string.h>

const char *const config_probe_names[4] = {"auto", "symbols", "hooks", "none"};

int config_probe_parse(const char *name) {
  for (int i = 0; i < 4; i++) {
    if (strcmp(name, config_probe_names[i]) == 0) {
      return i;
    }
  }
  return -1;
}

static uint64_t read_number(const char *name, uint64_t fallback, uint64_t most) {
  const char *text = getenv(name);
  if (!text || *text < '0' || *text > '9') {
    return fallback;
  }
  uint64_t value = strtoull(text, NULL, 10);
  return value < most ? value : most;
}

bool config_read(struct config *config) {
  const char *path = getenv(CONFIG_ENV_TRACE);
  if (!path || path[0] != '/' || strlen(path) >= sizeof config->trace_path - 64) {
    return false;
  }
  strcpy(config->trace_path, path);
  config->min_size = read_number(CONFIG_ENV_MIN_SIZE, CONFIG_MIN_SIZE_DEFAULT, UINT64_MAX);
  config->stack_depth =
      (uint32_t)read_number(CONFIG_ENV_STACK_DEPTH, CONFIG_STACK_DEPTH_DEFAULT, CONFIG_STACK_DEPTH_MAX);
  config->root_pid = (uint32_t)read_number(CONFIG_ENV_ROOT, 0, UINT32_MAX);
  config->follow = read_number(CONFIG_ENV_FOLLOW, 1, 1) != 0;
  config->python_stacks = read_number(CONFIG_ENV_PYTHON_STACKS, 0, 1) != 0;
  const char *probe = getenv(CONFIG_ENV_PROBE);
  int mode = probe ? config_probe_parse(probe) : CONFIG_PROBE_AUTO;
  config->probe = mode < 0 ? CONFIG_PROBE_AUTO : (enum config_probe)mode;
  return true;
}
