//! `AuthorizeOAuth2Access`: whoever is signed in lets a command line act as them. Answers with the address that the browser is
//! sent to, the code in it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rootward_api::signin as api;
use rootward_auth::command_line::{Asked, Code};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Key, OpContext, Rule, always};
use rootward_state::entities::{SessionKind, SignInSession};
use rootward_state::{RowKey, Txn};
use rootward_wire::Sensitive;

use super::{failures, target};

pub(super) static AUTHORIZE_OAUTH2_ACCESS: Declaration<api::AuthorizeOAuth2Access> = Declaration {
    effect: Effect::Issue,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "signin:AuthorizeOAuth2Access",
        when: always,
        target: |scope, input| target(scope, &input.client_id),
        keys: &[
            Key::Text("signin:OAuthClientId", |_, input| Some(input.client_id.clone())),
            Key::Text("signin:OAuthRedirectUri", |_, input| Some(input.redirect_uri.clone())),
        ],
    }],
    run: authorize,
};

fn authorize(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AuthorizeOAuth2AccessRequest,
) -> Result<api::AuthorizeOAuth2AccessResponse, Failure> {
    let here = ctx.principal.sign_in().filter(|sign_in| sign_in.kind == SessionKind::Console);
    let here = here.ok_or_else(failures::not_in_browser)?.session;
    let session = txn.get::<SignInSession>(RowKey::Session(ctx.account(), here));
    // One that is good for nothing but to register a second factor is good for nothing here.
    let is_live = session.is_some_and(|row| ctx.now < row.expires && !row.restricted);
    if !is_live {
        return Err(failures::not_in_browser());
    }
    let asked = Asked::read(&input.client_id, &input.redirect_uri, &input.code_challenge);
    let asked = asked.map_err(failures::invalid_request)?;
    let code = ctx.with_random(|random| {
        Code::new(&asked, ctx.account(), here, ctx.now, random).seal(ctx.vault, random)
    });
    let state = utf8_percent_encode(input.state.expose(), NON_ALPHANUMERIC);
    let location = format!("{}?code={code}&state={state}", input.redirect_uri);
    Ok(api::AuthorizeOAuth2AccessResponse { location: Sensitive::new(location) })
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::SignedIn;

    use super::super::testing::{CALLBACK, asked};
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn code_goes_where_it_was_asked_for() {
        let bench = Bench::new();
        let session = bench.add_session(SignedIn::Root, SessionKind::Console);
        bench.call_in_session(session);
        let input = api::AuthorizeOAuth2AccessRequest { state: Sensitive::new("a&b c"), ..asked() };
        let answer = bench.run(&AUTHORIZE_OAUTH2_ACCESS, input).unwrap();
        let location = answer.location.expose();
        let (code, state) = location
            .strip_prefix(&format!("{CALLBACK}?code="))
            .and_then(|rest| rest.split_once("&state="))
            .unwrap();
        assert_eq!(state, "a%26b%20c");
        assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }

    #[test]
    fn nobody_but_who_is_signed_in_at_the_console_lets_a_command_line_in() {
        let bench = Bench::new();
        let refused = |bench: &Bench| {
            let failure = bench.run(&AUTHORIZE_OAUTH2_ACCESS, asked()).unwrap_err();
            (failure.code, failure.members["error"].clone())
        };
        let no = ("AccessDeniedException", "INSUFFICIENT_PERMISSIONS".into());
        // By key, in a session that is no more, in one that must register a second factor first.
        assert_eq!(refused(&bench), no);
        bench.call_at_console();
        assert_eq!(refused(&bench), no);
        let session = bench.add_session(SignedIn::Root, SessionKind::Console);
        bench.change_session(session, |row| row.restricted = true);
        bench.call_in_session(session);
        assert_eq!(refused(&bench), no);
        bench.change_session(session, |row| row.restricted = false);
        assert!(bench.run(&AUTHORIZE_OAUTH2_ACCESS, asked()).is_ok());
        bench.pass_seconds(3_600);
        assert_eq!(refused(&bench), no);
    }

    #[test]
    fn what_no_client_asks_for_is_refused() {
        let bench = Bench::new();
        bench.call_in_session(bench.add_session(SignedIn::Root, SessionKind::Console));
        for input in [
            api::AuthorizeOAuth2AccessRequest { redirect_uri: "https://evil.example/".into(), ..asked() },
            api::AuthorizeOAuth2AccessRequest { code_challenge: "a".repeat(44), ..asked() },
        ] {
            let failure = bench.run(&AUTHORIZE_OAUTH2_ACCESS, input).unwrap_err();
            assert_eq!(
                (failure.code, &failure.members["error"]),
                ("ValidationException", &"INVALID_REQUEST".into())
            );
        }
    }

    #[test]
    fn permission_is_on_the_client() {
        let bench = Bench::new();
        let targets = bench.targets(&AUTHORIZE_OAUTH2_ACCESS, &asked());
        let asked: Vec<_> = targets.into_iter().map(|(action, target)| (action, target.arn)).collect();
        let arn = "arn:aws:signin:us-east-1:111122223333:oauth2/public-client/localhost";
        assert_eq!(asked, [("signin:AuthorizeOAuth2Access", arn.into())]);
    }
}
