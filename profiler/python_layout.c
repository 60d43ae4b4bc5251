/* The table of versions, and 3.13's own: see the header. The figures are those of offsetof with each version's headers. */
#include "profiler/python_layout.h"

#include <string.h>

// clang-format off
static const struct {
  uint32_t minor;
  struct python_layout layout;
} versions[] = {
    /* PyFrameObject */
    {9, {.frames = PYTHON_FRAMES_EACH, .lines = PYTHON_LINES_STEPS,
         .thread_frame = 24, .cframe_frame = PYTHON_NOWHERE,
         .frame_bytes = 112, .frame_code = 32, .frame_caller = 24, .frame_at = 104, .at_unit = 1,
         .frame_kind = PYTHON_NOWHERE, .mark = PYTHON_NOWHERE,
         .code_file = 104, .code_name = 112, .code_first_line = 40, .code_lines = 120, .code_begin = PYTHON_NOWHERE,
         .code_first_traced = PYTHON_NOWHERE,
         .text_ascii = 48, .text_compact = 72}},
    {10, {.frames = PYTHON_FRAMES_EACH, .lines = PYTHON_LINES_RANGES,
          .thread_frame = 24, .cframe_frame = PYTHON_NOWHERE,
          .frame_bytes = 104, .frame_code = 32, .frame_caller = 24, .frame_at = 96, .at_unit = 2,
          .frame_kind = PYTHON_NOWHERE, .mark = PYTHON_NOWHERE,
          .code_file = 104, .code_name = 112, .code_first_line = 40, .code_lines = 120, .code_begin = PYTHON_NOWHERE,
         .code_first_traced = PYTHON_NOWHERE,
          .text_ascii = 48, .text_compact = 72}},
    /* _PyInterpreterFrame */
    {11, {.frames = PYTHON_FRAMES_ENTRY, .lines = PYTHON_LINES_LOCATIONS,
          .thread_frame = 56, .cframe_frame = 8,
          .frame_bytes = 72, .frame_code = 32, .frame_caller = 48, .frame_at = 56, .at_unit = 0,
          .frame_kind = 68, .mark = PYTHON_NOWHERE,
          .code_file = 112, .code_name = 128, .code_first_line = 72, .code_lines = 136, .code_begin = 184,
          .code_first_traced = 168,
          .text_ascii = 48, .text_compact = 72}},
    {12, {.frames = PYTHON_FRAMES_MARKS, .lines = PYTHON_LINES_LOCATIONS,
          .thread_frame = 56, .cframe_frame = 0,
          .frame_bytes = 72, .frame_code = 0, .frame_caller = 8, .frame_at = 56, .at_unit = 0,
          .frame_kind = 70, .mark = 3,
          .code_file = 112, .code_name = 128, .code_first_line = 68, .code_lines = 136, .code_begin = 192,
          .code_first_traced = 176,
          .text_ascii = 40, .text_compact = 56}},
    {13, {.frames = PYTHON_FRAMES_MARKS, .lines = PYTHON_LINES_LOCATIONS,
          .thread_frame = 72, .cframe_frame = PYTHON_NOWHERE,
          .frame_bytes = 72, .frame_code = 0, .frame_caller = 8, .frame_at = 56, .at_unit = 0,
          .frame_kind = 70, .mark = 3,
          .code_file = 112, .code_name = 128, .code_first_line = 68, .code_lines = 136, .code_begin = 200,
          .code_first_traced = 184,
          .text_ascii = 40, .text_compact = 56}},
};
// clang-format on

const struct python_layout *python_layout_find(uint32_t version) {
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
    if (version >> 24 == 3 && (version >> 16 & 0xff) == versions[i].minor) {
      return &versions[i].layout;
    }
  }
  return NULL;
}

/* ---- what 3.13 says of itself ---------------------------------------------------------------------------------------- */

/* Words of _Py_DebugOffsets (Include/internal/pycore_runtime.h), the first being 0. */
enum {
  OFFSETS_COOKIE = 0,
  OFFSETS_VERSION = 1,
  OFFSETS_FREE_THREADED = 2,
  OFFSETS_THREAD_FRAME = 23,
  OFFSETS_FRAME_CALLER = 29,
  OFFSETS_FRAME_CODE = 30,
  OFFSETS_FRAME_AT = 31,
  OFFSETS_FRAME_OWNER = 33,
  OFFSETS_CODE_FILE = 35,
  OFFSETS_CODE_QUALIFIED_NAME = 37,
  OFFSETS_CODE_LINES = 38,
  OFFSETS_CODE_FIRST_LINE = 39,
  OFFSETS_CODE_BEGIN = 43,
  OFFSETS_OBJECT_TYPE = 45,
  OFFSETS_TYPE_NAME = 47,
  OFFSETS_BYTES_SIZE = 65,
  OFFSETS_BYTES_DATA = 66,
  OFFSETS_TEXT_STATE = 68,
  OFFSETS_TEXT_LENGTH = 69,
  OFFSETS_TEXT_ASCII = 70,
  OFFSETS_WORDS,
};

/* The frame of a version ends where it is last read. */
static uint16_t frame_bytes(const struct python_layout *l) {
  uint16_t last = l->frame_at > l->frame_kind ? l->frame_at : l->frame_kind;
  last = last > l->frame_caller ? last : l->frame_caller;
  last = last > l->frame_code ? last : l->frame_code;
  return (uint16_t)((last | 7) + 1);
}

static bool is_as_everywhere(const uint64_t *words) {
  return words[OFFSETS_OBJECT_TYPE] == PYTHON_OBJECT_TYPE && words[OFFSETS_TYPE_NAME] == PYTHON_TYPE_NAME &&
         words[OFFSETS_BYTES_SIZE] == PYTHON_BYTES_SIZE && words[OFFSETS_BYTES_DATA] == PYTHON_BYTES_DATA &&
         words[OFFSETS_TEXT_STATE] == PYTHON_TEXT_STATE && words[OFFSETS_TEXT_LENGTH] == PYTHON_TEXT_LENGTH;
}

static bool are_small(const uint64_t *words) {
  enum { MOST = 4096 };
  for (size_t i = OFFSETS_THREAD_FRAME; i < OFFSETS_OBJECT_TYPE; i++) {
    if (words[i] > MOST) {
      return false;
    }
  }
  return words[OFFSETS_TEXT_ASCII] <= MOST;
}

bool python_layout_read(uint32_t version, const void *offsets, size_t size, struct python_layout *layout) {
  const struct python_layout *table = python_layout_find(version);
  uint64_t words[OFFSETS_WORDS];
  if (!table || version >> 16 < 0x30d || size < sizeof words) {
    return false;
  }
  memcpy(words, offsets, sizeof words);
  if (memcmp(&words[OFFSETS_COOKIE], "xdebugpy", 8) != 0 || words[OFFSETS_VERSION] != version ||
      words[OFFSETS_FREE_THREADED] || !is_as_everywhere(words) || !are_small(words)) {
    return false;
  }
  *layout = *table;
  layout->thread_frame = (uint16_t)words[OFFSETS_THREAD_FRAME];
  layout->frame_caller = (uint16_t)words[OFFSETS_FRAME_CALLER];
  layout->frame_code = (uint16_t)words[OFFSETS_FRAME_CODE];
  layout->frame_at = (uint16_t)words[OFFSETS_FRAME_AT];
  layout->frame_kind = (uint16_t)words[OFFSETS_FRAME_OWNER];
  layout->frame_bytes = frame_bytes(layout);
  layout->code_file = (uint16_t)words[OFFSETS_CODE_FILE];
  layout->code_name = (uint16_t)words[OFFSETS_CODE_QUALIFIED_NAME];
  layout->code_lines = (uint16_t)words[OFFSETS_CODE_LINES];
  layout->code_first_line = (uint16_t)words[OFFSETS_CODE_FIRST_LINE];
  layout->code_begin = (uint16_t)words[OFFSETS_CODE_BEGIN];
  layout->text_ascii = (uint16_t)words[OFFSETS_TEXT_ASCII];
  layout->text_compact = (uint16_t)(layout->text_ascii + 16); /* utf8_length, utf8 */
  return true;
}
