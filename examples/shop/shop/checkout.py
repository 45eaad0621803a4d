"""From a cart to a page on which to pay, and back to the cart if it is not paid."""

import json
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4


CODE = "SELECT min(promo_code) FROM marketplace.add_on_purchases WHERE checkout_id = $1"


@dataclass(frozen=True)
class Started:
    checkout_id: UUID
    #: Where to pay; None where there was nothing to pay.
    pay_at: str | None


async def start(
    state, user: str, tier: str | None, promo_code: str | None, expected_total: Decimal | None, idempotency_key: str | None
) -> Started:
    """Sells the cart, then opens a payment session, with no transaction open meanwhile. If the provider fails, the request can be
    repeated with its idempotency key: the database answers with the same checkout, and the provider with the same session."""
    async with state.database.transaction(user) as marketplace:
        rows = await marketplace.rows(
            "checkout", user_id=user, tier_code=tier, promo_code=promo_code or None, expected_total=expected_total,
            idempotency_key=idempotency_key or str(uuid4()),
        )  # fmt: skip
        checkout_id = rows[0]["checkout_id"]
        if all(row["status"] == "completed" for row in rows):
            return Started(checkout_id, None)
        order = f"{state.payments.public_url}/checkout/{checkout_id}"
        parameters = await marketplace.value("stripe_checkout", checkout_id=checkout_id, success_url=order, cancel_url=order)
    session = await state.payments.open(str(checkout_id), json.loads(parameters))
    async with state.database.transaction(user) as marketplace:
        await marketplace.connection.execute(
            """INSERT INTO shop.payment_pages (checkout_id, session, pay_at) VALUES ($1, $2, $3)
               ON CONFLICT (checkout_id) DO UPDATE SET session = excluded.session, pay_at = excluded.pay_at""",
            checkout_id,
            session.id,
            session.url,
        )
    return Started(checkout_id, session.url)


async def give_up(state, user: str, checkout_id: UUID) -> str | None:
    """Makes sure that the checkout will not be paid, puts its lines back into the cart, and returns its code."""
    async with state.database.transaction(user) as marketplace:
        # Only orders of this user: the id of another user's checkout finds nothing.
        query = """SELECT page.session FROM shop.payment_pages page
                    WHERE page.checkout_id = $1 AND EXISTS (SELECT FROM marketplace.add_on_purchases p
                                                             WHERE p.checkout_id = $1 AND p.status <> 'failed')"""
        session = await marketplace.connection.fetchval(query, checkout_id)
        code = await marketplace.connection.fetchval(CODE, checkout_id)
    if session:
        await state.payments.expire(session)
    async with state.database.transaction(user) as marketplace:
        await marketplace.value("fail_checkout", checkout_id=checkout_id, reason="given up by the shopper", restore_cart=True)
    return code
