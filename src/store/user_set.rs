//! A set of user ids in bounded memory.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

/// Users, by the bytes of their ids. If they do not all fit, it contains those of a share of all users, and does not
/// know of others.
pub struct UserSet {
    /// A table of the users by their hashes. Its length is a power of two.
    slots: Vec<Slot>,
    /// Each id after its length.
    ids: Vec<u8>,
    count: usize,
    /// The maximum of bytes.
    limit: usize,
    /// How often the share was halved: it consists of the users whose hashes begin with so many zeros.
    halvings: u32,
    hasher: RandomState,
}

/// The place of an id, counted from 1, and a part of its hash; a place of 0 is free.
#[derive(Clone, Copy, Default)]
struct Slot {
    place: u32,
    hash: u32,
}

const FIRST_SLOTS: usize = 256;

/// The set does not know of users with longer ids.
const LONGEST_ID: usize = u16::MAX as usize;

/// The maximum share of slots that are not free, in quarters.
const MOST_QUARTERS: usize = 3;

impl UserSet {
    /// An empty set that takes no more than about so many bytes.
    pub fn new(limit: usize) -> UserSet {
        // The places of all ids are numbers of four bytes.
        let limit = limit.min(1 << 31);
        let slots = vec![Slot::default(); FIRST_SLOTS];
        UserSet { slots, ids: Vec::new(), count: 0, limit, halvings: 0, hasher: RandomState::default() }
    }

    /// Whether the set contains the user; `None` for a user that it does not know of.
    pub fn contains(&self, id: &[u8]) -> Option<bool> {
        let hash = self.hasher.hash_one(id);
        (self.knows(hash) && id.len() <= LONGEST_ID).then(|| self.slots[self.slot_of(hash as u32, id)].place > 0)
    }

    /// Adds a user.
    pub fn insert(&mut self, id: &[u8]) {
        let hash = self.hasher.hash_one(id);
        if !self.knows(hash) || id.len() > LONGEST_ID {
            return;
        }
        let at = self.slot_of(hash as u32, id);
        if self.slots[at].place > 0 {
            return;
        }
        self.slots[at] = Slot { place: self.ids.len() as u32 + 1, hash: hash as u32 };
        self.ids.extend_from_slice(&(id.len() as u16).to_ne_bytes());
        self.ids.extend_from_slice(id);
        self.count += 1;
        if self.bytes() > self.limit && self.halvings < u64::BITS - 1 {
            self.halve();
        } else if self.count * 4 > self.slots.len() * MOST_QUARTERS {
            self.rearrange(self.slots.len() * 2);
        }
    }

    fn knows(&self, hash: u64) -> bool {
        hash.leading_zeros() >= self.halvings
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.slots[..]) + self.ids.len()
    }

    /// The slot of a user, or the free one where it would be.
    fn slot_of(&self, hash: u32, id: &[u8]) -> usize {
        let last = self.slots.len() - 1;
        let mut at = hash as usize & last;
        loop {
            let slot = self.slots[at];
            if slot.place == 0 || (slot.hash == hash && self.id_at(slot.place) == id) {
                return at;
            }
            at = (at + 1) & last;
        }
    }

    fn id_at(&self, place: u32) -> &[u8] {
        let start = place as usize + 1;
        let length = u16::from_ne_bytes([self.ids[start - 2], self.ids[start - 1]]);
        &self.ids[start..start + usize::from(length)]
    }

    /// Gives up the users of half of its share.
    fn halve(&mut self) {
        self.halvings += 1;
        let mut kept = UserSet { halvings: self.halvings, hasher: self.hasher, ..UserSet::new(usize::MAX) };
        let used = self.slots.iter().filter(|slot| slot.place > 0);
        used.for_each(|slot| kept.insert(self.id_at(slot.place)));
        kept.limit = self.limit;
        *self = kept;
    }

    fn rearrange(&mut self, length: usize) {
        let used = std::mem::replace(&mut self.slots, vec![Slot::default(); length]);
        for slot in used.into_iter().filter(|slot| slot.place > 0) {
            let mut at = slot.hash as usize & (length - 1);
            while self.slots[at].place > 0 {
                at = (at + 1) & (length - 1);
            }
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UserSet;

    fn filled(count: usize, limit: usize) -> UserSet {
        let mut set = UserSet::new(limit);
        (0..count).for_each(|n| set.insert(format!("user-{n}").as_bytes()));
        set
    }

    #[test]
    fn it_contains_the_users_that_were_added_and_no_others() {
        let mut set = filled(10_000, usize::MAX);
        set.insert(b"user-7");
        set.insert(b"");
        assert_eq!(set.count, 10_001);
        let ids = |from: usize| (from..from + 10_000).map(|n| format!("user-{n}"));
        assert!(ids(0).all(|id| set.contains(id.as_bytes()) == Some(true)));
        assert!(ids(10_000).all(|id| set.contains(id.as_bytes()) == Some(false)));
        assert_eq!((set.contains(b""), set.contains(b"user-")), (Some(true), Some(false)));
    }

    #[test]
    fn a_set_that_does_not_fit_knows_of_a_share_of_all_users() {
        let (count, limit) = (50_000, 200_000);
        let set = filled(count, limit);
        assert!(set.bytes() <= limit + 1100);
        let answers: Vec<_> = (0..2 * count).map(|n| set.contains(format!("user-{n}").as_bytes())).collect();
        assert!(answers[..count].iter().flatten().all(|&contained| contained));
        assert!(answers[count..].iter().flatten().all(|&contained| !contained));
        let known = answers.iter().flatten().count();
        assert!(count / 20 < known && known < count, "{known}");
    }
}
