//! What rules authorize on: the resources of IAM, by name.
//!
//! An entity that exists has its true ARN, its tags and its boundary; one that does not has the ARN it would have under
//! the path `/`, so that denials tell nobody what exists. Denials name existing kinds in AWS's short form (`user ann`),
//! creations by ARN, save those of policies.

use std::sync::Arc;

use rootward_auth::Identity;
use rootward_names::{Arn, Partition};
use rootward_pipeline::{Scope, Target};
use rootward_state::AccountState;
use rootward_state::entities::{
    Group, InstanceProfile, ManagedPolicy, MfaDevice, Named, PolicyRef, Role, Tag, User,
};

use super::refs::{self, Policy};

/// What a resource has besides its name.
trait Resource: Named {
    /// How denials call the kind.
    const SHOWN: &'static str;
    fn tags(&self) -> &[Tag] {
        &[]
    }
    fn boundary(&self) -> Option<&PolicyRef> {
        None
    }
}

impl Resource for Group {
    const SHOWN: &'static str = "group";
}

impl Resource for InstanceProfile {
    const SHOWN: &'static str = "instance profile";
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Resource for Role {
    const SHOWN: &'static str = "role";
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn boundary(&self) -> Option<&PolicyRef> {
        self.boundary.as_ref()
    }
}

impl Resource for User {
    const SHOWN: &'static str = "user";
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn boundary(&self) -> Option<&PolicyRef> {
        self.boundary.as_ref()
    }
}

/// The user called `name`.
pub(crate) fn user(scope: &Scope<'_>, name: &str) -> Target {
    of(scope, name, state(scope).and_then(|state| state.named::<User>(name)))
}

/// The user called `name`; without a name, the caller.
pub(crate) fn user_or_caller(scope: &Scope<'_>, name: Option<&str>) -> Target {
    match (name, &scope.ctx.principal.identity) {
        (Some(name), _) => user(scope, name),
        (None, Identity::User(caller)) => of(scope, &caller.name, Some(caller)),
        (None, Identity::AssumedRoot(_) | Identity::Root) => Target::arn(scope.ctx.principal.arn()),
        // Refused by the operation: a role has no user name.
        (None, Identity::FederatedUser(_) | Identity::RoleSession(_)) => Target::any(),
    }
}

/// The group called `name`.
pub(crate) fn group(scope: &Scope<'_>, name: &str) -> Target {
    of(scope, name, state(scope).and_then(|state| state.named::<Group>(name)))
}

/// The role called `name`.
pub(crate) fn role(scope: &Scope<'_>, name: &str) -> Target {
    of(scope, name, state(scope).and_then(|state| state.named::<Role>(name)))
}

/// The role called `name`, as one to be passed: the one denial about roles that names the ARN.
pub(crate) fn passed_role(scope: &Scope<'_>, name: &str) -> Target {
    Target { shown: None, ..role(scope, name) }
}

/// The instance profile called `name`.
pub(crate) fn instance_profile(scope: &Scope<'_>, name: &str) -> Target {
    of(scope, name, state(scope).and_then(|state| state.named::<InstanceProfile>(name)))
}

/// The user, group or role that `arn` names, as denials of simulations name it: by its ARN. Whatever else it says is taken as
/// it is, of the account that it says; the operation refuses it.
pub(crate) fn entity(scope: &Scope<'_>, arn: &str) -> Target {
    let (state, partition) = (state(scope), scope.ctx.partition());
    let user = state.and_then(|state| state.by_arn::<User>(partition, arn)).map(|it| it.tags.clone());
    let role = || state.and_then(|state| state.by_arn::<Role>(partition, arn)).map(|it| it.tags.clone());
    let account = Arn::parse(arn).ok().and_then(|arn| arn.account.parse().ok());
    Target { account, tags: user.or_else(role).unwrap_or_default(), ..Target::arn(arn) }
}

/// The second factor with this serial number, whether or not it exists or could.
pub(crate) fn mfa_device(scope: &Scope<'_>, serial_number: &str) -> Target {
    let (partition, account) = (scope.ctx.partition(), scope.ctx.account());
    let id = MfaDevice::id_of(serial_number, partition, account);
    let found = id.and_then(|id| state(scope)?.mfa_device(id));
    let tags = found.map(|device| device.tags.clone()).unwrap_or_default();
    // A token of plastic has no ARN.
    let is_arn = serial_number.starts_with("arn:");
    let arn = if is_arn { serial_number.to_owned() } else { mfa_device_arn(scope, "/", serial_number) };
    Target { tags, ..Target::arn(arn) }
}

/// A virtual MFA device that is about to be made.
pub(crate) fn new_mfa_device(scope: &Scope<'_>, path: Option<&str>, name: &str) -> Target {
    Target::arn(mfa_device_arn(scope, path.unwrap_or("/"), name))
}

/// All virtual MFA devices.
pub(crate) fn mfa_devices(scope: &Scope<'_>) -> Target {
    Target::arn(mfa_device_arn(scope, "/", ""))
}

fn mfa_device_arn(scope: &Scope<'_>, path: &str, name: &str) -> String {
    format!("arn:{}:iam::{}:mfa{path}{name}", scope.ctx.partition(), scope.ctx.account())
}

/// The managed policy with this ARN, whether or not it exists or could.
pub(crate) fn policy(scope: &Scope<'_>, arn: &str) -> Target {
    let found = state(scope).and_then(|state| refs::by_arn(state, scope.ctx.partition(), arn));
    let tags = match found {
        Some(Policy::Customer(policy)) => policy.tags.clone(),
        Some(Policy::Aws(_)) | None => Vec::new(),
    };
    Target { arn: arn.to_owned(), shown: Some(format!("policy {arn}")), tags, ..Target::default() }
}

/// What is about to be made: named by its ARN, without tags or boundary yet.
pub(crate) fn new<T: Named>(scope: &Scope<'_>, path: Option<&str>, name: &str) -> Target {
    Target::arn(arn::<T>(scope, path.unwrap_or("/"), name))
}

/// A managed policy that is about to be made: denials name it without its path, unlike all else that is made.
pub(crate) fn new_policy(scope: &Scope<'_>, path: Option<&str>, name: &str) -> Target {
    Target { shown: Some(format!("policy {name}")), ..new::<ManagedPolicy>(scope, path, name) }
}

/// A user as it will be called: what it has now, under its new ARN.
pub(crate) fn renamed_user(scope: &Scope<'_>, old: &str, path: Option<&str>, name: Option<&str>) -> Target {
    renamed(scope, state(scope).and_then(|state| state.named::<User>(old)), old, path, name)
}

/// A group as it will be called.
pub(crate) fn renamed_group(scope: &Scope<'_>, old: &str, path: Option<&str>, name: Option<&str>) -> Target {
    renamed(scope, state(scope).and_then(|state| state.named::<Group>(old)), old, path, name)
}

/// All entities of a kind, or those under a path: what listings are authorized on.
pub(crate) fn list<T: Named>(scope: &Scope<'_>, path_prefix: Option<&str>) -> Target {
    Target::arn(arn::<T>(scope, path_prefix.unwrap_or("/"), ""))
}

/// The managed policies under a path: what listing them is authorized on.
pub(crate) fn policy_path(scope: &Scope<'_>, path_prefix: Option<&str>) -> Target {
    let path = path_prefix.unwrap_or("/");
    Target { shown: Some(format!("policy path {path}")), ..list::<ManagedPolicy>(scope, Some(path)) }
}

/// The ARN of an entity in the caller's account.
fn arn<T: Named>(scope: &Scope<'_>, path: &str, name: &str) -> String {
    format!("arn:{}:iam::{}:{}{path}{name}", scope.ctx.partition(), scope.ctx.account(), T::ARN_TYPE)
}

fn of<T: Resource>(scope: &Scope<'_>, name: &str, found: Option<&Arc<T>>) -> Target {
    let shown = Some(format!("{} {name}", T::SHOWN));
    match found {
        Some(entity) => Target {
            arn: scope.ctx.arn(&**entity),
            shown,
            tags: entity.tags().to_vec(),
            boundary: entity.boundary().and_then(|boundary| boundary_arn(scope, boundary)),
            ..Target::default()
        },
        None => Target { arn: arn::<T>(scope, "/", name), shown, ..Target::default() },
    }
}

fn renamed<T: Resource>(
    scope: &Scope<'_>,
    found: Option<&Arc<T>>,
    old: &str,
    path: Option<&str>,
    name: Option<&str>,
) -> Target {
    let path = path.or(found.map(|entity| entity.path())).unwrap_or("/");
    let name = name.or(found.map(|entity| entity.name())).unwrap_or(old);
    let shown = Some(format!("{} {name}", T::SHOWN));
    Target { arn: arn::<T>(scope, path, name), shown, ..of(scope, old, found) }
}

fn boundary_arn(scope: &Scope<'_>, boundary: &PolicyRef) -> Option<String> {
    let partition: Partition = scope.ctx.partition();
    refs::arn_of(state(scope)?, partition, boundary)
}

fn state<'a>(scope: &Scope<'a>) -> Option<&'a AccountState> {
    scope.world.account(scope.ctx.account()).map(|state| &**state)
}
