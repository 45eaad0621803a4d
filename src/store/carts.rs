//! Reads every cart in one ordered scan.

use crate::error::Error;
use crate::pg::statement::Statement;
use uuid::Uuid;

use crate::pg::row::RawText;
use crate::pg::text::from_server;
use crate::store::cart::stored_line;
use engine::cart::StoredLine;

static ALL_LINES: Statement<(RawText, Uuid, i32, Option<String>)> = Statement::new(
    "SELECT c.user_id, c.add_on_id, c.quantity, c.billing_type
       FROM @extschema@.cart_items c
      ORDER BY c.user_id, c.added_at, c.add_on_id",
);

/// The number of carts in a batch: enough that queries about their users need few statements.
const BATCH: usize = 4000;

/// The maximum number of lines in a batch, unless a single cart has more.
const BATCH_OF_LINES: usize = 50_000;

/// Carts of some users.
#[derive(Debug, Default)]
pub struct Batch {
    user_ids: Vec<String>,
    /// Where each user's lines end.
    ends: Vec<usize>,
    lines: Vec<StoredLine>,
}

impl Batch {
    /// The carts: their users, and their lines in the order in which they were added.
    pub fn carts(&self) -> impl Iterator<Item = (&str, &[StoredLine])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends).map(|(start, &end)| &self.lines[start..end]);
        self.user_ids.iter().map(String::as_str).zip(ranges)
    }

    fn clear(&mut self) {
        self.user_ids.clear();
        self.ends.clear();
        self.lines.clear();
    }

    /// Finishes the current cart, and keeps it if it is wanted.
    fn end_cart(&mut self, is_wanted: impl Fn(&[StoredLine]) -> bool) {
        let start = self.ends.last().copied().unwrap_or(0);
        if self.user_ids.len() > self.ends.len() {
            if is_wanted(&self.lines[start..]) {
                self.ends.push(self.lines.len());
            } else {
                self.user_ids.pop();
                self.lines.truncate(start);
            }
        }
    }
}

/// Passes on the wanted carts batch by batch, and keeps only one batch in memory.
pub fn each_batch(
    is_wanted: impl Fn(&[StoredLine]) -> bool,
    mut each: impl FnMut(&Batch) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut batch = Batch::default();
    // The user as the database encodes it, so that the text is converted once per user and not once per line.
    let mut raw_user_id: Option<Vec<u8>> = None;
    ALL_LINES.read(&[], |(user_id, add_on_id, quantity, charged)| {
        if raw_user_id.as_deref() != Some(user_id) {
            batch.end_cart(&is_wanted);
            if batch.ends.len() == BATCH || batch.lines.len() > BATCH_OF_LINES {
                each(&batch)?;
                batch.clear();
            }
            batch.user_ids.push(from_server(user_id));
            let raw = raw_user_id.get_or_insert_default();
            raw.clear();
            raw.extend_from_slice(user_id);
        }
        batch.lines.push(stored_line((add_on_id, quantity, charged)));
        Ok(())
    })?;
    batch.end_cart(&is_wanted);
    if batch.ends.is_empty() { Ok(()) } else { each(&batch) }
}
