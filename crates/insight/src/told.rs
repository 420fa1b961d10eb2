//! Decisions and explanations as JSON, for programs.

use rootward_policy::{Cause, Change, ConditionTrace, Explanation, Level, Verdict};
use serde_json::{Value, json};

/// The statement that decided, or was looked at: its policy, its number from 0, its `Sid` and place.
pub fn statement(cause: &Cause<'_>) -> Value {
    let start = cause.place().start;
    json!({"policy": cause.policy, "source": cause.source.to_string(), "index": cause.index, "sid": cause.sid(),
           "line": start.line, "column": start.column})
}

/// Why a request was decided as it was: the text for people, and the same in parts.
pub fn explanation(explanation: &Explanation<'_>) -> Value {
    let layers = explanation.layers.iter().map(|trace| {
        let statements = trace.statements.iter().map(|traced| {
            json!({"statement": statement(&traced.cause), "effect": format!("{:?}", traced.effect),
                   "verdict": verdict(&traced.verdict),
                   "held": traced.held.iter().map(condition).collect::<Value>()})
        });
        json!({"layer": trace.layer.name(), "level": number(&trace.level), "statements": statements.collect::<Value>(),
               "others": trace.others})
    });
    json!({"text": explanation.to_string(), "layers": layers.collect::<Value>(), "missingKeys": explanation.missing_keys,
           "changes": explanation.changes.iter().map(change).collect::<Value>()})
}

fn verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Condition(ConditionTrace { operator, key, wanted, saw, .. }) => {
            json!({"failed": "condition", "operator": operator, "key": key, "wanted": wanted, "saw": saw})
        }
        Verdict::Matched => json!("matched"),
        Verdict::Principal { wanted } => json!({"failed": "principal", "wanted": wanted}),
        Verdict::Resource { wanted, not } => json!({"failed": "resource", "wanted": wanted, "not": not}),
    }
}

fn condition(condition: &ConditionTrace) -> Value {
    let ConditionTrace { operator, key, wanted, saw, .. } = condition;
    json!({"operator": operator, "key": key, "wanted": wanted, "saw": saw})
}

fn change(change: &Change<'_>) -> Value {
    let text = change.to_string();
    match change {
        Change::Add { layer, level, statement } => {
            let statement = serde_json::from_str::<Value>(statement).unwrap_or_default();
            json!({"add": statement, "layer": layer.name(), "level": number(level), "text": text})
        }
        Change::Except { layer, level, cause, .. } => {
            json!({"except": statement(cause), "layer": layer.name(), "level": number(level), "text": text})
        }
        _ => json!({ "text": text }),
    }
}

fn number(level: &Option<Level>) -> Option<usize> {
    level.as_ref().map(|level| level.number)
}
