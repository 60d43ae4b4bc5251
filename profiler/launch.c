/* Starts the command with the preload library and waits for it: see the header.
 *
 * Signals to the whole process group, as the terminal's, reach the command by themselves, so the launcher only ignores
 * them; others are passed on. What the launcher changes for itself (signals), the command does not inherit. */
#include "profiler/launch.h"

#include "profiler/launch_earlier.h"
#include "profiler/launch_name.h"
#include "profiler/launch_python.h"
#include "profiler/launch_witness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PRELOAD_NAME "actscope_preload.so"
#define PACKAGE_FOLDER "/python" /* below our own folder; holds the Python package */

/* ---- where our own files are ------------------------------------------------------------------------------------- */

/* The folder of the preload library, found from where this program is: beside it in a build tree, below the same prefix
 * when installed. */
static int find_own_folder(char *folder, size_t size, struct error *err) {
  static const char *const places[] = {"/../lib/actscope", "/../" ACTSCOPE_LIBDIR "/actscope", "/../../lib/actscope"};
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0) {
    return error_set(err, ERROR_IO, "/proc/self/exe: %s; actscope needs /proc", strerror(errno));
  }
  self[length] = '\0';
  *strrchr(self, '/') = '\0';
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    char candidate[2 * PATH_MAX];
    char resolved[PATH_MAX];
    snprintf(candidate, sizeof candidate, "%s%s/%s", self, places[i], PRELOAD_NAME);
    if (realpath(candidate, resolved) && strlen(resolved) < size) {
      *strrchr(resolved, '/') = '\0';
      strcpy(folder, resolved);
      return strpbrk(folder, " :") ? error_set(err, ERROR_IO,
                                               "%s: the dynamic loader takes no preload path with a space or colon in "
                                               "it; install actscope elsewhere",
                                               folder)
                                   : 0;
    }
  }
  return error_set(err, ERROR_IO, "%s: not found beside %s; install actscope whole (cmake --install)", PRELOAD_NAME,
                   self);
}

/* ---- the command's environment ------------------------------------------------------------------------------------ */

static void set_number(const char *name, uint64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  setenv(name, text, 1);
}

static int prepend(const char *name, const char *item, char separator) {
  const char *old = getenv(name);
  char *value;
  if (asprintf(&value, "%s%c%s", item, separator, old ? old : "") < 0) {
    return -1;
  }
  if (!old || !*old) {
    value[strlen(item)] = '\0';
  }
  setenv(name, value, 1);
  free(value);
  return 0;
}

static void set_or_unset(const char *name, const char *value) {
  if (value) {
    setenv(name, value, 1);
  } else {
    unsetenv(name);
  }
}

static void set_startup(const char *folder) {
  char path[PATH_MAX + 64];
  snprintf(path, sizeof path, "%s/startup", folder);
  setenv(CONFIG_ENV_STARTUP, path, 1);
  prepend("PYTHONPATH", path, ':');
}

static void set_recording(const struct launch_options *options, const char *folder, const char *trace) {
  char path[PATH_MAX + 64];
  snprintf(path, sizeof path, "%s/%s", folder, PRELOAD_NAME);
  prepend("LD_PRELOAD", path, ':');
  setenv(CONFIG_ENV_TRACE, trace, 1);
  set_number(CONFIG_ENV_MIN_SIZE, options->min_size);
  set_number(CONFIG_ENV_STACK_DEPTH, options->stack_depth);
  set_number(CONFIG_ENV_FOLLOW, options->follow);
  set_number(CONFIG_ENV_ROOT, (uint64_t)getpid());
  setenv(CONFIG_ENV_PROBE, config_probe_names[options->probe], 1);
  set_number(CONFIG_ENV_LAYERS, options->layers);
  set_number(CONFIG_ENV_PYTHON_STACKS, options->python_stacks);
}

static void set_apply(const struct launch_apply *apply, const char *folder) {
  char path[PATH_MAX + 64];
  snprintf(path, sizeof path, "%s" PACKAGE_FOLDER, folder);
  set_number(CONFIG_ENV_APPLY_BITS, apply->bits);
  set_or_unset(CONFIG_ENV_APPLY_FUNCTIONS, apply->functions);
  set_or_unset(CONFIG_ENV_APPLY_METHOD, apply->method);
  set_or_unset(CONFIG_ENV_APPLY_WEIGHT, apply->weight);
  setenv(CONFIG_ENV_APPLY_PACKAGE, path, 1);
  setenv(CONFIG_ENV_APPLY_REPORT, apply->report, 1);
}

/* Where we are recorded ourselves, and our children are not (record --no-follow-children -- actscope apply ...), the command
 * takes our place. */
static void hand_over_recording(void) {
  const char *root = getenv(CONFIG_ENV_ROOT);
  if (root && strtoll(root, NULL, 10) == getppid()) {
    set_number(CONFIG_ENV_ROOT, (uint64_t)getpid());
  }
}

static void set_environment(const struct launch_options *options, const char *folder, const char *trace) {
  if (options->output) {
    set_recording(options, folder, trace);
  } else {
    hand_over_recording();
  }
  if (options->apply) {
    set_apply(options->apply, folder);
  }
  if (options->apply || options->probe != CONFIG_PROBE_NONE || options->python_stacks) {
    set_startup(folder);
  }
}

/* ---- running it ------------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t child_pid;
static struct launch_witness witness;

/* A terminal sends its signals to the whole group, and others may: only what was sent to us alone is passed on. */
static void pass_on(int number, siginfo_t *info, void *context) {
  (void)context;
  int saved_errno = errno;
  if (info->si_code <= 0 && !launch_witness_saw(&witness, number, info->si_pid)) {
    kill(child_pid, number);
  }
  errno = saved_errno;
}

static const int passed_signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
enum { PASSED_SIGNALS = sizeof passed_signals / sizeof passed_signals[0], CHILD_SIGNAL = PASSED_SIGNALS, SIGNALS };

struct signals {
  struct sigaction before[SIGNALS];
  sigset_t mask;
};

/* They are blocked until the command is there to have them. */
static void catch_signals(struct signals *signals) {
  struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < PASSED_SIGNALS; i++) {
    sigaddset(&action.sa_mask, passed_signals[i]); /* one after the other */
  }
  sigprocmask(SIG_BLOCK, &action.sa_mask, &signals->mask);
  for (int i = 0; i < PASSED_SIGNALS; i++) {
    sigaction(passed_signals[i], &action, &signals->before[i]);
  }
  struct sigaction plain = {.sa_handler = SIG_DFL}; /* ignored, it would take away the command's status */
  sigaction(SIGCHLD, &plain, &signals->before[CHILD_SIGNAL]);
}

static void restore_signals(const struct signals *signals) {
  for (int i = 0; i < PASSED_SIGNALS; i++) {
    sigaction(passed_signals[i], &signals->before[i], NULL);
  }
  sigaction(SIGCHLD, &signals->before[CHILD_SIGNAL], NULL);
  sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

/* In the child: becomes the command; on failure sends errno through the pipe, which exec closes otherwise. */
static void become_command(const struct launch_options *options, const char *path, const char *folder,
                           const char *trace, int failure) {
  set_environment(options, folder, trace);
  execv(path, options->argv);
  int reason = errno;
  (void)!write(failure, &reason, sizeof reason);
  _exit(127);
}

static int shell_status(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The witness comes after the command: in between, a signal to all may reach the command twice, but never not at all. */
static int wait_for_command(pid_t pid, const struct signals *signals) {
  int status = 0;
  child_pid = pid;
  launch_witness_start(&witness, passed_signals, PASSED_SIGNALS);
  sigprocmask(SIG_SETMASK, &signals->mask, NULL);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  restore_signals(signals);
  launch_witness_stop(&witness);
  return shell_status(status);
}

static int run_command(const struct launch_options *options, const char *path, const char *folder, const char *trace,
                       struct launch_result *result, struct error *err) {
  int failure[2];
  struct signals signals;
  if (pipe2(failure, O_CLOEXEC) != 0) {
    return error_set(err, ERROR_IO, "%s: cannot be started: %s", path, strerror(errno));
  }
  catch_signals(&signals);
  pid_t pid = fork();
  if (pid == 0) {
    restore_signals(&signals);
    become_command(options, path, folder, trace, failure[1]);
  }
  int reason = errno;
  close(failure[1]);
  if (pid < 0) {
    restore_signals(&signals);
  } else {
    result->status = wait_for_command(pid, &signals);
  }
  bool failed = pid < 0 || read(failure[0], &reason, sizeof reason) == (ssize_t)sizeof reason;
  close(failure[0]);
  if (failed) {
    result->status = 0;
    return error_set(err, ERROR_INPUT, "%s: cannot be run: %s", path, strerror(reason));
  }
  return (int)pid;
}

/* ---- recording it ----------------------------------------------------------------------------------------------------- */

static int run_recorded(const struct launch_options *options, const char *path, const char *folder,
                        struct launch_result *result, struct error *err) {
  struct launch_name name;
  struct launch_lock lock = {.fd = -1};
  int code = launch_name_make(&name, options, err);
  code = code ? code : launch_lock_take(&lock, name.stem, err);
  code = code ? code : launch_clear_earlier(&name, result, err);
  code = code ? code : run_command(options, path, folder, name.stem, result, err);
  if (code >= 0) {
    result->run = strdup(name.base);
    code = launch_finish_traces(options, &name, code, result, err);
  }
  launch_lock_drop(&lock);
  return code;
}

static int check_package(const char *folder, struct error *err) {
  char path[PATH_MAX + 64];
  snprintf(path, sizeof path, "%s" PACKAGE_FOLDER "/actscope/torch/__init__.py", folder);
  return access(path, R_OK) == 0 ? 0
                                 : error_set(err, ERROR_IO,
                                             "%s: the PyTorch drop-in is not there: %s; install actscope whole (cmake "
                                             "--install)",
                                             path, strerror(errno));
}

int launch_find_library(char **path, struct error *err) {
  char folder[PATH_MAX];
  int code = find_own_folder(folder, sizeof folder, err);
  *path = NULL;
  if (code == 0 && asprintf(path, "%s/" PRELOAD_NAME, folder) < 0) {
    *path = NULL;
    code = error_set(err, ERROR_MEMORY, "out of memory");
  }
  return code;
}

int launch_find_package(char **path, struct error *err) {
  char folder[PATH_MAX];
  *path = NULL;
  int code = find_own_folder(folder, sizeof folder, err);
  code = code ? code : check_package(folder, err);
  if (code == 0 && asprintf(path, "%s" PACKAGE_FOLDER, folder) < 0) {
    *path = NULL;
    code = error_set(err, ERROR_MEMORY, "out of memory");
  }
  return code;
}

int launch_run(const struct launch_options *options, struct launch_result *result, struct error *err) {
  *result = (struct launch_result){0};
  char folder[PATH_MAX];
  char *path = NULL;
  int code = options->output ? launch_check_command(options->argv[0], &path, err)
                             : launch_find_command(options->argv[0], &path, err);
  code = code ? code : find_own_folder(folder, sizeof folder, err);
  if (code == 0 && options->apply) {
    code = launch_check_python(path, options->argv, err);
    code = code ? code : check_package(folder, err);
  }
  if (code == 0 && options->output) {
    code = run_recorded(options, path, folder, result, err);
  } else if (code == 0) {
    code = run_command(options, path, folder, NULL, result, err);
    code = code < 0 ? code : 0;
  }
  free(path);
  return code;
}

/* ---- what applying tells ---------------------------------------------------------------------------------------------- */

enum { REMOVE_ATTEMPTS = 16 };

int launch_report_make(char **path, struct error *err) {
  const char *folders[] = {getenv("TMPDIR"), "/tmp"};
  *path = NULL;
  for (size_t i = 0; i < 2 && !*path; i++) {
    char *resolved = folders[i] && *folders[i] ? realpath(folders[i], NULL) : NULL;
    if (resolved && asprintf(path, "%s/actscope-apply.XXXXXX", resolved) >= 0 && !mkdtemp(*path)) {
      free(*path);
      *path = NULL;
    }
    free(resolved);
  }
  return *path ? 0 : error_set(err, ERROR_IO, "cannot make a folder in TMPDIR or /tmp: %s", strerror(errno));
}

static void empty_folder(const char *path) {
  DIR *folder = opendir(path);
  for (struct dirent *entry; folder && (entry = readdir(folder));) {
    unlinkat(dirfd(folder), entry->d_name, 0);
  }
  if (folder) {
    closedir(folder);
  }
}

/* A process that outlives the command (multiprocessing's resource tracker) may write once more in between. */
void launch_report_remove(const char *path) {
  for (int attempts = 0; attempts < REMOVE_ATTEMPTS; attempts++) {
    empty_folder(path);
    if (rmdir(path) == 0 || errno != ENOTEMPTY) {
      return;
    }
  }
}

void launch_result_fini(struct launch_result *result) {
  for (size_t i = 0; i < result->count; i++) {
    free(result->traces[i].path);
  }
  free(result->traces);
  free(result->run);
  for (char **path = result->interrupted; path && *path; path++) {
    free(*path);
  }
  free(result->interrupted);
  *result = (struct launch_result){0};
}
