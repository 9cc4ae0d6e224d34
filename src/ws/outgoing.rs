//! What goes out on one socket: what the session actor says, and the frames that wait in its lane.
//!
//! Frames do not pass through the actor. It opens and shuts the doors of the lane; what comes through goes from the
//! group to the socket as the bytes that all members share, and the actor is polled only when there is something for
//! it. What it says overtakes no frame that was there before, and a snapshot that it has written is out before the
//! frames that it then lets in.
//!
//! Nothing is taken from either while the socket takes nothing: what a client does not read must not pile up here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use actix_web::web::Bytes;
use futures_util::Stream;

use crate::domain::group::GroupKind;
use crate::domain::ids::UserId;
use crate::realtime::{Frame, Lane, Next};
use crate::services::app::App;

use super::socket::Writer;

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
    app: App,
    user_id: UserId,
}

/// Why there is nothing to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// The task is woken once there is.
    ForNow,
    /// Nothing follows.
    ForGood,
}

impl<S, E> Outgoing<S>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    pub(super) fn new(actor: S, writer: Writer, lane: Arc<Lane>, app: App, user_id: UserId) -> Self {
        Self { source: Source { actor: Some(Box::pin(actor)), lane, app, user_id }, writer }
    }
}

/// Notes that a frame is written.
pub(super) fn written(app: &App, user_id: UserId, frame: &Frame) {
    app.metrics().publish_to_write.observe(frame.accepted_at.elapsed().as_secs_f64());
    if frame.seq.is_some() && frame.group.kind() == GroupKind::User {
        app.recorder().written(user_id, frame.id);
    }
}

impl<S, E> Source<S>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    fn next(&mut self, cx: &Context<'_>) -> Result<Bytes, Empty> {
        loop {
            let Some(actor) = &mut self.actor else { return Err(Empty::ForGood) };
            match self.lane.poll_next(cx) {
                Poll::Ready(Next::Frame(frame)) => {
                    written(&self.app, self.user_id, &frame);
                    return Ok(frame.wire().clone());
                }
                Poll::Ready(Next::Actor) => {
                    let waker = Waker::from(Arc::clone(&self.lane));
                    match actor.as_mut().poll_next(&mut Context::from_waker(&waker)) {
                        Poll::Ready(Some(Ok(said))) => {
                            // It has not come to the point at which it waits to be called.
                            self.lane.call_actor();
                            return Ok(said);
                        }
                        Poll::Ready(Some(Err(_)) | None) => self.actor = None,
                        Poll::Pending => {}
                    }
                }
                Poll::Pending => return Err(Empty::ForNow),
            }
        }
    }
}

impl<S, E> Future for Outgoing<S>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    type Output = std::io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { source, writer } = &mut *self;
        ready!(writer.poll_flush(cx))?;
        match ready!(writer.poll_write(cx, |cx| source.next(cx)))? {
            Empty::ForNow => Poll::Pending,
            Empty::ForGood => writer.poll_shutdown(cx),
        }
    }
}
