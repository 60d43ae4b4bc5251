/* Each frame and each list of frames is looked at once: lists and dictionaries that a pickle shares are marked. */
#include "importers/snapshot_stacks.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Functions of PyTorch that take the stack, where C++ frames are recorded too: innermost, and no part of the program. */
static const char *const recorder[] = {"torch::unwind::", "torch::CapturedTraceback::", "gather_with_cpp"};

static void no_memory(const struct snapshot_stacks *stacks) {
  struct error err;
  run_writer_fail(stacks->writer, error_set(&err, ERROR_MEMORY, "no memory for the stacks; try a machine with more"),
                  &err);
}

static bool is_of_recorder(const char *name) {
  for (size_t i = 0; i < sizeof recorder / sizeof *recorder; i++) {
    if (strstr(name, recorder[i])) {
      return true;
    }
  }
  return false;
}

static uint32_t text_number(struct run_writer *writer, const struct pickle_value *text) {
  return text && text->kind == PICKLE_TEXT ? run_writer_string(writer, text->text, text->size) : 0;
}

static uint64_t word_of(uint32_t code, uint64_t line) {
  return trace_frame_of_code(code, line < UINT32_MAX ? (uint32_t)line : UINT32_MAX);
}

/* A frame of torch.profiler, whose name says all: "train.py(88): forward". 0: it is none. */
static uint64_t profiler_word(struct run_writer *writer, const char *name) {
  const char *end = strstr(name, "): "), *open = end;
  while (open && open > name && isdigit((unsigned char)open[-1])) {
    open--;
  }
  if (!open || open == end || open - name < 2 || open[-1] != '(') {
    return 0;
  }
  uint32_t file = run_writer_string(writer, name, (size_t)(open - 1 - name));
  return word_of(run_writer_code(writer, file, run_writer_string(writer, end + 3, strlen(end + 3))),
                 strtoull(open, NULL, 10));
}

static bool is_file(const char *name) {
  return strcmp(name, "??") != 0 && strcmp(name, "none") != 0; /* what a symbolizer, and torch.profiler, say of none */
}

static struct snapshot_frame frame_read(struct run_writer *writer, const struct pickle_value *value) {
  const struct pickle_value *name = pickle_get(value, "name"), *file = pickle_get(value, "filename");
  bool has_file = is_file(pickle_text(file, "??"));
  uint64_t word = has_file ? 0 : profiler_word(writer, pickle_text(name, ""));
  if (!word) {
    uint32_t code = run_writer_code(writer, has_file ? text_number(writer, file) : 0, text_number(writer, name));
    word = word_of(code, pickle_u64(pickle_get(value, "line"), 0));
  }
  return (struct snapshot_frame){
      .word = word,
      .of_recorder = is_of_recorder(pickle_text(name, "")),
      .of_release = strstr(pickle_text(name, ""), "SavedVariable::reset_data") != NULL,
  };
}

static bool frames_reserve(struct snapshot_stacks *stacks) {
  if (stacks->count < stacks->room) {
    return true;
  }
  size_t larger = stacks->room * 2 + 256;
  struct snapshot_frame *frames = larger <= UINT32_MAX ? realloc(stacks->frames, larger * sizeof *frames) : NULL;
  if (!frames) {
    no_memory(stacks);
    return false;
  }
  stacks->frames = frames;
  stacks->room = larger;
  return true;
}

static const struct snapshot_frame *frame_of(struct snapshot_stacks *stacks, const struct pickle_value *value) {
  static const struct snapshot_frame none = {.word = TRACE_FRAME_CODE};
  uint32_t *mark = value && value->kind == PICKLE_DICT ? pickle_mark(value) : NULL;
  if (!mark || (!*mark && !frames_reserve(stacks))) {
    return &none;
  }
  if (!*mark) {
    stacks->frames[stacks->count] = frame_read(stacks->writer, value);
    *mark = (uint32_t)++stacks->count;
  }
  return &stacks->frames[*mark - 1];
}

static bool note_release(struct snapshot_stacks *stacks, uint32_t stack) {
  if (stack >= stacks->release_room) {
    size_t larger = stack * (size_t)2 + 64;
    bool *release = realloc(stacks->release, larger * sizeof *release);
    if (!release) {
      return false;
    }
    memset(release + stacks->release_room, 0, (larger - stacks->release_room) * sizeof *release);
    stacks->release = release;
    stacks->release_room = larger;
  }
  stacks->release[stack] = true;
  return true;
}

static uint32_t stack_read(struct snapshot_stacks *stacks, const struct pickle_value *list) {
  uint64_t words[TRACE_STACK_DEPTH_MAX];
  size_t count = 0;
  bool releases = false;
  for (size_t i = 0; i < pickle_count(list) && count < TRACE_STACK_DEPTH_MAX; i++) {
    const struct snapshot_frame *frame = frame_of(stacks, pickle_at(list, i));
    releases = releases || frame->of_release;
    if (count || !frame->of_recorder) {
      words[count++] = frame->word;
    }
  }
  uint32_t stack = run_writer_stack(stacks->writer, words, count);
  if (stack && releases && !note_release(stacks, stack)) {
    no_memory(stacks);
  }
  return stack;
}

uint32_t snapshot_stack(struct snapshot_stacks *stacks, const struct pickle_value *list) {
  uint32_t *mark = pickle_mark(list);
  if (!pickle_count(list) || list->kind != PICKLE_LIST) {
    return 0;
  }
  if (!*mark) {
    *mark = stack_read(stacks, list);
  }
  return *mark;
}

bool snapshot_stack_releases(const struct snapshot_stacks *stacks, uint32_t stack) {
  return stack < stacks->release_room && stacks->release[stack];
}

uint32_t snapshot_stack_named(struct snapshot_stacks *stacks, const char *name) {
  uint32_t code = run_writer_code(stacks->writer, 0, run_writer_string(stacks->writer, name, strlen(name)));
  uint64_t word = trace_frame_of_code(code, 0);
  return run_writer_stack(stacks->writer, &word, 1);
}

void snapshot_stacks_fini(struct snapshot_stacks *stacks) {
  free(stacks->frames);
  free(stacks->release);
  *stacks = (struct snapshot_stacks){0};
}
