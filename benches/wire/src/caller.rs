//! The same work by calls of the extension's functions, over the same wire.

use anyhow::Result;
use serde_json::Value;
use tokio_postgres::Statement;
use uuid::Uuid;

use crate::application::Buyer;
use crate::wire::Wire;

/// A client that calls the extension.
pub struct Caller {
    /// Its connection.
    pub wire: Wire,
    price_cart: Statement,
    checkout: Statement,
    complete_checkout: Statement,
}

impl Caller {
    /// Prepares the calls.
    pub async fn new(wire: Wire) -> Result<Caller> {
        let price_cart = wire.prepare("SELECT price_cart($1, $2, $3)").await?;
        let checkout = "SELECT checkout_id FROM checkout($1, $2, $3, allow_mixed_billing => true)";
        let checkout = wire.prepare(checkout).await?;
        let complete_checkout = wire.prepare("SELECT * FROM complete_checkout($1, $2)").await?;
        Ok(Caller { wire, price_cart, checkout, complete_checkout })
    }

    /// Prices a cart.
    pub async fn price(&self, buyer: Buyer<'_>) -> Result<Value> {
        let Buyer { user_id, tier_code, promo_code } = buyer;
        Ok(self.wire.rows(&self.price_cart, &[&user_id, &tier_code, &promo_code]).await?[0].get(0))
    }

    /// Sells a cart.
    pub async fn check_out(&self, buyer: Buyer<'_>) -> Result<Uuid> {
        let Buyer { user_id, tier_code, promo_code } = buyer;
        Ok(self.wire.rows(&self.checkout, &[&user_id, &tier_code, &promo_code]).await?[0].get(0))
    }

    /// Records that a checkout was paid.
    pub async fn complete(&self, checkout_id: Uuid, payment_id: &str) -> Result<()> {
        self.wire.rows(&self.complete_checkout, &[&checkout_id, &payment_id]).await.map(drop)
    }
}
