//! Policies and the questions put to them.

use rootward_names::AccountId;
use rootward_policy::{
    Attached, Context, Decision, Explanation, Outcome, Principal, PrincipalKind, Request, ResourceKind,
    ResourcePolicy, decide, explain,
};

use crate::document::Document;

/// Policies and the questions put to them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// The policies that are the same for every question.
    pub policies: Policies,
    /// Policies of resources; each question says which one is its resource's.
    pub resource_policies: Vec<Document>,
    /// What is asked.
    pub questions: Vec<Question>,
}

/// As [`rootward_policy::Policies`], owned.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Policies {
    /// Of the user and its groups, or of the role.
    pub identity: Vec<Document>,
    /// The permissions boundary.
    pub boundary: Option<Document>,
    /// The guard policy of the caller's account.
    pub guard: Option<Document>,
    /// None if none were passed.
    pub session: Option<Vec<Document>>,
    /// Levels from the root of the organization to the account; none if SCPs do not apply.
    pub scps: Option<Vec<Vec<Document>>>,
    /// Levels from the root of the organization to the account; none if RCPs do not apply.
    pub rcps: Option<Vec<Vec<Document>>>,
    /// None if the request came through no VPC endpoint.
    pub endpoint: Option<Vec<Document>>,
}

/// One request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Question {
    /// Its name in the input.
    pub id: String,
    /// Who asks.
    pub caller: Caller,
    /// Such as `s3:GetObject`.
    pub action: String,
    /// An ARN or `*`.
    pub resource: String,
    /// Owner of the resource; none means the caller's account.
    pub resource_account: Option<AccountId>,
    /// Keys that do not follow from the caller, and those that override what follows.
    pub context: Vec<(String, Values)>,
    /// Which of the scenario's resource policies is the resource's.
    pub resource_policy: Option<usize>,
    /// The decision that the input expects.
    pub expected: Option<Outcome>,
}

/// The value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Of a multivalued key.
    Many(Vec<String>),
    /// Of a single-valued key.
    One(String),
}

/// As [`Principal`], owned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// Which kind of principal.
    pub kind: CallerKind,
    /// Its ARN, or the name of the service or provider; empty if anonymous.
    pub arn: String,
    /// The role or user behind a session; empty otherwise.
    pub behind: String,
    /// None for kinds of callers that belong to no account.
    pub account: Option<AccountId>,
    /// Whether that account manages its organization.
    pub management_account: bool,
}

/// The kinds of [`PrincipalKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the variants of `PrincipalKind`, which are documented")]
pub enum CallerKind {
    Anonymous,
    AssumedRoot,
    FederatedUser,
    RoleSession,
    Root,
    Saml,
    Service,
    User,
    WebIdentity,
}

impl Caller {
    /// For the engine.
    pub fn principal(&self) -> Principal<'_> {
        let arn = &*self.arn;
        let kind = match self.kind {
            CallerKind::Anonymous => PrincipalKind::Anonymous,
            CallerKind::AssumedRoot => PrincipalKind::AssumedRoot { arn },
            CallerKind::FederatedUser => {
                PrincipalKind::FederatedUser { arn, user_arn: &self.behind, user_id: "" }
            }
            CallerKind::RoleSession => {
                PrincipalKind::RoleSession { session_arn: arn, role_arn: &self.behind, role_id: "" }
            }
            CallerKind::Root => PrincipalKind::Root { arn },
            CallerKind::Saml => PrincipalKind::Saml { provider: arn },
            CallerKind::Service => PrincipalKind::Service { name: arn },
            CallerKind::User => PrincipalKind::User { arn, id: "" },
            CallerKind::WebIdentity => PrincipalKind::WebIdentity { provider: arn },
        };
        Principal { kind, account: self.account, management_account: self.management_account }
    }
}

impl Question {
    /// Sets every condition key: what follows from the principal, then what the question gives.
    pub fn fill(&self, principal: &Principal<'_>, context: &mut Context) {
        context.principal(principal);
        for (key, values) in &self.context {
            match values {
                Values::One(value) => context.text(key, value),
                Values::Many(values) => context.list(key, values),
            };
        }
    }

    /// A trust policy speaks only about becoming the role, a key policy only about using the key.
    fn resource_kind(&self) -> ResourceKind {
        let service = self.action.split(':').next().unwrap_or_default();
        let mut parts = self.resource.splitn(6, ':').skip(2);
        let (owner, tail) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
        if service.eq_ignore_ascii_case("sts") && owner == "iam" && tail.starts_with("role/") {
            ResourceKind::Trust
        } else if service.eq_ignore_ascii_case("kms") && owner == "kms" && tail.starts_with("key/") {
            ResourceKind::Key
        } else {
            ResourceKind::Other
        }
    }
}

/// A question as the engine takes it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// As read.
    pub question: &'a Question,
    /// The scenario it belongs to.
    pub scenario: &'a Scenario,
    /// What is asked.
    pub request: Request<'a>,
    /// The policies that are there.
    pub policies: rootward_policy::Policies<'a>,
}

impl<'a> Asked<'a> {
    /// Decides it.
    pub fn decide(&self) -> Decision<'a> {
        decide(&self.request, &self.policies)
    }

    /// Decides it and tells why.
    pub fn explain(&self) -> Explanation<'a> {
        explain(&self.request, &self.policies)
    }

    /// The documents that take part in the question and cannot be read.
    pub fn unreadable(&self) -> impl Iterator<Item = &'a Document> {
        let resource = self.question.resource_policy.and_then(|at| self.scenario.resource_policies.get(at));
        self.scenario.policies.documents().chain(resource).filter(|document| document.problems.is_some())
    }
}

/// Puts all questions of all scenarios into the engine's form, in order.
///
/// Principals, contexts and lists of policies are built here, once, so that whoever decides a question many times pays for the
/// decision alone.
pub fn ask<R>(scenarios: &[Scenario], run: impl FnOnce(&[Asked<'_>]) -> R) -> R {
    let layers: Vec<Layers<'_>> = scenarios.iter().map(Layers::of).collect();
    let levels: Vec<Levels<'_>> = layers.iter().map(Levels::of).collect();
    let callers = scenarios.iter().flat_map(|scenario| &scenario.questions);
    let callers: Vec<(Principal<'_>, Context)> = callers
        .map(|question| {
            let (principal, mut context) = (question.caller.principal(), Context::new());
            question.fill(&principal, &mut context);
            (principal, context)
        })
        .collect();
    let sets = scenarios.iter().zip(&layers).zip(&levels);
    let questions = sets.flat_map(|((scenario, layers), levels)| {
        let policies = layers.policies(levels);
        scenario.questions.iter().map(move |question| (scenario, question, layers, policies))
    });
    let asked =
        questions.zip(&callers).map(|((scenario, question, layers, policies), (principal, context))| {
            let resource = question.resource_policy.and_then(|at| layers.resources.get(at));
            let kind = question.resource_kind();
            Asked {
                question,
                scenario,
                request: Request {
                    principal,
                    action: &question.action,
                    resource: &question.resource,
                    resource_account: question.resource_account,
                    context,
                },
                policies: rootward_policy::Policies {
                    resource: resource.map(|attached| ResourcePolicy { attached: *attached, kind }),
                    ..policies
                },
            }
        });
    run(&asked.collect::<Vec<_>>())
}

impl Policies {
    /// Every document.
    pub fn documents(&self) -> impl Iterator<Item = &Document> {
        let levels = self.scps.iter().chain(&self.rcps).flatten().flatten();
        let lists = self.session.iter().chain(&self.endpoint).flatten();
        self.identity.iter().chain(&self.boundary).chain(&self.guard).chain(levels).chain(lists)
    }
}

type Level<'a> = Vec<Attached<'a>>;

/// The documents of a scenario as the engine attaches them.
struct Layers<'a> {
    identity: Level<'a>,
    boundary: Option<Attached<'a>>,
    guard: Option<Attached<'a>>,
    session: Option<Level<'a>>,
    scps: Option<Vec<Level<'a>>>,
    rcps: Option<Vec<Level<'a>>>,
    endpoint: Option<Level<'a>>,
    resources: Level<'a>,
}

impl<'a> Layers<'a> {
    fn of(scenario: &'a Scenario) -> Self {
        let level = |documents: &'a Vec<Document>| documents.iter().map(Document::attached).collect();
        let levels = |levels: &'a Vec<Vec<Document>>| levels.iter().map(level).collect();
        let policies = &scenario.policies;
        Self {
            identity: level(&policies.identity),
            boundary: policies.boundary.as_ref().map(Document::attached),
            guard: policies.guard.as_ref().map(Document::attached),
            session: policies.session.as_ref().map(level),
            scps: policies.scps.as_ref().map(levels),
            rcps: policies.rcps.as_ref().map(levels),
            endpoint: policies.endpoint.as_ref().map(level),
            resources: level(&scenario.resource_policies),
        }
    }

    fn policies<'b>(&'b self, levels: &'b Levels<'b>) -> rootward_policy::Policies<'b> {
        rootward_policy::Policies {
            identity: &self.identity,
            boundary: self.boundary,
            guard: self.guard,
            session: self.session.as_deref(),
            resource: None,
            scps: levels.scps.as_deref(),
            rcps: levels.rcps.as_deref(),
            endpoint: self.endpoint.as_deref(),
        }
    }
}

/// Lists of levels, which the engine takes as slices of slices.
struct Levels<'a> {
    scps: Option<Vec<&'a [Attached<'a>]>>,
    rcps: Option<Vec<&'a [Attached<'a>]>>,
}

impl<'a> Levels<'a> {
    fn of(layers: &'a Layers<'a>) -> Self {
        let slices = |levels: &'a Vec<Level<'a>>| levels.iter().map(Vec::as_slice).collect();
        Self { scps: layers.scps.as_ref().map(slices), rcps: layers.rcps.as_ref().map(slices) }
    }
}
