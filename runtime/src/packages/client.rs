//! The way to registries: packuments with their ETags kept on disk, tarballs checked against their hashes.

use super::manifest::{Dist, Packument};
use super::registries::Registries;
use super::unfit::Reason;
use super::{Problem, integrity};
use crate::host_api::egress::{addresses, tls};
use crate::limits::{self, ByteSize};
use crate::store::blobs::Hash;
use bytes::{Bytes, BytesMut};
use cap_std::fs::Dir;
use futures_util::FutureExt;
use http::{HeaderValue, StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use url::{Host, Url};

/// What npm asks for: only what an installation needs, where the registry has that.
const ACCEPT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

/// A client of all registries.
pub struct Client {
    registries: Registries,
    /// Unpacks what servers compress on the way; a tarball must come as it is.
    described: reqwest::Client,
    files: reqwest::Client,
    trusted: Arc<[String]>,
    /// What registries said, by the hash of the URL.
    kept: Arc<Dir>,
    packuments: moka::future::Cache<String, Arc<Packument>>,
    requests: Semaphore,
    memory: Semaphore,
}

/// A packument as it is kept.
struct Kept {
    etag: HeaderValue,
    body: Vec<u8>,
}

impl Client {
    pub fn new(registries: Registries, timeout: Duration, kept: Dir) -> Result<Self, reqwest::Error> {
        let trusted: Arc<[String]> = registries.hosts().into();
        let client = |gzip| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls::config())
                .user_agent(concat!("thimble/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(timeout.min(limits::CONNECT_TIMEOUT))
                .read_timeout(timeout)
                .timeout(limits::REGISTRY_REQUEST_TIMEOUT)
                .pool_max_idle_per_host(limits::REGISTRY_REQUESTS)
                .redirect(redirects(trusted.clone()))
                .dns_resolver(Names(trusted.clone()))
                .gzip(gzip)
                .build()
        };
        Ok(Self {
            described: client(true)?,
            files: client(false)?,
            trusted: trusted.clone(),
            registries,
            kept: Arc::new(kept),
            packuments: moka::future::Cache::builder()
                .max_capacity(limits::CACHED_PACKUMENTS.0)
                .weigher(|_, packument: &Arc<Packument>| u32::try_from(packument.weight()).unwrap_or(u32::MAX))
                .time_to_live(limits::PACKUMENT_AGE)
                .build(),
            requests: Semaphore::new(limits::REGISTRY_REQUESTS),
            memory: Semaphore::new(units(limits::DOWNLOAD_MEMORY.0) as usize),
        })
    }

    /// All versions of a package. Asked for once, however many deploys wait for it.
    pub async fn packument(&self, package: &str) -> Result<Arc<Packument>, Problem> {
        let asked = self.packuments.try_get_with_by_ref(package, self.ask(package).boxed());
        asked.await.map_err(|problem: Arc<Problem>| (*problem).clone())
    }

    async fn ask(&self, package: &str) -> Result<Arc<Packument>, Problem> {
        let (url, credentials) = self.registries.packument(package);
        let kept = self.read(&url).await;
        let _turn = self.requests.acquire().await.map_err(|_| Problem::Stopping)?;
        let mut pauses = limits::REGISTRY_PAUSES.iter();
        let (body, etag) = loop {
            match self.describe(&url, credentials.as_ref(), kept.as_ref()).await {
                Ok(described) => break described,
                Err(failed) => pause(failed, &mut pauses).await.map_err(|failed| failed.about(package, &url))?,
            }
        };
        if let Some(etag) = etag {
            self.keep(&url, etag, body.clone()).await;
        }
        // A large one takes milliseconds to read.
        let parsed = tokio::task::spawn_blocking(move || {
            serde_json::from_slice::<Packument>(&body).map(|packument| packument.of_size(body.len()))
        });
        match parsed.await {
            Ok(Ok(packument)) => Ok(Arc::new(packument)),
            Ok(Err(error)) => {
                let reason = format!("its answer is no description of a package: {error}");
                Err(Problem::Registry { package: package.into(), host: host(&url), reason })
            }
            Err(_) => Err(Problem::Stopping),
        }
    }

    /// One attempt at a packument: its text, and its ETag where it is a new one.
    async fn describe(
        &self,
        url: &Url,
        credentials: Option<&HeaderValue>,
        kept: Option<&Kept>,
    ) -> Result<(Bytes, Option<HeaderValue>), Failed> {
        let mut request = self.described.get(url.clone()).header(header::ACCEPT, ACCEPT);
        if let Some(credentials) = credentials {
            request = request.header(header::AUTHORIZATION, credentials.clone());
        }
        if let Some(kept) = kept {
            request = request.header(header::IF_NONE_MATCH, kept.etag.clone());
        }
        let mut response = request.send().await.map_err(|error| Failed::of(&error))?;
        if let (StatusCode::NOT_MODIFIED, Some(kept)) = (response.status(), kept) {
            return Ok((Bytes::copy_from_slice(&kept.body), None));
        }
        refuse(response.status())?;
        let etag = response.headers().get(header::ETAG).cloned();
        Ok((collect(&mut response, limits::MAX_PACKUMENT).await?, etag))
    }

    /// The files of a version, packed, with the right hash.
    pub async fn tarball(&self, package: &str, version: &str, dist: &Dist) -> Result<Bytes, Problem> {
        let named = format!("{package}@{version}");
        let expected = integrity::Expected::of(dist).ok_or_else(|| Problem::NoIntegrity { package: named.clone() })?;
        let found = self.registries.tarball(package, &dist.tarball);
        let elsewhere = || Problem::Registry {
            package: named.clone(),
            host: dist.tarball.chars().take(200).collect(),
            reason: "this is no address that packages are taken from".into(),
        };
        let (url, credentials) = found.filter(|(url, _)| reachable(url, &self.trusted)).ok_or_else(elsewhere)?;
        let _turn = self.requests.acquire().await.map_err(|_| Problem::Stopping)?;
        let mut pauses = limits::REGISTRY_PAUSES.iter();
        let body = loop {
            match self.download(&url, credentials.as_ref()).await {
                Ok(body) => break body,
                Err(failed) => pause(failed, &mut pauses).await.map_err(|failed| failed.about(&named, &url))?,
            }
        };
        let hashed = tokio::task::spawn_blocking(move || expected.matches(&body).then_some(body)).await;
        match hashed.map_err(|_| Problem::Stopping)? {
            Some(body) => Ok(body),
            None => Err(Problem::Integrity { package: named, host: host(&url) }),
        }
    }

    /// One attempt at a tarball.
    async fn download(&self, url: &Url, credentials: Option<&HeaderValue>) -> Result<Bytes, Failed> {
        let mut request = self.files.get(url.clone());
        if let Some(credentials) = credentials {
            request = request.header(header::AUTHORIZATION, credentials.clone());
        }
        let mut response = request.send().await.map_err(|error| Failed::of(&error))?;
        refuse(response.status())?;
        let size = response.content_length().unwrap_or(limits::MAX_TARBALL.0);
        if size > limits::MAX_TARBALL.0 {
            return Err(Failed::TooLarge(limits::MAX_TARBALL));
        }
        let memory = self.memory.acquire_many(units(size)).await;
        let _memory = memory.map_err(|_| Failed::Again("the server is stopping".into()))?;
        collect(&mut response, limits::MAX_TARBALL).await
    }

    async fn read(&self, url: &Url) -> Option<Kept> {
        let (folder, name) = (self.kept.clone(), Hash::of(url.as_str().as_bytes()).to_string());
        let read = move || {
            let content = folder.read(name).ok()?;
            let end = content.iter().position(|byte| *byte == b'\n')?;
            let etag = HeaderValue::from_bytes(&content[..end]).ok()?;
            Some(Kept { etag, body: content[end + 1..].to_vec() })
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// What cannot be kept is asked for again: nothing depends on it.
    async fn keep(&self, url: &Url, etag: HeaderValue, body: Bytes) {
        let (folder, name) = (self.kept.clone(), Hash::of(url.as_str().as_bytes()).to_string());
        let write = move || {
            let draft = format!("{name}.{}", uuid::Uuid::now_v7());
            let content = [etag.as_bytes(), b"\n", &body].concat();
            folder.write(&draft, content).and_then(|()| folder.rename(&draft, &folder, &name))
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::warn!(%error, "what a registry said cannot be kept");
        }
    }
}

/// Why an attempt came to nothing.
enum Failed {
    /// May go better the next time.
    Again(String),
    Status(StatusCode),
    TooLarge(ByteSize),
}

impl Failed {
    fn of(error: &reqwest::Error) -> Self {
        let mut deepest: &dyn std::error::Error = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        let reason = if error.is_timeout() { "it does not answer in time".into() } else { deepest.to_string() };
        Self::Again(reason)
    }

    fn about(self, package: &str, url: &Url) -> Problem {
        let (package, host) = (package.to_string(), host(url));
        match self {
            Self::Status(StatusCode::NOT_FOUND) => Problem::NotFound { package },
            Self::Status(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
                Problem::Unauthorized { package, host, status: status.as_u16() }
            }
            Self::Status(status) => Problem::Registry { package, host, reason: format!("it answers with {status}") },
            Self::Again(reason) => Problem::Registry { package, host, reason },
            Self::TooLarge(limit) => Reason::TooLarge("its download", limit).of(&package).into(),
        }
    }
}

/// Waits before another attempt, where one may go better.
async fn pause(failed: Failed, pauses: &mut std::slice::Iter<'_, Duration>) -> Result<(), Failed> {
    match (failed, pauses.next()) {
        (Failed::Again(reason), Some(pause)) => {
            tracing::debug!(reason, "a registry is asked again");
            tokio::time::sleep(*pause).await;
            Ok(())
        }
        (failed, _) => Err(failed),
    }
}

fn refuse(status: StatusCode) -> Result<(), Failed> {
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Err(Failed::Again(format!("it answers with {status}")))
        }
        status if status.is_server_error() => Err(Failed::Again(format!("it answers with {status}"))),
        status => Err(Failed::Status(status)),
    }
}

async fn collect(response: &mut reqwest::Response, limit: ByteSize) -> Result<Bytes, Failed> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failed::of(&error))? {
        if body.len() + chunk.len() > limit.as_usize() {
            return Err(Failed::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Permits for so many bytes: one for each 64 KiB.
fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(64 * 1024)).unwrap_or(u32::MAX)
}

fn host(url: &Url) -> String {
    match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.into(),
    }
}

/// Whether a URL may be asked for: a host that the operator chose, or one of the public Internet. Names are looked at when
/// they are resolved.
fn reachable(url: &Url, trusted: &[String]) -> bool {
    let chosen = url.host_str().is_some_and(|host| trusted.iter().any(|trusted| trusted == host));
    chosen
        || match url.host() {
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(address)) => addresses::is_public(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => addresses::is_public(IpAddr::V6(address)),
            None => false,
        }
}

/// Follows what registries and their stores answer with, to where a tarball may be.
fn redirects(trusted: Arc<[String]>) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > limits::MAX_REDIRECTS {
            attempt.error("it redirects too often")
        } else if reachable(attempt.url(), &trusted) {
            attempt.follow()
        } else {
            attempt.error("it redirects to a private address")
        }
    })
}

/// Resolves names; those that the operator did not choose to public addresses only, for they stand in what strangers publish.
struct Names(Arc<[String]>);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let chosen = self.0.iter().any(|trusted| trusted == name.as_str());
        Box::pin(async move {
            #[expect(clippy::disallowed_methods, reason = "the way to registries, which no guest takes")]
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut found: Vec<_> = found.collect();
            found.retain(|address| chosen || addresses::is_public(address.ip()));
            if found.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
