//! What purchases give access by.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::store::purchases::Purchase;
use engine::access::source::Source;
use engine::billing::BillingType;
use engine::payments::paid::Paid;
use engine::time::Instant;

/// What a purchase gives access by; what older versions have recorded is the end of it.
pub fn source_of(purchase: &Purchase) -> Option<Source> {
    let columns = &purchase.columns;
    let paid = match (&columns.paid, columns.status.is_paid()) {
        (Some(paid), _) => paid.clone(),
        (None, false) => return None,
        (None, true) => Paid::recorded(purchase.purchased_at, columns.ends_at, purchase.billing),
    };
    let adds_up = purchase.billing == BillingType::UsageBased;
    let units = u32::try_from(purchase.quantity).unwrap_or(1);
    let mut source = Source::of_purchase(purchase.id.to_string(), columns.status, &paid, units, adds_up);
    source.place = match &paid.payment {
        // The first period comes before those that renew it.
        Some(_) if purchase.checkout_id.is_some() => String::new(),
        Some(payment) => payment.clone(),
        // What people have recorded at one instant stays in the order in which they did.
        None => columns.ends_at.map_or("~".to_owned(), |end| format!("{:020}", end.0)),
    };
    Some(source)
}

/// When something is known to have been paid; for putting purchases in order.
pub fn paid_at(purchase: &Purchase) -> Instant {
    purchase.columns.paid.as_ref().map_or(purchase.purchased_at, |paid| paid.at)
}

/// The places of the purchases of each add-on.
pub fn by_add_on(purchases: &[Purchase]) -> BTreeMap<Uuid, Vec<usize>> {
    let mut places: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
    for (place, purchase) in purchases.iter().enumerate() {
        places.entry(purchase.add_on_id).or_default().push(place);
    }
    places
}

/// What the purchases at these places give access by.
pub fn sources_of(purchases: &[Purchase], places: &[usize]) -> Vec<Source> {
    places.iter().filter_map(|&place| source_of(&purchases[place])).collect()
}
