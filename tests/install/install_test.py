"""A user's project finds an installed Troupe and links it: install_test.py BUILD COMPILER"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPILER = sys.argv.pop(2)
BUILD = Path(sys.argv.pop(1)).absolute()


class Install(unittest.TestCase):
    def do(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def test_a_project_of_its_own(self):
        with tempfile.TemporaryDirectory() as home:
            prefix, project = Path(home, "prefix"), Path(home, "user")
            self.do("cmake", "--install", BUILD, "--prefix", prefix, "--component", "library")
            shutil.copytree(HERE / "user", project)
            self.do("cmake", "-S", project, "-B", project / "build",
                    f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={COMPILER}")
            self.do("cmake", "--build", project / "build")
            self.assertIn("1 topic, port 10915", self.do(project / "build" / "user"))
            self.assert_nothing_points_back(prefix)

    def test_another_framework_is_refused_in_one_line(self):
        with tempfile.TemporaryDirectory() as home:
            Path(home, "caf").mkdir()
            Path(home, "caf/config.hpp").write_text("#define CAF_VERSION 1805\n")
            Path(home, "user.cpp").write_text('#include "net/client.hpp"\n')
            done = subprocess.run([COMPILER, "-std=c++20", "-fsyntax-only", "-I", home, "-I",
                                   HERE.parent.parent, f"{home}/user.cpp"],
                                  capture_output=True, text=True, check=False)
            errors = [line for line in done.stderr.splitlines() if "error:" in line]
            self.assertIn("Troupe needs CAF 0.17", errors[0])
            self.assertLessEqual(len(errors), 2, done.stderr)

    def test_the_program_is_installed_without_its_symbols(self):
        with tempfile.TemporaryDirectory() as prefix:
            for component in ("program", "symbols"):
                self.do("cmake", "--install", BUILD, "--prefix", prefix, "--component", component)
            program, symbols = Path(prefix, "bin/troupe"), Path(prefix, "bin/troupe.debug")
            self.assertLess(program.stat().st_size, 20 << 20)
            self.assertGreater(symbols.stat().st_size, program.stat().st_size)
            self.assertIn(b"troupe.debug", program.read_bytes())  # where a debugger finds them

    def assert_nothing_points_back(self, prefix):
        """What was installed works without the tree it was built from."""
        tree = re.compile(re.escape(str(HERE.parent.parent)) + r"|" + re.escape(str(BUILD)))
        for path in sorted(prefix.rglob("*.cmake")):
            self.assertIsNone(tree.search(path.read_text()), os.fspath(path))


if __name__ == "__main__":
    unittest.main()
