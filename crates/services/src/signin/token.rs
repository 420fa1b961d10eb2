//! `CreateOAuth2Token`: credentials for a command line, for a code at first and for a refresh token from then on.
//!
//! It comes without a signature. The code or refresh token says who calls; the verifier and the DPoP proof show that it is theirs.
//!
//! DIFFERENCE: the ID token is not signed. It tells the client who has signed in, over the client's own connection, and nobody should
//! take it for more. `requestParameters` of records have the names of the model.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rootward_api::signin as api;
use rootward_auth::SignIn;
use rootward_auth::authn::{self, Authenticated};
use rootward_auth::command_line::{CREDENTIAL_SECONDS, Client, Code, OVERLAP_SECONDS, RefreshToken};
use rootward_auth::dpop::{self, Proof};
use rootward_auth::session::{Claims, Holder, SecretAccessKey};
use rootward_names::{AccessKeyKind, AccountId, Handle, Time};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Key, Knock, OpContext, Rule, TurnedAway, Unsigned, always,
};
use rootward_state::entities::{
    AccountStatus, CredentialOwner, LoginProfile, Rotated, SessionKind, SignInSession, SignedIn,
};
use rootward_state::{RowKey, Txn};
use rootward_wire::Sensitive;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::{failures, target};
use crate::session_end::{End, Why, end_one, make_room};

/// The longest user agent that is kept, in characters.
const AGENT_CHARS_MAX: usize = 256;

pub(super) static CREATE_OAUTH2_TOKEN: Unsigned<api::CreateOAuth2Token> = Unsigned {
    declaration: Declaration {
        effect: Effect::Write,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "signin:CreateOAuth2Token",
            when: always,
            target: |scope, input| target(scope, &input.token_input.client_id),
            keys: &[
                Key::Text("signin:OAuthClientId", |_, input| Some(input.token_input.client_id.clone())),
                Key::Text("signin:OAuthGrantType", |_, input| Some(input.token_input.grant_type.clone())),
                Key::Text("signin:OAuthRedirectUri", |_, input| input.token_input.redirect_uri.clone()),
            ],
        }],
        run: create,
    },
    caller,
    complete: failures::complete,
};

/// What a client shows.
enum Grant<'a> {
    Code { code: &'a str, redirect_uri: &'a str, verifier: &'a str },
    RefreshToken(&'a str),
}

impl<'a> Grant<'a> {
    fn read(input: &'a api::CreateOAuth2TokenRequestBody) -> Result<Self, Failure> {
        let secret = |member: &'a Option<Sensitive>, name| {
            member.as_ref().map(Sensitive::expose).ok_or_else(|| failures::missing(name))
        };
        if input.grant_type == "refresh_token" {
            return secret(&input.refresh_token, "refreshToken").map(Self::RefreshToken);
        }
        Ok(Self::Code {
            code: secret(&input.code, "code")?,
            redirect_uri: input.redirect_uri.as_deref().ok_or_else(|| failures::missing("redirectUri"))?,
            verifier: secret(&input.code_verifier, "codeVerifier")?,
        })
    }
}

fn client(input: &api::CreateOAuth2TokenRequest) -> Result<Client, Failure> {
    Client::of(&input.token_input.client_id).ok_or_else(failures::invalid_grant)
}

/// The proof holds once [`caller`] has looked at it; what it says of its key can be read again.
fn proof(knock: &Knock<'_>, input: &api::CreateOAuth2TokenRequest) -> Result<Proof, Failure> {
    let proof = input.dpop.as_ref().map(Sensitive::expose).unwrap_or_default();
    dpop::verify(proof, &knock.target, knock.machine_now).map_err(|_| failures::no_proof())
}

fn caller(knock: &Knock<'_>, input: &api::CreateOAuth2TokenRequest) -> Result<Authenticated, TurnedAway> {
    let (client, proof) = (client(input)?, proof(knock, input)?);
    let caller = match Grant::read(&input.token_input)? {
        Grant::Code { code, redirect_uri, verifier } => {
            let code = Code::open(knock.vault, code).ok_or_else(failures::invalid_grant)?;
            let of = holder(knock, code.account, code.parent, code.session);
            if !code.is_for(client, redirect_uri, verifier) {
                return Err(turned_away(failures::invalid_grant(), of.ok()));
            }
            if code.is_expired(knock.now) {
                return Err(turned_away(failures::code_expired(), of.ok()));
            }
            of
        }
        Grant::RefreshToken(token) => {
            let token = RefreshToken::open(knock.vault, token).ok_or_else(failures::invalid_grant)?;
            let of = holder(knock, token.account, token.session, token.session);
            if client != token.client || !bool::from(proof.key.ct_eq(&token.key)) {
                return Err(turned_away(failures::invalid_grant(), of.ok()));
            }
            of
        }
    }?;
    if !knock.replays.is_first(&proof) {
        return Err(turned_away(failures::no_proof(), Some(caller)));
    }
    Ok(caller)
}

fn turned_away(failure: Failure, of: Option<Authenticated>) -> TurnedAway {
    TurnedAway { failure, of: of.map(Box::new) }
}

/// Whose session this is, as the caller in the session `acts_in`.
fn holder(
    knock: &Knock<'_>,
    account: AccountId,
    session: Handle,
    acts_in: Handle,
) -> Result<Authenticated, Failure> {
    let state = knock.world.account(account).ok_or_else(failures::user_gone)?;
    if state.account().status != AccountStatus::Active {
        return Err(failures::user_gone());
    }
    let row = state.live_session(session, knock.now).ok_or_else(failures::session_over)?;
    let sign_in = SignIn { session: acts_in, kind: SessionKind::CommandLine };
    let principal = authn::signed_in(knock.world, account, knock.tokens, row, sign_in, knock.now);
    let principal = principal.ok_or_else(failures::user_gone)?;
    Ok(Authenticated { region: principal.partition.global_region().into(), principal })
}

fn create(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateOAuth2TokenRequest,
) -> Result<api::CreateOAuth2TokenResponse, Failure> {
    let (session, row, token, is_first) = match Grant::read(&input.token_input)? {
        Grant::Code { code, .. } => {
            let code = Code::open(ctx.vault, code).ok_or_else(failures::invalid_grant)?;
            let (row, token) = begin(ctx, txn, &code, input)?;
            (code.session, row, token, true)
        }
        Grant::RefreshToken(token) => {
            let token = RefreshToken::open(ctx.vault, token).ok_or_else(failures::invalid_grant)?;
            let (row, next) = renew(ctx, txn, &token)?;
            (token.session, row, next, false)
        }
    };
    let claims = claims(ctx, txn, session, &row)?;
    let seconds = claims.expires.seconds() - ctx.now.seconds();
    let access_token = api::AccessToken {
        access_key_id: claims.key.to_string(),
        secret_access_key: claims.secret.expose().into(),
        session_token: ctx.with_random(|random| ctx.tokens.issue(&claims, 0, random)),
    };
    let id_token = is_first.then(|| id_token(ctx, &input.token_input.client_id, claims.expires));
    Ok(api::CreateOAuth2TokenResponse {
        token_output: api::CreateOAuth2TokenResponseBody {
            access_token,
            token_type: "aws_sigv4".into(),
            expires_in: i32::try_from(seconds).unwrap_or_default(),
            refresh_token: Sensitive::new(ctx.with_random(|random| token.seal(ctx.vault, random))),
            id_token: id_token.map(Sensitive::new),
        },
    })
}

/// Begins the session that a code becomes. One code is one session, also one that has ended since: its row stays longer than the
/// code is good.
fn begin(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    code: &Code,
    input: &api::CreateOAuth2TokenRequest,
) -> Result<(SignInSession, RefreshToken), Failure> {
    let parent = txn.get::<SignInSession>(RowKey::Session(code.account, code.parent));
    let parent = parent.filter(|row| ctx.now < row.expires && !row.restricted);
    let parent = parent.ok_or_else(failures::session_over)?;
    let key = RowKey::Session(code.account, code.session);
    if let Some(row) = txn.get::<SignInSession>(key.clone()) {
        end(ctx, txn, (code.session, &row));
        return Err(failures::code_expired().keeping_writes());
    }
    if is_older_than_secrets(txn, code, &parent.holder) {
        return Err(failures::code_expired());
    }
    let bound_to = dpop::key_of(input.dpop.as_ref().map(Sensitive::expose).unwrap_or_default());
    let bound_to = bound_to.map_err(|_| failures::no_proof())?;
    let client = client(input)?;
    let token =
        ctx.with_random(|random| RefreshToken::new(code.account, code.session, client, bound_to, random));
    let agent = ctx.user_agent.unwrap_or_default();
    let row = SignInSession {
        holder: parent.holder.clone(),
        kind: SessionKind::CommandLine,
        key: ctx.access_key_id(AccessKeyKind::Temporary, code.account),
        digest: token.digest(),
        rotated: Rotated { at: ctx.now, previous: None },
        created: ctx.now,
        used: ctx.now,
        expires: parent.expires,
        mfa: parent.mfa,
        source_ip: ctx.source_ip.to_string().into(),
        user_agent: agent.chars().take(AGENT_CHARS_MAX).collect::<String>().into(),
        restricted: false,
        reason: None,
        role: None,
        parent: Some(code.parent),
    };
    ctx.with_random(|random| make_room(txn, code.account, &row.holder, ctx.now, Some(ctx.source_ip), random));
    txn.put(key, row.clone());
    Ok((row, token))
}

/// Replaces a refresh token by the one after it. The one before is good for a moment longer, and leads to the same.
fn renew(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    token: &RefreshToken,
) -> Result<(SignInSession, RefreshToken), Failure> {
    let key = RowKey::Session(token.account, token.session);
    let row = txn.get::<SignInSession>(key.clone()).filter(|row| ctx.now < row.expires);
    let row = row.ok_or_else(failures::session_over)?;
    let parent = row.parent.and_then(|id| txn.get::<SignInSession>(RowKey::Session(token.account, id)));
    if row.kind != SessionKind::CommandLine || parent.is_none_or(|parent| parent.expires <= ctx.now) {
        return Err(failures::session_over());
    }
    let (shown, next) = (token.digest(), token.next(ctx.vault));
    if bool::from(shown.ct_eq(&row.digest)) {
        let rotated = Rotated { at: ctx.now, previous: Some(row.digest) };
        let row =
            SignInSession { used: ctx.now, digest: next.digest(), rotated, ..SignInSession::clone(&row) };
        txn.put(key, row.clone());
        return Ok((row, next));
    }
    let since = ctx.now.seconds() - row.rotated.at.seconds();
    let before = row.rotated.previous.filter(|_| (0..OVERLAP_SECONDS).contains(&since));
    if before.is_some_and(|before| bool::from(shown.ct_eq(&before))) {
        return Ok((SignInSession::clone(&row), next));
    }
    // Somebody has kept a copy: whoever it is, both are out.
    end(ctx, txn, (token.session, &row));
    Err(failures::session_over().keeping_writes())
}

fn end(ctx: &OpContext<'_>, txn: &mut Txn, session: (Handle, &SignInSession)) {
    let end = End { why: Why::Revoked, source_ip: Some(ctx.source_ip), now: ctx.now };
    ctx.with_random(|random| end_one(txn, ctx.account(), session, &end, random));
}

/// Whether what its user signs in with was changed since a code was given, which ends everything but the session in which it was
/// done. What was given out before is no part of that session.
fn is_older_than_secrets(txn: &mut Txn, code: &Code, holder: &SignedIn) -> bool {
    let Some(state) = txn.view(code.account) else { return true };
    let (owner, set) = match holder {
        SignedIn::Federated(_) => return false,
        SignedIn::Root => {
            let account = txn.account(code.account);
            (CredentialOwner::Root, account.and_then(|account| account.root.password_set))
        }
        SignedIn::User(id) => {
            let profile = txn.get::<LoginProfile>(RowKey::LoginProfile(code.account, *id));
            (CredentialOwner::User(*id), profile.map(|profile| profile.set))
        }
    };
    let bound = state.mfa_devices_of(owner).filter_map(|device| Some(device.bound?.at));
    bound.chain(set).any(|at| code.issued < at)
}

/// Credentials of this session, for a quarter of an hour and no longer than it lasts. They are as old as the sign-in, however often they
/// are renewed: a policy that revokes what was issued before some time reaches them.
fn claims(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    session: Handle,
    row: &SignInSession,
) -> Result<Claims, Failure> {
    let parent = row.parent.and_then(|id| txn.get::<SignInSession>(RowKey::Session(ctx.account(), id)));
    let issued = parent.map_or(row.created, |parent| parent.created);
    let expires = ctx.now.plus_seconds(CREDENTIAL_SECONDS).min(row.expires);
    let key = ctx.access_key_id(AccessKeyKind::Temporary, ctx.account());
    let secret = ctx.with_random(SecretAccessKey::random);
    let holder = match &row.holder {
        SignedIn::Root => Holder::Root,
        SignedIn::User(id) => Holder::User(*id),
        // Who came with temporary credentials goes on with what those say.
        SignedIn::Federated(token) => {
            let opened = ctx.tokens.open(token).map_err(|_| failures::user_gone())?;
            let expires = expires.min(opened.claims.expires);
            return Ok(Claims { key, secret, expires, sign_in: Some(session), ..opened.claims.clone() });
        }
    };
    Ok(Claims {
        key,
        secret,
        account: ctx.account(),
        partition: ctx.partition(),
        holder,
        issued,
        expires,
        mfa: row.mfa,
        chained: false,
        sign_in: Some(session),
        tags: Vec::new(),
        transitive: Vec::new(),
        source_identity: None,
        policy: None,
        policy_arns: Vec::new(),
    })
}

/// Who has signed in, for the client to show and to name its profile by.
fn id_token(ctx: &OpContext<'_>, client_id: &str, expires: Time) -> String {
    let header = json!({ "alg": "none", "typ": "JWT" });
    let claims = json!({
        "sub": ctx.principal.arn(),
        "aud": client_id,
        "iat": ctx.now.seconds(),
        "exp": expires.seconds(),
    });
    let part = |part: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.", part(header), part(claims))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rootward_auth::session::SessionPolicies;
    use rootward_names::UniqueId;
    use serde_json::Value;

    use super::super::authorize::AUTHORIZE_OAUTH2_ACCESS;
    use super::super::testing::{CLIENT, Cli, asked};
    use super::*;
    use crate::session_end::{SESSIONS_MAX, end_all};
    use crate::testing::Bench;

    type Body = api::CreateOAuth2TokenResponseBody;

    /// ann, signed in at the console with a second factor, and the code that she has allowed.
    fn allowed() -> (Bench, UniqueId, Handle, String) {
        let bench = Bench::new();
        let ann = bench.add_user("ann");
        bench.call_as_user("ann");
        let (parent, code) = allow(&bench, SignedIn::User(ann));
        (bench, ann, parent, code)
    }

    fn allow(bench: &Bench, holder: SignedIn) -> (Handle, String) {
        let parent = bench.add_session(holder, SessionKind::Console);
        let now = bench.now();
        bench.change_session(parent, |row| row.mfa = Some(now));
        bench.call_in_session(parent);
        (parent, code(bench))
    }

    fn code(bench: &Bench) -> String {
        let answer = bench.run(&AUTHORIZE_OAUTH2_ACCESS, asked()).unwrap();
        let query = answer.location.expose().split_once("?code=").unwrap().1;
        query.split_once('&').unwrap().0.to_owned()
    }

    fn send(bench: &Bench, request: api::CreateOAuth2TokenRequest) -> Result<Body, (&'static str, String)> {
        let answer = bench.run_unsigned(&CREATE_OAUTH2_TOKEN, request);
        answer.map(|answer| answer.token_output).map_err(|failure| {
            (
                failure.code,
                failure.members.get("error").and_then(Value::as_str).unwrap_or_default().to_owned(),
            )
        })
    }

    fn refused(code: &'static str, error: &str) -> (&'static str, String) {
        (code, error.to_owned())
    }

    fn sub(id_token: &Sensitive) -> Value {
        let part = id_token.expose().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        claims["sub"].clone()
    }

    #[test]
    fn code_becomes_a_session_with_credentials_of_a_quarter_of_an_hour() {
        let (bench, ann, parent, code) = allowed();
        let body = send(&bench, Cli::new(7).redeem(&code, bench.now())).unwrap();
        assert_eq!((body.token_type.as_str(), body.expires_in), ("aws_sigv4", 900));
        assert_eq!(sub(&body.id_token.unwrap()), "arn:aws:iam::111122223333:user/ann");
        let claims = bench.open_token(&body.access_token.session_token);
        assert_eq!((claims.holder, claims.mfa), (Holder::User(ann), Some(bench.now())));
        assert_eq!(claims.key.to_string(), body.access_token.access_key_id);
        let session = claims.sign_in.unwrap();
        let state = bench.state();
        let row = state.live_session(session, bench.now()).unwrap();
        assert_eq!((row.kind, row.parent), (SessionKind::CommandLine, Some(parent)));
        assert_eq!(row.expires, bench.now().plus_seconds(3_600));
        assert!(bench.row::<rootward_state::entities::User>("ann").unwrap().access_keys.is_empty());
    }

    #[test]
    fn credentials_end_with_the_session_that_they_came_from() {
        let bench = Bench::new();
        let (parent, code) = allow(&bench, SignedIn::Root);
        let expires = bench.now().plus_seconds(300);
        bench.change_session(parent, |row| row.expires = expires);
        let body = send(&bench, Cli::new(7).redeem(&code, bench.now())).unwrap();
        assert_eq!(body.expires_in, 300);
        let claims = bench.open_token(&body.access_token.session_token);
        assert_eq!((claims.holder, claims.expires), (Holder::Root, expires));
        assert_eq!(sub(&body.id_token.unwrap()), "arn:aws:iam::111122223333:root");
    }

    #[test]
    fn code_that_is_used_again_ends_the_session_that_it_gave() {
        let (bench, _, _, code) = allowed();
        let cli = Cli::new(7);
        let body = send(&bench, cli.redeem(&code, bench.now())).unwrap();
        let session = bench.open_token(&body.access_token.session_token).sign_in.unwrap();
        let expired = Err(refused("AccessDeniedException", "AUTHCODE_EXPIRED"));
        assert_eq!(send(&bench, cli.redeem(&code, bench.now())), expired);
        assert!(bench.state().live_session(session, bench.now()).is_none());
        assert_eq!(send(&bench, cli.redeem(&code, bench.now())), expired);
        let over = Err(refused("AccessDeniedException", "TOKEN_EXPIRED"));
        assert_eq!(send(&bench, cli.refresh(&body.refresh_token, bench.now())), over);
    }

    #[test]
    fn code_that_was_used_opens_no_session_once_its_own_has_ended() {
        for why in [Why::PasswordChanged, Why::FactorRegistered, Why::Revoked] {
            let (bench, ann, parent, code) = allowed();
            let cli = Cli::new(7);
            let body = send(&bench, cli.redeem(&code, bench.now())).unwrap();
            let session = bench.open_token(&body.access_token.session_token).sign_in.unwrap();
            let end = End { why, source_ip: None, now: bench.now() };
            bench
                .write_with::<_, ()>(|txn, _, random, _| {
                    let ends =
                        |id: Handle, row: &SignInSession| row.holder == SignedIn::User(ann) && id != parent;
                    Ok(end_all(txn, bench.account(), &end, random, ends))
                })
                .unwrap();
            assert!(bench.state().live_session(session, bench.now()).is_none());
            let again = send(&bench, cli.redeem(&code, bench.now()));
            assert_eq!(again, Err(refused("AccessDeniedException", "AUTHCODE_EXPIRED")));
        }
    }

    #[test]
    fn code_is_void_once_what_its_user_signs_in_with_was_changed() {
        let (bench, ann, _, code) = allowed();
        bench.pass_seconds(1);
        let fresh = self::code(&bench);
        bench.add_mfa_device("new", CredentialOwner::User(ann));
        let expired = Err(refused("AccessDeniedException", "AUTHCODE_EXPIRED"));
        assert_eq!(send(&bench, Cli::new(7).redeem(&code, bench.now())), expired);
        assert!(
            send(&bench, Cli::new(8).redeem(&fresh, bench.now())).is_ok(),
            "of the same second, or later"
        );
    }

    #[test]
    fn credentials_are_as_old_as_the_sign_in_however_often_they_are_renewed() {
        let (bench, ..) = allowed();
        let began = bench.now();
        bench.pass_seconds(600);
        let cli = Cli::new(7);
        let body = send(&bench, cli.redeem(&self::code(&bench), bench.now())).unwrap();
        assert_eq!(bench.open_token(&body.access_token.session_token).issued, began);
        bench.pass_seconds(600);
        let body = send(&bench, cli.refresh(&body.refresh_token, bench.now())).unwrap();
        let claims = bench.open_token(&body.access_token.session_token);
        assert_eq!((claims.issued, claims.expires), (began, bench.now().plus_seconds(900)));
    }

    #[test]
    fn sessions_beyond_the_limit_end_the_one_that_was_used_least_lately() {
        let (bench, ann, parent, _) = allowed();
        let cli = Cli::new(7);
        for _ in 0..=SESSIONS_MAX {
            bench.pass_seconds(1);
            let now = bench.now();
            bench.change_session(parent, |row| row.used = now);
            bench.call_as_user("ann");
            bench.call_in_session(parent);
            send(&bench, cli.redeem(&self::code(&bench), now)).unwrap();
        }
        let left = bench.live_sessions().into_iter().filter(|(_, holder)| *holder == SignedIn::User(ann));
        let left: Vec<_> = left.map(|(id, _)| id).collect();
        assert!(left.len() == SESSIONS_MAX && left.contains(&parent));
    }

    #[test]
    fn code_that_two_redeem_at_once_lets_one_through() {
        let (bench, _, _, code) = allowed();
        let [one, two] = [7, 8].map(|seed| {
            let request = Cli::new(seed).redeem(&code, bench.now());
            bench.knock(&CREATE_OAUTH2_TOKEN, &request).unwrap();
            bench.run_uncommitted(&CREATE_OAUTH2_TOKEN.declaration, &request).unwrap().1
        });
        assert!(bench.second_loses(one, two));
    }

    #[test]
    fn code_is_for_whoever_asked_for_it() {
        let (bench, _, _, code) = allowed();
        let cli = Cli::new(7);
        let changed = |change: fn(&mut api::CreateOAuth2TokenRequestBody)| {
            let mut request = cli.redeem(&code, bench.now());
            change(&mut request.token_input);
            send(&bench, request)
        };
        let invalid = || Err(refused("ValidationException", "INVALID_REQUEST"));
        assert_eq!(changed(|body| body.code_verifier = Some(Sensitive::new("x".repeat(43)))), invalid());
        assert_eq!(changed(|body| body.code_verifier = None), invalid());
        assert_eq!(
            changed(|body| body.redirect_uri = Some("http://127.0.0.1:1/oauth/callback".into())),
            invalid()
        );
        assert_eq!(changed(|body| body.redirect_uri = None), invalid());
        assert_eq!(
            changed(|body| body.client_id = "arn:aws:signin:::devtools/cross-device".into()),
            invalid()
        );
        assert_eq!(changed(|body| body.code = None), invalid());
        assert_eq!(changed(|body| body.code = Some(Sensitive::new("forged"))), invalid());
        let request = api::CreateOAuth2TokenRequest { dpop: None, ..cli.redeem(&code, bench.now()) };
        assert_eq!(send(&bench, request), invalid());
        // None of which has used it up.
        assert!(send(&bench, cli.redeem(&code, bench.now())).is_ok());
    }

    #[test]
    fn code_is_good_for_some_minutes_and_with_its_session_only() {
        let (bench, _, parent, code) = allowed();
        let cli = Cli::new(7);
        bench.change_session(parent, |row| row.restricted = true);
        let over = Err(refused("AccessDeniedException", "TOKEN_EXPIRED"));
        assert_eq!(send(&bench, cli.redeem(&code, bench.now())), over);
        bench.change_session(parent, |row| row.restricted = false);
        bench.pass_seconds(300);
        let expired = Err(refused("AccessDeniedException", "AUTHCODE_EXPIRED"));
        assert_eq!(send(&bench, cli.redeem(&code, bench.now())), expired);
        bench.pass_seconds(-1);
        let now = bench.now();
        bench.change_session(parent, |row| row.expires = now);
        assert_eq!(send(&bench, cli.redeem(&code, bench.now())), over);
    }

    #[test]
    fn refresh_token_is_replaced_and_the_one_before_leads_to_the_same_for_a_moment() {
        let (bench, _, _, code) = allowed();
        let cli = Cli::new(7);
        let first = send(&bench, cli.redeem(&code, bench.now())).unwrap();
        bench.pass_seconds(600);
        let second = send(&bench, cli.refresh(&first.refresh_token, bench.now())).unwrap();
        assert_eq!((second.expires_in, second.id_token.as_ref()), (900, None));
        let claims = |body: &Body| bench.open_token(&body.access_token.session_token);
        assert!(claims(&second).mfa.is_some() && claims(&second).key != claims(&first).key);
        bench.pass_seconds(59);
        let beside = send(&bench, cli.refresh(&first.refresh_token, bench.now())).unwrap();
        // Both are the same token, and either is replaced next.
        let third = send(&bench, cli.refresh(&beside.refresh_token, bench.now())).unwrap();
        assert!(send(&bench, cli.refresh(&second.refresh_token, bench.now())).is_ok());
        assert!(send(&bench, cli.refresh(&third.refresh_token, bench.now())).is_ok());
    }

    #[test]
    fn refresh_token_that_is_used_long_after_it_was_replaced_ends_the_session() {
        let (bench, _, _, code) = allowed();
        let cli = Cli::new(7);
        let first = send(&bench, cli.redeem(&code, bench.now())).unwrap();
        let second = send(&bench, cli.refresh(&first.refresh_token, bench.now())).unwrap();
        bench.pass_seconds(60);
        let over = Err(refused("AccessDeniedException", "TOKEN_EXPIRED"));
        assert_eq!(send(&bench, cli.refresh(&first.refresh_token, bench.now())), over);
        assert_eq!(send(&bench, cli.refresh(&second.refresh_token, bench.now())), over);
        let session = bench.open_token(&second.access_token.session_token).sign_in.unwrap();
        assert!(bench.state().live_session(session, bench.now()).is_none());
    }

    #[test]
    fn refresh_token_is_bound_to_its_key_and_its_client() {
        let (bench, _, _, code) = allowed();
        let cli = Cli::new(7);
        let body = send(&bench, cli.redeem(&code, bench.now())).unwrap();
        let invalid = || Err(refused("ValidationException", "INVALID_REQUEST"));
        assert_eq!(send(&bench, Cli::new(8).refresh(&body.refresh_token, bench.now())), invalid());
        let mut request = cli.refresh(&body.refresh_token, bench.now());
        request.token_input.client_id = "arn:aws:signin:::devtools/cross-device".into();
        assert_eq!(send(&bench, request), invalid());
        let forged = Sensitive::new("forged");
        assert_eq!(send(&bench, cli.refresh(&forged, bench.now())), invalid());
        // A code is no refresh token.
        assert_eq!(send(&bench, cli.refresh(&Sensitive::new(&*code), bench.now())), invalid());
        let again = cli.refresh(&body.refresh_token, bench.now());
        assert!(send(&bench, again.clone()).is_ok());
        assert_eq!(send(&bench, again), invalid());
    }

    #[test]
    fn session_ends_with_its_parent_its_user_and_its_account() {
        let (bench, _, parent, code) = allowed();
        let cli = Cli::new(7);
        let body = send(&bench, cli.redeem(&code, bench.now())).unwrap();
        let refresh = || send(&bench, cli.refresh(&body.refresh_token, bench.now()));
        let now = bench.now();
        bench.change_session(parent, |row| row.expires = now);
        assert_eq!(refresh(), Err(refused("AccessDeniedException", "TOKEN_EXPIRED")));
        bench.change_session(parent, |row| row.expires = now.plus_seconds(60));
        bench.write(|txn| txn.delete_entity::<rootward_state::entities::User>(bench.account(), "ann"));
        assert_eq!(refresh(), Err(refused("AccessDeniedException", "USER_CREDENTIALS_CHANGED")));
    }

    #[test]
    fn who_came_with_temporary_credentials_goes_on_with_what_those_say() {
        let bench = Bench::new();
        let role = bench.add_role("app");
        let now = bench.now();
        let issued = now.plus_seconds(-100);
        let token = bench.issue(&Claims {
            key: "ASIAY34FZKBOKMUTVV7A".parse().unwrap(),
            secret: SecretAccessKey::new("secret"),
            account: bench.account(),
            partition: rootward_names::Partition::Aws,
            holder: Holder::Role { id: role.id, session_name: "s".into() },
            issued,
            expires: now.plus_seconds(500),
            mfa: None,
            chained: false,
            sign_in: None,
            tags: vec![("team".into(), "blue".into())],
            transitive: Vec::new(),
            source_identity: None,
            policy: None,
            policy_arns: Vec::new(),
        });
        bench.call_as_session(rootward_auth::RoleSession {
            policies: Arc::new(SessionPolicies::default()),
            ..bench.session("app")
        });
        let (_, code) = allow(&bench, SignedIn::Federated(token.into()));
        let body = send(&bench, Cli::new(7).redeem(&code, now)).unwrap();
        assert_eq!(body.expires_in, 500);
        let claims = bench.open_token(&body.access_token.session_token);
        assert!(claims.sign_in.is_some() && claims.tags.len() == 1);
        assert_eq!(claims.issued, issued, "a policy that revokes what is older reaches it");
        assert_eq!(sub(&body.id_token.unwrap()), "arn:aws:sts::111122223333:assumed-role/app/s");
    }

    #[test]
    fn permission_is_on_the_client() {
        let (bench, ..) = allowed();
        let mut request = Cli::new(7).redeem("code", bench.now());
        let arn = |request: &api::CreateOAuth2TokenRequest| {
            let [(action, target)]: [_; 1] =
                bench.targets(&CREATE_OAUTH2_TOKEN.declaration, request).try_into().unwrap();
            (action, target.arn)
        };
        let client = "arn:aws:signin:us-east-1:111122223333:oauth2/public-client";
        assert_eq!(request.token_input.client_id, CLIENT);
        assert_eq!(arn(&request), ("signin:CreateOAuth2Token", format!("{client}/localhost")));
        request.token_input.client_id = "arn:aws:signin:::devtools/cross-device".into();
        assert_eq!(arn(&request), ("signin:CreateOAuth2Token", format!("{client}/remote")));
    }
}
