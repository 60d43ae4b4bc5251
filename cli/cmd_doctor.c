/* actscope doctor: what is present on this machine, and what each absence costs. */
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/output.h"
#include "cli/progress.h"

#include "common/error.h"

#include <stdlib.h>

static const struct argp_child children[] = {{&output_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .parser = output_parse_alone,
    .children = children,
    .doc = "Tells what is present on this machine and what each absence costs: whether programs can be recorded (it "
           "tries), "
           "which Pythons have a PyTorch that few-bit gradients can be put into, plots, instruction sets, limits.\v"
           "Exit status: 0 all that is needed is there, 1 something needed is missing or broken, 2 wrong usage, "
           "3 output not written."};

static void look(struct doctor_machine *machine) {
  static void (*const parts[])(struct doctor_machine * machine) = {doctor_look_at_system, doctor_look_at_libraries,
                                                                   doctor_look_at_programs, doctor_try_recording};
  enum { PARTS = sizeof parts / sizeof *parts };
  struct progress progress;
  progress_begin(&progress, "looking at this machine");
  for (size_t i = 0; i < PARTS; i++) {
    parts[i](machine);
    progress_update(&progress, (double)(i + 1) / PARTS);
  }
  progress_end(&progress);
}

static int emit(const struct output *output, const struct doctor *doctor, const struct doctor_machine *machine,
                struct error *err) {
  struct sink sink;
  if (doctor->no_memory) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  int code = output_open(&sink, output, NULL, err);
  if (code == 0) {
    if (output->json) {
      doctor_json_emit(&sink, doctor, machine, ACTSCOPE_VERSION);
    } else {
      doctor_text_emit(&sink, doctor);
    }
    code = sink_close(&sink, err);
  }
  return code;
}

static int run(int argc, char **argv) {
  struct output output = {0};
  struct doctor doctor;
  struct error err;
  argp_parse(&argp, argc, argv, 0, NULL, &output);
  struct doctor_machine *machine = calloc(1, sizeof *machine);
  if (!machine) {
    return command_fail(error_set(&err, ERROR_MEMORY, "out of memory"), &err);
  }
  look(machine);
  doctor_judge(&doctor, machine);
  const int code = emit(&output, &doctor, machine, &err);
  const bool failed = doctor.failed;
  doctor_fini(&doctor);
  free(machine);
  return code < 0 ? command_fail(code, &err) : failed ? EXIT_SHORT : EXIT_DONE;
}

const struct command command_doctor = {"doctor", "what is present on this machine, and what each absence costs", run,
                                       &argp};
