/* Where CPython keeps what a traceback shows: the offsets of one minor version, by its own headers on 64-bit machines.
 *
 * Build options of an interpreter may change them, and a later micro version could. So nothing here is believed until the
 * start-up file's test has passed (startup/actscope_python.py): it compares what is read by these offsets with what Python
 * says of its own frames. */
#ifndef ACTSCOPE_PROFILER_PYTHON_LAYOUT_H
#define ACTSCOPE_PROFILER_PYTHON_LAYOUT_H

#include "profiler/python_lines.h"

#include <stdint.h>

enum { PYTHON_NOWHERE = -1 }; /* an offset of what this version lacks */

struct python_layout {
  unsigned minor;                /* 3.minor */
  enum python_lines_form lines;  /* of the code object's line table */
  int tstate_frame;              /* PyThreadState: the innermost frame, or the C frame that points to it */
  int cframe_frame;              /* of the C frame: the innermost frame */
  int frame_code, frame_caller;  /* of a frame: its code object; the frame that called it */
  int frame_at;                  /* the instruction: an int of `at_bytes` a unit, or a pointer into the code object */
  int at_bytes;                  /* bytes of code that one unit of frame_at counts; 0: it is a pointer */
  int frame_owner, owner_cstack; /* a byte of the frame, and its value in frames that only mark an entry from C */
  int frame_is_entry;            /* a byte: this frame's code was called from C */
  int code_file, code_name, code_first_line, code_lines; /* of a code object; the name is the qualified one, if any */
  int code_begin;                                        /* its first instruction, where frame_at is a pointer */
  int text_ascii, text_compact; /* of a str: where the characters begin, if all are ASCII, if not */
};

/* The same in all these versions. */
enum {
  PYTHON_OBJECT_TYPE = 8,
  PYTHON_BYTES_SIZE = 16,
  PYTHON_BYTES_DATA = 32,
  PYTHON_TEXT_LENGTH = 16, /* characters */
  PYTHON_TEXT_STATE = 32,  /* bit field: see the masks */
  PYTHON_TEXT_KIND_SHIFT = 2,
  PYTHON_TEXT_KIND_MASK = 7, /* bytes a character */
  PYTHON_TEXT_COMPACT = 0x20,
  PYTHON_TEXT_ASCII = 0x40,
  PYTHON_TYPE_NAME = 24,
  PYTHON_TYPE_DEALLOC = 48,
};

/* By PY_VERSION_HEX; NULL for a version that is not known. */
const struct python_layout *python_layout_find(uint32_t version);

#endif
