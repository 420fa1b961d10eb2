//! Groups: the list, and the members and permissions of one of them.

use askama::Template;
use axum::extract::Path;
use axum::response::{Redirect, Response};
use rootward_api::iam;
use rootward_wire::Error;
use serde::Deserialize;

use crate::grants::{self, Grants, Inline, Kind};
use crate::layout::{Frame, Part, VERSION, html_with, minute};
use crate::list::{self, Done, Marker, address};
use crate::visit::{Posted, Query, SignedIn};

#[derive(Template)]
#[template(path = "groups.html")]
struct List {
    version: &'static str,
    frame: Frame,
    groups: Part<Vec<Row>>,
    next: Option<String>,
}

struct Row {
    name: String,
    path: String,
    created: String,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Groups", "groups")
}

pub(crate) async fn list(signed_in: SignedIn, Query(marker): Query<Marker>) -> Response {
    let frame = frame(&signed_in);
    show_list(&signed_in, frame, marker).await
}

async fn show_list(signed_in: &SignedIn, frame: Frame, marker: Marker) -> Response {
    let input = iam::ListGroupsRequest { path_prefix: None, marker: marker.marker, max_items: None };
    let row = |group: iam::Group| Row {
        name: group.group_name,
        path: group.path,
        created: minute(group.create_date),
    };
    let listed = signed_in.call::<iam::ListGroups>(&input).await.map(|listed| (listed.groups, listed.marker));
    let (frame, groups, next) = list::read(frame, "/console/groups", listed, row);
    signed_in.answer(html_with(frame.status, &List { version: VERSION, frame, groups, next }))
}

/// A group to be made.
#[derive(Deserialize)]
pub(crate) struct New {
    name: String,
}

pub(crate) async fn create(Posted(signed_in, form): Posted<New>) -> Response {
    let input = iam::CreateGroupRequest { path: None, group_name: form.name.clone() };
    match signed_in.call::<iam::CreateGroup>(&input).await {
        Ok(_) => signed_in.answer(Redirect::to(&address("groups", &form.name, Some("created")))),
        Err(error) => show_list(&signed_in, frame(&signed_in).refused(&error), Marker::default()).await,
    }
}

#[derive(Template)]
#[template(path = "group.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    /// The address of this page.
    here: String,
    name: String,
    arn: String,
    id: String,
    created: String,
    members: Vec<String>,
    /// There are more members than the page shows.
    more: bool,
    grants: Grants,
}

pub(crate) async fn page(
    signed_in: SignedIn,
    Path(name): Path<String>,
    Query(done): Query<Done>,
) -> Response {
    let done = match done.done.as_deref() {
        Some("created") => Some("The group is there. Give it permissions and members."),
        Some("changed") => Some("The group is changed."),
        _ => None,
    };
    let frame = Frame { done, ..frame(&signed_in) };
    show(&signed_in, frame, name, None).await
}

async fn show(signed_in: &SignedIn, frame: Frame, name: String, draft: Option<Inline>) -> Response {
    match gather(signed_in, frame.clone(), name, draft).await {
        Ok(page) => signed_in.answer(html_with(page.frame.status, &page)),
        Err(error) => show_list(signed_in, frame.refused(&error), Marker::default()).await,
    }
}

async fn gather(
    signed_in: &SignedIn,
    frame: Frame,
    name: String,
    draft: Option<Inline>,
) -> Result<Page, Error> {
    let input =
        iam::GetGroupRequest { group_name: name.clone(), marker: None, max_items: Some(MEMBERS_SHOWN) };
    let found = signed_in.call::<iam::GetGroup>(&input).await?;
    let grants = Grants::of(signed_in, Kind::Group, &name, draft).await;
    Ok(Page {
        version: VERSION,
        frame,
        here: address("groups", &name, None),
        arn: found.group.arn,
        id: found.group.group_id,
        created: minute(found.group.create_date),
        members: found.users.into_iter().filter_map(|user| user.user_name).collect(),
        more: found.is_truncated == Some(true),
        grants,
        name,
    })
}

/// As many as one page of the API's holds.
const MEMBERS_SHOWN: i32 = 1_000;

/// Changes of a group that are one call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Puts a user in.
    Add { user: String },
    /// Deletes the group.
    Delete,
    /// Takes a user out.
    Remove { user: String },
}

pub(crate) async fn change(Path(name): Path<String>, Posted(signed_in, change): Posted<Change>) -> Response {
    let result = match change {
        Change::Add { user } => {
            let input = iam::AddUserToGroupRequest { group_name: name.clone(), user_name: user };
            signed_in.call::<iam::AddUserToGroup>(&input).await.map(drop)
        }
        Change::Delete => {
            let input = iam::DeleteGroupRequest { group_name: name.clone() };
            match signed_in.call::<iam::DeleteGroup>(&input).await {
                Ok(_) => return signed_in.answer(Redirect::to("/console/groups")),
                Err(error) => Err(error),
            }
        }
        Change::Remove { user } => {
            let input = iam::RemoveUserFromGroupRequest { group_name: name.clone(), user_name: user };
            signed_in.call::<iam::RemoveUserFromGroup>(&input).await.map(drop)
        }
    };
    finish(&signed_in, name, result).await
}

pub(crate) async fn change_policies(
    Path(name): Path<String>,
    Posted(signed_in, change): Posted<grants::Change>,
) -> Response {
    match grants::change(&signed_in, Kind::Group, &name, change).await {
        Ok(()) => finish(&signed_in, name, Ok(())).await,
        Err(refused) => {
            show(&signed_in, frame(&signed_in).refused(&refused.error), name, refused.draft).await
        }
    }
}

async fn finish(signed_in: &SignedIn, name: String, result: Result<(), Error>) -> Response {
    match result {
        Ok(()) => signed_in.answer(Redirect::to(&address("groups", &name, Some("changed")))),
        Err(error) => show(signed_in, frame(signed_in).refused(&error), name, None).await,
    }
}
