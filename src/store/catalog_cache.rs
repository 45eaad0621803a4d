//! This backend's cache of catalog data that seldom changes: offers by add-on, and the add-ons that give a feature.
//!
//! A cached entry must equal what the calling query's snapshot would find. Triggers on the catalog tables announce
//! every change as a relcache invalidation of the table. The invalidation reaches this backend when the change
//! commits, when a command of this transaction that made it ends, and when it is rolled back. Before each use,
//! pending invalidations are processed, and any of them empties the cache. An entry that is left was therefore read
//! under a snapshot taken after the last invalidation, and has not changed since. So every snapshot that sees at
//! least as much finds the same. A snapshot that sees less (of a query that began before a change, of a cursor, or of
//! a REPEATABLE READ transaction) gets its own contents, which are kept as long as exactly this snapshot is used.
//! Under SERIALIZABLE, PostgreSQL tracks what a transaction reads, so every snapshot gets its own contents.
//!
//! The contents belong to one role, whose privileges were checked when they were read. If row-level security applies
//! to that role, nothing is cached, because policies may depend on anything.
//!
//! Nothing is cached either if an announcing trigger is missing or disabled. This is the case for tables distributed
//! by Citus: they have no triggers there, and invalidations do not travel between nodes.
//!
//! A change is effective from the moment its COMMIT returns. Uses of bundles and codes change with every checkout;
//! they are neither announced nor cached.

use std::cell::RefCell;
use std::rc::Rc;

use foldhash::HashMap;
use pgrx::pg_sys;
use uuid::Uuid;

use crate::error::Error;
use crate::pg::caller;
use crate::pg::installation;
use crate::pg::session;
use crate::pg::settings;
use crate::pg::snapshot::{Snapshot, Visibility};
use crate::store::{catalog, features};
use engine::catalog::Offer;
use engine::usage::metering::GivingAddOn;

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

#[derive(Default)]
struct Cache {
    /// The number of invalidations processed when the contents were last emptied, and the role that the contents
    /// belong to.
    changes: u64,
    role: pg_sys::Oid,
    /// Whether the role may see every row; `None` until something is to be cached.
    sees_everything: Option<bool>,
    /// A snapshot that sees every announced change.
    since: Option<Visibility>,
    /// The contents for snapshots that see at least as much as `since`.
    shared: Contents,
    /// The contents for the snapshot `own_of`.
    own: Contents,
    own_of: Visibility,
    /// The snapshot of the last use, and the contents that serve it.
    last: Option<(Visibility, Which)>,
    statistics: Statistics,
}

/// The contents that serve a snapshot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Shared,
    Own,
}

/// A cached value, the time of its last use, and its memory.
#[derive(Default)]
struct Contents {
    offers: HashMap<Uuid, Slot<Rc<Offer>>>,
    features: HashMap<Box<str>, Slot<Rc<[GivingAddOn]>>>,
    bytes: usize,
    clock: u64,
}

struct Slot<T> {
    value: T,
    bytes: usize,
    used: u64,
}

/// Statistics of this backend's cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// The number of cached entries.
    pub entries: u64,
    /// The memory that it takes.
    pub bytes: u64,
    /// The number of entries that were read from the tables.
    pub loads: u64,
    /// The number of entries that were found in the cache.
    pub hits: u64,
    /// The number of times that the cache was emptied.
    pub invalidations: u64,
}

/// The offers of these add-ons, without those that do not exist, in no particular order.
pub fn offers(add_on_ids: &[Uuid]) -> Result<Vec<Rc<Offer>>, Error> {
    let (which, mut offers, missing) = CACHE.with_borrow_mut(|cache| {
        let which = cache.prepare();
        let contents = cache.contents(which);
        let (mut found, mut missing) = (Vec::with_capacity(add_on_ids.len()), Vec::new());
        for &id in add_on_ids {
            match contents.offer(id) {
                Some(offer) => found.push(offer),
                None => missing.push(id),
            }
        }
        cache.statistics.hits += found.len() as u64;
        (which, found, missing)
    });
    if !missing.is_empty() {
        // Not while the cache is borrowed: a policy on the tables may call a function that uses it.
        let loaded = catalog::load_offers(&missing)?;
        offers.extend(loaded.iter().cloned());
        CACHE.with_borrow_mut(|cache| cache.keep_offers(which, loaded));
    }
    Ok(offers)
}

/// The offer of an add-on.
pub fn offer(add_on_id: Uuid) -> Result<Option<Rc<Offer>>, Error> {
    let found = CACHE.with_borrow_mut(|cache| {
        let which = cache.prepare();
        let found = cache.contents(which).offer(add_on_id);
        cache.statistics.hits += u64::from(found.is_some());
        found
    });
    match found {
        Some(offer) => Ok(Some(offer)),
        None => Ok(offers(&[add_on_id])?.pop()),
    }
}

/// The add-ons that give a feature, in id order.
pub fn add_ons_giving(feature_key: &str) -> Result<Rc<[GivingAddOn]>, Error> {
    let (which, found) = CACHE.with_borrow_mut(|cache| {
        let which = cache.prepare();
        let found = cache.contents(which).feature(feature_key);
        cache.statistics.hits += u64::from(found.is_some());
        (which, found)
    });
    match found {
        Some(add_ons) => Ok(add_ons),
        None => {
            let add_ons: Rc<[GivingAddOn]> = features::add_ons_giving(feature_key)?.into();
            CACHE.with_borrow_mut(|cache| cache.keep_feature(which, feature_key, &add_ons));
            Ok(add_ons)
        }
    }
}

/// Whether the role sees every row of the catalog, so that what one query has read is the same throughout its snapshot.
pub fn sees_everything() -> bool {
    CACHE.with_borrow_mut(|cache| {
        cache.prepare();
        cache.sees_everything()
    })
}

/// Statistics of this backend's cache.
pub fn statistics() -> Statistics {
    CACHE.with_borrow(|cache| Statistics {
        entries: (cache.shared.len() + cache.own.len()) as u64,
        bytes: (cache.shared.bytes + cache.own.bytes) as u64,
        ..cache.statistics
    })
}

impl Cache {
    /// Processes invalidations, and returns which contents serve the calling query.
    fn prepare(&mut self) -> Which {
        session::take_in_announcements();
        let role = session::role();
        if self.changes != installation::catalog_changes() || self.role != role {
            self.empty(role);
        }
        Snapshot::with_active(|snapshot| self.contents_for(snapshot))
    }

    fn contents_for(&mut self, snapshot: &Snapshot) -> Which {
        if let Some((visibility, which)) = &self.last
            && visibility.is_that_of(snapshot)
        {
            return *which;
        }
        let visibility = Visibility::of(snapshot);
        let which = self.which(&visibility);
        if which == Which::Own && !self.own_of.is_that_of(snapshot) {
            self.own = Contents::default();
            self.own_of.set(snapshot);
        }
        self.last = Some((visibility, which));
        which
    }

    fn empty(&mut self, role: pg_sys::Oid) {
        (self.changes, self.role) = (installation::catalog_changes(), role);
        self.sees_everything = None;
        self.statistics.invalidations += 1;
        (self.shared, self.own) = Default::default();
        (self.since, self.last) = (None, None);
        self.own_of = Visibility::default();
    }

    fn which(&mut self, visibility: &Visibility) -> Which {
        // Only reads of the transaction itself are tracked for conflicts.
        if session::is_serializable() {
            return Which::Own;
        }
        if self.since.is_none() {
            self.since = Visibility::of_latest();
        }
        match &self.since {
            Some(since) if visibility.includes(since) => Which::Shared,
            _ => Which::Own,
        }
    }

    fn contents(&mut self, which: Which) -> &mut Contents {
        match which {
            Which::Shared => &mut self.shared,
            Which::Own => &mut self.own,
        }
    }

    /// The contents that serve a snapshot, with room for this many more bytes. Both share one limit, so the contents
    /// that are not in use make room first.
    fn contents_with_room(&mut self, which: Which, bytes: usize) -> &mut Contents {
        let both = self.shared.bytes + self.own.bytes;
        if both + bytes > settings::catalog_cache_bytes() {
            match which {
                Which::Shared => self.own = Contents::default(),
                Which::Own => self.shared = Contents::default(),
            }
        }
        let contents = self.contents(which);
        contents.make_room(bytes);
        contents
    }

    fn may_keep(&mut self) -> bool {
        installation::catalog_is_announced() && self.sees_everything()
    }

    fn sees_everything(&mut self) -> bool {
        let sees = |table| !caller::hides_rows(table);
        *self.sees_everything.get_or_insert_with(|| installation::catalog_tables().into_iter().all(sees))
    }

    /// If an invalidation arrived while these were read, the next use empties the cache.
    fn keep_offers(&mut self, which: Which, offers: Vec<Rc<Offer>>) {
        self.statistics.loads += offers.len() as u64;
        if !self.may_keep() {
            return;
        }
        for offer in offers {
            let bytes = offer.size();
            let contents = self.contents_with_room(which, bytes);
            contents.keep_offer(offer, bytes);
        }
    }

    fn keep_feature(&mut self, which: Which, feature_key: &str, add_ons: &Rc<[GivingAddOn]>) {
        self.statistics.loads += 1;
        if !self.may_keep() {
            return;
        }
        let bytes = feature_key.len() + add_ons.iter().map(GivingAddOn::size).sum::<usize>();
        let contents = self.contents_with_room(which, bytes);
        contents.keep_feature(feature_key, Rc::clone(add_ons), bytes);
    }
}

impl Contents {
    fn len(&self) -> usize {
        self.offers.len() + self.features.len()
    }

    fn offer(&mut self, id: Uuid) -> Option<Rc<Offer>> {
        self.clock += 1;
        let slot = self.offers.get_mut(&id)?;
        slot.used = self.clock;
        Some(Rc::clone(&slot.value))
    }

    fn feature(&mut self, key: &str) -> Option<Rc<[GivingAddOn]>> {
        self.clock += 1;
        let slot = self.features.get_mut(key)?;
        slot.used = self.clock;
        Some(Rc::clone(&slot.value))
    }

    fn keep_offer(&mut self, offer: Rc<Offer>, bytes: usize) {
        let bytes = bytes + size_of::<(Uuid, Slot<Rc<Offer>>)>();
        if self.has_room(bytes) {
            self.bytes += bytes;
            let replaced = self.offers.insert(offer.add_on.id, Slot { value: offer, bytes, used: self.clock });
            self.bytes -= replaced.map_or(0, |slot| slot.bytes);
        }
    }

    fn keep_feature(&mut self, key: &str, add_ons: Rc<[GivingAddOn]>, bytes: usize) {
        let bytes = bytes + size_of::<(Box<str>, Slot<Rc<[GivingAddOn]>>)>();
        if self.has_room(bytes) {
            self.bytes += bytes;
            let replaced = self.features.insert(key.into(), Slot { value: add_ons, bytes, used: self.clock });
            self.bytes -= replaced.map_or(0, |slot| slot.bytes);
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes <= settings::catalog_cache_bytes()
    }

    /// If there is no room for this many more bytes, drops the least recently used third of the entries. Dropping
    /// many at once keeps this rare.
    fn make_room(&mut self, bytes: usize) {
        if self.has_room(bytes) || self.len() == 0 {
            return;
        }
        let used = self.offers.values().map(|slot| slot.used).chain(self.features.values().map(|slot| slot.used));
        let mut used: Vec<u64> = used.collect();
        let third = used.len() / 3;
        let (_, &mut oldest_to_keep, _) = used.select_nth_unstable(third);
        self.offers.retain(|_, slot| slot.used > oldest_to_keep);
        self.features.retain(|_, slot| slot.used > oldest_to_keep);
        let offers = self.offers.values().map(|slot| slot.bytes);
        self.bytes = offers.chain(self.features.values().map(|slot| slot.bytes)).sum();
    }
}
