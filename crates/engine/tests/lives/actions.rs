//! What can happen to a checkout.

use proptest::prelude::*;

/// Something that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub enum Action {
    /// Somebody opens a page on which to pay, for the right amount or another.
    Open(Ask),
    /// Pays on it, at once.
    Pay(usize),
    /// Pays on it by a way that takes days.
    PayLater(usize),
    /// That money arrives.
    Clear(usize),
    /// That money does not come.
    Bounce(usize),
    /// A try fails that can be repeated.
    Try(usize),
    /// The page is closed for good.
    Expire(usize),
    /// So many hundredths of what is left of a payment are paid back.
    Refund(usize, i64),
    /// A refund fails.
    FailRefund(usize),
    /// So many hundredths of a payment are contested, or only asked about.
    Dispute(usize, i64, bool),
    /// A dispute is decided, in one of several ways.
    Decide(usize, usize),
    /// The subscription is renewed.
    Renew,
    /// The subscription is changed in the middle of a period.
    Prorate,
    /// An invoice of the subscription is due and not paid, and perhaps paid after all.
    Overdue(bool),
    /// A try to collect what is due fails.
    Dun,
    /// The subscription is to end with its period, or not any more.
    Cancel(bool),
    /// The plan of the subscription changes.
    ChangePlan,
    /// The subscription ends.
    End,
    /// Something happens to somebody else.
    Foreign,
    /// Somebody says by hand that it will not be paid.
    GiveUp,
}

/// What a page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Right,
    OtherAmount,
    OtherCurrency,
}

pub fn action() -> impl Strategy<Value = Action> {
    let which = || 0..4_usize;
    let ask = prop_oneof![6 => Just(Ask::Right), 1 => Just(Ask::OtherAmount), 1 => Just(Ask::OtherCurrency)];
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
