//! Sessions: what a finished sign-in leaves with the browser, and who acts in it.
//!
//! The cookie is `ACCOUNT.SESSION.SECRET`; the row holds a digest of the secret. A session is found by two look-ups in memory and
//! is over when its row is gone, when it has expired, when the password it began with was taken away with the row, or when
//! the cookie comes from another browser than it was given to ([`find`] holds the `User-Agent` against the row's,
//! and for the root user the address too). What the session's user may do is read from the state at each call.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rootward_auth::session::Tokens;
use rootward_auth::{Principal, SignIn, authn};
use rootward_names::{AccountId, Handle, Random, Time};
use rootward_state::World;
use rootward_state::entities::{AccountStatus, SessionKind, SignInSession, SignedIn};
use rootward_store::vault::Vault;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Visitor;

/// Longer cookies are not looked at.
const COOKIE_BYTES_MAX: usize = 128;
/// The longest user agent that is kept, in characters.
pub(crate) const AGENT_CHARS_MAX: usize = 256;

/// How long a secret is good after it was replaced, in seconds.
const OVERLAP_SECONDS: i64 = 60;

/// The secret of a session: in its cookie, and nowhere else.
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn random(random: &mut dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(bytes)
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// The value of the session's cookie.
    pub(crate) fn cookie(&self, account: AccountId, id: Handle) -> String {
        format!("{account}.{id}.{}", BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// A session that is not over.
#[derive(Debug, Clone)]
pub struct Live {
    /// The account that its user belongs to.
    pub account: AccountId,
    /// Its id.
    pub id: Handle,
    /// Its row.
    pub row: Arc<SignInSession>,
    /// Who signed in.
    pub signed_in: Principal,
    /// The role that they have switched to.
    pub role: Option<Principal>,
}

impl Live {
    /// Who acts: the role that was switched to, or who signed in.
    pub fn acting(&self) -> &Principal {
        self.role.as_ref().unwrap_or(&self.signed_in)
    }

    /// What every form of this session's pages carries, so that no other page can send one. The same as long as the session
    /// lasts and the same one acts in it: a form that is being filled in is good after its secret was replaced, and a role's
    /// form does nothing for the user who has switched back.
    pub fn csrf(&self, vault: &Vault) -> String {
        let form = format!("{} {}", self.id, self.acting().user_id());
        BASE64_URL_SAFE_NO_PAD.encode(vault.mac("console form", form.as_bytes()))
    }
}

/// Finds the session of a cookie, if it is not over and comes from where it was given to.
pub(crate) fn find(
    world: &World,
    tokens: &Tokens,
    cookie: &str,
    visitor: &Visitor<'_>,
    now: Time,
) -> Option<Live> {
    if cookie.len() > COOKIE_BYTES_MAX {
        return None;
    }
    let mut parts = cookie.split('.');
    let (account, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
    let (account, id): (AccountId, Handle) = (account.parse().ok()?, id.parse().ok()?);
    let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).ok().filter(|_| parts.next().is_none())?;
    let state = world.account(account)?;
    let row = state.sessions().get(&id)?;
    let digest: [u8; 32] = Sha256::digest(secret).into();
    let is_its = is_digest(row, &digest, now);
    // A clock that was set back prolongs nothing.
    let is_over = row.expires <= now || now < row.created || row.kind != SessionKind::Console;
    if !is_its || is_over || !is_from(row, visitor) || state.account().status != AccountStatus::Active {
        return None;
    }
    let sign_in = SignIn { session: id, kind: row.kind };
    let signed_in = authn::signed_in(world, account, tokens, row, sign_in, now)?;
    // A role's session that is over leaves its user in the account they came from.
    let role = row.role.as_deref().and_then(|token| temporary(world, tokens, token, sign_in, now));
    Some(Live { account, id, row: Arc::clone(row), signed_in, role })
}

/// Whether this is the digest of the session's secret, or of the one before while requests with that may be under way.
fn is_digest(row: &SignInSession, digest: &[u8; 32], now: Time) -> bool {
    let since = now.seconds() - row.rotated.at.seconds();
    let before = row.rotated.previous.filter(|_| (0..OVERLAP_SECONDS).contains(&since));
    let is_before = before.is_some_and(|before| digest.ct_eq(&before).into());
    bool::from(digest.ct_eq(&row.digest)) || is_before
}

/// Whether a request comes from where the session's cookie was given to. An address changes on the way to work; but a root
/// user's session is short, and worth more.
fn is_from(row: &SignInSession, visitor: &Visitor<'_>) -> bool {
    let same_agent = *row.user_agent == *agent(visitor);
    let same_address = row.holder != SignedIn::Root || *row.source_ip == *visitor.address.to_string();
    same_agent && same_address
}

/// The `User-Agent` as rows keep it.
pub(crate) fn agent(visitor: &Visitor<'_>) -> String {
    visitor.user_agent.unwrap_or_default().chars().take(AGENT_CHARS_MAX).collect()
}

/// Whoever holds a session token, in the session of a sign-in.
fn temporary(world: &World, tokens: &Tokens, token: &str, sign_in: SignIn, now: Time) -> Option<Principal> {
    let principal = authn::holder(world, tokens.open(token).ok()?, now).ok()?;
    Some(principal.in_session(sign_in))
}
