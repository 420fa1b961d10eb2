//! What rules are about: accounts, the root and units of the caller's organization as resources.
//!
//! One that does not exist has the ARN it would have. Who is in no organization asks about `*`, and the operation says why it cannot be.

use rootward_pipeline::{Scope, Target};
use rootward_state::Target as Child;

use super::{shown, standing};

/// What an id names by its form.
pub(super) fn child(id: &str) -> Option<Child> {
    let account = || id.parse().map(Child::Account).ok();
    id.parse().map(Child::Node).ok().or_else(account)
}

/// What an id names by its form, as a resource.
pub(super) fn by_id(scope: &Scope<'_>, id: &str) -> Target {
    of(scope, child(id))
}

/// An account as a resource, whether it is in the organization or not.
pub(super) fn account(scope: &Scope<'_>, id: &str) -> Target {
    match id.parse() {
        Ok(account) => of(scope, Some(Child::Account(account))),
        Err(_) => without_row(scope, "account", id),
    }
}

/// An account, root or unit as a resource; `*` where the input names none.
pub(super) fn of(scope: &Scope<'_>, child: Option<Child>) -> Target {
    let (Some(state), Some(child)) = (standing::in_scope(scope), child) else { return Target::any() };
    let tags = match &child {
        Child::Account(account) => state.member(*account).map(|row| row.tags.clone()),
        Child::Node(node) => state.node(node).map(|row| row.tags.clone()),
    };
    let arn = shown::target_arn(state.organization(), &child);
    Target { tags: tags.unwrap_or_default(), ..Target::arn(arn) }
}

/// Something that has no row here, as a resource without tags; `kind` is as [`shown::arn`] has it, and `id` may be a pattern.
pub(super) fn without_row(scope: &Scope<'_>, kind: &str, id: &str) -> Target {
    standing::in_scope(scope)
        .map_or_else(Target::any, |state| Target::arn(shown::arn(state.organization(), kind, id)))
}
