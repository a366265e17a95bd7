//! How urgent a message is, for each of its recipients.
//!
//! Three say something: the originator in the MMHS fields, for action (To) and for info recipients
//! (Cc, Bcc) apart; the peer in MT-PRIORITY, once for all recipients of a transaction; and nobody.
//! Promises: fields under a verified signature decide: what the originator signed as FLASH is FLASH,
//! whatever number stands in an envelope that nobody signed, and what was signed as ROUTINE is not
//! made FLASH on the way. Without signed fields the envelope decides, as RFC 6758 has it, and fields
//! may only lower it for info recipients.
//! The configuration's ceiling for the peer stands above all of it: nobody is as urgent by writing so
//! than they may be.
//! Refuses: nothing; it only puts in order. Unmarked is ROUTINE.
//! Attacks stopped here: a relay that lowers a FLASH or raises its own traffic by MT-PRIORITY; a
//! MMHS field that is added outside a signature.
//! Standards: RFC 6477 §3.8, §3.9; RFC 6710 §4.3, §5; RFC 6758 §3; STANAG 4406 (dual precedence).

use std::collections::BTreeMap;

use crate::message::Precedence;
use crate::message::address::Address;
use crate::message::header::Headers;
use crate::message::military::Military;

/// The precedence of each recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urgency {
    recipients: BTreeMap<Address, Precedence>,
}

/// Whether the MMHS fields stand under a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vouched {
    /// Somebody on the way may have written them.
    No,
    /// A signature that verifies covers them.
    Yes,
}

/// Who hands the message in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Another switch: it may have put a member in the place of a list.
    Relay,
    /// One of our own people: who is in the envelope alone is a blind recipient.
    Writer,
}

/// What a recipient is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// In To.
    Action,
    /// In Cc.
    Info,
    /// In neither: a blind recipient, or somebody whom a list on the way stands for.
    Unnamed,
}

/// All that is said of the precedence of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    /// The header section that counts: To and Cc are read there.
    pub headers: &'a Headers,
    /// Its MMHS fields.
    pub military: &'a Military,
    /// Whether a signature covers them.
    pub vouched: Vouched,
    /// MT-PRIORITY of the envelope.
    pub envelope: Option<i8>,
    /// Who hands the message in.
    pub from: From,
    /// The most urgent that this one may be.
    pub ceiling: Precedence,
}

impl Urgency {
    /// What is said, for each of `recipients`.
    pub(super) fn of(said: &Said<'_>, recipients: &[Address]) -> Self {
        let (to, cc) = (named(said.headers, "To"), named(said.headers, "Cc"));
        let part = |recipient: &Address| match recipient {
            _ if to.contains(recipient) => Part::Action,
            _ if cc.contains(recipient) => Part::Info,
            _ => Part::Unnamed,
        };
        Self {
            recipients: recipients
                .iter()
                .map(|recipient| {
                    let precedence = said.precedence(part(recipient));
                    (recipient.clone(), precedence.min(said.ceiling))
                })
                .collect(),
        }
    }

    /// The precedence of one recipient.
    pub fn precedence(&self, recipient: &Address) -> Precedence {
        self.recipients.get(recipient).copied().unwrap_or_default()
    }

    /// The same, and nobody above `highest`.
    pub(super) fn at_most(mut self, highest: Precedence) -> Self {
        for precedence in self.recipients.values_mut() {
            *precedence = highest.min(*precedence);
        }
        self
    }

    /// That of the most urgent one.
    pub fn highest(&self) -> Precedence {
        self.recipients.values().copied().max().unwrap_or_default()
    }

    /// The recipients of each precedence among `recipients`, most urgent first, each in its order.
    pub fn apart(&self, recipients: &[Address]) -> Vec<(Precedence, Vec<Address>)> {
        let mut apart: BTreeMap<_, Vec<Address>> = BTreeMap::new();
        for recipient in recipients {
            let precedence = self.precedence(recipient);
            let group = apart.entry(std::cmp::Reverse(precedence)).or_default();
            group.push(recipient.clone());
        }
        apart.into_iter().map(|(p, group)| (p.0, group)).collect()
    }
}

impl Said<'_> {
    fn precedence(&self, part: Part) -> Precedence {
        let (primary, copy) = (
            self.military.primary_precedence,
            self.military.copy_precedence,
        );
        let envelope = self.envelope.map(Precedence::from_mt_priority);
        // A field that the originator left out says what the other one says.
        let (action, info) = (primary.or(copy), copy.or(primary));
        match (self.vouched, action, info) {
            // RFC 6477 §3.8, §3.9: for action recipients, for info recipients
            (Vouched::Yes, Some(action), Some(info)) => match (part, self.from) {
                (Part::Action, _) => action,
                // RFC 6477 §3.9: Bcc counts as Cc
                (Part::Info, _) | (Part::Unnamed, From::Writer) => info,
                // The peer knows whether a list in To stands for this one; nobody gets the message
                // more urgently than its originator said for somebody.
                (Part::Unnamed, From::Relay) => {
                    info.max(envelope.unwrap_or(info).min(action.max(info)))
                }
            },
            // RFC 6758 §3: the envelope wins over fields that nobody signed
            (_, action, info) => {
                let whole = envelope.or(action).unwrap_or_default();
                let is_info =
                    part == Part::Info || (part, self.from) == (Part::Unnamed, From::Writer);
                match (is_info, envelope, info) {
                    (true, None, Some(info)) => info,
                    // MT-PRIORITY speaks for the most urgent recipient of its transaction
                    (true, Some(whole), Some(info)) if primary.is_some() => whole.min(info),
                    _ => whole,
                }
            }
        }
    }
}

/// The addresses in all fields of this name; one that cannot be read names nobody.
fn named(headers: &Headers, name: &str) -> Vec<Address> {
    headers
        .all(name)
        .filter_map(|field| Address::parse_list_with_groups(field.value()).ok())
        .flatten()
        .map(|mailbox| mailbox.address)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::header::Limits;
    use Precedence::{Deferred, Flash, Immediate, Override, Priority, Routine};

    const HEAD: &str = "To: Action <a@x.example>\r\nCc: i@x.example\r\n";

    fn urgency(
        fields: &str,
        vouched: Vouched,
        envelope: Option<i8>,
        from: From,
    ) -> [Precedence; 3] {
        let text = format!("{HEAD}{fields}\r\n");
        let (headers, _) = Headers::parse(text.as_bytes(), Limits::default()).unwrap();
        let military = Military::read(&headers).unwrap();
        let said = Said {
            headers: &headers,
            military: &military,
            vouched,
            envelope,
            from,
            ceiling: Precedence::Override,
        };
        let all = ["a@x.example", "i@x.example", "b@x.example"];
        let all = all.map(|address| Address::parse(address).unwrap());
        let urgency = Urgency::of(&said, &all);
        assert_eq!(
            urgency.highest(),
            all.iter().map(|a| urgency.precedence(a)).max().unwrap()
        );
        all.map(|address| urgency.precedence(&address))
    }

    const DUAL: &str = "MMHS-Primary-Precedence: 4\r\nMMHS-Copy-Precedence: 1 (routine)\r\n";

    #[test]
    fn signed_fields_decide_for_action_and_info_recipients_apart() {
        // Action, info, blind. No number in the envelope lowers a FLASH or raises a ROUTINE.
        for envelope in [None, Some(-4), Some(0), Some(4), Some(9)] {
            assert_eq!(
                urgency(DUAL, Vouched::Yes, envelope, From::Writer),
                [Flash, Routine, Routine],
                "{envelope:?}"
            );
            let one = "MMHS-Primary-Precedence: ROUTINE\r\n";
            let found = urgency(one, Vouched::Yes, envelope, From::Writer);
            assert_eq!(found, [Routine; 3], "{envelope:?}");
        }
        // Copy precedence alone counts for all, as it always did.
        let copy = "MMHS-Copy-Precedence: 3\r\n";
        assert_eq!(
            urgency(copy, Vouched::Yes, None, From::Writer),
            [Immediate; 3]
        );
    }

    // No more urgent than the peer may be, whoever writes it where.
    #[test]
    fn nobody_is_more_urgent_than_the_ceiling_allows() {
        let text = format!("{HEAD}{DUAL}\r\n");
        let (headers, _) = Headers::parse(text.as_bytes(), Limits::default()).unwrap();
        let military = Military::read(&headers).unwrap();
        for vouched in [Vouched::Yes, Vouched::No] {
            let said = Said {
                headers: &headers,
                military: &military,
                vouched,
                envelope: Some(6),
                from: From::Relay,
                ceiling: Precedence::Priority,
            };
            let all = ["a@x.example", "i@x.example"].map(|a| Address::parse(a).unwrap());
            let urgency = Urgency::of(&said, &all);
            let found = all.map(|address| urgency.precedence(&address));
            assert_eq!(found, [Priority, Routine], "{vouched:?}");
        }
    }

    #[test]
    fn a_peer_may_speak_for_a_recipient_whom_the_header_does_not_name_up_to_what_was_signed() {
        let unnamed = |envelope| urgency(DUAL, Vouched::Yes, envelope, From::Relay)[2];
        assert_eq!(unnamed(None), Routine);
        assert_eq!(unnamed(Some(2)), Immediate);
        assert_eq!(
            unnamed(Some(6)),
            Flash,
            "nobody was promised more than FLASH"
        );
        assert_eq!(unnamed(Some(-4)), Routine, "nor is anybody lowered");
    }

    #[test]
    fn without_a_signature_the_envelope_decides_and_a_field_only_lowers_info_recipients() {
        let dual = |envelope| urgency(DUAL, Vouched::No, envelope, From::Writer);
        assert_eq!(dual(None), [Flash, Routine, Routine]);
        assert_eq!(dual(Some(4)), [Flash, Routine, Routine]);
        assert_eq!(dual(Some(-4)), [Deferred; 3]);
        let raise = "MMHS-Primary-Precedence: 5\r\nMMHS-Copy-Precedence: 5\r\n";
        assert_eq!(
            urgency(raise, Vouched::No, Some(0), From::Writer),
            [Priority; 3]
        );
        assert_eq!(
            urgency("", Vouched::No, Some(6), From::Relay),
            [Override; 3]
        );
        // Signed, but not a word of precedence: the envelope again, else ROUTINE.
        assert_eq!(
            urgency("", Vouched::Yes, Some(2), From::Relay),
            [Immediate; 3]
        );
        assert_eq!(urgency("", Vouched::Yes, None, From::Relay), [Routine; 3]);
    }

    #[test]
    fn recipients_are_set_apart_by_precedence_in_their_order() {
        let address = |name: &str| Address::parse(&format!("{name}@x.example")).unwrap();
        let urgency = Urgency {
            recipients: [("a", Routine), ("b", Flash), ("c", Routine)]
                .map(|(name, precedence)| (address(name), precedence))
                .into(),
        };
        let all = ["a", "b", "c"].map(address);
        let [a, b, c] = all.clone();
        assert_eq!(
            urgency.clone().at_most(Priority).apart(&all),
            [
                (Priority, vec![b.clone()]),
                (Routine, vec![a.clone(), c.clone()])
            ]
        );
        assert_eq!(
            urgency.apart(&all),
            [(Flash, vec![b]), (Routine, vec![a, c])]
        );
        assert!(urgency.apart(&[]).is_empty());
    }
}
