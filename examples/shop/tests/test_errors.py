"""The table of HTTP statuses: complete, and as docs/clients.md shows it."""

import re

import asyncpg
import pytest
from shop.errors import STATUS_OF_CODE, STATUS_OF_STATE, status_of

from conftest import SHOP

ROOT = SHOP.parents[1]


def codes_of_the_extension():
    """Each code with its SQLSTATE, as docs/errors.md has them."""
    rows = re.findall(r"^\| (\w{5}) \| (\[.*) \|$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    return {(state, code) for state, codes in rows for code in re.findall(r"`(\w+)`", codes)}


def test_every_code_of_the_extension_has_a_status():
    codes = codes_of_the_extension()
    assert len(codes) >= 40
    assert {code for _, code in codes} == set(STATUS_OF_CODE)
    assert set(STATUS_OF_CODE.values()) <= {400, 403, 404, 409, 413, 422, 503}


def test_the_documentation_has_the_same_table():
    text = (ROOT / "docs/clients.md").read_text()
    rows = re.findall(r"^\| (\w{5}) \| `(\w+)` \| (\d{3}) \|$", text, re.MULTILINE)
    assert {(state, code) for state, code, _ in rows} == codes_of_the_extension()
    assert {code: int(status) for _, code, status in rows} == STATUS_OF_CODE
    rows = re.findall(r"^\| (\w{2,5}) \| \| (\d{3}) \|", text, re.MULTILINE)
    assert {state: int(status) for state, status in rows} == STATUS_OF_STATE


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (asyncpg.UniqueViolationError, 409),
        (asyncpg.InvalidTextRepresentationError, 400),
        (asyncpg.DeadlockDetectedError, 503),
        (asyncpg.LockNotAvailableError, 503),
        (asyncpg.QueryCanceledError, 503),
        (asyncpg.TooManyConnectionsError, 503),
        (asyncpg.InsufficientPrivilegeError, 403),
        (asyncpg.InternalServerError, 500),
        (asyncpg.UndefinedFunctionError, 500),
    ],
)
def test_errors_of_postgresql(error, status):
    assert status_of(error("message")) == status
