//! Explaining a decision: every layer and statement that was consulted, and the first thing about it that did not fit.
//!
//! A separate, slower walk over the same layers with the same checks as [`decide`]; it costs decisions nothing.

use std::fmt;
use std::ops::ControlFlow;

use crate::context::{Context, Value};
use crate::decide::{Attached, Policies, Request, decide, each_layer, with_query};
use crate::decision::{Cause, Decision, Layer, Outcome};
use crate::diagnostic::printable;
use crate::pattern::Key;
use crate::policy::Effect;
use crate::program::{Miss, Query, Side, Statement};

/// Why a request was decided as it was. `Display` is the text for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation<'a> {
    /// The decision.
    pub decision: Decision<'a>,
    /// The layers that apply, in the order they were consulted; levels of SCPs and RCPs one by one, the root first.
    pub layers: Vec<LayerTrace<'a>>,
    /// Keys that statements about the action look at and the request does not have; each once, as first written.
    pub missing_keys: Vec<&'a str>,
}

/// One layer as it was consulted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LayerTrace<'a> {
    /// Which.
    pub layer: Layer,
    /// Statements about the action.
    pub statements: Vec<StatementTrace<'a>>,
    /// How many statements are about other actions.
    pub others: usize,
}

/// One statement about the action.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StatementTrace<'a> {
    /// The statement.
    pub cause: Cause<'a>,
    /// Its effect.
    pub effect: Effect,
    /// Whether it matched.
    pub verdict: Verdict,
}

/// What became of a statement about the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This condition is the first that did not hold.
    Condition {
        /// The operator.
        operator: String,
        /// The key as written in the policy.
        key: String,
        /// The policy's values.
        wanted: String,
        /// The request's value; none if the key is absent.
        saw: Option<String>,
    },
    /// It matched.
    Matched,
    /// It is about other principals.
    Principal,
    /// It is about other resources.
    Resource,
}

/// Decides a request and tells why.
pub fn explain<'a>(request: &Request<'_>, policies: &Policies<'a>) -> Explanation<'a> {
    let decision = decide(request, policies);
    let (mut layers, mut missing_keys) = (Vec::new(), Vec::new());
    if decision.layer != Layer::Free {
        with_query(request, policies, |query, facts| {
            let _all: ControlFlow<()> = each_layer(query, facts, policies, |layer, side, attached| {
                layers.push(trace(query, layer, side, attached, &mut missing_keys));
                ControlFlow::Continue(())
            });
        });
    }
    Explanation { decision, layers, missing_keys }
}

fn trace<'a>(
    query: &Query<'_>,
    layer: Layer,
    side: Side,
    attached: &[Attached<'a>],
    missing: &mut Vec<&'a str>,
) -> LayerTrace<'a> {
    let mut trace = LayerTrace { layer, statements: Vec::new(), others: 0 };
    for (policy, attached) in attached.iter().enumerate() {
        for (index, statement) in attached.program.statements.iter().enumerate() {
            let verdict = match statement.check(query, side) {
                Ok(_) => Verdict::Matched,
                Err(Miss::Action) => {
                    trace.others += 1;
                    continue;
                }
                Err(Miss::Condition(at)) => failed_condition(statement, at, query.context),
                Err(Miss::Principal) => Verdict::Principal,
                Err(Miss::Resource) => Verdict::Resource,
            };
            note_missing(statement, query.context, missing);
            let cause = Cause { policy, source: attached.source, index, statement };
            trace.statements.push(StatementTrace { cause, effect: statement.effect, verdict });
        }
    }
    trace
}

fn note_missing<'a>(statement: &'a Statement, context: &Context, missing: &mut Vec<&'a str>) {
    for name in statement.keys().filter(|key| key.find(context).is_none()).map(Key::name) {
        if !missing.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            missing.push(name);
        }
    }
}

fn failed_condition(statement: &Statement, at: usize, context: &Context) -> Verdict {
    let Some(condition) = statement.conditions.get(at) else { return Verdict::Matched };
    Verdict::Condition {
        operator: match &condition.operator {
            Ok(operator) => operator.to_string(),
            Err(unknown) => format!("{unknown} (unknown)"),
        },
        key: condition.key.name().to_owned(),
        wanted: printable(&condition.wanted, usize::MAX),
        saw: condition.key.find(context).map(|value| match value {
            Value::Single(text) => quoted(text),
            Value::Many(many) => format!("[{}]", many.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        }),
    }
}

fn quoted(text: &str) -> String {
    format!("`{}`", printable(text, SAW_CHARS_MAX))
}

/// Longer values of the request are cut.
const SAW_CHARS_MAX: usize = 200;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition { operator, key, wanted, saw } => {
                let wanted = if wanted.is_empty() { "nothing" } else { wanted };
                write!(f, "fails at {operator} on `{key}`: it wants {wanted}, ")?;
                match saw {
                    Some(saw) => write!(f, "the request has {saw}"),
                    None => f.write_str("the request does not have it"),
                }
            }
            Self::Matched => f.write_str("matches"),
            Self::Principal => f.write_str("names other principals"),
            Self::Resource => f.write_str("is about other resources"),
        }
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decision { outcome, layer, cause, .. } = self.decision;
        match (outcome, cause) {
            (Outcome::ImplicitDeny, _) => write!(f, "{outcome}: no {} allows it", layer.name())?,
            (_, Some(cause)) => write!(f, "{outcome} by {}: {cause}", layer.name())?,
            (_, None) => write!(f, "{outcome}: {}", layer.name())?,
        }
        for trace in &self.layers {
            trace.fmt(f)?;
        }
        if !self.missing_keys.is_empty() {
            write!(f, "\nkeys the request does not have: {}", self.missing_keys.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for LayerTrace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}: ", self.layer.name())?;
        match (self.statements.len(), self.others) {
            (0, 0) => f.write_str("no statement")?,
            (0, _) => f.write_str("no statement is about this action")?,
            (count, _) => write!(f, "{count} of {} statements about this action", count + self.others)?,
        }
        for StatementTrace { cause, effect, verdict } in &self.statements {
            write!(f, "\n  {effect:?} {verdict} ({cause})")?;
        }
        Ok(())
    }
}
