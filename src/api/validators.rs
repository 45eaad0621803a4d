//! The functions that CHECK constraints call. Each returns true or raises an error that explains what is wrong.

use pgrx::prelude::*;

use super::Answer;
use crate::error::Error;
use crate::pg::datum::Text;
use crate::pg::document::{self, Document};
use engine::conditions::Conditions;
use engine::promotions::{self, Restrictions};
use engine::usage::metering::Metering;

#[pg_extern(immutable, strict, parallel_safe)]
fn check_pricing_conditions(conditions: Document<'_>) -> Answer<bool> {
    let column = "pricing_rules.conditions";
    let document = conditions.read(column, document::OF_A_ROW)?;
    let result = document.and_then(|document| Conditions::parse(&document));
    let refused = |malformed| Error::MalformedColumn { column, malformed };
    Ok(result.map(|_| true).map_err(refused)?)
}

#[pg_extern(immutable, strict, parallel_safe)]
fn check_user_restrictions(user_restrictions: Document<'_>) -> Answer<bool> {
    let column = "promotional_codes.user_restrictions";
    let document = user_restrictions.read(column, document::OF_A_ROW)?;
    let result = document.and_then(|document| Restrictions::parse(&document));
    let refused = |malformed| Error::MalformedColumn { column, malformed };
    Ok(result.map(|_| true).map_err(refused)?)
}

#[pg_extern(immutable, strict, parallel_safe)]
fn check_feature_configuration(configuration: Document<'_>) -> Answer<bool> {
    let column = "add_on_features.configuration";
    let document = configuration.read(column, document::OF_A_ROW)?;
    let result = document.and_then(|document| Metering::parse(&document));
    let refused = |malformed| Error::MalformedColumn { column, malformed };
    Ok(result.map(|_| true).map_err(refused)?)
}

#[pg_extern(immutable, strict, parallel_safe)]
fn normalized_code(code: Text) -> Text {
    Text(promotions::normalized(&code))
}

extension_sql_file!(
    "../../sql/functions/validators.sql",
    name = "validators_functions",
    requires = [check_pricing_conditions, check_user_restrictions, check_feature_configuration, normalized_code]
);
