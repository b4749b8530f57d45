# docs/generator/programs.py — the C++ blocks of the pages as programs: written as a few files to be compiled, and told what each must print.
#
# programs.py DOCS OUT      writes OUT/<page>.cpp for each page that has a block of C++, and leaves alone what is as it was
#
# A block with a main() is a program; one without is a fragment: the body of a coroutine that is run by gmp::run(), after what the comment above it
# gives, and before what the comment below it checks (markdown.py).  The programs of a page share one file, each in a namespace of its own, as the
# compiler would else read the headers once for each.
import os
import re
import sys
from dataclasses import dataclass, field

import markdown


class ProgramError(Exception):
    pass


@dataclass
class Program:
    name: str
    place: str  # "docs/guide.md:12"
    line: int
    code: str
    is_fragment: bool
    above: tuple = (0, "")  # line, text
    given: tuple = (0, "")
    then: tuple = (0, "")
    status: int = 0
    runs: bool = True
    expected: list = field(default_factory=list)


def pages(docs):
    """The paths of all pages below docs, from there."""
    found = []
    for folder, folders, names in os.walk(docs):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "_")))
        found += [os.path.relpath(os.path.join(folder, name), docs) for name in sorted(names) if name.endswith(".md")]
    return sorted(found)


def stem(page):
    """guide/first.md: guide_first"""
    return re.sub(r"\W", "_", page.removesuffix(".md"))


def read(docs, page):
    with open(os.path.join(docs, page), encoding="utf-8") as file:
        try:
            return markdown.parse(file.read())
        except markdown.MarkdownError as error:
            raise ProgramError(f"docs/{page}:{error}") from None


def programs_of(page, blocks):
    """The programs of a page, in order."""
    found, said, last = [], {}, None
    for block in flat(blocks):
        place = f"docs/{page}:{block.line}"
        if block.kind == "comment":
            word, _, rest = block.text.strip().partition("\n" if "\n" in block.text.strip() else " ")
            if word in ("above", "given"):
                said[word] = (block.line + 1, rest)
            elif word == "then":
                if last is None or not last.is_fragment or last.then[1]:
                    raise ProgramError(f"{place}: 'then' must follow a fragment")
                last.then = (block.line + 1, rest)
            elif word in ("status", "compiled", "from"):
                said[word] = rest
            else:
                raise ProgramError(f"{place}: no comment says '{word}' here")
            continue
        if block.kind == "code" and block.language == "cpp":
            if "from" not in said:
                has_main = re.search(r"^int main\(", block.text, re.MULTILINE) is not None
                last = Program(f"{stem(page)}.{len(found) + 1}", place, block.line, block.text, not has_main, said.get("above", (0, "")),
                               said.get("given", (0, "")), status=int(said.get("status", 0)), runs="compiled" not in said)
                found.append(last)
                said = {}
                continue
            last = None
        elif block.kind == "code" and block.language == "" and last is not None and last.runs:
            last.expected = block.text.split("\n")
            last = None
        else:
            last = None
        if said and set(said) != {"from"}:
            raise ProgramError(f"{place}: {', '.join(said)}: must stand above a block of C++")
        said = {}
    return found


# What a program must include itself: the file that it becomes a part of includes what all of them do.
HEADERS = {
    "array": "array", "atomic": "atomic", "deque": "deque", "map": "map", "string": "string", "thread": "thread", "this_thread": "thread", "vector": "vector",
    "future": "future", "promise": "future", "mutex": "mutex", "timed_mutex": "mutex", "printf": "cstdio", "puts": "cstdio", "fprintf": "cstdio",
    "logic_error": "stdexcept", "runtime_error": "stdexcept", "_Exit": "cstdlib", "exit": "cstdlib",
}


def missing_includes(program):
    """The headers of the standard library that a whole program uses and does not include."""
    if program.is_fragment:
        return []
    used = {HEADERS[name] for name in re.findall(r"\bstd::(\w+)", program.code) if name in HEADERS}
    return sorted(used - set(re.findall(r"^#include <(\w+)>", program.code, re.MULTILINE)))


def flat(blocks):
    for block in blocks:
        if block.kind == "list":
            for item in block.items:
                yield from flat(item)
        else:
            yield block


def part(numbered, path):
    line, text = numbered
    return f'#line {line} "{path}"\n{text}\n' if text else ""


def source(page, programs):
    """One file of C++ with all programs of a page."""
    includes, bodies = set(), []
    path = f"docs/{page}"
    for program in programs:
        if missing := missing_includes(program):
            raise ProgramError(f"{program.place}: does not include <{'>, <'.join(missing)}>")
        code = program.code
        for line in (program.above[1] + "\n" + code).split("\n"):
            if re.match(r"#include\b", line):
                includes.add(line.strip())
        space = re.sub(r"\W", "_", program.name)
        if program.is_fragment:
            body = (f"using namespace gmp;\nusing namespace std::chrono_literals;\n{part(program.above, path)}static Task<> fragment() {{\n"
                    f"{part(program.given, path)}{part((program.line, code), path)}{part(program.then, path)}co_return;\n}}\n"
                    "static void the_main() { gmp::run(fragment); }\n")
        else:
            main = code[re.search(r"^int main\(", code, re.MULTILINE).start():]
            gives = "int" if re.search(r"\breturn\b", main) else "void"
            body = part((program.line, re.sub(r"^int main\(\)", f"static {gives} the_main()", code, flags=re.MULTILINE)), path)
            if "int main(" in body:
                raise ProgramError(f"{program.place}: write 'int main()'")
        body = re.sub(r"^#include\b.*$", "", body, flags=re.MULTILINE)
        bodies.append(f'namespace {space} {{\n{body}#line 1 "{path}, registered"\nstatic const ::docs::Program registered("{program.name}", &the_main);\n'
                      f"}}  // namespace {space}\n")
    std = sorted(line for line in includes if "gmp/" not in line)
    own = sorted(line for line in includes if "gmp/" in line)
    if any(program.is_fragment for program in programs) and "#include <gmp/gmp.hpp>" not in own:
        own.insert(0, "#include <gmp/gmp.hpp>")
    return "\n".join([f"// The programs of {path}, written by docs/generator/programs.py.", *own, *std, '#include "docs/program.hpp"', "", *bodies])


def main(docs, out):
    os.makedirs(out, exist_ok=True)
    for page in pages(docs):
        programs = programs_of(page, read(docs, page))
        path = os.path.join(out, stem(page) + ".cpp")
        text = source(page, programs) if programs else f"// docs/{page} has no program.\n"
        old = None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                old = file.read()
        if text != old:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ProgramError as error:
        sys.exit(str(error))
