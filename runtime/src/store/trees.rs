//! Read-only folders made of files by content: what functions see as `/var/task`.
//!
//! A tree is a list of paths, each with the hash of its file; the list is stored as a file like any other, and its hash
//! names the tree. The folder is made of the stored files by hard links, so that the same content is there once however
//! many functions and workspaces use it. A folder gets its name when it is whole, so `kill -9` leaves it or a draft;
//! what no deployment uses, drafts too, is removed at the next start.

use super::StoreError;
use super::blobs::{Blobs, Hash, ONE_BY_ONE, blocking};
use super::metadata::Use;
use cap_std::fs::Dir;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a folder, in the order of their paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    pub files: Vec<TreeFile>,
}

/// One file of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeFile {
    /// With `/` between its names, none of which is `.` or `..`.
    pub path: String,
    pub content: Hash,
    pub size: u64,
}

/// The folders.
#[derive(Clone, Debug)]
pub struct Trees {
    folder: Arc<Dir>,
    /// wasmtime-wasi opens folders by path.
    path: Arc<Path>,
    blobs: Blobs,
}

impl Tree {
    /// The tree of these files, whose paths were checked.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a String, &'a Arc<[u8]>)>) -> Self {
        let file = |(path, content): (&String, &Arc<[u8]>)| TreeFile {
            path: path.clone(),
            content: Hash::of(content),
            size: content.len() as u64,
        };
        let mut files: Vec<TreeFile> = files.into_iter().map(file).collect();
        files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Self { files }
    }

    /// What names it.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let rows = self.files.iter().map(|file| (&file.path, file.content.to_string(), file.size));
        serde_json::to_vec(&rows.collect::<Vec<_>>()).expect("strings and numbers can always be written to memory")
    }

    fn decode(content: &[u8]) -> Result<Self, StoreError> {
        let rows: Vec<(String, String, u64)> = serde_json::from_slice(content).map_err(StoreError::Document)?;
        let file = |(path, content, size): (String, String, u64)| {
            let content = Hash::parse(&content)?;
            Some(TreeFile { path, content, size })
        };
        let files = rows.into_iter().map(file).collect::<Option<_>>();
        let damaged = || StoreError::Document(serde::de::Error::custom("a list of files names no hash"));
        Ok(Self { files: files.ok_or_else(damaged)? })
    }
}

impl Trees {
    pub fn open(data: &Dir, path: &Path, blobs: Blobs) -> io::Result<Self> {
        data.create_dir_all("trees")?;
        // The working directory may change.
        let path = path.join("trees").canonicalize()?;
        Ok(Self { folder: Arc::new(data.open_dir("trees")?), path: path.into(), blobs })
    }

    /// Stores a tree with its files, and makes its folder. When this returns it survives a loss of power.
    pub async fn keep(&self, tree: Tree, contents: Vec<Arc<[u8]>>) -> Result<(), StoreError> {
        let encode = move || {
            let list: Arc<[u8]> = tree.encode().into();
            Ok((tree, Hash::of(&list), list))
        };
        let (tree, hash, list) = blocking(encode).await?;
        self.blobs.put(contents.into_iter().chain([list]).collect()).await?;
        self.make(hash, tree).await
    }

    /// The files of a tree.
    pub async fn read(&self, tree: Hash) -> Result<Tree, StoreError> {
        Tree::decode(&self.blobs.get(tree).await?)
    }

    /// Where the folder of a tree is. It is made anew if it is gone, and stays while the server lives.
    pub async fn folder(&self, tree: Hash) -> Result<PathBuf, StoreError> {
        let name = tree.to_string();
        if !self.folder.is_dir(&name) {
            self.make(tree, self.read(tree).await?).await?;
        }
        Ok(self.path.join(name))
    }

    async fn make(&self, hash: Hash, tree: Tree) -> Result<(), StoreError> {
        let this = self.clone();
        blocking(move || this.build(hash, &tree).map_err(|source| StoreError::Tree { tree: hash, source })).await
    }

    fn build(&self, hash: Hash, tree: &Tree) -> io::Result<()> {
        let name = hash.to_string();
        if self.folder.is_dir(&name) {
            return Ok(());
        }
        let draft = format!("{name}.{}", uuid::Uuid::now_v7());
        self.folder.create_dir(&draft)?;
        let built = self.folder.open_dir(&draft).and_then(|folder| self.fill(&folder, tree));
        let built = built.and_then(|()| match self.folder.rename(&draft, &self.folder, &name) {
            // Another deploy was faster.
            Err(_) if self.folder.is_dir(&name) => self.folder.remove_dir_all(&draft),
            renamed => renamed,
        });
        if built.is_err() {
            // What is left of it goes at the next start.
            let _ = self.folder.remove_dir_all(&draft);
        }
        built?;
        self.folder.open(".")?.sync_all()
    }

    fn fill(&self, root: &Dir, tree: &Tree) -> io::Result<()> {
        let mut folders = HashSet::new();
        for file in &tree.files {
            let (folder, name) = file.path.rsplit_once('/').unwrap_or((".", &file.path));
            if folders.insert(folder) {
                root.create_dir_all(folder)?;
            }
            self.blobs.link(file.content, &root.open_dir(folder)?, name)?;
        }
        // Names are durable only once their folders are; those above have names of folders in them.
        let above = folders.iter().flat_map(|folder| folder.match_indices('/').map(|(at, _)| &folder[..at]));
        let all: HashSet<&str> = folders.iter().copied().chain(above).chain(["."]).collect();
        if all.len() > ONE_BY_ONE {
            return Ok(rustix::fs::syncfs(root.open(".")?)?);
        }
        all.into_iter().try_for_each(|folder| root.open(folder)?.sync_all())
    }

    /// Removes the folders that no deployment uses, and answers the names of all files that are used; none where that
    /// cannot be known, since a list is damaged.
    pub async fn sweep(&self, uses: &HashSet<Use>) -> io::Result<Option<HashSet<String>>> {
        for entry in self.folder.entries()? {
            let name = entry?.file_name();
            let tree = name.to_str().and_then(Hash::parse);
            if !tree.is_some_and(|tree| uses.contains(&Use::Tree(tree))) {
                self.folder.remove_dir_all(&name)?;
            }
        }
        let mut used = HashSet::new();
        for one in uses {
            match one {
                Use::File(hash) => drop(used.insert(hash.to_string())),
                Use::Tree(tree) => {
                    let Ok(files) = self.read(*tree).await else { return Ok(None) };
                    used.insert(tree.to_string());
                    used.extend(files.files.iter().map(|file| file.content.to_string()));
                }
            }
        }
        Ok(Some(used))
    }
}
