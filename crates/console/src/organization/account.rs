//! An account of the organization: what is known of it, what binds it, what its root user has, and what it can do.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use rootward_api::organizations as orgs;
use rootward_api::rootward as api;
use serde::Deserialize;

use super::Levels;
use super::credentials::{Held, Standing};
use super::explain::{self, Explained, Own, Summary, is_account};
use crate::layout::{Frame, Part, Problem, VERSION, html_with, minute, not_found, part, told};
use crate::visit::{Query, SignedIn};

#[derive(Template)]
#[template(path = "organization_account.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    account: Part<Facts>,
    levels: Part<Levels>,
    explained: Part<Explained>,
    /// Why what was asked beside has no answer.
    unanswered: Option<String>,
    held: Part<Option<Held>>,
    standing: Standing,
    /// What was asked beside what the page asks by itself.
    asked: Asked,
}

struct Facts {
    id: String,
    name: String,
    email: String,
    state: Option<orgs::AccountState>,
    joined: String,
    /// `o-…/r-…/ou-…/ID/`
    path: String,
}

/// What the page is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    action: String,
    resource: String,
    done: Option<String>,
}

pub(crate) async fn page(
    signed_in: SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    if !is_account(&id) {
        return Err(not_found().await);
    }
    let done = match asked.done.as_deref() {
        Some("deleted") => Some("The root user has no credentials any more, and cannot sign in."),
        Some("recoverable") if !signed_in.visit.house.signin.recovers_by_mail() => Some(
            "Recovery is allowed. This node sends no mail, and so nobody can set a password that way yet.",
        ),
        Some("recoverable") => Some(
            "Whoever reads the mail of the root user’s address can set a password now, under “Forgot password”.",
        ),
        _ => None,
    };
    let frame = Frame { done, ..Frame::new(&signed_in, "Account", "organization") };
    Ok(show(&signed_in, frame, &id, asked).await)
}

async fn show(signed_in: &SignedIn, frame: Frame, id: &str, asked: Asked) -> Response {
    let input = orgs::DescribeAccountRequest { account_id: id.to_owned() };
    let (frame, account) = match signed_in.call::<orgs::DescribeAccount>(&input).await {
        Ok(found) => (frame, Ok(Facts::of(found.account, manages(signed_in, id)))),
        Err(error) => (frame.unread(&error), part(Err(error))),
    };
    let is_seen = account.is_ok();
    let levels = if is_seen { levels(signed_in, id).await } else { Err(String::new()) };
    let own = Own { action: asked.action.trim(), resource: asked.resource.trim() };
    let own = Some(own).filter(|own| !own.action.is_empty());
    let (frame, explained, unanswered) = match &levels {
        Ok(levels) => explained(signed_in, frame, id, levels, own).await,
        Err(why) => (frame, Err(why.clone()), None),
    };
    let is_management = levels.as_ref().is_ok_and(Levels::is_management);
    let held = if is_seen && !is_management { Held::read(signed_in, id).await } else { Ok(None) };
    let standing = Standing::of(signed_in);
    let page =
        Page { version: VERSION, frame, account, levels, explained, unanswered, held, standing, asked };
    signed_in.answer(html_with(page.frame.status, &page))
}

/// Whether the account manages the organization that who looks is of.
fn manages(signed_in: &SignedIn, id: &str) -> bool {
    let world = signed_in.visit.house.db.snapshot();
    let state = world.organization_of(signed_in.live.acting().account);
    state.is_some_and(|state| id.parse().is_ok_and(|id| state.is_management(id)))
}

/// What its root user can do. A question of somebody's that is none takes only its own answer away.
async fn explained(
    signed_in: &SignedIn,
    frame: Frame,
    id: &str,
    levels: &Levels,
    own: Option<Own<'_>>,
) -> (Frame, Part<Explained>, Option<String>) {
    let is_asked = own.is_some();
    match explain::explain(signed_in, id, levels, own).await {
        Err(error) if is_asked => {
            let rest = explain::explain(signed_in, id, levels, None).await;
            (frame.unread(&error), part(rest), Some(told(&error)))
        }
        answer => (frame, part(answer), None),
    }
}

async fn levels(signed_in: &SignedIn, id: &str) -> Part<Levels> {
    let input =
        api::GetOrganizationTreeRequest { at: Some(id.to_owned()), max_results: Some(1), next_token: None };
    let tree = part(signed_in.call::<api::GetOrganizationTree>(&input).await)?;
    Levels::of(&tree, Some(id)).ok_or_else(|| "The account is not in the tree any more.".to_owned())
}

impl Page {
    /// What it comes to what the root user can do.
    fn summary(&self, explained: &Explained) -> Summary {
        let held = self.held.as_ref().ok().and_then(Option::as_ref);
        explained.summary(held.map(Held::has_way_in))
    }
}

impl Facts {
    fn of(account: Option<orgs::Account>, is_management: bool) -> Self {
        let (id, email, name, state, paths, method, time) = account
            .map(|it| (it.id, it.email, it.name, it.state, it.paths, it.joined_method, it.joined_timestamp))
            .unwrap_or_default();
        let method = match method {
            // As at AWS the API says of it that it was invited.
            _ if is_management => "made the organization",
            Some(orgs::AccountJoinedMethod::Created) => "opened in the organization",
            Some(orgs::AccountJoinedMethod::Invited) => "invited",
            None => "",
        };
        Self {
            id: id.unwrap_or_default(),
            name: name.map(|name| name.expose().to_owned()).unwrap_or_default(),
            email: email.map(|email| email.expose().to_owned()).unwrap_or_default(),
            state,
            joined: format!("{}, {method}", time.map(minute).unwrap_or_default()),
            path: paths.and_then(|paths| paths.into_iter().next()).unwrap_or_default(),
        }
    }

    fn is_active(&self) -> bool {
        self.state == Some(orgs::AccountState::Active)
    }

    fn state(&self) -> &'static str {
        self.state.map(|state| state.as_str()).unwrap_or_default()
    }
}

impl Levels {
    pub(super) fn is_management(&self) -> bool {
        self.is_management
    }

    /// What it is in, from the root down.
    fn above(&self) -> &[super::Level] {
        self.levels.split_last().map_or(&[], |(_, above)| above)
    }

    /// The name of what has this id, on the way from the root down.
    pub(super) fn name_of(&self, id: &str) -> String {
        let level = self.levels.iter().find(|level| level.id == id);
        level.map_or_else(|| id.to_owned(), |level| level.name.clone())
    }
}
