//! Promotional codes: who may use one, why not, and what it takes off (semantics 2.4).

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::json::{Malformed, entries, unknown_key};
use super::money::{Money, Percent, Unit};
use super::time::{Instant, Window};

/// What a code takes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromoDiscount {
    /// A share of the eligible lines, rounded once on their sum.
    Percentage(Percent),
    /// An amount, at most what the eligible lines cost.
    FixedAmount(Money),
}

impl PromoDiscount {
    /// The name in `promotional_codes.discount_type`.
    pub fn name(self) -> &'static str {
        match self {
            PromoDiscount::Percentage(_) => "percentage",
            PromoDiscount::FixedAmount(_) => "fixed_amount",
        }
    }

    /// `promotional_codes.discount_value`: an amount, or as many percent.
    pub fn value(self) -> Money {
        match self {
            PromoDiscount::Percentage(percent) => Money::from_cents(percent.hundredths()),
            PromoDiscount::FixedAmount(amount) => amount,
        }
    }

    /// The discount on this eligible amount.
    pub fn on(self, eligible: Money, unit: Unit) -> Money {
        match self {
            PromoDiscount::Percentage(percent) => eligible.percent(percent, unit),
            PromoDiscount::FixedAmount(amount) => amount.rounded(unit).min(eligible),
        }
    }
}

/// A row of `promotional_codes`, with what the user has redeemed of it.
#[derive(Clone, Debug)]
pub struct PromoCode {
    /// `promotional_codes.id`
    pub id: Uuid,
    /// What it takes off.
    pub discount: PromoDiscount,
    /// The maximum number of redemptions, if limited.
    pub max_uses: Option<u32>,
    /// The live redemptions.
    pub current_uses: u32,
    /// The add-ons that it applies to, in id order; `None` means all.
    pub applicable_to: Option<Vec<Uuid>>,
    /// The minimum total of the whole cart, after rules and bundles.
    pub min_purchase_amount: Money,
    /// Who may use it. If the stored document cannot be read, the reason; then nobody may.
    pub restrictions: Result<Restrictions, Malformed>,
    /// The end of its window.
    pub expires_at: Option<Instant>,
    /// Whether it is switched on.
    pub is_active: bool,
}

impl PromoCode {
    /// A code that everybody may use, for everything, without end.
    pub fn unrestricted(id: Uuid, discount: PromoDiscount) -> PromoCode {
        PromoCode {
            id,
            discount,
            max_uses: None,
            current_uses: 0,
            applicable_to: None,
            min_purchase_amount: Money::ZERO,
            restrictions: Ok(Restrictions::default()),
            expires_at: None,
            is_active: true,
        }
    }

    /// Whether it is good for an add-on.
    pub fn is_good_for(&self, add_on_id: Uuid) -> bool {
        self.applicable_to.as_ref().is_none_or(|add_ons| add_ons.binary_search(&add_on_id).is_ok())
    }
}

/// A code in its normal form, in which it is stored and compared, however people type it: without surrounding blanks,
/// control and invisible characters, in capitals by a rule that does not depend on the locale, and composed (NFC).
pub fn normalized(code: &str) -> String {
    let is_around = |c: char| c.is_whitespace() || c.is_control() || is_invisible(c);
    let code = code.trim_matches(is_around);
    // All that the rest does to ASCII, in which nearly every code is typed.
    if code.is_ascii() {
        return code.to_ascii_uppercase();
    }
    let composed: String = code.nfc().collect();
    composed.to_uppercase().nfc().collect()
}

/// Characters without width, which a paste can bring along.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A promotional code that somebody entered, normalised, with its row.
#[derive(Clone, Debug)]
pub struct PromoRequest {
    /// As [`normalized`].
    pub code: String,
    /// The code's row; `None` for an unknown code.
    pub terms: Option<PromoCode>,
}

/// The `user_restrictions` of a code. All that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// The tiers that may use it.
    pub tier: Option<Vec<String>>,
    /// Only users without an earlier purchase.
    pub first_purchase_only: bool,
    /// The users who may use it.
    pub user_ids: Option<Vec<String>>,
    /// How often one user may use it.
    pub max_uses_per_user: Option<u32>,
}

impl Restrictions {
    /// The keys that a document may have.
    pub const KEYS: [&str; 4] = ["tier", "first_purchase_only", "user_ids", "max_uses_per_user"];

    /// Reads a `user_restrictions` document, refusing unknown keys and wrong types by name.
    pub fn parse(document: &Value) -> Result<Restrictions, Malformed> {
        let owned = |strings: Vec<&str>| strings.into_iter().map(str::to_owned).collect();
        let mut restrictions = Restrictions::default();
        for entry in entries(document)? {
            match entry.key {
                "tier" => restrictions.tier = Some(owned(entry.one_or_more_strings()?)),
                "first_purchase_only" => restrictions.first_purchase_only = entry.boolean()?,
                "user_ids" => restrictions.user_ids = Some(owned(entry.strings()?)),
                "max_uses_per_user" => restrictions.max_uses_per_user = Some(entry.quantity()?),
                unknown => return Err(unknown_key(unknown, &Restrictions::KEYS)),
            }
        }
        Ok(restrictions)
    }
}

/// A reason to refuse a code, in the order in which reasons are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No such code.
    Unknown,
    /// It is switched off.
    Inactive,
    /// Its window is over.
    Expired,
    /// All its uses are taken.
    Exhausted,
    /// The cart costs less than the code requires.
    BelowMinimum,
    /// No line of the cart is eligible.
    NotApplicable,
    /// It is for other tiers, or for certain tiers and none was given.
    TierNotAllowed,
    /// It is for first purchases, and the user has bought before or is not known.
    NotFirstPurchase,
    /// It is for other users, or for certain users and none was given.
    UserNotAllowed,
    /// The user has no uses left, or is not known.
    UserLimitReached,
    /// There is nothing in the cart.
    EmptyCart,
}

impl Refusal {
    /// The name in `reasons`.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Unknown => "unknown",
            Refusal::Inactive => "inactive",
            Refusal::Expired => "expired",
            Refusal::Exhausted => "exhausted",
            Refusal::BelowMinimum => "below_minimum",
            Refusal::NotApplicable => "not_applicable",
            Refusal::TierNotAllowed => "tier_not_allowed",
            Refusal::NotFirstPurchase => "not_first_purchase",
            Refusal::UserNotAllowed => "user_not_allowed",
            Refusal::UserLimitReached => "user_limit_reached",
            Refusal::EmptyCart => "empty_cart",
        }
    }
}

/// Who asks for a code, and when.
#[derive(Clone, Copy, Debug)]
pub struct Redeemer<'a> {
    /// The user, if one is known.
    pub user_id: Option<&'a str>,
    /// The user's tier, if one was given.
    pub tier_code: Option<&'a str>,
    /// Whether the user is known and has no earlier purchase.
    pub is_first_purchase: bool,
    /// The number of live redemptions by the user.
    pub uses: u32,
    /// The instant of all decisions.
    pub at: Instant,
}

impl<'a> Redeemer<'a> {
    /// Nobody in particular, whom every restriction that needs a user refuses.
    pub const fn nobody(tier_code: Option<&'a str>, at: Instant) -> Redeemer<'a> {
        Redeemer { user_id: None, tier_code, is_first_purchase: false, uses: 0, at }
    }
}

/// The amounts of a cart that a code tests, after rules and bundles.
#[derive(Clone, Copy, Debug)]
pub struct CartAmounts {
    /// What the whole cart costs.
    pub total: Money,
    /// What the eligible lines cost; `None` when no line is eligible.
    pub eligible: Option<Money>,
    /// Whether the cart has no lines.
    pub is_empty: bool,
}

/// A condition of a code, identified by the refusal that it gives when it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// The refusal when it does not hold.
    pub refusal: Refusal,
    /// Whether it holds.
    pub holds: bool,
}

/// Every condition that a code has for a cart, in the order of the refusals.
pub fn checks(code: &PromoCode, redeemer: &Redeemer, cart: &CartAmounts) -> Vec<Check> {
    let refusals = refusals(Some(code), redeemer, Some(cart));
    let restrictions = code.restrictions.as_ref().ok();
    let has = |restricts: fn(&Restrictions) -> bool| restrictions.is_some_and(restricts);
    let conditions = [
        (Refusal::Inactive, true),
        (Refusal::Expired, code.expires_at.is_some()),
        (Refusal::Exhausted, code.max_uses.is_some()),
        (Refusal::BelowMinimum, code.min_purchase_amount > Money::ZERO && !cart.is_empty),
        (Refusal::NotApplicable, code.applicable_to.is_some() && !cart.is_empty),
        (Refusal::TierNotAllowed, has(|restrictions| restrictions.tier.is_some())),
        (Refusal::NotFirstPurchase, has(|restrictions| restrictions.first_purchase_only)),
        (Refusal::UserNotAllowed, has(|restrictions| restrictions.user_ids.is_some()) || restrictions.is_none()),
        (Refusal::UserLimitReached, has(|restrictions| restrictions.max_uses_per_user.is_some())),
        (Refusal::EmptyCart, cart.is_empty),
    ];
    let conditions = conditions.into_iter().filter(|(refusal, is_given)| *is_given || refusals.contains(refusal));
    conditions.map(|(refusal, _)| Check { refusal, holds: !refusals.contains(&refusal) }).collect()
}

/// Every reason to refuse the code, in order; none if it is valid. `code` is `None` for an unknown code. Without a
/// cart, the conditions on the cart are not tested.
pub fn refusals(code: Option<&PromoCode>, redeemer: &Redeemer, cart: Option<&CartAmounts>) -> Vec<Refusal> {
    let empty_cart = cart.is_some_and(|cart| cart.is_empty).then_some(Refusal::EmptyCart);
    let Some(code) = code else {
        return std::iter::once(Refusal::Unknown).chain(empty_cart).collect();
    };
    let cart = cart.filter(|cart| !cart.is_empty);
    let window = Window { from: None, until: code.expires_at };
    [
        (!code.is_active).then_some(Refusal::Inactive),
        window.is_over(redeemer.at).then_some(Refusal::Expired),
        code.max_uses.is_some_and(|max| code.current_uses >= max).then_some(Refusal::Exhausted),
        cart.is_some_and(|cart| cart.total < code.min_purchase_amount).then_some(Refusal::BelowMinimum),
        cart.is_some_and(|cart| cart.eligible.is_none()).then_some(Refusal::NotApplicable),
    ]
    .into_iter()
    .chain(refusals_of_user(code, redeemer))
    .chain([empty_cart])
    .flatten()
    .collect()
}

fn refusals_of_user(code: &PromoCode, redeemer: &Redeemer) -> [Option<Refusal>; 4] {
    let Ok(restrictions) = &code.restrictions else {
        return [None, None, Some(Refusal::UserNotAllowed), None];
    };
    let lists =
        |allowed: &Vec<String>, given: Option<&str>| given.is_some_and(|given| allowed.iter().any(|a| a == given));
    let tier_allowed = restrictions.tier.as_ref().is_none_or(|tiers| lists(tiers, redeemer.tier_code));
    let user_allowed = restrictions.user_ids.as_ref().is_none_or(|users| lists(users, redeemer.user_id));
    let has_uses_left = |max| redeemer.user_id.is_some() && redeemer.uses < max;
    [
        (!tier_allowed).then_some(Refusal::TierNotAllowed),
        (restrictions.first_purchase_only && !redeemer.is_first_purchase).then_some(Refusal::NotFirstPurchase),
        (!user_allowed).then_some(Refusal::UserNotAllowed),
        (!restrictions.max_uses_per_user.is_none_or(has_uses_left)).then_some(Refusal::UserLimitReached),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code() -> PromoCode {
        let discount = PromoDiscount::Percentage(Percent::from_hundredths(20_00));
        PromoCode::unrestricted(Uuid::from_u128(1), discount)
    }

    const SOMEBODY: Redeemer =
        Redeemer { user_id: Some("ada"), tier_code: Some("pro"), is_first_purchase: true, uses: 0, at: Instant(1000) };
    const NOBODY: Redeemer = Redeemer::nobody(None, Instant(1000));

    fn cart(total: i64) -> CartAmounts {
        let total = Money::from_cents(total);
        CartAmounts { total, eligible: Some(total), is_empty: false }
    }

    const EMPTY: CartAmounts = CartAmounts { total: Money::ZERO, eligible: None, is_empty: true };

    fn restricted(document: Value) -> PromoCode {
        PromoCode { restrictions: Restrictions::parse(&document), ..code() }
    }

    #[test]
    fn a_code_is_found_however_it_is_typed() {
        for typed in [
            "\u{c9}T\u{c9}",
            "\t\u{c9}t\u{e9}\n",
            "\u{a0}\u{e9}t\u{e9}\u{200b}",
            "E\u{301}te\u{301}",
            "\u{feff} e\u{301}T\u{e9}",
        ] {
            assert_eq!(normalized(typed), "\u{c9}T\u{c9}", "{typed:?}");
        }
        assert_eq!(normalized("hi"), "HI");
        assert_eq!(normalized(" two words "), "TWO WORDS");
        assert_eq!(normalized("stra\u{df}e"), "STRASSE");
        assert_eq!(normalized("\u{200b} \u{a0}"), "");
    }

    #[test]
    fn each_condition_is_tested() {
        let reasons = |code: &PromoCode, cart: &CartAmounts| refusals(Some(code), &SOMEBODY, Some(cart));
        assert_eq!(reasons(&code(), &cart(10_00)), []);
        assert_eq!(reasons(&PromoCode { is_active: false, ..code() }, &cart(1)), [Refusal::Inactive]);
        assert_eq!(reasons(&PromoCode { expires_at: Some(Instant(1000)), ..code() }, &cart(1)), [Refusal::Expired]);
        assert_eq!(reasons(&PromoCode { expires_at: Some(Instant(1001)), ..code() }, &cart(1)), []);
        assert_eq!(
            reasons(&PromoCode { max_uses: Some(3), current_uses: 3, ..code() }, &cart(1)),
            [Refusal::Exhausted]
        );
        assert_eq!(reasons(&PromoCode { max_uses: Some(3), current_uses: 2, ..code() }, &cart(1)), []);
        let from_ten = PromoCode { min_purchase_amount: Money::from_cents(10_00), ..code() };
        assert_eq!(reasons(&from_ten, &cart(9_99)), [Refusal::BelowMinimum]);
        assert_eq!(reasons(&from_ten, &cart(10_00)), []);
        assert_eq!(reasons(&code(), &CartAmounts { eligible: None, ..cart(1) }), [Refusal::NotApplicable]);
    }

    #[test]
    fn all_failed_conditions_are_reported_in_order() {
        let hopeless = PromoCode {
            is_active: false,
            expires_at: Some(Instant(0)),
            max_uses: Some(1),
            current_uses: 1,
            min_purchase_amount: Money::from_cents(100),
            ..restricted(json!({"tier": "vip", "first_purchase_only": true, "user_ids": [], "max_uses_per_user": 2}))
        };
        let returning = Redeemer { is_first_purchase: false, uses: 2, ..SOMEBODY };
        let cart = CartAmounts { eligible: None, ..cart(50) };
        let names: Vec<&str> =
            refusals(Some(&hopeless), &returning, Some(&cart)).into_iter().map(Refusal::name).collect();
        assert_eq!(
            names,
            [
                "inactive",
                "expired",
                "exhausted",
                "below_minimum",
                "not_applicable",
                "tier_not_allowed",
                "not_first_purchase",
                "user_not_allowed",
                "user_limit_reached"
            ]
        );
    }

    #[test]
    fn an_empty_cart_is_the_only_complaint_about_the_cart() {
        let from_ten = PromoCode { min_purchase_amount: Money::from_cents(10_00), ..code() };
        assert_eq!(refusals(Some(&from_ten), &SOMEBODY, Some(&EMPTY)), [Refusal::EmptyCart]);
        assert_eq!(refusals(None, &SOMEBODY, Some(&EMPTY)), [Refusal::Unknown, Refusal::EmptyCart]);
        assert_eq!(refusals(None, &SOMEBODY, Some(&cart(1))), [Refusal::Unknown]);
        assert_eq!(refusals(Some(&from_ten), &NOBODY, None), []);
    }

    #[test]
    fn a_restriction_refuses_whoever_is_not_known() {
        for (document, reason) in [
            (json!({"tier": ["vip", "pro"]}), Refusal::TierNotAllowed),
            (json!({"first_purchase_only": true}), Refusal::NotFirstPurchase),
            (json!({"user_ids": ["ada"]}), Refusal::UserNotAllowed),
            (json!({"max_uses_per_user": 1}), Refusal::UserLimitReached),
        ] {
            let code = restricted(document);
            assert_eq!(refusals(Some(&code), &NOBODY, None), [reason]);
            assert_eq!(refusals(Some(&code), &SOMEBODY, None), []);
        }
        assert_eq!(refusals(Some(&restricted(json!({"first_purchase_only": false}))), &NOBODY, None), []);
    }

    #[test]
    fn restrictions_are_refused_by_the_name_of_the_key() {
        let complaint = |document| Restrictions::parse(&document).unwrap_err().0;
        assert!(complaint(json!({"tiers": "vip"})).starts_with("unknown key \"tiers\"; the keys are tier, "));
        assert!(complaint(json!({"user_ids": "ada"})).starts_with("\"user_ids\" must be an array of strings"));
        assert!(complaint(json!({"max_uses_per_user": 0})).starts_with("\"max_uses_per_user\" must be an integer"));
        assert!(complaint(json!({"tier": 5})).starts_with("\"tier\" must be a string or an array of strings"));
        assert_eq!(refusals(Some(&restricted(json!(7))), &SOMEBODY, None), [Refusal::UserNotAllowed]);
    }

    #[test]
    fn a_fixed_amount_takes_at_most_what_is_eligible() {
        let five = PromoDiscount::FixedAmount(Money::from_cents(5_00));
        assert_eq!(five.on(Money::from_cents(3_00), Unit::HUNDREDTH), Money::from_cents(3_00));
        assert_eq!(five.on(Money::from_cents(8_00), Unit::HUNDREDTH), Money::from_cents(5_00));
    }
}
