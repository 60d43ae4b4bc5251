/* An interpreter's structures as a layout describes them, made of bytes: frames, code objects, texts. */
#ifndef ACTSCOPE_TESTS_FAKE_PYTHON_H
#define ACTSCOPE_TESTS_FAKE_PYTHON_H

#include "profiler/python_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_text {
  uint64_t bytes[1024];
};

struct fake_code {
  uint64_t object[64];
  struct fake_text file, name, lines;
};

struct fake_frame {
  uint64_t bytes[16];
};

struct fake_thread {
  uint64_t state[16], cframe[4];
};

/* Each returns the address of what it has made. */
uint64_t fake_text(struct fake_text *text, const struct python_layout *layout, unsigned width, bool ascii,
                   const void *characters, uint64_t count);
uint64_t fake_ascii(struct fake_text *text, const struct python_layout *layout, const char *characters);

/* Of eight instructions, all on this line. */
uint64_t fake_code(struct fake_code *code, const struct python_layout *layout, uint64_t type, const char *file,
                   const char *name, uint32_t line);
uint64_t fake_frame(struct fake_frame *frame, const struct python_layout *layout, uint64_t code, uint32_t at,
                    uint8_t kind, const struct fake_frame *caller);
uint64_t fake_thread(struct fake_thread *thread, const struct python_layout *layout,
                     const struct fake_frame *innermost);

void fake_put(void *object, size_t offset, const void *value, size_t size);
void fake_put_word(void *object, size_t offset, uint64_t word);

#endif
