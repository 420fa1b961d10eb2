//! The case format: one request, every policy that could matter to it, and perhaps the decision that is expected.
//!
//! Required: `id`, `principal.type`, `principal.arn` (unless anonymous), `principal.role_arn` of a role session,
//! `principal.user_arn` of a federated user, `request.action`, `request.resource`. Everything else may be absent or null:
//!
//! | member | absent or null | `[]` |
//! |---|---|---|
//! | `identity_policies` | none | none |
//! | `boundary`, `guard_policy` (of the caller's account), `resource_policy` | none | – |
//! | `session_policies` | none were passed | a session made without any: it grants nothing |
//! | `scps`, `rcps` (levels from root to account) | none apply | none apply; an empty level of SCPs allows nothing |
//! | `vpce_policies` | through no endpoint | an endpoint that allows nothing |
//! | `request.context` | no key | – |
//! | `request.resource_account` | the caller's | – |
//! | `expected` | not compared | – |
//!
//! `principal.account` and `request.principal_account` say the same thing; if both are absent, the ARN says it.
//! Source: fact sheet of the policy language, section 8, "Conventions of the JSON file".

use rootward_names::AccountId;
use rootward_policy::Outcome;

use crate::document::Document;
use crate::json::{Kind, Object, Unreadable, Value};
use crate::scenario::{Caller, CallerKind, Policies, Question, Scenario, Values};

/// Policies that exist and have no effect on the decision: nothing reads them.
const IGNORED: [&str; 2] =
    ["principal_account_rcps_must_be_ignored", "resource_account_scps_must_be_ignored"];

/// Reads one case, the `at`-th of its list.
pub(crate) fn read(value: Value<'_>, at: usize) -> Result<Scenario, Unreadable> {
    let number = format!("number {}", at + 1);
    let mut case = value.object().map_err(|fault| fault.of(&number))?;
    let id = case.required("id").and_then(|id| id.scalar()).map_err(|fault| fault.of(&number))?;
    scenario(&mut case, &id)
        .and_then(|scenario| case.finish().map(|()| scenario))
        .map_err(|fault| fault.of(&format!("`{id}`")))
}

fn scenario(case: &mut Object<'_>, id: &str) -> Result<Scenario, Unreadable> {
    for name in IGNORED {
        case.optional(name);
    }
    let mut principal = case.required("principal")?.object()?;
    let mut request = case.required("request")?.object()?;
    let account = account_of_caller(&mut principal, &mut request)?;
    let management_account =
        request.optional("principal_in_management_account").map(|v| v.boolean()).transpose()?;
    let (caller, service_linked) = caller(principal, account, management_account == Some(true))?;

    let mut policies = policies(case)?;
    // The path of the role says it too, and the engine reads that; a case may say it alone.
    if service_linked {
        (policies.guard, policies.scps, policies.rcps) = (None, None, None);
    }
    let resource_policies = one(case, "resource_policy")?.into_iter().collect::<Vec<_>>();
    let question = Question {
        id: id.to_owned(),
        caller,
        action: request.required("action")?.string()?,
        resource: request.required("resource")?.string()?,
        resource_account: request.optional("resource_account").map(|v| account_id(&v)).transpose()?,
        context: request.optional("context").map(|v| context(&v)).transpose()?.unwrap_or_default(),
        resource_policy: (!resource_policies.is_empty()).then_some(0),
        expected: case.optional("expected").map(|v| outcome(&v)).transpose()?,
    };
    request.finish()?;
    Ok(Scenario { policies, resource_policies, questions: vec![question] })
}

fn policies(case: &mut Object<'_>) -> Result<Policies, Unreadable> {
    Ok(Policies {
        identity: list(case, "identity_policies")?.unwrap_or_default(),
        boundary: one(case, "boundary")?,
        guard: one(case, "guard_policy")?,
        session: list(case, "session_policies")?,
        scps: levels(case, "scps")?,
        rcps: levels(case, "rcps")?,
        endpoint: list(case, "vpce_policies")?,
    })
}

fn one(case: &mut Object<'_>, name: &str) -> Result<Option<Document>, Unreadable> {
    case.optional(name).map(|value| Document::read(&value, None)).transpose()
}

fn list(case: &mut Object<'_>, name: &str) -> Result<Option<Vec<Document>>, Unreadable> {
    case.optional(name).map(|value| documents(&value)).transpose()
}

fn levels(case: &mut Object<'_>, name: &str) -> Result<Option<Vec<Vec<Document>>>, Unreadable> {
    case.optional(name).map(|value| value.list()?.iter().map(documents).collect()).transpose()
}

fn documents(value: &Value<'_>) -> Result<Vec<Document>, Unreadable> {
    value.list()?.iter().map(|value| Document::read(value, None)).collect()
}

/// The caller, and whether the case calls it service-linked.
fn caller(
    mut principal: Object<'_>,
    account: Option<AccountId>,
    management_account: bool,
) -> Result<(Caller, bool), Unreadable> {
    let kind = caller_kind(&principal.required("type")?)?;
    let arn = match kind {
        CallerKind::Anonymous => {
            principal.optional("arn").map_or_else(|| Ok(String::new()), |arn| arn.string())?
        }
        _ => principal.required("arn")?.string()?,
    };
    let behind = match kind {
        CallerKind::RoleSession => principal.required("role_arn")?.string()?,
        CallerKind::FederatedUser => principal.required("user_arn")?.string()?,
        _ => String::new(),
    };
    let service_linked = principal.optional("service_linked").map(|v| v.boolean()).transpose()? == Some(true);
    principal.finish()?;
    let account = match kind {
        CallerKind::Anonymous | CallerKind::Saml | CallerKind::Service | CallerKind::WebIdentity => None,
        _ => account.or_else(|| arn.split(':').nth(4)?.parse().ok()),
    };
    Ok((Caller { kind, arn, behind, account, management_account }, service_linked))
}

fn caller_kind(value: &Value<'_>) -> Result<CallerKind, Unreadable> {
    Ok(match &*value.string()? {
        "anonymous" => CallerKind::Anonymous,
        "assumed_root" => CallerKind::AssumedRoot,
        "federated_user" => CallerKind::FederatedUser,
        "role_session" => CallerKind::RoleSession,
        "root" => CallerKind::Root,
        "saml" => CallerKind::Saml,
        "service" => CallerKind::Service,
        "user" => CallerKind::User,
        "web_identity" => CallerKind::WebIdentity,
        _ => {
            return Err(value.fault(
                "must be anonymous, assumed_root, federated_user, role_session, root, saml, service, user or web_identity",
            ));
        }
    })
}

fn account_of_caller(
    principal: &mut Object<'_>,
    request: &mut Object<'_>,
) -> Result<Option<AccountId>, Unreadable> {
    let own = principal.optional("account").map(|v| account_id(&v)).transpose()?;
    let Some(value) = request.optional("principal_account") else { return Ok(own) };
    let said = account_id(&value)?;
    match own {
        Some(own) if own != said => Err(value.fault("is not what `principal.account` says")),
        _ => Ok(Some(said)),
    }
}

fn account_id(value: &Value<'_>) -> Result<AccountId, Unreadable> {
    value.string()?.parse().map_err(|_| value.fault("must be an account id, twelve digits"))
}

fn context(value: &Value<'_>) -> Result<Vec<(String, Values)>, Unreadable> {
    value.object()?.rest().map(|(key, value)| Ok((key, values(&value)?))).collect()
}

/// One value, or the values of a multivalued key.
pub(crate) fn values(value: &Value<'_>) -> Result<Values, Unreadable> {
    Ok(match value.kind() {
        Kind::List => Values::Many(value.list()?.iter().map(Value::scalar).collect::<Result<_, _>>()?),
        _ => Values::One(value.scalar()?),
    })
}

fn outcome(value: &Value<'_>) -> Result<Outcome, Unreadable> {
    match &*value.string()? {
        "allowed" => Ok(Outcome::Allowed),
        "explicitDeny" => Ok(Outcome::ExplicitDeny),
        "implicitDeny" => Ok(Outcome::ImplicitDeny),
        _ => Err(value.fault("must be allowed, explicitDeny or implicitDeny")),
    }
}
