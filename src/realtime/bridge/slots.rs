//! Which server of a cluster has what.
//!
//! The library's own cluster connection is not used: it repeats a command whose answer was lost, which would number
//! events twice, and it takes the notice that a slot has moved for the answer to whatever is under way.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use redis::Cmd;

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;
/// How many names are tried to find one for each server: many times as many as there are servers.
const TRIES: u16 = 1_024;
/// In the place of a server for a slot that none has.
const NOBODY: u16 = u16::MAX;

/// The servers of a cluster by slot.
#[derive(Debug, Clone)]
pub(super) struct SlotMap {
    /// Host and port of each, as the servers name each other.
    names: Vec<String>,
    /// The place of each slot's server among them.
    places: Vec<u16>,
}

impl SlotMap {
    /// Of these servers, each range belongs to the one in that place.
    pub(super) fn new(names: Vec<String>, ranges: &[(RangeInclusive<u16>, usize)]) -> Self {
        let mut places = vec![NOBODY; usize::from(SLOTS)];
        for (range, place) in ranges {
            for slot in range.clone() {
                if let Some(at) = places.get_mut(usize::from(slot)) {
                    *at = u16::try_from(*place).unwrap_or(NOBODY);
                }
            }
        }
        Self { names, places }
    }

    /// Whether every slot has a server.
    pub(super) fn is_complete(&self) -> bool {
        !self.places.contains(&NOBODY)
    }

    /// A name for each server that has any slots, as far as one is found that begins so.
    pub(super) fn one_of_each(&self, beginning: &str) -> Vec<String> {
        let mut missing: BTreeSet<u16> =
            self.places.iter().copied().filter(|place| *place != NOBODY).collect();
        let mut names = Vec::new();
        for number in 0..TRIES {
            if missing.is_empty() {
                break;
            }
            let name = format!("{beginning}:{number}");
            let place = self.of_key(name.as_bytes()).and_then(|place| u16::try_from(place).ok());
            if place.is_some_and(|place| missing.remove(&place)) {
                names.push(name);
            }
        }
        names
    }

    /// The server that has what a command is about.
    pub(super) fn of(&self, cmd: &Cmd) -> Option<usize> {
        self.of_key(key_of(cmd)?)
    }

    /// The server that has a key or a channel.
    pub(super) fn of_key(&self, key: &[u8]) -> Option<usize> {
        self.places.get(usize::from(slot_of(key))).filter(|place| **place != NOBODY).copied().map(usize::from)
    }

    /// The server that others name so.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }
}

/// What a command is about: the first key of a script, the first word otherwise.
fn key_of(cmd: &Cmd) -> Option<&[u8]> {
    let mut words = cmd.args_iter().filter_map(|word| match word {
        redis::Arg::Simple(bytes) => Some(bytes),
        // Of commands that read on, which are none of ours.
        _ => None,
    });
    if words.next()? == b"EVALSHA" { words.nth(2) } else { words.next() }
}

/// The slot of a key: that of the part in braces, if there is one (Redis Cluster specification, "Hash tags").
fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let length = rest.iter().position(|byte| *byte == b'}').filter(|length| *length > 0)?;
        rest.get(..length)
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM, as the specification has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        // As CLUSTER KEYSLOT answers.
        assert_eq!([slot_of(b"foo"), slot_of(b"a{foo}b"), slot_of(b"{}foo")], [12182, 12182, 9500]);
    }

    #[test]
    fn a_command_goes_where_its_key_is() {
        let map = SlotMap::new(vec!["a:1".into(), "b:2".into()], &[(0..=8191, 0), (12182..=12182, 1)]);
        let mut script = redis::cmd("EVALSHA");
        script.arg("sha").arg(1).arg("x:{foo}:record");
        assert_eq!(map.of(&script), Some(1));
        assert_eq!(map.of(redis::cmd("SPUBLISH").arg("foo")), Some(1));
        assert_eq!(map.of(redis::cmd("GET").arg("{}foo")), None);
        assert_eq!((map.named("b:2"), map.named("c:3")), (Some(1), None));
        assert!(!map.is_complete());
    }

    #[test]
    fn every_server_with_slots_is_tried() {
        let names = ["a:1", "b:2", "c:3"].map(String::from).to_vec();
        let map = SlotMap::new(names, &[(0..=9_000, 0), (9_001..=16_383, 2)]);
        assert!(map.is_complete());
        let keys = map.one_of_each("x:try");
        let servers: BTreeSet<_> = keys.iter().map(|key| map.of_key(key.as_bytes())).collect();
        assert_eq!((keys.len(), servers), (2, BTreeSet::from([Some(0), Some(2)])));
    }
}
