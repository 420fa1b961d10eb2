//! Asking once more, where what is done has consequences that its button does not say.

use askama::Template;
use axum::response::Response;

use crate::layout::{Frame, VERSION, html};
use crate::visit::SignedIn;

/// A question whose yes is a form.
pub(crate) struct Confirm {
    /// The question.
    pub(crate) title: &'static str,
    /// What it means.
    pub(crate) text: String,
    /// Where the form goes.
    pub(crate) action: String,
    /// What it says.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// Its button.
    pub(crate) yes: &'static str,
    /// What somebody says who means no.
    pub(crate) no: &'static str,
    /// Where they go.
    pub(crate) back: String,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    confirm: Confirm,
}

impl Confirm {
    /// The page that asks.
    pub(crate) fn ask(self, signed_in: &SignedIn, frame: Frame) -> Response {
        signed_in.answer(html(&Page { version: VERSION, frame, confirm: self }))
    }
}
