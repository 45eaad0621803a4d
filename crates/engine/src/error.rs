//! The refusals of the rules. The extension reports them with SQLSTATE, DETAIL and HINT.

use uuid::Uuid;

use crate::money::{Money, Unit};

/// A refusal. Its `Display` is the message, which names what was wrong and the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
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

    /// A quantity below one.
    #[error("quantity must be at least 1, not {quantity}")]
    NoQuantity {
        /// The quantity.
        quantity: i32,
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

    /// A list price that cannot be charged in its currency.
    #[error("add-on \"{name}\" costs {unit_price}, which is no multiple of {}", .unit.amount())]
    PriceNotChargeable {
        /// The add-on's name.
        name: String,
        /// Its list price.
        unit_price: Money,
        /// The smallest amount that can be charged.
        unit: Unit,
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
    },
}
