//! Where files lie in object storage.

use crate::{TaskId, Tenant, UploadFormat};

/// Below what the files of all attempts at a task lie: `<tenant>/tasks/<id>`. Different for
/// different tenants, whatever characters their names hold.
#[must_use]
pub fn task_prefix(tenant: &Tenant, task: TaskId) -> String {
    format!("{}/tasks/{task}", segment(tenant.as_str()))
}

/// Where an upload lies: `<tenant>/uploads/<name>.<format>`. The name is the caller's, new for each
/// upload, made of letters, digits and `-`.
#[must_use]
pub fn upload_key(tenant: &Tenant, name: &str, format: UploadFormat) -> String {
    format!(
        "{}/uploads/{}.{format}",
        segment(tenant.as_str()),
        segment(name)
    )
}

/// A name as one segment of a key, different for different names.
fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => segment.push(byte.into()),
            other => segment.push_str(&format!("={other:02X}")),
        }
    }
    segment
}
