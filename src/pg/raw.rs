//! Functions of PostgreSQL without the guard that pgrx puts around each of them. A guard takes as long as many a
//! function does, and a probe of an index consists of a dozen of them.

use pgrx::pg_sys;
use pgrx::pg_sys::{IndexScanDesc, LOCKMODE, List, Oid, Relation, ScanDirection, ScanKey, Snapshot, TupleTableSlot};

// These only read a variable, and raise no error.
unsafe extern "C-unwind" {
    pub fn ActiveSnapshotSet() -> bool;
    pub fn GetActiveSnapshot() -> Snapshot;
    pub fn GetAuthenticatedUserId() -> Oid;
    pub fn GetOuterUserId() -> Oid;
    pub fn GetSessionUserId() -> Oid;
    pub fn GetUserId() -> Oid;
    pub fn IsTransactionState() -> bool;
}

// These are called through `guarded`.
unsafe extern "C-unwind" {
    pub fn ExecDropSingleTupleTableSlot(slot: *mut TupleTableSlot);
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
    pub fn index_beginscan(table: Relation, index: Relation, seen: Snapshot, keys: i32, orders: i32) -> IndexScanDesc;
    #[cfg(feature = "pg18")]
    pub fn index_beginscan(
        table: Relation,
        index: Relation,
        seen: Snapshot,
        statistics: *mut std::ffi::c_void,
        keys: i32,
        orders: i32,
    ) -> IndexScanDesc;
    #[cfg(feature = "pg19")]
    pub fn index_beginscan(
        table: Relation,
        index: Relation,
        seen: Snapshot,
        statistics: *mut std::ffi::c_void,
        keys: i32,
        orders: i32,
        flags: u32,
    ) -> IndexScanDesc;
    pub fn index_endscan(scan: IndexScanDesc);
    pub fn index_getnext_slot(scan: IndexScanDesc, to: ScanDirection::Type, slot: *mut TupleTableSlot) -> bool;
    pub fn index_open(index: Oid, mode: LOCKMODE) -> Relation;
    pub fn index_rescan(scan: IndexScanDesc, keys: ScanKey, count: i32, orders: ScanKey, order_count: i32);
    pub fn relation_close(relation: Relation, mode: LOCKMODE);
    pub fn slot_getsomeattrs_int(slot: *mut TupleTableSlot, last: i32);
    pub fn table_slot_create(table: Relation, list: *mut *mut List) -> *mut TupleTableSlot;
}

/// Calls several functions in one guard. If one of them raises an error, it goes on from here, and nothing that the
/// callback owns is dropped.
///
/// # Safety
/// The callback must call them as PostgreSQL expects, and own nothing that is to be dropped.
pub unsafe fn guarded<T: Copy>(call: impl FnOnce() -> T) -> T {
    // SAFETY: the caller says so.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(call) }
}
