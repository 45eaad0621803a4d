//! An explanation as an indented tree, like the output of EXPLAIN.

use std::collections::HashMap;

use super::{Stage, Step};

/// Lays the steps out under a heading, one line each.
pub fn tree(heading: &str, steps: impl Iterator<Item = Step>) -> String {
    let (mut names, mut conditions) = (HashMap::new(), Vec::new());
    let mut text = heading.to_owned();
    let mut last_top = None;
    for step in steps {
        if step.stage == Stage::Line {
            names.insert(step.add_on_id, step.source.clone());
        }
        if step.stage == Stage::Total && last_top != Some(Stage::Total) {
            text.push_str("\n  ->  To pay");
        }
        if depth(step.stage) == 0 || step.stage == Stage::Total {
            last_top = Some(step.stage);
        }
        // The conditions of a code are printed below it, but come before it among the steps.
        if step.stage == Stage::PromoCondition {
            conditions.push(step);
            continue;
        }
        let name = names.get(&step.add_on_id).map_or("", String::as_str);
        push(&mut text, depth(step.stage), &words(&step, name));
        if step.stage == Stage::Promo {
            conditions.drain(..).for_each(|condition| push(&mut text, 1, &words(&condition, "")));
        }
    }
    text
}

fn push(text: &mut String, depth: usize, words: &str) {
    text.push('\n');
    text.push_str(&" ".repeat(2 + 6 * depth));
    text.push_str("->  ");
    text.push_str(words);
}

fn depth(stage: Stage) -> usize {
    match stage {
        Stage::Line | Stage::Bundle | Stage::Promo => 0,
        Stage::Rule | Stage::BundleSplit | Stage::PromoCondition | Stage::PromoSplit | Stage::Total => 1,
    }
}

fn words(step: &Step, add_on: &str) -> String {
    let Step { source, outcome, detail, .. } = step;
    let off = step.discount.map_or_else(String::new, |discount| format!(" -{discount}"));
    match (step.stage, *outcome) {
        (Stage::Line, "unavailable") => format!("{source} (unavailable: {detail})"),
        (Stage::Line, _) => format!("{source}: {} ({detail})", shown(step)),
        (Stage::Rule, _) => {
            let id = step.source_id.unwrap_or_default();
            format!("Rule {id}, {}: {outcome}{off} ({detail})", source.trim_start_matches("pricing rule of "))
        }
        (Stage::Bundle, _) => format!("Bundle {source}: {} ({detail})", outcome.replace('_', " ")),
        (Stage::Promo, _) => format!("Code {source}: {outcome} ({detail})"),
        (Stage::PromoCondition, "met") => format!("met ({detail})"),
        (Stage::PromoCondition, reason) => format!("not met: {reason} ({detail})"),
        (Stage::BundleSplit | Stage::PromoSplit, _) => format!("{add_on}:{off} ({detail})"),
        (Stage::Total, _) if step.add_on_id.is_some() => format!("{add_on}: {detail}"),
        (Stage::Total, _) => format!("Cart: {detail}"),
    }
}

fn shown(step: &Step) -> String {
    step.base.map_or_else(String::new, |base| base.to_string())
}
