/* Reads a trace, finished or left behind by a process that was killed, as one stream of events in time order.
 *
 * The file is mapped; chunks of every stream are merged by time with one (decompressed) chunk a stream in memory. The
 * tables (stacks, modules, strings) are loaded when the trace is opened. Nothing here trusts the file: every number is
 * checked, and a damaged place gives ERROR_INPUT with a message, never a crash. One reader, one thread. */
#ifndef ACTSCOPE_TRACE_READER_H
#define ACTSCOPE_TRACE_READER_H

#include "common/error.h"
#include "trace/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_reader; /* opaque */

/* What the file header and a look over the chunk headers tell; strings are the reader's and live as long as it. */
struct trace_info {
  unsigned version_major, version_minor;
  uint32_t flags;       /* enum trace_flag */
  uint32_t stop_reason; /* enum trace_stop */
  uint64_t start_unix_ns;
  uint64_t end_ns;                  /* end of the process, or of the last record if that was not seen */
  uint64_t min_size;                /* bytes */
  unsigned stack_depth;             /* frames */
  int pid, ppid, rank, exit_status; /* rank and exit_status -1 = unknown */
  unsigned world_size;              /* ranks of the distributed job, 0 = unknown */
  const char *host;                 /* name of the machine, "" = unknown */
  uint64_t lost_events;
  int argc;
  const char *const *argv;
  const char *framework; /* "pytorch 2.13.0", or "" */
  size_t chunks, streams;
  uint64_t file_bytes;
  bool complete;      /* the process was seen to end and nothing is missing or damaged */
  const char *damage; /* what is missing, one sentence; "" if nothing */
};

enum trace_event_kind {
  TRACE_ALLOC = 1,  /* address, size, stack; realloc says whether it continues a realloc */
  TRACE_FREE,       /* address, stack; in_release: inside SavedVariable::reset_data(); realloc */
  TRACE_SMALL,      /* small: sums since the thread's previous TRACE_SMALL */
  TRACE_MAP,        /* address, size, stack */
  TRACE_UNMAP,      /* address, size, stack */
  TRACE_THREAD,     /* tid: this stream's events are of another thread from here on */
  TRACE_SAVE,       /* save */
  TRACE_RELEASE,    /* release */
  TRACE_RESIDENT,   /* resident */
  TRACE_PHASE,      /* phase */
  TRACE_LOST,       /* size = number of events that were not recorded */
  TRACE_REGION,     /* region, stack: a piece of a heap block is a block of its own from here on */
  TRACE_REGION_END, /* address: that region is part of its block again */
  TRACE_STEP,       /* the program says that a step begins */
};

struct trace_event {
  enum trace_event_kind kind;
  uint64_t time_ns; /* since the trace began; never decreases from one event to the next */
  uint32_t tid;
  uint32_t stack;   /* 0 = none; see trace_reader_stack */
  uint64_t address; /* ALLOC, FREE, MAP, UNMAP */
  uint64_t size;    /* bytes asked for */
  bool in_release, realloc;
  union {
    struct {
      uint64_t alloc_bytes, alloc_count, free_bytes, free_count; /* usable bytes */
    } small;
    struct {
      uint64_t tensor; /* names the saved variable until its release; not unique: several holders may save one tensor */
      uint64_t data;   /* address of the first element, inside a block */
      uint64_t bytes;  /* of the storage, or of the tensor where that is not known */
      uint64_t elements; /* of the tensor */
      uint32_t dtype;    /* c10::ScalarType, or TRACE_DTYPE_UNKNOWN */
      enum trace_source source;
      const char *layer; /* "blocks.0.mlp.act", or "" */
      const char *op;    /* as the program named it by a mark, or "": the stack tells */
    } save;
    struct {
      uint64_t tensor;
      uint64_t node_type; /* address of the autograd node's vtable (names the op), 0 = unknown */
      enum trace_source source;
    } release;
    struct {
      uint64_t data, bytes;
      enum trace_role role;
      const char *name; /* "blocks.0.fc.weight", or "" */
    } resident;
    struct {
      enum trace_phase phase;
      bool begins;
    } phase;
    struct {
      uint64_t data, bytes;
      const char *layer; /* of the thread that carved it, then; or "" */
      const char *name;  /* the program's name for it, or "" */
      const char *op;    /* what keeps it for backward, or "": its saves say */
    } region;
  };
};

struct trace_module {
  uint64_t from_ns, to_ns; /* mapped during [from, to); to = UINT64_MAX: to the end */
  uint64_t begin, end;     /* addresses */
  uint64_t bias;           /* run-time address minus the address in the ELF file */
  const char *path;        /* "" for the vdso and the like */
  const uint8_t *build_id; /* NULL if it has none */
  size_t build_id_size;
};

/* A function that frames name themselves, by its id (see TRACE_FRAME_CODE). */
struct trace_code {
  const char *file; /* as the program knows it: "/home/me/train.py", "<string>"; "" unknown */
  const char *name; /* "" for an id that the trace does not tell */
};

/* Opens path. On success *out is owned by the caller, who ends it with trace_reader_close. ERROR_IO: missing, not
 * to be read; ERROR_INPUT: empty, foreign, of another version, or damaged beyond use. A trace whose end is missing opens, with info->damage set; what
 * is there is read, and then trace_reader_next ends with ERROR_INPUT. What a killed process left is not damaged. */
int trace_reader_open(struct trace_reader **out, const char *path, struct error *err);
void trace_reader_close(struct trace_reader *reader); /* NULL allowed */

const struct trace_info *trace_reader_info(const struct trace_reader *reader);

/* 1: *event is filled in; 0: the end; negative: damage, with a message. Strings in it live as long as the reader. */
int trace_reader_next(struct trace_reader *reader, struct trace_event *event, struct error *err);
void trace_reader_rewind(struct trace_reader *reader); /* the next event is again the first */

/* The frames of a stack, innermost first: return addresses, and lines of codes (TRACE_FRAME_CODE); NULL and *count = 0 if
 * there is no such stack. They live as long as the reader. */
const uint64_t *trace_reader_stack(const struct trace_reader *reader, uint32_t stack, size_t *count);
uint32_t trace_reader_stack_limit(const struct trace_reader *reader); /* every stack id is below it */

size_t trace_reader_modules(const struct trace_reader *reader, const struct trace_module **modules); /* by from_ns */
size_t trace_reader_codes(const struct trace_reader *reader, const struct trace_code **codes);       /* by id */

/* What the trace says about the run under this key ("framework", "allocator" ...), "" if nothing. */
const char *trace_reader_meta(const struct trace_reader *reader, const char *key);

/* Share of the file read so far, 0 to 1, for a progress bar. */
double trace_reader_progress(const struct trace_reader *reader);

#endif
