//! Proxies in front of the node that are trusted to say where a request comes from.
//!
//! Anybody can send `X-Forwarded-For`. So nothing of it is looked at unless the connection itself comes from a trusted address. Then each
//! proxy has added, at the right, who it was talking to: the rightmost address that is no proxy's is where the request comes from, and
//! what stands left of it is only what that one says. What is no address ends the search: the request comes from whoever has sent it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The addresses of one or more proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

/// Why this is no address of proxies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxy {
    /// Bits beside the prefix.
    #[error("`{given}` has bits beside its prefix: did you mean `{meant}`?")]
    Bits {
        /// As given.
        given: String,
        /// Without them.
        meant: String,
    },
    /// Everybody, or IPv4 addresses written as IPv6 ones, which no connection has.
    #[error("`{0}` cannot be trusted: expected the addresses of proxies, and no prefix of length 0")]
    Everybody(String),
    /// Neither an address nor a network.
    #[error("`{0}` is no address and no network such as `10.0.0.0/8` or `2001:db8::/32`")]
    Malformed(String),
}

impl FromStr for TrustedProxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().map_err(|_| InvalidProxy::Malformed(text.to_owned()))?,
        };
        if net.prefix_len() == 0 || net.addr().to_canonical() != net.addr() {
            return Err(InvalidProxy::Everybody(text.to_owned()));
        }
        if net.trunc() != net {
            return Err(InvalidProxy::Bits { given: text.to_owned(), meant: net.trunc().to_string() });
        }
        Ok(Self(net))
    }
}

/// Where a request comes from, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct From {
    /// The address, IPv4 as such.
    pub(crate) address: IpAddr,
    /// Whether a trusted proxy says that the client speaks TLS.
    pub(crate) https: bool,
}

/// All trusted proxies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Vec<TrustedProxy>);

impl Proxies {
    pub(crate) fn new(trusted: Vec<TrustedProxy>) -> Self {
        Self(trusted)
    }

    /// Where a request with these headers comes from that came over a connection from `peer`.
    pub(crate) fn from(&self, peer: IpAddr, headers: &HeaderMap) -> From {
        let peer = peer.to_canonical();
        if !self.is_trusted(peer) {
            return From { address: peer, https: false };
        }
        // The last one is the word of the proxy that we talk to.
        let proto = headers.get_all(FORWARDED_PROTO).iter().next_back().and_then(|value| value.to_str().ok());
        let https = proto
            .and_then(|value| value.rsplit(',').next())
            .is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"));
        let mut address = peer;
        for value in headers.get_all(FORWARDED_FOR).iter().rev() {
            let Ok(value) = value.to_str() else { return From { address, https } };
            for hop in value.rsplit(',') {
                let Some(hop) = hop_address(hop.trim()) else { return From { address, https } };
                address = hop;
                if !self.is_trusted(address) {
                    return From { address, https };
                }
            }
        }
        From { address, https }
    }

    /// Whether this is one of them.
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        self.0.iter().any(|TrustedProxy(net)| net.contains(&address))
    }
}

/// An address as proxies write it: bare, or with a port.
fn hop_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(trusted: &[&str]) -> Proxies {
        Proxies::new(trusted.iter().map(|net| net.parse().unwrap()).collect())
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn source(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let pairs: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
        proxies(trusted).from(peer.parse().unwrap(), &headers(&pairs)).address.to_string()
    }

    #[test]
    fn header_of_who_is_not_trusted_means_nothing() {
        for trusted in [&[][..], &["10.0.0.0/8"]] {
            assert_eq!(source(trusted, "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        }
        let pairs = [("x-forwarded-proto", "https")];
        assert!(!proxies(&[]).from("192.0.2.1".parse().unwrap(), &headers(&pairs)).https);
    }

    #[test]
    fn rightmost_address_that_is_no_proxys_is_the_source() {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"];
        for (forwarded, expected) in [
            (&[][..], "10.0.0.1"),
            (&["198.51.100.7"], "198.51.100.7"),
            // What the client itself has sent stands left of what the proxy has seen.
            (&["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            (&["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
            (&["198.51.100.7, 10.0.0.2", "10.0.0.3"], "198.51.100.7"),
            (&["198.51.100.7,2001:db8:1::5"], "198.51.100.7"),
            (&["10.9.9.9, 10.0.0.2"], "10.9.9.9"),
            (&["198.51.100.7:4711"], "198.51.100.7"),
            (&["[2001:db8::7]:4711"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
            // No address: whoever has sent it.
            (&["198.51.100.7, unknown"], "10.0.0.1"),
            (&["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
            (&[""], "10.0.0.1"),
            (&["198.51.100.7,"], "10.0.0.1"),
            (&["\u{e9}"], "10.0.0.1"),
        ] {
            assert_eq!(source(&trusted, "10.0.0.1", forwarded), expected, "{forwarded:?}");
        }
        assert_eq!(source(&trusted, "::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn trusted_proxy_says_whether_its_client_speaks_tls() {
        let proxies = proxies(&["10.0.0.1"]);
        let https =
            |pairs: &[(&'static str, &str)]| proxies.from("10.0.0.1".parse().unwrap(), &headers(pairs)).https;
        let proto = "x-forwarded-proto";
        assert!(https(&[(proto, "https")]) && https(&[(proto, "http, HTTPS")]));
        assert!(!https(&[]) && !https(&[(proto, "http")]) && !https(&[(proto, "https,http")]));
        assert!(!https(&[(proto, "https"), (proto, "http")]) && !https(&[(proto, "httpsx")]));
    }

    #[test]
    fn what_names_no_proxies_is_refused() {
        for text in ["10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::1"] {
            assert!(text.parse::<TrustedProxy>().is_ok(), "{text}");
        }
        for (text, why) in [
            ("", "is no address"),
            ("proxy.example.com", "is no address"),
            ("10.0.0.0/33", "is no address"),
            ("10.0.0.0/-1", "is no address"),
            ("0.0.0.0/0", "cannot be trusted"),
            ("::/0", "cannot be trusted"),
            ("::ffff:10.0.0.0/104", "cannot be trusted"),
            ("10.0.0.1/8", "did you mean `10.0.0.0/8`?"),
        ] {
            let refused = text.parse::<TrustedProxy>().unwrap_err().to_string();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
