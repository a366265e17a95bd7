//! CompressedData.
//!
//! Promises: nothing is inflated here. Standards: RFC 3274 section 1.1.

use std::borrow::Cow;

use const_oid::ObjectIdentifier;

use crate::crypto::ber::{Element, Tag};

use super::{AlgorithmIdentifier, CmsError, CmsErrorKind};

/// What a CompressedData says.
#[derive(Clone, Debug)]
pub struct CompressedData<'a> {
    /// compressionAlgorithm.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// eContentType: what the inflated octets are.
    pub content_type: ObjectIdentifier,
    /// eContent: the compressed octets.
    pub octets: Cow<'a, [u8]>,
}

impl<'a> CompressedData<'a> {
    pub(super) fn read(element: &Element<'a>) -> Result<Self, CmsError> {
        let mut fields = element.reader()?;
        fields.unsigned()?;
        let algorithm = AlgorithmIdentifier::read(&fields.expect(Tag::SEQUENCE)?)?;
        let encapsulated = fields.expect(Tag::SEQUENCE)?;
        fields.finish()?;
        let mut inner = encapsulated.reader()?;
        let content_type = inner.oid()?;
        let Some(explicit) = inner.optional(Tag::context_constructed(0))? else {
            return Err(CmsError {
                kind: CmsErrorKind::Missing("compressed content"),
                position: encapsulated.position(),
            });
        };
        inner.finish()?;
        let mut holder = explicit.reader()?;
        let string = holder.expect_string(Tag::OCTET_STRING)?;
        holder.finish()?;
        Ok(Self {
            algorithm,
            content_type,
            octets: string.octets()?,
        })
    }
}
