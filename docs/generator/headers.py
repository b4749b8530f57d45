# docs/generator/headers.py — the declarations of a C++ header, with the docstrings above them.
#
# No compiler: the headers of one house, in one style, are read for what they declare.  A docstring (///) belongs to the declaration below it and to those
# that follow without an empty line.  A class that the scanner does not understand is in `lost`, and the checks tell of it.
import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<doc>///[^\n]*)|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>R"(\w*)\(.*?\)\4"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+')
      |(?P<directive>^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)|(?P<newline>\n)|(?P<space>[ \t]+)|(?P<word>\w+)|(?P<other>.)""",
    re.DOTALL | re.VERBOSE | re.MULTILINE)


ATTRIBUTES = re.compile(r"\bGMPCORO_(?:EXPORT|NOINLINE|COLD)\b")  # macros that say nothing to a reader


@dataclass
class Declaration:
    kind: str  # function, class, enum, variable, alias, concept, enumerator
    name: str
    scope: tuple  # namespaces and classes round it
    signature: str
    doc: list  # lines without their ///; empty: none
    place: str
    access: str = "public"
    shares: bool = False  # the docstring stands above a declaration before it
    bases: tuple = ()
    members: list = field(default_factory=list)
    others: list = field(default_factory=list)  # more names that one variable's declaration declares

    def full_name(self):
        return "::".join([*self.scope, self.name])


class Header:
    def __init__(self, path, text):
        self.path, self.text = path, ATTRIBUTES.sub(lambda macro: " " * len(macro[0]), text)
        self.declarations, self.macros, self.lost = [], {}, []
        self.tokens = list(TOKEN.finditer(self.text))
        self.at = 0
        self.read_scope((), self.declarations, "public", None)

    def line(self, token):
        return self.text.count("\n", 0, token.start()) + 1

    def includes(self):
        return re.findall(r'^#include "(gmp/[^"]+)"', self.text, re.MULTILINE)

    def about(self):
        """What line 1 says it is, Go's counterpart of line 2, and the comment below."""
        lines = self.text.split("\n")
        head = lines[0].partition(" — ")[2]
        go = re.match(r"// Go: (.*?)(?:\s*Room:.*)?$", lines[1])
        rest = []
        for line in lines[2:]:
            if not line.startswith("//"):
                break
            rest.append(line[2:].removeprefix(" "))
        if rest and rest[0].strip():
            while rest and rest[0].strip():  # line 2 runs on
                rest.pop(0)
        return head, go[1].rstrip(" .") if go else "", rest

    # --- scanning

    def read_scope(self, scope, into, access, class_name):
        """Declarations until the } that ends the scope, which is taken."""
        doc, last_doc, empty_lines, last, same_line = [], [], 0, None, False
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            kind = token.lastgroup
            if kind == "space":
                self.at += 1
            elif kind == "newline":
                self.at += 1
                empty_lines += 1
                same_line = False
                if empty_lines > 1:
                    last_doc, doc = [], doc if doc and empty_lines == 1 else []
            elif kind == "doc":
                doc.append(token["doc"][3:].removeprefix(" "))
                self.at += 1
                empty_lines = 0
                self.skip_newline()
                empty_lines = 1
            elif kind == "comment":
                if same_line and last is not None and not last.doc:
                    last.doc, last.shares = [token["comment"][2:].strip()], False
                self.at += 1
                empty_lines = 0
            elif kind == "directive":
                define = re.match(r"\s*#define (\w+)\(([^)]*)\)(.*)$", token["directive"], re.DOTALL)
                if define:
                    self.macros[define[1]] = define[3].replace("\\\n", "\n")
                if doc and not define:
                    doc = []
                self.at += 1
                empty_lines = 0
            elif token[0] == "}":
                self.at += 1
                return
            elif token[0] == ";":
                self.at += 1
                empty_lines = 0
            elif kind == "word" and token[0] in ("public", "private", "protected") and self.peek(1) == ":":
                access = token[0]
                self.at += 2
                doc, last_doc, empty_lines = [], [], 0
            else:
                own = doc
                made = self.read_declaration(scope, access, class_name, own or last_doc, not own)
                into += [d for d in made if d is not None]
                if made:
                    last = made[-1] if made[-1] is not None else None
                if own:
                    last_doc = own
                if last is not None and last.kind in ("class", "enum"):
                    last_doc = []
                doc, empty_lines, same_line = [], 0, last is not None and last.scope == scope

    def skip_newline(self):
        if self.at < len(self.tokens) and self.tokens[self.at].lastgroup == "newline":
            self.at += 1

    def peek(self, distance):
        return self.tokens[self.at + distance][0] if self.at + distance < len(self.tokens) else ""

    def skip_braces(self):
        """From a { past its }."""
        depth = 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.lastgroup == "other":
                depth += {"{": 1, "}": -1}.get(token[0], 0)
                if depth == 0:
                    return

    def read_declaration(self, scope, access, class_name, doc, shares):
        first = self.tokens[self.at]
        place = f"{self.path}:{self.line(first)}"
        head, depth = "", 0

        def declared(kind, name, signature, **more):
            return Declaration(kind, name, scope, signature, list(doc), place, access, shares, **more)

        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            kind, text = token.lastgroup, token[0]
            if kind in ("doc", "comment", "directive"):
                self.at += 1
                continue
            if kind == "newline":
                if re.fullmatch(r"\s*(GMPCORO_SITED)\((\w+)\)\s*", head):
                    return self.sited(head, declared)
                if depth == 0 and re.fullmatch(r"\s*[A-Z_]+\([^()]*\)\s*", head):
                    return [None]  # a macro of the house
                head += " "
                self.at += 1
                continue
            if kind == "other" and text in "([":
                depth += 1
            elif kind == "other" and text in ")]":
                depth -= 1
            elif kind == "other" and text == ";" and depth == 0:
                self.at += 1
                return [self.plain(head, declared, class_name)]
            elif kind == "other" and text == "{" and depth == 0:
                space = re.match(r"\s*(?:inline )?namespace ([\w:]*)\s*$", head)
                if space:
                    self.at += 1
                    inner = []
                    names = tuple(space[1].split("::")) if not head.strip().startswith("inline") else ()
                    self.read_scope((*scope, *names), inner, "public", None)
                    return inner
                bare = self.without_template(head)
                typed = re.match(r"\s*(class|struct|union|enum(?: class)?)\s+(?:\[\[.*?\]\]\s*)?([\w:<>]+)?\s*(final)?\s*(:(?!:)\s*(.*))?$", bare)
                if typed and "(" not in re.sub(r"\[\[.*?\]\]", "", bare).split(":")[0]:
                    return [self.typed(head, typed, declared, scope)]
                special = re.match(r"\s*\w+\s+(?:\[\[.*?\]\]\s*)?\w+\s*<", bare)  # or what stands in a template: nobody names it
                if re.match(r"\s*(class|struct|union|enum)\b", bare) and not special and not self.is_function(head) and "=" not in outer(head):
                    self.lost.append(f"{place}: {squeeze(head)[:80]}: the reference does not understand this")
                if "=" in outer(head) or not self.is_function(head) or self.in_initializers(head):
                    self.skip_braces()
                    head += "{}"
                    continue
                self.skip_braces()
                return [self.plain(head, declared, class_name)]
            head += " " if kind == "space" else text
            self.at += 1
        return [None]

    @staticmethod
    def is_function(head):
        return re.search(r"(\w|operator\S+|>)\s*\(", re.sub(r"\[\[.*?\]\]|noexcept\(.*?\)|requires\s*\(", "", head)) is not None

    @staticmethod
    def in_initializers(head):
        """Whether the { that follows belongs to a member initializer: `: a_(x), b_` before it."""
        start = re.search(r"\)\s*(?:noexcept\s*(?:\([^()]*(?:\([^()]*\))*[^()]*\))?\s*)?(?:requires.*\S\s*)?(?<!:):(?!:)\s*(?=\w)", head)
        return start is not None and re.search(r"[\w>]\s*$", head) is not None and not re.search(r"\)\s*$", head)

    @staticmethod
    def without_template(head):
        """What follows template <…> and requires(…) in front."""
        head = head.strip()
        while head.startswith("template"):
            depth, i = 0, head.index("<")
            for i in range(i, len(head)):
                depth += {"<": 1, ">": -1}.get(head[i], 0) if head[i - 1:i + 1] != "->" else 0
                if depth == 0:
                    break
            head = head[i + 1:].strip()
        while head.startswith("requires"):
            rest = head[len("requires"):].strip()
            if rest.startswith("("):
                depth = 0
                for i, char in enumerate(rest):
                    depth += {"(": 1, ")": -1}.get(char, 0)
                    if depth == 0:
                        break
                head = rest[i + 1:].strip()
            else:
                words = re.match(r"[\w:]+(?:\s*<(?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*>)?\s*", rest)
                head = rest[words.end():].strip() if words else ""
                if not words:
                    break
            head = re.sub(r"^(?:&&|\|\|)", "requires", head)
        return head

    def typed(self, head, typed, declared, scope):
        word, name, bases = typed[1], typed[2] or "", typed[5] or ""
        self.at += 1
        if word.startswith("enum"):
            made = declared("enum", name, squeeze(head))
            self.enumerators(made)
            self.to_semicolon()
            return made
        made = declared("class", name, squeeze(head))
        made.bases = tuple(squeeze(base) for base in re.split(r",(?![^<]*>)", bases) if base.strip())
        self.read_scope((*scope, name), made.members, "private" if word == "class" else "public", name)
        self.to_semicolon()
        if not name or "::" in name or "<" in name:
            return None  # of something declared elsewhere, or a specialization
        return made

    def enumerators(self, made):
        text = ""
        while self.at < len(self.tokens) and self.tokens[self.at][0] != "}":
            token = self.tokens[self.at]
            self.at += 1
            if token.lastgroup == "comment":
                if made.members and not made.members[-1].doc:
                    made.members[-1].doc = [token["comment"][2:].strip()]
            elif token[0] == ",":
                self.enumerator(made, text)
                text = ""
            elif token.lastgroup == "newline":
                text += " "
            else:
                text += token[0]
        self.enumerator(made, text)
        self.at += 1

    @staticmethod
    def enumerator(made, text):
        name = re.match(r"\s*(\w+)", text)
        if name:
            made.members.append(Declaration("enumerator", name[1], (*made.scope, made.name), squeeze(text), [], made.place))

    def to_semicolon(self):
        while self.at < len(self.tokens) and self.tokens[self.at][0] != ";":
            self.at += 1
        self.at += 1

    def plain(self, head, declared, class_name):
        text = squeeze(head)
        bare = self.without_template(text)
        bare = re.sub(r"^(?:\[\[.*?\]\]\s*)+", "", bare)
        if re.match(r"(friend (?!.*operator)|static_assert|extern template|using namespace|asm\b|class \w+$|struct \w+$|enum \w+|union \w+$)", bare) or not bare:
            return None
        if bare.startswith("using "):
            alias = re.match(r"using (\w+)\s*=", bare)
            return declared("alias", alias[1], text) if alias else None
        if concept := re.match(r"concept (\w+)", bare):
            return declared("concept", concept[1], text)
        if "->" in bare and re.match(r"\w+\(.*\)\s*->", bare):
            return None  # a deduction guide
        if re.search(r"=\s*delete$", bare):
            return None
        function = re.search(r"(operator\s*(?:\(\)|co_await|[^\w\s(]+|[\w:<>&* ]+?)|~?[\w:]+(?:<[^()]*>)?)\s*\(", re.sub(r"\b(?:noexcept|decltype|alignas|requires|explicit)\s*\((?:[^()]|\([^()]*\))*\)", "", bare))
        plain = bare
        while (shorter := re.sub(r"<[^<>]*>", "", plain)) != plain and not re.search(r"operator\s*<", plain):
            plain = shorter
        variable = re.match(r"(?:inline |static |constexpr |const |mutable )*[\w:&* ]+?[ &*](\w+)(?:\[.*\])?(\s*=.*?|\{\})?(\s*,.*)?$", plain)
        if variable and (not function or "(" not in plain.split("=")[0] and "operator" not in bare):
            made = declared("variable", variable[1], text)
            made.others = re.findall(r"(\w+)(?:\s*=\s*[^,]*)?(?=,|$)", variable[3] or "")
            return made
        if function:
            name = re.sub(r"\s+", " ", function[1]).strip()
            if "::" in name and not name.startswith("operator"):
                return None  # the body of something declared elsewhere
            return declared("function", name, strip_body(text, name == class_name))
        return declared("variable", variable[1], text) if variable else None

    def sited(self, head, declared):
        """GMPCORO_SITED(M): what M declares, for any number of arguments."""
        body = self.macros.get(re.search(r"\((\w+)\)", head)[1], "")
        made = []
        for found in re.finditer(r"template <class F GMPCORO_UNPAREN TYPES>\s*((?:\[\[nodiscard\]\] )?[^{]*?)\{", body):
            text = squeeze(found[1]).replace(" GMPCORO_UNPAREN PARAMETERS", ", Args&&... args")
            text = re.sub(r",\s*std::source_location where = std::source_location::current\(\)", "", text)
            name = re.search(r"(\w+)\(F", text)[1]
            made.append(declared("function", name, "template <class F, class... Args> " + text))
            made[-1].shares = len(made) > 1
        return made


def outer(head):
    """A declaration's head without what is in its brackets, so that an = in it begins a value."""
    head = re.sub(r"operator\s*[<>=!]+|[<>=!]=", "", head)
    while (shorter := re.sub(r"\([^()]*\)|<[^<>]*>", "", head)) != head:
        head = shorter
    return head


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


def strip_body(text, is_constructor):
    """A function's signature without its member initializers."""
    if is_constructor:
        text = re.sub(r"(\)\s*(?:noexcept(?:\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))?)?)\s*(requires.*?)?\s*(?<!:):(?!:)\s*\w.*$", r"\1 \2", text)
    return squeeze(text)
