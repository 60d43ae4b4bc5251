/* Another one of the same shape, which the loader may put in the place of the first. */
#include <stdlib.h>

void plugin_run(size_t size);
void plugin_run(size_t size) {
  void *other = calloc(1, 2 * size);
  free(other);
  free(malloc(size));
}
