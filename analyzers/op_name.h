/* Which PyTorch operator a saved activation belongs to: from the stack of the save and the type of the autograd node.
 *
 * Three spellings are in play: the raw name, of the dispatcher's frame (`at::_ops::mul_Tensor::call` -> "mul_Tensor"); the
 * class of the node (`MulBackward0`); and the canonical one that reports use, as autograd knows it ("mul"). */
#ifndef ACTSCOPE_ANALYZERS_OP_NAME_H
#define ACTSCOPE_ANALYZERS_OP_NAME_H

#include "analyzers/symbols.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct op_names;

/* `reader` (for its stacks; NULL = none) and `symbols` are borrowed and must outlive *out. 0, or ERROR_MEMORY. The caller ends *out
 * with op_names_close. */
int op_names_open(struct op_names **out, const struct trace_reader *reader, struct symbols *symbols);
void op_names_close(struct op_names *names); /* NULL allowed */

/* The raw name of the operator that a stack is in: NAME of the innermost at::_ops::NAME::call or ::redispatch frame, with
 * *frame_index (may be NULL) the index of that frame. Operators that only make room for a result (empty, resize_) count
 * where no other is around them; so an allocation is its operator's. Below no operator, a custom function: "python_function" (from
 * Python), the class's own name or "cpp_function" (C++ torch::autograd::Function). "" if the stack is in none of these;
 * *frame_index = SIZE_MAX then. Cached by stack; the address of a frame is looked up as of the trace's end where the
 * module is still loaded then, else as of the time when it last was. */
const char *op_names_of_stack(struct op_names *names, uint32_t stack, size_t *frame_index);

/* The same for return addresses, innermost first, uncached. */
const char *op_names_of_frames(struct op_names *names, const uint64_t *frames, size_t count, size_t *frame_index);

/* Class of the node whose vtable is at node_type: "GeluBackward0", "PyNode", "CppNode<MyFunction>", or "". */
const char *op_names_class(struct op_names *names, uint64_t node_type);

/* The canonical name; either argument may be "", both "" gives "". Interned in symbols. */
const char *op_names_canonical(struct op_names *names, const char *raw_name, const char *node_class);

/* Can a node of this class come from the operator of this raw name? False if either is "". */
bool op_names_agree(const char *raw_name, const char *node_class);

/* Is the op of this canonical name a pointwise nonlinearity whose saved tensor few-bit codes could replace?
 * *saves_result (may be NULL) is whether it keeps its result (relu, tanh, sigmoid) rather than its input. */
bool op_is_pointwise(const char *op, bool *saves_result);

/* Is this function, by its demangled name, one that runs a custom torch.autograd.Function, of Python or C++? What torch.compile
 * makes of a model that trains is one as well. */
bool op_is_custom_function(const char *function);

/* Is what this op holds the mask of a dropout, given the op that allocated it? A bit an element would do for it. */
bool op_holds_mask(const char *op, const char *op_allocated);

/* The names that op_is_pointwise knows, from index 0 on; NULL past the last. */
const char *op_pointwise_name(size_t index);

#endif
