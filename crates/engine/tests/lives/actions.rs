//! The events in the life of a checkout.

use proptest::prelude::*;

/// An event. Its numbers choose among what exists.
#[derive(Clone, Debug)]
pub enum Action {
    /// A shopper opens a page to pay, for the right amount or another.
    Open(Ask),
    /// Pays on it, at once.
    Pay(usize),
    /// Pays on it with a method that takes days.
    PayLater(usize),
    /// That money arrives.
    Clear(usize),
    /// That money does not come.
    Bounce(usize),
    /// An attempt fails that can be repeated.
    Try(usize),
    /// The page is closed for good.
    Expire(usize),
    /// This many hundredths of the rest of a payment are refunded.
    Refund(usize, i64),
    /// A refund fails.
    FailRefund(usize),
    /// This many hundredths of a payment are disputed, or only inquired about.
    Dispute(usize, i64, bool),
    /// A dispute is decided, in one of several ways.
    Decide(usize, usize),
    /// The subscription is renewed.
    Renew,
    /// The subscription is changed in the middle of a period.
    Prorate,
    /// An invoice of the subscription is overdue, and perhaps paid later.
    Overdue(bool),
    /// An attempt to collect a due amount fails.
    Dun,
    /// The subscription is set to end with its period, or no longer.
    Cancel(bool),
    /// The plan of the subscription changes.
    ChangePlan,
    /// The subscription ends.
    End,
    /// Something happens to another checkout.
    Foreign,
    /// Somebody declares by hand that it will not be paid.
    GiveUp,
}

/// What a page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Right,
    OtherAmount,
    OtherCurrency,
    /// The right amount, but a part of it is tax.
    TaxInside,
}

pub fn action() -> impl Strategy<Value = Action> {
    let which = || 0..4_usize;
    let ask = prop_oneof![6 => Just(Ask::Right), 1 => Just(Ask::OtherAmount), 1 => Just(Ask::OtherCurrency), 1 => Just(Ask::TaxInside)];
    prop_oneof![
        4 => ask.prop_map(Action::Open),
        6 => which().prop_map(Action::Pay),
        2 => which().prop_map(Action::PayLater),
        2 => which().prop_map(Action::Clear),
        1 => which().prop_map(Action::Bounce),
        1 => which().prop_map(Action::Try),
        2 => which().prop_map(Action::Expire),
        4 => (which(), prop_oneof![Just(100), 1..100_i64]).prop_map(|(which, part)| Action::Refund(which, part)),
        2 => which().prop_map(Action::FailRefund),
        3 => (which(), prop_oneof![Just(100), 1..100_i64], any::<bool>())
            .prop_map(|(which, part, is_inquiry)| Action::Dispute(which, part, is_inquiry)),
        3 => (which(), which()).prop_map(|(which, how)| Action::Decide(which, how)),
        4 => Just(Action::Renew),
        1 => Just(Action::Prorate),
        1 => any::<bool>().prop_map(Action::Overdue),
        1 => Just(Action::Dun),
        1 => any::<bool>().prop_map(Action::Cancel),
        1 => Just(Action::ChangePlan),
        1 => Just(Action::End),
        1 => Just(Action::Foreign),
        1 => Just(Action::GiveUp),
    ]
}
