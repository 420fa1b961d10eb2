//! `GetSessionToken`: temporary credentials for a user or the root user, with a second factor if one is shown.
//!
//! Nobody with temporary credentials may call it.

use rootward_api::sts as api;
use rootward_auth::Identity;
use rootward_auth::session::{Claims, Holder, SecretAccessKey};
use rootward_names::AccessKeyKind;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, OpContext};
use rootward_state::Txn;

use super::{second_factor, session};

/// Twelve hours for users.
const USER_SECONDS_DEFAULT: i64 = 43_200;
/// One hour for the root user; longer requests fall back to it.
const ROOT_SECONDS_MAX: i64 = 3_600;

/// Needs no permission.
pub(super) static GET_SESSION_TOKEN: Declaration<api::GetSessionToken> =
    Declaration { effect: Effect::Issue, callers: Callers::LongTerm, rules: &[], run: get_session_token };

fn get_session_token(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetSessionTokenRequest,
) -> Result<api::GetSessionTokenResponse, Failure> {
    let mfa = second_factor::taken(ctx, txn, input.serial_number.as_deref(), input.token_code.as_ref())?;
    let requested = input.duration_seconds.map(i64::from);
    let (holder, seconds) = match &ctx.principal.identity {
        Identity::Root => (Holder::Root, requested.unwrap_or(ROOT_SECONDS_MAX).min(ROOT_SECONDS_MAX)),
        Identity::User(user) => (Holder::User(user.id), requested.unwrap_or(USER_SECONDS_DEFAULT)),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) => {
            return Err(Failure::internal("a session was let through to GetSessionToken"));
        }
    };
    let claims = Claims {
        key: ctx.access_key_id(AccessKeyKind::Temporary, ctx.account()),
        secret: ctx.with_random(SecretAccessKey::random),
        account: ctx.account(),
        partition: ctx.partition(),
        holder,
        issued: ctx.now,
        expires: ctx.now.plus_seconds(seconds),
        mfa,
        chained: false,
        sign_in: None,
        tags: Vec::new(),
        transitive: Vec::new(),
        source_identity: None,
        policy: None,
        policy_arns: Vec::new(),
    };
    let credentials = Some(session::credentials(ctx, &claims, input.minimum_session_token_size));
    Ok(api::GetSessionTokenResponse { credentials, ..api::GetSessionTokenResponse::default() })
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::CredentialOwner;

    use super::*;
    use crate::testing::Bench;

    fn request(seconds: Option<i32>) -> api::GetSessionTokenRequest {
        api::GetSessionTokenRequest {
            duration_seconds: seconds,
            serial_number: None,
            token_code: None,
            minimum_session_token_size: None,
        }
    }

    fn session(bench: &Bench, seconds: Option<i32>) -> Claims {
        let credentials = bench.run(&GET_SESSION_TOKEN, request(seconds)).unwrap().credentials.unwrap();
        let claims = bench.open_token(&credentials.session_token);
        assert_eq!(credentials.access_key_id, claims.key.to_string());
        assert_eq!(credentials.secret_access_key.expose(), claims.secret.expose());
        assert_eq!(credentials.expiration, claims.expires);
        claims
    }

    #[test]
    fn session_of_a_user_lasts_twelve_hours_or_as_asked() {
        let bench = Bench::new();
        let ann = bench.add_user("ann");
        bench.call_as_user("ann");
        let claims = session(&bench, None);
        assert_eq!((claims.holder, claims.account, claims.mfa), (Holder::User(ann), bench.account(), None));
        assert!(claims.key.to_string().starts_with("ASIA"));
        assert_eq!((claims.issued, claims.expires), (bench.now(), bench.now().plus_seconds(43_200)));
        for seconds in [900, 129_600] {
            assert_eq!(session(&bench, Some(seconds)).expires, bench.now().plus_seconds(seconds.into()));
        }
    }

    #[test]
    fn session_of_the_root_user_lasts_an_hour_at_most() {
        let bench = Bench::new();
        for (asked, seconds) in
            [(None, 3_600), (Some(900), 900), (Some(3_600), 3_600), (Some(129_600), 3_600)]
        {
            let claims = session(&bench, asked);
            assert_eq!((claims.holder, claims.expires), (Holder::Root, bench.now().plus_seconds(seconds)));
        }
    }

    #[test]
    fn token_is_as_long_as_asked() {
        let bench = Bench::new();
        let request =
            api::GetSessionTokenRequest { minimum_session_token_size: Some(2_000), ..request(None) };
        let credentials = bench.run(&GET_SESSION_TOKEN, request).unwrap().credentials.unwrap();
        assert_eq!(credentials.session_token.len(), 2_000);
        assert_eq!(bench.open_token(&credentials.session_token).holder, Holder::Root);
    }

    #[test]
    fn second_factor_is_used_up_and_goes_with_the_session() {
        let bench = Bench::new();
        let seed = bench.add_mfa_device("of-root", CredentialOwner::Root);
        let input = || api::GetSessionTokenRequest {
            serial_number: Some(format!("arn:aws:iam::{}:mfa/of-root", bench.account())),
            token_code: Some(bench.code(&seed, 0)),
            ..request(None)
        };
        let credentials = bench.run(&GET_SESSION_TOKEN, input()).unwrap().credentials.unwrap();
        let claims = bench.open_token(&credentials.session_token);
        assert_eq!((claims.holder, claims.mfa), (Holder::Root, Some(bench.now())));
        assert_eq!(
            bench.run(&GET_SESSION_TOKEN, input()).unwrap_err().to_string(),
            "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code. "
        );
        bench.pass_seconds(30);
        assert!(bench.run(&GET_SESSION_TOKEN, input()).is_ok());
    }

    #[test]
    fn code_shown_by_two_requests_at_once_lets_one_through() {
        let bench = Bench::new();
        let seed = bench.add_mfa_device("of-root", CredentialOwner::Root);
        let input = api::GetSessionTokenRequest {
            serial_number: Some(format!("arn:aws:iam::{}:mfa/of-root", bench.account())),
            token_code: Some(bench.code(&seed, 0)),
            ..request(None)
        };
        let [one, two] = [(), ()].map(|()| bench.run_uncommitted(&GET_SESSION_TOKEN, &input).unwrap().1);
        assert!(bench.second_loses(one, two));
    }

    #[test]
    fn session_of_a_role_gets_none() {
        let bench = Bench::new();
        bench.add_role("app");
        bench.call_as_role("app");
        bench.call_with_temporary(None);
        let refused = bench.run(&GET_SESSION_TOKEN, request(None)).unwrap_err();
        assert_eq!(refused.to_string(), "AccessDenied: Cannot call GetSessionToken with session credentials");
    }
}
