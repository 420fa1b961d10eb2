//! Where the caller stands: in which organization, and as whom.
//!
//! - Whoever is in no organization is told so by everything but what makes or joins one.
//! - What changes the organization is the management account's. Delegated administrators look at everything, and change what the resource
//!   policy hands to them. It hands things to anybody of a member, too: then their own policies and it must both allow what they do.

use std::sync::Arc;

use rootward_auth::authz::{self, Check, RequestFacts};
use rootward_names::{AccountId, OrganizationId};
use rootward_pipeline::{Declaration, Effect, Failure, OpContext, Scope};
use rootward_policy::Outcome;
use rootward_state::entities::Organization;
use rootward_state::{OrganizationState, RowKey, Txn, World};
use rootward_wire::Operation;

use super::{failures, resource_policy};

/// The organization that the caller's account is in, unguarded.
///
/// # Errors
/// `AWSOrganizationsNotInUseException`.
pub(super) fn own(ctx: &OpContext<'_>, txn: &Txn) -> Result<Arc<OrganizationState>, Failure> {
    of(txn.world(), ctx.account())
}

/// The same, for whoever may look at it: the management account, members that administer a service for it, and whom the resource policy
/// lets do what the operation needs.
///
/// # Errors
/// `AWSOrganizationsNotInUseException`, `AccessDeniedException`.
pub(super) fn looked_at<O: Operation>(
    ctx: &OpContext<'_>,
    txn: &Txn,
    operation: &Declaration<O>,
    input: &O::Input,
) -> Result<Arc<OrganizationState>, Failure> {
    let state = own(ctx, txn)?;
    let may = state.is_management(ctx.account())
        || match handed_over(ctx, txn.world(), &state, operation, input) {
            Outcome::Allowed => true,
            Outcome::ExplicitDeny => false,
            Outcome::ImplicitDeny => state.is_delegated_administrator(ctx.account()),
        };
    if may { Ok(state) } else { Err(failures::not_management()) }
}

/// The same, for whoever may change it: the management account. Its row is guarded, so that the organization is there when the change is.
///
/// # Errors
/// `AWSOrganizationsNotInUseException`, `AccessDeniedException`.
pub(super) fn managed(ctx: &OpContext<'_>, txn: &mut Txn) -> Result<Arc<OrganizationState>, Failure> {
    let state = own(ctx, txn)?;
    if !state.is_management(ctx.account()) {
        return Err(failures::not_management());
    }
    row(txn, &state.organization().id)?;
    Ok(state)
}

/// As [`managed`], and also for whom the resource policy lets do what the operation needs.
///
/// # Errors
/// `AWSOrganizationsNotInUseException`, `AccessDeniedException`.
pub(super) fn managed_or_delegated<O: Operation>(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    operation: &Declaration<O>,
    input: &O::Input,
) -> Result<Arc<OrganizationState>, Failure> {
    let state = own(ctx, txn)?;
    // Guarded before it is read, so that the policy that decides is the one at the commit.
    row(txn, &state.organization().id)?;
    let may = state.is_management(ctx.account())
        || handed_over(ctx, txn.world(), &state, operation, input) == Outcome::Allowed;
    if may { Ok(state) } else { Err(failures::not_management()) }
}

/// What the organization's resource policy comes to for the caller, as the policy engine says: what is the organization's is the
/// management account's, so a member's principal needs this policy and its own. Of what the operation needs the least decides.
fn handed_over<O: Operation>(
    ctx: &OpContext<'_>,
    world: &World,
    state: &OrganizationState,
    operation: &Declaration<O>,
    input: &O::Input,
) -> Outcome {
    let organization = state.organization();
    let Some(policy) = &organization.resource_policy else { return Outcome::ImplicitDeny };
    // The service is one for all regions.
    let facts = RequestFacts { region: ctx.partition().global_region(), ..ctx.facts() };
    ctx.in_scope(world, |scope| {
        let each = operation.needs(scope, input).map(|(rule, target, context)| {
            let check = Check {
                action: rule.action,
                resource: &target.arn,
                shown: None,
                resource_account: organization.management,
                trust: None,
                second_factor: None,
            };
            authz::with_resource_policy(world, ctx.principal, &facts, &check, &policy.document, context)
        });
        each.reduce(|all, one| match (all, one) {
            (Outcome::ExplicitDeny, _) | (_, Outcome::ExplicitDeny) => Outcome::ExplicitDeny,
            (Outcome::Allowed, Outcome::Allowed) => Outcome::Allowed,
            _ => Outcome::ImplicitDeny,
        })
        .unwrap_or(Outcome::ImplicitDeny)
    })
}

/// The organization's own row, guarded.
///
/// # Errors
/// `AWSOrganizationsNotInUseException` when it was deleted meanwhile.
pub(super) fn row(txn: &mut Txn, id: &OrganizationId) -> Result<Arc<Organization>, Failure> {
    txn.get(RowKey::Organization(id.clone())).ok_or_else(failures::not_in_use)
}

/// Writes that row as it is, so that one of two changes that must not both happen loses.
pub(super) fn touch(txn: &mut Txn, row: &Arc<Organization>) {
    txn.put::<Organization>(RowKey::Organization(row.id.clone()), Arc::clone(row));
}

/// The organization of the caller as rules see it, if there is one.
pub(super) fn in_scope<'s>(scope: &Scope<'s>) -> Option<&'s Arc<OrganizationState>> {
    scope.world.organization_of(scope.ctx.account())
}

/// What an operation says to principals of this account because of where the account stands, for a question about its action that policies
/// alone would answer. `None`: nothing, or the action is no operation's.
pub fn standing_remark(world: &World, account: AccountId, action: &str) -> Option<String> {
    let mut operations = super::operations();
    let operation = operations.find(|operation| {
        let name = operation.schema().name;
        action.split_once(':').is_some_and(|(service, other)| {
            service.eq_ignore_ascii_case("organizations") && name.eq_ignore_ascii_case(other)
        })
    })?;
    let name = operation.schema().name;
    if OPEN_TO_ALL.contains(&name) {
        return None;
    }
    let Some(state) = world.organization_of(account) else {
        return Some(format!(
            "account {account} is in no organization, and {action} is for accounts of one only"
        ));
    };
    if state.is_management(account) || OPEN_TO_MEMBERS.contains(&name) {
        return None;
    }
    let management = state.organization().management;
    let others = match operation.effect() {
        Effect::Read if state.is_delegated_administrator(account) => return None,
        Effect::Read => ", members that administer a service for it, and those its resource policy allows",
        _ if resource_policy::DELEGATED.contains(&name) => " and those its resource policy allows",
        _ => "",
    };
    Some(format!(
        "account {account} is a member of its organization, and {action} is for the management account {management}{others} only"
    ))
}

/// Operations of which an account in no organization has use, too.
const OPEN_TO_ALL: &[&str] = &[
    "AcceptHandshake",
    "CreateOrganization",
    "DeclineHandshake",
    "DescribeHandshake",
    "ListHandshakesForAccount",
];
/// Operations of every account in an organization; of `DescribeEffectivePolicy` about itself.
const OPEN_TO_MEMBERS: &[&str] = &["DescribeEffectivePolicy", "DescribeOrganization", "LeaveOrganization"];

fn of(world: &World, account: AccountId) -> Result<Arc<OrganizationState>, Failure> {
    world.organization_of(account).cloned().ok_or_else(failures::not_in_use)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organizations::testing::{delegate, organization};
    use crate::testing::Bench;

    const MEMBER: &str = "222233334444";

    #[test]
    fn names_of_operations_are_theirs() {
        for name in [OPEN_TO_ALL, OPEN_TO_MEMBERS, resource_policy::DELEGATED].concat() {
            assert!(super::super::operations().any(|operation| operation.schema().name == name), "{name}");
        }
    }

    #[test]
    fn remark_says_who_may_instead() {
        let bench = Bench::new();
        organization(&bench, &[MEMBER], &["iam.amazonaws.com"]);
        let said = |account: AccountId, name: &str| {
            let txn = bench.begin();
            standing_remark(txn.world(), account, &format!("organizations:{name}"))
        };
        let (management, member) = (bench.account(), MEMBER.parse().unwrap());
        for name in ["CloseAccount", "CreatePolicy", "ListAccounts"] {
            assert_eq!(said(management, name), None);
            assert!(said("999988887777".parse().unwrap(), name).unwrap().contains("is in no organization"));
        }
        let ends = |name: &str, end: &str| said(member, name).unwrap().ends_with(end);
        assert!(ends("CloseAccount", &format!("is for the management account {management} only")));
        assert!(ends("createpolicy", &format!("{management} and those its resource policy allows only")));
        assert!(ends("ListAccounts", "and those its resource policy allows only"));
        assert_eq!(said(member, "LeaveOrganization"), None);
        assert_eq!(said(member, "AcceptHandshake"), None);
        assert_eq!(said(member, "Nothing"), None);
        delegate(&bench, MEMBER, "iam.amazonaws.com");
        assert_eq!(said(member, "ListAccounts"), None);
        assert!(said(member, "CloseAccount").is_some());
    }
}
