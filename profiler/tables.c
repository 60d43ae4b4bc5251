/* Interned stacks and the tables chunks: see the header.
 *
 * A stack is known by its key alone, so that the process keeps 24 bytes a stack and not its frames. Readers take no lock:
 * an entry's id is stored last, and a table that has grown too small is left in place for those who still look into it. */
#include "profiler/tables.h"

#include "profiler/arena.h"

#include <string.h>

struct entry {
  struct stack_key key;
  uint32_t id; /* 0 = empty; stored with release order after the key */
};

struct table {
  size_t mask; /* entries - 1, a power of two less one */
  struct entry entries[];
};

/* What has an id by its key. */
struct index {
  struct table *table;
  size_t count;
};

static struct {
  struct run_file *file;
  struct index stacks;
  struct index names, codes; /* of functions: their texts, and pairs of these; made when the first one comes */
  uint32_t strings, sequence;
  struct trace_chunk_writer writer;
  size_t capacity;
  size_t previous_count;
  uint64_t previous[CONFIG_STACK_DEPTH_MAX];
} tables;

static struct table *map_table(size_t entries) {
  struct table *table = arena_map(sizeof *table + entries * sizeof(struct entry));
  if (table) {
    table->mask = entries - 1;
  }
  return table;
}

enum { FIRST_ENTRIES = 4096 };

bool tables_init(struct run_file *file) {
  memset(&tables, 0, sizeof tables);
  tables.file = file;
  tables.stacks.table = map_table(FIRST_ENTRIES);
  return tables.stacks.table != NULL;
}

static struct entry *find_slot(struct table *table, const struct stack_key *key, uint32_t *id) {
  for (size_t i = key->low & table->mask;; i = (i + 1) & table->mask) {
    struct entry *slot = &table->entries[i];
    *id = __atomic_load_n(&slot->id, __ATOMIC_ACQUIRE);
    if (*id == 0 || (slot->key.low == key->low && slot->key.high == key->high)) {
      return slot;
    }
  }
}

uint32_t tables_find_stack(const struct stack_key *key) {
  uint32_t id;
  find_slot(__atomic_load_n(&tables.stacks.table, __ATOMIC_ACQUIRE), key, &id);
  return id;
}

static void publish_entry(struct entry *slot, const struct stack_key *key, uint32_t id) {
  slot->key = *key;
  __atomic_store_n(&slot->id, id, __ATOMIC_RELEASE);
}

/* Doubles the table at half load. The old one stays mapped: readers may be in it. */
static bool grow(struct index *index) {
  struct table *old = index->table;
  if (index->count * 2 < old->mask) {
    return true;
  }
  struct table *table = map_table((old->mask + 1) * 2);
  if (!table) {
    return index->count + 2 < old->mask;
  }
  for (size_t i = 0; i <= old->mask; i++) {
    if (old->entries[i].id) {
      uint32_t ignored;
      publish_entry(find_slot(table, &old->entries[i].key, &ignored), &old->entries[i].key, old->entries[i].id);
    }
  }
  __atomic_store_n(&index->table, table, __ATOMIC_RELEASE);
  return true;
}

/* The id of this key, 0 = it has none; then there is room for one, unless *full. */
static uint32_t index_find(struct index *index, const struct stack_key *key, bool *full) {
  uint32_t id = 0;
  if (!index->table) {
    index->table = map_table(FIRST_ENTRIES);
  }
  *full = !index->table;
  if (index->table) {
    find_slot(index->table, key, &id);
    *full = !id && !grow(index);
  }
  return id;
}

static void index_put(struct index *index, const struct stack_key *key, uint32_t id) {
  uint32_t ignored;
  index->count++;
  publish_entry(find_slot(index->table, key, &ignored), key, id);
}

static bool next_chunk(size_t need) {
  size_t capacity = tables.capacity ? tables.capacity * 2 : RUN_FILE_CHUNK_MIN;
  capacity = capacity > RUN_FILE_CHUNK_MAX ? RUN_FILE_CHUNK_MAX : capacity;
  if (need + TRACE_CHUNK_HEADER_SIZE > capacity) {
    return false; /* no record is that large: strings and stacks are cut before */
  }
  uint8_t *base = run_file_map_chunk(tables.file, capacity);
  if (!base) {
    return false;
  }
  run_file_unmap_chunk(tables.writer.base, tables.capacity);
  trace_chunk_begin(&tables.writer, base, (uint32_t)capacity, TRACE_CHUNK_TABLES, 0, tables.sequence++,
                    run_file_now(tables.file), 0);
  tables.capacity = capacity;
  tables.previous_count = 0;
  return true;
}

uint32_t tables_add_stack(const struct stack_key *key, const uint64_t *frames, size_t count) {
  bool full;
  uint32_t id = index_find(&tables.stacks, key, &full);
  if (id || full) {
    return id;
  }
  id = (uint32_t)tables.stacks.count + 1;
  if (!trace_write_stack(&tables.writer, id, frames, count, tables.previous, tables.previous_count) &&
      !(next_chunk(TRACE_STACK_RECORD_MAX(count)) &&
        trace_write_stack(&tables.writer, id, frames, count, tables.previous, tables.previous_count))) {
    return 0;
  }
  memcpy(tables.previous, frames, count * sizeof frames[0]);
  tables.previous_count = count;
  index_put(&tables.stacks, key, id);
  return id;
}

uint32_t tables_add_string(const void *bytes, size_t size) {
  size_t most = RUN_FILE_CHUNK_MIN / 2;
  size = size < most ? size : most;
  uint32_t id = tables.strings + 1;
  if (size == 0 ||
      (!trace_write_string(&tables.writer, id, bytes, size) &&
       !(next_chunk(TRACE_STRING_RECORD_MAX(size)) && trace_write_string(&tables.writer, id, bytes, size)))) {
    return 0;
  }
  tables.strings = id;
  return id;
}

void tables_add_meta(const char *key, const char *value) {
  uint32_t key_id = tables_add_string(key, strlen(key));
  uint32_t value_id = tables_add_string(value, strlen(value));
  if (key_id && value_id && !trace_write_meta(&tables.writer, key_id, value_id) && next_chunk(TRACE_RECORD_MAX)) {
    trace_write_meta(&tables.writer, key_id, value_id);
  }
}

void tables_add_module(const struct trace_module_record *module) {
  if (!trace_write_module(&tables.writer, module) && next_chunk(TRACE_RECORD_MAX)) {
    trace_write_module(&tables.writer, module);
  }
}

void tables_remove_module(uint64_t begin) {
  uint64_t now = run_file_now(tables.file);
  if (!trace_write_module_gone(&tables.writer, now, begin) && next_chunk(TRACE_RECORD_MAX)) {
    trace_write_module_gone(&tables.writer, now, begin);
  }
}

/* ---- codes ------------------------------------------------------------------------------------------------------------ */

static struct stack_key key_of_text(const char *text, size_t size) {
  struct stack_key key = stack_key_push(STACK_KEY_EMPTY, size);
  for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
    uint64_t word = 0;
    memcpy(&word, text + i, size - i < sizeof word ? size - i : sizeof word);
    key = stack_key_push(key, word);
  }
  return key;
}

/* A string that is written once. */
static uint32_t add_name(const char *text, size_t size) {
  struct stack_key key = key_of_text(text, size);
  bool full;
  uint32_t id = index_find(&tables.names, &key, &full);
  if (!id && !full && (id = tables_add_string(text, size))) {
    index_put(&tables.names, &key, id);
  }
  return id;
}

uint32_t tables_add_code(const char *file, size_t file_size, const char *name, size_t name_size) {
  uint32_t file_id = add_name(file, file_size), name_id = add_name(name, name_size);
  struct stack_key key = stack_key_push(STACK_KEY_EMPTY, (uint64_t)file_id << 32 | name_id);
  bool full;
  uint32_t id = index_find(&tables.codes, &key, &full);
  if (id || full) {
    return id;
  }
  id = (uint32_t)tables.codes.count + 1;
  if (!trace_write_code(&tables.writer, id, file_id, name_id) &&
      !(next_chunk(TRACE_RECORD_MAX) && trace_write_code(&tables.writer, id, file_id, name_id))) {
    return 0;
  }
  index_put(&tables.codes, &key, id);
  return id;
}
