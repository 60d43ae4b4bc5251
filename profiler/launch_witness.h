/* Tells a signal that was sent to the launcher alone from one that was sent to everybody around it: to its process group
 * (kill -TERM -PGID, mpirun), its control group (systemd), its job step (Slurm). The first is passed on to the command, the
 * second has reached it already. Private to the launcher.
 *
 * A witness is a child that does nothing but note the signals it gets. What the launcher gets and the witness does not was
 * meant for the launcher. */
#ifndef ACTSCOPE_PROFILER_LAUNCH_WITNESS_H
#define ACTSCOPE_PROFILER_LAUNCH_WITNESS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct launch_witness {
  pid_t pid;   /* 0: none; then nothing is ever seen */
  int reports; /* what it has seen is read from here */
};

/* Starts one that notes these signals. Where none can be started, the signals are taken for the launcher's own. */
void launch_witness_start(struct launch_witness *witness, const int *signals, int count);
void launch_witness_stop(struct launch_witness *witness);

/* Has the witness got this signal from the same sender, at about this time? Waits for it a little while. May be called in a
 * signal handler. */
bool launch_witness_saw(const struct launch_witness *witness, int number, pid_t sender);

#endif
