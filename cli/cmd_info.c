/* actscope info: what a run's file holds, and whether it is whole. */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/subject.h"

#include "reports/info.h"

#include <stdlib.h>

struct arguments {
  struct subject run;
  struct output output;
};

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  (void)text;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->output;
    state->child_inputs[1] = &arguments->run;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_child children[] = {{&output_argp, 0, NULL, 0}, {&subject_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .parser = parse,
    .args_doc = "RUN...",
    .children = children,
    .doc = "Tells what each trace or store RUN holds and whether it is whole.\v"
           "Exit status: 0 readable (even if the process was killed while it was recorded), 2 wrong usage, "
           "3 missing or damaged."};

static void show(const struct arguments *arguments, struct sink *sink, const struct info *infos, size_t count) {
  if (arguments->output.json && arguments->run.count == 1) {
    info_json_emit(sink, infos);
  } else if (arguments->output.json) {
    infos_json_emit(sink, infos, count);
  }
  for (size_t i = 0; !arguments->output.json && i < count; i++) {
    sink_print(sink, i ? "\n" : "");
    info_text_emit(sink, &infos[i]);
  }
}

static int emit(const struct arguments *arguments, const struct info *infos, size_t count, struct error *err) {
  struct sink sink;
  int code = output_prepare(&arguments->output, NULL, arguments->run.names, arguments->run.count, err);
  code = code == 0 ? output_open(&sink, &arguments->output, NULL, err) : code;
  if (code == 0) {
    show(arguments, &sink, infos, count);
    code = sink_close(&sink, err);
  }
  return code;
}

/* What can be read is read; *code is that of the first run that cannot, or is damaged: scripts look at the status. */
static size_t read_all(const struct subject *runs, struct info *infos, int *code, struct error *err) {
  size_t count = 0;
  for (size_t i = 0; i < runs->count; i++) {
    struct info *info = &infos[count];
    struct error *reason = *code ? NULL : err;
    int one = info_read(info, runs->names[i], reason);
    count += one == 0;
    if (one == 0 && info->damaged) {
      one = error_set(reason, ERROR_INPUT, "%s", info->damage);
    }
    *code = *code ? *code : one;
  }
  return count;
}

static int inform(const struct arguments *arguments) {
  struct info *infos = calloc(arguments->run.count, sizeof *infos);
  struct error err = {"out of memory"};
  int code = infos ? 0 : ERROR_MEMORY;
  size_t count = infos ? read_all(&arguments->run, infos, &code, &err) : 0;
  struct error other;
  int emitted = count ? emit(arguments, infos, count, &other) : 0;
  for (size_t i = 0; i < count; i++) {
    info_fini(&infos[i]);
  }
  free(infos);
  if (emitted < 0) {
    return command_fail(emitted, &other);
  }
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.run = SUBJECT_RUNS};
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  const int status = inform(&arguments);
  subject_fini(&arguments.run);
  return status;
}

const struct command command_info = {"info", "what a run's file holds, and whether it is whole", run, &argp};
