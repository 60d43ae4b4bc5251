/* The format is what ms_print parses (Valgrind's manual, "Massif"). '#' begins a comment in it, wherever it stands. */
#include "reports/massif.h"

#include "reports/format.h"
#include "reports/frames.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SNAPSHOTS_MAX = 100, NS_PER_MS = 1000000, DEPTH_MAX = 64 };
static const double THRESHOLD_PERCENT = 1;

struct branch { /* stacks[first..last) agree in the frames above; bytes of all of them */
  size_t first, last;
  uint64_t bytes;
};

struct entry { /* a site at the peak */
  const struct facts_stack *stack;
  uint64_t bytes;
};

struct tree {
  struct sink *sink;
  uint64_t peak;
  struct entry *entries; /* sorted, so that those that share frames lie together */
  size_t count;
};

static void write_clean(struct sink *sink, const char *text) {
  char *clean = format_clean(text ? text : "", true);
  if (!clean) {
    sink_fail(sink, ENOMEM);
    return;
  }
  for (char *c = clean; *c; c++) {
    *c = *c == '#' ? '~' : *c;
  }
  sink_print(sink, "%s", clean);
  free(clean);
}

/* ---- the tree ------------------------------------------------------------------------------------------------- */

static int compare_text(const char *a, const char *b) {
  return a == b ? 0 : strcmp(a ? a : "", b ? b : "");
}

/* Frames without a name are one if their module is. */
static int compare_frames(const struct facts_frame *a, const struct facts_frame *b) {
  bool x = frames_is_nameless(a), y = frames_is_nameless(b);
  int order;
  if (x || y) {
    return x && y ? compare_text(a->module, b->module) : (int)x - (int)y;
  }
  if ((order = compare_text(a->function, b->function)) || (order = compare_text(a->file, b->file)) ||
      (order = compare_text(a->module, b->module))) {
    return order;
  }
  return (a->line > b->line) - (a->line < b->line);
}

static int compare_entries(const void *a, const void *b) {
  const struct facts_stack *x = ((const struct entry *)a)->stack, *y = ((const struct entry *)b)->stack;
  for (size_t i = 0; i < x->frames_count && i < y->frames_count; i++) {
    int order = compare_frames(&x->frames[i], &y->frames[i]);
    if (order) {
      return order;
    }
  }
  return (x->frames_count > y->frames_count) - (x->frames_count < y->frames_count);
}

static int larger_first(const void *a, const void *b) {
  const struct branch *x = a, *y = b;
  return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes)
                              : (x->first > y->first) - (x->first < y->first);
}

/* The branches below `above` at this depth, largest first; a stack that ends above has none. */
static size_t list_branches(const struct tree *tree, const struct branch *above, size_t depth,
                            struct branch *branches) {
  size_t count = 0;
  const struct facts_frame *last = NULL;
  for (size_t i = above->first; i < above->last; i++) {
    const struct entry *entry = &tree->entries[i];
    const struct facts_frame *frame;
    if (entry->stack->frames_count <= depth || depth >= DEPTH_MAX) {
      continue;
    }
    frame = &entry->stack->frames[depth];
    if (!last || compare_frames(last, frame) != 0) {
      branches[count++] = (struct branch){i, i, 0};
      last = frame;
    }
    branches[count - 1].last = i + 1;
    branches[count - 1].bytes += entry->bytes;
  }
  qsort(branches, count, sizeof *branches, larger_first);
  return count;
}

static bool is_significant(const struct tree *tree, uint64_t bytes) {
  return (double)bytes * 100 >= (double)tree->peak * THRESHOLD_PERCENT;
}

static void write_node(const struct tree *tree, size_t depth, size_t children, uint64_t bytes) {
  sink_print(tree->sink, "%*sn%zu: %" PRIu64 " ", (int)depth, "", children, bytes);
}

/* Facts have no addresses: 0x0 keeps the place that readers expect one in. */
static void write_frame(struct sink *sink, const struct facts_frame *frame) {
  char *name = frames_name(frame);
  sink_print(sink, "0x0: ");
  if (!name) {
    sink_fail(sink, ENOMEM);
  }
  write_clean(sink, name);
  if (frame->file && frame->file[0] && frame->line) {
    const char *slash = strrchr(frame->file, '/');
    sink_print(sink, " (");
    write_clean(sink, slash ? slash + 1 : frame->file);
    sink_print(sink, ":%u)\n", frame->line);
  } else {
    sink_print(sink, " (in ");
    write_clean(sink, frame->module && frame->module[0] ? frame->module : "?");
    sink_print(sink, ")\n");
  }
  free(name);
}

/* What lies below the threshold, in massif's words. */
static void write_minor(const struct tree *tree, size_t depth, size_t places, uint64_t bytes) {
  if (!places) {
    return;
  }
  write_node(tree, depth, 0, bytes);
  if (places == 1) {
    sink_print(tree->sink, "in 1 place, below massif's threshold (%.2f%%)\n", THRESHOLD_PERCENT);
  } else {
    sink_print(tree->sink, "in %zu places, all below massif's threshold (%.2f%%)\n", places, THRESHOLD_PERCENT);
  }
}

struct level { /* the branches of one node, for the walk below */
  struct branch *branches;
  size_t count, significant, next;
};

static bool level_open(const struct tree *tree, struct level *level, const struct branch *above, size_t depth) {
  *level = (struct level){.branches = malloc((above->last - above->first + 1) * sizeof *level->branches)};
  if (!level->branches) {
    sink_fail(tree->sink, ENOMEM);
    return false;
  }
  level->count = list_branches(tree, above, depth, level->branches);
  while (level->significant < level->count && is_significant(tree, level->branches[level->significant].bytes)) {
    level->significant++;
  }
  return true;
}

static size_t level_children(const struct level *level) {
  return level->significant + (level->significant < level->count);
}

static void level_close(const struct tree *tree, struct level *level, size_t depth) {
  uint64_t minor = 0;
  for (size_t i = level->significant; i < level->count; i++) {
    minor += level->branches[i].bytes;
  }
  write_minor(tree, depth, level->count - level->significant, minor);
  free(level->branches);
}

/* Depth first, with a stack of its own: levels[d] are the branches at depth d, whose nodes are indented by d + 1. */
static void write_branches(const struct tree *tree, struct level *first) {
  struct level levels[DEPTH_MAX + 1];
  size_t depth = 0;
  levels[0] = *first;
  for (;;) {
    struct level *level = &levels[depth];
    if (level->next < level->significant) {
      const struct branch *branch = &level->branches[level->next++];
      if (!level_open(tree, &levels[depth + 1], branch, depth + 1)) {
        continue;
      }
      write_node(tree, depth + 1, level_children(&levels[depth + 1]), branch->bytes);
      write_frame(tree->sink, &tree->entries[branch->first].stack->frames[depth]);
      depth++;
      continue;
    }
    level_close(tree, level, depth + 1);
    if (depth-- == 0) {
      return;
    }
  }
}

static void write_rest(const struct tree *tree, const char *name, uint64_t bytes) {
  if (bytes) {
    write_node(tree, 1, 0, bytes);
    sink_print(tree->sink, "0x0: %s (in ?)\n", name);
  }
}

static void write_tree(const struct tree *tree, const struct frames_rest *rest) {
  const struct branch all = {0, tree->count, 0};
  struct level first;
  if (level_open(tree, &first, &all, 0)) {
    write_node(tree, 0, level_children(&first) + (rest->small != 0) + (rest->other != 0), tree->peak);
    sink_print(tree->sink, "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.\n");
    write_rest(tree, "[small blocks]", rest->small);
    write_rest(tree, "[sites not listed]", rest->other);
    write_branches(tree, &first);
  }
}

static void write_peak_tree(struct sink *sink, const struct facts *facts) {
  static const struct facts_frame no_frame = {.function = (char *)"[no stack]"};
  static const struct facts_stack no_stack = {.frames = (struct facts_frame *)&no_frame, .frames_count = 1};
  struct tree tree = {sink, facts->peak.bytes, calloc(facts->sites_count + 1, sizeof *tree.entries), 0};
  struct frames_rest rest = frames_rest(facts);
  if (!tree.entries) {
    sink_fail(sink, ENOMEM);
    return;
  }
  for (size_t i = 0; i < facts->sites_count; i++) {
    const struct facts_stack *stack = frames_find(facts, facts->sites[i].stack);
    if (facts->sites[i].bytes) {
      tree.entries[tree.count++] =
          (struct entry){stack && stack->frames_count ? stack : &no_stack, facts->sites[i].bytes};
    }
  }
  qsort(tree.entries, tree.count, sizeof *tree.entries, compare_entries);
  write_tree(&tree, &rest);
  free(tree.entries);
}

/* ---- snapshots ------------------------------------------------------------------------------------------------ */

static void write_snapshot(struct sink *sink, size_t number, uint64_t ns, uint64_t bytes, const char *tree) {
  sink_print(sink,
             "#-----------\nsnapshot=%zu\n#-----------\ntime=%" PRIu64 "\nmem_heap_B=%" PRIu64
             "\nmem_heap_extra_B=0\nmem_stacks_B=0\nheap_tree=%s\n",
             number, ns / NS_PER_MS, bytes, tree);
}

static void write_peak(struct sink *sink, const struct facts *facts, size_t number) {
  write_snapshot(sink, number, facts->peak.time_ns, facts->peak.bytes, "peak");
  write_peak_tree(sink, facts);
}

/* The highest sample of each of SNAPSHOTS_MAX - 1 shares of the timeline, and the peak in its place among them. */
static void write_snapshots(struct sink *sink, const struct facts *facts) {
  size_t shares = facts->timeline_count < SNAPSHOTS_MAX - 1 ? facts->timeline_count : SNAPSHOTS_MAX - 1, number = 0;
  bool peak_written = false;
  for (size_t share = 0; share < shares; share++) {
    size_t first = share * facts->timeline_count / shares, last = (share + 1) * facts->timeline_count / shares;
    const struct facts_sample *highest = &facts->timeline[first];
    for (size_t i = first; i < last; i++) {
      highest = facts->timeline[i].live_bytes > highest->live_bytes ? &facts->timeline[i] : highest;
    }
    if (!peak_written && highest->time_ns >= facts->peak.time_ns) {
      write_peak(sink, facts, number++);
      peak_written = true;
    }
    if (highest->time_ns != facts->peak.time_ns) {
      write_snapshot(sink, number++, highest->time_ns, highest->live_bytes, "empty");
    }
  }
  if (!peak_written) {
    write_peak(sink, facts, number);
  }
}

void massif_emit(struct sink *sink, const struct facts *facts) {
  sink_print(sink, "desc: actscope export --format massif\ncmd: ");
  write_clean(sink, facts->run.command);
  sink_print(sink, "\ntime_unit: ms\n");
  write_snapshots(sink, facts);
}
