# docs/generator/pages.py — the site: every page of docs/, and the reference made from the headers, as files that need nothing but each other.
#
# pages.py ROOT OUT      What cannot be right (a link to nowhere, a public name without a docstring) is told, and ends it with status 1.
import html
import os
import re
import shutil
import sys

import markdown
import programs
import reference

NAME = "gmpcoro"
# The order in which one reads: (title of the group, its pages).
CONTENTS = (
    ("", ("index.md",)),
    ("Guide", ("guide/first-program.md", "guide/channels.md", "guide/select-and-time.md", "guide/giving-up.md", "guide/locks.md", "guide/network-service.md",
               "guide/testing.md")),
    ("", ("phrase-book.md", "footguns.md", "how-it-works.md", "compilers.md")),
)

ICON = ("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%230b7285'/%3E"
        "%3Ccircle cx='5' cy='8' r='2' fill='white'/%3E%3Ccircle cx='11' cy='8' r='2' fill='white' opacity='.6'/%3E%3C/svg%3E")


class Page:
    """A page to be: where it will lie, what it is called, its HTML, and the headings that one may go to."""

    def __init__(self, path, title, body, headings, group=""):
        self.path, self.title, self.body, self.headings, self.group = path, title, body, headings, group


def relative(to, path):
    """The address of one page, seen from another."""
    return os.path.relpath(to, os.path.dirname(path) or ".")


def read_pages(docs, names):
    """The pages of docs/, in their order. names: what the reference knows, {name: address below the site}."""
    order = [(group, page) for group, pages in CONTENTS for page in pages]
    missing = set(programs.pages(docs)) ^ {page for _, page in order}
    if missing:
        raise programs.ProgramError(f"docs/: {', '.join(sorted(missing))}: the list in pages.py and the files differ")
    pages = []
    for group, source in order:
        path = source.removesuffix(".md") + ".html"
        blocks = programs.read(docs, source)

        def link(to, path=path):
            if re.match(r"https?://", to):
                return to
            target, _, anchor = to.partition("#")
            return (target.removesuffix(".md") + ".html" if target else "") + (f"#{anchor}" if anchor else "")

        def code(word, path=path):
            name = reference.name_in(word)
            return relative(names[name].split("#")[0], path) + "#" + names[name].split("#")[1] if name in names else None

        def picture(at, source=source):
            with open(os.path.join(docs, os.path.dirname(source), at), encoding="utf-8") as file:
                return re.sub(r"<\?xml.*?\?>|<!--.*?-->", "", file.read(), flags=re.DOTALL).strip()

        pages.append(Page(path, markdown.title(blocks), markdown.write(blocks, link, code, picture), markdown.headings(blocks), group))
    return pages


def contents(pages, here):
    """The list of all pages, the one that is shown marked."""
    out, group = ["<ul>"], ""
    for page in pages:
        if page.group != group:
            if group:
                out.append("</ul></li>")
            group = page.group
            if group:
                out.append(f'<li class="group"><span>{group}</span><ul>')
        title = {"index.html": "Overview", "reference/index.html": "All headers"}.get(page.path) or page.title
        mark = ' aria-current="page"' if page is here else ""
        out.append(f'<li><a href="{relative(page.path, here.path)}"{mark}>{html.escape(title, quote=False)}</a></li>')
    if group:
        out.append("</ul></li>")
    return "\n".join([*out, "</ul>"])


def layout(pages, page):
    index = pages.index(page)
    around = []
    if index > 0:
        around.append(f'<a class="before" rel="prev" href="{relative(pages[index - 1].path, page.path)}"><small>before</small>{html.escape(pages[index - 1].title)}</a>')
    if index + 1 < len(pages):
        around.append(f'<a class="after" rel="next" href="{relative(pages[index + 1].path, page.path)}"><small>next</small>{html.escape(pages[index + 1].title)}</a>')
    inner = ""
    if len(page.headings) > 2:
        inner = '<nav class="here" aria-label="On this page"><p>On this page</p><ul>' + "".join(
            f'<li class="level{level}"><a href="#{anchor}">{text}</a></li>' for level, anchor, text in page.headings) + "</ul></nav>"
    title = page.title if page.path == "index.html" else f"{page.title} — {NAME}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title, quote=False)}</title>
<link rel="icon" href="{ICON}">
<link rel="stylesheet" href="{relative("style.css", page.path)}">
</head>
<body>
<a class="skip" href="#main">To the text</a>
<header class="top"><a class="home" href="{relative("index.html", page.path)}"><span class="mark" aria-hidden="true"></span>{NAME}</a>
<details class="menu"><summary>Contents</summary><nav aria-label="Contents">{contents(pages, page)}</nav></details></header>
<div class="frame">
<nav class="side" aria-label="All pages">{contents(pages, page)}</nav>
<main id="main">
{page.body}
<nav class="around" aria-label="Before and next">{"".join(around)}</nav>
</main>
{inner}
</div>
</body>
</html>
"""


def broken_links(out, paths):
    """Whatever points to what is not there."""
    texts = {}
    for path in paths:
        with open(os.path.join(out, path), encoding="utf-8") as file:
            texts[path] = file.read()
    anchors = {path: re.findall(r'\bid="([^"]+)"', text) for path, text in texts.items()}
    for path, text in texts.items():
        doubled = {anchor for anchor in anchors[path] if anchors[path].count(anchor) > 1}
        for anchor in sorted(doubled):
            yield f"{path}: #{anchor} stands there more than once"
        for to in re.findall(r'\b(?:href|src)="([^"]*)"', text):
            to = html.unescape(to)
            if re.match(r"https?://|data:", to):
                continue
            target, _, anchor = to.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
            if target not in texts and not os.path.exists(os.path.join(out, target)):
                yield f"{path}: there is no {to}"
            elif anchor and anchor not in anchors.get(target, ()):
                yield f"{path}: {to}: there is no such place"


def build(root, out):
    """Writes the site; gives what is wrong with it."""
    docs = os.path.join(root, "docs")
    library = reference.read(os.path.join(root, "include"))
    pages = read_pages(docs, library.addresses())
    pages += [Page(path, title, body, headings, "Reference") for path, title, body, headings in library.pages()]
    if os.path.isdir(out):
        if os.listdir(out) and not os.path.exists(os.path.join(out, "reference", "index.html")):
            raise programs.ProgramError(f"{out}: is no site; what is in it stays")
        shutil.rmtree(out)
    for page in pages:
        os.makedirs(os.path.join(out, os.path.dirname(page.path)), exist_ok=True)
        with open(os.path.join(out, page.path), "w", encoding="utf-8") as file:
            file.write(layout(pages, page))
    shutil.copy(os.path.join(docs, "style.css"), out)
    return [*library.complaints(), *broken_links(out, [page.path for page in pages])]


def main(root, out):
    try:
        complaints = build(root, out)
    except (programs.ProgramError, markdown.MarkdownError) as error:
        sys.exit(str(error))
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
