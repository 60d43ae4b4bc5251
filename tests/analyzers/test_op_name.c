/* Op names: the table of real PyTorch nodes, and stacks and vtables, first faked by symbols of this program with PyTorch's
 * mangled names, then in an installed PyTorch if there is one.
 *
 * The table was made from the at::_ops symbols and node classes of PyTorch 1.13 and 2.13 and checked against all of both
 * versions; it holds the ops that models use and every kind of surprise. */
#include "analyzers/op_name.h"

#include "tests/support/files.h"
#include "tests/support/trace_builder.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct names {
  struct symbols *symbols;
  struct op_names *ops;
};

static struct names open_names(const struct trace_module *modules, size_t count, const struct trace_reader *reader) {
  struct names names = {0};
  cr_assert_eq(symbols_open(&names.symbols, modules, count), 0);
  cr_assert_eq(op_names_open(&names.ops, reader, names.symbols), 0);
  return names;
}

static void close_names(struct names *names) {
  op_names_close(names->ops);
  symbols_close(names->symbols);
}

/* ---- canonical names ---- */

static const struct {
  const char *raw, *node_class, *canonical; /* with the class, without it, and (raw "") from the class alone */
} table[] = {
    {"gelu", "GeluBackward0", "gelu"},
    {"gelu_", "GeluBackward0", "gelu"},
    {"silu_", "SiluBackward0", "silu"},
    {"mish", "MishBackward0", "mish"},
    {"relu", "ReluBackward0", "relu"},
    {"relu_", "ReluBackward0", "relu"},
    {"elu", "EluBackward0", "elu"}, /* selu calls this, in both versions */
    {"elu_", "EluBackward1", "elu"},
    {"celu", "CeluBackward0", "celu"},
    {"softplus", "SoftplusBackward0", "softplus"},
    {"log_sigmoid_forward", "LogSigmoidBackward0", "log_sigmoid"},
    {"hardtanh", "HardtanhBackward0", "hardtanh"}, /* relu6, too */
    {"hardswish_", "HardswishBackward0", "hardswish"},
    {"hardsigmoid", "HardsigmoidBackward0", "hardsigmoid"},
    {"leaky_relu", "LeakyReluBackward0", "leaky_relu"},
    {"threshold", "ThresholdBackward0", "threshold"},
    {"prelu", "PreluBackward0", "prelu"},
    {"_prelu_kernel", "PreluKernelBackward0", "prelu_kernel"}, /* since 2.0 */
    {"sigmoid_", "SigmoidBackward0", "sigmoid"},
    {"tanh", "TanhBackward0", "tanh"},
    {"glu", "GluBackward0", "glu"},
    {"_softmax", "SoftmaxBackward0", "softmax"},
    {"_safe_softmax", "SafeSoftmaxBackward0", "safe_softmax"},
    {"_log_softmax", "LogSoftmaxBackward0", "log_softmax"},
    {"logsumexp", "LogsumexpBackward0", "logsumexp"},
    {"linear", "LinearBackward0", "linear"},
    {"linear_backward", "LinearBackwardBackward0", "linear_backward"},
    {"mkldnn_linear", "MkldnnLinearBackward0", "mkldnn_linear"},
    {"addmm", "AddmmBackward0", "addmm"},
    {"mm", "MmBackward0", "mm"},
    {"bmm", "BmmBackward0", "bmm"},
    {"baddbmm", "BaddbmmBackward0", "baddbmm"},
    {"convolution", "ConvolutionBackward0", "convolution"},
    {"convolution_backward", "ConvolutionBackwardBackward0", "convolution_backward"},
    {"mkldnn_convolution", "MkldnnConvolutionBackward0", "mkldnn_convolution"},
    {"_slow_conv2d_forward", "SlowConv2DBackward0", "slow_conv2d"},
    {"native_batch_norm", "NativeBatchNormBackward0", "native_batch_norm"},
    {"cudnn_batch_norm", "CudnnBatchNormBackward0", "cudnn_batch_norm"},
    {"native_layer_norm", "NativeLayerNormBackward0", "native_layer_norm"},
    {"native_group_norm", "NativeGroupNormBackward0", "native_group_norm"},
    {"_fused_rms_norm", "FusedRmsNormBackward0", "fused_rms_norm"},
    {"rsqrt", "RsqrtBackward0", "rsqrt"},
    {"native_dropout", "NativeDropoutBackward0", "native_dropout"},
    {"bernoulli__float", "BernoulliBackward0", "bernoulli"},
    {"bernoulli_Tensor", "BernoulliBackward0", "bernoulli"},
    {"_scaled_dot_product_flash_attention_for_cpu", "ScaledDotProductFlashAttentionForCpuBackward0",
     "scaled_dot_product_flash_attention_for_cpu"},
    {"_scaled_dot_product_efficient_attention", "ScaledDotProductEfficientAttentionBackward0",
     "scaled_dot_product_efficient_attention"},
    {"mse_loss", "MseLossBackward0", "mse_loss"},
    {"nll_loss_forward", "NllLossBackward0", "nll_loss"},
    {"nll_loss2d_forward", "NllLoss2DBackward0", "nll_loss2d"},
    {"smooth_l1_loss", "SmoothL1LossBackward0", "smooth_l1_loss"},
    {"binary_cross_entropy_with_logits", "BinaryCrossEntropyWithLogitsBackward0", "binary_cross_entropy_with_logits"},
    {"embedding", "EmbeddingBackward0", "embedding"},
    {"_embedding_bag", "EmbeddingBagBackward0", "embedding_bag"},
    {"index_Tensor", "IndexBackward0", "index"},
    {"index_select", "IndexSelectBackward0", "index_select"},
    {"gather", "GatherBackward0", "gather"},
    {"scatter_src", "ScatterBackward0", "scatter"},
    {"scatter__value", "ScatterBackward1", "scatter"},
    {"where_self", "WhereBackward0", "where"},
    {"masked_fill_Scalar", "MaskedFillBackward0", "masked_fill"},
    {"masked_fill__Tensor", "MaskedFillBackward1", "masked_fill"},
    {"mul_Tensor", "MulBackward0", "mul"},
    {"mul__Tensor", "MulBackward0", "mul"},
    {"mul_Scalar", "MulBackward1", "mul"},
    {"div_Tensor", "DivBackward0", "div"},
    {"div_Tensor_mode", "DivBackward2", "div"},
    {"add_Tensor", "AddBackward0", "add"},
    {"pow_Tensor_Scalar", "PowBackward0", "pow"},
    {"pow_Tensor_Tensor", "PowBackward1", "pow"},
    {"mean_dim", "MeanBackward1", "mean"},
    {"sum_dim_IntList", "SumBackward1", "sum"},
    {"max_dim", "MaxBackward0", "max"},
    {"var_correction", "VarBackward0", "var"},
    {"std_correction", "StdBackward0", "std"},
    {"norm_ScalarOpt_dim", "NormBackward1", "norm"},
    {"linalg_vector_norm", "LinalgVectorNormBackward0", "linalg_vector_norm"},
    {"_to_copy", "ToCopyBackward0", "to_copy"},
    {"copy_", "CopyBackwards", "copy"},
    {"max_pool2d_with_indices", "MaxPool2DWithIndicesBackward0", "max_pool2d_with_indices"},
    {"avg_pool2d", "AvgPool2DBackward0", "avg_pool2d"},
    {"_adaptive_avg_pool2d", "AdaptiveAvgPool2DBackward0", "adaptive_avg_pool2d"},
    {"upsample_bilinear2d", "UpsampleBilinear2DBackward0", "upsample_bilinear2d"},
    {"upsample_nearest2d_vec", "UpsampleNearest2DBackward1", "upsample_nearest2d"},
    {"grid_sampler_2d", "GridSampler2DBackward0", "grid_sampler_2d"},
    {"im2col", "Im2ColBackward0", "im2col"},
    {"log1p", "Log1PBackward0", "log1p"},
    {"special_i0e", "SpecialI0EBackward0", "special_i0e"},
    {"_fft_c2c", "FftC2CBackward0", "fft_c2c"},
    {"mkldnn_rnn_layer", "MkldnnRnnLayerBackward0", "mkldnn_rnn_layer"},
    {"sort_stable", "SortBackward1", "sort"},
    {"topk", "TopkBackward0", "topk"},
    {"t", "TBackward0", "t"},
    {"python_function", "PyNode", "python_function"},
    {"MyFunction", "CppNode<(anonymous namespace)::MyFunction>", "my_function"},
};
#define TABLE_COUNT (sizeof table / sizeof *table)

Test(op_name, canonical_names_of_real_nodes) {
  struct names names = open_names(NULL, 0, NULL);
  for (size_t i = 0; i < TABLE_COUNT; i++) {
    const char *pairs[][2] = {{table[i].raw, table[i].node_class}, {table[i].raw, ""}, {"", table[i].node_class}};
    for (size_t k = 0; k < 3; k++) {
      const char *got = op_names_canonical(names.ops, pairs[k][0], pairs[k][1]);
      cr_expect_str_eq(got, table[i].canonical, "'%s' with '%s' gives %s", pairs[k][0], pairs[k][1], got);
      cr_expect_eq(got, symbols_intern(names.symbols, table[i].canonical), "interned");
    }
    cr_expect(op_names_agree(table[i].raw, table[i].node_class), "%s, %s", table[i].raw, table[i].node_class);
  }
  close_names(&names);
}

/* Where op and class do not fit, the class is what autograd knows; and the class finds the overload that words do not. */
Test(op_name, canonical_names_prefer_the_class) {
  struct names names = open_names(NULL, 0, NULL);
  cr_assert_str_eq(op_names_canonical(names.ops, "linear", "AddmmBackward0"), "addmm");
  cr_assert_str_eq(op_names_canonical(names.ops, "python_function", "GeluBackward0"), "gelu");
  cr_assert_str_eq(op_names_canonical(names.ops, "scatter_reduce", "ScatterBackward2"), "scatter");
  cr_assert_str_eq(op_names_canonical(names.ops, "scatter_reduce_two", "ScatterReduceBackward0"), "scatter_reduce");
  cr_assert_str_eq(op_names_canonical(names.ops, "chunk", "ChunkBackwardAutogradNestedTensor0"), "chunk");
  cr_assert_str_eq(op_names_canonical(names.ops, "cpp_function", "CppNode<a::FewBitGelu>"), "few_bit_gelu");
  cr_assert_str_eq(op_names_canonical(names.ops, "cpp_function", "CppNode<(anonymous namespace)::Gelu<3> >"), "gelu");
  cr_assert_str_eq(op_names_canonical(names.ops, "", "AccumulateGrad"), "accumulate_grad");
  cr_assert_str_eq(op_names_canonical(names.ops, "", "CopySlices"), "copy_slices");
  cr_assert_str_eq(op_names_canonical(names.ops, "", ""), "");
  cr_assert_str_eq(op_names_canonical(names.ops, "_", ""), "");
  close_names(&names);
}

Test(op_name, other_operators_do_not_agree) {
  static const char *const pairs[][2] = {{"log_softmax_int", "LogBackward0"},
                                         {"_log_softmax", "SoftmaxBackward0"},
                                         {"mul_Tensor", "MmBackward0"},
                                         {"transpose_int", "TBackward0"},
                                         {"addmm", "AddBackward0"},
                                         {"relu_backward", "ReluBackward0"},
                                         {"leaky_relu", "ReluBackward0"},
                                         {"relu6", "ReluBackward0"},
                                         {"gelu", "GeluBackwardBackward0"},
                                         {"gelu_backward", "GeluBackward0"},
                                         {"max_pool2d_with_indices", "MaxBackward0"},
                                         {"sum_dim_IntList", "SubBackward0"},
                                         {"python_function", "GeluBackward0"},
                                         {"gelu", "PyNode"},
                                         {"gelu", ""},
                                         {"", "GeluBackward0"},
                                         {"", ""}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    cr_expect_not(op_names_agree(pairs[i][0], pairs[i][1]), "%s, %s", pairs[i][0], pairs[i][1]);
  }
}

Test(op_name, functions_of_custom_functions) {
  cr_assert(op_is_custom_function("THPFunction_apply"));
  cr_assert(op_is_custom_function("(anonymous namespace)::THPFunction_apply"), "as PyTorch 2.13 has it");
  cr_assert(op_is_custom_function("torch::autograd::Function<user::MyGelu>::apply<user::MyGelu, int>"));
  cr_assert_not(op_is_custom_function("at::_ops::gelu::call"));
  cr_assert_not(op_is_custom_function("torch::autograd::Engine::evaluate_function"));
  cr_assert_not(op_is_custom_function(""));
}

Test(op_name, pointwise) {
  bool saves_result = true;
  cr_assert(op_is_pointwise("gelu", &saves_result));
  cr_assert_not(saves_result);
  cr_assert(op_is_pointwise("sigmoid", &saves_result));
  cr_assert(saves_result);
  cr_assert(op_is_pointwise("log_sigmoid", NULL));
  cr_assert_not(op_is_pointwise("prelu", NULL), "its weight takes part");
  cr_assert_not(op_is_pointwise("mul", NULL));
  cr_assert_not(op_is_pointwise("gel", NULL));
  cr_assert_not(op_is_pointwise("", NULL));
  size_t count = 0;
  while (op_pointwise_name(count)) {
    cr_assert(op_is_pointwise(op_pointwise_name(count++), NULL));
  }
  cr_assert_gt(count, 20);
}

/* ---- stacks and vtables of this program, with PyTorch's names ---- */

#define FAKE(name, mangled)                                                                                            \
  ".type " mangled ", @function\n"                                                                                     \
  ".globl " name "\n" name ":\n" mangled ": .fill 8, 1, 0x90\n"                                                        \
  ".size " mangled ", 8\n"

extern const char fake_gelu_call[], fake_gelu_redispatch[], fake_linear_call[], fake_empty_call[], fake_gelu_name[],
    fake_apply[], fake_save_variables[], fake_cpp_apply[], fake_kernel[], fake_vtable[];
__asm__(
    ".pushsection .text.op_name_test, \"ax\", @progbits\n" FAKE("fake_gelu_call", "_ZN2at4_ops4gelu4callERKNS_6TensorE")
        FAKE("fake_gelu_redispatch",
             "_ZN2at4_ops4gelu10redispatchERKNS_6TensorE") FAKE("fake_linear_call",
                                                                "_ZN2at4_ops6linear4callERKNS_6TensorE")
            FAKE("fake_empty_call", "_ZN2at4_ops19empty_memory_format4callERKNS_6TensorE") FAKE(
                "fake_gelu_name", "_ZN2at4_ops4gelu4nameEv") FAKE("fake_apply", "_Z17THPFunction_applyP7_objectS0_")
                FAKE("fake_save_variables", "_ZN5torch8autograd15AutogradContext14save_variablesEv")
                    FAKE("fake_cpp_apply", "_ZN5torch8autograd8FunctionIN4user6MyGeluEE5applyIS3_JiEEEvDpOT0_") FAKE(
                        "fake_kernel",
                        "_ZN3c104impl4wrapIXadL_ZN5torch8autograd12VariableType12_GLOBAL__N_14silu"
                        "ERKNS_6TensorEEEE4callEv") ".popsection\n"
                                                    ".pushsection .data.op_name_test, \"aw\", @progbits\n"
                                                    ".globl fake_vtable\n"
                                                    "fake_vtable:\n"
                                                    ".type _ZTVN5torch8autograd9generated13GeluBackward0E, @object\n"
                                                    "_ZTVN5torch8autograd9generated13GeluBackward0E: .zero 64\n"
                                                    ".size _ZTVN5torch8autograd9generated13GeluBackward0E, 64\n"
                                                    ".type _ZTVN5torch8autograd7CppNodeIN4user6MyGeluEEE, @object\n"
                                                    "_ZTVN5torch8autograd7CppNodeIN4user6MyGeluEEE: .zero 64\n"
                                                    ".size _ZTVN5torch8autograd7CppNodeIN4user6MyGeluEEE, 64\n"
                                                    "no_vtable: .zero 64\n"
                                                    ".popsection\n");

static int find_self(struct dl_phdr_info *info, size_t size, void *module) {
  (void)size;
  struct trace_module *self = module;
  self->bias = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    uint64_t begin = self->bias + info->dlpi_phdr[i].p_vaddr, end = begin + info->dlpi_phdr[i].p_memsz;
    if (info->dlpi_phdr[i].p_type == PT_LOAD) {
      self->begin = begin < self->begin ? begin : self->begin;
      self->end = end > self->end ? end : self->end;
    }
  }
  return 1;
}

static struct names open_self(const struct trace_reader *reader) {
  static struct trace_module self = {.to_ns = UINT64_MAX, .begin = UINT64_MAX, .path = "/proc/self/exe"};
  dl_iterate_phdr(find_self, &self);
  return open_names(&self, 1, reader);
}

#define CHECK_STACK(expected, expected_index, ...)                                                                     \
  do {                                                                                                                 \
    const char *const at[] = {__VA_ARGS__};                                                                            \
    uint64_t frames[sizeof at / sizeof *at];                                                                           \
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {                                                              \
      frames[i] = (uintptr_t)at[i] + 4;                                                                                \
    }                                                                                                                  \
    size_t index;                                                                                                      \
    const char *name = op_names_of_frames(names.ops, frames, sizeof at / sizeof *at, &index);                          \
    cr_expect_str_eq(name, expected, "%s", name);                                                                      \
    cr_expect_eq(index, (size_t)expected_index, "%zu", index);                                                         \
  } while (0)

static const char *const none = "no function";

Test(op_name, stacks) {
  struct names names = open_self(NULL);
  CHECK_STACK("gelu", 1, none, fake_gelu_call, fake_linear_call, none);
  CHECK_STACK("gelu", 0, fake_gelu_redispatch, fake_gelu_call, fake_linear_call);
  CHECK_STACK("linear", 2, none, none, fake_linear_call, fake_apply);
  CHECK_STACK("gelu", 1, fake_gelu_name, fake_gelu_call);
  CHECK_STACK("", SIZE_MAX, none, fake_gelu_name, none);
  close_names(&names);
}

Test(op_name, room_for_a_result_is_the_operators_around) {
  struct names names = open_self(NULL);
  CHECK_STACK("gelu", 2, none, fake_empty_call, fake_gelu_call, fake_linear_call);
  CHECK_STACK("empty_memory_format", 1, none, fake_empty_call, none);
  close_names(&names);
}

Test(op_name, custom_functions) {
  struct names names = open_self(NULL);
  CHECK_STACK("python_function", 1, none, fake_apply, none, fake_linear_call);
  CHECK_STACK("gelu", 0, fake_gelu_call, none, fake_apply);
  CHECK_STACK("MyGelu", 1, fake_save_variables, fake_cpp_apply, none);
  CHECK_STACK("cpp_function", 0, fake_save_variables, none, none);
  CHECK_STACK("cpp_function", 0, fake_save_variables, none, fake_linear_call);
  close_names(&names);
}

/* Boxed calls (torch.ops, TorchScript) do not pass through at::_ops; autograd's kernel is there all the same. */
Test(op_name, boxed_calls) {
  struct names names = open_self(NULL);
  CHECK_STACK("silu", 1, none, fake_kernel, none);
  CHECK_STACK("gelu", 2, none, fake_kernel, fake_gelu_call);
  close_names(&names);
}

Test(op_name, classes) {
  struct names names = open_self(NULL);
  uint64_t vtable = (uintptr_t)fake_vtable;
  for (int again = 0; again < 2; again++) {
    cr_assert_str_eq(op_names_class(names.ops, vtable + 16), "GeluBackward0");
    cr_assert_str_eq(op_names_class(names.ops, vtable + 64 + 16), "CppNode<user::MyGelu>");
    cr_assert_str_eq(op_names_class(names.ops, vtable + 128 + 16), "");
    cr_assert_str_eq(op_names_class(names.ops, 0), "");
    cr_assert_str_eq(op_names_class(names.ops, 0x1230), "");
  }
  close_names(&names);
}

Test(op_name, stacks_of_a_trace_without_any) {
  struct names names = open_names(NULL, 0, NULL);
  size_t index = 0;
  cr_assert_str_eq(op_names_of_stack(names.ops, 7, &index), "");
  cr_assert_eq(index, SIZE_MAX);
  cr_assert_str_eq(op_names_of_stack(names.ops, 0, NULL), "");
  close_names(&names);
  op_names_close(NULL);
}

Test(op_name, stacks_of_a_trace) {
  char *folder = folder_make();
  struct path path = path_join(folder, "trace");
  struct trace_builder builder;
  trace_builder_init(&builder, 1 << 20);
  struct trace_chunk_writer *tables = trace_builder_tables(&builder, TRACE_CHUNK_STEP);
  uint64_t first[] = {(uintptr_t)none + 4, (uintptr_t)fake_gelu_call + 4};
  uint64_t second[] = {(uintptr_t)fake_linear_call + 4};
  cr_assert(trace_write_stack(tables, 1, first, 2, NULL, 0));
  cr_assert(trace_write_stack(tables, 2, second, 1, first, 2));
  trace_builder_save(&builder, path.text);
  struct trace_reader *reader;
  struct error err = {{0}};
  cr_assert_eq(trace_reader_open(&reader, path.text, &err), 0, "%s", err.message);
  struct names names = open_self(reader);
  size_t index;
  for (int again = 0; again < 2; again++) { /* the second answer is the cached one */
    cr_assert_str_eq(op_names_of_stack(names.ops, 1, &index), "gelu");
    cr_assert_eq(index, 1);
    cr_assert_str_eq(op_names_of_stack(names.ops, 2, &index), "linear");
    cr_assert_eq(index, 0);
    cr_assert_str_eq(op_names_of_stack(names.ops, 0, &index), "");
    cr_assert_eq(index, SIZE_MAX);
  }
  cr_assert_str_eq(op_names_of_stack(names.ops, 1, NULL), "gelu");
  close_names(&names);
  trace_reader_close(reader);
  trace_builder_fini(&builder);
  folder_remove(folder);
}

/* ---- the true PyTorch, where installed ---- */

static bool python_path_of(const char *library, char *path, size_t n) {
  char command[512];
  snprintf(
      command, sizeof command,
      "/usr/bin/python3 -c 'import importlib.util as u; print(u.find_spec(\"torch\").submodule_search_locations[0])' "
      "2>/dev/null");
  FILE *pipe = popen(command, "r");
  char folder[PATH_MAX] = "";
  bool found = pipe && fgets(folder, sizeof folder, pipe);
  if (pipe) {
    pclose(pipe);
  }
  folder[strcspn(folder, "\n")] = '\0';
  snprintf(path, n, "%s/lib/%s", folder, library);
  return found && access(path, R_OK) == 0;
}

/* Value of the first dynamic symbol whose mangled name begins so. */
static uint64_t dynamic_symbol(const char *path, const char *prefix) {
  elf_version(EV_CURRENT);
  int fd = open(path, O_RDONLY);
  Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
  uint64_t value = 0;
  for (Elf_Scn *section = NULL; value == 0 && (section = elf_nextscn(elf, section));) {
    GElf_Shdr header;
    GElf_Sym symbol;
    Elf_Data *data = elf_getdata(section, NULL);
    gelf_getshdr(section, &header);
    for (int i = 1; value == 0 && header.sh_type == SHT_DYNSYM && gelf_getsym(data, i, &symbol); i++) {
      const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);
      value = name && symbol.st_shndx && strncmp(name, prefix, strlen(prefix)) == 0 ? symbol.st_value : 0;
    }
  }
  elf_end(elf);
  close(fd);
  return value;
}

Test(op_name, symbols_of_installed_pytorch) {
  char path[PATH_MAX];
  if (!python_path_of("libtorch_cpu.so", path, sizeof path)) {
    cr_skip_test("/usr/bin/python3 has no PyTorch: its true names were not tested");
  }
  uint64_t base = 0x7f0000000000;
  struct trace_module module = {0, UINT64_MAX, base, base + (1u << 30), base, path, NULL, 0};
  struct names names = open_names(&module, 1, NULL);
  uint64_t call = dynamic_symbol(path, "_ZN2at4_ops4gelu4callE");
  uint64_t save = dynamic_symbol(path, "_ZN5torch8autograd15AutogradContext14save_variablesE");
  uint64_t vtable = dynamic_symbol(path, "_ZTVN5torch8autograd9generated29MaxPool2DWithIndicesBackward0E");
  cr_assert(call && save && vtable);
  const char *name = symbols_name(names.symbols, base + call + 1, 0);
  cr_assert_str_eq(name, "at::_ops::gelu::call", "%s", name);
  size_t index;
  uint64_t frames[] = {base + 0x40, base + call + 1};
  cr_assert_str_eq(op_names_of_frames(names.ops, frames, 2, &index), "gelu");
  frames[0] = base + save + 1;
  cr_assert_str_eq(op_names_of_frames(names.ops, frames, 1, &index), "cpp_function");
  const char *node_class = op_names_class(names.ops, base + vtable + 16);
  cr_assert_str_eq(node_class, "MaxPool2DWithIndicesBackward0", "%s", node_class);
  cr_assert_str_eq(symbols_problem(names.symbols, &module), "");
  close_names(&names);
}
