//! Changing a user's cart.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{Answer, at_least, user_to_change};
use crate::operations::cart;
use crate::pg::datum::{Id, Text, required};
use crate::store::cart::CartItem;
use engine::cart::QuantityChange;

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn add_to_cart(
    user_id: Option<Text>,
    add_on_id: Option<Id>,
    quantity: default!(Option<i32>, 1),
) -> Result<TableIterator<'static, (name!(cart_item_id, Id), name!(add_on_id, Id), name!(quantity, i32))>, ErrorReport>
{
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    let quantity = at_least(1, required(quantity, "quantity")?)?;
    let item = cart::put(QuantityChange::Add, &user_id, add_on_id, quantity as i32)?;
    Ok(TableIterator::once(row(item)))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn set_cart_quantity(
    user_id: Option<Text>,
    add_on_id: Option<Id>,
    quantity: Option<i32>,
) -> Result<TableIterator<'static, (name!(cart_item_id, Id), name!(add_on_id, Id), name!(quantity, i32))>, ErrorReport>
{
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    let quantity = at_least(0, required(quantity, "quantity")?)?;
    if quantity == 0 {
        cart::remove(&user_id, add_on_id)?;
        return Ok(TableIterator::empty());
    }
    let item = cart::put(QuantityChange::Set, &user_id, add_on_id, quantity as i32)?;
    Ok(TableIterator::once(row(item)))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn remove_from_cart(user_id: Option<Text>, add_on_id: Option<Id>) -> Answer<bool> {
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    Ok(cart::remove(&user_id, add_on_id)?)
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn clear_cart(user_id: Option<Text>) -> Answer<i32> {
    let user_id = user_to_change(user_id)?;
    let removed = cart::clear(&user_id)?;
    Ok(i32::try_from(removed).unwrap_or(i32::MAX))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn merge_carts(
    from_user_id: Option<Text>,
    into_user_id: Option<Text>,
) -> Result<TableIterator<'static, (name!(add_on_id, Id), name!(quantity, i32))>, ErrorReport> {
    let from = user_to_change(Some(required(from_user_id, "from_user_id")?))?;
    let into = user_to_change(Some(required(into_user_id, "into_user_id")?))?;
    let rows = cart::merge(&from, &into)?.into_iter().map(|(add_on_id, quantity)| (Id(add_on_id), quantity));
    Ok(TableIterator::new(rows))
}

fn row(item: CartItem) -> (Id, Id, i32) {
    (Id(item.id), Id(item.add_on_id), item.quantity)
}

extension_sql_file!(
    "../../sql/functions/cart.sql",
    name = "cart_functions",
    requires = [add_to_cart, set_cart_quantity, remove_from_cart, clear_cart, merge_carts]
);
