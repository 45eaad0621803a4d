//! What providers told of things that nothing here is known to be about.
//!
//! In Stripe's API since 2025-03-31 an invoice and its payment name each other only through a third event, and refunds and disputes name
//! the payment alone. So what belongs to a checkout can be heard before anything that says so. It is put aside under the ids that it
//! names; when one of them becomes known as a sale's, it is that sale's. What is nobody's to the end is forgotten by maintenance.
//!
//! Most marketplaces never need the table, so the first event makes it: an ordinary table of the owner's, as the one of access levels.
//! Over Citus, where a table has to be copied to every node, distribute_marketplace() makes it beforehand.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::operations::books::Books;
use crate::pg::datum::now;
use crate::pg::installation;
use crate::pg::locks::hold_provider_ids;
use crate::store::unclaimed;
use engine::payments::Fact;

/// Puts aside what is nobody's yet. Whoever calls it holds the ids.
pub fn keep(facts: &[Fact]) -> Result<(), Error> {
    if !unclaimed::is_there()? && (installation::is_distributed()? || !unclaimed::make_table()?) {
        return Ok(());
    }
    let ids: BTreeSet<&str> = facts.iter().flat_map(Fact::ids).collect();
    unclaimed::keep(&ids.into_iter().collect::<Vec<&str>>(), facts, now())
}

impl Books {
    /// Takes in what was put aside of things that are only now known to be this sale's, and of those that it names in turn.
    pub fn claim(&mut self) -> Result<(), Error> {
        self.claim_beyond(self.stored_ids())
    }

    /// The same for all things but these.
    pub fn claim_beyond(&mut self, mut known: BTreeSet<String>) -> Result<(), Error> {
        loop {
            let ids: BTreeSet<String> = self.facts.ids().into_iter().map(str::to_owned).collect();
            let new: Vec<&str> = ids.difference(&known).map(String::as_str).collect();
            if new.is_empty() {
                return Ok(());
            }
            hold_provider_ids(new.iter().copied())?;
            for (heard_at, facts) in unclaimed::take(&new)? {
                for fact in facts {
                    self.hear(fact.heard_at(heard_at))?;
                }
            }
            known.extend(ids);
        }
    }
}
