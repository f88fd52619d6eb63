//! What the operator has installed for all workspaces: `PYTHON_PACKAGES_AUTO_INSTALL`, at the server's start.
//!
//! It stays in a folder of its own, so that a start with the same list needs no index. Where a new list cannot be installed,
//! what was there before goes on serving, and the log says why.

use super::{Problem, Provided, PythonLock, PythonPackages, requirements};
use crate::packages::progress::Progress;
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Where functions see them.
pub const SHARED_AT: &str = "/opt/python-shared";

/// The packages that are there for all.
#[derive(Clone, Debug)]
pub struct Shared {
    /// On the server's disk.
    pub folder: PathBuf,
    pub lock: PythonLock,
}

/// The file that says what is installed, and in which folder beside it.
const NOTE: &str = "installed.json";

#[derive(Serialize, Deserialize)]
struct Installed {
    folder: String,
    lock: PythonLock,
}

impl PythonPackages {
    /// Installs what all workspaces may use, unless it is there already. None where it cannot be had; the log says why.
    pub async fn share(&self, path: &Path, asked: &str) -> Option<Shared> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that opens the operator's folder of Python packages"
        )]
        let opened = std::fs::create_dir_all(path)
            .and_then(|()| Ok((path.canonicalize()?, Dir::open_ambient_dir(path, cap_std::ambient_authority())?)));
        let (path, folder) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(folder = %path.display(), %error, "Python packages cannot be installed for all");
                return None;
            }
        };
        let before: Option<Installed> = folder
            .read(NOTE)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .filter(|installed: &Installed| !installed.folder.contains('/') && folder.is_dir(&installed.folder));
        let installed = match self.renew(&folder, before.as_ref(), asked).await {
            Ok(Some(fresh)) => Some(fresh),
            Ok(None) => before,
            Err(problem) => {
                tracing::error!(%problem, "the Python packages for all workspaces could not be installed; those of before serve on");
                before
            }
        };
        installed.map(|Installed { folder, lock }| Shared { folder: path.join(folder), lock })
    }

    /// What is installed now; none where it was before.
    async fn renew(&self, folder: &Dir, before: Option<&Installed>, asked: &str) -> Result<Option<Installed>, Problem> {
        let asked = requirements::read(split(asked).iter().map(String::as_str))?;
        if before.is_some_and(|before| before.lock.wanted == super::wanted(&asked)) {
            return Ok(None);
        }
        let Provided { lock, tree } =
            self.provide_any(&asked, before.map(|before| &before.lock), &Progress::default()).await?;
        let name = uuid::Uuid::now_v7().to_string();
        folder.create_dir(&name).map_err(Problem::disk)?;
        let into = folder.open_dir(&name).map_err(Problem::disk)?;
        for file in tree.into_iter().flat_map(|tree| tree.files) {
            let content = self.store.blobs.get(file.content).await.map_err(Problem::store)?;
            write(&into, &file.path, &content).map_err(Problem::disk)?;
        }
        let installed = Installed { folder: name, lock };
        let note = serde_json::to_vec(&installed).map_err(|error| Problem::Store(error.to_string()))?;
        let draft = format!("{NOTE}.new");
        folder.write(&draft, note).and_then(|()| folder.rename(&draft, folder, NOTE)).map_err(Problem::disk)?;
        if let Some(before) = before {
            // No instance of this start reads it.
            let _ = folder.remove_dir_all(&before.folder);
        }
        Ok(Some(installed))
    }
}

fn write(folder: &Dir, path: &str, content: &[u8]) -> io::Result<()> {
    if let Some((above, _)) = path.rsplit_once('/') {
        folder.create_dir_all(above)?;
    }
    folder.write(path, content)
}

/// Requirements with commas between them, which may have commas in them: `requests[socks]>=2,<3, attrs`.
fn split(text: &str) -> Vec<String> {
    let mut requirements: Vec<String> = Vec::new();
    for piece in text.split(',') {
        match requirements.last_mut() {
            Some(last) if piece.trim_start().starts_with(['<', '>', '=', '!', '~']) || unclosed(last) => {
                last.push(',');
                last.push_str(piece);
            }
            _ => requirements.push(piece.trim().to_string()),
        }
    }
    requirements
}

fn unclosed(text: &str) -> bool {
    text.matches('[').count() > text.matches(']').count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn commas_separate_requirements_and_stand_in_them() {
        for (text, expected) in [
            ("pandas==2.0.0, requests", vec!["pandas==2.0.0", "requests"]),
            ("a[x,y]>=1,<2,b", vec!["a[x,y]>=1,<2", "b"]),
            ("a >= 1, != 1.5", vec!["a >= 1, != 1.5"]),
        ] {
            assert_eq!(super::split(text), expected);
        }
    }
}
