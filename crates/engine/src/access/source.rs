//! Where access to an add-on comes from.

use crate::calendar::months_after;
use crate::payments::paid::{Paid, Period};
use crate::purchases::PurchaseStatus;
use crate::time::Instant;

/// Something that gives a user access to an add-on, or gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is.
    pub kind: Kind,
    /// The purchase, the grant, or whatever else it is known by.
    pub id: String,
    /// When the source came into being; periods are laid in this order.
    pub made_at: Instant,
    /// Breaks ties between sources of the same instant: the names of their payments, or the place in which they were
    /// laid before.
    pub place: String,
    /// For how long it gives access.
    pub term: Term,
    /// Whether it counts.
    pub standing: Standing,
    /// The instant at which it was cut off, whatever its term.
    pub ended: Option<Instant>,
    /// Whether anything that the host has written later already includes it.
    pub is_absorbed: bool,
    /// Units bought.
    pub units: u32,
    /// Whether its units are added to those of other sources, as with `usage_based` add-ons.
    pub adds_up: bool,
}

/// The kind of a source. Sources of the same instant are laid in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The row as somebody else has written it.
    Host,
    /// A grant by hand.
    Grant,
    /// A trial.
    Trial,
    /// A period that was added without a payment.
    Extension,
    /// A payment by itself.
    Purchase,
    /// A payment through a subscription.
    Subscription,
}

impl Kind {
    /// Its name as callers see it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::Grant | Kind::Extension => "grant",
            Kind::Trial => "trial",
            Kind::Purchase => "purchase",
            Kind::Subscription => "subscription",
        }
    }
}

/// For how long a source gives access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// From one instant to another, or without end.
    Window {
        /// The beginning.
        from: Instant,
        /// The end.
        until: Option<Instant>,
    },
    /// A paid period of this many months, laid behind the earlier periods.
    Months(u32),
    /// A paid period with an end named by the provider. Without that end it would last this many months.
    Until {
        /// The end.
        until: Instant,
        /// The months.
        months: u32,
    },
    /// Without end, once it is paid.
    Unlimited,
    /// For no time.
    Nothing,
}

/// Whether a source counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It counts.
    Live,
    /// The row waits to begin.
    Pending,
    /// Its payment is contested.
    Disputed,
    /// Its subscription is unpaid.
    Overdue,
    /// It was paid back, or never paid.
    Gone,
}

/// The window of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The beginning.
    pub from: Instant,
    /// The end; `None` for none.
    pub until: Option<Instant>,
}

impl Span {
    /// Whether it contains an instant.
    pub fn contains(&self, at: Instant) -> bool {
        self.from <= at && self.is_ahead(at)
    }

    /// Whether it ends after an instant.
    pub fn is_ahead(&self, at: Instant) -> bool {
        self.until.is_none_or(|until| until > at)
    }
}

impl Source {
    /// The source that a purchase is.
    pub fn of_purchase(id: String, status: PurchaseStatus, paid: &Paid, units: u32, adds_up: bool) -> Source {
        let term = match (paid.period, paid.until) {
            (Period::Months(months), Some(until)) => Term::Until { until, months },
            (Period::Months(months), None) => Term::Months(months),
            (Period::Unlimited, _) => Term::Unlimited,
            (Period::Nothing, _) => Term::Nothing,
        };
        let standing = match status {
            PurchaseStatus::Completed if paid.is_overdue => Standing::Overdue,
            PurchaseStatus::Completed => Standing::Live,
            PurchaseStatus::Disputed => Standing::Disputed,
            PurchaseStatus::Pending | PurchaseStatus::Failed | PurchaseStatus::Refunded => Standing::Gone,
        };
        let kind = if paid.subscription.is_some() { Kind::Subscription } else { Kind::Purchase };
        Source {
            kind,
            id,
            made_at: paid.at,
            place: paid.payment.clone().unwrap_or_default(),
            term,
            standing,
            ended: paid.ended,
            is_absorbed: false,
            units,
            adds_up,
        }
    }

    /// A source that gives access from one instant to another.
    pub fn window(kind: Kind, id: String, made_at: Instant, from: Instant, until: Option<Instant>) -> Source {
        let term = Term::Window { from, until };
        Source {
            kind,
            id,
            made_at,
            place: String::new(),
            term,
            standing: Standing::Live,
            ended: None,
            is_absorbed: false,
            units: 1,
            adds_up: false,
        }
    }
}

/// Paid periods that follow each other without a gap, each this many months long and counted from an anchor.
#[derive(Clone, Copy, Debug)]
struct Run {
    anchor: Instant,
    months: u32,
    end: Instant,
}

impl Run {
    fn from(anchor: Instant) -> Run {
        Run { anchor, months: 0, end: anchor }
    }
}

/// The window of each source, in their order; `None` for a source that gives no time.
///
/// Paid periods are laid end to end. A period begins when it was paid or at the end of the earlier periods, whichever
/// is later. The n-th end is the anchor plus n months, so that a short month does not shorten the periods after it. A
/// withheld source takes no time from the sources that count; its own window is the one that it would have if it
/// counted.
pub fn lay(sources: &[Source]) -> Vec<Option<Span>> {
    let mut order: Vec<usize> = (0..sources.len()).filter(|&place| sources[place].standing != Standing::Gone).collect();
    order.sort_by(|&one, &other| {
        let key = |place: usize| {
            let source = &sources[place];
            (!source.is_absorbed, source.made_at, source.kind, &source.place, &source.id)
        };
        key(one).cmp(&key(other))
    });
    let mut spans = vec![None; sources.len()];
    if order.iter().any(|&place| sources[place].standing != Standing::Live) {
        lay_in_order(sources, &order, &mut spans);
        order.retain(|&place| sources[place].standing == Standing::Live);
    }
    lay_in_order(sources, &order, &mut spans);
    spans
}

fn lay_in_order(sources: &[Source], order: &[usize], spans: &mut [Option<Span>]) {
    let mut run: Option<Run> = None;
    for &place in order {
        let source = &sources[place];
        let (span, next) = next_period(source, run);
        spans[place] = span.and_then(|span| cut(span, source.ended));
        let is_endless = matches!(source.term, Term::Unlimited | Term::Window { until: None, .. });
        run = match (span, source.ended) {
            // A source that ended early makes room for the others, all of its time if it had not begun.
            (Some(span), Some(cut)) if span.is_ahead(cut) && !is_endless => {
                let is_behind = cut <= span.from || run.is_some_and(|before| before.end >= cut);
                if is_behind { run } else { Some(Run::from(cut)) }
            }
            _ => next,
        };
    }
}

fn cut(span: Span, at: Option<Instant>) -> Option<Span> {
    let until = match (span.until, at) {
        (Some(until), Some(at)) => Some(until.min(at)),
        (until, at) => until.or(at),
    };
    until.is_none_or(|until| until > span.from).then_some(Span { until, ..span })
}

/// The place of a source's period behind the earlier ones, and the anchor for the periods behind it.
fn next_period(source: &Source, run: Option<Run>) -> (Option<Span>, Option<Run>) {
    let made_at = source.made_at;
    let going = run.filter(|run| run.end >= made_at);
    match source.term {
        Term::Nothing => (None, run),
        Term::Unlimited => (Some(Span { from: made_at, until: None }), run),
        Term::Window { from, until } => {
            let is_last = until.is_some_and(|until| run.is_none_or(|run| until > run.end));
            (Some(Span { from, until }), if is_last { until.map(Run::from) } else { run })
        }
        Term::Months(months) => {
            let before = going.unwrap_or(Run::from(made_at));
            match months_after(before.anchor, before.months.saturating_add(months)) {
                Some(end) => (
                    Some(Span { from: before.end, until: Some(end) }),
                    Some(Run { months: before.months + months, end, ..before }),
                ),
                None => (Some(Span { from: before.end, until: None }), run),
            }
        }
        Term::Until { until, .. } if until <= made_at => {
            next_period(&Source { term: Term::Nothing, ..source.clone() }, run)
        }
        Term::Until { until, months } => {
            let before = going.unwrap_or(Run::from(made_at));
            let is_expected = months_after(before.anchor, before.months.saturating_add(months)) == Some(until);
            let next = match () {
                () if until <= before.end => before,
                () if is_expected => Run { months: before.months + months, end: until, ..before },
                () => Run::from(until),
            };
            (Some(Span { from: made_at, until: Some(until) }), Some(next))
        }
    }
}
