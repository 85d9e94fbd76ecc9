//! What `#[record]` writes for a record that text formats can carry: its schema and its borrowed twin.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;

use crate::form::Form;
use crate::record::{Field, Record};

/// `Schema` and `FieldType`, and the twin if the record owns text.
pub(crate) fn schema(record: &Record) -> TokenStream {
    let Record { item, krate, archived, fields, .. } = record;
    let name = &item.ident;
    let row = format_ident!("{}Row", name.unraw());
    let (twin, row_type, row_name) = if record.is_plain() {
        (TokenStream::new(), quote!(#name), name.clone())
    } else {
        (twin(record, &row), quote!(#row<'a>), row)
    };

    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let idents: Vec<_> = fields.iter().map(|field| &field.ident).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    let from_cells = fields.iter().map(|field| from_cells(record, field));
    let borrows = fields.iter().map(|field| borrow(record, field));

    quote! {
        #twin

        impl #krate::Schema for #name {
            const FIELDS: &'static [#krate::Field] = &[#(
                #krate::Field {
                    name: #names,
                    data_type: <#types as #krate::FieldType>::DATA_TYPE,
                    nullable: <#types as #krate::FieldType>::NULLABLE,
                },
            )*];

            type Row<'a> = #row_type;

            #[inline]
            fn row<'a>(
                cells: &[#krate::Cell<'a>],
            ) -> ::core::result::Result<Self::Row<'a>, #krate::CellError> {
                let expected = const { #krate::schema::cells(<#name as #krate::Schema>::FIELDS) };
                if cells.len() != expected {
                    return ::core::result::Result::Err(#krate::CellError::new(
                        <#name as #krate::FieldType>::DATA_TYPE,
                        #krate::CellFault::Count { found: cells.len(), expected },
                    ));
                }
                // The cells that have not been read yet; lengths are constants, so these splits cost nothing.
                let rest = cells;
                #(
                    let (#idents, rest) = rest.split_at(const { <#types as #krate::FieldType>::DATA_TYPE.cells() });
                )*
                let _ = rest;
                ::core::result::Result::Ok(#row_name { #(#idents: #from_cells,)* })
            }

            #[inline]
            fn borrow(archived: &#archived) -> Self::Row<'_> {
                #row_name { #(#idents: #borrows,)* }
            }

            #[inline]
            fn cells<'a>(archived: &'a #archived, out: &mut ::std::vec::Vec<#krate::Cell<'a>>) {
                #(<#types as #krate::FieldType>::to_cells(&archived.#idents, out);)*
            }
        }

        impl #krate::FieldType for #name {
            const DATA_TYPE: #krate::DataType = #krate::DataType::Record(<#name as #krate::Schema>::FIELDS);

            type Row<'a> = <#name as #krate::Schema>::Row<'a>;

            #[inline]
            fn from_cells<'a>(
                cells: &[#krate::Cell<'a>],
            ) -> ::core::result::Result<Self::Row<'a>, #krate::CellError> {
                <#name as #krate::Schema>::row(cells)
            }

            #[inline]
            fn to_cells<'a>(archived: &'a #archived, out: &mut ::std::vec::Vec<#krate::Cell<'a>>) {
                <#name as #krate::Schema>::cells(archived, out);
            }

            #[inline]
            fn borrow(archived: &#archived) -> Self::Row<'_> {
                <#name as #krate::Schema>::borrow(archived)
            }
        }
    }
}

/// The record with `&str` for `String`, archived as the record itself is.
fn twin(record: &Record, row: &syn::Ident) -> TokenStream {
    let Record { item, krate, archived, fields, .. } = record;
    let vis = &item.vis;
    let fields_of_twin = fields.iter().map(|field| {
        let Field { vis, ident, ty, inherited, form, name, .. } = field;
        let (with, ty) = match form {
            Form::Text => (quote!(#[rkyv(with = #krate::rkyv::with::AsString)]), quote!(&'a str)),
            Form::OptionText => (
                quote!(#[rkyv(with = #krate::rkyv::with::Map<#krate::rkyv::with::AsString>)]),
                quote!(::core::option::Option<&'a str>),
            ),
            Form::Plain => (TokenStream::new(), quote!(#ty)),
            Form::Named | Form::Unlisted => (TokenStream::new(), quote!(<#ty as #krate::FieldType>::Row<'a>)),
        };
        let title = format!("The field `{name}`.\n\n");
        // Bounds on types that name no parameter hide what those types are: omitted here, and given below.
        quote!(#[doc = #title] #inherited #with #[rkyv(omit_bounds)] #vis #ident: #ty)
    });
    // The borrowed form of a nested record may be that record itself, of which we know nothing.
    let derives =
        fields.iter().all(|field| field.form != Form::Named).then(|| quote!(#[derive(Debug, Clone, Copy, PartialEq)]));
    let title = format!("A [`{}`] with borrowed text: archived, it is the same.", item.ident);
    quote! {
        #[doc = #title]
        #[derive(#krate::rkyv::Archive, #krate::rkyv::Serialize)]
        #derives
        #[rkyv(
            crate = #krate::rkyv,
            as = #archived,
            serialize_bounds(
                __S: #krate::rkyv::ser::Writer + #krate::rkyv::ser::Allocator,
                <__S as #krate::rkyv::rancor::Fallible>::Error: #krate::rkyv::rancor::Source,
            ),
        )]
        #[allow(dead_code)]
        #vis struct #row<'a> { #(#fields_of_twin,)* }
    }
}

/// The expression that makes a field of the row from its cells, which a local of the field's name holds.
fn from_cells(record: &Record, field: &Field) -> TokenStream {
    let Field { ident, ty, name, form, .. } = field;
    let krate = &record.krate;
    let value = quote! {
        match <#ty as #krate::FieldType>::from_cells(#ident) {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(error) => return ::core::result::Result::Err(error.within(#name)),
        }
    };
    match form {
        Form::Text => quote!(#value.0),
        Form::OptionText => quote!(#value.map(|text| text.0)),
        _ => value,
    }
}

/// The expression that borrows a field of the row from `archived`.
fn borrow(record: &Record, field: &Field) -> TokenStream {
    let Field { ident, ty, form, .. } = field;
    let krate = &record.krate;
    match form {
        Form::Text | Form::OptionText => quote!(<#ty as #krate::FieldValue>::read(&archived.#ident)),
        _ => quote!(<#ty as #krate::FieldType>::borrow(&archived.#ident)),
    }
}
