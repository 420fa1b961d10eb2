//! Letting a command line act for who is signed in: `aws login`.
//!
//! ```text
//! aws login ─ opens ─▶ /v1/authorize ─▶ /console/authorize ─ (sign-in) ─▶ consent ─▶ 127.0.0.1:PORT, or the code as text
//! ```
//!
//! The client opens the address that it sends its calls to. Cookies and passkeys are for the address that people type, so the first
//! thing is a redirect there. Nothing is granted but by the form of the consent page, which is shown to nobody whose request no
//! client would send; what it grants is up to the API ([`AuthorizeOAuth2Access`](api::AuthorizeOAuth2Access)).
//!
//! A code on the way to a listener on this computer is sent to it, and to nothing else; one for another computer is shown, with a
//! warning, because nobody but its reader can tell who asked for it.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, StatusCode, header};
use rootward_api::signin as api;
use rootward_auth::Identity;
use rootward_auth::command_line::{Asked, Client};
use rootward_pipeline::Inside;
use rootward_wire::{Sensitive, validate};
use serde::{Deserialize, Serialize};

use crate::House;
use crate::layout::{Problem, VERSION, html, html_with, minute, status, told};
use crate::visit::{Posted, Query, SignedIn};

/// Where clients begin.
pub(crate) const PATH: &str = "/v1/authorize";
/// Longer queries no client sends.
const QUERY_BYTES_MAX: usize = 4_096;

/// Sends a browser from the address of the API to the one that people type.
pub(crate) async fn arrive(State(house): State<House>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let is_plain = query.len() <= QUERY_BYTES_MAX && query.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain {
        return refused("The address is too long, or holds what no address holds.");
    }
    Redirect::to(&format!("{}/console/authorize?{query}", house.url)).into_response()
}

/// What a command line asks for, in the words of OAuth.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Request {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    code_challenge: String,
    #[serde(default)]
    code_challenge_method: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    response_type: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    state: String,
}

impl Request {
    fn input(&self) -> api::AuthorizeOAuth2AccessRequest {
        let request = self.clone();
        api::AuthorizeOAuth2AccessRequest {
            client_id: request.client_id,
            code_challenge: request.code_challenge,
            code_challenge_method: request.code_challenge_method,
            redirect_uri: request.redirect_uri,
            response_type: request.response_type,
            scope: request.scope,
            state: Sensitive::new(request.state),
        }
    }

    /// Who asks, if a client would ask like this.
    fn client(&self) -> Result<Client, String> {
        let input = rootward_wire::Record::copy(&self.input()).map_err(|error| error.to_string())?;
        validate(&input, &api::SERVICE).map_err(|error| error.message)?;
        let asked = Asked::read(&self.client_id, &self.redirect_uri, &self.code_challenge);
        asked.map(|asked| asked.client).map_err(|problem| problem.to_string())
    }
}

enum Ask<'a> {
    Consent { request: &'a Request, local: bool, error: Option<String> },
    Code { text: String },
    Cancelled,
}

#[derive(Template)]
#[template(path = "authorize.html")]
struct Page<'a> {
    version: &'static str,
    mark: String,
    who: String,
    is_root: bool,
    account_name: String,
    account_id: String,
    /// When it ends at the latest.
    until: String,
    ask: Ask<'a>,
}

impl<'a> Page<'a> {
    fn new(signed_in: &SignedIn, ask: Ask<'a>) -> Self {
        let principal = &signed_in.live.signed_in;
        let who = match &principal.identity {
            Identity::FederatedUser(user) => format!("the federated user {}", user.name),
            Identity::AssumedRoot(_) | Identity::Root => "the root user".into(),
            Identity::RoleSession(session) => format!("{}/{}", session.role.name, session.name),
            Identity::User(user) => user.name.to_string(),
        };
        let world = signed_in.visit.house.db.snapshot();
        let account_name = world.account(principal.account).map(|state| state.account().name.to_string());
        Self {
            version: VERSION,
            mark: signed_in.mark(),
            who,
            is_root: principal.is_root(),
            account_name: account_name.unwrap_or_default(),
            account_id: principal.account.to_string(),
            until: minute(signed_in.live.row.expires),
            ask,
        }
    }
}

/// Asks who is signed in whether they let the command line in.
pub(crate) async fn page(signed_in: SignedIn, Query(request): Query<Request>) -> Response {
    match request.client() {
        Ok(client) => signed_in.answer(consent(&signed_in, &request, client, None)),
        Err(problem) => signed_in.answer(refused(&problem)),
    }
}

fn consent(
    signed_in: &SignedIn,
    request: &Request,
    client: Client,
    error: Option<rootward_wire::Error>,
) -> Response {
    let code = error.as_ref().map_or(StatusCode::OK, status);
    let local = client == Client::SameDevice;
    let ask = Ask::Consent { request, local, error: error.as_ref().map(told) };
    let mut answer = html_with(code, &Page::new(signed_in, ask));
    if local {
        // The answer to the form sends the browser there, which counts as a part of the form.
        let origin = request.redirect_uri.trim_end_matches("/oauth/callback");
        let policy =
            crate::CONTENT_POLICY.replace("form-action 'self'", &format!("form-action 'self' {origin}"));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    answer
}

/// The form of the consent page.
#[derive(Deserialize)]
pub(crate) struct Answer {
    answer: String,
    #[serde(flatten)]
    request: Request,
}

pub(crate) async fn answer(Posted(signed_in, form): Posted<Answer>) -> Response {
    let Answer { answer, request } = form;
    let client = match request.client() {
        Ok(client) => client,
        Err(problem) => return signed_in.answer(refused(&problem)),
    };
    if answer != "allow" {
        return signed_in.answer(cancelled(&signed_in, &request, client));
    }
    match authorize(&signed_in, &request).await {
        Ok(location) if client == Client::SameDevice => signed_in.answer(Redirect::to(&location)),
        Ok(location) => {
            // What the client asks to paste: the query that it would have been sent, in base64.
            let query = location.split_once('?').map_or("", |(_, query)| query);
            let ask = Ask::Code { text: BASE64_STANDARD.encode(query) };
            signed_in.answer(html(&Page::new(&signed_in, ask)))
        }
        Err(error) => signed_in.answer(consent(&signed_in, &request, client, Some(error))),
    }
}

/// As who signed in, whatever role they have switched to.
async fn authorize(signed_in: &SignedIn, request: &Request) -> Result<String, rootward_wire::Error> {
    let (visit, principal) = (&signed_in.visit, &signed_in.live.signed_in);
    let visitor = visit.visitor();
    let caller = Inside {
        principal,
        region: principal.partition.global_region(),
        origin: visit.origin(),
        host: visitor.host,
        user_agent: visitor.user_agent,
    };
    let output = visit.house.pipeline.call::<api::AuthorizeOAuth2Access>(&caller, &request.input()).await?;
    Ok(output.location.expose().to_owned())
}

fn cancelled(signed_in: &SignedIn, request: &Request, client: Client) -> Response {
    if client == Client::CrossDevice {
        return html(&Page::new(signed_in, Ask::Cancelled));
    }
    let query = serde_urlencoded::to_string([("error", "access_denied"), ("state", &request.state)]);
    Redirect::to(&format!("{}?{}", request.redirect_uri, query.unwrap_or_default())).into_response()
}

fn refused(problem: &str) -> Response {
    let problem = problem.trim_end_matches('.');
    let text = format!(
        "This is not how a command line asks to be let in: {problem}. Nothing was done. Run `aws login` again."
    );
    Problem::new(StatusCode::BAD_REQUEST, &text).into_response()
}
