//! Requests to use the root user: `ListRootAccessRequests`, `ApproveRootAccess`, `RejectRootAccess`.
//!
//! Who decides is a person: an IAM user who is named as an approver, in a session in which a second factor was shown. An access key
//! that lies in a file somewhere agrees to nothing.

use std::cmp::Reverse;

use rootward_api::rootward as api;
use rootward_auth::Identity;
use rootward_auth::guard::{Verdict, standing};
use rootward_names::{Handle, Time};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::entities::{Purpose, RootAccess, User};
use rootward_state::{AccountState, Txn};

use super::{failures, root_user};
use crate::root_guard::{self, GuardError};

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&APPROVE_ROOT_ACCESS, &LIST_ROOT_ACCESS_REQUESTS, &REJECT_ROOT_ACCESS];

/// A page, unless fewer are asked for.
const PAGE: usize = 100;

static LIST_ROOT_ACCESS_REQUESTS: Declaration<api::ListRootAccessRequests> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule { action: "rootward:ListRootAccessRequests", when: always, target: root_user, keys: &[] }],
    run: list_root_access_requests,
};

/// Newest first. The token is the place of the last one shown, so that what comes and goes meanwhile shifts nothing.
fn list_root_access_requests(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListRootAccessRequestsRequest,
) -> Result<api::ListRootAccessRequestsResponse, Failure> {
    let after = input.next_token.as_deref().map(place).transpose()?;
    let count = input.max_results.and_then(|count| usize::try_from(count).ok()).unwrap_or(PAGE);
    let state = ctx.view(txn)?;
    let mut found: Vec<_> = state.root_accesses().iter().map(|(id, row)| (row.requested, *id, row)).collect();
    found.sort_by_key(|(requested, id, _)| Reverse((*requested, *id)));
    let mut shown = found
        .into_iter()
        .filter(|(requested, id, _)| after.is_none_or(|after| (*requested, *id) < after))
        .map(|(requested, id, row)| (requested, id, request(&state, id, row, ctx.now)))
        .filter(|(.., request)| input.status.is_none_or(|status| request.status == status))
        .peekable();
    let (mut requests, mut last) = (Vec::new(), None);
    while requests.len() < count
        && let Some((requested, id, request)) = shown.next()
    {
        requests.push(request);
        last = Some((requested, id));
    }
    let next = last.filter(|_| shown.peek().is_some());
    let next_token = next.map(|(requested, id)| format!("{}-{id}", requested.millis()));
    Ok(api::ListRootAccessRequestsResponse { requests, next_token })
}

fn place(token: &str) -> Result<(Time, Handle), Failure> {
    let place = token
        .split_once('-')
        .and_then(|(millis, id)| Some((Time::from_millis(millis.parse().ok()?), id.parse().ok()?)));
    place.ok_or_else(failures::invalid_token)
}

static APPROVE_ROOT_ACCESS: Declaration<api::ApproveRootAccess> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule { action: "rootward:ApproveRootAccess", when: always, target: root_user, keys: &[] }],
    run: approve_root_access,
};

fn approve_root_access(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ApproveRootAccessRequest,
) -> Result<api::ApproveRootAccessResponse, Failure> {
    Ok(api::ApproveRootAccessResponse { request: decided(ctx, txn, &input.request_id, true)? })
}

static REJECT_ROOT_ACCESS: Declaration<api::RejectRootAccess> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule { action: "rootward:RejectRootAccess", when: always, target: root_user, keys: &[] }],
    run: reject_root_access,
};

fn reject_root_access(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::RejectRootAccessRequest,
) -> Result<api::RejectRootAccessResponse, Failure> {
    Ok(api::RejectRootAccessResponse { request: decided(ctx, txn, &input.request_id, false)? })
}

fn decided(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    id: &str,
    approved: bool,
) -> Result<api::RootAccessRequest, Failure> {
    let Identity::User(user) = &ctx.principal.identity else { return Err(failures::only_users()) };
    if ctx.principal.mfa().is_none() {
        return Err(failures::mfa_needed());
    }
    let refused = |error: GuardError| failures::refused(&error);
    let id: Handle = id.parse().map_err(|_| refused(GuardError::NoSuchRequest))?;
    let row = root_guard::decide(txn, ctx.account(), id, user.id, approved, ctx.now).map_err(refused)?;
    Ok(request(&*ctx.view(txn)?, id, &row, ctx.now))
}

/// A request as it stands. Only approvals that count are shown.
fn request(state: &AccountState, id: Handle, row: &RootAccess, now: Time) -> api::RootAccessRequest {
    let standing = standing(state, row, now);
    let given =
        row.decisions.iter().filter(|given| given.approved && standing.approved.contains(&given.user));
    let approvals = given.filter_map(|given| {
        let user = state.by_id::<User>(given.user)?;
        Some(api::RootAccessApproval { user_name: user.name.to_string(), at: given.at })
    });
    api::RootAccessRequest {
        request_id: id.to_string(),
        purpose: match &row.purpose {
            Purpose::ChangeGuard => api::RootAccessPurpose::ChangeSettings,
            Purpose::DeleteGuardPolicy(_) => api::RootAccessPurpose::DeleteGuardPolicy,
            Purpose::PutGuardPolicy(_) => api::RootAccessPurpose::PutGuardPolicy,
            Purpose::SignIn => api::RootAccessPurpose::SignIn,
            Purpose::Unseal(_) => api::RootAccessPurpose::Unseal,
        },
        reason: Some(row.reason.to_string()).filter(|reason| !reason.is_empty()),
        policy: row.purpose.document().map(|document| document.text().to_owned()),
        source_ip_address: row.source_ip.to_string(),
        requested_at: row.requested,
        expires_at: row.expires,
        status: match standing.verdict {
            Verdict::Expired => api::RootAccessRequestStatus::Expired,
            Verdict::Granted => api::RootAccessRequestStatus::Approved,
            Verdict::Pending => api::RootAccessRequestStatus::Pending,
            Verdict::Rejected => api::RootAccessRequestStatus::Rejected,
            Verdict::Used => api::RootAccessRequestStatus::Used,
        },
        required: i32::try_from(standing.required).unwrap_or(i32::MAX),
        approvals: approvals.collect(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rootward_state::RowKey;
    use rootward_state::entities::RootGuard;
    use rootward_testkit::Seeded;

    use super::*;
    use crate::testing::Bench;

    pub(in super::super) fn say(
        bench: &Bench,
        request: &str,
        approved: bool,
    ) -> Result<api::RootAccessRequest, Failure> {
        let request_id = request.to_owned();
        if approved {
            let input = api::ApproveRootAccessRequest { request_id };
            bench.run(&APPROVE_ROOT_ACCESS, input).map(|output| output.request)
        } else {
            let input = api::RejectRootAccessRequest { request_id };
            bench.run(&REJECT_ROOT_ACCESS, input).map(|output| output.request)
        }
    }

    /// Requests to sign in, the later the younger; ann must agree.
    fn asked(count: u64) -> (Bench, Vec<String>) {
        let bench = Bench::new();
        let ann = bench.add_user("ann");
        bench.add_factor(ann);
        let guard = RootGuard { approvals_required: 1, approvers: vec![ann], ..RootGuard::new() };
        bench.write(|txn| txn.put(RowKey::RootGuard(bench.account()), guard));
        let ids = (0..count).map(|number| {
            let id = Handle::random(&mut Seeded::new(number));
            let row = RootAccess {
                purpose: Purpose::SignIn,
                reason: format!("drill {number}").into(),
                digest: [0; 32],
                source_ip: "192.0.2.7".into(),
                requested: bench.now(),
                expires: bench.now().plus_seconds(3_600),
                decisions: Vec::new(),
                used: None,
            };
            bench.write(|txn| txn.put(RowKey::RootAccess(bench.account(), id), row));
            bench.pass_seconds(1);
            id.to_string()
        });
        let ids = ids.collect();
        bench.call_as_user("ann");
        bench.call_with_temporary(Some(bench.now()));
        (bench, ids)
    }

    fn list(bench: &Bench, input: api::ListRootAccessRequestsRequest) -> api::ListRootAccessRequestsResponse {
        bench.run(&LIST_ROOT_ACCESS_REQUESTS, input).unwrap()
    }

    #[test]
    fn approver_with_a_second_factor_decides_once() {
        let (bench, ids) = asked(2);
        let [first, second] = &*ids else { panic!("two") };
        let shown = say(&bench, first, true).unwrap();
        assert_eq!(
            (shown.status, shown.purpose),
            (api::RootAccessRequestStatus::Approved, api::RootAccessPurpose::SignIn)
        );
        assert_eq!((shown.required, shown.approvals.len()), (1, 1));
        assert_eq!((&*shown.approvals[0].user_name, shown.approvals[0].at), ("ann", bench.now()));
        assert_eq!(say(&bench, first, true).unwrap_err().code, "ConflictException");
        let shown = say(&bench, second, false).unwrap();
        assert_eq!((shown.status, shown.approvals.len()), (api::RootAccessRequestStatus::Rejected, 0));
        for unknown in ["nothing", &"0".repeat(32)] {
            assert_eq!(say(&bench, unknown, true).unwrap_err().code, "ResourceNotFoundException");
        }
    }

    #[test]
    fn neither_root_nor_role_nor_key_nor_another_user_decides() {
        let (bench, ids) = asked(1);
        bench.call_as_user("ann");
        assert!(say(&bench, &ids[0], true).unwrap_err().message.contains("second factor"));
        bench.call_with_temporary(None);
        assert!(say(&bench, &ids[0], true).unwrap_err().message.contains("second factor"));
        bench.add_role("r");
        bench.call_as_role("r");
        assert_eq!(say(&bench, &ids[0], true).unwrap_err(), failures::only_users());
        bench.call_as_root();
        bench.call_with_temporary(Some(bench.now()));
        assert_eq!(say(&bench, &ids[0], true).unwrap_err(), failures::only_users());
        bench.add_factor(bench.add_user("bob"));
        bench.call_as_user("bob");
        bench.call_with_temporary(Some(bench.now()));
        let refused = say(&bench, &ids[0], false).unwrap_err();
        assert_eq!((refused.code, refused.status), ("AccessDenied", 403));
        assert!(bench.state().root_accesses().iter().all(|(_, row)| row.decisions.is_empty()));
    }

    #[test]
    fn requests_are_listed_newest_first_in_pages_and_by_status() {
        let (bench, ids) = asked(3);
        say(&bench, &ids[1], true).unwrap();
        let (mut seen, mut next_token) = (Vec::new(), None);
        loop {
            let input =
                api::ListRootAccessRequestsRequest { max_results: Some(1), next_token, ..Default::default() };
            let page = list(&bench, input);
            assert_eq!(page.requests.len(), 1);
            seen.extend(page.requests.into_iter().map(|request| request.request_id));
            next_token = page.next_token;
            if next_token.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids.iter().rev().cloned().collect::<Vec<_>>());
        let status = Some(api::RootAccessRequestStatus::Approved);
        let approved =
            list(&bench, api::ListRootAccessRequestsRequest { status, ..Default::default() }).requests;
        assert_eq!(approved.len(), 1);
        assert_eq!((&approved[0].request_id, approved[0].reason.as_deref()), (&ids[1], Some("drill 1")));
        bench.pass_seconds(3_600);
        let expired = list(&bench, api::ListRootAccessRequestsRequest::default()).requests;
        assert!(expired.iter().all(|request| request.status == api::RootAccessRequestStatus::Expired));
        let input = api::ListRootAccessRequestsRequest { next_token: Some("x".into()), ..Default::default() };
        assert_eq!(bench.run(&LIST_ROOT_ACCESS_REQUESTS, input).unwrap_err().code, "ValidationException");
    }
}
