/* Facts made by hand for the reports' tests. */
#include "tests/reports/sample_facts.h"

#include "analyzers/strings.h"

#include <stdlib.h>

#define MIB ((uint64_t)1 << 20)
#define KIB ((uint64_t)1 << 10)
#define MS ((uint64_t)1000000)

enum { LAYERS = 4 };

static struct facts *target; /* whose strings keep() adds to */

static char *keep(const char *text) {
  return strings_intern(target->strings, text);
}

static void begin(struct facts *facts) {
  *facts = (struct facts){.strings = strings_open()};
  target = facts;
}

/* One kind of block that each layer leaves. */
struct kind {
  const char *dtype, *op_allocated, *reason, *holders[3];
  uint64_t bytes, elements;
  bool eligible;
  uint32_t stack;
};

static const struct kind kinds[] = {
    {"float32", "addmm", "its only holder is a pointwise nonlinearity", {"gelu"}, 24 * MIB, 6 * MIB, true, 1},
    {"float32", "gelu", "its holder is not a pointwise nonlinearity", {"addmm"}, 24 * MIB, 6 * MIB, false, 2},
    {"float32",
     "softmax",
     "held more than once: codes would only come on top",
     {"softmax", "bmm"},
     18 * MIB,
     18 * MIB / 4,
     false,
     3},
    {"float32",
     "native_dropout",
     "its holder is not a pointwise nonlinearity",
     {"mul"},
     6 * MIB,
     6 * MIB / 4,
     false,
     4},
    {"float32",
     "native_layer_norm",
     "held more than once: codes would only come on top",
     {"addmm", "addmm", "native_layer_norm"},
     6 * MIB,
     6 * MIB / 4,
     false,
     5},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *const sites[] = {
    "libtorch_cpu.so at::_ops::addmm::call", "libtorch_cpu.so at::_ops::gelu::call",
    "libtorch_cpu.so at::_ops::_softmax::call", "libtorch_cpu.so at::_ops::native_dropout::call",
    "libtorch_cpu.so torch::autograd::VariableType::(anonymous namespace)::native_layer_norm"};

static void add_run(struct facts_run *run) {
  *run = (struct facts_run){.command = keep("python3 train_gpt.py --text '/usr/share/common-licenses/GPL-3' --steps 6"),
                            .pid = 4711,
                            .ppid = 4700,
                            .rank = -1,
                            .host = keep("node-1"),
                            .exit_status = 0,
                            .complete = true,
                            .damage = keep(""),
                            .unseen = keep(""),
                            .wall_ns = 42300 * MS,
                            .start_unix_ns = 1700000000u * (uint64_t)1000000000,
                            .events = 1234567,
                            .threads = 3,
                            .min_size = 4096,
                            .framework = keep("pytorch 1.13.0"),
                            .evidence = keep("probe")};
}

static void add_steps(struct facts *facts) {
  facts->steps_count = 6;
  facts->steps = calloc(facts->steps_count, sizeof *facts->steps);
  for (unsigned i = 0; i < facts->steps_count; i++) {
    uint64_t begin = 3200 * MS + i * 6400 * MS;
    facts->steps[i] = (struct facts_step){.index = i,
                                          .begin_ns = begin,
                                          .backward_ns = begin + 2000 * MS,
                                          .backward_end_ns = begin + 5600 * MS,
                                          .end_ns = begin + 6400 * MS,
                                          .peak_bytes = i == 0 ? 440 * MIB : 480 * MIB + i * KIB,
                                          .saved_bytes = 312 * MIB - (i == 3 ? 0 : 5000),
                                          .saved_blocks = LAYERS * KINDS,
                                          .complete = true};
  }
}

static void add_block(struct facts_saved_block *block, const struct kind *kind, unsigned layer) {
  uint64_t save = 22500 * MS + layer * 400 * MS;
  char name[32] = "blocks.0.mlp";
  name[7] = (char)('0' + layer);
  *block = (struct facts_saved_block){.bytes = kind->bytes,
                                      .elements = kind->elements,
                                      .alloc_ns = save - MS,
                                      .free_ns = save + 3000 * MS,
                                      .dtype = kind->dtype,
                                      .op_allocated = keep(kind->op_allocated),
                                      .op = keep(kind->holders[0]),
                                      .layer = keep(name),
                                      .site = keep(sites[kind->stack - 1]),
                                      .evidence = "probe",
                                      .reason = kind->reason,
                                      .eligible = kind->eligible,
                                      .stack = kind->stack};
  block->holders = calloc(3, sizeof *block->holders);
  for (size_t i = 0; i < 3 && kind->holders[i]; i++) {
    /* The very last release was never seen. */
    uint64_t release = kind->stack == 5 && layer == 3 && i == 2 ? UINT64_MAX : save + (2900 + i) * MS;
    block->holders[block->holders_count++] = (struct facts_holder){keep(kind->holders[i]), save + i * MS, release};
  }
}

static void add_saved(struct facts *facts) {
  facts->saved_step = 3;
  facts->saved = calloc(KINDS * LAYERS, sizeof *facts->saved);
  for (size_t k = 0; k < KINDS; k++) {
    for (unsigned layer = 0; layer < LAYERS; layer++) {
      add_block(&facts->saved[facts->saved_count++], &kinds[k], layer);
      facts->saved_bytes += kinds[k].bytes;
    }
  }
  facts->saved_blocks = facts->saved_count;
}

static void add_ops(struct facts *facts) {
  static const struct {
    const char *op;
    uint64_t bytes, exclusive, blocks, eligible;
  } ops[] = {
      {"addmm", LAYERS * 30 * MIB, LAYERS * 24 * MIB, 2 * LAYERS, 0},
      {"gelu", LAYERS * 24 * MIB, LAYERS * 24 * MIB, LAYERS, LAYERS * 24 * MIB},
      {"softmax", LAYERS * 18 * MIB, 0, LAYERS, 0},
      {"bmm", LAYERS * 18 * MIB, 0, LAYERS, 0},
      {"mul", LAYERS * 6 * MIB, LAYERS * 6 * MIB, LAYERS, 0},
      {"native_layer_norm", LAYERS * 6 * MIB, 0, LAYERS, 0},
  };
  facts->by_op_count = sizeof ops / sizeof *ops;
  facts->by_op = calloc(facts->by_op_count, sizeof *facts->by_op);
  for (size_t i = 0; i < facts->by_op_count; i++) {
    facts->by_op[i] =
        (struct facts_op){keep(ops[i].op), ops[i].bytes, ops[i].exclusive, ops[i].blocks, ops[i].eligible};
  }
}

static void add_projections(struct facts *facts) {
  facts->projections_count = 4;
  facts->projections = calloc(4, sizeof *facts->projections);
  for (unsigned bits = 1; bits <= 4; bits++) {
    uint64_t codes = LAYERS * 6 * MIB * bits / 8, saving = LAYERS * 24 * MIB - codes;
    facts->projections[bits - 1] =
        (struct facts_projection){.bits = bits,
                                  .peak_bytes = facts->peak.bytes - saving,
                                  .saving_bytes = (int64_t)saving,
                                  .saving_percent = 100.0 * (double)saving / (double)facts->peak.bytes,
                                  .eligible_bytes = LAYERS * 24 * MIB,
                                  .code_bytes = codes};
  }
}

static struct facts_site site(uint32_t stack, uint64_t bytes, uint64_t blocks, const char *name, const char *op,
                              enum category category) {
  return (struct facts_site){stack, bytes, blocks, keep(name), keep(op), category};
}

static void add_sites(struct facts *facts) {
  facts->sites = calloc(8, sizeof *facts->sites);
  facts->sites[0] = site(2, 96 * MIB, 4, sites[1], "gelu", CATEGORY_SAVED_ACTIVATION);
  facts->sites[1] =
      site(6, 80 * MIB, 50, "libtorch_cpu.so at::_ops::empty_memory_format::call", "empty", CATEGORY_OTHER);
  facts->sites[2] = site(7, 20 * MIB, 1,
                         "train_gpt.py:31 \xc3\xbc"
                         "bersicht \xe6\xbc\xa2\xe5\xad\x97",
                         "", CATEGORY_OTHER);
  facts->sites_count = 3;
}

static void add_stacks(struct facts *facts) {
  static const char *const functions[][3] = {{"at::native::gelu(at::Tensor const&; x)", "at::_ops::gelu::call", "main"},
                                             {"c10::alloc_cpu", "at::_ops::empty_memory_format::call", "main"},
                                             {"PyObject_Malloc", "0x7f31deadbeef", "main"}};
  static const uint32_t ids[] = {2, 6, 7};
  facts->stacks_count = 3;
  facts->stacks = calloc(3, sizeof *facts->stacks);
  for (size_t s = 0; s < 3; s++) {
    facts->stacks[s] =
        (struct facts_stack){.stack = ids[s], .frames = calloc(3, sizeof(struct facts_frame)), .frames_count = 3};
    for (size_t f = 0; f < 3; f++) {
      facts->stacks[s].frames[f] =
          (struct facts_frame){keep(functions[s][f]), keep(""), keep(f == 2 ? "python3.11" : "libtorch_cpu.so"), 0};
    }
  }
}

static struct facts_sample sample_at(uint64_t time_ns, uint64_t live, uint64_t saved) {
  struct facts_sample sample = {.time_ns = time_ns, .live_bytes = live, .saved_bytes = saved};
  sample.categories[CATEGORY_SAVED_ACTIVATION] = saved;
  sample.categories[CATEGORY_SMALL] = 40 * MIB;
  sample.categories[CATEGORY_OTHER] = live - saved - 40 * MIB;
  return sample;
}

/* Live bytes climb and fall once a step; the fourth step's have the peak. */
static void add_timeline(struct facts *facts) {
  static const struct {
    uint64_t after_ms, live, saved;
  } shape[] = {
      {0, 150 * MIB, 0}, {1000, 320 * MIB, 160 * MIB}, {2723, 470 * MIB, 300 * MIB}, {5000, 200 * MIB, 40 * MIB}};
  facts->timeline = calloc(4 * facts->steps_count, sizeof *facts->timeline);
  for (size_t step = 0; step < facts->steps_count; step++) {
    for (size_t i = 0; i < 4; i++) {
      facts->timeline[facts->timeline_count++] =
          sample_at(facts->steps[step].begin_ns + shape[i].after_ms * MS, shape[i].live, shape[i].saved);
    }
  }
  facts->timeline[3 * 4 + 2] = sample_at(facts->peak.time_ns, facts->peak.bytes, 300 * MIB);
}

static void add_modules(struct facts *facts) {
  facts->modules = calloc(1, sizeof *facts->modules);
  facts->modules[0] =
      (struct facts_module){keep("libtorch_cpu.so"), keep("/usr/lib/libtorch_cpu.so"), keep("0123abcd"), keep("")};
  facts->modules_count = 1;
}

/* One of every kind, whatever would come of it in such a run. */
static void add_advice(struct facts *facts) {
  static const struct {
    unsigned bits;
    const char *ops, *layers, *site;
    uint64_t blocks, bytes, peak;
  } all[ADVICE_KINDS] = {
      [ADVICE_FEW_BITS] = {3, "gelu, silu", "blocks.*.mlp.1", "", 4, 96 * MIB, 398 * MIB},
      [ADVICE_MASK_BITS] = {1, "dropout", "blocks.*.drop", "libtorch_cpu.so at::native::dropout", 8, 48 * MIB,
                            440 * MIB},
      [ADVICE_FREE_GRADIENTS] = {0, "", "", "", 30, 40 * MIB, 445 * MIB},
      [ADVICE_FREE_KEPT] = {0, "addmm", "", "", 1, 16 * MIB, 469 * MIB},
      [ADVICE_CHECKPOINT] = {0, "addmm, gelu, mul and 2 more", "blocks.*", "", 60, 280 * MIB, 230 * MIB},
      [ADVICE_RECOMPUTE] = {0, "gelu", "", "", 4, 96 * MIB, 391 * MIB},
      [ADVICE_FOREACH] = {0, "sqrt, add", "", "", 60, 20 * MIB, 470 * MIB},
      [ADVICE_TEMPORARY] = {0, "mm", "", "libtorch_cpu.so at::native::matmul<a|b>", 1, 8 * MIB, 478 * MIB},
  };
  facts->advice = calloc(ADVICE_KINDS, sizeof *facts->advice);
  for (int i = 0; i < ADVICE_KINDS; i++) {
    facts->advice[facts->advice_count++] =
        (struct facts_advice){.kind = (enum advice_kind)i,
                              .bits = all[i].bits,
                              .ops = keep(all[i].ops),
                              .layers = keep(all[i].layers),
                              .site = keep(all[i].site),
                              .blocks = all[i].blocks,
                              .bytes = all[i].bytes,
                              .peak_bytes = all[i].peak,
                              .saving_bytes = (int64_t)(facts->peak.bytes - all[i].peak)};
  }
}

void sample_facts_gpt(struct facts *facts) {
  begin(facts);
  add_run(&facts->run);
  facts->categories[CATEGORY_SAVED_ACTIVATION] = 300 * MIB;
  facts->categories[CATEGORY_SMALL] = 40 * MIB + 123;
  facts->categories[CATEGORY_OTHER] = 145 * MIB;
  facts->peak = (struct facts_peak){485 * MIB + 123, 25123 * MS, 3, PHASE_BACKWARD, 0};
  add_steps(facts);
  add_saved(facts);
  add_ops(facts);
  add_projections(facts);
  add_sites(facts);
  add_stacks(facts);
  add_modules(facts);
  add_timeline(facts);
  add_advice(facts);
}

static struct facts_busy_site busy(uint32_t stack, const char *name, uint64_t allocations, uint64_t bytes,
                                   uint64_t temporary, uint64_t end_blocks, uint64_t end_bytes) {
  return (struct facts_busy_site){stack, keep(name), keep(""), {allocations, bytes, temporary, end_blocks, end_bytes}};
}

void sample_facts_plain(struct facts *facts) {
  begin(facts);
  facts->run = (struct facts_run){.command = keep("./train \xff\xfe"
                                                  "data\033[31m"),
                                  .pid = 12,
                                  .ppid = -1,
                                  .rank = 1,
                                  .world_size = 4,
                                  .host = keep(""),
                                  .exit_status = 137,
                                  .damage = keep("it ends within a chunk"),
                                  .unseen = keep(""),
                                  .wall_ns = 1500 * MS,
                                  .events = 1,
                                  .threads = 1,
                                  .lost_events = 2,
                                  .framework = keep(""),
                                  .evidence = keep("none")};
  facts->saved_step = -1;
  facts->peak = (struct facts_peak){1000, 5 * MS, -1, PHASE_OUTSIDE, 800};
  facts->categories[CATEGORY_OTHER] = 1000;
  facts->sites = calloc(1, sizeof *facts->sites);
  facts->sites[0] = site(9, 1000, 1, "train.c:88 forward\033[2J", "", CATEGORY_OTHER);
  facts->sites_count = 1;
  facts->traffic = (struct facts_traffic){10301, 80 * MIB, 10001, 301, 2 * MIB + 5};
  facts->busy_sites = calloc(4, sizeof *facts->busy_sites);
  facts->busy_sites[0] = busy(9, "train.c:88 forward\033[2J", 6000, 40 * MIB, 6000, 0, 0);
  facts->busy_sites[1] = busy(10, "train.c:88 forward\033[2J", 4000, 30 * MIB, 4000, 0, 0);
  facts->busy_sites[2] = busy(11, "train.c:90 keep", 200, 2 * MIB, 1, 199, 2 * MIB);
  facts->busy_sites[3] = busy(12, "", 1, 5, 0, 1, 5);
  facts->busy_sites_count = 4;
}
