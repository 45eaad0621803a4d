"""Forms over tables. What a field takes, and what is wrong with a value, is the table's to say: its types, its constraints, its triggers
and, as help, the comments on its columns."""

import json
import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping
from uuid import UUID

import asyncpg
from starlette.datastructures import FormData

from shop.errors import code_of

COLUMNS = """
    SELECT attname::text AS name, col_description(attrelid, attnum) AS help, attnotnull AS is_required
      FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
"""
# How the extension names the column that it refuses: "add_ons.category must be a slug", "rule is refused: discount_percent must be ..."
ABOUT = r"^(?:\w+\.|\w+ is refused: )(\w+) "


@dataclass(frozen=True)
class Field:
    name: str
    label: str
    #: text, long, number, flag, choice, json, lines, time, add_on or add_ons.
    kind: str = "text"
    options: tuple[str, ...] = ()
    #: What a new row begins with.
    start: str | bool = ""


class Refused(Exception):
    """The input is not a value of its column."""

    def __init__(self, field: str, message: str):
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True)
class Form:
    table: str
    fields: tuple[Field, ...]

    def blank(self) -> dict[str, Any]:
        return {field.name: field.start for field in self.fields}

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row as its fields show it."""
        return {field.name: shown(field.kind, row[field.name]) for field in self.fields}

    def typed(self, data: FormData) -> dict[str, Any]:
        """The browser's input, as the fields show it again."""
        return {field.name: sent(field, data) for field in self.fields}

    async def help(self, connection: asyncpg.Connection) -> dict[str, asyncpg.Record]:
        return {row["name"]: row for row in await connection.fetch(COLUMNS, f"marketplace.{self.table}")}

    async def row(self, connection: asyncpg.Connection, row_id: UUID) -> asyncpg.Record | None:
        query = f"SELECT to_jsonb(kept) AS kept, updated_at::text AS seen FROM marketplace.{self.table} kept WHERE id = $1"
        return await connection.fetchrow(query, row_id)

    async def document(self, connection: asyncpg.Connection, typed: Mapping[str, Any]) -> dict[str, Any]:
        """The input as JSON of the columns' types. PostgreSQL parses it, so a date is whatever PostgreSQL accepts as one."""
        values = {field.name: value(field, typed[field.name]) for field in self.fields}
        query = f"SELECT to_jsonb(jsonb_populate_record(NULL::marketplace.{self.table}, $1))"
        try:
            async with connection.transaction():
                read = await connection.fetchval(query, json.dumps(values))
        except asyncpg.DataError:
            # The error does not say which: each is checked on its own.
            for name, given in values.items():
                try:
                    async with connection.transaction():
                        await connection.fetchval(query, json.dumps({name: given}))
                except asyncpg.DataError as error:
                    raise Refused(name, told(error)) from error
            raise
        document = json.loads(read)
        return {name: document[name] for name in values}

    async def save(self, connection: asyncpg.Connection, document: Mapping[str, Any], row_id: UUID | None, seen: str) -> UUID | None:
        """Writes the row. None says that it has changed since it was shown, at `seen`."""
        record = f"jsonb_populate_record(NULL::marketplace.{self.table}, $1)"
        if row_id is None:
            # A field that is left empty gets the table's default, or is missing if there is none.
            required = {name for name, column in (await self.help(connection)).items() if column["is_required"]}
            given = [name for name, value in document.items() if value is not None or name not in required]
            names = ", ".join(given)
            query = f"INSERT INTO marketplace.{self.table} ({names}) SELECT {names} FROM {record} RETURNING id"
            return await connection.fetchval(query, json.dumps(document))
        names = ", ".join(document)
        query = f"""UPDATE marketplace.{self.table} SET ({names}) = (SELECT {names} FROM {record})
                     WHERE id = $2 AND updated_at::text = $3 RETURNING id"""
        return await connection.fetchval(query, json.dumps(document), row_id, seen)

    def blame(self, error: asyncpg.PostgresError | Refused) -> tuple[str, str]:
        """The field that an error is about, "" for none of them, and the error."""
        if isinstance(error, Refused):
            return error.field, error.message
        names = {field.name for field in self.fields}
        return next((name for name in self.suspects(error) if name in names), ""), told(error)

    def suspects(self, error: asyncpg.PostgresError) -> Iterable[str]:
        yield found(ABOUT, error.message)
        yield found(r'malformed: (?:key )?"(\w+)"', error.message)
        yield found(r"^Key \((?:\w+, )*(\w+)\)=", error.detail)
        yield error.column_name or ""
        constraint = error.constraint_name or found(r"constraint (\w+)", error.detail)
        yield constraint.removeprefix(f"{self.table}_").rpartition("_")[0]


def found(pattern: str, text: str | None) -> str:
    match = re.search(pattern, text or "")
    return match.group(1) if match else ""


def told(error: asyncpg.PostgresError) -> str:
    """An error in words: the extension's as it is, PostgreSQL's without the part that repeats the whole row."""
    match error:
        case asyncpg.NotNullViolationError():
            return "This cannot be empty."
        case asyncpg.UniqueViolationError():
            return error.detail
        case asyncpg.CheckViolationError() if code_of(error) is None:
            return f"Refused by {error.constraint_name}."
    # Next to the field, its name need not be repeated.
    text = re.sub(ABOUT, "", error.message)
    return f"{text[:1].upper()}{text[1:]}."


def sent(field: Field, data: FormData) -> Any:
    match field.kind:
        case "flag":
            # Browsers do not send unchecked boxes.
            return field.name in data
        case "add_ons":
            return data.getlist(field.name)
    return data.get(field.name, "")


def value(field: Field, typed: Any) -> Any:
    """The input as JSON that the column's type can read."""
    match field.kind:
        case "flag":
            return typed
        case "add_ons":
            return typed or None
        case "lines":
            return [line.strip() for line in typed.splitlines() if line.strip()]
        case "time":
            return f"{typed}Z" if typed else None
        case "json":
            try:
                return json.loads(typed or "{}")
            except ValueError as error:
                raise Refused(field.name, f"This is not JSON: {error}.") from error
    return typed.strip() or None


def shown(kind: str, kept: Any) -> Any:
    match kind:
        case "flag":
            return bool(kept)
        case "add_ons":
            return kept or []
        case "lines":
            return "\n".join(kept or [])
        case "json":
            return json.dumps(kept, indent=2)
        case "time":
            return kept[:16] if kept else ""
    return "" if kept is None else str(kept)
