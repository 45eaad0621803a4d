//! What cannot be priced.

macro_rules! pricing {
    ($next:ident $($before:tt)*) => { $next! { $($before)*
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
    } };
}
