//! What AWS's pages say, and how names, patterns and ARNs find it.

use rootward_reference::{AWS, AccessLevel, Action, ConditionKey, ResourceType, ValueType};

fn action(name: &str) -> Action<'static> {
    AWS.action(name).unwrap()
}

fn kind(service: &str, name: &str) -> ResourceType<'static> {
    AWS.service(service).unwrap().resource_type(name).unwrap()
}

fn names(pattern: &str) -> Vec<String> {
    AWS.actions_matching(pattern).map(|action| action.to_string()).collect()
}

fn key(name: &str) -> Option<(&'static str, String)> {
    AWS.condition_key(name).map(|key| (key.name(), key.kind().to_string()))
}

#[test]
fn get_object_reads_objects() {
    let get = action("s3:GetObject");
    assert_eq!((get.level(), get.service().name()), (AccessLevel::Read, "Amazon S3"));
    let types: Vec<_> =
        get.resources().map(|resource| (resource.kind().name(), resource.is_required())).collect();
    assert_eq!(types, [("accesspointobject", false), ("object", false)]);
    assert_eq!(action("s3:ListAllMyBuckets").resources().count(), 0);
    assert_eq!(action("s3:ListBucket").level(), AccessLevel::List);
}

#[test]
fn pass_role_counts_as_writing_and_changing_policies_as_permissions_management() {
    let pass = action("iam:PassRole");
    assert_eq!(pass.level(), AccessLevel::Write);
    assert!(pass.resources().all(|resource| resource.kind().name() == "role" && resource.is_required()));
    assert!(
        pass.condition_keys()
            .map(ConditionKey::name)
            .eq(["iam:AssociatedResourceArn", "iam:PassedToService"])
    );
    assert_eq!(action("iam:PutUserPolicy").level(), AccessLevel::PermissionsManagement);
    assert_eq!(action("iam:TagUser").level(), AccessLevel::Tagging);
}

#[test]
fn keys_of_action_resource_type_and_globals_are_accepted_others_not() {
    assert!(action("iam:CreateUser").accepts_key("iam:PermissionsBoundary"));
    assert!(action("iam:CreateUser").accepts_key("aws:requesttag/Team"));
    assert!(action("kms:Decrypt").accepts_key("kms:EncryptionContext:app"));
    assert!(action("kms:Decrypt").accepts_key("aws:ResourceTag/team"), "a key of the resource type");
    assert!(action("kms:Decrypt").accepts_key("aws:PrincipalTag/team"), "a global key");
    assert!(action("s3:GetObject").accepts_key("AWS:SourceIP"));
    assert!(!action("iam:ListUsers").accepts_key("iam:PermissionsBoundary"));
    assert!(!action("iam:ListUsers").accepts_key("aws:RequestTag/team"));
    assert!(!action("iam:CreateUser").accepts_key("aws:Unknown"));
    let run = action("ec2:RunInstances");
    let volume = run.resources().find(|resource| resource.kind().name() == "volume").unwrap();
    assert!(volume.condition_keys().any(|key| key.is("ec2:Encrypted")));
    assert!(run.accepts_key("ec2:Encrypted"));
}

#[test]
fn key_has_its_type_in_any_case_and_with_its_placeholder_filled() {
    let string = |name| Some((name, "String".to_owned()));
    assert_eq!(key("aws:requesttag/Team"), string("aws:RequestTag/${TagKey}"));
    assert_eq!(key("aws:RequestTag/${TagKey}"), string("aws:RequestTag/${TagKey}"));
    assert_eq!(key("S3:ExistingObjectTag/a/b"), string("s3:ExistingObjectTag/<key>"));
    assert_eq!(key("kms:EncryptionContext:app"), string("kms:EncryptionContext:${EncryptionContextKey}"));
    assert_eq!(
        key("agent.acme.buildkite.dev:build_branch"),
        string("agent.${Domain}.buildkite.dev:build_branch")
    );
    assert_eq!(key("aws:PrincipalTag/x"), string("aws:PrincipalTag/${TagKey}"));
    for name in ["aws:RequestTag/", "aws:RequestTag", "aws:", "", "s3:ExistingObjectTag", "é", "aws:é"] {
        assert_eq!(key(name), None, "{name}");
    }
    for (name, kind) in [
        ("aws:TagKeys", "ArrayOfString"),
        ("aws:SourceIp", "IPAddress"),
        ("aws:SourceVpcArn", "ARN"),
        ("aws:CurrentTime", "Date"),
        ("aws:MultiFactorAuthAge", "Numeric"),
        ("aws:SecureTransport", "Bool"),
        ("iam:PolicyARN", "ARN"),
        ("sts:RequestContextProviders", "ArrayOfARN"),
    ] {
        assert_eq!(key(name), Some((name, kind.to_owned())));
    }
}

#[test]
fn most_specific_placeholder_wins() {
    assert_eq!(key("events:Metadata/a/Matcher").unwrap().0, "events:Metadata/${MetadataKey}/Matcher");
    assert_eq!(key("events:Metadata/a").unwrap().0, "events:Metadata/${MetadataKey}");
}

#[test]
fn key_with_two_types_has_the_one_of_its_own_service() {
    let kind = AWS.condition_key("identitystore:UserId").unwrap().kind();
    assert_eq!((kind.value, kind.multivalued), (ValueType::String, false));
    let other = AWS.service("qbusiness").unwrap();
    assert!(other.condition_keys().any(|key| key.is("identitystore:UserId") && key.kind().multivalued));
}

#[test]
fn tags_are_not_global_and_keys_of_a_session_are() {
    let global = |name| AWS.condition_key(name).unwrap().is_global();
    assert!(!global("aws:RequestTag/x") && !global("aws:ResourceTag/x") && !global("aws:TagKeys"));
    assert!(
        global("aws:PrincipalTag/x") && global("ec2:SourceInstanceArn") && global("aws:SignInSessionArn")
    );
    assert!(!global("s3:prefix"));
}

#[test]
fn pattern_finds_what_it_spells() {
    assert_eq!(
        names("iam:*accesskey"),
        ["iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:UpdateAccessKey"]
    );
    assert_eq!(names("STS:get?allerIdentity"), ["sts:GetCallerIdentity"]);
    assert_eq!(names("s3:getobject"), ["s3:GetObject"]);
    assert!(names("s3:Get*").contains(&"s3:GetObjectAcl".to_owned()));
    let listing = names("*:List*");
    assert!(listing.len() > 2_000 && listing.contains(&"iam:ListUsers".to_owned()));
    assert!(names("organizations*List*").iter().all(|name| name.starts_with("organizations:")));
    assert_eq!(names("organizations*ListRoots"), ["organizations:ListRoots"]);
    assert_eq!(names("sts?GetCallerIdentity"), ["sts:GetCallerIdentity"]);
    for pattern in ["", ":", "s3", "s3:", "nothing:*", "s3:Get*:x", "s3:GetObjec", "*::*", "é:*"] {
        assert_eq!(names(pattern), [""; 0], "{pattern}");
    }
}

#[test]
fn expansion_does_only_what_is_asked_of_it() {
    assert_eq!(AWS.actions_matching("*").next().unwrap().to_string().split(':').next(), Some("a2c"));
}

#[test]
fn unknown_names_are_not_found() {
    for name in
        ["", ":", "s3", "s3:", "s3:Nothing", "nothing:GetObject", "s3:GetObject:x", "é:é", " s3:GetObject"]
    {
        assert!(AWS.action(name).is_none(), "{name}");
    }
    assert!(AWS.service("").is_none());
    assert!(AWS.service("s3").unwrap().resource_type("objec").is_none());
}

#[test]
fn arn_fits_its_type_and_no_other() {
    let (bucket, object) = (kind("s3", "bucket"), kind("s3", "object"));
    assert!(bucket.fits("arn:aws:s3:::docs") && !bucket.fits("arn:aws:s3:::docs/a"));
    assert!(object.fits("arn:aws-cn:s3:::docs/a/b:c") && !object.fits("arn:aws:s3:::docs"));
    assert!(!bucket.fits("arn:aws:s3:::") && !bucket.fits("arn:aws:s3:us-east-1::docs") && !bucket.fits(""));
    assert!(kind("iam", "role").fits("arn:aws:iam::123456789012:role/team/app/deploy"));
    assert!(!kind("iam", "role").fits("arn:aws:iam::123456789012:user/deploy"));
    assert!(!kind("iam", "role").fits("arn:aws:iam:::role/deploy"));
    let secret = kind("secretsmanager", "secret");
    assert!(secret.fits("arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db/main-AbCdEf"));
    let (group, stream) = (kind("logs", "log-group"), kind("logs", "log-stream"));
    let name = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/f";
    assert!(group.fits(name) && !stream.fits(name));
    let name = format!("{name}:log-stream:2026/01/01/[1]ab");
    assert!(stream.fits(&name) && !group.fits(&name));
    assert!(kind("lambda", "function").fits("arn:aws:lambda:eu-west-1:123456789012:function:f"));
    assert!(!kind("lambda", "function").fits("arn:aws:lambda:eu-west-1:123456789012:function:f:live"));
    assert!(kind("lambda", "function alias").fits("arn:aws:lambda:eu-west-1:123456789012:function:f:live"));
}

#[test]
fn type_with_two_formats_fits_both() {
    let bot = kind("lex", "bot");
    assert!(bot.fits("arn:aws:lex:eu-west-1:123456789012:bot/ABC"));
    assert!(bot.fits("arn:aws:lex:eu-west-1:123456789012:bot:Name"));
    assert!(!bot.fits("arn:aws:lex:eu-west-1:123456789012:bot:Name:alias"));
}

#[test]
fn pattern_overlaps_the_types_that_it_can_mean() {
    let (bucket, object) = (kind("s3", "bucket"), kind("s3", "object"));
    for (pattern, of_bucket, of_object) in [
        ("*", true, true),
        ("arn:aws:s3:::*", true, true),
        ("arn:aws:s3:::docs", true, false),
        ("arn:aws:s3:::docs/*", false, true),
        ("arn:aws:s3:::docs*", true, true),
        ("arn:aws:s3:::docs/${aws:username}/*", false, true),
        ("arn:*:s3:::${aws:PrincipalTag/bucket}", true, true),
        ("arn:aws:sqs:*:*:queue", false, false),
        ("arn:aws:s3:::", false, false),
        ("", false, false),
    ] {
        assert_eq!((bucket.overlaps(pattern), object.overlaps(pattern)), (of_bucket, of_object), "{pattern}");
    }
    assert!(kind("logs", "log-group").overlaps("arn:aws:logs:*:*:log-group:audit:*"));
    assert!(!kind("iam", "user").overlaps("arn:aws:iam::*:role/*"));
}

#[test]
fn services_that_rcps_cover_are_known() {
    let covered = |prefix| AWS.service(prefix).unwrap().supports_rcps();
    assert!(covered("s3") && covered("sts") && covered("kms") && covered("SQS") && covered("secretsmanager"));
    assert!(!covered("iam") && !covered("organizations") && !covered("ec2"));
}
