//! Every refusal and its form: SQLSTATE, message, DETAIL and HINT.
//!
//! Each DETAIL ends with a line `code: <machine_code>`, for programs that need more than the SQLSTATE. If they also
//! need values, the line before it is `data: <JSON>`. A new error is a new entry of `errors!`, wherever it fits;
//! docs/errors.md is generated from the list. For that the harness compiles this file too, because the extension
//! itself links only inside a server. So nothing here depends on pgrx.

use std::fmt;

use uuid::Uuid;

use engine::currency::Unusable;
use engine::json::Malformed;
use engine::money::{Money, Unit};
use engine::stripe_checkout::Unpayable;
use engine::usage::units::Units;

/// Makes [`SqlState`].
macro_rules! sql_states {
    ($($state:ident $code:literal $about:literal)+) => {
        /// The SQLSTATEs in use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum SqlState {
            $(#[doc = concat!($code, ": ", $about, ".")] $state),+
        }

        impl SqlState {
            /// Its five characters, and what it stands for.
            pub const fn described(self) -> (&'static str, &'static str) {
                match self {
                    $(SqlState::$state => ($code, $about)),+
                }
            }
        }
    };
}

sql_states! {
    NumericValueOutOfRange "22003" "an amount does not fit"
    InvalidParameterValue "22023" "an invalid argument, whatever the data"
    ForeignKeyViolation "23503" "other rows refer to it"
    CheckViolation "23514" "a business rule does not allow it"
    TriggerProtocolViolated "39P01" "a trigger function called directly"
    EventTriggerProtocolViolated "39P03" "an event trigger function called directly"
    InsufficientPrivilege "42501" "the caller may not do that"
    SerializationFailure "40001" "a concurrent change that the transaction cannot see"
    ProgramLimitExceeded "54000" "a limit of the extension is exceeded"
    ObjectNotInPrerequisiteState "55000" "the object is in the wrong state"
    NoDataFound "P0002" "the object does not exist"
}

/// An error as documentation shows it: texts with the names of what is filled in, in braces.
pub struct Description {
    /// When it is raised.
    pub about: &'static str,
    /// Its SQLSTATE.
    pub state: SqlState,
    /// Its machine code.
    pub code: &'static str,
    /// Its message.
    pub message: &'static str,
    /// What DETAIL can say, but for the code.
    pub details: &'static [&'static str],
    /// The values for programs, if there are any.
    pub data: Option<&'static str>,
    /// What HINT can say.
    pub hints: &'static [&'static str],
}

/// Makes [`Error`] and [`ERRORS`] from entries
///
/// ```text
/// /// When it is raised.
/// Name { field: Type } => SqlState "machine_code" {
///     message: "what was wrong with which {field}";
///     detail: "Why that is refused.";
///     hint: "What to do about it.";
/// }
/// ```
///
/// Texts are those of `format!`, with names for all that is filled in: fields, and what follows as `name = expression`. Before
/// a detail or a hint others may stand that are told on a condition: `detail if *field > 0 => "Why.";`. After the detail `data` may
/// stand, the text of a JSON object: what a program would otherwise read from a sentence.
macro_rules! errors {
    ($(
        #[doc = $about:literal]
        $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })? => $state:ident $code:literal {
            message: $message:literal $(, $message_key:ident = $message_value:expr)*;
            $(detail if $detail_if:expr => $other_detail:literal $(, $other_detail_key:ident = $other_detail_value:expr)*;)*
            detail: $detail:literal $(, $detail_key:ident = $detail_value:expr)*;
            $(data: $data:literal;)?
            $(hint if $hint_if:expr => $other_hint:literal $(, $other_hint_key:ident = $other_hint_value:expr)*;)*
            hint: $hint:literal $(, $hint_key:ident = $hint_value:expr)*;
        }
    )+) => {
        /// A refusal. Its `Display` is the message: what was wrong with which value.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Error {
            $(#[doc = $about] $name $({ $($(#[$field_doc])* $field: $type),* })?),+
        }

        /// All of them.
        pub const ERRORS: &[Description] = &[
            $(Description {
                about: $about,
                state: SqlState::$state,
                code: $code,
                message: $message,
                details: &[$($other_detail,)* $detail],
                data: first(&[$($data)?]),
                hints: &[$($other_hint,)* $hint],
            }),+
        ];

        impl fmt::Display for Error {
            #[allow(unused_variables)]
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                match self {
                    $(Error::$name { $($($field),*)? } => write!(f, $message $(, $message_key = $message_value)*),)+
                }
            }
        }

        impl Error {
            /// The SQLSTATE and the machine code.
            pub fn codes(&self) -> (SqlState, &'static str) {
                match self {
                    $(Error::$name { .. } => (SqlState::$state, $code),)+
                }
            }

            #[allow(unused_variables)]
            fn why(&self) -> String {
                match self {
                    $(Error::$name { $($($field),*)? } => {
                        $(if $detail_if {
                            return format!($other_detail $(, $other_detail_key = $other_detail_value)*);
                        })*
                        format!($detail $(, $detail_key = $detail_value)*)
                    })+
                }
            }

            /// The values for programs, as a line of DETAIL.
            #[allow(unused_variables)]
            fn data(&self) -> String {
                match self {
                    $(Error::$name { $($($field),*)? } => String::new() $(+ "\ndata: " + &format!($data))?,)+
                }
            }

            /// What to do about it.
            #[allow(unused_variables)]
            pub fn hint(&self) -> String {
                match self {
                    $(Error::$name { $($($field),*)? } => {
                        $(if $hint_if {
                            return format!($other_hint $(, $other_hint_key = $other_hint_value)*);
                        })*
                        format!($hint $(, $hint_key = $hint_value)*)
                    })+
                }
            }
        }
    };
}

const fn first(texts: &[&'static str]) -> Option<&'static str> {
    match texts {
        [text, ..] => Some(text),
        [] => None,
    }
}

errors! {
    /// A required argument is NULL.
    NullArgument {
        /// The argument's name.
        argument: &'static str,
    } => InvalidParameterValue "null_argument" {
        message: "{argument} must not be NULL";
        detail: "The argument has no default, and nothing can be assumed for it.";
        hint: "Pass a value for {argument}.";
    }

    /// A user id that no table can hold.
    InvalidUserId {
        /// Its length in characters.
        length: usize,
    } => InvalidParameterValue "invalid_user_id" {
        message: "user_id must have 1 to 255 characters, not {length}";
        detail: "User ids are stored as varchar(255), and cannot be empty.";
        hint: "Pass the id under which the identity provider knows the user.";
    }

    /// A quantity that is not a number of units.
    InvalidQuantity {
        /// The smallest quantity that makes sense here.
        least: i32,
        /// The number given.
        quantity: i32,
    } => InvalidParameterValue "invalid_quantity" {
        message: "quantity must be at least {least}, not {quantity}";
        detail: "Quantities are whole units.";
        hint if *least == 0 => "Pass 0 to take the add-on out of the cart.";
        hint: "Pass the number of units, 1 for a single one.";
    }

    /// A level of access that does not exist.
    UnknownAccessLevel {
        /// The name given.
        level: String,
    } => InvalidParameterValue "unknown_access_level" {
        message: "there is no access level \"{level}\"";
        detail: "The levels are catalog, entitlements, shop, billing, support, monitor, tables and admin.";
        hint: "Pass one of the levels.";
    }

    /// Somebody who is not the owner grants or revokes access.
    NotOwner => InsufficientPrivilege "not_owner" {
        message: "must be owner of the marketplace's tables";
        detail: "Only the owner of a table can grant and revoke privileges on it.";
        hint: "Call it as the role that created the extension, or as a superuser.";
    }

    /// A task that concerns all users is called by a role that cannot see all of them.
    RowsHidden {
        /// What was to be done.
        task: &'static str,
    } => InsufficientPrivilege "rows_hidden" {
        message: "row-level security hides rows that {task} may be about";
        detail: "The session sees only the user whom a setting names; the rows of others would be missed.";
        hint: "Call it as a role that sees everybody: the owner of the tables, or one with BYPASSRLS.";
    }

    /// A call is about a different user than the one that the session acts for.
    OtherUser {
        /// The setting that names the user.
        setting: String,
        /// The user it names, if it is set.
        own: Option<String>,
    } => InsufficientPrivilege "other_user" {
        message: "the session may act only for the user whom {setting} names";
        detail if own.is_none() => "It names nobody.";
        detail: "It names \"{own}\", and the call is about another user, or something that does not exist.", own = own.clone().unwrap_or_default();
        hint: "Set {setting} to the user whom the call is about, or call it as a role with BYPASSRLS.";
    }

    /// A name that cannot be the name of a setting.
    InvalidSetting {
        /// The name given.
        setting: String,
    } => InvalidParameterValue "invalid_setting" {
        message: "\"{setting}\" cannot be a setting of its own";
        detail: "The names of settings that PostgreSQL does not know are identifiers joined by dots, at least two.";
        hint: "Choose a name such as extensions.user_id.";
    }

    /// A schema whose tables cannot be adopted.
    InvalidSourceSchema {
        /// The name given.
        schema: String,
        /// Why not.
        why: &'static str,
    } => InvalidParameterValue "invalid_source_schema" {
        message: "tables cannot be migrated from the schema \"{schema}\"";
        detail: "{why}";
        hint: "Pass the schema of the old tables; if it is that of the extension, move them into another first.";
    }

    /// A protected table would be dropped.
    MarketplaceProtected {
        /// The table.
        table: String,
    } => ObjectNotInPrerequisiteState "marketplace_protected" {
        message: "the marketplace is protected: {table} holds rows";
        detail: "protect_marketplace() was called to keep the tables from being dropped while they hold rows.";
        hint: "If the rows may go, call unprotect_marketplace() first. To keep them, call detach_tables().";
    }

    /// An event trigger's function is called like any other.
    NotCalledByTrigger => EventTriggerProtocolViolated "not_called_by_trigger" {
        message: "guard_marketplace() can only be called by an event trigger";
        detail: "It can only look at the command that fires the trigger.";
        hint: "Call protect_marketplace(), which creates the trigger.";
    }

    /// A row breaks a rule of its table.
    RowRefused {
        /// The table.
        table: String,
        /// The rule, which begins with the name of a column.
        rule: String,
        /// The constraint that holds the rule.
        constraint: String,
        /// The columns that it looks at, with their values.
        values: String,
        /// What to do about it.
        advice: String,
    } => CheckViolation "row_refused" {
        message: "{table}.{rule}";
        detail: "The constraint {constraint} refuses it: {values}.";
        data: "{{\"table\": {table:?}, \"constraint\": {constraint:?}}}";
        hint: "{advice}";
    }

    /// Somebody deletes an add-on that was sold.
    AddOnSold {
        /// Its name.
        name: String,
    } => ForeignKeyViolation "add_on_sold" {
        message: "add-on \"{name}\" was sold";
        detail: "Somebody owns it or has bought it, and what was sold is kept.";
        hint: "Withdraw it from sale instead: UPDATE add_ons SET is_active = false.";
    }

    /// Somebody renames or deletes a promotional code that was redeemed.
    CodeRedeemed {
        /// The code.
        promo_code: String,
    } => ForeignKeyViolation "code_redeemed" {
        message: "promotional code \"{promo_code}\" is named by purchases";
        detail: "Its uses and limits are counted by its name.";
        hint: "Switch it off instead: UPDATE promotional_codes SET is_active = false.";
    }

    /// A table trigger's function is called like any other.
    CalledWithoutTrigger {
        /// The function.
        function: &'static str,
    } => TriggerProtocolViolated "called_without_trigger" {
        message: "{function}() can only be called by a trigger";
        detail: "It looks at the row or the table that the trigger is about.";
        hint: "The extension's tables have the triggers that call it.";
    }

    /// The tables are no longer in the extension.
    TablesAlreadyDetached => ObjectNotInPrerequisiteState "tables_already_detached" {
        message: "the tables are already detached from the extension";
        detail: "Nothing was changed.";
        hint: "Call attach_tables() to attach them again.";
    }

    /// The tables are in the extension.
    TablesAlreadyAttached => ObjectNotInPrerequisiteState "tables_already_attached" {
        message: "the tables are already attached to the extension";
        detail: "Nothing was changed.";
        hint: "Call detach_tables() to detach them.";
    }

    /// The tables are not what the extension's functions expect.
    TablesDiffer {
        /// What they lack.
        differences: Vec<String>,
    } => ObjectNotInPrerequisiteState "tables_differ" {
        message: "the tables cannot be attached: they lack {number} of what they had", number = differences.len();
        detail: "They lack: {differences}.", differences = differences.join("; ");
        hint: "Put back what is missing, and call attach_tables() again.";
    }

    /// A number of rows that is not valid.
    InvalidCount {
        /// `max_rows`, `skip` or `batch`.
        argument: &'static str,
        /// The smallest number that makes sense.
        least: i32,
        /// The number given.
        rows: i32,
    } => InvalidParameterValue "invalid_count" {
        message: "{argument} must be at least {least}, not {rows}";
        detail: "{argument} counts rows.";
        hint: "Pass {least} or more.";
    }

    /// A JSON argument that does not have the shape it must have.
    MalformedArgument {
        /// The argument's name.
        argument: &'static str,
        /// What is wrong with it.
        malformed: Malformed,
        /// The shape it must have.
        shape: &'static str,
    } => InvalidParameterValue "malformed_argument" {
        message: "{argument} is malformed: {malformed}";
        detail: "The shape is {shape}.";
        hint: "Correct {argument} and call again.";
    }

    /// A document that is larger than the maximum.
    DocumentTooLarge {
        /// The argument or column.
        name: &'static str,
        /// Its bytes.
        size: usize,
        /// How many it may have.
        limit: usize,
    } => ProgramLimitExceeded "document_too_large" {
        message: "{name} is too large: {size} bytes, and at most {limit} are read";
        detail: "Documents are read as a whole, and the memory for that is limited.";
        hint: "Shorten {name}, or split it.";
    }

    /// A document that would take too much memory.
    DocumentTooCostly {
        /// The argument or column.
        name: &'static str,
        /// How many bytes of memory it may take.
        limit: usize,
    } => ProgramLimitExceeded "document_too_costly" {
        message: "{name} would take more than {limit} bytes of memory";
        detail: "It has so many values that they take many times its own size.";
        hint: "Shorten {name}, or split it.";
    }

    /// A text or an array that is larger than the maximum.
    ValueTooLarge {
        /// What it is.
        what: &'static str,
        /// Its bytes.
        size: usize,
        /// How many it may have.
        limit: usize,
    } => ProgramLimitExceeded "value_too_large" {
        message: "a value of type {what} is too large: {size} bytes, and at most {limit} are read";
        detail: "No argument, and no row of the tables, needs that many.";
        hint: "Look for it among the arguments, or in the rows that they are about.";
    }

    /// More lines than a cart can have.
    TooManyLines {
        /// How many there are.
        lines: usize,
        /// How many there may be.
        limit: usize,
    } => ProgramLimitExceeded "too_many_lines" {
        message: "{lines} lines are too many: a cart or a quote has at most {limit}";
        detail: "They are priced together, and the memory for that is limited.";
        hint: "Split them into several.";
    }

    /// More of the catalog than fits into memory.
    CatalogTooLarge {
        /// How many bytes of it are read at most.
        limit: usize,
    } => ProgramLimitExceeded "catalog_too_large" {
        message: "the catalog that the prices depend on takes more than {limit} bytes of memory";
        detail: "Add-ons, pricing rules and bundles are read together, with all their conditions.";
        hint: "Delete rules and bundles that no longer apply, and shorten conditions that name many add-ons.";
    }

    /// An explanation that is too long for a single text.
    ExplanationTooLong {
        /// How many bytes it may have.
        longest: usize,
    } => ProgramLimitExceeded "explanation_too_long" {
        message: "the explanation of the cart has more than {longest} bytes";
        detail: "A text has to fit into memory as a whole.";
        hint: "Call explain_cart(), which returns it row by row.";
    }

    /// A JSON column that does not have the shape it must have.
    MalformedColumn {
        /// `table.column`
        column: &'static str,
        /// What is wrong with it.
        malformed: Malformed,
    } => CheckViolation "malformed_column" {
        message: "{column} is malformed: {malformed}";
        detail: "Every writer of {column} is held to its known keys.";
        hint: "Correct the document; its keys are in the column's comment.";
    }

    /// A draft of a row that its table would refuse.
    DraftRefused {
        /// The argument's name.
        argument: &'static str,
        /// The constraint that refuses it.
        constraint: String,
        /// What it asks for, and what was given.
        why: String,
    } => CheckViolation "draft_refused" {
        message: "{argument} is refused: {why}";
        detail: "The table would refuse it by its constraint {constraint}.";
        hint: "Correct {argument} and call again.";
    }

    /// The row that a draft replaces does not exist.
    ReplacedNotFound {
        /// `pricing rule` or `bundle`.
        what: &'static str,
        /// The id looked for.
        id: Uuid,
    } => NoDataFound "replaced_not_found" {
        message: "{what} {id} does not exist";
        detail: "There is no such row to replace.";
        hint: "Pass the id of an existing row, or NULL to add the draft.";
    }

    /// No such add-on.
    AddOnNotFound {
        /// The id looked for.
        add_on_id: Uuid,
    } => NoDataFound "add_on_not_found" {
        message: "add-on {add_on_id} does not exist";
        detail: "No row of add_ons has this id.";
        hint: "Look up ids in add_ons or with search_add_ons().";
    }

    /// The add-on was withdrawn from sale.
    AddOnNotForSale {
        /// Its id.
        add_on_id: Uuid,
        /// Its name.
        name: String,
    } => ObjectNotInPrerequisiteState "add_on_not_for_sale" {
        message: "add-on \"{name}\" is not for sale";
        detail: "add_ons.is_active is false for {add_on_id}.";
        data: "{{\"add_on_id\": \"{add_on_id}\"}}";
        hint: "Leave it out, or put it back on sale.";
    }

    /// More of one add-on than a cart may hold.
    QuantityLimit {
        /// The add-on.
        add_on_id: Uuid,
        /// How many the cart would hold.
        quantity: i64,
        /// How many it may hold.
        limit: i32,
    } => CheckViolation "quantity_limit" {
        message: "a cart cannot hold {quantity} units of add-on {add_on_id}";
        detail: "The setting extensions.max_cart_quantity is {limit}.";
        data: "{{\"add_on_id\": \"{add_on_id}\", \"limit\": {limit}}}";
        hint: "Ask for fewer units, or have an administrator raise the setting.";
    }

    /// A line costs more than can be charged.
    AmountOutOfRange {
        /// The add-on's name.
        name: String,
        /// Its list price.
        unit_price: Money,
        /// The units of the line.
        quantity: u32,
        /// Whose cart the line is in, where many are priced.
        cart_of: Option<String>,
    } => NumericValueOutOfRange "amount_out_of_range" {
        message: "{quantity} units of \"{name}\" at {unit_price} cost more than {most}", most = Money::MAX;
        detail if cart_of.is_some() =>
            "Amounts of purchases are stored as numeric(10,2). It is in the cart of user \"{user_id}\".",
            user_id = cart_of.as_deref().unwrap_or_default();
        detail: "Amounts of purchases are stored as numeric(10,2).";
        hint: "Ask for fewer units.";
    }

    /// A list price that cannot be charged in the currency of prices.
    PriceNotChargeable {
        /// The add-on's name.
        name: String,
        /// Its list price.
        unit_price: Money,
        /// The smallest amount that can be charged.
        unit: Unit,
    } => ObjectNotInPrerequisiteState "price_not_chargeable" {
        message: "add-on \"{name}\" costs {unit_price}, which is no multiple of {smallest}", smallest = unit.amount();
        detail: "That is the smallest amount in the currency of prices.";
        hint: "Round add_ons.base_price, or correct extensions.currency.";
    }

    /// The setting names a currency that prices cannot have.
    CurrencyUnusable {
        /// The setting.
        code: String,
        /// Why not.
        why: Unusable,
    } => ObjectNotInPrerequisiteState "currency_unusable" {
        message: "extensions.currency is \"{code}\", which prices cannot have: {why}";
        detail: "It was set where it could not be checked.";
        hint: "Set it for the database: ALTER DATABASE ... SET extensions.currency = 'EUR'.";
    }

    /// A text that no column can hold.
    TextTooLong {
        /// The argument's name.
        argument: &'static str,
        /// How long it may be.
        longest: usize,
        /// How long it is.
        length: usize,
    } => InvalidParameterValue "text_too_long" {
        message: "{argument} must have at most {longest} characters, not {length}";
        detail: "It is stored in a column of that length.";
        hint: "Shorten {argument}.";
    }

    /// A number that is not an amount of money, or not a valid one here.
    InvalidAmount {
        /// The argument's name.
        argument: &'static str,
        /// What it should be.
        expected: &'static str,
        /// The number given.
        amount: String,
    } => InvalidParameterValue "invalid_amount" {
        message: "{argument} must be {expected}, not {amount}";
        detail: "Amounts are decimal numbers with at most two decimals.";
        hint: "Pass {argument} in the currency's units, such as 19.99.";
    }

    /// A number that is not a number of units.
    InvalidUnits {
        /// The argument's name.
        argument: &'static str,
        /// The number given.
        amount: String,
    } => InvalidParameterValue "invalid_units" {
        message: "{argument} must be a number from 0 to {most}, not {amount}", most = Units::MAX;
        detail: "Units are counted with at most six decimals.";
        hint: "Pass a number such as 1 or 0.25.";
    }

    /// More units would be in use than a counter can hold.
    UnitsOutOfRange {
        /// The feature.
        feature_key: String,
    } => NumericValueOutOfRange "units_out_of_range" {
        message: "more units of \"{feature_key}\" would be used than can be counted";
        detail: "The most is {most}.", most = Units::MAX;
        hint: "Use fewer units, or give some back with release_feature().";
    }

    /// A word that is not one of the allowed ones.
    UnknownWord {
        /// The argument's name.
        argument: &'static str,
        /// The words that can stand here.
        known: String,
        /// The word given.
        given: String,
    } => InvalidParameterValue "unknown_word" {
        message: "{argument} must be one of {known}, not \"{given}\"";
        detail: "No other value is allowed.";
        hint: "Correct {argument}.";
    }

    /// Access that would have ended before it begins.
    ExpiryNotAhead {
        /// The instant given.
        expires_at: String,
    } => InvalidParameterValue "expiry_not_ahead" {
        message: "expires_at must be in the future, but is {expires_at}";
        detail: "Access lasts until expires_at, exclusively.";
        hint: "Pass a time in the future, or NULL for access without end.";
    }

    /// An interval that goes backwards.
    NegativeInterval {
        /// The argument's name.
        argument: &'static str,
    } => InvalidParameterValue "negative_interval" {
        message: "{argument} must not be negative";
        detail: "It says how old something must be.";
        hint: "Pass an interval such as '30 days'.";
    }

    /// There is nothing to sell.
    EmptyCart {
        /// The user.
        user_id: String,
    } => ObjectNotInPrerequisiteState "empty_cart" {
        message: "the cart of user \"{user_id}\" is empty";
        detail: "It has no line whose add-on is for sale.";
        hint: "Add something to the cart with add_to_cart().";
    }

    /// The cart's lines cannot be paid in one session.
    MixedBilling {
        /// The ways of billing and their add-ons: `monthly (Brigade, Bolt)`.
        groups: Vec<String>,
    } => CheckViolation "mixed_billing" {
        message: "the cart mixes ways of billing that cannot be paid together: {groups}", groups = groups.join(", ");
        detail: "One-time and recurring lines, and monthly and annual lines, need separate payments.";
        hint: "Check them out one group after the other, or pass allow_mixed_billing => true.";
    }

    /// The price differs from the one that the caller expects.
    PriceChanged {
        /// The user.
        user_id: String,
        /// What the caller expects.
        expected: String,
        /// What it costs.
        total: Money,
        /// Why, where something else than the catalog is the reason.
        because: String,
    } => ObjectNotInPrerequisiteState "price_changed" {
        message: "the cart of user \"{user_id}\" now costs {total}, not {expected}";
        detail: "The total is {total}.{because}";
        data: "{{\"total\": {total}}}";
        hint: "Show the shopper the new price, and check out again.";
    }

    /// A bundle's last instances were sold while this cart was being sold.
    BundleSoldOut {
        /// The bundle.
        name: String,
        /// The user.
        user_id: String,
        /// What the cart costs without it.
        total: Money,
    } => ObjectNotInPrerequisiteState "price_changed" {
        message: "bundle \"{name}\" is sold out; the cart of user \"{user_id}\" now costs {total}";
        detail: "The total is {total}. Another checkout took the last instance.";
        data: "{{\"total\": {total}}}";
        hint: "Show the shopper the new price, and check out again.";
    }

    /// The promotional code cannot be used.
    PromoRefused {
        /// The code.
        code: String,
        /// Every reason.
        reasons: Vec<&'static str>,
    } => CheckViolation "promo_refused" {
        message: "promotional code \"{code}\" is refused: {reasons}", reasons = reasons.join(", ");
        detail: "Reasons: {reasons}.", reasons = reasons.join(", ");
        data: "{{\"reasons\": {reasons:?}}}";
        hint: "Check out without the code, or with another.";
    }

    /// An idempotency key was used with a different request before.
    IdempotencyKeyReused {
        /// The key.
        key: String,
        /// The checkout it was used for.
        checkout_id: Uuid,
    } => InvalidParameterValue "idempotency_key_reused" {
        message: "idempotency key \"{key}\" was used for another request";
        detail: "It made checkout {checkout_id} from other arguments.";
        hint: "Use a new key for a new request.";
    }

    /// An idempotency key was used by a checkout that the transaction cannot see.
    IdempotencyKeyUnseen {
        /// The key.
        key: String,
    } => SerializationFailure "idempotency_key_unseen" {
        message: "idempotency key \"{key}\" was used by a checkout that this transaction does not see";
        detail: "The transaction sees the state from when it began.";
        hint: "Repeat the transaction: it then returns the checkout.";
    }

    /// A trigger that is not the extension's has suppressed rows.
    RowSwallowed {
        /// The table.
        table: &'static str,
        /// How many rows were to be written.
        meant: u64,
        /// How many were.
        written: u64,
    } => ObjectNotInPrerequisiteState "row_swallowed" {
        message: "only {written} of {meant} rows of {table} were written";
        detail: "A BEFORE trigger that returns NULL, or a rule, has suppressed the others.";
        hint: "Let the trigger raise an error instead, or drop it: look for it with \\d {table}.";
    }

    /// No such checkout.
    CheckoutNotFound {
        /// The id looked for.
        checkout_id: Uuid,
    } => NoDataFound "checkout_not_found" {
        message: "checkout {checkout_id} does not exist";
        detail: "No row of add_on_purchases has this checkout_id.";
        hint: "Pass the checkout_id that checkout() returned.";
    }

    /// The checkout is no longer waiting for its payment.
    CheckoutState {
        /// The checkout.
        checkout_id: Uuid,
        /// What became of it.
        status: &'static str,
        /// What it cannot become.
        wanted: &'static str,
    } => ObjectNotInPrerequisiteState "checkout_state" {
        message: "checkout {checkout_id} is {status} and cannot be {wanted}";
        detail: "A checkout is completed or failed once, and never both.";
        hint: "Look at its purchases; start a new checkout if it has failed.";
    }

    /// Stripe cannot take the payment for a checkout in one session.
    NotPayable {
        /// The checkout.
        checkout_id: Uuid,
        /// Why not.
        why: Unpayable,
    } => CheckViolation "not_payable" {
        message: "checkout {checkout_id} cannot be paid at Stripe: {why}";
        detail: "A session takes an amount that Stripe can charge, in whole minor units, for lines that are billed alike.";
        hint if matches!(why, Unpayable::BelowMinimum { .. }) =>
            "Sell more at once, or give it away: a checkout of 0.00 is completed at once.";
        hint if matches!(why, Unpayable::Fraction { .. }) =>
            "Price in whole units of the currency, and fail this checkout.";
        hint: "Fail this checkout, and sell its lines in several.";
    }

    /// A text that is not a URL.
    InvalidUrl {
        /// The argument's name.
        argument: &'static str,
        /// How the address begins.
        url: String,
    } => InvalidParameterValue "invalid_url" {
        message: "{argument} must be an absolute URL, not \"{url}\"";
        detail: "Stripe sends the shopper there.";
        hint: "Begin with https://, and encode blanks.";
    }

    /// The checkout was paid with another payment than the caller says.
    PaymentMismatch {
        /// The checkout.
        checkout_id: Uuid,
        /// The argument's name.
        argument: &'static str,
        /// What is stored.
        stored: String,
        /// What the caller says.
        given: String,
    } => ObjectNotInPrerequisiteState "payment_mismatch" {
        message: "checkout {checkout_id} was completed with {argument} \"{stored}\", not \"{given}\"";
        detail: "A checkout is paid once.";
        hint: "If both payments are real, refund one of them.";
    }

    /// The payment has paid for something else already.
    PaymentUsed {
        /// The payment.
        payment_id: String,
        /// The checkout, or the purchase without one, that it has paid for.
        used_by: Uuid,
    } => CheckViolation "payment_used" {
        message: "payment \"{payment_id}\" has paid for {used_by} already";
        detail: "One payment pays for one checkout.";
        hint: "Look for the payment of this checkout, or complete it without naming one.";
    }

    /// The user has the add-on for good.
    AlreadyOwned {
        /// The user.
        user_id: String,
        /// The add-on's name.
        name: String,
    } => CheckViolation "already_owned" {
        message: "user \"{user_id}\" has \"{name}\" without end already";
        detail: "A one-time purchase of it would buy nothing.";
        hint: "Take it out of the cart with remove_from_cart().";
    }

    /// The add-on cannot be tried.
    NoTrial {
        /// Its name.
        name: String,
    } => CheckViolation "no_trial" {
        message: "\"{name}\" cannot be tried";
        detail: "It has no trial_days.";
        hint: "Set add_ons.trial_days, or sell it.";
    }

    /// The user has or had the add-on.
    TrialRefused {
        /// The user.
        user_id: String,
        /// The add-on's name.
        name: String,
    } => CheckViolation "trial_refused" {
        message: "user \"{user_id}\" has tried or owned \"{name}\" already";
        detail: "Only users who never had an add-on can try it, and only once.";
        hint: "Sell it to the user, or grant it with grant_add_on().";
    }

    /// No such purchase.
    PurchaseNotFound {
        /// The id looked for.
        purchase_id: Uuid,
    } => NoDataFound "purchase_not_found" {
        message: "purchase {purchase_id} does not exist";
        detail: "No row of add_on_purchases has this id.";
        hint: "Look up purchases with purchase_history().";
    }

    /// The status of the purchase does not allow it.
    PurchaseState {
        /// The purchase.
        purchase_id: Uuid,
        /// Its status.
        status: &'static str,
        /// What cannot be done with it.
        wanted: &'static str,
    } => ObjectNotInPrerequisiteState "purchase_state" {
        message: "purchase {purchase_id} is {status} and cannot be {wanted}";
        detail: "Its status is {status}.";
        hint: "Look at the purchase again: another session may have changed it.";
    }

    /// More would be refunded than was paid.
    RefundExceedsAmount {
        /// The purchase.
        purchase_id: Uuid,
        /// What the caller wants to refund.
        requested: Money,
        /// What can still be refunded.
        refundable: Money,
    } => CheckViolation "refund_exceeds_amount" {
        message: "{requested} cannot be refunded of purchase {purchase_id}";
        detail: "At most {refundable} can still be refunded.";
        data: "{{\"refundable\": {refundable}}}";
        hint: "Refund less, or pass NULL for all that is left.";
    }

    /// The user does not have the add-on.
    NotOwned {
        /// The user.
        user_id: String,
        /// The add-on.
        add_on_id: Uuid,
    } => NoDataFound "not_owned" {
        message: "user \"{user_id}\" does not have add-on {add_on_id}";
        detail: "No row of user_add_ons has this user and this add-on.";
        hint: "Grant it with grant_add_on(), or let the user buy it.";
    }

    /// The job scheduler is missing.
    SchedulerMissing => ObjectNotInPrerequisiteState "scheduler_missing" {
        message: "extension \"pg_cron\" is not installed in this database";
        detail: "schedule_maintenance() hands the job to it.";
        hint: "Install pg_cron (on Debian: postgresql-NN-cron) and run CREATE EXTENSION pg_cron; or, where it lives in \
               another database, call cron.schedule_in_database() there; or call run_maintenance() from another \
               scheduler.";
    }

    /// A number of shards that Citus does not accept.
    InvalidShardCount {
        /// What was given.
        shard_count: String,
    } => InvalidParameterValue "invalid_shard_count" {
        message: "shard_count must be from 1 to 64000";
        detail: "It is {shard_count}.";
        hint: "Choose several times as many shards as there will ever be nodes.";
    }

    /// Tables cannot be distributed, because Citus is not installed.
    CitusMissing => ObjectNotInPrerequisiteState "citus_missing" {
        message: "the extension citus is not installed in this database";
        detail: "Only Citus can distribute the tables over nodes.";
        hint: "Add citus to shared_preload_libraries on every node, restart, and create the extension in this database of \
               each.";
    }

    /// Tables cannot be distributed from this node.
    NotCoordinator => ObjectNotInPrerequisiteState "not_coordinator" {
        message: "this node is not the coordinator of the cluster";
        detail: "Only the coordinator can distribute tables, once it is in its own list of nodes.";
        hint: "Call it on the coordinator. If this is it, call citus_set_coordinator_host() first.";
    }

    /// Something prevents the tables from being distributed.
    NotDistributable {
        /// Everything that is in the way, in words.
        obstacles: String,
    } => ObjectNotInPrerequisiteState "not_distributable" {
        message: "the tables cannot be distributed as they are";
        detail: "{obstacles}";
        hint: "Remove the obstacles and call again; nothing was changed.";
    }

    /// Another node could not be prepared.
    NodeNotPrepared {
        /// The node.
        node: String,
        /// What it said.
        failure: String,
    } => ObjectNotInPrerequisiteState "node_not_prepared" {
        message: "{node} could not be prepared";
        detail: "{failure}";
        hint: "Correct that and call again, in a transaction of its own.";
    }

    /// A status that cannot follow the current status of a purchase.
    IllegalTransition {
        /// The purchase.
        purchase_id: Uuid,
        /// The status it has.
        from: String,
        /// The status it cannot get.
        to: String,
        /// The statuses it can get.
        allowed: Vec<&'static str>,
    } => CheckViolation "illegal_transition" {
        message: "purchase {purchase_id} cannot go from {from} to {to}";
        detail if allowed.is_empty() => "{from} is final.";
        detail: "From {from} it can go to {allowed}.", allowed = allowed.join(", ");
        hint: "Look at the purchase again: another session may have changed it.";
    }

    /// The new user is the same as the old one.
    SameUser {
        /// The user.
        user_id: String,
    } => InvalidParameterValue "same_user" {
        message: "replacement must be somebody else than \"{user_id}\"";
        detail: "Purchases stay under the replacement, so that they no longer name the person.";
        hint: "Pass another name, or NULL for a new one.";
    }

    /// A column of a table was changed.
    SchemaChanged {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The type that the functions expect.
        expected: String,
        /// Its type, `missing` or `generated`.
        found: String,
    } => ObjectNotInPrerequisiteState "schema_changed" {
        message: "column {column} of table {table} is {found}, not {expected}";
        detail: "The extension's functions read and write it as {expected}.";
        hint if found == "missing" => "Run ALTER EXTENSION extensions UPDATE if it was not run since the files were updated; otherwise add the column again or give it its name back. check_marketplace() lists all such columns.";
        hint if found == "generated" => "Make it an ordinary column again; check_marketplace() lists all such columns.";
        hint: "Change it back: ALTER TABLE {table} ALTER COLUMN {column} TYPE {expected}; check_marketplace() lists all such columns.";
    }

    /// A table is gone, or something else stands under its name.
    TableMissing {
        /// The table.
        table: String,
    } => ObjectNotInPrerequisiteState "schema_changed" {
        message: "there is no table {table} in the extension's schema";
        detail: "The extension's functions use plain and partitioned tables only, by their names.";
        hint: "Give the table its name back, or move it back into the schema.";
    }

    /// A result has another column than the statement was written for.
    ResultChanged {
        /// The column's name or place.
        column: String,
        /// The type that the functions expect.
        expected: String,
        /// Its type, or `missing`.
        found: String,
    } => ObjectNotInPrerequisiteState "schema_changed" {
        message: "column {column} of a result is {found}, not {expected}";
        detail: "A table of the extension was changed while the function ran.";
        hint: "Call again; if it happens again, check_marketplace() reports which column was changed.";
    }

    /// A column holds NULL that must not.
    UnexpectedNull {
        /// The column.
        column: String,
    } => ObjectNotInPrerequisiteState "schema_changed" {
        message: "column {column} of a result is NULL";
        detail: "The extension's functions rely on the NOT NULL constraints of its tables.";
        hint: "Correct the rows and put the constraint back; check_marketplace() reports which is missing.";
    }

    /// The schema was renamed, and functions do not know its new name yet.
    SchemaRenamed {
        /// Its name now.
        schema: String,
    } => ObjectNotInPrerequisiteState "schema_renamed" {
        message: "functions of the extension do not know yet that its schema is called {schema}";
        detail: "They are written in SQL and have its former name in their bodies, which only a transaction that may write can change.";
        hint: "Call {schema}.check_marketplace() once in an ordinary transaction on the primary.";
    }

    /// The extension is not installed in this database.
    NotInstalled => ObjectNotInPrerequisiteState "not_installed" {
        message: "extension \"extensions\" is not installed in this database";
        detail: "Its library is loaded, but pg_extension has no row for it.";
        hint: "Run CREATE EXTENSION extensions.";
    }
}

impl std::error::Error for Error {}

impl Error {
    /// Why it was refused, and the machine code on a line of its own.
    pub fn detail(&self) -> String {
        format!("{}{}\ncode: {}", self.why(), self.data(), self.codes().1)
    }

    /// The same, and whose cart it is about.
    pub fn in_cart_of(mut self, user_id: &str) -> Error {
        if let Error::AmountOutOfRange { cart_of, .. } = &mut self {
            *cart_of = Some(user_id.to_owned());
        }
        self
    }
}

impl From<engine::error::Error> for Error {
    fn from(error: engine::error::Error) -> Error {
        use engine::error::Error as Engine;
        match error {
            Engine::AddOnNotFound { add_on_id } => Error::AddOnNotFound { add_on_id },
            Engine::AddOnNotForSale { add_on_id, name } => Error::AddOnNotForSale { add_on_id, name },
            Engine::AmountOutOfRange { name, unit_price, quantity } => {
                Error::AmountOutOfRange { name, unit_price, quantity, cart_of: None }
            }
            Engine::PriceNotChargeable { name, unit_price, unit } => {
                Error::PriceNotChargeable { name, unit_price, unit }
            }
        }
    }
}
