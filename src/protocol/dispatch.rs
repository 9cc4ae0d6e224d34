//! What a committed change asks the realtime side to do. Written to the outbox with the change itself,
//! so it is also what one version of waybill leaves to the next: add variants, do not change them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::group::GroupKey;
use crate::domain::ids::{FamilyId, UserId};

use super::close::CloseReason;

/// One order from a committed change to the groups. As JSON: `{"publish": {"groups": […], "frame": {…}}}`.
// Not tagged within: serde would take it apart before it knows the variant, and a raw frame cannot be.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dispatch {
    /// A must-deliver event: numbered in each group and kept for those who come back.
    Publish {
        /// Where it goes.
        groups: Vec<GroupKey>,
        /// The frame without its envelope: a JSON object with `type`.
        frame: Box<RawValue>,
    },
    /// A state of which only the latest counts, such as the unread count.
    State {
        /// Where it goes.
        group: GroupKey,
        /// Grows with every change of the state, so that an older one never follows a newer one.
        revision: i64,
        /// The frame without its envelope: a JSON object with `type`, which names the state.
        frame: Box<RawValue>,
    },
    /// A user may no longer listen to a group.
    Expel {
        /// Which group.
        group: GroupKey,
        /// Who has to go.
        user_id: UserId,
    },
    /// Sessions of a user end.
    EndSessions {
        /// Whose.
        user_id: UserId,
        /// Only those of this log-in; of all log-ins without one.
        family_id: Option<FamilyId>,
        /// Why.
        reason: CloseReason,
    },
}

impl Dispatch {
    /// Bytes of frames that go out, counted once for each group.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Publish { groups, frame } => groups.len() * frame.get().len(),
            Self::State { frame, .. } => frame.get().len(),
            Self::Expel { .. } | Self::EndSessions { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::server::to_json;

    use super::*;

    #[test]
    fn what_is_written_reads_back_with_the_frame_byte_for_byte() {
        let frame = || RawValue::from_string(r#"{"type":"x", "n":1.50}"#.into()).expect("JSON");
        let user_id = UserId::new();
        let group = GroupKey::User(user_id);
        for dispatch in [
            Dispatch::Publish { groups: vec![group, GroupKey::Admin], frame: frame() },
            Dispatch::State { group, revision: 7, frame: frame() },
            Dispatch::Expel { group, user_id },
            Dispatch::EndSessions { user_id, family_id: None, reason: CloseReason::Token },
        ] {
            let text = to_json(&dispatch);
            let read: Dispatch = serde_json::from_str(&text).expect("reads back");
            assert_eq!(to_json(&read), text);
        }
    }
}
