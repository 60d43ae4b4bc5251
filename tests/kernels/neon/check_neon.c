/* The checks of test_kernels.c for the kernels of AArch64, as a program of its own: it runs under qemu where the tests
 * themselves are of another architecture. */
#include "tests/kernels/kernels_check.h"

#include <stdio.h>

enum { ULPS = 8 };

int main(void) {
  const struct finding findings[] = {check_encode(&kernels_neon), check_decode(&kernels_neon),
                                     check_half(&kernels_neon), check_activate(&kernels_neon, ULPS)};
  int status = 0;
  for (size_t i = 0; i < sizeof findings / sizeof *findings; i++) {
    if (findings[i].text[0]) {
      fprintf(stderr, "%s\n", findings[i].text);
      status = 1;
    }
  }
  puts(status ? "neon differs from the reference" : "neon agrees with the reference");
  return status;
}
