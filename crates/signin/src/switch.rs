//! Switching to a role: a session of the console acts as the role for an hour, is renewed as long as the role lets its user,
//! and is the user's again when it is left.
//!
//! Who may switch is decided by `AssumeRole`, called as whoever has signed in, never as another role. Here the session keeps what
//! that gave it. It dies with the session of the sign-in.
//! Source: IAM User Guide, "Switch from a user to an IAM role (console)".

use rootward_auth::authn;
use rootward_auth::session::Holder;
use rootward_auth::{Identity, Principal, SignIn};
use rootward_names::Partition;
use rootward_state::RowKey;
use rootward_state::entities::{Named, Role, SignInSession};
use serde_json::json;

use crate::act::Act;
use crate::record::Whom;
use crate::{Live, Refused, SignInService, Visitor, visitor};

/// The role that a session has switched to.
#[derive(Debug, Clone)]
pub struct Switched {
    /// Its ARN.
    pub role_arn: String,
    /// The name of the session that it was assumed for.
    pub session_name: String,
}

impl SignInService {
    /// The ARN of a role as people call it: by account id or alias, and by its name with the path before it, if it has one.
    pub fn role_arn(&self, partition: Partition, account: &str, role: &str) -> Option<String> {
        let account = visitor::account(&self.setup.db.snapshot(), account.trim())?;
        Some(format!("arn:{partition}:iam::{account}:role/{}", role.trim().trim_start_matches('/')))
    }

    /// The role that a session has switched to, also when its hour is over; none if the role is gone.
    pub fn switched(&self, live: &Live) -> Option<Switched> {
        let session = self.setup.tokens.open(live.row.role.as_deref()?).ok()?;
        let claims = &session.claims;
        let Holder::Role { id, session_name } = &claims.holder else { return None };
        let world = self.setup.db.snapshot();
        let role = world.account(claims.account)?.by_id::<Role>(*id)?;
        Some(Switched {
            role_arn: role.arn(claims.partition, claims.account),
            session_name: session_name.to_string(),
        })
    }

    /// Makes a session act as the role of this session token, which its user was given for it; leads to `to`.
    ///
    /// # Errors
    /// [`Refused::BeginAgain`]: the session is over, or has switched meanwhile. [`Refused::Unavailable`].
    pub fn switch(&self, visitor: &Visitor<'_>, live: &Live, token: &str, to: &str) -> Result<Live, Refused> {
        self.take_role(visitor, live, token, "SwitchRole", to)
    }

    /// Goes on as the same role with the session token of another hour.
    ///
    /// # Errors
    /// As [`Self::switch`].
    pub fn renew(&self, visitor: &Visitor<'_>, live: &Live, token: &str, to: &str) -> Result<Live, Refused> {
        self.take_role(visitor, live, token, "RenewRole", to)
    }

    fn take_role(
        &self,
        visitor: &Visitor<'_>,
        live: &Live,
        token: &str,
        event: &str,
        to: &str,
    ) -> Result<Live, Refused> {
        let opened = self.setup.tokens.open(token).map_err(|_| Refused::BeginAgain)?;
        self.act(visitor, live.account, |act| {
            let role = authn::holder(act.txn.world(), opened.clone(), act.now)
                .ok()
                .filter(|role| matches!(role.identity, Identity::RoleSession(_)))
                .ok_or(Refused::BeginAgain)?;
            let role = role.in_session(SignIn { session: live.id, kind: live.row.kind });
            let row = act.replace_role(live, Some(token))?;
            act.record_switch(event, &role, live, to);
            Ok(Live { row: row.into(), role: Some(role), ..live.clone() })
        })
    }

    /// Leaves the role that a session has switched to, if it has; leads to `to`.
    ///
    /// # Errors
    /// As [`Self::switch`].
    pub fn exit_role(&self, visitor: &Visitor<'_>, live: &Live, to: &str) -> Result<Live, Refused> {
        if live.row.role.is_none() {
            return Ok(live.clone());
        }
        self.act(visitor, live.account, |act| {
            let row = act.replace_role(live, None)?;
            // Of a role that is gone or over nothing more is known than who has left it.
            act.record_switch("ExitRole", live.acting(), live, to);
            Ok(Live { row: row.into(), role: None, ..live.clone() })
        })
    }
}

impl Act<'_> {
    /// Gives the session another role, guarded: of two requests at once one switches.
    fn replace_role(&mut self, live: &Live, token: Option<&str>) -> Result<SignInSession, Refused> {
        let key = RowKey::Session(live.account, live.id);
        let row = self.txn.get::<SignInSession>(key.clone()).ok_or(Refused::BeginAgain)?;
        if row.expires <= self.now || row.role != live.row.role {
            return Err(Refused::BeginAgain);
        }
        let row = SignInSession { role: token.map(Into::into), ..SignInSession::clone(&row) };
        self.txn.put(key, row.clone());
        Ok(row)
    }

    fn record_switch(&mut self, event: &str, whom: &Principal, live: &Live, to: &str) {
        let mut url = self.visitor.login_to.to_owned();
        url.push_str(to.strip_prefix("/console").unwrap_or_default());
        let additional = json!({ "SwitchFrom": live.signed_in.arn(), "RedirectTo": url });
        let response = json!({ event: "Success" });
        self.record(|scene, random| {
            scene.sign_in(event, Whom::Session(whom), &response, Some(&additional), None, random)
        });
    }
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::SignedIn;
    use rootward_store::vault::Vault;

    use super::*;
    use crate::testing::{ANN, ANN_PASSWORD, Bench, account};

    const HOME: &str = "/console";

    fn ann(bench: &Bench) -> (String, Live) {
        let cookie = bench.sign_in(&ANN, ANN_PASSWORD);
        let live = bench.service.session(&bench.visitor(), &cookie).unwrap();
        (cookie, live)
    }

    /// The session token of a role for ann, as `AssumeRole` gives it.
    fn token(bench: &Bench, name: &str) -> String {
        let holder = Holder::Role { id: bench.put_role(name, None), session_name: "ann".into() };
        bench.credentials(holder, |_| ()).1
    }

    fn switch(bench: &Bench, live: &Live, token: &str) -> Result<Live, Refused> {
        bench.service.switch(&bench.visitor(), live, token, HOME)
    }

    fn find(bench: &Bench, cookie: &str) -> Option<Live> {
        bench.service.session(&bench.visitor(), cookie)
    }

    fn csrf(live: &Live, vault: &Vault) -> String {
        live.csrf(vault)
    }

    #[test]
    fn session_acts_as_the_role_until_it_is_left() {
        let bench = Bench::new();
        let (cookie, live) = ann(&bench);
        switch(&bench, &live, &token(&bench, "deploy")).unwrap();
        let switched = find(&bench, &cookie).unwrap();
        assert_eq!(switched.acting().arn(), "arn:aws:sts::111122223333:assumed-role/deploy/ann");
        assert_eq!(switched.acting().sign_in().map(|sign_in| sign_in.session), Some(live.id));
        assert_eq!(switched.signed_in.arn(), "arn:aws:iam::111122223333:user/ann");
        // A form that was shown to one of them is not taken from the other.
        assert_ne!(csrf(&live, bench.vault()), csrf(&switched, bench.vault()));
        bench.service.exit_role(&bench.visitor(), &switched, HOME).unwrap();
        let back = find(&bench, &cookie).unwrap();
        assert_eq!(back.acting().arn(), "arn:aws:iam::111122223333:user/ann");
        assert_eq!(csrf(&live, bench.vault()), csrf(&back, bench.vault()));
        for (name, whom) in [("SwitchRole", "AssumedRole"), ("ExitRole", "AssumedRole")] {
            let record = bench.records_of(name).remove(0);
            assert_eq!(record["eventType"], "AwsConsoleSignIn");
            assert_eq!(record["userIdentity"]["type"], whom);
            assert_eq!(record["responseElements"], json!({ name: "Success" }));
            assert_eq!(
                record["additionalEventData"],
                json!({ "SwitchFrom": "arn:aws:iam::111122223333:user/ann", "RedirectTo": "http://localhost:4566/console" })
            );
        }
    }

    #[test]
    fn hour_that_is_over_is_the_users_again_or_is_renewed() {
        let bench = Bench::new();
        let (cookie, live) = ann(&bench);
        switch(&bench, &live, &token(&bench, "deploy")).unwrap();
        bench.pass_seconds(3_600);
        let over = find(&bench, &cookie).unwrap();
        assert!(over.role.is_none() && over.row.role.is_some());
        let again = bench.service.switched(&over).unwrap();
        assert_eq!(
            (&*again.role_arn, &*again.session_name),
            ("arn:aws:iam::111122223333:role/team/deploy", "ann")
        );
        let next = token(&bench, "deploy");
        let renewed = bench.service.renew(&bench.visitor(), &over, &next, HOME).unwrap();
        assert!(renewed.role.is_some() && find(&bench, &cookie).unwrap().role.is_some());
        // Whoever comes second finds it renewed.
        assert_eq!(
            bench.service.renew(&bench.visitor(), &over, &next, HOME).unwrap_err(),
            Refused::BeginAgain
        );
        assert_eq!(bench.records_of("RenewRole").len(), 1);
        bench.pass_seconds(3_600);
        let over = find(&bench, &cookie).unwrap();
        bench.service.exit_role(&bench.visitor(), &over, HOME).unwrap();
        assert_eq!(bench.records_of("ExitRole")[0]["userIdentity"]["userName"], "ann");
        assert!(find(&bench, &cookie).unwrap().row.role.is_none());
    }

    #[test]
    fn role_that_is_deleted_and_session_that_is_over_are_not_acted_in() {
        let bench = Bench::new();
        let (cookie, live) = ann(&bench);
        let token = token(&bench, "deploy");
        let switched = switch(&bench, &live, &token).unwrap();
        bench.write(|txn| txn.delete_entity::<Role>(account(), "deploy"));
        let left = find(&bench, &cookie).unwrap();
        assert!(left.role.is_none() && bench.service.switched(&left).is_none());
        assert_eq!(switch(&bench, &left, &token).unwrap_err(), Refused::BeginAgain);
        bench.service.sign_out(&bench.visitor(), &switched).unwrap();
        assert!(find(&bench, &cookie).is_none());
        assert_eq!(
            bench.service.exit_role(&bench.visitor(), &switched, HOME).unwrap_err(),
            Refused::BeginAgain
        );
    }

    #[test]
    fn token_of_anybody_but_a_role_is_not_switched_to() {
        let bench = Bench::new();
        let (_, live) = ann(&bench);
        assert!(matches!(live.row.holder, SignedIn::User(_)));
        bench.guard(|guard| guard.seal = rootward_state::entities::Seal::Never);
        let (_, token) = bench.credentials(Holder::Root, |_| ());
        assert_eq!(switch(&bench, &live, &token).unwrap_err(), Refused::BeginAgain);
        assert_eq!(switch(&bench, &live, "nonsense").unwrap_err(), Refused::BeginAgain);
    }

    #[test]
    fn role_is_called_by_account_id_or_alias_and_its_path() {
        let bench = Bench::new();
        let arn = |account, role| bench.service.role_arn(Partition::Aws, account, role);
        for account in ["111122223333", "1111-2222-3333", " Example "] {
            assert_eq!(arn(account, "/team/deploy ").unwrap(), "arn:aws:iam::111122223333:role/team/deploy");
        }
        assert_eq!(arn("nowhere", "deploy"), None);
    }
}
