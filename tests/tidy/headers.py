#!/usr/bin/env python3
# tests/tidy/headers.py — every header compiles alone and twice; a public one also beside the system's names after `using namespace gmp`.
#
# headers.py ROOT -- COMPILER FLAGS…      One translation unit a header, as many at a time as there are CPUs.
# An internal header that a file of src/ includes before anything else has been shown to stand alone by the build; `#pragma once` is tidy's matter.
# A header under interop/ stands on somebody else's library; where that is absent the header is passed over, and this says so.
import concurrent.futures
import os
import re
import subprocess
import sys

# C functions that share a name with something of ours. `gmp::time` as a namespace, or an unconstrained select or send, breaks this.
BESIDE = """
#include <ctime>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>
using namespace gmp;
[[maybe_unused]] static long gmpcoro_beside(int fd, char* bytes) {
  fd_set set;
  FD_ZERO(&set);
  timeval none = {0, 0};
  time_t now = time(nullptr);
  sockaddr* peer = nullptr;
  socklen_t* size = nullptr;
  return static_cast<long>(now) + select(1, &set, nullptr, nullptr, &none) + send(fd, bytes, 1, 0) + recv(fd, bytes, 1, 0) +
         static_cast<long>(sleep(0)) + accept(fd, peer, size) + listen(fd, 1) + read(fd, bytes, 1) + write(fd, bytes, 1) +
         static_cast<long>(clock()) + close(fd);
}
"""

THEIRS = {
    "asio.hpp": ["asio.hpp", "boost/asio.hpp"],
    "execution.hpp": ["stdexec/execution.hpp"],
}


def headers(root):
    for top in ("include", "src"):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".hpp"):
                    yield top, os.path.relpath(os.path.join(folder, name), os.path.join(root, top))


FIRST_INCLUDE = re.compile(r'^#\s*include\s+(?:"([^"]+)"|<)', re.MULTILINE)


def shown_by_the_build(root):
    """The headers that come first in some source file of the library."""
    shown = set()
    for folder, _, names in os.walk(os.path.join(root, "src")):
        for name in names:
            if name.endswith(".cpp"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    first = FIRST_INCLUDE.search(file.read())
                if first and first[1]:
                    shown.add(first[1])
    return shown


def is_public(top, header):
    return top == "include" and "/detail/" not in header


def unit(top, header):
    text = f'#include "{header}"\n' * 2
    return text + BESIDE if is_public(top, header) else text


def compile_text(text, compiler):
    command = [*compiler, "-fsyntax-only", "-x", "c++", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True)


def check(top, header, compiler):
    """What the compiler says against the header, or None."""
    if "/interop/" in header:
        theirs = THEIRS.get(os.path.basename(header), [])
        if theirs and not any(compile_text(f"#include <{name}>\n", compiler).returncode == 0 for name in theirs):
            print(f"{top}/{header}: passed over, {' and '.join(theirs)} are not installed")
            return None
    done = compile_text(unit(top, header), compiler)
    return f"{top}/{header}: does not stand alone\n{done.stderr}" if done.returncode != 0 else None


def main():
    split = sys.argv.index("--")
    root, compiler = sys.argv[1], sys.argv[split + 1:]
    shown = shown_by_the_build(root)
    found = [(top, header) for top, header in headers(root) if is_public(top, header) or header not in shown]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        complaints = [c for c in pool.map(lambda one: check(*one, compiler), found) if c]
    for complaint in complaints:
        print(complaint)
    print(f"{len(found)} headers compiled alone, {len(complaints)} complaints")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
