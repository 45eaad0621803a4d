//! The reports about one object, in whatever order they arrive.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// A state that a provider reports.
pub trait State: Clone + Ord {
    /// 0 for a state that another one may follow. Final states have higher ranks: they are never left, and the
    /// highest rank wins.
    fn finality(&self) -> u8 {
        0
    }
}

/// A reported state, and when it began according to the provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Report<T> {
    /// The provider's date; [`Instant::NEG_INFINITY`] if the provider gives none.
    pub at: Instant,
    /// The state.
    pub now: T,
    /// The previous state, if the event names it (`previous_attributes`): it orders two reports of the same second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<T>,
}

/// The reports on one object that can still matter: the earliest of final states, else the latest. There are several
/// only if the provider gives them the same date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent, bound(deserialize = "T: Ord + Deserialize<'de>"))]
pub struct Reports<T: Ord>(BTreeSet<Report<T>>);

impl<T: Ord> Default for Reports<T> {
    fn default() -> Reports<T> {
        Reports(BTreeSet::new())
    }
}

impl<T: State> Reports<T> {
    /// One report by itself.
    pub fn one(at: Instant, now: T, before: Option<T>) -> Reports<T> {
        Reports(BTreeSet::from([Report { at, now, before }]))
    }

    /// Merges other reports. Order and repetition do not matter.
    pub fn merge(&mut self, other: Reports<T>) {
        self.0.extend(other.0);
        let finality = self.0.iter().map(|report| report.now.finality()).max().unwrap_or(0);
        self.0.retain(|report| report.now.finality() == finality);
        let dates = self.0.iter().map(|report| report.at);
        let Some(decisive) = (if finality > 0 { dates.min() } else { dates.max() }) else { return };
        self.0.retain(|report| report.at == decisive);
    }

    /// The same reports with other states.
    pub(super) fn map(self, change: impl Fn(Instant, T) -> T) -> Reports<T> {
        Reports(self.0.into_iter().map(|report| Report { now: change(report.at, report.now), ..report }).collect())
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The date of the decisive reports.
    pub fn at(&self) -> Option<Instant> {
        self.0.first().map(|report| report.at)
    }

    /// The decisive reports that no other one names as its predecessor; all of them if they name each other.
    pub fn latest(&self) -> Vec<&T> {
        let is_followed = |report: &Report<T>| {
            self.0.iter().any(|other| other.now != report.now && other.before.as_ref() == Some(&report.now))
        };
        let latest: Vec<&T> = self.0.iter().filter(|report| !is_followed(report)).map(|report| &report.now).collect();
        if latest.is_empty() { self.0.iter().map(|report| &report.now).collect() } else { latest }
    }

    /// The last report. If nothing orders several, their content decides.
    pub fn last(&self) -> Option<&T> {
        self.latest().into_iter().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Light {
        Red,
        Green,
        Broken,
    }

    impl State for Light {
        fn finality(&self) -> u8 {
            u8::from(*self == Light::Broken)
        }
    }

    fn told(reports: &[(i64, Light, Option<Light>)]) -> Reports<Light> {
        let mut all = Reports::default();
        for (at, now, before) in reports.iter().cloned() {
            all.merge(Reports::one(Instant(at), now, before));
        }
        all
    }

    #[test]
    fn the_later_word_counts_and_a_final_one_for_ever() {
        assert_eq!(told(&[(2, Light::Red, None), (1, Light::Green, None)]).last(), Some(&Light::Red));
        assert_eq!(told(&[(2, Light::Red, None), (1, Light::Broken, None)]).last(), Some(&Light::Broken));
        assert_eq!(told(&[(3, Light::Broken, None), (1, Light::Broken, None)]).at(), Some(Instant(1)));
        assert_eq!(told(&[]).last(), None);
    }

    #[test]
    fn previous_attributes_order_reports_of_one_second() {
        let (to_red, to_green) = ((1, Light::Red, Some(Light::Green)), (1, Light::Green, Some(Light::Red)));
        assert_eq!(told(&[to_red.clone(), (1, Light::Green, None)]).last(), Some(&Light::Red));
        assert_eq!(told(&[(1, Light::Red, None), to_green.clone()]).last(), Some(&Light::Green));
        assert_eq!(told(&[(1, Light::Red, None), (1, Light::Green, None)]).last(), Some(&Light::Green));
        assert_eq!(told(&[to_red, to_green]).last(), Some(&Light::Green)); // there and back: the content decides
    }
}
