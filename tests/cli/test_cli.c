/* The program from outside: exit statuses, messages, outputs, and files that are damaged. Its traces are made with the
 * true writer, so no program has to be recorded. */
#include "tests/cli/shell.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(cli, .init = shell_set_up, .fini = shell_tear_down);

Test(cli, statuses_and_messages) {
  static const struct shell_case usages[] = {
      {"$A", 2, NULL, "Usage: actscope COMMAND"},
      {"$A --help", 0, "record", NULL},
      {"$A --version", 0, "actscope 0.", NULL},
      {"$A help", 0, "Usage: actscope COMMAND", NULL},
      {"$A help report", 0, "Usage: actscope report", NULL},
      {"$A --nonsense", 2, NULL, "actscope: unknown option '--nonsense'"},
      {"$A help nonsense", 2, NULL, "unknown command 'nonsense'"},
      {"$A reprot run.act", 2, NULL, "actscope: unknown command 'reprot': did you mean 'report'?"},
      {"$A inf run.act", 2, NULL, "did you mean 'info'?"},
      {"$A xyzzy", 2, NULL, "`actscope --help' lists the commands"},
      {"$A report", 2, NULL, "no RUN given"},
      {"$A project a b", 2, NULL, "too many arguments: 'b'"},
      {"$A report --no-such-option run.act", 2, NULL, "unrecognized option '--no-such-option'"},
      {"$A report --format yaml run.act", 2, NULL, "unknown format 'yaml'; the formats are: text, json"},
      {"$A report --top ten run.act", 2, NULL, "--top: 'ten' is not a number"},
      {"$A report --top=-1 run.act", 2, NULL, "--top: '-1' is not a number"},
      {"$A report --color=blue run.act", 2, NULL, "unknown choice 'blue'"},
      {"$A project --bits 0 run.act", 2, NULL, "--bits: '0'"},
      {"$A project --bits 9 run.act", 2, NULL, "--bits: '9'"},
      {"$A project --bits 1,,2 run.act", 2, NULL, "--bits: '1,,2'"},
      {"$A project --bits '' run.act", 2, NULL, "--bits: ''"},
      {"$A project --functions gelu, run.act", 2, NULL, "--functions: 'gelu,'"},
      {"$A project --functions gelu,nosuch run.act", 2, NULL,
       "unknown function 'nosuch'; the functions are: gelu, silu"},
      {"$A project --functions GeluBackward0 run.act", 2, NULL, "unknown function 'gelubackward0'"},
      {"$A project --functions gelu_ run.act", 2, NULL, "tanh, sigmoid"},
      {"$A export run.act", 2, NULL, "no --format given"},
      {"$A export --format svg run.act", 2, NULL, "unknown format 'svg'"},
      {"$A record", 2, NULL, "no command given"},
      {"$A info run.act", 0, "3 allocations, 1 frees", NULL},
      {"$A info --json run.act", 0, "\"actscope.info/1\"", NULL},
      {"$A report run.act", 0, "peaked at 2.0 MiB", NULL},
      {"$A report --format=json run.act", 0, "\"actscope.report/1\"", NULL},
      {"$A report --format=csv --json run.act", 2, NULL, "--json and --format csv contradict each other"},
      {"$A report --json --format=text run.act", 2, NULL, "--json and --format text contradict each other"},
      {"$A report --json -f text --format=json run.act", 0, "\"actscope.report/1\"", NULL},
      {"$A report --since 0x10s run.act", 2, NULL, "'0x10s' is not a time into the run"},
      {"$A report -o '' run.act", 2, NULL, "-o: the name is empty"},
      {"$A analyze -o '' run.act", 2, NULL, "-o: the name is empty"},
      {"$A record -o '' -- true", 2, NULL, "-o: the name is empty"},
      {"$A record --no-probe --probe=hooks -- true", 2, NULL, "--no-probe and --probe=hooks contradict each other"},
      {"$A record --probe=symbols --no-probe -- true", 2, NULL, "--no-probe and --probe=symbols contradict each other"},
      {"$A record -o t --probe=none --no-probe -- ./nothing", 3, NULL, "./nothing: "},
      {"$A apply --bits 3 --record '' -- true", 2, NULL, "--record: the name is empty"},
      {"$A apply --bits 3 --record=t --json=./t -- true", 2, NULL, "--json and --record name the same file"},
      {"$A apply --bits 3 --record=new --json=./new -- true", 2, NULL, "--json and --record name the same file"},
      {"echo 0 1 1 >h; $A apply --bits 3 --weight histogram:h --json=./h -- true", 2, NULL,
       "--json and --weight name the same file"},
      {"$A project run.act", 0, "Nothing to replace", NULL},
      {"$A project --json --bits 8 --functions GELU run.act", 0, "\"functions\": \"GELU\"", NULL},
      {"$A export --format collapsed run.act", 0, " 2097152\n", NULL},
      {"$A analyze -q run.act", 0, NULL, NULL},
      {"$A info run.act.sqlite", 0, "store (SQLite)", NULL},
  };
  shell_expect(usages, COUNT(usages));
}

Test(cli, every_command_has_help) {
  static const char *const commands[] = {"record", "info", "analyze", "report", "project", "export"};
  for (size_t i = 0; i < COUNT(commands); i++) {
    char usage[64];
    snprintf(usage, sizeof usage, "Usage: actscope %s", commands[i]);
    cr_expect_eq(shell("$A %s --help", commands[i]), 0);
    cr_expect(holds("out", usage));
  }
}

/* ---- outputs --------------------------------------------------------------------------------------------------- */

Test(cli, output_goes_to_a_file_or_to_standard_output) {
  cr_expect_eq(shell("$A report --json run.act -o report.json"), 0);
  cr_expect_eq(size_of("out"), 0);
  cr_expect_eq(shell("$A report --json run.act -o - && cmp out report.json"), 0);
  cr_expect_eq(shell("$A report run.act -o none/report.txt"), 3);
  cr_expect(holds("err", "actscope: cannot write none/report.txt: No such file or directory"));
}

Test(cli, a_full_disk_is_told) {
  static const char *const lines[] = {"report", "report --json", "info", "project", "export --format collapsed"};
  for (size_t i = 0; i < COUNT(lines); i++) {
    cr_expect_eq(shell("$A %s run.act >/dev/full", lines[i]), 3, "%s", lines[i]);
    cr_expect(holds("err", "No space left on device"), "%s", lines[i]);
  }
  cr_expect_eq(shell("$A --help >/dev/full"), 3);
  cr_expect_eq(shell("$A report run.act -o /dev/full"), 3);
}

Test(cli, a_reader_that_goes_away_is_no_error) {
  /* with SIGPIPE as it is, and ignored as some parents leave it */
  cr_expect_eq(shell("$A report --json run.act | head -c 1"), 0);
  cr_expect_eq(size_of("err"), 0);
  cr_expect_eq(shell("trap '' PIPE; { $A report --json run.act; echo $? >status; } | true; grep -q 0 status"), 0);
  cr_expect_eq(size_of("err"), 0);
}

Test(cli, the_run_is_never_overwritten) {
  size_t before = size_of("run.act");
  cr_expect_eq(shell("$A report run.act -o run.act"), 2);
  cr_expect(holds("err", "would be lost"));
  cr_expect_eq(shell("$A analyze run.act -o ./run.act"), 2);
  cr_expect_eq(shell("ln -s run.act link && $A export --format collapsed run.act -o link"), 2);
  cr_expect_eq(size_of("run.act"), before);
}

Test(cli, a_store_replaces_nothing_but_a_store) {
  file_write("train.py", "import torch\n", 13);
  file_write("empty", "", 0);
  cr_expect_eq(shell("$A analyze run.act -o train.py"), 2);
  cr_expect(holds("err", "train.py: this file is no store and would be lost; name another with -o"));
  cr_expect(holds("train.py", "import torch"));
  cr_expect_eq(shell("ln -s train.py link && $A analyze run.act -o link"), 2);
  cr_expect(holds("train.py", "import torch"));
  cr_expect_eq(shell("$A analyze run.act -o empty && $A info empty"), 0);
  cr_expect_eq(shell("$A analyze run.act -o empty && $A info empty"), 0);
}

Test(cli, commands_to_copy_are_quoted) {
  cr_expect_eq(shell("mv run.act \"a b'c\" && $A analyze \"a b'c\""), 0);
  cr_expect(holds("err", "actscope report 'a b'\\''c.sqlite'\n"));
  cr_expect_eq(shell("cp \"a b'c\" ./-dash && $A analyze -o ./-dash.sqlite ./-dash && $A info -- -dash"), 0);
  cr_expect(holds("out", "next: actscope report ./-dash\n"));
  cr_expect_eq(shell("cp -- -dash \"$(printf 'x\\033[31m\\377')\" && $A analyze \"$(printf 'x\\033[31m\\377')\""), 0);
  cr_expect_not(holds("err", "\033"));
  cr_expect_not(holds("err", "\377"));
  cr_expect(holds("err", "report 'x\xef\xbf\xbd[31m\xef\xbf\xbd.sqlite'\n"));
}

Test(cli, a_store_gives_the_same_report) {
  cr_expect_eq(shell("$A analyze run.act -o store"), 0);
  cr_expect(holds("err", "actscope: wrote store ("));
  cr_expect_eq(shell("$A report --json run.act >a && $A report --json store >b && cmp a b"), 0);
  cr_expect_eq(shell("$A report run.act >a && $A report store >b && cmp a b"), 0);
  cr_expect_eq(shell("$A export --format collapsed run.act >a && $A export --format collapsed store >b && cmp a b"), 0);
}

/* Runs a line with a terminal as standard output and gives what it wrote. The child does nothing but exec: Criterion's
 * worker has threads, and even its assertions that hold take locks. */
static void terminal(const char *line, char *out, size_t size) {
  char command[8192];
  int fd;
  size_t used = 0;
  ssize_t got;
  struct winsize window = {.ws_row = 24, .ws_col = 80};
  snprintf(command, sizeof command, "A='%s'; %s", shell_program(), line);
  pid_t pid = forkpty(&fd, NULL, NULL, &window);
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  cr_assert_gt(pid, 0);
  while (used + 1 < size && (got = read(fd, out + used, size - 1 - used)) > 0) {
    used += (size_t)got;
  }
  out[used] = '\0';
  close(fd);
  waitpid(pid, NULL, 0);
}

Test(cli, colours_only_on_a_terminal) {
  char out[65536];
  cr_expect_eq(shell("TERM=xterm $A report run.act"), 0);
  cr_expect_not(holds("out", "\033["));
  cr_expect_eq(shell("$A report --color=always run.act"), 0);
  cr_expect(holds("out", "\033["));
  terminal("unset NO_COLOR; TERM=xterm $A report run.act", out, sizeof out);
  cr_expect_not_null(strstr(out, "\033[1m"));
  terminal("NO_COLOR=1 TERM=xterm $A report run.act", out, sizeof out);
  cr_expect_null(strstr(out, "\033["));
  cr_expect_not_null(strstr(out, "peaked at"));
  terminal("TERM=dumb $A report run.act", out, sizeof out);
  cr_expect_null(strstr(out, "\033["));
}

Test(cli, lines_follow_the_locale) {
  char out[65536];
  terminal("NO_COLOR=1 LC_ALL=C.UTF-8 $A report run.act", out, sizeof out);
  cr_expect_not_null(strstr(out, "\xe2\x80\xa2"));
  terminal("NO_COLOR=1 LC_ALL=C $A report run.act", out, sizeof out);
  cr_expect_null(strstr(out, "\xe2\x80\xa2"));
}

/* ---- what is no run -------------------------------------------------------------------------------------------- */

static const char *const readers[] = {
    "info", "report", "report --json", "analyze -q -o store", "project", "export --format collapsed"};

Test(cli, what_is_no_run_is_refused) {
  static const char *const runs[] = {"missing", "empty", "foreign", "short", "nodatabase", ".", "''"};
  file_write("empty", "", 0);
  file_write("foreign", "PK\003\004 this is no trace", 21);
  file_write("short", "ACTSCOPE\001", 9);
  file_write("nodatabase", "SQLite format 3\0 and nothing else", 33);
  for (size_t r = 0; r < COUNT(readers); r++) {
    for (size_t i = 0; i < COUNT(runs); i++) {
      int status = shell("$A %s %s", readers[r], runs[i]);
      cr_expect_eq(status, 3, "%s %s: exit status %d", readers[r], runs[i], status);
      cr_expect(holds("err", "actscope: ") && size_of("out") == 0, "%s %s", readers[r], runs[i]);
      cr_expect_neq(access("store", F_OK), 0, "a store was left behind");
    }
  }
}

/* RUN.<pid> is what a recording leaves that could not end. */
Test(cli, an_unfinished_recording_is_pointed_out) {
  cr_assert_eq(shell("mkdir in && cp run.act in/lost.17 && cp run.act in/lost.18-2 && cp run.act in/lost.19x &&"
                     " touch -d @1000 in/lost.17 && touch -d @2000 in/lost.18-2"),
               0);
  file_write("in/lost.20", "a log, no trace", 15);
  for (size_t r = 0; r < COUNT(readers); r++) {
    cr_expect_eq(shell("$A %s in/lost", readers[r]), 3);
    cr_expect(holds("err", "in/lost: there is no such file, but in/lost.18-2 is there: a recording that was not "
                           "finished; read that"),
              "%s", readers[r]);
  }
  cr_expect_eq(shell("cd in && touch -d @3000 lost.17 && $A info lost"), 3);
  cr_expect(holds("err", "but lost.17 is there"));
  cr_expect_eq(shell("rm -r in"), 0);
}

Test(cli, a_pipe_is_refused_at_once) {
  cr_expect_eq(shell("mkfifo pipe && timeout 20 $A info pipe"), 3);
  cr_expect_eq(shell("timeout 20 $A report pipe"), 3);
  cr_expect(holds("err", "pipe: not a regular file"));
}

/* Flipped bits and cut ends: 0 or 3, never a crash, and never 3 without a word. The seed is fixed. */
static void damage(const char *path, int rounds) {
  size_t size;
  uint8_t *bytes = file_read(path, &size);
  srand(20240229);
  for (int i = 0; i < rounds; i++) {
    size_t at = (size_t)rand() % size, kept = i % 4 == 3 ? at : size;
    uint8_t before = bytes[at];
    bytes[at] = (uint8_t)(before ^ (1 << rand() % 8));
    file_write("damaged", bytes, kept);
    int status = shell("$A %s damaged", readers[(size_t)i % COUNT(readers)]);
    cr_expect(status == 0 || status == 3, "byte %zu of %s, kept %zu: %s ends with %d", at, path, kept,
              readers[(size_t)i % COUNT(readers)], status);
    cr_expect(status == 0 || size_of("err") > 0, "byte %zu of %s: no message", at, path);
    bytes[at] = before;
  }
  free(bytes);
}

Test(cli, damaged_traces, .timeout = 240) {
  damage("run.act", 600);
}

Test(cli, damaged_stores, .timeout = 240) {
  cr_assert_eq(shell("$A analyze -q run.act"), 0);
  damage("run.act.sqlite", 600);
}
