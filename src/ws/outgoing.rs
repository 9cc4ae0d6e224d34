//! What goes out on one socket: what the session actor says, and the frames that wait in its lane.
//!
//! Frames do not pass through the actor. It opens and shuts the doors of the lane; what comes through goes from the
//! group to the socket as the bytes that all members share, and the actor is polled only when there is something for
//! it. What it says overtakes no frame that was there before, and a snapshot that it has written is out before the
//! frames that it then lets in.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use actix_web::web::Bytes;
use futures_util::Stream;

use crate::domain::group::GroupKind;
use crate::domain::ids::UserId;
use crate::realtime::{Frame, Lane, Next};
use crate::services::app::App;

/// The body of the answer to a handshake.
pub(super) struct Outgoing<S> {
    actor: Pin<Box<S>>,
    lane: Arc<Lane>,
    app: App,
    user_id: UserId,
}

impl<S, E> Outgoing<S>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    pub(super) fn new(actor: S, lane: Arc<Lane>, app: App, user_id: UserId) -> Self {
        Self { actor: Box::pin(actor), lane, app, user_id }
    }
}

/// Notes that a frame is written.
pub(super) fn written(app: &App, user_id: UserId, frame: &Frame) {
    app.metrics().publish_to_write.observe(frame.accepted_at.elapsed().as_secs_f64());
    if frame.seq.is_some() && frame.group.kind() == GroupKind::User {
        app.recorder().written(user_id, frame.id);
    }
}

impl<S, E> Stream for Outgoing<S>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match this.lane.poll_next(cx) {
                Poll::Ready(Next::Frame(frame)) => {
                    written(&this.app, this.user_id, &frame);
                    return Poll::Ready(Some(Ok(frame.wire().clone())));
                }
                Poll::Ready(Next::Actor) => {
                    let waker = Waker::from(Arc::clone(&this.lane));
                    let said = this.actor.as_mut().poll_next(&mut Context::from_waker(&waker));
                    if said.is_ready() {
                        // It has not come to the point at which it waits to be called.
                        this.lane.call_actor();
                        return said;
                    }
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
