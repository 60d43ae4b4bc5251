/* Ranks by the environments that launchers of distributed jobs make. */
#include "profiler/rank.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const char *const names[] = {"RANK",     "WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                                    "PMI_RANK", "PMI_SIZE",   "SLURM_PROCID",         "SLURM_NTASKS"};

static void clear(void) {
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    unsetenv(names[i]);
  }
}

TestSuite(rank, .init = clear);

static void expect(int32_t rank, uint32_t world_size) {
  struct rank found = rank_find();
  cr_expect_eq(found.rank, rank, "rank %d instead of %d", found.rank, rank);
  cr_expect_eq(found.world_size, world_size, "%u ranks instead of %u", found.world_size, world_size);
}

Test(rank, none) {
  expect(-1, 0);
  setenv("WORLD_SIZE", "4", 1);
  expect(-1, 0);
}

Test(rank, of_each_launcher) {
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i += 2) {
    clear();
    setenv(names[i], "2", 1);
    expect(2, 0);
    setenv(names[i + 1], "4", 1);
    expect(2, 4);
  }
}

Test(rank, of_the_innermost_launcher) {
  setenv("SLURM_PROCID", "1", 1);
  setenv("SLURM_NTASKS", "2", 1);
  setenv("RANK", "5", 1);
  setenv("WORLD_SIZE", "8", 1);
  expect(5, 8);
}

Test(rank, not_of_what_is_no_number) {
  static const char *const wrong[] = {"", "-1", "x", "1x", "99999999999", " 1"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    setenv("RANK", wrong[i], 1);
    expect(-1, 0);
  }
  setenv("RANK", "4", 1);
  setenv("WORLD_SIZE", "4", 1);
  expect(4, 0);
}
