//! One stream: deflate in its wrappings by zlib-rs, brotli by the crate of that name.

use super::wit::{Flush, Format, Options, Progress};
use super::{Answer, Failure, FailureCode, fail};
use brotli::enc::StandardAlloc;
use brotli::enc::encode::{BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderStateStruct};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use zlib_rs::{
    Deflate, DeflateConfig, DeflateError, DeflateFlush, Inflate, InflateError, InflateFlush, Method, Status, Strategy,
};

pub(super) struct Codec {
    engine: Engine,
    format: Format,
    options: Options,
    /// Nothing comes after the end, or after damage.
    ended: bool,
}

enum Engine {
    Deflate(Box<Deflate>),
    Inflate(Box<Inflate>),
    BrotliEncoder(Box<BrotliEncoderStateStruct<StandardAlloc>>),
    BrotliDecoder(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
}

/// From this quality on, brotli takes long for a piece.
const SLOW_BROTLI: i8 = 4;

impl Codec {
    pub(super) fn compressor(format: Format, options: Options) -> Answer<Self> {
        check(format, &options)?;
        let engine = new_compressor(format, &options)?;
        Ok(Self { engine, format, options, ended: false })
    }

    pub(super) fn decompressor(format: Format, options: Options) -> Answer<Self> {
        check(format, &options)?;
        let engine = new_decompressor(format, &options)?;
        Ok(Self { engine, format, options, ended: false })
    }

    /// What it takes at most, in bytes: zlib's own formulas, and brotli's ring buffers with its tables.
    pub(super) fn memory(&self) -> usize {
        let window = 1usize << self.options.window_bits;
        match self.engine {
            Engine::Deflate(_) => window * 4 + (1 << (self.options.mem_level + 9)) + (64 << 10),
            Engine::Inflate(_) => (64 << 10) + (16 << 10),
            Engine::BrotliEncoder(_) if self.options.level > 9 => window * 4 + window * 16 + (2 << 20),
            Engine::BrotliEncoder(_) => window * 4 + (2 << 20),
            Engine::BrotliDecoder(_) => (1 << 24) + (64 << 10),
        }
    }

    /// Whether a call may take longer than a few milliseconds.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self.engine, Engine::BrotliEncoder(_)) && self.options.level >= SLOW_BROTLI
    }

    pub(super) fn run(&mut self, input: &[u8], flush: Flush, room: usize) -> Answer<Progress> {
        if self.ended {
            return Ok(Progress { consumed: 0, output: Vec::new(), more: false, ended: true });
        }
        let mut output = vec![0; room];
        let progress = match &mut self.engine {
            Engine::Deflate(deflate) => run_deflate(deflate, input, flush, &mut output),
            Engine::Inflate(inflate) => run_inflate(inflate, &self.options.dictionary, input, flush, &mut output),
            Engine::BrotliEncoder(encoder) => run_encoder(encoder, input, flush, &mut output),
            Engine::BrotliDecoder(decoder) => run_decoder(decoder, input, &mut output),
        };
        let (consumed, produced, more, ended) = progress.inspect_err(|_| self.ended = true)?;
        self.ended = ended;
        output.truncate(produced);
        Ok(Progress { consumed: consumed as u32, output, more, ended })
    }

    pub(super) fn reset(&mut self) -> Answer<()> {
        self.engine = match self.engine {
            Engine::Deflate(_) | Engine::BrotliEncoder(_) => new_compressor(self.format, &self.options)?,
            Engine::Inflate(_) | Engine::BrotliDecoder(_) => new_decompressor(self.format, &self.options)?,
        };
        self.ended = false;
        Ok(())
    }

    pub(super) fn adjust(&mut self, level: i8) -> Answer<()> {
        let Engine::Deflate(deflate) = &mut self.engine else {
            return Err(invalid("only a compression by deflate changes its level"));
        };
        if !(-1..=9).contains(&level) {
            return Err(invalid(format!("the level {level} is not between -1 and 9")));
        }
        deflate.set_level(level.into()).map_err(of_deflate)?;
        self.options.level = level;
        Ok(())
    }
}

fn new_compressor(format: Format, options: &Options) -> Answer<Engine> {
    let &Options { level, window_bits, mem_level, strategy, .. } = options;
    if format == Format::Brotli {
        let mut encoder = BrotliEncoderStateStruct::new(StandardAlloc::default());
        encoder.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_QUALITY, u32::from(level.max(0).unsigned_abs()));
        encoder.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_LGWIN, window_bits.into());
        encoder.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_MODE, strategy.into());
        return Ok(Engine::BrotliEncoder(Box::new(encoder)));
    }
    // What zlib does with windows of 256 bytes, too.
    let bits = i32::from(window_bits.max(9));
    let config = DeflateConfig {
        level: level.into(),
        method: Method::Deflated,
        window_bits: match format {
            Format::Gzip => bits + 16,
            Format::Raw => -bits,
            _ => bits,
        },
        mem_level: mem_level.into(),
        strategy: Strategy::try_from(i32::from(strategy)).map_err(|()| invalid("there is no such strategy"))?,
    };
    let mut deflate = Deflate::new_with_config(config);
    if !options.dictionary.is_empty() {
        deflate.set_dictionary(&options.dictionary).map_err(of_deflate)?;
    }
    Ok(Engine::Deflate(Box::new(deflate)))
}

fn new_decompressor(format: Format, options: &Options) -> Answer<Engine> {
    let bits = options.window_bits.max(9);
    let mut inflate = match format {
        Format::Brotli => {
            let [a, b, c] = [StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default()];
            return Ok(Engine::BrotliDecoder(Box::new(BrotliState::new(a, b, c))));
        }
        Format::Gzip => Inflate::new(true, bits + 16),
        Format::Zlib => Inflate::new(true, bits),
        Format::Raw => Inflate::new(false, bits),
    };
    // Where there is a header, it says whether a dictionary is needed; see `run_inflate`.
    if format == Format::Raw && !options.dictionary.is_empty() {
        inflate.set_dictionary(&options.dictionary).map_err(|error| of_inflate(&inflate, error))?;
    }
    Ok(Engine::Inflate(Box::new(inflate)))
}

/// Taken, produced, whether more waits, whether that was the end.
type Ran = (usize, usize, bool, bool);

fn run_deflate(deflate: &mut Deflate, input: &[u8], flush: Flush, output: &mut [u8]) -> Answer<Ran> {
    let (taken, made) = (deflate.total_in(), deflate.total_out());
    let flush = match flush {
        Flush::None => DeflateFlush::NoFlush,
        Flush::Partial => DeflateFlush::PartialFlush,
        Flush::Sync => DeflateFlush::SyncFlush,
        Flush::Full => DeflateFlush::FullFlush,
        Flush::Finish => DeflateFlush::Finish,
        Flush::Block => DeflateFlush::Block,
    };
    let status = deflate.compress(input, output, flush).map_err(of_deflate)?;
    let (taken, made) = ((deflate.total_in() - taken) as usize, (deflate.total_out() - made) as usize);
    let ended = status == Status::StreamEnd;
    Ok((taken, made, made == output.len() && !ended, ended))
}

fn run_inflate(inflate: &mut Inflate, dictionary: &[u8], input: &[u8], flush: Flush, output: &mut [u8]) -> Answer<Ran> {
    let (taken, made) = (inflate.total_in(), inflate.total_out());
    let flush = if flush == Flush::None { InflateFlush::NoFlush } else { InflateFlush::SyncFlush };
    let mut ran = inflate.decompress(input, output, flush);
    if matches!(ran, Err(InflateError::NeedDict { .. })) {
        if dictionary.is_empty() {
            return Err(fail(FailureCode::Dictionary, "Missing dictionary"));
        }
        inflate.set_dictionary(dictionary).map_err(|_| fail(FailureCode::Dictionary, "Bad dictionary"))?;
        let seen = (inflate.total_in() - taken) as usize;
        ran = inflate.decompress(input.get(seen..).unwrap_or_default(), output, flush);
    }
    let status = ran.map_err(|error| of_inflate(inflate, error))?;
    let (taken, made) = ((inflate.total_in() - taken) as usize, (inflate.total_out() - made) as usize);
    let ended = status == Status::StreamEnd;
    Ok((taken, made, made == output.len() && !ended, ended))
}

fn run_encoder(
    encoder: &mut BrotliEncoderStateStruct<StandardAlloc>,
    input: &[u8],
    flush: Flush,
    output: &mut [u8],
) -> Answer<Ran> {
    let operation = match flush {
        Flush::None => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
        Flush::Finish => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
        _ => BrotliEncoderOperation::BROTLI_OPERATION_FLUSH,
    };
    let (mut left, mut taken, mut room, mut made) = (input.len(), 0, output.len(), 0);
    let went = encoder.compress_stream(
        operation,
        &mut left,
        input,
        &mut taken,
        &mut room,
        output,
        &mut made,
        &mut None,
        &mut |_, _, _, _| (),
    );
    if !went {
        return Err(fail(FailureCode::InvalidData, "brotli refused to go on"));
    }
    Ok((taken, made, encoder.has_more_output(), encoder.is_finished()))
}

fn run_decoder(
    decoder: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    input: &[u8],
    output: &mut [u8],
) -> Answer<Ran> {
    let (mut left, mut taken, mut room, mut made, mut total) = (input.len(), 0, output.len(), 0, 0);
    let result =
        BrotliDecompressStream(&mut left, &mut taken, input, &mut room, &mut made, output, &mut total, decoder);
    match result {
        BrotliResult::ResultSuccess => Ok((taken, made, false, true)),
        BrotliResult::NeedsMoreInput => Ok((taken, made, false, false)),
        BrotliResult::NeedsMoreOutput => Ok((taken, made, true, false)),
        BrotliResult::ResultFailure => Err(fail(FailureCode::InvalidData, "Decompression failed")),
    }
}

fn check(format: Format, options: &Options) -> Answer<()> {
    let &Options { level, window_bits, mem_level, strategy, .. } = options;
    let fits = match format {
        Format::Brotli => {
            (0..=11).contains(&level)
                && (10..=24).contains(&window_bits)
                && strategy <= 2
                && options.dictionary.is_empty()
        }
        _ => {
            (-1..=9).contains(&level)
                && (8..=15).contains(&window_bits)
                && (1..=9).contains(&mem_level)
                && strategy <= 4
                && options.dictionary.len() <= 1 << 16
                && (format != Format::Gzip || options.dictionary.is_empty())
        }
    };
    if fits {
        Ok(())
    } else {
        Err(invalid("a level, window, memory level, strategy or dictionary is out of its bounds"))
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    fail(FailureCode::InvalidParameter, message)
}

fn of_deflate(error: DeflateError) -> Failure {
    fail(FailureCode::InvalidData, error.as_str())
}

fn of_inflate(inflate: &Inflate, error: InflateError) -> Failure {
    fail(FailureCode::InvalidData, inflate.error_message().unwrap_or(error.as_str()))
}
