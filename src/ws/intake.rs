//! Watches the bytes that come in: stops at a frame over the limit as soon as its head says so, and reads no further
//! while frames that are whole wait for the session.
//!
//! actix-http looks at a frame's size once the frame is whole, and keeps all of it until then: without the first a
//! client could announce a gigabyte and have it kept. And actix-web-actors reads all that there is before it looks at
//! the next frame: without the second it would keep whatever a client sends faster than its frames are handled.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

/// What the error says that stands for a frame over the limit. The transport passes on nothing but the text.
pub(super) const OVER_LIMIT: &str = "a frame is over the limit";

/// Where one is in the frames of a stream (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a frame.
    Begin,
    /// Before the byte with the mask bit and the length.
    Length,
    /// Within a length of several bytes.
    LongLength { missing: u8, length: u64, masked: bool },
    /// Within the mask.
    Mask { missing: u8, length: u64 },
    /// Within the payload.
    Payload { missing: u64 },
}

/// A frame over the limit, and after how many bytes it begins; 0 also when it began before them.
#[derive(Debug, PartialEq, Eq)]
struct OverLimit {
    after: usize,
}

/// Follows frames by their heads.
#[derive(Debug)]
struct Heads {
    place: Place,
    limit: u64,
    /// Frames that are whole.
    whole: usize,
}

/// Frames that are whole and that the session has not handled yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Backlog(Rc<Cell<usize>>);

impl Backlog {
    /// The session has one of them.
    pub(super) fn handled(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }

    fn add(&self, frames: usize) {
        self.0.set(self.0.get().saturating_add(frames));
    }

    fn is_empty(&self) -> bool {
        self.0.get() == 0
    }
}

impl Heads {
    fn new(limit: usize) -> Self {
        Self { place: Place::Begin, limit: u64::try_from(limit).unwrap_or(u64::MAX), whole: 0 }
    }

    fn follow(&mut self, bytes: &[u8]) -> Result<(), OverLimit> {
        let (mut rest, mut begin) = (bytes, 0);
        while let Some((&byte, tail)) = rest.split_first() {
            if let Place::Payload { missing } = self.place {
                let skipped = usize::try_from(missing).unwrap_or(usize::MAX).min(rest.len());
                rest = rest.get(skipped..).unwrap_or_default();
                self.arrive(payload(missing.saturating_sub(skipped as u64)));
                continue;
            }
            if self.place == Place::Begin {
                begin = bytes.len() - rest.len();
            }
            let place = self.next(byte).map_err(|()| OverLimit { after: begin })?;
            self.arrive(place);
            rest = tail;
        }
        Ok(())
    }

    fn arrive(&mut self, place: Place) {
        self.whole += usize::from(place == Place::Begin);
        self.place = place;
    }

    fn take_whole(&mut self) -> usize {
        std::mem::take(&mut self.whole)
    }

    /// Where one is after a byte that is none of the payload.
    fn next(&self, byte: u8) -> Result<Place, ()> {
        match self.place {
            Place::Begin => Ok(Place::Length),
            Place::Length => {
                let masked = byte & 0x80 != 0;
                match byte & 0x7f {
                    126 => Ok(Place::LongLength { missing: 2, length: 0, masked }),
                    127 => Ok(Place::LongLength { missing: 8, length: 0, masked }),
                    length => self.after_length(u64::from(length), masked),
                }
            }
            Place::LongLength { missing, length, masked } => {
                let length = length << 8 | u64::from(byte);
                match missing {
                    0 | 1 => self.after_length(length, masked),
                    2.. => Ok(Place::LongLength { missing: missing - 1, length, masked }),
                }
            }
            Place::Mask { missing: 0 | 1, length } => Ok(payload(length)),
            Place::Mask { missing, length } => Ok(Place::Mask { missing: missing - 1, length }),
            Place::Payload { missing } => Ok(payload(missing.saturating_sub(1))),
        }
    }

    fn after_length(&self, length: u64, masked: bool) -> Result<Place, ()> {
        if length > self.limit {
            return Err(());
        }
        Ok(if masked { Place::Mask { missing: 4, length } } else { payload(length) })
    }
}

fn payload(missing: u64) -> Place {
    if missing == 0 { Place::Begin } else { Place::Payload { missing } }
}

/// The bytes of a connection, up to the first frame over the limit: then comes an error that says [`OVER_LIMIT`],
/// and whatever follows is dropped.
pub(super) struct Intake<S> {
    bytes: S,
    heads: Heads,
    over: Over,
    backlog: Backlog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    No,
    /// It is, and that has to be said.
    Untold,
    Told,
}

impl<S> Intake<S> {
    pub(super) fn new(bytes: S, limit: usize, backlog: Backlog) -> Self {
        Self { bytes, heads: Heads::new(limit), over: Over::No, backlog }
    }
}

impl<S> Stream for Intake<S>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if !this.backlog.is_empty() {
                // Asked again once the session has handled them: the decoder gives them one by one.
                return Poll::Pending;
            }
            if this.over == Over::Untold {
                this.over = Over::Told;
                return Poll::Ready(Some(Err(PayloadError::Io(io::Error::other(OVER_LIMIT)))));
            }
            match ready!(Pin::new(&mut this.bytes).poll_next(cx)) {
                // Taken in all the same: a connection that is closed with bytes unread is reset, and the client
                // might not get to read why.
                Some(Ok(_)) if this.over == Over::Told => {}
                Some(Ok(bytes)) => {
                    let outcome = this.heads.follow(&bytes);
                    this.backlog.add(this.heads.take_whole());
                    return Poll::Ready(Some(Ok(match outcome {
                        Ok(()) => bytes,
                        Err(OverLimit { after }) => {
                            this.over = Over::Untold;
                            bytes.slice(..after)
                        }
                    })));
                }
                end => return Poll::Ready(end),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that says that it is so long, and holds as much of that as is given.
    fn frame(length: u64, masked: bool, payload: usize) -> Vec<u8> {
        let mask = u8::from(masked) << 7;
        let mut bytes = vec![0x81];
        match length {
            0..=125 => bytes.push(mask | length as u8),
            126..=0xffff => {
                bytes.push(mask | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            0x1_0000.. => {
                bytes.push(mask | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        bytes.extend(vec![7; if masked { 4 } else { 0 }]);
        bytes.extend(vec![0xff; payload]);
        bytes
    }

    #[test]
    fn frames_within_the_limit_pass_however_they_are_cut() {
        let stream: Vec<u8> = [0, 1, 125, 126, 300, 0x1_0000, 5]
            .into_iter()
            .flat_map(|length| {
                [frame(length, true, length as usize), frame(length, false, length as usize)].concat()
            })
            .collect();
        for size in [1, 2, 3, 7, 1000, stream.len()] {
            let mut heads = Heads::new(0x1_0000);
            for chunk in stream.chunks(size) {
                assert_eq!(heads.follow(chunk), Ok(()));
            }
            assert_eq!((heads.place, heads.whole), (Place::Begin, 14), "cut into {size}");
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_seen_by_its_head() {
        for length in [11, 126, 0xffff, 0x1_0000, u64::MAX] {
            let good = frame(10, true, 10);
            let bytes = [good.clone(), frame(length, true, 0)].concat();
            assert_eq!(Heads::new(10).follow(&bytes), Err(OverLimit { after: good.len() }), "{length}");
            // Its head may come byte by byte.
            let mut heads = Heads::new(10);
            let outcome: Result<Vec<()>, OverLimit> =
                bytes.iter().map(|byte| heads.follow(&[*byte])).collect();
            assert_eq!(outcome, Err(OverLimit { after: 0 }), "{length}");
        }
    }
}
