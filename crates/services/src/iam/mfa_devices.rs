//! MFA devices: virtual ones, hardware tokens and security keys, and whose they are.
//!
//! ```text
//! CreateVirtualMFADevice ─▶ unbound ─ EnableMFADevice, two codes in a row ─▶ bound ─ DeactivateMFADevice ─▶ unbound
//!      (or an import)          └──── DeleteVirtualMFADevice                   └──── ResyncMFADevice
//! ```
//!
//! A device is a row of its own under its id; binding it rewrites its owner's row, so that the quota holds and the owner is
//! not deleted meanwhile. How far its codes are used up stays with it when it is unbound: no code is good twice, whoever has
//! the device next. A security key lives only as long as it is bound; it is registered at the console, which no operation
//! here does, so that the condition keys of `EnableMFADevice` about FIDO are never present.
//!
//! Devices of the root user are for the root user alone, though all may see in the list that there are any. To have one
//! enabled, it must have signed in: the API has no name for it. The console calls with [`ROOT_USER`].

use std::sync::Arc;

use rootward_api::iam as api;
use rootward_auth::second_factor::{seal_seed, synchronize};
use rootward_auth::totp::Seed;
use rootward_auth::{Identity, Principal, qr};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{Bound, CredentialOwner, Factor, MfaDevice, Totp, User};
use rootward_state::{RowKey, Txn};
use rootward_wire::{Empty, SensitiveBlob};

use super::page::Ask;
use super::shape::Shape;
use super::whom::{Whom, whom};
use super::{failures, quotas, tags, targets};
use crate::session_end;
use crate::shapes;

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CREATE_VIRTUAL_MFA_DEVICE,
    &DEACTIVATE_MFA_DEVICE,
    &DELETE_VIRTUAL_MFA_DEVICE,
    &ENABLE_MFA_DEVICE,
    &GET_MFA_DEVICE,
    &LIST_MFA_DEVICE_TAGS,
    &LIST_MFA_DEVICES,
    &LIST_VIRTUAL_MFA_DEVICES,
    &RESYNC_MFA_DEVICE,
    &TAG_MFA_DEVICE,
    &UNTAG_MFA_DEVICE,
];

const QUOTA: &str = "MFADevicesPerUser";
const TAG_QUOTA: &str = "TagsPerMFADevice";

/// What the root user is called where the model wants a user's name, when it has signed in.
const ROOT_USER: &str = "AWS ROOT USER";

/// What ids of virtual devices begin with.
const VIRTUAL: &str = "mfa/";

pub(super) static CREATE_VIRTUAL_MFA_DEVICE: Declaration<api::CreateVirtualMfaDevice> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[
        Rule {
            action: "iam:CreateVirtualMFADevice",
            when: always,
            target: |scope, input| {
                targets::new_mfa_device(scope, input.path.as_deref(), &input.virtual_mfa_device_name)
            },
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
        Rule {
            action: "iam:TagMFADevice",
            when: |_, input| tags::any(&input.tags),
            target: |scope, input| {
                targets::new_mfa_device(scope, input.path.as_deref(), &input.virtual_mfa_device_name)
            },
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
    ],
    run: create_virtual_mfa_device,
};

fn create_virtual_mfa_device(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateVirtualMfaDeviceRequest,
) -> Result<api::CreateVirtualMfaDeviceResponse, Failure> {
    let account = ctx.account();
    let name = &input.virtual_mfa_device_name;
    let id = format!("mfa{}{name}", input.path.as_deref().unwrap_or("/"));
    let tags = tags::new(TAG_QUOTA, input.tags.as_deref())?;
    let key = RowKey::MfaDevice(account, id.as_str().into());
    if txn.get::<MfaDevice>(key.clone()).is_some() {
        return Err(failures::mfa_device_exists());
    }
    if ctx.view(txn)?.mfa_devices().len() >= quotas::MFA_DEVICES {
        return Err(failures::quota_exceeded("MFADevicesPerAccount", quotas::MFA_DEVICES));
    }
    let seed = ctx.with_random(Seed::random);
    let device = MfaDevice {
        created: ctx.now,
        tags,
        bound: None,
        factor: Factor::Totp(Totp {
            hardware: false,
            seed: ctx.with_random(|random| seal_seed(ctx.vault, account, &id, &seed, random)),
            position: None,
        }),
        id: id.into(),
    };
    let serial_number = serial_number(ctx, &device);
    if !shapes::fits(&api::schema::SERIAL_NUMBER_TYPE, &serial_number) {
        return Err(failures::unfit_mfa_device_name());
    }
    let picture = qr::png(&seed.uri(name, &holder(ctx.principal)))
        .map_err(|_| Failure::internal("no QR code holds the seed of a device"))?;
    let shown = api::VirtualMfaDevice {
        serial_number,
        base32_string_seed: Some(SensitiveBlob::new(seed.base32().as_bytes())),
        qr_code_png: Some(SensitiveBlob::new(picture)),
        user: None,
        enable_date: None,
        tags: tags::shown(&device.tags),
    };
    txn.put(key, device);
    Ok(api::CreateVirtualMfaDeviceResponse { virtual_mfa_device: shown })
}

fn serial_number(ctx: &OpContext<'_>, device: &MfaDevice) -> String {
    device.serial_number(ctx.partition(), ctx.account())
}

/// What an authenticator shows beside the device's name.
fn holder(principal: &Principal) -> String {
    match &principal.identity {
        Identity::User(user) => user.name.to_string(),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::Root | Identity::RoleSession(_) => {
            principal.account.to_string()
        }
    }
}

pub(super) static LIST_VIRTUAL_MFA_DEVICES: Declaration<api::ListVirtualMfaDevices> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListVirtualMFADevices",
        when: always,
        target: |scope, _| targets::mfa_devices(scope),
        keys: &[],
    }],
    run: list_virtual_mfa_devices,
};

fn list_virtual_mfa_devices(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListVirtualMfaDevicesRequest,
) -> Result<api::ListVirtualMfaDevicesResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let wanted = |device: &MfaDevice| match input.assignment_status {
        Some(api::AssignmentStatusType::Assigned) => device.bound.is_some(),
        Some(api::AssignmentStatusType::Unassigned) => device.bound.is_none(),
        Some(api::AssignmentStatusType::Any) | None => true,
    };
    let after = ask.after().map(Box::from);
    let rows = state.mfa_devices().after(after.as_ref());
    let rows = rows.filter(|(id, device)| id.starts_with(VIRTUAL) && wanted(device));
    let page = ask.take(rows, |device| api::VirtualMfaDevice {
        serial_number: serial_number(ctx, device),
        base32_string_seed: None,
        qr_code_png: None,
        user: device.owner().and_then(|owner| match owner {
            CredentialOwner::Root => Some(shape.root_user()),
            CredentialOwner::User(id) => state.by_id::<User>(id).map(|user| shape.listed_user(user)),
        }),
        enable_date: device.bound.map(|bound| bound.at),
        tags: None,
    });
    Ok(api::ListVirtualMfaDevicesResponse {
        is_truncated: page.is_truncated(),
        virtual_mfa_devices: page.items,
        marker: page.marker,
    })
}

pub(super) static DELETE_VIRTUAL_MFA_DEVICE: Declaration<api::DeleteVirtualMfaDevice> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteVirtualMFADevice",
        when: always,
        target: |scope, input| targets::mfa_device(scope, &input.serial_number),
        keys: &[],
    }],
    run: delete_virtual_mfa_device,
};

fn delete_virtual_mfa_device(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeleteVirtualMfaDeviceRequest,
) -> Result<Empty, Failure> {
    let device = virtual_device(ctx, txn, &input.serial_number)?;
    if device.bound.is_some() {
        return Err(failures::mfa_device_bound());
    }
    txn.delete(key(ctx, &device));
    Ok(Empty)
}

pub(super) static ENABLE_MFA_DEVICE: Declaration<api::EnableMfaDevice> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:EnableMFADevice",
        when: always,
        target: |scope, input| owner_target(scope, Some(&input.user_name)),
        keys: &[],
    }],
    run: enable_mfa_device,
};

fn enable_mfa_device(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::EnableMfaDeviceRequest,
) -> Result<Empty, Failure> {
    let whom = owner(ctx, txn, Some(&input.user_name))?;
    whom.check_equipping(ctx, txn)?;
    let device = device(ctx, txn, &input.serial_number)?;
    if device.bound.is_some() {
        return Err(failures::mfa_device_in_use());
    }
    // The owner's row is guarded and rewritten, so that none is added in between.
    if ctx.view(txn)?.mfa_devices_of(whom.owner()).count() >= quotas::MFA_DEVICES_PER_USER {
        return Err(failures::quota_exceeded(QUOTA, quotas::MFA_DEVICES_PER_USER));
    }
    let codes = [input.authentication_code1.expose(), input.authentication_code2.expose()];
    let device = synchronized(ctx, &device, codes)?;
    let bound = Some(Bound { owner: whom.owner(), at: ctx.now });
    whom.hold(txn, ctx.account());
    txn.put(key(ctx, &device), MfaDevice { bound, ..device });
    session_end::factor_bound(ctx, txn, whom.owner());
    Ok(Empty)
}

pub(super) static RESYNC_MFA_DEVICE: Declaration<api::ResyncMfaDevice> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ResyncMFADevice",
        when: always,
        target: |scope, input| owner_target(scope, Some(&input.user_name)),
        keys: &[],
    }],
    run: resync_mfa_device,
};

fn resync_mfa_device(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ResyncMfaDeviceRequest,
) -> Result<Empty, Failure> {
    let whom = owner(ctx, txn, Some(&input.user_name))?;
    whom.check_equipping(ctx, txn)?;
    let device = device_of(ctx, txn, &whom, &input.serial_number)?;
    let codes = [input.authentication_code1.expose(), input.authentication_code2.expose()];
    let device = synchronized(ctx, &device, codes)?;
    txn.put(key(ctx, &device), device);
    Ok(Empty)
}

fn synchronized(ctx: &OpContext<'_>, device: &MfaDevice, codes: [&str; 2]) -> Result<MfaDevice, Failure> {
    synchronize(ctx.account(), device, codes, ctx.vault, ctx.machine_now)
        .ok_or_else(failures::invalid_authentication_code)
}

pub(super) static DEACTIVATE_MFA_DEVICE: Declaration<api::DeactivateMfaDevice> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeactivateMFADevice",
        when: always,
        target: |scope, input| owner_target(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: deactivate_mfa_device,
};

/// DIFFERENCE: sessions of a sign-in that have shown a second factor end with it, but for the one that takes it away. At AWS they go on
/// until they expire. Credentials of `GetSessionToken` go on here too, as AWS documents.
fn deactivate_mfa_device(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeactivateMfaDeviceRequest,
) -> Result<Empty, Failure> {
    let whom = owner(ctx, txn, input.user_name.as_deref())?;
    let device = device_of(ctx, txn, &whom, &input.serial_number)?;
    match device.factor {
        // It was registered for this owner and is good for nobody else.
        Factor::Passkey(_) => txn.delete(key(ctx, &device)),
        Factor::Totp(_) => {
            txn.put(key(ctx, &device), MfaDevice { bound: None, ..MfaDevice::clone(&device) });
        }
    }
    session_end::factor_removed(ctx, txn, whom.owner());
    Ok(Empty)
}

pub(super) static LIST_MFA_DEVICES: Declaration<api::ListMfaDevices> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListMFADevices",
        when: always,
        target: |scope, input| owner_target(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: list_mfa_devices,
};

fn list_mfa_devices(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListMfaDevicesRequest,
) -> Result<api::ListMfaDevicesResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let whom = owner(ctx, txn, input.user_name.as_deref())?;
    let state = ctx.view(txn)?;
    let devices = state.mfa_devices_of(whom.owner()).filter_map(|device| Some((device, device.bound?)));
    let page = ask.few(devices.map(|(device, bound)| (&*device.id, (device, bound))).collect(), |of| {
        let (device, Bound { at, .. }) = of;
        api::MfaDevice { user_name: whom.name(), serial_number: serial_number(ctx, device), enable_date: at }
    });
    Ok(api::ListMfaDevicesResponse {
        is_truncated: page.is_truncated(),
        mfa_devices: page.items,
        marker: page.marker,
    })
}

pub(super) static GET_MFA_DEVICE: Declaration<api::GetMfaDevice> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetMFADevice",
        when: always,
        target: |scope, input| owner_target(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: get_mfa_device,
};

/// Tells of security keys only.
///
/// DIFFERENCE: AWS knows what a key is certified for (`Certifications`). Here that is not asked when a key is registered.
fn get_mfa_device(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetMfaDeviceRequest,
) -> Result<api::GetMfaDeviceResponse, Failure> {
    let whom = owner(ctx, txn, input.user_name.as_deref())?;
    let device = device_of(ctx, txn, &whom, &input.serial_number)?;
    match device.factor {
        Factor::Passkey(_) => Ok(api::GetMfaDeviceResponse {
            user_name: whom.name(),
            serial_number: serial_number(ctx, &device),
            enable_date: device.bound.map(|bound| bound.at),
            certifications: None,
        }),
        Factor::Totp(_) => Err(failures::mfa_device_of_others()),
    }
}

pub(super) static TAG_MFA_DEVICE: Declaration<api::TagMfaDevice> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:TagMFADevice",
        when: always,
        target: |scope, input| targets::mfa_device(scope, &input.serial_number),
        keys: &[Key::RequestTags(|input| tags::requested(&input.tags))],
    }],
    run: tag_mfa_device,
};

fn tag_mfa_device(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::TagMfaDeviceRequest,
) -> Result<Empty, Failure> {
    let old = virtual_device(ctx, txn, &input.serial_number)?;
    let tags = tags::set(TAG_QUOTA, &old.tags, &input.tags)?;
    txn.put(key(ctx, &old), MfaDevice { tags, ..MfaDevice::clone(&old) });
    Ok(Empty)
}

pub(super) static UNTAG_MFA_DEVICE: Declaration<api::UntagMfaDevice> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:UntagMFADevice",
        when: always,
        target: |scope, input| targets::mfa_device(scope, &input.serial_number),
        keys: &[Key::TagKeys(|input| tags::requested_keys(&input.tag_keys))],
    }],
    run: untag_mfa_device,
};

fn untag_mfa_device(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UntagMfaDeviceRequest,
) -> Result<Empty, Failure> {
    let old = virtual_device(ctx, txn, &input.serial_number)?;
    let tags = tags::remove(&old.tags, &input.tag_keys);
    txn.put(key(ctx, &old), MfaDevice { tags, ..MfaDevice::clone(&old) });
    Ok(Empty)
}

pub(super) static LIST_MFA_DEVICE_TAGS: Declaration<api::ListMfaDeviceTags> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListMFADeviceTags",
        when: always,
        target: |scope, input| targets::mfa_device(scope, &input.serial_number),
        keys: &[],
    }],
    run: list_mfa_device_tags,
};

fn list_mfa_device_tags(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListMfaDeviceTagsRequest,
) -> Result<api::ListMfaDeviceTagsResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let device = virtual_device(ctx, txn, &input.serial_number)?;
    let page = tags::page(&ask, &device.tags);
    Ok(api::ListMfaDeviceTagsResponse {
        is_truncated: page.is_truncated(),
        tags: page.items,
        marker: page.marker,
    })
}

/// Whose devices a call with this user name is about, and what it is authorized on.
fn owner_target(scope: &Scope<'_>, name: Option<&str>) -> Target {
    targets::user_or_caller(scope, user_name(scope.ctx.principal, name))
}

/// Whose devices a call with this user name is about; the row is guarded.
fn owner(ctx: &OpContext<'_>, txn: &mut Txn, name: Option<&str>) -> Result<Whom, Failure> {
    whom(ctx, txn, user_name(ctx.principal, name))
}

/// The name as one of a user: none where the root user, having signed in, calls about itself. With a key it cannot: then
/// [`ROOT_USER`] is the name of no user.
fn user_name<'a>(principal: &Principal, name: Option<&'a str>) -> Option<&'a str> {
    let is_root = principal.is_root() && principal.sign_in().is_some();
    name.filter(|name| !(is_root && *name == ROOT_USER))
}

/// The device with this serial number, whose ever it is, guarded.
fn device(ctx: &OpContext<'_>, txn: &mut Txn, serial_number: &str) -> Result<Arc<MfaDevice>, Failure> {
    let id = MfaDevice::id_of(serial_number, ctx.partition(), ctx.account());
    let found = id.and_then(|id| txn.get(RowKey::MfaDevice(ctx.account(), id.into())));
    found.ok_or_else(|| failures::no_such_mfa_device(serial_number))
}

/// The virtual device with this serial number, guarded. Those of the root user exist for nobody else.
fn virtual_device(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    serial_number: &str,
) -> Result<Arc<MfaDevice>, Failure> {
    let device = device(ctx, txn, serial_number)?;
    let is_hidden = device.owner() == Some(CredentialOwner::Root) && !ctx.principal.is_root();
    if device.id.starts_with(VIRTUAL) && !is_hidden {
        Ok(device)
    } else {
        Err(failures::no_such_mfa_device(serial_number))
    }
}

/// The device with this serial number, guarded, if it is bound to whom the call is about.
fn device_of(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    whom: &Whom,
    serial_number: &str,
) -> Result<Arc<MfaDevice>, Failure> {
    let device = device(ctx, txn, serial_number).ok();
    device.filter(|device| device.owner() == Some(whom.owner())).ok_or_else(failures::mfa_device_of_others)
}

fn key(ctx: &OpContext<'_>, device: &MfaDevice) -> RowKey {
    RowKey::MfaDevice(ctx.account(), device.id.clone())
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{Account, Passkey, SessionKind, SignedIn};
    use rootward_wire::Sensitive;

    use super::*;
    use crate::hardware_tokens::import_hardware_token;
    use crate::testing::Bench;

    const WRONG: &str = "InvalidAuthenticationCode: Authentication code for device is not valid.";
    const NOT_OWN: &str = "NoSuchEntity: MFA Device invalid for user.";

    /// An account with the user `ann`.
    fn bench() -> Bench {
        let bench = Bench::new();
        bench.add_user("ann");
        bench
    }

    fn serial(bench: &Bench, name: &str) -> String {
        format!("arn:aws:iam::{}:mfa/{name}", bench.account())
    }

    fn create(bench: &Bench, name: &str) -> Result<(api::VirtualMfaDevice, Seed), Failure> {
        let input =
            api::CreateVirtualMfaDeviceRequest { virtual_mfa_device_name: name.into(), ..Default::default() };
        let shown = bench.run(&CREATE_VIRTUAL_MFA_DEVICE, input)?.virtual_mfa_device;
        let text = shown.base32_string_seed.as_ref().unwrap().expose();
        let seed = Seed::import(std::str::from_utf8(text).unwrap()).unwrap();
        Ok((shown, seed))
    }

    fn enabling(user: &str, serial: &str, codes: [Sensitive; 2]) -> api::EnableMfaDeviceRequest {
        let [authentication_code1, authentication_code2] = codes;
        api::EnableMfaDeviceRequest {
            user_name: user.into(),
            serial_number: serial.into(),
            authentication_code1,
            authentication_code2,
        }
    }

    fn codes(bench: &Bench, seed: &Seed, steps: [i64; 2]) -> [Sensitive; 2] {
        steps.map(|steps| bench.code(seed, steps))
    }

    fn enable(
        bench: &Bench,
        user: &str,
        serial: &str,
        seed: &Seed,
        steps: [i64; 2],
    ) -> Result<Empty, String> {
        let input = enabling(user, serial, codes(bench, seed, steps));
        bench.run(&ENABLE_MFA_DEVICE, input).map_err(|failure| failure.to_string())
    }

    fn resync(
        bench: &Bench,
        user: &str,
        serial: &str,
        seed: &Seed,
        steps: [i64; 2],
    ) -> Result<Empty, String> {
        let [authentication_code1, authentication_code2] = codes(bench, seed, steps);
        let input = api::ResyncMfaDeviceRequest {
            user_name: user.into(),
            serial_number: serial.into(),
            authentication_code1,
            authentication_code2,
        };
        bench.run(&RESYNC_MFA_DEVICE, input).map_err(|failure| failure.to_string())
    }

    fn deactivate(bench: &Bench, user: Option<&str>, serial: &str) -> Result<Empty, String> {
        let input =
            api::DeactivateMfaDeviceRequest { user_name: user.map(Into::into), serial_number: serial.into() };
        bench.run(&DEACTIVATE_MFA_DEVICE, input).map_err(|failure| failure.to_string())
    }

    fn delete(bench: &Bench, serial: &str) -> Result<Empty, Failure> {
        let input = api::DeleteVirtualMfaDeviceRequest { serial_number: serial.into() };
        bench.run(&DELETE_VIRTUAL_MFA_DEVICE, input)
    }

    fn list(bench: &Bench, user: Option<&str>) -> Result<Vec<(Option<String>, String)>, Failure> {
        let input = api::ListMfaDevicesRequest { user_name: user.map(Into::into), ..Default::default() };
        let devices = bench.run(&LIST_MFA_DEVICES, input)?.mfa_devices;
        Ok(devices.into_iter().map(|device| (device.user_name, device.serial_number)).collect())
    }

    fn virtual_ones(
        bench: &Bench,
        assignment_status: Option<api::AssignmentStatusType>,
    ) -> Vec<api::VirtualMfaDevice> {
        let input = api::ListVirtualMfaDevicesRequest { assignment_status, ..Default::default() };
        bench.run(&LIST_VIRTUAL_MFA_DEVICES, input).unwrap().virtual_mfa_devices
    }

    fn ends(serial: &str, devices: &[api::VirtualMfaDevice]) -> bool {
        devices.iter().any(|device| device.serial_number.ends_with(serial))
    }

    fn add_passkey(bench: &Bench, id: &str, owner: CredentialOwner) {
        let passkey = Passkey { credential_id: [1; 16].into(), credential: "{}".into(), uses: 0 };
        let device = MfaDevice {
            id: id.into(),
            created: bench.now(),
            tags: Vec::new(),
            bound: Some(Bound { owner, at: bench.now() }),
            factor: Factor::Passkey(passkey),
        };
        bench.write(|txn| txn.put(RowKey::MfaDevice(bench.account(), id.into()), device));
    }

    fn user_id(bench: &Bench, name: &str) -> CredentialOwner {
        CredentialOwner::User(bench.row::<User>(name).unwrap().id)
    }

    #[test]
    fn new_device_shows_its_seed_once_and_belongs_to_nobody() {
        let bench = bench();
        let (shown, seed) = create(&bench, "phone").unwrap();
        assert_eq!(shown.serial_number, serial(&bench, "phone"));
        assert_eq!(seed.base32().len(), 64);
        assert!(shown.qr_code_png.unwrap().expose().starts_with(b"\x89PNG"));
        assert!(shown.user.is_none() && shown.enable_date.is_none() && shown.tags.is_none());
        let [listed] = virtual_ones(&bench, None).try_into().unwrap();
        assert!(listed.base32_string_seed.is_none() && listed.qr_code_png.is_none());
        let state = bench.state();
        let Factor::Totp(totp) = &state.mfa_device("mfa/phone").unwrap().factor else {
            panic!("shows codes")
        };
        assert!(!totp.seed.windows(40).any(|bytes| bytes == seed.expose()), "the seed can be read");
    }

    #[test]
    fn path_and_name_together_are_unique() {
        let bench = bench();
        create(&bench, "phone").unwrap();
        assert_eq!(
            create(&bench, "phone").unwrap_err().to_string(),
            "EntityAlreadyExists: MFADevice entity at the same path and name already exists."
        );
        let input = api::CreateVirtualMfaDeviceRequest {
            path: Some("/team/".into()),
            virtual_mfa_device_name: "phone".into(),
            tags: Some(vec![api::Tag { key: "k".into(), value: "v".into() }]),
        };
        let shown = bench.run(&CREATE_VIRTUAL_MFA_DEVICE, input).unwrap().virtual_mfa_device;
        assert_eq!(shown.serial_number, serial(&bench, "team/phone"));
        assert_eq!(shown.tags.unwrap().len(), 1);
    }

    #[test]
    fn name_that_makes_no_serial_number_is_refused() {
        let bench = bench();
        let prefix = serial(&bench, "").len();
        create(&bench, &"x".repeat(256 - prefix)).unwrap();
        assert_eq!(create(&bench, &"x".repeat(257 - prefix)).unwrap_err().code, "InvalidInput");
        let input = api::CreateVirtualMfaDeviceRequest {
            path: Some("/a!b/".into()),
            virtual_mfa_device_name: "phone".into(),
            tags: None,
        };
        assert_eq!(bench.run(&CREATE_VIRTUAL_MFA_DEVICE, input).unwrap_err().code, "InvalidInput");
    }

    #[test]
    fn device_is_bound_by_two_codes_in_a_row_and_then_in_use() {
        let bench = bench();
        let (device, seed) = create(&bench, "phone").unwrap();
        let serial = device.serial_number;
        for steps in [[0, 0], [0, -1], [-2, 0], [30, 31]] {
            assert_eq!(enable(&bench, "ann", &serial, &seed, steps), Err(WRONG.into()), "{steps:?}");
        }
        assert!(list(&bench, Some("ann")).unwrap().is_empty());
        enable(&bench, "ann", &serial, &seed, [-1, 0]).unwrap();
        assert_eq!(list(&bench, Some("ann")).unwrap(), [(Some("ann".into()), serial.clone())]);
        bench.add_user("bob");
        let taken = enable(&bench, "bob", &serial, &seed, [1, 2]).unwrap_err();
        assert_eq!(taken, "EntityAlreadyExists: MFA Device is already in use.");
    }

    #[test]
    fn unknown_device_and_unknown_user_are_told() {
        let bench = bench();
        let (device, seed) = create(&bench, "phone").unwrap();
        let missing = serial(&bench, "missing");
        let foreign = "arn:aws:iam::999988887777:mfa/phone";
        for unknown in [missing.as_str(), foreign, "GAHT12345678"] {
            let expected =
                format!("NoSuchEntity: VirtualMFADevice with serial number {unknown} doesn't exist.");
            assert_eq!(enable(&bench, "ann", unknown, &seed, [-1, 0]), Err(expected));
        }
        let refused = enable(&bench, "zoe", &device.serial_number, &seed, [-1, 0]).unwrap_err();
        assert_eq!(refused, "NoSuchEntity: The user with name zoe cannot be found.");
    }

    #[test]
    fn ninth_device_is_over_the_quota_and_two_that_race_are_counted() {
        let bench = bench();
        for name in ["1", "2", "3", "4", "5", "6", "7"] {
            bench.add_mfa_device(name, user_id(&bench, "ann"));
        }
        let [(eighth, seed), (ninth, other)] = ["8", "9"].map(|name| create(&bench, name).unwrap());
        let begun = |serial: &str, seed: &Seed| {
            let input = enabling("ann", serial, codes(&bench, seed, [-1, 0]));
            bench.run_uncommitted(&ENABLE_MFA_DEVICE, &input).unwrap().1
        };
        let (one, two) = (begun(&eighth.serial_number, &seed), begun(&ninth.serial_number, &other));
        assert!(bench.second_loses(one, two));
        let refused = enable(&bench, "ann", &ninth.serial_number, &other, [-1, 0]).unwrap_err();
        assert_eq!(refused, "LimitExceeded: Cannot exceed quota for MFADevicesPerUser: 8");
    }

    #[test]
    fn user_deleted_while_a_device_is_bound_loses_the_race() {
        let bench = bench();
        let (device, seed) = create(&bench, "phone").unwrap();
        let input = enabling("ann", &device.serial_number, codes(&bench, &seed, [-1, 0]));
        let (_, binding) = bench.run_uncommitted(&ENABLE_MFA_DEVICE, &input).unwrap();
        let input = api::DeleteUserRequest { user_name: "ann".into() };
        let (_, deleting) = bench.run_uncommitted(&crate::iam::users::DELETE_USER, &input).unwrap();
        assert!(bench.second_loses(binding, deleting));
    }

    #[test]
    fn deactivated_device_is_free_for_others_and_its_codes_stay_used() {
        let bench = bench();
        bench.add_user("bob");
        let (device, seed) = create(&bench, "phone").unwrap();
        let serial = device.serial_number;
        enable(&bench, "ann", &serial, &seed, [-1, 0]).unwrap();
        assert_eq!(deactivate(&bench, Some("bob"), &serial), Err(NOT_OWN.into()));
        deactivate(&bench, Some("ann"), &serial).unwrap();
        assert_eq!(deactivate(&bench, Some("ann"), &serial), Err(NOT_OWN.into()));
        assert_eq!(enable(&bench, "bob", &serial, &seed, [-1, 0]), Err(WRONG.into()));
        assert_eq!(enable(&bench, "bob", &serial, &seed, [0, 1]), Err(WRONG.into()));
        enable(&bench, "bob", &serial, &seed, [1, 2]).unwrap();
    }

    #[test]
    fn device_is_deleted_only_when_it_is_nobodys() {
        let bench = bench();
        let (device, seed) = create(&bench, "phone").unwrap();
        let serial = device.serial_number;
        enable(&bench, "ann", &serial, &seed, [-1, 0]).unwrap();
        assert_eq!(delete(&bench, &serial).unwrap_err().code, "DeleteConflict");
        deactivate(&bench, Some("ann"), &serial).unwrap();
        delete(&bench, &serial).unwrap();
        assert_eq!(delete(&bench, &serial).unwrap_err(), failures::no_such_mfa_device(&serial));
        assert!(virtual_ones(&bench, None).is_empty());
    }

    #[test]
    fn resync_follows_a_clock_that_has_drifted() {
        let bench = bench();
        let (device, seed) = create(&bench, "phone").unwrap();
        let serial = device.serial_number;
        assert_eq!(resync(&bench, "ann", &serial, &seed, [6, 7]), Err(NOT_OWN.into()));
        enable(&bench, "ann", &serial, &seed, [-1, 0]).unwrap();
        assert_eq!(resync(&bench, "ann", &serial, &seed, [-1, 0]), Err(WRONG.into()));
        resync(&bench, "ann", &serial, &seed, [6, 7]).unwrap();
        let state = bench.state();
        let Factor::Totp(totp) = &state.mfa_device("mfa/phone").unwrap().factor else {
            panic!("shows codes")
        };
        assert_eq!(totp.position.unwrap().offset, 7);
    }

    #[test]
    fn imported_token_is_bound_by_its_serial_number_and_is_no_virtual_device() {
        let bench = bench();
        let (seed, number) = (Seed::import(&"ab".repeat(20)).unwrap(), "GAHT12345678");
        bench
            .write_with(|txn, now, random, vault| {
                import_hardware_token(txn, bench.account(), number, &seed, now, random, vault)
            })
            .unwrap();
        enable(&bench, "ann", number, &seed, [-1, 0]).unwrap();
        assert_eq!(list(&bench, Some("ann")).unwrap(), [(Some("ann".into()), number.into())]);
        assert!(virtual_ones(&bench, None).is_empty());
        deactivate(&bench, Some("ann"), number).unwrap();
        assert_eq!(delete(&bench, number).unwrap_err(), failures::no_such_mfa_device(number));
        enable(&bench, "ann", number, &seed, [1, 2]).unwrap();
    }

    #[test]
    fn virtual_devices_are_listed_by_assignment_with_their_users() {
        let bench = bench();
        bench.add_mfa_device("bound", user_id(&bench, "ann"));
        bench.add_mfa_device("of-root", CredentialOwner::Root);
        create(&bench, "free").unwrap();
        add_passkey(&bench, "u2f/user/ann/key-A", user_id(&bench, "ann"));
        bench.call_as_user("ann");
        assert_eq!(virtual_ones(&bench, Some(api::AssignmentStatusType::Any)).len(), 3);
        let free = virtual_ones(&bench, Some(api::AssignmentStatusType::Unassigned));
        assert!(free.len() == 1 && ends(":mfa/free", &free));
        let [bound, of_root] =
            virtual_ones(&bench, Some(api::AssignmentStatusType::Assigned)).try_into().unwrap();
        assert_eq!(
            (bound.user.unwrap().user_name.as_deref(), bound.enable_date),
            (Some("ann"), Some(bench.now()))
        );
        let root = of_root.user.unwrap();
        assert_eq!(root.arn, format!("arn:aws:iam::{}:root", bench.account()));
        assert_eq!((root.user_id, root.user_name, root.path), (bench.account().to_string(), None, None));
    }

    #[test]
    fn listing_pages_and_tells_when_it_is_done() {
        let bench = bench();
        for name in ["a", "b", "c"] {
            create(&bench, name).unwrap();
        }
        let page = |marker: Option<String>| {
            let input =
                api::ListVirtualMfaDevicesRequest { marker, max_items: Some(2), ..Default::default() };
            bench.run(&LIST_VIRTUAL_MFA_DEVICES, input).unwrap()
        };
        let first = page(None);
        assert_eq!((first.virtual_mfa_devices.len(), first.is_truncated), (2, Some(true)));
        let last = page(first.marker);
        assert_eq!((last.virtual_mfa_devices.len(), last.is_truncated, last.marker), (1, Some(false), None));
    }

    #[test]
    fn root_user_enables_a_device_when_it_has_signed_in_and_by_no_key() {
        let bench = bench();
        let (device, seed) = create(&bench, "root-account-mfa-device").unwrap();
        let serial = device.serial_number;
        let unknown = "NoSuchEntity: The user with name AWS ROOT USER cannot be found.";
        let attempt = || enable(&bench, ROOT_USER, &serial, &seed, [-1, 0]);
        assert_eq!(attempt(), Err(unknown.into()));
        bench.call_as_user("ann");
        bench.call_at_console();
        assert_eq!(attempt(), Err(unknown.into()));
        bench.call_as_root();
        bench.call_at_console();
        attempt().unwrap();
        assert_eq!(list(&bench, None).unwrap(), [(None, serial.clone())]);
        resync(&bench, ROOT_USER, &serial, &seed, [3, 4]).unwrap();
        // Afterwards a key will do.
        bench.call_as_root();
        assert_eq!(list(&bench, None).unwrap().len(), 1);
        deactivate(&bench, None, &serial).unwrap();
    }

    #[test]
    fn root_user_is_held_while_a_device_is_bound_to_it() {
        let bench = bench();
        let (device, seed) = create(&bench, "phone").unwrap();
        bench.call_at_console();
        let input = enabling(ROOT_USER, &device.serial_number, codes(&bench, &seed, [-1, 0]));
        let (_, one) = bench.run_uncommitted(&ENABLE_MFA_DEVICE, &input).unwrap();
        let mut two = bench.begin();
        let row = two.account(bench.account()).unwrap();
        two.put::<Account>(RowKey::Account(bench.account()), row);
        assert!(bench.second_loses(one, two));
    }

    #[test]
    fn devices_of_the_root_user_are_closed_to_others() {
        let bench = bench();
        bench.add_mfa_device("of-root", CredentialOwner::Root);
        let serial = serial(&bench, "of-root");
        bench.call_as_user("ann");
        assert!(list(&bench, None).unwrap().is_empty());
        assert_eq!(deactivate(&bench, None, &serial), Err(NOT_OWN.into()));
        assert_eq!(deactivate(&bench, Some("ann"), &serial), Err(NOT_OWN.into()));
        assert_eq!(delete(&bench, &serial).unwrap_err(), failures::no_such_mfa_device(&serial));
        let tags = vec![api::Tag { key: "k".into(), value: "v".into() }];
        let input = api::TagMfaDeviceRequest { serial_number: serial.clone(), tags };
        assert_eq!(
            bench.run(&TAG_MFA_DEVICE, input.clone()).unwrap_err(),
            failures::no_such_mfa_device(&serial)
        );
        bench.call_as_root();
        bench.run(&TAG_MFA_DEVICE, input).unwrap();
    }

    #[test]
    fn sessions_that_may_have_shown_a_removed_device_end_but_for_the_one_that_removes_it() {
        let bench = bench();
        let CredentialOwner::User(ann) = user_id(&bench, "ann") else { panic!("ann is a user") };
        for owner in [CredentialOwner::Root, CredentialOwner::User(ann)] {
            add_passkey(&bench, "u2f/key", owner);
            let holder = match owner {
                CredentialOwner::Root => SignedIn::Root,
                CredentialOwner::User(id) => SignedIn::User(id),
            };
            let [here, thief, without] =
                [(); 3].map(|()| bench.add_session(holder.clone(), SessionKind::Console));
            let others = bench.add_session(SignedIn::Federated("token".into()), SessionKind::Console);
            for shown in [here, thief, others] {
                bench.change_session(shown, |row| row.mfa = Some(bench.now()));
            }
            match owner {
                CredentialOwner::Root => bench.call_as_root(),
                CredentialOwner::User(_) => bench.call_as_user("ann"),
            }
            bench.call_signed_in(here);
            let name = (owner != CredentialOwner::Root).then_some("ann");
            let serial = format!("arn:aws:iam::{}:u2f/key", bench.account());
            deactivate(&bench, name, &serial).unwrap();
            let left: Vec<_> = bench.live_sessions().into_iter().map(|(id, _)| id).collect();
            assert!(!left.contains(&thief));
            assert!([here, without, others].iter().all(|stays| left.contains(stays)));
        }
    }

    #[test]
    fn security_key_is_told_of_and_goes_when_it_is_deactivated() {
        let bench = bench();
        add_passkey(&bench, "u2f/user/ann/key-A", user_id(&bench, "ann"));
        bench.add_mfa_device("phone", user_id(&bench, "ann"));
        let get = |user: Option<&str>, serial_number: &str| {
            let (user_name, serial_number) = (user.map(Into::into), serial_number.into());
            bench.run(&GET_MFA_DEVICE, api::GetMfaDeviceRequest { serial_number, user_name })
        };
        let key = format!("arn:aws:iam::{}:u2f/user/ann/key-A", bench.account());
        let shown = get(Some("ann"), &key).unwrap();
        assert_eq!((shown.user_name.as_deref(), shown.enable_date), (Some("ann"), Some(bench.now())));
        assert_eq!(get(Some("ann"), &serial(&bench, "phone")).unwrap_err().code, "NoSuchEntity");
        assert_eq!(get(None, &key).unwrap_err().code, "NoSuchEntity");
        deactivate(&bench, Some("ann"), &key).unwrap();
        assert!(bench.state().mfa_device("u2f/user/ann/key-A").is_none());
    }

    #[test]
    fn tags_are_set_listed_and_removed() {
        let bench = bench();
        create(&bench, "phone").unwrap();
        let serial_number = serial(&bench, "phone");
        let tags = ["a", "b"].map(|key| api::Tag { key: key.into(), value: "v".into() }).to_vec();
        let input = api::TagMfaDeviceRequest { serial_number: serial_number.clone(), tags };
        bench.run(&TAG_MFA_DEVICE, input).unwrap();
        let tagged = bench.targets(
            &DELETE_VIRTUAL_MFA_DEVICE,
            &api::DeleteVirtualMfaDeviceRequest { serial_number: serial_number.clone() },
        );
        assert_eq!((tagged[0].1.arn.as_str(), tagged[0].1.tags.len()), (serial_number.as_str(), 2));
        let tag_keys = vec!["A".into()];
        bench
            .run(
                &UNTAG_MFA_DEVICE,
                api::UntagMfaDeviceRequest { serial_number: serial_number.clone(), tag_keys },
            )
            .unwrap();
        let input = api::ListMfaDeviceTagsRequest { serial_number, ..Default::default() };
        let left = bench.run(&LIST_MFA_DEVICE_TAGS, input).unwrap().tags;
        assert_eq!(left.iter().map(|tag| tag.key.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn operations_ask_for_the_user_or_for_the_device() {
        let bench = bench();
        bench.call_as_user("ann");
        let arn = |targets: Vec<(&'static str, Target)>| {
            targets.into_iter().map(|(action, target)| (action, target.arn)).collect::<Vec<_>>()
        };
        let user = format!("arn:aws:iam::{}:user/ann", bench.account());
        let found = bench.targets(&LIST_MFA_DEVICES, &api::ListMfaDevicesRequest::default());
        assert_eq!(arn(found), [("iam:ListMFADevices", user)]);
        let found = bench.targets(&LIST_VIRTUAL_MFA_DEVICES, &api::ListVirtualMfaDevicesRequest::default());
        assert_eq!(arn(found), [("iam:ListVirtualMFADevices", serial(&bench, ""))]);
        let input = api::CreateVirtualMfaDeviceRequest {
            path: Some("/team/".into()),
            virtual_mfa_device_name: "phone".into(),
            tags: Some(vec![api::Tag { key: "k".into(), value: "v".into() }]),
        };
        let new = serial(&bench, "team/phone");
        assert_eq!(
            arn(bench.targets(&CREATE_VIRTUAL_MFA_DEVICE, &input)),
            [("iam:CreateVirtualMFADevice", new.clone()), ("iam:TagMFADevice", new)]
        );
        bench.call_as_root();
        bench.call_at_console();
        let none = || Sensitive::new("000000");
        let found = bench.targets(&ENABLE_MFA_DEVICE, &enabling(ROOT_USER, "x", [none(), none()]));
        assert_eq!(arn(found), [("iam:EnableMFADevice", format!("arn:aws:iam::{}:root", bench.account()))]);
    }
}
