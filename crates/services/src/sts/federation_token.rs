//! `GetFederationToken`: a session for somebody whom a user or the root user vouches for.
//!
//! It may do what both its maker and its session policies allow: nothing without a session policy, but for what a resource
//! allows it by name. It calls no operation of IAM, and of STS only the one that says who it is.
//! Source: STS API Reference, GetFederationToken; IAM User Guide, "Permissions for GetFederationToken".

use rootward_api::sts as api;
use rootward_auth::Identity;
use rootward_auth::principal::federated_arn;
use rootward_auth::session::{Claims, Holder, SecretAccessKey, SessionPolicies};
use rootward_names::AccessKeyKind;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Key, OpContext, Rule, Scope, Target, always};
use rootward_state::Txn;

use super::session;

/// Twelve hours.
const SECONDS_DEFAULT: i64 = 43_200;
/// One hour for those of the root user; longer requests fall back to it.
const ROOT_SECONDS_MAX: i64 = 3_600;

pub(super) static GET_FEDERATION_TOKEN: Declaration<api::GetFederationToken> = Declaration {
    effect: Effect::Issue,
    callers: Callers::LongTerm,
    rules: &[
        Rule { action: "sts:GetFederationToken", when: always, target, keys: KEYS },
        Rule { action: "sts:TagSession", when: |_, input| tags(input).next().is_some(), target, keys: KEYS },
    ],
    run: get_federation_token,
};

const KEYS: &[Key<api::GetFederationTokenRequest>] =
    &[Key::RequestTags(|input| tags(input).map(|tag| (tag.key.as_str(), tag.value.as_str())).collect())];

fn tags(input: &api::GetFederationTokenRequest) -> impl Iterator<Item = &api::Tag> {
    input.tags.iter().flatten()
}

fn target(scope: &Scope<'_>, input: &api::GetFederationTokenRequest) -> Target {
    Target::arn(federated_arn(scope.ctx.partition(), scope.ctx.account(), &input.name))
}

fn get_federation_token(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetFederationTokenRequest,
) -> Result<api::GetFederationTokenResponse, Failure> {
    let (account, partition) = (ctx.account(), ctx.partition());
    let requested = input.duration_seconds.map(i64::from);
    let (by, seconds) = match &ctx.principal.identity {
        Identity::Root => (None, requested.unwrap_or(ROOT_SECONDS_MAX).min(ROOT_SECONDS_MAX)),
        Identity::User(user) => (Some(user.id), requested.unwrap_or(SECONDS_DEFAULT)),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) => {
            return Err(Failure::internal("a session was let through to GetFederationToken"));
        }
    };
    let tags = session::tags(input.tags.as_deref())?;
    let (given, arns) = (input.policy.as_deref(), input.policy_arns.as_deref());
    let SessionPolicies { inline, managed } =
        session::policies(txn.world(), partition, account, given, arns)?;
    let claims = Claims {
        key: ctx.access_key_id(AccessKeyKind::Temporary, account),
        secret: ctx.with_random(SecretAccessKey::random),
        account,
        partition,
        holder: Holder::FederatedUser { by, name: input.name.as_str().into() },
        issued: ctx.now,
        expires: ctx.now.plus_seconds(seconds),
        mfa: None,
        chained: false,
        sign_in: None,
        tags,
        transitive: Vec::new(),
        source_identity: None,
        policy: inline,
        policy_arns: managed,
    };
    let packed_policy_size = session::packed_percent(&claims)?;
    Ok(api::GetFederationTokenResponse {
        credentials: Some(session::credentials(ctx, &claims, input.minimum_session_token_size)),
        federated_user: Some(api::FederatedUser {
            federated_user_id: format!("{account}:{}", input.name),
            arn: federated_arn(partition, account, &input.name),
        }),
        packed_policy_size,
        ..api::GetFederationTokenResponse::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    const POLICY: &str =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

    fn request() -> api::GetFederationTokenRequest {
        api::GetFederationTokenRequest {
            name: "guest".into(),
            policy: None,
            policy_arns: None,
            duration_seconds: None,
            tags: None,
            minimum_session_token_size: None,
        }
    }

    fn federate(
        bench: &Bench,
        change: impl FnOnce(&mut api::GetFederationTokenRequest),
    ) -> Result<(api::GetFederationTokenResponse, Claims), Failure> {
        let mut input = request();
        change(&mut input);
        let output = bench.run(&GET_FEDERATION_TOKEN, input)?;
        let claims = bench.open_token(&output.credentials.as_ref().unwrap().session_token);
        Ok((output, claims))
    }

    fn tag(key: &str) -> api::Tag {
        api::Tag { key: key.into(), value: "v".into() }
    }

    /// An account with the user `ann`, who calls.
    fn bench() -> Bench {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.call_as_user("ann");
        bench
    }

    #[test]
    fn session_is_of_the_federated_user_and_lasts_twelve_hours_or_as_asked() {
        let bench = Bench::new();
        let ann = bench.add_user("ann");
        bench.call_as_user("ann");
        let (output, claims) = federate(&bench, |_| {}).unwrap();
        let user = output.federated_user.unwrap();
        assert_eq!(user.arn, "arn:aws:sts::111122223333:federated-user/guest");
        assert_eq!(user.federated_user_id, "111122223333:guest");
        assert_eq!(claims.holder, Holder::FederatedUser { by: Some(ann), name: "guest".into() });
        assert_eq!((claims.mfa, claims.policy.is_none(), output.packed_policy_size), (None, true, None));
        assert_eq!(claims.expires, bench.now().plus_seconds(43_200));
        let long = federate(&bench, |input| input.duration_seconds = Some(129_600)).unwrap().1;
        assert_eq!(long.expires, bench.now().plus_seconds(129_600));
    }

    #[test]
    fn session_of_the_root_user_lasts_an_hour_at_most() {
        let bench = Bench::new();
        for (asked, seconds) in [(None, 3_600), (Some(900), 900), (Some(43_200), 3_600)] {
            let claims = federate(&bench, |input| input.duration_seconds = asked).unwrap().1;
            assert_eq!(claims.holder, Holder::FederatedUser { by: None, name: "guest".into() });
            assert_eq!(claims.expires, bench.now().plus_seconds(seconds));
        }
    }

    #[test]
    fn policies_and_tags_are_kept_and_counted() {
        let bench = bench();
        let read_only = "arn:aws:iam::aws:policy/ReadOnlyAccess";
        let (output, claims) = federate(&bench, |input| {
            input.policy = Some(POLICY.into());
            input.policy_arns = Some(vec![api::PolicyDescriptorType { arn: read_only.into() }]);
            input.tags = Some(vec![tag("team")]);
        })
        .unwrap();
        assert_eq!(claims.policy.unwrap().text(), POLICY);
        assert_eq!(claims.policy_arns, [read_only.into()]);
        assert_eq!(claims.tags, [("team".into(), "v".into())]);
        assert_eq!((claims.transitive.len(), output.packed_policy_size), (0, Some(4)));
    }

    #[test]
    fn policies_and_tags_that_will_not_do_are_refused() {
        let bench = bench();
        let code =
            |change: fn(&mut api::GetFederationTokenRequest)| federate(&bench, change).unwrap_err().code;
        assert_eq!(code(|input| input.policy = Some("{".into())), "MalformedPolicyDocument");
        assert_eq!(code(|input| input.tags = Some(vec![tag("k"), tag("K")])), "InvalidParameterValue");
        let missing = || vec![api::PolicyDescriptorType { arn: "arn:aws:iam::aws:policy/No".into() }];
        let refused = federate(&bench, |input| input.policy_arns = Some(missing())).unwrap_err();
        assert_eq!(refused.code, "ValidationError");
    }

    #[test]
    fn who_has_temporary_credentials_gets_none() {
        let bench = bench();
        bench.call_with_temporary(None);
        assert_eq!(
            federate(&bench, |_| {}).unwrap_err().to_string(),
            "AccessDenied: Cannot call GetFederationToken with session credentials"
        );
    }

    #[test]
    fn permission_is_on_the_federated_user_and_tags_need_one_of_their_own() {
        let bench = bench();
        let asked = |tags| {
            let input = api::GetFederationTokenRequest { tags, ..request() };
            bench
                .targets(&GET_FEDERATION_TOKEN, &input)
                .into_iter()
                .map(|(action, target)| (action, target.arn))
        };
        let arn = || String::from("arn:aws:sts::111122223333:federated-user/guest");
        assert!(asked(None).eq([("sts:GetFederationToken", arn())]));
        assert!(asked(Some(Vec::new())).eq([("sts:GetFederationToken", arn())]));
        assert!(
            asked(Some(vec![tag("k")])).eq([("sts:GetFederationToken", arn()), ("sts:TagSession", arn())])
        );
    }
}
