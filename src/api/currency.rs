//! The currency that the setting names.

use pgrx::prelude::*;

use crate::pg::datum::{Amount, Text};
use crate::pg::settings;
use engine::currency::Currency;

#[pg_extern(name = "_currency_setting", stable, parallel_safe)]
fn currency_setting()
-> TableIterator<'static, (name!(code, Text), name!(smallest_unit, Option<Amount>), name!(problem, Option<Text>))> {
    let code = settings::currency_code();
    let (smallest_unit, problem) = match Currency::from_code(&code) {
        Ok(currency) => (Some(Amount(currency.unit().amount())), None),
        Err(why) => (None, Some(Text(why.to_string()))),
    };
    TableIterator::once((Text(code), smallest_unit, problem))
}

extension_sql_file!("../../sql/functions/currency.sql", name = "currency_functions", requires = [currency_setting]);
