//! The cart to be priced, and the terms that apply to it.

use std::collections::HashMap;

use uuid::Uuid;

use super::billing::BillingType;
use super::catalog::{AddOn, AddOnRef, Bundle, Catalog};
use super::conditions::Facts;
use super::money::{Money, Unit};
use super::promotions::{PromoRequest, Redeemer};
use super::time::Instant;
use crate::error::Error;

/// A line to price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The add-on.
    pub add_on: AddOnRef,
    /// Units, at least one.
    pub quantity: u32,
    /// How it is charged.
    pub billing_type: BillingType,
    /// `base_price × quantity`
    pub list_amount: Money,
}

impl Line {
    /// A line with a quantity of the add-on at a position in the catalog, charged by the add-on's own billing type
    /// unless another one is given.
    pub fn new(
        AddOn { name, base_price, billing_type, .. }: &AddOn,
        add_on: AddOnRef,
        quantity: u32,
        charged: Option<BillingType>,
        unit: Unit,
    ) -> Result<Line, Error> {
        if !unit.divides(*base_price) {
            return Err(Error::PriceNotChargeable { name: name.clone(), unit_price: *base_price, unit });
        }
        let list_amount = base_price.times(quantity).ok_or_else(|| Error::AmountOutOfRange {
            name: name.clone(),
            unit_price: *base_price,
            quantity,
        })?;
        Ok(Line { add_on, quantity, billing_type: charged.unwrap_or(*billing_type), list_amount })
    }
}

/// What is priced: at most one line per add-on, in display order.
#[derive(Clone, Debug, Default)]
pub struct Cart {
    /// The lines that can be sold.
    pub lines: Vec<Line>,
    /// Lines that are left out because their add-on is no longer sold.
    pub withdrawn: Vec<Uuid>,
}

/// The facts about a cart that conditions of pricing rules test: list prices, before any discount.
#[derive(Clone, Debug)]
pub struct ListCart {
    subtotal: Money,
    /// In id order.
    add_on_ids: Vec<Uuid>,
}

impl ListCart {
    /// The list cart of these lines.
    pub fn of(catalog: &Catalog, lines: &[Line]) -> ListCart {
        let mut add_on_ids: Vec<Uuid> = lines.iter().map(|line| catalog.add_on(line.add_on).id).collect();
        add_on_ids.sort_unstable();
        ListCart { subtotal: lines.iter().map(|line| line.list_amount).sum(), add_on_ids }
    }

    /// The facts for conditions if the cart is this user's.
    pub fn facts<'a>(&'a self, terms: &Terms<'a>) -> Facts<'a> {
        Facts {
            subtotal: self.subtotal,
            in_cart: &self.add_on_ids,
            owned: terms.owned,
            is_first_purchase: terms.is_first_purchase(),
        }
    }
}

/// Everything besides the cart and the catalog that a price depends on.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The instant of all decisions.
    pub at: Instant,
    /// The user, if one is known.
    pub user_id: Option<&'a str>,
    /// The user's tier, if one was given.
    pub tier_code: Option<&'a str>,
    /// The add-ons that the user actively owns at `at`, in id order.
    pub owned: &'a [Uuid],
    /// Whether the user has an earlier purchase (semantics 4).
    pub has_purchased: bool,
    /// How many more instances of each bundle with limited uses are available; none if it is not listed.
    pub bundle_uses_left: &'a HashMap<Uuid, u32>,
    /// The promotional code, if one was given.
    pub promo: Option<&'a PromoRequest>,
    /// The smallest amount that can be charged.
    pub unit: Unit,
    /// The number of live redemptions of the code by the user, if the code has a limit per user.
    pub promo_uses: u32,
    /// Called regularly during long searches; it may unwind to end them.
    pub check_interrupts: fn(),
}

impl<'a> Terms<'a> {
    /// The terms for an unknown user at an instant, in a currency with cents.
    pub fn of_nobody(at: Instant, bundle_uses_left: &'a HashMap<Uuid, u32>) -> Terms<'a> {
        Terms {
            at,
            user_id: None,
            tier_code: None,
            owned: &[],
            has_purchased: false,
            bundle_uses_left,
            promo: None,
            unit: Unit::HUNDREDTH,
            promo_uses: 0,
            check_interrupts: || {},
        }
    }

    /// How many more instances a bundle can have.
    pub fn uses_left(&self, bundle: &Bundle) -> u32 {
        if bundle.is_limited { self.bundle_uses_left.get(&bundle.id).copied().unwrap_or(0) } else { u32::MAX }
    }

    /// Whether the user is known and has no earlier purchase.
    pub fn is_first_purchase(&self) -> bool {
        self.user_id.is_some() && !self.has_purchased
    }

    /// The terms as promotional codes see them.
    pub fn redeemer(&self) -> Redeemer<'a> {
        let is_first_purchase = self.is_first_purchase();
        let (user_id, tier_code, uses) = (self.user_id, self.tier_code, self.promo_uses);
        Redeemer { user_id, tier_code, is_first_purchase, uses, at: self.at }
    }
}
