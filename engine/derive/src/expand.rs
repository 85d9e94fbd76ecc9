//! What `#[record]` writes: the item with rkyv's derives, accessors, and the traits that hold for every record.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, Error, Result};

use crate::attributes;
use crate::form::Form;
use crate::record::{Field, Record};
use crate::schema;

/// The item and all that is made of it; if it is no record, the item as it is and the reason as a compile error.
pub(crate) fn record(arguments: TokenStream, item: &TokenStream, default: TokenStream) -> TokenStream {
    try_record(arguments, item.clone(), default).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        let item = attributes::without_ours(item.clone());
        quote!(#error #item)
    })
}

fn try_record(arguments: TokenStream, item: TokenStream, default: TokenStream) -> Result<TokenStream> {
    let record = Record::parse(arguments, item, default)?;
    if let Some(attribute) = record.item.attrs.iter().find(|attribute| attribute.path().is_ident("record")) {
        return Err(Error::new_spanned(attribute, "`#[record]` stands once above a struct"));
    }
    let checks = checks(&record);
    let item = archivable(&record);
    let accessors = accessors(&record);
    let traits = traits(&record);
    let schema = if record.has_schema() { schema::schema(&record) } else { TokenStream::new() };
    Ok(quote!(#checks #item #accessors #traits #schema))
}

/// Asks for each type of which only the name is known to be a field's type, at its own place and before rkyv asks the same
/// in more words.
fn checks(record: &Record) -> TokenStream {
    let unknown = |field: &&Field| !field.opaque && matches!(field.form, Form::Named | Form::Unlisted);
    let bounds = record.fields.iter().filter(unknown).map(|field| {
        let (ty, span) = (&field.ty, field.ty.span());
        // All of the bound is at the type's place, else the compiler points at the attribute.
        let krate: TokenStream = record.krate.clone().into_iter().map(|token| at(token, span)).collect();
        quote_spanned!(span=> #ty: #krate::FieldValue)
    });
    quote! {
        const _: () = {
            #[allow(dead_code, trivial_bounds)]
            fn fields() where #(#bounds,)* {}
        };
    }
}

fn at(mut token: TokenTree, span: Span) -> TokenTree {
    token.set_span(span);
    token
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
            if field.opaque { quote!(&self.#ident) } else { quote!(<#ty as #krate::FieldValue>::read(&self.#ident)) };
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
        impl #krate::FieldValue for #name {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of an item that is no record, and what is left of the item.
    fn check(arguments: TokenStream, item: &TokenStream, message: &str, left: &TokenStream) {
        let written = record(arguments, item, quote!(::yeoul_frame));
        let expected = quote!(::core::compile_error! { #message } #left);
        assert_eq!(written.to_string(), expected.to_string());
    }

    #[test]
    fn what_is_no_record_is_refused_in_one_sentence() {
        let item = quote!(
            struct Reading {
                #[record(opaque)]
                #[doc = "kept"]
                value: u64,
                count: usize,
            }
        );
        let left = quote!(
            struct Reading {
                #[doc = "kept"]
                value: u64,
                count: usize,
            }
        );
        let message = "a record's layout is the same on every machine: use `u32`, `u64` or `i64`";
        check(quote!(), &item, message, &left);

        let item = quote!(
            struct Reading<'a> {
                text: &'a str,
            }
        );
        let message = "a record has no parameters: it owns what it holds, and logs must know its layout";
        check(quote!(), &item, message, &item);

        let item = quote!(
            struct Reading {
                text: &'static str,
            }
        );
        check(quote!(), &item, "a record owns its fields: use `String` or `Vec`", &item);

        let item = quote!(
            struct Reading {
                #[record(name = "x")]
                value: u64,
            }
        );
        let left = quote!(
            struct Reading {
                value: u64,
            }
        );
        check(quote!(), &item, "a field takes `rename = \"name\"` or `opaque`", &left);

        let item = quote!(
            enum Reading {
                Value(#[record(rename = "x")] u64),
            }
        );
        let left = quote!(
            enum Reading {
                Value(u64),
            }
        );
        check(quote!(), &item, "only a named field of a struct has a name to change", &left);

        let item = quote!(union Reading { a: u64, b: f64 });
        check(quote!(), &item, "a record is a struct or an enum", &item);

        let item = quote!(
            struct Reading {
                value: u64,
            }
        );
        check(quote!(path = yeoul), &item, "a record takes only the argument `crate = path`", &item);
    }
}
