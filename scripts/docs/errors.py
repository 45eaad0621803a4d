"""docs/errors.md: every error of src/error, as the library lists them, with the functions whose comments name it."""

import json
import re

import comments
from catalog import functions
from reference import LISTED

# The errors that any function can raise, so that no comment has to list them.
EVERYWHERE = {"not_installed", "schema_changed", "schema_renamed"}

HEAD = """# Errors

Every error of the extension's functions has a SQLSTATE, a message, a DETAIL that says why, and a HINT that says what to do. The last
line of the DETAIL is `code: ...`, for programs that need more than the SQLSTATE. If they need values, the line before it is `data: ...`, a
JSON object. [Clients](clients.md#errors-for-programs) shows how to read both, and [which HTTP answer](clients.md#errors-as-http-answers)
fits which error. A call that fails has written nothing.

`make docs` generates this page from `src/error`. Words in `<angle brackets>` stand for values.

PostgreSQL also raises errors of its own:

- 42501 if a role lacks a [privilege](security.md)
- 23505, 23503 and 23514 if a direct write to the tables violates a constraint; the error has the constraint's name, and the
  [reference](reference.md#tables) lists them
- 22P02 for text that is not a uuid
- 40001 under `REPEATABLE READ` and `SERIALIZABLE`; run the transaction again

"""


def raisers(errors, connection):
    """The functions that a comment says raise each code, and what comments say that is not so."""
    known = {(error["state"], error["code"]) for error in errors}
    raised, problems = {}, []
    for name, function in functions(connection).items():
        for state, code, _ in comments.parse(function.comment).errors:
            if code and (state, code) not in known:
                problems.append(f"the comment of {name} names {state} {code}, which src/error does not have")
            raised.setdefault(code, []).append(name)
    # Without the extension there is no function that could have a comment.
    unnamed = {code for _, code in known} - set(raised) - EVERYWHERE
    return raised, problems + [f"no function's comment names {code}, which src/error has" for code in sorted(unnamed)]


def filled(text):
    """A text with what is filled in between angle brackets."""
    return re.sub(r"(?<!\{)\{(\w+)(:\?)?\}", r"<\1>", text).replace("{{", "{").replace("}}", "}")


def error_text(error):
    """The parts of an error."""
    rows = [("Message", [error["message"]]), ("DETAIL", error["details"]), ("HINT", error["hints"])]
    if error["data"]:
        rows.insert(2, ("Data", [error["data"]]))
    lines = [f"- {title}: " + ", or ".join(f"`{filled(text)}`" for text in texts) for title, texts in rows]
    return f"{error['about']}\n\n" + "\n".join(lines) + "\n\n"


# The library has the function, and the extension does not declare it.
ERRORS = "CREATE FUNCTION pg_temp.errors() RETURNS text LANGUAGE c AS '$libdir/extensions', 'errors_wrapper'"


def page(connection):
    """The page, and what is wrong with what it was made from."""
    connection.execute(ERRORS)
    errors = json.loads(connection.execute("SELECT pg_temp.errors()").fetchone()[0])
    raised, problems = raisers(errors, connection)
    about = {error["state"]: error["state_about"] for error in errors}
    text = HEAD + "| SQLSTATE | code |\n|---|---|\n"
    for state in sorted(about):
        codes = sorted({error["code"] for error in errors if error["state"] == state})
        text += f"| {state} | " + ", ".join(f"[`{code}`](#{code})" for code in codes) + " |\n"
    for state in sorted(about):
        text += f"\n## {state}: {about[state]}\n\n"
        for code in sorted({error["code"] for error in errors if error["state"] == state}):
            text += f"### {code}\n\n" + "".join(error_text(error) for error in errors if error["code"] == code)
            names = ", ".join(f"[`{name}`](reference.md#{name})" if name in LISTED else f"`{name}`" for name in raised.get(code, []))
            text += f"Raised by {names}.\n\n" if names else ""
        text = text.rstrip() + "\n"
    return text, problems
