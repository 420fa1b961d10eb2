//! How sessions end that began with a sign-in: with what their owner signs in with, by hand, or by time; and the record of it.
//!
//! INVARIANT: whoever has a second factor has no session that began without one. Else a thief who came in by the password alone
//! would stay, and take the factor away again.
//!
//! INVARIANT: a session that broke the glass ends on record, whoever ends it: what ends one calls [`record_end`] in the same transaction.
//!
//! INVARIANT: a session that ends is over and not gone. Its row says that the sign-in, code or link which it began with was used, and
//! stays as long as that could be shown once more; then it is swept away.
//!
//! Limit: [`SESSIONS_MAX`] sessions of one owner. One more ends the one that was used least lately.

use std::net::IpAddr;

use rootward_audit::{Call, EventId, Record, UserIdentity};
use rootward_names::{AccountId, Handle, Random, Time};
use rootward_pipeline::OpContext;
use rootward_state::entities::{CredentialOwner, SignInSession, SignedIn};
use rootward_state::{RowKey, Txn};
use serde_json::json;

use crate::service_events;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its account was closed.
    AccountClosed,
    /// Its time was over.
    Expired,
    /// Its owner registered a second factor, and it had shown none.
    FactorRegistered,
    /// Its owner lost a second factor, and it may have shown that one.
    FactorRemoved,
    /// Its owner has another password.
    PasswordChanged,
    /// Somebody ended it.
    Revoked,
    /// Its owner signed out.
    SignedOut,
    /// Its owner has begun many others since.
    TooMany,
    /// Its owner was deleted.
    UserDeleted,
}

impl Why {
    const fn text(self) -> &'static str {
        match self {
            Self::AccountClosed => "account closed",
            Self::Expired => "expired",
            Self::FactorRegistered => "second factor registered",
            Self::FactorRemoved => "second factor removed",
            Self::PasswordChanged => "password changed",
            Self::Revoked => "revoked",
            Self::SignedOut => "signed out",
            Self::TooMany => "too many sessions",
            Self::UserDeleted => "user deleted",
        }
    }
}

/// The circumstances of an end.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// Why.
    pub why: Why,
    /// From where, if a request of somebody's has ended it.
    pub source_ip: Option<IpAddr>,
    /// When.
    pub now: Time,
}

/// `RootSessionEnded` for a session that broke the glass and is about to go; nothing for any other. One whose time was over
/// already has expired, whatever ends it now.
pub fn record_end(
    txn: &mut Txn,
    account: AccountId,
    (id, row): (Handle, &SignInSession),
    end: &End,
    random: &mut dyn Random,
) {
    let Some(state) = txn.view(account).filter(|_| row.reason.is_some()) else { return };
    let why = if row.expires <= end.now { Why::Expired } else { end.why };
    let parameters = json!({ "sessionId": id.to_string(), "reason": why.text() });
    let parameters = service_events::told(&parameters);
    let source_ip = end.source_ip.map_or_else(|| "rootward".to_owned(), |address| address.to_string());
    let region = state.account().partition.global_region();
    let call = Call { source: "rootward", name: "RootSessionEnded", region, source_ip: &source_ip };
    let (event, identity) = (EventId::new(end.now, random), UserIdentity::Service { name: "rootward" });
    let record = Record {
        request: parameters.as_deref(),
        recipient: Some(account),
        ..Record::new(event, end.now, call, identity)
    };
    service_events::put(txn, record);
}

/// Ends one session, whose row is `row`. Nothing happens to one that is over and on record as that.
pub fn end_one(
    txn: &mut Txn,
    account: AccountId,
    (id, row): (Handle, &SignInSession),
    end: &End,
    random: &mut dyn Random,
) {
    if is_ended(row, end.now) {
        return;
    }
    record_end(txn, account, (id, row), end, random);
    // Long ago, and not now: a clock that is set back a little brings nothing back.
    let over = SignInSession { expires: OVER, reason: None, ..row.clone() };
    txn.put(RowKey::Session(account, id), over);
}

/// When sessions expired that have ended.
const OVER: Time = Time::from_seconds(0);

/// Whether a session is over, and its end on record if it had to be.
fn is_ended(row: &SignInSession, now: Time) -> bool {
    row.expires <= now && row.reason.is_none()
}

/// Makes room for one more session of `holder`.
pub fn make_room(
    txn: &mut Txn,
    account: AccountId,
    holder: &SignedIn,
    now: Time,
    source_ip: Option<IpAddr>,
    random: &mut dyn Random,
) {
    let Some(state) = txn.view(account) else { return };
    let live = state.sessions().iter().filter(|(_, row)| row.holder == *holder && now < row.expires);
    let mut live: Vec<_> = live.map(|(id, row)| (row.used, *id)).collect();
    if live.len() < SESSIONS_MAX {
        return;
    }
    live.sort_unstable();
    let end = End { why: Why::TooMany, source_ip, now };
    for (_, id) in live.drain(..=live.len() - SESSIONS_MAX) {
        if let Some(row) = state.sessions().get(&id) {
            end_one(txn, account, (id, row), &end, random);
        }
    }
}

/// How many sessions anybody has at once: more than browsers and command lines, and few enough to read.
pub const SESSIONS_MAX: usize = 100;

/// Ends all sessions in an account that `ends` says: which ones.
pub(crate) fn end_all(
    txn: &mut Txn,
    account: AccountId,
    end: &End,
    random: &mut dyn Random,
    ends: impl Fn(Handle, &SignInSession) -> bool,
) -> Vec<Handle> {
    let Some(state) = txn.view(account) else { return Vec::new() };
    let mut ended = Vec::new();
    let left = state.sessions().iter().filter(|(_, row)| !is_ended(row, end.now));
    for (id, row) in left.filter(|(id, row)| ends(**id, row)) {
        end_one(txn, account, (*id, row), end, random);
        ended.push(*id);
    }
    ended
}

/// Ends the sessions of `owner`, but for one that is to stay and the one that it was allowed in. A sign-in that is under way reads its
/// owner's password, guarded, and loses.
pub(crate) fn end(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    owner: CredentialOwner,
    stays: Option<Handle>,
    why: Why,
) {
    let holder = holder(owner);
    let parent = stays.and_then(|id| txn.get::<SignInSession>(RowKey::Session(ctx.account(), id))?.parent);
    end_where(ctx, txn, why, |id, row| row.holder == holder && Some(id) != stays && Some(id) != parent);
}

/// A second factor of `owner` was just proved and bound: the session that it was proved in has shown it, all others that have
/// shown none end.
pub(crate) fn factor_bound(ctx: &OpContext<'_>, txn: &mut Txn, owner: CredentialOwner) {
    let (holder, here) = (holder(owner), here(ctx));
    if let Some(id) = here {
        let key = RowKey::Session(ctx.account(), id);
        if let Some(row) = txn.get::<SignInSession>(key.clone())
            && row.holder == holder
            && row.mfa.is_none()
        {
            txn.put(
                key,
                SignInSession { mfa: Some(ctx.now), restricted: false, ..SignInSession::clone(&row) },
            );
        }
    }
    end_where(ctx, txn, Why::FactorRegistered, |id, row| {
        row.holder == holder && row.mfa.is_none() && Some(id) != here
    });
}

/// A second factor of `owner` was just taken away, perhaps because somebody else has it: every session of theirs ends that has shown
/// one, but for the one in which it is done. Rows do not say which device was shown, and to sign in again costs little.
pub(crate) fn factor_removed(ctx: &OpContext<'_>, txn: &mut Txn, owner: CredentialOwner) {
    let (holder, here) = (holder(owner), here(ctx));
    end_where(ctx, txn, Why::FactorRemoved, |id, row| {
        row.holder == holder && row.mfa.is_some() && Some(id) != here
    });
}

fn end_where(ctx: &OpContext<'_>, txn: &mut Txn, why: Why, ends: impl Fn(Handle, &SignInSession) -> bool) {
    let end = End { why, source_ip: Some(ctx.source_ip), now: ctx.now };
    ctx.with_random(|random| end_all(txn, ctx.account(), &end, random, ends));
}

/// The session of a sign-in that the call is made in.
pub(crate) fn here(ctx: &OpContext<'_>) -> Option<Handle> {
    ctx.principal.sign_in().map(|sign_in| sign_in.session)
}

fn holder(owner: CredentialOwner) -> SignedIn {
    match owner {
        CredentialOwner::Root => SignedIn::Root,
        CredentialOwner::User(user) => SignedIn::User(user),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;
    use std::time::Duration;

    use rootward_state::entities::SessionKind;
    use serde_json::Value;

    use super::*;
    use crate::accounts;
    use crate::root_user;
    use crate::testing::Bench;

    /// Sessions of the root user: one that broke the glass, one that did not have to.
    fn bench() -> (Bench, Receiver<Value>, [Handle; 2]) {
        let bench = Bench::new();
        let events = bench.events();
        let sessions = [(); 2].map(|()| bench.add_session(SignedIn::Root, SessionKind::Console));
        bench.change_session(sessions[0], |row| row.reason = Some("drill".into()));
        (bench, events, sessions)
    }

    fn end(why: Why, now: Time) -> End {
        End { why, source_ip: Some(IpAddr::from([192, 0, 2, 9])), now }
    }

    fn next(events: &Receiver<Value>) -> Value {
        events.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn end_of_a_session_that_broke_the_glass_is_on_record_once_with_its_reason_and_no_other() {
        let (bench, events, [glass, _]) = bench();
        let account = bench.account();
        bench
            .write_with::<_, ()>(|txn, now, random, _| {
                Ok(end_all(txn, account, &end(Why::PasswordChanged, now), random, |_, _| true))
            })
            .unwrap();
        let record = next(&events);
        assert_eq!(record["eventName"], "RootSessionEnded");
        assert_eq!(
            record["requestParameters"],
            json!({ "sessionId": glass.to_string(), "reason": "password changed" })
        );
        assert_eq!(record["sourceIPAddress"], "192.0.2.9");
        assert_eq!(record["recipientAccountId"], account.to_string());
        bench.pass_seconds(-30);
        assert!(bench.live_sessions().is_empty(), "a clock that is set back brings none of them back");
        assert!(events.try_recv().is_err());
    }

    #[test]
    fn session_whose_time_was_over_has_expired_whatever_ends_it() {
        let (bench, events, _) = bench();
        bench.pass_seconds(3_600);
        bench
            .write_with::<_, ()>(|txn, now, random, _| {
                Ok(end_all(txn, bench.account(), &end(Why::Revoked, now), random, |_, _| true))
            })
            .unwrap();
        assert_eq!(next(&events)["requestParameters"]["reason"], "expired");
    }

    #[test]
    fn closing_and_resetting_record_what_they_end() {
        let (bench, events, [glass, plain]) = bench();
        let account = bench.account();
        let reset = bench.write_with(|txn, now, random, _| {
            root_user::reset_mfa(txn, account, &end(Why::FactorRemoved, now), random)
        });
        let mut ended = reset.unwrap().sessions;
        ended.sort();
        let mut both = [glass, plain];
        both.sort();
        assert_eq!(ended, both);
        assert_eq!(next(&events)["requestParameters"]["reason"], "second factor removed");
        let again = bench.add_session(SignedIn::Root, SessionKind::Console);
        bench.change_session(again, |row| row.reason = Some("drill".into()));
        let closed = bench.write_with(|txn, now, random, _| {
            accounts::close(txn, account, &end(Why::AccountClosed, now), random)
        });
        closed.unwrap();
        assert_eq!(next(&events)["requestParameters"]["reason"], "account closed");
    }
}
