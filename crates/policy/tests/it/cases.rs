//! Every case of `tests/conformance/cases/policy-cases.json`: policies, a request, the documented decision.

use std::path::Path;

use rootward_policy::{
    Attached, Context, Policies, Principal, PrincipalKind, Program, Request, ResourceKind, ResourcePolicy,
    Source, decide, explain,
};
use serde_json::Value;

/// A case with its documents compiled.
struct Case {
    json: Value,
    identity: Vec<Program>,
    boundary: Option<Program>,
    session: Option<Vec<Program>>,
    resource: Option<Program>,
    scps: Option<Vec<Vec<Program>>>,
    rcps: Option<Vec<Vec<Program>>>,
    endpoint: Option<Vec<Program>>,
}

fn program(document: &Value) -> Program {
    let program = Program::of_stored(&document.to_string());
    assert!(program.is_readable(), "{document}");
    program
}

fn programs(documents: &Value) -> Option<Vec<Program>> {
    documents.as_array().map(|documents| documents.iter().map(program).collect())
}

fn levels(levels: &Value) -> Option<Vec<Vec<Program>>> {
    levels.as_array().map(|levels| levels.iter().filter_map(programs).collect())
}

fn attached(programs: &[Program]) -> Vec<Attached<'_>> {
    programs.iter().map(|program| Attached { program, source: Source::Unnamed }).collect()
}

fn principal(case: &Value) -> Principal<'_> {
    let json = &case["principal"];
    let text = |name: &str| json[name].as_str().unwrap_or_default();
    let kind = match text("type") {
        "anonymous" => PrincipalKind::Anonymous,
        "assumed_root" => PrincipalKind::AssumedRoot { arn: text("arn") },
        "federated_user" => {
            PrincipalKind::FederatedUser { arn: text("arn"), user_arn: text("user_arn"), user_id: "" }
        }
        "role_session" => {
            PrincipalKind::RoleSession { session_arn: text("arn"), role_arn: text("role_arn"), role_id: "" }
        }
        "root" => PrincipalKind::Root { arn: text("arn") },
        "service" => PrincipalKind::Service { name: text("arn") },
        "user" => PrincipalKind::User { arn: text("arn"), id: "" },
        "web_identity" => PrincipalKind::WebIdentity { provider: text("arn") },
        other => panic!("unknown principal type {other}"),
    };
    Principal {
        kind,
        account: text("account").parse().ok(),
        management_account: case["request"]["principal_in_management_account"] == true,
    }
}

fn context(case: &Value, principal: &Principal<'_>) -> Context {
    let mut context = Context::new();
    context.principal(principal);
    for (key, value) in case["request"]["context"].as_object().unwrap() {
        match value {
            Value::Array(values) => context.list(key, values.iter().map(|value| value.as_str().unwrap())),
            Value::String(text) => context.text(key, text),
            other => context.show(key, other),
        };
    }
    context
}

impl Case {
    fn new(json: Value) -> Self {
        Self {
            identity: programs(&json["identity_policies"]).unwrap(),
            boundary: json["boundary"].is_object().then(|| program(&json["boundary"])),
            session: programs(&json["session_policies"]),
            resource: json["resource_policy"].is_object().then(|| program(&json["resource_policy"])),
            scps: levels(&json["scps"]),
            rcps: levels(&json["rcps"]),
            endpoint: programs(&json["vpce_policies"]),
            json,
        }
    }

    /// The decision and its explanation, both as text.
    fn run(&self) -> (String, String) {
        let one = |program| Attached { program, source: Source::Unnamed };
        let identity = attached(&self.identity);
        let session = self.session.as_deref().map(attached);
        let endpoint = self.endpoint.as_deref().map(attached);
        let scps: Option<Vec<_>> =
            self.scps.as_ref().map(|levels| levels.iter().map(|l| attached(l)).collect());
        let rcps: Option<Vec<_>> =
            self.rcps.as_ref().map(|levels| levels.iter().map(|l| attached(l)).collect());
        let scps: Option<Vec<&[Attached<'_>]>> = scps.as_ref().map(|l| l.iter().map(Vec::as_slice).collect());
        let rcps: Option<Vec<&[Attached<'_>]>> = rcps.as_ref().map(|l| l.iter().map(Vec::as_slice).collect());
        let resource = self.json["request"]["resource"].as_str().unwrap();
        let kind = match resource {
            _ if resource.contains(":role/") => ResourceKind::Trust,
            _ if resource.starts_with("arn:aws:kms:") => ResourceKind::Key,
            _ => ResourceKind::Other,
        };
        let policies = Policies {
            identity: &identity,
            boundary: self.boundary.as_ref().map(one),
            session: session.as_deref(),
            resource: self.resource.as_ref().map(|program| ResourcePolicy { attached: one(program), kind }),
            scps: scps.as_deref(),
            rcps: rcps.as_deref(),
            endpoint: endpoint.as_deref(),
        };
        let principal = principal(&self.json);
        let context = context(&self.json, &principal);
        let request = Request {
            principal: &principal,
            action: self.json["request"]["action"].as_str().unwrap(),
            resource,
            resource_account: self.json["request"]["resource_account"].as_str().and_then(|a| a.parse().ok()),
            context: &context,
        };
        let decision = decide(&request, &policies);
        let explanation = explain(&request, &policies);
        assert_eq!(decision.outcome, explanation.decision.outcome);
        (decision.outcome.to_string(), explanation.to_string())
    }
}

#[test]
fn every_case_is_decided_as_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases/policy-cases.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 226);
    let mut wrong = String::new();
    for json in cases {
        let case = Case::new(json);
        let (outcome, explanation) = case.run();
        let expected = case.json["expected"].as_str().unwrap();
        if outcome != expected {
            wrong +=
                &format!("{} {}: expected {expected}, {explanation}\n", case.json["id"], case.json["sketch"]);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
