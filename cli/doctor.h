/* Looks at this machine for `actscope doctor': each fills in its part of the facts that reports/doctor.h judges. */
#ifndef ACTSCOPE_CLI_DOCTOR_H
#define ACTSCOPE_CLI_DOCTOR_H

#include "reports/doctor.h"

void doctor_look_at_system(struct doctor_machine *machine);    /* kernel, memory, limits, terminal */
void doctor_look_at_libraries(struct doctor_machine *machine); /* versions, instruction sets, threads */
void doctor_look_at_programs(struct doctor_machine *machine);  /* gnuplot, man, the Pythons; seconds at most for each */
void doctor_try_recording(struct doctor_machine *machine);     /* records a program into a temporary folder */

#endif
