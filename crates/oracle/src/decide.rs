//! The decision.
//!
//! IAM, "Policy evaluation logic" and the pages below it: "Policy evaluation for requests within a single account",
//! "Cross-account policy evaluation logic", "The difference between explicit and implicit denies". Organizations, "SCP
//! evaluation" and "RCP evaluation". The guard policy is of our own: `docs/decisions/012-guard-policy.md`.

use rootward_policy::{Effect, Layer, Outcome, Policy};
use serde_json::Value;

use crate::context::Keys;
use crate::principal::Named;
use crate::statement::{At, matches};
use crate::world::{CallerKind, World};

/// The outcome, and which type of policy decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    pub layer: Layer,
}

/// What the policies of a layer say.
struct Says {
    denies: bool,
    allows: Option<Named>,
}

pub fn decide(world: &World) -> Answer {
    let answer = |outcome, layer| Answer { outcome, layer };
    let caller = &world.principal;
    let action = world.request.action.to_lowercase();

    // STS API Reference: these two need no permission; they do need a signature.
    let unsigned = caller.kind == CallerKind::Anonymous;
    if !unsigned && (action == "sts:getcalleridentity" || action == "sts:getsessiontoken") {
        return answer(Outcome::Allowed, Layer::Free);
    }

    let root = matches!(caller.kind, CallerKind::Root | CallerKind::AssumedRoot);
    // Callers that only the resource's own policy speaks about.
    let stranger = matches!(
        caller.kind,
        CallerKind::Anonymous | CallerKind::Saml | CallerKind::Service | CallerKind::WebIdentity
    );
    let same_account = !stranger
        && (world.request.resource_account.is_none() || world.request.resource_account == caller.account);
    let service_linked =
        caller.role_arn.as_deref().is_some_and(|arn| arn.contains(":role/aws-service-role/"));
    let management = world.request.principal_in_management_account;

    // Which policies apply.
    let has_identity = !root && !stranger;
    let boundary = world.boundary.iter().filter(|_| has_identity).collect::<Vec<_>>();
    let says = |policies: &[&Value], at| says(policies, at, world, !boundary.is_empty());
    let nothing = || Says { denies: false, allows: None };
    let identity = if has_identity { says(&refs(&world.identity_policies), At::Caller) } else { nothing() };
    let boundary_says = says(&boundary, At::Caller);
    let session = match &world.session_policies {
        Some(policies) if !stranger => Some(says(&refs(policies), At::Caller)),
        _ => None,
    };
    let at = if world.is_trust() { At::Trust } else { At::Resource };
    let mut resource = says(&world.resource_policy.iter().collect::<Vec<_>>(), at);
    let resource_layer = if world.is_trust() { Layer::Trust } else { Layer::Resource };
    // It binds whom SCPs bind, management account or not; there it is instead of them.
    let guard: Vec<&Value> = world.guard_policy.iter().filter(|_| !service_linked && !stranger).collect();
    let guard = says(&guard, At::Caller);
    // Organizations, "SCPs": not the management account, not service-linked roles, not callers outside an account.
    let scps: Vec<Says> = match &world.scps {
        Some(levels) if !management && !service_linked && !stranger => {
            levels.iter().map(|level| says(&refs(level), At::Caller)).collect()
        }
        _ => vec![],
    };
    // Organizations, "RCPs": not the management account's resources, not service-linked roles, only some services, and
    // only actions on a resource.
    let of_management_account = management && same_account;
    let rcps: Vec<Says> = match &world.rcps {
        Some(levels)
            if !of_management_account
                && !service_linked
                && action != "kms:retiregrant"
                && world.request.resource != "*"
                && RCP_SERVICES.contains(&action.split(':').next().unwrap_or_default()) =>
        {
            levels.iter().map(|level| says(&refs(level), At::Resource)).collect()
        }
        _ => vec![],
    };
    let endpoint = world.vpce_policies.as_ref().map(|policies| says(&refs(policies), At::Resource));

    // An explicit Deny anywhere. S3 User Guide, "Managing the bucket policy": the owner's root user may always undo it.
    let unlocks = root
        && same_account
        && ["s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"].contains(&action.as_str());
    if unlocks && resource.denies {
        resource = nothing();
    }
    let denials = [
        (guard.denies, Layer::Guard),
        (scps.iter().any(|level| level.denies), Layer::Scp),
        (rcps.iter().any(|level| level.denies), Layer::Rcp),
        (resource.denies, resource_layer),
        (identity.denies, Layer::Identity),
        (boundary_says.denies, Layer::Boundary),
        (session.as_ref().is_some_and(|says| says.denies), Layer::Session),
        (endpoint.as_ref().is_some_and(|says| says.denies), Layer::Endpoint),
    ];
    if let Some((_, layer)) = denials.into_iter().find(|(denies, _)| *denies) {
        return answer(Outcome::ExplicitDeny, layer);
    }

    // Organizations, "SCP evaluation": an Allow at every level. RCPFullAWSAccess gives every level of RCPs its Allow.
    if scps.iter().any(|level| level.allows.is_none()) {
        return answer(Outcome::ImplicitDeny, Layer::Scp);
    }
    if endpoint.is_some_and(|says| says.allows.is_none()) {
        return answer(Outcome::ImplicitDeny, Layer::Endpoint);
    }

    let by_resource = resource.allows;
    if stranger {
        let outcome =
            if by_resource == Some(Named::Directly) { Outcome::Allowed } else { Outcome::ImplicitDeny };
        return answer(outcome, resource_layer);
    }
    // The root user can do in its account whatever nothing forbids.
    let by_account = root || identity.allows.is_some();
    let account_layer = if root { Layer::Root } else { Layer::Identity };
    // IAM, "How IAM roles are trusted"; KMS Developer Guide, "Key policies": these must let even their own account in.
    let must_name = world.is_trust() || world.is_key();
    let granted_by = match by_resource {
        // A task policy limits a root session whatever names it.
        Some(Named::Directly) if same_account && caller.kind != CallerKind::AssumedRoot => {
            return answer(Outcome::Allowed, resource_layer);
        }
        Some(Named::ByRoleOrUser) if same_account => resource_layer,
        // Who lacks both is told that the identity policies do not allow it.
        _ if !by_account => return answer(Outcome::ImplicitDeny, account_layer),
        None if must_name || !same_account => return answer(Outcome::ImplicitDeny, resource_layer),
        _ => account_layer,
    };
    if !boundary.is_empty() && boundary_says.allows.is_none() {
        return answer(Outcome::ImplicitDeny, Layer::Boundary);
    }
    // STS API Reference, GetFederationToken: without session policies the session may do nothing. AssumeRoot takes no
    // request without a task policy.
    let must_pass =
        session.is_some() || matches!(caller.kind, CallerKind::FederatedUser | CallerKind::AssumedRoot);
    if must_pass && session.is_none_or(|says| says.allows.is_none()) {
        return answer(Outcome::ImplicitDeny, Layer::Session);
    }
    answer(Outcome::Allowed, granted_by)
}

fn refs(policies: &[Value]) -> Vec<&Value> {
    policies.iter().collect()
}

fn says(policies: &[&Value], at: At, world: &World, has_boundary: bool) -> Says {
    let keys = Keys::of(world);
    let mut says = Says { denies: false, allows: None };
    for policy in policies {
        let Ok(policy) = Policy::read_stored(&policy.to_string()) else {
            // Rootward: a document that cannot be read may have held a Deny.
            says.denies = true;
            continue;
        };
        for statement in &policy.statements {
            let matched = matches(statement, policy.version, at, world, &keys, has_boundary);
            match statement.effect {
                Effect::Allow => says.allows = says.allows.max(matched),
                Effect::Deny => says.denies |= matched.is_some(),
            }
        }
    }
    says
}

/// Organizations, "List of AWS services that support RCPs", September 2026.
const RCP_SERVICES: &[&str] = &[
    "aoss",
    "appconfig",
    "appstream",
    "autoscaling",
    "autoscaling-plans",
    "budgets",
    "clouddirectory",
    "cloudfront",
    "cloudsearch",
    "cloudtrail-data",
    "codeartifact",
    "codebuild",
    "codecommit",
    "codepipeline",
    "cognito-identity",
    "cognito-idp",
    "comprehend",
    "comprehendmedical",
    "compute-optimizer",
    "cost-optimization-hub",
    "dax",
    "dsql",
    "dynamodb",
    "ecr",
    "ecr-public",
    "events",
    "firehose",
    "fis",
    "fms",
    "gamelift",
    "health",
    "inspector-scan",
    "kendra",
    "kinesisvideo",
    "kms",
    "logs",
    "memorydb",
    "networkmonitor",
    "notifications",
    "opensearch",
    "pca-connector-ad",
    "personalize",
    "polly",
    "pricing",
    "resource-groups",
    "rolesanywhere",
    "s3",
    "secretsmanager",
    "servicediscovery",
    "signin",
    "sqs",
    "sts",
    "support",
    "swf",
    "textract",
    "timestream-influxdb",
    "transcribe",
    "transfer",
    "translate",
    "wafv2",
    "workspaces",
    "xray",
];
