/* Builds the structures that a layout describes: see the header. */
#include "tests/profiler/fake_python.h"

#include <string.h>

void fake_put(void *object, size_t offset, const void *value, size_t size) {
  memcpy((uint8_t *)object + offset, value, size);
}

void fake_put_word(void *object, size_t offset, uint64_t word) {
  fake_put(object, offset, &word, sizeof word);
}

static void put_int(void *object, size_t offset, uint32_t number) {
  fake_put(object, offset, &number, sizeof number);
}

uint64_t fake_text(struct fake_text *text, const struct python_layout *layout, unsigned width, bool ascii,
                   const void *characters, uint64_t count) {
  memset(text, 0, sizeof *text);
  fake_put_word(text, PYTHON_TEXT_LENGTH, count);
  put_int(text, PYTHON_TEXT_STATE,
          PYTHON_TEXT_COMPACT | (ascii ? PYTHON_TEXT_ASCII : 0) | width << PYTHON_TEXT_KIND_SHIFT);
  fake_put(text, ascii ? layout->text_ascii : layout->text_compact, characters, count * width);
  return (uintptr_t)text;
}

uint64_t fake_ascii(struct fake_text *text, const struct python_layout *layout, const char *characters) {
  return fake_text(text, layout, 1, true, characters, strlen(characters));
}

/* A table by which every instruction is on the first line, in every form. */
static size_t one_line(enum python_lines_form form, uint8_t *table) {
  static const uint8_t locations[] = {0x80 | 13 << 3 | 7, 0}; /* 8 instructions, no columns, no lines further */
  static const uint8_t range[] = {16, 0};
  if (form == PYTHON_LINES_STEPS) {
    return 0;
  }
  memcpy(table, form == PYTHON_LINES_RANGES ? range : locations, 2);
  return 2;
}

uint64_t fake_code(struct fake_code *code, const struct python_layout *layout, uint64_t type, const char *file,
                   const char *name, uint32_t line) {
  memset(code, 0, sizeof *code);
  fake_put_word(code->object, PYTHON_OBJECT_TYPE, type);
  fake_put_word(code->object, layout->code_file, fake_ascii(&code->file, layout, file));
  fake_put_word(code->object, layout->code_name, fake_ascii(&code->name, layout, name));
  put_int(code->object, layout->code_first_line, line);
  fake_put_word(code->object, layout->code_lines, (uintptr_t)&code->lines);
  fake_put_word(&code->lines, PYTHON_BYTES_SIZE,
                one_line(layout->lines, (uint8_t *)code->lines.bytes + PYTHON_BYTES_DATA));
  return (uintptr_t)code->object;
}

uint64_t fake_frame(struct fake_frame *frame, const struct python_layout *layout, uint64_t code, uint32_t at,
                    uint8_t kind, const struct fake_frame *caller) {
  memset(frame, 0, sizeof *frame);
  fake_put_word(frame, layout->frame_code, code);
  fake_put_word(frame, layout->frame_caller, (uintptr_t)caller);
  if (layout->at_unit) {
    put_int(frame, layout->frame_at, at / layout->at_unit);
  } else {
    fake_put_word(frame, layout->frame_at, code + layout->code_begin + at);
  }
  if (layout->frame_kind != PYTHON_NOWHERE) {
    fake_put(frame, layout->frame_kind, &kind, 1);
  }
  return (uintptr_t)frame;
}

uint64_t fake_thread(struct fake_thread *thread, const struct python_layout *layout,
                     const struct fake_frame *innermost) {
  memset(thread, 0, sizeof *thread);
  if (layout->cframe_frame == PYTHON_NOWHERE) {
    fake_put_word(thread->state, layout->thread_frame, (uintptr_t)innermost);
  } else {
    fake_put_word(thread->state, layout->thread_frame, (uintptr_t)thread->cframe);
    fake_put_word(thread->cframe, layout->cframe_frame, (uintptr_t)innermost);
  }
  return (uintptr_t)thread->state;
}
