//! Home: the state of the root user's protection, each point with its way to green.

use askama::Template;
use axum::response::Response;
use rootward_api::rootward as api;

use crate::layout::{Frame, VERSION, html};
use crate::visit::SignedIn;

#[derive(Template)]
#[template(path = "home.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    protection: Option<api::GetRootProtectionResponse>,
}

pub(crate) async fn page(signed_in: SignedIn) -> Response {
    let frame = Frame::new(&signed_in, "Root protection", "home");
    let page = match signed_in.call::<api::GetRootProtection>(&api::GetRootProtectionRequest {}).await {
        Ok(protection) => Page { version: VERSION, frame, protection: Some(protection) },
        Err(error) => Page { version: VERSION, frame: frame.refused(&error), protection: None },
    };
    signed_in.answer(html(&page))
}
