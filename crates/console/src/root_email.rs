//! The root user's e-mail address: a new one is typed, and then the code that was sent there.

use askama::Template;
use axum::response::{Redirect, Response};
use rootward_api::rootward as api;
use rootward_wire::{Error, Sensitive};
use serde::Deserialize;

use crate::layout::{Frame, VERSION, html, html_with, status, told};
use crate::visit::{Posted, SignedIn};

#[derive(Template)]
#[template(path = "root_email.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    /// The present address.
    present: String,
    /// The one that waits for its code.
    new: Option<String>,
}

pub(crate) async fn page(signed_in: SignedIn) -> Response {
    show(&signed_in, None, None).await
}

/// The two halves of a change.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Proves the new address.
    Accept { email: String, code: String },
    /// Sends a code to it.
    Start { email: String },
}

pub(crate) async fn change(Posted(signed_in, change): Posted<Change>) -> Response {
    match change {
        Change::Accept { email, code } => {
            let otp = code.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
            let input = api::AcceptRootEmailUpdateRequest {
                email: Sensitive::new(email.trim()),
                otp: Sensitive::new(otp),
            };
            match signed_in.call::<api::AcceptRootEmailUpdate>(&input).await {
                Ok(_) => signed_in.answer(Redirect::to("/console/security?done=email")),
                Err(error) => show(&signed_in, Some(email), Some(&error)).await,
            }
        }
        Change::Start { email } => {
            let input = api::StartRootEmailUpdateRequest { email: Sensitive::new(email.trim()) };
            match signed_in.call::<api::StartRootEmailUpdate>(&input).await {
                Ok(_) => show(&signed_in, Some(email.trim().to_owned()), None).await,
                Err(error) => show(&signed_in, None, Some(&error)).await,
            }
        }
    }
}

async fn show(signed_in: &SignedIn, new: Option<String>, error: Option<&Error>) -> Response {
    let frame = Frame { refused: error.map(told), ..Frame::new(signed_in, "E-mail address", "security") };
    let found = signed_in.call::<api::GetRootProtection>(&api::GetRootProtectionRequest {}).await;
    let present = found.map(|found| found.email.expose().to_owned()).unwrap_or_default();
    let page = Page { version: VERSION, frame, present, new };
    signed_in.answer(match error {
        Some(error) => html_with(status(error), &page),
        None => html(&page),
    })
}
