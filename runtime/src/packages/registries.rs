//! Which registry has which package, and with which credentials: from the settings and npm's own configuration.
//!
//! Only the operator's files are read. A deploy's `.npmrc` is not: it could send this server's environment to anyone.

use base64::Engine as _;
use deno_npmrc::{NpmRc, NpmRegistryUrl, RegistryConfig, ResolvedNpmRc};
use http::HeaderValue;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use sys_traits::BaseEnvVar;
use url::Url;

/// The registries, by scope.
#[derive(Debug)]
pub struct Registries(ResolvedNpmRc);

/// The configuration of npm cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistriesError {
    #[error("{file} is no valid .npmrc: {problem}")]
    Npmrc { file: String, problem: String },
    #[error("packages.registry (NPM_CONFIG_REGISTRY) is `{0}`; expected the http or https URL of a registry")]
    Url(String),
    #[error("a registry of .npmrc has no valid URL: {0}")]
    Scope(String),
}

/// The environment that `${NAME}` in a `.npmrc` means.
struct Environment<'a, F>(&'a F);

impl<F: Fn(&str) -> Option<String>> BaseEnvVar for Environment<'_, F> {
    fn base_env_var_os(&self, key: &OsStr) -> Option<OsString> {
        (self.0)(key.to_str()?).map(OsString::from)
    }
}

impl Registries {
    /// What the settings and a `.npmrc` (its name and its text) come to. The setting wins over the file, and without both it
    /// is npm's own default.
    pub fn new(
        registry: Option<&str>,
        npmrc: Option<(&str, &str)>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, RegistriesError> {
        let environment = Environment(&variable);
        let url = match registry {
            None => NpmRegistryUrl::for_npm(&Environment(&|_: &str| None)),
            Some(text) => {
                let refuse = || RegistriesError::Url(text.into());
                let text = if text.ends_with('/') { text.to_string() } else { format!("{text}/") };
                NpmRegistryUrl { url: Url::parse(&text).ok().filter(is_web).ok_or_else(refuse)?, from_env: true }
            }
        };
        let rc = match npmrc {
            None => NpmRc::default(),
            Some((file, text)) => NpmRc::parse(&environment, text)
                .map_err(|error| RegistriesError::Npmrc { file: file.into(), problem: error.message.to_string() })?,
        };
        let resolved = rc.as_resolved(&url).map_err(|error| RegistriesError::Scope(error.to_string()))?;
        match resolved.get_all_known_registries_urls().iter().find(|url| !is_web(url)) {
            None => Ok(Self(resolved)),
            Some(url) => Err(RegistriesError::Url(url.to_string())),
        }
    }

    /// Where a package is described, and what to say who asks.
    pub fn packument(&self, package: &str) -> (Url, Option<HeaderValue>) {
        let base = self.0.get_registry_url(package);
        let mut url = base.clone();
        // Registries take a scope's slash only as a part of the name.
        url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), package.replace('/', "%2f")));
        (url, credentials(self.0.get_registry_config(package)))
    }

    /// Where a package's files are, when the registry says `tarball`, and what to say who asks.
    pub fn tarball(&self, package: &str, tarball: &str) -> Option<(Url, Option<HeaderValue>)> {
        let url =
            Url::parse(tarball).or_else(|_| self.0.get_registry_url(package).join(tarball)).ok().filter(is_web)?;
        let url = self.0.replace_tarball_url(url, package);
        let credentials = self.0.tarball_config_for_package(&url, package).and_then(credentials);
        Some((url, credentials))
    }

    /// The hosts that the operator has chosen. Others are reached at public addresses only.
    pub fn hosts(&self) -> Vec<String> {
        let urls = self.0.get_all_known_registries_urls();
        urls.iter().filter_map(|url| url.host_str().map(str::to_string)).collect()
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// As npm sends them: a token, ready-made basic credentials, or a name with a password in Base64.
fn credentials(config: &Arc<RegistryConfig>) -> Option<HeaderValue> {
    let base64 = &base64::engine::general_purpose::STANDARD;
    let text = match &**config {
        RegistryConfig { auth_token: Some(token), .. } => format!("Bearer {token}"),
        RegistryConfig { auth: Some(auth), .. } => format!("Basic {auth}"),
        RegistryConfig { username, email, password: Some(password), .. } => {
            let name = username.as_ref().or(email.as_ref())?;
            let password = base64.decode(password).ok()?;
            format!("Basic {}", base64.encode([name.as_bytes(), b":", &password].concat()))
        }
        _ => return None,
    };
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registries(registry: Option<&str>, npmrc: &str) -> Registries {
        let variable = |name: &str| (name == "TOKEN").then(|| "t0ken".to_string());
        Registries::new(registry, Some((".npmrc", npmrc)), variable).unwrap()
    }

    #[test]
    fn scopes_and_credentials_are_those_of_npmrc() {
        let npmrc = "registry=http://main.test/npm\n@s:registry=http://scope.test/\n//scope.test/:_authToken=${TOKEN}\n\
                     //main.test/npm/:username=me\n//main.test/npm/:_password=cGFzcw==\n";
        let found = registries(None, npmrc);
        let (url, credentials) = found.packument("lodash");
        assert_eq!(url.as_str(), "http://main.test/npm/lodash");
        assert_eq!(credentials.unwrap(), "Basic bWU6cGFzcw==");
        let (url, credentials) = found.packument("@s/p");
        assert_eq!(url.as_str(), "http://scope.test/@s%2fp");
        assert_eq!(credentials.unwrap(), "Bearer t0ken");
        let (url, credentials) = found.tarball("@s/p", "http://elsewhere.test/p.tgz").unwrap();
        assert_eq!((url.as_str(), credentials), ("http://elsewhere.test/p.tgz", None));
        assert!(found.tarball("@s/p", "http://scope.test/p.tgz").unwrap().1.is_some());
        assert!(found.tarball("p", "file:///etc/passwd").is_none());
    }

    #[test]
    fn the_setting_wins_over_the_file() {
        let found = registries(Some("http://set.test/"), "registry=http://file.test/");
        assert_eq!(found.packument("p").0.as_str(), "http://set.test/p");
        assert!(Registries::new(Some("ftp://x"), None, |_| None).is_err());
        assert!(Registries::new(None, None, |_| None).is_ok());
    }
}
