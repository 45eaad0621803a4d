//! What a provider has said of a subscription, in whatever order it said it (semantics 5).

use serde::{Deserialize, Serialize};

use super::events::Event;
use super::time::Instant;

/// The latest word on a subscription. Kept in the `metadata` of its purchases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    /// When the latest word was said, in microseconds since 2000, and by which event.
    said_at: i64,
    said_by: String,
    /// Whether it will be renewed; `None` until it was said.
    pub auto_renew: Option<bool>,
    /// Whether access is withheld because payments are missing.
    pub on_hold: bool,
    /// The latest end of a period, in microseconds since 2000.
    period_end: Option<i64>,
    /// Whether it is over, which is final.
    pub has_ended: bool,
    /// Since when, in microseconds since 2000.
    ended_at: Option<i64>,
}

impl SubscriptionState {
    /// The latest end of a period that was said.
    pub fn period_end(&self) -> Option<Instant> {
        self.period_end.map(Instant)
    }

    /// Since when it is over, if that was said.
    pub fn ended_at(&self) -> Option<Instant> {
        self.ended_at.map(Instant)
    }

    /// Takes in what an event says of a running subscription. Ends of periods only grow, and of two events the later
    /// decides the rest, so the order of deliveries does not matter.
    pub fn change(&mut self, event: &Event, auto_renew: Option<bool>, on_hold: bool, period_end: Option<Instant>) {
        let (Instant(said_at), said_by) = event.order.clone();
        self.period_end = self.period_end.max(period_end.map(|end| end.0));
        if (said_at, said_by.as_str()) >= (self.said_at, self.said_by.as_str()) || self.said_by.is_empty() {
            self.auto_renew = auto_renew.or(self.auto_renew);
            self.on_hold = on_hold;
            (self.said_at, self.said_by) = (said_at, said_by);
        }
    }

    /// Takes in that it is over. Of several times the earliest counts.
    pub fn end(&mut self, ended_at: Option<Instant>) {
        self.has_ended = true;
        let said = ended_at.map(|end| end.0);
        self.ended_at = [self.ended_at, said].into_iter().flatten().min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{News, Reference};
    use proptest::prelude::*;

    fn event(at: i64, id: &str) -> Event {
        Event { order: (Instant(at), id.to_owned()), reference: Reference::default(), news: News::Unknown }
    }

    proptest! {
        #[test]
        fn the_order_of_deliveries_does_not_matter(
            words in prop::collection::vec((0..4_i64, any::<bool>(), any::<bool>(), prop::option::of(0..9_i64)), 1..6)
                .prop_flat_map(|words| (Just(words.clone()), Just(words.into_iter().enumerate().collect::<Vec<_>>()).prop_shuffle())),
            ended in any::<bool>(),
        ) {
            type Word = (i64, bool, bool, Option<i64>);
            let (words, shuffled) = words;
            let tell = |words: Vec<(usize, Word)>| {
                let mut state = SubscriptionState::default();
                for (number, (at, auto_renew, on_hold, end)) in words {
                    if ended && number == 0 {
                        state.end(end.map(Instant));
                    }
                    state.change(&event(at, &format!("evt_{number}")), Some(auto_renew), on_hold, end.map(Instant));
                }
                state
            };
            prop_assert_eq!(tell(words.into_iter().enumerate().collect()), tell(shuffled));
        }
    }

    #[test]
    fn it_is_kept_as_json() {
        let mut state = SubscriptionState::default();
        state.change(&event(5, "evt_1"), Some(false), true, Some(Instant(7)));
        state.end(Some(Instant(9)));
        let document = serde_json::to_value(&state).unwrap();
        assert_eq!(serde_json::from_value::<SubscriptionState>(document).unwrap(), state);
    }
}
