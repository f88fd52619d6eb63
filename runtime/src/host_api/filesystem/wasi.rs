//! `wasi:filesystem` with the quota laid over it. What can make `/tmp` larger is charged; all else goes straight to
//! wasmtime-wasi, which keeps every path inside the folder. In the folders that are only read, what would change something is
//! refused here, with the error that a read-only disk has.

use super::WORKING;
use super::quota::{Need, Quota, growth};
use crate::host_api::State;
use bytes::Bytes;
use std::fs::File;
use std::sync::Arc;
use types::{ErrorCode, Filesize, HostDescriptor, HostDirectoryEntryStream};
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, OutputStream, Pollable, StreamError};

struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Files<'a>;
}

/// One instance's files.
struct Files<'a> {
    inner: WasiFilesystemCtxView<'a>,
    quota: &'a mut Quota,
    working_depth: usize,
}

/// Offers `wasi:filesystem`.
pub(in crate::host_api) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    fn files(state: &mut State) -> Files<'_> {
        let (inner, quota, working_depth) = state.wasi_files();
        Files { inner, quota, working_depth }
    }
    types::add_to_linker::<State, HasFiles>(linker, files)?;
    preopens::add_to_linker::<State, HasFiles>(linker, files)
}

type Fd = Resource<Descriptor>;

/// When a file was made, of those whose folder is shared: their own times would tell who else has the same content.
const MADE: Datetime = Datetime { seconds: 499_162_500, nanoseconds: 0 };

const ONE_FILE: Need = Need { bytes: 0, files: 1 };

impl Files<'_> {
    fn file(&self, fd: &Fd) -> FsResult<Arc<File>> {
        match self.inner.table.get(fd)? {
            Descriptor::File(file) => Ok(file.file.clone()),
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    fn is_read_only(&self, fd: &Fd) -> FsResult<bool> {
        let perms = match self.inner.table.get(fd)? {
            Descriptor::File(file) => file.perms,
            Descriptor::Dir(folder) => folder.perms,
        };
        Ok(perms == FsPerms::ReadOnly)
    }

    fn check_writable(&self, fd: &Fd) -> FsResult<()> {
        if self.is_read_only(fd)? { Err(ErrorCode::ReadOnly.into()) } else { Ok(()) }
    }

    fn check_depth(&self, fd: &Fd, path: &str) -> FsResult<usize> {
        self.quota.depth(fd.rep(), path).ok_or_else(|| ErrorCode::NameTooLong.into())
    }

    async fn take(&mut self, need: Need) -> FsResult<()> {
        if self.quota.take(need).await { Ok(()) } else { Err(ErrorCode::InsufficientSpace.into()) }
    }

    async fn take_file(&mut self) -> FsResult<()> {
        self.take(ONE_FILE).await
    }

    /// Gives back what was taken for a file, if none came of it.
    fn unless_made<T>(&self, made: FsResult<T>) -> FsResult<T> {
        made.inspect_err(|_| self.quota.give_back(ONE_FILE))
    }

    async fn exists(&mut self, fd: &Fd, path_flags: types::PathFlags, path: &str) -> bool {
        self.inner.stat_at(Resource::new_borrow(fd.rep()), path_flags, path.to_string()).await.is_ok()
    }

    fn metered(
        &mut self,
        stream: Resource<DynOutputStream>,
        file: Arc<File>,
        position: Position,
    ) -> FsResult<Resource<DynOutputStream>> {
        let inner = self.inner.table.delete(stream)?;
        let metered: DynOutputStream = Box::new(Metered { inner, file, position, quota: self.quota.clone() });
        Ok(self.inner.table.push(metered)?)
    }
}

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        let folders = preopens::Host::get_directories(&mut self.inner)?;
        // The working directory of a program lies somewhere below `/tmp`.
        for (fd, _) in folders.iter().filter(|(_, at)| at == WORKING) {
            self.quota.opened_folder(fd.rep(), self.working_depth);
        }
        Ok(folders)
    }
}

impl types::Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.inner.convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.inner.filesystem_error_code(error)
    }
}

impl HostDescriptor for Files<'_> {
    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        self.check_writable(&fd)?;
        let end = offset.checked_add(bytes.len() as u64).ok_or(ErrorCode::Overflow)?;
        let need = growth(&*self.file(&fd)?, end).map_err(ErrorCode::from)?;
        self.take(Need { bytes: need, files: 0 }).await?;
        self.inner.write(fd, bytes, offset).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.check_writable(&fd)?;
        let need = growth(&*self.file(&fd)?, size).map_err(ErrorCode::from)?;
        self.take(Need { bytes: need, files: 0 }).await?;
        self.quota.freed();
        self.inner.set_size(fd, size).await
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        self.check_writable(&fd)?;
        let file = self.file(&fd)?;
        let stream = self.inner.write_via_stream(fd, offset)?;
        self.metered(stream, file, Position::At(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.check_writable(&fd)?;
        let file = self.file(&fd)?;
        let stream = self.inner.append_via_stream(fd)?;
        self.metered(stream, file, Position::End)
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        open_flags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Fd> {
        let depth = self.check_depth(&fd, &path)?;
        if !self.quota.may_open() {
            return Err(ErrorCode::Quota.into());
        }
        let changes = types::OpenFlags::CREATE | types::OpenFlags::TRUNCATE;
        if open_flags.intersects(changes) || flags.contains(types::DescriptorFlags::WRITE) {
            self.check_writable(&fd)?;
        }
        // Whoever appends to one file over and over makes one file.
        let creates = open_flags.contains(types::OpenFlags::CREATE) && !self.exists(&fd, path_flags, &path).await;
        if creates {
            self.take_file().await?;
        }
        if open_flags.contains(types::OpenFlags::TRUNCATE) {
            self.quota.freed();
        }
        let opened = self.inner.open_at(fd, path_flags, path, open_flags, flags).await;
        let opened = if creates { self.unless_made(opened) } else { opened }?;
        match self.inner.table.get(&opened)? {
            Descriptor::File(file) => self.quota.opened(&file.file),
            Descriptor::Dir(folder) => {
                self.quota.opened(&folder.dir);
                self.quota.opened_folder(opened.rep(), depth);
            }
        }
        Ok(opened)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.check_writable(&fd)?;
        self.check_depth(&fd, &path)?;
        self.take_file().await?;
        let made = self.inner.create_directory_at(fd, path).await;
        self.unless_made(made)
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        self.check_writable(&fd)?;
        self.check_depth(&fd, &path)?;
        self.take_file().await?;
        let made = self.inner.symlink_at(fd, target, path).await;
        self.unless_made(made)
    }

    async fn link_at(&mut self, fd: Fd, flags: types::PathFlags, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.check_writable(&fd)?;
        self.check_writable(&new_fd)?;
        self.check_depth(&new_fd, &new)?;
        self.take_file().await?;
        let made = self.inner.link_at(fd, flags, old, new_fd, new).await;
        self.unless_made(made)
    }

    async fn rename_at(&mut self, fd: Fd, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.check_writable(&fd)?;
        self.check_writable(&new_fd)?;
        self.check_depth(&new_fd, &new)?;
        self.quota.freed();
        self.inner.rename_at(fd, old, new_fd, new).await
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.check_writable(&fd)?;
        self.quota.freed();
        self.inner.unlink_file_at(fd, path).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.check_writable(&fd)?;
        self.quota.freed();
        self.inner.remove_directory_at(fd, path).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.quota.closed(fd.rep());
        HostDescriptor::drop(&mut self.inner, fd)
    }

    async fn advise(&mut self, fd: Fd, offset: Filesize, len: Filesize, advice: types::Advice) -> FsResult<()> {
        self.inner.advise(fd, offset, len, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.inner.sync_data(fd).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        HostDescriptor::sync(&mut self.inner, fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<types::DescriptorFlags> {
        self.inner.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<types::DescriptorType> {
        self.inner.get_type(fd).await
    }

    async fn set_times(&mut self, fd: Fd, access: types::NewTimestamp, change: types::NewTimestamp) -> FsResult<()> {
        self.check_writable(&fd)?;
        self.inner.set_times(fd, access, change).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        path: String,
        access: types::NewTimestamp,
        change: types::NewTimestamp,
    ) -> FsResult<()> {
        self.check_writable(&fd)?;
        self.inner.set_times_at(fd, flags, path, access, change).await
    }

    async fn read(&mut self, fd: Fd, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        HostDescriptor::read(&mut self.inner, fd, len, offset).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<types::DirectoryEntryStream>> {
        self.inner.read_directory(fd).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<types::DescriptorStat> {
        let read_only = self.is_read_only(&fd)?;
        self.inner.stat(fd).await.map(|stat| if read_only { anonymous(stat) } else { stat })
    }

    async fn stat_at(&mut self, fd: Fd, flags: types::PathFlags, path: String) -> FsResult<types::DescriptorStat> {
        let read_only = self.is_read_only(&fd)?;
        self.inner.stat_at(fd, flags, path).await.map(|stat| if read_only { anonymous(stat) } else { stat })
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.inner.readlink_at(fd, path).await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.inner.read_via_stream(fd, offset)
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        self.inner.is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<types::MetadataHashValue> {
        self.inner.metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        self.inner.metadata_hash_at(fd, flags, path).await
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<types::DirectoryEntryStream>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        self.inner.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<types::DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.inner, stream)
    }
}

/// What a file's own content says of it, and nothing of the server's disk.
fn anonymous(stat: types::DescriptorStat) -> types::DescriptorStat {
    types::DescriptorStat {
        link_count: 1,
        data_access_timestamp: Some(MADE),
        data_modification_timestamp: Some(MADE),
        status_change_timestamp: Some(MADE),
        ..stat
    }
}

#[derive(Clone, Copy)]
enum Position {
    At(u64),
    End,
}

/// A stream into a file that charges growth before it writes.
struct Metered {
    inner: DynOutputStream,
    file: Arc<File>,
    position: Position,
    quota: Quota,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Metered {
    async fn ready(&mut self) {
        self.inner.ready().await;
        if self.quota.room() == 0 {
            self.quota.recount().await;
        }
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Metered {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let count = bytes.len() as u64;
        let need = match self.position {
            Position::End => count,
            Position::At(offset) => {
                let failed = |error: std::io::Error| StreamError::LastOperationFailed(error.into());
                growth(&self.file, offset.saturating_add(count)).map_err(failed)?
            }
        };
        let need = Need { bytes: need, files: 0 };
        if !self.quota.try_take(need) {
            // By its number: wasmtime knows no other name for it, and would call it an I/O error.
            let full = std::io::Error::from(rustix::io::Errno::NOSPC);
            return Err(StreamError::LastOperationFailed(full.into()));
        }
        if let Position::At(offset) = &mut self.position {
            *offset = offset.saturating_add(count);
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        let writable = self.inner.check_write()?;
        match usize::try_from(self.quota.room()).unwrap_or(usize::MAX) {
            // Not ready yet: waiting counts the files anew.
            0 if self.quota.may_find_more() => Ok(0),
            // No file may grow any more; what is there may still be written over.
            0 => Ok(writable),
            room => Ok(writable.min(room)),
        }
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}
