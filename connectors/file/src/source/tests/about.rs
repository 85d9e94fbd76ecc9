//! Columns about the file a row is of.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_schema::Field;
use yeoul_formats::columns::{JsonOptions, TextFormat};

use crate::source::file_columns::FileColumn;
use crate::source::harness::{Input, event_columns};
use crate::{FileFact, FileSource};

fn about(places: [usize; 4]) -> Vec<FileColumn> {
    let column = |(place, (key, fact)): (usize, (&str, FileFact))| FileColumn {
        place,
        field: Arc::new(Field::new(key, fact.data_type(), false)),
        fact,
    };
    places.into_iter().zip(FileFact::KEYS).map(column).collect()
}

fn millis(path: &str) -> i64 {
    let time = std::fs::metadata(path).unwrap().modified().unwrap();
    time.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

#[test]
fn rows_say_of_which_file_they_are() {
    let long = "a-name-that-is-longer-than-twelve-bytes.ndjson";
    let input = Input::new(&[("a.ndjson", b"{\"id\":1}\n{\"id\":2}\n".as_slice()), (long, b"{\"id\":3}\n")]);
    let source = event_columns(input.path("*.ndjson"), TextFormat::Json(JsonOptions::default()));
    // Before, between and after the two that are read.
    let source = source.file_columns(about([3, 1, 0, 5]));
    let names: Vec<&str> = source.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["file.size", "file.name", "id", "file.path", "text", "file.modification-time"]);
    let columns = crate::parquet::sample::read(&source.make()).unwrap();
    let texts = |column: usize| columns[column].as_string_view().iter().map(|text| text.unwrap()).collect::<Vec<_>>();
    let (a, b) = (input.path("a.ndjson"), input.path(long));
    // In the order of the paths.
    assert_eq!(columns[2].as_primitive::<Int64Type>().values().as_ref(), [3, 1, 2]);
    assert_eq!(texts(1), [long, "a.ndjson", "a.ndjson"]);
    assert_eq!(texts(3), [b.as_str(), &a, &a]);
    assert_eq!(columns[0].as_primitive::<Int64Type>().values().as_ref(), [9, 18, 18]);
    let times = columns[5].as_primitive::<TimestampMillisecondType>();
    assert_eq!(times.values().as_ref(), [millis(&b), millis(&a), millis(&a)]);
}

#[test]
fn a_query_of_nothing_else_gets_a_row_a_record() {
    let input = Input::new(&[("a.ndjson", b"{\"id\":1}\n{\"id\":2}\n".as_slice())]);
    let format = TextFormat::Json(JsonOptions::default());
    let table = arrow_schema::Schema::new(vec![Field::new("id", arrow_schema::DataType::Int64, true)]);
    let plan = Arc::new(format.plan(&table, Some(&[]), None).unwrap());
    let source = FileSource::columns(input.path("a.ndjson"), format, plan).unwrap();
    let source =
        source.file_columns(about([0, 1, 2, 3])[1..2].iter().map(|c| FileColumn { place: 0, ..c.clone() }).collect());
    let columns = crate::parquet::sample::read(&source.make()).unwrap();
    assert_eq!(columns[0].as_string_view().iter().collect::<Vec<_>>(), [Some("a.ndjson"); 2]);
}
