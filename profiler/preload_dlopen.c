/* dlopen, by hand: it looks for a library along its caller's RUNPATH, which it finds by its return address. So nothing may
 * stand between: the stub tells us and then jumps to the real one, which returns straight to the program. */
#include "profiler/preload_dlopen.h"

#include "profiler/recorder.h"

#include <dlfcn.h>

void *preload_before_dlopen(const char *file, int flags) {
  static void *real;
  if (!real) {
    real = dlsym(RTLD_NEXT, "dlopen");
  }
  if (file && flags & RTLD_DEEPBIND) {
    recorder_meta("deepbind", file); /* such a library calls malloc past every preload */
  }
  return real;
}

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        "  .cfi_startproc\n"
        "  pushq %rdi\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  pushq %rsi\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  subq $8, %rsp\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  call preload_before_dlopen\n"
        "  addq $8, %rsp\n"
        "  .cfi_adjust_cfa_offset -8\n"
        "  popq %rsi\n"
        "  .cfi_adjust_cfa_offset -8\n"
        "  popq %rdi\n"
        "  .cfi_adjust_cfa_offset -8\n"
        "  jmp *%rax\n"
        "  .cfi_endproc\n"
        ".size dlopen, .-dlopen\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl dlopen\n"
        ".type dlopen, %function\n"
        "dlopen:\n"
        "  stp x29, x30, [sp, #-32]!\n"
        "  stp x0, x1, [sp, #16]\n"
        "  bl preload_before_dlopen\n"
        "  mov x16, x0\n"
        "  ldp x0, x1, [sp, #16]\n"
        "  ldp x29, x30, [sp], #32\n"
        "  br x16\n"
        ".size dlopen, .-dlopen\n");
#endif
