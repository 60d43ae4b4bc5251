/* peak = max over segments of L - E + C + R: L the highest live bytes within the segment, E the bytes of replaced blocks
 * that lived then, C their codes, R the room in arenas to compute in. All but L change only where segments begin. */
#include "analyzers/projection.h"

#include "common/error.h"

#include <stdlib.h>
#include <string.h>

struct change {
  uint64_t event;
  int64_t bytes;
};

uint64_t projection_code_bytes(uint64_t elements, unsigned bits) {
  return elements / 8 * bits + (elements % 8 * bits + 7) / 8;
}

static bool wanted(const char *op, const char *const *functions, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(op, functions[i]) == 0) {
      return true;
    }
  }
  return count == 0;
}

static int by_event(const void *a, const void *b) {
  const struct change *x = a, *y = b;
  return (x->event > y->event) - (x->event < y->event);
}

/* Sums wrap rather than overflow: a store may hold any numbers. */
static int64_t plus(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* A piece of an arena is filled before its op runs, and codes are all that is left of it then: one piece at a time, so that
 * room for the largest of those that are replaced is enough for all. */
struct room {
  uint32_t arena;
  uint64_t begin_event, free_event;
  int64_t bytes;
};

static size_t leave_room(struct room *room, const struct facts_replaceable *next, struct change *changes) {
  const int64_t bytes = room->bytes;
  size_t count = 0;
  if (next && next->arena == room->arena) {
    room->bytes = (int64_t)next->bytes > bytes ? (int64_t)next->bytes : bytes;
    return 0;
  }
  if (room->arena) {
    changes[count++] = (struct change){room->begin_event, bytes};
    changes[count++] = (struct change){room->free_event, (int64_t) - (uint64_t)bytes};
  }
  *room =
      next ? (struct room){next->arena, next->begin_event, next->free_event, (int64_t)next->bytes} : (struct room){0};
  return count;
}

static size_t collect_changes(const struct facts *facts, struct facts_projection *out, const char *const *functions,
                              size_t functions_count, struct change *changes) {
  struct room room = {0};
  size_t count = 0;
  for (size_t i = 0; i < facts->replaceables_count; i++) {
    const struct facts_replaceable *block = &facts->replaceables[i];
    if (!wanted(block->op, functions, functions_count)) {
      continue;
    }
    count += leave_room(&room, block, changes + count);
    int64_t codes = (int64_t)projection_code_bytes(block->elements, out->bits), bytes = (int64_t)block->bytes;
    changes[count++] = (struct change){block->begin_event, plus(codes, (int64_t)-block->bytes)};
    changes[count++] = (struct change){block->release_event, (int64_t) - (uint64_t)codes};
    changes[count++] = (struct change){block->free_event, bytes};
    if (block->listed) {
      out->eligible_bytes += block->bytes;
      out->code_bytes += (uint64_t)codes;
    }
  }
  count += leave_room(&room, NULL, changes + count);
  qsort(changes, count, sizeof *changes, by_event);
  return count;
}

static int64_t highest(const struct facts *facts, const struct change *changes, size_t count) {
  int64_t peak = 0, difference = 0;
  size_t next = 0;
  for (size_t i = 0; i < facts->segments_count; i++) {
    for (; next < count && changes[next].event <= facts->segments[i].event; next++) {
      difference = plus(difference, changes[next].bytes);
    }
    int64_t level = plus(facts->segments[i].peak_bytes, difference);
    peak = level > peak ? level : peak;
  }
  return peak;
}

int projection_compute(const struct facts *facts, unsigned bits, const char *const *functions, size_t count,
                       struct facts_projection *out) {
  if (bits < 1 || bits > PROJECTION_BITS_MAX) {
    return ERROR_USAGE;
  }
  struct change *changes = calloc(5 * facts->replaceables_count + 1, sizeof *changes);
  if (!changes) {
    return ERROR_MEMORY;
  }
  *out = (struct facts_projection){.bits = bits};
  size_t changes_count = collect_changes(facts, out, functions, count, changes);
  out->peak_bytes = (uint64_t)highest(facts, changes, changes_count);
  out->saving_bytes = (int64_t)(facts->peak.bytes - out->peak_bytes);
  out->saving_percent = facts->peak.bytes ? 100.0 * (double)out->saving_bytes / (double)facts->peak.bytes : 0;
  free(changes);
  return 0;
}

int projection_differences(const struct facts *facts, unsigned bits, const char *const *functions, size_t count,
                           int64_t *differences) {
  struct facts_projection sums = {.bits = bits};
  if (bits < 1 || bits > PROJECTION_BITS_MAX) {
    return ERROR_USAGE;
  }
  struct change *changes = calloc(5 * facts->replaceables_count + 1, sizeof *changes);
  if (!changes) {
    return ERROR_MEMORY;
  }
  const size_t changes_count = collect_changes(facts, &sums, functions, count, changes);
  int64_t difference = 0;
  for (size_t i = 0, next = 0; i < facts->segments_count; i++) {
    for (; next < changes_count && changes[next].event <= facts->segments[i].event; next++) {
      difference = plus(difference, changes[next].bytes);
    }
    differences[i] = difference;
  }
  free(changes);
  return 0;
}

int projection_compute_all(struct facts *facts) {
  enum { DEFAULT_BITS = 4 };
  free(facts->projections);
  facts->projections_count = 0;
  facts->projections = calloc(DEFAULT_BITS, sizeof *facts->projections);
  int rc = facts->projections ? 0 : ERROR_MEMORY;
  for (unsigned bits = 1; bits <= DEFAULT_BITS && rc == 0; bits++) {
    rc = projection_compute(facts, bits, NULL, 0, &facts->projections[facts->projections_count]);
    facts->projections_count += rc == 0;
  }
  return rc;
}
