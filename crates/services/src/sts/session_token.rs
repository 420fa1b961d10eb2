//! `GetSessionToken`: temporary credentials for a user or the root user, with multi-factor authentication if asked.
//!
//! Nobody with temporary credentials may call it.

use rootward_api::sts as api;
use rootward_auth::Identity;
use rootward_auth::session::{Claims, Holder, SecretAccessKey};
use rootward_names::AccessKeyKind;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, OpContext};
use rootward_state::Txn;
use rootward_wire::Sensitive;

use super::failures;

/// Twelve hours for users.
const USER_SECONDS_DEFAULT: i64 = 43_200;
/// One hour for the root user; longer requests fall back to it.
const ROOT_SECONDS_MAX: i64 = 3_600;

/// Needs no permission.
pub(super) static GET_SESSION_TOKEN: Declaration<api::GetSessionToken> =
    Declaration { effect: Effect::Issue, callers: Callers::LongTerm, rules: &[], run: get_session_token };

fn get_session_token(
    ctx: &OpContext<'_>,
    _: &mut Txn,
    input: &api::GetSessionTokenRequest,
) -> Result<api::GetSessionTokenResponse, Failure> {
    if input.serial_number.is_some() || input.token_code.is_some() {
        return Err(failures::mfa_refused());
    }
    let requested = input.duration_seconds.map(i64::from);
    let (holder, seconds) = match &ctx.principal.identity {
        Identity::Root => (Holder::Root, requested.unwrap_or(ROOT_SECONDS_MAX).min(ROOT_SECONDS_MAX)),
        Identity::User(user) => (Holder::User(user.id), requested.unwrap_or(USER_SECONDS_DEFAULT)),
        Identity::FederatedUser(_) | Identity::RoleSession(_) => {
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
        mfa: None,
        sign_in: None,
        tags: Vec::new(),
        transitive: Vec::new(),
        source_identity: None,
        policy: None,
        policy_arns: Vec::new(),
    };
    let credentials = Some(credentials(ctx, &claims, input.minimum_session_token_size));
    Ok(api::GetSessionTokenResponse { credentials, ..api::GetSessionTokenResponse::default() })
}

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

#[cfg(test)]
mod tests {
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
    fn device_that_nobody_has_is_refused() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.call_as_user("ann");
        let serial = Some("arn:aws:iam::111122223333:mfa/ann".to_owned());
        for input in [
            api::GetSessionTokenRequest { serial_number: serial, ..request(None) },
            api::GetSessionTokenRequest { token_code: Some("123456".to_owned().into()), ..request(None) },
        ] {
            assert_eq!(
                bench.run(&GET_SESSION_TOKEN, input).unwrap_err().to_string(),
                "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code. "
            );
        }
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
