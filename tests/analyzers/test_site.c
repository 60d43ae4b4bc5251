/* Which frame names an allocation's place. */
#include "analyzers/site.h"

#include <criterion/criterion.h>

#define FRAME(function, file, line, module)                                                                            \
  { (char *)(uintptr_t)(function), (char *)(uintptr_t)(file), (char *)(uintptr_t)(module), (line) }

static void expect(const struct facts_frame *frames, size_t count, const char *name) {
  struct strings *strings = strings_open();
  struct facts_frame copy[16];
  for (size_t i = 0; i < count; i++) {
    copy[i] = frames[i];
  }
  struct facts_stack stack = {.frames = copy, .frames_count = count};
  cr_assert_str_eq(site_name(&stack, strings), name);
  strings_close(strings);
}

Test(site, the_programs_own_line_comes_first) {
  const struct facts_frame frames[] = {
      FRAME("malloc", "", 0, "libc.so.6"),
      FRAME("malloc", "preload.c", 80, "actscope_preload.so"),
      FRAME("xmalloc", "/src/util.c", 12, "train"),
      FRAME("forward", "/src/train.c", 88, "train"),
  };
  expect(frames, 3, "util.c:12 xmalloc");
  expect(frames, 4, "util.c:12 xmalloc < train.c:88 forward"); /* a helper says little without its caller */
  expect(frames, 2, "libc.so.6 malloc");                       /* nothing better */
}

Test(site, library_lines_are_not_the_programs) {
  const struct facts_frame frames[] = {
      FRAME("operator new", "/gcc/new_op.cc", 50, "libstdc++.so.6"),
      FRAME("std::vector<float>::resize", "/usr/include/c++/12/bits/stl_vector.h", 1000, "train"),
      FRAME("torch::nn::Linear::reset", "/pytorch/linear.cpp", 30, "libtorch_cpu.so"),
      FRAME("Net::forward", "/home/me/net.cpp", 7, "train"),
  };
  expect(frames, 4, "net.cpp:7 Net::forward");
  expect(frames, 3, "libtorch_cpu.so torch::nn::Linear::reset");
}

/* Of a library without lines, what asked for the memory rather than what got it. */
Test(site, of_a_library_what_called_its_allocator) {
  const struct facts_frame frames[] = {
      FRAME("malloc", "", 0, "libc.so.6"),
      FRAME("sqlite3Malloc", "", 0, "libsqlite3.so.0"),
      FRAME("pcache_internal_alloc", "", 0, "libsqlite3.so.0"),
      FRAME("libsqlite3.so.0+0x1234", "", 0, "libsqlite3.so.0"),
      FRAME("sqlite3VdbeSorterWrite", "", 0, "libsqlite3.so.0"),
  };
  expect(frames, 5, "libsqlite3.so.0 sqlite3VdbeSorterWrite");
  expect(frames, 3, "libsqlite3.so.0 sqlite3Malloc");
  expect(frames, 1, "libc.so.6 malloc"); /* nothing else is known */
}

Test(site, of_libtorch_the_kernel_rather_than_the_plumbing) {
  const struct facts_frame frames[] = {
      FRAME("posix_memalign", "", 0, "libc.so.6"),
      FRAME("c10::alloc_cpu", "", 0, "libc10.so"),
      FRAME("at::detail::empty_generic", "", 0, "libtorch_cpu.so"),
      FRAME("at::meta::structured_addmm::meta", "", 0, "libtorch_cpu.so"),
      FRAME("libtorch_cpu.so+0x1c2f", "", 0, "libtorch_cpu.so"),
      FRAME("at::_ops::addmm::call", "", 0, "libtorch_cpu.so"),
      FRAME("at::native::linear", "", 0, "libtorch_cpu.so"),
  };
  expect(frames, 7, "libtorch_cpu.so at::native::linear");
  expect(frames, 6, "libtorch_cpu.so at::_ops::addmm::call");
  expect(frames, 5, "libtorch_cpu.so at::meta::structured_addmm::meta"); /* rather that than malloc */
}

Test(site, an_operator_called_from_python) {
  const struct facts_frame frames[] = {
      FRAME("c10::alloc_cpu", "", 0, "libc10.so"),
      FRAME("at::_ops::gelu::redispatch", "", 0, "libtorch_cpu.so"),
      FRAME("at::_ops::gelu::call", "", 0, "libtorch_cpu.so"),
      FRAME("PyDict_SetDefault", "", 0, "python3.11"),
      FRAME("somebody::who_embeds_python", "", 0, "libembed.so"),
  };
  expect(frames, 5, "libtorch_cpu.so at::_ops::gelu::redispatch");
  expect(frames + 3, 2, "python3.11 PyDict_SetDefault");
}

Test(site, of_python_the_programs_own_lines) {
  const struct facts_frame frames[] = {
      FRAME("at::native::addmm", "", 0, "libtorch_cpu.so"),
      FRAME("forward", "/usr/lib/python3/dist-packages/torch/nn/modules/linear.py", 116, ""),
      FRAME("_call_impl", "/home/me/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", 1736, ""),
      FRAME("<listcomp>", "<string>", 3, ""),
      FRAME("Block.forward", "/home/me/model.py", 41, ""),
      FRAME("<module>", "/home/me/train.py", 88, ""),
  };
  expect(frames, 6, "<string>:3 <listcomp> < model.py:41 Block.forward");
  expect(frames + 4, 2, "model.py:41 Block.forward < train.py:88 <module>");
  expect(frames, 3, "libtorch_cpu.so at::native::addmm"); /* torch alone */
  expect(frames + 1, 2, "forward");
}

Test(site, of_packages_those_that_a_program_is_made_of) {
  const struct facts_frame frames[] = {
      FRAME("PyCData_MallocBuffer", "/src/Modules/_ctypes/_ctypes.c", 2952, "_ctypes.cpython-311-x86_64-linux-gnu.so"),
      FRAME("ones", "/usr/lib/python3/dist-packages/numpy/core/numeric.py", 203, ""),
      FRAME("Thread.run", "/usr/lib/python3.11/threading.py", 975, ""),
      FRAME("_call_with_frames_removed", "<frozen importlib._bootstrap>", 241, ""),
      FRAME("forward", "<eval_with_key>.3", 11, ""),
      FRAME("GPT2MLP.forward", "/venv/lib/python3.11/site-packages/transformers/models/gpt2.py", 412, ""),
      FRAME("main", "/home/me/train.py", 88, ""),
  };
  expect(frames, 7, "gpt2.py:412 GPT2MLP.forward < train.py:88 main");
  expect(frames, 5, "_ctypes.cpython-311-x86_64-linux-gnu.so PyCData_MallocBuffer");
}

Test(site, nothing_known) {
  const struct facts_frame frames[] = {FRAME("0x7f0012", "", 0, ""), FRAME("0x7f0099", "", 0, "")};
  expect(frames, 2, "0x7f0012");
  expect(NULL, 0, "");
}
