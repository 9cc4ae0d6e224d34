//! From the bytes of a connection to its messages, one at a time.
//!
//! actix-web-actors has a stream for this, too. It reads all that there is before it looks at the next frame, so that it
//! keeps whatever a client sends faster than its frames are handled; its buffer stays as large as the largest frame was;
//! and a frame over the limit is noticed once it is whole. Here bytes are read when no whole frame is left, a session
//! that has handled everything keeps none, and a frame over the limit is refused by its head.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_codec::Decoder;
use actix_http::ws::{Codec, Frame, Item, Message, ProtocolError};
use bytes::{Buf, BytesMut};
use bytestring::ByteString;
use futures_util::Stream;

use super::socket::Reader;

/// Text that is no UTF-8. Inside a [`ProtocolError::Io`], which has no variant for it.
#[derive(Debug, thiserror::Error)]
#[error("text that is no UTF-8")]
struct NotUtf8;

/// Whether that is what is wrong.
pub(super) fn is_not_utf8(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotUtf8>())
}

/// The messages of a connection. The first error is the last item but the end: what follows it is read and dropped, since
/// a connection that is closed with bytes unread is reset, and the client might not get to read why.
pub(super) struct Intake {
    reader: Reader,
    bytes: BytesMut,
    codec: Codec,
    limit: u64,
    /// Bytes of a frame over the limit that are to be dropped.
    skip: u64,
    /// Whether a message in pieces is under way.
    in_pieces: bool,
    is_broken: bool,
}

/// A frame over the limit is dropped up to so many times the limit; a larger one breaks the connection.
const SKIPPED: u64 = 16;

impl Intake {
    /// `limit` is the largest frame that is taken, bytes.
    pub(super) fn new(reader: Reader, codec: Codec, limit: usize) -> Self {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Self { reader, bytes: BytesMut::new(), codec, limit, skip: 0, in_pieces: false, is_broken: false }
    }

    /// The next message, if all of it is there. `Nop` stands for one that was over the limit.
    fn next_message(&mut self) -> Result<Option<Message>, ProtocolError> {
        if let Some(length) = announced(&self.bytes).filter(|length| *length > self.limit && self.skip == 0) {
            // Whole and masked: what follows it can be read. Pieces of a message are not worth the trouble.
            let is_whole = matches!(self.bytes.as_ref(), [0x81 | 0x82, 0x80..=0xff, ..]) && !self.in_pieces;
            if !is_whole || length > self.limit.saturating_mul(SKIPPED) {
                return Err(ProtocolError::Overflow);
            }
            self.skip = length.saturating_add(head_size(&self.bytes));
        }
        if self.skip > 0 {
            let dropped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.bytes.len());
            self.bytes.advance(dropped);
            self.skip -= dropped as u64;
            return Ok((self.skip == 0).then_some(Message::Nop));
        }
        let message = self.decode()?;
        match &message {
            Some(Message::Continuation(Item::FirstText(_) | Item::FirstBinary(_))) => self.in_pieces = true,
            Some(Message::Continuation(Item::Last(_))) => self.in_pieces = false,
            Some(
                Message::Continuation(Item::Continue(_))
                | Message::Text(_)
                | Message::Binary(_)
                | Message::Ping(_)
                | Message::Pong(_)
                | Message::Close(_)
                | Message::Nop,
            )
            | None => {}
        }
        Ok(message)
    }

    fn decode(&mut self) -> Result<Option<Message>, ProtocolError> {
        Ok(match self.codec.decode(&mut self.bytes)? {
            None => None,
            Some(Frame::Text(text)) => {
                let text = ByteString::try_from(text);
                let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, NotUtf8))?;
                Some(Message::Text(text))
            }
            Some(Frame::Binary(bytes)) => Some(Message::Binary(bytes)),
            Some(Frame::Continuation(item)) => Some(Message::Continuation(item)),
            Some(Frame::Ping(bytes)) => Some(Message::Ping(bytes)),
            Some(Frame::Pong(bytes)) => Some(Message::Pong(bytes)),
            Some(Frame::Close(reason)) => Some(Message::Close(reason)),
        })
    }
}

/// How long the payload of the first frame is to be (RFC 6455, section 5.2), once that can be told.
fn announced(bytes: &[u8]) -> Option<u64> {
    let [_, second, rest @ ..] = bytes else { return None };
    match second & 0x7f {
        126 => rest.first_chunk().map(|length| u64::from(u16::from_be_bytes(*length))),
        127 => rest.first_chunk().map(|length| u64::from_be_bytes(*length)),
        length => Some(u64::from(length)),
    }
}

/// How many bytes there are before the payload of a masked frame.
fn head_size(bytes: &[u8]) -> u64 {
    match bytes.get(1).map(|second| second & 0x7f) {
        Some(126) => 8,
        Some(127) => 14,
        Some(_) | None => 6,
    }
}

impl Stream for Intake {
    type Item = Result<Message, ProtocolError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if !this.is_broken {
                match this.next_message() {
                    Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                    Ok(None) => {}
                    Err(error) => {
                        this.is_broken = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            if this.is_broken || this.bytes.is_empty() {
                // Also of the buffer: a large frame is rare, and sessions are many.
                this.bytes = BytesMut::new();
            }
            match ready!(this.reader.poll_read(cx, &mut this.bytes)) {
                Ok(0) => return Poll::Ready(None),
                Ok(_) => {}
                Err(error) => {
                    log::debug!("a connection broke: {error}");
                    return Poll::Ready(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_as_soon_as_it_is_there() {
        for (bytes, length) in [
            (&[][..], None),
            (&[0x81], None),
            (&[0x81, 0x80], Some(0)),
            (&[0x81, 0x80 | 125], Some(125)),
            (&[0x81, 125], Some(125)),
            (&[0x81, 0x80 | 126, 1], None),
            (&[0x81, 0x80 | 126, 1, 2], Some(0x102)),
            (&[0x81, 0x80 | 127, 0, 0, 0, 0, 0, 1, 2], None),
            (&[0x81, 0x80 | 127, 0, 0, 0, 0, 0, 1, 2, 3, 4], Some(0x1_0203)),
            (&[0x81, 0x80 | 127, 255, 255, 255, 255, 255, 255, 255, 255], Some(u64::MAX)),
        ] {
            assert_eq!(announced(bytes), length, "{bytes:?}");
        }
    }
}
