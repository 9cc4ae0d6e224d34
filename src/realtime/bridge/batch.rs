//! Puts events of the outbox together by group: what belongs to one group goes to Redis in one step.

use std::sync::Arc;

use redis::Cmd;
use serde::Deserialize;

use crate::domain::group::GroupKey;
use crate::protocol::channel::{Say, Stamped, State};
use crate::protocol::dispatch::Dispatch;

use super::messages::Outgoing;
use super::scripts::Names;

/// What is to be done in one group, in order.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) key: GroupKey,
    items: Vec<[String; 3]>,
}

#[derive(Deserialize)]
struct FrameType<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

/// The name of a state: the type of its frame, if it has one.
#[must_use]
pub fn slot_of(frame: &str) -> Option<String> {
    serde_json::from_str::<FrameType<'_>>(frame).ok().map(|frame| frame.kind.into_owned())
}

/// Sorts a batch: what is for groups, and what is for all instances.
pub(super) fn sort(batch: &[Arc<Outgoing>]) -> (Vec<Parcel>, Vec<Say>) {
    let mut parcels: Vec<Parcel> = Vec::new();
    let mut places = std::collections::HashMap::new();
    let mut says = Vec::new();
    let mut add = |key: GroupKey, item: [String; 3]| {
        let place = *places.entry(key).or_insert(parcels.len());
        if place == parcels.len() {
            parcels.push(Parcel { key, items: Vec::new() });
        }
        if let Some(parcel) = parcels.get_mut(place) {
            parcel.items.push(item);
        }
    };
    for Outgoing { id, at, dispatch } in batch.iter().map(AsRef::as_ref) {
        let stamped = |body| Stamped { id: *id, at: *at, body };
        match dispatch {
            Dispatch::Publish { groups, frame } => {
                let text = stamped(frame.get()).to_text();
                for key in groups {
                    add(*key, ["event".into(), id.to_string(), text.clone()]);
                }
            }
            Dispatch::State { group, revision, frame } => match slot_of(frame.get()) {
                Some(slot) => {
                    let state = State { revision: *revision, slot: &slot, stamped: stamped(frame.get()) };
                    add(*group, ["state".into(), slot.clone(), state.to_text()]);
                }
                None => log::error!("event {id} is a state without a type and is passed over"),
            },
            Dispatch::Expel { group, user_id } => {
                add(*group, ["expelled".into(), String::new(), user_id.to_string()]);
            }
            Dispatch::EndSessions { user_id, family_id, reason } => {
                says.push(Say::EndSessions { user_id: *user_id, family_id: *family_id, reason: *reason });
            }
        }
    }
    (parcels, says)
}

impl Parcel {
    /// The command that carries it out.
    pub(super) fn command(
        &self,
        names: &Names,
        script: &str,
        fence: u64,
        new_epoch: &str,
        known: Option<&(String, u64)>,
        repeated: bool,
    ) -> Cmd {
        let [record, events] = names.keys(self.key);
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(script).arg(2).arg(record).arg(events);
        cmd.arg(names.group(self.key)).arg(names.publish).arg(fence).arg(names.events).arg(names.keep_ms);
        let (epoch, seq) = known.map_or(("", 0), |(epoch, seq)| (epoch.as_str(), *seq));
        cmd.arg(new_epoch).arg(epoch).arg(seq).arg(u8::from(repeated));
        for [kind, name, text] in &self.items {
            cmd.arg(kind).arg(name).arg(text);
        }
        cmd
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::domain::ids::{EventId, UserId};
    use crate::domain::time::Timestamp;
    use crate::protocol::close::CloseReason;

    fn outgoing(dispatch: Dispatch) -> Arc<Outgoing> {
        Arc::new(Outgoing { id: EventId::new(), at: Timestamp::from_millis(5), dispatch })
    }

    fn frame(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).expect("JSON")
    }

    #[test]
    fn what_is_for_one_group_stays_together_and_in_order() {
        let user_id = UserId::new();
        let group = GroupKey::User(user_id);
        let batch = [
            outgoing(Dispatch::Publish {
                groups: vec![GroupKey::Admin, group],
                frame: frame(r#"{"type":"a"}"#),
            }),
            outgoing(Dispatch::Publish { groups: vec![GroupKey::Admin], frame: frame(r#"{"type":"b"}"#) }),
            outgoing(Dispatch::EndSessions { user_id, family_id: None, reason: CloseReason::Token }),
            outgoing(Dispatch::State { group, revision: 9, frame: frame(r#"{"type":"c","count":1}"#) }),
            outgoing(Dispatch::Expel { group: GroupKey::Admin, user_id }),
        ];
        let (parcels, says) = sort(&batch);
        let shape: Vec<(GroupKey, Vec<&str>)> = parcels
            .iter()
            .map(|parcel| (parcel.key, parcel.items.iter().map(|[kind, ..]| kind.as_str()).collect()))
            .collect();
        assert_eq!(
            shape,
            [(GroupKey::Admin, vec!["event", "event", "expelled"]), (group, vec!["event", "state"])]
        );
        assert_eq!(says, [Say::EndSessions { user_id, family_id: None, reason: CloseReason::Token }]);
        let [_, slot, text] = &parcels[1].items[1];
        assert_eq!(slot, "c");
        assert_eq!(State::parse(text).map(|state| state.revision), Some(9));
    }
}
