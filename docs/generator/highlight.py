# docs/generator/highlight.py — source text as HTML with its comments, strings, words and numbers marked.
#
# A colour is a help for the eye, no more: a few regular expressions a language, and no grammar.
import html
import re

CPP_WORDS = """alignas auto bool break case catch char class co_await co_return co_yield concept const constexpr continue default delete do double else
enum explicit false final float for friend if inline int long mutable namespace new noexcept nullptr operator override private protected public requires
return short signed sizeof static static_assert struct switch template this throw true try typename union unsigned using virtual void while"""
GO_WORDS = """break case chan const continue default defer else error fallthrough false for func go goto if import int interface iota map nil package range
return select string struct switch true type var"""
CMAKE_WORDS = "find_package target_link_libraries add_subdirectory add_executable REQUIRED CONFIG COMPONENTS PRIVATE PUBLIC"

C_LIKE = r"""(?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`|(?<![0-9a-zA-Z])'(?:\\.|[^'\\\n])+')
  | (?P<directive>^[ \t]*\#[a-z]+(?:[^\n/]|/(?!/))*)
  | (?P<number>(?<![\w.])\d[\d'.]*(?:[a-z]\w*)?)
  | (?P<word>[A-Za-z_]\w*)"""
HASH = r"""(?P<comment>(?:^|(?<=\s))\#[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*"|'[^'\n]*')
  | (?P<word>[A-Za-z_]\w*)"""

LANGUAGES = {
    "cpp": (C_LIKE, CPP_WORDS),
    "go": (C_LIKE.replace(r"(?P<directive>^[ \t]*\#[a-z]+(?:[^\n/]|/(?!/))*)", r"(?P<directive>(?!))"), GO_WORDS),
    "cmake": (HASH, CMAKE_WORDS),
    "sh": (HASH, ""),
}
LANGUAGES = {name: (re.compile(tokens, re.DOTALL | re.MULTILINE | re.VERBOSE), set(words.split())) for name, (tokens, words) in LANGUAGES.items()}


def highlight(code, language):
    """HTML of that code; of a language that is not known: the plain text."""
    if language not in LANGUAGES:
        return html.escape(code, quote=False)
    tokens, words = LANGUAGES[language]
    out, end = [], 0
    for token in tokens.finditer(code):
        out.append(html.escape(code[end:token.start()], quote=False))
        kind, text = token.lastgroup, html.escape(token[0], quote=False)
        if kind == "word":
            kind = "keyword" if token[0] in words else "type" if token[0][0].isupper() and len(token[0]) > 1 else None
        out.append(f'<span class="{kind}">{text}</span>' if kind else text)
        end = token.end()
    out.append(html.escape(code[end:], quote=False))
    return "".join(out)
