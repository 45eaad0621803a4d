"""docs/images/pricing-*.svg: the steps of one price, drawn from what the extension says of it."""

from decimal import Decimal

import examples
import svg

CART = [("Brigade", 1), ("Bolt", 1), ("Vector Search", 2)]
AT = "2026-12-01 12:00+00"
STEPS = [("rule_discount", "pricing rule", svg.RED), ("bundle_discount", "bundle", svg.GREEN), ("promo_discount", "code", svg.ORANGE)]
SCALE = 16  # pixels for a unit of currency
LEFT = 130


def pages(connection):
    """The pictures by file name. What they show is rolled back."""
    with connection.transaction(force_rollback=True):
        for statement in (examples.FOLDER / "setup.sql").read_text().split(";\n")[1:]:
            if statement.strip():
                connection.execute(statement)
        quote = connection.execute("SELECT price_cart('ada', NULL, 'launch2025', %s) AS quote", [AT]).fetchone().quote
        split = connection.execute("SELECT a.name, e.base, e.discount FROM explain_cart('ada', NULL, 'launch2025', %s) e "
                                   "JOIN add_ons a ON a.id = e.add_on_id WHERE stage = 'bundle_split' ORDER BY step", [AT]).fetchall()
    return {"images/pricing-steps.svg": steps(quote), "images/pricing-bundle.svg": bundle(quote, split),
            "images/pricing-split.svg": splitting(split)}


def money(value):
    """An amount as it is written."""
    return f"{Decimal(str(value)):.2f}"


def steps(quote):
    """What each step takes off each line: a bar as long as the list price, cut where a discount begins."""
    shapes, y = [svg.text(20, 28, "From list price to what is to pay", 15, weight="bold")], 50
    for line in quote["lines"]:
        shapes += bar(line["name"], line, line["list_amount"], y)
        y += 64
    totals = {step: sum(Decimal(str(line[step])) for line in quote["lines"]) for step, *_ in STEPS}
    shapes += [svg.path([(20, y - 12), (LEFT + 65 * SCALE, y - 12)], svg.RULE)]
    shapes += bar("The cart", totals | {"total": quote["total"]}, quote["list_total"], y + 4)
    return svg.document(LEFT + 66 * SCALE + 20, y + 110, "What each step takes off each line of a cart", shapes + legend(y + 84))


def bar(name, parts, whole, y):
    """A bar: what is to pay, and what the steps took off, the last step first."""
    shapes = [svg.text(20, y + 18, name, 13, weight="bold"), svg.text(20, y + 34, f"list {money(whole)}", 11, svg.MUTED)]
    x = LEFT
    for key, colour in [("total", svg.BLUE)] + [(step, colour) for step, _, colour in reversed(STEPS)]:
        amount = float(parts[key])
        if amount:
            shapes.append(svg.rect(x, y, amount * SCALE, 26, colour, "#ffffff"))
            shapes.append(svg.text(x + amount * SCALE / 2, y + 18, money(amount), 11, "#ffffff", "middle", "bold"))
            x += amount * SCALE
    return shapes


def legend(y):
    """Which colour is which step."""
    shapes, x = [], LEFT
    for title, colour in [("to pay", svg.BLUE)] + [(f"taken off by the {title}", colour) for _, title, colour in reversed(STEPS)]:
        shapes += [svg.rect(x, y - 11, 13, 13, colour), svg.text(x + 20, y, title, 12)]
        x += 60 + 8 * len(title)
    return shapes


def bundle(quote, split):
    """Units as boxes: which of them the bundle consumes, and for how much."""
    consumed = {row.name: row.base for row in split}
    shapes, y = [svg.text(20, 28, "One instance of Developer Pro takes one unit of each of its add-ons", 15, weight="bold")], 50
    for line in quote["lines"]:
        remaining = Decimal(str(line["list_amount"])) - Decimal(str(line["rule_discount"]))
        shapes.append(svg.text(20, y + 28, line["name"], 13, weight="bold"))
        for unit in range(line["quantity"]):
            x, taken = LEFT + unit * 150, unit == 0
            price = consumed[line["name"]] if taken else remaining - consumed[line["name"]]
            shapes.append(svg.rect(x, y, 136, 44, svg.GREEN if taken else svg.PALE, svg.GREEN if taken else svg.RULE, 4))
            shapes.append(svg.text(x + 68, y + 19, money(price), 13, "#ffffff" if taken else svg.INK, "middle", "bold"))
            shapes.append(svg.text(x + 68, y + 35, "in the bundle" if taken else "outside it", 10, "#ffffff" if taken else svg.MUTED, "middle"))
        y += 60
    base, discount = sum(consumed.values()), sum(row.discount for row in split)
    shapes.append(svg.text(20, y + 12, f"Base {' + '.join(money(row.base) for row in split)} = {money(base)}; "
                           f"20 % of it, rounded: {money(discount)}", 13))
    return svg.document(600, y + 34, "Which units a bundle consumes", shapes)


def splitting(split):
    """Shares of a discount: exact, rounded down, and who gets the cents that are left."""
    discount, base = sum(row.discount for row in split), sum(row.base for row in split)
    shapes = [svg.text(20, 28, f"{money(discount)} split in proportion to {' : '.join(money(row.base) for row in split)}", 15, weight="bold")]
    columns = [("line", 20, "start"), ("weight", 210, "end"), ("exact share", 330, "end"), ("rounded down", 450, "end"), ("cents left", 550, "end"),
               ("share", 640, "end")]
    shapes += [svg.text(x, 58, title, 11, svg.MUTED, anchor) for title, x, anchor in columns]
    y = 82
    for row in split:
        exact = discount * row.base / base
        floor = int(exact * 100) / Decimal(100)
        values = [row.name, money(row.base), f"{exact:.4f}", money(floor), "+ 0.01" if row.discount > floor else "", money(row.discount)]
        for value, (_, x, anchor) in zip(values, columns):
            colour = svg.GREEN if value.startswith("+") else svg.INK
            shapes.append(svg.text(x, y, value, 13, colour, anchor, "bold" if x in (20, 640) else "normal"))
        y += 26
    floors = sum(int(discount * row.base / base * 100) for row in split) / Decimal(100)
    shapes += [svg.path([(20, y - 14), (640, y - 14)], svg.RULE), svg.text(450, y + 6, money(floors), 13, svg.INK, "end"),
               svg.text(550, y + 6, f"+ {money(discount - floors)}", 13, svg.GREEN, "end"),
               svg.text(640, y + 6, money(discount), 13, svg.INK, "end", "bold")]
    return svg.document(660, y + 26, "How a discount is split to the cent", shapes)
