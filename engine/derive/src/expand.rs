//! What `#[record]` writes: the item with rkyv's derives, accessors, and the traits that hold for every record.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, Error, Result};

use crate::attributes;
use crate::record::Record;
use crate::schema;

/// The item and all that is made of it; if it is no record, the item as it is and the reason as a compile error.
pub(crate) fn record(arguments: TokenStream, item: &TokenStream, default: TokenStream) -> TokenStream {
    try_record(arguments, item.clone(), default).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#error #item)
    })
}

fn try_record(arguments: TokenStream, item: TokenStream, default: TokenStream) -> Result<TokenStream> {
    let record = Record::parse(arguments, item, default)?;
    if let Some(attribute) = record.item.attrs.iter().find(|attribute| attribute.path().is_ident("record")) {
        return Err(Error::new_spanned(attribute, "`#[record]` stands once above a struct"));
    }
    let item = archivable(&record);
    let accessors = accessors(&record);
    let traits = traits(&record);
    let schema = if record.has_schema() { schema::schema(&record) } else { TokenStream::new() };
    Ok(quote!(#item #accessors #traits #schema))
}

/// The item itself with rkyv's derives.
fn archivable(record: &Record) -> TokenStream {
    let Record { item, krate, .. } = record;
    let repr = (matches!(item.data, Data::Struct(_)) && !item.attrs.iter().any(|it| it.path().is_ident("repr")))
        .then(|| quote!(#[repr(C)]));
    // What only rkyv knows may not be printable.
    let debug =
        (!record.opaque && !attributes::rkyv_says(&item.attrs, "Debug")).then(|| quote!(#[rkyv(derive(Debug))]));
    quote! {
        #[derive(#krate::rkyv::Archive, #krate::rkyv::Serialize, #krate::rkyv::Deserialize)]
        #[rkyv(crate = #krate::rkyv)]
        #debug
        #repr
        #item
    }
}

/// A method of the archived form for each named field.
fn accessors(record: &Record) -> TokenStream {
    let Record { krate, archived, .. } = record;
    let methods = record.fields.iter().filter(|field| !field.with).map(|field| {
        let (vis, ident, ty, inherited) = (&field.vis, &field.ident, &field.ty, &field.inherited);
        let returns = record.read_type(field);
        let value =
            if field.opaque { quote!(&self.#ident) } else { quote!(<#ty as #krate::Value>::read(&self.#ident)) };
        let title = format!("The field `{}`.\n\n", field.name);
        quote! {
            #[doc = #title]
            #inherited
            #[inline]
            #[must_use]
            #[allow(dead_code)]
            #vis fn #ident(&self) -> #returns {
                #value
            }
        }
    });
    if record.fields.is_empty() { TokenStream::new() } else { quote!(impl #archived { #(#methods)* }) }
}

/// What holds for every record.
fn traits(record: &Record) -> TokenStream {
    let Record { item, krate, archived, parts, .. } = record;
    let name = &item.ident;
    let known = !record.opaque;
    quote! {
        impl #krate::Value for #name {
            type Read<'a> = &'a #archived;

            #[inline]
            fn read(archived: &#archived) -> &#archived {
                archived
            }
        }

        // SAFETY: the archived form is its fields' archived forms in one piece, and each of them is fixed.
        unsafe impl #krate::FixedWidth for #name {
            const FIXED: bool = #known #(&& <#parts as #krate::FixedWidth>::FIXED)*;
        }
    }
}
