//! What policies of organizations bind: members, their root users too, and never the management account.

use proptest::prelude::*;
use rootward_auth::authn::Authority;
use rootward_auth::authz::{Check, Question, RequestFacts, authorize, explain};
use rootward_auth::gather::{Bounds, Member};
use rootward_auth::{Identity, Principal};
use rootward_names::Partition;
use rootward_names::{AccountId, OrganizationPolicyId};
use rootward_policy::{
    Attached, Context, Layer, Outcome, Outlook, Policies, Principal as Caller, PrincipalKind, Program,
    Request, Source, decide,
};
use rootward_state::RowKey;
use rootward_state::entities::{
    CentralRootAccess, Document, GuardPolicy, Membership, Organization, OrganizationNode, OrganizationPolicy,
    OrganizationPolicyType,
};

use crate::bench::{ACCOUNT, Bench, ELSEWHERE, NOW, account, inline, principal};

const ORGANIZATION: &str = "o-exampleorg";
const ROOT: &str = "r-exam";
const UNIT: &str = "ou-exam-workload";
const OWN: &str = "p-examplepol";
const ALLOW: &str = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
const NOT_LIST: &str = r#"{"Effect": "Deny", "Action": "iam:ListUsers", "Resource": "*"}"#;
const ARN: &str =
    "arn:aws:organizations::444455556666:policy/o-exampleorg/service_control_policy/p-examplepol";

fn ids(texts: &[&str]) -> Vec<OrganizationPolicyId> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn at_first() -> Vec<OrganizationPolicyId> {
    OrganizationPolicy::of_aws().iter().map(|policy| policy.id.clone()).collect()
}

/// An organization that [`ELSEWHERE`] manages, with [`ACCOUNT`] in a unit; `attached` hangs at the unit, and at the root for everybody to
/// see that it binds no one there.
struct Organized {
    bench: Bench,
    management: AccountId,
}

impl Organized {
    fn new(kind: OrganizationPolicyType, statement: &str, attached: Vec<OrganizationPolicyId>) -> Self {
        let bench = Bench::new(Authority::Issued);
        bench.open_account(ELSEWHERE, rootward_state::entities::AccountStatus::Active);
        let management: AccountId = ELSEWHERE.parse().unwrap();
        let id: rootward_names::OrganizationId = ORGANIZATION.parse().unwrap();
        let node = |node: &str, parent: Option<&str>, policies| OrganizationNode {
            id: node.parse().unwrap(),
            parent: parent.map(|parent| parent.parse().unwrap()),
            name: node.into(),
            policies,
            tags: vec![],
        };
        let member = |account, parent: &str| Membership {
            account,
            organization: id.clone(),
            parent: parent.parse().unwrap(),
            joined: NOW,
            invited: true,
            policies: at_first(),
            tags: vec![],
            delegated: vec![],
        };
        bench.write(|txn| {
            let organization = Organization {
                id: id.clone(),
                management,
                partition: Partition::Aws,
                created: NOW,
                all_features: true,
                root: ROOT.parse().unwrap(),
                policy_types: vec![kind.clone()],
                trusted: vec![],
                resource_policy: None,
                root_access: CentralRootAccess::default(),
            };
            txn.put(RowKey::Organization(id.clone()), organization);
            let policy = OrganizationPolicy {
                id: OWN.parse().unwrap(),
                kind,
                name: "own".into(),
                description: "".into(),
                document: Document::new(format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#)),
                updated: NOW,
                tags: vec![],
            };
            txn.put(RowKey::OrganizationPolicy(id.clone(), policy.id.clone()), policy);
            for row in [node(ROOT, None, at_first()), node(UNIT, Some(ROOT), attached)] {
                txn.put(RowKey::OrganizationNode(id.clone(), row.id.clone()), row);
            }
            for row in [member(management, UNIT), member(account(), UNIT)] {
                txn.put(RowKey::Membership(row.account), row);
            }
        });
        Self { bench, management }
    }

    /// SCPs with these statements at the root, the unit and the account, instead of AWS's where they are any.
    fn with_levels(levels: [&[&str]; 3]) -> Self {
        let organized = Self::with_scp(NOT_LIST);
        organized.bench.write(|txn| {
            let organization: rootward_names::OrganizationId = ORGANIZATION.parse().unwrap();
            let attached = levels.map(|statements| {
                let made = statements.iter().map(|statement| {
                    let id: OrganizationPolicyId =
                        format!("p-of{:08}", STATEMENTS.iter().position(|known| known == statement).unwrap())
                            .parse()
                            .unwrap();
                    let policy = OrganizationPolicy {
                        id: id.clone(),
                        kind: OrganizationPolicyType::ServiceControl,
                        name: id.as_str().into(),
                        description: "".into(),
                        document: Document::new(format!(
                            r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#
                        )),
                        updated: NOW,
                        tags: vec![],
                    };
                    txn.put(RowKey::OrganizationPolicy(organization.clone(), id.clone()), policy);
                    id
                });
                made.collect::<Vec<_>>()
            });
            let [root, unit, own] = attached;
            for (id, policies) in [(ROOT, root), (UNIT, unit)] {
                let key = RowKey::OrganizationNode(organization.clone(), id.parse().unwrap());
                let row = OrganizationNode::clone(&txn.get::<OrganizationNode>(key.clone()).unwrap());
                txn.put(key, OrganizationNode { policies, ..row });
            }
            let key = RowKey::Membership(account());
            let row = Membership::clone(&txn.get::<Membership>(key.clone()).unwrap());
            txn.put(key, Membership { policies: own, ..row });
        });
        organized
    }

    fn with_scp(statement: &str) -> Self {
        let attached = [at_first(), ids(&[OWN])].concat();
        Self::new(OrganizationPolicyType::ServiceControl, statement, attached)
    }

    fn denial(&self, principal: &Principal) -> Option<String> {
        let check = Check {
            action: "iam:ListUsers",
            resource: "arn:aws:iam::111122223333:user/",
            shown: None,
            resource_account: principal.account,
            trust: None,
            second_factor: None,
        };
        authorize(&self.bench.world(), principal, &facts(), &check, Context::new())
            .err()
            .map(|denied| denied.message)
    }

    /// What is decided of the same, as it is explained.
    fn explained(&self, principal: &Principal) -> (Outcome, Layer) {
        let question = Question {
            action: "iam:ListUsers",
            resource: "*",
            resource_account: principal.account,
            trust: None,
            now: NOW,
        };
        let decision = |decision: rootward_policy::Decision<'_>| (decision.outcome, decision.layer);
        explain(&self.bench.world(), principal, &question, &Context::new(), |told| decision(told.decision))
            .unwrap()
    }

    /// Somebody of the member who may everything, as far as the account itself is concerned.
    fn ann(&mut self) -> Principal {
        principal(Identity::User(self.bench.user("ann", |user| user.grants = inline(ALLOW))))
    }

    fn management_root(&self) -> Principal {
        Principal { account: self.management, ..principal(Identity::Root) }
    }
}

/// What SCPs of the property below say.
const STATEMENTS: [&str; 8] = [
    ALLOW,
    r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#,
    r#"{"Effect": "Allow", "Action": ["s3:*", "iam:Get*"], "Resource": "*"}"#,
    r#"{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}"#,
    r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}"#,
    r#"{"Effect": "Deny", "Action": "iam:GetUser", "Resource": "*"}"#,
    r#"{"Effect": "Deny", "NotAction": ["iam:*", "s3:*"], "Resource": "*"}"#,
    r#"[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}]"#,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merged_levels_come_to_the_same_as_the_levels(
        levels in prop::array::uniform3(prop::collection::vec(prop::sample::select(&STATEMENTS[..]), 0..4)),
        secure: bool,
    ) {
        let [root, unit, own] = &levels;
        let organized = Organized::with_levels([root, unit, own]);
        let world = organized.bench.world();
        let member = Member::of(&world, account());
        let everything = Program::of_stored(&format!(r#"{{"Version": "2012-10-17", "Statement": {ALLOW}}}"#));
        let identity = [Attached { program: &everything, source: Source::Unnamed }];
        let caller = Caller {
            kind: PrincipalKind::User { arn: "arn:aws:iam::111122223333:user/ann", id: "" },
            account: Some(account()),
            management_account: false,
        };
        let mut context = Context::new();
        context.bool("aws:SecureTransport", secure);
        for action in ["iam:GetUser", "IAM:ListUsers", "s3:PutObject", "S3:GetObject", "ec2:RunInstances"] {
            let request = Request {
                principal: &caller,
                action,
                resource: "*",
                resource_account: Some(account()),
                context: &context,
            };
            let state = world.account(account()).unwrap();
            let all = Bounds::of(state, Partition::Aws, &member, &member);
            let few = Bounds::merged(state, Partition::Aws, &member, &member);
            let [all, few] = [all, few].map(|bounds| {
                let levels = bounds.scps.unwrap();
                let levels: Vec<_> = levels.iter().collect();
                let policies = Policies { identity: &identity, scps: Some(&levels), ..Policies::default() };
                let decision = decide(&request, &policies);
                (decision.outcome, decision.layer)
            });
            prop_assert_eq!(all, few, "{}", action);
        }
    }
}

fn facts() -> RequestFacts<'static> {
    RequestFacts {
        now: NOW,
        region: "eu-west-1",
        source_ip: [192, 0, 2, 7].into(),
        user_agent: None,
        referer: None,
        secure_transport: true,
    }
}

#[test]
fn scp_binds_users_and_root_users_of_members_and_not_the_management_account() {
    let mut organized = Organized::with_scp(NOT_LIST);
    let ann = organized.ann();
    let reason = format!("with an explicit deny in a service control policy: {ARN}");
    for bound in [&ann, &principal(Identity::Root)] {
        let denial = organized.denial(bound).unwrap();
        assert!(denial.ends_with(&reason), "{denial}");
    }
    assert_eq!(organized.denial(&organized.management_root()), None);
}

#[test]
fn guard_policy_binds_everybody_of_the_management_account_and_of_one_on_its_own() {
    let mut organized = Organized::with_scp(ALLOW);
    let ann = organized.ann();
    let management = organized.management;
    let document = format!(r#"{{"Version": "2012-10-17", "Statement": {NOT_LIST}}}"#);
    organized.bench.write(|txn| {
        for account in [management, account()] {
            let policy = GuardPolicy { document: Document::new(&*document), set: NOW };
            txn.put(RowKey::GuardPolicy(account), policy);
        }
    });
    let denial = organized.denial(&organized.management_root()).unwrap();
    let arn = "arn:aws:rootward::444455556666:guard-policy";
    assert!(denial.ends_with(&format!("with an explicit deny in a guard policy: {arn}")), "{denial}");
    let outcome = organized.explained(&organized.management_root());
    assert_eq!(outcome, (Outcome::ExplicitDeny, Layer::Guard));
    // On its own again, the other is bound by its own.
    organized.bench.write(|txn| txn.delete(RowKey::Membership(account())));
    for lone in [&ann, &principal(Identity::Root)] {
        assert!(
            organized.denial(lone).unwrap().contains("in a guard policy: arn:aws:rootward::111122223333")
        );
    }
}

#[test]
fn level_that_allows_nothing_denies_and_says_so() {
    let mut organized = Organized::new(OrganizationPolicyType::ServiceControl, NOT_LIST, vec![]);
    let ann = organized.ann();
    for bound in [&ann, &principal(Identity::Root)] {
        let denial = organized.denial(bound).unwrap();
        assert!(
            denial.ends_with("because no service control policy allows the iam:ListUsers action"),
            "{denial}"
        );
    }
}

#[test]
fn policies_of_a_type_that_is_not_in_force_bind_nobody() {
    // An SCP, where resource control policies alone are in force.
    let mut organized = Organized::with_scp(NOT_LIST);
    organized.bench.write(|txn| {
        let key = RowKey::Organization(ORGANIZATION.parse().unwrap());
        let row = Organization::clone(&txn.get::<Organization>(key.clone()).unwrap());
        txn.put(key, Organization { policy_types: vec![OrganizationPolicyType::ResourceControl], ..row });
    });
    let ann = organized.ann();
    assert_eq!(organized.denial(&ann), None);
}

#[test]
fn policy_of_a_member_sees_where_its_account_is() {
    for (key, value, is_allowed) in [
        ("aws:PrincipalOrgID", ORGANIZATION, true),
        ("aws:ResourceOrgID", ORGANIZATION, true),
        ("aws:PrincipalOrgID", "o-anotherorg1", false),
        ("aws:ResourceOrgPaths", "o-exampleorg/r-exam/*", true),
        ("aws:PrincipalOrgPaths", "o-exampleorg/r-exam/ou-exam-workload/", true),
        ("aws:PrincipalOrgPaths", "o-exampleorg/r-exam/ou-exam-elsewhere/", false),
    ] {
        let mut organized = Organized::with_scp(r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}"#);
        let operator = if key.ends_with("Paths") { "ForAnyValue:StringLike" } else { "StringEquals" };
        let grants = inline(&format!(
            r#"{{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {{"{operator}": {{"{key}": "{value}"}}}}}}"#
        ));
        let ann = principal(Identity::User(organized.bench.user("ann", |user| user.grants = grants)));
        assert_eq!(organized.denial(&ann).is_none(), is_allowed, "{key} {value}");
    }
}

#[test]
fn rcp_binds_roles_of_members_whoever_asks() {
    let statement = r#"{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}"#;
    let attached = [at_first(), ids(&[OWN])].concat();
    let mut organized = Organized::new(OrganizationPolicyType::ResourceControl, statement, attached);
    let trust = Document::new(
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}"#,
    );
    let ann = organized.ann();
    let denial = |owner: &str| {
        let arn = format!("arn:aws:iam::{owner}:role/app");
        let check = Check {
            action: "sts:AssumeRole",
            resource: &arn,
            shown: None,
            resource_account: owner.parse().unwrap(),
            trust: Some(&trust),
            second_factor: None,
        };
        authorize(&organized.bench.world(), &ann, &facts(), &check, Context::new())
            .err()
            .map(|denied| denied.message)
    };
    let denied = denial(ACCOUNT).unwrap();
    assert!(
        denied.contains("with an explicit deny in a resource control policy: arn:aws:organizations::"),
        "{denied}"
    );
    assert_eq!(denial(ELSEWHERE), None, "of the management account's roles");
}

fn may_list_users() -> Question<'static> {
    Question { action: "iam:ListUsers", resource: "*", resource_account: account(), trust: None, now: NOW }
}

#[test]
fn question_of_the_operator_is_answered_with_what_organizations_say() {
    let mut organized = Organized::with_scp(NOT_LIST);
    let ann = organized.ann();
    let explained =
        explain(&organized.bench.world(), &ann, &may_list_users(), &Context::new(), |explanation| {
            explanation.decision.outcome
        });
    assert_eq!(explained, Some(Outcome::ExplicitDeny));
}

#[test]
fn root_user_is_denied_for_certain_what_only_assumed_root_users_are_spared() {
    let unless_assumed = r#"{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Null": {"aws:AssumedRoot": "true"}}}"#;
    let organized = Organized::with_scp(unless_assumed);
    let told = explain(
        &organized.bench.world(),
        &principal(Identity::Root),
        &may_list_users(),
        &Context::new(),
        |told| (told.outlook, told.missing_keys.len()),
    );
    assert_eq!(told, Some((Outlook::Denied, 0)));
}

#[test]
fn explanation_names_what_a_policy_of_the_organization_is_attached_to() {
    for (kind, name) in [
        (OrganizationPolicyType::ServiceControl, "service control policy"),
        (OrganizationPolicyType::ResourceControl, "resource control policy"),
    ] {
        let statement =
            r#"{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}"#;
        let is_rcp = kind == OrganizationPolicyType::ResourceControl;
        let statement =
            if is_rcp { statement.to_owned() } else { statement.replace(r#""Principal": "*", "#, "") };
        let mut organized = Organized::new(kind, &statement, [at_first(), ids(&[OWN])].concat());
        let ann = organized.ann();
        let role = format!("arn:aws:iam::{ACCOUNT}:role/app");
        let question = Question {
            action: "sts:AssumeRole",
            resource: &role,
            resource_account: account(),
            trust: None,
            now: NOW,
        };
        let world = organized.bench.world();
        let told = explain(&world, &ann, &question, &Context::new(), |told| told.to_string()).unwrap();
        let lines: Vec<_> = told.lines().collect();
        let levels: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix(name)).collect();
        let account = world.account(account()).unwrap().account();
        let names = [
            format!("the root ({ROOT})"),
            format!("unit {UNIT} ({UNIT})"),
            format!("account {} ({ACCOUNT})", account.name),
        ];
        assert_eq!(levels.len(), names.len(), "{told}");
        for (line, name) in levels.iter().zip(&names) {
            assert!(line.starts_with(&format!(" at {name}: ")), "{told}");
        }
        let change = format!("  in a {name} at unit {UNIT} ({UNIT}), remove statement 1 ");
        assert!(lines.iter().any(|line| line.starts_with(&change)), "{told}");
    }
}
