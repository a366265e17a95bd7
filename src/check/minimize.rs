//! MINIMIZE: whether an operator's order speaks of a message.
//!
//! Duty: one question, asked at acceptance (an order that refuses) and before each attempt (any
//! order): is there an order in force against this recipient?
//! Promises: exemptions go by who signed, never by the envelope; FLASH and OVERRIDE cannot be
//! minimized, whoever orders it.
//! Attacks stopped here: a forged MAIL FROM, or an unsigned MINIMIZE CONSIDERED or subject indicator
//! code, that claims an exemption.
//! Standards: ACP 121 (MINIMIZE); RFC 6477 §3.3 (subject indicator codes), §3.5 (message
//! instructions); RFC 6710 (X.7.15).

use super::Cleared;
use crate::clock::Timestamp;
use crate::decision::{Ground, Reason, Refusal};
use crate::message::Precedence;
use crate::message::address::Address;
use crate::store::{Considered, Exempt, MinimizeAct, MinimizeRow};

/// The most urgent precedence below which an order may reach: FLASH passes always.
pub const HIGHEST: Precedence = Precedence::Flash;

/// One recipient of a message, as orders look at it.
#[derive(Clone, Copy, Debug)]
pub struct Traffic<'t> {
    /// Who signed the message; nobody for our own words.
    pub originator: Option<&'t Address>,
    /// Whether that one says, signed, that MINIMIZE was considered.
    pub considered: Considered,
    /// The subject indicator codes that this one signed.
    pub sics: &'t [String],
    /// Whom it is for.
    pub recipient: &'t Address,
    /// Over which link.
    pub link: &'t str,
    /// How urgent it is for this recipient.
    pub precedence: Precedence,
}

/// The order that speaks against this traffic, if one does.
pub fn against<'o>(
    orders: &'o [MinimizeRow],
    at: Timestamp,
    traffic: &Traffic<'_>,
) -> Option<&'o MinimizeRow> {
    orders.iter().find(|order| {
        traffic.precedence < order.below.min(HIGHEST)
            && order.from <= at
            && order.until.is_none_or(|until| at < until)
            && in_area(order, traffic)
            && !is_exempt(order, traffic)
    })
}

/// Whether a cleared message may be taken, under orders that refuse.
///
/// # Errors
/// The refusal, about the first recipient that an order speaks of.
pub fn minimized(orders: &[MinimizeRow], at: Timestamp, cleared: &Cleared) -> Result<(), Refusal> {
    let sics = indicated(cleared);
    for route in cleared.routes() {
        for recipient in &route.recipients {
            let traffic = Traffic {
                originator: Some(cleared.originator()),
                considered: considered(cleared),
                sics: &sics,
                recipient,
                link: &route.link.name,
                precedence: cleared.urgency().precedence(recipient),
            };
            let refusing = orders.iter().filter(|o| o.act == MinimizeAct::Refuse);
            let refusing: Vec<MinimizeRow> = refusing.cloned().collect();
            if let Some(order) = against(&refusing, at, &traffic) {
                let text = format!(
                    "order {} of {}: below {} for {recipient}; the message is {}",
                    order.number, order.by, order.below, traffic.precedence
                );
                let ground = Ground::new(Reason::MinimizeInForce.id(), text);
                let refusal = Refusal::on_grounds(Reason::MinimizeInForce, vec![ground]);
                return Err(refusal.about(recipient));
            }
        }
    }
    Ok(())
}

// RFC 6477 §3.5: message instructions are remarks such as MINIMIZE CONSIDERED
/// Whether the originator says, under the signature, that MINIMIZE was considered.
pub fn considered(cleared: &Cleared) -> Considered {
    let is_signed = !cleared.opened().facts().protected.is_empty();
    let remarks = &cleared.military().message_instructions;
    let says = |text: &String| text.eq_ignore_ascii_case("MINIMIZE CONSIDERED");
    match is_signed && remarks.iter().any(says) {
        true => Considered::Yes,
        false => Considered::No,
    }
}

// RFC 6477 §3.3: what a message is about, for its distribution and handling
/// The subject indicator codes that the originator set under the signature.
pub fn indicated(cleared: &Cleared) -> Vec<String> {
    match cleared.opened().facts().protected.is_empty() {
        true => Vec::new(),
        false => cleared.military().sics.clone(),
    }
}

fn in_area(order: &MinimizeRow, traffic: &Traffic<'_>) -> bool {
    let everywhere =
        order.links.is_empty() && order.domains.is_empty() && order.addresses.is_empty();
    everywhere
        || order.links.iter().any(|link| link == traffic.link)
        || order.addresses.contains(traffic.recipient)
        || is_under(traffic.recipient, &order.domains)
}

fn is_exempt(order: &MinimizeRow, traffic: &Traffic<'_>) -> bool {
    let by_name = traffic.originator.is_some_and(|originator| {
        order.exempt.contains(originator) || is_under(originator, &order.exempt_domains)
    });
    // Each code wholly: one that only begins alike is another subject.
    let by_subject = traffic.sics.iter().any(|sic| {
        let mut exempt = order.exempt_sics.iter();
        exempt.any(|code| code.eq_ignore_ascii_case(sic))
    });
    by_name
        || by_subject
        || (order.considered == Exempt::Yes && traffic.considered == Considered::Yes)
}

/// Whether the domain of an address is one of these, or under one of them.
fn is_under(address: &Address, domains: &[String]) -> bool {
    let own = address.domain().to_ascii_lowercase();
    domains.iter().any(|domain| {
        let above = own.strip_suffix(domain.as_str());
        above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn order() -> MinimizeRow {
        MinimizeRow {
            number: 1,
            act: MinimizeAct::Hold,
            below: Precedence::Immediate,
            links: vec![],
            domains: vec!["birch.example".into()],
            addresses: vec![],
            from: Timestamp::from_second(100).unwrap(),
            until: Some(Timestamp::from_second(200).unwrap()),
            exempt: vec![address("chief@alder.example")],
            exempt_domains: vec!["med.alder.example".into()],
            exempt_sics: vec!["MED".into(), "WX1".into()],
            considered: Exempt::Yes,
            by: "clerk@alder.example".into(),
            since: Timestamp::UNIX_EPOCH,
            reason: "operation".into(),
        }
    }

    /// Whether the order speaks of what `from` sends to `to` at this second.
    fn is_against(order: &MinimizeRow, at: i64, from: &str, to: &str, p: Precedence) -> bool {
        let (from, to) = (address(from), address(to));
        let traffic = Traffic {
            originator: Some(&from),
            considered: Considered::No,
            sics: &[],
            recipient: &to,
            link: "birch",
            precedence: p,
        };
        let at = Timestamp::from_second(at).unwrap();
        against(std::slice::from_ref(order), at, &traffic).is_some()
    }

    #[test]
    fn an_order_speaks_of_its_area_its_time_and_what_is_less_urgent() {
        use Precedence::{Deferred, Flash, Immediate, Priority};
        let order = order();
        let asked = |at, to, p| is_against(&order, at, "a@alder.example", to, p);
        for to in ["r@birch.example", "r@BIRCH.example", "r@hq.birch.example"] {
            assert!(asked(100, to, Priority), "{to}");
        }
        for to in ["r@notbirch.example", "r@example", "r@alder.example"] {
            assert!(!asked(100, to, Deferred), "{to}");
        }
        let reader = "r@birch.example";
        assert!(asked(199, reader, Deferred));
        for (at, p) in [
            (99, Priority),
            (200, Priority),
            (150, Immediate),
            (150, Flash),
        ] {
            assert!(!asked(at, reader, p), "{at} {p}");
        }
    }

    #[test]
    fn nothing_named_is_everywhere_and_links_and_addresses_are_named_exactly() {
        let everywhere = MinimizeRow {
            domains: vec![],
            until: None,
            ..order()
        };
        let asked =
            |order: &MinimizeRow, to| is_against(order, 9_999, "a@x", to, Precedence::Routine);
        assert!(asked(&everywhere, "r@anywhere.example"));
        let link = |name: &str| MinimizeRow {
            links: vec![name.into()],
            ..everywhere.clone()
        };
        assert!(asked(&link("birch"), "r@anywhere.example"));
        assert!(!asked(&link("cedar"), "r@anywhere.example"));
        let one = MinimizeRow {
            addresses: vec![address("r@birch.example")],
            ..everywhere.clone()
        };
        assert!(asked(&one, "r@birch.example") && !asked(&one, "s@birch.example"));
    }

    #[test]
    fn flash_passes_whatever_is_ordered() {
        let order = MinimizeRow {
            below: Precedence::Override,
            ..order()
        };
        let asked = |p| is_against(&order, 150, "a@x", "r@birch.example", p);
        assert!(asked(Precedence::Immediate));
        assert!(!asked(Precedence::Flash) && !asked(Precedence::Override));
    }

    #[test]
    fn who_signed_is_exempt_and_who_says_so_in_the_envelope_is_not() {
        let order = order();
        let from =
            |from: &str| is_against(&order, 150, from, "r@birch.example", Precedence::Routine);
        assert!(from("a@alder.example"));
        assert!(!from("chief@alder.example") && !from("doc@ward.med.alder.example"));
        let to = address("r@birch.example");
        let ours = |considered, order: &MinimizeRow| {
            let traffic = Traffic {
                originator: None,
                considered,
                sics: &[],
                recipient: &to,
                link: "birch",
                precedence: Precedence::Routine,
            };
            let at = Timestamp::from_second(150).unwrap();
            against(std::slice::from_ref(order), at, &traffic).is_some()
        };
        assert!(ours(Considered::No, &order) && !ours(Considered::Yes, &order));
        let strict = MinimizeRow {
            considered: Exempt::No,
            ..order.clone()
        };
        assert!(ours(Considered::Yes, &strict));
    }
    #[test]
    fn a_subject_is_exempt_by_its_whole_code_and_no_other_subject_is() {
        let (order, to) = (order(), address("r@birch.example"));
        let is_against = |order: &MinimizeRow, sics: &[&str]| {
            let sics: Vec<String> = sics.iter().map(ToString::to_string).collect();
            let traffic = Traffic {
                originator: Some(&address("a@alder.example")),
                considered: Considered::No,
                sics: &sics,
                recipient: &to,
                link: "birch",
                precedence: Precedence::Routine,
            };
            let at = Timestamp::from_second(150).unwrap();
            against(std::slice::from_ref(order), at, &traffic).is_some()
        };
        for exempt in [&["MED"][..], &["med"], &["ABC", "WX1"]] {
            assert!(!is_against(&order, exempt), "{exempt:?}");
        }
        for held in [&[][..], &["MEDA"], &["ME"], &["WX"], &["ABC", "WX12"]] {
            assert!(is_against(&order, held), "{held:?}");
        }
        let nobody = MinimizeRow {
            exempt_sics: vec![],
            ..order
        };
        assert!(is_against(&nobody, &["MED"]));
    }
}
