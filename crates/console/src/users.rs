//! Users: the list, and what there is to one of them.

use askama::Template;
use axum::extract::Path;
use axum::response::{Redirect, Response};
use rootward_api::iam;
use rootward_wire::{Error, Sensitive};
use serde::Deserialize;

use crate::confirm::Confirm;
use crate::grants::{self, Grants, Inline, Kind};
use crate::layout::{Frame, Part, VERSION, html_with, minute, part, told};
use crate::list::{self, Done, Marker, address};
use crate::visit::{Posted, Query, SignedIn};
use crate::{security, self_service};

#[derive(Template)]
#[template(path = "users.html")]
struct List {
    version: &'static str,
    frame: Frame,
    users: Part<Vec<Row>>,
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
    let row = |user: iam::User| Row {
        name: user.user_name.unwrap_or_default(),
        path: user.path.unwrap_or_default(),
        created: minute(user.create_date),
        password_used: user.password_last_used.map_or_else(|| "never".into(), minute),
    };
    let listed = signed_in.call::<iam::ListUsers>(&input).await.map(|listed| (listed.users, listed.marker));
    let (frame, users, next) = list::read(frame, "/console/users", listed, row);
    signed_in.answer(html_with(frame.status, &List { version: VERSION, frame, users, next }))
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
    /// The address to sign in at, as this browser has it.
    sign_in: String,
    name: String,
    arn: String,
    id: String,
    created: String,
    grants: Grants,
    groups: Part<Vec<String>>,
    password: Part<Option<Login>>,
    factors: Part<Vec<(String, String)>>,
    keys: Part<Vec<iam::AccessKeyMetadata>>,
    /// An access key that was just made: its secret is shown once.
    made: Option<iam::AccessKey>,
    /// A password that was just set: shown once.
    set: Option<Set>,
}

/// A password.
struct Login {
    /// Since when they can sign in.
    since: String,
    /// They must choose another one at the next sign-in.
    reset: bool,
    /// They must, and no policy allows it.
    stuck: bool,
}

/// A password that was just set.
struct Set {
    password: String,
    /// So that the user can choose another one: what was done for it, or why it was not.
    allowed: Option<Result<(), String>>,
    /// So that the user can manage password and second factors: that it was done, or why not.
    own: Option<Result<(), String>>,
}

/// What is shown once, and what was done.
#[derive(Default)]
struct News {
    made: Option<iam::AccessKey>,
    set: Option<Set>,
    done: Option<&'static str>,
    refused: Option<Error>,
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
        Ok(page) => signed_in.answer(html_with(page.frame.status, &page)),
        Err(error) => show_list(signed_in, frame(signed_in).refused(&error), Marker::default()).await,
    }
}

/// The page of a user. What may not be read is told where it would be: a secret that is shown once is shown all the same.
async fn gather(signed_in: &SignedIn, name: String, news: News) -> Result<Page, Error> {
    let has_secret = news.made.is_some() || news.set.is_some();
    let frame = Frame { done: news.done, ..frame(signed_in) };
    let frame = match &news.refused {
        Some(error) => frame.refused(error),
        None => frame,
    };
    let input = iam::GetUserRequest { user_name: Some(name.clone()) };
    let user = match signed_in.call::<iam::GetUser>(&input).await {
        Ok(found) => found.user,
        Err(_) if has_secret => iam::User::default(),
        Err(error) => return Err(error),
    };
    let input = iam::ListGroupsForUserRequest { user_name: name.clone(), marker: None, max_items: None };
    let groups = signed_in.call::<iam::ListGroupsForUser>(&input).await;
    let input = iam::ListMfaDevicesRequest { user_name: Some(name.clone()), ..Default::default() };
    let factors = signed_in.call::<iam::ListMfaDevices>(&input).await;
    let input = iam::ListAccessKeysRequest { user_name: Some(name.clone()), ..Default::default() };
    let keys = signed_in.call::<iam::ListAccessKeys>(&input).await;
    let serial = |device: iam::MfaDevice| (device.serial_number, minute(device.enable_date));
    Ok(Page {
        version: VERSION,
        here: address("users", &name, None),
        sign_in: sign_in_address(signed_in),
        created: minute(user.create_date),
        grants: Grants::of(signed_in, Kind::User, &name, news.draft).await,
        groups: part(groups).map(|listed| listed.groups.into_iter().map(|group| group.group_name).collect()),
        password: part(login(signed_in, &name, &user.arn).await),
        factors: part(factors).map(|listed| listed.mfa_devices.into_iter().map(serial).collect()),
        keys: part(keys).map(|listed| listed.access_key_metadata),
        arn: user.arn,
        id: user.user_id,
        frame,
        made: news.made,
        set: news.set,
        name,
    })
}

/// Where users of this account sign in.
pub(crate) fn sign_in_address(signed_in: &SignedIn) -> String {
    format!("{}/console/sign-in?account={}", signed_in.visit.shown_url(), signed_in.live.acting().account)
}

async fn login(signed_in: &SignedIn, name: &str, arn: &str) -> Result<Option<Login>, Error> {
    let input = iam::GetLoginProfileRequest { user_name: Some(name.to_owned()) };
    match signed_in.call::<iam::GetLoginProfile>(&input).await {
        Ok(found) => {
            let profile = found.login_profile;
            let reset = profile.password_reset_required == Some(true);
            let stuck = reset && may_change_password(signed_in, arn).await == Some(false);
            Ok(Some(Login { since: minute(profile.create_date), reset, stuck }))
        }
        Err(error) if error.code == "NoSuchEntity" => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the policies let a user change their own password; none if that may not be asked.
async fn may_change_password(signed_in: &SignedIn, arn: &str) -> Option<bool> {
    let input = iam::SimulatePrincipalPolicyRequest {
        policy_source_arn: arn.to_owned(),
        action_names: vec!["iam:ChangePassword".into()],
        resource_arns: Some(vec![arn.to_owned()]),
        ..Default::default()
    };
    let found = signed_in.call::<iam::SimulatePrincipalPolicy>(&input).await.ok()?;
    let results = found.evaluation_results?;
    Some(results.iter().all(|result| result.eval_decision == iam::PolicyEvaluationDecisionType::Allowed))
}

/// Lets a user whose password must be changed at the next sign-in change it, as AWS's console does: by the managed policy that was
/// made for it, if nothing else allows it.
///
/// # Errors
/// It may not be attached.
async fn allow_change(signed_in: &SignedIn, name: &str) -> Result<bool, Error> {
    let acting = signed_in.live.acting();
    let input = iam::GetUserRequest { user_name: Some(name.to_owned()) };
    let found = signed_in.call::<iam::GetUser>(&input).await.ok();
    if let Some(found) = found
        && may_change_password(signed_in, &found.user.arn).await == Some(true)
    {
        return Ok(false);
    }
    let policy_arn = format!("arn:{}:iam::aws:policy/{CHANGE_PASSWORD}", acting.partition);
    let input = iam::AttachUserPolicyRequest { user_name: name.to_owned(), policy_arn };
    signed_in.call::<iam::AttachUserPolicy>(&input).await.map(|_| true)
}

/// AWS's managed policy for it.
const CHANGE_PASSWORD: &str = "IAMUserChangePassword";

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
    /// Takes a second factor away; `confirm` is there when it has been said what that means.
    RemoveFactor { serial: String, confirm: Option<String> },
    /// Lets the user choose a new password.
    LetChoose,
    /// Lets the user manage their own password and second factors.
    LetManage,
    /// Sets a password; `reset` is there when it must be changed at the next sign-in, `own` when the user may manage it and their
    /// second factors.
    SetPassword { password: String, reset: Option<String>, own: Option<String> },
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
        Change::SetPassword { password, reset, own } => {
            match set_password(&signed_in, &name, &password, reset.is_some()).await {
                Ok(()) => {
                    let own = match own {
                        Some(_) => {
                            Some(self_service::allow(&signed_in, &name).await.map_err(|error| told(&error)))
                        }
                        None => None,
                    };
                    let allowed = match reset {
                        Some(_) => match allow_change(&signed_in, &name).await {
                            Ok(attached) => attached.then_some(Ok(())),
                            Err(error) => Some(Err(told(&error))),
                        },
                        None => None,
                    };
                    let news = News { set: Some(Set { password, allowed, own }), ..News::default() };
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
        Change::LetManage => self_service::allow(&signed_in, &name).await,
        Change::LetChoose => allow_change(&signed_in, &name).await.map(drop),
        Change::RemoveFactor { serial, confirm: None } => {
            let text = if is_last(&signed_in, &name).await {
                format!(
                    "It is {name}'s only second factor. Without one, their password alone is enough to sign in as them, and what \
                     policies allow with one only is refused to them. If they have lost it, make sure that it is them who asks."
                )
            } else {
                format!("{name} keeps another. Remove this one if it is lost, broken or in the wrong hands.")
            };
            let confirm = Confirm {
                title: "Remove the second factor?",
                text,
                action: address("users", &name, None),
                fields: vec![("do", "remove-factor".into()), ("serial", serial), ("confirm", "yes".into())],
                yes: "Remove it",
                no: "Keep it",
                back: address("users", &name, None),
            };
            return confirm.ask(&signed_in, frame(&signed_in));
        }
        Change::RemoveFactor { serial, .. } => {
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
            let news = News { refused: Some(refused.error), draft: refused.draft, ..News::default() };
            show(&signed_in, name, news).await
        }
    }
}

async fn finish(signed_in: &SignedIn, name: String, result: Result<(), Error>) -> Response {
    match result {
        Ok(()) => signed_in.answer(Redirect::to(&address("users", &name, Some("changed")))),
        Err(error) => show(signed_in, name, News { refused: Some(error), ..News::default() }).await,
    }
}

/// Whether a user would be without a second factor; also if that may not be known.
async fn is_last(signed_in: &SignedIn, name: &str) -> bool {
    let input = iam::ListMfaDevicesRequest { user_name: Some(name.to_owned()), ..Default::default() };
    let listed = signed_in.call::<iam::ListMfaDevices>(&input).await;
    listed.map_or(true, |listed| listed.mfa_devices.len() <= 1)
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
