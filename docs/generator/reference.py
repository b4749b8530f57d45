# docs/generator/reference.py — the reference: what the public headers declare, with the docstrings that stand there, a page for each header.
#
# A page is called after the header that one includes for what is on it.  What a header has by way of detail/ (Waker, Addr, Options) stands on the page of
# the room that it lives in.
import html
import os
import re
from dataclasses import replace

import markdown
from headers import Header, squeeze
from highlight import highlight

# Page: (headers of its own, rooms of detail/ whose public names are its too), in the order of the house, from the language to the roof. A header that is
# not named here has a page of its own, behind these.
PAGES = {
    "task": (("task.hpp",), ("task",)),
    "go": (("go.hpp",), ("go",)),
    "executor": (("executor.hpp",), ("sched",)),
    "chan": (("chan.hpp",), ("chan",)),
    "select": (("select.hpp",), ("select",)),
    "sync": (("sync/mutex.hpp", "sync/rwmutex.hpp", "sync/guard.hpp", "sync/waitgroup.hpp", "sync/once.hpp", "sync/cond.hpp", "sync/semaphore.hpp",
              "context/group.hpp", "sync.hpp"), ()),
    "time": (("time.hpp",), ("time",)),
    "context": (("context.hpp",), ("context",)),
    "result": (("result.hpp",), ("base",)),
    "io": (("io.hpp",), ("io",)),
    "net": (("net.hpp",), ("net",)),
    "tls": (("tls.hpp",), ("tls",)),
    "os": (("os.hpp", "os/file.hpp", "os/exec.hpp"), ("os",)),
    "debug": (("debug.hpp",), ()),
    "testing": (("testing.hpp",), ()),
    "interop/asio": (("interop/asio.hpp",), ()),
}
GATHERING = {"gmp.hpp", "sync.hpp"}  # headers that declare nothing

# What a type has for the library and the compiler, not for people.
MACHINERY = re.compile(r"(value_type|promise_type|operation_tag|shared_handle|all_tag|Awaiter|operator co_await|operator=|~\w+|copy_end|cache)$")
# What its class explains; what P2300 asks of schedulers and senders, under the names that it gives.
SELF_EVIDENT = re.compile(r"operator\s*(==|!=|<=>|<<)|operator [\w:<>]+$|(\w+_concept|(get_)?completion_signatures|connect|get_env|query)$")


def is_private(declaration):
    return declaration.access != "public" or declaration.scope[:1] != ("gmp",) or any(part == "std" or part.endswith("detail") for part in declaration.scope)


def name_in(word):
    """What a word of code names: `gmp::net::dial(…)` is net::dial; None: nothing that could be in the reference."""
    word = re.sub(r"^co_await\s+", "", word.strip())
    match = re.fullmatch(r"(?:gmp::)?((?:\w+::)*\w+)(?:<[^()]*>)?(?:\([^()]*\))?", word)
    return match[1] if match else None


class Entry:
    """Declarations that share a docstring."""

    def __init__(self, declarations):
        self.declarations = declarations
        self.first = declarations[0]
        self.doc = next((d.doc for d in declarations if d.doc), [])
        self.members = []
        self.anchor = ".".join([*self.first.scope[1:], re.sub(r"[<>]", "", self.first.name).replace(" ", "-")])

    def names(self):
        return [name for d in self.declarations for name in [d.name, *d.others]]


class Library:
    def __init__(self, headers):
        self.headers = headers  # path below include/gmp: Header
        self.results = operation_results(headers)
        self.classes = {}
        for header in headers.values():
            for declaration in header.declarations:
                if declaration.kind == "class":
                    self.classes.setdefault(declaration.name, declaration)
        self.page_of = {}
        covered = {path for own, _ in PAGES.values() for path in own} | GATHERING
        others = sorted(path for path in headers if not path.startswith("detail/") and path not in covered)
        self.plan = PAGES | {path.removesuffix(".hpp"): ((path,), ()) for path in others}
        self.entries = {page: [] for page in self.plan}
        for page, (own, rooms) in self.plan.items():
            paths = [path for path in own if path in headers]
            paths += sorted(path for path in headers if path.startswith(tuple(f"detail/{room}/" for room in rooms)))
            for path in paths:
                scope_of = "debug" if page == "executor" and path.endswith("stats.hpp") else page
                self.entries[scope_of] += self.grouped([d for d in headers[path].declarations if not is_private(d)])
        for entries in self.entries.values():
            self.tell_apart(entries, set())

    def tell_apart(self, entries, used):
        """Each entry of a page gets an anchor of its own."""
        for entry in entries:
            plain, number = entry.anchor, 1
            while entry.anchor in used:
                number += 1
                entry.anchor = f"{plain}.{number}"
            used.add(entry.anchor)
            self.tell_apart(entry.members, used)

    # --- reading

    def grouped(self, declarations):
        entries = []
        for declaration in declarations:
            if MACHINERY.match(declaration.name) or " override" in declaration.signature or self.is_inner(declaration):
                continue
            joins = declaration.shares and declaration.doc and entries and entries[-1].doc == declaration.doc and declaration.kind == entries[-1].first.kind
            if joins or entries and declaration.name == entries[-1].first.name and not declaration.doc and declaration.kind == "function":
                entries[-1].declarations.append(declaration)
            else:
                if declaration.shares and declaration.kind in ("alias", "class"):
                    declaration.doc = []
                entries.append(Entry([declaration]))
            if declaration.kind == "class":
                entries[-1].members = self.grouped(self.members(declaration))
        return entries

    def members(self, declaration):
        """Its own, and those of private bases' public parts: Chan's are those of ChanHandle and of both sides."""
        found = [member for member in declaration.members if not is_private(member)]
        for base in declaration.bases:
            match = re.match(r"public (?:\w+::)*(\w+)", base)
            inner = self.classes.get(match[1]) if match and "detail::" in base else None
            if inner is not None:
                found += [replace(member, scope=(*declaration.scope, declaration.name)) for member in inner.members
                          if member.access == "public" and member.name != inner.name]
        return found

    @staticmethod
    def is_inner(declaration):
        """A constructor for the library's own use, or the plain ones that every value has."""
        if declaration.kind != "function" or declaration.name != (declaration.scope or ("",))[-1] or declaration.doc and not declaration.shares:
            return False
        inside = declaration.signature.partition("(")[2]
        return "detail::" in inside or f"{declaration.name}&&" in inside.replace(" ", "") or f"const {declaration.name}&" in inside or inside.startswith(")")

    # --- what is wrong

    def complaints(self):
        for path in sorted({path for own, _ in PAGES.values() for path in own} - set(self.headers)):
            yield f"docs/generator/reference.py: there is no include/gmp/{path}"
        for header in self.headers.values():
            yield from (f"include/gmp/{what}" for what in header.lost)
        for page, entries in self.entries.items():
            if not entries:
                yield f"reference/{page}: is empty"
            yield from self.undocumented(entries)

    def undocumented(self, entries):
        for entry in entries:
            first = entry.first
            is_constructor = first.kind == "function" and first.scope and first.name == first.scope[-1]
            if not entry.doc and not is_constructor and not SELF_EVIDENT.match(first.name):
                yield f"include/gmp/{first.place}: {first.full_name()} has no docstring"
            yield from self.undocumented(entry.members)

    # --- writing

    def addresses(self):
        """{name as one writes it: address}: until, net::dial, Mutex, Mutex::lock."""
        found = {}
        for page, entries in self.entries.items():
            for entry in entries:
                for name in entry.names():
                    key = "::".join([*entry.first.scope[1:], name])
                    found.setdefault(key, f"reference/{page}.html#{entry.anchor}")
                for member in entry.members:
                    for name in member.names():
                        found.setdefault("::".join([*entry.first.scope[1:], entry.first.name, name]), f"reference/{page}.html#{member.anchor}")
        for word in ("send", "recv", "error", "main"):
            found.pop(word, None)
        return found

    def pages(self):
        """(path, title, HTML, headings) of each."""
        addresses = self.addresses()
        yield "reference/index.html", "Reference", self.index(), []
        for page, entries in self.entries.items():
            header = self.headers[self.plan[page][0][0] if page != "sync" else "sync.hpp"]
            at = f"reference/{page}.html"

            def code(word, within=(), at=at, page=page):
                name = name_in(word)
                for candidate in ("::".join([*within, name or ""]), name, f"{page}::{name}"):
                    if candidate in addresses:
                        target, _, anchored = addresses[candidate].partition("#")
                        return f"{os.path.relpath(target, os.path.dirname(at))}#{anchored}"
                return None

            about, go, text = header.about()
            if code(re.match(r"[\w:]*", about)[0]) is None:
                about = about[:1].upper() + about[1:]
            out = [f"<h1>gmp/{page}.hpp</h1>", f'<p class="lead">{prose(about, code)}</p>']
            out.append(figure(f"#include <gmp/{page}.hpp>"))
            out.append(document(text, code))
            body, headings = [], []
            for entry in entries:
                body.append(self.entry(entry, code, 2))
                headings.append((2, entry.anchor, html.escape(heading(entry))))
            out.append(summary(entries, code))
            yield at, page.rpartition("/")[2], "\n".join([*out, *body]), headings

    def index(self):
        out = ["<h1>Reference</h1>", '<p class="lead">What the headers declare, with what they say of it. <code>#include &lt;gmp/gmp.hpp&gt;</code> has all but '
               "<code>tls.hpp</code>, <code>testing.hpp</code> and <code>interop/</code>.</p>",
               "<p>In a signature <code>operation&lt;T&gt;</code> stands for what one awaits at once and never names: <code>co_await</code> makes a T of it, and "
               '<a href="context.html#until"><code>until()</code></a> and <a href="context.html#timeout"><code>timeout()</code></a> take it. Every function may be called '
               "from any goroutine; where another thread may call it, or nothing but a goroutine, it says so. A <em>g</em> is a goroutine, an <em>M</em> a thread, "
               'a <em>P</em> <a href="../how-it-works.html#g-m-and-p">the right to run one</a>.</p>',
               '<div class="cards">']
        for page, entries in self.entries.items():
            header = self.headers[self.plan[page][0][0] if page != "sync" else "sync.hpp"]
            first = {heading(entry): entry for entry in reversed(entries)}  # of overloads that have docstrings of their own
            names = ", ".join(f'<a href="{page}.html#{entry.anchor}">{html.escape(name)}</a>' for name, entry in reversed(first.items()))
            about = re.sub(r"^[\w:<>]+(?:(?:, | and )[\w:<>]+)*: ", "", header.about()[0])
            out.append(f'<section class="card"><h2 id="{page.replace("/", "-")}"><a href="{page}.html">{page.rpartition("/")[2]}</a></h2>'
                       f'<p>{prose(about)}</p><p class="names">{names}</p></section>')
        return "\n".join([*out, "</div>"])

    def entry(self, entry, code_in, level):
        within = (*entry.first.scope[1:], entry.first.name) if entry.first.kind == "class" else entry.first.scope[1:]

        def code(word):
            return code_in(word, within)

        lines = []
        for declaration in entry.declarations:
            lines.append(self.signature(declaration))
        ident = entry.anchor
        kind = entry.first.kind
        out = [f'<section class="entry level{level}"><h{level} id="{html.escape(ident)}">{html.escape(heading(entry))}'
               f'<a class="anchor" href="#{html.escape(ident)}" aria-label="link to this place">#</a></h{level}>']
        out.append(f'<pre class="signature" tabindex="0"><code>{highlight(chr(10).join(lines), "cpp")}</code></pre>')
        out.append(document(entry.doc, code))
        if kind == "enum" and any(member.doc for member in entry.first.members):
            rows = "".join(f"<tr><td><code>{html.escape(member.name)}</code></td><td>{prose(columns(' '.join(member.doc)), code)}</td></tr>" for member in entry.first.members)
            out.append(f'<div class="scroll" tabindex="0"><table class="enumerators">{rows}</table></div>')
        fields = [member for member in entry.members if member.first.kind == "variable" and len(" ".join(member.doc)) < 200]
        if fields:
            rows = ""
            for member in fields:
                rows += (f'<tr id="{html.escape(member.anchor)}"><td><code>{highlight(self.signature(member.first), "cpp")}</code></td>'
                         f"<td>{prose(' '.join(member.doc), code)}</td></tr>")
            out.append(f'<div class="scroll" tabindex="0"><table class="fields">{rows}</table></div>')
        for member in entry.members:
            if member not in fields:
                out.append(self.entry(member, code_in, level + 1))
        return "\n".join(out) + "</section>"

    def signature(self, declaration):
        """As a user reads it: without attributes, bodies, and the library's own types."""
        text = re.sub(r"\[\[.*?\]\]\s*", "", declaration.signature)
        text = re.sub(r"\b(inline|GMPCORO_NOINLINE|GMPCORO_COLD|friend) ", "", text)
        text = re.sub(r",?\s*std::source_location where = std::source_location::current\(\)", "", text)
        text = re.sub(r",?\s*detail::ErrorContextRef context = \{\}", "", text)
        text = text.replace("GMPCORO_ASIO::", "asio::")
        if declaration.kind == "enum" and not any(member.doc for member in declaration.members):
            text += " { " + ", ".join(member.name for member in declaration.members) + " }"
        if declaration.kind == "class":
            text = re.sub(r"\s*(?<!:):(?!:).*$", lambda m: public_bases(m[0]), text)
        text = re.sub(r"requires ?(?:\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*detail::(?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|[\w:]+<[^<>]*detail::[^<>]*(?:<[^<>]*>)?[^<>]*>)\s*", "", text)
        if declaration.kind == "function":
            text = re.sub(r"(?<![\w:])(?:detail::)?(\w+)(<(?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*>)?(?=\s+[\w:]+\()", self.operation, text)
            text = re.sub(r"\s*= default$", "", text)
        if declaration.kind == "alias" and "detail::" in text:
            text = text.partition("=")[0]
        text = re.sub(r"std::type_identity_t<detail::ElementOf<C>>", "ElementOf<C>", text)
        text = text.replace("detail::", "")
        if declaration.kind == "variable":
            text = re.sub(r"(?<!= )\{\}$", "", text)
        text = re.sub(r"^(template <.*?>) (?=(?:requires|explicit|class|auto|[\w:]))", split_template, text)
        return squeeze_lines(text)

    def operation(self, match):
        result = self.results.get(match[1])
        arguments = (match[2] or "")[1:-1]
        if match[1] == "RWMutexOperation":
            result = self.results.get(arguments.removeprefix("detail::"))
        if result is None:
            return match[0]
        result = re.sub(r"AttemptResult<T>", "Result<T>", result)
        if arguments and "," not in arguments and match[1] != "AttemptOp":
            result = re.sub(r"\bT\b", arguments, result)
        return f"operation<{result}>"


def split_template(match):
    return match[1] + "\n"


def squeeze_lines(text):
    return "\n".join(squeeze(line) for line in text.split("\n"))


def public_bases(text):
    bases = [base.strip() for base in text.partition(":")[2].split(",") if "detail::" not in base]
    return " : " + ", ".join(bases) if bases and "<" not in text else ""


def operation_results(headers):
    """{operation or awaiter: what co_await makes of it}"""
    results, awaiters = {}, {"JoinOp": "JoinHandle"}
    for header in headers.values():
        text = re.sub(r"//[^\n]*", "", header.text)
        spots = [(m.start(), m[1].strip()) for m in re.finditer(r"\b(?:class|struct) (?:\[\[[^\n]*?\]\] )?([\w:<>,. ]+?)(?: final)?\s*(?:(?<!:):(?!:)[^;{]*)?\{", text)]
        for m in re.finditer(r"^\s*(?:\[\[.*?\]\] )?([\w:<>,.& ]+?) await_resume\(\)", text, re.MULTILINE):
            owner = next((name for start, name in reversed(spots) if start < m.start()), None)
            if owner:
                results[re.sub(r"<.*?>", "", owner).removesuffix("::Awaiter")] = squeeze(m[1])
        for m in re.finditer(r"using Awaiter = (?:detail::)?(\w+)", text):
            owner = next((name for start, name in reversed(spots) if start < m.start()), None)
            if owner:
                awaiters[re.sub(r"<.*?>", "", owner)] = m[1]
        for m in re.finditer(r"\b(?:class|struct) (\w+)(?:<[^{;]*?>)?::Awaiter\s*(?:final)?\s*: public (?:detail::)?(\w+)", text):
            awaiters.setdefault(m[1], m[2])
    for operation, awaiter in awaiters.items():
        if awaiter in results and operation not in results:
            results[operation] = results[awaiter]
    results["OnceCall"] = results.get("OnceCallAwaiter", "void")  # or the one of a coroutine
    return {name: result for name, result in results.items() if result not in ("auto", "Result", "R") and "typename" not in result}


def heading(entry):
    names = list(dict.fromkeys(entry.names()))
    shown = ", ".join(names[:4])
    namespaces = [part for part in entry.first.scope[1:] if part in ("net", "os", "io", "debug", "testing", "this_g")]
    if namespaces and len(entry.first.scope) == 1 + len(namespaces):
        shown = ", ".join("::".join([*namespaces, name]) for name in names[:4])
    return shown


def summary(entries, code):
    rows = []
    for entry in entries:
        text = first_sentence(entry.doc)
        names = "<br>".join(f"<code>{html.escape(name)}</code>" for name in heading(entry).split(", "))
        rows.append(f'<tr><td><a href="#{html.escape(entry.anchor)}">{names}</a></td><td>{prose(text, code)}</td></tr>')
    return f'<table class="summary">{"".join(rows)}</table>'


def first_sentence(doc):
    text, _ = without_go(doc)
    paragraph = " ".join(text).strip() if not any(not line.strip() for line in text) else " ".join(text[:next(i for i, line in enumerate(text) if not line.strip())])
    quiet = re.sub(r"`[^`]*`", lambda m: m[0].replace(".", "\0").replace(":", "\1").replace(";", "\2"), paragraph)
    match = re.match(r".*?[^.…]\.(?=\s+[A-Z`…]|$)", quiet)
    return (match[0] if match else quiet).replace("\0", ".").replace("\1", ":").replace("\2", ";")


def without_go(doc):
    """The lines of a docstring, and what it says of Go's counterpart."""
    text = "\n".join(doc)
    match = re.search(r"(?:(?<=\n)|(?<=\s\s)|(?<=\. )|^)Go:\s+([^\n]+?)\.?[ \t]*(?=\n[ \t]*\n|\n {4}|$)", text, re.DOTALL) \
        or re.search(r"[ \t]{2,}Go:\s+([^\n]+(?:\n[^\n]+)?)$", text)
    if not match:
        return doc, ""
    return (text[:match.start()].rstrip(" ") + text[match.end():]).rstrip().split("\n"), squeeze(match[1]).rstrip(".")


TOKEN = re.compile(r"(?P<code>`[^`]+`)|(?P<name>(?<![\w\"'/.$])(?:(?:\w+::)+(?:~?\w+|…)|[a-z_]\w*(?=\(\)))(?:\([\w, ]*\))?|\$?GMP[A-Z]{3,}\w*(?:=[\w,=]+)?|(?<!\w)[a-z]+_[a-z_]+\b)")


def prose(text, code=None):
    """A docstring's text: names in it look like code, and lead where they are explained."""
    out, end = [], 0
    for match in TOKEN.finditer(text):
        out.append(html.escape(text[end:match.start()], quote=False))
        word = match[0].strip("`")
        address = code(word) if code else None
        shown = f"<code>{html.escape(word, quote=False)}</code>"
        out.append(f'<a class="name" href="{html.escape(address)}">{shown}</a>' if address else shown)
        end = match.end()
    out.append(html.escape(text[end:], quote=False))
    return "".join(out)


def columns(text):
    """What stands apart in a comment, a text and what it means, as one sentence."""
    return re.sub(r"(?<=\S) {2,}(?=\S)", ": ", text)


def figure(code):
    is_table = all(re.match(r"[\w.]+ {2,}\S", line) for line in code.split("\n"))
    return f'<figure class="code cpp"><pre tabindex="0"><code>{highlight(code, "" if is_table else "cpp")}</code></pre></figure>'


def document(lines, code):
    """A docstring as HTML: paragraphs, lists, and code that stands four spaces in."""
    lines, go = without_go(lines)
    out, paragraph, sketch, items = [], [], [], []

    def flush():
        if paragraph:
            out.append(f"<p>{prose(' '.join(paragraph), code)}</p>")
            paragraph.clear()
        while sketch and not sketch[-1].strip():
            sketch.pop()
        if sketch:
            out.append(figure(markdown_dedent(sketch)))
            sketch.clear()
        if items:
            out.append("<ul>" + "".join(f"<li>{prose(' '.join(item), code)}</li>" for item in items) + "</ul>")
            items.clear()

    for line in lines:
        if line.startswith("    ") or line.startswith("  ") and not items and (sketch or re.match(r"  +\S.*\s{3,}\S", line)):
            if not sketch:
                flush()
            sketch.append(line)
        elif not line.strip():
            if sketch:
                sketch.append("")
            else:
                flush()
        elif re.match(r"\s*- ", line):
            if not items:
                flush()
            items.append([line.strip()[2:]])
        elif items and line.startswith("  "):
            items[-1].append(line.strip())
        elif items:
            items[-1].append(line.strip())
        else:
            if sketch:
                flush()
            paragraph.append(line.strip())
    flush()
    if go:
        out.append(f'<p class="go"><span>Go</span> {html.escape(go, quote=False)}</p>')
    return "\n".join(out)


def markdown_dedent(lines):
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[margin:] for line in lines)


def read(include):
    """The library's headers below include/gmp."""
    headers, root = {}, os.path.join(include, "gmp")
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".hpp"):
                path = os.path.relpath(os.path.join(folder, name), root)
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    headers[path] = Header(path, file.read().replace("GMPCORO_EXPORT ", ""))  # which is the linker's
    return Library(headers)
