//! The last idempotency keys of each feature with their answers: `user_add_ons.usage_keys`.
//!
//! They are written with every call that has a key, so they are packed: a hash of the key, and the answer. The grant
//! and its end are written only where they change. A hundred keys take less than two kilobytes, so that the row is
//! not moved to TOAST.

use super::Status;
use super::units::Units;
use crate::hash::fnv_1a;
use crate::time::Instant;

/// How many keys of a feature are remembered.
pub const REMEMBERED: usize = 100;

/// The first byte, in case the format ever changes.
const FORMAT: u8 = 1;

/// What a key was used for. The same key of another operation is a different key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `consume_feature`
    Consume,
    /// `release_feature`
    Release,
}

/// A key as it is stored: a hash. Two of a hundred keys collide once in 10^17 times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(u64);

impl KeyHash {
    /// The hash of a key.
    pub fn of(operation: Operation, key: &str) -> KeyHash {
        let prefix = match operation {
            Operation::Consume => b'c',
            Operation::Release => b'r',
        };
        KeyHash(fnv_1a(std::iter::once(prefix).chain(key.bytes())))
    }
}

/// The keys of all features of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    features: Vec<(String, Vec<(KeyHash, Status)>)>,
}

impl Keys {
    /// Unpacks the keys of a row. A value that cannot be read is dropped.
    pub fn unpack(bytes: &[u8]) -> Keys {
        let mut packed = Packed(bytes);
        let is_known = packed.byte() == Some(FORMAT);
        let features = std::iter::from_fn(|| if is_known { packed.feature() } else { None }).collect();
        Keys { features }
    }

    /// What a row keeps.
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        for (feature_key, answers) in &self.features {
            put_number(&mut bytes, feature_key.len() as u128);
            bytes.extend(feature_key.as_bytes());
            put_number(&mut bytes, answers.len() as u128);
            let mut last = None;
            for (hash, status) in answers {
                bytes.extend(hash.0.to_le_bytes());
                put_number(&mut bytes, status.used.unwrap_or_default().millionths().unsigned_abs());
                let terms = (status.granted, status.resets_at);
                bytes.push(u8::from(last != Some(terms)));
                if last != Some(terms) {
                    // 0 stands for no value, so every value is one more.
                    put_number(&mut bytes, terms.0.map_or(0, |units| units.millionths().unsigned_abs() + 1));
                    put_number(
                        &mut bytes,
                        terms.1.map_or(0, |at| (i128::from(at.0) - i128::from(i64::MIN)) as u128 + 1),
                    );
                    last = Some(terms);
                }
            }
        }
        bytes
    }

    /// What was answered to a key.
    pub fn find(&self, feature_key: &str, hash: KeyHash) -> Option<Status> {
        let (_, answers) = self.features.iter().find(|(key, _)| key == feature_key)?;
        answers.iter().find(|(found, _)| *found == hash).map(|(_, status)| *status)
    }

    /// Remembers the answer to a key, and drops the oldest ones beyond [`REMEMBERED`].
    pub fn remember(&mut self, feature_key: &str, hash: KeyHash, status: Status) {
        let place = self.features.iter().position(|(key, _)| key == feature_key).unwrap_or_else(|| {
            self.features.push((feature_key.to_owned(), Vec::new()));
            self.features.len() - 1
        });
        let answers = &mut self.features[place].1;
        answers.push((hash, status));
        let surplus = answers.len().saturating_sub(REMEMBERED);
        answers.drain(..surplus);
    }
}

/// A number in groups of seven bits, the lowest first.
fn put_number(bytes: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

struct Packed<'a>(&'a [u8]);

impl Packed<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn bytes(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u128> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            number |= u128::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn feature(&mut self) -> Option<(String, Vec<(KeyHash, Status)>)> {
        let length = usize::try_from(self.number()?).ok()?;
        let feature_key = String::from_utf8(self.bytes(length)?.to_vec()).ok()?;
        let count = self.number()?.min(REMEMBERED as u128);
        let mut terms = (None, None);
        let mut answers = Vec::new();
        for _ in 0..count {
            let hash = KeyHash(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?));
            let used = Some(units(self.number()?)?);
            if self.byte()? == 1 {
                let (granted, resets_at) = (self.number()?.checked_sub(1), self.number()?.checked_sub(1));
                terms = (or_none(granted, units)?, or_none(resets_at, instant)?);
            }
            answers.push((hash, Status { granted: terms.0, used, resets_at: terms.1 }));
        }
        Some((feature_key, answers))
    }
}

fn units(number: u128) -> Option<Units> {
    i128::try_from(number).ok().map(Units::from_millionths)
}

fn instant(number: u128) -> Option<Instant> {
    let above = i128::try_from(number).ok()?;
    i64::try_from(above + i128::from(i64::MIN)).ok().map(Instant)
}

/// Decodes a number; `None` if it stands for no value.
fn or_none<T>(number: Option<u128>, read: fn(u128) -> Option<T>) -> Option<Option<T>> {
    match number {
        None => Some(None),
        Some(number) => read(number).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(used: i128, granted: Option<i128>, resets_at: Option<i64>) -> Status {
        Status {
            granted: granted.map(Units::from_millionths),
            used: Some(Units::from_millionths(used)),
            resets_at: resets_at.map(Instant),
        }
    }

    #[test]
    fn the_last_hundred_keys_of_a_feature_are_remembered() {
        let hash = |number: i128| KeyHash::of(Operation::Consume, &number.to_string());
        let mut keys = Keys::default();
        for number in 0..=100 {
            keys.remember("pages", hash(number), status(number, Some(1000), None));
        }
        keys.remember("hours", hash(0), status(7, None, Some(5)));
        assert_eq!(keys.find("pages", hash(0)), None);
        assert_eq!(keys.find("pages", hash(1)), Some(status(1, Some(1000), None)));
        assert_eq!(keys.find("pages", hash(100)), Some(status(100, Some(1000), None)));
        assert_eq!(keys.find("hours", hash(0)), Some(status(7, None, Some(5))));
        assert_eq!(keys.find("hours", hash(1)), None);
    }

    #[test]
    fn a_key_is_another_for_another_operation_and_the_same_in_every_version() {
        assert_ne!(KeyHash::of(Operation::Consume, "job"), KeyHash::of(Operation::Release, "job"));
        assert_eq!(KeyHash::of(Operation::Consume, ""), KeyHash(0xaf63_de4c_8601_eff2));
    }

    #[test]
    fn a_hundred_keys_leave_the_row_whole() {
        let mut keys = Keys::default();
        for number in 0..100 {
            let used = status(number * 1_000_000, Some(5_000_000_000), Some(822_996_000_000_001));
            keys.remember("pages_per_month", KeyHash::of(Operation::Consume, &number.to_string()), used);
        }
        assert!(keys.pack().len() < 1400, "{}", keys.pack().len());
    }

    #[test]
    fn unreadable_keys_are_forgotten() {
        for bytes in
            [&b""[..], b"\x02", b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert_eq!(Keys::unpack(bytes), Keys::default());
        }
    }

    proptest! {
        #[test]
        fn keys_are_unpacked_as_they_were_packed(
            calls in prop::collection::vec(
                ("[ab]", any::<u64>(), 0..i128::from(u64::MAX) * 1000, prop::option::of(0..i128::MAX / 2), prop::option::of(any::<i64>())),
                0..150,
            ),
        ) {
            let mut keys = Keys::default();
            for (feature, hash, used, granted, resets_at) in calls {
                keys.remember(&feature, KeyHash(hash), status(used, granted, resets_at));
            }
            prop_assert_eq!(Keys::unpack(&keys.pack()), keys);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let keys = Keys::unpack(&bytes);
            prop_assert_eq!(Keys::unpack(&keys.pack()), keys);
        }
    }
}
