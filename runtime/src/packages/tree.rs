//! Which version of what goes where in `node_modules`: npm's hoisted layout.
//!
//! A package goes as high as it may: to the top, unless another version has that name there already, or what stands below
//! would find it in the place of what it asked for. Breadth first and by name, so that the same questions give the same tree;
//! peers come last, when everything has been placed that could serve as one.

use super::client::Client;
use super::manifest::{Kind, Manifest, Packument};
use super::progress::{Event, Progress};
use super::requirement::Requirement;
use super::rules::Rules;
use super::{Problem, native};
use crate::limits;
use deno_semver::Version;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// The top: the workspace itself.
const TOP: usize = 0;

/// What the workspace itself asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub asked: String,
    pub optional: bool,
}

/// What a tree is made of.
pub struct Makings<'a> {
    pub client: &'a Client,
    pub rules: &'a Rules,
    pub wanted: &'a BTreeMap<String, Wanted>,
    /// What was installed before, and is taken again where it will do.
    pub locked: &'a [Manifest],
    /// Packages of the shared folder that the workspace uses, which no installed one may stand in front of.
    pub shared: &'a BTreeMap<String, String>,
    pub progress: &'a Progress,
}

/// A tree of packages.
pub struct Tree {
    nodes: Vec<Node>,
    /// What the workspace's author should know.
    pub warnings: Vec<String>,
}

struct Node {
    name: String,
    manifest: Arc<Manifest>,
    version: Version,
    parent: usize,
    children: BTreeMap<String, usize>,
    edges: BTreeMap<String, Edge>,
    /// Who asked first.
    asked_by: usize,
    depth: usize,
}

#[derive(Clone)]
struct Edge {
    target: usize,
    kind: Kind,
    requirement: Requirement,
}

/// A package in its place.
pub struct Placed<'a> {
    /// Below the folder that all of them are in: `node_modules/a/node_modules/b`.
    pub place: String,
    pub manifest: &'a Arc<Manifest>,
    /// Whether the workspace itself asks for it.
    pub direct: bool,
    /// Whether all who asked can do without it.
    pub optional: bool,
    pub needed_by: Vec<String>,
    node: usize,
}

impl Tree {
    /// Finds a version for everything that is asked for, and a place for each.
    pub async fn resolve(makings: &Makings<'_>) -> Result<Self, Problem> {
        let mut growing = Growing {
            makings,
            tree: Self::bare(),
            packuments: HashMap::new(),
            peers: VecDeque::new(),
            level: Vec::new(),
        };
        growing.grow().await?;
        Ok(growing.tree)
    }

    fn bare() -> Self {
        let top = Node {
            name: String::new(),
            manifest: Arc::default(),
            version: Version::default(),
            parent: TOP,
            children: BTreeMap::new(),
            edges: BTreeMap::new(),
            asked_by: TOP,
            depth: 0,
        };
        Self { nodes: vec![top], warnings: Vec::new() }
    }

    /// All packages that are needed, in the order of their places.
    pub fn placed(&self) -> Vec<Placed<'_>> {
        let (reached, required) = (self.reach(true), self.reach(false));
        let mut needed_by: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate().filter(|(index, _)| reached.contains(index)) {
            for edge in node.edges.values() {
                needed_by.entry(edge.target).or_default().push(self.place(index));
            }
        }
        let direct: BTreeSet<usize> = self.nodes[TOP].edges.values().map(|edge| edge.target).collect();
        let mut placed: Vec<Placed<'_>> = reached
            .iter()
            .filter(|index| **index != TOP)
            .map(|&index| Placed {
                place: self.place(index),
                manifest: &self.nodes[index].manifest,
                direct: direct.contains(&index),
                optional: !required.contains(&index),
                needed_by: needed_by.remove(&index).unwrap_or_default(),
                node: index,
            })
            .collect();
        placed.sort_by(|one, other| one.place.cmp(&other.place));
        placed
    }

    /// Takes packages out that could not be had, and all that only they needed.
    pub fn without(&mut self, failed: &BTreeSet<usize>) {
        for node in &mut self.nodes {
            node.edges.retain(|_, edge| !failed.contains(&edge.target));
        }
    }

    /// How a package came to be asked for, from the workspace down.
    pub fn chain(&self, node: usize) -> Vec<String> {
        let mut chain = Vec::new();
        let mut at = node;
        while at != TOP && chain.len() < limits::MAX_PACKAGES {
            chain.push(format!("{}@{}", self.nodes[at].name, self.nodes[at].manifest.version));
            at = self.nodes[at].asked_by;
        }
        chain.reverse();
        chain
    }

    fn reach(&self, with_optional: bool) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([TOP]);
        let mut next = vec![TOP];
        while let Some(index) = next.pop() {
            for edge in self.nodes[index].edges.values() {
                if (with_optional || edge.kind != Kind::Optional) && reached.insert(edge.target) {
                    next.push(edge.target);
                }
            }
        }
        reached
    }

    fn place(&self, index: usize) -> String {
        let mut names = Vec::new();
        let mut at = index;
        while at != TOP {
            names.push(self.nodes[at].name.as_str());
            at = self.nodes[at].parent;
        }
        names.iter().rev().map(|name| format!("node_modules/{name}")).collect::<Vec<_>>().join("/")
    }

    /// Where a name is found from a place, as Node looks for it.
    fn find(&self, from: usize, name: &str) -> Option<(usize, usize)> {
        let mut at = from;
        loop {
            if let Some(child) = self.nodes[at].children.get(name) {
                return Some((at, *child));
            }
            if at == TOP {
                return None;
            }
            at = self.nodes[at].parent;
        }
    }

    fn satisfies(&self, index: usize, requirement: &Requirement) -> bool {
        let node = &self.nodes[index];
        // A tag is whatever the registry gave for it, the first time it was asked.
        node.manifest.name == requirement.package && (requirement.tag().is_some() || requirement.allows(&node.version))
    }

    fn is_below(&self, index: usize, above: usize) -> bool {
        let mut at = index;
        while at != above {
            if at == TOP {
                return false;
            }
            at = self.nodes[at].parent;
        }
        true
    }

    /// The edges below a place that a package of that name would come in the way of.
    fn passing<'a>(&'a self, level: usize, name: &'a str) -> impl Iterator<Item = (usize, &'a Edge)> {
        self.nodes.iter().enumerate().filter_map(move |(index, node)| {
            let edge = node.edges.get(name)?;
            let from = if edge.kind == Kind::Peer { node.parent } else { index };
            let passes = self.is_below(from, level) && !self.is_below(self.nodes[edge.target].parent, level);
            passes.then_some((index, edge))
        })
    }
}

impl Placed<'_> {
    /// Its number in the tree, for [`Tree::without`] and [`Tree::chain`].
    pub fn node(&self) -> usize {
        self.node
    }
}

/// A tree that is being made.
struct Growing<'a> {
    makings: &'a Makings<'a>,
    tree: Tree,
    packuments: HashMap<String, Result<Arc<Packument>, Problem>>,
    /// Packages whose needs are looked at next.
    level: Vec<usize>,
    /// Packages whose peers are looked at after that.
    peers: VecDeque<usize>,
}

impl Growing<'_> {
    async fn grow(&mut self) -> Result<(), Problem> {
        let wanted: Vec<Need> = self
            .makings
            .wanted
            .iter()
            .map(|(name, wanted)| {
                let kind = if wanted.optional { Kind::Optional } else { Kind::Required };
                Need { from: TOP, name: name.clone(), asked: wanted.asked.clone(), kind }
            })
            .collect();
        self.serve(wanted).await?;
        loop {
            if !self.level.is_empty() {
                let level = std::mem::take(&mut self.level);
                let needs = level.iter().flat_map(|index| self.needs(*index, |kind| kind != Kind::Peer)).collect();
                self.serve(needs).await?;
            } else if let Some(index) = self.peers.pop_front() {
                let needs = self.needs(index, |kind| kind == Kind::Peer);
                self.serve(needs).await?;
            } else {
                return Ok(());
            }
        }
    }

    fn needs(&self, index: usize, of: impl Fn(Kind) -> bool) -> Vec<Need> {
        let manifest = self.tree.nodes[index].manifest.clone();
        let needs = manifest.needs().filter(|(.., kind)| of(*kind));
        needs.map(|(name, asked, kind)| Need { from: index, name: name.into(), asked: asked.into(), kind }).collect()
    }

    async fn serve(&mut self, needs: Vec<Need>) -> Result<(), Problem> {
        self.ask_ahead(&needs).await;
        for need in needs {
            match self.place(&need).await {
                Err(problem) if need.kind == Kind::Optional && problem.is_about_the_package() => {
                    tracing::debug!(name = need.name, %problem, "an optional package is left out");
                }
                Err(problem) => {
                    let mut chain = self.tree.chain(need.from);
                    chain.push(need.name.clone());
                    return Err(problem.needed(chain));
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Asks for all packages of a level at once, so that a deep tree costs a round trip for each level and not for each package.
    async fn ask_ahead(&mut self, needs: &[Need]) {
        let mut names = BTreeSet::new();
        for need in needs {
            let Ok(requirement) = Requirement::parse(&need.name, &need.asked) else { continue };
            let there =
                self.tree.find(need.from, &need.name).is_some_and(|(_, it)| self.tree.satisfies(it, &requirement));
            if !there
                && self.locked(&requirement).is_none()
                && self.shared(&need.name).is_none()
                && !self.packuments.contains_key(&requirement.package)
            {
                names.insert(requirement.package);
            }
        }
        let client = self.makings.client;
        let ask = |name: String| {
            async move {
                let packument = client.packument(&name).await;
                (name, packument)
            }
            .boxed()
        };
        let asked: Vec<BoxFuture<'_, _>> = names.into_iter().take(limits::MAX_PACKAGES).map(ask).collect();
        let found: Vec<_> = stream::iter(asked).buffer_unordered(limits::REGISTRY_REQUESTS).collect().await;
        self.packuments.extend(found);
        self.makings.progress.tell(Event::Resolving { packages: self.tree.nodes.len() - 1 });
    }

    fn locked(&self, requirement: &Requirement) -> Option<&Manifest> {
        let fits = |manifest: &&Manifest| {
            let version = Version::parse_from_npm(&manifest.version);
            manifest.name == requirement.package
                && (requirement.tag().is_some() || version.is_ok_and(|version| requirement.allows(&version)))
        };
        self.makings
            .locked
            .iter()
            .filter(fits)
            .max_by_key(|manifest| Version::parse_from_npm(&manifest.version).unwrap_or_default())
    }

    fn shared(&self, name: &str) -> Option<Version> {
        self.makings.shared.get(name).and_then(|version| Version::parse_from_npm(version).ok())
    }

    async fn choose(&mut self, requirement: &Requirement) -> Result<Arc<Manifest>, Problem> {
        if let Some(locked) = self.locked(requirement) {
            return Ok(Arc::new(locked.clone()));
        }
        let name = &requirement.package;
        if !self.packuments.contains_key(name) {
            let asked = self.makings.client.packument(name).await;
            self.packuments.insert(name.clone(), asked);
        }
        match self.packuments.get(name) {
            Some(Ok(packument)) => Ok(Arc::new(packument.choose(requirement)?)),
            Some(Err(problem)) => Err(problem.clone()),
            None => Err(Problem::NotFound { package: name.clone() }),
        }
    }

    async fn place(&mut self, need: &Need) -> Result<(), Problem> {
        let requirement = Requirement::parse(&need.name, &need.asked)
            .map_err(|source| Problem::Requirement { package: need.name.clone(), source })?;
        self.makings.rules.installable(&need.name, &requirement.package)?;
        // A peer is looked for beside the package, not inside it.
        let start = if need.kind == Kind::Peer { self.tree.nodes[need.from].parent } else { need.from };
        // The levels where the name is free, from the inside out.
        let mut free = Vec::new();
        let mut at = start;
        let in_the_way = loop {
            if let Some(&child) = self.tree.nodes[at].children.get(&need.name) {
                if self.tree.satisfies(child, &requirement) {
                    self.link(need, &requirement, child);
                    return Ok(());
                }
                break Some(self.tree.nodes[child].manifest.version.clone());
            }
            if at == TOP {
                match self.shared(&need.name) {
                    None => free.push(at),
                    Some(version) if requirement.tag().is_some() || requirement.allows(&version) => return Ok(()),
                    Some(version) => break Some(version.to_string()),
                }
                break None;
            }
            free.push(at);
            at = self.tree.nodes[at].parent;
        };
        let manifest = self.choose(&requirement).await?;
        if let Some(reason) = native::said_by(&manifest) {
            return Err(Problem::Native {
                package: format!("{}@{}", manifest.name, manifest.version),
                reason: reason.into(),
            });
        }
        let version = Version::parse_from_npm(&manifest.version)
            .map_err(|_| Problem::NotFound { package: format!("{}@{}", manifest.name, manifest.version) })?;
        let clear = |level: &usize| {
            let mut passing = self.tree.passing(*level, &need.name);
            passing.all(|(_, edge)| manifest.name == edge.requirement.package && edge.requirement.allows(&version))
        };
        let outermost = free.iter().rev().copied();
        let level = outermost
            .clone()
            .filter(clear)
            .find(|level| !self.peers_clash(*level, &manifest))
            .or_else(|| outermost.clone().find(clear));
        let Some(level) = level else { return self.conflict(need, in_the_way) };
        self.add(need, requirement, manifest, version, level)
    }

    /// Whether a package would find a wrong version of a peer right beside it.
    fn peers_clash(&self, level: usize, manifest: &Manifest) -> bool {
        manifest.needs().filter(|(.., kind)| *kind == Kind::Peer).any(|(name, asked, _)| {
            let Ok(requirement) = Requirement::parse(name, asked) else { return false };
            self.tree.nodes[level].children.get(name).is_some_and(|child| !self.tree.satisfies(*child, &requirement))
        })
    }

    fn conflict(&mut self, need: &Need, in_the_way: Option<String>) -> Result<(), Problem> {
        let from = &self.tree.nodes[need.from];
        let problem = Problem::Conflict {
            package: format!("{}@{}", from.name, from.manifest.version),
            asked: format!("{}@{}", need.name, need.asked),
            found: in_the_way.unwrap_or_else(|| "another version".into()),
        };
        // What the workspace asks for itself it can change; what others ask for is as they published it.
        if self.tree.nodes[TOP].edges.values().any(|edge| edge.target == need.from) || need.kind == Kind::Required {
            return Err(problem);
        }
        self.tree.warnings.push(problem.to_string());
        Ok(())
    }

    fn add(
        &mut self,
        need: &Need,
        requirement: Requirement,
        manifest: Arc<Manifest>,
        version: Version,
        level: usize,
    ) -> Result<(), Problem> {
        let index = self.tree.nodes.len();
        let depth = self.tree.nodes[level].depth + 1;
        if index > limits::MAX_PACKAGES {
            return Err(Problem::TooManyPackages);
        }
        if depth > limits::MAX_PACKAGE_DEPTH {
            return Err(Problem::TooDeep { package: format!("{}@{}", manifest.name, manifest.version) });
        }
        if let Some(reason) = &manifest.deprecated {
            let text = format!("package `{}@{}` is deprecated: {reason}", manifest.name, manifest.version);
            if !self.tree.warnings.contains(&text) {
                self.tree.warnings.push(text);
            }
        }
        let passing: Vec<usize> = self.tree.passing(level, &need.name).map(|(from, _)| from).collect();
        self.tree.nodes.push(Node {
            name: need.name.clone(),
            manifest,
            version,
            parent: level,
            children: BTreeMap::new(),
            edges: BTreeMap::new(),
            asked_by: need.from,
            depth,
        });
        self.tree.nodes[level].children.insert(need.name.clone(), index);
        for from in passing {
            if let Some(edge) = self.tree.nodes[from].edges.get_mut(&need.name) {
                edge.target = index;
            }
        }
        self.link(need, &requirement, index);
        self.level.push(index);
        self.peers.push_back(index);
        Ok(())
    }

    fn link(&mut self, need: &Need, requirement: &Requirement, target: usize) {
        let edge = Edge { target, kind: need.kind, requirement: requirement.clone() };
        self.tree.nodes[need.from].edges.insert(need.name.clone(), edge);
    }
}

/// Something that a package asks for.
struct Need {
    from: usize,
    name: String,
    asked: String,
    kind: Kind,
}
