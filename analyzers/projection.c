/* peak = max over segments of L - E + C + R: L the highest live bytes within the segment, E the bytes of replaced blocks
 * that lived then, C their codes, R the room in arenas to compute in. All but L change only where segments begin. */
#include "analyzers/projection.h"

#include "analyzers/simulation.h"
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

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

static size_t leave_room(struct room *room, const struct facts_replaceable *next, struct level_change *changes) {
  const int64_t bytes = room->bytes;
  size_t count = 0;
  if (next && next->arena == room->arena) {
    room->bytes = (int64_t)next->bytes > bytes ? (int64_t)next->bytes : bytes;
    return 0;
  }
  if (room->arena) {
    changes[count++] = (struct level_change){room->begin_event, bytes};
    changes[count++] = (struct level_change){room->free_event, (int64_t) - (uint64_t)bytes};
  }
  *room =
      next ? (struct room){next->arena, next->begin_event, next->free_event, (int64_t)next->bytes} : (struct room){0};
  return count;
}

static size_t collect_changes(const struct facts *facts, struct facts_projection *out, const char *const *functions,
                              size_t functions_count, struct level_change *changes) {
  struct room room = {0};
  size_t count = 0;
  for (size_t i = 0; i < facts->replaceables_count; i++) {
    const struct facts_replaceable *block = &facts->replaceables[i];
    if (!wanted(block->op, functions, functions_count)) {
      continue;
    }
    count += leave_room(&room, block, changes + count);
    int64_t codes = (int64_t)projection_code_bytes(block->elements, out->bits), bytes = (int64_t)block->bytes;
    changes[count++] = (struct level_change){block->begin_event, plus(codes, (int64_t)-block->bytes)};
    changes[count++] = (struct level_change){block->release_event, (int64_t) - (uint64_t)codes};
    changes[count++] = (struct level_change){block->free_event, bytes};
    if (block->listed) {
      out->eligible_bytes += block->bytes;
      out->code_bytes += (uint64_t)codes;
    }
  }
  count += leave_room(&room, NULL, changes + count);
  return count;
}

/* differences may be NULL. */
static int simulate(const struct facts *facts, const char *const *functions, size_t count, struct facts_projection *out,
                    int64_t *differences) {
  if (out->bits < 1 || out->bits > PROJECTION_BITS_MAX) {
    return ERROR_USAGE;
  }
  struct level_change *changes = calloc(5 * facts->replaceables_count + 1, sizeof *changes);
  if (!changes) {
    return ERROR_MEMORY;
  }
  size_t changes_count = collect_changes(facts, out, functions, count, changes);
  out->peak_bytes =
      (uint64_t)simulation_of_segments(facts->segments, facts->segments_count, changes, changes_count, differences);
  free(changes);
  return 0;
}

int projection_compute(const struct facts *facts, unsigned bits, const char *const *functions, size_t count,
                       struct facts_projection *out) {
  *out = (struct facts_projection){.bits = bits};
  int rc = simulate(facts, functions, count, out, NULL);
  if (rc == 0) {
    out->saving_bytes = (int64_t)(facts->peak.bytes - out->peak_bytes);
    out->saving_percent = facts->peak.bytes ? 100.0 * (double)out->saving_bytes / (double)facts->peak.bytes : 0;
  }
  return rc;
}

int projection_differences(const struct facts *facts, unsigned bits, const char *const *functions, size_t count,
                           int64_t *differences) {
  struct facts_projection sums = {.bits = bits};
  return simulate(facts, functions, count, &sums, differences);
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
