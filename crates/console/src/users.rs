//! Users: the list, and what there is to one of them.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{Redirect, Response};
use rootward_api::iam;
use rootward_wire::{Error, Sensitive};
use serde::Deserialize;

use crate::grants::{self, Grants, Inline, Kind};
use crate::layout::{Frame, VERSION, html, minute, told};
use crate::list::{Done, Marker, Pages, address};
use crate::visit::{Posted, SignedIn};

#[derive(Template)]
#[template(path = "users.html")]
struct List {
    version: &'static str,
    frame: Frame,
    users: Vec<Row>,
    next: Option<String>,
}

struct Row {
    name: String,
    path: String,
    created: String,
    password_used: String,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Users", "users")
}

pub(crate) async fn list(signed_in: SignedIn, Query(marker): Query<Marker>) -> Response {
    let frame = frame(&signed_in);
    show_list(&signed_in, frame, marker).await
}

async fn show_list(signed_in: &SignedIn, frame: Frame, marker: Marker) -> Response {
    let input = iam::ListUsersRequest { path_prefix: None, marker: marker.marker, max_items: None };
    let (users, next, refused) = match signed_in.call::<iam::ListUsers>(&input).await {
        Ok(listed) => (listed.users, listed.marker, None),
        Err(error) => (Vec::new(), None, Some(told(&error))),
    };
    let row = |user: iam::User| Row {
        name: user.user_name.unwrap_or_default(),
        path: user.path.unwrap_or_default(),
        created: minute(user.create_date),
        password_used: user.password_last_used.map_or_else(|| "never".into(), minute),
    };
    let users = users.into_iter().map(row).collect();
    let frame = Frame { refused: frame.refused.or(refused), ..frame };
    signed_in.answer(html(&List {
        version: VERSION,
        frame,
        users,
        next: Pages::after("/console/users", next),
    }))
}

/// A user to be made.
#[derive(Deserialize)]
pub(crate) struct New {
    name: String,
}

pub(crate) async fn create(Posted(signed_in, form): Posted<New>) -> Response {
    let input = iam::CreateUserRequest { user_name: form.name.clone(), ..Default::default() };
    match signed_in.call::<iam::CreateUser>(&input).await {
        Ok(_) => signed_in.answer(Redirect::to(&address("users", &form.name, Some("created")))),
        Err(error) => show_list(&signed_in, frame(&signed_in).refused(&error), Marker::default()).await,
    }
}

#[derive(Template)]
#[template(path = "user.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    /// The address of this page.
    here: String,
    name: String,
    arn: String,
    id: String,
    created: String,
    grants: Grants,
    groups: Vec<String>,
    /// Since when they can sign in, and whether they must choose a new password.
    password: Option<(String, bool)>,
    factors: Vec<(String, String)>,
    keys: Vec<iam::AccessKeyMetadata>,
    /// An access key that was just made: its secret is shown once.
    made: Option<iam::AccessKey>,
    /// A password that was just set: shown once.
    set: Option<String>,
}

/// What is shown once, and what was done.
#[derive(Default)]
struct News {
    made: Option<iam::AccessKey>,
    set: Option<String>,
    done: Option<&'static str>,
    refused: Option<String>,
    /// An inline policy that was written and refused.
    draft: Option<Inline>,
}

pub(crate) async fn page(
    signed_in: SignedIn,
    Path(name): Path<String>,
    Query(done): Query<Done>,
) -> Response {
    let done = match done.done.as_deref() {
        Some("created") => {
            Some("The user is there. Give them a password or an access key, and the permissions they need.")
        }
        Some("changed") => Some("The user is changed."),
        _ => None,
    };
    show(&signed_in, name, News { done, ..News::default() }).await
}

async fn show(signed_in: &SignedIn, name: String, news: News) -> Response {
    match gather(signed_in, name, news).await {
        Ok(page) => signed_in.answer(html(&page)),
        Err(error) => show_list(signed_in, frame(signed_in).refused(&error), Marker::default()).await,
    }
}

/// The page of a user. What may not be read is told and left out: a secret that is shown once is shown all the same.
async fn gather(signed_in: &SignedIn, name: String, news: News) -> Result<Page, Error> {
    let has_secret = news.made.is_some() || news.set.is_some();
    let mut refused = news.refused;
    let input = iam::GetUserRequest { user_name: Some(name.clone()) };
    let user = match signed_in.call::<iam::GetUser>(&input).await {
        Err(error) if !has_secret => return Err(error),
        found => part(found.map(|found| Some(found.user)), &mut refused),
    };
    let grants = part(Grants::of(signed_in, Kind::User, &name).await, &mut refused);
    let input = iam::ListGroupsForUserRequest { user_name: name.clone(), marker: None, max_items: None };
    let groups = signed_in.call::<iam::ListGroupsForUser>(&input).await.map(|listed| listed.groups);
    let input = iam::ListMfaDevicesRequest { user_name: Some(name.clone()), ..Default::default() };
    let factors = signed_in.call::<iam::ListMfaDevices>(&input).await.map(|listed| listed.mfa_devices);
    let input = iam::ListAccessKeysRequest { user_name: Some(name.clone()), ..Default::default() };
    let keys = signed_in.call::<iam::ListAccessKeys>(&input).await.map(|listed| listed.access_key_metadata);
    let groups = part(groups, &mut refused).into_iter().map(|group| group.group_name).collect();
    let factors = part(factors, &mut refused);
    let factors = factors.into_iter().map(|factor| (factor.serial_number, minute(factor.enable_date)));
    let keys = part(keys, &mut refused);
    let password = part(password(signed_in, &name).await, &mut refused);
    let user = user.unwrap_or_default();
    Ok(Page {
        version: VERSION,
        frame: Frame { done: news.done, refused, ..frame(signed_in) },
        here: address("users", &name, None),
        arn: user.arn,
        id: user.user_id,
        created: minute(user.create_date),
        grants: Grants { draft: news.draft, ..grants },
        groups,
        password,
        factors: factors.collect(),
        keys,
        made: news.made,
        set: news.set,
        name,
    })
}

/// What a call answered; what it refused is told on the page, and the part is empty.
fn part<T: Default>(answered: Result<T, Error>, refused: &mut Option<String>) -> T {
    answered.unwrap_or_else(|error| {
        refused.get_or_insert_with(|| told(&error));
        T::default()
    })
}

async fn password(signed_in: &SignedIn, name: &str) -> Result<Option<(String, bool)>, Error> {
    let input = iam::GetLoginProfileRequest { user_name: Some(name.to_owned()) };
    match signed_in.call::<iam::GetLoginProfile>(&input).await {
        Ok(found) => {
            let profile = found.login_profile;
            Ok(Some((minute(profile.create_date), profile.password_reset_required == Some(true))))
        }
        Err(error) if error.code == "NoSuchEntity" => Ok(None),
        Err(error) => Err(error),
    }
}

/// Changes of a user that are one call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Puts the user into a group.
    Join { group: String },
    /// Takes the user out of a group.
    Leave { group: String },
    /// Makes an access key.
    CreateKey,
    /// Takes an access key out of use.
    StopKey { id: String },
    /// Takes an access key into use again.
    UseKey { id: String },
    /// Deletes an access key.
    DeleteKey { id: String },
    /// Takes a second factor away.
    RemoveFactor { serial: String },
    /// Sets a password; `reset` is there when it must be changed at the next sign-in.
    SetPassword { password: String, reset: Option<String> },
    /// Takes the password away.
    RemovePassword,
    /// Deletes the user.
    Delete,
}

pub(crate) async fn change(Path(name): Path<String>, Posted(signed_in, change): Posted<Change>) -> Response {
    let user = || Some(name.clone());
    let result = match change {
        Change::CreateKey => {
            let input = iam::CreateAccessKeyRequest { user_name: user() };
            match signed_in.call::<iam::CreateAccessKey>(&input).await {
                Ok(made) => {
                    let news = News { made: Some(made.access_key), ..News::default() };
                    return show(&signed_in, name, news).await;
                }
                Err(error) => Err(error),
            }
        }
        Change::SetPassword { password, reset } => {
            match set_password(&signed_in, &name, &password, reset.is_some()).await {
                Ok(()) => {
                    let news = News { set: Some(password), ..News::default() };
                    return show(&signed_in, name, news).await;
                }
                Err(error) => Err(error),
            }
        }
        Change::Delete => {
            let input = iam::DeleteUserRequest { user_name: name.clone() };
            match signed_in.call::<iam::DeleteUser>(&input).await {
                Ok(_) => return signed_in.answer(Redirect::to("/console/users")),
                Err(error) => Err(error),
            }
        }
        Change::Join { group } => {
            let input = iam::AddUserToGroupRequest { group_name: group, user_name: name.clone() };
            signed_in.call::<iam::AddUserToGroup>(&input).await.map(drop)
        }
        Change::Leave { group } => {
            let input = iam::RemoveUserFromGroupRequest { group_name: group, user_name: name.clone() };
            signed_in.call::<iam::RemoveUserFromGroup>(&input).await.map(drop)
        }
        Change::StopKey { id } => set_key(&signed_in, user(), id, iam::StatusType::Inactive).await,
        Change::UseKey { id } => set_key(&signed_in, user(), id, iam::StatusType::Active).await,
        Change::DeleteKey { id } => {
            let input = iam::DeleteAccessKeyRequest { user_name: user(), access_key_id: id };
            signed_in.call::<iam::DeleteAccessKey>(&input).await.map(drop)
        }
        Change::RemoveFactor { serial } => {
            let input = iam::DeactivateMfaDeviceRequest { user_name: user(), serial_number: serial };
            signed_in.call::<iam::DeactivateMfaDevice>(&input).await.map(drop)
        }
        Change::RemovePassword => {
            let input = iam::DeleteLoginProfileRequest { user_name: user() };
            signed_in.call::<iam::DeleteLoginProfile>(&input).await.map(drop)
        }
    };
    finish(&signed_in, name, result).await
}

pub(crate) async fn change_policies(
    Path(name): Path<String>,
    Posted(signed_in, change): Posted<grants::Change>,
) -> Response {
    match grants::change(&signed_in, Kind::User, &name, change).await {
        Ok(()) => finish(&signed_in, name, Ok(())).await,
        Err(refused) => {
            let news = News { refused: Some(told(&refused.error)), draft: refused.draft, ..News::default() };
            show(&signed_in, name, news).await
        }
    }
}

async fn finish(signed_in: &SignedIn, name: String, result: Result<(), Error>) -> Response {
    match result {
        Ok(()) => signed_in.answer(Redirect::to(&address("users", &name, Some("changed")))),
        Err(error) => show(signed_in, name, News { refused: Some(told(&error)), ..News::default() }).await,
    }
}

async fn set_key(
    signed_in: &SignedIn,
    user_name: Option<String>,
    access_key_id: String,
    status: iam::StatusType,
) -> Result<(), Error> {
    let input = iam::UpdateAccessKeyRequest { user_name, access_key_id, status };
    signed_in.call::<iam::UpdateAccessKey>(&input).await.map(drop)
}

/// A first password, or another one.
async fn set_password(signed_in: &SignedIn, name: &str, password: &str, reset: bool) -> Result<(), Error> {
    let input = iam::CreateLoginProfileRequest {
        user_name: Some(name.to_owned()),
        password: Some(Sensitive::new(password)),
        password_reset_required: Some(reset),
    };
    match signed_in.call::<iam::CreateLoginProfile>(&input).await {
        Err(error) if error.code == "EntityAlreadyExists" => {
            let input = iam::UpdateLoginProfileRequest {
                user_name: name.to_owned(),
                password: Some(Sensitive::new(password)),
                password_reset_required: Some(reset),
            };
            signed_in.call::<iam::UpdateLoginProfile>(&input).await.map(drop)
        }
        result => result.map(drop),
    }
}
