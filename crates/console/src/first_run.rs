//! The first account: opened by whoever has the setup code that `serve` prints, and by nobody else on the network.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::layout::{VERSION, Words, html, html_with};
use crate::visit::{Knocked, Visit};

#[derive(Template)]
#[template(path = "first_run.html")]
struct Page<'a> {
    version: &'static str,
    mark: String,
    error: Option<String>,
    code: &'a str,
    name: &'a str,
    email: &'a str,
}

/// What an account is opened with, as typed.
#[derive(Deserialize)]
pub(crate) struct Form {
    code: String,
    name: String,
    email: String,
    password: String,
    again: String,
}

/// The page; once there is an account, there is nothing to open here.
pub(crate) async fn page(visit: Visit) -> Response {
    if !is_first(&visit) {
        return Redirect::to("/console/sign-in").into_response();
    }
    let page = Page { version: VERSION, mark: visit.mark(), error: None, code: "", name: "", email: "" };
    visit.with_browser(html(&page))
}

pub(crate) async fn open(Knocked(visit, form): Knocked<Form>) -> Response {
    if !is_first(&visit) {
        return Redirect::to("/console/sign-in?done=open").into_response();
    }
    let Form { code, name, email, password, again } = form;
    let refused = |error: String| {
        let (code, name, email) = (code.as_str(), name.as_str(), email.as_str());
        let page = Page { version: VERSION, mark: visit.mark(), error: Some(error), code, name, email };
        visit.with_browser(html_with(StatusCode::BAD_REQUEST, &page))
    };
    if !is_code(&visit, &code) {
        tracing::warn!(address = %visit.address(), "a wrong setup code was tried at the console");
        return refused("The setup code is wrong. It is in the output of `rootward serve`.".into());
    }
    if password != again {
        return refused("The password was not typed the same twice.".into());
    }
    let house = crate::House::clone(&visit.house);
    let (opened_name, opened_email) = (name.clone(), email.clone());
    let (address, user_agent) = (visit.address(), visit.visitor().user_agent.map(str::to_owned));
    let opened = tokio::task::spawn_blocking(move || {
        (house.open_account)(&crate::Opening {
            name: &opened_name,
            email: &opened_email,
            password: &password,
            address,
            user_agent: user_agent.as_deref(),
        })
    });
    match opened.await {
        Ok(Ok(_)) => {
            let query = serde_urlencoded::to_string([
                ("door", "root"),
                ("email", email.as_str()),
                ("done", "opened"),
            ]);
            Redirect::to(&format!("/console/sign-in?{}", query.unwrap_or_default())).into_response()
        }
        Ok(Err(error)) => refused(error),
        Err(_) => refused("The account could not be opened; the server's log says why.".into()),
    }
}

fn is_first(visit: &Visit) -> bool {
    visit.house.setup_code.is_some() && visit.house.db.snapshot().accounts().next().is_none()
}

/// Blanks and hyphens are as people copy them.
fn is_code(visit: &Visit, typed: &str) -> bool {
    let plain = |text: &str| {
        text.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase()
    };
    let code = visit.house.setup_code.as_deref().map(plain).unwrap_or_default();
    !code.is_empty() && bool::from(plain(typed).as_bytes().ct_eq(code.as_bytes()))
}
