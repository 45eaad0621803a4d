//! The order in which locks are taken, so that functions cannot deadlock:
//!
//! 1. the user ([`lock_user`]): every function that changes a user's cart, or sells, pays, refunds or ends something for
//!    the user, takes it first. No function ever holds two users except merge_carts(), which has an order of its own. So
//!    a transaction of the host that changes a cart and then checks out holds it from the beginning;
//! 2. the ids of providers' objects ([`hold_provider_ids`]): every function that records what is known of them holds
//!    them. An event takes them before it knows its user. While it holds them it never waits for a user, and it never
//!    waits for a second user out of order;
//! 3. rows of that user: `cart_items`, `add_on_purchases` and `user_add_ons`, in any order, because only the holder of
//!    the user's lock locks more than one of them. The exception is counting usage: without the user's lock, it locks
//!    rows of `user_add_ons`, ordered by add-on;
//! 4. bundles, by id, for their uses;
//! 5. the promotional code, for its uses: last, because everybody may want the same one.
//!
//! `run_maintenance` locks rows of users without their lock, but skips rows that somebody else has locked. After them it
//! locks bundles and codes, in that order, to give back uses.
//!
//! A user's lock is one of PostgreSQL's own object locks, on an object of the class that is the extension itself; no such
//! objects exist. Nothing in SQL locks them, so unlike with advisory locks nobody can block another user's checkout.
//! Otherwise it behaves like any object lock: it ends with the transaction, deadlocks are detected, PREPARE TRANSACTION
//! keeps it, and pg_locks shows it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use pgrx::pg_sys;

use crate::error::Error;
use crate::params;
use crate::pg::caller;
use crate::pg::installation;
use crate::pg::snapshot::current_transaction;
use crate::pg::statement::Statement;
use engine::hash::fnv_1a;

/// If the tables are distributed, the lock is taken on the node that holds the user's rows, whichever node asks. The
/// SELECT counts these rows, so Citus sends it to their node. Locking no rows makes Citus begin a transaction there,
/// which then holds the lock.
static HOLD_AT_HOME: Statement = Statement::new(
    "SELECT @extschema@._hold_user($1)
       FROM (SELECT pg_catalog.count(*)
               FROM (SELECT FROM @extschema@.cart_items c WHERE c.user_id = $1 LIMIT 0 FOR UPDATE) none) at_home",
);

/// For a query on many shards, Citus opens more connections to a node. Locks that the transaction holds over one of
/// them would block the others, so that it could wait for itself.
static ONE_CONNECTION: Statement<(String,)> =
    Statement::new("SELECT pg_catalog.set_config('citus.max_adaptive_executor_pool_size', '1', true)");

/// Waits until nobody else holds the user, and holds the user until the transaction ends. Later reads must use a
/// [`FreshSnapshot`]. Refuses a user that the caller may not act for: every change of a user's data passes through
/// here.
pub fn lock_user(user_id: &str) -> Result<(), Error> {
    caller::check_user(user_id)?;
    hold_at_home(user_id)
}

fn hold_at_home(name: &str) -> Result<(), Error> {
    if !installation::is_distributed()? {
        return hold(name);
    }
    ONE_CONNECTION.perform(params![])?;
    if is_held_from_here(name)? {
        return Ok(());
    }
    HOLD_AT_HOME.perform(params![name]).map(|_| ())
}

/// Whether this transaction already holds the name on its home node; from now on it counts as held. If the home node
/// were asked again, that could use another connection, to which the first one would be a stranger. A local lock
/// records it, because a rollback to a savepoint releases it together with the one on the home node.
fn is_held_from_here(name: &str) -> Result<bool, Error> {
    let tag = tag_of(&format!("held from here: {name}"))?;
    // SAFETY: as in hold().
    let acquired = unsafe { pg_sys::LockAcquire(&tag, MODE, false, false) };
    Ok(acquired == pg_sys::LockAcquireResult::LOCKACQUIRE_ALREADY_HELD)
}

/// The same without waiting: returns whether the user is held. With Citus, which cannot merely try, it waits.
pub fn try_lock_user(user_id: &str) -> Result<bool, Error> {
    caller::check_user(user_id)?;
    if installation::is_distributed()? {
        return hold_at_home(user_id).map(|()| true);
    }
    let tag = tag_of(user_id)?;
    // SAFETY: as in hold(); nobody waits, so a lock that is not free is no error.
    unsafe {
        if pg_sys::RecoveryInProgress() {
            return Ok(true);
        }
        let is_held = pg_sys::LockAcquire(&tag, MODE, false, true) != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL;
        pg_sys::AcceptInvalidationMessages();
        Ok(is_held)
    }
}

/// The number of locks for provider ids. Ids share them, so that any number of ids needs no more of the server's lock
/// table.
const PROVIDER_LOCKS: u64 = 1024;

fn provider_locks<'a>(ids: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    ids.into_iter().map(|id| format!("things of providers {:04}", hash(id) % PROVIDER_LOCKS)).collect()
}

/// Waits until nobody else works with these provider ids, and holds them until the transaction ends. So one payment
/// cannot pay two checkouts at the same moment, and no report is stored as unclaimed while its sale becomes known.
pub fn hold_provider_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    provider_locks(ids).iter().try_for_each(|name| hold_at_home(name))
}

/// Releases them before anything was done, as often as they were taken. With Citus they are held to the end.
pub fn release_provider_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    provider_locks(ids).iter().try_for_each(|name| release(name))
}

/// The same for a user. If the transaction held the user before, it continues to.
pub fn release_user(user_id: &str) -> Result<(), Error> {
    release(user_id)
}

fn release(name: &str) -> Result<(), Error> {
    if installation::is_distributed()? {
        return Ok(());
    }
    let tag = tag_of(name)?;
    // SAFETY: this transaction holds it, but on a standby, where hold() has taken nothing.
    unsafe {
        if !pg_sys::RecoveryInProgress() {
            pg_sys::LockRelease(&tag, MODE, false);
        }
    }
    Ok(())
}

/// As [`lock_user`] for several users. Every caller that holds more than one has first taken the same single one.
pub fn lock_users<'a>(users: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    let users: BTreeSet<(u64, &str)> = users.into_iter().map(|user_id| (hash(user_id), user_id)).collect();
    users.into_iter().try_for_each(|(_, user_id)| lock_user(user_id))
}

/// Waits until nobody else changes functions of the extension, and prevents it until the transaction ends.
pub fn lock_extension() {
    // SAFETY: the extension is installed, and locking an object has no other precondition.
    unsafe {
        let extension = pg_sys::get_extension_oid(c"extensions".as_ptr(), false);
        let mode = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;
        pg_sys::LockDatabaseObject(pg_sys::ExtensionRelationId, extension, 0, mode);
    }
}

/// The number of users' carts that a transaction may change before it counts as a data load.
const MANY_CARTS: usize = 100;

/// The same, for a change of a cart. A transaction that changes the carts of many users is loading data: it does not
/// check out, and the server's lock table has no room for a lock on every user.
pub fn lock_user_for_cart(user_id: &str) -> Result<(), Error> {
    thread_local! {
        static HELD: RefCell<(pg_sys::LocalTransactionId, BTreeSet<u64>)> = const { RefCell::new((0, BTreeSet::new())) };
    }
    let is_held = HELD.with_borrow_mut(|(transaction, users)| {
        if *transaction != current_transaction() {
            (*transaction, *users) = (current_transaction(), BTreeSet::new());
        }
        let user = hash(user_id);
        users.contains(&user) || (users.len() < MANY_CARTS && users.insert(user))
    });
    if is_held { lock_user(user_id) } else { Ok(()) }
}

const MODE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

/// The lock object for a name: 48 bits of its hash.
fn tag_of(name: &str) -> Result<pg_sys::LOCKTAG, Error> {
    let name = hash(name);
    Ok(pg_sys::LOCKTAG {
        // SAFETY: this reads a variable of the session.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: installation::extension()?.to_u32(),
        locktag_field3: name as u32,
        locktag_field4: (name >> 32) as u16,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    })
}

/// Holds the user on this node.
pub fn hold(user_id: &str) -> Result<(), Error> {
    let tag = tag_of(user_id)?;
    // SAFETY: a transaction is in progress, as a function of it is running. On a standby nobody writes, and no such lock can be
    // taken: what was to be done says so itself.
    unsafe {
        if !pg_sys::RecoveryInProgress() {
            pg_sys::LockAcquire(&tag, MODE, false, false);
            // Processes changes that others made before they released it.
            pg_sys::AcceptInvalidationMessages();
        }
    }
    Ok(())
}

/// The same in every build of the library. 48 bits of it are used; users that share them only wait for each other.
fn hash(user_id: &str) -> u64 {
    fnv_1a(user_id.bytes())
}

/// A current snapshot instead of the calling query's, which may be older than the lock that was waited for. It sees
/// what this transaction has written so far. Under REPEATABLE READ and SERIALIZABLE the transaction's snapshot stays.
pub struct FreshSnapshot;

impl FreshSnapshot {
    /// Statements that [`read`](Statement::read) use a new snapshot as long as the value lives.
    pub fn take() -> FreshSnapshot {
        // SAFETY: a transaction is in progress, as a function of it is running.
        unsafe {
            pg_sys::CommandCounterIncrement();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        FreshSnapshot
    }
}

impl Drop for FreshSnapshot {
    fn drop(&mut self) {
        // When an error unwinds, the end of the transaction or subtransaction drops its snapshots.
        if !std::thread::panicking() {
            // SAFETY: take pushed the snapshot that is popped here.
            unsafe { pg_sys::PopActiveSnapshot() };
        }
    }
}

/// Whether the transaction cannot see what others have done since it began.
pub fn transaction_keeps_its_snapshot() -> bool {
    // SAFETY: this reads a variable of the session.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// The same, but under REPEATABLE READ and SERIALIZABLE it is newer than the transaction's own snapshot: for
/// decisions that must not be based on the transaction's snapshot.
pub struct LatestSnapshot;

impl LatestSnapshot {
    /// Statements that [`read`](Statement::read) use it as long as the value lives.
    pub fn take() -> LatestSnapshot {
        // SAFETY: a transaction is in progress, as a function of it is running.
        unsafe {
            pg_sys::CommandCounterIncrement();
            pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
        }
        LatestSnapshot
    }
}

impl Drop for LatestSnapshot {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: the snapshot was pushed when this was made.
            unsafe { pg_sys::PopActiveSnapshot() };
        }
    }
}
