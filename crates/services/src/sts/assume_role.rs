//! `AssumeRole`: a session of a role, for whom the role's trust policy names.
//!
//! A session starts with what the role may do, is cut by session policies, and carries tags and a source identity.
//! What passes from the calling session to the new one: transitive tags, the source identity, and its second factor. A second
//! factor that is shown with the request counts already when the trust policy is asked.
//! Source: STS API Reference, AssumeRole; IAM User Guide, "Pass session tags in AWS STS".

use std::sync::Arc;

use rootward_api::sts as api;
use rootward_auth::authz;
use rootward_auth::principal::session_arn;
use rootward_auth::session::{Claims, Holder, SecretAccessKey, SessionPolicies};
use rootward_auth::{Identity, RoleSession};
use rootward_names::{AccessKeyKind, Arn, TagKey};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Key, OpContext, Rule, Scope, Target, always};
use rootward_state::Txn;
use rootward_state::entities::{AccountStatus, Document, Role};

use super::session::{self, Tags};
use super::{failures, second_factor};

const SECONDS_DEFAULT: u32 = 3_600;
/// A session made from a role's session lasts an hour at most.
const CHAIN_SECONDS_MAX: u32 = 3_600;

/// The trust policy of what does not exist, or is to be assumed by nobody.
pub(super) const TRUSTS_NOBODY: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "NotAction": "*", "Principal": "*"}}"#;

pub(super) static ASSUME_ROLE: Declaration<api::AssumeRole> = Declaration {
    effect: Effect::Issue,
    callers: Callers::NotRoot,
    rules: &[
        Rule { action: "sts:AssumeRole", when: always, target, keys: KEYS },
        Rule {
            action: "sts:TagSession",
            when: |scope, input| tags(input).next().is_some() || passes_tags_on(scope),
            target,
            keys: KEYS,
        },
        Rule {
            action: "sts:SetSourceIdentity",
            when: |scope, input| source_identity_of(scope, input).is_some(),
            target,
            keys: KEYS,
        },
    ],
    run: assume_role,
};

const KEYS: &[Key<api::AssumeRoleRequest>] = &[
    Key::Text("sts:ExternalId", |_, input| input.external_id.clone()),
    Key::Text("sts:RoleSessionName", |_, input| Some(input.role_session_name.clone())),
    Key::Text("sts:SourceIdentity", source_identity_of),
    Key::SecondFactor(|scope, input| {
        second_factor::checked(scope, input.serial_number.as_deref(), input.token_code.as_ref())
    }),
    Key::RequestTags(|input| tags(input).map(|tag| (tag.key.as_str(), tag.value.as_str())).collect()),
    Key::Texts("sts:TransitiveTagKeys", |_, input| {
        input.transitive_tag_keys.clone().filter(|keys| !keys.is_empty())
    }),
];

/// Whether the calling session's transitive tags go with it: the role must let its sessions be tagged for these too, or
/// whoever controls one role of a chain would choose the tags in the next.
fn passes_tags_on(scope: &Scope<'_>) -> bool {
    match &scope.ctx.principal.identity {
        Identity::RoleSession(session) => !session.transitive.is_empty(),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::Root | Identity::User(_) => false,
    }
}

/// The source identity that the new session will have: asked for, or inherited.
fn source_identity_of(scope: &Scope<'_>, input: &api::AssumeRoleRequest) -> Option<String> {
    let inherited = match &scope.ctx.principal.identity {
        Identity::RoleSession(session) => session.source_identity.as_deref(),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::Root | Identity::User(_) => None,
    };
    input.source_identity.as_deref().or(inherited).map(str::to_owned)
}

fn tags(input: &api::AssumeRoleRequest) -> impl Iterator<Item = &api::Tag> {
    input.tags.iter().flatten()
}

/// The role that the ARN names; also a role that does not exist, which nobody may then assume and nobody can tell from
/// one that does not trust them.
fn target(scope: &Scope<'_>, input: &api::AssumeRoleRequest) -> Target {
    // Nor one of an account that is closed: its sessions would be good again when the account is opened anew.
    let is_open = |account| {
        let state = scope.world.account(account);
        state.is_some_and(|state| state.account().status == AccountStatus::Active)
    };
    let found = scope.world.by_arn::<Role>(scope.ctx.partition(), &input.role_arn);
    let found = found.filter(|(account, _)| is_open(*account)).map(|(_, role)| role);
    Target {
        arn: input.role_arn.clone(),
        account: Arn::parse(&input.role_arn).ok().and_then(|arn| arn.account.parse().ok()),
        tags: found.map(|role| role.tags.clone()).unwrap_or_default(),
        trust: Some(found.map_or_else(|| Document::new(TRUSTS_NOBODY), |role| role.trust.clone())),
        ..Target::default()
    }
}

fn assume_role(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AssumeRoleRequest,
) -> Result<api::AssumeRoleResponse, Failure> {
    if input.provided_contexts.as_ref().is_some_and(|contexts| !contexts.is_empty()) {
        return Err(failures::unknown_context_assertion());
    }
    // Authorization has seen this role: it is gone only if it was deleted in between.
    let world = Arc::clone(txn.world());
    let (account, role) = world
        .by_arn::<Role>(ctx.partition(), &input.role_arn)
        .ok_or_else(|| Failure::access_denied(authz::assume_role_denied(ctx.principal, &input.role_arn)))?;
    let caller = match &ctx.principal.identity {
        Identity::RoleSession(session) => Some(&**session),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::Root | Identity::User(_) => None,
    };
    // Credentials from GetSessionToken count as a link of the chain too.
    let is_session = ctx.principal.issued().is_some();
    let seconds = session_seconds(input.duration_seconds, role.session_seconds_max, is_session)?;
    let (tags, transitive) = session_tags(input, caller)?;
    let (given, arns) = (input.policy.as_deref(), input.policy_arns.as_deref());
    let SessionPolicies { inline, managed } =
        session::policies(&world, ctx.partition(), account, given, arns)?;
    let shown = second_factor::taken(ctx, txn, input.serial_number.as_deref(), input.token_code.as_ref())?;
    let claims = Claims {
        key: ctx.access_key_id(AccessKeyKind::Temporary, account),
        secret: ctx.with_random(SecretAccessKey::random),
        account,
        partition: ctx.partition(),
        holder: Holder::Role { id: role.id, session_name: input.role_session_name.as_str().into() },
        issued: ctx.now,
        expires: ctx.now.plus_seconds(seconds.into()),
        mfa: shown.or_else(|| ctx.principal.mfa()),
        chained: is_session,
        sign_in: None,
        tags,
        transitive,
        source_identity: source_identity(input, caller)?,
        policy: inline,
        policy_arns: managed,
    };
    let packed = session::packed_percent(&claims)?;
    Ok(api::AssumeRoleResponse {
        credentials: Some(session::credentials(ctx, &claims, input.minimum_session_token_size)),
        assumed_role_user: Some(api::AssumedRoleUser {
            assumed_role_id: format!("{}:{}", role.id, input.role_session_name),
            arn: session_arn(ctx.partition(), account, &role.name, &input.role_session_name),
        }),
        packed_policy_size: packed,
        source_identity: claims.source_identity.as_deref().map(str::to_owned),
        ..api::AssumeRoleResponse::default()
    })
}

/// Length of the session in seconds: what was asked for, within the role's maximum and the limit for chains.
fn session_seconds(requested: Option<i32>, role_max: u32, chained: bool) -> Result<u32, Failure> {
    let Some(requested) = requested.and_then(|seconds| u32::try_from(seconds).ok()) else {
        return Ok(SECONDS_DEFAULT);
    };
    if chained && requested > CHAIN_SECONDS_MAX {
        Err(failures::duration_over_chain_max())
    } else if requested > role_max {
        Err(failures::duration_over_role_max())
    } else {
        Ok(requested)
    }
}

/// Tags of the new session and which of them are transitive: those of the request, and the calling session's
/// transitive ones, which a request cannot override.
fn session_tags(
    input: &api::AssumeRoleRequest,
    caller: Option<&RoleSession>,
) -> Result<(Tags, Vec<Box<str>>), Failure> {
    let mut tags = session::tags(input.tags.as_deref())?;
    let mut transitive: Vec<Box<str>> = Vec::new();
    for key in input.transitive_tag_keys.iter().flatten() {
        if !has(&tags, key) {
            return Err(failures::transitive_key_without_tag());
        }
        transitive.push(key.as_str().into());
    }
    let inherited = caller.map(|session| (&session.tags, &session.transitive));
    for (key, value) in inherited.iter().flat_map(|(tags, keys)| {
        tags.iter().filter(|(key, _)| keys.iter().any(|wanted| TagKey(wanted) == TagKey(key)))
    }) {
        if has(&tags, key) {
            return Err(failures::transitive_tag_conflict());
        }
        tags.push((key.clone(), value.clone()));
        transitive.push(key.clone());
    }
    Ok((tags, transitive))
}

fn has(tags: &Tags, key: &str) -> bool {
    tags.iter().any(|(known, _)| TagKey(known) == TagKey(key))
}

/// Once set, it stays: asking for the same one is fine, for another one not.
fn source_identity(
    input: &api::AssumeRoleRequest,
    caller: Option<&RoleSession>,
) -> Result<Option<Box<str>>, Failure> {
    let inherited = caller.and_then(|session| session.source_identity.clone());
    match (&input.source_identity, inherited) {
        (Some(wanted), Some(set)) if *wanted != *set => Err(failures::source_identity_is_set()),
        (Some(wanted), None) => Ok(Some(wanted.as_str().into())),
        (_, inherited) => Ok(inherited),
    }
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{CredentialOwner, Tag, User};

    use super::*;
    use crate::testing::Bench;

    const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

    /// An account with the role `target`, called by the user `ann`.
    fn bench() -> Bench {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.add_role("target");
        bench.call_as_user("ann");
        bench
    }

    fn request(bench: &Bench) -> api::AssumeRoleRequest {
        api::AssumeRoleRequest {
            role_arn: format!("arn:aws:iam::{}:role/target", bench.account()),
            role_session_name: "s1".into(),
            ..Default::default()
        }
    }

    fn assume(
        bench: &Bench,
        change: impl FnOnce(&mut api::AssumeRoleRequest),
    ) -> Result<(api::AssumeRoleResponse, Claims), Failure> {
        let mut input = request(bench);
        change(&mut input);
        let output = bench.run(&ASSUME_ROLE, input)?;
        let claims = bench.open_token(&output.credentials.as_ref().unwrap().session_token);
        Ok((output, claims))
    }

    fn refusal(bench: &Bench, change: impl FnOnce(&mut api::AssumeRoleRequest)) -> String {
        assume(bench, change).unwrap_err().to_string()
    }

    fn tagged(tags: &[(&str, &str)], transitive: &[&str]) -> impl Fn(&mut api::AssumeRoleRequest) {
        let tags: Vec<_> = tags.iter().map(|&(k, v)| api::Tag { key: k.into(), value: v.into() }).collect();
        let transitive: Vec<String> = transitive.iter().map(|&key| key.into()).collect();
        move |input| {
            input.tags = Some(tags.clone());
            input.transitive_tag_keys = Some(transitive.clone());
        }
    }

    fn pairs(tags: &[(&str, &str)]) -> Tags {
        tags.iter().map(|&(key, value)| (key.into(), value.into())).collect()
    }

    fn arns(arns: &[String]) -> impl FnOnce(&mut api::AssumeRoleRequest) {
        let arns: Vec<_> = arns.iter().cloned().map(|arn| api::PolicyDescriptorType { arn }).collect();
        |input| input.policy_arns = Some(arns)
    }

    /// A session of `caller` with a transitive tag, an intransitive one and a source identity.
    fn call_as_tagged_session(bench: &Bench) {
        bench.add_role("caller");
        bench.call_as_session(RoleSession {
            tags: pairs(&[("Team", "blue"), ("Cost", "7")]),
            transitive: vec!["team".into()],
            source_identity: Some("ann".into()),
            ..bench.session("caller")
        });
        bench.call_with_temporary(None);
    }

    fn rule_actions(bench: &Bench, input: &api::AssumeRoleRequest) -> Vec<&'static str> {
        bench.targets(&ASSUME_ROLE, input).into_iter().map(|(action, _)| action).collect()
    }

    #[test]
    fn plain_session_lasts_an_hour_and_is_of_the_role() {
        let bench = bench();
        let (output, claims) = assume(&bench, |_| {}).unwrap();
        let role = bench.row::<Role>("target").unwrap();
        let shown = output.credentials.unwrap();
        assert_eq!(shown.expiration, bench.now().plus_seconds(3_600));
        assert_eq!(claims.expires, shown.expiration);
        assert_eq!((claims.issued, claims.account, claims.mfa), (bench.now(), bench.account(), None));
        assert!(!claims.chained);
        assert_eq!(claims.holder, Holder::Role { id: role.id, session_name: "s1".into() });
        assert_eq!(shown.access_key_id, claims.key.to_string());
        assert_eq!(shown.secret_access_key.expose(), claims.secret.expose());
        assert!(shown.access_key_id.starts_with("ASIA"));
        let user = output.assumed_role_user.unwrap();
        assert_eq!(user.arn, "arn:aws:sts::111122223333:assumed-role/target/s1");
        assert_eq!(user.assumed_role_id, format!("{}:s1", role.id));
        assert_eq!((output.packed_policy_size, output.source_identity), (None, None));
        assert_ne!(assume(&bench, |_| {}).unwrap().1.key, claims.key);
    }

    #[test]
    fn session_lasts_as_asked_within_the_maximum_of_the_role() {
        let bench = bench();
        let long = Role { session_seconds_max: 43_200, ..(*bench.row::<Role>("target").unwrap()).clone() };
        assert_eq!(
            refusal(&bench, |input| input.duration_seconds = Some(3_601)),
            "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        );
        bench.write(|txn| txn.put_entity(bench.account(), long));
        for seconds in [900, 3_601, 43_200] {
            let (_, claims) = assume(&bench, |input| input.duration_seconds = Some(seconds)).unwrap();
            assert_eq!(claims.expires, bench.now().plus_seconds(seconds.into()));
        }
        // Without a duration it is an hour, whatever the maximum.
        assert_eq!(assume(&bench, |_| {}).unwrap().1.expires, bench.now().plus_seconds(3_600));
    }

    #[test]
    fn session_made_from_a_session_lasts_an_hour_at_most() {
        let bench = bench();
        let long = Role { session_seconds_max: 43_200, ..(*bench.row::<Role>("target").unwrap()).clone() };
        bench.write(|txn| txn.put_entity(bench.account(), long));
        let over = |input: &mut api::AssumeRoleRequest| input.duration_seconds = Some(3_601);
        let message = "ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed \
                       by role chaining.";
        // A user's session from GetSessionToken is a link of the chain too.
        bench.call_with_temporary(None);
        assert_eq!(refusal(&bench, over), message);
        bench.call_as_role("target");
        bench.call_with_temporary(None);
        assert_eq!(refusal(&bench, over), message);
        let (_, claims) = assume(&bench, |input| input.duration_seconds = Some(3_600)).unwrap();
        assert_eq!((claims.expires, claims.chained), (bench.now().plus_seconds(3_600), true));
    }

    #[test]
    fn second_factor_of_the_calling_session_passes_to_the_new_one() {
        let bench = bench();
        bench.call_with_temporary(Some(bench.now()));
        assert_eq!(assume(&bench, |_| {}).unwrap().1.mfa, Some(bench.now()));
    }

    #[test]
    fn second_factor_of_the_request_is_used_up_and_goes_with_the_session() {
        let bench = bench();
        let ann = CredentialOwner::User(bench.row::<User>("ann").unwrap().id);
        let seed = bench.add_mfa_device("phone", ann);
        let shown = |input: &mut api::AssumeRoleRequest| {
            input.serial_number = Some(format!("arn:aws:iam::{}:mfa/phone", bench.account()));
            input.token_code = Some(bench.code(&seed, 0));
        };
        let (_, claims) = assume(&bench, shown).unwrap();
        assert_eq!(claims.mfa, Some(bench.now()));
        let refused = "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code. ";
        assert_eq!(refusal(&bench, shown), refused);
        assert_eq!(refusal(&bench, |input| input.token_code = Some(bench.code(&seed, 1))), refused);
    }

    #[test]
    fn tags_are_kept_and_transitive_ones_are_among_them() {
        let bench = bench();
        let (_, claims) = assume(&bench, tagged(&[("Team", "blue"), ("Cost", "")], &["team"])).unwrap();
        assert_eq!(claims.tags, pairs(&[("Team", "blue"), ("Cost", "")]));
        assert_eq!(claims.transitive, ["team".into()]);
        assert_eq!(
            refusal(&bench, tagged(&[("Team", "blue")], &["Cost"])),
            "InvalidParameterValue: The specified transitive tag key must be included in the requested tags."
        );
    }

    #[test]
    fn reserved_and_duplicate_tag_keys_are_refused_ignoring_case() {
        let bench = bench();
        for key in ["aws:team", "AWS:x", "Aws:"] {
            assert_eq!(
                refusal(&bench, tagged(&[(key, "v")], &[])),
                "InvalidParameterValue: Tag keys beginning with aws: are reserved for AWS use."
            );
        }
        assert_eq!(
            refusal(&bench, tagged(&[("Team", "a"), ("tEAM", "b")], &[])),
            "InvalidParameterValue: Duplicate tag keys found. Please note that Tag keys are case insensitive."
        );
        // A character across the fourth byte is no prefix.
        for key in ["aws", "awsé", "aw€:", "my:aws:x"] {
            assert!(assume(&bench, tagged(&[(key, "v")], &[])).is_ok(), "{key}");
        }
    }

    #[test]
    fn transitive_tags_pass_along_the_chain_and_cannot_be_overridden() {
        let bench = bench();
        call_as_tagged_session(&bench);
        let (_, claims) = assume(&bench, tagged(&[("Cost", "8")], &[])).unwrap();
        assert_eq!(claims.tags, pairs(&[("Cost", "8"), ("Team", "blue")]));
        assert_eq!(claims.transitive, ["Team".into()]);
        for value in ["red", "blue"] {
            assert_eq!(
                refusal(&bench, tagged(&[("TEAM", value)], &[])),
                "InvalidParameterValue: One of the specified transitive tag keys can't be set because it conflicts with a \
                 transitive tag key from the calling session."
            );
        }
        // What the caller does not have in its own request is still no tag of it.
        assert!(
            refusal(&bench, tagged(&[], &["Team"]))
                .starts_with("InvalidParameterValue: The specified transitive")
        );
    }

    #[test]
    fn source_identity_stays_along_the_chain_and_cannot_be_changed() {
        let bench = bench();
        let set = |name: &'static str| {
            move |input: &mut api::AssumeRoleRequest| input.source_identity = Some(name.into())
        };
        let (output, claims) = assume(&bench, set("bob")).unwrap();
        assert_eq!(
            (output.source_identity.as_deref(), claims.source_identity.as_deref()),
            (Some("bob"), Some("bob"))
        );
        call_as_tagged_session(&bench);
        let (output, claims) = assume(&bench, |_| {}).unwrap();
        assert_eq!(
            (output.source_identity.as_deref(), claims.source_identity.as_deref()),
            (Some("ann"), Some("ann"))
        );
        assert!(assume(&bench, set("ann")).is_ok());
        assert_eq!(
            refusal(&bench, set("bob")),
            "AccessDenied: The source identity of the calling session cannot be changed."
        );
    }

    #[test]
    fn session_policies_are_kept_and_a_malformed_or_unknown_one_is_refused() {
        let bench = bench();
        let text =
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
        let (output, claims) = assume(&bench, |input| {
            input.policy = Some(text.into());
            arns(&[READ_ONLY.into()])(input);
        })
        .unwrap();
        assert_eq!(claims.policy.unwrap().text(), text);
        assert_eq!(claims.policy_arns, [READ_ONLY.into()]);
        // 90 and 39 bytes of 4,096.
        assert_eq!(output.packed_policy_size, Some(4));
        assert_eq!(
            refusal(&bench, |input| input.policy = Some("{".into())),
            "MalformedPolicyDocument: Syntax errors in policy."
        );
        for arn in
            ["arn:aws:iam::aws:policy/Nothing", "arn:aws:iam::111122223333:policy/mine", "ReadOnlyAccess"]
        {
            let expected = format!("ValidationError: The policy {arn} does not exist or is not attachable.");
            assert_eq!(refusal(&bench, arns(&[arn.into()])), expected);
        }
    }

    #[test]
    fn context_assertion_is_refused_and_an_empty_list_is_none() {
        let bench = bench();
        let context = api::ProvidedContext { provider_arn: None, context_assertion: Some("x".into()) };
        let message = refusal(&bench, |input| input.provided_contexts = Some(vec![context]));
        assert!(message.starts_with("ValidationError: "), "{message}");
        assert!(assume(&bench, |input| input.provided_contexts = Some(Vec::new())).is_ok());
    }

    #[test]
    fn token_is_as_long_as_asked_and_opens() {
        let bench = bench();
        let long = |bytes| {
            let (output, claims) =
                assume(&bench, |input| input.minimum_session_token_size = Some(bytes)).unwrap();
            assert_eq!(
                claims.secret.expose(),
                output.credentials.as_ref().unwrap().secret_access_key.expose()
            );
            output.credentials.unwrap().session_token.len()
        };
        let plain = long(0);
        assert_eq!(long(1), plain);
        for bytes in [1_000, 1_001, 4_096] {
            let length = long(bytes);
            assert!((bytes as usize..bytes as usize + 4).contains(&length), "{bytes} gives {length}");
        }
    }

    #[test]
    fn eleventh_managed_session_policy_is_refused() {
        let bench = bench();
        assert!(assume(&bench, arns(&vec![READ_ONLY.into(); 10])).is_ok());
        let message = refusal(&bench, arns(&vec![READ_ONLY.into(); 11]));
        assert!(message.ends_with("Member must have length less than or equal to 10"), "{message}");
    }

    #[test]
    fn session_policies_of_more_than_2048_characters_are_refused() {
        let bench = bench();
        // White space counts.
        let document = |chars: usize| {
            let text = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
            format!("{text}{}", " ".repeat(chars - text.len()))
        };
        let with = |chars, managed: &'static [&'static str]| {
            move |input: &mut api::AssumeRoleRequest| {
                input.policy = Some(document(chars));
                arns(&managed.iter().map(|&arn| arn.into()).collect::<Vec<_>>())(input);
            }
        };
        assert_eq!(assume(&bench, with(2_048, &[])).unwrap().0.packed_policy_size, Some(50));
        let message =
            "PackedPolicyTooLarge: Packed policy consumes 101% of allotted space, please use smaller policy.";
        assert_eq!(refusal(&bench, with(2_049, &[])), message);
        assert!(assume(&bench, with(2_048 - READ_ONLY.len(), &[READ_ONLY])).is_ok());
        assert_eq!(refusal(&bench, with(2_049 - READ_ONLY.len(), &[READ_ONLY])), message);
    }

    #[test]
    fn tags_count_for_the_packed_size_and_too_many_are_refused() {
        let bench = bench();
        let value = "v".repeat(250);
        let keys: Vec<String> = (0..17).map(|n| format!("k{n:03}")).collect();
        let tags: Vec<_> = keys.iter().map(|key| (key.as_str(), value.as_str())).collect();
        // Each takes 4 + 250 + 2 bytes: 16 fill the 4,096.
        assert_eq!(assume(&bench, tagged(&tags[..8], &[])).unwrap().0.packed_policy_size, Some(50));
        assert_eq!(assume(&bench, tagged(&tags[..16], &[])).unwrap().0.packed_policy_size, Some(100));
        assert_eq!(
            refusal(&bench, tagged(&tags, &[])),
            "PackedPolicyTooLarge: Packed policy consumes 107% of allotted space, please use smaller policy."
        );
    }

    #[test]
    fn longest_session_makes_a_token_that_opens() {
        let bench = bench();
        let value = "€".repeat(27);
        let keys: Vec<String> = (0..20).map(|n| format!("k{n:03}")).collect();
        let tags: Vec<_> = keys.iter().map(|key| (key.as_str(), value.as_str())).collect();
        let (output, claims) = assume(&bench, |input| {
            tagged(&tags, &keys.iter().map(String::as_str).collect::<Vec<_>>())(input);
            let text = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
            input.policy = Some(format!("{text}{}", " ".repeat(2_048 - text.len())));
            input.role_session_name = "s".repeat(64);
            input.source_identity = Some("i".repeat(64));
        })
        .unwrap();
        assert_eq!(claims.tags.len(), 20);
        let token = output.credentials.unwrap().session_token;
        assert!(token.len() < rootward_auth::session::TOKEN_BYTES_MAX / 2, "{}", token.len());
    }

    #[test]
    fn tags_and_source_identity_need_permissions_of_their_own() {
        let bench = bench();
        let mut input = request(&bench);
        assert_eq!(rule_actions(&bench, &input), ["sts:AssumeRole"]);
        input.tags = Some(Vec::new());
        assert_eq!(rule_actions(&bench, &input), ["sts:AssumeRole"]);
        tagged(&[("k", "v")], &[])(&mut input);
        input.source_identity = Some("ann".into());
        assert_eq!(
            rule_actions(&bench, &input),
            ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
        );
    }

    #[test]
    fn target_carries_the_trust_and_tags_of_the_role_and_a_missing_role_trusts_nobody() {
        let bench = bench();
        let tag = Tag { key: "team".into(), value: "blue".into() };
        let role = Role { tags: vec![tag.clone()], ..(*bench.row::<Role>("target").unwrap()).clone() };
        bench.write(|txn| txn.put_entity(bench.account(), role.clone()));
        let target = |arn: &str| {
            let input = api::AssumeRoleRequest { role_arn: arn.into(), ..request(&bench) };
            bench.targets(&ASSUME_ROLE, &input).remove(0).1
        };
        let found = target("arn:aws:iam::111122223333:role/target");
        assert_eq!(
            (found.trust, found.tags, found.account),
            (Some(role.trust), vec![tag], Some(bench.account()))
        );
        for arn in [
            "arn:aws:iam::111122223333:role/missing",
            "arn:aws:iam::111122223333:role/path/target",
            "arn:aws:iam::444455556666:role/target",
            "arn:aws:iam::111122223333:user/target",
            "arn:aws:sts::111122223333:role/target",
        ] {
            let missing = target(arn);
            assert_eq!((missing.arn.as_str(), missing.trust), (arn, Some(Document::new(TRUSTS_NOBODY))));
        }
        assert!(Document::new(TRUSTS_NOBODY).program().is_readable());
    }

    #[test]
    fn role_deleted_after_authorization_is_refused_like_a_missing_one() {
        let bench = bench();
        bench.write(|txn| txn.delete_entity::<Role>(bench.account(), "target"));
        assert_eq!(
            refusal(&bench, |_| {}),
            "AccessDenied: User: arn:aws:iam::111122223333:user/ann is not authorized to perform: sts:AssumeRole on \
             resource: arn:aws:iam::111122223333:role/target"
        );
    }
}
