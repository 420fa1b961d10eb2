//! Root access: requests that approvers decide on, the seal, and who must agree.

use askama::Template;
use axum::extract::Query;
use axum::response::{Redirect, Response};
use rootward_api::rootward as api;
use rootward_wire::Error;
use serde::Deserialize;

use crate::layout::{Frame, VERSION, html, minute, told};
use crate::visit::{Posted, SignedIn};

#[derive(Template)]
#[template(path = "access.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    requests: Vec<Row>,
    guard: Option<Guard>,
}

struct Row {
    id: String,
    purpose: &'static str,
    reason: String,
    from: String,
    asked: String,
    lapses: String,
    status: &'static str,
    pending: bool,
    approved: String,
}

struct Guard {
    sealed: bool,
    until: Option<String>,
    reason: String,
    session_minutes: i32,
    required: i32,
    approvers: String,
}

/// What has been done, as the address says it.
#[derive(Deserialize)]
pub(crate) struct Done {
    done: Option<String>,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Root access", "access")
}

pub(crate) async fn page(signed_in: SignedIn, Query(done): Query<Done>) -> Response {
    let done = match done.done.as_deref() {
        Some("approved") => Some("You have agreed."),
        Some("rejected") => Some("You have rejected the request."),
        Some("guard") => Some("The guard of the root user is changed."),
        _ => None,
    };
    let frame = Frame { done, ..frame(&signed_in) };
    show(&signed_in, frame).await
}

async fn show(signed_in: &SignedIn, frame: Frame) -> Response {
    let input = api::ListRootAccessRequestsRequest::default();
    let (requests, refused) = match signed_in.call::<api::ListRootAccessRequests>(&input).await {
        Ok(listed) => (listed.requests, None),
        Err(error) => (Vec::new(), Some(told(&error))),
    };
    let protection = signed_in.call::<api::GetRootProtection>(&api::GetRootProtectionRequest {}).await;
    let guard = protection.ok().map(guard);
    let frame = Frame { refused: frame.refused.or(refused), ..frame };
    let requests = requests.into_iter().map(row).collect();
    signed_in.answer(html(&Page { version: VERSION, frame, requests, guard }))
}

fn guard(found: api::GetRootProtectionResponse) -> Guard {
    Guard {
        sealed: found.seal.state == api::SealState::Sealed,
        until: found.seal.unsealed_until.map(minute),
        reason: found.seal.reason.unwrap_or_default(),
        session_minutes: found.seal.session_minutes,
        required: found.approvers.required,
        approvers: found.approvers.user_names.join(" "),
    }
}

fn row(request: api::RootAccessRequest) -> Row {
    let given: Vec<_> = request.approvals.iter().map(|approval| approval.user_name.as_str()).collect();
    let by = if given.is_empty() { String::new() } else { format!(": {}", given.join(", ")) };
    Row {
        id: request.request_id,
        purpose: match request.purpose {
            api::RootAccessPurpose::SignIn => "Sign in as the root user",
            api::RootAccessPurpose::Unseal => "Break the seal",
            api::RootAccessPurpose::ChangeSettings => "Change who must agree",
        },
        reason: request.reason.unwrap_or_default(),
        from: request.source_ip_address,
        asked: minute(request.requested_at),
        lapses: minute(request.expires_at),
        pending: request.status == api::RootAccessRequestStatus::Pending,
        status: match request.status {
            api::RootAccessRequestStatus::Approved => "approved",
            api::RootAccessRequestStatus::Expired => "lapsed",
            api::RootAccessRequestStatus::Pending => "waiting",
            api::RootAccessRequestStatus::Rejected => "rejected",
            api::RootAccessRequestStatus::Used => "used",
        },
        approved: format!("{} of {}{by}", given.len(), request.required),
    }
}

/// What is decided or changed.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Agrees to a request.
    Approve { id: String },
    /// Rejects a request.
    Reject { id: String },
    /// Closes the seal.
    Seal,
    /// Says who must agree and how long sessions last.
    Settings { required: String, approvers: String, minutes: String },
    /// Breaks the seal for a while.
    Unseal { reason: String, minutes: String },
}

pub(crate) async fn change(Posted(signed_in, change): Posted<Change>) -> Response {
    match carry_out(&signed_in, change).await {
        Ok(done) => signed_in.answer(Redirect::to(&format!("/console/access?done={done}"))),
        Err(error) => show(&signed_in, frame(&signed_in).refused(&error)).await,
    }
}

async fn carry_out(signed_in: &SignedIn, change: Change) -> Result<&'static str, Error> {
    // What is no number is refused by the API's own bounds, in its own words.
    let number = |text: &str| text.trim().parse::<i32>().unwrap_or(-1);
    match change {
        Change::Approve { id } => {
            let input = api::ApproveRootAccessRequest { request_id: id };
            signed_in.call::<api::ApproveRootAccess>(&input).await.map(|_| "approved")
        }
        Change::Reject { id } => {
            let input = api::RejectRootAccessRequest { request_id: id };
            signed_in.call::<api::RejectRootAccess>(&input).await.map(|_| "rejected")
        }
        Change::Seal => signed_in.call::<api::SealRoot>(&api::SealRootRequest {}).await.map(|_| "guard"),
        Change::Unseal { reason, minutes } => {
            let input = api::UnsealRootRequest { reason, minutes: number(&minutes) };
            signed_in.call::<api::UnsealRoot>(&input).await.map(|_| "guard")
        }
        Change::Settings { required, approvers, minutes } => {
            let names = approvers.split([' ', ',', '\n', '\r']).filter(|name| !name.is_empty());
            let input = api::PutRootAccessSettingsRequest {
                session_minutes: number(&minutes),
                approvals_required: number(&required),
                approver_user_names: names.map(str::to_owned).collect(),
            };
            signed_in.call::<api::PutRootAccessSettings>(&input).await.map(|_| "guard")
        }
    }
}
