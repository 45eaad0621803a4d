"""docs/errors.md: every error of src/error.rs, with the functions whose comments name it."""

import re
from dataclasses import dataclass
from pathlib import Path

import comments
from catalog import functions
from reference import LISTED

SOURCE = Path(__file__).resolve().parents[2] / "src" / "error.rs"
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)

# Positional placeholders by the expression that fills them.
FILLERS = {"Money::MAX": "99999999.99"}

HEAD = """# Errors

Every error of the extension's functions has a SQLSTATE, a message, a DETAIL that says why, and a HINT that says what to do. The last
line of DETAIL is `code: ...`, for programs that need more than the SQLSTATE. A call that fails has written nothing. This page is made
by `make docs` from `src/error.rs`; words in `<angle brackets>` are filled in. Which HTTP answer fits which error is told in
[Clients](clients.md).

Besides these, PostgreSQL raises its own: 42501 where a role lacks a [privilege](security.md), 23505, 23503 and 23514 where a writer
of the tables breaks a constraint, whose name the error carries (the [reference](reference.md#tables) lists them), 22P02 for text that
is no uuid, and 40001 under `REPEATABLE READ` and `SERIALIZABLE`, after which the transaction is to be tried again.

"""


@dataclass
class Variant:
    """One way to be refused."""

    name: str
    about: str
    message: str
    state: str = ""
    code: str = ""
    detail: tuple = ()
    hint: tuple = ()


def body_of(source, head):
    """The text between the braces that open after a piece of source."""
    start = source.index("{", source.index(head)) + 1
    return source[start:end_of(source, start, "}")]


def end_of(source, start, closers):
    """Where the first of the closing characters stands that nothing opened since start."""
    depth, place = 0, start
    while True:
        if match := STRING.match(source, place):
            place = match.end()
            continue
        if depth == 0 and source[place] in closers:
            return place
        depth += (source[place] in "({[") - (source[place] in ")}]")
        place += 1


def variants(source):
    """The variants of the enum, with what their comments and their messages say."""
    pattern = re.compile(r'/// ([^\n]*)\n\s*#\[error\((.*?)\)\]\n\s*(\w+)', re.DOTALL)
    return {name: Variant(name, about, filled(message)) for about, message, name in pattern.findall(body_of(source, "pub enum Error"))}


def arms(body):
    """The arms of a match as pairs of pattern and expression."""
    place, found = 0, []
    while (arrow := body.find("=>", place)) >= 0:
        pattern, start = body[place:arrow], arrow + 2
        while body[start].isspace():
            start += 1
        end = end_of(body, start + 1, "}") + 1 if body[start] == "{" else end_of(body + ",", start, ",")
        found.append((pattern.strip(" \n,"), body[start:end]))
        place = end + 1 if body[end:end + 1] == "," else end
    return found


def filled(expression, constants=()):
    """The text that an expression makes, with its placeholders in angle brackets."""
    literal = STRING.search(expression)
    if not literal:
        name = re.match(r"\W*(\w+)", expression).group(1)
        return dict(constants).get(name, f"<{name}>")
    text = re.sub(r"\\\n\s*", "", literal.group(1)).replace('\\"', '"')
    for argument in re.findall(r",\s*(\.?[\w:.]+)", STRING.sub('""', expression[literal.end():])):
        name = FILLERS.get(argument, "<" + re.search(r"\w+", argument).group() + ">")
        text = text.replace("{}", f"<number of {name[1:]}" if ".len" in argument else name, 1)
    for name, value in constants:
        text = text.replace(f"{{{name}}}", value)
    return re.sub(r"\{(\w+)\}", r"<\1>", text)


def read():
    """All variants, by name."""
    source = SOURCE.read_text()
    constants = re.findall(r'^const (\w+): &str = "(.*)";', source, re.MULTILINE)
    found = variants(source)
    states = dict(re.findall(r"/// ([0-9A-Z]{5}): [^\n]*\n\s*(\w+),", body_of(source, "pub enum SqlState")))
    states = {name: state for state, name in states.items()}
    for pattern, expression in arms(body_of(body_of(source, "pub fn codes"), "match self")):
        state, code = re.match(r'\((\w+), "(\w+)"\)', expression).groups()
        for name in re.findall(r"Error::(\w+)", pattern):
            found[name].state, found[name].code = states[state], code
    for part in ("detail", "hint"):
        for pattern, expression in arms(body_of(body_of(source, f"pub fn {part}"), "match self")):
            for name in re.findall(r"Error::(\w+)", pattern):
                setattr(found[name], part, (*getattr(found[name], part), filled(expression, constants)))
    return found


def raisers(connection):
    """The functions that a comment says raise each code, and what comments say that is not so."""
    known = {(variant.state, variant.code) for variant in read().values()}
    raised, problems = {}, []
    for name, function in functions(connection).items():
        for state, code, _ in comments.parse(function.comment).errors:
            if code and (state, code) not in known:
                problems.append(f"the comment of {name} names {state} {code}, which src/error.rs does not have")
            raised.setdefault(code, []).append(name)
    # Where the extension is missing, there is no function that could have a comment.
    unnamed = {code for _, code in known} - set(raised) - {"not_installed"}
    return raised, problems + [f"no function's comment names {code}, which src/error.rs has" for code in sorted(unnamed)]


def variant_text(variant):
    """The parts of an error."""
    rows = [("Message", (variant.message,)), ("DETAIL", variant.detail), ("HINT", variant.hint)]
    lines = [f"- {title}: " + ", or ".join(f"`{text}`" for text in texts) for title, texts in rows]
    return f"{variant.about}\n\n" + "\n".join(lines) + "\n\n"


def page(connection):
    """The page, and what is wrong with what it was made from."""
    found = read()
    raised, problems = raisers(connection)
    problems += [f"src/error.rs could not be read at {v.name}" for v in found.values() if not (v.code and v.detail and v.hint)]
    about = dict(re.findall(r"/// ([0-9A-Z]{5}): ([^\n]*)\n", body_of(SOURCE.read_text(), "pub enum SqlState")))
    text = HEAD + "| SQLSTATE | code |\n|---|---|\n"
    for state in sorted(about):
        codes = sorted({v.code for v in found.values() if v.state == state})
        text += f"| {state} | " + ", ".join(f"[`{code}`](#{code})" for code in codes) + " |\n"
    for state in sorted(about):
        text += f"\n## {state}: {about[state].rstrip('.')}\n\n"
        for code in sorted({v.code for v in found.values() if v.state == state}):
            text += f"### {code}\n\n" + "".join(variant_text(v) for v in found.values() if v.code == code)
            names = ", ".join(f"[`{name}`](reference.md#{name})" if name in LISTED else f"`{name}`" for name in raised.get(code, []))
            text += f"Raised by {names}.\n\n" if names else ""
        text = text.rstrip() + "\n"
    return text, problems
