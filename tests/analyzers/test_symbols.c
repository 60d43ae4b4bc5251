/* Symbols of this very test program, whose functions, lines and data objects are known, under faked modules. */
#include "analyzers/symbols.h"

#include "tests/support/files.h"
#include "trace/trace_writer.h"

#include <criterion/criterion.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <libelf.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is looked up: known functions, one of them inlined, and hand-written symbols ---- */

static uintptr_t returned_to;
static unsigned call_line, inline_line;
static volatile int sink; /* keeps the calls below from being tail calls */

__attribute__((noinline)) static void remember_caller(void) {
  returned_to = (uintptr_t)__builtin_return_address(0);
  sink++;
}

static inline __attribute__((always_inline)) void inlined_function(void) {
  inline_line = __LINE__ + 1;
  remember_caller();
  sink++;
}

__attribute__((noinline)) static void outer_function(void) {
  call_line = __LINE__ + 1;
  inlined_function();
  sink++;
}

extern const char symbols_test_sized[], symbols_test_label[], symbols_test_next[], symbols_test_cpp[];
extern const char symbols_test_table[];
__asm__(".pushsection .text.symbols_test, \"ax\", @progbits\n"
        ".globl symbols_test_sized, symbols_test_label, symbols_test_next, symbols_test_cpp\n"
        ".type symbols_test_sized, @function\n"
        "symbols_test_sized: .fill 4, 1, 0x90\n"
        "symbols_test_inside: .fill 4, 1, 0x90\n" /* a label within a sized function is no function */
        ".size symbols_test_sized, 8\n"
        ".fill 8, 1, 0x90\n" /* eight bytes that nothing covers */
        "symbols_test_label: .fill 8, 1, 0x90\n"
        ".type symbols_test_next, @function\n"
        "symbols_test_next: .fill 8, 1, 0x90\n"
        ".size symbols_test_next, 8\n"
        "symbols_test_cpp:\n"
        ".type _ZN2at12_GLOBAL__N_16kernelIfEEvRKNS_6TensorEi, @function\n"
        "_ZN2at12_GLOBAL__N_16kernelIfEEvRKNS_6TensorEi: .fill 8, 1, 0x90\n"
        ".size _ZN2at12_GLOBAL__N_16kernelIfEEvRKNS_6TensorEi, 8\n"
        ".popsection\n"
        ".pushsection .data.symbols_test, \"aw\", @progbits\n"
        ".globl symbols_test_table\n"
        "symbols_test_table:\n"
        ".type _ZTVN2at9generated13GeluBackward0E, @object\n"
        "_ZTVN2at9generated13GeluBackward0E: .zero 64\n"
        ".size _ZTVN2at9generated13GeluBackward0E, 64\n"
        ".popsection\n");

/* ---- modules ---- */

#define SELF_PATH "/proc/self/exe"

static int find_self(struct dl_phdr_info *info, size_t size, void *module) {
  (void)size;
  struct trace_module *self = module;
  self->bias = info->dlpi_addr;
  self->begin = UINT64_MAX;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    if (segment->p_type == PT_LOAD) {
      uint64_t begin = self->bias + segment->p_vaddr, end = begin + segment->p_memsz;
      self->begin = begin < self->begin ? begin : self->begin;
      self->end = end > self->end ? end : self->end;
    }
  }
  return 1; /* the program itself comes first */
}

static struct trace_module self_module(const char *path) {
  struct trace_module self = {.to_ns = UINT64_MAX, .path = path};
  dl_iterate_phdr(find_self, &self);
  return self;
}

static struct symbols *open_symbols(const struct trace_module *modules, size_t count) {
  struct symbols *symbols = NULL;
  cr_assert_eq(symbols_open(&symbols, modules, count), 0);
  return symbols;
}

static const char *name_of(struct symbols *symbols, const char *at) {
  return symbols_name(symbols, (uintptr_t)at, 0);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

Test(symbols, expands_inlined_calls_innermost_first) {
  struct trace_module self = self_module(SELF_PATH);
  struct symbols *symbols = open_symbols(&self, 1);
  struct symbol_frame frames[8];
  outer_function();
  for (int again = 0; again < 2; again++) { /* the second answer is the cached one */
    cr_assert_eq(symbols_resolve(symbols, returned_to, 0, frames, 8), 2);
    cr_assert_str_eq(frames[0].function, "inlined_function");
    cr_assert_str_eq(base_name(frames[0].file), base_name(__FILE__));
    cr_assert_eq(frames[0].line, inline_line);
    cr_assert_str_eq(frames[1].function, "outer_function");
    cr_assert_str_eq(base_name(frames[1].file), base_name(__FILE__));
    cr_assert_eq(frames[1].line, call_line, "%u, not %u", frames[1].line, call_line);
    cr_assert_str_eq(frames[1].module, "exe");
  }
  cr_assert_eq(symbols_resolve(symbols, returned_to, 0, frames, 1), 1);
  cr_assert_str_eq(frames[0].function, "inlined_function");
  cr_assert_eq(symbols_resolve(symbols, returned_to, 0, frames, 0), 0);
  cr_assert_str_eq(symbols_name(symbols, returned_to, 0), "outer_function");
  symbols_close(symbols);
}

Test(symbols, strings_are_interned) {
  struct trace_module self = self_module(SELF_PATH);
  struct symbols *symbols = open_symbols(&self, 1);
  struct symbol_frame frames[2];
  outer_function();
  cr_assert_eq(symbols_resolve(symbols, returned_to, 0, frames, 2), 2);
  cr_assert_eq(frames[1].function, symbols_name(symbols, returned_to, 0));
  cr_assert_eq(frames[1].function, symbols_intern(symbols, "outer_function"));
  cr_assert_eq(frames[0].file, frames[1].file);
  symbols_close(symbols);
}

/* A return address lies behind its call: the byte before it decides, and a call may end its function. */
Test(symbols, covers_the_byte_before_the_return_address) {
  struct trace_module self = self_module(SELF_PATH);
  struct symbols *symbols = open_symbols(&self, 1);
  cr_assert_str_eq(name_of(symbols, symbols_test_sized + 1), "symbols_test_sized");
  cr_assert_str_eq(name_of(symbols, symbols_test_sized + 8), "symbols_test_sized");
  cr_assert_str_eq(name_of(symbols, symbols_test_next), "symbols_test_label");
  symbols_close(symbols);
}

Test(symbols, labels_reach_to_the_next_symbol_but_not_within_functions) {
  struct trace_module self = self_module(SELF_PATH);
  struct symbols *symbols = open_symbols(&self, 1);
  cr_assert_str_eq(name_of(symbols, symbols_test_sized + 6), "symbols_test_sized");
  cr_assert_str_eq(name_of(symbols, symbols_test_label + 5), "symbols_test_label");
  cr_assert_str_eq(name_of(symbols, symbols_test_next + 5), "symbols_test_next");
  cr_assert_str_eq(name_of(symbols, symbols_test_sized + 10), "", "nothing covers the gap");
  symbols_close(symbols);
}

Test(symbols, demangles_functions_and_objects) {
  struct trace_module self = self_module(SELF_PATH);
  struct symbols *symbols = open_symbols(&self, 1);
  uint64_t table = (uintptr_t)symbols_test_table;
  cr_assert_str_eq(name_of(symbols, symbols_test_cpp + 4), "at::(anonymous namespace)::kernel<float>");
  cr_assert_str_eq(symbols_object_name(symbols, table, 0), "vtable for at::generated::GeluBackward0");
  cr_assert_str_eq(symbols_object_name(symbols, table + 16, 0), "vtable for at::generated::GeluBackward0");
  cr_assert_str_neq(symbols_object_name(symbols, table + 64, 0), "vtable for at::generated::GeluBackward0");
  symbols_close(symbols);
}

Test(symbols, unknown_addresses_are_named_by_number) {
  struct trace_module self = self_module(SELF_PATH);
  struct symbols *symbols = open_symbols(&self, 1);
  struct symbol_frame frame;
  cr_assert_eq(symbols_resolve(symbols, 0x1234, 0, &frame, 1), 1);
  cr_assert_str_eq(frame.function, "0x1234");
  cr_assert_str_eq(frame.module, "");
  cr_assert_str_eq(frame.file, "");
  cr_assert_eq(frame.line, 0);
  cr_assert_str_eq(symbols_name(symbols, 0x1234, 0), "");
  cr_assert_str_eq(symbols_name(symbols, 0, 0), "", "one below address 0 is no address");
  cr_assert_str_eq(symbols_object_name(symbols, 0, 0), "");
  symbols_close(symbols);
  symbols_close(NULL);
}

Test(symbols, no_modules_at_all) {
  struct symbols *symbols = open_symbols(NULL, 0);
  struct symbol_frame frame;
  cr_assert_eq(symbols_resolve(symbols, 0x7f0000001234, 5, &frame, 1), 1);
  cr_assert_str_eq(frame.function, "0x7f0000001234");
  symbols_close(symbols);
}

Test(symbols, lines_of_codes_name_themselves) {
  const struct trace_code codes[] = {{"", ""}, {"/home/me/train.py", "Net.forward"}, {"", "at::_ops::gelu::call"}};
  struct symbols *symbols = open_symbols(NULL, 0);
  struct symbol_frame frames[2];
  symbols_set_codes(symbols, codes, 3);
  cr_assert_eq(symbols_resolve(symbols, trace_frame_of_code(1, 88), 0, frames, 2), 1);
  cr_assert_str_eq(frames[0].function, "Net.forward");
  cr_assert_str_eq(frames[0].file, "/home/me/train.py");
  cr_assert_str_eq(frames[0].module, "");
  cr_assert_eq(frames[0].line, 88);
  cr_assert_str_eq(symbols_name(symbols, trace_frame_of_code(2, 0), 0), "at::_ops::gelu::call");
  for (uint32_t id = 0; id < 4; id += 3) { /* none of the trace's */
    cr_assert_eq(symbols_resolve(symbols, trace_frame_of_code(id, 7), 0, frames, 1), 1);
    cr_assert_str_eq(frames[0].function, "?");
    cr_assert_str_eq(symbols_name(symbols, trace_frame_of_code(id, 7), 0), "");
  }
  symbols_close(symbols);
}

/* A library was unloaded and another was mapped where it had been: the time tells which one an address means. */
Test(symbols, address_reuse_is_told_apart_by_time) {
  struct trace_module self = self_module(SELF_PATH);
  struct trace_module gone = self, later = self;
  gone.from_ns = 100, gone.to_ns = 200;
  later.from_ns = 300, later.to_ns = 400;
  later.bias -= (uintptr_t)symbols_test_next - (uintptr_t)symbols_test_sized; /* what was "sized" is "next" there */
  struct trace_module modules[] = {later, gone};
  struct symbols *symbols = open_symbols(modules, 2);
  uint64_t address = (uintptr_t)symbols_test_sized + 4;
  for (int again = 0; again < 2; again++) {
    cr_assert_str_eq(symbols_name(symbols, address, 150), "symbols_test_sized");
    cr_assert_str_eq(symbols_name(symbols, address, 199), "symbols_test_sized");
    cr_assert_str_eq(symbols_name(symbols, address, 300), "symbols_test_next");
    cr_assert_str_eq(symbols_name(symbols, address, 50), "symbols_test_sized", "the nearest in time");
    cr_assert_str_eq(symbols_name(symbols, address, 210), "symbols_test_sized", "the nearest in time");
    cr_assert_str_eq(symbols_name(symbols, address, 290), "symbols_test_next", "the nearest in time");
    cr_assert_str_eq(symbols_name(symbols, address, UINT64_MAX), "symbols_test_next", "the last one");
  }
  symbols_close(symbols);
}

Test(symbols, a_small_module_inside_the_span_of_a_large_one) {
  struct trace_module large = self_module(SELF_PATH), small = large;
  large.end += 0x100000;
  small.begin = large.end - 0x1000;
  small.end = small.begin + 0x10;
  struct trace_module modules[] = {large, small};
  struct symbols *symbols = open_symbols(modules, 2);
  cr_assert_str_eq(name_of(symbols, symbols_test_sized + 4), "symbols_test_sized");
  struct symbol_frame frame;
  symbols_resolve(symbols, small.end + 0x100, 0, &frame, 1); /* behind small, still in large */
  cr_assert_str_eq(frame.module, "exe");
  symbols_close(symbols);
}

/* ---- files that are not what was recorded ---- */

static void check_offset_name(struct symbols *symbols, const struct trace_module *module, const char *expected) {
  struct symbol_frame frame;
  uint64_t address = module->bias + 0x1234;
  cr_assert_eq(symbols_resolve(symbols, address, 0, &frame, 1), 1);
  cr_assert_str_eq(frame.function, expected);
  cr_assert_str_eq(frame.file, "");
  cr_assert_eq(frame.line, 0);
  cr_assert_str_eq(symbols_name(symbols, address, 0), "");
}

static void check_problem(const struct trace_module *module, const char *name, const char *problem) {
  struct symbols *symbols = open_symbols(module, 1);
  cr_assert_str_eq(symbols_problem(symbols, module), "", "nothing was looked up yet");
  check_offset_name(symbols, module, name);
  check_offset_name(symbols, module, name);
  cr_assert_str_eq(symbols_problem(symbols, module), problem);
  symbols_close(symbols);
}

Test(symbols, missing_file) {
  struct trace_module module = {0, UINT64_MAX, 0x10000, 0x20000, 0x10000, "/nowhere/libgone.so", NULL, 0};
  check_problem(&module, "libgone.so+0x1234", "is not there any more");
}

Test(symbols, file_that_is_no_elf) {
  struct trace_module module = {0, UINT64_MAX, 0x10000, 0x20000, 0x10000, "/etc/passwd", NULL, 0};
  check_problem(&module, "passwd+0x1234", "is no ELF file any more");
}

Test(symbols, vdso_has_no_file) {
  struct trace_module module = {0, UINT64_MAX, 0x10000, 0x20000, 0x10000, "linux-vdso.so.1", NULL, 0};
  check_problem(&module, "linux-vdso.so.1+0x1234", "");
}

static size_t own_build_id(uint8_t *id, size_t room) {
  elf_version(EV_CURRENT);
  int fd = open(SELF_PATH, O_RDONLY);
  Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
  const void *found;
  ssize_t size = dwelf_elf_gnu_build_id(elf, &found);
  if (size > 0 && (size_t)size <= room) {
    memcpy(id, found, (size_t)size);
  }
  elf_end(elf);
  close(fd);
  return size > 0 ? (size_t)size : 0;
}

Test(symbols, the_build_id_decides) {
  uint8_t id[64];
  size_t size = own_build_id(id, sizeof id);
  if (size == 0) {
    cr_skip_test("this linker writes no build-id");
  }
  struct trace_module module = self_module(SELF_PATH);
  module.build_id = id;
  module.build_id_size = size;
  struct symbols *symbols = open_symbols(&module, 1);
  cr_assert_str_eq(name_of(symbols, symbols_test_next + 4), "symbols_test_next");
  symbols_close(symbols);
  id[size - 1] ^= 1;
  check_problem(&module, "exe+0x1234", "has changed since the run was recorded");
  id[size - 1] ^= 1;
  module.build_id_size = size - 1;
  check_problem(&module, "exe+0x1234", "has changed since the run was recorded");
}

/* ---- separate debug files and damaged ones ---- */

static bool run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool run(const char *format, ...) {
  char command[4 * PATH_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(command, sizeof command, format, args);
  va_end(args);
  return system(command) == 0;
}

/* folder/stripped without any symbols, linked to folder/apart.debug, which has them. */
static void split_self(const char *folder, const char *options) {
  char self[PATH_MAX];
  cr_assert_not_null(realpath(SELF_PATH, self));
  cr_assert(run("cd %s && objcopy --only-keep-debug %s %s apart.debug", folder, options, self));
  cr_assert(run("cd %s && objcopy -S %s --add-gnu-debuglink=apart.debug %s stripped", folder, options, self));
}

static void check_split(const char *folder, bool found) {
  struct path stripped = path_join(folder, "stripped");
  struct trace_module module = self_module(stripped.text);
  struct symbols *symbols = open_symbols(&module, 1);
  struct symbol_frame frames[4] = {{0}};
  outer_function();
  const char *name = found ? "outer_function" : ""; /* a static function, so not in .dynsym */
  cr_expect_str_eq(symbols_name(symbols, returned_to, 0), name);
  cr_expect_eq(symbols_resolve(symbols, returned_to, 0, frames, 4), found ? 2 : 1);
  cr_expect_eq(frames[0].line, found ? inline_line : 0);
  cr_expect_eq(frames[1].line, found ? call_line : 0);
  symbols_close(symbols);
}

static bool have_objcopy(void) {
  return run("objcopy --version >/dev/null 2>&1");
}

Test(symbols, follows_the_debug_link) {
  if (!have_objcopy()) {
    cr_skip_test("objcopy (binutils) is not installed");
  }
  char *folder = folder_make();
  split_self(folder, "");
  check_split(folder, true);
  folder_remove(folder);
}

Test(symbols, the_checksum_decides_where_there_is_no_build_id) {
  if (!have_objcopy()) {
    cr_skip_test("objcopy (binutils) is not installed");
  }
  char *folder = folder_make();
  split_self(folder, "--remove-section=.note.gnu.build-id");
  check_split(folder, true);
  cr_assert(run("printf x >>%s/apart.debug", folder));
  check_split(folder, false);
  folder_remove(folder);
}

/* Whatever stands in a file, the answer is some name and no crash (the sanitizer builds make this sharp). */
static void look_everywhere(const char *path, const struct trace_module *self) {
  struct trace_module module = *self;
  module.path = path;
  struct symbols *symbols = open_symbols(&module, 1);
  struct symbol_frame frames[4];
  uint64_t step = (module.end - module.begin) / 16 + 1;
  for (uint64_t address = module.begin + 1; address < module.end; address += step) {
    cr_assert_geq(symbols_resolve(symbols, address, 0, frames, 4), 1);
    cr_assert_not_null(symbols_name(symbols, address, 0));
    cr_assert_not_null(symbols_object_name(symbols, address, 0));
  }
  cr_assert_geq(symbols_resolve(symbols, returned_to, 0, frames, 4), 1);
  symbols_close(symbols);
}

Test(symbols, damaged_files_give_names_and_no_crash) {
  static const uint8_t magic[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}; /* or nobody reads on */
  struct trace_module self = self_module(SELF_PATH);
  size_t size;
  char *work = folder_make();
  struct path path = path_join(work, "damaged");
  uint8_t *bytes = file_read(SELF_PATH, &size);
  srandom(1);
  outer_function();
  for (int round = 0; round < 150; round++) {
    unsigned char saved[16];
    size_t at[16], left = round % 5 == 0 ? (size_t)random() % size : size;
    for (int i = 0; i < 16; i++) { /* half of them in the headers, where they hurt most */
      at[i] = i % 2 ? (size_t)random() % size : i % 4 ? (size_t)random() % 64 : size - 1 - (size_t)random() % 2600;
      saved[i] = bytes[at[i]];
      bytes[at[i]] = (unsigned char)random();
    }
    memcpy(bytes, magic, sizeof magic);
    file_write(path.text, bytes, left);
    look_everywhere(path.text, &self);
    for (int i = 15; i >= 0; i--) {
      bytes[at[i]] = saved[i];
    }
  }
  free(bytes);
  folder_remove(work);
}

/* ---- short names ---- */

Test(symbols, short_names) {
  static const char *const table[][2] = {
      {"main", "main"},
      {"at::_ops::gelu::call(at::Tensor const&, c10::basic_string_view<char>)", "at::_ops::gelu::call"},
      {"void foo<int>(std::vector<int> const&) [clone .cold]", "foo<int>"},
      {"std::enable_if<true, int>::type ns::f<3>(int (*)(char))", "ns::f<3>"},
      {"at::native::(anonymous namespace)::cpu_kernel(int)::{lambda(float)#1}::operator()(float) const",
       "at::native::cpu_kernel::{lambda(float)#1}::operator()"},
      {"c10::Dispatcher::call<at::Tensor, at::Tensor const&, long>(c10::TypedOperatorHandle<int> const&) const",
       "c10::Dispatcher::call<...>"},
      {"operator new(unsigned long)", "operator new"},
      {"bool operator< <int>(ns::a<int>, ns::a<int>)", "operator< <int>"},
      {"std::ostream& operator<< (std::ostream&, int)", "operator<< "},
      {"ns::Box::operator unsigned long() const", "ns::Box::operator unsigned long"},
      {"ns::Box::operator->()", "ns::Box::operator->"},
      {"ns::Box::operator()(int)", "ns::Box::operator()"},
      {"non-virtual thunk to a::B::~B()", "a::B::~B"},
      {"decltype (f({parm#1})) g<int>(int)", "g<int>"},
      {"std::__cxx11::basic_string<char>::size[abi:cxx11]() const",
       "std::__cxx11::basic_string<char>::size[abi:cxx11]"},
      {"void (*get(int))(char)", "void (*get(int))(char)"},
      {"vtable for torch::autograd::Node", "vtable for torch::autograd::Node"},
      {"work.constprop.0", "work"},
      {"work.part.0.cold", "work"},
      {"libx.so+0x12ab", "libx.so+0x12ab"},
      {"broken<int(", "broken<int("},
      {"", ""},
  };
  char out[256];
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    cr_expect_str_eq(symbols_short_name(table[i][0], out, sizeof out), table[i][1], "%s gives %s", table[i][0], out);
  }
  cr_assert_str_eq(symbols_short_name("abcdefgh(int)", out, 5), "abcd");
}

/* Longer than any buffer of ours, and too deep to nest: kept as it is, or cut by the caller's room alone. */
Test(symbols, short_names_of_any_length) {
  size_t size = 100000;
  char *deep = malloc(size + 1), out[64];
  memset(deep, '<', size);
  deep[0] = 'f';
  deep[size] = '\0';
  cr_assert_eq(strlen(symbols_short_name(deep, out, sizeof out)), sizeof out - 1);
  free(deep);
}
