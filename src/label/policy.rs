//! Duty: a label policy as the rest of the room uses it: compiled, with every reference resolved.
//! Promises: each element knows its line in the file; classes, tags and categories are dense numbers
//! in document order; look-ups of wire values are one step.
//! Refuses: two policies with one object identifier or one name.
//! Standards: Open XML SPIF 2.1 (the reader is `spif`), X.841.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;
use thiserror::Error;

use super::category::CategorySyntax;
use super::compiled::Masks;
use super::marking::MarkingRules;
use super::spif;
use super::validity::Mode;
use super::value::Kind;
use super::xml::Place;

/// Why a policy could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}:{column}: {text}")]
pub struct PolicyError {
    /// The file, as it was named when loading.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong and what would mend it.
    pub text: String,
}

/// Something odd in a policy that does not change any decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What.
    pub text: String,
}

/// A compiled label policy.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) file: String,
    pub(super) place: Place,
    pub(super) oid: ObjectIdentifier,
    pub(super) name: String,
    pub(super) version: u64,
    /// As it was read: a reload of the same octets is no change.
    pub(super) octets: Arc<[u8]>,
    pub(super) created: Option<String>,
    pub(super) window: Window,
    /// What rbacId names: the syntax of categories in labels.
    pub(super) label_syntax: Option<CategorySyntax>,
    /// What privilegeId names: the syntax of categories in clearances.
    pub(super) clearance_syntax: Option<CategorySyntax>,
    /// What counts for a label that names no policy (X.841 defaultSecurityPolicyIdData).
    pub(super) default_policy: Option<ObjectIdentifier>,
    pub(super) options: Options,
    pub(super) classes: Vec<Class>,
    pub(super) tag_sets: Vec<TagSet>,
    pub(super) tags: Vec<Tag>,
    pub(super) categories: Vec<PolicyCategory>,
    pub(super) privacy_marks: Option<Vec<PolicyMark>>,
    pub(super) equivalents: Vec<EquivalentPolicy>,
    pub(super) marking: MarkingRules,
    pub(super) class_marking: MarkingRules,
    pub(super) warnings: Vec<Warning>,
    pub(super) class_by_value: HashMap<u64, ClassId>,
    pub(super) category_by_value: HashMap<(ObjectIdentifier, Kind, u128), CategoryId>,
    pub(super) masks: Masks,
}

/// Where the standards leave a choice to the site. Every choice that is not made is the one that the
/// standard has for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Categories may be in any known syntax, whatever rbacId and privilegeId name.
    pub any_category_syntax: bool,
    /// Informative values without an equivalent are left out when a label is translated.
    pub drop_informative: bool,
    /// A tag with minSelection must be used, not only filled when it is used.
    pub minimum_always: bool,
    /// A privacy mark must be one of the policy's list, when it has a list.
    pub strict_privacy_marks: bool,
}

impl Policy {
    /// The same policy with the site's choices.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Reads an Open XML SPIF (2.0, 2.1, 3.0). `file` is the name used in errors and reasons.
    ///
    /// Published policies have a few habits that the schema forbids but that change no decision (no
    /// namespace, absent head attributes, other colour names); those become [`warnings`](Self::warnings).
    ///
    /// # Errors
    /// When anything is misspelt, unresolved, duplicated or unknown.
    pub fn from_spif(xml: &[u8], file: &str) -> Result<Self, PolicyError> {
        spif::read(xml, file)
    }

    /// As [`from_spif`](Self::from_spif), and every warning is an error.
    ///
    /// # Errors
    /// When there is any error or warning.
    pub fn from_spif_strictly(xml: &[u8], file: &str) -> Result<Self, PolicyError> {
        let policy = spif::read(xml, file)?;
        match policy.warnings.first() {
            None => Ok(policy),
            Some(Warning { place, text }) => Err(PolicyError {
                file: file.to_owned(),
                line: place.line,
                column: place.column,
                text: text.clone(),
            }),
        }
    }

    /// The policy's object identifier.
    pub fn oid(&self) -> ObjectIdentifier {
        self.oid
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version number that the file states; 1 when it states none.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The creation date that the file states, as written.
    pub fn created(&self) -> Option<&str> {
        self.created.as_deref()
    }

    /// The file name given when loading.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What is odd in the file, but changes no decision.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The name and number of each classification, in document order.
    pub fn classifications(&self) -> impl Iterator<Item = (&str, u64)> {
        self.classes
            .iter()
            .map(|class| (class.name.as_str(), class.value))
    }

    /// The name of the classification with this number.
    pub fn classification_name(&self, value: u64) -> Option<&str> {
        Some(&self.class(self.class_id(value)?)?.name)
    }

    /// The colour of the classification with this number, as written.
    pub fn classification_color(&self, value: u64) -> Option<&str> {
        self.class(self.class_id(value)?)?.color.as_deref()
    }

    /// The tag set name, tag name and category name of this wire value.
    pub fn category_names(
        &self,
        tag_set: &ObjectIdentifier,
        kind: Kind,
        value: u128,
    ) -> Option<(&str, Option<&str>, &str)> {
        let category = self.category(self.category_id(tag_set, kind, value)?)?;
        let tag = self.tag(category.tag)?;
        let set = self.tag_sets.get(tag.set)?;
        Some((&set.name, tag.name.as_deref(), &category.name))
    }

    /// The privacy marks that the policy lists; `None` when it has no list.
    pub fn privacy_marks(&self) -> Option<impl Iterator<Item = &str>> {
        self.privacy_marks
            .as_ref()
            .map(|marks| marks.iter().map(|mark| mark.name.as_str()))
    }

    /// True when a tag of this set takes the text without a number: as a value that people type, or as the
    /// name of a category that has no wire form (notApplicable).
    pub(super) fn takes_text(&self, set: usize, text: &str) -> bool {
        self.categories.iter().any(|category| {
            let tag = self.tag(category.tag).filter(|tag| tag.set == set);
            let named = |tag: &Tag| tag.kind.is_none() && category.name.eq_ignore_ascii_case(text);
            let typed = category.typed.is_some_and(|typed| typed.accepts(text));
            tag.is_some_and(|tag| typed || named(tag))
        })
    }

    /// True when the list of privacy marks has this one; a new label may not have an obsolete one. A policy
    /// without a list, or a site that is not strict, allows every mark.
    pub(super) fn allows_mark(&self, mark: &str, mode: Mode) -> bool {
        let listed = |marks: &Vec<PolicyMark>| {
            marks
                .iter()
                .any(|one| one.name == mark && !(one.obsolete && mode == Mode::Origination))
        };
        !self.options.strict_privacy_marks || self.privacy_marks.as_ref().is_none_or(listed)
    }

    /// The one kind that the enumerated tags of a tag set have.
    pub(super) fn enumerated_kind(&self, tag_set: &ObjectIdentifier) -> Option<Kind> {
        let set = self.tag_sets.iter().position(|set| set.oid == *tag_set)?;
        let of_set = self
            .tags
            .iter()
            .filter(|tag| tag.set == set)
            .filter_map(|tag| tag.kind);
        let mut kinds = of_set.filter(|kind| {
            matches!(
                kind,
                Kind::EnumeratedRestrictive | Kind::EnumeratedPermissive
            )
        });
        let first = kinds.next()?;
        kinds.all(|kind| kind == first).then_some(first)
    }

    pub(super) fn class_id(&self, value: u64) -> Option<ClassId> {
        self.class_by_value.get(&value).copied()
    }

    pub(super) fn class(&self, id: ClassId) -> Option<&Class> {
        self.classes.get(id.0)
    }

    pub(super) fn category_id(
        &self,
        tag_set: &ObjectIdentifier,
        kind: Kind,
        value: u128,
    ) -> Option<CategoryId> {
        self.category_by_value
            .get(&(*tag_set, kind.meaning(), value))
            .copied()
    }

    pub(super) fn category(&self, id: CategoryId) -> Option<&PolicyCategory> {
        self.categories.get(id.0)
    }

    pub(super) fn tag(&self, id: TagId) -> Option<&Tag> {
        self.tags.get(id.0)
    }

    /// `alder.xml:42 <tagCategory name="BEACON">`.
    pub(super) fn element(&self, place: Place, element: &str, name: &str) -> String {
        if name.is_empty() {
            return format!("{}:{} <{element}>", self.file, place.line);
        }
        format!("{}:{} <{element} name=\"{name}\">", self.file, place.line)
    }

    /// The element that stands for the whole policy.
    pub(super) fn own_element(&self) -> String {
        self.element(self.place, "securityPolicyId", &self.name)
    }

    pub(super) fn class_element(&self, class: &Class) -> String {
        self.element(class.place, "securityClassification", &class.name)
    }

    pub(super) fn category_element(&self, category: &PolicyCategory) -> String {
        self.element(category.place, "tagCategory", &category.name)
    }

    pub(super) fn tag_element(&self, tag: &Tag) -> String {
        self.element(tag.place, "securityCategoryTag", self.tag_name(tag))
    }

    /// The tag's own name, else that of its set.
    pub(super) fn tag_name<'a>(&'a self, tag: &'a Tag) -> &'a str {
        tag.name
            .as_deref()
            .or_else(|| self.tag_sets.get(tag.set).map(|set| set.name.as_str()))
            .unwrap_or_default()
    }
}

/// Several policies, found by object identifier or name.
#[derive(Clone, Debug, Default)]
pub struct Policies(Vec<Policy>);

/// Two policies that cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{second} has the same object identifier or name as {first}; load one of them")]
pub struct PolicyConflict {
    /// The file of the first.
    pub first: String,
    /// The file of the second.
    pub second: String,
}

impl Policies {
    /// Puts policies together.
    ///
    /// # Errors
    /// When two have one object identifier, or names that differ at most in case.
    pub fn new(policies: Vec<Policy>) -> Result<Self, PolicyConflict> {
        let mut accepted: Vec<Policy> = Vec::with_capacity(policies.len());
        for policy in policies {
            let same = |other: &&Policy| {
                other.oid == policy.oid || other.name.eq_ignore_ascii_case(&policy.name)
            };
            if let Some(other) = accepted.iter().find(same) {
                return Err(PolicyConflict {
                    first: other.file.clone(),
                    second: policy.file,
                });
            }
            accepted.push(policy);
        }
        Ok(Self(accepted))
    }

    /// The policy with this object identifier.
    pub fn get(&self, oid: &ObjectIdentifier) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.oid == *oid)
    }

    /// The policy with this name, without regard to case.
    pub fn by_name(&self, name: &str) -> Option<&Policy> {
        self.0
            .iter()
            .find(|policy| policy.name.eq_ignore_ascii_case(name))
    }

    /// The policy of a label that names none: the one default that the loaded policies state, if it is
    /// loaded itself.
    pub fn default_policy(&self) -> Option<&Policy> {
        let mut stated = self.0.iter().filter_map(|policy| policy.default_policy);
        let first = stated.next()?;
        if stated.any(|other| other != first) {
            return None;
        }
        self.get(&first)
    }

    /// Each policy in the order given.
    pub fn iter(&self) -> std::slice::Iter<'_, Policy> {
        self.0.iter()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClassId(pub(super) usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TagId(pub(super) usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CategoryId(pub(super) usize);

/// From when until when; an open end has no bound.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    pub(super) not_before: Option<Timestamp>,
    pub(super) not_after: Option<Timestamp>,
}

impl Window {
    pub(super) fn contains(&self, at: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= at)
            && self.not_after.is_none_or(|end| at <= end)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) value: u64,
    pub(super) hierarchy: i64,
    /// The background.
    pub(super) color: Option<String>,
    /// Open XML SPIF 3.0 names it; else it follows from the background.
    pub(super) foreground: Option<String>,
    pub(super) obsolete: bool,
    pub(super) required: Vec<Requirement>,
    /// Open XML SPIF 3.0: categories that may not stand with the classification.
    pub(super) excluded: Vec<Group>,
    pub(super) equivalents: Vec<ClassEquivalence>,
    pub(super) marking: MarkingRules,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) struct TagSet {
    pub(super) name: String,
    pub(super) oid: ObjectIdentifier,
    pub(super) equivalents: Vec<SetEquivalence>,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) struct Tag {
    pub(super) set: usize,
    pub(super) name: Option<String>,
    /// `None` for tagType notApplicable: nothing on the wire.
    pub(super) kind: Option<Kind>,
    pub(super) minimum: u64,
    pub(super) maximum: Option<u64>,
    pub(super) marking: MarkingRules,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) struct PolicyCategory {
    pub(super) tag: TagId,
    pub(super) name: String,
    /// `None` for a value that the user types: it has no binary form.
    pub(super) value: Option<u128>,
    /// What people may type here.
    pub(super) typed: Option<Typed>,
    pub(super) obsolete: bool,
    pub(super) window: Window,
    pub(super) required_class: Option<ClassId>,
    pub(super) excluded_classes: BTreeSet<ClassId>,
    pub(super) required: Vec<Requirement>,
    pub(super) excluded: Vec<Group>,
    pub(super) equivalents: Vec<CategoryEquivalence>,
    pub(super) marking: MarkingRules,
    pub(super) place: Place,
}

/// A value that people type, for people: it stands in XML labels only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Date,
    Integer,
    Text,
}

impl Typed {
    /// True when the text is such a value. A date is one of ISO 8601, with or without a time.
    pub(super) fn accepts(self, text: &str) -> bool {
        match self {
            Typed::Date => {
                text.parse::<jiff::civil::Date>().is_ok() || text.parse::<Timestamp>().is_ok()
            }
            Typed::Integer => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
            }
            Typed::Text => !text.is_empty(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct PolicyMark {
    pub(super) name: String,
    pub(super) obsolete: bool,
}

/// How many groups of a requirement must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    OnlyOne,
    OneOrMore,
    All,
}

impl Operation {
    /// Decides from the number of groups that match and the number there are.
    pub(super) fn holds(self, matching: usize, all: usize) -> bool {
        match self {
            Operation::OnlyOne => matching == 1,
            Operation::OneOrMore => matching >= 1,
            Operation::All => all > 0 && matching == all,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Requirement {
    pub(super) operation: Operation,
    pub(super) groups: Vec<Group>,
    pub(super) place: Place,
}

/// A group matches a label that has one of the members.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) members: BTreeSet<CategoryId>,
    /// For people: `Ethics permissive 0`.
    pub(super) text: String,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) struct EquivalentPolicy {
    pub(super) name: String,
    pub(super) oid: ObjectIdentifier,
    pub(super) required: Vec<RemoteRequirement>,
}

/// In which direction an equivalence may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    Encrypt,
    Decrypt,
    Both,
}

impl Applied {
    pub(super) fn outbound(self) -> bool {
        matches!(self, Applied::Encrypt | Applied::Both)
    }

    pub(super) fn inbound(self) -> bool {
        matches!(self, Applied::Decrypt | Applied::Both)
    }
}

#[derive(Clone, Debug)]
pub(super) struct ClassEquivalence {
    pub(super) policy: ObjectIdentifier,
    pub(super) value: u64,
    pub(super) applied: Applied,
    pub(super) required: Vec<RemoteRequirement>,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) struct CategoryEquivalence {
    pub(super) policy: ObjectIdentifier,
    pub(super) applied: Applied,
    pub(super) becomes: Becomes,
    pub(super) place: Place,
}

/// What a category turns into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    Category {
        tag_set: ObjectIdentifier,
        kind: Kind,
        value: u128,
    },
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) struct SetEquivalence {
    pub(super) policy: ObjectIdentifier,
    pub(super) required: Vec<RemoteRequirement>,
}

/// A requirement on the other policy's categories; resolved when that policy is at hand.
#[derive(Clone, Debug)]
pub(super) struct RemoteRequirement {
    pub(super) operation: Operation,
    pub(super) groups: Vec<RemoteGroup>,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) struct RemoteGroup {
    pub(super) tag_set: String,
    pub(super) kind: Kind,
    pub(super) value: Option<u128>,
}
