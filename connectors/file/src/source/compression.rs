//! Compressed input, decompressed a bounded slice at a time.
//!
//! Several gzip members or zstd frames after another are one text, as the tools of these formats have it; zeros after the last
//! gzip member are the padding of a tape or a block device. A file that ends inside a member or frame is an error: what is
//! missing must not look like the end of input.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use yeoul_sys::File;

/// How much of the file is read at once.
const READ: usize = 64 << 10;

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

/// The bytes of a file, from its beginning on.
struct Bytes {
    file: Arc<dyn File>,
    at: u64,
}

impl Read for Bytes {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buf, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Reads the text of a compressed file.
pub(crate) struct Decompressor(Kind);

enum Kind {
    /// The member that is being read; none only while the next takes its place.
    Gzip(Option<Box<GzDecoder<BufReader<Bytes>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Bytes>>>),
}

impl Decompressor {
    /// From the file's beginning.
    pub(crate) fn new(compression: Compression, file: Arc<dyn File>) -> io::Result<Self> {
        if file.is_empty()? {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty, not even a header is there"));
        }
        let file = BufReader::with_capacity(READ, Bytes { file, at: 0 });
        match compression {
            Compression::Gzip => Ok(Self(Kind::Gzip(Some(Box::new(GzDecoder::new(file)))))),
            Compression::Zstd => zstd::stream::read::Decoder::with_buffer(file).map(|d| Self(Kind::Zstd(Box::new(d)))),
            Compression::Plain | Compression::ByName => unreachable!("a plain file is read as it is"),
        }
    }

    /// Fills a part of `buf`, which has room. Zero only at the end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match &mut self.0 {
                Kind::Gzip(member) => match member.as_mut().expect("a member is read").read(buf) {
                    Ok(0) if next_member(member)? => continue,
                    other => other,
                },
                Kind::Zstd(decoder) => decoder.read(buf),
            };
            match read {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// How many bytes of the file have been looked at.
    pub(crate) fn position(&self) -> u64 {
        let file = match &self.0 {
            Kind::Gzip(member) => member.as_ref().expect("a member is read").get_ref(),
            Kind::Zstd(decoder) => decoder.get_ref(),
        };
        file.get_ref().at - file.buffer().len() as u64
    }

    /// The format's name.
    pub(crate) fn name(&self) -> &'static str {
        match &self.0 {
            Kind::Gzip(_) => "gzip",
            Kind::Zstd(_) => "zstd",
        }
    }
}

/// Goes on to the next member, if something other than zeros follows.
fn next_member(member: &mut Option<Box<GzDecoder<BufReader<Bytes>>>>) -> io::Result<bool> {
    let file = member.as_mut().expect("a member was read").get_mut();
    loop {
        let rest = file.fill_buf()?;
        if rest.is_empty() {
            return Ok(false);
        }
        match rest.iter().take_while(|byte| **byte == 0).count() {
            0 => break,
            zeros => file.consume(zeros),
        }
    }
    *member = member.take().map(|member| Box::new(GzDecoder::new(member.into_inner())));
    Ok(true)
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

    fn read_all(compression: Compression, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), bytes).unwrap();
        let file = yeoul_sys::Storage::open(&yeoul_sys::DiskStorage::existing(folder.path()).unwrap(), "file").unwrap();
        let mut decompressor = Decompressor::new(compression, file)?;
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

    #[test]
    fn zeros_after_the_last_member_are_padding() {
        for zeros in [1, 512, 200_000] {
            let padded = [gzip(b"one\n"), gzip(b"two\n"), vec![0; zeros]].concat();
            assert_eq!(read_all(Compression::Gzip, padded).unwrap(), b"one\ntwo\n");
        }
        let error = read_all(Compression::Gzip, [gzip(b"one\n"), vec![0, 0, 7]].concat()).unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof), "{error:?}");
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
