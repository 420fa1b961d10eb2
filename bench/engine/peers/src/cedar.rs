//! cedar-policy: statements become Cedar policies; actions with wildcards are spelt out from the corpus's list.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use anyhow::{Result, anyhow, bail};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request,
    RestrictedExpression,
};

use crate::Engine;
use crate::corpus::{self, Answer, Condition, Corpus, Effect, Layer, Statement, Word, like};

pub(crate) fn engine(corpus: &Corpus) -> Result<Engine> {
    let layers = corpus.layers.map(|layer| Ok(text(layer, &corpus.actions)?.parse::<PolicySet>()?))?;
    let entities = entities(corpus)?;
    let requests: Vec<_> = corpus.requests.iter().map(|r| request(corpus, r)).collect::<Result<_>>()?;
    let authorizer = Authorizer::new();
    Ok(Box::new(move |at| {
        let Some((request, with_resource)) = requests.get(at) else { return Answer::Failed };
        let mut failed = false;
        let answer = layers.combine(*with_resource, |layer| {
            let response = authorizer.is_authorized(request, layer, &entities);
            failed |= response.diagnostics().errors().next().is_some();
            match response.decision() {
                Decision::Allow => Word::Allow,
                Decision::Deny if response.diagnostics().reason().next().is_some() => Word::Deny,
                Decision::Deny => Word::Nothing,
            }
        });
        if failed { Answer::Failed } else { answer }
    }))
}

fn text(layer: &Layer, actions: &[String]) -> Result<String> {
    let mut text = String::new();
    for statement in &layer.statements {
        let effect = if statement.effect == Effect::Allow { "permit" } else { "forbid" };
        let (not, patterns) = statement.actions();
        let hit = |action: &&String| {
            patterns.iter().any(|p| like(&p.to_lowercase(), &action.to_lowercase())) != not
        };
        let named: Vec<String> =
            actions.iter().filter(hit).map(|action| format!("Action::{action:?}")).collect();
        if named.is_empty() {
            continue;
        }
        let action =
            if named.len() == actions.len() { String::new() } else { format!(" in [{}]", named.join(", ")) };
        let principal = match statement.principals() {
            Some([one]) if one != "*" => format!(" == User::{one:?}"),
            None | Some([_]) => String::new(),
            Some(_) => bail!("more than one principal"),
        };
        let when = conditions(statement)?.join(" && ");
        let when = if when.is_empty() { when } else { format!(" when {{ {when} }}") };
        writeln!(text, "{effect}(principal{principal}, action{action}, resource){when};")?;
    }
    Ok(text)
}

fn conditions(statement: &Statement) -> Result<Vec<String>> {
    let resources = statement.resources();
    let of_resource = (!resources.iter().any(|pattern| pattern == "*")).then(|| {
        any(resources, |pattern| match pattern.contains('*') {
            true => format!("resource.arn like {pattern:?}"),
            false => format!("resource.arn == {pattern:?}"),
        })
    });
    of_resource.map(Ok).into_iter().chain(statement.conditions().map(|c| condition(&c))).collect()
}

fn condition(condition: &Condition<'_>) -> Result<String> {
    let Condition { operator, key, values } = condition;
    let (has, value) = (format!("context has {key:?}"), format!("context[{key:?}]"));
    let equal = |wanted: &str| format!("{value} == {wanted:?}");
    let holds = match *operator {
        "Bool" => any(values, |wanted| format!("{value} == {wanted}")),
        "DateLessThan" => any(values, |wanted| format!("{value} < datetime({wanted:?})")),
        "IpAddress" => any(values, |wanted| format!("{value}.isInRange(ip({wanted:?}))")),
        "StringEquals" => any(values, equal),
        "StringLike" => any(values, |wanted| format!("{value} like {wanted:?}")),
        "StringNotEquals" => return Ok(format!("(!({has}) || !{})", any(values, equal))),
        other => bail!("operator {other}"),
    };
    Ok(format!("({has} && {holds})"))
}

fn any(values: &[String], one: impl Fn(&str) -> String) -> String {
    format!("({})", values.iter().map(|value| one(value)).collect::<Vec<_>>().join(" || "))
}

fn uid(kind: &str, id: &str) -> Result<EntityUid> {
    Ok(EntityUid::from_type_name_and_id(kind.parse::<EntityTypeName>()?, EntityId::new(id)))
}

fn entities(corpus: &Corpus) -> Result<Entities> {
    let arns: HashSet<&String> = corpus.requests.iter().map(|request| &request.resource).collect();
    let entity = |arn: &String| {
        let attributes = HashMap::from([("arn".to_owned(), RestrictedExpression::new_string(arn.clone()))]);
        Ok(Entity::new(uid("Resource", arn)?, attributes, HashSet::new())?)
    };
    Ok(Entities::from_entities(arns.into_iter().map(entity).collect::<Result<Vec<_>>>()?, None)?)
}

fn request(corpus: &Corpus, request: &corpus::Request) -> Result<(Request, bool)> {
    let pairs = request.context.iter().map(|(key, value)| {
        let value = match &**key {
            "aws:CurrentTime" => RestrictedExpression::new_datetime(value),
            "aws:MultiFactorAuthPresent" | "aws:SecureTransport" => {
                RestrictedExpression::new_bool(value == "true")
            }
            "aws:SourceIp" => RestrictedExpression::new_ip(value),
            _ => RestrictedExpression::new_string(value.clone()),
        };
        (key.clone(), value)
    });
    let context = Context::from_pairs(pairs).map_err(|error| anyhow!("{error}"))?;
    let asked = Request::new(
        uid("User", &corpus.principal)?,
        uid("Action", &request.action)?,
        uid("Resource", &request.resource)?,
        context,
        None,
    )?;
    Ok((asked, request.resource_policy.is_some()))
}
