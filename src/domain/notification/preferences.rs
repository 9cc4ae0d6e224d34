//! Which notifications somebody wants on which channel.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::kind::NotificationKind;
use crate::domain::principal::Role;

/// One wish: this kind on this channel, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What.
    #[serde(rename = "type")]
    pub kind: NotificationKind,
    /// Where.
    pub channel: Channel,
    /// Whether it is wanted there.
    pub enabled: bool,
}

/// One cell of the whole table, as the settings page shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Preference {
    /// What.
    #[serde(rename = "type")]
    pub kind: NotificationKind,
    /// Where.
    pub channel: Channel,
    /// Whether it goes out there.
    pub enabled: bool,
    /// Whether the user may turn it off.
    pub can_switch_off: bool,
}

/// The wish to turn off what protects the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} cannot be switched off for {channel}: it protects the account")]
pub struct CannotSwitchOff {
    /// What.
    pub kind: NotificationKind,
    /// Where.
    pub channel: Channel,
}

/// Somebody's wishes: the defaults, and where they differ from them.
///
/// As JSON: `{"chat_message": {"email": true}}`, the differences alone. Invariant: what cannot be switched
/// off is on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Table", try_from = "Table")]
pub struct Preferences {
    overrides: BTreeMap<(NotificationKind, Channel), bool>,
}

type Table = BTreeMap<NotificationKind, BTreeMap<Channel, bool>>;

impl Preferences {
    /// Whether a notification of this kind may go out on this channel.
    #[must_use]
    pub fn allows(&self, kind: NotificationKind, channel: Channel) -> bool {
        self.overrides.get(&(kind, channel)).copied().unwrap_or_else(|| kind.on_by_default(channel))
    }

    /// The channels that a notification of this kind may go out on.
    pub fn channels(&self, kind: NotificationKind) -> impl Iterator<Item = Channel> + '_ {
        Channel::ALL.into_iter().filter(move |channel| self.allows(kind, *channel))
    }

    /// Turns a kind on or off for a channel. A wish that equals the default leaves nothing behind, so it
    /// follows the default when that changes.
    ///
    /// # Errors
    /// `CannotSwitchOff` for what protects the account; nothing has changed then.
    pub fn set(
        &mut self,
        kind: NotificationKind,
        channel: Channel,
        enabled: bool,
    ) -> Result<(), CannotSwitchOff> {
        if !enabled && !kind.can_switch_off(channel) {
            return Err(CannotSwitchOff { kind, channel });
        }
        if enabled == kind.on_by_default(channel) {
            self.overrides.remove(&(kind, channel));
        } else {
            self.overrides.insert((kind, channel), enabled);
        }
        Ok(())
    }

    /// Several wishes at once: all of them, or none. Of two for the same cell the later one holds.
    ///
    /// # Errors
    /// `CannotSwitchOff` for the first of them that asks for it; nothing has changed then.
    pub fn set_all(&mut self, choices: impl IntoIterator<Item = Choice>) -> Result<(), CannotSwitchOff> {
        let mut changed = self.clone();
        for Choice { kind, channel, enabled } in choices {
            changed.set(kind, channel, enabled)?;
        }
        *self = changed;
        Ok(())
    }

    /// From stored wishes. One that is no longer allowed, because the kind has come to protect the account
    /// since, is dropped rather than refused.
    #[must_use]
    pub fn from_stored(choices: impl IntoIterator<Item = Choice>) -> Self {
        let mut preferences = Self::default();
        for Choice { kind, channel, enabled } in choices {
            if preferences.set(kind, channel, enabled).is_err() {
                // The default, which is on, stands.
                continue;
            }
        }
        preferences
    }

    /// The wishes that differ from the defaults: what to store.
    pub fn overrides(&self) -> impl Iterator<Item = Choice> + '_ {
        self.overrides.iter().map(|(&(kind, channel), &enabled)| Choice { kind, channel, enabled })
    }

    /// The whole table for somebody of this role: every kind that can reach them, on every channel.
    pub fn matrix(&self, role: Role) -> impl Iterator<Item = Preference> + '_ {
        let kinds = NotificationKind::ALL.into_iter().filter(move |kind| kind.concerns(role));
        kinds.flat_map(move |kind| {
            Channel::ALL.into_iter().map(move |channel| Preference {
                kind,
                channel,
                enabled: self.allows(kind, channel),
                can_switch_off: kind.can_switch_off(channel),
            })
        })
    }
}

impl From<Preferences> for Table {
    fn from(preferences: Preferences) -> Self {
        let mut table = Self::new();
        for Choice { kind, channel, enabled } in preferences.overrides() {
            table.entry(kind).or_default().insert(channel, enabled);
        }
        table
    }
}

impl TryFrom<Table> for Preferences {
    type Error = CannotSwitchOff;

    fn try_from(table: Table) -> Result<Self, CannotSwitchOff> {
        let mut preferences = Self::default();
        for (kind, channels) in table {
            for (channel, enabled) in channels {
                preferences.set(kind, channel, enabled)?;
            }
        }
        Ok(preferences)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn choice(kind: NotificationKind, channel: Channel, enabled: bool) -> Choice {
        Choice { kind, channel, enabled }
    }

    #[test]
    fn a_wish_holds_until_it_is_taken_back() {
        let mut preferences = Preferences::default();
        assert!(preferences.allows(NotificationKind::OrderPlaced, Channel::Email));
        preferences.set(NotificationKind::OrderPlaced, Channel::Email, false).expect("allowed");
        assert!(!preferences.allows(NotificationKind::OrderPlaced, Channel::Email));
        assert!(preferences.allows(NotificationKind::OrderPlaced, Channel::InApp));
        assert_eq!(preferences.channels(NotificationKind::OrderPlaced).collect::<Vec<_>>(), [Channel::InApp]);
        preferences.set(NotificationKind::OrderPlaced, Channel::Email, true).expect("allowed");
        assert_eq!(preferences, Preferences::default());
    }

    #[test]
    fn security_cannot_be_switched_off() {
        for kind in [NotificationKind::SecurityNewLogin, NotificationKind::AccountUpdated] {
            for channel in [Channel::InApp, Channel::Email] {
                let mut preferences = Preferences::default();
                assert_eq!(preferences.set(kind, channel, false), Err(CannotSwitchOff { kind, channel }));
                assert!(preferences.allows(kind, channel));
                preferences.set(kind, channel, true).expect("on is always allowed");
            }
            Preferences::default().set(kind, Channel::Push, false).expect("push may go");
        }
    }

    #[test]
    fn of_several_wishes_with_a_forbidden_one_none_is_taken() {
        let mut preferences = Preferences::default();
        let wishes = [
            choice(NotificationKind::ChatMessage, Channel::Push, false),
            choice(NotificationKind::SecurityNewLogin, Channel::Email, false),
        ];
        assert!(preferences.set_all(wishes).is_err());
        assert_eq!(preferences, Preferences::default());
        preferences.set_all(wishes.into_iter().take(1)).expect("allowed");
        assert!(!preferences.allows(NotificationKind::ChatMessage, Channel::Push));
    }

    #[test]
    fn stored_wishes_cannot_silence_security() {
        let stored = [
            choice(NotificationKind::AccountUpdated, Channel::InApp, false),
            choice(NotificationKind::OrderPlaced, Channel::InApp, false),
        ];
        let preferences = Preferences::from_stored(stored);
        assert!(preferences.allows(NotificationKind::AccountUpdated, Channel::InApp));
        assert_eq!(preferences.overrides().collect::<Vec<_>>(), stored.get(1..).expect("two"));
    }

    #[test]
    fn json_holds_the_differences_and_refuses_what_is_forbidden_or_unknown() {
        let mut preferences = Preferences::default();
        preferences.set(NotificationKind::ChatMessage, Channel::Email, true).expect("allowed");
        let json = serde_json::to_value(&preferences).expect("serialises");
        assert_eq!(json, json!({"chat_message": {"email": true}}));
        assert_eq!(serde_json::from_value::<Preferences>(json).expect("reads back"), preferences);
        for bad in [
            json!({"security_new_login": {"in_app": false}}),
            json!({"order_lost": {"email": true}}),
            json!({"chat_message": {"sms": true}}),
            json!({"chat_message": {"email": "yes"}}),
        ] {
            assert!(serde_json::from_value::<Preferences>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_matrix_shows_each_role_what_can_reach_it() {
        let preferences = Preferences::default();
        for (role, kinds) in [(Role::Customer, 24), (Role::Partner, 12), (Role::Admin, 4)] {
            let cells: Vec<_> = preferences.matrix(role).collect();
            assert_eq!(cells.len(), kinds * Channel::ALL.len());
            assert!(cells.iter().all(|cell| cell.enabled == preferences.allows(cell.kind, cell.channel)));
        }
        let cell = preferences.matrix(Role::Admin).last().expect("not empty");
        assert_eq!(
            serde_json::to_value(cell).expect("serialises"),
            json!({"type": "account_updated", "channel": "push", "enabled": true, "can_switch_off": true})
        );
    }

    proptest! {
        #[test]
        fn whatever_is_wished_holds_and_security_stays(
            wishes in prop::collection::vec((0_usize..32, 0_usize..3, any::<bool>()), 0..200)
        ) {
            let mut preferences = Preferences::default();
            let mut expected = BTreeMap::new();
            for (kind, channel, enabled) in wishes {
                let (kind, channel) = (NotificationKind::ALL[kind], Channel::ALL[channel]);
                if preferences.set(kind, channel, enabled).is_ok() {
                    expected.insert((kind, channel), enabled);
                }
            }
            for ((kind, channel), enabled) in expected {
                prop_assert_eq!(preferences.allows(kind, channel), enabled);
            }
            for kind in NotificationKind::ALL.into_iter().filter(|kind| kind.is_security()) {
                prop_assert!(preferences.allows(kind, Channel::InApp));
                prop_assert!(preferences.allows(kind, Channel::Email));
            }
            prop_assert_eq!(Preferences::from_stored(preferences.overrides()), preferences.clone());
            let json = serde_json::to_string(&preferences).expect("serialises");
            prop_assert_eq!(serde_json::from_str::<Preferences>(&json).expect("reads back"), preferences);
        }
    }
}
