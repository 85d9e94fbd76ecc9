//! The `#[record]` attribute, which makes a struct a record of Yeoul.
//!
//! It writes what rkyv needs to archive the struct, accessors on the archived form, and a schema by which text formats
//! read and write it. It sees names of types, not types: where that matters, traits decide, not the macro.

mod attributes;
mod expand;
mod form;
mod record;
mod schema;

use proc_macro::TokenStream;

/// Makes a struct with named fields, a tuple struct or an enum a record.
///
/// ```ignore
/// #[record]
/// #[derive(Debug, Clone, PartialEq)]
/// pub struct Bid {
///     pub auction: u64,
///     pub price: i64,
///     pub channel: Option<String>,
///     #[record(rename = "dateTime")]
///     pub date_time: Timestamp,
/// }
///
/// fn dear(bid: &ArchivedBid) -> bool {
///     bid.price() > 1_000_000 && bid.channel() == Some("web")
/// }
/// ```
///
/// What it writes for `Bid`:
///
/// - rkyv's `Archive`, `Serialize` and `Deserialize`, so that `Bid` is a `Record` and `ArchivedBid` is what operators
///   see; and `#[repr(C)]`, unless there is a `repr`, so that a record without padding is archived by copying it.
/// - An accessor on `ArchivedBid` for each field: numbers, `bool` and `Timestamp` by value, `String` as `&str`, lists
///   as slices, records as references to their archived form, options as `Option`s of those.
/// - `Schema`, if text formats can carry every field: a number up to 64 bits, `bool`, `String`, `Timestamp`, another
///   record, or an `Option` of those. With it comes `BidRow<'_>`, the same record with `&str` for `String`; if there
///   is no text, `Bid` itself takes that part.
/// - `FixedWidth`, which says whether the archived form owns nothing out of line.
///
/// Attributes of a field:
///
/// - `#[record(rename = "name")]`: its name in text formats.
/// - `#[record(opaque)]`: its type is known to rkyv only. Its accessor gives the archived form, and the record has no
///   schema.
///
/// Attribute of the record: `#[record(crate = path)]` names where the crate `yeoul_frame` is found, if not at
/// `::yeoul_frame`.
#[proc_macro_attribute]
pub fn record(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::record(arguments.into(), &item.into(), quote::quote!(::yeoul_frame)).into()
}

/// As [`macro@record`], for those who depend on the façade crate `yeoul` alone, which re-exports it as `record`.
#[proc_macro_attribute]
pub fn record_facade(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::record(arguments.into(), &item.into(), quote::quote!(::yeoul::__private)).into()
}
