//! Roles: the list, and who may become one of them, for how long and with which permissions.

use askama::Template;
use axum::extract::Path;
use axum::response::{Redirect, Response};
use rootward_api::iam;
use rootward_wire::Error;
use serde::Deserialize;

use crate::editor::{self, Findings};
use crate::grants::{self, Grants, Inline, Kind, decoded};
use crate::layout::{Frame, Part, VERSION, html_with, minute, status};
use crate::list::{self, Done, Marker, address};
use crate::visit::{Posted, Query, SignedIn};

#[derive(Template)]
#[template(path = "roles.html")]
struct List {
    version: &'static str,
    frame: Frame,
    roles: Part<Vec<Row>>,
    next: Option<String>,
    /// What a new role begins with: an example, or what was written and refused.
    draft: New,
    findings: Findings,
}

struct Row {
    name: String,
    path: String,
    created: String,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Roles", "roles")
}

pub(crate) async fn list(signed_in: SignedIn, Query(marker): Query<Marker>) -> Response {
    let frame = frame(&signed_in);
    let list = read_list(&signed_in, frame, marker).await;
    signed_in.answer(html_with(list.frame.status, &list))
}

async fn read_list(signed_in: &SignedIn, frame: Frame, marker: Marker) -> List {
    let input = iam::ListRolesRequest { path_prefix: None, marker: marker.marker, max_items: None };
    let listed = signed_in.call::<iam::ListRoles>(&input).await.map(|listed| (listed.roles, listed.marker));
    let row =
        |role: iam::Role| Row { name: role.role_name, path: role.path, created: minute(role.create_date) };
    let (frame, roles, next) = list::read(frame, "/console/roles", listed, row);
    let draft = New { trust: own_account(signed_in), ..New::default() };
    List { version: VERSION, frame, roles, next, draft, findings: Findings::default() }
}

/// The trust policy of a role for users and roles of the same account.
fn own_account(signed_in: &SignedIn) -> String {
    let acting = signed_in.live.acting();
    let root = rootward_auth::principal::root_arn(acting.partition, acting.account);
    format!(
        r#"{{
  "Version": "2012-10-17",
  "Statement": [{{
    "Effect": "Allow",
    "Principal": {{ "AWS": "{root}" }},
    "Action": "sts:AssumeRole"
  }}]
}}"#
    )
}

/// A role to be made.
#[derive(Default, Deserialize)]
pub(crate) struct New {
    name: String,
    description: String,
    trust: String,
}

pub(crate) async fn create(Posted(signed_in, form): Posted<New>) -> Response {
    let input = iam::CreateRoleRequest {
        role_name: form.name.clone(),
        assume_role_policy_document: form.trust.clone(),
        description: Some(form.description.clone()).filter(|text| !text.is_empty()),
        ..Default::default()
    };
    match signed_in.call::<iam::CreateRole>(&input).await {
        Ok(_) => signed_in.answer(Redirect::to(&address("roles", &form.name, Some("created")))),
        Err(error) => {
            let frame = frame(&signed_in).refused(&error);
            let list = read_list(&signed_in, frame, Marker::default()).await;
            let findings = Findings::of(editor::Kind::Trust, &form.trust);
            signed_in.answer(html_with(status(&error), &List { draft: form, findings, ..list }))
        }
    }
}

#[derive(Template)]
#[template(path = "role.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    /// The address of this page.
    here: String,
    name: String,
    arn: String,
    id: String,
    created: String,
    last_used: String,
    boundary: Option<String>,
    description: String,
    /// The longest session, in seconds.
    session: String,
    /// The trust policy, or what was written instead and refused.
    trust: String,
    findings: Findings,
    grants: Grants,
}

pub(crate) async fn page(
    signed_in: SignedIn,
    Path(name): Path<String>,
    Query(done): Query<Done>,
) -> Response {
    let done = match done.done.as_deref() {
        Some("created") => Some("The role is there. Give it the permissions it needs."),
        Some("changed") => Some("The role is changed."),
        _ => None,
    };
    let frame = Frame { done, ..frame(&signed_in) };
    show(&signed_in, frame, name, None).await
}

async fn show(signed_in: &SignedIn, frame: Frame, name: String, draft: Option<Inline>) -> Response {
    match gather(signed_in, frame.clone(), name, draft).await {
        Ok(page) => signed_in.answer(html_with(page.frame.status, &page)),
        Err(error) => lost(signed_in, frame.refused(&error)).await,
    }
}

/// The list, where one of it cannot be shown.
async fn lost(signed_in: &SignedIn, frame: Frame) -> Response {
    let list = read_list(signed_in, frame, Marker::default()).await;
    signed_in.answer(html_with(list.frame.status, &list))
}

async fn gather(
    signed_in: &SignedIn,
    frame: Frame,
    name: String,
    draft: Option<Inline>,
) -> Result<Page, Error> {
    let input = iam::GetRoleRequest { role_name: name.clone() };
    let role = signed_in.call::<iam::GetRole>(&input).await?.role;
    let grants = Grants::of(signed_in, Kind::Role, &name, draft).await;
    let trust = role.assume_role_policy_document.as_deref().map(decoded).unwrap_or_default();
    Ok(Page {
        version: VERSION,
        frame,
        here: address("roles", &name, None),
        last_used: last_used(role.role_last_used),
        arn: role.arn,
        id: role.role_id,
        created: minute(role.create_date),
        boundary: role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
        description: role.description.unwrap_or_default(),
        session: role.max_session_duration.map(|seconds| seconds.to_string()).unwrap_or_default(),
        findings: Findings::of(editor::Kind::Trust, &trust),
        trust,
        grants,
        name,
    })
}

fn last_used(used: Option<iam::RoleLastUsed>) -> String {
    let Some((date, region)) = used.and_then(|used| Some((used.last_used_date?, used.region))) else {
        return "never".into();
    };
    let region = region.map(|region| format!(" in {region}")).unwrap_or_default();
    format!("{}{region}", minute(date))
}

/// Changes of a role that are one call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Deletes the role.
    Delete,
    /// Sets the longest session, in seconds, and the description.
    Set { session: String, description: String },
    /// Replaces the trust policy.
    Trust { trust: String },
}

pub(crate) async fn change(Path(name): Path<String>, Posted(signed_in, change): Posted<Change>) -> Response {
    let role_name = name.clone();
    let result = match change {
        Change::Delete => {
            let input = iam::DeleteRoleRequest { role_name };
            match signed_in.call::<iam::DeleteRole>(&input).await {
                Ok(_) => return signed_in.answer(Redirect::to("/console/roles")),
                Err(error) => Err(error),
            }
        }
        Change::Set { session, description } => {
            let Ok(seconds) = session.trim().parse() else {
                let frame = frame(&signed_in).mistyped("The longest session is not a number of seconds.");
                return show(&signed_in, frame, name, None).await;
            };
            let (description, max_session_duration) = (Some(description), Some(seconds));
            let input = iam::UpdateRoleRequest { role_name, description, max_session_duration };
            signed_in.call::<iam::UpdateRole>(&input).await.map(drop)
        }
        Change::Trust { trust } => return set_trust(&signed_in, name, trust).await,
    };
    finish(&signed_in, name, result).await
}

/// What is refused stays in the editor.
async fn set_trust(signed_in: &SignedIn, name: String, trust: String) -> Response {
    let input =
        iam::UpdateAssumeRolePolicyRequest { role_name: name.clone(), policy_document: trust.clone() };
    let error = match signed_in.call::<iam::UpdateAssumeRolePolicy>(&input).await {
        Ok(_) => return finish(signed_in, name, Ok(())).await,
        Err(error) => error,
    };
    let frame = frame(signed_in).refused(&error);
    let findings = Findings::of(editor::Kind::Trust, &trust);
    match gather(signed_in, frame.clone(), name, None).await {
        Ok(page) => signed_in.answer(html_with(status(&error), &Page { trust, findings, ..page })),
        Err(_) => lost(signed_in, frame).await,
    }
}

pub(crate) async fn change_policies(
    Path(name): Path<String>,
    Posted(signed_in, change): Posted<grants::Change>,
) -> Response {
    match grants::change(&signed_in, Kind::Role, &name, change).await {
        Ok(()) => finish(&signed_in, name, Ok(())).await,
        Err(refused) => {
            show(&signed_in, frame(&signed_in).refused(&refused.error), name, refused.draft).await
        }
    }
}

async fn finish(signed_in: &SignedIn, name: String, result: Result<(), Error>) -> Response {
    match result {
        Ok(()) => signed_in.answer(Redirect::to(&address("roles", &name, Some("changed")))),
        Err(error) => show(signed_in, frame(signed_in).refused(&error), name, None).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_use_tells_where_as_far_as_it_is_known() {
        let at = |date: Option<&str>, region: Option<&str>| {
            last_used(Some(iam::RoleLastUsed {
                last_used_date: date.map(|date| rootward_names::Time::parse(date).unwrap()),
                region: region.map(str::to_owned),
            }))
        };
        let day = Some("2026-05-04T03:02:01Z");
        assert_eq!(at(day, Some("eu-central-1")), "2026-05-04 03:02 UTC in eu-central-1");
        assert_eq!(at(day, None), "2026-05-04 03:02 UTC");
        assert_eq!(at(None, None), "never");
        assert_eq!(last_used(None), "never");
    }
}
