//! What sessions have in common, whoever they are of: policies, tags, and credentials as they are shown.

use rootward_api::sts as api;
use rootward_auth::authz;
use rootward_auth::session::{Claims, SessionPolicies};
use rootward_names::{AccountId, Partition};
use rootward_pipeline::{Failure, OpContext};
use rootward_policy::{Policy, PolicyKind};
use rootward_state::World;
use rootward_state::entities::Document;
use rootward_wire::Sensitive;

use super::failures;
use crate::tag_keys;

/// Inline document and ARNs of managed session policies together, in characters.
const POLICY_CHARS_MAX: usize = 2_048;
/// Managed session policies of one session.
const POLICY_ARNS_MAX: usize = 10;
/// What policies, ARNs and tags of a session may take together, in bytes: what `PackedPolicySize` is a percentage of.
const PACKED_BYTES_MAX: usize = 4_096;

/// Tags of a session, key and value.
pub(super) type Tags = Vec<(Box<str>, Box<str>)>;

/// The credentials of a new session as they are shown, once. `token_bytes_min` is how long the token must be at least:
/// callers ask for long ones to see whether everything on their way takes them.
pub(super) fn credentials(
    ctx: &OpContext<'_>,
    claims: &Claims,
    token_bytes_min: Option<i32>,
) -> api::Credentials {
    let bytes_min = token_bytes_min.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    api::Credentials {
        access_key_id: claims.key.to_string(),
        secret_access_key: Sensitive::new(claims.secret.expose()),
        session_token: ctx.with_random(|random| ctx.tokens.issue(claims, bytes_min, random)),
        expiration: claims.expires,
    }
}

/// The tags that a request gives a session.
pub(super) fn tags(tags: Option<&[api::Tag]>) -> Result<Tags, Failure> {
    let tags = tags.unwrap_or_default();
    tag_keys::check(tags.iter().map(|tag| tag.key.as_str())).map_err(failures::unfit_tag_key)?;
    Ok(tags.iter().map(|tag| (tag.key.as_str().into(), tag.value.as_str().into())).collect())
}

/// The session policies of a request: an inline document, and managed policies of `account` or of AWS.
pub(super) fn policies(
    world: &World,
    partition: Partition,
    account: AccountId,
    inline: Option<&str>,
    managed: Option<&[api::PolicyDescriptorType]>,
) -> Result<SessionPolicies, Failure> {
    let managed = managed.unwrap_or_default();
    if managed.len() > POLICY_ARNS_MAX {
        return Err(failures::too_many_session_policies(POLICY_ARNS_MAX));
    }
    let mut arns: Vec<Box<str>> = Vec::new();
    for api::PolicyDescriptorType { arn } in managed {
        if !authz::is_managed_policy(world, partition, account, arn) {
            return Err(failures::no_such_session_policy(arn));
        }
        arns.push(arn.as_str().into());
    }
    let chars =
        inline.map_or(0, |text| text.chars().count()) + arns.iter().map(|arn| arn.len()).sum::<usize>();
    if chars > POLICY_CHARS_MAX {
        return Err(failures::packed_policy_too_large(chars.saturating_mul(100).div_ceil(POLICY_CHARS_MAX)));
    }
    Ok(SessionPolicies { inline: inline.map(document).transpose()?, managed: arns })
}

fn document(text: &str) -> Result<Document, Failure> {
    match Policy::parse(text, PolicyKind::Session) {
        Ok(_) => Ok(Document::new(text)),
        Err(diagnostics) => Err(failures::malformed_policy(diagnostics.aws_message())),
    }
}

/// How much of the space for policies and tags the session takes, in percent; none when it has neither.
pub(super) fn packed_percent(claims: &Claims) -> Result<Option<i32>, Failure> {
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
