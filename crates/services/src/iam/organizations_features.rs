//! Which features of the central management of root users an organization has switched on.
//!
//! The management account switches them on; it and whoever administers IAM for it look at them and switch them off. What a feature does
//! while it is on is [`central_root`]'s.
//!
//! Source: IAM API Reference, the five operations.

use std::sync::Arc;

use rootward_api::iam as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::entities::{CentralRootAccess, Organization};
use rootward_state::{RowKey, Txn};

use super::failures;
use crate::central_root;

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &DISABLE_CREDENTIALS_MANAGEMENT,
    &DISABLE_SESSIONS,
    &ENABLE_CREDENTIALS_MANAGEMENT,
    &ENABLE_SESSIONS,
    &LIST_FEATURES,
];

pub(super) static ENABLE_CREDENTIALS_MANAGEMENT: Declaration<
    api::EnableOrganizationsRootCredentialsManagement,
> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:EnableOrganizationsRootCredentialsManagement",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: |ctx, txn, _| {
        let (organization_id, enabled_features) =
            switch(ctx, txn, Who::Management, |access| access.credentials = true)?;
        Ok(api::EnableOrganizationsRootCredentialsManagementResponse { organization_id, enabled_features })
    },
};

pub(super) static ENABLE_SESSIONS: Declaration<api::EnableOrganizationsRootSessions> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:EnableOrganizationsRootSessions",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: |ctx, txn, _| {
        let (organization_id, enabled_features) =
            switch(ctx, txn, Who::Management, |access| access.sessions = true)?;
        Ok(api::EnableOrganizationsRootSessionsResponse { organization_id, enabled_features })
    },
};

pub(super) static DISABLE_CREDENTIALS_MANAGEMENT: Declaration<
    api::DisableOrganizationsRootCredentialsManagement,
> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DisableOrganizationsRootCredentialsManagement",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: |ctx, txn, _| {
        let (organization_id, enabled_features) =
            switch(ctx, txn, Who::Administrators, |access| access.credentials = false)?;
        Ok(api::DisableOrganizationsRootCredentialsManagementResponse { organization_id, enabled_features })
    },
};

pub(super) static DISABLE_SESSIONS: Declaration<api::DisableOrganizationsRootSessions> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DisableOrganizationsRootSessions",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: |ctx, txn, _| {
        let (organization_id, enabled_features) =
            switch(ctx, txn, Who::Administrators, |access| access.sessions = false)?;
        Ok(api::DisableOrganizationsRootSessionsResponse { organization_id, enabled_features })
    },
};

pub(super) static LIST_FEATURES: Declaration<api::ListOrganizationsFeatures> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListOrganizationsFeatures",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: |ctx, txn, _| {
        let (organization_id, enabled_features) = shown(&*organization(ctx, txn, Who::Administrators)?);
        Ok(api::ListOrganizationsFeaturesResponse { organization_id, enabled_features })
    },
};

/// Whose an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// The management account's, and whose administers IAM for it.
    Administrators,
    /// The management account's.
    Management,
}

type Shown = (Option<String>, Option<Vec<api::FeatureType>>);

fn switch(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    who: Who,
    change: impl FnOnce(&mut CentralRootAccess),
) -> Result<Shown, Failure> {
    let mut row = Organization::clone(&*organization(ctx, txn, who)?);
    change(&mut row.root_access);
    let shown = shown(&row);
    txn.put(RowKey::Organization(row.id.clone()), row);
    Ok(shown)
}

/// The organization's row, guarded, if the caller is one of those.
fn organization(ctx: &OpContext<'_>, txn: &mut Txn, who: Who) -> Result<Arc<Organization>, Failure> {
    let account = ctx.account();
    let state = txn.world().organization_of(account).cloned().ok_or_else(failures::no_organization)?;
    let row = txn.get::<Organization>(RowKey::Organization(state.organization().id.clone()));
    let row = row.ok_or_else(failures::no_organization)?;
    if row.management != account {
        if !central_root::is_delegated(&state, account) {
            return Err(failures::not_management_or_delegated());
        }
        if who == Who::Management {
            return Err(failures::not_management());
        }
    }
    if !row.all_features {
        return Err(failures::not_all_features());
    }
    if !central_root::is_trusted(&row) {
        return Err(failures::iam_not_trusted());
    }
    Ok(row)
}

fn shown(row: &Organization) -> Shown {
    let CentralRootAccess { credentials, sessions } = row.root_access;
    let features = [
        credentials.then_some(api::FeatureType::RootCredentialsManagement),
        sessions.then_some(api::FeatureType::RootSessions),
    ];
    (Some(row.id.to_string()), Some(features.into_iter().flatten().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organizations::testing::{call_as, organization};
    use crate::testing::Bench;

    const MEMBER: &str = "222233334444";

    fn enable_credentials(bench: &Bench) -> Result<Shown, Failure> {
        let output = bench.run(&ENABLE_CREDENTIALS_MANAGEMENT, Default::default())?;
        Ok((output.organization_id, output.enabled_features))
    }

    fn list(bench: &Bench) -> Result<Vec<api::FeatureType>, Failure> {
        Ok(bench.run(&LIST_FEATURES, Default::default())?.enabled_features.unwrap())
    }

    #[test]
    fn features_are_switched_on_and_off_one_by_one() {
        let bench = Bench::new();
        let organization = organization(&bench, &[MEMBER], &["iam.amazonaws.com"]);
        assert_eq!(list(&bench).unwrap(), []);
        let (id, features) = enable_credentials(&bench).unwrap();
        assert_eq!(id, Some(organization.to_string()));
        assert_eq!(features, Some(vec![api::FeatureType::RootCredentialsManagement]));
        let both = bench.run(&ENABLE_SESSIONS, Default::default()).unwrap().enabled_features.unwrap();
        assert_eq!(both, [api::FeatureType::RootCredentialsManagement, api::FeatureType::RootSessions]);
        assert_eq!(enable_credentials(&bench).unwrap().1, Some(both));
        bench.run(&DISABLE_CREDENTIALS_MANAGEMENT, Default::default()).unwrap();
        assert_eq!(list(&bench).unwrap(), [api::FeatureType::RootSessions]);
        bench.run(&DISABLE_SESSIONS, Default::default()).unwrap();
        assert_eq!(list(&bench).unwrap(), []);
    }

    #[test]
    fn features_need_an_organization_with_all_features_that_trusts_iam() {
        let bench = Bench::new();
        assert_eq!(list(&bench).unwrap_err().code, "OrganizationNotFoundException");
        let id = organization(&bench, &[], &[]);
        assert_eq!(enable_credentials(&bench).unwrap_err().code, "ServiceAccessNotEnabledException");
        bench.write(|txn| {
            let key = RowKey::Organization(id);
            let row = Organization::clone(&*txn.get::<Organization>(key.clone()).unwrap());
            txn.put(key, Organization { all_features: false, ..row });
        });
        assert_eq!(enable_credentials(&bench).unwrap_err().code, "OrganizationNotInAllFeaturesModeException");
    }

    #[test]
    fn members_switch_nothing_and_who_administers_iam_only_off() {
        let bench = Bench::new();
        organization(&bench, &[MEMBER], &["iam.amazonaws.com"]);
        enable_credentials(&bench).unwrap();
        call_as(&bench, MEMBER);
        let refused = "AccountNotManagementOrDelegatedAdministratorException";
        assert_eq!(list(&bench).unwrap_err().code, refused);
        assert_eq!(enable_credentials(&bench).unwrap_err().code, refused);
        crate::organizations::testing::delegate(&bench, MEMBER, "iam.amazonaws.com");
        assert_eq!(list(&bench).unwrap(), [api::FeatureType::RootCredentialsManagement]);
        assert_eq!(enable_credentials(&bench).unwrap_err().code, "CallerIsNotManagementAccountException");
        bench.run(&DISABLE_CREDENTIALS_MANAGEMENT, Default::default()).unwrap();
        assert_eq!(list(&bench).unwrap(), []);
    }
}
