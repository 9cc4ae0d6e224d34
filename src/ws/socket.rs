//! The two halves of a session's socket, once the handshake is answered and the connection is taken from actix-http.
//!
//! Its HTTP dispatcher keeps two buffers of 8 KiB for each connection and copies each frame through one of them.
//! A session reads and writes through buffers of its thread instead, and keeps bytes of its own only while a client
//! is slow. That saves half of an idle session's memory and a seventh of the CPU of a delivery.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The most that is read at once, bytes.
const READ: usize = 16 * 1024;
/// From so many bytes on no more frames join those that are written at once.
const WRITE: usize = 16 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
    static BATCH: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Takes a connection apart. `early` is what the client sent right behind its handshake.
pub(super) fn split(stream: TcpStream, early: Bytes) -> (Reader, Writer) {
    let (read, write) = stream.into_split();
    (Reader { io: read, early }, Writer { io: write, rest: Bytes::new(), is_batch: false })
}

/// What the client sends.
pub(super) struct Reader {
    io: OwnedReadHalf,
    early: Bytes,
}

impl Reader {
    /// Adds what comes next to `bytes`; how much that is, 0 at the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            bytes.extend_from_slice(&early);
            return Poll::Ready(Ok(early.len()));
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            bytes.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }
}

/// Writes what it is given, and remembers what the socket did not take.
pub(super) struct Writer {
    io: OwnedWriteHalf,
    rest: Bytes,
    /// Whether `rest` is in the thread's buffer.
    is_batch: bool,
}

impl Writer {
    /// Whether everything is written.
    pub(super) fn is_flushed(&self) -> bool {
        self.rest.is_empty()
    }

    /// Writes what there is.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, &self.rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.rest.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if std::mem::take(&mut self.is_batch) {
                        // That buffer is for all; who is slow gets a copy of what is left.
                        self.rest = Bytes::copy_from_slice(&self.rest);
                    }
                    return Poll::Pending;
                }
            }
        }
        // Let go of the frame.
        self.rest = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Takes what `next` gives: one frame as the bytes that all members share, or many, in one piece. To be called once
    /// everything is flushed. Returns what `next` said instead of bytes, if it came to that.
    pub(super) fn fill<E>(&mut self, mut next: impl FnMut() -> Result<Bytes, E>) -> Option<E> {
        self.is_batch = false;
        self.rest = match next() {
            Ok(first) => first,
            Err(end) => return Some(end),
        };
        let second = match next() {
            Ok(second) => second,
            Err(end) => return Some(end),
        };
        BATCH.with_borrow_mut(|batch| {
            batch.clear();
            batch.extend_from_slice(&self.rest);
            batch.extend_from_slice(&second);
            let mut end = None;
            while end.is_none() && batch.len() < WRITE {
                match next() {
                    Ok(bytes) => batch.extend_from_slice(&bytes),
                    Err(last) => end = Some(last),
                }
            }
            (self.rest, self.is_batch) = (batch.split().freeze(), true);
            end
        })
    }

    /// Adds last words to what the socket has not taken yet.
    pub(super) fn append(&mut self, bytes: &Bytes) {
        self.rest = [&self.rest[..], bytes].concat().into();
    }

    /// Says that nothing follows.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
