//! The interface `compression`: streams of the codecs, under numbers that mean nothing after the invocation.
//!
//! A stream's memory counts against its instance. Deflate works on pieces of a few milliseconds where it is called; brotli looks far ahead
//! when it compresses well, so it does that as [`Labour`](super::labour).

mod codec;

use super::State;
use super::bindings::thimble::runtime::compression as wit;
use crate::limits;
use codec::Codec;
use std::collections::HashMap;
use wit::{Failure, FailureCode, Flush, Format, Options, Progress};

type Answer<T> = Result<T, Failure>;

/// The streams of one invocation.
#[derive(Default)]
pub(crate) struct Streams {
    open: HashMap<u64, Stream>,
    left: bool,
}

struct Stream {
    codec: Codec,
    /// What it counts for, in bytes.
    memory: usize,
}

impl Streams {
    /// Ends all, and notes whether there were any.
    pub(super) fn clear(&mut self) {
        self.left = !self.open.is_empty();
        if self.left {
            self.open = HashMap::new();
        }
    }

    /// Whether the invocation that ended last left streams open.
    pub(super) fn were_left(&self) -> bool {
        self.left
    }
}

fn fail(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

fn unknown() -> Failure {
    let message = "this stream is not known any more: it was closed, or an earlier invocation opened it, or the function's top \
                   level. Open one in each invocation";
    fail(FailureCode::UnknownStream, message)
}

impl State {
    fn open_stream(&mut self, codec: Answer<Codec>) -> Answer<u64> {
        let codec = codec?;
        if self.compression.open.len() >= limits::MAX_COMPRESSIONS {
            let message = format!(
                "one invocation has at most {} streams open at once; close those that are done with",
                limits::MAX_COMPRESSIONS
            );
            return Err(fail(FailureCode::LimitExceeded, message));
        }
        let memory = codec.memory();
        if !self.memory.charge(memory) {
            let message = format!("there is no memory left for a stream that takes {} KiB", memory >> 10);
            return Err(fail(FailureCode::LimitExceeded, message));
        }
        let number = self.reactor.number();
        self.compression.open.insert(number, Stream { codec, memory });
        Ok(number)
    }

    fn close_stream(&mut self, number: u64) {
        if let Some(stream) = self.compression.open.remove(&number) {
            self.memory.release(stream.memory);
        }
    }

    fn stream(&mut self, number: u64) -> Answer<&mut Stream> {
        self.compression.open.get_mut(&number).ok_or_else(unknown)
    }
}

impl wit::Host for State {
    fn compress(&mut self, format: Format, options: Options) -> wasmtime::Result<Answer<u64>> {
        Ok(self.open_stream(Codec::compressor(format, options)))
    }

    fn decompress(&mut self, format: Format, options: Options) -> wasmtime::Result<Answer<u64>> {
        Ok(self.open_stream(Codec::decompressor(format, options)))
    }

    async fn write(
        &mut self,
        number: u64,
        input: Vec<u8>,
        flush: Flush,
        room: u32,
    ) -> wasmtime::Result<Answer<Progress>> {
        if input.len() > limits::COMPRESSION_INPUT {
            let message = format!("one call takes pieces of up to {} bytes", limits::COMPRESSION_INPUT);
            return Ok(Err(fail(FailureCode::LimitExceeded, message)));
        }
        let room = (room as usize).min(limits::COMPRESSION_OUTPUT);
        let stream = match self.stream(number) {
            Ok(stream) => stream,
            Err(failure) => return Ok(Err(failure)),
        };
        if !stream.codec.is_slow() {
            return Ok(stream.codec.run(&input, flush, room));
        }
        let Some(mut stream) = self.compression.open.remove(&number) else { return Ok(Err(unknown())) };
        self.turn.release();
        let working = self.labour.run(move || {
            let answer = stream.codec.run(&input, flush, room);
            (stream, answer)
        });
        let (stream, answer) = working.await?;
        self.compression.open.insert(number, stream);
        Ok(answer)
    }

    fn reset(&mut self, number: u64) -> wasmtime::Result<Answer<()>> {
        Ok(self.stream(number).and_then(|stream| stream.codec.reset()))
    }

    fn adjust(&mut self, number: u64, level: i8) -> wasmtime::Result<Answer<()>> {
        Ok(self.stream(number).and_then(|stream| stream.codec.adjust(level)))
    }

    fn close(&mut self, number: u64) -> wasmtime::Result<()> {
        self.close_stream(number);
        Ok(())
    }

    fn crc32(&mut self, data: Vec<u8>, value: u32) -> wasmtime::Result<u32> {
        Ok(zlib_rs::crc32::crc32(value, &data))
    }
}
