//! An explanation as rows.

use uuid::Uuid;

use super::super::bundles::{AppliedBundle, BundleVerdict, JudgedBundle};
use super::super::catalog::Bundle;
use super::super::promotions::PromoRequest;
use super::super::quote::{PricedLine, PromoOutcome};
use super::super::rules::{self, JudgedRule, RuleVerdict};
use super::words::{self, Names};
use super::{Explanation, Stage, Step};

impl Explanation<'_> {
    /// The steps, in the order of the semantics: lines with their rules, bundles, the code, totals.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        let facts = self.list_cart.facts(self.terms);
        let lines = self.quote.lines.iter().flat_map(move |priced| {
            (self.terms.check_interrupts)();
            let offer = self.catalog.offer(priced.line.add_on);
            let rules = rules::judge(offer.rules(), &priced.line, &facts, self.terms);
            let rules = rules.map(|judged| self.rule(priced, &judged));
            std::iter::once(self.line(priced)).chain(rules).collect::<Vec<Step>>()
        });
        let withdrawn = self.cart.withdrawn.iter().map(|&add_on_id| self.withdrawn(add_on_id));
        let bundles = self.bundles.iter().flat_map(|judged| self.bundle(judged));
        let promo = self.terms.promo.into_iter().flat_map(|request| self.promo(request));
        let totals = self.quote.lines.iter().map(|priced| self.line_total(priced));
        let total = std::iter::once_with(|| self.total());
        lines.chain(withdrawn).chain(bundles).chain(promo).chain(totals).chain(total)
    }

    fn names(&self) -> Names<'_> {
        Names { catalog: self.catalog, cart: self.cart }
    }

    fn id_of(&self, priced: &PricedLine) -> Uuid {
        self.catalog.add_on(priced.line.add_on).id
    }

    fn line(&self, priced: &PricedLine) -> Step {
        let add_on = self.catalog.add_on(priced.line.add_on);
        Step {
            stage: Stage::Line,
            add_on_id: Some(add_on.id),
            source_id: None,
            source: add_on.name.clone(),
            outcome: "listed",
            base: Some(priced.line.list_amount),
            discount: None,
            detail: words::line(&priced.line, add_on.base_price),
        }
    }

    fn withdrawn(&self, add_on_id: Uuid) -> Step {
        Step {
            stage: Stage::Line,
            add_on_id: Some(add_on_id),
            source_id: None,
            source: self.names().add_on(add_on_id),
            outcome: "unavailable",
            base: None,
            discount: None,
            detail: "it is no longer sold, and left out of the totals".to_owned(),
        }
    }

    fn rule(&self, priced: &PricedLine, judged: &JudgedRule) -> Step {
        let JudgedRule { rule, verdict } = judged;
        let (outcome, base, discount, detail) = match verdict {
            RuleVerdict::Applied { base, discount } => {
                let detail = words::discount(rule.discount, *base, priced.line.quantity, self.terms.unit);
                ("applied", Some(*base), Some(*discount), detail)
            }
            RuleVerdict::Lost { to, because } => ("lost", None, None, words::lost(rule, to, *because)),
            RuleVerdict::Ineligible(reasons) => {
                ("ineligible", None, None, words::ineligible(reasons, rule, self.terms, &self.names()))
            }
        };
        Step {
            stage: Stage::Rule,
            add_on_id: Some(rule.add_on_id),
            source_id: Some(rule.id),
            source: words::rule_name(rule),
            outcome,
            base,
            discount,
            detail,
        }
    }

    fn bundle(&self, judged: &JudgedBundle) -> Vec<Step> {
        (self.terms.check_interrupts)();
        let JudgedBundle { bundle, verdict } = judged;
        let (outcome, base, detail) = match verdict {
            BundleVerdict::Applied(AppliedBundle { instances, base, .. }) => (
                "applied",
                Some(*base),
                words::applied_bundle(bundle, *instances, *base, self.terms.unit, &self.names()),
            ),
            BundleVerdict::NotChosen { alone } => {
                let saved = self.quote.bundles.iter().map(|applied| applied.discount).sum();
                ("not_chosen", None, words::not_chosen(*alone, saved))
            }
            BundleVerdict::Ineligible(obstacles) => ("ineligible", None, words::obstacles(obstacles, &self.names())),
        };
        let step = Step {
            stage: Stage::Bundle,
            add_on_id: None,
            source_id: Some(bundle.id),
            source: bundle.name.clone(),
            outcome,
            base,
            discount: None,
            detail,
        };
        let splits = match verdict {
            BundleVerdict::Applied(applied) => self.bundle_splits(bundle, applied),
            _ => Vec::new(),
        };
        std::iter::once(step).chain(splits).collect()
    }

    fn bundle_splits(&self, bundle: &Bundle, applied: &AppliedBundle) -> Vec<Step> {
        let split = |part: &super::super::bundles::BundlePart| {
            let priced = &self.quote.lines[part.line];
            Step {
                stage: Stage::BundleSplit,
                add_on_id: Some(self.id_of(priced)),
                source_id: Some(bundle.id),
                source: bundle.name.clone(),
                outcome: "applied",
                base: Some(part.consumed),
                discount: Some(part.discount),
                detail: format!(
                    "{} of {} units consume {}; their part of {} is {}",
                    applied.instances, priced.line.quantity, part.consumed, applied.discount, part.discount
                ),
            }
        };
        applied.parts.iter().map(split).collect()
    }

    fn promo(&self, request: &PromoRequest) -> Vec<Step> {
        let outcome = self.quote.promo.clone().unwrap_or_default();
        let conditions = self.promo_conditions(request);
        let splits = self.quote.lines.iter().filter(|_| outcome.is_valid());
        let splits = splits.filter_map(|priced| self.promo_split(request, priced, &outcome));
        conditions.into_iter().chain([self.promo_itself(request, &outcome)]).chain(splits).collect()
    }

    fn promo_conditions(&self, request: &PromoRequest) -> Vec<Step> {
        let Some(code) = &request.terms else { return Vec::new() };
        let condition = |&check: &super::super::promotions::Check| Step {
            stage: Stage::PromoCondition,
            add_on_id: None,
            source_id: Some(code.id),
            source: request.code.clone(),
            outcome: if check.holds { "met" } else { check.refusal.name() },
            base: None,
            discount: None,
            detail: words::check(check, code, &self.amounts, self.terms, &self.names()),
        };
        self.checks.iter().map(condition).collect()
    }

    fn promo_itself(&self, request: &PromoRequest, outcome: &PromoOutcome) -> Step {
        let reasons: Vec<&str> = outcome.refusals.iter().map(|refusal| refusal.name()).collect();
        let detail = match &request.terms {
            Some(code) if outcome.is_valid() => {
                words::promo_discount(code.discount, outcome.eligible_amount(), self.terms.unit)
            }
            _ => reasons.join(", "),
        };
        Step {
            stage: Stage::Promo,
            add_on_id: None,
            source_id: request.terms.as_ref().map(|code| code.id),
            source: request.code.clone(),
            outcome: if outcome.is_valid() { "applied" } else { "refused" },
            base: outcome.eligible,
            discount: None,
            detail,
        }
    }

    fn promo_split(&self, request: &PromoRequest, priced: &PricedLine, outcome: &PromoOutcome) -> Option<Step> {
        let code = request.terms.as_ref()?;
        let add_on_id = self.id_of(priced);
        let base = priced.total() + priced.promo_discount;
        code.is_good_for(add_on_id).then(|| Step {
            stage: Stage::PromoSplit,
            add_on_id: Some(add_on_id),
            source_id: Some(code.id),
            source: request.code.clone(),
            outcome: "applied",
            base: Some(base),
            discount: Some(priced.promo_discount),
            detail: format!("its part of {} is {}", outcome.discount, priced.promo_discount),
        })
    }

    fn line_total(&self, priced: &PricedLine) -> Step {
        Step {
            stage: Stage::Total,
            add_on_id: Some(self.id_of(priced)),
            source_id: None,
            source: self.catalog.add_on(priced.line.add_on).name.clone(),
            outcome: "to_pay",
            base: Some(priced.total()),
            discount: None,
            detail: words::difference(
                priced.line.list_amount,
                &[priced.rule_discount(), priced.bundle_discount, priced.promo_discount],
                priced.total(),
            ),
        }
    }

    fn total(&self) -> Step {
        let total = self.quote.total();
        Step {
            stage: Stage::Total,
            add_on_id: None,
            source_id: None,
            source: "cart".to_owned(),
            outcome: "to_pay",
            base: Some(total),
            discount: None,
            detail: words::difference(self.quote.list_total(), &[self.quote.discount_total()], total),
        }
    }
}
