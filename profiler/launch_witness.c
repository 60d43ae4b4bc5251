/* The witness: see the header. */
#include "profiler/launch_witness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  PATIENCE_MS = 100, /* a sender that goes through a list of processes may take its time */
  RECENT_MS = 500    /* what was seen before that is of an earlier signal */
};

struct report { /* smaller than PIPE_BUF: it arrives whole */
  int number;
  pid_t sender;
  int64_t time_ms;
};

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Ends with the launcher, however that ends. Holds no descriptor but the pipe: not the command's standard output either,
 * whose reader waits for its end. */
_Noreturn static void watch(int out, const sigset_t *set, pid_t launcher) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "actscope-signal");
  int kept = dup2(out, STDIN_FILENO) == STDIN_FILENO ? STDIN_FILENO : out;
  if (kept == STDIN_FILENO) {
    close_range(STDIN_FILENO + 1, ~0u, 0);
  }
  while (getppid() == launcher) {
    siginfo_t info;
    int number = sigwaitinfo(set, &info);
    struct report report = {number, info.si_pid, now_ms()};
    if (number > 0) {
      (void)!write(kept, &report, sizeof report);
    }
  }
  _exit(0);
}

void launch_witness_start(struct launch_witness *witness, const int *signals, int count) {
  int ends[2];
  sigset_t set;
  sigset_t before;
  *witness = (struct launch_witness){.reports = -1};
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return;
  }
  sigemptyset(&set);
  for (int i = 0; i < count; i++) {
    sigaddset(&set, signals[i]);
  }
  const pid_t launcher = getpid();
  sigprocmask(SIG_BLOCK, &set, &before); /* before it is there, so that it misses none */
  pid_t pid = fork();
  if (pid == 0) {
    watch(ends[1], &set, launcher);
  }
  sigprocmask(SIG_SETMASK, &before, NULL);
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return;
  }
  *witness = (struct launch_witness){pid, ends[0]};
}

void launch_witness_stop(struct launch_witness *witness) {
  if (witness->pid > 0) {
    kill(witness->pid, SIGKILL);
    while (waitpid(witness->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    close(witness->reports);
  }
  *witness = (struct launch_witness){.reports = -1};
}

bool launch_witness_saw(const struct launch_witness *witness, int number, pid_t sender) {
  const int64_t begin = now_ms();
  int64_t left;
  while (witness->pid > 0 && (left = begin + PATIENCE_MS - now_ms()) > 0) {
    struct pollfd ready = {.fd = witness->reports, .events = POLLIN};
    struct report report = {0};
    if (poll(&ready, 1, (int)left) > 0 && read(witness->reports, &report, sizeof report) != (ssize_t)sizeof report) {
      return false; /* it has ended */
    }
    if (ready.revents && report.number == number && report.sender == sender && begin - report.time_ms < RECENT_MS) {
      return true;
    }
  }
  return false;
}
