//! Everything that can be refused, and how it is told: SQLSTATE, message, DETAIL and HINT.
//!
//! Each DETAIL ends with a line `code: <machine_code>`, for programs that need more than the SQLSTATE.

use uuid::Uuid;

use engine::json::Malformed;
use engine::money::Money;

/// The SQLSTATEs in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlState {
    /// 22003: an amount does not fit.
    NumericValueOutOfRange,
    /// 22023: an argument makes no sense, whatever the data.
    InvalidParameterValue,
    /// 23514: a rule of the business refuses.
    CheckViolation,
    /// 42501: the caller may not do that.
    InsufficientPrivilege,
    /// 55000: the thing is in the wrong state.
    ObjectNotInPrerequisiteState,
    /// P0002: there is no such thing.
    NoDataFound,
    /// 39P03: an event trigger's function is called by somebody else.
    EventTriggerProtocolViolated,
}

/// A refusal. Its `Display` is the message: what was wrong with which value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A required argument is NULL.
    #[error("{argument} must not be NULL")]
    NullArgument {
        /// The argument's name.
        argument: &'static str,
    },

    /// A user id that no table can hold.
    #[error("user_id must have 1 to 255 characters, not {length}")]
    InvalidUserId {
        /// Its length in characters.
        length: usize,
    },

    /// A quantity that is not a number of units.
    #[error("quantity must be at least {least}, not {quantity}")]
    InvalidQuantity {
        /// The smallest quantity that makes sense here.
        least: i32,
        /// The number given.
        quantity: i32,
    },

    /// A level of access that does not exist.
    #[error("there is no access level \"{level}\"")]
    UnknownAccessLevel {
        /// The name given.
        level: String,
    },

    /// Somebody hands out rights to what is not theirs.
    #[error("must be owner of the marketplace's tables")]
    NotOwner,

    /// Somebody does what concerns all users, and cannot see them all.
    #[error("row-level security hides rows that {task} may be about")]
    RowsHidden {
        /// What was to be done.
        task: &'static str,
    },

    /// A setting that nobody could set.
    #[error("\"{setting}\" cannot be a setting of its own")]
    InvalidSetting {
        /// The name given.
        setting: String,
    },

    /// A schema from which no tables can be taken over.
    #[error("tables cannot be taken over from the schema \"{schema}\"")]
    InvalidSourceSchema {
        /// The name given.
        schema: String,
        /// Why not.
        why: &'static str,
    },

    /// A table is to be dropped that is protected.
    #[error("the marketplace is protected: {table} holds rows")]
    MarketplaceProtected {
        /// The table.
        table: String,
    },

    /// An event trigger's function is called like any other.
    #[error("guard_marketplace() can only be called by an event trigger")]
    NotCalledByTrigger,

    /// The tables are no longer in the extension.
    #[error("the tables are detached from the extension already")]
    TablesAlreadyDetached,

    /// The tables are in the extension.
    #[error("the tables are attached to the extension already")]
    TablesAlreadyAttached,

    /// The tables are not what the extension's functions expect.
    #[error("the tables cannot be attached: they lack {} of what they had", differences.len())]
    TablesDiffer {
        /// What they lack.
        differences: Vec<String>,
    },

    /// A number of rows that cannot be asked for.
    #[error("{argument} must be at least {least}, not {rows}")]
    InvalidCount {
        /// `max_rows`, `skip` or `batch`.
        argument: &'static str,
        /// The smallest number that makes sense.
        least: i32,
        /// The number given.
        rows: i32,
    },

    /// A JSON argument that does not have the shape it must have.
    #[error("{argument} is malformed: {malformed}")]
    MalformedArgument {
        /// The argument's name.
        argument: &'static str,
        /// What is wrong with it.
        malformed: Malformed,
        /// The shape it must have.
        shape: &'static str,
    },

    /// A JSON column that does not have the shape it must have.
    #[error("{column} is malformed: {malformed}")]
    MalformedColumn {
        /// `table.column`
        column: &'static str,
        /// What is wrong with it.
        malformed: Malformed,
    },

    /// A draft of a row that its table would refuse.
    #[error("{argument} is refused: {why}")]
    DraftRefused {
        /// The argument's name.
        argument: &'static str,
        /// The constraint that refuses it.
        constraint: &'static str,
        /// What it asks for, and what was given.
        why: String,
    },

    /// A draft is to replace a row that is not there.
    #[error("{what} {id} does not exist")]
    ReplacedNotFound {
        /// `pricing rule` or `bundle`.
        what: &'static str,
        /// The id looked for.
        id: Uuid,
    },

    /// No such add-on.
    #[error("add-on {add_on_id} does not exist")]
    AddOnNotFound {
        /// The id looked for.
        add_on_id: Uuid,
    },

    /// The add-on was withdrawn from sale.
    #[error("add-on \"{name}\" is not for sale")]
    AddOnNotForSale {
        /// Its id.
        add_on_id: Uuid,
        /// Its name.
        name: String,
    },

    /// More of one add-on than a cart may hold.
    #[error("a cart cannot hold {quantity} units of add-on {add_on_id}")]
    QuantityLimit {
        /// The add-on.
        add_on_id: Uuid,
        /// How many the cart would hold.
        quantity: i64,
        /// How many it may hold.
        limit: i32,
    },

    /// A line costs more than can be charged.
    #[error("{quantity} units of \"{name}\" at {unit_price} cost more than {}", Money::MAX)]
    AmountOutOfRange {
        /// The add-on's name.
        name: String,
        /// Its list price.
        unit_price: Money,
        /// The units of the line.
        quantity: u32,
        /// Whose cart the line is in, where many are priced.
        cart_of: Option<String>,
    },

    /// A text that no column can hold.
    #[error("{argument} must have at most {longest} characters, not {length}")]
    TextTooLong {
        /// The argument's name.
        argument: &'static str,
        /// How long it may be.
        longest: usize,
        /// How long it is.
        length: usize,
    },

    /// A number that is no amount of money, or not one that makes sense here.
    #[error("{argument} must be {expected}, not {amount}")]
    InvalidAmount {
        /// The argument's name.
        argument: &'static str,
        /// What it should be.
        expected: &'static str,
        /// The number given.
        amount: String,
    },

    /// A word that is none of those that can stand here.
    #[error("{argument} must be one of {known}, not \"{given}\"")]
    UnknownWord {
        /// The argument's name.
        argument: &'static str,
        /// The words that can stand here.
        known: String,
        /// The word given.
        given: String,
    },

    /// Access that would have ended before it begins.
    #[error("expires_at must be ahead, but is {expires_at}")]
    ExpiryNotAhead {
        /// The instant given.
        expires_at: String,
    },

    /// An interval that goes backwards.
    #[error("{argument} must not be negative")]
    NegativeInterval {
        /// The argument's name.
        argument: &'static str,
    },

    /// There is nothing to sell.
    #[error("the cart of user \"{user_id}\" is empty")]
    EmptyCart {
        /// The user.
        user_id: String,
    },

    /// The cart's lines cannot be paid in one session.
    #[error("the cart mixes ways of billing that cannot be paid together: {}", .groups.join(", "))]
    MixedBilling {
        /// The ways of billing and their add-ons: `monthly (Brigade, Bolt)`.
        groups: Vec<String>,
    },

    /// The price is not the one that the caller expects.
    #[error("the cart of user \"{user_id}\" now costs {total}, not {expected}")]
    PriceChanged {
        /// The user.
        user_id: String,
        /// What the caller expects.
        expected: String,
        /// What it costs.
        total: Money,
        /// Why, where something else than the catalog is the reason.
        because: String,
    },

    /// A bundle's last instances were sold while this cart was being sold.
    #[error("bundle \"{name}\" is sold out; the cart of user \"{user_id}\" now costs {total}")]
    BundleSoldOut {
        /// The bundle.
        name: String,
        /// The user.
        user_id: String,
        /// What the cart costs without it.
        total: Money,
    },

    /// The promotional code cannot be used.
    #[error("promotional code \"{code}\" is refused: {}", .reasons.join(", "))]
    PromoRefused {
        /// The code.
        code: String,
        /// Every reason.
        reasons: Vec<&'static str>,
    },

    /// An idempotency key came with another request than before.
    #[error("idempotency key \"{key}\" was used for another request")]
    IdempotencyKeyReused {
        /// The key.
        key: String,
        /// The checkout it was used for.
        checkout_id: Uuid,
    },

    /// No such checkout.
    #[error("checkout {checkout_id} does not exist")]
    CheckoutNotFound {
        /// The id looked for.
        checkout_id: Uuid,
    },

    /// The checkout is no longer waiting for its payment.
    #[error("checkout {checkout_id} is {status} and cannot be {wanted}")]
    CheckoutState {
        /// The checkout.
        checkout_id: Uuid,
        /// What became of it.
        status: &'static str,
        /// What it cannot become.
        wanted: &'static str,
    },

    /// The checkout was paid in another way than the caller says.
    #[error("checkout {checkout_id} was completed with {argument} \"{stored}\", not \"{given}\"")]
    PaymentMismatch {
        /// The checkout.
        checkout_id: Uuid,
        /// The argument's name.
        argument: &'static str,
        /// What is stored.
        stored: String,
        /// What the caller says.
        given: String,
    },

    /// No such purchase.
    #[error("purchase {purchase_id} does not exist")]
    PurchaseNotFound {
        /// The id looked for.
        purchase_id: Uuid,
    },

    /// The purchase is in no state for that.
    #[error("purchase {purchase_id} is {status} and cannot be {wanted}")]
    PurchaseState {
        /// The purchase.
        purchase_id: Uuid,
        /// Its status.
        status: &'static str,
        /// What cannot be done with it.
        wanted: &'static str,
    },

    /// More would be paid back than was paid.
    #[error("{requested} cannot be refunded of purchase {purchase_id}")]
    RefundExceedsAmount {
        /// The purchase.
        purchase_id: Uuid,
        /// What the caller wants to refund.
        requested: Money,
        /// What can still be refunded.
        refundable: Money,
    },

    /// The user does not have the add-on.
    #[error("user \"{user_id}\" does not have add-on {add_on_id}")]
    NotOwned {
        /// The user.
        user_id: String,
        /// The add-on.
        add_on_id: Uuid,
    },

    /// The job scheduler is missing.
    #[error("extension \"pg_cron\" is not installed in this database")]
    SchedulerMissing,

    /// A number of shards that Citus does not take.
    #[error("shard_count must be from 1 to 64000")]
    InvalidShardCount {
        /// What was given.
        shard_count: String,
    },

    /// Tables are to be spread over nodes, and Citus is not there.
    #[error("the extension citus is not installed in this database")]
    CitusMissing,

    /// Tables are to be spread by a node that cannot do it.
    #[error("this node is not the coordinator of the cluster")]
    NotCoordinator,

    /// Something keeps the tables from being spread.
    #[error("the tables cannot be spread as they are")]
    NotDistributable {
        /// Everything that is in the way, in words.
        obstacles: String,
    },

    /// Another node did not do what was asked of it.
    #[error("{node} could not be prepared")]
    NodeNotPrepared {
        /// The node.
        node: String,
        /// What it said.
        failure: String,
    },

    /// A purchase went from one status to another that cannot follow it.
    #[error("purchase {purchase_id} cannot go from {from} to {to}")]
    IllegalTransition {
        /// The purchase.
        purchase_id: Uuid,
        /// The status it has.
        from: String,
        /// The status it cannot get.
        to: String,
        /// The statuses it can get.
        allowed: Vec<&'static str>,
    },

    /// The extension is not installed in this database.
    #[error("extension \"extensions\" is not installed in this database")]
    NotInstalled,
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
        }
    }
}

const AMOUNT_COLUMN: &str = "Amounts of purchases are stored as numeric(10,2).";

impl Error {
    /// The same, and whose cart it is about.
    pub fn in_cart_of(mut self, user_id: &str) -> Error {
        if let Error::AmountOutOfRange { cart_of, .. } = &mut self {
            *cart_of = Some(user_id.to_owned());
        }
        self
    }

    /// The SQLSTATE and the machine code.
    pub fn codes(&self) -> (SqlState, &'static str) {
        use SqlState::*;
        match self {
            Error::NullArgument { .. } => (InvalidParameterValue, "null_argument"),
            Error::InvalidUserId { .. } => (InvalidParameterValue, "invalid_user_id"),
            Error::InvalidQuantity { .. } => (InvalidParameterValue, "invalid_quantity"),
            Error::InvalidCount { .. } => (InvalidParameterValue, "invalid_count"),
            Error::MalformedArgument { .. } => (InvalidParameterValue, "malformed_argument"),
            Error::UnknownAccessLevel { .. } => (InvalidParameterValue, "unknown_access_level"),
            Error::NotOwner => (InsufficientPrivilege, "not_owner"),
            Error::RowsHidden { .. } => (InsufficientPrivilege, "rows_hidden"),
            Error::InvalidSetting { .. } => (InvalidParameterValue, "invalid_setting"),
            Error::InvalidSourceSchema { .. } => (InvalidParameterValue, "invalid_source_schema"),
            Error::MarketplaceProtected { .. } => (ObjectNotInPrerequisiteState, "marketplace_protected"),
            Error::NotCalledByTrigger => (EventTriggerProtocolViolated, "not_called_by_trigger"),
            Error::TablesAlreadyDetached => (ObjectNotInPrerequisiteState, "tables_already_detached"),
            Error::TablesAlreadyAttached => (ObjectNotInPrerequisiteState, "tables_already_attached"),
            Error::TablesDiffer { .. } => (ObjectNotInPrerequisiteState, "tables_differ"),
            Error::MalformedColumn { .. } => (CheckViolation, "malformed_column"),
            Error::DraftRefused { .. } => (CheckViolation, "draft_refused"),
            Error::ReplacedNotFound { .. } => (NoDataFound, "replaced_not_found"),
            Error::AddOnNotFound { .. } => (NoDataFound, "add_on_not_found"),
            Error::AddOnNotForSale { .. } => (ObjectNotInPrerequisiteState, "add_on_not_for_sale"),
            Error::QuantityLimit { .. } => (CheckViolation, "quantity_limit"),
            Error::AmountOutOfRange { .. } => (NumericValueOutOfRange, "amount_out_of_range"),
            Error::TextTooLong { .. } => (InvalidParameterValue, "text_too_long"),
            Error::InvalidAmount { .. } => (InvalidParameterValue, "invalid_amount"),
            Error::UnknownWord { .. } => (InvalidParameterValue, "unknown_word"),
            Error::ExpiryNotAhead { .. } => (InvalidParameterValue, "expiry_not_ahead"),
            Error::NegativeInterval { .. } => (InvalidParameterValue, "negative_interval"),
            Error::EmptyCart { .. } => (ObjectNotInPrerequisiteState, "empty_cart"),
            Error::MixedBilling { .. } => (CheckViolation, "mixed_billing"),
            Error::PriceChanged { .. } => (ObjectNotInPrerequisiteState, "price_changed"),
            Error::BundleSoldOut { .. } => (ObjectNotInPrerequisiteState, "price_changed"),
            Error::PromoRefused { .. } => (CheckViolation, "promo_refused"),
            Error::IdempotencyKeyReused { .. } => (InvalidParameterValue, "idempotency_key_reused"),
            Error::CheckoutNotFound { .. } => (NoDataFound, "checkout_not_found"),
            Error::CheckoutState { .. } => (ObjectNotInPrerequisiteState, "checkout_state"),
            Error::PaymentMismatch { .. } => (ObjectNotInPrerequisiteState, "payment_mismatch"),
            Error::PurchaseNotFound { .. } => (NoDataFound, "purchase_not_found"),
            Error::PurchaseState { .. } => (ObjectNotInPrerequisiteState, "purchase_state"),
            Error::RefundExceedsAmount { .. } => (CheckViolation, "refund_exceeds_amount"),
            Error::NotOwned { .. } => (NoDataFound, "not_owned"),
            Error::SchedulerMissing => (ObjectNotInPrerequisiteState, "scheduler_missing"),
            Error::InvalidShardCount { .. } => (InvalidParameterValue, "invalid_shard_count"),
            Error::CitusMissing => (ObjectNotInPrerequisiteState, "citus_missing"),
            Error::NotCoordinator => (ObjectNotInPrerequisiteState, "not_coordinator"),
            Error::NotDistributable { .. } => (ObjectNotInPrerequisiteState, "not_distributable"),
            Error::NodeNotPrepared { .. } => (ObjectNotInPrerequisiteState, "node_not_prepared"),
            Error::IllegalTransition { .. } => (CheckViolation, "illegal_transition"),
            Error::NotInstalled => (ObjectNotInPrerequisiteState, "not_installed"),
        }
    }

    /// Why it was refused, and the machine code on a line of its own.
    pub fn detail(&self) -> String {
        let why = match self {
            Error::NullArgument { .. } => "The argument has no default, and nothing can be assumed for it.".into(),
            Error::InvalidUserId { .. } => "User ids are stored as varchar(255), and nobody has the empty one.".into(),
            Error::InvalidQuantity { .. } => "Quantities are whole units.".into(),
            Error::InvalidCount { argument, .. } => format!("{argument} counts rows."),
            Error::MalformedArgument { shape, .. } => format!("The shape is {shape}."),
            Error::UnknownAccessLevel { .. } => "The levels are catalog, entitlements, shop, billing and admin.".into(),
            Error::NotOwner => "Only the owner of a table can grant and revoke privileges on it.".into(),
            Error::RowsHidden { .. } => {
                "The session sees only the user whom a setting names; what is somebody else's would be missed.".into()
            }
            Error::InvalidSetting { .. } => {
                "The names of settings that PostgreSQL does not know are identifiers joined by dots, at least two."
                    .into()
            }
            Error::InvalidSourceSchema { why, .. } => (*why).into(),
            Error::MarketplaceProtected { .. } => {
                "protect_marketplace() was called to keep the tables from being dropped while they hold rows.".into()
            }
            Error::NotCalledByTrigger => "It has nothing to look at but the command that fires the trigger.".into(),
            Error::TablesAlreadyDetached | Error::TablesAlreadyAttached => "Nothing was changed.".into(),
            Error::TablesDiffer { differences } => format!("They lack: {}.", differences.join("; ")),
            Error::MalformedColumn { column, .. } => format!("Every writer of {column} is held to its known keys."),
            Error::DraftRefused { constraint, .. } => {
                format!("The table would refuse it by its constraint {constraint}.")
            }
            Error::ReplacedNotFound { .. } => "There is no such row to replace.".into(),
            Error::AddOnNotFound { .. } => "No row of add_ons has this id.".into(),
            Error::AddOnNotForSale { add_on_id, .. } => format!("add_ons.is_active is false for {add_on_id}."),
            Error::QuantityLimit { limit, .. } => format!("The setting extensions.max_cart_quantity is {limit}."),
            Error::AmountOutOfRange { cart_of: None, .. } => AMOUNT_COLUMN.into(),
            Error::AmountOutOfRange { cart_of: Some(user_id), .. } => {
                format!("{AMOUNT_COLUMN} It is in the cart of user \"{user_id}\".")
            }
            Error::TextTooLong { .. } => "It is stored in a column of that length.".into(),
            Error::InvalidAmount { .. } => "Amounts are decimal numbers with at most two decimals.".into(),
            Error::UnknownWord { .. } => "Nothing else is stored there.".into(),
            Error::ExpiryNotAhead { .. } => "Access lasts until expires_at, exclusively.".into(),
            Error::NegativeInterval { .. } => "It says how old something must be.".into(),
            Error::EmptyCart { .. } => "It has no line whose add-on is for sale.".into(),
            Error::MixedBilling { .. } => {
                "One-time and recurring lines, and monthly and annual lines, need payments of their own.".into()
            }
            Error::PriceChanged { total, because, .. } => format!("The total is {total}.{because}"),
            Error::BundleSoldOut { total, .. } => {
                format!("The total is {total}. Another checkout took the last instance.")
            }
            Error::PromoRefused { reasons, .. } => format!("Reasons: {}.", reasons.join(", ")),
            Error::IdempotencyKeyReused { checkout_id, .. } => {
                format!("It made checkout {checkout_id} from other arguments.")
            }
            Error::CheckoutNotFound { .. } => "No row of add_on_purchases has this checkout_id.".into(),
            Error::CheckoutState { .. } => "A checkout is completed or failed once, and never both.".into(),
            Error::PaymentMismatch { .. } => "A checkout is paid once.".into(),
            Error::PurchaseNotFound { .. } => "No row of add_on_purchases has this id.".into(),
            Error::PurchaseState { status, .. } => format!("Its status is {status}."),
            Error::RefundExceedsAmount { refundable, .. } => format!("At most {refundable} can still be refunded."),
            Error::NotOwned { .. } => "No row of user_add_ons has this user and this add-on.".into(),
            Error::SchedulerMissing => "schedule_maintenance() hands the job to it.".into(),
            Error::InvalidShardCount { shard_count } => format!("It is {shard_count}."),
            Error::CitusMissing => "Only Citus can spread the tables over nodes.".into(),
            Error::NotCoordinator => {
                "Only the coordinator can spread tables, once it is in its own list of nodes.".into()
            }
            Error::NotDistributable { obstacles } => obstacles.clone(),
            Error::NodeNotPrepared { failure, .. } => failure.clone(),
            Error::IllegalTransition { from, allowed, .. } if allowed.is_empty() => format!("{from} is final."),
            Error::IllegalTransition { from, allowed, .. } => {
                format!("From {from} it can go to {}.", allowed.join(", "))
            }
            Error::NotInstalled => "Its library is loaded, but pg_extension has no row for it.".into(),
        };
        format!("{why}\ncode: {}", self.codes().1)
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Error::NullArgument { argument } => format!("Pass a value for {argument}."),
            Error::InvalidUserId { .. } => "Pass the id under which the identity provider knows the user.".into(),
            Error::InvalidQuantity { least: 0, .. } => "Pass 0 to take the add-on out of the cart.".into(),
            Error::InvalidQuantity { .. } => "Pass the number of units, 1 for a single one.".into(),
            Error::InvalidCount { least, .. } => format!("Pass {least} or more."),
            Error::MalformedArgument { argument, .. } => format!("Correct {argument} and call again."),
            Error::UnknownAccessLevel { .. } => "Pass one of the levels.".into(),
            Error::NotOwner => "Call it as the role that made the extension, or as a superuser.".into(),
            Error::RowsHidden { .. } => {
                "Call it as a role that sees everybody: the owner of the tables, or one with BYPASSRLS.".into()
            }
            Error::InvalidSetting { .. } => "Choose a name such as extensions.user_id.".into(),
            Error::InvalidSourceSchema { .. } => {
                "Pass the schema of the old tables; if it is that of the extension, move them into another first.".into()
            }
            Error::MarketplaceProtected { .. } => {
                "If the rows may go, call unprotect_marketplace() first. To keep them, call detach_tables().".into()
            }
            Error::NotCalledByTrigger => "Call protect_marketplace(), which makes the trigger.".into(),
            Error::TablesAlreadyDetached => "Call attach_tables() to take them back in.".into(),
            Error::TablesAlreadyAttached => "Call detach_tables() to take them out.".into(),
            Error::TablesDiffer { .. } => "Put back what is missing, and call attach_tables() again.".into(),
            Error::MalformedColumn { .. } => "Correct the document; its keys are in the column's comment.".into(),
            Error::DraftRefused { argument, .. } => format!("Correct {argument} and call again."),
            Error::ReplacedNotFound { .. } => "Pass the id of an existing row, or NULL to add the draft.".into(),
            Error::AddOnNotFound { .. } => "Look ids up in add_ons or with search_add_ons().".into(),
            Error::AddOnNotForSale { .. } => "Leave it out, or put it back on sale.".into(),
            Error::QuantityLimit { .. } => "Ask for fewer units, or have an administrator raise the setting.".into(),
            Error::AmountOutOfRange { .. } => "Ask for fewer units.".into(),
            Error::TextTooLong { argument, .. } => format!("Shorten {argument}."),
            Error::InvalidAmount { argument, .. } => format!("Pass {argument} in the currency's units, such as 19.99."),
            Error::UnknownWord { argument, .. } => format!("Correct {argument}."),
            Error::ExpiryNotAhead { .. } => "Pass an instant ahead, or NULL for access without end.".into(),
            Error::NegativeInterval { .. } => "Pass an interval such as '30 days'.".into(),
            Error::EmptyCart { .. } => "Put something into the cart with add_to_cart().".into(),
            Error::MixedBilling { .. } => {
                "Check them out one group after the other, or pass allow_mixed_billing => true.".into()
            }
            Error::PriceChanged { .. } | Error::BundleSoldOut { .. } => {
                "Show the shopper the new price, and check out again.".into()
            }
            Error::PromoRefused { .. } => "Check out without the code, or with another.".into(),
            Error::IdempotencyKeyReused { .. } => "Use a new key for a new request.".into(),
            Error::CheckoutNotFound { .. } => "Pass the checkout_id that checkout() returned.".into(),
            Error::CheckoutState { .. } => "Look at its purchases; start a new checkout if it has failed.".into(),
            Error::PaymentMismatch { .. } => "If both payments are real, refund one of them.".into(),
            Error::PurchaseNotFound { .. } => "Look purchases up with purchase_history().".into(),
            Error::PurchaseState { .. } => "Look at the purchase again: another session may have changed it.".into(),
            Error::RefundExceedsAmount { .. } => "Refund less, or pass NULL for all that is left.".into(),
            Error::NotOwned { .. } => "Grant it with grant_add_on(), or let the user buy it.".into(),
            Error::SchedulerMissing => {
                "Install pg_cron (on Debian: postgresql-NN-cron) and run CREATE EXTENSION pg_cron; or, where it lives in \
                 another database, call cron.schedule_in_database() there; or call run_maintenance() from another \
                 scheduler."
                    .into()
            }
            Error::InvalidShardCount { .. } => {
                "Choose several times as many shards as there will ever be nodes.".into()
            }
            Error::CitusMissing => {
                "Add citus to shared_preload_libraries on every node, restart, and create the extension in this database of each."
                    .into()
            }
            Error::NotCoordinator => {
                "Call it on the coordinator. If this is it, call citus_set_coordinator_host() first.".into()
            }
            Error::NotDistributable { .. } => {
                "Remove what stands in the way and call again; nothing was changed.".into()
            }
            Error::NodeNotPrepared { .. } => "Correct that and call again, in a transaction of its own.".into(),
            Error::IllegalTransition { .. } => {
                "Look at the purchase again: another session may have changed it.".into()
            }
            Error::NotInstalled => "Run CREATE EXTENSION extensions.".into(),
        }
    }
}
