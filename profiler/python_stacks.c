/* From walks to frames of a trace: see the header. */
#include "profiler/python_stacks.h"

#include "profiler/python_code.h"
#include "profiler/recorder_private.h"
#include "profiler/tables.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

bool python_stacks_on;

/* Of the interpreter: written before python_stacks_on is set. */
static struct {
  bool prepared;
  struct python_layout layout;
  void *(*thread)(void);
  uint64_t code_type;
  uint64_t evaluate, evaluate_size; /* addresses of the evaluation function */
  char own_folder[CONFIG_PATH_MAX];
} interpreter;

static uint64_t deaths; /* of code objects */
static void (*true_dealloc)(void *object);

/* Under the recorder's lock: a thread's stack may be too small for it. */
static struct python_code scratch;

/* ---- walks ----------------------------------------------------------------------------------------------------------- */

static bool is_own(const struct python_code *code) {
  size_t size = strlen(interpreter.own_folder);
  return size && strncmp(code->file, interpreter.own_folder, size) == 0 && code->file[size] == '/';
}

static bool read_frame(struct python_guard *guard, const struct python_frame *frame) {
  return python_code_read(&interpreter.layout, guard, interpreter.code_type, frame->code, frame->at, &scratch);
}

/* Reads what the frame runs and writes its names, if they are new. *known: the answer holds as long as the object lives. */
static uint64_t make_frame(struct python_guard *guard, const struct python_frame *frame, bool *known) {
  uint64_t made = 0;
  sigset_t before;
  recorder_lock(&before);
  *known = read_frame(guard, frame);
  if (*known && scratch.shown && !is_own(&scratch)) {
    uint32_t code = tables_add_code(scratch.file, scratch.file_size, scratch.name, scratch.name_size);
    made = code ? trace_frame_of_code(code, scratch.line) : 0;
    *known = code != 0;
  }
  recorder_unlock(&before);
  return made;
}

static uint64_t find_frame(struct python_memo *memo, const struct python_frame *frame) {
  uint64_t hash = (frame->code + frame->at) * UINT64_C(0x9e3779b97f4a7c15);
  struct python_line *line = &memo->known[hash >> (64 - PYTHON_KNOWN_BITS)];
  if (line->code == frame->code && line->at == frame->at && line->deaths == memo->deaths) {
    return line->frame;
  }
  bool known;
  uint64_t made = make_frame(&memo->guard, frame, &known);
  if (known) {
    *line = (struct python_line){frame->code, memo->deaths, made, frame->at};
  }
  return made;
}

/* How many of the last walk's frames, from the outermost on, are those of this one. */
static size_t count_unchanged(const struct python_memo *memo, size_t count, uint64_t now) {
  size_t same = 0, most = memo->count < count ? memo->count : count;
  if (memo->deaths != now) {
    return 0;
  }
  while (same < most) {
    const struct python_step *step = &memo->steps[same];
    const struct python_frame *frame = &memo->fresh[count - 1 - same];
    if (step->code != frame->code || step->at != frame->at || step->entry != frame->entry) {
      break;
    }
    same++;
  }
  return same;
}

size_t python_stacks_take(struct python_memo *memo, size_t max, struct stack_key *key) {
  uint64_t now = __atomic_load_n(&deaths, __ATOMIC_ACQUIRE);
  python_guard_enter(&memo->guard);
  size_t count = python_walk(&interpreter.layout, &memo->guard, (uintptr_t)interpreter.thread(), memo->fresh,
                             max < CONFIG_STACK_DEPTH_MAX ? max : CONFIG_STACK_DEPTH_MAX);
  size_t i = count_unchanged(memo, count, now);
  struct stack_key top = i ? memo->steps[i - 1].key : STACK_KEY_EMPTY;
  memo->deaths = now;
  for (; i < count; i++) {
    const struct python_frame *from = &memo->fresh[count - 1 - i];
    uint64_t frame = find_frame(memo, from);
    top = frame ? stack_key_push(top, frame) : top;
    memo->steps[i] = (struct python_step){from->code, from->at, from->entry, frame, top};
  }
  memo->count = count;
  if (count) {
    *key = stack_key_join(*key, top);
  }
  return count;
}

/* ---- places ---------------------------------------------------------------------------------------------------------- */

/* The frames that one evaluation function runs, from step *left - 1 outwards. Returns where the next one goes. */
static size_t put_group(struct python_memo *memo, size_t *left, size_t put, size_t max) {
  bool last = false;
  while (*left && !last) {
    const struct python_step *step = &memo->steps[--*left];
    last = step->entry;
    if (step->frame && put < max) {
      memo->spliced[put++] = step->frame;
    }
  }
  return put;
}

/* An evaluation function whose frames are all left out stays, so that a stack never has fewer frames than it had: that it was
 * cut at its outermost end can still be told by their number. Where it does not show (its code is in two places, the native
 * walk ended early), its frames come behind all others. */
const uint64_t *python_stacks_splice(struct python_memo *memo, const uint64_t *frames, size_t *count, size_t max) {
  size_t left = memo->count, put = 0;
  max = max < CONFIG_STACK_DEPTH_MAX ? max : CONFIG_STACK_DEPTH_MAX;
  for (size_t i = 0; i < *count && put < max; i++) {
    size_t before = put;
    if (left && frames[i] - 1 - interpreter.evaluate < interpreter.evaluate_size) {
      put = put_group(memo, &left, put, max);
    }
    if (put == before) {
      memo->spliced[put++] = frames[i];
    }
  }
  while (left && put < max) {
    put = put_group(memo, &left, put, max);
  }
  *count = put;
  return memo->spliced;
}

/* ---- start ----------------------------------------------------------------------------------------------------------- */

/* In place of the destructor of code objects: before the address can be another's. */
static void note_death(void *object) {
  __atomic_fetch_add(&deaths, 1, __ATOMIC_ACQ_REL);
  true_dealloc(object);
}

static const struct link_map *module_of(uint64_t address) {
  struct dl_find_object found;
  bool is_there = _dl_find_object((void *)address, &found) == 0; // NOLINT(performance-no-int-to-ptr)
  return is_there ? found.dlfo_link_map : NULL;
}

/* The type's name is "code", and its destructor is the interpreter's. */
static bool find_dealloc(struct python_guard *guard, uint64_t type, const struct link_map *module, uint64_t **slot) {
  uint64_t name, word, dealloc;
  if (!python_read(guard, type + PYTHON_TYPE_NAME, &name) || !python_guard_range(guard, name, sizeof word) ||
      !python_read(guard, type + PYTHON_TYPE_DEALLOC, &dealloc)) {
    return false;
  }
  *slot = (uint64_t *)(type + PYTHON_TYPE_DEALLOC); // NOLINT(performance-no-int-to-ptr)
  bool ours = dealloc == (uintptr_t)&note_death;
  return strncmp((const char *)name, "code", sizeof "code") == 0 && // NOLINT(performance-no-int-to-ptr)
         (ours || (module && module_of(dealloc) == module));
}

static void watch_deaths(uint64_t *slot) {
  uint64_t dealloc = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
  if (dealloc != (uintptr_t)&note_death) {
    true_dealloc = (void (*)(void *))dealloc; // NOLINT(performance-no-int-to-ptr)
    __atomic_store_n(slot, (uintptr_t)&note_death, __ATOMIC_RELEASE);
  }
}

static void find_evaluate(const void *function) {
  Dl_info info;
  const ElfW(Sym) *symbol = NULL;
  interpreter.evaluate = (uintptr_t)function;
  interpreter.evaluate_size =
      function && dladdr1(function, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol ? symbol->st_size : 0;
}

static bool find_layout(const struct python_start *start) {
  const struct python_layout *table = python_layout_find(start->version);
  if (start->offsets) {
    return python_layout_read(start->version, start->offsets, start->offsets_size, &interpreter.layout);
  }
  if (table) {
    interpreter.layout = *table;
  }
  return table;
}

enum python_refusal python_stacks_prepare(const struct python_start *start) {
  static struct python_guard guard;
  uint64_t type = (uintptr_t)start->code_type, *slot;
  const struct config *config = recorder_config();
  python_stacks_enable(false);
  if (!config || !config->python_stacks) {
    return PYTHON_NOT_WANTED;
  }
  if (interpreter.code_type && interpreter.code_type != type) {
    return PYTHON_ANOTHER;
  }
  if (!python_guard_works()) {
    return PYTHON_NO_GUARD;
  }
  python_guard_enter(&guard);
  if (!find_layout(start) || !find_dealloc(&guard, type, module_of((uintptr_t)start->thread), &slot)) {
    return PYTHON_UNKNOWN_VERSION;
  }
  interpreter.thread = start->thread;
  interpreter.code_type = type;
  snprintf(interpreter.own_folder, sizeof interpreter.own_folder, "%s", start->own_folder);
  find_evaluate(start->evaluate);
  watch_deaths(slot);
  interpreter.prepared = true;
  return PYTHON_FITS;
}

static long put_look(char *out, size_t size) {
  int put = snprintf(out, size, "%s%c%s%c%u", scratch.file, 0, scratch.name, 0, scratch.line);
  return put >= 0 && (size_t)put < size ? put + 1 : -1;
}

/* Frames that are not shown are left out, as Python does. */
static long put_looks(char *out, size_t size, struct python_guard *guard, const struct python_frame *frames,
                      size_t count) {
  long used = 0;
  for (size_t i = 0; i < count && used >= 0; i++) {
    bool read = read_frame(guard, &frames[i]);
    long put = !read ? -1 : scratch.shown ? put_look(out + used, size - (size_t)used) : 0;
    used = put < 0 ? -1 : used + put;
  }
  return used;
}

/* Not on the heap: a small program would be seen to peak in our test. */
long python_stacks_look(const char **looks) {
  static struct python_guard guard;
  static struct python_frame frames[CONFIG_STACK_DEPTH_MAX];
  static char out[64 << 10];
  *looks = out;
  if (!interpreter.prepared) {
    return -1;
  }
  python_guard_enter(&guard);
  size_t count =
      python_walk(&interpreter.layout, &guard, (uintptr_t)interpreter.thread(), frames, CONFIG_STACK_DEPTH_MAX);
  sigset_t before;
  recorder_lock(&before);
  long used = put_looks(out, sizeof out, &guard, frames, count);
  recorder_unlock(&before);
  return used;
}

uint64_t python_stacks_deaths(void) {
  return __atomic_load_n(&deaths, __ATOMIC_ACQUIRE);
}

/* Off: the interpreter is about to end, so nobody may still be reading when this returns. */
void python_stacks_enable(bool on) {
  bool before = __atomic_exchange_n(&python_stacks_on, on && interpreter.prepared, __ATOMIC_SEQ_CST);
  if (before && !on) {
    recorder_settle();
  }
}
