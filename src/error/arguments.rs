//! A call's arguments, whatever the data.

macro_rules! arguments {
    ($next:ident $($before:tt)*) => { $next! { $($before)*
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

        /// An interval that goes backwards.
        NegativeInterval {
            /// The argument's name.
            argument: &'static str,
        } => InvalidParameterValue "negative_interval" {
            message: "{argument} must not be negative";
            detail: "It says how old something must be.";
            hint: "Pass an interval such as '30 days'.";
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
    } };
}
