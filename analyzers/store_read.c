/* A store into facts: one function a table. Nothing here trusts the file: types, ranges and references are checked. */
#include "analyzers/store.h"

#include "analyzers/dtype.h"
#include "analyzers/eligibility.h"
#include "analyzers/facts_ops.h"
#include "analyzers/saved_history.h"
#include "analyzers/store_advice.h"
#include "analyzers/store_history.h"
#include "analyzers/store_row.h"
#include "trace/trace_format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* O_NONBLOCK, because opening a pipe that nobody writes to would wait for ever. */
bool store_is_database(const char *path) {
  static const char magic[16] = "SQLite format 3";
  char bytes[sizeof magic];
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  bool same = file >= 0 && pread(file, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes &&
              memcmp(bytes, magic, sizeof magic) == 0;
  if (file >= 0) {
    close(file);
  }
  return same;
}

/* An array that grows by one zeroed item at a time; NULL: no memory. */
static void *grow(void **items, size_t *count, size_t size) {
  size_t have = *count;
  if ((have & (have + 1)) == 0) { /* room for 2^k - 1 items is used up */
    void *larger = realloc(*items, (2 * have + 1) * size);
    if (!larger) {
      return NULL;
    }
    *items = larger;
  }
  ++*count;
  return memset((char *)*items + have * size, 0, size);
}

static int index_of(const char *const *names, int count, const char *name) {
  for (int i = 0; i < count; i++) {
    if (strcmp(names[i], name) == 0) {
      return i;
    }
  }
  return -1;
}

static int end(struct store_row *row, int more) {
  int rc = more < 0 ? row->failed : 0;
  store_row_close(row);
  return rc;
}

static void read_run_columns(struct store_row *row, struct facts *facts) {
  struct facts_run *run = &facts->run;
  run->command = store_get_interned(row, facts->strings);
  run->pid = (int)store_get_i64(row);
  run->ppid = (int)store_get_i64(row);
  run->rank = (int)store_get_i64(row);
  run->world_size = (int)store_get_i64(row);
  run->host = store_get_interned(row, facts->strings);
  run->exit_status = (int)store_get_i64(row);
  run->complete = store_get_i64(row) != 0;
  run->damage = store_get_interned(row, facts->strings);
  run->wall_ns = store_get_u64(row);
  run->start_unix_ns = store_get_u64(row);
  run->events = store_get_u64(row);
  run->threads = store_get_u64(row);
  run->min_size = store_get_u64(row);
  run->lost_events = store_get_u64(row);
  run->unseen = store_get_interned(row, facts->strings);
  run->stray_marks = store_get_u64(row);
  run->oversized_marks = store_get_u64(row);
  run->framework = store_get_interned(row, facts->strings);
  run->evidence = store_get_interned(row, facts->strings);
  run->confidence = store_get_real(row);
}

static int read_run(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  store_row_open(
      &row, db,
      "SELECT command, pid, ppid, rank, world_size, host, exit_status, complete, damage, wall_ns, "
      "start_unix_ns, events, threads,"
      " min_size, lost_events, unseen, stray_marks, oversized_marks, framework, evidence, confidence, peak_bytes, "
      "lasting_bytes, peak_ns, peak_step, "
      "peak_phase, saved_step,"
      " saved_bytes, saved_blocks FROM run");
  int more = store_next_row(&row);
  if (more <= 0) {
    int rc = end(&row, more);
    return rc ? rc : SQLITE_CORRUPT;
  }
  read_run_columns(&row, facts);
  facts->peak.bytes = store_get_u64(&row);
  facts->peak.lasting_bytes = store_get_u64(&row);
  facts->peak.time_ns = store_get_u64(&row);
  facts->peak.step = store_get_step(&row);
  int phase = index_of(phase_names, PHASE_COUNT, store_get_text(&row));
  facts->peak.phase = phase < 0 ? PHASE_OUTSIDE : (enum phase)phase;
  facts->saved_step = store_get_step(&row);
  facts->saved_bytes = store_get_u64(&row);
  facts->saved_blocks = store_get_u64(&row);
  int failed = row.failed ? row.failed : phase < 0 ? SQLITE_CORRUPT : 0;
  store_row_close(&row);
  return failed;
}

static int read_categories(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(&row, db, "SELECT name, bytes FROM category");
  while ((more = store_next_row(&row)) > 0) {
    int category = index_of(category_names, CATEGORY_COUNT, store_get_text(&row));
    uint64_t bytes = store_get_u64(&row);
    if (category < 0) {
      row.failed = SQLITE_CORRUPT;
    } else {
      facts->categories[category] = bytes;
    }
  }
  return end(&row, more);
}

static int read_steps(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(&row, db,
                 "SELECT begin_ns, backward_ns, backward_end_ns, end_ns, peak_bytes, saved_bytes, saved_blocks,"
                 " complete FROM step ORDER BY step");
  while ((more = store_next_row(&row)) > 0) {
    unsigned index = (unsigned)facts->steps_count;
    struct facts_step *step = grow((void **)&facts->steps, &facts->steps_count, sizeof *step);
    if (!step) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    step->index = index;
    step->begin_ns = store_get_u64(&row);
    step->backward_ns = store_get_u64(&row);
    step->backward_end_ns = store_get_u64(&row);
    step->end_ns = store_get_u64(&row);
    step->peak_bytes = store_get_u64(&row);
    step->saved_bytes = store_get_u64(&row);
    step->saved_blocks = store_get_u64(&row);
    step->complete = store_get_i64(&row) != 0;
  }
  return end(&row, more);
}

static int read_holders(struct store_row *row, struct facts *facts, struct facts_saved_block *block, int64_t id) {
  int more;
  sqlite3_reset(row->statement);
  sqlite3_bind_int64(row->statement, 1, id);
  while ((more = store_next_row(row)) > 0) {
    struct facts_holder *holder = grow((void **)&block->holders, &block->holders_count, sizeof *holder);
    if (!holder) {
      return SQLITE_NOMEM;
    }
    holder->op = store_get_interned(row, facts->strings);
    holder->save_ns = store_get_u64(row);
    holder->release_ns = store_get_u64(row);
  }
  return more < 0 ? row->failed : 0;
}

static void read_block_columns(struct store_row *row, struct facts *facts, struct facts_saved_block *block) {
  block->bytes = store_get_u64(row);
  block->elements = store_get_u64(row);
  block->dtype = dtype_by_name(store_get_text(row));
  block->alloc_ns = store_get_u64(row);
  block->free_ns = store_get_u64(row);
  block->op_allocated = store_get_interned(row, facts->strings);
  block->op = store_get_interned(row, facts->strings);
  block->layer = store_get_interned(row, facts->strings);
  block->name = store_get_interned(row, facts->strings);
  block->in_arena = store_get_i64(row) != 0;
  block->site = store_get_interned(row, facts->strings);
  block->stack = (uint32_t)store_get_u64(row);
  block->evidence = saved_evidence_name(saved_source_number(store_get_text(row)));
  block->eligible = store_get_i64(row) != 0;
  block->reason = eligibility_reason(store_get_text(row));
}

static int read_saved(sqlite3 *db, struct facts *facts) {
  struct store_row row, holder;
  int more;
  store_row_open(
      &row, db,
      "SELECT block, bytes, elements, dtype, alloc_ns, free_ns, op_allocated, op, layer, name, in_arena, site, stack,"
      " evidence, eligible, reason FROM saved_block WHERE listed ORDER BY bytes DESC, block");
  store_row_open(&holder, db, "SELECT op, save_ns, release_ns FROM holder WHERE block = ? ORDER BY position");
  row.failed = row.failed ? row.failed : holder.failed;
  while ((more = store_next_row(&row)) > 0) {
    struct facts_saved_block *block = grow((void **)&facts->saved, &facts->saved_count, sizeof *block);
    if (!block) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    int64_t id = store_get_i64(&row);
    read_block_columns(&row, facts, block);
    int rc = read_holders(&holder, facts, block, id);
    rc = rc == 0 && !block->holders_count ? SQLITE_CORRUPT : rc; /* nothing is saved that nobody holds */
    row.failed = row.failed ? row.failed : rc;
  }
  store_row_close(&holder);
  return end(&row, more);
}

static int read_sites(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(&row, db, "SELECT stack, bytes, blocks, site, op, category FROM site ORDER BY position");
  while ((more = store_next_row(&row)) > 0) {
    struct facts_site *site = grow((void **)&facts->sites, &facts->sites_count, sizeof *site);
    if (!site) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    site->stack = (uint32_t)store_get_u64(&row);
    site->bytes = store_get_u64(&row);
    site->blocks = store_get_u64(&row);
    site->site = store_get_interned(&row, facts->strings);
    site->op = store_get_interned(&row, facts->strings);
    int category = index_of(category_names, CATEGORY_COUNT, store_get_text(&row));
    site->category = category < 0 ? CATEGORY_OTHER : (enum category)category;
    row.failed = row.failed ? row.failed : category < 0 ? SQLITE_CORRUPT : 0;
  }
  return end(&row, more);
}

static struct facts_traffic get_traffic(struct store_row *row) {
  struct facts_traffic traffic;
  traffic.allocations = store_get_u64(row);
  traffic.bytes = store_get_u64(row);
  traffic.temporary = store_get_u64(row);
  traffic.end_blocks = store_get_u64(row);
  traffic.end_bytes = store_get_u64(row);
  return traffic;
}

static int read_traffic(sqlite3 *db, struct facts *facts) {
  static const char *const names[] = {"blocks", "small"};
  struct store_row row;
  int more;
  store_row_open(&row, db, "SELECT name, allocations, bytes, temporary, end_blocks, end_bytes FROM traffic");
  while ((more = store_next_row(&row)) > 0) {
    const int which = index_of(names, 2, store_get_text(&row));
    const struct facts_traffic traffic = get_traffic(&row);
    row.failed = row.failed ? row.failed : which < 0 ? SQLITE_CORRUPT : 0;
    *(which == 1 ? &facts->small_traffic : &facts->traffic) = traffic;
  }
  return end(&row, more);
}

static int read_busy_sites(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(&row, db,
                 "SELECT stack, allocations, bytes, temporary, end_blocks, end_bytes, site, op FROM busy_site"
                 " ORDER BY position");
  while ((more = store_next_row(&row)) > 0) {
    struct facts_busy_site *site = grow((void **)&facts->busy_sites, &facts->busy_sites_count, sizeof *site);
    if (!site) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    site->stack = (uint32_t)store_get_u64(&row);
    site->traffic = get_traffic(&row);
    site->site = store_get_interned(&row, facts->strings);
    site->op = store_get_interned(&row, facts->strings);
  }
  return end(&row, more);
}

struct frames {
  struct facts_frame *items;
  size_t count;
};

static int read_frames(sqlite3 *db, struct facts *facts, struct frames *frames) {
  struct store_row row;
  int more;
  store_row_open(&row, db, "SELECT frame, function, file, line, module FROM frame ORDER BY frame");
  while ((more = store_next_row(&row)) > 0) {
    uint64_t number = store_get_u64(&row);
    struct facts_frame *frame = grow((void **)&frames->items, &frames->count, sizeof *frame);
    if (!frame || number != frames->count - 1) {
      row.failed = frame ? SQLITE_CORRUPT : SQLITE_NOMEM;
      continue;
    }
    frame->function = store_get_interned(&row, facts->strings);
    frame->file = store_get_interned(&row, facts->strings);
    frame->line = (unsigned)store_get_u64(&row);
    frame->module = store_get_interned(&row, facts->strings);
  }
  return end(&row, more);
}

/* "[3,1,4]": numbers of frames, innermost first. */
static int parse_frames(const char *text, const struct frames *frames, struct facts_stack *stack) {
  size_t most = strlen(text) / 2 + 1;
  const char *at = text + 1;
  stack->frames = calloc(most, sizeof *stack->frames);
  if (!stack->frames) {
    return SQLITE_NOMEM;
  }
  if (strcmp(text, "[]") == 0) {
    return 0;
  }
  while (*text == '[' && *at >= '0' && *at <= '9' && stack->frames_count < most) {
    char *after;
    unsigned long long number = strtoull(at, &after, 10);
    if (number >= frames->count) {
      return SQLITE_CORRUPT;
    }
    stack->frames[stack->frames_count++] = frames->items[number];
    if (strcmp(after, "]") == 0) {
      return 0;
    }
    at = after + (*after == ',');
  }
  return SQLITE_CORRUPT;
}

static int read_stacks(sqlite3 *db, struct facts *facts) {
  struct frames frames = {0};
  int rc = read_frames(db, facts, &frames), more;
  struct store_row row;
  store_row_open(&row, db, "SELECT stack, frames FROM stack ORDER BY stack");
  row.failed = row.failed ? row.failed : rc;
  while ((more = store_next_row(&row)) > 0) {
    struct facts_stack *stack = grow((void **)&facts->stacks, &facts->stacks_count, sizeof *stack);
    if (!stack) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    stack->stack = (uint32_t)store_get_u64(&row);
    rc = parse_frames(store_get_text(&row), &frames, stack);
    row.failed = row.failed ? row.failed : rc;
  }
  free(frames.items);
  return end(&row, more);
}

static int read_modules(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(&row, db, "SELECT name, path, build_id, problem FROM module ORDER BY name");
  while ((more = store_next_row(&row)) > 0) {
    struct facts_module *module = grow((void **)&facts->modules, &facts->modules_count, sizeof *module);
    if (!module) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    module->name = store_get_interned(&row, facts->strings);
    module->path = store_get_interned(&row, facts->strings);
    module->build_id = store_get_interned(&row, facts->strings);
    module->problem = store_get_interned(&row, facts->strings);
  }
  return end(&row, more);
}

static int read_timeline(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(&row, db,
                 "SELECT time_ns, live_bytes, saved_bytes, parameter, gradient, optimizer_state, input,"
                 " saved_activation, temporary, small, other FROM sample ORDER BY position");
  while ((more = store_next_row(&row)) > 0) {
    struct facts_sample *sample = grow((void **)&facts->timeline, &facts->timeline_count, sizeof *sample);
    if (!sample) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    sample->time_ns = store_get_u64(&row);
    sample->live_bytes = store_get_u64(&row);
    sample->saved_bytes = store_get_u64(&row);
    for (int c = 0; c < CATEGORY_COUNT; c++) {
      sample->categories[c] = store_get_u64(&row);
    }
  }
  return end(&row, more);
}

static int read_segments(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(&row, db, "SELECT event, time_ns, peak_bytes FROM segment ORDER BY event");
  while ((more = store_next_row(&row)) > 0) {
    struct facts_segment *segment = grow((void **)&facts->segments, &facts->segments_count, sizeof *segment);
    if (!segment) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    segment->event = store_get_u64(&row);
    segment->time_ns = store_get_u64(&row);
    segment->peak_bytes = store_get_i64(&row);
  }
  return end(&row, more);
}

static int read_replaceables(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(
      &row, db,
      "SELECT op, step, listed, arena, bytes, elements, begin_event, release_event, free_event FROM replaceable"
      " ORDER BY position");
  while ((more = store_next_row(&row)) > 0) {
    struct facts_replaceable *block = grow((void **)&facts->replaceables, &facts->replaceables_count, sizeof *block);
    if (!block) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    block->op = store_get_interned(&row, facts->strings);
    block->step = store_get_step(&row);
    block->listed = store_get_i64(&row) != 0;
    block->arena = (uint32_t)store_get_u64(&row);
    block->bytes = store_get_u64(&row);
    block->elements = store_get_u64(&row);
    block->begin_event = store_get_u64(&row);
    block->release_event = store_get_u64(&row);
    block->free_event = store_get_u64(&row);
  }
  return end(&row, more);
}

static int read_projections(sqlite3 *db, struct facts *facts) {
  struct store_row row;
  int more;
  store_row_open(&row, db,
                 "SELECT bits, peak_bytes, saving_bytes, saving_percent, eligible_bytes, code_bytes FROM projected"
                 " ORDER BY bits");
  while ((more = store_next_row(&row)) > 0) {
    struct facts_projection *projection =
        grow((void **)&facts->projections, &facts->projections_count, sizeof *projection);
    if (!projection) {
      row.failed = SQLITE_NOMEM;
      continue;
    }
    projection->bits = (unsigned)store_get_u64(&row);
    projection->peak_bytes = store_get_u64(&row);
    projection->saving_bytes = store_get_i64(&row);
    projection->saving_percent = store_get_real(&row);
    projection->eligible_bytes = store_get_u64(&row);
    projection->code_bytes = store_get_u64(&row);
  }
  return end(&row, more);
}

static bool refers_to_steps(const struct facts *facts) {
  int64_t steps = (int64_t)facts->steps_count;
  return facts->peak.step < steps && facts->saved_step < steps;
}

static int read_all(sqlite3 *db, struct facts *facts) {
  static int (*const tables[])(sqlite3 *, struct facts *) = {
      read_run,         read_categories, read_steps,      read_saved,        read_sites,
      read_stacks,      read_modules,    read_timeline,   read_segments,     read_replaceables,
      read_projections, read_traffic,    read_busy_sites, store_read_advice,
  };
  facts->strings = strings_open();
  int rc = facts->strings ? 0 : SQLITE_NOMEM;
  for (size_t i = 0; i < sizeof tables / sizeof *tables && rc == 0; i++) {
    rc = tables[i](db, facts);
  }
  if (rc == 0 && !refers_to_steps(facts)) {
    rc = SQLITE_CORRUPT;
  }
  if (rc == 0 && facts_count_ops(facts) != 0) {
    rc = SQLITE_NOMEM;
  }
  return rc;
}

static int64_t pragma_of(sqlite3 *db, const char *sql, int *rc) {
  struct store_row row;
  store_row_open(&row, db, sql);
  int64_t value = store_next_row(&row) > 0 ? store_get_i64(&row) : 0;
  *rc = row.failed;
  store_row_close(&row);
  return value;
}

static int damaged(const char *path, int rc, struct error *err) {
  if (rc == SQLITE_NOMEM) {
    return error_set(err, ERROR_MEMORY, "%s: no memory to read it; try a machine with more", path);
  }
  return error_set(err, ERROR_INPUT, "%s: the store is damaged (%s); make it again with `actscope analyze`", path,
                   sqlite3_errstr(rc));
}

static int check_identity(sqlite3 *db, const char *path, struct error *err) {
  int rc = 0;
  int64_t application = pragma_of(db, "PRAGMA application_id", &rc);
  int64_t version = rc == 0 ? pragma_of(db, "PRAGMA user_version", &rc) : 0;
  if (rc != 0) {
    return damaged(path, rc, err);
  }
  if (application != STORE_APPLICATION_ID) {
    return error_set(err, ERROR_INPUT, "%s: an SQLite file, but not a store that actscope made", path);
  }
  if (version != STORE_SCHEMA_VERSION) {
    return error_set(err, ERROR_INPUT,
                     "%s: a store of schema version %lld, this actscope reads version %d; make it again with"
                     " `actscope analyze`",
                     path, (long long)version, STORE_SCHEMA_VERSION);
  }
  return 0;
}

/* Would a damaged schema make SQLite run something of its own? Not with these. */
static void distrust(sqlite3 *db) {
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  sqlite3_exec(db, "PRAGMA cell_size_check=ON;", NULL, NULL, NULL);
}

static int read_file(const char *path, struct facts *facts, bool history, struct error *err) {
  sqlite3 *db = NULL;
  *facts = (struct facts){0};
  if (access(path, R_OK) != 0) {
    return error_set(err, ERROR_IO, "%s: %s", path, strerror(errno));
  }
  int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
  if (rc != SQLITE_OK) {
    rc = damaged(path, rc, err);
  } else {
    distrust(db);
    rc = check_identity(db, path, err);
    int table = rc == 0 ? read_all(db, facts) : 0;
    table = rc == 0 && table == 0 && history ? store_read_saved_history(db, facts) : table;
    rc = table != 0 ? damaged(path, table, err) : rc;
  }
  sqlite3_close(db);
  if (rc != 0) {
    facts_fini(facts);
  }
  return rc;
}

int store_read(const char *path, struct facts *facts, struct error *err) {
  return read_file(path, facts, false, err);
}

int store_read_history(const char *path, struct facts *facts, struct error *err) {
  return read_file(path, facts, true, err);
}
