//! A forgotten password of a root user: a link is asked for, and used.
//!
//! The link leads to the configured address, never to the one that the request names. Opening its page uses nothing up: mail
//! programs and scanners open links, too.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::response::Response;
use http::{StatusCode, header};
use rootward_auth::password::Password;
use rootward_signin::{Refused, Unrecovered};
use serde::Deserialize;

use crate::layout::{VERSION, html_with};
use crate::sign_in::sentence;
use crate::visit::{Knocked, Query, Visit};

/// The path of the page that links lead to.
const PAGE: &str = "/console/recover/password";
/// How long after the answer was made the address is looked at. The answer has gone out by then, so that what is done for some
/// addresses and not for others takes no time of it.
const AFTER_THE_ANSWER: Duration = Duration::from_secs(1);

#[derive(Template)]
#[template(path = "recover.html")]
struct Page<'a> {
    version: &'static str,
    mark: String,
    error: Option<String>,
    ask: Ask<'a>,
}

/// What is asked for, or said.
enum Ask<'a> {
    /// The address of the root user.
    Address { email: &'a str },
    /// A link is on its way, if anything is.
    Asked { minutes: i64 },
    /// There is no mail server: the operator of the host helps.
    AtTheHost,
    /// The password is changed.
    Changed { sign_in: String },
    /// The link is not good, or not any more.
    Gone,
    /// The new password.
    Password { link: &'a str },
}

fn show(visit: &Visit, status: StatusCode, ask: Ask<'_>, error: Option<String>) -> Response {
    visit.with_browser(html_with(status, &Page { version: VERSION, mark: visit.mark(), error, ask }))
}

/// Where the page begins.
#[derive(Deserialize)]
pub(crate) struct Arrival {
    email: Option<String>,
}

pub(crate) async fn page(visit: Visit, Query(arrival): Query<Arrival>) -> Response {
    if !visit.house.signin.recovers_by_mail() {
        return show(&visit, StatusCode::OK, Ask::AtTheHost, None);
    }
    let email = arrival.email.unwrap_or_default();
    show(&visit, StatusCode::OK, Ask::Address { email: &email }, None)
}

/// Who asks for a link.
#[derive(Deserialize)]
pub(crate) struct Asking {
    email: String,
}

/// Answers the same and as fast for every address: what there is to do for some is done when the answer has gone out.
pub(crate) async fn ask(Knocked(visit, Asking { email }): Knocked<Asking>) -> Response {
    let signin = &visit.house.signin;
    if !signin.recovers_by_mail() {
        return show(&visit, StatusCode::CONFLICT, Ask::AtTheHost, None);
    }
    let asked = match signin.ask_recovery(&visit.visitor(), &email) {
        Ok(asked) => asked,
        Err(refused) => {
            let ask = Ask::Address { email: &email };
            let mut answer = show(&visit, StatusCode::TOO_MANY_REQUESTS, ask, Some(sentence(refused)));
            if let Refused::Slow { seconds } = refused {
                answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            return answer;
        }
    };
    let minutes = rootward_signin::LINK_SECONDS / 60;
    let answer = show(&visit, StatusCode::OK, Ask::Asked { minutes }, None);
    let page = format!("{}{PAGE}", visit.house.url);
    tokio::spawn(async move {
        tokio::time::sleep(AFTER_THE_ANSWER).await;
        let send = move || visit.house.signin.send_recovery(&visit.visitor(), &asked, &page);
        tokio::task::spawn_blocking(send);
    });
    answer
}

/// What a link carries.
#[derive(Deserialize)]
pub(crate) struct Opened {
    link: Option<String>,
}

pub(crate) async fn opened(visit: Visit, Query(opened): Query<Opened>) -> Response {
    let link = opened.link.unwrap_or_default();
    match visit.house.signin.check_recovery(&link) {
        Ok(()) => show(&visit, StatusCode::OK, Ask::Password { link: &link }, None),
        Err(error) => show(&visit, StatusCode::FORBIDDEN, Ask::Gone, Some(sentence(error))),
    }
}

/// The new password.
#[derive(Deserialize)]
pub(crate) struct NewPassword {
    link: String,
    password: String,
    again: String,
}

pub(crate) async fn recover(Knocked(visit, form): Knocked<NewPassword>) -> Response {
    let NewPassword { link, password, again } = form;
    if password != again {
        let error = Some("The new password was not typed the same twice.".to_owned());
        return show(&visit, StatusCode::BAD_REQUEST, Ask::Password { link: &link }, error);
    }
    let visit = Arc::new(visit);
    let (lent, used, password) = (Arc::clone(&visit), link.clone(), Password::new(password));
    let recovered =
        tokio::task::spawn_blocking(move || lent.house.signin.recover(&lent.visitor(), &used, &password));
    let recovered = recovered.await.unwrap_or(Err(Unrecovered::Unavailable));
    let (status, ask) = match &recovered {
        Ok(email) => {
            let query = serde_urlencoded::to_string([("door", "root"), ("email", email)]);
            let sign_in = format!("/console/sign-in?{}", query.unwrap_or_default());
            (StatusCode::OK, Ask::Changed { sign_in })
        }
        Err(Unrecovered::Link) => (StatusCode::FORBIDDEN, Ask::Gone),
        Err(Unrecovered::Busy | Unrecovered::Unavailable) => {
            (StatusCode::SERVICE_UNAVAILABLE, Ask::Password { link: &link })
        }
        Err(Unrecovered::Weak(_)) => (StatusCode::BAD_REQUEST, Ask::Password { link: &link }),
    };
    show(&visit, status, ask, recovered.as_ref().err().map(sentence))
}
