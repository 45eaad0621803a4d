//! The sources of access that purchases are.

use std::collections::BTreeMap;

use uuid::Uuid;

use engine::access::bought::Bought;
use engine::access::source::Source;
use engine::payments::purchase::Purchase;

/// A purchase as access depends on it.
pub fn bought(purchase: &Purchase) -> Bought<'_> {
    let columns = &purchase.columns;
    Bought {
        id: purchase.id,
        checkout_id: purchase.checkout_id,
        status: columns.status,
        billing: purchase.billing,
        quantity: purchase.quantity,
        amount: purchase.amount,
        purchased_at: purchase.purchased_at,
        ends_at: columns.ends_at,
        paid: columns.paid.as_ref(),
        is_of_lago: columns.lago_invoice_id.is_some(),
        terms: purchase.terms.as_ref(),
    }
}

/// The basis on which a purchase gives access.
pub fn source_of(purchase: &Purchase) -> Option<Source> {
    bought(purchase).source()
}

/// The indexes of the purchases of each add-on.
pub fn by_add_on(purchases: &[Purchase]) -> BTreeMap<Uuid, Vec<usize>> {
    let mut places: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
    for (place, purchase) in purchases.iter().enumerate() {
        places.entry(purchase.add_on_id).or_default().push(place);
    }
    places
}

/// The sources of access for the purchases at these indexes.
pub fn sources_of(purchases: &[Purchase], places: &[usize]) -> Vec<Source> {
    places.iter().filter_map(|&place| source_of(&purchases[place])).collect()
}
