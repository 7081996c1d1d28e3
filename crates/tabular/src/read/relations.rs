//! What a part refers to, and what kind of part it is (OPC, 6.5 and 7.2.3).

use std::collections::HashMap;

use super::Refusal;
use super::archive::Archive;
use super::xml::Xml;

/// One relation of a part to another.
pub(super) struct Relation {
    /// The last word of its type: `worksheet`; transitional and strict files share it.
    pub(super) kind: String,
    /// The part's name, without a leading `/`.
    pub(super) part: String,
}

/// The relations of `part` by their ids; none where the file has none. `""` is the package.
pub(super) fn of(archive: &Archive, part: &str) -> Result<HashMap<String, Relation>, Refusal> {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let path = format!("{folder}/_rels/{name}.rels");
    let Some(text) = archive.small(path.trim_start_matches('/'))? else {
        return Ok(HashMap::new());
    };
    let mut xml = Xml::whole(text);
    let mut relations = HashMap::new();
    if !xml.child()? || xml.is_empty() {
        return Ok(relations);
    }
    while xml.child()? {
        if xml.name() == b"Relationship"
            && xml.attribute(b"TargetMode") != Some(b"External")
            && let Some(id) = xml.text_attribute(b"Id")?
            && let Some(kind) = xml.text_attribute(b"Type")?
            && let Some(target) = xml.text_attribute(b"Target")?
        {
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            let part = resolve(folder, &target);
            if relations.insert(id, Relation { kind, part }).is_some() {
                return Err(Refusal::broken("two relations have the same id"));
            }
        }
        xml.leave()?;
    }
    xml.finish()?;
    Ok(relations)
}

/// A target as a part's name: absolute, or relative to the folder of the part that refers to it.
fn resolve(folder: &str, target: &str) -> String {
    let target = unquoted(target).replace('\\', "/");
    let mut path: Vec<&str> = Vec::new();
    if !target.starts_with('/') {
        path.extend(folder.split('/'));
    }
    for segment in target.split('/') {
        match segment {
            "." => {}
            ".." => drop(path.pop()),
            segment => path.push(segment),
        }
    }
    path.retain(|segment| !segment.is_empty());
    path.join("/")
}

/// `%20` and the like decoded, a fragment cut off.
fn unquoted(target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(target.len());
    let mut rest = target.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = rest.get(1..3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The type of a part's content, in lower case; none where the file does not tell.
pub(super) fn content_type(archive: &Archive, part: &str) -> Result<Option<String>, Refusal> {
    let Some(text) = archive.small("[Content_Types].xml")? else {
        return Ok(None);
    };
    let extension = part.rsplit_once('.').map(|(_, extension)| extension);
    let (mut own, mut default) = (None, None);
    let mut xml = Xml::whole(text);
    if !xml.child()? || xml.is_empty() {
        return Ok(None);
    }
    while xml.child()? {
        let content = xml.text_attribute(b"ContentType")?;
        let content = content.map(|content| content.to_ascii_lowercase());
        if let Some(name) = xml.text_attribute(b"PartName")? {
            if name.trim_start_matches('/').eq_ignore_ascii_case(part) {
                own = content;
            }
        } else if let (Some(name), Some(extension)) = (xml.text_attribute(b"Extension")?, extension)
            && name.eq_ignore_ascii_case(extension)
        {
            default = content;
        }
        xml.leave()?;
    }
    xml.finish()?;
    Ok(own.or(default))
}
