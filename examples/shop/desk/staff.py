"""Who is at the desk: somebody with the key of an access level, who works in the database role of that level."""

import hmac
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, AsyncIterator

import asyncpg
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from shop.database import Marketplace
from shop.face import go

from .page import templates

router = APIRouter()

#: The access levels of the extension that the desk is for; the database roles are desk_support, desk_billing and desk_admin.
LEVELS = ("support", "billing", "admin")
SHIFT = 8 * 60 * 60

# The functions that the role may call, and its rights on tables and views: "UPDATE add_ons".
PRIVILEGES = """
    SELECT proname::text FROM pg_proc
     WHERE pronamespace = 'marketplace'::regnamespace AND has_function_privilege(oid, 'EXECUTE')
     UNION
    SELECT privilege || ' ' || relname FROM pg_class CROSS JOIN unnest('{SELECT,INSERT,UPDATE}'::text[]) privilege
     WHERE relnamespace = 'marketplace'::regnamespace AND relkind IN ('r', 'v') AND has_table_privilege(oid, privilege)
"""


class NotSignedIn(Exception):
    """Nobody is signed in at the desk, or the session has expired."""


@dataclass(frozen=True)
class Staff:
    name: str
    level: str

    @property
    def role(self) -> str:
        return f"desk_{self.level}"


class Desk(Marketplace):
    """The functions of the extension, as the role of one level may call them."""

    def __init__(self, connection: asyncpg.Connection, staff: Staff, may: frozenset[str]):
        super().__init__(connection)
        self.staff = staff
        #: What the database lets this role do. Pages offer nothing else.
        self.may = may


def on_duty(request: Request) -> Staff:
    signed_in = request.session.get("desk")
    if not signed_in or signed_in["until"] < time.time():
        raise NotSignedIn
    return Staff(signed_in["name"], signed_in["level"])


@asynccontextmanager
async def at_desk(request: Request) -> AsyncIterator[Desk]:
    """One transaction in the role of whoever is at the desk."""
    staff = on_duty(request)
    async with request.app.state.desk.transaction(role=staff.role) as marketplace:
        may = await marketplace.connection.fetch(PRIVILEGES)
        yield Desk(marketplace.connection, staff, frozenset(row["proname"] for row in may))


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    return templates.TemplateResponse(request, "sign_in.html", {"notice": request.session.pop("notice", None)})


@router.post("/sign-in")
async def sign_in(request: Request, name: Annotated[str, Form()], key: Annotated[str, Form()]) -> Response:
    """The key says the level. Put your identity provider here: all that the desk needs is a name and a level."""
    keys = request.app.state.settings.desk_keys
    levels = [level for level, expected in keys.items() if hmac.compare_digest(expected.encode(), key.encode())]
    name = name.strip()
    if not levels or not 0 < len(name) <= 100:
        return templates.TemplateResponse(request, "sign_in.html", {"mistake": "The name or the key is wrong."}, status_code=403)
    request.session["desk"] = {"name": name, "level": levels[0], "until": int(time.time()) + SHIFT}
    return go(request, "/desk")


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    request.session.pop("desk", None)
    return go(request, "/desk/sign-in")
