//! A world: who asks for what, and every policy that could matter. The format of `tests/conformance/cases`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request and the policies around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    pub principal: Caller,
    /// Of the user and its groups, or of the role.
    pub identity_policies: Vec<Value>,
    pub boundary: Option<Value>,
    /// Of the caller's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard_policy: Option<Value>,
    /// None: no session policies were passed. Empty: a federated session made without any.
    pub session_policies: Option<Vec<Value>>,
    /// Levels from the root of the organization to the caller's account; none: not in an organization.
    pub scps: Option<Vec<Vec<Value>>>,
    /// Levels from the root of the organization to the resource's account, without `RCPFullAWSAccess`.
    pub rcps: Option<Vec<Vec<Value>>>,
    /// None: the request came through no endpoint.
    pub vpce_policies: Option<Vec<Value>>,
    pub resource_policy: Option<Value>,
    pub request: Asked,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    #[serde(rename = "type")]
    pub kind: CallerKind,
    /// The user's, session's or root's ARN, or the name of the service or provider; none for anonymous callers.
    pub arn: Option<String>,
    pub account: Option<String>,
    /// With its path, of a role session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Who asked for a federated session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_arn: Option<String>,
    /// `AIDA…` of the user (also behind a federated session), `AROA…` of the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerKind {
    Anonymous,
    AssumedRoot,
    FederatedUser,
    RoleSession,
    Root,
    Saml,
    Service,
    User,
    WebIdentity,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub action: String,
    pub resource: String,
    /// A list is a multivalued key.
    pub context: BTreeMap<String, Value>,
    /// None: the caller's.
    pub resource_account: Option<String>,
    pub principal_in_management_account: bool,
}

impl World {
    /// A role that is assumed: its trust policy is the resource policy. To IAM's own actions a role is like any resource.
    pub fn is_trust(&self) -> bool {
        let by_sts = self.request.action.to_lowercase().starts_with("sts:");
        by_sts
            && self.request.resource.starts_with("arn:aws:iam:")
            && self.request.resource.contains(":role/")
    }

    pub fn is_key(&self) -> bool {
        self.request.resource.starts_with("arn:aws:kms:")
    }
}
