"""docs/schema.md and docs/images/schema.svg: the tables and how they hang together, drawn from the catalog."""

import svg
from catalog import relations, short_type

# The place of each table in the picture: what belongs to users, what is sold, what changes prices.
PLACES = [["cart_items", "user_add_ons", "add_on_purchases"], ["add_ons", "add_on_features"],
          ["pricing_rules", "add_on_bundles", "promotional_codes"]]
WIDTH, GAP, ROW, HEAD, MARGIN = 300, 110, 19, 26, 20
ON_DELETE = {"r": "RESTRICT", "c": "CASCADE", "a": "NO ACTION"}

# Columns that refer to rows of other tables without a foreign key: arrays cannot have one, and texts may outlive the
# rows that they name.
NAMES = {("add_on_bundles", "add_on_ids"): ("add_ons", "id"), ("promotional_codes", "applicable_to"): ("add_ons", "id"),
         ("add_on_purchases", "promo_code"): ("promotional_codes", "code")}

PAGE = """# Tables

The extension has eight tables. `make docs` draws them from the catalog of a database in which the extension is installed, and a test
fails when this page is out of date. The [reference](reference.md#tables) describes each column, constraint and index.

Two more tables are created only when they are needed, and hold nothing about a single user or add-on: `marketplace_access`, for what
`grant_marketplace_access()` has granted, and `marketplace_unclaimed`, for reports of payment providers about payments that no checkout is
known to belong to yet (see [semantics](semantics.md#41-facts)). Neither fits into one of the eight tables, because the row that
it is about does not exist yet.

![The tables, their columns and their foreign keys](images/schema.svg)

Solid arrows are foreign keys. Dashed arrows are columns that refer to another table without a foreign key: arrays of ids, which
`check_marketplace()` verifies, and the code of a purchase, which stays when the code is deleted. There is no table of users: a
`user_id` is the identity provider's name for the user. `link_reference_tables()` adds foreign keys to your own tables of tiers and
features.

| table | refers to | by | when that is deleted |
|---|---|---|---|
{references}

## As Mermaid

The same diagram for tools that draw [Mermaid](https://mermaid.js.org), such as code hosts.

```mermaid
{mermaid}
```
"""


def foreign_keys(tables):
    """Every foreign key as (table, column, table it refers to, action)."""
    return [(table.name, key.columns[0], key.target.split(".")[-1], ON_DELETE[key.on_delete])
            for table in tables for key in table.constraints if key.kind == "f"]


def marks(column):
    """The keys that a column is part of."""
    return ", ".join(mark for mark, is_so in (("PK", column.is_key), ("FK", column.is_foreign), ("UK", column.is_unique)) if is_so)


def mermaid(tables):
    """The diagram as Mermaid, which allows no commas or spaces in types."""
    lines = ["erDiagram"]
    lines += [f"    {target} ||--o{{ {table} : {column}" for table, column, target, _ in foreign_keys(tables)]
    for (table, column), (target, target_column) in NAMES.items():
        lines.append(f"    {target} {'}o' if target_column == 'id' else '|o'}..o{{ {table} : {column}")
    for table in tables:
        lines.append(f"    {table.name} {{")
        for column in table.columns:
            kind = short_type(column.type).replace(",", "_").replace("[]", "_array")
            lines.append(f"        {kind} {column.name} {marks(column)}".rstrip())
        lines.append("    }")
    return "\n".join(lines)


def layout(tables):
    """The top left corner of each table, and the size of the picture."""
    heights = {table.name: HEAD + ROW * len(table.columns) + 6 for table in tables}
    corners, bottom = {}, 0
    for place, names in enumerate(PLACES):
        y = MARGIN
        for name in names:
            corners[name] = (MARGIN + place * (WIDTH + GAP), y)
            y += heights[name] + 34
        bottom = max(bottom, y - 34 + MARGIN)
    return corners, heights, (2 * MARGIN + 3 * WIDTH + 2 * GAP, bottom + 26)


def draw_table(table, corner, height):
    """A table as a box with a row for each column."""
    x, y = corner
    shapes = [svg.rect(x, y, WIDTH, height, "#ffffff", svg.BLUE, 4), svg.rect(x, y, WIDTH, HEAD, svg.BLUE, svg.BLUE, 4),
              svg.text(x + 10, y + 18, table.name, 14, "#ffffff", weight="bold")]
    for number, column in enumerate(table.columns):
        line = y + HEAD + ROW * number + 16
        shapes.append(svg.text(x + 10, line, column.name, 12, weight="bold" if column.is_key else "normal"))
        shapes.append(svg.text(x + 178, line, marks(column), 9, svg.ORANGE, "middle", "bold"))
        optional = "" if column.is_required else " ?"
        shapes.append(svg.text(x + WIDTH - 8, line, short_type(column.type) + optional, 11, svg.MUTED, "end"))
    return shapes


def row_height(tables, corners, table, column):
    """The middle of a column's row."""
    names = [c.name for t in tables if t.name == table for c in t.columns]
    return corners[table][1] + HEAD + ROW * names.index(column) + 12


def draw_reference(ends, corners, lane, dashed):
    """An arrow from a column to the one that it refers to, through a lane between the columns of tables."""
    (table, from_y), (target, to_y) = ends
    from_x, to_x = corners[table][0], corners[target][0]
    if from_x == to_x:
        start, end, middle = from_x, to_x, from_x - lane
    elif from_x < to_x:
        start, end, middle = from_x + WIDTH, to_x, to_x - lane
    else:
        start, end, middle = from_x, to_x + WIDTH, to_x + WIDTH + lane
    stroke = svg.ORANGE if dashed else svg.BLUE
    marker = "dashed" if dashed else "solid"
    return svg.path([(start, from_y), (middle, from_y), (middle, to_y), (end, to_y)], stroke, dashed, marker)


def picture(tables):
    """The whole picture."""
    corners, heights, size = layout(tables)
    shapes = [shape for table in tables for shape in draw_table(table, corners[table.name], heights[table.name])]
    links = [(table, column, target, "id", False) for table, column, target, _ in foreign_keys(tables)]
    links += [(table, column, *target, True) for (table, column), target in NAMES.items() if target[0] == "add_ons"]
    arrows = [((table, row_height(tables, corners, table, column)), (target, row_height(tables, corners, target, target_column)), dashed)
              for table, column, target, target_column, dashed in links]
    # The higher an arrow begins, the farther from its end it turns, so that arrows do not cross.
    arrows.sort(key=lambda arrow: (corners[arrow[0][0]][0] != corners[arrow[1][0]][0], -arrow[0][1]))
    for number, (start, end, dashed) in enumerate(arrows):
        shapes.append(draw_reference((start, end), corners, 30 + 8 * number, dashed))
    legend = size[1] - 14
    shapes.append(svg.text(MARGIN, legend, "PK primary key, FK foreign key, UK unique, ? may be NULL; dashed: names rows without a foreign key",
                           11, svg.MUTED))
    heads = [svg.arrowhead("solid", svg.BLUE), svg.arrowhead("dashed", svg.ORANGE)]
    return svg.document(*size, "The tables of the marketplace", shapes, heads)


def pages(connection):
    """The page and its picture by file name."""
    tables = relations(connection, "r")
    unplaced = {table.name for table in tables} ^ {name for names in PLACES for name in names}
    assert not unplaced, f"PLACES of scripts/docs/schema.py is to be corrected for {unplaced}"
    rows = [f"| `{table}` | `{target}` | `{column}` | {action} |" for table, column, target, action in foreign_keys(tables)]
    rows += [f"| `{table}` | `{target}` | `{column}`, without a foreign key | stays |" for (table, column), (target, _) in NAMES.items()]
    page = PAGE.format(references="\n".join(rows), mermaid=mermaid(tables))
    return {"schema.md": page, "images/schema.svg": picture(tables)}
