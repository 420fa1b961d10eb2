//! The listener: one port, HTTP/1.1 and HTTP/2, optional TLS, bounded in every direction, drained on shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use rootward_auth::sources::{HOME_BITS, network};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;

use crate::places::{Place, Places};
use crate::tls::Tls;

/// What one node takes from the network. Every number is a ceiling, none a target.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Room for the bodies of all requests under way together, in bytes; not less than the largest body.
    pub bodies_bytes_max: usize,
    /// Largest request head, in bytes.
    pub header_bytes_max: usize,
    /// Most header fields of one request.
    pub headers_max: usize,
    /// A request head must be complete this long after its first byte; the first one, after the connection was opened.
    pub header_time_max: Duration,
    /// A request body must be complete this long after its head.
    pub body_time_max: Duration,
    /// A connection that sends nothing for this long is closed, whatever it is in the middle of.
    pub silence_time_max: Duration,
    /// A connection that takes nothing of what is written to it for this long is closed.
    pub write_time_max: Duration,
    /// A TLS handshake must be complete after this long.
    pub handshake_time_max: Duration,
    /// Most connections at once; beyond it idle ones give way, and further ones wait in the kernel's queue. See `Places`.
    pub connections_max: usize,
    /// How long open requests may take to finish once the node is told to stop.
    pub drain_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: rootward_wire::BODY_BYTES_MAX,
            bodies_bytes_max: 64 * 1024 * 1024,
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
pub(crate) type Received = Request<Result<Bytes, BodyError>>;

/// A body that did not arrive within the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// There was no room for it in time.
    Crowded,
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
    /// Whether the connections from this address are many peers': a proxy's.
    fn is_shared(&self, address: IpAddr) -> bool;

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
    let places = Places::new(limits.connections_max);
    let room = Arc::new(Semaphore::new(limits.bodies_bytes_max));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(&limits));
    let (mut warned, mut told): (Option<Instant>, Option<Instant>) = (None, None);
    tokio::pin!(stop);
    loop {
        let slot = tokio::select! {
            slot = places.free() => slot,
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
                if warned.is_none_or(|at| at.elapsed() >= WARNING_PAUSE) {
                    tracing::warn!(%error, "cannot accept connections");
                    warned = Some(Instant::now());
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let peer = (!answer.is_shared(address.ip())).then(|| network(address.ip(), HOME_BITS));
        let Some(place) = slot.and_then(|slot| places.take(slot, peer)) else {
            if told.is_none_or(|at| at.elapsed() >= WARNING_PAUSE) {
                tracing::warn!(%address, "this peer has its share of the connections, further ones are closed");
                told = Some(Instant::now());
            }
            continue;
        };
        let connection = Connection {
            tls: tls.clone(),
            limits: Arc::clone(&limits),
            room: Arc::clone(&room),
            builder: Arc::clone(&builder),
            answer: Arc::clone(&answer),
            watcher: graceful.watcher(),
            place: Arc::clone(&place),
        };
        tokio::spawn(async move {
            tokio::select! {
                () = connection.serve(stream, address) => {}
                () = place.must_go() => tracing::debug!(%address, "gives way to another connection"),
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain_time_max, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// It is said no more often than this.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

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
        .max_concurrent_streams(STREAMS_MAX)
        // What arrives before a body is read waits outside of the room for bodies: no more of it than the smallest window.
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX)
        // A client that is alive answers pings, and so is never silent for too long.
        .keep_alive_interval(Some(limits.silence_time_max / 3));
    builder
}

/// Requests under way at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 16;
/// What a peer may send on an HTTP/2 connection before it is read: what the protocol begins with (RFC 9113, 6.9.2).
const WINDOW_BYTES: u32 = 65_535;
/// What of an answer waits to be sent on an HTTP/2 stream.
const SEND_BYTES_MAX: usize = 64 * 1024;

struct Connection<A> {
    tls: Option<Tls>,
    limits: Arc<Limits>,
    room: Arc<Semaphore>,
    builder: Arc<auto::Builder<TokioExecutor>>,
    answer: Arc<A>,
    watcher: hyper_util::server::graceful::Watcher,
    place: Arc<Place>,
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
        let Self { limits, room, builder, answer, watcher, place, .. } = self;
        let (spoken, opening) = (Arc::new(AtomicBool::new(false)), limits.header_time_max);
        let asked = Arc::clone(&spoken);
        // hyper's own limits begin with the first bytes of a request; a peer that sends none would keep its place for ever,
        // and so would one that does not read.
        let mut stream = TimeoutStream::new(stream);
        stream.set_read_timeout(Some(limits.silence_time_max));
        stream.set_write_timeout(Some(limits.write_time_max));
        let service = service_fn(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let under_way = Arc::clone(&place).begin();
            let (limits, room, answer) = (Arc::clone(&limits), Arc::clone(&room), Arc::clone(&answer));
            async move {
                let _under_way = under_way;
                if is_head_too_large(request.uri(), request.headers(), &limits) {
                    return Ok(head_too_large().map(Full::new));
                }
                let (received, _room) = receive(request, &limits, &room).await;
                let close = received.body().is_err();
                let mut response = answer.answer(peer, received).await;
                if close {
                    close_after(&mut response);
                }
                Ok::<_, Infallible>(response.map(Full::new))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service).into_owned();
        // A preface of HTTP/2 that trickles has no limit of hyper's, and neither has a connection that never asks anything.
        let silent = async {
            tokio::time::sleep(opening).await;
            if spoken.load(Ordering::Relaxed) {
                std::future::pending().await
            }
        };
        let address = peer.address;
        tokio::select! {
            ended = watcher.watch(connection) => if let Err(error) = ended {
                tracing::debug!(%address, %error, "connection ended early");
            },
            () = silent => tracing::debug!(%address, "no request in time"),
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

/// Reads the body. Room for it stays taken for as long as what is returned with it lives.
async fn receive(
    request: Request<Incoming>,
    limits: &Limits,
    room: &Arc<Semaphore>,
) -> (Received, Option<OwnedSemaphorePermit>) {
    let (parts, body) = request.into_parts();
    let deadline = Instant::now() + limits.body_time_max;
    let collected = tokio::time::timeout_at(deadline, collect(body, limits, room, deadline)).await;
    let (body, taken) = match collected.unwrap_or(Err(BodyError::Late)) {
        Ok((body, taken)) => (Ok(body), taken),
        Err(error) => (Err(error), None),
    };
    (Request::from_parts(parts, body), taken)
}

async fn collect(
    mut body: Incoming,
    limits: &Limits,
    room: &Arc<Semaphore>,
    deadline: Instant,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), BodyError> {
    let bytes_max = limits.body_bytes_max;
    let discarded_max = bytes_max.saturating_mul(DISCARD_FACTOR);
    let announced = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    if announced(body.size_hint().lower()) > discarded_max {
        return Err(BodyError::TooLarge);
    }
    // What the body can become.
    let whole = body.size_hint().upper().map_or(bytes_max, announced);
    let (mut kept, mut taken, mut seen) = (BytesMut::new(), None, 0usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= bytes_max && whole <= bytes_max {
            if seen > ROOM_FREE_BYTES && taken.is_none() {
                taken = Some(take_room(room, whole, deadline).await?);
            }
            kept.extend_from_slice(data);
        } else if seen > discarded_max {
            break;
        }
    }
    if seen > bytes_max { Err(BodyError::TooLarge) } else { Ok((kept.freeze(), taken)) }
}

/// Takes room for a whole body at once: bodies that took it bit by bit could fill it with beginnings that all wait for
/// more. It is waited for as long as for the body.
async fn take_room(
    room: &Arc<Semaphore>,
    bytes: usize,
    deadline: Instant,
) -> Result<OwnedSemaphorePermit, BodyError> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let taken = tokio::time::timeout_at(deadline, Arc::clone(room).acquire_many_owned(bytes)).await;
    taken.map_err(|_| BodyError::Crowded)?.map_err(|_| BodyError::Crowded)
}

/// A body of up to this many bytes, as nearly all have, needs no room: large ones never keep it waiting.
const ROOM_FREE_BYTES: usize = 4 * 1024;

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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Answers with what became of the body.
    struct Echo;

    impl Answer for Echo {
        fn is_shared(&self, _: IpAddr) -> bool {
            false
        }

        async fn answer(&self, _: Peer, request: Received) -> Response<Bytes> {
            let text = request
                .body()
                .as_ref()
                .map_or_else(|error| format!("{error:?}"), |body| body.len().to_string());
            plain(StatusCode::OK, "text/plain", text)
        }
    }

    async fn listening(limits: Limits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(run(listener, None, limits, Arc::new(Echo), std::future::pending()));
        address
    }

    /// A connection on which a request was sent with this much of its body.
    async fn sent(address: SocketAddr, announced: usize, body: usize) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head =
            format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {announced}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; body]).await.unwrap();
        stream
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text.rsplit("\r\n").next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn bodies_under_way_share_room_that_is_bounded() {
        let (size, body_time_max) = (100_000, Duration::from_secs(2));
        let limits =
            Limits { body_bytes_max: size, bodies_bytes_max: 2 * size, body_time_max, ..Limits::default() };
        let address = listening(limits).await;
        let (half, other) = (sent(address, size, size / 2).await, sent(address, size, size / 2).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let crowded = sent(address, size, size).await;
        // Small bodies need no room, and what is over the limit is not kept.
        assert_eq!(answer(sent(address, 4_096, 4_096).await).await, "4096");
        assert_eq!(answer(sent(address, size + 1, size + 1).await).await, "TooLarge");
        drop(half);
        assert_eq!(answer(crowded).await, size.to_string());
        let half = sent(address, size, size / 2).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let refused = sent(address, size, size).await;
        assert_eq!(answer(other).await, "Late");
        assert_eq!(answer(refused).await, size.to_string());
        assert_eq!(answer(half).await, "Late");
    }

    #[tokio::test]
    async fn body_that_finds_no_room_in_time_is_refused() {
        let (size, body_time_max) = (100_000, Duration::from_secs(1));
        let limits =
            Limits { body_bytes_max: size, bodies_bytes_max: size, body_time_max, ..Limits::default() };
        let room = Arc::new(Semaphore::new(size));
        let held = take_room(&room, size / 2, Instant::now() + body_time_max).await.unwrap();
        let refused = take_room(&room, size, Instant::now() + limits.body_time_max).await;
        assert_eq!(refused.err(), Some(BodyError::Crowded));
        drop(held);
        assert!(take_room(&room, size, Instant::now() + limits.body_time_max).await.is_ok());
    }

    #[tokio::test]
    async fn connections_beyond_a_peers_share_are_closed_and_others_are_served() {
        let address = listening(Limits { connections_max: 64, ..Limits::default() }).await;
        let mut idle = Vec::new();
        for _ in 0..16 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let mut closed = TcpStream::connect(address).await.unwrap();
        assert_eq!(closed.read(&mut [0; 1]).await.unwrap_or_default(), 0);
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut other = socket.connect(address).await.unwrap();
        other.write_all(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        assert_eq!(answer(other).await, "0");
        drop(idle);
    }

    #[tokio::test]
    async fn idle_connections_give_way_when_all_places_are_taken() {
        let address = listening(Limits { connections_max: 4, ..Limits::default() }).await;
        let mut idle = Vec::new();
        for _ in 0..8 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(answer(sent(address, 3, 3).await).await, "3");
        assert_eq!(idle[0].read(&mut [0; 1]).await.unwrap_or_default(), 0);
    }

    #[tokio::test]
    async fn connection_must_ask_in_time_and_may_then_stay() {
        let limits = Limits { header_time_max: Duration::from_millis(500), ..Limits::default() };
        let address = listening(limits).await;
        let mut preface = TcpStream::connect(address).await.unwrap();
        let began = Instant::now();
        for byte in b"PRI * HTTP/2.0" {
            let _ = preface.write_all(&[*byte]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(answer(preface).await, "");
        assert!(began.elapsed() < Duration::from_secs(10));
        let mut slow = sent(address, 10, 9).await;
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        slow.write_all(b"x").await.unwrap();
        assert_eq!(answer(slow).await, "10");
    }

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
