/* From frame to frame: see the header. */
#include "profiler/python_walk.h"

enum { MARKS_IN_A_ROW = 4 }; /* more than one is not seen; a chain of nothing else is none */

static bool find_innermost(const struct python_layout *layout, struct python_guard *guard, uint64_t thread,
                           uint64_t *frame) {
  if (!thread || !python_read(guard, thread + layout->thread_frame, frame)) {
    return false;
  }
  return layout->cframe_frame == PYTHON_NOWHERE || !*frame || python_read(guard, *frame + layout->cframe_frame, frame);
}

/* Bytes from the first instruction to the one that runs. The frame can be read. */
static inline uint32_t load_at(const struct python_layout *layout, uint64_t frame, uint64_t code) {
  uint64_t address = frame + layout->frame_at;
  if (layout->at_unit) {
    uint32_t units = python_load_u32(address);
    return (int32_t)units < 0 ? PYTHON_NOT_BEGUN : units * layout->at_unit;
  }
  uint64_t offset = python_load(address) - (code + layout->code_begin);
  return offset < PYTHON_NOT_BEGUN ? (uint32_t)offset : PYTHON_NOT_BEGUN;
}

static inline uint8_t load_kind(const struct python_layout *layout, uint64_t frame) {
  return layout->frame_kind == PYTHON_NOWHERE ? 0 : python_load_byte(frame + layout->frame_kind);
}

static bool is_entry(const struct python_layout *layout, uint8_t kind) {
  return layout->frames == PYTHON_FRAMES_EACH || (layout->frames == PYTHON_FRAMES_ENTRY && kind);
}

size_t python_walk(const struct python_layout *layout, struct python_guard *guard, uint64_t thread,
                   struct python_frame *frames, size_t max) {
  size_t count = 0, marks = 0;
  uint64_t frame;
  if (!find_innermost(layout, guard, thread, &frame)) {
    return 0;
  }
  while (frame && count < max && python_guard_span(guard, frame, layout->frame_bytes)) {
    uint8_t kind = load_kind(layout, frame);
    if (layout->frames == PYTHON_FRAMES_MARKS && kind == layout->mark) {
      if (count) {
        frames[count - 1].entry = true;
      }
      if (++marks > MARKS_IN_A_ROW) {
        break;
      }
    } else {
      uint64_t code = python_load(frame + layout->frame_code);
      frames[count++] = (struct python_frame){code, load_at(layout, frame, code), is_entry(layout, kind)};
      marks = 0;
    }
    frame = python_load(frame + layout->frame_caller);
  }
  return count;
}
