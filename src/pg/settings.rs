//! The settings of the extension (GUCs).

use std::ffi::{CStr, CString, c_char, c_void};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::{pg_guard, pg_sys};

static MAX_CART_QUANTITY: GucSetting<i32> = GucSetting::<i32>::new(100);
static CATALOG_CACHE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(8192);
static USER_ID: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static CURRENCY: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"USD"));

/// The most units of one add-on that a cart may hold.
pub fn max_cart_quantity() -> i32 {
    MAX_CART_QUANTITY.get()
}

/// The most memory that the catalog cache of a backend may take.
pub fn catalog_cache_bytes() -> usize {
    CATALOG_CACHE_SIZE.get() as usize * 1024
}

/// The currency of all prices.
pub fn currency() -> String {
    CURRENCY.get().as_deref().map(CStr::to_string_lossy).unwrap_or_default().into_owned()
}

/// Makes the settings known to PostgreSQL.
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
    GucRegistry::define_string_guc(
        c"extensions.user_id",
        c"The user whose rows the session sees, where enable_user_isolation() has been called.",
        c"enable_user_isolation() can name another setting.",
        &USER_ID,
        GucContext::Userset,
        GucFlags::default(),
    );
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
            None,
            None,
        );
    }
}

/// Lets three capital letters pass.
#[pg_guard]
unsafe extern "C-unwind" fn check_currency(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes a C string, and reads the detail before anything can change it.
    unsafe {
        let letters = CStr::from_ptr(*value).to_bytes();
        let is_code = letters.len() == 3 && letters.iter().all(u8::is_ascii_uppercase);
        if !is_code {
            pg_sys::GUC_check_errdetail_string =
                c"A currency is a code of three capital letters, such as USD.".as_ptr().cast_mut();
        }
        is_code
    }
}
