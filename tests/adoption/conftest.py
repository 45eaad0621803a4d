"""A server is running and the libpq environment variables say where; its database was taken over as docs/migrating.md says."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"
