//! The images that functions are forked from: made at their deploy, kept with its files, put together at the first call.

use crate::deployment::Function;
use crate::deployment::document::{Document, StoredImage};
use crate::engine::image::{Captured, Image, ImageError};
use crate::engine::slots::TooLarge;
use crate::interpreters::{Interpreter, Language};
use crate::limits;
use crate::routing::Name;
use crate::store::blobs::Hash;
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// Keeps images.
pub struct Images(Arc<Store>);

/// A function has no image, so that each of its instances runs its top level itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoImage {
    #[error(
        "its top level leaves a file or another handle of the host open, which no other instance can use; instances are \
         not forked from an image but run the top level each. Open it inside the function to be forked"
    )]
    OpenHandle,
    #[error(
        "its top level leaves more than {} in memory, too much to keep as an image; instances are not forked but run the \
         top level each. Make large tables at the first call to be forked",
        limits::MAX_IMAGE
    )]
    TooLarge,
    #[error("components are instantiated anew, which needs no image")]
    Component,
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("its seal is not ours")]
    Seal,
}

impl NoImage {
    /// What its author should know.
    pub fn warning(self) -> Option<String> {
        matches!(self, Self::OpenHandle | Self::TooLarge).then(|| self.to_string())
    }
}

impl From<TooLarge> for NoImage {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

impl Images {
    pub fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    /// How an image is stored, and its content.
    pub fn describe(&self, function: &Function, language: Language, captured: &Captured) -> (StoredImage, Arc<[u8]>) {
        let content: Arc<[u8]> = captured.encode().into();
        let hash = Hash::of(&content);
        let interpreter = language.fingerprint().to_string();
        let seal = self.seal(function, &interpreter, hash).to_hex().to_string();
        (StoredImage { content: hash, interpreter, seal }, content)
    }

    /// The image that was stored for a function, if there is one that can be used.
    pub async fn load(&self, function: &Function, language: Language, interpreter: &Interpreter) -> Option<Arc<Image>> {
        let stored = function.image.as_ref().filter(|stored| stored.interpreter == language.fingerprint())?;
        let read = async {
            if blake3::Hash::from_hex(&stored.seal).ok()
                != Some(self.seal(function, &stored.interpreter, stored.content))
            {
                return Err(Unusable::Seal);
            }
            let content = self.0.blobs.get(stored.content).await?;
            Ok(Image::new(interpreter.base.clone(), &Captured::decode(&content)?)?)
        };
        match read.await {
            Ok(image) => Some(image),
            Err(error) => {
                let grants = &function.grants;
                tracing::warn!(workspace = %grants.workspace, function = %grants.function, %error, "an image is made anew");
                None
            }
        }
    }

    /// Stores an image that was made after the deploy: the interpreter is another one, or the file was damaged.
    pub async fn keep(&self, function: &Function, language: Language, captured: &Captured) -> Result<(), StoreError> {
        let (stored, content) = self.describe(function, language, captured);
        let (workspace, name): (&Name, &Name) = (&function.grants.workspace, &function.grants.function);
        let file = stored.content;
        self.0.blobs.put(vec![content]).await?;
        let amend = |text: &str| {
            let mut document: Document = serde_json::from_str(text)?;
            if let Some(there) = document.functions.iter_mut().find(|there| there.name == *name) {
                there.image = Some(stored);
            }
            serde_json::to_string(&document)
        };
        self.0.metadata.amend(workspace.as_str(), &function.grants.version, file, amend).await
    }

    fn seal(&self, function: &Function, interpreter: &str, content: Hash) -> blake3::Hash {
        let grants = &function.grants;
        let (workspace, name) = (grants.workspace.as_str().as_bytes(), grants.function.as_str().as_bytes());
        self.0.key.mark(&[workspace, name, interpreter.as_bytes(), content.as_bytes()])
    }
}
