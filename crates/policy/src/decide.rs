//! Deciding: the policies that apply to a request, in the order in which their word counts.
//!
//! Any matching Deny of any layer decides; a guard policy has nothing but those. Then every level of SCPs, and the endpoint, must allow. A resource policy that
//! names the very caller of the same account grants alone; otherwise identity policies must grant (or the resource
//! policy, to a session by its role or user), within boundary and session policies. Across accounts both sides grant.
//! Nothing here locks or fails: what is not allowed is denied. Nothing allocates on the common path; exceptions are actions
//! of more than 128 bytes, `BinaryEquals`, variables in `…IgnoreCase`, and `?` or several pieces between two `*`.
//!
//! Source: IAM User Guide, "Policy evaluation logic"; fact sheet of the policy language, section 5.

use std::borrow::Cow;
use std::ops::ControlFlow;

use rootward_names::AccountId;

use crate::context::Context;
use crate::decision::{Cause, Decision, Layer, Outcome, Source};
use crate::index::Sought;
use crate::pattern::ArnText;
use crate::policy::Effect;
use crate::principal::{Named, Principal, PrincipalKind};
use crate::program::{Program, Query, Side, Statement};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal<'a>,
    /// The action, such as `iam:CreateUser`; case does not matter.
    pub action: &'a str,
    /// ARN of the resource, or `*` for actions that have none.
    pub resource: &'a str,
    /// The account that owns the resource; none means the caller's.
    pub resource_account: Option<AccountId>,
    /// The condition keys.
    pub context: &'a Context,
}

/// A program with where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Attached<'a> {
    /// The compiled policy.
    pub program: &'a Program,
    /// Where it comes from.
    pub source: Source<'a>,
}

/// The policy of the resource.
#[derive(Debug, Clone, Copy)]
pub struct ResourcePolicy<'a> {
    /// The policy.
    pub attached: Attached<'a>,
    /// What kind of resource it belongs to.
    pub kind: ResourceKind,
}

/// Kinds of resources whose policies differ in what an Allow of the same account needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// A KMS key: identity policies count only if the key's policy lets the account in.
    Key,
    /// Everything else.
    Other,
    /// A role: like a key, and its statements name no resource.
    Trust,
}

/// The policies that are there; which of them apply to the request is for [`decide`] to find.
///
/// Levels of SCPs and RCPs go from the root of the organization to the account. `RCPFullAWSAccess` need not be listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'a> {
    /// The guard policy of the caller's account; none if it has none in force.
    pub guard: Option<Attached<'a>>,
    /// Of the user and its groups, or of the role.
    pub identity: &'a [Attached<'a>],
    /// The permissions boundary.
    pub boundary: Option<Attached<'a>>,
    /// Given when the session was made; none if none were given.
    pub session: Option<&'a [Attached<'a>]>,
    /// Of the resource.
    pub resource: Option<ResourcePolicy<'a>>,
    /// Of the caller's account; none outside an organization.
    pub scps: Option<&'a [&'a [Attached<'a>]]>,
    /// Of the resource's account; none outside an organization.
    pub rcps: Option<&'a [&'a [Attached<'a>]]>,
    /// Of the VPC endpoint the request came through; none if it came through none.
    pub endpoint: Option<&'a [Attached<'a>]>,
}

/// Decides a request.
pub fn decide<'a>(request: &Request<'_>, policies: &Policies<'a>) -> Decision<'a> {
    with_query(request, policies, |query, facts| decide_query(query, facts, policies))
}

/// What follows from the request before any statement is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) same_account: bool,
    /// Whether both accounts are in one organization, as the keys of the request say.
    same_organization: bool,
    /// What kind of resource it is: a role and a key must let the account in before identity policies count.
    pub(crate) resource_kind: ResourceKind,
    /// What a grant that the resource's own policy lacks is called.
    resource_layer: Layer,
    guard_binds: bool,
    scps_bind: bool,
    rcps_bind: bool,
    /// The root user undoing a bucket policy that locks everyone out.
    escape: bool,
    free: bool,
}

impl Facts {
    /// Whether what this layer denies does not count.
    pub(crate) fn passes_over(&self, layer: Layer) -> bool {
        self.escape && layer == Layer::Resource
    }
}

pub(crate) fn with_query<R>(
    request: &Request<'_>,
    policies: &Policies<'_>,
    run: impl FnOnce(&Query<'_>, &Facts) -> R,
) -> R {
    let mut buffer = [0; 128];
    let action = lower_case(request.action, &mut buffer);
    let sought = Sought::new(&action);
    let query = Query {
        service: sought.service(),
        action: &action,
        sought,
        resource: ArnText::split(request.resource),
        principal: request.principal,
        context: request.context,
        has_boundary: policies.boundary.is_some() && request.principal.has_policies(),
    };
    let facts = facts(request, &query, policies);
    run(&query, &facts)
}

fn lower_case<'a>(text: &'a str, buffer: &'a mut [u8; 128]) -> Cow<'a, str> {
    if let Some(bytes) = buffer.get_mut(..text.len()) {
        bytes.copy_from_slice(text.as_bytes());
        bytes.make_ascii_lowercase();
        if let Ok(lower) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(lower);
        }
    }
    Cow::Owned(text.to_ascii_lowercase())
}

fn facts(request: &Request<'_>, query: &Query<'_>, policies: &Policies<'_>) -> Facts {
    let principal = request.principal;
    let same_account = match (principal.account, request.resource_account) {
        (Some(ours), Some(owner)) => ours == owner,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let bound = !principal.is_service_linked();
    let bucket_policy =
        matches!(query.action, "s3:getbucketpolicy" | "s3:putbucketpolicy" | "s3:deletebucketpolicy");
    let kind = resource_kind(query, policies);
    Facts {
        same_account,
        same_organization: same_organization(request.context),
        resource_kind: kind,
        resource_layer: if kind == ResourceKind::Trust { Layer::Trust } else { Layer::Resource },
        guard_binds: bound && principal.has_account_side(),
        scps_bind: bound && principal.has_account_side() && !principal.management_account,
        rcps_bind: bound && rcps_cover(query) && !(same_account && principal.management_account),
        escape: same_account && principal.is_root() && bucket_policy,
        free: principal.kind != PrincipalKind::Anonymous
            && matches!(query.action, "sts:getcalleridentity" | "sts:getsessiontoken"),
    }
}

fn same_organization(context: &Context) -> bool {
    let [ours, theirs] = ["aws:PrincipalOrgID", "aws:ResourceOrgID"].map(|key| context.get(key));
    ours.is_some() && ours == theirs
}

/// Roles and keys say themselves who may use them; that they have no policy at all says nobody.
fn resource_kind(query: &Query<'_>, policies: &Policies<'_>) -> ResourceKind {
    let stated = policies.resource.map_or(ResourceKind::Other, |resource| resource.kind);
    match (stated, query.resource) {
        (ResourceKind::Other, Some(arn)) => match (query.service, arn.service()) {
            ("kms", "kms") if arn.tail().starts_with("key/") => ResourceKind::Key,
            ("sts", "iam") if arn.tail().starts_with("role/") => ResourceKind::Trust,
            _ => ResourceKind::Other,
        },
        (stated, _) => stated,
    }
}

/// Source: Organizations User Guide, "Resource control policies": some services, and of those only actions on a resource.
fn rcps_cover(query: &Query<'_>) -> bool {
    let on_resource = query.resource.is_some();
    on_resource && RCP_SERVICES.binary_search(&query.service).is_ok() && query.action != "kms:retiregrant"
}

/// What the layers that were looked at grant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grants<'a> {
    /// A level of SCPs without an Allow.
    scp_gap: bool,
    endpoint_gap: bool,
    /// How closely the resource's policy names the caller in an Allow.
    named: Named,
    resource: Option<Cause<'a>>,
    identity_gap: bool,
    identity: Option<Cause<'a>>,
    boundary_gap: bool,
    session_gap: bool,
}

fn decide_query<'a>(query: &Query<'_>, facts: &Facts, policies: &Policies<'a>) -> Decision<'a> {
    let decided = |outcome, layer, cause| Decision {
        outcome,
        layer,
        cause,
        tells_why: facts.same_account || facts.same_organization,
    };
    if facts.free {
        return decided(Outcome::Allowed, Layer::Free, None);
    }
    let mut grants = Grants::before(query.principal);
    let denied = each_layer(query, facts, policies, |layer, side, attached| {
        let best = match scan(attached, query, side) {
            Err(_) if facts.passes_over(layer) => None,
            Err(cause) => return ControlFlow::Break((layer, cause)),
            Ok(best) => best,
        };
        grants.note(layer, best);
        ControlFlow::Continue(())
    });
    if let ControlFlow::Break((layer, cause)) = denied {
        return decided(Outcome::ExplicitDeny, layer, Some(cause));
    }
    match grants.combine(query.principal, facts) {
        Ok((layer, cause)) => decided(Outcome::Allowed, layer, cause),
        Err(layer) => decided(Outcome::ImplicitDeny, layer, None),
    }
}

impl<'a> Grants<'a> {
    /// Before any layer was looked at: layers that do not apply leave no gap, but identities without policies and sessions
    /// that must have one do.
    pub(crate) fn before(principal: &Principal<'_>) -> Self {
        Self { identity_gap: true, session_gap: needs_session_policy(principal), ..Self::default() }
    }

    /// Takes down the closest Allow of a layer, or of one of its levels.
    pub(crate) fn note(&mut self, layer: Layer, best: Option<(Named, Cause<'a>)>) {
        match layer {
            Layer::Scp => self.scp_gap |= best.is_none(),
            Layer::Endpoint => self.endpoint_gap = best.is_none(),
            Layer::Resource | Layer::Trust => {
                self.named = best.map_or(Named::No, |(named, _)| named);
                self.resource = best.map(|(_, cause)| cause);
            }
            Layer::Identity => {
                self.identity_gap = best.is_none();
                self.identity = best.map(|(_, cause)| cause);
            }
            Layer::Boundary => self.boundary_gap = best.is_none(),
            Layer::Session => self.session_gap = best.is_none(),
            // A guard policy only denies; `RCPFullAWSAccess` is on every level.
            Layer::Free | Layer::Guard | Layer::Rcp | Layer::Root => {}
        }
    }

    /// Takes down that an Allow is added to this layer, on every level without one; one of a resource that names the
    /// caller as closely as `named`.
    pub(crate) fn add(&mut self, layer: Layer, named: Named) {
        match layer {
            Layer::Scp => self.scp_gap = false,
            Layer::Endpoint => self.endpoint_gap = false,
            Layer::Resource | Layer::Trust => self.named = named,
            Layer::Identity => self.identity_gap = false,
            Layer::Boundary => self.boundary_gap = false,
            Layer::Session => self.session_gap = false,
            Layer::Free | Layer::Guard | Layer::Rcp | Layer::Root => {}
        }
    }

    /// What allows, or the layer that does not.
    pub(crate) fn combine(
        &self,
        principal: &Principal<'_>,
        facts: &Facts,
    ) -> Result<(Layer, Option<Cause<'a>>), Layer> {
        if self.scp_gap {
            return Err(Layer::Scp);
        }
        if self.endpoint_gap {
            return Err(Layer::Endpoint);
        }
        let (resource, named) = (facts.resource_layer, self.named);
        let directly = named == Named::Directly && (facts.same_account || !principal.has_account_side());
        // A root session does what its task policy says, whoever else may do it.
        if directly && !matches!(principal.kind, PrincipalKind::AssumedRoot { .. }) {
            return Ok((resource, self.resource));
        }
        if !principal.has_account_side() {
            return Err(resource);
        }
        let identity = match self.identity_gap {
            _ if principal.is_root() => Some((Layer::Root, None)),
            false => Some((Layer::Identity, self.identity)),
            true => None,
        };
        let granted = match (facts.same_account, named, identity) {
            (true, Named::Behind, _) => (resource, self.resource),
            (_, _, None) => return Err(Layer::Identity),
            (true, Named::No, Some(_)) if facts.resource_kind != ResourceKind::Other => return Err(resource),
            (false, Named::No, Some(_)) => return Err(resource),
            (_, _, Some(identity)) => identity,
        };
        if self.boundary_gap {
            return Err(Layer::Boundary);
        }
        if self.session_gap {
            return Err(Layer::Session);
        }
        Ok(granted)
    }
}

/// Sessions that have no permissions but those their session policies leave them.
const fn needs_session_policy(principal: &Principal<'_>) -> bool {
    matches!(principal.kind, PrincipalKind::FederatedUser { .. } | PrincipalKind::AssumedRoot { .. })
}

/// Visits the layers that apply, in the order in which denials are told.
pub(crate) fn each_layer<'a, B>(
    query: &Query<'_>,
    facts: &Facts,
    policies: &Policies<'a>,
    mut visit: impl FnMut(Layer, Side, &[Attached<'a>]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let principal = query.principal;
    if let Some(guard) = policies.guard.as_ref().filter(|_| facts.guard_binds) {
        visit(Layer::Guard, Side::Caller, std::slice::from_ref(guard))?;
    }
    for level in policies.scps.filter(|_| facts.scps_bind).unwrap_or_default() {
        visit(Layer::Scp, Side::Caller, level)?;
    }
    for level in policies.rcps.filter(|_| facts.rcps_bind).unwrap_or_default() {
        visit(Layer::Rcp, Side::Resource, level)?;
    }
    if let Some(ResourcePolicy { attached, kind }) = &policies.resource {
        let side = if *kind == ResourceKind::Trust { Side::Trust } else { Side::Resource };
        visit(facts.resource_layer, side, std::slice::from_ref(attached))?;
    }
    if principal.has_policies() {
        visit(Layer::Identity, Side::Caller, policies.identity)?;
        if let Some(boundary) = &policies.boundary {
            visit(Layer::Boundary, Side::Caller, std::slice::from_ref(boundary))?;
        }
    }
    if let Some(session) = policies.session.filter(|_| principal.has_account_side()) {
        visit(Layer::Session, Side::Caller, session)?;
    }
    if let Some(endpoint) = policies.endpoint {
        visit(Layer::Endpoint, Side::Resource, endpoint)?;
    }
    ControlFlow::Continue(())
}

/// The closest Allow of a layer.
///
/// # Errors
/// A matching Deny.
fn scan<'a>(
    attached: &[Attached<'a>],
    query: &Query<'_>,
    side: Side,
) -> Result<Option<(Named, Cause<'a>)>, Cause<'a>> {
    let mut best: Option<(Named, Cause<'a>)> = None;
    for (policy, attached) in attached.iter().enumerate() {
        let Some(mut candidates) = attached.program.candidates(query) else { continue };
        let cause =
            |index, statement: &'a Statement| Cause { policy, source: attached.source, index, statement };
        // From inside: the candidates come from three lists, and asking which for each costs as much as looking at it.
        candidates.try_for_each(|(index, statement)| {
            let closest = best.map_or(Named::No, |(named, _)| named);
            match statement.effect {
                Effect::Allow if closest == Named::Directly => {}
                Effect::Allow => {
                    if let Ok(named) = statement.check(query, side)
                        && named > closest
                    {
                        best = Some((named, cause(index, statement)));
                    }
                }
                Effect::Deny if statement.check(query, side).is_ok() => return Err(cause(index, statement)),
                Effect::Deny => {}
            }
            Ok(())
        })?;
    }
    Ok(best)
}

/// Services whose resources RCPs bind, as of September 2026.
const RCP_SERVICES: [&str; 62] = [
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
