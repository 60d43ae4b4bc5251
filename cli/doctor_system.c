/* The kernel, the C library, memory, limits, and the terminal. */
#include "cli/doctor.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <langinfo.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

/* A file's first word as a number; DOCTOR_UNKNOWN if it has none, DOCTOR_UNLIMITED for "max". *second (may be NULL) gets the
 * next one. */
static uint64_t read_number(const char *path, uint64_t *second) {
  char line[128] = "", *rest;
  FILE *file = fopen(path, "re");
  if (file) {
    (void)!fgets(line, sizeof line, file);
    (void)fclose(file);
  }
  if (strncmp(line, "max", 3) == 0) {
    return DOCTOR_UNLIMITED;
  }
  const unsigned long long value = strtoull(line, &rest, 10);
  if (rest == line) {
    return DOCTOR_UNKNOWN;
  }
  if (second) {
    *second = strtoull(rest, NULL, 10);
  }
  return value;
}

/* ---- control groups ---------------------------------------------------------------------------------------------- */

/* This process's path below `controller`, or in the one tree of version 2 (controller ""); false: none. */
static bool group_of(const char *controller, char *path, size_t size) {
  char line[1024];
  bool found = false;
  FILE *file = fopen("/proc/self/cgroup", "re");
  while (file && !found && fgets(line, sizeof line, file)) {
    char *names = strchr(line, ':'), *where = names ? strchr(names + 1, ':') : NULL;
    if (where) {
      *where++ = '\0';
      where[strcspn(where, "\n")] = '\0';
      found = *controller ? strstr(names + 1, controller) != NULL : !names[1];
      snprintf(path, size, "%s", where);
    }
  }
  if (file) {
    (void)fclose(file);
  }
  return found;
}

/* The least value of a file of numbers along the way from this process's group up to the root: any of them limits. */
static uint64_t least_of_groups(const char *root, const char *controller, const char *name) {
  char path[1024], file[2048];
  uint64_t least = DOCTOR_UNLIMITED;
  if (!group_of(controller, path, sizeof path)) {
    return DOCTOR_UNKNOWN;
  }
  for (char *end = path + strlen(path);; end = strrchr(path, '/')) {
    *end = '\0';
    snprintf(file, sizeof file, "%s%s/%s", root, path, name);
    const uint64_t value = read_number(file, NULL);
    least = value < least ? value : least;
    if (!*path || !strchr(path, '/')) {
      return least;
    }
  }
}

/* Version 1 writes a number near 2^63 where there is no limit. */
static uint64_t memory_limit(void) {
  const uint64_t two = least_of_groups("/sys/fs/cgroup", "", "memory.max");
  const uint64_t one = least_of_groups("/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes");
  const uint64_t limit = two < one ? two : one;
  return limit < (uint64_t)1 << 60 ? limit : DOCTOR_UNLIMITED;
}

/* Percent of one processor. */
static uint64_t cpu_share(void) {
  uint64_t period = 0;
  const uint64_t quota = read_number("/sys/fs/cgroup/cpu.max", &period);
  return quota < DOCTOR_UNKNOWN && period ? quota * 100 / period : DOCTOR_UNLIMITED;
}

/* ---- this process ------------------------------------------------------------------------------------------------ */

static uint64_t limit_of(int resource) {
  struct rlimit limit;
  return getrlimit((__rlimit_resource_t)resource, &limit) != 0 ? DOCTOR_UNKNOWN
         : limit.rlim_cur == RLIM_INFINITY                     ? DOCTOR_UNLIMITED
                                                               : limit.rlim_cur;
}

static uint64_t count_cpus(void) {
  cpu_set_t set;
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint64_t)CPU_COUNT(&set) : online > 0 ? (uint64_t)online : 1;
}

/* TMPDIR, or /tmp where nothing can be written there, as who needs such a folder chooses. */
static void look_at_temporary(struct doctor_machine *machine) {
  const char *told = getenv("TMPDIR"), *folder = told && *told ? told : "/tmp";
  struct statvfs status;
  if (access(folder, W_OK | X_OK) != 0) {
    snprintf(machine->temporary_why, sizeof machine->temporary_why, "%s: %s", folder, strerror(errno));
    folder = "/tmp";
  }
  machine->temporary_writable = access(folder, W_OK | X_OK) == 0;
  snprintf(machine->temporary, sizeof machine->temporary, "%s", folder);
  machine->temporary_free =
      statvfs(folder, &status) == 0 ? (uint64_t)status.f_bavail * status.f_frsize : DOCTOR_UNKNOWN;
}

/* May be -1, so it is no number of those above. */
static int perf_paranoid(void) {
  int value = DOCTOR_NO_PERF;
  FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
  if (file) {
    char line[32], *rest;
    if (fgets(line, sizeof line, file)) {
      const long number = strtol(line, &rest, 10);
      value = rest == line ? DOCTOR_NO_PERF : (int)number;
    }
    (void)fclose(file);
  }
  return value;
}

static void look_at_terminal(struct doctor_machine *machine) {
  struct winsize window;
  machine->terminal = isatty(STDOUT_FILENO);
  machine->color = sink_wants_color(machine->terminal);
  machine->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  machine->columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col ? window.ws_col : 80;
}

void doctor_look_at_system(struct doctor_machine *machine) {
  struct utsname name;
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (uname(&name) == 0) {
    snprintf(machine->kernel, sizeof machine->kernel, "%.60s", name.release);
    snprintf(machine->architecture, sizeof machine->architecture, "%.60s", name.machine);
  }
  snprintf(machine->libc, sizeof machine->libc, "%s", gnu_get_libc_version());
  machine->cpus = count_cpus();
  machine->cpu_share = cpu_share();
  machine->memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : DOCTOR_UNKNOWN;
  machine->memory_limit = memory_limit();
  machine->address_limit = limit_of(RLIMIT_AS);
  machine->file_limit = limit_of(RLIMIT_FSIZE);
  machine->files_limit = limit_of(RLIMIT_NOFILE);
  machine->perf_paranoid = perf_paranoid();
  machine->privileged = geteuid() == 0;
  look_at_temporary(machine);
  look_at_terminal(machine);
}
