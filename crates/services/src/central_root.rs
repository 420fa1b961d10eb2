//! Root users of members, managed from one place: who may, and what of it is switched on.
//!
//! An organization with all features that trusts IAM switches on one or both of two features: credentials (its members' root
//! credentials are looked at and deleted, and their recovery is allowed) and sessions (privileged tasks in members). Both are carried
//! out in sessions of `sts:AssumeRoot`, by principals of the management account or of a member that administers IAM for it.
//!
//! Source: IAM User Guide, "Centrally manage root access for member accounts".

use rootward_auth::principal::root_arn;
use rootward_auth::root_task::RootTask;
use rootward_names::{AccountId, Partition};
use rootward_state::entities::{AccountStatus, Document, Organization};
use rootward_state::{OrganizationState, World};

/// IAM, as organizations trust it and delegate its administration.
pub(crate) const SERVICE: &str = "iam.amazonaws.com";

/// Whether the organization trusts IAM.
pub(crate) fn is_trusted(organization: &Organization) -> bool {
    organization.trusted.iter().any(|service| &*service.principal == SERVICE)
}

/// Whether the account administers IAM for the organization.
pub(crate) fn is_delegated(state: &OrganizationState, account: AccountId) -> bool {
    state.administers(account, SERVICE)
}

/// Whether the root credentials of its members are managed from one place.
pub(crate) fn manages_credentials(organization: &Organization) -> bool {
    organization.all_features && is_trusted(organization) && organization.root_access.credentials
}

/// Whether principals of `account` can be allowed to assume the root user of `member` for this task; without a task, for any.
pub(crate) fn may_assume(
    world: &World,
    account: AccountId,
    member: AccountId,
    task: Option<RootTask>,
) -> bool {
    let Some(state) = world.organization_of(account) else { return false };
    let organization = state.organization();
    let is_on = |task: RootTask| {
        let access = organization.root_access;
        if task.is_of_credentials() { access.credentials } else { access.sessions }
    };
    let is_on = task.map_or_else(|| RootTask::ALL.into_iter().any(is_on), is_on);
    let is_member = member != organization.management && state.member(member).is_some();
    // Not of one that is closed: its session would be good again when the account is opened anew.
    let is_open = world.account(member).is_some_and(|state| state.account().status == AccountStatus::Active);
    let is_theirs = account == organization.management || is_delegated(state, account);
    is_on && is_member && is_open && is_theirs && organization.all_features && is_trusted(organization)
}

/// What is put to the policy engine for the trust policy that the root user of `member` has not, when principals of `account` want to
/// assume it for this task; without a task, for any. `None`: they cannot, whatever their own policies say.
pub fn root_trust(
    world: &World,
    partition: Partition,
    account: AccountId,
    member: AccountId,
    task: Option<RootTask>,
) -> Option<Document> {
    may_assume(world, account, member, task).then(|| {
        let caller = root_arn(partition, account);
        Document::new(format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{caller}"}},"Action":"sts:AssumeRoot"}}}}"#
        ))
    })
}
