//! The same world, asked of the engine.

use rootward_policy::{
    Attached, Context, Outlook, Policies, Principal, PrincipalKind, Program, Request, ResourceKind,
    ResourcePolicy, Source, merged_rcps, merged_scps,
};
use serde_json::Value;

use crate::decide::Answer;
use crate::world::{Caller, CallerKind, World};

pub fn engine(world: &World) -> Answer {
    ask(world, Levels::Each, answer)
}

/// What the engine says by merged levels of organizations.
pub fn merged(world: &World) -> Answer {
    ask(world, Levels::Merged, answer)
}

fn answer(request: &Request<'_>, policies: &Policies<'_>) -> Answer {
    let decision = rootward_policy::decide(request, policies);
    Answer { outcome: decision.outcome, layer: decision.layer }
}

/// What the engine says that keys leave open of which `is_settled` does not know that they stay as they are.
pub fn outlook(world: &World, is_settled: impl Fn(&str, bool) -> bool) -> Outlook {
    ask(world, Levels::Each, |request, policies| {
        rootward_policy::explain_knowing(request, policies, is_settled).outlook
    })
}

/// How the levels of an organization are asked.
enum Levels {
    Each,
    Merged,
}

impl Levels {
    fn of(
        &self,
        levels: Option<&[Vec<Value>]>,
        merge: fn(&[Vec<Program>]) -> Box<[Program]>,
    ) -> Option<Vec<Vec<Program>>> {
        let each: Vec<_> = levels?.iter().map(|level| programs(level)).collect();
        Some(match self {
            Self::Each => each,
            Self::Merged => merge(&each).into_iter().map(|program| vec![program]).collect(),
        })
    }
}

fn ask<R>(world: &World, levels: Levels, run: impl FnOnce(&Request<'_>, &Policies<'_>) -> R) -> R {
    let identity = programs(&world.identity_policies);
    let boundary = world.boundary.as_ref().map(program);
    let session = world.session_policies.as_deref().map(programs);
    let guard = world.guard_policy.as_ref().map(program);
    let resource = world.resource_policy.as_ref().map(program);
    let scps = levels.of(world.scps.as_deref(), |levels| merged_scps(levels));
    let rcps = levels.of(world.rcps.as_deref(), |levels| merged_rcps(levels));
    let endpoint = world.vpce_policies.as_deref().map(programs);

    let identity = attached(&identity);
    let session = session.as_deref().map(attached);
    let endpoint = endpoint.as_deref().map(attached);
    let scps: Option<Vec<_>> = scps.as_ref().map(|levels| levels.iter().map(|l| attached(l)).collect());
    let rcps: Option<Vec<_>> = rcps.as_ref().map(|levels| levels.iter().map(|l| attached(l)).collect());
    let scps: Option<Vec<&[Attached<'_>]>> = scps.as_ref().map(|l| l.iter().map(Vec::as_slice).collect());
    let rcps: Option<Vec<&[Attached<'_>]>> = rcps.as_ref().map(|l| l.iter().map(Vec::as_slice).collect());
    let kind = match world {
        _ if world.is_trust() => ResourceKind::Trust,
        _ if world.is_key() => ResourceKind::Key,
        _ => ResourceKind::Other,
    };
    let policies = Policies {
        guard: guard.as_ref().map(one),
        identity: &identity,
        boundary: boundary.as_ref().map(one),
        session: session.as_deref(),
        resource: resource.as_ref().map(|program| ResourcePolicy { attached: one(program), kind }),
        scps: scps.as_deref(),
        rcps: rcps.as_deref(),
        endpoint: endpoint.as_deref(),
    };

    let principal = Principal {
        kind: kind_of(&world.principal),
        account: world.principal.account.as_ref().and_then(|account| account.parse().ok()),
        management_account: world.request.principal_in_management_account,
    };
    let mut context = Context::new();
    context.principal(&principal);
    for (key, value) in &world.request.context {
        match value {
            Value::Array(values) => context.list(key, values.iter().filter_map(Value::as_str)),
            Value::String(text) => context.text(key, text),
            other => context.show(key, other),
        };
    }
    let request = Request {
        principal: &principal,
        action: &world.request.action,
        resource: &world.request.resource,
        resource_account: world.request.resource_account.as_ref().and_then(|account| account.parse().ok()),
        context: &context,
    };
    run(&request, &policies)
}

fn kind_of(caller: &Caller) -> PrincipalKind<'_> {
    let arn = caller.arn.as_deref().unwrap_or_default();
    let id = caller.id.as_deref().unwrap_or_default();
    match caller.kind {
        CallerKind::Anonymous => PrincipalKind::Anonymous,
        CallerKind::AssumedRoot => PrincipalKind::AssumedRoot { arn },
        CallerKind::FederatedUser => PrincipalKind::FederatedUser {
            arn,
            user_arn: caller.user_arn.as_deref().unwrap_or_default(),
            user_id: id,
        },
        CallerKind::RoleSession => PrincipalKind::RoleSession {
            session_arn: arn,
            role_arn: caller.role_arn.as_deref().unwrap_or_default(),
            role_id: id,
        },
        CallerKind::Root => PrincipalKind::Root { arn },
        CallerKind::Saml => PrincipalKind::Saml { provider: arn },
        CallerKind::Service => PrincipalKind::Service { name: arn },
        CallerKind::User => PrincipalKind::User { arn, id },
        CallerKind::WebIdentity => PrincipalKind::WebIdentity { provider: arn },
    }
}

fn program(document: &Value) -> Program {
    Program::of_stored(&document.to_string())
}

fn programs(documents: &[Value]) -> Vec<Program> {
    documents.iter().map(program).collect()
}

fn one(program: &Program) -> Attached<'_> {
    Attached { program, source: Source::Unnamed }
}

fn attached(programs: &[Program]) -> Vec<Attached<'_>> {
    programs.iter().map(one).collect()
}
