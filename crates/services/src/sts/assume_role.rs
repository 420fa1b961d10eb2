//! `AssumeRole`: a session of a role, for whom the role's trust policy names.
//!
//! A session starts with what the role may do, is cut by session policies, and carries tags and a source identity.
//! What passes from the calling session to the new one: transitive tags, and the source identity.
//! Source: STS API Reference, AssumeRole; IAM User Guide, "Pass session tags in AWS STS".

use rootward_api::sts as api;
use rootward_auth::authz;
use rootward_auth::session::{Claims, Holder, SecretAccessKey};
use rootward_auth::{Identity, RoleSession};
use rootward_names::{AccessKeyKind, AccountId, Arn, Partition};
use rootward_pipeline::{Declaration, Effect, Failure, Key, OpContext, Rule, Scope, Target, always};
use rootward_policy::{Policy, PolicyKind};
use rootward_state::entities::{Document, Role};
use rootward_state::{Txn, World};

use super::failures;
use super::session_token::{credentials, mfa_of};

const SECONDS_DEFAULT: u32 = 3_600;
/// A session made from a role's session lasts an hour at most.
const CHAIN_SECONDS_MAX: u32 = 3_600;
/// Inline document and ARNs of managed session policies together, in characters.
const POLICY_CHARS_MAX: usize = 2_048;
/// Managed session policies of one session.
const POLICY_ARNS_MAX: usize = 10;
/// What policies, ARNs and tags of a session may take together, in bytes: what `PackedPolicySize` is a percentage of.
const PACKED_BYTES_MAX: usize = 4_096;

/// The trust policy of roles that do not exist.
const TRUSTS_NOBODY: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "NotAction": "*", "Principal": "*"}}"#;

pub(super) static ASSUME_ROLE: Declaration<api::AssumeRole> = Declaration {
    effect: Effect::Issue,
    rules: &[
        Rule { action: "sts:AssumeRole", when: always, target, keys: KEYS },
        Rule {
            action: "sts:TagSession",
            when: |input| input.tags.as_ref().is_some_and(|tags| !tags.is_empty()),
            target,
            keys: KEYS,
        },
        Rule {
            action: "sts:SetSourceIdentity",
            when: |input| input.source_identity.is_some(),
            target,
            keys: KEYS,
        },
    ],
    run: assume_role,
};

const KEYS: &[Key<api::AssumeRoleRequest>] = &[
    Key::Text("sts:ExternalId", |_, input| input.external_id.clone()),
    Key::Text("sts:RoleSessionName", |_, input| Some(input.role_session_name.clone())),
    Key::Text("sts:SourceIdentity", |_, input| input.source_identity.clone()),
    Key::RequestTags(|input| tags(input).map(|tag| (tag.key.as_str(), tag.value.as_str())).collect()),
    Key::Texts("sts:TransitiveTagKeys", |_, input| {
        input.transitive_tag_keys.clone().filter(|keys| !keys.is_empty())
    }),
];

fn tags(input: &api::AssumeRoleRequest) -> impl Iterator<Item = &api::Tag> {
    input.tags.iter().flatten()
}

/// The role that the ARN names; also a role that does not exist, which nobody may then assume and nobody can tell from
/// one that does not trust them.
fn target(scope: &Scope<'_>, input: &api::AssumeRoleRequest) -> Target {
    let found = scope.world.by_arn::<Role>(scope.ctx.partition(), &input.role_arn).map(|(_, role)| role);
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
    if input.serial_number.is_some() || input.token_code.is_some() {
        return Err(failures::mfa_refused());
    }
    // Authorization has seen this role: it is gone only if it was deleted in between.
    let (account, role) = txn
        .world()
        .by_arn::<Role>(ctx.partition(), &input.role_arn)
        .ok_or_else(|| Failure::access_denied(authz::assume_role_denied(ctx.principal, &input.role_arn)))?;
    let caller = match &ctx.principal.identity {
        Identity::RoleSession(session) => Some(&**session),
        Identity::Root | Identity::User(_) => None,
    };
    // Credentials from GetSessionToken count as a link of the chain too.
    let is_session = ctx.principal.issued().is_some();
    let seconds = session_seconds(input.duration_seconds, role.session_seconds_max, is_session)?;
    let (tags, transitive) = session_tags(input, caller)?;
    let (policy, policy_arns) = session_policies(txn.world(), ctx.partition(), account, input)?;
    let claims = Claims {
        key: ctx.access_key_id(AccessKeyKind::Temporary, account),
        secret: ctx.with_random(SecretAccessKey::random),
        account,
        holder: Holder::Role { id: role.id, session_name: input.role_session_name.as_str().into() },
        issued: ctx.now,
        expires: ctx.now.plus_seconds(seconds.into()),
        mfa: mfa_of(ctx.principal),
        tags,
        transitive,
        source_identity: source_identity(input, caller)?,
        policy,
        policy_arns,
    };
    let packed = packed_percent(&claims)?;
    let session = format!("assumed-role/{}/{}", role.name, input.role_session_name);
    Ok(api::AssumeRoleResponse {
        credentials: Some(credentials(ctx, &claims)),
        assumed_role_user: Some(api::AssumedRoleUser {
            assumed_role_id: format!("{}:{}", role.id, input.role_session_name),
            arn: format!("arn:{}:sts::{account}:{session}", ctx.partition()),
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

type Tags = Vec<(Box<str>, Box<str>)>;

/// Tags of the new session and which of them are transitive: those of the request, and the calling session's
/// transitive ones, which a request cannot override.
fn session_tags(
    input: &api::AssumeRoleRequest,
    caller: Option<&RoleSession>,
) -> Result<(Tags, Vec<Box<str>>), Failure> {
    let mut tags: Tags = Vec::new();
    for tag in self::tags(input) {
        if tag.key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
            return Err(failures::reserved_tag_key());
        }
        if has(&tags, &tag.key) {
            return Err(failures::duplicate_tag_keys());
        }
        tags.push((tag.key.as_str().into(), tag.value.as_str().into()));
    }
    let mut transitive: Vec<Box<str>> = Vec::new();
    for key in input.transitive_tag_keys.iter().flatten() {
        if !has(&tags, key) {
            return Err(failures::transitive_key_without_tag());
        }
        transitive.push(key.as_str().into());
    }
    let inherited = caller.map(|session| (&session.tags, &session.transitive));
    for (key, value) in inherited.iter().flat_map(|(tags, keys)| {
        tags.iter().filter(|(key, _)| keys.iter().any(|wanted| wanted.eq_ignore_ascii_case(key)))
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
    tags.iter().any(|(known, _)| known.eq_ignore_ascii_case(key))
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

fn session_policies(
    world: &World,
    partition: Partition,
    account: AccountId,
    input: &api::AssumeRoleRequest,
) -> Result<(Option<Document>, Vec<Box<str>>), Failure> {
    let policy = input.policy.as_deref().map(session_policy).transpose()?;
    if input.policy_arns.as_ref().is_some_and(|arns| arns.len() > POLICY_ARNS_MAX) {
        return Err(failures::too_many_session_policies(POLICY_ARNS_MAX));
    }
    let mut arns: Vec<Box<str>> = Vec::new();
    for arn in input.policy_arns.iter().flatten().filter_map(|policy| policy.arn.as_deref()) {
        if !authz::is_managed_policy(world, partition, account, arn) {
            return Err(failures::no_such_session_policy(arn));
        }
        arns.push(arn.into());
    }
    let chars = input.policy.as_deref().map_or(0, |text| text.chars().count())
        + arns.iter().map(|arn| arn.len()).sum::<usize>();
    if chars > POLICY_CHARS_MAX {
        return Err(failures::packed_policy_too_large(chars.saturating_mul(100).div_ceil(POLICY_CHARS_MAX)));
    }
    Ok((policy, arns))
}

fn session_policy(text: &str) -> Result<Document, Failure> {
    match Policy::parse(text, PolicyKind::Session) {
        Ok(_) => Ok(Document::new(text)),
        Err(diagnostics) => Err(failures::malformed_policy(diagnostics.aws_message())),
    }
}

/// How much of the space for policies and tags the session takes, in percent; none when it has neither.
fn packed_percent(claims: &Claims) -> Result<Option<i32>, Failure> {
    let tags = claims.tags.iter().map(|(key, value)| key.len() + value.len() + 2).sum::<usize>();
    let arns = claims.policy_arns.iter().map(|arn| arn.len() + 1).sum::<usize>();
    let packed = tags + arns + claims.policy.as_ref().map_or(0, |policy| policy.text().len());
    let percent = packed.saturating_mul(100).div_ceil(PACKED_BYTES_MAX);
    match i32::try_from(percent) {
        Ok(0) => Ok(None),
        Ok(fits @ ..=100) => Ok(Some(fits)),
        _ => Err(failures::packed_policy_too_large(percent)),
    }
}
