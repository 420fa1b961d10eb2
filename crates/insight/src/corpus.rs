//! The corpus format, version 1: the policies of one user and many requests, for measuring decisions.
//!
//! `principal`, `identity_policies`, `permissions_boundary`, `session_policy`, `scps` and `rcps` (levels of named policies, the
//! root first), `resource_policies`, `actions` (for engines without wildcards; not read), `requests` with the index of the
//! resource's policy. Source: `bench/engine/README.md`.

use crate::cases::values;
use crate::document::Document;
use crate::json::{Kind, Object, Unreadable, Value};
use crate::scenario::{Caller, CallerKind, Policies, Question, Scenario};

/// Only a corpus says which format it has.
pub(crate) fn is_corpus(value: &Value<'_>) -> bool {
    value.kind() == Kind::Object && value.object().is_ok_and(|mut object| object.optional("format").is_some())
}

pub(crate) fn read(value: Value<'_>) -> Result<(String, Scenario), Unreadable> {
    let mut corpus = value.object()?;
    let format = corpus.required("format")?;
    if format.text() != "1" {
        return Err(format.fault("must be 1"));
    }
    let name = corpus.required("name")?.string()?;
    let caller = caller(&corpus.required("principal")?)?;
    let session = corpus.optional("session_policy").map(|v| named(&v)).transpose()?;
    let policies = Policies {
        identity: all(&corpus.required("identity_policies")?)?,
        boundary: corpus.optional("permissions_boundary").map(|v| named(&v)).transpose()?,
        guard: None,
        session: session.map(|document| vec![document]),
        scps: levels(&mut corpus, "scps")?,
        rcps: levels(&mut corpus, "rcps")?,
        endpoint: None,
    };
    let resource_policies = all(&corpus.required("resource_policies")?)?;
    let requests = corpus.required("requests")?.list()?;
    let questions = requests.iter().map(|request| question(request, &caller, resource_policies.len()));
    let questions = questions.collect::<Result<_, _>>()?;
    corpus.finish()?;
    Ok((name, Scenario { policies, resource_policies, questions }))
}

fn caller(value: &Value<'_>) -> Result<Caller, Unreadable> {
    let mut principal = value.object()?;
    let (arn, account) = (principal.required("arn")?.string()?, principal.required("account")?);
    let id = account.string()?.parse();
    principal.finish()?;
    Ok(Caller {
        kind: CallerKind::User,
        arn,
        behind: String::new(),
        account: Some(id.map_err(|_| account.fault("must be an account id, twelve digits"))?),
        management_account: false,
    })
}

fn named(value: &Value<'_>) -> Result<Document, Unreadable> {
    let mut policy = value.object()?;
    let name = policy.required("name")?.string()?;
    let document = Document::read(&policy.required("document")?, Some(name))?;
    policy.finish()?;
    Ok(document)
}

fn all(value: &Value<'_>) -> Result<Vec<Document>, Unreadable> {
    value.list()?.iter().map(named).collect()
}

/// No level at all is written as an empty list.
fn levels(corpus: &mut Object<'_>, name: &str) -> Result<Option<Vec<Vec<Document>>>, Unreadable> {
    let Some(value) = corpus.optional(name) else { return Ok(None) };
    let levels: Vec<_> = value.list()?.iter().map(level).collect::<Result<_, _>>()?;
    Ok((!levels.is_empty()).then_some(levels))
}

fn level(value: &Value<'_>) -> Result<Vec<Document>, Unreadable> {
    let mut level = value.object()?;
    let policies = all(&level.required("policies")?)?;
    level.finish()?;
    Ok(policies)
}

fn question(value: &Value<'_>, caller: &Caller, resource_policies: usize) -> Result<Question, Unreadable> {
    let mut request = value.object()?;
    let id = request.required("id")?.scalar()?;
    let account = request.required("resource_account")?;
    let resource_policy =
        request.optional("resource_policy").map(|v| index(&v, resource_policies)).transpose()?;
    let context = request.required("context")?.object()?;
    let question = Question {
        id,
        caller: caller.clone(),
        action: request.required("action")?.string()?,
        resource: request.required("resource")?.string()?,
        resource_account: Some(
            account.string()?.parse().map_err(|_| account.fault("must be an account id, twelve digits"))?,
        ),
        context: context.rest().map(|(key, value)| Ok((key, values(&value)?))).collect::<Result<_, _>>()?,
        resource_policy,
        expected: None,
    };
    request.finish()?;
    Ok(question)
}

fn index(value: &Value<'_>, length: usize) -> Result<usize, Unreadable> {
    match value.text().parse() {
        Ok(at) if at < length => Ok(at),
        _ => {
            Err(value.fault(format_args!("must be the number of one of {length} resource policies, from 0")))
        }
    }
}
