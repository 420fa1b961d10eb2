//! Condition keys of Organizations, which requests and what they name give values.
//!
//! Source: Service Authorization Reference, "AWS Organizations".

/// The type of a policy, as `CreatePolicy` calls it.
pub(crate) const POLICY_TYPE: &str = "organizations:PolicyType";

/// The service that is trusted or administered.
pub(super) const SERVICE_PRINCIPAL: &str = "organizations:ServicePrincipal";

/// Which side of a transfer the caller's organization is on.
pub(super) const TRANSFER_DIRECTION: &str = "organizations:TransferDirection";

/// What is transferred.
pub(super) const TRANSFER_TYPE: &str = "organizations:TransferType";
