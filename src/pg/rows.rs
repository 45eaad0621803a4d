//! Reads tables by their oids, bypassing everything that their owners can define: no view, rule, policy or function
//! runs.

use pgrx::pg_sys;

/// Whether a plain table holds a row that is visible to some snapshot. Other relations hold no rows: those of a
/// partitioned table are in its partitions.
pub fn has_rows(relation: pg_sys::Oid) -> bool {
    // SAFETY: this looks at a catalog.
    if unsafe { pg_sys::get_rel_relkind(relation) } as u8 != pg_sys::RELKIND_RELATION {
        return false;
    }
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the relation is a table and stays open while it is scanned; what is taken here is given back.
    unsafe {
        let table = pg_sys::table_open(relation, lock);
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let slot = pg_sys::table_slot_create(table, std::ptr::null_mut());
        #[cfg(not(feature = "pg19"))]
        let scan = pg_sys::table_beginscan(table, snapshot, 0, std::ptr::null_mut());
        #[cfg(feature = "pg19")]
        let scan = pg_sys::table_beginscan(table, snapshot, 0, std::ptr::null_mut(), 0);
        let found = pg_sys::table_scan_getnextslot(scan, pg_sys::ScanDirection::ForwardScanDirection, slot);
        pg_sys::table_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::table_close(table, lock);
        found
    }
}
