#!/usr/bin/env python3
# tests/tidy/tidy_test.py — each rule of tidy.py objects to what it should object to, and to nothing else.
import unittest

import tidy
from rooms import FLOORS, may_include, room_of
from text import Source

HEAD = "// {path} — a file.\n// Go: none.  Room: {room} (floor {floor}).\n"


def tree(path, body, room=None, floor=None):
    head = HEAD.format(path=path, room=room, floor=floor) if room else ""
    return tidy.Tree({path: head + body})


class Case(unittest.TestCase):
    def objects(self, check, files, text):
        complaints = [f"{path}:{number}: {what}" for path, number, what in check(files)]
        self.assertTrue(any(text in complaint for complaint in complaints), f"nothing like '{text}' in {complaints}")

    def accepts(self, check, files):
        self.assertEqual(list(check(files)), [])


class Heads(Case):
    def test_accepts_a_good_head(self):
        self.accepts(tidy.check_heads, tree("src/wait/sema.cpp", "int i;", "wait", 3))

    def test_objects_to_another_path(self):
        self.objects(tidy.check_heads, tidy.Tree({"tests/x.cpp": "// tests/y.cpp — x.\n"}), "line 1 must be '// tests/x.cpp — ")

    def test_objects_to_a_head_that_says_nothing(self):
        self.objects(tidy.check_heads, tidy.Tree({"tests/x.cpp": "// tests/x.cpp — \n"}), "line 1 must be")

    def test_objects_to_a_missing_room(self):
        text = "// src/wait/sema.cpp — x.\n// Go: runtime/sema.go.\n"
        self.objects(tidy.check_heads, tidy.Tree({"src/wait/sema.cpp": text}), "must say 'Room: wait (floor 3)'")

    def test_objects_to_the_wrong_room_and_floor(self):
        self.objects(tidy.check_heads, tree("src/wait/sema.cpp", "", "sched", 2), "stands in wait (floor 3)")
        self.objects(tidy.check_heads, tree("src/wait/sema.cpp", "", "wait", 2), "stands in wait (floor 3)")

    def test_objects_to_a_missing_counterpart(self):
        text = "// src/wait/sema.cpp — x.\n// Room: wait (floor 3).\n"
        self.objects(tidy.check_heads, tidy.Tree({"src/wait/sema.cpp": text}), "line 2 must be '// Go: ")

    def test_objects_to_a_header_without_a_guard(self):
        self.objects(tidy.check_guards, tree("src/wait/x.hpp", "// #pragma once\nint f();\n"), "no #pragma once")
        self.accepts(tidy.check_guards, tree("src/wait/x.hpp", "#pragma once\nint f();\n"))
        self.accepts(tidy.check_guards, tree("src/wait/x.cpp", "int f();\n"))

    def test_objects_to_tests_whose_names_may_meet_others(self):
        self.objects(tidy.check_test_namespaces, tree("tests/unit/sync/x_test.cpp", "namespace gmp {\nnamespace {\n"), "namespace gmp::x_test")
        self.objects(tidy.check_test_namespaces, tree("tests/stress/x_stress.cpp", "namespace gmp::y_stress {\n"), "namespace gmp::x_stress")
        self.accepts(tidy.check_test_namespaces, tree("tests/unit/sync/x_test.cpp", "namespace gmp::detail::x_test {\nnamespace {\n"))
        self.accepts(tidy.check_test_namespaces, tree("tests/fault/kernel.cpp", "namespace gmp::test {\n"))

    def test_objects_to_an_unknown_room(self):
        self.objects(tidy.check_heads, tree("src/attic/x.cpp", "", "attic", 7), "is in no room")

    def test_looks_below_the_interpreter_line_of_scripts(self):
        self.accepts(tidy.check_heads, tidy.Tree({"x.py": "#!/usr/bin/env python3\n# x.py — x.\n"}))
        self.objects(tidy.check_heads, tidy.Tree({"x.py": "#!/usr/bin/env python3\nimport os\n"}), "line 2 must be")


class Rooms(Case):
    def test_the_table_has_each_room_once(self):
        rooms = [room for floor in FLOORS for column in floor for room in column]
        self.assertEqual(len(rooms), len(set(rooms)))

    def test_paths_lead_to_rooms(self):
        for path, room in {
            "gmp/detail/park.hpp": "sched",
            "gmp/detail/wait/sema.hpp": "wait",
            "gmp/sync.hpp": "gmp",
            "gmp/sync/mutex.hpp": "sync",
            "gmp/result.hpp": "base",
            "gmp/interop/asio.hpp": "interop",
            "gmp/gmp.hpp": "gmp",
            "sched/sched.cpp": "sched",
            "attic/x.cpp": None,
        }.items():
            self.assertEqual(room_of(path), room, path)

    def test_down_and_left_only(self):
        self.assertTrue(may_include("sync", "wait", "wait/x.hpp"))
        self.assertFalse(may_include("wait", "sync", "gmp/sync.hpp"))
        self.assertTrue(may_include("net", "io", "gmp/io.hpp"))
        self.assertFalse(may_include("io", "net", "gmp/net.hpp"))
        self.assertTrue(may_include("executor", "go", "gmp/go.hpp") and may_include("go", "executor", "gmp/executor.hpp"))

    def test_objects_to_a_higher_floor(self):
        self.objects(tidy.check_rooms, tree("src/wait/x.cpp", '#include "gmp/sync.hpp"\n'), "above or to the right")
        self.objects(tidy.check_rooms, tree("src/wait/x.cpp", "#include <gmp/sync.hpp>\n"), "above or to the right")

    def test_objects_to_a_way_past_the_staircase(self):
        self.objects(tidy.check_rooms, tree("src/sync/x.cpp", '#include "sched/sched.hpp"\n'), "past its staircase")
        self.accepts(tidy.check_rooms, tree("src/sync/x.cpp", '#include "gmp/detail/park.hpp"\n'))
        self.accepts(tidy.check_rooms, tree("src/task/x.cpp", '#include "sched/sched.hpp"\n'))

    def test_objects_to_a_private_header_in_a_public_one(self):
        self.objects(tidy.check_rooms, tree("include/gmp/sync.hpp", '#include "wait/sema.hpp"\n'), "private wait/sema.hpp")

    def test_objects_to_an_unknown_room(self):
        self.objects(tidy.check_rooms, tree("src/net/x.cpp", '#include "attic/x.hpp"\n'), "is in no room")

    def test_ignores_what_is_only_said(self):
        self.accepts(tidy.check_rooms, tree("src/wait/x.cpp", '//#include "gmp/sync.hpp"\n/*\n#include "gmp/sync.hpp"\n*/\n'))

    def test_lets_the_models_in_by_two_doors_only(self):
        self.accepts(tidy.check_rooms, tree("include/gmp/detail/base/atomic.hpp", '#include "model/atomic.hpp"\n'))
        self.objects(tidy.check_rooms, tree("src/wait/x.cpp", '#include "model/atomic.hpp"\n'), "may include model/atomic.hpp")


class SystemHeaders(Case):
    def test_objects_in_public_headers(self):
        for name in ("sys/socket.h", "unistd.h", "pthread.h", "liburing.h", "linux/futex.h"):
            self.objects(tidy.check_system_headers, tree("include/gmp/net.hpp", f"#include <{name}>\n"), name)

    def test_objects_outside_the_system_rooms(self):
        self.objects(tidy.check_system_headers, tree("src/sched/x.cpp", "#include <unistd.h>\n"), "unistd.h")
        self.objects(tidy.check_system_headers, tree("src/sync/x.cpp", "#include <liburing.h>\n"), "liburing.h")

    def test_accepts_them_where_the_system_is_called(self):
        for room in ("sys", "netpoll", "net", "os"):
            self.accepts(tidy.check_system_headers, tree(f"src/{room}/x.cpp", "#include <sys/socket.h>\n#include <liburing.h>\n"))

    def test_accepts_the_standard_library(self):
        self.accepts(tidy.check_system_headers, tree("include/gmp/net.hpp", "#include <system_error>\n#include <semaphore>\n#include <ctime>\n"))


class Labels(Case):
    BOTH = "x.store(1, release);  // [RQ-publish] a\nx.load(acquire);  // [RQ-publish] b\n"

    def test_accepts_labels_on_both_sides(self):
        self.accepts(tidy.check_labels, tree("src/wait/x.cpp", self.BOTH))

    def test_accepts_the_line_above_and_wrapped_statements(self):
        text = "// [RQ-publish] a\nx.store(1, release);\n" + "// [RQ-publish] b\nwhile (!x.compare_exchange_weak(old, 1,\n    acq_rel, relaxed)) {\n}\n"
        self.accepts(tidy.check_labels, tree("src/wait/x.cpp", text))

    def test_objects_to_an_order_without_label(self):
        for line in ("x.store(1, release);", "x.load(acquire);", "x.fetch_add(1, seq_cst);", "x.load(std::memory_order_acquire);"):
            self.objects(tidy.check_labels, tree("src/wait/x.cpp", line + "  // because\n"), "without the [LABEL]")

    def test_does_not_take_the_label_of_another_statement(self):
        text = self.BOTH + "int i = 0;\nx.store(1, release);\n"
        self.objects(tidy.check_labels, tree("src/wait/x.cpp", text), "x.cpp:4: release without the [LABEL]")

    def test_relaxed_needs_none_and_methods_of_that_name_are_no_orders(self):
        self.accepts(tidy.check_labels, tree("src/wait/x.cpp", "x.load(relaxed);\nsema.acquire(2);\nsema.release();\nco_await acquire();\n"))

    def test_objects_to_a_label_without_partner(self):
        self.objects(tidy.check_labels, tree("src/wait/x.cpp", "x.store(1, release);  // [LONELY] a\n"), "[LONELY] stands here and nowhere else")

    def test_a_fence_for_the_compiler_has_no_partner(self):
        self.accepts(tidy.check_labels, tree("src/wait/x.cpp", "std::atomic_signal_fence(std::memory_order_seq_cst);\n"))


class Atomics(Case):
    def test_objects_to_fences(self):
        self.objects(tidy.check_atomics, tree("src/wait/x.cpp", "std::atomic_thread_fence(seq_cst);\n"), "fences")

    def test_objects_to_std_atomic_but_at_its_home(self):
        self.objects(tidy.check_atomics, tree("src/wait/x.hpp", "std::atomic<int> i;\n"), "use gmp::detail::Atomic")
        self.accepts(tidy.check_atomics, tree("include/gmp/detail/base/atomic.hpp", "using Atomic = std::atomic<T>;\n"))
        self.accepts(tidy.check_atomics, tree("src/wait/x.hpp", "// never std::atomic<T>\nAtomic<int> i;\n"))

    def test_objects_to_thread_local_in_headers_only(self):
        self.objects(tidy.check_atomics, tree("src/sched/x.hpp", "inline thread_local int i;\n"), "thread_local")
        self.accepts(tidy.check_atomics, tree("src/sched/x.cpp", "thread_local int i;\n"))


class Coroutines(Case):
    def test_objects_to_a_choice_beside_co_await(self):
        self.objects(tidy.check_coroutines, tree("examples/x.cpp", "int i = b ? co_await f() : 0;\n"), "?: beside co_await")
        self.objects(tidy.check_coroutines, tree("src/net/x.cpp", "co_await f(\n    b\n        ? 1\n        : 2);\n"), "?: beside co_await")

    def test_accepts_both_apart_and_a_question_that_is_text(self):
        self.accepts(tidy.check_coroutines, tree("src/net/x.cpp", 'int n = b ? 1 : 2;\nco_await f(n, "what?", \'?\');  // why?\n'))

    def test_objects_to_always_inline_on_await_suspend(self):
        text = "[[gnu::always_inline]]\nbool await_suspend(std::coroutine_handle<> h) { return true; }\n"
        self.objects(tidy.check_coroutines, tree("include/gmp/x.hpp", text), "always_inline")
        self.accepts(tidy.check_coroutines, tree("include/gmp/x.hpp", "[[gnu::always_inline]] int f();\nbool await_suspend(int h);\n"))


class Readme(Case):
    EXAMPLE = "// examples/x.cpp — x.\nint main() {\n  // [sum]\n  int i = 1;\n  i += 1;\n  // [/sum]\n}\n"

    def files(self, readme):
        return tidy.Tree({"README.md": readme, "examples/x.cpp": self.EXAMPLE})

    def test_accepts_a_whole_file_a_part_and_a_named_piece(self):
        self.accepts(tidy.check_readme, self.files(f"<!-- from examples/x.cpp -->\n```cpp\n{self.EXAMPLE}```\n"))
        self.accepts(tidy.check_readme, self.files("<!-- from examples/x.cpp -->\n\n```cpp\nint main() {\n```\n"))
        self.accepts(tidy.check_readme, self.files("<!-- from examples/x.cpp [sum] -->\n```cpp\nint i = 1;\ni += 1;\n```\n"))

    def test_objects_to_text_that_differs(self):
        self.objects(tidy.check_readme, self.files("<!-- from examples/x.cpp [sum] -->\n```cpp\nint i = 2;\n```\n"), "is not what stands in")
        self.objects(tidy.check_readme, self.files("<!-- from examples/x.cpp -->\n```cpp\nint i = 2;\n```\n"), "is not what stands in")

    def test_objects_to_half_a_line(self):
        self.objects(tidy.check_readme, self.files("<!-- from examples/x.cpp -->\n```cpp\nint main()\n```\n"), "is not what stands in")

    def test_objects_to_a_block_without_origin(self):
        self.objects(tidy.check_readme, self.files("text\n```cpp\nint i;\n```\n"), "needs '<!-- from")

    def test_objects_to_a_missing_file_or_piece(self):
        self.objects(tidy.check_readme, self.files("<!-- from examples/y.cpp -->\n```cpp\nint i;\n```\n"), "there is no examples/y.cpp")
        self.objects(tidy.check_readme, self.files("<!-- from examples/x.cpp [no] -->\n```cpp\nint i;\n```\n"), "has no '// [no]'")

    def test_looks_at_what_docs_have_cut(self):
        cut = "<!-- from examples/x.cpp [sum] -->\n```cpp\nint i = %d;\ni += 1;\n```\n```cpp\nint j;\n```\n"
        self.accepts(tidy.check_readme, tidy.Tree({"docs/guide/a.md": cut % 1, "examples/x.cpp": self.EXAMPLE}))
        self.objects(tidy.check_readme, tidy.Tree({"docs/guide/a.md": cut % 2, "examples/x.cpp": self.EXAMPLE}), "is not what stands in")

    def test_other_languages_are_free(self):
        self.accepts(tidy.check_readme, self.files("```sh\n./quickstart\n```\n```\nplain\n```\n"))


class Sizes(Case):
    def test_objects_to_a_long_example(self):
        self.accepts(tidy.check_examples, tidy.Tree({"examples/x.cpp": "int i;\n" * 80}))
        self.objects(tidy.check_examples, tidy.Tree({"examples/x.cpp": "int i;\n" * 81}), "has 81 lines")
        driven = {"tests/examples/x.py": ""}
        self.accepts(tidy.check_examples, tidy.Tree({"examples/x.cpp": "int i;\n" * 150, **driven}))
        self.objects(tidy.check_examples, tidy.Tree({"examples/x.cpp": "int i;\n" * 151, **driven}), "has 151 lines")

    def test_objects_to_suppressions(self):
        self.accepts(tidy.check_suppressions, tidy.Tree({"tests/tsan.supp": "# none\n\n"}))
        self.objects(tidy.check_suppressions, tidy.Tree({"tests/tsan.supp": "race:f\n"}), "must be empty")
        self.objects(tidy.check_suppressions, tree("src/wait/x.cpp", '__attribute__((no_sanitize("thread"))) void f();\n'), "switches a sanitizer off")


class Text(Case):
    def test_splits_code_comments_and_strings(self):
        source = Source("int i = 1'000;  // one \"two\"\nconst char* s = \"// no\";  /* a\nb */ char c = '\"';\n")
        self.assertEqual([line.rstrip() for line in source.code[:1]], ["int i = 1'000;"])
        self.assertIn("one", source.comment[0])
        self.assertNotIn("no", source.code[1])
        self.assertEqual(source.comment[1].strip(), "/* a")
        self.assertEqual(source.code[2].split(), ["char", "c", "=", "'", "';"])

    def test_reads_raw_strings(self):
        source = Source('auto s = R"(a // b\n"c")"; int i;  // d\n')
        self.assertEqual(source.comment[0].strip(), "")
        self.assertIn("int i;", source.code[1])
        self.assertEqual(source.comment[1].strip(), "// d")


if __name__ == "__main__":
    unittest.main()
