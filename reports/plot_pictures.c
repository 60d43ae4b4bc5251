/* One gnuplot draws all plots, one after the other, to its standard output; an SVG document ends where the next begins. */
#include "reports/plot_pictures.h"

#include "reports/gnuplot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int out_of_memory(struct error *err) {
  return error_set(err, ERROR_MEMORY, "out of memory");
}

static char *describe(const struct plot *plot, const struct plot_view *view) {
  struct sink sink;
  struct error err;
  if (sink_open_memory(&sink, &err) != 0) {
    return NULL;
  }
  plot->describe(&sink, view);
  return sink_close(&sink, &err) == 0 ? sink.memory : NULL;
}

/* Every plot wide, then narrow. */
static int write_script(struct plot_pictures *pictures, struct plot_view *view, struct sink *script,
                        struct error *err) {
  const struct plot *plot;
  int code = sink_open_memory(script, err);
  if (code < 0) {
    return code;
  }
  for (size_t i = 0; (plot = plot_at(i)) && pictures->count < PLOT_PICTURES_MAX; i++) {
    if (!plot->has(view)) {
      continue;
    }
    struct plot_picture *picture = &pictures->items[pictures->count++];
    *picture = (struct plot_picture){.plot = plot, .description = describe(plot, view)};
    picture->legend_count = plot->legend ? plot->legend(view, picture->legend) : 0;
    for (int narrow = 0; narrow < 2; narrow++) {
      view->narrow = narrow;
      plot_inline_emit(script, plot, view);
    }
    view->narrow = false;
    if (!picture->description) {
      sink_fail(script, ENOMEM);
    }
  }
  return sink_close(script, err);
}

/* The whole of a file, NUL at its end; NULL: no memory, or it cannot be read. */
static char *read_all(FILE *file) {
  const long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
  if (text) {
    rewind(file);
    text[fread(text, 1, (size_t)size, file)] = '\0';
  }
  return text;
}

/* The next document, and *text behind it. NULL: there is none, or no memory. */
static char *take_document(const char **text) {
  const char *begin = strstr(*text, "<svg"), *end = begin ? strstr(begin, "</svg>") : NULL;
  if (!end) {
    return NULL;
  }
  *text = end + strlen("</svg>");
  return strndup(begin, (size_t)(*text - begin));
}

static bool take_documents(struct plot_pictures *pictures, const char *text) {
  bool whole = true;
  for (size_t i = 0; i < pictures->count; i++) {
    struct plot_picture *picture = &pictures->items[i];
    picture->wide = take_document(&text);
    picture->narrow = take_document(&text);
    whole = whole && picture->wide && picture->narrow;
  }
  return whole;
}

static void forget(struct plot_pictures *pictures) {
  for (size_t i = 0; i < pictures->count; i++) {
    free(pictures->items[i].wide);
    free(pictures->items[i].narrow);
    free(pictures->items[i].description);
  }
  pictures->count = 0;
}

/* Leaves none where not all came. */
static void run(struct plot_pictures *pictures, const struct sink *script, FILE *output) {
  struct gnuplot_end end;
  struct error why;
  int code = gnuplot_run(NULL, script->memory, script->memory_size, output, &end, &why);
  char *text = code == 0 ? read_all(output) : NULL;
  pictures->interrupted = end.interrupted;
  if (code == 0 && (!text || !take_documents(pictures, text))) {
    code = error_set(&why, ERROR_IO, "gnuplot left its plots unfinished; is there space for temporary files?");
  }
  free(text);
  if (code < 0) {
    snprintf(pictures->notice, sizeof pictures->notice, "%.300s", why.message);
    forget(pictures);
  }
}

int plot_pictures_draw(struct plot_pictures *pictures, struct plot_view *view, struct error *err) {
  struct sink script = {0};
  FILE *output = tmpfile();
  *pictures = (struct plot_pictures){0};
  int code = write_script(pictures, view, &script, err);
  if (code == 0 && !output) {
    snprintf(pictures->notice, sizeof pictures->notice, "there is no temporary file to draw into");
    forget(pictures);
  } else if (code == 0 && pictures->count) {
    run(pictures, &script, output);
  }
  free(script.memory);
  if (output) {
    fclose(output);
  }
  return code == 0 ? 0 : out_of_memory(err);
}

void plot_pictures_fini(struct plot_pictures *pictures) {
  forget(pictures);
}

const struct plot_picture *plot_pictures_find(const struct plot_pictures *pictures, const struct plot *plot) {
  for (size_t i = 0; pictures && i < pictures->count; i++) {
    if (pictures->items[i].plot == plot) {
      return &pictures->items[i];
    }
  }
  return NULL;
}
