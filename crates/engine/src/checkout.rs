//! The checks of a checkout before it sells (semantics 6).

use super::billing::BillingType;

/// The billing types in a cart if one session cannot pay for them all: one-time with recurring lines, or monthly with
/// annual ones. Usage-based lines are recurring and combine with either period.
pub fn mixed_billing(billing_types: impl IntoIterator<Item = BillingType>) -> Option<Vec<BillingType>> {
    let mut groups: Vec<BillingType> = billing_types.into_iter().collect();
    groups.sort_unstable();
    groups.dedup();
    let has = |billing_type| groups.contains(&billing_type);
    let is_mixed =
        (has(BillingType::OneTime) && groups.len() > 1) || (has(BillingType::Monthly) && has(BillingType::Annual));
    is_mixed.then_some(groups)
}

#[cfg(test)]
mod tests {
    use super::BillingType::{self, *};
    use super::mixed_billing;

    #[test]
    fn one_time_and_recurring_and_monthly_and_annual_do_not_mix() {
        let alone: [&[BillingType]; 6] =
            [&[], &[Monthly, Monthly], &[OneTime], &[Annual], &[Monthly, UsageBased], &[UsageBased, Annual]];
        for cart in alone {
            assert_eq!(mixed_billing(cart.iter().copied()), None, "{cart:?}");
        }
        for (cart, groups) in [
            (vec![Monthly, OneTime, Monthly], vec![OneTime, Monthly]),
            (vec![Annual, Monthly], vec![Monthly, Annual]),
            (vec![UsageBased, OneTime], vec![OneTime, UsageBased]),
            (vec![UsageBased, Annual, Monthly], vec![Monthly, Annual, UsageBased]),
        ] {
            assert_eq!(mixed_billing(cart), Some(groups));
        }
    }
}
