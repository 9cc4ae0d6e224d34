//! The session actor: one for each WebSocket connection. It does what effects ask for, and decides which groups'
//! frames may come through its [`Lane`].
//!
//! Polled only while its socket takes what is written, so that what it says does not pile up: a client that stops
//! reading stops everything in here, but for being told to end. Groups judge such a session by its lane, and the
//! kernel's `TCP_USER_TIMEOUT` ends one to which nothing is published.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::wrap_future;
use actix::{
    Actor, ActorContext, ActorFuture, ActorFutureExt, AsyncContext, Handler, Running, SpawnHandle,
    StreamHandler,
};
use actix_http::ws::{Codec, Item};
use actix_web::http::{Version, header};
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use actix_web_actors::ws::{self, Message, ProtocolError, WebsocketContext};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::stream;
use rand::Rng;

use crate::domain::group::GroupKey;
use crate::domain::ids::SessionId;
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::protocol::client::BadFrame;
use crate::protocol::close::CloseReason;
use crate::protocol::server::Control;
use crate::realtime::{Deliver, Lane};
use crate::services::accounts::Authenticated;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::tokens::TokenType;
use crate::services::{accounts, notifications};

use super::SessionSettings;
use super::acts::{self, Act};
use super::early::Early;
use super::effects::{Effect, Reference};
use super::handler::{self, Phase, State};
use super::inbound::{Assembly, Broken, Part, Whole};
use super::intake::{self, Intake};
use super::outgoing::Outgoing;
use super::receipts::Receipts;
use super::snapshot::Snapshot;
use super::socket;
use super::takeover::not_a_handshake;
use super::unwritten::Unwritten;

/// A session is told so long before its token ends.
const TOKEN_WARNING: Duration = Duration::from_secs(60);
/// How long a client may take to answer a close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// How long one may take that was too slow: it has much to read before.
const SLOW_PATIENCE: Duration = Duration::from_secs(10);

/// What a session works in.
pub(super) type Context = WebsocketContext<Session>;

/// What the handshake hands over.
pub(super) struct Opening {
    pub app: App,
    pub settings: Arc<SessionSettings>,
    pub authenticated: Authenticated,
    /// How often sessions had been ended before the token was looked at.
    pub ends: u64,
    /// As it is named in metrics.
    pub endpoint: &'static str,
    /// The group of the endpoint, and what it stands at.
    pub primary: Option<(GroupKey, Snapshot)>,
}

/// The answer to a handshake: 101, with `Sec-WebSocket-Protocol: bearer` if that was offered with the token.
///
/// # Errors
/// 400 when the request is no WebSocket handshake after RFC 6455.
pub(super) fn accept(request: &HttpRequest, echo_bearer: bool) -> Result<HttpResponse, ApiError> {
    let protocols: &[&str] = if echo_bearer { &["bearer"] } else { &[] };
    let mut answer = ws::handshake_with_protocols(request, protocols)
        .map_err(|error| not_a_handshake(&error.to_string()))?;
    // RFC 6455, section 4.2.1, of which the library looks at the rest.
    if request.version() < Version::HTTP_11 {
        return Err(not_a_handshake("it takes HTTP/1.1 or higher."));
    }
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let key = key.and_then(|key| BASE64_STANDARD.decode(key).ok());
    if key.is_none_or(|key| key.len() != 16) {
        return Err(not_a_handshake("Sec-WebSocket-Key is to be 16 bytes in Base64."));
    }
    Ok(answer.finish())
}

/// Starts the session on a connection whose handshake is answered. `early` is what the client sent behind it.
pub(super) fn start(
    opening: Opening,
    connection: TcpStream,
    early: Bytes,
) -> impl Future<Output = io::Result<()>> {
    let max_frame = opening.settings.max_frame;
    let mut session = Session::new(opening);
    let (lane, receipts) = (Arc::clone(&session.lane), Arc::clone(&session.receipts));
    let (app, user_id) = (session.app.clone(), session.state.principal.user_id);
    let (reader, writer) = socket::split(connection, early);
    let codec = || Codec::new().max_size(max_frame);
    session.intake = Some(Box::new(Intake::new(reader, codec(), max_frame)));
    // The context's own stream of messages stays silent: see `Intake`.
    let actor = WebsocketContext::with_codec(session, stream::pending(), codec());
    Outgoing::new(actor, writer, lane, receipts, app, user_id)
}

/// One WebSocket session.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) app: App,
    pub(super) settings: Arc<SessionSettings>,
    endpoint: &'static str,
    ends: u64,
    /// What is to be done once the endpoint's first frame is out; none from then on.
    pub(super) early: Option<Vec<Early>>,
    pub(super) lane: Arc<Lane>,
    pub(super) receipts: Arc<Receipts>,
    pub(super) state: State,
    /// Until the actor has started.
    intake: Option<Box<Intake>>,
    assembly: Assembly,
    pub(super) unwritten: Unwritten,
    heard_at: Instant,
    pinged_at: Instant,
    warned: bool,
    pub(super) closing: bool,
    clock: SpawnHandle,
}

impl Session {
    fn new(opening: Opening) -> Self {
        let Opening { app, settings, authenticated, ends, endpoint, primary } = opening;
        let now = Instant::now();
        let group = primary.as_ref().map(|(group, _)| *group);
        let mut state = State::new(authenticated.principal, authenticated.expires_at, group);
        if let Some((group, snapshot)) = primary {
            state.add(group, Phase::Joining(Box::new(snapshot)), false, None);
        }
        Self {
            id: SessionId::new(),
            lane: Arc::new(Lane::new(settings.queue, settings.queue_bytes)),
            receipts: Arc::default(),
            state,
            app,
            settings,
            endpoint,
            ends,
            early: group.map(|_| Vec::new()),
            intake: None,
            assembly: Assembly::default(),
            unwritten: Unwritten::default(),
            heard_at: now,
            pinged_at: now,
            warned: false,
            closing: false,
            clock: SpawnHandle::default(),
        }
    }

    fn apply(&mut self, effects: Vec<Effect>, ctx: &mut Context) {
        for effect in effects {
            if self.closing {
                return;
            }
            match effect {
                Effect::Send(text) => self.say(text, ctx),
                Effect::Close(reason) => self.close(reason, ctx),
                Effect::Open { group, since, reference } => self.open_in_turn(group, since, reference, ctx),
                Effect::Leave(group) => {
                    self.leave(group);
                    if self.state.primary == Some(group) {
                        self.end_early(ctx);
                    }
                }
                Effect::Ack(ids) => {
                    self.receipts.end();
                    notifications::ack(&self.app, self.state.principal, &ids);
                }
                Effect::Act { act, reference } => self.act(act, reference, ctx),
                Effect::Renew { token, reference } => self.renew(token, reference, ctx),
            }
        }
    }

    /// Does something that is answered by events, or by an `error` when it fails.
    fn act(&mut self, act: Act, reference: Reference, ctx: &mut Context) {
        match act {
            Act::Write { order_id, message } => self.write(order_id, message, reference, ctx),
            Act::MarkRead { .. }
            | Act::MarkAllRead
            | Act::Accept { .. }
            | Act::Decline { .. }
            | Act::Locate { .. }
            | Act::Type { .. }
            | Act::View { .. }
            | Act::MarkChatRead { .. } => {
                ctx.spawn(self.perform(act, reference));
            }
        }
    }

    pub(super) fn perform(
        &self,
        act: Act,
        reference: Reference,
    ) -> impl ActorFuture<Self, Output = ()> + use<> {
        let (app, who, mark) = (self.app.clone(), self.state.principal, reference.clone());
        let done =
            wrap_future::<_, Self>(async move { acts::perform(&app, who, act, mark.as_deref()).await });
        done.map(move |outcome, session: &mut Self, ctx: &mut Context| match outcome {
            Ok(Some(echo)) => {
                let has_event = echo.is_new && session.state.hears(echo.group);
                if !has_event && !session.closing {
                    session.say(echo.frame, ctx);
                }
            }
            Ok(None) => {}
            Err(error) => session.refuse(&error, reference.as_deref(), ctx),
        })
    }

    pub(super) fn refuse(&mut self, error: &ServiceError, reference: Option<&str>, ctx: &mut Context) {
        if matches!(error, ServiceError::Store(_) | ServiceError::Internal(_)) {
            log::error!("session {}: {error}", self.id);
        }
        if !self.closing {
            let (code, message, details) = (error.code(), error.public_detail(), error.details());
            self.say(Control::Error { code, message: &message, reference, details: &details }.to_text(), ctx);
        }
    }

    fn renew(&mut self, token: String, reference: Reference, ctx: &mut Context) {
        let app = self.app.clone();
        let renewed = wrap_future::<_, Self>(async move {
            accounts::authenticate(&app, &token, &[TokenType::Access]).await
        });
        let answered = renewed.map(move |outcome, session: &mut Self, ctx: &mut Context| {
            if session.closing {
                return;
            }
            let principal = session.state.principal;
            match outcome {
                Ok(fresh)
                    if fresh.principal.user_id == principal.user_id
                        && fresh.principal.role == principal.role =>
                {
                    session.state.principal = fresh.principal;
                    session.state.expires_at = fresh.expires_at;
                    session.warned = false;
                    session.set_clock(ctx);
                    let reference = reference.as_deref();
                    session.say(
                        Control::Authenticated { expires_at: fresh.expires_at, reference }.to_text(),
                        ctx,
                    );
                }
                Ok(_) => {
                    let detail = "The token is another user's, or of another role: connect anew.";
                    let error = ServiceError::forbidden("token_of_another", detail);
                    session.refuse(&error, reference.as_deref(), ctx);
                }
                Err(error) => session.refuse(&error, reference.as_deref(), ctx),
            }
        });
        ctx.spawn(answered);
    }

    /// Makes sure that the token's user and log-in are still there. Without an answer the session ends, too, and the
    /// client is to come back.
    fn confirm(&mut self, ctx: &mut Context) {
        let (app, who) = (self.app.clone(), self.state.principal);
        let confirmed =
            wrap_future::<_, Self>(async move { app.in_turn(|| accounts::confirm(&app, &who)).await });
        ctx.spawn(confirmed.map(|outcome, session: &mut Self, ctx: &mut Context| {
            let Err(error) = outcome else { return };
            log::debug!("session {} is not confirmed: {error}", session.id);
            let reason = if error.is_passing() { CloseReason::Overload } else { CloseReason::Token };
            session.close(reason, ctx);
        }));
    }

    /// Says good-bye and waits a moment for the client to do the same (RFC 6455, section 7.1.1): closing the
    /// socket at once could cost the client the frame that tells why.
    pub(super) fn close(&mut self, reason: CloseReason, ctx: &mut Context) {
        if self.closing {
            return;
        }
        self.closing = true;
        self.receipts.end();
        self.leave_all();
        self.app.metrics().sessions_closed.with_label_values(&[reason.as_str()]).inc();
        log::debug!("session {} of user {} ends: {}", self.id, self.state.principal.user_id, reason.as_str());
        let description = Some(reason.text()).filter(|text| !text.is_empty());
        ctx.close(Some(ws::CloseReason { code: reason.code().into(), description }));
        let patience = if reason == CloseReason::TooSlow { SLOW_PATIENCE } else { CLOSE_PATIENCE };
        ctx.run_later(patience, |_, ctx| ctx.stop());
    }

    /// Ends a membership; the subscription may be gone already.
    pub(super) fn leave(&mut self, group: GroupKey) {
        self.lane.shut(group);
        self.app.groups().leave(group, self.id);
    }

    fn leave_all(&mut self) {
        self.lane.close();
        for subscription in self.state.subscriptions.drain(..) {
            self.app.groups().leave(subscription.group, self.id);
        }
        self.app.groups().unregister(self.id, self.state.principal.user_id);
    }

    /// Sets the one timer of this session to whatever is due next.
    fn set_clock(&mut self, ctx: &mut Context) {
        ctx.cancel_future(self.clock);
        let now = Timestamp::now();
        let warn_at = self.state.expires_at.before(TOKEN_WARNING);
        let token_in = if self.warned { self.state.expires_at.since(now) } else { warn_at.since(now) };
        let ping_in = self.settings.ping.saturating_sub(self.pinged_at.elapsed());
        let idle_in = self.settings.idle.saturating_sub(self.heard_at.elapsed());
        // At least a millisecond: timers are no finer, and one that is due at once would spin.
        let due_in = token_in.min(ping_in).min(idle_in).max(Duration::from_millis(1));
        self.clock = ctx.run_later(due_in, |session, ctx| session.tick(ctx));
    }

    fn tick(&mut self, ctx: &mut Context) {
        if self.closing {
            return;
        }
        let now = Timestamp::now();
        let expires_at = self.state.expires_at;
        if now >= expires_at {
            return self.close(CloseReason::Token, ctx);
        }
        if self.heard_at.elapsed() >= self.settings.idle {
            return self.close(CloseReason::Silent, ctx);
        }
        if !self.warned && now >= expires_at.before(TOKEN_WARNING) {
            self.warned = true;
            self.say(Control::TokenExpiring { expires_at }.to_text(), ctx);
        }
        if self.pinged_at.elapsed() >= self.settings.ping {
            self.pinged_at = Instant::now();
            ctx.ping(b"");
        }
        self.set_clock(ctx);
    }

    /// A frame was over the limit and is gone.
    fn take_too_big(&mut self, ctx: &mut Context) {
        let message = format!("a frame has at most {} bytes", self.settings.max_frame);
        let bad = BadFrame { code: "too_big", message, reference: None };
        let effects = handler::on_bad(&mut self.state, bad, Instant::now());
        self.apply(effects, ctx);
    }

    fn take_part(&mut self, part: Part<'_>, ctx: &mut Context) {
        let now = Instant::now();
        let effects = match self.assembly.take(part, self.settings.max_frame) {
            Ok(None) => return,
            Ok(Some(Whole::Text(text))) => handler::on_text(&mut self.state, &self.settings, &text, now),
            Ok(Some(Whole::Binary)) => {
                let message = "frames are JSON texts, not binary messages".into();
                let bad = BadFrame { code: "binary", message, reference: None };
                handler::on_bad(&mut self.state, bad, now)
            }
            Err(Broken::TooBig) => vec![Effect::Close(CloseReason::TooBig)],
            Err(Broken::Order) => vec![Effect::Close(CloseReason::Protocol)],
            Err(Broken::NotText) => vec![Effect::Close(CloseReason::InvalidText)],
        };
        self.apply(effects, ctx);
    }
}

impl Actor for Session {
    type Context = Context;

    fn started(&mut self, ctx: &mut Self::Context) {
        let who = self.state.principal;
        if let Some(intake) = self.intake.take() {
            ctx.add_stream(*intake);
        }
        self.app.metrics().sessions.with_label_values(&[self.endpoint]).inc();
        self.lane.belongs_to(&ctx.address().recipient());
        self.app.groups().register(self.id, who.user_id, who.family_id, Arc::clone(&self.lane), self.ends);
        let first = self.state.subscriptions.first_mut().map(|subscription| {
            (subscription.group, std::mem::replace(&mut subscription.phase, Phase::Opening))
        });
        match first {
            Some((group, Phase::Joining(snapshot))) => {
                let door = self.lane.expect(group);
                self.join(group, door, *snapshot, None);
            }
            Some(_) | None => ctx.text(
                Control::Welcome {
                    session_id: self.id,
                    user_id: who.user_id,
                    expires_at: self.state.expires_at,
                    ping_interval: self.settings.ping.as_secs(),
                }
                .to_text(),
            ),
        }
        // The first ping comes early by a random part, so that sessions that came together do not ping together.
        let early = self.settings.ping.mul_f64(rand::rng().random_range(0.0..0.5));
        self.pinged_at = Instant::now().checked_sub(early).unwrap_or_else(Instant::now);
        self.set_clock(ctx);
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        if !self.closing {
            self.closing = true;
            self.leave_all();
        }
        Running::Stop
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.app.metrics().sessions.with_label_values(&[self.endpoint]).dec();
    }
}

impl Handler<Deliver> for Session {
    type Result = ();

    fn handle(&mut self, message: Deliver, ctx: &mut Self::Context) {
        match message {
            Deliver::Joined(joined) if self.closing => self.app.groups().leave(joined.group, self.id),
            Deliver::Joined(joined) => self.joined(joined, ctx),
            Deliver::Expelled { group } => self.lose(group, ctx),
            Deliver::Recheck { group } => self.recheck(group, ctx),
            Deliver::Confirm => self.confirm(ctx),
            Deliver::End(reason) => self.close(reason, ctx),
        }
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for Session {
    fn handle(&mut self, message: Result<Message, ProtocolError>, ctx: &mut Self::Context) {
        self.heard_at = Instant::now();
        if self.closing {
            // Only the client's own good-bye is waited for.
            if matches!(message, Ok(Message::Close(_)) | Err(_)) {
                ctx.stop();
            }
            return;
        }
        match message {
            Ok(Message::Text(text)) => self.take_part(Part::Text(&text), ctx),
            Ok(Message::Binary(_)) => self.take_part(Part::Binary, ctx),
            Ok(Message::Continuation(_) | Message::Ping(_) | Message::Pong(_))
                if !handler::may_send_part(&mut self.state, &self.settings, self.heard_at) =>
            {
                self.close(CloseReason::Abuse, ctx);
            }
            Ok(Message::Continuation(Item::FirstText(bytes))) => self.take_part(Part::FirstText(&bytes), ctx),
            Ok(Message::Continuation(Item::FirstBinary(bytes))) => {
                self.take_part(Part::FirstBinary(bytes.len()), ctx);
            }
            Ok(Message::Continuation(Item::Continue(bytes))) => self.take_part(Part::Middle(&bytes), ctx),
            Ok(Message::Continuation(Item::Last(bytes))) => self.take_part(Part::Last(&bytes), ctx),
            Ok(Message::Ping(payload)) => ctx.pong(&payload),
            Ok(Message::Pong(payload)) => {
                let come = self.receipts.answered(&payload);
                notifications::received(&self.app, self.state.principal, &come);
            }
            Ok(Message::Nop) => self.take_too_big(ctx),
            Ok(Message::Close(reason)) => {
                self.closing = true;
                self.leave_all();
                self.receipts.end();
                // The code is repeated (RFC 6455, section 5.5.1).
                ctx.close(reason.map(|reason| ws::CloseReason { code: reason.code, description: None }));
                ctx.stop();
            }
            Err(ProtocolError::Overflow) => self.close(CloseReason::TooBig, ctx),
            Err(ProtocolError::Io(error)) if intake::is_not_utf8(&error) => {
                self.close(CloseReason::InvalidText, ctx);
            }
            Err(error) => {
                log::debug!("session {}: {error}", self.id);
                self.close(CloseReason::Protocol, ctx);
            }
        }
    }
}
