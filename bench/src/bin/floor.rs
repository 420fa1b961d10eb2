//! The floor: a bare hyper server that gives every request the same recorded answer. It reads no header, checks nothing,
//! keeps nothing. What it reaches is what HTTP alone costs on this machine, with the versions that Rootward uses.
//!
//! The answer comes from a file with a whole HTTP/1.1 answer, as `load --show` prints it; hyper adds the date and the
//! length. Like Rootward it has one worker thread for each processor and sends without delay.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::Parser;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rootward_bench::Failure;
use tokio::net::{TcpListener, TcpStream};

/// Give every request the same answer, as fast as hyper can.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:4567")]
    listen: SocketAddr,
    /// A recorded HTTP answer: status line, fields, empty line, body.
    #[arg(long)]
    answer: PathBuf,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let answer = Arc::new(Answer::parse(&std::fs::read(&arguments.answer)?)?);
    tokio::runtime::Builder::new_multi_thread().enable_io().build()?.block_on(serve(arguments.listen, answer))
}

async fn serve(address: SocketAddr, answer: Arc<Answer>) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(speak(stream, Arc::clone(&answer)));
    }
}

async fn speak(stream: TcpStream, answer: Arc<Answer>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| {
        let answer = Arc::clone(&answer);
        async move {
            // The body is read to its end, as any server of this protocol must, or the connection could not be kept.
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(answer.response())
        }
    });
    // A client that hangs up is the normal end of a run.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

struct Answer {
    status: u16,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = head.parse(bytes)? else {
            return Err("the recorded answer has no complete head".into());
        };
        let kept = head
            .headers
            .iter()
            .filter(|field| !ADDED.iter().any(|name| field.name.eq_ignore_ascii_case(name)));
        let fields = kept
            .map(|field| Ok((field.name.parse()?, HeaderValue::from_bytes(field.value)?)))
            .collect::<Result<_, Failure>>()?;
        let body = bytes.get(length..).unwrap_or_default();
        Ok(Self { status: head.code.unwrap_or(200), fields, body: Bytes::copy_from_slice(body) })
    }

    fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.clone()));
        if let Ok(status) = self.status.try_into() {
            *response.status_mut() = status;
        }
        for (name, value) in &self.fields {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

/// Fields that hyper writes itself.
const ADDED: [&str; 3] = ["date", "content-length", "connection"];
