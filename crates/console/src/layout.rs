//! What every page has: the frame around it, notices, and the page of a problem.

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{Method, StatusCode, Uri};
use rootward_auth::Identity;
use rootward_wire::Error;

use crate::organization::credentials;
use crate::switch_role::Badge;
use crate::visit::SignedIn;

/// In the addresses of styles and scripts.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The frame around a page of a session.
#[derive(Clone)]
pub(crate) struct Frame {
    /// The title of the page.
    pub(crate) title: &'static str,
    /// Which entry of the menu is the page's.
    pub(crate) at: &'static str,
    /// The account's name.
    pub(crate) account_name: String,
    /// The account's id.
    pub(crate) account_id: String,
    /// Who acts, as people call them.
    pub(crate) who: String,
    /// The role that was switched to, if one was.
    pub(crate) role: Option<Badge>,
    /// Whether that is the root user.
    pub(crate) is_root: bool,
    /// Whether the session is good for nothing but to register a second factor.
    pub(crate) restricted: bool,
    /// Whether root users of members are managed from this account.
    pub(crate) has_member_roots: bool,
    /// How many requests for root access wait for who acts to decide.
    pub(crate) waiting: usize,
    /// When a sealed root user's session ends, to the minute.
    pub(crate) until: Option<String>,
    /// The mark of the page's forms.
    pub(crate) mark: String,
    /// What has been done.
    pub(crate) done: Option<&'static str>,
    /// What was refused, in the API's words.
    pub(crate) refused: Option<String>,
    /// The status of the page: of what was refused, if something was.
    pub(crate) status: StatusCode,
}

/// An entry of the menu.
pub(crate) struct Entry {
    pub(crate) at: &'static str,
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
}

const fn entry(at: &'static str, path: &'static str, name: &'static str) -> Entry {
    Entry { at, path, name }
}

/// The menu: groups of entries.
const MENU: &[(&str, &[Entry])] = &[
    ("Root", &[entry("home", "", "Protection"), entry("access", "/access", "Root access")]),
    (
        "Access",
        &[
            entry("users", "/users", "Users"),
            entry("groups", "/groups", "Groups"),
            entry("roles", "/roles", "Roles"),
            entry("policies", "/policies", "Policies"),
            entry("simulator", "/simulator", "Simulator"),
        ],
    ),
    (
        "Account",
        &[
            entry("account", "/account", "Account"),
            entry("password-policy", "/password-policy", "Password policy"),
            entry("trail", "/trail", "Audit trail"),
        ],
    ),
    (
        "Organization",
        &[
            entry("organization", "/organization", "Units and accounts"),
            entry("member-roots", "/organization/root-access", "Member root users"),
        ],
    ),
    (
        "You",
        &[
            entry("security", "/security", "Security credentials"),
            entry("sessions", "/sessions", "Sessions"),
            entry("switch-role", "/switch-role", "Switch role"),
        ],
    ),
];

impl Frame {
    /// Whether an entry of the menu is for this account.
    pub(crate) fn offers(&self, entry: &Entry) -> bool {
        entry.at != "member-roots" || self.has_member_roots
    }

    /// The menu of every page.
    pub(crate) fn menu(&self) -> &'static [(&'static str, &'static [Entry])] {
        MENU
    }

    /// The frame of a page that shows something.
    pub(crate) fn new(signed_in: &SignedIn, title: &'static str, at: &'static str) -> Self {
        let principal = signed_in.live.acting();
        let world = signed_in.visit.house.db.snapshot();
        let account_name = world.account(principal.account).map(|state| state.account().name.to_string());
        let who = match &principal.identity {
            Identity::FederatedUser(user) => format!("{} (federated)", user.name),
            Identity::AssumedRoot(_) | Identity::Root => "root user".into(),
            Identity::RoleSession(session) => format!("{}/{}", session.role.name, session.name),
            Identity::User(user) => user.name.to_string(),
        };
        let row = &signed_in.live.row;
        Self {
            title,
            at,
            account_name: account_name.unwrap_or_default(),
            account_id: principal.account.to_string(),
            who,
            role: Badge::of(signed_in),
            is_root: principal.is_root(),
            restricted: row.restricted,
            has_member_roots: credentials::is_for(&world, principal.account),
            waiting: signed_in.visit.house.signin.awaited_of(&signed_in.live),
            until: row.reason.is_some().then(|| minute(row.expires)),
            mark: signed_in.mark(),
            done: None,
            refused: None,
            status: StatusCode::OK,
        }
    }

    /// The same frame, saying what was refused.
    pub(crate) fn refused(self, error: &Error) -> Self {
        Self { refused: Some(told(error)), status: status(error), ..self }
    }

    /// The same frame, saying what is wrong with what was typed.
    pub(crate) fn mistyped(self, text: impl Into<String>) -> Self {
        Self { refused: Some(text.into()), status: StatusCode::BAD_REQUEST, ..self }
    }

    /// The same frame, for a page that says by itself why what it is about may not be read.
    pub(crate) fn unread(self, error: &Error) -> Self {
        let status = if self.status == StatusCode::OK { status(error) } else { self.status };
        Self { status, ..self }
    }
}

/// What a page shows, or why it may not be shown, as the page says it.
pub(crate) type Part<T> = Result<T, String>;

/// What a call answered, as a part of a page.
pub(crate) fn part<T>(answered: Result<T, Error>) -> Part<T> {
    answered.map_err(|error| unseen(&error))
}

/// Why something may not be seen: who lacks which permission.
pub(crate) fn unseen(error: &Error) -> String {
    if error.code.starts_with("AccessDenied") {
        format!("You may not see this. {}", error.message)
    } else {
        told(error)
    }
}

/// A text whose commands, names and places stand between backticks, as a page shows it.
#[derive(Template)]
#[template(path = "words.html")]
pub(crate) struct Words<'a> {
    /// Words, command, words, command and so on.
    pieces: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// A backtick without its partner is one of the text.
    pub(crate) fn of(text: &'a str) -> Self {
        let pieces: Vec<_> = text.split('`').collect();
        Self { pieces: if pieces.len() % 2 == 1 { pieces } else { vec![text] } }
    }
}

/// An error of an API as a page tells it.
pub(crate) fn told(error: &Error) -> String {
    format!("{}: {}", error.code, error.message)
}

/// The status of a page that tells an error.
pub(crate) fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A text as the beginning of a sentence.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A time to the minute, as pages show it: UTC, because the audit trail is.
pub(crate) fn minute(time: rootward_names::Time) -> String {
    let text = time.to_string();
    let (day, clock) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", clock.get(..5).unwrap_or(clock))
}

/// A page as an answer.
pub(crate) fn html(page: &impl Template) -> Response {
    html_with(StatusCode::OK, page)
}

/// A page as an answer with this status.
pub(crate) fn html_with(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the console cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page that says why there is no other.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    text: String,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    version: &'static str,
    text: &'a str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, text: &str) -> Self {
        Self { status, text: text.to_owned() }
    }

    pub(crate) fn internal(cause: &'static str) -> Self {
        tracing::error!(cause, "a page of the console failed by our own fault");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here. It is in the server's log.")
    }

    pub(crate) fn foreign_form() -> Self {
        let text = "This form was not sent from a page of this console, or the page is too old. Nothing was done: open the \
             page anew and try again.";
        Self::new(StatusCode::FORBIDDEN, text)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        html_with(self.status, &Page { version: VERSION, text: &self.text })
    }
}

/// There is no such page.
pub(crate) async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no such page.")
}

/// An address that takes nothing but forms leads to the page that has them: people come back to it by the history, by reloading,
/// or by signing in again after a session has ended.
pub(crate) async fn only_forms(method: Method, uri: Uri) -> Response {
    let parent = uri.path().rsplit_once('/').map_or("", |(parent, _)| parent);
    if method == Method::GET && parent.starts_with("/console") {
        Redirect::to(parent).into_response()
    } else {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address takes no such request.").into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_shown_as_code_and_everything_as_text() {
        let shown = |text| Words::of(text).render().unwrap();
        assert_eq!(shown("Run `a <b>` now & then."), "Run <code>a &#60;b&#62;</code> now &#38; then.");
        assert_eq!(shown("`a`"), "<code>a</code>");
        assert_eq!(shown("one ` alone"), "one ` alone");
    }

    #[test]
    fn what_may_not_be_seen_is_told_with_the_permission_that_lacks() {
        let error = |code: &'static str| Error {
            code: code.into(),
            message: "because no identity-based policy allows the iam:ListUsers action".into(),
            ..rootward_wire::CommonError::InternalFailure.with("")
        };
        let text = unseen(&error("AccessDenied"));
        assert!(text.starts_with("You may not see this.") && text.contains("iam:ListUsers"), "{text}");
        assert!(unseen(&error("NoSuchEntity")).starts_with("NoSuchEntity: "));
    }
}
