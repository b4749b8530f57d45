# tests/tidy/text.py — C++ source as the checks read it: code without comments and strings, comments without code.
import re

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>R"(?P<mark>\w*)\(.*?\)(?P=mark)" | "(?:\\.|[^"\\\n])*" | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+')""",
    re.DOTALL | re.VERBOSE,
)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


class Source:
    """lines, and for each its code and its comment, all three of the same length."""

    def __init__(self, text):
        code, comment, end = [], [], 0
        for token in TOKEN.finditer(text):
            code.append(text[end:token.start()])
            comment.append(blank(text[end:token.start()]))
            if token["comment"]:
                code.append(blank(token[0]))
                comment.append(token[0])
            else:
                code.append(token[0][0] + blank(token[0][1:-1]) + token[0][-1])  # the quotes stay: there is something
                comment.append(blank(token[0]))
            end = token.end()
        code.append(text[end:])
        comment.append(blank(text[end:]))
        self.text = text
        self.lines = text.split("\n")
        self.code = "".join(code).split("\n")
        self.comment = "".join(comment).split("\n")

    def statements(self):
        """(line number from 1, code) of each piece between ; { and }"""
        number, start, piece = 1, 1, ""
        for char in "\n".join(self.code):
            if char == "\n":
                number += 1
            if char in ";{}":
                yield start, piece
                piece = ""
            else:
                if not piece.strip():
                    start = number
                piece += char
        yield start, piece

    def comments_of_statement(self, index):
        """All comments beside the statement that line `index` (from 0) is part of, and those right above it."""
        first = index
        while first > 0:
            above = self.code[first - 1].rstrip()
            if not above.strip() or above.endswith((";", "{", "}", ":")):
                break
            first -= 1
        last = index
        while last + 1 < len(self.code) and not self.code[last].rstrip().endswith((";", "{", "}")):
            if not self.code[last].strip() or not self.code[last + 1].strip():
                break
            last += 1
        while first > 0 and not self.code[first - 1].strip() and self.comment[first - 1].strip():
            first -= 1
        above = self.comment[first - 1] if first > 0 and not self.code[first - 1].strip() else ""
        return " ".join([above, *self.comment[first:last + 1]])
