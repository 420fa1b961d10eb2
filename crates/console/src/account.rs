//! The account: its name, billing, the support plan, and closing it. What is the root user's alone is marked so, and shown to
//! others too: they learn whom to ask.

use askama::Template;
use axum::response::{Redirect, Response};
use rootward_api::{account, rootward as own};
use rootward_wire::{Error, Sensitive};
use serde::Deserialize;

use crate::layout::{Frame, Part, VERSION, html_with, minute, part};
use crate::visit::{Posted, Query, SignedIn};

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    facts: Part<Facts>,
    /// Whether IAM users may have a part in billing.
    iam_billing: Part<bool>,
    billing: Part<Billing>,
    support: Part<Support>,
}

struct Facts {
    name: String,
    opened: String,
    state: &'static str,
}

struct Billing {
    invoice_by_email: bool,
    invoice_email: String,
    free_tier_alerts: bool,
    free_tier_alert_email: String,
    currency: String,
}

struct Support {
    plan: own::SupportPlan,
    since: String,
}

/// What has been done, as the address says it.
#[derive(Deserialize)]
pub(crate) struct Done {
    done: Option<String>,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Account", "account")
}

pub(crate) async fn page(signed_in: SignedIn, Query(done): Query<Done>) -> Response {
    let done = done.done.is_some().then_some("The account is changed.");
    let frame = Frame { done, ..frame(&signed_in) };
    show(&signed_in, frame).await
}

async fn show(signed_in: &SignedIn, frame: Frame) -> Response {
    let input = account::GetAccountInformationRequest { account_id: None };
    let found = signed_in.call::<account::GetAccountInformation>(&input).await;
    let facts = found.map(|found| Facts {
        name: found.account_name.map(|name| name.expose().to_owned()).unwrap_or_default(),
        opened: found.account_created_date.map(minute).unwrap_or_default(),
        state: found.account_state.map(|state| state.as_str()).unwrap_or_default(),
    });
    let iam_billing = signed_in.call::<own::GetIamBillingAccess>(&own::GetIamBillingAccessRequest {}).await;
    let page = Page {
        version: VERSION,
        facts: part(facts),
        iam_billing: part(iam_billing).map(|found| found.enabled),
        billing: part(billing(signed_in).await),
        support: part(support(signed_in).await),
        frame,
    };
    signed_in.answer(html_with(page.frame.status, &page))
}

async fn billing(signed_in: &SignedIn) -> Result<Billing, Error> {
    let input = own::GetBillingPreferencesRequest {};
    let found = signed_in.call::<own::GetBillingPreferences>(&input).await?.billing_preferences;
    let text = |email: Option<Sensitive>| email.map(|email| email.expose().to_owned()).unwrap_or_default();
    Ok(Billing {
        invoice_by_email: found.invoice_by_email,
        invoice_email: text(found.invoice_email),
        free_tier_alerts: found.free_tier_alerts,
        free_tier_alert_email: text(found.free_tier_alert_email),
        currency: found.currency.unwrap_or_default(),
    })
}

async fn support(signed_in: &SignedIn) -> Result<Support, Error> {
    let found = signed_in.call::<own::GetSupportPlan>(&own::GetSupportPlanRequest {}).await?;
    Ok(Support { plan: found.plan, since: minute(found.since) })
}

/// Changes that are one call each.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Sets the billing preferences.
    Billing {
        invoice_by_email: Option<String>,
        invoice_email: String,
        free_tier_alerts: Option<String>,
        free_tier_alert_email: String,
        currency: String,
    },
    /// Closes the account; `confirm` is its id, typed once more.
    Close { confirm: String },
    /// Opens billing to IAM users, or shuts it.
    IamBilling { enabled: Option<String> },
    /// Names the account.
    Name { name: String },
    /// Chooses the support plan.
    Support { plan: Plan },
}

/// A support plan. A form with another word is refused.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Plan {
    Basic,
    Business,
    Developer,
    Enterprise,
}

impl From<Plan> for own::SupportPlan {
    fn from(plan: Plan) -> Self {
        match plan {
            Plan::Basic => Self::Basic,
            Plan::Business => Self::Business,
            Plan::Developer => Self::Developer,
            Plan::Enterprise => Self::Enterprise,
        }
    }
}

pub(crate) async fn change(Posted(signed_in, change): Posted<Change>) -> Response {
    if let Change::Close { confirm } = &change
        && *confirm != signed_in.live.acting().account.to_string()
    {
        let frame = frame(&signed_in).mistyped("What was typed is not the account's ID. Nothing was closed.");
        return show(&signed_in, frame).await;
    }
    match carry_out(&signed_in, change).await {
        Ok(()) => signed_in.answer(Redirect::to("/console/account?done=1")),
        Err(error) => show(&signed_in, frame(&signed_in).refused(&error)).await,
    }
}

async fn carry_out(signed_in: &SignedIn, change: Change) -> Result<(), Error> {
    let email = |text: String| Some(text).filter(|text| !text.trim().is_empty()).map(Sensitive::new);
    match change {
        Change::Billing {
            invoice_by_email,
            invoice_email,
            free_tier_alerts,
            free_tier_alert_email,
            currency,
        } => {
            let input = own::PutBillingPreferencesRequest {
                invoice_by_email: invoice_by_email.is_some(),
                invoice_email: email(invoice_email),
                free_tier_alerts: free_tier_alerts.is_some(),
                free_tier_alert_email: email(free_tier_alert_email),
                currency: Some(currency).filter(|currency| !currency.is_empty()),
            };
            signed_in.call::<own::PutBillingPreferences>(&input).await.map(drop)
        }
        Change::Close { .. } => {
            signed_in.call::<own::CloseAccount>(&own::CloseAccountRequest {}).await.map(drop)
        }
        Change::IamBilling { enabled } => {
            let input = own::PutIamBillingAccessRequest { enabled: enabled.is_some() };
            signed_in.call::<own::PutIamBillingAccess>(&input).await.map(drop)
        }
        Change::Name { name } => {
            let input =
                account::PutAccountNameRequest { account_name: Sensitive::new(name), account_id: None };
            signed_in.call::<account::PutAccountName>(&input).await.map(drop)
        }
        Change::Support { plan } => {
            let input = own::PutSupportPlanRequest { plan: plan.into() };
            signed_in.call::<own::PutSupportPlan>(&input).await.map(drop)
        }
    }
}
