//! `serve`: starts a node, listens, drains, stops.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use rootward_alerts::MailServer;
use rootward_console::Console;
use rootward_pipeline::{Answered, Origin, TlsFacts, is_marked_by_browser};
use rootward_wire::CommonError;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Location;
use crate::descriptors;
use crate::front::{Face, Front};
use crate::listen::{self, Answer, BodyError, Limits, Peer, Received, plain};
use crate::metrics::{Metrics, Page};
use crate::node::{Node, StartError};
use crate::operator;
use crate::proxies::{Proxies, TrustedProxy};
use crate::tls::{Tls, TlsFiles};

/// How often uses of keys and roles are written down.
const USAGE_FLUSH: Duration = Duration::from_secs(5);
/// Connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 1024;

/// What to serve, and where.
pub struct Options {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What state.
    pub state: State,
    /// Certificates, to serve with TLS.
    pub tls: Option<TlsFiles>,
    /// The address that people type to reach the console: `https://iam.example.com`; this machine's own unless given.
    pub url: Option<String>,
    /// How long root users may sign in without a second factor, in days from their first time on.
    pub mfa_grace_days: u32,
    /// Who takes the node's mail; without one it sends none.
    pub mail_server: Option<MailServer>,
    /// Who may say where requests come from; none unless given.
    pub trusted_proxies: Vec<TrustedProxy>,
}

/// What state a node serves.
#[derive(Debug, Clone)]
pub enum State {
    /// A data folder.
    Durable(Location),
    /// Memory only; foreign keys are root users. For development and CI.
    Sandbox {
        /// Makes ids, secrets and times reproducible.
        seed: Option<u64>,
        /// Its root users are sealed, as in a data folder.
        sealed: bool,
    },
}

/// Serves until SIGTERM or SIGINT, then finishes open requests.
///
/// # Errors
/// [`StartError`] when it cannot start; its text is one line for the operator.
pub fn serve(options: Options) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::System(format!("cannot start the server's threads: {error}")))?;
    runtime.block_on(run(options))
}

async fn run(options: Options) -> Result<(), StartError> {
    // What can be wrong with the command comes before the folder, which the first start makes.
    let tls =
        options.tls.map(Tls::load).transpose().map_err(|error| StartError::System(error.to_string()))?;
    let socket = reserve(options.listen)?;
    // A hangup that nobody listens for would end the process, with or without TLS.
    tokio::spawn(reload_on_hangup(signals(SignalKind::hangup())?, tls.clone()));
    let limits = limits();
    let own_url = own_url(&socket, tls.is_some());
    let face = Face::at(options.url, own_url, options.mfa_grace_days, options.mail_server);
    let node = Arc::new(start(&options.state, &face)?);
    let listener = socket.listen(BACKLOG).map_err(|error| cannot_listen(options.listen, &error))?;
    if let State::Durable(location) = &options.state {
        operator::listen(location, Arc::clone(&node)).map_err(|error| {
            StartError::System(format!(
                "cannot make the operator socket `{}`: {error}",
                location.socket().display()
            ))
        })?;
    }
    let stop = stopped()?;
    let front = Front::new(node, &face);
    announce(&listener, &options.state, tls.is_some(), &face, &front);
    let proxies = Proxies::new(options.trusted_proxies);
    let (front, metrics) = (ArcSwap::from_pointee(front), Metrics::install());
    let server = Arc::new(Server { front, metrics, state: options.state, face: Arc::new(face), proxies });
    tokio::spawn(keep_house(Arc::clone(&server)));
    listen::run(listener, tls, limits, Arc::clone(&server), stop).await;
    tracing::info!("stopping");
    let node = Arc::clone(&server.front.load_full().node);
    tokio::task::spawn_blocking(move || node.close()).await.ok();
    Ok(())
}

fn start(state: &State, face: &Face) -> Result<Node, StartError> {
    let node = match state {
        State::Durable(location) => Node::open(location, face),
        State::Sandbox { seed, sealed } => Node::sandbox(*seed, *sealed, face),
    }?;
    node.start_alerts();
    Ok(node)
}

/// The limits that this process can keep.
fn limits() -> Limits {
    let limits = Limits::default();
    let descriptors = descriptors::raise_limit();
    let connections_max = descriptors::connections(descriptors, limits.connections_max);
    if connections_max < limits.connections_max {
        tracing::warn!(
            "at most {connections_max} connections at once, because the limit of open files is {}",
            descriptors.unwrap_or_default()
        );
    } else {
        tracing::debug!("at most {connections_max} connections at once");
    }
    Limits { connections_max, ..limits }
}

/// Takes the address; connections to it are refused until the node listens.
fn reserve(address: SocketAddr) -> Result<TcpSocket, StartError> {
    let reserve = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // The connections of a node that has just ended keep nobody waiting.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    reserve().map_err(|error| cannot_listen(address, &error))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> StartError {
    let taken = error.kind() == std::io::ErrorKind::AddrInUse;
    let remedy = if taken { "; `--listen ADDRESS:PORT` names another" } else { "" };
    StartError::System(format!("cannot listen on {address}: {error}{remedy}"))
}

/// The address of this machine. By name: browsers give passkeys to names only.
fn own_url(socket: &TcpSocket, tls: bool) -> String {
    let port = socket.local_addr().map_or(0, |address| address.port());
    format!("{}://localhost:{port}", if tls { "https" } else { "http" })
}

fn announce(listener: &TcpListener, state: &State, tls: bool, face: &Face, front: &Front) {
    let Ok(address) = listener.local_addr() else { return };
    let scheme = if tls { "https" } else { "http" };
    if matches!(state, State::Sandbox { .. }) {
        tracing::warn!(
            "sandbox: state is kept in memory, and keys not issued here are root users; never use it for anything real"
        );
    }
    tracing::info!("listening on {scheme}://{address}, console at {}/console", face.url);
    if let Some(code) = &front.setup_code {
        // For whoever started this server, and not for its log.
        eprintln!(
            "rootward: there is no account yet; open the first one at {}/console with the setup code {code}",
            face.url
        );
    }
}

/// Resolves when the process is told to stop, from now on: also before anybody waits for it.
fn stopped() -> Result<impl Future<Output = ()>, StartError> {
    let (mut terminate, mut interrupt) =
        (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// From now on these signals do nothing but what is done with them here.
fn signals(kind: SignalKind) -> Result<Signal, StartError> {
    signal(kind).map_err(|error| StartError::System(format!("cannot receive signals: {error}")))
}

async fn reload_on_hangup(mut hangups: Signal, tls: Option<Tls>) {
    while hangups.recv().await.is_some() {
        match tls.as_ref().map(Tls::reload) {
            Some(Ok(())) => tracing::info!("certificates reloaded"),
            Some(Err(error)) => tracing::error!(%error, "certificates not reloaded, the old ones stay"),
            None => tracing::info!("hangup: there are no certificates to reload"),
        }
    }
}

/// What is done every few seconds: uses are written down, sessions that are over removed.
async fn keep_house(server: Arc<Server>) {
    let mut ticks = tokio::time::interval(USAGE_FLUSH);
    loop {
        ticks.tick().await;
        let front = server.front.load_full();
        let _ = tokio::task::spawn_blocking(move || {
            front.node.write_usage_down();
            front.sign_in.sweep();
        })
        .await;
    }
}

/// One port: the AWS APIs, health, metrics, and the sandbox's reset.
struct Server {
    front: ArcSwap<Front>,
    metrics: Metrics,
    state: State,
    face: Arc<Face>,
    proxies: Proxies,
}

impl Answer for Server {
    fn is_shared(&self, address: IpAddr) -> bool {
        self.proxies.is_trusted(address.to_canonical())
    }

    async fn answer(&self, peer: Peer, request: Received) -> Response<Bytes> {
        let began = Instant::now();
        let front = self.front.load_full();
        let node = &front.node;
        let (parts, body) = request.into_parts();
        let (origin, path) = (self.origin(peer, &parts.headers), parts.uri.path());
        if Console::answers(&parts.method, path) {
            let method = parts.method.clone();
            let response = match body.map_err(body_error) {
                Ok(body) => front.console.answer(Request::from_parts(parts, body), origin).await,
                Err(error) => front.console.refuse(error.status, &error.message).await,
            };
            let page = Page::of(&method, &response);
            self.metrics.note_page(&page, began.elapsed());
            log_page(origin.address, &page, began);
            return response;
        }
        let answered = match body.map_err(body_error) {
            Ok(body) if path.starts_with("/_rootward/") => {
                let request = Request::from_parts(parts, body);
                return self.own(node, &request, request.uri().path()).await;
            }
            Ok(_) if path == "/" && is_page_asked_for(&parts) => return to_console(),
            Ok(body) => node.pipeline().answer(&Request::from_parts(parts, body), origin).await,
            Err(error) => node.pipeline().refuse(error),
        };
        self.metrics.note(&answered, began.elapsed());
        log(origin.address, &answered, began);
        answered.response
    }
}

/// Whether a browser wants a page, and no client of AWS the answer of an operation: those sign what they send, or post it, and ask
/// for no HTML.
fn is_page_asked_for(request: &Parts) -> bool {
    let headers = &request.headers;
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    request.method == Method::GET
        && request.uri.query().is_none()
        && !headers.contains_key(header::AUTHORIZATION)
        && accepts.flat_map(|value| value.split([',', ';'])).any(|kind| kind.trim() == "text/html")
}

fn to_console() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/console"));
    response
}

fn log(address: IpAddr, answered: &Answered, began: Instant) {
    let (service, operation) =
        answered.operation.map_or(("-", "-"), |operation| (operation.service.name, operation.name));
    tracing::debug!(
        %address,
        service,
        operation,
        status = answered.response.status().as_u16(),
        error = answered.error.as_deref().unwrap_or_default(),
        micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        request = answered.response.headers().get("x-amzn-requestid").and_then(|id| id.to_str().ok()).unwrap_or_default(),
        "answered"
    );
}

fn log_page(address: IpAddr, page: &Page, began: Instant) {
    tracing::debug!(
        %address,
        method = page.method,
        page = &*page.route,
        status = page.status.as_u16(),
        micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
}

fn body_error(error: BodyError) -> rootward_wire::Error {
    match error {
        BodyError::Broken => CommonError::MalformedInput.with("The body of the request was cut off."),
        BodyError::Crowded => CommonError::ServiceUnavailable
            .with("Too many large requests are under way. Reduce your request rate and try again."),
        BodyError::Late => {
            CommonError::RequestTimeout.with("The body of the request did not arrive in time.")
        }
        BodyError::TooLarge => CommonError::RequestEntityTooLarge
            .with(format!("The request is larger than the allowed {} bytes.", rootward_wire::BODY_BYTES_MAX)),
    }
}

impl Server {
    fn origin(&self, peer: Peer, headers: &HeaderMap) -> Origin {
        let from = self.proxies.from(peer.address.ip(), headers);
        let tls = peer.tls.map(|(version, cipher)| TlsFacts { version, cipher });
        Origin { address: from.address, secure: from.https || tls.is_some(), tls }
    }

    async fn own(&self, node: &Node, request: &Request<Bytes>, path: &str) -> Response<Bytes> {
        match (request.method().as_str(), path) {
            // A page in a developer's browser has no business here.
            ("POST", _) if is_marked_by_browser(request.headers()) => {
                plain(StatusCode::FORBIDDEN, "application/json", r#"{"error":"not from a web page"}"#)
            }
            ("GET" | "HEAD", "/_rootward/health") => health(node),
            ("GET", "/_rootward/metrics") => {
                plain(StatusCode::OK, "text/plain; version=0.0.4", self.metrics.render(node))
            }
            ("POST", "/_rootward/reset") => self.reset().await,
            _ => plain(StatusCode::NOT_FOUND, "application/json", r#"{"error":"there is nothing here"}"#),
        }
    }

    /// Only a sandbox can be emptied; elsewhere there is no such thing.
    async fn reset(&self) -> Response<Bytes> {
        if !matches!(self.state, State::Sandbox { .. }) {
            return plain(
                StatusCode::NOT_FOUND,
                "application/json",
                r#"{"error":"only a sandbox can be reset"}"#,
            );
        }
        let (state, face) = (self.state.clone(), Arc::clone(&self.face));
        // Opening and closing a node waits for its threads.
        match tokio::task::spawn_blocking(move || start(&state, &face)).await {
            Ok(Ok(node)) => {
                let old = self.front.swap(Arc::new(Front::new(Arc::new(node), &self.face)));
                drop(tokio::task::spawn_blocking(move || old.node.close()));
                plain(StatusCode::OK, "application/json", r#"{"status":"empty"}"#)
            }
            failed => {
                let error = failed.map(|started| started.err());
                tracing::error!(?error, "the sandbox was not reset");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "application/json", r#"{"error":"not reset"}"#)
            }
        }
    }
}

fn health(node: &Node) -> Response<Bytes> {
    let version = env!("CARGO_PKG_VERSION");
    let (status, word) = if node.is_healthy() {
        (StatusCode::OK, "ready")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "writes are refused: the audit log cannot be written, or the state cannot be followed",
        )
    };
    plain(status, "application/json", format!(r#"{{"status":"{word}","version":"{version}"}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browser_is_led_to_the_console_and_no_client_of_an_api() {
        let asks = |method: &str, path: &str, headers: &[(&str, &str)]| {
            let request = Request::builder().method(method).uri(path);
            let request =
                headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            is_page_asked_for(&request.body(()).unwrap().into_parts().0)
        };
        let browser = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
        assert!(asks("GET", "/", &[browser]));
        assert!(!asks("POST", "/", &[browser]));
        assert!(!asks("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", &[browser]));
        assert!(!asks("GET", "/", &[browser, ("authorization", "AWS4-HMAC-SHA256 Credential=x")]));
        assert!(!asks("GET", "/", &[("accept", "*/*")]));
        assert!(!asks("GET", "/", &[]));
    }
}
