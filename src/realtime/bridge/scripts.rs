//! What Redis does in one step, as Lua, and what it answers.

use redis::{Cmd, RedisResult, Value, from_redis_value};
use uuid::Uuid;

use crate::domain::group::GroupKey;
use crate::domain::ids::EventId;
use crate::protocol::channel::group_name;

/// The texts, in the order of [`Scripts`].
pub(super) const TEXTS: [&str; 4] = [
    include_str!("relay.lua"),
    include_str!("attach.lua"),
    include_str!("enter.lua"),
    include_str!("verify.lua"),
];

/// How long the note of a user's sessions is kept, milliseconds: it is renewed well before by those that last.
pub(super) const SESSION_KEEP_MS: u64 = 3 * 60 * 60 * 1000;

/// The scripts by the names that Redis has given them.
#[derive(Debug, Clone)]
pub(super) struct Scripts {
    pub(super) relay: String,
    pub(super) attach: String,
    pub(super) enter: String,
    pub(super) verify: String,
}

/// How keys and channels are named, and how much is kept.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) prefix: String,
    /// `PUBLISH`, or its form for Redis Cluster.
    pub(super) publish: &'static str,
    pub(super) events: usize,
    /// Milliseconds that what belongs to a group is kept after its last member was seen.
    pub(super) keep_ms: u64,
}

impl Names {
    /// The channel of a group; its keys begin with it.
    pub(super) fn group(&self, key: GroupKey) -> String {
        group_name(&self.prefix, key)
    }

    /// The channel of all instances. Scripts of any slot may publish to it.
    pub(super) fn all(&self) -> String {
        format!("{}:all", self.prefix)
    }

    /// Where what must not be missed is said to all a second time, in a cluster: the other channel crosses the links
    /// between its servers, which drop what they cannot pass on; this one lies in a slot, which may be moving.
    pub(super) fn all_in_slot(&self) -> String {
        format!("{}:all:slot", self.prefix)
    }

    /// What is written now and then to see whether it can be.
    pub(super) fn trial(&self) -> String {
        format!("{}:try", self.prefix)
    }

    /// The sessions of a user.
    pub(super) fn sessions(&self, user: &str) -> String {
        format!("{}:{{user_{user}}}:sessions", self.prefix)
    }

    /// The hash of who is present in a group, one field for each instance.
    pub(super) fn present(&self, key: GroupKey) -> String {
        format!("{}:present", self.group(key))
    }

    /// The two keys of a group that are read and written together.
    pub(super) fn keys(&self, key: GroupKey) -> [String; 2] {
        let name = self.group(key);
        [format!("{name}:record"), format!("{name}:events")]
    }
}

/// The last event that somebody has of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// Which numbering.
    pub(crate) epoch: String,
    /// Its number.
    pub(crate) seq: u64,
    /// Its id, where it is known.
    pub(crate) id: Option<EventId>,
}

/// Asks where a group stands.
pub(super) fn attach(
    names: &Names,
    script: &str,
    key: GroupKey,
    epoch: &str,
    known: Option<&Position>,
) -> Cmd {
    let [record, events] = names.keys(key);
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(script).arg(3).arg(record).arg(events).arg(names.present(key));
    cmd.arg(names.group(key)).arg(names.publish).arg(epoch).arg(names.keep_ms);
    match known {
        Some(Position { epoch, seq, id }) => {
            cmd.arg(epoch).arg(*seq).arg(id.map(|id| id.to_string()).unwrap_or_default());
        }
        None => {
            cmd.arg("").arg("").arg("");
        }
    }
    cmd
}

/// Makes sure that the numbers up to `seq` which were given out in `epoch` are there still.
pub(super) fn verify(names: &Names, script: &str, key: GroupKey, epoch: &str, seq: u64) -> Cmd {
    let [record, events] = names.keys(key);
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(script).arg(2).arg(record).arg(events);
    cmd.arg(names.group(key)).arg(names.publish).arg(Uuid::now_v7().simple().to_string()).arg(epoch).arg(seq);
    cmd
}

/// What [`attach`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Which numbering.
    pub(crate) epoch: String,
    /// The last number given out.
    pub(crate) seq: u64,
    /// Whether the events are exactly those that were missed; all that are kept otherwise.
    pub(crate) continues: bool,
    /// In order, as [`Kept`](crate::protocol::channel::Kept).
    pub(crate) events: Vec<String>,
    /// The latest of each state, as [`State`](crate::protocol::channel::State).
    pub(crate) states: Vec<String>,
    /// How often somebody had to leave.
    pub(crate) expelled: u64,
    /// Who is present, by instance.
    pub(crate) present: Vec<(String, String)>,
}

pub(super) fn standing(answer: Value) -> RedisResult<Standing> {
    type Answer = (String, u64, u8, Vec<String>, Vec<(String, String)>, Vec<(String, String)>);
    let (epoch, seq, continues, events, record, present): Answer = from_redis_value(answer)?;
    let mut states = Vec::new();
    let mut expelled = 0;
    for (name, value) in record {
        if name.starts_with("state:") {
            states.push(value);
        } else if name == "expelled" {
            expelled = value.parse().unwrap_or(0);
        }
    }
    Ok(Standing { epoch, seq, continues: continues == 1, events, states, expelled, present })
}
