//! Reports of providers about objects that belong to no sale known here.
//!
//! In Stripe's API since 2025-03-31, an invoice and its payment name each other only through a third event, and
//! refunds and disputes name only the payment. So a report about a checkout can arrive before anything that links it
//! to the checkout. It is stored for later under the ids that it names. When a sale learns one of these ids, it takes the
//! report over. Maintenance deletes reports that nobody takes over.
//!
//! Most marketplaces never need the table, so the first such event creates it: an ordinary table of the owner, like
//! the one for access levels. With Citus, a table has to be copied to every node, so distribute_marketplace() creates
//! it beforehand.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::operations::books::Books;
use crate::pg::clock::now;
use crate::pg::installation;
use crate::pg::locks::hold_provider_ids;
use crate::store::unclaimed;
use engine::payments::Fact;

/// Stores reports that belong to no sale yet. The caller must hold the ids.
pub fn keep(facts: &[Fact]) -> Result<(), Error> {
    if !unclaimed::is_there()? && (installation::is_distributed()? || !unclaimed::make_table()?) {
        return Ok(());
    }
    let ids: BTreeSet<&str> = facts.iter().flat_map(Fact::ids).collect();
    unclaimed::keep(&ids.into_iter().collect::<Vec<&str>>(), facts, now())
}

impl Books {
    /// Takes over what was stored for later about objects that this sale has just learned of, and about the objects that
    /// those name in turn.
    pub fn claim(&mut self) -> Result<(), Error> {
        self.claim_beyond(self.stored_ids())
    }

    /// The same, except for these objects.
    pub fn claim_beyond(&mut self, mut known: BTreeSet<String>) -> Result<(), Error> {
        loop {
            let ids: BTreeSet<String> = self.ledger.facts.ids().into_iter().map(str::to_owned).collect();
            let new: Vec<&str> = ids.difference(&known).map(String::as_str).collect();
            if new.is_empty() {
                return Ok(());
            }
            hold_provider_ids(new.iter().copied())?;
            for (heard_at, facts) in unclaimed::take(&new)? {
                for fact in facts {
                    self.add_fact(fact.heard_at(heard_at))?;
                }
            }
            known.extend(ids);
        }
    }
}
