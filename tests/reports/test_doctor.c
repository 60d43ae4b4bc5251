/* What is said of machines, of which one has all, and each other lacks something. */
#include "reports/doctor.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct doctor_machine machine;
static struct doctor doctor;

static void set(char *field, const char *text) {
  memcpy(field, text, strlen(text) + 1);
}

/* A machine that has all. */
static void set_up(void) {
  machine = (struct doctor_machine){.cpus = 4,
                                    .cpu_share = DOCTOR_UNLIMITED,
                                    .memory = 16ull << 30,
                                    .memory_limit = DOCTOR_UNLIMITED,
                                    .address_limit = DOCTOR_UNLIMITED,
                                    .file_limit = DOCTOR_UNLIMITED,
                                    .files_limit = 1024,
                                    .perf_paranoid = 2,
                                    .temporary_free = 50ull << 30,
                                    .temporary_writable = true,
                                    .trial_events = 70,
                                    .debug_files = true,
                                    .threads = 4,
                                    .gnuplot_png = true,
                                    .pythons_count = 1,
                                    .man = true,
                                    .terminal = true,
                                    .color = true,
                                    .utf8 = true,
                                    .columns = 100};
  set(machine.kernel, "6.1.0");
  set(machine.architecture, "x86_64");
  set(machine.libc, "2.36");
  set(machine.temporary, "/tmp");
  set(machine.preload, "/usr/lib/actscope/actscope_preload.so");
  set(machine.zstd, "1.5.4");
  set(machine.sqlite, "3.40.1");
  set(machine.libdw, "0.188");
  set(machine.isa, "avx2");
  set(machine.isa_best, "avx2");
  set(machine.blas, "OpenBLAS 0.3.21");
  set(machine.gnuplot, "gnuplot 5.4 patchlevel 4");
  set(machine.package, "/usr/lib/actscope/python");
  set(machine.pythons[0].path, "/usr/bin/python3");
  set(machine.pythons[0].from, "python3");
  set(machine.pythons[0].version, "3.11.2");
  set(machine.pythons[0].torch, "1.13.0");
  set(machine.pythons[0].fewbit, "/usr/lib/libfewbit.so.0");
}

static void tear_down(void) {
  doctor_fini(&doctor);
}

TestSuite(doctor, .init = set_up, .fini = tear_down);

static const struct doctor_check *find(const char *name) {
  for (size_t i = 0; i < doctor.count; i++) {
    if (strcmp(doctor.checks[i].name, name) == 0) {
      return &doctor.checks[i];
    }
  }
  cr_assert_fail("no check of %s", name);
  return NULL;
}

/* What the machine, as it is now, is told of `name`; nothing else but ok. */
static void expect(const char *name, enum doctor_state state, const char *found, const char *effect) {
  doctor_fini(&doctor);
  doctor_judge(&doctor, &machine);
  const struct doctor_check *check = find(name);
  cr_expect_eq(check->state, state, "%s: %s", name, doctor_state_name(check->state));
  cr_expect(strstr(check->found, found), "%s: %s", name, check->found);
  cr_expect(effect ? check->effect && strstr(check->effect, effect) : !check->effect, "%s: %s", name,
            check->effect ? check->effect : "nothing");
  cr_expect_eq(doctor.failed, state == DOCTOR_FAILED, "%s", name);
  for (size_t i = 0; i < doctor.count; i++) {
    const struct doctor_check *other = &doctor.checks[i];
    cr_expect(other == check || other->state == DOCTOR_OK, "%s, because of %s: %s", other->name, name,
              doctor_state_name(other->state));
  }
}

Test(doctor, a_machine_that_has_all) {
  expect("kernel", DOCTOR_OK, "Linux 6.1.0, x86_64", NULL);
  expect("terminal", DOCTOR_OK, "100 columns, colours, UTF-8", NULL);
  cr_expect_gt(doctor.count, 15);
}

Test(doctor, perf) {
  expect("perf events", DOCTOR_OK, "kernel.perf_event_paranoid 2", NULL);
  machine.perf_paranoid = -1;
  expect("perf events", DOCTOR_OK, "-1", NULL);
  machine.perf_paranoid = 3;
  expect("perf events", DOCTOR_NOTE, "3", "perf_event_paranoid=2");
  machine.privileged = true;
  expect("perf events", DOCTOR_OK, "3", NULL);
  machine.perf_paranoid = DOCTOR_NO_PERF;
  expect("perf events", DOCTOR_ABSENT, "none", "does without");
}

Test(doctor, system) {
  set(machine.libc, "2.35");
  expect("C library", DOCTOR_OK, "glibc 2.35", NULL);
  set(machine.libc, "2.31");
  expect("C library", DOCTOR_FAILED, "glibc 2.31", "glibc 2.35 or newer is needed");
  set(machine.libc, "");
  expect("C library", DOCTOR_FAILED, "unknown version", "2.35");
  set(machine.libc, "3.0");
  expect("C library", DOCTOR_OK, "3.0", NULL);
  set(machine.architecture, "aarch64");
  expect("kernel", DOCTOR_NOTE, "aarch64", "x86_64");
  set(machine.architecture, "x86_64");
  machine.cpu_share = 150;
  expect("processors", DOCTOR_NOTE, "4", "150 %");
  machine.cpu_share = 400;
  expect("processors", DOCTOR_OK, "4", NULL);
}

Test(doctor, limits) {
  machine.memory_limit = 2ull << 30;
  expect("memory", DOCTOR_NOTE, "16.00 GiB", "2.00 GiB");
  machine.memory_limit = 32ull << 30;
  expect("memory", DOCTOR_OK, "16.00 GiB", NULL);
  machine.address_limit = 8ull << 30;
  expect("address space", DOCTOR_NOTE, "8.00 GiB (ulimit -v)", "unlimited");
  machine.address_limit = DOCTOR_UNLIMITED;
  machine.file_limit = 1 << 20;
  expect("file size", DOCTOR_NOTE, "1.0 MiB (ulimit -f)", "unrecorded");
  machine.file_limit = DOCTOR_UNKNOWN;
  machine.files_limit = 64;
  expect("open files", DOCTOR_NOTE, "64", "data-loader");
  machine.files_limit = 1024;
  machine.temporary_free = 1 << 20;
  expect("temporary files", DOCTOR_NOTE, "/tmp, 1.0 MiB free", "TMPDIR");
  machine.temporary_free = DOCTOR_UNKNOWN;
  set(machine.temporary_why, "/x: No such file or directory");
  expect("temporary files", DOCTOR_NOTE, "unknown space", "/x: No such file");
  machine.temporary_writable = false;
  expect("temporary files", DOCTOR_FAILED, "/tmp", "TMPDIR");
}

Test(doctor, recording) {
  expect("a recording", DOCTOR_OK, "70 events", NULL);
  machine.debug_files = false;
  expect("names of frames", DOCTOR_NOTE, "libdw 0.188", "lines");
  machine.debug_files = true;
  set(machine.preload, "");
  set(machine.preload_why, "actscope_preload.so: not found beside /x; install actscope whole");
  expect("preload library", DOCTOR_FAILED, "not found", "nothing can be recorded here: actscope_preload.so: not found");
}

Test(doctor, kernels) {
  set(machine.isa, "ref");
  machine.isa_forced = true;
  expect("instruction set", DOCTOR_NOTE, "ref", "this CPU has avx2");
  set(machine.isa_best, "ref");
  expect("instruction set", DOCTOR_NOTE, "ref", "slower");
  set(machine.isa, "");
  set(machine.isa_why, "ACTSCOPE_FEWBIT_ISA: instruction set neon: not of this machine's architecture");
  expect("instruction set", DOCTOR_FAILED, "none", "neon");
  machine.isa_why[0] = '\0';
  set(machine.isa, "avx2");
  set(machine.isa_best, "avx2");
  machine.threads = 9;
  set(machine.openmp, "OMP_NUM_THREADS=9");
  expect("threads", DOCTOR_NOTE, "9 of OpenMP (OMP_NUM_THREADS=9)", "OMP_NUM_THREADS=4");
  machine.threads = DOCTOR_UNKNOWN;
  expect("threads", DOCTOR_ABSENT, "without OpenMP", "one processor");
}

Test(doctor, pythons) {
  struct doctor_python *first = &machine.pythons[0], *second = &machine.pythons[1];
  first->torch[0] = '\0';
  expect("python3", DOCTOR_ABSENT, "Python 3.11.2, no PyTorch", "pip install torch");
  *second = *first;
  set(second->from, "also on PATH");
  set(second->path, "/opt/python3");
  set(second->torch, "2.13.0");
  machine.pythons_count = 2;
  expect("python3", DOCTOR_NOTE, "no PyTorch", "another: actscope apply --bits 3 -- /opt/python3 FILE");
  set(first->torch, "1.13.0");
  first->version[0] = '\0';
  set(first->why, "no answer in 15 s");
  expect("python3", DOCTOR_NOTE, "Python ?", "no answer in 15 s");
  machine.pythons_count = 0;
  expect("python3", DOCTOR_ABSENT, "not found", "Install python3");
}

Test(doctor, dropin) {
  struct doctor_python *python = &machine.pythons[0];
  expect("drop-in", DOCTOR_OK, "/usr/lib/libfewbit.so.0", NULL);
  python->fewbit[0] = '\0';
  set(python->why, "libfewbit was not found");
  expect("drop-in", DOCTOR_FAILED, "without libfewbit", "libfewbit was not found");
  set(python->version, "3.8.10");
  expect("drop-in", DOCTOR_NOTE, "without libfewbit", "Python 3.9");
  set(python->version, "3.10.0");
  set(machine.package_why, "not found beside /x");
  machine.package[0] = '\0';
  expect("Python package", DOCTOR_FAILED, "not found", "not found beside /x");
}

Test(doctor, views) {
  machine.gnuplot_png = false;
  expect("gnuplot", DOCTOR_NOTE, "gnuplot 5.4", "no .png");
  machine.gnuplot[0] = '\0';
  expect("gnuplot", DOCTOR_ABSENT, "not found", "gnuplot-nox");
  set(machine.gnuplot, "gnuplot 6.0");
  machine.gnuplot_png = true;
  machine.man = false;
  expect("man", DOCTOR_ABSENT, "not found", "man-db");
  machine.man = true;
  machine.terminal = machine.color = false;
  expect("terminal", DOCTOR_OK, "80 columns wide, without colours", NULL);
}

/* ---- views ------------------------------------------------------------------------------------------------------- */

static char *emit(bool json) {
  struct sink sink;
  struct error err;
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  doctor_fini(&doctor);
  doctor_judge(&doctor, &machine);
  if (json) {
    doctor_json_emit(&sink, &doctor, &machine, "1.2.3");
  } else {
    doctor_text_emit(&sink, &doctor);
  }
  cr_assert_eq(sink_close(&sink, &err), 0, "%s", err.message);
  return sink.memory;
}

Test(doctor, page) {
  char *page = emit(false);
  cr_expect_eq(strncmp(page, "System\n  ok     kernel           Linux 6.1.0, x86_64\n", 52), 0, "%.100s", page);
  cr_expect(strstr(page, "\n\nAll that actscope needs is here.\n"));
  free(page);
  machine.gnuplot[0] = '\0';
  page = emit(false);
  cr_expect(strstr(page, "  absent gnuplot          not found\n                          no plots: "), "%s", page);
  cr_expect(strstr(page, "is here; 1 that it can do without is not.\n"));
  free(page);
  set(machine.libc, "2.31");
  page = emit(false);
  cr_expect(strstr(page, "\n1 of 20 checks failed; "), "%s", page);
  for (const char *line = page; *line; line += strcspn(line, "\n") + 1) {
    cr_expect_leq(strcspn(line, "\n"), 80, "%.*s", (int)strcspn(line, "\n"), line);
  }
  free(page);
}

Test(doctor, json) {
  machine.gnuplot[0] = '\0';
  char *text = emit(true);
  json_t *document = json_loads(text, 0, NULL), *checks = json_object_get(document, "checks");
  cr_assert(document, "%s", text);
  cr_expect_str_eq(json_string_value(json_object_get(document, "schema")), "actscope.doctor/1");
  cr_expect_str_eq(json_string_value(json_object_get(document, "version")), "1.2.3");
  cr_expect(json_is_true(json_object_get(document, "ready")));
  cr_expect_eq(json_array_size(checks), doctor.count);
  size_t index;
  json_t *check, *python = json_array_get(json_object_get(document, "pythons"), 0);
  size_t absent = 0;
  json_array_foreach(checks, index, check) {
    const bool is_absent = strcmp(json_string_value(json_object_get(check, "state")), "absent") == 0;
    absent += is_absent;
    cr_expect_eq(*json_string_value(json_object_get(check, "effect")) != '\0', is_absent);
  }
  cr_expect_eq(absent, 1);
  cr_expect_str_eq(json_string_value(json_object_get(python, "torch")), "1.13.0");
  json_decref(document);
  free(text);
}
