//! The condition keys of a request, with those that follow from who asks.

use serde_json::Value;

use crate::world::{Caller, CallerKind, World};

pub(crate) struct Keys(Vec<(String, Given)>);

/// What a request says about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    Absent,
    Many(Vec<String>),
    Single(String),
}

impl Keys {
    pub(crate) fn of(world: &World) -> Self {
        let mut keys = of_caller(&world.principal);
        for (name, value) in &world.request.context {
            // What the request says goes before what follows from the caller.
            keys.retain(|(known, _)| !same_name(known, name));
            let given = match value {
                Value::Array(values) => Given::Many(values.iter().map(shown).collect()),
                other => Given::Single(shown(other)),
            };
            keys.push((name.clone(), given));
        }
        Self(keys)
    }

    /// IAM, "Condition": names of condition keys are not case-sensitive.
    pub(crate) fn get(&self, name: &str) -> Given {
        let found = self.0.iter().find(|(known, _)| same_name(known, name));
        found.map_or(Given::Absent, |(_, given)| given.clone())
    }
}

fn same_name(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// IAM, "AWS global condition context keys", properties of the principal, and "IAM policy elements: Variables and tags",
/// the table of principal key values.
fn of_caller(caller: &Caller) -> Vec<(String, Given)> {
    let arn = caller.arn.clone().unwrap_or_default();
    let account = caller.account.clone().unwrap_or_default();
    let root = format!("arn:aws:iam::{account}:root");
    let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let id = caller.id.clone();
    let (principal_arn, kind, user_id, name) = match caller.kind {
        CallerKind::Anonymous => (None, Some("Anonymous"), Some("anonymous".to_owned()), None),
        CallerKind::AssumedRoot => (Some(root), None, None, None),
        CallerKind::FederatedUser => {
            (Some(arn.clone()), Some("FederatedUser"), Some(format!("{account}:{}", last(&arn))), None)
        }
        CallerKind::RoleSession => {
            let user_id = id.map(|id| format!("{id}:{}", last(&arn)));
            (caller.role_arn.clone(), Some("AssumedRole"), user_id, None)
        }
        CallerKind::Root => (Some(root), Some("Account"), Some(account.clone()), None),
        CallerKind::Saml | CallerKind::Service | CallerKind::WebIdentity => (None, None, None, None),
        CallerKind::User => (Some(arn.clone()), Some("User"), id, Some(last(&arn))),
    };
    let account = match caller.kind {
        CallerKind::Anonymous => Some("anonymous".to_owned()),
        _ => caller.account.clone(),
    };
    let service = caller.kind == CallerKind::Service;
    // Only signed requests say whether a service makes them.
    let unsigned = matches!(caller.kind, CallerKind::Anonymous | CallerKind::Saml | CallerKind::WebIdentity);
    [
        ("aws:PrincipalArn", principal_arn),
        ("aws:PrincipalAccount", account),
        ("aws:PrincipalType", kind.map(str::to_owned)),
        ("aws:userid", user_id),
        ("aws:username", name),
        ("aws:PrincipalIsAWSService", (!unsigned).then(|| service.to_string())),
        ("aws:PrincipalServiceName", service.then_some(arn)),
        ("aws:AssumedRoot", (caller.kind == CallerKind::AssumedRoot).then(|| true.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), Given::Single(value?))))
    .collect()
}
