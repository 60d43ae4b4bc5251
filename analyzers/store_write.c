/* Facts into a store: one function a table. */
#include "analyzers/store.h"

#include "analyzers/map64.h"
#include "analyzers/saved_history.h"
#include "analyzers/store_advice.h"
#include "analyzers/store_row.h"
#include "analyzers/store_schema.h"
#include "common/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_run(sqlite3 *db, const struct facts *facts) {
  const struct facts_run *run = &facts->run;
  struct store_row row;
  store_row_open(&row, db, "INSERT INTO run VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  store_put_text(&row, run->command);
  store_put_i64(&row, run->pid);
  store_put_i64(&row, run->ppid);
  store_put_i64(&row, run->rank);
  store_put_i64(&row, run->world_size);
  store_put_text(&row, run->host);
  store_put_i64(&row, run->exit_status);
  store_put_i64(&row, run->complete);
  store_put_text(&row, run->damage);
  store_put_u64(&row, run->wall_ns);
  store_put_u64(&row, run->start_unix_ns);
  store_put_u64(&row, run->events);
  store_put_u64(&row, run->threads);
  store_put_u64(&row, run->min_size);
  store_put_u64(&row, run->lost_events);
  store_put_text(&row, run->unseen);
  store_put_u64(&row, run->stray_marks);
  store_put_u64(&row, run->oversized_marks);
  store_put_text(&row, run->framework);
  store_put_text(&row, run->evidence);
  store_put_real(&row, run->confidence);
  store_put_u64(&row, facts->peak.bytes);
  store_put_u64(&row, facts->peak.lasting_bytes);
  store_put_u64(&row, facts->peak.time_ns);
  store_put_step(&row, facts->peak.step);
  store_put_text(&row, phase_names[facts->peak.phase]);
  store_put_step(&row, facts->saved_step);
  store_put_u64(&row, facts->saved_bytes);
  store_put_u64(&row, facts->saved_blocks);
  int rc = store_put_row(&row);
  store_row_close(&row);
  return rc;
}

static int write_categories(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO category VALUES (?,?)");
  for (size_t i = 0; i < CATEGORY_COUNT && rc == 0; i++) {
    store_put_text(&row, category_names[i]);
    store_put_u64(&row, facts->categories[i]);
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

static int write_steps(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO step VALUES (?,?,?,?,?,?,?,?,?)");
  for (size_t i = 0; i < facts->steps_count && rc == 0; i++) {
    const struct facts_step *step = &facts->steps[i];
    store_put_u64(&row, step->index);
    store_put_u64(&row, step->begin_ns);
    store_put_u64(&row, step->backward_ns);
    store_put_u64(&row, step->backward_end_ns);
    store_put_u64(&row, step->end_ns);
    store_put_u64(&row, step->peak_bytes);
    store_put_u64(&row, step->saved_bytes);
    store_put_u64(&row, step->saved_blocks);
    store_put_i64(&row, step->complete);
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

struct saved_place { /* of a block among all steps */
  uint64_t block;
  int step;
  bool at_saved_peak, listed;
};

static int write_block(struct store_row *row, struct store_row *holder, const struct facts_saved_block *block,
                       const struct saved_place *place) {
  store_put_u64(row, place->block);
  store_put_step(row, place->step);
  store_put_i64(row, place->at_saved_peak);
  store_put_i64(row, place->listed);
  store_put_u64(row, block->bytes);
  store_put_u64(row, block->elements);
  store_put_text(row, block->dtype);
  store_put_u64(row, block->alloc_ns);
  store_put_u64(row, block->free_ns);
  store_put_text(row, block->op_allocated);
  store_put_text(row, block->op);
  store_put_text(row, block->layer);
  store_put_text(row, block->name);
  store_put_i64(row, block->in_arena);
  store_put_text(row, block->site);
  store_put_u64(row, block->stack);
  store_put_text(row, block->evidence);
  store_put_i64(row, block->eligible);
  store_put_text(row, block->reason);
  int rc = store_put_row(row);
  for (size_t i = 0; i < block->holders_count && rc == 0; i++) {
    store_put_u64(holder, place->block);
    store_put_u64(holder, i);
    store_put_text(holder, block->holders[i].op);
    store_put_u64(holder, block->holders[i].save_ns);
    store_put_u64(holder, block->holders[i].release_ns);
    rc = store_put_row(holder);
  }
  return rc;
}

static int write_listed(struct store_row *row, struct store_row *holder, const struct facts *facts) {
  int rc = 0;
  for (size_t i = 0; i < facts->saved_count && rc == 0; i++) {
    struct saved_place place = {i, facts->saved_step, true, true};
    rc = write_block(row, holder, &facts->saved[i], &place);
  }
  return rc;
}

static int write_history(struct store_row *row, struct store_row *holder, const struct saved_history *history) {
  int rc = 0;
  for (uint32_t i = 0; i < history->rows.count && rc == 0; i++) {
    const struct saved_row *saved = saved_row_at(history, i);
    struct facts_saved_block block;
    if (!saved_row_counts(saved)) {
      continue;
    }
    if (saved_history_block(history, i, &block) != 0) {
      return SQLITE_NOMEM;
    }
    struct saved_place place = {i, saved->step, saved->at_saved_peak, saved->listed};
    rc = write_block(row, holder, &block, &place);
    free(block.holders);
  }
  return rc;
}

static int write_saved(sqlite3 *db, const struct facts *facts) {
  struct store_row row, holder;
  store_row_open(&row, db, "INSERT INTO saved_block VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  store_row_open(&holder, db, "INSERT INTO holder VALUES (?,?,?,?,?)");
  int rc = facts->history ? write_history(&row, &holder, facts->history) : write_listed(&row, &holder, facts);
  store_row_close(&row);
  store_row_close(&holder);
  return rc;
}

static int write_sites(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO site VALUES (?,?,?,?,?,?,?)");
  for (size_t i = 0; i < facts->sites_count && rc == 0; i++) {
    const struct facts_site *site = &facts->sites[i];
    store_put_u64(&row, i);
    store_put_u64(&row, site->stack);
    store_put_u64(&row, site->bytes);
    store_put_u64(&row, site->blocks);
    store_put_text(&row, site->site);
    store_put_text(&row, site->op);
    store_put_text(&row, category_names[site->category]);
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

static void put_traffic(struct store_row *row, const struct facts_traffic *traffic) {
  store_put_u64(row, traffic->allocations);
  store_put_u64(row, traffic->bytes);
  store_put_u64(row, traffic->temporary);
  store_put_u64(row, traffic->end_blocks);
  store_put_u64(row, traffic->end_bytes);
}

static int write_traffic(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  store_row_open(&row, db, "INSERT INTO traffic VALUES (?,?,?,?,?,?)");
  store_put_text(&row, "blocks");
  put_traffic(&row, &facts->traffic);
  int rc = store_put_row(&row);
  store_put_text(&row, "small");
  put_traffic(&row, &facts->small_traffic);
  rc = rc == 0 ? store_put_row(&row) : rc;
  store_row_close(&row);
  return rc;
}

static int write_busy_sites(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO busy_site VALUES (?,?,?,?,?,?,?,?,?)");
  for (size_t i = 0; i < facts->busy_sites_count && rc == 0; i++) {
    const struct facts_busy_site *site = &facts->busy_sites[i];
    store_put_u64(&row, i);
    store_put_u64(&row, site->stack);
    put_traffic(&row, &site->traffic);
    store_put_text(&row, site->site);
    store_put_text(&row, site->op);
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

/* Strings of facts are interned, so their addresses and the line are a frame's identity. */
static uint64_t frame_key(const struct facts_frame *frame) {
  uint64_t key = (uint64_t)(uintptr_t)frame->function * 0x9e3779b97f4a7c15u;
  key = (key ^ (uint64_t)(uintptr_t)frame->file) * 0xbf58476d1ce4e5b9u;
  key = (key ^ (uint64_t)(uintptr_t)frame->module) * 0x94d049bb133111ebu;
  return (key ^ frame->line) | 1;
}

static bool same_frame(const struct facts_frame *a, const struct facts_frame *b) {
  return a->line == b->line && strcmp(a->function, b->function) == 0 && strcmp(a->file, b->file) == 0 &&
         strcmp(a->module, b->module) == 0;
}

struct frame_table {
  struct map64 by_key; /* -> number + 1 */
  const struct facts_frame **frames;
  size_t count, capacity;
  struct store_row row;
};

static int add_frame(struct frame_table *table, const struct facts_frame *frame) {
  if (table->count == table->capacity) {
    size_t larger = table->capacity ? table->capacity * 2 : 1024;
    const struct facts_frame **frames = realloc(table->frames, larger * sizeof *frames);
    if (!frames) {
      return SQLITE_NOMEM;
    }
    table->frames = frames;
    table->capacity = larger;
  }
  table->frames[table->count] = frame;
  store_put_u64(&table->row, table->count++);
  store_put_text(&table->row, frame->function);
  store_put_text(&table->row, frame->file);
  store_put_u64(&table->row, frame->line);
  store_put_text(&table->row, frame->module);
  return store_put_row(&table->row);
}

/* The frame's number, writing it if it is new. */
static int frame_number(struct frame_table *table, const struct facts_frame *frame, uint64_t *number) {
  uint64_t *slot = map64_put(&table->by_key, frame_key(frame));
  if (!slot) {
    return SQLITE_NOMEM;
  }
  if (*slot && same_frame(table->frames[*slot - 1], frame)) {
    *number = *slot - 1;
    return 0;
  }
  *number = table->count;
  *slot = table->count + 1;
  return add_frame(table, frame);
}

/* Millions of numbers where every block is recorded: printf is too slow for them. */
static char *put_digits(char *out, uint64_t number) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  while (count) {
    *out++ = digits[--count];
  }
  return out;
}

static int write_stack(struct frame_table *table, struct store_row *row, const struct facts_stack *stack) {
  char *text = malloc(21 * stack->frames_count + 3), *end = text;
  int rc = 0;
  if (!text) {
    return SQLITE_NOMEM;
  }
  *end++ = '[';
  for (size_t i = 0; i < stack->frames_count && rc == 0; i++) {
    uint64_t number = 0;
    rc = frame_number(table, &stack->frames[i], &number);
    if (i) {
      *end++ = ',';
    }
    end = put_digits(end, number);
  }
  memcpy(end, "]", 2);
  if (rc == 0) {
    store_put_u64(row, stack->stack);
    store_put_text(row, text);
    rc = store_put_row(row);
  }
  free(text);
  return rc;
}

static int write_stacks(sqlite3 *db, const struct facts *facts) {
  struct frame_table table = {0};
  struct store_row row;
  int rc = 0;
  store_row_open(&table.row, db, "INSERT INTO frame VALUES (?,?,?,?,?)");
  store_row_open(&row, db, "INSERT INTO stack VALUES (?,?)");
  for (size_t i = 0; i < facts->stacks_count && rc == 0; i++) {
    rc = write_stack(&table, &row, &facts->stacks[i]);
  }
  store_row_close(&row);
  store_row_close(&table.row);
  map64_fini(&table.by_key);
  free(table.frames);
  return rc;
}

static int write_modules(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO module VALUES (?,?,?,?)");
  for (size_t i = 0; i < facts->modules_count && rc == 0; i++) {
    store_put_text(&row, facts->modules[i].name);
    store_put_text(&row, facts->modules[i].path);
    store_put_text(&row, facts->modules[i].build_id);
    store_put_text(&row, facts->modules[i].problem);
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

static int write_timeline(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO sample VALUES (?,?,?,?,?,?,?,?,?,?,?,?)");
  for (size_t i = 0; i < facts->timeline_count && rc == 0; i++) {
    store_put_u64(&row, i);
    store_put_u64(&row, facts->timeline[i].time_ns);
    store_put_u64(&row, facts->timeline[i].live_bytes);
    store_put_u64(&row, facts->timeline[i].saved_bytes);
    for (int c = 0; c < CATEGORY_COUNT; c++) {
      store_put_u64(&row, facts->timeline[i].categories[c]);
    }
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

static int write_segments(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO segment VALUES (?,?,?)");
  for (size_t i = 0; i < facts->segments_count && rc == 0; i++) {
    store_put_u64(&row, facts->segments[i].event);
    store_put_u64(&row, facts->segments[i].time_ns);
    store_put_i64(&row, facts->segments[i].peak_bytes);
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

static int write_replaceables(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO replaceable VALUES (?,?,?,?,?,?,?,?,?,?)");
  for (size_t i = 0; i < facts->replaceables_count && rc == 0; i++) {
    const struct facts_replaceable *block = &facts->replaceables[i];
    store_put_u64(&row, i);
    store_put_text(&row, block->op);
    store_put_step(&row, block->step);
    store_put_i64(&row, block->listed);
    store_put_u64(&row, block->arena);
    store_put_u64(&row, block->bytes);
    store_put_u64(&row, block->elements);
    store_put_u64(&row, block->begin_event);
    store_put_u64(&row, block->release_event);
    store_put_u64(&row, block->free_event);
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

static int write_projections(sqlite3 *db, const struct facts *facts) {
  struct store_row row;
  int rc = 0;
  store_row_open(&row, db, "INSERT INTO projected VALUES (?,?,?,?,?,?)");
  for (size_t i = 0; i < facts->projections_count && rc == 0; i++) {
    const struct facts_projection *projection = &facts->projections[i];
    store_put_u64(&row, projection->bits);
    store_put_u64(&row, projection->peak_bytes);
    store_put_i64(&row, projection->saving_bytes);
    store_put_real(&row, projection->saving_percent);
    store_put_u64(&row, projection->eligible_bytes);
    store_put_u64(&row, projection->code_bytes);
    rc = store_put_row(&row);
  }
  store_row_close(&row);
  return rc;
}

static int write_all(sqlite3 *db, const struct facts *facts) {
  static int (*const tables[])(sqlite3 *, const struct facts *) = {
      write_run,         write_categories, write_steps,      write_saved,        write_sites,
      write_stacks,      write_modules,    write_timeline,   write_segments,     write_replaceables,
      write_projections, write_traffic,    write_busy_sites, store_write_advice,
  };
  char identity[96];
  snprintf(identity, sizeof identity, "PRAGMA application_id=%d; PRAGMA user_version=%d;", STORE_APPLICATION_ID,
           STORE_SCHEMA_VERSION);
  /* The file is new and is renamed into place when whole: a journal could not save anything. */
  int rc = sqlite3_exec(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN;", NULL, NULL, NULL);
  rc = rc ? rc : sqlite3_exec(db, identity, NULL, NULL, NULL);
  rc = rc ? rc : sqlite3_exec(db, store_tables, NULL, NULL, NULL);
  rc = rc ? rc : sqlite3_exec(db, store_views, NULL, NULL, NULL);
  for (size_t i = 0; i < sizeof tables / sizeof *tables && rc == 0; i++) {
    rc = tables[i](db, facts);
  }
  return rc ? rc : sqlite3_exec(db, "COMMIT;", NULL, NULL, NULL);
}

/* A new, empty file beside path, so that the rename stays within one file system. NULL: see errno. */
static char *temporary_beside(const char *path) {
  char *name = NULL;
  if (asprintf(&name, "%s.XXXXXX", path) < 0) {
    return NULL;
  }
  int file = mkostemp(name, O_CLOEXEC);
  if (file < 0) {
    free(name);
    return NULL;
  }
  mode_t mask = umask(0);
  umask(mask);
  fchmod(file, 0666 & ~mask);
  close(file);
  return name;
}

static int write_file(const char *name, const char *path, const struct facts *facts, struct error *err) {
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE, NULL);
  errno = 0;
  rc = rc ? rc : write_all(db, facts);
  if (rc != 0) {
    const int reason = rc == SQLITE_IOERR ? errno : 0; /* "disk I/O error" alone would leave one guessing */
    error_set(err, ERROR_IO, "%s: cannot write the store: %s", path, reason ? strerror(reason) : sqlite3_errstr(rc));
    sqlite3_close(db);
    return rc == SQLITE_NOMEM ? ERROR_MEMORY : ERROR_IO;
  }
  if (sqlite3_close(db) != SQLITE_OK || rename(name, path) != 0) {
    return error_set(err, ERROR_IO, "%s: cannot write the store: %s", path, strerror(errno));
  }
  return 0;
}

static int replace(const char *path, const struct facts *facts, struct error *err) {
  char *name = temporary_beside(path);
  if (!name) {
    return error_set(err, ERROR_IO, "%s: cannot write here: %s; name another place with -o", path, strerror(errno));
  }
  temporary_add(name);
  int rc = write_file(name, path, facts, err);
  if (rc != 0) {
    unlink(name);
  }
  temporary_drop(name);
  free(name);
  return rc;
}

/* A device or a pipe is not to be replaced by a file, nor anything of the user's that is no database. */
int store_check(const char *path, struct error *err) {
  struct stat existing;
  if (stat(path, &existing) != 0) {
    return 0;
  }
  if (!S_ISREG(existing.st_mode)) {
    return error_set(err, ERROR_USAGE, "%s: is no regular file, and a store is a database file; name another with -o",
                     path);
  }
  if (existing.st_size > 0 && !store_is_database(path)) {
    return error_set(err, ERROR_USAGE,
                     "%s: this file is no store and would be lost; name another with -o, or remove it", path);
  }
  return 0;
}

/* Of a symbolic link, what it points to is replaced. */
int store_write(const char *path, const struct facts *facts, struct error *err) {
  int rc = store_check(path, err);
  if (rc != 0) {
    return rc;
  }
  char *real = realpath(path, NULL);
  rc = replace(real ? real : path, facts, err);
  free(real);
  return rc;
}
