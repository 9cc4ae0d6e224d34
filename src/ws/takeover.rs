//! How a connection comes from the HTTP server to a session: the route of a handshake leaves what the session needs,
//! and once its answer is written the connection is the session's.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use actix_codec::{Encoder, Framed, FramedParts};
use actix_http::body::{BodySize, BoxBody, MessageBody, to_bytes};
use actix_http::h1::{Codec, Message};
use actix_http::{ConnectionType, HttpMessage, Request, Response};
use actix_web::HttpRequest;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::rt::net::TcpStream;
use actix_web::rt::time::timeout;
use actix_web::web::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::access::Bodiless;
use crate::http::error::ApiError;

use super::session::{self, Opening};

/// How long what a refused client still sends is taken in, and how much of it, bytes.
const LINGER: Duration = Duration::from_secs(1);
const MAX_REST: u64 = 256 * 1024;

/// Where the route of a handshake leaves the session that it admits. In the extensions of a request whose connection
/// can be taken over.
#[derive(Clone, Default)]
pub(super) struct Takeover(Rc<RefCell<Option<Opening>>>);

impl Takeover {
    /// Leaves a session, to be started once the answer is out.
    pub(super) fn give(&self, opening: Opening) {
        *self.0.borrow_mut() = Some(opening);
    }
}

/// The place for the session of this handshake.
///
/// # Errors
/// 400 for a handshake with a body: it would be taken for frames.
pub(super) fn of(request: &HttpRequest) -> Result<Takeover, ApiError> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let takeover = request.extensions().get::<Takeover>().cloned();
    takeover
        .filter(|_| length.is_none_or(|length| length == "0"))
        .ok_or_else(|| not_a_handshake("a handshake has no body."))
}

/// 400, with what is wrong.
pub(super) fn not_a_handshake(why: &str) -> ApiError {
    ApiError::Http {
        status: StatusCode::BAD_REQUEST,
        code: "bad_handshake",
        detail: format!("Not a WebSocket handshake: {why}"),
    }
}

/// Serves a connection from a request that asks for WebSocket on: lets the routes answer, and runs the session if they
/// admit one. Otherwise the connection is closed behind the answer.
///
/// # Errors
/// Why the connection broke.
pub fn serve<S, B>(
    app: S,
    request: Request,
    connection: Framed<TcpStream, Codec>,
) -> impl Future<Output = io::Result<()>>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    // Boxed, the session as well: what a future moves it keeps room for, and this one is kept for each connection.
    let begun = Box::pin(async move {
        match answer(app, request, connection).await? {
            (Some(opening), stream, early) => Ok(Some(Box::pin(session::start(opening, stream, early)))),
            (None, stream, _) => linger(stream).await.map(|()| None),
        }
    });
    async move {
        match begun.await? {
            Some(session) => session.await,
            None => Ok(()),
        }
    }
}

/// Answers a request. Returns the session to be started, if one is admitted, the connection, and what came on it behind
/// the request.
async fn answer<S, B>(
    app: S,
    request: Request,
    connection: Framed<TcpStream, Codec>,
) -> io::Result<(Option<Opening>, TcpStream, Bytes)>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    let takeover = Takeover::default();
    request.extensions_mut().insert(takeover.clone());
    request.extensions_mut().insert(Bodiless);
    let response = match app.call(request).await {
        Ok(answer) => answer.into_parts().1.map_into_boxed_body(),
        Err(error) => error.error_response(),
    };
    let opening = takeover.0.take();
    let (mut head, body) = Response::<BoxBody>::from(response).into_parts();
    if opening.is_none() {
        // What it asked to be upgraded to is not to come, and this connection is not used for anything else.
        head.head_mut().set_connection_type(ConnectionType::Close);
    }
    let body = to_bytes(body).await.map_err(|error| io::Error::other(error.to_string()))?;
    let FramedParts { mut io, mut codec, read_buf, mut write_buf, .. } = connection.into_parts();
    let length = BodySize::Sized(u64::try_from(body.len()).unwrap_or(u64::MAX));
    codec.encode(Message::Item((head.drop_body(), length)), &mut write_buf)?;
    if opening.is_none() {
        codec.encode(Message::Chunk(Some(body)), &mut write_buf)?;
    }
    io.write_all_buf(&mut write_buf).await?;
    // A copy, so that the whole buffer is not kept for a few bytes.
    Ok((opening, io, Bytes::copy_from_slice(&read_buf)))
}

/// Takes leave of a client that may still be sending: a connection that is closed with bytes unread is reset, and the
/// client might not get to read the answer.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(MAX_REST);
    // Neither its end nor its errors are of interest any more.
    let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}
