//! What goes out on one socket: what the session actor says, and the frames that wait in its lane.
//!
//! Frames do not pass through the actor. It opens and shuts the doors of the lane; what comes through goes from the
//! group to the socket as the bytes that all members share, and the actor is polled only when there is something for
//! it. What it says overtakes no frame that was there before, and a snapshot that it has written is out before the
//! frames that it then lets in.
//!
//! Nothing is taken from either while the socket takes nothing: what a client does not read must not pile up here. Only
//! what ends the session reaches the actor all the same; it has its last words, and waits for no more than it is patient.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use actix_web::web::Bytes;
use futures_util::Stream;
use smallvec::SmallVec;

use crate::domain::group::GroupKind;
use crate::domain::ids::{EventId, UserId};
use crate::protocol::event;
use crate::realtime::{Frame, Lane, Next};
use crate::services::app::App;

use super::receipts::Receipts;
use super::socket::Writer;

/// How often the actor is polled in one go: it may have much to do, and others wait for the thread.
const TURNS: u32 = 16;

/// A session's life: done when its actor has stopped and all that it said is written, or when the socket breaks.
pub(super) struct Outgoing<S> {
    source: Source<S>,
    writer: Writer,
}

/// Where bytes come from.
struct Source<S> {
    /// None once it has stopped.
    actor: Option<Pin<Box<S>>>,
    lane: Arc<Lane>,
    receipts: Arc<Receipts>,
    app: App,
    user_id: UserId,
    /// How often the actor may still be polled in this go.
    turns: u32,
    /// Frames on their way into the socket.
    taken: SmallVec<[Arc<Frame>; 2]>,
}

/// Why there is nothing to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// The task is woken once there is.
    ForNow,
    /// Nothing follows.
    ForGood,
}

/// Notes that a frame is written; gives its id if it is a notification.
pub(super) fn written(app: &App, user_id: UserId, frame: &Frame) -> Option<EventId> {
    app.metrics().publish_to_write.observe(frame.accepted_at.elapsed().as_secs_f64());
    let is_notification = frame.group.kind() == GroupKind::User && event::is_notification(frame.text());
    is_notification.then(|| {
        app.recorder().written(user_id, frame.id);
        frame.id
    })
}

/// A ping as it goes over the wire (RFC 6455, section 5.2).
fn ping(payload: [u8; 4]) -> Bytes {
    let [a, b, c, d] = payload;
    Bytes::copy_from_slice(&[0x89, 4, a, b, c, d])
}

impl<S, E> Source<S>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    fn next(&mut self, cx: &Context<'_>) -> Result<Bytes, Empty> {
        loop {
            if self.actor.is_none() {
                return Err(Empty::ForGood);
            }
            if self.turns == 0 {
                cx.waker().wake_by_ref();
                return Err(Empty::ForNow);
            }
            match self.lane.poll_next(cx) {
                Poll::Ready(Next::Frame(frame)) => {
                    let bytes = frame.wire().clone();
                    self.taken.push(frame);
                    return Ok(bytes);
                }
                Poll::Ready(Next::Actor) => {
                    if let Some(said) = self.poll_actor() {
                        return Ok(said);
                    }
                }
                Poll::Pending => return Err(Empty::ForNow),
            }
        }
    }

    /// Lets the actor work; what it says.
    fn poll_actor(&mut self) -> Option<Bytes> {
        self.turns = self.turns.saturating_sub(1);
        let waker = Waker::from(Arc::clone(&self.lane));
        match self.actor.as_mut()?.as_mut().poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(Ok(said))) => {
                // It has not come to the point at which it waits to be called.
                self.lane.call_actor();
                Some(said)
            }
            Poll::Ready(Some(Err(_)) | None) => {
                self.actor = None;
                None
            }
            Poll::Pending => None,
        }
    }

    /// What the actor says while the socket takes nothing: only once it has been told to end the session.
    fn last_words(&mut self, cx: &Context<'_>) -> Result<Bytes, Empty> {
        // Stopped before: only what it said is waited for.
        while self.actor.is_some() {
            if self.turns == 0 {
                cx.waker().wake_by_ref();
                return Err(Empty::ForNow);
            }
            if self.lane.poll_end(cx).is_pending() {
                return Err(Empty::ForNow);
            }
            if let Some(said) = self.poll_actor() {
                return Ok(said);
            }
            if self.actor.is_none() {
                return Err(Empty::ForGood);
            }
        }
        Err(Empty::ForNow)
    }

    /// Gives what has to follow.
    fn note_written(&mut self) -> Option<Bytes> {
        // All of it is taken, so that no session keeps the room for a large batch.
        let taken = std::mem::take(&mut self.taken);
        let kept = taken.iter().filter_map(|frame| written(&self.app, self.user_id, frame));
        let kept: SmallVec<[EventId; 2]> = kept.collect();
        self.receipts.written(&kept).map(ping)
    }
}

impl<S, E> Outgoing<S>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    pub(super) fn new(
        actor: S,
        writer: Writer,
        lane: Arc<Lane>,
        receipts: Arc<Receipts>,
        app: App,
        user_id: UserId,
    ) -> Self {
        let actor = Some(Box::pin(actor));
        let source = Source { actor, lane, receipts, app, user_id, turns: 0, taken: SmallVec::new() };
        Self { source, writer }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { source, writer } = self;
        loop {
            match writer.poll_flush(cx) {
                Poll::Ready(flushed) => {
                    flushed?;
                    match source.note_written() {
                        Some(ping) => writer.append(&ping),
                        None => return Poll::Ready(Ok(())),
                    }
                }
                Poll::Pending => match source.last_words(cx) {
                    Ok(said) => writer.append(&said),
                    Err(Empty::ForNow) => return Poll::Pending,
                    Err(Empty::ForGood) => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                },
            }
        }
    }
}

impl<S, E> Future for Outgoing<S>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.source.turns = TURNS;
        ready!(this.poll_flush(cx))?;
        loop {
            let Self { source, writer } = &mut *this;
            let end = writer.fill(|| source.next(cx));
            if !writer.is_flushed() {
                ready!(this.poll_flush(cx))?;
            }
            match end {
                None => {}
                Some(Empty::ForNow) => return Poll::Pending,
                Some(Empty::ForGood) => return this.writer.poll_shutdown(cx),
            }
        }
    }
}
