//! What a policy denies to who needs no permission for it here: their own, or a part of an answer that was allowed as a whole.

use rootward_auth::authz::{self, Check, RequestFacts};
use rootward_pipeline::{Declaration, Failure, OpContext};
use rootward_state::Txn;
use rootward_wire::Operation;

/// Refuses a call of the operation if a policy denies something that it needs; nothing has to allow it. The service is one for all regions.
///
/// # Errors
/// The refusal, with the kind of policy that denies.
pub(crate) fn refuse<O: Operation>(
    ctx: &OpContext<'_>,
    txn: &Txn,
    operation: &Declaration<O>,
    input: &O::Input,
) -> Result<(), Failure> {
    let facts = RequestFacts { region: ctx.partition().global_region(), ..ctx.facts() };
    ctx.in_scope(txn.world(), |scope| {
        operation.all_needs(scope, input).try_for_each(|(rule, target, context)| {
            let check = Check {
                action: rule.action,
                resource: &target.arn,
                shown: None,
                resource_account: ctx.account(),
                trust: None,
                second_factor: None,
            };
            authz::refuse_denied(txn.world(), ctx.principal, &facts, &check, context)
        })
    })
    .map_err(Failure::from)
}
