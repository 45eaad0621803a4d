//! What is for sale and on which terms: add-ons, pricing rules and bundles, arranged for pricing.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use uuid::Uuid;

use super::billing::BillingType;
use super::conditions::Conditions;
use super::json::Malformed;
use super::money::{Discount, Money};
use super::time::Window;
use crate::error::Error;

/// The position of an add-on in a [`Catalog`]. Positions are in id order, so comparing two compares the ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddOnRef(u32);

impl AddOnRef {
    /// The first position, the only one in a catalog of one add-on.
    pub const FIRST: AddOnRef = AddOnRef(0);
}

/// An add-on, as far as prices depend on it.
#[derive(Clone, Debug)]
pub struct AddOn {
    /// `add_ons.id`
    pub id: Uuid,
    /// `add_ons.name`
    pub name: String,
    /// The list price of one unit.
    pub base_price: Money,
    /// How it is charged unless the cart row says otherwise.
    pub billing_type: BillingType,
    /// Whether it is still sold.
    pub is_active: bool,
}

/// A row of `pricing_rules`.
#[derive(Clone, Debug, PartialEq)]
pub struct PricingRule {
    /// `pricing_rules.id`
    pub id: Uuid,
    /// The add-on whose lines it discounts.
    pub add_on_id: Uuid,
    /// The tier it is for; `None` means any tier or none.
    pub tier_code: Option<String>,
    /// The discount; the amount is per unit.
    pub discount: Discount,
    /// The conditions. If the stored document cannot be read, the reason; the rule then never applies.
    pub conditions: Result<Conditions, Malformed>,
    /// The highest applicable priority wins.
    pub priority: i32,
    /// Whether it is switched on.
    pub is_active: bool,
    /// When it applies.
    pub window: Window,
}

impl PricingRule {
    /// Whether it combines with other stackable rules.
    pub fn is_stackable(&self) -> bool {
        self.conditions.as_ref().is_ok_and(|conditions| conditions.stackable)
    }

    /// About how many bytes of memory it takes.
    pub fn size(&self) -> usize {
        let conditions = match &self.conditions {
            Ok(conditions) => {
                let add_ons = conditions.requires_addon.len() + conditions.excludes_addon.len();
                add_ons * size_of::<Uuid>() + conditions.billing_type.as_ref().map_or(0, Vec::len)
            }
            Err(Malformed(why)) => why.len(),
        };
        size_of::<PricingRule>() + self.tier_code.as_ref().map_or(0, String::len) + conditions
    }
}

/// A row of `add_on_bundles`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// `add_on_bundles.id`
    pub id: Uuid,
    /// `add_on_bundles.name`
    pub name: String,
    /// One unit of each of these makes an instance; in id order.
    pub add_on_ids: Vec<Uuid>,
    /// The discount; the amount is per instance.
    pub discount: Discount,
    /// Whether it is switched on.
    pub is_active: bool,
    /// When it applies.
    pub window: Window,
    /// Whether the number of instances is limited; the terms hold how many are left.
    pub is_limited: bool,
}

impl Bundle {
    /// About how many bytes of memory it takes.
    pub fn size(&self) -> usize {
        size_of::<Bundle>() + self.name.len() + self.add_on_ids.len() * size_of::<Uuid>()
    }
}

/// An add-on with everything that is looked up by it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The add-on.
    pub add_on: AddOn,
    /// Its pricing rules, by falling priority, then by id.
    rules: Vec<PricingRule>,
    has_conditions_on_users: bool,
    /// The bundles whose smallest add-on id is this one, by id. Each bundle is registered under one add-on only.
    bundles: Vec<Rc<Bundle>>,
}

impl Offer {
    /// An add-on with its rules and with the bundles of which it has the smallest id, in any order.
    pub fn new(add_on: AddOn, mut rules: Vec<PricingRule>, mut bundles: Vec<Rc<Bundle>>) -> Offer {
        rules.sort_unstable_by_key(|rule| (Reverse(rule.priority), rule.id));
        bundles.sort_unstable_by_key(|bundle| bundle.id);
        let has_conditions_on_users = rules.iter().flat_map(|rule| &rule.conditions).any(Conditions::look_at_users);
        Offer { add_on, rules, has_conditions_on_users, bundles }
    }

    /// The add-on, or an error when it is no longer sold.
    pub fn for_sale(&self) -> Result<&AddOn, Error> {
        let AddOn { id, name, is_active, .. } = &self.add_on;
        if *is_active { Ok(&self.add_on) } else { Err(Error::AddOnNotForSale { add_on_id: *id, name: name.clone() }) }
    }

    /// Its pricing rules, by falling priority, then by id.
    pub fn rules(&self) -> &[PricingRule] {
        &self.rules
    }

    /// Whether some rule tests the user's history.
    pub fn has_conditions_on_users(&self) -> bool {
        self.has_conditions_on_users
    }

    /// The bundles of which it has the smallest id, by id.
    pub fn bundles(&self) -> &[Rc<Bundle>] {
        &self.bundles
    }

    /// About how many bytes of memory it takes.
    pub fn size(&self) -> usize {
        let rules: usize = self.rules.iter().map(PricingRule::size).sum();
        let bundles: usize = self.bundles.iter().map(|bundle| size_of::<Rc<Bundle>>() + bundle.size()).sum();
        size_of::<Offer>() + self.add_on.name.len() + rules + bundles
    }
}

/// The offers that a price can depend on, in id order.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    offers: Vec<Rc<Offer>>,
    /// The ids of the offers side by side, as numbers in the same order, because every line of every cart is looked
    /// up here.
    ids: Vec<u128>,
    /// Bundles whose first add-on is not offered. They never apply, and are kept only for explanations.
    orphan_bundles: Vec<Rc<Bundle>>,
}

impl Catalog {
    /// A catalog of these offers, in any order.
    pub fn of(mut offers: Vec<Rc<Offer>>) -> Catalog {
        offers.sort_unstable_by_key(|offer| offer.add_on.id);
        offers.dedup_by_key(|offer| offer.add_on.id);
        let ids = offers.iter().map(|offer| offer.add_on.id.as_u128()).collect();
        Catalog { offers, ids, orphan_bundles: Vec::new() }
    }

    /// Arranges rows, which may come in any order. Rules of add-ons that are not given are dropped.
    pub fn new(add_ons: Vec<AddOn>, rules: Vec<PricingRule>, bundles: Vec<Bundle>) -> Catalog {
        let mut rules_of: BTreeMap<Uuid, Vec<PricingRule>> = BTreeMap::new();
        for rule in rules {
            rules_of.entry(rule.add_on_id).or_default().push(rule);
        }
        let mut led_by: BTreeMap<Option<Uuid>, Vec<Rc<Bundle>>> = BTreeMap::new();
        for bundle in bundles {
            led_by.entry(bundle.add_on_ids.first().copied()).or_default().push(Rc::new(bundle));
        }
        let offer = |add_on: AddOn| {
            let rules = rules_of.remove(&add_on.id).unwrap_or_default();
            let bundles = led_by.remove(&Some(add_on.id)).unwrap_or_default();
            Rc::new(Offer::new(add_on, rules, bundles))
        };
        let catalog = Catalog::of(add_ons.into_iter().map(offer).collect());
        Catalog { orphan_bundles: led_by.into_values().flatten().collect(), ..catalog }
    }

    /// Its offers, in id order.
    pub fn into_offers(self) -> Vec<Rc<Offer>> {
        self.offers
    }

    /// The position of an add-on.
    pub fn find(&self, id: Uuid) -> Option<AddOnRef> {
        self.ids.binary_search(&id.as_u128()).ok().map(|position| AddOnRef(position as u32))
    }

    /// The offer at a position.
    pub fn offer(&self, add_on: AddOnRef) -> &Offer {
        &self.offers[add_on.0 as usize]
    }

    /// The add-on at a position.
    pub fn add_on(&self, add_on: AddOnRef) -> &AddOn {
        &self.offer(add_on).add_on
    }

    /// Every bundle, in id order.
    pub fn bundles(&self) -> Vec<&Rc<Bundle>> {
        let led = self.offers.iter().flat_map(|offer| &offer.bundles);
        let mut bundles: Vec<&Rc<Bundle>> = led.chain(&self.orphan_bundles).collect();
        bundles.sort_unstable_by_key(|bundle| bundle.id);
        bundles
    }
}
