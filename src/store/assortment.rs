//! The catalog data behind a price: the cache provides what seldom changes, the tables provide what changes with
//! every checkout.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::statement::Statement;
use crate::store::catalog::Rows;
use crate::store::catalog_cache;
use engine::catalog::{Bundle, Catalog, Offer};

static BUNDLE_USES_LEFT: Statement<(Uuid, i32)> = Statement::new(
    "SELECT b.id, b.max_uses - b.current_uses
       FROM @extschema@.add_on_bundles b
      WHERE b.id = ANY ($1) AND b.max_uses IS NOT NULL",
);

/// The add-ons and bundles for a cart, with the remaining uses of limited bundles.
#[derive(Debug)]
pub struct Assortment {
    /// The add-ons, their rules, and the bundles made of them.
    pub catalog: Catalog,
    /// The uses left of the bundles that have a limit.
    pub bundle_uses_left: HashMap<Uuid, u32>,
}

/// The data that a cart of these add-ons depends on. Add-ons that do not exist are left out.
pub fn assortment(add_on_ids: &[Uuid]) -> Result<Assortment, Error> {
    let offers = catalog_cache::offers(add_on_ids)?;
    let bundle_uses_left = uses_left(&limited_bundles(&offers))?;
    Ok(Assortment { catalog: Catalog::of(offers), bundle_uses_left })
}

/// The limited bundles whose add-ons are all among these.
fn limited_bundles(offers: &[Rc<Offer>]) -> Vec<Uuid> {
    let mut limited = offers.iter().flat_map(|offer| offer.bundles()).filter(|bundle| bundle.is_limited).peekable();
    if limited.peek().is_none() {
        return Vec::new();
    }
    let offered: HashSet<Uuid> = offers.iter().map(|offer| offer.add_on.id).collect();
    let is_enough_for = |bundle: &&Rc<Bundle>| bundle.add_on_ids.iter().all(|id| offered.contains(id));
    limited.filter(is_enough_for).map(|bundle| bundle.id).collect()
}

fn uses_left(bundle_ids: &[Uuid]) -> Result<HashMap<Uuid, u32>, Error> {
    let mut uses_left = HashMap::new();
    if !bundle_ids.is_empty() {
        BUNDLE_USES_LEFT.read(params![bundle_ids], |(bundle_id, left)| {
            uses_left.insert(bundle_id, left.max(0) as u32);
            Ok(())
        })?;
    }
    Ok(uses_left)
}

impl Rows {
    /// Arranges the rows for pricing.
    pub fn arrange(self) -> Assortment {
        let catalog = Catalog::new(self.add_ons, self.rules, self.bundles);
        Assortment { catalog, bundle_uses_left: self.bundle_uses_left }
    }
}
