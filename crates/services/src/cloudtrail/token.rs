//! Tokens of look-ups: before which record the next page begins, sealed together with the query.
//!
//! Sealed because records are numbered over all accounts: in the clear a token would tell how much others do.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rootward_api::cloudtrail::{LookupAttribute, LookupEventsRequest};
use rootward_names::AccountId;
use rootward_pipeline::OpContext;
use rootward_store::vault::OVERHEAD_BYTES;

/// The token of the page that begins before this record.
pub(super) fn seal(ctx: &OpContext<'_>, input: &LookupEventsRequest, before: u64) -> String {
    let context = context(ctx.account(), input);
    let sealed = ctx.with_random(|random| ctx.vault.seal_token(&context, &before.to_be_bytes(), random));
    BASE64_URL_SAFE_NO_PAD.encode(sealed)
}

/// Before which record the page begins; none if no page of the same query gave the token.
pub(super) fn open(ctx: &OpContext<'_>, input: &LookupEventsRequest, token: &str) -> Option<u64> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(token).ok().filter(|sealed| sealed.len() == SEALED_BYTES)?;
    let plain = ctx.vault.open_token(&context(ctx.account(), input), &sealed).ok()?;
    Some(u64::from_be_bytes(plain.as_slice().try_into().ok()?))
}

/// The query as it was asked, whose pages may have any length.
fn context(account: AccountId, input: &LookupEventsRequest) -> Vec<u8> {
    let millis = |time: Option<rootward_names::Time>| time.map(rootward_names::Time::millis);
    let (start, end) = (millis(input.start_time), millis(input.end_time));
    let attribute = input.lookup_attributes.iter().flatten().next();
    let (key, value) = attribute.map_or(("", ""), |LookupAttribute { attribute_key, attribute_value }| {
        (attribute_key.as_str(), attribute_value)
    });
    // The only text that can be anything comes last.
    format!("cloudtrail LookupEvents {account} {start:?} {end:?} {key} {value}").into_bytes()
}

const SEALED_BYTES: usize = OVERHEAD_BYTES + 8;
