//! Gathering: which policies apply to a principal, a user, a group or a role.
//!
//! The one home of this question: requests, simulations and questions of the operator all ask here. Gathering follows
//! references of the snapshot: a user's own policies and those of its groups, a role's, the boundary, the session's. A reference
//! that leads nowhere grants nothing; a boundary or session policy that leads nowhere denies everything, because it may have held
//! a Deny. Programs are compiled once and shared; here nothing is copied but references.
//!
//! To a user's own policies belongs what the account's password policy grants to all of its users. It is an identity-based policy
//! like any other, so a Deny wins over it and a boundary limits it.
//!
//! Source: IAM User Guide, "Policy evaluation logic"; "Permit IAM users to change their own passwords".

use std::sync::{Arc, LazyLock};

use rootward_names::{AccountId, Partition};
use rootward_policy::{Attached, Owner, Policies, Program, ResourcePolicy, Source};
use rootward_state::entities::{
    Grants, Group, GuardPolicy, ManagedPolicy, OrganizationPolicyType, PolicyRef, Role, User,
};
use rootward_state::{
    AccountState, AnyPolicy, BindingPolicy, Level, Merged, OrganizationState, Place, World,
};
use smallvec::SmallVec;

use crate::root_task::RootTask;
use crate::session::SessionPolicies;
use crate::{Identity, Principal};

/// Denies everything, as every document does that cannot be read.
static UNREADABLE: LazyLock<Program> = LazyLock::new(|| Program::of_stored(""));

/// What a root user may do, for the sessions that it makes: those start from it and are cut by their session policies.
static EVERYTHING: LazyLock<Program> = LazyLock::new(|| {
    Program::of_stored(
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
    )
});

/// What users may do by themselves where the account's password policy lets them change their password. Two patterns, because
/// a user may have a path. Whoever has no user name, such as a federated user, is no resource of it.
static OWN_PASSWORD: LazyLock<Program> = LazyLock::new(|| {
    Program::of_stored(
        r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": [
                "arn:*:iam::*:user/${aws:username}",
                "arn:*:iam::*:user/*/${aws:username}"
            ]},
            {"Effect": "Allow", "Action": "iam:GetAccountPasswordPolicy", "Resource": "*"}
        ]}"#,
    )
});

/// As the member of `UpdateAccountPasswordPolicy` is called.
const OWN_PASSWORD_SETTING: &str = "AllowUsersToChangePassword";

/// The policies that apply, with what the engine borrows of them.
#[derive(Debug, Default)]
pub struct Gathered<'a> {
    /// Of the user, its groups and the account's settings, of the group, or of the role.
    pub identity: Vec<Found<'a>>,
    /// The permissions boundary.
    pub boundary: Option<Found<'a>>,
    /// Given when the session was made; none if none were given.
    pub session: Option<Vec<Found<'a>>>,
}

/// A policy that applies.
#[derive(Debug)]
pub struct Found<'a> {
    /// Compiled.
    pub program: &'a Program,
    from: Origin<'a>,
}

/// Where a policy comes from.
#[derive(Debug)]
enum Origin<'a> {
    Inline(Owner, &'a str, &'a str),
    Managed(String),
    Setting(&'static str),
    Unnamed,
}

impl<'a> Gathered<'a> {
    /// Of whoever makes a request.
    pub fn of(state: &'a AccountState, principal: &'a Principal) -> Self {
        let partition = principal.partition;
        match &principal.identity {
            Identity::AssumedRoot(assumed) => Self::of_root_task(state, partition, assumed.task),
            Identity::FederatedUser(federated) => {
                let maker = match &federated.by {
                    Some(user) => Self::of_user(state, partition, user),
                    None => Self { identity: vec![unnamed(&EVERYTHING)], ..Self::default() },
                };
                Self { session: session_policies(state, partition, &federated.policies), ..maker }
            }
            Identity::Root => Self::default(),
            Identity::User(user) => Self::of_user(state, partition, user),
            Identity::RoleSession(session) => Self {
                session: session_policies(state, partition, &session.policies),
                ..Self::of_role(state, partition, &session.role)
            },
        }
    }

    /// Of an assumed root user. Its task's policy only denies, so it cuts everything down to the task.
    fn of_root_task(state: &'a AccountState, partition: Partition, task: RootTask) -> Self {
        let policy = state.policy_by_arn(partition, &task.arn(partition));
        let task = policy.and_then(|policy| applied(state, partition, policy)).unwrap_or_else(unreadable);
        Self { session: Some(vec![unnamed(&EVERYTHING), task]), ..Self::default() }
    }

    /// Of a user: its own, those of its groups and what the account grants to every user.
    pub fn of_user(state: &'a AccountState, partition: Partition, user: &'a User) -> Self {
        let mut identity = Vec::new();
        grants(state, partition, &user.grants, Owner::User, &user.name, &mut identity);
        for group in user.groups.iter().filter_map(|id| state.by_id::<Group>(*id)) {
            grants(state, partition, &group.grants, Owner::Group, &group.name, &mut identity);
        }
        if state.password_policy().is_some_and(|policy| policy.allow_users_to_change) {
            identity.push(Found { program: &OWN_PASSWORD, from: Origin::Setting(OWN_PASSWORD_SETTING) });
        }
        Self { identity, boundary: boundary(state, partition, user.boundary.as_ref()), session: None }
    }

    /// Of a group, which has no boundary.
    pub fn of_group(state: &'a AccountState, partition: Partition, group: &'a Group) -> Self {
        let mut identity = Vec::new();
        grants(state, partition, &group.grants, Owner::Group, &group.name, &mut identity);
        Self { identity, ..Self::default() }
    }

    /// Of a role.
    pub fn of_role(state: &'a AccountState, partition: Partition, role: &'a Role) -> Self {
        let mut identity = Vec::new();
        grants(state, partition, &role.grants, Owner::Role, &role.name, &mut identity);
        Self { identity, boundary: boundary(state, partition, role.boundary.as_ref()), session: None }
    }

    /// As the engine takes them, with the policy of the resource and those of organizations.
    pub(crate) fn with_policies<R>(
        &self,
        bounds: &Bounds<'_>,
        resource: Option<ResourcePolicy<'_>>,
        run: impl FnOnce(&Policies<'_>) -> R,
    ) -> R {
        let identity = attached(&self.identity);
        let session = self.session.as_deref().map(attached);
        let [scps, rcps] = [&bounds.scps, &bounds.rcps].map(|levels| {
            levels.as_ref().map(|levels| levels.iter().collect::<SmallVec<[_; LEVELS_OFTEN]>>())
        });
        run(&Policies {
            guard: bounds.guard.as_ref().map(Found::attached),
            identity: &identity,
            boundary: self.boundary.as_ref().map(Found::attached),
            session: session.as_deref(),
            resource,
            scps: scps.as_deref(),
            rcps: rcps.as_deref(),
            endpoint: None,
        })
    }
}

/// What binds the caller's account as a whole, and what its organization says about the resource.
#[derive(Debug, Default)]
pub struct Bounds<'a> {
    /// The guard policy of the caller's account.
    pub guard: Option<Found<'a>>,
    /// Service control policies of the caller's account.
    pub scps: Option<Levels<'a>>,
    /// Resource control policies of the resource's account.
    pub rcps: Option<Levels<'a>>,
}

/// Policies of an organization that bind an account, level by level from the root down to the account.
#[derive(Debug, Default)]
pub struct Levels<'a> {
    attached: SmallVec<[Attached<'a>; ATTACHED_OFTEN]>,
    /// Where each level ends.
    ends: SmallVec<[usize; LEVELS_OFTEN]>,
}

impl<'a> Bounds<'a> {
    /// Of a caller, whose account is `state`, and of whose the resource is.
    pub fn of(
        state: &'a AccountState,
        partition: Partition,
        caller: &Member<'a>,
        resource: &Member<'a>,
    ) -> Self {
        Self {
            guard: guard_policy(state, partition),
            scps: caller.levels(&OrganizationPolicyType::ServiceControl, |level| &level.scps),
            rcps: resource.levels(&OrganizationPolicyType::ResourceControl, |level| &level.rcps),
        }
    }

    /// The same by few programs, which come to the same outcome and layer and have no names.
    pub fn merged(
        state: &'a AccountState,
        partition: Partition,
        caller: &Member<'a>,
        resource: &Member<'a>,
    ) -> Self {
        Self {
            guard: guard_policy(state, partition),
            scps: caller.merged(&OrganizationPolicyType::ServiceControl, |merged| &merged.scps),
            rcps: resource.merged(&OrganizationPolicyType::ResourceControl, |merged| &merged.rcps),
        }
    }
}

/// The guard policy that binds an account.
fn guard_policy(state: &AccountState, partition: Partition) -> Option<Found<'_>> {
    let policy = state.guard_policy()?;
    let from = Origin::Managed(GuardPolicy::arn(partition, state.account().id));
    Some(Found { program: policy.document.program(), from })
}

impl<'a> Levels<'a> {
    /// Adds a level.
    fn push(&mut self, policies: impl Iterator<Item = Attached<'a>>) {
        self.attached.extend(policies);
        self.ends.push(self.attached.len());
    }

    /// From the root down.
    pub fn iter(&self) -> impl Iterator<Item = &[Attached<'a>]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.attached.get(start..*end).unwrap_or_default())
    }
}

/// An account and the organization that it is in.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Which account.
    pub account: AccountId,
    /// None outside of organizations.
    pub organization: Option<&'a OrganizationState>,
    /// Where in the organization; none outside of organizations.
    pub place: Option<Place<'a>>,
}

impl<'a> Member<'a> {
    /// The account as the World has it.
    pub fn of(world: &'a World, account: AccountId) -> Self {
        let organization = world.organization_of(account).map(|state| &**state);
        Self { account, organization, place: organization.and_then(|state| state.place(account)) }
    }

    /// Whether it manages its organization.
    pub fn is_management(&self) -> bool {
        self.place.is_some_and(|place| place.is_management)
    }

    fn levels(
        &self,
        kind: &OrganizationPolicyType,
        of: fn(&Level) -> &[BindingPolicy],
    ) -> Option<Levels<'a>> {
        let mut levels = Levels::default();
        for level in self.bound_by(kind)?.levels()? {
            levels.push(of(level).iter().map(attached_policy));
        }
        Some(levels)
    }

    fn merged(&self, kind: &OrganizationPolicyType, of: fn(&Merged) -> &[Program]) -> Option<Levels<'a>> {
        let mut levels = Levels::default();
        for program in self.bound_by(kind)?.merged()?.flat_map(of) {
            levels.push(std::iter::once(Attached { program, source: Source::Unnamed }));
        }
        Some(levels)
    }

    /// Where it is, if policies of this type are in force there.
    fn bound_by(&self, kind: &OrganizationPolicyType) -> Option<Place<'a>> {
        self.organization.filter(|state| state.is_in_force(kind))?;
        self.place
    }
}

/// Policies, and levels of them, that a decision has room for without asking for memory.
const ATTACHED_OFTEN: usize = 4;
const LEVELS_OFTEN: usize = 4;

fn attached_policy(policy: &BindingPolicy) -> Attached<'_> {
    Attached { program: policy.document.program(), source: Source::Managed { arn: &policy.arn } }
}

impl Found<'_> {
    /// Where it comes from.
    pub fn source(&self) -> Source<'_> {
        match &self.from {
            Origin::Inline(owner, owner_name, policy_name) => {
                Source::Inline { owner: *owner, owner_name, policy_name }
            }
            Origin::Managed(arn) => Source::Managed { arn },
            Origin::Setting(name) => Source::Setting { name },
            Origin::Unnamed => Source::Unnamed,
        }
    }

    /// As the engine takes it.
    pub fn attached(&self) -> Attached<'_> {
        Attached { program: self.program, source: self.source() }
    }
}

/// A layer as the engine takes it.
pub fn attached<'f>(found: &'f [Found<'_>]) -> Vec<Attached<'f>> {
    found.iter().map(Found::attached).collect()
}

fn grants<'a>(
    state: &'a AccountState,
    partition: Partition,
    grants: &'a Grants,
    owner: Owner,
    owner_name: &'a str,
    into: &mut Vec<Found<'a>>,
) {
    let inline = grants.inline.iter().map(|policy| Found {
        program: policy.document.program(),
        from: Origin::Inline(owner, owner_name, &policy.name),
    });
    into.extend(inline);
    into.extend(grants.attached.iter().filter_map(|policy| managed(state, partition, policy)));
}

/// A boundary that leads nowhere denies everything; it cannot be, because policies in use are not deleted.
fn boundary<'a>(
    state: &'a AccountState,
    partition: Partition,
    policy: Option<&PolicyRef>,
) -> Option<Found<'a>> {
    policy.map(|policy| managed(state, partition, policy).unwrap_or_else(unreadable))
}

fn managed<'a>(state: &'a AccountState, partition: Partition, policy: &PolicyRef) -> Option<Found<'a>> {
    applied(state, partition, state.policy_by_ref(policy)?)
}

fn applied<'a>(
    state: &'a AccountState,
    partition: Partition,
    policy: AnyPolicy<&'a Arc<ManagedPolicy>>,
) -> Option<Found<'a>> {
    let from = Origin::Managed(policy.arn(partition, state.account().id));
    Some(Found { program: policy.program()?, from })
}

/// The policies a session was made with; none for a session made without. One that is gone denies everything: it may
/// have held a Deny.
fn session_policies<'a>(
    state: &'a AccountState,
    partition: Partition,
    policies: &'a SessionPolicies,
) -> Option<Vec<Found<'a>>> {
    if policies.is_none() {
        return None;
    }
    let inline =
        policies.inline.iter().map(|document| Found { program: document.program(), from: Origin::Unnamed });
    let managed = policies
        .managed
        .iter()
        .map(|arn| state.policy_by_arn(partition, arn).and_then(|policy| applied(state, partition, policy)))
        .map(|found| found.unwrap_or_else(unreadable));
    Some(inline.chain(managed).collect())
}

fn unreadable<'a>() -> Found<'a> {
    unnamed(&UNREADABLE)
}

fn unnamed(program: &Program) -> Found<'_> {
    Found { program, from: Origin::Unnamed }
}
