#![doc = include_str!("../README.md")]
//!
//! ```text
//! request ─▶ Visit (who is at the door) ─▶ SignedIn (a session that is not over) ─▶ page ─▶ Pipeline::call ─▶ template
//! ```
//!
//! - `visit` reads cookies and forms, and refuses forms that no page of ours has shown.
//! - `sign_in` is the way in, step by step; `recover` is for a root user who has forgotten the password; `first_run` opens the first
//!   account; `federation` lets in who was let in elsewhere.
//! - Every other module is one area of the console. A page that changes something answers with a redirect, so that reloading
//!   repeats nothing; what a call refuses is shown on the page that asked, in the API's words.
//!
//! INVARIANT: nothing of a request but its path, cookies and form decides what a page does. `Host` is shown where people read the
//! address to sign in at, and is used for nothing else: the address for records is the configured one, and all links and redirects are
//! relative but for two redirects: to the configured address, and to a command line that listens on the browser's own computer
//! (`authorize`).
#![warn(missing_docs)]

mod access;
mod account;
mod assets;
mod authorize;
mod confirm;
mod editor;
mod federation;
mod first_run;
mod grants;
mod groups;
mod home;
mod layout;
mod list;
mod organization;
mod password_policy;
mod policies;
mod recover;
mod roles;
mod root_email;
mod security;
mod self_service;
mod sessions;
mod sign_in;
mod simulator;
mod start;
mod switch_role;
mod trail;
mod users;
mod visit;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use rootward_names::AccountId;
use rootward_pipeline::{Origin, Pipeline};
use rootward_signin::SignInService;
use rootward_state::Db;
use rootward_store::vault::Vault;
use tower::ServiceExt;

use self::organization::credentials;

/// What whoever has the setup code opens the first account with, and where from.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// The account's name.
    pub name: &'a str,
    /// The root user's e-mail address.
    pub email: &'a str,
    /// The root user's password.
    pub password: &'a str,
    /// The browser's address.
    pub address: IpAddr,
    /// `User-Agent`, as sent.
    pub user_agent: Option<&'a str>,
}

/// Opens the first account. The error is for its reader.
pub type OpenAccount = Box<dyn Fn(&Opening<'_>) -> Result<AccountId, String> + Send + Sync>;

/// What the console stands on.
pub struct Setup {
    /// Carries out calls.
    pub pipeline: Arc<Pipeline>,
    /// Signs people in.
    pub signin: Arc<SignInService>,
    /// The state: to see whether there is an account yet.
    pub db: Arc<Db>,
    /// Marks forms.
    pub vault: Arc<Vault>,
    /// The address that people type, without a slash at its end: `https://iam.example.com`.
    pub url: String,
    /// Lets who can read it open the first account; none where accounts are not opened here.
    pub setup_code: Option<String>,
    /// Opens it.
    pub open_account: OpenAccount,
}

/// The console.
pub struct Console {
    router: Router,
    secure: bool,
}

type House = Arc<Setup>;

impl Console {
    /// A console on this.
    pub fn new(setup: Setup) -> Self {
        let secure = setup.url.starts_with("https:");
        let router = Router::new()
            .route("/console", get(home::page))
            .route("/console/", get(|| async { Redirect::permanent("/console") }))
            .route("/console/access", get(access::page).post(access::change))
            .route("/console/account", get(account::page).post(account::change))
            .route("/console/assets/{name}", get(assets::asset))
            .route("/console/authorize", get(authorize::page).post(authorize::answer))
            .route("/console/federation", get(federation::arrive).post(federation::replace))
            .route("/console/first-run", get(first_run::page).post(first_run::open))
            .route("/console/groups", get(groups::list).post(groups::create))
            .route("/console/groups/{name}", get(groups::page).post(groups::change))
            .route("/console/groups/{name}/policies", post(groups::change_policies))
            .route("/console/organization", get(organization::page).post(organization::change))
            .route("/console/organization/accounts/{id}", get(organization::account::page))
            .route("/console/organization/policies/{id}", get(organization::policy::page))
            .route("/console/organization/root-access", get(credentials::page).post(credentials::change))
            .route("/console/password-policy", get(password_policy::page).post(password_policy::set))
            .route("/console/password-policy/delete", post(password_policy::delete))
            .route("/console/policies", get(policies::list).post(policies::create))
            .route("/console/policies/check", post(editor::check))
            .route("/console/policies/names", get(policies::names))
            .route("/console/policies/{arn}", get(policies::page).post(policies::change))
            .route("/console/recover", get(recover::page).post(recover::ask))
            .route("/console/recover/password", get(recover::opened).post(recover::recover))
            .route("/console/roles", get(roles::list).post(roles::create))
            .route("/console/roles/{name}", get(roles::page).post(roles::change))
            .route("/console/roles/{name}/policies", post(roles::change_policies))
            .route("/console/security", get(security::page).post(security::change))
            .route("/console/security/email", get(root_email::page).post(root_email::change))
            .route("/console/security/password", post(security::password))
            .route("/console/security/register", get(security::register))
            .route("/console/security/register/app", post(security::begin_app))
            .route("/console/security/register/app/finish", post(security::finish_app))
            .route("/console/security/register/passkey", post(security::begin_passkey))
            .route("/console/security/register/passkey/finish", post(security::finish_passkey))
            .route("/console/sessions", get(sessions::page).post(sessions::end))
            .route("/console/sign-in", get(sign_in::page).post(sign_in::password))
            .route("/console/sign-in/code", post(sign_in::code))
            .route("/console/sign-in/new-password", post(sign_in::new_password))
            .route("/console/sign-in/passkey", post(sign_in::passkey))
            .route("/console/sign-in/reason", post(sign_in::reason))
            .route("/console/sign-in/wait", post(sign_in::wait))
            .route("/console/sign-out", post(sign_in::sign_out))
            .route("/console/simulator", get(simulator::page).post(simulator::ask))
            .route("/console/start", get(start::page).post(start::make))
            .route("/console/switch-role", get(switch_role::page).post(switch_role::switch))
            .route("/console/switch-role/exit", post(switch_role::exit))
            .route("/console/trail", get(trail::page))
            .route("/console/trail/{id}", get(trail::event))
            .route("/console/users", get(users::list).post(users::create))
            .route("/console/users/{name}", get(users::page).post(users::change))
            .route("/console/users/{name}/policies", post(users::change_policies))
            .route("/federation", get(federation::endpoint).post(federation::endpoint))
            .route(authorize::PATH, get(authorize::arrive))
            .layer(middleware::from_fn(note_route))
            .fallback(layout::not_found)
            .method_not_allowed_fallback(layout::only_forms)
            .with_state(Arc::new(setup));
        Self { router, secure }
    }

    /// Whether a request is the console's to answer: its own pages, the federation endpoint, and the one that command lines open
    /// in a browser.
    pub fn answers(method: &Method, path: &str) -> bool {
        let is_page = matches!(path, "/console" | "/federation") || path.starts_with("/console/");
        is_page || (path == authorize::PATH && matches!(*method, Method::GET | Method::HEAD))
    }

    /// Answers one request; the answer's extensions have its [`Route`].
    pub async fn answer(&self, request: Request<Bytes>, origin: Origin) -> Response<Bytes> {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(origin);
        let request = Request::from_parts(parts, Body::from(body));
        let Ok(response) = self.router.clone().oneshot(request).await;
        self.dressed(response).await
    }

    /// Answers a request whose form could not be had, in a page of the console.
    pub async fn refuse(&self, status: u16, text: &str) -> Response<Bytes> {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.dressed(layout::Problem::new(status, text).into_response()).await
    }

    /// An answer as it leaves: with what every answer says to browsers.
    async fn dressed(&self, response: axum::response::Response) -> Response<Bytes> {
        let (mut parts, body) = response.into_parts();
        let body = match axum::body::to_bytes(body, PAGE_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "a page of the console is too long");
                parts.status = StatusCode::INTERNAL_SERVER_ERROR;
                Bytes::new()
            }
        };
        for (name, value) in HEADERS {
            parts.headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        if self.secure {
            let year = HeaderValue::from_static("max-age=31536000");
            parts.headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
        }
        Response::from_parts(parts, body)
    }
}

/// Which page answered, as the router knows it: `/console/users/{name}`. One of a closed set, and so fit for metrics; without it nothing
/// of the console was asked for.
#[derive(Debug, Clone)]
pub struct Route(pub Arc<str>);

async fn note_route(
    path: MatchedPath,
    request: axum::extract::Request,
    next: Next,
) -> axum::response::Response {
    let mut answer = next.run(request).await;
    answer.extensions_mut().insert(Route(path.as_str().into()));
    answer
}

/// The longest page, in bytes.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// Nothing runs, loads or is sent that is not ours, nobody frames us.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every answer says to browsers: nothing runs, loads or is sent that is not ours, nobody frames us, nothing is kept.
const HEADERS: [(header::HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];
