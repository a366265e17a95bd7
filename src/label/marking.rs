//! Duty: the text that people see for a label, at a location and in a language; and its colours.
//! Promises: the same label gives the same text; categories stand in the policy's order.
//! Refuses: nothing. A value that the policy does not know is shown as a number between "?", so that a
//! marking never looks more complete than the label. A marking is never read back for enforcement.
//! Standards: Open XML SPIF 2.1 and 3.0 markingData and markingQualifier, ADatP-4774.

use std::collections::BTreeSet;

use super::policy::{CategoryId, Policy, PolicyCategory, Tag, TagId};
use super::value::Label;

/// Where a marking stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// Top of each page.
    PageTop,
    /// Bottom of each page; what is meant where nothing is said.
    PageBottom,
    /// Start of the document.
    DocumentStart,
    /// End of the document.
    DocumentEnd,
    /// First line of the text of a message.
    FirstLineOfText,
    /// Last line of the text of a message.
    LastLineOfText,
    /// In the subject of a message.
    Subject,
    /// A private header field.
    XHeader,
    /// Beside a paragraph.
    Portion,
    /// On input screens.
    InputTitle,
    /// Behind the text.
    WaterMark,
}

impl Location {
    /// Every location.
    pub const ALL: [Location; 11] = [
        Location::PageTop,
        Location::PageBottom,
        Location::DocumentStart,
        Location::DocumentEnd,
        Location::FirstLineOfText,
        Location::LastLineOfText,
        Location::Subject,
        Location::XHeader,
        Location::Portion,
        Location::InputTitle,
        Location::WaterMark,
    ];

    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Location::PageTop => "page_top",
            Location::PageBottom => "page_bottom",
            Location::DocumentStart => "document_start",
            Location::DocumentEnd => "document_end",
            Location::FirstLineOfText => "first_line_of_text",
            Location::LastLineOfText => "last_line_of_text",
            Location::Subject => "subject",
            Location::XHeader => "x_header",
            Location::Portion => "portion",
            Location::InputTitle => "input_title",
            Location::WaterMark => "water_mark",
        }
    }
}

/// The marking of a label. `language` is a tag such as `fr-CA`; it falls back to `fr`, then to none.
pub fn marking(
    policy: &Policy,
    label: &Label,
    location: Location,
    language: Option<&str>,
) -> String {
    let languages = Languages::new(language);
    let present = Present::of(policy, label);
    let mut text = Text::new(
        policy
            .marking
            .qualifier(&languages, Role::Separator)
            .unwrap_or(" "),
    );
    text.append(&policy_text(policy, label, &present, &languages));
    text.append(&class_text(policy, label, &present, location, &languages));
    for (tag, categories) in present.by_tag(policy) {
        text.append(&tag_text(tag, &categories, location, &languages));
    }
    for unknown in &present.unknown {
        text.append(unknown);
    }
    let prefix = policy
        .marking
        .qualifier(&languages, Role::Prefix)
        .unwrap_or_default();
    let suffix = policy
        .marking
        .qualifier(&languages, Role::Suffix)
        .unwrap_or_default();
    format!("{prefix}{}{suffix}", text.written)
}

/// The location that a marking code of the schema names; none for `pageTopBottom`, which is two.
pub fn location(code: &str) -> Option<Location> {
    Some(match code {
        "pageTop" => Location::PageTop,
        "pageBottom" => Location::PageBottom,
        "documentStart" => Location::DocumentStart,
        "documentEnd" => Location::DocumentEnd,
        "firstLineOfText" => Location::FirstLineOfText,
        "lastLineOfText" => Location::LastLineOfText,
        "subject" => Location::Subject,
        "xHeader" => Location::XHeader,
        "portionMarking" => Location::Portion,
        "inputTitle" => Location::InputTitle,
        "waterMark" => Location::WaterMark,
        _ => return None,
    })
}

/// True when some marking data of the policy is for this location.
pub(super) fn has_location(policy: &Policy, location: Location) -> bool {
    let says = |rules: &MarkingRules| {
        let mut data = rules.data.iter();
        data.any(|entry| entry.locations.contains(&location))
    };
    says(&policy.marking)
        || says(&policy.class_marking)
        || policy.classes.iter().any(|class| says(&class.marking))
        || policy.tags.iter().any(|tag| says(&tag.marking))
        || policy.categories.iter().any(|one| says(&one.marking))
}

/// Foreground and background of a label's classification, as `#RRGGBB`; black on white without one.
pub fn colors(policy: &Policy, label: &Label) -> (String, String) {
    let class = label
        .classification
        .and_then(|value| policy.class_id(value))
        .and_then(|id| policy.class(id));
    let shown = |(red, green, blue)| format!("#{red:02X}{green:02X}{blue:02X}");
    let front = class
        .and_then(|class| rgb(class.foreground.as_deref()?))
        .map(shown);
    let Some((red, green, blue)) = class.and_then(|class| rgb(class.color.as_deref()?)) else {
        let black = || "#000000".to_owned();
        return (front.unwrap_or_else(black), "#FFFFFF".to_owned());
    };
    // Luma by ITU-R BT.601 in thousandths: light backgrounds get black text.
    let weigh = |part: u8, weight: u32| u32::from(part).saturating_mul(weight);
    let luma = weigh(red, 299)
        .saturating_add(weigh(green, 587))
        .saturating_add(weigh(blue, 114));
    let foreground = if luma >= 128_000 {
        "#000000"
    } else {
        "#FFFFFF"
    };
    (
        front.unwrap_or_else(|| foreground.to_owned()),
        shown((red, green, blue)),
    )
}

/// The colour as red, green, blue; `None` for a name outside the schema's list.
pub(super) fn rgb(color: &str) -> Option<(u8, u8, u8)> {
    if let Some(digits) = color.strip_prefix('#') {
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let part = |range| u8::from_str_radix(digits.get(range)?, 16).ok();
        return Some((part(0..2)?, part(2..4)?, part(4..6)?));
    }
    Some(match color.to_ascii_lowercase().as_str() {
        "aqua" => (0x00, 0xff, 0xff),
        "black" => (0x00, 0x00, 0x00),
        "blue" => (0x00, 0x00, 0xff),
        // The schema has it misspelt.
        "fuschia" | "fuchsia" => (0xff, 0x00, 0xff),
        "gray" => (0x80, 0x80, 0x80),
        "green" => (0x00, 0x80, 0x00),
        "lime" => (0x00, 0xff, 0x00),
        "maroon" => (0x80, 0x00, 0x00),
        "navy" => (0x00, 0x00, 0x80),
        "olive" => (0x80, 0x80, 0x00),
        "purple" => (0x80, 0x00, 0x80),
        "red" => (0xff, 0x00, 0x00),
        "silver" => (0xc0, 0xc0, 0xc0),
        "teal" => (0x00, 0x80, 0x80),
        "white" => (0xff, 0xff, 0xff),
        "yellow" => (0xff, 0xff, 0x00),
        _ => return None,
    })
}

/// The markingData and markingQualifier elements of one item of a policy.
#[derive(Clone, Debug, Default)]
pub(super) struct MarkingRules {
    pub(super) data: Vec<MarkingData>,
    pub(super) qualifiers: Vec<Qualifier>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct MarkingData {
    pub(super) language: Option<String>,
    pub(super) phrase: Option<String>,
    pub(super) locations: BTreeSet<Location>,
    pub(super) no_name: bool,
    pub(super) no_marking: bool,
    pub(super) suppress_class: bool,
    pub(super) replace_policy: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Qualifier {
    pub(super) language: Option<String>,
    pub(super) role: Role,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Before the last item (schema 3.0).
    FinalSeparator,
    Prefix,
    Separator,
    Suffix,
}

impl MarkingData {
    fn is_at(&self, location: Location) -> bool {
        self.locations.contains(&location)
            || (self.locations.is_empty() && location == Location::PageBottom)
    }
}

impl MarkingRules {
    /// The first entry, by language and then by document order, that is as wanted.
    fn find(
        &self,
        languages: &Languages,
        wanted: impl Fn(&MarkingData) -> bool,
    ) -> Option<&MarkingData> {
        languages.choose(&self.data, |entry| entry.language.as_deref(), wanted)
    }

    fn qualifier(&self, languages: &Languages, role: Role) -> Option<&str> {
        let same_role = |qualifier: &Qualifier| qualifier.role == role;
        languages
            .choose(
                &self.qualifiers,
                |qualifier| qualifier.language.as_deref(),
                same_role,
            )
            .map(|qualifier| qualifier.text.as_str())
    }

    /// The text of one item; empty when nothing is to be shown.
    fn text(&self, name: &str, location: Location, languages: &Languages) -> String {
        let never_named = || {
            self.find(languages, |entry| {
                entry.no_name && entry.locations.is_empty()
            })
            .is_some()
        };
        let shown = match self.find(languages, |entry| entry.is_at(location)) {
            None if never_named() => "",
            None => name,
            Some(entry) if entry.no_name && entry.replace_policy => "",
            Some(entry) if entry.replace_policy => name,
            Some(MarkingData {
                no_marking: false,
                phrase: Some(phrase),
                ..
            }) => phrase,
            Some(entry) if entry.no_name => "",
            Some(_) => name,
        };
        if shown.is_empty() {
            return String::new();
        }
        self.between(shown, languages)
    }

    fn between(&self, text: &str, languages: &Languages) -> String {
        let prefix = self.qualifier(languages, Role::Prefix).unwrap_or_default();
        let suffix = self.qualifier(languages, Role::Suffix).unwrap_or_default();
        format!("{prefix}{text}{suffix}")
    }

    /// The phrase that stands in place of the policy's name.
    fn policy_phrase(&self, languages: &Languages) -> Option<&str> {
        let entry = self.find(languages, |entry| entry.replace_policy)?;
        Some(entry.phrase.as_deref().unwrap_or_default())
    }
}

/// The languages to try, best first; none at all is the last.
struct Languages(Vec<Option<String>>);

impl Languages {
    fn new(language: Option<&str>) -> Self {
        let mut levels = Vec::new();
        if let Some(language) = language {
            levels.push(Some(language.to_owned()));
            if let Some((primary, _)) = language.split_once('-') {
                levels.push(Some(primary.to_owned()));
            }
        }
        levels.push(None);
        Self(levels)
    }

    fn choose<'a, T>(
        &self,
        entries: &'a [T],
        language: impl Fn(&T) -> Option<&str>,
        wanted: impl Fn(&T) -> bool,
    ) -> Option<&'a T> {
        let same = |entry: Option<&str>, level: &Option<String>| match (entry, level) {
            (None, None) => true,
            (Some(entry), Some(level)) => entry.eq_ignore_ascii_case(level),
            _ => false,
        };
        self.0.iter().find_map(|level| {
            entries
                .iter()
                .find(|entry| same(language(entry), level) && wanted(entry))
        })
    }
}

/// What of the policy is in the label.
struct Present {
    categories: BTreeSet<CategoryId>,
    unknown: Vec<String>,
}

impl Present {
    fn of(policy: &Policy, label: &Label) -> Self {
        let mut present = Self {
            categories: BTreeSet::new(),
            unknown: Vec::new(),
        };
        for category in &label.categories {
            for value in &category.values {
                match policy.category_id(&category.tag_set, category.kind, *value) {
                    Some(id) => {
                        present.categories.insert(id);
                    }
                    None => present
                        .unknown
                        .push(format!("?{} {} {value}?", category.tag_set, category.kind)),
                }
            }
        }
        present
    }

    fn known<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = &'a PolicyCategory> {
        self.categories.iter().filter_map(|id| policy.category(*id))
    }

    /// Document order: categories are numbered so, and so are their tags.
    fn by_tag<'a>(&self, policy: &'a Policy) -> Vec<(&'a Tag, Vec<&'a PolicyCategory>)> {
        let mut groups: Vec<(TagId, &Tag, Vec<&PolicyCategory>)> = Vec::new();
        for id in &self.categories {
            let Some(category) = policy.category(*id) else {
                continue;
            };
            match groups.last_mut() {
                Some((tag, _, members)) if *tag == category.tag => members.push(category),
                _ => {
                    if let Some(tag) = policy.tag(category.tag) {
                        groups.push((category.tag, tag, vec![category]));
                    }
                }
            }
        }
        groups
            .into_iter()
            .map(|(_, tag, members)| (tag, members))
            .collect()
    }
}

fn policy_text(policy: &Policy, label: &Label, present: &Present, languages: &Languages) -> String {
    if label.policy != Some(policy.oid) {
        return match label.policy {
            Some(oid) => format!("?{oid}?"),
            None => "?no policy?".to_owned(),
        };
    }
    let of_class = || {
        let class = policy.class(policy.class_id(label.classification?)?)?;
        class.marking.policy_phrase(languages)
    };
    let of_category = || {
        present
            .known(policy)
            .find_map(|category| category.marking.policy_phrase(languages))
    };
    policy
        .marking
        .policy_phrase(languages)
        .or_else(of_class)
        .or_else(of_category)
        .unwrap_or(&policy.name)
        .to_owned()
}

fn class_text(
    policy: &Policy,
    label: &Label,
    present: &Present,
    location: Location,
    languages: &Languages,
) -> String {
    let Some(value) = label.classification else {
        return "?no classification?".to_owned();
    };
    let Some(class) = policy.class_id(value).and_then(|id| policy.class(id)) else {
        return format!("?classification {value}?");
    };
    let suppressed = present.known(policy).any(|category| {
        category
            .marking
            .find(languages, |entry| {
                entry.suppress_class && entry.is_at(location)
            })
            .is_some()
    });
    if suppressed {
        return String::new();
    }
    let text = class.marking.text(&class.name, location, languages);
    if text.is_empty() {
        text
    } else {
        policy.class_marking.between(&text, languages)
    }
}

fn tag_text(
    tag: &Tag,
    categories: &[&PolicyCategory],
    location: Location,
    languages: &Languages,
) -> String {
    let separator = tag
        .marking
        .qualifier(languages, Role::Separator)
        .unwrap_or("/");
    let mut items: Vec<String> = Vec::new();
    for category in categories {
        let rules = if category.marking.data.is_empty() && !tag.marking.data.is_empty() {
            // The tag's qualifiers stand around the whole group, not around each value.
            MarkingRules {
                data: tag.marking.data.clone(),
                qualifiers: Vec::new(),
            }
        } else {
            category.marking.clone()
        };
        let item = rules.text(&category.name, location, languages);
        if !item.is_empty() {
            items.push(item);
        }
    }
    let last = tag.marking.qualifier(languages, Role::FinalSeparator);
    let mut text = Text::new(separator);
    let count = items.len();
    for (at, item) in items.iter().enumerate() {
        if at.saturating_add(1) == count {
            text.separator = last.unwrap_or(separator);
        }
        text.append(item);
    }
    if text.written.is_empty() {
        return String::new();
    }
    tag.marking.between(&text.written, languages)
}

/// Text that grows, with a separator before each further item.
struct Text<'a> {
    written: String,
    separator: &'a str,
}

impl<'a> Text<'a> {
    fn new(separator: &'a str) -> Self {
        Self {
            written: String::new(),
            separator,
        }
    }

    fn append(&mut self, item: &str) {
        if item.is_empty() {
            return;
        }
        if !self.written.is_empty() {
            self.written.push_str(self.separator);
        }
        self.written.push_str(item);
    }
}
