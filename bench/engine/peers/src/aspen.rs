//! scratchstack-aspen: AWS policies in Rust, with layers of its own.

use anyhow::{Result, anyhow};
use chrono::DateTime;
use scratchstack_arn::Arn;
use scratchstack_aspen::{Context, Decision, Policy, PolicySet, PolicySource};
use scratchstack_aws_principal::{Principal, SessionData, SessionValue, User};

use crate::Engine;
use crate::corpus::{Answer, Corpus, Layer, Request};

pub(crate) fn engine(corpus: &Corpus) -> Result<Engine> {
    let (with, without) = (policies(corpus, true)?, policies(corpus, false)?);
    let requests: Vec<_> = corpus.requests.iter().map(|r| request(corpus, r)).collect::<Result<_>>()?;
    Ok(Box::new(move |at| {
        let Some((request, with_resource)) = requests.get(at) else { return Answer::Failed };
        let policies = if *with_resource { &with } else { &without };
        match policies.evaluate(request) {
            Ok((Decision::Allow, _)) => Answer::Allowed,
            Ok((Decision::Deny, _)) => Answer::ExplicitDeny,
            Ok((Decision::DefaultDeny, _)) => Answer::ImplicitDeny,
            Err(_) => Answer::Failed,
        }
    }))
}

fn policies(corpus: &Corpus, with_resource: bool) -> Result<PolicySet> {
    let mut set = PolicySet::new();
    let mut add = |layer: &Layer, source: &dyn Fn() -> PolicySource| -> Result<()> {
        for document in &layer.documents {
            set.add_policy(source(), document.parse::<Policy>()?);
        }
        Ok(())
    };
    let layers = &corpus.layers;
    let arn = "arn:aws:iam::123456789012:policy/p";
    add(&layers.identity, &|| PolicySource::new_entity_attached_policy(arn, "ANPA", "v1"))?;
    if let Some(boundary) = &layers.boundary {
        add(boundary, &|| PolicySource::new_permission_boundary(arn, "ANPA", "v1"))?;
    }
    for level in &layers.scps {
        add(level, &|| PolicySource::new_org_service_control(arn, "scp", "root"))?;
    }
    if let Some(resource) = layers.resource.as_ref().filter(|_| with_resource) {
        add(resource, &|| PolicySource::new_resource("arn:aws:s3:::b", Some("p")))?;
    }
    Ok(set)
}

fn request(corpus: &Corpus, request: &Request) -> Result<(Context, bool)> {
    let mut data = SessionData::new();
    for (key, value) in &request.context {
        let value = match &**key {
            "aws:CurrentTime" => SessionValue::Timestamp(DateTime::parse_from_rfc3339(value)?.to_utc()),
            "aws:MultiFactorAuthPresent" | "aws:SecureTransport" => SessionValue::Bool(value == "true"),
            "aws:SourceIp" => SessionValue::IpAddr(value.parse()?),
            _ => SessionValue::from(value.as_str()),
        };
        data.insert(key, value);
    }
    let (service, api) =
        request.action.split_once(':').ok_or_else(|| anyhow!("an action without a service"))?;
    let user: User = corpus.principal.parse()?;
    let resource: Arn = request.resource.parse()?;
    let asked = Context::builder()
        .service(service)
        .api(api)
        .actor(Principal::from(vec![user.into()]))
        .resources(vec![resource])
        .session_data(data)
        .build()?;
    Ok((asked, request.resource_policy.is_some()))
}
