//! One connection of the load: writes the bytes of a request, reads one whole answer, stays open if the server lets it.
//!
//! Knows just enough HTTP/1.1 to be cheap: the answer needs a `Content-Length`, its head fits 16 KiB and 64 fields.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::Failure;

/// A connection that is opened when needed, and again after the server closed it.
pub struct Connection {
    server: SocketAddr,
    source: Option<IpAddr>,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// One answer; its bytes stay in the connection until the next exchange.
pub struct Answer<'a> {
    pub status: u16,
    pub bytes: &'a [u8],
}

impl Connection {
    /// A connection to `server`, from the address `source` if there is one.
    pub fn new(server: SocketAddr, source: Option<IpAddr>) -> Self {
        Self { server, source, stream: None, buffer: Vec::with_capacity(64 * 1024) }
    }

    /// Sends one request and reads its answer.
    ///
    /// # Errors
    /// If the server cannot be reached, hangs up, or answers something else than plain HTTP/1.1.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, Failure> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.server, self.source).await?,
        };
        stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection before it answered".into());
            }
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        let length = head.bytes + head.body_bytes;
        while self.buffer.len() < length {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection in the middle of its answer".into());
            }
        }
        if self.buffer.len() > length {
            return Err("the server sent more than it announced".into());
        }
        if !head.close {
            self.stream = Some(stream);
        }
        Ok(Answer { status: head.status, bytes: &self.buffer })
    }
}

async fn connect(server: SocketAddr, source: Option<IpAddr>) -> Result<TcpStream, Failure> {
    let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(server).await;
    let stream = stream.map_err(|error| format!("cannot connect to {server}: {error}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

struct Head {
    status: u16,
    bytes: usize,
    body_bytes: usize,
    close: bool,
}

/// The head of an answer, once all of it is there.
fn head(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = answer.parse(bytes)? else {
        return if bytes.len() > HEAD_BYTES_MAX {
            Err("the head of the answer is too large".into())
        } else {
            Ok(None)
        };
    };
    let field = |name: &str| answer.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let body_bytes = field("content-length")
        .and_then(|field| std::str::from_utf8(field.value).ok()?.trim().parse().ok())
        .ok_or("the answer has no content length")?;
    let close = field("connection").is_some_and(|field| field.value.eq_ignore_ascii_case(b"close"));
    Ok(Some(Head { status: answer.code.unwrap_or_default(), bytes: length, body_bytes, close }))
}

const HEAD_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_head_is_understood() {
        let head =
            head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhe").unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, head.close), (200, 5, true));
    }

    #[test]
    fn half_a_head_waits_for_the_rest() {
        assert!(head(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap().is_none());
    }

    #[test]
    fn answer_without_length_is_refused() {
        assert!(head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }
}
