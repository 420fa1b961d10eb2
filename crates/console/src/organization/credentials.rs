//! Root credentials of members: who has any, and how they are taken away or a password is let be recovered.
//!
//! What is done in a member is done as AWS's console does it: whoever is signed in assumes its root user for one task, which
//! `sts:AssumeRoot` must allow them, and everything else is called in that session and on record in the member's trail.

use askama::Template;
use axum::response::{Redirect, Response};
use rootward_api::{iam, organizations as orgs, rootward as api, sts};
use rootward_auth::root_task::RootTask;
use rootward_auth::{Identity, Principal};
use rootward_names::AccountId;
use rootward_state::World;
use rootward_wire::Error;
use serde::Deserialize;

use super::account_address;
use crate::confirm::Confirm;
use crate::layout::{Frame, Part, VERSION, html_with, minute, part, told};
use crate::list::Pages;
use crate::visit::{Posted, Query, SignedIn};

const HERE: &str = "/console/organization/root-access";
/// As organizations trust it.
const IAM: &str = "iam.amazonaws.com";

#[derive(Template)]
#[template(path = "root_credentials.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    features: Features,
    standing: Standing,
    /// Whether only members that have some are listed.
    only: bool,
    /// None where there is nothing to list.
    members: Option<Part<Members>>,
    next: Option<String>,
}

/// Whether members' root users are for somebody of this account: it manages its organization, or administers IAM for it.
pub(crate) fn is_for(world: &World, account: AccountId) -> bool {
    let state = world.organization_of(account);
    state.is_some_and(|state| state.is_management(account) || state.administers(account, IAM))
}

/// What is switched on.
enum Features {
    /// There is no organization.
    NoOrganization,
    /// The account neither manages the organization nor administers IAM for it.
    Member,
    /// The organization does not trust IAM yet.
    NotTrusted,
    On {
        credentials: bool,
        sessions: bool,
    },
    /// That may not be seen, or is not to be had; why.
    Unknown(String),
}

struct Members {
    rows: Vec<Held>,
    total: i32,
    with_credentials: i32,
}

/// What the root user of one member has.
pub(super) struct Held {
    pub(super) id: String,
    name: String,
    state: api::AccountState,
    pub(super) password: bool,
    /// Whether it may set a first password by mail, which this node sends.
    pub(super) recoverable: bool,
    /// The same, whether or not mail is sent.
    pub(super) recovery_allowed: bool,
    pub(super) access_keys: i32,
    pub(super) mfa_devices: i32,
    pub(super) used: Option<String>,
}

impl Held {
    fn of(member: api::MemberRootCredentials) -> Self {
        Self {
            id: member.account_id,
            name: member.account_name.expose().to_owned(),
            state: member.state,
            password: member.password_present,
            recoverable: member.password_recoverable,
            recovery_allowed: member.recovery_allowed,
            access_keys: member.access_keys,
            mfa_devices: member.mfa_devices,
            used: member.last_used_date.map(minute),
        }
    }

    /// Of one member; none if nothing is told of it.
    pub(super) async fn read(signed_in: &SignedIn, account: &str) -> Part<Option<Self>> {
        let input = api::ListMemberRootCredentialsRequest {
            account_id: Some(account.to_owned()),
            ..api::ListMemberRootCredentialsRequest::default()
        };
        let listed = part(signed_in.call::<api::ListMemberRootCredentials>(&input).await)?;
        Ok(listed.members.into_iter().next().map(Self::of))
    }

    /// Whether somebody can get in as it.
    pub(super) fn has_way_in(&self) -> bool {
        self.password || self.recoverable || self.access_keys > 0
    }

    /// Whether there is something to delete. A recovery that is allowed is, mail or not: it lets somebody in once mail is sent.
    pub(super) fn is_any(&self) -> bool {
        self.password || self.recovery_allowed || self.access_keys > 0 || self.mfa_devices > 0
    }

    /// What is deleted, in words.
    fn losses(&self) -> String {
        let counted = |count: i32, one: &str| match count {
            0 => None,
            1 => Some(format!("its {one}")),
            _ => Some(format!("its {count} {one}s")),
        };
        let recovery =
            self.recovery_allowed.then(|| "the permission to recover a password by mail".to_owned());
        let password = self.password.then(|| "its password".to_owned());
        let keys = counted(self.access_keys, "access key");
        let losses: Vec<_> = [password, recovery, keys, counted(self.mfa_devices, "second factor")]
            .into_iter()
            .flatten()
            .collect();
        match losses.split_last() {
            None => "nothing, for it has nothing".into(),
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        }
    }

    /// Whether all there is to delete is that a password may be recovered.
    pub(super) fn is_only_allowed(&self) -> bool {
        self.recovery_allowed && self.access_keys == 0 && self.mfa_devices == 0
    }

    /// Whether a password may be let be recovered.
    pub(super) fn may_recover(&self) -> bool {
        !self.is_any()
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == api::AccountState::Active
    }
}

/// Whether who looks at the page can be allowed to do something in a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A user or a role.
    May,
    /// A federated user of `GetFederationToken`.
    Federated,
    /// The root user.
    Root,
}

impl Standing {
    pub(super) fn of(signed_in: &SignedIn) -> Self {
        match signed_in.live.acting().identity {
            Identity::AssumedRoot(_) | Identity::Root => Self::Root,
            Identity::FederatedUser(_) => Self::Federated,
            Identity::RoleSession(_) | Identity::User(_) => Self::May,
        }
    }
}

/// What the page is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    only: Option<String>,
    marker: Option<String>,
    done: Option<String>,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Member root users", "member-roots")
}

pub(crate) async fn page(signed_in: SignedIn, Query(asked): Query<Asked>) -> Response {
    let done = match asked.done.as_deref() {
        Some("on") => Some("It is on."),
        Some("off") => Some("It is off."),
        Some("trusted") => Some("The organization trusts IAM. Now turn on what you need."),
        _ => None,
    };
    let frame = Frame { done, ..frame(&signed_in) };
    show(&signed_in, frame, asked).await
}

async fn show(signed_in: &SignedIn, frame: Frame, asked: Asked) -> Response {
    let listed =
        signed_in.call::<iam::ListOrganizationsFeatures>(&iam::ListOrganizationsFeaturesRequest {}).await;
    let (frame, features) = match listed {
        Ok(listed) => (frame, Features::of(&listed.enabled_features.unwrap_or_default())),
        Err(error) => match Features::instead(&error) {
            Some(features) => (frame, features),
            None => (frame.unread(&error), Features::Unknown(crate::layout::unseen(&error))),
        },
    };
    let only = asked.only.is_some();
    let (members, next) = match features {
        Features::On { credentials: true, .. } => {
            let (members, next) = members(signed_in, only, asked.marker).await;
            (Some(members), next)
        }
        _ => (None, None),
    };
    let standing = Standing::of(signed_in);
    let page = Page { version: VERSION, frame, features, standing, only, members, next };
    signed_in.answer(html_with(page.frame.status, &page))
}

impl Features {
    fn of(enabled: &[iam::FeatureType]) -> Self {
        Self::On {
            credentials: enabled.contains(&iam::FeatureType::RootCredentialsManagement),
            sessions: enabled.contains(&iam::FeatureType::RootSessions),
        }
    }

    /// What a refusal says of the organization.
    fn instead(error: &Error) -> Option<Self> {
        match &*error.code {
            "AccountNotManagementOrDelegatedAdministratorException" => Some(Self::Member),
            "OrganizationNotFoundException" => Some(Self::NoOrganization),
            "ServiceAccessNotEnabledException" => Some(Self::NotTrusted),
            _ => None,
        }
    }
}

async fn members(
    signed_in: &SignedIn,
    only: bool,
    next_token: Option<String>,
) -> (Part<Members>, Option<String>) {
    let input = api::ListMemberRootCredentialsRequest {
        only_present: Some(only),
        next_token,
        ..api::ListMemberRootCredentialsRequest::default()
    };
    match signed_in.call::<api::ListMemberRootCredentials>(&input).await {
        Ok(listed) => {
            let list = if only { format!("{HERE}?only=some") } else { HERE.to_owned() };
            let members = Members {
                rows: listed.members.into_iter().map(Held::of).collect(),
                total: listed.members_total,
                with_credentials: listed.members_with_credentials,
            };
            (Ok(members), Pages::after(&list, listed.next_token))
        }
        Err(error) => (part(Err(error)), None),
    }
}

/// What is changed here; `confirm` is there when it has been said what that means.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Lets the organization trust IAM.
    Trust,
    /// Switches on the management of credentials.
    CredentialsOn,
    CredentialsOff {
        confirm: Option<String>,
    },
    /// Switches on sessions for privileged tasks.
    SessionsOn,
    SessionsOff {
        confirm: Option<String>,
    },
    /// Deletes everything that a member's root user has to sign in or to sign with.
    Delete {
        account: String,
        confirm: Option<String>,
    },
    /// Lets a member's root user set a first password.
    Recover {
        account: String,
        confirm: Option<String>,
    },
}

pub(crate) async fn change(Posted(signed_in, change): Posted<Change>) -> Response {
    let (result, done) = match change {
        Change::Trust => {
            let input = orgs::EnableAwsServiceAccessRequest { service_principal: IAM.into() };
            let result = signed_in.call::<orgs::EnableAwsServiceAccess>(&input).await;
            (result.map(drop), format!("{HERE}?done=trusted"))
        }
        Change::CredentialsOn => {
            let input = iam::EnableOrganizationsRootCredentialsManagementRequest {};
            let result = signed_in.call::<iam::EnableOrganizationsRootCredentialsManagement>(&input).await;
            (result.map(drop), format!("{HERE}?done=on"))
        }
        Change::SessionsOn => {
            let input = iam::EnableOrganizationsRootSessionsRequest {};
            let result = signed_in.call::<iam::EnableOrganizationsRootSessions>(&input).await;
            (result.map(drop), format!("{HERE}?done=on"))
        }
        Change::CredentialsOff { confirm: Some(_) } => {
            let input = iam::DisableOrganizationsRootCredentialsManagementRequest {};
            let result = signed_in.call::<iam::DisableOrganizationsRootCredentialsManagement>(&input).await;
            (result.map(drop), format!("{HERE}?done=off"))
        }
        Change::SessionsOff { confirm: Some(_) } => {
            let input = iam::DisableOrganizationsRootSessionsRequest {};
            let result = signed_in.call::<iam::DisableOrganizationsRootSessions>(&input).await;
            (result.map(drop), format!("{HERE}?done=off"))
        }
        Change::Delete { account, confirm: Some(_) } => {
            (delete(&signed_in, &account).await, format!("{}?done=deleted", account_address(&account)))
        }
        Change::Recover { account, confirm: Some(_) } => {
            (recover(&signed_in, &account).await, format!("{}?done=recoverable", account_address(&account)))
        }
        Change::CredentialsOff { confirm: None }
        | Change::SessionsOff { confirm: None }
        | Change::Delete { confirm: None, .. }
        | Change::Recover { confirm: None, .. } => {
            let held = match &change {
                Change::Delete { account, .. } => Held::read(&signed_in, account).await.ok().flatten(),
                _ => None,
            };
            let by_mail = signed_in.visit.house.signin.recovers_by_mail();
            return question(change, held.as_ref(), by_mail).map_or_else(
                || signed_in.answer(Redirect::to(HERE)),
                |question| question.ask(&signed_in, frame(&signed_in)),
            );
        }
    };
    match result {
        Ok(()) => signed_in.answer(Redirect::to(&done)),
        Err(error) => show(&signed_in, frame(&signed_in).refused(&error), Asked::default()).await,
    }
}

/// What a change means, asked before it is made; none of one that means what its button says. `held`: of what is deleted, if it may
/// be seen; `by_mail`: whether this node sends any.
fn question(change: Change, held: Option<&Held>, by_mail: bool) -> Option<Confirm> {
    let confirmed = |fields: Vec<(&'static str, String)>| {
        fields.into_iter().chain([("confirm", "yes".to_owned())]).collect::<Vec<_>>()
    };
    match change {
        Change::CredentialsOff { .. } => Some(Confirm {
            title: "Turn the management of root credentials off?",
            text: format!(
                "Nobody sees any more which members’ root users have credentials, and nobody deletes them from here. Members \
                 that are opened from now on have a root user that may recover a password by mail{}.",
                if by_mail { "" } else { ", once this node sends any" }
            ),
            action: HERE.into(),
            fields: confirmed(vec![("do", "credentials-off".into())]),
            yes: "Turn it off",
            no: "Leave it on",
            back: HERE.into(),
        }),
        Change::SessionsOff { .. } => Some(Confirm {
            title: "Turn root sessions off?",
            text: "A bucket or queue whose policy locks everybody out can then only be opened by the root user of its account. \
                   Sessions that have begun end at once."
                .into(),
            action: HERE.into(),
            fields: confirmed(vec![("do", "sessions-off".into())]),
            yes: "Turn it off",
            no: "Leave it on",
            back: HERE.into(),
        }),
        Change::Delete { account, .. } if held.is_some_and(Held::is_only_allowed) => Some(Confirm {
            title: "Take recovery from the root user?",
            text: format!(
                "The root user of account {account} may set no password by mail any more, before somebody here allows it again. It \
                 has nothing else to sign in with, and nothing else in the account changes."
            ),
            action: HERE.into(),
            back: account_address(&account),
            fields: confirmed(vec![("do", "delete".into()), ("account", account)]),
            yes: "Take it away",
            no: "Leave it",
        }),
        Change::Delete { account, .. } => Some(Confirm {
            title: "Delete the root user’s credentials?",
            text: format!(
                "The root user of account {account} loses {}{}. It cannot sign in again before somebody here allows it to recover a \
                 password. Nothing else in the account changes.",
                held.map_or_else(|| "whatever it has to sign in or to sign with".into(), Held::losses),
                if held.is_none_or(|held| held.password) { ", and its sessions end" } else { "" }
            ),
            action: HERE.into(),
            back: account_address(&account),
            fields: confirmed(vec![("do", "delete".into()), ("account", account)]),
            yes: "Delete the credentials",
            no: "Keep them",
        }),
        Change::Recover { account, .. } => Some(Confirm {
            title: "Allow a password to be recovered?",
            text: if by_mail {
                format!(
                    "Whoever reads the mail of the root user’s address can then set a password and sign in as the root user of \
                     account {account}. When it has done what only it can do, delete its credentials again."
                )
            } else {
                format!(
                    "This node sends no mail, and so this alone lets nobody in. Once it sends mail, whoever reads that of the root \
                     user’s address can set a password and sign in as the root user of account {account}. On the host, “rootward \
                     root reset-password --account {account}” sets one now."
                )
            },
            action: HERE.into(),
            back: account_address(&account),
            fields: confirmed(vec![("do", "recover".into()), ("account", account)]),
            yes: "Allow it",
            no: "Do not",
        }),
        Change::Trust | Change::CredentialsOn | Change::SessionsOn => None,
    }
}

/// The root user of a member, for one task.
async fn assume(signed_in: &SignedIn, account: &str, task: RootTask) -> Result<Principal, Error> {
    let input = sts::AssumeRootRequest {
        target_principal: account.to_owned(),
        task_policy_arn: sts::PolicyDescriptorType { arn: task.arn(signed_in.live.acting().partition) },
        ..sts::AssumeRootRequest::default()
    };
    let answer = signed_in.call::<sts::AssumeRoot>(&input).await?;
    let token = answer.credentials.map(|credentials| credentials.session_token).unwrap_or_default();
    let root = signed_in.visit.house.signin.assumed_root(&token);
    root.ok_or_else(|| Error::internal("a root user was assumed without credentials"))
}

async fn recover(signed_in: &SignedIn, account: &str) -> Result<(), Error> {
    let root = assume(signed_in, account, RootTask::CreatePassword).await?;
    let input = iam::CreateLoginProfileRequest::default();
    signed_in.visit.call_as::<iam::CreateLoginProfile>(&root, &input).await.map(drop)
}

/// Deletes one after the other: what is weaker without the rest goes last.
async fn delete(signed_in: &SignedIn, account: &str) -> Result<(), Error> {
    let (visit, root) = (&signed_in.visit, assume(signed_in, account, RootTask::DeleteCredentials).await?);
    let input = iam::DeleteLoginProfileRequest { user_name: None };
    match visit.call_as::<iam::DeleteLoginProfile>(&root, &input).await {
        Err(error) if error.code != "NoSuchEntity" => return Err(error),
        _ => {}
    }
    let keys = visit.call_as::<iam::ListAccessKeys>(&root, &iam::ListAccessKeysRequest::default()).await?;
    for key in keys.access_key_metadata {
        let access_key_id = key.access_key_id.unwrap_or_default();
        let input = iam::DeleteAccessKeyRequest { user_name: None, access_key_id };
        visit.call_as::<iam::DeleteAccessKey>(&root, &input).await?;
    }
    let devices = visit.call_as::<iam::ListMfaDevices>(&root, &iam::ListMfaDevicesRequest::default()).await?;
    for device in devices.mfa_devices {
        let input = iam::DeactivateMfaDeviceRequest { user_name: None, serial_number: device.serial_number };
        visit.call_as::<iam::DeactivateMfaDevice>(&root, &input).await?;
    }
    Ok(())
}

/// The home page's word on members' root users, for the account that manages an organization.
pub(crate) struct Summary {
    /// What there is to say.
    pub(crate) text: String,
    /// The class that colours it.
    pub(crate) state: &'static str,
}

impl Summary {
    /// None for every other account, and for whoever may not see it.
    pub(crate) async fn read(signed_in: &SignedIn) -> Option<Self> {
        let account = signed_in.live.acting().account;
        let world = signed_in.visit.house.db.snapshot();
        let state = world.organization_of(account).filter(|state| state.is_management(account))?;
        if state.members().len() <= 1 {
            return Some(Self {
                text: "This account manages an organization, which has no members yet.".into(),
                state: "good",
            });
        }
        let input = api::ListMemberRootCredentialsRequest {
            max_results: Some(1),
            ..api::ListMemberRootCredentialsRequest::default()
        };
        match signed_in.call::<api::ListMemberRootCredentials>(&input).await {
            Ok(listed) => {
                let (total, some) = (listed.members_total, listed.members_with_credentials);
                let (text, state) = match some {
                    0 => {
                        (format!("None of {total} members’ root users has anything to sign in with."), "good")
                    }
                    1 => (format!("1 of {total} members’ root users has something to sign in with."), "warn"),
                    _ => (
                        format!("{some} of {total} members’ root users have something to sign in with."),
                        "warn",
                    ),
                };
                Some(Self { text, state })
            }
            Err(error) if error.code.starts_with("Conflict") => Some(Self {
                text: "The root credentials of the organization’s members are not managed from here yet."
                    .into(),
                state: "warn",
            }),
            Err(error) if error.code.starts_with("AccessDenied") => None,
            Err(error) => Some(Self { text: told(&error), state: "warn" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(password: bool, recovery_allowed: bool, access_keys: i32, mfa_devices: i32) -> String {
        let held = Held {
            id: "222233334444".into(),
            name: "Member".into(),
            state: api::AccountState::Active,
            password,
            recoverable: recovery_allowed,
            recovery_allowed,
            access_keys,
            mfa_devices,
            used: None,
        };
        held.losses()
    }

    #[test]
    fn what_is_deleted_is_named_and_nothing_else() {
        assert_eq!(losses(false, true, 0, 0), "the permission to recover a password by mail");
        assert_eq!(losses(false, false, 1, 0), "its access key");
        assert_eq!(losses(true, false, 0, 1), "its password and its second factor");
        assert_eq!(losses(true, false, 2, 3), "its password, its 2 access keys and its 3 second factors");
        assert_eq!(losses(false, false, 0, 0), "nothing, for it has nothing");
    }
}
