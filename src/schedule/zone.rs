//! Time zones by name. The IANA database is built into the binary, so a name means the same on
//! every machine, and the image needs no files for it.

use jiff::tz::{self, TimeZone};

/// Reads the name of a time zone exactly as IANA writes it: `Europe/Berlin`, `UTC`.
///
/// Other capitals are refused, although jiff would take them: a name is also shown, logged and
/// compared, and one zone should have one spelling there.
///
/// # Errors
/// Says that there is no such zone, and which one was probably meant.
pub fn zone(text: &str) -> Result<TimeZone, String> {
    // A look-up in data of this binary: the features that would ask the machine are off.
    let zones = tz::db();
    if zones.available().any(|known| known.as_str() == text) {
        return zones.get(text).map_err(|error| error.to_string());
    }
    let unknown = "it is not the name of a time zone like `Europe/Berlin`";
    match nearest(text) {
        None => Err(unknown.to_owned()),
        Some(name) => Err(format!("{unknown}; did you mean `{name}`?")),
    }
}

/// The zone whose name, or whose city, is nearest.
fn nearest(text: &str) -> Option<String> {
    // Longer than any name with a typo; the distance of a hostile text is not worth its time.
    if text.len() > 64 {
        return None;
    }
    let wanted = text.to_lowercase();
    let near = tz::db().available().filter_map(|name| {
        let known = name.as_str().to_lowercase();
        let city = known.rsplit_once('/').map_or(known.as_str(), |(_, city)| city);
        // In a short name every letter counts: `PST` is no typo of `EST`.
        let distance = |known: &str| {
            let distance = strsim::damerau_levenshtein(&wanted, known);
            (distance <= (known.len() / 4).min(3)).then_some(distance)
        };
        let whole = distance(&known).map(|distance| (distance, false));
        let city = distance(city).map(|distance| (distance, true));
        let rank = whole.into_iter().chain(city).min()?;
        Some((rank, name.as_str().to_owned()))
    });
    near.min().map(|(_, name)| name)
}
