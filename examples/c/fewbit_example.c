/* GELU with 3 bits an element kept for backward, in thirty lines, against the installed library:
 *
 *     cc fewbit_example.c $(pkg-config --cflags --libs fewbit) -lm -o fewbit_example && ./fewbit_example */
#include <actscope/fewbit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  enum { N = 100000 };
  static float x[N], y[N], dy[N], dx[N];
  for (int i = 0; i < N; i++) {
    x[i] = 4.0f * sinf(0.37f * (float)i), dy[i] = cosf(0.11f * (float)i);
  }
  fewbit_quantizer *gelu;
  fewbit_error error;
  if (fewbit_quantizer_builtin("gelu", 3, &gelu, &error) != FEWBIT_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  unsigned char *codes = malloc(fewbit_code_size(gelu, N)); /* kept for backward, instead of x */
  int status = codes ? fewbit_forward(gelu, FEWBIT_FLOAT32, x, y, codes, N) : FEWBIT_ERROR_MEMORY;
  if (status == FEWBIT_OK) {
    status = fewbit_backward(gelu, FEWBIT_FLOAT32, codes, dy, dx, N);
  }
  double dot = 0, few = 0, exact = 0; /* how near the gradient is */
  for (int i = 0; i < N; i++) {
    const double d = dy[i] * (0.5 * erfc(-x[i] * M_SQRT1_2) + x[i] * exp(-0.5 * x[i] * x[i]) / sqrt(2 * M_PI));
    dot += d * dx[i], few += (double)dx[i] * dx[i], exact += d * d;
  }
  printf("%s on %s: %zu bytes kept instead of %zu, gradient cosine %.5f\n", fewbit_status_message(status),
         fewbit_quantizer_isa(gelu), fewbit_code_size(gelu, N), sizeof x, dot / sqrt(few * exact));
  free(codes);
  fewbit_quantizer_free(gelu);
  return status == FEWBIT_OK ? 0 : 1;
}
