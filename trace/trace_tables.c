/* Loads the tables chunks: interned stacks and strings, the module map over time, metadata. */
#include "trace/trace_tables.h"

#include "trace/trace_decode.h"

#include <stdlib.h>
#include <string.h>

const char trace_tables_no_memory[] = "out of memory for the tables";

/* A frame is known by a u32; and a small damaged file must not grow without limit. */
#define FRAMES_MAX (UINT64_C(1) << 30)

struct module_change {
  uint64_t time_ns, begin, size, bias;
  uint64_t path, build_id;
  size_t order; /* in the file, where times are equal */
  bool gone;
};

static void *array_extend(struct trace_array *array, size_t count, size_t item) {
  if (!array->items || array->room - array->count < count) {
    size_t room = 2 * array->room + count + 16;
    void *items = realloc(array->items, room * item);
    if (!items) {
      return NULL;
    }
    array->items = items;
    array->room = room;
  }
  void *added = (char *)array->items + array->count * item;
  array->count += count;
  return added;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

/* Makes spans[id] exist; ids that are skipped stay unknown. */
static struct trace_span *span_at(struct trace_array *spans, uint64_t id) {
  if (id >= spans->count) {
    size_t more = (size_t)id + 1 - spans->count;
    struct trace_span *added = array_extend(spans, more, sizeof *added);
    if (!added) {
      return NULL;
    }
    memset(added, 0, more * sizeof *added);
  }
  return (struct trace_span *)spans->items + id;
}

/* One record: its body, and what its chunk's records before it left. */
struct record {
  struct trace_decoder decoder;
  const uint8_t *end;
  size_t previous;                      /* frames of the chunk's last stack */
  uint32_t path[TRACE_STACK_DEPTH_MAX]; /* where they are, innermost first */
};

/* Each new frame's parent is the one taken after it; the last one's is the innermost of those that are shared. */
static bool frames_take(struct record *record, uint64_t *frames, size_t count, uint64_t before) {
  for (size_t i = 0; i < count; i++) {
    if (record->decoder.at >= record->end) { /* checked here, since so many fields outrun the padding */
      return false;
    }
    before += trace_take_sv(&record->decoder);
    frames[i] = before;
  }
  return !record->decoder.bad && record->decoder.at <= record->end;
}

static void frames_link(struct record *record, uint32_t *parents, uint32_t begin, size_t new, size_t shared) {
  memmove(record->path + new, record->path + record->previous - shared, shared * sizeof *record->path);
  record->previous = new + shared;
  for (size_t i = 0; i < new; i++) {
    record->path[i] = begin + (uint32_t)i;
  }
  for (size_t i = 0; i < new; i++) {
    parents[i] = i + 1 < record->previous ? record->path[i + 1] : 0;
  }
}

/* Frame 0 is no frame, so that 0 can mean none. */
static bool frames_begin(struct trace_tables *tables) {
  if (tables->frames.count == 0) {
    uint64_t *frame = array_extend(&tables->frames, 1, sizeof *frame);
    uint32_t *parent = array_extend(&tables->parents, 1, sizeof *parent);
    if (!frame || !parent) {
      return false;
    }
    *frame = *parent = 0;
  }
  return true;
}

static const char *frames_add(struct trace_tables *tables, struct record *record, size_t new, size_t shared) {
  if (!frames_begin(tables)) {
    return trace_tables_no_memory;
  }
  uint64_t before = record->previous ? ((uint64_t *)tables->frames.items)[record->path[0]] : 0;
  uint32_t begin = (uint32_t)tables->frames.count;
  uint64_t *frames = array_extend(&tables->frames, new, sizeof *frames);
  uint32_t *parents = array_extend(&tables->parents, new, sizeof *parents);
  if (!frames || !parents) {
    return trace_tables_no_memory;
  }
  if (!frames_take(record, frames, new, before)) {
    return "a stack is cut off";
  }
  frames_link(record, parents, begin, new, shared);
  return NULL;
}

static const char *stack_add(struct trace_tables *tables, struct record *record) {
  uint64_t id = trace_take_uv(&record->decoder), shared = trace_take_uv(&record->decoder);
  uint64_t new = trace_take_uv(&record->decoder);
  if (record->decoder.bad || record->decoder.at > record->end || id == 0 || id > tables->id_limit) {
    return "a stack has no possible number";
  }
  if (shared > record->previous || new > TRACE_STACK_DEPTH_MAX || shared + new > TRACE_STACK_DEPTH_MAX) {
    return "a stack has more frames than is possible";
  }
  if (tables->frames.count + new >= FRAMES_MAX) {
    return "the stacks are too many to load";
  }
  const char *problem = frames_add(tables, record, (size_t) new, (size_t)shared);
  struct trace_span *span = problem ? NULL : span_at(&tables->stacks, id);
  if (span) {
    *span = (struct trace_span){
        .begin = shared + new ? record->path[0] : 0, .size = (uint32_t)(shared + new), .known = true};
  }
  return problem || span ? problem : trace_tables_no_memory;
}

static const char *string_add(struct trace_tables *tables, struct record *record) {
  uint64_t id = trace_take_uv(&record->decoder);
  if (record->decoder.bad || record->decoder.at > record->end || id == 0 || id > tables->id_limit) {
    return "a string has no possible number";
  }
  size_t size = (size_t)(record->end - record->decoder.at);
  uint64_t begin = tables->bytes.count;
  char *bytes = array_extend(&tables->bytes, size + 1, 1);
  struct trace_span *span = span_at(&tables->strings, id);
  if (!bytes || !span) {
    return trace_tables_no_memory;
  }
  memcpy(bytes, record->decoder.at, size);
  bytes[size] = 0;
  *span = (struct trace_span){.begin = begin, .size = (uint32_t)size, .known = true};
  return NULL;
}

static const char *change_add(struct trace_tables *tables, struct record *record, bool gone) {
  struct trace_decoder *in = &record->decoder;
  struct module_change change = {.order = tables->changes.count, .gone = gone};
  change.time_ns = trace_take_uv(in);
  change.begin = trace_take_uv(in);
  if (!gone) {
    change.size = trace_take_uv(in);
    change.bias = trace_take_uv(in);
    change.path = trace_take_uv(in);
    change.build_id = trace_take_uv(in);
  }
  if (in->bad || in->at > record->end || change.size > UINT64_MAX - change.begin || change.time_ns > TRACE_TIME_MAX) {
    return "a module makes no sense";
  }
  struct module_change *added = array_extend(&tables->changes, 1, sizeof *added);
  if (!added) {
    return trace_tables_no_memory;
  }
  *added = change;
  return NULL;
}

static const char *meta_add(struct trace_tables *tables, struct record *record) {
  uint64_t key = trace_take_uv(&record->decoder), value = trace_take_uv(&record->decoder);
  if (record->decoder.bad || record->decoder.at > record->end || key > tables->id_limit || value > tables->id_limit) {
    return "metadata makes no sense";
  }
  uint32_t *pair = array_extend(&tables->metas, 1, 2 * sizeof *pair);
  if (!pair) {
    return trace_tables_no_memory;
  }
  pair[0] = (uint32_t)key;
  pair[1] = (uint32_t)value;
  return NULL;
}

/* Ids that are skipped have names of id 0: none. */
static const char *code_add(struct trace_tables *tables, struct record *record) {
  struct trace_decoder *in = &record->decoder;
  uint64_t id = trace_take_uv(in), file = trace_take_uv(in), name = trace_take_uv(in);
  if (in->bad || in->at > record->end || id == 0 || id > tables->id_limit || file > tables->id_limit ||
      name > tables->id_limit) {
    return "a code has no possible number";
  }
  struct trace_array *pairs = &tables->code_names;
  if (id >= pairs->count) {
    size_t more = (size_t)id + 1 - pairs->count;
    uint32_t *added = array_extend(pairs, more, 2 * sizeof *added);
    if (!added) {
      return trace_tables_no_memory;
    }
    memset(added, 0, more * 2 * sizeof *added);
  }
  uint32_t *pair = (uint32_t *)pairs->items + 2 * id;
  pair[0] = (uint32_t)file;
  pair[1] = (uint32_t)name;
  return NULL;
}

static const char *record_add(struct trace_tables *tables, struct record *record, uint8_t tag) {
  switch (tag) {
  case TRACE_TAG_STACK:
    return stack_add(tables, record);
  case TRACE_TAG_STRING:
    return string_add(tables, record);
  case TRACE_TAG_MODULE:
    return change_add(tables, record, false);
  case TRACE_TAG_MODULE_GONE:
    return change_add(tables, record, true);
  case TRACE_TAG_META:
    return meta_add(tables, record);
  case TRACE_TAG_CODE:
    return code_add(tables, record);
  default: /* of a newer writer */
    return tag < 0x80 ? "a record has an unknown tag" : NULL;
  }
}

const char *trace_tables_add(struct trace_tables *tables, const struct trace_payload *payload) {
  struct record record;
  record.decoder = (struct trace_decoder){.at = payload->begin};
  record.previous = 0;
  while (record.decoder.at < payload->end) {
    uint8_t tag = *record.decoder.at++;
    record.end = trace_take_end(&record.decoder, payload->end);
    if (!record.end) {
      return "a record is cut off";
    }
    const char *problem = record_add(tables, &record, tag);
    if (problem) {
      return problem;
    }
    record.decoder.at = record.end;
  }
  return NULL;
}

/* ---- stacks ------------------------------------------------------------------------------------------------------ */

static uint64_t *stack_make(const struct trace_tables *tables, const struct trace_span *span) {
  const uint64_t *frames = tables->frames.items;
  const uint32_t *parents = tables->parents.items;
  uint64_t *stack = malloc((span->size + UINT64_C(1)) * sizeof *stack);
  uint32_t at = (uint32_t)span->begin;
  for (uint32_t i = 0; stack && i < span->size; i++, at = parents[at]) {
    stack[i] = frames[at];
  }
  return stack;
}

const uint64_t *trace_tables_stack(struct trace_tables *tables, uint64_t id, size_t *count) {
  const struct trace_span *spans = tables->stacks.items;
  *count = 0;
  if (id >= tables->stacks.count || !spans[id].known) {
    return NULL;
  }
  struct trace_stack_cache *cache = &tables->cache;
  if (!cache->stacks && !(cache->stacks = calloc(tables->stacks.count, sizeof *cache->stacks))) {
    return NULL;
  }
  if (!cache->stacks[id]) {
    cache->stacks[id] = stack_make(tables, &spans[id]);
  }
  *count = cache->stacks[id] ? spans[id].size : 0;
  return cache->stacks[id];
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

const char *trace_tables_string(const struct trace_tables *tables, uint64_t id, size_t *size) {
  const struct trace_span *spans = tables->strings.items, *span = id < tables->strings.count ? spans + id : NULL;
  if (!span || !span->known) {
    *size = 0;
    return NULL;
  }
  *size = span->size;
  return (const char *)tables->bytes.items + span->begin;
}

const char *trace_tables_meta(const struct trace_tables *tables, const char *key) {
  const uint32_t *pairs = tables->metas.items;
  for (size_t i = tables->metas.count; i-- > 0;) {
    size_t size;
    const char *name = trace_tables_string(tables, pairs[2 * i], &size);
    const char *value = trace_tables_string(tables, pairs[2 * i + 1], &size);
    if (name && value && strcmp(name, key) == 0) {
      return value;
    }
  }
  return "";
}

/* ---- modules ----------------------------------------------------------------------------------------------------- */

static int change_compare(const void *left, const void *right) {
  const struct module_change *a = left, *b = right;
  if (a->begin != b->begin) {
    return a->begin < b->begin ? -1 : 1;
  }
  if (a->time_ns != b->time_ns) {
    return a->time_ns < b->time_ns ? -1 : 1;
  }
  return a->order < b->order ? -1 : a->order > b->order;
}

static int module_compare(const void *left, const void *right) {
  const struct trace_module *a = left, *b = right;
  if (a->from_ns != b->from_ns) {
    return a->from_ns < b->from_ns ? -1 : 1;
  }
  return a->begin < b->begin ? -1 : a->begin > b->begin;
}

static const char *module_make(const struct trace_tables *tables, const struct module_change *change,
                               struct trace_module *module) {
  size_t path_size, build_id_size;
  const char *path = trace_tables_string(tables, change->path, &path_size);
  const char *build_id = trace_tables_string(tables, change->build_id, &build_id_size);
  if (!tables->lenient && ((change->path && !path) || (change->build_id && !build_id))) {
    return "a module's name is missing";
  }
  *module = (struct trace_module){
      .from_ns = change->time_ns,
      .to_ns = UINT64_MAX,
      .begin = change->begin,
      .end = change->begin + change->size,
      .bias = change->bias,
      .path = path ? path : "",
      .build_id = (const uint8_t *)build_id,
      .build_id_size = build_id_size,
  };
  return NULL;
}

/* ---- codes ------------------------------------------------------------------------------------------------------- */

static const char *codes_end(struct trace_tables *tables) {
  const uint32_t *pairs = tables->code_names.items;
  size_t count = tables->code_names.count, size;
  struct trace_code *codes = count ? array_extend(&tables->codes, count, sizeof *codes) : NULL;
  if (count && !codes) {
    return trace_tables_no_memory;
  }
  for (size_t i = 0; i < count; i++) {
    const char *file = trace_tables_string(tables, pairs[2 * i], &size);
    const char *name = trace_tables_string(tables, pairs[2 * i + 1], &size);
    if (!tables->lenient && ((pairs[2 * i] && !file) || (pairs[2 * i + 1] && !name))) {
      return "a code's name is missing";
    }
    codes[i] = (struct trace_code){file ? file : "", name ? name : ""};
  }
  return NULL;
}

/* Sorted by place and time, each module ends with the next change at its place: gone, or replaced. */
static const char *modules_end(struct trace_tables *tables) {
  const struct module_change *changes = tables->changes.items;
  size_t count = tables->changes.count;
  if (count == 0) {
    return NULL;
  }
  qsort(tables->changes.items, count, sizeof *changes, change_compare);
  for (size_t i = 0; i < count; i++) {
    if (changes[i].gone) {
      continue;
    }
    struct trace_module *module = array_extend(&tables->modules, 1, sizeof *module);
    const char *problem = module ? module_make(tables, &changes[i], module) : trace_tables_no_memory;
    if (problem) {
      return problem;
    }
    if (i + 1 < count && changes[i + 1].begin == changes[i].begin) {
      module->to_ns = changes[i + 1].time_ns;
    }
  }
  if (tables->modules.count) {
    qsort(tables->modules.items, tables->modules.count, sizeof(struct trace_module), module_compare);
  }
  return NULL;
}

const char *trace_tables_end(struct trace_tables *tables) {
  const char *problem = codes_end(tables);
  return problem ? problem : modules_end(tables);
}

void trace_tables_fini(struct trace_tables *tables) {
  struct trace_array *arrays[] = {&tables->frames,  &tables->parents,   &tables->stacks,  &tables->bytes,
                                  &tables->strings, &tables->modules,   &tables->changes, &tables->metas,
                                  &tables->codes,   &tables->code_names};
  for (size_t id = 0; tables->cache.stacks && id < tables->stacks.count; id++) {
    free(tables->cache.stacks[id]);
  }
  free(tables->cache.stacks);
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    free(arrays[i]->items);
  }
  *tables = (struct trace_tables){0};
}
