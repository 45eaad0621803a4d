//! The cart to be priced, and the terms that apply to it.

use std::collections::HashMap;

use uuid::Uuid;

use super::billing::BillingType;
use super::catalog::{AddOn, AddOnRef, Bundle, Catalog};
use super::conditions::CartFacts;
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

/// A line of a stored cart.
#[derive(Clone, Copy, Debug)]
pub struct StoredLine {
    /// The add-on.
    pub add_on_id: Uuid,
    /// Units.
    pub quantity: i32,
    /// How it is charged, if not as its add-on says.
    pub billing_type: Option<BillingType>,
}

/// What is priced: at most one line per add-on, in display order.
#[derive(Clone, Debug, Default)]
pub struct Cart {
    /// The lines that can be sold.
    pub lines: Vec<Line>,
    /// Lines that are left out because their add-on is no longer sold.
    pub withdrawn: Vec<Uuid>,
}

impl Cart {
    /// The cart of these lines. Those that are no longer for sale are kept apart.
    pub fn of_stored(lines: &[StoredLine], catalog: &Catalog, unit: Unit) -> Result<Cart, Error> {
        let mut cart = Cart::default();
        for &StoredLine { add_on_id, quantity, billing_type } in lines {
            let units = u32::try_from(quantity).ok().filter(|&units| units > 0);
            let units = units.ok_or(Error::NoQuantity { quantity })?;
            match catalog.find(add_on_id).filter(|&found| catalog.add_on(found).is_active) {
                Some(found) => {
                    cart.lines.push(Line::new(catalog.add_on(found), found, units, billing_type, unit)?);
                }
                None => cart.withdrawn.push(add_on_id),
            }
        }
        Ok(cart)
    }
}

/// How the quantity of an add-on in a cart changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityChange {
    /// Units are added to those in the cart.
    Add,
    /// The quantity is replaced.
    Set,
}

/// An add-on that is to be put into a cart.
#[derive(Clone, Debug)]
pub struct CartCandidate {
    /// The add-on.
    pub add_on_id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether it is for sale.
    pub is_active: bool,
    /// How many units of it the cart holds.
    pub in_cart: i32,
}

impl CartCandidate {
    /// Refuses an add-on that is not for sale, and more units than a cart may hold.
    pub fn check(self, change: QuantityChange, quantity: i32, limit: i32) -> Result<(), Error> {
        let CartCandidate { add_on_id, name, is_active, in_cart } = self;
        if !is_active {
            return Err(Error::AddOnNotForSale { add_on_id, name });
        }
        let held = if change == QuantityChange::Add { in_cart } else { 0 };
        check_limit(add_on_id, i64::from(quantity) + i64::from(held), limit)
    }
}

/// Refuses more units of an add-on than a cart may hold.
pub fn check_limit(add_on_id: Uuid, quantity: i64, limit: i32) -> Result<(), Error> {
    if quantity > i64::from(limit) { Err(Error::QuantityLimit { add_on_id, quantity, limit }) } else { Ok(()) }
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
    pub fn facts<'a>(&'a self, terms: &Terms<'a>) -> CartFacts<'a> {
        CartFacts {
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

#[cfg(test)]
mod tests {
    use super::*;

    const ADD_ON: Uuid = Uuid::from_u128(1);

    fn candidate(in_cart: i32) -> CartCandidate {
        CartCandidate { add_on_id: ADD_ON, name: "Bolt".to_owned(), is_active: true, in_cart }
    }

    #[test]
    fn a_cart_holds_units_up_to_the_limit() {
        let beyond = |quantity| Err(Error::QuantityLimit { add_on_id: ADD_ON, quantity, limit: 100 });
        assert_eq!(candidate(60).check(QuantityChange::Add, 40, 100), Ok(()));
        assert_eq!(candidate(60).check(QuantityChange::Add, 41, 100), beyond(101));
        assert_eq!(candidate(60).check(QuantityChange::Set, 100, 100), Ok(()));
        assert_eq!(candidate(60).check(QuantityChange::Set, 101, 100), beyond(101));
        assert_eq!(candidate(1).check(QuantityChange::Add, i32::MAX, 100), beyond(2_147_483_648));
    }

    #[test]
    fn what_is_not_for_sale_is_not_put_into_a_cart() {
        let withdrawn = CartCandidate { is_active: false, ..candidate(0) };
        let refused = Error::AddOnNotForSale { add_on_id: ADD_ON, name: "Bolt".to_owned() };
        assert_eq!(withdrawn.check(QuantityChange::Add, 1000, 100), Err(refused));
    }

    #[test]
    fn stored_lines_that_nobody_sells_any_more_are_kept_apart() {
        let line = |quantity| StoredLine { add_on_id: ADD_ON, quantity, billing_type: None };
        let cart = Cart::of_stored(&[line(2)], &Catalog::default(), Unit::HUNDREDTH).unwrap();
        assert_eq!((cart.lines.len(), cart.withdrawn), (0, vec![ADD_ON]));
        let none = Cart::of_stored(&[line(0)], &Catalog::default(), Unit::HUNDREDTH);
        assert_eq!(none.unwrap_err(), Error::NoQuantity { quantity: 0 });
    }
}
