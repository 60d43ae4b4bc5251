/* Figures and names as people read them. */
#include "reports/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- figures ------------------------------------------------------------------------------------------------- */

const char *format_bytes(char out[static FORMAT_SIZE], uint64_t bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = (double)bytes / 1024;
  size_t unit = 0;
  if (bytes < 1024) {
    snprintf(out, FORMAT_SIZE, "%" PRIu64 " B", bytes);
    return out;
  }
  while (value >= 1023.95 && unit + 1 < sizeof units / sizeof *units) { /* what would print as 1024.0 */
    value /= 1024;
    unit++;
  }
  snprintf(out, FORMAT_SIZE, "%.*f %s", unit >= 2 && value < 99.995 ? 2 : 1, value, units[unit]);
  return out;
}

const char *format_round_bytes(char out[static FORMAT_SIZE], uint64_t bytes) {
  char *zero;
  format_bytes(out, bytes);
  zero = strstr(out, ".0 ");
  if (zero && bytes % 1024 == 0) {
    memmove(zero, zero + 2, strlen(zero + 2) + 1);
  }
  return out;
}

const char *format_signed_bytes(char out[static FORMAT_SIZE], int64_t bytes) {
  char magnitude[FORMAT_SIZE];
  format_bytes(magnitude, bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes);
  snprintf(out, FORMAT_SIZE, "%s%.40s", bytes < 0 ? "-" : "", magnitude);
  return out;
}

const char *format_count(char out[static FORMAT_SIZE], uint64_t count) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
  char *to = out;
  for (int i = 0; i < length; i++) {
    if (i && (length - i) % 3 == 0) {
      *to++ = ',';
    }
    *to++ = digits[i];
  }
  *to = '\0';
  return out;
}

/* "3 min 20 s": two units, for what is a minute or more. */
static const char *format_long_duration(char *out, uint64_t seconds) {
  static const struct {
    uint64_t seconds;
    const char *name, *next;
    uint64_t next_seconds;
  } units[] = {{86400, "d", "h", 3600}, {3600, "h", "min", 60}, {60, "min", "s", 1}};
  size_t i = 0;
  while (i < 2 && seconds < units[i].seconds) {
    i++;
  }
  snprintf(out, FORMAT_SIZE, "%" PRIu64 " %s %" PRIu64 " %s", seconds / units[i].seconds, units[i].name,
           seconds % units[i].seconds / units[i].next_seconds, units[i].next);
  return out;
}

const char *format_duration(char out[static FORMAT_SIZE], uint64_t ns) {
  static const char *const units[] = {"ns", "us", "ms", "s"};
  double value = (double)ns;
  int unit = 0;
  if (ns >= 59950000000u) {
    return format_long_duration(out, (ns + 500000000) / 1000000000);
  }
  while (value >= 999.5 && unit < 3) {
    value /= 1000;
    unit++;
  }
  snprintf(out, FORMAT_SIZE, "%.*f %s", unit == 0 || value >= 99.95 ? 0 : value < 9.995 ? 2 : 1, value, units[unit]);
  return out;
}

const char *format_percent(char out[static FORMAT_SIZE], double part, double all) {
  double percent = 100 * part / all;
  if (!isfinite(percent)) {
    snprintf(out, FORMAT_SIZE, "-");
  } else if (percent != 0 && fabs(percent) < 0.05) {
    snprintf(out, FORMAT_SIZE, "%s0.1%%", percent < 0 ? ">-" : "<");
  } else {
    snprintf(out, FORMAT_SIZE, "%.1f%%", percent + 0.0);
  }
  return out;
}

/* ---- UTF-8 --------------------------------------------------------------------------------------------------- */

/* Bytes that follow this lead byte, and the smallest character that may be written so; -1: no lead byte. */
static int utf8_tail(uint8_t lead, int32_t *bits, int32_t *least) {
  if (lead < 0x80) {
    *bits = lead;
    *least = 0;
    return 0;
  }
  if (lead >= 0xc2 && lead < 0xe0) {
    *bits = lead & 0x1f;
    *least = 0x80;
    return 1;
  }
  if (lead >= 0xe0 && lead < 0xf0) {
    *bits = lead & 0x0f;
    *least = 0x800;
    return 2;
  }
  *bits = lead & 0x07;
  *least = 0x10000;
  return lead >= 0xf0 && lead < 0xf5 ? 3 : -1;
}

int32_t format_utf8_next(const char **text) {
  const uint8_t *at = (const uint8_t *)*text;
  int32_t character, least;
  int tail = utf8_tail(*at, &character, &least);
  (*text)++;
  for (int i = 1; i <= tail; i++) {
    if ((at[i] & 0xc0) != 0x80) {
      return -1;
    }
    character = character << 6 | (at[i] & 0x3f);
  }
  if (tail < 0 || character < least || character > 0x10ffff || (character >= 0xd800 && character < 0xe000)) {
    return -1;
  }
  *text += tail;
  return character;
}

/* Own tables rather than wcwidth: the result must not hang on the locale. */
struct range {
  int32_t first, last;
};

static bool in_ranges(const struct range *ranges, size_t count, int32_t character) {
  for (size_t i = 0; i < count; i++) {
    if (character >= ranges[i].first && character <= ranges[i].last) {
      return true;
    }
  }
  return false;
}

static int character_width(int32_t character) {
  static const struct range zero[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},    {0x610, 0x61a},
                                      {0x64b, 0x65f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},  {0x200b, 0x200f},
                                      {0x202a, 0x202e}, {0x2060, 0x2064}, {0x20d0, 0x20f0},  {0xfe00, 0xfe0f},
                                      {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0100, 0xe01ef}};
  static const struct range wide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff},  {0x3400, 0x4dbf},
                                      {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xac00, 0xd7a3},  {0xf900, 0xfaff},
                                      {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},  {0x1f300, 0x1f64f},
                                      {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
  if (character < 0x300) {
    return 1;
  }
  if (in_ranges(zero, sizeof zero / sizeof *zero, character)) {
    return 0;
  }
  return in_ranges(wide, sizeof wide / sizeof *wide, character) ? 2 : 1;
}

int format_width(const char *text) {
  int width = 0;
  while (*text) {
    int32_t character = format_utf8_next(&text);
    width += character < 0 ? 1 : character_width(character);
  }
  return width;
}

/* C0, DEL, C1, and the characters that turn the direction of writing (they can hide what a line says). */
static bool is_control(int32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

char *format_clean(const char *text, bool printable) {
  static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
  char *clean = malloc(3 * strlen(text) + 1), *to = clean;
  while (clean && *text) {
    const char *begin = text;
    int32_t character = format_utf8_next(&text);
    size_t size = (size_t)(text - begin);
    if (printable && (character == '\n' || character == '\t')) {
      *to++ = ' ';
    } else if (character < 0 || (printable && is_control(character))) {
      to = mempcpy(to, replacement, 3);
    } else {
      to = mempcpy(to, begin, size);
    }
  }
  if (clean) {
    *to = '\0';
  }
  return clean;
}

/* The longest beginning of text that takes at most `columns`. */
static size_t head_bytes(const char *text, int columns) {
  const char *at = text, *end = text;
  while (*at) {
    int32_t character = format_utf8_next(&at);
    columns -= character_width(character);
    if (columns < 0) {
      break;
    }
    end = at;
  }
  return (size_t)(end - text);
}

/* Where the longest end of text begins that takes at most `columns`; a combining mark is never its first character. */
static const char *tail_begin(const char *text, int columns) {
  int width = format_width(text);
  while (*text && width > columns) {
    width -= character_width(format_utf8_next(&text));
  }
  while (*text) {
    const char *next = text;
    if (character_width(format_utf8_next(&next)) > 0) {
      break;
    }
    text = next;
  }
  return text;
}

char *format_fit(const char *text, int columns, bool unicode) {
  const char *ellipsis = unicode ? "\xe2\x80\xa6" : columns >= 8 ? "..." : "~";
  char *clean = format_clean(text, true), *cut = NULL;
  int room = columns - format_width(ellipsis);
  if (!clean || format_width(clean) <= columns) {
    return clean;
  }
  if (room < 0) {
    clean[0] = '\0';
    return clean;
  }
  if (asprintf(&cut, "%.*s%s%s", (int)head_bytes(clean, (room + 1) / 2), clean, ellipsis, tail_begin(clean, room / 2)) <
      0) {
    cut = NULL;
  }
  free(clean);
  return cut;
}

/* ---- command lines ------------------------------------------------------------------------------------------- */

static bool needs_quotes(const char *argument) {
  static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  return !*argument || argument[strspn(argument, safe)] != '\0';
}

static void write_argument(FILE *out, const char *argument) {
  if (!needs_quotes(argument)) {
    fputs(argument, out);
    return;
  }
  fputc('\'', out);
  for (; *argument; argument++) {
    if (*argument == '\'') {
      fputs("'\\''", out);
    } else {
      fputc(*argument, out);
    }
  }
  fputc('\'', out);
}

char *format_command(int argc, const char *const *argv) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) {
    return NULL;
  }
  for (int i = 0; i < argc; i++) {
    fputs(i ? " " : "", out);
    write_argument(out, argv[i]);
  }
  if (fclose(out) != 0) {
    free(text);
    return NULL;
  }
  return text;
}

char *format_path(const char *path) {
  char *plain = NULL, *text = NULL;
  if (asprintf(&plain, "%s%s", *path == '-' ? "./" : "", path) >= 0) {
    text = format_command(1, (const char *const *)&plain);
    free(plain);
  }
  return text;
}
