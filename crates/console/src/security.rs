//! Security credentials of whoever is signed in: password, second factors, access keys.
//!
//! A second factor is registered in two pages: the first makes it and shows what to scan or starts the browser's ceremony,
//! the second proves it. What was made and never proved is bound to nobody, and is deleted when another is begun under its name.

use std::iter;

use askama::Template;
use axum::response::{Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rootward_api::{iam, rootward as own};
use rootward_auth::Identity;
use rootward_wire::{Error, Sensitive};
use serde::Deserialize;

use crate::confirm::Confirm;
use crate::layout::{Frame, Part, VERSION, html, html_with, minute, part, status};
use crate::list::Done;
use crate::self_service;
use crate::visit::{Posted, Query, SignedIn};

/// What the record calls the root user where an API wants a user's name.
pub(crate) const ROOT_NAME: &str = "AWS ROOT USER";

#[derive(Template)]
#[template(path = "security.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    is_user: bool,
    /// Whether who acts has credentials of their own: sessions of roles and federated users have those of a while, and no more.
    has_own: bool,
    factors: Part<Vec<Factor>>,
    keys: Part<Vec<Key>>,
    /// What comes next, in the middle of a set-up.
    next: bool,
    /// An access key that was just made: its secret is shown once.
    made: Option<iam::AccessKey>,
}

struct Factor {
    serial: String,
    /// As its owner calls it.
    name: String,
    kind: &'static str,
    since: String,
}

struct Key {
    id: String,
    active: bool,
    created: String,
}

pub(crate) async fn page(signed_in: SignedIn, Query(done): Query<Done>) -> Response {
    let done = match done.done.as_deref() {
        Some("email") => Some("The e-mail address of the root user is changed."),
        Some("factor") => {
            Some("The second factor is registered. From now on it is asked for when you sign in.")
        }
        Some("factor-removed") => Some("The second factor is removed."),
        Some("key") => Some("The access key is changed."),
        Some("password") => Some("The password is changed."),
        _ => None,
    };
    show(&signed_in, Frame { done, ..frame(&signed_in) }, None).await
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Security credentials", "security")
}

/// The page as things stand.
async fn show(signed_in: &SignedIn, frame: Frame, made: Option<iam::AccessKey>) -> Response {
    let is_user = matches!(signed_in.live.acting().identity, Identity::User(_));
    let has_own = is_user || frame.is_root;
    let (factors, keys) = if has_own {
        (part(factors(signed_in).await), part(keys(signed_in).await))
    } else {
        (Ok(Vec::new()), Ok(Vec::new()))
    };
    let next = frame.is_root && frame.done.is_some();
    signed_in.answer(html_with(
        frame.status,
        &Page { version: VERSION, frame, is_user, has_own, factors, keys, next, made },
    ))
}

async fn factors(signed_in: &SignedIn) -> Result<Vec<Factor>, Error> {
    let listed = signed_in.call::<iam::ListMfaDevices>(&iam::ListMfaDevicesRequest::default()).await?;
    let factor = |device: iam::MfaDevice| Factor {
        kind: kind(&device.serial_number),
        name: name(&device.serial_number).to_owned(),
        serial: device.serial_number,
        since: minute(device.enable_date),
    };
    Ok(listed.mfa_devices.into_iter().map(factor).collect())
}

/// What people call the second factor with this serial number: what is behind the last slash of an ARN.
pub(crate) fn name(serial: &str) -> &str {
    serial.rsplit('/').next().unwrap_or(serial)
}

/// What a serial number is of.
pub(crate) fn kind(serial: &str) -> &'static str {
    match serial.splitn(6, ':').nth(5) {
        Some(resource) if resource.starts_with("u2f/") => "Passkey or security key",
        Some(_) => "Authenticator app",
        None => "Hardware token",
    }
}

async fn keys(signed_in: &SignedIn) -> Result<Vec<Key>, Error> {
    let listed = signed_in.call::<iam::ListAccessKeys>(&iam::ListAccessKeysRequest::default()).await?;
    let key = |key: iam::AccessKeyMetadata| Key {
        id: key.access_key_id.unwrap_or_default(),
        active: key.status == Some(iam::StatusType::Active),
        created: key.create_date.map(minute).unwrap_or_default(),
    };
    Ok(listed.access_key_metadata.into_iter().map(key).collect())
}

/// Changes that are one call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Makes an access key.
    CreateKey,
    /// Deletes an access key.
    DeleteKey { id: String },
    /// Unbinds a second factor; one of an app is deleted with it. `confirm` is there when it has been said what that means.
    RemoveFactor { serial: String, confirm: Option<String> },
    /// Takes an access key out of use.
    StopKey { id: String },
    /// Takes an access key into use again.
    UseKey { id: String },
}

pub(crate) async fn change(Posted(signed_in, change): Posted<Change>) -> Response {
    let done = match change {
        Change::CreateKey => {
            let made = signed_in.call::<iam::CreateAccessKey>(&iam::CreateAccessKeyRequest::default()).await;
            return match made {
                Ok(made) => show(&signed_in, frame(&signed_in), Some(made.access_key)).await,
                Err(error) => show(&signed_in, frame(&signed_in).refused(&error), None).await,
            };
        }
        Change::DeleteKey { id } => {
            let input = iam::DeleteAccessKeyRequest { user_name: None, access_key_id: id };
            signed_in.call::<iam::DeleteAccessKey>(&input).await.map(|_| "key")
        }
        Change::RemoveFactor { serial, confirm: None } => {
            let text = consequence(&signed_in).await;
            return confirm_removal(&signed_in, serial, text);
        }
        Change::RemoveFactor { serial, .. } => remove(&signed_in, serial).await.map(|()| "factor-removed"),
        Change::StopKey { id } => set_key(&signed_in, id, iam::StatusType::Inactive).await,
        Change::UseKey { id } => set_key(&signed_in, id, iam::StatusType::Active).await,
    };
    match done {
        Ok(done) => signed_in.answer(Redirect::to(&format!("/console/security?done={done}"))),
        Err(error) => show(&signed_in, frame(&signed_in).refused(&error), None).await,
    }
}

async fn set_key(signed_in: &SignedIn, id: String, status: iam::StatusType) -> Result<&'static str, Error> {
    let input = iam::UpdateAccessKeyRequest { user_name: None, access_key_id: id, status };
    signed_in.call::<iam::UpdateAccessKey>(&input).await.map(|_| "key")
}

/// What the removal of one of one's own second factors means.
async fn consequence(signed_in: &SignedIn) -> String {
    let left = factors(signed_in).await.map_or(0, |factors| factors.len().saturating_sub(1));
    match (signed_in.live.acting().is_root(), left) {
        (true, 0) => "It is the root user's only second factor. Without one, whoever learns its password can do everything in this account. To \
             exchange it, register the new one first."
            .into(),
        (true, left) => format!(
            "The root user keeps {left} other second {}. Remove this one if it is lost, broken or in the wrong hands.",
            if left == 1 { "factor" } else { "factors" }
        ),
        (false, 0) => "It is your only second factor. Without one, your password alone is enough to sign in as you, and what policies allow with \
             one only is refused to you. To exchange it, register the new one first."
            .into(),
        (false, left) => format!(
            "You keep {left} other second {}. Remove this one if it is lost, broken or in the wrong hands.",
            if left == 1 { "factor" } else { "factors" }
        ),
    }
}

fn confirm_removal(signed_in: &SignedIn, serial: String, text: String) -> Response {
    let confirm = Confirm {
        title: "Remove the second factor?",
        text,
        action: "/console/security".into(),
        fields: vec![("do", "remove-factor".into()), ("serial", serial), ("confirm", "yes".into())],
        yes: "Remove it",
        no: "Keep it",
        back: "/console/security".into(),
    };
    confirm.ask(signed_in, frame(signed_in))
}

async fn remove(signed_in: &SignedIn, serial: String) -> Result<(), Error> {
    let is_app = kind(&serial) == "Authenticator app";
    let user_name = match &signed_in.live.acting().identity {
        Identity::User(user) => Some(user.name.to_string()),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) | Identity::Root => {
            None
        }
    };
    let input = iam::DeactivateMfaDeviceRequest { user_name, serial_number: serial.clone() };
    signed_in.call::<iam::DeactivateMfaDevice>(&input).await?;
    if is_app {
        let input = iam::DeleteVirtualMfaDeviceRequest { serial_number: serial };
        signed_in.call::<iam::DeleteVirtualMfaDevice>(&input).await?;
    }
    Ok(())
}

/// The password of a user.
#[derive(Deserialize)]
pub(crate) struct NewPassword {
    old: String,
    new: String,
    again: String,
}

/// Changes the user's own password; the root user's is changed by an operation of its own.
pub(crate) async fn password(Posted(signed_in, form): Posted<NewPassword>) -> Response {
    if form.new != form.again {
        let frame = frame(&signed_in).mistyped("The new password was not typed the same twice.");
        return show(&signed_in, frame, None).await;
    }
    if form.new == form.old {
        let frame = frame(&signed_in).mistyped("The new password is the present one. Nothing was changed.");
        return show(&signed_in, frame, None).await;
    }
    let (old, new) = (Sensitive::new(form.old), Sensitive::new(form.new));
    let changed = if signed_in.live.acting().is_root() {
        let input = own::ChangeRootPasswordRequest { old_password: old, new_password: new };
        signed_in.call::<own::ChangeRootPassword>(&input).await.map(drop)
    } else {
        let input = iam::ChangePasswordRequest { old_password: old, new_password: new };
        signed_in.call::<iam::ChangePassword>(&input).await.map(drop)
    };
    match changed {
        Ok(()) => signed_in.answer(Redirect::to("/console/security?done=password")),
        Err(error) => show(&signed_in, frame(&signed_in).refused(&error), None).await,
    }
}

#[derive(Template)]
#[template(path = "register.html")]
struct Register {
    version: &'static str,
    frame: Frame,
    ask: Ask,
    /// What to ask an administrator for, where no policy lets the user register one.
    needs: Option<&'static str>,
    /// This page at the address that passkeys belong to, if it is another.
    elsewhere: Option<String>,
}

impl Register {
    fn new(signed_in: &SignedIn, frame: Frame, ask: Ask) -> Self {
        let elsewhere = signed_in.visit.passkeys_elsewhere("/console/security/register");
        Self { version: VERSION, frame, ask, needs: None, elsewhere }
    }
}

/// What is asked for now.
enum Ask {
    /// The two codes of an app that was shown what to scan.
    App { serial: String, seed: String, picture: String },
    /// Which kind of second factor.
    Kind { suggested: String },
    /// The browser's ceremony.
    Passkey { options: String, state: String },
}

fn register_frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Register a second factor", "security")
}

pub(crate) async fn register(signed_in: SignedIn) -> Response {
    if matches!(signed_in.live.acting().identity, Identity::FederatedUser(_) | Identity::RoleSession(_)) {
        return signed_in.answer(Redirect::to("/console/security"));
    }
    ask_kind(&signed_in, None).await
}

/// Asks for the kind; anew, if something was refused.
async fn ask_kind(signed_in: &SignedIn, refused: Option<Error>) -> Response {
    let frame = register_frame(signed_in);
    let (frame, needs) = match &refused {
        Some(error) => {
            let needs = error.code.starts_with("AccessDenied") && !frame.is_root;
            (frame.refused(error), needs.then_some(self_service::NAME))
        }
        None => (frame, None),
    };
    let suggested = suggested(signed_in).await;
    let page = Register { needs, ..Register::new(signed_in, frame, Ask::Kind { suggested }) };
    signed_in.answer(html_with(page.frame.status, &page))
}

/// A name for the next device: the user's, with a number where that is taken.
async fn suggested(signed_in: &SignedIn) -> String {
    let first = match &signed_in.live.acting().identity {
        Identity::User(user) => user.name.to_string(),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) | Identity::Root => {
            "root-account-mfa-device".into()
        }
    };
    let taken = factors(signed_in).await.unwrap_or_default();
    let is_free =
        |name: &String| !taken.iter().any(|factor| factor.serial.ends_with(&format!(":mfa/{name}")));
    let numbered = (2..).map(|number| format!("{first}-{number}"));
    iter::once(first.clone()).chain(numbered).find(is_free).unwrap_or(first)
}

/// A second factor to be made.
#[derive(Deserialize)]
pub(crate) struct Begin {
    name: String,
}

/// Makes the device of an app and shows what to scan.
pub(crate) async fn begin_app(Posted(signed_in, form): Posted<Begin>) -> Response {
    let made = match make_app(&signed_in, form.name).await {
        Ok(made) => made,
        Err(error) => return ask_kind(&signed_in, Some(error)).await,
    };
    let seed = made.base32_string_seed.map(|seed| String::from_utf8_lossy(seed.expose()).into_owned());
    let picture = made.qr_code_png.map(|png| BASE64_STANDARD.encode(png.expose()));
    let (seed, picture) = (seed.unwrap_or_default(), picture.unwrap_or_default());
    let ask = Ask::App { serial: made.serial_number, seed, picture };
    signed_in.answer(html(&Register::new(&signed_in, register_frame(&signed_in), ask)))
}

/// A device of this name. One that was made before and never proved is deleted; one that is bound is not, and the name is
/// refused.
async fn make_app(signed_in: &SignedIn, name: String) -> Result<iam::VirtualMfaDevice, Error> {
    let principal = signed_in.live.acting();
    let serial_number = format!("arn:{}:iam::{}:mfa/{name}", principal.partition, principal.account);
    let input = iam::CreateVirtualMfaDeviceRequest { virtual_mfa_device_name: name, ..Default::default() };
    let made = match signed_in.call::<iam::CreateVirtualMfaDevice>(&input).await {
        Err(error) if error.code == "EntityAlreadyExists" => {
            let unproved = iam::DeleteVirtualMfaDeviceRequest { serial_number };
            let deleted = signed_in.call::<iam::DeleteVirtualMfaDevice>(&unproved).await;
            deleted.map_err(|_| error)?;
            signed_in.call::<iam::CreateVirtualMfaDevice>(&input).await?
        }
        made => made?,
    };
    Ok(made.virtual_mfa_device)
}

/// Two codes in a row, with what the page shows again if they are wrong.
#[derive(Deserialize)]
pub(crate) struct Codes {
    serial: String,
    seed: String,
    picture: String,
    first: String,
    second: String,
}

pub(crate) async fn finish_app(Posted(signed_in, form): Posted<Codes>) -> Response {
    let user_name = match &signed_in.live.acting().identity {
        Identity::User(user) => user.name.to_string(),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) | Identity::Root => {
            ROOT_NAME.into()
        }
    };
    let Codes { serial, seed, picture, first, second } = form;
    let is_same = first.trim() == second.trim();
    let input = iam::EnableMfaDeviceRequest {
        user_name,
        serial_number: serial.clone(),
        authentication_code1: Sensitive::new(first.trim()),
        authentication_code2: Sensitive::new(second.trim()),
    };
    match signed_in.call::<iam::EnableMfaDevice>(&input).await {
        Ok(_) => registered(&signed_in),
        Err(error) => {
            let frame = register_frame(&signed_in).refused(&error);
            let refused =
                (error.code == "InvalidAuthenticationCode").then(|| wrong_codes(is_same).to_owned());
            let frame = Frame { refused: refused.or(frame.refused), ..frame };
            let ask = Ask::App { serial, seed, picture };
            signed_in.answer(html_with(status(&error), &Register::new(&signed_in, frame, ask)))
        }
    }
}

/// What to do about codes that are wrong.
const fn wrong_codes(is_same: bool) -> &'static str {
    if is_same {
        "That is one code twice. Type the one that the app shows now, wait until it shows the next, and type that as the second."
    } else {
        "The codes are not those of this device now. Check that the clock of the phone is right, and that these are two codes in a row \
         of the entry that you have just scanned."
    }
}

/// Starts the ceremony of a passkey.
pub(crate) async fn begin_passkey(Posted(signed_in, form): Posted<Begin>) -> Response {
    let input = own::StartPasskeyRegistrationRequest { user_name: None, device_name: form.name };
    match signed_in.call::<own::StartPasskeyRegistration>(&input).await {
        Ok(started) => {
            let ask = Ask::Passkey { options: started.options, state: started.state.expose().into() };
            signed_in.answer(html(&Register::new(&signed_in, register_frame(&signed_in), ask)))
        }
        Err(error) => ask_kind(&signed_in, Some(error)).await,
    }
}

/// What the browser's ceremony gave.
#[derive(Deserialize)]
pub(crate) struct Made {
    state: String,
    credential: String,
}

pub(crate) async fn finish_passkey(Posted(signed_in, form): Posted<Made>) -> Response {
    let input = own::FinishPasskeyRegistrationRequest {
        state: Sensitive::new(form.state),
        credential: form.credential,
    };
    match signed_in.call::<own::FinishPasskeyRegistration>(&input).await {
        Ok(_) => registered(&signed_in),
        Err(error) => ask_kind(&signed_in, Some(error)).await,
    }
}

/// The session has shown the new factor, and is good for everything if it was not.
fn registered(signed_in: &SignedIn) -> Response {
    signed_in.answer(Redirect::to("/console/security?done=factor"))
}
