/* The libraries that actscope is linked with, and how its kernels will compute. */
#include "cli/doctor.h"

#include "kernels/dispatch.h"

#include <dlfcn.h>
#include <elfutils/libdwfl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

static void look_at_kernels(struct doctor_machine *machine) {
  const char *forced = getenv(DISPATCH_VARIABLE);
  const struct kernels *const *built = dispatch_built(), *chosen;
  struct error err;
  while (!dispatch_supported(*built)) {
    built++;
  }
  snprintf(machine->isa_best, sizeof machine->isa_best, "%s", (*built)->name);
  machine->isa_forced = forced && *forced;
  if (dispatch_choose(&chosen, &err) == 0) {
    snprintf(machine->isa, sizeof machine->isa, "%s", chosen->name);
  } else {
    snprintf(machine->isa_why, sizeof machine->isa_why, "%.*s", DOCTOR_PATH - 1, err.message);
  }
}

/* By name, because actscope may have been built without it. */
static void look_at_threads(struct doctor_machine *machine) {
  int (*threads)(void);
  static const char *const names[] = {"OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "OMP_PLACES"};
  size_t used = 0;
  *(void **)&threads = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
  machine->threads = threads ? (uint64_t)threads() : DOCTOR_UNKNOWN;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value && used < sizeof machine->openmp) {
      used += (size_t)snprintf(machine->openmp + used, sizeof machine->openmp - used, "%s%s=%.60s", used ? ", " : "",
                               names[i], value);
    }
  }
}

/* The name that OpenBLAS has, whichever library of CBLAS this is. */
static void look_at_blas(struct doctor_machine *machine) {
  char *(*config)(void);
  *(void **)&config = dlsym(RTLD_DEFAULT, "openblas_get_config");
  snprintf(machine->blas, sizeof machine->blas, "%.*s", DOCTOR_PATH - 1, config ? config() : "");
}

void doctor_look_at_libraries(struct doctor_machine *machine) {
  const char *servers = getenv("DEBUGINFOD_URLS");
  snprintf(machine->zstd, sizeof machine->zstd, "%s", ZSTD_versionString());
  snprintf(machine->sqlite, sizeof machine->sqlite, "%s", sqlite3_libversion());
  snprintf(machine->libdw, sizeof machine->libdw, "%s", dwfl_version(NULL));
  machine->debug_files = (servers && *servers) || access("/usr/lib/debug/.build-id", F_OK) == 0;
  look_at_kernels(machine);
  look_at_threads(machine);
  look_at_blas(machine);
}
