//! The rules of `[review]`: who signs beside the drafter, and who releases.

use std::sync::Arc;

use toml::Spanned;

use super::ConfigError;
use super::meant::{Link, ReleaseRule, Scope, SignerRule};
use super::resolve::Place;
use super::written;
use crate::label::Policy;

impl Place<'_> {
    /// A `[[review.rule]]`.
    pub(super) fn release_rule(
        &self,
        rule: &written::ReleaseRule,
        policy: &Policy,
        links: &[Arc<Link>],
    ) -> Result<ReleaseRule, ConfigError> {
        let key = format!("review.rule.{}", rule.name);
        if rule.officers == 0 {
            return Err(self.whole(
                &key,
                "a release needs at least one officer",
                "set officers = 1",
            ));
        }
        Ok(ReleaseRule {
            name: rule.name.clone(),
            scope: self.scope(
                &key,
                rule.classifications.as_ref(),
                rule.links.as_ref(),
                policy,
                links,
            )?,
            role: rule.role.clone(),
            officers: rule.officers,
        })
    }

    /// A `[[review.signers]]`.
    pub(super) fn signer_rule(
        &self,
        rule: &written::SignerRule,
        policy: &Policy,
        links: &[Arc<Link>],
    ) -> Result<SignerRule, ConfigError> {
        let key = format!("review.signers.{}", rule.name);
        if rule.count == 0 {
            return Err(self.whole(&key, "a rule of no signers says nothing", "set count = 1"));
        }
        Ok(SignerRule {
            name: rule.name.clone(),
            scope: self.scope(
                &key,
                rule.classifications.as_ref(),
                rule.links.as_ref(),
                policy,
                links,
            )?,
            role: rule.role.clone(),
            count: rule.count,
        })
    }

    /// What a rule speaks of: the classifications and links that it names.
    fn scope(
        &self,
        key: &str,
        classifications: Option<&Spanned<Vec<String>>>,
        named: Option<&Spanned<Vec<String>>>,
        policy: &Policy,
        links: &[Arc<Link>],
    ) -> Result<Scope, ConfigError> {
        let (names, span) = named.map_or((&[][..], 0..0), |named| {
            (named.get_ref().as_slice(), named.span())
        });
        let is_unknown = |name: &&String| !links.iter().any(|link| link.name == **name);
        if let Some(unknown) = names.iter().find(is_unknown) {
            return Err(self.error(
                span,
                key,
                format!("no link is named {unknown:?}"),
                "name a [[link]] of this file",
            ));
        }
        Ok(Scope {
            classifications: self.classifications(classifications, key, policy)?,
            links: names.to_vec(),
        })
    }
}
