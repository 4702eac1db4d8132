//! Which events in a watched folder are a hint to read again.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind};

use crate::config::Paths;

/// Names of what is read, in whatever folder: files, links on the way to them, and the folders themselves.
pub(super) type Names = BTreeSet<OsString>;

/// The names for the two configuration files and those that were read beside them, as links lead at the moment.
pub(super) fn of(paths: &Paths, files: &[PathBuf]) -> Names {
    let mut names = Names::new();
    [&paths.config.path, &paths.secret.path].into_iter().chain(files).for_each(|file| add(file, &mut names));
    names
}

fn add(file: &Path, names: &mut Names) {
    let mut file = file.to_owned();
    for _ in 0..LINKS_MAX {
        let Some(folder) = file.parent() else { return };
        names.extend([file.file_name(), folder.file_name()].into_iter().flatten().map(OsStr::to_owned));
        let Ok(target) = std::fs::read_link(&file) else { return };
        // `..data` of a mounted folder is a link too
        names.extend(target.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        }));
        file = folder.join(target);
    }
}

/// Whether what happened may have changed a file that is read. That it was opened or read has not: we do so ourselves.
pub(super) fn is_hint(event: &notify::Result<notify::Event>, names: &Names) -> bool {
    let Ok(event) = event else { return true };
    match event.kind {
        EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => return false,
        EventKind::Access(_)
        | EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => {}
    }
    let is_ours = |path: &PathBuf| path.file_name().is_none_or(|name| names.contains(name));
    event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(is_ours)
}

/// As many as a system follows at most, and far more than anybody makes.
const LINKS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use notify::Event;
    use notify::event::{CreateKind, DataChange, Flag, ModifyKind, RemoveKind, RenameMode};

    use super::*;
    use crate::config::FilePath;

    fn names(file: PathBuf) -> Names {
        let config = FilePath { path: file, is_named: true };
        of(&Paths { secret: config.clone(), config }, &[])
    }

    fn hints(kind: EventKind, path: &str) -> bool {
        let names = names("/etc/sealgate/application.json".into());
        is_hint(&Ok(Event::new(kind).add_path(path.into())), &names)
    }

    #[test]
    fn changes_of_a_file_that_is_read_are_hints_and_reading_it_is_none() {
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let changed = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        for kind in
            [written, changed, renamed, EventKind::Create(CreateKind::File), EventKind::Remove(RemoveKind::File)]
        {
            assert!(hints(kind, "/etc/sealgate/application.json"), "{kind:?}");
            assert!(hints(kind, "/etc/sealgate"), "{kind:?} of the folder");
            assert!(!hints(kind, "/etc/sealgate/gateway.log"), "{kind:?} of another file");
        }
        for read in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read), AccessKind::Read] {
            assert!(!hints(EventKind::Access(read), "/etc/sealgate/application.json"), "{read:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_a_hint() {
        let names = Names::new();
        assert!(is_hint(&Err(notify::Error::generic("lost")), &names));
        assert!(is_hint(&Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan).add_path("/a/b".into())), &names));
        assert!(is_hint(&Ok(Event::new(EventKind::Any)), &names));
    }

    #[test]
    fn each_link_on_the_way_to_a_file_has_its_name_among_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| FilePath { path: folder.path().join(name), is_named: true };
        symlink("..data/application.json", folder.path().join("application.json")).unwrap();
        symlink("..2026", folder.path().join("..data")).unwrap();
        std::fs::create_dir(folder.path().join("..2026")).unwrap();
        symlink("real.json", folder.path().join("..2026/application.json")).unwrap();
        let names = names(folder.path().join("application.json"));
        for name in ["application.json", "..data", "real.json"] {
            assert!(names.contains(OsStr::new(name)), "{name} is not in {names:?}");
        }
        symlink("loop", folder.path().join("loop")).unwrap();
        assert!(of(&Paths { config: path("loop"), secret: path("none") }, &[]).contains(OsStr::new("loop")));
    }
}
