/* From what a machine has to what that means. */
#include "reports/doctor.h"

#include "reports/format.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIBC_MAJOR = 2, LIBC_MINOR = 35, FILES_FEW = 256, PYTHON_MAJOR = 3, PYTHON_MINOR = 9 };
static const uint64_t gib = 1 << 30;

/* ---- the list of checks ------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 4, 5))) static struct doctor_check *add(struct doctor *doctor, const char *group,
                                                                      const char *name, const char *format, ...) {
  static struct doctor_check nowhere;
  if (doctor->count == doctor->capacity) {
    const size_t capacity = doctor->capacity ? 2 * doctor->capacity : 32;
    struct doctor_check *more = realloc(doctor->checks, capacity * sizeof *more);
    if (!more) {
      doctor->no_memory = true;
      return &nowhere;
    }
    doctor->checks = more;
    doctor->capacity = capacity;
  }
  struct doctor_check *check = &doctor->checks[doctor->count];
  *check = (struct doctor_check){.group = group, .name = name};
  va_list args;
  va_start(args, format);
  if (vasprintf(&check->found, format, args) < 0) {
    check->found = NULL;
    doctor->no_memory = true;
    check = &nowhere;
  } else {
    doctor->count++;
  }
  va_end(args);
  return check;
}

__attribute__((format(printf, 4, 5))) static void mark(struct doctor *doctor, struct doctor_check *check,
                                                       enum doctor_state state, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (doctor->no_memory || vasprintf(&check->effect, format, args) < 0) {
    check->effect = NULL;
    doctor->no_memory = true;
  }
  va_end(args);
  check->state = state;
  doctor->failed = doctor->failed || state == DOCTOR_FAILED;
}

void doctor_fini(struct doctor *doctor) {
  for (size_t i = 0; i < doctor->count; i++) {
    free(doctor->checks[i].found);
    free(doctor->checks[i].effect);
  }
  free(doctor->checks);
  *doctor = (struct doctor){0};
}

const char *doctor_state_name(enum doctor_state state) {
  static const char *const names[] = {
      [DOCTOR_OK] = "ok", [DOCTOR_NOTE] = "note", [DOCTOR_ABSENT] = "absent", [DOCTOR_FAILED] = "failed"};
  return names[state];
}

static bool is_number(uint64_t value) {
  return value < DOCTOR_UNKNOWN;
}

/* "2.36" against 2.35. */
static bool older(const char *version, int major, int minor) {
  char *rest;
  const long has_major = strtol(version, &rest, 10);
  if (rest == version || *rest != '.') {
    return false;
  }
  const long has_minor = strtol(rest + 1, NULL, 10);
  return has_major < major || (has_major == major && has_minor < minor);
}

static const char *or_else(const char *text, const char *other) {
  return *text ? text : other;
}

/* ---- the system -------------------------------------------------------------------------------------------------- */

static void judge_system(struct doctor *doctor, const struct doctor_machine *m) {
  struct doctor_check *check = add(doctor, "System", "kernel", "Linux %s, %s", m->kernel, m->architecture);
  if (strcmp(m->architecture, "x86_64") != 0) {
    mark(doctor, check, DOCTOR_NOTE, "recording is made and tested for x86_64; the rest should work");
  }
  check = add(doctor, "System", "C library", "glibc %s", or_else(m->libc, "of an unknown version"));
  if (!*m->libc || older(m->libc, LIBC_MAJOR, LIBC_MINOR)) {
    mark(doctor, check, DOCTOR_FAILED, "glibc %d.%d or newer is needed, which Debian 12 and Ubuntu 22.04 have",
         LIBC_MAJOR, LIBC_MINOR);
  }
  check = add(doctor, "System", "processors", "%llu", (unsigned long long)m->cpus);
  if (is_number(m->cpu_share) && m->cpu_share < 100 * m->cpus) {
    mark(doctor, check, DOCTOR_NOTE, "a control group allows %llu %% of one: timings of replay and verify suffer",
         (unsigned long long)m->cpu_share);
  }
}

/* From 3 on, which Debian's kernels begin with, who has no right of its own may not count at all. */
static void judge_perf(struct doctor *doctor, const struct doctor_machine *m) {
  if (m->perf_paranoid == DOCTOR_NO_PERF) {
    mark(doctor, add(doctor, "System", "perf events", "none"), DOCTOR_ABSENT,
         "this kernel counts no events: perf cannot be used beside a run; actscope itself does without");
    return;
  }
  struct doctor_check *check = add(doctor, "System", "perf events", "kernel.perf_event_paranoid %d", m->perf_paranoid);
  if (m->perf_paranoid >= 3 && !m->privileged) {
    mark(doctor, check, DOCTOR_NOTE,
         "perf may count nothing for you, beside a run or otherwise; actscope itself does without; as root: sysctl "
         "kernel.perf_event_paranoid=2");
  }
}

static void judge_memory(struct doctor *doctor, const struct doctor_machine *m) {
  char all[FORMAT_SIZE], limit[FORMAT_SIZE];
  struct doctor_check *check =
      add(doctor, "System", "memory", "%s", is_number(m->memory) ? format_bytes(all, m->memory) : "not known");
  if (is_number(m->memory_limit) && (!is_number(m->memory) || m->memory_limit < m->memory)) {
    mark(doctor, check, DOCTOR_NOTE, "a control group allows %s: a program beyond that is killed",
         format_bytes(limit, m->memory_limit));
  }
  if (is_number(m->address_limit)) {
    check = add(doctor, "System", "address space", "%s (ulimit -v)", format_bytes(limit, m->address_limit));
    mark(doctor, check, DOCTOR_NOTE,
         "PyTorch reserves many GiB that it never uses, and traces are read by mapping them; ulimit -v unlimited "
         "lifts it");
  }
}

static void judge_files(struct doctor *doctor, const struct doctor_machine *m) {
  char size[FORMAT_SIZE];
  struct doctor_check *check;
  if (is_number(m->file_limit)) {
    check = add(doctor, "System", "file size", "%s (ulimit -f)", format_bytes(size, m->file_limit));
    mark(doctor, check, DOCTOR_NOTE,
         "a trace that would grow beyond it stops there, and the program goes on unrecorded");
  }
  if (is_number(m->files_limit) && m->files_limit < FILES_FEW) {
    check = add(doctor, "System", "open files", "%llu (ulimit -n)", (unsigned long long)m->files_limit);
    mark(doctor, check, DOCTOR_NOTE, "few for a PyTorch program with data-loader workers");
  }
  check = add(doctor, "System", "temporary files", "%s, %s free", m->temporary,
              is_number(m->temporary_free) ? format_bytes(size, m->temporary_free) : "unknown space");
  if (!m->temporary_writable) {
    mark(
        doctor, check, DOCTOR_FAILED,
        "cannot be written to; apply, verify --torch and reports of large runs need such a folder: name one in TMPDIR");
  } else if (*m->temporary_why) {
    mark(doctor, check, DOCTOR_NOTE, "instead of TMPDIR, which cannot be written to: %s", m->temporary_why);
  } else if (m->temporary_free < gib) {
    mark(doctor, check, DOCTOR_NOTE,
         "little: what a large run has too much of for memory goes there; name another "
         "folder in TMPDIR");
  }
}

/* ---- recording and reading --------------------------------------------------------------------------------------- */

static void judge_recording(struct doctor *doctor, const struct doctor_machine *m) {
  struct doctor_check *check =
      add(doctor, "Recording and reading", "preload library", "%s", or_else(m->preload, "not found"));
  if (*m->preload_why) {
    mark(doctor, check, DOCTOR_FAILED, "nothing can be recorded here: %s", m->preload_why);
  } else {
    add(doctor, "Recording and reading", "a recording", "of this program: %llu events",
        (unsigned long long)m->trial_events);
  }
  add(doctor, "Recording and reading", "packing", "zstd %s", m->zstd);
  check = add(doctor, "Recording and reading", "names of frames", "libdw %s", m->libdw);
  if (!m->debug_files) {
    mark(doctor, check, DOCTOR_NOTE,
         "no separate debug files (/usr/lib/debug, DEBUGINFOD_URLS): functions of stripped libraries have names, not "
         "lines");
  }
  add(doctor, "Recording and reading", "stores", "SQLite %s", m->sqlite);
}

/* ---- computing --------------------------------------------------------------------------------------------------- */

static void judge_kernels(struct doctor *doctor, const struct doctor_machine *m) {
  struct doctor_check *check = add(doctor, "Computing", "instruction set", "%s", or_else(m->isa, "none"));
  if (*m->isa_why) {
    mark(doctor, check, DOCTOR_FAILED, "%s", m->isa_why);
  } else if (m->isa_forced && strcmp(m->isa, m->isa_best) != 0) {
    mark(doctor, check, DOCTOR_NOTE, "ACTSCOPE_FEWBIT_ISA asks for it; this CPU has %s", m->isa_best);
  } else if (strcmp(m->isa, "ref") == 0) {
    mark(doctor, check, DOCTOR_NOTE,
         "plain C: codes and gradients are the same, but several times slower; there are kernels for AVX2, AVX-512, "
         "NEON");
  }
  if (is_number(m->threads)) {
    check = add(doctor, "Computing", "threads", "%llu of OpenMP%s%s%s", (unsigned long long)m->threads,
                *m->openmp ? " (" : "", m->openmp, *m->openmp ? ")" : "");
    if (m->threads > m->cpus) {
      mark(doctor, check, DOCTOR_NOTE,
           "more than there are processors, which makes replay and verify slow: set "
           "OMP_NUM_THREADS=%llu",
           (unsigned long long)m->cpus);
    }
  } else {
    check = add(doctor, "Computing", "threads", "built without OpenMP");
    mark(doctor, check, DOCTOR_ABSENT, "few-bit kernels, replay and verify use one processor");
  }
  add(doctor, "Computing", "matrix products", "%s", or_else(m->blas, "a CBLAS that does not tell its name"));
}

/* ---- PyTorch ----------------------------------------------------------------------------------------------------- */

static void judge_dropin(struct doctor *doctor, const struct doctor_python *python) {
  struct doctor_check *check = add(doctor, "PyTorch", "drop-in", "%s", or_else(python->fewbit, "without libfewbit"));
  if (older(python->version, PYTHON_MAJOR, PYTHON_MINOR)) {
    mark(doctor, check, DOCTOR_NOTE,
         "it needs Python %d.%d or newer: apply and verify --torch do not work with this one", PYTHON_MAJOR,
         PYTHON_MINOR);
  } else if (!*python->fewbit) {
    mark(doctor, check, DOCTOR_FAILED, "apply and verify --torch do not work with this Python: %s",
         or_else(python->why, "install actscope whole (cmake --install)"));
  }
}

/* One that has PyTorch; NULL: none has. */
static const char *find_torch(const struct doctor_machine *m) {
  for (size_t i = 0; i < m->pythons_count; i++) {
    if (*m->pythons[i].torch) {
      return m->pythons[i].path;
    }
  }
  return NULL;
}

static void judge_python(struct doctor *doctor, const struct doctor_python *python, const char *with_torch,
                         bool package) {
  struct doctor_check *check =
      add(doctor, "PyTorch", python->from, "%s: Python %s, %s%s", python->path, or_else(python->version, "?"),
          *python->torch ? "PyTorch " : "no PyTorch", python->torch);
  if (!*python->version) {
    mark(doctor, check, DOCTOR_NOTE, "it did not tell what it has: %s",
         or_else(python->why, "it ended without a word"));
  } else if (!*python->torch && with_torch) {
    mark(doctor, check, DOCTOR_NOTE, "few bits can be applied with another: actscope apply --bits 3 -- %s FILE",
         with_torch);
  } else if (!*python->torch) {
    mark(doctor, check, DOCTOR_ABSENT,
         "nothing to apply few bits to with this Python; install python3-torch (Debian), or "
         "`pip install torch' in an environment of its own");
  } else if (package) {
    judge_dropin(doctor, python);
  }
}

static void judge_pythons(struct doctor *doctor, const struct doctor_machine *m) {
  struct doctor_check *check = add(doctor, "PyTorch", "Python package", "%s", or_else(m->package, "not found"));
  if (*m->package_why) {
    mark(doctor, check, DOCTOR_FAILED, "apply and verify --torch do not work: %s", m->package_why);
  }
  for (size_t i = 0; i < m->pythons_count; i++) {
    judge_python(doctor, &m->pythons[i], find_torch(m), !*m->package_why);
  }
  if (!m->pythons_count) {
    check = add(doctor, "PyTorch", "python3", "not found");
    mark(doctor, check, DOCTOR_ABSENT,
         "no Python program can be recorded or have few-bit gradients put in; C and C++ "
         "programs, and the built-in models, can. Install python3");
  }
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void judge_programs(struct doctor *doctor, const struct doctor_machine *m) {
  struct doctor_check *check = add(doctor, "Views", "gnuplot", "%s", or_else(m->gnuplot, "not found"));
  if (!*m->gnuplot) {
    mark(doctor, check, DOCTOR_ABSENT, "no plots: reports and --plot say so and go on without; install gnuplot-nox");
  } else if (!m->gnuplot_png) {
    mark(doctor, check, DOCTOR_NOTE, "without cairo: .svg plots, but no .png and no .pdf; install gnuplot-nox");
  }
  check = add(doctor, "Views", "man", m->man ? "found" : "not found");
  if (!m->man) {
    mark(doctor, check, DOCTOR_ABSENT, "`actscope help COMMAND' shows what --help tells; install man-db");
  }
  if (m->terminal) {
    add(doctor, "Views", "terminal", "%llu columns, %s, %s", (unsigned long long)m->columns,
        m->color ? "colours" : "no colours", m->utf8 ? "UTF-8" : "plain characters");
  } else {
    add(doctor, "Views", "terminal", "none: pages are 80 columns wide, %s",
        m->color ? "with colours" : "without colours");
  }
}

void doctor_judge(struct doctor *doctor, const struct doctor_machine *machine) {
  *doctor = (struct doctor){0};
  judge_system(doctor, machine);
  judge_memory(doctor, machine);
  judge_perf(doctor, machine);
  judge_files(doctor, machine);
  judge_recording(doctor, machine);
  judge_kernels(doctor, machine);
  judge_pythons(doctor, machine);
  judge_programs(doctor, machine);
}
