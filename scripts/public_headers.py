# SPDX-License-Identifier: MIT
"""
The public headers (include/uvhooks), as what they say to people: comments, and what is declared
below each. The manual is made from it, and the check of the ABI goes by it.

A comment at the left edge belongs to the declarations up to the next one. Of a function it says at
its end "Node: ... Thread: ... Since: ...".
"""
import pathlib
import re

# For the headers themselves and for the shim, not for those who use them.
INTERNAL = re.compile(r"uvhooks_bare_\w+|uvhooks_async_resource_(check|end)$")

FUNCTION = re.compile(r"(?:UVHOOKS_API|(?:__attribute__\(.*\) )?static inline)\b"
                      r"[^;{]*?\b(uvhooks_\w+)\(", re.DOTALL)


class Declaration:
    """A function, or else a chunk of types and macros, with the comment above it."""

    def __init__(self, comment, text, functions):
        self.comment, self.text, self.functions = comment, text, functions

    def said(self, word):
        """What stands behind "Thread:", "Since:" or "Node:"; None if that is not there."""
        last = " ".join(self.comment.split())
        found = re.search(rf"\b{word}: (.*?)\.?(?= (?:Node|Thread|Since): |$)", last)
        return found[1].rstrip(".") if found else None

    def description(self):
        """The comment without those."""
        return re.sub(r"\n*\b(Node|Thread): [^\n]*(\n(?!\n)[^\n]*)*$", "", self.comment)


class Header:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.name = self.path.stem
        text = self.path.read_text(encoding="utf-8")
        text = re.sub(r"\n#ifdef __cplusplus\n\}\n#endif\n+#endif\n*$", "\n", text)
        chunks = re.split(r"^(/\*.*?\*/)\n", text, flags=re.MULTILINE | re.DOTALL)
        # The licence, then the comment of the file.
        self.comment = plain(chunks[3])
        self.declarations = []
        for comment, code in zip(chunks[5::2], chunks[6::2]):
            self._read(plain(comment), code)

    def public(self):
        """Is it for others to include?"""
        return "calls nothing of this" not in " ".join(self.comment.split())

    def summary(self):
        """What it is about, for a title: a short first sentence, or what stands before a ':'."""
        sentence = first_sentence(self.comment)
        return sentence if len(sentence) <= 80 else sentence.split(": ")[0]

    def functions(self):
        """The declarations of functions that are documented."""
        return [declaration for declaration in self.declarations if declaration.functions]

    def types(self):
        return [declaration for declaration in self.declarations if not declaration.functions]

    def _read(self, comment, code):
        code = re.sub(r"^#if(?:ndef UVHOOKS_SHIM|def UVHOOKS_SHIM)\b.*?^#endif$\n?", "", code,
                      flags=re.MULTILINE | re.DOTALL)
        code = re.sub(r"\n\{\n.*?^\}$", ";", code, flags=re.MULTILINE | re.DOTALL)  # bodies
        prototypes, rest = [], []
        for chunk in re.split(r"(?<=[;}])\n+(?=[^\s}])|\n\n+", code):
            name = FUNCTION.match(chunk)
            if not name:
                rest.append(chunk.strip("\n"))
            elif not INTERNAL.match(name[1]) and name[1] not in [of for of, _ in prototypes]:
                prototypes.append((name[1], prototype(chunk)))
        known = {name for one in self.declarations for name, _ in one.functions}
        prototypes = [one for one in prototypes if one[0] not in known]
        if prototypes and " Since: " not in f" {' '.join(comment.split())}" and \
                "UVHOOKS_API" not in code:
            # Constants in the form of functions.
            rest = [f"{text};" for _, text in prototypes] + rest
            prototypes = []
        if prototypes:
            self.declarations.append(Declaration(comment, "", prototypes))
            comment = ""
        text = re.sub(r" +\\$", r" \\", "\n\n".join(filter(None, rest)), flags=re.MULTILINE)
        if declares(text) and not re.search(r"^#define UVHOOKS_(API|HAS)\b", text, re.MULTILINE):
            self.declarations.append(Declaration(comment, text, []))


def plain(comment):
    """The text of a comment, without its frame."""
    lines = comment[2:-2].split("\n")
    if not any(line.startswith(" *") for line in lines[1:]):
        return joined(lines)
    return "\n".join(re.sub(r"^ ?\* ?", "", line).rstrip() for line in lines).strip()


def joined(lines):
    return " ".join(" ".join(lines).split())


def first_sentence(text):
    return re.split(r"\.(?:\s|$)", " ".join(text.split()), maxsplit=1)[0]


def declares(code):
    return re.search(r"^(struct|enum|typedef|union|#define|const|\w+ \w+\()", code, re.MULTILINE)


def prototype(chunk):
    """One line, as in a synopsis."""
    text = " ".join(re.split(r"[;{]|\n\{", chunk)[0].split())
    return re.sub(r"^(UVHOOKS_API|(__attribute__\(.*\) )?static inline) ", "", text)


def read(folder):
    """All of them, by name."""
    return [Header(path) for path in sorted(pathlib.Path(folder).glob("*.h"))]


def unsaid(headers):
    """What the comments of public functions should say and do not, a line each."""
    for header in headers:
        text = header.path.read_text(encoding="utf-8")
        documented = {name: one for one in header.declarations for name, _ in one.functions}
        exported = re.findall(r"^UVHOOKS_API\b[^;{]*?\b(uvhooks_\w+)\(", text, re.MULTILINE)
        for name in exported:
            if name not in documented:
                yield f"{header.path}: {name} has no comment"
        for name, declaration in documented.items():
            if name not in exported and not declaration.said("Since"):
                continue  # a constant in the form of a function
            for word in ("Thread", "Since"):
                if not declaration.said(word):
                    yield f"{header.path}: the comment of {name} does not say '{word}:'"
