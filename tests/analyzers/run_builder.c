/* See the header. Every event gets a chunk's room; a full chunk is followed by another of the same stream. */
#include "tests/analyzers/run_builder.h"

#include "analyzers/analyze.h"
#include "tests/support/files.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 * 1024, TABLES_CHUNK = 256 * 1024, NS_PER_EVENT = 10 };
enum { STRING_PATH = 1, STRING_NAME = 2 };
#define ROOM ((size_t)64 << 20)

/* Functions and vtables with the names that libtorch has; never called. */
#define FUNCTION(label, symbol)                                                                                        \
  ".globl " symbol ", " label "\n.type " symbol ", @function\n" symbol ":\n" label ": .fill 32, 1, 0x90\n"             \
  ".size " symbol ", 32\n"
#define OBJECT(label, symbol)                                                                                          \
  ".globl " symbol ", " label "\n.type " symbol ", @object\n" symbol ":\n" label ": .fill 64, 1, 0\n.size " symbol     \
  ", 64\n"
// clang-format off: a table
__asm__(".pushsection .text.run_builder, \"ax\", @progbits\n" FUNCTION("run_f_gelu", "_ZN2at4_ops4gelu4callEv")
            FUNCTION("run_f_silu", "_ZN2at4_ops4silu4callEv") FUNCTION("run_f_relu", "_ZN2at4_ops4relu4callEv")
                FUNCTION("run_f_addmm", "_ZN2at4_ops5addmm4callEv") FUNCTION("run_f_mul",
                                                                             "_ZN2at4_ops10mul_Tensor4callEv")
                    FUNCTION("run_f_linear", "_ZN2at4_ops6linear4callEv") FUNCTION("run_f_zeros",
                                                                                   "_ZN2at4_ops10zeros_like4callEv")
                        FUNCTION("run_f_engine", "_ZN5torch8autograd6Engine17evaluate_functionEv")
                            FUNCTION("run_f_autocast", "_ZN2at8autocast11cached_castEv")
                                FUNCTION("run_f_teardown", "Py_FinalizeEx") FUNCTION("run_f_dropout",
                                                                                     "_ZN2at4_ops7dropout4callEv")
                                    FUNCTION("run_f_foreach", "_ZN2at4_ops13_foreach_sqrt4callEv")
                                        FUNCTION("run_f_function", "_Z17THPFunction_applyP7_objectS0_")
                                            FUNCTION("run_f_reducer", "_ZN4c10d7Reducer18initialize_bucketsEv")
                                                FUNCTION("run_f_kernel", "run_kernel_cpu")
                                                    FUNCTION("run_f_malloc", "_ZN3c109alloc_cpuEm")
                                                        FUNCTION("run_f_saved", "run_variable_type")
                                                            FUNCTION("run_f_main", "run_program_main") ".popsection\n");
__asm__(".pushsection .data.rel.ro.run_builder, \"aw\", @progbits\n.balign 16\n" OBJECT(
    "run_v_gelu", "_ZTVN5torch8autograd9generated13GeluBackward0E")
            OBJECT("run_v_silu", "_ZTVN5torch8autograd9generated13SiluBackward0E")
                OBJECT("run_v_relu", "_ZTVN5torch8autograd9generated13ReluBackward0E")
                    OBJECT("run_v_addmm", "_ZTVN5torch8autograd9generated14AddmmBackward0E")
                        OBJECT("run_v_mul", "_ZTVN5torch8autograd9generated12MulBackward0E")
                            OBJECT("run_v_linear", "_ZTVN5torch8autograd9generated15LinearBackward0E") ".popsection\n");
// clang-format on
extern const char run_f_gelu[], run_f_silu[], run_f_relu[], run_f_addmm[], run_f_mul[], run_f_linear[];
extern const char run_f_zeros[], run_f_engine[], run_f_autocast[], run_f_teardown[], run_f_dropout[], run_f_foreach[],
    run_f_function[], run_f_reducer[];
extern const char run_f_kernel[], run_f_malloc[], run_f_saved[], run_f_main[];
extern const char run_v_gelu[], run_v_silu[], run_v_relu[], run_v_addmm[], run_v_mul[], run_v_linear[];

static const char *const functions[RUN_OPS] = {run_f_gelu,  run_f_silu, run_f_relu,
                                               run_f_addmm, run_f_mul,  run_f_linear};
static const char *const places[RUN_PLACES] = {run_f_zeros,    run_f_engine,  run_f_autocast,
                                               run_f_teardown, run_f_dropout, run_f_foreach,
                                               run_f_function, run_f_reducer, run_f_malloc};
static const char *const vtables[RUN_OPS] = {run_v_gelu, run_v_silu, run_v_relu, run_v_addmm, run_v_mul, run_v_linear};

static void must(bool condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "run_builder: %s\n", what);
    abort();
  }
}

static int program_range(struct dl_phdr_info *info, size_t size, void *context) {
  struct trace_module_record *module = context;
  (void)size;
  uint64_t begin = UINT64_MAX, end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type == PT_LOAD) {
      begin = header->p_vaddr < begin ? header->p_vaddr : begin;
      end = header->p_vaddr + header->p_memsz > end ? header->p_vaddr + header->p_memsz : end;
    }
  }
  module->bias = info->dlpi_addr;
  module->begin = info->dlpi_addr + begin;
  module->size = end - begin;
  return 1; /* the first is the program itself */
}

static struct trace_chunk_writer *tables(struct run_builder *run, size_t room) {
  struct trace_chunk_writer *w = &run->trace.tables;
  return w->base && (size_t)(w->end - w->cursor) > room ? w : trace_builder_tables(&run->trace, TABLES_CHUNK);
}

void run_init(struct run_builder *run) {
  static const char path[] = "/proc/self/exe";
  struct trace_module_record module = {.path = STRING_PATH};
  *run = (struct run_builder){
      .folder = folder_make(), .time_ns = 100, .next_stack = 1, .next_string = STRING_NAME + 1, .next_tensor = 0x5000};
  trace_builder_init(&run->trace, ROOM);
  dl_iterate_phdr(program_range, &module);
  must(trace_write_string(tables(run, 4096), STRING_PATH, path, sizeof path - 1), "no room for a string");
  must(trace_write_string(tables(run, 4096), STRING_NAME, "weight", 6), "no room for a string");
  must(trace_write_module(tables(run, 4096), &module), "no room for a module");
}

uint32_t run_string(struct run_builder *run, const char *text) {
  must(trace_write_string(tables(run, 4096), run->next_string, text, strlen(text)), "no room for a string");
  return run->next_string++;
}

void run_fini(struct run_builder *run) {
  trace_builder_fini(&run->trace);
  if (run->folder) {
    folder_remove(run->folder);
  }
  *run = (struct run_builder){0};
}

void run_save(struct run_builder *run, const char *path) {
  trace_builder_save(&run->trace, path);
}

int run_analyze(struct run_builder *run, struct facts *facts, struct error *err) {
  struct path path = path_join(run->folder, "run");
  run_save(run, path.text);
  return analyze_trace(path.text, facts, NULL, err);
}

struct facts run_facts(struct run_builder *run) {
  struct facts facts;
  struct error err = {""};
  if (run_analyze(run, &facts, &err) != 0) {
    fprintf(stderr, "run_builder: %s\n", err.message);
    abort();
  }
  return facts;
}

uint32_t run_stack(struct run_builder *run, const uint64_t *frames, size_t count) {
  const uint8_t *before = run->trace.tables.base;
  struct trace_chunk_writer *w = tables(run, TRACE_STACK_RECORD_MAX(RUN_FRAMES));
  size_t previous = w->base == before ? run->previous_count : 0;
  must(count <= RUN_FRAMES, "too deep a stack");
  must(trace_write_stack(w, run->next_stack, frames, count, run->previous, previous), "no room for a stack");
  memcpy(run->previous, frames, count * sizeof *frames);
  run->previous_count = count;
  return run->next_stack++;
}

uint64_t run_op_address(enum run_op op) {
  return (uint64_t)(uintptr_t)functions[op] + 7;
}

uint64_t run_program_address(unsigned frame) {
  return (uint64_t)(uintptr_t)run_f_main + 9 + frame;
}

uint64_t run_node_type(enum run_op op) {
  return (uint64_t)(uintptr_t)vtables[op] + 16;
}

uint32_t run_stack_in_op(struct run_builder *run, enum run_op op, unsigned depth, bool kernel) {
  uint64_t frames[32];
  size_t count = 0;
  if (kernel) {
    frames[count++] = (uint64_t)(uintptr_t)run_f_malloc + 5;
    frames[count++] = (uint64_t)(uintptr_t)run_f_kernel + 5;
  } else { /* each op saves at a place of its own */
    frames[count++] = (uint64_t)(uintptr_t)run_f_saved + 5 + (unsigned)op;
  }
  frames[count++] = run_op_address(op);
  for (unsigned i = 0; i < depth; i++) {
    frames[count++] = run_program_address(i);
  }
  return run_stack(run, frames, count);
}

uint32_t run_stack_outside(struct run_builder *run, unsigned place) {
  const uint64_t frames[] = {(uint64_t)(uintptr_t)run_f_malloc + 5, (uint64_t)(uintptr_t)run_f_main + 2 + place % 30,
                             (uint64_t)(uintptr_t)run_f_main + 9};
  return run_stack(run, frames, 3);
}

uint32_t run_stack_within(struct run_builder *run, unsigned within, unsigned line) {
  uint64_t frames[RUN_PLACES + 1];
  size_t count = 0;
  for (unsigned i = RUN_PLACES; i-- > 0;) { /* the allocator is the innermost */
    if (within >> i & 1) {
      frames[count++] = (uint64_t)(uintptr_t)places[i] + 5;
    }
  }
  frames[count++] = (uint64_t)(uintptr_t)run_f_main + 2 + line;
  return run_stack(run, frames, count);
}

static struct trace_chunk_writer *events(struct run_builder *run) {
  struct trace_chunk_writer *w = &run->trace.writers[run->stream];
  run->events++;
  run->time_ns += NS_PER_EVENT;
  return w->base && w->end - w->cursor > TRACE_RECORD_MAX + 16
             ? w
             : trace_builder_events(&run->trace, run->stream, run->time_ns, CHUNK);
}

void run_alloc(struct run_builder *run, uint64_t address, uint64_t size, uint32_t stack) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_alloc(w, run->time_ns, address, size, stack, false), "alloc");
}

void run_free(struct run_builder *run, uint64_t address, uint32_t stack, bool in_release) {
  enum trace_free_kind kind = in_release ? TRACE_FREE_IN_RELEASE : TRACE_FREE_PLAIN;
  struct trace_chunk_writer *w = events(run);
  must(trace_write_free(w, run->time_ns, address, stack, kind), "free");
}

void run_realloc(struct run_builder *run, uint64_t from, uint64_t to, uint64_t size, uint32_t stack) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_free(w, run->time_ns, from, stack, TRACE_FREE_REALLOC), "realloc");
  w = events(run);
  must(trace_write_alloc(w, run->time_ns, to, size, stack, true), "realloc");
}

void run_small(struct run_builder *run, uint64_t allocated, uint64_t freed) {
  struct trace_chunk_writer *w = events(run);
  struct trace_small small = {allocated, allocated != 0, freed, freed != 0};
  trace_builder_small(w, &small);
  must(trace_write_small(w, run->time_ns), "small");
}

void run_save_dtype(struct run_builder *run, const struct trace_save *save) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_save(w, run->time_ns, save), "save");
}

uint64_t run_save_tensor(struct run_builder *run, uint64_t tensor, uint64_t data, uint64_t bytes, uint32_t stack) {
  tensor = tensor ? tensor : (run->next_tensor += 64);
  struct trace_save save = {.tensor = tensor,
                            .data = data,
                            .bytes = bytes,
                            .elements = bytes / 4,
                            .dtype = 6,
                            .source = TRACE_SOURCE_PROBE,
                            .stack = stack};
  run_save_dtype(run, &save);
  return tensor;
}

void run_release(struct run_builder *run, uint64_t tensor, uint64_t node_type) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_release(w, run->time_ns, tensor, node_type, TRACE_SOURCE_PROBE, 0), "release");
}

void run_resident(struct run_builder *run, uint64_t data, uint32_t role, bool named) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_resident(w, run->time_ns, data, 0, role, named ? STRING_NAME : 0), "resident");
}

void run_backward(struct run_builder *run, bool begins) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_phase(w, run->time_ns, TRACE_PHASE_BACKWARD, begins), "phase");
}

void run_region(struct run_builder *run, uint64_t data, uint64_t bytes, uint32_t name, uint32_t op) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_region(w, run->time_ns, &(struct trace_region){data, bytes, 0, name, op, 0}), "region");
}

void run_region_end(struct run_builder *run, uint64_t data) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_region_end(w, run->time_ns, data), "region's end");
}

void run_mark_step(struct run_builder *run) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_step(w, run->time_ns), "step");
}

void run_mark_phase(struct run_builder *run, enum trace_phase phase, bool begins) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_phase(w, run->time_ns, phase, begins), "phase");
}

void run_mark_save(struct run_builder *run, uint64_t data, uint64_t bytes, uint32_t op) {
  const struct trace_save save = {.tensor = data,
                                  .data = data,
                                  .bytes = bytes,
                                  .elements = bytes / 4,
                                  .dtype = 6,
                                  .source = TRACE_SOURCE_MARK,
                                  .op = op};
  run_save_dtype(run, &save);
}

void run_mark_release(struct run_builder *run, uint64_t data) {
  struct trace_chunk_writer *w = events(run);
  must(trace_write_release(w, run->time_ns, data, 0, TRACE_SOURCE_MARK, 0), "release");
}
