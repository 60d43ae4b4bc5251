/* An argp's options. */
#include "cli/options.h"

#include "cli/nearest.h"

#include <ctype.h>
#include <string.h>

/* What argp itself adds. */
static const struct argp_option own[] = {{"help", '?', NULL, 0, "Give this help list", -1},
                                         {"usage", 0x7fff0001, NULL, 0, "Give a short usage message", -1},
                                         {0}};

static bool is_end(const struct argp_option *option) {
  return !option->name && !option->key && !option->doc && !option->group;
}

/* A header or a remark, which stands in --help alone. */
static bool is_text(const struct argp_option *option) {
  return (!option->name && !isalnum(option->key)) || option->flags & (OPTION_DOC | OPTION_HIDDEN);
}

/* The index-th; *index is lowered by those that were passed over. */
static const struct argp_option *walk(const struct argp *argp, size_t *index) {
  const struct argp_option *found = NULL;
  for (const struct argp_option *option = argp->options; option && !is_end(option); option++) {
    if (!is_text(option) && (*index)-- == 0) {
      return option;
    }
  }
  for (const struct argp_child *child = argp->children; !found && child && child->argp; child++) {
    found = walk(child->argp, index);
  }
  return found;
}

const struct argp_option *options_at(const struct argp *argp, size_t index) {
  const struct argp_option *found = walk(argp, &index);
  return found ? found : index < sizeof own / sizeof *own - 1 ? &own[index] : NULL;
}

const struct argp_option *options_find(const struct argp *argp, const char *text, size_t length, bool *several) {
  const struct argp_option *option, *found = NULL;
  size_t count = 0;
  for (size_t i = 0; (option = options_at(argp, i)); i++) {
    if (option->name && strncmp(option->name, text, length) == 0) {
      if (!option->name[length]) {
        *several = false;
        return option;
      }
      found = option;
      count++;
    }
  }
  *several = count > 1;
  return count == 1 ? found : NULL;
}

const struct argp_option *options_find_letter(const struct argp *argp, char letter) {
  const struct argp_option *option;
  for (size_t i = 0; (option = options_at(argp, i)); i++) {
    if (option->key == letter) {
      return option;
    }
  }
  return NULL;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static bool needs_value(const struct argp_option *option) {
  return option->arg && !(option->flags & OPTION_ARG_OPTIONAL);
}

static enum options_word scan_long(struct options_scan *scan, const char *name) {
  const size_t length = strcspn(name, "=");
  bool several;
  const struct argp_option *option = options_find(scan->argp, name, length, &several);
  if (!option) {
    return several ? OPTIONS_OPTION : OPTIONS_UNKNOWN;
  }
  scan->awaiting = needs_value(option) && !name[length] ? option : NULL;
  return OPTIONS_OPTION;
}

/* "-qo": the value of o is the next word. */
static enum options_word scan_letters(struct options_scan *scan, const char *letters) {
  for (; *letters; letters++) {
    const struct argp_option *option = options_find_letter(scan->argp, *letters);
    if (option && option->arg) {
      scan->awaiting = needs_value(option) && !letters[1] ? option : NULL;
      break;
    }
  }
  return OPTIONS_OPTION;
}

enum options_word options_scan_word(struct options_scan *scan, const char *word) {
  if (scan->awaiting) {
    scan->awaiting = NULL;
    return OPTIONS_VALUE;
  }
  if (scan->ended || word[0] != '-' || !word[1]) {
    scan->ended = scan->ended || scan->in_order;
    return OPTIONS_PLAIN;
  }
  if (strcmp(word, "--") == 0) {
    scan->ended = true;
    return OPTIONS_END;
  }
  return word[1] == '-' ? scan_long(scan, word + 2) : scan_letters(scan, word + 1);
}

static const struct argp_option *nearest_option(const struct argp *argp, const char *word) {
  const struct argp_option *option, *found = NULL;
  const char *best = NULL, *before;
  char name[64];
  const size_t length = strcspn(word, "=");
  size_t distance = 0;
  if (length >= sizeof name) {
    return NULL;
  }
  memcpy(name, word, length);
  name[length] = '\0';
  for (size_t i = 0; (option = options_at(argp, i)); i++) {
    before = best;
    if (option->name) {
      nearest_consider(name, option->name, &best, &distance);
    }
    found = best != before ? option : found;
  }
  return found;
}

const char *options_unknown(const struct argp *argp, bool in_order, int argc, char *const *argv,
                            const struct argp_option **meant) {
  struct options_scan scan = {.argp = argp, .in_order = in_order};
  for (int i = 1; i < argc; i++) {
    if (options_scan_word(&scan, argv[i]) == OPTIONS_UNKNOWN) {
      *meant = nearest_option(argp, argv[i] + 2);
      return argv[i];
    }
  }
  return NULL;
}
