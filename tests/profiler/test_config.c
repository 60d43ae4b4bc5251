/* The settings that the launcher hands over in the environment. */
#include "profiler/config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct config config;

Test(config, nothing_without_a_trace) {
  unsetenv(CONFIG_ENV_TRACE);
  cr_expect_not(config_read(&config));
  setenv(CONFIG_ENV_TRACE, "relative/path", 1);
  cr_expect_not(config_read(&config));
  char path[CONFIG_PATH_MAX + 1];
  memset(path, '/', sizeof path);
  path[sizeof path - 1] = '\0';
  setenv(CONFIG_ENV_TRACE, path, 1);
  cr_expect_not(config_read(&config), "no room for the number of the process");
}

Test(config, defaults) {
  setenv(CONFIG_ENV_TRACE, "/tmp/run", 1);
  cr_assert(config_read(&config));
  cr_expect_str_eq(config.trace_path, "/tmp/run");
  cr_expect_eq(config.min_size, CONFIG_MIN_SIZE_DEFAULT);
  cr_expect_eq(config.stack_depth, CONFIG_STACK_DEPTH_DEFAULT);
  cr_expect(config.follow);
  cr_expect_not(config.python_stacks);
  cr_expect_eq(config.probe, CONFIG_PROBE_AUTO);
}

Test(config, numbers) {
  setenv(CONFIG_ENV_TRACE, "/tmp/run", 1);
  setenv(CONFIG_ENV_MIN_SIZE, "0", 1);
  setenv(CONFIG_ENV_STACK_DEPTH, "100000", 1);
  setenv(CONFIG_ENV_FOLLOW, "0", 1);
  setenv(CONFIG_ENV_ROOT, "4711", 1);
  setenv(CONFIG_ENV_PYTHON_STACKS, "1", 1);
  setenv(CONFIG_ENV_PROBE, "hooks", 1);
  cr_assert(config_read(&config));
  cr_expect_eq(config.min_size, 0);
  cr_expect_eq(config.stack_depth, CONFIG_STACK_DEPTH_MAX);
  cr_expect_not(config.follow);
  cr_expect(config.python_stacks);
  cr_expect_eq(config.root_pid, 4711);
  cr_expect_eq(config.probe, CONFIG_PROBE_HOOKS);
}

Test(config, nonsense_is_the_default) {
  setenv(CONFIG_ENV_TRACE, "/tmp/run", 1);
  setenv(CONFIG_ENV_MIN_SIZE, "many", 1);
  setenv(CONFIG_ENV_STACK_DEPTH, "-1", 1);
  setenv(CONFIG_ENV_PROBE, "psychic", 1);
  cr_assert(config_read(&config));
  cr_expect_eq(config.min_size, CONFIG_MIN_SIZE_DEFAULT);
  cr_expect_eq(config.stack_depth, CONFIG_STACK_DEPTH_DEFAULT);
  cr_expect_eq(config.probe, CONFIG_PROBE_AUTO);
}

Test(config, names_of_probes) {
  for (int i = 0; i < 4; i++) {
    cr_expect_eq(config_probe_parse(config_probe_names[i]), i);
  }
  cr_expect_eq(config_probe_parse(""), -1);
  cr_expect_eq(config_probe_parse("AUTO"), -1);
}
