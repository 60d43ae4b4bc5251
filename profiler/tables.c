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

static struct {
  struct run_file *file;
  struct table *table;
  size_t stacks;
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

bool tables_init(struct run_file *file) {
  memset(&tables, 0, sizeof tables);
  tables.file = file;
  tables.table = map_table(4096);
  return tables.table != NULL;
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
  find_slot(__atomic_load_n(&tables.table, __ATOMIC_ACQUIRE), key, &id);
  return id;
}

static void publish_entry(struct entry *slot, const struct stack_key *key, uint32_t id) {
  slot->key = *key;
  __atomic_store_n(&slot->id, id, __ATOMIC_RELEASE);
}

/* Doubles the table at half load. The old one stays mapped: readers may be in it. */
static bool grow(void) {
  struct table *old = tables.table;
  if (tables.stacks * 2 < old->mask) {
    return true;
  }
  struct table *table = map_table((old->mask + 1) * 2);
  if (!table) {
    return tables.stacks + 2 < old->mask;
  }
  for (size_t i = 0; i <= old->mask; i++) {
    if (old->entries[i].id) {
      uint32_t ignored;
      publish_entry(find_slot(table, &old->entries[i].key, &ignored), &old->entries[i].key, old->entries[i].id);
    }
  }
  __atomic_store_n(&tables.table, table, __ATOMIC_RELEASE);
  return true;
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
  uint32_t id;
  find_slot(tables.table, key, &id);
  if (id || !grow()) {
    return id;
  }
  id = (uint32_t)tables.stacks + 1;
  if (!trace_write_stack(&tables.writer, id, frames, count, tables.previous, tables.previous_count) &&
      !(next_chunk(TRACE_STACK_RECORD_MAX(count)) &&
        trace_write_stack(&tables.writer, id, frames, count, tables.previous, tables.previous_count))) {
    return 0;
  }
  memcpy(tables.previous, frames, count * sizeof frames[0]);
  tables.previous_count = count;
  tables.stacks++;
  uint32_t ignored;
  publish_entry(find_slot(tables.table, key, &ignored), key, id);
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
