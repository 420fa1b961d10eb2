//! The federation endpoint: sign-in tokens for brokers that hold temporary credentials, and the way in with one.
//!
//! ```text
//! broker ─getSigninToken─▶ token;  browser ─login─▶ a page of ours ─▶ /console/federation ─▶ session ─▶ destination
//! ```
//!
//! A browser that another site has led here sends none of our cookies, which are `SameSite=Strict`, and would not send a new one
//! along a redirect either. So `login` answers a page that leads on by itself: from there on the browser is at home,
//! and who is signed in already is asked before somebody else's link replaces their session.
//!
//! Destinations are pages of this console. The addresses of AWS's own console, which scripts have in them, lead to its first page.
//! Source: IAM User Guide, "Enable custom identity broker access to the AWS console".

use std::fmt::Display;

use askama::Template;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri, header};
use rootward_auth::{Identity, Principal};
use rootward_signin::{NotFederated, Shown, Welcome};
use serde::Deserialize;

use crate::layout::{Problem, VERSION, html};
use crate::sign_in::sentence;
use crate::visit::{Posted, SignedIn, Visit, is_led_from_elsewhere, is_local};

/// The hosts of AWS's console, one for each partition; each region has one in front of them.
const AWS_CONSOLES: [&str; 3] =
    ["console.aws.amazon.com", "console.amazonaws-us-gov.com", "console.amazonaws.cn"];
/// The longest issuer, in bytes.
const ISSUER_BYTES_MAX: usize = 2_048;

/// The parameters of both actions. Others, such as `SessionType`, are let pass, as at AWS.
#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "Action")]
    action: Option<String>,
    #[serde(rename = "Session")]
    session: Option<String>,
    #[serde(rename = "SessionDuration")]
    duration: Option<String>,
    #[serde(flatten)]
    login: Login,
}

/// Whom a browser is to be signed in as, and where it goes on.
#[derive(Deserialize)]
pub(crate) struct Login {
    #[serde(rename = "SigninToken")]
    token: Option<String>,
    #[serde(rename = "Destination")]
    destination: Option<String>,
    #[serde(rename = "Issuer")]
    issuer: Option<String>,
}

/// The credentials in `Session`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    session_id: String,
    session_key: String,
    session_token: String,
}

/// `/federation`: parameters in the query, or in the body of a form.
pub(crate) async fn endpoint(visit: Visit, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let query = query.unwrap_or_default();
    let sent = if body.is_empty() { query.as_bytes() } else { &body };
    let parameters: Parameters = match serde_urlencoded::from_bytes(sent) {
        Ok(parameters) => parameters,
        Err(error) => {
            return plain(StatusCode::BAD_REQUEST, format!("the parameters cannot be read: {error}"));
        }
    };
    match parameters.action.as_deref() {
        Some("getSigninToken") => signin_token(visit, parameters).await,
        Some("login") => login(&visit, &parameters.login),
        _ => plain(StatusCode::BAD_REQUEST, "`Action` must be `getSigninToken` or `login`"),
    }
}

async fn signin_token(visit: Visit, parameters: Parameters) -> Response {
    let credentials = parameters.session.as_deref().map(serde_json::from_str::<Credentials>);
    let Some(Ok(credentials)) = credentials else {
        let text = "`Session` must be JSON with the texts `sessionId`, `sessionKey` and `sessionToken`";
        return plain(StatusCode::BAD_REQUEST, text);
    };
    let given = visit.step(move |signin, visitor| {
        let Credentials { session_id, session_key, session_token } = &credentials;
        let shown = Shown { key: session_id, secret: session_key, token: session_token };
        signin.signin_token(visitor, &shown, parameters.duration.as_deref())
    });
    match given.await {
        Ok(token) => {
            let body = serde_json::json!({ "SigninToken": token }).to_string();
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => plain(status(&error), &error),
    }
}

/// Leads a browser to where its cookies are.
fn login(visit: &Visit, login: &Login) -> Response {
    match login.read(&visit.house.url) {
        Ok(arrival) => arrival.hop(),
        Err(text) => Problem::new(StatusCode::BAD_REQUEST, text).into_response(),
    }
}

/// A login that can be carried out.
struct Arrival<'a> {
    token: &'a str,
    destination: &'a str,
    issuer: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "federation_hop.html")]
struct Hop {
    version: &'static str,
    to: String,
}

#[derive(Template)]
#[template(path = "federation.html")]
struct Page<'a> {
    version: &'static str,
    mark: String,
    now: String,
    then: String,
    token: &'a str,
    destination: &'a str,
    issuer: Option<&'a str>,
}

impl Login {
    fn read(&self, url: &str) -> Result<Arrival<'_>, &'static str> {
        let token = self.token.as_deref().filter(|token| !token.is_empty());
        let token =
            token.ok_or("This sign-in link has no `SigninToken`: get one with `Action=getSigninToken`.")?;
        let issuer = self.issuer.as_deref().filter(|issuer| !issuer.is_empty());
        // Any text, as at AWS: it is for the record, and no page of ours leads there.
        if issuer.is_some_and(|issuer| issuer.len() > ISSUER_BYTES_MAX) {
            return Err("The `Issuer` of this sign-in link is longer than 2,048 bytes.");
        }
        let destination = destination(self.destination.as_deref().unwrap_or_default(), url).ok_or(
            "The `Destination` of this sign-in link is no page of this console: name a path that begins with /console.",
        )?;
        Ok(Arrival { token, destination, issuer })
    }
}

impl Arrival<'_> {
    fn hop(&self) -> Response {
        let mut query = vec![("SigninToken", self.token), ("Destination", self.destination)];
        query.extend(self.issuer.map(|issuer| ("Issuer", issuer)));
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        html(&Hop { version: VERSION, to: format!("/console/federation?{query}") })
    }

    fn welcome(&self, visit: &Visit, welcome: &Welcome) -> Response {
        visit.with_welcome(Redirect::to(self.destination), welcome)
    }
}

/// A browser that was led here: signs in, unless somebody is signed in.
pub(crate) async fn arrive(visit: Visit, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let login = serde_urlencoded::from_str::<Login>(&query.unwrap_or_default());
    let read = login.as_ref().map_err(|_| "This sign-in link cannot be read.");
    let arrival = match read.and_then(|login| login.read(&visit.house.url)) {
        Ok(arrival) => arrival,
        Err(text) => return Problem::new(StatusCode::BAD_REQUEST, text).into_response(),
    };
    if is_led_from_elsewhere(&headers) {
        return arrival.hop();
    }
    if let Some(live) = visit.live() {
        let whom = match visit.house.signin.whom(&visit.visitor(), arrival.token) {
            Ok(whom) => whom,
            Err(error) => return problem(&error),
        };
        let mark = live.csrf(&visit.house.vault);
        let (now, then) = (name(live.acting()), name(&whom));
        let Arrival { token, destination, issuer } = arrival;
        return html(&Page { version: VERSION, mark, now, then, token, destination, issuer });
    }
    match enter(&visit, &arrival).await {
        Ok(welcome) => arrival.welcome(&visit, &welcome),
        Err(error) => problem(&error),
    }
}

/// Somebody who is signed in goes on as somebody else: the new session begins, the old one ends.
pub(crate) async fn replace(Posted(signed_in, login): Posted<Login>) -> Response {
    let SignedIn { visit, live, .. } = signed_in;
    let arrival = match login.read(&visit.house.url) {
        Ok(arrival) => arrival,
        Err(text) => return Problem::new(StatusCode::BAD_REQUEST, text).into_response(),
    };
    let welcome = match enter(&visit, &arrival).await {
        Ok(welcome) => welcome,
        Err(error) => return problem(&error),
    };
    match visit.step(move |signin, visitor| signin.sign_out(visitor, &live)).await {
        Ok(()) => arrival.welcome(&visit, &welcome),
        Err(_) => problem(&NotFederated::Unavailable),
    }
}

/// Begins the session.
async fn enter(visit: &Visit, arrival: &Arrival<'_>) -> Result<Welcome, NotFederated> {
    let (token, issuer) = (arrival.token.to_owned(), arrival.issuer.map(str::to_owned));
    visit.step(move |signin, visitor| signin.enter(visitor, &token, issuer.as_deref())).await
}

/// Somebody as a page calls them.
fn name(principal: &Principal) -> String {
    match &principal.identity {
        Identity::AssumedRoot(_) | Identity::Root => {
            format!("the root user of account {}", principal.account)
        }
        Identity::User(user) => format!("{} of account {}", user.name, principal.account),
        Identity::FederatedUser(_) | Identity::RoleSession(_) => principal.arn(),
    }
}

/// The page of the console that a destination means; none if it means anything else.
fn destination<'a>(destination: &'a str, url: &str) -> Option<&'a str> {
    let path = destination.strip_prefix(url).unwrap_or(destination);
    if destination.is_empty() || is_aws_console(destination) {
        Some("/console")
    } else if path.starts_with('/') && is_local(path) {
        Some(path)
    } else {
        None
    }
}

fn is_aws_console(destination: &str) -> bool {
    let Ok(uri) = destination.split('#').next().unwrap_or_default().parse::<Uri>() else { return false };
    let Some(authority) = uri.authority().filter(|_| uri.scheme_str() == Some("https")) else { return false };
    let host = authority.host().to_ascii_lowercase();
    let is_theirs = |known: &&str| {
        host.strip_suffix(*known).is_some_and(|region| region.is_empty() || region.ends_with('.'))
    };
    authority.port().is_none() && !authority.as_str().contains('@') && AWS_CONSOLES.iter().any(is_theirs)
}

const fn status(error: &NotFederated) -> StatusCode {
    match error {
        NotFederated::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn problem(error: &NotFederated) -> Response {
    Problem::new(status(error), &sentence(error)).into_response()
}

/// What a program reads.
fn plain(status: StatusCode, text: impl Display) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{text}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://localhost:4566";

    #[test]
    fn destination_is_a_page_of_this_console() {
        for (given, path) in [
            ("", "/console"),
            ("/console/users?x=1", "/console/users?x=1"),
            ("http://localhost:4566/console/roles", "/console/roles"),
            ("https://console.aws.amazon.com/", "/console"),
            ("https://eu-central-1.console.aws.amazon.com/iam/home?region=eu-central-1#/users", "/console"),
            ("https://console.amazonaws.cn/s3", "/console"),
        ] {
            assert_eq!(destination(given, URL), Some(path), "{given}");
        }
    }

    #[test]
    fn destination_elsewhere_is_refused() {
        for given in [
            "https://evil.example/console",
            "//evil.example/console",
            "/\\evil.example",
            "http://localhost:4566.evil.example/console",
            "http://localhost:4566@evil.example/console",
            "http://localhost:45667/console",
            "https://localhost:4566/console",
            "http://localhost:4566",
            "javascript:alert(1)",
            "https://console.aws.amazon.com@evil.example/",
            "https://evilconsole.aws.amazon.com/",
            "https://console.aws.amazon.com.evil.example/",
            "https://console.aws.amazon.com:444/",
            "http://console.aws.amazon.com/",
            "/console/sign-out",
            "/console/\r\nSet-Cookie: a=b",
            "/users",
            "console",
        ] {
            assert_eq!(destination(given, URL), None, "{given}");
        }
    }

    #[test]
    fn issuer_is_any_text_of_a_bounded_length() {
        let read = |issuer: &str| {
            let (token, issuer) = (Some("token".to_owned()), Some(issuer.to_owned()));
            Login { token, destination: None, issuer }.read(URL).is_ok_and(|arrival| arrival.issuer.is_some())
        };
        for issuer in ["https://portal.example.com/sso?a=b#c", "Example.org", "myapp", "javascript:alert(1)"]
        {
            assert!(read(issuer), "{issuer}");
        }
        assert!(read(&"a".repeat(ISSUER_BYTES_MAX)) && !read(&"a".repeat(ISSUER_BYTES_MAX + 1)));
    }
}
