#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Makes the manual pages, from what says it all already: section 1 from the help of the command and of
its verbs, section 3 from the comments of the public headers, and what is longer from the README.

    make-manual.py --top TOP --sources     the files that decide which pages there are
    make-manual.py --top TOP --list        the names of the pages
    make-manual.py --top TOP --check       only looks for what comments lack
    make-manual.py --top TOP --command UVHOOKS --version VERSION DIR   writes the pages into DIR

Each public function must say from which threads it may be called and since when it is there.
"""
import argparse
import os
import pathlib
import re
import sys
import time

sys.dont_write_bytecode = True  # the tree stays as it is
import help_text
import public_headers
import roff


class Manual:
    def __init__(self, top):
        self.top = pathlib.Path(top)
        self.sources = sorted((self.top / "include/uvhooks").glob("*.h"))
        self.sources += [self.top / "tools/main.c"]
        self.headers = [header for header in public_headers.read(self.top / "include/uvhooks")
                        if header.public()]
        self.verbs = help_text.verbs_in_source(self.top / "tools/main.c")
        self.readme = (self.top / "README.md").read_text(encoding="utf-8")
        # Name -> section; a page may have several names.
        self.pages = {"uvhooks": "1"} | {f"uvhooks-{verb}": "1" for verb in self.verbs}
        for header in self.headers:
            self.pages[header_page(header)] = "3"
            for declaration in header.functions():
                self.pages |= {name: "3" for name, _ in declaration.functions}

    def files(self):
        return [f"{name}.{section}" for name, section in self.pages.items()] + ["uvhooks.3"]

    def section_of_readme(self, heading):
        """What stands below a heading of the README, up to the next of the same level."""
        level = heading.split()[0]
        found = re.search(rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", self.readme,
                          re.MULTILINE | re.DOTALL)
        if not found:
            sys.exit(f"make-manual.py: the README has no '{heading}'")
        return found[1]

    def option_tables(self):
        """The options of plugins, as the README has them: the name of a plugin -> a table."""
        plugins = "|".join(path.stem for path in (self.top / "shim/plugins").glob("*.c"))
        tables = {}
        for found in re.finditer(r"^\| option \|.*?(?=\n\n)", self.readme, re.MULTILINE | re.DOTALL):
            before = self.readme[: found.start()]
            names = re.findall(rf"`({plugins})`|\bthe ({plugins}) plugin\b|^### The ({plugins}) plugin$",
                               before, re.MULTILINE)
            if names:
                tables["".join(names[-1])] = found[0]
        return tables


def header_page(header):
    return f"uvhooks_{header.name}.h"


class Page:
    """One manual page, as it grows."""

    def __init__(self, manual, name, section, version, date):
        self.marker = roff.Marker(manual.pages, name)
        self.lines = [rf'.\" Made from the sources of uvhooks: what is wrong here is wrong there.',
                      f'.TH "{roff.escape(name.upper())}" {section} "{date}" "uvhooks {version}" '
                      f'"{"User Commands" if section == "1" else "uvhooks for C and C++"}"']

    def heading(self, text):
        self.lines.append(f".SH {text}")

    def name(self, names, summary):
        self.heading("NAME")
        self.lines += roff.lines(rf"{', '.join(map(roff.escape, names))} \- {roff.escape(summary)}")

    def prose(self, text):
        self.lines += [".PP", *roff.lines(self.marker.mark(text))]

    def code(self, text):
        self.lines += roff.code(text)

    def see_also(self, references):
        self.heading("SEE ALSO")
        references = [rf".BR {roff.escape(name)} ({section})" for name, section in references]
        self.lines += [f"{reference} ," for reference in references[:-1]] + references[-1:]

    def blocks(self, blocks):
        """Those of a help text."""
        at = 0
        while at < len(blocks):
            block = blocks[at]
            if isinstance(block, help_text.Item):
                self.lines += [".TP", self.marker.term(block.term),
                               *(roff.lines(self.marker.mark(block.text)) or [r"\&"])]
            elif block[0] == "bullet":
                self.lines += [r".IP \(bu 2", *roff.lines(self.marker.mark(block[1]))]
            elif block[0] == "command":
                commands = []
                while at < len(blocks) and isinstance(blocks[at], tuple) and \
                        blocks[at][0] == "command":
                    commands.append(blocks[at][1])
                    at += 1
                self.code("\n".join(commands))
                continue
            else:
                self.prose(block[1])
            at += 1

    def comment(self, text):
        """That of a header: paragraphs, lists of names, bullets, and code behind a tab."""
        for block in re.split(r"\n\n+", text):
            if not block.strip():
                continue
            if re.match(r"\t", block):
                self.code(re.sub(r"^\t", "", block, flags=re.MULTILINE))
            elif re.search(r"^(?:- |  +\S)", block, re.MULTILINE):
                self._comment_list(block)
            else:
                self.prose(" ".join(block.split()))

    def _comment_list(self, block):
        """Lines of prose, and below them what is indented or begins with a dash."""
        lines = block.split("\n")
        while lines:
            line = lines.pop(0)
            indent = indent_of(line)
            item = re.match(r" +(\S.*?) {2,}(.*)", line)
            tag = re.match(r" *(-|\d\.) ", line)
            more = []
            while lines and ((indent_of(lines[0]) > indent) if item or tag
                             else indent_of(lines[0]) == indent and not starts_item(lines[0])):
                more.append(lines.pop(0))
            if item:
                self.lines += [".TP", rf"\fB{roff.escape(item[1])}\fR",
                               *roff.lines(self.marker.mark(public_headers.joined([item[2], *more])))]
            elif tag:
                name = r"\(bu" if tag[1] == "-" else tag[1]
                self.lines += [f".IP {name} 3",
                               *roff.lines(self.marker.mark(public_headers.joined([line[tag.end():], *more])))]
            elif indent:
                self.code("\n".join([line, *more]))
            else:
                self.prose(public_headers.joined([line, *more]))

    def text(self):
        lines = [line for before, line in zip([""] + self.lines, self.lines)
                 if line != ".PP" or before[:3] not in (".SH", ".SS")]
        return "\n".join(lines) + "\n"


def indent_of(line):
    return len(line) - len(line.lstrip())


def starts_item(line):
    return re.match(r" *(-|\d\.) | +\S.*? {2,}\S", line)


def lowered(sentence):
    """As what stands behind a dash: without the capital of a usual word."""
    first = sentence.split()[0]
    usual = first[1:].islower() and "'" not in first
    return sentence[0].lower() + sentence[1:] if usual or first in ("A",) else sentence


class Writer:
    def __init__(self, manual, command, version, folder):
        self.manual, self.command, self.version = manual, command, version
        self.folder = pathlib.Path(folder)
        # A package that is built twice is the same twice.
        day = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
        self.date = time.strftime("%Y-%m-%d", day)

    def page(self, name, section):
        return Page(self.manual, name, section, self.version, self.date)

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def write_command(self):
        """uvhooks(1): its verbs, and what concerns all of them."""
        text = help_text.ask(self.command)
        page = self.page("uvhooks", "1")
        page.name(["uvhooks"], "show the async events of unmodified libuv programs")
        self.synopsis(page, text)
        page.heading("DESCRIPTION")
        page.blocks(text.parts[0].blocks)
        page.heading("VERBS")
        for verb in text.part("VERBS").items():
            page.lines += [".TP", rf".BR uvhooks\-{verb.term} (1)",
                           *roff.lines(page.marker.mark(verb.text))]
        for part in text.parts[1:]:
            if part.heading != "VERBS":
                page.heading(part.heading)
                page.blocks(part.blocks)
        page.heading("PLUGINS")
        page.prose("These take options, as in `-p log:format=json,events=init`:")
        for plugin, table in self.manual.option_tables().items():
            page.lines += [f".SS {plugin}", *roff.markdown(table, page.marker)]
        page.heading("ENVIRONMENT")
        page.lines += roff.markdown(self.manual.section_of_readme("### Environment"), page.marker)
        page.see_also([(f"uvhooks-{verb}", "1") for verb in self.manual.verbs] + [("uvhooks", "3")])
        self.write("uvhooks.1", page.text())

    def write_verb(self, verb, summary):
        text = help_text.ask(self.command, verb)
        name = f"uvhooks-{verb}"
        page = self.page(name, "1")
        page.name([name], summary)
        self.synopsis(page, text)
        page.heading("DESCRIPTION")
        page.blocks(text.parts[0].blocks)
        for part in text.parts[1:]:
            page.heading(part.heading)
            blocks = part.blocks
            # What stands below the options is about all of it.
            notes = [block for block in blocks if part.heading == "OPTIONS" and
                     not isinstance(block, help_text.Item)]
            page.blocks([block for block in blocks if block not in notes])
            if notes:
                page.heading("NOTES")
                page.blocks(notes)
        said = " ".join(str(block if isinstance(block, tuple) else block.text)
                        for part in text.parts for block in part.blocks)
        others = [other for other in self.manual.verbs
                  if other != verb and re.search(rf"uvhooks {other}\b", said)]
        page.see_also([("uvhooks", "1")] + [(f"uvhooks-{other}", "1") for other in others] +
                      ([("uvhooks", "3")] if "--plugin" in said or verb == "run" else []))
        self.write(f"{name}.1", page.text())

    @staticmethod
    def synopsis(page, text):
        page.heading("SYNOPSIS")
        for usage in text.usage:
            words = usage.split(" ")
            page.lines += [".PP"] if usage != text.usage[0] else []
            page.lines += [" ".join(page.marker.term(word) for word in words)]

    def write_function(self, header, declaration):
        names = [name for name, _ in declaration.functions]
        page = self.page(names[0], "3")
        summary = public_headers.first_sentence(declaration.description()).replace("`", "")
        page.name(names, lowered(summary))
        page.heading("SYNOPSIS")
        page.lines += [".nf", rf".B #include <uvhooks/{header.name}.h>"]
        for _, prototype in declaration.functions:
            page.lines += [".PP", rf".B {roff.escape(prototype)};"]
        page.lines += [".fi"]
        page.heading("DESCRIPTION")
        page.comment(declaration.description())
        if declaration.said("Node"):
            page.heading('"IN NODE"')
            page.prose(f"{declaration.said('Node')}.")
        page.heading("THREADS")
        page.prose(f"Thread: {declaration.said('Thread')}.")
        page.heading("HISTORY")
        page.prose(f"Since uvhooks {declaration.said('Since')}.")
        page.see_also([(header_page(header), "3"), ("uvhooks", "3")])
        for name in names:
            self.write(f"{name}.3", page.text())

    def write_header(self, header):
        name = header_page(header)
        page = self.page(name, "3")
        page.name([name], lowered(header.summary()))
        page.heading("SYNOPSIS")
        page.lines += [rf".B #include <uvhooks/{header.name}.h>"]
        page.heading("DESCRIPTION")
        page.comment(header.comment)
        if header.functions():
            page.heading("FUNCTIONS")
        for declaration in header.functions():
            for function, _ in declaration.functions:
                page.lines += [".TP" if function == declaration.functions[0][0] else ".TQ",
                               rf".BR {roff.escape(function)} (3)"]
            sentence = public_headers.first_sentence(declaration.description())
            page.lines += roff.lines(page.marker.mark(sentence + "." * (sentence[-1] != "?")))
        if header.types():
            page.heading("DECLARATIONS")
        for declaration in header.types():
            page.comment(declaration.comment)
            page.code(declaration.text)
        page.see_also([("uvhooks", "3"), ("uvhooks", "1")])
        self.write(f"{name}.3", page.text())

    def write_overview(self):
        """uvhooks(3): how a plugin is written, and where to read on."""
        page = self.page("uvhooks", "3")
        page.name(["uvhooks"], "writing plugins, and async resources for C and C++")
        page.heading("SYNOPSIS")
        page.lines += [".nf"] + [rf".B #include <uvhooks/{header.name}.h>"
                                 for header in self.manual.headers] + [".fi"]
        page.heading("HEADERS")
        for header in self.manual.headers:
            page.lines += [".TP", rf".BR {roff.escape(header_page(header))} (3)",
                           *roff.lines(page.marker.mark(header.summary() + "."))]
        page.heading('"WRITING A PLUGIN"')
        page.lines += roff.markdown(self.manual.section_of_readme("## Writing a plugin"),
                                    page.marker)
        page.see_also([("uvhooks", "1"), ("uvhooks-run", "1"), ("uvhooks-check", "1")])
        self.write("uvhooks.3", page.text())

    def write_all(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_command()
        for verb, summary in help_text.verbs(self.command).items():
            self.write_verb(verb, summary)
        self.write_overview()
        for header in self.manual.headers:
            self.write_header(header)
            for declaration in header.functions():
                self.write_function(header, declaration)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--top", required=True)
    parser.add_argument("--sources", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--command")
    parser.add_argument("--version")
    # With --list there may be files here: the build looks when they change.
    parser.add_argument("folder", nargs="*")
    arguments = parser.parse_args()
    manual = Manual(arguments.top)
    if arguments.sources:
        print("\n".join(map(str, manual.sources)))
        return 0
    if arguments.list:
        print("\n".join(manual.files()))
        return 0
    unsaid = list(public_headers.unsaid(manual.headers))
    for line in unsaid:
        print(line, file=sys.stderr)
    if unsaid or arguments.check:
        return 1 if unsaid else 0
    Writer(manual, arguments.command, arguments.version, arguments.folder[0]).write_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
