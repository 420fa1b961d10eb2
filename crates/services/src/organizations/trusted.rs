//! Trusted access: the services that may act in all accounts of an organization.
//!
//! Source: Organizations API Reference; Organizations User Guide, "AWS services that you can use with AWS Organizations".

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Target, always,
};
use rootward_state::entities::{CentralRootAccess, Organization, TrustedService};
use rootward_state::{OrganizationState, RowKey, Txn};
use rootward_wire::Empty;

use super::page::Ask;
use super::{failures, keys, standing};
use crate::central_root;

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&DISABLE_AWS_SERVICE_ACCESS, &ENABLE_AWS_SERVICE_ACCESS, &LIST_AWS_SERVICE_ACCESS_FOR_ORGANIZATION];

pub(super) static ENABLE_AWS_SERVICE_ACCESS: Declaration<api::EnableAwsServiceAccess> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:EnableAWSServiceAccess",
        when: always,
        target: |_, _| Target::any(),
        keys: &[Key::Text(keys::SERVICE_PRINCIPAL, |_, input| Some(input.service_principal.clone()))],
    }],
    run: enable_aws_service_access,
};

/// A service that is trusted already stays so since when it was.
fn enable_aws_service_access(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::EnableAwsServiceAccessRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let mut row = row_with_all_features(txn, &state)?;
    let principal = known(&input.service_principal)?;
    if !is_trusted(&row, principal) {
        row.trusted.push(TrustedService { principal: principal.into(), since: ctx.now });
        txn.put(RowKey::Organization(row.id.clone()), row);
    }
    Ok(Empty)
}

pub(super) static DISABLE_AWS_SERVICE_ACCESS: Declaration<api::DisableAwsServiceAccess> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DisableAWSServiceAccess",
        when: always,
        target: |_, _| Target::any(),
        keys: &[Key::Text(keys::SERVICE_PRINCIPAL, |_, input| Some(input.service_principal.clone()))],
    }],
    run: disable_aws_service_access,
};

/// With IAM goes what it was trusted for: members' root users are not managed from one place any more.
fn disable_aws_service_access(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DisableAwsServiceAccessRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let mut row = row_with_all_features(txn, &state)?;
    let principal = known(&input.service_principal)?;
    // Whoever registers one rewrites the row, as is done here.
    if state
        .members()
        .iter()
        .any(|(_, member)| member.delegated.iter().any(|service| &*service.principal == principal))
    {
        return Err(failures::service_has_administrators());
    }
    if is_trusted(&row, principal) {
        row.trusted.retain(|service| &*service.principal != principal);
        if principal == central_root::SERVICE {
            row.root_access = CentralRootAccess::default();
        }
        txn.put(RowKey::Organization(row.id.clone()), row);
    }
    Ok(Empty)
}

pub(super) static LIST_AWS_SERVICE_ACCESS_FOR_ORGANIZATION: Declaration<
    api::ListAwsServiceAccessForOrganization,
> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListAWSServiceAccessForOrganization",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: list_aws_service_access_for_organization,
};

fn list_aws_service_access_for_organization(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListAwsServiceAccessForOrganizationRequest,
) -> Result<api::ListAwsServiceAccessForOrganizationResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_AWS_SERVICE_ACCESS_FOR_ORGANIZATION, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let mut services: Vec<_> = state.organization().trusted.iter().collect();
    services.sort_unstable_by(|one, other| one.principal.cmp(&other.principal));
    let rest = services.into_iter().filter(|service| ask.after.as_deref() < Some(&*service.principal));
    let page = ask.take(
        rest,
        |service| service.principal.to_string(),
        |service| api::EnabledServicePrincipal {
            service_principal: Some(service.principal.to_string()),
            date_enabled: Some(service.since),
        },
    );
    Ok(api::ListAwsServiceAccessForOrganizationResponse {
        enabled_service_principals: page.items,
        next_token: page.next_token,
    })
}

/// The organization's row, to be changed.
fn row_with_all_features(txn: &mut Txn, state: &Arc<OrganizationState>) -> Result<Organization, Failure> {
    let row = standing::row(txn, &state.organization().id)?;
    if row.all_features { Ok(Organization::clone(&row)) } else { Err(failures::not_all_features()) }
}

/// Whether the organization trusts a service.
pub(super) fn is_trusted(organization: &Organization, principal: &str) -> bool {
    organization.trusted.iter().any(|service| &*service.principal == principal)
}

/// The service of this name, if it works with organizations.
///
/// # Errors
/// `InvalidInputException`.
pub(super) fn known(principal: &str) -> Result<&'static str, Failure> {
    let found = SERVICES.binary_search(&principal).ok().and_then(|place| SERVICES.get(place));
    found.copied().ok_or_else(failures::unrecognized_service)
}

/// In the order of their bytes.
static SERVICES: &[&str] = &[
    "access-analyzer.amazonaws.com",
    "account.amazonaws.com",
    "agentless.inspector2.amazonaws.com",
    "auditmanager.amazonaws.com",
    "aws-artifact-account-sync.amazonaws.com",
    "backup.amazonaws.com",
    "bcm-data-exports.amazonaws.com",
    "billing-cost-management.amazonaws.com",
    "chatbot.amazonaws.com",
    "cloudtrail.amazonaws.com",
    "compute-optimizer.amazonaws.com",
    "config-multiaccountsetup.amazonaws.com",
    "config.amazonaws.com",
    "controltower.amazonaws.com",
    "cost-optimization-hub.bcm.amazonaws.com",
    "dashboard.eks.amazonaws.com",
    "detective.amazonaws.com",
    "devops-guru.amazonaws.com",
    "ds.amazonaws.com",
    "ec2.amazonaws.com",
    "fms.amazonaws.com",
    "guardduty.amazonaws.com",
    "health.amazonaws.com",
    "iam.amazonaws.com",
    "inspector2.amazonaws.com",
    "ipam.amazonaws.com",
    "license-management.marketplace.amazonaws.com",
    "license-manager-linux-subscriptions.amazonaws.com",
    "license-manager-user-subscriptions.amazonaws.com",
    "license-manager.amazonaws.com",
    "license-manager.member-account.amazonaws.com",
    "macie.amazonaws.com",
    "malware-protection.guardduty.amazonaws.com",
    "member.org.stacksets.cloudformation.amazonaws.com",
    "mgn.amazonaws.com",
    "networkmanager.amazonaws.com",
    "notifications.amazonaws.com",
    "observabilityadmin.amazonaws.com",
    "opsdatasync.ssm.amazonaws.com",
    "private-marketplace.marketplace.amazonaws.com",
    "procurement-insights.marketplace.amazonaws.com",
    "ram.amazonaws.com",
    "reachabilityanalyzer.networkinsights.amazonaws.com",
    "reporting.trustedadvisor.amazonaws.com",
    "resiliencehub.amazonaws.com",
    "resource-explorer-2.amazonaws.com",
    "security-ir.amazonaws.com",
    "securityhub.amazonaws.com",
    "securitylake.amazonaws.com",
    "selfservicereporting.managedservices.amazonaws.com",
    "servicecatalog.amazonaws.com",
    "servicequotas.amazonaws.com",
    "ssm-quicksetup.amazonaws.com",
    "ssm.amazonaws.com",
    "sso.amazonaws.com",
    "stacksets.cloudformation.amazonaws.com",
    "storage-lens.s3.amazonaws.com",
    "tagpolicies.tag.amazonaws.com",
    "user-subscriptions.amazonaws.com",
    "wellarchitected.amazonaws.com",
];

#[cfg(test)]
mod tests {
    use super::super::organization::CREATE_ORGANIZATION;
    use super::super::testing::{call_as, delegate, organization};
    use super::*;
    use crate::testing::Bench;

    const MEMBER: &str = "222233334444";

    fn enable(bench: &Bench, name: &str) -> Result<Empty, Failure> {
        let service_principal = name.to_owned();
        bench.run(&ENABLE_AWS_SERVICE_ACCESS, api::EnableAwsServiceAccessRequest { service_principal })
    }

    fn disable(bench: &Bench, name: &str) -> Result<Empty, Failure> {
        let service_principal = name.to_owned();
        bench.run(&DISABLE_AWS_SERVICE_ACCESS, api::DisableAwsServiceAccessRequest { service_principal })
    }

    fn list(
        bench: &Bench,
        next_token: Option<String>,
        max_results: i32,
    ) -> Result<(Vec<String>, Option<String>), Failure> {
        let input =
            api::ListAwsServiceAccessForOrganizationRequest { next_token, max_results: Some(max_results) };
        let page = bench.run(&LIST_AWS_SERVICE_ACCESS_FOR_ORGANIZATION, input)?;
        let services = page.enabled_service_principals.unwrap();
        Ok((
            services.into_iter().map(|service| service.service_principal.unwrap()).collect(),
            page.next_token,
        ))
    }

    #[test]
    fn services_are_sorted_and_each_there_once() {
        assert!(SERVICES.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn trusted_services_are_listed_page_by_page_until_they_are_trusted_no_more() {
        let bench = Bench::new();
        organization(&bench, &[], &[]);
        for name in ["ram.amazonaws.com", "iam.amazonaws.com", "sso.amazonaws.com", "iam.amazonaws.com"] {
            enable(&bench, name).unwrap();
        }
        let (first, token) = list(&bench, None, 2).unwrap();
        assert_eq!(first, ["iam.amazonaws.com", "ram.amazonaws.com"]);
        assert_eq!(list(&bench, token, 2).unwrap(), (vec!["sso.amazonaws.com".into()], None));
        disable(&bench, "ram.amazonaws.com").unwrap();
        disable(&bench, "ram.amazonaws.com").unwrap();
        assert_eq!(list(&bench, None, 20).unwrap().0, ["iam.amazonaws.com", "sso.amazonaws.com"]);
    }

    #[test]
    fn service_that_works_with_no_organization_is_not_recognized() {
        let bench = Bench::new();
        organization(&bench, &[], &[]);
        for refused in [enable(&bench, "ec2"), disable(&bench, "example.com")] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.code, "InvalidInputException");
            assert_eq!(refused.message, "You specified an unrecognized service principal.");
        }
    }

    #[test]
    fn organization_for_billing_alone_trusts_nobody() {
        let bench = Bench::new();
        let feature_set = Some(api::OrganizationFeatureSet::ConsolidatedBilling);
        bench.run(&CREATE_ORGANIZATION, api::CreateOrganizationRequest { feature_set }).unwrap();
        assert_eq!(enable(&bench, "ram.amazonaws.com").unwrap_err(), failures::not_all_features());
    }

    #[test]
    fn service_that_members_administer_stays_trusted() {
        let bench = Bench::new();
        organization(&bench, &[MEMBER], &["iam.amazonaws.com"]);
        delegate(&bench, MEMBER, "iam.amazonaws.com");
        assert_eq!(disable(&bench, "iam.amazonaws.com").unwrap_err(), failures::service_has_administrators());
    }

    #[test]
    fn central_root_access_ends_with_the_trust_in_iam() {
        let bench = Bench::new();
        let id = organization(&bench, &[], &["iam.amazonaws.com"]);
        let on = CentralRootAccess { credentials: true, sessions: true };
        bench.write(|txn| {
            let row = Organization::clone(&*standing::row(txn, &id).unwrap());
            txn.put(RowKey::Organization(id.clone()), Organization { root_access: on, ..row });
        });
        disable(&bench, "iam.amazonaws.com").unwrap();
        enable(&bench, "iam.amazonaws.com").unwrap();
        let mut txn = bench.begin();
        assert_eq!(standing::row(&mut txn, &id).unwrap().root_access, CentralRootAccess::default());
    }

    #[test]
    fn members_change_nothing_and_look_only_if_they_administer_something() {
        let bench = Bench::new();
        organization(&bench, &[MEMBER], &["iam.amazonaws.com"]);
        call_as(&bench, MEMBER);
        for refused in [enable(&bench, "ram.amazonaws.com"), disable(&bench, "iam.amazonaws.com")] {
            assert_eq!(refused.unwrap_err(), failures::not_management());
        }
        assert_eq!(list(&bench, None, 20).unwrap_err(), failures::not_management());
        delegate(&bench, MEMBER, "iam.amazonaws.com");
        assert_eq!(list(&bench, None, 20).unwrap().0, ["iam.amazonaws.com"]);
        assert_eq!(enable(&bench, "ram.amazonaws.com").unwrap_err(), failures::not_management());
    }
}
