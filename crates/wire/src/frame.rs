//! The frame of a request: which protocol, which operation of which service, and its raw parameters.
//!
//! Steps, each with its own error, in this order: size, method, content type, encoding, operation. Then
//! [`Frame::input`] decodes and checks the constraints; the caller verifies the signature in between.
//!
//! The protocols share one address. Requests of query and JSON go to the root path and name their operation in the
//! parameters or in a header; everything else goes by method and path, which the templates of REST services must know.
//! Query and JSON are taken on other paths too, where no template says otherwise.
//!
//! Limits: [`BODY_BYTES_MAX`] of body and as many of query string, [`PARAMS_MAX`](crate::PARAMS_MAX) parameters.
//! Sources: recorded answers (`InvalidAction`: `Could not find operation X for version V`, where a missing version
//! reads `NO_VERSION_SPECIFIED`; `MissingAction`: `Missing Action`). DIFFERENCE: an unsupported content type, method or
//! size has an error in the protocol's form here, where AWS's front answers some of them without a body.

use std::fmt;

use http::HeaderMap;

use crate::error::{CommonError, Error};
use crate::params::{Params, shortened};
use crate::route::Route;
use crate::validate::validate;
use crate::{Operation, OperationSchema, Protocol, Record, ServiceSchema, Shape, json, query, rest};

/// Most bytes of a body, and most of a query string: 1 MiB. The longest policy document, 131,072 characters with every
/// one of them escaped, stays below. DIFFERENCE: a certificate chain may have 2,097,152 characters by the model; one
/// above this limit is refused.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// What of an HTTP request says which operation it calls.
#[derive(Clone, Copy, Default)]
pub struct HttpRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as received, still escaped; an empty one is the root.
    pub path: &'a str,
    /// The query string as received, without the question mark.
    pub query: &'a str,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The `X-Amz-Target` header.
    pub target: Option<&'a str>,
    /// The service that the request says it is signed for: it decides where services share a path.
    pub scope: Option<&'a str>,
    /// All headers, which hold members of some REST operations.
    pub headers: Option<&'a HeaderMap>,
    /// The body.
    pub body: &'a [u8],
}

impl HttpRequest<'_> {
    /// The protocol to answer in when [`Frame::read`] fails.
    pub fn protocol(&self, services: &[&'static ServiceSchema]) -> Protocol {
        match form(self, services) {
            Ok(Form::Json) => Protocol::Json,
            Ok(Form::Rest(_)) => Protocol::RestJson,
            Ok(Form::Query) | Err(_) => Protocol::Query,
        }
    }
}

/// Without query, headers and body: they hold signatures, tokens and passwords.
impl fmt::Debug for HttpRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A request whose operation is known and whose parameters are not yet looked at.
pub struct Frame<'a> {
    /// The protocol it came in and is answered in.
    pub protocol: Protocol,
    /// The operation it calls.
    pub operation: &'static OperationSchema,
    content: Content<'a>,
}

enum Content<'a> {
    Json(&'a [u8]),
    Params(Params<'a>),
    Rest(rest::Content<'a>),
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("protocol", &self.protocol)
            .field("operation", &self.operation.name)
            .finish_non_exhaustive()
    }
}

impl<'a> Frame<'a> {
    /// Finds the operation that `request` calls among those of `services`.
    ///
    /// Pass the service of the signing scope alone, or all of them for a request that names none.
    ///
    /// # Errors
    /// `RequestEntityTooLarge`, `MethodNotAllowed`, `UnsupportedMediaType`, `MalformedQueryString`, `MalformedInput`,
    /// `MissingAction`, `InvalidAction`, `UnknownOperationException` (404 where no path is known).
    pub fn read(request: HttpRequest<'a>, services: &[&'static ServiceSchema]) -> Result<Self, Error> {
        if request.body.len() > BODY_BYTES_MAX || request.query.len() > BODY_BYTES_MAX {
            let message = format!("The request is larger than the allowed {BODY_BYTES_MAX} bytes.");
            return Err(CommonError::RequestEntityTooLarge.with(message));
        }
        match form(&request, services)? {
            Form::Json => Self::json(request, services),
            Form::Query => Self::query(request, services),
            Form::Rest(route) => Self::rest(request, route),
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

    fn rest(request: HttpRequest<'a>, route: Option<Route<'a>>) -> Result<Self, Error> {
        // DIFFERENCE: AWS gives no message where a path has no operation; here whoever has mistyped an address is told that it is the address.
        let unknown = || {
            let message = "No operation has this method and path.";
            Error { status: 404, ..CommonError::UnknownOperationException.with(message) }
        };
        let Route { operation, labels } = route.ok_or_else(unknown)?;
        let HttpRequest { query, headers, body, .. } = request;
        let content = Content::Rest(rest::Content { labels, query, headers, body });
        Ok(Self { protocol: Protocol::RestJson, operation, content })
    }

    /// Decodes the input and checks its constraints.
    ///
    /// # Errors
    /// `MalformedInput` or `SerializationException` for what cannot be read, then for what may not be the error of the service
    /// for it, which is `ValidationError` with most, `ValidationException` in the JSON protocols.
    pub fn input(&self) -> Result<Record, Error> {
        let record = self.record()?;
        validate(&record, self.operation.service).map_err(|error| error.in_protocol(self.protocol))?;
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
            Content::Rest(content) => rest::decode(self.operation.input, content),
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

/// What a request looks like; the operation has the last word on whether its service speaks it.
enum Form<'a> {
    Json,
    Query,
    /// Without a route: REST by its path, but nobody's.
    Rest(Option<Route<'a>>),
}

fn form<'a>(request: &HttpRequest<'a>, services: &[&'static ServiceSchema]) -> Result<Form<'a>, Error> {
    let media = request.content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is = |name: &str| media.eq_ignore_ascii_case(name);
    let is_json = is("application/x-amz-json-1.0") || is("application/x-amz-json-1.1");
    let is_form = is("application/x-www-form-urlencoded");
    let at_root = matches!(request.path, "" | "/");
    if at_root {
        match request.method {
            "GET" => return Ok(Form::Query),
            "POST" if is_json => return Ok(Form::Json),
            "POST" if is_form || media.is_empty() || request.body.is_empty() => return Ok(Form::Query),
            _ => {}
        }
    }
    if let Some(route) = Route::find(request, services) {
        return Ok(Form::Rest(Some(route)));
    }
    match (request.method, at_root) {
        ("POST", false) if is_json => Ok(Form::Json),
        ("POST", false) if is_form => Ok(Form::Query),
        ("GET" | "POST", false) if has_action(request.query) => Ok(Form::Query),
        (_, false) => Ok(Form::Rest(None)),
        ("POST", true) => {
            let message = format!("The content type {} is not supported.", shortened(media));
            Err(CommonError::UnsupportedMediaType.with(message))
        }
        (other, true) => {
            let message = format!("The method {} is not allowed against this resource.", shortened(other));
            Err(CommonError::MethodNotAllowed.with(message))
        }
    }
}

fn has_action(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("Action="))
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
