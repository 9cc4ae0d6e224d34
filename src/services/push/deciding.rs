//! What is due: which notifications still have to be pushed, and what has to be closed on which device.

use std::time::Duration;

use crate::domain::ids::{NotificationId, SubscriptionId};
use crate::domain::notification::Channel;
use crate::domain::push::{Plan, PushKind, Urgency};
use crate::domain::time::Timestamp;
use crate::protocol::server::to_json;
use crate::services::app::Tx;
use crate::services::error::ServiceError;
use crate::store::deliveries;
use crate::store::push::closings::{self, Closing, Stale};
use crate::store::push::messages::{self, NewMessage};
use crate::store::push::{pending, sending, subscriptions};

use super::host_of;
use super::message::SEVERAL;

/// How many are decided in one transaction.
const BATCH: i64 = 64;
/// After how long it is looked again whether something on its way has arrived, so that it can be closed.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// For how long a push service keeps a closing push at least: what it closes may have been shown long ago.
const CLOSING_LASTS: Duration = Duration::from_secs(3600);
/// What one push can close: the ids have to fit.
const IN_ONE: usize = 80;

/// Decides what is due. Gives how many notifications these were, and how many of them go out.
///
/// # Errors
/// The database's.
pub(super) fn decide(tx: &mut Tx<'_>) -> Result<(usize, usize), ServiceError> {
    let now = tx.now();
    let due = pending::take_out(tx.conn(), now, BATCH)?;
    let mut wanted = 0;
    for notification in &due {
        let plan = &notification.plan;
        // Seen on one device, it is news on none. What is no news any more is not worth a sound.
        let is_seen = notification.is_read || notification.is_acked || notification.is_received;
        if is_seen || notification.is_void || plan.expires_at <= now {
            tx.count(|metrics| metrics.pushes.with_label_values(&["not_needed"]));
            continue;
        }
        let browsers = subscriptions::targets(tx.conn(), notification.user_id, now)?;
        if browsers.is_empty() {
            tx.count(|metrics| metrics.pushes.with_label_values(&["no_browser"]));
            continue;
        }
        deliveries::queue(tx.conn(), notification.notification_id, Channel::Push, now)?;
        for browser in browsers {
            let message = NewMessage {
                subscription_id: browser.id,
                user_id: notification.user_id,
                host: &host_of(&browser.endpoint),
                kind: PushKind::Notification,
                notification_id: Some(notification.notification_id),
                closes: None,
                plan,
                at: now,
            };
            messages::insert(tx.conn(), message)?;
        }
        wanted += 1;
    }
    Ok((due.len(), wanted))
}

/// Puts into the queue what closes what was read or is over. Gives of how many users that was looked up.
///
/// # Errors
/// The database's.
pub(super) fn close(tx: &mut Tx<'_>) -> Result<usize, ServiceError> {
    let now = tx.now();
    let due = closings::take_out(tx.conn(), now, BATCH)?;
    for closing in &due {
        let stale = closings::stale(tx.conn(), closing.user_id, now)?;
        let (on_their_way, stale): (Vec<_>, Vec<_>) = stale.into_iter().partition(|row| row.is_in_hand);
        if !on_their_way.is_empty() {
            let due_at = now.after(ON_ITS_WAY);
            closings::put_back(tx.conn(), closing, due_at)?;
            tx.push_due(due_at);
        }
        for message in &stale {
            closings::close(tx.conn(), message, now)?;
            if !message.may_be_shown {
                sending::forget_delivery(tx.conn(), message.notification_id)?;
                tx.count(|metrics| metrics.pushes.with_label_values(&["not_needed"]));
            } else if message.is_queued {
                sending::fail_delivery(tx.conn(), message.notification_id, now, closings::UNKNOWN)?;
            }
        }
        for sheet in sheets(closing, &stale, now) {
            let message = NewMessage {
                subscription_id: sheet.subscription_id,
                user_id: closing.user_id,
                host: &sheet.host,
                kind: PushKind::Read,
                notification_id: None,
                closes: Some(to_json(&sheet.ids)),
                plan: &sheet.plan,
                at: now,
            };
            messages::insert(tx.conn(), message)?;
        }
    }
    Ok(due.len())
}

/// A closing push.
#[derive(Debug)]
struct Sheet {
    subscription_id: SubscriptionId,
    host: String,
    ids: Vec<NotificationId>,
    plan: Plan,
}

/// What was shown on one browser under one tag.
#[derive(Debug)]
struct Group<'a> {
    first: &'a Stale,
    ids: Vec<NotificationId>,
    expires_at: Timestamp,
}

/// The closing pushes: for each browser one a tag, or one for all when everything was read at once. Each says what it closes
/// one by one: up to when something was made tells nothing, since what is made at the same time need not have been read,
/// and clocks differ.
fn sheets(closing: &Closing, stale: &[Stale], now: Timestamp) -> Vec<Sheet> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    // One whose place a newer one has taken is not shown any more; its closing would take that newer one from a device that
    // has not had it yet. Browsers that insist on something being shown for every push are left alone.
    let shown = stale.iter().filter(|row| row.may_be_shown && !row.is_replaced && bears_silence(&row.host));
    for row in shown {
        let same = |group: &&mut Group<'_>| {
            group.first.subscription_id == row.subscription_id && group.first.tag == row.tag
        };
        match groups.iter_mut().find(same) {
            Some(group) => {
                group.ids.push(row.notification_id);
                group.expires_at = group.expires_at.max(row.expires_at);
            }
            None => {
                groups.push(Group { first: row, ids: vec![row.notification_id], expires_at: row.expires_at });
            }
        }
    }
    let sheets = match closing.read_all_at {
        Some(_) => all_at_once(groups, now),
        None => groups.into_iter().map(|group| of_group(group, now)).collect(),
    };
    sheets.into_iter().flat_map(|sheet| fitting(&sheet)).collect()
}

fn of_group(group: Group<'_>, now: Timestamp) -> Sheet {
    Sheet {
        subscription_id: group.first.subscription_id,
        host: group.first.host.clone(),
        ids: group.ids,
        plan: plan(&group.first.tag, group.expires_at, now),
    }
}

fn all_at_once(groups: Vec<Group<'_>>, now: Timestamp) -> Vec<Sheet> {
    let mut sheets: Vec<Sheet> = Vec::new();
    for group in groups {
        match sheets.iter_mut().find(|sheet| sheet.subscription_id == group.first.subscription_id) {
            Some(sheet) => {
                sheet.plan = plan(SEVERAL, group.expires_at.max(sheet.plan.expires_at), now);
                sheet.ids.extend(group.ids);
            }
            // Where it is the only one, the closing takes the place of what a device that is away has not had yet.
            None => sheets.push(of_group(group, now)),
        }
    }
    sheets
}

/// The same in as many pushes as it takes.
fn fitting(sheet: &Sheet) -> Vec<Sheet> {
    let part = |ids: &[NotificationId]| Sheet {
        subscription_id: sheet.subscription_id,
        host: sheet.host.clone(),
        ids: ids.to_vec(),
        plan: sheet.plan.clone(),
    };
    sheet.ids.chunks(IN_ONE).map(part).collect()
}

fn plan(tag: &str, expires_at: Timestamp, now: Timestamp) -> Plan {
    let expires_at = expires_at.max(now.after(CLOSING_LASTS));
    Plan { urgency: Urgency::Normal, expires_at, tag: tag.to_owned() }
}

/// Whether browsers with this push service take a push that shows nothing. Safari ends a subscription after a few of them.
fn bears_silence(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default();
    host != "push.apple.com" && !host.ends_with(".push.apple.com")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{PushId, UserId};

    fn stale(subscription_id: SubscriptionId, tag: &str, expires_at: i64) -> Stale {
        Stale {
            id: PushId::new(),
            subscription_id,
            host: "push.example".into(),
            notification_id: NotificationId::new(),
            tag: tag.into(),
            expires_at: Timestamp::from_millis(expires_at),
            may_be_shown: true,
            is_queued: false,
            is_in_hand: false,
            is_replaced: false,
        }
    }

    fn closing(read_all_at: Option<i64>) -> Closing {
        let at = Timestamp::from_millis(0);
        Closing {
            user_id: UserId::new(),
            created_at: at,
            read_all_at: read_all_at.map(Timestamp::from_millis),
        }
    }

    #[test]
    fn a_closing_has_the_tag_of_what_it_closes_and_lasts_as_long() {
        let (one, two) = (SubscriptionId::new(), SubscriptionId::new());
        let day = 24 * 3600 * 1000;
        let rows = [stale(one, "a", day), stale(one, "a", 2 * day), stale(one, "b", day), stale(two, "a", 1)];
        let sheets = sheets(&closing(None), &rows, Timestamp::from_millis(0));
        let seen: Vec<_> = sheets
            .iter()
            .map(|sheet| (sheet.subscription_id, sheet.plan.tag.as_str(), sheet.plan.expires_at.as_millis()))
            .collect();
        assert_eq!(seen, [(one, "a", 2 * day), (one, "b", day), (two, "a", 3_600_000)]);
        assert_eq!(sheets[0].ids, [rows[0].notification_id, rows[1].notification_id]);
    }

    #[test]
    fn everything_read_at_once_is_closed_by_one_push_a_browser_which_says_what() {
        let (one, two) = (SubscriptionId::new(), SubscriptionId::new());
        let rows = [stale(one, "a", 1), stale(one, "b", 1), stale(two, "a", 1)];
        let sheets = sheets(&closing(Some(7)), &rows, Timestamp::from_millis(0));
        let seen: Vec<_> =
            sheets.iter().map(|sheet| (sheet.subscription_id, sheet.plan.tag.as_str())).collect();
        assert_eq!(seen, [(one, SEVERAL), (two, "a")]);
        assert_eq!(sheets[0].ids, [rows[0].notification_id, rows[1].notification_id]);
        assert_eq!(sheets[1].ids, [rows[2].notification_id]);
    }

    #[test]
    fn more_than_a_push_can_hold_is_closed_by_several() {
        let one = SubscriptionId::new();
        let rows: Vec<_> = (0..200).map(|number| stale(one, &format!("tag {number}"), 1)).collect();
        let sheets = sheets(&closing(Some(7)), &rows, Timestamp::from_millis(0));
        let ids: Vec<_> = sheets.iter().flat_map(|sheet| sheet.ids.clone()).collect();
        assert_eq!(ids, rows.iter().map(|row| row.notification_id).collect::<Vec<_>>());
        assert_eq!(sheets.len(), 3);
    }

    #[test]
    fn what_is_not_shown_any_more_needs_no_closing() {
        let one = SubscriptionId::new();
        let replaced = Stale { is_replaced: true, ..stale(one, "a", 1) };
        let unsent = Stale { may_be_shown: false, ..stale(one, "b", 1) };
        let safari = Stale { host: "web.push.apple.com".into(), ..stale(one, "c", 1) };
        assert!(sheets(&closing(None), &[replaced, unsent, safari], Timestamp::from_millis(0)).is_empty());
    }
}
