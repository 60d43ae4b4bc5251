/* The witness: what the launcher got alone is told from what everybody got. */
#include "profiler/launch_witness.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int signals[] = {SIGTERM, SIGUSR1};

/* In a process group of its own: the test's process, where `sent` sends something and the witness is asked. */
static void in_group(void (*check)(const struct launch_witness *witness)) {
  pid_t pid = fork();
  if (pid == 0) {
    struct launch_witness witness;
    setpgid(0, 0);
    signal(SIGTERM, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    launch_witness_start(&witness, signals, 2);
    check(&witness);
    launch_witness_stop(&witness);
    _exit(witness.pid);
  }
  int status;
  cr_assert_eq(waitpid(pid, &status, 0), pid);
  cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

static void must(bool condition, int code) {
  if (!condition) {
    _exit(code);
  }
}

static void to_group(const struct launch_witness *witness) {
  kill(0, SIGTERM);
  must(launch_witness_saw(witness, SIGTERM, getpid()), 10);
  must(!launch_witness_saw(witness, SIGTERM, getpid()), 11); /* it was sent once */
}

static void to_one(const struct launch_witness *witness) {
  kill(getpid(), SIGTERM);
  must(!launch_witness_saw(witness, SIGTERM, getpid()), 20);
}

static void of_another(const struct launch_witness *witness) {
  kill(0, SIGUSR1);
  must(!launch_witness_saw(witness, SIGTERM, getpid()), 30);
  kill(0, SIGTERM);
  must(!launch_witness_saw(witness, SIGTERM, getppid()), 31);
}

static void long_ago(const struct launch_witness *witness) {
  kill(0, SIGTERM);
  nanosleep(&(struct timespec){.tv_nsec = 800000000}, NULL);
  kill(getpid(), SIGTERM);
  must(!launch_witness_saw(witness, SIGTERM, getpid()), 40);
}

Test(launch_witness, sees_what_all_get, .timeout = 30) {
  in_group(to_group);
}

Test(launch_witness, does_not_see_what_one_gets, .timeout = 30) {
  in_group(to_one);
}

Test(launch_witness, tells_signals_and_senders_apart, .timeout = 30) {
  in_group(of_another);
}

Test(launch_witness, forgets, .timeout = 30) {
  in_group(long_ago);
}

Test(launch_witness, none_sees_nothing) {
  struct launch_witness witness = {0};
  cr_expect_not(launch_witness_saw(&witness, SIGTERM, getpid()));
  launch_witness_stop(&witness);
}

/* However the launcher ends: the end of its pipe is seen when nobody holds it any more. */
Test(launch_witness, ends_with_its_launcher, .timeout = 30) {
  int ends[2];
  cr_assert_eq(pipe(ends), 0);
  pid_t pid = fork();
  if (pid == 0) {
    struct launch_witness witness;
    launch_witness_start(&witness, signals, 2);
    (void)!write(ends[1], &witness.pid, sizeof witness.pid);
    kill(getpid(), SIGKILL);
  }
  close(ends[1]);
  pid_t witness = 0;
  cr_assert_eq(read(ends[0], &witness, sizeof witness), (ssize_t)sizeof witness);
  waitpid(pid, NULL, 0);
  cr_expect_eq(read(ends[0], &witness, 1), 0, "the witness holds a descriptor of its launcher");
  close(ends[0]);
}
