# SPDX-License-Identifier: MIT
"""
Text as man(7) has it: what stands in the sources of manual pages, with `code`, names of pages and
words for values marked.
"""
import re
import textwrap

SPECIAL = {"\\": r"\e", "-": r"\-", "`": r"\(ga", "'": r"\(aq", "^": r"\(ha", "~": r"\(ti",
           '"': r"\(dq"}


def escape(text):
    """As it is, whatever is in it."""
    return "".join(SPECIAL.get(letter, letter if letter < "\x7f" else f"\\[u{ord(letter):04X}]")
                   for letter in text)


def lines(text):
    """Running text, in lines that no macro is taken from."""
    wrapped = textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False)
    return [rf"\&{line}" if line[0] in ".'" else line for line in wrapped]


def code(text):
    """Lines that stay as they are."""
    shown = [escape(line.expandtabs(8)) for line in text.strip("\n").split("\n")]
    return [".PP", ".in +4n", ".EX", *(rf"\&{line}" if line[:1] in ("." , "\\") else line
                                       for line in shown), ".EE", ".in"]


class Marker:
    """Marks in running text what a reader looks for."""

    def __init__(self, pages, own=""):
        self.pages, self.own = pages, own  # name -> section

    def mark(self, text):
        """`code` in bold, words for values in italics, pages with their section."""
        parts = re.split(r"(`[^`]+`|\bhttps?://[^\s,)]+|\buvhooks_\w+\b(?:\.h)?(?:\(\))?"
                         r"|(?<![\w-])--?[a-z][a-z-]*)", text)
        return "".join(self._word(part) if at % 2 else self._plain(part)
                       for at, part in enumerate(parts))

    def _word(self, word):
        bare = word.strip("`")
        name = bare.removesuffix("()")
        if name in self.pages and name != self.own and name.startswith("uvhooks_"):
            return rf"\fB{escape(name)}\fR({self.pages[name]})"
        if word[0] == "`" and re.fullmatch(r"[a-z_]+(->\w+)?", bare):
            return rf"\fI{escape(bare)}\fR"
        return rf"\fB{escape(bare)}\fR" if word[0] in "`-u" else escape(bare)

    @staticmethod
    def _plain(text):
        return escape(text)

    def term(self, term):
        """An option or another word that is explained: what is typed in bold, values in italics."""
        def part(found):
            return (rf"\fI{escape(found[0])}\fR" if re.fullmatch(r"[A-Z][A-Z0-9]*", found[0])
                    else rf"\fB{escape(found[0])}\fR")
        return "".join(part(match) if match[0].strip(" ,[]|") else escape(match[0])
                       for match in re.finditer(r"[A-Z][A-Z0-9]*(?![a-z_])|[ ,\[\]|]+|[^ ,\[\]|A-Z]+|.",
                                                term))


def table_rows(block):
    """The cells of a Markdown table, without its header."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]
            for line in block.split("\n")]
    return rows[2:]


def markdown(text, marker):
    """A part of a Markdown document: paragraphs, lists, tables of two or more columns, code."""
    page = []
    text = re.sub(r"<!--.*?-->\n?", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    for block in re.split(r"(^```.*?^```$)|\n\n+", text, flags=re.MULTILINE | re.DOTALL):
        block = (block or "").strip("\n")
        if not block:
            continue
        if block.startswith("```"):
            page += code(block.split("\n", 1)[1].rsplit("\n", 1)[0])
        elif block.startswith("|"):
            for row in table_rows(block):
                page += [".TP", marker.mark(row[0]).replace(r"\fI", r"\fB"),
                         *lines(marker.mark("; default: ".join(filter(None, row[1:]))))]
        elif block.startswith("- "):
            for bullet in re.split(r"^- ", block, flags=re.MULTILINE)[1:]:
                page += [r".IP \(bu 2", *lines(marker.mark(" ".join(bullet.split())))]
        elif block.startswith("#"):
            page += [f".SS {block.lstrip('# ')}"]
        else:
            page += [".PP", *lines(marker.mark(" ".join(block.split())))]
    return page
