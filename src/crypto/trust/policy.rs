//! Certificate policies along a path: the valid policy graph.
//!
//! Promises: the work grows with the number of policies, not with their combinations (a graph, not
//! the tree of RFC 5280). Refuses: mappings to or from anyPolicy, more policies than a certificate
//! can have use for, extensions that do not parse.
//! Standards: RFC 9618 §5 (which replaces RFC 5280 §6.1.2 (a), §6.1.3 (d) to (f), §6.1.4 (a) and
//! (b), §6.1.5 (g)), RFC 5280 §4.2.1.4, §4.2.1.5, §4.2.1.11, §4.2.1.14.

use std::collections::{BTreeMap, BTreeSet};

use const_oid::AssociatedOid;
use der::Decode;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::{
    CertificatePolicies, InhibitAnyPolicy, PolicyConstraints, PolicyMappings,
};

use super::TrustProblem;
use crate::crypto::certificate::Certificate;

/// anyPolicy (RFC 5280 §4.2.1.4).
pub(super) const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");

/// Policies, and mappings, that one certificate may carry.
const MOST_POLICIES: usize = 128;

/// What is asked of certificate policies: the inputs (c), (e), (f), (g) of RFC 5280 §6.1.1.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyRules {
    /// The policies that are acceptable; none means any.
    pub acceptable: Option<BTreeSet<ObjectIdentifier>>,
    /// The path must be valid for one of them.
    pub explicit: bool,
    /// anyPolicy in certificates counts for nothing.
    pub inhibit_any: bool,
    /// Mappings count for nothing.
    pub inhibit_mapping: bool,
}

impl PolicyRules {
    /// Narrows the acceptable policies to those that are also in `others`; none means any.
    pub(super) fn narrow(&mut self, others: Option<&BTreeSet<ObjectIdentifier>>) {
        let Some(others) = others else { return };
        self.acceptable = Some(match &self.acceptable {
            None => others.clone(),
            Some(own) => own.intersection(others).copied().collect(),
        });
    }
}

/// One policy at one depth.
struct Node {
    /// What the next certificate may call it.
    expected: BTreeSet<ObjectIdentifier>,
    /// The policies one depth above that lead here.
    parents: BTreeSet<ObjectIdentifier>,
}

type Level = BTreeMap<ObjectIdentifier, Node>;

/// The state of policy processing, so far down the path.
pub(super) struct Policies {
    /// One level for each certificate, the first of them for the anchor; none: no policy is valid.
    graph: Option<Vec<Level>>,
    explicit: usize,
    mapping: usize,
    any: usize,
    acceptable: Option<BTreeSet<ObjectIdentifier>>,
}

impl Policies {
    /// For a path of `length` certificates below the anchor.
    // RFC 9618 §5.2; RFC 5280 §6.1.2 (d) to (f)
    pub(super) fn new(rules: &PolicyRules, length: usize) -> Self {
        let counter = |at_once| match at_once {
            true => 0,
            false => length.saturating_add(1),
        };
        let root = Node {
            expected: BTreeSet::from([ANY_POLICY]),
            parents: BTreeSet::new(),
        };
        Self {
            graph: Some(vec![Level::from([(ANY_POLICY, root)])]),
            explicit: counter(rules.explicit),
            mapping: counter(rules.inhibit_mapping),
            any: counter(rules.inhibit_any),
            acceptable: rules.acceptable.clone(),
        }
    }

    /// Takes over the counters that an anchor's own certificate sets.
    // RFC 5937 §3.2: the anchor's constraints count like those of an authority.
    pub(super) fn begin_below(&mut self, anchor: &Certificate) -> Result<(), TrustProblem> {
        self.tighten(anchor)
    }

    /// Takes the policies of the next certificate into the graph.
    // RFC 9618 §5.3; RFC 5280 §6.1.3 (d) to (f)
    pub(super) fn enter(
        &mut self,
        certificate: &Certificate,
        last: bool,
        self_issued: bool,
    ) -> Result<(), TrustProblem> {
        match read::<CertificatePolicies>(certificate)? {
            None => self.graph = None,
            Some(CertificatePolicies(list)) => {
                let named: BTreeSet<_> = list.iter().map(|item| item.policy_identifier).collect();
                // RFC 5280 §4.2.1.4: a policy stands in the list once.
                if named.len() != list.len() || list.len() > MOST_POLICIES {
                    return Err(bad(certificate, "certificatePolicies", "repeats itself"));
                }
                let any_counts = self.any > 0 || (!last && self_issued);
                if let Some(graph) = &mut self.graph {
                    let above = graph.last().ok_or_else(|| unreadable(certificate))?;
                    let level = next_level(above, &named, any_counts);
                    graph.push(level);
                }
                self.prune();
            }
        }
        if self.explicit == 0 && self.graph.is_none() {
            return Err(TrustProblem::PolicyRequired {
                certificate: certificate.subject(),
            });
        }
        Ok(())
    }

    /// What this authority says for those below it.
    // RFC 9618 §5.4; RFC 5280 §6.1.4 (a), (b), (h) to (j)
    pub(super) fn descend(
        &mut self,
        certificate: &Certificate,
        self_issued: bool,
    ) -> Result<(), TrustProblem> {
        if let Some(PolicyMappings(list)) = read::<PolicyMappings>(certificate)? {
            if list.len() > MOST_POLICIES {
                return Err(bad(certificate, "policyMappings", "is too long"));
            }
            let mut mapped: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
            for item in &list {
                // RFC 5280 §6.1.4 (a)
                if item.issuer_domain_policy == ANY_POLICY
                    || item.subject_domain_policy == ANY_POLICY
                {
                    return Err(bad(certificate, "policyMappings", "maps anyPolicy"));
                }
                mapped
                    .entry(item.issuer_domain_policy)
                    .or_default()
                    .insert(item.subject_domain_policy);
            }
            self.map(mapped);
        }
        if !self_issued {
            // RFC 5280 §6.1.4 (h)
            self.explicit = self.explicit.saturating_sub(1);
            self.mapping = self.mapping.saturating_sub(1);
            self.any = self.any.saturating_sub(1);
        }
        self.tighten(certificate)
    }

    fn map(&mut self, mapped: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>>) {
        let counts = self.mapping > 0;
        let Some(level) = self.graph.as_mut().and_then(|graph| graph.last_mut()) else {
            return;
        };
        let from_any = level.get(&ANY_POLICY).map(|node| node.parents.clone());
        for (policy, subjects) in mapped {
            if !counts {
                // RFC 9618 §5.4 (b)(2)
                level.remove(&policy);
            } else if let Some(node) = level.get_mut(&policy) {
                node.expected = subjects;
            } else if let Some(parents) = &from_any {
                // RFC 9618 §5.4 (b)(1): as if the authority had named it.
                let parents = parents.clone();
                level.insert(
                    policy,
                    Node {
                        expected: subjects,
                        parents,
                    },
                );
            }
        }
        self.prune();
    }

    // RFC 5280 §6.1.4 (i), (j)
    fn tighten(&mut self, certificate: &Certificate) -> Result<(), TrustProblem> {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(own) = read::<PolicyConstraints>(certificate)? {
            if let Some(skip) = own.require_explicit_policy {
                self.explicit = self.explicit.min(count(skip));
            }
            if let Some(skip) = own.inhibit_policy_mapping {
                self.mapping = self.mapping.min(count(skip));
            }
        }
        if let Some(InhibitAnyPolicy(skip)) = read::<InhibitAnyPolicy>(certificate)? {
            self.any = self.any.min(count(skip));
        }
        Ok(())
    }

    /// After the last certificate: the policies under which the path is valid.
    // RFC 9618 §5.6; RFC 5280 §6.1.5 (a), (b), (g)
    pub(super) fn finish(
        mut self,
        certificate: &Certificate,
    ) -> Result<Vec<ObjectIdentifier>, TrustProblem> {
        self.explicit = self.explicit.saturating_sub(1);
        let own = read::<PolicyConstraints>(certificate)?;
        if own.and_then(|own| own.require_explicit_policy) == Some(0) {
            self.explicit = 0;
        }
        let valid = self.under_acceptable();
        if self.explicit == 0 && valid.is_empty() {
            return Err(TrustProblem::PolicyRequired {
                certificate: certificate.subject(),
            });
        }
        Ok(valid.into_iter().collect())
    }

    fn under_acceptable(&self) -> BTreeSet<ObjectIdentifier> {
        let Some(graph) = &self.graph else {
            return BTreeSet::new();
        };
        let any_at_end = graph
            .last()
            .is_some_and(|level| level.contains_key(&ANY_POLICY));
        // In the words of the anchor's domain: those that stand directly under anyPolicy.
        let mut found: BTreeSet<ObjectIdentifier> = graph
            .iter()
            .flatten()
            .filter(|(policy, node)| **policy != ANY_POLICY && node.parents.contains(&ANY_POLICY))
            .map(|(policy, _)| *policy)
            .collect();
        match &self.acceptable {
            Some(acceptable) if !acceptable.contains(&ANY_POLICY) => match any_at_end {
                true => acceptable.clone(),
                false => found.intersection(acceptable).copied().collect(),
            },
            _ => {
                if any_at_end {
                    found.insert(ANY_POLICY);
                }
                found
            }
        }
    }

    /// Takes out what leads to nothing at the last level.
    // RFC 9618 §5.3 (d)(3)
    fn prune(&mut self) {
        let Some(graph) = &mut self.graph else { return };
        let mut needed: Option<BTreeSet<ObjectIdentifier>> = None;
        for level in graph.iter_mut().rev() {
            if let Some(needed) = &needed {
                level.retain(|policy, _| needed.contains(policy));
            }
            needed = Some(
                level
                    .values()
                    .flat_map(|node| node.parents.iter().copied())
                    .collect(),
            );
        }
        if graph.last().is_none_or(BTreeMap::is_empty) {
            self.graph = None;
        }
    }
}

// RFC 9618 §5.3 (d)(1), (d)(2)
fn next_level(above: &Level, named: &BTreeSet<ObjectIdentifier>, any_counts: bool) -> Level {
    let parents_of = |policy: &ObjectIdentifier| -> BTreeSet<ObjectIdentifier> {
        above
            .iter()
            .filter(|(_, node)| node.expected.contains(policy))
            .map(|(parent, _)| *parent)
            .collect()
    };
    let mut level = Level::new();
    for policy in named.iter().filter(|policy| **policy != ANY_POLICY) {
        let mut parents = parents_of(policy);
        if parents.is_empty() && above.contains_key(&ANY_POLICY) {
            parents.insert(ANY_POLICY);
        }
        if !parents.is_empty() {
            let expected = BTreeSet::from([*policy]);
            level.insert(*policy, Node { expected, parents });
        }
    }
    if named.contains(&ANY_POLICY) && any_counts {
        let expected: BTreeSet<_> = above.values().flat_map(|node| &node.expected).collect();
        for policy in expected {
            if !level.contains_key(policy) {
                let node = Node {
                    expected: BTreeSet::from([*policy]),
                    parents: parents_of(policy),
                };
                level.insert(*policy, node);
            }
        }
    }
    level
}

/// The policies that a certificate names; none where it does not bound them.
pub(super) fn named(
    certificate: &Certificate,
) -> Result<Option<BTreeSet<ObjectIdentifier>>, TrustProblem> {
    let Some(CertificatePolicies(list)) = read(certificate)? else {
        return Ok(None);
    };
    let named: BTreeSet<_> = list.iter().map(|item| item.policy_identifier).collect();
    Ok((!named.contains(&ANY_POLICY)).then_some(named))
}

fn read<T: AssociatedOid + for<'a> Decode<'a>>(
    certificate: &Certificate,
) -> Result<Option<T>, TrustProblem> {
    certificate
        .extension(&T::OID)
        .map(|item| T::from_der(&item.value).map_err(|_| unreadable(certificate)))
        .transpose()
}

fn unreadable(certificate: &Certificate) -> TrustProblem {
    bad(certificate, "an extension about policies", "cannot be read")
}

fn bad(certificate: &Certificate, extension: &'static str, fault: &'static str) -> TrustProblem {
    TrustProblem::BadPolicies {
        certificate: certificate.subject(),
        reason: format!("{extension} {fault}"),
    }
}
