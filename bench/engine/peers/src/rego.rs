//! regorus: a Rego interpreter, with the policies as data of `policy.rego`.

use anyhow::Result;
use regorus::{Engine as Regorus, Value};
use serde_json::json;

use crate::Engine;
use crate::corpus::{Answer, Corpus, Effect, Layer};

pub(crate) fn engine(corpus: &Corpus) -> Result<Engine> {
    // Patterns are compiled once.
    regorus::cache::configure(regorus::cache::Config { regex: 1 << 16, glob: 1 << 16 });
    let layers = &corpus.layers;
    let none = json!([]);
    let data = json!({
        "identity": statements(&layers.identity),
        "boundary": layers.boundary.as_ref().map_or_else(|| none.clone(), statements),
        "scps": layers.scps.iter().map(statements).collect::<Vec<_>>(),
        "resource_policy": layers.resource.as_ref().map_or_else(|| none.clone(), statements),
    });
    let mut engine = Regorus::new();
    engine.add_policy("policy.rego".to_owned(), include_str!("policy.rego").to_owned())?;
    engine.add_data(Value::from_json_str(&data.to_string())?)?;
    let input = |request: &crate::corpus::Request| {
        let input = json!({"principal": corpus.principal, "action": request.action, "resource": request.resource,
                           "context": request.context, "with_resource": request.resource_policy.is_some()});
        Value::from_json_str(&input.to_string())
    };
    let inputs: Vec<Value> = corpus.requests.iter().map(input).collect::<Result<_>>()?;
    Ok(Box::new(move |at| {
        let Some(input) = inputs.get(at) else { return Answer::Failed };
        engine.set_input(input.clone());
        let decision = engine.eval_rule("data.iam.decision".to_owned());
        match decision.as_ref().ok().and_then(|decision| decision.as_string().ok()).map(|text| &**text) {
            Some("allowed") => Answer::Allowed,
            Some("explicitDeny") => Answer::ExplicitDeny,
            Some("implicitDeny") => Answer::ImplicitDeny,
            _ => Answer::Failed,
        }
    }))
}

fn statements(layer: &Layer) -> serde_json::Value {
    let statements = layer.statements.iter().map(|statement| {
        let (not, actions) = statement.actions();
        let conditions = statement.conditions().map(
            |condition| json!({"operator": condition.operator, "key": condition.key, "values": condition.values}),
        );
        let mut data = json!({
            "effect": if statement.effect == Effect::Allow { "Allow" } else { "Deny" },
            "not": not,
            "actions": actions,
            "resources": statement.resources(),
            "conditions": conditions.collect::<Vec<_>>(),
        });
        // Rego tells what is absent from what is null.
        if let (Some(principals), Some(object)) = (statement.principals(), data.as_object_mut()) {
            object.insert("principals".to_owned(), json!(principals));
        }
        data
    });
    statements.collect()
}
