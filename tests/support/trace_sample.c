/* Shared traces: see the header. */
#include "tests/support/trace_sample.h"

#include <stdlib.h>
#include <string.h>

static void string_add(struct trace_chunk_writer *tables, uint32_t id, const char *text) {
  if (!trace_write_string(tables, id, text, strlen(text))) {
    abort();
  }
}

static void sample_tables(struct trace_chunk_writer *t) {
  static const uint64_t first[] = {0x1010, 0x1020, 0x1030}, second[] = {0x1014, 0x1020, 0x1030}, third[] = {0x9000};
  const uint64_t mixed[] = {0x1010, trace_frame_of_code(2, 88), trace_frame_of_code(4, 0), 0x1020};
  static const uint8_t build_id[] = {0xab, 0x00, 0xcd};
  string_add(t, 1, "framework");
  string_add(t, 2, "pytorch 2.13.0");
  string_add(t, 3, "/usr/lib/libtorch_cpu.so");
  string_add(t, 4, "blocks.0.fc.weight");
  trace_write_string(t, 5, build_id, sizeof build_id);
  trace_write_meta(t, 1, 2);
  trace_write_stack(t, 1, first, 3, NULL, 0);
  trace_write_stack(t, 2, second, 3, first, 3);
  trace_write_stack(t, 3, third, 1, second, 3);
  string_add(t, 6, "/home/me/train.py");
  string_add(t, 7, "Net.forward");
  trace_write_code(t, 2, 6, 7);
  trace_write_code(t, 4, 0, 7);
  trace_write_stack(t, 4, mixed, 4, third, 1);
  trace_write_module(t, &(struct trace_module_record){10, 0x1000, 0x800, 0x1000, 3, 5});
  trace_write_module(t, &(struct trace_module_record){20, 0x9000, 0x100, 0, 0, 0});
  trace_write_module_gone(t, 500, 0x1000);
  trace_write_module(t, &(struct trace_module_record){600, 0x1000, 0x400, 0x1000, 3, 0});
}

void trace_sample_every_kind(struct trace_builder *b) {
  sample_tables(trace_builder_tables(b, TRACE_CHUNK_STEP));
  struct trace_chunk_writer *w = trace_builder_events(b, 0, 100, TRACE_CHUNK_STEP);
  trace_write_thread(w, 100, 42);
  trace_write_step(w, 105);
  trace_write_alloc(w, 110, 0x7f0000001000, 65536, 1, false);
  trace_builder_small(w, &(struct trace_small){96, 3, 32, 1});
  trace_write_small(w, 120);
  trace_write_region(w, 125, &(struct trace_region){0x7f0000001040, 32768, 4, 3, 1, 2});
  trace_write_save(w, 130, &(struct trace_save){0xabc0, 0x7f0000001040, 65536, 16384, 6, TRACE_SOURCE_PROBE, 2, 4, 4});
  trace_write_resident(w, 140, 0x7f0000001000, 65536, TRACE_ROLE_PARAMETER, 4);
  trace_write_phase(w, 150, TRACE_PHASE_BACKWARD, true);
  trace_write_release(w, 160, 0xabc0, 0x1400, TRACE_SOURCE_PROBE, 3);
  trace_write_region_end(w, 165, 0x7f0000001040);
  trace_write_free(w, 170, 0x7f0000001000, 2, TRACE_FREE_IN_RELEASE);
  trace_write_phase(w, 180, TRACE_PHASE_BACKWARD, false);
  trace_write_alloc(w, 190, 0x7f0000009000, 4096, 1, false);
  trace_write_free(w, 200, 0x7f0000009000, 1, TRACE_FREE_REALLOC);
  trace_write_alloc(w, 210, 0x7f000000c000, 8192, 1, true);
  trace_write_free(w, 220, 0x7f000000c000, 0, TRACE_FREE_PLAIN);
  w = trace_builder_events(b, 1, 105, TRACE_CHUNK_STEP);
  trace_write_map(w, 145, 0x7e0000000000, 1 << 20, 3, false);
  trace_write_map(w, 146, 0x7e0000000000, 1 << 20, 3, true);
  trace_write_lost(w, 147, 7);
  trace_builder_small(w, &(struct trace_small){64, 2, 0, 0});
}

void trace_sample_documented(struct trace_builder *b) {
  static const uint64_t first[] = {0x7f5a00012345, 0x7f5a00023456, 0x401234};
  static const uint64_t second[] = {0x7f5a00012389, 0x7f5a00023456, 0x401234};
  struct trace_chunk_writer *t = trace_builder_tables(b, TRACE_CHUNK_STEP);
  string_add(t, 1, "/usr/lib/libtorch_cpu.so");
  trace_write_string(t, 2, (const uint8_t[]){0xde, 0xad, 0xbe, 0xef}, 4);
  trace_write_module(t, &(struct trace_module_record){5000, 0x7f5a00000000, 0x100000, 0x7f5a00000000, 1, 2});
  string_add(t, 3, "framework");
  string_add(t, 4, "pytorch 2.13.0");
  trace_write_meta(t, 3, 4);
  trace_write_stack(t, 1, first, 3, NULL, 0);
  trace_write_stack(t, 2, second, 3, first, 3);
  struct trace_chunk_writer *w = trace_builder_events(b, 0, 1000000, TRACE_CHUNK_STEP);
  trace_write_alloc(w, 1000300, 0x7f5980001010, 65536, 1, false);
  trace_builder_small(w, &(struct trace_small){96, 2, 48, 1});
  trace_write_small(w, 1000450);
  trace_write_save(w, 1000450,
                   &(struct trace_save){0x55d0c0, 0x7f5980001040, 65536, 16384, 6, TRACE_SOURCE_PROBE, 2, 0, 0});
  trace_write_phase(w, 1002450, TRACE_PHASE_BACKWARD, true);
  trace_write_release(w, 1002460, 0x55d0c0, 0x7f5a00080010, TRACE_SOURCE_PROBE, 1);
  trace_write_free(w, 1002500, 0x7f5980001010, 2, TRACE_FREE_IN_RELEASE);
  trace_builder_small(w, &(struct trace_small){32, 1, 0, 0});
}

void trace_sample_marked(struct trace_builder *b) {
  struct trace_chunk_writer *t = trace_builder_tables(b, TRACE_CHUNK_STEP);
  string_add(t, 1, "fc1");
  string_add(t, 2, "fc1.sum");
  string_add(t, 3, "gelu");
  trace_write_stack(t, 1, (uint64_t[]){0x401234}, 1, NULL, 0);
  struct trace_chunk_writer *w = trace_builder_events(b, 0, 1000, TRACE_CHUNK_STEP);
  trace_write_alloc(w, 1000, 0x10000000, 1 << 20, 1, false);
  trace_write_region(w, 1100, &(struct trace_region){0x10008000, 65536, 1, 2, 3, 1});
  trace_write_step(w, 1400);
  trace_write_region_end(w, 1400, 0x10008000);
}

uint64_t trace_sample_next(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* ---- a program at random ----------------------------------------------------------------------------------------- */

enum { STACKS = 300, LIVE_MAX = 1000 };

struct program {
  struct trace_builder *b;
  uint64_t random, time_ns;
  size_t live_count;
  uint64_t live[LIVE_MAX];
};

static void random_tables(struct program *p) {
  struct trace_chunk_writer *t = trace_builder_tables(p->b, TRACE_CHUNK_STEP);
  uint64_t previous[40], frames[40];
  size_t previous_count = 0;
  for (uint32_t id = 1; id <= STACKS; id++) {
    size_t count = 1 + trace_sample_next(&p->random) % 40;
    for (size_t i = 0; i < count; i++) {
      frames[i] = 0x400000 + (i < 5 ? trace_sample_next(&p->random) % 100000 : 1000 * (count - i));
    }
    if (!trace_write_stack(t, id, frames, count, previous, previous_count)) {
      t = trace_builder_tables(p->b, TRACE_CHUNK_STEP);
      trace_write_stack(t, id, frames, count, NULL, 0);
    }
    memcpy(previous, frames, sizeof previous);
    previous_count = count;
  }
}

static bool random_block(struct program *p, struct trace_chunk_writer *w) {
  uint64_t random = trace_sample_next(&p->random);
  uint32_t stack = (uint32_t)(random >> 32) % (STACKS + 1);
  if (p->live_count < LIVE_MAX && (p->live_count == 0 || random & 1)) {
    uint64_t address = 0x7f0000000000 + (random >> 8) % 4096 * 64;
    bool written = trace_write_alloc(w, p->time_ns, address, 1 + (random >> 4) % 10000, stack, random % 64 == 1);
    p->live[p->live_count] = address;
    p->live_count += written;
    return written;
  }
  size_t which = (random >> 16) % p->live_count;
  bool written = trace_write_free(w, p->time_ns, p->live[which], stack, (enum trace_free_kind)((random >> 40) % 3));
  p->live[which] = p->live[p->live_count - written];
  p->live_count -= written;
  return written;
}

static bool random_record(struct program *p, struct trace_chunk_writer *w) {
  uint64_t random = trace_sample_next(&p->random);
  switch (random % 64) {
  case 0:
    return trace_write_save(w, p->time_ns, &(struct trace_save){random, random >> 20, 4096, 1024, 6, 1, 1, 0, 0});
  case 1:
    return trace_write_release(w, p->time_ns, random, 0x500000, TRACE_SOURCE_HOOKS, 2);
  case 2:
    trace_builder_small(w, &(struct trace_small){random >> 40, 2, random >> 44, 1});
    return random & 64 || trace_write_small(w, p->time_ns);
  case 3:
    return trace_write_thread(w, p->time_ns, 1000 + (uint32_t)(random >> 60));
  case 4:
    return trace_write_map(w, p->time_ns, random >> 20 << 4, 1 << 16, 5, random & 64);
  case 5:
    return trace_write_phase(w, p->time_ns, TRACE_PHASE_FORWARD, random & 64);
  default:
    return random_block(p, w);
  }
}

void trace_sample_random(struct trace_builder *b, size_t events, uint32_t streams, uint64_t seed) {
  struct program p = {.b = b, .random = seed};
  random_tables(&p);
  for (uint32_t stream = 0; stream < streams; stream++) {
    trace_builder_events(b, stream, stream * 100, TRACE_CHUNK_STEP);
  }
  for (size_t i = 0; i < events; i++) {
    p.time_ns += trace_sample_next(&p.random) % 3000;
    uint32_t stream = (uint32_t)(trace_sample_next(&p.random) % streams);
    while (!random_record(&p, &b->writers[stream])) {
      trace_builder_events(b, stream, p.time_ns, TRACE_CHUNK_STEP);
    }
  }
}
