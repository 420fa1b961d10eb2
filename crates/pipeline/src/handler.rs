//! Declarations without their types, so that one path can carry every operation.

use rootward_auth::authn::Authenticated;
use rootward_auth::authz::{Callers, Check};
use rootward_names::Time;
use rootward_policy::Context;
use rootward_state::Txn;
use rootward_wire::{Error, Mismatch, Operation, OperationSchema, Shape, Structure, Value};

use crate::declaration::{Declaration, Effect, Key, Rule, Scope, Target};
use crate::unsigned::{Knock, TurnedAway, Unsigned};
use crate::{Failure, OpContext};

/// A declared operation.
pub trait Handler: Send + Sync {
    /// What the model says of it.
    fn schema(&self) -> &'static OperationSchema;
    /// Whether it can change state.
    fn effect(&self) -> Effect;
    /// Which credentials it takes at all.
    fn callers(&self) -> Callers;
    /// The actions it may authorize.
    fn actions(&self) -> Vec<&'static str>;
    /// Its typed call, from validated input.
    ///
    /// # Errors
    /// [`Mismatch`] when the value is not of the input's shape: our bug.
    fn call(&'static self, input: Value) -> Result<Box<dyn Call>, Mismatch>;
    /// An error with what the service's model gives its own besides.
    fn complete(&self, error: Error) -> Error {
        error
    }
}

/// One call of an operation: its typed input.
pub trait Call: Send + Sync {
    /// The input, for the audit record.
    fn input(&self) -> &dyn Structure;
    /// Who calls, as the input itself proves: of operations that come without a signature.
    ///
    /// # Errors
    /// [`TurnedAway`].
    fn caller(&self, knock: &Knock<'_>) -> Result<Authenticated, TurnedAway>;
    /// Shows everything the caller must be allowed to do, in order, until one is refused.
    ///
    /// # Errors
    /// What `allowed` returned for the first refusal; a second factor that is none.
    fn authorize(
        &self,
        scope: &Scope<'_>,
        allowed: &mut dyn FnMut(Check<'_>, Context) -> Result<(), Failure>,
    ) -> Result<Allowed, Failure>;
    /// Does it, once it was authorized.
    ///
    /// # Errors
    /// The operation's own [`Failure`]s.
    fn run(&self, allowed: Allowed, ctx: &OpContext<'_>, txn: &mut Txn) -> Result<Output, Failure>;
}

/// The proof that everything a call needs was allowed: nothing but [`Call::authorize`] makes one, nothing runs without.
#[derive(Debug)]
pub struct Allowed(());

/// The output of a call, ready to be encoded.
pub type Output = Box<dyn Structure + Send>;

struct Typed<O: Operation + 'static>
where
    O::Input: 'static,
{
    declaration: &'static Declaration<O>,
    unsigned: Option<&'static Unsigned<O>>,
    input: O::Input,
}

impl<O> Handler for Declaration<O>
where
    O: Operation + Send + Sync + 'static,
    O::Input: Send + Sync + 'static,
    O::Output: Send + 'static,
{
    fn schema(&self) -> &'static OperationSchema {
        O::DESCRIPTION
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn callers(&self) -> Callers {
        self.callers
    }

    fn actions(&self) -> Vec<&'static str> {
        self.rules.iter().map(|rule| rule.action).collect()
    }

    fn call(&'static self, input: Value) -> Result<Box<dyn Call>, Mismatch> {
        let input = O::Input::from_value(Some(input))?;
        Ok(Box::new(Typed { declaration: self, unsigned: None, input }))
    }
}

impl<O> Handler for Unsigned<O>
where
    O: Operation + Send + Sync + 'static,
    O::Input: Send + Sync + 'static,
    O::Output: Send + 'static,
{
    fn schema(&self) -> &'static OperationSchema {
        self.declaration.schema()
    }

    fn effect(&self) -> Effect {
        self.declaration.effect
    }

    fn callers(&self) -> Callers {
        self.declaration.callers
    }

    fn actions(&self) -> Vec<&'static str> {
        self.declaration.actions()
    }

    fn call(&'static self, input: Value) -> Result<Box<dyn Call>, Mismatch> {
        let input = O::Input::from_value(Some(input))?;
        Ok(Box::new(Typed { declaration: &self.declaration, unsigned: Some(self), input }))
    }

    fn complete(&self, error: Error) -> Error {
        (self.complete)(error)
    }
}

impl<O> Call for Typed<O>
where
    O: Operation + Send + Sync + 'static,
    O::Input: Send + Sync + 'static,
    O::Output: Send + 'static,
{
    fn input(&self) -> &dyn Structure {
        &self.input
    }

    fn caller(&self, knock: &Knock<'_>) -> Result<Authenticated, TurnedAway> {
        let unsigned =
            self.unsigned.ok_or_else(|| Failure::internal("an operation without proof of its caller"))?;
        (unsigned.caller)(knock, &self.input)
    }

    fn authorize(
        &self,
        scope: &Scope<'_>,
        allowed: &mut dyn FnMut(Check<'_>, Context) -> Result<(), Failure>,
    ) -> Result<Allowed, Failure> {
        for (rule, target, context) in self.declaration.needs(scope, &self.input) {
            let second_factor = second_factor(rule, scope, &self.input)?;
            allowed(Check { second_factor, ..check(rule.action, &target, scope) }, context)?;
        }
        Ok(Allowed(()))
    }

    fn run(&self, _: Allowed, ctx: &OpContext<'_>, txn: &mut Txn) -> Result<Output, Failure> {
        (self.declaration.run)(ctx, txn, &self.input).map(|output| Box::new(output) as Output)
    }
}

impl<O: Operation> Declaration<O> {
    /// What a call needs: each rule that applies, with its target and the condition keys of its own.
    pub fn needs<'a>(
        &'a self,
        scope: &'a Scope<'_>,
        input: &'a O::Input,
    ) -> impl Iterator<Item = (&'a Rule<O::Input>, Target, Context)> {
        let needed = self.rules.iter().filter(|rule| (rule.when)(scope, input));
        needed.map(|rule| asked(rule, scope, input))
    }

    /// Each rule with its target and the condition keys of its own, whether the call needs it or not: for what nothing has to allow, but
    /// may be denied.
    pub fn all_needs<'a>(
        &'a self,
        scope: &'a Scope<'_>,
        input: &'a O::Input,
    ) -> impl Iterator<Item = (&'a Rule<O::Input>, Target, Context)> {
        self.rules.iter().map(|rule| asked(rule, scope, input))
    }
}

/// A rule with its target and the condition keys of its own.
fn asked<'a, I>(rule: &'a Rule<I>, scope: &Scope<'_>, input: &I) -> (&'a Rule<I>, Target, Context) {
    let target = (rule.target)(scope, input);
    let context = context(rule, scope, input, &target);
    (rule, target, context)
}

fn check<'a>(action: &'static str, target: &'a Target, scope: &Scope<'_>) -> Check<'a> {
    Check {
        action,
        resource: &target.arn,
        shown: target.shown.as_deref(),
        resource_account: target.account.unwrap_or_else(|| scope.ctx.account()),
        trust: target.trust.as_ref(),
        second_factor: None,
    }
}

/// When the caller has shown a second factor with this request, where the rule looks at one.
fn second_factor<I>(rule: &Rule<I>, scope: &Scope<'_>, input: &I) -> Result<Option<Time>, Failure> {
    let shown = rule.keys.iter().find_map(|key| match key {
        Key::SecondFactor(shown) => Some(shown),
        _ => None,
    });
    shown.map_or(Ok(None), |shown| shown(scope, input))
}

/// The condition keys of one authorization besides the global ones.
fn context<I>(rule: &Rule<I>, scope: &Scope<'_>, input: &I, target: &Target) -> Context {
    let mut context = Context::new();
    for tag in &target.tags {
        context.text(&format!("aws:ResourceTag/{}", tag.key), &tag.value);
        // Of the resource's service, whatever service is called: `AssumeRole` is about a role, which belongs to IAM.
        if let Some(owner) = target.arn.split(':').nth(2) {
            context.text(&format!("{owner}:ResourceTag/{}", tag.key), &tag.value);
        }
    }
    context.extend(&target.keys);
    for key in rule.keys {
        match key {
            Key::RequestTags(tags) => {
                let tags = tags(input);
                for (name, value) in &tags {
                    context.text(&format!("aws:RequestTag/{name}"), value);
                }
                tag_keys(&mut context, tags.iter().map(|(name, _)| *name).collect());
            }
            Key::TagKeys(names) => tag_keys(&mut context, names(input)),
            Key::Text(name, value) => {
                if let Some(value) = value(scope, input) {
                    context.text(name, &value);
                }
            }
            Key::Texts(name, values) => {
                if let Some(values) = values(scope, input) {
                    context.list(name, values.iter().map(String::as_str));
                }
            }
            // Told with the keys of the session, over which it wins.
            Key::SecondFactor(_) => {}
            Key::TargetBoundary => {
                if let Some(boundary) = &target.boundary {
                    context.text("iam:PermissionsBoundary", boundary);
                }
            }
        }
    }
    context
}

/// Present only when the request names tags.
fn tag_keys(context: &mut Context, names: Vec<&str>) {
    if !names.is_empty() {
        context.list("aws:TagKeys", names);
    }
}
