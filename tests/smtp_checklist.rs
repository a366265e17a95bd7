//! The checklist of SMTP and the queue, row by row: what each row asks, and what fails without it. The
//! rows are those of the digest of standards (column OURS, rules, and the paragraphs on queue, pressure
//! and links); `the_proof_of_every_row_is_there` looks for each name. Below it are the proofs that
//! have no other place.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ravelin::clock::Timestamp;
use ravelin::config::TlsNeed;
use ravelin::message::address::{Address, ReversePath};
use ravelin::message::mime::{Entity, Limits};
use ravelin::message::service::Terms;
use ravelin::message::{Precedence, header};
use ravelin::smtp::Reply;
use ravelin::smtp::command::Command;
use ravelin::smtp::dialogue::{Dialogue, Move, Protocol, Transaction};
use ravelin::smtp::session::{PriorityOffer, Session, Settings, Step};
use support::bench::Bench;
use support::header as field;
use support::wire::Wire;

/// Row, what we do, and where that is proven: a file and a test in it, or a dialogue.
const ROWS: &[(&str, &str, &[&str])] = &[
    // Rules that decide trust.
    (
        "250 means durable",
        "committed and synced before the reply",
        &[
            "tests/power.rs nothing_acknowledged_is_lost_when_the_power_goes",
            "tests/crash.rs nothing_acknowledged_is_lost_when_the_switch_is_killed",
        ],
    ),
    (
        "one end of data",
        "CRLF . CRLF; else 550 5.5.2 or 500 5.5.2, and closed",
        &[
            "tests/smuggling.rs nothing_but_crlf_dot_crlf_ends_a_message_coming_in",
            "tests/dialogues/server-bare-lf.txt",
        ],
    ),
    (
        "the same on every octet out",
        "looked at again by check, seal and dialogue",
        &[
            "tests/passage/product.rs every_cell_is_refused_by_its_reason_or_is_one_clean_message",
            "tests/smuggling.rs the_dialogue_sends_a_message_whole_or_not_at_all",
        ],
    ),
    (
        "signed octets never change",
        "5.6.3, 5.6.7, 5.7.30 in place of a conversion",
        &[
            "tests/invariants.rs the_bytes_that_were_signed_are_never_re_encoded",
            "tests/dialogues/client-eight-bit.txt",
            "tests/dialogues/client-smtputf8-not-offered.txt",
            "tests/dialogues/client-requiretls-not-offered.txt",
            "tests/dialogues/client-binary-not-offered.txt",
        ],
    ),
    (
        "our trouble is 4xx",
        "451, never a pass",
        &[
            "tests/invariants.rs a_refusal_is_a_value_and_a_fault_is_an_error",
            "tests/operation/faults.rs a_full_disk_is_451_until_there_is_room_again",
        ],
    ),
    (
        "reject before accept",
        "in session; also what an envelope hid from it",
        &[
            "tests/passage/words.rs a_released_draft_is_one_clean_message_or_none",
            "tests/reports.rs nobody_submits_for_somebody_else_to_be_told",
        ],
    ),
    (
        "the null sender is never answered",
        "no report about a report",
        &["src/report/dsn.rs the_null_reverse_path_gets_no_report_and_nothing_told_is_none"],
    ),
    (
        "TLS state starts empty",
        "both sides",
        &[
            "tests/dialogues/server-starttls-injection.txt",
            "tests/dialogues/client-starttls-injection.txt",
        ],
    ),
    (
        "priority is an ordering",
        "at every stage",
        &[
            "src/queue/tests.rs flash_overtakes_routine",
            "src/switch/permits.rs the_most_urgent_waiter_goes_first_and_no_permit_is_lost",
            "src/store/lanes.rs an_urgent_change_waits_behind_no_batch_and_a_flood_of_them_stops_nothing",
        ],
    ),
    (
        "one route's trouble slows no other",
        "a window for each next hop",
        &["src/queue/tests/windows.rs a_long_queue_for_one_next_hop_holds_up_no_other"],
    ),
    (
        "every refusal names its reason",
        "one table",
        &["tests/invariants.rs every_decision_explains_itself_and_every_act_leaves_an_event"],
    ),
    (
        "parsers may be wrong, the process may not",
        "fuzzed",
        &[
            "fuzz/line/fuzz_targets/smtp_server.rs",
            "fuzz/line/fuzz_targets/smtp_client.rs",
            "fuzz/line/fuzz_targets/smtp_words.rs",
            "tests/smuggling.rs a_session_never_panics",
        ],
    ),
    // EHLO.
    (
        "PIPELINING",
        "who talks before its turn: 503, closed",
        &[
            "tests/dialogues/server-pipelined.txt",
            "tests/dialogues/server-early-talker.txt",
        ],
    ),
    (
        "SIZE",
        "50 MiB; by peer 5.3.4; by precedence 5.7.16",
        &[
            "tests/smtp_checklist.rs a_peer_has_a_size_of_its_own",
            "tests/dialogues/server-limits.txt",
            "tests/dialogues/server-size-at-priority.txt",
        ],
    ),
    (
        "8BITMIME",
        "offered; never converted",
        &[
            "tests/smtp_checklist.rs what_is_offered_by_role",
            "tests/dialogues/client-eight-bit-offered.txt",
        ],
    ),
    (
        "CHUNKING, BINARYMIME",
        "both; nothing in BDAT is a command",
        &[
            "tests/dialogues/server-bdat.txt",
            "tests/dialogues/server-binary.txt",
            "tests/dialogues/client-binary.txt",
            "tests/smuggling.rs no_octet_of_a_chunk_is_a_command_and_every_one_is_checked",
        ],
    ),
    (
        "SMTPUTF8",
        "addresses and header fields, or 553 / 550 5.6.7",
        &[
            "tests/dialogues/server-smtputf8.txt",
            "tests/dialogues/server-eight-bit-header.txt",
            "tests/dialogues/client-smtputf8.txt",
        ],
    ),
    (
        "DSN",
        "to authenticated peers: nobody else hands anything in",
        &[
            "tests/dialogues/server-dsn.txt",
            "tests/invariants.rs a_peer_without_a_certificate_of_ours_hands_nothing_in",
            "tests/reports.rs a_delivery_that_was_to_be_told_is_told_under_the_label_of_the_message",
        ],
    ),
    (
        "ENHANCEDSTATUSCODES",
        "in every reply",
        &["tests/smtp_checklist.rs every_reply_has_an_enhanced_code"],
    ),
    (
        "STARTTLS, implicit TLS",
        "nothing is handed in without",
        &[
            "tests/dialogues/server-starttls.txt",
            "tests/listeners.rs tls_begins_with_the_connection_and_lmtp_answers_for_each_recipient",
        ],
    ),
    (
        "AUTH",
        "EXTERNAL, SCRAM-SHA-256(-PLUS), PLAIN, inside TLS; nothing else",
        &[
            "tests/login.rs who_knows_the_password_hands_in_what_is_signed_and_nobody_else",
            "tests/login.rs passwords_are_for_people_and_need_their_file",
            "tests/dialogues/server-auth.txt",
            "tests/dialogues/server-auth-clear.txt",
        ],
    ),
    (
        "REQUIRETLS",
        "offered inside TLS; TLS is the default of a link",
        &[
            "tests/smtp_checklist.rs what_is_offered_by_role",
            "tests/dialogues/server-requiretls.txt",
            "tests/reports.rs what_may_travel_inside_tls_only_does_not_leave_it",
        ],
    ),
    (
        "MT-PRIORITY",
        "STANAG4406, -9 to 9, on as it came; lowered with X.3.6",
        &[
            "tests/smtp_checklist.rs every_priority_goes_on_as_it_came",
            "tests/smtp_checklist.rs the_trace_says_the_priority_and_a_field_of_a_subject_says_nothing",
            "src/message/precedence.rs values_between_two_levels_round_up",
            "tests/dialogues/server-priority-lowered.txt",
            "tests/listeners.rs nobody_is_more_urgent_than_the_configuration_says",
            "src/report/dsn.rs a_report_names_each_recipient_and_keeps_the_precedence",
        ],
    ),
    (
        "its tunnel",
        "a field, where the hop knows no MT-PRIORITY; believed of links",
        &[
            "tests/dialogues/client-tunnel.txt",
            "src/accept/connection.rs one_field_with_one_number_is_a_tunnelled_priority",
        ],
    ),
    (
        "DELIVERBY",
        "the deadline is the entry's; mode R that cannot be had is 5.4.7",
        &[
            "src/queue/tests.rs a_deadline_ends_the_life_or_is_told_once",
            "tests/dialogues/client-terms-not-offered.txt",
            "tests/dialogues/client-deliver-by-least.txt",
        ],
    ),
    (
        "FUTURERELEASE",
        "submission, 7 days",
        &[
            "tests/smtp_checklist.rs what_is_offered_by_role",
            "tests/dialogues/server-dsn.txt",
            "src/queue/tests.rs what_is_to_be_held_waits_and_lives_from_then_on",
        ],
    ),
    (
        "LIMITS",
        "MAILMAX, RCPTMAX",
        &[
            "tests/smtp_checklist.rs what_is_offered_by_role",
            "tests/dialogues/client-limits.txt",
            "tests/deliver.rs too_many_recipients_for_one_transaction_delay_none",
        ],
    ),
    (
        "VRFY, EXPN, ETRN",
        "252; 502",
        &[
            "tests/dialogues/server-plain.txt",
            "src/smtp/command.rs what_the_grammar_does_not_allow_is_refused",
        ],
    ),
    (
        "XCLIENT",
        "listed hosts, never beside AUTH",
        &[
            "tests/dialogues/server-xclient-not-listed.txt",
            "tests/dialogues/server-xclient-auth.txt",
            "tests/listeners.rs a_listed_proxy_says_for_whom_it_speaks_and_nobody_else_does",
        ],
    ),
    // Limits and timers.
    (
        "command line",
        "4096, else 500 5.5.2",
        &["src/smtp/line.rs command_lines_end_with_crlf_only"],
    ),
    (
        "body line",
        "998; up to 64 KiB where the link says so; never wrapped",
        &[
            "tests/dialogues/server-own-limits.txt",
            "tests/passage/product.rs a_long_line_goes_where_the_link_takes_it_and_nowhere_else",
            "tests/capacity.rs what_is_out_of_bounds_is_refused_at_its_line",
        ],
    ),
    (
        "header block",
        "128 KiB, 1000 fields",
        &["src/message/header.rs limits_hold"],
    ),
    (
        "MIME depth, boundary",
        "32, 70",
        &[
            "src/message/mime.rs depth_and_number_of_parts_are_bounded",
            "tests/smtp_checklist.rs a_boundary_has_seventy_characters_at_most",
        ],
    ),
    (
        "recipients, messages, errors, logins",
        "1000, 1000, 10, 3",
        &[
            "tests/smtp_checklist.rs the_limits_of_a_session_are_those_of_the_table",
            "tests/dialogues/server-limits.txt",
            "tests/dialogues/server-order.txt",
            "tests/dialogues/server-auth-failed.txt",
        ],
    ),
    (
        "hops",
        "50, else 554 5.4.6",
        &["tests/smtp_checklist.rs fifty_hops_and_no_more"],
    ),
    (
        "server's times",
        "60 s, 10 s when crowded, 30 min; a least rate",
        &[
            "tests/capacity.rs what_is_not_written_has_its_default",
            "tests/slow.rs a_command_must_end_in_the_clear_and_inside_tls",
            "tests/slow.rs content_and_logins_must_come_on",
            "tests/slow.rs a_handshake_must_end_and_an_event_tells_of_one_that_did_not",
            "tests/slow.rs a_session_ends_and_idle_ones_sooner_when_there_are_many",
        ],
    ),
    (
        "client's times",
        "60 / 60 / 300 / 300 s; 120 / 180 / 600 s",
        &["tests/smtp_checklist.rs the_patience_of_a_client_is_that_of_the_table"],
    ),
    (
        "connections of a source",
        "20 at a time, places of a listener",
        &[
            "tests/listeners.rs one_source_has_so_many_connections",
            "tests/noticed.rs a_source_at_a_limit_is_an_event_and_a_flood_of_it_is_one_more",
        ],
    ),
    (
        "life, retry, notice",
        "by precedence; doubles up to 1 h, a tenth of jitter",
        &[
            "src/queue/schedule.rs lives_follow_precedence_and_can_be_set",
            "src/queue/schedule.rs intervals_double_up_to_an_hour_with_a_tenth_of_jitter",
        ],
    ),
    // Line discipline.
    (
        "bare CR, bare LF, NUL",
        "refused, openly and inside an envelope",
        &["tests/passage.rs odd_line_ends_go_nowhere_neither_openly_nor_inside_an_envelope"],
    ),
    (
        "read to the true end before the reply",
        "",
        &["tests/smuggling.rs the_reply_to_a_faulty_message_waits_for_its_true_end"],
    ),
    (
        "dots, both ways",
        "wherever the stream is cut",
        &[
            "tests/smuggling.rs stuffed_content_comes_back",
            "tests/passage/product.rs a_dot_is_the_same_dot_wherever_the_stream_is_cut",
        ],
    ),
    (
        "a last chunk without CRLF",
        "only of BINARYMIME",
        &[
            "tests/dialogues/server-bdat-lines.txt",
            "tests/dialogues/server-binary.txt",
        ],
    ),
    (
        "BDAT after a refusal",
        "read and dropped",
        &["tests/dialogues/server-bdat-refused.txt"],
    ),
    // Queue.
    (
        "order and windows",
        "precedence, deadline, arrival; 5 to 20, 2 kept back",
        &[
            "src/queue/tests.rs the_window_of_a_hop_and_the_slots_keep_room_for_immediate",
            "src/queue/tests/windows.rs a_window_grows_while_the_next_hop_answers_and_shrinks_while_it_does_not",
        ],
    ),
    (
        "claims",
        "one pair of hands; back after a crash; at least once",
        &[
            "src/queue/tests.rs an_entry_is_in_one_pair_of_hands_and_comes_back_when_dropped",
            "src/queue/tests.rs the_order_is_rebuilt_from_the_store",
        ],
    ),
    (
        "reports",
        "never the body abroad; ENVID and ORCPT back; UTF-8",
        &[
            "src/report/dsn.rs the_body_never_comes_back_and_abroad_the_subject_does_not_either",
            "src/report/dsn.rs what_was_asked_for_comes_back_decoded",
            "src/report/dsn.rs addresses_in_utf8_have_the_global_forms",
            "tests/passage/words.rs \
         a_report_that_quotes_a_next_hop_and_the_original_is_one_clean_message",
        ],
    ),
    (
        "operators' verbs",
        "list, hold, resume, retry, redirect, remove",
        &["tests/operator.rs an_operator_works_on_the_queue_of_a_running_switch_and_nobody_else"],
    ),
    // Pressure, stop, start.
    (
        "head-room",
        "one number; ROUTINE first; what is shed is told of",
        &[
            "tests/operation/head_room.rs \
         routine_is_shed_first_and_flash_last_and_each_change_is_an_event",
            "tests/noticed.rs what_is_not_taken_for_want_of_room_is_counted_and_told_of",
        ],
    ),
    (
        "stop",
        "in order",
        &["tests/operation/stop.rs who_sends_a_message_may_finish_it_and_who_is_silent_is_told"],
    ),
    (
        "start",
        "one bad entry is set aside",
        &["src/queue/tests.rs an_entry_that_cannot_be_read_is_set_aside_and_the_next_one_goes"],
    ),
    // Links.
    (
        "mutual TLS",
        "asked for, verified, decided in SMTP",
        &[
            "tests/dialogues/server-no-certificate.txt",
            "tests/revocation.rs a_peer_is_who_its_certificate_says_once_its_status_is_fetched",
        ],
    ),
    (
        "PROXY",
        "by listed address only",
        &["tests/listeners.rs a_listed_proxy_says_for_whom_it_speaks_and_nobody_else_does"],
    ),
    (
        "LMTP",
        "a reply for each recipient",
        &[
            "tests/dialogues/server-lmtp.txt",
            "tests/dialogues/client-lmtp.txt",
        ],
    ),
];

#[test]
fn the_proof_of_every_row_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (row, _, proofs) in ROWS {
        assert!(!proofs.is_empty(), "{row}");
        for proof in *proofs {
            let mut words = proof.split_whitespace();
            let file = words.next().unwrap();
            let text = std::fs::read_to_string(root.join(file));
            let text = text.unwrap_or_else(|error| panic!("{row}: {file}: {error}"));
            if let Some(name) = words.next() {
                assert!(text.contains(&format!("fn {name}(")), "{row}: {proof}");
            }
        }
    }
}

#[test]
fn every_reply_has_an_enhanced_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("server-") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut in_hello = false;
        for said in text.lines().filter_map(|line| line.strip_prefix("S: ")) {
            // RFC 2034 §4: greeting and EHLO have none; 334 and 354 ask for more.
            let is_hello = in_hello || said.contains(" greets ");
            in_hello = is_hello && said.starts_with("250-");
            let asks = said.starts_with("334 ") || said.starts_with("354 ");
            if is_hello || asks || said.ends_with(" Ravelin") {
                continue;
            }
            let code = said.get(4..).unwrap_or_default();
            assert!(
                code.starts_with(&format!("{}.", &said[..1])),
                "{name}: {said}"
            );
            seen += 1;
        }
    }
    assert!(seen > 150, "{seen}");
}

/// What EHLO or LHLO says below its first line.
fn offers(reply: &str) -> Vec<String> {
    let lines = reply.lines().skip(1);
    lines.map(|line| line[4..].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_by_role() {
    assert_eq!(TlsNeed::default(), TlsNeed::Required);
    let bench = Bench::new(
        &[],
        &[
            "role = \"submission\"",
            "role = \"relay\"",
            "role = \"lmtp\"",
        ],
    )
    .await;
    for (number, hello, is_submission) in
        [(0, "EHLO", true), (1, "EHLO", false), (2, "LHLO", false)]
    {
        let mut clear = Wire::open(bench.listener(number)).await;
        clear.hear().await;
        let before = offers(&clear.ask(&format!("{hello} client")).await);
        let tls = bench.tls(Some("drafter"));
        let (_, after) = Wire::starttls_as(bench.listener(number), &tls, hello).await;
        let after = offers(&after);
        let common = [
            "PIPELINING",
            "SIZE 52428800",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            "CHUNKING",
            "BINARYMIME",
            "DSN",
            "SMTPUTF8",
            "DELIVERBY",
            "LIMITS MAILMAX=1000 RCPTMAX=1000",
        ];
        for offered in [&before, &after] {
            for keyword in common {
                assert!(
                    offered.iter().any(|o| o == keyword),
                    "{keyword}: {offered:?}"
                );
            }
            let future = offered
                .iter()
                .any(|o| o.starts_with("FUTURERELEASE 604800 "));
            assert_eq!(future, is_submission, "{offered:?}");
            for never in ["VRFY", "EXPN", "ETRN", "XCLIENT", "HELP"] {
                assert!(!offered.iter().any(|o| o.starts_with(never)), "{offered:?}");
            }
        }
        let has = |offered: &[String], keyword: &str| offered.iter().any(|o| o == keyword);
        for (keyword, clear, inside) in [
            ("STARTTLS", true, false),
            ("MT-PRIORITY STANAG4406", false, true),
            ("REQUIRETLS", false, true),
            ("AUTH EXTERNAL", false, true),
        ] {
            assert_eq!(has(&before, keyword), clear, "{keyword}: {before:?}");
            assert_eq!(has(&after, keyword), inside, "{keyword}: {after:?}");
        }
        let extras = common.len() + usize::from(is_submission);
        assert_eq!((before.len(), after.len()), (extras + 1, extras + 3));
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_has_a_size_of_its_own() {
    let subject = "address = \"drafter@alder.example\"\n";
    let own = [(subject, "size-limit = \"2KiB\"\n")];
    let bench = Bench::new(&own, &["role = \"submission\""]).await;
    let to = bench.listener(0);
    let (mut wire, offered) = Wire::starttls(to, &bench.tls(Some("drafter"))).await;
    assert!(offered.contains("250-SIZE 2048\r\n"), "{offered}");
    let mail = "MAIL FROM:<drafter@alder.example>";
    let reply = wire.ask(&format!("{mail} SIZE=2049")).await;
    assert!(
        reply.starts_with("552 5.3.4 a message may have 2048"),
        "{reply}"
    );
    // What is not announced is measured; it is larger than that.
    let message = bench.message(&["reader@alder.example"]);
    assert!(message.len() > 2048);
    let reply = wire
        .hand_in(mail, &["reader@alder.example"], &message)
        .await;
    assert!(reply.starts_with("552 5.3.4 "), "{reply}");
    assert!(
        wire.ask(&format!("{mail} SIZE=2048"))
            .await
            .starts_with("250 ")
    );
    let (mut other, offered) = Wire::starttls(to, &bench.tls(Some("reader"))).await;
    assert!(offered.contains("250-SIZE 52428800\r\n"), "{offered}");
    let reply = other
        .ask("MAIL FROM:<reader@alder.example> SIZE=2049")
        .await;
    assert!(reply.starts_with("250 "), "{reply}");
    bench.end().await;
}

/// The session takes every number, and says it on; where the hop does not know the parameter, a field
/// carries it. It belongs to MAIL.
#[test]
fn every_priority_goes_on_as_it_came() {
    for number in -9..=9_i8 {
        let mut session = Session::new(Settings {
            priority: PriorityOffer::Always,
            ..Settings::default()
        });
        session.greeting();
        let stream = format!(
            "EHLO p\r\nMAIL FROM:<a@x> MT-PRIORITY={number}\r\nRCPT TO:<b@y>\r\nDATA\r\nA: b\r\n.\r\n"
        );
        let mut kept = None;
        for line in stream.split_inclusive("\r\n") {
            session.feed(line.as_bytes());
            loop {
                match session.next() {
                    Step::Ask(_) => session.answer(Reply::new(250, (2, 1, 0), "ok")),
                    Step::Mail(envelope, _) => {
                        kept = envelope.priority;
                        session.answer(Reply::new(250, (2, 0, 0), "taken"));
                    }
                    Step::Send(_) => {}
                    _ => break,
                }
            }
        }
        assert_eq!(kept, Some(number));
        let known = said(number, "250-x\r\n250 MT-PRIORITY STANAG4406\r\n");
        assert!(
            known.contains(&format!("MAIL FROM:<> MT-PRIORITY={number}\r\n")),
            "{known}"
        );
        assert!(!known.contains("MT-Priority"), "{known}");
        let unknown = said(number, "250 x\r\n");
        assert!(unknown.contains("MAIL FROM:<>\r\n"), "{unknown}");
        assert!(
            unknown.contains(&format!("MT-Priority: {number}\r\nA: b\r\n")),
            "{unknown}"
        );
    }
    for outside in ["10", "-10", "+1", "01"] {
        let line = format!("MAIL FROM:<a@x> MT-PRIORITY={outside}");
        assert_eq!(Command::parse(line.as_bytes()).unwrap_err().code, 501);
    }
    let at_rcpt = Command::parse(b"RCPT TO:<b@y> MT-PRIORITY=4").unwrap_err();
    assert_eq!(at_rcpt.code, 555);
}

fn transaction(priority: Option<i8>) -> Transaction {
    Transaction {
        from: ReversePath::Null,
        recipients: vec![Address::parse("b@y").unwrap()],
        bytes: Arc::from(&b"A: b\r\n\r\nx\r\n"[..]),
        precedence: Precedence::Routine,
        terms: Terms {
            priority,
            ..Terms::default()
        },
        at: Timestamp::UNIX_EPOCH,
    }
}

/// What the client says to a server that answers EHLO so.
fn said(priority: i8, hello: &str) -> String {
    let mut dialogue = Dialogue::new(
        Protocol::Smtp,
        "us",
        ravelin::smtp::dialogue::TlsNeed::Never,
        transaction(Some(priority)),
    );
    let replies = [
        "220 x\r\n",
        hello,
        "250 x\r\n",
        "250 x\r\n",
        "354 x\r\n",
        "250 x\r\n",
    ];
    let (mut replies, mut said) = (replies.into_iter(), Vec::new());
    loop {
        match dialogue.next() {
            Move::Send(octets) => said.extend_from_slice(octets.as_ref()),
            Move::NeedInput => dialogue.feed(replies.next().unwrap().as_bytes()),
            Move::Done(_) => return String::from_utf8(said).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_says_the_priority_and_a_field_of_a_subject_says_nothing() {
    let mut bench = Bench::new(&[], &["role = \"submission\""]).await;
    let (mut wire, _) = Wire::starttls(bench.listener(0), &bench.tls(Some("drafter"))).await;
    let message = bench.message(&["reader@alder.example"]);
    let mail = "MAIL FROM:<drafter@alder.example>";
    let to = &["reader@alder.example"];
    // A field that nobody signed, of somebody who is no switch.
    let with_field = [b"MT-Priority: 6\r\n", &message[..]].concat();
    assert!(
        wire.hand_in(mail, to, &with_field)
            .await
            .starts_with("250 ")
    );
    let urgent = format!("{mail} MT-PRIORITY=3");
    assert!(
        wire.hand_in(&urgent, to, &message)
            .await
            .starts_with("250 ")
    );
    let trace = |octets: &[u8]| {
        let text = String::from_utf8_lossy(octets).replace("\r\n ", " ");
        let first = text.lines().find(|line| line.starts_with("Received: "));
        first.unwrap().to_owned()
    };
    let has = |octets: &[u8]| trace(octets).contains(" PRIORITY ");
    let mail = &mut bench.world.alder_mail;
    let (_, without) = mail.wait_for(|octets| !has(octets)).await.unwrap();
    assert!(field(&without, "MT-Priority").is_none());
    let (_, with) = mail.wait_for(has).await.unwrap();
    assert!(trace(&with).contains(" PRIORITY 3;"), "{}", trace(&with));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_hops_and_no_more() {
    let bench = Bench::new(&[], &["role = \"submission\""]).await;
    let (mut wire, _) = Wire::starttls(bench.listener(0), &bench.tls(Some("drafter"))).await;
    let message = bench.message(&["reader@alder.example"]);
    for (hops, verdict) in [(50, "250 "), (51, "554 5.4.6 ")] {
        let trace = "Received: from a.example by b.example; Sat, 21 Nov 2026 12:00:00 +0000\r\n";
        let message = [trace.repeat(hops).as_bytes(), &message].concat();
        let mail = "MAIL FROM:<drafter@alder.example>";
        let reply = wire
            .hand_in(mail, &["reader@alder.example"], &message)
            .await;
        assert!(reply.starts_with(verdict), "{hops}: {reply}");
    }
    bench.end().await;
}

#[test]
fn a_boundary_has_seventy_characters_at_most() {
    let read = |length: usize| {
        let boundary = "b".repeat(length);
        let text = format!(
            "Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n\r\nx\r\n--{boundary}--\r\n"
        );
        Entity::parse_all(text.as_bytes(), Limits::default()).map(|entity| entity.children.len())
    };
    assert_eq!(read(70).ok(), Some(1));
    assert!(read(71).is_err());
}

#[test]
fn the_limits_of_a_session_are_those_of_the_table() {
    let usual = Settings::default();
    assert_eq!(usual.size_limit, 50 << 20);
    assert_eq!(usual.line_limit, 998);
    assert_eq!((usual.recipients_limit, usual.messages_limit), (1000, 1000));
    assert_eq!(usual.errors_limit, 10);
    assert_eq!(usual.future_release, Duration::from_secs(7 * 86_400));
    assert_eq!(ravelin::smtp::line::COMMAND_LINE, 4096);
    let limits = header::Limits::default();
    assert_eq!((limits.fields, limits.header_octets), (1000, 128 << 10));
    assert_eq!(limits.depth, 32);
}

#[test]
fn the_patience_of_a_client_is_that_of_the_table() {
    let mut dialogue = Dialogue::new(
        Protocol::Smtp,
        "us",
        ravelin::smtp::dialogue::TlsNeed::Never,
        transaction(None),
    );
    // Greeting, EHLO, MAIL, RCPT, DATA, the final dot.
    let steps = [
        ("220 x\r\n", 60),
        ("250 x\r\n", 60),
        ("250 x\r\n", 300),
        ("250 x\r\n", 300),
        ("354 x\r\n", 120),
        ("250 x\r\n", 600),
    ];
    let mut steps = steps.into_iter();
    loop {
        match dialogue.next() {
            Move::NeedInput => {
                let (reply, seconds) = steps.next().unwrap();
                assert_eq!(dialogue.patience(), Duration::from_secs(seconds), "{reply}");
                dialogue.feed(reply.as_bytes());
            }
            Move::Done(_) => break,
            _ => {}
        }
    }
    assert!(steps.next().is_none());
}
