//! iam-rs: AWS policies in Rust.

use anyhow::Result;
use chrono::DateTime;
use iam_rs::{
    Arn, Context, ContextValue, Decision, EvaluationOptions, IAMPolicy, IAMRequest, PolicyEvaluator,
    Principal, PrincipalId,
};

use crate::Engine;
use crate::corpus::{Answer, Corpus, Layer, Request, Word};

pub(crate) fn engine(corpus: &Corpus) -> Result<Engine> {
    let layers = corpus.layers.map(evaluator)?;
    let requests: Vec<_> = corpus.requests.iter().map(|r| request(corpus, r)).collect::<Result<_>>()?;
    Ok(Box::new(move |at| {
        let Some((request, with_resource)) = requests.get(at) else { return Answer::Failed };
        layers.combine(*with_resource, |layer| match layer.evaluate(request).map(|result| result.decision) {
            Ok(Decision::Allow) => Word::Allow,
            Ok(Decision::Deny) => Word::Deny,
            // A condition on a key that the request lacks is an error there.
            Ok(_) | Err(_) => Word::Nothing,
        })
    }))
}

fn evaluator(layer: &Layer) -> Result<PolicyEvaluator> {
    // It reads no `"Principal": "*"`.
    let documents =
        layer.documents.iter().map(|d| d.replace(r#""Principal":"*""#, r#""Principal":{"AWS":"*"}"#));
    let policies = documents.map(|document| Ok(IAMPolicy::from_json(&document)?)).collect::<Result<_>>()?;
    let options = EvaluationOptions { max_statements: 100_000, ..EvaluationOptions::default() };
    Ok(PolicyEvaluator::with_policies(policies).with_options(options))
}

fn request(corpus: &Corpus, request: &Request) -> Result<(IAMRequest, bool)> {
    let mut context = Context::new();
    for (key, value) in &request.context {
        context.insert(
            key.clone(),
            match &**key {
                "aws:SecureTransport" | "aws:MultiFactorAuthPresent" => {
                    ContextValue::Boolean(value == "true")
                }
                "aws:CurrentTime" => ContextValue::DateTime(DateTime::parse_from_rfc3339(value)?.to_utc()),
                _ => ContextValue::String(value.clone()),
            },
        );
    }
    let principal = Principal::Aws(PrincipalId::String(corpus.principal.clone()));
    let resource = Arn::parse(&request.resource)?;
    let asked = IAMRequest::new_with_context(principal, &*request.action, resource, context);
    Ok((asked, request.resource_policy.is_some()))
}
