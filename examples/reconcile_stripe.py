#!/usr/bin/env python3
"""Fetches from Stripe's API what its webhooks may have failed to tell, and hands it to the marketplace.

    STRIPE_KEY=sk_... python3 reconcile_stripe.py --days 3 --schema marketplace

Needs Python's standard library and psql, which finds the server as always (PGHOST, PGDATABASE, ...). The role needs the access level
billing. What the marketplace knows already changes nothing, so that it can run as often as one likes, and go back as far.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

# Every kind of object that shows moved money or a continuing subscription, in any order. Events also report changes
# of older objects, but the API keeps them for only 30 days.
RESOURCES = [
    "events",
    "checkout/sessions",
    "payment_intents",
    "charges",
    "refunds",
    "disputes",
    "subscriptions",
    "invoices",
    "invoice_payments",
]
# Versions of the API before 2025-03-31 have none; there an invoice names its payment itself.
MAY_BE_MISSING = {"invoice_payments"}
# By default, the API leaves out those that have ended.
MORE = {"subscriptions": {"status": "all"}}
# Only newer versions of the API can filter these by age.
CANNOT_SAY_SINCE = {"invoice_payments"}


class Stripe:
    def __init__(self, base_url: str, key: str):
        self.base_url = base_url.rstrip("/")
        self.key = key

    def get(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.base_url}/v1/{path}?{urllib.parse.urlencode(query)}", headers={"Authorization": f"Bearer {self.key}"}
        )
        for wait in (1, 2, 4, 8, None):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                # Too many requests, or a failure at the provider: worth another attempt.
                if wait is None or (error.code != 429 and error.code < 500):
                    raise
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def pages(self, resource: str, since: int) -> Iterator[list[dict[str, Any]]]:
        """The objects made since then, newest first, a hundred at a time."""
        query = {"limit": 100, **MORE.get(resource, {})}
        if resource not in CANNOT_SAY_SINCE:
            query["created[gte]"] = since
        while True:
            try:
                page = self.get(resource, query)
            except urllib.error.HTTPError as error:
                if error.code == 404 and resource in MAY_BE_MISSING:
                    return
                raise SystemExit(f"{resource}: the provider answers {error.code}: {error.read().decode(errors='replace')}") from error
            recent = [found for found in page["data"] if found["created"] >= since]
            if recent:
                yield recent
            if not page.get("has_more") or not recent:
                return
            query["starting_after"] = page["data"][-1]["id"]


def copied(objects: list[dict[str, Any]]) -> str:
    """A line of COPY's text format. JSON has no line breaks or tabs of its own, only their escapes."""
    return json.dumps(objects).replace("\\", "\\\\")


class Marketplace:
    """Speaks through psql, in a transaction for each page: nobody waits long for the locks."""

    def __init__(self, schema: str):
        self.schema = '"' + schema.replace('"', '""') + '"'

    def reconcile(self, objects: list[dict[str, Any]]) -> str:
        script = f"""\\set ON_ERROR_STOP on
BEGIN;
CREATE TEMPORARY TABLE fetched (objects jsonb) ON COMMIT DROP;
COPY fetched FROM STDIN;
{copied(objects)}
\\.
SELECT told.* FROM fetched, {self.schema}.reconcile_stripe(fetched.objects) told WHERE told.changed;
COMMIT;
"""
        command = ["psql", "-X", "-q", "-A", "-t", "-F", "\t"]
        done = subprocess.run(command, input=script, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        if done.returncode:
            raise SystemExit(done.returncode)
        return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=3, help="how far to go back (default: %(default)s)")
    parser.add_argument("--schema", default="public", help="where the extension is installed (default: %(default)s)")
    parser.add_argument("--api", default="https://api.stripe.com", help="another address of the API")
    given = parser.parse_args()
    if not (key := os.environ.get("STRIPE_KEY")):
        raise SystemExit("set STRIPE_KEY in the environment: a restricted key that may read is enough")
    stripe, marketplace = Stripe(given.api, key), Marketplace(given.schema)
    since = int(time.time() - given.days * 86_400)
    for resource in RESOURCES:
        for page in stripe.pages(resource, since):
            sys.stdout.write(marketplace.reconcile(page))


if __name__ == "__main__":
    main()
