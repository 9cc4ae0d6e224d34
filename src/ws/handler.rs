//! The session without its socket: what it listens to, what its client may send, and what a frame means.
//!
//! Invariant: no I/O and no clock in here; time comes in as an argument.

use std::time::{Duration, Instant};

use serde_json::Map;
use smallvec::SmallVec;

use crate::domain::group::GroupKey;
use crate::domain::ids::OrderId;
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;
use crate::protocol::client::{self, BadFrame, ClientFrame, Request, Since};
use crate::protocol::close::CloseReason;
use crate::protocol::server::Control;
use crate::realtime::DoorId;
use crate::services::chat::NewMessage;

use super::SessionSettings;
use super::acts::Act;
use super::effects::{Effect, Reference};
use super::snapshot::Snapshot;

/// So many bad frames within [`ABUSE_SPAN`] end a session.
const ABUSE_LIMIT: u32 = 20;
const ABUSE_SPAN: Duration = Duration::from_secs(60);

/// That a user is writing about an order is shown so often at most.
const TYPING_EVERY: Duration = Duration::from_secs(2);

/// So many control frames and fragments may come for each frame.
const PARTS: u32 = 20;

/// How far a subscription has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// The right is being checked, and the snapshot read.
    Opening,
    /// The group was asked for membership; what it stood at before.
    Joining(Box<Snapshot>),
    /// A member; events wait behind the lane's door until the snapshot is there.
    Waiting,
    /// A member; events go straight on.
    Live,
}

/// One group that the session listens to.
#[derive(Debug)]
pub(super) struct Subscription {
    pub group: GroupKey,
    pub phase: Phase,
    /// Its door in the lane, once it is being opened. It tells it from earlier subscriptions to the same group, whose
    /// answers may still be under way.
    pub door: Option<DoorId>,
    /// Counts the looks that were taken for it, of which only the last one counts.
    pub look: u32,
    /// Whether the client has been told that it stands.
    pub stands: bool,
    /// Whether the client asked by a frame, and is answered by `subscribed`.
    pub asked: bool,
    pub reference: Reference,
}

/// A session's state.
#[derive(Debug)]
pub(super) struct State {
    pub principal: Principal,
    pub expires_at: Timestamp,
    /// The group of the endpoint; losing it ends the session.
    pub primary: Option<GroupKey>,
    /// Most sessions have one.
    pub subscriptions: SmallVec<[Subscription; 1]>,
    allowance: Allowance,
    /// The same for control frames and fragments.
    parts: Allowance,
    bad_since: Option<Instant>,
    bad_count: u32,
    /// When the user was last shown as writing, by order. Bounded by the frames of [`TYPING_EVERY`].
    typing: Vec<(OrderId, Instant)>,
}

/// How many frames the client may send at the moment: a token bucket.
#[derive(Debug)]
struct Allowance {
    frames: f32,
    at: Option<Instant>,
}

impl Allowance {
    fn take(&mut self, per_second: u32, now: Instant) -> bool {
        let rate = per_second.max(1) as f32;
        let burst = rate * 2.0;
        let gained = match self.at {
            None => burst,
            Some(at) => now.saturating_duration_since(at).as_secs_f32() * rate,
        };
        self.at = Some(now);
        self.frames = (self.frames + gained).min(burst);
        if self.frames < 1.0 {
            return false;
        }
        self.frames -= 1.0;
        true
    }
}

impl State {
    pub(super) fn new(principal: Principal, expires_at: Timestamp, primary: Option<GroupKey>) -> Self {
        Self {
            principal,
            expires_at,
            primary,
            subscriptions: SmallVec::new(),
            allowance: Allowance { frames: 0.0, at: None },
            parts: Allowance { frames: 0.0, at: None },
            bad_since: None,
            bad_count: 0,
            typing: Vec::new(),
        }
    }

    pub(super) fn subscription(&mut self, group: GroupKey) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.group == group)
    }

    /// A subscription, if it still is the one that got this door.
    pub(super) fn behind(&mut self, group: GroupKey, door: DoorId) -> Option<&mut Subscription> {
        self.subscription(group).filter(|subscription| subscription.door == Some(door))
    }

    /// Whether events of a group reach the client, from now on or once its snapshot is there.
    pub(super) fn hears(&self, group: GroupKey) -> bool {
        self.subscriptions.iter().any(|subscription| {
            subscription.group == group && matches!(subscription.phase, Phase::Waiting | Phase::Live)
        })
    }

    /// Whether it is time to show again that the user is writing about an order; if so, it is noted.
    fn may_show_typing(&mut self, order_id: OrderId, now: Instant) -> bool {
        self.typing.retain(|(_, at)| now.saturating_duration_since(*at) < TYPING_EVERY);
        let may = self.typing.iter().all(|(shown, _)| *shown != order_id);
        if may {
            self.typing.push((order_id, now));
        }
        may
    }

    /// Forgets a subscription; `false` when there was none.
    pub(super) fn remove(&mut self, group: GroupKey) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|subscription| subscription.group != group);
        self.subscriptions.len() < before
    }

    pub(super) fn add(&mut self, group: GroupKey, phase: Phase, asked: bool, reference: Reference) {
        let (door, look, stands) = (None, 0, false);
        self.subscriptions.push(Subscription { group, phase, door, look, stands, asked, reference });
    }
}

/// What one whole text message asks for.
pub(super) fn on_text(
    state: &mut State,
    settings: &SessionSettings,
    text: &str,
    now: Instant,
) -> Vec<Effect> {
    if !state.allowance.take(settings.frames_per_second, now) {
        let message = format!("more than {} frames a second", settings.frames_per_second);
        return on_bad(state, BadFrame { code: "rate_limited", message, reference: None }, now);
    }
    match client::parse(text) {
        Ok(request) => on_client_frame(state, settings, request, now),
        Err(bad) => on_bad(state, bad, now),
    }
}

/// Whether the client may send one more control frame or fragment. They cost less than frames, and more of them are
/// in order: a message may be in many pieces.
pub(super) fn may_send_part(state: &mut State, settings: &SessionSettings, now: Instant) -> bool {
    state.parts.take(settings.frames_per_second.saturating_mul(PARTS), now)
}

/// A message that is no frame: told, counted, and in the end too much.
pub(super) fn on_bad(state: &mut State, bad: BadFrame, now: Instant) -> Vec<Effect> {
    let is_fresh = state.bad_since.is_some_and(|since| now.saturating_duration_since(since) < ABUSE_SPAN);
    if !is_fresh {
        state.bad_since = Some(now);
        state.bad_count = 0;
    }
    state.bad_count += 1;
    if state.bad_count >= ABUSE_LIMIT {
        return vec![Effect::Close(CloseReason::Abuse)];
    }
    vec![refuse(bad.code, &bad.message, bad.reference.as_deref())]
}

pub(super) fn refuse(code: &str, message: &str, reference: Option<&str>) -> Effect {
    Effect::Send(Control::Error { code, message, reference, details: &Map::new() }.to_text())
}

/// What a frame asks for.
fn on_client_frame(
    state: &mut State,
    settings: &SessionSettings,
    request: Request,
    now: Instant,
) -> Vec<Effect> {
    let Request { reference, frame } = request;
    let boxed: Reference = reference.map(Into::into);
    match frame {
        ClientFrame::MarkRead { id } => act(Act::MarkRead { id }, boxed),
        ClientFrame::MarkAllRead => act(Act::MarkAllRead, boxed),
        ClientFrame::Ack { ids } => vec![Effect::Ack(ids)],
        ClientFrame::Subscribe { group, since } => subscribe(state, settings, group, since, boxed),
        ClientFrame::Unsubscribe { group } => unsubscribe(state, group, boxed.as_deref()),
        ClientFrame::Location { samples, is_batch, sent_at } => {
            let act = Act::Locate { samples, is_batch, sent_at };
            as_role(state, Role::Partner, act, boxed, "only partners send their location", now)
        }
        ClientFrame::Accept { offer_id } => {
            let act = Act::Accept { offer_id };
            as_role(state, Role::Partner, act, boxed, "only partners accept offers", now)
        }
        ClientFrame::Decline { offer_id, reason } => {
            let act = Act::Decline { offer_id, reason };
            as_role(state, Role::Partner, act, boxed, "only partners decline offers", now)
        }
        ClientFrame::Chat { order_id, text, client_id } => {
            act(Act::Write { order_id, message: NewMessage { text, client_id } }, boxed)
        }
        ClientFrame::Typing { order_id } if state.may_show_typing(order_id, now) => {
            act(Act::Type { order_id }, boxed)
        }
        // It was shown a moment ago.
        ClientFrame::Typing { .. } => Vec::new(),
        ClientFrame::ChatRead { order_id, up_to } => act(Act::MarkChatRead { order_id, up_to }, boxed),
        ClientFrame::View { order_id } => {
            let act = Act::View { order_id };
            as_role(state, Role::Admin, act, boxed, "only admins say what they look at", now)
        }
        ClientFrame::Auth { token } => vec![Effect::Renew { token, reference: boxed }],
        ClientFrame::Ping => vec![Effect::Send(Control::Pong { reference: boxed.as_deref() }.to_text())],
    }
}

fn as_role(
    state: &mut State,
    role: Role,
    what: Act,
    reference: Reference,
    otherwise: &str,
    now: Instant,
) -> Vec<Effect> {
    if state.principal.role == role {
        return act(what, reference);
    }
    let (code, message) = ("role_not_allowed", otherwise.into());
    on_bad(state, BadFrame { code, message, reference: reference.map(Into::into) }, now)
}

fn act(act: Act, reference: Reference) -> Vec<Effect> {
    vec![Effect::Act { act, reference }]
}

fn subscribe(
    state: &mut State,
    settings: &SessionSettings,
    group: GroupKey,
    since: Option<Since>,
    reference: Reference,
) -> Vec<Effect> {
    if let Some(subscription) = state.subscription(group) {
        if !matches!(subscription.phase, Phase::Live) {
            return vec![refuse(
                "already_subscribing",
                "this subscription is being made",
                reference.as_deref(),
            )];
        }
        // Again, from another position, perhaps: out and in, so that nothing is delivered twice in between.
        state.remove(group);
        let mut effects = vec![Effect::Leave(group)];
        effects.extend(open(state, group, since, reference));
        return effects;
    }
    if state.subscriptions.len() >= settings.subscriptions {
        let message = format!("at most {} subscriptions in one session", settings.subscriptions);
        return vec![refuse("too_many_subscriptions", &message, reference.as_deref())];
    }
    open(state, group, since, reference)
}

fn open(state: &mut State, group: GroupKey, since: Option<Since>, reference: Reference) -> Vec<Effect> {
    state.add(group, Phase::Opening, true, reference.clone());
    vec![Effect::Open { group, since, reference }]
}

fn unsubscribe(state: &mut State, group: GroupKey, reference: Option<&str>) -> Vec<Effect> {
    if !state.remove(group) {
        return vec![refuse("not_subscribed", "this session does not listen to that group", reference)];
    }
    vec![Effect::Leave(group), Effect::Send(Control::Unsubscribed { group, code: None, reference }.to_text())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::UserId;

    fn state() -> State {
        let principal =
            Principal { user_id: UserId::new(), role: Role::Customer, partner_id: None, family_id: None };
        State::new(principal, Timestamp::from_millis(0), None)
    }

    fn subscribe_text(group: GroupKey) -> String {
        format!(r#"{{"type":"subscribe","group":"{group}","ref":"s"}}"#)
    }

    #[test]
    fn twenty_bad_frames_within_a_minute_end_the_session_and_nineteen_do_not() {
        let (mut state, settings) = (state(), SessionSettings::default());
        let start = Instant::now();
        for count in 1..ABUSE_LIMIT {
            let at = start + Duration::from_secs(u64::from(count));
            let effects = on_text(&mut state, &settings, "no json", at);
            assert!(matches!(effects.as_slice(), [Effect::Send(text)] if text.contains("bad_json")));
        }
        let effects = on_text(&mut state, &settings, "no json", start + Duration::from_secs(30));
        assert_eq!(effects, [Effect::Close(CloseReason::Abuse)]);
    }

    #[test]
    fn bad_frames_of_an_earlier_minute_are_forgiven() {
        let (mut state, settings) = (state(), SessionSettings::default());
        let start = Instant::now();
        for count in 0..100_u64 {
            let at = start + Duration::from_secs(count * 4);
            assert!(
                matches!(on_text(&mut state, &settings, "{", at).as_slice(), [Effect::Send(_)]),
                "{count}"
            );
        }
    }

    #[test]
    fn frames_are_limited_in_rate_with_a_burst() {
        let settings = SessionSettings { frames_per_second: 5, ..SessionSettings::default() };
        let (mut state, start) = (state(), Instant::now());
        let mut send = |at: Instant| match on_text(&mut state, &settings, r#"{"type":"ping"}"#, at).as_slice()
        {
            [Effect::Send(text)] => text.contains("pong"),
            other => panic!("{other:?}"),
        };
        assert_eq!((0..15).filter(|_| send(start)).count(), 10);
        assert_eq!((0..9).filter(|_| send(start + Duration::from_secs(1))).count(), 5);
    }

    #[test]
    fn a_session_has_a_bounded_number_of_subscriptions() {
        let settings = SessionSettings { subscriptions: 2, ..SessionSettings::default() };
        let (mut state, now) = (state(), Instant::now());
        for _ in 0..2 {
            let text = subscribe_text(GroupKey::Order(OrderId::new()));
            assert!(matches!(on_text(&mut state, &settings, &text, now).as_slice(), [Effect::Open { .. }]));
        }
        let text = subscribe_text(GroupKey::Order(OrderId::new()));
        let effects = on_text(&mut state, &settings, &text, now);
        assert!(
            matches!(effects.as_slice(), [Effect::Send(text)] if text.contains("too_many_subscriptions"))
        );
    }

    #[test]
    fn only_partners_send_locations() {
        let (mut state, settings) = (state(), SessionSettings::default());
        let text =
            r#"{"type":"location","latitude":1,"longitude":2,"timestamp":"2026-01-02T03:04:05Z","ref":"l"}"#;
        let effects = on_text(&mut state, &settings, text, Instant::now());
        assert!(
            matches!(effects.as_slice(), [Effect::Send(text)] if text.contains("role_not_allowed") && text.contains(r#""ref":"l""#))
        );
    }

    #[test]
    fn leaving_a_group_that_was_never_joined_is_refused() {
        let (mut state, settings) = (state(), SessionSettings::default());
        let effects = on_text(
            &mut state,
            &settings,
            r#"{"type":"unsubscribe","group":"admin_dashboard"}"#,
            Instant::now(),
        );
        assert!(matches!(effects.as_slice(), [Effect::Send(text)] if text.contains("not_subscribed")));
    }

    #[test]
    fn typing_is_shown_every_two_seconds_for_each_order() {
        let (mut state, settings, start) = (state(), SessionSettings::default(), Instant::now());
        let orders = [OrderId::new(), OrderId::new()];
        let mut shown = |order: OrderId, after: u64| {
            let text = format!(r#"{{"type":"typing","order_id":"{order}"}}"#);
            !on_text(&mut state, &settings, &text, start + Duration::from_millis(after)).is_empty()
        };
        let times = [0, 1, 1_999, 2_000, 2_001, 4_000];
        let told = times.map(|after| orders.map(|order| shown(order, after)));
        assert_eq!(told, [true, false, false, true, false, true].map(|is_shown| [is_shown; 2]));
        assert_eq!(state.typing.len(), 2);
    }
}
