//! The two halves of a session's socket, once the handshake is answered and the connection is taken from actix-http.
//!
//! Its HTTP dispatcher keeps two buffers of 8 KiB for each connection and copies each frame through one of them.
//! A session reads and writes through buffers of its thread instead, and keeps bytes of its own only while a client
//! is slow. That saves half of an idle session's memory and a seventh of the CPU of a delivery.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::error::PayloadError;
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use bytes::{Buf, BytesMut};
use futures_util::Stream;
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
pub(super) fn split(stream: TcpStream, early: Bytes) -> (Incoming, Writer) {
    let (read, write) = stream.into_split();
    (Incoming { io: read, early }, Writer { io: write, rest: Bytes::new() })
}

/// What the client sends, as it comes.
pub(super) struct Incoming {
    io: OwnedReadHalf,
    early: Bytes,
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.early.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.early))));
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            Poll::Ready(match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => None,
                Ok(()) => Some(Ok(Bytes::copy_from_slice(buffer.filled()))),
                Err(error) => Some(Err(PayloadError::Io(error))),
            })
        })
    }
}

/// Writes what it is given, and remembers what the socket did not take.
pub(super) struct Writer {
    io: OwnedWriteHalf,
    rest: Bytes,
}

impl Writer {
    /// Writes what is left of the last batch.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.rest)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.rest.advance(written),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        // Let go of the frame.
        self.rest = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Writes what `next` gives, many frames at once when there are many, until it has no more or the socket takes no
    /// more. The last batch must have been flushed. Returns what `next` said last, if it was not bytes.
    pub(super) fn poll_write<E>(
        &mut self,
        cx: &mut Context<'_>,
        mut next: impl FnMut(&mut Context<'_>) -> Result<Bytes, E>,
    ) -> Poll<io::Result<E>> {
        loop {
            let first = match next(cx) {
                Ok(first) => first,
                Err(end) => return Poll::Ready(Ok(end)),
            };
            let (batch, is_alone, end) = match next(cx) {
                // It goes out as the bytes that all members share.
                Err(end) => (first, true, Some(end)),
                Ok(second) => BATCH.with_borrow_mut(|batch| {
                    batch.extend_from_slice(&first);
                    batch.extend_from_slice(&second);
                    let mut end = None;
                    while end.is_none() && batch.len() < WRITE {
                        match next(cx) {
                            Ok(bytes) => batch.extend_from_slice(&bytes),
                            Err(last) => end = Some(last),
                        }
                    }
                    (batch.split().freeze(), false, end)
                }),
            };
            self.rest = batch;
            match self.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if !is_alone {
                        // The buffer of the thread is for all; who is slow gets a copy of what is left.
                        self.rest = Bytes::copy_from_slice(&self.rest);
                    }
                    return Poll::Pending;
                }
            }
            if let Some(end) = end {
                return Poll::Ready(Ok(end));
            }
        }
    }

    /// Says that nothing follows.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
