//! The `items` argument of `quote`: parses it and turns it into a cart.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::cart::{Cart, Line};
use super::catalog::Catalog;
use super::json::{Malformed, entries, shown, unknown_key};
use super::money::Unit;
use crate::error::Error;

/// The shape that `items` must have.
pub const SHAPE: &str = r#"[{"add_on_id": "<uuid>", "quantity": <integer from 1 to 2147483647>}, ...]"#;

/// The most lines that are priced together.
pub const MOST_LINES: usize = 10_000;

const KEYS: [&str; 2] = ["add_on_id", "quantity"];

/// Reads `items` into quantities by add-on. The same add-on given twice is one line with the quantities added.
pub fn parse(items: &Value) -> Result<BTreeMap<Uuid, u32>, Malformed> {
    let Value::Array(items) = items else {
        return Err(Malformed(format!("expected a JSON array, not {}", shown(items))));
    };
    let mut quantities = BTreeMap::new();
    for (position, item) in items.iter().enumerate() {
        let in_item = |malformed: Malformed| Malformed(format!("item {}: {malformed}", position + 1));
        let (add_on_id, quantity) = parse_item(item).map_err(in_item)?;
        let sum: &mut u32 = quantities.entry(add_on_id).or_default();
        *sum = sum
            .checked_add(quantity)
            .filter(|&sum| sum <= i32::MAX as u32)
            .ok_or_else(|| in_item(Malformed(format!("the quantities of add-on {add_on_id} add up to too many"))))?;
    }
    Ok(quantities)
}

fn parse_item(item: &Value) -> Result<(Uuid, u32), Malformed> {
    let (mut add_on_id, mut quantity) = (None, None);
    for entry in entries(item)? {
        match entry.key {
            "add_on_id" => add_on_id = Some(entry.uuid()?),
            "quantity" => quantity = Some(entry.quantity()?),
            unknown => return Err(unknown_key(unknown, &KEYS)),
        }
    }
    let missing = |key| Malformed(format!("key \"{key}\" is missing"));
    Ok((add_on_id.ok_or_else(|| missing("add_on_id"))?, quantity.ok_or_else(|| missing("quantity"))?))
}

/// The cart with these quantities, in add-on id order. Unlike a stored cart, it may only name add-ons that are for
/// sale.
pub fn to_cart(catalog: &Catalog, quantities: &BTreeMap<Uuid, u32>, unit: Unit) -> Result<Cart, Error> {
    let line = |(&add_on_id, &quantity): (&Uuid, &u32)| {
        let found = catalog.find(add_on_id).ok_or(Error::AddOnNotFound { add_on_id })?;
        Line::new(catalog.offer(found).for_sale()?, found, quantity, None, unit)
    };
    Ok(Cart { lines: quantities.iter().map(line).collect::<Result<_, _>>()?, withdrawn: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    fn complaint(items: Value) -> String {
        parse(&items).unwrap_err().0
    }

    #[test]
    fn quantities_of_one_add_on_are_added() {
        let items =
            json!([{"add_on_id": B, "quantity": 2}, {"quantity": 1, "add_on_id": A}, {"add_on_id": B, "quantity": 3}]);
        assert_eq!(parse(&items).unwrap(), BTreeMap::from([(A, 1), (B, 5)]));
        assert_eq!(parse(&json!([])).unwrap(), BTreeMap::new());
    }

    #[test]
    fn a_complaint_names_the_item_and_the_key() {
        assert_eq!(complaint(json!({"add_on_id": A})), format!("expected a JSON array, not {{\"add_on_id\":\"{A}\"}}"));
        assert_eq!(complaint(json!([{"add_on_id": A, "quantity": 1}, 5])), "item 2: expected a JSON object, not 5");
        assert_eq!(complaint(json!([{"add_on_id": A}])), "item 1: key \"quantity\" is missing");
        assert_eq!(complaint(json!([{"quantity": 1}])), "item 1: key \"add_on_id\" is missing");
        assert_eq!(
            complaint(json!([{"add_on_id": A, "quantity": 1, "price": 0}])),
            "item 1: unknown key \"price\"; the keys are add_on_id, quantity"
        );
        assert_eq!(
            complaint(json!([{"add_on_id": "x", "quantity": 1}])),
            "item 1: \"add_on_id\" must be a UUID, not \"x\""
        );
        for quantity in [json!(0), json!(-1), json!(1.5), json!("1"), json!(2_147_483_648_u64), json!(null)] {
            let complaint = complaint(json!([{"add_on_id": A, "quantity": quantity}]));
            assert!(
                complaint.starts_with("item 1: \"quantity\" must be an integer from 1 to 2147483647, not "),
                "{complaint}"
            );
        }
        let most = json!({"add_on_id": A, "quantity": 2_147_483_647});
        assert_eq!(complaint(json!([most, most])), format!("item 2: the quantities of add-on {A} add up to too many"));
    }
}
