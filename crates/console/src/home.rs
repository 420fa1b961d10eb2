//! Home: the state of the root user's protection, each point with its way to green.

use askama::Template;
use axum::response::Response;
use rootward_api::{iam, rootward as api};
use rootward_auth::Identity;

use crate::layout::{Frame, Part, VERSION, Words, capital, html, minute, part};
use crate::users::sign_in_address;
use crate::visit::SignedIn;

#[derive(Template)]
#[template(path = "home.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    /// Whether the root user is protected; none if that may not be seen.
    protected: Part<bool>,
    /// From when on the root user signs in with a second factor or not at all.
    required_from: Option<String>,
    /// When the root user was last used; none if never.
    last_used: Option<String>,
    /// The address for users to sign in at, once there is one and the root user is still signed in.
    sign_in: Option<String>,
    points: Vec<Point>,
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
    let found = signed_in.call::<api::GetRootProtection>(&api::GetRootProtectionRequest {}).await;
    let page = match found {
        Ok(found) => {
            let everyday = everyday(&signed_in).await;
            let mut points = points(&found, frame.is_root, everyday);
            points.splice(0..0, own_factor(&signed_in));
            let has_done = frame.is_root && found.protected && everyday == Some(true);
            Page {
                version: VERSION,
                protected: Ok(found.protected),
                required_from: found.mfa_required_from.map(minute),
                last_used: found.last_used_date.map(minute),
                sign_in: has_done.then(|| sign_in_address(&signed_in)),
                points,
                frame,
            }
        }
        Err(error) => Page {
            version: VERSION,
            frame,
            protected: part(Err(error)),
            required_from: None,
            last_used: None,
            sign_in: None,
            points: own_factor(&signed_in).into_iter().collect(),
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

/// What is open first, the worst first of all, and what an account begins with before what can wait; then what is in order.
fn points(found: &api::GetRootProtectionResponse, is_root: bool, everyday: Option<bool>) -> Vec<Point> {
    let mut open: Vec<_> = found.findings.iter().collect();
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
    if everyday == Some(false) {
        let urgent = points.iter().take_while(|point| point.state == "bad").count();
        let point = Point {
            state: "warn",
            text: "There is no user for everyday work.".into(),
            remedy: "Create a limited user and keep the root user for what nothing else can do.".into(),
            action: Some(("Create one", "/console/start")),
        };
        points.insert(urgent, point);
    }
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
        "no-mfa" => ("Register a second factor", "/console/security/register"),
        "one-mfa" => ("Register another", "/console/security/register"),
        "root-access-key" => ("Delete it", "/console/security"),
        "password-used" => ("Change it", "/console/security"),
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
