//! What an account's owner has settled for the account as a whole: whom to reach, which regions are in use, billing, support.

use rootward_names::{AccountId, Time};
use serde::{Deserialize, Serialize};

/// The settings of an account. An account without this row has the default: nothing given, nothing switched on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSettings {
    /// Whom the account belongs to.
    pub contact: Option<Contact>,
    /// Whom to reach besides, for what: each kind at most once, in order.
    pub alternate_contacts: Vec<AlternateContact>,
    /// The regions that are not in use by default and were switched on, in order.
    pub regions: Vec<Box<str>>,
    /// How bills come.
    pub billing: BillingPreferences,
    /// Whether IAM users and roles get to billing at all. While not, no policy lets them.
    pub iam_billing_access: bool,
    /// The support plan, if it was ever chosen.
    pub support: Option<Support>,
    /// The change of the root user's e-mail address that is under way.
    pub email_update: Option<EmailUpdate>,
}

impl AccountSettings {
    /// What holds for an account without this row.
    pub const fn new() -> Self {
        Self {
            contact: None,
            alternate_contacts: Vec::new(),
            regions: Vec::new(),
            billing: BillingPreferences::new(),
            iam_billing_access: false,
            support: None,
            email_update: None,
        }
    }

    /// Whom to reach for this.
    pub fn alternate_contact(&self, kind: ContactKind) -> Option<&AlternateContact> {
        self.alternate_contacts.iter().find(|contact| contact.kind == kind)
    }
}

/// The primary contact of an account, as it was given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// 1–50 characters.
    pub full_name: Box<str>,
    /// 1–60 characters.
    pub address_line1: Box<str>,
    /// 1–60 characters.
    pub address_line2: Option<Box<str>>,
    /// 1–60 characters.
    pub address_line3: Option<Box<str>>,
    /// 1–50 characters.
    pub city: Box<str>,
    /// 1–50 characters; some countries need it.
    pub state_or_region: Option<Box<str>>,
    /// 1–50 characters.
    pub district_or_county: Option<Box<str>>,
    /// 1–20 characters.
    pub postal_code: Box<str>,
    /// Two letters, ISO 3166.
    pub country_code: Box<str>,
    /// With the country's code and a `+`.
    pub phone_number: Box<str>,
    /// 1–50 characters.
    pub company_name: Option<Box<str>>,
    /// 1–256 characters.
    pub website_url: Option<Box<str>>,
}

/// Somebody to reach besides the primary contact.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlternateContact {
    /// For what.
    pub kind: ContactKind,
    /// 1–64 characters.
    pub name: Box<str>,
    /// 1–50 characters.
    pub title: Box<str>,
    /// 1–254 characters.
    pub email: Box<str>,
    /// 1–25 characters.
    pub phone_number: Box<str>,
}

/// What an alternate contact is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContactKind {
    /// Bills.
    Billing,
    /// Running the account.
    Operations,
    /// Security.
    Security,
}

// They are about people: no log needs them.

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact(…)")
    }
}

impl std::fmt::Debug for AlternateContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AlternateContact({:?}, …)", self.kind)
    }
}

/// How bills and warnings about their size come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingPreferences {
    /// Whether invoices come by mail.
    pub invoice_by_email: bool,
    /// Where to, if not to the root user.
    pub invoice_email: Option<Box<str>>,
    /// Whether somebody is warned before what is free is used up.
    pub free_tier_alerts: bool,
    /// Who, if not the root user.
    pub free_tier_alert_email: Option<Box<str>>,
    /// Three letters, ISO 4217.
    pub currency: Option<Box<str>>,
}

impl BillingPreferences {
    /// Nothing chosen.
    pub const fn new() -> Self {
        Self {
            invoice_by_email: false,
            invoice_email: None,
            free_tier_alerts: false,
            free_tier_alert_email: None,
            currency: None,
        }
    }
}

/// The support plan of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// Which.
    pub plan: SupportPlan,
    /// Since when.
    pub since: Time,
}

/// A support plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SupportPlan {
    /// What every account has.
    Basic,
    /// For those who build.
    Developer,
    /// For those who depend on it.
    Business,
    /// With somebody to call by name.
    Enterprise,
}

/// A change of the root user's e-mail address that waits for the code which was sent to the new one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailUpdate {
    /// The new address.
    pub email: Box<str>,
    /// The code under a key of the key file: whoever reads the row cannot try all codes.
    pub code: [u8; 32],
    /// When it was sent.
    pub sent: Time,
    /// Until when it is taken.
    pub expires: Time,
    /// How many more codes may be tried.
    pub attempts_left: u8,
}

impl EmailUpdate {
    /// What its code is computed over: a code is good for one account and one address.
    pub fn code_input(account: AccountId, email: &str, code: &str) -> String {
        format!("{account}\n{}\n{code}", email.to_ascii_lowercase())
    }
}

impl std::fmt::Debug for EmailUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sent, expires, attempts_left, .. } = self;
        write!(f, "EmailUpdate {{ {sent:?}..{expires:?}, attempts_left: {attempts_left}, … }}")
    }
}
