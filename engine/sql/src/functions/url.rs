//! PARSE_URL: the parts of a URL as Java's `URL` tells them apart.

use super::{Definition, TEXT, function, texts_to};

pub(super) const FUNCTIONS: &[Definition] = &[function(
    "parse_url",
    |given| texts_to(given, 2..=3, TEXT, "PARSE_URL(url, 'HOST' [, key of the QUERY])"),
    |call| {
        let (urls, parts) = (call.text(0)?, call.text(1)?);
        let keys = if call.args.len() > 2 { Some(call.text(2)?) } else { None };
        call.texts(|row, out| {
            let found = || {
                let (url, part) = (Url::of(urls.get(row)?)?, parts.get(row)?);
                match &keys {
                    None => url.part(part),
                    Some(keys) if part == "QUERY" => value_of(url.query?, keys.get(row)?).map(str::to_owned),
                    Some(_) => None,
                }
            };
            found().map(|part| out.push_str(&part)).is_some()
        })
    },
)];

/// Schemes that Java knows without help.
const SCHEMES: &[&str] = &["http", "https", "ftp", "file", "jar", "mailto"];

struct Url<'a> {
    scheme: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    reference: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(':')?;
        if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
            return None;
        }
        let (rest, reference) = match rest.split_once('#') {
            Some((rest, reference)) => (rest, Some(reference)),
            None => (rest, None),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        Some(Self { scheme, authority, path, query, reference })
    }

    fn part(&self, name: &str) -> Option<String> {
        let user = || self.authority.and_then(|authority| authority.rsplit_once('@'));
        Some(match name {
            "PROTOCOL" => self.scheme.to_ascii_lowercase(),
            "AUTHORITY" => self.authority?.to_owned(),
            "USERINFO" => user()?.0.to_owned(),
            "HOST" => {
                let host = user().map_or(self.authority.unwrap_or_default(), |(_, host)| host);
                // A port follows the last colon, unless that stands within the brackets of an address.
                match host.rsplit_once(':') {
                    Some((before, port)) if !port.contains(']') => before.to_owned(),
                    _ => host.to_owned(),
                }
            }
            "PATH" => self.path.to_owned(),
            "FILE" => match self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.to_owned(),
            },
            "QUERY" => self.query?.to_owned(),
            "REF" => self.reference?.to_owned(),
            _ => return None,
        })
    }
}

fn value_of<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}
