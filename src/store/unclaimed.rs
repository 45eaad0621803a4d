//! Reports of providers about objects that belong to no sale known here: rows of `marketplace_unclaimed`, a table
//! that is created when the first one is stored.

use pgrx::datum::Interval;

use crate::error::Error;
use crate::params;
use crate::pg::document::{self, Budget, DocumentColumn};
use crate::pg::installation;
use crate::pg::locks::lock_extension;
use crate::pg::owner::Restricted;
use crate::pg::statement::{Statement, command};
use crate::store::{all_written, none_left};
use engine::payments::Fact;
use engine::time::Instant;

/// Locked, so that their number is known before they are deleted.
static LOCK: Statement =
    Statement::new("SELECT FROM @extschema@.marketplace_unclaimed AS u WHERE u.provider_ids && $1 FOR UPDATE");

static TAKE: Statement<(Instant, DocumentColumn)> = Statement::new(
    "DELETE FROM @extschema@.marketplace_unclaimed AS u WHERE u.provider_ids && $1 RETURNING u.heard_at, u.facts",
);

static KEEP: Statement = Statement::new(
    "INSERT INTO @extschema@.marketplace_unclaimed (digest, provider_ids, facts, heard_at)
     SELECT pg_catalog.md5(($2::text))::pg_catalog.uuid, $1, $2, $3
         ON CONFLICT (digest) DO NOTHING",
);

static IS_KEPT: Statement = Statement::new(
    "SELECT FROM @extschema@.marketplace_unclaimed AS u WHERE u.digest = pg_catalog.md5(($1::text))::pg_catalog.uuid",
);

/// With Citus every node has its own copy, and a limit might choose different rows there: so all are deleted at once.
static FORGET: Statement = Statement::new_or_distributed(
    "DELETE FROM @extschema@.marketplace_unclaimed AS u
      WHERE u.digest = ANY (ARRAY(
              SELECT o.digest
                FROM @extschema@.marketplace_unclaimed o
               WHERE o.heard_at < (pg_catalog.now() - $1)
               LIMIT $2
                 FOR UPDATE SKIP LOCKED))",
    "DELETE FROM @extschema@.marketplace_unclaimed AS u WHERE u.heard_at < (pg_catalog.now() - $1) AND $2 > 0",
);

static COUNT: Statement<(i64,)> = Statement::new(
    "SELECT pg_catalog.count(*) FROM @extschema@.marketplace_unclaimed u WHERE u.heard_at < (pg_catalog.now() - $1)",
);

static MAY_MAKE_TABLES: Statement<(bool,)> = Statement::new(
    "SELECT pg_catalog.has_schema_privilege($1, e.extnamespace, 'CREATE') FROM pg_catalog.pg_extension e WHERE e.extname = 'extensions'",
);

/// Creates the table if possible. Returns whether it exists.
pub fn make_table() -> Result<bool, Error> {
    let (schema, owner) = (installation::schema()?, installation::owner()?);
    let may_make = MAY_MAKE_TABLES.execute_one(params![owner], |(may,)| may)? == Some(true);
    if !may_make {
        return Ok(false);
    }
    lock_extension();
    // Somebody else may have created it meanwhile.
    if !is_there()? {
        let _owner = Restricted::to_owner(owner);
        for definition in TABLE {
            command(&definition.replace("@extschema@", &schema));
        }
        installation::own_table(c"marketplace_unclaimed")?.map_or(Ok(()), installation::drop_with_extension)?;
    }
    is_there()
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

/// Whether the table is there.
pub fn is_there() -> Result<bool, Error> {
    installation::own_table(c"marketplace_unclaimed").map(|table| table.is_some())
}

/// Takes out the reports about objects with these ids, each with the time of its arrival.
pub fn take(ids: &[&str]) -> Result<Vec<(Instant, Vec<Fact>)>, Error> {
    let mut taken = Vec::new();
    if is_there()? {
        let (ids, mut budget) = (ids.to_vec(), Budget::of_rows());
        let locked = LOCK.perform(params![&ids])?;
        let found = TAKE.execute(params![&ids], |(heard_at, facts)| {
            taken.push((heard_at, facts.keep("marketplace_unclaimed.facts", document::FACTS, &mut budget)?));
            Ok(())
        })?;
        none_left("marketplace_unclaimed", locked, found)?;
    }
    taken.sort_unstable_by_key(|&(heard_at, _)| heard_at);
    Ok(taken)
}

/// Stores facts for later. A fact that is already there is not stored again.
pub fn keep(ids: &[&str], facts: &[Fact], heard_at: Instant) -> Result<(), Error> {
    let facts = document::of_facts("marketplace_unclaimed.facts", &facts)?;
    if KEEP.perform(params![&ids.to_vec(), &facts, heard_at])? == 0 {
        all_written("marketplace_unclaimed", 1, IS_KEPT.perform(params![&facts])?)?;
    }
    Ok(())
}

/// Deletes reports that arrived this long ago. Returns how many.
pub fn forget(older_than: Interval, most: i32) -> Result<u64, Error> {
    FORGET.perform(params![older_than, most])
}

/// The number of reports that arrived this long ago.
pub fn count(older_than: Interval) -> Result<i64, Error> {
    Ok(COUNT.read_one(params![older_than], |(rows,)| rows)?.unwrap_or_default())
}
