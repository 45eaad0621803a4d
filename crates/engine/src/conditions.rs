//! The conditions of a pricing rule: reading them and testing them (semantics 2, "Conditions of a pricing rule").

use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::billing::BillingType;
use super::json::{Entry, Malformed, entries, unknown_key};
use super::money::Money;

/// A rule's conditions. All of them must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The line has at least this many units.
    pub min_quantity: Option<u32>,
    /// The line has at most this many units.
    pub max_quantity: Option<u32>,
    /// The cart's list subtotal is at least this.
    pub min_subtotal: Option<Decimal>,
    /// Each is in the cart or owned; in id order.
    pub requires_addon: Vec<Uuid>,
    /// None is in the cart or owned; in id order.
    pub excludes_addon: Vec<Uuid>,
    /// The line is charged in one of these ways.
    pub billing_type: Option<Vec<BillingType>>,
    /// The user is known and has no earlier purchase.
    pub first_purchase_only: bool,
    /// Not a condition: the rule combines with other stackable ones.
    pub stackable: bool,
}

/// The facts that conditions test: the list cart and the user's add-ons, never the result of another rule.
#[derive(Debug)]
pub struct CartFacts<'a> {
    /// The list amount of the whole cart.
    pub subtotal: Money,
    /// The add-ons in the cart, in id order.
    pub in_cart: &'a [Uuid],
    /// The add-ons that the user actively owns, in id order.
    pub owned: &'a [Uuid],
    /// Whether the user is known and has no earlier purchase.
    pub is_first_purchase: bool,
}

/// A condition that does not hold, with the values compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the two values compared")]
pub enum Unmet<'c> {
    /// Too few units.
    MinQuantity { quantity: u32, min: u32 },
    /// Too many units.
    MaxQuantity { quantity: u32, max: u32 },
    /// The cart costs too little.
    MinSubtotal { subtotal: Money, min: Decimal },
    /// An add-on is neither in the cart nor owned.
    RequiresAddOn { missing: Uuid },
    /// An add-on is in the cart or owned.
    ExcludesAddOn { present: Uuid },
    /// The line is charged in another way.
    BillingType { billing_type: BillingType, allowed: &'c [BillingType] },
    /// The user is unknown or has bought before.
    FirstPurchaseOnly,
}

impl Conditions {
    /// The keys that a document may have.
    pub const KEYS: [&str; 8] = [
        "min_quantity",
        "max_quantity",
        "min_subtotal",
        "requires_addon",
        "excludes_addon",
        "billing_type",
        "first_purchase_only",
        "stackable",
    ];

    /// Reads a `conditions` document, refusing unknown keys and wrong types by name.
    pub fn parse(document: &Value) -> Result<Conditions, Malformed> {
        let mut conditions = Conditions::default();
        for entry in entries(document)? {
            match entry.key {
                "min_quantity" => conditions.min_quantity = Some(entry.quantity()?),
                "max_quantity" => conditions.max_quantity = Some(entry.quantity()?),
                "min_subtotal" => conditions.min_subtotal = Some(entry.amount()?),
                "requires_addon" => conditions.requires_addon = entry.uuids()?,
                "excludes_addon" => conditions.excludes_addon = entry.uuids()?,
                "billing_type" => conditions.billing_type = Some(billing_types(entry)?),
                "first_purchase_only" => conditions.first_purchase_only = entry.boolean()?,
                "stackable" => conditions.stackable = entry.boolean()?,
                unknown => return Err(unknown_key(unknown, &Conditions::KEYS)),
            }
        }
        Ok(conditions)
    }

    /// The add-ons whose ownership the conditions test.
    pub fn add_ons(&self) -> impl Iterator<Item = Uuid> {
        self.requires_addon.iter().chain(&self.excludes_addon).copied()
    }

    /// Whether some condition tests the user's history.
    pub fn look_at_users(&self) -> bool {
        self.first_purchase_only || self.add_ons().next().is_some()
    }

    /// Reports each condition that a line with this quantity and billing type does not meet. It runs for each rule of
    /// each line, so it collects nothing.
    pub fn unmet<'c>(
        &'c self,
        quantity: u32,
        billing_type: BillingType,
        facts: &CartFacts,
        mut tell: impl FnMut(Unmet<'c>),
    ) {
        if let Some(min) = self.min_quantity.filter(|&min| quantity < min) {
            tell(Unmet::MinQuantity { quantity, min });
        }
        if let Some(max) = self.max_quantity.filter(|&max| quantity > max) {
            tell(Unmet::MaxQuantity { quantity, max });
        }
        if let Some(min) = self.min_subtotal.filter(|&min| Decimal::new(facts.subtotal.cents(), 2) < min) {
            tell(Unmet::MinSubtotal { subtotal: facts.subtotal, min });
        }
        if let Some(&missing) = self.requires_addon.iter().find(|&&id| !facts.has(id)) {
            tell(Unmet::RequiresAddOn { missing });
        }
        if let Some(&present) = self.excludes_addon.iter().find(|&&id| facts.has(id)) {
            tell(Unmet::ExcludesAddOn { present });
        }
        if let Some(allowed) = self.billing_type.as_deref().filter(|allowed| !allowed.contains(&billing_type)) {
            tell(Unmet::BillingType { billing_type, allowed });
        }
        if self.first_purchase_only && !facts.is_first_purchase {
            tell(Unmet::FirstPurchaseOnly);
        }
    }
}

impl CartFacts<'_> {
    /// Whether the add-on is in the cart or owned.
    fn has(&self, id: Uuid) -> bool {
        self.in_cart.binary_search(&id).is_ok() || self.owned.binary_search(&id).is_ok()
    }
}

fn billing_types(entry: Entry) -> Result<Vec<BillingType>, Malformed> {
    let known = |name: &str| {
        BillingType::from_name(name).ok_or_else(|| {
            let names = BillingType::ALL.map(BillingType::name).join(", ");
            Malformed(format!("\"{}\" must name billing types ({names}), not \"{name}\"", entry.key))
        })
    };
    entry.one_or_more_strings()?.into_iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);
    const C: Uuid = Uuid::from_u128(3);

    fn parse(document: Value) -> Conditions {
        Conditions::parse(&document).unwrap()
    }

    fn complaint(document: Value) -> String {
        Conditions::parse(&document).unwrap_err().0
    }

    /// A cart of 50.00 with add-on A, of a user who owns B and has bought before.
    fn facts() -> CartFacts<'static> {
        CartFacts { subtotal: Money::from_cents(50_00), in_cart: &[A], owned: &[B], is_first_purchase: false }
    }

    fn holds(document: Value) -> bool {
        let mut holds = true;
        parse(document).unmet(3, BillingType::Monthly, &facts(), |_| holds = false);
        holds
    }

    #[test]
    fn every_condition_holds_and_fails() {
        for (condition, expected) in [
            (json!({}), true),
            (json!({"stackable": true}), true),
            (json!({"min_quantity": 3}), true),
            (json!({"min_quantity": 4}), false),
            (json!({"max_quantity": 3}), true),
            (json!({"max_quantity": 2}), false),
            (json!({"min_subtotal": 50.00}), true),
            (json!({"min_subtotal": 50.001}), false),
            (json!({"requires_addon": [A, B]}), true),
            (json!({"requires_addon": [A, C]}), false),
            (json!({"excludes_addon": [C]}), true),
            (json!({"excludes_addon": [C, B]}), false),
            (json!({"excludes_addon": [A]}), false),
            (json!({"billing_type": "monthly"}), true),
            (json!({"billing_type": ["annual", "monthly"]}), true),
            (json!({"billing_type": ["annual"]}), false),
            (json!({"billing_type": []}), false),
            (json!({"first_purchase_only": false}), true),
            (json!({"first_purchase_only": true}), false),
            (json!({"min_quantity": 1, "max_quantity": 2}), false),
        ] {
            assert_eq!(holds(condition.clone()), expected, "{condition}");
        }
    }

    #[test]
    fn unmet_conditions_tell_the_values_compared() {
        let conditions = parse(json!({"min_quantity": 5, "min_subtotal": 60, "requires_addon": [C]}));
        let mut unmet = Vec::new();
        conditions.unmet(3, BillingType::Monthly, &facts(), |condition| unmet.push(condition));
        assert_eq!(
            unmet,
            [
                Unmet::MinQuantity { quantity: 3, min: 5 },
                Unmet::MinSubtotal { subtotal: Money::from_cents(50_00), min: Decimal::from(60) },
                Unmet::RequiresAddOn { missing: C },
            ]
        );
    }

    #[test]
    fn a_document_is_refused_by_the_name_of_its_key() {
        assert!(complaint(json!({"min_qty": 2})).starts_with("unknown key \"min_qty\"; the keys are min_quantity"));
        assert_eq!(
            complaint(json!({"min_quantity": "two"})),
            "\"min_quantity\" must be an integer from 1 to 2147483647, not \"two\""
        );
        for wrong in [
            json!({"min_quantity": 0}),
            json!({"min_quantity": 1.5}),
            json!({"max_quantity": 2_147_483_648_u64}),
            json!({"min_subtotal": -1}),
            json!({"min_subtotal": "50"}),
            json!({"requires_addon": A}),
            json!({"requires_addon": ["not-a-uuid"]}),
            json!({"excludes_addon": [1]}),
            json!({"billing_type": "weekly"}),
            json!({"billing_type": {"in": []}}),
            json!({"first_purchase_only": 1}),
            json!({"stackable": null}),
        ] {
            let key = wrong.as_object().unwrap().keys().next().unwrap().clone();
            assert!(complaint(wrong).contains(&format!("\"{key}\" must")), "{key}");
        }
        assert_eq!(complaint(json!([1])), "expected a JSON object, not [1]");
    }

    #[test]
    fn decimals_are_read_exactly_and_exponents_too() {
        let read = |text: &str| Conditions::parse(&serde_json::from_str(text).unwrap()).unwrap().min_subtotal;
        assert_eq!(read(r#"{"min_subtotal": 0.1}"#), Some("0.1".parse().unwrap()));
        assert_eq!(read(r#"{"min_subtotal": 1e2}"#), Some(Decimal::from(100)));
        assert_eq!(read(r#"{"min_subtotal": -0}"#), Some(Decimal::ZERO));
    }
}
