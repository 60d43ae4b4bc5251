/* How PyTorch makes the names (torchgen and tools/autograd): the raw name is the base name of the schema, "_" and the name
 * of the overload; the class is the base name with every word in title case (letters after digits are capitals, too:
 * "MaxPool2DWithIndices"), "Backward" and a number, where "ForwardBackward" is contracted to "Backward". */
#include "analyzers/op_name.h"

#include "analyzers/map64.h"
#include "common/error.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LENGTH 256
#define CLASS_SLOTS 256 /* a power of two */

struct stack_name {
  const char *name; /* NULL: not looked up yet */
  size_t frame;
};

struct op_names {
  const struct trace_reader *reader;
  struct symbols *symbols;
  uint64_t end_ns; /* any time at or after the last module went */
  struct stack_name *stacks;
  size_t stacks_count;
  struct map64 others; /* frames that are FRAME_OTHER, as most are in stack after stack */
  struct class_slot {
    uint64_t node_type;
    const char *name;
  } classes[CLASS_SLOTS];
};

int op_names_open(struct op_names **out, const struct trace_reader *reader, struct symbols *symbols) {
  struct op_names *names = calloc(1, sizeof *names);
  size_t count = reader ? trace_reader_stack_limit(reader) : 0;
  struct stack_name *stacks = calloc(count + 1, sizeof *stacks);
  if (!names || !stacks) {
    free(names);
    free(stacks);
    return ERROR_MEMORY;
  }
  *names = (struct op_names){.reader = reader, .symbols = symbols, .stacks = stacks, .stacks_count = count};
  names->end_ns = reader ? trace_reader_info(reader)->end_ns : UINT64_MAX - 1;
  *out = names;
  return 0;
}

void op_names_close(struct op_names *names) {
  if (names) {
    free(names->stacks);
    map64_fini(&names->others);
    free(names);
  }
}

static bool starts(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *text, const char *suffix) {
  size_t length = strlen(text), tail = strlen(suffix);
  return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

/* Copies up to the first of `stops`; false if nothing is there or it does not fit. */
static bool copy_until(char *out, const char *from, const char *stops) {
  size_t length = strcspn(from, stops);
  if (length == 0 || length >= NAME_MAX_LENGTH) {
    return false;
  }
  memcpy(out, from, length);
  out[length] = '\0';
  return true;
}

/* Ends of "foo::(anonymous namespace)::Bar<float>" -> "Bar<float>". */
static const char *last_component(const char *name) {
  const char *last = name;
  int depth = 0;
  for (const char *p = name; *p; p++) {
    depth += (*p == '<' || *p == '(') - (*p == '>' || *p == ')');
    if (depth == 0 && starts(p, "::")) {
      last = p + 2;
    }
  }
  return last;
}

/* The first template argument of text, "CppNode<ns::MyFunction>" -> "MyFunction". */
static bool template_argument(char *out, const char *text) {
  char argument[NAME_MAX_LENGTH];
  const char *open = strchr(text, '<');
  return open && copy_until(argument, open + 1, "<>,") && copy_until(out, last_component(argument), "<>, ");
}

enum frame_kind {
  FRAME_OTHER,
  FRAME_OPERATOR,    /* the dispatcher's entry of an operator */
  FRAME_ROOM,        /* the same, of one that only makes room for a result of an operator around it */
  FRAME_KERNEL,      /* autograd's kernel of one, where the dispatcher was entered by another way (boxed calls) */
  FRAME_PYTHON,      /* a torch.autograd.Function of Python */
  FRAME_CPP,         /* a torch::autograd::Function of C++ */
  FRAME_CPP_UNNAMED, /* some such function saves; who it is, a frame further out may tell */
  FRAME_NATIVE,      /* a composite operator's code, should the dispatcher's frames have been optimised away */
};

static bool makes_room(const char *name) {
  static const char *const room[] = {"empty", "new_empty", "_empty", "resize"};
  for (size_t i = 0; i < sizeof room / sizeof *room; i++) {
    if (starts(name, room[i])) {
      return true;
    }
  }
  return false;
}

static enum frame_kind operator_frame(const char *function, char *name) {
  const char *from = function + strlen("at::_ops::");
  if (!(ends(function, "::call") || ends(function, "::redispatch")) || !copy_until(name, from, ":")) {
    return FRAME_OTHER;
  }
  return makes_room(name) ? FRAME_ROOM : FRAME_OPERATOR;
}

static enum frame_kind classify(const char *function, char *name) {
  static const char kernel[] = "&torch::autograd::VariableType::(anonymous namespace)::";
  if (starts(function, "at::_ops::")) {
    return operator_frame(function, name);
  }
  if (starts(function, "c10::impl::")) {
    const char *found = strstr(function, kernel);
    return found && copy_until(name, found + strlen(kernel), ">,( ") ? FRAME_KERNEL : FRAME_OTHER;
  }
  if (starts(function, "torch::autograd::Function<") || starts(function, "torch::autograd::CppNode<")) {
    return template_argument(name, function) ? FRAME_CPP : FRAME_OTHER;
  }
  if (strcmp(function, "torch::autograd::AutogradContext::save_variables") == 0) {
    return FRAME_CPP_UNNAMED;
  }
  if (starts(function, "at::native::")) {
    return copy_until(name, function + strlen("at::native::"), "<>,(: ") && !makes_room(name) ? FRAME_NATIVE
                                                                                              : FRAME_OTHER;
  }
  /* The second: a SavedTensor made by Python itself, as torch.utils.checkpoint does. */
  return ends(function, "THPFunction_apply") || strstr(function, "THPAutograd_initExtension") ? FRAME_PYTHON
                                                                                              : FRAME_OTHER;
}

bool op_is_custom_function(const char *function) {
  char name[NAME_MAX_LENGTH];
  const enum frame_kind kind = classify(function, name);
  return kind == FRAME_PYTHON || kind == FRAME_CPP;
}

static enum frame_kind classify_frame(struct op_names *names, uint64_t frame, char *name) {
  if (map64_find(&names->others, frame)) {
    return FRAME_OTHER;
  }
  const enum frame_kind kind = classify(symbols_name(names->symbols, frame, names->end_ns), name);
  if (kind == FRAME_OTHER && frame) {
    map64_put(&names->others, frame); /* without memory it is looked at again */
  }
  return kind;
}

const char *op_names_of_frames(struct op_names *names, const uint64_t *frames, size_t count, size_t *frame_index) {
  char name[NAME_MAX_LENGTH];
  const char *second = ""; /* best, should no frame further out say more */
  size_t second_frame = SIZE_MAX;
  enum frame_kind waiting = FRAME_OTHER;
  for (size_t i = 0; i < count; i++) {
    enum frame_kind kind = classify_frame(names, frames[i], name);
    bool custom = waiting == FRAME_CPP_UNNAMED;
    if (kind == FRAME_OTHER || (custom && kind != FRAME_CPP && kind != FRAME_OPERATOR)) {
      continue;
    }
    if (kind == FRAME_OPERATOR && custom) {
      break; /* which called the unnamed function */
    }
    if (kind == FRAME_OPERATOR || kind == FRAME_CPP || kind == FRAME_PYTHON) {
      *frame_index = i;
      return symbols_intern(names->symbols, kind == FRAME_PYTHON ? "python_function" : name);
    }
    if (waiting == FRAME_OTHER || kind == FRAME_CPP_UNNAMED) {
      waiting = kind;
      second = symbols_intern(names->symbols, kind == FRAME_CPP_UNNAMED ? "cpp_function" : name);
      second_frame = i;
    }
  }
  *frame_index = second_frame;
  return second;
}

const char *op_names_of_stack(struct op_names *names, uint32_t stack, size_t *frame_index) {
  size_t ignored = SIZE_MAX;
  frame_index = frame_index ? frame_index : &ignored;
  *frame_index = SIZE_MAX;
  if (stack >= names->stacks_count) {
    return "";
  }
  struct stack_name *entry = &names->stacks[stack];
  if (!entry->name) {
    size_t count;
    const uint64_t *frames = trace_reader_stack(names->reader, stack, &count);
    entry->name = op_names_of_frames(names, frames, count, &entry->frame);
  }
  *frame_index = entry->frame;
  return entry->name;
}

const char *op_names_class(struct op_names *names, uint64_t node_type) {
  static const char vtable[] = "vtable for ";
  if (node_type == 0) {
    return "";
  }
  struct class_slot *slot = &names->classes[(node_type >> 4) & (CLASS_SLOTS - 1)];
  if (slot->node_type != node_type) {
    const char *object = symbols_object_name(names->symbols, node_type, names->end_ns);
    const char *name = starts(object, vtable) ? last_component(object + strlen(vtable)) : "";
    *slot = (struct class_slot){node_type, symbols_intern(names->symbols, name)};
  }
  return slot->name;
}

/* What a class is called before "Backward0": "GeluBackward0" -> "Gelu"; double backward keeps its first "Backward".
 * `out` has NAME_MAX_LENGTH bytes. */
static void class_stem(const char *node_class, char *out) {
  if (strcmp(node_class, "PyNode") == 0) {
    snprintf(out, NAME_MAX_LENGTH, "PythonFunction");
    return;
  }
  if (starts(node_class, "CppNode<") && template_argument(out, node_class)) {
    return;
  }
  snprintf(out, NAME_MAX_LENGTH, "%s", node_class);
  char *end = NULL;
  for (char *p = out; (p = strstr(p, "Backward")); p++) {
    end = p > out ? p : end;
  }
  if (end) {
    *end = '\0';
  }
}

static char lower(char c) {
  return (char)tolower((unsigned char)c);
}

/* A new word begins at a capital behind a small letter, or at the last of several capitals; capitals behind digits belong
 * to them. */
static bool begins_word(const char *stem, size_t i) {
  if (i == 0 || !isupper((unsigned char)stem[i])) {
    return false;
  }
  return islower((unsigned char)stem[i - 1]) ||
         (isupper((unsigned char)stem[i - 1]) && islower((unsigned char)stem[i + 1]));
}

/* "MaxPool2DWithIndices" -> "max_pool2d_with_indices" */
static void split_words(const char *stem, char *out, size_t n) {
  size_t used = 0;
  for (size_t i = 0; stem[i] && used + 3 < n; i++) {
    if (begins_word(stem, i)) {
      out[used++] = '_';
    }
    out[used++] = lower(stem[i]);
  }
  out[used] = '\0';
}

static void snake_case(const char *stem, char *out, size_t n) {
  /* The names that title case does not let one tell apart: of "_2d" and "2d", "l1_loss" and "l1loss". */
  static const char *const irregular[][2] = {{"grid_sampler2d", "grid_sampler_2d"},
                                             {"grid_sampler3d", "grid_sampler_3d"},
                                             {"smooth_l1loss", "smooth_l1_loss"}};
  char plain[2 * NAME_MAX_LENGTH];
  split_words(stem, plain, sizeof plain);
  for (size_t i = 0; i < sizeof irregular / sizeof *irregular; i++) {
    if (starts(plain, irregular[i][0])) {
      snprintf(out, n, "%s%s", irregular[i][1], plain + strlen(irregular[i][0]));
      return;
    }
  }
  snprintf(out, n, "%s", plain);
}

struct words {
  const char *const *list;
  size_t count;
};
#define WORDS(array) ((struct words){(array), sizeof(array) / sizeof *(array)})

static bool words_have(struct words words, const char *text, size_t length) {
  for (size_t i = 0; i < words.count; i++) {
    if (strlen(words.list[i]) == length && strncmp(words.list[i], text, length) == 0) {
      return true;
    }
  }
  return false;
}

/* First words of the overloads of PyTorch's operators, from both versions' schemas. The second kind occurs in base names,
 * too ("fake_quantize_per_tensor_affine", "scatter_reduce"), and tells an overload only beside the class. */
static bool overload_word(const char *component, size_t length, bool beside_class) {
  static const char *const sure[] = {
      "a",     "atol",    "correction", "decimals", "default", "dim",   "dimname", "dims", "dtype",  "eigenvalues",
      "float", "forward", "int",        "eigvals",  "names",   "other", "out",     "p",    "output", "padding",
      "rcond", "self",    "sizes",      "src",      "stable",  "unary", "value",   "vec",  "values", "x"};
  static const char *const maybe[] = {"array",   "b",         "comp", "copy",    "deprecated", "dx",     "e",
                                      "from",    "generator", "grad", "indices", "n",          "no",     "quantized",
                                      "reduce",  "result",    "sign", "size",    "source",     "sparse", "tensor",
                                      "tensors", "to",        "two",  "U",       "using"};
  return words_have(WORDS(sure), component, length) || (beside_class && words_have(WORDS(maybe), component, length)) ||
         (length > 0 && isupper((unsigned char)component[0]));
}

/* Where the overload begins in a raw name without leading '_', no class being known. */
static size_t overload_at(const char *raw) {
  for (size_t i = 0; raw[i]; i++) {
    if (raw[i] != '_') {
      continue;
    }
    const char *component = raw + i + 1;
    size_t length = strcspn(component, "_");
    if (length == 0 || overload_word(component, length, false)) { /* "__": in place, or the end */
      return i;
    }
  }
  return strlen(raw);
}

/* How much of the raw name has the letters of the stem, '_' aside; 0 if it begins otherwise. */
static size_t same_letters(const char *raw, const char *stem) {
  size_t at = 0;
  while (*stem && raw[at]) {
    if (raw[at] != '_' && lower(raw[at]) != lower(*stem++)) {
      return 0;
    }
    at++;
  }
  return *stem ? 0 : at;
}

/* How much of the raw name (without leading '_') is the class's own name; 0 if it is another operator's. */
static size_t class_part(const char *raw, const char *stem) {
  size_t at = same_letters(raw, stem);
  const char *rest = raw + at;
  const char *overload = rest + strspn(rest, "_");
  if (!*overload) {
    return at;
  }
  return *rest == '_' && overload_word(overload, strcspn(overload, "_"), true) ? at : 0;
}

static bool is_custom_name(const char *raw) {
  return isupper((unsigned char)raw[0]); /* operators of PyTorch begin with a small letter or '_' */
}

bool op_names_agree(const char *raw_name, const char *node_class) {
  char stem[NAME_MAX_LENGTH];
  if (!*raw_name || !*node_class) {
    return false;
  }
  if (starts(node_class, "CppNode<") && strcmp(raw_name, "cpp_function") == 0) {
    return true;
  }
  class_stem(node_class, stem);
  return class_part(raw_name + strspn(raw_name, "_"), stem) > 0;
}

const char *op_names_canonical(struct op_names *names, const char *raw_name, const char *node_class) {
  char stem[NAME_MAX_LENGTH] = "", result[2 * NAME_MAX_LENGTH];
  const char *raw = raw_name + strspn(raw_name, "_");
  class_stem(node_class, stem);
  size_t length = *stem ? class_part(raw, stem) : 0;
  if (*stem && (length == 0 || is_custom_name(raw))) {
    snake_case(stem, result, sizeof result);
  } else if (is_custom_name(raw)) {
    snake_case(raw, result, sizeof result);
  } else {
    length = length > 0 ? length : overload_at(raw); /* both end before any '_' */
    snprintf(result, sizeof result, "%.*s", (int)(length < NAME_MAX_LENGTH ? length : NAME_MAX_LENGTH), raw);
  }
  return symbols_intern(names->symbols, result);
}

static const struct {
  const char *name;
  bool saves_result;
} pointwise[] = {
    {"gelu", false},       {"silu", false},      {"mish", false},       {"softplus", false},    {"elu", false},
    {"celu", false},       {"selu", false},      {"hardswish", false},  {"logsigmoid", false},  {"log_sigmoid", false},
    {"hardtanh", false},   {"relu6", false},     {"leaky_relu", false}, {"hardsigmoid", false}, {"hardshrink", false},
    {"softshrink", false}, {"threshold", false}, {"softsign", false},   {"tanhshrink", false},  {"relu", true},
    {"tanh", true},        {"sigmoid", true},
};

bool op_is_pointwise(const char *op, bool *saves_result) {
  for (size_t i = 0; i < sizeof pointwise / sizeof *pointwise; i++) {
    if (strcmp(op, pointwise[i].name) == 0) {
      if (saves_result) {
        *saves_result = pointwise[i].saves_result;
      }
      return true;
    }
  }
  if (saves_result) {
    *saves_result = false;
  }
  return false;
}

/* Dropout that autograd does not know as one op multiplies by a mask that it fills at random; the other keeps a mask itself. */
bool op_holds_mask(const char *op, const char *op_allocated) {
  static const char *const holders[] = {"mul", "native_dropout"};
  static const char *const makers[] = {"dropout",   "alpha_dropout", "feature_dropout", "feature_alpha_dropout",
                                       "bernoulli", "native_dropout"};
  return words_have(WORDS(holders), op, strlen(op)) && words_have(WORDS(makers), op_allocated, strlen(op_allocated));
}

const char *op_pointwise_name(size_t index) {
  return index < sizeof pointwise / sizeof *pointwise ? pointwise[index].name : NULL;
}
