//! Signing in: one page a step, each with what the step before left for it.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use rootward_api::iam;
use rootward_auth::Principal;
use rootward_auth::password::Password;
use rootward_pipeline::Inside;
use rootward_signin::{Door, Next, PasskeyOptions, REASON_CHARS_MAX, Refused, Visitor};
use rootward_state::entities::User;
use rootward_wire::Sensitive;
use serde::Deserialize;

use crate::layout::{Problem, VERSION, Words, capital, html, html_with, minute, told};
use crate::visit::{Knocked, Posted, Query, SignedIn, Visit, local};

/// How often a page looks again whether others have agreed, in seconds.
const LOOK_AGAIN_SECONDS: u32 = 5;

/// Why a root user is needed that has never been.
const FIRST_REASON: &str = "Set up the account";

/// What is asked for now.
enum Ask<'a> {
    Approval { approved: usize, required: usize, request: String, expires: String },
    Code { codes: bool, options: Option<String> },
    NewPassword { expired: bool },
    Password { root: bool, email: &'a str, account: &'a str, name: &'a str },
    Reason { approvals: u8, minutes: u8, reason: String },
}

impl Ask<'_> {
    /// Whether only a root user is asked this.
    fn is_of_root(&self) -> bool {
        matches!(self, Self::Approval { .. } | Self::Password { root: true, .. } | Self::Reason { .. })
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    version: &'static str,
    mark: String,
    next: &'a str,
    /// The same in a link to the other door.
    and_next: String,
    step: String,
    error: Option<String>,
    /// What has been done.
    done: Option<&'static str>,
    /// What is over.
    over: Option<&'static str>,
    ask: Ask<'a>,
    /// This page at the address that passkeys belong to, if it is another.
    elsewhere: Option<String>,
    look_again: u32,
    reason_chars_max: usize,
}

impl<'a> Page<'a> {
    fn new(visit: &Visit, next: &'a str, step: String, ask: Ask<'a>) -> Self {
        Self {
            version: VERSION,
            mark: visit.mark(),
            next,
            and_next: and_next(next),
            step,
            error: None,
            done: None,
            over: None,
            elsewhere: visit.passkeys_elsewhere("/console/sign-in"),
            ask,
            look_again: LOOK_AGAIN_SECONDS,
            reason_chars_max: REASON_CHARS_MAX,
        }
    }
}

fn and_next(next: &str) -> String {
    let query =
        (next != "/console").then(|| serde_urlencoded::to_string([("next", next)]).unwrap_or_default());
    query.map_or_else(String::new, |query| format!("&{query}"))
}

/// Where to go after signing in, and which door is open first.
#[derive(Deserialize)]
pub(crate) struct Arrival {
    next: Option<String>,
    door: Option<String>,
    account: Option<String>,
    email: Option<String>,
    name: Option<String>,
    done: Option<String>,
}

/// The page with the two doors.
pub(crate) async fn page(visit: Visit, Query(arrival): Query<Arrival>) -> Response {
    let world = visit.house.db.snapshot();
    if world.accounts().next().is_none() {
        return Redirect::to("/console/first-run").into_response();
    }
    let root = match arrival.door.as_deref() {
        Some(door) => door == "root",
        // Who else could it be?
        None => world.accounts().all(|state| state.all::<User>().is_empty()),
    };
    let (email, account) = (arrival.email.unwrap_or_default(), arrival.account.unwrap_or_default());
    let name = arrival.name.unwrap_or_default();
    let ask = Ask::Password { root, email: &email, account: &account, name: &name };
    let done = match arrival.done.as_deref() {
        Some("open") => Some("An account is open already: nothing was changed. Sign in."),
        Some("opened") => Some("The account is open. Sign in as its root user now, to protect it."),
        Some("out") => Some("You are signed out."),
        _ => None,
    };
    let over = match arrival.done.as_deref() {
        Some("over") => Some("Your session has ended. Sign in again to go on."),
        Some("over-form") => Some("Your session has ended, and nothing was saved. Sign in again to go on."),
        _ => None,
    };
    let page = Page::new(&visit, local(arrival.next.as_deref()), String::new(), ask);
    visit.with_browser(html(&Page { done, over, ..page }))
}

/// Name and password.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    next: Option<String>,
    email: Option<String>,
    account: Option<String>,
    name: Option<String>,
    password: String,
}

pub(crate) async fn password(Knocked(visit, form): Knocked<Credentials>) -> Response {
    let password = Password::new(form.password);
    let (account, name) =
        (form.account.as_deref().unwrap_or_default(), form.name.as_deref().unwrap_or_default());
    let door = match &form.email {
        Some(email) => Door::Root { email },
        None => Door::User { account, name },
    };
    let email = form.email.as_deref().unwrap_or_default();
    let asked = Ask::Password { root: form.email.is_some(), email, account, name };
    let result = match visit.house.signin.knock(&visit.visitor(), &door) {
        Ok(attempt) => visit.step(move |signin, visitor| signin.password(visitor, attempt, &password)).await,
        Err(refused) => Err(refused),
    };
    show(&visit, local(form.next.as_deref()), result, String::new(), asked)
}

/// A code of a device.
#[derive(Deserialize)]
pub(crate) struct Code {
    next: Option<String>,
    step: String,
    code: String,
}

pub(crate) async fn code(Knocked(visit, form): Knocked<Code>) -> Response {
    let (step, code) = (form.step.clone(), form.code);
    let result = visit.step(move |signin, visitor| signin.code(visitor, &step, &code)).await;
    let (step, ask) = second_factor(&visit, form.step, true);
    show(&visit, local(form.next.as_deref()), result, step, ask)
}

/// What a passkey answered.
#[derive(Deserialize)]
pub(crate) struct Answered {
    next: Option<String>,
    step: String,
    credential: String,
    /// There if a code would do as well.
    codes: Option<String>,
}

pub(crate) async fn passkey(Knocked(visit, form): Knocked<Answered>) -> Response {
    let (step, credential) = (form.step.clone(), form.credential);
    let result = visit.step(move |signin, visitor| signin.passkey(visitor, &step, &credential)).await;
    let (step, ask) = second_factor(&visit, form.step, form.codes.is_some());
    show(&visit, local(form.next.as_deref()), result, step, ask)
}

/// What asks for a second factor. Each page has a challenge of its own for passkeys, and its step knows it.
fn second_factor<'a>(visit: &Visit, step: String, codes: bool) -> (String, Ask<'a>) {
    match visit.house.signin.passkey_options(&visit.visitor(), &step) {
        Ok(PasskeyOptions { step, options }) => (step, Ask::Code { codes, options: Some(options) }),
        Err(_) => (step, Ask::Code { codes, options: None }),
    }
}

/// Why the root user is needed.
#[derive(Deserialize)]
pub(crate) struct Reason {
    next: Option<String>,
    step: String,
    reason: String,
    approvals: u8,
    minutes: u8,
}

pub(crate) async fn reason(Knocked(visit, form): Knocked<Reason>) -> Response {
    let Reason { next, step: shown, reason, approvals, minutes } = form;
    let (step, given) = (shown.clone(), reason.clone());
    let result = visit.step(move |signin, visitor| signin.reason(visitor, &step, &given)).await;
    show(&visit, local(next.as_deref()), result, shown, Ask::Reason { approvals, minutes, reason })
}

/// Nothing more than the step.
#[derive(Deserialize)]
pub(crate) struct Waiting {
    next: Option<String>,
    step: String,
}

pub(crate) async fn wait(Knocked(visit, form): Knocked<Waiting>) -> Response {
    let step = form.step;
    let result = visit.step(move |signin, visitor| signin.look_again(visitor, &step)).await;
    // What is refused here is over: the page begins again.
    show(&visit, local(form.next.as_deref()), result, String::new(), begin_again(true))
}

/// The password that must be changed, and the new one.
#[derive(Deserialize)]
pub(crate) struct NewPassword {
    next: Option<String>,
    step: String,
    old: String,
    new: String,
    again: String,
    expired: bool,
}

/// Changes the password through the API that every client would call, then goes on with the new one.
pub(crate) async fn new_password(Knocked(visit, form): Knocked<NewPassword>) -> Response {
    let NewPassword { next, step, old, new, again, expired } = form;
    let next = local(next.as_deref());
    let refused = |visit: &Visit, error: String| {
        let page = Page::new(visit, next, step.clone(), Ask::NewPassword { expired });
        visit.with_browser(html_with(StatusCode::BAD_REQUEST, &Page { error: Some(error), ..page }))
    };
    if new != again {
        return refused(&visit, "The new password was not typed the same twice.".into());
    }
    let who = visit.house.signin.who_changes_password(&visit.visitor(), &step);
    let who = match who {
        Ok(who) => who,
        Err(error) => return show(&visit, next, Err(error), String::new(), begin_again(false)),
    };
    if let Err(error) = change_password(&visit, &who, &old, &new).await {
        return refused(&visit, error);
    }
    let password = Password::new(new);
    let result = visit.step(move |signin, visitor| signin.changed(visitor, &step, &password)).await;
    show(&visit, next, result, String::new(), begin_again(false))
}

async fn change_password(visit: &Visit, who: &Principal, old: &str, new: &str) -> Result<(), String> {
    let Visitor { host, user_agent, .. } = visit.visitor();
    let caller = Inside {
        principal: who,
        region: who.partition.global_region(),
        origin: visit.origin(),
        host,
        user_agent,
    };
    let input =
        iam::ChangePasswordRequest { old_password: Sensitive::new(old), new_password: Sensitive::new(new) };
    let changed = visit.house.pipeline.call::<iam::ChangePassword>(&caller, &input).await;
    changed.map(drop).map_err(|error| told(&error))
}

/// Who signs in next, if somebody in particular.
#[derive(Deserialize)]
pub(crate) struct Leaving {
    name: Option<String>,
}

/// Ends the session and takes its cookie away. The next sign-in is most likely to the same account.
pub(crate) async fn sign_out(Posted(signed_in, leaving): Posted<Leaving>) -> Response {
    let SignedIn { visit, live, .. } = signed_in;
    let account = live.account.to_string();
    let name = leaving.name.unwrap_or_default();
    let query = [("account", account.as_str()), ("name", name.as_str()), ("done", "out")];
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    match visit.step(move |signin, visitor| signin.sign_out(visitor, &live)).await {
        Ok(()) => visit.with_session(Redirect::to(&format!("/console/sign-in?{query}")), None),
        Err(error) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, &sentence(error)).into_response(),
    }
}

const fn begin_again<'a>(root: bool) -> Ask<'a> {
    Ask::Password { root, email: "", account: "", name: "" }
}

/// The page that comes next; what was refused is asked again.
fn show(visit: &Visit, next: &str, result: Result<Next, Refused>, step: String, asked: Ask<'_>) -> Response {
    let (step, ask) = match result {
        Ok(Next::Welcome(welcome)) => {
            return visit.with_welcome(Redirect::to(next), &welcome);
        }
        Ok(Next::Approval { step, request, approved, required, expires }) => {
            let (request, expires) = (request.to_string(), minute(expires));
            (step, Ask::Approval { approved, required, request, expires })
        }
        Ok(Next::NewPassword { step, expired }) => (step, Ask::NewPassword { expired }),
        Ok(Next::Reason { step, first, approvals, minutes }) => {
            let reason = if first { FIRST_REASON.into() } else { String::new() };
            (step, Ask::Reason { approvals, minutes, reason })
        }
        Ok(Next::Rejected { by }) => {
            let by = by.as_deref().unwrap_or("an approver who is gone since");
            let page = Page::new(visit, next, String::new(), begin_again(true));
            let error = Some(format!("The request was rejected by {by}."));
            return visit.with_browser(html_with(StatusCode::FORBIDDEN, &Page { error, ..page }));
        }
        Ok(Next::SecondFactor { step, codes, .. }) => second_factor(visit, step, codes),
        Err(refused) => return show_refused(visit, next, refused, step, asked),
    };
    visit.with_browser(html(&Page::new(visit, next, step, ask)))
}

fn show_refused(visit: &Visit, next: &str, refused: Refused, step: String, asked: Ask<'_>) -> Response {
    let (status, asked) = match refused {
        Refused::BeginAgain | Refused::RequestExpired => {
            (StatusCode::FORBIDDEN, begin_again(asked.is_of_root()))
        }
        Refused::Busy | Refused::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, asked),
        Refused::Slow { .. } => (StatusCode::TOO_MANY_REQUESTS, asked),
        Refused::Expired
        | Refused::NoPasskey
        | Refused::NoReason
        | Refused::Suspended
        | Refused::TooManyRequests
        | Refused::Wrong
        | Refused::WrongFactor => (StatusCode::FORBIDDEN, asked),
    };
    let error = match (refused, &asked) {
        (Refused::Wrong, Ask::Password { root: true, .. }) => {
            "The e-mail address or password is wrong.".into()
        }
        _ => sentence(refused),
    };
    let page = Page { error: Some(error), ..Page::new(visit, next, step, asked) };
    let mut answer = visit.with_browser(html_with(status, &page));
    if let Refused::Slow { seconds } = refused {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

/// A refusal as a sentence.
pub(crate) fn sentence(refused: impl std::fmt::Display) -> String {
    format!("{}.", capital(&refused.to_string()))
}
