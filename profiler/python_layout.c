/* The table of versions: see the header. The figures are those of offsetof with each version's own headers. */
#include "profiler/python_layout.h"

#include <stddef.h>

// clang-format off
static const struct python_layout layouts[] = {
    /* PyFrameObject, one call of the evaluation function each. */
    {.minor = 9, .lines = PYTHON_LINES_STEPS,
     .tstate_frame = 24, .cframe_frame = PYTHON_NOWHERE,
     .frame_code = 32, .frame_caller = 24, .frame_at = 104, .at_bytes = 1,
     .frame_owner = PYTHON_NOWHERE, .frame_is_entry = PYTHON_NOWHERE,
     .code_file = 104, .code_name = 112, .code_first_line = 40, .code_lines = 120, .code_begin = PYTHON_NOWHERE,
     .text_ascii = 48, .text_compact = 72},
    {.minor = 10, .lines = PYTHON_LINES_RANGES,
     .tstate_frame = 24, .cframe_frame = PYTHON_NOWHERE,
     .frame_code = 32, .frame_caller = 24, .frame_at = 96, .at_bytes = 2,
     .frame_owner = PYTHON_NOWHERE, .frame_is_entry = PYTHON_NOWHERE,
     .code_file = 104, .code_name = 112, .code_first_line = 40, .code_lines = 120, .code_begin = PYTHON_NOWHERE,
     .text_ascii = 48, .text_compact = 72},
    /* _PyInterpreterFrame: calls from Python to Python stay within one evaluation function. */
    {.minor = 11, .lines = PYTHON_LINES_LOCATIONS,
     .tstate_frame = 56, .cframe_frame = 8,
     .frame_code = 32, .frame_caller = 48, .frame_at = 56, .at_bytes = 0,
     .frame_owner = PYTHON_NOWHERE, .frame_is_entry = 68,
     .code_file = 112, .code_name = 128, .code_first_line = 72, .code_lines = 136, .code_begin = 184,
     .text_ascii = 48, .text_compact = 72},
    {.minor = 12, .lines = PYTHON_LINES_LOCATIONS,
     .tstate_frame = 56, .cframe_frame = 0,
     .frame_code = 0, .frame_caller = 8, .frame_at = 56, .at_bytes = 0,
     .frame_owner = 70, .owner_cstack = 3, .frame_is_entry = PYTHON_NOWHERE,
     .code_file = 112, .code_name = 128, .code_first_line = 68, .code_lines = 136, .code_begin = 192,
     .text_ascii = 40, .text_compact = 56},
    {.minor = 13, .lines = PYTHON_LINES_LOCATIONS,
     .tstate_frame = 72, .cframe_frame = PYTHON_NOWHERE,
     .frame_code = 0, .frame_caller = 8, .frame_at = 56, .at_bytes = 0,
     .frame_owner = 70, .owner_cstack = 3, .frame_is_entry = PYTHON_NOWHERE,
     .code_file = 112, .code_name = 128, .code_first_line = 68, .code_lines = 136, .code_begin = 200,
     .text_ascii = 40, .text_compact = 56},
};
// clang-format on

const struct python_layout *python_layout_find(uint32_t version) {
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    if (version >> 24 == 3 && (version >> 16 & 0xff) == layouts[i].minor) {
      return &layouts[i];
    }
  }
  return NULL;
}
