/* Two names with a comma between. */
#include "cli/tensors.h"

#include <string.h>

static bool is_escape(const char *at) {
  return at[0] == '\\' && (at[1] == ',' || at[1] == '\\');
}

/* The first comma that is part of no name, or NULL. */
static char *find_comma(char *text) {
  while (*text && *text != ',') {
    text += is_escape(text) ? 2 : 1;
  }
  return *text ? text : NULL;
}

static void unescape(char *text) {
  char *to = text;
  while (*text) {
    text += is_escape(text);
    *to++ = *text++;
  }
  *to = '\0';
}

bool tensors_split(char *text, const char **x, const char **dy) {
  char *comma = find_comma(text);
  if (!comma || comma == text || !comma[1] || find_comma(comma + 1)) {
    return false;
  }
  *comma = '\0';
  unescape(text);
  unescape(comma + 1);
  *x = text;
  *dy = comma + 1;
  return true;
}
