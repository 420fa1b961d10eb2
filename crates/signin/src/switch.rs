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
use rootward_state::entities::{Named, Role, SignInSession};
use rootward_state::RowKey;
use serde_json::json;

use crate::act::Act;
use crate::record::Whom;
use crate::session::in_session;
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
            let role = in_session(role, SignIn { session: live.id, kind: live.row.kind });
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
