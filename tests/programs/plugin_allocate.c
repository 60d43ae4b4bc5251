/* A plug-in that allocates: found by its bare name only along its program's RUNPATH. */
#include <stdlib.h>

void plugin_run(size_t size);
void plugin_run(size_t size) {
  free(malloc(size));
}
