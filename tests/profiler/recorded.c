/* Recordings for tests: see the header. */
#include "tests/profiler/recorded.h"

#include "tests/support/files.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 16 };

static void must(int condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "recorded: %s\n", what);
    abort();
  }
}

const char *recorded_program(const char *name) {
  static char path[4096];
  const char *build = getenv("ACTSCOPE_BUILD");
  must(build != NULL, "ACTSCOPE_BUILD is not set; run the tests by ctest");
  must(snprintf(path, sizeof path, "%s/tests/programs/%s", build, name) < (int)sizeof path, "long path");
  return path;
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

static void complete_options(struct recorded *run, char *output, size_t size) {
  struct launch_options *options = &run->options;
  run->folder = run->folder ? run->folder : folder_make();
  snprintf(output, size, "%s/run", run->folder);
  options->output = options->output ? options->output : output;
  options->min_size = options->min_size || run->keep_min_size ? options->min_size : CONFIG_MIN_SIZE_DEFAULT;
  options->stack_depth = options->stack_depth ? options->stack_depth : CONFIG_STACK_DEPTH_DEFAULT;
}

void recorded_run(struct recorded *run, const char *program, ...) {
  static char output[4096];
  char path[4096];
  const char *argv[ARGUMENTS_MAX] = {path};
  snprintf(path, sizeof path, "%s", strchr(program, '/') ? program : recorded_program(program));
  va_list rest;
  va_start(rest, program);
  for (int i = 1; i < ARGUMENTS_MAX && (argv[i] = va_arg(rest, const char *)); i++) {
  }
  va_end(rest);
  complete_options(run, output, sizeof output);
  run->options.argv = (char *const *)argv;
  struct path captured = path_join(run->folder, "stdout");
  fflush(stdout);
  int before = dup(STDOUT_FILENO);
  int fd = open(captured.text, O_RDWR | O_CREAT | O_TRUNC, 0600);
  must(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0, captured.text);
  run->code = launch_run(&run->options, &run->result, &run->err);
  dup2(before, STDOUT_FILENO);
  close(before);
  close(fd);
  run->output = (char *)file_read(captured.text, &run->output_size);
  run->options.argv = NULL;
}

void recorded_fini(struct recorded *run) {
  launch_result_fini(&run->result);
  free(run->output);
  if (run->folder) {
    folder_remove(run->folder);
  }
}

/* ---- live blocks: open addressing, by address -------------------------------------------------------------------------- */

struct block {
  uint64_t address, size;
};

struct blocks {
  struct block *slots;
  size_t mask, used;
};

static struct block *find(struct blocks *blocks, uint64_t address) {
  for (size_t i = (address * 0x9e3779b97f4a7c15u) >> 20;; i++) {
    struct block *slot = &blocks->slots[i & blocks->mask];
    if (slot->address == address || slot->address == 0) {
      return slot;
    }
  }
}

static void grow(struct blocks *blocks) {
  struct blocks old = *blocks;
  blocks->mask = old.slots ? old.mask * 2 + 1 : 4095;
  blocks->slots = calloc(blocks->mask + 1, sizeof *blocks->slots);
  must(blocks->slots != NULL, "no memory");
  for (size_t i = 0; old.slots && i <= old.mask; i++) {
    if (old.slots[i].address) {
      *find(blocks, old.slots[i].address) = old.slots[i];
    }
  }
  free(old.slots);
}

#define FREED UINT64_MAX /* size of a slot whose block is gone */

static struct block *enter(struct blocks *blocks, uint64_t address) {
  if (!blocks->slots || blocks->used * 2 > blocks->mask) {
    grow(blocks);
  }
  struct block *slot = find(blocks, address);
  if (slot->address == 0) {
    *slot = (struct block){address, FREED};
    blocks->used++;
  }
  return slot;
}

/* ---- replay ------------------------------------------------------------------------------------------------------------ */

struct state {
  struct replay *replay;
  struct blocks blocks;
  size_t sizes_room;
  uint32_t tids[4096];
};

static void note_size(struct state *state, uint64_t size) {
  struct replay *replay = state->replay;
  if (replay->allocs == state->sizes_room) {
    state->sizes_room = state->sizes_room ? state->sizes_room * 2 : 1024;
    replay->sizes = realloc(replay->sizes, state->sizes_room * sizeof *replay->sizes);
    must(replay->sizes != NULL, "no memory");
  }
  replay->sizes[replay->allocs++] = size;
}

static void note_thread(struct state *state, uint32_t tid) {
  size_t count = state->replay->threads;
  for (size_t i = 0; i < count; i++) {
    if (state->tids[i] == tid) {
      return;
    }
  }
  if (count < sizeof state->tids / sizeof state->tids[0]) {
    state->tids[state->replay->threads++] = tid;
  }
}

static uint64_t heap_bytes(const struct replay *replay) {
  return replay->live_bytes + replay->small_alloc_bytes - replay->small_free_bytes;
}

static void apply_alloc(struct state *state, const struct trace_event *event) {
  struct replay *replay = state->replay;
  struct block *block = enter(&state->blocks, event->address);
  if (block->size != FREED) {
    replay->double_allocs++;
    replay->live_bytes -= block->size;
    replay->live_blocks--;
  }
  block->size = event->size;
  replay->live_bytes += event->size;
  replay->live_blocks++;
  replay->reallocs += event->realloc;
  note_size(state, event->size);
}

static void apply_free(struct state *state, const struct trace_event *event) {
  struct replay *replay = state->replay;
  struct block *block = enter(&state->blocks, event->address);
  replay->frees++;
  if (block->size == FREED) {
    replay->unknown_frees++;
    return;
  }
  replay->live_bytes -= block->size;
  replay->live_blocks--;
  block->size = FREED;
}

static void apply(struct state *state, const struct trace_event *event) {
  struct replay *replay = state->replay;
  note_thread(state, event->tid);
  switch (event->kind) {
  case TRACE_ALLOC:
    apply_alloc(state, event);
    replay->without_stack += event->stack == 0;
    break;
  case TRACE_FREE:
    apply_free(state, event);
    replay->without_stack += event->stack == 0;
    break;
  case TRACE_SMALL:
    replay->small_alloc_bytes += event->small.alloc_bytes;
    replay->small_free_bytes += event->small.free_bytes;
    replay->small_allocs += event->small.alloc_count;
    replay->small_frees += event->small.free_count;
    break;
  case TRACE_MAP:
    replay->maps++;
    replay->mapped_bytes += event->size;
    break;
  case TRACE_UNMAP:
    replay->unmaps++;
    replay->mapped_bytes -= event->size;
    break;
  default:
    break;
  }
  uint64_t live = heap_bytes(replay);
  replay->peak_bytes = live > replay->peak_bytes ? live : replay->peak_bytes;
}

static void copy_meta(char *text, size_t size, const struct trace_reader *reader, const char *key) {
  snprintf(text, size, "%s", trace_reader_meta(reader, key));
}

static void describe(struct replay *replay, const struct trace_reader *reader) {
  const struct trace_info *info = trace_reader_info(reader);
  const struct trace_module *modules;
  replay->lost = info->lost_events;
  replay->complete = info->complete;
  replay->flags = info->flags;
  replay->stop_reason = info->stop_reason;
  replay->exit_status = info->exit_status;
  replay->pid = info->pid;
  replay->modules = trace_reader_modules(reader, &modules);
  snprintf(replay->damage, sizeof replay->damage, "%s", info->damage);
  copy_meta(replay->own_malloc, sizeof replay->own_malloc, reader, "own_malloc");
  copy_meta(replay->allocator, sizeof replay->allocator, reader, "allocator");
  copy_meta(replay->deepbind, sizeof replay->deepbind, reader, "deepbind");
  copy_meta(replay->own_operator_new, sizeof replay->own_operator_new, reader, "own_operator_new");
  copy_meta(replay->no_usable_size, sizeof replay->no_usable_size, reader, "no_usable_size");
}

struct replay replay_trace(const char *path) {
  struct replay replay = {0};
  struct trace_reader *reader;
  struct error err = {""};
  must(trace_reader_open(&reader, path, &err) == 0, err.message);
  describe(&replay, reader);
  struct state *state = calloc(1, sizeof *state);
  must(state != NULL, "no memory");
  state->replay = &replay;
  struct trace_event event;
  int code;
  while ((code = trace_reader_next(reader, &event, &err)) > 0) {
    apply(state, &event);
  }
  must(code == 0, err.message);
  free(state->blocks.slots);
  free(state);
  trace_reader_close(reader);
  return replay;
}

void replay_fini(struct replay *replay) {
  free(replay->sizes);
}

uint64_t replay_count_size(const struct replay *replay, uint64_t size) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < replay->allocs; i++) {
    count += replay->sizes[i] == size;
  }
  return count;
}
