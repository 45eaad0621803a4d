"""Checks the English of Markdown pages: prose.py PAGE... Code, tables of output and links' addresses are no prose and are left out.

proselint knows clichés, redundancies and words that are often mixed up. What this project adds: sentences that are too long to
be read once, and turns of phrase that a reader stumbles over.
"""

import re
import sys
from pathlib import Path

from markdown_it import MarkdownIt
from proselint.checks import __register__
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

LONGEST_SENTENCE = 45  # words

# Straight quotes and three dots are what a keyboard types, cells of a table may repeat each other's words, and what is called
# archaic is part of "for everybody".
CHECKS = {"typography": False, "lexical_illusions": False, "archaism": False}

ODD = {
    r"\bfor ever\b": "forever",
    r"\bwants? care\b": "needs care",
    r"\btakes? in what\b": "applies what",
    r"\bwhat nobody\b": "name the thing",
    r"\b(?:is|are) told of\b": "learns of",
    r"\bsays? of (?:it|them)\b": "says about it",
    r"\bin (?:the|its) turn\b": "leave it out",
    r"\bthereby\b|\bherewith\b|\bthereof\b|\bwhereupon\b|\bupon\b": "a plainer word",
    r"\bmay well\b": "can",
    r"\bnot any more\b": "no longer",
    r"\bhangs? together\b": "are connected",
    r"\bthat (?:is|are) none\b": "is not valid",
    r"\bas though\b": "as if",
    r"\b(?:is|was|are|were) told\b": "is reported",
    r"\bput aside\b": "stored",
    r"\bwhatever became of\b": "whatever happened to",
    r"\bin the manner of\b": "like",
    r"\b([a-z]+) \1\b": "once is enough",
}

Finding = tuple[int, str]


def prose(page: str) -> str:
    """The page with every line where it was, and nothing in it that is not prose."""
    lines = page.splitlines()
    kept = [""] * len(lines)
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        if token.type == "inline" and token.map:
            for number in range(*token.map):
                kept[number] = without_code(lines[number])
    return "\n".join(kept)


def without_code(line: str) -> str:
    line = re.sub(r"`[^`]*`", lambda code: f"c{code.start()}".ljust(len(code[0]), "e"), line)
    return re.sub(r"\]\([^)]*\)", lambda address: "]".ljust(len(address[0])), line)


def long_sentences(text: str) -> list[Finding]:
    findings = []
    for paragraph in re.finditer(r"[^\n]*\w[^\n]*(?:\n(?!\s*(?:[-*]|\d+\.) )[^\n]*\w[^\n]*)*", text):
        if "|" in paragraph[0]:
            continue
        for sentence in re.finditer(r"[^.!?:;]+(?:[.!?:;](?!\s)[^.!?:;]*)*", paragraph[0]):
            words = len(re.findall(r"\b(?!c\d+e*\b)\w[\w'-]*", sentence[0]))
            if words > LONGEST_SENTENCE:
                place = paragraph.start() + sentence.start()
                findings.append((line_of(text, place), f"a sentence of {words} words; {LONGEST_SENTENCE} are plenty"))
    return findings


def odd_phrases(text: str) -> list[Finding]:
    return [
        (line_of(text, found.start()), f"'{found[0]}': {better}")
        for pattern, better in ODD.items()
        for found in re.finditer(pattern, text, re.IGNORECASE)
    ]


def line_of(text: str, place: int) -> int:
    return text.count("\n", 0, place + len(text[place:]) - len(text[place:].lstrip())) + 1


def proselint(text: str) -> list[Finding]:
    found = LintFile("page", text).lint({**DEFAULT, "checks": {**DEFAULT["checks"], **CHECKS}})
    return [(result.pos[0], result.check_result.message) for result in found]


def main(pages: list[str]) -> int:
    CheckRegistry().register_many(__register__)
    findings = []
    for page in pages:
        text = prose(Path(page).read_text())
        found = proselint(text) + long_sentences(text) + odd_phrases(text)
        findings += [f"{page}:{line}: {message}" for line, message in sorted(found)]
    print("\n".join(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
