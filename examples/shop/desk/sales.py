"""Sales at a glance: the extension's views, drawn."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Mapping, Sequence

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from shop.face import money

from . import charts
from .charts import Bar
from .page import page
from .staff import at_desk

router = APIRouter()

DAYS = 30
BY_DAY = "SELECT day, purchases, gross, refunded, net FROM marketplace.revenue_by_day WHERE currency = $1 AND day > $2 ORDER BY day"
BY_ADD_ON = """
    SELECT name, purchases, units, gross, refunded, net FROM marketplace.revenue_by_add_on
     WHERE currency = $1 ORDER BY net DESC, name LIMIT 12
"""
BY_MONTH = "SELECT * FROM marketplace.recurring_revenue WHERE currency = $1 AND month > now() - interval '1 year' ORDER BY month"
BY_CODE = """
    SELECT code, paid_checkouts, users, discount, net FROM marketplace.promo_code_performance
     WHERE paid_checkouts > 0 ORDER BY net DESC, code LIMIT 12
"""
CONVERSION = "SELECT sum(paid_checkouts) AS paid, sum(checkouts) AS checkouts FROM marketplace.cart_conversion WHERE day > $1"


@router.get("/sales")
async def sales(request: Request) -> Response:
    since = datetime.now(UTC).date() - timedelta(days=DAYS)
    async with at_desk(request) as desk:
        currency = await desk.currency()
        by_day = await desk.connection.fetch(BY_DAY, currency, since)
        by_add_on = await desk.connection.fetch(BY_ADD_ON, currency)
        by_month = await desk.connection.fetch(BY_MONTH, currency) if "SELECT recurring_revenue" in desk.may else []
        codes = await desk.connection.fetch(BY_CODE) if "SELECT promo_code_performance" in desk.may else []
        conversion = await desk.connection.fetchrow(CONVERSION, since) if "SELECT cart_conversion" in desk.may else None
        renewals = [row["amount"] for row in await desk.rows("upcoming_renewals") if row["currency"] == currency]
        figures = {
            f"taken in {DAYS} days, after refunds": money(sum(row["net"] for row in by_day), currency),
            "purchases paid": f"{sum(row['purchases'] for row in by_day):,}",
            f"to come from {len(renewals)} renewals within a month": money(sum(renewals), currency),
        }
        if conversion and conversion["checkouts"]:
            figures["of the checkouts were paid"] = f"{100 * conversion['paid'] // conversion['checkouts']} %"
        drawn = {"days": days(by_day, since, currency), "add_ons": add_ons(by_add_on, currency), "months": months(by_month, currency)}
        context = {"by_day": by_day, "by_add_on": by_add_on, "by_month": by_month, "codes": codes}
        return page(request, desk, "sales.html", currency=currency, figures=figures, **drawn, **context)


def days(rows: Sequence[Mapping[str, Any]], since: date, currency: str) -> Markup:
    net = {row["day"]: row["net"] for row in rows}
    every = [since + timedelta(days=passed + 1) for passed in range(DAYS)]
    bars = [Bar(f"{day:%-d %b}", net.get(day, Decimal(0)), money(net.get(day, 0), currency)) for day in every]
    return charts.columns(f"Net revenue by day, the last {DAYS} days, in {currency}", bars)


def add_ons(rows: Sequence[Mapping[str, Any]], currency: str) -> Markup:
    return charts.rows(f"Net revenue by add-on, in {currency}", [Bar(row["name"], row["net"], money(row["net"], currency)) for row in rows])


def months(rows: Sequence[Mapping[str, Any]], currency: str) -> Markup:
    bars = [Bar(f"{row['month']:%b %Y}", row["mrr"], money(row["mrr"], currency)) for row in rows]
    return charts.columns(f"Monthly recurring revenue, in {currency}", bars)
