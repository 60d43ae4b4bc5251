/* Figures and names: every unit, every edge where one unit gives way to the next, bytes that are not UTF-8. */
#include "reports/format.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct figure {
  uint64_t value;
  const char *text;
};

static void check(const char *(*format)(char *, uint64_t), const struct figure *figures, size_t count) {
  char out[FORMAT_SIZE];
  for (size_t i = 0; i < count; i++) {
    cr_expect_str_eq(format(out, figures[i].value), figures[i].text, "%llu gives %s, expected %s",
                     (unsigned long long)figures[i].value, out, figures[i].text);
  }
}

/* The formatters take `char out[static N]`, which is another type to a pedantic compiler. */
static const char *bytes(char *out, uint64_t value) {
  return format_bytes(out, value);
}
static const char *round_bytes(char *out, uint64_t value) {
  return format_round_bytes(out, value);
}
static const char *count(char *out, uint64_t value) {
  return format_count(out, value);
}
static const char *duration(char *out, uint64_t value) {
  return format_duration(out, value);
}

Test(format, bytes) {
  static const struct figure figures[] = {{0, "0 B"},
                                          {1, "1 B"},
                                          {1023, "1023 B"},
                                          {1024, "1.0 KiB"},
                                          {1536, "1.5 KiB"},
                                          {10000, "9.8 KiB"},
                                          {1048524, "1023.9 KiB"},
                                          {1048525, "1.0 MiB"},
                                          {1048576, "1.0 MiB"},
                                          {25165824, "24.0 MiB"},
                                          {1073741823, "1.00 GiB"},
                                          {1073741824, "1.00 GiB"},
                                          {1299227607, "1.21 GiB"},
                                          {107368000000, "99.99 GiB"},
                                          {107374182400, "100.0 GiB"},
                                          {1099511627776, "1.00 TiB"},
                                          {UINT64_MAX, "16.00 EiB"}};
  check(bytes, figures, COUNT(figures));
}

Test(format, round_bytes_drop_only_what_is_nothing) {
  static const struct figure figures[] = {{0, "0 B"},        {4096, "4 KiB"},   {4097, "4.0 KiB"},
                                          {1536, "1.5 KiB"}, {10240, "10 KiB"}, {1048576, "1 MiB"}};
  check(round_bytes, figures, COUNT(figures));
}

Test(format, signed_bytes) {
  char out[FORMAT_SIZE];
  cr_expect_str_eq(format_signed_bytes(out, -12288), "-12.0 KiB");
  cr_expect_str_eq(format_signed_bytes(out, 5), "5 B");
  cr_expect_str_eq(format_signed_bytes(out, INT64_MIN), "-8.00 EiB");
}

Test(format, count) {
  static const struct figure figures[] = {
      {0, "0"}, {999, "999"}, {1000, "1,000"}, {1234567, "1,234,567"}, {UINT64_MAX, "18,446,744,073,709,551,615"}};
  check(count, figures, COUNT(figures));
}

Test(format, duration) {
  static const struct figure figures[] = {{0, "0 ns"},
                                          {999, "999 ns"},
                                          {1000, "1.00 us"},
                                          {12345, "12.3 us"},
                                          {999400, "999 us"},
                                          {999600, "1.00 ms"},
                                          {42300000000, "42.3 s"},
                                          {59949999999, "59.9 s"},
                                          {59950000000, "1 min 0 s"},
                                          {200000000000, "3 min 20 s"},
                                          {7500000000000, "2 h 5 min"},
                                          {90000000000000, "1 d 1 h"}};
  check(duration, figures, COUNT(figures));
}

Test(format, percent) {
  static const struct {
    double part, all;
    const char *text;
  } cases[] = {{1, 2, "50.0%"}, {1, 100000, "<0.1%"}, {-1, 100000, ">-0.1%"}, {0, 5, "0.0%"},
               {0, 0, "-"},     {1, 0, "-"},          {-1, 4, "-25.0%"},      {3, 3, "100.0%"}};
  char out[FORMAT_SIZE];
  for (size_t i = 0; i < COUNT(cases); i++) {
    cr_expect_str_eq(format_percent(out, cases[i].part, cases[i].all), cases[i].text, "got %s, expected %s", out,
                     cases[i].text);
  }
}

Test(format, width_counts_columns) {
  cr_expect_eq(format_width("abc"), 3);
  cr_expect_eq(format_width("\xc3\xbc"
                            "ber"),
               4);
  cr_expect_eq(format_width("\xe6\xbc\xa2\xe5\xad\x97"), 4); /* two wide characters */
  cr_expect_eq(format_width("e\xcc\x81"), 1);                /* e and a combining accent */
  cr_expect_eq(format_width("\xf0\x9f\x9a\x80"), 2);         /* a rocket */
}

Test(format, clean_replaces_what_is_not_utf8) {
  static const char *const cases[][2] = {
      {"plain", "plain"},
      {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"a\xc3", "a\xef\xbf\xbd"},                                               /* cut short */
      {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* overlong */
      {"\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* a surrogate */
      {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* beyond U+10FFFF */
      {"\xf0\x9f\x9a\x80", "\xf0\x9f\x9a\x80"},
      {"\033[31m", "\033[31m"}, /* JSON escapes it */
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    char *clean = format_clean(cases[i][0], false);
    cr_expect_str_eq(clean, cases[i][1], "case %zu", i);
    free(clean);
  }
}

Test(format, printable_text_has_no_control_characters) {
  char *clean = format_clean("a\033[31mb\tc\nd\xc2\x9b"
                             "e\xe2\x80\xae",
                             true);
  cr_expect_str_eq(clean, "a\xef\xbf\xbd[31mb c d\xef\xbf\xbd"
                          "e\xef\xbf\xbd");
  free(clean);
}

Test(format, fit_cuts_in_the_middle) {
  static const struct {
    const char *text;
    int columns;
    bool unicode;
    const char *fitted;
  } cases[] = {
      {"abcdef", 6, true, "abcdef"},
      {"abcdefgh", 7, true,
       "abc\xe2\x80\xa6"
       "fgh"},
      {"abcdefghijkl", 9, false, "abc...jkl"},
      {"abcdefgh", 5, false, "ab~gh"},
      {"abc", 1, true, "\xe2\x80\xa6"},
      {"abc", 0, true, ""},
      {"", 3, true, ""},
      /* a wide character is never cut in two: a column stays free instead */
      {"\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97", 6, true, "\xe6\xbc\xa2\xe2\x80\xa6\xe5\xad\x97"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    char *fitted = format_fit(cases[i].text, cases[i].columns, cases[i].unicode);
    cr_expect_str_eq(fitted, cases[i].fitted, "case %zu gives %s", i, fitted);
    cr_expect_leq(format_width(fitted), cases[i].columns, "case %zu", i);
    free(fitted);
  }
}

Test(format, command_is_quoted_where_a_shell_needs_it) {
  const char *const argv[] = {"python3", "-c", "print('x y')", "", "a=b"};
  char *text = format_command(COUNT(argv), argv);
  cr_expect_str_eq(text, "python3 -c 'print('\\''x y'\\'')' '' a=b");
  free(text);
}

Test(format, path) {
  static const char *const cases[][2] = {
      {"run.act", "run.act"}, {"-run", "./-run"}, {"- x", "'./- x'"}, {"a/-b", "a/-b"}, {"", "''"}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    char *text = format_path(cases[i][0]);
    cr_expect_str_eq(text, cases[i][1]);
    free(text);
  }
}
