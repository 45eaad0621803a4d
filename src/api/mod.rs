//! The SQL functions, grouped as in the reference. Each converts its arguments, calls an operation or the store, and
//! converts the result. What it computes is documented by what it calls and by its COMMENT.

#![allow(clippy::type_complexity, reason = "pgrx reads the columns of a result off the function's signature")]

mod access_levels;
mod adoption;
mod bodies;
mod cart;
mod catalog_documents;
mod checkout;
mod currency;
mod distribution;
mod entitlements;
mod explain;
mod installation;
mod maintenance;
mod personal_data;
mod pricing;
mod promotions;
mod protection;
mod purchases;
mod search;
mod simulations;
mod subscriptions;
mod triggers;
mod usage;
mod validators;
mod webhooks;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use rust_decimal::Decimal;

use crate::error::{Error, SqlState};
use crate::pg::caller;
use crate::pg::datum::{Digits, Text, required};
use engine::money::Money;

/// The return type of SQL functions: a result, or an error with SQLSTATE, DETAIL and HINT.
type Answer<T> = Result<T, ErrorReport>;

impl From<Error> for ErrorReport {
    fn from(error: Error) -> ErrorReport {
        let sql_state = match error.codes().0 {
            SqlState::NumericValueOutOfRange => PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            SqlState::InvalidParameterValue => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            SqlState::ForeignKeyViolation => PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION,
            SqlState::CheckViolation => PgSqlErrorCode::ERRCODE_CHECK_VIOLATION,
            SqlState::InsufficientPrivilege => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            SqlState::SerializationFailure => PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            SqlState::ProgramLimitExceeded => PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            SqlState::ObjectNotInPrerequisiteState => PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            SqlState::NoDataFound => PgSqlErrorCode::ERRCODE_NO_DATA_FOUND,
            SqlState::TriggerProtocolViolated => PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
            SqlState::EventTriggerProtocolViolated => PgSqlErrorCode::ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED,
        };
        ErrorReport::new(sql_state, error.to_string(), "extensions").set_detail(error.detail()).set_hint(error.hint())
    }
}

/// Tells the caller what a function without a result has done.
fn tell(what: &str) {
    notice!("{what}");
}

/// A number of units that is not below the smallest sensible one.
fn at_least(least: i32, quantity: i32) -> Result<u32, Error> {
    if quantity < least { Err(Error::InvalidQuantity { least, quantity }) } else { Ok(quantity as u32) }
}

/// A user id that the tables can hold.
fn valid_user_id(user_id: Option<Text>) -> Result<String, Error> {
    let Text(user_id) = required(user_id, "user_id")?;
    match user_id.chars().count() {
        1..=255 => Ok(user_id),
        length => Err(Error::InvalidUserId { length }),
    }
}

/// The user whose data a call changes: one that the caller may act for.
fn user_to_change(user_id: Option<Text>) -> Result<String, Error> {
    let user_id = valid_user_id(user_id)?;
    caller::check_user(&user_id)?;
    Ok(user_id)
}

/// A number of rows, if any is given.
fn not_negative(argument: &'static str, rows: Option<i32>) -> Result<Option<i32>, Error> {
    match rows {
        Some(rows) if rows < 0 => Err(Error::InvalidCount { argument, least: 0, rows }),
        rows => Ok(rows),
    }
}

/// A text that fits into its column.
fn short(text: Option<Text>, argument: &'static str, longest: usize) -> Result<Option<String>, Error> {
    match text.as_ref().map(|text| text.0.chars().count()) {
        Some(length) if length > longest => Err(Error::TextTooLong { argument, longest, length }),
        _ => Ok(text.map(|text| text.0)),
    }
}

/// An amount of money that a purchase can have.
fn money(Digits(digits): Digits, argument: &'static str) -> Result<Money, Error> {
    // Trailing zeros are dropped; any other digit that does not fit is refused instead of rounded.
    let digits_that_count =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    let amount = Decimal::from_str_exact(digits_that_count).ok().and_then(Money::from_decimal);
    match amount {
        Some(amount) if (Money::ZERO..=Money::MAX).contains(&amount) => Ok(amount),
        _ => {
            let amount = if digits.len() > 40 { format!("{}...", &digits[..40]) } else { digits };
            Err(Error::InvalidAmount { argument, expected: "an amount from 0 to 99999999.99", amount })
        }
    }
}
