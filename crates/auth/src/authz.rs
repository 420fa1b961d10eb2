//! Authorization: what the policy engine says to a principal, by the policies that are [gathered](crate::gather) for it.
//!
//! Source: IAM User Guide, "Policy evaluation logic"; denial texts: "Troubleshoot access denied error messages".

use rootward_names::{AccountId, Partition, Time};
use rootward_policy::{
    Attached, Context, Decision, Explanation, Layer, Outcome, Principal as Caller, PrincipalKind, Request,
    ResourceKind, ResourcePolicy, Source, decide,
};
use rootward_state::entities::{Document, Named};
use rootward_state::{AccountState, Target, World};

use crate::gather::{Bounds, Gathered, Member};
use crate::principal::root_arn;
use crate::{Identity, Principal};

/// One authorization: may this principal do this to that?
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// `service:Action`
    pub action: &'static str,
    /// The resource's ARN, or `*`.
    pub resource: &'a str,
    /// How a denial names the resource, where that is not its ARN.
    pub shown: Option<&'a str>,
    /// Whose resource it is.
    pub resource_account: AccountId,
    /// The trust policy of a role to be assumed.
    pub trust: Option<&'a Document>,
    /// When the caller has shown a second factor with this very request. It counts instead of the session's.
    pub second_factor: Option<Time>,
}

/// A refusal: what the caller reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Code on the wire.
    pub code: &'static str,
    /// AWS's words.
    pub message: String,
}

impl Denied {
    fn access(message: impl Into<String>) -> Self {
        Self { code: "AccessDenied", message: message.into() }
    }
}

/// What every request tells policies about itself.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// When it arrived.
    pub now: Time,
    /// The region of its scope.
    pub region: &'a str,
    /// Where it came from.
    pub source_ip: std::net::IpAddr,
    /// `User-Agent`, as sent.
    pub user_agent: Option<&'a str>,
    /// `Referer`, as sent.
    pub referer: Option<&'a str>,
    /// Whether TLS protected it.
    pub secure_transport: bool,
}

/// Which kinds of credentials an operation takes at all: what no policy can allow.
///
/// Source: IAM User Guide, "Compare AWS STS credentials", "Tasks that require root user credentials"; root user: "Roles may not
/// be assumed by root accounts".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// All of them.
    Anyone,
    /// Long-term ones.
    LongTerm,
    /// All but the root user's and federated users'.
    NotRoot,
    /// All but those of a user's or root user's session.
    NotUserSession,
    /// The root user's; the text is the action that a refusal names.
    Root(&'static str),
    /// The root user's in a session that began with a sign-in; the text is the action that a refusal names.
    RootSignedIn(&'static str),
    /// All but those of a federated user; those of a user's or root user's session with a second factor only.
    SecondFactor,
}

impl Callers {
    /// The action that only the root user may do, if it is one of those.
    pub fn root_action(self) -> Option<&'static str> {
        match self {
            Self::Root(action) | Self::RootSignedIn(action) => Some(action),
            Self::Anyone | Self::LongTerm | Self::NotRoot | Self::NotUserSession | Self::SecondFactor => None,
        }
    }

    /// Whether `principal` is one of them; `operation` is its name in the refusal.
    ///
    /// # Errors
    /// [`Denied`] with AWS's code and words.
    pub fn check(self, principal: &Principal, operation: &str) -> Result<(), Denied> {
        match self {
            Self::LongTerm if principal.issued().is_some() => {
                Err(Denied::access(format!("Cannot call {operation} with session credentials")))
            }
            Self::NotRoot if principal.is_root() || principal.is_assumed_root() => {
                Err(Denied::access("Roles may not be assumed by root accounts."))
            }
            Self::NotRoot if matches!(principal.identity, Identity::FederatedUser(_)) => Err(Denied::access(
                format!("Cannot call {operation} with the credentials of a federated user"),
            )),
            Self::NotUserSession if principal.is_user_session() => Err(invalid_token()),
            Self::SecondFactor if principal.is_user_session() && principal.mfa().is_none() => {
                Err(invalid_token())
            }
            Self::NotUserSession | Self::SecondFactor if principal.is_federated_by_api() => {
                Err(invalid_token())
            }
            Self::Root(action) | Self::RootSignedIn(action) if !principal.is_root() => {
                let reason = format!("this needs the root user of account {}", principal.account);
                Err(not_authorized(principal, action, &reason))
            }
            Self::RootSignedIn(action) if principal.sign_in().is_none() => {
                let reason = format!("this needs the root user of account {}, signed in", principal.account);
                Err(not_authorized(principal, action, &reason))
            }
            Self::Anyone
            | Self::LongTerm
            | Self::NotRoot
            | Self::NotUserSession
            | Self::Root(_)
            | Self::RootSignedIn(_)
            | Self::SecondFactor => Ok(()),
        }
    }
}

/// A refusal that no policy can change: it says what it takes instead.
fn not_authorized(principal: &Principal, action: &str, reason: &str) -> Denied {
    Denied::access(format!("User: {} is not authorized to perform: {action}: {reason}", principal.arn()))
}

/// What stands above policies: while the root user has not opened billing to IAM, none of its actions is anybody's but the root
/// user's.
///
/// Source: Billing User Guide, "Activating IAM access to the AWS Billing console".
///
/// # Errors
/// [`Denied`] that says who can open it.
pub fn billing_switch(state: &AccountState, principal: &Principal, action: &str) -> Result<(), Denied> {
    if principal.is_root() || state.settings().iam_billing_access || !is_billing(action) {
        return Ok(());
    }
    let reason = format!(
        "access of IAM users and roles to billing is off; the root user of account {} can turn it on",
        principal.account
    );
    Err(not_authorized(principal, action, &reason))
}

/// Whether the action is one of billing.
fn is_billing(action: &str) -> bool {
    let Some((service, name)) = action.split_once(':') else { return false };
    let is_one_of = |known: &[&str], text: &str| known.iter().any(|known| known.eq_ignore_ascii_case(text));
    is_one_of(BILLING, service) || is_one_of(&["aws-portal"], service) && is_one_of(PORTAL_BILLING, name)
}

/// The services that bills, taxes and payments are looked at and arranged with.
const BILLING: &[&str] =
    &["billing", "consolidatedbilling", "freetier", "invoicing", "payments", "purchase-orders", "tax"];

/// Those of the older actions of the console that are about billing; the others are about the account.
const PORTAL_BILLING: &[&str] =
    &["ModifyBilling", "ModifyPaymentMethods", "ViewBilling", "ViewPaymentMethods", "ViewUsage"];

fn invalid_token() -> Denied {
    Denied {
        code: "InvalidClientTokenId",
        message: "The security token included in the request is invalid".into(),
    }
}

/// Decides one authorization. `context` holds the operation's own keys; those of request, session and caller are added.
///
/// # Errors
/// [`Denied`] with the text that names the kind of policy that decided.
pub fn authorize(
    world: &World,
    principal: &Principal,
    facts: &RequestFacts<'_>,
    check: &Check<'_>,
    context: Context,
) -> Result<(), Denied> {
    // The account was there when the caller was authenticated, on an earlier snapshot.
    let state = world.account(principal.account).ok_or_else(invalid_token)?;
    billing_switch(state, principal, check.action)?;
    denial(world, principal, facts, check, context, |decision| !decision.is_allowed())
}

/// Whether a policy of the principal's denies this, whatever others allow: what revokes sessions denies everything to those that
/// began before some time.
pub fn is_denied(world: &World, principal: &Principal, facts: &RequestFacts<'_>, check: &Check<'_>) -> bool {
    refuse_denied(world, principal, facts, check, Context::new()).is_err()
}

/// Lets through what needs no permission: nothing has to allow it, but what denies it binds.
///
/// # Errors
/// [`Denied`] with the text that names the kind of policy that denies.
pub fn refuse_denied(
    world: &World,
    principal: &Principal,
    facts: &RequestFacts<'_>,
    check: &Check<'_>,
    context: Context,
) -> Result<(), Denied> {
    denial(world, principal, facts, check, context, |decision| decision.outcome == Outcome::ExplicitDeny)
}

/// Refuses where the decision is one that counts.
fn denial(
    world: &World,
    principal: &Principal,
    facts: &RequestFacts<'_>,
    check: &Check<'_>,
    context: Context,
    counts: fn(&Decision<'_>) -> bool,
) -> Result<(), Denied> {
    let trust = check.trust.map(trust_policy);
    let denial = decided(world, principal, facts, check, trust, context, |decision| {
        let shown = check.shown.unwrap_or(check.resource);
        counts(decision).then(|| decision.denial_message(&principal.arn(), check.action, Some(shown)))
    });
    match denial {
        // The account was there when the caller was authenticated, on an earlier snapshot.
        None => Err(invalid_token()),
        Some(None) => Ok(()),
        Some(Some(message)) => Err(Denied::access(message)),
    }
}

/// What the principal's policies and this one, of a resource, come to. `context` holds the operation's own keys.
pub fn with_resource_policy(
    world: &World,
    principal: &Principal,
    facts: &RequestFacts<'_>,
    check: &Check<'_>,
    policy: &Document,
    context: Context,
) -> Outcome {
    let resource = ResourcePolicy {
        attached: Attached { program: policy.program(), source: Source::Unnamed },
        kind: ResourceKind::Other,
    };
    decided(world, principal, facts, check, Some(resource), context, |decision| decision.outcome)
        .unwrap_or(Outcome::ImplicitDeny)
}

/// What is decided of one authorization, for `run` to make something of. `None`: the principal's account does not exist.
fn decided<R>(
    world: &World,
    principal: &Principal,
    facts: &RequestFacts<'_>,
    check: &Check<'_>,
    resource: Option<ResourcePolicy<'_>>,
    mut context: Context,
    run: impl FnOnce(&Decision<'_>) -> R,
) -> Option<R> {
    let state = world.account(principal.account)?;
    let names = Names::of(principal);
    let (ours, theirs) = members(world, principal.account, check.resource_account);
    let caller = names.caller(&ours, principal);
    context.reserve(KEYS_OFTEN, KEY_BYTES_OFTEN).principal(&caller);
    request_keys(&mut context, facts, check.resource_account);
    organization_keys(&mut context, &ours, &theirs);
    caller_keys(&mut context, principal);
    session_keys(&mut context, principal, check.second_factor, facts.now);
    let request = Request {
        principal: &caller,
        action: check.action,
        resource: check.resource,
        resource_account: Some(check.resource_account),
        context: &context,
    };
    let gathered = Gathered::of(state, principal);
    let bounds = Bounds::merged(state, principal.partition, &ours, &theirs);
    let decided = gathered.with_policies(&bounds, resource, |policies| {
        let decision = decide(&request, policies);
        match decision.layer {
            Layer::Scp | Layer::Rcp => Err(run),
            _ => Ok(run(&decision)),
        }
    });
    Some(decided.unwrap_or_else(|run| {
        // Merged levels know no names: which policy it was, the levels say.
        let bounds = Bounds::of(state, principal.partition, &ours, &theirs);
        gathered.with_policies(&bounds, resource, |policies| run(&decide(&request, policies)))
    }))
}

/// Keys that most requests have room for without asking for more, and bytes of their names and values.
const KEYS_OFTEN: usize = 24;
const KEY_BYTES_OFTEN: usize = 1_024;

/// A question that no request asks: may this principal do this to that, if they asked now?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// `service:Action`
    pub action: &'a str,
    /// The resource's ARN, or `*`.
    pub resource: &'a str,
    /// Whose resource it is.
    pub resource_account: AccountId,
    /// The trust policy of a role to be assumed.
    pub trust: Option<&'a Document>,
    /// When.
    pub now: Time,
}

/// Explains what would be decided if `principal` asked, with the policies a request would be decided by.
///
/// Of the condition keys those are filled that follow from the principal, the time and the resource's owner; what the rest
/// of a request would say (its source address, the second factor of its session) is absent unless `given` has it. `given` wins
/// over all. Nothing turns on what no request of the principal has; a tag of a role is what a session may have otherwise.
/// `run` is handed the explanation, which names a role and no session of it. `None`: the principal's account does not exist.
pub fn explain<R>(
    world: &World,
    principal: &Principal,
    question: &Question<'_>,
    given: &Context,
    run: impl FnOnce(&Explanation<'_>) -> R,
) -> Option<R> {
    let state = world.account(principal.account)?;
    let names = Names::of(principal);
    let (ours, theirs) = members(world, principal.account, question.resource_account);
    let caller = names.caller(&ours, principal);
    let mut context = Context::new();
    context
        .principal(&Names::without_session(caller))
        .time("aws:CurrentTime", question.now)
        .number("aws:EpochTime", question.now.seconds())
        .bool("aws:ViaAWSService", false)
        .show("aws:ResourceAccount", question.resource_account);
    caller_keys(&mut context, principal);
    organization_keys(&mut context, &ours, &theirs);
    context.extend(given);
    let request = Request {
        principal: &caller,
        action: question.action,
        resource: question.resource,
        resource_account: Some(question.resource_account),
        context: &context,
    };
    let gathered = Gathered::of(state, principal);
    let is_settled = |key: &str, is_present: bool| match is_present {
        true => given.get(key).is_some() || !may_be_set_otherwise(principal, key),
        false => never_has(principal, &ours, key),
    };
    let bounds = Bounds::of(state, principal.partition, &ours, &theirs);
    let explained = gathered.with_policies(&bounds, question.trust.map(trust_policy), |policies| {
        let mut explanation = rootward_policy::explain_knowing(&request, policies, is_settled);
        explanation.name_levels(|layer, level| {
            level_name(world, if layer == Layer::Rcp { &theirs } else { &ours }, level)
        });
        if principal.is_role_session() {
            explanation.principal.clone_from(&names.behind);
        }
        run(&explanation)
    });
    Some(explained)
}

/// What a level of the policies that bind an account is called: by what they are attached to.
fn level_name(world: &World, member: &Member<'_>, level: usize) -> Option<String> {
    let organization = member.organization?;
    Some(match organization.target_at(member.account, level)? {
        Target::Account(id) => format!("account {} ({id})", world.account(id)?.account().name),
        Target::Node(id) => match organization.node(&id)? {
            root if root.parent.is_none() => format!("the root ({id})"),
            unit => format!("unit {} ({id})", unit.name),
        },
    })
}

fn trust_policy(trust: &Document) -> ResourcePolicy<'_> {
    ResourcePolicy {
        attached: Attached { program: trust.program(), source: Source::Unnamed },
        kind: ResourceKind::Trust,
    }
}

/// The texts that the engine borrows.
struct Names {
    arn: String,
    /// Of the user, of the role, or of the user who vouches for a federated one.
    id: String,
    /// ARN of the role, or of whoever vouches for a federated user.
    behind: String,
}

impl Names {
    fn of(principal: &Principal) -> Self {
        let (account, partition) = (principal.account, principal.partition);
        let (id, behind) = match &principal.identity {
            Identity::FederatedUser(federated) => match &federated.by {
                Some(user) => (user.id.to_string(), user.arn(partition, account)),
                None => (String::new(), root_arn(partition, account)),
            },
            Identity::AssumedRoot(_) | Identity::Root => (String::new(), String::new()),
            Identity::RoleSession(session) => {
                (session.role.id.to_string(), session.role.arn(partition, account))
            }
            Identity::User(user) => (user.id.to_string(), String::new()),
        };
        Self { arn: principal.arn(), id, behind }
    }

    fn caller(&self, member: &Member<'_>, principal: &Principal) -> Caller<'_> {
        let kind = match &principal.identity {
            Identity::AssumedRoot(_) => PrincipalKind::AssumedRoot { arn: &self.arn },
            Identity::FederatedUser(_) => {
                PrincipalKind::FederatedUser { arn: &self.arn, user_arn: &self.behind, user_id: &self.id }
            }
            Identity::Root => PrincipalKind::Root { arn: &self.arn },
            Identity::RoleSession(_) => PrincipalKind::RoleSession {
                session_arn: &self.arn,
                role_arn: &self.behind,
                role_id: &self.id,
            },
            Identity::User(_) => PrincipalKind::User { arn: &self.arn, id: &self.id },
        };
        Caller { kind, account: Some(principal.account), management_account: member.is_management() }
    }

    /// The caller as far as it is known before there is a session: `aws:userid` of a role's depends on its name.
    fn without_session<'a>(caller: Caller<'a>) -> Caller<'a> {
        let kind = match caller.kind {
            PrincipalKind::RoleSession { session_arn, role_arn, .. } => {
                PrincipalKind::RoleSession { session_arn, role_arn, role_id: "" }
            }
            kind => kind,
        };
        Caller { kind, ..caller }
    }
}

/// Keys of the request. Source: IAM User Guide, "AWS global condition context keys", properties of the request.
fn request_keys(context: &mut Context, facts: &RequestFacts<'_>, resource_account: AccountId) {
    context
        .time("aws:CurrentTime", facts.now)
        .number("aws:EpochTime", facts.now.seconds())
        .text("aws:RequestedRegion", facts.region)
        .bool("aws:SecureTransport", facts.secure_transport)
        .show("aws:SourceIp", facts.source_ip)
        .bool("aws:ViaAWSService", false)
        .show("aws:ResourceAccount", resource_account);
    if let Some(user_agent) = facts.user_agent {
        context.text("aws:UserAgent", cut(user_agent));
    }
    if let Some(referer) = facts.referer {
        context.text("aws:referer", cut(referer));
    }
}

/// The accounts of the caller and of the resource in their organizations; most often they are one.
fn members(world: &World, caller: AccountId, resource: AccountId) -> (Member<'_>, Member<'_>) {
    let ours = Member::of(world, caller);
    (ours, if resource == caller { ours } else { Member::of(world, resource) })
}

/// Keys of the organizations of the caller's and the resource's account. Source: IAM User Guide, "AWS global condition context keys".
fn organization_keys(context: &mut Context, ours: &Member<'_>, theirs: &Member<'_>) {
    if let Some(state) = ours.organization {
        context.text("aws:PrincipalOrgID", state.organization().id.as_str());
        context.list("aws:PrincipalOrgPaths", ours.place.and_then(|place| place.path));
    }
    if let Some(state) = theirs.organization {
        context.text("aws:ResourceOrgID", state.organization().id.as_str());
        context.list("aws:ResourceOrgPaths", theirs.place.and_then(|place| place.path));
    }
}

/// Header values longer than this are cut: patterns are matched against them in time that grows with their length, and
/// nobody's policy may depend on more.
const HEADER_CHARS_MAX: usize = 1_024;

fn cut(value: &str) -> &str {
    value.char_indices().nth(HEADER_CHARS_MAX).and_then(|(end, _)| value.get(..end)).unwrap_or(value)
}

/// Keys of the caller's tags and source identity; session tags win over the role's own.
fn caller_keys(context: &mut Context, principal: &Principal) {
    if let Identity::RoleSession(session) = &principal.identity {
        for tag in &session.role.tags {
            context.text(&format!("aws:PrincipalTag/{}", tag.key), &tag.value);
        }
        for (key, value) in &session.tags {
            context.text(&format!("aws:PrincipalTag/{key}"), value);
        }
        if let Some(source_identity) = &session.source_identity {
            context.text("aws:SourceIdentity", source_identity);
        }
    }
    if let Identity::AssumedRoot(assumed) = &principal.identity
        && let Some(source_identity) = &assumed.source_identity
    {
        context.text("aws:SourceIdentity", source_identity);
    }
    if let Identity::FederatedUser(federated) = &principal.identity {
        for (key, value) in &federated.tags {
            context.text(&format!("aws:PrincipalTag/{key}"), value);
        }
    }
    if let Identity::User(user) = &principal.identity {
        for tag in &user.tags {
            context.text(&format!("aws:PrincipalTag/{}", tag.key), &tag.value);
        }
    }
}

/// Whether no request of this principal has a key, if [`caller_keys`], [`organization_keys`] and the engine have not filled it: what
/// a session of a role was given is not known beforehand.
///
/// Source: IAM User Guide, "AWS global condition context keys", which of the principal's keys are there for whom.
fn never_has(principal: &Principal, member: &Member<'_>, key: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(key));
    let is_tag = is_principal_tag(key);
    let of_nobody_here = is(&["aws:PrincipalServiceName", "aws:PrincipalServiceNamesList"]);
    let of_no_organization =
        member.organization.is_none() && is(&["aws:PrincipalOrgID", "aws:PrincipalOrgPaths"]);
    let of_others = match &principal.identity {
        Identity::Root | Identity::User(_) => {
            is_tag || is(&["aws:AssumedRoot", "aws:FederatedProvider", "aws:SourceIdentity", "aws:username"])
        }
        Identity::AssumedRoot(_) => is_tag || is(&["aws:FederatedProvider", "aws:username"]),
        Identity::FederatedUser(_) | Identity::RoleSession(_) => is(&["aws:AssumedRoot", "aws:username"]),
    };
    of_nobody_here || of_no_organization || of_others
}

/// Whether a session of a role may have another value of a key than [`caller_keys`] fills from the role: session tags win over its own, where
/// its trust policy lets somebody give some.
///
/// Source: IAM User Guide, "Pass session tags in AWS STS".
fn may_be_set_otherwise(principal: &Principal, key: &str) -> bool {
    match &principal.identity {
        Identity::RoleSession(session) => {
            is_principal_tag(key) && session.role.trust.program().may_allow("sts:tagsession")
        }
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::Root | Identity::User(_) => false,
    }
}

fn is_principal_tag(key: &str) -> bool {
    let tag = "aws:PrincipalTag/";
    key.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
}

/// Keys of temporary credentials and of a second factor. Whether there was one is told of temporary credentials, and of
/// others only when it was shown with this request.
fn session_keys(context: &mut Context, principal: &Principal, shown: Option<Time>, now: Time) {
    let issued = principal.issued();
    if let Some(issued) = issued {
        context.time("aws:TokenIssueTime", issued);
    }
    if let Some(arn) = principal.sign_in_session_arn() {
        context.text("aws:SignInSessionArn", &arn);
    }
    let factor = shown.or_else(|| principal.mfa());
    if issued.is_some() || factor.is_some() {
        context.bool("aws:MultiFactorAuthPresent", factor.is_some());
    }
    if let Some(factor) = factor {
        context.number("aws:MultiFactorAuthAge", now.seconds() - factor.seconds());
    }
}

/// Whether `arn` names a managed policy that `account` can use.
pub fn is_managed_policy(world: &World, partition: Partition, account: AccountId, arn: &str) -> bool {
    world.account(account).is_some_and(|state| state.policy_by_arn(partition, arn).is_some())
}

/// The refusal of `AssumeRole` by a trust policy, or by there being no such role: AWS tells the two apart for nobody.
pub fn assume_role_denied(principal: &Principal, role_arn: &str) -> String {
    format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}", principal.arn())
}
