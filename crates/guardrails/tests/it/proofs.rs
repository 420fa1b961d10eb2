//! A guardrail at the root of an organization, beside `FullAWSAccess`, and requests of a member's principals, all of whom may do
//! everything but for it.

use rootward_names::AccountId;
use rootward_policy::{
    Attached, Context, Layer, Outcome, Policies, Policy, PolicyKind, Principal, PrincipalKind, Program,
    Request, ResourceKind, ResourcePolicy, Source, decide,
};
use rootward_reference::{AWS, AccessLevel};

use crate::document;

const MEMBER: &str = "111111111111";
const ROOT: &str = "arn:aws:iam::111111111111:root";
const ORGANIZATION_ROLE: &str = "arn:aws:iam::111111111111:role/OrganizationAccountAccessRole";
const OTHER_ROLE: &str = "arn:aws:iam::111111111111:role/app";
const EVERYTHING: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;

/// Of every role: a role that trusts nobody could not be used, guardrail or not.
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111111111111"},
    "Action": "sts:AssumeRole"}]}"#;

/// A request that is as plain as can be: long-term credentials where there are any, in a region that stays open.
#[derive(Clone, Copy)]
struct Ask<'a> {
    kind: PrincipalKind<'a>,
    action: &'a str,
    resource: &'a str,
    region: &'a str,
    keys: &'a [(&'a str, &'a str)],
    management_account: bool,
}

const fn asked_by<'a>(kind: PrincipalKind<'a>, action: &'a str) -> Ask<'a> {
    Ask { kind, action, resource: "*", region: "eu-central-1", keys: &[], management_account: false }
}

const fn root(action: &str) -> Ask<'_> {
    asked_by(PrincipalKind::Root { arn: ROOT }, action)
}

const fn assumed_root(action: &str) -> Ask<'_> {
    asked_by(PrincipalKind::AssumedRoot { arn: ROOT }, action)
}

const fn user(action: &str) -> Ask<'_> {
    asked_by(PrincipalKind::User { arn: "arn:aws:iam::111111111111:user/team/ann", id: "" }, action)
}

const fn federated(action: &str) -> Ask<'_> {
    let kind = PrincipalKind::FederatedUser {
        arn: "arn:aws:sts::111111111111:federated-user/bob",
        user_arn: "arn:aws:iam::111111111111:user/team/ann",
        user_id: "",
    };
    asked_by(kind, action)
}

const fn role<'a>(role_arn: &'a str, action: &'a str) -> Ask<'a> {
    let session_arn = "arn:aws:sts::111111111111:assumed-role/role/session";
    asked_by(PrincipalKind::RoleSession { session_arn, role_arn, role_id: "" }, action)
}

const fn service_linked(action: &str) -> Ask<'_> {
    role("arn:aws:iam::111111111111:role/aws-service-role/ec2.amazonaws.com/AWSServiceRoleForEC2", action)
}

impl<'a> Ask<'a> {
    const fn on(self, resource: &'a str) -> Self {
        Self { resource, ..self }
    }

    const fn in_region(self, region: &'a str) -> Self {
        Self { region, ..self }
    }

    const fn with(self, keys: &'a [(&'a str, &'a str)]) -> Self {
        Self { keys, ..self }
    }

    const fn in_management_account(self) -> Self {
        Self { management_account: true, ..self }
    }
}

/// A guardrail as it is attached.
struct Proof {
    name: &'static str,
    guardrail: Program,
    everything: Program,
    trust: Program,
}

impl Proof {
    fn of(name: &'static str) -> Self {
        let compile = |text: &str, kind| Program::compile(Policy::parse(text, kind).unwrap());
        Self {
            name,
            guardrail: compile(&document(name), PolicyKind::Scp),
            everything: compile(EVERYTHING, PolicyKind::Identity),
            trust: compile(TRUST, PolicyKind::Trust),
        }
    }

    /// The outcome, and which layer it comes from.
    fn decide(&self, ask: Ask<'_>, guarded: bool) -> (Outcome, Layer) {
        let full = Attached { program: &self.everything, source: Source::Managed { arn: "FullAWSAccess" } };
        let guardrail = Attached { program: &self.guardrail, source: Source::Managed { arn: self.name } };
        let (with, without) = ([full, guardrail], [full]);
        let levels: [&[Attached<'_>]; 2] = [if guarded { &with } else { &without }, &without];
        let account: AccountId = MEMBER.parse().unwrap();
        let principal =
            Principal { kind: ask.kind, account: Some(account), management_account: ask.management_account };
        let mut context = Context::new();
        context.principal(&principal).text("aws:RequestedRegion", ask.region);
        for (key, value) in ask.keys {
            context.text(key, value);
        }
        // A federated user has what its session policies and its user's policies both allow; a privileged session has its task policy.
        let is_session =
            matches!(ask.kind, PrincipalKind::FederatedUser { .. } | PrincipalKind::AssumedRoot { .. });
        let trust = Attached { program: &self.trust, source: Source::Managed { arn: "trust" } };
        let policies = Policies {
            identity: &without,
            resource: (ask.action == "sts:AssumeRole")
                .then_some(ResourcePolicy { attached: trust, kind: ResourceKind::Trust }),
            session: is_session.then_some(&without),
            scps: Some(&levels),
            ..Policies::default()
        };
        let request = Request {
            principal: &principal,
            action: ask.action,
            resource: ask.resource,
            resource_account: Some(account),
            context: &context,
        };
        let decision = decide(&request, &policies);
        (decision.outcome, decision.layer)
    }

    /// The guardrail, and nothing else, denies.
    fn denies(&self, ask: Ask<'_>) {
        assert_eq!(self.decide(ask, false).0, Outcome::Allowed, "{}: {} without it", self.name, ask.action);
        let decided = self.decide(ask, true);
        assert_eq!(
            decided,
            (Outcome::ExplicitDeny, Layer::Scp),
            "{}: {} {:?}",
            self.name,
            ask.action,
            ask.kind
        );
    }

    fn leaves(&self, ask: Ask<'_>) {
        let decided = self.decide(ask, true).0;
        assert_eq!(decided, Outcome::Allowed, "{}: {} {:?}", self.name, ask.action, ask.kind);
    }

    /// A request that it denies of a member's principals is left to whom no service control policy binds.
    fn denies_members_alone(&self, ask: Ask<'_>) {
        self.denies(ask);
        self.leaves(ask.in_management_account());
        self.leaves(Ask { kind: service_linked(ask.action).kind, ..ask });
    }
}

/// The actions of a service that change something, as AWS's reference has them.
fn changing(pattern: &str) -> impl Iterator<Item = String> {
    let changes = |level| !matches!(level, AccessLevel::List | AccessLevel::Read);
    AWS.actions_matching(pattern)
        .filter(move |action| changes(action.level()))
        .map(|action| action.to_string())
}

#[test]
fn deny_closing_keeps_accounts_open() {
    let proof = Proof::of("deny-closing");
    proof.denies_members_alone(root("account:CloseAccount"));
    proof.denies(user("account:CloseAccount"));
    for action in ["account:PutContactInformation", "organizations:LeaveOrganization", "s3:DeleteBucket"] {
        proof.leaves(root(action));
        proof.leaves(user(action));
    }
}

#[test]
fn deny_leaving_keeps_accounts_in_the_organization() {
    let proof = Proof::of("deny-leaving");
    proof.denies_members_alone(user("organizations:LeaveOrganization"));
    proof.denies(root("organizations:LeaveOrganization"));
    proof.denies(role(ORGANIZATION_ROLE, "organizations:LeaveOrganization"));
    for action in
        ["organizations:DescribeOrganization", "organizations:AcceptHandshake", "account:CloseAccount"]
    {
        proof.leaves(root(action));
        proof.leaves(user(action));
    }
}

#[test]
fn deny_root_denies_everything_to_root_users_and_nothing_to_others() {
    let proof = Proof::of("deny-root");
    for action in [
        "s3:ListAllMyBuckets",
        "iam:CreateAccessKey",
        "account:CloseAccount",
        "rootward:UnsealRoot",
        "sts:AssumeRoot",
    ] {
        proof.denies(root(action));
        proof.denies(root(action).with(&[("aws:MultiFactorAuthPresent", "true")]));
        proof.denies(root(action).in_region("us-east-1"));
        proof.leaves(root(action).in_management_account());
        for other in [user(action), federated(action), role(OTHER_ROLE, action), service_linked(action)] {
            proof.leaves(other);
        }
    }
    proof.denies(asked_by(
        PrincipalKind::Root { arn: "arn:aws-cn:iam::111111111111:root" },
        "s3:ListAllMyBuckets",
    ));
}

#[test]
fn deny_root_leaves_the_tasks_of_privileged_sessions() {
    let proof = Proof::of("deny-root");
    for action in
        ["iam:DeleteLoginProfile", "iam:DeleteAccessKey", "s3:DeleteBucketPolicy", "sqs:SetQueueAttributes"]
    {
        proof.leaves(assumed_root(action));
    }
}

/// A user whose name or path looks like root's ARN is none.
#[test]
fn deny_root_does_not_take_users_for_root() {
    let proof = Proof::of("deny-root");
    for arn in ["arn:aws:iam::111111111111:user/root", "arn:aws:iam::111111111111:user/x:root"] {
        proof.leaves(asked_by(PrincipalKind::User { arn, id: "" }, "s3:ListAllMyBuckets"));
    }
    proof.leaves(role("arn:aws:iam::111111111111:role/root", "s3:ListAllMyBuckets"));
}

#[test]
fn deny_root_keys_stops_new_long_term_credentials_of_root_alone() {
    let proof = Proof::of("deny-root-keys");
    for action in ["iam:CreateAccessKey", "iam:UploadSigningCertificate"] {
        for resource in [ROOT, "*", "arn:aws:iam::111111111111:user/ann"] {
            proof.denies(root(action).on(resource));
            proof.denies(assumed_root(action).on(resource));
        }
        proof.leaves(root(action).in_management_account());
        proof.leaves(user(action));
        proof.leaves(role(OTHER_ROLE, action));
    }
    for action in ["iam:DeleteAccessKey", "iam:UpdateAccessKey", "iam:ListAccessKeys", "s3:ListAllMyBuckets"]
    {
        proof.leaves(root(action));
        proof.leaves(assumed_root(action));
    }
}

#[test]
fn limit_regions_closes_every_other_region_to_regional_services() {
    let proof = Proof::of("limit-regions");
    for action in [
        "ec2:RunInstances",
        "s3:CreateBucket",
        "kms:CreateKey",
        "config:PutConfigRule",
        "cloudtrail:StopLogging",
    ] {
        proof.denies_members_alone(user(action).in_region("us-east-1"));
        for region in ["us-west-2", "eu-west-2", "eu-central-2", "eu-west-11", ""] {
            proof.denies(user(action).in_region(region));
            proof.denies(root(action).in_region(region));
            proof.denies(role(ORGANIZATION_ROLE, action).in_region(region));
        }
        for region in crate::OPEN {
            proof.leaves(user(action).in_region(region));
            proof.leaves(root(action).in_region(region));
        }
    }
}

#[test]
fn limit_regions_leaves_global_services_wherever_they_are() {
    let proof = Proof::of("limit-regions");
    for action in [
        "iam:CreateUser",
        "organizations:DescribeOrganization",
        "sts:AssumeRole",
        "route53:ChangeResourceRecordSets",
        "cloudfront:CreateDistribution",
        "support:CreateCase",
        "account:ListRegions",
        "rootward:GetRootProtection",
        "signin:CreateOAuth2Token",
        "cloudtrail:LookupEvents",
        "s3:ListAllMyBuckets",
        "acm:RequestCertificate",
    ] {
        for region in ["us-east-1", "us-west-2", "eu-central-1"] {
            proof.leaves(user(action).in_region(region));
        }
    }
}

#[test]
fn limit_regions_enables_no_region_but_those_that_stay_open() {
    let proof = Proof::of("limit-regions");
    let enable = user("account:EnableRegion").in_region("us-east-1");
    proof.denies_members_alone(enable.with(&[("account:TargetRegion", "ap-east-1")]));
    proof.denies(enable);
    proof.leaves(enable.with(&[("account:TargetRegion", "eu-west-1")]));
    proof.leaves(user("account:DisableRegion").with(&[("account:TargetRegion", "ap-east-1")]));
}

/// Every service that is exempt is one: a pattern without a match would exempt nothing, and be a mistake.
#[test]
fn limit_regions_exempts_services_that_there_are() {
    let policy = Policy::parse(&document("limit-regions"), PolicyKind::Scp).unwrap();
    let exempt =
        policy.statements.iter().filter_map(|statement| statement.action.as_ref()).find(|action| action.not);
    let patterns = exempt.unwrap().patterns.iter().map(|pattern| &*pattern.value);
    let unknown: Vec<&str> =
        patterns.filter(|pattern| AWS.actions_matching(pattern).next().is_none()).collect();
    assert_eq!(unknown, ["rootward:*"]);
}

#[test]
fn protect_organization_role_keeps_the_role_as_it_is() {
    let proof = Proof::of("protect-organization-role");
    let on_roles = AWS.actions_matching("iam:*").filter(|action| {
        !matches!(action.level(), AccessLevel::List | AccessLevel::Read)
            && action.resources().any(|resource| resource.kind().name() == "role")
    });
    // They make roles, delete those of services, or hand one on, and change none that is there.
    let left =
        ["iam:CreateRole", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:PassRole"];
    let mut denied = 0;
    for action in on_roles.map(|action| action.to_string()) {
        let ask = user(&action).on(ORGANIZATION_ROLE);
        if left.contains(&&*action) {
            proof.leaves(ask);
            continue;
        }
        denied += 1;
        proof.denies_members_alone(ask);
        proof.denies(root(&action).on(ORGANIZATION_ROLE));
        proof.denies(role(ORGANIZATION_ROLE, &action).on(ORGANIZATION_ROLE));
        proof.denies(user(&action).on("arn:aws-us-gov:iam::111111111111:role/OrganizationAccountAccessRole"));
        for other in [OTHER_ROLE, "arn:aws:iam::111111111111:role/OrganizationAccountAccessRole2"] {
            proof.leaves(user(&action).on(other));
            proof.leaves(role(ORGANIZATION_ROLE, &action).on(other));
        }
    }
    assert_eq!(denied, 12);
    for action in ["iam:GetRole", "iam:ListRolePolicies", "sts:AssumeRole"] {
        proof.leaves(user(action).on(ORGANIZATION_ROLE));
    }
}

#[test]
fn protect_root_sign_in_keeps_what_root_users_sign_in_with() {
    let proof = Proof::of("protect-root-sign-in");
    for action in [
        "rootward:StartRootEmailUpdate",
        "rootward:AcceptRootEmailUpdate",
        "rootward:ChangeRootPassword",
        "rootward:PutRootAccessSettings",
        "iam:UpdateAccountEmailAddress",
        "iam:DeactivateMFADevice",
        "iam:DeleteVirtualMFADevice",
    ] {
        proof.denies(root(action).on(ROOT));
        proof.denies(root(action).with(&[("aws:MultiFactorAuthPresent", "true")]));
        proof.leaves(root(action).in_management_account());
    }
    for action in
        ["iam:EnableMFADevice", "rootward:SealRoot", "rootward:GetRootProtection", "s3:DeleteBucketPolicy"]
    {
        proof.leaves(root(action).on(ROOT));
    }
    for action in ["iam:DeactivateMFADevice", "iam:DeleteVirtualMFADevice"] {
        proof.leaves(assumed_root(action));
        proof.leaves(user(action));
        proof.leaves(role(OTHER_ROLE, action));
    }
}

#[test]
fn protect_trail_leaves_no_way_to_make_cloudtrail_record_less() {
    let proof = Proof::of("protect-trail");
    // They add records and copies, or read them, or are about who may see a dashboard.
    let left = [
        "cloudtrail:AddTags",
        "cloudtrail:CancelQuery",
        "cloudtrail:CreateChannel",
        "cloudtrail:CreateDashboard",
        "cloudtrail:CreateEventDataStore",
        "cloudtrail:CreateServiceLinkedChannel",
        "cloudtrail:CreateTrail",
        "cloudtrail:DeleteDashboard",
        "cloudtrail:DisableFederation",
        "cloudtrail:EnableFederation",
        "cloudtrail:GenerateQuery",
        "cloudtrail:RegisterOrganizationDelegatedAdmin",
        "cloudtrail:RemoveTags",
        "cloudtrail:RestoreEventDataStore",
        "cloudtrail:StartDashboardRefresh",
        "cloudtrail:StartEventDataStoreIngestion",
        "cloudtrail:StartImport",
        "cloudtrail:StartLogging",
        "cloudtrail:StartQuery",
        "cloudtrail:StopImport",
        "cloudtrail:UpdateDashboard",
    ];
    let mut denied = 0;
    for action in changing("cloudtrail:*") {
        if left.contains(&&*action) {
            proof.leaves(user(&action));
            continue;
        }
        denied += 1;
        proof.denies_members_alone(
            user(&action).on("arn:aws:cloudtrail:eu-central-1:111111111111:trail/main"),
        );
        proof.denies(root(&action));
        proof.denies(role(ORGANIZATION_ROLE, &action));
    }
    assert_eq!(denied, 16);
    for action in ["cloudtrail:LookupEvents", "cloudtrail:DescribeTrails", "s3:PutObject"] {
        proof.leaves(user(action));
    }
}

#[test]
fn require_mfa_for_iam_denies_every_change_without_a_second_factor() {
    let proof = Proof::of("require-mfa-for-iam");
    // What enrols a device must work without one, and so must what is not about IAM itself.
    let left = [
        "iam:ChangePassword",
        "iam:CreateServiceLinkedRole",
        "iam:CreateVirtualMFADevice",
        "iam:EnableMFADevice",
        "iam:PassRole",
        "iam:ResyncMFADevice",
    ];
    let without: [&[(&str, &str)]; 2] = [&[], &[("aws:MultiFactorAuthPresent", "false")]];
    let mut denied = 0;
    for action in changing("iam:*") {
        for keys in without {
            let asks = [user(&action), root(&action), federated(&action)];
            if left.contains(&&*action) {
                asks.into_iter().for_each(|ask| proof.leaves(ask.with(keys)));
                continue;
            }
            denied += 1;
            asks.into_iter().for_each(|ask| proof.denies(ask.with(keys)));
            proof.denies_members_alone(user(&action).with(keys));
            proof.leaves(role(OTHER_ROLE, &action).with(keys));
            proof.leaves(assumed_root(&action).with(keys));
        }
        for ask in [user(&action), root(&action)] {
            proof.leaves(ask.with(&[("aws:MultiFactorAuthPresent", "true")]));
        }
    }
    assert!(denied > 100, "{denied}");
}

#[test]
fn require_mfa_for_iam_leaves_reading_and_other_services() {
    let proof = Proof::of("require-mfa-for-iam");
    for action in [
        "iam:GetUser",
        "iam:ListUsers",
        "iam:GenerateCredentialReport",
        "iam:SimulatePrincipalPolicy",
        "s3:DeleteBucket",
    ] {
        proof.leaves(user(action));
        proof.leaves(root(action));
    }
}
