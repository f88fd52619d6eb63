//! The images that functions are forked from: made at their deploy, kept with its files, put together at the first call.

use crate::deployment::document::{Document, StoredImage};
use crate::deployment::{Function, Shape};
use crate::engine::image::{Base, Captured, Image, ImageError};
use crate::engine::slots::TooLarge;
use crate::interpreters::Interpreter;
use crate::limits;
use crate::routing::Name;
use crate::store::blobs::Hash;
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// Keeps images.
pub struct Images(Arc<Store>);

/// An image that was just taken: in memory, and as it is stored.
pub struct NewImage {
    pub image: Arc<Image>,
    pub stored: StoredImage,
    pub content: Arc<[u8]>,
}

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

    /// Puts an image together that was just taken, and says how it is stored.
    pub async fn make(&self, function: &Function, base: Arc<Base>, captured: Captured) -> Result<NewImage, ImageError> {
        let making = off_when_large(captured.pages.len(), move || {
            let content: Arc<[u8]> = captured.encode().into();
            Ok((Image::new(base, &captured)?, Hash::of(&content), content))
        });
        let (image, hash, content) = making.await?;
        let interpreter = function.made_for.clone();
        let seal = self.seal(function, &interpreter, hash).to_hex().to_string();
        Ok(NewImage { image, stored: StoredImage { content: hash, interpreter, seal }, content })
    }

    /// The image that was stored for a function, if there is one that can be used. The error is that it cannot be used now:
    /// it is sound, and another one in its place would not be the same.
    pub async fn load(&self, function: &Function, interpreter: &Interpreter) -> Result<Option<Arc<Image>>, ImageError> {
        let stored = function.image.load_full().filter(|stored| stored.interpreter == function.made_for);
        let Some(stored) = stored else { return Ok(None) };
        let read = async {
            if blake3::Hash::from_hex(&stored.seal).ok()
                != Some(self.seal(function, &stored.interpreter, stored.content))
            {
                return Err(Unusable::Seal);
            }
            let content = self.0.blobs.get(stored.content).await?;
            let base = interpreter.base.clone();
            let made = off_when_large(content.len(), move || Image::new(base, &Captured::decode(&content)?));
            Ok(made.await?)
        };
        match read.await {
            Ok(image) => Ok(Some(image)),
            Err(Unusable::Image(error @ (ImageError::Map(_) | ImageError::Stopping))) => Err(error),
            Err(error) => {
                let grants = &function.grants;
                tracing::warn!(workspace = %grants.workspace, function = %grants.function, %error, "an image is made anew");
                Ok(None)
            }
        }
    }

    /// Stores an image that was made after the deploy: the interpreter is another one, or the file was damaged. With it goes what
    /// its load found out.
    pub async fn keep(
        &self,
        function: &Function,
        shape: Shape,
        stored: StoredImage,
        content: Arc<[u8]>,
    ) -> Result<(), StoreError> {
        let (workspace, name): (&Name, &Name) = (&function.grants.workspace, &function.grants.function);
        let file = stored.content;
        self.0.blobs.put(vec![content]).await?;
        // What forks it next, once its pool is gone, finds it there.
        function.image.store(Some(Arc::new(stored.clone())));
        let amend = |text: &str| {
            let mut document: Document = serde_json::from_str(text)?;
            if let Some(there) = document.functions.iter_mut().find(|there| there.name == *name) {
                (there.shape, there.image) = (shape, Some(stored));
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

/// Runs work on so many bytes of an image: off the executor's threads where that would keep them from others for long.
async fn off_when_large<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    if size <= limits::LARGE_IMAGE.as_usize() {
        return work();
    }
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ImageError::Stopping))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[tokio::test]
    async fn large_work_leaves_the_executor_alone() {
        let here = thread::current().id();
        let largest = limits::LARGE_IMAGE.as_usize();
        for (size, off) in [(0, false), (largest, false), (largest + 1, true)] {
            let there = off_when_large(size, || Ok(thread::current().id())).await.unwrap();
            assert_eq!(there != here, off, "{size} bytes");
        }
    }
}
