/* profile.proto of github.com/google/pprof, version 3 of its syntax; the numbers below are its field numbers. Inlined
 * calls are locations of their own: facts have no addresses that they could share. */
#include "reports/pprof.h"

#include "analyzers/facts_modules.h"
#include "reports/format.h"
#include "reports/frames.h"
#include "reports/numbering.h"
#include "reports/protobuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum profile_field {
  PROFILE_SAMPLE_TYPE = 1,
  PROFILE_SAMPLE = 2,
  PROFILE_MAPPING = 3,
  PROFILE_LOCATION = 4,
  PROFILE_FUNCTION = 5,
  PROFILE_STRING_TABLE = 6,
  PROFILE_TIME_NANOS = 9,
  PROFILE_DURATION_NANOS = 10,
  PROFILE_PERIOD_TYPE = 11,
  PROFILE_PERIOD = 12,
  PROFILE_COMMENT = 13,
  PROFILE_DEFAULT_SAMPLE_TYPE = 14
};
enum value_type_field { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2 };
enum sample_field { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum label_field { LABEL_KEY = 1, LABEL_STR = 2 };
enum mapping_field {
  MAPPING_ID = 1,
  MAPPING_FILENAME = 5,
  MAPPING_BUILD_ID = 6,
  MAPPING_HAS_FUNCTIONS = 7,
  MAPPING_HAS_FILENAMES = 8,
  MAPPING_HAS_LINE_NUMBERS = 9,
  MAPPING_HAS_INLINE_FRAMES = 10
};
enum location_field { LOCATION_ID = 1, LOCATION_MAPPING_ID = 2, LOCATION_LINE = 4 };
enum line_field { LINE_FUNCTION_ID = 1, LINE_LINE = 2 };
enum function_field { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM_NAME = 3, FUNCTION_FILENAME = 4 };

static const char empty[] = "";

struct profile {
  const struct facts *facts;
  struct protobuf whole, part, inner; /* the profile, a message in it, a message in that */
  /* Keys: a string; a module; function, file, module if the frame is nameless; function, file, module, line. */
  struct numbering strings, mappings, functions, locations;
  uint64_t *ids; /* of a sample's locations */
  size_t ids_capacity;
  bool failed;
};

/* Texts in facts are interned and constants are one each, so their addresses tell them apart. */
static uint64_t string_id(struct profile *profile, const char *text) {
  uint32_t number = numbering_of(&profile->strings, &(struct numbering_key){.strings = {text && *text ? text : empty}});
  profile->failed |= !number;
  return number - (uint64_t)1; /* the table's first entry, 0, is "" */
}

static void value_type(struct profile *profile, enum profile_field field, const char *type, const char *unit) {
  protobuf_clear(&profile->part);
  protobuf_integer(&profile->part, VALUE_TYPE_TYPE, string_id(profile, type));
  protobuf_integer(&profile->part, VALUE_TYPE_UNIT, string_id(profile, unit));
  protobuf_message(&profile->whole, field, &profile->part);
}

/* ---- samples -------------------------------------------------------------------------------------------------- */

static void put_label(struct profile *profile, const char *key, const char *text) {
  if (text && *text) {
    protobuf_clear(&profile->inner);
    protobuf_integer(&profile->inner, LABEL_KEY, string_id(profile, key));
    protobuf_integer(&profile->inner, LABEL_STR, string_id(profile, text));
    protobuf_message(&profile->part, SAMPLE_LABEL, &profile->inner);
  }
}

static void put_sample(struct profile *profile, size_t locations, uint64_t blocks, uint64_t bytes, const char *category,
                       const char *op) {
  protobuf_clear(&profile->part);
  protobuf_integers(&profile->part, SAMPLE_LOCATION_ID, profile->ids, locations);
  protobuf_integers(&profile->part, SAMPLE_VALUE, (const uint64_t[]){blocks, bytes}, 2);
  put_label(profile, "category", category);
  put_label(profile, "op", op);
  protobuf_message(&profile->whole, PROFILE_SAMPLE, &profile->part);
}

static bool reserve_ids(struct profile *profile, size_t count) {
  if (count > profile->ids_capacity) {
    uint64_t *ids = realloc(profile->ids, count * sizeof *ids);
    if (!ids) {
      profile->failed = true;
      return false;
    }
    profile->ids = ids;
    profile->ids_capacity = count;
  }
  return true;
}

static uint64_t location_id(struct profile *profile, const struct facts_frame *frame) {
  struct numbering_key key = {{frame->function, frame->file, frame->module}, frame->line};
  uint32_t number;
  if (frames_is_nameless(frame)) {
    key = (struct numbering_key){{NULL, NULL, frame->module}, 0};
  }
  number = numbering_of(&profile->locations, &key);
  profile->failed |= !number;
  return number;
}

static void put_site(struct profile *profile, const struct facts_site *site) {
  static const struct facts_frame no_stack = {(char *)"[no stack]", (char *)empty, (char *)empty, 0};
  const struct facts_stack *stack = frames_find(profile->facts, site->stack);
  size_t count = stack ? stack->frames_count : 0;
  if (!reserve_ids(profile, count + 1)) {
    return;
  }
  for (size_t i = 0; i < count; i++) {
    profile->ids[i] = location_id(profile, &stack->frames[i]);
  }
  if (!count) {
    profile->ids[count++] = location_id(profile, &no_stack);
  }
  put_sample(profile, count, site->blocks, site->bytes, category_names[site->category], site->op);
}

static void put_rest(struct profile *profile, const char *name, uint64_t bytes, enum category category) {
  const struct facts_frame frame = {(char *)name, (char *)empty, (char *)empty, 0};
  if (bytes && reserve_ids(profile, 1)) {
    profile->ids[0] = location_id(profile, &frame);
    put_sample(profile, 1, 0, bytes, category_names[category], NULL);
  }
}

static void put_samples(struct profile *profile) {
  const struct frames_rest rest = frames_rest(profile->facts);
  for (size_t i = 0; i < profile->facts->sites_count; i++) {
    if (profile->facts->sites[i].bytes) {
      put_site(profile, &profile->facts->sites[i]);
    }
  }
  put_rest(profile, "[small blocks]", rest.small, CATEGORY_SMALL);
  put_rest(profile, "[sites not listed]", rest.other, CATEGORY_OTHER);
}

/* ---- tables: locations name functions and mappings, all of them strings --------------------------------------- */

static uint64_t mapping_id(struct profile *profile, const char *module) {
  uint32_t number;
  if (!module || !*module) {
    return 0;
  }
  number = numbering_of(&profile->mappings, &(struct numbering_key){.strings = {module}});
  profile->failed |= !number;
  return number;
}

/* The first mapping is taken for the program's own: the one that calls main. */
static void number_program(struct profile *profile) {
  for (size_t i = 0; i < profile->facts->sites_count; i++) {
    const struct facts_stack *stack = frames_find(profile->facts, profile->facts->sites[i].stack);
    const struct facts_frame *outermost = stack && stack->frames_count ? &stack->frames[stack->frames_count - 1] : NULL;
    if (outermost && outermost->function && strcmp(outermost->function, "_start") == 0) {
      mapping_id(profile, outermost->module);
      return;
    }
  }
}

static void put_locations(struct profile *profile) {
  for (size_t i = 0; i < profile->locations.count && !profile->failed; i++) {
    const struct numbering_key *key = &profile->locations.keys[i];
    struct numbering_key function = {{key->strings[0], key->strings[1], key->strings[0] ? NULL : key->strings[2]}, 0};
    uint32_t number = numbering_of(&profile->functions, &function);
    profile->failed |= !number;
    protobuf_clear(&profile->inner);
    protobuf_integer(&profile->inner, LINE_FUNCTION_ID, number);
    protobuf_integer(&profile->inner, LINE_LINE, key->number);
    protobuf_clear(&profile->part);
    protobuf_integer(&profile->part, LOCATION_ID, i + 1);
    protobuf_integer(&profile->part, LOCATION_MAPPING_ID, mapping_id(profile, key->strings[2]));
    protobuf_message(&profile->part, LOCATION_LINE, &profile->inner);
    protobuf_message(&profile->whole, PROFILE_LOCATION, &profile->part);
  }
}

/* All says that there is nothing left to symbolize: pprof would look for the files otherwise. */
static void put_mappings(struct profile *profile) {
  for (size_t i = 0; i < profile->mappings.count && !profile->failed; i++) {
    const char *name = profile->mappings.keys[i].strings[0];
    const struct facts_module *module = facts_find_module(profile->facts, name);
    protobuf_clear(&profile->part);
    protobuf_integer(&profile->part, MAPPING_ID, i + 1);
    protobuf_integer(&profile->part, MAPPING_FILENAME, string_id(profile, module ? module->path : name));
    protobuf_integer(&profile->part, MAPPING_BUILD_ID, string_id(profile, module ? module->build_id : empty));
    protobuf_integer(&profile->part, MAPPING_HAS_FUNCTIONS, 1);
    protobuf_integer(&profile->part, MAPPING_HAS_FILENAMES, 1);
    protobuf_integer(&profile->part, MAPPING_HAS_LINE_NUMBERS, 1);
    protobuf_integer(&profile->part, MAPPING_HAS_INLINE_FRAMES, 1);
    protobuf_message(&profile->whole, PROFILE_MAPPING, &profile->part);
  }
}

/* Nameless frames are "[libfoo.so]": their module stands in the string table with brackets, see put_strings. */
static uint64_t function_name(struct profile *profile, const struct numbering_key *function) {
  struct numbering_key bracketed = {{function->strings[2] ? function->strings[2] : empty}, 1};
  uint32_t number;
  if (function->strings[0]) {
    return string_id(profile, function->strings[0]);
  }
  number = numbering_of(&profile->strings, &bracketed);
  profile->failed |= !number;
  return number - (uint64_t)1;
}

static void put_functions(struct profile *profile) {
  for (size_t i = 0; i < profile->functions.count && !profile->failed; i++) {
    const struct numbering_key *key = &profile->functions.keys[i];
    uint64_t name = function_name(profile, key);
    /* Where the system's name is the same, pprof takes "<module>" of Python for the arguments of a template, and drops it. */
    bool is_plain = !key->strings[0] || key->strings[0][0] != '<';
    protobuf_clear(&profile->part);
    protobuf_integer(&profile->part, FUNCTION_ID, i + 1);
    protobuf_integer(&profile->part, FUNCTION_NAME, name);
    protobuf_integer(&profile->part, FUNCTION_SYSTEM_NAME, is_plain ? name : 0);
    protobuf_integer(&profile->part, FUNCTION_FILENAME, string_id(profile, key->strings[1]));
    protobuf_message(&profile->whole, PROFILE_FUNCTION, &profile->part);
  }
}

static void put_strings(struct profile *profile) {
  for (size_t i = 0; i < profile->strings.count; i++) {
    const struct numbering_key *key = &profile->strings.keys[i];
    const struct facts_frame nameless = {.module = (char *)key->strings[0]};
    char *text = key->number ? frames_name(&nameless) : format_clean(key->strings[0], false);
    profile->failed |= !text;
    protobuf_text(&profile->whole, PROFILE_STRING_TABLE, text ? text : "");
    free(text);
  }
}

static void put_run(struct profile *profile) {
  const struct facts_run *run = &profile->facts->run;
  uint64_t comment = string_id(profile, run->command);
  value_type(profile, PROFILE_PERIOD_TYPE, "space", "bytes");
  protobuf_integer(&profile->whole, PROFILE_PERIOD, 1);
  protobuf_integer(&profile->whole, PROFILE_TIME_NANOS, run->start_unix_ns + profile->facts->peak.time_ns);
  protobuf_integer(&profile->whole, PROFILE_DURATION_NANOS, run->wall_ns);
  protobuf_integers(&profile->whole, PROFILE_COMMENT, &comment, 1);
  protobuf_integer(&profile->whole, PROFILE_DEFAULT_SAMPLE_TYPE, string_id(profile, "inuse_space"));
}

static void build(struct profile *profile) {
  string_id(profile, empty);
  value_type(profile, PROFILE_SAMPLE_TYPE, "inuse_objects", "count");
  value_type(profile, PROFILE_SAMPLE_TYPE, "inuse_space", "bytes");
  put_samples(profile);
  number_program(profile);
  put_locations(profile);
  put_mappings(profile);
  put_functions(profile);
  put_run(profile);
  put_strings(profile);
}

/* ---- gzip ----------------------------------------------------------------------------------------------------- */

enum { GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8 }; /* 16 more ask zlib for gzip's header, with no time in it */

static void write_gzip(struct sink *sink, const struct protobuf *message) {
  unsigned char out[1 << 14];
  z_stream stream = {.next_in = message->bytes, .avail_in = (uInt)message->size};
  int rc;
  if (message->size > UINT32_MAX ||
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
    sink_fail(sink, ENOMEM);
    return;
  }
  do {
    stream.next_out = out;
    stream.avail_out = sizeof out;
    rc = deflate(&stream, Z_FINISH);
    sink_write(sink, (const char *)out, sizeof out - stream.avail_out);
  } while (rc == Z_OK);
  deflateEnd(&stream);
  if (rc != Z_STREAM_END) {
    sink_fail(sink, EIO);
  }
}

static void profile_fini(struct profile *profile) {
  protobuf_fini(&profile->whole);
  protobuf_fini(&profile->part);
  protobuf_fini(&profile->inner);
  numbering_fini(&profile->strings);
  numbering_fini(&profile->mappings);
  numbering_fini(&profile->functions);
  numbering_fini(&profile->locations);
  free(profile->ids);
}

void pprof_emit(struct sink *sink, const struct facts *facts) {
  struct profile profile = {.facts = facts};
  build(&profile);
  if (profile.failed || profile.whole.failed || profile.part.failed || profile.inner.failed) {
    sink_fail(sink, ENOMEM);
  } else {
    write_gzip(sink, &profile.whole);
  }
  profile_fini(&profile);
}
