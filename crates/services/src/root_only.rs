//! What no policy can give away: whose each operation is that touches the account as a whole or its root user.
//!
//! A declaration says which credentials it takes ([`Callers`](rootward_pipeline::Callers)), and the path of requests holds it to
//! that; this is the same said once more, in one place and for every operation of these services, so that none gets in by
//! nobody having thought of it. The tests hold the two against each other.
//!
//! Source: IAM User Guide, "Tasks that require root user credentials".

/// Who can be allowed to call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever policies allow it.
    Anyone,
    /// The root user.
    Root,
    /// The root user, or whoever manages the organization that the account is a member of.
    RootOrOrganization,
}

/// Who can be allowed to call this operation. Those of services that are about what is in an account are everybody's; what they
/// do to the root user is theirs to guard.
pub fn who(service: &str, operation: &str) -> Who {
    let row = TABLE.iter().find(|(of, name, _)| *of == service && *name == operation);
    row.map_or(Who::Anyone, |(_, _, who)| *who)
}

const TABLE: &[(&str, &str, Who)] = &[
    // The root user of a member has `rootward:StartRootEmailUpdate` for it.
    ("account", "AcceptPrimaryEmailUpdate", Who::RootOrOrganization),
    ("account", "DeleteAlternateContact", Who::Anyone),
    ("account", "DisableRegion", Who::Anyone),
    ("account", "EnableRegion", Who::Anyone),
    ("account", "GetAccountInformation", Who::Anyone),
    ("account", "GetAlternateContact", Who::Anyone),
    ("account", "GetContactInformation", Who::Anyone),
    ("account", "GetGovCloudAccountInformation", Who::Anyone),
    ("account", "GetPrimaryEmail", Who::RootOrOrganization),
    ("account", "GetRegionOptStatus", Who::Anyone),
    ("account", "ListRegions", Who::Anyone),
    ("account", "PutAccountName", Who::Anyone),
    ("account", "PutAlternateContact", Who::Anyone),
    ("account", "PutContactInformation", Who::Anyone),
    ("account", "StartPrimaryEmailUpdate", Who::RootOrOrganization),
    ("rootward", "AcceptRootEmailUpdate", Who::Root),
    // By users whom the root user has named.
    ("rootward", "ApproveRootAccess", Who::Anyone),
    ("rootward", "ChangeRootPassword", Who::Root),
    ("rootward", "CloseAccount", Who::Root),
    ("rootward", "DeleteGuardPolicy", Who::Root),
    // Of who manages the organization, or administers something for it.
    ("rootward", "ExplainMemberRoot", Who::Anyone),
    // Everybody's own; the root user's by the root user, signed in.
    ("rootward", "FinishPasskeyRegistration", Who::Anyone),
    // Anyone's once the root user has opened billing to IAM.
    ("rootward", "GetBillingPreferences", Who::Anyone),
    ("rootward", "GetGuardPolicy", Who::Anyone),
    ("rootward", "GetIamBillingAccess", Who::Root),
    // As whoever may list what is in the organization.
    ("rootward", "GetOrganizationTree", Who::Anyone),
    ("rootward", "GetRootProtection", Who::Anyone),
    ("rootward", "GetSupportPlan", Who::Anyone),
    // Of who manages the organization, or administers IAM for it.
    ("rootward", "ListMemberRootCredentials", Who::Anyone),
    ("rootward", "ListRootAccessRequests", Who::Anyone),
    // Everybody's own; those of users by permission.
    ("rootward", "ListSessions", Who::Anyone),
    ("rootward", "PutBillingPreferences", Who::Anyone),
    ("rootward", "PutGuardPolicy", Who::Root),
    ("rootward", "PutIamBillingAccess", Who::Root),
    ("rootward", "PutRootAccessSettings", Who::Root),
    ("rootward", "PutSupportPlan", Who::Root),
    ("rootward", "RejectRootAccess", Who::Anyone),
    ("rootward", "RevokeSession", Who::Anyone),
    ("rootward", "SealRoot", Who::Root),
    ("rootward", "SearchAccounts", Who::Anyone),
    ("rootward", "StartPasskeyRegistration", Who::Anyone),
    ("rootward", "StartRootEmailUpdate", Who::Root),
    ("rootward", "UnsealRoot", Who::Root),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_on_an_account_or_its_root_user_has_one_line() {
        let lines: BTreeSet<_> = TABLE.iter().map(|(service, name, _)| (*service, *name)).collect();
        assert_eq!(lines.len(), TABLE.len());
        let handlers = crate::operations().map(|handler| handler.schema());
        let declared: BTreeSet<_> = handlers
            .map(|schema| (schema.service.name, schema.name))
            .filter(|(service, _)| ["account", "rootward"].contains(service))
            .collect();
        assert_eq!(lines, declared);
    }

    #[test]
    fn declarations_refuse_exactly_those_who_cannot_be_allowed() {
        for handler in crate::operations() {
            let schema = handler.schema();
            let (name, own) = (schema.name, handler.callers().root_action());
            let is_root = who(schema.service.name, name) == Who::Root;
            assert_eq!(own.is_some(), is_root, "{name}");
            // A refusal names the action that the policies of an organization are asked about.
            assert_eq!(own, is_root.then(|| handler.actions()[0]), "{name}");
        }
    }
}
