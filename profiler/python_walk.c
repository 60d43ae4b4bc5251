/* From frame to frame: see the header. */
#include "profiler/python_walk.h"

enum { STRAY_FRAMES = 2 * CONFIG_STACK_DEPTH_MAX }; /* a chain that is longer than what is kept, and not much else, is none */

static bool innermost(const struct python_layout *layout, struct python_guard *guard, uint64_t tstate, uint64_t *frame) {
  if (!tstate || !python_read(guard, tstate + (uint64_t)layout->tstate_frame, frame)) {
    return false;
  }
  return layout->cframe_frame == PYTHON_NOWHERE || !*frame ||
         python_read(guard, *frame + (uint64_t)layout->cframe_frame, frame);
}

/* Bytes from the first instruction to the one that runs; 0 for a frame that has not begun. */
static bool read_at(const struct python_layout *layout, struct python_guard *guard, uint64_t frame, uint64_t code,
                    uint32_t *at) {
  uint64_t address = frame + (uint64_t)layout->frame_at;
  if (layout->at_bytes) {
    uint32_t units;
    bool done = python_read_u32(guard, address, &units);
    *at = done && (int32_t)units > 0 ? units * (uint32_t)layout->at_bytes : 0;
    return done;
  }
  uint64_t instruction;
  if (!python_read(guard, address, &instruction)) {
    return false;
  }
  uint64_t offset = instruction - (code + (uint64_t)layout->code_begin);
  *at = offset < INT32_MAX ? (uint32_t)offset : 0;
  return true;
}

static bool is_mark(const struct python_layout *layout, struct python_guard *guard, uint64_t frame, bool *mark) {
  uint8_t owner = 0;
  if (layout->frame_owner != PYTHON_NOWHERE &&
      !python_read_byte(guard, frame + (uint64_t)layout->frame_owner, &owner)) {
    return false;
  }
  *mark = layout->frame_owner != PYTHON_NOWHERE && owner == layout->owner_cstack;
  return true;
}

static bool is_entry(const struct python_layout *layout, struct python_guard *guard, uint64_t frame) {
  uint8_t entry = 0;
  if (layout->frame_is_entry == PYTHON_NOWHERE) {
    return layout->frame_owner == PYTHON_NOWHERE; /* each is; or a frame that is a mark says it of the one before */
  }
  return python_read_byte(guard, frame + (uint64_t)layout->frame_is_entry, &entry) && entry;
}

/* Takes over one frame and moves on to its caller. */
static bool take(const struct python_layout *layout, struct python_memo *memo, uint64_t *frame) {
  struct python_frame *found = &memo->frames[memo->count];
  bool mark;
  if (!is_mark(layout, &memo->guard, *frame, &mark)) {
    return false;
  }
  if (mark) {
    if (memo->count) {
      found[-1].entry = 1;
    }
  } else {
    uint64_t code;
    uint32_t at;
    if (!python_read(&memo->guard, *frame + (uint64_t)layout->frame_code, &code) || !code ||
        !read_at(layout, &memo->guard, *frame, code, &at)) {
      return false;
    }
    *found = (struct python_frame){.code = code, .at = at, .entry = is_entry(layout, &memo->guard, *frame)};
    memo->count++;
  }
  return python_read(&memo->guard, *frame + (uint64_t)layout->frame_caller, frame);
}

size_t python_walk(const struct python_layout *layout, uint64_t tstate, struct python_memo *memo, size_t max) {
  uint64_t frame = 0;
  python_guard_enter(&memo->guard);
  memo->count = 0;
  if (!innermost(layout, &memo->guard, tstate, &frame)) {
    return 0;
  }
  for (size_t i = 0; frame && memo->count < max && i < STRAY_FRAMES; i++) {
    if (!take(layout, memo, &frame)) {
      break;
    }
  }
  return memo->count;
}
