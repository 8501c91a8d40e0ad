#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Makes the completion for bash and zsh, from templates and what the command's help says.

    make-completion.py --top TOP --command UVHOOKS --libdir-from-bindir PATH TEMPLATE OUTPUT
"""
import argparse
import pathlib
import re
import shlex
import sys

sys.dont_write_bytecode = True  # the tree stays as it is
import help_text


def names_of_map(top, name):
    """The names that one of the lists in types.h gives: of what libuv makes, Node's names and its
    own; of events, all."""
    text = (pathlib.Path(top) / "include/uvhooks/types.h").read_text(encoding="utf-8")
    body = re.search(rf"#define {name}\(XX\)(.*?)\n\n", text, re.DOTALL)[1]
    if name == "UVHOOKS_EVENT_MAP":
        return re.findall(r"XX\(\w+, (\w+)\)", body)
    pairs = re.findall(r'XX\((\w+), "(uv_\w+)"', body)
    return list(dict.fromkeys([node for node, _ in pairs] + [own for _, own in pairs]))


def kind(option, text):
    """What the value of an option stands for: a word, or the values that there are; "" if it has
    none or need not have one."""
    value = option.value()
    if not value or value.startswith("["):
        return ""
    if option.choices():
        return " ".join(option.choices())
    listed = text.part(f"{value}S").items()
    if listed:
        return " ".join(item.term for item in listed)
    special = {"--type": "TYPES", "--events": "EVENTS"}
    return next((special[name] for name in option.names() if name in special),
                re.match(r"[A-Z0-9]+", value)[0])


def words_of(text):
    """What stands for each word of a verb: a kind, or the words that there are ("VERB")."""
    words = []
    for word in text.words():
        listed = text.part(f"{word}S").items()
        words.append(" ".join(dict.fromkeys(item.term.split()[0] for item in listed)) or word)
    return words


def behind(text):
    """What stands behind such a word: {"load": "PLUGIN", "record": "start stop dump"}."""
    found = {}
    for word in text.words():
        for item in text.part(f"{word}S").items():
            first, *rest = item.term.split()
            if rest and re.match(r"[a-z]|[A-Z]+\b", rest[0]):
                found.setdefault(first, []).append(re.match(r"[a-z]+|[A-Z]+", rest[0])[0])
    return {word: " ".join(kinds) for word, kinds in found.items()}


def bash_case(verb, text):
    """The lists of one verb."""
    options = [name for option in text.options() for name in option.names()]
    values = {name: kind(option, text) for option in text.options() for name in option.names()}
    return "\n".join([
        f"\t{verb})",
        f"\t\toptions=({' '.join(options)})",
        f"\t\twords=({' '.join(map(shlex.quote, words_of(text)))})",
        *(f"\t\tvalues[{name}]={shlex.quote(value)}" for name, value in values.items() if value),
        *(f"\t\tbehind[{word}]={shlex.quote(value)}" for word, value in behind(text).items()),
        "\t\t;;"])


# What zsh calls for a word or a value; else nothing is offered.
ACTIONS = {"PLUGIN": "_uvhooks_plugins", "TYPES": "_uvhooks_types", "EVENTS": "_uvhooks_events",
           "PID": "_uvhooks_pids", "DIR": "_files -/", "FILE": "_files", "CORE": "_files",
           "PROGRAM": "_command_names -e"}


def zsh_action(word):
    """The action, with the message in front, for one word."""
    if re.match(r"[a-z]", word):
        return f"value:({word})"
    names = word.rstrip(".").split("|")
    if set(names) == {"DIR", "PID"}:
        return "process or folder:_uvhooks_pids_or_folders"
    if "PROGRAM" in names and len(names) > 1:
        return "program or file:_files"
    return f"{names[0].lower()}:{ACTIONS.get(names[0], ' ')}"


def zsh_option(option, text):
    """Its specification, as _arguments takes it."""
    names = option.names()
    value = kind(option, text)
    first = re.split(r"[;:(]", option.text)[0].strip()
    said = re.sub(r"([\[\]:])", r"\\\1", first)
    argument = f":{zsh_action(value)}" if value else ""
    if option.value().startswith("["):
        argument = "::value: "
    forms = [f"{name}{'=' if name.startswith('--') and argument else ''}" for name in names]
    if argument.startswith("::"):
        forms = [form.replace("=", "=-") for form in forms]
    repeated = "more than once" in option.text
    excluded = "" if repeated else f"({' '.join(names)})"
    rest = f"[{said}]{argument}"
    return [shlex.quote(f"{'*' if repeated else excluded}{form}{rest}") for form in forms]


def zsh_case(verb, text):
    specifications = [form for option in text.options() for form in zsh_option(option, text)]
    words = words_of(text)
    for at, word in enumerate(words):
        if behind(text) and word.startswith("ARGUMENT"):
            pairs = " ".join(f'{first} "{ACTIONS.get(kind, kind)}"'
                             for first, kind in behind(text).items())
            specifications.append(f"'*:argument:_uvhooks_behind {pairs}'")
        elif word.startswith("ARGUMENT"):
            specifications.append("'*::argument:_normal'")
        else:
            program = word == "PROGRAM" and len(words) > 1
            specifications.append(shlex.quote(f"{'(-)' if program else ''}{at + 1}:"
                                              f"{zsh_action(word)}"))
    lines = " \\\n\t\t\t\t".join(specifications)
    return f"\t\t{verb})\n\t\t\t_arguments -s -S {lines}\n\t\t\t;;"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--top", required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("--libdir-from-bindir", required=True)
    parser.add_argument("template")
    parser.add_argument("output")
    arguments = parser.parse_args()

    verbs = help_text.verbs(arguments.command)
    texts = {verb: help_text.ask(arguments.command, verb) for verb in verbs}
    zsh = ".zsh" in arguments.template
    make_case = zsh_case if zsh else bash_case
    filled = {
        "CASES": "\n".join(make_case(verb, text) for verb, text in texts.items()),
        "VERBS": ("\n".join("\t\t" + shlex.quote(f"{verb}:{text}") for verb, text in verbs.items())
                  if zsh else " ".join(verbs)),
        "TYPES": " ".join(names_of_map(arguments.top, "UVHOOKS_TYPE_MAP") + ["embedder"]),
        "EVENTS": " ".join(names_of_map(arguments.top, "UVHOOKS_EVENT_MAP") + ["node", "all"]),
        "LIBDIR_FROM_BINDIR": arguments.libdir_from_bindir,
    }
    text = pathlib.Path(arguments.template).read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(f"@{name}@", value)
    pathlib.Path(arguments.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
