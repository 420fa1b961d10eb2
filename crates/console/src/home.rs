//! Home: what comes next in a new account, and the state of the root user's protection, each point with its way to green. Who may not
//! see that finds themselves here, and what is theirs.

use askama::Template;
use axum::response::Response;
use rootward_api::{iam, rootward as api};
use rootward_auth::Identity;

use crate::layout::{Frame, VERSION, Words, capital, html, minute, told};
use crate::organization::credentials::Summary;
use crate::users::sign_in_address;
use crate::visit::SignedIn;

#[derive(Template)]
#[template(path = "home.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    /// Whether the root user is protected, if that may be seen.
    protected: Protected,
    /// Who acts.
    arn: String,
    /// What a root user does first, until it is done.
    steps: Vec<Step>,
    /// From when on the root user signs in with a second factor or not at all.
    required_from: Option<String>,
    /// When the root user was last used; none if never.
    last_used: Option<String>,
    /// The address for users to sign in at, once there is one and the root user is still signed in.
    sign_in: Option<String>,
    points: Vec<Point>,
    /// Of the account that manages an organization.
    members: Option<Summary>,
}

impl Page {
    fn is_seen(&self) -> bool {
        matches!(self.protected, Protected::No | Protected::Yes)
    }
}

/// Whether the root user is protected.
enum Protected {
    No,
    /// That may not be seen.
    Unseen,
    /// That cannot be seen now; why.
    Unknown(String),
    Yes,
}

/// What is to be done first in an account.
struct Step {
    done: bool,
    text: &'static str,
    why: &'static str,
    /// A label and an address.
    action: Option<(&'static str, &'static str)>,
}

/// One point of the root user's protection.
struct Point {
    /// The class that colours it.
    state: &'static str,
    text: String,
    /// What to do about it; empty if nothing.
    remedy: String,
    /// What to do about it, in one click: a label and an address.
    action: Option<(&'static str, &'static str)>,
}

pub(crate) async fn page(signed_in: SignedIn) -> Response {
    let frame = Frame::new(&signed_in, "Root protection", "home");
    let acting = signed_in.live.acting();
    let arn = acting.arn();
    let found = signed_in.call::<api::GetRootProtection>(&api::GetRootProtectionRequest {}).await;
    let members = Summary::read(&signed_in).await;
    let page = match found {
        Ok(found) => {
            let everyday = everyday(&signed_in).await;
            let steps = if frame.is_root { steps(&found, everyday) } else { Vec::new() };
            let mut points = points(&found, frame.is_root, !steps.is_empty());
            points.splice(0..0, own_factor(&signed_in));
            let has_done = frame.is_root && found.protected && everyday == Some(true);
            Page {
                version: VERSION,
                protected: if found.protected { Protected::Yes } else { Protected::No },
                arn,
                steps,
                required_from: found.mfa_required_from.map(minute),
                last_used: found.last_used_date.map(minute),
                sign_in: has_done.then(|| sign_in_address(&signed_in)),
                points,
                members,
                frame,
            }
        }
        Err(error) => Page {
            version: VERSION,
            frame: Frame { title: "Home", ..frame },
            protected: if error.code.starts_with("AccessDenied") {
                Protected::Unseen
            } else {
                Protected::Unknown(told(&error))
            },
            arn,
            steps: Vec::new(),
            required_from: None,
            last_used: None,
            sign_in: None,
            points: own_factor(&signed_in).into_iter().collect(),
            members,
        },
    };
    signed_in.answer(html(&page))
}

/// A user who has come in with a password alone.
fn own_factor(signed_in: &SignedIn) -> Option<Point> {
    let acting = signed_in.live.acting();
    let lacks = matches!(acting.identity, Identity::User(_)) && acting.mfa().is_none();
    lacks.then(|| Point {
        state: "warn",
        text: "You signed in with your password alone.".into(),
        remedy: "Register a second factor, or if you have one, sign in with it.".into(),
        action: Some(("Register a second factor", "/console/security/register")),
    })
}

/// Whether there is a user for everyday work; none if that may not be seen.
async fn everyday(signed_in: &SignedIn) -> Option<bool> {
    let input = iam::ListUsersRequest { max_items: Some(1), ..Default::default() };
    signed_in.call::<iam::ListUsers>(&input).await.ok().map(|listed| !listed.users.is_empty())
}

/// What an account begins with, until it has that.
fn steps(found: &api::GetRootProtectionResponse, everyday: Option<bool>) -> Vec<Step> {
    let has_factor = found.findings.iter().all(|finding| finding.id != NO_FACTOR);
    let has_user = everyday != Some(false);
    if has_factor && has_user {
        return Vec::new();
    }
    vec![
        Step {
            done: has_factor,
            text: "Protect the root user with a second factor",
            why: "Until then its password alone is enough to do everything in this account.",
            action: Some(("Register a second factor", "/console/security/register")),
        },
        Step {
            done: has_user,
            text: "Create a user for everyday work",
            why: "With the permissions that the work needs; the root user is kept for what nothing else can do.",
            action: Some(("Create one", "/console/start")),
        },
        Step {
            done: false,
            text: "Sign out, and sign in as that user",
            why: "There, register a second factor for it too.",
            action: None,
        },
    ]
}

/// The finding that the first step mends.
const NO_FACTOR: &str = "no-mfa";

/// What is open first, the worst first of all; then what is in order. What the steps say is not said again.
fn points(found: &api::GetRootProtectionResponse, is_root: bool, has_steps: bool) -> Vec<Point> {
    let mut open: Vec<_> =
        found.findings.iter().filter(|finding| !has_steps || finding.id != NO_FACTOR).collect();
    open.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut points: Vec<_> = open
        .into_iter()
        .map(|finding| Point {
            state: match finding.severity {
                api::FindingSeverity::Critical | api::FindingSeverity::High => "bad",
                api::FindingSeverity::Medium | api::FindingSeverity::Low => "warn",
            },
            text: sentence(&finding.message),
            remedy: sentence(&finding.remedy),
            action: action(&finding.id).filter(|_| is_root),
        })
        .collect();
    let is_open = |ids: &[&str]| found.findings.iter().any(|finding| ids.contains(&finding.id.as_str()));
    let mut in_order = |ids: &[&str], text: String| {
        if !is_open(ids) {
            points.push(Point { state: "good", text, remedy: String::new(), action: None });
        }
    };
    let factors = match found.mfa_devices.len() {
        0 => "The root user has no password: nobody can sign in as it.".into(),
        count => format!("The root user has {count} second factors."),
    };
    in_order(&["no-mfa", "one-mfa"], factors);
    in_order(&["no-alerts"], "Somebody is told when the root user is used.".into());
    in_order(&["root-access-key"], "The root user has no access keys.".into());
    in_order(&["unsealed", "no-seal"], "The root user is sealed.".into());
    let approvers = &found.approvers;
    in_order(
        &["no-approvals", "too-few-approvers"],
        format!(
            "{} of {} {} must agree to its use.",
            approvers.required,
            approvers.user_names.len(),
            if approvers.user_names.len() == 1 { "approver" } else { "approvers" }
        ),
    );
    points
}

/// Where the root user mends what was found.
fn action(finding: &str) -> Option<(&'static str, &'static str)> {
    Some(match finding {
        NO_FACTOR => ("Register a second factor", "/console/security/register"),
        "one-mfa" => ("Register another", "/console/security/register"),
        "root-access-key" => ("Delete it", "/console/security"),
        "unsealed" => ("Close the seal", "/console/access"),
        "no-approvals" | "too-few-approvers" => ("Name approvers", "/console/access"),
        _ => return None,
    })
}

/// A sentence of a message that begins small and has no stop.
fn sentence(text: &str) -> String {
    let text = capital(text);
    // What ends with a command has no stop that somebody would copy with it.
    if text.ends_with(['.', '`']) { text } else { format!("{text}.") }
}
