//! Whom to reach: the primary contact, and the alternate ones.

use rootward_api::account as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_state::entities::{AlternateContact, Contact, ContactKind};
use rootward_wire::{Empty, Sensitive};

use super::{failures, whose};
use crate::own;

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &DELETE_ALTERNATE_CONTACT,
    &GET_ALTERNATE_CONTACT,
    &GET_CONTACT_INFORMATION,
    &PUT_ALTERNATE_CONTACT,
    &PUT_CONTACT_INFORMATION,
];

pub(super) static PUT_CONTACT_INFORMATION: Declaration<api::PutContactInformation> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:PutContactInformation",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[],
    }],
    run: put_contact_information,
};

fn put_contact_information(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutContactInformationRequest,
) -> Result<Empty, Failure> {
    let id = whose::changed(ctx, txn, "account:PutContactInformation", input.account_id.as_deref())?;
    let contact = contact(&input.contact_information)?;
    let mut settings = own::settings_of(txn, id);
    settings.contact = Some(contact);
    own::put_settings_of(txn, id, settings);
    Ok(Empty)
}

fn contact(given: &api::ContactInformation) -> Result<Contact, Failure> {
    let country = given.country_code.expose();
    if !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(failures::bad_field(
            "countryCode",
            "Expected two upper-case letters, as ISO 3166 has them.",
        ));
    }
    if given.state_or_region.is_none() && STATE_NEEDED.contains(&country) {
        return Err(failures::bad_field("stateOrRegion", "A state or region is needed in this country."));
    }
    Ok(Contact {
        full_name: text(&given.full_name),
        address_line1: text(&given.address_line1),
        address_line2: given.address_line2.as_ref().map(text),
        address_line3: given.address_line3.as_ref().map(text),
        city: text(&given.city),
        state_or_region: given.state_or_region.as_ref().map(text),
        district_or_county: given.district_or_county.as_ref().map(text),
        postal_code: text(&given.postal_code),
        country_code: text(&given.country_code),
        phone_number: text(&given.phone_number),
        company_name: given.company_name.as_ref().map(text),
        website_url: given.website_url.as_ref().map(text),
    })
}

/// Countries whose addresses have a state. Source: Account Management API Reference, `ContactInformation`.
const STATE_NEEDED: &[&str] = &["BR", "CA", "DE", "GB", "IN", "JP", "US"];

pub(super) static GET_CONTACT_INFORMATION: Declaration<api::GetContactInformation> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:GetContactInformation",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[],
    }],
    run: get_contact_information,
};

/// DIFFERENCE: nobody calls phones here, so no number is ever verified, and the answer says so.
fn get_contact_information(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetContactInformationRequest,
) -> Result<api::GetContactInformationResponse, Failure> {
    let id = whose::looked_at(ctx, txn, "account:GetContactInformation", input.account_id.as_deref())?;
    let contact = own::settings_of(txn, id).contact.ok_or_else(failures::no_contact_information)?;
    Ok(api::GetContactInformationResponse {
        contact_information: Some(shown_contact(&contact)),
        verification_status: Some(api::PhoneNumberVerificationStatus::NotSupported),
    })
}

fn shown_contact(contact: &Contact) -> api::ContactInformation {
    let optional = |text: &Option<Box<str>>| text.as_ref().map(shown);
    api::ContactInformation {
        full_name: shown(&contact.full_name),
        address_line1: shown(&contact.address_line1),
        address_line2: optional(&contact.address_line2),
        address_line3: optional(&contact.address_line3),
        city: shown(&contact.city),
        state_or_region: optional(&contact.state_or_region),
        district_or_county: optional(&contact.district_or_county),
        postal_code: shown(&contact.postal_code),
        country_code: shown(&contact.country_code),
        phone_number: shown(&contact.phone_number),
        company_name: optional(&contact.company_name),
        website_url: optional(&contact.website_url),
    }
}

pub(super) static PUT_ALTERNATE_CONTACT: Declaration<api::PutAlternateContact> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:PutAlternateContact",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[Key::Texts(TYPES, |_, input| Some(types(input.alternate_contact_type)))],
    }],
    run: put_alternate_contact,
};

/// One of each kind: a new one takes the place of the old one.
fn put_alternate_contact(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutAlternateContactRequest,
) -> Result<Empty, Failure> {
    let id = whose::changed(ctx, txn, "account:PutAlternateContact", input.account_id.as_deref())?;
    let contact = AlternateContact {
        kind: kind(input.alternate_contact_type),
        name: text(&input.name),
        title: text(&input.title),
        email: text(&input.email_address),
        phone_number: text(&input.phone_number),
    };
    let mut settings = own::settings_of(txn, id);
    settings.alternate_contacts.retain(|known| known.kind != contact.kind);
    settings.alternate_contacts.push(contact);
    settings.alternate_contacts.sort_by_key(|contact| contact.kind);
    own::put_settings_of(txn, id, settings);
    Ok(Empty)
}

pub(super) static GET_ALTERNATE_CONTACT: Declaration<api::GetAlternateContact> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:GetAlternateContact",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[Key::Texts(TYPES, |_, input| Some(types(input.alternate_contact_type)))],
    }],
    run: get_alternate_contact,
};

fn get_alternate_contact(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetAlternateContactRequest,
) -> Result<api::GetAlternateContactResponse, Failure> {
    let id = whose::looked_at(ctx, txn, "account:GetAlternateContact", input.account_id.as_deref())?;
    let settings = own::settings_of(txn, id);
    let contact = settings.alternate_contact(kind(input.alternate_contact_type));
    let contact = contact.ok_or_else(failures::no_alternate_contact)?;
    Ok(api::GetAlternateContactResponse {
        alternate_contact: Some(api::AlternateContact {
            name: Some(shown(&contact.name)),
            title: Some(shown(&contact.title)),
            email_address: Some(shown(&contact.email)),
            phone_number: Some(shown(&contact.phone_number)),
            alternate_contact_type: Some(input.alternate_contact_type),
        }),
    })
}

pub(super) static DELETE_ALTERNATE_CONTACT: Declaration<api::DeleteAlternateContact> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:DeleteAlternateContact",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[Key::Texts(TYPES, |_, input| Some(types(input.alternate_contact_type)))],
    }],
    run: delete_alternate_contact,
};

fn delete_alternate_contact(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeleteAlternateContactRequest,
) -> Result<Empty, Failure> {
    let id = whose::changed(ctx, txn, "account:DeleteAlternateContact", input.account_id.as_deref())?;
    let (mut settings, kind) = (own::settings_of(txn, id), kind(input.alternate_contact_type));
    settings.alternate_contact(kind).ok_or_else(failures::no_alternate_contact)?;
    settings.alternate_contacts.retain(|known| known.kind != kind);
    own::put_settings_of(txn, id, settings);
    Ok(Empty)
}

const TYPES: &str = "account:AlternateContactTypes";

fn types(kind: api::AlternateContactType) -> Vec<String> {
    vec![kind.to_string()]
}

fn kind(given: api::AlternateContactType) -> ContactKind {
    match given {
        api::AlternateContactType::Billing => ContactKind::Billing,
        api::AlternateContactType::Operations => ContactKind::Operations,
        api::AlternateContactType::Security => ContactKind::Security,
    }
}

fn text(given: &Sensitive) -> Box<str> {
    given.expose().into()
}

#[expect(clippy::borrowed_box, reason = "what iterators over rows give")]
fn shown(text: &Box<str>) -> Sensitive {
    Sensitive::new(&**text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn information() -> api::ContactInformation {
        api::ContactInformation {
            full_name: Sensitive::new("Ann Example"),
            address_line1: Sensitive::new("1 Main Street"),
            address_line3: Some(Sensitive::new("Door 3")),
            city: Sensitive::new("Trenton"),
            state_or_region: Some(Sensitive::new("NJ")),
            postal_code: Sensitive::new("08601"),
            country_code: Sensitive::new("US"),
            phone_number: Sensitive::new("+1 609 555 0100"),
            ..Default::default()
        }
    }

    fn put(bench: &Bench, contact_information: api::ContactInformation) -> Result<Empty, Failure> {
        let input = api::PutContactInformationRequest { contact_information, account_id: None };
        bench.run(&PUT_CONTACT_INFORMATION, input)
    }

    fn put_alternate(bench: &Bench, kind: api::AlternateContactType, name: &str) {
        let input = api::PutAlternateContactRequest {
            name: Sensitive::new(name),
            title: Sensitive::new("CISO"),
            email_address: Sensitive::new("ciso@example.com"),
            phone_number: Sensitive::new("+1 609 555 0101"),
            alternate_contact_type: kind,
            account_id: None,
        };
        bench.run(&PUT_ALTERNATE_CONTACT, input).unwrap();
    }

    fn alternate(
        bench: &Bench,
        alternate_contact_type: api::AlternateContactType,
    ) -> Result<String, Failure> {
        let input = api::GetAlternateContactRequest { alternate_contact_type, account_id: None };
        let contact = bench.run(&GET_ALTERNATE_CONTACT, input)?.alternate_contact.unwrap();
        assert_eq!(contact.alternate_contact_type, Some(alternate_contact_type));
        Ok(contact.name.unwrap().expose().to_owned())
    }

    #[test]
    fn contact_reads_back_as_it_was_given_and_is_replaced_whole() {
        let bench = Bench::new();
        let get = || bench.run(&GET_CONTACT_INFORMATION, Default::default());
        assert_eq!(get().unwrap_err(), failures::no_contact_information());
        put(&bench, information()).unwrap();
        let shown = get().unwrap();
        assert_eq!(shown.verification_status, Some(api::PhoneNumberVerificationStatus::NotSupported));
        let shown = shown.contact_information.unwrap();
        assert_eq!(shown.address_line3.as_ref().map(Sensitive::expose), Some("Door 3"));
        assert_eq!(shown.address_line2, None);
        assert_eq!((shown.phone_number.expose(), shown.company_name), ("+1 609 555 0100", None));
        let company_name = Some(Sensitive::new("Example"));
        put(&bench, api::ContactInformation { address_line3: None, company_name, ..information() }).unwrap();
        let shown = get().unwrap().contact_information.unwrap();
        assert_eq!((shown.address_line3, shown.company_name.unwrap().expose()), (None, "Example"));
    }

    #[test]
    fn country_is_two_letters_and_some_need_a_state() {
        let bench = Bench::new();
        let of = |country: &str, state_or_region| api::ContactInformation {
            country_code: Sensitive::new(country),
            state_or_region,
            ..information()
        };
        for country in ["us", "1A"] {
            let error = put(&bench, of(country, None)).unwrap_err();
            assert_eq!((error.code, error.status), ("ValidationException", 400));
            assert_eq!(error.members["reason"], "fieldValidationFailed");
            assert_eq!(error.members["fieldList"][0]["name"], "countryCode");
        }
        assert_eq!(put(&bench, of("JP", None)).unwrap_err().members["fieldList"][0]["name"], "stateOrRegion");
        put(&bench, of("AT", None)).unwrap();
    }

    #[test]
    fn alternate_contacts_are_one_of_each_kind() {
        use api::AlternateContactType::{Billing, Operations, Security};
        let bench = Bench::new();
        assert_eq!(alternate(&bench, Security).unwrap_err(), failures::no_alternate_contact());
        put_alternate(&bench, Security, "Sam");
        put_alternate(&bench, Billing, "Bea");
        put_alternate(&bench, Security, "Sue");
        assert_eq!(alternate(&bench, Security).as_deref(), Ok("Sue"));
        assert_eq!(alternate(&bench, Billing).as_deref(), Ok("Bea"));
        assert_eq!(alternate(&bench, Operations).unwrap_err().code, "ResourceNotFoundException");
        let delete = |alternate_contact_type| {
            let input = api::DeleteAlternateContactRequest { alternate_contact_type, account_id: None };
            bench.run(&DELETE_ALTERNATE_CONTACT, input)
        };
        delete(Security).unwrap();
        assert_eq!(delete(Security).unwrap_err(), failures::no_alternate_contact());
        assert_eq!(alternate(&bench, Billing).as_deref(), Ok("Bea"));
    }

    #[test]
    fn own_id_and_another_are_both_refused_without_an_organization() {
        let bench = Bench::new();
        let get = |id: &str| {
            let input = api::GetContactInformationRequest { account_id: Some(id.into()) };
            bench.run(&GET_CONTACT_INFORMATION, input).unwrap_err()
        };
        for (id, reason) in [
            ("111122223333", "(An account manages itself without naming its own AccountId.)"),
            ("444455556666", "(Accounts are managed by AccountId only in an organization.)"),
        ] {
            let error = get(id);
            assert_eq!((error.code, error.status), ("AccessDenied", 403));
            let action = "User: arn:aws:iam::111122223333:root is not authorized to perform: account:GetContactInformation";
            assert_eq!(error.message, format!("{action} {reason}"));
        }
    }

    #[test]
    fn rule_is_about_the_account_and_names_the_kind() {
        let bench = Bench::new();
        let input = api::GetAlternateContactRequest {
            alternate_contact_type: api::AlternateContactType::Security,
            account_id: None,
        };
        let [(action, target)] = bench.targets(&GET_ALTERNATE_CONTACT, &input).try_into().unwrap();
        assert_eq!(
            (action, &*target.arn),
            ("account:GetAlternateContact", "arn:aws:account::111122223333:account")
        );
        assert_eq!(types(input.alternate_contact_type), ["SECURITY"]);
    }
}
