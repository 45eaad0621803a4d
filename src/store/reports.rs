//! Reports about many users: upcoming renewals, payments that were not applied, and revenue.

use uuid::Uuid;

use crate::error::Error;
use crate::pg::statement::Statement;
use crate::{is_paid, params};
use engine::money::Money;
use engine::time::Instant;

type UnsettledColumns =
    (Option<String>, Option<String>, Uuid, String, Option<i64>, Option<String>, Option<String>, Option<Instant>);

static UNSETTLED: Statement<UnsettledColumns> = Statement::new(
    "SELECT u.payment_id, u.provider, COALESCE(p.checkout_id, p.id), p.user_id, (u.amount * 100)::bigint, u.currency, u.reason,
            u.received_at
       FROM @extschema@.add_on_purchases p
      CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset((p.facts -> 'unsettled'))
                      u (payment_id text, provider text, amount numeric, currency text, reason text, received_at pg_catalog.timestamptz)
      WHERE p.facts ? 'unsettled'
      ORDER BY u.received_at, u.payment_id",
);

static UPCOMING: Statement<(String, Uuid, Instant, i64, String, Option<String>)> = Statement::new(
    "SELECT u.user_id, u.add_on_id, u.expires_at, (u.renewal_amount * 100)::bigint, last.currency,
            CASE WHEN ((u.sources -> 'priced_by') ->> 'price') = 'reduced' THEN last.promo_code END
       FROM @extschema@.user_add_ons u
       JOIN @extschema@.add_on_purchases last
         ON last.id = ((u.sources -> 'priced_by') ->> 'purchase')::pg_catalog.uuid AND last.user_id = u.user_id
      WHERE ($1 IS NULL OR u.user_id = $1)
        AND u.status = 'active' AND u.auto_renew AND u.renewal_amount IS NOT NULL
        AND u.expires_at >= pg_catalog.now() AND u.expires_at <= $2
      ORDER BY u.expires_at, u.user_id, u.add_on_id",
);

/// A payment that pays for nothing.
#[derive(Debug)]
pub struct UnsettledPayment {
    pub id: Option<String>,
    pub provider: Option<String>,
    pub checkout_id: Uuid,
    pub user_id: String,
    pub amount: Option<Money>,
    pub currency: Option<String>,
    pub reason: Option<String>,
    pub received_at: Option<Instant>,
}

/// Passes on every payment that was not applied, the earliest first.
pub fn unsettled(mut each: impl FnMut(UnsettledPayment)) -> Result<(), Error> {
    UNSETTLED.read(params![], |(id, provider, checkout_id, user_id, cents, currency, reason, received_at)| {
        let amount = cents.map(Money::from_cents);
        each(UnsettledPayment { id, provider, checkout_id, user_id, amount, currency, reason, received_at });
        Ok(())
    })
}

/// What is renewed next.
#[derive(Debug)]
pub struct UpcomingRenewal {
    pub user_id: String,
    pub add_on_id: Uuid,
    pub due_at: Instant,
    pub amount: Money,
    pub currency: String,
    pub promo_code: Option<String>,
}

/// Passes on the renewals until an instant, of one user or of all, the next one first.
pub fn upcoming_renewals(
    user_id: Option<&str>,
    until: Instant,
    mut each: impl FnMut(UpcomingRenewal),
) -> Result<(), Error> {
    UPCOMING.read(params![user_id, until], |(user_id, add_on_id, due_at, cents, currency, promo_code)| {
        let amount = Money::from_cents(cents);
        each(UpcomingRenewal { user_id, add_on_id, due_at, amount, currency, promo_code });
        Ok(())
    })
}

/// The revenue of an add-on in one currency.
#[derive(Debug)]
pub struct Revenue {
    pub add_on_id: Uuid,
    pub name: String,
    pub category: String,
    pub currency: String,
    pub purchases: i64,
    pub units: i64,
    pub gross: Money,
    pub refunded: Money,
}

/// The columns of an add-on's revenue, in its order, amounts in cents.
type RevenueColumns = (Uuid, String, String, String, i64, i64, i64, i64);

/// Purchases count as in the view revenue_by_add_on.
static REVENUE: Statement<RevenueColumns> = Statement::new(concat!(
    "SELECT a.id, a.name, a.category, p.currency, pg_catalog.count(*), pg_catalog.sum(p.quantity),
            (pg_catalog.sum(p.amount) * 100)::bigint, (pg_catalog.sum(p.refund_amount) * 100)::bigint
       FROM @extschema@.add_on_purchases p
       JOIN @extschema@.add_ons a ON a.id = p.add_on_id
      WHERE ",
    is_paid!(),
    " AND p.purchased_at >= COALESCE($1, '-infinity') AND p.purchased_at < COALESCE($2, 'infinity')
      GROUP BY a.id, a.name, a.category, p.currency
      ORDER BY pg_catalog.sum((p.amount - p.refund_amount)) DESC, a.name, p.currency",
));

/// Passes on the revenue of a period by add-on and currency, the largest first.
pub fn revenue(since: Option<Instant>, until: Option<Instant>, mut each: impl FnMut(Revenue)) -> Result<(), Error> {
    REVENUE.read(params![since, until], |(add_on_id, name, category, currency, purchases, units, gross, refunded)| {
        let (gross, refunded) = (Money::from_cents(gross), Money::from_cents(refunded));
        each(Revenue { add_on_id, name, category, currency, purchases, units, gross, refunded });
        Ok(())
    })
}
