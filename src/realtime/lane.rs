//! What waits for one session, in two lanes: frames that must be delivered, in order and each of them; and, once the
//! session falls behind, slots in which the latest ephemeral frame takes the place of the one before.
//!
//! An actor's mailbox would do neither: it cannot replace what waits, it has a free slot for each sender, and a
//! session whose socket is full is not polled, so that nothing could be taken out of it. So groups put frames here, and
//! whatever writes the socket takes them out as the socket has room.
//!
//! A session opens a door for each group that it joins. Behind a door that is ajar frames wait until the snapshot is
//! written; through an open one they come at once; what is sent to one that was shut is dropped, so that a membership
//! that has ended says nothing any more.

mod standing;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use actix::{Recipient, WeakRecipient};
use smallvec::SmallVec;

use crate::domain::group::GroupKey;

use super::messages::{Deliver, Frame};
use standing::Sight;

/// From so many waiting frames on, ephemeral ones are conflated.
pub(super) const CONFLATE_FROM: usize = 64;
/// The most slots that ephemeral frames of one session wait in.
const MAX_SLOTS: usize = 64;

/// Shared by a session, what writes its socket, and the groups that it is in.
#[derive(Debug)]
pub struct Lane {
    inner: Mutex<Inner>,
    /// The session actor. One sender for all who have something to say to it: each is three allocations. Weak, since
    /// the actor's mailbox holds this lane in turn, as the waker of whoever polls it.
    session: OnceLock<WeakRecipient<Deliver>>,
    max_waiting: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Inner {
    /// Must-deliver frames, and ephemeral ones of a session that keeps up.
    queue: VecDeque<Waiting>,
    /// Of the frames in `queue` and behind doors.
    bytes: usize,
    /// Frames behind doors.
    held: usize,
    /// Whoever writes the socket, while it waits for something to write.
    writer: Option<Waker>,
    /// Whether it has been called since it found nothing.
    called: bool,
    /// Whether there is something for the actor.
    actor_called: bool,
    /// How many frames of `queue` were there before that, and come first.
    ahead: usize,
    closed: bool,
    /// Whether the actor has been told to end the session.
    is_ending: bool,
    doors: SmallVec<[Door; 1]>,
    next_door: u32,
    slots: Vec<Slot>,
    /// Of the frames in `slots`.
    slot_bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    door: DoorId,
    frame: Arc<Frame>,
}

#[derive(Debug)]
struct Slot {
    name: Arc<str>,
    waiting: Waiting,
}

/// One membership of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoorId(u32);

#[derive(Debug)]
struct Door {
    id: DoorId,
    group: GroupKey,
    /// How often it was set ajar again.
    round: u32,
    state: DoorState,
    /// Of an order's group: whether positions come through.
    sight: Sight,
}

#[derive(Debug)]
enum DoorState {
    /// Until the snapshot is written. Ephemeral frames with the name of their slot.
    Ajar(Vec<(Option<Arc<str>>, Arc<Frame>)>),
    /// The snapshot held this revision of the group's state: older ones say nothing new.
    Open { floor: i64 },
}

/// What is to be done for a socket.
#[derive(Debug)]
pub enum Next {
    /// Poll the session actor: a message, bytes of its client, or a timer wait for it.
    Actor,
    /// Write this frame.
    Frame(Arc<Frame>),
}

/// What became of a frame that was put into a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// The session will have it, unless it ends before.
    Taken,
    /// It waits in a slot.
    Slotted {
        /// Whether it took the place of an older one.
        replaced: bool,
    },
    /// The door was shut, or the session is ending.
    Shut,
    /// There was no room: the session does not keep up, and the lane is closed.
    TooSlow,
}

impl Lane {
    /// A lane that holds at most `max_waiting` frames of `max_bytes` in all.
    #[must_use]
    pub fn new(max_waiting: usize, max_bytes: usize) -> Self {
        let inner = Inner {
            queue: VecDeque::new(),
            bytes: 0,
            held: 0,
            writer: None,
            called: false,
            // It has not begun yet.
            actor_called: true,
            ahead: 0,
            closed: false,
            is_ending: false,
            doors: SmallVec::new(),
            next_door: 0,
            slots: Vec::new(),
            slot_bytes: 0,
        };
        Self { inner: Mutex::new(inner), session: OnceLock::new(), max_waiting, max_bytes }
    }

    /// Whose lane this is. Before it is said, what is told is lost; said again, it has no effect.
    pub fn belongs_to(&self, session: &Recipient<Deliver>) {
        let _ = self.session.set(session.downgrade());
    }

    /// Tells the session actor what is no frame. What ends the session reaches it even while its socket takes nothing.
    pub(super) fn tell(&self, message: Deliver) {
        let is_end = match &message {
            Deliver::End(_) => true,
            Deliver::Joined(_) | Deliver::Expelled { .. } | Deliver::Recheck { .. } | Deliver::Confirm => {
                false
            }
        };
        if let Some(session) = self.session.get().and_then(WeakRecipient::upgrade) {
            session.do_send(message); // bounded: each caller says by what
        }
        if is_end {
            let mut inner = self.lock();
            inner.is_ending = true;
            inner.called = false;
            inner.call();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a door for a group, ajar. An earlier one for the same group is shut.
    #[must_use]
    pub fn expect(&self, group: GroupKey) -> DoorId {
        let mut inner = self.lock();
        inner.shut(group);
        let id = DoorId(inner.next_door);
        inner.next_door = inner.next_door.wrapping_add(1);
        if !inner.closed {
            inner.doors.push(Door {
                id,
                group,
                round: 0,
                state: DoorState::Ajar(Vec::new()),
                sight: Sight::default(),
            });
        }
        id
    }

    /// Opens a group's door: what waited behind it follows, but for states up to the revision `floor`. Unless it was set
    /// ajar again after `round`: then what waits belongs to a later snapshot.
    pub fn open(&self, group: GroupKey, round: u32, floor: i64) {
        let mut inner = self.lock();
        let meant = |door: &&mut Door| door.group == group && door.round == round;
        let Some(door) = inner.doors.iter_mut().find(meant) else { return };
        let id = door.id;
        let DoorState::Ajar(frames) = std::mem::replace(&mut door.state, DoorState::Open { floor }) else {
            return;
        };
        inner.held -= frames.len();
        for (_, frame) in frames {
            if is_news(&frame, floor) {
                inner.queue.push_back(Waiting { door: id, frame });
            } else {
                inner.bytes -= frame.size();
            }
        }
        inner.call();
    }

    /// Lets a door stand ajar again, if it is there: what comes from now on waits for another snapshot. What waited
    /// behind it is in that snapshot. Gives the round by which that one opens the door.
    pub(super) fn hold(&self, door: DoorId) -> u32 {
        let mut inner = self.lock();
        let Some(found) = inner.doors.iter_mut().find(|found| found.id == door) else { return 0 };
        found.round = found.round.wrapping_add(1);
        let round = found.round;
        let before = std::mem::replace(&mut found.state, DoorState::Ajar(Vec::new()));
        if let DoorState::Ajar(frames) = before {
            inner.held -= frames.len();
            inner.bytes -= frames.iter().map(|(_, frame)| frame.size()).sum::<usize>();
        }
        round
    }

    /// Shuts a group's door: nothing more of that membership comes through.
    pub fn shut(&self, group: GroupKey) {
        self.lock().shut(group);
    }

    /// Drops what waits and lets nothing in any more.
    pub fn close(&self) {
        self.lock().close();
    }

    /// Puts a frame in. One with a `slot` is ephemeral: only the latest of its slot counts.
    pub(super) fn put(&self, door: DoorId, frame: &Arc<Frame>, slot: Option<&Arc<str>>) -> Put {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let waiting = inner.queue.len();
        let Some(found) = inner.doors.iter_mut().find(|found| found.id == door) else { return Put::Shut };
        if slot.is_some_and(|slot| found.sight.hides(slot, frame)) {
            return Put::Taken;
        }
        match &mut found.state {
            DoorState::Open { floor } if !is_news(frame, *floor) => return Put::Taken,
            DoorState::Open { .. } => {
                if let Some(slot) = slot
                    && (waiting >= CONFLATE_FROM || !inner.slots.is_empty())
                {
                    return inner.put_into_slot(door, frame, slot, self.max_bytes);
                }
            }
            DoorState::Ajar(frames) => {
                if slot.is_some()
                    && frames.len() >= CONFLATE_FROM
                    && let Some(place) = frames.iter().position(|(name, _)| name.as_ref() == slot)
                {
                    let (_, older) = frames.remove(place);
                    frames.push((slot.cloned(), Arc::clone(frame)));
                    inner.bytes = inner.bytes + frame.size() - older.size();
                    return Put::Slotted { replaced: true };
                }
            }
        }
        // One frame always fits, however large.
        let is_full = waiting + inner.held >= self.max_waiting
            || (inner.bytes > 0 && inner.bytes + frame.size() > self.max_bytes);
        if is_full {
            inner.close();
            return Put::TooSlow;
        }
        inner.bytes += frame.size();
        let frame = Arc::clone(frame);
        match &mut found.state {
            DoorState::Ajar(frames) => {
                inner.held += 1;
                frames.push((slot.cloned(), frame));
            }
            DoorState::Open { .. } => {
                inner.queue.push_back(Waiting { door, frame });
                inner.call();
            }
        }
        Put::Taken
    }

    /// What is to be done next. With nothing to do, the task of `cx` is woken once there is.
    pub fn poll_next(&self, cx: &Context<'_>) -> Poll<Next> {
        let mut inner = self.lock();
        let is_actors_turn = inner.actor_called && inner.ahead == 0;
        if !is_actors_turn && let Some(frame) = inner.next_frame() {
            return Poll::Ready(Next::Frame(frame));
        }
        if inner.actor_called {
            inner.actor_called = false;
            return Poll::Ready(Next::Actor);
        }
        inner.wait(cx);
        Poll::Pending
    }

    /// For a socket that takes nothing: ready when the actor is to be polled all the same, since the session ends. If it
    /// does not, or has nothing to do for that, the task of `cx` is woken once there is.
    pub fn poll_end(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        // Closed: the session ends itself, and no more frames come.
        let is_ending = inner.is_ending || inner.closed;
        if is_ending && inner.actor_called {
            inner.actor_called = false;
            return Poll::Ready(());
        }
        if is_ending {
            inner.wait(cx);
        } else {
            // Frames do not wake it meanwhile: there is no room for them.
            inner.keep_waker(cx);
        }
        Poll::Pending
    }

    /// Notes that there is something for the actor. It has its turn after the frames that wait by now, as if they
    /// had gone through its mailbox: what it answers overtakes none of them, and they do not keep it from answering.
    pub fn call_actor(&self) {
        let mut inner = self.lock();
        if !inner.actor_called {
            inner.actor_called = true;
            inner.ahead = inner.queue.len();
        }
        inner.call();
    }
}

/// The actor is polled with this: it shares the socket, and so the wait for something to write, with the frames.
impl Wake for Lane {
    fn wake(self: Arc<Self>) {
        self.call_actor();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.call_actor();
    }
}

impl Inner {
    fn keep_waker(&mut self, cx: &Context<'_>) {
        if !self.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
            self.writer = Some(cx.waker().clone());
        }
    }

    fn wait(&mut self, cx: &Context<'_>) {
        self.called = false;
        self.keep_waker(cx);
    }

    fn call(&mut self) {
        if !self.called {
            self.called = true;
            if let Some(writer) = &self.writer {
                writer.wake_by_ref();
            }
        }
    }

    fn next_frame(&mut self) -> Option<Arc<Frame>> {
        while let Some(Waiting { door, frame }) = self.queue.pop_front() {
            self.bytes -= frame.size();
            self.ahead = self.ahead.saturating_sub(1);
            if self.is_open(door) {
                return Some(frame);
            }
            if self.actor_called && self.ahead == 0 {
                return None;
            }
        }
        self.ahead = 0;
        if !self.slots.is_empty() {
            return Some(self.take_slot(0));
        }
        if self.queue.capacity() > CONFLATE_FROM {
            // The memory of a bad moment.
            self.queue = VecDeque::new();
        }
        None
    }

    fn is_open(&self, door: DoorId) -> bool {
        self.doors.iter().any(|found| found.id == door)
    }

    fn put_into_slot(&mut self, door: DoorId, frame: &Arc<Frame>, slot: &Arc<str>, max_bytes: usize) -> Put {
        let place = self.slots.iter().position(|held| held.name == *slot && held.waiting.door == door);
        let mut replaced = place.is_some();
        if let Some(place) = place {
            // Out of its old place and to the end, so that slots keep the order of their latest frames.
            self.take_slot(place);
        }
        let is_full = |slots: &[Slot], bytes| {
            slots.len() >= MAX_SLOTS || (!slots.is_empty() && bytes + frame.size() > max_bytes)
        };
        while is_full(&self.slots, self.slot_bytes) {
            self.take_slot(0);
            replaced = true;
        }
        self.slot_bytes += frame.size();
        self.slots.push(Slot { name: Arc::clone(slot), waiting: Waiting { door, frame: Arc::clone(frame) } });
        self.call();
        Put::Slotted { replaced }
    }

    /// Takes a frame out of the slots; there must be one at `place`.
    fn take_slot(&mut self, place: usize) -> Arc<Frame> {
        let frame = self.slots.remove(place).waiting.frame;
        self.slot_bytes -= frame.size();
        frame
    }

    fn shut(&mut self, group: GroupKey) {
        let Some(place) = self.doors.iter().position(|door| door.group == group) else { return };
        let door = self.doors.swap_remove(place);
        self.slots.retain(|slot| slot.waiting.door != door.id);
        self.slot_bytes = self.slots.iter().map(|slot| slot.waiting.frame.size()).sum();
        // What is in the queue is dropped when its turn comes.
        if let DoorState::Ajar(frames) = door.state {
            self.held -= frames.len();
            self.bytes -= frames.iter().map(|(_, frame)| frame.size()).sum::<usize>();
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.queue = VecDeque::new();
        self.ahead = 0;
        self.slots = Vec::new();
        self.doors = SmallVec::new();
        (self.bytes, self.held, self.slot_bytes) = (0, 0, 0);
    }
}

/// Whether a frame says more than a snapshot that held the revision `floor` of the group's state.
fn is_news(frame: &Frame, floor: i64) -> bool {
    frame.revision.is_none_or(|revision| revision > floor)
}

#[cfg(test)]
mod tests;
