//! Sessions that began with a sign-in: `ListSessions`, `RevokeSession`.
//!
//! Everybody may see and end their own unless a policy denies it: who finds a stranger in their account must not have to ask for
//! permission first. Those of other users need permission on the user, those of roles and federated users on everything; the root
//! user's are its own.

use std::sync::Arc;

use rootward_api::rootward as api;
use rootward_auth::principal::root_arn;
use rootward_auth::{Identity, Principal, SignIn, authn};
use rootward_names::Handle;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Scope, Target};
use rootward_state::entities::{Named, SessionKind, SignInSession, SignedIn, User};
use rootward_state::{RowKey, Txn};
use rootward_wire::Empty;

use super::failures;
use crate::denied;
use crate::session_end::{End, Why, end_one};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&LIST_SESSIONS, &REVOKE_SESSION];

/// A page, unless fewer are asked for.
const PAGE: usize = 100;

static LIST_SESSIONS: Declaration<api::ListSessions> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "rootward:ListSessions",
        when: |scope, input| {
            is_of_federated(input) || input.user_name.as_deref().is_some_and(|name| !is_caller(scope, name))
        },
        target: |scope, input| match input.user_name.as_deref() {
            _ if is_of_federated(input) => Target::any(),
            Some(name) => user_target(scope, name),
            None => own_target(scope),
        },
        keys: &[],
    }],
    run: list_sessions,
};

fn is_of_federated(input: &api::ListSessionsRequest) -> bool {
    input.federated == Some(true)
}

/// Whose sessions are listed.
enum Whose {
    /// Of all who came with temporary credentials: sessions of roles and federated users.
    Federated,
    /// Of the root user or of a user.
    One(SignedIn),
}

/// In the order of their ids; the token is the last one shown.
fn list_sessions(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListSessionsRequest,
) -> Result<api::ListSessionsResponse, Failure> {
    // What is one's own is not asked for before the operation runs.
    denied::refuse(ctx, txn, &LIST_SESSIONS, input)?;
    let state = ctx.view(txn)?;
    let whose = match &input.user_name {
        Some(_) if is_of_federated(input) => return Err(failures::user_or_federated()),
        Some(name) => {
            let user = state.named::<User>(name).ok_or_else(|| failures::no_such_user(name))?;
            Whose::One(SignedIn::User(user.id))
        }
        None if is_of_federated(input) => Whose::Federated,
        None => Whose::One(own(ctx)?),
    };
    let world = Arc::clone(txn.world());
    let principal = |id: Handle, row: &SignInSession| {
        let sign_in = SignIn { session: id, kind: row.kind };
        authn::signed_in(&world, ctx.account(), ctx.tokens, row, sign_in, ctx.now)
    };
    let after = input.next_token.as_deref().map(str::parse::<Handle>).transpose();
    let after = after.map_err(|_| failures::invalid_token())?;
    let count = input.max_results.and_then(|count| usize::try_from(count).ok()).unwrap_or(PAGE);
    let is_asked_for = |row: &SignInSession| match &whose {
        Whose::Federated => matches!(row.holder, SignedIn::Federated(_)),
        Whose::One(holder) => row.holder == *holder,
    };
    let mut found = state.sessions().after(after.as_ref()).filter_map(|(id, row)| {
        let is_live = is_asked_for(row) && state.live_session(*id, ctx.now).is_some();
        is_live.then(|| principal(*id, row)).flatten().map(|principal| (id, row, principal))
    });
    let mut found = found.by_ref().peekable();
    let (mut sessions, mut last) = (Vec::new(), None);
    while sessions.len() < count
        && let Some((id, row, principal)) = found.next()
    {
        sessions.push(shown(ctx, &principal, *id, row));
        last = Some(*id);
    }
    let next_token = last.filter(|_| found.peek().is_some()).map(|id| id.to_string());
    Ok(api::ListSessionsResponse { sessions, next_token })
}

/// Whose sessions the caller's own are.
fn own(ctx: &OpContext<'_>) -> Result<SignedIn, Failure> {
    match &ctx.principal.identity {
        Identity::Root => Ok(SignedIn::Root),
        Identity::User(user) => Ok(SignedIn::User(user.id)),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) => {
            Err(failures::user_name_needed())
        }
    }
}

fn is_caller(scope: &Scope<'_>, name: &str) -> bool {
    matches!(&scope.ctx.principal.identity, Identity::User(user) if user.name.eq_ignore_ascii_case(name))
}

/// The caller, where sessions of their own are meant.
fn own_target(scope: &Scope<'_>) -> Target {
    match &scope.ctx.principal.identity {
        Identity::Root => Target::arn(root_arn(scope.ctx.partition(), scope.ctx.account())),
        Identity::User(user) => user_target(scope, &user.name),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) => Target::any(),
    }
}

fn user_target(scope: &Scope<'_>, name: &str) -> Target {
    let (account, partition) = (scope.ctx.account(), scope.ctx.partition());
    match scope.world.account(account).and_then(|state| state.named::<User>(name)) {
        Some(user) => Target { tags: user.tags.clone(), ..Target::arn(user.arn(partition, account)) },
        None => Target::arn(format!("arn:{partition}:iam::{account}:user/{name}")),
    }
}

fn shown(ctx: &OpContext<'_>, principal: &Principal, id: Handle, row: &SignInSession) -> api::Session {
    let user = match &principal.identity {
        Identity::User(user) => Some(user.name.to_string()),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) | Identity::Root => {
            None
        }
    };
    api::Session {
        session_id: id.to_string(),
        arn: Some(principal.arn()),
        user_name: user,
        kind: match row.kind {
            SessionKind::CommandLine => api::SessionKind::CommandLine,
            SessionKind::Console => api::SessionKind::Console,
        },
        created_at: row.created,
        last_used_at: row.used,
        expires_at: row.expires,
        source_ip_address: row.source_ip.to_string(),
        user_agent: Some(row.user_agent.to_string()).filter(|agent| !agent.is_empty()),
        mfa_authenticated: row.mfa.is_some(),
        current: ctx.principal.sign_in().is_some_and(|sign_in| sign_in.session == id),
    }
}

static REVOKE_SESSION: Declaration<api::RevokeSession> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "rootward:RevokeSession",
        when: |scope, input| holder(scope, &input.session_id).is_none_or(|holder| !is_own(scope, &holder)),
        target: |scope, input| match holder(scope, &input.session_id) {
            Some(SignedIn::User(id)) => {
                let state = scope.world.account(scope.ctx.account());
                let user = state.and_then(|state| state.by_id::<User>(id));
                user.map_or_else(Target::any, |user| user_target(scope, &user.name))
            }
            Some(SignedIn::Root) => Target::arn(root_arn(scope.ctx.partition(), scope.ctx.account())),
            Some(SignedIn::Federated(_)) | None => Target::any(),
        },
        keys: &[],
    }],
    run: revoke_session,
};

fn holder(scope: &Scope<'_>, id: &str) -> Option<SignedIn> {
    let state = scope.world.account(scope.ctx.account())?;
    Some(state.sessions().get(&id.parse().ok()?)?.holder.clone())
}

fn is_own(scope: &Scope<'_>, holder: &SignedIn) -> bool {
    match (&scope.ctx.principal.identity, holder) {
        (Identity::Root, SignedIn::Root) => true,
        (Identity::User(user), SignedIn::User(id)) => user.id == *id,
        _ => false,
    }
}

fn revoke_session(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::RevokeSessionRequest,
) -> Result<Empty, Failure> {
    denied::refuse(ctx, txn, &REVOKE_SESSION, input)?;
    let missing = || failures::no_such_session(&input.session_id);
    let id: Handle = input.session_id.parse().map_err(|_| missing())?;
    let key = RowKey::Session(ctx.account(), id);
    let row = txn.get::<SignInSession>(key).filter(|row| ctx.now < row.expires).ok_or_else(missing)?;
    if row.holder == SignedIn::Root && !ctx.principal.is_root() {
        return Err(missing());
    }
    let end = End { why: Why::Revoked, source_ip: Some(ctx.source_ip), now: ctx.now };
    ctx.with_random(|random| end_one(txn, ctx.account(), (id, &row), &end, random));
    Ok(Empty)
}

#[cfg(test)]
mod tests {
    use rootward_auth::session::{Claims, Holder, SecretAccessKey};
    use rootward_names::UniqueId;
    use rootward_state::entities::Rotated;
    use rootward_testkit::Seeded;

    use super::*;
    use crate::testing::Bench;

    fn begin(bench: &Bench, n: u64, holder: SignedIn, seconds: i64) -> Handle {
        let id = Handle::random(&mut Seeded::new(n));
        let row = SignInSession {
            holder,
            kind: SessionKind::Console,
            key: "ASIAY34FZKBOKMUTVV7A".parse().unwrap(),
            digest: [1; 32],
            rotated: Rotated { at: bench.now(), previous: None },
            created: bench.now(),
            used: bench.now(),
            expires: bench.now().plus_seconds(seconds),
            mfa: None,
            source_ip: "192.0.2.7".into(),
            user_agent: "browser".into(),
            restricted: false,
            reason: None,
            role: None,
            parent: None,
        };
        bench.write(|txn| txn.put(RowKey::Session(bench.account(), id), row));
        id
    }

    /// Two sessions of ann, one of the root user, and one of ann that is over.
    fn bench() -> (Bench, UniqueId, [Handle; 3]) {
        let bench = Bench::new();
        let ann = bench.add_user("ann");
        bench.add_user("bob");
        let user = SignedIn::User(ann);
        let sessions = [
            begin(&bench, 1, user.clone(), 60),
            begin(&bench, 2, user.clone(), 60),
            begin(&bench, 3, SignedIn::Root, 60),
        ];
        begin(&bench, 4, user, 0);
        (bench, ann, sessions)
    }

    fn list(bench: &Bench, user: Option<&str>, max: Option<i32>) -> api::ListSessionsResponse {
        let input = api::ListSessionsRequest {
            user_name: user.map(Into::into),
            max_results: max,
            ..Default::default()
        };
        bench.run(&LIST_SESSIONS, input).unwrap()
    }

    fn ids(listed: &api::ListSessionsResponse) -> Vec<&str> {
        listed.sessions.iter().map(|session| session.session_id.as_str()).collect()
    }

    fn revoke(bench: &Bench, id: &str) -> Result<Empty, Failure> {
        bench.run(&REVOKE_SESSION, api::RevokeSessionRequest { session_id: id.into() })
    }

    #[test]
    fn sessions_are_listed_of_whom_they_are_in_pages() {
        let (bench, _, [one, two, root]) = bench();
        assert_eq!(ids(&list(&bench, None, None)), [root.to_string()]);
        let mut both = [one.to_string(), two.to_string()];
        both.sort_unstable();
        assert_eq!(ids(&list(&bench, Some("ann"), None)), both);
        assert!(list(&bench, Some("bob"), None).sessions.is_empty());
        let first = list(&bench, Some("ANN"), Some(1));
        assert_eq!(ids(&first), both[..1]);
        let input = api::ListSessionsRequest {
            user_name: Some("ann".into()),
            next_token: first.next_token,
            ..Default::default()
        };
        let rest = bench.run(&LIST_SESSIONS, input).unwrap();
        assert_eq!((ids(&rest), rest.next_token.as_ref()), (vec![both[1].as_str()], None));
        let input = api::ListSessionsRequest { user_name: Some("ghost".into()), ..Default::default() };
        assert_eq!(bench.run(&LIST_SESSIONS, input).unwrap_err().code, "ResourceNotFoundException");
    }

    #[test]
    fn sessions_of_roles_and_federated_users_are_listed_for_whom_that_is_allowed() {
        let (bench, ..) = bench();
        let role = bench.add_role("app");
        let claims = Claims {
            key: "ASIAY34FZKBOKMUTVV7A".parse().unwrap(),
            secret: SecretAccessKey::new("secret"),
            account: bench.account(),
            partition: rootward_names::Partition::Aws,
            holder: Holder::Role { id: role.id, session_name: "jane".into() },
            issued: bench.now(),
            expires: bench.now().plus_seconds(60),
            mfa: None,
            chained: false,
            sign_in: None,
            tags: Vec::new(),
            transitive: Vec::new(),
            source_identity: None,
            policy: None,
            policy_arns: Vec::new(),
        };
        let id = begin(&bench, 9, SignedIn::Federated(bench.issue(&claims).into()), 60);
        let input = api::ListSessionsRequest { federated: Some(true), ..Default::default() };
        let listed = bench.run(&LIST_SESSIONS, input.clone()).unwrap();
        assert_eq!(ids(&listed), [id.to_string()]);
        let arn = "arn:aws:sts::111122223333:assumed-role/app/jane";
        assert_eq!((listed.sessions[0].arn.as_deref(), &listed.sessions[0].user_name), (Some(arn), &None));
        let asked: Vec<_> = bench.targets(&LIST_SESSIONS, &input);
        assert!(matches!(&asked[..], [("rootward:ListSessions", target)] if target.arn == "*"));
        let both = api::ListSessionsRequest { user_name: Some("ann".into()), ..input.clone() };
        assert_eq!(bench.run(&LIST_SESSIONS, both).unwrap_err().code, "ValidationException");
        bench.pass_seconds(60);
        assert!(bench.run(&LIST_SESSIONS, input).unwrap().sessions.is_empty());
    }

    #[test]
    fn what_denies_it_binds_on_ones_own_sessions_too() {
        let (bench, _, [one, _, root]) = bench();
        let account = bench.account();
        bench.call_as_user("ann");
        assert_eq!(list(&bench, None, None).sessions.len(), 2);
        bench.bind(
            r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Deny","Action":"rootward:ListSessions","Resource":"arn:aws:iam::*:user/ann"},
                {"Effect":"Deny","Action":"rootward:*","Resource":"arn:aws:iam::*:root"}]}"#,
        );
        let denied = |action: &str, who: &str| {
            format!(
                "User: arn:aws:iam::{account}:{who} is not authorized to perform: rootward:{action} on resource: \
                 arn:aws:iam::{account}:{who} with an explicit deny in a service control policy: \
                 arn:aws:organizations::999988887777:policy/o-exampleorg/service_control_policy/p-examplepol"
            )
        };
        let refusal = |input| bench.run(&LIST_SESSIONS, input).unwrap_err().message;
        assert_eq!(refusal(Default::default()), denied("ListSessions", "user/ann"));
        let named = api::ListSessionsRequest { user_name: Some("ann".into()), ..Default::default() };
        assert_eq!(refusal(named), denied("ListSessions", "user/ann"));
        revoke(&bench, &one.to_string()).unwrap();
        bench.call_as_root();
        assert_eq!(refusal(Default::default()), denied("ListSessions", "root"));
        let refused = revoke(&bench, &root.to_string()).unwrap_err();
        assert_eq!((refused.code, refused.message), ("AccessDenied", denied("RevokeSession", "root")));
    }

    #[test]
    fn own_sessions_need_no_permission_and_those_of_others_do() {
        let (bench, ann, [one, _, root]) = bench();
        let asks = |id: &str| {
            let input = api::RevokeSessionRequest { session_id: id.into() };
            let asked = bench.targets(&REVOKE_SESSION, &input);
            asked.into_iter().map(|(action, target)| format!("{action} {}", target.arn)).collect::<Vec<_>>()
        };
        let account = bench.account();
        bench.call_as_user("bob");
        assert_eq!(
            asks(&one.to_string()),
            [format!("rootward:RevokeSession arn:aws:iam::{account}:user/ann")]
        );
        assert_eq!(asks(&root.to_string()), [format!("rootward:RevokeSession arn:aws:iam::{account}:root")]);
        assert_eq!(asks("nonsense"), ["rootward:RevokeSession *"]);
        bench.call_as_user("ann");
        assert!(asks(&one.to_string()).is_empty());
        assert_eq!(bench.row::<User>("ann").unwrap().id, ann);
    }

    #[test]
    fn session_that_is_revoked_is_gone_and_the_root_users_are_its_own() {
        let (bench, _, [one, _, root]) = bench();
        bench.call_as_user("bob");
        assert_eq!(revoke(&bench, &root.to_string()).unwrap_err().code, "ResourceNotFoundException");
        assert_eq!(revoke(&bench, &one.to_string()), Ok(Empty));
        assert!(bench.state().live_session(one, bench.now().plus_seconds(-30)).is_none());
        assert_eq!(revoke(&bench, &one.to_string()).unwrap_err().code, "ResourceNotFoundException");
        assert_eq!(revoke(&bench, "nonsense").unwrap_err().code, "ResourceNotFoundException");
        bench.call_as_root();
        assert_eq!(revoke(&bench, &root.to_string()), Ok(Empty));
    }

    #[test]
    fn root_session_that_broke_the_glass_and_is_revoked_ends_on_record() {
        let (bench, _, [_, _, root]) = bench();
        let events = bench.events();
        bench.change_session(root, |row| row.reason = Some("drill".into()));
        revoke(&bench, &root.to_string()).unwrap();
        let record = events.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        assert_eq!(record["eventName"], "RootSessionEnded");
        assert_eq!(record["requestParameters"]["reason"], "revoked");
    }

    #[test]
    fn role_has_no_sessions_of_its_own() {
        let (bench, ..) = bench();
        bench.add_role("app");
        bench.call_as_role("app");
        let input = api::ListSessionsRequest::default();
        assert_eq!(bench.run(&LIST_SESSIONS, input).unwrap_err().code, "ValidationException");
    }
}
