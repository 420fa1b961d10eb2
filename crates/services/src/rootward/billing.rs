//! How bills come, and whether IAM users and roles have a part in that.
//!
//! A new account's billing is the root user's alone: no policy lets anybody else near it until the root user says so
//! ([`rootward_auth::authz::billing_switch`]). From then on policies decide, as everywhere.
//!
//! Source: Billing User Guide, "Activating IAM access to the AWS Billing console", "Customizing your Billing preferences".

use rootward_api::rootward as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::Txn;
use rootward_state::entities::BillingPreferences;
use rootward_wire::{Empty, Sensitive};

use crate::own;

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&GET_BILLING_PREFERENCES, &GET_IAM_BILLING_ACCESS, &PUT_BILLING_PREFERENCES, &PUT_IAM_BILLING_ACCESS];

pub(super) static PUT_IAM_BILLING_ACCESS: Declaration<api::PutIamBillingAccess> = Declaration {
    effect: Effect::Write,
    callers: Callers::Root("billing:UpdateIAMAccessPreference"),
    rules: &[Rule {
        action: "billing:UpdateIAMAccessPreference",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: put_iam_billing_access,
};

fn put_iam_billing_access(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutIamBillingAccessRequest,
) -> Result<Empty, Failure> {
    let mut settings = own::settings(ctx, txn);
    settings.iam_billing_access = input.enabled;
    own::put_settings(ctx, txn, settings);
    Ok(Empty)
}

pub(super) static GET_IAM_BILLING_ACCESS: Declaration<api::GetIamBillingAccess> = Declaration {
    effect: Effect::Read,
    callers: Callers::Root("billing:GetIAMAccessPreference"),
    rules: &[Rule {
        action: "billing:GetIAMAccessPreference",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: get_iam_billing_access,
};

fn get_iam_billing_access(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &api::GetIamBillingAccessRequest,
) -> Result<api::GetIamBillingAccessResponse, Failure> {
    Ok(api::GetIamBillingAccessResponse { enabled: own::settings(ctx, txn).iam_billing_access })
}

pub(super) static PUT_BILLING_PREFERENCES: Declaration<api::PutBillingPreferences> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "billing:UpdateBillingPreferences",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: put_billing_preferences,
};

/// All of them at once: what is left out is none.
fn put_billing_preferences(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutBillingPreferencesRequest,
) -> Result<Empty, Failure> {
    let text = |text: &Option<Sensitive>| text.as_ref().map(|text| text.expose().into());
    let mut settings = own::settings(ctx, txn);
    settings.billing = BillingPreferences {
        invoice_by_email: input.invoice_by_email,
        invoice_email: text(&input.invoice_email),
        free_tier_alerts: input.free_tier_alerts,
        free_tier_alert_email: text(&input.free_tier_alert_email),
        currency: input.currency.as_deref().map(Into::into),
    };
    own::put_settings(ctx, txn, settings);
    Ok(Empty)
}

pub(super) static GET_BILLING_PREFERENCES: Declaration<api::GetBillingPreferences> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "billing:GetBillingPreferences",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: get_billing_preferences,
};

fn get_billing_preferences(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &api::GetBillingPreferencesRequest,
) -> Result<api::GetBillingPreferencesResponse, Failure> {
    let text = |text: Option<Box<str>>| text.map(|text| Sensitive::new(text.into_string()));
    let billing = own::settings(ctx, txn).billing;
    Ok(api::GetBillingPreferencesResponse {
        billing_preferences: api::BillingPreferences {
            invoice_by_email: billing.invoice_by_email,
            invoice_email: text(billing.invoice_email),
            free_tier_alerts: billing.free_tier_alerts,
            free_tier_alert_email: text(billing.free_tier_alert_email),
            currency: billing.currency.map(Into::into),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn billing_is_closed_to_iam_until_it_is_opened_and_can_be_closed_again() {
        let bench = Bench::new();
        let is_open = || bench.run(&GET_IAM_BILLING_ACCESS, Default::default()).unwrap().enabled;
        assert!(!is_open());
        for enabled in [true, false] {
            bench.run(&PUT_IAM_BILLING_ACCESS, api::PutIamBillingAccessRequest { enabled }).unwrap();
            assert_eq!(is_open(), enabled);
        }
    }

    #[test]
    fn switch_is_the_root_users_alone() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.call_as_user("ann");
        let error = bench.run(&PUT_IAM_BILLING_ACCESS, api::PutIamBillingAccessRequest { enabled: true });
        let error = error.unwrap_err();
        assert_eq!((error.code, error.status), ("AccessDenied", 403));
        assert!(error.message.ends_with("this needs the root user of account 111122223333"), "{error}");
        assert!(bench.run(&GET_IAM_BILLING_ACCESS, Default::default()).is_err());
        assert!(!bench.state().settings().iam_billing_access);
    }

    #[test]
    fn preferences_are_replaced_whole() {
        let bench = Bench::new();
        let get = || bench.run(&GET_BILLING_PREFERENCES, Default::default()).unwrap().billing_preferences;
        assert_eq!((get().invoice_by_email, get().currency), (false, None));
        let input = api::PutBillingPreferencesRequest {
            invoice_by_email: true,
            invoice_email: Some(Sensitive::new("bills@example.com")),
            free_tier_alerts: true,
            currency: Some("EUR".into()),
            ..Default::default()
        };
        bench.run(&PUT_BILLING_PREFERENCES, input).unwrap();
        let shown = get();
        assert_eq!(shown.invoice_email.as_ref().map(Sensitive::expose), Some("bills@example.com"));
        assert_eq!((shown.free_tier_alerts, shown.free_tier_alert_email), (true, None));
        assert_eq!(shown.currency.as_deref(), Some("EUR"));
        bench.run(&PUT_BILLING_PREFERENCES, Default::default()).unwrap();
        assert_eq!((get().invoice_by_email, get().invoice_email, get().currency), (false, None, None));
    }
}
