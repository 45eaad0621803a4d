//! Applies objects from a provider's API, to make up for missed webhooks (semantics 4.6).

use crate::error::Error;
use crate::operations::events::{self, UnknownFacts};
use engine::events::stripe::Fetched;
use engine::payments::Fact;
use engine::payments::answer::Action;

/// What became of an object.
#[derive(Debug)]
pub struct Reconciled {
    pub object_id: Option<String>,
    pub action: Action,
    pub changed: bool,
}

/// Applies what objects report. One object can make another identifiable, in any order. So objects that name nothing
/// known are retried as long as a round makes anything known.
pub fn reconcile(fetched: Vec<Fetched>) -> Result<Vec<Reconciled>, Error> {
    // All locks are taken at once and first: one object can make known what another is about.
    let facts: Vec<Fact> = fetched.iter().flat_map(|object| object.facts.iter().cloned()).collect();
    events::lock(&facts, || events::users(&facts), Clone::clone)?;
    let mut outcomes: Vec<Option<Reconciled>> = fetched.iter().map(|_| None).collect();
    loop {
        let mut is_news = false;
        for (object, outcome) in fetched.iter().zip(&mut outcomes) {
            if outcome.as_ref().is_none_or(|known| !known.action.is_about_ours()) {
                let report = events::apply(object.facts.clone(), UnknownFacts::Dropped)?;
                is_news |= report.action.is_about_ours() && report.changed;
                let (object_id, action, changed) = (object.id.clone(), report.action, report.changed);
                *outcome = Some(Reconciled { object_id, action, changed });
            }
        }
        if !is_news {
            return Ok(outcomes.into_iter().flatten().collect());
        }
    }
}
