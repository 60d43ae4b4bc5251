/* Where CPython keeps what a traceback shows, for one minor version on 64-bit machines: by its own headers, and from 3.13 on
 * by what the interpreter says itself (_PyRuntime begins with a table of offsets for debuggers).
 *
 * Build options of an interpreter may change them, and a later micro version could. So nothing here is believed until the
 * start-up file's test has passed (startup/actscope_python.py): it compares what is read by these offsets with what Python
 * says of its own frames. */
#ifndef ACTSCOPE_PROFILER_PYTHON_LAYOUT_H
#define ACTSCOPE_PROFILER_PYTHON_LAYOUT_H

#include "profiler/python_lines.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PYTHON_NOWHERE = 0xffff }; /* an offset of what this version lacks */

/* How frames follow on one another. */
enum python_frames_form {
  PYTHON_FRAMES_EACH,  /* 3.9, 3.10: each runs in an evaluation function of its own */
  PYTHON_FRAMES_ENTRY, /* 3.11: a byte says whether it does; else its caller's runs it too */
  PYTHON_FRAMES_MARKS, /* from 3.12 on: behind the outermost one of an evaluation function stands a frame that only marks it */
};

struct python_layout {
  enum python_frames_form frames;
  enum python_lines_form lines;      /* of the code object's line table */
  uint16_t thread_frame;             /* of a PyThreadState: the innermost frame, or the C frame that points to it */
  uint16_t cframe_frame;             /* of a C frame: the innermost frame */
  uint16_t frame_bytes;              /* of a frame, as far as it is read */
  uint16_t frame_code, frame_caller; /* of a frame: its code object; the frame that called it */
  uint16_t frame_at;   /* the instruction: an int that counts `at_unit` bytes, or a pointer into the code */
  uint16_t at_unit;    /* 0: it is a pointer */
  uint16_t frame_kind; /* a byte: see the forms; a mark has the value `mark` */
  uint16_t mark;
  uint16_t code_file, code_name, code_first_line,
      code_lines;                    /* of a code object; the name is the qualified one, if any */
  uint16_t code_begin;               /* its first instruction, where frame_at is a pointer */
  uint16_t code_first_traced;        /* an int: instructions before those of the program; a frame at one is not shown */
  uint16_t text_ascii, text_compact; /* of a str: where the characters begin, if all are ASCII; if not */
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

/* The same from the table at the beginning of _PyRuntime, `size` bytes of it, for a version that has one. False: it has none,
 * or says something that the reader here cannot follow (a build without the interpreter's lock, for one). */
bool python_layout_read(uint32_t version, const void *offsets, size_t size, struct python_layout *layout);

#endif
