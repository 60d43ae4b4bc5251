/* The flame graph of the HTML report: the whole peak on top, what it was allocated by below, as wide as its bytes.
 *
 * Every frame is an element with a viewport of its own, placed by percents: letters keep their size at any width of the
 * page, and what is too long is cut at the frame's end. */
#include "reports/report_html.h"

#include "reports/flame.h"
#include "reports/format.h"
#include "reports/frames.h"
#include "reports/html.h"
#include "reports/palette.h"
#include "reports/plots.h"

#include <errno.h>
#include <stdlib.h>

enum { ROW = 19, DEPTH_MAX = 80 };
static const double share_min = 0.3; /* of the peak, percent: narrower frames would be less than a pixel or two */

bool html_flame_has(const struct html_page *page) {
  return page->facts->peak.bytes && page->facts->stacks_count;
}

static double share_of(const struct flame *flame, const struct flame_node *node) {
  return 100 * (double)node->bytes / (double)flame->nodes[0].bytes;
}

static void write_title(struct sink *sink, const struct flame *flame, const struct flame_node *node) {
  char bytes[FORMAT_SIZE], share[FORMAT_SIZE], blocks[FORMAT_SIZE], category[PLOT_CATEGORY_SIZE];
  html_text(sink, node->name);
  sink_print(sink, "\n%s, %s of the peak", format_bytes(bytes, node->bytes),
             format_percent(share, (double)node->bytes, (double)flame->nodes[0].bytes));
  if (node->blocks) {
    sink_print(sink, ", %s block%s", format_count(blocks, node->blocks), node->blocks == 1 ? "" : "s");
  }
  if (node->categories[flame_category(node)] < node->bytes) {
    sink_print(sink, "; most of it %s", plot_category(category, flame_category(node)));
  } else {
    sink_print(sink, "; %s", plot_category(category, flame_category(node)));
  }
}

static void write_frame(struct sink *sink, const struct flame *flame, const struct flame_node *node, double x) {
  sink_print(sink, "<svg x=\"%.3f%%\" y=\"%u\" width=\"%.3f%%\" height=\"%d\" class=\"c-%s\"><title>", x,
             node->depth * ROW, share_of(flame, node), ROW - 1, palette[flame_category(node)].name);
  write_title(sink, flame, node);
  sink_print(sink, "</title><rect width=\"100%%\" height=\"100%%\"/><text x=\"4\" y=\"13\">");
  html_text(sink, node->name);
  sink_print(sink, "</text></svg>\n");
}

/* Returns how deep it goes. Children stand under their parent from its left edge on, the largest first. */
static uint32_t write_frames(struct sink *sink, const struct flame *flame, uint32_t index, double x) {
  const struct flame_node *node = &flame->nodes[index];
  uint32_t deepest = node->depth;
  write_frame(sink, flame, node, x);
  for (uint32_t i = 0; i < node->children && node->depth + 1 < DEPTH_MAX; i++) {
    const uint32_t child = flame->order[node->first_child + i];
    const double share = share_of(flame, &flame->nodes[child]);
    if (share < share_min) {
      break; /* and so are all after it */
    }
    const uint32_t depth = write_frames(sink, flame, child, x);
    deepest = depth > deepest ? depth : deepest;
    x += share;
  }
  return deepest;
}

/* The element's height stands before its frames: they go into memory first. */
static void write_graph(const struct html_page *page, const struct flame *flame) {
  struct sink frames;
  struct error err;
  if (sink_open_memory(&frames, &err) != 0) {
    sink_fail(page->sink, ENOMEM);
    return;
  }
  const uint32_t deepest = write_frames(&frames, flame, 0, 0);
  if (sink_close(&frames, &err) != 0) {
    sink_fail(page->sink, ENOMEM);
  } else {
    sink_print(
        page->sink,
        "<svg id=\"flame-graph\" class=\"flame\" role=\"img\" aria-label=\"The peak by allocation stack; the table "
        "of sites has the largest of it in words\" width=\"100%%\" height=\"%u\">\n",
        (deepest + 1) * ROW);
    sink_write(page->sink, frames.memory, frames.memory_size);
    sink_print(page->sink, "</svg>\n");
  }
  free(frames.memory);
}

static void write_legend(const struct html_page *page, const struct flame_node *root) {
  char text[PLOT_CATEGORY_SIZE];
  sink_print(page->sink, "<ul class=\"legend\">\n");
  for (size_t i = CATEGORY_COUNT; i-- > 0;) {
    const enum category category = palette_stack[i];
    if (root->categories[category]) {
      sink_print(page->sink, "<li><i class=\"chip\" style=\"--c:var(--%s)\"></i>%s</li>\n", palette[category].name,
                 plot_category(text, category));
    }
  }
  sink_print(page->sink, "</ul>\n");
}

void html_flame(const struct html_page *page) {
  struct flame flame;
  if (flame_init(&flame, page->facts) != 0) {
    sink_fail(page->sink, ENOMEM);
  } else if (flame.nodes[0].bytes) {
    sink_print(page->sink, "<figure>\n");
    write_graph(page, &flame);
    sink_print(page->sink, "<p id=\"flame-detail\" class=\"detail\" aria-live=\"polite\"></p>\n");
    write_legend(page, &flame.nodes[0]);
    sink_print(
        page->sink,
        "<figcaption>Each bar is a function, as wide as the bytes at the peak that were allocated in it, its callers "
        "above it; the colour tells what most of them are. Frames without a name, most of the "
        "Python interpreter's own and those of less than %.1f%% are left out; <code>actscope export --format "
        "collapsed</code> has them all.</figcaption>\n</figure>\n",
        share_min);
  }
  flame_fini(&flame);
}
