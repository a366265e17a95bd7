//! Duty: what goes wrong between two policies: labels that cannot be translated, that lose strength on
//! the way, or that do not come back.
//! Promises: [`translate`] itself is the judge: a finding is a translation that was really made or refused.
//! All labels up to a stated bound are tried, smallest first; each cause is reported once, with the
//! smallest label that shows it.
//! Standards: standards/labels.md section 9 ("safety conditions to check statically").

use std::collections::{BTreeMap, BTreeSet};

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use super::equivalence::{Direction, Effect, NotTranslatable, Translation, translate};
use super::lint::{Finding, Severity, cut_short, sorted};
use super::lint_mapping;
use super::policy::{Becomes, CategoryId, ClassId, Policy, RemoteRequirement, TagId};
use super::reason::Reason;
use super::search::{self, Labels, Wanted};
use super::validity::{category_value, class_value};
use super::value::{Kind, Label};
use super::xml::Place;

/// Examines the equivalences that `local` describes to and from `remote`, and whether the remote policy
/// describes the way there alike. For what the remote policy describes by itself, ask again the other way
/// round.
pub fn lint_pair(local: &Policy, remote: &Policy) -> Vec<Finding> {
    let mut work = Pair {
        local,
        remote,
        moments: search::moments(&[local, remote]),
        seen: BTreeSet::new(),
        found: Vec::new(),
    };
    let named = local.equivalents.iter();
    if !named.into_iter().any(|policy| policy.oid == remote.oid) {
        let text = format!("{} names no equivalence to {}", local.name, remote.name);
        let label = search::find(local, Wanted::default(), &work.moments).label();
        let id = "pair.no-equivalence";
        let finding = Finding::new(id, Severity::Error, local.own_element(), text);
        return vec![finding.shown_by(local, label)];
    }
    work.references();
    work.walk(Direction::Outbound);
    work.walk(Direction::Inbound);
    sorted(work.found)
}

struct Pair<'a> {
    local: &'a Policy,
    remote: &'a Policy,
    moments: Vec<Timestamp>,
    /// Causes that were reported: direction, identifier, element and value.
    seen: BTreeSet<(bool, &'static str, String, String)>,
    found: Vec<Finding>,
}

impl<'a> Pair<'a> {
    fn ends(&self, direction: Direction) -> (&'a Policy, &'a Policy) {
        match direction {
            Direction::Outbound => (self.local, self.remote),
            Direction::Inbound => (self.remote, self.local),
        }
    }

    /// Reports a cause once.
    fn say(&mut self, direction: Direction, finding: Finding, value: &str, label: &Label) {
        let outbound = direction == Direction::Outbound;
        let key = (
            outbound,
            finding.id,
            finding.element.clone(),
            value.to_owned(),
        );
        if self.seen.insert(key) {
            let (from, _) = self.ends(direction);
            self.found.push(finding.shown_by(from, Some(label.clone())));
        }
    }

    /// Numbers and names that the remote policy does not have. Discovered without a label, so that an
    /// element is examined even when no label gets that far.
    fn references(&mut self) {
        let (local, remote) = (self.local, self.remote);
        let mut required: Vec<&RemoteRequirement> = Vec::new();
        let policies = local.equivalents.iter();
        required.extend(
            policies
                .filter(|policy| policy.oid == remote.oid)
                .flat_map(|policy| &policy.required),
        );
        let mut dangling: Vec<(Place, &str, String, Option<Label>)> = Vec::new();
        for (at, class) in local.classes.iter().enumerate() {
            let entries = class.equivalents.iter();
            for entry in entries.filter(|entry| entry.policy == remote.oid) {
                required.extend(&entry.required);
                if remote.class_id(entry.value).is_none() {
                    let text = format!(
                        "{} becomes the classification {}, which {} does not have",
                        class_value(class),
                        entry.value,
                        remote.name
                    );
                    let label = self.with(Some(ClassId(at)), &[]);
                    dangling.push((entry.place, "equivalentClassification", text, label));
                }
            }
        }
        let sets = local.tag_sets.iter().flat_map(|set| &set.equivalents);
        required.extend(
            sets.filter(|set| set.policy == remote.oid)
                .flat_map(|set| &set.required),
        );
        for (at, category) in local.categories.iter().enumerate() {
            let entries = category.equivalents.iter();
            for entry in entries.filter(|entry| entry.policy == remote.oid) {
                if let Becomes::Category {
                    tag_set,
                    kind,
                    value,
                } = &entry.becomes
                    && remote.category_id(tag_set, *kind, *value).is_none()
                {
                    let text = format!(
                        "{} becomes {tag_set} {kind} {value}, which {} does not have",
                        category_value(local, category),
                        remote.name
                    );
                    let label = self.with(None, &[CategoryId(at)]);
                    dangling.push((entry.place, "equivalentSecCategoryTag", text, label));
                }
            }
        }
        for requirement in required {
            for group in &requirement.groups {
                let named = |at: &&super::policy::PolicyCategory| {
                    let tag = remote.tag(at.tag);
                    let set = tag.and_then(|tag| remote.tag_sets.get(tag.set));
                    set.is_some_and(|set| set.name == group.tag_set)
                        && tag.and_then(|tag| tag.kind).map(Kind::meaning) == Some(group.kind)
                        && (group.value.is_none() || at.value == group.value)
                };
                if !remote.categories.iter().any(|at| named(&at)) {
                    let text = format!(
                        "a requirement asks for {} {} {}, which {} does not have",
                        group.tag_set,
                        group.kind,
                        group
                            .value
                            .map_or("all".to_owned(), |value| value.to_string()),
                        remote.name
                    );
                    let label = self.with(None, &[]);
                    dangling.push((requirement.place, "requiredCategory", text, label));
                }
            }
        }
        for (place, element, text, label) in dangling {
            let element = local.element(place, element, "");
            let finding = Finding::new("pair.unresolved", Severity::Error, element, text);
            self.found.push(finding.shown_by(local, label));
        }
    }

    /// A small local label with this classification or these categories.
    fn with(&self, class: Option<ClassId>, categories: &[CategoryId]) -> Option<Label> {
        let wanted = Wanted {
            class,
            categories,
            reader: None,
        };
        search::find(self.local, wanted, &self.moments).label()
    }

    fn walk(&mut self, direction: Direction) {
        let (from, to) = self.ends(direction);
        let all = search::labels(from, &self.moments);
        let mut classes: BTreeMap<i64, (u64, u64, Label)> = BTreeMap::new();
        let mut targets: BTreeMap<Option<u64>, u64> = BTreeMap::new();
        for (label, at) in &all.labels {
            let times = std::iter::once(at).chain(&self.moments);
            let mut refused = None;
            let mut made = None;
            for at in times {
                match translate(from, to, label, direction, *at) {
                    Ok(translation) => {
                        made = Some((translation, *at));
                        break;
                    }
                    Err(refusal) => refused = refused.or(Some(refusal)),
                }
            }
            match (made, refused) {
                (Some((translation, at)), _) => {
                    if let (Some(one), Some(two)) =
                        (label.classification, translation.label.classification)
                        && targets.insert(Some(one), two).is_none()
                        && let Some(class) = from.class_id(one).and_then(|id| from.class(id))
                    {
                        classes.insert(class.hierarchy, (one, two, label.clone()));
                    }
                    self.translated(direction, label, &translation, at);
                    self.mapping(direction, label, Ok(&translation), at);
                }
                (None, Some(refusal)) => {
                    self.refused(direction, label, &refusal);
                    self.mapping(direction, label, Err(&refusal), *at);
                }
                (None, None) => {}
            }
        }
        self.order(direction, &classes);
        if let Some(values) = all.cut_after {
            let text = format!(
                "translation {} {}: {}",
                preposition(direction),
                self.remote.name,
                Labels::bound(values)
            );
            self.found.push(cut_short(from.own_element(), text));
        }
    }

    /// For the way out: the other policy may describe the same way, as its way in.
    fn mapping(
        &mut self,
        direction: Direction,
        label: &Label,
        sent: Result<&Translation, &NotTranslatable>,
        at: Timestamp,
    ) {
        if direction == Direction::Outbound
            && let Some((finding, cause)) =
                lint_mapping::disagreement(self.local, self.remote, label, sent, at)
        {
            self.say(direction, finding, &cause, label);
        }
    }

    fn refused(&mut self, direction: Direction, label: &Label, refusal: &NotTranslatable) {
        for reason in &refusal.reasons {
            let (id, severity) = match reason.id {
                "translation.no-classification" | "translation.no-category" => (
                    "pair.untranslatable",
                    match direction {
                        Direction::Outbound => Severity::Warning,
                        Direction::Inbound => Severity::Note,
                    },
                ),
                "translation.weaker-kind" => ("pair.weaker-kind", Severity::Error),
                "translation.and-becomes-or" => ("pair.and-to-or", Severity::Warning),
                "translation.ambiguous" => ("pair.ambiguous", Severity::Warning),
                "translation.required-missing" => ("pair.required-missing", Severity::Warning),
                // Reported by `references`, with the element and no need of a label.
                "translation.target-unknown" => continue,
                // The label is valid where it comes from: what is broken is the result.
                _ => ("pair.invalid-at-target", Severity::Warning),
            };
            let text = format!(
                "{} {}: {}",
                preposition(direction),
                self.remote.name,
                told(reason)
            );
            let finding = Finding::new(id, severity, reason.element.clone(), text);
            // The text of a broken rule at the target names the rule; the label's own values vary.
            let value = match id {
                "pair.invalid-at-target" => reason.text.clone(),
                _ => reason.label.clone(),
            };
            self.say(direction, finding, &value, label);
        }
    }

    fn translated(
        &mut self,
        direction: Direction,
        label: &Label,
        translation: &Translation,
        at: Timestamp,
    ) {
        let to = preposition(direction);
        let name = self.remote.name.clone();
        for step in &translation.trace {
            let (id, severity, text) = match step.effect {
                Effect::Downgrades => (
                    "pair.downgrade",
                    Severity::Error,
                    format!(
                        "{to} {name}: {} is dropped, so that more people may read",
                        step.from
                    ),
                ),
                Effect::Widens => (
                    "pair.one-to-many",
                    Severity::Warning,
                    format!(
                        "{to} {name}: {} becomes several values of one kind, {} among them: a reader \
                         needs only one",
                        step.from, step.to
                    ),
                ),
                Effect::Adds | Effect::Keeps | Effect::LeavesOut => continue,
            };
            let finding = Finding::new(id, severity, step.element.clone(), text);
            self.say(direction, finding, &step.from, label);
        }
        if direction == Direction::Outbound {
            self.round_trip(label, translation, at);
        }
    }

    fn round_trip(&mut self, label: &Label, out: &Translation, at: Timestamp) {
        let (local, remote) = (self.local, self.remote);
        let direction = Direction::Outbound;
        let shown = super::naming::write_label(remote, &out.label);
        let back = match translate(remote, local, &out.label, Direction::Inbound, at) {
            Ok(back) => back.label,
            Err(refusal) => {
                for reason in &refusal.reasons {
                    let text = format!(
                        "\"{}\" goes out to {} as \"{shown}\" and cannot come back: {}",
                        super::naming::write_label(local, label),
                        remote.name,
                        told(reason)
                    );
                    let element = reason.element.clone();
                    let id = "pair.direction-hole";
                    let finding = Finding::new(id, Severity::Warning, element, text);
                    self.say(direction, finding, &reason.label, label);
                }
                return;
            }
        };
        let (went, came) = (bare(label), bare(&back));
        if went == came {
            return;
        }
        let (severity, how) = match loss(local, &went, &came) {
            Loss::Weaker => (Severity::Error, "weaker"),
            Loss::ForPeople => (
                Severity::Note,
                "without something that does not bear on access",
            ),
            Loss::Stricter => (Severity::Note, "not the same, but not weaker"),
        };
        let text = format!(
            "\"{}\" goes out to {} as \"{shown}\" and comes back as \"{}\": {how}",
            super::naming::write_label(local, label),
            remote.name,
            super::naming::write_label(local, &back)
        );
        let (one, two) = (
            search::categories_of(local, label),
            search::categories_of(local, &back),
        );
        let difference: Vec<_> = one.symmetric_difference(&two).collect();
        let element = match difference.first().and_then(|id| local.category(**id)) {
            Some(category) => local.category_element(category),
            None => label
                .classification
                .and_then(|value| local.class(local.class_id(value)?))
                .map_or_else(|| local.own_element(), |class| local.class_element(class)),
        };
        // What differs is the cause; what else the label has is not.
        let classes = (went.classification != came.classification)
            .then_some((went.classification, came.classification));
        let value = format!("{classes:?} {difference:?}");
        let finding = Finding::new("pair.round-trip-loss", severity, element, text);
        self.say(direction, finding, &value, label);
    }

    /// A higher classification that becomes a lower one than its inferior does.
    fn order(&mut self, direction: Direction, classes: &BTreeMap<i64, (u64, u64, Label)>) {
        let (from, to) = self.ends(direction);
        let rank = |value: u64| Some(to.class(to.class_id(value)?)?.hierarchy);
        let mut highest: Option<(i64, u64, u64)> = None;
        for (one, two, label) in classes.values() {
            let Some(height) = rank(*two) else { continue };
            match highest {
                Some((above, lower, target)) if height < above => {
                    let name = |policy: &Policy, value| {
                        let name = policy.classification_name(value);
                        name.unwrap_or_default().to_owned()
                    };
                    let text = format!(
                        "{} {}: {} is above {}, but becomes {}, which is below {}",
                        preposition(direction),
                        self.remote.name,
                        name(from, *one),
                        name(from, lower),
                        name(to, *two),
                        name(to, target)
                    );
                    let class = from.class_id(*one).and_then(|id| from.class(id));
                    let element =
                        class.map_or_else(|| from.own_element(), |class| from.class_element(class));
                    let id = "pair.order-inverted";
                    let finding = Finding::new(id, Severity::Error, element, text);
                    self.say(direction, finding, "", label);
                }
                _ => highest = Some((height, *one, *two)),
            }
        }
    }
}

fn preposition(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "to",
        Direction::Inbound => "from",
    }
}

fn told(reason: &Reason) -> String {
    if reason.label.is_empty() || reason.text.contains(&reason.label) {
        return reason.text.clone();
    }
    format!("{} ({})", reason.text, reason.label)
}

/// Without the privacy mark, which a translation copies only by the target's list.
fn bare(label: &Label) -> Label {
    Label {
        privacy_mark: None,
        ..label.clone()
    }
}

enum Loss {
    ForPeople,
    Stricter,
    Weaker,
}

/// Compares two labels of one policy by who may read them.
fn loss(policy: &Policy, went: &Label, came: &Label) -> Loss {
    let height = |label: &Label| {
        let class = policy.class(policy.class_id(label.classification?)?)?;
        Some(class.hierarchy)
    };
    let categories = |label: &Label| search::categories_of(policy, label);
    let (went_set, came_set) = (categories(went), categories(came));
    let kind = |id: &super::policy::CategoryId| {
        let category = policy.category(*id)?;
        policy.tag(category.tag)?.kind
    };
    let restrictive_lost = went_set
        .difference(&came_set)
        .any(|id| kind(id).is_some_and(Kind::is_restrictive));
    let mut groups: BTreeMap<TagId, [BTreeSet<_>; 2]> = BTreeMap::new();
    for (at, set) in [&went_set, &came_set].into_iter().enumerate() {
        for id in set {
            if kind(id).is_some_and(Kind::is_permissive)
                && let Some(category) = policy.category(*id)
                && let Some(values) = groups.entry(category.tag).or_default().get_mut(at)
            {
                values.insert(*id);
            }
        }
    }
    // A group may vanish only when it was not there, and may not gain values.
    let group_lost = groups.values().any(|[before, after]| {
        !before.is_empty() && (after.is_empty() || !after.is_subset(before))
    });
    if height(came) < height(went) || restrictive_lost || group_lost {
        return Loss::Weaker;
    }
    let relevant = |label: &Label| -> Vec<(ObjectIdentifier, Kind, BTreeSet<u128>)> {
        let entries = label.categories.iter();
        entries
            .filter(|entry| !entry.kind.is_informative())
            .map(|entry| (entry.tag_set, entry.kind, entry.values.clone()))
            .collect()
    };
    if went.classification == came.classification && relevant(went) == relevant(came) {
        return Loss::ForPeople;
    }
    Loss::Stricter
}
