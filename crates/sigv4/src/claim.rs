//! Who claims to have signed a request, as the request says, before anything about it is known to be true.

use std::{borrow::Cow, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use rootward_names::Time;
use sha2::{Digest, Sha256};

use crate::{
    date::Stamp,
    query,
    refusal::{Refusal, WINDOW_SECONDS},
    verify::Scoped,
};

/// A request as it came over the wire, but for its body.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// Method, in the case it was sent in.
    pub method: &'a str,
    /// Path, raw: nothing decoded, nothing resolved.
    pub path: &'a str,
    /// Query, raw, without the `?`; empty when there is none.
    pub query: &'a str,
    /// `:authority` of HTTP/2: stands in for a missing `Host`.
    pub authority: Option<&'a str>,
    /// Headers. Values of one name are in wire order.
    pub headers: &'a HeaderMap,
}

/// Where the signature was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query. Outside S3 such a request lives as long as any other, 15 minutes: STS and its siblings
    /// ignore `X-Amz-Expires`, and tokens for Kubernetes are built on that.
    Presigned,
}

/// How the service named in the scope reads a request. Follows from the scope alone, which
/// [`Claim::for_service`] then holds against the service that was called: nobody can pick the laxer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Every service but S3: the body is always signed.
    Common,
    /// S3: paths are taken literally, the body may be left unsigned, presigned URLs live up to seven days.
    S3,
}

/// Day, region and service for which a signing key is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope<'a> {
    date: Cow<'a, str>,
    region: Cow<'a, str>,
    service: Cow<'a, str>,
}

impl<'a> Scope<'a> {
    /// The scope `date/region/service/aws4_request`.
    pub fn new(date: &'a str, region: &'a str, service: &'a str) -> Self {
        Self { date: date.into(), region: region.into(), service: service.into() }
    }

    /// The same scope, borrowing nothing.
    pub fn to_owned(&self) -> Scope<'static> {
        let own = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
        Scope { date: own(&self.date), region: own(&self.region), service: own(&self.service) }
    }

    /// `YYYYMMDD`.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// Region such as `us-east-1`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Signing name such as `iam`.
    pub fn service(&self) -> &str {
        &self.service
    }
}

/// A well-formed claim, inside the time window, with every header signed that must be. Nothing is proven yet.
#[derive(Clone)]
pub struct Claim<'a> {
    pub(crate) parts: Parts<'a>,
    pub(crate) form: Form,
    pub(crate) stamp: Stamp,
    pub(crate) signed_headers: Cow<'a, str>,
    pub(crate) signature: Cow<'a, str>,
    access_key_id: Cow<'a, str>,
    scope: Scope<'a>,
    terminator: Cow<'a, str>,
    session_token: Option<Cow<'a, str>>,
}

impl<'a> Claim<'a> {
    /// Reads the claim of a request that arrives at `now`; `None` when it carries none, that is, neither an
    /// `Authorization` header whose scheme begins with `AWS4-` nor the parameter `X-Amz-Algorithm`.
    ///
    /// # Errors
    /// [`Refusal::BothForms`], [`Refusal::Incomplete`], then the refusals of the time window, then
    /// [`Refusal::UnsignedHeader`], then [`Refusal::Incomplete`] again for algorithm and credential.
    pub fn read(parts: &Parts<'a>, now: Time) -> Result<Option<Self>, Refusal> {
        let authorization = authorization(parts.headers)?;
        let presigned =
            query::parameters(parts.query).any(|(name, _)| query::is_name(name, "X-Amz-Algorithm"));
        let fields = match (authorization, presigned) {
            (Some(_), true) => return Err(Refusal::BothForms),
            (Some(header), false) => Fields::of_header(parts, header)?,
            (None, true) => Fields::of_query(parts)?,
            (None, false) => return Ok(None),
        };
        fields.check(parts, now).map(Some)
    }

    /// The access key that is said to have signed. Any text: whether it is a key at all is for the caller to
    /// find out.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The credential scope.
    pub fn scope(&self) -> &Scope<'a> {
        &self.scope
    }

    /// `X-Amz-Security-Token`, from the same place as the signature.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// When the request says it was signed.
    pub fn time(&self) -> Time {
        self.stamp.time
    }

    /// Where the signature was found.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The rules that hold for the service in the scope.
    pub fn dialect(&self) -> Dialect {
        Dialect::of(self.scope.service())
    }

    /// The signed header names in order.
    pub fn signed_headers(&self) -> impl Iterator<Item = &str> {
        self.signed_headers.split(';')
    }

    /// Holds the scope against the service called and the regions in which it is answered.
    ///
    /// # Errors
    /// [`Refusal::Scope`] with everything that is wrong with the scope.
    pub fn for_service(
        self,
        service: &str,
        answers_in: impl FnOnce(&str) -> bool,
    ) -> Result<Scoped<'a>, Refusal> {
        let mut faults = String::new();
        if !answers_in(self.scope.region()) {
            faults.push_str("Credential should be scoped to a valid region. ");
        }
        if self.scope.service() != service {
            faults.push_str(&format!("Credential should be scoped to correct service: '{service}'. "));
        }
        if self.terminator != "aws4_request" {
            faults.push_str("Credential should be scoped with a valid terminator: 'aws4_request'. ");
        }
        if self.scope.date().as_bytes() != self.stamp.day() {
            faults.push_str(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
            );
        }
        if faults.is_empty() { Ok(Scoped::new(self)) } else { Err(Refusal::Scope(faults)) }
    }
}

/// The credential that a request states, `keyid/date/region/service/term`, however malformed the rest of its claim.
///
/// Nothing about it is proven, or even checked: it is for records of refused requests, and for a sandbox that takes keys at
/// their word.
///
/// ```
/// # use http::HeaderMap;
/// # use rootward_sigv4::{Parts, stated_credential};
/// let mut headers = HeaderMap::new();
/// headers.insert("authorization", "AWS4-HMAC-SHA256 Credential=test/x/eu-west-1/iam/y, Signature=z".parse()?);
/// let parts = Parts { method: "POST", path: "/", query: "", authority: None, headers: &headers };
/// assert_eq!(stated_credential(&parts).as_deref(), Some("test/x/eu-west-1/iam/y"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn stated_credential(parts: &Parts<'_>) -> Option<String> {
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let in_header = header.and_then(|text| {
        let fields = text.split([' ', ',']).filter_map(|field| field.split_once('='));
        fields.into_iter().find(|(name, _)| *name == "Credential").map(|(_, value)| value.to_owned())
    });
    in_header.or_else(|| {
        let mut parameters = query::parameters(parts.query);
        let found = parameters.find(|(name, _)| query::is_name(name, "X-Amz-Credential"));
        found.map(|(_, value)| query::text(value).into_owned())
    })
}

/// Without query and headers: they hold signatures and session tokens.
impl fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Without signature and session token.
impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("form", &self.form)
            .field("time", &self.stamp.time)
            .finish_non_exhaustive()
    }
}

impl Dialect {
    fn of(service: &str) -> Self {
        match service {
            "s3" | "s3-object-lambda" | "s3-outposts" | "s3express" => Self::S3,
            _ => Self::Common,
        }
    }
}

/// The parameters of a claim, all present, none looked into.
struct Fields<'a> {
    form: Form,
    algorithm: Cow<'a, str>,
    credential: Cow<'a, str>,
    signed_headers: Cow<'a, str>,
    signature: Cow<'a, str>,
    stamp: Stamp,
    expires: Option<Cow<'a, str>>,
    session_token: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    fn of_header(parts: &Parts<'a>, header: &'a [u8]) -> Result<Self, Refusal> {
        let Ok(text) = std::str::from_utf8(header) else {
            return Err(nonconforming("'Authorization' is not text."));
        };
        let (algorithm, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for pair in rest.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(Refusal::Incomplete(format!(
                    "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and \
                     encoded with Base64): '{}'.",
                    digest(header)
                )));
            };
            match name {
                "Credential" => set(&mut credential, name, value)?,
                "SignedHeaders" => set(&mut signed_headers, name, value)?,
                "Signature" => set(&mut signature, name, value)?,
                _ => {}
            }
        }
        let date = date_header(parts.headers)?;
        let (Some(credential), Some(signed_headers), Some(signature), Some(date)) =
            (credential, signed_headers, signature, date)
        else {
            return Err(missing_in_header(credential, signature, signed_headers, date.is_some(), header));
        };
        Ok(Self {
            form: Form::Header,
            algorithm: algorithm.into(),
            credential: credential.into(),
            signed_headers: signed_headers.into(),
            signature: signature.into(),
            stamp: date.stamp.ok_or_else(|| bad_date(&String::from_utf8_lossy(date.text)))?,
            expires: None,
            session_token: session_token(parts.headers)?,
        })
    }

    fn of_query(parts: &Parts<'a>) -> Result<Self, Refusal> {
        const NAMES: [&str; 7] = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Signature",
            "X-Amz-SignedHeaders",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-Security-Token",
        ];
        let mut found: [Option<Cow<'a, str>>; 7] = Default::default();
        for (name, value) in query::parameters(parts.query) {
            let place = NAMES.iter().zip(&mut found).find(|(known, _)| query::is_name(name, known));
            if let Some((name, place)) = place {
                set(place, name, query::text(value))?;
            }
        }
        let present = found.each_ref().map(Option::is_some);
        let [
            Some(algorithm),
            Some(credential),
            Some(signature),
            Some(signed_headers),
            Some(date),
            expires,
            session_token,
        ] = found
        else {
            return Err(missing_in_query(NAMES.into_iter().zip(present).take(5)));
        };
        Ok(Self {
            form: Form::Presigned,
            stamp: Stamp::basic(date.as_bytes()).ok_or_else(|| bad_date(&date))?,
            algorithm,
            credential,
            signed_headers,
            signature,
            expires,
            session_token,
        })
    }

    /// Looks into the parameters, in AWS's order: time, headers, algorithm, credential.
    fn check(self, parts: &Parts<'a>, now: Time) -> Result<Claim<'a>, Refusal> {
        let credential = elements(&self.credential);
        match credential.as_ref().map_or(Dialect::Common, |[_, _, _, service, _]| Dialect::of(service)) {
            Dialect::Common => common_window(self.stamp.time, now)?,
            Dialect::S3 => s3_window(self.form, self.stamp.time, self.expires.as_deref(), now)?,
        }
        check_signed_headers(parts, self.form, &self.signed_headers)?;
        if self.algorithm != "AWS4-HMAC-SHA256" {
            return Err(Refusal::Incomplete(format!(
                "Unsupported AWS 'algorithm': '{}' (only AWS4-HMAC-SHA256 for now). ",
                self.algorithm
            )));
        }
        let Some([access_key_id, date, region, service, terminator]) = credential else {
            return Err(Refusal::Incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
                self.credential
            )));
        };
        Ok(Claim {
            parts: *parts,
            form: self.form,
            stamp: self.stamp,
            signed_headers: self.signed_headers,
            signature: self.signature,
            access_key_id,
            scope: Scope { date, region, service },
            terminator,
            session_token: self.session_token,
        })
    }
}

/// The one `Authorization` header, if its scheme is one of AWS's.
fn authorization(headers: &HeaderMap) -> Result<Option<&[u8]>, Refusal> {
    Ok(single(headers, "authorization", "Authorization")?.filter(|value| value.starts_with(b"AWS4-")))
}

fn session_token(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, Refusal> {
    let token = single(headers, "x-amz-security-token", "X-Amz-Security-Token")?;
    Ok(token.map(String::from_utf8_lossy))
}

/// The header that dates the request: what it says, and what that means, if anything.
#[derive(Clone, Copy)]
struct DateHeader<'a> {
    text: &'a [u8],
    stamp: Option<Stamp>,
}

fn date_header(headers: &HeaderMap) -> Result<Option<DateHeader<'_>>, Refusal> {
    if let Some(text) = single(headers, "x-amz-date", "X-Amz-Date")? {
        return Ok(Some(DateHeader { text, stamp: Stamp::basic(text) }));
    }
    Ok(single(headers, "date", "Date")?.map(|text| DateHeader { text, stamp: Stamp::of_date_header(text) }))
}

/// The value of a header that may be given once at most.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &str,
    shown: &str,
) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match values.next() {
        Some(_) => Err(nonconforming(&format!("'{shown}' is given more than once."))),
        None => Ok(first.map(http::HeaderValue::as_bytes)),
    }
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        Some(_) => Err(nonconforming(&format!("'{name}' is given more than once."))),
        None => Ok(()),
    }
}

/// The five elements of a credential.
fn elements<'a>(credential: &Cow<'a, str>) -> Option<[Cow<'a, str>; 5]> {
    match credential {
        Cow::Borrowed(text) => five(text).map(|parts| parts.map(Cow::Borrowed)),
        Cow::Owned(text) => five(text).map(|parts| parts.map(|part| Cow::Owned(part.to_owned()))),
    }
}

fn five(text: &str) -> Option<[&str; 5]> {
    let mut parts = text.split('/');
    let five = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(five)
}

fn common_window(signed: Time, now: Time) -> Result<(), Refusal> {
    if signed.seconds() < now.seconds() - WINDOW_SECONDS {
        return Err(Refusal::Expired { signed, now });
    }
    if signed.seconds() > now.seconds() + WINDOW_SECONDS {
        return Err(Refusal::NotYetCurrent { signed, now });
    }
    Ok(())
}

fn s3_window(form: Form, signed: Time, expires: Option<&str>, now: Time) -> Result<(), Refusal> {
    let age_seconds = now.seconds() - signed.seconds();
    let life_seconds = match form {
        Form::Header => WINDOW_SECONDS,
        Form::Presigned => life(expires)?,
    };
    match form {
        _ if age_seconds < -WINDOW_SECONDS => Err(Refusal::TimeTooSkewed),
        _ if age_seconds <= life_seconds => Ok(()),
        Form::Header => Err(Refusal::TimeTooSkewed),
        Form::Presigned => Err(Refusal::PresignedExpired),
    }
}

/// Life of a presigned URL of S3 in seconds, at most a week.
fn life(expires: Option<&str>) -> Result<i64, Refusal> {
    let Some(text) = expires else {
        return Err(missing_in_query([("X-Amz-Expires", false)].into_iter()));
    };
    match text.parse::<i64>() {
        Err(_) => Err(Refusal::Incomplete("X-Amz-Expires should be a number".to_owned())),
        Ok(..0) => Err(Refusal::Incomplete("X-Amz-Expires must be non-negative".to_owned())),
        Ok(604_801..) => Err(Refusal::Incomplete(
            "X-Amz-Expires must be less than a week (in seconds) that is 604800".to_owned(),
        )),
        Ok(seconds) => Ok(seconds),
    }
}

/// The list must be in canonical form, so that it means one thing; it must name the host and every `x-amz-*`
/// header.
///
/// `x-amz-content-sha256` may be left out, as AWS allows: it is held against the body, or stands in the
/// canonical request. A presigned request may come with two more that no signer can know beforehand and that
/// change no outcome. AWS tolerates unsigned headers outside `x-amz-*`, and proxies add them.
fn check_signed_headers(parts: &Parts<'_>, form: Form, list: &str) -> Result<(), Refusal> {
    let names: Vec<&str> = list.split(';').collect();
    let ordered = names.iter().zip(names.iter().skip(1)).all(|(one, next)| one < next);
    if !ordered || list.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(nonconforming("'SignedHeaders' must name each header once, in lower case and in order."));
    }
    let signed = |name: &str| names.binary_search(&name).is_ok();
    if !signed("host") {
        return Err(Refusal::UnsignedHeader("'Host' or ':authority'".to_owned()));
    }
    let excused = |name: &str| match name {
        "x-amz-content-sha256" => true,
        "x-amz-user-agent" | "x-amz-checksum-mode" => form == Form::Presigned,
        _ => false,
    };
    let mut names = parts.headers.keys().map(http::HeaderName::as_str);
    match names.find(|name| name.starts_with("x-amz-") && !excused(name) && !signed(name)) {
        Some(name) => Err(Refusal::UnsignedHeader(format!("'{name}'"))),
        None => Ok(()),
    }
}

fn missing_in_header(
    credential: Option<&str>,
    signature: Option<&str>,
    signed_headers: Option<&str>,
    dated: bool,
    header: &[u8],
) -> Refusal {
    let mut message = String::new();
    for (name, value) in
        [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed_headers)]
    {
        if value.is_none() {
            message.push_str(&format!("Authorization header requires '{name}' parameter. "));
        }
    }
    if !dated {
        message.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    message.push_str("(Hashed with SHA-256 and encoded with Base64) Authorization=");
    message.push_str(&digest(header));
    Refusal::Incomplete(message)
}

fn missing_in_query<'a>(parameters: impl Iterator<Item = (&'a str, bool)>) -> Refusal {
    let mut message = String::new();
    for (name, _) in parameters.filter(|(_, present)| !present) {
        message.push_str(&format!("AWS query-string parameters must include '{name}'. "));
    }
    message.push_str("Re-examine the query-string parameters.");
    Refusal::Incomplete(message)
}

fn bad_date(text: &str) -> Refusal {
    Refusal::Incomplete(format!(
        "Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
    ))
}

/// For faults that AWS has no recorded words for: its general text, then ours.
pub(crate) fn nonconforming(fault: &str) -> Refusal {
    Refusal::Incomplete(format!("The request signature does not conform to AWS standards. {fault}"))
}

/// AWS shows a faulty `Authorization` only hashed: clients put passwords there.
fn digest(header: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(header))
}
