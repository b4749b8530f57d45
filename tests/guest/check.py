#!/usr/bin/env python3
# tests/guest/check.py — what the library does to a program unasked: nothing at its start, nothing at its end, little to who compiles it.
#
#   check.py unasked LIBRARY.a                no constructor of static objects, nothing at exit, no signal or limit but in the files whose matter that is
#   check.py compile_time COMPILER FLAG…      `#include <gmp/gmp.hpp>` takes less than a second of CPU
#   check.py program PROGRAM [ALLOCATOR.so]   it runs, in place of malloc's owner too; 77: that is not there
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

SECONDS_MAX = 1.0
TRIES = 10  # others work here, too: the quickest counts
EXPECTED = "504450 caught 100000\n"

# What may be called by whom alone.
ALLOWED = {
    "sigaction": {"signal", "exec", "quit_signal"},  # os::notify; os::Command's child; SIGQUIT under run(), if its disposition is the default
    "signal": {"quit_signal"},
    "setrlimit": {"exec", "file_limit"},  # the child gets the limit of before; os::raise_file_limit
    "pthread_atfork": {"os"},             # once an executor has started
    "atexit": set(),
    "__cxa_atexit": set(),
    "on_exit": set(),
    "at_quick_exit": set(),
}


def unasked(library):
    complaints = []
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["ar", "x", os.path.abspath(library)], cwd=place, check=True)
        objects = sorted(pathlib.Path(place).glob("*.o"))
        if not objects:
            return [library + " is empty"]
        for each in objects:
            name = each.name.split(".")[0]
            sections = subprocess.run(["readelf", "-SW", each], capture_output=True, text=True, check=True).stdout
            if ".init_array" in sections or ".ctors" in sections:
                complaints.append(f"{name} has a global constructor")
            symbols = subprocess.run(["nm", "--undefined-only", "--format=posix", each], capture_output=True, text=True, check=True).stdout
            for symbol in {line.split()[0] for line in symbols.splitlines()} & ALLOWED.keys():
                if name not in ALLOWED[symbol]:
                    complaints.append(f"{name} calls {symbol}()")
    return complaints


def compile_time(command):
    with tempfile.TemporaryDirectory() as place:
        source = pathlib.Path(place, "all.cpp")
        source.write_text("#include <gmp/gmp.hpp>\n", encoding="utf-8")
        best = None
        for _ in range(TRIES):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*command, "-c", source, "-o", source.with_suffix(".o")], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            best = spent if best is None else min(best, spent)
            if best < SECONDS_MAX:
                break
    print(f"#include <gmp/gmp.hpp>: {best:.2f} s of CPU")
    return [] if best < SECONDS_MAX else [f"more than {SECONDS_MAX} s"]


def find(allocator):
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"):
        path = pathlib.Path(folder, allocator)
        if path.exists():
            return str(path)
    return None


def program(path, allocator=None):
    environment = dict(os.environ)
    if allocator is not None:
        found = find(allocator)
        if found is None:
            print(f"skipped: no {allocator} here")
            sys.exit(77)
        environment["LD_PRELOAD"] = found
    done = subprocess.run([path], capture_output=True, text=True, env=environment, timeout=50, check=False)
    if done.returncode != 0 or done.stdout != EXPECTED:
        return [f"it ended with {done.returncode}, printed {done.stdout!r} instead of {EXPECTED!r}, and said: {done.stderr}"]
    return []


def main(what, *arguments):
    complaints = {"unasked": unasked, "program": program}[what](*arguments) if what != "compile_time" else compile_time(list(arguments))
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
