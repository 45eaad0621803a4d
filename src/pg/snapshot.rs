//! Describes which transactions a snapshot sees, to decide whether a value that was read under one snapshot is what
//! another would find.

use pgrx::pg_sys;

use super::raw;

/// A snapshot for reading tables, while it is in use.
pub struct Snapshot<'a>(&'a pg_sys::SnapshotData);

impl Snapshot<'_> {
    /// Calls a function with the snapshot of the running query.
    pub fn with_active<T>(act: impl FnOnce(&Snapshot) -> T) -> T {
        // SAFETY: the snapshot stays active as long as this function runs.
        act(&Snapshot(unsafe {
            assert!(raw::ActiveSnapshotSet(), "no query is running");
            &*raw::GetActiveSnapshot()
        }))
    }

    /// The transactions that were running when it was taken.
    fn running(&self) -> [&[pg_sys::TransactionId]; 2] {
        let ids = |array: *mut pg_sys::TransactionId, count: usize| match count {
            0 => &[][..],
            // SAFETY: the arrays have as many elements as the snapshot says.
            _ => unsafe { std::slice::from_raw_parts(array, count) },
        };
        let top = ids(self.0.xip, self.0.xcnt as usize);
        // On a primary, the subtransactions of running transactions add nothing.
        let sub = if self.0.takenDuringRecovery { ids(self.0.subxip, self.0.subxcnt as usize) } else { &[] };
        [top, sub]
    }
}

/// What a snapshot sees.
#[derive(Debug, Default)]
pub struct Visibility {
    /// The first transaction id that was not yet assigned to a completed transaction.
    end: pg_sys::TransactionId,
    /// Transactions before `end` that were running, in the snapshot's order; on a standby, subtransactions too.
    running: Vec<pg_sys::TransactionId>,
    /// The transaction in which the snapshot was taken, and the first of its commands that the snapshot does not see.
    transaction: pg_sys::LocalTransactionId,
    command: pg_sys::CommandId,
}

impl Visibility {
    /// What a snapshot sees.
    pub fn of(snapshot: &Snapshot) -> Visibility {
        let mut visibility = Visibility::default();
        visibility.set(snapshot);
        visibility
    }

    /// What a new snapshot would see; `None` in a parallel query, where none can be taken.
    pub fn of_latest() -> Option<Visibility> {
        // SAFETY: PostgreSQL keeps the latest snapshot until the next is taken.
        unsafe { (!pg_sys::IsInParallelMode()).then(|| Visibility::of(&Snapshot(&*pg_sys::GetLatestSnapshot()))) }
    }

    /// Takes over what a snapshot sees.
    pub fn set(&mut self, snapshot: &Snapshot) {
        self.end = snapshot.0.xmax;
        self.running.clear();
        self.running.extend(snapshot.running().into_iter().flatten());
        self.transaction = current_transaction();
        self.command = snapshot.0.curcid;
    }

    /// Whether a snapshot sees exactly this.
    pub fn is_that_of(&self, snapshot: &Snapshot) -> bool {
        let [top, sub] = snapshot.running();
        self.end == snapshot.0.xmax
            && self.command == snapshot.0.curcid
            && self.transaction == current_transaction()
            && self.running.len() == top.len() + sub.len()
            && self.running[..top.len()] == *top
            && self.running[top.len()..] == *sub
    }

    /// Whether everything that is visible to `other` is visible to this.
    pub fn includes(&self, other: &Visibility) -> bool {
        let sees_transaction = |id: &pg_sys::TransactionId| !precedes(*id, other.end) || other.running.contains(id);
        !precedes(self.end, other.end)
            && self.running.iter().all(sees_transaction)
            && (self.transaction != other.transaction || self.command >= other.command)
    }
}

/// Whether a transaction id precedes another, with wraparound.
fn precedes(one: pg_sys::TransactionId, other: pg_sys::TransactionId) -> bool {
    (one.into_inner().wrapping_sub(other.into_inner()) as i32) < 0
}

/// Identifies the transaction among those of this backend.
pub fn current_transaction() -> pg_sys::LocalTransactionId {
    // SAFETY: a backend has its PGPROC as long as it runs.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        return (*pg_sys::MyProc).lxid;
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        return (*pg_sys::MyProc).vxid.lxid;
    }
}
