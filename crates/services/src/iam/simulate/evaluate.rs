//! Evaluating one action of a simulation: a decision for each resource, and what the result shows of it.

use std::collections::{BTreeMap, BTreeSet};

use rootward_api::iam as api;
use rootward_names::{AccountId, Arn};
use rootward_policy::{
    Attached, Context, Effect, Explanation, Layer, LayerTrace, Outcome, Owner, Place, Policies, Principal,
    Program, Request, ResourceKind, ResourcePolicy, Source, Value, explain,
};
use rootward_reference::{AWS, Action, ActionResource, ResourceType};

use super::{given, names};

/// Everything that a simulation decides by.
pub(super) struct Simulation<'a> {
    /// Identity policies: first those attached, then those given.
    pub(super) identity: Vec<Attached<'a>>,
    /// How many of them are attached.
    pub(super) attached: usize,
    pub(super) boundary: Option<Attached<'a>>,
    pub(super) boundary_is_given: bool,
    /// The guard policy of the account; none if none is simulated.
    pub(super) guard: Option<Attached<'a>>,
    /// Levels from the root of the organization to the account; none if none are simulated.
    pub(super) scps: Option<Vec<Vec<Attached<'a>>>>,
    pub(super) resource_policy: Option<Attached<'a>>,
    /// Of resources whose ARN does not tell; none if the resource's side is not simulated beyond its policy.
    pub(super) resource_owner: Option<AccountId>,
    /// [`own_side`] of the caller's account.
    pub(super) own_side: &'a Program,
    pub(super) caller: Principal<'a>,
    /// The caller's.
    pub(super) account: AccountId,
    pub(super) context: &'a Context,
    /// At least one; `*` alone if none were asked for.
    pub(super) resources: &'a [&'a str],
}

/// The decision on one resource.
struct Evaluated {
    decision: api::PolicyEvaluationDecisionType,
    matched: Vec<Matched>,
    missing: Vec<String>,
    by_organizations: Option<bool>,
    by_boundary: Option<bool>,
    /// Within one account none.
    details: Option<BTreeMap<String, api::PolicyEvaluationDecisionType>>,
    /// An SCP denied: nothing else was looked at.
    ended: bool,
}

/// A statement that determined the decision.
#[derive(Clone)]
struct Matched {
    policy: String,
    kind: api::PolicySourceType,
    place: Place,
}

impl Simulation<'_> {
    /// How many actions `work` bytes of policies allow for; none if not one. A statement takes longer where there are many keys
    /// to look through, and long values to match.
    pub(super) fn actions_max(&self, work: usize) -> Option<usize> {
        let levels = self.scps.iter().flatten().flatten();
        let policies = self
            .identity
            .iter()
            .chain(&self.boundary)
            .chain(&self.resource_policy)
            .chain(&self.guard)
            .chain(levels);
        let bytes: usize = policies.map(|attached| attached.program.extent()).sum();
        let longest = self.context.iter().map(|(_, value)| length(value)).max().unwrap_or_default();
        let longer = 1 + self.context.iter().count() / KEYS_AT_ONCE + longest / BYTES_AT_ONCE;
        let resources: usize =
            self.resources.iter().map(|resource| longer + resource.len() / BYTES_AT_ONCE).sum();
        let each = bytes.saturating_add(RESULT_BYTES).saturating_mul(resources);
        Some(work / each.max(1)).filter(|actions| *actions > 0)
    }

    /// The result of one action.
    pub(super) fn result(&self, action: &str) -> api::EvaluationResult {
        let each: Vec<(&str, Evaluated)> =
            self.resources.iter().map(|resource| (*resource, self.evaluate(action, resource))).collect();
        let worst = each.iter().map(|(_, evaluated)| evaluated.decision).max_by_key(|it| severity(*it));
        let decision = worst.unwrap_or(api::PolicyEvaluationDecisionType::ImplicitDeny);
        let decisive = || each.iter().filter(|(_, evaluated)| evaluated.decision == decision);
        let every = |allows: fn(&Evaluated) -> Option<bool>| {
            each.iter().filter_map(|(_, it)| allows(it)).reduce(|all, one| all && one)
        };
        let ended = decisive().any(|(_, evaluated)| evaluated.ended);
        // All resources together: the result is theirs as a whole, and there is none of each.
        let whole = self.resources == ["*"];
        api::EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: Some(self.form(action).to_owned()),
            eval_decision: decision,
            matched_statements: Some(shown(&distinct(decisive().flat_map(|(_, it)| &it.matched)))),
            missing_context_values: Some(names(
                each.iter().flat_map(|(_, it)| &it.missing).map(String::as_str),
            )),
            organizations_decision_detail: every(|it| it.by_organizations)
                .map(|allowed| api::OrganizationsDecisionDetail { allowed_by_organizations: Some(allowed) }),
            permissions_boundary_decision_detail: every(|it| it.by_boundary).map(boundary_detail),
            // Present and empty within one account, unless all resources are meant.
            eval_decision_details: (!ended)
                .then(|| most_restrictive(&each))
                .filter(|it| !whole || !it.is_empty()),
            resource_specific_results: (!whole)
                .then(|| each.iter().map(|(resource, evaluated)| specific(resource, evaluated)).collect()),
        }
    }

    /// The form of ARNs of the resource type that is simulated: of the action's types the one that a resource is of, else the one
    /// with the plainest form. `*` if all resources are meant, or the reference knows no type.
    fn form(&self, action: &str) -> &'static str {
        if self.resources == ["*"] {
            return "*";
        }
        let types = || AWS.action(action).into_iter().flat_map(Action::resources).map(ActionResource::kind);
        let of_a_resource = types().find(|kind| self.resources.iter().any(|resource| kind.fits(resource)));
        let form = |kind: ResourceType<'static>| kind.arn_formats().next();
        let plainest = || types().filter_map(form).min_by_key(|form| form.matches("${").count());
        of_a_resource.and_then(form).or_else(plainest).unwrap_or("*")
    }

    fn evaluate(&self, action: &str, resource: &str) -> Evaluated {
        let resource_account = self.resource_account(resource);
        let same_account = resource_account == self.account;
        let levels: Option<Vec<&[Attached<'_>]>> =
            self.scps.as_ref().map(|levels| levels.iter().map(Vec::as_slice).collect());
        let resource_policy = self.resource_policy.or_else(|| same_account.then(|| given(self.own_side)));
        let policies = Policies {
            guard: self.guard,
            identity: &self.identity,
            boundary: self.boundary,
            resource: resource_policy.map(|attached| ResourcePolicy { attached, kind: ResourceKind::Other }),
            scps: levels.as_deref(),
            ..Policies::default()
        };
        let request = Request {
            principal: &self.caller,
            action,
            resource,
            resource_account: Some(resource_account),
            context: self.context,
        };
        self.read(&explain(&request, &policies), same_account)
    }

    /// Who owns a resource. Without a word about the resource's side, the caller's account does, whatever the ARN says.
    fn resource_account(&self, resource: &str) -> AccountId {
        if self.resource_policy.is_none() && self.resource_owner.is_none() {
            return self.account;
        }
        let told = Arn::parse(resource).ok().and_then(|arn| arn.account.parse().ok());
        told.or(self.resource_owner).unwrap_or(self.account)
    }

    fn read(&self, explanation: &Explanation<'_>, same_account: bool) -> Evaluated {
        let decision = explanation.decision;
        let layer = |layer| explanation.layers.iter().filter(move |trace| trace.layer == layer);
        let ended = decision.layer == Layer::Scp && !decision.is_allowed();
        let shown = |layer: Layer| match layer {
            Layer::Guard | Layer::Identity => true,
            Layer::Resource => self.resource_policy.is_some(),
            Layer::Boundary => decision.outcome == Outcome::ExplicitDeny,
            Layer::Scp | Layer::Rcp | Layer::Trust | Layer::Session | Layer::Endpoint => false,
            Layer::Free | Layer::Root => false,
        };
        let effect = match decision.outcome {
            Outcome::Allowed => Some(Effect::Allow),
            Outcome::ExplicitDeny if !ended => Some(Effect::Deny),
            Outcome::ExplicitDeny | Outcome::ImplicitDeny => None,
        };
        let matched = explanation.layers.iter().filter(|trace| shown(trace.layer)).flat_map(|trace| {
            let statements = effect.into_iter().flat_map(|effect| trace.matched(effect));
            statements.map(|statement| {
                let (policy, kind) = self.source(trace.layer, statement.cause.policy, statement.cause.source);
                Matched { policy, kind, place: statement.cause.place() }
            })
        });
        let keys = explanation.layers.iter().filter(|trace| trace.layer != Layer::Scp);
        let keys =
            keys.flat_map(|trace| &trace.statements).flat_map(|statement| statement.cause.context_keys());
        let missing = keys.filter(|key| self.context.get(key).is_none());
        let mut scps = layer(Layer::Scp).peekable();
        let details = [
            (Layer::Identity, api::PolicySourceType::IamPolicy),
            (Layer::Boundary, api::PolicySourceType::PermissionsBoundaryPolicy),
            (Layer::Resource, api::PolicySourceType::ResourcePolicy),
        ];
        let details =
            details.into_iter().filter(|(kind, _)| *kind != Layer::Boundary || self.boundary.is_some());
        Evaluated {
            decision: wire(decision.outcome),
            matched: matched.collect(),
            missing: names(missing),
            by_organizations: scps.peek().is_some().then(|| layer(Layer::Scp).all(allows)),
            by_boundary: layer(Layer::Boundary).next().map(allows),
            details: (!same_account).then(|| {
                details.map(|(kind, name)| (name.to_string(), summary(layer(kind).next()))).collect()
            }),
            ended,
        }
    }

    /// What results call a policy, and its type.
    fn source(&self, layer: Layer, at: usize, source: Source<'_>) -> (String, api::PolicySourceType) {
        match layer {
            Layer::Boundary if self.boundary_is_given => (
                "PermissionsBoundaryPolicyInputList.1".to_owned(),
                api::PolicySourceType::PermissionsBoundaryPolicy,
            ),
            Layer::Boundary => (name(source), api::PolicySourceType::PermissionsBoundaryPolicy),
            // AWS has no such policy, and so no type of it.
            Layer::Guard => ("GuardPolicy".to_owned(), api::PolicySourceType::None),
            Layer::Resource => ("ResourcePolicy".to_owned(), api::PolicySourceType::ResourcePolicy),
            _ => match at.checked_sub(self.attached) {
                Some(given) => (format!("PolicyInputList.{}", given + 1), api::PolicySourceType::IamPolicy),
                None => (name(source), api::PolicySourceType::IamPolicy),
            },
        }
    }
}

/// A result takes as long as so many bytes of policies, be they ever so short.
const RESULT_BYTES: usize = 512;
/// So many keys are looked through in the time that a statement takes for the rest.
const KEYS_AT_ONCE: usize = 64;
/// So many bytes of a value or a resource are matched in that time.
const BYTES_AT_ONCE: usize = 128;

/// Of a list, of all its values together.
fn length(value: Value<'_>) -> usize {
    match value {
        Value::Many(many) => many.iter().map(|text| text.len() + 1).sum(),
        Value::Single(text) => text.len(),
    }
}

/// Stands for the resource's side where none is simulated: it leaves the decision to the account's own policies, also of keys
/// and roles, whose own policies would have to say so.
pub(super) fn own_side(account: AccountId) -> Program {
    Program::of_stored(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{account}"}},"Action":"*","Resource":"*"}}}}"#
    ))
}

/// An attached policy: the name of a managed one or of a setting; holder and name of an inline one.
fn name(source: Source<'_>) -> String {
    match source {
        Source::Inline { owner, owner_name, policy_name } => {
            let owner = match owner {
                Owner::Group => "group",
                Owner::Role => "role",
                Owner::User => "user",
            };
            format!("{owner}_{owner_name}_{policy_name}")
        }
        Source::Managed { arn } => arn.rsplit('/').next().unwrap_or_default().to_owned(),
        Source::Setting { name } => name.to_owned(),
        Source::Unnamed => String::new(),
    }
}

/// Whether a layer, or a level of one, has an Allow that matched and no Deny that did.
fn allows(trace: &LayerTrace<'_>) -> bool {
    summary(Some(trace)) == api::PolicyEvaluationDecisionType::Allowed
}

/// What a layer says by itself.
fn summary(trace: Option<&LayerTrace<'_>>) -> api::PolicyEvaluationDecisionType {
    let has = |effect| trace.is_some_and(|trace| trace.matched(effect).next().is_some());
    match (has(Effect::Deny), has(Effect::Allow)) {
        (true, _) => api::PolicyEvaluationDecisionType::ExplicitDeny,
        (false, true) => api::PolicyEvaluationDecisionType::Allowed,
        (false, false) => api::PolicyEvaluationDecisionType::ImplicitDeny,
    }
}

const fn wire(outcome: Outcome) -> api::PolicyEvaluationDecisionType {
    match outcome {
        Outcome::Allowed => api::PolicyEvaluationDecisionType::Allowed,
        Outcome::ExplicitDeny => api::PolicyEvaluationDecisionType::ExplicitDeny,
        Outcome::ImplicitDeny => api::PolicyEvaluationDecisionType::ImplicitDeny,
    }
}

const fn severity(decision: api::PolicyEvaluationDecisionType) -> u8 {
    match decision {
        api::PolicyEvaluationDecisionType::Allowed => 0,
        api::PolicyEvaluationDecisionType::ImplicitDeny => 1,
        api::PolicyEvaluationDecisionType::ExplicitDeny => 2,
    }
}

/// What each type of policy says at worst.
fn most_restrictive(each: &[(&str, Evaluated)]) -> BTreeMap<String, api::PolicyEvaluationDecisionType> {
    let mut worst: BTreeMap<String, api::PolicyEvaluationDecisionType> = BTreeMap::new();
    for (kind, decision) in each.iter().filter_map(|(_, evaluated)| evaluated.details.as_ref()).flatten() {
        let known = worst.entry(kind.clone()).or_insert(*decision);
        *known = [*known, *decision].into_iter().max_by_key(|it| severity(*it)).unwrap_or(*decision);
    }
    worst
}

fn specific(resource: &str, evaluated: &Evaluated) -> api::ResourceSpecificResult {
    api::ResourceSpecificResult {
        eval_resource_name: resource.to_owned(),
        eval_resource_decision: evaluated.decision,
        matched_statements: Some(shown(&evaluated.matched)),
        missing_context_values: Some(evaluated.missing.clone()),
        eval_decision_details: evaluated.details.clone().filter(|_| !evaluated.ended),
        permissions_boundary_decision_detail: evaluated.by_boundary.map(boundary_detail),
    }
}

fn boundary_detail(allowed: bool) -> api::PermissionsBoundaryDecisionDetail {
    api::PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary: Some(allowed) }
}

/// Each once, in order.
fn distinct<'a>(matched: impl Iterator<Item = &'a Matched>) -> Vec<Matched> {
    let mut known = BTreeSet::new();
    matched.filter(|one| known.insert((&*one.policy, one.place.span))).cloned().collect()
}

fn shown(matched: &[Matched]) -> Vec<api::Statement> {
    let number = |number: u32| Some(i32::try_from(number).unwrap_or(i32::MAX));
    let statement = |Matched { policy, kind, place }: &Matched| api::Statement {
        source_policy_id: Some(policy.clone()),
        source_policy_type: Some(*kind),
        // Behind the brace that opens the statement, and behind the one that closes it: as the service counts.
        start_position: Some(api::Position {
            line: number(place.start.line),
            column: number(place.start.column + 1),
        }),
        end_position: Some(api::Position { line: number(place.end.line), column: number(place.end.column) }),
    };
    matched.iter().map(statement).collect()
}
