/* Runs python3, as the tester's PATH has it. */
#include "tests/importers/python.h"

#include <stdio.h>
#include <stdlib.h>

static void must(int condition, const char *expression) {
  if (!condition) {
    fprintf(stderr, "python3 failed: %s\n", expression);
    abort();
  }
}

size_t python_pickle(uint8_t bytes[PYTHON_MAX], const char *expression, int protocol) {
  char *command = NULL;
  must(asprintf(&command, "python3 -c 'import pickle, sys; sys.stdout.buffer.write(pickle.dumps(%s, protocol=%d))'",
                expression, protocol) > 0,
       expression);
  FILE *pipe = popen(command, "r"); // NOLINT(cert-env33-c): python3 as the tester's PATH has it
  must(pipe != NULL, expression);
  size_t size = fread(bytes, 1, PYTHON_MAX, pipe);
  must(pclose(pipe) == 0 && size > 0 && size < PYTHON_MAX, expression);
  free(command);
  return size;
}
