/* Runs written by hand for the tests of the analysis: traces whose stacks lie in functions of this very test program
 * that are named like PyTorch's, so that ops are found the way they are found in a real run. */
#ifndef ACTSCOPE_TESTS_RUN_BUILDER_H
#define ACTSCOPE_TESTS_RUN_BUILDER_H

#include "analyzers/facts.h"
#include "common/error.h"
#include "tests/support/trace_builder.h"

#include <stdbool.h>
#include <stdint.h>

/* at::_ops::NAME::call, and the vtable of its node's class. */
enum run_op { RUN_GELU, RUN_SILU, RUN_RELU, RUN_ADDMM, RUN_MUL, RUN_LINEAR, RUN_OPS };

/* Other functions that say what is going on: at::_ops::zeros_like::call, torch::autograd::Engine::evaluate_function,
 * at::autocast::cached_cast, Py_FinalizeEx, at::_ops::dropout::call, at::_ops::_foreach_sqrt::call, THPFunction_apply,
 * c10d::Reducer::initialize_buckets, and PyTorch's allocator of tensors. */
enum run_place {
  RUN_ZEROS_LIKE,
  RUN_ENGINE,
  RUN_AUTOCAST,
  RUN_TEARDOWN,
  RUN_DROPOUT,
  RUN_FOREACH,
  RUN_CUSTOM_FUNCTION,
  RUN_REDUCER,
  RUN_TENSOR,
  RUN_PLACES
};

#define RUN_FRAMES 128 /* the deepest stack */

struct run_builder {
  struct trace_builder trace;
  char *folder;
  uint64_t time_ns; /* of the next event; each advances it by 10 */
  uint64_t events;
  uint32_t stream; /* of the next event: thread 100 + stream */
  uint32_t next_stack, next_string;
  uint64_t previous[RUN_FRAMES]; /* the last stack written */
  size_t previous_count;
  uint64_t next_tensor;
};

void run_init(struct run_builder *run);
void run_fini(struct run_builder *run);

/* Analyses what was written so far. */
int run_analyze(struct run_builder *run, struct facts *facts, struct error *err);
struct facts run_facts(struct run_builder *run); /* must succeed */
void run_save(struct run_builder *run, const char *path);

/* A stack of any frames, innermost first. */
uint32_t run_stack(struct run_builder *run, const uint64_t *frames, size_t count);
/* A new string: a layer's name. */
uint32_t run_string(struct run_builder *run, const char *text);
/* Within op, `depth` frames of the program below it; kernel: frames above the op (allocations), else the saving
 * ones. */
uint32_t run_stack_in_op(struct run_builder *run, enum run_op op, unsigned depth, bool kernel);
/* Of the program alone, in no op; place tells stacks apart. */
uint32_t run_stack_outside(struct run_builder *run, unsigned place);
/* Within these functions (1 << enum run_place, together), which the program calls from `line`. */
uint32_t run_stack_within(struct run_builder *run, unsigned places, unsigned line);
uint64_t run_program_address(unsigned frame); /* the frame-th below an op */
uint64_t run_op_address(enum run_op op);
uint64_t run_node_type(enum run_op op);

void run_alloc(struct run_builder *run, uint64_t address, uint64_t size, uint32_t stack);
void run_free(struct run_builder *run, uint64_t address, uint32_t stack, bool in_release);
void run_realloc(struct run_builder *run, uint64_t from, uint64_t to, uint64_t size, uint32_t stack);
void run_small(struct run_builder *run, uint64_t allocated, uint64_t freed);
/* A save of float32 elements; the tensor's handle is returned if `tensor` is 0. */
uint64_t run_save_tensor(struct run_builder *run, uint64_t tensor, uint64_t data, uint64_t bytes, uint32_t stack);
void run_save_dtype(struct run_builder *run, const struct trace_save *save);
void run_release(struct run_builder *run, uint64_t tensor, uint64_t node_type);
/* Named as a module's, or a leaf that collects a gradient. */
void run_resident(struct run_builder *run, uint64_t data, uint32_t role, bool named);
void run_backward(struct run_builder *run, bool begins);

/* Marks (include/actscope/mark.h). A save's token is its address, as it is where the op is the region's own. */
void run_region(struct run_builder *run, uint64_t data, uint64_t bytes, uint32_t name, uint32_t op);
void run_region_end(struct run_builder *run, uint64_t data);
void run_mark_step(struct run_builder *run);
void run_mark_phase(struct run_builder *run, enum trace_phase phase, bool begins);
void run_mark_save(struct run_builder *run, uint64_t data, uint64_t bytes, uint32_t op);
void run_mark_release(struct run_builder *run, uint64_t data);

#endif
