//! The first user for everyday work: made in one go, with permissions, a password and the address to sign in at.

use askama::Template;
use axum::response::Response;
use rootward_api::iam;
use rootward_wire::{Error, Sensitive};
use serde::Deserialize;

use crate::layout::{Frame, VERSION, html, html_with, status};
use crate::self_service;
use crate::users::sign_in_address;
use crate::visit::{Posted, SignedIn};

/// What there is to choose from: a word in the form, AWS's managed policy, what it is good for.
const POLICIES: [(&str, &str, &str); 3] = [
    ("admin", Policy::Admin.name(), "Everything but what is the root user's alone"),
    ("power", Policy::Power.name(), "Everything but users and permissions"),
    ("read", Policy::Read.name(), "Looking at everything"),
];

/// What the user may do. A form with another word is refused.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Policy {
    Admin,
    Power,
    Read,
}

impl Policy {
    const fn name(self) -> &'static str {
        match self {
            Self::Admin => "AdministratorAccess",
            Self::Power => "PowerUserAccess",
            Self::Read => "ReadOnlyAccess",
        }
    }
}

#[derive(Template)]
#[template(path = "start.html")]
struct Page<'a> {
    version: &'static str,
    frame: Frame,
    policies: &'static [(&'static str, &'static str, &'static str)],
    name: &'a str,
    /// The user that was made, with its password: shown once.
    made: Option<(&'a str, &'a str)>,
    /// The address to sign in at, as this browser has it.
    sign_in: String,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "A user for everyday work", "home")
}

pub(crate) async fn page(signed_in: SignedIn) -> Response {
    let frame = frame(&signed_in);
    let sign_in = sign_in_address(&signed_in);
    signed_in.answer(html(&Page {
        version: VERSION,
        frame,
        policies: &POLICIES,
        name: "",
        made: None,
        sign_in,
    }))
}

/// A user to be made.
#[derive(Deserialize)]
pub(crate) struct New {
    name: String,
    password: String,
    policy: Policy,
    /// There if the user may manage their own password and second factors.
    own: Option<String>,
}

pub(crate) async fn make(Posted(signed_in, form): Posted<New>) -> Response {
    let frame = frame(&signed_in);
    let (policies, sign_in) = (&POLICIES, sign_in_address(&signed_in));
    match carry_out(&signed_in, &form).await {
        Ok(()) => {
            let made = Some((form.name.as_str(), form.password.as_str()));
            signed_in.answer(html(&Page { version: VERSION, frame, policies, name: "", made, sign_in }))
        }
        Err(error) => {
            let (frame, name) = (frame.refused(&error), form.name.as_str());
            // Where the user itself is there already, this is most often the form of before, sent again.
            let is_there = error.code == "EntityAlreadyExists" && is_user(&signed_in, name).await;
            let text = is_there.then(|| {
                format!(
                    "{name} is there already. Set another password on the user's page, or take another name."
                )
            });
            let frame = Frame { refused: text.or(frame.refused), ..frame };
            let page = Page { version: VERSION, frame, policies, name, made: None, sign_in };
            signed_in.answer(html_with(status(&error), &page))
        }
    }
}

/// Makes the user with its password and its permissions, or nothing of them: what was made before something is refused is
/// taken back.
async fn carry_out(signed_in: &SignedIn, form: &New) -> Result<(), Error> {
    let user_name = form.name.clone();
    let input = iam::CreateUserRequest { user_name: user_name.clone(), ..Default::default() };
    signed_in.call::<iam::CreateUser>(&input).await?;
    let equipped = equip(signed_in, form).await;
    if equipped.is_err() {
        // There may be none of either; the user is not deleted while there is one.
        drop(self_service::take_back(signed_in, &user_name).await);
        let input = iam::DeleteLoginProfileRequest { user_name: Some(user_name.clone()) };
        drop(signed_in.call::<iam::DeleteLoginProfile>(&input).await);
        let input = iam::DeleteUserRequest { user_name };
        if let Err(error) = signed_in.call::<iam::DeleteUser>(&input).await {
            tracing::warn!(code = %error.code, "a user that was half made is still there");
        }
    }
    equipped
}

async fn is_user(signed_in: &SignedIn, name: &str) -> bool {
    let input = iam::GetUserRequest { user_name: Some(name.to_owned()) };
    signed_in.call::<iam::GetUser>(&input).await.is_ok()
}

async fn equip(signed_in: &SignedIn, form: &New) -> Result<(), Error> {
    let user_name = form.name.clone();
    let input = iam::CreateLoginProfileRequest {
        user_name: Some(user_name.clone()),
        password: Some(Sensitive::new(form.password.as_str())),
        password_reset_required: Some(false),
    };
    signed_in.call::<iam::CreateLoginProfile>(&input).await?;
    if form.own.is_some() {
        self_service::allow(signed_in, &user_name).await?;
    }
    let (partition, policy) = (signed_in.live.acting().partition, form.policy.name());
    let policy_arn = format!("arn:{partition}:iam::aws:policy/{policy}");
    let input = iam::AttachUserPolicyRequest { user_name, policy_arn };
    signed_in.call::<iam::AttachUserPolicy>(&input).await.map(drop)
}
