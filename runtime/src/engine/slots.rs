//! Linear memories of our own: each a slot of address space with an image mapped in it, copy on write.
//!
//! What bends wasmtime's contract is here and nowhere else: [`MemoryCreator`] asks for memory that is zero, of the size
//! that the module declares; what an instance gets from here holds an image, and may have grown before. Both are what the
//! compiled code would have found, had it initialised itself: its data segments were taken out (`split`), and its memory's
//! size is read where it is kept. The tests below are what an update of wasmtime must pass.

mod slot;

pub(super) use slot::Slot;

use super::image::{Captured, Carried, Image};
use super::pages::{PAGE, written};
use crate::limits;
use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// Makes the linear memories of the interpreters.
pub(super) struct Slots;

/// Which image an instance is forked from, and where its memory is while it lives.
pub struct Placement {
    image: Arc<Image>,
    place: Mutex<Option<Place>>,
    /// Why there is no memory: wasmtime passes on the text of it only.
    refused: Mutex<Option<io::Error>>,
}

/// A top level has changed more memory than an image may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

#[derive(Clone, Copy)]
struct Place {
    start: NonNull<u8>,
    size: usize,
}

/// The linear memory of an instance.
struct Memory {
    slot: Option<Slot>,
    size: usize,
    /// The largest size.
    capacity: usize,
    placement: Arc<Placement>,
}

// SAFETY: a place is only read through by `capture`, which holds the store.
unsafe impl Send for Place {}

thread_local! {
    /// What the next memory that this thread makes is for: wasmtime does not tell.
    static NEXT: RefCell<Option<Arc<Placement>>> = const { RefCell::new(None) };
}

impl Placement {
    pub fn new(image: Arc<Image>) -> Arc<Self> {
        Arc::new(Self { image, place: Mutex::new(None), refused: Mutex::new(None) })
    }

    /// Runs an instantiation, whose memory then comes from this placement's image.
    pub async fn instantiate<T>(
        self: &Arc<Self>,
        instantiation: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        let mut instantiation = pin!(instantiation);
        let instantiated = std::future::poll_fn(|context| {
            NEXT.set(Some(self.clone()));
            let polled: Poll<_> = instantiation.as_mut().poll(context);
            NEXT.take();
            polled
        });
        let instantiated = instantiated.await;
        lock(&self.refused).take().map_or(instantiated, |error| Err(error.into()))
    }

    /// Bytes of linear memory.
    pub fn size(&self) -> usize {
        self.place().map_or(0, |place| place.size)
    }

    /// What the guest has changed. The store is the proof that the guest does not run meanwhile.
    pub fn capture<T>(&self, _store: &mut wasmtime::Store<T>, carried: Carried) -> Result<Captured, TooLarge> {
        let place = (*self.place()).expect("an instance has its memory for as long as its store is there");
        let mut captured = Captured { size: place.size, carried, indices: Vec::new(), pages: Vec::new() };
        let start = place.start.as_ptr() as usize;
        let mut rows = Vec::new();
        if !written(start, start + place.size, |from, to| rows.push((from, to))) {
            // Any page may have been written; to read them all takes longer, and says the same.
            rows = vec![(start, start + place.size)];
        }
        for address in rows.into_iter().flat_map(|(from, to)| (from..to).step_by(*PAGE)) {
            let index = (address - start) / *PAGE;
            // SAFETY: the page is within the memory, which lives while the place is set, and nobody writes to it.
            let now = unsafe { std::slice::from_raw_parts(address as *const u8, *PAGE) };
            let same = match self.image.page(index) {
                Some(before) => now == before,
                None => now.iter().all(|byte| *byte == 0),
            };
            if !same {
                // A top level must not fill the server's own memory, nor keep a thread busy for what is then not kept.
                if captured.pages.len() >= limits::MAX_IMAGE.as_usize() {
                    return Err(TooLarge);
                }
                captured.indices.push(index as u32);
                captured.pages.extend_from_slice(now);
            }
        }
        Ok(captured)
    }

    fn place(&self) -> MutexGuard<'_, Option<Place>> {
        lock(&self.place)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

// SAFETY: what is handed out is mapped as asked for: accessible up to its size, and nothing but guard from there to the
// end of the reservation and of the guard. The content bends the contract as the module's page says.
unsafe impl MemoryCreator for Slots {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let placement = NEXT.take().ok_or("an interpreter has one memory, made for a placement")?;
        let size = placement.image.delta.as_ref().map_or(minimum, |delta| delta.size);
        if size < minimum {
            return Err("the image is smaller than the interpreter's memory".into());
        }
        let capacity = reserved.ok_or("a linear memory needs a reservation")?.max(size);
        let slot = match placement.image.free.take() {
            Some(slot) => slot,
            None => Slot::map(&placement.image, size, capacity + guard).map_err(|error| {
                let text = format!("no room for a linear memory: {error}");
                *lock(&placement.refused) = Some(error);
                text
            })?,
        };
        *placement.place() = Some(Place { start: slot.start(), size });
        Ok(Box::new(Memory { slot: Some(slot), size, capacity, placement }))
    }
}

// SAFETY: the memory is the slot's, which does not move; see `Slots`.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.capacity
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        let slot = self.slot.as_ref().ok_or_else(|| wasmtime::Error::msg("the memory is gone"))?;
        slot.open(self.size, size)?;
        self.size = size;
        *self.placement.place() = Some(Place { start: slot.start(), size });
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.slot.as_ref().map_or(null_mut(), |slot| slot.start().as_ptr())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        *self.placement.place() = None;
        let Some(mut slot) = self.slot.take() else { return };
        let image = &self.placement.image;
        let room = image.free.own().len() < limits::FREE_SLOTS;
        if room && slot.reset(image, self.size).is_ok() {
            image.free.own().push(slot);
        }
    }
}

impl Image {
    /// Gives back the memory of slots that wait to be used again.
    pub fn trim(&self) {
        self.free.clear();
    }
}

/// What an update of wasmtime must pass: that code finds an image where it was compiled for zeros, at the size that the
/// image has, and that nothing of one instance is there for the next.
#[cfg(test)]
mod tests {
    use super::super::image::Base;
    use super::super::pages::BLIND;
    use super::super::stacks::Stacks;
    use super::super::{Metering, Origin, config};
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use wasmtime::{Engine, Instance, Module, Store};

    const CODE: &str = r#"(module (memory (export "memory") 2)
        (func (export "get") (param i32) (result i32) local.get 0 i32.load8_u)
        (func (export "put") (param i32 i32) local.get 0 local.get 1 i32.store8)
        (func (export "fill") (param i32 i32) local.get 0 i32.const 7 local.get 1 memory.fill)
        (func (export "size") (result i32) memory.size)
        (func (export "grow") (param i32) (result i32) local.get 0 memory.grow))"#;
    const WASM_PAGE: i32 = 65536;

    fn free(image: &Image) -> usize {
        image.free.lists().map(|list| list.len()).sum()
    }

    struct Fork {
        store: Store<()>,
        instance: Instance,
        placement: Arc<Placement>,
    }

    fn engine() -> Engine {
        Engine::new(config(Origin::Lean, Metering::Epoch).with_host_stack(Arc::new(Stacks::default()))).unwrap()
    }

    fn blank() -> Arc<Image> {
        let file = rustix::fs::memfd_create("base", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut file = File::from(file);
        let mut content = vec![0; 3 * *PAGE];
        content[5] = 55;
        content[*PAGE + 1] = 66;
        file.write_all(&content).unwrap();
        Image::of_base(Base::open(file).unwrap())
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    impl Fork {
        fn of(engine: &Engine, image: &Arc<Image>) -> Self {
            let module = Module::new(engine, wat::parse_str(CODE).unwrap()).unwrap();
            let mut store = Store::new(engine, ());
            store.set_epoch_deadline(1 << 40);
            let placement = Placement::new(image.clone());
            let instance = now(placement.instantiate(Instance::new_async(&mut store, &module, &[]))).unwrap();
            Self { store, instance, placement }
        }

        fn call(&mut self, name: &str, arguments: &[i32]) -> wasmtime::Result<i32> {
            let function = self.instance.get_func(&mut self.store, name).unwrap();
            let arguments: Vec<_> = arguments.iter().map(|value| (*value).into()).collect();
            let mut results = vec![wasmtime::Val::I32(0); function.ty(&self.store).results().len()];
            now(function.call_async(&mut self.store, &arguments, &mut results))?;
            Ok(results.first().and_then(wasmtime::Val::i32).unwrap_or(0))
        }

        fn capture(&mut self) -> Arc<Image> {
            let captured = self.placement.capture(&mut self.store, Carried::default()).unwrap();
            Image::new(self.placement.image.base.clone(), &captured).unwrap()
        }
    }

    #[test]
    fn a_fork_finds_its_image_and_leaves_nothing_for_the_next() {
        let (engine, blank) = (engine(), blank());
        let page = *PAGE as i32;
        for round in 0..3 {
            let mut fork = Fork::of(&engine, &blank);
            assert_eq!(free(&blank), 0, "its slot is in use");
            assert_eq!((fork.call("get", &[5]).unwrap(), fork.call("get", &[page + 1]).unwrap()), (55, 66));
            for at in [5, page + 1, 2 * page, 3 * page, 2 * WASM_PAGE - 1] {
                let untouched = if at == 5 {
                    55
                } else if at == page + 1 {
                    66
                } else {
                    0
                };
                assert_eq!(fork.call("get", &[at]).unwrap(), untouched, "at {at} in round {round}");
                fork.call("put", &[at, 99]).unwrap();
                assert_eq!(fork.call("get", &[at]).unwrap(), 99);
            }
            drop(fork);
            assert_eq!(free(&blank), 1, "and is used again");
        }
        blank.trim();
        assert_eq!(free(&blank), 0);
    }

    #[test]
    fn an_image_that_had_grown_is_forked_at_its_size() {
        let (engine, blank) = (engine(), blank());
        let mut first = Fork::of(&engine, &blank);
        assert_eq!(first.call("grow", &[3]).unwrap(), 2);
        for at in [5, 4 * WASM_PAGE + 1] {
            first.call("put", &[at, 77]).unwrap();
        }
        let image = first.capture();
        drop(first);
        for _ in 0..3 {
            let mut fork = Fork::of(&engine, &image);
            assert_eq!((fork.call("size", &[]).unwrap(), fork.placement.size()), (5, 5 * WASM_PAGE as usize));
            assert_eq!((fork.call("get", &[5]).unwrap(), fork.call("get", &[4 * WASM_PAGE + 1]).unwrap()), (77, 77));
            assert_eq!(fork.call("get", &[*PAGE as i32 + 1]).unwrap(), 66, "what did not change comes from the base");
            // Beyond its size there is nothing, before it grows and after another one has grown there.
            fork.call("get", &[5 * WASM_PAGE]).unwrap_err();
            let mut fork = Fork::of(&engine, &image);
            assert_eq!(fork.call("grow", &[2]).unwrap(), 5);
            assert_eq!(fork.call("get", &[6 * WASM_PAGE]).unwrap(), 0, "new memory is zero");
            fork.call("put", &[6 * WASM_PAGE, 9]).unwrap();
            fork.call("get", &[7 * WASM_PAGE]).unwrap_err();
        }
        assert_eq!(Fork::of(&engine, &blank).call("size", &[]).unwrap(), 2);
    }

    #[test]
    fn a_slot_with_much_to_put_back_is_emptied() {
        let (engine, blank) = (engine(), blank());
        let mut first = Fork::of(&engine, &blank);
        first.call("grow", &[100]).unwrap();
        // More places than are mapped, so that some are copied.
        let scattered = |n: i32| (30 + 20 * n) * *PAGE as i32 + n;
        for n in 0..20 {
            first.call("put", &[scattered(n), n + 1]).unwrap();
        }
        let image = first.capture();
        drop(first);
        let much = limits::KEPT_MEMORY as i32 + WASM_PAGE;
        for _ in 0..2 {
            let mut fork = Fork::of(&engine, &image);
            assert_eq!((fork.call("get", &[5]).unwrap(), fork.call("get", &[much - 1]).unwrap()), (55, 0));
            for n in 0..20 {
                assert_eq!(fork.call("get", &[scattered(n)]).unwrap(), n + 1);
            }
            fork.call("fill", &[0, much]).unwrap();
            assert_eq!(fork.call("get", &[much - 1]).unwrap(), 7);
        }
        assert_eq!(free(&image), 1);
    }

    /// Whether the kernel was told, for all mappings of the slot, to give memory page by page.
    fn has_small_pages(fork: &Fork) -> bool {
        #[expect(clippy::disallowed_methods, reason = "the process's own mappings, which have no folder")]
        let mappings = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut inside, mut flags) = (false, Vec::new());
        let start = fork.placement.place().unwrap().start.as_ptr() as usize;
        for line in mappings.lines() {
            let range = line.split_whitespace().next().and_then(|word| word.split_once('-'));
            if let Some(Ok(from)) = range.map(|(from, _)| usize::from_str_radix(from, 16)) {
                inside = (start..start + (4 << 30)).contains(&from);
            } else if let Some(of_mapping) = line.strip_prefix("VmFlags:").filter(|_| inside) {
                flags.push(of_mapping.to_owned());
            }
        }
        assert!(flags.len() > 1, "memory and guard");
        flags.iter().all(|flags| flags.split_whitespace().any(|flag| flag == "nh"))
    }

    #[test]
    fn the_kernel_gives_memory_page_by_page() {
        #[expect(clippy::disallowed_methods, reason = "the kernel's own folder")]
        if std::fs::read("/sys/kernel/mm/transparent_hugepage/enabled").is_err() {
            return;
        }
        let (engine, blank) = (engine(), blank());
        for _ in 0..2 {
            let mut fork = Fork::of(&engine, &blank);
            assert!(has_small_pages(&fork), "mapped");
            fork.call("grow", &[5]).unwrap();
            assert!(has_small_pages(&fork), "grown");
        }
        let mut first = Fork::of(&engine, &blank);
        first.call("put", &[5, 77]).unwrap();
        assert!(has_small_pages(&Fork::of(&engine, &first.capture())), "forked");
    }

    #[test]
    fn a_kernel_that_cannot_tell_what_was_written_gives_the_same_images() {
        let (engine, blank) = (engine(), blank());
        let mut fork = Fork::of(&engine, &blank);
        fork.call("grow", &[1]).unwrap();
        // Two that differ, of the base and of what was added; one that was written and is as it was.
        for (at, value) in [(5, 77), (2 * WASM_PAGE + 9, 88), (WASM_PAGE, 0)] {
            fork.call("put", &[at, value]).unwrap();
        }
        let told = fork.placement.capture(&mut fork.store, Carried::default()).unwrap();
        BLIND.set(true);
        let compared = fork.placement.capture(&mut fork.store, Carried::default()).unwrap();
        let image = Image::new(blank.base.clone(), &compared).unwrap();
        for _ in 0..3 {
            let mut fork = Fork::of(&engine, &image);
            assert_eq!((fork.call("get", &[5]).unwrap(), fork.call("get", &[2 * WASM_PAGE + 9]).unwrap()), (77, 88));
            fork.call("fill", &[0, WASM_PAGE]).unwrap();
        }
        assert_eq!(free(&image), 1, "a slot is put back without knowing what was written");
        BLIND.set(false);
        assert_eq!(told.indices.len(), 2);
        assert_eq!(told, compared);
    }

    #[test]
    fn what_differs_in_more_than_an_image_holds_is_none() {
        let (engine, blank) = (engine(), blank());
        let mut fork = Fork::of(&engine, &blank);
        let most = limits::MAX_IMAGE.as_usize() as i32;
        fork.call("grow", &[most / WASM_PAGE]).unwrap();
        fork.call("fill", &[0, most]).unwrap();
        let captured = fork.placement.capture(&mut fork.store, Carried::default()).unwrap();
        assert_eq!(captured.pages.len(), most as usize);
        fork.call("put", &[most, 1]).unwrap();
        assert_eq!(fork.placement.capture(&mut fork.store, Carried::default()), Err(TooLarge));
    }

    #[test]
    fn a_memory_that_nobody_placed_is_refused() {
        let engine = engine();
        let module = Module::new(&engine, wat::parse_str(CODE).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let refused = now(Instance::new_async(&mut store, &module, &[])).unwrap_err();
        assert!(format!("{refused:#}").contains("placement"), "{refused:#}");
        let two = Module::new(&engine, wat::parse_str("(module (memory 1) (memory 1))").unwrap()).unwrap();
        now(Placement::new(blank()).instantiate(Instance::new_async(&mut store, &two, &[]))).unwrap_err();
    }
}
