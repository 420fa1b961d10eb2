//! Operation declarations: everything there is to know about one operation, in one value beside its function.
//!
//! The shape comes from the service model. The declaration adds what the model does not say: whether it reads or
//! writes, which actions it authorizes on which resources with which condition keys, and the function that does it.
//! Source of actions, resources and keys: Service Authorization Reference, the service's page.

use rootward_auth::authz::Callers;
use rootward_names::{AccountId, Time};
use rootward_policy::Context;
use rootward_state::entities::{Document, Tag};
use rootward_state::{Txn, World};
use rootward_wire::Operation;

use crate::{Failure, OpContext};

/// One operation.
pub struct Declaration<O: Operation> {
    /// Whether it can change state.
    pub effect: Effect,
    /// Which credentials it takes at all.
    pub callers: Callers,
    /// What the caller must be allowed to do; all of them. Empty only where AWS needs no permission.
    pub rules: &'static [Rule<O::Input>],
    /// Does it: synchronous, over a transaction, possibly more than once when commits race.
    pub run: Run<O>,
}

/// The function of an operation.
pub type Run<O> =
    fn(&OpContext<'_>, &mut Txn, &<O as Operation>::Input) -> Result<<O as Operation>::Output, Failure>;

/// Whether an operation can change state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Answers with credentials, and what it issued is on record. Writes nothing but that the code of a second factor was used.
    Issue,
    /// Answers from a snapshot.
    Read,
    /// Commits.
    Write,
}

/// One authorization a call needs.
pub struct Rule<I: 'static> {
    /// `service:Action`.
    pub action: &'static str,
    /// Whether this call needs it.
    pub when: fn(&Scope<'_>, &I) -> bool,
    /// The resource.
    pub target: fn(&Scope<'_>, &I) -> Target,
    /// The condition keys it carries besides the global ones and the target's tags.
    pub keys: &'static [Key<I>],
}

/// For rules that every call needs.
pub fn always<I>(_: &Scope<'_>, _: &I) -> bool {
    true
}

/// What rules may look at: the circumstances and the snapshot.
pub struct Scope<'a> {
    /// The circumstances of the call.
    pub ctx: &'a OpContext<'a>,
    /// The snapshot the call is authorized against.
    pub world: &'a World,
}

/// A condition key of a rule, as data: its name and where its value comes from.
pub enum Key<I: 'static> {
    /// `aws:RequestTag/…` and `aws:TagKeys`, from the tags in the request.
    RequestTags(fn(&I) -> Vec<(&str, &str)>),
    /// `aws:MultiFactorAuthPresent` and `aws:MultiFactorAuthAge`, when the caller shows a second factor with this very request:
    /// since when it counts. The code is looked at here and used up by the operation, on the same snapshot.
    SecondFactor(fn(&Scope<'_>, &I) -> Result<Option<Time>, Failure>),
    /// `aws:TagKeys` alone, where the request names keys only.
    TagKeys(fn(&I) -> Vec<&str>),
    /// A key with one value; absent for `None`.
    Text(&'static str, fn(&Scope<'_>, &I) -> Option<String>),
    /// A key with many values; absent for `None`.
    Texts(&'static str, fn(&Scope<'_>, &I) -> Option<Vec<String>>),
    /// `iam:PermissionsBoundary`: the boundary that the target has now.
    TargetBoundary,
}

/// The resource of an authorization.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Its ARN, or `*` for actions without resource types. An entity that does not exist has the ARN it would have.
    pub arn: String,
    /// How the denial names it where that is not the ARN, for example `user ann`.
    pub shown: Option<String>,
    /// Whose it is; the caller's account unless said otherwise.
    pub account: Option<AccountId>,
    /// Its tags, for `aws:ResourceTag/…` and `iam:ResourceTag/…`.
    pub tags: Vec<Tag>,
    /// Condition keys that belong to its type in its service, besides those of its tags.
    pub keys: Context,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// Its trust policy, where the resource is a role to be assumed.
    pub trust: Option<Document>,
}

impl Target {
    /// `*`: the action has no resource types.
    pub fn any() -> Self {
        Self::arn("*")
    }

    /// A resource that is named by its ARN and has no attributes.
    pub fn arn(arn: impl Into<String>) -> Self {
        Self { arn: arn.into(), ..Self::default() }
    }
}
