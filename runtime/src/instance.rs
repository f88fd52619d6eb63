//! A live sandbox: one store with one instance of one function, ready to be invoked: forked from the image that the
//! function's top level left, or, where there is none, loaded.
//!
//! It ends with a trap, a time-out, a refusal of memory, a dropped request, its deployment, idleness, or after its
//! millionth invocation; never does it serve another function, let alone another workspace.

pub mod failure;
mod idle;
pub mod images;
pub mod pool;
pub mod replace;
pub mod retirement;

use crate::deployment::signature::{Signature, SignatureError};
use crate::deployment::upload::{Upload, UploadKind};
use crate::deployment::{Function, Program, Shape};
use crate::engine::image::{Captured, Image, ImageError};
use crate::engine::slots::Placement;
use crate::engine::{Engines, Metering, Origin, is_out_of_memory};
use crate::host_api::bindings::Interpreter;
use crate::host_api::bindings::exports::thimble::runtime::guest;
use crate::host_api::bindings::function::Function as Handler;
use crate::host_api::turn::Turns;
use crate::host_api::{Invocation, State};
use crate::interpreters::{self, InterpreterError, Interpreters, Language};
use crate::limits;
use failure::{Failure, FailureKind};
use images::{Images, NewImage, NoImage};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Engine, Store};

/// A live sandbox.
pub struct Instance {
    pub store: Store<State>,
    pub guest: Guest,
    /// How many invocations it has begun.
    pub served: u64,
    pub idle_since: Instant,
    /// Linear memory right after the load, in bytes: what it grows by later is its own.
    pub loaded_size: usize,
    /// Its place among the instances that the server may have at once.
    slot: OwnedSemaphorePermit,
}

/// What is inside.
pub enum Guest {
    Interpreter(Interpreter),
    Handler(Handler),
}

/// Makes instances.
pub struct Factory {
    pub engines: Arc<Engines>,
    pub interpreters: Arc<Interpreters>,
    pub turns: Turns,
    pub images: Images,
}

/// A function whose top level has run.
pub struct Loaded {
    pub instance: Instance,
    pub shape: Shape,
    pub signatures: Vec<Signature>,
    pub image: Result<Captured, NoImage>,
}

/// Far more than a fork takes; an invocation sets its own.
const EPOCHS_OF_A_FORK: u64 = 1_000;

/// There is no instance.
#[derive(Debug)]
pub enum StartError {
    /// The function's own fault: its top level threw, looped, or wanted too much.
    Function(Failure),
    /// All places are taken, or the kernel has no memory for one.
    NoRoom,
    /// Ours.
    Host(wasmtime::Error),
    Interpreter(InterpreterError),
}

impl StartError {
    /// What an error while an instance is made means: it is the function's, unless the kernel refused memory.
    pub fn of(error: wasmtime::Error, state: &State) -> Self {
        if state.memory.starved() || is_out_of_memory(&error) {
            return Self::no_memory(error);
        }
        Self::Function(Failure::from_trap(&error, state))
    }

    /// As the end of an invocation that made its instance itself: a function's fault is what it came to.
    pub fn outcome<T>(self) -> Result<Result<T, Failure>, Self> {
        if let Self::Function(failure) = self { Ok(Err(failure)) } else { Err(self) }
    }

    fn no_memory(error: impl Display) -> Self {
        tracing::warn!(
            %error,
            "the kernel refuses memory for another instance: look at the memory that is free, at this process's limit on \
             address space (ulimit -v), and at vm.max_map_count"
        );
        Self::NoRoom
    }
}

impl From<SignatureError> for StartError {
    fn from(error: SignatureError) -> Self {
        Self::Function(Failure::new(FailureKind::BadSignature, error.to_string()))
    }
}

impl From<ImageError> for StartError {
    fn from(error: ImageError) -> Self {
        let error = wasmtime::Error::from(error);
        if is_out_of_memory(&error) { Self::no_memory(error) } else { Self::Host(error) }
    }
}

impl Factory {
    /// A store for a function that was uploaded, before anything runs in it.
    pub fn upload_store(&self, function: &Function, upload: &Upload) -> Result<Store<State>, StartError> {
        self.store(function, self.engines.get(Origin::Uploads, upload.metering))
    }

    fn store(&self, function: &Function, engine: &Engine) -> Result<Store<State>, StartError> {
        let state = State::new(function.grants.clone(), &self.turns);
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().tick()));
        store.set_hostcall_fuel(limits::HOSTCALL_FUEL);
        if let Some(fuel) = function.grants.limits.fuel {
            store.set_fuel(fuel.get()).map_err(StartError::Host)?;
        }
        Ok(store)
    }

    /// Instantiates a function that stays warm, and runs its top level under the invocation's deadline.
    pub async fn load(
        &self,
        function: &Function,
        invocation: Invocation,
        slot: OwnedSemaphorePermit,
    ) -> Result<Loaded, StartError> {
        match &function.program {
            Program::Source { language, metering, source } => {
                self.load_source(function, (*language, *metering), source, invocation, slot).await
            }
            Program::Upload(upload) => {
                let UploadKind::Handler(pre) = &upload.kind else {
                    // Commands and HTTP handlers get an instance for each invocation, made where they are invoked.
                    return Err(StartError::Host(wasmtime::Error::msg("this component does not stay warm")));
                };
                let mut store = self.upload_store(function, upload)?;
                let deadline = invocation.deadline;
                store.data_mut().begin(invocation);
                let instantiated = tokio::time::timeout_at(deadline.into(), pre.instantiate_async(&mut store)).await;
                let handler = match instantiated {
                    Err(_) => return Err(StartError::Function(Failure::timeout(&function.grants.limits))),
                    Ok(Err(error)) => return Err(StartError::of(error, store.data())),
                    Ok(Ok(handler)) => handler,
                };
                store.data_mut().finish();
                let instance = Instance::new(store, Guest::Handler(handler), slot);
                Ok(Loaded { instance, shape: Shape::plain(), signatures: vec![], image: Err(NoImage::Component) })
            }
        }
    }

    async fn load_source(
        &self,
        function: &Function,
        (language, metering): (Language, Metering),
        source: &guest::Source,
        invocation: Invocation,
        slot: OwnedSemaphorePermit,
    ) -> Result<Loaded, StartError> {
        let interpreter = self.interpreter(language, metering).await?;
        let placement = Placement::new(interpreter.blank.clone());
        let mut store = self.store(function, interpreter.code.engine())?;
        let deadline = invocation.deadline;
        store.data_mut().begin(invocation);
        let loading = async {
            let guest = placement.instantiate(interpreter.code.instantiate_async(&mut store)).await?;
            let loaded = guest.thimble_runtime_guest().call_load(&mut store, source).await?;
            wasmtime::Result::Ok((guest, loaded))
        };
        let (guest, loaded) = match tokio::time::timeout_at(deadline.into(), loading).await {
            Err(_) => return Err(StartError::Function(Failure::timeout(&function.grants.limits))),
            Ok(Err(error)) => return Err(StartError::of(error, store.data())),
            Ok(Ok((_, Err(_)))) if store.data().memory.starved() => {
                return Err(StartError::no_memory("its memory could not grow"));
            }
            Ok(Ok((_, Err(failure)))) => {
                return Err(StartError::Function(Failure::from_guest(failure, store.data())));
            }
            Ok(Ok((guest, Ok(loaded)))) => (guest, loaded),
        };
        store.data_mut().finish();
        let image = if store.data().holds_handles() {
            Err(NoImage::OpenHandle)
        } else {
            let carried = store.data().carried();
            placement.capture(&mut store, carried).map_err(NoImage::from)
        };
        let found = loaded.signatures.into_iter().map(|found| (found.entry, found.input, found.output));
        let signatures = Signature::read_all(found).map_err(StartError::from)?;
        let shape = Shape { callable: loaded.callable, entries: loaded.entries, takes_requests: loaded.takes_requests };
        Ok(Loaded { instance: Instance::new(store, Guest::Interpreter(guest), slot), shape, signatures, image })
    }

    /// The image of a function: as it was stored, or else made anew under the invocation's deadline.
    pub async fn image(
        &self,
        function: &Function,
        invocation: Invocation,
        slot: OwnedSemaphorePermit,
    ) -> Result<Result<Arc<Image>, Instance>, StartError> {
        let Program::Source { language, metering, .. } = &function.program else {
            return Ok(Err(self.load(function, invocation, slot).await?.instance));
        };
        let interpreter = self.interpreter(*language, *metering).await?;
        if let Some(image) = self.images.load(function, interpreter).await? {
            return Ok(Ok(image));
        }
        let loaded = self.load(function, invocation, slot).await?;
        let Ok(captured) = loaded.image else { return Ok(Err(loaded.instance)) };
        let NewImage { image, stored, content } = self.make_image(function, captured).await?;
        if let Err(error) = self.images.keep(function, loaded.shape, stored, content).await {
            tracing::warn!(%error, "an image that was made anew could not be stored");
        }
        Ok(Ok(image))
    }

    /// Puts an image together that was just taken of a function.
    pub async fn make_image(&self, function: &Function, captured: Captured) -> Result<NewImage, StartError> {
        let Program::Source { language, metering, .. } = &function.program else {
            return Err(StartError::Host(wasmtime::Error::msg("components have no image")));
        };
        let base = self.interpreter(*language, *metering).await?.base.clone();
        Ok(self.images.make(function, base, captured).await?)
    }

    async fn interpreter(
        &self,
        language: Language,
        metering: Metering,
    ) -> Result<&interpreters::Interpreter, StartError> {
        self.interpreters.prepare(language, metering).await.map_err(StartError::Interpreter)?;
        self.interpreters.get(language, metering).map_err(StartError::Interpreter)
    }

    /// An instance as it stood when the image was taken. Nothing runs in it yet.
    pub async fn fork(
        &self,
        function: &Function,
        image: &Arc<Image>,
        slot: OwnedSemaphorePermit,
    ) -> Result<Instance, StartError> {
        let Program::Source { language, metering, .. } = &function.program else {
            return Err(StartError::Host(wasmtime::Error::msg("components have no image")));
        };
        let interpreter = self.interpreters.get(*language, *metering).map_err(StartError::Interpreter)?;
        let mut store = self.store(function, interpreter.code.engine())?;
        // Nobody waits for a fork, and what runs of it now is a few instructions: it does not give way.
        store.set_epoch_deadline(EPOCHS_OF_A_FORK);
        let placement = Placement::new(image.clone());
        let guest = placement.instantiate(interpreter.code.instantiate_async(&mut store)).await;
        let guest = guest.map_err(|error| StartError::of(error, store.data()))?;
        store.data_mut().forked(placement.size(), image.carried());
        Ok(Instance::new(store, Guest::Interpreter(guest), slot))
    }

    /// Whether an upload can be instantiated at all, for a deploy: its start functions run, its memory fits.
    pub async fn probe(&self, function: &Function, upload: &Upload, invocation: Invocation) -> Result<(), StartError> {
        let deadline = invocation.deadline;
        let mut store = self.upload_store(function, upload)?;
        store.data_mut().begin(invocation);
        let instantiated = async {
            match &upload.kind {
                UploadKind::Handler(pre) => pre.instantiate_async(&mut store).await.map(drop),
                UploadKind::Http(pre) => pre.instantiate_async(&mut store).await.map(drop),
                UploadKind::Command(pre) => pre.instantiate_async(&mut store).await.map(drop),
            }
        };
        match tokio::time::timeout_at(deadline.into(), instantiated).await {
            Err(_) => Err(StartError::Function(Failure::timeout(&function.grants.limits))),
            Ok(Err(error)) => Err(StartError::of(error, store.data())),
            Ok(Ok(())) => Ok(()),
        }
    }
}

impl Instance {
    fn new(store: Store<State>, guest: Guest, slot: OwnedSemaphorePermit) -> Self {
        let loaded_size = store.data().memory.used();
        Self { store, guest, served: 0, idle_since: Instant::now(), loaded_size, slot }
    }

    /// Ends it, and keeps its place for another one.
    fn into_slot(self) -> OwnedSemaphorePermit {
        self.slot
    }

    /// Whether it wants to be told before it is retired. One that never served has nothing to end.
    fn has_retirement_hook(&self) -> bool {
        self.served > 0 && self.store.data().retirement_hook
    }

    /// What it holds beyond what every instance of its kind does, in bytes.
    pub fn growth(&self) -> usize {
        self.store.data().memory.used().saturating_sub(self.loaded_size)
    }

    /// An invocation begins.
    pub fn begin(&mut self, invocation: Invocation) -> wasmtime::Result<()> {
        self.served += 1;
        let fuel = self.store.data().grants.limits.fuel;
        self.store.data_mut().begin(invocation);
        self.store.set_epoch_deadline(1);
        if let Some(fuel) = fuel {
            self.store.set_fuel(fuel.get())?;
        }
        Ok(())
    }
}
