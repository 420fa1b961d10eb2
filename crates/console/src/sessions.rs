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
    whose: Whose,
    sessions: Part<Vec<Row>>,
}

struct Row {
    id: String,
    /// Whose.
    arn: String,
    kind: &'static str,
    began: String,
    used: String,
    ends: String,
    from: String,
    agent: String,
    mfa: bool,
    current: bool,
}

/// Whose sessions.
#[derive(Deserialize)]
struct Whose {
    /// Of this user, if not one's own.
    #[serde(default)]
    user: String,
    /// `federated`: of all roles and federated users.
    #[serde(default)]
    of: String,
}

impl Whose {
    fn is_federated(&self) -> bool {
        self.of == "federated"
    }

    fn is_own(&self) -> bool {
        self.user.is_empty() && !self.is_federated()
    }
}

/// What to show, and what has been done.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(flatten)]
    whose: Whose,
    done: Option<String>,
}

pub(crate) async fn page(signed_in: SignedIn, Query(asked): Query<Asked>) -> Response {
    let done = asked.done.is_some().then_some("The session is ended.");
    let frame = Frame { done, ..Frame::new(&signed_in, "Sessions", "sessions") };
    show(&signed_in, frame, asked.whose).await
}

/// What there is to say to whom no sessions are listed as their own.
const NOT_A_USER: &str = "Sessions are listed of users and of the root user. That of a role you have switched to is in the list of your \
    user: switch back to see it. One that began with temporary credentials ends with them, or when its role is revoked.";

async fn show(signed_in: &SignedIn, frame: Frame, whose: Whose) -> Response {
    let acting = &signed_in.live.acting().identity;
    if whose.is_own() && matches!(acting, Identity::FederatedUser(_) | Identity::RoleSession(_)) {
        let page = Page { version: VERSION, frame, whose, sessions: Err(NOT_A_USER.into()) };
        return signed_in.answer(html_with(page.frame.status, &page));
    }
    let input = api::ListSessionsRequest {
        user_name: Some(whose.user.clone()).filter(|user| !user.is_empty()),
        federated: whose.is_federated().then_some(true),
        ..Default::default()
    };
    let listed = signed_in.call::<api::ListSessions>(&input).await.map(|listed| (listed.sessions, None));
    let (frame, sessions, _) = list::read(frame, "/console/sessions", listed, row);
    signed_in.answer(html_with(frame.status, &Page { version: VERSION, frame, whose, sessions }))
}

fn row(session: api::Session) -> Row {
    Row {
        id: session.session_id,
        arn: session.arn.unwrap_or_default(),
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

/// A session to be ended, in whose list.
#[derive(Deserialize)]
pub(crate) struct End {
    id: String,
    #[serde(flatten)]
    whose: Whose,
}

pub(crate) async fn end(Posted(signed_in, form): Posted<End>) -> Response {
    let input = api::RevokeSessionRequest { session_id: form.id };
    match signed_in.call::<api::RevokeSession>(&input).await {
        Ok(_) => {
            let Whose { user, of } = &form.whose;
            let (user, of) = (list::segment(user), list::segment(of));
            signed_in.answer(Redirect::to(&format!("/console/sessions?done=1&user={user}&of={of}")))
        }
        Err(error) => {
            let frame = Frame::new(&signed_in, "Sessions", "sessions").refused(&error);
            show(&signed_in, frame, form.whose).await
        }
    }
}
