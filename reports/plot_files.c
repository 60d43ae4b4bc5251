/* The folder of plots. */
#include "reports/plot_files.h"

#include "reports/gnuplot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct writer {
  const char *folder;
  const struct plot_view *view;
};

/* To be freed; NULL: no memory. */
static char *path_of(const char *folder, const char *name, const char *ending) {
  char *path;
  return asprintf(&path, "%s/%s.%s", folder, name, ending) < 0 ? NULL : path;
}

static int open_file(struct sink *sink, const char *folder, const char *name, const char *ending, struct error *err) {
  char *path = path_of(folder, name, ending);
  const int code = path ? sink_open(sink, path, SINK_COLOR_NEVER, err) : error_set(err, ERROR_MEMORY, "out of memory");
  free(path);
  return code;
}

static int write_style(const struct writer *writer, struct error *err) {
  struct sink sink;
  int code = open_file(&sink, writer->folder, "style", "gp", err);
  if (code == 0) {
    plot_style_emit(&sink);
    code = sink_close(&sink, err);
  }
  return code;
}

static int write_script(const struct writer *writer, const struct plot *plot, struct error *err) {
  struct sink sink;
  int code = open_file(&sink, writer->folder, plot->name, "gp", err);
  if (code == 0) {
    plot_script_emit(&sink, plot, writer->view);
    code = sink_close(&sink, err);
  }
  return code;
}

static int write_data(const struct writer *writer, const struct plot_data *data, struct error *err) {
  struct sink sink;
  int code = open_file(&sink, writer->folder, data->name, "tsv", err);
  if (code == 0) {
    data->emit(&sink, writer->view);
    code = sink_close(&sink, err);
  }
  return code;
}

static int write_sources(const struct writer *writer, const struct plot *plot, struct error *err) {
  int code = write_script(writer, plot, err);
  for (size_t i = 0; code == 0 && i < PLOT_DATA_MAX && plot->data[i]; i++) {
    code = write_data(writer, plot->data[i], err);
  }
  return code;
}

/* gnuplot does not tell of a full disk: are its files whole? */
static int check_picture(const char *folder, const char *name, const char *ending, struct error *err) {
  char *path = path_of(folder, name, ending);
  int code = 0;
  if (!path) {
    code = error_set(err, ERROR_MEMORY, "out of memory");
  } else if (!gnuplot_is_whole(path, path)) {
    code = error_set(err, ERROR_IO, "cannot write %s: gnuplot left it unfinished; is there space?", path);
  }
  free(path);
  return code;
}

static const char *const endings[] = {"svg", "png", "pdf"};

/* What gnuplot had begun when it failed, or Ctrl-C ended it. */
static void remove_unfinished(const char *folder, const char *name) {
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    char *path = path_of(folder, name, endings[i]);
    if (path && !gnuplot_is_whole(path, path)) {
      unlink(path);
    }
    free(path);
  }
}

static int draw(const struct writer *writer, const struct plot *plot, struct gnuplot_end *end, struct error *err) {
  char script[64];
  struct error why;
  snprintf(script, sizeof script, "load '%s.gp'\n", plot->name);
  int code = gnuplot_run(writer->folder, script, strlen(script), NULL, end, &why);
  if (code < 0) {
    remove_unfinished(writer->folder, plot->name);
    return error_set(err, code, "cannot draw %s/%s.gp: %s", writer->folder, plot->name, why.message);
  }
  for (size_t i = 0; code == 0 && i < sizeof endings / sizeof *endings; i++) {
    code = check_picture(writer->folder, plot->name, endings[i], err);
  }
  return code;
}

/* One that is there already is as good; what else stands in the way is told when the first file is opened. */
static int make_folder(const char *folder, struct error *err) {
  return mkdir(folder, 0777) == 0 || errno == EEXIST
             ? 0
             : error_set(err, ERROR_IO, "cannot make the folder %s: %s", folder, strerror(errno));
}

int plot_files_write(const char *folder, struct plot_view *view, struct plot_files *files, struct error *err) {
  const struct writer writer = {folder, view};
  const struct plot *plot;
  struct gnuplot_end end = {0};
  int code = make_folder(folder, err);
  view->files = true;
  *files = (struct plot_files){0};
  code = code == 0 ? write_style(&writer, err) : code;
  for (size_t i = 0; code == 0 && (plot = plot_at(i)); i++) {
    if (!plot->has(view)) {
      continue;
    }
    files->plots++;
    code = write_sources(&writer, plot, err);
    if (code == 0 && !files->missing) {
      code = draw(&writer, plot, &end, err);
      files->missing = end.missing;
      code = end.missing ? 0 : code;
    }
    if (end.interrupted) {
      raise(SIGINT);
    }
  }
  return code;
}
