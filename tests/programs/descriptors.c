/* descriptors INPUT OUTPUT: lets go of every descriptor, as daemons do, opens two files, says which numbers they got, and copies
 * lines of six bytes with allocations in between. Built without call frame information (CMakeLists.txt). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD = 6 };

static char *volatile kept;

static void allocate(size_t size) {
  kept = malloc(size);
  memset(kept, 1, size);
  free(kept);
}

int main(int argc, char **argv) {
  char record[RECORD];
  if (argc != 3) {
    return 2;
  }
  close_range(3, ~0U, 0);
  int input = open(argv[1], O_RDONLY);
  int output = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
  printf("%d %d\n", input, output);
  for (size_t size = 5000; read(input, record, RECORD) == RECORD; size += 16) {
    allocate(size);
    if (write(output, record, RECORD) != RECORD) {
      return 1;
    }
  }
  return 0;
}
