/* Built without call frame information, with frame pointers (tests/CMakeLists.txt). */
#include "tests/profiler/bare_code.h"

__attribute__((noinline)) void bare_call(void (*function)(const void *), const void **return_address) {
  *return_address = __builtin_return_address(0);
  function(*return_address);
  __asm__ volatile("" ::: "memory"); /* the call is not the last thing done: the frame stands */
}
