//! Which transactions a snapshot sees, to tell whether something that was read under one snapshot is what another would
//! find.

use pgrx::pg_sys;

/// What a snapshot sees.
#[derive(Debug, Default)]
pub struct Visibility {
    /// The first transaction id that had not been given out to a completed transaction.
    end: pg_sys::TransactionId,
    /// Transactions before `end` that were running, in the snapshot's order; on a standby, subtransactions too.
    running: Vec<pg_sys::TransactionId>,
    /// The transaction that the snapshot was taken in, and the first of its commands that is not seen.
    transaction: pg_sys::LocalTransactionId,
    command: pg_sys::CommandId,
}

impl Visibility {
    /// What a snapshot sees.
    ///
    /// # Safety
    /// The snapshot must be one for reading tables (MVCC), and in use.
    pub unsafe fn of(snapshot: pg_sys::Snapshot) -> Visibility {
        let mut visibility = Visibility::default();
        // SAFETY: the caller says so.
        unsafe { visibility.set(snapshot) };
        visibility
    }

    /// Becomes what a snapshot sees.
    ///
    /// # Safety
    /// As for `of`.
    pub unsafe fn set(&mut self, snapshot: pg_sys::Snapshot) {
        // SAFETY: the caller says so.
        let (snapshot, running) = unsafe { (&*snapshot, running(snapshot)) };
        self.end = snapshot.xmax;
        self.running.clear();
        self.running.extend(running[0].iter().chain(running[1]));
        self.transaction = current_transaction();
        self.command = snapshot.curcid;
    }

    /// Whether a snapshot sees exactly this.
    ///
    /// # Safety
    /// As for `of`.
    pub unsafe fn is_that_of(&self, snapshot: pg_sys::Snapshot) -> bool {
        // SAFETY: the caller says so.
        let (snapshot, [top, sub]) = unsafe { (&*snapshot, running(snapshot)) };
        self.end == snapshot.xmax
            && self.command == snapshot.curcid
            && self.transaction == current_transaction()
            && self.running.len() == top.len() + sub.len()
            && self.running[..top.len()] == *top
            && self.running[top.len()..] == *sub
    }

    /// Whether every change that is visible to `other` is visible to this.
    pub fn includes(&self, other: &Visibility) -> bool {
        let sees_transaction = |id: &pg_sys::TransactionId| !precedes(*id, other.end) || other.running.contains(id);
        !precedes(self.end, other.end)
            && self.running.iter().all(sees_transaction)
            && (self.transaction != other.transaction || self.command >= other.command)
    }
}

/// The transactions that were running when a snapshot was taken.
///
/// # Safety
/// The snapshot must be one for reading tables (MVCC), and live as long as the result.
unsafe fn running<'a>(snapshot: pg_sys::Snapshot) -> [&'a [pg_sys::TransactionId]; 2] {
    // SAFETY: the caller says so; the arrays have as many elements as the snapshot says.
    unsafe {
        let snapshot = &*snapshot;
        let ids = |array: *mut pg_sys::TransactionId, count: usize| {
            if count == 0 { &[][..] } else { std::slice::from_raw_parts(array, count) }
        };
        let top = ids(snapshot.xip, snapshot.xcnt as usize);
        // On a primary the subtransactions of running transactions tell nothing more.
        let sub = if snapshot.takenDuringRecovery { ids(snapshot.subxip, snapshot.subxcnt as usize) } else { &[] };
        [top, sub]
    }
}

/// Whether a transaction id comes before another in their circle.
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
