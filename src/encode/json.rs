//! Our own documents: flat, in OpenTelemetry's names where it has some.

use super::text::{push_field, push_fields};
use super::{Constant, Told};
use crate::processors::Fields;
use crate::time_text;

/// Host, input, path, what that says of a container, and the configured fields.
pub(super) fn constant(told: &Constant<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let path = told.origin.path();
    for (name, text) in [("host", told.host.as_bytes()), ("input", told.input.as_bytes())] {
        push_field(&mut out, name, text);
    }
    push_field(&mut out, "path", path);
    for (name, value) in told.origin.attributes() {
        push_field(&mut out, name, value.as_bytes());
    }
    push_fields(&mut out, told.fields, &Fields::default());
    out
}

/// All but the message.
pub(super) fn push(out: &mut Vec<u8>, constant: &[u8], told: &Told<'_>) {
    out.extend_from_slice(br#"{"time":""#);
    time_text::push_rfc3339(out, told.time_ns);
    out.extend_from_slice(br#"","#);
    out.extend_from_slice(constant);
    if let Some(stream) = told.stream {
        push_field(out, "log.iostream", stream.name().as_bytes());
    }
    out.extend_from_slice(br#""offset":"#);
    out.extend_from_slice(told.start.0.to_string().as_bytes());
}
