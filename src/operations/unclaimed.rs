//! What providers told of things that nothing here is known to be about.
//!
//! In Stripe's API since 2025-03-31 an invoice and its payment name each other only through a third event, and refunds and disputes name
//! the payment alone. So what belongs to a checkout can be heard before anything that says so. It is put aside under the ids that it
//! names; when one of them becomes known as a sale's, it is that sale's. What is nobody's to the end is forgotten by maintenance.
//!
//! Most marketplaces never need the table, so the first event makes it: an ordinary table of the owner's, as the one of access levels.
//! Over Citus nothing is put aside; there reconcile_stripe() has to tell what came too early.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::operations::books::Books;
use crate::params;
use crate::pg::datum::now;
use crate::pg::installation;
use crate::pg::locks::{hold_provider_ids, lock_extension};
use crate::pg::owner::Restricted;
use crate::pg::statement::{Statement, command};
use crate::store::unclaimed;
use engine::payments::Fact;

static MAY_MAKE_TABLES: Statement<(bool,)> = Statement::new(
    "SELECT pg_catalog.has_schema_privilege($1, e.extnamespace, 'CREATE') FROM pg_catalog.pg_extension e WHERE e.extname = 'extensions'",
);

/// Puts aside what is nobody's yet. Whoever calls it holds the ids.
pub fn keep(facts: &[Fact]) -> Result<(), Error> {
    if !unclaimed::is_there()? && !make_table()? {
        return Ok(());
    }
    let ids: BTreeSet<&str> = facts.iter().flat_map(Fact::ids).collect();
    unclaimed::keep(&ids.into_iter().collect::<Vec<&str>>(), facts, now())
}

/// Makes the table, where that is possible. Says whether it is there.
fn make_table() -> Result<bool, Error> {
    let (schema, owner) = (installation::schema()?, installation::owner()?);
    let may_make = MAY_MAKE_TABLES.execute_one(params![owner], |(may,)| may)? == Some(true);
    if !may_make || installation::is_distributed()? {
        return Ok(false);
    }
    lock_extension();
    // Somebody else may have made it meanwhile.
    if !unclaimed::is_there()? {
        let _owner = Restricted::to_owner(owner);
        for definition in TABLE {
            command(&definition.replace("@extschema@", &schema));
        }
        installation::own_table(c"marketplace_unclaimed")?.map_or(Ok(()), installation::drop_with_extension)?;
    }
    unclaimed::is_there()
}

const TABLE: [&str; 4] = [
    "CREATE TABLE @extschema@.marketplace_unclaimed (
         digest pg_catalog.uuid CONSTRAINT marketplace_unclaimed_pkey PRIMARY KEY, provider_ids pg_catalog.text[] NOT NULL,
         facts pg_catalog.jsonb NOT NULL, heard_at pg_catalog.timestamptz NOT NULL)",
    "CREATE INDEX marketplace_unclaimed_provider_ids ON @extschema@.marketplace_unclaimed USING gin (provider_ids)",
    "CREATE INDEX marketplace_unclaimed_heard_at ON @extschema@.marketplace_unclaimed (heard_at)",
    "COMMENT ON TABLE @extschema@.marketplace_unclaimed IS
     'What payment providers told of things that nothing here is known to be about yet. run_maintenance() forgets it in time.'",
];

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
