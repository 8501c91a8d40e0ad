# SPDX-License-Identifier: MIT
"""
What `uvhooks VERB --help` says, in parts: manual pages and completions are made from it, so that
neither can say anything else.

The form of a help text: "Usage: ..." lines, prose, and parts below headings in capitals. In a part
stand items ("  -o, --output FILE  text", "  2  text"), bullets ("  - text"), or prose, and below
EXAMPLES commands; what belongs to an item is indented deeper than it.
"""
import re
import subprocess

# A word that stands for what the user puts there: FILE, PLUGIN[:KEY=VALUE,...], 1/N
VALUE = r"\[?[= ]?[A-Z1][A-Z0-9/]*\S*"


class Item:
    """A term and what is said of it."""

    def __init__(self, term, text):
        self.term, self.text = term, text

    def names(self):
        """Of an option: ["-o", "--output"]."""
        return re.findall(r"(?:^|(?<=, ))--?[a-z][a-z-]*", self.term)

    def value(self):
        """Of an option: the word for its value, "" if it takes none, "[=1/N]" if it may."""
        found = re.search(r"(?:^|, )--?[a-z][a-z-]*( [A-Z]\S*|\[=.*\])?$", self.term)
        return (found[1] or "").strip() if found else ""

    def choices(self):
        """Where the text lists all there is to choose from, it names the default among them."""
        word = r"[\w-]+(?: \(the default\))?"
        found = re.search(rf"\b{word}(?:, {word})*,? or {word}", self.text)
        if not found or "(the default)" not in found[0]:
            return []
        return re.findall(r"[\w-]+", re.sub(r" \(the default\)|\bor\b", "", found[0]))


class Part:
    """What stands below a heading; `blocks` are Items, ("bullet", text), ("prose", text) and
    ("command", text)."""

    def __init__(self, heading):
        self.heading, self.blocks = heading, []

    def items(self):
        return [block for block in self.blocks if isinstance(block, Item)]


class Help:
    def __init__(self, text):
        lines = text.rstrip("\n").split("\n")
        if not lines[0].startswith("Usage: uvhooks"):
            raise ValueError("a help text begins with 'Usage: uvhooks'")
        self.usage = []
        while lines and lines[0]:
            self.usage.append(re.sub(r"^(Usage:|\s+or:)?\s*", "", lines.pop(0)))
        self.parts = [Part("")]
        for group in "\n".join(lines).split("\n\n"):
            self._read(group.strip("\n").split("\n"))

    def part(self, heading):
        return next((part for part in self.parts if part.heading == heading), Part(heading))

    def options(self):
        return self.part("OPTIONS").items()

    def words(self):
        """What stands behind verb and options in the first usage: ["DIR", "ID"], ["PID|DIR"]."""
        usage = re.sub(r"^uvhooks( [a-z]+)?|\[OPTION\]\.\.\.|\[--\]|\[?-\S+ [A-Z]+\]?", "",
                       self.usage[0])
        return re.sub(r"[\[\]]", "", usage.replace(" | ", "|")).split()

    def _read(self, lines):
        if re.fullmatch(r"[A-Z][A-Z ]*", lines[0]):
            self.parts.append(Part(lines.pop(0)))
        blocks = self.parts[-1].blocks
        at = 0
        while at < len(lines):
            line = lines[at]
            at += 1
            indent = len(line) - len(line.lstrip())
            behind = []  # of this block: deeper than it, or prose that goes on
            while at < len(lines) and len(lines[at]) - len(lines[at].lstrip()) > indent:
                behind.append(lines[at].strip())
                at += 1
            line = line.strip()
            term = (re.match(r"(\S.*?) {2,}(.*)", line) or
                    re.match(r"(-\S+(?:, -\S+)*(?: [A-Z]\S*)?) ([a-z].*)", line))
            if line.startswith("- "):
                blocks.append(("bullet", " ".join([line[2:], *behind])))
            elif indent and self.parts[-1].heading == "EXAMPLES":
                blocks.append(("command", "\n".join([line, *behind])))
            elif indent and (term or behind or line.startswith("-")):
                blocks.append(Item(term[1] if term else line,
                                   " ".join(([term[2]] if term else []) + behind)))
            else:
                while at < len(lines) and not re.match(r" *- | +\S.* {2,}", lines[at]):
                    line += " " + lines[at].strip()
                    at += 1
                blocks.append(("prose", line))


def ask(command, *words):
    """The help of the command, or of one of its verbs."""
    printed = subprocess.run([command, *words, "--help"], check=False, capture_output=True, text=True)
    try:
        return Help(printed.stdout)
    except ValueError as error:
        raise SystemExit(f"uvhooks {' '.join(words)} --help: {error}") from error


def verbs(command):
    """Each verb and what it does in a line, in the order of the command's own help."""
    return {item.term: item.text for item in ask(command).part("VERBS").items()}


def verbs_in_source(path):
    """The same names, before there is a command: from the table in main.c."""
    with open(path, encoding="utf-8") as file:
        return re.findall(r'^\s*\{"([a-z]+)", uvh_cmd_', file.read(), re.MULTILINE)
