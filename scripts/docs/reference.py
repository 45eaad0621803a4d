"""docs/reference.md: functions, views, tables and settings, from the catalog and its comments."""

import re
import textwrap
from pathlib import Path

import comments
import examples
from catalog import functions, relations, settings, short_expression, short_type

ROOT = Path(__file__).resolve().parents[2]

SECTIONS = {
    "Prices": ["price_add_on", "quote", "price_cart", "cart_total", "cart_lines", "price_carts"],
    "Reasons and what-ifs": ["explain_cart", "explain_cart_text", "simulate_pricing_rule", "simulate_bundle", "simulate_promo_code",
                             "simulate_renewals"],
    "Promotional codes": ["validate_promo_code"],
    "Entitlements": ["has_feature", "has_add_on", "has_features", "feature_configuration", "user_features", "active_add_ons",
                     "entitled_users"],
    "Usage": ["consume_feature", "release_feature", "set_feature_usage", "feature_usage"],
    "Carts": ["add_to_cart", "set_cart_quantity", "remove_from_cart", "clear_cart", "merge_carts"],
    "Checkout and purchases": ["checkout", "stripe_checkout", "complete_checkout", "fail_checkout", "refund_purchase", "dispute_purchase",
                               "resolve_dispute", "purchase_history", "list_purchases", "explain_checkout"],
    "Subscriptions": ["grant_add_on", "start_trial", "renew_add_on", "cancel_add_on", "suspend_add_on", "resume_add_on", "explain_access",
                      "upcoming_renewals", "reprice_renewals"],
    "Webhooks": ["apply_stripe_event", "apply_lago_event", "reconcile_stripe", "unsettled_payments", "settle_payment"],
    "Personal data": ["export_user", "forget_user"],
    "Catalog": ["search_add_ons", "list_add_ons", "load_sample_catalog", "export_catalog", "import_catalog"],
    "Operations": ["marketplace_status", "marketplace_metrics", "revenue_by_add_on", "check_marketplace", "run_maintenance", "schedule_maintenance", "catalog_cache_stats",
                   "link_reference_tables", "unlink_reference_tables"],
    "Access": ["grant_marketplace_access", "revoke_marketplace_access", "enable_user_isolation", "disable_user_isolation"],
    "Keeping the rows": ["protect_marketplace", "unprotect_marketplace", "detach_tables", "attach_tables", "adopt_tables"],
    "Several nodes": ["distribute_marketplace", "distribution_status"],
}
LISTED = {name for names in SECTIONS.values() for name in names}
# Not for users either, although without a leading _: constraints of the tables name them, and so do dumps.
OF_CONSTRAINTS = {"check_feature_configuration", "check_pricing_conditions", "check_user_restrictions", "has_no_duplicates",
                  "normalized_code"}

# Characters of code that stand beside each other in the site on a screen of 1280 pixels.
WIDEST = 100

HEAD = """# Reference

Functions, views, tables and settings. `make docs` generates this page from the comments of the objects, which `\\df+`, `\\dv+`
and `\\d+` show in psql. The [error reference](errors.md) describes the errors, [Semantics](semantics.md) what is computed, and the
[diagram](schema.md) how the tables are connected.

The following applies to all functions:

- Amounts are `numeric` with two decimals, in the currency of the setting `extensions.currency`. In JSON they are numbers. Their
  unit is given as *currency*.
- `at` is the instant at which a call decides everything. Windows of time are half open: `from <= at < until`.
- Arguments can be passed by name, `quote(items => ..., promo_code => ...)`, so those with a default can be left out.
- Functions whose names start with `_` are not for users: other functions of the extension call them, and any version may change
  them. `\\dfn public.[^_]*` in psql, with the schema of the extension, lists the others.
- *Level* is the access level that a role needs to call the function; see `grant_marketplace_access`. `admin` may call all.

"""


def since(kind, name):
    """The first version that had the object: the oldest released script that makes it, or else the next release."""
    scripts = sorted(ROOT.glob("sql/released/extensions--*.sql"), key=lambda path: version_of(path.stem))
    made = re.compile(rf'CREATE\s+(?:OR REPLACE\s+)?{kind}\s+(?:@extschema@\.)?"?{name}"?\s*[ (]')
    for script in scripts:
        if made.search(script.read_text()):
            return script.stem.partition("--")[2]
    return re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE).group(1)


def version_of(stem):
    """A version by which scripts can be sorted."""
    return [int(number) for number in stem.partition("--")[2].split(".")]


def cell(text):
    """Text as a cell of a table."""
    return (text or "").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def rule_and_hint(comment):
    """The comment on a constraint as sentences: its first line is the rule, as the error says it, and the others are the hint."""
    rule, _, hint = (comment or "").partition("\n")
    return f"{rule}. {hint}" if hint else rule


def code(text):
    """Text in code font, in a cell of a table."""
    return f"`{text.replace('|', chr(92) + '|')}`"


def table(head, rows):
    """A table without the columns that nothing stands in."""
    kept = [place for place in range(len(head)) if any(row[place] for row in rows)]
    lines = ["| " + " | ".join(head[place] for place in kept) + " |", "|" + "---|" * len(kept)]
    lines += ["| " + " | ".join(row[place] for place in kept) + " |" for row in rows]
    return "\n".join(lines) + "\n\n"


def signature(function):
    """The call with types and defaults, an argument a line where there are several, and no line wider than the page of the site."""
    arguments = [f"{a.name} {a.type}" + (f" DEFAULT {a.default}" if a.default else "") for a in function.arguments]
    call = f"{function.name}({', '.join(arguments)})"
    if len(arguments) > 2:
        call = f"{function.name}(\n    " + ",\n    ".join(arguments) + "\n)"
    result = function.result
    if function.columns:
        columns = ", ".join(f"{c.name} {c.type}" for c in function.columns)
        result = f"TABLE ({columns})"
        if len(call.splitlines()[-1]) + len(result) > WIDEST:
            result = "TABLE (\n" + textwrap.fill(columns, WIDEST, initial_indent="    ", subsequent_indent="    ") + "\n)"
    return f"```text\n{call} -> {result}\n```\n\n"


def argument_rows(function, comment, known):
    """Arguments with types, units and meanings. "As for price_cart()" refers to another comment."""
    names = [argument.name for argument in function.arguments]
    other = re.match(r"as for (\w+)\(\)", comment.arguments)
    text = known[other.group(1)].arguments if other else comment.arguments
    meanings = comments.describe(names, text, {})
    return [[f"`{a.name}`", code(a.type), comments.unit(a), code(a.default) if a.default else "required", cell(meanings[a.name])]
            for a in function.arguments]


def errors_text(comment):
    """Errors by SQLSTATE, with links to what the error reference says of them."""
    if not comment.errors:
        return "**Errors** none of its own.\n\n"
    by_state = {}
    for state, name, remark in comment.errors:
        by_state.setdefault(state, []).append(", ".join(filter(None, [f"[`{name}`](errors.md#{name})" if name else "", remark])))
    return "**Errors**\n\n" + "".join(f"- {state} {', '.join(errors)}\n".replace("-  ", "- ") for state, errors in by_state.items()) + "\n"


def linked(text, known):
    """Prose with links from the names of functions and from sections of the semantics."""
    text = re.sub(r"\b(\w+)\(\)(?![`\w])", lambda m: f"[`{m[1]}()`](#{m[1]})" if m[1] in known and m[1] in LISTED else m[0], text)
    return re.sub(r"\(semantics ([\d., ]+)\)", lambda m: "(" + ", ".join(semantics_link(n) for n in m[1].split(", ")) + ")", text)


def semantics_link(number):
    """A link to the section of docs/semantics.md that has a number."""
    heading = re.search(rf"^#+ {re.escape(number)}\.? (.*)$", (ROOT / "docs" / "semantics.md").read_text(), re.MULTILINE)
    assert heading, f"docs/semantics.md has no section {number}"
    anchor = re.sub(r"[^\w -]", "", f"{heading[0].lstrip('# ')}".lower()).replace(" ", "-")
    return f"[semantics {number}](semantics.md#{anchor})"


def facts(function):
    """What is to be known of the function besides what it does."""
    levels = " or ".join(function.levels or ["admin"])
    return f"since {since('FUNCTION', function.name)}, {function.volatility}, parallel {function.parallel}, level {levels}"


def results_text(function, comment):
    """What the function returns, with the meanings of its columns where the comment tells them."""
    returns, meanings = comments.columns([column.name for column in function.columns], comment.returns)
    text = f"**Returns** {cell(returns)}\n\n" if returns not in ("", "nothing.") else ""
    rows = [[f"`{c.name}`", code(c.type), comments.unit(c), cell(meanings.get(c.name))] for c in function.columns]
    return text + (table(["column", "type", "unit", "what it is"], rows) if rows else "")


def function_text(function, known, outputs):
    """Everything about one function."""
    comment = known[function.name]
    rows = argument_rows(function, comment, known)
    text = f"*{facts(function)}*\n\n" + (table(["argument", "type", "unit", "default", "what it is"], rows) if rows else "")
    text += results_text(function, comment) + (f"{cell(comment.notes)}\n\n" if comment.notes else "")
    head = f"### {function.name}\n\n{linked(cell(comment.summary), known)}\n\n{signature(function)}"
    return head + linked(text, known) + errors_text(comment) + outputs.get(function.name, "")


def internal_text(names, found):
    """Functions that nobody calls by hand."""
    rows = [[f"`{name}`", cell(comments.parse(found[name].comment).summary)] for name in names]
    return "### Not called by hand\n\nConstraints, triggers and other functions call these.\n\n" + table(["function", "what it does"], rows)


def functions_text(connection, outputs):
    """All functions by section, and what is wrong with their documentation."""
    found = functions(connection)
    known = {name: comments.parse(function.comment) for name, function in found.items()}
    internal = [name for name in found if name not in LISTED]
    unlisted = [name for name in internal
                if not name.startswith("_") and name not in OF_CONSTRAINTS and not found[name].result.endswith("trigger")]
    text = "## Functions\n\n" + examples.setup_text()
    for title, names in SECTIONS.items():
        entries = [function_text(found[name], known, outputs) for name in names if name in found]
        text += f"## {title}\n\n" + "".join(entries) if entries else ""
    problems = [f"{name} has no place in SECTIONS of scripts/docs/reference.py; if it is not for users, start its name with _"
                for name in unlisted]
    return text + internal_text(internal, found), problems


def view_text(view, outputs):
    """Everything about one view."""
    rows = [[f"`{c.name}`", code(short_type(c.type)), cell(c.comment)] for c in view.columns]
    return f"### {view.name}\n\n{cell(view.comment)}\n\n*since {since('VIEW', view.name)}*\n\n" + table(["column", "type", ""], rows) + outputs.get(f"views/{view.name}", "")


def table_text(relation, outputs):
    """Everything about one table."""
    columns = [[f"`{c.name}`", code(short_type(c.type)), "" if c.is_required else "yes", code(short_expression(c.preset)) if c.preset else "",
                cell(c.comment)] for c in relation.columns]
    text = f"### {relation.name}\n\n{cell(relation.comment)}\n\n*since {since('TABLE', relation.name)}*\n\n"
    text += table(["column", "type", "NULL", "default", ""], columns)
    constraints = [[f"`{c.name}`", code(short_expression(c.definition)), cell(rule_and_hint(c.comment))] for c in relation.constraints]
    text += table(["constraint", "definition", ""], constraints)
    indexes = [[f"`{i.name}`", code(index_definition(i.definition)), cell(i.comment)] for i in relation.indexes]
    text += table(["index", "on", "serves"], indexes) if indexes else ""
    triggers = [[f"`{t.name}`", code(trigger_definition(t.definition)), cell(t.comment)] for t in relation.triggers]
    return text + (table(["trigger", "when", ""], triggers) if triggers else "") + outputs.get(f"tables/{relation.name}", "")


def index_definition(text):
    """The method, the columns and the condition of an index."""
    unique = "UNIQUE " if text.startswith("CREATE UNIQUE") else ""
    return unique + short_expression(text.partition(" USING ")[2])


def trigger_definition(text):
    """When a trigger fires and what it calls."""
    before, _, call = text.partition(" EXECUTE FUNCTION ")
    events = re.search(r"(BEFORE|AFTER|INSTEAD OF) .*? ON", before).group().removesuffix(" ON")
    return f"{events}: {call.split('.')[-1]}"


def settings_text(found, outputs):
    """The settings, who may change them, and an example of each."""
    who = {"superuser": "superusers, and roles granted SET", "user": "everybody"}
    rows = [[f"`{s.name}`", s.type, code((s.preset or "''") + (f" {s.unit}" if s.unit else "")),
             f"{s.least} to {s.most} {s.unit or ''}".strip() if s.least is not None else "", who[s.context], cell(f"{s.summary} {s.detail or ''}")]
            for s in found]
    shown = "".join(f"### {s.name}\n\n{outputs.get(f'settings/{s.name}', '')}" for s in found)
    return "## Settings\n\n" + table(["setting", "type", "default", "values", "who may change it", ""], rows) + shown


def page(connection):
    """The page, and what is wrong with what it was made from."""
    views, tables, known_settings = relations(connection, "v"), relations(connection, "r"), settings(connection)
    named = [*(name for name in functions(connection) if name in LISTED), *(f"views/{view.name}" for view in views),
             *(f"tables/{relation.name}" for relation in tables), *(f"settings/{setting.name}" for setting in known_settings)]
    outputs, missing = examples.run_all(named)
    text, problems = functions_text(connection, outputs)
    problems += [f"{name} has no example: write docs/examples/{name}.sql" for name in missing]
    text += "## Views\n\n" + "".join(view_text(view, outputs) for view in views)
    text += "## Tables\n\n" + "".join(table_text(relation, outputs) for relation in tables)
    return (HEAD + text + settings_text(known_settings, outputs)).rstrip() + "\n", problems
