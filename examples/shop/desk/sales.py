"""Sales at a glance: the extension's views, drawn."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fastapi import APIRouter, Request
from starlette.responses import Response

from shop.face import money

from . import charts
from .charts import Bar
from .page import page
from .staff import at_desk

router = APIRouter()

DAYS = 30
BY_DAY = "SELECT day, purchases, gross, refunded, net FROM marketplace.revenue_by_day WHERE currency = $1 AND day > $2 ORDER BY day"
BY_ADD_ON = "SELECT name, purchases, units, gross, refunded, net FROM marketplace.revenue_by_add_on WHERE currency = $1 ORDER BY net DESC, name LIMIT 12"
BY_CODE = "SELECT code, paid_checkouts, users, discount, net FROM marketplace.promo_code_performance WHERE paid_checkouts > 0 ORDER BY net DESC, code LIMIT 12"
CONVERSION = "SELECT sum(paid_checkouts) AS paid, sum(checkouts) AS checkouts FROM marketplace.cart_conversion WHERE day > $1"


@router.get("/sales")
async def sales(request: Request) -> Response:
    today = datetime.now(UTC).date()
    since = today - timedelta(days=DAYS)
    async with at_desk(request) as desk:
        currency = await desk.currency()
        by_day = await desk.connection.fetch(BY_DAY, currency, since)
        by_add_on = await desk.connection.fetch(BY_ADD_ON, currency)
        codes = await desk.connection.fetch(BY_CODE)
        conversion = await desk.connection.fetchrow(CONVERSION, since)
        renewals = [row["amount"] for row in await desk.rows("upcoming_renewals") if row["currency"] == currency]
        net = {row["day"]: row["net"] for row in by_day}
        days = [since + timedelta(days=passed + 1) for passed in range(DAYS)]
        bars = [Bar(f"{day:%-d %b}", net.get(day, Decimal(0)), money(net.get(day, 0), currency)) for day in days]
        context = {
            "currency": currency,
            "figures": {
                f"taken in {DAYS} days, after refunds": money(sum(net.values()), currency),
                "purchases paid": f"{sum(row['purchases'] for row in by_day):,}",
                "of the checkouts were paid": f"{100 * (conversion['paid'] or 0) // (conversion['checkouts'] or 1)} %",
                f"to come from {len(renewals)} renewals within a month": money(sum(renewals), currency),
            },
            "days": charts.columns(f"Net revenue by day, the last {DAYS} days, in {currency}", bars),
            "add_ons": charts.rows(
                f"Net revenue by add-on, in {currency}", [Bar(row["name"], row["net"], money(row["net"], currency)) for row in by_add_on]
            ),
            "by_day": by_day, "by_add_on": by_add_on, "codes": codes,
        }  # fmt: skip
        return page(request, desk, "sales.html", **context)
