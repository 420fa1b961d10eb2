//! Visits: who asks for a page, as far as cookies and connection say, and which forms are taken.
//!
//! A form is taken when it carries the mark of the page that showed it: of the session, or before there is one, of the browser.
//! Cookies are `SameSite=Strict`, and what browsers say about where a form comes from must not contradict.

use std::borrow::Cow;
use std::net::IpAddr;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rootward_auth::Principal;
use rootward_names::AccountId;
use rootward_pipeline::{Inside, Origin, host};
use rootward_signin::{Browser, Live, Refused, SignInService, Visitor, Welcome};
use rootward_wire::{Error, Operation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;
use url::Url;

use crate::House;
use crate::layout::Problem;
use crate::switch_role::{self, Remembered};

const SESSION: &str = "rootward-session";
const BROWSER: &str = "rootward-browser";
const ROLES: &str = "rootward-roles";
/// By which door the browser has come in last, to be shown first when its session is over.
const DOOR: &str = "rootward-door";
/// A year; a session's cookie ends with the browser or with its session.
const BROWSER_SECONDS: u32 = 31_536_000;

/// Somebody asks for a page.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) house: House,
    origin: Origin,
    user_agent: Option<String>,
    host: Option<String>,
    browser: Browser,
    session: Option<String>,
    /// The roles that this browser has switched to, as it says.
    pub(crate) roles: Vec<Remembered>,
    login_to: String,
    /// Whether the browser has come in as a root user last.
    was_root: bool,
}

/// Somebody who is signed in asks for a page.
pub(crate) struct SignedIn {
    pub(crate) visit: Visit,
    pub(crate) live: Live,
    /// The session's new cookie, when its secret was replaced.
    cookie: Option<String>,
}

impl FromRequestParts<House> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self, Problem> {
        let origin = parts.extensions.get::<Origin>().copied();
        let origin = origin.ok_or_else(|| Problem::internal("a page was asked for by nobody"))?;
        let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        Ok(Self {
            house: House::clone(house),
            origin,
            user_agent: text(header::USER_AGENT).map(str::to_owned),
            host: host(&parts.uri, &parts.headers).map(Cow::into_owned),
            browser: house.signin.browser(cookie(&parts.headers, BROWSER)),
            session: cookie(&parts.headers, SESSION).map(str::to_owned),
            roles: Remembered::read(cookie(&parts.headers, ROLES)),
            login_to: format!("{}/console", house.url),
            was_root: cookie(&parts.headers, DOOR) == Some("root"),
        })
    }
}

impl FromRequestParts<House> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self, Response> {
        let visit = Visit::from_request_parts(parts, house).await.map_err(IntoResponse::into_response)?;
        let Some(live) = visit.live() else {
            let next = parts.uri.path_and_query().map_or("/console", |path| path.as_str());
            return Err(visit.to_sign_in(next, parts.method == Method::POST));
        };
        if live.row.restricted && !RESTRICTED.iter().any(|path| parts.uri.path().starts_with(path)) {
            return Err(Redirect::to("/console/security/register").into_response());
        }
        let (visit, live) = switch_role::renewed(visit, live).await?;
        let touched = live.clone();
        let cookie = visit.step(move |signin, _| Ok::<_, Refused>(signin.touch(&touched))).await;
        let cookie = cookie.ok().flatten();
        Ok(Self { visit, live, cookie })
    }
}

/// Where a session may go that is good for nothing but to register a second factor.
const RESTRICTED: [&str; 3] = ["/console/assets/", "/console/security/register", "/console/sign-out"];

impl Visit {
    /// As signing in takes it.
    pub(crate) fn visitor(&self) -> Visitor<'_> {
        Visitor {
            address: self.origin.address,
            user_agent: self.user_agent.as_deref(),
            host: self.host.as_deref(),
            tls: self.origin.tls,
            browser: &self.browser,
            login_to: &self.login_to,
        }
    }

    /// The session of the cookie, if it is not over.
    pub(crate) fn live(&self) -> Option<Live> {
        self.house.signin.session(&self.visitor(), self.session.as_deref()?)
    }

    /// Runs a step of signing in, which hashes or waits for a commit, where it holds up no other visit.
    ///
    /// # Errors
    /// What the step says; [`Refused::Unavailable`] if it was cut off.
    pub(crate) async fn step<R: Send + 'static, E: From<Refused> + Send + 'static>(
        &self,
        step: impl FnOnce(&SignInService, &Visitor<'_>) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E> {
        let visit = self.clone();
        let taken = tokio::task::spawn_blocking(move || step(&visit.house.signin, &visit.visitor())).await;
        taken.unwrap_or_else(|_| Err(Refused::Unavailable.into()))
    }

    /// Carries out a call as somebody who has proved who they are.
    ///
    /// # Errors
    /// What any client would be answered.
    pub(crate) async fn call_as<O: Operation>(
        &self,
        principal: &Principal,
        input: &O::Input,
    ) -> Result<O::Output, Error> {
        let caller = Inside {
            principal,
            region: principal.partition.global_region(),
            origin: self.origin,
            host: self.host.as_deref(),
            user_agent: self.user_agent.as_deref(),
        };
        self.house.pipeline.call::<O>(&caller, input).await
    }

    /// Where it comes from, as calls are told.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.origin.address
    }

    /// The address of the server as this browser has it, to be shown and for nothing else: the browser says it.
    pub(crate) fn shown_url(&self) -> String {
        let is_authority = |host: &&str| {
            host.len() <= 255
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        };
        match self.host.as_deref().filter(is_authority) {
            Some(host) => {
                let tls = self.origin.tls.is_some() || self.house.url.starts_with("https:");
                format!("{}://{host}", if tls { "https" } else { "http" })
            }
            None => self.house.url.clone(),
        }
    }

    /// The console's page at the address that passkeys belong to, if the browser has come by another: it gives them to no other.
    pub(crate) fn passkeys_elsewhere(&self, path: &str) -> Option<String> {
        let url = &self.house.url;
        let ours = url.split_once("://").map_or("", |(_, authority)| authority);
        let is_here = self.host.as_deref().is_some_and(|host| host.eq_ignore_ascii_case(ours));
        (!is_here).then(|| format!("{url}{path}"))
    }

    /// The mark of forms that are shown before anybody is signed in.
    pub(crate) fn mark(&self) -> String {
        let id = self.browser.id();
        BASE64_URL_SAFE_NO_PAD.encode(self.house.vault.mac("sign-in form", &id))
    }

    /// An answer that leaves the browser its cookie.
    pub(crate) fn with_browser(&self, answer: impl IntoResponse) -> Response {
        let cookie = self.house.signin.browser_cookie(&self.browser);
        self.with_browser_cookie(answer, &cookie)
    }

    /// An answer that leaves the browser this cookie.
    pub(crate) fn with_browser_cookie(&self, answer: impl IntoResponse, cookie: &str) -> Response {
        self.set_cookie(answer.into_response(), BROWSER, cookie, Some(BROWSER_SECONDS))
    }

    /// An answer that leaves the browser the roles that it has switched to.
    pub(crate) fn with_roles(&self, answer: impl IntoResponse, roles: &[Remembered]) -> Response {
        self.set_cookie(answer.into_response(), ROLES, &Remembered::write(roles), Some(BROWSER_SECONDS))
    }

    /// An answer that leaves the browser a session that has just begun.
    pub(crate) fn with_welcome(&self, answer: impl IntoResponse, welcome: &Welcome) -> Response {
        let answer = self.with_session(answer, Some(&welcome.cookie));
        let door = if welcome.is_root { "root" } else { "user" };
        let answer = self.set_cookie(answer, DOOR, door, Some(BROWSER_SECONDS));
        self.with_browser_cookie(answer, &welcome.browser)
    }

    /// An answer that leaves the browser a session, or takes it away.
    pub(crate) fn with_session(&self, answer: impl IntoResponse, cookie: Option<&str>) -> Response {
        let seconds = if cookie.is_some() { None } else { Some(0) };
        self.set_cookie(answer.into_response(), SESSION, cookie.unwrap_or_default(), seconds)
    }

    fn set_cookie(&self, mut answer: Response, name: &str, value: &str, seconds: Option<u32>) -> Response {
        let is_secure = self.origin.secure || self.house.url.starts_with("https:");
        let secure = if is_secure { "; Secure" } else { "" };
        let age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
        let cookie = format!("{name}={value}; Path=/console; HttpOnly; SameSite=Strict{secure}{age}");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        answer
    }

    /// To the door, and to the one that a session was of that is over.
    fn to_sign_in(&self, next: &str, was_form: bool) -> Response {
        let mut query = vec![("next", next)];
        if let Some(session) = self.session.as_deref().filter(|session| !session.is_empty()) {
            query.push(("done", if was_form { "over-form" } else { "over" }));
            if self.was_root {
                query.push(("door", "root"));
            } else {
                let account = session.split('.').next().filter(|id| id.parse::<AccountId>().is_ok());
                query.extend([("door", "user"), ("account", account.unwrap_or_default())]);
            }
        }
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        Redirect::to(&format!("/console/sign-in?{query}")).into_response()
    }
}

impl SignedIn {
    /// The mark of this session's forms.
    pub(crate) fn mark(&self) -> String {
        self.live.csrf(&self.visit.house.vault)
    }

    /// Carries out a call as who acts in this session.
    ///
    /// # Errors
    /// What any client would be answered.
    pub(crate) async fn call<O: Operation>(&self, input: &O::Input) -> Result<O::Output, Error> {
        self.visit.call_as::<O>(self.live.acting(), input).await
    }

    /// An answer to this session, with its new cookie when its secret was replaced.
    pub(crate) fn answer(&self, answer: impl IntoResponse) -> Response {
        match &self.cookie {
            Some(cookie) => self.visit.with_session(answer, Some(cookie)),
            None => answer.into_response(),
        }
    }
}

/// What an address asks for behind its question mark.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<House> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &House) -> Result<Self, Problem> {
        serde_urlencoded::from_str(parts.uri.query().unwrap_or_default()).map(Self).map_err(|error| {
            tracing::debug!(%error, "the query of an address of the console cannot be read");
            Problem::new(
                StatusCode::BAD_REQUEST,
                "The address asks for something that this page does not have.",
            )
        })
    }
}

/// The form of a page that was shown before anybody was signed in.
pub(crate) struct Knocked<T>(pub(crate) Visit, pub(crate) T);

/// The form of a page of a session.
pub(crate) struct Posted<T>(pub(crate) SignedIn, pub(crate) T);

#[derive(Deserialize)]
struct Mark {
    mark: String,
}

impl<T: DeserializeOwned> FromRequest<House> for Knocked<T> {
    type Rejection = Response;

    async fn from_request(request: Request, house: &House) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visit =
            Visit::from_request_parts(&mut parts, house).await.map_err(IntoResponse::into_response)?;
        let mark = visit.mark();
        let form = form(&parts, Request::from_parts(parts.clone(), body), house, &mark).await?;
        Ok(Self(visit, form))
    }
}

impl<T: DeserializeOwned> FromRequest<House> for Posted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, house: &House) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, house).await?;
        let mark = signed_in.mark();
        let form = form(&parts, Request::from_parts(parts.clone(), body), house, &mark).await?;
        Ok(Self(signed_in, form))
    }
}

async fn form<T: DeserializeOwned>(
    parts: &Parts,
    request: Request,
    house: &House,
    mark: &str,
) -> Result<T, Response> {
    if !is_same_site(host(&parts.uri, &parts.headers).as_deref(), &parts.headers) {
        return Err(Problem::foreign_form().into_response());
    }
    let body = Bytes::from_request(request, house).await.map_err(IntoResponse::into_response)?;
    let shown = serde_urlencoded::from_bytes::<Mark>(&body).map(|mark| mark.mark).unwrap_or_default();
    if !bool::from(shown.as_bytes().ct_eq(mark.as_bytes())) {
        return Err(Problem::foreign_form().into_response());
    }
    serde_urlencoded::from_bytes(&body).map_err(|error| {
        tracing::debug!(%error, "a form of the console cannot be read");
        let text = "Something is missing in the form, or was changed on its way. Nothing was done: open the page anew and try \
             again.";
        Problem::new(StatusCode::BAD_REQUEST, text).into_response()
    })
}

/// Whether the browser does not say that a form comes from elsewhere.
fn is_same_site(host: Option<&str>, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let is_ours = |origin: &str| origin.split_once("://").is_some_and(|(_, from)| Some(from) == host);
    site && text("origin").is_none_or(is_ours)
}

/// Whether a page elsewhere has led here, as far as the browser says: cookies of ours do not come along then.
pub(crate) fn is_led_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// A path of the console that somebody may be sent to after signing in: nothing that leads elsewhere.
pub(crate) fn local(next: Option<&str>) -> &str {
    next.filter(|path| is_local(path)).unwrap_or("/console")
}

/// Whether this is such a path.
pub(crate) fn is_local(path: &str) -> bool {
    (path == "/console" || path.starts_with("/console/") || path.starts_with("/console?"))
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !path.starts_with("/console/sign-")
        && !path.starts_with("/console/federation")
        && is_resolved(path)
}

/// Whether browsers go to this path as it is written. One with dot segments, also written as `%2e`, leads to another than it seems to.
fn is_resolved(path: &str) -> bool {
    let written = path.split(['?', '#']).next().unwrap_or_default();
    let resolved = Url::parse("http://localhost").and_then(|base| base.join(path));
    resolved.is_ok_and(|url| url.path() == written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for next in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/console\\@evil.example",
            "javascript:alert(1)",
            "/consolex",
            "/console/\r\nSet-Cookie: a=b",
            "/console/sign-out",
            "/console/federation?SigninToken=x",
            "/console/x/../federation?SigninToken=x",
            "/console/x/%2e%2E/federation?SigninToken=x",
            "/console/x/.%2e/sign-out",
            "/console/./sign-out",
            "/console/%2e/sign-out",
            "/console/..//evil.example/",
            "/console/../x",
            "/console/..",
            "/console/.",
            "",
        ] {
            assert_eq!(local(Some(next)), "/console", "{next}");
        }
        for next in
            ["/console/users/ann", "/console/users/a.b/..c", "/console?done=1", "/console/users?x=/../a#/./b"]
        {
            assert_eq!(local(Some(next)), next);
        }
        assert_eq!(local(None), "/console");
    }

    #[test]
    fn forms_of_other_pages_are_known_by_what_browsers_say() {
        let is = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            is_same_site(Some("localhost:4566"), &pairs.collect())
        };
        assert!(is(&[]) && is(&[("origin", "http://localhost:4566")]));
        assert!(is(&[("sec-fetch-site", "same-origin")]));
        for foreign in [
            ("origin", "http://localhost:4567"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert!(!is(&[foreign]), "{foreign:?}");
        }
        let nowhere = [(header::ORIGIN, "http://".parse().unwrap())].into_iter().collect();
        assert!(!is_same_site(None, &nowhere));
    }

    #[test]
    fn cookie_is_found_among_others() {
        let headers: HeaderMap =
            [(header::COOKIE, "a=1; rootward-session=x.y.z; b=2".parse().unwrap())].into_iter().collect();
        assert_eq!(cookie(&headers, SESSION), Some("x.y.z"));
        assert_eq!(cookie(&headers, BROWSER), None);
    }
}
