# docs/generator/markdown.py — Markdown as the pages use it: read into blocks, and written as HTML.
#
# Headings, paragraphs, lists, tables, fenced code, pictures; in a line code, links, strong and emphasis.  What is none of these is an error, not text:
# a page that reads well here reads the same wherever else Markdown is shown.  A comment, which nobody sees, may tell what a block of code stands on:
#
#   <!-- above … -->     C++ in front of the coroutine that a fragment (a block without main) becomes
#   <!-- given … -->     statements before the fragment
#   <!-- then … -->      after a fragment: statements after it, which check what it has done
#   <!-- status 2 -->    what the program ends with
#   <!-- compiled -->    it is compiled, and not run
#   <!-- from examples/x.cpp [name] -->     it is cut from there, and compiled there
import html
import re
from dataclasses import dataclass, field

from highlight import highlight


class MarkdownError(Exception):
    pass


@dataclass
class Block:
    kind: str  # heading, paragraph, list, table, code, picture, comment
    line: int
    text: str = ""
    level: int = 0
    items: list = field(default_factory=list)  # of a list: (text, [Block]); of a table: rows of cells
    language: str = ""
    ordered: bool = False


FENCE = re.compile(r"```(\w*)\s*$")
ITEM = re.compile(r"(?P<indent> *)(?P<mark>[-*]|\d+\.) +(?P<text>.*)$")
PICTURE = re.compile(r"!\[(?P<caption>[^\]]*)\]\((?P<path>[^)\s]+\.svg)\)$")


def parse(text, first_line=1):
    """The blocks of a page."""
    lines = text.split("\n")
    blocks, i = [], 0

    def at(index):
        return first_line + index

    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
        elif line.startswith("<!--"):
            end = next((j for j in range(i, len(lines)) if "-->" in lines[j]), None)
            if end is None:
                raise MarkdownError(f"{at(i)}: a comment without its end")
            blocks.append(Block("comment", at(i), "\n".join(lines[i:end + 1]).strip()[4:-3].strip("\n")))
            i = end + 1
        elif fence := FENCE.match(line):
            end = next((j for j in range(i + 1, len(lines)) if lines[j].startswith("```")), None)
            if end is None:
                raise MarkdownError(f"{at(i)}: code without its end")
            blocks.append(Block("code", at(i) + 1, "\n".join(lines[i + 1:end]), language=fence[1]))
            i = end + 1
        elif heading := re.match(r"(#{1,4}) +(.+?)\s*$", line):
            blocks.append(Block("heading", at(i), heading[2], level=len(heading[1])))
            i += 1
        elif picture := PICTURE.match(line.strip()):
            blocks.append(Block("picture", at(i), picture["caption"], items=[picture["path"]]))
            i += 1
        elif line.startswith("|"):
            end = next((j for j in range(i, len(lines)) if not lines[j].startswith("|")), len(lines))
            rows = [cells(row) for row in lines[i:end]]
            if len(rows) < 2 or not all(re.fullmatch(r":?-+:?", cell) for cell in rows[1]):
                raise MarkdownError(f"{at(i)}: a table needs a head, and a line of dashes below it")
            if any(len(row) != len(rows[0]) for row in rows):
                raise MarkdownError(f"{at(i)}: a table whose rows differ in their number of cells")
            blocks.append(Block("table", at(i), items=[rows[0], *rows[2:]]))
            i = end
        elif ITEM.match(line) and not line.startswith(" "):
            items, ordered = [], line[0].isdigit()
            while i < len(lines) and (match := ITEM.match(lines[i])) and not match["indent"]:
                begin, margin = i, len(match[0]) - len(match["text"])
                i += 1
                while i < len(lines) and (lines[i].startswith(" " * 2) or not lines[i].strip() and i + 1 < len(lines) and lines[i + 1].startswith(" " * 2)):
                    i += 1
                inner = [match["text"], *(row[min(margin, len(row) - len(row.lstrip())):] for row in lines[begin + 1:i])]
                items.append(parse("\n".join(inner), at(begin)))
            blocks.append(Block("list", at(i), items=items, ordered=ordered))
        elif line.startswith((">", "<", "    ", "---", "===")):
            raise MarkdownError(f"{at(i)}: the pages do without this form: {line}")
        else:
            end = next((j for j in range(i, len(lines)) if not lines[j].strip() or lines[j].startswith(("```", "|", "#", "<!--")) or j > i and ITEM.match(lines[j])),
                       len(lines))
            blocks.append(Block("paragraph", at(i), "\n".join(lines[i:end])))
            i = end
    return blocks


def cells(row):
    """The cells of one line of a table; a bar within code, or behind a backslash, parts nothing."""
    parts = re.findall(r"((?:`[^`]*`|\\\||[^|`])*)\|", row.strip()[1:] + ("" if row.strip().endswith("|") else "|"))
    return [part.strip().replace("\\|", "|") for part in parts]


def slug(text):
    """The anchor of a heading, as GitHub makes it."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", lambda m: m[1] or "", text)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


INLINE = re.compile(r"""(?P<code>`[^`]+`)
  | \[(?P<label>(?:[^\]`]|`[^`]*`)*)\]\((?P<to>[^)\s]+)\)
  | \*\*(?P<strong>[^*]+)\*\*
  | (?<![\w*])\*(?P<em>[^*\s](?:[^*]*[^*\s])?)\*(?!\w)""", re.VERBOSE)


def inline(text, link=lambda to: to, code=None):
    """HTML of a line's text. link: gives the address for what a link says; code: gives the address of a word of code, or None."""
    out, end = [], 0
    for match in INLINE.finditer(text):
        out.append(html.escape(text[end:match.start()], quote=False))
        if match["code"]:
            word = match["code"][1:-1]
            shown = f"<code>{html.escape(word, quote=False)}</code>"
            address = code(word) if code else None
            out.append(f'<a class="name" href="{html.escape(address)}">{shown}</a>' if address else shown)
        elif match["to"]:
            out.append(f'<a href="{html.escape(link(match["to"]))}">{inline(match["label"])}</a>')
        elif match["strong"]:
            out.append(f"<strong>{inline(match['strong'], link, code)}</strong>")
        else:
            out.append(f"<em>{inline(match['em'], link, code)}</em>")
        end = match.end()
    out.append(html.escape(text[end:], quote=False))
    return "".join(out)


def figure(block, caption=""):
    caption = f"<figcaption>{caption}</figcaption>" if caption else ""
    kind = block.language or "output"
    return f'<figure class="code {kind}">{caption}<pre tabindex="0"><code>{highlight(block.text, block.language)}</code></pre></figure>'


LABELS = {"go": "Go", "cpp": "gmp"}


def write(blocks, link=lambda to: to, code=None, picture=None):
    """HTML of blocks. picture: gives the SVG at a path. A block of Go with one of C++ below it stand side by side."""
    out = []
    shown = [block for block in blocks if block.kind != "comment"]
    i = 0
    while i < len(shown):
        block = shown[i]
        below = shown[i + 1] if i + 1 < len(shown) else None
        if block.kind == "heading":
            anchor = slug(block.text)
            text = inline(block.text, link, code if block.level > 1 else None)
            out.append(f'<h{block.level} id="{anchor}">{text}<a class="anchor" href="#{anchor}" aria-label="link to this place">#</a></h{block.level}>')
        elif block.kind == "paragraph":
            out.append(f"<p>{inline(block.text, link, code)}</p>")
        elif block.kind == "code" and block.language == "go" and below is not None and below.kind == "code" and below.language == "cpp":
            out.append(f'<div class="pair">{figure(block, LABELS["go"])}{figure(below, LABELS["cpp"])}</div>')
            i += 1
        elif block.kind == "code":
            out.append(figure(block))
        elif block.kind == "picture":
            out.append(f'<figure class="picture"><div class="scroll" tabindex="0">{picture(block.items[0])}</div><figcaption>{inline(block.text)}</figcaption></figure>')
        elif block.kind == "list":
            kind = "ol" if block.ordered else "ul"
            out.append(f"<{kind}>")
            for item in block.items:
                inner = write(item, link, code, picture)
                if [b.kind for b in item if b.kind != "comment"] == ["paragraph"]:
                    inner = inner.removeprefix("<p>").removesuffix("</p>")
                out.append(f"<li>{inner}</li>")
            out.append(f"</{kind}>")
        elif block.kind == "table":
            head, *rows = block.items
            out.append('<div class="scroll" tabindex="0"><table><thead><tr>' + "".join(f"<th>{inline(cell, link, code)}</th>" for cell in head) + "</tr></thead><tbody>")
            out += ["<tr>" + "".join(f"<td>{inline(cell, link, code)}</td>" for cell in row) + "</tr>" for row in rows]
            out.append("</tbody></table></div>")
        i += 1
    return "\n".join(out)


def headings(blocks):
    """(level, anchor, HTML) of those of the second and third level."""
    return [(block.level, slug(block.text), inline(block.text)) for block in blocks if block.kind == "heading" and block.level in (2, 3)]


def title(blocks):
    """The text of the one heading of the first level."""
    found = [block.text for block in blocks if block.kind == "heading" and block.level == 1]
    if len(found) != 1:
        raise MarkdownError(f"a page has one heading of the first level; this one has {len(found)}")
    return found[0]
