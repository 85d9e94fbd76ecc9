//! A record's definition, read and checked.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result, Type, Visibility};

use crate::attributes::{self, FieldAttributes};
use crate::form::Form;

/// A record's definition.
pub(crate) struct Record {
    /// The item, without the attributes that are ours.
    pub(crate) item: DeriveInput,
    /// Where `yeoul_frame` is.
    pub(crate) krate: TokenStream,
    /// `ArchivedName`.
    pub(crate) archived: Ident,
    /// The fields of a struct with named fields.
    pub(crate) fields: Vec<Field>,
    /// Whether those are all that there is.
    pub(crate) named: bool,
    /// The types of all fields of all variants that are not opaque.
    pub(crate) parts: Vec<Type>,
    /// Some field is known to rkyv only.
    pub(crate) opaque: bool,
}

/// A named field.
pub(crate) struct Field {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// Its name in text formats.
    pub(crate) name: String,
    /// Its documentation and conditions.
    pub(crate) inherited: TokenStream,
    pub(crate) form: Form,
    pub(crate) opaque: bool,
    /// rkyv archives it by other means than its own.
    pub(crate) with: bool,
}

impl Record {
    pub(crate) fn parse(arguments: TokenStream, item: TokenStream, default: TokenStream) -> Result<Self> {
        let krate = attributes::crate_path(arguments, default)?;
        let mut item: DeriveInput = syn::parse2(item)?;
        if !item.generics.params.is_empty() {
            let message = "a record has no parameters: it owns what it holds, and logs must know its layout";
            return Err(Error::new_spanned(&item.generics, message));
        }
        let mut record = Self {
            archived: format_ident!("Archived{}", item.ident.unraw()),
            krate,
            fields: vec![],
            named: false,
            parts: vec![],
            opaque: false,
            item: item.clone(),
        };
        match &mut item.data {
            Data::Struct(data) => {
                record.named = matches!(data.fields, Fields::Named(_));
                record.read(&mut data.fields)?;
            }
            Data::Enum(data) => {
                for variant in &mut data.variants {
                    record.read(&mut variant.fields)?;
                }
                record.fields.clear();
            }
            Data::Union(data) => {
                return Err(Error::new_spanned(data.union_token, "a record is a struct or an enum"));
            }
        }
        record.item = item;
        Ok(record)
    }

    fn read(&mut self, fields: &mut Fields) -> Result<()> {
        for field in fields {
            let attributes = FieldAttributes::take(&mut field.attrs)?;
            let form = if attributes.opaque { Form::Unlisted } else { Form::of(&field.ty)? };
            if attributes.opaque {
                self.opaque = true;
            } else {
                self.parts.push(field.ty.clone());
            }
            if let Some(ident) = &field.ident {
                self.fields.push(Field {
                    vis: field.vis.clone(),
                    ident: ident.clone(),
                    ty: field.ty.clone(),
                    name: attributes.rename.map_or_else(|| ident.unraw().to_string(), |name| name.value()),
                    inherited: attributes::inherited(&field.attrs),
                    form,
                    opaque: attributes.opaque,
                    with: attributes::rkyv_says(&field.attrs, "with"),
                });
            } else if let Some(name) = attributes.rename {
                return Err(Error::new(name.span(), "only a named field of a struct has a name to change"));
            }
        }
        Ok(())
    }

    /// Whether text formats can carry it, as far as names tell.
    pub(crate) fn has_schema(&self) -> bool {
        self.named && !self.fields.is_empty() && self.fields.iter().all(|field| field.form != Form::Unlisted)
    }

    /// Whether it owns no text, so that its borrowed form is itself.
    pub(crate) fn is_plain(&self) -> bool {
        self.fields.iter().all(|field| field.form == Form::Plain)
    }

    /// The accessors' common return type for a field.
    pub(crate) fn read_type(&self, field: &Field) -> TokenStream {
        let (krate, ty) = (&self.krate, &field.ty);
        match field.form {
            _ if field.opaque => quote!(&<#ty as #krate::rkyv::Archive>::Archived),
            Form::Plain => quote!(#ty),
            Form::Text => quote!(&str),
            Form::OptionText => quote!(::core::option::Option<&str>),
            Form::Named | Form::Unlisted => quote!(<#ty as #krate::FieldValue>::Read<'_>),
        }
    }
}
