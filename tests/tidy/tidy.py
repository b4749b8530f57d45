#!/usr/bin/env python3
# tests/tidy/tidy.py — the rules of the house that no compiler checks.
#
# tidy.py [ROOT]      Prints "path:line: complaint" for each breach; exit status 1 if there is one.
# Each check is a generator over one file (path below ROOT, Source) or over the whole tree; tidy_test.py feeds each something bad.
import os
import re
import sys

from rooms import POSITION, SYSTEM_ROOMS, floor_of, may_include, room_of
from text import Source

CODE = (".hpp", ".cpp")
SCRIPTS = (".cmake", ".py", ".sh", "CMakeLists.txt", "quickstart", "site", "test")
EXAMPLE_LINES_MAX = 80
PROGRAM_LINES_MAX = 150  # of an example that is of use by itself, and has a driver of its own in tests/examples


class Tree:
    """The files of the project, by path below its root."""

    def __init__(self, files):
        self.files = files
        self.sources = {path: Source(text) for path, text in files.items() if path.endswith(CODE)}

    @staticmethod
    def read(root):
        files = {}
        for folder, folders, names in os.walk(root):
            top = os.path.relpath(folder, root)
            folders[:] = sorted(f for f in folders if not f.startswith((".", "__")) and not (top == "." and f.startswith("build")))
            for name in sorted(names):
                path = os.path.normpath(os.path.join(top, name))
                try:
                    with open(os.path.join(root, path), encoding="utf-8") as file:
                        files[path] = file.read()
                except UnicodeDecodeError:
                    pass  # a picture
        return Tree(files)

    def library(self):
        """(path, Source, room) of each file of include/ and src/."""
        for path, source in self.sources.items():
            top, _, inner = path.partition("/")
            if top in ("include", "src"):
                yield path, source, room_of(inner)


# --- names and heads -------------------------------------------------------------------------------------------------------------


def check_heads(tree):
    """Line 1 says the path and what the file is; in the library line 2 (or what it runs on into) names the room, and rightly."""
    for path, text in tree.files.items():
        lines = text.split("\n")
        if path.endswith(CODE):
            start, first = "//", 0
        elif path.endswith(SCRIPTS):
            start, first = "#", 1 if lines[0].startswith("#!") else 0
        else:
            continue
        head = f"{start} {path} — "
        if first >= len(lines) or not lines[first].startswith(head) or len(lines[first]) == len(head):
            yield path, first + 1, f"line {first + 1} must be '{head}what it is.'"
    for path, source, room in tree.library():
        if room is None:
            yield path, 1, "is in no room: tests/tidy/rooms.py knows none of this name"
            continue
        if len(source.lines) < 2 or not source.lines[1].startswith("// Go: "):
            yield path, 2, "line 2 must be '// Go: its counterpart.  Room: room (floor n).'"
        said = re.search(r"Room: ([\w/]+) \(floor (\d)\)", " ".join(source.lines[1:4]))
        if not said:
            yield path, 2, f"line 2 must say 'Room: {room} (floor {floor_of(room)})'"
        elif (said[1], int(said[2])) != (room, floor_of(room)):
            yield path, 2, f"says it is in {said[1]} (floor {said[2]}), but stands in {room} (floor {floor_of(room)})"


def check_guards(tree):
    """A header may be included twice. (That it stands alone is for headers.py.)"""
    for path, source in tree.sources.items():
        if path.endswith(".hpp") and not any(line.split() == ["#pragma", "once"] for line in source.code):
            yield path, 1, "has no #pragma once"


TESTS = re.compile(r"tests/(?:unit|go|stress|tls|fault)/(?:\w+/)*(\w+_(?:test|stress))\.cpp")


def check_test_namespaces(tree):
    """Several files of tests may be compiled as one, so the names of each stand in a namespace of its own."""
    for path, source in tree.sources.items():
        match = TESTS.fullmatch(path)
        if match and not re.search(r"^namespace gmp(?:::\w+)*::\w*" + match[1] + r" \{$", source.text, re.MULTILINE):
            yield path, 1, f"its tests must stand in namespace gmp::{match[1]}"


# --- rooms and floors ------------------------------------------------------------------------------------------------------------

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
# A production file that a model is made of reads the explorer's atomics instead of its own.
MODEL_DOORS = {"include/gmp/detail/base/atomic.hpp", "include/gmp/detail/sys/lock.hpp"}


def includes(source):
    for number, line in enumerate(source.lines, 1):
        match = INCLUDE.match(line)
        if match and source.code[number - 1].strip():
            yield number, match[2], match[1] == "<"


def check_rooms(tree):
    for path, source, room in tree.library():
        if room is None:
            continue
        for number, name, angled in includes(source):
            top = name.split("/")[0]
            if top == "model":
                if path not in MODEL_DOORS:
                    yield path, number, f"only {' and '.join(sorted(MODEL_DOORS))} may include {name}"
                continue
            if top != "gmp" and (angled or "/" not in name):
                continue
            if top != "gmp" and path.startswith("include/"):
                yield path, number, f"a public header may not include the private {name}"
                continue
            other = room_of(name)
            if other is None:
                yield path, number, f"{name} is in no room"
            elif not may_include(room, other, name):
                where = f"{other} (floor {floor_of(other)})"
                reason = "past its staircase" if floor_of(other) < floor_of(room) else "which is above or to the right"
                yield path, number, f"{room} (floor {floor_of(room)}) may not include {name} of {where}, {reason}"


SYSTEM_HEADER = re.compile(
    r"(sys|linux|netinet|arpa|net|asm)/|liburing|"
    r"(unistd|fcntl|poll|dirent|sched|spawn|netdb|signal|pthread|semaphore|termios|dlfcn|ucontext|ifaddrs|mqueue|aio)\.h$"
)
PTHREAD = {"pthread.h"}


def check_system_headers(tree):
    for path, source, room in tree.library():
        public = path.startswith("include/")
        for number, name, angled in includes(source):
            if not angled or not SYSTEM_HEADER.match(name):
                continue
            if public:
                yield path, number, f"a public header may not include <{name}> of the system"
            elif room not in SYSTEM_ROOMS and name not in PTHREAD:
                yield path, number, f"<{name}>: the system is called in {', '.join(sorted(SYSTEM_ROOMS))} only"


# --- atomics ---------------------------------------------------------------------------------------------------------------------

ATOMIC_HOMES = {"include/gmp/detail/base/atomic.hpp", "include/gmp/detail/base/chaos.hpp"}
STRONG_ORDER = re.compile(r"(?:^|[(,?:])\s*(?:(?:std|detail)::)*(?:memory_order_)?(acquire|release|acq_rel|seq_cst)\s*(?=[,):?])")
LABEL = re.compile(r"\[([A-Z][A-Z0-9]+(?:-[A-Za-z0-9]+)*|[A-Z]+-[A-Za-z0-9-]+)\]")


def check_labels(tree):
    """An order stronger than relaxed names its partner by a label, and a label stands on both sides. A fence for the compiler has none."""
    seen = {}
    for path, source, _ in tree.library():
        if path in ATOMIC_HOMES:
            continue
        for number, comment in enumerate(source.comment, 1):
            for label in LABEL.findall(comment):
                seen.setdefault(label, []).append((path, number))
        for index, code in enumerate(source.code):
            order = STRONG_ORDER.search(code)
            if order and "atomic_signal_fence" not in code and not LABEL.search(source.comments_of_statement(index)):
                yield path, index + 1, f"{order[1]} without the [LABEL] of its partner, here or on the line above"
    for label, places in sorted(seen.items()):
        if len(places) == 1:
            yield (*places[0], f"[{label}] stands here and nowhere else: where is its partner?")


def check_atomics(tree):
    for path, source, _ in tree.library():
        for number, code in enumerate(source.code, 1):
            if "atomic_thread_fence" in code:
                yield path, number, "no standalone fences: ThreadSanitizer does not see them"
            if path not in ATOMIC_HOMES and re.search(r"\bstd::atomic(_ref|_flag)?\b", code):
                yield path, number, "std::atomic: use gmp::detail::Atomic, which the models can take over"
            if path.endswith(".hpp") and re.search(r"\bthread_local\b", code):
                yield path, number, "thread_local in a header: its address would live across a suspension"


# --- coroutines ------------------------------------------------------------------------------------------------------------------


def check_coroutines(tree):
    for path, source in tree.sources.items():
        for number, piece in source.statements():
            if re.search(r"\bco_await\b", piece) and "?" in piece:
                yield path, number, "?: beside co_await: g++ 12 destroys its temporaries twice; use if"
            if re.search(r"\bawait_suspend\s*\(", piece) and "always_inline" in piece:
                yield path, number, "always_inline on await_suspend: it must not be merged into the coroutine it suspends"


# --- what readers see ------------------------------------------------------------------------------------------------------------

FROM = re.compile(r"<!-- from (?P<path>\S+?)(?: \[(?P<name>[\w-]+)\])? -->")


def dedent(lines):
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:].rstrip() for line in lines).strip("\n")


def snippet(text, name):
    """The lines between '// [name]' and '// [/name]', or all of the file if name is None; None if there are none."""
    lines = text.split("\n")
    if name is None:
        return dedent(lines)
    marks = [i for i, line in enumerate(lines) if line.strip() in (f"// [{name}]", f"// [/{name}]")]
    return dedent(lines[marks[0] + 1:marks[1]]) if len(marks) == 2 else None


def check_readme(tree):
    """Each C++ block of README.md is cut from an example; those of docs/ may be, and are compiled by themselves if they are not."""
    for path in tree.files:
        if path == "README.md" or path.startswith("docs/") and path.endswith(".md"):
            yield from check_blocks(tree, path)


def check_blocks(tree, path):
    lines = tree.files[path].split("\n")
    number = 0
    while number < len(lines):
        if not re.match(r"```(cpp|c\+\+)\s*$", lines[number]):
            number += 1
            continue
        end = next((i for i in range(number + 1, len(lines)) if lines[i].startswith("```")), len(lines))
        before = next((lines[i] for i in range(number - 1, -1, -1) if lines[i].strip()), "")
        block = dedent(lines[number + 1:end])
        origin = FROM.match(before.strip())
        if not origin:
            if path == "README.md":
                yield path, number + 1, "a C++ block needs '<!-- from examples/x.cpp -->' or '<!-- from examples/x.cpp [name] -->' above it"
        elif origin["path"] not in tree.files:
            yield path, number + 1, f"there is no {origin['path']}"
        else:
            cut = snippet(tree.files[origin["path"]], origin["name"])
            if cut is None:
                yield path, number + 1, f"{origin['path']} has no '// [{origin['name']}]' … '// [/{origin['name']}]'"
            elif block != cut and (origin["name"] or f"\n{block}\n" not in f"\n{cut}\n"):
                yield path, number + 1, f"is not what stands in {origin['path']}"
        number = end + 1


def check_examples(tree):
    for path, text in tree.files.items():
        if path.startswith("examples/") and path.endswith(".cpp"):
            count = len(text.rstrip("\n").split("\n"))
            driver = f"tests/{path.removesuffix('.cpp')}.py"
            most = PROGRAM_LINES_MAX if driver in tree.files else EXAMPLE_LINES_MAX
            if count > most:
                yield path, count, f"has {count} lines; an example has at most {most}"


def check_suppressions(tree):
    """What a sanitizer finds is mended, not silenced."""
    for path, text in tree.files.items():
        name = os.path.basename(path)
        if re.search(r"\.supp$|suppress", name):
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip() and not line.lstrip().startswith("#"):
                    yield path, number, "suppressions must be empty"
    for path, source in tree.sources.items():
        for number, code in enumerate(source.code, 1):
            if re.search(r"\b(no_sanitize\w*|__(asan|tsan|lsan)_default_suppressions)\b", code):
                yield path, number, "switches a sanitizer off"


CHECKS = [
    check_heads,
    check_guards,
    check_test_namespaces,
    check_rooms,
    check_system_headers,
    check_labels,
    check_atomics,
    check_coroutines,
    check_readme,
    check_examples,
    check_suppressions,
]


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    tree = Tree.read(root)
    complaints = [complaint for check in CHECKS for complaint in check(tree)]
    for path, number, text in complaints:
        print(f"{path}:{number}: {text}")
    print(f"{len(tree.files)} files, {len(complaints)} complaints")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
