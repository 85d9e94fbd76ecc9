//! The arguments of `#[record(…)]`, on a record and on a field.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::{Attribute, Data, DeriveInput, Error, LitStr, Path, Result};

/// Where `yeoul_frame` is, from the arguments of the attribute on a record.
pub(crate) fn crate_path(arguments: TokenStream, default: TokenStream) -> Result<TokenStream> {
    let mut path = default;
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("crate") {
            path = meta.value()?.call(Path::parse_mod_style)?.into_token_stream();
            Ok(())
        } else {
            Err(meta.error("a record takes only the argument `crate = path`"))
        }
    });
    parser.parse2(arguments)?;
    Ok(path)
}

/// What is said about one field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    /// Its name in text formats, if not its own.
    pub(crate) rename: Option<LitStr>,
    /// Its type is known to rkyv only.
    pub(crate) opaque: bool,
}

impl FieldAttributes {
    /// Reads the field's `#[record(…)]` attributes and takes them away.
    pub(crate) fn take(attributes: &mut Vec<Attribute>) -> Result<Self> {
        let mut taken = Self::default();
        for attribute in attributes.iter().filter(|attribute| is_record(attribute)) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    let name: LitStr = meta.value()?.parse()?;
                    if name.value().is_empty() {
                        return Err(Error::new(name.span(), "a field's name is not empty"));
                    }
                    taken.rename = Some(name);
                    Ok(())
                } else if meta.path.is_ident("opaque") {
                    taken.opaque = true;
                    Ok(())
                } else {
                    Err(meta.error("a field takes `rename = \"name\"` or `opaque`"))
                }
            })?;
        }
        attributes.retain(|attribute| !is_record(attribute));
        // `#[rkyv(with = …)]` changes the archived type to one that only rkyv knows.
        taken.opaque |= rkyv_says(attributes, "with");
        Ok(taken)
    }
}

/// The item without `#[record(…)]` on its fields, so that the compiler does not complain of those as well.
pub(crate) fn without_ours(item: TokenStream) -> TokenStream {
    let Ok(mut parsed) = syn::parse2::<DeriveInput>(item.clone()) else { return item };
    let fields: Box<dyn Iterator<Item = &mut syn::Field>> = match &mut parsed.data {
        Data::Struct(data) => Box::new(data.fields.iter_mut()),
        Data::Enum(data) => Box::new(data.variants.iter_mut().flat_map(|variant| variant.fields.iter_mut())),
        Data::Union(data) => Box::new(data.fields.named.iter_mut()),
    };
    for field in fields {
        field.attrs.retain(|attribute| !is_record(attribute));
    }
    parsed.into_token_stream()
}

fn is_record(attribute: &Attribute) -> bool {
    attribute.path().is_ident("record")
}

/// Whether some `#[rkyv(…)]` attribute among these holds this word.
pub(crate) fn rkyv_says(attributes: &[Attribute], word: &str) -> bool {
    fn holds(tokens: TokenStream, word: &str) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Ident(ident) => ident == word,
            proc_macro2::TokenTree::Group(group) => holds(group.stream(), word),
            _ => false,
        })
    }
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("rkyv"))
        .any(|attribute| attribute.meta.require_list().is_ok_and(|list| holds(list.tokens.clone(), word)))
}

/// The attributes that also belong on what is made of the item: documentation and conditions.
pub(crate) fn inherited(attributes: &[Attribute]) -> TokenStream {
    let kept =
        attributes.iter().filter(|attribute| attribute.path().is_ident("doc") || attribute.path().is_ident("cfg"));
    quote!(#(#kept)*)
}
