//! Every refusal and its form: SQLSTATE, message, DETAIL and HINT.
//!
//! Each DETAIL ends with a line `code: <machine_code>`, for programs that need more than the SQLSTATE. If they also
//! need values, the line before it is `data: <JSON>`. A new error is a new entry in the file of its subject.
//!
//! docs/errors.md and the suites ask the library for the list ([`as_json`]).

use std::fmt;

use uuid::Uuid;

use engine::currency::Unusable;
use engine::json::Malformed;
use engine::money::{Money, Unit};
use engine::stripe_checkout::Unpayable;
use engine::usage::units::Units;

#[macro_use]
mod access;
#[macro_use]
mod administration;
#[macro_use]
mod arguments;
#[macro_use]
mod installation;
#[macro_use]
mod payments;
#[macro_use]
mod pricing;
#[macro_use]
mod rows;

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
struct Description {
    /// When it is raised.
    about: &'static str,
    /// Its SQLSTATE.
    state: SqlState,
    /// Its machine code.
    code: &'static str,
    /// Its message.
    message: &'static str,
    /// What DETAIL can say, but for the code.
    details: &'static [&'static str],
    /// The values for programs, if there are any.
    data: Option<&'static str>,
    /// What HINT can say.
    hints: &'static [&'static str],
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
        const ERRORS: &[Description] = &[
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

/// Makes the errors from the entries of all files: the macro of each adds its own, and passes them on to the next.
macro_rules! errors_of {
    ({ $file:ident $($files:ident)* } $($entries:tt)*) => { $file! { errors_of { $($files)* } $($entries)* } };
    ({} $($entries:tt)*) => { errors! { $($entries)* } };
}

errors_of! { { arguments rows pricing payments access administration installation } }

impl std::error::Error for Error {}

/// All errors, as documentation and tests read them.
pub fn as_json() -> String {
    let describe = |error: &Description| {
        let (state, state_about) = error.state.described();
        serde_json::json!({
            "about": error.about.trim(), "state": state, "state_about": state_about, "code": error.code,
            "message": error.message, "details": error.details, "data": error.data, "hints": error.hints,
        })
    };
    serde_json::Value::from_iter(ERRORS.iter().map(describe)).to_string()
}

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
            Engine::NoQuantity { quantity } => Error::InvalidQuantity { least: 1, quantity },
            Engine::QuantityLimit { add_on_id, quantity, limit } => Error::QuantityLimit { add_on_id, quantity, limit },
            Engine::AmountOutOfRange { name, unit_price, quantity } => {
                Error::AmountOutOfRange { name, unit_price, quantity, cart_of: None }
            }
            Engine::PriceNotChargeable { name, unit_price, unit } => {
                Error::PriceNotChargeable { name, unit_price, unit }
            }
        }
    }
}
