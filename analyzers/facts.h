/* Everything a report can say of one run: made by the analysis of a trace, kept in the store, read back from it.
 *
 * Reports read this and nothing else. All bytes are bytes, all times ns since the trace began; strings and arrays
 * belong to the struct and go with facts_fini (strings are interned in facts.strings: never free one by itself). */
#ifndef ACTSCOPE_ANALYZERS_FACTS_H
#define ACTSCOPE_ANALYZERS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum category {
  CATEGORY_PARAMETER,
  CATEGORY_GRADIENT,
  CATEGORY_OPTIMIZER_STATE,
  CATEGORY_INPUT,
  CATEGORY_SAVED_ACTIVATION,
  CATEGORY_TEMPORARY,
  CATEGORY_SMALL,
  CATEGORY_OTHER,
  CATEGORY_COUNT
};
extern const char *const category_names[CATEGORY_COUNT]; /* "parameter", ..., as in the JSON */

enum phase { PHASE_OUTSIDE, PHASE_FORWARD, PHASE_BACKWARD, PHASE_UPDATE, PHASE_COUNT };
extern const char *const phase_names[PHASE_COUNT];

struct facts_run {
  char *command;   /* arguments joined by spaces, quoted where a shell would need it */
  int pid, ppid;   /* ppid -1: unknown */
  int rank;        /* in a distributed job, -1: none */
  int world_size;  /* ranks of that job, 0: unknown */
  char *host;      /* the machine's name, "": unknown */
  int exit_status; /* -1: unknown */
  bool complete;
  char *damage; /* what is missing, or "" */
  uint64_t wall_ns, start_unix_ns;
  uint64_t events, threads, min_size, lost_events;
  char *unseen;         /* what of its memory was not seen, in sentences; "" nothing that is known of */
  uint64_t stray_marks; /* regions, and saves as large as blocks that are recorded, marked where no recorded block is */
  uint64_t oversized_marks; /* saves that the program marked with more elements than lie behind their address */
  char *framework;          /* "pytorch 2.13.0", or "" */
  char *evidence;           /* "probe", "hooks", "mark", "inferred", or "none" */
  double confidence;        /* 0 to 1: in steps and saved blocks that were inferred; 0: none were */
};

struct facts_peak {
  uint64_t bytes, time_ns;
  int step; /* -1: outside any step */
  enum phase phase;
  uint64_t
      lasting_bytes; /* in blocks that live for half of the run or longer; 0 where the program tells what it saves */
};

struct facts_step {
  unsigned index;
  uint64_t begin_ns, backward_ns, backward_end_ns, end_ns; /* forward [begin, backward), backward, update [.., end) */
  uint64_t peak_bytes, saved_bytes, saved_blocks;
  bool complete; /* its backward ran to the end */
};

struct facts_holder {
  char *op;                     /* "gelu" */
  uint64_t save_ns, release_ns; /* release UINT64_MAX: never seen */
};

/* One block that the forward pass of facts.saved_step left for backward. */
struct facts_saved_block {
  uint64_t bytes, elements;   /* bytes asked for; elements of the largest tensor saved on it */
  uint64_t alloc_ns, free_ns; /* free UINT64_MAX: never seen */
  const char *dtype;          /* "float32", static */
  char *op_allocated;         /* op whose output (or temporary) it is, "" = none seen */
  char *op;                   /* its first holder's; by_op counts the block under every holder */
  const char *layer;          /* whose forward pass saved it first; "" unless recorded with --layers */
  const char *name;           /* the program's own, of a piece of an arena; else "" */
  bool in_arena;              /* a piece of a block that holds its place whether the piece is saved or not */
  char *site;           /* the nearest frame of the program itself: "train.c:88 forward" or "libtorch_cpu.so at::..." */
  const char *evidence; /* static */
  const char *reason;   /* static: why it is (not) eligible */
  bool eligible;
  uint32_t stack; /* of the allocation, a key of frames */
  struct facts_holder *holders;
  size_t holders_count;
};

struct facts_op {
  char *op;
  uint64_t bytes;           /* of every block that it holds, alone or with others */
  uint64_t exclusive_bytes; /* of the blocks that only it holds */
  uint64_t blocks;
  uint64_t eligible_bytes;
};

struct facts_projection {
  unsigned bits;
  uint64_t peak_bytes;
  int64_t saving_bytes; /* negative where codes come on top */
  double saving_percent;
  uint64_t eligible_bytes, code_bytes; /* in the representative step */
};

struct facts_frame {
  char *function; /* demangled, or "0x7f..." */
  char *file;     /* "" unknown */
  char *module;   /* base name of the ELF file */
  unsigned line;  /* 0 unknown */
};

struct facts_site { /* live at the peak, by allocation stack and category, largest first */
  uint32_t stack;
  uint64_t bytes, blocks;
  char *site;
  char *op; /* "" none */
  enum category category;
};

struct facts_traffic {            /* over the whole run */
  uint64_t allocations, bytes;    /* of all blocks that there ever were */
  uint64_t temporary;             /* of them, given back before their thread allocated again */
  uint64_t end_blocks, end_bytes; /* not given back when the trace ended */
};

struct facts_busy_site { /* a stack that has most allocations, temporary ones, or bytes at the end */
  uint32_t stack;
  char *site;
  char *op; /* "" none */
  struct facts_traffic traffic;
};

struct
    facts_stack { /* of every stack that a site (at the peak, or busy) or saved block names; innermost frame first, inlines expanded */
  uint32_t stack;
  struct facts_frame *frames;
  size_t frames_count;
};

struct facts_module { /* an ELF file that frames name */
  char *name;         /* base name: facts_frame.module */
  char *path;         /* as it was mapped */
  char *build_id;     /* lower-case hexadecimal, "" none */
  char *problem;      /* why its functions have no names: "has changed since the run was recorded"; "" they have */
};

struct facts_sample { /* the timeline for plots: the highest live bytes within an interval */
  uint64_t time_ns, live_bytes, saved_bytes;
  uint64_t categories[CATEGORY_COUNT]; /* they sum to live_bytes */
};

/* The two halves of a projection: the run's live bytes cut into segments, within which nothing that few-bit codes
 * would change happens, and the blocks that codes could replace. Events are ordinals of trace events, 1 the first:
 * times alone do not order events of the same nanosecond. */
struct facts_segment { /* from this event up to the next segment's */
  uint64_t event, time_ns;
  int64_t peak_bytes; /* the highest live bytes within */
};

struct facts_replaceable { /* an eligible block, or an eligible piece of an arena, which is one in step after step */
  char *op;
  int step;       /* -1: none, or several */
  bool listed;    /* one of facts.saved */
  uint32_t arena; /* 1, 2, ...: of a piece, which begins, is released and ends with its arena; 0: a block */
  uint64_t bytes, elements;
  uint64_t begin_event;   /* its consumer's forward op has returned: codes would take its place */
  uint64_t release_event; /* its holder lets go: the codes would end */
  uint64_t free_event;    /* the block ended in the run that was recorded */
};

enum advice_kind {
  ADVICE_FEW_BITS,       /* codes in place of what pointwise nonlinearities keep */
  ADVICE_MASK_BITS,      /* a bit an element of the masks that dropout keeps */
  ADVICE_FREE_GRADIENTS, /* gradients gone before the forward pass: zero_grad(set_to_none=True) there */
  ADVICE_FREE_KEPT,      /* what the program keeps through backward and beyond although no op holds it */
  ADVICE_CHECKPOINT,     /* layers whose activations are computed again in backward */
  ADVICE_RECOMPUTE,      /* results of cheap ops that are computed again in backward */
  ADVICE_FOREACH,        /* an optimizer's arithmetic on all parameters at once, one after the other instead */
  ADVICE_TEMPORARY,      /* the largest temporaries at the peak, should they not be */
  ADVICE_KINDS
};
extern const char *const advice_names[ADVICE_KINDS]; /* "few_bits", ..., as in the JSON */

struct facts_advice { /* what would have lowered the peak of this run; see advice.h */
  enum advice_kind kind;
  unsigned bits;        /* of few_bits and mask_bits, else 0 */
  char *ops;            /* that hold, or allocated, the blocks: "gelu, silu", by bytes */
  char *layers;         /* "blocks.*.mlp.1", by bytes; "" unless recorded with --layers */
  char *site;           /* of the largest allocation, where that says more; "" */
  uint64_t blocks;      /* in the representative step, or at the peak */
  uint64_t bytes;       /* of the peak that it concerns */
  uint64_t peak_bytes;  /* what the peak would have been, simulated */
  int64_t saving_bytes; /* peak.bytes less that */
};

struct strings;       /* analyzers/strings.h */
struct saved_history; /* analyzers/saved_history.h */

struct facts {
  struct strings *strings;
  struct facts_run run;
  struct facts_peak peak;
  uint64_t categories[CATEGORY_COUNT]; /* at the peak; they sum to peak.bytes */
  struct facts_step *steps;
  size_t steps_count;
  int saved_step; /* the complete step with the most saved bytes, on a tie the one that peaked highest; -1: none */
  uint64_t saved_bytes, saved_blocks;
  struct facts_op *by_op; /* by bytes, largest first */
  size_t by_op_count;
  struct facts_saved_block *saved; /* by bytes, largest first */
  size_t saved_count;
  struct facts_projection *projections;
  size_t projections_count;
  struct facts_site *sites;
  size_t sites_count;
  struct facts_traffic traffic;       /* of all blocks but small ones */
  struct facts_traffic small_traffic; /* of small ones, whose temporary is not known */
  struct facts_busy_site *busy_sites; /* by allocations, most first */
  size_t busy_sites_count;
  struct facts_stack *stacks; /* by stack id */
  size_t stacks_count;
  struct facts_module *modules; /* by name; of files of one name the first */
  size_t modules_count;
  struct facts_sample *timeline;
  size_t timeline_count;
  struct facts_segment *segments; /* by event */
  size_t segments_count;
  struct facts_replaceable *replaceables; /* of every step, by begin_event, those of an arena in a row */
  size_t replaceables_count;
  struct facts_advice *advice; /* by saving_bytes, largest first */
  size_t advice_count;
  struct saved_history *history; /* the saved blocks of every step (facts_saved.h); NULL if a store was read without */
};

/* sum += traffic */
void facts_traffic_add(struct facts_traffic *sum, const struct facts_traffic *traffic);

void facts_fini(struct facts *facts); /* zeroed or half-made is fine; leaves it zeroed */

#endif
