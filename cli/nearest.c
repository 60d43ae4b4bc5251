/* Edit distance. */
#include "cli/nearest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LENGTH_MAX = 32, SLIPS_MAX = 2 };

static size_t least(size_t a, size_t b, size_t c) {
  size_t ab = a < b ? a : b;
  return ab < c ? ab : c;
}

/* Levenshtein's distance, with the swap of neighbours as one edit (Damerau's, restricted), whatever the case of letters;
 * both no longer than LENGTH_MAX. */
static size_t edit_distance(const char *a, const char *b) {
  size_t rows[LENGTH_MAX + 1][LENGTH_MAX + 1];
  const size_t a_length = strlen(a), b_length = strlen(b);
  for (size_t i = 0; i <= a_length; i++) {
    for (size_t j = 0; j <= b_length; j++) {
      if (!i || !j) {
        rows[i][j] = i + j;
        continue;
      }
      const int at_a = tolower((unsigned char)a[i - 1]), at_b = tolower((unsigned char)b[j - 1]);
      rows[i][j] = least(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (at_a != at_b));
      if (i > 1 && j > 1 && at_a == tolower((unsigned char)b[j - 2]) && tolower((unsigned char)a[i - 2]) == at_b &&
          rows[i - 2][j - 2] + 1 < rows[i][j]) {
        rows[i][j] = rows[i - 2][j - 2] + 1;
      }
    }
  }
  return rows[a_length][b_length];
}

/* Half of a name's letters wrong is another name. Three letters or more that a name begins with are as good as one slip. */
static size_t distance_of(const char *text, const char *name) {
  const size_t length = strlen(text), size = strlen(name);
  if (length > LENGTH_MAX || size > LENGTH_MAX) {
    return SLIPS_MAX + 1;
  }
  if (length >= 3 && strncasecmp(text, name, length) == 0) {
    return size != length;
  }
  const size_t distance = edit_distance(text, name);
  return distance * 2 < size ? distance : SLIPS_MAX + 1;
}

void nearest_consider(const char *text, const char *name, const char **best, size_t *distance) {
  const size_t found = distance_of(text, name);
  if (found <= SLIPS_MAX && (!*best || found < *distance)) {
    *best = name;
    *distance = found;
  }
}

const char *nearest_find(const char *text, nearest_names *names) {
  const char *best = NULL, *name;
  size_t distance = 0;
  for (size_t i = 0; (name = names(i)); i++) {
    nearest_consider(text, name, &best, &distance);
  }
  return best;
}

int nearest_suggest(struct error *err, int code, const char *text, nearest_names *names) {
  const char *name = nearest_find(text, names);
  const size_t used = strlen(err->message);
  if (name && strcmp(name, text) != 0) { /* if it is one, something else is wrong */
    snprintf(err->message + used, sizeof err->message - used, "; did you mean '%s'?", name);
  }
  return code;
}
