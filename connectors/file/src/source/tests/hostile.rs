//! Parquet files made to do harm: what they say of themselves is not believed before it is looked at.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::parquet::{reads, refuses};
use crate::source::harness::Input;

const I32: u8 = 5;
const I64: u8 = 6;
const TEXT: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn number(value: i64) -> Vec<u8> {
    varint(((value << 1) ^ (value >> 63)).cast_unsigned())
}

/// A struct of Thrift's compact protocol: fields in ascending order, by number and type.
fn record(fields: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut last) = (Vec::new(), 0);
    for (id, of, bytes) in fields {
        out.push((id - last) << 4 | of);
        out.extend(bytes);
        last = *id;
    }
    out.push(0);
    out
}

/// A list that says that it has `count` elements.
fn records(count: u64, elements: &[Vec<u8>]) -> Vec<u8> {
    [vec![0xf0 | STRUCT], varint(count), elements.concat()].concat()
}

fn name(text: &str) -> Vec<u8> {
    [varint(text.len() as u64), text.as_bytes().to_vec()].concat()
}

/// An element of a schema: a group of so many, or a required BIGINT.
fn element(called: &str, children: Option<i64>) -> Vec<u8> {
    match children {
        Some(children) => record(&[(3, I32, number(0)), (4, TEXT, name(called)), (5, I32, number(children))]),
        None => record(&[(1, I32, number(2)), (3, I32, number(0)), (4, TEXT, name(called))]),
    }
}

/// A whole file: these pages, and a footer.
fn file(pages: &[u8], schema: Vec<u8>, rows: i64, groups: Vec<u8>) -> Vec<u8> {
    let footer = record(&[(1, I32, number(1)), (2, LIST, schema), (3, I64, number(rows)), (4, LIST, groups)]);
    let len = (footer.len() as u32).to_le_bytes();
    [b"PAR1", pages, &footer, &len, b"PAR1"].concat()
}

fn flat() -> Vec<u8> {
    records(2, &[element("root", Some(1)), element("id", None)])
}

/// What a page's header says.
#[derive(Default, Clone, Copy)]
struct Page {
    /// How many bytes come out of it.
    uncompressed: i64,
    codec: i64,
    checksum: Option<i64>,
    /// How long a statistic in it is.
    statistic: usize,
    /// How many values a dictionary before it has, if there is one.
    dictionary: Option<i64>,
}

/// A file of one column of one page.
fn paged(page: Page, values: &[i64]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let count = number(values.len() as i64);
    let statistics = record(&[(5, TEXT, name(&"s".repeat(page.statistic)))]);
    let plain = [(1, I32, count.clone()), (2, I32, number(0)), (3, I32, number(3)), (4, I32, number(3))];
    let of_page = record(&[&plain[..], &[(5, STRUCT, statistics)]].concat());
    let mut header =
        vec![(1, I32, number(0)), (2, I32, number(page.uncompressed)), (3, I32, number(data.len() as i64))];
    header.extend(page.checksum.map(|checksum| (4, I32, number(checksum))));
    header.push((5, STRUCT, of_page));
    let dictionary = page.dictionary.map_or(Vec::new(), |values| {
        let of_dictionary = record(&[(1, I32, number(values)), (2, I32, number(0))]);
        let sizes = [(1, I32, number(2)), (2, I32, number(8)), (3, I32, number(8)), (7, STRUCT, of_dictionary)];
        [record(&sizes), 1i64.to_le_bytes().to_vec()].concat()
    });
    let first = 4 + dictionary.len() as i64;
    let pages = [dictionary, record(&header), data].concat();
    let size = number(pages.len() as i64);
    let mut column = vec![
        (1, I32, number(2)),
        (2, LIST, [vec![0x10 | I32], number(0)].concat()),
        (3, LIST, [vec![0x10 | TEXT], name("id")].concat()),
        (4, I32, number(page.codec)),
        (5, I64, count.clone()),
        (6, I64, size.clone()),
        (7, I64, size.clone()),
        (9, I64, number(first)),
    ];
    column.extend(page.dictionary.map(|_| (11, I64, number(4))));
    let chunk = record(&[(2, I64, number(4)), (3, STRUCT, record(&column))]);
    let group = record(&[(1, LIST, records(1, &[chunk])), (2, I64, size), (3, I64, count)]);
    file(&pages, flat(), values.len() as i64, records(1, &[group]))
}

fn ids() -> SchemaRef {
    SchemaRef::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

fn check(bytes: &[u8], texts: &[&str]) {
    let input = Input::new(&[("a.parquet", bytes)]);
    refuses(&input.path("a.parquet"), &ids(), texts);
}

#[test]
fn a_file_made_by_hand_is_read() {
    // A header that is longer than what is read at once, too.
    for (statistic, dictionary) in [(0, None), (3_000, None), (100_000, Some(1)), (0, Some(1))] {
        let page = Page { uncompressed: 16, statistic, dictionary, ..Page::default() };
        let input = Input::new(&[("a.parquet", &paged(page, &[7, 8]))]);
        let found = reads(input.path("a.parquet"), &ids(), None).unwrap();
        assert_eq!(found[0].as_primitive::<Int64Type>().values().as_ref(), [7, 8], "{statistic} {dictionary:?}");
    }
}

#[test]
fn a_schema_is_not_deeper_than_a_stack() {
    let deep = |depth: usize| {
        let mut elements = vec![element("root", Some(1))];
        elements.extend((1..depth).map(|_| element("a", Some(1))));
        elements.push(element("id", None));
        file(&[], records(elements.len() as u64, &elements), 0, records(0, &[]))
    };
    check(&deep(200_000), &["schema", "groups deep"]);
    check(&deep(101), &["schema", "groups deep"]);
    let input = Input::new(&[("a.parquet", &deep(100))]);
    assert_eq!(reads(input.path("a.parquet"), &ids(), None).unwrap().len(), 0);
}

#[test]
fn no_more_is_set_aside_than_the_footer_can_hold() {
    let many = i64::from(i32::MAX);
    check(&file(&[], flat(), 0, records(many.cast_unsigned(), &[])), &["2147483647 row groups"]);
    check(&file(&[], records(many.cast_unsigned(), &[]), 0, records(0, &[])), &["no whole Parquet file"]);
    let wide = records(2, &[element("root", Some(many)), element("id", None)]);
    check(&file(&[], wide, 0, records(0, &[])), &["2147483647 fields"]);
}

#[test]
fn pages_are_not_larger_than_their_limit() {
    // Snappy fills what the page says that it is before it looks at a byte.
    for codec in [1, 6] {
        let page = Page { uncompressed: i64::from(i32::MAX), codec, ..Page::default() };
        check(&paged(page, &[7, 8]), &["2147483647 bytes", "the limit"]);
    }
    let page = Page { uncompressed: 16, dictionary: Some(i64::from(i32::MAX)), ..Page::default() };
    check(&paged(page, &[7, 8]), &["a dictionary of 2147483647 values in 8 bytes"]);
    let page = Page { uncompressed: 16, statistic: 20 << 20, ..Page::default() };
    check(&paged(page, &[7, 8]), &["header that does not end within 16777216 bytes"]);
}

#[test]
fn rows_without_a_column_are_none() {
    let group = record(&[(1, LIST, records(0, &[])), (2, I64, number(0)), (3, I64, number(1 << 62))]);
    let schema = records(1, &[element("root", Some(0))]);
    check(&file(&[], schema, 1 << 62, records(1, &[group])), &["row group 0", "without columns"]);
}

#[test]
fn a_page_whose_checksum_is_another_is_damaged() {
    let right = crc(&[7i64.to_le_bytes(), 8i64.to_le_bytes()].concat()).cast_signed();
    let page = Page { uncompressed: 16, checksum: Some(right.into()), ..Page::default() };
    let input = Input::new(&[("a.parquet", &paged(page, &[7, 8]))]);
    assert_eq!(reads(input.path("a.parquet"), &ids(), None).unwrap()[0].len(), 2);
    check(&paged(page, &[7, 9]), &["is damaged", "checksum"]);
}

/// CRC-32, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}
