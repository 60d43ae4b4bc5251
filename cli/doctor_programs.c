/* The programs that actscope works with: gnuplot, man, Python. */
#include "cli/doctor.h"

#include "cli/run_output.h"
#include "profiler/launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_SIZE = 4096, PATIENCE_MS = 15000 };

/* Any Python can read it. torch's version comes from its file, because importing it takes seconds; the drop-in says which
 * libfewbit it loads. */
static const char question[] =
    "import os, sys\n"
    "print('python %d.%d.%d' % sys.version_info[:3])\n"
    "sys.stdout.flush()\n"
    "try:\n"
    "    from importlib.util import find_spec\n"
    "    spec = find_spec('torch')\n"
    "    if spec and spec.submodule_search_locations:\n"
    "        told = {}\n"
    "        with open(os.path.join(list(spec.submodule_search_locations)[0], 'version.py')) as file:\n"
    "            exec(file.read(), told)\n"
    "        print('torch %s' % told.get('__version__', 'of an unknown version'))\n"
    "    if sys.argv[1]:\n"
    "        sys.path.insert(0, sys.argv[1])\n"
    "        import actscope.fewbit\n"
    "        actscope.fewbit.library()\n"
    "        print('fewbit %s' % actscope.fewbit.library_path())\n"
    "except Exception as error:\n"
    "    print('why %s' % ' '.join(str(error).split()))\n";

/* The rest of the line of the answer that begins with the word. */
static void take(const char *answer, const char *word, char *text, size_t size) {
  const size_t length = strlen(word);
  for (const char *line = answer; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    if (strncmp(line, word, length) == 0 && line[length] == ' ') {
      const char *value = line + length + 1;
      snprintf(text, size, "%.*s", (int)strcspn(value, "\n"), value);
    }
  }
}

static void ask_python(struct doctor_machine *machine, const char *path, const char *from) {
  char answer[ANSWER_SIZE], code[] = "-c", text[sizeof question], none[] = "";
  if (machine->pythons_count == DOCTOR_PYTHONS) {
    return;
  }
  struct doctor_python *python = &machine->pythons[machine->pythons_count++];
  snprintf(python->path, sizeof python->path, "%s", path);
  snprintf(python->from, sizeof python->from, "%s", from);
  memcpy(text, question, sizeof question);
  char *argv[] = {python->path, code, text, *machine->package_why ? none : machine->package, NULL};
  const int status = run_output(argv, PATIENCE_MS, answer, sizeof answer);
  take(answer, "python", python->version, sizeof python->version);
  take(answer, "torch", python->torch, sizeof python->torch);
  take(answer, "fewbit", python->fewbit, sizeof python->fewbit);
  take(answer, "why", python->why, sizeof python->why);
  if (status == RUN_OUTPUT_LATE) {
    snprintf(python->why, sizeof python->why, "no answer in %d s", PATIENCE_MS / 1000);
  } else if (status != 0 && !*python->why) {
    snprintf(python->why, sizeof python->why, "it ended with status %d", status);
  }
}

/* ENV/bin/python of an environment that a variable names; false: there is none, or the variable is not set. */
static bool ask_environment(struct doctor_machine *machine, const char *variable, char *path, size_t size) {
  const char *folder = getenv(variable);
  snprintf(path, size, "%s/bin/python", folder ? folder : "");
  if (!folder || !*folder || access(path, X_OK) != 0) {
    path[0] = '\0';
    return false;
  }
  ask_python(machine, path, variable);
  return true;
}

/* Has a Python that is this very file, links followed, been asked? */
static bool is_asked(const struct doctor_machine *machine, const char *path) {
  char *real = realpath(path, NULL);
  bool asked = false;
  for (size_t i = 0; real && i < machine->pythons_count; i++) {
    char *other = realpath(machine->pythons[i].path, NULL);
    asked = asked || (other && strcmp(real, other) == 0);
    free(other);
  }
  free(real);
  return asked;
}

/* Every python3 on PATH; the first is the one that a command line means. That of an environment is a link to the one that
 * made it, and has modules of its own. */
static void ask_path(struct doctor_machine *machine, const char *environment) {
  const char *all = getenv("PATH");
  char *folders = all ? strdup(all) : NULL, *rest = folders, *folder, path[DOCTOR_PATH];
  const char *from = "python3";
  while (rest && (folder = strsep(&rest, ":"))) {
    const int length = snprintf(path, sizeof path, "%s/python3", *folder ? folder : ".");
    if (length >= (int)sizeof path || access(path, X_OK) != 0) {
      continue;
    }
    const bool own = *environment && strncmp(path, environment, strlen(environment)) == 0;
    if (!own && (strcmp(from, "python3") == 0 || !is_asked(machine, path))) {
      ask_python(machine, path, from);
    }
    from = "also on PATH";
  }
  free(folders);
}

static void look_at_pythons(struct doctor_machine *machine) {
  char environment[DOCTOR_PATH];
  if (!ask_environment(machine, "VIRTUAL_ENV", environment, sizeof environment)) {
    ask_environment(machine, "CONDA_PREFIX", environment, sizeof environment);
  }
  ask_path(machine, environment);
}

static void look_at_package(struct doctor_machine *machine) {
  struct error err;
  char *path;
  if (launch_find_package(&path, &err) == 0) {
    snprintf(machine->package, sizeof machine->package, "%s", path);
  } else {
    snprintf(machine->package_why, sizeof machine->package_why, "%.500s", err.message);
  }
  free(path);
}

static void look_at_gnuplot(struct doctor_machine *machine) {
  char answer[ANSWER_SIZE], name[] = "gnuplot", option[] = "-e", version[] = "--version";
  char terminal[] = "set terminal pngcairo";
  char *ask_version[] = {name, version, NULL}, *ask_terminal[] = {name, option, terminal, NULL};
  if (run_output(ask_version, PATIENCE_MS, answer, sizeof answer) == 0) {
    snprintf(machine->gnuplot, sizeof machine->gnuplot, "%.*s", (int)(strcspn(answer, "\n") % DOCTOR_NAME), answer);
    machine->gnuplot_png = run_output(ask_terminal, PATIENCE_MS, answer, sizeof answer) == 0;
  }
}

void doctor_look_at_programs(struct doctor_machine *machine) {
  char *man = launch_find_program("man");
  machine->man = man;
  free(man);
  look_at_gnuplot(machine);
  look_at_package(machine);
  look_at_pythons(machine);
}
