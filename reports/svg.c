/* Copies tag by tag, with other attributes. gnuplot's output is regular: tags, attributes in either quotes, and text in which
 * "<" and "&" are escaped; whatever is not so is not copied. */
#include "reports/svg.h"

#include "reports/html.h"
#include "reports/palette.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct span { /* a part of the document */
  const char *begin;
  size_t size;
};

static bool is_text(struct span span, const char *text) {
  return span.size == strlen(text) && strncmp(span.begin, text, span.size) == 0;
}

/* ---- colours ----------------------------------------------------------------------------------------------------- */

/* "rgb(230, 159,   0)" as "#e69f00"; false: it is not so. */
static bool read_rgb(struct span value, char hex[static 8]) {
  const char *at = value.begin + strlen("rgb(");
  if (value.size < 10 || strncmp(value.begin, "rgb(", 4) != 0) {
    return false;
  }
  for (int i = 0; i < 3; i++) {
    char *end;
    const unsigned long part = strtoul(at, &end, 10);
    if (end == at || part > 255 || *end != (i < 2 ? ',' : ')')) {
      return false;
    }
    snprintf(hex + 1 + 2 * i, 3, "%02lx", part);
    at = end + 1;
  }
  hex[0] = '#';
  return true;
}

/* The palette's colours become the style sheet's variables; others stay. */
static void write_color(struct sink *sink, struct span value) {
  char hex[8];
  if (!read_rgb(value, hex)) {
    sink_write(sink, value.begin, value.size);
    return;
  }
  for (size_t i = 0; i < PALETTE_COUNT; i++) {
    if (strcmp(palette[i].light, hex) == 0) {
      sink_print(sink, "var(--%s)", palette[i].name);
      return;
    }
  }
  sink_print(sink, "%s", hex);
}

/* Letters and lines without a colour of their own are in that of the page's text. */
static void write_paint(struct sink *sink, struct span value) {
  if (is_text(value, "black")) {
    sink_print(sink, "currentColor");
  } else if (is_text(value, "white")) {
    sink_print(sink, "var(--paper)");
  } else {
    write_color(sink, value);
  }
}

/* ---- attributes -------------------------------------------------------------------------------------------------- */

static void write_attribute(struct sink *sink, const struct svg_place *place, struct span name, struct span value) {
  if (is_text(name, "font-family")) {
    return;
  }
  if (is_text(name, "id")) {
    sink_print(sink, " id=\"%s-%.*s\"", place->id, (int)value.size, value.begin);
  } else if (is_text(name, "xlink:href") && value.size && value.begin[0] == '#') {
    sink_print(sink, " href=\"#%s-%.*s\"", place->id, (int)value.size - 1, value.begin + 1);
  } else if (is_text(name, "fill") || is_text(name, "stroke") || is_text(name, "color")) {
    sink_print(sink, " %.*s=\"", (int)name.size, name.begin);
    write_paint(sink, value);
    sink_print(sink, "\"");
  } else {
    sink_print(sink, " %.*s=\"", (int)name.size, name.begin);
    sink_write(sink, value.begin, value.size);
    sink_print(sink, "\"");
  }
}

static const char *skip_space(const char *text) {
  return text + strspn(text, " \t\r\n");
}

/* NAME = 'VALUE' at *text, which is moved behind it. False: there is none. */
static bool next_attribute(const char **text, struct span *name, struct span *value) {
  const char *at = skip_space(*text);
  *name = (struct span){at, strcspn(at, " \t\r\n=/>'\"<")};
  at = skip_space(at + name->size);
  if (!name->size || *at != '=') {
    return false;
  }
  at = skip_space(at + 1);
  if (*at != '"' && *at != '\'') {
    return false;
  }
  const char quote[] = {*at++, '\0'};
  *value = (struct span){at, strcspn(at, quote)};
  *text = at + value->size + (at[value->size] ? 1 : 0);
  return true;
}

/* ---- tags -------------------------------------------------------------------------------------------------------- */

/* Groups that gnuplot opens and closes with nothing between are half of its lines. */
static const char *skip_empty_group(const char *text) {
  if (strncmp(text, "<g ", 3) == 0) {
    const char *end = strchr(text, '>'), *close = end ? skip_space(end + 1) : text;
    if (strncmp(close, "</g>", 4) == 0) {
      return close + 4;
    }
  }
  return NULL;
}

/* A tag at text; returns what follows it. */
static const char *write_tag(struct sink *sink, const struct svg_place *place, const char *text) {
  struct span name, value;
  const size_t length = 1 + strcspn(text + 1, " \t\r\n/>");
  if (text[1] == '/') {
    const char *end = strchr(text, '>');
    end = end ? end + 1 : text + strlen(text);
    sink_write(sink, text, (size_t)(end - text));
    return end;
  }
  sink_write(sink, text, length);
  text += length;
  while (next_attribute(&text, &name, &value)) {
    write_attribute(sink, place, name, value);
  }
  text = skip_space(text);
  sink_print(sink, "%s", *text == '/' ? "/>" : ">");
  text += strcspn(text, ">");
  return *text ? text + 1 : text;
}

/* Text, of which lines that only indent are dropped. */
static const char *write_text(struct sink *sink, const char *text) {
  const size_t length = strcspn(text, "<");
  if (strspn(text, " \t\r\n") < length) {
    sink_write(sink, text, length);
  } else if (length && memchr(text, '\n', length)) {
    sink_print(sink, "\n");
  }
  return text + length;
}

static void write_body(struct sink *sink, const struct svg_place *place, const char *text) {
  const char *defs = strstr(text, "<defs>"), *defs_end = strstr(text, "</defs>"), *after;
  const bool drop_defs = defs && defs_end && !strstr(defs_end, "#gp"); /* marks that no point uses */
  while (*text && strncmp(text, "</svg>", 6) != 0) {
    if (drop_defs && text == defs) {
      text = defs_end + strlen("</defs>");
    } else if (*text != '<') {
      text = write_text(sink, text);
    } else if ((after = skip_empty_group(text))) {
      text = after;
    } else {
      text = write_tag(sink, place, text);
    }
  }
}

/* ---- the element ------------------------------------------------------------------------------------------------- */

bool svg_inline(struct sink *sink, const char *svg, const struct svg_place *place) {
  const char *element = strstr(svg, "<svg"), *box = element ? strstr(element, "viewBox=\"") : NULL,
             *canvas = element ? strstr(element, "<g id=\"gnuplot_canvas\"") : NULL;
  if (!box || !canvas || box > canvas || !strstr(canvas, "</svg>")) {
    return false;
  }
  box += strlen("viewBox=\"");
  sink_print(sink,
             "<svg id=\"%s\" class=\"plot %s\" role=\"img\" aria-labelledby=\"%s-title %s-description\" "
             "viewBox=\"%.*s\" font-size=\"13\">",
             place->id, place->class_names, place->id, place->id, (int)strcspn(box, "\"<>"), box);
  sink_print(sink, "<title id=\"%s-title\">", place->id);
  html_text(sink, place->title);
  sink_print(sink, "</title><desc id=\"%s-description\">", place->id);
  html_text(sink, place->description);
  sink_print(sink, "</desc>\n");
  write_body(sink, place, canvas);
  sink_print(sink, "</svg>\n");
  return true;
}
