//! The wording of reasons. It is ASCII only, so that every database encoding can hold it.

use uuid::Uuid;

use super::super::bundles::Obstacle;
use super::super::cart::{Cart, Line, Terms};
use super::super::catalog::{Bundle, Catalog, PricingRule};
use super::super::conditions::Unmet;
use super::super::money::{Discount, Money, Percent, Unit};
use super::super::promotions::{CartAmounts, Check, PromoCode, PromoDiscount, Refusal, Restrictions};
use super::super::rules::{Ineligible, Loss};

/// The names of add-ons that the catalog knows.
pub(super) struct Names<'a> {
    pub catalog: &'a Catalog,
    pub cart: &'a Cart,
}

impl Names<'_> {
    /// The add-on's name, or its id if it is not in the catalog.
    pub fn add_on(&self, id: Uuid) -> String {
        let found = self.catalog.find(id).map(|found| self.catalog.add_on(found).name.clone());
        found.unwrap_or_else(|| format!("add-on {id}"))
    }

    /// Why these add-ons are not among the lines.
    fn missing(&self, ids: &[Uuid]) -> String {
        let (mut unknown, mut withdrawn, mut absent) = (Vec::new(), Vec::new(), Vec::new());
        for &id in ids {
            match self.catalog.find(id) {
                None => unknown.push(id),
                Some(_) if self.cart.withdrawn.contains(&id) => withdrawn.push(id),
                Some(_) => absent.push(id),
            }
        }
        let reasons = [("not in the cart", absent), ("no longer sold", withdrawn), ("not in the catalog", unknown)];
        let reasons = reasons.into_iter().filter(|(_, add_ons)| !add_ons.is_empty());
        reasons
            .map(|(reason, add_ons)| format!("{reason}: {}", self.list(&add_ons)))
            .collect::<Vec<String>>()
            .join("; ")
    }

    /// The names of add-ons, cut off where a reader would stop reading.
    fn list(&self, ids: &[Uuid]) -> String {
        const MOST: usize = 50;
        let mut names: Vec<String> = ids.iter().take(MOST).map(|&id| self.add_on(id)).collect();
        if ids.len() > MOST {
            names.push(format!("and {} more", ids.len() - MOST));
        }
        names.join(", ")
    }
}

/// `priority 5, tier pro`
pub(super) fn rule_name(rule: &PricingRule) -> String {
    let tier = rule.tier_code.as_ref().map_or_else(String::new, |tier| format!(", tier {tier}"));
    let stackable = if rule.is_stackable() { ", stackable" } else { "" };
    format!("pricing rule of priority {}{tier}{stackable}", rule.priority)
}

/// `2 x 14.99, monthly`
pub(super) fn line(line: &Line, unit_price: Money) -> String {
    format!("{} x {unit_price}, {}", line.quantity, line.billing_type.name())
}

/// `20 % of 49.97 and 2 x 1.00`
pub(super) fn discount(discount: Discount, base: Money, count: u32, unit: Unit) -> String {
    let percent = (discount.percent > Percent::ZERO).then(|| format!("{} % of {base}", discount.percent));
    let amount = (discount.amount > Money::ZERO).then(|| {
        let rounded = discount.amount.times_up_to(count, Money::MAX, unit);
        let exact = discount.amount.times_up_to(count, Money::MAX, Unit::HUNDREDTH);
        format!(
            "{count} x {}{}",
            discount.amount,
            if rounded == exact { String::new() } else { format!(", rounded {rounded}") }
        )
    });
    let parts: Vec<String> = percent.into_iter().chain(amount).collect();
    match parts.is_empty() {
        true => "it takes nothing off".to_owned(),
        false if discount.on(base, count, unit) == base => format!("{}, at most {base}", parts.join(" and ")),
        false => parts.join(" and "),
    }
}

/// Why a rule is no candidate.
pub(super) fn ineligible(reasons: &[Ineligible], rule: &PricingRule, terms: &Terms, names: &Names) -> String {
    let reason = |reason: &Ineligible| match reason {
        Ineligible::Inactive => "it is not active".to_owned(),
        Ineligible::NotYetValid => "its window has not begun".to_owned(),
        Ineligible::NoLongerValid => "its window is over".to_owned(),
        Ineligible::OtherTier => tier_differs(rule.tier_code.as_deref().unwrap_or_default(), terms),
        Ineligible::Malformed(malformed) => format!("its conditions cannot be read: {malformed}"),
        Ineligible::Unmet(condition) => unmet(condition, terms, names),
    };
    reasons.iter().map(reason).collect::<Vec<String>>().join("; ")
}

fn tier_differs(wanted: &str, terms: &Terms) -> String {
    match terms.tier_code {
        Some(given) => format!("it is for tier {wanted}, not {given}"),
        None => format!("it is for tier {wanted}, and no tier was given"),
    }
}

fn unmet(condition: &Unmet, terms: &Terms, names: &Names) -> String {
    match condition {
        Unmet::MinQuantity { quantity, min } => format!("min_quantity: {} of at least {min}", units(*quantity)),
        Unmet::MaxQuantity { quantity, max } => format!("max_quantity: {}, at most {max}", units(*quantity)),
        Unmet::MinSubtotal { subtotal, min } => {
            format!("min_subtotal: {subtotal} at list price of at least {min}")
        }
        Unmet::RequiresAddOn { missing } => {
            format!("requires_addon: {} is neither in the cart nor owned", names.add_on(*missing))
        }
        Unmet::ExcludesAddOn { present } => {
            format!("excludes_addon: {} is in the cart or owned", names.add_on(*present))
        }
        Unmet::BillingType { billing_type, allowed } => {
            let allowed: Vec<&str> = allowed.iter().map(|allowed| allowed.name()).collect();
            format!("billing_type: {}, not one of {}", billing_type.name(), in_brackets(&allowed))
        }
        Unmet::FirstPurchaseOnly => format!("first_purchase_only: {}", earlier_purchase(terms)),
    }
}

/// Why a candidate did not win.
pub(super) fn lost(rule: &PricingRule, to: &PricingRule, because: Loss) -> String {
    let why = match because {
        Loss::Priority => format!("its priority is {}, not {}", to.priority, rule.priority),
        Loss::Discount { own, winners } => format!("it takes {winners}, not {own}"),
        Loss::Id => "its id is smaller".to_owned(),
    };
    let stacking = match (rule.is_stackable(), to.is_stackable()) {
        (true, false) => ", and it is not stackable",
        (false, true) => ", and only stackable rules follow it",
        _ => "",
    };
    format!("lost to {}: {why}{stacking}", to.id)
}

/// Why a bundle is no candidate.
pub(super) fn obstacles(obstacles: &[Obstacle], names: &Names) -> String {
    let reason = |obstacle: &Obstacle| match obstacle {
        Obstacle::Inactive => "it is not active".to_owned(),
        Obstacle::NotYetValid => "its window has not begun".to_owned(),
        Obstacle::NoLongerValid => "its window is over".to_owned(),
        Obstacle::UsedUp => "all its uses are taken".to_owned(),
        Obstacle::Missing(missing) => names.missing(missing),
    };
    obstacles.iter().map(reason).collect::<Vec<String>>().join("; ")
}

/// `1 instance of Brigade, Bolt, Vector Search: 20 % of 49.97`
pub(super) fn applied_bundle(bundle: &Bundle, instances: u32, base: Money, unit: Unit, names: &Names) -> String {
    let noun = if instances == 1 { "instance" } else { "instances" };
    format!(
        "{instances} {noun} of {}: {}",
        names.list(&bundle.add_on_ids),
        discount(bundle.discount, base, instances, unit)
    )
}

/// Why a candidate was not chosen.
pub(super) fn not_chosen(alone: Money, applied: Money) -> String {
    match alone {
        Money::ZERO => "it saves nothing".to_owned(),
        _ => format!("it would save {alone} alone; the bundles that were chosen save {applied} together"),
    }
}

/// What a code takes off.
pub(super) fn promo_discount(discount: PromoDiscount, eligible: Money, unit: Unit) -> String {
    match discount {
        PromoDiscount::Percentage(percent) => format!("{percent} % of {eligible}"),
        PromoDiscount::FixedAmount(amount) if amount.rounded(unit) > eligible => {
            format!("{amount}, at most {eligible}")
        }
        PromoDiscount::FixedAmount(amount) if amount.rounded(unit) != amount => {
            format!("{amount}, rounded {}", amount.rounded(unit))
        }
        PromoDiscount::FixedAmount(amount) => amount.to_string(),
    }
}

/// A condition of a code with the values compared.
pub(super) fn check(check: Check, code: &PromoCode, amounts: &CartAmounts, terms: &Terms, names: &Names) -> String {
    let none = Restrictions::default();
    let restrictions = code.restrictions.as_ref().unwrap_or(&none);
    let allowed =
        |list: &Option<Vec<String>>| in_brackets(&list.iter().flatten().map(String::as_str).collect::<Vec<&str>>());
    let given =
        |value: Option<&str>| value.map_or_else(|| "none was given".to_owned(), |value| format!("it is {value}"));
    match check.refusal {
        Refusal::Unknown => "there is no such code".to_owned(),
        Refusal::Inactive => if check.holds { "it is active" } else { "it is not active" }.to_owned(),
        Refusal::Expired => if check.holds { "its end is still ahead" } else { "its end has come" }.to_owned(),
        Refusal::Exhausted => format!("{} of {} uses are taken", code.current_uses, code.max_uses.unwrap_or(0)),
        Refusal::BelowMinimum => {
            format!("the cart costs {} of at least {}", amounts.total, code.min_purchase_amount)
        }
        Refusal::NotApplicable => {
            format!("it is good for [{}]", names.list(code.applicable_to.as_deref().unwrap_or_default()))
        }
        Refusal::TierNotAllowed => {
            format!("the tier is one of {}: {}", allowed(&restrictions.tier), given(terms.tier_code))
        }
        Refusal::NotFirstPurchase => earlier_purchase(terms),
        Refusal::UserNotAllowed => match &code.restrictions {
            Ok(restrictions) => {
                format!("the user is one of {}: {}", allowed(&restrictions.user_ids), given(terms.user_id))
            }
            Err(malformed) => format!("its restrictions cannot be read: {malformed}"),
        },
        Refusal::UserLimitReached => {
            format!("the user has taken {} of {} uses", terms.promo_uses, restrictions.max_uses_per_user.unwrap_or(0))
        }
        Refusal::EmptyCart => "the cart is empty".to_owned(),
    }
}

/// `64.96 - 9.99 - 10.99 = 43.98`, without what is zero.
pub(super) fn difference(list: Money, off: &[Money], total: Money) -> String {
    let off: String = off.iter().filter(|&&off| off > Money::ZERO).map(|off| format!(" - {off}")).collect();
    if off.is_empty() { total.to_string() } else { format!("{list}{off} = {total}") }
}

fn earlier_purchase(terms: &Terms) -> String {
    match (terms.user_id, terms.has_purchased) {
        (None, _) => "no user was given".to_owned(),
        (Some(_), true) => "the user has an earlier purchase".to_owned(),
        (Some(_), false) => "the user has no earlier purchase".to_owned(),
    }
}

fn units(quantity: u32) -> String {
    if quantity == 1 { "1 unit".to_owned() } else { format!("{quantity} units") }
}

fn in_brackets<T: AsRef<str>>(words: &[T]) -> String {
    format!("[{}]", words.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", "))
}
