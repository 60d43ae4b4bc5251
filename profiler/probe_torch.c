/* The probe's first way: functions of libtorch that libtorch calls through its own PLT, defined here and forwarded.
 *
 * SavedVariable's constructors see every save, its reset_data() every release, AccumulateGrad's constructor every tensor
 * that gets a gradient (a parameter), Engine::execute every backward pass. The names are C++'s (Itanium ABI); the same in
 * PyTorch 1.13 and 2.13 but for optional's namespace. The first argument of a member function is the object, the objects
 * passed by reference or by value with a destructor arrive as pointers, and exceptions pass through. */
#include "profiler/probe.h"
#include "profiler/probe_node.h"
#include "profiler/recorder.h"

#include <dlfcn.h>

#define EXPORT __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)
#define FRAME __builtin_frame_address(0)

struct probe_layout probe_layout;

uint64_t probe_saves_seen; /* constructor calls, whatever their size: tells the start-up file that this way works */

bool probe_lesson; /* saves are looked at, and not recorded */

/* The real function: the next one after us where torch is linked in; otherwise that of the library that called, because
 * Python loads torch RTLD_LOCAL, out of RTLD_NEXT's sight. */
static void *find_real(const char *name, const void *caller) {
  void *found = dlsym(RTLD_NEXT, name);
  Dl_info info;
  if (!found && dladdr(caller, &info) && info.dli_fname) {
    void *module = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    found = module ? dlsym(module, name) : NULL;
  }
  return found;
}

/* Resolves once into `slot`. The caller has bound this name to us, so somebody else defines it too: NULL cannot be. */
static void *resolve_once(void **slot, const char *name, const void *caller) {
  if (!*slot) {
    *slot = find_real(name, caller);
  }
  return *slot;
}
#define REAL(type, slot, name) (__extension__(type) resolve_once((slot), (name), CALLER))

static bool wanted(void) {
  const struct config *config = recorder_config();
  return config && (config->probe == CONFIG_PROBE_AUTO || config->probe == CONFIG_PROBE_SYMBOLS);
}

/* The TensorImpl of an at::Tensor, which is one pointer; of a SavedVariable too, whose first member is its tensor. */
static const void *impl_of(const void *tensor) {
  return *(const void *const *)tensor;
}

static bool read_tensor(const void *tensor, struct probe_tensor *out) {
  const void *impl = impl_of(tensor);
  return (probe_layout.known || probe_layout_learn(&probe_layout, impl)) &&
         probe_layout_read(&probe_layout, impl, out) && out->bytes + 64 >= recorder_min_size;
}

static void record_save(uint64_t handle, const struct probe_tensor *tensor, const void *frame) {
  struct trace_save save = {
      .tensor = handle,
      .data = tensor->data,
      .bytes = tensor->bytes,
      .elements = tensor->elements,
      .dtype = tensor->dtype,
      .source = TRACE_SOURCE_PROBE,
  };
  recorder_save(&save, frame);
}

/* `tensor`: what the node asked to have saved, NULL for no tensor. Under hooks of the program's own (torch.utils.checkpoint,
 * save_on_cpu) the SavedVariable holds nothing, and what the hooks do with the tensor is theirs: then it counts as saved,
 * without a handle by which it could be released, as long as its block lives. */
static void note_save(const void *saved, const void *tensor, const void *frame) {
  struct probe_tensor read;
  __atomic_fetch_add(&probe_saves_seen, 1, __ATOMIC_RELAXED);
  if (!wanted()) {
    return;
  }
  const bool readable = read_tensor(saved, &read);
  if (__atomic_load_n(&probe_lesson, __ATOMIC_RELAXED)) {
    return;
  }
  if (readable) {
    record_save((uintptr_t)impl_of(saved), &read, frame);
  } else if (tensor && impl_of(tensor) != impl_of(saved) && probe_layout_fits(&probe_layout, impl_of(tensor)) &&
             read_tensor(tensor, &read)) {
    record_save(0, &read, frame);
  }
}

/* libstdc++'s std::optional: the value, then whether there is one. */
static const void *std_optional_tensor(const void *optional) {
  const struct {
    const void *tensor;
    bool engaged;
  } *layout = optional;
  return layout->engaged ? &layout->tensor : NULL;
}

/* c10::optional, of PyTorch before 2.4: the other way round. */
static const void *c10_optional_tensor(const void *optional) {
  const struct {
    bool engaged;
    const void *tensor;
  } *layout = optional;
  return layout->engaged ? &layout->tensor : NULL;
}

static const void *plain_tensor(const void *tensor) {
  return tensor;
}

#define SAVED_VARIABLE_CONSTRUCTOR(name, tensor_of)                                                                    \
  EXPORT void name(void *saved, const void *tensor, bool is_output, bool is_inplace);                                  \
  EXPORT void name(void *saved, const void *tensor, bool is_output, bool is_inplace) {                                 \
    static void *real;                                                                                                 \
    REAL(void (*)(void *, const void *, bool, bool), &real, #name)(saved, tensor, is_output, is_inplace);              \
    note_save(saved, tensor_of(tensor), FRAME);                                                                        \
  }

/* SavedVariable(const at::Tensor &, bool, bool) and the same for an optional tensor, complete and base constructors. */
SAVED_VARIABLE_CONSTRUCTOR(_ZN5torch8autograd13SavedVariableC1ERKN2at6TensorEbb, plain_tensor)
SAVED_VARIABLE_CONSTRUCTOR(_ZN5torch8autograd13SavedVariableC2ERKN2at6TensorEbb, plain_tensor)
SAVED_VARIABLE_CONSTRUCTOR(_ZN5torch8autograd13SavedVariableC1ERKN3c108optionalIN2at6TensorEEEbb, c10_optional_tensor)
SAVED_VARIABLE_CONSTRUCTOR(_ZN5torch8autograd13SavedVariableC2ERKN3c108optionalIN2at6TensorEEEbb, c10_optional_tensor)
SAVED_VARIABLE_CONSTRUCTOR(_ZN5torch8autograd13SavedVariableC1ERKSt8optionalIN2at6TensorEEbb, std_optional_tensor)
SAVED_VARIABLE_CONSTRUCTOR(_ZN5torch8autograd13SavedVariableC2ERKSt8optionalIN2at6TensorEEbb, std_optional_tensor)

/* SavedVariable::reset_data(). The block that falls with it is freed inside: its free event is marked so. */
EXPORT void _ZN5torch8autograd13SavedVariable10reset_dataEv(void *saved);
EXPORT void _ZN5torch8autograd13SavedVariable10reset_dataEv(void *saved) {
  static void *real;
  void (*reset)(void *) = REAL(void (*)(void *), &real, "_ZN5torch8autograd13SavedVariable10reset_dataEv");
  struct probe_tensor tensor;
  if (!wanted() || __atomic_load_n(&probe_lesson, __ATOMIC_RELAXED) || !read_tensor(saved, &tensor)) {
    reset(saved);
    return;
  }
  recorder_release((uintptr_t)impl_of(saved), probe_node_type(saved, CALLER), TRACE_SOURCE_PROBE);
  struct thread_state *state = recorder_current();
  if (state) {
    state->in_release++;
  }
  reset(saved);
  if (state) {
    state->in_release--;
  }
}

/* AccumulateGrad::AccumulateGrad(at::Tensor): made for each leaf that requires a gradient when it first enters a graph. */
static void note_parameter(const void *tensor, uint32_t role, const char *name, size_t name_size) {
  struct probe_tensor read;
  if (wanted() && read_tensor(tensor, &read)) {
    recorder_resident(read.data, read.bytes, role, name, name_size);
  }
}

EXPORT void _ZN5torch8autograd14AccumulateGradC1EN2at6TensorE(void *node, const void *tensor);
EXPORT void _ZN5torch8autograd14AccumulateGradC1EN2at6TensorE(void *node, const void *tensor) {
  static void *real;
  note_parameter(tensor, TRACE_ROLE_PARAMETER, NULL, 0); /* first: the tensor is moved from */
  REAL(void (*)(void *, const void *), &real, "_ZN5torch8autograd14AccumulateGradC1EN2at6TensorE")(node, tensor);
}

/* libstdc++'s std::string: the characters and their number come first. */
struct std_string {
  const char *bytes;
  size_t size;
};

/* Tensor &torch::nn::Module::register_buffer(std::string, Tensor), of C++ programs. */
EXPORT void *_ZN5torch2nn6Module15register_bufferENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEN2at6TensorE(
    void *module, const struct std_string *name, void *tensor);
EXPORT void *_ZN5torch2nn6Module15register_bufferENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEN2at6TensorE(
    void *module, const struct std_string *name, void *tensor) {
  static void *real;
  note_parameter(tensor, TRACE_ROLE_BUFFER, name->bytes, name->size);
  return REAL(void *(*)(void *, const struct std_string *, void *), &real,
              "_ZN5torch2nn6Module15register_bufferENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEN2at6TensorE")(
      module, name, tensor);
}

/* Tensor &torch::nn::Module::register_parameter(std::string, Tensor, bool requires_grad), likewise (frozen ones too). */
EXPORT void *_ZN5torch2nn6Module18register_parameterENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEN2at6TensorEb(
    void *module, const struct std_string *name, void *tensor, bool requires_grad);
EXPORT void *_ZN5torch2nn6Module18register_parameterENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEN2at6TensorEb(
    void *module, const struct std_string *name, void *tensor, bool requires_grad) {
  static void *real;
  note_parameter(tensor, TRACE_ROLE_PARAMETER, name->bytes, name->size);
  return REAL(
      void *(*)(void *, const struct std_string *, void *, bool), &real,
      "_ZN5torch2nn6Module18register_parameterENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEN2at6TensorEb")(
      module, name, tensor, requires_grad);
}

#if defined(__x86_64__)
/* Is this backward pass one over tensors without memory, which shows torch.compile what it consists of? Then the only dispatch
 * modes that are on are PyTorch's own for tracing: fake, functional, proxy. Old ones (1.13) cannot be asked. */
static bool only_traces(const void *caller) {
  static void *found;
  static bool looked_for;
  if (!__atomic_load_n(&looked_for, __ATOMIC_ACQUIRE)) {
    found = find_real("_ZN3c104impl20TorchDispatchModeTLS13any_modes_setEb", caller);
    __atomic_store_n(&looked_for, true, __ATOMIC_RELEASE);
  }
  bool (*any_modes_set)(bool skip_tracing) = __extension__(bool (*)(bool)) found;
  return any_modes_set && any_modes_set(false) && !any_modes_set(true);
}

static void end_backward(const int *unused) {
  (void)unused;
  recorder_phase(TRACE_PHASE_BACKWARD, false);
}

/* variable_list Engine::execute(roots, inputs, bool, bool, bool, outputs): the result's address comes first, then the
 * object; eight words in all, of which this ABI passes the last two on the stack. */
EXPORT void *_ZN5torch8autograd6Engine7executeERKSt6vectorINS0_4EdgeESaIS3_EERKS2_IN2at6TensorESaIS9_EEbbbS7_(
    void *result, void *engine, void *roots, void *inputs, uintptr_t keep_graph, uintptr_t create_graph,
    uintptr_t accumulate, void *outputs);
EXPORT void *_ZN5torch8autograd6Engine7executeERKSt6vectorINS0_4EdgeESaIS3_EERKS2_IN2at6TensorESaIS9_EEbbbS7_(
    void *result, void *engine, void *roots, void *inputs, uintptr_t keep_graph, uintptr_t create_graph,
    uintptr_t accumulate, void *outputs) {
  static void *real;
  typedef void *(*execute)(void *, void *, void *, void *, uintptr_t, uintptr_t, uintptr_t, void *);
  execute call =
      REAL(execute, &real,
           "_ZN5torch8autograd6Engine7executeERKSt6vectorINS0_4EdgeESaIS3_EERKS2_IN2at6TensorESaIS9_EEbbbS7_");
  if (!wanted() || only_traces(CALLER)) {
    return call(result, engine, roots, inputs, keep_graph, create_graph, accumulate, outputs);
  }
  recorder_phase(TRACE_PHASE_BACKWARD, true);
  int scope __attribute__((cleanup(end_backward), unused)) = 0; /* a backward pass may throw */
  return call(result, engine, roots, inputs, keep_graph, create_graph, accumulate, outputs);
}
#endif
