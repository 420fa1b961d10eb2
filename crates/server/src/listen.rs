//! The listener: one port, HTTP/1.1 and HTTP/2, optional TLS, bounded in every direction, drained on shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use crate::tls::Tls;

/// What one node takes from the network. Every number is a ceiling, none a target.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Largest request head, in bytes.
    pub header_bytes_max: usize,
    /// Most header fields of one request.
    pub headers_max: usize,
    /// A request head must be complete this long after its first byte.
    pub header_time_max: Duration,
    /// A request body must be complete this long after its head.
    pub body_time_max: Duration,
    /// A connection that sends nothing for this long is closed, whatever it is in the middle of.
    pub silence_time_max: Duration,
    /// A connection that takes nothing of what is written to it for this long is closed.
    pub write_time_max: Duration,
    /// A TLS handshake must be complete after this long.
    pub handshake_time_max: Duration,
    /// Most connections at once; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// How long open requests may take to finish once the node is told to stop.
    pub drain_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: rootward_wire::BODY_BYTES_MAX,
            header_bytes_max: 64 * 1024,
            headers_max: 100,
            header_time_max: Duration::from_secs(30),
            body_time_max: Duration::from_secs(30),
            silence_time_max: Duration::from_secs(90),
            write_time_max: Duration::from_secs(30),
            handshake_time_max: Duration::from_secs(10),
            connections_max: 10_000,
            drain_time_max: Duration::from_secs(30),
        }
    }
}

/// A request with its whole body, or why the body could not be had.
pub(crate) type Received = Result<Request<Bytes>, BodyError>;

/// A body that did not arrive within the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Cut off or malformed by the peer.
    Broken,
    /// Not complete in time.
    Late,
    /// Larger than the limit.
    TooLarge,
}

/// What is known of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The other end.
    pub(crate) address: SocketAddr,
    /// TLS version and cipher suite, if TLS protects it.
    pub(crate) tls: Option<(&'static str, &'static str)>,
}

/// Answers requests.
pub(crate) trait Answer: Send + Sync + 'static {
    /// Answers one request; never fails.
    fn answer(&self, peer: Peer, request: Received) -> impl Future<Output = Response<Bytes>> + Send;
}

/// Accepts connections until `stop` resolves, then lets open requests finish.
pub(crate) async fn run<A: Answer>(
    listener: TcpListener,
    tls: Option<Tls>,
    limits: Limits,
    answer: Arc<A>,
    stop: impl Future<Output = ()>,
) {
    let limits = Arc::new(limits);
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(&limits));
    tokio::pin!(stop);
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: waiting frees some, spinning would not.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = Connection {
            tls: tls.clone(),
            limits: Arc::clone(&limits),
            builder: Arc::clone(&builder),
            answer: Arc::clone(&answer),
            watcher: graceful.watcher(),
        };
        tokio::spawn(async move {
            connection.serve(stream, address).await;
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain_time_max, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // INVARIANT: no `pipeline_flush`. With it hyper goes on answering however much waits to be written: a client that
    // pipelines requests and never reads would fill the memory.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time_max)
        .max_buf_size(limits.header_bytes_max)
        .max_headers(limits.headers_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(32)
        // A client that is alive answers pings, and so is never silent for too long.
        .keep_alive_interval(Some(limits.silence_time_max / 3));
    builder
}

struct Connection<A> {
    tls: Option<Tls>,
    limits: Arc<Limits>,
    builder: Arc<auto::Builder<TokioExecutor>>,
    answer: Arc<A>,
    watcher: hyper_util::server::graceful::Watcher,
}

impl<A: Answer> Connection<A> {
    async fn serve(self, stream: TcpStream, address: SocketAddr) {
        // Answers are small and complete when written: waiting for more bytes only delays them.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.speak(stream, Peer { address, tls: None }).await,
            Some(tls) => {
                let handshake = tls.acceptor().accept(stream);
                match tokio::time::timeout(self.limits.handshake_time_max, handshake).await {
                    Ok(Ok(stream)) => {
                        let tls = Some(crate::tls::facts(stream.get_ref().1));
                        self.speak(stream, Peer { address, tls }).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(%address, "TLS handshake took too long"),
                }
            }
        }
    }

    async fn speak<S>(self, stream: S, peer: Peer)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let Self { limits, builder, answer, watcher, .. } = self;
        // hyper's own limits begin with the first bytes of a request; a peer that sends none would keep its place for ever,
        // and so would one that does not read.
        let mut stream = TimeoutStream::new(stream);
        stream.set_read_timeout(Some(limits.silence_time_max));
        stream.set_write_timeout(Some(limits.write_time_max));
        let service = service_fn(move |request: Request<Incoming>| {
            let (limits, answer) = (Arc::clone(&limits), Arc::clone(&answer));
            async move {
                if is_head_too_large(request.uri(), request.headers(), &limits) {
                    return Ok(head_too_large().map(Full::new));
                }
                let received = receive(request, &limits).await;
                let close = received.is_err();
                let mut response = answer.answer(peer, received).await;
                if close {
                    close_after(&mut response);
                }
                Ok::<_, Infallible>(response.map(Full::new))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(address = %peer.address, %error, "connection ended early");
        }
    }
}

/// Whether a head is over the limits. hyper has them too, and with them bounds what is read, but it lets a head pass that
/// fits into what its buffer has grown to, and counts no fields in HTTP/2.
fn is_head_too_large(uri: &Uri, headers: &HeaderMap, limits: &Limits) -> bool {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + ": \r\n".len();
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    headers.len() > limits.headers_max
        || target + headers.iter().map(line).sum::<usize>() > limits.header_bytes_max
}

/// As hyper says it.
fn head_too_large() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    close_after(&mut response);
    response
}

/// What is left of the body is not worth reading.
fn close_after(response: &mut Response<Bytes>) {
    response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
}

async fn receive(request: Request<Incoming>, limits: &Limits) -> Received {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(limits.body_time_max, collect(body, limits.body_bytes_max)).await {
        Ok(body) => Ok(Request::from_parts(parts, body?)),
        Err(_) => Err(BodyError::Late),
    }
}

async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let discarded_max = bytes_max.saturating_mul(DISCARD_FACTOR);
    if body.size_hint().lower() > u64::try_from(discarded_max).unwrap_or(u64::MAX) {
        return Err(BodyError::TooLarge);
    }
    let mut kept = BytesMut::new();
    let mut seen = 0usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= bytes_max {
            kept.extend_from_slice(data);
        } else if seen > discarded_max {
            break;
        }
    }
    if seen > bytes_max { Err(BodyError::TooLarge) } else { Ok(kept.freeze()) }
}

/// A body over the limit is read on, and thrown away, up to this many times the limit: a client that is still sending
/// when the connection closes would see a reset instead of the error. One that announces more is refused unread.
const DISCARD_FACTOR: usize = 16;

/// A bare answer of ours, outside any AWS protocol.
pub(crate) fn plain(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_bounded_in_bytes_and_in_fields() {
        let limits = Limits { header_bytes_max: 100, headers_max: 3, ..Limits::default() };
        let too_large = |target: &str, fields: &[(&'static str, usize)]| {
            let field = |(name, length): &(&'static str, usize)| {
                (HeaderName::from_static(name), HeaderValue::from_str(&"x".repeat(*length)).unwrap())
            };
            let mut headers = HeaderMap::new();
            for (name, value) in fields.iter().map(field) {
                headers.append(name, value);
            }
            is_head_too_large(&target.parse().unwrap(), &headers, &limits)
        };
        assert!(!too_large("/", &[("a", 94)]));
        assert!(too_large("/", &[("a", 95)]));
        assert!(too_large("/?q", &[("a", 94)]));
        assert!(!too_large("/", &[("a", 1), ("a", 1), ("b", 1)]));
        assert!(too_large("/", &[("a", 1), ("a", 1), ("b", 1), ("b", 1)]));
    }
}
