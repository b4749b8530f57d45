#!/usr/bin/env python3
# tests/guest/check.py — what the library does to a program unasked: nothing at its start, nothing at its end, little to who compiles it; and what it shows.
#
#   check.py unasked LIBRARY.a                no constructor of static objects, nothing at exit, no signal or limit but in the files whose matter that is
#   check.py compile_time COMPILER FLAG…      `#include <gmp/gmp.hpp>` takes less than a second of CPU
#   check.py program PROGRAM [ALLOCATOR.so]   it runs, in place of malloc's owner too; 77: that is not there
#   check.py abi LIST exact|subset LAYOUT LIBRARY.so… [--update]
#                                             what each shows, and the sizes that LAYOUT prints, are those of LIST: exactly, or (another compiler, whose
#                                             inlining may leave more) at least; and all of it is of namespace gmp, under the version of the soname
#   check.py inline LIBRARY.so TLS-LIBRARY.so INCLUDE COMPILER FLAG…
#                                             whatever is inline in a header finds in them what it calls
#   check.py dlopen LIBRARY.so                it is loaded into a program that runs already, and works there
import ctypes
import os
import pathlib
import re
import resource
import shlex
import subprocess
import sys
import tempfile

SECONDS_MAX = 1.0
TRIES = 10  # others work here, too: the quickest counts
OF_OTHERS = {"asio.hpp", "execution.hpp"}  # headers that need another library
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


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def exported(library, complaints):
    """(soname, what it shows, demangled): complains about what is not ours, or not under the version of the soname."""
    soname = re.search(r"Library soname: \[(.*)\]", output_of("readelf", "-dW", library))[1]
    node = "GMPCORO_" + soname.rpartition(".so.")[2]
    names = []
    for line in output_of("nm", "--dynamic", "--defined-only", "--format=posix", "--with-symbol-versions", library).splitlines():
        name, _, version = line.split()[0].partition("@@")
        if name == node:
            continue  # the version itself
        if version != node:
            complaints.append(f"{soname}: {name} is of version '{version}', not {node}")
        if not re.match(r"(_ZN[KRO]*|_ZT[ISV]N)3gmp|gmpcoro_", name):
            complaints.append(f"{soname}: {name} is not of namespace gmp")
        names.append(name)
    shown = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return soname, set(shown.splitlines())


def read_list(path):
    sections = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            sections[section].add(line.strip())
        elif line and not line.startswith("#"):
            section = line
            sections[section] = set()
    return sections


def write_list(path, sections):
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    lines = [line for name, entries in sections.items() for line in (name, *(f"  {entry}" for entry in sorted(entries)))]
    path.write_text("\n".join(head + lines) + "\n", encoding="utf-8")


def abi(path, how, layout, *libraries):
    update = libraries[-1] == "--update"
    complaints = []
    now = dict(exported(library, complaints) for library in libraries[: len(libraries) - update])
    now["layout"] = set(output_of(layout).splitlines())
    path = pathlib.Path(path)
    if update:
        write_list(path, now)
        return complaints
    listed = read_list(path)
    for section, entries in now.items():
        if section not in listed:
            complaints.append(f"{section}: not listed")
            continue
        complaints += [f"{section}: gone: {entry}" for entry in sorted(listed[section] - entries)]
        if how == "exact" or section == "layout":
            complaints += [f"{section}: new: {entry}" for entry in sorted(entries - listed[section])]
    print(f"{sum(map(len, now.values()))} entries")
    if complaints:
        complaints.append(f"If that is meant (what is gone, and sizes, break programs: a new minor version):\n{shlex.join([sys.executable, *sys.argv])} --update")
    return complaints


def inline(core, tls, include, *command):
    headers = [header.relative_to(include) for header in sorted(pathlib.Path(include).glob("gmp/**/*.hpp")) if header.name not in OF_OTHERS]
    with tempfile.TemporaryDirectory() as place:
        source = pathlib.Path(place, "all.cpp")
        source.write_text("".join(f"#include <{header}>\n" for header in headers) + "int main() {}\n", encoding="utf-8")
        done = subprocess.run([*command, f"-I{include}", "-fkeep-inline-functions", source, "-o", source.with_suffix(""), tls, core],
                              capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [done.stderr]


def dlopen(path):
    library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    procs = library["_ZN3gmp10gomaxprocsEi"](0)  # starts the default executor
    print(f"gomaxprocs() = {procs}")
    return [] if procs > 0 else ["no P"]


def main(what, *arguments):
    checks = {"unasked": unasked, "program": program, "abi": abi, "inline": inline, "dlopen": dlopen}
    complaints = checks[what](*arguments) if what != "compile_time" else compile_time(list(arguments))
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
