//! Explaining a decision: every layer and statement that was consulted, the first thing about each that did not fit, and the
//! smallest change that would allow what was denied.
//!
//! A separate, slower walk over the same layers with the same checks as [`decide`]; it costs decisions nothing. The change is
//! worked out in [`remedy`](crate::remedy). What is shown of documents and requests is cut where it is long, and holds no
//! control characters.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;

use rootward_names::folded;

use crate::condition::Condition;
use crate::context::{Context, Value};
use crate::decide::{Attached, Facts, Policies, Request, decide, each_layer, with_query};
use crate::decision::{Cause, Decision, Layer, Outcome};
use crate::diagnostic::printable;
use crate::outlook::{Outlook, is_open, outlook};
use crate::pattern::Key;
use crate::policy::Effect;
use crate::principal::Named;
use crate::program::{Miss, Query, Side, Statement};
use crate::remedy::{AtLevel, Change, remedy};

/// Why a request was decided as it was. `Display` is the text for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation<'a> {
    /// The decision.
    pub decision: Decision<'a>,
    /// The action, as asked for.
    pub action: String,
    /// The resource, as asked for.
    pub resource: String,
    /// Who asked: the ARN or the name.
    pub principal: String,
    /// The layers that apply, in the order they were consulted; levels of SCPs and RCPs one by one, the root first.
    pub layers: Vec<LayerTrace<'a>>,
    /// Keys that statements about the action look at, and the request does not have but might, or might have otherwise; each once, as
    /// first written.
    pub missing_keys: Vec<&'a str>,
    /// What would allow a denied request, all of it together; empty if it is allowed.
    pub changes: Vec<Change<'a>>,
    /// Whether the missing keys could change the decision.
    pub outlook: Outlook,
}

/// One layer as it was consulted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LayerTrace<'a> {
    /// Which.
    pub layer: Layer,
    /// Of SCPs and RCPs, which level.
    pub level: Option<Level>,
    /// How many policies it has.
    pub policies: usize,
    /// Statements about the action.
    pub statements: Vec<StatementTrace<'a>>,
    /// How many statements are about other actions.
    pub others: usize,
}

/// A level of SCPs or RCPs. `Display` is its name, or else tells its number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Level {
    /// 0 is the root of the organization.
    pub number: usize,
    /// What its policies are attached to, for people. The engine knows no organization: see [`Explanation::name_levels`].
    pub name: Option<String>,
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
    /// The conditions of one that matched: all of them held.
    pub held: Vec<ConditionTrace>,
    /// Whether a key that the request does not have could make it match, or not match.
    pub open: bool,
    /// How closely it names who asks, if it matched.
    pub(crate) named: Named,
}

/// What became of a statement about the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This condition is the first that did not hold.
    Condition(ConditionTrace),
    /// It matched.
    Matched,
    /// It is about other principals.
    Principal {
        /// The policy's principals.
        wanted: String,
    },
    /// It is about other resources.
    Resource {
        /// The policy's resources.
        wanted: String,
        /// Whether the statement is about all but these.
        not: bool,
    },
}

/// A condition, and what the request has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConditionTrace {
    /// The operator.
    pub operator: String,
    /// The key as written in the policy.
    pub key: String,
    /// The policy's values.
    pub wanted: String,
    /// The request's value; none if the key is absent.
    pub saw: Option<String>,
}

/// Decides a request and tells why.
pub fn explain<'a>(request: &Request<'_>, policies: &Policies<'a>) -> Explanation<'a> {
    explain_knowing(request, policies, |_, is_present| is_present)
}

/// The same of a request of which not all is known yet, and `is_settled` knows what is: it is asked by the name of a key, in any case, and
/// whether the request has it, and says whether that will not change. Nothing turns on such keys. It changes no decision.
pub fn explain_knowing<'a>(
    request: &Request<'_>,
    policies: &Policies<'a>,
    is_settled: impl Fn(&str, bool) -> bool,
) -> Explanation<'a> {
    let is_missing = |key: &Key| !is_settled(key.name(), key.find(request.context).is_some());
    let decision = decide(request, policies);
    let mut explanation = Explanation {
        decision,
        action: printable(request.action, SHOWN_CHARS_MAX),
        resource: printable(request.resource, SHOWN_CHARS_MAX),
        principal: printable(request.principal.shown(), SHOWN_CHARS_MAX),
        layers: Vec::new(),
        missing_keys: Vec::new(),
        changes: Vec::new(),
        outlook: Outlook::Allowed,
    };
    if decision.layer != Layer::Free {
        with_query(request, policies, |query, facts| {
            explanation.walk(query, facts, policies, request, &is_missing)
        });
    }
    explanation
}

impl<'a> Explanation<'a> {
    fn walk(
        &mut self,
        query: &Query<'_>,
        facts: &Facts,
        policies: &Policies<'a>,
        request: &Request<'_>,
        is_missing: &dyn Fn(&Key) -> bool,
    ) {
        let mut missing = Missing { names: Vec::new(), known: BTreeSet::new(), is_missing };
        let _all: ControlFlow<()> = each_layer(query, facts, policies, |layer, side, attached| {
            let levels = self.layers.iter().filter(|trace| trace.layer == layer).count();
            let level = Level { number: levels, name: None };
            let level = matches!(layer, Layer::Scp | Layer::Rcp).then_some(level);
            let mut trace =
                LayerTrace { layer, level, policies: attached.len(), statements: Vec::new(), others: 0 };
            trace.walk(query, side, attached, &mut missing);
            self.layers.push(trace);
            ControlFlow::Continue(())
        });
        self.missing_keys = missing.names;
        self.outlook = outlook(request, facts, &self.layers);
        if !self.decision.is_allowed() {
            self.changes = remedy(request, facts, &self.layers);
        }
    }
}

impl Explanation<'_> {
    /// Gives levels of SCPs and RCPs their names, where `name` knows one: the text then tells these and not numbers.
    pub fn name_levels(&mut self, name: impl Fn(Layer, usize) -> Option<String>) {
        let traced = self.layers.iter_mut().map(|trace| (trace.layer, &mut trace.level));
        let changed = self.changes.iter_mut().map(|change| match change {
            Change::Add { layer, level, .. } | Change::Except { layer, level, .. } => (*layer, level),
        });
        for (layer, level) in traced.chain(changed) {
            if let Some(level) = level {
                level.name = name(layer, level.number).map(|name| printable(&name, SHOWN_CHARS_MAX));
            }
        }
    }
}

impl<'a> LayerTrace<'a> {
    fn walk(
        &mut self,
        query: &Query<'_>,
        side: Side,
        attached: &[Attached<'a>],
        missing: &mut Missing<'a, '_>,
    ) {
        for (policy, attached) in attached.iter().enumerate() {
            for (index, statement) in attached.program.statements.iter().enumerate() {
                let checked = statement.check(query, side);
                let (verdict, named) = match checked {
                    Ok(named) => (Verdict::Matched, named),
                    Err(Miss::Action) => {
                        self.others += 1;
                        continue;
                    }
                    Err(Miss::Condition(at)) => (failed_condition(statement, at, query.context), Named::No),
                    Err(Miss::Principal) => {
                        (Verdict::Principal { wanted: statement.shown_principals() }, Named::No)
                    }
                    Err(Miss::Resource) => {
                        let (wanted, not) = statement.shown_resources();
                        let wanted = wanted + &values_of(statement.resource_variables(), query.context);
                        (Verdict::Resource { wanted, not }, Named::No)
                    }
                };
                missing.note(statement);
                let cause = Cause { policy, source: attached.source, index, statement };
                let open = is_open(statement, checked.err(), missing.is_missing);
                let matched = verdict == Verdict::Matched;
                let held = statement.conditions.iter().filter(|_| matched);
                let held = held.map(|condition| told(condition, query.context)).collect();
                self.statements.push(StatementTrace {
                    cause,
                    effect: statement.effect,
                    verdict,
                    held,
                    open,
                    named,
                });
            }
        }
    }

    /// The closest Allow that matched.
    pub(crate) fn best(&self) -> Option<(Named, Cause<'a>)> {
        let allows = self.matched(Effect::Allow).map(|trace| (trace.named, trace.cause));
        allows.max_by_key(|(named, _)| *named)
    }

    /// The statements with this effect that matched.
    pub fn matched(&self, effect: Effect) -> impl Iterator<Item = &StatementTrace<'a>> {
        self.statements
            .iter()
            .filter(move |trace| trace.effect == effect && trace.verdict == Verdict::Matched)
    }
}

/// Keys that are not settled, each once; policies may name many.
struct Missing<'a, 'e> {
    names: Vec<&'a str>,
    /// The same, their case folded.
    known: BTreeSet<String>,
    /// Whether a key is one.
    is_missing: &'e dyn Fn(&Key) -> bool,
}

impl<'a> Missing<'a, '_> {
    fn note(&mut self, statement: &'a Statement) {
        for name in statement.keys().filter(|key| (self.is_missing)(key)).map(Key::name) {
            if self.known.insert(folded(name).collect()) {
                self.names.push(name);
            }
        }
    }
}

fn failed_condition(statement: &Statement, at: usize, context: &Context) -> Verdict {
    let failed = statement.conditions.get(at);
    failed.map_or(Verdict::Matched, |condition| Verdict::Condition(told(condition, context)))
}

fn told(condition: &Condition, context: &Context) -> ConditionTrace {
    ConditionTrace {
        operator: match &condition.operator {
            Ok(operator) => operator.to_string(),
            Err(unknown) => format!("{} (unknown)", printable(unknown, SHOWN_CHARS_MAX)),
        },
        key: printable(condition.key.name(), SHOWN_CHARS_MAX),
        wanted: printable(&condition.wanted, usize::MAX) + &values_of(condition.variables(), context),
        saw: condition.key.find(context).map(shown),
    }
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Single(text) => quoted(text),
        Value::Many(many) => {
            let mut shown: Vec<_> = many.iter().take(SHOWN_VALUES_MAX).map(quoted).collect();
            if many.iter().nth(SHOWN_VALUES_MAX).is_some() {
                shown.push("…".to_owned());
            }
            format!("[{}]", shown.join(", "))
        }
    }
}

/// ` (aws:username is `dana`)`: what stands for the variables of an element in this request.
fn values_of<'k>(variables: impl Iterator<Item = &'k Key>, context: &Context) -> String {
    let mut values: Vec<String> = variables
        .map(|key| {
            let value = key.find(context).map_or_else(|| "absent".to_owned(), shown);
            format!("{} is {value}", printable(key.name(), SHOWN_CHARS_MAX))
        })
        .collect();
    values.dedup();
    values.truncate(SHOWN_VALUES_MAX);
    if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) }
}

fn quoted(text: &str) -> String {
    format!("`{}`", printable(text, SHOWN_CHARS_MAX))
}

/// `a`, `b` or `c`; the rest of a long list is counted.
pub(crate) fn alternatives(texts: impl ExactSizeIterator<Item = String>) -> String {
    let count = texts.len();
    let shown: Vec<_> = texts.take(SHOWN_VALUES_MAX).map(|text| quoted(&text)).collect();
    match count.saturating_sub(SHOWN_VALUES_MAX) {
        0 => shown.join(" or "),
        more => format!("{} or {more} more", shown.join(" or ")),
    }
}

/// Longer texts are cut.
const SHOWN_CHARS_MAX: usize = 200;
/// Of longer lists, the rest is counted.
const SHOWN_VALUES_MAX: usize = 8;

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        for trace in &self.layers {
            write!(f, "\n{trace}")?;
            for statement in &trace.statements {
                write!(f, "\n  {}", Told { statement, among: trace.policies, asked: self })?;
            }
        }
        if !self.missing_keys.is_empty() {
            let keys: Vec<_> = self.missing_keys.iter().map(|key| printable(key, SHOWN_CHARS_MAX)).collect();
            write!(f, "\nkeys that only a request settles: {}", keys.join(", "))?;
        }
        if let [first, others @ ..] = &*self.changes {
            let what = if others.is_empty() { "this change" } else { "these changes together" };
            write!(f, "\n{what} would allow it:\n  {first}")?;
            others.iter().try_for_each(|change| write!(f, "\n  {change}"))?;
        }
        Ok(())
    }
}

impl Explanation<'_> {
    fn headline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decision { outcome, layer, cause, .. } = self.decision;
        let Self { action, resource, principal, .. } = self;
        write!(f, "{outcome}: {principal} ")?;
        f.write_str(if self.decision.is_allowed() { "may perform" } else { "may not perform" })?;
        write!(f, " {action} on {resource}, ")?;
        match (outcome, cause) {
            (Outcome::ImplicitDeny, _) => write!(f, "because no {} allows it", layer.name()),
            (_, Some(cause)) => {
                let verb = if outcome == Outcome::Allowed { "allows" } else { "denies" };
                let among =
                    self.layers.iter().filter(|trace| trace.layer == layer).map(|trace| trace.policies);
                let statement = Placed { cause, among: among.max().unwrap_or(1) };
                write!(f, "because the {} {verb} it: {statement}", layer.name())
            }
            (_, None) if layer == Layer::Root => {
                f.write_str("because the root user may do everything in its account")
            }
            (_, None) => f.write_str("because everyone may"),
        }
    }
}

/// `identity-based policy, 3 of 4 statements are about this action:`
impl fmt::Display for LayerTrace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.layer.name(), AtLevel(&self.level))?;
        match (self.statements.len(), self.others) {
            (0, 0) => f.write_str(": there is none"),
            (0, 1) => f.write_str(": its one statement is about other actions"),
            (0, others) => write!(f, ": all {others} statements are about other actions"),
            (1, 0) => f.write_str(": its one statement is about this action"),
            (count, others) => write!(f, ": {count} of {} statements about this action", count + others),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.number) {
            (Some(name), _) => f.write_str(name),
            (None, 0) => f.write_str("the root"),
            (None, number) => write!(f, "level {}", number + 1),
        }
    }
}

/// A statement's place, with the policy's number where there are several and they have no names.
pub(crate) struct Placed<'a> {
    pub(crate) cause: Cause<'a>,
    pub(crate) among: usize,
}

impl fmt::Display for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cause { policy, source, index, .. } = self.cause;
        write!(f, "statement {}", index + 1)?;
        if let Some(sid) = self.cause.sid() {
            write!(f, " ({})", printable(sid, SHOWN_CHARS_MAX))?;
        }
        match source {
            // Nobody can look at the place.
            crate::Source::Setting { .. } => return write!(f, " of {source}"),
            crate::Source::Unnamed if self.among > 1 => write!(f, " of policy {}", policy + 1)?,
            crate::Source::Unnamed => {}
            named => write!(f, " of {named}")?,
        }
        write!(f, " at {}", self.cause.place().start)
    }
}

/// A statement and what became of it, in a sentence.
struct Told<'e, 'a> {
    statement: &'e StatementTrace<'a>,
    among: usize,
    asked: &'e Explanation<'a>,
}

impl fmt::Display for Told<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StatementTrace { cause, effect, verdict, .. } = self.statement;
        let place = Placed { cause: *cause, among: self.among };
        let verb = match effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        match verdict {
            Verdict::Matched if *effect == Effect::Allow => return write!(f, "{place} allows it"),
            Verdict::Matched => {
                write!(f, "{place} denies it")?;
                for (condition, between) in
                    self.statement.held.iter().zip(std::iter::once(": ").chain(std::iter::repeat("; ")))
                {
                    write!(f, "{between}{condition}")?;
                }
                return Ok(());
            }
            Verdict::Condition(_) | Verdict::Principal { .. } | Verdict::Resource { .. } => {
                write!(f, "{place} does not {verb} it: ")?;
            }
        }
        match verdict {
            Verdict::Condition(condition) => condition.fmt(f),
            Verdict::Matched => Ok(()),
            Verdict::Principal { wanted } => {
                write!(f, "it is about {wanted}, the caller is `{}`", self.asked.principal)
            }
            Verdict::Resource { wanted, not } => {
                let but = if *not { "everything but " } else { "" };
                write!(f, "it is about {but}{wanted}, the resource is `{}`", self.asked.resource)
            }
        }
    }
}

/// What the condition wants, and what the request has.
impl fmt::Display for ConditionTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operator, key, wanted, saw } = self;
        write!(f, "{operator} on `{key}` wants ")?;
        match (&**operator, &**wanted) {
            (_, "") => f.write_str("nothing")?,
            ("Null", "`true`") => f.write_str("it absent")?,
            ("Null", "`false`") => f.write_str("it present")?,
            // `StringNotEquals`, `NotIpAddress` and their like.
            (negated, _) if negated.contains("Not") => write!(f, "other than {wanted}")?,
            _ => f.write_str(wanted)?,
        }
        match saw {
            Some(saw) => write!(f, ", the request has {saw}"),
            None => f.write_str(", the request does not have it"),
        }
    }
}
