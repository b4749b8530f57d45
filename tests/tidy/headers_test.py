#!/usr/bin/env python3
# tests/tidy/headers_test.py — headers.py objects to what it should object to, and to nothing else.
import os
import sys
import tempfile
import unittest

import headers

COMPILER = [sys.argv.pop(1) if len(sys.argv) > 1 else "c++", "-std=c++20", "-Wall", "-Wextra", "-Werror"]


class Headers(unittest.TestCase):
    def complaint(self, text, header="gmp/x.hpp", top="include"):
        with tempfile.TemporaryDirectory() as root:
            path = os.path.join(root, top, header)
            os.makedirs(os.path.dirname(path))
            with open(path, "w", encoding="utf-8") as file:
                file.write("#pragma once\n" + text)
            self.assertEqual(list(headers.headers(root)), [(top, header)])
            return headers.check(top, header, [*COMPILER, "-I" + os.path.join(root, top)])

    def test_accepts_a_header_that_includes_what_it_uses(self):
        self.assertIsNone(self.complaint("#include <string>\nnamespace gmp { std::string f(); }\n"))

    def test_objects_to_a_header_that_does_not(self):
        self.assertIn("does not stand alone", self.complaint("namespace gmp { std::string f(); }\n"))

    def test_objects_to_a_header_that_cannot_be_included_twice(self):
        self.assertIsNone(self.complaint("namespace gmp { struct S {}; }\n"))
        self.assertIn("redefinition", self.complaint("#pragma GCC system_header\n}\n#error redefinition\n"))

    def test_objects_to_names_that_hide_those_of_the_system(self):
        self.assertIn("time", self.complaint("namespace gmp { namespace time { int x(); } }\n"))
        anything = "template <class... A> long select(A&&...);"
        self.assertIn("does not stand alone", self.complaint("namespace gmp { %s template <class... A> long send(A&&...) = delete; }\n" % anything))

    def test_the_build_has_shown_what_a_source_file_includes_first(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "src", "wait"))
            with open(os.path.join(root, "src", "wait", "x.cpp"), "w", encoding="utf-8") as file:
                file.write('// x\n#include "wait/x.hpp"\n\n#include <string>\n#include "wait/y.hpp"\n')
            with open(os.path.join(root, "src", "wait", "z.cpp"), "w", encoding="utf-8") as file:
                file.write('#include <string>\n#include "wait/z.hpp"\n')
            self.assertEqual(headers.shown_by_the_build(root), {"wait/x.hpp"})

    def test_private_headers_may_hide_what_they_like(self):
        text = "namespace gmp { namespace time { int x(); } }\n"
        self.assertIsNone(self.complaint(text, "gmp/detail/x.hpp"))
        self.assertIsNone(self.complaint(text, "wait/x.hpp", "src"))


if __name__ == "__main__":
    unittest.main()
