"""What PostgreSQL's catalog knows of the extension: everything that the generated pages show comes from here."""

import re
from dataclasses import dataclass, field

SHORT_TYPES = {"timestamp with time zone": "timestamptz", "character varying": "varchar"}
LEVELS = ["catalog", "entitlements", "shop", "billing"]

# Objects of the extension: a query joins what it needs to "member".
MEMBERS = """
    WITH member AS (
        SELECT d.objid AS oid FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'extensions' AND d.deptype = 'e' AND d.classid = %(class)s::regclass)
"""

FUNCTIONS = MEMBERS + """
    SELECT p.proname AS name, p.oid, obj_description(p.oid, 'pg_proc') AS comment, p.proretset AS returns_set,
           p.prorettype::regtype::text AS return_type, p.provolatile AS volatility, p.proparallel AS parallel,
           ARRAY(SELECT format_type(t, NULL) FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY a (t, n) ORDER BY n)
               AS types,
           coalesce(p.proargnames, '{}') AS names,
           coalesce(p.proargmodes::text[], array_fill('i'::text, ARRAY[p.pronargs::integer])) AS modes,
           ARRAY(SELECT pg_get_function_arg_default(p.oid, n) FROM generate_series(1, p.pronargs) n) AS defaults
      FROM member m JOIN pg_proc p ON p.oid = m.oid
     ORDER BY p.proname, p.pronargs
"""

RELATIONS = MEMBERS + """
    SELECT c.oid, c.relname AS name, c.relkind AS kind, obj_description(c.oid, 'pg_class') AS comment
      FROM member m JOIN pg_class c ON c.oid = m.oid WHERE c.relkind IN ('r', 'v') ORDER BY c.relname
"""

COLUMNS = """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS is_required,
           pg_get_expr(d.adbin, d.adrelid) AS preset, col_description(a.attrelid, a.attnum) AS comment,
           EXISTS (SELECT FROM pg_constraint n WHERE n.conrelid = a.attrelid AND n.contype = 'p' AND a.attnum = ANY (n.conkey)) AS is_key,
           EXISTS (SELECT FROM pg_constraint n WHERE n.conrelid = a.attrelid AND n.contype = 'f' AND a.attnum = ANY (n.conkey)) AS is_foreign,
           EXISTS (SELECT FROM pg_constraint n WHERE n.conrelid = a.attrelid AND n.contype = 'u' AND n.conkey = ARRAY[a.attnum]) AS is_unique
      FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

# From PostgreSQL 18 on, NOT NULL is a constraint too; the columns already show it.
CONSTRAINTS = """
    SELECT n.conname AS name, pg_get_constraintdef(n.oid, true) AS definition, n.contype AS kind, obj_description(n.oid, 'pg_constraint') AS comment,
           nullif(n.confrelid, 0)::regclass::text AS target, n.confdeltype AS on_delete,
           ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = n.conrelid AND a.attnum = ANY (n.conkey)) AS columns
      FROM pg_constraint n WHERE n.conrelid = %(table)s AND n.contype <> 'n' ORDER BY strpos('pufc', n.contype::text), n.conname
"""

INDEXES = """
    SELECT c.relname AS name, pg_get_indexdef(c.oid) AS definition, obj_description(c.oid, 'pg_class') AS comment
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = %(table)s AND NOT EXISTS (SELECT FROM pg_constraint n WHERE n.conindid = c.oid AND n.contype IN ('p', 'u'))
     ORDER BY c.relname
"""

TRIGGERS = """
    SELECT t.tgname AS name, pg_get_triggerdef(t.oid) AS definition, obj_description(t.oid, 'pg_trigger') AS comment
      FROM pg_trigger t WHERE t.tgrelid = %(table)s AND NOT t.tgisinternal ORDER BY t.tgname
"""

SETTINGS = """
    SELECT name, vartype AS type, boot_val AS preset, unit, min_val AS least, max_val AS most, context, short_desc AS summary, extra_desc AS detail
      FROM pg_settings WHERE name LIKE 'extensions.%%' ORDER BY name
"""


@dataclass
class Argument:
    """An argument or a result column."""

    name: str
    type: str
    default: str | None = None


@dataclass
class Function:
    """A function of the extension."""

    name: str
    comment: str
    result: str
    volatility: str
    parallel: str
    arguments: list[Argument]
    columns: list[Argument]
    levels: list[str] = field(default_factory=list)


@dataclass
class Relation:
    """A table or a view of the extension; the rest are rows of the queries above."""

    name: str
    comment: str
    columns: list
    constraints: list
    indexes: list
    triggers: list


def short_type(name):
    """The name by which people write a type."""
    for long, short in SHORT_TYPES.items():
        name = name.replace(long, short)
    return name


def short_expression(text):
    """An expression without what PostgreSQL adds to it in printing."""
    return short_type(re.sub(r"::(character varying|text|jsonb|numeric|interval|uuid|timestamp with time zone)(\[\])?(?!\w)", "", text))


def function_of(row, levels):
    """A row of FUNCTIONS as a Function."""
    inputs, columns = [], []
    for name, type_name, mode in zip(row.names or [""] * len(row.types), row.types, row.modes):
        (columns if mode == "t" else inputs).append(Argument(name, short_type(type_name)))
    for argument, default in zip(inputs, row.defaults):
        argument.default = None if default is None else short_expression(default)
    result = short_type(row.return_type)
    if columns:
        result = "TABLE"
    elif row.returns_set:
        result = f"SETOF {result}"
    volatility = {"i": "immutable", "s": "stable", "v": "volatile"}[row.volatility]
    parallel = {"s": "safe", "r": "restricted", "u": "unsafe"}[row.parallel]
    return Function(row.name, row.comment or "", result, volatility, parallel, inputs, columns, levels)


def functions(connection):
    """Every function of the extension by name, with the access levels that give its execution."""
    rows = connection.execute(FUNCTIONS, {"class": "pg_proc"}).fetchall()
    granted = granted_levels(connection, [row.oid for row in rows])
    return {row.name: function_of(row, granted[row.oid]) for row in rows}


def granted_levels(connection, oids):
    """Which of the levels let a role execute each function: asked of roles that were given them."""
    granted = {oid: [] for oid in oids}
    with connection.transaction(force_rollback=True):
        for level in LEVELS:
            connection.execute(f"CREATE ROLE docs_{level}")
            connection.execute(f"SELECT grant_marketplace_access('docs_{level}', '{level}')")
            query = "SELECT oid FROM unnest(%s::oid[]) oid WHERE has_function_privilege(%s, oid, 'EXECUTE')"
            for row in connection.execute(query, [oids, f"docs_{level}"]):
                granted[row.oid].append(level)
    return granted


def relations(connection, kind):
    """The tables (kind "r") or views ("v") of the extension."""
    found = []
    for row in connection.execute(RELATIONS, {"class": "pg_class"}).fetchall():
        if row.kind == kind:
            parts = [connection.execute(query, {"table": row.oid}).fetchall() for query in (COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS)]
            found.append(Relation(row.name, row.comment or "", *parts))
    return found


def settings(connection):
    """The settings of the extension, which its library has made known."""
    connection.execute("LOAD 'extensions'")
    return connection.execute(SETTINGS).fetchall()
