//! `ListMemberRootCredentials`: what the root users of an organization's members have to sign in or to sign requests with.
//!
//! What a session of `sts:AssumeRoot` with the task to look at credentials would tell of one member, for all of them at once, and
//! under the same conditions: the caller's account manages the organization or administers IAM for it, and the management of root
//! credentials is on. It hands out no session and changes nothing.

use std::sync::Arc;

use rootward_api::rootward as api;
use rootward_names::AccountId;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::entities::CredentialOwner;
use rootward_state::{AccountState, OrganizationState, Txn, World};

use super::{asked, count, failures, named};
use crate::central_root;
use crate::organizations::overview::Unseen;
use crate::root_report::{Around, RootReport};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&LIST_MEMBER_ROOT_CREDENTIALS];

/// A page, unless fewer are asked for.
const PAGE: usize = 50;

static LIST_MEMBER_ROOT_CREDENTIALS: Declaration<api::ListMemberRootCredentials> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[
        Rule {
            action: "rootward:ListMemberRootCredentials",
            when: always,
            target: |_, _| Target::any(),
            keys: &[],
        },
        // Who may do everything but what is about identities and organizations, such as by PowerUserAccess, learns nothing of members.
        Rule { action: "organizations:ListAccounts", when: always, target: |_, _| Target::any(), keys: &[] },
    ],
    run: list_member_root_credentials,
};

/// In the order of their ids. The totals are of all members, whichever are asked for.
fn list_member_root_credentials(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListMemberRootCredentialsRequest,
) -> Result<api::ListMemberRootCredentialsResponse, Failure> {
    let (state, world) = (organization(ctx, txn)?, Arc::clone(txn.world()));
    let only = match &input.account_id {
        Some(id) => Some(member(&state, id)?),
        None => None,
    };
    let after = input.next_token.as_deref().map(str::parse::<AccountId>).transpose();
    let after = after.map_err(|_| failures::invalid_token())?;
    let page = asked(input.max_results, PAGE);
    let (mut members, mut last, mut next_token) = (Vec::new(), None::<AccountId>, None);
    let (mut total, mut with_credentials) = (0, 0);
    for (account, held) in held_by_members(&state, &world) {
        let is_equipped = Held::of(ctx, held).is_any();
        total += 1;
        with_credentials += usize::from(is_equipped);
        let is_asked_for = only.is_none_or(|only| only == account)
            && after.is_none_or(|after| after < account)
            && (is_equipped || input.only_present != Some(true));
        if is_asked_for && members.len() < page {
            members.extend(shown(ctx, &world, held));
            last = Some(account);
        } else if is_asked_for {
            next_token = next_token.or(last);
        }
    }
    Ok(api::ListMemberRootCredentialsResponse {
        members,
        members_total: count(total),
        members_with_credentials: count(with_credentials),
        next_token: next_token.map(|id| id.to_string()),
    })
}

/// The organization, where the caller's account may look at what its members' root users have.
fn organization(ctx: &OpContext<'_>, txn: &Txn) -> Result<Arc<OrganizationState>, Failure> {
    let unseen = failures::organization_unseen;
    let state = txn.world().organization_of(ctx.account());
    let state = state.ok_or_else(|| unseen(Unseen::NoOrganization))?;
    let organization = state.organization();
    if organization.management != ctx.account() && !central_root::is_delegated(state, ctx.account()) {
        return Err(unseen(Unseen::NotTheirs));
    }
    if !central_root::manages_credentials(organization) {
        return Err(failures::root_credentials_not_managed());
    }
    Ok(Arc::clone(state))
}

fn member(state: &OrganizationState, id: &str) -> Result<AccountId, Failure> {
    let account = id.parse().ok().filter(|account| *account != state.organization().management);
    let member = account.filter(|account| state.member(*account).is_some());
    member.ok_or_else(|| failures::no_such_member(id))
}

fn held_by_members<'w>(
    state: &'w OrganizationState,
    world: &'w World,
) -> impl Iterator<Item = (AccountId, &'w AccountState)> {
    let management = state.organization().management;
    let members = state.members().iter().filter(move |(id, _)| **id != management);
    members.filter_map(|(id, _)| Some((*id, &**world.account(*id)?)))
}

/// What a root user has.
struct Held {
    password: bool,
    /// No password, but it may set a first one by mail, and this node sends mail.
    recoverable: bool,
    /// The same, but for whether this node sends mail.
    recovery_allowed: bool,
    access_keys: usize,
    mfa_devices: usize,
}

impl Held {
    fn of(ctx: &OpContext<'_>, state: &AccountState) -> Self {
        let root = &state.account().root;
        let recovery_allowed = root.password.is_none() && root.recoverable.is_some();
        Self {
            password: root.password.is_some(),
            recoverable: recovery_allowed && ctx.sends_mail(),
            recovery_allowed,
            access_keys: root.access_keys.len(),
            mfa_devices: state.mfa_devices_of(CredentialOwner::Root).count(),
        }
    }

    /// A recovery that is allowed where no mail is sent is nothing that anybody can use.
    fn is_any(&self) -> bool {
        self.password || self.recoverable || self.access_keys > 0 || self.mfa_devices > 0
    }
}

fn shown(ctx: &OpContext<'_>, world: &World, state: &AccountState) -> Option<api::MemberRootCredentials> {
    let id = state.account().id;
    let (name, shown) = named(world, id);
    let held = Held::of(ctx, state);
    Some(api::MemberRootCredentials {
        account_id: id.to_string(),
        account_name: name.into(),
        state: shown?,
        password_present: held.password,
        password_recoverable: held.recoverable,
        recovery_allowed: held.recovery_allowed,
        access_keys: count(held.access_keys),
        mfa_devices: count(held.mfa_devices),
        last_used_date: RootReport::new(state, Around::of(world, state.account().id), ctx.now).last_used,
    })
}

#[cfg(test)]
mod tests {
    use rootward_state::RowKey;
    use rootward_state::entities::{Account, CentralRootAccess, Organization};

    use super::*;
    use crate::organizations::testing::{call_as, change, delegate, give_password, organization};
    use crate::testing::Bench;

    const MEMBERS: [&str; 3] = ["222233334444", "333344445555", "444455556666"];

    fn bench() -> (Bench, rootward_names::OrganizationId) {
        let bench = Bench::new();
        let id = organization(&bench, &MEMBERS, &["iam.amazonaws.com"]);
        change(&bench, &id, |row| row.root_access = CentralRootAccess { credentials: true, sessions: false });
        (bench, id)
    }

    fn list(bench: &Bench, input: api::ListMemberRootCredentialsRequest) -> Result<Vec<String>, Failure> {
        let answer = bench.run(&LIST_MEMBER_ROOT_CREDENTIALS, input)?;
        Ok(answer.members.into_iter().map(|member| member.account_id).collect())
    }

    #[test]
    fn what_members_root_users_have_is_listed_in_pages_and_counted() {
        let (bench, _) = bench();
        let second: AccountId = MEMBERS[1].parse().unwrap();
        give_password(&bench, second);
        let input = api::ListMemberRootCredentialsRequest { max_results: Some(2), ..Default::default() };
        let first = bench.run(&LIST_MEMBER_ROOT_CREDENTIALS, input.clone()).unwrap();
        assert_eq!((first.members_total, first.members_with_credentials), (3, 1));
        let held = |at: usize| (&*first.members[at].account_id, first.members[at].password_present);
        assert_eq!((held(0), held(1)), ((MEMBERS[0], false), (MEMBERS[1], true)));
        let input = api::ListMemberRootCredentialsRequest { next_token: first.next_token, ..input };
        assert_eq!(list(&bench, input).unwrap(), [MEMBERS[2]]);
        let only = api::ListMemberRootCredentialsRequest { only_present: Some(true), ..Default::default() };
        assert_eq!(list(&bench, only).unwrap(), [MEMBERS[1]]);
        let one = |id: &str| api::ListMemberRootCredentialsRequest {
            account_id: Some(id.into()),
            ..Default::default()
        };
        assert_eq!(list(&bench, one(MEMBERS[2])).unwrap(), [MEMBERS[2]]);
        for other in ["111122223333", "999988887777"] {
            assert_eq!(list(&bench, one(other)).unwrap_err().code, "ResourceNotFoundException");
        }
    }

    /// The first member's root user may recover a password.
    fn bench_with_recovery() -> Bench {
        let (bench, _) = bench();
        let member: AccountId = MEMBERS[0].parse().unwrap();
        bench.write(|txn| {
            let mut row = Account::clone(&txn.account(member).unwrap());
            row.root.recoverable = Some(row.created);
            txn.put(RowKey::Account(member), row);
        });
        bench
    }

    #[test]
    fn password_that_may_be_recovered_is_told_and_counts() {
        let bench = bench_with_recovery();
        let answer = bench.run(&LIST_MEMBER_ROOT_CREDENTIALS, Default::default()).unwrap();
        assert_eq!(
            (answer.members[0].password_present, answer.members[0].password_recoverable),
            (false, true)
        );
        assert_eq!(answer.members_with_credentials, 1);
    }

    #[test]
    fn recovery_that_is_allowed_is_no_way_in_where_no_mail_is_sent() {
        let bench = bench_with_recovery();
        bench.remove_mailer();
        let answer = bench.run(&LIST_MEMBER_ROOT_CREDENTIALS, Default::default()).unwrap();
        let allowed =
            |at: usize| (answer.members[at].recovery_allowed, answer.members[at].password_recoverable);
        assert_eq!((allowed(0), allowed(1)), ((true, false), (false, false)));
        assert_eq!(answer.members_with_credentials, 0);
        let only = api::ListMemberRootCredentialsRequest { only_present: Some(true), ..Default::default() };
        assert!(list(&bench, only).unwrap().is_empty());
    }

    #[test]
    fn it_needs_what_assuming_a_root_user_to_look_at_its_credentials_needs() {
        let (bench, id) = bench();
        let code =
            || list(&bench, Default::default()).map_err(|failure| failure.code).map(|found| found.len());
        assert_eq!(code(), Ok(3));
        let off: [fn(&mut Organization); 3] = [
            |row| row.root_access.credentials = false,
            |row| row.trusted.clear(),
            |row| row.all_features = false,
        ];
        let before = bench.begin().world().organization(&id).unwrap().organization().as_ref().clone();
        for switch in off {
            change(&bench, &id, switch);
            assert_eq!(code(), Err("ConflictException"));
            change(&bench, &id, |row| *row = before.clone());
        }
        call_as(&bench, MEMBERS[0]);
        assert_eq!(code(), Err("AccessDenied"));
        delegate(&bench, MEMBERS[0], "ram.amazonaws.com");
        assert_eq!(code(), Err("AccessDenied"));
        delegate(&bench, MEMBERS[0], "iam.amazonaws.com");
        assert_eq!(code(), Ok(3));
    }

    #[test]
    fn account_without_an_organization_has_no_members() {
        let bench = Bench::new();
        assert_eq!(list(&bench, Default::default()).unwrap_err().code, "ResourceNotFoundException");
    }
}
