//! The sources of access that purchases are.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::store::purchases::Purchase;
use engine::access::source::Source;
use engine::billing::BillingType;
use engine::payments::paid::Paid;
use engine::time::Instant;

/// The basis on which a purchase gives access. For purchases recorded by older versions, that is the recorded end.
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
        // The first period comes before its renewals.
        Some(_) if purchase.checkout_id.is_some() => String::new(),
        Some(payment) => payment.clone(),
        // Purchases that people have recorded at the same instant keep the order in which they were recorded.
        None => columns.ends_at.map_or("~".to_owned(), |end| format!("{:020}", end.0)),
    };
    Some(source)
}

/// When a purchase is known to have been paid; used to order purchases.
pub fn paid_at(purchase: &Purchase) -> Instant {
    purchase.columns.paid.as_ref().map_or(purchase.purchased_at, |paid| paid.at)
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
