//! Why a request is denied, and the smallest change that would allow it.

use rootward_policy::{
    Attached, Context, Policies, Principal, PrincipalKind, Program, Request, Source, explain,
};

const READS: &str = r#"{"Version": "2012-10-17", "Statement": [
  {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::docs*",
   "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
  {"Sid": "NoDrafts", "Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::docs/drafts/*"}]}"#;

/// Of the whole account, by its organization.
const GUARD: &str = r#"{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["s3:*", "sqs:*"], "Resource": "*"}]}"#;

fn main() {
    // Compiled once, shared by all threads.
    let (reads, guard) = (Program::of_stored(READS), Program::of_stored(GUARD));
    let user = PrincipalKind::User { arn: "arn:aws:iam::111111111111:user/ann", id: "AIDAEXAMPLE" };
    let account = "111111111111".parse().ok();
    let principal = Principal { kind: user, account, management_account: false };
    let identity = [Attached {
        program: &reads,
        source: Source::Managed { arn: "arn:aws:iam::111111111111:policy/reads" },
    }];
    let level = [Attached { program: &guard, source: Source::Managed { arn: "guard" } }];
    let policies = Policies { identity: &identity, scps: Some(&[&level]), ..Policies::default() };

    let mut context = Context::new();
    for (mfa, action, resource) in [
        (true, "s3:GetObject", "arn:aws:s3:::docs/plan.txt"),
        (false, "s3:GetObject", "arn:aws:s3:::docs/plan.txt"),
        (true, "s3:GetObject", "arn:aws:s3:::docs/drafts/plan.txt"),
        (true, "ec2:StartInstances", "*"),
    ] {
        context.clear();
        context.principal(&principal).bool("aws:MultiFactorAuthPresent", mfa);
        let request =
            Request { principal: &principal, action, resource, resource_account: None, context: &context };
        println!("{}\n", explain(&request, &policies));
    }
}
