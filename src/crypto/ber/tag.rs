//! Tags, and what can be wrong with octets.
//!
//! Promises: every error names its position.
//! Standards: X.690 section 8.1.2 (identifier octets); X.680 section 8.

use thiserror::Error;

/// Why octets are not the BER that was looked for, and where.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("octet {position}: {kind}")]
pub struct BerError {
    /// What is wrong.
    pub kind: BerErrorKind,
    /// Offset from the start of the input.
    pub position: usize,
}

/// The kinds of [`BerError`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BerErrorKind {
    /// The nesting is deeper than `Limits::depth`.
    #[error("the elements are nested too deeply; raise the limit or refuse the sender")]
    Depth,
    /// More elements than `Limits::elements`.
    #[error("too many elements; raise the limit or refuse the sender")]
    Elements,
    /// An end-of-contents in an element of definite length.
    #[error("end-of-contents octets where an element must stand")]
    EndOfContents,
    /// A length that has no meaning, or does not fit into eight octets.
    #[error("a length that cannot be read")]
    Length,
    /// The element ends after the input, or after the element around it.
    #[error("the element is cut off: its length passes the end of what holds it")]
    Truncated,
    /// Another element than the one that must stand here.
    #[error("expected {expected}, found {found}")]
    UnexpectedTag {
        /// What must stand here.
        expected: Tag,
        /// What stands here.
        found: Tag,
    },
    /// The element that must stand here is missing.
    #[error("expected {expected}, found the end")]
    Missing {
        /// What must stand here.
        expected: Tag,
    },
    /// Octets after the last element that may stand here.
    #[error("more octets than the structure has; cut what follows it")]
    Trailing,
    /// The contents of a primitive type do not follow its rules.
    #[error("the contents of the {0} cannot be read")]
    Contents(Tag),
}

/// The first identifier octet: class, constructed bit and number, or 31 for a number that follows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub u8);

impl Tag {
    /// BOOLEAN.
    pub const BOOLEAN: Tag = Tag(0x01);
    /// INTEGER.
    pub const INTEGER: Tag = Tag(0x02);
    /// BIT STRING in one piece.
    pub const BIT_STRING: Tag = Tag(0x03);
    /// OCTET STRING in one piece.
    pub const OCTET_STRING: Tag = Tag(0x04);
    /// NULL.
    pub const NULL: Tag = Tag(0x05);
    /// OBJECT IDENTIFIER.
    pub const OID: Tag = Tag(0x06);
    /// UTF8String in one piece.
    pub const UTF8_STRING: Tag = Tag(0x0c);
    /// ENUMERATED
    pub const ENUMERATED: Tag = Tag(0x0a);
    /// VisibleString
    pub const VISIBLE_STRING: Tag = Tag(0x1a);
    /// SEQUENCE.
    pub const SEQUENCE: Tag = Tag(0x30);
    /// SET.
    pub const SET: Tag = Tag(0x31);
    /// UTCTime.
    pub const UTC_TIME: Tag = Tag(0x17);
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: Tag = Tag(0x18);

    /// The context-specific tag of this number (0 to 30), primitive.
    pub const fn context(number: u8) -> Tag {
        Tag(0x80 | (number & 0x1f))
    }

    /// The context-specific tag of this number (0 to 30), constructed.
    pub const fn context_constructed(number: u8) -> Tag {
        Tag(0xa0 | (number & 0x1f))
    }

    /// Whether the constructed bit is set.
    pub const fn is_constructed(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// The same tag without its constructed bit: strings are compared so.
    pub const fn primitive(self) -> Tag {
        Tag(self.0 & !0x20)
    }
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.0 {
            0x01 => "BOOLEAN",
            0x02 => "INTEGER",
            0x03 => "BIT STRING",
            0x04 | 0x24 => "OCTET STRING",
            0x05 => "NULL",
            0x06 => "OBJECT IDENTIFIER",
            0x0c => "UTF8String",
            0x17 => "UTCTime",
            0x18 => "GeneralizedTime",
            0x30 => "SEQUENCE",
            0x31 => "SET",
            octet if octet & 0xc0 == 0x80 => return write!(f, "[{}]", octet & 0x1f),
            octet => return write!(f, "tag {octet:#04x}"),
        };
        f.write_str(name)
    }
}

impl BerErrorKind {
    /// This kind, at this offset.
    pub fn at(self, position: usize) -> BerError {
        BerError {
            kind: self,
            position,
        }
    }
}
