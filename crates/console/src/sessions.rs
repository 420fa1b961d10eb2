//! Sessions: where somebody is signed in, and ending that.

use askama::Template;
use axum::response::{Redirect, Response};
use rootward_api::rootward as api;
use rootward_auth::Identity;
use serde::Deserialize;

use crate::layout::{Frame, Part, VERSION, html_with, minute};
use crate::list;
use crate::visit::{Posted, Query, SignedIn};

#[derive(Template)]
#[template(path = "sessions.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    /// Whose, if not one's own.
    user: Option<String>,
    sessions: Part<Vec<Row>>,
}

struct Row {
    id: String,
    kind: &'static str,
    began: String,
    used: String,
    ends: String,
    from: String,
    agent: String,
    mfa: bool,
    current: bool,
}

/// Whose sessions, and what has been done.
#[derive(Deserialize)]
pub(crate) struct Asked {
    user: Option<String>,
    done: Option<String>,
}

pub(crate) async fn page(signed_in: SignedIn, Query(asked): Query<Asked>) -> Response {
    let done = asked.done.is_some().then_some("The session is ended.");
    let frame = Frame { done, ..Frame::new(&signed_in, "Sessions", "sessions") };
    show(&signed_in, frame, asked.user).await
}

/// What there is to say to whom no sessions are listed as their own.
const NOT_A_USER: &str = "Sessions are listed of users and of the root user. That of a role you have switched to is in the list of your \
    user: switch back to see it. One that began with temporary credentials ends with them, or when its role is revoked.";

async fn show(signed_in: &SignedIn, frame: Frame, user: Option<String>) -> Response {
    let acting = &signed_in.live.acting().identity;
    if user.is_none() && matches!(acting, Identity::FederatedUser(_) | Identity::RoleSession(_)) {
        let page = Page { version: VERSION, frame, user, sessions: Err(NOT_A_USER.into()) };
        return signed_in.answer(html_with(page.frame.status, &page));
    }
    let input = api::ListSessionsRequest { user_name: user.clone(), ..Default::default() };
    let listed = signed_in.call::<api::ListSessions>(&input).await.map(|listed| (listed.sessions, None));
    let (frame, sessions, _) = list::read(frame, "/console/sessions", listed, row);
    signed_in.answer(html_with(frame.status, &Page { version: VERSION, frame, user, sessions }))
}

fn row(session: api::Session) -> Row {
    Row {
        id: session.session_id,
        kind: match session.kind {
            api::SessionKind::CommandLine => "Command line",
            api::SessionKind::Console => "Console",
        },
        began: minute(session.created_at),
        used: minute(session.last_used_at),
        ends: minute(session.expires_at),
        from: session.source_ip_address,
        agent: session.user_agent.unwrap_or_default(),
        mfa: session.mfa_authenticated,
        current: session.current,
    }
}

/// A session to be ended.
#[derive(Deserialize)]
pub(crate) struct End {
    id: String,
}

pub(crate) async fn end(Posted(signed_in, form): Posted<End>) -> Response {
    let input = api::RevokeSessionRequest { session_id: form.id };
    match signed_in.call::<api::RevokeSession>(&input).await {
        Ok(_) => signed_in.answer(Redirect::to("/console/sessions?done=1")),
        Err(error) => {
            let frame = Frame::new(&signed_in, "Sessions", "sessions").refused(&error);
            show(&signed_in, frame, None).await
        }
    }
}
