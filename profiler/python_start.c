/* What the start-up file of `record --python-stacks` calls through ctypes, with the interpreter's lock held. */
#include "profiler/python_stacks.h"

#define EXPORT __attribute__((visibility("default")))

/* Numbers are addresses; `offsets` may be 0. An enum python_refusal. */
EXPORT int actscope_python_prepare(uint32_t version, const void *offsets, uint64_t offsets_size, void *(*thread)(void),
                                   void *code_type, const void *evaluate, const char *own_folder);
EXPORT int actscope_python_prepare(uint32_t version, const void *offsets, uint64_t offsets_size, void *(*thread)(void),
                                   void *code_type, const void *evaluate, const char *own_folder) {
  const struct python_start start = {
      .version = version,
      .offsets = offsets,
      .offsets_size = offsets_size,
      .thread = thread,
      .code_type = code_type,
      .evaluate = evaluate,
      .own_folder = own_folder,
  };
  return (int)python_stacks_prepare(&start);
}

EXPORT int64_t actscope_python_look(const char **looks);
EXPORT int64_t actscope_python_look(const char **looks) {
  return python_stacks_look(looks);
}

EXPORT uint64_t actscope_python_deaths(void);
EXPORT uint64_t actscope_python_deaths(void) {
  return python_stacks_deaths();
}

EXPORT void actscope_python_enable(int on);
EXPORT void actscope_python_enable(int on) {
  python_stacks_enable(on != 0);
}
