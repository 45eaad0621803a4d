"""Takes the comments of functions apart. CONTRIBUTING.md tells their form."""

import re
from dataclasses import dataclass

# The meaning of arguments and columns with these names, for comments that only list them.
COMMON = {
    "user_id": "the user, as the identity provider knows them",
    "tier_code": "the tier whose rules and codes apply in addition to those for everybody",
    "promo_code": "a promotional code, in any case",
    "at": "the instant at which everything is decided",
    "add_on_id": "the add-on",
    "feature_key": "the feature",
    "feature_keys": "the features",
    "checkout_id": "the checkout, as checkout() returned it",
    "purchase_id": "the purchase",
    "quantity": "units",
    "reason": "the reason, kept as a note",
    "immediately": "whether access ends now, and not with its period",
    "won": "whether the dispute was won",
    "role": "the role",
    "category": "one of the categories of add_ons",
    "skip": "rows to skip",
    "status": "one status, NULL for all",
    "source_schema": "the schema of the old tables",
    "time_zone": "of timestamps without time zone",
    "list_total": "at list prices",
    "discount_total": "all discounts together",
    "total_before": "today",
    "total_after": "after the change",
    "valid": "whether it may be used",
    "discount": "the amount that it takes off",
}

# Units of numbers and times, by the name of the argument or column.
MONEY = {"amount", "expected_total", "min_price", "max_price", "base_price", "list_total", "discount_total", "total", "total_before",
         "total_after", "base", "discount", "eligible_amount", "cart_total", "final_total", "refund_amount"}
UNITS = {"quantity": "units", "line_count": "lines", "max_rows": "rows", "skip": "rows", "batch": "rows", "inserted": "rows",
         "affected": "rows", "discount_value": "percent or currency", "bytes": "bytes", "entries": "entries"}


@dataclass
class Comment:
    """A comment in its parts. Errors are (SQLSTATE, code or None, remark)."""

    summary: str
    arguments: str
    returns: str
    notes: str
    errors: list[tuple[str, str | None, str]]


def parse(text):
    """Takes the comment of a function apart."""
    parts = re.split(r"^(Arguments|Returns|Errors): ", text, flags=re.MULTILINE)
    sections = {"summary": parts[0]} | dict(zip(parts[1::2], parts[2::2]))
    # Separate lines after a part belong to none of its items.
    arguments, argument_notes = cut_notes(sections.get("Arguments", ""))
    returns, return_notes = cut_notes(sections.get("Returns", ""))
    notes = join_lines(" ".join(filter(None, [argument_notes, return_notes])))
    return Comment(join_lines(parts[0]), arguments, returns, notes, parse_errors(sections.get("Errors", "none.")))


def cut_notes(section):
    """A part up to the first line that ends a sentence, and what comes after."""
    first, separator, rest = section.partition(".\n")
    return join_lines(first + separator), join_lines(rest)


def join_lines(text):
    """Text without line breaks."""
    return " ".join(text.split())


def parse_errors(text):
    """Errors by SQLSTATE, in the order in which the comment has them."""
    text = join_lines(text)
    if text.startswith("none"):
        return []
    # "Whoever drops a table then gets 55000 marketplace_protected." names errors that other commands get, which are listed
    # with the function too.
    errors = []
    for group in re.split(r"; |\. (?=Whoever)", text.rstrip(".")):
        if match := re.search(r"(.*?)\b([0-9][0-9A-Z]{4}|P0002)\b,? ?(.*)", group):
            remark, state, rest = match.groups()
            errors += errors_of(state, rest, remark.strip())
        else:
            errors.append(("", None, group))
    return errors


def errors_of(state, rest, remark):
    """The codes of one SQLSTATE: words joined by underscores up to the first other word."""
    codes = []
    pieces = rest.split(", ")
    while pieces and re.fullmatch(r"[a-z]+(_[a-z]+)+", pieces[0]):
        codes.append(pieces.pop(0))
    remark = ", ".join(filter(None, [", ".join(pieces), f"{remark} it" if remark else ""]))
    if not codes:
        return [(state, None, remark)]
    return [(state, code, remark if code == codes[-1] else "") for code in codes]


def describe(arguments, section, fallback):
    """What the part says of each argument by name; what it only lists has the common meaning, or that of another function."""
    names = "|".join(re.escape(argument) for argument in arguments)
    found, current = {}, []
    for piece in re.split(r"; ?", section.rstrip(".")):
        listed = re.match(rf"(?:(?:{names})(?:, | and )?)+(?![a-z_])", piece) if names else None
        if listed:
            current = re.findall(rf"\b(?:{names})\b", listed.group())
            text = piece[listed.end():].strip(":, ")
            found |= {name: text for name in current}
        else:
            found |= {name: "; ".join(filter(None, [found[name], piece])) for name in current}
    return {name: found.get(name) or fallback.get(name) or COMMON.get(name, "") for name in arguments}


def columns(names, section):
    """What the part on results says before it comes to its columns, and of each of them; all of it before where it names none."""
    any_name = "|".join(re.escape(name) for name in names)
    match = re.search(rf"[:.] (?=(?:{any_name})\b)", section) if names else None
    if not match:
        return section, {}
    described, _, rest = section[match.end():].partition(". ")
    return f"{section[:match.start()]}. {rest}".strip(), describe(names, described, {})


def unit(argument):
    """The unit in which an argument or column counts."""
    if argument.type == "numeric" and argument.name in MONEY:
        return "currency"
    return UNITS.get(argument.name, "") if argument.type not in ("text", "jsonb", "uuid") else ""
