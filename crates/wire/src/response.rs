//! Responses: outputs and errors in the form of the protocol that the request came in.
//!
//! REST-JSON is in `rest`. JSON: the output, or `__type`, `message` and the error's members.
//! Query: `<OpResponse xmlns><OpResult>…</OpResult><ResponseMetadata><RequestId>…` and `<ErrorResponse xmlns><Error>…`.
//! The request id is also in a header, which the server sets on every answer.

use http::HeaderMap;

use crate::error::Error;
use crate::xml::{element, escape, members, text_element};
use crate::{Fault, OperationSchema, Protocol, ServiceSchema, Structure, json, rest};

/// Status, headers and body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The headers of the operation or error, besides what every answer has.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

const XML: &str = "text/xml";

impl Response {
    fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, headers: HeaderMap::new(), body }
    }
}

/// The answer of `operation` with `output`.
///
/// # Errors
/// `InternalFailure` when the output does not fit its schema, which is our bug.
pub fn success(
    operation: &OperationSchema,
    protocol: Protocol,
    output: &dyn Structure,
    request_id: &str,
) -> Result<Response, Error> {
    let service = operation.service;
    match protocol {
        Protocol::Json => Ok(Response::new(200, json_type(service), json::to_json(output)?)),
        Protocol::RestJson => rest::success(operation, output),
        Protocol::Query | Protocol::RestXml => {
            let body = query_success(operation, output, request_id);
            Ok(Response::new(200, XML, body.into_bytes()))
        }
    }
}

fn query_success(operation: &OperationSchema, output: &dyn Structure, request_id: &str) -> String {
    // Most answers are this short; longer ones grow by doubling.
    let mut out = String::with_capacity(1024);
    let root = format!("{}Response", operation.name);
    open(&root, operation.service.xml_namespace, &mut out);
    if let Some(wrapper) = operation.result_wrapper {
        element(wrapper, &mut out, |out| members(output, out));
    }
    element("ResponseMetadata", &mut out, |out| text_element("RequestId", request_id, out));
    out.extend(["</", &root, ">"]);
    out
}

/// The answer that carries `error`, in the protocol of the request and with the namespace of `service`.
pub fn failure(service: &ServiceSchema, protocol: Protocol, error: &Error, request_id: &str) -> Response {
    match protocol {
        Protocol::Json => {
            let mut object = error.members.clone();
            object.insert("__type".to_owned(), error.code.as_ref().into());
            object.insert("message".to_owned(), error.message.as_str().into());
            let body = serde_json::Value::Object(object).to_string();
            Response::new(error.status, json_type(service), body.into_bytes())
        }
        Protocol::RestJson => rest::failure(error),
        Protocol::Query | Protocol::RestXml => {
            let body = query_failure(service, error, request_id);
            Response::new(error.status, XML, body.into_bytes())
        }
    }
}

fn query_failure(service: &ServiceSchema, error: &Error, request_id: &str) -> String {
    let mut out = String::with_capacity(512);
    open("ErrorResponse", service.xml_namespace, &mut out);
    element("Error", &mut out, |out| {
        text_element("Type", if error.fault == Fault::Sender { "Sender" } else { "Receiver" }, out);
        text_element("Code", &error.code, out);
        text_element("Message", &error.message, out);
    });
    text_element("RequestId", request_id, &mut out);
    out.push_str("</ErrorResponse>");
    out
}

fn open(name: &str, namespace: &str, out: &mut String) {
    out.extend(["<", name, " xmlns=\""]);
    escape(namespace, out);
    out.push_str("\">");
}

fn json_type(service: &ServiceSchema) -> &'static str {
    if service.json_version == "1.0" { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" }
}
