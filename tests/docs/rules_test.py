#!/usr/bin/env python3
# tests/docs/rules_test.py — the checks of the documentation find what is wrong: each is given something bad.
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "docs", "generator"))
sys.path.insert(0, HERE)
import markdown  # noqa: E402
import pages  # noqa: E402
import programs  # noqa: E402
import reference  # noqa: E402
import run as runner  # noqa: E402
from headers import Header  # noqa: E402
from highlight import highlight  # noqa: E402

HEADER = '''// include/gmp/x.hpp — X: something.
// Go: x.  Room: x (floor 5).
#pragma once
namespace gmp {
namespace detail {
struct Hidden { int f(); };
class XOp { public: class Awaiter; };
class XOp::Awaiter {
  int await_resume();
};
}
/// Something.   Go: Thing.
class X : public detail::Base {
 public:
  X() noexcept = default;
  X(int a) : a_(a), b_{a} {}
  /// Waits.
  detail::XOp wait(std::source_location where = std::source_location::current()) { return {}; }
  int told = 1;  // in how many words

  int f() const;
 private:
  void g();
  int a_, b_;
};
template <class T>
  requires(sizeof(T) > 1)
int free_one(const T& t = {}) { return t > 1 ? 2 : 3; }
}  // namespace gmp
'''


def library(text=HEADER, path="task.hpp"):
    return reference.Library({path: Header(path, text)})


def programs_in(text):
    return programs.programs_of("x.md", markdown.parse(text))


class Headers(unittest.TestCase):
    def entries(self):
        return library().entries["task"]

    def test_reads_what_is_public(self):
        x, free_one = self.entries()
        self.assertEqual([member.first.name for member in x.members], ["X", "wait", "told", "f"])
        self.assertEqual(free_one.first.name, "free_one")

    def test_misses_docstrings(self):
        missing = [text for text in library().complaints() if "docstring" in text]
        self.assertEqual(missing, ["include/gmp/task.hpp:21: gmp::X::f has no docstring", "include/gmp/task.hpp:26: gmp::free_one has no docstring"])

    def test_a_new_header_has_a_page(self):
        found = library(path="odd.hpp")
        self.assertEqual([entry.first.name for entry in found.entries["odd"]], ["X", "free_one"])
        self.assertIn("include/gmp/odd.hpp:21: gmp::X::f has no docstring", list(found.complaints()))

    def test_tells_of_a_class_that_it_does_not_understand(self):
        odd = HEADER.replace("class X :", "class ODD_MACRO X :")
        self.assertIn("include/gmp/task.hpp:13: class ODD_MACRO X : public detail::Base: the reference does not understand this", list(library(odd).complaints()))
        self.assertEqual(library(HEADER.replace("class X :", "class GMPCORO_EXPORT X :")).entries["task"][0].first.name, "X")

    def test_misses_a_header_that_is_gone(self):
        self.assertIn("docs/generator/reference.py: there is no include/gmp/task.hpp", list(library(path="odd.hpp").complaints()))

    def test_shows_what_an_operation_gives(self):
        x = self.entries()[0]
        shown = [library().signature(member.first) for member in x.members]
        self.assertEqual(shown[0], "X(int a)")
        self.assertEqual(shown[1], "operation<int> wait()")
        self.assertEqual(library().signature(x.first), "class X")

    def test_knows_gos_counterpart(self):
        self.assertEqual(reference.without_go(["Something.   Go: Thing."]), (["Something."], "Thing"))
        self.assertEqual(reference.without_go(["Something.", "  Go:", "Mutex.Unlock."])[1], "Mutex.Unlock")


class Programs(unittest.TestCase):
    def test_programs_and_fragments(self):
        found = programs_in("# A\n\n```cpp\nint main() { f(); }\n```\n\n```\n1\n…\n```\n\n<!-- given\nint i = 1;\n-->\n```cpp\n++i;\n```\n<!-- then\ndocs::check(i == 2);\n-->\n")
        self.assertEqual([program.is_fragment for program in found], [False, True])
        self.assertEqual(found[0].expected, ["1", "…"])
        written = programs.source("x.md", found)
        for part in ("static void the_main() { f(); }", "docs::check(i == 2);", '#line 4 "docs/x.md"'):
            self.assertIn(part, written)

    def test_objects_to_comments_that_tell_nothing(self):
        for text in ("<!-- given\nint i;\n-->\n\ntext\n", "<!-- nonsense -->\n", "<!-- then\ncheck(true);\n-->\n", "<!-- status 2 -->\n```go\nf()\n```\n"):
            with self.assertRaises(programs.ProgramError):
                programs_in(text)

    def test_misses_includes(self):
        code = "#include <string>\nint main() { std::puts(std::string(3, 'x').c_str()); }"
        with self.assertRaisesRegex(programs.ProgramError, "does not include <cstdio>"):
            programs.source("x.md", programs_in(f"```cpp\n{code}\n```\n"))
        programs.source("x.md", programs_in(f"```cpp\n#include <cstdio>\n{code}\n```\n"))

    def test_compares_what_is_printed(self):
        for lines, pattern, same in ((["a"], ["a"], True), (["a"], ["b"], False), (["a", "b"], ["a"], False), (["ab", "c", "d"], ["a…", "…"], True),
                                     (["a.c"], ["a.c"], True), (["abc"], ["a.c"], False), ([], ["…"], True), (["x", "y"], ["…", "x"], False)):
            self.assertEqual(runner.matches(lines, pattern), same, (lines, pattern))

    def test_sees_how_a_program_ends(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "program")
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\necho $1\nexit 3\n")
            os.chmod(path, 0o755)
            program = programs.Program("x.1", "docs/x.md:1", 1, "", False, expected=["x.1"], status=3)
            self.assertIsNone(runner.complaint(path, program))
            program.status = 0
            self.assertIn("ends with 3, and not 0", runner.complaint(path, program))
            program.status, program.expected = 3, ["y"]
            self.assertIn("and not\ny", runner.complaint(path, program))
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\necho out\necho aside >&2\n")
            program.status, program.expected = 0, ["out"]
            self.assertIsNone(runner.complaint(path, program))


class Markdown(unittest.TestCase):
    def test_writes_what_the_pages_use(self):
        text = markdown.write(markdown.parse("# A *b*\n\nSome `a < b` [there](x.md#y).\n\n- one\n- two\n\n| a | b |\n|---|---|\n| `x \\| y` | **z** |\n"))
        for part in ('<h1 id="a-b">A <em>b</em>', "<code>a &lt; b</code>", '<a href="x.md#y">there</a>', "<ul>\n<li>one</li>", "<td><code>x | y</code></td><td><strong>z</strong></td>"):
            self.assertIn(part, text)

    def test_objects_to_other_forms(self):
        for text in ("<div>\n", "> quoted\n", "```cpp\nint i;\n", "| a |\n| b |\n", "| a | b |\n|---|---|\n| c |\n"):
            with self.assertRaises(markdown.MarkdownError):
                markdown.parse(text)

    def test_go_and_cpp_stand_side_by_side(self):
        self.assertIn('class="pair"', markdown.write(markdown.parse("```go\nf()\n```\n```cpp\nf();\n```\n")))

    def test_marks_words(self):
        self.assertEqual(highlight('return "a"; // b', "cpp"),
                         '<span class="keyword">return</span> <span class="string">"a"</span>; <span class="comment">// b</span>')


class Site(unittest.TestCase):
    def test_a_folder_that_is_no_site_stays(self):
        with tempfile.TemporaryDirectory() as out:
            path = os.path.join(out, "precious")
            with open(path, "w", encoding="utf-8"):
                pass
            with self.assertRaisesRegex(programs.ProgramError, "is no site"):
                pages.build(os.path.join(HERE, "..", ".."), out)
            self.assertTrue(os.path.exists(path))

    def test_finds_links_to_nowhere(self):
        with tempfile.TemporaryDirectory() as out:
            for name, text in (("a.html", '<p id="x"></p><p id="y"></p><p id="y"></p><a href="b.html#z"></a><a href="c.html"></a><a href="#x"></a>'),
                               ("b.html", '<a href="a.html#x"></a><a href="https://example.com/#z"></a>')):
                with open(os.path.join(out, name), "w", encoding="utf-8") as file:
                    file.write(text)
            self.assertEqual(list(pages.broken_links(out, ["a.html", "b.html"])),
                             ["a.html: #y stands there more than once", "a.html: b.html#z: there is no such place", "a.html: there is no c.html"])


if __name__ == "__main__":
    unittest.main()
