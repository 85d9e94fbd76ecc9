//! What a field's type looks like by its name. The macro sees no more than that.

use syn::{Error, GenericArgument, PathArguments, Result, Type};

/// The looks of a field's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A number up to 64 bits, `bool` or `Timestamp`, or an `Option` of one: the borrowed form is the type itself.
    Plain,
    /// `String`.
    Text,
    /// `Option<String>`.
    OptionText,
    /// By its name it may be a record or an alias; the trait `FieldType` decides.
    Named,
    /// Text formats cannot carry it: a list, a tuple, a wide number.
    Unlisted,
}

const PLAIN: [&str; 12] = ["bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "Timestamp"];
const UNLISTED: [&str; 14] = [
    "i128", "u128", "char", "Vec", "VecDeque", "Box", "Rc", "Arc", "HashMap", "HashSet", "BTreeMap", "BTreeSet",
    "Duration", "Cow",
];

impl Form {
    pub(crate) fn of(ty: &Type) -> Result<Self> {
        let segment = match ty {
            Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
            Type::Reference(_) => {
                return Err(Error::new_spanned(ty, "a record owns its fields: use `String` or `Vec`"));
            }
            Type::Paren(inner) => return Self::of(&inner.elem),
            Type::Group(inner) => return Self::of(&inner.elem),
            _ => return Ok(Self::Unlisted),
        };
        let Some(segment) = segment else { return Ok(Self::Named) };
        let name = segment.ident.to_string();
        match (name.as_str(), &segment.arguments) {
            ("usize" | "isize", PathArguments::None) => {
                Err(Error::new_spanned(ty, "a record's layout is the same on every machine: use `u32`, `u64` or `i64`"))
            }
            ("str", _) => Err(Error::new_spanned(ty, "a record owns its fields: use `String`")),
            ("String", PathArguments::None) => Ok(Self::Text),
            ("Option", PathArguments::AngleBracketed(arguments)) => match arguments.args.first() {
                Some(GenericArgument::Type(inner)) => Ok(match Self::of(inner)? {
                    Self::Text => Self::OptionText,
                    Self::OptionText => Self::Named,
                    form => form,
                }),
                _ => Ok(Self::Named),
            },
            (name, PathArguments::None) if PLAIN.contains(&name) => Ok(Self::Plain),
            (name, _) if UNLISTED.contains(&name) => Ok(Self::Unlisted),
            _ => Ok(Self::Named),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_by_name() {
        let check = |ty: &str, form: Option<Form>| {
            assert_eq!(Form::of(&syn::parse_str(ty).unwrap()).ok(), form, "{ty}");
        };
        check("u64", Some(Form::Plain));
        check("Option<i32>", Some(Form::Plain));
        check("yeoul::Timestamp", Some(Form::Plain));
        check("std::string::String", Some(Form::Text));
        check("std::option::Option<String>", Some(Form::OptionText));
        check("Option<Option<String>>", Some(Form::Named));
        check("Person", Some(Form::Named));
        check("Option<nexmark::Person>", Some(Form::Named));
        check("Vec<u64>", Some(Form::Unlisted));
        check("Option<Vec<u64>>", Some(Form::Unlisted));
        check("[u8; 16]", Some(Form::Unlisted));
        check("(u8, String)", Some(Form::Unlisted));
        check("i128", Some(Form::Unlisted));
        check("usize", None);
        check("Option<usize>", None);
        check("&'static str", None);
    }
}
