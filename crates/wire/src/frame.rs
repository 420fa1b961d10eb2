//! The frame of a request: which protocol, which operation of which service, and its raw parameters.
//!
//! Steps, each with its own error, in this order: size, method, content type, encoding, operation. Then
//! [`Frame::input`] decodes and checks the constraints; the caller verifies the signature in between.
//!
//! Limits: [`BODY_BYTES_MAX`] of body and as many of query string, [`PARAMS_MAX`](crate::PARAMS_MAX) parameters.
//! Sources: recorded answers (`InvalidAction`: `Could not find operation X for version V`, where a missing version
//! reads `NO_VERSION_SPECIFIED`; `MissingAction`: `Missing Action`). DIFFERENCE: an unsupported content type, method or
//! size has an error in the protocol's form here, where AWS's front answers some of them without a body.

use crate::error::{CommonError, Error};
use crate::params::{Params, shortened};
use crate::validate::validate;
use crate::{Operation, OperationSchema, Protocol, Record, ServiceSchema, Shape, json, query};

/// Most bytes of a body, and most of a query string: 1 MiB. The longest policy document, 131,072 characters with every
/// one of them escaped, stays below. DIFFERENCE: a certificate chain may have 2,097,152 characters by the model; one
/// above this limit is refused.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// What of an HTTP request says which operation it calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The query string as received, without the question mark.
    pub query: &'a str,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The `X-Amz-Target` header.
    pub target: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

impl HttpRequest<'_> {
    /// The protocol to answer in when [`Frame::read`] fails.
    pub fn protocol(&self) -> Protocol {
        protocol(self).unwrap_or(Protocol::Query)
    }
}

/// A request whose operation is known and whose parameters are not yet looked at.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The protocol it came in and is answered in.
    pub protocol: Protocol,
    /// The operation it calls.
    pub operation: &'static OperationSchema,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    Json(&'a [u8]),
    Params(Params<'a>),
}

impl<'a> Frame<'a> {
    /// Finds the operation that `request` calls among those of `services`.
    ///
    /// Pass the service of the signing scope alone, or all of them for a request that names none.
    ///
    /// # Errors
    /// `RequestEntityTooLarge`, `MethodNotAllowed`, `UnsupportedMediaType`, `MalformedQueryString`, `MalformedInput`,
    /// `MissingAction`, `InvalidAction`, `UnknownOperationException`.
    pub fn read(request: HttpRequest<'a>, services: &[&'static ServiceSchema]) -> Result<Self, Error> {
        if request.body.len() > BODY_BYTES_MAX || request.query.len() > BODY_BYTES_MAX {
            let message = format!("The request is larger than the allowed {BODY_BYTES_MAX} bytes.");
            return Err(CommonError::RequestEntityTooLarge.with(message));
        }
        match protocol(&request)? {
            Protocol::Json => Self::json(request, services),
            _ => Self::query(request, services),
        }
    }

    fn query(request: HttpRequest<'a>, services: &[&'static ServiceSchema]) -> Result<Self, Error> {
        let params = Params::read(request.query.as_bytes(), request.body)?;
        let operation = operation(&params, services)?;
        Ok(Self { protocol: Protocol::Query, operation, content: Content::Params(params) })
    }

    fn json(request: HttpRequest<'a>, services: &[&'static ServiceSchema]) -> Result<Self, Error> {
        let target = request.target.unwrap_or_default();
        let found = target.rsplit_once('.').and_then(|(prefix, name)| {
            let mut matching = services.iter().filter(|service| service.target_prefix == Some(prefix));
            matching.find_map(|service| service.operation(name))
        });
        let operation = found.ok_or_else(|| CommonError::UnknownOperationException.with(""))?;
        Ok(Self { protocol: Protocol::Json, operation, content: Content::Json(request.body) })
    }

    /// Decodes the input and checks its constraints.
    ///
    /// # Errors
    /// `MalformedInput` or `SerializationException` for what cannot be read, then `ValidationError` for what may not be.
    pub fn input(&self) -> Result<Record, Error> {
        let record = self.record()?;
        validate(&record)?;
        Ok(record)
    }

    /// Decodes the input without a look at its constraints: what the audit record of a refused request shows.
    ///
    /// # Errors
    /// `MalformedInput` or `SerializationException`.
    pub fn record(&self) -> Result<Record, Error> {
        match &self.content {
            Content::Json(body) => json::decode(self.operation.input, body),
            Content::Params(params) => query::decode(self.operation.input, params),
        }
    }

    /// Decodes the typed input of `O`, which must be [`Frame::operation`].
    ///
    /// # Errors
    /// Those of [`Frame::input`]; `InternalFailure` when `O` is another operation.
    pub fn decode<O: Operation>(&self) -> Result<O::Input, Error> {
        typed::<O>(self.input()?)
    }
}

/// The typed input of `O` from a checked record.
///
/// # Errors
/// `InternalFailure` when the record is the input of another operation.
pub fn typed<O: Operation>(record: Record) -> Result<O::Input, Error> {
    if !std::ptr::eq(record.schema, O::DESCRIPTION.input) {
        return Err(crate::Mismatch.into());
    }
    Ok(O::Input::from_value(Some(crate::Value::Structure(record)))?)
}

/// The protocol by method and content type; the operation has the last word on whether its service speaks it.
fn protocol(request: &HttpRequest<'_>) -> Result<Protocol, Error> {
    let media = request.content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is = |name: &str| media.eq_ignore_ascii_case(name);
    match request.method {
        "GET" => Ok(Protocol::Query),
        "POST" if is("application/x-amz-json-1.0") || is("application/x-amz-json-1.1") => Ok(Protocol::Json),
        "POST" if request.body.is_empty() || media.is_empty() || is("application/x-www-form-urlencoded") => {
            Ok(Protocol::Query)
        }
        "POST" => {
            let message = format!("The content type {} is not supported.", shortened(media));
            Err(CommonError::UnsupportedMediaType.with(message))
        }
        other => {
            let message = format!("The method {} is not allowed against this resource.", shortened(other));
            Err(CommonError::MethodNotAllowed.with(message))
        }
    }
}

fn operation(
    params: &Params<'_>,
    services: &[&'static ServiceSchema],
) -> Result<&'static OperationSchema, Error> {
    let action = params.get("Action").filter(|action| !action.is_empty());
    let action = action.ok_or_else(|| CommonError::MissingAction.with("Missing Action"))?;
    let version =
        params.get("Version").filter(|version| !version.is_empty()).unwrap_or("NO_VERSION_SPECIFIED");
    let mut matching = services
        .iter()
        .filter(|service| service.version == version && service.protocols.contains(&Protocol::Query));
    matching.find_map(|service| service.operation(action)).ok_or_else(|| {
        let (action, version) = (shortened(action), shortened(version));
        CommonError::InvalidAction.with(format!("Could not find operation {action} for version {version}"))
    })
}
