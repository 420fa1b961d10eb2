use rootward_state::RowKey;
use rootward_state::entities::{
    Document, Grants, InlinePolicy, ManagedPolicy, PasswordPolicy, PolicyRef, User,
};

use super::*;
use crate::iam::policies::tests::{ADMINISTRATOR, arn, create};
use crate::testing::Bench;

use api::PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};

const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const BUCKET: &str = "arn:aws:s3:::bucket";

fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn allow(action: &str) -> String {
    policy(&format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"*"}}"#))
}

fn deny(action: &str) -> String {
    policy(&format!(r#"{{"Effect":"Deny","Action":"{action}","Resource":"*"}}"#))
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn custom(policies: &[&str], actions: &[&str], resources: &[&str]) -> api::SimulateCustomPolicyRequest {
    api::SimulateCustomPolicyRequest {
        policy_input_list: strings(policies),
        action_names: strings(actions),
        resource_arns: (!resources.is_empty()).then(|| strings(resources)),
        ..Default::default()
    }
}

fn principal(source: &str, actions: &[&str]) -> api::SimulatePrincipalPolicyRequest {
    api::SimulatePrincipalPolicyRequest {
        policy_source_arn: source.into(),
        action_names: strings(actions),
        resource_arns: Some(strings(&["arn:aws:s3:::logs/x"])),
        ..Default::default()
    }
}

fn simulated(input: api::SimulateCustomPolicyRequest) -> Vec<api::EvaluationResult> {
    Bench::new().run(&SIMULATE_CUSTOM_POLICY, input).unwrap().evaluation_results.unwrap()
}

fn refused(input: api::SimulateCustomPolicyRequest) -> String {
    let failure = Bench::new().run(&SIMULATE_CUSTOM_POLICY, input).unwrap_err();
    assert_eq!((failure.code, failure.status), ("InvalidInput", 400));
    failure.message
}

fn only(results: Vec<api::EvaluationResult>) -> api::EvaluationResult {
    let [result]: [_; 1] = results.try_into().unwrap();
    result
}

fn sources(result: &api::EvaluationResult) -> Vec<(String, &'static str)> {
    let statements = result.matched_statements.iter().flatten();
    statements
        .map(|it| (it.source_policy_id.clone().unwrap(), it.source_policy_type.unwrap().as_str()))
        .collect()
}

fn entry(name: &str, values: &[&str], kind: api::ContextKeyTypeEnum) -> api::ContextEntry {
    api::ContextEntry {
        context_key_name: Some(name.into()),
        context_key_values: Some(strings(values)),
        context_key_type: Some(kind),
    }
}

/// Bob with an inline policy, AdministratorAccess, and as boundary the policy `fence`, which allows to get objects of `logs`.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.add_user("bob");
    create(&bench, "fence");
    let fence = bench.row::<ManagedPolicy>("fence").unwrap().id;
    let bob = bench.row::<User>("bob").unwrap();
    let grants = Grants {
        attached: vec![PolicyRef::Aws("AdministratorAccess".into())],
        inline: vec![InlinePolicy { name: "own".into(), document: Document::new(allow("s3:GetObject")) }],
    };
    let boundary = Some(PolicyRef::Customer(fence));
    let tags = vec![Tag { key: "Team".into(), value: "red".into() }];
    bench.write(|txn| txn.put_entity(bench.account(), User { grants, boundary, tags, ..User::clone(&bob) }));
    bench
}

#[test]
fn statement_is_placed_as_the_service_counts() {
    // The text and the answer of a recorded simulation.
    let text = r#"{"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}"#;
    let result = only(simulated(custom(&[text], &["s3:PutObject"], &[BUCKET])));
    let statement = api::Statement {
        source_policy_id: Some("PolicyInputList.1".into()),
        source_policy_type: Some(api::PolicySourceType::IamPolicy),
        start_position: Some(api::Position { line: Some(1), column: Some(41) }),
        end_position: Some(api::Position { line: Some(1), column: Some(113) }),
    };
    assert_eq!(result.eval_decision, Allowed);
    assert_eq!(
        result.eval_resource_name.as_deref(),
        Some("arn:${Partition}:s3:::${BucketName}/${ObjectName}")
    );
    assert_eq!(format!("{:?}", result.matched_statements), format!("{:?}", Some(vec![statement])));
    assert_eq!(result.eval_decision_details, Some([].into()));
    assert_eq!(result.missing_context_values, Some(vec![]));
    let specific = result.resource_specific_results.unwrap();
    assert_eq!(specific[0].eval_resource_decision, Allowed);
    assert_eq!(specific[0].eval_decision_details, None);
}

#[test]
fn deny_hides_the_allows_and_what_is_missing_matches_nothing() {
    let (allow, deny) = (allow("s3:*"), deny("s3:Delete*"));
    let results =
        simulated(custom(&[&allow, &deny], &["s3:DeleteBucket", "s3:GetObject", "ec2:RunInstances"], &[]));
    let decisions: Vec<_> = results.iter().map(|result| result.eval_decision).collect();
    assert_eq!(decisions, [ExplicitDeny, Allowed, ImplicitDeny]);
    assert_eq!(sources(&results[0]), [("PolicyInputList.2".into(), "IAM Policy")]);
    assert_eq!(sources(&results[1]), [("PolicyInputList.1".into(), "IAM Policy")]);
    assert_eq!(sources(&results[2]), []);
    for result in results {
        assert_eq!(result.eval_resource_name.as_deref(), Some("*"));
        assert!(result.eval_decision_details.is_none() && result.resource_specific_results.is_none());
        assert!(result.permissions_boundary_decision_detail.is_none());
        assert!(result.organizations_decision_detail.is_none());
    }
}

#[test]
fn result_over_resources_is_the_most_restrictive() {
    let text = policy(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::a/*","arn:aws:s3:::b/*"]},
           {"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}"#,
    );
    let resources = ["arn:aws:s3:::a/k", "arn:aws:s3:::b/k", "arn:aws:s3:::c/k"];
    let result = only(simulated(custom(&[&text], &["s3:GetObject"], &resources)));
    assert_eq!(result.eval_decision, ExplicitDeny);
    assert_eq!(
        result.eval_resource_name.as_deref(),
        Some("arn:${Partition}:s3:::${BucketName}/${ObjectName}")
    );
    assert_eq!(result.matched_statements.unwrap().len(), 1);
    let specific = result.resource_specific_results.unwrap();
    let decisions: Vec<_> = specific.iter().map(|it| it.eval_resource_decision).collect();
    assert_eq!(decisions, [Allowed, ExplicitDeny, ImplicitDeny]);
}

#[test]
fn keys_and_roles_are_decided_by_identity_policies_where_no_resource_policy_is_simulated() {
    for (action, resource) in [
        ("kms:Decrypt", "arn:aws:kms:us-east-1:999988887777:key/k"),
        ("sts:AssumeRole", "arn:aws:iam::999988887777:role/r"),
    ] {
        let result = only(simulated(custom(&[&allow(action)], &[action], &[resource])));
        assert_eq!(result.eval_decision, Allowed, "{action}");
        assert_eq!(sources(&result).len(), 1);
    }
}

#[test]
fn context_is_read_by_type() {
    use api::ContextKeyTypeEnum as Kind;
    let text = policy(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{
            "IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}}"#,
    );
    let asked = |entries| api::SimulateCustomPolicyRequest {
        context_entries: Some(entries),
        ..custom(&[&text], &["s3:GetObject"], &[])
    };
    let result = only(simulated(asked(vec![])));
    assert_eq!(result.eval_decision, ImplicitDeny);
    assert_eq!(result.missing_context_values, Some(strings(&["aws:SourceIp", "aws:TagKeys"])));
    let home = entry("AWS:sourceip", &["10.1.2.3"], Kind::Ip);
    let result =
        only(simulated(asked(vec![home.clone(), entry("aws:TagKeys", &["a", "b"], Kind::StringList)])));
    assert_eq!((result.eval_decision, result.missing_context_values), (Allowed, Some(vec![])));
    let result = only(simulated(asked(vec![home, entry("aws:TagKeys", &["c"], Kind::StringList)])));
    assert_eq!(result.eval_decision, ImplicitDeny);
    for (values, kind) in [
        (&["x"][..], Kind::Numeric),
        (&["1", "2"], Kind::Numeric),
        (&[], Kind::String),
        (&["maybe"], Kind::Boolean),
        (&["1.2.3"], Kind::IpList),
        (&["?"], Kind::Binary),
        (&["then"], Kind::DateList),
    ] {
        assert!(refused(asked(vec![entry("aws:Key", values, kind)])).contains("aws:Key"));
    }
    let nameless = api::ContextEntry { context_key_name: None, ..entry("", &["1"], Kind::String) };
    assert_eq!(refused(asked(vec![nameless])), "Every context entry must have a ContextKeyName.");
    let several =
        api::ContextEntry { context_key_type: None, ..entry("aws:TagKeys", &["a", "b"], Kind::String) };
    assert_eq!(
        only(simulated(asked(vec![several]))).missing_context_values,
        Some(strings(&["aws:SourceIp"]))
    );
}

#[test]
fn boundary_limits_and_is_told() {
    let with = |boundary: &str| api::SimulateCustomPolicyRequest {
        permissions_boundary_policy_input_list: Some(strings(&[boundary])),
        ..custom(&[&allow("s3:*")], &["s3:GetObject"], &[])
    };
    let told = |result: &api::EvaluationResult| {
        let detail = result.permissions_boundary_decision_detail.as_ref();
        detail.and_then(|detail| detail.allowed_by_permissions_boundary)
    };
    let result = only(simulated(with(&allow("s3:Get*"))));
    assert_eq!((result.eval_decision, told(&result)), (Allowed, Some(true)));
    assert_eq!(sources(&result), [("PolicyInputList.1".into(), "IAM Policy")]);
    let result = only(simulated(with(&allow("ec2:*"))));
    assert_eq!((result.eval_decision, told(&result)), (ImplicitDeny, Some(false)));
    let result = only(simulated(with(&deny("s3:*"))));
    assert_eq!((result.eval_decision, told(&result)), (ExplicitDeny, Some(false)));
    let boundary = "PermissionsBoundaryPolicyInputList.1".to_owned();
    assert_eq!(sources(&result), [(boundary, "Permissions Boundary Policy")]);
    let two = api::SimulateCustomPolicyRequest {
        permissions_boundary_policy_input_list: Some(strings(&[&allow("s3:*"), &allow("s3:*")])),
        ..with("")
    };
    assert_eq!(refused(two), "Only one permissions boundary policy can be simulated.");
}

#[test]
fn organization_that_denies_ends_the_simulation() {
    let level = |policies: &[&str]| api::OrderedOrganizationPolicyType {
        service_control_policy_input_list: Some(strings(policies)),
    };
    let with = |levels| {
        only(simulated(api::SimulateCustomPolicyRequest {
            ordered_organization_policy_input_list: Some(levels),
            ..custom(&[&allow("s3:*")], &["s3:GetObject"], &[BUCKET])
        }))
    };
    let told = |result: &api::EvaluationResult| {
        result.organizations_decision_detail.as_ref()?.allowed_by_organizations
    };
    let full = allow("*");
    let result = with(vec![level(&[&full]), level(&[&allow("s3:*"), &allow("ec2:*")])]);
    assert_eq!((result.eval_decision, told(&result)), (Allowed, Some(true)));
    assert_eq!(sources(&result), [("PolicyInputList.1".into(), "IAM Policy")]);
    let conditional = policy(
        r#"{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Null":{"aws:SourceIp":"true"}}}"#,
    );
    let result = with(vec![level(&[&full, &conditional]), level(&[&full])]);
    assert_eq!((result.eval_decision, told(&result)), (ExplicitDeny, Some(false)));
    assert_eq!(sources(&result), []);
    assert_eq!(result.missing_context_values, Some(vec![]));
    assert_eq!(result.eval_decision_details, None);
    let result = with(vec![level(&[&full]), level(&[])]);
    assert_eq!((result.eval_decision, told(&result)), (ImplicitDeny, Some(false)));
}

#[test]
fn resource_policy_is_decided_with_its_caller_and_owner() {
    let names_bob = policy(&format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{BOB}"}},"Action":"s3:GetObject","Resource":"{BUCKET}"}}"#
    ));
    let with = |caller: Option<&str>, owner: Option<&str>| api::SimulateCustomPolicyRequest {
        resource_policy: Some(names_bob.clone()),
        caller_arn: caller.map(str::to_owned),
        resource_owner: owner.map(str::to_owned),
        ..custom(&[&allow("ec2:*")], &["s3:GetObject"], &[BUCKET])
    };
    let result = only(simulated(with(Some(BOB), None)));
    assert_eq!(result.eval_decision, Allowed);
    assert_eq!(sources(&result), [("ResourcePolicy".into(), "Resource Policy")]);
    assert_eq!(result.eval_decision_details, Some([].into()));
    for owner in ["arn:aws:iam::999988887777:root", "999988887777"] {
        let result = only(simulated(with(Some(BOB), Some(owner))));
        assert_eq!(result.eval_decision, ImplicitDeny);
        let details = [("IAM Policy".into(), ImplicitDeny), ("Resource Policy".into(), Allowed)];
        assert_eq!(result.eval_decision_details, Some(details.clone().into()));
        let specific = result.resource_specific_results.unwrap();
        assert_eq!(specific[0].eval_decision_details, Some(details.into()));
    }
    let elsewhere = api::SimulateCustomPolicyRequest {
        resource_arns: Some(strings(&[BUCKET, "arn:aws:s3:::other"])),
        ..with(Some(BOB), None)
    };
    assert_eq!(refused(elsewhere), "The resource policy does not apply to resource arn:aws:s3:::other.");
    let role = "arn:aws:iam::111122223333:role/r";
    for caller in [None, Some(role)] {
        assert_eq!(
            refused(with(caller, None)),
            "Invalid caller - Caller must be an IAM user in this context."
        );
    }
    let session = "arn:aws:sts::111122223333:assumed-role/r/s";
    assert_eq!(
        refused(with(Some(session), None)),
        format!("Invalid Entity Arn: {session} does not clearly define entity type and name.")
    );
    assert!(refused(with(Some(BOB), Some("arn:aws:iam::999988887777:user/x"))).contains("ResourceOwner"));
}

#[test]
fn owner_in_another_account_without_a_policy_grants_nothing() {
    let input = api::SimulateCustomPolicyRequest {
        resource_owner: Some("arn:aws:iam::999988887777:root".into()),
        ..custom(&[&allow("s3:*")], &["s3:GetObject"], &[BUCKET])
    };
    let result = only(simulated(input));
    let details = [("IAM Policy".into(), Allowed), ("Resource Policy".into(), ImplicitDeny)];
    assert_eq!((result.eval_decision, result.eval_decision_details), (ImplicitDeny, Some(details.into())));
}

#[test]
fn input_that_is_none_is_refused() {
    let good = allow("s3:*");
    assert_eq!(
        refused(custom(&[&good, "{"], &["s3:GetObject"], &[])),
        "Invalid policy document at policyInputList.2: Syntax errors in policy."
    );
    let with_principal = r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}"#;
    assert!(refused(custom(&[&policy(with_principal)], &["s3:GetObject"], &[])).contains("principal"));
    for action in ["s3:*", "s3:Get?bject", "GetObject", "s3:", ":Get", "s3:Get Object"] {
        assert!(refused(custom(&[&good], &[action], &[])).contains(action));
    }
    assert!(refused(custom(&[&good], &["s3:GetObject"], &["bucket"])).contains("bucket"));
    let handled = |option: &str, resources: &[&str]| api::SimulateCustomPolicyRequest {
        resource_handling_option: Some(option.into()),
        ..custom(&[&good], &["ec2:RunInstances"], resources)
    };
    assert!(refused(handled("EC2-Moon", &[])).contains("EC2-Moon"));
    let kinds = ["instance", "image", "security-group", "network-interface", "subnet", "volume"];
    let arns = kinds.map(|kind| format!("arn:aws:ec2:us-east-1:111122223333:{kind}/x"));
    let arns: Vec<&str> = arns.iter().map(String::as_str).collect();
    assert!(refused(handled("EC2-VPC-EBS-Subnet", &arns[..5])).contains("volume"));
    assert_eq!(simulated(handled("EC2-VPC-EBS-Subnet", &arns)).len(), 1);
}

#[test]
fn documents_of_the_old_version_are_simulated() {
    let text = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    assert_eq!(only(simulated(custom(&[text], &["s3:GetObject"], &[]))).eval_decision, Allowed);
}

#[test]
fn pages_hold_every_action_once() {
    let actions: Vec<String> = (0..250).map(|at| format!("s3:Action{at}")).collect();
    let (bench, text) = (Bench::new(), allow("s3:*"));
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let input = api::SimulateCustomPolicyRequest {
            policy_input_list: vec![text.clone()],
            action_names: actions.clone(),
            max_items: (!seen.is_empty()).then_some(60),
            marker,
            ..Default::default()
        };
        let page = bench.run(&SIMULATE_CUSTOM_POLICY, input).unwrap();
        let results = page.evaluation_results.unwrap();
        assert_eq!(page.is_truncated, Some(page.marker.is_some()));
        assert!(results.len() == if seen.is_empty() { 100 } else { 60 } || page.marker.is_none());
        seen.extend(results.into_iter().map(|result| result.eval_action_name));
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, actions);
    let input = api::SimulateCustomPolicyRequest {
        marker: Some("nonsense".into()),
        ..custom(&[&text], &["s3:GetObject"], &[])
    };
    assert_eq!(bench.run(&SIMULATE_CUSTOM_POLICY, input).unwrap_err().message, "Invalid Marker.");
}

#[test]
fn long_policies_over_many_resources_end_a_page_early() {
    let long =
        policy(&format!(r#"{}{{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#, " ".repeat(130_000)));
    let resources = vec![BUCKET; 25];
    let actions = ["s3:A", "s3:B", "s3:C"];
    let page = Bench::new().run(&SIMULATE_CUSTOM_POLICY, custom(&[&long], &actions, &resources)).unwrap();
    assert_eq!((page.evaluation_results.unwrap().len(), page.is_truncated), (2, Some(true)));
    let message = "Too many resources for policies of this length.";
    assert_eq!(refused(custom(&[&long], &actions, &[BUCKET; 65])), message);
    let actions_100 = vec!["s3:A"; 100];
    let short =
        Bench::new().run(&SIMULATE_CUSTOM_POLICY, custom(&[], &actions_100, &[BUCKET; 1_000])).unwrap();
    assert_eq!((short.evaluation_results.unwrap().len(), short.is_truncated), (16, Some(true)));
    let string = api::ContextKeyTypeEnum::String;
    let many_keys = (0..200).map(|at| entry(&format!("aws:Key{at}"), &["1"], string)).collect();
    assert_eq!(
        refused(custom(&[&long], &actions, &vec![&*format!("{BUCKET}{}", "x".repeat(1_000)); 25])),
        message
    );
    let long_value = vec![entry("aws:Key", &[&"x".repeat(3_000)], string)];
    for entries in [many_keys, long_value] {
        let input = api::SimulateCustomPolicyRequest {
            context_entries: Some(entries),
            ..custom(&[&long], &actions, &resources)
        };
        assert_eq!(refused(input), message);
    }
}

#[test]
fn many_keys_and_statements_are_told_once() {
    let keys: String = (0..5_000).map(|at| format!(r#""aws:k{at}":"{at}","#)).collect();
    let statement = format!(
        r#"{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{{"StringNotEquals":{{{keys}"AWS:K1":"x"}}}}}}"#
    );
    let text = policy(&[&*statement, &*statement.replace("AWS:K1", "aws:K2")].join(","));
    let result = only(simulated(custom(&[&text], &["s3:GetObject"], &[BUCKET, BUCKET])));
    assert_eq!(result.missing_context_values.unwrap().len(), 5_000);
    assert_eq!(result.matched_statements.unwrap().len(), 2);
}

#[test]
fn user_is_simulated_with_all_that_applies_to_it() {
    let bench = bench();
    let output =
        bench.run(&SIMULATE_PRINCIPAL_POLICY, principal(BOB, &["s3:GetObject", "s3:PutObject"])).unwrap();
    let results = output.evaluation_results.unwrap();
    assert_eq!(results[0].eval_decision, Allowed);
    assert_eq!(
        sources(&results[0]),
        [("user_bob_own".into(), "IAM Policy"), ("AdministratorAccess".into(), "IAM Policy")]
    );
    assert_eq!(results[1].eval_decision, ImplicitDeny);
    let boundary = results[1].permissions_boundary_decision_detail.as_ref().unwrap();
    assert_eq!(boundary.allowed_by_permissions_boundary, Some(false));
}

#[test]
fn given_policies_are_added_and_a_given_boundary_replaces() {
    let bench = bench();
    let input = api::SimulatePrincipalPolicyRequest {
        policy_input_list: Some(vec![deny("s3:GetObject")]),
        permissions_boundary_policy_input_list: Some(vec![allow("*")]),
        ..principal(BOB, &["s3:GetObject", "s3:PutObject"])
    };
    let results = bench.run(&SIMULATE_PRINCIPAL_POLICY, input).unwrap().evaluation_results.unwrap();
    assert_eq!((results[0].eval_decision, results[1].eval_decision), (ExplicitDeny, Allowed));
    assert_eq!(sources(&results[0]), [("PolicyInputList.1".into(), "IAM Policy")]);
}

#[test]
fn excluded_policies_are_left_out() {
    use api::PolicyIdentifierPolicyType as Kind;
    let bench = bench();
    let decided = |exclusions: Vec<api::PolicyIdentifier>| {
        let input = api::SimulatePrincipalPolicyRequest {
            policy_exclusion_list: Some(exclusions),
            ..principal(BOB, &["s3:GetObject", "s3:PutObject"])
        };
        let results = bench.run(&SIMULATE_PRINCIPAL_POLICY, input)?.evaluation_results.unwrap();
        Ok::<_, Failure>((results[0].eval_decision, results[1].eval_decision))
    };
    let kind = |kind| api::PolicyIdentifier { policy_type: Some(kind), ..Default::default() };
    let arn_of = |arn: &str| api::PolicyIdentifier { policy_arn: Some(arn.into()), ..Default::default() };
    let inline = |name: &str, owner: &str| api::PolicyIdentifier {
        inline_policy_identifier: Some(api::InlinePolicyIdentifierType {
            policy_name: name.into(),
            attachment_type: api::AttachmentType::User,
            attachment_name: owner.into(),
        }),
        ..Default::default()
    };
    assert_eq!(decided(vec![]), Ok((Allowed, ImplicitDeny)));
    assert_eq!(decided(vec![kind(Kind::PermissionBoundary)]), Ok((Allowed, Allowed)));
    // It is a boundary, not attached.
    assert_eq!(decided(vec![arn_of(&arn("fence"))]), Ok((Allowed, ImplicitDeny)));
    assert_eq!(decided(vec![kind(Kind::AwsManaged), kind(Kind::Inline)]), Ok((ImplicitDeny, ImplicitDeny)));
    assert_eq!(decided(vec![arn_of(ADMINISTRATOR), inline("OWN", "BOB")]), Ok((ImplicitDeny, ImplicitDeny)));
    let wild = vec![arn_of("arn:aws:iam::aws:policy/Admin*Acc?ss"), inline("own", "b?*")];
    assert_eq!(decided(wild), Ok((ImplicitDeny, ImplicitDeny)));
    let nothing = vec![
        kind(Kind::UserManaged),
        kind(Kind::Rcp),
        kind(Kind::Scp),
        inline("other", "bob"),
        inline("own", "x*"),
    ];
    assert_eq!(decided(nothing), Ok((Allowed, ImplicitDeny)));
    let both = api::PolicyIdentifier { policy_type: Some(Kind::Inline), ..inline("own", "bob") };
    let wild = ["arn:aws:iam::aws:policy/*A*", "arn:aws:iam::*:policy/A", "no arn, though long enough", BOB];
    let malformed =
        wild.map(arn_of).into_iter().chain([api::PolicyIdentifier::default(), both, inline("own", "*b*")]);
    for malformed in malformed {
        assert_eq!(decided(vec![malformed]).unwrap_err().code, "InvalidInput");
    }
}

#[test]
fn organization_of_the_account_takes_part_unless_it_is_left_out() {
    use api::PolicyIdentifierPolicyType::{Inline, Scp};
    let bench = Bench::new();
    bench.add_user("bob");
    bench.write(|txn| {
        let bob = txn.named::<User>(bench.account(), "bob").unwrap();
        let inline = InlinePolicy { name: "all".into(), document: Document::new(allow("*")) };
        let grants = Grants { inline: vec![inline], ..Grants::default() };
        txn.put_entity(bench.account(), User { grants, ..User::clone(&bob) });
    });
    bench.bind(&deny("s3:*"));
    let decided = |excluded: &[api::PolicyIdentifierPolicyType]| {
        let identifier = |kind: &api::PolicyIdentifierPolicyType| api::PolicyIdentifier {
            policy_type: Some(*kind),
            ..Default::default()
        };
        let asked = api::SimulatePrincipalPolicyRequest {
            policy_exclusion_list: Some(excluded.iter().map(identifier).collect()),
            ..principal(BOB, &["s3:GetObject"])
        };
        let result = only(bench.run(&SIMULATE_PRINCIPAL_POLICY, asked).unwrap().evaluation_results.unwrap());
        let told = result.organizations_decision_detail.and_then(|detail| detail.allowed_by_organizations);
        (result.eval_decision, told)
    };
    assert_eq!(decided(&[]), (ExplicitDeny, Some(false)));
    assert_eq!(decided(&[Inline]), (ExplicitDeny, Some(false)));
    assert_eq!(decided(&[Scp]), (Allowed, None));
}

#[test]
fn guard_policy_of_the_account_denies_under_its_own_name_and_as_no_word_of_an_organization() {
    let bench = Bench::new();
    bench.add_user("bob");
    let text = policy(
        r#"{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}"#,
    );
    bench.write(|txn| {
        let document = crate::guard_policy::checked(&text).unwrap();
        drop(crate::guard_policy::put(txn, bench.account(), document, bench.now()).unwrap());
    });
    let asked = |mfa: Option<&str>| {
        let entry = |value: &str| api::ContextEntry {
            context_key_name: Some("aws:MultiFactorAuthPresent".into()),
            context_key_values: Some(strings(&[value])),
            context_key_type: Some(api::ContextKeyTypeEnum::Boolean),
        };
        let input = api::SimulatePrincipalPolicyRequest {
            policy_input_list: Some(vec![allow("*")]),
            context_entries: mfa.map(|value| vec![entry(value)]),
            ..principal(BOB, &["s3:GetObject"])
        };
        only(bench.run(&SIMULATE_PRINCIPAL_POLICY, input).unwrap().evaluation_results.unwrap())
    };
    let denied = asked(Some("false"));
    assert_eq!(denied.eval_decision, ExplicitDeny);
    assert!(denied.organizations_decision_detail.is_none());
    let matched = only_statement(denied.matched_statements);
    assert_eq!(matched.source_policy_id.as_deref(), Some("GuardPolicy"));
    assert_eq!(matched.source_policy_type, Some(api::PolicySourceType::None));
    assert_eq!(asked(Some("true")).eval_decision, Allowed);
    let open = asked(None);
    assert_eq!(open.eval_decision, Allowed);
    assert_eq!(open.missing_context_values.unwrap(), ["aws:MultiFactorAuthPresent"]);
    // A policy that is made up binds nobody, and nothing binds it.
    assert_eq!(only(simulated(custom(&[&allow("*")], &["s3:GetObject"], &[]))).eval_decision, Allowed);
}

fn only_statement(found: Option<Vec<api::Statement>>) -> api::Statement {
    let [statement]: [_; 1] = found.unwrap().try_into().unwrap();
    statement
}

#[test]
fn caller_is_known_by_its_own_keys_and_a_stand_in_by_its_arn_alone() {
    let bench = bench();
    let text = policy(
        r#"{"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{
            "aws:username":"bob","aws:PrincipalTag/Team":"red"}}}"#,
    );
    let asked = |caller: Option<&str>| {
        let input = api::SimulatePrincipalPolicyRequest {
            policy_input_list: Some(vec![text.clone()]),
            policy_exclusion_list: Some(
                [
                    api::PolicyIdentifierPolicyType::PermissionBoundary,
                    api::PolicyIdentifierPolicyType::AwsManaged,
                ]
                .map(|kind| api::PolicyIdentifier { policy_type: Some(kind), ..Default::default() })
                .to_vec(),
            ),
            caller_arn: caller.map(str::to_owned),
            ..principal(BOB, &["sqs:SendMessage"])
        };
        let output = bench.run(&SIMULATE_PRINCIPAL_POLICY, input).unwrap();
        let result = only(output.evaluation_results.unwrap());
        (result.eval_decision, result.missing_context_values.unwrap())
    };
    assert_eq!(asked(None), (Allowed, vec![]));
    assert_eq!(asked(Some(BOB)), (Allowed, vec![]));
    let other = asked(Some("arn:aws:iam::111122223333:user/x/bob"));
    assert_eq!(other, (ImplicitDeny, strings(&["aws:PrincipalTag/Team"])));
}

#[test]
fn group_and_role_are_simulated_and_who_is_not_there_is_not_found() {
    let bench = bench();
    let role = bench.add_role("app");
    let grants = Grants { attached: vec![PolicyRef::Aws("AdministratorAccess".into())], inline: vec![] };
    bench.write(|txn| txn.put_entity(bench.account(), Role { grants, ..role }));
    let of = |arn: &str| bench.run(&SIMULATE_PRINCIPAL_POLICY, principal(arn, &["s3:GetObject"]));
    let result = only(of("arn:aws:iam::111122223333:role/app").unwrap().evaluation_results.unwrap());
    assert_eq!(result.eval_decision, Allowed);
    for (arn, message) in [
        ("arn:aws:iam::111122223333:user/eve", "The user with name eve cannot be found."),
        ("arn:aws:iam::111122223333:user/x/bob", "The user with name bob cannot be found."),
        ("arn:aws:iam::111122223333:group/eve", "The group with name eve cannot be found."),
        ("arn:aws:iam::111122223333:role/eve", "The role with name eve cannot be found."),
    ] {
        let failure = of(arn).unwrap_err();
        assert_eq!((failure.code, &*failure.message), ("NoSuchEntity", message));
    }
    for arn in ["arn:aws:sts::111122223333:assumed-role/app/s", "arn:aws:iam::111122223333:root", "x"] {
        let failure = of(arn).unwrap_err();
        let message = format!("Invalid Entity Arn: {arn} does not clearly define entity type and name.");
        assert_eq!((failure.code, failure.message), ("InvalidInput", message));
    }
}

#[test]
fn attached_policy_that_cannot_be_read_cannot_be_evaluated() {
    let bench = bench();
    let bob = bench.row::<User>("bob").unwrap();
    let inline = vec![InlinePolicy { name: "broken".into(), document: Document::new("{") }];
    let grants = Grants { inline, ..Grants::default() };
    bench.write(|txn| txn.put_entity(bench.account(), User { grants, ..User::clone(&bob) }));
    let failure = bench.run(&SIMULATE_PRINCIPAL_POLICY, principal(BOB, &["s3:GetObject"])).unwrap_err();
    assert_eq!((failure.code, failure.status), ("PolicyEvaluation", 500));
    assert!(failure.message.contains("`broken` of user `bob`"));
}

#[test]
fn context_keys_are_listed_once() {
    let text = policy(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}","Condition":{
            "StringEquals":{"aws:PrincipalTag/Team":"a"},"StringLike":{"AWS:UserName":"b*"}}}"#,
    );
    let bench = bench();
    let input =
        api::GetContextKeysForCustomPolicyRequest { policy_input_list: vec![text.clone(), text.clone()] };
    let output = bench.run(&GET_CONTEXT_KEYS_FOR_CUSTOM_POLICY, input).unwrap();
    let keys = Some(strings(&["aws:username", "aws:PrincipalTag/Team"]));
    assert_eq!(output.context_key_names, keys);
    let of = |arn: &str, list| {
        let input = api::GetContextKeysForPrincipalPolicyRequest {
            policy_source_arn: arn.into(),
            policy_input_list: list,
        };
        bench.run(&GET_CONTEXT_KEYS_FOR_PRINCIPAL_POLICY, input)
    };
    assert_eq!(of(BOB, None).unwrap().context_key_names, Some(vec![]));
    assert_eq!(of(BOB, Some(vec![text])).unwrap().context_key_names, keys);
    assert_eq!(of(BOB, Some(vec!["{".into()])).unwrap_err().code, "InvalidInput");
    assert_eq!(of("arn:aws:iam::111122223333:user/eve", None).unwrap_err().code, "NoSuchEntity");
}

#[test]
fn simulations_are_authorized_on_whom_they_are_about() {
    let bench = bench();
    let target =
        |arn: &str| bench.targets(&SIMULATE_PRINCIPAL_POLICY, &principal(arn, &["s3:GetObject"])).remove(0);
    let (action, own) = target(BOB);
    assert_eq!(
        (action, &*own.arn, own.shown, own.account),
        ("iam:SimulatePrincipalPolicy", BOB, None, Some(bench.account()))
    );
    assert_eq!(own.tags.len(), 1);
    let (_, other) = target("arn:aws:iam::999988887777:user/bob");
    assert_eq!(other.account, "999988887777".parse().ok());
}

#[test]
fn what_the_password_policy_grants_is_simulated_and_asks_for_no_key() {
    let bench = Bench::new();
    bench.add_user("bob");
    let policy = PasswordPolicy { allow_users_to_change: true, ..PasswordPolicy::default() };
    bench.write(|txn| txn.put(RowKey::PasswordPolicy(bench.account()), policy));
    let input = api::SimulatePrincipalPolicyRequest {
        resource_arns: Some(strings(&[BOB])),
        ..principal(BOB, &["iam:ChangePassword"])
    };
    let results = bench.run(&SIMULATE_PRINCIPAL_POLICY, input).unwrap().evaluation_results.unwrap();
    let result = only(results);
    assert_eq!(result.eval_decision, Allowed);
    assert_eq!(sources(&result), [("AllowUsersToChangePassword".into(), "IAM Policy")]);
    let input = api::GetContextKeysForPrincipalPolicyRequest {
        policy_source_arn: BOB.into(),
        policy_input_list: None,
    };
    let keys = bench.run(&GET_CONTEXT_KEYS_FOR_PRINCIPAL_POLICY, input).unwrap().context_key_names;
    assert_eq!(keys, Some(Vec::new()));
}
