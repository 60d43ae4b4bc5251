/* libfewbit: pointwise nonlinearities that keep a few bits an element for their backward pass.
 *
 * y = f(x) as ever; instead of x, which backward needs to compute f'(x) dy, keep the number of a level that stands for
 * f'(x): 1 to 8 bits. Backward multiplies dy by the level. Levels and the stretches of x that get each are a
 * quantizer's.
 *
 *     fewbit_quantizer *q;
 *     if (fewbit_quantizer_builtin("gelu", 3, &q, NULL) == FEWBIT_OK) {
 *       unsigned char *codes = malloc(fewbit_code_size(q, n));
 *       fewbit_forward(q, FEWBIT_FLOAT32, x, y, codes, n);   // y = gelu(x); x is needed no more
 *       ...
 *       fewbit_backward(q, FEWBIT_FLOAT32, codes, dy, dx, n);   // dx = gelu'(x) dy, nearly
 *       fewbit_quantizer_free(q);
 *     }
 *
 * Threads. A quantizer never changes once made: any number of threads may use it at the same time, and free it once.
 * The library has no global state. Arrays of more than 131072 elements are shared among OpenMP's threads if the
 * library was built with OpenMP; set their number as for any OpenMP program (OMP_NUM_THREADS=1 for one). As with all
 * OpenMP libraries, a child of fork must not count on threads that its parent had started.
 *
 * Instruction sets. Scalar, AVX2, AVX-512, NEON: the best that the CPU has is chosen when a quantizer is made. The
 * environment variable ACTSCOPE_FEWBIT_ISA=ref, avx2, avx512 or neon forces one; a quantizer is refused with
 * FEWBIT_ERROR_ISA if the CPU lacks it. Codes are the same on all of them, bit for bit; so is dx; y may differ in the
 * last places, as expf does from one libm to another.
 *
 * Numbers. An element belongs to interval i if exactly i breakpoints are <= x, compared as float32. NaN belongs to
 * interval 0, and y is NaN; infinities belong to the outer intervals, and y is what f tends to. Denormals count for
 * what they are, unless the caller has set the CPU to flush them. bfloat16 and float16 are computed in float32 and
 * rounded to nearest even once. dx is the product of level and dy in float32, with all that means for NaN, infinity
 * times zero, and overflow.
 *
 * Codes. Element i is in the bits [i b, (i + 1) b) of a little-endian stream of bits, least significant first: bit k
 * of the stream is bit k % 8 of byte k / 8. There are ceil(n b / 8) bytes; what is unused of the last one is zero. The
 * same on every instruction set and for every type.
 *
 * Arrays. Pointers need the alignment of an element, 4 bytes or 2 (codes: none); no other, though 64 is a little
 * faster. y may be x, and dx may be dy. All else must lie apart: overlap by part, or of codes with anything, is
 * FEWBIT_ERROR_OVERLAP, and nothing is written then. With n = 0 nothing is done, and pointers may be NULL. */
#ifndef ACTSCOPE_FEWBIT_H
#define ACTSCOPE_FEWBIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FEWBIT_API __attribute__((visibility("default")))
#else
#define FEWBIT_API
#endif

/* What functions return. The messages of fewbit_error say more, where there is one to fill in. */
enum fewbit_status {
  FEWBIT_OK = 0,
  FEWBIT_ERROR_ARGUMENT = -1,    /* NULL where an array or a quantizer is needed, no such type, or n too large */
  FEWBIT_ERROR_USAGE = -2,       /* no such function, parameter, weight or number of bits */
  FEWBIT_ERROR_INPUT = -3,       /* a damaged or foreign file, a table that is none, a derivative that is not finite */
  FEWBIT_ERROR_IO = -4,          /* a file is missing, or the system refused to read it */
  FEWBIT_ERROR_MEMORY = -5,      /* out of memory */
  FEWBIT_ERROR_ALIGNMENT = -6,   /* an array is not aligned to its elements */
  FEWBIT_ERROR_OVERLAP = -7,     /* arrays overlap that must not */
  FEWBIT_ERROR_UNSUPPORTED = -8, /* this quantizer cannot do that: it has no f, or rounds the other way */
  FEWBIT_ERROR_ISA = -9,         /* ACTSCOPE_FEWBIT_ISA names what this CPU or this library lacks */
};

/* A sentence for a status; never NULL. */
FEWBIT_API const char *fewbit_status_message(int status);

/* Filled in when a function that takes one fails: "what: why; what to do". May be NULL. */
typedef struct fewbit_error {
  char message[640];
} fewbit_error;

FEWBIT_API const char *fewbit_version(void);

/* ---- quantizers -------------------------------------------------------------------------------------------------- */

typedef struct fewbit_quantizer fewbit_quantizer;

enum fewbit_method {
  FEWBIT_VALUE = 0,   /* any map from x to 2^bits levels: the smaller error */
  FEWBIT_INTERVAL = 1 /* the paper's: 2^bits intervals on x */
};

typedef double fewbit_function(double x, const void *context);

/* What to fit. Zero everything, then set what differs: function and bits at least. */
typedef struct fewbit_options {
  const char
      *function; /* "gelu", "gelu_tanh", "silu", "mish", "softplus", "elu", ...: as torch.nn.functional says it */
  unsigned bits; /* 1 .. 8 */
  enum fewbit_method method;
  const char *weight; /* how much each x counts: "uniform:-10:10", "normal:0:1", "histogram:FILE"; NULL: the default */
  struct {
    const char *name; /* "beta", "alpha", "negative_slope", ...; NULL after the last */
    double value;
  } params[2];
  /* A function of your own, with `function` for its name: f (NULL: codes only, no fewbit_forward) and its derivative.
   * Both, and the context, are called from any thread for as long as the quantizer lives. */
  fewbit_function *value, *derivative;
  const void *context;
} fewbit_options;

/* Each makes a quantizer for fewbit_quantizer_free, or leaves *quantizer NULL and returns an error. */

/* The library's own tables, for every function with its default parameters: bits 1 to 4 are there at once, others are
 * fitted, which takes some milliseconds. */
FEWBIT_API int fewbit_quantizer_builtin(const char *function, unsigned bits, fewbit_quantizer **quantizer,
                                        fewbit_error *error);
/* The best there is for these options. */
FEWBIT_API int fewbit_quantizer_fit(const fewbit_options *options, fewbit_quantizer **quantizer, fewbit_error *error);
/* From a file: actscope's JSON, or NumPy's .npz with the keys of the paper's library, which says neither function nor
 * bits: give both then. For JSON function may be NULL and bits 0. A table for a function of your own is known by its name
 * alone: fewbit_encode and fewbit_backward are all that there is for it, f is yours to compute. But an exact one for
 * "stepwise" (JSON whose error is 0) has f too, as fewbit_quantizer_from_table makes it. */
FEWBIT_API int fewbit_quantizer_load(const char *path, const char *function, unsigned bits,
                                     fewbit_quantizer **quantizer, fewbit_error *error);
/* From intervals - 1 ascending breakpoints, the levels, and the number of each interval's level (NULL: interval i has
 * level i). `function` is a built-in one, with its default parameters, or "stepwise"; no other name is taken. For
 * "stepwise" the levels are f' itself, and f is its integral with f(0) = 0, computed in double. */
FEWBIT_API int fewbit_quantizer_from_table(const char *function, const double *breakpoints, const uint8_t *codes,
                                           unsigned intervals, const double *levels, unsigned levels_count,
                                           fewbit_quantizer **quantizer, fewbit_error *error);
/* For stochastic rounding: as many levels as the bits of `from` allow, which span the range of its f', for
 * fewbit_forward_stochastic. `from` is not needed afterwards. */
FEWBIT_API int fewbit_quantizer_stochastic(const fewbit_quantizer *from, fewbit_quantizer **quantizer,
                                           fewbit_error *error);
/* NULL is allowed. */
FEWBIT_API void fewbit_quantizer_free(fewbit_quantizer *quantizer);

/* What a quantizer is made of; the arrays live as long as it does. */
FEWBIT_API const char *fewbit_quantizer_function(const fewbit_quantizer *quantizer);
FEWBIT_API unsigned fewbit_quantizer_bits(const fewbit_quantizer *quantizer);
FEWBIT_API const float *fewbit_quantizer_levels(const fewbit_quantizer *quantizer, unsigned *count);
FEWBIT_API const float *fewbit_quantizer_breakpoints(const fewbit_quantizer *quantizer, unsigned *count);
FEWBIT_API const uint8_t *fewbit_quantizer_codes(const fewbit_quantizer *quantizer, unsigned *count); /* by interval */
/* The integral of w (f' - level)^2, w the weight of the fit; for .npz and fewbit_quantizer_from_table the default one.
 * NaN where f' is not known. */
FEWBIT_API double fewbit_quantizer_error(const fewbit_quantizer *quantizer);
/* "ref", "avx2", "avx512" or "neon": what its forward and backward run on. */
FEWBIT_API const char *fewbit_quantizer_isa(const fewbit_quantizer *quantizer);

/* ---- forward and backward ---------------------------------------------------------------------------------------- */

enum fewbit_type { FEWBIT_FLOAT32 = 0, FEWBIT_BFLOAT16 = 1, FEWBIT_FLOAT16 = 2 };

/* Bytes of the codes of n elements: ceil(n bits / 8); 0 for a NULL quantizer. */
FEWBIT_API size_t fewbit_code_size(const fewbit_quantizer *quantizer, size_t n);

/* y = f(x) and the codes, which fewbit_backward needs. */
FEWBIT_API int fewbit_forward(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *x, void *y,
                              void *codes, size_t n);
/* The codes alone. */
FEWBIT_API int fewbit_encode(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *x, void *codes,
                             size_t n);
/* y = f(x) alone, as fewbit_forward computes it: for inference. */
FEWBIT_API int fewbit_activate(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *x, void *y,
                               size_t n);
/* dx = level dy. */
FEWBIT_API int fewbit_backward(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *codes,
                               const void *dy, void *dx, size_t n);

/* As fewbit_forward (y may be NULL: the codes alone), but each f'(x) becomes the level below it or the level above it
 * by chance, so that its expectation is f'(x): the gradient is unbiased, at the cost of more variance than the fitted
 * quantizer's error. For a quantizer of fewbit_quantizer_stochastic. The random number of element i is number first +
 * i of the stream that the seed names (Philox4x32-10): the same seed and first give the same codes, whatever the
 * instruction set, the threads, and how an array is cut in parts; take another seed, or go on where the last call
 * ended, for another draw. Computed in double one by one: 15 to 40 ns an element, where fewbit_forward takes half a
 * nanosecond to one. */
FEWBIT_API int fewbit_forward_stochastic(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *x,
                                         void *y, void *codes, size_t n, uint64_t seed, uint64_t first);

#ifdef __cplusplus
}
#endif

#endif
