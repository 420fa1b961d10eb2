//! Switching to a role, and back; and the roles that a browser has switched to before.
//!
//! `AssumeRole` decides, called as whoever has signed in: switching from one role to another is a switch of theirs, as at AWS.
//! When the hour of a role is over, the next request asks for another one; if that is refused the user is themselves again
//! and is told so, and nothing of the request is done.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::StatusCode;
use rootward_api::sts;
use rootward_auth::{Identity, Principal};
use rootward_signin::{Live, Refused, Switched};
use rootward_wire::Error;
use serde::{Deserialize, Serialize};

use crate::layout::{Frame, Problem, VERSION, html, html_with, status, told};
use crate::sign_in::sentence;
use crate::visit::{Posted, Query, SignedIn, Visit};

/// How many roles a browser remembers.
const REMEMBERED_MAX: usize = 5;
/// The longest display name, in characters.
const DISPLAY_CHARS_MAX: usize = 64;
/// Longer paths and names of roles are not remembered: five of them must fit into a cookie.
const ROLE_BYTES_MAX: usize = 128;
/// Longer cookies are not looked at.
const COOKIE_BYTES_MAX: usize = 4_096;
/// Where a switch leads to.
const HOME: &str = "/console";

/// The colours that remind people of where they are, those of AWS's console.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Colour {
    Blue,
    Green,
    Orange,
    #[default]
    Red,
    Yellow,
}

impl Colour {
    const ALL: [Self; 5] = [Self::Red, Self::Orange, Self::Yellow, Self::Green, Self::Blue];

    /// Its name, also of its class.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
            Self::Orange => "orange",
            Self::Red => "red",
            Self::Yellow => "yellow",
        }
    }
}

/// A role that this browser has switched to. It is what the browser says, and grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    account: String,
    /// The name, with the path before it.
    role: String,
    display: String,
    colour: Colour,
}

impl Remembered {
    /// Those of a cookie; none of a cookie that is not ours.
    pub(crate) fn read(cookie: Option<&str>) -> Vec<Self> {
        let cookie = cookie.filter(|cookie| cookie.len() <= COOKIE_BYTES_MAX);
        let json = cookie.and_then(|cookie| BASE64_URL_SAFE_NO_PAD.decode(cookie).ok());
        let mut roles: Vec<Self> =
            json.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        roles.truncate(REMEMBERED_MAX);
        roles
    }

    /// The value of the cookie.
    pub(crate) fn write(roles: &[Self]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(roles).unwrap_or_default())
    }

    /// The roles with this one first.
    fn before(self, roles: &[Self]) -> Vec<Self> {
        let mut all = roles.to_vec();
        all.retain(|each| (&each.account, &each.role) != (&self.account, &self.role));
        if self.role.len() <= ROLE_BYTES_MAX {
            all.insert(0, self);
        }
        all.truncate(REMEMBERED_MAX);
        all
    }

    /// Whether it is shown under no name of its own.
    fn is_plain(&self) -> bool {
        self.display == default_display(&self.role, &self.account)
    }

    fn is(&self, role: &Principal) -> bool {
        let Identity::RoleSession(session) = &role.identity else { return false };
        let path = session.role.path.trim_start_matches('/');
        self.account == role.account.to_string() && self.role.strip_prefix(path) == Some(&*session.role.name)
    }
}

/// What each page shows of the role that was switched to.
#[derive(Clone)]
pub(crate) struct Badge {
    pub(crate) display: String,
    pub(crate) colour: Colour,
}

impl Badge {
    /// That of the session's role, with the name and colour that the browser remembers.
    pub(crate) fn of(signed_in: &SignedIn) -> Option<Self> {
        let role = signed_in.live.role.as_ref()?;
        let Identity::RoleSession(session) = &role.identity else { return None };
        let known = signed_in.visit.roles.iter().find(|known| known.is(role));
        Some(match known {
            Some(Remembered { display, colour, .. }) => Self { display: display.clone(), colour: *colour },
            None => Self {
                display: default_display(&session.role.name, &role.account.to_string()),
                colour: Colour::default(),
            },
        })
    }
}

fn default_display(role: &str, account: &str) -> String {
    format!("{} @ {account}", role.rsplit('/').next().unwrap_or(role))
}

#[derive(Template)]
#[template(path = "switch_role.html")]
struct Page<'a> {
    version: &'static str,
    frame: Frame,
    form: Wanted,
    recent: &'a [Remembered],
    colours: &'static [Colour],
    display_chars_max: usize,
    /// Why whoever has signed in cannot switch at all.
    cannot: Option<&'static str>,
    /// What has become of the role before.
    ended: Option<&'static str>,
}

/// The role that is to be switched to, as typed.
#[derive(Default, Deserialize)]
pub(crate) struct Wanted {
    account: String,
    role: String,
    #[serde(default)]
    display: String,
    #[serde(default)]
    colour: Colour,
}

/// A link with a role, in the names that AWS's links have. It fills the form in, and no more.
#[derive(Deserialize)]
pub(crate) struct Link {
    account: Option<String>,
    #[serde(rename = "roleName")]
    role: Option<String>,
    #[serde(rename = "displayName")]
    display: Option<String>,
    ended: Option<String>,
}

const ENDED: &str = "The hour in the role was over and could not be renewed: you are yourself again, with your own permissions. \
    What you have just asked for was not done.";

pub(crate) async fn page(signed_in: SignedIn, Query(link): Query<Link>) -> Response {
    let form = Wanted {
        account: link.account.unwrap_or_default(),
        role: link.role.unwrap_or_default(),
        display: link.display.unwrap_or_default(),
        colour: Colour::default(),
    };
    let page = Page { ended: link.ended.is_some().then_some(ENDED), ..Page::new(&signed_in, form) };
    signed_in.answer(html(&page))
}

impl<'a> Page<'a> {
    fn new(signed_in: &'a SignedIn, form: Wanted) -> Self {
        let cannot = match signed_in.live.signed_in.identity {
            Identity::AssumedRoot(_) | Identity::Root => Some(
                "The root user cannot switch to a role, nor assume one. Sign in as an IAM user that may: roles are for everyday \
                 work, and the root user is not.",
            ),
            Identity::FederatedUser(_) => Some(
                "Federated users of GetFederationToken cannot assume roles, and so cannot switch to one.",
            ),
            Identity::RoleSession(_) | Identity::User(_) => None,
        };
        Self {
            version: VERSION,
            frame: Frame::new(signed_in, "Switch role", "switch-role"),
            form,
            recent: &signed_in.visit.roles,
            colours: &Colour::ALL,
            display_chars_max: DISPLAY_CHARS_MAX,
            cannot,
            ended: None,
        }
    }
}

pub(crate) async fn switch(Posted(signed_in, form): Posted<Wanted>) -> Response {
    match carry_out(&signed_in, &form).await {
        Ok(roles) => signed_in.answer(signed_in.visit.with_roles(Redirect::to(HOME), &roles)),
        Err((status, refused)) => {
            let page = Page::new(&signed_in, form);
            let frame = Frame { refused: Some(refused), ..page.frame };
            signed_in.answer(html_with(status, &Page { frame, ..page }))
        }
    }
}

/// Switches; the roles that the browser remembers from now on.
async fn carry_out(signed_in: &SignedIn, form: &Wanted) -> Result<Vec<Remembered>, (StatusCode, String)> {
    let SignedIn { visit, live, .. } = signed_in;
    let display = form.display.trim();
    if display.chars().count() > DISPLAY_CHARS_MAX || display.chars().any(char::is_control) {
        let text = format!("The display name must be {DISPLAY_CHARS_MAX} characters at most, on one line.");
        return Err((StatusCode::BAD_REQUEST, text));
    }
    let role_arn = visit.house.signin.role_arn(live.signed_in.partition, &form.account, &form.role);
    let Some(role_arn) = role_arn else {
        return Err((StatusCode::BAD_REQUEST, "There is no account with this ID or alias.".into()));
    };
    let wanted = Switched { role_arn, session_name: session_name(&live.signed_in) };
    let refused = |error: &Error| {
        let text = told(error);
        let why = " Either there is no such role, or its trust policy does not let you in, or no policy of yours allows sts:AssumeRole on it.";
        (status(error), if error.code.starts_with("AccessDenied") { text + why } else { text })
    };
    let token = assume(visit, &live.signed_in, &wanted).await.map_err(|error| refused(&error))?;
    let user = live.clone();
    let role = visit.step(move |signin, visitor| signin.switch(visitor, &user, &token, HOME));
    let role = role.await.map_err(|refused| (StatusCode::CONFLICT, sentence(refused)))?.role;
    let account = role.map(|role| role.account.to_string()).unwrap_or_default();
    let name = form.role.trim().trim_start_matches('/').to_owned();
    let display = if display.is_empty() { default_display(&name, &account) } else { display.to_owned() };
    let used = Remembered { account, role: name, display, colour: form.colour };
    Ok(used.before(&visit.roles))
}

/// A form without fields.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

/// Back to who has signed in.
pub(crate) async fn exit(Posted(signed_in, Nothing {}): Posted<Nothing>) -> Response {
    match leave_role(&signed_in.visit, &signed_in.live).await {
        Ok(_) => signed_in.answer(Redirect::to(HOME)),
        Err(refused) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, &sentence(refused)).into_response(),
    }
}

/// The session with its role for another hour, if the last one is over; an answer that says so if there is none.
pub(crate) async fn renewed(visit: Visit, live: Live) -> Result<(Visit, Live), Response> {
    if live.row.role.is_none() || live.role.is_some() {
        return Ok((visit, live));
    }
    if let Some(wanted) = visit.house.signin.switched(&live)
        && let Ok(token) = assume(&visit, &live.signed_in, &wanted).await
    {
        let over = live.clone();
        let renewed = visit.step(move |signin, visitor| signin.renew(visitor, &over, &token, HOME));
        // Of several requests at once one renews, and the others find that it has.
        if let Some(live) = renewed.await.ok().or_else(|| visit.live().filter(|live| live.role.is_some())) {
            return Ok((visit, live));
        }
    }
    Err(match leave_role(&visit, &live).await {
        Ok(_) | Err(Refused::BeginAgain) => Redirect::to("/console/switch-role?ended=1").into_response(),
        Err(refused) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, &sentence(refused)).into_response(),
    })
}

/// The session token of the role, for whoever has signed in.
async fn assume(visit: &Visit, who: &Principal, wanted: &Switched) -> Result<String, Error> {
    let input = sts::AssumeRoleRequest {
        role_arn: wanted.role_arn.clone(),
        role_session_name: wanted.session_name.clone(),
        ..Default::default()
    };
    let output = visit.call_as::<sts::AssumeRole>(who, &input).await?;
    let credentials =
        output.credentials.ok_or_else(|| Error::internal("a role was assumed without credentials"))?;
    Ok(credentials.session_token)
}

/// The name of the role's session: that of the user, as at AWS.
fn session_name(principal: &Principal) -> String {
    let name = match &principal.identity {
        Identity::FederatedUser(user) => &*user.name,
        Identity::AssumedRoot(_) | Identity::Root => "root",
        Identity::RoleSession(session) => &*session.name,
        Identity::User(user) => &*user.name,
    };
    // Names of users may have one character, those of sessions have two at least.
    if name.len() < 2 { format!("{name}@{}", principal.account) } else { name.to_owned() }
}

/// The session without its role.
async fn leave_role(visit: &Visit, live: &Live) -> Result<Live, Refused> {
    let live = live.clone();
    visit.step(move |signin, visitor| signin.exit_role(visitor, &live, HOME)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(n: u8) -> Remembered {
        let (account, role, display) = ("111122223333".into(), format!("team/role{n}"), "é".repeat(64));
        Remembered { account, role, display, colour: Colour::Blue }
    }

    #[test]
    fn browser_remembers_the_roles_used_last_each_once() {
        let roles = [1, 2, 3, 4, 5, 6, 4].into_iter().fold(Vec::new(), |roles, n| role(n).before(&roles));
        assert_eq!(roles, [4, 6, 5, 3, 2].map(role));
        assert_eq!(Remembered::read(Some(&Remembered::write(&roles))), roles);
    }

    #[test]
    fn cookie_that_says_something_else_is_none() {
        let json = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        for cookie in ["", "é", "AAAA", &json("{}"), &json(r#"[{"account": 1}]"#), &"A".repeat(5_000)] {
            assert_eq!(Remembered::read(Some(cookie)), [], "{cookie}");
        }
        assert_eq!(Remembered::read(None), []);
    }

    #[test]
    fn role_with_a_long_path_is_not_remembered_and_five_fit_into_a_cookie() {
        let long = |n: u8, bytes: usize| {
            let role_name = format!("{n}{}", "r".repeat(bytes - 1));
            Remembered { role: role_name, display: "\u{1F511}".repeat(64), ..role(n) }
        };
        let roles = (0..5).fold(Vec::new(), |roles, n| long(n, ROLE_BYTES_MAX).before(&roles));
        assert_eq!(roles.len(), 5);
        assert!(Remembered::write(&roles).len() < COOKIE_BYTES_MAX - 200);
        assert_eq!(long(9, ROLE_BYTES_MAX + 1).before(&roles), roles);
    }
}
