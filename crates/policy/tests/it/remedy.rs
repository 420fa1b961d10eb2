//! The changes that an explanation proposes: all of them allow the request, none of them can be left out.

use proptest::prelude::*;
use rootward_policy::{
    Attached, Change, Context, Layer, Level, Policies, Principal, PrincipalKind, Program, Request,
    ResourceKind, ResourcePolicy, explain,
};

use crate::world::{SESSION, USER, of};

/// The statements of one policy.
type Statements = Vec<String>;

/// Policies as lists of statements, so that a test can change them.
#[derive(Debug, Clone)]
struct World {
    kind: PrincipalKind<'static>,
    same_account: bool,
    identity: Vec<Statements>,
    boundary: Option<Statements>,
    session: Option<Vec<Statements>>,
    resource: Option<Statements>,
    scps: Option<Vec<Vec<Statements>>>,
    guard: Option<Statements>,
    endpoint: Option<Vec<Statements>>,
    action: &'static str,
    resource_arn: &'static str,
}

/// A policy has at least one statement; what stands for one of which all were removed is about nothing.
fn program(statements: &Statements) -> Program {
    let nothing = r#"{"Effect":"Allow","Action":"no:Thing","Resource":"*"}"#;
    crate::world::program(&if statements.is_empty() { nothing.to_owned() } else { statements.join(",") })
}

fn programs(policies: &[Statements]) -> Vec<Program> {
    policies.iter().map(program).collect()
}

fn attached(programs: &[Program]) -> Vec<Attached<'_>> {
    programs.iter().map(of).collect()
}

/// A change without its borrows.
#[derive(Debug, Clone)]
enum Step {
    Add(Layer, Option<usize>, String),
    Except(Layer, Option<usize>, usize, usize),
}

fn number(level: &Option<Level>) -> Option<usize> {
    level.as_ref().map(|level| level.number)
}

impl World {
    /// Whether it is allowed, what the explanation proposes, and what it says.
    fn ask(&self) -> (bool, Vec<Step>, String) {
        let (identity, session) = (programs(&self.identity), self.session.as_deref().map(programs));
        let (boundary, resource) = (self.boundary.as_ref().map(program), self.resource.as_ref().map(program));
        let scps: Option<Vec<_>> =
            self.scps.as_ref().map(|levels| levels.iter().map(|level| programs(level)).collect());
        let endpoint = self.endpoint.as_deref().map(programs);
        let guard = self.guard.as_ref().map(program);
        let identity = attached(&identity);
        let session = session.as_deref().map(attached);
        let endpoint = endpoint.as_deref().map(attached);
        let levels: Option<Vec<_>> =
            scps.as_ref().map(|levels| levels.iter().map(|level| attached(level)).collect());
        let levels: Option<Vec<&[Attached<'_>]>> =
            levels.as_ref().map(|levels| levels.iter().map(Vec::as_slice).collect());
        let kind = match self.resource_arn {
            arn if arn.contains(":role/") => ResourceKind::Trust,
            arn if arn.contains(":kms:") => ResourceKind::Key,
            _ => ResourceKind::Other,
        };
        let policies = Policies {
            identity: &identity,
            boundary: boundary.as_ref().map(of),
            session: session.as_deref(),
            resource: resource.as_ref().map(|program| ResourcePolicy { attached: of(program), kind }),
            scps: levels.as_deref(),
            endpoint: endpoint.as_deref(),
            guard: guard.as_ref().map(of),
            ..Policies::default()
        };
        let foreign = matches!(self.kind, PrincipalKind::Anonymous | PrincipalKind::Service { .. });
        let account = (!foreign).then(|| "111111111111".parse().unwrap());
        let principal = Principal { kind: self.kind, account, management_account: false };
        let owner = if self.same_account { "111111111111" } else { "222222222222" };
        let mut context = Context::new();
        context.principal(&principal).text("k", "yes");
        let explanation = explain(
            &Request {
                principal: &principal,
                action: self.action,
                resource: self.resource_arn,
                resource_account: owner.parse().ok(),
                context: &context,
            },
            &policies,
        );
        let steps = explanation.changes.iter().map(|change| match change {
            Change::Add { layer, level, statement } => Step::Add(*layer, number(level), statement.clone()),
            Change::Except { layer, level, cause, .. } => {
                Step::Except(*layer, number(level), cause.policy, cause.index)
            }
            other => panic!("{other:?}"),
        });
        (explanation.decision.is_allowed(), steps.collect(), explanation.to_string())
    }

    /// The policies of a layer; made where there are none.
    fn layer(&mut self, layer: Layer, level: Option<usize>) -> Vec<&mut Statements> {
        match layer {
            Layer::Identity => self.identity.iter_mut().collect(),
            Layer::Boundary => self.boundary.iter_mut().collect(),
            Layer::Guard => self.guard.iter_mut().collect(),
            Layer::Session => self.session.get_or_insert_default().iter_mut().collect(),
            Layer::Resource | Layer::Trust => vec![self.resource.get_or_insert_default()],
            Layer::Endpoint => self.endpoint.iter_mut().flatten().collect(),
            Layer::Scp => self.scps.iter_mut().flatten().nth(level.unwrap()).unwrap().iter_mut().collect(),
            other => panic!("{other:?}"),
        }
    }

    fn add(&mut self, layer: Layer, level: Option<usize>, statement: &str) {
        let policy = vec![statement.to_owned()];
        match layer {
            Layer::Identity => self.identity.push(policy),
            Layer::Session => self.session.get_or_insert_default().push(policy),
            Layer::Endpoint => self.endpoint.get_or_insert_default().push(policy),
            Layer::Scp => self.scps.as_mut().unwrap()[level.unwrap()].push(policy),
            _ => self.layer(layer, level)[0].extend(policy),
        }
    }

    /// With these steps taken; statements are taken out from behind, so that positions stay true.
    fn after(&self, steps: &[Step]) -> Self {
        let mut world = self.clone();
        for step in steps.iter().rev() {
            if let Step::Except(layer, level, policy, index) = step {
                world.layer(*layer, *level)[*policy].remove(*index);
            }
        }
        for step in steps {
            if let Step::Add(layer, level, statement) = step {
                world.add(*layer, *level, statement);
            }
        }
        world
    }
}

/// Statements that match often; `principal` for policies of resources.
fn statement(principal: bool) -> impl Strategy<Value = String> {
    let who = if principal {
        prop_oneof![
            Just(r#""Principal":"*","#),
            Just(r#""Principal":{"AWS":"111111111111"},"#),
            Just(r#""Principal":{"AWS":"arn:aws:iam::111111111111:user/ann"},"#),
            Just(r#""Principal":{"AWS":"arn:aws:iam::111111111111:role/team/app"},"#),
            Just(r#""Principal":{"AWS":"arn:aws:iam::111111111111:user/bob"},"#),
        ]
        .boxed()
    } else {
        Just("").boxed()
    };
    let condition = prop_oneof![
        Just(""),
        Just(""),
        Just(r#","Condition":{"StringEquals":{"k":"yes"}}"#),
        Just(r#","Condition":{"StringEquals":{"k":"no"}}"#),
        Just(r#","Condition":{"StringEquals":{"absent":"x"}}"#),
    ];
    let resource = prop_oneof![Just("*"), Just("arn:aws:s3:::b/*"), Just("arn:aws:s3:::other/*")];
    (prop_oneof![Just("Allow"), Just("Allow"), Just("Deny")], who, resource, condition).prop_map(
        |(effect, who, resource, condition)| {
            format!(r#"{{"Effect":"{effect}",{who}"Action":"*","Resource":"{resource}"{condition}}}"#)
        },
    )
}

fn policy(principal: bool) -> impl Strategy<Value = Statements> {
    prop::collection::vec(statement(principal), 1..3)
}

fn world() -> impl Strategy<Value = World> {
    let kind = prop_oneof![
        Just(USER),
        Just(SESSION),
        Just(PrincipalKind::Root { arn: "arn:aws:iam::111111111111:root" }),
        Just(PrincipalKind::AssumedRoot { arn: "arn:aws:iam::111111111111:root" }),
        Just(PrincipalKind::Anonymous),
        Just(PrincipalKind::Service { name: "ec2.amazonaws.com" }),
        Just(PrincipalKind::FederatedUser {
            arn: "arn:aws:sts::111111111111:federated-user/f",
            user_arn: "arn:aws:iam::111111111111:user/ann",
            user_id: "AIDA0000000000000ANN",
        }),
    ];
    let asked = prop_oneof![
        Just(("s3:GetObject", "arn:aws:s3:::b/k")),
        Just(("s3:GetObject", "arn:aws:s3:::b/a*b?c${d}")),
        Just(("s3:ListAllMyBuckets", "*")),
        Just(("sts:AssumeRole", "arn:aws:iam::111111111111:role/r")),
        Just(("kms:Decrypt", "arn:aws:kms:us-east-1:111111111111:key/1")),
    ];
    let some = |principal| prop::collection::vec(policy(principal), 0..3);
    (
        (kind, any::<bool>(), asked),
        some(false),
        prop::option::of(policy(false)),
        prop::option::of(some(false)),
        prop::option::of(policy(true)),
        prop::option::of(prop::collection::vec(some(false), 1..3)),
        prop::option::of(some(true)),
        prop::option::of(policy(false)),
    )
        .prop_map(
            |((kind, same_account, asked), identity, boundary, session, resource, scps, endpoint, guard)| {
                let (action, resource_arn) = asked;
                World {
                    kind,
                    same_account,
                    identity,
                    boundary,
                    session,
                    resource,
                    scps,
                    guard,
                    endpoint,
                    action,
                    resource_arn,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn all_changes_allow_the_request_and_none_can_be_left_out(world in world()) {
        let (allowed, steps, text) = world.ask();
        prop_assert_eq!(allowed, steps.is_empty(), "{}", text);
        prop_assert!(world.after(&steps).ask().0, "{}", text);
        for left_out in 0..steps.len() {
            let mut fewer = steps.clone();
            fewer.remove(left_out);
            prop_assert!(!world.after(&fewer).ask().0, "without {left_out}: {}", text);
        }
    }
}

#[test]
fn levels_are_told_by_number_until_they_have_names() {
    let allow = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let other = r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#;
    let [everything, nothing] = [allow, other].map(crate::world::program);
    let [everything, nothing] = [[of(&everything)], [of(&nothing)]];
    let levels: [&[Attached<'_>]; 3] = [&everything, &nothing, &nothing];
    let policies = Policies { identity: &everything, scps: Some(&levels), ..Policies::default() };
    let account = "111111111111".parse().ok();
    let principal = Principal { kind: USER, account, management_account: false };
    let request = Request {
        principal: &principal,
        action: "s3:GetObject",
        resource: "arn:aws:s3:::b/k",
        resource_account: None,
        context: &Context::new(),
    };
    let mut explanation = explain(&request, &policies);
    let text = explanation.to_string();
    for told in [" at the root: ", " at level 2: ", " at level 3: ", " at level 2: {", " at level 3: {"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    explanation.name_levels(|layer, level| {
        (layer == Layer::Scp && level != 2).then(|| ["the root (r-1)", "unit A\nB"][level].to_owned())
    });
    let text = explanation.to_string();
    for told in [" at the root (r-1): ", " at unit A", " at level 3: "] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(!text.contains("A\nB"), "{text}");
    assert!(!text.contains("level 2"), "{text}");
}
