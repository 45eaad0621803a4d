//! The settings of the extension (GUCs).

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::{pg_guard, pg_sys};

use crate::error::Error;
use engine::currency::Currency;

static MAX_CART_QUANTITY: GucSetting<i32> = GucSetting::<i32>::new(100);
static CATALOG_CACHE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(8192);
static USER_ID: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static NOTIFY: GucSetting<bool> = GucSetting::<bool>::new(true);
static CURRENCY: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"USD"));

/// The maximum number of units of one add-on in a cart.
pub fn max_cart_quantity() -> i32 {
    MAX_CART_QUANTITY.get()
}

/// The maximum memory of a backend's catalog cache.
pub fn catalog_cache_bytes() -> usize {
    CATALOG_CACHE_SIZE.get() as usize * 1024
}

/// The memory that a set of users may take in one statement: what a hash of PostgreSQL's own may take, or the catalog
/// cache, whichever is more.
pub fn user_set_bytes() -> usize {
    // SAFETY: this computes with settings.
    catalog_cache_bytes().max(unsafe { pg_sys::get_hash_memory_limit() })
}

/// A higher `work_mem`, until the value is dropped.
pub struct MoreWorkMem {
    guc_level: i32,
}

impl MoreWorkMem {
    /// Lets a statement take as much memory as a set of users may. In a parallel query no setting can be changed.
    pub fn for_user_set() -> Option<MoreWorkMem> {
        let kilobytes = CString::new((user_set_bytes() / 1024).min(i32::MAX as usize).to_string()).ok()?;
        // SAFETY: both texts are C strings. Dropping the value restores the setting, and so does the end of a transaction
        // that fails.
        unsafe {
            if pg_sys::IsInParallelMode() || user_set_bytes() / 1024 <= pg_sys::work_mem as usize {
                return None;
            }
            let guc_level = pg_sys::NewGUCNestLevel();
            let (context, source) = (pg_sys::GucContext::PGC_USERSET, pg_sys::GucSource::PGC_S_SESSION);
            let action = pg_sys::GucAction::GUC_ACTION_SAVE;
            pg_sys::set_config_option(
                c"work_mem".as_ptr(),
                kilobytes.as_ptr(),
                context,
                source,
                action,
                true,
                0,
                false,
            );
            Some(MoreWorkMem { guc_level })
        }
    }
}

impl Drop for MoreWorkMem {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: this ends the level that began with the value.
            unsafe { pg_sys::AtEOXact_GUC(false, self.guc_level) };
        }
    }
}

/// Whether listening sessions are notified of users whose entitlements have changed.
pub fn notifies() -> bool {
    NOTIFY.get()
}

/// Set once the settings are registered, to tell earlier values from those that somebody sets now.
static ARE_REGISTERED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The currency that the setting names, parsed when it is set and not for every price; `None` if prices cannot
    /// have it.
    static READ_CURRENCY: Cell<Option<Currency>> = const { Cell::new(None) };
}

/// The currency of all prices.
pub fn currency() -> Result<Currency, Error> {
    READ_CURRENCY.get().map_or_else(
        || {
            let code = currency_code();
            Currency::from_code(&code).map_err(|why| Error::CurrencyUnusable { code, why })
        },
        Ok,
    )
}

/// The current currency of all prices.
pub fn currency_code() -> String {
    CURRENCY.get().as_deref().map(CStr::to_string_lossy).unwrap_or_default().into_owned()
}

fn register_currency() {
    // SAFETY: the hook is guarded.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            c"extensions.currency",
            c"The ISO 4217 code of the currency of all prices.",
            c"Quotes name it and purchases are recorded in it.",
            &CURRENCY,
            GucContext::Suset,
            GucFlags::default(),
            Some(check_currency),
            Some(assign_currency),
            None,
        );
    }
}

/// Registers the settings with PostgreSQL.
pub fn register() {
    GucRegistry::define_int_guc(
        c"extensions.max_cart_quantity",
        c"The most units of one add-on that a cart may hold.",
        c"add_to_cart() and set_cart_quantity() refuse more.",
        &MAX_CART_QUANTITY,
        1,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"extensions.catalog_cache_size",
        c"The most memory that each session uses to keep add-ons, pricing rules, bundles and features at hand.",
        c"What is used of the catalog beyond that is read from the tables each time. 0 keeps nothing.",
        &CATALOG_CACHE_SIZE,
        0,
        1024 * 1024,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_bool_guc(
        c"extensions.notify",
        c"Whether to NOTIFY extensions_entitlements of users whose entitlements have changed.",
        c"Everybody who can connect can listen. A transaction that has notified cannot be prepared for a two-phase commit.",
        &NOTIFY,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"extensions.user_id",
        c"The user whose rows the session sees, where enable_user_isolation() has been called.",
        c"enable_user_isolation() can name another setting.",
        &USER_ID,
        GucContext::Userset,
        GucFlags::default(),
    );
    register_currency();
    ARE_REGISTERED.store(true, Ordering::Relaxed);
}

/// Parses the new currency, also when a rollback restores an earlier one.
#[pg_guard]
unsafe extern "C-unwind" fn assign_currency(value: *const c_char, _extra: *mut c_void) {
    // SAFETY: PostgreSQL passes a C string, or NULL for none.
    let code = if value.is_null() { c"" } else { unsafe { CStr::from_ptr(value) } };
    READ_CURRENCY.set(code.to_str().ok().and_then(|code| Currency::from_code(code).ok()));
}

/// Refuses an invalid currency when somebody sets it. A value from before the session loaded the library is accepted
/// here: otherwise PostgreSQL would replace it with the default, and prices would be in another currency than the
/// intended one. `currency` refuses it whenever something is to be priced.
#[pg_guard]
unsafe extern "C-unwind" fn check_currency(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes a C string.
    let code = unsafe { CStr::from_ptr(*value) }.to_string_lossy();
    let Err(why) = Currency::from_code(&code) else { return true };
    if is_found(source) {
        return true;
    }
    let detail = CString::new(format!("\"{code}\" cannot be used: {why}.")).unwrap_or_default();
    // SAFETY: PostgreSQL reads the detail, a copy of its own, before the memory context ends.
    unsafe { pg_sys::GUC_check_errdetail_string = pg_sys::pstrdup(detail.as_ptr()) };
    false
}

/// Whether a value was set before the session could check it.
fn is_found(source: pg_sys::GucSource::Type) -> bool {
    use pg_sys::GucSource::*;
    let is_of_session =
        matches!(source, PGC_S_ARGV | PGC_S_GLOBAL | PGC_S_DATABASE | PGC_S_USER | PGC_S_DATABASE_USER | PGC_S_CLIENT);
    is_of_session || !ARE_REGISTERED.load(Ordering::Relaxed)
}
