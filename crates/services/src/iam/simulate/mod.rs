//! The policy simulator: what policies would decide, given as text or attached to a user, group or role, with the engine and the
//! gathering that requests are decided with.
//!
//! One result for each action, in the order of the request. Over several resources it is the most restrictive of theirs, and
//! `ResourceSpecificResults` has each. A page evaluates the actions that are on it and no others, and ends early where the
//! policies are long and the resources many ([`WORK_MAX`]).
//!
//! What is simulated beside the identity policies:
//! - the resource's side only where `ResourcePolicy` or `ResourceOwner` speaks of it; else the resource belongs to the caller's
//!   account, and that lets its identity policies decide, as AWS does not fetch the policies of resources either;
//! - service control policies as given; an account of its own has none;
//! - no resource control policies and no session policies, as with AWS.
//!
//! Condition keys that follow from the caller (`aws:username`, `aws:PrincipalArn`, its tags) are filled where the caller is
//! known; every other key is absent unless `ContextEntries` has it, and told in `MissingContextValues` where a statement about
//! the action looks at it.
//!
//! Source: IAM API Reference, SimulateCustomPolicy, SimulatePrincipalPolicy, GetContextKeysForCustomPolicy,
//! GetContextKeysForPrincipalPolicy; forms of results as the service was seen to answer.

mod evaluate;
mod input;

use std::collections::BTreeSet;
use std::sync::Arc;

use rootward_api::iam as api;
use rootward_auth::gather::{Bounds, Found, Gathered, Member, attached};
use rootward_auth::principal::session_arn;
use rootward_names::{AccountId, folded};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_policy::{Attached, Context, PolicyKind, Principal, PrincipalKind, Program, Source};
use rootward_state::entities::{Group, Role, Tag, User};
use rootward_state::{AccountState, Txn};

use self::evaluate::{Simulation, own_side};
use self::input::{Documents, EntityArn, EntityKind, Exclusions, ResourcePolicy};
use super::owner::Owner;
use super::page::Ask;
use super::{failures, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &GET_CONTEXT_KEYS_FOR_CUSTOM_POLICY,
    &GET_CONTEXT_KEYS_FOR_PRINCIPAL_POLICY,
    &SIMULATE_CUSTOM_POLICY,
    &SIMULATE_PRINCIPAL_POLICY,
];

/// Bytes of policies that one page looks at, over all its actions and resources: both its time and the length of the answer,
/// which may name every statement for every resource, grow with them.
///
/// DIFFERENCE: A simulation of one action over so many resources that a page would look at more than 8 MiB of policies is refused
/// with `InvalidInput`; AWS publishes no bound.
const WORK_MAX: usize = 8 * 1024 * 1024;

/// The session in which a role is simulated: there is none, and nothing can depend on its name.
const SESSION_NAME: &str = "simulation";

pub(super) static GET_CONTEXT_KEYS_FOR_CUSTOM_POLICY: Declaration<api::GetContextKeysForCustomPolicy> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::SecondFactor,
        rules: &[Rule {
            action: "iam:GetContextKeysForCustomPolicy",
            when: always,
            target: |_, _| Target::any(),
            keys: &[],
        }],
        run: get_context_keys_for_custom_policy,
    };

fn get_context_keys_for_custom_policy(
    _: &OpContext<'_>,
    _: &mut Txn,
    input: &api::GetContextKeysForCustomPolicyRequest,
) -> Result<api::GetContextKeysForPolicyResponse, Failure> {
    let given = Documents::read("policyInputList", &input.policy_input_list, PolicyKind::Session)?;
    Ok(context_keys(given.programs()))
}

pub(super) static GET_CONTEXT_KEYS_FOR_PRINCIPAL_POLICY: Declaration<api::GetContextKeysForPrincipalPolicy> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::SecondFactor,
        rules: &[Rule {
            action: "iam:GetContextKeysForPrincipalPolicy",
            when: always,
            target: |scope, input| targets::entity(scope, &input.policy_source_arn),
            keys: &[],
        }],
        run: get_context_keys_for_principal_policy,
    };

fn get_context_keys_for_principal_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetContextKeysForPrincipalPolicyRequest,
) -> Result<api::GetContextKeysForPolicyResponse, Failure> {
    let arn = EntityArn::parse(&input.policy_source_arn)?;
    let state = ctx.view(txn)?;
    let entity = Entity::find(ctx, &state, &arn)?;
    let gathered = entity.policies(ctx, &state);
    let list = input.policy_input_list.as_deref().unwrap_or_default();
    let given = Documents::read("policyInputList", list, PolicyKind::Session)?;
    // What a setting of the account grants is no policy of anybody's.
    let documents =
        gathered.identity.iter().filter(|found| !matches!(found.source(), Source::Setting { .. }));
    let attached = documents.map(|found| found.program);
    Ok(context_keys(attached.chain(given.programs())))
}

fn context_keys<'a>(programs: impl Iterator<Item = &'a Program>) -> api::GetContextKeysForPolicyResponse {
    api::GetContextKeysForPolicyResponse {
        context_key_names: Some(names(programs.flat_map(Program::context_keys))),
    }
}

/// Every key once, ignoring case, as it is first written.
fn names<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut known = BTreeSet::new();
    keys.filter(|key| known.insert(folded(key).collect::<String>())).map(str::to_owned).collect()
}

pub(super) static SIMULATE_CUSTOM_POLICY: Declaration<api::SimulateCustomPolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:SimulateCustomPolicy",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: simulate_custom_policy,
};

fn simulate_custom_policy(
    ctx: &OpContext<'_>,
    _: &mut Txn,
    input: &api::SimulateCustomPolicyRequest,
) -> Result<api::SimulatePolicyResponse, Failure> {
    let levels = input.ordered_organization_policy_input_list.as_deref();
    let scps = levels.map(|levels| levels.iter().enumerate().map(scp_level).collect::<Result<Vec<_>, _>>());
    let asked = Asked {
        policies: &input.policy_input_list,
        boundaries: input.permissions_boundary_policy_input_list.as_deref().unwrap_or_default(),
        actions: &input.action_names,
        resources: input.resource_arns.as_deref().unwrap_or_default(),
        resource_policy: input.resource_policy.as_deref(),
        resource_owner: input.resource_owner.as_deref(),
        caller: input.caller_arn.as_deref(),
        context: input.context_entries.as_deref().unwrap_or_default(),
        handling: input.resource_handling_option.as_deref(),
        page: Ask::new(input.marker.as_deref(), input.max_items)?,
    };
    let caller = asked.caller.map(EntityArn::parse).transpose()?;
    let caller = caller.map_or_else(|| Caller::nobody(ctx), |arn| Caller::named(&arn));
    let scps = scps.transpose()?;
    let levels = scps.as_ref().map(|levels| levels.iter().map(|level| level.attached().collect()).collect());
    asked.simulate(&Gathered::default(), None, levels, &caller)
}

fn scp_level((at, level): (usize, &api::OrderedOrganizationPolicyType)) -> Result<Documents, Failure> {
    let member = format!("orderedOrganizationPolicyInputList.{}.serviceControlPolicyInputList", at + 1);
    let list = level.service_control_policy_input_list.as_deref().unwrap_or_default();
    Documents::read(&member, list, PolicyKind::Scp)
}

pub(super) static SIMULATE_PRINCIPAL_POLICY: Declaration<api::SimulatePrincipalPolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:SimulatePrincipalPolicy",
        when: always,
        target: |scope, input| targets::entity(scope, &input.policy_source_arn),
        keys: &[],
    }],
    run: simulate_principal_policy,
};

fn simulate_principal_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::SimulatePrincipalPolicyRequest,
) -> Result<api::SimulatePolicyResponse, Failure> {
    let asked = Asked {
        policies: input.policy_input_list.as_deref().unwrap_or_default(),
        boundaries: input.permissions_boundary_policy_input_list.as_deref().unwrap_or_default(),
        actions: &input.action_names,
        resources: input.resource_arns.as_deref().unwrap_or_default(),
        resource_policy: input.resource_policy.as_deref(),
        resource_owner: input.resource_owner.as_deref(),
        caller: input.caller_arn.as_deref(),
        context: input.context_entries.as_deref().unwrap_or_default(),
        handling: input.resource_handling_option.as_deref(),
        page: Ask::new(input.marker.as_deref(), input.max_items)?,
    };
    let arn = EntityArn::parse(&input.policy_source_arn)?;
    let exclusions = Exclusions::read(input.policy_exclusion_list.as_deref().unwrap_or_default())?;
    let caller = asked.caller.filter(|caller| *caller != arn.text).map(EntityArn::parse).transpose()?;
    let state = ctx.view(txn)?;
    let entity = Entity::find(ctx, &state, &arn)?;
    let mut gathered = entity.policies(ctx, &state);
    exclusions.apply(&mut gathered);
    // Whoever calls instead of the entity is a name, no more: what is known of them is not for the caller to see.
    let caller = caller.map_or_else(|| entity.caller(ctx, &arn), |arn| Caller::named(&arn));
    let world = Arc::clone(txn.world());
    let member = Member::of(&world, ctx.account());
    let Bounds { guard, scps, .. } = Bounds::of(&state, ctx.partition(), &member, &member);
    let scps = scps.filter(|_| !exclusions.take_scps());
    let levels = scps.as_ref().map(|levels| levels.iter().map(<[_]>::to_vec).collect());
    asked.simulate(&gathered, guard.as_ref().map(Found::attached), levels, &caller)
}

/// What both kinds of simulations are asked.
struct Asked<'a> {
    policies: &'a [String],
    boundaries: &'a [String],
    actions: &'a [String],
    resources: &'a [String],
    resource_policy: Option<&'a str>,
    resource_owner: Option<&'a str>,
    caller: Option<&'a str>,
    context: &'a [api::ContextEntry],
    handling: Option<&'a str>,
    page: Ask,
}

impl Asked<'_> {
    /// Simulates with the policies that are attached and those that are given.
    ///
    /// # Errors
    /// `InvalidInput`; `PolicyEvaluation` if an attached policy cannot be read.
    fn simulate(
        self,
        gathered: &Gathered<'_>,
        guard: Option<Attached<'_>>,
        scps: Option<Vec<Vec<Attached<'_>>>>,
        caller: &Caller,
    ) -> Result<api::SimulatePolicyResponse, Failure> {
        let given = Documents::read("policyInputList", self.policies, PolicyKind::Session)?;
        let boundary =
            Documents::read("permissionsBoundaryPolicyInputList", self.boundaries, PolicyKind::Session)?;
        if boundary.len() > 1 {
            return Err(failures::too_many_boundaries());
        }
        let resource_policy = self.resource_policy.map(ResourcePolicy::read).transpose()?;
        if resource_policy.is_some() && caller.kind != CallerKind::User {
            return Err(failures::caller_not_user());
        }
        let owner = self.resource_owner.map(input::resource_owner).transpose()?;
        input::check_actions(self.actions)?;
        let resources = input::resources(self.resources)?;
        if let Some(option) = self.handling {
            input::check_handling(option, &resources)?;
        }
        let mut context = Context::new();
        caller.fill(&mut context);
        input::fill(self.context, &mut context)?;
        if let Some(policy) = &resource_policy {
            policy.check_applies(&resources, &context)?;
        }

        let mut found = gathered.identity.iter().chain(&gathered.boundary);
        if let Some(unreadable) = found.find(|found| !found.program.is_readable()) {
            return Err(failures::policy_evaluation(&unreadable.source()));
        }
        let mut identity = attached(&gathered.identity);
        identity.extend(given.attached());
        let own_side = own_side(caller.account);
        let simulation = Simulation {
            attached: gathered.identity.len(),
            identity,
            boundary_is_given: boundary.len() > 0,
            boundary: boundary
                .attached()
                .next()
                .or_else(|| gathered.boundary.as_ref().map(|found| found.attached())),
            guard,
            scps,
            resource_policy: resource_policy.as_ref().map(ResourcePolicy::attached),
            resource_owner: owner,
            own_side: &own_side,
            caller: caller.principal(),
            account: caller.account,
            context: &context,
            resources: &resources,
        };
        let page =
            self.page.at_most(simulation.actions_max(WORK_MAX).ok_or_else(failures::simulation_too_large)?);
        let start = match page.after() {
            None => 0,
            Some(last) => last.parse::<usize>().map_err(|_| failures::invalid_marker())?.saturating_add(1),
        };
        let rows = self.actions.iter().enumerate().skip(start);
        let rows = rows.map(|(at, action)| (at.to_string(), action));
        let page = page.take(rows, |action| simulation.result(action));
        Ok(api::SimulatePolicyResponse {
            is_truncated: page.is_truncated(),
            evaluation_results: Some(page.items),
            marker: page.marker,
        })
    }
}

/// Whose policies are simulated.
enum Entity<'a> {
    Group(&'a Group),
    Role(&'a Role),
    User(&'a User),
}

impl<'a> Entity<'a> {
    /// # Errors
    /// `NoSuchEntity`.
    fn find(ctx: &OpContext<'_>, state: &'a AccountState, arn: &EntityArn<'_>) -> Result<Self, Failure> {
        let (partition, text) = (ctx.partition(), arn.text);
        match arn.kind {
            EntityKind::Group => {
                let found = state.by_arn::<Group>(partition, text).map(|group| Self::Group(group));
                found.ok_or_else(|| Group::missing(arn.name))
            }
            EntityKind::Role => {
                let found = state.by_arn::<Role>(partition, text).map(|role| Self::Role(role));
                found.ok_or_else(|| Role::missing(arn.name))
            }
            EntityKind::User => {
                let found = state.by_arn::<User>(partition, text).map(|user| Self::User(user));
                found.ok_or_else(|| User::missing(arn.name))
            }
        }
    }

    fn policies(&self, ctx: &OpContext<'_>, state: &'a AccountState) -> Gathered<'a> {
        match self {
            Self::Group(group) => Gathered::of_group(state, ctx.partition(), group),
            Self::Role(role) => Gathered::of_role(state, ctx.partition(), role),
            Self::User(user) => Gathered::of_user(state, ctx.partition(), user),
        }
    }

    /// The entity as the caller, with all that is known of it. A group calls nobody.
    fn caller(&self, ctx: &OpContext<'_>, arn: &EntityArn<'_>) -> Caller {
        let named = Caller { account: ctx.account(), ..Caller::named(arn) };
        match self {
            Self::Group(_) => named,
            Self::Role(role) => Caller { tags: role.tags.clone(), ..named },
            Self::User(user) => Caller { id: user.id.to_string(), tags: user.tags.clone(), ..named },
        }
    }
}

/// Who makes the simulated calls, as far as policies can ask.
struct Caller {
    kind: CallerKind,
    /// Of the user or role; empty for nobody.
    arn: String,
    /// Of the session, for a role.
    session: String,
    /// `AIDA…`; empty if unknown.
    id: String,
    account: AccountId,
    tags: Vec<Tag>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CallerKind {
    /// Policies are simulated for nobody in particular.
    Nobody,
    Role,
    User,
}

impl Caller {
    /// Somebody of the account that asks, without a name.
    fn nobody(ctx: &OpContext<'_>) -> Self {
        Self {
            kind: CallerKind::Nobody,
            arn: String::new(),
            session: String::new(),
            id: String::new(),
            account: ctx.account(),
            tags: Vec::new(),
        }
    }

    /// Somebody of whom only the ARN is known; they need not exist.
    fn named(arn: &EntityArn<'_>) -> Self {
        let (kind, session) = match arn.kind {
            EntityKind::Group => (CallerKind::Nobody, String::new()),
            EntityKind::Role => {
                (CallerKind::Role, session_arn(arn.partition, arn.account, arn.name, SESSION_NAME))
            }
            EntityKind::User => (CallerKind::User, String::new()),
        };
        let text = if kind == CallerKind::Nobody { "" } else { arn.text };
        Self {
            kind,
            arn: text.to_owned(),
            session,
            id: String::new(),
            account: arn.account,
            tags: Vec::new(),
        }
    }

    fn principal(&self) -> Principal<'_> {
        let kind = match self.kind {
            CallerKind::Nobody | CallerKind::User => PrincipalKind::User { arn: &self.arn, id: &self.id },
            CallerKind::Role => PrincipalKind::RoleSession {
                session_arn: &self.session,
                role_arn: &self.arn,
                // With it, `aws:userid` would follow from a session that is none.
                role_id: "",
            },
        };
        Principal { kind, account: Some(self.account), management_account: false }
    }

    /// The condition keys that follow from the caller.
    fn fill(&self, context: &mut Context) {
        if self.kind == CallerKind::Nobody {
            return;
        }
        context.principal(&self.principal());
        for tag in &self.tags {
            context.text(&format!("aws:PrincipalTag/{}", tag.key), &tag.value);
        }
    }
}

/// As given policies are attached: results name them by their place in the request.
fn given(program: &Program) -> Attached<'_> {
    Attached { program, source: Source::Unnamed }
}

#[cfg(test)]
mod tests;
