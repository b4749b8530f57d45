#!/usr/bin/env python3
# tests/compile_fail/check_test.py — check.py objects to what it should object to, and to nothing else.
import os
import sys
import tempfile
import unittest

from check import applies, check

COMPILER = [sys.argv.pop(1) if len(sys.argv) > 1 else "c++", "-std=c++20"]


class CompileFail(unittest.TestCase):
    def complaint(self, text, compiler_id="GNU", compiler_version="12.2.0"):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "case.cpp")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return check(path, COMPILER, compiler_id, compiler_version)

    def test_accepts_the_expected_error(self):
        self.assertIsNone(self.complaint('// expect: give it a name\nstatic_assert(false, "give it a name");\n'))

    def test_objects_to_another_error(self):
        self.assertIn("no line matches", self.complaint('// expect: give it a name\nstatic_assert(false, "no");\n'))

    def test_objects_to_a_file_that_compiles(self):
        self.assertIn("must not", self.complaint("// expect: x\nint i;\n"))

    def test_objects_to_a_file_without_expectation(self):
        self.assertIn("expect", self.complaint("int i = nothing;\n"))

    def test_compiles_with_the_flags_of_the_file(self):
        text = '%s// expect: why\n#ifdef ODD\nstatic_assert(false, "why");\n#endif\n'
        self.assertIsNone(self.complaint(text % "// flags: -DODD\n"))
        self.assertIn("must not", self.complaint(text % ""))

    def test_objects_if_the_fixed_variant_fails(self):
        text = '// expect: why\n#ifndef GMPCORO_FIXED\nstatic_assert(false, "why");\n#endif\n%s\n'
        self.assertIsNone(self.complaint(text % ""))
        self.assertIn("another reason", self.complaint(text % "int i = nothing;"))

    def test_must_compile_where_the_condition_does_not_hold(self):
        failing = '// expect: why\n// only: gcc<13\nstatic_assert(false, "why");\n'
        self.assertIsNone(self.complaint(failing))
        self.assertIn("must compile", self.complaint(failing, compiler_version="13.1"))
        self.assertIsNone(self.complaint("// expect: why\n// only: gcc<13\nint i;\n", "Clang", "19.1.7"))

    def test_reads_conditions(self):
        self.assertTrue(applies("clang", "Clang", "16.0.0"))
        self.assertFalse(applies("clang", "GNU", "12.2.0"))
        self.assertTrue(applies("gcc>=13", "GNU", "13.1.0"))
        self.assertFalse(applies("gcc>=13", "GNU", "12.2.0"))
        with self.assertRaises(ValueError):
            applies("msvc", "GNU", "12.2.0")


if __name__ == "__main__":
    unittest.main()
