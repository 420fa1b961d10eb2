//! `GetCallerIdentity` and `GetAccessKeyInfo`.

use rootward_api::sts as api;
use rootward_names::AccessKeyId;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, OpContext, Rule, Target, always};
use rootward_state::Txn;

use super::failures;

/// Needs no permission, and no policy can deny it.
pub(super) static GET_CALLER_IDENTITY: Declaration<api::GetCallerIdentity> =
    Declaration { effect: Effect::Read, callers: Callers::Anyone, rules: &[], run: get_caller_identity };

fn get_caller_identity(
    ctx: &OpContext<'_>,
    _: &mut Txn,
    _: &api::GetCallerIdentityRequest,
) -> Result<api::GetCallerIdentityResponse, Failure> {
    Ok(api::GetCallerIdentityResponse {
        user_id: Some(ctx.principal.user_id()),
        account: Some(ctx.account().to_string()),
        arn: Some(ctx.principal.arn()),
    })
}

pub(super) static GET_ACCESS_KEY_INFO: Declaration<api::GetAccessKeyInfo> = Declaration {
    effect: Effect::Read,
    callers: Callers::NotUserSession,
    rules: &[Rule { action: "sts:GetAccessKeyInfo", when: always, target: |_, _| Target::any(), keys: &[] }],
    run: get_access_key_info,
};

/// Reads the account out of the id: nothing is looked up, so nothing is told about whether the key exists.
fn get_access_key_info(
    _: &OpContext<'_>,
    _: &mut Txn,
    input: &api::GetAccessKeyInfoRequest,
) -> Result<api::GetAccessKeyInfoResponse, Failure> {
    let key: AccessKeyId = input.access_key_id.parse().map_err(|_| failures::invalid_access_key_id())?;
    let account = key.account().ok_or_else(failures::invalid_access_key_id)?;
    Ok(api::GetAccessKeyInfoResponse { account: Some(account.to_string()) })
}
