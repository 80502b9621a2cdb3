//! Pieces of JSON.

use crate::processors::{Fields, Value};

/// A member of an object, and the comma behind it.
pub(super) fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    push_name(out, name);
    push_text(out, value);
    out.push(b',');
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    push_text(out, name.as_bytes());
    out.push(b':');
}

/// What was given and what was found; of two of the same name the one that was found.
pub(super) fn push_fields(out: &mut Vec<u8>, given: &[(String, String)], found: &Fields<'_>) {
    push_object(out, "fields", |out| {
        for (name, value) in given.iter().filter(|(name, _)| !found.has(name)) {
            push_field(out, name, value.as_bytes());
        }
        for (name, value) in found.iter() {
            match value {
                Value::Text(text) => push_field(out, name, text),
                Value::Json(json) => {
                    push_name(out, name);
                    out.extend_from_slice(json.as_bytes());
                    out.push(b',');
                }
            }
        }
    });
}

/// A member that is an object, and the comma behind it; nothing if nothing is in it.
pub(super) fn push_object(out: &mut Vec<u8>, name: &str, fill: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    push_name(out, name);
    out.push(b'{');
    let inside = out.len();
    fill(out);
    if out.len() == inside {
        return out.truncate(begin);
    }
    // The comma behind the last member.
    out.pop();
    out.extend_from_slice(b"},");
}

/// A JSON string (RFC 8259). What is not UTF-8 becomes U+FFFD.
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let begin = out.len();
    if serde_json::to_writer(&mut *out, &*text).is_err() {
        // Writing into memory does not fail; if it did, JSON must still come out.
        out.truncate(begin);
        out.extend_from_slice(b"null");
    }
}
