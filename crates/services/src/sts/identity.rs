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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn identity(bench: &Bench) -> (String, String) {
        let shown = bench.run(&GET_CALLER_IDENTITY, api::GetCallerIdentityRequest {}).unwrap();
        assert_eq!(shown.account, Some(bench.account().to_string()));
        (shown.arn.unwrap(), shown.user_id.unwrap())
    }

    #[test]
    fn caller_learns_who_it_is_and_needs_no_permission_for_it() {
        let bench = Bench::new();
        assert_eq!(identity(&bench), ("arn:aws:iam::111122223333:root".into(), "111122223333".into()));
        let ann = bench.add_user("ann");
        bench.call_as_user("ann");
        assert_eq!(identity(&bench), ("arn:aws:iam::111122223333:user/ann".into(), ann.to_string()));
        let role = bench.add_role("app");
        bench.call_as_role("app");
        bench.call_with_temporary(None);
        let (arn, id) = identity(&bench);
        assert_eq!(arn, "arn:aws:sts::111122223333:assumed-role/app/session");
        assert_eq!(id, format!("{}:session", role.id));
        assert!(bench.targets(&GET_CALLER_IDENTITY, &api::GetCallerIdentityRequest {}).is_empty());
    }

    #[test]
    fn account_is_read_out_of_a_key_id_whether_or_not_the_key_exists() {
        let bench = Bench::new();
        let info = |key: &str| {
            bench.run(&GET_ACCESS_KEY_INFO, api::GetAccessKeyInfoRequest { access_key_id: key.into() })
        };
        assert_eq!(info("AKIAY34FZKBOKMUTVV7A").unwrap().account.as_deref(), Some("609629065308"));
        for key in ["AKIA", "AIDAY34FZKBOKMUTVV7A", "AKIAIOSFODNN7EXAMPL1"] {
            assert_eq!(info(key).unwrap_err(), failures::invalid_access_key_id(), "{key}");
        }
    }

    #[test]
    fn session_of_a_user_may_ask_who_it_is_and_nothing_about_keys() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.call_as_user("ann");
        bench.call_with_temporary(None);
        identity(&bench);
        let input = api::GetAccessKeyInfoRequest { access_key_id: "AKIAY34FZKBOKMUTVV7A".into() };
        assert_eq!(bench.run(&GET_ACCESS_KEY_INFO, input).unwrap_err().code, "InvalidClientTokenId");
    }
}
