//! Which bytes of a file a request asks for (RFC 9110, 14).

use std::ops::Range;

use actix_web::HttpRequest;
use actix_web::http::header::{self, ByteRangeSpec, EntityTag, Header, IfRange};

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no range asked for, or none that is understood.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// A range outside the file.
    Nothing,
}

/// One range is served; several at once are answered by the whole file, as the RFC allows.
pub(crate) fn wanted(request: &HttpRequest, tag: &EntityTag, size: u64) -> Wanted {
    let Ok(header::Range::Bytes(specs)) = header::Range::parse(request) else {
        return Wanted::Whole;
    };
    let [spec] = specs.as_slice() else {
        return Wanted::Whole;
    };
    if !still_the_same(request, tag) {
        return Wanted::Whole;
    }
    match satisfiable(spec, size) {
        Some(range) => Wanted::Part(range),
        None => Wanted::Nothing,
    }
}

fn satisfiable(spec: &ByteRangeSpec, size: u64) -> Option<Range<u64>> {
    let (first, last) = spec.to_satisfiable_range(size)?;
    Some(first..last + 1)
}

/// `If-Range`: a range is only of use to whoever has the other part of this very file.
fn still_the_same(request: &HttpRequest, tag: &EntityTag) -> bool {
    if !request.headers().contains_key(header::IF_RANGE) {
        return true;
    }
    matches!(IfRange::parse(request), Ok(IfRange::EntityTag(known)) if known.strong_eq(tag))
}
