//! Compressed input, decompressed a bounded slice at a time, straight from the mapped file.
//!
//! Several gzip members or zstd frames after another are one text, as the tools of these formats have it. A file that
//! ends inside one is an error: what is missing must not look like the end of input.

use std::io::{self, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use yeoul_sys::Region;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// By the file's name: `.gz` and `.gzip` are gzip, `.zst` and `.zstd` are zstd, any other is plain.
    #[default]
    ByName,
    /// Not at all, whatever its name.
    Plain,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// What it comes to for a file of this name: anything but `ByName`.
    pub(crate) fn of(self, path: &str) -> Self {
        let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        match (self, extension.as_deref()) {
            (Self::ByName, Some("gz" | "gzip")) => Self::Gzip,
            (Self::ByName, Some("zst" | "zstd")) => Self::Zstd,
            (Self::ByName, _) => Self::Plain,
            (chosen, _) => chosen,
        }
    }

    /// As it stands in a snapshot.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::ByName | Self::Plain => 0,
            Self::Gzip => 1,
            Self::Zstd => 2,
        }
    }

    /// The opposite of [`code`](Self::code).
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Plain, Self::Gzip, Self::Zstd].get(usize::from(code)).copied()
    }
}

/// Reads the text of a compressed file.
pub(crate) enum Decompressor {
    Gzip(Box<MultiGzDecoder<Cursor<Region>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Cursor<Region>>>),
}

impl Decompressor {
    /// From the file's beginning.
    pub(crate) fn new(compression: Compression, file: Region) -> io::Result<Self> {
        if file.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty, not even a header is there"));
        }
        let file = Cursor::new(file);
        match compression {
            Compression::Gzip => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(file)))),
            Compression::Zstd => zstd::stream::read::Decoder::with_buffer(file).map(|d| Self::Zstd(Box::new(d))),
            Compression::Plain | Compression::ByName => unreachable!("a plain file is read as it is"),
        }
    }

    /// Fills a part of `buf`. Zero only at the end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Gzip(decoder) => decoder.read(buf),
                Self::Zstd(decoder) => decoder.read(buf),
            };
            match read {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// How many bytes of the file have been looked at.
    pub(crate) fn position(&self) -> u64 {
        match self {
            Self::Gzip(decoder) => decoder.get_ref().position(),
            Self::Zstd(decoder) => decoder.get_ref().position(),
        }
    }

    /// The format's name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Gzip(_) => "gzip",
            Self::Zstd(_) => "zstd",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(compression: Compression, file: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut decompressor = Decompressor::new(compression, Region::from_vec(file))?;
        let (mut text, mut buf) = (Vec::new(), [0; 7]);
        loop {
            match decompressor.read(&mut buf)? {
                0 => return Ok(text),
                n => text.extend_from_slice(&buf[..n]),
            }
        }
    }

    #[test]
    fn the_name_tells_the_compression() {
        assert_eq!(Compression::ByName.of("a/b.csv.gz"), Compression::Gzip);
        assert_eq!(Compression::ByName.of("b.ZST"), Compression::Zstd);
        assert_eq!(Compression::ByName.of("b.csv"), Compression::Plain);
        assert_eq!(Compression::Plain.of("b.gz"), Compression::Plain);
        for compression in [Compression::Plain, Compression::Gzip, Compression::Zstd] {
            assert_eq!(Compression::from_code(compression.code()), Some(compression));
        }
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        let (one, two) = (b"one\ntw".as_slice(), b"o\nthree\n".as_slice());
        let gz = [gzip(one), gzip(b""), gzip(two)].concat();
        assert_eq!(read_all(Compression::Gzip, gz).unwrap(), b"one\ntwo\nthree\n");
        let zst = [zstd::encode_all(one, 1).unwrap(), zstd::encode_all(two, 1).unwrap()].concat();
        assert_eq!(read_all(Compression::Zstd, zst).unwrap(), b"one\ntwo\nthree\n");
    }

    /// A cut at any place is an error, and the text before it is right.
    #[test]
    fn a_truncated_file_is_an_error_wherever_it_ends() {
        let text: Vec<u8> = (0..400u32).flat_map(|n| n.to_string().into_bytes()).collect();
        for (compression, file) in
            [(Compression::Gzip, gzip(&text)), (Compression::Zstd, zstd::encode_all(&text[..], 1).unwrap())]
        {
            assert_eq!(read_all(compression, file.clone()).unwrap(), text);
            for len in 0..file.len() {
                let error = read_all(compression, file[..len].to_vec()).expect_err("cut short");
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{compression:?} cut at {len}: {error}");
            }
        }
    }
}
