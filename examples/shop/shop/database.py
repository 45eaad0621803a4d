"""One transaction for each request, in the role and for the user that it is for, and calls of functions by name."""

from contextlib import asynccontextmanager
from typing import Any, AsyncIterator

import asyncpg

CUSTOMER, BILLING, SIGN_IN = "shop_customer", "shop_billing", "shop_sign_in"


class Marketplace:
    """The functions of the extension, called with named arguments; those that are None keep their defaults."""

    def __init__(self, connection: asyncpg.Connection):
        self.connection = connection

    async def rows(self, function: str, **arguments: Any) -> list[asyncpg.Record]:
        call, values = named(function, arguments)
        return await self.connection.fetch(f"SELECT * FROM {call}", *values)

    async def value(self, function: str, **arguments: Any) -> Any:
        """The result of a function that returns one value; jsonb comes as text."""
        call, values = named(function, arguments)
        return await self.connection.fetchval(f"SELECT {call}", *values)

    async def json(self, function: str, **arguments: Any) -> str:
        """The rows of a function as JSON, written by PostgreSQL, so that 20.00 stays 20.00."""
        call, values = named(function, arguments)
        return await self.connection.fetchval(f"SELECT coalesce(json_agg(row), '[]')::text FROM {call} row", *values)

    async def currency(self) -> str:
        """What prices are in. A session that has not called the extension yet does not know the setting's default."""
        query = "SELECT coalesce(nullif(current_setting('extensions.currency', true), ''), 'USD')"
        return await self.connection.fetchval(query)


def named(function: str, arguments: dict[str, Any]) -> tuple[str, list[Any]]:
    given = {name: value for name, value in arguments.items() if value is not None}
    places = ", ".join(f"{name} => ${place}" for place, name in enumerate(given, 1))
    return f"marketplace.{function}({places})", list(given.values())


class Database:
    def __init__(self, pool: asyncpg.Pool):
        self.pool = pool

    @asynccontextmanager
    async def transaction(self, user: str | None = None, role: str = CUSTOMER) -> AsyncIterator[Marketplace]:
        async with self.pool.acquire() as connection, connection.transaction():
            # Local to the transaction, so that a pooler can hand the session to another request afterwards.
            query = "SELECT set_config('role', $1, true), set_config('extensions.user_id', $2, true)"
            await connection.fetch(query, role, user or "")
            yield Marketplace(connection)
