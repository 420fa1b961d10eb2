//! Responses: outputs and errors in the form of the protocol that the request came in.
//!
//! Query: `<OpResponse xmlns><OpResult>…</OpResult><ResponseMetadata><RequestId>…` and `<ErrorResponse xmlns><Error>…`.
//! The request id is also in a header, which the server sets on every answer.

use crate::error::Error;
use crate::xml::{element, escape, members, text_element};
use crate::{Fault, OperationSchema, Protocol, ServiceSchema, Structure, json};

/// Status, content type and body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

const XML: &str = "text/xml";

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
        Protocol::Json | Protocol::RestJson => {
            Ok(Response { status: 200, content_type: json_type(service), body: json::to_json(output)? })
        }
        Protocol::Query | Protocol::RestXml => {
            let body = query_success(operation, output, request_id);
            Ok(Response { status: 200, content_type: XML, body: body.into_bytes() })
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
        Protocol::Json | Protocol::RestJson => {
            let body = serde_json::json!({ "__type": error.code, "message": error.message });
            Response {
                status: error.status,
                content_type: json_type(service),
                body: body.to_string().into_bytes(),
            }
        }
        Protocol::Query | Protocol::RestXml => {
            let body = query_failure(service, error, request_id);
            Response { status: error.status, content_type: XML, body: body.into_bytes() }
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
