//! What a path says of the container that writes there.
//!
//! Kubelet's two layouts, and docker's own; below any root, because a daemon in a container sees
//! the host's directories elsewhere:
//! `…/pods/NAMESPACE_POD_UID/CONTAINER/RESTART.log`,
//! `…/containers/POD_NAMESPACE_CONTAINER-ID.log`, `…/containers/ID/ID-json.log`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Field;
use crate::record::Stream;

/// What is known of a file by its path. No name that kubelet makes holds an underscore, so these
/// part them without doubt; what does not look like kubelet's says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'p> {
    path: &'p Path,
    pod: Pod<'p>,
    stream: Option<Stream>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Pod<'p> {
    namespace: Option<&'p str>,
    pod: Option<&'p str>,
    uid: Option<&'p str>,
    container: Option<&'p str>,
    restart: Option<&'p str>,
    id: Option<&'p str>,
}

impl<'p> Origin<'p> {
    /// Of a path as matched, and the path that a link there leads to, which may say more.
    pub fn of(path: &'p Path, real: Option<&'p Path>) -> Self {
        let pod = Pod::of(path);
        let real = real.map(Pod::of).unwrap_or_default();
        Self { path, pod: pod.or(real), stream: None }
    }

    /// The same of what came from one of a container's outputs.
    #[must_use]
    pub fn by(self, stream: Stream) -> Self {
        Self { stream: Some(stream), ..self }
    }

    pub fn path(&self) -> &'p [u8] {
        self.path.as_os_str().as_bytes()
    }

    /// What is known of a container, by OpenTelemetry's names (semantic conventions, resource).
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &'p str)> + use<'p> {
        let Pod { namespace, pod, uid, container, restart, id } = self.pod;
        let all = [
            ("k8s.namespace.name", namespace),
            ("k8s.pod.name", pod),
            ("k8s.pod.uid", uid),
            ("k8s.container.name", container),
            ("k8s.container.restart_count", restart),
            ("container.id", id),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// What is known of a field.
    pub fn get(&self, field: Field) -> Option<&'p [u8]> {
        let Pod { namespace, pod, uid, container, restart, id } = self.pod;
        let text = match field {
            Field::Path => return Some(self.path.as_os_str().as_bytes()),
            Field::FileName => return self.path.file_name().map(OsStr::as_bytes),
            // Put in when the template is bound.
            Field::Host | Field::Input => None,
            Field::Namespace => namespace,
            Field::Pod => pod,
            Field::Uid => uid,
            Field::Container => container,
            Field::Restart => restart,
            Field::Id => id,
            Field::Stream => self.stream.map(Stream::name),
        };
        text.map(str::as_bytes)
    }
}

impl<'p> Pod<'p> {
    fn of(path: &'p Path) -> Self {
        let mut names = path.components().rev().map(|part| part.as_os_str().to_str());
        let mut name = || names.next().flatten();
        let (Some(file), Some(parent), Some(above)) = (name(), name(), name()) else {
            return Self::default();
        };
        let found = match (name(), above, parent) {
            (Some("pods"), pod, container) => in_pods(pod, container, file),
            (_, _, "containers") => in_containers(file),
            (_, "containers", id) => in_docker(id, file),
            _ => None,
        };
        found.unwrap_or_default()
    }

    fn or(self, other: Self) -> Self {
        Self {
            namespace: self.namespace.or(other.namespace),
            pod: self.pod.or(other.pod),
            uid: self.uid.or(other.uid),
            container: self.container.or(other.container),
            restart: self.restart.or(other.restart),
            id: self.id.or(other.id),
        }
    }
}

fn in_pods<'p>(directory: &'p str, container: &'p str, file: &'p str) -> Option<Pod<'p>> {
    let [namespace, pod, uid] = three(directory)?;
    let restart = stem(file).filter(|stem| stem.bytes().all(|byte| byte.is_ascii_digit()));
    Some(Pod {
        namespace: Some(namespace),
        pod: Some(pod),
        uid: Some(uid),
        container: Some(container),
        restart,
        id: None,
    })
}

fn in_containers(file: &str) -> Option<Pod<'_>> {
    let [pod, namespace, rest] = three(stem(file)?)?;
    let (container, id) = rest.rsplit_once('-').filter(|(name, _)| !name.is_empty())?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then_some(Pod {
        namespace: Some(namespace),
        pod: Some(pod),
        container: Some(container),
        id: Some(id),
        ..Pod::default()
    })
}

fn in_docker<'p>(id: &'p str, file: &str) -> Option<Pod<'p>> {
    let is_its = stem(file)?.strip_suffix("-json")? == id;
    is_its.then_some(Pod { id: Some(id), ..Pod::default() })
}

/// `NAME` of `NAME.log`, also if the file was rotated: `NAME.log.20260131-120000`. What is called
/// `a.log` itself may have the ending twice.
fn stem(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(".log").or_else(|| Some(file.split_once(".log.")?.0));
    stem.filter(|stem| !stem.is_empty())
}

/// Exactly three names with underscores between them.
fn three(text: &str) -> Option<[&str; 3]> {
    let mut names = text.split('_');
    let three = [names.next()?, names.next()?, names.next()?];
    let is_all = names.next().is_none() && three.iter().all(|name| !name.is_empty());
    is_all.then_some(three)
}
