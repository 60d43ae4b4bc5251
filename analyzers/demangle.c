/* A signature is read left to right at nesting depth zero. What stands before a space is a return type, unless it is
 * part of an operator's name; a group in parentheses is a parameter list, also in the middle ("f(int)::local::g()"),
 * where it belongs to the enclosing function; template arguments, lambdas and ABI tags are taken whole. */
#include "analyzers/demangle.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANONYMOUS "(anonymous namespace)"
#define LONG_ARGUMENTS 24 /* characters, brackets included: "<float, 16>" stays, a functor's type does not */

/* From <cxxabi.h>, which C cannot include. */
char *__cxa_demangle(const char *mangled, char *buffer, size_t *length, int *status); /* NOLINT */

char *demangle(const char *symbol) {
  if (strncmp(symbol, "_Z", 2) == 0) {
    char *name = __cxa_demangle(symbol, NULL, NULL, NULL);
    if (name) {
      return name;
    }
  }
  return strdup(symbol);
}

static bool starts(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_word(char c) {
  return isalnum((unsigned char)c) || c == '_' || c == '$';
}

/* Length of "operator" with the symbol behind it, 0 if p is at no such word. Longer symbols come first. */
static size_t operator_length(const char *text, const char *p) {
  static const char *const symbols[] = {"()", "[]", "<=>", "<<=", ">>=", "->*", "<<",
                                        ">>", "<=", ">=",  "->",  "<",   ">",   NULL};
  size_t word = strlen("operator");
  if (!starts(p, "operator") || is_word(p[word]) || (p > text && is_word(p[-1]))) {
    return 0;
  }
  for (size_t i = 0; symbols[i]; i++) {
    if (starts(p + word, symbols[i])) {
      return word + strlen(symbols[i]);
    }
  }
  return word;
}

/* The end of the bracketed group that begins at p, or NULL if its brackets do not match. */
static const char *group_end(const char *text, const char *p) {
  char open[256];
  size_t depth = 0;
  while (*p) {
    size_t skip = operator_length(text, p);
    if (skip || starts(p, "->")) {
      p += skip ? skip : 2;
      continue;
    }
    const char *opening = strchr("(<[{", *p);
    const char *closing = strchr(")>]}", *p);
    if (opening) {
      if (depth == sizeof open) {
        return NULL;
      }
      open[depth++] = ")>]}"[opening - "(<[{"];
    } else if (closing && (depth == 0 || open[--depth] != *p)) {
      return NULL;
    } else if (closing && depth == 0) {
      return p + 1;
    }
    p++;
  }
  return NULL;
}

static const char *skip_qualifiers(const char *p) {
  static const char *const words[] = {" const", " volatile", " &&", " &"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (starts(p, words[i])) {
      p += strlen(words[i]);
      i = (size_t)-1;
    }
  }
  return p;
}

struct scan {
  const char *text, *p;
  char *out; /* as large as the text: nothing here makes it longer */
  size_t used;
  enum demangle_form form;
  bool in_operator, done;
};

static void scan_copy(struct scan *s, const char *end) {
  memcpy(s->out + s->used, s->p, (size_t)(end - s->p));
  s->used += (size_t)(end - s->p);
  s->p = end;
}

static bool scan_parentheses(struct scan *s) {
  const char *end = group_end(s->text, s->p);
  if (!end) {
    return false;
  }
  if (s->used >= 8 && memcmp(s->out + s->used - 8, "decltype", 8) == 0) {
    s->p = end; /* of a return type, which the next space drops */
    return true;
  }
  end = skip_qualifiers(end);
  if (*end == '(' || s->used == 0) {
    return false; /* returns a pointer to a function, or is no signature */
  }
  s->p = end;
  s->done = !starts(end, "::");
  s->in_operator = false;
  return true;
}

static bool scan_brackets(struct scan *s) {
  const char *end = group_end(s->text, s->p);
  if (!end) {
    return false;
  }
  if (*s->p == '<' && s->form == DEMANGLE_SHORT && end - s->p > LONG_ARGUMENTS) {
    memcpy(s->out + s->used, "<...>", 5);
    s->used += 5;
    s->p = end;
  } else {
    scan_copy(s, end);
  }
  return true;
}

static void scan_space(struct scan *s) {
  bool keep = s->in_operator || starts(s->p, " [abi:");
  if (starts(s->p, " [clone")) {
    s->done = true;
  } else if (keep) {
    scan_copy(s, s->p + 1);
  } else if (starts(s->p + 1, "(") && s->used >= 8 && memcmp(s->out + s->used - 8, "decltype", 8) == 0) {
    s->p++;
  } else {
    s->used = 0;
    s->p++;
  }
}

static bool scan_step(struct scan *s) {
  size_t operator_size = operator_length(s->text, s->p);
  if (operator_size) {
    s->in_operator = true;
    scan_copy(s, s->p + operator_size);
  } else if (starts(s->p, ANONYMOUS)) {
    if (s->form == DEMANGLE_SHORT) {
      s->p += strlen(ANONYMOUS) + (starts(s->p, ANONYMOUS "::") ? 2 : 0);
    } else {
      scan_copy(s, s->p + strlen(ANONYMOUS));
    }
  } else if (*s->p == '(') {
    return scan_parentheses(s);
  } else if (strchr("<[{", *s->p)) {
    return scan_brackets(s);
  } else if (*s->p == ' ') {
    scan_space(s);
  } else {
    scan_copy(s, s->p + 1);
  }
  return true;
}

/* What the compiler appends to the C functions that it splits or specialises. */
static size_t clone_suffix(const char *name, size_t length) {
  static const char *const suffixes[] = {".cold", ".part.", ".constprop.", ".isra.", ".lto_priv.", ".llvm."};
  for (size_t i = 1; i < length; i++) {
    for (size_t k = 0; name[i] == '.' && k < sizeof suffixes / sizeof *suffixes; k++) {
      if (starts(name + i, suffixes[k])) {
        return i;
      }
    }
  }
  return length;
}

static bool is_data(const char *text) {
  return starts(text, "vtable for ") || starts(text, "typeinfo ") || starts(text, "guard variable ") ||
         starts(text, "VTT for ");
}

void demangle_name(const char *signature, enum demangle_form form, char *out, size_t n) {
  struct scan s = {.text = signature, .p = signature, .form = form};
  s.out = malloc(strlen(signature) + 1);
  bool ok = s.out && !is_data(signature);
  while (ok && *s.p && !s.done) {
    ok = scan_step(&s);
  }
  if (ok && s.used > 0) {
    s.out[s.used] = '\0';
    snprintf(out, n, "%.*s", (int)clone_suffix(s.out, s.used), s.out);
  } else {
    snprintf(out, n, "%s", signature);
  }
  free(s.out);
}
