"""An installation below a prefix: it works from there, and from wherever it is moved to; programs are built against it; and
it can be taken off again, whole."""
import json
import os
import re
import shutil
import subprocess
import unittest

import harness

BUILD = os.path.dirname(os.path.dirname(harness.ACTSCOPE))

MARKED = """#include <actscope/mark.h>
#include <stdlib.h>
#include <string.h>
enum { N = 1 << 18 };
int main(void) {
  for (int step = 0; step < 3; step++) {
    actscope_mark_step();
    actscope_mark_phase(ACTSCOPE_FORWARD);
    float *x = (float *)malloc(N * sizeof *x);
    memset(x, step, N * sizeof *x);
    actscope_mark_save(x, N, ACTSCOPE_FLOAT32, "gelu");
    actscope_mark_phase(ACTSCOPE_BACKWARD);
    actscope_mark_release(x, "gelu");
    free(x);
    actscope_mark_phase(ACTSCOPE_OUTSIDE);
  }
  return 0;
}
"""
CMAKE = """cmake_minimum_required(VERSION 3.16)
project(user C CXX)
find_package(actscope 0.1 REQUIRED)
foreach(kind c cpp)
  add_executable(marked_${kind} marked.${kind})
  target_link_libraries(marked_${kind} PRIVATE actscope::mark)
endforeach()
"""


class Install(harness.TestCase):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(BUILD, "cmake_install.cmake")):
            self.skipTest(f"{BUILD} is no build folder")
        harness.INSTALLING.acquire()
        self.addCleanup(harness.INSTALLING.release)
        self.prefix = self.path("prefix")
        self.install()

    def run_checked(self, *command, **options):
        result = self.run_program(list(command), **options)
        self.assertEqual(result.returncode, 0, f"{command}: {result.stdout}{result.stderr}")
        return result.stdout

    def install(self, **env):
        self.run_checked("cmake", "--install", BUILD, "--prefix", self.prefix, env=env)

    def files(self, folder):
        return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)

    def record(self, prefix, *command):
        """With nothing but the installation: no variable of ours, another folder to be in."""
        run = self.path("run.act")
        program = os.path.join(prefix, "bin", "actscope")
        self.run_checked(program, "record", "-qo", run, "--", *command, cwd="/")
        return json.loads(self.run_checked(program, "report", run, "--format", "json", cwd="/"))

    def check_works(self, prefix):
        report = self.record(prefix, "/bin/sh", "-c", "x=$(seq 20000); echo $x >/dev/null")
        self.assertGreater(report["run"]["events"], 0)
        doctor = self.run_program([os.path.join(prefix, "bin", "actscope"), "doctor", "--json"], cwd="/")
        checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
        self.assertEqual(checks["a recording"]["state"], "ok", checks)
        self.assertIn(prefix, checks["preload library"]["found"])

    def test_works_from_where_it_is_and_from_elsewhere(self):
        self.check_works(self.prefix)
        moved = self.path("moved")
        os.rename(self.prefix, moved)
        self.check_works(moved)

    def test_nothing_names_the_build_folder(self):
        """No run path leads into it, and the texts that are installed do not name it."""
        for path in self.files(self.prefix):
            with self.subTest(path=path):
                with open(path, "rb") as file:
                    data = file.read()
                if data.startswith(b"\x7fELF"):
                    runpath = re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", self.run_checked("readelf", "-d", path))
                    self.assertTrue(all(part.startswith("$ORIGIN") for text in runpath for part in text.split(":") if part),
                                    runpath)
                elif not data.startswith(b"!<arch>"):
                    self.assertNotIn(BUILD.encode(), data)

    def test_manual_and_completion(self):
        installed = {os.path.relpath(path, self.prefix) for path in self.files(self.prefix)}
        for name in os.listdir(os.path.join(harness.ROOT, "docs", "man")):
            self.assertIn(os.path.join("share", "man", "man1", name), installed)
        self.assertIn("share/bash-completion/completions/actscope", installed)
        self.assertIn("share/zsh/site-functions/_actscope", installed)
        self.assertFalse([name for name in installed if os.path.basename(name).startswith(".")])

    def check_marks(self, program):
        report = self.record(self.prefix, program)
        self.assertEqual(report["run"]["evidence"], "mark")
        self.assertEqual([(op["op"], op["bytes"]) for op in report["saved"]["by_op"]], [("gelu", 1 << 20)])

    def test_marks_by_pkg_config(self):
        with open(self.path("marked.c"), "w", encoding="utf-8") as file:
            file.write(MARKED)
        found = os.path.dirname(next(path for path in self.files(self.prefix) if path.endswith("/actscope.pc")))
        flags = self.run_checked("pkg-config", "--cflags", "--libs", "actscope", env={"PKG_CONFIG_PATH": found}).split()
        for compiler, language in (("cc", "c"), ("c++", "c++")):
            with self.subTest(compiler=compiler):
                self.run_checked(compiler, "-Wall", "-Wextra", "-Werror", "-x", language, self.path("marked.c"), "-x", "none",
                                 *flags, "-o", self.path("marked"))
                self.check_marks(self.path("marked"))

    def test_marks_by_cmake(self):
        for name, text in (("marked.c", MARKED), ("marked.cpp", MARKED), ("CMakeLists.txt", CMAKE)):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(text)
        self.run_checked("cmake", "-S", self.folder, "-B", self.path("build"), f"-DCMAKE_PREFIX_PATH={self.prefix}")
        self.run_checked("cmake", "--build", self.path("build"))
        for kind in ("c", "cpp"):
            with self.subTest(kind=kind):
                self.check_marks(self.path(f"build/marked_{kind}"))

    def uninstall(self, **env):
        self.run_checked("cmake", "--build", BUILD, "--target", "uninstall", env=env)

    def test_uninstall(self):
        """What others have beside it stays; what Python compiled within it goes."""
        others = [os.path.join(self.prefix, "bin", "another"), os.path.join(self.prefix, "lib", "pkgconfig", "another.pc")]
        for path in others:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write("mine")
        startup = next(os.path.dirname(path) for path in self.files(self.prefix) if path.endswith("/sitecustomize.py"))
        subprocess.run(["python3", "-m", "compileall", "-q", startup], check=True)
        self.assertTrue(os.path.isdir(os.path.join(startup, "__pycache__")))
        self.uninstall()
        self.assertEqual(self.files(self.prefix), sorted(others))
        self.assertFalse([at for at, _, _ in os.walk(self.prefix) if re.search("actscope|fewbit", at[len(self.prefix):])])
        result = self.run_program(["cmake", "--build", BUILD, "--target", "uninstall"])
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stdout + result.stderr, r"nothing\s+was\s+installed")

    def test_uninstall_of_a_staged_installation(self):
        shutil.rmtree(self.prefix)
        self.prefix = "/usr"
        stage = self.path("stage")
        self.install(DESTDIR=stage)
        self.assertTrue(os.path.exists(os.path.join(stage, "usr/bin/actscope")))
        self.uninstall(DESTDIR=stage)
        self.assertEqual(self.files(stage), [])


if __name__ == "__main__":
    unittest.main()
