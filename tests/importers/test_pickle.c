/* The pickle reader against what Python's own pickle writes, and against damage: never a crash (the sanitizers' stages are
 * what that is worth), never more than data. */
#include "importers/pickle.h"
#include "tests/importers/python.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t bytes[PYTHON_MAX];
static size_t size;

static void python(const char *expression, int protocol) {
  size = python_pickle(bytes, expression, protocol);
}

static struct pickle *parse(void) {
  struct pickle *pickle;
  struct error err = {""};
  cr_assert_eq(pickle_parse(&pickle, bytes, size, NULL, &err), 0, "%s", err.message);
  return pickle;
}

static void expect_refused(const void *program, size_t length, int code, const char *says) {
  struct pickle *pickle;
  struct error err = {""};
  cr_expect_eq(pickle_parse(&pickle, program, length, NULL, &err), code, "%s", err.message);
  cr_expect_null(pickle);
  cr_expect_not_null(strstr(err.message, says), "it says \"%s\", not \"%s\"", err.message, says);
}
#define REFUSED(program, says) expect_refused(program, sizeof(program) - 1, ERROR_INPUT, says)

/* ---- what Python writes ------------------------------------------------------------------------------------------ */

static void expect_integers(const struct pickle_value *list) {
  static const struct {
    uint64_t integer;
    bool negative;
  } expected[] = {{0, false},          {255, false},        {256, false},
                  {65535, false},      {65536, false},      {INT32_MAX, false},
                  {1u << 31, false},   {UINT64_MAX, true},  {(uint64_t)INT32_MIN, true},
                  {INT64_MAX, false},  {1ull << 63, false}, {UINT64_MAX, false},
                  {UINT64_MAX, false}, {1ull << 63, true}};
  cr_assert_eq(pickle_count(list), sizeof expected / sizeof *expected);
  for (size_t i = 0; i < pickle_count(list); i++) {
    const struct pickle_value *value = pickle_at(list, i);
    cr_expect(value->kind == PICKLE_INT && value->negative == expected[i].negative, "%zu", i);
    cr_expect_eq(value->integer, expected[i].integer, "%zu: %" PRIu64, i, value->integer);
    cr_expect_eq(pickle_u64(value, 77), expected[i].negative ? 77 : expected[i].integer);
  }
}

static void expect_everything(const struct pickle_value *root) {
  expect_integers(pickle_get(root, "ints"));
  cr_expect_eq(pickle_get(root, "none")->kind, PICKLE_NONE);
  cr_expect_eq(pickle_u64(pickle_get(root, "true"), 7), 1);
  cr_expect_eq(pickle_u64(pickle_get(root, "false"), 7), 0);
  cr_expect_float_eq(pickle_get(root, "float")->number, -1.5e300, 0);
  cr_expect_str_eq(pickle_text(pickle_get(root, "text"), ""), "n\u00e9 \u20ac");
  cr_expect_eq(strlen(pickle_text(pickle_get(root, "long text"), "")), 300);
  cr_expect_eq(pickle_count(pickle_get(root, "tuple")), 0);
  cr_expect_eq(pickle_count(pickle_get(root, "tuples")), 4);
  const struct pickle_value *four = pickle_at(pickle_get(root, "tuples"), 3);
  cr_expect_eq(pickle_u64(pickle_at(four, 3), 0), 4);
  cr_expect_eq(pickle_count(pickle_get(root, "many")), 3000);
  cr_expect_eq(pickle_u64(pickle_at(pickle_get(root, "many"), 2999), 0), 2999);
  cr_expect_eq(pickle_count(pickle_get(root, "keys")), 3000);
  cr_expect_eq(pickle_u64(pickle_get(pickle_get(root, "keys"), "2718"), 0), 2718);
}

static const char everything[] =
    "{\"none\": None, \"true\": True, \"false\": False, \"float\": -1.5e300, \"text\": \"n\\u00e9 \\u20ac\","
    " \"ints\": [0, 255, 256, 65535, 65536, 2**31-1, 2**31, -1, -2**31, 2**63-1, 2**63, 2**64-1, 2**70, -2**63],"
    " \"long text\": \"x\" * 300, \"tuple\": (), \"tuples\": [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],"
    " \"many\": list(range(3000)), \"keys\": {str(i): i for i in range(3000)}, 5: \"no text for a key\", (1, 2): []}";

Test(pickle, reads_what_python_writes) {
  for (int protocol = 2; protocol <= 5; protocol++) {
    python(everything, protocol);
    struct pickle *pickle = parse();
    expect_everything(pickle_root(pickle));
    pickle_close(pickle);
  }
}

Test(pickle, reads_what_newer_protocols_add) {
  python("{\"set\": {7}, \"frozen\": frozenset([8, 9]), \"bytes\": b\"\\x00\\xff\", \"array\": bytearray(5)}", 5);
  struct pickle *pickle = parse();
  const struct pickle_value *root = pickle_root(pickle);
  cr_assert_eq(pickle_u64(pickle_at(pickle_get(root, "set"), 0), 0), 7);
  cr_assert_eq(pickle_count(pickle_get(root, "frozen")), 2);
  cr_assert_eq(pickle_get(root, "bytes")->size, 2);
  cr_assert_arr_eq(pickle_get(root, "bytes")->text, "\x00\xff", 3);
  cr_assert_eq(pickle_get(root, "array")->size, 5);
  pickle_close(pickle);
}

Test(pickle, the_same_object_is_the_same_container) {
  for (int protocol = 2; protocol <= 5; protocol++) {
    python("(lambda a: [a, a, [1], a])([1])", protocol);
    struct pickle *pickle = parse();
    uint32_t *marks[4];
    for (size_t i = 0; i < 4; i++) {
      marks[i] = pickle_mark(pickle_at(pickle_root(pickle), i));
      cr_assert_eq(*marks[i], 0);
    }
    cr_assert(marks[0] == marks[1] && marks[0] == marks[3] && marks[0] != marks[2]);
    pickle_close(pickle);
  }
}

/* A list in itself, by a reference to what is not whole yet. */
Test(pickle, cycles_are_read_and_freed) {
  for (int protocol = 2; protocol <= 5; protocol++) {
    python("(lambda a: (a.append(a), a.append({\"me\": a}), a)[2])([])", protocol);
    struct pickle *pickle = parse();
    const struct pickle_value *root = pickle_root(pickle);
    cr_assert_eq(pickle_mark(pickle_at(root, 0)), pickle_mark(root));
    cr_assert_eq(pickle_mark(pickle_get(pickle_at(root, 1), "me")), pickle_mark(root));
    pickle_close(pickle);
  }
}

Test(pickle, what_follows_the_end_is_not_looked_at) {
  python("[1]", 4);
  memset(bytes + size, 0, 3); /* as torch.cuda._memory_viz pads it */
  size += 3;
  struct pickle *pickle = parse();
  cr_assert_eq(pickle_count(pickle_root(pickle)), 1);
  pickle_close(pickle);
}

Test(pickle, missing_values_have_fallbacks) {
  python("{\"list\": [1], \"text\": \"t\", \"twice\": 1}", 4);
  struct pickle *pickle = parse();
  const struct pickle_value *root = pickle_root(pickle), *list = pickle_get(root, "list");
  cr_assert_null(pickle_get(root, "nothing"));
  cr_assert_null(pickle_get(list, "list"));
  cr_assert_null(pickle_get(NULL, "list"));
  cr_assert_null(pickle_at(list, 1));
  cr_assert_null(pickle_at(root, 0));
  cr_assert_null(pickle_at(NULL, 0));
  cr_assert_null(pickle_mark(pickle_at(list, 0)));
  cr_assert_eq(pickle_count(pickle_get(root, "text")), 0);
  cr_assert_eq(pickle_count(NULL), 0);
  cr_assert_eq(pickle_u64(list, 9), 9);
  cr_assert_eq(pickle_u64(NULL, 9), 9);
  cr_assert_str_eq(pickle_text(list, "none"), "none");
  cr_assert_str_eq(pickle_text(NULL, "none"), "none");
  pickle_close(pickle);
  pickle_close(NULL);
}

Test(pickle, of_equal_keys_the_last_counts) {
  static const char twice[] = "\x80\x02}(U\001aK\001U\001aK\002u.";
  memcpy(bytes, twice, size = sizeof twice - 1);
  struct pickle *pickle = parse();
  cr_assert_eq(pickle_u64(pickle_get(pickle_root(pickle), "a"), 0), 2);
  pickle_close(pickle);
}

static void note(void *context, double share) {
  double *last = context;
  cr_assert(share >= *last && share <= 1);
  *last = share;
}

Test(pickle, tells_how_far_it_is) {
  double last = 0;
  struct pickle_options options = {.progress = note, .context = &last};
  struct pickle *pickle;
  size_t length = 5 << 20;
  char *program = calloc(1, length + 8);
  memset(program, 'N', length);
  program[length] = '.';
  cr_assert_eq(pickle_parse(&pickle, (const uint8_t *)program, length + 1, &options, NULL), 0);
  cr_assert(last > 0.7, "%g", last);
  pickle_close(pickle);
  free(program);
}

/* ---- more than data ---------------------------------------------------------------------------------------------- */

/* With Python's loader each of these would do something. */
Test(pickle, nothing_is_imported_called_or_built) {
  static const char says[] = "asks to import, call or build";
  REFUSED("\x80\x02"
          "cos\nsystem\n(U\004truetR.",
          says);                                                           /* GLOBAL, REDUCE */
  REFUSED("\x80\x04\x8c\002os\x8c\006system\x93\x8c\004true\x85R.", says); /* STACK_GLOBAL */
  REFUSED("(S'true'\nios\nsystem\n.", "protocol 0");
  REFUSED("(ios\nsystem\n.", says);   /* INST */
  REFUSED("\x80\x02\x82\001.", says); /* EXT1 */
  REFUSED("\x80\x02K\001Q.", says);   /* BINPERSID */
  for (int protocol = 2; protocol <= 5; protocol++) {
    python("print", protocol);
    expect_refused(bytes, size, ERROR_INPUT, says);
    python("__import__(\"collections\").OrderedDict(a=1)", protocol);
    expect_refused(bytes, size, ERROR_INPUT, says);
  }
  python("{1}", 2); /* a set was a call then */
  expect_refused(bytes, size, ERROR_INPUT, says);
}

Test(pickle, other_protocols_are_named) {
  REFUSED("\x80\x06N.", "protocol 6");
  python("{\"a\": 1}", 0);
  expect_refused(bytes, size, ERROR_INPUT, "protocol 0");
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

Test(pickle, programs_that_make_no_sense) {
  REFUSED("", "its end is missing");
  REFUSED(".", "a value that is missing");
  REFUSED("(.", "a value that is missing");
  REFUSED("(N.", "a value that is missing"); /* a mark is left */
  REFUSED("t.", "a list without its beginning");
  REFUSED("e.", "a list without its beginning");
  REFUSED("1.", "a list without its beginning");
  REFUSED("0N.", "a value that is missing");
  REFUSED("2.", "a value that is missing");
  REFUSED("a.", "an item that is missing");
  REFUSED("Na.", "items of something that holds none");
  REFUSED("NNa.", "items of something that holds none");
  REFUSED("]N(K\001e.", "items of something that holds none");
  REFUSED("}NNa.", "items of something that holds none");
  REFUSED("](NNu.", "items of something that holds none");
  REFUSED("}(Nu.", "items of something that holds none"); /* a key without its value */
  REFUSED("N(\x85.", "a tuple of too few values");        /* what is below the mark is not there */
  REFUSED("\x87.", "a tuple of too few values");
  REFUSED("h\001.", "a reference to nothing");
  REFUSED("q\001.", "a reference to nothing");
  REFUSED("\x94.", "a reference to nothing");
  REFUSED("Nq\001h\002.", "a reference to nothing");
  REFUSED("h", "a reference that is cut short");
  REFUSED("J\001\002", "a number that is cut short");
  REFUSED("G1234567", "a number that is cut short");
  REFUSED("\x8a\002\001", "a number that is cut short");
  REFUSED("\x80", "its end is missing");
  REFUSED("\x95\001\000\000", "its end is missing");
  expect_refused("N\0.", 3, ERROR_INPUT, "do not have");
  REFUSED("N\xff.", "do not have");
}

/* Counts far beyond the file are found before any memory is asked for. */
Test(pickle, huge_counts_are_lies) {
  REFUSED("X\377\377\377\377abc.", "a text that is cut short");
  REFUSED("\x8d\377\377\377\377\377\377\377\377abc.", "a text that is cut short");
  REFUSED("\x8e\000\000\000\000\001\000\000\000abc.", "a text that is cut short");
  REFUSED("\x8b\377\377\377\377\001.", "a number that is cut short");
  REFUSED("Nr\377\377\377\377.", "a reference to nothing");
  REFUSED("Nr\200\000\000\000.", "a reference to nothing");
}

Test(pickle, a_number_of_no_bytes_is_zero) {
  static const char zero[] = "\x8a\000.";
  memcpy(bytes, zero, size = sizeof zero - 1);
  struct pickle *pickle = parse();
  cr_assert_eq(pickle_u64(pickle_root(pickle), 7), 0);
  pickle_close(pickle);
}

static uint64_t visit(const struct pickle_value *value, int depth) {
  uint64_t sum = value->kind;
  if (value->kind == PICKLE_TEXT) {
    return sum + strlen(value->text);
  }
  if (value->kind != PICKLE_LIST && value->kind != PICKLE_DICT) {
    return sum + value->integer;
  }
  for (uint32_t i = 0; depth && i < value->container->count; i++) {
    sum += visit(&value->container->items[i], depth - 1);
  }
  return sum;
}

/* Whatever comes out can be looked at. */
static bool survives(const uint8_t *program, size_t length) {
  struct pickle *pickle;
  struct error err = {""};
  int rc = pickle_parse(&pickle, program, length, NULL, &err);
  cr_assert(rc == 0 || ((rc == ERROR_INPUT || rc == ERROR_MEMORY) && *err.message), "%d", rc);
  if (rc == 0) {
    visit(pickle_root(pickle), 4);
  }
  pickle_close(pickle);
  return rc == 0;
}

static const char small[] =
    "{\"segments\": [{\"address\": 7 * 2**40, \"blocks\": [{\"size\": i, \"state\": \"inactive\"} "
    "for i in range(3)]}], \"device_traces\": [[(1, 2.5, None, True, -3, 2**66)] * 3, []]}";

Test(pickle, survives_every_cut) {
  for (int protocol = 2; protocol <= 5; protocol++) {
    python(small, protocol);
    for (size_t length = 0; length < size; length++) {
      uint8_t *exact = malloc(length + 1); /* so that a read beyond it is one beyond the block */
      memcpy(exact, bytes, length);
      uint8_t *shrunk = realloc(exact, length ? length : 1);
      cr_assert_not(survives(shrunk, length), "cut to %zu of %zu bytes", length, size);
      free(shrunk);
    }
  }
}

Test(pickle, survives_every_changed_byte) {
  for (int protocol = 2; protocol <= 5; protocol += 3) {
    python(small, protocol);
    for (size_t at = 0; at < size; at++) {
      for (int value = 0; value < 256; value++) {
        uint8_t before = bytes[at];
        bytes[at] = (uint8_t)value;
        survives(bytes, size);
        bytes[at] = before;
      }
    }
  }
}

/* Programs of random opcodes, most of them of those that work. */
Test(pickle, survives_random_programs) {
  static const char opcodes[] = "(]}))NK\001K\002}(\x85\x86\x87"
                                "eaust012.]q\001h\001\x94\x88U\001aM";
  uint64_t state = 88172645463325252u;
  uint8_t program[64];
  size_t parsed = 0;
  for (int round = 0; round < 200000; round++) {
    for (size_t i = 0; i < sizeof program; i++) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      program[i] = state >> 32 & 0x1f ? (uint8_t)opcodes[(state >> 40) % (sizeof opcodes - 1)] : (uint8_t)(state >> 48);
    }
    parsed += survives(program, sizeof program);
  }
  cr_assert_gt(parsed, 1000, "the programs are hopeless: %zu", parsed);
}
