//! Root access: requests that approvers decide on, the seal, who must agree, and the guard policy.

use askama::Template;
use axum::response::{Redirect, Response};
use rootward_api::rootward as api;
use rootward_auth::Identity;
use rootward_wire::Error;
use serde::Deserialize;

use crate::layout::{Frame, Part, VERSION, html_with, minute, part};
use crate::visit::{Posted, Query, SignedIn};

/// What a guard policy begins with.
const BEGINNING: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [{ "Effect": "Deny", "Action": "", "Resource": "*" }]
}"#;

#[derive(Template)]
#[template(path = "access.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    requests: Part<Vec<Row>>,
    guard: Part<Guard>,
    /// None if the account has none.
    policy: Part<Option<Policy>>,
    decides: Decides,
    /// What the forms hold: what was typed and refused, or what stands.
    typed: Typed,
    /// A request of this session's that others must agree to first.
    waits: Option<Waits>,
    /// The request whose document the form holds: others have agreed that it is set.
    granted: Option<String>,
    /// The guard policy is set and removed in a session with a second factor, and this one has none.
    lacks_factor: bool,
}

struct Row {
    id: String,
    purpose: &'static str,
    reason: String,
    /// The document that it is about.
    policy: Option<String>,
    from: String,
    asked: String,
    lapses: String,
    status: &'static str,
    pending: bool,
    /// Others have agreed to set its document, and that is still to be done.
    settable: bool,
    /// Who looks at the page has spoken already.
    agreed: bool,
    approved: String,
}

/// The guard policy.
struct Policy {
    document: String,
    set: String,
}

struct Guard {
    sealed: bool,
    until: Option<String>,
    reason: String,
    session_minutes: i32,
    required: i32,
    approvers: Vec<String>,
}

/// Whether who looks at the page decides on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decides {
    /// Others do.
    No,
    /// Yes, once they have signed in with a second factor.
    WithFactor,
    Yes,
}

/// What the forms hold.
#[derive(Default)]
struct Typed {
    reason: String,
    unseal_minutes: String,
    approvers: String,
    required: String,
    session_minutes: String,
    policy: String,
}

/// A request that waits for others.
struct Waits {
    id: String,
    approved: String,
    lapses: String,
    /// The button that is pressed again once they have agreed.
    button: &'static str,
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
        Some("policy-removed") => Some("The guard policy is removed."),
        Some("policy-set") => Some("The guard policy is set."),
        _ => None,
    };
    let frame = Frame { done, ..frame(&signed_in) };
    let page = gather(&signed_in, frame).await;
    signed_in.answer(html_with(page.frame.status, &page))
}

async fn gather(signed_in: &SignedIn, frame: Frame) -> Page {
    let input = api::ListRootAccessRequestsRequest::default();
    let requests = signed_in.call::<api::ListRootAccessRequests>(&input).await;
    let protection = signed_in.call::<api::GetRootProtection>(&api::GetRootProtectionRequest {}).await;
    let guard = part(protection).map(guard);
    let own_name = match &signed_in.live.acting().identity {
        Identity::User(user) => Some(&*user.name),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::Root | Identity::RoleSession(_) => {
            None
        }
    };
    let found = signed_in.call::<api::GetGuardPolicy>(&api::GetGuardPolicyRequest {}).await;
    let policy = match found {
        Err(error) if error.code.starts_with("ResourceNotFound") => Ok(None),
        found => part(found).map(|found| Some(policy(found.guard_policy))),
    };
    let names = guard.as_ref().ok().map(|guard| &*guard.approvers);
    let has_factor = signed_in.live.acting().mfa().is_some();
    let decides = decides(own_name, names, has_factor);
    let typed = guard.as_ref().map(Typed::of).unwrap_or_default();
    let requests: Part<Vec<_>> =
        part(requests).map(|listed| listed.requests.into_iter().map(|it| row(it, own_name)).collect());
    let settable = requests.as_ref().ok().and_then(|requests| settable(requests));
    let granted = settable.map(|(id, _)| id.to_owned());
    let standing = policy.as_ref().ok().and_then(|policy| Some(&*policy.as_ref()?.document));
    let document = settable.map(|(_, document)| document).or(standing).unwrap_or(BEGINNING);
    let typed = Typed { policy: document.to_owned(), ..typed };
    let lacks_factor = !has_factor;
    Page {
        version: VERSION,
        frame,
        requests,
        guard,
        policy,
        decides,
        typed,
        waits: None,
        granted,
        lacks_factor,
    }
}

/// The latest request to set a guard policy that others have agreed to, and its document.
fn settable(requests: &[Row]) -> Option<(&str, &str)> {
    let request = requests.iter().find(|request| request.settable)?;
    Some((&request.id, request.policy.as_deref()?))
}

/// Approvers decide, and they are users in a session with a second factor. Who may not see who they are is let to try, and told
/// nothing about themselves that is not known.
fn decides(user: Option<&str>, approvers: Option<&[String]>, mfa: bool) -> Decides {
    let is_approver = user.and_then(|user| Some(approvers?.iter().any(|name| name == user)));
    match (user, is_approver, mfa) {
        (Some(_), Some(true) | None, true) => Decides::Yes,
        (Some(_), Some(true), false) => Decides::WithFactor,
        _ => Decides::No,
    }
}

impl Typed {
    fn of(guard: &Guard) -> Self {
        Self {
            reason: String::new(),
            unseal_minutes: "15".into(),
            approvers: guard.approvers.join(" "),
            required: guard.required.to_string(),
            session_minutes: guard.session_minutes.to_string(),
            policy: String::new(),
        }
    }

    /// The same, with what a form held that was refused.
    fn with(self, change: &Change) -> Self {
        match change {
            Change::Approve { .. } | Change::DeletePolicy | Change::Reject { .. } | Change::Seal => self,
            Change::PutPolicy { policy } => Self { policy: policy.clone(), ..self },
            Change::Settings { required, approvers, minutes } => Self {
                required: required.clone(),
                approvers: approvers.clone(),
                session_minutes: minutes.clone(),
                ..self
            },
            Change::Unseal { reason, minutes } => {
                Self { reason: reason.clone(), unseal_minutes: minutes.clone(), ..self }
            }
        }
    }
}

fn policy(found: api::GuardPolicy) -> Policy {
    Policy { document: found.policy, set: minute(found.last_changed_date) }
}

fn guard(found: api::GetRootProtectionResponse) -> Guard {
    Guard {
        sealed: found.seal.state == api::SealState::Sealed,
        until: found.seal.unsealed_until.map(minute),
        reason: found.seal.reason.unwrap_or_default(),
        session_minutes: found.seal.session_minutes,
        required: found.approvers.required,
        approvers: found.approvers.user_names,
    }
}

fn row(request: api::RootAccessRequest, own_name: Option<&str>) -> Row {
    let given: Vec<_> = request.approvals.iter().map(|approval| approval.user_name.as_str()).collect();
    let agreed = own_name.is_some_and(|name| given.contains(&name));
    let by = if given.is_empty() { String::new() } else { format!(": {}", given.join(", ")) };
    Row {
        id: request.request_id,
        purpose: match request.purpose {
            api::RootAccessPurpose::SignIn => "Sign in as the root user",
            api::RootAccessPurpose::Unseal => "Break the seal",
            api::RootAccessPurpose::ChangeSettings => "Change who must agree",
            api::RootAccessPurpose::PutGuardPolicy => "Set the guard policy",
            api::RootAccessPurpose::DeleteGuardPolicy => "Remove the guard policy",
        },
        reason: request.reason.unwrap_or_default(),
        policy: request.policy,
        from: request.source_ip_address,
        asked: minute(request.requested_at),
        lapses: minute(request.expires_at),
        pending: request.status == api::RootAccessRequestStatus::Pending,
        settable: request.purpose == api::RootAccessPurpose::PutGuardPolicy
            && request.status == api::RootAccessRequestStatus::Approved,
        agreed,
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
#[derive(Clone, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Agrees to a request.
    Approve { id: String },
    /// Removes the guard policy.
    DeletePolicy,
    /// Sets the guard policy.
    PutPolicy { policy: String },
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
    let error = match carry_out(&signed_in, change.clone()).await {
        Ok(done) => return signed_in.answer(Redirect::to(&format!("/console/access?done={done}"))),
        Err(error) => error,
    };
    let page = gather(&signed_in, frame(&signed_in).refused(&error)).await;
    let waits = page.requests.as_ref().ok().and_then(|requests| waits(requests, &error, &change));
    // That others must agree first is no failure, and is told in other words.
    let refused = page.frame.refused.filter(|_| waits.is_none());
    let (frame, typed) = (Frame { refused, ..page.frame }, page.typed.with(&change));
    // The form holds what was typed, and not what others have agreed to.
    let granted = page.granted.filter(|_| !matches!(change, Change::PutPolicy { .. }));
    signed_in.answer(html_with(frame.status, &Page { frame, typed, waits, granted, ..page }))
}

/// The request that was made, or waits already, for what was refused: the refusal names it.
fn waits(requests: &[Row], error: &Error, change: &Change) -> Option<Waits> {
    let button = match change {
        Change::DeletePolicy => "Remove the guard policy",
        Change::PutPolicy { .. } => "Set the guard policy",
        Change::Settings { .. } => "Save",
        Change::Unseal { .. } => "Break the seal",
        Change::Approve { .. } | Change::Reject { .. } | Change::Seal => return None,
    };
    let request = requests.iter().find(|request| request.pending && error.message.contains(&request.id))?;
    let Row { id, approved, lapses, .. } = request;
    Some(Waits { id: id.clone(), approved: approved.clone(), lapses: lapses.clone(), button })
}

async fn carry_out(signed_in: &SignedIn, change: Change) -> Result<&'static str, Error> {
    // What is no number is refused by the API's own bounds, in its own words.
    let number = |text: &str| text.trim().parse::<i32>().unwrap_or(-1);
    match change {
        Change::Approve { id } => {
            let input = api::ApproveRootAccessRequest { request_id: id };
            signed_in.call::<api::ApproveRootAccess>(&input).await.map(|_| "approved")
        }
        Change::DeletePolicy => {
            let input = api::DeleteGuardPolicyRequest {};
            signed_in.call::<api::DeleteGuardPolicy>(&input).await.map(|_| "policy-removed")
        }
        Change::PutPolicy { policy } => {
            // Browsers end lines as mail does; what others read and agree to has the lines of a file.
            let input = api::PutGuardPolicyRequest { policy: policy.replace("\r\n", "\n") };
            signed_in.call::<api::PutGuardPolicy>(&input).await.map(|_| "policy-set")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approvers_decide_with_a_second_factor_and_nobody_else() {
        let names = ["ann".to_owned(), "bob".to_owned()];
        let of = |user, mfa| decides(user, Some(&names), mfa);
        assert_eq!(of(Some("ann"), true), Decides::Yes);
        assert_eq!(of(Some("ann"), false), Decides::WithFactor);
        assert_eq!(of(Some("eve"), true), Decides::No);
        assert_eq!(of(None, true), Decides::No);
        assert_eq!(of(Some("eve"), false), Decides::No);
        assert_eq!(decides(Some("ann"), None, true), Decides::Yes);
        assert_eq!(decides(Some("ann"), None, false), Decides::No);
        assert_eq!(decides(Some("ann"), Some(&[]), false), Decides::No);
    }
}
